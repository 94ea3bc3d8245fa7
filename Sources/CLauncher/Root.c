// The container's root: FUSE below, an overlay above, and what the kernel and the host give.
#ifdef __linux__
#define _GNU_SOURCE
#include "Container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLAUNCHER_BINDS 64

typedef const claunch_origin *origin_t;

static void must(origin_t origin, int result, const char *what, const char *name) {
    if (result < 0) claunch_fail(origin, what, name);
}

/// Sends the mount's descriptors to the process that serves it, and keeps none: only so does the mount die with it.
static void send_descriptors(origin_t origin, int *descriptors, int count) {
    char byte = 0;
    struct iovec bytes = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CLAUNCHER_DESCRIPTORS)];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(part), descriptors, sizeof(int) * (size_t)count);
    must(origin, (int)sendmsg(origin->control, &message, MSG_NOSIGNAL), "the mount cannot be handed over", NULL);
    for (int i = 0; i < count; i++) close(descriptors[i]);
}

/// Opens the device for each that serves, before the stage may hide it. One that cannot be had besides the first is no
/// failure: those that are there serve all.
static int open_devices(const claunch_container *container, origin_t origin, int *descriptors) {
    int count = 0;
    do {
        descriptors[count] = open(container->device, O_RDWR | O_CLOEXEC);
        if (count == 0) must(origin, descriptors[0], "cannot open", container->device);
    } while (descriptors[count] >= 0 && ++count < container->descriptors && count < CLAUNCHER_DESCRIPTORS);
    return count;
}

static void mount_lazy(
    const claunch_container *container, origin_t origin, int *descriptors, int opened, const char *folder) {
    char options[256];
    // The ids are those of this namespace, where who mounts is root.
    snprintf(
        options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions,allow_other",
        descriptors[0], (unsigned)geteuid(), (unsigned)getegid());
    must(
        origin, mount(container->source, folder, "fuse.cvmfs", MS_RDONLY | MS_NODEV | MS_NOATIME, options),
        "a FUSE file system cannot be mounted", NULL);
    int count = 1;
    for (uint32_t original = (uint32_t)descriptors[0]; count < opened; count++) {
        if (ioctl(descriptors[count], FUSE_DEV_IOC_CLONE, &original) < 0) break;
    }
    for (int i = count; i < opened; i++) close(descriptors[i]);
    send_descriptors(origin, descriptors, count);
}

/// Goes to the image in the lower layer. A catalog may have entries below a symlink, which would lead to the host.
static void enter_image(const claunch_container *container, origin_t origin) {
    if (container->path == NULL || container->path[0] == 0) return;
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    int folder = (int)syscall(SYS_openat2, AT_FDCWD, container->path, &how, sizeof how);
    must(origin, folder, "the image cannot be entered:", container->path);
    must(origin, fchdir(folder), "the image cannot be entered:", container->path);
    close(folder);
}

/// An empty file system in memory at a folder that every host has; what it hides is of no use from here on.
static void make_stage(origin_t origin) {
    const char *const places[] = {"/tmp", "/run", "/mnt", "/var"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (mount("cvmfs-run", places[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0 && chdir(places[i]) == 0)
            return;
    }
    claunch_fail(origin, "no folder of the host can be mounted on (/tmp, /run, /mnt, /var)", NULL);
}

static int tree_at(const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

static int set_attributes(int tree, uint64_t attributes, unsigned flags) {
    struct mount_attr set = {.attr_set = attributes};
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | flags, &set, sizeof set);
}

static int attach(int tree, const char *path) {
    return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/// The overlay's root gets the attributes of its upper layer: so that one gets those of the image.
static void make_upper(const char *upper, const struct stat *root) {
    if (mkdir(upper, 0700) < 0) return;
    // An owner that the namespace does not map stays its root.
    int ignored = chown(upper, root->st_uid, root->st_gid);
    ignored = chmod(upper, root->st_mode & 07777);
    (void)ignored;
}

static void mount_overlay(const claunch_container *container, origin_t origin, const char *stage, int layer) {
    char options[512], upper[96], work[96];
    struct stat root;
    must(origin, stat(".", &root), "the image's root cannot be read", NULL);
    if (layer >= 0) {
        snprintf(upper, sizeof upper, "/proc/self/fd/%d/upper", layer);
        snprintf(work, sizeof work, "/proc/self/fd/%d/work", layer);
    } else {
        snprintf(upper, sizeof upper, "%s/upper", stage);
        snprintf(work, sizeof work, "%s/work", stage);
    }
    make_upper(upper, &root);
    mkdir(work, 0700);
    // The lower layer is the working folder, so that none of its characters can be taken for the options' own.
    snprintf(
        options, sizeof options, "lowerdir=.,upperdir=%s,workdir=%s%s", upper, work,
        container->has_user_namespace ? ",userxattr" : "");
    char target[96];
    snprintf(target, sizeof target, "%s/root", stage);
    must(origin, mkdir(target, 0700), "cannot make", target);
    unsigned long flags = MS_NODEV | (container->allows_privileges ? 0 : MS_NOSUID);
    must(origin, mount("cvmfs", target, "overlay", flags, options), "an overlay cannot be mounted", NULL);
    must(origin, chdir(target), "cannot enter", target);
}

/// A folder of the container that is mounted on: made when it is absent. An image that has a symlink there is refused,
/// as it could only lead somewhere else.
static void need_folder(origin_t origin, const char *path, mode_t mode) {
    struct stat status;
    if (lstat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode)) return;
        errno = ENOTDIR;
        claunch_fail(origin, "the image has no folder at", path);
    }
    must(origin, mkdir(path, mode), "cannot make the image's", path);
}

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
#define DEVICES (sizeof devices / sizeof *devices)

static void populate_dev(const claunch_container *container, origin_t origin, const int *nodes) {
    need_folder(origin, "/dev", 0755);
    must(origin, mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=0755,size=64k"), "cannot mount", "/dev");
    for (size_t i = 0; i < DEVICES; i++) {
        // A host without a terminal may have no /dev/tty.
        if (nodes[i] < 0) continue;
        int file = open(devices[i], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
        must(origin, file, "cannot make", devices[i]);
        close(file);
        must(origin, attach(nodes[i], devices[i]), "cannot mount", devices[i]);
        close(nodes[i]);
    }
    const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        must(origin, symlink(links[i][0], links[i][1]), "cannot make", links[i][1]);
    must(origin, mkdir("/dev/pts", 0755), "cannot make", "/dev/pts");
    // Group 5, that of terminals everywhere, is not mapped in a user namespace of one user.
    int has_group = !container->has_user_namespace || container->user_mapper != NULL;
    const char *options = !has_group ? "newinstance,ptmxmode=0666,mode=0620"
                                                        : "newinstance,ptmxmode=0666,mode=0620,gid=5";
    if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, options) < 0)
        must(
            origin, mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"),
            "cannot mount", "/dev/pts");
    must(origin, mkdir("/dev/shm", 01777), "cannot make", "/dev/shm");
    must(
        origin, mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777"), "cannot mount",
        "/dev/shm");
}

/// The host's own settings and memory, which its root could change or read: without a user namespace that is who runs.
static void protect_proc(origin_t origin) {
    const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
        int tree = tree_at(read_only[i], AT_RECURSIVE);
        if (tree < 0 && errno == ENOENT) continue;
        must(origin, tree, "cannot protect", read_only[i]);
        must(
            origin, set_attributes(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, AT_RECURSIVE),
            "cannot protect", read_only[i]);
        must(origin, attach(tree, read_only[i]), "cannot protect", read_only[i]);
        close(tree);
    }
    const char *const hidden[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats",
                                  "/proc/kmsg"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (mount("/dev/null", hidden[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            claunch_fail(origin, "cannot hide", hidden[i]);
    }
}

static void mount_bind(origin_t origin, const claunch_bind *bind, int tree) {
    struct stat source, target;
    must(origin, fstat(tree, &source), "cannot read", bind->source);
    if (stat(bind->target, &target) < 0) {
        if (S_ISDIR(source.st_mode)) {
            must(origin, mkdir(bind->target, 0755), "cannot make", bind->target);
        } else {
            int file = open(bind->target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
            must(origin, file, "cannot make", bind->target);
            close(file);
        }
    }
    if (bind->is_read_only)
        must(origin, set_attributes(tree, MOUNT_ATTR_RDONLY, AT_RECURSIVE), "cannot protect", bind->source);
    must(origin, attach(tree, bind->target), "cannot mount", bind->target);
    close(tree);
}

void claunch_enter_root(const claunch_container *container, origin_t origin) {
    int nodes[DEVICES], binds[CLAUNCHER_BINDS], sys;
    mode_t mask = umask(0);
    must(origin, mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL), "mounts cannot be made this namespace's own", NULL);
    for (size_t i = 0; i < DEVICES; i++) {
        nodes[i] = tree_at(devices[i], 0);
        if (nodes[i] < 0 && strcmp(devices[i], "/dev/tty") != 0) claunch_fail(origin, "cannot have", devices[i]);
    }
    sys = tree_at("/sys", AT_RECURSIVE);
    if (container->bind_count > CLAUNCHER_BINDS) {
        errno = E2BIG;
        claunch_fail(origin, "too many binds", NULL);
    }
    for (int i = 0; i < container->bind_count; i++) {
        binds[i] = tree_at(container->binds[i].source, AT_RECURSIVE);
        must(origin, binds[i], "cannot bind", container->binds[i].source);
    }
    // What the stage may hide is opened first.
    int lower = -1, layer = -1, opened = 0, descriptors[CLAUNCHER_DESCRIPTORS];
    if (container->lower != NULL)
        must(origin, lower = open(container->lower, O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open", container->lower);
    if (container->layer != NULL)
        must(origin, layer = open(container->layer, O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open", container->layer);
    if (container->lower == NULL) opened = open_devices(container, origin, descriptors);

    make_stage(origin);
    char stage[64];
    if (getcwd(stage, sizeof stage) == NULL) claunch_fail(origin, "getcwd(2)", NULL);
    if (lower >= 0) {
        must(origin, fchdir(lower), "cannot enter", container->lower);
    } else {
        must(origin, mkdir("lower", 0700), "cannot make", "lower");
        mount_lazy(container, origin, descriptors, opened, "lower");
        must(origin, chdir("lower"), "the lazy image cannot be entered", NULL);
    }
    enter_image(container, origin);
    mount_overlay(container, origin, stage, layer);
    must(origin, (int)syscall(SYS_pivot_root, ".", "."), "pivot_root(2)", NULL);

    // From here on absolute paths are the container's, and the working folder is the host's root, to be left at the end.
    need_folder(origin, "/proc", 0555);
    must(
        origin, mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
        "/proc cannot be mounted (inside another container it may be hidden in part)", NULL);
    if (sys >= 0) {
        need_folder(origin, "/sys", 0555);
        must(
            origin,
            set_attributes(
                sys, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, AT_RECURSIVE),
            "cannot protect", "/sys");
        must(origin, attach(sys, "/sys"), "cannot mount", "/sys");
        close(sys);
    }
    populate_dev(container, origin, nodes);
    if (!container->has_user_namespace) protect_proc(origin);
    for (int i = 0; i < container->bind_count; i++) mount_bind(origin, &container->binds[i], binds[i]);
    must(origin, umount2(".", MNT_DETACH), "the host's root cannot be left", NULL);
    must(origin, chdir("/"), "cannot enter", "/");
    if (container->is_read_only)
        must(
            origin,
            mount(
                "none", "/", NULL,
                MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | (container->allows_privileges ? 0 : MS_NOSUID), NULL),
            "the root cannot be made read-only", NULL);
    umask(mask);
}
#endif

#ifdef __linux__
#define _GNU_SOURCE
#include "Overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/// NS_GET_MNTNS_ID, of Linux 6.10.
#define NAMESPACE_IDENTITY _IOR(0xb7, 0x5, uint64_t)

static int has_own_user_namespace(void) {
    unsigned first, second, count = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    if (map == NULL) return 0;
    int fields = fscanf(map, "%u %u %u", &first, &second, &count);
    fclose(map);
    return fields == 3 && count != ~0u;
}

int claunch_mount_overlay(
    const char *lower, const char *path, const char *layer, const char *target, int allows_privileges) {
    unsigned long flags = MS_NODEV | (allows_privileges ? 0 : MS_NOSUID);
    char options[512], lower_folder[64];
    int root = open(lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -errno;
    int image = root;
    if (path[0] != 0) {
        struct open_how how = {
            .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
        image = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        int error = errno;
        close(root);
        if (image < 0) return -error;
    }
    int result = 0, folder = -1;
    struct stat status;
    snprintf(lower_folder, sizeof lower_folder, "/proc/self/fd/%d", image);
    // Descriptors stand for the folders, so that none of a path's characters can be taken for the options' own.
    if (layer != NULL) {
        folder = open(layer, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0 || fstat(image, &status) < 0) {
            result = -errno;
        } else {
            if (mkdirat(folder, "upper", 0700) == 0) {
                // The overlay's root gets the attributes of its upper layer. An owner that is not mapped stays ours.
                int ignored = fchownat(folder, "upper", status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW);
                ignored = fchmodat(folder, "upper", status.st_mode & 07777, 0);
                (void)ignored;
            }
            mkdirat(folder, "work", 0700);
            snprintf(
                options, sizeof options, "lowerdir=%s,upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/work%s",
                lower_folder, folder, folder, has_own_user_namespace() ? ",userxattr" : "");
            if (mount("cvmfs", target, "overlay", flags, options) < 0) result = -errno;
        }
        if (folder >= 0) close(folder);
    } else if (mount(lower_folder, target, NULL, MS_BIND, NULL) < 0 ||
               mount("none", target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0) {
        result = -errno;
    }
    close(image);
    return result;
}

int claunch_unmount(const char *path, int lazily) {
    return umount2(path, UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) < 0 ? -errno : 0;
}

int claunch_remove_tree(const char *path) {
    char *const paths[] = {(char *)path, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (tree == NULL) return -errno;
    int result = 0;
    for (FTSENT *entry; (entry = fts_read(tree)) != NULL;) {
        switch (entry->fts_info) {
        case FTS_D:
            // An overlay's work folder cannot even be listed by its owner.
            if ((entry->fts_statp->st_mode & 0700) != 0700) chmod(entry->fts_accpath, 0700);
            break;
        case FTS_DP:
        case FTS_DNR:
            if (rmdir(entry->fts_accpath) < 0 && errno != ENOENT && result == 0) result = -errno;
            break;
        case FTS_NS:
            if (entry->fts_errno != ENOENT && result == 0) result = -entry->fts_errno;
            break;
        default:
            if (unlink(entry->fts_accpath) < 0 && errno != ENOENT && result == 0) result = -errno;
        }
    }
    fts_close(tree);
    return result;
}

static int identity_of(const char *path, uint64_t *identity) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -errno;
    struct stat status;
    int result = 0;
    if (ioctl(file, NAMESPACE_IDENTITY, identity) < 0) {
        if (fstat(file, &status) < 0) result = -errno;
        else *identity = status.st_ino;
    }
    close(file);
    return result;
}

int claunch_namespace(uint64_t *identity) { return identity_of("/proc/self/ns/mnt", identity); }

int claunch_namespace_of(int process, uint64_t *identity) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", process);
    return identity_of(path, identity);
}

int claunch_lock(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return -errno;
    while (flock(file, LOCK_EX) < 0) {
        if (errno == EINTR) continue;
        int error = errno;
        close(file);
        return -error;
    }
    return file;
}
#endif

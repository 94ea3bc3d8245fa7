#define _GNU_SOURCE
#include "SourceEntries.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>
#ifdef __linux__
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

int cplatform_entry_at(int folder, const char *name, cplatform_entry *entry) {
    struct stat status;
    int result = name[0] ? fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) : fstat(folder, &status);
    if (result != 0) return -errno;
    entry->mode = status.st_mode;
    entry->uid = status.st_uid;
    entry->gid = status.st_gid;
    entry->major = major(status.st_rdev);
    entry->minor = minor(status.st_rdev);
    entry->device = status.st_dev;
    entry->inode = status.st_ino;
    entry->links = status.st_nlink;
    entry->size = status.st_size;
#ifdef __APPLE__
    struct timespec modified = status.st_mtimespec, changed = status.st_ctimespec;
#else
    struct timespec modified = status.st_mtim, changed = status.st_ctim;
#endif
    entry->modified = modified.tv_sec;
    entry->modified_nanoseconds = modified.tv_nsec;
    entry->changed = changed.tv_sec;
    entry->changed_nanoseconds = changed.tv_nsec;
    return 0;
}

int cplatform_open_source_folder(int folder, const char *name) {
    int opened = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return opened < 0 ? -errno : opened;
}

int64_t cplatform_read_link(int folder, const char *name, void *target, int64_t count) {
    ssize_t length = readlinkat(folder, name, target, count);
    return length < 0 ? -errno : length;
}

#ifdef __linux__
// Neither can a symlink be opened for this, nor does a call take a folder before Linux 6.13: its path below /proc does.
static int path_of(char *path, size_t size, int folder, const char *entry) {
    int length = entry[0] ? snprintf(path, size, "/proc/self/fd/%d/%s", folder, entry)
                          : snprintf(path, size, "/proc/self/fd/%d/.", folder);
    return length < 0 || (size_t)length >= size ? ENAMETOOLONG : 0;
}
#else
static int opened_link(int folder, const char *entry) {
    return openat(folder, entry[0] ? entry : ".", O_RDONLY | O_SYMLINK | O_NONBLOCK | O_CLOEXEC);
}
#endif

#ifdef __linux__
// listxattrat, which has one number on all architectures; a third of the time of the way through /proc.
enum { list_xattrs_at = 465 };

static ssize_t list_xattrs(int folder, const char *entry, void *names, int64_t count) {
    static atomic_int is_missing;
    if (!atomic_load_explicit(&is_missing, memory_order_relaxed)) {
        int flags = AT_SYMLINK_NOFOLLOW | (entry[0] ? 0 : AT_EMPTY_PATH);
        ssize_t length = syscall(list_xattrs_at, folder, entry, flags, names, (size_t)count);
        // Older kernels, and sandboxes that do not know the call.
        if (length >= 0 || (errno != ENOSYS && errno != EPERM)) return length;
        atomic_store_explicit(&is_missing, 1, memory_order_relaxed);
    }
    char path[512];
    int error = path_of(path, sizeof path, folder, entry);
    if (error) {
        errno = error;
        return -1;
    }
    return llistxattr(path, names, count);
}
#endif

int64_t cplatform_list_link_xattrs(int folder, const char *entry, void *names, int64_t count) {
#ifdef __linux__
    ssize_t length = list_xattrs(folder, entry, names, count);
    int failure = errno;
#else
    int file = opened_link(folder, entry);
    if (file < 0) return -errno;
    ssize_t length = flistxattr(file, names, count, 0);
    int failure = errno;
    close(file);
#endif
    if (length >= 0) return length;
    return failure == ENOTSUP || failure == EOPNOTSUPP ? 0 : -failure;
}

int64_t cplatform_get_link_xattr(int folder, const char *entry, const char *name, void *value, int64_t count) {
#ifdef __linux__
    char path[512];
    int error = path_of(path, sizeof path, folder, entry);
    if (error) return -error;
    ssize_t length = lgetxattr(path, name, value, count);
    return length < 0 ? -errno : length;
#else
    int file = opened_link(folder, entry);
    if (file < 0) return -errno;
    ssize_t length = fgetxattr(file, name, value, count, 0, 0);
    int failure = errno;
    close(file);
    return length < 0 ? -failure : length;
#endif
}

int cplatform_type_keeps_times(uint32_t type) {
    switch (type) {
    case 0x73717368: // squashfs
    case 0xE0F5E1E2: // erofs
    case 0x00009660: // isofs
    case 0x15013346: // udf
    case 0x28CD3D45: // cramfs
    case 0x00007275: // romfs
    case 0x65735546: // fuse
        return 0;
    default:
        return 1;
    }
}

int cplatform_times_are_kept(int file) {
#ifdef __linux__
    struct statfs found;
    return fstatfs(file, &found) == 0 && cplatform_type_keeps_times((uint32_t)found.f_type);
#else
    (void)file;
    return 1;
#endif
}

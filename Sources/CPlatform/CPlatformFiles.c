#define _GNU_SOURCE
#include "CPlatformFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#endif

int cplatform_set_link_xattr(int folder, const char *entry, const char *name, const void *value, size_t count) {
#ifdef __linux__
    // A symlink cannot be opened for this, and no call takes a folder: its path below /proc does.
    char path[4096];
    int length = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, entry);
    if (length < 0 || (size_t)length >= sizeof path) return ENAMETOOLONG;
    return lsetxattr(path, name, value, count, 0) == 0 ? 0 : errno;
#else
    int file = openat(folder, entry, O_RDONLY | O_SYMLINK | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return errno;
    int result = fsetxattr(file, name, value, count, 0, 0) == 0 ? 0 : errno;
    close(file);
    return result;
#endif
}

int cplatform_make_node(int folder, const char *entry, uint32_t mode, uint32_t major_number, uint32_t minor_number) {
    return mknodat(folder, entry, mode, makedev(major_number, minor_number)) == 0 ? 0 : errno;
}

int cplatform_set_times(int folder, const char *entry, int64_t seconds, int64_t nanoseconds) {
    struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    return utimensat(folder, entry, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

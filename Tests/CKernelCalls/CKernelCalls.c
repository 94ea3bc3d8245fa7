#define _GNU_SOURCE
#include "CKernelCalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

int kernel_open_root(const char *path) { return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC); }

int kernel_open_in_root(int root, const char *path, int follows_last) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | (follows_last ? 0 : O_NOFOLLOW), .resolve = RESOLVE_IN_ROOT};
    long descriptor;
    do {
        descriptor = syscall(SYS_openat2, root, path, &how, sizeof how);
        // A rename anywhere in the system makes it unsure about "..": it asks to be called again.
    } while (descriptor < 0 && errno == EAGAIN);
    return descriptor < 0 ? -errno : (int)descriptor;
}

long kernel_xattr(const char *path, const char *name, void *value, unsigned long size) {
    return lgetxattr(path, name, value, size);
}

long kernel_xattr_names(const char *path, char *names, unsigned long size) { return llistxattr(path, names, size); }

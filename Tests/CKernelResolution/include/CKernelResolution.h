// openat2(2), which glibc does not wrap: what paths inside an image are compared with.
#ifndef CKERNEL_RESOLUTION_H
#define CKERNEL_RESOLUTION_H

/// A descriptor of the folder to resolve in, or -1.
int kernel_open_root(const char *path);
/// Opens with RESOLVE_IN_ROOT; a descriptor, or a negative errno.
int kernel_open_in_root(int root, const char *path, int follows_last);

#endif

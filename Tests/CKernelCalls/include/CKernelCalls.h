// Calls that tests compare with, and that Swift does not import.
#ifndef CKERNEL_CALLS_H
#define CKERNEL_CALLS_H

#include "CExtendedAttributes.h"

// openat2(2): what paths inside an image are compared with.

/// A descriptor of the folder to resolve in, or -1.
int kernel_open_root(const char *path);
/// Opens with RESOLVE_IN_ROOT; a descriptor, or a negative errno.
int kernel_open_in_root(int root, const char *path, int follows_last);

/// The length of an extended attribute of an entry itself, a symlink too, which goes into `value`; or -1.
long kernel_xattr(const char *path, const char *name, void *value, unsigned long size);

/// The names of an entry's own extended attributes, each with a NUL behind it: their length, or -1.
long kernel_xattr_names(const char *path, char *names, unsigned long size);

#endif

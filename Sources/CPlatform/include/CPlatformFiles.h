// Calls on files that differ between systems, or that Swift does not import.
#ifndef CPLATFORM_FILES_H
#define CPLATFORM_FILES_H

#include <stdint.h>
#include <stddef.h>

/// Each returns 0 or an errno.

/// Sets an extended attribute of a directory's entry, without following a symlink; `name` ends with a NUL.
int cplatform_set_link_xattr(int folder, const char *entry, const char *name, const void *value, size_t count);
/// Makes a fifo, socket or device.
int cplatform_make_node(int folder, const char *entry, uint32_t mode, uint32_t major, uint32_t minor);
/// Sets the time of modification and of access of a directory's entry, without following a symlink.
int cplatform_set_times(int folder, const char *entry, int64_t seconds, int64_t nanoseconds);

#endif

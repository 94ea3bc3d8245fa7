// What a publisher reads of a directory's entries, never through a symbolic link.
//
// Unless it says otherwise a function returns 0 or more when it succeeded, and a negated errno when not.
#ifndef CPLATFORM_SOURCE_ENTRIES_H
#define CPLATFORM_SOURCE_ENTRIES_H

#include <stdint.h>

typedef struct {
    uint32_t mode, uid, gid;
    /// Numbers of a device.
    uint32_t major, minor;
    uint64_t device, inode, links;
    int64_t size;
    /// Times of modification and of the last change of anything.
    int64_t modified, modified_nanoseconds, changed, changed_nanoseconds;
} cplatform_entry;

/// Of an entry, or of the open folder itself when `name` is empty.
int cplatform_entry_at(int folder, const char *name, cplatform_entry *entry);
/// Opens a folder in a folder; -ENOTDIR or -ELOOP when it is something else.
int cplatform_open_source_folder(int folder, const char *name);
/// The length of a symbolic link's target.
int64_t cplatform_read_link(int folder, const char *name, void *target, int64_t count);
/// The names of all extended attributes, each with a NUL behind it; their length. -ERANGE when they do not fit, 0 where
/// the file system has none.
int64_t cplatform_list_link_xattrs(int folder, const char *entry, void *names, int64_t count);
/// The length of an extended attribute's value. -ERANGE when it does not fit.
int64_t cplatform_get_link_xattr(int folder, const char *entry, const char *name, void *value, int64_t count);

/// Whether a file's time of the last change comes from a kernel that saw the change. In the file systems of images it
/// comes from whoever made the image, and those that programs serve make up times and numbers as they like: there
/// another file may have all numbers of an earlier one. 1 or 0.
int cplatform_times_are_kept(int file);
/// The same by the type of a file system, as statfs(2) of Linux has it.
int cplatform_type_keeps_times(uint32_t type);

#endif

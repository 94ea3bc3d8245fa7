// The file operations of a cache folder: what is Linux-only has a portable fall-back here, so that Swift sees one face.
//
// Unless it says otherwise a function returns 0 or more when it succeeded, and a negated errno when not. A call that
// a signal interrupts starts again. Every descriptor is close-on-exec.
#ifndef CPLATFORM_CACHE_FILES_H
#define CPLATFORM_CACHE_FILES_H

#include <stdint.h>

typedef struct {
    int64_t size;
    uint64_t inode;
    uint32_t links;
    uint8_t is_regular;
    uint8_t is_folder;
    /// Last access, nanoseconds since 1970.
    int64_t accessed;
} cplatform_status;

/// Opens a folder by path, through symbolic links.
int cplatform_open_folder(const char *path);
/// Makes a folder and its missing parents, mode 0700. 1 when it was made, 0 when it was there.
int cplatform_make_folders(const char *path);
/// Makes a folder in a folder, mode 0700. 1 when it was made, 0 when it was there.
int cplatform_make_folder(int folder, const char *name);

/// Opens an existing file for reading, or for reading and writing. No component of the name may be a symbolic link.
/// Does not block on a fifo, and does not count as an access where the system allows that.
int cplatform_open_file(int folder, const char *name, int writes);
/// Creates a file that must not exist, mode 0600, for reading and writing.
int cplatform_create_file(int folder, const char *name);
/// Creates a file without a name, mode 0600, in the file system of `place`. -EOPNOTSUPP where there is no such thing.
int cplatform_create_unnamed_file(int folder, const char *place);
/// Gives a name to a file that has none. -EEXIST when the name is taken.
int cplatform_name_file(int file, int folder, const char *name);
/// Moves a file to a name that must not be taken: -EEXIST otherwise.
int cplatform_move_file(int folder, const char *from, const char *to);
/// Moves a file to a name, over what is there.
int cplatform_replace_file(int folder, const char *from, const char *to);
/// A second descriptor of the same file that can only read, with its own locks; a mere duplicate without /proc.
int cplatform_reopen_for_reading(int file);
/// A file in memory that belongs to no file system.
int cplatform_create_memory_file(const char *name);
/// Makes a memory file unchangeable for ever, where the system can.
int cplatform_seal_memory_file(int file);
int cplatform_remove_file(int folder, const char *name);
void cplatform_close(int descriptor);

int cplatform_status_of(int descriptor, cplatform_status *status);
/// Of the name itself, not of what a symbolic link points to.
int cplatform_status_at(int folder, const char *name, cplatform_status *status);

/// -EWOULDBLOCK when it does not wait and the lock is taken.
int cplatform_lock(int file, int exclusively, int waits);
int cplatform_unlock(int file);

/// Returns the number of bytes, fewer than asked for only at the end of the file.
int64_t cplatform_read_at(int file, void *bytes, int64_t count, int64_t offset);
/// Whether the beginning is in memory: 0 when reading it would wait for the disk, 1 also where the system does not tell.
int cplatform_is_in_memory(int file);
/// Lets the system begin to read that many bytes from the beginning.
void cplatform_will_read(int file, int64_t count);
/// Writes all bytes or fails.
int cplatform_write_at(int file, const void *bytes, int64_t count, int64_t offset);
int cplatform_truncate(int file, int64_t size);
/// Sets the time of the last access, in nanoseconds since 1970, and nothing else.
int cplatform_set_accessed(int file, int64_t nanoseconds);

/// An extended attribute's length; `name` without the `user.` in front. -ENODATA when there is none, -EOPNOTSUPP when
/// the file system has none at all.
int cplatform_get_attribute(int file, const char *name, void *bytes, int count);
int cplatform_set_attribute(int file, const char *name, const void *bytes, int count);

int cplatform_sync_file(int descriptor);
/// Everything written to the file system of the descriptor.
int cplatform_sync_file_system(int descriptor);

typedef struct {
    /// Bytes of the file system, and those that this user may still write.
    int64_t total, available;
    /// Files that may still be made; -1 when the file system does not say.
    int64_t available_files;
} cplatform_space;
int cplatform_space_of(int descriptor, cplatform_space *space);

/// A listing of a folder. `cplatform_listing_next` gives 1 and a name, or 0 at the end; `.` and `..` are left out.
typedef struct cplatform_listing cplatform_listing;
int cplatform_listing_open(int folder, const char *name, cplatform_listing **listing);
int cplatform_listing_next(cplatform_listing *listing, const char **name);
/// The same, and whether it is a regular file: 1, 0, or -1 when the file system does not say.
int cplatform_listing_next_kind(cplatform_listing *listing, const char **name, int *is_regular);
void cplatform_listing_close(cplatform_listing *listing);

/// 16 bytes that differ from one start of the system to the next. -ENOENT where the system does not tell.
int cplatform_boot_id(uint8_t *bytes);
/// Nanoseconds since 1970, cheaply: a few milliseconds old.
int64_t cplatform_now(void);

#endif

// The kernel's FUSE interface: its structures, what newer kernels added to them, and the calls that Swift cannot make.
//
// Functions return 0 or more when they succeeded, and a negated errno when not. Every descriptor is close-on-exec.
#ifndef CFUSE_H
#define CFUSE_H

#include <linux/fuse.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "CFUSERing.h"

// MARK: Structures of protocol 7.39 to 7.45, which the header of an older distribution lacks

/// Answer to INIT, with the fields up to 7.43.
struct cfuse_init_out {
    uint32_t major;
    uint32_t minor;
    uint32_t max_readahead;
    uint32_t flags;
    uint16_t max_background;
    uint16_t congestion_threshold;
    uint32_t max_write;
    uint32_t time_gran;
    uint16_t max_pages;
    uint16_t map_alignment;
    uint32_t flags2;
    uint32_t max_stack_depth;
    uint16_t request_timeout;
    uint16_t unused[11];
};

/// Answer to OPEN, with the backing file of 7.40.
struct cfuse_open_out {
    uint64_t fh;
    uint32_t open_flags;
    int32_t backing_id;
};

/// STATX, 7.39.
struct cfuse_statx_in {
    uint32_t getattr_flags;
    uint32_t reserved;
    uint64_t fh;
    uint32_t sx_flags;
    uint32_t sx_mask;
};

struct cfuse_sx_time {
    int64_t tv_sec;
    uint32_t tv_nsec;
    int32_t reserved;
};

struct cfuse_statx {
    uint32_t mask;
    uint32_t blksize;
    uint64_t attributes;
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint16_t mode;
    uint16_t spare0;
    uint64_t ino;
    uint64_t size;
    uint64_t blocks;
    uint64_t attributes_mask;
    struct cfuse_sx_time atime;
    struct cfuse_sx_time btime;
    struct cfuse_sx_time ctime;
    struct cfuse_sx_time mtime;
    uint32_t rdev_major;
    uint32_t rdev_minor;
    uint32_t dev_major;
    uint32_t dev_minor;
    uint64_t spare2[14];
};

struct cfuse_statx_out {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec;
    uint32_t flags;
    uint64_t spare[2];
    struct cfuse_statx stat;
};

/// PRUNE, 7.45; node numbers follow.
struct cfuse_notify_prune_out {
    uint32_t count;
    uint32_t padding;
    uint64_t spare;
};

/// The fixed part of a directory's record; the name follows.
struct cfuse_dirent_head {
    uint64_t ino;
    uint64_t off;
    uint32_t namelen;
    uint32_t type;
};

// MARK: The device

int cfuse_open_device(const char *path);
void cfuse_close(int descriptor);
/// A second channel to the connection of `descriptor`.
int cfuse_clone_device(int descriptor, const char *path);
/// Reads one request.
ssize_t cfuse_read_request(int descriptor, void *buffer, size_t capacity);
/// Answers one request; `body` may be null. `error` is 0 or a positive errno.
int cfuse_reply(int descriptor, uint64_t unique, int error, const void *body, size_t count);
/// Answers a READ with what `file` holds: read into `buffer`, which has room for `count` bytes, or through `pipes` (two
/// pipes, each its reading end first; null for none) without passing through the process.
int cfuse_reply_file(
    int descriptor, uint64_t unique, int file, int64_t offset, size_t count, void *buffer, const int *pipes);
/// Tells the kernel something; `name`, of `count` bytes, follows the body.
int cfuse_notify(
    int descriptor, int code, const void *body, size_t body_count, const void *name, size_t count, int ends_with_nul);

/// Registers a file that the kernel reads instead of asking us. A number above 0.
int cfuse_open_backing(int descriptor, int file);
int cfuse_close_backing(int descriptor, int backing);

/// A pipe with room for `capacity` bytes.
int cfuse_make_pipe(int *ends, size_t capacity);

// MARK: Mounting

int cfuse_mount(const char *source, const char *path, const char *type, unsigned long flags, const char *options);
/// Mounts with the set-uid program `helper`, which hands the device's descriptor over. What it prints goes to `message`.
int cfuse_mount_with_helper(
    const char *helper, const char *path, const char *options, char *message, size_t capacity);
int cfuse_unmount(const char *path, int lazily);
/// Runs a program with no more than four arguments to its end: 0, or -ECANCELED when it failed.
int cfuse_run(const char *program, const char *const *arguments, char *message, size_t capacity);

/// Ends a FUSE connection by its number, wherever the control file system is mounted, or not.
int cfuse_abort_connection(unsigned int connection);

// MARK: Memory and threads

/// Anonymous memory whose pages stay resident once they are used, if the limit on locked memory allows it: then `*locked`
/// is 1. With `now` all of them are in use from the beginning.
void *cfuse_allocate_resident(size_t count, int now, int *locked);
void cfuse_free_resident(void *memory, size_t count);

/// Starts a detached thread that takes no signal but the one of `cfuse_wake_thread`.
int cfuse_start_thread(const char *name, void (*body)(void *), void *context);
int cfuse_current_thread(void);
/// Ends the call that a thread of this process waits in, with EINTR.
int cfuse_wake_thread(int thread);

#endif

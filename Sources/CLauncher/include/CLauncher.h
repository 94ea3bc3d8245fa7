// Starts a program in namespaces of its own, on a root that is an overlay over a lazy mount: what must be done between
// clone(2) and execve(2) by a process with one thread, which Swift cannot be.
#ifndef CLAUNCHER_H
#define CLAUNCHER_H

#include <stdint.h>
#include <sys/types.h>

#include "Overlay.h"

#define CLAUNCHER_DESCRIPTORS 16
#define CLAUNCHER_TEXT 256

/// A folder or file of the host that the container sees.
typedef struct {
    const char *source;
    const char *target;
    int is_read_only;
} claunch_bind;

/// Users or groups of the host that are set aside for the caller.
typedef struct {
    uint32_t first;
    uint32_t count;
} claunch_ids;

/// What is to be started. Everything it points to must stay valid until `claunch_start` has returned.
typedef struct {
    /// A FUSE file system is mounted below the overlay, and its descriptors are handed to the caller: this device, and
    /// so many descriptors at least 1.
    const char *device;
    int descriptors;
    /// What /proc/mounts shows as the mount's source.
    const char *source;
    /// Instead of a FUSE file system: a folder that is there already.
    const char *lower;
    /// Where in either the image is, relative and without symlinks on the way; empty for its root.
    const char *path;

    /// A folder for the container's changes, which get folders `upper` and `work` there; NULL: in memory, gone at the end.
    const char *layer;
    int is_read_only;

    /// With a user namespace, in which the caller is root. `user_mapper` and `group_mapper` are NULL, and nobody else is
    /// in it; or newuidmap(1) and newgidmap(1), and those set aside follow from 1 on.
    int has_user_namespace;
    const char *user_mapper;
    const char *group_mapper;
    claunch_ids more_users;
    claunch_ids more_groups;
    const char *hostname;
    const claunch_bind *binds;
    int bind_count;

    /// The program, which PATH of `environment` is searched for when it has no slash.
    char *const *arguments;
    char *const *environment;
    const char *folder;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    int group_count;
    int allows_privileges;
} claunch_container;

/// A container that was started.
typedef struct {
    /// Of its first process, as the caller sees it.
    pid_t process;
    int control;
    int progress;
    /// The FUSE device and its clones, which now belong to the caller.
    int descriptors[CLAUNCHER_DESCRIPTORS];
    int descriptor_count;
} claunch_handle;

/// Why it could not be started.
typedef struct {
    int error;
    char what[CLAUNCHER_TEXT];
} claunch_problem;

/// `claunch_start` returns it when newuidmap(1) or newgidmap(1) refuses.
#define CLAUNCHER_NOT_MAPPED (-2)

/// Makes the namespaces and mounts FUSE. Returns 0, or a negative number with the problem. From then on the mount must be served,
/// since the container reads it. When the caller ends in whatever way, so does the container.
int claunch_start(const claunch_container *container, claunch_handle *handle, claunch_problem *problem);

/// Waits until the program runs (execve(2) has succeeded). Returns 0, or -1 with the problem.
int claunch_wait_until_started(claunch_handle *handle, claunch_problem *problem);

/// Waits for the end. Returns the program's status as wait(2) gives it; that of SIGKILL when all of it was killed.
int claunch_wait_until_ended(claunch_handle *handle);

/// Kills the container with everything in it; `claunch_wait_until_ended` then returns soon.
void claunch_kill(const claunch_handle *handle);

/// From now on signals that somebody sends to this process (HUP, INT, QUIT, TERM, USR1, USR2, WINCH) go to the
/// container's program. What a terminal sends reaches it anyway. One container a process.
void claunch_forward_signals(const claunch_handle *handle);

#endif

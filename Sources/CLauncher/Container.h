// The inside of the launcher: what its files share.
#ifndef CLAUNCHER_CONTAINER_H
#define CLAUNCHER_CONTAINER_H

#include "CLauncher.h"

#define CLAUNCHER_FORWARDED {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH}

/// Where the container's first process comes from.
typedef struct {
    uid_t user;
    gid_t group;
    int control;
    int progress;
} claunch_origin;

/// Reports what failed, with errno and the name it was about, and ends.
_Noreturn void claunch_fail(const claunch_origin *origin, const char *what, const char *name);

pid_t claunch_fork(unsigned long namespaces);

/// In the container's first process: maps its users, or waits until the caller has.
void claunch_map_users(const claunch_container *container, const claunch_origin *origin);

/// In the caller: maps the users of a first process, which waits for it. Returns 0, or -1.
int claunch_map_child(const claunch_container *container, const claunch_origin *origin, pid_t process, int control);

/// The container's first process: makes its root, starts the program, forwards signals, reaps, and ends with it.
_Noreturn void claunch_become(const claunch_container *container, const claunch_origin *origin);

/// Makes the root and enters it.
void claunch_enter_root(const claunch_container *container, const claunch_origin *origin);

/// Becomes the program.
_Noreturn void claunch_execute(const claunch_container *container, const claunch_origin *origin);

#endif

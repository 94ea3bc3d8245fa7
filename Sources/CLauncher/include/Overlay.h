// Overlays in the caller's own namespace, and what tidying up behind them needs.
//
// Functions return 0 or more when they succeeded, and a negated errno when not.
#ifndef CLAUNCHER_OVERLAY_H
#define CLAUNCHER_OVERLAY_H

#include <stdint.h>

/// Mounts an overlay at `target`: the folder `path` of `lower` below, which must lie in it without symlinks on the way,
/// and `layer`, which gets the folders `upper` and `work`, above; read-only when `layer` is NULL. Without `allows_privileges` set-id bits and file capabilities do not count there.
int claunch_mount_overlay(
    const char *lower, const char *path, const char *layer, const char *target, int allows_privileges);

/// Unmounts what is on top at a path; with `lazily` also while it is in use.
int claunch_unmount(const char *path, int lazily);

/// Removes a folder with all that is in it, and nothing that is mounted there or that symlinks lead to.
int claunch_remove_tree(const char *path);

/// The caller's mount namespace: a number that no other one ever has while the system runs; where the kernel has no such
/// numbers, one that may be used again.
int claunch_namespace(uint64_t *identity);

/// The same of another process. ENOENT when it is gone.
int claunch_namespace_of(int process, uint64_t *identity);

/// Opens or makes a file and locks it, alone, for as long as the descriptor is open.
int claunch_lock(const char *path);

#endif

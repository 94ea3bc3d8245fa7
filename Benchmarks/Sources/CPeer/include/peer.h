// What one writes by hand in C for a single job: the limit beside which the library is measured.
#ifndef PEER_H
#define PEER_H

#include <stddef.h>
#include <stdint.h>

// One object to fetch: `path` below the repository's URL, as data/ab/cdef..., and the size of its content.
typedef struct {
    const char *path;
    int64_t size;
} peer_object;

// One object after the other: HTTP GET on a connection that is kept, SHA-1 of what came compared with the name, inflate,
// write to a new file below `folder` (which has the folders 00 to ff), rename to its name.
// `with_zlib` inflates with zlib instead of libdeflate. Returns 0, or what failed as a negative number.
int peer_fetch(const char *url, const peer_object *objects, size_t count, const char *folder, int with_zlib);

// The same of one object of unbounded size, kept nowhere: the number of stored bytes, or a negative number.
int64_t peer_stored_bytes(const char *url, const char *path);

// A catalog file, one prepared statement, no more.
typedef struct peer_catalog peer_catalog;

typedef struct {
    int64_t hardlinks, size, mode, mtime, mtimens, flags, uid, gid;
    unsigned char hash[20];
    char name[256];
    char symlink[256];
} peer_row;

peer_catalog *peer_catalog_open(const char *file);
// 1 found, 0 absent, negative an error of SQLite's.
int peer_catalog_find(peer_catalog *catalog, int64_t key_1, int64_t key_2, peer_row *row);
// As above, `count` times in a row, with keys_1 and keys_2: the number found.
size_t peer_catalog_find_all(peer_catalog *catalog, const int64_t *keys_1, const int64_t *keys_2, size_t count);
// As above, from paths, whose MD5 is made here. Each ends at the next one's offset; there is one more offset than paths.
size_t peer_catalog_find_paths(peer_catalog *catalog, const char *paths, const uint32_t *offsets, size_t count);
void peer_catalog_close(peer_catalog *catalog);

// pread of `length` bytes at each offset: the sum of bytes read.
int64_t peer_read_all(int file, void *buffer, size_t length, const int64_t *offsets, size_t count);

// Reads each file and packs it with zlib at level 6, in memory, on so many threads: the seconds that it takes, or a
// negative number. What publishing with zlib cannot be faster than.
double peer_deflate_all(const char *const *paths, size_t count, int threads);

// Keeps this process, and the threads that it starts from now on, on one core.
int peer_bind_to_core(int core);
// Where control groups of the first version are mounted, lets this thread and what it starts see those of the second
// alone: crun 1.8 does not start beside the others. Needs root. Returns 0, or a negative number.
int peer_unify_cgroups(void);
// User and system time of this process so far.
double peer_cpu_seconds(void);
// Of this thread.
double peer_thread_cpu_seconds(void);

#endif

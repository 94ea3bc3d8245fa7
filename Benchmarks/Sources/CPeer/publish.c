#define _GNU_SOURCE
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

struct job {
    const char *const *paths;
    size_t count;
    atomic_size_t next;
    atomic_int failed;
};

// 0, or nothing of the file was packed.
static int deflate_file(const char *path, unsigned char **plain, unsigned char **packed, size_t *room) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0) return -1;
    if (fstat(file, &status) != 0 || status.st_size < 0) return close(file), -1;
    size_t size = (size_t)status.st_size;
    if (size > *room || *plain == NULL) {
        free(*plain);
        free(*packed);
        *room = size * 2 + 4096;
        *plain = malloc(*room);
        *packed = malloc(compressBound(*room));
    }
    size_t done = 0;
    while (*plain != NULL && *packed != NULL && done < size) {
        ssize_t count = read(file, *plain + done, size - done);
        if (count <= 0) break;
        done += (size_t)count;
    }
    close(file);
    if (done < size) return -1;
    uLongf length = compressBound(*room);
    return compress2(*packed, &length, *plain, size, 6) == Z_OK ? 0 : -1;
}

static void *run(void *argument) {
    struct job *job = argument;
    unsigned char *plain = NULL, *packed = NULL;
    size_t room = 0;
    while (1) {
        size_t index = atomic_fetch_add(&job->next, 1);
        if (index >= job->count) break;
        if (deflate_file(job->paths[index], &plain, &packed, &room) != 0) atomic_store(&job->failed, 1);
    }
    free(plain);
    free(packed);
    return NULL;
}

double peer_deflate_all(const char *const *paths, size_t count, int threads) {
    struct job job = {.paths = paths, .count = count};
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pthread_t started[64];
    if (threads < 1 || threads > 64) return -1;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, run, &job) != 0) return -1;
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (job.failed) return -1;
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

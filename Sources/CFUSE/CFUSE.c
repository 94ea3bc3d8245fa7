#define _GNU_SOURCE
#include "CFUSE.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct cfuse_init_out) == 64, "INIT");
_Static_assert(sizeof(struct cfuse_open_out) == 16, "OPEN");
_Static_assert(sizeof(struct cfuse_statx_in) == 24, "STATX");
_Static_assert(sizeof(struct cfuse_statx_out) == 288, "STATX");
_Static_assert(sizeof(struct cfuse_dirent_head) == 24, "READDIR");

// Of 7.40.
struct backing_map {
    int32_t fd;
    uint32_t flags;
    uint64_t padding;
};
#define DEVICE_BACKING_OPEN _IOW(229, 1, struct backing_map)
#define DEVICE_BACKING_CLOSE _IOW(229, 2, uint32_t)
#define DEVICE_CLONE _IOR(229, 0, uint32_t)

int cfuse_open_device(const char *path) {
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void cfuse_close(int descriptor) { close(descriptor); }

int cfuse_clone_device(int descriptor, const char *path) {
    int clone = cfuse_open_device(path);
    if (clone < 0) return clone;
    uint32_t original = (uint32_t)descriptor;
    if (ioctl(clone, DEVICE_CLONE, &original) < 0) {
        int error = errno;
        close(clone);
        return -error;
    }
    return clone;
}

ssize_t cfuse_read_request(int descriptor, void *buffer, size_t capacity) {
    ssize_t count = read(descriptor, buffer, capacity);
    return count < 0 ? -errno : count;
}

int cfuse_reply(int descriptor, uint64_t unique, int error, const void *body, size_t count) {
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + count), .error = -error, .unique = unique};
    struct iovec parts[2] = {
        {.iov_base = &header, .iov_len = sizeof header}, {.iov_base = (void *)body, .iov_len = count}};
    return writev(descriptor, parts, count ? 2 : 1) < 0 ? -errno : 0;
}

static void drain(int pipe, size_t count, void *buffer, size_t capacity) {
    while (count > 0) {
        ssize_t taken = read(pipe, buffer, count < capacity ? count : capacity);
        if (taken <= 0) return;
        count -= (size_t)taken;
    }
}

// The whole answer must be in one pipe, its header first; and the header says how long it is. So the file goes into the
// second pipe, and from there, when its length is known, behind the header into the first.
static int splice_file(int descriptor, uint64_t unique, int file, int64_t offset, size_t count, const int *pipes) {
    size_t held = 0;
    off_t position = offset;
    while (held < count) {
        ssize_t moved = splice(file, &position, pipes[3], NULL, count - held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0) {
            int error = errno;
            char bytes[4096];
            drain(pipes[2], held, bytes, sizeof bytes);
            return -error;
        }
        if (moved == 0) break;
        held += (size_t)moved;
    }
    struct fuse_out_header header = {.len = (uint32_t)(sizeof header + held), .error = 0, .unique = unique};
    char bytes[4096];
    if (write(pipes[1], &header, sizeof header) != sizeof header) {
        drain(pipes[2], held, bytes, sizeof bytes);
        return -EIO;
    }
    size_t behind = 0;
    while (behind < held) {
        ssize_t moved = splice(pipes[2], NULL, pipes[1], NULL, held - behind, SPLICE_F_NONBLOCK);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) {
            drain(pipes[0], sizeof header + behind, bytes, sizeof bytes);
            drain(pipes[2], held - behind, bytes, sizeof bytes);
            return -EAGAIN;
        }
        behind += (size_t)moved;
    }
    ssize_t written = splice(pipes[0], NULL, descriptor, NULL, sizeof header + held, SPLICE_F_MOVE);
    if (written == (ssize_t)(sizeof header + held)) return 0;
    int error = written < 0 ? errno : EIO;
    drain(pipes[0], sizeof header + held - (written > 0 ? (size_t)written : 0), bytes, sizeof bytes);
    return -error;
}

int cfuse_reply_file(
    int descriptor, uint64_t unique, int file, int64_t offset, size_t count, void *buffer, const int *pipes) {
    if (pipes) {
        int result = splice_file(descriptor, unique, file, offset, count, pipes);
        // A file or pipe that cannot be spliced; the request is still open then.
        if (result != -EINVAL && result != -EAGAIN && result != -ENOMEM) return result;
    }
    size_t held = 0;
    while (held < count) {
        ssize_t taken = pread(file, (char *)buffer + held, count - held, offset + (int64_t)held);
        if (taken < 0 && errno == EINTR) continue;
        if (taken < 0) return cfuse_reply(descriptor, unique, errno, NULL, 0);
        if (taken == 0) break;
        held += (size_t)taken;
    }
    return cfuse_reply(descriptor, unique, 0, buffer, held);
}

int cfuse_notify(
    int descriptor, int code, const void *body, size_t body_count, const void *name, size_t count, int ends_with_nul) {
    size_t nul = ends_with_nul ? 1 : 0;
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof header + body_count + count + nul), .error = code, .unique = 0};
    struct iovec parts[4] = {
        {.iov_base = &header, .iov_len = sizeof header}, {.iov_base = (void *)body, .iov_len = body_count},
        {.iov_base = (void *)name, .iov_len = count}, {.iov_base = "", .iov_len = nul}};
    return writev(descriptor, parts, 4) < 0 ? -errno : 0;
}

int cfuse_open_backing(int descriptor, int file) {
    struct backing_map map = {.fd = file};
    int backing = ioctl(descriptor, DEVICE_BACKING_OPEN, &map);
    return backing < 0 ? -errno : backing;
}

int cfuse_close_backing(int descriptor, int backing) {
    uint32_t number = (uint32_t)backing;
    return ioctl(descriptor, DEVICE_BACKING_CLOSE, &number) < 0 ? -errno : 0;
}

int cfuse_make_pipe(int *ends, size_t capacity) {
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
    if (fcntl(ends[0], F_SETPIPE_SZ, (int)capacity) < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return -error;
    }
    return 0;
}

void *cfuse_allocate_resident(size_t count, int now, int *locked) {
    void *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    // Page by page, as they are used.
    *locked = mlock2(memory, count, MLOCK_ONFAULT) == 0;
    if (now) memset(memory, 0, count);
    return memory;
}

void cfuse_free_resident(void *memory, size_t count) { munmap(memory, count); }

// MARK: Threads

static void nothing(int signal) { (void)signal; }

static int wake_signal(void) { return SIGRTMIN + 5; }

static void install_wake_signal(void) {
    struct sigaction action = {.sa_handler = nothing}, old;
    if (sigaction(wake_signal(), NULL, &old) == 0 && old.sa_handler == SIG_DFL) sigaction(wake_signal(), &action, NULL);
}

struct start {
    void (*body)(void *);
    void *context;
    char name[16];
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    start.body(start.context);
    return NULL;
}

int cfuse_start_thread(const char *name, void (*body)(void *), void *context) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_wake_signal);
    struct start *start = calloc(1, sizeof *start);
    if (!start) return -ENOMEM;
    start->body = body;
    start->context = context;
    strncpy(start->name, name, sizeof start->name - 1);

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t signals, before;
    sigfillset(&signals);
    sigdelset(&signals, wake_signal());
    pthread_sigmask(SIG_SETMASK, &signals, &before);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) free(start);
    return -error;
}

int cfuse_current_thread(void) { return (int)syscall(SYS_gettid); }

int cfuse_wake_thread(int thread) {
    return syscall(SYS_tgkill, getpid(), thread, wake_signal()) < 0 ? -errno : 0;
}

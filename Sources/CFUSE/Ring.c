#define _GNU_SOURCE
#include "CFUSERing.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// MARK: What 7.42 added

#define COMMAND_REGISTER 1
#define COMMAND_COMMIT_AND_FETCH 2

struct entry_header {
    char in_out[128];
    char fixed[128];
    uint64_t flags;
    uint64_t commit_id;
    uint32_t payload_size;
    uint32_t padding;
    uint64_t reserved;
};
_Static_assert(sizeof(struct entry_header) == 288, "entry");

struct command {
    uint64_t flags;
    uint64_t commit_id;
    uint16_t queue;
    uint8_t padding[6];
};

// A submission of 128 bytes: the last 80 are the command's.
struct submission {
    struct io_uring_sqe fixed;
    char more[64];
};
_Static_assert(sizeof(struct submission) == 128, "submission");
#define COMMAND_OFFSET 48

#define EVENT_TOKEN (~0ULL)

struct cfuse_ring {
    int device, ring, event;
    unsigned queue, depth, dead;
    size_t payload;
    pthread_t owner;
    int is_started;

    char *rings;
    size_t rings_size;
    struct submission *submissions;
    size_t submissions_size;
    _Atomic unsigned *sq_head, *sq_tail, *cq_head, *cq_tail;
    unsigned *sq_array, sq_mask, cq_mask, to_submit;
    struct io_uring_cqe *completions;

    char *memory;
    size_t memory_size, stride;
    struct iovec *parts;

    // What other threads have answered, and the queue's own has to pass on.
    pthread_mutex_t lock;
    unsigned *answered, answered_count;
    uint64_t event_value;
};

static int setup(unsigned entries, struct io_uring_params *parameters) {
    return (int)syscall(SYS_io_uring_setup, entries, parameters);
}

int cfuse_ring_is_possible(void) {
    struct io_uring_params parameters = {.flags = IORING_SETUP_SQE128};
    int ring = setup(1, &parameters);
    if (ring < 0) return 0;
    close(ring);
    return 1;
}

int cfuse_ring_processors(void) {
    FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
    int last = -1;
    if (file) {
        // Ranges and single numbers between commas; the last number is what counts.
        int number, separator;
        while (fscanf(file, "%d", &number) == 1) {
            last = number;
            separator = fgetc(file);
            if (separator != '-' && separator != ',') break;
        }
        fclose(file);
    }
    return last >= 0 ? last + 1 : (int)sysconf(_SC_NPROCESSORS_CONF);
}

static struct entry_header *header(const cfuse_ring *ring, unsigned index) {
    return (struct entry_header *)(ring->memory + ring->stride * index);
}

const void *cfuse_ring_header(const cfuse_ring *ring, unsigned index) { return header(ring, index)->in_out; }
const void *cfuse_ring_fixed(const cfuse_ring *ring, unsigned index) { return header(ring, index)->fixed; }
void *cfuse_ring_payload(const cfuse_ring *ring, unsigned index) {
    return ring->memory + ring->stride * index + 4096;
}
size_t cfuse_ring_payload_size(const cfuse_ring *ring, unsigned index) {
    size_t size = header(ring, index)->payload_size;
    return size < ring->payload ? size : ring->payload;
}

cfuse_ring *cfuse_ring_create(int device, unsigned queue, unsigned depth, size_t payload, int *error) {
    cfuse_ring *ring = calloc(1, sizeof *ring);
    if (!ring) {
        *error = ENOMEM;
        return NULL;
    }
    ring->device = device;
    ring->queue = queue;
    ring->depth = depth;
    ring->payload = payload;
    ring->ring = ring->event = -1;
    pthread_mutex_init(&ring->lock, NULL);

    struct io_uring_params parameters = {.flags = IORING_SETUP_SQE128 | IORING_SETUP_COOP_TASKRUN};
    ring->ring = setup(depth * 2 + 2, &parameters);
    ring->event = eventfd(0, EFD_CLOEXEC);
    if (ring->ring < 0 || ring->event < 0) goto failed;

    size_t sq_size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
    size_t cq_size = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
    // One mapping holds both since Linux 5.4.
    ring->rings_size = sq_size > cq_size ? sq_size : cq_size;
    ring->rings = mmap(
        NULL, ring->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->ring, IORING_OFF_SQ_RING);
    ring->submissions_size = parameters.sq_entries * sizeof(struct submission);
    ring->submissions = mmap(
        NULL, ring->submissions_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->ring, IORING_OFF_SQES);
    ring->stride = 4096 + ((payload + 4095) & ~(size_t)4095);
    ring->memory_size = ring->stride * depth;
    ring->memory = mmap(NULL, ring->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ring->parts = calloc(depth * 2, sizeof *ring->parts);
    ring->answered = calloc(depth, sizeof *ring->answered);
    if (ring->rings == MAP_FAILED || ring->submissions == MAP_FAILED || ring->memory == MAP_FAILED || !ring->parts
        || !ring->answered)
        goto failed;

    ring->sq_head = (_Atomic unsigned *)(ring->rings + parameters.sq_off.head);
    ring->sq_tail = (_Atomic unsigned *)(ring->rings + parameters.sq_off.tail);
    ring->sq_mask = *(unsigned *)(ring->rings + parameters.sq_off.ring_mask);
    ring->sq_array = (unsigned *)(ring->rings + parameters.sq_off.array);
    ring->cq_head = (_Atomic unsigned *)(ring->rings + parameters.cq_off.head);
    ring->cq_tail = (_Atomic unsigned *)(ring->rings + parameters.cq_off.tail);
    ring->cq_mask = *(unsigned *)(ring->rings + parameters.cq_off.ring_mask);
    ring->completions = (struct io_uring_cqe *)(ring->rings + parameters.cq_off.cqes);
    return ring;

failed:
    *error = errno ? errno : ENOMEM;
    cfuse_ring_destroy(ring);
    return NULL;
}

void cfuse_ring_destroy(cfuse_ring *ring) {
    if (ring->ring >= 0) close(ring->ring);
    if (ring->event >= 0) close(ring->event);
    if (ring->rings && ring->rings != MAP_FAILED) munmap(ring->rings, ring->rings_size);
    if (ring->submissions && ring->submissions != MAP_FAILED) munmap(ring->submissions, ring->submissions_size);
    if (ring->memory && ring->memory != MAP_FAILED) munmap(ring->memory, ring->memory_size);
    free(ring->parts);
    free(ring->answered);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

// Only on the queue's own thread: what a submission leads to runs on the thread that made it. There is always room: one
// submission an entry and one for the event.
static struct submission *next_submission(cfuse_ring *ring) {
    unsigned tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
    unsigned index = tail & ring->sq_mask;
    struct submission *submission = &ring->submissions[index];
    memset(submission, 0, sizeof *submission);
    ring->sq_array[index] = index;
    return submission;
}

static void submit(cfuse_ring *ring) {
    unsigned tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
    atomic_store_explicit(ring->sq_tail, tail + 1, memory_order_release);
    ring->to_submit++;
}

static void command(cfuse_ring *ring, unsigned index, uint32_t operation, uint64_t commit_id) {
    struct submission *submission = next_submission(ring);
    submission->fixed.opcode = IORING_OP_URING_CMD;
    submission->fixed.fd = ring->device;
    submission->fixed.cmd_op = operation;
    submission->fixed.user_data = index;
    if (operation == COMMAND_REGISTER) {
        submission->fixed.addr = (uint64_t)(uintptr_t)&ring->parts[index * 2];
        submission->fixed.len = 2;
    }
    struct command command = {.commit_id = commit_id, .queue = (uint16_t)ring->queue};
    memcpy((char *)submission + COMMAND_OFFSET, &command, sizeof command);
    submit(ring);
}

static void wait_for_event(cfuse_ring *ring) {
    struct submission *submission = next_submission(ring);
    submission->fixed.opcode = IORING_OP_READ;
    submission->fixed.fd = ring->event;
    submission->fixed.addr = (uint64_t)(uintptr_t)&ring->event_value;
    submission->fixed.len = sizeof ring->event_value;
    submission->fixed.user_data = EVENT_TOKEN;
    submit(ring);
}

int cfuse_ring_start(cfuse_ring *ring) {
    ring->owner = pthread_self();
    ring->is_started = 1;
    // As near as possible to those whose requests come here; a processor may be missing.
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(ring->queue % CPU_SETSIZE, &processors);
    pthread_setaffinity_np(pthread_self(), sizeof processors, &processors);
    wait_for_event(ring);
    for (unsigned index = 0; index < ring->depth; index++) {
        ring->parts[index * 2] = (struct iovec){header(ring, index), sizeof(struct entry_header)};
        ring->parts[index * 2 + 1] = (struct iovec){cfuse_ring_payload(ring, index), ring->payload};
        command(ring, index, COMMAND_REGISTER, 0);
    }
    return 0;
}

static void pass_on(cfuse_ring *ring) {
    pthread_mutex_lock(&ring->lock);
    for (unsigned place = 0; place < ring->answered_count; place++) {
        unsigned index = ring->answered[place];
        command(ring, index, COMMAND_COMMIT_AND_FETCH, header(ring, index)->commit_id);
    }
    ring->answered_count = 0;
    pthread_mutex_unlock(&ring->lock);
}

int cfuse_ring_wait(cfuse_ring *ring, unsigned *indices, unsigned capacity) {
    for (;;) {
        unsigned head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
        unsigned tail = atomic_load_explicit(ring->cq_tail, memory_order_acquire);
        unsigned count = 0;
        while (head != tail && count < capacity) {
            struct io_uring_cqe *completion = &ring->completions[head & ring->cq_mask];
            head++;
            if (completion->user_data == EVENT_TOKEN) {
                wait_for_event(ring);
            } else if (completion->res < 0) {
                ring->dead++;
            } else {
                indices[count++] = (unsigned)completion->user_data;
            }
        }
        atomic_store_explicit(ring->cq_head, head, memory_order_release);
        if (count) return (int)count;
        if (ring->dead >= ring->depth) return 0;
        pass_on(ring);
        long submitted = syscall(SYS_io_uring_enter, ring->ring, ring->to_submit, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        if (submitted < 0) {
            if (errno == EINTR) return -EINTR;
            if (errno == EAGAIN || errno == EBUSY) continue;
            return -errno;
        }
        ring->to_submit -= (unsigned)submitted < ring->to_submit ? (unsigned)submitted : ring->to_submit;
    }
}

void cfuse_ring_answer(cfuse_ring *ring, unsigned index, uint64_t unique, int error, size_t count) {
    struct entry_header *entry = header(ring, index);
    struct fuse_out_header out = {
        .len = (uint32_t)(sizeof out + count), .error = -error, .unique = unique};
    memcpy(entry->in_out, &out, sizeof out);
    entry->payload_size = (uint32_t)count;
    pthread_mutex_lock(&ring->lock);
    ring->answered[ring->answered_count++] = index;
    pthread_mutex_unlock(&ring->lock);
    // The queue's own thread looks before it waits; it must be told if it waits already.
    if (!ring->is_started || !pthread_equal(ring->owner, pthread_self())) {
        uint64_t one = 1;
        (void)!write(ring->event, &one, sizeof one);
    }
}

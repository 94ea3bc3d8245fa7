// FUSE over io_uring (protocol 7.42, Linux 6.14): a queue of requests for one processor.
//
// Functions return 0 or more when they succeeded, and a negated errno when not.
#ifndef CFUSE_RING_H
#define CFUSE_RING_H

#include <stddef.h>
#include <stdint.h>

typedef struct cfuse_ring cfuse_ring;

/// Whether this process may make such queues at all.
int cfuse_ring_is_possible(void);
/// Processors that may ever be there: each needs a queue, or no request is delivered.
int cfuse_ring_processors(void);

/// A queue with `depth` requests at a time, each with room for `payload` bytes; or null and `*error`.
cfuse_ring *cfuse_ring_create(int device, unsigned queue, unsigned depth, size_t payload, int *error);
void cfuse_ring_destroy(cfuse_ring *ring);

/// The three parts of entry `index`: the request's header, the fixed part of its arguments, and what follows, which is
/// where an answer goes too.
const void *cfuse_ring_header(const cfuse_ring *ring, unsigned index);
const void *cfuse_ring_fixed(const cfuse_ring *ring, unsigned index);
void *cfuse_ring_payload(const cfuse_ring *ring, unsigned index);
/// Bytes of the request in the payload; never more than its room.
size_t cfuse_ring_payload_size(const cfuse_ring *ring, unsigned index);

/// Makes the calling thread the queue's own, and offers all entries to the kernel.
int cfuse_ring_start(cfuse_ring *ring);
/// Waits for requests: how many are in `indices`; 0 when the connection has ended; -EINTR after a signal. Only on the
/// queue's own thread, which also passes on what was answered.
int cfuse_ring_wait(cfuse_ring *ring, unsigned *indices, unsigned capacity);
/// Answers the request in an entry, whose payload holds `count` bytes; from any thread.
void cfuse_ring_answer(cfuse_ring *ring, unsigned index, uint64_t unique, int error, size_t count);

#endif

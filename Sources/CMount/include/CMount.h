// What a mount's processes need of Linux and Swift cannot call itself.
//
// Functions return 0 or more when they succeeded, and a negated errno when not. Every descriptor is close-on-exec.
#ifndef CMOUNT_H
#define CMOUNT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: Sockets

/// Descriptors that one message can carry.
#define CMOUNT_DESCRIPTORS 128

/// A pair of connected sockets that keep messages apart (SOCK_SEQPACKET).
int cmount_socket_pair(int *ends);
/// A socket of that kind that listens at a path.
int cmount_listen(const char *path);
int cmount_connect(const char *path);
int cmount_accept(int descriptor);
/// A socket whose messages go to a service manager, at a path or, after `@`, at an abstract address.
int cmount_notify_socket(const char *address);
/// Sends one message with descriptors.
int cmount_send(int descriptor, const void *bytes, size_t count, const int *descriptors, size_t descriptor_count);
/// Receives one message; the number of its bytes, 0 when the other side is gone, -EMSGSIZE when it is longer than the
/// buffer.
ssize_t cmount_receive(
    int descriptor, void *bytes, size_t capacity, int *descriptors, size_t *descriptor_count);
/// The user at the other end of a socket.
int cmount_peer(int descriptor, uid_t *user);
/// How long a receive, and a send, may wait, in milliseconds.
int cmount_set_patience(int descriptor, int milliseconds);

// MARK: Memory

/// Memory with a descriptor, of no size yet.
int cmount_memory(const char *name);
/// Makes it at least `size` bytes long, all of them there.
int cmount_grow(int descriptor, int64_t size);
/// Whether the other end of a device or pipe is gone.
int cmount_is_dead(int descriptor);
/// Maps `size` bytes, whether they are there yet or not; null when that is refused.
void *cmount_map(int descriptor, size_t size);
void cmount_unmap(void *memory, size_t size);

/// A file in a folder that has no name and is gone when it is closed.
int cmount_unnamed_file(const char *folder);

/// Lets the allocator keep less than it would for many threads.
void cmount_save_memory(void);

/// Gives the system what the allocator holds and nobody uses: some ten milliseconds.
void cmount_give_back_memory(void);

// MARK: Processes

/// Starts a program with one descriptor, which it gets as number 3, and with no signal blocked or ignored. With
/// `detached` it leads a session of its own, reads nothing and writes to `log`.
int cmount_start(
    const char *program, char *const *arguments, int descriptor, int detached, const char *log, pid_t *process);
/// Catches the signals that end a mount (SIGTERM, SIGINT, SIGHUP), on whatever thread they come, and gives a descriptor
/// from which their numbers are read, one byte each. For one mount a process.
int cmount_signals(void);

#endif

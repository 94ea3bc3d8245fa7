#ifdef __linux__
#define _GNU_SOURCE
#include "CLauncher.h"
#include "Container.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

/// The process that signals are passed on to, or 0.
static _Atomic pid_t forward_to;

static int failed(claunch_problem *problem, const char *what) {
    problem->error = errno;
    snprintf(problem->what, sizeof problem->what, "%s", what);
    return -1;
}

/// clone(2) as fork(2), past the C library: its locks may be held by threads that the child does not have, so that the
/// child may call nothing that takes them.
pid_t claunch_fork(unsigned long namespaces) {
    return (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);
}

static void close_one(int *descriptor) {
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
}

/// Receives the descriptors of the mount, or nothing when the child has failed.
static int receive_descriptors(claunch_handle *handle) {
    char byte;
    struct iovec bytes = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CLAUNCHER_DESCRIPTORS)];
    } control;
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count;
    do count = recvmsg(handle->control, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count <= 0) return -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        handle->descriptor_count = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(handle->descriptors, CMSG_DATA(part), sizeof(int) * (size_t)handle->descriptor_count);
    }
    return 0;
}

int claunch_start(const claunch_container *container, claunch_handle *handle, claunch_problem *problem) {
    memset(handle, 0, sizeof *handle);
    handle->control = handle->progress = -1;
    memset(problem, 0, sizeof *problem);
    int control[2], progress[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0) return failed(problem, "socketpair(2)");
    if (pipe2(progress, O_CLOEXEC) < 0) {
        failed(problem, "pipe(2)");
        close(control[0]);
        close(control[1]);
        return -1;
    }
    unsigned long namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
    if (container->has_user_namespace) namespaces |= CLONE_NEWUSER;
    claunch_origin origin = {.user = geteuid(), .group = getegid(), .control = control[1], .progress = progress[1]};

    // No handler of this process may run in the child.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = claunch_fork(namespaces);
    if (child == 0) {
        close(control[0]);
        close(progress[0]);
        claunch_become(container, &origin);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    close(control[1]);
    close(progress[1]);
    handle->control = control[0];
    handle->progress = progress[0];
    if (child < 0) {
        failed(
            problem, container->has_user_namespace
                         ? "namespaces cannot be made (are user namespaces allowed to ordinary users here?)"
                         : "namespaces cannot be made");
        close_one(&handle->control);
        close_one(&handle->progress);
        return -1;
    }
    handle->process = child;
    if (container->user_mapper != NULL && claunch_map_child(container, &origin, child, handle->control) < 0) {
        problem->error = EPERM;
        snprintf(problem->what, sizeof problem->what, "newuidmap or newgidmap refuses what /etc/subuid and /etc/subgid say");
        claunch_kill(handle);
        claunch_wait_until_ended(handle);
        return CLAUNCHER_NOT_MAPPED;
    }
    if (container->lower != NULL || receive_descriptors(handle) == 0) return 0;
    if (claunch_wait_until_started(handle, problem) == 0) {
        problem->error = ECHILD;
        snprintf(problem->what, sizeof problem->what, "the container ended before it began");
    }
    claunch_wait_until_ended(handle);
    return -1;
}

int claunch_wait_until_started(claunch_handle *handle, claunch_problem *problem) {
    ssize_t count;
    do count = read(handle->progress, problem, sizeof *problem);
    while (count < 0 && errno == EINTR);
    close_one(&handle->progress);
    if (count == 0) return 0;
    if (count != sizeof *problem) return failed(problem, "the container's report is cut off");
    problem->what[CLAUNCHER_TEXT - 1] = 0;
    return -1;
}

int claunch_wait_until_ended(claunch_handle *handle) {
    int status = SIGKILL, ended = 0;
    ssize_t count;
    do count = recv(handle->control, &status, sizeof status, 0);
    while (count < 0 && errno == EINTR);
    if (count != sizeof status) status = SIGKILL;
    // The control socket stays open until the first process is gone, which it would otherwise take for our death.
    while (waitpid(handle->process, &ended, 0) < 0 && errno == EINTR) {}
    // Another process may have the number now.
    pid_t process = handle->process;
    atomic_compare_exchange_strong(&forward_to, &process, 0);
    close_one(&handle->control);
    close_one(&handle->progress);
    return status;
}

void claunch_kill(const claunch_handle *handle) {
    if (handle->process > 0) kill(handle->process, SIGKILL);
}

static void forward(int number, siginfo_t *info, void *context) {
    (void)context;
    // From a terminal the whole foreground group has it already.
    pid_t process = atomic_load(&forward_to);
    int error = errno;
    if (info->si_code <= 0 && process > 0) kill(process, number);
    errno = error;
}

void claunch_forward_signals(const claunch_handle *handle) {
    atomic_store(&forward_to, handle->process);
    struct sigaction action = {.sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    const int forwarded[] = CLAUNCHER_FORWARDED;
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaction(forwarded[i], &action, NULL);
}
#endif

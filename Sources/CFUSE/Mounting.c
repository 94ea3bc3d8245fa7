#define _GNU_SOURCE
#include "CFUSE.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int cfuse_mount(const char *source, const char *path, const char *type, unsigned long flags, const char *options) {
    return mount(source, path, type, flags, options) < 0 ? -errno : 0;
}

int cfuse_unmount(const char *path, int lazily) {
    return umount2(path, UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) < 0 ? -errno : 0;
}

// Starts a program whose descriptor 3 is `socket` (or none, -1), and whose standard error is `errors`.
static int start(const char *program, char *const *arguments, char *const *environment, int socket, int errors) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, errors, 2);
    if (socket >= 0) posix_spawn_file_actions_adddup2(&actions, socket, 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t child;
    int error = posix_spawnp(&child, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error ? -error : child;
}

// Until the pipe ends, that is until the program has ended. What is too long is read and dropped.
static void read_message(int descriptor, char *message, size_t capacity) {
    size_t held = 0;
    char byte;
    for (;;) {
        ssize_t count = read(descriptor, &byte, 1);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        if (held + 1 < capacity) message[held++] = byte;
    }
    while (held > 0 && message[held - 1] == '\n') held--;
    if (capacity) message[held] = 0;
}

static int wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0) {
        // Another part of the program waits for all children and was faster.
        if (errno != EINTR) return 0;
    }
    return status == 0 ? 0 : -ECANCELED;
}

static int take_descriptor(int socket) {
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count;
    do {
        count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (count == 0 || !header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return -ECANCELED;
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}

int cfuse_mount_with_helper(
    const char *helper, const char *path, const char *options, char *message, size_t capacity) {
    int sockets[2], errors[2];
    if (capacity) message[0] = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) return -errno;
    if (pipe2(errors, O_CLOEXEC) < 0) {
        int error = errno;
        close(sockets[0]);
        close(sockets[1]);
        return -error;
    }
    size_t count = 0;
    while (environ[count]) count++;
    char **environment = calloc(count + 2, sizeof *environment);
    int result = -ENOMEM;
    if (environment) {
        size_t kept = 0;
        for (size_t index = 0; index < count; index++)
            if (strncmp(environ[index], "_FUSE_COMMFD=", 13)) environment[kept++] = environ[index];
        environment[kept] = "_FUSE_COMMFD=3";
        char *arguments[] = {(char *)helper, "-o", (char *)options, "--", (char *)path, NULL};
        result = start(helper, arguments, environment, sockets[1], errors[1]);
        free(environment);
    }
    close(sockets[1]);
    close(errors[1]);
    if (result > 0) {
        pid_t child = result;
        result = take_descriptor(sockets[0]);
        read_message(errors[0], message, capacity);
        wait_for(child);
    }
    close(sockets[0]);
    close(errors[0]);
    return result;
}

int cfuse_run(const char *program, const char *const *arguments, char *message, size_t capacity) {
    int errors[2];
    if (capacity) message[0] = 0;
    if (pipe2(errors, O_CLOEXEC) < 0) return -errno;
    char *all[6] = {(char *)program};
    for (int index = 0; index < 4 && arguments[index]; index++) all[index + 1] = (char *)arguments[index];
    int child = start(program, all, environ, -1, errors[1]);
    close(errors[1]);
    if (child > 0) read_message(errors[0], message, capacity);
    close(errors[0]);
    return child < 0 ? child : wait_for(child);
}

// Without a mount of its own anywhere: fsmount(2) gives one that only its descriptor knows.
static int control_folder(void) {
    int context = (int)syscall(SYS_fsopen, "fusectl", FSOPEN_CLOEXEC);
    if (context < 0) return -errno;
    int folder = -1;
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        folder = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    int error = errno;
    close(context);
    return folder < 0 ? -error : folder;
}

int cfuse_abort_connection(unsigned int connection) {
    char name[64];
    snprintf(name, sizeof name, "/sys/fs/fuse/connections/%u/abort", connection);
    int file = open(name, O_WRONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        int folder = control_folder();
        if (folder < 0) return folder;
        snprintf(name, sizeof name, "%u/abort", connection);
        file = openat(folder, name, O_WRONLY | O_CLOEXEC);
        int error = errno;
        close(folder);
        errno = error;
    }
    if (file < 0) return -errno;
    int result = write(file, "1", 1) == 1 ? 0 : -errno;
    close(file);
    return result;
}

// Users and groups of a container's user namespace: one, or with newuidmap(1) those that the system has set aside.
#ifdef __linux__
#define _GNU_SOURCE
#include "Container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_map(const claunch_origin *origin, const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0) claunch_fail(origin, "the user namespace: cannot write", path);
    close(file);
}

void claunch_map_users(const claunch_container *container, const claunch_origin *origin) {
    if (container->user_mapper != NULL) {
        char byte = 0;
        ssize_t count;
        do count = recv(origin->control, &byte, 1, 0);
        while (count < 0 && errno == EINTR);
        if (count != 1 || byte != 1) _exit(127);
        return;
    }
    char line[64];
    write_map(origin, "/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "0 %u 1\n", (unsigned)origin->user);
    write_map(origin, "/proc/self/uid_map", line);
    snprintf(line, sizeof line, "0 %u 1\n", (unsigned)origin->group);
    write_map(origin, "/proc/self/gid_map", line);
}

/// Maps 0 to the caller's own number, and what follows to those set aside. Such programs have set-id bits.
static int run_mapper(const char *program, pid_t process, unsigned own, const claunch_ids *ids) {
    char numbers[6][24];
    snprintf(numbers[0], sizeof *numbers, "%d", (int)process);
    snprintf(numbers[1], sizeof *numbers, "%u", own);
    snprintf(numbers[2], sizeof *numbers, "%u", (unsigned)ids->first);
    snprintf(numbers[3], sizeof *numbers, "%u", (unsigned)ids->count);
    char *words[] = {(char *)program, numbers[0], "0", numbers[1], "1", "1", numbers[2], numbers[3], NULL};
    char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int stream = 0; stream < 3; stream++)
        posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_RDWR, 0);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t child;
    int error = posix_spawn(&child, program, &actions, &attributes, words, environment), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) return -1;
    pid_t ended;
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    return ended == child && status == 0 ? 0 : -1;
}

int claunch_map_child(const claunch_container *container, const claunch_origin *origin, pid_t process, int control) {
    if (run_mapper(container->user_mapper, process, (unsigned)origin->user, &container->more_users) < 0 ||
        run_mapper(container->group_mapper, process, (unsigned)origin->group, &container->more_groups) < 0)
        return -1;
    char byte = 1;
    return send(control, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}
#endif

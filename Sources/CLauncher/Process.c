// The container's first process, and the program that it starts.
#ifdef __linux__
#define _GNU_SOURCE
#include "Container.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn void claunch_fail(const claunch_origin *origin, const char *what, const char *name) {
    claunch_problem problem = {.error = errno};
    snprintf(problem.what, sizeof problem.what, "%s%s%s", what, name != NULL ? " " : "", name != NULL ? name : "");
    ssize_t ignored = write(origin->progress, &problem, sizeof problem);
    (void)ignored;
    _exit(127);
}

/// Reports how the program ended; the caller waits for it.
static _Noreturn void end(const claunch_origin *origin, int status) {
    send(origin->control, &status, sizeof status, MSG_NOSIGNAL);
    _exit(0);
}

static _Noreturn void keep(const claunch_origin *origin, pid_t program, int signals) {
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN}, {.fd = origin->control, .events = POLLIN}};
    while (1) {
        if (poll(sources, 2, -1) < 0 && errno != EINTR) _exit(127);
        // Who started the container is gone: so is the container, with everything in it, when its first process ends.
        if (sources[1].revents != 0) _exit(137);
        if (sources[0].revents == 0) continue;
        struct signalfd_siginfo signal;
        if (read(signals, &signal, sizeof signal) != sizeof signal) continue;
        if (signal.ssi_signo != SIGCHLD) {
            kill(program, (int)signal.ssi_signo);
            continue;
        }
        int status, program_status = -1;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended == program) program_status = status;
        }
        if (program_status != -1) end(origin, program_status);
    }
}

/// Whatever the process has open belongs to others, whose other ends wait for it to be closed.
static void close_foreign(int one, int other) {
    unsigned low = (unsigned)(one < other ? one : other), high = (unsigned)(one < other ? other : one);
    if (low > 3) syscall(SYS_close_range, 3, low - 1, 0);
    if (high > low + 1) syscall(SYS_close_range, low + 1, high - 1, 0);
    syscall(SYS_close_range, high + 1, ~0u, 0);
}

_Noreturn void claunch_become(const claunch_container *container, const claunch_origin *origin) {
    prctl(PR_SET_NAME, "cvmfs-init");
    close_foreign(origin->control, origin->progress);
    if (container->has_user_namespace) claunch_map_users(container, origin);
    // Signals stay blocked, and are read instead: the first process of a namespace would not get them otherwise.
    for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
    const int forwarded[] = CLAUNCHER_FORWARDED;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&set, forwarded[i]);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0) claunch_fail(origin, "signalfd(2)", NULL);

    claunch_enter_root(container, origin);
    if (container->hostname != NULL && sethostname(container->hostname, strlen(container->hostname)) < 0)
        claunch_fail(origin, "the host name cannot be set:", container->hostname);

    pid_t program = claunch_fork(0);
    if (program < 0) claunch_fail(origin, "fork(2)", NULL);
    if (program == 0) claunch_execute(container, origin);
    close(origin->progress);
    // Nothing of the host's stays open here, and the program's pipes are its own alone.
    if (origin->control > 3) syscall(SYS_close_range, 0, 2, 0);
    keep(origin, program, signals);
}

/// What a container's root may do, as other runtimes have it, without making devices.
static const int capabilities[] = {
    CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP,
    CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_CHROOT, CAP_AUDIT_WRITE, CAP_SETFCAP};

static void drop_capabilities(const claunch_origin *origin) {
    uint64_t kept = 0;
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) kept |= 1ull << capabilities[i];
    for (int number = 0; number < 64; number++) {
        if (kept >> number & 1) continue;
        // EINVAL: the kernel knows no more.
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno == EINVAL) break;
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {0};
    if (syscall(SYS_capget, &header, data) < 0) claunch_fail(origin, "capget(2)", NULL);
    for (int half = 0; half < 2; half++) {
        data[half].permitted &= (uint32_t)(kept >> 32 * half);
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0) claunch_fail(origin, "capset(2)", NULL);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/// Makes a folder with those above it, of a path that is already one of the container.
static void make_folders(const char *path) {
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part) return;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        mkdir(part, 0755);
    }
}

static void become_user(const claunch_container *container, const claunch_origin *origin) {
    // In a user namespace with one mapped group the kernel forbids to set others.
    if (!container->has_user_namespace || container->user_mapper != NULL) {
        if (syscall(SYS_setgroups, container->group_count, container->groups) < 0)
            claunch_fail(origin, "the user's groups cannot be set", NULL);
    }
    // Past the C library, which would make all threads do it.
    if (syscall(SYS_setresgid, container->group, container->group, container->group) < 0)
        claunch_fail(origin, "the group cannot be had: only those that the user namespace maps can", NULL);
    if (syscall(SYS_setresuid, container->user, container->user, container->user) < 0)
        claunch_fail(origin, "the user cannot be had: only those that the user namespace maps can", NULL);
}

static const char *path_of(char *const *environment) {
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
    }
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

_Noreturn void claunch_execute(const claunch_container *container, const claunch_origin *origin) {
    if (chdir(container->folder) < 0) {
        if (errno == ENOENT) make_folders(container->folder);
        if (chdir(container->folder) < 0) claunch_fail(origin, "the working folder cannot be entered:", container->folder);
    }
    drop_capabilities(origin);
    become_user(container, origin);
    if (!container->allows_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        claunch_fail(origin, "new privileges cannot be refused", NULL);
    // The report's pipe too: it is closed when the program runs, which is the report.
    syscall(SYS_close_range, 3, ~0u, 1 << 2 /* CLOSE_RANGE_CLOEXEC */);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    const char *program = container->arguments[0];
    if (strchr(program, '/') != NULL) {
        execve(program, container->arguments, container->environment);
        claunch_fail(origin, "cannot be started:", program);
    }
    int error = ENOENT;
    char candidate[4096];
    for (const char *folder = path_of(container->environment); folder != NULL;) {
        const char *colon = strchrnul(folder, ':');
        int length = (int)(colon - folder);
        if (snprintf(candidate, sizeof candidate, "%.*s/%s", length == 0 ? 1 : length, length == 0 ? "." : folder,
                     program) < (int)sizeof candidate) {
            execve(candidate, container->arguments, container->environment);
            if (errno != ENOENT && errno != ENOTDIR) error = errno;
        }
        folder = *colon == 0 ? NULL : colon + 1;
    }
    errno = error;
    claunch_fail(origin, "is not to be started from any folder of PATH:", program);
}
#endif

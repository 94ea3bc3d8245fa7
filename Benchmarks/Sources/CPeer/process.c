#define _GNU_SOURCE
#include "peer.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/resource.h>
#include <time.h>

int peer_bind_to_core(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    return sched_setaffinity(0, sizeof cores, &cores);
}

int peer_unify_cgroups(void) {
    const char *folder = "/sys/fs/cgroup";
    struct statfs status;
    if (statfs(folder, &status) == 0 && status.f_type == 0x63677270 /* CGROUP2_SUPER_MAGIC */) return 0;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", 0, MS_REC | MS_SLAVE, 0) < 0) return -1;
    umount2(folder, MNT_DETACH);
    return mount("none", folder, "cgroup2", 0, 0);
}

double peer_cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double peer_thread_cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

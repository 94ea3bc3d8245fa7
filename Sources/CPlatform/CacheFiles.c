#define _GNU_SOURCE
#include "CacheFiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#else
#include <sys/sysctl.h>
#endif

#define RETRY(result, call)                                                                                          \
    do                                                                                                               \
        result = (call);                                                                                             \
    while (result < 0 && errno == EINTR)

static int checked(int result) { return result < 0 ? -errno : result; }

int cplatform_open_folder(const char *path) {
    int result;
    RETRY(result, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return checked(result);
}

int cplatform_make_folders(const char *path) {
    char copy[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0) return -ENOENT;
    if (length >= sizeof copy) return -ENAMETOOLONG;
    memcpy(copy, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (copy[i] != '/') continue;
        copy[i] = 0;
        // Whatever is wrong with a parent shows in what follows, and with the right error.
        mkdir(copy, 0700);
        copy[i] = '/';
    }
    if (mkdir(copy, 0700) == 0) return 1;
    return errno == EEXIST ? 0 : -errno;
}

int cplatform_make_folder(int folder, const char *name) {
    if (mkdirat(folder, name, 0700) == 0) return 1;
    return errno == EEXIST ? 0 : -errno;
}

static int open_plainly(int folder, const char *name, int flags) {
    int result;
#ifdef __linux__
    struct open_how how = {.flags = (unsigned)flags, .resolve = RESOLVE_NO_SYMLINKS};
    RETRY(result, (int)syscall(SYS_openat2, folder, name, &how, sizeof how));
    // Kernels before 5.6, and sandboxes that do not know the call.
    if (result >= 0 || (errno != ENOSYS && errno != EPERM)) return result;
#endif
    RETRY(result, openat(folder, name, flags));
    return result;
}

int cplatform_open_file(int folder, const char *name, int writes) {
    int flags = (writes ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
#ifdef O_NOATIME
    int result = open_plainly(folder, name, flags | O_NOATIME);
    // Only the owner may ask for it.
    if (result >= 0 || errno != EPERM) return checked(result);
#endif
    return checked(open_plainly(folder, name, flags));
}

int cplatform_create_file(int folder, const char *name) {
    int result;
    RETRY(result, openat(folder, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
    return checked(result);
}

int cplatform_create_unnamed_file(int folder, const char *place) {
#ifdef O_TMPFILE
    int result;
    RETRY(result, openat(folder, place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    // A kernel or file system without it takes the flags for those of opening a folder.
    if (result < 0 && errno == EISDIR) return -EOPNOTSUPP;
    return checked(result);
#else
    (void)folder, (void)place;
    return -EOPNOTSUPP;
#endif
}

int cplatform_name_file(int file, int folder, const char *name) {
#ifdef __linux__
    if (linkat(file, "", folder, name, AT_EMPTY_PATH) == 0) return 0;
    // Without the privilege for it the kernel says ENOENT, and the way round is through /proc.
    if (errno != ENOENT) return -errno;
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return checked(linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW));
#else
    (void)file, (void)folder, (void)name;
    return -EOPNOTSUPP;
#endif
}

int cplatform_move_file(int folder, const char *from, const char *to) {
#if defined(__linux__) && defined(SYS_renameat2)
    if (syscall(SYS_renameat2, folder, from, folder, to, 1 /* RENAME_NOREPLACE */) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
#endif
    if (linkat(folder, from, folder, to, 0) == 0) return checked(unlinkat(folder, from, 0));
    if (errno != EPERM && errno != EOPNOTSUPP) return -errno;
    // A file system without hard links: two writers of one name write the same content, so the last may win.
    return checked(renameat(folder, from, folder, to));
}

int cplatform_replace_file(int folder, const char *from, const char *to) {
    return checked(renameat(folder, from, folder, to));
}

int cplatform_reopen_for_reading(int file) {
#ifdef __linux__
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
#else
    char path[PATH_MAX];
    if (fcntl(file, F_GETPATH, path) < 0) path[0] = 0;
#endif
    int result;
    RETRY(result, open(path, O_RDONLY | O_CLOEXEC));
    if (result < 0 && errno == ENOENT) result = fcntl(file, F_DUPFD_CLOEXEC, 0);
    return checked(result);
}

int cplatform_create_memory_file(const char *name) {
#ifdef __linux__
    return checked(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
#else
    (void)name;
    char path[] = "/tmp/cvmfs-memory.XXXXXX";
    int file = mkstemp(path);
    if (file < 0) return -errno;
    unlink(path);
    fcntl(file, F_SETFD, FD_CLOEXEC);
    return file;
#endif
}

int cplatform_seal_memory_file(int file) {
#ifdef __linux__
    return checked(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
#else
    (void)file;
    return 0;
#endif
}

int cplatform_remove_file(int folder, const char *name) { return checked(unlinkat(folder, name, 0)); }

void cplatform_close(int descriptor) { close(descriptor); }

static int convert(int result, const struct stat *from, cplatform_status *to) {
    if (result < 0) return -errno;
    to->size = from->st_size;
    to->inode = from->st_ino;
    to->links = (uint32_t)from->st_nlink;
    to->is_regular = S_ISREG(from->st_mode);
    to->is_folder = S_ISDIR(from->st_mode);
#ifdef __APPLE__
    const struct timespec *accessed = &from->st_atimespec;
#else
    const struct timespec *accessed = &from->st_atim;
#endif
    to->accessed = (int64_t)accessed->tv_sec * 1000000000 + accessed->tv_nsec;
    return 0;
}

int cplatform_status_of(int descriptor, cplatform_status *status) {
    struct stat found;
    return convert(fstat(descriptor, &found), &found, status);
}

int cplatform_status_at(int folder, const char *name, cplatform_status *status) {
    struct stat found;
    return convert(fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW), &found, status);
}

int cplatform_lock(int file, int exclusively, int waits) {
    int result;
    RETRY(result, flock(file, (exclusively ? LOCK_EX : LOCK_SH) | (waits ? 0 : LOCK_NB)));
    return checked(result);
}

int cplatform_unlock(int file) { return checked(flock(file, LOCK_UN)); }

int64_t cplatform_read_at(int file, void *bytes, int64_t count, int64_t offset) {
    int64_t done = 0;
    while (done < count) {
        ssize_t result = pread(file, (char *)bytes + done, (size_t)(count - done), offset + done);
        if (result == 0) break;
        if (result < 0 && errno == EINTR) continue;
        if (result < 0) return -errno;
        done += result;
    }
    return done;
}

int cplatform_write_at(int file, const void *bytes, int64_t count, int64_t offset) {
    int64_t done = 0;
    while (done < count) {
        ssize_t result = pwrite(file, (const char *)bytes + done, (size_t)(count - done), offset + done);
        if (result < 0 && errno == EINTR) continue;
        if (result < 0) return -errno;
        done += result;
    }
    return 0;
}

int cplatform_is_in_memory(int file) {
#if defined(__linux__) && defined(RWF_NOWAIT)
    char byte;
    struct iovec place = {&byte, 1};
    return !(preadv2(file, &place, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN);
#else
    (void)file;
    return 1;
#endif
}

void cplatform_will_read(int file, int64_t count) {
#ifdef __linux__
    posix_fadvise(file, 0, (off_t)count, POSIX_FADV_WILLNEED);
#else
    (void)file, (void)count;
#endif
}

int cplatform_truncate(int file, int64_t size) {
    int result;
    RETRY(result, ftruncate(file, size));
    return checked(result);
}

int cplatform_set_accessed(int file, int64_t nanoseconds) {
    struct timespec times[2] = {
        {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000}, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
    return checked(futimens(file, times));
}

int cplatform_get_attribute(int file, const char *name, void *bytes, int count) {
    char full[64];
    snprintf(full, sizeof full, "user.%s", name);
#ifdef __linux__
    return checked((int)fgetxattr(file, full, bytes, (size_t)count));
#else
    int result = (int)fgetxattr(file, full, bytes, (size_t)count, 0, 0);
    return result < 0 && errno == ENOATTR ? -ENODATA : checked(result);
#endif
}

int cplatform_set_attribute(int file, const char *name, const void *bytes, int count) {
    char full[64];
    snprintf(full, sizeof full, "user.%s", name);
#ifdef __linux__
    return checked(fsetxattr(file, full, bytes, (size_t)count, 0));
#else
    return checked(fsetxattr(file, full, bytes, (size_t)count, 0, 0));
#endif
}

int cplatform_sync_file(int descriptor) {
    int result;
    RETRY(result, fsync(descriptor));
    return checked(result);
}

int cplatform_sync_file_system(int descriptor) {
#ifdef __linux__
    return checked(syncfs(descriptor));
#else
    (void)descriptor;
    sync();
    return 0;
#endif
}

int cplatform_space_of(int descriptor, cplatform_space *space) {
    struct statvfs found;
    int result;
    RETRY(result, fstatvfs(descriptor, &found));
    if (result < 0) return -errno;
    space->total = (int64_t)found.f_blocks * (int64_t)found.f_frsize;
    // The reserve of the file system is root's to use.
    space->available = (int64_t)(geteuid() == 0 ? found.f_bfree : found.f_bavail) * (int64_t)found.f_frsize;
    space->available_files = found.f_files == 0 ? -1 : (int64_t)found.f_favail;
    return 0;
}

// A listing is the system's own.
int cplatform_listing_open(int folder, const char *name, cplatform_listing **listing) {
    int descriptor = open_plainly(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    DIR *opened = fdopendir(descriptor);
    if (opened == NULL) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    *listing = (cplatform_listing *)opened;
    return 0;
}

int cplatform_listing_next(cplatform_listing *listing, const char **name) {
    int is_regular;
    return cplatform_listing_next_kind(listing, name, &is_regular);
}

int cplatform_listing_next_kind(cplatform_listing *listing, const char **name, int *is_regular) {
    while (1) {
        errno = 0;
        struct dirent *entry = readdir((DIR *)listing);
        if (entry == NULL) return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        *name = entry->d_name;
        *is_regular = entry->d_type == DT_UNKNOWN ? -1 : entry->d_type == DT_REG;
        return 1;
    }
}

void cplatform_listing_close(cplatform_listing *listing) { closedir((DIR *)listing); }

int cplatform_boot_id(uint8_t *bytes) {
    char text[64];
#ifdef __linux__
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) return -ENOENT;
    ssize_t length = read(file, text, sizeof text);
    close(file);
#else
    size_t size = sizeof text;
    ssize_t length = sysctlbyname("kern.bootsessionuuid", text, &size, NULL, 0) == 0 ? (ssize_t)size : -1;
#endif
    int digits = 0;
    memset(bytes, 0, 16);
    for (ssize_t i = 0; i < length && digits < 32; i++) {
        char c = text[i];
        int value = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (value < 0) continue;
        bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | value);
        digits++;
    }
    return digits == 32 ? 0 : -ENOENT;
}

int64_t cplatform_now(void) {
    struct timespec now;
#ifdef CLOCK_REALTIME_COARSE
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
#else
    clock_gettime(CLOCK_REALTIME, &now);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

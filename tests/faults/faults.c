/* SPDX-License-Identifier: MIT */
/**
 * @file faults.c
 * A library to preload: makes the n-th call of a system function fail, so that tests can visit every error
 * path of the program.
 *
 *     LD_PRELOAD=libfaults.so AISPIPE_FAULT=rename:3:ENOSPC build/aispipe …
 *
 *   AISPIPE_FAULT          GROUP:N:ACTION — what happens at the N-th call (from 1) of the functions in GROUP.
 *                          ACTION is an errno's name, SHORT (half the bytes are moved), WAIT (the call waits
 *                          until the file AISPIPE_FAULT_HIT with ".go" added exists), or NONE (only count).
 *                          "N+" instead of N: every call from the N-th on.
 *   AISPIPE_FAULT_PATH     only calls whose path contains this text count (open, rename, unlink, mkdir, stat;
 *                          read, write, close and ftruncate by the path of the descriptor).
 *   AISPIPE_FAULT_CALLERS  only calls made by code of these objects count: parts of file names joined by ','.
 *                          The program itself counts always. Default: "libaispipe".
 *   AISPIPE_FAULT_HIT      this file is made when the fault strikes.
 *   AISPIPE_FAULT_COUNTS   at the end the calls of every group are written here, one "GROUP COUNT" a line.
 *
 * Calls made inside libc, the engine or any other library pass untouched: the caller's return address
 * decides. Standard output and standard error are never made to fail, so that the program can still say what
 * is wrong. Nothing here allocates, and nothing is counted before the constructor has run.
 */
/* Both open and open64, stat and stat64, … are defined below: none of them may be a name for the other. */
#undef _FILE_OFFSET_BITS
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum group {
    GROUP_OPEN,
    GROUP_READ,
    GROUP_WRITE,
    GROUP_RENAME,
    GROUP_CLOSE,
    GROUP_THREAD,
    GROUP_MALLOC,
    GROUP_MMAP,
    GROUP_TRUNCATE,
    GROUP_STAT,
    GROUP_MKDIR,
    GROUP_UNLINK,
    GROUP_OPENDIR,
    GROUP_READDIR,
    GROUP_ALLOCATE,
    GROUPS,
    GROUP_UNKNOWN = -1,
};

static const char *const group_names[GROUPS] = {
    "open",      "read", "write", "rename", "close",   "thread",  "malloc",    "mmap",
    "ftruncate", "stat", "mkdir", "unlink", "opendir", "readdir", "fallocate",
};

static const struct {
    const char *name;
    int value;
} errors[] = {
    {"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EACCES", EACCES},
    {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"ENOMEM", ENOMEM},
    {"EAGAIN", EAGAIN}, {"EINTR", EINTR},   {"EPERM", EPERM},
    {"EROFS", EROFS},   {"EDQUOT", EDQUOT}, {"ENOENT", ENOENT},
    {"ELOOP", ELOOP},   {"EXDEV", EXDEV},   {"EINVAL", EINVAL},
    {"EISDIR", EISDIR}, {"ESTALE", ESTALE}, {"EOPNOTSUPP", EOPNOTSUPP},
};

enum action { ACTION_NONE, ACTION_FAIL, ACTION_SHORT, ACTION_WAIT };

#define MAX_RANGES 64

static struct {
    enum group group;
    unsigned long from; /* the call that fails, counted from 1 */
    bool all_after;
    enum action action;
    int error;
    const char *path;
    const char *hit;
    const char *counts;
    struct {
        uintptr_t start, end;
    } ranges[MAX_RANGES]; /* code whose calls count */
    size_t n_ranges;
} plan = {.group = GROUP_UNKNOWN};

static atomic_bool ready;
static atomic_ulong calls[GROUPS];

/* The function that would have been called without this library. Resolved at the first call. */
#define REAL(result, name, ...)         \
    static result (*real)(__VA_ARGS__); \
    if (!real)                          \
    real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* --- setting up ------------------------------------------------------------------------------------- */

static bool name_counts(const char *name)
{
    if (!name[0]) /* the program itself */
        return true;
    const char *wanted = getenv("AISPIPE_FAULT_CALLERS");
    if (!wanted)
        wanted = "libaispipe";
    while (*wanted) {
        size_t length = strcspn(wanted, ",");
        if (length && memmem(name, strlen(name), wanted, length))
            return true;
        wanted += length + (wanted[length] == ',');
    }
    return false;
}

static int add_ranges(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    if (!name_counts(info->dlpi_name))
        return 0;
    for (int i = 0; i < info->dlpi_phnum && plan.n_ranges < MAX_RANGES; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
            continue;
        plan.ranges[plan.n_ranges].start = info->dlpi_addr + header->p_vaddr;
        plan.ranges[plan.n_ranges].end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
        plan.n_ranges++;
    }
    return 0;
}

static void bad_plan(const char *text)
{
    (void)fprintf(stderr, "faults: cannot understand AISPIPE_FAULT=%s\n", text);
    _exit(97);
}

static void parse_action(const char *name, const char *text)
{
    if (!strcmp(name, "NONE") || !strcmp(name, "SHORT") || !strcmp(name, "WAIT")) {
        plan.action = name[0] == 'N' ? ACTION_NONE : name[0] == 'S' ? ACTION_SHORT : ACTION_WAIT;
        return;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (!strcmp(name, errors[i].name)) {
            plan.action = ACTION_FAIL;
            plan.error = errors[i].value;
            return;
        }
    }
    bad_plan(text);
}

static void parse_plan(const char *text)
{
    size_t length = strcspn(text, ":");
    for (int i = 0; i < GROUPS; i++) {
        if (strlen(group_names[i]) == length && !strncmp(text, group_names[i], length))
            plan.group = (enum group)i;
    }
    if (plan.group == GROUP_UNKNOWN || !text[length])
        bad_plan(text);
    char *end;
    plan.from = strtoul(text + length + 1, &end, 10);
    plan.all_after = *end == '+';
    end += plan.all_after;
    if (*end != ':')
        bad_plan(text);
    parse_action(end + 1, text);
}

static void find_allocator(void);

__attribute__((constructor)) static void set_up(void)
{
    find_allocator();
    plan.path = getenv("AISPIPE_FAULT_PATH");
    plan.hit = getenv("AISPIPE_FAULT_HIT");
    plan.counts = getenv("AISPIPE_FAULT_COUNTS");
    const char *text = getenv("AISPIPE_FAULT");
    if (text)
        parse_plan(text);
    (void)dl_iterate_phdr(add_ranges, NULL);
    atomic_store(&ready, true);
}

__attribute__((destructor)) static void write_counts(void)
{
    if (!plan.counts)
        return;
    atomic_store(&ready, false);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, plan.counts, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    for (int i = 0; i < GROUPS; i++)
        (void)dprintf(fd, "%s %lu\n", group_names[i], atomic_load(&calls[i]));
    (void)syscall(SYS_close, fd);
}

/* --- deciding --------------------------------------------------------------------------------------- */

static bool from_us(const void *caller)
{
    uintptr_t address = (uintptr_t)caller;
    for (size_t i = 0; i < plan.n_ranges; i++) {
        if (address >= plan.ranges[i].start && address < plan.ranges[i].end)
            return true;
    }
    return false;
}

static bool path_counts(int fd, const char *path)
{
    if (!plan.path)
        return true;
    if (path)
        return strstr(path, plan.path);
    if (fd < 0)
        return false;
    char link[64], target[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = (ssize_t)syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
    if (length <= 0)
        return false;
    target[length] = 0;
    return strstr(target, plan.path);
}

static void mark_hit(void)
{
    if (!plan.hit)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, plan.hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
}

static void wait_for_go(void)
{
    char name[PATH_MAX];
    (void)snprintf(name, sizeof name, "%s.go", plan.hit ? plan.hit : "");
    struct timespec pause = {.tv_nsec = 2000000};
    while (syscall(SYS_faccessat, AT_FDCWD, name, F_OK) != 0)
        (void)syscall(SYS_nanosleep, &pause, NULL);
}

/* What this call is to do. Counts it when it is one of ours. errno is kept unless the call is to fail. */
static enum action decide(enum group group, const void *caller, int fd, const char *path)
{
    if (!atomic_load_explicit(&ready, memory_order_acquire) || !from_us(caller))
        return ACTION_NONE;
    int saved = errno;
    if (!path_counts(fd, path)) {
        errno = saved;
        return ACTION_NONE;
    }
    unsigned long n = atomic_fetch_add(&calls[group], 1) + 1;
    bool struck = group == plan.group && (n == plan.from || (plan.all_after && n > plan.from));
    enum action action = struck ? plan.action : ACTION_NONE;
    if (action != ACTION_NONE)
        mark_hit();
    if (action == ACTION_WAIT)
        wait_for_go();
    errno = action == ACTION_FAIL ? plan.error : saved;
    return action == ACTION_WAIT ? ACTION_NONE : action;
}

#define CALLER __builtin_return_address(0)
#define FAILS(group, fd, path) (decide(group, CALLER, fd, path) == ACTION_FAIL)

/* --- opening ---------------------------------------------------------------------------------------- */

static mode_t mode_of(int flags, va_list args)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN_FUNCTION(name)                                                \
    int name(const char *path, int flags, ...)                             \
    {                                                                      \
        REAL(int, #name, const char *, int, ...);                          \
        va_list args;                                                      \
        va_start(args, flags);                                             \
        mode_t mode = mode_of(flags, args);                                \
        va_end(args);                                                      \
        return FAILS(GROUP_OPEN, -1, path) ? -1 : real(path, flags, mode); \
    }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)

#define OPENAT_FUNCTION(name)                                                         \
    int name(int directory, const char *path, int flags, ...)                         \
    {                                                                                 \
        REAL(int, #name, int, const char *, int, ...);                                \
        va_list args;                                                                 \
        va_start(args, flags);                                                        \
        mode_t mode = mode_of(flags, args);                                           \
        va_end(args);                                                                 \
        return FAILS(GROUP_OPEN, -1, path) ? -1 : real(directory, path, flags, mode); \
    }
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

#define FOPEN_FUNCTION(name)                                          \
    FILE *name(const char *path, const char *mode)                    \
    {                                                                 \
        REAL(FILE *, #name, const char *, const char *);              \
        return FAILS(GROUP_OPEN, -1, path) ? NULL : real(path, mode); \
    }
FOPEN_FUNCTION(fopen)
FOPEN_FUNCTION(fopen64)

FILE *fdopen(int fd, const char *mode)
{
    REAL(FILE *, "fdopen", int, const char *);
    return FAILS(GROUP_OPEN, fd, NULL) ? NULL : real(fd, mode);
}

DIR *opendir(const char *path)
{
    REAL(DIR *, "opendir", const char *);
    return FAILS(GROUP_OPENDIR, -1, path) ? NULL : real(path);
}

DIR *fdopendir(int fd)
{
    REAL(DIR *, "fdopendir", int);
    return FAILS(GROUP_OPENDIR, fd, NULL) ? NULL : real(fd);
}

struct dirent *readdir(DIR *directory)
{
    REAL(struct dirent *, "readdir", DIR *);
    return FAILS(GROUP_READDIR, -1, NULL) ? NULL : real(directory);
}

struct dirent64 *readdir64(DIR *directory)
{
    REAL(struct dirent64 *, "readdir64", DIR *);
    return FAILS(GROUP_READDIR, -1, NULL) ? NULL : real(directory);
}

ssize_t getdents64(int fd, void *buffer, size_t length)
{
    REAL(ssize_t, "getdents64", int, void *, size_t);
    return FAILS(GROUP_READDIR, fd, NULL) ? -1 : real(fd, buffer, length);
}

/* --- moving bytes ------------------------------------------------------------------------------------ */

/* SHORT with a length that cannot be halved is the whole call. */
static size_t shortened(enum action action, size_t length)
{
    return action == ACTION_SHORT && length > 1 ? length / 2 : length;
}

ssize_t read(int fd, void *buffer, size_t length)
{
    REAL(ssize_t, "read", int, void *, size_t);
    enum action action = decide(GROUP_READ, CALLER, fd, NULL);
    return action == ACTION_FAIL ? -1 : real(fd, buffer, shortened(action, length));
}

#define PREAD_FUNCTION(name, offset_type)                                                        \
    ssize_t name(int fd, void *buffer, size_t length, offset_type offset)                        \
    {                                                                                            \
        REAL(ssize_t, #name, int, void *, size_t, offset_type);                                  \
        enum action action = decide(GROUP_READ, CALLER, fd, NULL);                               \
        return action == ACTION_FAIL ? -1 : real(fd, buffer, shortened(action, length), offset); \
    }
PREAD_FUNCTION(pread, off_t)
PREAD_FUNCTION(pread64, off64_t)

/* A shortened vector: the first piece only, cut in half when it is the only one. */
static int shorten_vector(enum action action, const struct iovec *from, int count, struct iovec *first)
{
    if (action != ACTION_SHORT || count < 1)
        return 0;
    *first = from[0];
    if (count == 1)
        first->iov_len = shortened(action, first->iov_len);
    return 1;
}

ssize_t readv(int fd, const struct iovec *vector, int count)
{
    REAL(ssize_t, "readv", int, const struct iovec *, int);
    struct iovec first;
    enum action action = decide(GROUP_READ, CALLER, fd, NULL);
    if (action == ACTION_FAIL)
        return -1;
    return shorten_vector(action, vector, count, &first) ? real(fd, &first, 1) : real(fd, vector, count);
}

#define PREADV_FUNCTION(name, offset_type)                                                      \
    ssize_t name(int fd, const struct iovec *vector, int count, offset_type offset)             \
    {                                                                                           \
        REAL(ssize_t, #name, int, const struct iovec *, int, offset_type);                      \
        struct iovec first;                                                                     \
        enum action action = decide(GROUP_READ, CALLER, fd, NULL);                              \
        if (action == ACTION_FAIL)                                                              \
            return -1;                                                                          \
        return shorten_vector(action, vector, count, &first) ? real(fd, &first, 1, offset)      \
                                                             : real(fd, vector, count, offset); \
    }
PREADV_FUNCTION(preadv, off_t)
PREADV_FUNCTION(preadv64, off64_t)

static enum action decide_write(const void *caller, int fd)
{
    return fd == STDOUT_FILENO || fd == STDERR_FILENO ? ACTION_NONE : decide(GROUP_WRITE, caller, fd, NULL);
}

ssize_t write(int fd, const void *buffer, size_t length)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    enum action action = decide_write(CALLER, fd);
    return action == ACTION_FAIL ? -1 : real(fd, buffer, shortened(action, length));
}

#define PWRITE_FUNCTION(name, offset_type)                                                       \
    ssize_t name(int fd, const void *buffer, size_t length, offset_type offset)                  \
    {                                                                                            \
        REAL(ssize_t, #name, int, const void *, size_t, offset_type);                            \
        enum action action = decide_write(CALLER, fd);                                           \
        return action == ACTION_FAIL ? -1 : real(fd, buffer, shortened(action, length), offset); \
    }
PWRITE_FUNCTION(pwrite, off_t)
PWRITE_FUNCTION(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *vector, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    struct iovec first;
    enum action action = decide_write(CALLER, fd);
    if (action == ACTION_FAIL)
        return -1;
    return shorten_vector(action, vector, count, &first) ? real(fd, &first, 1) : real(fd, vector, count);
}

#define PWRITEV_FUNCTION(name, offset_type)                                                     \
    ssize_t name(int fd, const struct iovec *vector, int count, offset_type offset)             \
    {                                                                                           \
        REAL(ssize_t, #name, int, const struct iovec *, int, offset_type);                      \
        struct iovec first;                                                                     \
        enum action action = decide_write(CALLER, fd);                                          \
        if (action == ACTION_FAIL)                                                              \
            return -1;                                                                          \
        return shorten_vector(action, vector, count, &first) ? real(fd, &first, 1, offset)      \
                                                             : real(fd, vector, count, offset); \
    }
PWRITEV_FUNCTION(pwritev, off_t)
PWRITEV_FUNCTION(pwritev64, off64_t)

/* --- streams: a failing fwrite leaves the stream's error mark unset, as the fault is ours ------------- */

size_t fwrite(const void *data, size_t size, size_t count, FILE *file)
{
    REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *);
    if (file != stdout && file != stderr && FAILS(GROUP_WRITE, fileno(file), NULL))
        return 0;
    return real(data, size, count, file);
}

int fflush(FILE *file)
{
    REAL(int, "fflush", FILE *);
    if (file && file != stdout && file != stderr && FAILS(GROUP_WRITE, fileno(file), NULL))
        return EOF;
    return real(file);
}

/* As with close: the stream is closed, and the failure is reported. */
int fclose(FILE *file)
{
    REAL(int, "fclose", FILE *);
    bool fails = file != stdout && file != stderr && FAILS(GROUP_CLOSE, fileno(file), NULL);
    int error = errno;
    int result = real(file);
    if (!fails)
        return result;
    errno = error;
    return EOF;
}

/* --- names -------------------------------------------------------------------------------------------- */

int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *);
    return FAILS(GROUP_RENAME, -1, to) ? -1 : real(from, to);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    REAL(int, "renameat", int, const char *, int, const char *);
    return FAILS(GROUP_RENAME, -1, to) ? -1 : real(from_directory, from, to_directory, to);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    return FAILS(GROUP_RENAME, -1, to) ? -1 : real(from_directory, from, to_directory, to, flags);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    REAL(int, "linkat", int, const char *, int, const char *, int);
    return FAILS(GROUP_RENAME, -1, to) ? -1 : real(from_directory, from, to_directory, to, flags);
}

int unlink(const char *path)
{
    REAL(int, "unlink", const char *);
    return FAILS(GROUP_UNLINK, -1, path) ? -1 : real(path);
}

int unlinkat(int directory, const char *path, int flags)
{
    REAL(int, "unlinkat", int, const char *, int);
    return FAILS(GROUP_UNLINK, -1, path) ? -1 : real(directory, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(int, "mkdir", const char *, mode_t);
    return FAILS(GROUP_MKDIR, -1, path) ? -1 : real(path, mode);
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    REAL(int, "mkdirat", int, const char *, mode_t);
    return FAILS(GROUP_MKDIR, -1, path) ? -1 : real(directory, path, mode);
}

/* The descriptor is closed all the same, as Linux does when close reports an error. */
int close(int fd)
{
    REAL(int, "close", int);
    bool fails = FAILS(GROUP_CLOSE, fd, NULL);
    int error = errno;
    int result = real(fd);
    if (!fails)
        return result;
    errno = error;
    return -1;
}

#define FSTAT_FUNCTION(name, type)                                  \
    int name(int fd, struct type *status)                           \
    {                                                               \
        REAL(int, #name, int, struct type *);                       \
        return FAILS(GROUP_STAT, fd, NULL) ? -1 : real(fd, status); \
    }
FSTAT_FUNCTION(fstat, stat)
FSTAT_FUNCTION(fstat64, stat64)

#define STAT_FUNCTION(name, type)                                     \
    int name(const char *path, struct type *status)                   \
    {                                                                 \
        REAL(int, #name, const char *, struct type *);                \
        return FAILS(GROUP_STAT, -1, path) ? -1 : real(path, status); \
    }
STAT_FUNCTION(stat, stat)
STAT_FUNCTION(stat64, stat64)
STAT_FUNCTION(lstat, stat)
STAT_FUNCTION(lstat64, stat64)

#define FSTATAT_FUNCTION(name, type)                                                    \
    int name(int directory, const char *path, struct type *status, int flags)           \
    {                                                                                   \
        REAL(int, #name, int, const char *, struct type *, int);                        \
        return FAILS(GROUP_STAT, -1, path) ? -1 : real(directory, path, status, flags); \
    }
FSTATAT_FUNCTION(fstatat, stat)
FSTATAT_FUNCTION(fstatat64, stat64)

int statx(int directory, const char *path, int flags, unsigned mask, struct statx *status)
{
    REAL(int, "statx", int, const char *, int, unsigned, struct statx *);
    return FAILS(GROUP_STAT, -1, path) ? -1 : real(directory, path, flags, mask, status);
}

#define FTRUNCATE_FUNCTION(name, offset_type)                           \
    int name(int fd, offset_type length)                                \
    {                                                                   \
        REAL(int, #name, int, offset_type);                             \
        return FAILS(GROUP_TRUNCATE, fd, NULL) ? -1 : real(fd, length); \
    }
FTRUNCATE_FUNCTION(ftruncate, off_t)
FTRUNCATE_FUNCTION(ftruncate64, off64_t)

#define FALLOCATE_FUNCTION(name, offset_type)                                         \
    int name(int fd, int mode, offset_type offset, offset_type length)                \
    {                                                                                 \
        REAL(int, #name, int, int, offset_type, offset_type);                         \
        return FAILS(GROUP_ALLOCATE, fd, NULL) ? -1 : real(fd, mode, offset, length); \
    }
FALLOCATE_FUNCTION(fallocate, off_t)
FALLOCATE_FUNCTION(fallocate64, off64_t)

/* --- threads and memory -------------------------------------------------------------------------------- */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *context)
{
    REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (FAILS(GROUP_THREAD, -1, NULL))
        return plan.error;
    return real(thread, attributes, body, context);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    REAL(void *, "mmap", void *, size_t, int, int, int, off_t);
    return FAILS(GROUP_MMAP, fd, NULL) ? MAP_FAILED : real(address, length, protection, flags, fd, offset);
}

/*
 * Looking up the real allocator may itself allocate, and a sanitizer allocates before it can look anything
 * up. Until the constructor has found the real one, memory comes from this pool, which is never given back.
 */
static _Alignas(64) char pool[1 << 20];
static atomic_size_t pool_used;

static void *from_pool(size_t alignment, size_t size)
{
    size_t room;
    if (alignment > 64 || __builtin_add_overflow(size, 63, &room))
        return NULL;
    size_t start = atomic_fetch_add(&pool_used, room & ~(size_t)63);
    return start < sizeof pool && size <= sizeof pool - start ? pool + start : NULL;
}

static bool in_pool(const void *memory)
{
    return (const char *)memory >= pool && (const char *)memory < pool + sizeof pool;
}

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void (*real_free)(void *);
static atomic_bool have_allocator;

static void find_allocator(void)
{
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real_aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    real_posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    real_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    atomic_store(&have_allocator, true);
}

void *malloc(size_t size)
{
    if (!atomic_load(&have_allocator))
        return from_pool(1, size);
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    if (!atomic_load(&have_allocator))
        return from_pool(1, bytes); /* static memory is zero */
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : real_calloc(count, size);
}

static void *realloc_untouched(void *memory, size_t size)
{
    if (memory && !in_pool(memory))
        return real_realloc(memory, size);
    void *moved = atomic_load(&have_allocator) ? real_malloc(size) : from_pool(1, size);
    size_t rest = memory ? (size_t)(pool + sizeof pool - (char *)memory) : 0;
    if (moved && memory)
        memcpy(moved, memory, size < rest ? size : rest);
    return moved;
}

void *realloc(void *memory, size_t size)
{
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : realloc_untouched(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : realloc_untouched(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (!atomic_load(&have_allocator))
        return from_pool(alignment, size);
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : real_aligned_alloc(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (!atomic_load(&have_allocator)) {
        *memory = from_pool(alignment, size);
        return *memory ? 0 : ENOMEM;
    }
    return FAILS(GROUP_MALLOC, -1, NULL) ? plan.error : real_posix_memalign(memory, alignment, size);
}

char *strdup(const char *text)
{
    REAL(char *, "strdup", const char *);
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : real(text);
}

char *strndup(const char *text, size_t length)
{
    REAL(char *, "strndup", const char *, size_t);
    return FAILS(GROUP_MALLOC, -1, NULL) ? NULL : real(text, length);
}

void free(void *memory)
{
    if (memory && !in_pool(memory))
        real_free(memory);
}

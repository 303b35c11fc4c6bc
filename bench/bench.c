/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- time */

double bench_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_sleep(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};
    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
        ;
}

static double cpu_of(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e-6;
}

double bench_cpu(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return cpu_of(&usage);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void bench_die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* ---------------------------------------------------------------- arguments */

__attribute__((noreturn)) static void print_usage(const char *program, const struct bench_option *options,
                                                  size_t n, FILE *to, int status)
{
    (void)fprintf(to, "usage: %s [options]\n", program);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(to, "  %-12s %s\n", options[i].name, options[i].help);
    exit(status);
}

static bool take(const struct bench_option *option, const char *value)
{
    if (option->text) {
        *option->text = value;
        return *value != '\0';
    }
    char *end;
    *option->number = strtod(value, &end);
    return end != value && !*end && *option->number >= option->least && *option->number <= option->most;
}

void bench_arguments(int argc, char **argv, const struct bench_option *options, size_t n)
{
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        if (strcmp(argv[i], "--help") == 0)
            print_usage(argv[0], options, n, stdout, 0);
        while (k < n && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k < n && options[k].flag) {
            *options[k].flag = true;
            continue;
        }
        i++; /* its value */
        if (k == n || i == argc || !take(&options[k], argv[i]))
            print_usage(argv[0], options, n, stderr, 2);
    }
}

/* ---------------------------------------------------------------- files */

static const char *temporary_directory(void)
{
    const char *named = getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

const char *bench_fast_directory(void)
{
    return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : temporary_directory();
}

/* The directory that exists now: it is removed also where bench_die ends the program. One at a time. */
static char made[BENCH_PATH];

static void remove_made(void)
{
    char path[BENCH_PATH];
    memcpy(path, made, sizeof path);
    if (*path)
        bench_remove_tree(path);
}

void bench_make_directory(const char *parent, char path[BENCH_PATH])
{
    static bool registered;
    if (!registered)
        registered = atexit(remove_made) == 0;
    bench_join(path, parent ? parent : temporary_directory(), "aispipe-bench-XXXXXX");
    if (!mkdtemp(path))
        bench_die(path, strerror(errno));
    memcpy(made, path, BENCH_PATH);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position)
{
    (void)status;
    (void)kind;
    (void)position;
    return remove(path);
}

void bench_remove_tree(const char *path)
{
    if (strcmp(path, made) == 0)
        *made = '\0'; /* first: a failure below must not come here again */
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_die(path, strerror(errno));
}

void bench_join(char path[BENCH_PATH], const char *directory, const char *name)
{
    if (snprintf(path, BENCH_PATH, "%s/%s", directory, name) >= BENCH_PATH)
        bench_die(directory, "the path is too long");
}

static void write_file(int directory, const char *name, const void *data, size_t size)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        bench_die(name, strerror(errno));
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno != EINTR)
            bench_die(name, strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    if (close(fd) != 0)
        bench_die(name, strerror(errno));
}

void bench_write_file(const char *path, const void *data, size_t size)
{
    write_file(AT_FDCWD, path, data, size);
}

void bench_make_files(const char *directory, unsigned count, size_t size)
{
    if (mkdir(directory, 0750) != 0)
        bench_die(directory, strerror(errno));
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned char *data = calloc(1, size + sizeof count);
    if (fd < 0 || !data)
        bench_die(directory, strerror(errno));
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%07u.bin", i);
        memcpy(data, &i, sizeof i);
        write_file(fd, name, data, size);
    }
    free(data);
    (void)close(fd);
}

unsigned bench_count_files(const char *directory)
{
    DIR *dir = opendir(directory);
    if (!dir)
        bench_die(directory, strerror(errno));
    unsigned n = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

const char bench_small_model[] =
    "{\"inputs\": [{\"name\": \"x\", \"dtype\": \"float32\", \"shape\": [1, 16]}],\n"
    " \"outputs\": [{\"name\": \"y\", \"dtype\": \"float32\", \"shape\": [1, 16]}]}\n";

/* ---------------------------------------------------------------- programs */

struct bench_process bench_spawn(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child;
    double start = bench_now();
    /* posix_spawn's type promises less than the function keeps: it does not write to the arguments. */
    int rc = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc)
        bench_die(argv[0], strerror(rc));
    struct rusage usage;
    int status;
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            bench_die(argv[0], strerror(errno));
    struct bench_process process = {.seconds = bench_now() - start, .cpu = cpu_of(&usage)};
    process.peak_kib = usage.ru_maxrss;
    process.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return process;
}

struct bench_process bench_spawn_checked(const char *const *argv)
{
    struct bench_process process = bench_spawn(argv);
    if (process.status) {
        char why[64];
        (void)snprintf(why, sizeof why, "ended with status %d", process.status);
        bench_die(argv[0], why);
    }
    return process;
}

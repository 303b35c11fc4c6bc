/* SPDX-License-Identifier: MIT */
/*
 * Which way into and out of files is fastest? Each way reads, or writes, the same directory of files; they
 * take turns, and every round begins with another one.
 *
 *     io_paths [--only read|write] [--bytes N] [--total MIB] [--dir DIR] [--rounds N] [--drop-caches]
 * [--json]
 *
 * Read warm: the files are in the page cache. Cold: their pages were dropped before each turn (posix_fadvise;
 * names and inodes stay in memory, unless --drop-caches empties everything, which takes root and slows down
 * the whole machine). Whether they are really gone is looked up, and said; in /dev/shm they cannot go.
 * Written: into a new directory each turn, removed outside the measured time; what the kernel flushes to the
 * disk later is not waited for.
 */
#include "io_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_WAYS = 16, BUFFERS_BYTES = 32 << 20, MOST_BUFFERS = 64, PAGE = 4096, MOST_THREADS = 2 };

enum kind { COLD, WARM, WRITTEN, KINDS };

static const char *const kind_names[KINDS] = {"read cold", "read warm", "written"};

struct settings {
    const char *directory, *only;
    double total_mib, bytes, rounds;
    bool drop_caches, json;
};

struct figures {
    double us[MOST_WAYS][BENCH_MOST_ROUNDS];
    double cpu[MOST_WAYS][BENCH_MOST_ROUNDS];
};

/* ---------------------------------------------------------------- contents */

void io_name(unsigned file, char name[IO_NAME])
{
    (void)snprintf(name, IO_NAME, "%06u.bin", file);
}

void io_result_name(unsigned file, char name[IO_NAME])
{
    (void)snprintf(name, IO_NAME, "%06u_0.bin", file);
}

void io_die(unsigned file, const char *what, int reason)
{
    char text[96];
    (void)snprintf(text, sizeof text, "cannot %s: %s", what, strerror(reason));
    char name[IO_NAME];
    io_name(file, name);
    bench_die(name, text);
}

unsigned char *io_buffer(const struct work *work, unsigned file)
{
    return work->memory + work->stride * (file % work->buffers);
}

static void put_marks(unsigned char *data, unsigned file, size_t bytes)
{
    memcpy(data, &file, sizeof file);
    memcpy(data + bytes - sizeof file, &file, sizeof file);
}

/* The bytes between the marks do not matter for the time: only the marks are written again for each file. */
void io_fill(unsigned char *data, unsigned file, size_t bytes)
{
    put_marks(data, file, bytes);
}

static unsigned char byte_at(size_t at)
{
    return (unsigned char)(at * 2654435761U >> 24);
}

void io_check(const struct work *work, unsigned file, const unsigned char *data)
{
    unsigned marks[2];
    memcpy(&marks[0], data, sizeof file);
    memcpy(&marks[1], data + work->bytes - sizeof file, sizeof file);
    bool right = marks[0] == file && marks[1] == file;
    for (size_t at = sizeof file; work->all_bytes && right && at < work->bytes - sizeof file; at++)
        right = data[at] == byte_at(at);
    if (!right)
        io_die(file, "get its own bytes back", EIO);
}

/* Every buffer as a file has it, but for the marks. */
static void prepare_buffers(const struct work *work)
{
    for (unsigned i = 0; i < work->buffers; i++)
        for (size_t at = 0; at < work->bytes; at++)
            work->memory[i * work->stride + at] = byte_at(at);
}

static void make_work(struct work *work, size_t bytes, double total_mib)
{
    double files = total_mib * (1 << 20) / (double)bytes;
    *work = (struct work){.bytes = bytes, .step = 1, .directory = -1};
    work->files = files > 1000 ? 1000 : files < 8 ? 8 : (unsigned)files;
    work->stride = (bytes + PAGE - 1) / PAGE * PAGE;
    size_t buffers = BUFFERS_BYTES / work->stride;
    work->buffers = buffers > MOST_BUFFERS ? MOST_BUFFERS : buffers < 2 ? 2 : (unsigned)buffers;
    work->memory = mmap(NULL, work->stride * work->buffers, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (work->memory == MAP_FAILED)
        bench_die("buffers", strerror(errno));
    prepare_buffers(work);
}

/* ---------------------------------------------------------------- files */

static int open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        bench_die(path, strerror(errno));
    return fd;
}

static void make_inputs(struct work *work, const char *path)
{
    if (mkdir(path, 0750))
        bench_die(path, strerror(errno));
    work->directory = open_directory(path);
    for (unsigned file = 0; file < work->files; file++) {
        char name[IO_NAME];
        char whole[BENCH_PATH];
        unsigned char *data = io_buffer(work, file);
        io_name(file, name);
        bench_join(whole, path, name);
        put_marks(data, file, work->bytes);
        bench_write_file(whole, data, work->bytes);
    }
    (void)syncfs(work->directory); /* what is dirty cannot be dropped */
}

static void drop_all(void)
{
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "3", 1) != 1)
        bench_die("/proc/sys/vm/drop_caches", strerror(errno));
    (void)close(fd);
}

/* Whether the file's first page is not in memory. (A read that must not wait would tell, but fetch it as
 * well.) */
static bool is_cold(int fd, size_t bytes)
{
    unsigned char there = 1;
    void *pages = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (pages == MAP_FAILED || mincore(pages, 1, &there))
        bench_die("mincore", strerror(errno));
    (void)munmap(pages, bytes);
    return !(there & 1);
}

/* Drops the files' pages; returns the share of them that is gone. */
static double make_cold(const struct work *work, bool everything)
{
    unsigned cold = 0;
    for (unsigned file = 0; file < work->files; file++) {
        char name[IO_NAME];
        io_name(file, name);
        int fd = openat(work->directory, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            io_die(file, "open", errno);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        cold += is_cold(fd, work->bytes);
        (void)close(fd);
    }
    if (everything)
        drop_all();
    return (double)cold / work->files;
}

/* ---------------------------------------------------------------- one turn */

struct part {
    const struct way *way;
    struct work work;
};

static void *run_part(void *context)
{
    const struct part *part = context;
    part->way->run(&part->work);
    return NULL;
}

static void turn(const struct way *way, const struct work *work, double *us, double *cpu)
{
    struct part parts[MOST_THREADS];
    pthread_t threads[MOST_THREADS] = {0};
    double begin_cpu = bench_cpu();
    double begin = bench_now();
    for (unsigned i = 0; i < way->threads; i++) {
        parts[i] = (struct part){way, *work};
        parts[i].work.first = i;
        parts[i].work.step = way->threads;
        /* Threads must not share buffers: each has its own part of them. */
        parts[i].work.buffers = work->buffers / way->threads;
        parts[i].work.memory += work->stride * parts[i].work.buffers * i;
        if (way->threads > 1 && pthread_create(&threads[i], NULL, run_part, &parts[i]))
            bench_die(way->name, "no thread");
    }
    if (way->threads == 1)
        way->run(&parts[0].work);
    for (unsigned i = 0; way->threads > 1 && i < way->threads; i++)
        (void)pthread_join(threads[i], NULL);
    *us = (bench_now() - begin) * 1e6 / work->files;
    *cpu = (bench_cpu() - begin_cpu) * 1e6 / work->files;
}

static void check_results(const struct work *work, int directory)
{
    for (unsigned file = 0; file < work->files; file++) {
        char name[IO_NAME];
        io_result_name(file, name);
        int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        struct stat status;
        unsigned char *data = io_buffer(work, file);
        if (fd < 0 || fstat(fd, &status) || status.st_size != (off_t)work->bytes ||
            pread(fd, data, work->bytes, 0) != (ssize_t)work->bytes)
            io_die(file, "read its result", errno);
        (void)close(fd);
        io_check(work, file, data);
    }
}

/* A directory of its own, which stays: ext4 looks for a free inode for long where many have just been
 * removed. */
static void write_turn(const struct way *way, const struct work *work, const char *root, unsigned number,
                       double *us, double *cpu)
{
    char name[IO_NAME];
    char path[BENCH_PATH];
    (void)snprintf(name, sizeof name, "results-%u", number);
    bench_join(path, root, name);
    if (mkdir(path, 0750))
        bench_die(path, strerror(errno));
    struct work own = *work;
    own.directory = open_directory(path);
    turn(way, &own, us, cpu);
    if (work->all_bytes)
        check_results(work, own.directory);
    (void)syncfs(own.directory); /* not in the next one's time */
    (void)close(own.directory);
}

/* ---------------------------------------------------------------- rounds and tables */

static bool takes_part(const struct way *way, const struct work *work)
{
    return work->bytes >= way->least;
}

/* Every way once; round 0 is thrown away, but compares all bytes. Returns the share of files that were cold.
 */
static double one_round(enum kind kind, const struct way *ways, size_t n, struct work *work, const char *root,
                        const struct settings *settings, unsigned round, struct figures *figures)
{
    double cold = 1;
    work->all_bytes = round == 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = (i + round) % n;
        double us;
        double cpu;
        if (!takes_part(&ways[k], work))
            continue;
        double gone = kind == COLD ? make_cold(work, settings->drop_caches) : 1;
        cold = gone < cold ? gone : cold;
        if (kind == WRITTEN)
            write_turn(&ways[k], work, root, round * MOST_WAYS + (unsigned)k, &us, &cpu);
        else
            turn(&ways[k], work, &us, &cpu);
        if (round > 0) {
            figures->us[k][round - 1] = us;
            figures->cpu[k][round - 1] = cpu;
        }
    }
    return cold;
}

static void print_table(enum kind kind, const struct way *ways, size_t n, const struct work *work,
                        const struct settings *settings, double cold, struct figures *figures)
{
    unsigned rounds = (unsigned)settings->rounds;
    double base = bench_median(figures->us[0], rounds);
    if (!settings->json)
        printf("\n%s: %u files of %zu bytes%s\n%-30s %10s %26s %8s %10s\n", kind_names[kind], work->files,
               work->bytes, cold < 1 ? " -- not all of them were cold" : "", "way", "us/file",
               "least ... most", "x first", "CPU us");
    for (size_t k = 0; k < n; k++) {
        if (!takes_part(&ways[k], work))
            continue;
        double us = bench_median(figures->us[k], rounds);
        double cpu = bench_median(figures->cpu[k], rounds);
        double least = figures->us[k][0];
        double most = figures->us[k][rounds - 1];
        if (settings->json)
            printf("{\"bench\": \"io_paths\", \"directory\": \"%s\", \"kind\": \"%s\", \"way\": \"%s\", "
                   "\"files\": %u, \"bytes\": %zu, \"rounds\": %u, \"us\": %.3f, \"least\": %.3f, "
                   "\"most\": %.3f, \"cpu_us\": %.3f, \"cold\": %.3f}\n",
                   settings->directory, kind_names[kind], ways[k].name, work->files, work->bytes, rounds, us,
                   least, most, cpu, kind == COLD ? cold : 0);
        else
            printf("%-30s %10.1f %12.1f ... %9.1f %8.2f %10.1f\n", ways[k].name, us, least, most, us / base,
                   cpu);
    }
    (void)fflush(stdout);
}

static void measure(enum kind kind, struct work *work, const char *root, const struct settings *settings)
{
    static struct figures figures;
    const struct way *ways = kind == WRITTEN ? io_writes : io_reads;
    size_t n = kind == WRITTEN ? io_n_writes : io_n_reads;
    double cold = 1;
    for (unsigned round = 0; round <= (unsigned)settings->rounds; round++) {
        double gone = one_round(kind, ways, n, work, root, settings, round, &figures);
        cold = gone < cold ? gone : cold;
        if (kind == COLD && cold == 0) {
            if (!settings->json)
                printf("\nread cold: left out, this file system keeps the files in memory\n");
            return;
        }
    }
    print_table(kind, ways, n, work, settings, cold, &figures);
}

static void measure_size(size_t bytes, const char *parent, const struct settings *settings)
{
    struct work work;
    char name[IO_NAME];
    char root[BENCH_PATH];
    char inputs[BENCH_PATH];
    make_work(&work, bytes, settings->total_mib);
    (void)snprintf(name, sizeof name, "%zu", bytes);
    bench_join(root, parent, name);
    if (mkdir(root, 0750))
        bench_die(root, strerror(errno));
    bench_join(inputs, root, "inputs");
    make_inputs(&work, inputs);
    if (strcmp(settings->only, "write") != 0) {
        measure(COLD, &work, root, settings);
        measure(WARM, &work, root, settings);
    }
    prepare_buffers(&work);
    if (strcmp(settings->only, "read") != 0)
        measure(WRITTEN, &work, root, settings);
    (void)close(work.directory);
    (void)munmap(work.memory, work.stride * work.buffers);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {64, 4096, (size_t)600 * 1024, (size_t)8 << 20};
    const char *named = getenv("TMPDIR");
    struct settings settings = {
        .directory = named && *named ? named : "/tmp", .only = "all", .total_mib = 40, .rounds = 5};
    const struct bench_option options[] = {
        {.name = "--only", .help = "WHAT  read or write (default: both)", .text = &settings.only},
        {.name = "--bytes",
         .help = "N  one size only (default: 64, 4096, 614400 and 8388608)",
         .number = &settings.bytes,
         .least = 8,
         .most = 1 << 30},
        {.name = "--total",
         .help = "MIB  of all files together; at most 1000 files, at least 8 (default 40)",
         .number = &settings.total_mib,
         .least = 1,
         .most = 1 << 20},
        {.name = "--dir",
         .help = "DIR  where the files are made (default $TMPDIR or /tmp)",
         .text = &settings.directory},
        BENCH_ROUNDS(&settings.rounds, "5"),
        {.name = "--drop-caches",
         .help = "drops all caches of the machine, names and inodes as well (root)",
         .flag = &settings.drop_caches},
        BENCH_JSON(&settings.json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    char root[BENCH_PATH];
    bench_make_directory(settings.directory, root);
    if (settings.bytes > 0)
        measure_size((size_t)settings.bytes, root, &settings);
    for (size_t i = 0; settings.bytes == 0 && i < sizeof sizes / sizeof *sizes; i++)
        measure_size(sizes[i], root, &settings);
    bench_remove_tree(root);
    return 0;
}

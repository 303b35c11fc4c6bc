/* SPDX-License-Identifier: MIT */
/*
 * From files to files with next to nothing in between: 64-byte samples through the simulated device with
 * latency zero, against one loop that makes the bare system calls for the same files: open, fstat, read,
 * close; create, write, close, rename.
 *
 *     small_files [--aispipe PATH] [--dir DIR] [--files N] [--rounds N] [--json] [-- OPTIONS OF AISPIPE]
 *
 * The program's time is the whole process: its start, the directory's listing and sorting, the summary. Loop
 * and program take turns; every round writes into a new directory, which is removed outside the measured
 * time.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLE = 64, MOST_ARGUMENTS = 64 };

struct place {
    char root[BENCH_PATH];
    char inputs[BENCH_PATH];
    char results[BENCH_PATH];
    char model[BENCH_PATH];
};

static void place_make(struct place *place, const char *parent, unsigned files)
{
    bench_make_directory(parent, place->root);
    bench_join(place->inputs, place->root, "inputs");
    bench_join(place->results, place->root, "results");
    bench_join(place->model, place->root, "small.sim.json");
    bench_make_files(place->inputs, files, SAMPLE);
    bench_write_file(place->model, bench_small_model, strlen(bench_small_model));
    if (mkdir(place->results, 0750) != 0)
        bench_die(place->results, strerror(errno));
}

/* ------------------------------------------------------------------ the bare system calls */

static void read_one(int directory, const char *name, unsigned char *data)
{
    struct stat status;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size != SAMPLE || read(fd, data, SAMPLE) != SAMPLE ||
        close(fd) != 0)
        bench_die(name, strerror(errno));
}

static void write_one(int directory, const char *name, const unsigned char *data)
{
    int fd = openat(directory, "half-written.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0 || write(fd, data, SAMPLE) != SAMPLE || close(fd) != 0 ||
        renameat(directory, "half-written.tmp", directory, name) != 0)
        bench_die(name, strerror(errno));
}

static int open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        bench_die(path, strerror(errno));
    return fd;
}

/* Seconds of the whole loop. */
static double bare_loop(const struct place *place, unsigned files)
{
    char results[BENCH_PATH];
    bench_join(results, place->results, "bare");
    if (mkdir(results, 0750) != 0)
        bench_die(results, strerror(errno));
    int in = open_directory(place->inputs);
    int out = open_directory(results);
    double start = bench_now();
    for (unsigned i = 0; i < files; i++) {
        unsigned char data[SAMPLE];
        char name[32];
        (void)snprintf(name, sizeof name, "%07u.bin", i);
        read_one(in, name, data);
        for (int k = 0; k < SAMPLE; k++)
            data[k] = (unsigned char)~data[k];
        (void)snprintf(name, sizeof name, "%07u_0.bin", i);
        write_one(out, name, data);
    }
    double seconds = bench_now() - start;
    (void)close(in);
    (void)close(out);
    bench_remove_tree(results);
    return seconds;
}

/* ------------------------------------------------------------------ the program */

struct command {
    const char *argv[MOST_ARGUMENTS];
    unsigned argc;
};

static void add(struct command *command, const char *argument)
{
    if (command->argc + 1 >= MOST_ARGUMENTS)
        bench_die(argument, "too many arguments");
    command->argv[command->argc++] = argument;
}

/* The last sample's result: present, complete, and the complement of its input. */
static void check_results(const char *results, unsigned files)
{
    unsigned found = bench_count_files(results);
    char name[32];
    unsigned char data[SAMPLE];
    if (found != files)
        bench_die(results, "not one result per file");
    (void)snprintf(name, sizeof name, "%07u_0.bin", files - 1);
    int fd = open_directory(results);
    read_one(fd, name, data);
    (void)close(fd);
    unsigned last = files - 1;
    unsigned char expected[sizeof last];
    memcpy(expected, &last, sizeof last);
    for (size_t i = 0; i < SAMPLE; i++)
        if (data[i] != (unsigned char)~(i < sizeof last ? expected[i] : 0))
            bench_die(results, "the last result is wrong");
}

static struct bench_process program(const struct command *command, const struct place *place, unsigned files)
{
    struct bench_process process = bench_spawn_checked(command->argv);
    char results[BENCH_PATH];
    bench_join(results, place->results, "aispipe");
    check_results(results, files);
    bench_remove_tree(place->results);
    if (mkdir(place->results, 0750) != 0)
        bench_die(place->results, strerror(errno));
    return process;
}

/* ------------------------------------------------------------------ rounds and the table */

struct figures {
    double bare[BENCH_MOST_ROUNDS];
    double whole[BENCH_MOST_ROUNDS];
    double cpu[BENCH_MOST_ROUNDS];
    double ratio[BENCH_MOST_ROUNDS];
};

static void measure(const struct command *command, const struct place *place, unsigned files, unsigned rounds,
                    struct figures *figures)
{
    double us = 1e6 / files;
    /* The first round of all only brings memory and caches into their usual state. */
    (void)bare_loop(place, files);
    (void)program(command, place, files);
    for (unsigned round = 0; round < rounds; round++) {
        double bare = bare_loop(place, files);
        struct bench_process process = program(command, place, files);
        figures->bare[round] = bare * us;
        figures->whole[round] = process.seconds * us;
        figures->cpu[round] = process.cpu * us;
        figures->ratio[round] = process.seconds / bare;
    }
}

static void report(struct figures *figures, const char *directory, unsigned files, unsigned rounds, bool json)
{
    double bare = bench_median(figures->bare, rounds);
    double whole = bench_median(figures->whole, rounds);
    double cpu = bench_median(figures->cpu, rounds);
    double ratio = bench_median(figures->ratio, rounds);
    if (json) {
        printf("{\"bench\": \"small_files\", \"directory\": \"%s\", \"files\": %u, \"rounds\": %u, "
               "\"bare_us\": %.3f, \"aispipe_us\": %.3f, \"aispipe_cpu_us\": %.3f, \"ratio\": %.3f, "
               "\"ratio_min\": %.3f, \"ratio_max\": %.3f}\n",
               directory, files, rounds, bare, whole, cpu, ratio, figures->ratio[0],
               figures->ratio[rounds - 1]);
        return;
    }
    printf("%u files of %d bytes in %s, %u rounds, us per file\n", files, SAMPLE, directory, rounds);
    printf("%-24s %10.2f  (%.2f ... %.2f)\n", "bare system calls", bare, figures->bare[0],
           figures->bare[rounds - 1]);
    printf("%-24s %10.2f  (%.2f ... %.2f)\n", "aispipe, whole process", whole, figures->whole[0],
           figures->whole[rounds - 1]);
    printf("%-24s %10.2f\n", "its CPU time", cpu);
    printf("%-24s %10.2f  (%.2f ... %.2f)  (target: at most 1.2)\n", "aispipe / bare", ratio,
           figures->ratio[0], figures->ratio[rounds - 1]);
}

/* Cuts off what follows "--"; returns how many arguments are left. */
static int take_extra(int argc, char **argv, struct command *command)
{
    int end = 1;
    while (end < argc && strcmp(argv[end], "--") != 0)
        end++;
    for (int i = end + 1; i < argc; i++)
        add(command, argv[i]);
    return end;
}

int main(int argc, char **argv)
{
    const char *aispipe = "build/aispipe";
    const char *directory = bench_fast_directory();
    double files = 50000;
    double rounds = 5;
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--aispipe", .help = "PATH  the program (default build/aispipe)", .text = &aispipe},
        BENCH_FAST_DIR(&directory),
        {.name = "--files", .help = "N  (default 50000)", .number = &files, .least = 1, .most = 5e6},
        BENCH_ROUNDS(&rounds, "5"),
        BENCH_JSON(&json),
    };
    struct command extra = {.argc = 0};
    argc = take_extra(argc, argv, &extra);
    BENCH_ARGUMENTS(argc, argv, options);
    struct place place;
    place_make(&place, directory, (unsigned)files);
    struct command command = {.argv = {aispipe, "--model", place.model, "--input", place.inputs, "--output",
                                       place.results, "--output_dirname", "aispipe", "--progress", "never"},
                              .argc = 11};
    for (unsigned i = 0; i < extra.argc; i++)
        add(&command, extra.argv[i]);
    static struct figures figures;
    measure(&command, &place, (unsigned)files, (unsigned)rounds, &figures);
    report(&figures, directory, (unsigned)files, (unsigned)rounds, json);
    bench_remove_tree(place.root);
    return 0;
}

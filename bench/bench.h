/* SPDX-License-Identifier: MIT */
/** @file bench.h What the benches in C share: clocks, medians, arguments, temporary files, and programs to
 * time. */
#ifndef AISPIPE_BENCH_H
#define AISPIPE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

enum { BENCH_MOST_ROUNDS = 99 };

/* ---------------------------------------------------------------- time */

/** Seconds of CLOCK_MONOTONIC. */
double bench_now(void);
void bench_sleep(double seconds);
/** CPU seconds, user and system, that this process has used so far. */
double bench_cpu(void);
/** Sorts `values` and returns the one in the middle (of an even number the mean of the two). */
double bench_median(double *values, unsigned n);

/** Prints "what: why" and ends the program with status 1. */
__attribute__((noreturn)) void bench_die(const char *what, const char *why);

/* ---------------------------------------------------------------- arguments */

/** Where an option's value goes: exactly one of the targets is set; a `flag` takes no value. */
struct bench_option {
    const char *name; /**< with its dashes */
    const char *help; /**< "N  what it says" */
    bool *flag;
    const char **text;
    double *number;
    double least, most; /**< of `number` */
};

/** Reads the command line; a mistake ends the program with status 2 and the list of options. */
void bench_arguments(int argc, char **argv, const struct bench_option *options, size_t n);
#define BENCH_ARGUMENTS(argc, argv, options) \
    bench_arguments(argc, argv, options, sizeof(options) / sizeof((options)[0]))

/* Options that many have. */
#define BENCH_ROUNDS(target, by_default)                                                           \
    {                                                                                              \
        .name = "--rounds", .help = "N  (default " by_default ")", .number = (target), .least = 1, \
        .most = BENCH_MOST_ROUNDS                                                                  \
    }
/** See bench_fast_directory. */
#define BENCH_FAST_DIR(target)                                                                  \
    {                                                                                           \
        .name = "--dir", .help = "DIR  where the files are made (default /dev/shm or $TMPDIR)", \
        .text = (target)                                                                        \
    }
#define BENCH_JSON(target)                                                   \
    {                                                                        \
        .name = "--json", .help = "one JSON object a line", .flag = (target) \
    }

/* ---------------------------------------------------------------- files */

enum { BENCH_PATH = 512 };

/** Where small files are fastest: /dev/shm if it can be written to, else $TMPDIR, else /tmp. */
const char *bench_fast_directory(void);
/**
 * Makes a new directory below `parent` (NULL: $TMPDIR or /tmp) and writes its path to `path`. One at a time:
 * the newest is removed when the program exits, if it still exists.
 */
void bench_make_directory(const char *parent, char path[BENCH_PATH]);
/** Removes the directory and everything in it. */
void bench_remove_tree(const char *path);
/** Writes "directory/name" to `path`. */
void bench_join(char path[BENCH_PATH], const char *directory, const char *name);
void bench_write_file(const char *path, const void *data, size_t size);
/** Makes `directory` with `count` files of `size` bytes: "0000000.bin" and so on, each with other contents.
 */
void bench_make_files(const char *directory, unsigned count, size_t size);
/** Regular files in a directory. */
unsigned bench_count_files(const char *directory);

/** A model of the simulated device that takes and gives 64 bytes and costs nothing. */
extern const char bench_small_model[];

/* ---------------------------------------------------------------- programs */

struct bench_process {
    double seconds; /**< from before it was started until it had ended */
    double cpu;     /**< seconds, user and system */
    long peak_kib;  /**< most resident memory */
    int status;     /**< exit status; 128 + signal where one ended it */
};

/** Runs a program with its standard output thrown away, waits, and measures. `argv` ends with NULL. */
struct bench_process bench_spawn(const char *const *argv);
/** The same, and ends the bench when the program fails. */
struct bench_process bench_spawn_checked(const char *const *argv);

#endif

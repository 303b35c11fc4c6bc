/* SPDX-License-Identifier: MIT */
/*
 * Does a sample cost more where there are many? Time and peak memory of the program at ten times as many
 * files of 64 bytes from step to step, from memory to memory, on a simulated device that takes no time.
 * Results and the summary are written.
 *
 *     growth [--aispipe PATH] [--dir DIR] [--rounds N] [--million] [--json]
 *
 * A run over one file is subtracted from each run's time, and a run over the step before from its memory. The
 * sizes take turns; the smaller ones are run more often in a round, and their median is taken.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SAMPLE = 64, STEPS = 4, MOST_RUNS = 9 };

struct step {
    unsigned files;
    unsigned runs; /* in a round */
    char inputs[BENCH_PATH];
    double us[BENCH_MOST_ROUNDS];
    double cpu_us[BENCH_MOST_ROUNDS];
    long peak_kib;
};

struct place {
    const char *aispipe;
    char root[BENCH_PATH];
    char model[BENCH_PATH];
    char results[BENCH_PATH];
    char one[BENCH_PATH];
};

static struct bench_process run(const struct place *place, const char *inputs, unsigned files)
{
    char path[BENCH_PATH];
    const char *const argv[] = {place->aispipe, "--model",    place->model,   "--input",
                                inputs,         "--output",   place->results, "--output_dirname",
                                "run",          "--progress", "never",        NULL};
    if (mkdir(place->results, 0750))
        bench_die(place->results, strerror(errno));
    struct bench_process process = bench_spawn_checked(argv);
    bench_join(path, place->results, "run");
    if (bench_count_files(path) != files)
        bench_die(path, "not one result per file");
    bench_remove_tree(place->results);
    return process;
}

/* The median of a step's runs in a round, without what a run over one file takes. */
static void run_step(const struct place *place, struct step *step, unsigned round)
{
    double seconds[MOST_RUNS];
    double cpu[MOST_RUNS];
    for (unsigned i = 0; i < step->runs; i++) {
        struct bench_process alone = run(place, place->one, 1);
        struct bench_process process = run(place, step->inputs, step->files);
        seconds[i] = (process.seconds - alone.seconds) / (step->files - 1);
        cpu[i] = (process.cpu - alone.cpu) / (step->files - 1);
        if (process.peak_kib > step->peak_kib)
            step->peak_kib = process.peak_kib;
    }
    step->us[round] = bench_median(seconds, step->runs) * 1e6;
    step->cpu_us[round] = bench_median(cpu, step->runs) * 1e6;
}

static void report(struct step *steps, unsigned n, unsigned rounds, bool json)
{
    double first = bench_median(steps[0].us, rounds);
    if (!json)
        printf("%10s %14s %24s %10s %10s %12s %16s\n", "files", "us a sample", "least ... most", "x first",
               "CPU us", "peak KiB", "bytes a sample");
    for (unsigned i = 0; i < n; i++) {
        struct step *step = &steps[i];
        double us = bench_median(step->us, rounds);
        double cpu = bench_median(step->cpu_us, rounds);
        double bytes =
            i ? (double)(step->peak_kib - steps[i - 1].peak_kib) * 1024 / (step->files - steps[i - 1].files)
              : 0;
        if (json)
            printf("{\"bench\": \"growth\", \"files\": %u, \"rounds\": %u, \"us\": %.3f, \"least\": %.3f, "
                   "\"most\": %.3f, \"cpu_us\": %.3f, \"peak_kib\": %ld, \"bytes_per_sample\": %.1f}\n",
                   step->files, rounds, us, step->us[0], step->us[rounds - 1], cpu, step->peak_kib, bytes);
        else
            printf("%10u %14.2f %11.2f ... %8.2f %10.2f %10.2f %12ld %16.1f\n", step->files, us, step->us[0],
                   step->us[rounds - 1], us / first, cpu, step->peak_kib, bytes);
    }
    if (!json)
        printf("(target: no growth of the time, below 200 bytes)\n");
}

static void place_make(struct place *place, const char *parent)
{
    bench_make_directory(parent, place->root);
    bench_join(place->model, place->root, "small.sim.json");
    bench_join(place->results, place->root, "results");
    bench_join(place->one, place->root, "one");
    bench_write_file(place->model, bench_small_model, strlen(bench_small_model));
    bench_make_files(place->one, 1, SAMPLE);
}

int main(int argc, char **argv)
{
    struct place place = {.aispipe = "build/aispipe"};
    const char *directory = bench_fast_directory();
    double rounds = 3;
    bool million = false;
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--aispipe", .help = "PATH  the program (default build/aispipe)", .text = &place.aispipe},
        BENCH_FAST_DIR(&directory),
        BENCH_ROUNDS(&rounds, "3"),
        {.name = "--million", .help = "1000000 files as well", .flag = &million},
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    static struct step steps[STEPS] = {{.files = 1000, .runs = 9},
                                       {.files = 10000, .runs = 3},
                                       {.files = 100000, .runs = 1},
                                       {.files = 1000000, .runs = 1}};
    unsigned n = million ? STEPS : STEPS - 1;
    place_make(&place, directory);
    for (unsigned i = 0; i < n; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "inputs-%u", steps[i].files);
        bench_join(steps[i].inputs, place.root, name);
        bench_make_files(steps[i].inputs, steps[i].files, SAMPLE);
    }
    for (unsigned round = 0; round < (unsigned)rounds; round++)
        for (unsigned i = 0; i < n; i++)
            run_step(&place, &steps[(i + round) % n], round);
    report(steps, n, (unsigned)rounds, json);
    bench_remove_tree(place.root);
    return 0;
}

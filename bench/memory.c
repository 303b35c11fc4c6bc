/* SPDX-License-Identifier: MIT */
/*
 * Does memory grow with the dataset? Peak resident memory of the program at 1, 10 and 100 times as many files
 * of 64 bytes, on the simulated device, and what each further sample adds.
 *
 *     memory [--aispipe PATH] [--dir DIR] [--files N] [--json]
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SAMPLE = 64, STEPS = 3 };

/* A directory of its own for every size: the program's listing must not see other files. */
static struct bench_process run(const char *aispipe, const char *parent, unsigned files)
{
    char root[BENCH_PATH];
    char inputs[BENCH_PATH];
    char path[BENCH_PATH];
    char results[BENCH_PATH];
    bench_make_directory(parent, root);
    bench_join(inputs, root, "inputs");
    bench_join(path, root, "small.sim.json");
    bench_join(results, root, "results");
    bench_make_files(inputs, files, SAMPLE);
    bench_write_file(path, bench_small_model, strlen(bench_small_model));
    const char *const argv[] = {aispipe, "--model",          path,  "--input",    inputs,  "--output",
                                results, "--output_dirname", "run", "--progress", "never", NULL};
    struct bench_process process = bench_spawn_checked(argv);
    bench_join(path, results, "run");
    if (bench_count_files(path) != files)
        bench_die(path, "not one result per file");
    bench_remove_tree(root);
    return process;
}

static void print_row(unsigned files, long peak_kib, const double *growth, bool json)
{
    char text[32];
    if (growth)
        (void)snprintf(text, sizeof text, "%.1f", *growth);
    else
        (void)snprintf(text, sizeof text, "%s", json ? "null" : "-");
    if (json)
        printf("{\"bench\": \"memory\", \"files\": %u, \"peak_kib\": %ld, \"bytes_per_sample\": %s}\n", files,
               peak_kib, text);
    else
        printf("%10u %12ld %24s%s\n", files, peak_kib, text, growth ? "  (target: below 200)" : "");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *aispipe = "build/aispipe";
    const char *directory = bench_fast_directory();
    double files = 2000;
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--aispipe", .help = "PATH  the program (default build/aispipe)", .text = &aispipe},
        BENCH_FAST_DIR(&directory),
        {.name = "--files",
         .help = "N  of the smallest run (default 2000)",
         .number = &files,
         .least = 1,
         .most = 1e5},
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    if (!json)
        printf("%10s %12s %24s\n", "files", "peak KiB", "bytes per further sample");
    unsigned count = (unsigned)files;
    unsigned before = 0;
    long before_kib = 0;
    for (int step = 0; step < STEPS; step++) {
        struct bench_process process = run(aispipe, directory, count);
        double growth = (double)(process.peak_kib - before_kib) * 1024 / (double)(count - before);
        print_row(count, process.peak_kib, step ? &growth : NULL, json);
        before = count;
        before_kib = process.peak_kib;
        count *= 10;
    }
    return 0;
}

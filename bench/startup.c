/* SPDX-License-Identifier: MIT */
/*
 * What does the program cost when it does nothing?
 *
 *     startup [--aispipe PATH] [--starts N] [--idle S] [--json]
 *
 * Start: the median time from posix_spawn until the program has ended, for --help, for --version and, as the
 * floor of this machine, for /bin/true; they take turns. Idle: a run whose device hangs; the CPU time that
 * the whole process uses while all its stages wait, for 1 and for 8 compute threads.
 */
#include "aispipe/aispipe.h"
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ start */

enum { PROGRAMS = 3, MOST_STARTS = 10000 };

static void part_start(const char *aispipe, unsigned starts, bool json)
{
    const char *const argv[PROGRAMS][3] = {
        {aispipe, "--help", NULL}, {aispipe, "--version", NULL}, {"/bin/true", NULL, NULL}};
    const char *const names[PROGRAMS] = {"aispipe --help", "aispipe --version", "/bin/true"};
    static double ms[PROGRAMS][MOST_STARTS];
    for (unsigned i = 0; i < starts; i++)
        for (int k = 0; k < PROGRAMS; k++)
            ms[k][i] = bench_spawn_checked(argv[k]).seconds * 1e3;
    if (!json)
        printf("%-20s %10s %10s %10s\n", "start", "median ms", "least", "99 %");
    for (int k = 0; k < PROGRAMS; k++) {
        double median = bench_median(ms[k], starts);
        double p99 = ms[k][starts - 1 - starts / 100];
        if (json)
            printf("{\"bench\": \"startup\", \"case\": \"%s\", \"median_ms\": %.3f, \"min_ms\": %.3f, "
                   "\"p99_ms\": %.3f}\n",
                   names[k], median, ms[k][0], p99);
        else
            printf("%-20s %10.3f %10.3f %10.3f%s\n", names[k], median, ms[k][0], p99,
                   k == 0 ? "  (target: below 5 ms)" : "");
    }
    (void)fflush(stdout);
}

/* ------------------------------------------------------------------ idle */

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    (void)context;
    (void)thread;
    (void)batch;
    (void)error;
    memset(inputs[0], 0, 64);
    return 0;
}

static void check(int rc, const struct aispipe_error *error)
{
    if (rc)
        bench_die("startup", error->message);
}

static const char model[] = "{\"inputs\": [{\"name\": \"x\", \"dtype\": \"float32\", \"shape\": [1, 16]}],\n"
                            " \"outputs\": [{\"name\": \"y\", \"dtype\": \"float32\", \"shape\": [1, 16]}],\n"
                            " \"h2d\": {\"hang_at\": 0, \"hang_ms\": %u}}\n";

static struct aispipe_session *open_session(double hang_s, unsigned threads)
{
    char directory[BENCH_PATH];
    char path[BENCH_PATH];
    char text[sizeof model + 16];
    bench_make_directory(NULL, directory);
    bench_join(path, directory, "hang.sim.json");
    int n = snprintf(text, sizeof text, model, (unsigned)(hang_s * 1e3));
    bench_write_file(path, text, (size_t)n);
    struct aispipe_session_options options = {.compute_threads = threads};
    struct aispipe_session *session;
    struct aispipe_error error;
    check(aispipe_session_open(path, &options, &session, &error), &error);
    bench_remove_tree(directory);
    return session;
}

/* The device hangs on batch 0: load has filled every slot, all others wait for the first one. */
static double idle_cores(double seconds, unsigned threads)
{
    double settle = 0.3;
    struct aispipe_session *session = open_session(2 * settle + seconds, threads);
    struct aispipe_source source = {.samples = 10000, .batches = 10000, .samples_per_batch = 1, .fill = fill};
    struct aispipe_pipeline_options options = {.threads = {[AISPIPE_STAGE_COMPUTE] = threads}};
    struct aispipe_pipeline *pipeline;
    struct aispipe_error error;
    check(aispipe_pipeline_create(session, &options, &source, NULL, &pipeline, &error), &error);
    check(aispipe_pipeline_start(pipeline, &error), &error);
    bench_sleep(settle);
    double cpu = bench_cpu();
    double start = bench_now();
    bench_sleep(seconds);
    double cores = (bench_cpu() - cpu) / (bench_now() - start);
    struct aispipe_run_stats stats;
    aispipe_pipeline_stats(pipeline, &stats);
    if (stats.batches)
        bench_die("startup", "the device did not hang");
    check(aispipe_pipeline_wait(pipeline, UINT64_MAX, &error), &error);
    aispipe_pipeline_free(pipeline);
    aispipe_session_close(session);
    return cores;
}

static void part_idle(double seconds, bool json)
{
    static const unsigned threads[] = {1, 8};
    if (!json)
        printf("\n%-20s %10s\n", "idle", "cores");
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        double cores = idle_cores(seconds, threads[i]);
        if (json)
            printf("{\"bench\": \"startup\", \"case\": \"idle\", \"threads\": %u, \"cores\": %.5f}\n",
                   threads[i], cores);
        else
            printf("%2u compute thread%-3s %10.5f  (target: 0)\n", threads[i], threads[i] == 1 ? "" : "s",
                   cores);
    }
}

int main(int argc, char **argv)
{
    const char *aispipe = "build/aispipe";
    double starts = 200;
    double idle = 2;
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--aispipe", .help = "PATH  the program (default build/aispipe)", .text = &aispipe},
        {.name = "--starts",
         .help = "N  of each (default 200)",
         .number = &starts,
         .least = 1,
         .most = MOST_STARTS},
        {.name = "--idle",
         .help = "S  of watching an idle run (default 2)",
         .number = &idle,
         .least = 0.1,
         .most = 60},
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    part_start(aispipe, (unsigned)starts, json);
    part_idle(idle, json);
    return 0;
}

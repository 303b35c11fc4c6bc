/* SPDX-License-Identifier: MIT */
/*
 * What does the pipeline itself cost? The simulated device, tensors of 64 bytes, data that is already in
 * memory and results that are looked at and dropped: whatever is measured is the pipeline's own doing.
 *
 *     overhead [--batches N] [--rounds N] [--only zero|latency] [--json]
 *
 * Part 1, latency zero: microseconds per batch at steady state. Every round runs the layout with few batches
 * and with many; the difference of the times over the difference of the batches leaves out start and end.
 * Part 2, latencies that sleep: the wall time of the whole run against the time that the slowest stage needs
 * for it: by the model's figures (batches x latency / threads), and by the stage's own busy time (sleeps are
 * never shorter than asked for, and a little longer).
 */
#include "aispipe/aispipe.h"
#include "bench.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TENSOR = 64, FEW = 10 };

/* ------------------------------------------------------------------ source and sink in memory */

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    (void)context;
    (void)thread;
    (void)error;
    memcpy(inputs[0], &batch, sizeof batch); /* so that the sink can tell whether its batch came through */
    return 0;
}

static int store(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    (void)thread;
    (void)actual;
    (void)count;
    uint64_t got;
    memcpy(&got, outputs[0], sizeof got);
    if (got != ~first_sample) /* the simulated device complements its input */
        return aispipe_fail(error, AISPIPE_DEVICE, "sample %" PRIu64 " came back wrong", first_sample);
    atomic_fetch_add_explicit((_Atomic uint64_t *)context, 1, memory_order_relaxed);
    return 0;
}

/* ------------------------------------------------------------------ one run */

struct plan {
    const char *name;
    unsigned h2d_us, compute_us, d2h_us;
    unsigned batches; /* of part 2 */
    struct aispipe_pipeline_options options;
};

struct outcome {
    double seconds;
    double cpu;
    struct aispipe_run_stats stats;
};

static void check(int rc, const struct aispipe_error *error)
{
    if (rc)
        bench_die("overhead", error->message);
}

static struct outcome run(struct aispipe_session *session, const struct aispipe_pipeline_options *options,
                          uint64_t batches)
{
    _Atomic uint64_t stored = 0;
    struct aispipe_source source = {
        .samples = batches, .batches = batches, .samples_per_batch = 1, .fill = fill};
    struct aispipe_sink sink = {.context = &stored, .store = store};
    struct aispipe_pipeline *pipeline;
    struct aispipe_error error;
    check(aispipe_pipeline_create(session, options, &source, &sink, &pipeline, &error), &error);
    double cpu = bench_cpu();
    double start = bench_now();
    check(aispipe_pipeline_start(pipeline, &error), &error);
    check(aispipe_pipeline_wait(pipeline, UINT64_MAX, &error), &error);
    struct outcome outcome = {.seconds = bench_now() - start, .cpu = bench_cpu() - cpu};
    aispipe_pipeline_stats(pipeline, &outcome.stats);
    aispipe_pipeline_free(pipeline);
    if (stored != batches)
        bench_die("overhead", "not every batch arrived");
    return outcome;
}

static struct aispipe_session *open_session(const char *directory, const struct plan *plan)
{
    char path[BENCH_PATH];
    char text[512];
    bench_join(path, directory, "bench.sim.json");
    int n = snprintf(text, sizeof text,
                     "{\"inputs\": [{\"name\": \"x\", \"dtype\": \"float32\", \"shape\": [1, 16]}],\n"
                     " \"outputs\": [{\"name\": \"y\", \"dtype\": \"float32\", \"shape\": [1, 16]}],\n"
                     " \"h2d\": {\"latency_us\": %u}, \"compute\": {\"latency_us\": %u}, "
                     "\"d2h\": {\"latency_us\": %u}}\n",
                     plan->h2d_us, plan->compute_us, plan->d2h_us);
    bench_write_file(path, text, (size_t)n);
    unsigned threads = plan->options.threads[AISPIPE_STAGE_COMPUTE];
    struct aispipe_session_options options = {.compute_threads = threads ? threads : 1};
    struct aispipe_session *session;
    struct aispipe_error error;
    check(aispipe_session_open(path, &options, &session, &error), &error);
    return session;
}

/* ------------------------------------------------------------------ part 1: latency zero */

static const struct plan layouts[] = {
    {.name = "default"},
    {.name = "2 compute threads", .options = {.threads = {[AISPIPE_STAGE_COMPUTE] = 2}}},
    {.name = "4 compute threads", .options = {.threads = {[AISPIPE_STAGE_COMPUTE] = 4}}},
    {.name = "64 in flight", .options = {.inflight = 64}},
    {.name = "16 in flight", .options = {.inflight = 16}},
    {.name = "1 in flight", .options = {.serial = true}},
};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

struct zero_cell {
    double us[BENCH_MOST_ROUNDS];
    double cores[BENCH_MOST_ROUNDS];
    unsigned inflight;
};

static void measure_zero(const char *directory, const struct plan *plan, struct zero_cell *cell,
                         unsigned round, uint64_t batches)
{
    struct aispipe_session *session = open_session(directory, plan);
    if (plan->options.serial || plan->options.inflight)
        batches = batches / 10 + FEW; /* these are slow, and as exact with fewer */
    uint64_t few = batches / FEW;
    struct outcome less = run(session, &plan->options, few);
    struct outcome more = run(session, &plan->options, batches);
    aispipe_session_close(session);
    double seconds = more.seconds - less.seconds;
    cell->us[round] = seconds * 1e6 / (double)(batches - few);
    cell->cores[round] = (more.cpu - less.cpu) / seconds;
    cell->inflight = more.stats.inflight;
}

static void part_zero(const char *directory, uint64_t batches, unsigned rounds, bool json)
{
    static struct zero_cell cells[LAYOUTS];
    for (unsigned round = 0; round < rounds; round++)
        for (int i = 0; i < LAYOUTS; i++)
            measure_zero(directory, &layouts[i], &cells[i], round, batches);
    if (!json)
        printf("%-20s %9s %12s %23s %8s\n", "latency zero", "in flight", "us / batch", "least ... most",
               "cores");
    for (int i = 0; i < LAYOUTS; i++) {
        struct zero_cell *cell = &cells[i];
        double us = bench_median(cell->us, rounds);
        double cores = bench_median(cell->cores, rounds);
        if (json)
            printf("{\"bench\": \"overhead\", \"case\": \"%s\", \"inflight\": %u, \"us_per_batch\": %.3f, "
                   "\"min\": %.3f, \"max\": %.3f, \"cores\": %.2f}\n",
                   layouts[i].name, cell->inflight, us, cell->us[0], cell->us[rounds - 1], cores);
        else
            printf("%-20s %9u %12.3f %10.3f ... %8.3f %8.2f%s\n", layouts[i].name, cell->inflight, us,
                   cell->us[0], cell->us[rounds - 1], cores, i == 0 ? "  (target: at most 1 us)" : "");
    }
    (void)fflush(stdout);
}

/* ------------------------------------------------------------------ part 2: latencies that sleep */

static const struct plan latencies[] = {
    {.name = "compute 100 us", .compute_us = 100, .batches = 8000},
    {.name = "compute 200 us", .compute_us = 200, .batches = 5000},
    {.name = "compute 1 ms", .compute_us = 1000, .batches = 1500},
    {.name = "h2d 100 us", .h2d_us = 100, .batches = 8000},
    {.name = "all three 200 us", .h2d_us = 200, .compute_us = 200, .d2h_us = 200, .batches = 5000},
    {.name = "60/100/60 us", .h2d_us = 60, .compute_us = 100, .d2h_us = 60, .batches = 8000},
    {.name = "4 x compute 1 ms",
     .h2d_us = 100,
     .compute_us = 1000,
     .d2h_us = 100,
     .batches = 6000,
     .options = {.threads = {[AISPIPE_STAGE_COMPUTE] = 4}}},
    {.name = "1 in flight, 100 us", .compute_us = 100, .batches = 3000, .options = {.serial = true}},
};
enum { LATENCIES = sizeof latencies / sizeof *latencies };

struct latency_cell {
    double nominal[BENCH_MOST_ROUNDS]; /* wall / (batches x latency / threads) */
    double busy[BENCH_MOST_ROUNDS];    /* wall / what the slowest stage was busy */
    double wall[BENCH_MOST_ROUNDS];
    double cores[BENCH_MOST_ROUNDS];
};

static double nominal_seconds(const struct plan *plan)
{
    unsigned threads = plan->options.threads[AISPIPE_STAGE_COMPUTE];
    double slowest = (double)plan->compute_us / (threads ? threads : 1);
    if (plan->h2d_us > slowest)
        slowest = plan->h2d_us;
    if (plan->d2h_us > slowest)
        slowest = plan->d2h_us;
    return slowest * plan->batches * 1e-6;
}

static void measure_latency(const char *directory, const struct plan *plan, struct latency_cell *cell,
                            unsigned round)
{
    struct aispipe_session *session = open_session(directory, plan);
    struct outcome outcome = run(session, &plan->options, plan->batches);
    aispipe_session_close(session);
    double busiest = 0;
    for (int k = 0; k < AISPIPE_STAGES; k++)
        if (outcome.stats.stage[k].busy > busiest)
            busiest = outcome.stats.stage[k].busy;
    cell->wall[round] = outcome.seconds;
    cell->nominal[round] = outcome.seconds / nominal_seconds(plan);
    /* busy is a fraction of threads x the pipeline's own wall time. */
    cell->busy[round] = outcome.seconds / (busiest * outcome.stats.wall_ms / 1e3);
    cell->cores[round] = outcome.cpu / outcome.seconds;
}

static void part_latency(const char *directory, unsigned rounds, bool json)
{
    static struct latency_cell cells[LATENCIES];
    for (unsigned round = 0; round < rounds; round++)
        for (int i = 0; i < LATENCIES; i++)
            measure_latency(directory, &latencies[i], &cells[i], round);
    if (!json)
        printf("\n%-20s %9s %9s %18s %18s %7s\n", "sleeping", "batches", "wall s", "wall / latencies",
               "wall / stage busy", "cores");
    for (int i = 0; i < LATENCIES; i++) {
        struct latency_cell *cell = &cells[i];
        double nominal = bench_median(cell->nominal, rounds);
        double busy = bench_median(cell->busy, rounds);
        double wall = bench_median(cell->wall, rounds);
        double cores = bench_median(cell->cores, rounds);
        if (json)
            printf("{\"bench\": \"overhead\", \"case\": \"%s\", \"batches\": %u, \"wall_s\": %.4f, "
                   "\"wall_over_latencies\": %.4f, \"wall_over_stage_busy\": %.4f, \"cores\": %.2f}\n",
                   latencies[i].name, latencies[i].batches, wall, nominal, busy, cores);
        else
            printf("%-20s %9u %9.3f %18.4f %18.4f %7.2f%s\n", latencies[i].name, latencies[i].batches, wall,
                   nominal, busy, cores, latencies[i].options.serial ? "" : "  (target: at most 1.01)");
    }
}

int main(int argc, char **argv)
{
    double batches = 1000000;
    double rounds = 3;
    const char *only = "";
    bool json = false;
    const struct bench_option options[] = {
        {.name = "--batches",
         .help = "N  of the longer run with latency zero (default 1000000)",
         .number = &batches,
         .least = 1000,
         .most = 1e9},
        BENCH_ROUNDS(&rounds, "3"),
        {.name = "--only", .help = "zero or latency  one part", .text = &only},
        BENCH_JSON(&json),
    };
    BENCH_ARGUMENTS(argc, argv, options);
    char directory[BENCH_PATH];
    bench_make_directory(NULL, directory);
    if (strcmp(only, "latency") != 0)
        part_zero(directory, (uint64_t)batches, (unsigned)rounds, json);
    if (strcmp(only, "zero") != 0)
        part_latency(directory, (unsigned)rounds, json);
    bench_remove_tree(directory);
    return 0;
}

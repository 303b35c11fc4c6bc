/* SPDX-License-Identifier: MIT */
/*
 * How should N threads share the cores with OpenVINO's CPU engine: each with a compiled model of its own that
 * has one stream, or all with a request of one model that has N streams? And do pinned threads help?
 *
 *     openvino_streams MODEL [SECONDS_PER_CELL [ROUNDS]] [--json]
 *
 * For N = 1, 2, 4: every arrangement is compiled, then measured in turn, ROUNDS times over, so that a slow
 * minute of the machine hits all alike. Printed: the median of executions per second over all threads, the
 * spread of the rounds, the mean time of one execution, the processor time of one (which other programs on
 * the machine disturb less), the time to compile, and the growth of resident memory.
 * docs/decisions/0003-openvino-streams.md draws the conclusion.
 */
#include "bench.h"

#include "backends/openvino_library.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 4, MAX_ROUNDS = 15 };

struct arrangement {
    const char *name;
    bool own_model;      /* one compiled model per thread */
    const char *pinning; /* ENABLE_CPU_PINNING */
};

static const struct arrangement arrangements[] = {
    {"own models, pinned", true, "YES"},
    {"own models, free", true, "NO"},
    {"shared model, pinned", false, "YES"},
    {"shared model, free", false, "NO"},
};
enum { ARRANGEMENTS = sizeof arrangements / sizeof *arrangements };

struct cell {
    ov_compiled_model_t *models[MAX_THREADS];
    ov_infer_request_t *requests[MAX_THREADS];
    double compile_ms;
    double resident_mb;
    double rate[MAX_ROUNDS]; /* executions per second */
    double cpu[MAX_ROUNDS];  /* processor seconds per execution */
};

struct worker {
    const struct openvino_library *ov;
    ov_infer_request_t *request;
    const atomic_bool *stop;
    pthread_barrier_t *start;
    uint64_t executions;
    pthread_t thread;
};

static void die(const struct openvino_library *ov, const char *what)
{
    const char *why = ov ? ov->get_last_err_msg() : NULL;
    (void)fprintf(stderr, "%s: %s\n", what, why ? why : "failed");
    exit(1);
}

static double clock_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The second number of statm: pages that are resident. */
static double resident_mb(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (!fgets(text, sizeof text, file))
            text[0] = '\0';
        (void)fclose(file);
    }
    char *end = text;
    (void)strtol(text, &end, 10);
    return (double)strtol(end, NULL, 10) * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static ov_compiled_model_t *compile(const struct openvino_library *ov, const ov_core_t *core,
                                    const ov_model_t *model, const struct arrangement *how, int threads)
{
    char streams[16];
    char cpu_threads[16];
    int share = cores() / threads > 1 ? cores() / threads : 1;
    (void)snprintf(streams, sizeof streams, "%d", how->own_model ? 1 : threads);
    (void)snprintf(cpu_threads, sizeof cpu_threads, "%d", how->own_model ? share : share * threads);
    ov_compiled_model_t *compiled = NULL;
    if (ov->core_compile_model(core, model, "CPU", 8, &compiled, "NUM_STREAMS", streams,
                               "INFERENCE_NUM_THREADS", cpu_threads, "ENABLE_CPU_PINNING", how->pinning,
                               "INFERENCE_PRECISION_HINT", "f32") != OK)
        die(ov, "compile");
    return compiled;
}

static void prepare(const struct openvino_library *ov, const ov_core_t *core, const ov_model_t *model,
                    const struct arrangement *how, int threads, struct cell *cell)
{
    double memory = resident_mb();
    double start = clock_s(CLOCK_MONOTONIC);
    for (int i = 0; i < threads; i++)
        if (how->own_model || i == 0)
            cell->models[i] = compile(ov, core, model, how, threads);
    cell->compile_ms = (clock_s(CLOCK_MONOTONIC) - start) * 1e3;
    for (int i = 0; i < threads; i++) {
        const ov_compiled_model_t *compiled = cell->models[how->own_model ? i : 0];
        if (ov->compiled_model_create_infer_request(compiled, &cell->requests[i]) != OK ||
            ov->infer_request_infer(cell->requests[i]) != OK)
            die(ov, "request");
    }
    cell->resident_mb = resident_mb() - memory;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    (void)pthread_barrier_wait(worker->start);
    while (!atomic_load_explicit(worker->stop, memory_order_relaxed)) {
        if (worker->ov->infer_request_infer(worker->request) != OK)
            die(worker->ov, "infer");
        worker->executions++;
    }
    return NULL;
}

/* One round: executions per second of all threads together, and what each took of the processors. */
static void measure(const struct openvino_library *ov, struct cell *cell, int threads, double seconds,
                    int round)
{
    atomic_bool stop = false;
    pthread_barrier_t start;
    (void)pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    struct worker workers[MAX_THREADS];
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.ov = ov, .request = cell->requests[i], .stop = &stop, .start = &start};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            die(NULL, "thread");
    }
    (void)pthread_barrier_wait(&start);
    double began = clock_s(CLOCK_MONOTONIC);
    double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0,
                          &(struct timespec){.tv_sec = (time_t)seconds,
                                             .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)},
                          NULL);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    uint64_t executions = 0;
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        executions += workers[i].executions;
    }
    double took = clock_s(CLOCK_MONOTONIC) - began;
    cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    (void)pthread_barrier_destroy(&start);
    cell->rate[round] = (double)executions / took;
    cell->cpu[round] = executions ? cpu / (double)executions : 0;
}

static void print_cell(const struct arrangement *how, int threads, struct cell *cell, int rounds, bool json)
{
    double median = bench_median(cell->rate, (unsigned)rounds); /* sorts */
    double cpu_us = bench_median(cell->cpu, (unsigned)rounds) * 1e6;
    if (json)
        printf(
            "{\"threads\": %d, \"arrangement\": \"%s\", \"per_second\": %.2f, \"min\": %.2f, "
            "\"max\": %.2f, \"us\": %.2f, \"cpu_us\": %.2f, \"compile_ms\": %.1f, \"resident_mb\": %.1f}\n",
            threads, how->name, median, cell->rate[0], cell->rate[rounds - 1], threads * 1e6 / median, cpu_us,
            cell->compile_ms, cell->resident_mb);
    else
        printf("%7d  %-20s  %10.1f  %10.1f … %-10.1f  %10.1f  %10.1f  %10.1f  %8.1f\n", threads, how->name,
               median, cell->rate[0], cell->rate[rounds - 1], threads * 1e6 / median, cpu_us,
               cell->compile_ms, cell->resident_mb);
}

static void release(const struct openvino_library *ov, struct cell *cell)
{
    for (int i = 0; i < MAX_THREADS; i++) {
        if (cell->requests[i])
            ov->infer_request_free(cell->requests[i]);
        if (cell->models[i])
            ov->compiled_model_free(cell->models[i]);
    }
}

static void compare(const struct openvino_library *ov, const ov_core_t *core, const ov_model_t *model,
                    int threads, double seconds, int rounds, bool json)
{
    struct cell cells[ARRANGEMENTS] = {0};
    for (int a = 0; a < ARRANGEMENTS; a++)
        prepare(ov, core, model, &arrangements[a], threads, &cells[a]);
    for (int round = 0; round < rounds; round++)
        for (int a = 0; a < ARRANGEMENTS; a++)
            measure(ov, &cells[a], threads, seconds, round);
    for (int a = 0; a < ARRANGEMENTS; a++) {
        print_cell(&arrangements[a], threads, &cells[a], rounds, json);
        release(ov, &cells[a]);
    }
}

int main(int argc, char **argv)
{
    bool json = argc > 2 && strcmp(argv[argc - 1], "--json") == 0;
    argc -= json;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: openvino_streams MODEL [SECONDS_PER_CELL [ROUNDS]] [--json]\n");
        return 2;
    }
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1.0;
    long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 5;
    if (!(seconds > 0 && seconds <= 60) || rounds < 1 || rounds > MAX_ROUNDS) {
        (void)fprintf(stderr, "SECONDS_PER_CELL: above 0, up to 60; ROUNDS: 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    struct openvino_library ov;
    struct aispipe_error error;
    if (openvino_library_open(&ov, &error) != 0) {
        (void)fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    ov_core_t *core = NULL;
    ov_model_t *model = NULL;
    if (ov.core_create(&core) != OK || ov.core_read_model(core, argv[1], NULL, &model) != OK)
        die(&ov, argv[1]);
    if (!json)
        printf("%d cores\nthreads  %-20s  %10s  %-25s  %10s  %10s  %10s  %8s\n", cores(), "arrangement",
               "per second", "least … most", "us each", "cpu us", "compile ms", "MB");
    for (int threads = 1; threads <= MAX_THREADS; threads *= 2)
        compare(&ov, core, model, threads, seconds, (int)rounds, json);
    ov.model_free(model);
    ov.core_free(core);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* The pipeline on an engine made for the test: every batch once, in every layout; how it ends, stops, fails.
 */
#include "unit.h"

#include "clock.h"
#include "infer.h"
#include "pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ------------------------------------------------------------------ an engine that adds one */

struct engine {
    bool host_memory;
    uint64_t fail_at[3]; /* batch at which h2d, compute, d2h fail; UINT64_MAX: never */
    uint64_t nap_ns;     /* of compute */
    _Atomic int lanes, ios;
    _Atomic uint64_t executions, warmups;
};

static const struct aispipe_tensor_desc tensor = {
    .name = "x", .dtype = AISPIPE_UINT64, .rank = 1, .dims = {2}, .size = 16};
static const struct aispipe_model_desc desc = {1, 1, &tensor, &tensor};

static const struct aispipe_model_desc *engine_describe(const void *model)
{
    (void)model;
    return &desc;
}

static size_t engine_io_bytes(const void *model)
{
    return ((const struct engine *)model)->host_memory ? 0 : 32;
}

static int engine_io_create(void *model, struct aispipe_io *io, struct aispipe_error *error)
{
    struct engine *engine = model;
    io->device = calloc(4, sizeof(uint64_t));
    if (!io->device)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory");
    atomic_fetch_add(&engine->ios, 1);
    return 0;
}

static void engine_io_destroy(void *model, struct aispipe_io *io)
{
    free(io->device);
    atomic_fetch_sub(&((struct engine *)model)->ios, 1);
}

static int engine_lane_create(void *model, enum aispipe_lane_kind kind, unsigned index, void **lane,
                              struct aispipe_error *error)
{
    (void)kind, (void)index, (void)error;
    atomic_fetch_add(&((struct engine *)model)->lanes, 1);
    *lane = model;
    return 0;
}

static void engine_lane_destroy(void *model, void *lane)
{
    (void)lane;
    atomic_fetch_sub(&((struct engine *)model)->lanes, 1);
}

static int fault(const struct engine *engine, int stage, const struct aispipe_io *io,
                 struct aispipe_error *error)
{
    if (io->warmup || io->batch != engine->fail_at[stage])
        return 0;
    return aispipe_fail(error, AISPIPE_DEVICE, "broken on purpose");
}

static int engine_h2d(void *lane, struct aispipe_io *io, struct aispipe_error *error)
{
    memcpy(io->device, io->inputs[0], 16);
    return fault(lane, 0, io, error);
}

static int engine_compute(void *lane, struct aispipe_io *io, struct aispipe_error *error)
{
    struct engine *engine = lane;
    atomic_fetch_add(io->warmup ? &engine->warmups : &engine->executions, 1);
    uint64_t *from = engine->host_memory ? io->inputs[0] : io->device;
    uint64_t *to = engine->host_memory ? io->outputs[0] : (uint64_t *)io->device + 2;
    to[0] = from[0] + 1;
    to[1] = from[1] + 1;
    if (engine->nap_ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)engine->nap_ns}, NULL);
    return fault(engine, 1, io, error);
}

static int engine_d2h(void *lane, struct aispipe_io *io, struct aispipe_error *error)
{
    memcpy(io->outputs[0], (uint64_t *)io->device + 2, 16);
    return fault(lane, 2, io, error);
}

static const struct aispipe_backend device_backend = {
    .name = "test",
    .describe = engine_describe,
    .io_bytes = engine_io_bytes,
    .io_create = engine_io_create,
    .io_destroy = engine_io_destroy,
    .lane_create = engine_lane_create,
    .lane_destroy = engine_lane_destroy,
    .h2d = engine_h2d,
    .compute = engine_compute,
    .d2h = engine_d2h,
};

static const struct aispipe_backend host_backend = {
    .name = "test",
    .caps = AISPIPE_CAP_HOST_MEMORY,
    .describe = engine_describe,
    .io_create = engine_io_create,
    .io_destroy = engine_io_destroy,
    .lane_create = engine_lane_create,
    .lane_destroy = engine_lane_destroy,
    .compute = engine_compute,
};

/* ------------------------------------------------------------------ a dataset of numbers, and its results */

struct numbers {
    uint64_t samples;
    uint64_t load_fails_at, save_fails_at; /* batch, or sample */
    _Atomic int open_threads;
    _Atomic unsigned char *stored; /* how often each sample was stored */
    _Atomic unsigned wrong;
};

static int numbers_thread_open(void *context, void **thread, struct aispipe_error *error)
{
    (void)error;
    atomic_fetch_add(&((struct numbers *)context)->open_threads, 1);
    *thread = context;
    return 0;
}

static void numbers_thread_close(void *context, void *thread)
{
    (void)thread;
    atomic_fetch_sub(&((struct numbers *)context)->open_threads, 1);
}

/* Two samples a batch; sample s is the number 10 s. */
static int numbers_fill(void *context, void *thread, uint64_t batch, void *const *inputs,
                        struct aispipe_error *error)
{
    struct numbers *numbers = context;
    (void)thread;
    if (batch == numbers->load_fails_at)
        return aispipe_fail(error, AISPIPE_IO, "cannot load on purpose");
    uint64_t *to = inputs[0];
    to[0] = batch * 20;
    to[1] = batch * 2 + 1 < numbers->samples ? batch * 20 + 10 : batch * 20;
    return 0;
}

static int numbers_store(void *context, void *thread, uint64_t first, unsigned count, void *const *outputs,
                         const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    struct numbers *numbers = context;
    (void)thread;
    assert_null(actual);
    const uint64_t *from = outputs[0];
    for (unsigned i = 0; i < count; i++) {
        if (first + i == numbers->save_fails_at)
            return aispipe_fail(error, AISPIPE_IO, "cannot save on purpose");
        if (from[i] != (first + i) * 10 + 1)
            atomic_fetch_add(&numbers->wrong, 1);
        atomic_fetch_add(&numbers->stored[first + i], 1);
    }
    return 0;
}

static void numbers_name(void *context, uint64_t sample, char *name, size_t capacity)
{
    (void)context;
    (void)snprintf(name, capacity, "number %d", (int)sample);
}

struct bench {
    struct engine engine;
    struct numbers numbers;
    struct aispipe_session session;
    struct aispipe_pipeline_options options;
    struct aispipe_source source;
    struct aispipe_sink sink;
    struct aispipe_pipeline *pipeline;
    struct aispipe_run_stats stats;
    struct aispipe_error error;
};

static void bench_init(struct bench *bench, uint64_t samples)
{
    memset(bench, 0, sizeof *bench);
    bench->engine.host_memory = false;
    for (int i = 0; i < 3; i++)
        bench->engine.fail_at[i] = UINT64_MAX;
    bench->numbers =
        (struct numbers){.samples = samples, .load_fails_at = UINT64_MAX, .save_fails_at = UINT64_MAX};
    bench->numbers.stored = calloc(samples + 1, 1);
    bench->session =
        (struct aispipe_session){.backend = &device_backend, .model = &bench->engine, .compute_threads = 8};
    assert_int_equal(infer_open(&bench->session, &bench->error), 0);
    bench->source = (struct aispipe_source){.context = &bench->numbers,
                                            .samples = samples,
                                            .batches = (samples + 1) / 2,
                                            .samples_per_batch = 2,
                                            .thread_open = numbers_thread_open,
                                            .thread_close = numbers_thread_close,
                                            .fill = numbers_fill,
                                            .sample_name = numbers_name};
    bench->sink = (struct aispipe_sink){.context = &bench->numbers,
                                        .thread_open = numbers_thread_open,
                                        .thread_close = numbers_thread_close,
                                        .store = numbers_store};
    bench->options.count_flow = true;
    bench->options.warmup = 1;
}

static void use_host_memory(struct bench *bench)
{
    bench->engine.host_memory = true;
    bench->session.backend = &host_backend;
}

static void bench_start(struct bench *bench)
{
    assert_int_equal(aispipe_pipeline_create(&bench->session, &bench->options, &bench->source, &bench->sink,
                                             &bench->pipeline, &bench->error),
                     0);
    assert_int_equal(aispipe_pipeline_warmup(bench->pipeline, &bench->error), 0);
    assert_int_equal(aispipe_pipeline_start(bench->pipeline, &bench->error), 0);
}

static int bench_run(struct bench *bench)
{
    bench_start(bench);
    int rc = aispipe_pipeline_wait(bench->pipeline, UINT64_MAX, &bench->error);
    aispipe_pipeline_stats(bench->pipeline, &bench->stats);
    return rc;
}

/* Frees, and checks that nothing of the engine or the files is left open. */
static void bench_end(struct bench *bench)
{
    aispipe_pipeline_free(bench->pipeline);
    assert_int_equal(bench->engine.lanes, 0);
    assert_int_equal(bench->engine.ios, 0);
    assert_int_equal(bench->numbers.open_threads, 0);
    assert_int_equal(bench->numbers.wrong, 0);
    assert_int_equal(bench->session.infer->pipelines, 0);
    infer_free(bench->session.infer);
    free((void *)bench->numbers.stored);
}

static void assert_all_stored_once(const struct bench *bench)
{
    for (uint64_t s = 0; s < bench->numbers.samples; s++) {
        assert_int_equal(bench->numbers.stored[s], 1);
        assert_true(aispipe_pipeline_stored(bench->pipeline, s));
    }
    assert_false(aispipe_pipeline_stored(bench->pipeline, bench->numbers.samples));
    assert_int_equal(bench->stats.samples, bench->numbers.samples);
    assert_int_equal(bench->stats.batches, (bench->numbers.samples + 1) / 2);
}

/* ------------------------------------------------------------------ tests */

static void every_layout_does_every_sample(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 2, 3, 1000, 1001};
    for (unsigned layout = 0; layout < 32; layout++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct bench bench;
            bench_init(&bench, sizes[i]);
            if (layout & 1)
                use_host_memory(&bench);
            bench.options.threads[AISPIPE_STAGE_COMPUTE] = layout & 2 ? 4 : 1;
            bench.options.threads[AISPIPE_STAGE_LOAD] = layout & 4 ? 3 : 1;
            bench.options.threads[AISPIPE_STAGE_SAVE] = layout & 4 ? 2 : 1;
            for (int k = 0; layout & 8 && k < AISPIPE_STAGES; k++)
                bench.options.depth[k] = 1 + (unsigned)k % 3;
            bench.options.full = layout & 16;
            assert_int_equal(bench_run(&bench), 0);
            assert_all_stored_once(&bench);
            assert_int_equal(bench.engine.executions, (sizes[i] + 1) / 2);
            bench_end(&bench);
        }
}

static void serial_has_one_batch_in_flight(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 101);
    bench.options.serial = true;
    bench.options.threads[AISPIPE_STAGE_COMPUTE] = 4;
    assert_int_equal(bench_run(&bench), 0);
    assert_int_equal(bench.stats.inflight, 1);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        assert_true(bench.stats.stage[k].queue_peak <= 1);
    assert_all_stored_once(&bench);
    bench_end(&bench);
}

static void figures_add_up(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 400);
    bench.engine.nap_ns = 500000;
    bench.options.loop = 3;
    bench.options.warmup = 4;
    bench.options.threads[AISPIPE_STAGE_COMPUTE] = 2;
    assert_int_equal(bench_run(&bench), 0);
    assert_int_equal(bench.engine.warmups, 8);
    assert_int_equal(bench.engine.executions, 600);
    struct aispipe_latency latency;
    assert_int_equal(pipeline_latency(bench.pipeline, AISPIPE_STAGE_COMPUTE, &latency, NULL), 0);
    assert_int_equal(latency.count, 600);
    assert_true(latency.min >= 0.5);
    /* Two threads at once: the union of all executions is no longer than the run. */
    assert_true(latency.mean * 600 <= bench.stats.wall_ms);
    assert_int_equal(pipeline_latency(bench.pipeline, AISPIPE_STAGE_H2D, &latency, NULL), 0);
    assert_int_equal(latency.count, 200);
    assert_int_equal(bench.stats.bottleneck, AISPIPE_STAGE_COMPUTE);
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        const struct aispipe_stage_stats *stage = &bench.stats.stage[k];
        assert_int_equal(stage->batches, 200);
        assert_true(stage->busy + stage->wait_input + stage->wait_output <= 1.0);
    }
    bench_end(&bench);
}

static void loop_is_dealt_out(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 6);
    bench.options.loop = 11;
    bench.options.split_loop = true;
    assert_int_equal(bench_run(&bench), 0);
    assert_int_equal(bench.engine.executions, 11);
    bench_end(&bench);
}

static void expect_failure(struct bench *bench, const char *stage, const char *cause)
{
    assert_int_not_equal(bench_run(bench), 0);
    assert_non_null(strstr(bench->error.message, stage));
    assert_non_null(strstr(bench->error.message, cause));
    assert_true(bench->stats.samples < bench->numbers.samples);
    for (uint64_t s = 0; s < bench->numbers.samples; s++)
        if (aispipe_pipeline_stored(bench->pipeline, s))
            assert_int_equal(bench->numbers.stored[s], 1);
    bench_end(bench);
}

static void the_first_error_ends_the_run(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 8; layout++) {
        struct bench bench;
        for (int stage = 0; stage < 5; stage++) {
            static const char *const expected[] = {"h2d failed at batch 150 (number 300): broken",
                                                   "compute failed at batch 150 (number 300): broken",
                                                   "d2h failed at batch 150 (number 300): broken",
                                                   "load failed at batch 150 (number 300): cannot load",
                                                   "save failed at batch 150 (number 300): cannot save"};
            bench_init(&bench, 1000);
            bench.options.threads[AISPIPE_STAGE_COMPUTE] = layout & 1 ? 4 : 1;
            bench.options.threads[AISPIPE_STAGE_LOAD] = layout & 2 ? 3 : 1;
            bench.options.threads[AISPIPE_STAGE_SAVE] = layout & 2 ? 3 : 1;
            bench.options.full = layout & 4;
            if (stage < 3)
                bench.engine.fail_at[stage] = 150;
            else if (stage == 3)
                bench.numbers.load_fails_at = 150;
            else
                bench.numbers.save_fails_at = 301;
            expect_failure(&bench, expected[stage], "on purpose");
        }
    }
}

static void a_failing_warm_up_is_told(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 10);
    bench.numbers.load_fails_at = 0;
    assert_int_equal(aispipe_pipeline_create(&bench.session, &bench.options, &bench.source, &bench.sink,
                                             &bench.pipeline, &bench.error),
                     0);
    assert_int_equal(aispipe_pipeline_warmup(bench.pipeline, &bench.error), AISPIPE_IO);
    assert_non_null(strstr(bench.error.message, "warm-up"));
    bench_end(&bench);
}

static void stopping_finishes_what_is_in_flight(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 200000);
    bench.engine.nap_ns = 1000000;
    bench.options.inflight = 8;
    bench_start(&bench);
    assert_int_equal(aispipe_pipeline_wait(bench.pipeline, 30000000, &bench.error), AISPIPE_TIMEOUT);
    aispipe_pipeline_stop(bench.pipeline, UINT64_MAX);
    assert_int_equal(aispipe_pipeline_wait(bench.pipeline, UINT64_MAX, &bench.error), 0);
    aispipe_pipeline_stats(bench.pipeline, &bench.stats);
    assert_true(bench.stats.samples > 0 && bench.stats.samples < 200000);
    assert_int_equal(bench.stats.stage[AISPIPE_STAGE_LOAD].batches, bench.stats.batches);
    for (uint64_t s = 0; s < 200000; s++)
        assert_int_equal(aispipe_pipeline_stored(bench.pipeline, s), bench.numbers.stored[s]);
    bench_end(&bench);
}

static void stopping_without_grace_gives_up(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 2000);
    bench.engine.nap_ns = 50000000;
    bench.options.inflight = 500;
    uint64_t begin = clock_ns();
    bench_start(&bench);
    assert_int_equal(aispipe_pipeline_wait(bench.pipeline, 20000000, &bench.error), AISPIPE_TIMEOUT);
    aispipe_pipeline_stop(bench.pipeline, 0);
    assert_int_equal(aispipe_pipeline_wait(bench.pipeline, UINT64_MAX, &bench.error), 0);
    /* 500 batches of 50 ms would take 25 s. */
    assert_true(clock_ns() - begin < 10000000000u);
    aispipe_pipeline_stats(bench.pipeline, &bench.stats);
    assert_true(bench.stats.samples < 1000);
    bench_end(&bench);
}

static void freeing_a_running_pipeline_ends_it(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 100000);
    bench.engine.nap_ns = 1000000;
    bench_start(&bench);
    bench_end(&bench);
}

static void *tune_often(void *argument)
{
    struct bench *bench = argument;
    for (unsigned i = 0; i < 200; i++) {
        struct aispipe_tuning tuning = {.spin = i, .wake_batch = i % 9 + 1, .nap_ns = UINT64_C(10000) * i};
        if (aispipe_pipeline_tune(bench->pipeline, &tuning, NULL))
            return "refused";
        aispipe_pipeline_stats(bench->pipeline, &bench->stats);
    }
    return NULL;
}

static void tuning_and_reading_while_it_runs(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 20000);
    bench.options.threads[AISPIPE_STAGE_COMPUTE] = 2;
    bench_start(&bench);
    pthread_t tuner;
    void *complaint;
    pthread_create(&tuner, NULL, tune_often, &bench);
    assert_int_equal(aispipe_pipeline_wait(bench.pipeline, UINT64_MAX, &bench.error), 0);
    pthread_join(tuner, &complaint);
    assert_null(complaint);
    struct aispipe_tuning nonsense = {.wake_batch = 0};
    assert_int_equal(aispipe_pipeline_tune(bench.pipeline, &nonsense, &bench.error), AISPIPE_INVALID);
    aispipe_pipeline_stats(bench.pipeline, &bench.stats);
    assert_all_stored_once(&bench);
    bench_end(&bench);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 10);
    bench.options.threads[AISPIPE_STAGE_COMPUTE] = 9; /* the session was opened for 8 */
    assert_int_equal(aispipe_pipeline_create(&bench.session, &bench.options, &bench.source, NULL,
                                             &bench.pipeline, &bench.error),
                     AISPIPE_INVALID);
    assert_null(bench.pipeline);
    bench.options.threads[AISPIPE_STAGE_COMPUTE] = 1;
    bench.options.threads[AISPIPE_STAGE_LOAD] = 5000;
    assert_int_equal(aispipe_pipeline_create(&bench.session, &bench.options, &bench.source, NULL,
                                             &bench.pipeline, &bench.error),
                     AISPIPE_INVALID);
    assert_non_null(strstr(bench.error.message, "load"));
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_does_every_sample),
        cmocka_unit_test(serial_has_one_batch_in_flight),
        cmocka_unit_test(figures_add_up),
        cmocka_unit_test(loop_is_dealt_out),
        cmocka_unit_test(the_first_error_ends_the_run),
        cmocka_unit_test(a_failing_warm_up_is_told),
        cmocka_unit_test(stopping_finishes_what_is_in_flight),
        cmocka_unit_test(stopping_without_grace_gives_up),
        cmocka_unit_test(freeing_a_running_pipeline_ends_it),
        cmocka_unit_test(tuning_and_reading_while_it_runs),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}

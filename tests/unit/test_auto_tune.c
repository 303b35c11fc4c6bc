/* SPDX-License-Identifier: MIT */
/* Pipelines whose threads and slots come and go while they run: every batch once, and an end from every
 * state. */
#include "unit.h"

#include "clock.h"
#include "files.h"
#include "log.h"
#include "pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define FOREVER UINT64_MAX
#define NONE UINT64_MAX

TEMP_DIR(directory)

struct bench {
    uint64_t samples;
    uint64_t load_ns, save_ns;             /* a batch takes */
    uint64_t load_fails_at, save_fails_at; /* or NONE */
    _Atomic unsigned char *stored;         /* how often each sample was stored */
    _Atomic unsigned wrong, open_threads, most_threads;
    _Atomic unsigned lines; /* of auto_tune, that were logged */
    struct aispipe_session *session;
    struct aispipe_pipeline_options options;
    struct aispipe_source source;
    struct aispipe_sink sink;
    struct aispipe_pipeline *pipeline;
    struct aispipe_error error;
};

static void nap(uint64_t ns)
{
    if (ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static int open_thread(void *context, void **thread, struct aispipe_error *error)
{
    struct bench *bench = context;
    (void)error;
    atomic_fetch_add(&bench->open_threads, 1);
    atomic_fetch_add(&bench->most_threads, 1);
    *thread = context;
    return 0;
}

static void close_thread(void *context, void *thread)
{
    (void)thread;
    atomic_fetch_sub(&((struct bench *)context)->open_threads, 1);
}

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    struct bench *bench = context;
    (void)thread;
    nap(bench->load_ns);
    if (batch == bench->load_fails_at)
        return aispipe_fail(error, AISPIPE_IO, "cannot load on purpose");
    *(uint64_t *)inputs[0] = batch;
    return 0;
}

static int store(void *context, void *thread, uint64_t first, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    struct bench *bench = context;
    (void)thread, (void)actual;
    nap(bench->save_ns);
    if (first == bench->save_fails_at)
        return aispipe_fail(error, AISPIPE_IO, "cannot save on purpose");
    if (count != 1 || *(uint64_t *)outputs[0] != ~first)
        atomic_fetch_add(&bench->wrong, 1);
    atomic_fetch_add(&bench->stored[first], 1);
    return 0;
}

static void hear(void *context, enum aispipe_log_level level, const char *line)
{
    if (level == AISPIPE_LOG_INFO && strncmp(line, "auto_tune: ", 11) == 0)
        atomic_fetch_add(&((struct bench *)context)->lines, 1);
}

/* A model of one uint64, which the simulated device complements. */
static void bench_init(struct bench *bench, uint64_t samples)
{
    static const char text[] = "{\"inputs\": [{\"name\": \"x\", \"dtype\": \"uint64\", \"shape\": [1]}],"
                               " \"outputs\": [{\"name\": \"y\", \"dtype\": \"uint64\", \"shape\": [1]}]}";
    memset(bench, 0, sizeof *bench);
    bench->samples = samples;
    bench->load_fails_at = bench->save_fails_at = NONE;
    bench->stored = calloc(samples + 1, 1);
    temp_write(&directory, "m.sim.json", text, sizeof text - 1);
    const struct aispipe_session_options options = {.compute_threads = 2,
                                                    .log = {.write = hear, .context = bench}};
    if (aispipe_session_open(temp_path(&directory, "m.sim.json"), &options, &bench->session, &bench->error))
        fail_msg("%s", bench->error.message);
    bench->source = (struct aispipe_source){.context = bench,
                                            .samples = samples,
                                            .batches = samples,
                                            .samples_per_batch = 1,
                                            .thread_open = open_thread,
                                            .thread_close = close_thread,
                                            .fill = fill};
    bench->sink = (struct aispipe_sink){
        .context = bench, .thread_open = open_thread, .thread_close = close_thread, .store = store};
    bench->options = (struct aispipe_pipeline_options){.threads = {1, 1, 2, 1, 1}, .auto_tune = true};
}

static void bench_start(struct bench *bench)
{
    if (aispipe_pipeline_create(bench->session, &bench->options, &bench->source, &bench->sink,
                                &bench->pipeline, &bench->error) ||
        aispipe_pipeline_start(bench->pipeline, &bench->error))
        fail_msg("%s", bench->error.message);
}

static int bench_wait(struct bench *bench)
{
    return aispipe_pipeline_wait(bench->pipeline, FOREVER, &bench->error);
}

static void bench_end(struct bench *bench)
{
    aispipe_pipeline_free(bench->pipeline);
    aispipe_session_close(bench->session);
    assert_int_equal(bench->open_threads, 0);
    assert_int_equal(bench->wrong, 0);
    free((void *)bench->stored);
}

static void assert_all_stored_once(const struct bench *bench)
{
    for (uint64_t i = 0; i < bench->samples; i++)
        assert_int_equal(bench->stored[i], 1);
}

static void assert_shares_make_sense(const struct bench *bench)
{
    struct aispipe_run_stats stats;
    aispipe_pipeline_stats(bench->pipeline, &stats);
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        const struct aispipe_stage_stats *stage = &stats.stage[k];
        assert_true(stage->busy >= 0 && stage->wait_input >= 0 && stage->wait_output >= 0);
        /* Counters are read one after the other. */
        assert_true(stage->busy + stage->wait_input + stage->wait_output < 1.1);
        assert_true(stage->threads >= 1 && stage->threads <= 8);
    }
}

/* ------------------------------------------------------------------ switching */

/* Puts one setting after the other in force, as fast as it can, until `stop`. */
struct switcher {
    struct bench *bench;
    _Atomic bool stop;
    unsigned switched, most_inflight;
};

static void *switch_often(void *argument)
{
    struct switcher *switcher = argument;
    struct bench *bench = switcher->bench;
    uint64_t random = 7;
    while (!atomic_load(&switcher->stop)) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const struct tune_setting setting = {{(unsigned)(random >> 33) % 8 + 1,
                                              (unsigned)(random >> 40) % 8 + 1,
                                              (unsigned)(random >> 47) % switcher->most_inflight + 1}};
        if (pipeline_set_live(bench->pipeline, &setting))
            return "no memory";
        struct aispipe_tuning tuning = {
            .spin = 50, .wake_batch = switcher->switched % 5 + 1, .nap_ns = 100000};
        if (switcher->switched % 7 == 0 && aispipe_pipeline_tune(bench->pipeline, &tuning, NULL))
            return "refused";
        switcher->switched++;
    }
    return NULL;
}

static void run_switched(struct bench *bench)
{
    struct switcher switcher = {.bench = bench};
    pthread_t thread;
    void *complaint;
    bench_start(bench);
    switcher.most_inflight = pipeline_inflight(bench->pipeline);
    pthread_create(&thread, NULL, switch_often, &switcher);
    int rc = bench_wait(bench);
    atomic_store(&switcher.stop, true);
    pthread_join(thread, &complaint);
    if (rc)
        fail_msg("%s", bench->error.message);
    assert_null(complaint);
    assert_true(switcher.switched > 0);
    assert_all_stored_once(bench);
    assert_shares_make_sense(bench);
}

static void every_batch_once_however_often_it_is_switched(void **state)
{
    (void)state;
    static const unsigned inflights[] = {0, 2, 20};
    for (int i = 0; i < 3; i++) {
        struct bench bench;
        bench_init(&bench, 20000);
        bench.options.inflight = inflights[i];
        run_switched(&bench);
        assert_int_equal(bench.most_threads, 16);
        bench_end(&bench);
    }
}

static void also_where_rings_are_shallow_and_stages_slow(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 1000);
    bench.load_ns = bench.save_ns = 300000;
    for (int k = 0; k < AISPIPE_STAGES; k++)
        bench.options.depth[k] = 2;
    run_switched(&bench);
    bench_end(&bench);
}

/* ------------------------------------------------------------------ ends */

static void threads_that_are_not_wanted_leave_at_the_end(void **state)
{
    (void)state;
    for (uint64_t samples = 0; samples < 12; samples++) {
        struct bench bench;
        struct aispipe_tune_report report;
        bench_init(&bench, samples);
        bench_start(&bench);
        assert_int_equal(bench_wait(&bench), 0);
        assert_all_stored_once(&bench);
        assert_shares_make_sense(&bench);
        aispipe_pipeline_tune_report(bench.pipeline, &report);
        assert_true(report.on);
        assert_true(strlen(report.text) > 0);
        for (int i = 0; i < AISPIPE_TUNE_PARAMETERS; i++)
            assert_true(report.start[i] == report.now[i] && report.now[i] <= report.most[i]);
        bench_end(&bench);
    }
}

static void a_failure_wakes_those_who_park(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct bench bench;
        bench_init(&bench, 3000);
        bench.load_ns = bench.save_ns = i / 2 ? 100000 : 0;
        *(i % 2 ? &bench.save_fails_at : &bench.load_fails_at) = 700;
        bench_start(&bench);
        assert_int_equal(bench_wait(&bench), AISPIPE_IO);
        assert_non_null(
            strstr(bench.error.message, i % 2 ? "cannot save on purpose" : "cannot load on purpose"));
        bench_end(&bench);
    }
}

static void stopping_and_freeing_wake_those_who_park(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct bench bench;
        bench_init(&bench, 1000000);
        bench.load_ns = MS;
        uint64_t begin = clock_ns();
        bench_start(&bench);
        assert_int_equal(aispipe_pipeline_wait(bench.pipeline, 30 * MS, &bench.error), AISPIPE_TIMEOUT);
        if (i < 2) {
            aispipe_pipeline_stop(bench.pipeline, i ? 0 : FOREVER);
            assert_int_equal(bench_wait(&bench), 0);
        }
        bench_end(&bench);
        assert_true(clock_ns() - begin < 60000 * MS); /* not the 1,000 s that the run would take */
    }
}

/* ------------------------------------------------------------------ what it says */

/* Load sleeps: there is much to gain, and the decisions are told in three ways that agree. */
static void decisions_are_told(void **state)
{
    (void)state;
    struct bench bench;
    struct aispipe_tune_report report;
    struct aispipe_tune_decision all[TUNE_MOST_DECISIONS], one;
    struct aispipe_run_stats stats;
    bench_init(&bench, 600);
    bench.load_ns = 2 * MS;
    bench_start(&bench);
    while (aispipe_pipeline_wait(bench.pipeline, 20 * MS, &bench.error) == AISPIPE_TIMEOUT) {
        aispipe_pipeline_tune_report(bench.pipeline, &report);
        assert_true(aispipe_pipeline_tune_decisions(bench.pipeline, &one, 1) >= report.decisions);
        assert_shares_make_sense(&bench);
    }
    aispipe_pipeline_tune_report(bench.pipeline, &report);
    size_t n = aispipe_pipeline_tune_decisions(bench.pipeline, all, TUNE_MOST_DECISIONS);
    assert_true(n > 0);
    assert_int_equal(n, report.decisions);
    assert_int_equal(n, bench.lines);
    for (size_t i = 0; i < n; i++) {
        assert_true(all[i].from != all[i].to && all[i].before > 0 && strlen(all[i].reason) > 0);
        assert_true(i == 0 || all[i].time_ms >= all[i - 1].time_ms);
        assert_true((unsigned)all[i].parameter < AISPIPE_TUNE_PARAMETERS);
    }
    assert_string_equal(aispipe_tune_parameter_name(all[0].parameter), "load_threads");
    aispipe_pipeline_stats(bench.pipeline, &stats);
    assert_int_equal(stats.stage[AISPIPE_STAGE_LOAD].threads, report.now[AISPIPE_TUNE_LOAD_THREADS]);
    assert_int_equal(stats.inflight, report.now[AISPIPE_TUNE_INFLIGHT]);
    assert_all_stored_once(&bench);
    bench_end(&bench);
}

static void without_it_nothing_is_said(void **state)
{
    (void)state;
    struct bench bench;
    struct aispipe_tune_report report;
    bench_init(&bench, 10);
    bench.options.auto_tune = false;
    bench_start(&bench);
    assert_int_equal(bench_wait(&bench), 0);
    aispipe_pipeline_tune_report(bench.pipeline, &report);
    assert_false(report.on);
    assert_int_equal(aispipe_pipeline_tune_decisions(bench.pipeline, NULL, 0), 0);
    assert_int_equal(bench.most_threads, 2);
    bench_end(&bench);
}

static int never(void *context, void *thread, uint64_t *batch, struct aispipe_error *error)
{
    (void)context, (void)thread, (void)error;
    *batch = 0;
    return AISPIPE_CLOSED;
}

static void no_interrupt(void *context)
{
    (void)context;
}

static void what_excludes_it_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"`serial`", "`full`", "`next`"};
    for (int i = 0; i < 3; i++) {
        struct bench bench;
        bench_init(&bench, 10);
        bench.options.serial = i == 0;
        bench.options.full = i == 1;
        bench.source.next = i == 2 ? never : NULL;
        bench.source.interrupt = no_interrupt;
        assert_int_equal(aispipe_pipeline_create(bench.session, &bench.options, &bench.source, &bench.sink,
                                                 &bench.pipeline, &bench.error),
                         AISPIPE_INVALID);
        assert_non_null(strstr(bench.error.message, "`auto_tune`"));
        assert_non_null(strstr(bench.error.message, words[i]));
        bench_end(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_batch_once_however_often_it_is_switched),
        cmocka_unit_test(also_where_rings_are_shallow_and_stages_slow),
        cmocka_unit_test(threads_that_are_not_wanted_leave_at_the_end),
        cmocka_unit_test(a_failure_wakes_those_who_park),
        cmocka_unit_test(stopping_and_freeing_wake_those_who_park),
        cmocka_unit_test(decisions_are_told),
        cmocka_unit_test(without_it_nothing_is_said),
        cmocka_unit_test(what_excludes_it_is_refused),
    };
    return cmocka_run_group_tests(tests, directory_make, directory_remove);
}

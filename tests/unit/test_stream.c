/* SPDX-License-Identifier: MIT */
/* Streams on the simulated device: every item once and right, bounded, and an end from every state. */
#include "unit.h"

#include "aispipe/stream.h"
#include "clock.h"
#include "files.h"

#include <pthread.h>
#include <stdatomic.h>

#define MS UINT64_C(1000000)
#define FOREVER UINT64_MAX

TEMP_DIR(directory)

/* A model of one uint64[2], which the simulated device complements. */
static struct aispipe_session *open_session(const char *compute, unsigned threads)
{
    char text[512];
    int length = snprintf(text, sizeof text,
                          "{\"inputs\": [{\"name\": \"x\", \"dtype\": \"uint64\", \"shape\": [2]}],"
                          " \"outputs\": [{\"name\": \"y\", \"dtype\": \"uint64\", \"shape\": [2]}],"
                          " \"compute\": {%s}}",
                          compute);
    temp_write(&directory, "m.sim.json", text, (size_t)length);
    struct aispipe_session_options options = {.compute_threads = threads};
    struct aispipe_session *session;
    struct aispipe_error error = {0};
    if (aispipe_session_open(temp_path(&directory, "m.sim.json"), &options, &session, &error))
        fail_msg("%s", error.message);
    return session;
}

static struct aispipe_stream *open_stream(struct aispipe_session *session,
                                          const struct aispipe_stream_options *options)
{
    struct aispipe_stream *stream;
    struct aispipe_error error = {0};
    if (aispipe_stream_open(session, options, &stream, &error))
        fail_msg("%s", error.message);
    return stream;
}

static int push_with(struct aispipe_stream *stream, uint64_t *data, void (*release)(void *),
                     uint64_t timeout_ns)
{
    const void *inputs[] = {data};
    const size_t sizes[] = {16};
    const struct aispipe_stream_item item = {
        .inputs = inputs, .sizes = sizes, .tag = data, .release = release};
    return aispipe_stream_push(stream, &item, timeout_ns, NULL);
}

static int push(struct aispipe_stream *stream, uint64_t value, uint64_t timeout_ns)
{
    uint64_t data[] = {value, value * 3};
    const void *inputs[] = {data};
    const size_t sizes[] = {sizeof data};
    const struct aispipe_stream_item item = {
        .inputs = inputs, .sizes = sizes, .tag = (void *)(uintptr_t)value}; /* NOLINT */
    int rc = aispipe_stream_push(stream, &item, timeout_ns, NULL);
    data[0] = data[1] = 0; /* it was copied */
    return rc;
}

/* Pops and checks one result; returns its value. */
static uint64_t pop_checked(struct aispipe_stream *stream, struct aispipe_stream_result *result)
{
    struct aispipe_error error = {0};
    if (aispipe_stream_pop(stream, result, FOREVER, &error))
        fail_msg("%s", error.message);
    uint64_t got[2];
    assert_int_equal(result->n_outputs, 1);
    assert_int_equal(result->descs[0].size, sizeof got);
    memcpy(got, result->outputs[0], sizeof got);
    assert_int_equal(got[1], ~(~got[0] * 3));
    return ~got[0];
}

static void every_item_comes_back_in_order(void **state)
{
    (void)state;
    enum { ITEMS = 3000 };
    struct aispipe_session *session = open_session("\"jitter_us\": 40, \"seed\": 3", 4);
    const struct aispipe_stream_options options = {
        .pipeline = {.threads = {2, 1, 4, 1, 2}, .inflight = 16, .warmup = 1}, .capacity = 8};
    struct aispipe_stream *stream = open_stream(session, &options);
    struct aispipe_stream_result result;
    uint64_t next = 0;
    for (uint64_t i = 0; i < ITEMS; i++)
        while (push(stream, i, 0) == AISPIPE_TIMEOUT) {
            assert_int_equal(pop_checked(stream, &result), next);
            assert_int_equal(result.number, next);
            assert_ptr_equal(result.tag, (void *)(uintptr_t)next); /* NOLINT */
            next++;
            aispipe_stream_give_back(stream, &result);
        }
    aispipe_stream_finish(stream);
    for (; next < ITEMS; next++) {
        assert_int_equal(pop_checked(stream, &result), next);
        aispipe_stream_give_back(stream, &result);
    }
    assert_int_equal(aispipe_stream_pop(stream, &result, FOREVER, NULL), AISPIPE_CLOSED);
    assert_int_equal(push(stream, 1, FOREVER), AISPIPE_CLOSED);
    struct aispipe_run_stats stats;
    assert_int_equal(aispipe_pipeline_wait(aispipe_stream_pipeline(stream), FOREVER, NULL), 0);
    aispipe_stream_stats(stream, &stats);
    assert_int_equal(stats.samples, ITEMS);
    assert_int_equal(stats.samples_total, ITEMS);
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

static void items_may_come_as_they_are_completed(void **state)
{
    (void)state;
    enum { ITEMS = 500 };
    struct aispipe_session *session = open_session("\"hang_at\": 3, \"hang_ms\": 300", 2);
    const struct aispipe_stream_options options = {.pipeline = {.threads = {1, 1, 2, 1, 1}, .inflight = 8},
                                                   .as_completed = true};
    struct aispipe_stream *stream = open_stream(session, &options);
    struct aispipe_stream_result result;
    static bool seen[ITEMS + 1];
    uint64_t popped = 0;
    uint64_t place_of_3 = 0;
    for (uint64_t i = 0; popped < ITEMS;) {
        if (i < ITEMS && push(stream, i, 0) == 0) {
            i++;
            continue;
        }
        uint64_t value = pop_checked(stream, &result);
        assert_true(value < ITEMS && !seen[value]);
        seen[value] = true;
        if (value == 3)
            place_of_3 = popped;
        popped++;
        aispipe_stream_give_back(stream, &result);
    }
    assert_true(place_of_3 > 3); /* the others did not wait for it */
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

static void what_is_not_popped_holds_up_who_pushes(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("", 1);
    const struct aispipe_stream_options options = {.pipeline = {.inflight = 3}, .capacity = 4};
    struct aispipe_stream *stream = open_stream(session, &options);
    uint64_t taken = 0;
    while (push(stream, taken, 50 * MS) == 0)
        taken++;
    assert_int_equal(taken, 7);
    struct aispipe_stream_result result;
    assert_int_equal(pop_checked(stream, &result), 0);
    assert_int_equal(push(stream, taken, 20 * MS), AISPIPE_TIMEOUT); /* the slot is still held */
    aispipe_stream_give_back(stream, &result);
    assert_int_equal(push(stream, taken, FOREVER), 0);
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

static void waiting_ends_in_time(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("", 1);
    struct aispipe_stream *stream = open_stream(session, &(struct aispipe_stream_options){0});
    struct aispipe_stream_result result;
    uint64_t begin = clock_ns();
    assert_int_equal(aispipe_stream_pop(stream, &result, 0, NULL), AISPIPE_TIMEOUT);
    assert_true(clock_ns() - begin < 1000 * MS);
    begin = clock_ns();
    assert_int_equal(aispipe_stream_pop(stream, &result, 30 * MS, NULL), AISPIPE_TIMEOUT);
    assert_true(clock_ns() - begin >= 30 * MS);
    assert_true(clock_ns() - begin < 5000 * MS);
    /* A load thread waits for us; whoever tunes must not wait for it. */
    const struct aispipe_tuning tuning = {.spin = 10, .wake_batch = 1, .nap_ns = MS};
    assert_int_equal(aispipe_pipeline_tune(aispipe_stream_pipeline(stream), &tuning, NULL), 0);
    struct aispipe_run_stats stats;
    assert_int_equal(push(stream, 1, FOREVER), 0);
    assert_int_equal(pop_checked(stream, &result), 1);
    aispipe_stream_stats(stream, &stats);
    assert_true(stats.stage[AISPIPE_STAGE_LOAD].busy < 0.5); /* waiting for an item is no work */
    assert_int_equal(stats.samples_total, 1);
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

static void the_end_is_seen_while_the_last_result_is_held(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("", 1);
    const struct aispipe_stream_options options = {.pipeline = {.serial = true}};
    for (int round = 0; round < 200; round++) {
        struct aispipe_stream *stream = open_stream(session, &options);
        struct aispipe_stream_result result;
        struct aispipe_stream_result none;
        assert_int_equal(push(stream, 5, FOREVER), 0);
        if (round % 2)
            aispipe_stream_finish(stream);
        assert_int_equal(pop_checked(stream, &result), 5);
        if (round % 2 == 0)
            aispipe_stream_finish(stream);
        assert_int_equal(aispipe_stream_pop(stream, &none, FOREVER, NULL), AISPIPE_CLOSED);
        aispipe_stream_give_back(stream, &result);
        aispipe_stream_close(stream);
    }
    aispipe_session_close(session);
}

static _Atomic unsigned released[64];

static void count_release(void *tag)
{
    atomic_fetch_add(&released[*(uint64_t *)tag], 1);
}

/* `compute` may fail; `wanted` results are popped before the stream is closed. */
static void release_each_once(const char *compute, unsigned wanted)
{
    static uint64_t data[64][2];
    struct aispipe_session *session = open_session(compute, 1);
    const struct aispipe_stream_options options = {.pipeline = {.inflight = 4}, .capacity = 8};
    struct aispipe_stream *stream = open_stream(session, &options);
    struct aispipe_stream_result result;
    unsigned pushed = 0;
    unsigned popped = 0;
    for (uint64_t i = 0; i < 64; i++) {
        atomic_store(&released[i], 0);
        data[i][0] = i;
        data[i][1] = 3 * i;
    }
    while (pushed < 64) {
        int rc = push_with(stream, data[pushed], count_release, popped < wanted ? 0 : 30 * MS);
        pushed += rc == 0;
        if (rc && (rc != AISPIPE_TIMEOUT || popped >= wanted))
            break;
        if (rc && popped < wanted) {
            assert_int_equal(pop_checked(stream, &result), popped++);
            assert_true(atomic_load(&released[result.number]) == 1);
            aispipe_stream_give_back(stream, &result);
        }
    }
    aispipe_stream_close(stream);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(atomic_load(&released[i]), i < pushed);
    assert_true(pushed >= 4);
    aispipe_session_close(session);
}

static void borrowed_data_is_released_once(void **state)
{
    (void)state;
    release_each_once("", 64);
    release_each_once("", 0);
    release_each_once("\"fail_at\": 2", 0);
}

/* ------------------------------------------------------------------ the end from outside */

struct waiter {
    struct aispipe_stream *stream;
    bool pushes;
    int rc;
    pthread_t thread;
};

static void *wait_for_ever(void *argument)
{
    struct waiter *waiter = argument;
    struct aispipe_stream_result result;
    while (!waiter->rc)
        waiter->rc = waiter->pushes ? push(waiter->stream, 1, FOREVER)
                                    : aispipe_stream_pop(waiter->stream, &result, FOREVER, NULL);
    return NULL;
}

static void start(struct waiter *waiter, struct aispipe_stream *stream, bool pushes)
{
    *waiter = (struct waiter){.stream = stream, .pushes = pushes};
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_ever, waiter), 0);
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)(ms * MS)}, NULL);
}

static void cancelling_wakes_everybody(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct aispipe_session *session = open_session("\"latency_us\": 1000", 1);
        const struct aispipe_stream_options options = {
            .pipeline = {.inflight = 2}, .capacity = 2, .as_completed = round % 2};
        struct aispipe_stream *stream = open_stream(session, &options);
        struct waiter pushers[2];
        struct waiter poppers[2];
        for (int i = 0; i < 2; i++)
            start(&pushers[i], stream, true);
        if (round % 4 < 2)
            sleep_ms(10);
        for (int i = 0; i < 2; i++)
            start(&poppers[i], stream, false); /* they keep what they get: soon nothing moves */
        sleep_ms((unsigned)round % 4 * 10);
        aispipe_stream_cancel(stream);
        for (int i = 0; i < 2; i++) {
            pthread_join(pushers[i].thread, NULL);
            pthread_join(poppers[i].thread, NULL);
            assert_int_equal(pushers[i].rc, AISPIPE_CLOSED);
            assert_int_equal(poppers[i].rc, AISPIPE_CLOSED);
        }
        aispipe_stream_close(stream);
        aispipe_session_close(session);
    }
}

static void a_failure_ends_pushing_and_popping(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("\"fail_at\": 5", 1);
    const struct aispipe_stream_options options = {.pipeline = {.inflight = 4}, .capacity = 4};
    struct aispipe_stream *stream = open_stream(session, &options);
    struct waiter pusher;
    start(&pusher, stream, true);
    struct aispipe_stream_result result;
    struct aispipe_error error = {0};
    unsigned popped = 0;
    int rc;
    while ((rc = aispipe_stream_pop(stream, &result, FOREVER, &error)) == 0) {
        assert_int_equal(result.number, popped++);
        aispipe_stream_give_back(stream, &result);
    }
    pthread_join(pusher.thread, NULL);
    assert_true(popped <= 5);
    assert_int_equal(rc, AISPIPE_DEVICE);
    assert_non_null(strstr(error.message, "compute failed at batch 5"));
    assert_int_equal(pusher.rc, AISPIPE_DEVICE);
    assert_int_equal(push(stream, 1, 0), AISPIPE_DEVICE);
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

static void closing_works_from_every_state(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("\"latency_us\": 200", 1);
    for (unsigned pushes = 0; pushes < 6; pushes++)
        for (unsigned pops = 0; pops <= pushes; pops++)
            for (int finished = 0; finished < 2; finished++) {
                const struct aispipe_stream_options options = {.pipeline = {.inflight = 8}};
                struct aispipe_stream *stream = open_stream(session, &options);
                struct aispipe_stream_result result;
                for (unsigned i = 0; i < pushes; i++)
                    assert_int_equal(push(stream, i, FOREVER), 0);
                if (finished)
                    aispipe_stream_finish(stream);
                for (unsigned i = 0; i < pops; i++)
                    assert_int_equal(pop_checked(stream, &result), i); /* never given back */
                aispipe_stream_close(stream);
            }
    aispipe_stream_close(NULL);
    aispipe_session_close(session);
}

/* ------------------------------------------------------------------ many threads */

enum { THREADS = 3, EACH = 700 };

struct crowd {
    struct aispipe_stream *stream;
    _Atomic uint64_t sum;
    _Atomic uint64_t results;
};

static void *push_many(void *argument)
{
    struct crowd *crowd = argument;
    for (uint64_t i = 1; i <= EACH; i++)
        if (push(crowd->stream, i, FOREVER))
            return argument;
    return NULL;
}

static void *pop_many(void *argument)
{
    struct crowd *crowd = argument;
    struct aispipe_stream_result result;
    uint64_t last = 0;
    bool any = false;
    while (aispipe_stream_pop(crowd->stream, &result, FOREVER, NULL) == 0) {
        uint64_t got;
        memcpy(&got, result.outputs[0], sizeof got);
        atomic_fetch_add(&crowd->sum, ~got);
        atomic_fetch_add(&crowd->results, 1);
        if (any && result.number <= last)
            return argument;
        any = true;
        last = result.number;
        aispipe_stream_give_back(crowd->stream, &result);
    }
    return NULL;
}

static void many_threads_push_and_pop(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("\"jitter_us\": 20", 2);
    const struct aispipe_stream_options options = {.pipeline = {.threads = {2, 1, 2, 1, 2}, .inflight = 12},
                                                   .capacity = 6};
    struct crowd crowd = {.stream = open_stream(session, &options)};
    pthread_t pushers[THREADS];
    pthread_t poppers[THREADS];
    void *failed;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&pushers[i], NULL, push_many, &crowd), 0);
        assert_int_equal(pthread_create(&poppers[i], NULL, pop_many, &crowd), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(pushers[i], &failed);
        assert_null(failed);
    }
    aispipe_stream_finish(crowd.stream);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(poppers[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&crowd.results), THREADS * EACH);
    assert_int_equal(atomic_load(&crowd.sum), (uint64_t)THREADS * EACH * (EACH + 1) / 2);
    aispipe_stream_close(crowd.stream);
    aispipe_session_close(session);
}

static void kept_results_outlive_all(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("", 1);
    const struct aispipe_stream_options options = {.pipeline = {.inflight = 1}};
    struct aispipe_stream *stream = open_stream(session, &options);
    void *outputs[20];
    void *blocks[20];
    for (uint64_t i = 0; i < 20; i++) {
        struct aispipe_stream_result result;
        assert_int_equal(push(stream, i, FOREVER), 0);
        assert_int_equal(pop_checked(stream, &result), i);
        assert_int_equal(aispipe_stream_keep(stream, &result, &outputs[i], &blocks[i], NULL), 0);
        assert_null(result.outputs);
    }
    aispipe_stream_close(stream);
    aispipe_session_close(session);
    for (uint64_t i = 0; i < 20; i++) {
        uint64_t got;
        memcpy(&got, outputs[i], sizeof got);
        assert_int_equal(~got, i);
        aispipe_stream_release(blocks[i]);
    }
}

/* ------------------------------------------------------------------ what is refused */

static void refuse(struct aispipe_session *session, struct aispipe_stream_options options, const char *word)
{
    struct aispipe_stream *stream;
    struct aispipe_error error = {0};
    assert_int_equal(aispipe_stream_open(session, &options, &stream, &error), AISPIPE_INVALID);
    assert_null(stream);
    if (!strstr(error.message, word))
        fail_msg("'%s' does not say '%s'", error.message, word);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session("", 1);
    refuse(session, (struct aispipe_stream_options){.pipeline = {.full = true}}, "`full`");
    refuse(session, (struct aispipe_stream_options){.pipeline = {.split_loop = true}}, "`split_loop`");
    refuse(session, (struct aispipe_stream_options){.pipeline = {.count_flow = true}}, "`count_flow`");
    refuse(session, (struct aispipe_stream_options){.capacity = (size_t)1 << 40}, "capacity");
    refuse(session, (struct aispipe_stream_options){.pipeline = {.threads = {0, 0, 2}}}, "compute threads");
    struct aispipe_stream *stream = open_stream(session, &(struct aispipe_stream_options){0});
    struct aispipe_error error = {0};
    uint64_t data[3] = {0};
    const void *inputs[] = {data};
    size_t sizes[] = {24};
    struct aispipe_stream_item item = {.inputs = inputs, .sizes = sizes};
    for (int i = 0; i < 2000; i++) /* a refused item takes no room */
        assert_int_equal(aispipe_stream_push(stream, &item, 0, &error), AISPIPE_INVALID);
    assert_string_equal(error.message, "input 'x' takes 16 bytes, but the item has 24");
    sizes[0] = 16;
    item.shapes = aispipe_session_model(session)->inputs;
    assert_int_equal(aispipe_stream_push(stream, &item, 0, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "shapes"));
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

/* ------------------------------------------------------------------ arrays */

static int check_result(void *context, void *thread, uint64_t first_sample, unsigned count,
                        void *const *outputs, const struct aispipe_tensor_desc *actual,
                        struct aispipe_error *error)
{
    const uint64_t *got = outputs[0];
    (void)thread;
    (void)actual;
    for (unsigned s = 0; s < count; s++)
        if (~got[s] != 100 + first_sample + s)
            return aispipe_fail(error, AISPIPE_DEVICE, "wrong");
    if (count == 1 && got[1] != got[0]) /* the last batch is filled up with its first sample */
        return aispipe_fail(error, AISPIPE_DEVICE, "not filled up");
    atomic_fetch_add((_Atomic uint64_t *)context, count);
    return 0;
}

static void arrays_are_a_source(void **state)
{
    (void)state;
    enum { SAMPLES = 101 };
    struct aispipe_session *session = open_session("", 1);
    uint64_t values[SAMPLES];
    const void *inputs[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        values[i] = 100 + i;
        inputs[i] = &values[i];
    }
    size_t size = 8;
    struct aispipe_array_source arrays = {
        .inputs = inputs, .n_inputs = 1, .sample_sizes = &size, .samples = SAMPLES, .samples_per_batch = 2};
    const struct aispipe_model_desc *model = aispipe_session_model(session);
    struct aispipe_source source;
    struct aispipe_error error = {0};
    _Atomic uint64_t stored = 0;
    const struct aispipe_sink sink = {.context = &stored, .store = check_result};
    const struct aispipe_pipeline_options options = {.count_flow = true};
    struct aispipe_pipeline *pipeline;
    assert_int_equal(aispipe_array_source_view(&arrays, model, &source, &error), 0);
    assert_int_equal(aispipe_pipeline_create(session, &options, &source, &sink, &pipeline, &error), 0);
    assert_int_equal(aispipe_pipeline_start(pipeline, &error), 0);
    if (aispipe_pipeline_wait(pipeline, FOREVER, &error))
        fail_msg("%s", error.message);
    assert_int_equal(atomic_load(&stored), SAMPLES);
    assert_true(aispipe_pipeline_stored(pipeline, SAMPLES - 1));
    aispipe_pipeline_free(pipeline);
    arrays.samples_per_batch = 3;
    assert_int_equal(aispipe_array_source_view(&arrays, model, &source, &error), AISPIPE_INVALID);
    assert_string_equal(error.message, "input 'x' takes 16 bytes, but a batch has 3 samples of 8 bytes each");
    arrays.samples_per_batch = 0;
    assert_int_equal(aispipe_array_source_view(&arrays, model, &source, &error), AISPIPE_INVALID);
    aispipe_session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_comes_back_in_order),
        cmocka_unit_test(items_may_come_as_they_are_completed),
        cmocka_unit_test(what_is_not_popped_holds_up_who_pushes),
        cmocka_unit_test(waiting_ends_in_time),
        cmocka_unit_test(the_end_is_seen_while_the_last_result_is_held),
        cmocka_unit_test(borrowed_data_is_released_once),
        cmocka_unit_test(cancelling_wakes_everybody),
        cmocka_unit_test(a_failure_ends_pushing_and_popping),
        cmocka_unit_test(closing_works_from_every_state),
        cmocka_unit_test(many_threads_push_and_pop),
        cmocka_unit_test(kept_results_outlive_all),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(arrays_are_a_source),
    };
    return cmocka_run_group_tests(tests, directory_make, directory_remove);
}

/* SPDX-License-Identifier: MIT */
/* Single executions, on the simulated device (memory of its own) and on OpenVINO (memory of the host). */
#include "unit.h"

#include "executor.h"
#include "infer_models.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

static struct aispipe_error error;

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

/* ---------------------------------------------------------------- the simulated device */

static void outputs_are_what_was_computed(void **state)
{
    unsigned char a[16] = {1, 2};
    unsigned char b[16] = {3};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = b, .size = 16}};
    struct aispipe_tensor *out[2];
    struct aispipe_tensor *later[2];
    (void)state;
    struct aispipe_session *session = open_model(model_sim("two", ""), NULL);
    WELL(aispipe_session_infer(session, feeds, 2, NULL, out, &error));
    const unsigned char *first = aispipe_tensor_data(out[0]);
    assert_int_equal(first[1], 0xfd);
    assert_int_equal(((unsigned char *)aispipe_tensor_data(out[1]))[0], 0xfc);
    assert_int_equal(aispipe_tensor_describe(out[0])->rank, 2);
    a[1] = 9;
    WELL(aispipe_session_infer(session, feeds, 2, NULL, later, &error));
    assert_int_equal(first[1], 0xfd); /* it is ours until we let go */
    assert_int_equal(((unsigned char *)aispipe_tensor_data(later[0]))[1], 0xf6);
    aispipe_tensor_release(later[0]);
    aispipe_tensor_release(later[1]);
    aispipe_session_close(session);
    assert_int_equal(first[1], 0xfd); /* the session's end does not matter */
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
}

static void outputs_are_chosen(void **state)
{
    unsigned char a[16] = {1};
    unsigned char b[16] = {2};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = b, .size = 16}};
    size_t wanted[3] = {0};
    struct aispipe_tensor *out[3];
    (void)state;
    struct aispipe_session *session = open_model(model_sim("chosen", ""), NULL);
    WELL(aispipe_session_find_output(session, "nb", &wanted[0], &error));
    wanted[2] = wanted[0];
    struct aispipe_infer_options options = {.outputs = wanted, .n_outputs = 3};
    WELL(aispipe_session_infer(session, feeds, 2, &options, out, &error));
    assert_int_equal(((unsigned char *)aispipe_tensor_data(out[0]))[0], 0xfd);
    assert_int_equal(((unsigned char *)aispipe_tensor_data(out[1]))[0], 0xfe);
    assert_ptr_equal(out[0], out[2]);
    for (int i = 0; i < 3; i++)
        aispipe_tensor_release(out[i]);
    options.n_outputs = 0;
    WELL(aispipe_session_infer(session, feeds, 2, &options, NULL, &error));
    wanted[0] = 2;
    options.n_outputs = 1;
    FAILS(aispipe_session_infer(session, feeds, 2, &options, out, &error), AISPIPE_INVALID, "output 2");
    FAILS(aispipe_session_find_output(session, "nc", wanted, &error), AISPIPE_INVALID, "'na', 'nb'");
    FAILS(aispipe_session_find_input(session, "na", wanted, &error), AISPIPE_INVALID, "'a', 'b'");
    aispipe_session_close(session);
}

static void wrong_feeds_are_named(void **state)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[3] = {{.data = a, .size = 16}, {.data = a, .size = 15}};
    struct aispipe_tensor *out[2] = {NULL, NULL};
    struct aispipe_tensor *tensor;
    const struct aispipe_tensor_desc desc = {.dtype = AISPIPE_UINT8, .rank = 1, .dims = {16}};
    (void)state;
    struct aispipe_session *session = open_model(model_sim("wrong", ""), NULL);
    FAILS(aispipe_session_infer(session, feeds, 2, NULL, out, &error), AISPIPE_INVALID,
          "input 1, 'b', takes 16 bytes, but 15");
    FAILS(aispipe_session_infer(session, feeds, 3, NULL, out, &error), AISPIPE_INVALID, "2 inputs, but 3");
    FAILS(aispipe_session_infer(session, feeds, 0, NULL, out, &error), AISPIPE_INVALID, "2 inputs, but 0");
    feeds[1] = (struct aispipe_feed){.size = 16};
    FAILS(aispipe_session_infer(session, feeds, 2, NULL, out, &error), AISPIPE_INVALID, "no data");
    WELL(aispipe_tensor_create(&desc, &tensor, &error));
    memset(aispipe_tensor_data(tensor), 0, 16);
    struct aispipe_tensor *moved;
    WELL(aispipe_tensor_to_device(tensor, NULL, 1, &moved, &error));
    feeds[1] = (struct aispipe_feed){.tensor = moved};
    FAILS(aispipe_session_infer(session, feeds, 2, NULL, out, &error), AISPIPE_INVALID, "device 1");
    aispipe_tensor_release(moved);
    WELL(aispipe_tensor_to_device(tensor, NULL, 0, &moved, &error)); /* the session's own */
    assert_null(aispipe_tensor_data(moved));
    feeds[1] = (struct aispipe_feed){.tensor = moved};
    WELL(aispipe_session_infer(session, feeds, 2, NULL, out, &error));
    assert_int_equal(((unsigned char *)aispipe_tensor_data(out[1]))[3], 0xff);
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    assert_int_equal(aispipe_finalize(NULL), 0);
    FAILS(aispipe_session_infer(session, feeds, 2, NULL, out, &error), AISPIPE_CLOSED, "finalised");
    aispipe_tensor_release(moved);
    aispipe_tensor_release(tensor);
    aispipe_session_close(session);
}

static void device_tensors_go_round(void **state)
{
    unsigned char a[16] = {1};
    unsigned char b[16] = {2};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = b, .size = 16}};
    struct aispipe_infer_options options = {.on_device = true};
    struct aispipe_tensor *out[2];
    struct aispipe_tensor *host;
    (void)state;
    struct aispipe_session *session = open_model(model_sim("round", ""), NULL);
    aispipe_transfers_reset();
    aispipe_transfers_record(true);
    WELL(aispipe_session_infer(session, feeds, 2, &options, out, &error));
    for (int i = 0; i < 10; i++) {
        struct aispipe_feed again[2] = {{.tensor = out[0]}, {.tensor = out[1]}};
        struct aispipe_tensor *next[2];
        WELL(aispipe_session_infer(session, again, 2, &options, next, &error));
        aispipe_tensor_release(out[0]);
        aispipe_tensor_release(out[1]);
        memcpy(out, next, sizeof out);
    }
    assert_int_equal(aispipe_transfers_count(AISPIPE_H2D), 1);
    assert_int_equal(aispipe_transfers_count(AISPIPE_D2H), 0);
    assert_null(aispipe_tensor_data(out[0]));
    WELL(aispipe_tensor_to_host(out[0], &host, &error));
    assert_int_equal(((unsigned char *)aispipe_tensor_data(host))[0], 0xfe); /* 11 complements */
    aispipe_tensor_release(host);
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    WELL(aispipe_session_infer(session, feeds, 2, NULL, out, &error)); /* and back to host memory */
    assert_int_equal(((unsigned char *)aispipe_tensor_data(out[0]))[0], 0xfe);
    aispipe_transfers_record(false);
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    aispipe_session_close(session);
}

static void executions_are_counted(void **state)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    size_t none = 0;
    struct aispipe_infer_options options = {.outputs = &none, .loop = 5};
    struct aispipe_infer_stats stats;
    struct aispipe_interval intervals[16];
    (void)state;
    struct aispipe_session *session =
        open_model(model_sim("counted", ",\"compute\":{\"latency_us\":100,\"wait\":\"spin\"}"), NULL);
    aispipe_session_record(session, true);
    WELL(aispipe_session_infer(session, feeds, 2, &options, NULL, &error));
    options.loop = 0;
    FAILS(aispipe_session_set_loop(session, 0, &error), AISPIPE_INVALID, "1 or more");
    WELL(aispipe_session_set_loop(session, 2, &error));
    WELL(aispipe_session_infer(session, feeds, 2, &options, NULL, &error));
    options.untimed = true;
    WELL(aispipe_session_infer(session, feeds, 2, &options, NULL, &error));
    aispipe_session_infer_stats(session, &stats);
    assert_int_equal(stats.executions, 7);
    assert_true(stats.least_ns >= 50000 && stats.most_ns >= stats.least_ns);
    assert_int_equal(aispipe_session_intervals_count(session), 7);
    assert_int_equal(aispipe_session_intervals(session, intervals, 16), 7);
    uint64_t sum = 0;
    for (int i = 0; i < 7; i++) {
        sum += intervals[i].end - intervals[i].start;
        if (i)
            assert_true(intervals[i].start >= intervals[i - 1].end);
    }
    assert_true(sum == stats.compute_ns);
    assert_true(intervals[0].start == stats.first_start && intervals[6].end == stats.last_end);
    assert_int_equal(aispipe_session_intervals(session, intervals, 3), 3);
    aispipe_session_reset_stats(session);
    aispipe_session_infer_stats(session, &stats);
    assert_int_equal(stats.executions, 0);
    assert_int_equal(aispipe_session_intervals_count(session), 0);
    aispipe_session_close(session);
}

static void a_fault_is_told_and_gone(void **state)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    struct aispipe_tensor *out[2] = {NULL, NULL};
    (void)state;
    struct aispipe_session *session = open_model(model_sim("fault", ",\"compute\":{\"fail_at\":0}"), NULL);
    FAILS(aispipe_session_infer(session, feeds, 2, NULL, out, &error), AISPIPE_DEVICE, "simulated fault");
    assert_null(out[0]);
    WELL(aispipe_session_infer(session, feeds, 2, NULL, out, &error));
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    aispipe_session_close(session);
}

/* ---------------------------------------------------------------- threads */

struct crowd {
    struct aispipe_session *session;
    unsigned seed;
    int rounds;
    _Atomic int wrong, closed;
};

struct member {
    struct crowd *crowd;
    unsigned seed;
    pthread_t thread;
};

static void *execute_many(void *context)
{
    const struct member *member = context;
    struct crowd *crowd = member->crowd;
    unsigned char a[16];
    unsigned char b[16];
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = b, .size = 16}};
    struct aispipe_tensor *out[2];
    for (int i = 0; i < crowd->rounds; i++) {
        memset(a, (int)member->seed + i, sizeof a);
        memset(b, (int)member->seed - i, sizeof b);
        int rc = aispipe_session_infer(crowd->session, feeds, 2, NULL, out, NULL);
        if (rc == AISPIPE_CLOSED) {
            atomic_fetch_add(&crowd->closed, 1);
            return NULL;
        }
        bool right = rc == 0 && *(unsigned char *)aispipe_tensor_data(out[0]) == (unsigned char)~a[0] &&
                     *(unsigned char *)aispipe_tensor_data(out[1]) == (unsigned char)~b[0];
        if (!right)
            atomic_fetch_add(&crowd->wrong, 1);
        if (rc)
            return NULL;
        aispipe_tensor_release(out[0]);
        aispipe_tensor_release(out[1]);
    }
    return NULL;
}

static void start_crowd(struct crowd *crowd, struct member *members, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        members[i] = (struct member){.crowd = crowd, .seed = i * 50};
        assert_int_equal(pthread_create(&members[i].thread, NULL, execute_many, &members[i]), 0);
    }
}

static void end_crowd(struct member *members, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        pthread_join(members[i].thread, NULL);
}

static void threads_get_their_own_answers(void **state)
{
    (void)state;
    for (unsigned lanes = 1; lanes <= 2; lanes++) {
        const struct aispipe_session_options options = {.compute_threads = lanes};
        struct crowd crowd = {.session = open_model(model_sim("crowd", ""), &options), .rounds = 2000};
        struct member members[4];
        struct aispipe_infer_stats stats;
        start_crowd(&crowd, members, 4);
        end_crowd(members, 4);
        assert_int_equal(crowd.wrong, 0);
        aispipe_session_infer_stats(crowd.session, &stats);
        assert_int_equal(stats.executions, 8000);
        aispipe_session_close(crowd.session);
    }
}

static void a_shutdown_waits_and_refuses(void **state)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    struct aispipe_tensor *out[2];
    struct aispipe_tensor_info info;
    struct member members[3];
    (void)state;
    struct crowd crowd = {.session =
                              open_model(model_sim("shut", ",\"compute\":{\"latency_us\":2000}"), NULL),
                          .rounds = 1000000};
    start_crowd(&crowd, members, 3);
    pause_ms(20);
    aispipe_session_shutdown(crowd.session);
    end_crowd(members, 3);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(crowd.closed, 3);
    assert_null(aispipe_session_model(crowd.session));
    FAILS(aispipe_session_infer(crowd.session, feeds, 2, NULL, out, &error), AISPIPE_CLOSED, "closed");
    FAILS(aispipe_session_input_info(crowd.session, 0, &info, &error), AISPIPE_CLOSED, "closed");
    aispipe_session_shutdown(crowd.session);
    aispipe_session_close(crowd.session);
}

/* A handle that a program never closes; here so that it can still be reached at the end. */
static struct aispipe_session *volatile left;

static void held_sessions_end_with_the_runtime(void **state)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    struct aispipe_tensor *out[2];
    const struct aispipe_session_options options = {.hold = true};
    (void)state;
    struct aispipe_session *held = open_model(model_sim("held", ""), &options);
    struct aispipe_session *other = open_model(model_sim("other", ""), NULL);
    assert_int_equal(aispipe_finalize(NULL), 0);
    FAILS(aispipe_session_infer(held, feeds, 2, NULL, out, &error), AISPIPE_CLOSED, "closed");
    WELL(aispipe_session_infer(other, feeds, 2, NULL, out, &error));
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    assert_int_equal(aispipe_finalize(NULL), 0);
    aispipe_session_close(held);
    aispipe_session_close(other);
    held = open_model(model_sim("held", ""), &options); /* a program may start again */
    aispipe_session_close(held);
    left = open_model(model_sim("held", ""), &options); /* for the end of the process to shut down */
}

static int in_child(struct aispipe_session *session, struct aispipe_tensor *tensor)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    struct aispipe_tensor *out[2];
    struct aispipe_infer_stats stats;
    struct aispipe_error why = {.message = ""};
    if (aispipe_session_infer(session, feeds, 2, NULL, out, &why) != AISPIPE_CLOSED ||
        !strstr(why.message, "fork"))
        return 1;
    if (aispipe_session_set_shape(session, &(struct aispipe_shape){.mode = AISPIPE_SHAPE_BATCH}, &why) !=
        AISPIPE_CLOSED)
        return 2;
    aispipe_session_infer_stats(session, &stats);
    aispipe_tensor_release(tensor);
    aispipe_session_close(session);
    assert_int_equal(aispipe_finalize(NULL), 0);
    struct aispipe_session *own = NULL;
    if (aispipe_session_open(temp_path(&dir, "fork.sim.json"), &(struct aispipe_session_options){0}, &own,
                             &why))
        return 3;
    if (aispipe_session_infer(own, feeds, 2, NULL, out, &why))
        return 4;
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    aispipe_session_close(own);
    return 0;
}

static void a_child_of_fork_is_told(void **state)
{
    struct member members[2];
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    struct aispipe_tensor *out[2];
    (void)state;
    struct crowd crowd = {.session = open_model(model_sim("fork", ""), NULL), .rounds = 20000};
    WELL(aispipe_session_infer(crowd.session, feeds, 2, NULL, out, &error));
    start_crowd(&crowd, members, 2); /* so that locks are held while it forks, now and then */
    for (int i = 0; i < 5; i++) {
        int status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child)
            _exit(in_child(crowd.session, out[0]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    end_crowd(members, 2);
    assert_int_equal(crowd.wrong, 0);
    aispipe_tensor_release(out[0]);
    aispipe_tensor_release(out[1]);
    aispipe_session_close(crowd.session);
}

static int fill_zero(void *context, void *thread, uint64_t batch, void *const *inputs,
                     struct aispipe_error *why)
{
    (void)context;
    (void)thread;
    (void)batch;
    (void)why;
    memset(inputs[0], 0, 16);
    memset(inputs[1], 0, 16);
    return 0;
}

static void a_pipeline_has_the_session_for_itself(void **state)
{
    unsigned char a[16] = {0};
    struct aispipe_feed feeds[2] = {{.data = a, .size = 16}, {.data = a, .size = 16}};
    struct aispipe_tensor *out[2];
    struct aispipe_pipeline *pipeline;
    const struct aispipe_source source = {
        .samples = 10, .batches = 10, .samples_per_batch = 1, .fill = fill_zero};
    (void)state;
    struct aispipe_session *session = open_model(model_sim("pipe", ""), NULL);
    for (int i = 0; i < 2; i++) {
        WELL(aispipe_session_infer(session, feeds, 2, NULL, out, &error));
        aispipe_tensor_release(out[0]);
        aispipe_tensor_release(out[1]);
        WELL(aispipe_pipeline_create(session, &(struct aispipe_pipeline_options){0}, &source, NULL, &pipeline,
                                     &error));
        FAILS(aispipe_session_infer(session, feeds, 2, NULL, out, &error), AISPIPE_INVALID, "pipeline");
        WELL(aispipe_pipeline_start(pipeline, &error));
        WELL(aispipe_pipeline_wait(pipeline, UINT64_MAX, &error));
        aispipe_pipeline_free(pipeline);
    }
    aispipe_session_close(session);
}

/* ---------------------------------------------------------------- OpenVINO */
#if AISPIPE_HAVE_OPENVINO

static float *numbers(size_t n, float first)
{
    float *values = aligned_alloc(64, (n * sizeof *values + 63) & ~(size_t)63);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = first + (float)(i % 1000);
    return values;
}

static void check_doubled(const struct aispipe_tensor *tensor, const float *values, size_t n)
{
    const float *got = aispipe_tensor_data(tensor);
    assert_int_equal(aispipe_tensor_describe(tensor)->size, n * sizeof *got);
    for (size_t i = 0; i < n; i++)
        if (got[i] != 2 * values[i])
            fail_msg("element %zu is %f, not %f", i, got[i], 2 * values[i]);
}

static void small_and_large_are_right(void **state)
{
    static const size_t sizes[] = {4, EXECUTOR_SMALL / 4, EXECUTOR_SMALL / 4 + 1, 100000};
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k];
        char shape[32];
        (void)snprintf(shape, sizeof shape, "1,%zu", n);
        struct aispipe_session *session = open_model(model_double("double", shape), NULL);
        struct aispipe_tensor *kept[3];
        for (int i = 0; i < 3; i++) {
            float *values = numbers(n, (float)i);
            struct aispipe_feed feed = {.data = values, .size = n * sizeof *values};
            WELL(aispipe_session_infer(session, &feed, 1, NULL, &kept[i], &error));
            check_doubled(kept[i], values, n);
            free(values); /* the engine may not look at it again */
        }
        for (int i = 0; i < 3; i++) {
            float *values = numbers(n, (float)i);
            check_doubled(kept[i], values, n); /* three calls, three outputs */
            free(values);
            aispipe_tensor_release(kept[i]);
        }
        aispipe_session_close(session);
    }
}

static void unaligned_arrays_are_copied(void **state)
{
    size_t n = 10000;
    (void)state;
    struct aispipe_session *session = open_model(model_double("odd", "1,10000"), NULL);
    char *bytes = malloc(n * 4 + 1);
    float *values = numbers(n, 1);
    assert_non_null(bytes);
    memcpy(bytes + 1, values, n * 4);
    struct aispipe_feed feed = {.data = bytes + 1, .size = n * 4};
    struct aispipe_tensor *out;
    WELL(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
    check_doubled(out, values, n);
    aispipe_tensor_release(out);
    free(bytes);
    free(values);
    aispipe_session_close(session);
}

static void outputs_are_fed_again(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        size_t n = k ? 8192 : 4;
        struct aispipe_session *session = open_model(model_double("again", k ? "1,8192" : "1,4"), NULL);
        float *values = numbers(n, 1);
        struct aispipe_feed feed = {.data = values, .size = n * 4};
        struct aispipe_infer_options options = {.on_device = true};
        struct aispipe_tensor *out;
        WELL(aispipe_session_infer(session, &feed, 1, &options, &out, &error));
        for (int i = 1; i < 20; i++) {
            struct aispipe_feed again = {.tensor = out};
            struct aispipe_tensor *next;
            WELL(aispipe_session_infer(session, &again, 1, &options, &next, &error));
            aispipe_tensor_release(out);
            out = next;
        }
        assert_int_equal(aispipe_tensor_device(out), 0);
        assert_float_equal(((float *)aispipe_tensor_data(out))[3], values[3] * (1 << 20), 0);
        aispipe_tensor_release(out);
        free(values);
        aispipe_session_close(session);
    }
}

static void check_shape_of(const struct aispipe_tensor *tensor, int64_t rows)
{
    assert_int_equal(aispipe_tensor_describe(tensor)->rank, 2);
    assert_int_equal(aispipe_tensor_describe(tensor)->dims[0], rows);
    assert_int_equal(aispipe_tensor_describe(tensor)->dims[1], 4);
}

static void shapes_change_between_calls(void **state)
{
    const struct aispipe_session_options later = {.shape_later = true};
    struct aispipe_tensor *out;
    struct aispipe_model_info info;
    struct aispipe_tensor_info tensor;
    float *values = numbers(64, 1);
    (void)state;
    struct aispipe_session *session = open_model(model_double("open", "?,4"), &later);
    struct aispipe_feed feed = {.data = values, .size = 32};
    FAILS(aispipe_session_infer(session, &feed, 1, NULL, &out, &error), AISPIPE_MODEL, "'x' is unknown");
    WELL(aispipe_session_model_info(session, &info, &error));
    assert_int_equal(info.mode, AISPIPE_SHAPE_SHAPE);
    WELL(aispipe_session_set_shape(session, &(struct aispipe_shape){.mode = AISPIPE_SHAPE_BATCH, .batch = 2},
                                   &error));
    WELL(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
    check_shape_of(out, 2);
    aispipe_tensor_release(out);
    WELL(aispipe_session_input_info(session, 0, &tensor, &error));
    assert_int_equal(tensor.dims[0], -1);
    assert_int_equal(tensor.real_size, 32);
    assert_int_equal(tensor.format, 2);

    const struct aispipe_shape three = {.mode = AISPIPE_SHAPE_DIMS, .dims = "x:3,4"};
    struct aispipe_infer_options options = {.shape = &three};
    feed.size = 48;
    for (int i = 0; i < 3; i++) {
        WELL(aispipe_session_infer(session, &feed, 1, &options, &out, &error));
        check_shape_of(out, 3);
        check_doubled(out, values, 12);
        aispipe_tensor_release(out);
    }
    const int64_t dims[] = {5, 4};
    options = (struct aispipe_infer_options){.shape_from_feeds = true};
    feed = (struct aispipe_feed){.data = values, .size = 80, .dims = dims, .rank = 2};
    WELL(aispipe_session_infer(session, &feed, 1, &options, &out, &error));
    check_shape_of(out, 5);
    aispipe_tensor_release(out);
    const int64_t narrow[] = {5, 3};
    feed.dims = narrow;
    FAILS(aispipe_session_infer(session, &feed, 1, &options, &out, &error), AISPIPE_INVALID, "cannot be 3");
    options.shape_from_feeds = false; /* a shape that was refused is none */
    FAILS(aispipe_session_infer(session, &feed, 1, &options, &out, &error), AISPIPE_INVALID, "refused");
    FAILS(aispipe_session_set_shape(session, &(struct aispipe_shape){.mode = AISPIPE_SHAPE_STATIC}, &error),
          AISPIPE_INVALID, "static");
    WELL(aispipe_session_set_shape(session, &three, &error));
    aispipe_session_close(session);
    free(values);
}

/* The same shape again must not compile the model again, which takes milliseconds. */
static void the_same_shape_costs_nothing(void **state)
{
    const struct aispipe_session_options later = {.shape_later = true};
    (void)state;
    struct aispipe_session *session = open_model(model_double("same", "?,4"), &later);
    struct timespec from;
    struct timespec to;
    char dims[] = "x:7,4";
    WELL(aispipe_session_set_shape(
        session, &(struct aispipe_shape){.mode = AISPIPE_SHAPE_SHAPE, .dims = dims}, &error));
    const struct aispipe_tensor_desc *before = aispipe_session_model(session)->inputs;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 20000; i++)
        WELL(aispipe_session_set_shape(
            session, &(struct aispipe_shape){.mode = AISPIPE_SHAPE_SHAPE, .dims = "x:7,4"}, &error));
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    assert_ptr_equal(aispipe_session_model(session)->inputs, before);
    assert_true((to.tv_sec - from.tv_sec) < 5); /* 20000 compilations would take a minute */
    aispipe_session_close(session);
}

/* Threads that want different shapes all get theirs. */
struct shaper {
    struct aispipe_session *session;
    int64_t rows;
    pthread_t thread;
    int right;
};

static void *execute_shaped(void *context)
{
    struct shaper *shaper = context;
    const int64_t dims[] = {shaper->rows, 4};
    float *values = numbers((size_t)shaper->rows * 4, (float)shaper->rows);
    struct aispipe_feed feed = {.data = values, .size = (size_t)shaper->rows * 16, .dims = dims, .rank = 2};
    const struct aispipe_infer_options options = {.shape_from_feeds = true};
    for (int i = 0; i < 10; i++) {
        struct aispipe_tensor *out;
        if (aispipe_session_infer(shaper->session, &feed, 1, &options, &out, NULL))
            break;
        shaper->right += aispipe_tensor_describe(out)->dims[0] == shaper->rows &&
                         ((float *)aispipe_tensor_data(out))[1] == 2 * values[1];
        aispipe_tensor_release(out);
    }
    free(values);
    return NULL;
}

static void threads_with_other_shapes_take_turns(void **state)
{
    const struct aispipe_session_options later = {.shape_later = true, .compute_threads = 2};
    struct shaper shapers[3];
    (void)state;
    struct aispipe_session *session = open_model(model_double("turns", "?,4"), &later);
    for (int i = 0; i < 3; i++) {
        shapers[i] = (struct shaper){.session = session, .rows = i + 1};
        assert_int_equal(pthread_create(&shapers[i].thread, NULL, execute_shaped, &shapers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(shapers[i].thread, NULL);
        assert_int_equal(shapers[i].right, 10);
    }
    aispipe_session_close(session);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_what_was_computed),
        cmocka_unit_test(outputs_are_chosen),
        cmocka_unit_test(wrong_feeds_are_named),
        cmocka_unit_test(device_tensors_go_round),
        cmocka_unit_test(executions_are_counted),
        cmocka_unit_test(a_fault_is_told_and_gone),
        cmocka_unit_test(threads_get_their_own_answers),
        cmocka_unit_test(a_shutdown_waits_and_refuses),
        cmocka_unit_test(a_child_of_fork_is_told),
        cmocka_unit_test(a_pipeline_has_the_session_for_itself),
        cmocka_unit_test(held_sessions_end_with_the_runtime),
#if AISPIPE_HAVE_OPENVINO
        cmocka_unit_test(small_and_large_are_right),
        cmocka_unit_test(unaligned_arrays_are_copied),
        cmocka_unit_test(outputs_are_fed_again),
        cmocka_unit_test(shapes_change_between_calls),
        cmocka_unit_test(the_same_shape_costs_nothing),
        cmocka_unit_test(threads_with_other_shapes_take_turns),
#endif
    };
    return cmocka_run_group_tests(tests, models_setup, models_teardown);
}

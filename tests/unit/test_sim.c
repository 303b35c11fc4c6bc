/* SPDX-License-Identifier: MIT */
/* The simulated device: what it computes, that its memory is its own, how long it takes, how it fails. What
 * its model file may say is tested in test_sim_model.c. */
#include "unit.h"

#include "aispipe/devices.h"
#include "clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TENSORS_MOST 8
#define LANES 4

/* A device with a model, one batch and one lane of each kind. */
struct rig {
    const struct aispipe_backend *backend;
    void *device;
    void *model;
    const struct aispipe_model_desc *desc;
    struct aispipe_io io;
    void *buffers[2 * TENSORS_MOST];
    void *lanes[3];
};

static void *load(const struct aispipe_backend *backend, void *device, const char *json)
{
    char path[] = "/tmp/aispipe-sim-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, json, strlen(json)), (int)strlen(json));
    close(fd);
    void *model = NULL;
    struct aispipe_error error = {0};
    int rc = backend->load(device, path, &model, &error);
    unlink(path);
    if (rc)
        fail_msg("%s", error.message);
    return model;
}

static void open_io(struct rig *rig, struct aispipe_io *io, void **buffers)
{
    const struct aispipe_model_desc *desc = rig->desc;
    assert_true(desc->n_inputs <= TENSORS_MOST && desc->n_outputs <= TENSORS_MOST);
    for (size_t i = 0; i < desc->n_inputs; i++)
        buffers[i] = malloc(desc->inputs[i].size + 1);
    for (size_t i = 0; i < desc->n_outputs; i++)
        buffers[desc->n_inputs + i] = malloc(desc->outputs[i].size + 1);
    *io = (struct aispipe_io){.inputs = buffers, .outputs = buffers + desc->n_inputs};
    assert_int_equal(rig->backend->io_create(rig->model, io, NULL), 0);
}

static void close_io(struct rig *rig, struct aispipe_io *io, void **buffers)
{
    rig->backend->io_destroy(rig->model, io);
    for (size_t i = 0; i < rig->desc->n_inputs + rig->desc->n_outputs; i++)
        free(buffers[i]);
}

static void rig_open(struct rig *rig, const char *json)
{
    *rig = (struct rig){0};
    assert_int_equal(aispipe_backend_find("sim", "", &rig->backend, NULL), 0);
    struct aispipe_backend_config config = {.compute_threads = 1};
    assert_int_equal(rig->backend->open(&config, &rig->device, NULL), 0);
    rig->model = load(rig->backend, rig->device, json);
    rig->desc = rig->backend->describe(rig->model);
    open_io(rig, &rig->io, rig->buffers);
    for (int kind = 0; kind < 3; kind++)
        assert_int_equal(
            rig->backend->lane_create(rig->model, (enum aispipe_lane_kind)kind, 0, &rig->lanes[kind], NULL),
            0);
}

static void rig_close(struct rig *rig)
{
    for (int kind = 0; kind < 3; kind++)
        rig->backend->lane_destroy(rig->model, rig->lanes[kind]);
    close_io(rig, &rig->io, rig->buffers);
    rig->backend->unload(rig->model);
    rig->backend->close(rig->device);
}

static int call(struct rig *rig, enum aispipe_lane_kind kind, struct aispipe_error *error)
{
    int (*const calls[])(void *, struct aispipe_io *,
                         struct aispipe_error *) = {[AISPIPE_LANE_H2D] = rig->backend->h2d,
                                                    [AISPIPE_LANE_COMPUTE] = rig->backend->compute,
                                                    [AISPIPE_LANE_D2H] = rig->backend->d2h};
    return calls[kind](rig->lanes[kind], &rig->io, error);
}

static void fill(void *memory, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        ((unsigned char *)memory)[i] = (unsigned char)(i * 131 + i / 256 + seed);
}

static void check_results(const struct rig *rig, unsigned seed)
{
    const struct aispipe_model_desc *desc = rig->desc;
    for (size_t k = 0; k < desc->n_outputs; k++) {
        const unsigned char *out = rig->io.outputs[k];
        size_t from = k % desc->n_inputs;
        size_t n = desc->inputs[from].size;
        unsigned char *in = malloc(n + 1);
        fill(in, n, seed + (unsigned)from);
        for (size_t j = 0; j < desc->outputs[k].size; j++)
            if (out[j] != (n ? 255 - in[j % n] : 255))
                fail_msg("output %zu, byte %zu: %u", k, j, out[j]);
        free(in);
    }
}

static void fill_inputs(const struct rig *rig, unsigned seed)
{
    for (size_t i = 0; i < rig->desc->n_inputs; i++)
        fill(rig->io.inputs[i], rig->desc->inputs[i].size, seed + (unsigned)i);
}

#define IN(shape) "{\"name\":\"x\",\"dtype\":\"uint8\",\"shape\":[" shape "]}"
#define IN2(shape) "{\"name\":\"z\",\"dtype\":\"bool\",\"shape\":[" shape "]}"
#define OUT(name, shape) "{\"name\":\"" name "\",\"dtype\":\"uint8\",\"shape\":[" shape "]}"
#define SMALL(more) "{\"inputs\":[" IN("4") "],\"outputs\":[" OUT("y", "4") "]" more "}"

/* ------------------------------------------------------------------ function and memory */

static void outputs_are_the_known_function(void **state)
{
    (void)state;
    static const char *const models[] = {
        "{\"inputs\":[" IN("300") "],\"outputs\":[" OUT("a", "300") "," OUT("b", "7") "," OUT("c",
                                                                                              "1000") "]}",
        "{\"inputs\":[" IN("63") "," IN2("130") "],\"outputs\":[" OUT("a", "64") "," OUT("b", "1000") "," OUT(
            "c", "62") "," OUT("d", "2,65") "]}",
        "{\"inputs\":[" IN("0,5") "," IN2("3") "],\"outputs\":[" OUT("a", "100") "," OUT("b", "0") "," OUT(
            "c", "") "]}",
        "{\"inputs\":[" IN("1") "],\"outputs\":[" OUT("a", "100003") "]}",
        "{\"inputs\":[" IN("64") "," IN2("0") "],\"outputs\":[" OUT("a", "128") "]}",
    };
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct rig rig;
        rig_open(&rig, models[m]);
        for (unsigned batch = 0; batch < 3; batch++) {
            rig.io.batch = batch;
            fill_inputs(&rig, batch * 17);
            for (int kind = 0; kind < 3; kind++)
                assert_int_equal(call(&rig, (enum aispipe_lane_kind)kind, NULL), 0);
            check_results(&rig, batch * 17);
        }
        rig_close(&rig);
    }
}

static void device_memory_is_its_own(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "{\"inputs\":[" IN("200") "],\"outputs\":[" OUT("y", "200") "]}");
    fill_inputs(&rig, 1);
    assert_int_equal(call(&rig, AISPIPE_LANE_H2D, NULL), 0);
    fill_inputs(&rig, 99); /* too late: the device has its copy */
    memset(rig.io.outputs[0], 0x5a, 200);
    assert_int_equal(call(&rig, AISPIPE_LANE_COMPUTE, NULL), 0);
    for (size_t i = 0; i < 200; i++) /* nothing arrives before d2h */
        assert_int_equal(((unsigned char *)rig.io.outputs[0])[i], 0x5a);
    assert_int_equal(call(&rig, AISPIPE_LANE_D2H, NULL), 0);
    check_results(&rig, 1);
    memset(rig.io.outputs[0], 0, 200);
    assert_int_equal(call(&rig, AISPIPE_LANE_D2H, NULL), 0); /* it is still on the device */
    check_results(&rig, 1);
    rig_close(&rig);
}

static void device_bytes_are_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "{\"inputs\":[" IN("1000") "],\"outputs\":[" OUT("y", "3000") "]}");
    size_t bytes = rig.backend->io_bytes(rig.model);
    assert_true(bytes >= 4000 && bytes <= 4000 + 2 * 64);
    rig_close(&rig);
}

/* The sanitizers end the program at such an allocation unless they are told that it may fail. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void memory_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const char *const shapes[][2] = {{"4503599627370496", "1"},
                                            {"1", "2251799813685248,4096"},
                                            {"4503599627370496,4095", "1"},
                                            {"4503599627370496,4095", "9007199254740992"}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char json[256];
        (void)snprintf(json, sizeof json, "{\"inputs\":[" IN("%s") "],\"outputs\":[" OUT("y", "%s") "]}",
                       shapes[i][0], shapes[i][1]);
        struct rig rig = {0};
        assert_int_equal(aispipe_backend_find("sim", "", &rig.backend, NULL), 0);
        struct aispipe_backend_config config = {.compute_threads = 1};
        assert_int_equal(rig.backend->open(&config, &rig.device, NULL), 0);
        rig.model = load(rig.backend, rig.device, json);
        struct aispipe_error error = {0};
        assert_int_equal(rig.backend->io_create(rig.model, &rig.io, &error), AISPIPE_NO_MEMORY);
        assert_non_null(strstr(error.message, "memory"));
        rig.backend->unload(rig.model);
        rig.backend->close(rig.device);
    }
}

static void what_it_cannot_do_is_refused(void **state)
{
    (void)state;
    const struct aispipe_backend *sim;
    assert_int_equal(aispipe_backend_find("sim", "", &sim, NULL), 0);
    void *device = NULL;
    struct aispipe_error error = {0};
    struct aispipe_backend_config config = {.compute_threads = 1, .engine_device = "GPU"};
    assert_int_equal(sim->open(&config, &device, &error), AISPIPE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "--engine_device GPU"));
    const char *const options[] = {"A=B"};
    config = (struct aispipe_backend_config){
        .compute_threads = 1, .engine_options = options, .n_engine_options = 1};
    assert_int_equal(sim->open(&config, &device, &error), AISPIPE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "A=B"));
    assert_null(device);
}

/* ------------------------------------------------------------------ time */

/* Nanoseconds that `calls` calls take together. */
static uint64_t measure(const char *json, enum aispipe_lane_kind kind, unsigned calls)
{
    struct rig rig;
    rig_open(&rig, json);
    uint64_t start = clock_ns();
    for (unsigned i = 0; i < calls; i++) {
        rig.io.batch = i;
        assert_int_equal(call(&rig, kind, NULL), 0);
    }
    uint64_t took = clock_ns() - start;
    rig_close(&rig);
    return took;
}

/* Only lower bounds: how late a loaded machine is cannot be promised. A sleep may be shortened to pay back
 * lateness, but what was late is in the sum, so the sum is at least nominal less one call's lateness. */
static void calls_take_their_time(void **state)
{
    (void)state;
    static const char *const waits[] = {"sleep", "spin"};
    for (size_t w = 0; w < 2; w++) {
        char json[512];
        (void)snprintf(json, sizeof json,
                       SMALL(",\"h2d\":{\"latency_us\":500,\"wait\":\"%s\"},"
                             "\"compute\":{\"bytes_per_s\":16000,\"wait\":\"%s\"},"
                             "\"d2h\":{\"latency_us\":100,\"bytes_per_s\":10000,\"wait\":\"%s\"}"),
                       waits[w], waits[w], waits[w]);
        for (int kind = 0; kind < 3; kind++) /* 500 us; 8 bytes at 16000/s; 100 us and 4 bytes at 10000/s */
            assert_true(measure(json, (enum aispipe_lane_kind)kind, 40) >= 40 * 490000ull);
    }
}

static void no_call_looks_free(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, SMALL(",\"compute\":{\"latency_us\":400}"));
    for (unsigned i = 0; i < 50; i++) {
        uint64_t start = clock_ns();
        assert_int_equal(call(&rig, AISPIPE_LANE_COMPUTE, NULL), 0);
        assert_true(clock_ns() - start >= 200000); /* at most half is paid back */
    }
    rig_close(&rig);
}

static void jitter_is_uniform_on_the_mean(void **state)
{
    (void)state;
    /* The mean of 200 uniform draws is below 0.35 once in 10^12 seeds, and the draws are the same each time.
     */
    uint64_t took = measure(SMALL(",\"compute\":{\"jitter_us\":400,\"seed\":7}"), AISPIPE_LANE_COMPUTE, 200);
    assert_true(took >= 200 * 140000ull);
}

struct slack_probe {
    struct rig *rig;
    bool warmup;
    int slack_ns;
};

static void *probe_slack(void *context)
{
    struct slack_probe *probe = context;
    (void)prctl(PR_SET_TIMERSLACK, 70000UL, 0UL, 0UL, 0UL);
    probe->rig->io.warmup = probe->warmup;
    assert_int_equal(call(probe->rig, AISPIPE_LANE_COMPUTE, NULL), 0);
    probe->slack_ns = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
    return NULL;
}

/* The warm-up runs in the caller's thread, whose settings stay as they are; the stage thread sets its own. */
static void precision_is_the_stage_threads(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, SMALL(",\"compute\":{\"latency_us\":10}"));
    for (int warmup = 1; warmup >= 0; warmup--) {
        struct slack_probe probe = {.rig = &rig, .warmup = warmup};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, probe_slack, &probe), 0);
        pthread_join(thread, NULL);
        assert_int_equal(probe.slack_ns, warmup ? 70000 : 1);
    }
    rig_close(&rig);
}

/* ------------------------------------------------------------------ faults */

static void faults_come_where_they_were_asked_for(void **state)
{
    (void)state;
    static const char *const names[] = {"h2d", "compute", "d2h"};
    for (int at = 0; at < 3; at++) {
        char json[256];
        (void)snprintf(json, sizeof json, SMALL(",\"%s\":{\"fail_at\":2}"), names[at]);
        struct rig rig;
        rig_open(&rig, json);
        for (unsigned batch = 0; batch < 4; batch++)
            for (int kind = 0; kind < 3; kind++) {
                struct aispipe_error error = {0};
                rig.io.batch = batch;
                rig.io.warmup = true;
                assert_int_equal(call(&rig, (enum aispipe_lane_kind)kind, &error), 0);
                rig.io.warmup = false;
                bool fails = kind == at && batch == 2;
                assert_int_equal(call(&rig, (enum aispipe_lane_kind)kind, &error),
                                 fails ? AISPIPE_DEVICE : 0);
                assert_true(!fails ||
                            (strstr(error.message, "simulated fault") && strstr(error.message, names[at])));
            }
        rig_close(&rig);
    }
}

static void a_hang_delays_its_batch_only(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, SMALL(",\"d2h\":{\"hang_at\":1,\"hang_ms\":60}"));
    rig.io.batch = 1;
    uint64_t start = clock_ns();
    assert_int_equal(call(&rig, AISPIPE_LANE_D2H, NULL), 0);
    assert_true(clock_ns() - start >= 60000000);
    rig_close(&rig);
    rig_open(&rig, SMALL(",\"d2h\":{\"hang_at\":1,\"hang_ms\":3600000}")); /* an hour: would time out */
    assert_int_equal(call(&rig, AISPIPE_LANE_D2H, NULL), 0);
    rig.io.batch = 2;
    assert_int_equal(call(&rig, AISPIPE_LANE_D2H, NULL), 0);
    rig.io.batch = 1;
    rig.io.warmup = true;
    assert_int_equal(call(&rig, AISPIPE_LANE_D2H, NULL), 0);
    rig_close(&rig);
}

static void a_hang_comes_before_the_fault(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, SMALL(",\"compute\":{\"hang_at\":0,\"hang_ms\":20,\"fail_at\":0}"));
    uint64_t start = clock_ns();
    assert_int_equal(call(&rig, AISPIPE_LANE_COMPUTE, NULL), AISPIPE_DEVICE);
    assert_true(clock_ns() - start >= 20000000);
    rig_close(&rig);
}

/* ------------------------------------------------------------------ threads */

struct runner {
    struct rig rig; /* shares device and model, owns io and lanes */
    unsigned index;
};

static void *run_batches(void *context)
{
    struct runner *runner = context;
    struct rig *rig = &runner->rig;
    for (unsigned batch = 0; batch < 100; batch++) {
        rig->io.batch = batch;
        fill_inputs(rig, batch + runner->index * 1000);
        for (int kind = 0; kind < 3; kind++)
            assert_int_equal(call(rig, (enum aispipe_lane_kind)kind, NULL), 0);
        check_results(rig, batch + runner->index * 1000);
    }
    return NULL;
}

/* Says something under ThreadSanitizer: lanes share the model and nothing else. */
static void lanes_run_at_the_same_time(void **state)
{
    (void)state;
    struct rig main_rig;
    rig_open(&main_rig, "{\"inputs\":[" IN("500") "," IN2("3") "],\"outputs\":[" OUT("a", "700") "," OUT(
                            "b", "9") "],\"compute\":{\"latency_us\":5,\"jitter_us\":20,\"seed\":3},"
                                      "\"d2h\":{\"latency_us\":2,\"wait\":\"spin\"}}");
    struct runner runners[LANES];
    pthread_t threads[LANES];
    for (unsigned i = 0; i < LANES; i++) {
        runners[i] = (struct runner){.rig = main_rig, .index = i};
        open_io(&runners[i].rig, &runners[i].rig.io, runners[i].rig.buffers);
        for (int kind = 0; kind < 3; kind++)
            assert_int_equal(main_rig.backend->lane_create(main_rig.model, (enum aispipe_lane_kind)kind, i,
                                                           &runners[i].rig.lanes[kind], NULL),
                             0);
    }
    for (unsigned i = 0; i < LANES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_batches, &runners[i]), 0);
    for (unsigned i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        for (int kind = 0; kind < 3; kind++)
            main_rig.backend->lane_destroy(main_rig.model, runners[i].rig.lanes[kind]);
        close_io(&runners[i].rig, &runners[i].rig.io, runners[i].rig.buffers);
    }
    rig_close(&main_rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_the_known_function),
        cmocka_unit_test(device_memory_is_its_own),
        cmocka_unit_test(device_bytes_are_told),
        cmocka_unit_test(memory_that_cannot_be_is_refused),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(calls_take_their_time),
        cmocka_unit_test(no_call_looks_free),
        cmocka_unit_test(jitter_is_uniform_on_the_mean),
        cmocka_unit_test(precision_is_the_stage_threads),
        cmocka_unit_test(faults_come_where_they_were_asked_for),
        cmocka_unit_test(a_hang_delays_its_batch_only),
        cmocka_unit_test(a_hang_comes_before_the_fault),
        cmocka_unit_test(lanes_run_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The OpenVINO backend on models made here: what comes out, where it lands, and what is refused in which
 * words. Skipped only where no OpenVINO library is found.
 */
#include "unit.h"

#include "ir.h"

#include "aispipe/backend.h"

#include <pthread.h>

extern const struct aispipe_backend backend_openvino;

static const struct aispipe_backend *const b = &backend_openvino;
static struct temp_dir dir;
static char no_engine[2048]; /* why the tests are skipped; empty: they are not */
static char logged[8192];

static const char add[] = "type=\"Add\" version=\"opset1\"";
static const char multiply[] = "type=\"Multiply\" version=\"opset1\"";
static const char relu[] = "type=\"ReLU\" version=\"opset1\"";
static const char numpy_rule[] = "<data auto_broadcast=\"numpy\"/>";

static void need_engine(void)
{
    if (*no_engine) {
        print_message("skipped: %s\n", no_engine);
        skip();
    }
}

static void keep_log(void *context, enum aispipe_log_level level, const char *line)
{
    (void)context;
    (void)level;
    size_t used = strlen(logged);
    (void)snprintf(logged + used, sizeof logged - used, "%s\n", line);
}

/* A loaded model and its device. */
struct engine {
    void *device;
    void *model;
    const struct aispipe_model_desc *desc;
};

struct setting {
    const char *device;
    const char *options[4];
    size_t n_options;
    unsigned lanes;
};

static int engine_try(struct engine *engine, const char *path, const struct setting *setting,
                      struct aispipe_error *error)
{
    *logged = '\0';
    struct aispipe_backend_config config = {
        .engine_device = setting->device,
        .engine_options = setting->options,
        .n_engine_options = setting->n_options,
        .compute_threads = setting->lanes ? setting->lanes : 1,
        .log = {.write = keep_log, .debug = true},
    };
    int rc = b->open(&config, &engine->device, error);
    if (rc)
        return rc;
    rc = b->load(engine->device, path, &engine->model, error);
    if (rc)
        b->close(engine->device);
    else
        engine->desc = b->describe(engine->model);
    return rc;
}

static struct engine engine_open(const char *path, unsigned lanes)
{
    struct engine engine;
    struct aispipe_error error = {.message = ""};
    if (engine_try(&engine, path, &(struct setting){.lanes = lanes}, &error) != 0)
        fail_msg("%s", error.message);
    return engine;
}

static void engine_close(struct engine *engine)
{
    b->unload(engine->model);
    b->close(engine->device);
}

/* Opening and loading fails with this code; the message is one line that holds all of the words. */
static void refused(const char *path, const struct setting *setting, int code, const char *const *words)
{
    struct engine engine;
    struct aispipe_error error = {.message = ""};
    assert_int_equal(engine_try(&engine, path, setting, &error), code);
    assert_int_equal(error.code, code);
    assert_null(strchr(error.message, '\n'));
    assert_null(strstr(error.message, ".cpp:"));
    for (; *words; words++)
        if (!strstr(error.message, *words))
            fail_msg("'%s' is not in: %s", *words, error.message);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---------------------------------------------------------------- a slot with guards around its memory */

enum { MAX_BYTES = 4096, GUARD = 64, POISON = 0xa5 };

struct buffer {
    _Alignas(64) unsigned char bytes[MAX_BYTES + 2 * GUARD];
};

struct test_slot {
    struct buffer inputs[3];
    struct buffer outputs[3];
    void *in[3];
    void *out[3];
    struct aispipe_io io;
};

static void slot_open(struct test_slot *slot, const struct engine *engine)
{
    memset(slot, POISON, sizeof *slot);
    for (int i = 0; i < 3; i++) {
        slot->in[i] = slot->inputs[i].bytes + GUARD;
        slot->out[i] = slot->outputs[i].bytes + GUARD;
    }
    slot->io = (struct aispipe_io){.inputs = slot->in, .outputs = slot->out};
    assert_int_equal(b->io_create(engine->model, &slot->io, NULL), 0);
}

static void slot_close(struct test_slot *slot, const struct engine *engine)
{
    b->io_destroy(engine->model, &slot->io);
    for (size_t i = 0; i < engine->desc->n_outputs; i++) {
        const unsigned char *bytes = slot->outputs[i].bytes;
        for (size_t k = 0; k < GUARD; k++) {
            assert_int_equal(bytes[k], POISON);
            assert_int_equal(bytes[GUARD + engine->desc->outputs[i].size + k], POISON);
        }
    }
}

/* One execution on a lane made for it. */
static void run_once(const struct engine *engine, struct test_slot *slot)
{
    void *lane = NULL;
    struct aispipe_error error = {.message = ""};
    assert_int_equal(b->lane_create(engine->model, AISPIPE_LANE_COMPUTE, 0, &lane, &error), 0);
    if (b->compute(lane, &slot->io, &error) != 0)
        fail_msg("%s", error.message);
    b->lane_destroy(engine->model, lane);
}

/* ---------------------------------------------------------------- models */

/* y = ReLU(x), float32. */
static const char *relu_model(const char *name, const char *shape)
{
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "x", "f32", shape);
    int y = ir_op(&ir, relu, "", x, -1, "f32", shape, "y");
    ir_output(&ir, y, "f32", shape);
    return ir_save(&ir, &dir, name, NULL, 0);
}

static const char *sum_and_product(const char *type, const char *shape)
{
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "a", type, shape);
    int y = ir_input(&ir, "b", type, shape);
    int sum = ir_op(&ir, add, numpy_rule, x, y, type, shape, "sum");
    int product = ir_op(&ir, multiply, numpy_rule, x, y, type, shape, "product");
    ir_output(&ir, sum, type, shape);
    ir_output(&ir, product, type, shape);
    return ir_save(&ir, &dir, "sum_and_product", NULL, 0);
}

/* ---------------------------------------------------------------- what comes out */

static void two_inputs_and_two_outputs(void **state)
{
    (void)state;
    need_engine();
    struct engine engine = engine_open(sum_and_product("f32", "2,3"), 1);
    const struct aispipe_model_desc *desc = engine.desc;
    assert_int_equal(desc->n_inputs, 2);
    assert_int_equal(desc->n_outputs, 2);
    assert_string_equal(desc->inputs[0].name, "a");
    assert_string_equal(desc->inputs[1].name, "b");
    assert_string_equal(desc->outputs[0].name, "sum");
    assert_string_equal(desc->outputs[1].name, "product");
    assert_int_equal(desc->inputs[1].rank, 2);
    assert_int_equal(desc->inputs[1].dims[0], 2);
    assert_int_equal(desc->inputs[1].dims[1], 3);
    assert_int_equal(desc->outputs[0].size, 24);
    static struct test_slot slot;
    slot_open(&slot, &engine);
    memcpy(slot.in[0], (float[]){1, 2, 3, -4, 5, 6}, 24);
    memcpy(slot.in[1], (float[]){10, 20, 30, 40, 50, -60}, 24);
    run_once(&engine, &slot);
    assert_memory_equal(slot.out[0], ((float[]){11, 22, 33, 36, 55, -54}), 24);
    assert_memory_equal(slot.out[1], ((float[]){10, 40, 90, -160, 250, -360}), 24);
    slot_close(&slot, &engine);
    engine_close(&engine);
}

static void scalars(void **state)
{
    (void)state;
    need_engine();
    struct engine engine = engine_open(sum_and_product("f32", ""), 1);
    assert_int_equal(engine.desc->inputs[0].rank, 0);
    assert_int_equal(engine.desc->inputs[0].size, 4);
    static struct test_slot slot;
    slot_open(&slot, &engine);
    memcpy(slot.in[0], &(float){3}, 4);
    memcpy(slot.in[1], &(float){-5}, 4);
    run_once(&engine, &slot);
    assert_memory_equal(slot.out[0], &(float){-2}, 4);
    assert_memory_equal(slot.out[1], &(float){-15}, 4);
    slot_close(&slot, &engine);
    engine_close(&engine);
}

static void no_elements(void **state)
{
    (void)state;
    need_engine();
    struct engine engine = engine_open(relu_model("nothing", "0,4"), 1);
    assert_int_equal(engine.desc->inputs[0].size, 0);
    static struct test_slot slot;
    slot_open(&slot, &engine);
    run_once(&engine, &slot);
    slot_close(&slot, &engine);
    engine_close(&engine);
}

/* Twice the input, end to end, whose bytes must not change: [3] gives [6]. */
static const char *concat_model(const char *type)
{
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "x", type, "3");
    int y = ir_op(&ir, "type=\"Concat\" version=\"opset1\"", "<data axis=\"0\"/>", x, x, type, "6", "y");
    ir_output(&ir, y, type, "6");
    return ir_save(&ir, &dir, "concat", NULL, 0);
}

static void every_element_type(void **state)
{
    (void)state;
    need_engine();
    static const struct {
        const char *name;
        enum aispipe_dtype dtype;
        unsigned char bytes[24];
    } types[] = {
        {"boolean", AISPIPE_BOOL, {1, 0, 1}},
        {"u8", AISPIPE_UINT8, {1, 200, 255}},
        {"i8", AISPIPE_INT8, {1, 0x80, 0xff}},
        {"u16", AISPIPE_UINT16, {1, 0, 0xff, 0xff, 3, 2}},
        {"i16", AISPIPE_INT16, {1, 0, 0xff, 0xff, 0, 0x80}},
        {"f16", AISPIPE_FLOAT16, {0, 0x3c, 0, 0xc0, 0, 0x38}},
        {"bf16", AISPIPE_BFLOAT16, {0x80, 0x3f, 0, 0xc0, 0, 0x3f}},
        {"u32", AISPIPE_UINT32, {1, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 4}},
        {"i32", AISPIPE_INT32, {1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4}},
        {"f32", AISPIPE_FLOAT32, {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1, 2, 3, 4}},
        {"u64", AISPIPE_UINT64, {1, 0, 0, 0, 0, 0, 0, 0, 7, 6, 5}},
        {"i64", AISPIPE_INT64, {1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9}},
        {"f64", AISPIPE_FLOAT64, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct engine engine = engine_open(concat_model(types[i].name), 1);
        size_t bytes = 3 * aispipe_dtype_size(types[i].dtype);
        assert_int_equal(engine.desc->inputs[0].dtype, types[i].dtype);
        assert_int_equal(engine.desc->outputs[0].dtype, types[i].dtype);
        assert_int_equal(engine.desc->inputs[0].size, bytes);
        static struct test_slot slot;
        slot_open(&slot, &engine);
        memcpy(slot.in[0], types[i].bytes, bytes);
        run_once(&engine, &slot);
        assert_memory_equal(slot.out[0], types[i].bytes, bytes);
        assert_memory_equal((char *)slot.out[0] + bytes, types[i].bytes, bytes);
        slot_close(&slot, &engine);
        engine_close(&engine);
    }
}

/* Outputs: the input itself, the same node twice, a constant. All must be written into the slot. */
/* The engine computes these types in 32 bits: what does not fit is refused, not changed. */
static void integers_that_do_not_fit(void **state)
{
    (void)state;
    need_engine();
    static const struct {
        const char *name;
        uint64_t good, bad;
    } types[] = {{"i64", (uint64_t)INT32_MIN, (uint64_t)INT32_MIN - 1},
                 {"i64", INT32_MAX, (uint64_t)INT32_MAX + 1},
                 {"u64", INT32_MAX, (uint64_t)INT32_MAX + 1},
                 {"u32", INT32_MAX, (uint64_t)INT32_MAX + 1}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct engine engine = engine_open(concat_model(types[i].name), 1);
        size_t item = aispipe_dtype_size(engine.desc->inputs[0].dtype);
        static struct test_slot slot;
        struct aispipe_error error;
        void *lane;
        slot_open(&slot, &engine);
        memset(slot.in[0], 0, 3 * item);
        memcpy((char *)slot.in[0] + item, &types[i].good, item);
        run_once(&engine, &slot);
        assert_memory_equal(slot.out[0], slot.in[0], 3 * item);
        memcpy((char *)slot.in[0] + item, &types[i].bad, item);
        assert_int_equal(backend_openvino.lane_create(engine.model, AISPIPE_LANE_COMPUTE, 0, &lane, &error),
                         0);
        assert_int_equal(backend_openvino.compute(lane, &slot.io, &error), AISPIPE_UNSUPPORTED);
        assert_non_null(strstr(error.message, "element 1 of input 'x'"));
        backend_openvino.lane_destroy(engine.model, lane);
        slot_close(&slot, &engine);
        engine_close(&engine);
    }
}

static void outputs_that_nothing_computes(void **state)
{
    (void)state;
    need_engine();
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "x", "f32", "3");
    int c = ir_constant(&ir, "f32", "3", 0, 12);
    ir_output(&ir, x, "f32", "3");
    ir_output(&ir, c, "f32", "3");
    ir_output(&ir, c, "f32", "3");
    struct engine engine = engine_open(ir_save(&ir, &dir, "idle", (float[]){7, 8, 9}, 12), 1);
    static struct test_slot slot;
    slot_open(&slot, &engine);
    for (int round = 1; round < 4; round++) {
        float k = (float)round;
        memcpy(slot.in[0], (float[]){k, -k, 3}, 12);
        run_once(&engine, &slot);
        assert_memory_equal(slot.in[0], ((float[]){k, -k, 3}), 12);
        assert_memory_equal(slot.out[0], ((float[]){k, -k, 3}), 12);
        assert_memory_equal(slot.out[1], ((float[]){7, 8, 9}), 12);
        assert_memory_equal(slot.out[2], ((float[]){7, 8, 9}), 12);
    }
    slot_close(&slot, &engine);
    engine_close(&engine);
}

static void one_node_for_two_outputs(void **state)
{
    (void)state;
    need_engine();
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "x", "f32", "3");
    int y = ir_op(&ir, relu, "", x, -1, "f32", "3", "y");
    ir_output(&ir, y, "f32", "3");
    ir_output(&ir, x, "f32", "3");
    ir_output(&ir, y, "f32", "3");
    struct engine engine = engine_open(ir_save(&ir, &dir, "twice", NULL, 0), 1);
    static struct test_slot slot;
    slot_open(&slot, &engine);
    memcpy(slot.in[0], (float[]){1, -2, 3}, 12);
    run_once(&engine, &slot);
    assert_memory_equal(slot.out[0], ((float[]){1, 0, 3}), 12);
    assert_memory_equal(slot.out[1], ((float[]){1, -2, 3}), 12);
    assert_memory_equal(slot.out[2], ((float[]){1, 0, 3}), 12);
    slot_close(&slot, &engine);
    engine_close(&engine);
}

/* A lane follows the slot that it is given, also one that lives where another has been before. */
static void lanes_follow_the_slot(void **state)
{
    (void)state;
    need_engine();
    struct engine engine = engine_open(relu_model("follow", "3"), 1);
    static struct test_slot slots[2];
    slot_open(&slots[0], &engine);
    slot_open(&slots[1], &engine);
    void *lane = NULL;
    assert_int_equal(b->lane_create(engine.model, AISPIPE_LANE_COMPUTE, 0, &lane, NULL), 0);
    for (int k = 0; k < 20; k++) {
        struct test_slot *slot = &slots[k * 7 % 3 % 2];
        memcpy(slot->in[0], (float[]){(float)k, -1, 2}, 12);
        assert_int_equal(b->compute(lane, &slot->io, NULL), 0);
        assert_memory_equal(slot->out[0], ((float[]){(float)k, 0, 2}), 12);
        if (k % 5 == 4) { /* the tensors go, the memory stays */
            slot_close(slot, &engine);
            slot_open(slot, &engine);
        }
    }
    b->lane_destroy(engine.model, lane);
    slot_close(&slots[0], &engine);
    slot_close(&slots[1], &engine);
    engine_close(&engine);
}

/* Slots that come back often get requests of their own (openvino_lane.c), up to a number that this one
 * exceeds: each still gets its own result, from where its memory is now. */
static void slots_that_come_back(void **state)
{
    (void)state;
    need_engine();
    enum { SLOTS = 520, TIMES = 12 };
    struct engine engine = engine_open(relu_model("back", "3"), 1);
    struct test_slot *slots = calloc(SLOTS, sizeof *slots);
    assert_non_null(slots);
    for (int i = 0; i < SLOTS; i++)
        slot_open(&slots[i], &engine);
    void *lane = NULL;
    assert_int_equal(b->lane_create(engine.model, AISPIPE_LANE_COMPUTE, 0, &lane, NULL), 0);
    for (int k = 0; k < TIMES * SLOTS; k++) {
        struct test_slot *slot = &slots[k % SLOTS];
        if (k % 1001 == 1000) { /* its request, if it has one, has the old tensor now */
            slot->in[0] = slot->inputs[1].bytes + GUARD;
            assert_int_equal(b->io_bind(engine.model, &slot->io, false, 0, slot->in[0], NULL), 0);
        }
        if (k % 997 == 996) { /* the tensors go, the memory stays; the new one has another's place */
            slot_close(slot, &engine);
            slot_open(slot, &engine);
        }
        memcpy(slot->in[0], (float[]){(float)k, -1, 2}, 12);
        assert_int_equal(b->compute(lane, &slot->io, NULL), 0);
        assert_memory_equal(slot->out[0], ((float[]){(float)k, 0, 2}), 12);
    }
    b->lane_destroy(engine.model, lane);
    for (int i = 0; i < SLOTS; i++)
        slot_close(&slots[i], &engine);
    free(slots);
    engine_close(&engine);
}

/* ---------------------------------------------------------------- lanes at the same time */

enum { LANES = 4, ROUNDS = 500 };

struct runner {
    struct test_slot slots[2];
    void *lane;
    unsigned index;
    unsigned wrong;
    pthread_t thread;
};

static void *run_lane(void *argument)
{
    struct runner *runner = argument;
    for (unsigned k = 0; k < ROUNDS; k++) {
        struct test_slot *slot = &runner->slots[k % 2];
        float x[3] = {(float)k, -1, (float)runner->index};
        memcpy(slot->in[0], x, sizeof x);
        const float *y = slot->out[0];
        if (b->compute(runner->lane, &slot->io, NULL) != 0 || y[0] != x[0] || y[1] != 0 || y[2] != x[2])
            runner->wrong++;
    }
    return NULL;
}

static void run_lanes(const char *path, const struct setting *setting)
{
    static struct runner runners[LANES];
    struct engine engine;
    struct aispipe_error error = {.message = ""};
    if (engine_try(&engine, path, setting, &error) != 0)
        fail_msg("%s", error.message);
    for (unsigned i = 0; i < LANES; i++) {
        runners[i].index = i;
        runners[i].wrong = 0;
        slot_open(&runners[i].slots[0], &engine);
        slot_open(&runners[i].slots[1], &engine);
        assert_int_equal(b->lane_create(engine.model, AISPIPE_LANE_COMPUTE, i, &runners[i].lane, NULL), 0);
    }
    for (unsigned i = 0; i < LANES; i++)
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run_lane, &runners[i]), 0);
    for (unsigned i = 0; i < LANES; i++) {
        assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
        assert_int_equal(runners[i].wrong, 0);
        b->lane_destroy(engine.model, runners[i].lane);
        slot_close(&runners[i].slots[0], &engine);
        slot_close(&runners[i].slots[1], &engine);
    }
    engine_close(&engine);
}

static void lanes_at_the_same_time(void **state)
{
    (void)state;
    need_engine();
    const char *path = relu_model("lanes", "3");
    run_lanes(path, &(struct setting){.lanes = LANES});
    /* One model for all lanes, by the user's wish; and more lanes than were announced. */
    run_lanes(path, &(struct setting){.lanes = LANES, .options = {"NUM_STREAMS=2"}, .n_options = 1});
    run_lanes(path, &(struct setting){.lanes = 2});
}

/* ---------------------------------------------------------------- properties */

static void defaults_and_the_users_word(void **state)
{
    (void)state;
    need_engine();
    const char *path = relu_model("properties", "3");
    struct engine engine = engine_open(path, 2);
    engine_close(&engine);
    assert_non_null(strstr(logged, "INFERENCE_PRECISION_HINT=f32"));
    assert_non_null(strstr(logged, "NUM_STREAMS=1"));

    struct setting own = {.options = {"INFERENCE_PRECISION_HINT=bf16", "NUM_STREAMS=2"}, .n_options = 2};
    assert_int_equal(engine_try(&engine, path, &own, NULL), 0);
    engine_close(&engine);
    assert_non_null(strstr(logged, "INFERENCE_PRECISION_HINT=bf16"));
    assert_null(strstr(logged, "INFERENCE_PRECISION_HINT=f32"));
    assert_non_null(strstr(logged, "NUM_STREAMS=2"));
    assert_null(strstr(logged, "NUM_STREAMS=1"));

    struct setting hint = {.options = {"PERFORMANCE_HINT=THROUGHPUT", "EXECUTION_MODE_HINT=PERFORMANCE"},
                           .n_options = 2};
    assert_int_equal(engine_try(&engine, path, &hint, NULL), 0);
    engine_close(&engine);
    assert_null(strstr(logged, "NUM_STREAMS"));
    assert_null(strstr(logged, "INFERENCE_PRECISION_HINT"));
}

static void bad_options_are_named(void **state)
{
    (void)state;
    need_engine();
    const char *path = relu_model("options", "3");
    refused(path, &(struct setting){.options = {"PERF_COUNT=YES", "WHAT=1"}, .n_options = 2}, AISPIPE_INVALID,
            WORDS("WHAT=1", "CPU"));
    refused(path, &(struct setting){.options = {"NUM_STREAMS=many"}, .n_options = 1}, AISPIPE_INVALID,
            WORDS("NUM_STREAMS=many"));
    refused(path, &(struct setting){.options = {"NUM_STREAMS"}, .n_options = 1}, AISPIPE_INVALID,
            WORDS("'NUM_STREAMS'", "KEY=VALUE"));
    refused(path, &(struct setting){.options = {"=1"}, .n_options = 1}, AISPIPE_INVALID, WORDS("'=1'"));
}

static void unknown_devices_list_the_known(void **state)
{
    (void)state;
    need_engine();
    const char *path = relu_model("device", "3");
    refused(path, &(struct setting){.device = "TOASTER"}, AISPIPE_DEVICE,
            WORDS("'TOASTER'", "available: ", "CPU"));
    refused(path, &(struct setting){.device = "CPU.7"}, AISPIPE_DEVICE, WORDS("'CPU.7'", "available: "));
}

/* ---------------------------------------------------------------- models that are refused */

static void has_shape(const struct aispipe_tensor_desc *desc, int64_t first, int64_t second, size_t size)
{
    assert_int_equal(desc->rank, 2);
    assert_int_equal(desc->dims[0], first);
    assert_int_equal(desc->dims[1], second);
    assert_int_equal(desc->size, size);
}

static void shapes_may_change(void **state)
{
    (void)state;
    need_engine();
    struct engine engine = engine_open(relu_model("unknown", "?,3"), 2);
    const struct aispipe_tensor_desc *x = &engine.desc->inputs[0];
    const struct aispipe_tensor_desc *y = &engine.desc->outputs[0];
    struct aispipe_error error = {.message = ""};
    has_shape(x, -1, 3, 0);
    has_shape(y, -1, 3, 0);
    struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_BATCH, .batch = 4};
    for (shape.batch = 4; shape.batch > 1; shape.batch--) {
        assert_int_equal(b->set_shape(engine.model, &shape, &error), 0);
        has_shape(x, (int64_t)shape.batch, 3, shape.batch * 12);
        has_shape(y, (int64_t)shape.batch, 3, shape.batch * 12);
    }
    shape = (struct aispipe_shape){.mode = AISPIPE_SHAPE_SHAPE, .dims = "x:5,4"};
    assert_int_equal(b->set_shape(engine.model, &shape, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "dimension 1 of input 'x' is 3"));
    shape.dims = "x:7,3";
    assert_int_equal(b->set_shape(engine.model, &shape, &error), 0);
    has_shape(x, 7, 3, 84);
    /* Of shapes that change from batch to batch, the largest decides. */
    const struct aispipe_tensor_desc each[] = {
        {.rank = 2, .dims = {2, 3}}, {.rank = 2, .dims = {9, 3}}, {.rank = 2, .dims = {1, 3}}};
    shape = (struct aispipe_shape){.mode = AISPIPE_SHAPE_SHAPE, .each = each, .n_each = 3};
    assert_int_equal(b->set_shape(engine.model, &shape, &error), 0);
    has_shape(x, -1, 3, 108);
    has_shape(y, -1, 3, 108);
    engine_close(&engine);
}

static void what_comes_out_is_described(void **state)
{
    (void)state;
    need_engine();
    struct ir ir = {.n = 0};
    int in = ir_input(&ir, "x", "f32", "4");
    int where = ir_op(&ir, "type=\"NonZero\" version=\"opset3\"", "<data output_type=\"i64\"/>", in, -1,
                      "i64", "1,?", "where");
    ir_output(&ir, where, "i64", "1,?");
    struct engine engine = engine_open(ir_save(&ir, &dir, "nonzero", NULL, 0), 1);
    struct aispipe_error error = {.message = ""};
    const size_t sizes[] = {16};
    const struct aispipe_shape shape = {.output_sizes = sizes, .n_output_sizes = 1};
    assert_int_equal(b->set_shape(engine.model, &shape, &error), 0);
    assert_int_equal(engine.desc->outputs[0].size, 16);
    _Alignas(64) float x[16] = {0, 1, 0, 1};
    _Alignas(64) int64_t y[8];
    void *inputs[] = {x};
    void *outputs[] = {y};
    struct aispipe_io io = {.inputs = inputs, .outputs = outputs};
    void *lane;
    assert_int_equal(b->io_create(engine.model, &io, &error), 0);
    assert_int_equal(b->lane_create(engine.model, AISPIPE_LANE_COMPUTE, 0, &lane, &error), 0);
    assert_int_equal(b->compute(lane, &io, &error), 0);
    assert_non_null(io.actual);
    has_shape(&io.actual[0], 1, 2, 16);
    assert_int_equal(y[0], 1);
    assert_int_equal(y[1], 3);
    x[0] = 1;
    assert_int_equal(b->compute(lane, &io, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "24 bytes, but 16"));
    x[1] = x[3] = 0;
    assert_int_equal(b->compute(lane, &io, &error), 0);
    has_shape(&io.actual[0], 1, 1, 8);
    assert_int_equal(y[0], 0);
    b->lane_destroy(engine.model, lane);
    b->io_destroy(engine.model, &io);
    engine_close(&engine);
}

static void element_types_without_arrays(void **state)
{
    (void)state;
    need_engine();
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "words", "string", "4");
    ir_output(&ir, x, "string", "4");
    refused(ir_save(&ir, &dir, "string", NULL, 0), &(struct setting){0}, AISPIPE_MODEL,
            WORDS("'words'", "string"));
}

static void files_that_are_no_models(void **state)
{
    (void)state;
    need_engine();
    const struct setting none = {0};
    char noise[600];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * 167 + 13);
    temp_write(&dir, "noise.onnx", noise, sizeof noise);
    temp_write(&dir, "noise.xml", noise, sizeof noise);
    temp_write(&dir, "noise.pb", noise, sizeof noise);
    temp_write(&dir, "noise.tflite", noise, sizeof noise);
    temp_write(&dir, "noise.pdmodel", noise, sizeof noise);
    temp_write(&dir, "empty.onnx", "", 0);
    /* ir_version 8, then a graph that says 200 bytes and has 3. */
    temp_write(&dir, "cut.onnx", "\x08\x08\x3a\xc8\x01\x0a\x01z", 8);
    temp_write(&dir, "headless.onnx", "\x08\x08", 2);
    temp_subdir(&dir, "folder.onnx");
    refused(temp_path(&dir, "noise.onnx"), &none, AISPIPE_MODEL, WORDS("noise.onnx", "ONNX"));
    refused(temp_path(&dir, "noise.xml"), &none, AISPIPE_MODEL, WORDS("noise.xml"));
    refused(temp_path(&dir, "noise.pb"), &none, AISPIPE_MODEL, WORDS("noise.pb"));
    refused(temp_path(&dir, "noise.tflite"), &none, AISPIPE_MODEL, WORDS("noise.tflite"));
    refused(temp_path(&dir, "noise.pdmodel"), &none, AISPIPE_MODEL, WORDS("noise.pdmodel"));
    refused(temp_path(&dir, "empty.onnx"), &none, AISPIPE_MODEL, WORDS("empty.onnx", "empty"));
    refused(temp_path(&dir, "cut.onnx"), &none, AISPIPE_MODEL, WORDS("cut.onnx", "205 bytes", "has 8"));
    refused(temp_path(&dir, "headless.onnx"), &none, AISPIPE_MODEL, WORDS("headless.onnx", "no graph"));
    refused(temp_path(&dir, "folder.onnx"), &none, AISPIPE_IO, WORDS("folder.onnx", "regular file"));
    refused(temp_path(&dir, "missing.onnx"), &none, AISPIPE_IO, WORDS("missing.onnx", "No such file"));
}

static void a_library_that_is_missing_is_named(void **state)
{
    (void)state;
    need_engine();
    const char *before = getenv("AISPIPE_OPENVINO_LIB");
    char *kept = before ? strdup(before) : NULL;
    assert_int_equal(setenv("AISPIPE_OPENVINO_LIB", "/nowhere/libopenvino_c.so", 1), 0);
    refused(relu_model("library", "3"), &(struct setting){0}, AISPIPE_DEVICE,
            WORDS("AISPIPE_OPENVINO_LIB", "/nowhere/libopenvino_c.so"));
    if (kept)
        (void)setenv("AISPIPE_OPENVINO_LIB", kept, 1);
    else
        (void)unsetenv("AISPIPE_OPENVINO_LIB");
    free(kept);
}

/* ---------------------------------------------------------------- all of them */

static int setup(void **state)
{
    (void)state;
    temp_make(&dir);
    void *device = NULL;
    struct aispipe_error error = {.message = ""};
    int rc = b->open(&(struct aispipe_backend_config){.compute_threads = 1}, &device, &error);
    if (rc == 0)
        b->close(device);
    else if (strstr(error.message, "library was not found"))
        (void)snprintf(no_engine, sizeof no_engine, "%s", error.message);
    else
        fail_msg("%s", error.message);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_remove(&dir);
    return 0;
}

int main(void)
{
    /* TBB opens a library in a way that the sanitizers refuse; this makes it use the ordinary one. */
    (void)setenv("TBB_ENABLE_SANITIZERS", "1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_inputs_and_two_outputs),
        cmocka_unit_test(scalars),
        cmocka_unit_test(no_elements),
        cmocka_unit_test(every_element_type),
        cmocka_unit_test(integers_that_do_not_fit),
        cmocka_unit_test(outputs_that_nothing_computes),
        cmocka_unit_test(one_node_for_two_outputs),
        cmocka_unit_test(lanes_follow_the_slot),
        cmocka_unit_test(slots_that_come_back),
        cmocka_unit_test(lanes_at_the_same_time),
        cmocka_unit_test(defaults_and_the_users_word),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(unknown_devices_list_the_known),
        cmocka_unit_test(shapes_may_change),
        cmocka_unit_test(what_comes_out_is_described),
        cmocka_unit_test(element_types_without_arrays),
        cmocka_unit_test(files_that_are_no_models),
        cmocka_unit_test(a_library_that_is_missing_is_named),
    };
    return cmocka_run_group_tests_name("openvino", tests, setup, teardown);
}

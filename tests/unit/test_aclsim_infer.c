/* SPDX-License-Identifier: MIT */
/* Single executions on the simulated AscendCL runtime, which counts calls and reports misuse and leaks. */
#include "unit.h"

#include "aclsim.h"
#include "aispipe/infer.h"

#include <sys/wait.h>

static struct aispipe_error error;

/*
 * The runtime starts once in a process' life, and counts are written when it ends. So each test is a process
 * of its own, which leaves its sessions to the end of the process if it likes; its report and its counts are
 * read afterwards.
 */
static void in_process(void (*body)(void))
{
    int status = 0;
    aclsim_set("REPORT", temp_path(&dir, "report"));
    aclsim_set("CALLS", temp_path(&dir, "calls"));
    (void)unlink(temp_path(&dir, "report"));
    (void)unlink(temp_path(&dir, "calls"));
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        body();
        exit(0); // NOLINT(concurrency-mt-unsafe): with its handlers, which are what is tested
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the process has ended with %x", (unsigned)status);
    assert_string_equal(aclsim_report(), "");
}

/* A failure inside ends the process, and not the test program. */
#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            (void)fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, \
                          error.message);                                                        \
            _exit(1);                                                                            \
        }                                                                                        \
    } while (0)
#define DO(call) CHECK((call) == 0)
#define REFUSES(call, code, words) CHECK((call) == (code) && strstr(error.message, words))

static unsigned long count_of(const char *call)
{
    char text[64];
    unsigned long count = 0;
    FILE *file = fopen(temp_path(&dir, "calls"), "re");
    assert_non_null(file);
    while (file && fgets(text, sizeof text, file))
        if (strncmp(text, call, strlen(call)) == 0 && text[strlen(call)] == ' ')
            count = strtoul(text + strlen(call), NULL, 10);
    if (file)
        (void)fclose(file);
    return count;
}

static const char *path;

/* The handle that a program may leave to the end of the process; here so that it can still be reached then.
 */
static struct aispipe_session *volatile left;

static struct aispipe_session *open_held(bool later)
{
    const struct aispipe_session_options options = {.hold = true, .shape_later = later, .aipp_later = true};
    struct aispipe_session *session = NULL;
    DO(aispipe_session_open(path, &options, &session, &error));
    left = session;
    return session;
}

static const char *simple_model(void)
{
    static const int64_t dims[] = {2, 8};
    return aclsim_relu("simple", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL);
}

/* ---------------------------------------------------------------- device tensors */

#define ROUNDS 1000

static void go_round(void)
{
    float values[16] = {-1, 2};
    struct aispipe_session *session = open_held(false);
    struct aispipe_feed feed = {.data = values, .size = sizeof values};
    const struct aispipe_infer_options options = {.on_device = true};
    struct aispipe_tensor *out;
    struct aispipe_tensor *host;
    DO(aispipe_session_infer(session, &feed, 1, &options, &out, &error));
    for (int i = 0; i < ROUNDS; i++) {
        struct aispipe_feed again = {.tensor = out};
        struct aispipe_tensor *next;
        DO(aispipe_session_infer(session, &again, 1, &options, &next, &error));
        aispipe_tensor_release(out);
        out = next;
    }
    CHECK(!aispipe_tensor_data(out) && aispipe_tensor_device(out) == 0);
    DO(aispipe_tensor_to_host(out, &host, &error));
    CHECK(((float *)aispipe_tensor_data(host))[0] == 0 && ((float *)aispipe_tensor_data(host))[1] == 2);
    aispipe_tensor_release(host);
    /* The session ends before its tensor, and both are left to the end of the process in part. */
    aispipe_session_close(session);
    DO(aispipe_tensor_to_host(out, &host, &error));
    aispipe_tensor_release(host);
    aispipe_tensor_release(out);
}

static void device_tensors_are_not_copied(void **state)
{
    (void)state;
    path = simple_model();
    in_process(go_round);
    assert_int_equal(count_of("aclmdlExecute"), ROUNDS + 1);
    assert_int_equal(count_of("aclrtMemcpyAsync"), 0);
    assert_int_equal(count_of("aclrtMemcpy"), 3); /* the array that was fed, and the two that were read */
    assert_true(count_of("aclrtMalloc") < 12);
    assert_int_equal(count_of("aclInit"), 1);
}

static void move_alone(void)
{
    const struct aispipe_tensor_desc desc = {.dtype = AISPIPE_FLOAT32, .rank = 2, .dims = {2, 8}};
    struct aispipe_tensor *tensor;
    struct aispipe_tensor *moved;
    struct aispipe_tensor *out;
    DO(aispipe_tensor_create(&desc, &tensor, &error));
    for (int i = 0; i < 16; i++)
        ((float *)aispipe_tensor_data(tensor))[i] = (float)(i - 8);
    DO(aispipe_tensor_to_device(tensor, "acl", 0, &moved, &error));
    struct aispipe_session *session = open_held(false);
    struct aispipe_feed feed = {.tensor = moved};
    DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
    CHECK(((float *)aispipe_tensor_data(out))[15] == 7 && ((float *)aispipe_tensor_data(out))[0] == 0);
    aispipe_tensor_release(out);
    assert_int_equal(aispipe_finalize(NULL), 0);
    REFUSES(aispipe_session_infer(session, &feed, 1, NULL, &out, &error), AISPIPE_CLOSED, "closed");
    REFUSES(aispipe_tensor_to_host(moved, &out, &error), AISPIPE_CLOSED, "finalised");
    aispipe_tensor_release(moved);
    aispipe_tensor_release(tensor);
    aispipe_session_close(session);
}

static void a_tensor_needs_no_session(void **state)
{
    (void)state;
    path = simple_model();
    in_process(move_alone);
    assert_int_equal(count_of("aclFinalize"), 1);
}

/** z = x + y, all float32 of 4 elements. */
static const char *model_of_two(void)
{
    static char text[32768];
    struct ir ir = {.n = 0};
    int x = ir_input(&ir, "x", "f32", "4");
    int y = ir_input(&ir, "y", "f32", "4");
    const char *numpy = "<data auto_broadcast=\"numpy\"/>";
    ir_output(&ir, ir_op(&ir, "type=\"Add\" version=\"opset1\"", numpy, x, y, "f32", "4", "z"), "f32", "4");
    FILE *file = fopen(ir_save(&ir, &dir, "two", NULL, 0), "re");
    assert_non_null(file);
    size_t length = file ? fread(text, 1, sizeof text, file) : 0;
    if (file)
        (void)fclose(file);
    struct om_input inputs[2] = {{.name = "x", .dtype = AISPIPE_FLOAT32, .format = OM_ND, .rank = 1}};
    inputs[0].dims[0] = inputs[0].low[0] = inputs[0].high[0] = 4;
    inputs[1] = inputs[0];
    inputs[1].name[0] = 'y';
    struct om_output output = {.name = "z", .dtype = AISPIPE_DTYPE_UNDEFINED};
    struct om_file om = {.soc_version = "Simulated",
                         .name = "two",
                         .mode = OM_STATIC,
                         .n_inputs = 2,
                         .n_outputs = 1,
                         .inputs = inputs,
                         .outputs = &output,
                         .onnx_bytes = length,
                         .onnx = text};
    const char *name = temp_path(&dir, "two.om");
    if (om_write(name, &om, &error))
        fail_msg("%s", error.message);
    return name;
}

/* One input on the device already, one on the host: only that one moves, and it does not touch the other. */
static void feed_both_kinds(void)
{
    float values[4] = {1, 2, 3, 4};
    float more[4] = {10, 10, 10, 10};
    struct aispipe_session *session = open_held(false);
    struct aispipe_feed feeds[2] = {{.data = values, .size = 16}, {.data = more, .size = 16}};
    const struct aispipe_infer_options options = {.on_device = true};
    struct aispipe_tensor *out;
    struct aispipe_tensor *next;
    DO(aispipe_session_infer(session, feeds, 2, &options, &out, &error));
    for (int i = 0; i < 100; i++) { /* x goes round, y is an array each time */
        feeds[0] = (struct aispipe_feed){.tensor = out};
        DO(aispipe_session_infer(session, feeds, 2, &options, &next, &error));
        aispipe_tensor_release(out);
        out = next;
    }
    DO(aispipe_tensor_to_host(out, &next, &error));
    CHECK(((float *)aispipe_tensor_data(next))[3] == 1014);
    aispipe_tensor_release(next);
    aispipe_tensor_release(out);
}

static void arrays_and_device_tensors_mix(void **state)
{
    (void)state;
    path = model_of_two();
    in_process(feed_both_kinds);
    assert_int_equal(count_of("aclrtMemcpy"), 2 + 100 + 1);
}

/* ---------------------------------------------------------------- sessions that come and go */

static void come_and_go(void)
{
    float values[16] = {3};
    struct aispipe_feed feed = {.data = values, .size = sizeof values};
    struct aispipe_tensor *out;
    for (int i = 0; i < 5; i++) {
        struct aispipe_session *session = open_held(false);
        DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
        CHECK(((float *)aispipe_tensor_data(out))[0] == 3);
        aispipe_tensor_release(out);
        if (i < 4) /* the last one, and its outputs, are for the end of the process */
            aispipe_session_close(session);
    }
}

static void the_runtime_starts_once(void **state)
{
    (void)state;
    path = simple_model();
    in_process(come_and_go);
    assert_int_equal(count_of("aclInit"), 1);
    assert_int_equal(count_of("aclFinalize"), 1);
    assert_int_equal(count_of("aclmdlLoadFromFile"), 5);
    assert_int_equal(count_of("aclmdlUnload"), 5);
}

static void fork_once(void)
{
    int status = 0;
    struct aispipe_session *session = open_held(false);
    pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        const struct aispipe_session_options options = {.device_id = 0};
        aispipe_session_close(session);
        assert_int_equal(aispipe_finalize(NULL), 0);
        REFUSES(aispipe_session_open(path, &options, &session, &error), AISPIPE_DEVICE, "before fork");
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_child_of_fork_is_told(void **state)
{
    (void)state;
    path = simple_model();
    in_process(fork_once);
    assert_int_equal(count_of("aclInit"), 1);
    assert_int_equal(count_of("aclFinalize"), 1);
}

/* ---------------------------------------------------------------- gears */

static void change_gears(void)
{
    float values[64];
    struct aispipe_tensor *out;
    struct aispipe_model_info info;
    struct aispipe_tensor_info tensor;
    struct aispipe_session *session = open_held(true);
    for (int i = 0; i < 64; i++)
        values[i] = (float)i;
    struct aispipe_feed feed = {.data = values, .size = 32};
    REFUSES(aispipe_session_infer(session, &feed, 1, NULL, &out, &error), AISPIPE_INVALID, "batch sizes");
    DO(aispipe_session_model_info(session, &info, &error));
    CHECK(info.mode == AISPIPE_SHAPE_BATCH && info.n_gears == 3 && info.largest_batch == 8);
    static const int64_t batches[] = {1, 8, 2, 2, 8, 1};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        const int64_t dims[] = {batches[i], 8};
        const struct aispipe_infer_options options = {.shape_from_feeds = true};
        feed =
            (struct aispipe_feed){.data = values, .size = (size_t)batches[i] * 32, .dims = dims, .rank = 2};
        DO(aispipe_session_infer(session, &feed, 1, &options, &out, &error));
        CHECK(aispipe_tensor_describe(out)->dims[0] == batches[i]);
        CHECK(((float *)aispipe_tensor_data(out))[batches[i] * 8 - 1] == (float)(batches[i] * 8 - 1));
        aispipe_tensor_release(out);
    }
    DO(aispipe_session_input_info(session, 0, &tensor, &error));
    CHECK(tensor.dims[0] == -1 && tensor.size == 256 && tensor.real_size == 32);
    const struct aispipe_shape none = {.mode = AISPIPE_SHAPE_BATCH, .batch = 3};
    REFUSES(aispipe_session_set_shape(session, &none, &error), AISPIPE_INVALID, "1, 2, 8");
    const struct aispipe_shape fixed = {.mode = AISPIPE_SHAPE_STATIC};
    REFUSES(aispipe_session_set_shape(session, &fixed, &error), AISPIPE_INVALID, "batch sizes");
    CHECK(aispipe_session_input_info(session, 1, &tensor, &error) == AISPIPE_INVALID);
    aispipe_session_close(session);
}

static void gears_change_between_calls(void **state)
{
    static const int64_t dims[] = {-1, 8};
    static int64_t gears[] = {1, 2, 8};
    (void)state;
    path = aclsim_relu("batches", OM_DYNAMIC_BATCH, 2, dims, OM_ND, 3, 1, gears);
    in_process(change_gears);
    assert_int_equal(count_of("aclmdlExecute"), 6);
}

static void open_shape(void)
{
    float values[64] = {-5, 6};
    struct aispipe_tensor *out;
    struct aispipe_session *session = open_held(true);
    const size_t room[] = {1000};
    const size_t small[] = {16};
    const struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_SHAPE, .dims = "x:3,8"};
    struct aispipe_feed feed = {.data = values, .size = 96};
    DO(aispipe_session_set_output_sizes(session, room, 1, &error));
    DO(aispipe_session_set_shape(session, &shape, &error));
    DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
    CHECK(aispipe_tensor_describe(out)->size == 96 && aispipe_tensor_describe(out)->dims[0] == 3);
    CHECK(((float *)aispipe_tensor_data(out))[1] == 6);
    aispipe_tensor_release(out);
    const int64_t dims[] = {7, 8};
    const struct aispipe_infer_options options = {.shape_from_feeds = true, .on_device = true};
    feed = (struct aispipe_feed){.data = values, .size = 224, .dims = dims, .rank = 2};
    DO(aispipe_session_infer(session, &feed, 1, &options, &out, &error));
    CHECK(aispipe_tensor_describe(out)->size == 224);
    aispipe_tensor_release(out);
    DO(aispipe_session_set_output_sizes(session, small, 1, &error));
    REFUSES(aispipe_session_infer(session, &feed, 1, NULL, &out, &error), AISPIPE_FAULT, "its buffer has 16");
    REFUSES(aispipe_session_set_output_sizes(session, room, 2, &error), AISPIPE_INVALID, "1 output;");
    aispipe_session_close(session);
}

static void open_shapes_take_room_for_outputs(void **state)
{
    static const int64_t dims[] = {-1, 8};
    (void)state;
    path = aclsim_relu("open", OM_DYNAMIC_SHAPE, 2, dims, OM_ND, 0, 0, NULL);
    in_process(open_shape);
}

/* ---------------------------------------------------------------- AIPP */

/** As aclsim_relu, images of 1 channel, 2 high and 4 wide, from grey images with dynamic AIPP. */
static const char *model_with_aipp(enum om_mode mode, const int64_t *dims, size_t n_gears, int64_t *gears)
{
    struct om_file *om = NULL;
    const char *name = aclsim_relu("grey", mode, 4, dims, OM_NCHW, n_gears, n_gears ? 1 : 0, gears);
    if (om_read(name, &om, &error))
        fail_msg("%s", error.message);
    om->inputs[0].aipp = OM_AIPP_DYNAMIC;
    om->inputs[0].aipp_bytes_most = (size_t)2 * 4 * 6;
    aipp_defaults(&om->inputs[0].aipp_source, &om->inputs[0].aipp_image);
    if (om_write(name, om, &error))
        fail_msg("%s", error.message);
    om_free(om);
    return name;
}

static void set_aipp(void)
{
    unsigned char image[8] = {0, 10, 20, 30, 40, 50, 60, 70};
    struct aispipe_tensor *out;
    struct aispipe_model_info info;
    struct aispipe_session *session = open_held(false);
    struct aispipe_feed feed = {.data = image, .size = sizeof image};
    struct aispipe_aipp aipp = {.input_format = aispipe_aipp_format("YUV400_U8"),
                                .src_image_size_w = 4,
                                .src_image_size_h = 2,
                                .mean_chn = {10},
                                .var_reci_chn = {1, 1, 1, 1}};
    DO(aispipe_session_model_info(session, &info, &error));
    CHECK(info.n_aipp_inputs == 1 && !info.aipp_set);
    REFUSES(aispipe_session_infer(session, &feed, 1, NULL, &out, &error), AISPIPE_INVALID, "AIPP");
    for (int i = 1; i <= 2; i++) { /* once more with other values */
        aipp.var_reci_chn[0] = (float)i;
        DO(aispipe_session_set_aipp(session, &aipp, &error));
        DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
        CHECK(((float *)aispipe_tensor_data(out))[0] == 0);
        CHECK(((float *)aispipe_tensor_data(out))[7] == (float)(60 * i));
        aispipe_tensor_release(out);
    }
    aipp.mean_chn[0] = 256;
    REFUSES(aispipe_session_set_aipp(session, &aipp, &error), AISPIPE_INVALID, "mean_chn_0");
    DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error)); /* the settings before are in force */
    aispipe_tensor_release(out);
    CHECK(aispipe_aipp_format("RGB") == 0);
}

static void settings_of_aipp_come_later(void **state)
{
    static const int64_t dims[] = {1, 1, 2, 4};
    (void)state;
    path = model_with_aipp(OM_STATIC, dims, 0, NULL);
    in_process(set_aipp);
}

static void aipp_with_batches(void)
{
    unsigned char images[16] = {0, 10, 20, 30, 40, 50, 60, 70, 80};
    struct aispipe_tensor *out;
    struct aispipe_session *session = open_held(true);
    const struct aispipe_shape two = {.mode = AISPIPE_SHAPE_BATCH, .batch = 2};
    struct aispipe_feed feed = {.data = images, .size = sizeof images};
    const struct aispipe_aipp aipp = {.input_format = aispipe_aipp_format("YUV400_U8"),
                                      .src_image_size_w = 4,
                                      .src_image_size_h = 2,
                                      .var_reci_chn = {1, 1, 1, 1}};
    DO(aispipe_session_set_shape(session, &two, &error));
    for (int i = 0; i < 2; i++) /* a shape alone does not do, however often it is tried */
        REFUSES(aispipe_session_infer(session, &feed, 1, NULL, &out, &error), AISPIPE_INVALID, "AIPP");
    DO(aispipe_session_set_aipp(session, &aipp, &error));
    DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
    CHECK(((float *)aispipe_tensor_data(out))[8] == 80);
    aispipe_tensor_release(out);
    const struct aispipe_shape one = {.mode = AISPIPE_SHAPE_BATCH, .batch = 1};
    DO(aispipe_session_set_shape(session, &one, &error));
    feed.size = 8;
    DO(aispipe_session_infer(session, &feed, 1, NULL, &out, &error));
    CHECK(((float *)aispipe_tensor_data(out))[7] == 70);
    aispipe_tensor_release(out);
}

static void settings_of_aipp_stay_with_other_gears(void **state)
{
    static const int64_t dims[] = {-1, 1, 2, 4};
    static int64_t gears[] = {1, 2};
    (void)state;
    path = model_with_aipp(OM_DYNAMIC_BATCH, dims, 2, gears);
    in_process(aipp_with_batches);
}

static void without_aipp(void)
{
    struct aispipe_session *session = open_held(false);
    const struct aispipe_aipp aipp = {
        .input_format = 4, .src_image_size_w = 4, .src_image_size_h = 2, .var_reci_chn = {1}};
    REFUSES(aispipe_session_set_aipp(session, &aipp, &error), AISPIPE_INVALID, "no input with dynamic AIPP");
    aispipe_session_close(session);
}

static void a_model_without_aipp_says_so(void **state)
{
    (void)state;
    path = simple_model();
    in_process(without_aipp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_tensors_are_not_copied),
        cmocka_unit_test(arrays_and_device_tensors_mix),
        cmocka_unit_test(a_tensor_needs_no_session),
        cmocka_unit_test(the_runtime_starts_once),
        cmocka_unit_test(a_child_of_fork_is_told),
        cmocka_unit_test(gears_change_between_calls),
        cmocka_unit_test(open_shapes_take_room_for_outputs),
        cmocka_unit_test(settings_of_aipp_come_later),
        cmocka_unit_test(settings_of_aipp_stay_with_other_gears),
        cmocka_unit_test(a_model_without_aipp_says_so),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

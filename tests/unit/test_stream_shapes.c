/* SPDX-License-Identifier: MIT */
/* Streams whose items have shapes of their own, on OpenVINO. Skipped only where no OpenVINO library is found.
 */
#include "unit.h"

#include "aispipe/stream.h"
#include "ir.h"

#define FOREVER UINT64_MAX

TEMP_DIR(dir)

/* Opens a model of x[?,3] → relu(x) for batches of up to nine rows; skips the test where there is no engine.
 */
static struct aispipe_session *open_session(void)
{
    struct ir ir = {.n = 0};
    int in = ir_input(&ir, "x", "f32", "?,3");
    int out = ir_op(&ir, "type=\"ReLU\" version=\"opset1\"", "", in, -1, "f32", "?,3", "y");
    ir_output(&ir, out, "f32", "?,3");
    const struct aispipe_session_options options = {.shape_later = true};
    struct aispipe_session *session;
    struct aispipe_error error = {0};
    int rc = aispipe_session_open(ir_save(&ir, &dir, "relu", NULL, 0), &options, &session, &error);
    if (rc && strstr(error.message, "library was not found")) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    if (rc)
        fail_msg("%s", error.message);
    const struct aispipe_tensor_desc each[] = {{.rank = 2, .dims = {1, 3}}, {.rank = 2, .dims = {9, 3}}};
    const struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_SHAPE, .each = each, .n_each = 2};
    if (aispipe_session_set_shape(session, &shape, &error))
        fail_msg("%s", error.message);
    return session;
}

/* Pushes `rows` rows of three values, the first of which is negative. */
static int push(struct aispipe_stream *stream, int64_t rows, int64_t columns, size_t bytes,
                struct aispipe_error *error)
{
    static float data[64];
    for (int i = 0; i < 64; i++)
        data[i] = i ? (float)(rows * 100 + i) : -1;
    const struct aispipe_tensor_desc shape = {.dtype = AISPIPE_FLOAT32, .rank = 2, .dims = {rows, columns}};
    const void *inputs[] = {data};
    const struct aispipe_stream_item item = {.inputs = inputs, .sizes = &bytes, .shapes = &shape};
    return aispipe_stream_push(stream, &item, FOREVER, error);
}

static void check_result(struct aispipe_stream *stream, int64_t rows)
{
    struct aispipe_stream_result result;
    struct aispipe_error error = {0};
    if (aispipe_stream_pop(stream, &result, FOREVER, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.descs[0].rank, 2);
    assert_int_equal(result.descs[0].dims[0], rows);
    assert_int_equal(result.descs[0].size, rows * 12);
    const float *got = result.outputs[0];
    assert_true(got[0] == 0);
    for (int i = 1; i < rows * 3; i++)
        assert_true(got[i] == (float)(rows * 100 + i));
    aispipe_stream_give_back(stream, &result);
}

static void every_item_has_its_shape(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session();
    struct aispipe_stream *stream;
    struct aispipe_error error = {0};
    const struct aispipe_stream_options options = {.pipeline = {.inflight = 4}};
    if (aispipe_stream_open(session, &options, &stream, &error))
        fail_msg("%s", error.message);
    for (int64_t round = 0; round < 60; round++)
        for (int64_t rows = 1; rows <= 9; rows += 4) {
            if (push(stream, rows, 3, (size_t)rows * 12, &error))
                fail_msg("%s", error.message);
            check_result(stream, rows);
        }
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct aispipe_session *session = open_session();
    struct aispipe_stream *stream;
    struct aispipe_error error = {0};
    struct aispipe_stream_options options = {.pipeline = {.warmup = 1}};
    assert_int_equal(aispipe_stream_open(session, &options, &stream, &error), AISPIPE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "`warmup`"));
    options.pipeline.warmup = 0;
    assert_int_equal(aispipe_stream_open(session, &options, &stream, &error), 0);
    assert_int_equal(push(stream, 2, 4, 32, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "dimension 1 of input 'x' is 3"));
    assert_int_equal(push(stream, 10, 3, 120, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "at most 108 bytes"));
    assert_int_equal(push(stream, 2, 3, 36, &error), AISPIPE_INVALID);
    assert_string_equal(error.message, "input 'x' takes 24 bytes, but the item has 36");
    float data[3] = {0};
    const void *inputs[] = {data};
    const size_t bytes = sizeof data;
    const struct aispipe_stream_item item = {.inputs = inputs, .sizes = &bytes};
    assert_int_equal(aispipe_stream_push(stream, &item, FOREVER, &error), AISPIPE_INVALID);
    assert_non_null(strstr(error.message, "set `shapes`"));
    aispipe_stream_close(stream);
    aispipe_session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_has_its_shape),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}

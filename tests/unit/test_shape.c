/* SPDX-License-Identifier: MIT */
/* Shapes as they are written, and how they fill a model's unknown dimensions. */
#include "unit.h"

#include "shape.h"

#include <stdio.h>
#include <string.h>

static struct aispipe_error error;
static struct shape_entry entries[AISPIPE_MAX_TENSORS];
static struct aispipe_tensor_desc targets[3];

static void check_message(int rc, int wanted, const char *const *words)
{
    if (rc != wanted)
        fail_msg("status %d, '%s', where '%s' is to be refused", rc, error.message, words[0]);
    assert_null(strchr(error.message, '\n'));
    for (; *words; words++)
        if (!strstr(error.message, *words))
            fail_msg("'%s' does not say '%s'", error.message, *words);
}

#define WORDS(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

/* ---------------------------------------------------------------- reading */

static void entries_are_read(void **state)
{
    (void)state;
    size_t n = 0;
    assert_int_equal(shape_parse("in1:1,600;pre/in.2:0:2147483647", entries, &n, &error), 0);
    assert_int_equal(n, 2);
    assert_int_equal(entries[0].name_length, 3);
    assert_int_equal(entries[0].rank, 2);
    assert_int_equal(entries[0].dims[0], 1);
    assert_int_equal(entries[0].dims[1], 600);
    assert_int_equal(entries[1].name_length, strlen("pre/in.2:0"));
    assert_int_equal(entries[1].rank, 1);
    assert_int_equal(entries[1].dims[0], INT32_MAX);
    assert_ptr_equal(shape_find(entries, n, "in1"), &entries[0]);
    assert_ptr_equal(shape_find(entries, n, "pre/in.2:0"), &entries[1]);
    assert_null(shape_find(entries, n, "in"));
    assert_null(shape_find(entries, n, "in11"));
}

static void refused(const char *text, const char *const *words)
{
    size_t n;
    check_message(shape_parse(text, entries, &n, &error), AISPIPE_INVALID, words);
}

static void what_is_no_shape_is_refused(void **state)
{
    (void)state;
    refused("", WORDS("''", "NAME:N"));
    refused("in1", WORDS("'in1'", "NAME:N"));
    refused(":1,2", WORDS("':1,2'", "NAME:N"));
    refused("a:1;", WORDS("''", "NAME:N"));
    refused("a:1;;b:2", WORDS("''", "NAME:N"));
    refused("a:", WORDS("dimension 0 of 'a:'", "''"));
    refused("a:1,", WORDS("dimension 1 of 'a:1,'", "''"));
    refused("a:1,0", WORDS("dimension 1", "'0'", "1 to 2147483647"));
    refused("a:1,x;b:1", WORDS("dimension 1 of 'a:1,x'", "'x'"));
    refused("a:-1", WORDS("'-1'"));
    refused("a:2147483648", WORDS("'2147483648'"));
    refused("a:99999999999999999999999", WORDS("'99999999999999999999999'"));
    refused("a:1;b:1;a:2", WORDS("'a'", "named twice"));
    refused("a:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", WORDS("more than 32"));
}

static void there_are_not_too_many_inputs(void **state)
{
    (void)state;
    char text[AISPIPE_MAX_TENSORS * 8 + 8];
    size_t used = 0;
    size_t n;
    for (int i = 0; i <= AISPIPE_MAX_TENSORS; i++) {
        if (i == AISPIPE_MAX_TENSORS)
            assert_int_equal(shape_parse(text, entries, &n, &error), 0);
        used += (size_t)snprintf(text + used, sizeof text - used, "%sx%d:1", i ? ";" : "", i);
    }
    refused(text, WORDS("more than 128 inputs"));
}

/* ---------------------------------------------------------------- filling in */

#define TENSOR(n, r, ...)                                                           \
    {                                                                               \
        .name = (n), .dtype = AISPIPE_FLOAT32, .rank = (r), .dims = { __VA_ARGS__ } \
    }

static int apply(const struct aispipe_tensor_desc *inputs, size_t n, struct aispipe_shape shape)
{
    const struct aispipe_model_desc model = {.n_inputs = n, .inputs = inputs};
    memset(&error, 0, sizeof error);
    return shape_apply(&shape, &model, targets, &error);
}

static void dims_are(const struct aispipe_tensor_desc *tensor, int rank, const int64_t *dims)
{
    size_t size = 4;
    assert_int_equal(tensor->rank, rank);
    for (int i = 0; i < rank; i++) {
        assert_int_equal(tensor->dims[i], dims[i]);
        size *= (size_t)dims[i];
    }
    assert_int_equal(tensor->size, size);
}

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

static void batch_fills_first_dimensions(void **state)
{
    (void)state;
    const struct aispipe_tensor_desc inputs[] = {TENSOR("x", 2, -1, 7), TENSOR("m", 2, 3, 5),
                                                 TENSOR("y", 1, -1)};
    const struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_BATCH, .batch = 4};
    assert_int_equal(apply(inputs, 3, shape), 0);
    dims_are(&targets[0], 2, DIMS(4, 7));
    dims_are(&targets[1], 2, DIMS(3, 5));
    dims_are(&targets[2], 1, DIMS(4));
    check_message(apply((struct aispipe_tensor_desc[]){TENSOR("x", 2, 1, -1)}, 1, shape), AISPIPE_INVALID,
                  WORDS("--dymBatch 4", "first dimension"));
    check_message(apply((struct aispipe_tensor_desc[]){TENSOR("x", 2, -1, -1)}, 1, shape), AISPIPE_INVALID,
                  WORDS("--dymBatch", "dimension 1 of input 'x'"));
    check_message(apply(inputs, 3, (struct aispipe_shape){.mode = AISPIPE_SHAPE_BATCH}), AISPIPE_INVALID,
                  WORDS("--dymBatch", " 0 "));
}

static void hw_finds_the_images(void **state)
{
    (void)state;
    const struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_HW, .height = 20, .width = 30};
    const struct aispipe_tensor_desc inputs[] = {TENSOR("nchw", 4, 1, 3, -1, -1),
                                                 TENSOR("nhwc", 4, 1, -1, -1, 3), TENSOR("size", 2, 1, 2)};
    assert_int_equal(apply(inputs, 3, shape), 0);
    dims_are(&targets[0], 4, DIMS(1, 3, 20, 30));
    dims_are(&targets[1], 4, DIMS(1, 20, 30, 3));
    dims_are(&targets[2], 2, DIMS(1, 2));
    check_message(apply((struct aispipe_tensor_desc[]){TENSOR("x", 4, 1, 3, 21, -1)}, 1, shape),
                  AISPIPE_INVALID, WORDS("--dymHW", "dimension 2 of input 'x'", "21", "20"));
    check_message(apply((struct aispipe_tensor_desc[]){TENSOR("x", 4, -1, 3, -1, -1)}, 1, shape),
                  AISPIPE_INVALID, WORDS("--dymHW", "dimension 0 of input 'x'"));
    check_message(apply((struct aispipe_tensor_desc[]){TENSOR("x", 3, 3, -1, -1)}, 1, shape), AISPIPE_INVALID,
                  WORDS("--dymHW 20,30", "no input"));
}

static void dims_must_agree(void **state)
{
    (void)state;
    const struct aispipe_tensor_desc inputs[] = {TENSOR("x", 2, -1, 7), TENSOR("m", 2, 3, 5),
                                                 TENSOR("any", -1, 0)};
    struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_SHAPE, .dims = "any:2,2,2;x:4,7"};
    assert_int_equal(apply(inputs, 3, shape), 0);
    dims_are(&targets[0], 2, DIMS(4, 7));
    dims_are(&targets[2], 3, DIMS(2, 2, 2));
    shape.dims = "x:4,8;any:1";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID,
                  WORDS("--dymShape", "dimension 1 of input 'x'", "is 7", "cannot be 8"));
    shape.dims = "x:4;any:1";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("1 dimension is given", "'x'", "has 2"));
    shape.dims = "x:4,7;z:1";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("no input 'z'", "'x', 'm', 'any'"));
    shape.dims = "any:1";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("dimension 0 of input 'x'"));
    shape.dims = "x:4,7";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("'any'", "unknown number"));
    shape.dims = "x:4,7;any:2147483647,2147483647,2147483647";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("'any'", "overflows"));
    shape.mode = AISPIPE_SHAPE_DIMS;
    shape.dims = "x";
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("--dymDims: 'x'"));
    shape.dims = NULL;
    check_message(apply(inputs, 3, shape), AISPIPE_INVALID, WORDS("--dymDims"));
}

static void a_fixed_model_takes_no_shape(void **state)
{
    (void)state;
    const struct aispipe_tensor_desc fixed = TENSOR("x", 2, 1, 7);
    const enum aispipe_shape_mode modes[] = {AISPIPE_SHAPE_BATCH, AISPIPE_SHAPE_HW, AISPIPE_SHAPE_DIMS,
                                             AISPIPE_SHAPE_SHAPE, AISPIPE_SHAPE_STATIC};
    for (size_t i = 0; i < 5; i++)
        check_message(apply(&fixed, 1, (struct aispipe_shape){.mode = modes[i], .batch = 1, .dims = "x:1,7"}),
                      AISPIPE_INVALID, WORDS(shape_option(modes[i]), "all of this one's are fixed"));
}

static void what_nobody_gave_is_named(void **state)
{
    (void)state;
    struct aispipe_tensor_desc x = TENSOR("x", 2, 1, -1);
    struct aispipe_tensor_desc y = TENSOR("y", 1, -1);
    const struct aispipe_model_desc model = {1, 1, &x, &y};
    check_message(shape_check_known("m.onnx", &model, &error), AISPIPE_MODEL,
                  WORDS("'m.onnx'", "dimension 1 of input 'x'", "(1, -1)", "--dymShape", "--dymBatch",
                        "fixed dimensions"));
    x.dims[1] = 2;
    check_message(shape_check_known("m.onnx", &model, &error), AISPIPE_MODEL,
                  WORDS("output 0, 'y'", "--outputSize"));
    y.size = 100;
    assert_int_equal(shape_check_known("m.onnx", &model, &error), 0);
    x.rank = -1;
    check_message(shape_check_known("m.onnx", &model, &error), AISPIPE_MODEL,
                  WORDS("input 'x'", "unknown number of dimensions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read),
        cmocka_unit_test(what_is_no_shape_is_refused),
        cmocka_unit_test(there_are_not_too_many_inputs),
        cmocka_unit_test(batch_fills_first_dimensions),
        cmocka_unit_test(hw_finds_the_images),
        cmocka_unit_test(dims_must_agree),
        cmocka_unit_test(a_fixed_model_takes_no_shape),
        cmocka_unit_test(what_nobody_gave_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The options on shapes: their spellings, what they accept, and which exclude each other. */
#include "command_line.h"

#include "cli/check_shape.h"

static size_t sizes[AISPIPE_MAX_TENSORS];

static void test_values(void **state)
{
    (void)state;
    ACCEPT("--dymBatch", "8");
    struct aispipe_shape shape = shape_of_options(&options, sizes);
    assert_int_equal(shape.mode, AISPIPE_SHAPE_BATCH);
    assert_int_equal(shape.batch, 8);
    assert_int_equal(shape.n_output_sizes, 0);
    ACCEPT("-dhw", "224,336", "-outsize", "100,18446744073709551615");
    shape = shape_of_options(&options, sizes);
    assert_int_equal(shape.mode, AISPIPE_SHAPE_HW);
    assert_int_equal(shape.height, 224);
    assert_int_equal(shape.width, 336);
    assert_int_equal(shape.n_output_sizes, 2);
    assert_int_equal(shape.output_sizes[0], 100);
    assert_true(shape.output_sizes[1] == SIZE_MAX);
    ACCEPT("--dym-dims=a:1,600;b:2,600");
    shape = shape_of_options(&options, sizes);
    assert_int_equal(shape.mode, AISPIPE_SHAPE_DIMS);
    assert_string_equal(shape.dims, "a:1,600;b:2,600");
    ACCEPT("-ds", "a:1");
    shape = shape_of_options(&options, sizes);
    assert_int_equal(shape.mode, AISPIPE_SHAPE_SHAPE);
    assert_string_equal(shape.dims, "a:1");
    ACCEPT("--loop", "2");
    assert_int_equal(shape_of_options(&options, sizes).mode, AISPIPE_SHAPE_STATIC);
}

static void test_spellings(void **state)
{
    (void)state;
    static const char *const names[][3] = {{"--dymBatch", "--dym-batch", "-db"},
                                           {"--dymBatch", "--dym_batch", "-db"},
                                           {"--dymHW", "--dym-hw", "-dhw"},
                                           {"--dymDims", "--dym-dims", "-dd"},
                                           {"--dymShape", "--dym-shape", "-ds"},
                                           {"--dymShape_range", "--dym-shape-range", "-dr"},
                                           {"--dymShape-range", "--dym_shape_range", "-dr"},
                                           {"--outputSize", "--output-size", "-outsize"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int k = 0; k < 3; k++)
            ACCEPT(names[i][k], i < 2 ? "1" : i == 2 ? "1,1" : i == 7 ? "1" : "x:1");
}

static void test_bad_values(void **state)
{
    (void)state;
    REFUSE(WORDS("--dymBatch: '0'", "1–2147483647"), "--dymBatch", "0");
    REFUSE(WORDS("-db (--dymBatch): 'two'"), "-db", "two");
    REFUSE(WORDS("'-1'"), "-db", "-1");
    REFUSE(WORDS("'2147483648'"), "-db", "2147483648");
    static const char *const bad_hw[] = {"224", "224,", ",224", "0,224", "224,0", "224x224", "1,2,3", "a,b"};
    for (size_t i = 0; i < sizeof bad_hw / sizeof *bad_hw; i++)
        REFUSE(WORDS("--dymHW", bad_hw[i], "224,224"), "--dymHW", bad_hw[i]);
    REFUSE(WORDS("--dymDims: dimension 1", "'0'"), "--dymDims", "a:1,0");
    REFUSE(WORDS("--dymDims: 'a b:1'", "not allowed"), "--dymDims", "a b:1");
    REFUSE(WORDS("-ds (--dymShape): 'a:1~2'", "not allowed"), "-ds", "a:1~2");
    REFUSE(WORDS("--dymShape: ''", "NAME:N"), "--dymShape", "");
    REFUSE(WORDS("--dymShape: input 'a'", "named twice"), "--dymShape", "a:1;a:1");
    REFUSE(WORDS("--dymShape_range: '3~1'", "ends before"), "--dymShape_range", "a:3~1");
    REFUSE(WORDS("--dymShape_range: 'a:$'", "not allowed"), "--dymShape_range", "a:$");
    REFUSE(WORDS("--dymShape_range", "'m.onnx' holds no shape"), "--dymShape_range", "m.onnx");
    static const char *const bad_sizes[] = {"0", "1,", ",1", "1;2", "x", "18446744073709551616", "-1", "1,0"};
    for (size_t i = 0; i < sizeof bad_sizes / sizeof *bad_sizes; i++)
        REFUSE(WORDS("--outputSize", bad_sizes[i], "bytes"), "--outputSize", bad_sizes[i]);
}

static void test_one_way_only(void **state)
{
    (void)state;
    static const char *const ways[][2] = {{"--dymBatch", "1"},
                                          {"--dymHW", "1,1"},
                                          {"--dymDims", "x:1"},
                                          {"--dymShape", "x:1"},
                                          {"--dymShape_range", "x:1"}};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++) {
            if (i == 4 && k == 3)
                continue;
            REFUSE(WORDS(ways[i][0], ways[k][0], "exclude each other"), ways[i][0], ways[i][1], ways[k][0],
                   ways[k][1]);
        }
    ACCEPT("--dymShape_range", "x:1~2", "--dymShape", "x:3");
    assert_string_equal(options.dym_shape, "x:3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_one_way_only),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

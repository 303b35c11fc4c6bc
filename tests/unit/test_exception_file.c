/* SPDX-License-Identifier: MIT */
/* Names of the files that a device's exception callback writes. What is done with the files:
 * e2e/test_convert.py. */
#include "unit.h"

#include "cli/exception_file.h"

#include <stdio.h>
#include <string.h>

#define NAME(rest) "exception_cb_index_0_input_1_format_2" rest

static void test_shape_and_type(void **state)
{
    (void)state;
    struct exception_file file;
    assert_int_equal(exception_file_parse(NAME("_dtype_1_shape_1x3x224x7.bin"), &file, NULL), 0);
    assert_int_equal(file.dtype, AISPIPE_FLOAT16);
    assert_int_equal(file.rank, 4);
    assert_int_equal(file.dims[2], 224);
    assert_int_equal(file.bytes, 1 * 3 * 224 * 7 * 2);
    assert_int_equal(
        exception_file_parse("exception_cb_index_12_output_345_format_-1_dtype_27_shape_5.bin", &file, NULL),
        0);
    assert_int_equal(file.dtype, AISPIPE_BFLOAT16);
    assert_int_equal(file.rank, 1);
    assert_int_equal(file.bytes, 10);
}

static void test_scalars_and_empty_tensors(void **state)
{
    (void)state;
    struct exception_file file;
    assert_int_equal(exception_file_parse(NAME("_dtype_11_shape_.bin"), &file, NULL), 0);
    assert_int_equal(file.rank, 0);
    assert_int_equal(file.bytes, 8);
    assert_int_equal(exception_file_parse(NAME("_dtype_0_shape_3x0x2.bin"), &file, NULL), 0);
    assert_int_equal(file.rank, 3);
    assert_int_equal(file.bytes, 0);
}

static void test_which_names_are_meant(void **state)
{
    (void)state;
    assert_true(exception_file_named(NAME("_dtype_0_shape_1.bin")));
    assert_true(
        exception_file_named("exception_cb_index_.bin")); /* to be complained about, not passed over */
    assert_false(exception_file_named(NAME("_dtype_0_shape_1.npy")));
    assert_false(exception_file_named("x_exception_cb_index_0.bin"));
    assert_false(exception_file_named("exception_cb_index.bin"));
    assert_false(exception_file_named(".bin"));
    assert_false(exception_file_named(""));
}

static void test_bad_names(void **state)
{
    static const struct {
        const char *name, *reason;
    } bad[] = {
        {"", "index"},
        {"a.bin", "index"},
        {"exception_cb_index_x_input_0_format_0_dtype_0_shape_1.bin", "index"},
        {"exception_cb_index_0_middle_0_format_0_dtype_0_shape_1.bin", "number of an input"},
        {"exception_cb_index_0_input__format_0_dtype_0_shape_1.bin", "number of an input"},
        {"exception_cb_index_0_input_0_dtype_0_shape_1.bin", "format"},
        {NAME("_dtype__shape_1.bin"), "dtype"},
        {NAME("_dtype_0.bin"), "shape"},
        {NAME("_dtype_13_shape_1.bin"), "dtype 13"},
        {NAME("_dtype_5_shape_1.bin"), "dtype 5"},
        {NAME("_dtype_-1_shape_1.bin"), "dtype -1"},
        {NAME("_dtype_4294967296_shape_1.bin"), "dtype 4294967296"},
        {NAME("_dtype_0_shape_x.bin"), "shape"},
        {NAME("_dtype_0_shape_1x.bin"), "shape"},
        {NAME("_dtype_0_shape_1X2.bin"), "end"},
        {NAME("_dtype_0_shape_1x2.BIN"), "end"},
        {NAME("_dtype_0_shape_1x2.bin.bin"), "end"},
        {NAME("_dtype_0_shape_1x-2.bin"), "dimension 1 of its shape is -2"},
        {NAME("_dtype_0_shape_99999999999999999999.bin"), "shape"},
        {NAME("_dtype_0_shape_4294967296x4294967296.bin"), "more bytes"},
        {NAME("_dtype_0_shape_1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1.bin"), "32"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct exception_file file;
        struct aispipe_error error = {0};
        if (!exception_file_parse(bad[i].name, &file, &error))
            fail_msg("accepted: %s", bad[i].name);
        if (!strstr(error.message, bad[i].reason))
            fail_msg("%s: '%s' does not say '%s'", bad[i].name, error.message, bad[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape_and_type),
        cmocka_unit_test(test_scalars_and_empty_tensors),
        cmocka_unit_test(test_which_names_are_meant),
        cmocka_unit_test(test_bad_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

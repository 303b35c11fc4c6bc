/* SPDX-License-Identifier: MIT */
/* What the files hold, how batches are cut, what files are called. */
#include "sink.h"

#include <zstd.h>

#define NPY_BLANKS_10 "          "
#define NPY_BLANKS_50 NPY_BLANKS_10 NPY_BLANKS_10 NPY_BLANKS_10 NPY_BLANKS_10 NPY_BLANKS_10

/* The header as numpy.save of NumPy 2 writes it: 128 bytes. */
#define NPY_FLOAT32_1_3                                                                               \
    "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }" NPY_BLANKS_50 \
    "        \n"
#define NPY_INT64_SCALAR                                                                          \
    "\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (), }" NPY_BLANKS_50 \
        NPY_BLANKS_10 "  \n"
#define NPY_BOOL_0_4                                                                                  \
    "\x93NUMPY\x01\x00v\x00{'descr': '|b1', 'fortran_order': False, 'shape': (0, 4), }" NPY_BLANKS_50 \
    "        \n"
#define NPY_UINT16_2_1_2                                                                                 \
    "\x93NUMPY\x01\x00v\x00{'descr': '<u2', 'fortran_order': False, 'shape': (2, 1, 2), }" NPY_BLANKS_50 \
    "     \n"
#define NPY_FLOAT16_5                                                                               \
    "\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'fortran_order': False, 'shape': (5,), }" NPY_BLANKS_50 \
        NPY_BLANKS_10 "\n"
#define NPY_BFLOAT16_2                                                                              \
    "\x93NUMPY\x01\x00v\x00{'descr': '<V2', 'fortran_order': False, 'shape': (2,), }" NPY_BLANKS_50 \
        NPY_BLANKS_10 "\n"

/* ---------------------------------------------------------------- contents */

static void check_npy(const struct place *place, const char *name, const char *header, size_t header_bytes,
                      const void *data, size_t bytes)
{
    char wanted[1024];
    assert_int_equal(header_bytes, 128);
    memcpy(wanted, header, header_bytes);
    if (bytes)
        memcpy(wanted + header_bytes, data, bytes);
    check_file(place, name, wanted, header_bytes + bytes);
}

#define CHECK_NPY(place, name, header, data, bytes) \
    check_npy(place, name, header, sizeof(header) - 1, data, bytes)

static void test_npy_is_what_numpy_writes(void **state)
{
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_NPY);
    const float floats[] = {1, -2, 0.5f};
    struct aispipe_tensor_desc y = tensor(AISPIPE_FLOAT32, 2, DIMS(1, 3));
    assert_int_equal(store(&options, &y, 1, floats, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_FLOAT32_1_3, floats, sizeof floats);

    const uint16_t words[] = {1, 2, 3, 4, 5};
    y = tensor(AISPIPE_UINT16, 3, DIMS(2, 1, 2));
    assert_int_equal(store(&options, &y, 1, words, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_UINT16_2_1_2, words, 8);
    y = tensor(AISPIPE_FLOAT16, 1, DIMS(5));
    assert_int_equal(store(&options, &y, 1, words, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_FLOAT16_5, words, 10);
    y = tensor(AISPIPE_BFLOAT16, 1, DIMS(2));
    assert_int_equal(store(&options, &y, 1, words, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_BFLOAT16_2, words, 4);
    assert_int_equal(count_files(*state), 1);
}

static void test_bin_is_the_bytes(void **state)
{
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    const int16_t values[] = {1, -2, 300};
    struct aispipe_tensor_desc y = tensor(AISPIPE_INT16, 2, DIMS(3, 1));
    assert_int_equal(store(&options, &y, 1, values, NULL), 0);
    check_file(*state, "s0_0.bin", values, sizeof values);
    assert_int_equal(count_files(*state), 1);
}

static void test_scalars_and_empty_tensors(void **state)
{
    const int64_t scalar = -5;
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_NPY);
    struct aispipe_tensor_desc y = tensor(AISPIPE_INT64, 0, NULL);
    assert_int_equal(store(&options, &y, 1, &scalar, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_INT64_SCALAR, &scalar, sizeof scalar);
    options.format = AISPIPE_RESULT_TXT;
    assert_int_equal(store(&options, &y, 1, &scalar, NULL), 0);
    check_file(*state, "s0_0.txt", "-5 \n", 4);

    y = tensor(AISPIPE_BOOL, 2, DIMS(0, 4));
    options.format = AISPIPE_RESULT_NPY;
    assert_int_equal(store(&options, &y, 1, NULL, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_BOOL_0_4, NULL, 0);
    options.format = AISPIPE_RESULT_BIN;
    assert_int_equal(store(&options, &y, 1, NULL, NULL), 0);
    check_file(*state, "s0_0.bin", "", 0);
    options.format = AISPIPE_RESULT_TXT;
    assert_int_equal(store(&options, &y, 1, NULL, NULL), 0);
    check_file(*state, "s0_0.txt", "", 0);
    /* Batches of nothing can be cut as well. */
    y = tensor(AISPIPE_FLOAT32, 3, DIMS(0, 2, 5));
    options.samples_per_batch = 2;
    options.batch_axis = 1;
    assert_int_equal(store(&options, &y, 2, NULL, NULL), 0);
    check_file(*state, "s1_0.txt", "", 0);
}

static void check_text(const struct place *place, const char *name, const char *wanted)
{
    check_file(place, name, wanted, strlen(wanted));
}

static void test_text_has_a_row_for_each_leading_index(void **state)
{
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_TXT);
    const float values[] = {1, -2.5f, 0.125f, 1e6f, 0, 7, 8, 9, 10, 11, 12, 13};
    struct aispipe_tensor_desc y = tensor(AISPIPE_FLOAT32, 1, DIMS(3));
    assert_int_equal(store(&options, &y, 1, values, NULL), 0);
    check_text(*state, "s0_0.txt", "1.000000 -2.500000 0.125000 \n");
    y = tensor(AISPIPE_FLOAT32, 3, DIMS(2, 1, 2));
    assert_int_equal(store(&options, &y, 1, values, NULL), 0);
    check_text(*state, "s0_0.txt", "1.000000 -2.500000 \n0.125000 1000000.000000 \n");
    y = tensor(AISPIPE_FLOAT32, 3, DIMS(2, 3, 1));
    assert_int_equal(store(&options, &y, 1, values, NULL), 0);
    check_text(*state, "s0_0.txt",
               "1.000000 \n-2.500000 \n0.125000 \n1000000.000000 \n0.000000 \n7.000000 \n");
    const uint64_t big[] = {UINT64_MAX, 0};
    y = tensor(AISPIPE_UINT64, 2, DIMS(1, 2));
    assert_int_equal(store(&options, &y, 1, big, NULL), 0);
    check_text(*state, "s0_0.txt", "18446744073709551615 0 \n");
}

/* Longer than the buffer, with the longest values there are. */
static void test_text_of_any_length(void **state)
{
    enum { ROWS = 3, COLUMNS = 500, WIDTH = 317 };
    static double values[ROWS * COLUMNS];
    static char text[ROWS * (COLUMNS * (WIDTH + 1) + 1) + 1];
    static char row[COLUMNS * (WIDTH + 1) + 1];
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_TXT);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = -0x1.fffffffffffffp1023;
    char value[WIDTH + 2];
    assert_int_equal(snprintf(value, sizeof value, "%f", values[0]), WIDTH);
    for (int i = 0; i < COLUMNS; i++) {
        memcpy(row + (size_t)i * (WIDTH + 1), value, WIDTH);
        row[(size_t)i * (WIDTH + 1) + WIDTH] = ' ';
    }
    row[(size_t)COLUMNS * (WIDTH + 1)] = '\n';
    struct aispipe_tensor_desc y = tensor(AISPIPE_FLOAT64, 2, DIMS(ROWS, COLUMNS));
    assert_int_equal(store(&options, &y, 1, values, NULL), 0);
    assert_int_equal(read_file(*state, "s0_0.txt", text, sizeof text), sizeof text - 1);
    for (int i = 0; i < ROWS; i++)
        assert_memory_equal(text + (size_t)i * sizeof row, row, sizeof row);
}

/* ---------------------------------------------------------------- cutting */

/* (2, 2, 4) holding 0…15, cut into two along each axis; numpy.split gives the same pieces. */
static void test_batches_are_cut_along_any_axis(void **state)
{
    static const int8_t pieces[3][2][8] = {
        {{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15}},
        {{0, 1, 2, 3, 8, 9, 10, 11}, {4, 5, 6, 7, 12, 13, 14, 15}},
        {{0, 1, 4, 5, 8, 9, 12, 13}, {2, 3, 6, 7, 10, 11, 14, 15}},
    };
    static const char *const texts[3][2] = {
        {"0 1 2 3 \n4 5 6 7 \n", "8 9 10 11 \n12 13 14 15 \n"},
        {"0 1 2 3 \n8 9 10 11 \n", "4 5 6 7 \n12 13 14 15 \n"},
        {"0 1 \n4 5 \n8 9 \n12 13 \n", "2 3 \n6 7 \n10 11 \n14 15 \n"},
    };
    int8_t data[16];
    for (int8_t i = 0; i < 16; i++)
        data[i] = i;
    struct aispipe_tensor_desc y = tensor(AISPIPE_INT8, 3, DIMS(2, 2, 4));
    for (unsigned axis = 0; axis < 3; axis++) {
        struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
        options.samples_per_batch = 2;
        options.batch_axis = axis;
        assert_int_equal(store(&options, &y, 2, data, NULL), 0);
        check_file(*state, "s0_0.bin", pieces[axis][0], 8);
        check_file(*state, "s1_0.bin", pieces[axis][1], 8);
        options.format = AISPIPE_RESULT_TXT;
        assert_int_equal(store(&options, &y, 2, data, NULL), 0);
        check_text(*state, "s0_0.txt", texts[axis][0]);
        check_text(*state, "s1_0.txt", texts[axis][1]);
    }
    assert_int_equal(count_files(*state), 4);
}

/* The axis stays, with the piece's length, and filler is not saved. */
static void test_pieces_keep_their_axis(void **state)
{
    const float data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_NPY);
    options.samples_per_batch = 4;
    struct aispipe_tensor_desc y = tensor(AISPIPE_FLOAT32, 2, DIMS(4, 3));
    assert_int_equal(store(&options, &y, 3, data, NULL), 0);
    CHECK_NPY(*state, "s0_0.npy", NPY_FLOAT32_1_3, data, 12);
    CHECK_NPY(*state, "s2_0.npy", NPY_FLOAT32_1_3, data + 6, 12);
    assert_int_equal(count_files(*state), 3);
    /* Along axis 1 of (1, 12): contiguous although it is not axis 0. */
    options.batch_axis = 1;
    y = tensor(AISPIPE_FLOAT32, 2, DIMS(1, 12));
    assert_int_equal(store(&options, &y, 4, data, NULL), 0);
    CHECK_NPY(*state, "s3_0.npy", NPY_FLOAT32_1_3, data + 9, 12);
}

static void refuse(const struct place *place, unsigned samples, unsigned axis, struct aispipe_tensor_desc y,
                   const char *const *wanted)
{
    struct aispipe_file_sink_options options = options_in(place, AISPIPE_RESULT_BIN);
    struct aispipe_model_desc model = {.n_outputs = 1, .outputs = &y};
    struct aispipe_error error = {0};
    struct aispipe_file_sink *sink = (struct aispipe_file_sink *)&options;
    options.samples_per_batch = samples;
    options.batch_axis = axis;
    assert_true(aispipe_file_sink_open(&options, &model, &sink, &error) < 0);
    assert_null(sink);
    for (; *wanted; wanted++) {
        if (!strstr(error.message, *wanted))
            fail_msg("'%s' does not say '%s'", error.message, *wanted);
    }
}

static void test_what_cannot_be_cut_is_refused(void **state)
{
    refuse(*state, 2, 0, tensor(AISPIPE_FLOAT32, 2, DIMS(3, 4)), WORDS("'y'", "(3, 4)", "axis 0", "3", "2"));
    refuse(*state, 4, 1, tensor(AISPIPE_FLOAT32, 2, DIMS(4, 6)), WORDS("'y'", "(4, 6)", "axis 1", "6", "4"));
    refuse(*state, 2, 2, tensor(AISPIPE_FLOAT32, 2, DIMS(2, 2)), WORDS("'y'", "(2, 2)", "no axis 2", "0–1"));
    refuse(*state, 2, 0, tensor(AISPIPE_FLOAT32, 0, NULL), WORDS("'y'", "scalar"));
    refuse(*state, 1, 0, tensor(AISPIPE_DTYPE_UNDEFINED, 1, DIMS(-1)), WORDS("'y'", "not known"));
    refuse(*state, 1, 0, tensor(AISPIPE_DTYPE_UNDEFINED, 1, DIMS(2)), WORDS("'y'", "not known"));
    refuse(*state, 1, 0, tensor(AISPIPE_FLOAT32, 2, DIMS(INT64_MAX, 4)), WORDS("'y'", "overflows"));
}

/* ---------------------------------------------------------------- shapes that come with the results */

static void test_unknown_shapes_come_with_the_results(void **state)
{
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    const struct aispipe_tensor_desc open = tensor(AISPIPE_UINT8, 2, DIMS(-1, 2));
    struct aispipe_model_desc model = {.n_outputs = 1, .outputs = &open};
    struct aispipe_error error;
    const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8};
    void *outputs[] = {(void *)(uintptr_t)data};
    struct aispipe_file_sink *sink;
    void *thread;
    options.samples_per_batch = 2;
    options.batch_axis = 1;
    assert_int_equal(aispipe_file_sink_open(&options, &model, &sink, NULL), 0);
    struct aispipe_sink view = aispipe_file_sink_view(sink);
    assert_int_equal(view.thread_open(view.context, &thread, NULL), 0);
    struct aispipe_tensor_desc actual = tensor(AISPIPE_UINT8, 2, DIMS(2, 2));
    assert_int_equal(view.store(view.context, thread, 0, 2, outputs, &actual, NULL), 0);
    check_file(*state, "s0_0.bin", (uint8_t[]){1, 3}, 2);
    check_file(*state, "s1_0.bin", (uint8_t[]){2, 4}, 2);
    actual = tensor(AISPIPE_UINT8, 2, DIMS(2, 4)); /* larger than what there was room for */
    assert_int_equal(view.store(view.context, thread, 2, 2, outputs, &actual, NULL), 0);
    check_file(*state, "s2_0.bin", (uint8_t[]){1, 2, 5, 6}, 4);
    check_file(*state, "s3_0.bin", (uint8_t[]){3, 4, 7, 8}, 4);
    actual = tensor(AISPIPE_UINT8, 2, DIMS(0, 4));
    assert_int_equal(view.store(view.context, thread, 4, 2, outputs, &actual, NULL), 0);
    check_file(*state, "s4_0.bin", "", 0);
    actual = tensor(AISPIPE_UINT8, 2, DIMS(2, 3));
    assert_true(view.store(view.context, thread, 6, 2, outputs, &actual, &error) < 0);
    assert_non_null(strstr(error.message, "(2, 3)"));
    assert_true(view.store(view.context, thread, 6, 2, outputs, NULL, &error) < 0);
    assert_non_null(strstr(error.message, "'y' came without its shape"));
    assert_int_equal(count_files(*state), 6);
    view.thread_close(view.context, thread);
    aispipe_file_sink_close(sink);
}

/* ---------------------------------------------------------------- names */

static void test_each_sample_and_output_has_a_file(void **state)
{
    const uint8_t a[] = {1, 2}, b[] = {3, 4, 5, 6};
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    const struct aispipe_tensor_desc descs[] = {tensor(AISPIPE_UINT8, 1, DIMS(2)),
                                                tensor(AISPIPE_UINT8, 2, DIMS(2, 2))};
    struct aispipe_model_desc model = {.n_outputs = 2, .outputs = descs};
    void *outputs[] = {(void *)(uintptr_t)a, (void *)(uintptr_t)b};
    struct aispipe_file_sink *sink;
    void *thread;
    options.samples_per_batch = 2;
    assert_int_equal(aispipe_file_sink_open(&options, &model, &sink, NULL), 0);
    struct aispipe_sink view = aispipe_file_sink_view(sink);
    assert_int_equal(view.thread_open(view.context, &thread, NULL), 0);
    assert_int_equal(view.store(view.context, thread, 6, 2, outputs, NULL, NULL), 0);
    check_file(*state, "s6_0.bin", a, 1);
    check_file(*state, "s6_1.bin", b, 2);
    check_file(*state, "s7_0.bin", a + 1, 1);
    check_file(*state, "s7_1.bin", b + 2, 2);
    assert_int_equal(count_files(*state), 4);
    char name[32];
    assert_int_equal(aispipe_file_sink_name(sink, 7, 1, name, sizeof name), 8);
    assert_string_equal(name, "s7_1.bin");
    assert_int_equal(aispipe_file_sink_name(sink, 7, 1, name, 5), 8);
    assert_string_equal(name, "s7_1");
    assert_int_equal(aispipe_file_sink_name(sink, 7, 1, name, 0), 8);
    view.thread_close(view.context, thread);
    aispipe_file_sink_close(sink);
}

static void test_names_up_to_the_limit(void **state)
{
    char stem[NAME_MAX + 1];
    const uint8_t value = 1;
    struct aispipe_error error = {0};
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT8, 1, DIMS(1));
    memset(stem, 'n', sizeof stem);
    stem[NAME_MAX - 7] = '\0'; /* and "0_0.bin" */
    options.stem_context = stem;
    assert_int_equal(store(&options, &y, 1, &value, &error), 0);
    stem[NAME_MAX - 7] = 'n';
    stem[NAME_MAX - 6] = '\0';
    assert_true(store(&options, &y, 1, &value, &error) < 0);
    assert_non_null(strstr(error.message, "256 bytes"));
    assert_non_null(strstr(error.message, "255"));
    stem[NAME_MAX - 6] = 'n';
    stem[NAME_MAX] = '\0';
    assert_true(store(&options, &y, 1, &value, &error) < 0);
    assert_int_equal(count_files(*state), 1);
}

/* ---------------------------------------------------------------- zstd */

static void check_unpacked(const struct place *place, const char *name, const void *wanted, size_t bytes)
{
    static char packed[1 << 20], data[1 << 20];
    size_t length = read_file(place, name, packed, sizeof packed);
    size_t got = ZSTD_decompress(data, sizeof data, packed, length);
    assert_false(ZSTD_isError(got));
    assert_int_equal(got, bytes);
    if (bytes)
        assert_memory_equal(data, wanted, bytes);
}

static void test_compressed_files_unpack_to_the_same(void **state)
{
    struct aispipe_file_sink_options options = options_in(*state, AISPIPE_RESULT_BIN);
    static uint32_t data[100000];
    for (uint32_t i = 0; i < 100000; i++)
        data[i] = i * 2654435761u;
    options.compress = true;
    options.samples_per_batch = 2;
    struct aispipe_tensor_desc y = tensor(AISPIPE_UINT32, 2, DIMS(2, 50000));
    assert_int_equal(store(&options, &y, 2, data, NULL), 0);
    check_unpacked(*state, "s0_0.bin.zst", data, 200000);
    check_unpacked(*state, "s1_0.bin.zst", data + 50000, 200000);

    const float floats[] = {1, 2, 3, 4, 5, 6};
    char wanted[140] = NPY_FLOAT32_1_3;
    memcpy(wanted + 128, floats + 3, 12);
    options.format = AISPIPE_RESULT_NPY;
    y = tensor(AISPIPE_FLOAT32, 2, DIMS(2, 3));
    assert_int_equal(store(&options, &y, 2, floats, NULL), 0);
    check_unpacked(*state, "s1_0.npy.zst", wanted, sizeof wanted);
    options.format = AISPIPE_RESULT_TXT;
    assert_int_equal(store(&options, &y, 2, floats, NULL), 0);
    check_unpacked(*state, "s1_0.txt.zst", "4.000000 5.000000 6.000000 \n", 28);
    y = tensor(AISPIPE_FLOAT32, 2, DIMS(2, 0));
    assert_int_equal(store(&options, &y, 2, NULL, NULL), 0);
    check_unpacked(*state, "s1_0.txt.zst", "", 0);
    assert_int_equal(count_files(*state), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_npy_is_what_numpy_writes),
        TEST(test_bin_is_the_bytes),
        TEST(test_scalars_and_empty_tensors),
        TEST(test_text_has_a_row_for_each_leading_index),
        TEST(test_text_of_any_length),
        TEST(test_batches_are_cut_along_any_axis),
        TEST(test_pieces_keep_their_axis),
        TEST(test_what_cannot_be_cut_is_refused),
        TEST(test_unknown_shapes_come_with_the_results),
        TEST(test_each_sample_and_output_has_a_file),
        TEST(test_names_up_to_the_limit),
        TEST(test_compressed_files_unpack_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

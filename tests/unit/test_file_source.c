/* SPDX-License-Identifier: MIT */
/* Reading files into batches: what arrives, and what is refused, before the run and during it. */
#include "unit.h"

#include "aispipe/files.h"
#include "files.h"
#include "io/dataset.h"
#include "io/npy.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zstd.h>

static struct temp_dir dir;

/* ---------------------------------------------------------------- what the tests stand on */

struct log_lines {
    atomic_uint warnings;
    char last[4608];
};

static void keep_line(void *context, enum aispipe_log_level level, const char *line)
{
    struct log_lines *lines = context;
    if (level == AISPIPE_LOG_WARNING && atomic_fetch_add(&lines->warnings, 1) == 0)
        (void)snprintf(lines->last, sizeof lines->last, "%s", line);
}

/* A source over files below the temporary directory, and a thread of it. */
struct bench {
    struct aispipe_tensor_desc inputs[2];
    struct aispipe_model_desc model;
    struct aispipe_dataset *dataset;
    struct aispipe_file_source *source;
    struct aispipe_source view;
    void *thread;
    struct log_lines lines;
};

static int setup(void **state)
{
    temp_make(&dir);
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return -1;
    bench->model.inputs = bench->inputs;
    *state = bench;
    return 0;
}

static void close_source(struct bench *bench)
{
    if (bench->source)
        bench->view.thread_close(bench->view.context, bench->thread);
    aispipe_file_source_close(bench->source);
    aispipe_dataset_close(bench->dataset);
    bench->source = NULL;
    bench->dataset = NULL;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    close_source(bench);
    free(bench);
    temp_remove(&dir);
    return 0;
}

static void add_input(struct bench *bench, const char *name, enum aispipe_dtype dtype, int rank,
                      const int64_t *dims)
{
    struct aispipe_tensor_desc *desc = &bench->inputs[bench->model.n_inputs++];
    *desc = (struct aispipe_tensor_desc){.name = name, .dtype = dtype, .rank = rank};
    desc->size = aispipe_dtype_size(dtype);
    for (int i = 0; i < rank; i++) {
        desc->dims[i] = dims[i];
        desc->size *= (size_t)dims[i];
    }
}

#define DIMS(...) ((int64_t[]){__VA_ARGS__})

static int try_open(struct bench *bench, const char *names, bool bin_only, struct aispipe_error *error)
{
    char input[8192] = "";
    char copy[1024];
    (void)snprintf(copy, sizeof copy, "%s", names);
    char *rest = copy;
    for (char *name = strsep(&rest, ","); name; name = strsep(&rest, ",")) {
        strcat(input, *input ? "," : "");
        strcat(input, temp_path(&dir, name));
    }
    struct aispipe_log log = {keep_line, &bench->lines, false};
    int rc = aispipe_dataset_open(input, bench->model.n_inputs, 0, &bench->dataset, error);
    return rc ? rc
              : aispipe_file_source_open(bench->dataset, &bench->model, bin_only, &log, &bench->source,
                                         error);
}

static void open_source(struct bench *bench, const char *names)
{
    struct aispipe_error error = {0};
    if (try_open(bench, names, false, &error))
        fail_msg("%s", error.message);
    bench->view = aispipe_file_source_view(bench->source);
    assert_int_equal(bench->view.thread_open(bench->view.context, &bench->thread, &error), 0);
}

static void check_message(const struct aispipe_error *error, const char *const *texts)
{
    for (; *texts; texts++)
        if (!strstr(error->message, *texts))
            fail_msg("'%s' does not say '%s'", error->message, *texts);
    assert_null(strchr(error->message, '\n'));
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void open_refused(struct bench *bench, const char *names, int code, const char *const *texts)
{
    struct aispipe_error error = {0};
    assert_int_equal(try_open(bench, names, false, &error), code);
    assert_int_equal(error.code, code);
    assert_null(bench->source);
    check_message(&error, texts);
    close_source(bench);
}

/* Fills a batch into memory that is exactly as large as the inputs. */
static int fill(struct bench *bench, uint64_t batch, char *first, char *second, struct aispipe_error *error)
{
    void *inputs[2] = {NULL, NULL};
    char *copies[2] = {first, second};
    for (size_t i = 0; i < bench->model.n_inputs; i++) {
        size_t bytes = bench->inputs[i].size;
        inputs[i] = bytes ? malloc(bytes) : NULL;
        if (bytes)
            memset(inputs[i], 0xee, bytes);
    }
    int rc = bench->view.fill(bench->view.context, bench->thread, batch, inputs, error);
    for (size_t i = 0; i < bench->model.n_inputs; i++) {
        if (copies[i] && bench->inputs[i].size)
            memcpy(copies[i], inputs[i], bench->inputs[i].size);
        free(inputs[i]);
    }
    return rc;
}

static void filled(struct bench *bench, uint64_t batch, char *first, char *second)
{
    struct aispipe_error error = {0};
    if (fill(bench, batch, first, second, &error))
        fail_msg("%s", error.message);
}

static void fill_refused(struct bench *bench, uint64_t batch, int code, const char *const *texts)
{
    struct aispipe_error error = {0};
    assert_int_equal(fill(bench, batch, NULL, NULL, &error), code);
    assert_int_equal(error.code, code);
    check_message(&error, texts);
}

/* ---------------------------------------------------------------- files */

static size_t npy_bytes(char *file, const char *dictionary, const void *payload, size_t bytes)
{
    size_t length = strlen(dictionary) + 1;
    length += (64 - (10 + length) % 64) % 64;
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (char)(length & 0xff);
    file[9] = (char)(length >> 8);
    memset(file + 10, ' ', length);
    memcpy(file + 10, dictionary, strlen(dictionary));
    file[10 + length - 1] = '\n';
    memcpy(file + 10 + length, payload, bytes);
    return 10 + length + bytes;
}

static void write_dictionary(const char *name, const char *dictionary, const void *payload, size_t bytes)
{
    char *file = malloc(bytes + 8192);
    assert_non_null(file);
    temp_write(&dir, name, file, npy_bytes(file, dictionary, payload, bytes));
    free(file);
}

static void write_npy(const char *name, const char *descr, const char *shape, const void *payload,
                      size_t bytes)
{
    char dictionary[256];
    (void)snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
                   descr, shape);
    write_dictionary(name, dictionary, payload, bytes);
}

static void write_zst(const char *name, const void *data, size_t bytes)
{
    size_t room = ZSTD_compressBound(bytes);
    char *packed = malloc(room);
    assert_non_null(packed);
    size_t length = ZSTD_compress(packed, room, data, bytes, 1);
    assert_false(ZSTD_isError(length));
    temp_write(&dir, name, packed, length);
    free(packed);
}

/* ---------------------------------------------------------------- what arrives */

static void npy_and_bin_are_batched(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_FLOAT32, 2, DIMS(3, 2));
    write_npy("a.npy", "<f4", "(2,)", "aaaaAAAA", 8);
    temp_write(&dir, "b.bin", "bbbbBBBB", 8);
    write_npy("c.npy", "<f4", "(1, 2)", "ccccCCCC", 8);
    write_npy("d.npy", "<f4", "(2, 1)", "ddddDDDD", 8);
    temp_write(&dir, "e.BIN", "eeeeEEEE", 8);
    open_source(bench, "a.npy,b.bin,c.npy,d.npy,e.BIN");
    struct aispipe_file_source_layout layout = aispipe_file_source_layout(bench->source);
    assert_int_equal(layout.file_bytes, 8);
    assert_int_equal(layout.tensor_bytes, 24);
    assert_int_equal(layout.files_per_batch, 3);
    assert_int_equal(layout.batches, 2);
    assert_int_equal(bench->view.samples, 5);
    assert_int_equal(bench->view.batches, 2);
    assert_int_equal(bench->view.samples_per_batch, 3);
    char data[24];
    filled(bench, 1, data, NULL);
    assert_memory_equal(data, "ddddDDDDeeeeEEEEddddDDDD", 24); /* filled up with the batch's first sample */
    filled(bench, 0, data, NULL);
    assert_memory_equal(data, "aaaaAAAAbbbbBBBBccccCCCC", 24);
    fill_refused(bench, 2, AISPIPE_INVALID, TEXTS("batch 2 of 2"));
    char name[PATH_MAX];
    bench->view.sample_name(bench->view.context, 3, name, sizeof name);
    assert_string_equal(name, temp_path(&dir, "d.npy"));
    assert_int_equal(bench->lines.warnings, 0);
}

static void two_inputs_are_read(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_INT64, 1, DIMS(2));
    add_input(bench, "mask", AISPIPE_BOOL, 2, DIMS(2, 3));
    temp_subdir(&dir, "x");
    temp_subdir(&dir, "mask");
    write_npy("x/s1.npy", "<i8", "()", "11111111", 8);
    write_npy("x/s2.npy", "<i8", "(1,)", "22222222", 8);
    write_npy("x/s10.npy", "<i8", "()", "33333333", 8);
    write_npy("mask/s1.npy", "|b1", "(3,)", "\1\0\1", 3);
    write_npy("mask/s2.npy", "|b1", "(3,)", "\0\0\1", 3);
    write_npy("mask/s10.npy", "|b1", "(3,)", "\1\1\1", 3);
    open_source(bench, "x,mask");
    char first[16];
    char second[6];
    filled(bench, 0, first, second);
    assert_memory_equal(first, "1111111122222222", 16);
    assert_memory_equal(second, "\1\0\1\0\0\1", 6);
    filled(bench, 1, first, second);
    assert_memory_equal(first, "3333333333333333", 16);
    assert_memory_equal(second, "\1\1\1\1\1\1", 6);
}

static void headers_may_change_from_file_to_file(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(4));
    char dictionary[2048];
    static const size_t widths[] = {60, 300, 61, 700, 1500, 60, 20};
    char names[256] = "";
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        (void)snprintf(dictionary, sizeof dictionary,
                       "{'descr': '|u1', 'fortran_order': False, %*s'shape': (4,)}", (int)widths[i], "");
        char name[16];
        char payload[8];
        (void)snprintf(name, sizeof name, "f%zu.npy", i);
        (void)snprintf(payload, sizeof payload, "%04zu", i);
        write_dictionary(name, dictionary, payload, 4);
        (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? "," : "", name);
    }
    open_source(bench, names);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            char data[4];
            char wanted[8];
            filled(bench, i, data, NULL);
            (void)snprintf(wanted, sizeof wanted, "%04zu", i);
            assert_memory_equal(data, wanted, 4);
        }
    }
}

static void other_orders_are_converted(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_INT16, 2, DIMS(2, 3));
    static const int16_t wanted[] = {0, 1, 2, 3, 4, 5};
    write_dictionary("fortran.npy", "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }",
                     "\0\0\3\0\1\0\4\0\2\0\5\0", 12);
    write_dictionary("both.npy", "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }",
                     "\0\0\0\3\0\1\0\4\0\2\0\5", 12);
    write_dictionary("both2.npy", "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }",
                     "\0\0\0\3\0\1\0\4\0\2\0\5", 12);
    write_npy("big.npy", ">i2", "(2, 3)", "\0\0\0\1\0\2\0\3\0\4\0\5", 12);
    write_npy("plain.npy", "<i2", "(2, 3)", wanted, 12);
    char file[256];
    size_t length = npy_bytes(file, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }",
                              "\0\0\0\3\0\1\0\4\0\2\0\5", 12);
    write_zst("packed.npy.zst", file, length);
    open_source(bench, "fortran.npy,both.npy,both2.npy,big.npy,plain.npy,packed.npy.zst");
    for (int turn = 0; turn < 2; turn++) {
        for (uint64_t i = 0; i < bench->view.batches; i++) {
            char data[12];
            filled(bench, i, data, NULL);
            assert_memory_equal(data, wanted, 12);
        }
    }
    assert_int_equal(bench->lines.warnings, 0);
}

static void large_files_arrive_whole(void **state)
{
    struct bench *bench = *state;
    enum { BYTES = 1 << 20 };
    add_input(bench, "x", AISPIPE_UINT8, 2, DIMS(2, BYTES));
    char *payload = malloc(BYTES);
    char *data = malloc((size_t)2 * BYTES);
    char *file = malloc(BYTES + 256);
    assert_true(payload && data && file);
    for (size_t i = 0; i < BYTES; i++)
        payload[i] = (char)(i * 2654435761U >> 13);
    write_npy("a.npy", "|u1", "(1048576,)", payload, BYTES);
    size_t length =
        npy_bytes(file, "{'descr': '|u1', 'fortran_order': False, 'shape': (1048576,), }", payload, BYTES);
    write_zst("b.npy.zst", file, length);
    write_zst("c.bin.zst", payload, BYTES);
    temp_write(&dir, "d.bin", payload, BYTES);
    open_source(bench, "a.npy,b.npy.zst,c.bin.zst,d.bin");
    for (uint64_t batch = 0; batch < 2; batch++) {
        filled(bench, batch, data, NULL);
        assert_memory_equal(data, payload, BYTES);
        assert_memory_equal(data + BYTES, payload, BYTES);
    }
    free(payload);
    free(data);
    free(file);
}

static void scalars_and_empty_inputs_work(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "nothing", AISPIPE_FLOAT32, 2, DIMS(0, 5));
    add_input(bench, "scale", AISPIPE_FLOAT64, 0, NULL);
    char file[256];
    size_t length = npy_bytes(file, "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 5), }", "", 0);
    write_npy("n1.npy", "<f4", "(0, 5)", "", 0);
    temp_write(&dir, "n2.bin", "", 0);
    write_zst("n3.bin.zst", "", 0);
    write_zst("n4.npy.zst", file, length);
    write_npy("s.npy", "<f8", "()", "ssssssss", 8);
    open_source(bench, "n1.npy,n2.bin,n3.bin.zst,n4.npy.zst,s.npy,s.npy,s.npy,s.npy");
    assert_int_equal(bench->view.samples_per_batch, 1);
    assert_int_equal(bench->view.batches, 4);
    assert_int_equal(aispipe_file_source_layout(bench->source).tensor_bytes, 0);
    for (uint64_t batch = 0; batch < 4; batch++) {
        char data[8];
        filled(bench, batch, NULL, data);
        assert_memory_equal(data, "ssssssss", 8);
    }
    temp_write(&dir, "n2.bin", "x", 1);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("n2.bin", "1 byte,", "0 bytes"));
    write_npy("n1.npy", "<f4", "(0, 5)", "x", 1);
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("n1.npy", "too long"));
    write_zst("n3.bin.zst", "xy", 2);
    fill_refused(bench, 2, AISPIPE_FORMAT, TEXTS("n3.bin.zst", "more than 0 bytes"));
}

static void an_empty_second_input_joins_any_batch(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(4));
    add_input(bench, "nothing", AISPIPE_FLOAT32, 1, DIMS(0));
    temp_write(&dir, "a.bin", "ab", 2);
    temp_write(&dir, "b.bin", "cd", 2);
    temp_write(&dir, "n.bin", "", 0);
    open_source(bench, "a.bin,b.bin,n.bin,n.bin");
    char data[4];
    filled(bench, 0, data, NULL);
    assert_memory_equal(data, "abcd", 4);
}

static void another_type_of_the_same_size_is_warned_of_once(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "mask", AISPIPE_BOOL, 1, DIMS(4));
    write_npy("a.npy", "|u1", "(4,)", "\1\0\1\0", 4);
    write_npy("b.npy", "|i1", "(4,)", "\1\1\1\1", 4);
    write_npy("c.npy", "|b1", "(4,)", "\0\0\0\1", 4);
    open_source(bench, "c.npy,a.npy,b.npy");
    char data[4];
    filled(bench, 0, data, NULL);
    assert_int_equal(bench->lines.warnings, 0);
    filled(bench, 1, data, NULL);
    assert_memory_equal(data, "\1\0\1\0", 4);
    filled(bench, 2, data, NULL);
    assert_memory_equal(data, "\1\1\1\1", 4);
    assert_int_equal(bench->lines.warnings, 1);
    assert_non_null(strstr(bench->lines.last, "a.npy' holds uint8 (4,), 4 bytes"));
    assert_non_null(strstr(bench->lines.last, "'mask' takes bool (4,), 4 bytes"));
}

/* ---------------------------------------------------------------- refused before the run */

static void sizes_that_do_not_divide_are_refused(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_FLOAT32, 2, DIMS(4, 3));
    temp_write(&dir, "a.bin", "12345678901234567890", 20);
    write_npy("b.npy", "<f8", "(3, 3)",
              "123456789012345678901234567890123456789012345678901234567890123456789012", 72);
    temp_write(&dir, "c.bin", "", 0);
    write_npy("d.npy", "<c8", "(5,)", "1234567890123456789012345678901234567890", 40);
    char zeros[200000] = {0};
    write_zst("e.bin.zst", zeros, sizeof zeros);
    write_zst("f.bin.zst", zeros, 7);
    open_refused(bench, "a.bin", AISPIPE_FORMAT,
                 TEXTS("a.bin' holds 20 bytes", "'x' takes float32 (4, 3), 48 bytes"));
    open_refused(bench, "b.npy", AISPIPE_FORMAT,
                 TEXTS("b.npy' holds float64 (3, 3), 72 bytes", "'x' takes float32 (4, 3), 48 bytes"));
    open_refused(bench, "c.bin", AISPIPE_FORMAT, TEXTS("c.bin' holds 0 bytes", "48 bytes"));
    open_refused(bench, "d.npy", AISPIPE_FORMAT, TEXTS("d.npy' holds <c8 (5,), 40 bytes", "48 bytes"));
    open_refused(bench, "e.bin.zst", AISPIPE_FORMAT,
                 TEXTS("e.bin.zst' holds more than 65536 bytes", "48 bytes"));
    open_refused(bench, "f.bin.zst", AISPIPE_FORMAT, TEXTS("f.bin.zst' holds 7 bytes", "48 bytes"));
}

static void inputs_that_disagree_are_refused(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(12));
    add_input(bench, "y", AISPIPE_UINT8, 1, DIMS(6));
    temp_write(&dir, "three.bin", "abc", 3);
    temp_write(&dir, "two.bin", "ab", 2);
    temp_write(&dir, "five.bin", "abcde", 5);
    temp_write(&dir, "none.bin", "", 0);
    open_refused(bench, "three.bin,two.bin", AISPIPE_FORMAT,
                 TEXTS("4 files of input 'x'", "3 of input 'y'", "three.bin' holds 3", "two.bin' holds 2"));
    open_refused(bench, "three.bin,five.bin", AISPIPE_FORMAT,
                 TEXTS("five.bin' holds 5 bytes", "'y'", "6 bytes"));
    open_refused(bench, "three.bin,none.bin", AISPIPE_FORMAT, TEXTS("none.bin' holds 0 bytes", "'y'"));
    temp_write(&dir, "one.bin", "a", 1);
    open_source(bench, "two.bin,one.bin"); /* 6 of both */
    assert_int_equal(bench->view.samples_per_batch, 6);
}

static void bin_only_refuses_every_npy(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(2));
    temp_write(&dir, "a.bin", "ab", 2);
    write_zst("b.bin.zst", "cd", 2);
    write_npy("c.npy", "|u1", "(2,)", "ef", 2);
    struct aispipe_error error = {0};
    assert_int_equal(try_open(bench, "a.bin,b.bin.zst,c.npy", true, &error), AISPIPE_INVALID);
    check_message(&error, TEXTS("--run_mode files", "c.npy"));
    close_source(bench);
    assert_int_equal(try_open(bench, "a.bin,b.bin.zst", true, &error), 0);
    aispipe_file_source_close(bench->source);
    bench->source = NULL;
}

static void hostile_headers_are_refused(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_FLOAT32, 1, DIMS(2));
    static const struct {
        const char *dictionary;
        const char *because;
    } cases[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "objects"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "negative"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 2), }", "2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }", "399999999996 bytes"},
        {"garbage", "not a dictionary"},
    };
    write_npy("good.npy", "<f4", "(2,)", "12345678", 8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_dictionary("bad.npy", cases[i].dictionary, "12345678", 8);
        open_refused(bench, "bad.npy", AISPIPE_FORMAT, TEXTS("bad.npy", cases[i].because));
        open_source(bench, "good.npy,bad.npy");
        fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.npy", cases[i].because));
        char data[8];
        filled(bench, 0, data, NULL);
        assert_memory_equal(data, "12345678", 8);
        close_source(bench);
    }
    temp_write(&dir, "bad.npy", "\x93NUMPY\x09\x00v\x00{}", 12);
    open_refused(bench, "bad.npy", AISPIPE_FORMAT, TEXTS("bad.npy", "version 9.0"));
    temp_write(&dir, "bad.npy", "\x93NUMPY\x01\x00v\x00{}", 12);
    open_refused(bench, "bad.npy", AISPIPE_FORMAT, TEXTS("bad.npy", "ends inside its npy header"));
    temp_write(&dir, "bad.npy", "", 0);
    open_refused(bench, "bad.npy", AISPIPE_FORMAT, TEXTS("bad.npy", "empty"));
    temp_write(&dir, "bad.npy", "PK\3\4", 4);
    open_refused(bench, "bad.npy", AISPIPE_FORMAT, TEXTS("bad.npy", "not an npy file"));
}

/* ---------------------------------------------------------------- refused during the run */

static void files_that_change_are_noticed(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_FLOAT32, 1, DIMS(2));
    char good[256];
    size_t length =
        npy_bytes(good, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "12345678", 8);
    temp_write(&dir, "a.npy", good, length);
    temp_write(&dir, "b.npy", good, length);
    temp_write(&dir, "c.bin", "12345678", 8);
    open_source(bench, "a.npy,b.npy,c.bin");
    /* Whether the header is in the cache (turn 1) or not, every cut and every surplus is told. */
    for (int turn = 0; turn < 2; turn++) {
        for (size_t part = 0; part < length; part++) {
            temp_write(&dir, "b.npy", good, part);
            fill_refused(bench, 1, AISPIPE_FORMAT,
                         part < 128 ? TEXTS("b.npy", part ? "ends inside" : "empty")
                                    : TEXTS("b.npy", "is cut off", "8 bytes"));
        }
        temp_write(&dir, "b.npy", good, length + 1);
        fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("b.npy", "is too long", "8 bytes"));
        temp_write(&dir, "b.npy", good, length + 90);
        fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("b.npy", "is too long"));
        filled(bench, 0, good + 128, NULL);
    }
    temp_write(&dir, "c.bin", "123", 3);
    fill_refused(bench, 2, AISPIPE_FORMAT, TEXTS("c.bin' holds 3 bytes", "8 bytes"));
    temp_write(&dir, "c.bin", "123456789abc", 12);
    fill_refused(bench, 2, AISPIPE_FORMAT, TEXTS("c.bin' holds 12 bytes", "8 bytes"));
    write_npy("b.npy", "<f8", "(2,)", "1234567812345678", 16);
    fill_refused(
        bench, 1, AISPIPE_FORMAT,
        TEXTS("b.npy' holds float64 (2,), 16 bytes", "'x' takes float32 (2,), 8 bytes", "of type float32"));
    assert_int_equal(unlink(temp_path(&dir, "c.bin")), 0);
    fill_refused(bench, 2, AISPIPE_IO, TEXTS("c.bin", "No such file", "vanished"));
    temp_subdir(&dir, "c.bin");
    fill_refused(bench, 2, AISPIPE_IO, TEXTS("c.bin", "Is a directory"));
    char data[8];
    filled(bench, 0, data, NULL); /* nothing of all that stays behind */
    assert_memory_equal(data, "12345678", 8);
}

static void parts_of_a_batch_must_be_alike(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(4));
    temp_write(&dir, "a.bin", "ab", 2);
    temp_write(&dir, "b.bin", "abcd", 4);
    open_source(bench, "a.bin,b.bin");
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("b.bin' holds 4 bytes", "2 files of 2 bytes each", "'x'"));
}

/* A user who owns nothing here. */
#define NOBODY 65534

static void unreadable_files_are_told(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(2));
    temp_write(&dir, "a.bin", "ab", 2);
    temp_write(&dir, "b.bin", "ab", 2);
    open_source(bench, "a.bin,b.bin");
    assert_int_equal(chmod(temp_path(&dir, "b.bin"), 0), 0);
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(NOBODY), 0); /* root reads everything */
    fill_refused(bench, 1, AISPIPE_IO, TEXTS("b.bin", "Permission denied", "permissions"));
    assert_int_equal(seteuid(user), 0);
}

/* The first bytes of a process' memory are never mapped: reading them is an I/O error of the system's own. */
static void read_errors_are_told(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(2));
    temp_write(&dir, "a.bin", "ab", 2);
    static const char *const names[] = {"b.bin", "b.npy", "b.bin.zst", "b.npy.zst"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char both[32];
        assert_int_equal(symlink("/proc/self/mem", temp_path(&dir, names[i])), 0);
        (void)snprintf(both, sizeof both, "a.bin,%s", names[i]);
        open_source(bench, both);
        fill_refused(bench, 1, AISPIPE_IO, TEXTS("cannot read input file", names[i], "Input/output error"));
        close_source(bench);
    }
}

static void bad_zstd_is_told(void **state)
{
    struct bench *bench = *state;
    enum { BYTES = 300000 };
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(BYTES));
    char *payload = malloc(BYTES);
    size_t room = ZSTD_compressBound(BYTES);
    char *packed = malloc(room + 4);
    assert_true(payload && packed);
    for (size_t i = 0; i < BYTES; i++)
        payload[i] = (char)(i * i >> 7);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_non_null(context);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    size_t length = ZSTD_compress2(context, packed, room, payload, BYTES);
    assert_false(ZSTD_isError(length));
    temp_write(&dir, "good.bin.zst", packed, length);
    temp_write(&dir, "bad.bin.zst", packed, length);
    open_source(bench, "good.bin.zst,bad.bin.zst");
    static const size_t cuts[] = {0, 1, 3, 4, 9, 100};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        temp_write(&dir, "bad.bin.zst", packed, cuts[i]);
        fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.bin.zst", "decompressed", "ends too early"));
    }
    for (size_t cut = 1; cut < 8; cut++) {
        temp_write(&dir, "bad.bin.zst", packed, length - cut);
        fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.bin.zst", "decompressed", "ends too early"));
    }
    packed[length - 1] ^= 1; /* the checksum */
    temp_write(&dir, "bad.bin.zst", packed, length);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.bin.zst", "decompressed", "checksum"));
    packed[length - 1] ^= 1;
    memcpy(packed + length, "junk", 4);
    temp_write(&dir, "bad.bin.zst", packed, length + 4);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.bin.zst", "decompressed"));
    temp_write(&dir, "bad.bin.zst", "this is no zstd file", 20);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.bin.zst", "decompressed"));
    write_zst("bad.bin.zst", payload, BYTES - 1);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("bad.bin.zst' holds 299999 bytes", "300000 bytes"));
    ZSTD_freeCCtx(context);
    free(packed);
    char *data = malloc(BYTES);
    assert_non_null(data);
    filled(bench, 0, data, NULL); /* the reader is as good as new */
    assert_memory_equal(data, payload, BYTES);
    free(data);
    free(payload);
}

static void frames_in_a_row_are_one_file(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(6));
    char packed[256];
    size_t one = ZSTD_compress(packed, sizeof packed, "abc", 3, 1);
    size_t two = ZSTD_compress(packed + one, sizeof packed - one, "", 0, 1);
    size_t three = ZSTD_compress(packed + one + two, sizeof packed - one - two, "def", 3, 1);
    temp_write(&dir, "a.bin.zst", packed, one + two + three);
    temp_write(&dir, "b.bin.zst", packed, one + two + three);
    open_source(bench, "a.bin.zst,b.bin.zst");
    assert_int_equal(bench->view.samples_per_batch, 1);
    char data[6];
    filled(bench, 1, data, NULL);
    assert_memory_equal(data, "abcdef", 6);
    temp_write(&dir, "b.bin.zst", packed, one + two);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("holds 3 bytes"));
    memcpy(packed + one + two + three, packed, one);
    temp_write(&dir, "b.bin.zst", packed, one + two + three + one);
    fill_refused(bench, 1, AISPIPE_FORMAT, TEXTS("holds more than 6 bytes"));
}

static void bad_npy_zst_is_told(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_FLOAT32, 1, DIMS(2));
    char file[256] = {0};
    size_t length =
        npy_bytes(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "12345678", 8);
    write_zst("a.npy.zst", file, length);
    open_source(bench, "a.npy.zst");
    write_zst("a.npy.zst", file, length + 1);
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("a.npy.zst", "too long"));
    write_zst("a.npy.zst", file, length - 1);
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("a.npy.zst", "cut off", "only 7"));
    write_zst("a.npy.zst", file, 60);
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("a.npy.zst", "ends inside its npy header"));
    write_zst("a.npy.zst", "", 0);
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("a.npy.zst", "empty"));
    file[0] = 'x';
    write_zst("a.npy.zst", file, length);
    fill_refused(bench, 0, AISPIPE_FORMAT, TEXTS("a.npy.zst", "not an npy file"));
}

/* A name may hold any byte, and may be long: messages stay one line that ends in the file's name. */
static void odd_names_stay_on_one_line(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 1, DIMS(2));
    temp_write(&dir, "new\nline\x1b[31m.bin", "abc", 3);
    open_refused(bench, "new\nline\x1b[31m.bin", AISPIPE_FORMAT, TEXTS("new?line?[31m.bin' holds 3 bytes"));
    char name[900];
    size_t at = 0;
    for (int depth = 0; depth < 5; depth++) {
        for (int i = 0; i < 75; i++, at += 2)
            memcpy(name + at, "\xc3\xa4", 2);
        name[at] = '\0';
        temp_subdir(&dir, name);
        name[at++] = '/';
    }
    strcpy(name + at, "last.bin");
    temp_write(&dir, name, "abc", 3);
    open_refused(bench, name, AISPIPE_FORMAT, TEXTS("input file '...\xc3\xa4", "/last.bin' holds 3 bytes"));
}

/* ---------------------------------------------------------------- threads */

enum { THREADS = 4, FILES = 64 };

struct worker {
    const struct bench *bench;
    atomic_uint *next;
};

static void *work(void *context)
{
    const struct worker *worker = context;
    const struct aispipe_source *view = &worker->bench->view;
    void *thread;
    if (view->thread_open(view->context, &thread, NULL))
        return context;
    void *failed = NULL;
    for (;;) {
        uint64_t batch = atomic_fetch_add(worker->next, 1);
        if (batch >= view->batches)
            break;
        char data[8];
        char wanted[16];
        void *inputs[] = {data};
        (void)snprintf(wanted, sizeof wanted, "%04u%04u", (unsigned)batch * 2, (unsigned)batch * 2 + 1);
        if (view->fill(view->context, thread, batch, inputs, NULL) || memcmp(data, wanted, 8) != 0)
            failed = context;
    }
    view->thread_close(view->context, thread);
    return failed;
}

static void threads_share_a_source(void **state)
{
    struct bench *bench = *state;
    add_input(bench, "x", AISPIPE_UINT8, 2, DIMS(2, 4));
    temp_subdir(&dir, "d");
    for (unsigned i = 0; i < FILES; i++) {
        char name[32];
        char payload[8];
        char file[256];
        (void)snprintf(payload, sizeof payload, "%04u", i);
        (void)snprintf(name, sizeof name, "d/f%u.npy%s", i, i % 3 == 2 ? ".zst" : "");
        size_t length =
            npy_bytes(file, "{'descr': '|i1', 'fortran_order': False, 'shape': (4,), }", payload, 4);
        if (i % 3 == 2)
            write_zst(name, file, length);
        else
            temp_write(&dir, name, file, length);
    }
    open_source(bench, "d");
    atomic_uint next = 0;
    struct worker worker = {bench, &next};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &worker), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(bench->lines.warnings, 1); /* once, however many threads see it */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(npy_and_bin_are_batched),
        TEST(two_inputs_are_read),
        TEST(headers_may_change_from_file_to_file),
        TEST(other_orders_are_converted),
        TEST(large_files_arrive_whole),
        TEST(scalars_and_empty_inputs_work),
        TEST(an_empty_second_input_joins_any_batch),
        TEST(another_type_of_the_same_size_is_warned_of_once),
        TEST(sizes_that_do_not_divide_are_refused),
        TEST(inputs_that_disagree_are_refused),
        TEST(bin_only_refuses_every_npy),
        TEST(hostile_headers_are_refused),
        TEST(files_that_change_are_noticed),
        TEST(parts_of_a_batch_must_be_alike),
        TEST(unreadable_files_are_told),
        TEST(read_errors_are_told),
        TEST(bad_zstd_is_told),
        TEST(frames_in_a_row_are_one_file),
        TEST(bad_npy_zst_is_told),
        TEST(odd_names_stay_on_one_line),
        TEST(threads_share_a_source),
    };
    return cmocka_run_group_tests_name("file_source", tests, NULL, NULL);
}

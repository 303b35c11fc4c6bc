/* SPDX-License-Identifier: MIT */
/* The .npy container: what is read, what is refused, and headers that are numpy's own, byte for byte. */
#include "unit.h"

#include "io/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDINARY "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

/* Magic, version, length and the dictionary, padded as numpy does it. Exactly as large as its allocation. */
static char *make_file(unsigned major, const char *dictionary, size_t *length)
{
    size_t start = major == 1 ? 10 : 12;
    size_t bytes = strlen(dictionary) + 1;
    bytes += (64 - (start + bytes) % 64) % 64;
    char *file = malloc(start + bytes);
    assert_non_null(file);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)major;
    file[7] = 0;
    for (size_t i = 8; i < start; i++)
        file[i] = (char)(bytes >> (i - 8) * 8 & 0xff);
    memset(file + start, ' ', bytes);
    memcpy(file + start, dictionary, strlen(dictionary));
    file[start + bytes - 1] = '\n';
    *length = start + bytes;
    return file;
}

static long parse(unsigned major, const char *dictionary, struct npy_header *header,
                  struct aispipe_error *error)
{
    size_t length;
    char *file = make_file(major, dictionary, &length);
    long rc = npy_parse(file, length, header, error);
    if (rc == 0)
        assert_int_equal(header->header_bytes, length);
    free(file);
    return rc;
}

static void accepted(const char *dictionary, struct npy_header *header)
{
    struct aispipe_error error = {0};
    if (parse(1, dictionary, header, &error) != 0)
        fail_msg("%s: %s", dictionary, error.message);
}

static void refused(const char *dictionary, const char *because)
{
    struct npy_header header;
    struct aispipe_error error = {0};
    for (unsigned major = 1; major <= 3; major++) {
        assert_int_equal(parse(major, dictionary, &header, &error), AISPIPE_FORMAT);
        assert_int_equal(error.code, AISPIPE_FORMAT);
        if (!strstr(error.message, because))
            fail_msg("%s: '%s' does not say '%s'", dictionary, error.message, because);
        assert_null(strchr(error.message, '\n'));
    }
}

/* ---------------------------------------------------------------- reading */

static void all_versions_are_read(void **state)
{
    (void)state;
    for (unsigned major = 1; major <= 3; major++) {
        struct npy_header header;
        struct aispipe_error error;
        assert_int_equal(parse(major, ORDINARY, &header, &error), 0);
        assert_int_equal(header.dtype, AISPIPE_FLOAT32);
        assert_string_equal(header.descr, "<f4");
        assert_int_equal(header.rank, 2);
        assert_int_equal(header.dims[0], 2);
        assert_int_equal(header.dims[1], 3);
        assert_int_equal(header.payload_bytes, 24);
        assert_int_equal(header.header_bytes, 128);
        assert_true(npy_is_plain(&header));
    }
}

static void types_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *descr;
        enum aispipe_dtype dtype;
        size_t bytes;
        bool big_endian;
    } cases[] = {
        {"<f4", AISPIPE_FLOAT32, 4, false},
        {"<f2", AISPIPE_FLOAT16, 2, false},
        {"<f8", AISPIPE_FLOAT64, 8, false},
        {"|i1", AISPIPE_INT8, 1, false},
        {"<i2", AISPIPE_INT16, 2, false},
        {"<i4", AISPIPE_INT32, 4, false},
        {"<i8", AISPIPE_INT64, 8, false},
        {"|u1", AISPIPE_UINT8, 1, false},
        {"<u2", AISPIPE_UINT16, 2, false},
        {"<u4", AISPIPE_UINT32, 4, false},
        {"<u8", AISPIPE_UINT64, 8, false},
        {"|b1", AISPIPE_BOOL, 1, false},
        {"?", AISPIPE_BOOL, 1, false},
        {"<V2", AISPIPE_BFLOAT16, 2, false},
        {">f4", AISPIPE_FLOAT32, 4, true},
        {">i8", AISPIPE_INT64, 8, true},
        {">u1", AISPIPE_UINT8, 1, false},
        {"=f4", AISPIPE_FLOAT32, 4, false},
        {"f4", AISPIPE_FLOAT32, 4, false},
        {"<c8", AISPIPE_DTYPE_UNDEFINED, 8, false},
        {">U3", AISPIPE_DTYPE_UNDEFINED, 12, false},
        {"<M8[ns]", AISPIPE_DTYPE_UNDEFINED, 8, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        struct npy_header header;
        (void)snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (5,), }",
                       cases[i].descr);
        accepted(text, &header);
        assert_int_equal(header.dtype, cases[i].dtype);
        assert_int_equal(header.item_bytes, cases[i].bytes);
        assert_int_equal(header.payload_bytes, 5 * cases[i].bytes);
        if (cases[i].descr[1] != 'U')
            assert_int_equal(header.big_endian, cases[i].big_endian);
    }
}

static void shapes_are_understood(void **state)
{
    (void)state;
    struct npy_header header;
    accepted("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", &header);
    assert_int_equal(header.rank, 0);
    assert_int_equal(header.payload_bytes, 8);
    accepted("{'descr': '<i8', 'fortran_order': False, 'shape': (0, 9223372036854775807), }", &header);
    assert_int_equal(header.payload_bytes, 0);
    accepted("{'descr': '<i8', 'fortran_order': False, 'shape': (9223372036854775807, 0, 4), }", &header);
    assert_int_equal(header.payload_bytes, 0);
    accepted("{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807,), }", &header);
    assert_true(header.payload_bytes == INT64_MAX);
    accepted("{'descr': '<f4', 'fortran_order': True, 'shape': (3L, 4L)}", &header); /* from Python 2 */
    assert_true(header.fortran_order);
    assert_int_equal(header.payload_bytes, 48);
    accepted("{\"shape\":(7,),\"fortran_order\":False,\"descr\":\"<f4\"}", &header);
    assert_int_equal(header.payload_bytes, 28);
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    refused("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "objects");
    refused("{'descr': 'O', 'fortran_order': False, 'shape': (2,), }", "objects");
    refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "structured");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }", "negative");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -9223372036854775808), }", "negative");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,), }", "2^63");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551617,), }", "2^63");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693952,), }", "2^63");
    refused("{'descr': '<f8', 'fortran_order': False, 'shape': (1073741824, 1073741824), }", "2^63");
    refused("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }",
            "2^63");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", "single dimension");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3.5), }", "shape");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (a,), }", "whole numbers");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3], }", "not a tuple");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", "shape");
    refused(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
        "1,1,1,1,1,1,1,1,1,1), }",
        "more than 32");
    refused("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,), }", "neither True nor False");
    refused("{'descr': '<f4', 'fortran_order': Falsey, 'shape': (2,), }", "neither True nor False");
    refused("{'descr': '<f3', 'fortran_order': False, 'shape': (2,), }", "not a NumPy type");
    refused("{'descr': '<q4', 'fortran_order': False, 'shape': (2,), }", "not a NumPy type");
    refused("{'descr': '', 'fortran_order': False, 'shape': (2,), }", "not a NumPy type");
    refused("{'descr': '|S99999999999999999999', 'fortran_order': False, 'shape': (2,), }", "larger than");
    refused("{'descr': 'a string that is longer than any type has', 'fortran_order': False, 'shape': (2,), }",
            "'descr'");
    refused("{'descr': '<f4', 'fortran_order': False, }", "'shape' is missing");
    refused("{'fortran_order': False, 'shape': (2,), }", "'descr' is missing");
    refused("{}", "missing");
    refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "twice");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "unknown key");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } {}", "behind the dictionary");
    refused("{'descr' '<f4', 'fortran_order': False, 'shape': (2,), }", "':'");
    refused("{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }", "'}'");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), ", "key");
    refused("[1, 2]", "not a dictionary");
    refused("", "not a dictionary");
}

static void bad_preambles_are_refused(void **state)
{
    (void)state;
    struct npy_header header;
    struct aispipe_error error;
    size_t length;
    char *file = make_file(1, ORDINARY, &length);
    static const unsigned char versions[][2] = {{9, 0}, {0, 0}, {4, 0}, {1, 1}, {255, 255}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        memcpy(file + 6, versions[i], 2);
        assert_int_equal(npy_parse(file, length, &header, &error), AISPIPE_FORMAT);
        assert_non_null(strstr(error.message, "version"));
    }
    memcpy(file + 6, "\x01", 2);
    file[length - 1] = ' ';
    assert_int_equal(npy_parse(file, length, &header, &error), AISPIPE_FORMAT);
    assert_non_null(strstr(error.message, "newline"));
    file[length - 1] = '\n';
    assert_int_equal(npy_parse(file, length, &header, &error), 0);
    file[0] = 'x';
    assert_int_equal(npy_parse(file, length, &header, &error), AISPIPE_FORMAT);
    assert_non_null(strstr(error.message, "not an npy file"));
    assert_int_equal(npy_parse(file, 1, &header, &error), AISPIPE_FORMAT);
    free(file);
    assert_int_equal(npy_parse("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12, &header, &error), AISPIPE_FORMAT);
    assert_non_null(strstr(error.message, "4294967307"));
    assert_int_equal(npy_parse("\x93NUMPY\x01\x00\x00\x00", 10, &header, &error), AISPIPE_FORMAT);
}

/* Given any part of a file, the parser asks for more, never past what it was given, and never for no more. */
static void truncated_headers_ask_for_more(void **state)
{
    (void)state;
    for (unsigned major = 1; major <= 3; major++) {
        size_t length;
        char *file = make_file(major, ORDINARY, &length);
        for (size_t part = 0; part < length; part++) {
            struct npy_header header;
            struct aispipe_error error;
            char *start = malloc(part ? part : 1);
            assert_non_null(start);
            memcpy(start, file, part);
            long more = npy_parse(start, part, &header, &error);
            assert_true(more > (long)part && more <= (long)length);
            free(start);
        }
        free(file);
    }
}

/* ---------------------------------------------------------------- other orders of bytes */

/* Payload of a Fortran-ordered array whose element k (in C order) has the bytes of `k + 1`. */
static void make_fortran(const struct npy_header *header, unsigned char *payload, unsigned char *expected)
{
    size_t item = header->item_bytes;
    size_t elements = header->payload_bytes / item;
    for (size_t k = 0; k < elements; k++) {
        size_t rest = k;
        size_t place = 0;
        size_t stride = elements;
        for (int axis = header->rank - 1; axis >= 0; axis--) {
            size_t index = rest % (size_t)header->dims[axis];
            rest /= (size_t)header->dims[axis];
            stride /= (size_t)header->dims[axis];
            place += index * stride;
        }
        for (size_t byte = 0; byte < item; byte++) {
            unsigned char value = (unsigned char)((k + 1) >> byte % 8 * 8);
            expected[k * item + byte] = value;
            payload[place * item + (header->big_endian ? item - 1 - byte : byte)] = value;
        }
    }
}

static void check_native(const char *descr, const char *shape)
{
    char text[160];
    struct npy_header header;
    (void)snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': True, 'shape': %s}", descr, shape);
    accepted(text, &header);
    unsigned char *payload = malloc(header.payload_bytes);
    unsigned char *expected = malloc(header.payload_bytes);
    unsigned char *native = malloc(header.payload_bytes);
    assert_true(payload && expected && native);
    make_fortran(&header, payload, expected);
    npy_to_native(&header, payload, native);
    assert_memory_equal(native, expected, header.payload_bytes);
    free(payload);
    free(expected);
    free(native);
}

static void fortran_order_is_turned(void **state)
{
    (void)state;
    static const char *const types[] = {"|u1", "<i2", ">i2", "<f4", ">f4", "<i8", ">i8", "|V3", "<c16"};
    static const char *const shapes[] = {"()",         "(5,)",          "(2, 3)",       "(17, 33)",
                                         "(1, 7)",     "(7, 1)",        "(2, 3, 4)",    "(16, 3, 16)",
                                         "(40, 2, 5)", "(3, 1, 2, 19)", "(1, 1, 1, 1)", "(2, 2, 2, 2, 2, 2)"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
            check_native(types[i], shapes[k]);
}

/* numpy.save of (numpy.arange(24).reshape(2, 3, 4) * 257 + 1).astype('>u2') in Fortran order, and its bytes
 * as '<u2' in C order. */
static void numpys_own_bytes_are_turned(void **state)
{
    (void)state;
    static const unsigned char fortran[] = {
        0x00, 0x01, 0x0c, 0x0d, 0x04, 0x05, 0x10, 0x11, 0x08, 0x09, 0x14, 0x15, 0x01, 0x02, 0x0d, 0x0e,
        0x05, 0x06, 0x11, 0x12, 0x09, 0x0a, 0x15, 0x16, 0x02, 0x03, 0x0e, 0x0f, 0x06, 0x07, 0x12, 0x13,
        0x0a, 0x0b, 0x16, 0x17, 0x03, 0x04, 0x0f, 0x10, 0x07, 0x08, 0x13, 0x14, 0x0b, 0x0c, 0x17, 0x18};
    struct npy_header header;
    unsigned char native[sizeof fortran];
    accepted("{'descr': '>u2', 'fortran_order': True, 'shape': (2, 3, 4), }", &header);
    assert_int_equal(header.payload_bytes, sizeof fortran);
    npy_to_native(&header, fortran, native);
    for (size_t k = 0; k < 24; k++) {
        assert_int_equal(native[2 * k], k + 1);
        assert_int_equal(native[2 * k + 1], k);
    }
}

static void big_endian_is_swapped(void **state)
{
    (void)state;
    struct npy_header header;
    char native[16];
    accepted("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", &header);
    npy_to_native(&header, "\x3f\x80\x00\x00\xc0\x49\x0f\xdb", native); /* 1, −π */
    assert_memory_equal(native, "\x00\x00\x80\x3f\xdb\x0f\x49\xc0", 8);
    accepted("{'descr': '>c8', 'fortran_order': False, 'shape': (1,), }", &header);
    npy_to_native(&header, "\x01\x02\x03\x04\x05\x06\x07\x08", native); /* each half on its own */
    assert_memory_equal(native, "\x04\x03\x02\x01\x08\x07\x06\x05", 8);
    accepted("{'descr': '>f4', 'fortran_order': True, 'shape': (0, 5), }", &header);
    npy_to_native(&header, native, NULL); /* nothing to move */
}

/* ---------------------------------------------------------------- writing */

/* `text` is what numpy.save wrote; behind it come blanks up to `length` and a newline. */
static void check_written(enum aispipe_dtype dtype, int rank, const int64_t *dims, size_t length,
                          const char *text)
{
    char *header = malloc(NPY_MAX_HEADER);
    char *expected = malloc(length);
    assert_true(header && expected);
    memset(expected, ' ', length);
    memcpy(expected, "\x93NUMPY\x01\x00", 8);
    expected[8] = (char)((length - 10) & 0xff);
    expected[9] = (char)((length - 10) >> 8);
    memcpy(expected + 10, text, strlen(text));
    expected[length - 1] = '\n';
    assert_int_equal(npy_format_header(dtype, rank, dims, header), length);
    assert_memory_equal(header, expected, length);
    free(header);
    free(expected);
}

static void headers_are_numpys(void **state)
{
    (void)state;
    int64_t twos[AISPIPE_MAX_RANK];
    for (int i = 0; i < AISPIPE_MAX_RANK; i++)
        twos[i] = 2;
    check_written(AISPIPE_FLOAT32, 2, (int64_t[]){2, 3}, 128, ORDINARY);
    check_written(AISPIPE_INT64, 0, NULL, 128, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }");
    check_written(AISPIPE_UINT8, 1, (int64_t[]){5}, 128,
                  "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }");
    check_written(AISPIPE_BOOL, 2, (int64_t[]){0, 7}, 128,
                  "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 7), }");
    check_written(AISPIPE_FLOAT16, 4, (int64_t[]){1, 3, 224, 224}, 128,
                  "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 3, 224, 224), }");
    check_written(AISPIPE_FLOAT64, 2, (int64_t[]){1000000, 2}, 128,
                  "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 2), }");
    /* Exactly 128 bytes without padding: numpy adds a whole line of 64 blanks. */
    check_written(
        AISPIPE_FLOAT32, 11, (int64_t[]){1, 333, 22, 22, 22, 22, 22, 22, 22, 22, 22}, 192,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 333, 22, 22, 22, 22, 22, 22, 22, 22, "
        "22), }");
    check_written(
        AISPIPE_FLOAT32, AISPIPE_MAX_RANK, twos, 192,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, "
        "2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2), }");
}

static void written_headers_read_back(void **state)
{
    (void)state;
    static const enum aispipe_dtype dtypes[] = {
        AISPIPE_FLOAT32, AISPIPE_FLOAT16, AISPIPE_INT8,    AISPIPE_INT32, AISPIPE_UINT8,
        AISPIPE_INT16,   AISPIPE_UINT16,  AISPIPE_UINT32,  AISPIPE_INT64, AISPIPE_UINT64,
        AISPIPE_FLOAT64, AISPIPE_BOOL,    AISPIPE_BFLOAT16};
    char *text = malloc(NPY_MAX_HEADER);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        for (int rank = 0; rank <= AISPIPE_MAX_RANK; rank++) {
            int64_t dims[AISPIPE_MAX_RANK];
            for (int axis = 0; axis < rank; axis++)
                dims[axis] = axis % 3 == 0 ? 3 : 1;
            struct npy_header header;
            struct aispipe_error error;
            size_t length = npy_format_header(dtypes[i], rank, dims, text);
            assert_int_equal(length % 64, 0);
            assert_int_equal(npy_parse(text, length, &header, &error), 0);
            assert_int_equal(header.dtype, dtypes[i]);
            assert_int_equal(header.rank, rank);
            for (int axis = 0; axis < rank; axis++)
                assert_int_equal(header.dims[axis], dims[axis]);
            assert_int_equal(header.header_bytes, length);
        }
    }
    free(text);
}

static void shapes_are_printed_as_python_does(void **state)
{
    (void)state;
    char text[64];
    npy_format_shape(0, NULL, text, sizeof text);
    assert_string_equal(text, "()");
    npy_format_shape(1, (int64_t[]){3}, text, sizeof text);
    assert_string_equal(text, "(3,)");
    npy_format_shape(2, (int64_t[]){2, -1}, text, sizeof text);
    assert_string_equal(text, "(2, -1)");
    npy_format_shape(2, (int64_t[]){2, 3}, text, 4);
    assert_string_equal(text, "(2,");
    int64_t large[AISPIPE_MAX_RANK];
    for (int i = 0; i < AISPIPE_MAX_RANK; i++)
        large[i] = INT64_MIN;
    char all[1024];
    npy_format_shape(AISPIPE_MAX_RANK, large, all, sizeof all);
    assert_int_equal(strlen(all), 2 + AISPIPE_MAX_RANK * 20 + (AISPIPE_MAX_RANK - 1) * 2);
}

/* ---------------------------------------------------------------- hostile bytes */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Headers with a few bytes changed, cut or swapped: whatever comes out must be consistent. */
static void mutated_headers_are_survived(void **state)
{
    (void)state;
    static const char alphabet[] = "{}()[]',:0129-<>|=fiubcVUSOM? \n\"\\LTrueFalsdescrshape\xff\x80";
    uint32_t seed = 7;
    const char *turns = getenv("AISPIPE_FUZZ_TURNS");
    long count = turns ? strtol(turns, NULL, 10) : 200000;
    unsigned long good = 0;
    for (long turn = 0; turn < count; turn++) {
        size_t length;
        char *file = make_file(1 + next_random(&seed) % 3, ORDINARY, &length);
        for (unsigned changes = 1 + next_random(&seed) % 4; changes > 0; changes--) {
            size_t at = next_random(&seed) % (next_random(&seed) % 2 ? 72 : length);
            file[at] = next_random(&seed) % 8 ? alphabet[next_random(&seed) % (sizeof alphabet - 1)]
                                              : (char)next_random(&seed);
        }
        /* A block of its own, so that a read behind the end is seen by the address sanitizer. */
        size_t kept = next_random(&seed) % 4 ? length : next_random(&seed) % length;
        char *part = malloc(kept ? kept : 1);
        assert_non_null(part);
        memcpy(part, file, kept);
        struct npy_header header;
        struct aispipe_error error = {0};
        long rc = npy_parse(part, kept, &header, &error);
        if (rc > 0)
            assert_true((size_t)rc > kept && rc <= NPY_MAX_HEADER);
        if (rc < 0)
            assert_true(error.code == rc && *error.message);
        if (rc == 0) {
            good++;
            assert_true(header.header_bytes <= kept && header.rank <= AISPIPE_MAX_RANK);
            assert_true(header.item_bytes == 0 || header.payload_bytes % header.item_bytes == 0);
        }
        free(part);
        free(file);
    }
    assert_true(count < 1000 || good > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_versions_are_read),        cmocka_unit_test(types_are_understood),
        cmocka_unit_test(shapes_are_understood),        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_preambles_are_refused),    cmocka_unit_test(truncated_headers_ask_for_more),
        cmocka_unit_test(fortran_order_is_turned),      cmocka_unit_test(numpys_own_bytes_are_turned),
        cmocka_unit_test(big_endian_is_swapped),        cmocka_unit_test(headers_are_numpys),
        cmocka_unit_test(written_headers_read_back),    cmocka_unit_test(shapes_are_printed_as_python_does),
        cmocka_unit_test(mutated_headers_are_survived),
    };
    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}

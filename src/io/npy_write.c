/* SPDX-License-Identifier: MIT */
/* Writing .npy headers byte for byte as numpy.save does, and shapes as Python prints them. */
#include "io/npy.h"

#include <stdio.h>
#include <string.h>

/* NumPy leaves room to rewrite the first dimension with up to this many digits, so that a file can grow. */
enum { GROWTH_DIGITS = 21, ALIGNMENT = 64, PREAMBLE = 10 };

static const char *descr_of(enum aispipe_dtype dtype)
{
    switch (dtype) {
    case AISPIPE_FLOAT32:
        return "<f4";
    case AISPIPE_FLOAT16:
        return "<f2";
    case AISPIPE_INT8:
        return "|i1";
    case AISPIPE_INT32:
        return "<i4";
    case AISPIPE_UINT8:
        return "|u1";
    case AISPIPE_INT16:
        return "<i2";
    case AISPIPE_UINT16:
        return "<u2";
    case AISPIPE_UINT32:
        return "<u4";
    case AISPIPE_INT64:
        return "<i8";
    case AISPIPE_UINT64:
        return "<u8";
    case AISPIPE_FLOAT64:
        return "<f8";
    case AISPIPE_BOOL:
        return "|b1";
    case AISPIPE_BFLOAT16: /* NumPy has none; the extension types that add it are saved like this */
        return "<V2";
    case AISPIPE_DTYPE_UNDEFINED:
        break;
    }
    return "|V1";
}

void npy_format_shape(int rank, const int64_t *dims, char *text, size_t capacity)
{
    char whole[16 + AISPIPE_MAX_RANK * 24] = "(";
    size_t at = 1;
    for (int i = 0; i < rank && i < AISPIPE_MAX_RANK; i++)
        at += (size_t)snprintf(whole + at, sizeof whole - at, "%s%lld", i ? ", " : "", (long long)dims[i]);
    (void)snprintf(whole + at, sizeof whole - at, "%s", rank == 1 ? ",)" : ")");
    if (capacity)
        (void)snprintf(text, capacity, "%s", whole);
}

size_t npy_format_header(enum aispipe_dtype dtype, int rank, const int64_t *dims, char *header)
{
    char shape[16 + AISPIPE_MAX_RANK * 24];
    npy_format_shape(rank, dims, shape, sizeof shape);
    char *text = header + PREAMBLE;
    size_t length =
        (size_t)snprintf(text, NPY_MAX_HEADER - PREAMBLE,
                         "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr_of(dtype), shape);
    if (rank > 0) {
        int digits = snprintf(NULL, 0, "%lld", (long long)dims[0]);
        memset(text + length, ' ', (size_t)(GROWTH_DIGITS - digits));
        length += (size_t)(GROWTH_DIGITS - digits);
    }
    /* NumPy always pads: by a whole 64 bytes where none would be needed. */
    size_t padding = ALIGNMENT - (PREAMBLE + length + 1) % ALIGNMENT;
    memset(text + length, ' ', padding);
    length += padding;
    text[length++] = '\n';
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(length & 0xff);
    header[9] = (char)(length >> 8);
    return PREAMBLE + length;
}

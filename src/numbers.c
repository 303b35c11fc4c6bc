/* SPDX-License-Identifier: MIT */
#include "numbers.h"

#include <math.h>

double half_to_double(uint16_t bits)
{
    int exponent = bits >> 10 & 0x1f;
    double mantissa = bits & 0x3ff;
    double value;
    if (exponent == 0x1f)
        value = mantissa > 0 ? NAN : INFINITY;
    else if (exponent)
        value = ldexp(mantissa + 1024, exponent - 25);
    else
        value = ldexp(mantissa, -24);
    return bits & 0x8000 ? -value : value;
}

double bfloat16_to_double(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static double number_at(enum aispipe_dtype dtype, const char *from)
{
    switch (dtype) {
    case AISPIPE_FLOAT32:
        return NUMBER_AT(float, from);
    case AISPIPE_FLOAT64:
        return NUMBER_AT(double, from);
    case AISPIPE_FLOAT16:
        return half_to_double(NUMBER_AT(uint16_t, from));
    case AISPIPE_BFLOAT16:
        return bfloat16_to_double(NUMBER_AT(uint16_t, from));
    case AISPIPE_INT8:
        return NUMBER_AT(int8_t, from);
    case AISPIPE_INT16:
        return NUMBER_AT(int16_t, from);
    case AISPIPE_INT32:
        return NUMBER_AT(int32_t, from);
    case AISPIPE_INT64:
        return (double)NUMBER_AT(int64_t, from);
    case AISPIPE_UINT8:
        return NUMBER_AT(uint8_t, from);
    case AISPIPE_UINT16:
        return NUMBER_AT(uint16_t, from);
    case AISPIPE_UINT32:
        return NUMBER_AT(uint32_t, from);
    case AISPIPE_UINT64:
        return (double)NUMBER_AT(uint64_t, from);
    case AISPIPE_BOOL:
        return *from != 0;
    case AISPIPE_DTYPE_UNDEFINED:
        break;
    }
    return 0;
}

void numbers_to_double(enum aispipe_dtype dtype, const void *from, size_t count, double *to)
{
    const char *at = from;
    size_t bytes = aispipe_dtype_size(dtype);
    for (size_t i = 0; i < count; i++, at += bytes)
        to[i] = number_at(dtype, at);
}

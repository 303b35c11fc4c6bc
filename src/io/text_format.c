/* SPDX-License-Identifier: MIT */
#include "io/text_format.h"

#include "numbers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRACTION_DIGITS = 6, MANTISSA_BITS = 52, EXPONENT_BIAS = 1075 };

#define FRACTION_SCALE 1000000u

size_t text_width(enum aispipe_dtype dtype)
{
    switch (dtype) {
    case AISPIPE_FLOAT64:
        return TEXT_VALUE_MAX;
    case AISPIPE_FLOAT32:
    case AISPIPE_BFLOAT16:
        return 48; /* sign, 39 digits, point, 6 digits, blank */
    default:
        return 21; /* the 20 digits of 2^64 − 1; a float16 takes 14 */
    }
}

size_t text_digits(uint64_t number, char *text)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    for (size_t i = 0; i < n; i++)
        text[i] = digits[n - 1 - i];
    return n;
}

/* ---------------------------------------------------------------- floats */

/* value × 10^6, rounded to the nearest whole number, halves to even, as printf rounds. Exact: the mantissa
 * has 53 bits and 10^6 has 20, so the product fits into 128 bits. For values below 2^53. */
static unsigned __int128 scaled(uint64_t bits)
{
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS & 0x7ff);
    if (exponent)
        mantissa |= UINT64_C(1) << MANTISSA_BITS;
    else
        exponent = 1;
    unsigned shift = EXPONENT_BIAS - exponent;
    unsigned __int128 product = (unsigned __int128)mantissa * FRACTION_SCALE;
    if (!shift)
        return product;
    if (shift > 74) /* the product is below 2^73, so this is less than a half */
        return 0;
    unsigned __int128 whole = product >> shift;
    unsigned __int128 rest = product - (whole << shift);
    unsigned __int128 half = (unsigned __int128)1 << (shift - 1);
    if (rest > half || (rest == half && (whole & 1)))
        whole++;
    return whole;
}

static size_t put(char *text, const char *word)
{
    size_t length = 0;
    for (; word[length]; length++)
        text[length] = word[length];
    return length;
}

/* "%f", without the locale's decimal point and several times faster. */
static size_t format_float(double value, char *text)
{
    size_t at = 0;
    if (isnan(value))
        return put(text, "nan");
    if (signbit(value)) {
        text[at++] = '-';
        value = -value;
    }
    if (isinf(value))
        return at + put(text + at, "inf");
    if (value >= 0x1p53) {
        /* A whole number. printf knows how to write hundreds of digits, and needs no point for them. */
        at += (size_t)snprintf(text + at, TEXT_VALUE_MAX - at, "%.0f", value);
        return at + put(text + at, ".000000");
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned __int128 number = scaled(bits);
    uint32_t fraction;
    if (number <= UINT64_MAX) {
        at += text_digits((uint64_t)number / FRACTION_SCALE, text + at);
        fraction = (uint32_t)((uint64_t)number % FRACTION_SCALE);
    } else {
        at += text_digits((uint64_t)(number / FRACTION_SCALE), text + at);
        fraction = (uint32_t)(number % FRACTION_SCALE);
    }
    text[at] = '.';
    for (int i = FRACTION_DIGITS; i > 0; i--) {
        text[at + (size_t)i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return at + 1 + FRACTION_DIGITS;
}

/* ---------------------------------------------------------------- one value */

static size_t format_signed(int64_t value, char *text)
{
    if (value >= 0)
        return text_digits((uint64_t)value, text);
    text[0] = '-';
    return 1 + text_digits(0 - (uint64_t)value, text + 1);
}

static size_t format_value(enum aispipe_dtype dtype, const char *from, char *text)
{
    switch (dtype) {
    case AISPIPE_FLOAT32:
        return format_float((double)NUMBER_AT(float, from), text);
    case AISPIPE_FLOAT64:
        return format_float(NUMBER_AT(double, from), text);
    case AISPIPE_FLOAT16:
        return format_float(half_to_double(NUMBER_AT(uint16_t, from)), text);
    case AISPIPE_BFLOAT16:
        return format_float(bfloat16_to_double(NUMBER_AT(uint16_t, from)), text);
    case AISPIPE_INT8:
        return format_signed(NUMBER_AT(int8_t, from), text);
    case AISPIPE_INT16:
        return format_signed(NUMBER_AT(int16_t, from), text);
    case AISPIPE_INT32:
        return format_signed(NUMBER_AT(int32_t, from), text);
    case AISPIPE_INT64:
        return format_signed(NUMBER_AT(int64_t, from), text);
    case AISPIPE_UINT8:
        return text_digits(NUMBER_AT(uint8_t, from), text);
    case AISPIPE_UINT16:
        return text_digits(NUMBER_AT(uint16_t, from), text);
    case AISPIPE_UINT32:
        return text_digits(NUMBER_AT(uint32_t, from), text);
    case AISPIPE_UINT64:
        return text_digits(NUMBER_AT(uint64_t, from), text);
    case AISPIPE_BOOL:
        return text_digits(*from != 0, text);
    case AISPIPE_DTYPE_UNDEFINED:
        break;
    }
    return 0;
}

size_t text_format(enum aispipe_dtype dtype, const void *values, size_t count, char *text)
{
    const char *from = values;
    size_t item = aispipe_dtype_size(dtype);
    size_t at = 0;
    for (size_t i = 0; i < count; i++, from += item) {
        at += format_value(dtype, from, text + at);
        text[at++] = ' ';
    }
    return at;
}

/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "io/text_format.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One value as text, without its blank. */
static const char *text_of(enum aispipe_dtype dtype, const void *value)
{
    static char text[TEXT_VALUE_MAX + 1];
    size_t length = text_format(dtype, value, 1, text);
    assert_true(length > 0 && length <= text_width(dtype));
    assert_true(text[length - 1] == ' ');
    text[length - 1] = '\0';
    return text;
}

#define CHECK(dtype, type, value, wanted) assert_string_equal(text_of(dtype, &(type){value}), wanted)

static void test_integers_in_full(void **state)
{
    (void)state;
    CHECK(AISPIPE_INT8, int8_t, INT8_MIN, "-128");
    CHECK(AISPIPE_INT8, int8_t, 7, "7");
    CHECK(AISPIPE_UINT8, uint8_t, UINT8_MAX, "255");
    CHECK(AISPIPE_INT16, int16_t, INT16_MIN, "-32768");
    CHECK(AISPIPE_UINT16, uint16_t, UINT16_MAX, "65535");
    CHECK(AISPIPE_INT32, int32_t, INT32_MIN, "-2147483648");
    CHECK(AISPIPE_UINT32, uint32_t, UINT32_MAX, "4294967295");
    CHECK(AISPIPE_INT64, int64_t, INT64_MIN, "-9223372036854775808");
    CHECK(AISPIPE_INT64, int64_t, INT64_MAX, "9223372036854775807");
    CHECK(AISPIPE_INT64, int64_t, 0, "0");
    CHECK(AISPIPE_UINT64, uint64_t, UINT64_MAX, "18446744073709551615");
}

static void test_bool_is_0_or_1(void **state)
{
    (void)state;
    CHECK(AISPIPE_BOOL, uint8_t, 0, "0");
    CHECK(AISPIPE_BOOL, uint8_t, 1, "1");
    CHECK(AISPIPE_BOOL, uint8_t, 0x80, "1");
}

/* The texts are Python's "%f" % value. */
static void test_float_values(void **state)
{
    (void)state;
    CHECK(AISPIPE_FLOAT32, float, 0.0f, "0.000000");
    CHECK(AISPIPE_FLOAT32, float, -0.0f, "-0.000000");
    CHECK(AISPIPE_FLOAT32, float, 1.5f, "1.500000");
    CHECK(AISPIPE_FLOAT32, float, -2.25f, "-2.250000");
    CHECK(AISPIPE_FLOAT32, float, 0.1f, "0.100000");
    CHECK(AISPIPE_FLOAT32, float, 16777217.0f, "16777216.000000");
    CHECK(AISPIPE_FLOAT32, float, 3.4028234663852886e38f, "340282346638528859811704183484516925440.000000");
    CHECK(AISPIPE_FLOAT32, float, 1e-45f, "0.000000");
    CHECK(AISPIPE_FLOAT64, double, 0.9999996, "1.000000");
    CHECK(AISPIPE_FLOAT64, double, 0.9999994, "0.999999");
    CHECK(AISPIPE_FLOAT64, double, 9007199254740991.0, "9007199254740991.000000");
    CHECK(AISPIPE_FLOAT64, double, 9007199254740993.0, "9007199254740992.000000");
    CHECK(AISPIPE_FLOAT64, double, 123456789012345.678, "123456789012345.671875");
}

/* These are exact halves of the last digit. */
static void test_halves_are_rounded_to_even(void **state)
{
    (void)state;
    CHECK(AISPIPE_FLOAT64, double, 0x1p-7, "0.007812");         /* 0.0078125 */
    CHECK(AISPIPE_FLOAT64, double, 3 * 0x1p-7, "0.023438");     /* 0.0234375 */
    CHECK(AISPIPE_FLOAT64, double, -(1 + 0x1p-7), "-1.007812"); /* −1.0078125 */
    CHECK(AISPIPE_FLOAT32, float, 4 + 3 * 0x1p-7f, "4.023438");
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    CHECK(AISPIPE_FLOAT32, float, NAN, "nan");
    CHECK(AISPIPE_FLOAT32, float, -NAN, "nan");
    CHECK(AISPIPE_FLOAT64, double, INFINITY, "inf");
    CHECK(AISPIPE_FLOAT64, double, -INFINITY, "-inf");
}

static void test_half_precision(void **state)
{
    (void)state;
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x3c00, "1.000000");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0xc100, "-2.500000");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x7bff, "65504.000000");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x2e66, "0.099976");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x0400, "0.000061"); /* the least normal number */
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x03ff, "0.000061"); /* the greatest subnormal one */
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x0010, "0.000001");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x8000, "-0.000000");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x7c00, "inf");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0xfc00, "-inf");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0x7e01, "nan");
    CHECK(AISPIPE_FLOAT16, uint16_t, 0xfe00, "nan");
}

static void test_bfloat16(void **state)
{
    (void)state;
    CHECK(AISPIPE_BFLOAT16, uint16_t, 0x3f80, "1.000000");
    CHECK(AISPIPE_BFLOAT16, uint16_t, 0x4049, "3.140625");
    CHECK(AISPIPE_BFLOAT16, uint16_t, 0x7f7f, "338953138925153547590470800371487866880.000000");
    CHECK(AISPIPE_BFLOAT16, uint16_t, 0xff80, "-inf");
    CHECK(AISPIPE_BFLOAT16, uint16_t, 0x7fc0, "nan");
}

static void test_several_values(void **state)
{
    (void)state;
    const int32_t values[] = {1, -20, 300};
    char text[3 * 21];
    size_t length = text_format(AISPIPE_INT32, values, 3, text);
    assert_int_equal(length, strlen("1 -20 300 "));
    assert_memory_equal(text, "1 -20 300 ", length);
    assert_int_equal(text_format(AISPIPE_INT32, NULL, 0, text), 0);
}

static void test_longest_value_fits(void **state)
{
    (void)state;
    double least = -0x1.fffffffffffffp1023;
    assert_int_equal(strlen(text_of(AISPIPE_FLOAT64, &least)) + 1, TEXT_VALUE_MAX);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

/* Against libc, which is right in the C locale: all exponents, and those that matter more often. */
static void test_agrees_with_printf(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random(&seed);
        if (i % 2)
            bits = (bits & ~(UINT64_C(0x7ff) << 52)) | (UINT64_C(995) + bits % 90) << 52;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isnan(value))
            continue;
        char wanted[TEXT_VALUE_MAX + 1];
        (void)snprintf(wanted, sizeof wanted, "%f", value);
        assert_string_equal(text_of(AISPIPE_FLOAT64, &value), wanted);
    }
}

static void test_locale_has_no_say(void **state)
{
    (void)state;
    /* Where no such locale is installed, this only repeats what other tests say. */
    (void)(setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "fr_FR.UTF-8"));
    CHECK(AISPIPE_FLOAT64, double, 1234567.5, "1234567.500000");
    CHECK(AISPIPE_FLOAT64, double, 1e18, "1000000000000000000.000000");
    (void)setlocale(LC_ALL, "C");
}

static void test_digits(void **state)
{
    (void)state;
    char text[20];
    assert_int_equal(text_digits(0, text), 1);
    assert_true(text[0] == '0');
    assert_int_equal(text_digits(UINT64_MAX, text), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_in_full),   cmocka_unit_test(test_bool_is_0_or_1),
        cmocka_unit_test(test_float_values),       cmocka_unit_test(test_halves_are_rounded_to_even),
        cmocka_unit_test(test_what_is_no_number),  cmocka_unit_test(test_half_precision),
        cmocka_unit_test(test_bfloat16),           cmocka_unit_test(test_several_values),
        cmocka_unit_test(test_longest_value_fits), cmocka_unit_test(test_agrees_with_printf),
        cmocka_unit_test(test_locale_has_no_say),  cmocka_unit_test(test_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

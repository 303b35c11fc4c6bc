/* SPDX-License-Identifier: MIT */
/* Made-up data: valid for every type, spread over its range, and the same for the same seed. */
#include "unit.h"

#include "aispipe/files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS = 4096 };

static const enum aispipe_dtype dtypes[] = {
    AISPIPE_FLOAT32, AISPIPE_FLOAT16, AISPIPE_BFLOAT16, AISPIPE_FLOAT64, AISPIPE_BOOL,
    AISPIPE_INT8,    AISPIPE_UINT8,   AISPIPE_INT16,    AISPIPE_UINT16,  AISPIPE_INT32,
    AISPIPE_UINT32,  AISPIPE_INT64,   AISPIPE_UINT64,
};

enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* One input of every type, and one without any elements. */
static struct aispipe_model_desc make_model(struct aispipe_tensor_desc *inputs)
{
    for (size_t i = 0; i < DTYPES; i++)
        inputs[i] = (struct aispipe_tensor_desc){.name = aispipe_dtype_name(dtypes[i]),
                                                 .dtype = dtypes[i],
                                                 .rank = 1,
                                                 .dims = {ELEMENTS},
                                                 .size = ELEMENTS * aispipe_dtype_size(dtypes[i])};
    inputs[DTYPES] = (struct aispipe_tensor_desc){.name = "empty", .dtype = AISPIPE_FLOAT32, .rank = 1};
    return (struct aispipe_model_desc){.n_inputs = DTYPES + 1, .inputs = inputs};
}

static void make_data(bool random, uint64_t seed, uint64_t batch, void **data)
{
    struct aispipe_tensor_desc inputs[DTYPES + 1];
    struct aispipe_model_desc model = make_model(inputs);
    struct aispipe_made_up_source *source;
    struct aispipe_error error;
    assert_int_equal(aispipe_made_up_source_open(&model, random, seed, 3, &source, &error), 0);
    struct aispipe_source view = aispipe_made_up_source_view(source);
    for (size_t i = 0; i < DTYPES; i++) {
        data[i] = malloc(inputs[i].size);
        assert_non_null(data[i]);
        memset(data[i], 0xee, inputs[i].size);
    }
    data[DTYPES] = NULL;
    assert_int_equal(view.fill(view.context, NULL, batch, data, &error), 0);
    aispipe_made_up_source_close(source);
}

static void free_data(void **data)
{
    for (size_t i = 0; i < DTYPES; i++)
        free(data[i]);
}

static double half_value(uint16_t bits, int mantissa, int bias)
{
    int exponent = (bits & 0x7fff) >> mantissa;
    int fraction = bits & ((1 << mantissa) - 1);
    assert_true(exponent != 0x7fff >> mantissa); /* neither infinite nor not a number */
    double value = exponent ? ldexp(1.0 + ldexp(fraction, -mantissa), exponent - bias)
                            : ldexp(fraction, 1 - bias - mantissa);
    return bits >> 15 ? -value : value;
}

/* Element k as a number; integers as a fraction of their range, so that all types are checked alike. */
static double value_of(enum aispipe_dtype dtype, const void *data, size_t k)
{
    size_t item = aispipe_dtype_size(dtype);
    uint64_t bits = 0;
    memcpy(&bits, (const char *)data + k * item, item);
    switch (dtype) {
    case AISPIPE_FLOAT32:
        return ((const float *)data)[k];
    case AISPIPE_FLOAT64:
        return ((const double *)data)[k];
    case AISPIPE_FLOAT16:
        return half_value((uint16_t)bits, 10, 15);
    case AISPIPE_BFLOAT16:
        return half_value((uint16_t)bits, 7, 127);
    case AISPIPE_BOOL:
        assert_true(bits <= 1);
        return bits ? 0.999 : 0;
    default:
        return ldexp((double)bits, item >= 4 ? -31 : -(int)item * 8);
    }
}

static void random_values_are_valid_and_spread(void **state)
{
    (void)state;
    void *data[DTYPES + 1];
    make_data(true, 42, 0, data);
    for (size_t i = 0; i < DTYPES; i++) {
        double sum = 0;
        double squares = 0;
        for (size_t k = 0; k < ELEMENTS; k++) {
            double value = value_of(dtypes[i], data[i], k);
            assert_true(value >= 0 && value < 1);
            sum += value;
            squares += value * value;
        }
        /* Uniform in [0, 1): mean 1/2, mean square 1/3; a bool that is 0 or 1 has 1/2 for both. */
        double square = dtypes[i] == AISPIPE_BOOL ? 0.5 : 1.0 / 3;
        if (fabs(sum / ELEMENTS - 0.5) > 0.03 || fabs(squares / ELEMENTS - square) > 0.03)
            fail_msg("%s: mean %f, mean square %f", aispipe_dtype_name(dtypes[i]), sum / ELEMENTS,
                     squares / ELEMENTS);
    }
    free_data(data);
}

static void a_seed_makes_the_data(void **state)
{
    (void)state;
    void *one[DTYPES + 1];
    void *same[DTYPES + 1];
    void *other[DTYPES + 1];
    make_data(true, 7, 0, one);
    make_data(true, 7, 2, same); /* every batch holds the same sample */
    make_data(true, 8, 0, other);
    for (size_t i = 0; i < DTYPES; i++) {
        size_t bytes = ELEMENTS * aispipe_dtype_size(dtypes[i]);
        assert_memory_equal(one[i], same[i], bytes);
        assert_memory_not_equal(one[i], other[i], bytes);
    }
    assert_memory_not_equal(one[5], one[6], ELEMENTS); /* each input has values of its own */
    free_data(one);
    free_data(same);
    free_data(other);
}

/* Pinned, so that a run can be repeated with a later version. */
static void the_sequence_does_not_change(void **state)
{
    (void)state;
    struct aispipe_tensor_desc input = {
        .name = "x", .dtype = AISPIPE_UINT64, .rank = 1, .dims = {3}, .size = 24};
    struct aispipe_model_desc model = {.n_inputs = 1, .inputs = &input};
    struct aispipe_made_up_source *source;
    assert_int_equal(aispipe_made_up_source_open(&model, true, 0, 1, &source, NULL), 0);
    struct aispipe_source view = aispipe_made_up_source_view(source);
    uint64_t data[3];
    void *inputs[] = {data};
    assert_int_equal(view.fill(view.context, NULL, 0, inputs, NULL), 0);
    assert_true(data[0] == UINT64_C(0x4d197e6f) && data[1] == UINT64_C(0x74414f5e) &&
                data[2] == UINT64_C(0x7babf717));
    aispipe_made_up_source_close(source);
}

static void zeros_are_zero(void **state)
{
    (void)state;
    void *data[DTYPES + 1];
    make_data(false, 7, 1, data);
    for (size_t i = 0; i < DTYPES; i++)
        for (size_t k = 0; k < ELEMENTS * aispipe_dtype_size(dtypes[i]); k++)
            assert_int_equal(((char *)data[i])[k], 0);
    free_data(data);
}

static void there_is_one_sample_however_many_batches(void **state)
{
    (void)state;
    struct aispipe_tensor_desc inputs[DTYPES + 1];
    struct aispipe_model_desc model = make_model(inputs);
    struct aispipe_made_up_source *source;
    assert_int_equal(aispipe_made_up_source_open(&model, false, 0, 5, &source, NULL), 0);
    struct aispipe_source view = aispipe_made_up_source_view(source);
    assert_int_equal(view.samples, 1);
    assert_int_equal(view.batches, 5);
    assert_int_equal(view.samples_per_batch, 1);
    char name[32];
    view.sample_name(view.context, 0, name, sizeof name);
    assert_string_equal(name, "pure_infer_data");
    view.sample_name(view.context, 0, name, 5);
    assert_string_equal(name, "pure");
    aispipe_made_up_source_close(source);
    aispipe_made_up_source_close(NULL);
}

static void models_without_inputs_or_types_are_handled(void **state)
{
    (void)state;
    struct aispipe_model_desc model = {0};
    struct aispipe_made_up_source *source;
    struct aispipe_error error;
    assert_int_equal(aispipe_made_up_source_open(&model, true, 1, 1, &source, &error), 0);
    struct aispipe_source view = aispipe_made_up_source_view(source);
    assert_int_equal(view.fill(view.context, NULL, 0, NULL, &error), 0);
    aispipe_made_up_source_close(source);
    struct aispipe_tensor_desc input = {.name = "odd", .dtype = AISPIPE_DTYPE_UNDEFINED, .size = 16};
    model = (struct aispipe_model_desc){.n_inputs = 1, .inputs = &input};
    assert_int_equal(aispipe_made_up_source_open(&model, true, 1, 1, &source, &error), AISPIPE_UNSUPPORTED);
    assert_null(source);
    assert_non_null(strstr(error.message, "'odd'"));
    assert_int_equal(aispipe_made_up_source_open(&model, false, 1, 1, &source, &error), 0);
    aispipe_made_up_source_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_values_are_valid_and_spread),
        cmocka_unit_test(a_seed_makes_the_data),
        cmocka_unit_test(the_sequence_does_not_change),
        cmocka_unit_test(zeros_are_zero),
        cmocka_unit_test(there_is_one_sample_however_many_batches),
        cmocka_unit_test(models_without_inputs_or_types_are_handled),
    };
    return cmocka_run_group_tests_name("made_up_source", tests, NULL, NULL);
}

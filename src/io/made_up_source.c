/* SPDX-License-Identifier: MIT */
/* The one made-up sample of a run without input files. */
#include "aispipe/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct aispipe_made_up_source {
    const struct aispipe_model_desc *model;
    uint64_t batches;
    void **samples; /* random data of each input; NULL for zeros */
};

/* ---------------------------------------------------------------- random values */

/* A counter whose bits are mixed: every seed gives a sequence of its own, the same on every machine. */
static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = *state;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

/* Bits of the 16-bit float that is number / 2^(mantissa + 1), for a number below that: [0, 1), exact. */
static uint16_t small_float(unsigned number, unsigned mantissa, unsigned bias)
{
    if (number == 0)
        return 0;
    unsigned top = 31U - (unsigned)__builtin_clz(number);
    unsigned exponent = bias + top - (mantissa + 1);
    return (uint16_t)(exponent << mantissa | ((number << (mantissa - top)) & ((1U << mantissa) - 1)));
}

/* Writes one random element of a type; false for a type that it does not know. */
static bool put_random(enum aispipe_dtype dtype, uint64_t bits, void *to)
{
    float single = (float)(bits >> 40) * 0x1p-24F;
    double twice = (double)(bits >> 11) * 0x1p-53;
    uint16_t half = small_float((unsigned)(bits >> 53), 10, 15);
    uint16_t brain = small_float((unsigned)(bits >> 56), 7, 127);
    uint8_t flag = bits >> 63;
    int64_t whole = (int32_t)(bits & INT32_MAX);
    switch (dtype) {
    case AISPIPE_FLOAT32:
        memcpy(to, &single, sizeof single);
        return true;
    case AISPIPE_FLOAT64:
        memcpy(to, &twice, sizeof twice);
        return true;
    case AISPIPE_FLOAT16:
        memcpy(to, &half, sizeof half);
        return true;
    case AISPIPE_BFLOAT16:
        memcpy(to, &brain, sizeof brain);
        return true;
    case AISPIPE_BOOL:
        memcpy(to, &flag, sizeof flag);
        return true;
    case AISPIPE_INT8:
    case AISPIPE_UINT8:
    case AISPIPE_INT16:
    case AISPIPE_UINT16:
        memcpy(to, &bits, aispipe_dtype_size(dtype));
        return true;
    case AISPIPE_INT32:
    case AISPIPE_UINT32:
    case AISPIPE_INT64:
    case AISPIPE_UINT64:
        /* Engines compute all of these in 32 bits: values beyond would not survive. */
        memcpy(to, &whole, aispipe_dtype_size(dtype));
        return true;
    case AISPIPE_DTYPE_UNDEFINED:
        break;
    }
    return false;
}

static int make_sample(const struct aispipe_tensor_desc *desc, uint64_t state, void **sample,
                       struct aispipe_error *error)
{
    size_t item = aispipe_dtype_size(desc->dtype);
    if (item == 0)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "no random values can be made for the model's input '%s': its type is unknown; "
                            "use --pure_data_type zero or give --input",
                            desc->name);
    char *data = malloc(desc->size ? desc->size : 1);
    if (!data)
        return aispipe_fail(error, AISPIPE_NO_MEMORY,
                            "no memory for %zu bytes of made-up data for input '%s'", desc->size, desc->name);
    *sample = data;
    for (size_t at = 0; at + item <= desc->size; at += item)
        (void)put_random(desc->dtype, next_random(&state), data + at);
    return 0;
}

/* ---------------------------------------------------------------- the source */

static int make_samples(struct aispipe_made_up_source *source, uint64_t seed, struct aispipe_error *error)
{
    size_t count = source->model->n_inputs;
    source->samples = calloc(count ? count : 1, sizeof *source->samples);
    if (!source->samples)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for made-up data for %zu inputs", count);
    for (size_t i = 0; i < count; i++) {
        /* Each input has a sequence of its own, so that its values do not depend on the others' sizes. */
        uint64_t state = seed ^ (uint64_t)i << 32;
        uint64_t start = next_random(&state);
        int rc = make_sample(&source->model->inputs[i], start, &source->samples[i], error);
        if (rc)
            return rc;
    }
    return 0;
}

int aispipe_made_up_source_open(const struct aispipe_model_desc *model, bool random, uint64_t seed,
                                uint64_t batches, struct aispipe_made_up_source **source,
                                struct aispipe_error *error)
{
    *source = NULL;
    struct aispipe_made_up_source *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for made-up data");
    made->model = model;
    made->batches = batches ? batches : 1;
    int rc = random ? make_samples(made, seed, error) : 0;
    if (rc) {
        aispipe_made_up_source_close(made);
        return rc;
    }
    *source = made;
    return 0;
}

void aispipe_made_up_source_close(struct aispipe_made_up_source *source)
{
    if (!source)
        return;
    for (size_t i = 0; source->samples && i < source->model->n_inputs; i++)
        free(source->samples[i]);
    free(source->samples);
    free(source);
}

static int made_up_fill(void *context, void *thread, uint64_t batch, void *const *inputs,
                        struct aispipe_error *error)
{
    const struct aispipe_made_up_source *source = context;
    (void)thread;
    (void)batch;
    (void)error;
    for (size_t i = 0; i < source->model->n_inputs; i++) {
        size_t bytes = source->model->inputs[i].size;
        if (bytes == 0)
            continue;
        if (source->samples)
            memcpy(inputs[i], source->samples[i], bytes);
        else
            memset(inputs[i], 0, bytes);
    }
    return 0;
}

static void made_up_name(void *context, uint64_t sample, char *name, size_t capacity)
{
    (void)context;
    (void)sample;
    (void)snprintf(name, capacity, "%s", AISPIPE_MADE_UP_SAMPLE_NAME);
}

struct aispipe_source aispipe_made_up_source_view(struct aispipe_made_up_source *source)
{
    return (struct aispipe_source){
        .context = source,
        .samples = 1,
        .batches = source->batches,
        .samples_per_batch = 1,
        .fill = made_up_fill,
        .sample_name = made_up_name,
    };
}

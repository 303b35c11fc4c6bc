/* SPDX-License-Identifier: MIT */
/* Batches from arrays that lie in memory. */
#include "aispipe/stream.h"

#include <inttypes.h>
#include <string.h>

static int array_fill(void *context, void *thread, uint64_t batch, void *const *inputs,
                      struct aispipe_error *error)
{
    const struct aispipe_array_source *arrays = context;
    (void)thread;
    (void)error;
    uint64_t first = batch * arrays->samples_per_batch;
    for (size_t i = 0; i < arrays->n_inputs; i++) {
        size_t size = arrays->sample_sizes[i];
        char *to = inputs[i];
        for (unsigned s = 0; size && s < arrays->samples_per_batch; s++, to += size) {
            uint64_t sample = first + s < arrays->samples ? first + s : first;
            memcpy(to, arrays->inputs[sample * arrays->n_inputs + i], size);
        }
    }
    return 0;
}

static int check(const struct aispipe_array_source *arrays, const struct aispipe_model_desc *model,
                 struct aispipe_error *error)
{
    if (!arrays->samples_per_batch)
        return aispipe_fail(error, AISPIPE_INVALID, "samples_per_batch is 0; at least 1 is wanted");
    if (arrays->n_inputs != model->n_inputs)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "the samples have %zu arrays each, but the model has %zu inputs",
                            arrays->n_inputs, model->n_inputs);
    for (size_t i = 0; i < model->n_inputs; i++) {
        size_t bytes;
        if (__builtin_mul_overflow(arrays->sample_sizes[i], (size_t)arrays->samples_per_batch, &bytes) ||
            bytes != model->inputs[i].size)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "input '%s' takes %zu bytes, but a batch has %u samples of %zu bytes each",
                                model->inputs[i].name, model->inputs[i].size, arrays->samples_per_batch,
                                arrays->sample_sizes[i]);
    }
    return 0;
}

int aispipe_array_source_view(const struct aispipe_array_source *arrays,
                              const struct aispipe_model_desc *model, struct aispipe_source *source,
                              struct aispipe_error *error)
{
    int rc = check(arrays, model, error);
    if (rc)
        return rc;
    *source = (struct aispipe_source){
        .context = (void *)arrays, /* only read */
        .samples = arrays->samples,
        .batches =
            arrays->samples / arrays->samples_per_batch + (arrays->samples % arrays->samples_per_batch != 0),
        .samples_per_batch = arrays->samples_per_batch,
        .fill = array_fill,
    };
    return 0;
}

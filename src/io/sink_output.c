/* SPDX-License-Identifier: MIT */
#include "io/sink_output.h"

#include "io/npy.h"

#include <string.h>

static int check_shape(const struct aispipe_tensor_desc *desc, struct aispipe_error *error)
{
    bool known = aispipe_dtype_size(desc->dtype) > 0 && desc->rank >= 0 && desc->rank <= AISPIPE_MAX_RANK;
    for (int i = 0; known && i < desc->rank; i++)
        known = desc->dims[i] >= 0;
    if (known)
        return 0;
    return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                        "output '%s' cannot be saved: its type or shape is not known", desc->name);
}

/* Refuses outputs that have no such axis, or one whose length the samples do not divide. */
static int check_cut(const struct aispipe_file_sink_options *options, const struct aispipe_tensor_desc *desc,
                     struct aispipe_error *error)
{
    char shape[AISPIPE_MAX_RANK * 22 + 3];
    unsigned samples = options->samples_per_batch, axis = options->batch_axis;
    npy_format_shape(desc->rank, desc->dims, shape, sizeof shape);
    if (desc->rank == 0)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "output '%s' is a scalar and cannot be cut into the %u samples of a batch; run one "
            "sample a batch, or save nothing",
            desc->name, samples);
    if (axis >= (unsigned)desc->rank)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "output '%s' of shape %s has no axis %u along which to cut it into the %u samples of a "
            "batch; give --output_batchsize_axis 0–%d",
            desc->name, shape, axis, samples, desc->rank - 1);
    if (desc->dims[axis] % samples)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "output '%s' of shape %s cannot be cut along axis %u: its length there, %lld, is not a "
            "multiple of the %u samples of a batch; name the batch axis with "
            "--output_batchsize_axis",
            desc->name, shape, axis, (long long)desc->dims[axis], samples);
    return 0;
}

static bool product(const int64_t *dims, int from, int to, size_t *result)
{
    size_t n = 1;
    for (int i = from; i < to; i++) {
        if (__builtin_mul_overflow(n, (size_t)dims[i], &n))
            return false;
    }
    *result = n;
    return true;
}

/* Fills in where a piece of shape `dims` lies. False when a size overflows. */
static bool plan_piece(struct output *output, const struct aispipe_tensor_desc *desc, const int64_t *dims,
                       int axis, unsigned samples)
{
    size_t count = 1, outer = 1, bytes, rows = 1;
    int rank = desc->rank;
    for (int i = 0; i < rank; i++) { /* an empty tensor has any other lengths */
        if (dims[i] == 0) {
            output->chunks = 1;
            return true;
        }
    }
    if (!product(dims, 0, rank, &count) ||
        __builtin_mul_overflow(count, aispipe_dtype_size(desc->dtype), &bytes) ||
        __builtin_mul_overflow(bytes, samples, &output->stride_bytes))
        return false;
    if (samples > 1)
        (void)product(dims, 0, axis, &outer);
    if (rank > 0) {
        output->columns = (size_t)dims[rank - 1];
        (void)product(dims, 0, rank - 1, &rows);
    } else {
        output->columns = 1;
    }
    output->chunks = outer;
    output->piece_bytes = bytes;
    output->chunk_bytes = bytes / outer;
    output->stride_bytes /= outer;
    /* The cut axis is the last one or lies before it: no row reaches from one chunk into the next. */
    output->rows_per_chunk = rows / outer;
    return true;
}

int sink_output_plan(const struct aispipe_file_sink_options *options, const struct aispipe_tensor_desc *desc,
                     struct output *output, int64_t dims[AISPIPE_MAX_RANK], struct aispipe_error *error)
{
    unsigned samples = options->samples_per_batch;
    int axis = (int)options->batch_axis;
    int rc = check_shape(desc, error);
    if (!rc && samples > 1)
        rc = check_cut(options, desc, error);
    if (rc)
        return rc;
    memcpy(dims, desc->dims, AISPIPE_MAX_RANK * sizeof *dims);
    if (samples > 1)
        dims[axis] /= samples;
    output->dtype = desc->dtype;
    if (!plan_piece(output, desc, dims, axis, samples))
        return aispipe_fail(error, AISPIPE_INVALID, "output '%s' cannot be saved: its size overflows",
                            desc->name);
    return 0;
}

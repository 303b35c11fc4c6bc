/* SPDX-License-Identifier: MIT */
/* Whether settings are whole and agree with one another. Used by writer and reader alike, so that what can be
 * written can be read, and a file that somebody made by hand is looked at as closely as one of simatc's. */
#include "om_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct check {
    const struct om_file *om;
    const char *path;
    struct aispipe_error *error;
};

#define FAIL(check, format, ...) \
    aispipe_fail((check)->error, AISPIPE_FORMAT, "model '%s': " format, (check)->path, __VA_ARGS__)

/* ------------------------------------------------------------------ inputs by themselves */

static int check_name(const struct check *check, const char *kind, size_t index, const char *name)
{
    bool good = name[0] && memchr(name, 0, OM_NAME_MOST + 1);
    for (const char *c = name; good && *c; c++)
        good = (unsigned char)*c >= ' ' && *c != 0x7f;
    if (!good)
        return FAIL(check, "%s %zu has no printable name of at most %d bytes", kind, index, OM_NAME_MOST);
    return 0;
}

static int check_unique(const struct check *check, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(check->om->inputs[i].name, check->om->inputs[index].name) == 0)
            return FAIL(check, "two inputs are called '%s'", check->om->inputs[index].name);
    return 0;
}

static int check_dim(const struct check *check, const struct om_input *input, int axis)
{
    int64_t dim = input->dims[axis];
    int64_t low = input->low[axis];
    int64_t high = input->high[axis];
    if (dim < 1 && dim != -1)
        return FAIL(check, "input '%s': dimension %d is %" PRId64 "; a number from 1, or -1 is wanted",
                    input->name, axis, dim);
    if (dim == -1 && check->om->mode == OM_STATIC)
        return FAIL(check, "input '%s': dimension %d is -1, and the model is static", input->name, axis);
    if (dim > 0 && (low != dim || high != dim))
        return FAIL(check, "input '%s': dimension %d is %" PRId64 ", and its range something else",
                    input->name, axis, dim);
    if (low < 0 || (high != -1 && high < low))
        return FAIL(check, "input '%s': dimension %d has the range %" PRId64 "~%" PRId64, input->name, axis,
                    low, high);
    return 0;
}

static int check_input(const struct check *check, size_t index)
{
    const struct om_input *input = &check->om->inputs[index];
    int rc = check_name(check, "input", index, input->name);
    if (!rc)
        rc = check_unique(check, index);
    if (rc)
        return rc;
    if (aispipe_dtype_size(input->dtype) == 0)
        return FAIL(check, "input '%s' has no known element type", input->name);
    if (input->rank < 0 || input->rank > OM_MAX_RANK)
        return FAIL(check, "input '%s' has %d dimensions; at most %d are supported", input->name, input->rank,
                    OM_MAX_RANK);
    if ((unsigned)input->format > OM_ND)
        return FAIL(check, "input '%s' has no known format", input->name);
    size_t bytes = aispipe_dtype_size(input->dtype);
    for (int axis = 0; !rc && axis < input->rank; axis++) {
        rc = check_dim(check, input, axis);
        int64_t most = input->high[axis] > 0 ? input->high[axis] : 1;
        if (!rc && __builtin_mul_overflow(bytes, (uint64_t)most, &bytes))
            rc = FAIL(check, "the size of input '%s' overflows", input->name);
    }
    return rc;
}

/* ------------------------------------------------------------------ AIPP */

static int check_static_aipp(const struct check *check, const struct om_input *input, int channels,
                             int height)
{
    const struct aipp_image *image = &input->aipp_image;
    struct aipp_result result;
    struct aispipe_error reason = {0};
    if (aipp_check(&input->aipp_source, image, &result, &reason))
        return FAIL(check, "AIPP of input '%s': %s", input->name, reason.message);
    bool sized = input->dims[height] > 0 && input->dims[height + 1] > 0;
    if (!sized && (image->crop || image->padding))
        return FAIL(check,
                    "AIPP of input '%s': crop and padding need a fixed height and width, the input has -1",
                    input->name);
    if (sized && (result.height != input->dims[height] || result.width != input->dims[height + 1]))
        return FAIL(check,
                    "AIPP of input '%s' gives images of height %d and width %d; the input has %" PRId64
                    " and %" PRId64,
                    input->name, result.height, result.width, input->dims[height], input->dims[height + 1]);
    bool fits =
        input->dims[channels] == result.channels || (result.channels == 4 && input->dims[channels] == 3);
    if (!fits)
        return FAIL(check, "AIPP of input '%s' gives %d channels; the input has %" PRId64, input->name,
                    result.channels, input->dims[channels]);
    return 0;
}

static int check_aipp(const struct check *check, const struct om_input *input)
{
    if (input->aipp == OM_AIPP_NONE)
        return 0;
    if (input->aipp != OM_AIPP_STATIC && input->aipp != OM_AIPP_DYNAMIC)
        return FAIL(check, "input '%s' has no known kind of AIPP", input->name);
    if (check->om->mode == OM_DYNAMIC_DIMS)
        return FAIL(check, "input '%s' has AIPP, which dynamic dims exclude", input->name);
    if (input->rank != 4 || input->format == OM_ND)
        return FAIL(check, "AIPP of input '%s': 4 dimensions in NCHW or NHWC are wanted, it has %d in %s",
                    input->name, input->rank, om_format_name(input->format));
    if (input->dtype != AISPIPE_FLOAT32 && input->dtype != AISPIPE_FLOAT16 && input->dtype != AISPIPE_UINT8)
        return FAIL(check, "AIPP of input '%s': the input has type %s; float32, float16 or uint8 is wanted",
                    input->name, aispipe_dtype_name(input->dtype));
    bool nchw = input->format == OM_NCHW;
    if (input->dims[nchw ? 1 : 3] < 1)
        return FAIL(check, "AIPP of input '%s': the number of channels is -1; it has to be fixed",
                    input->name);
    if (input->aipp == OM_AIPP_STATIC)
        return check_static_aipp(check, input, nchw ? 1 : 3, nchw ? 2 : 1);
    if (input->aipp_bytes_most < 1 || input->aipp_bytes_most > ((uint64_t)1 << 40))
        return FAIL(check, "AIPP of input '%s': max_src_image_size is %" PRIu64 "; 1 byte to 1 TiB is wanted",
                    input->name, input->aipp_bytes_most);
    return 0;
}

/* ------------------------------------------------------------------ gears */

static int count_dynamic(const struct om_input *input)
{
    int count = 0;
    for (int axis = 0; axis < input->rank; axis++)
        count += input->dims[axis] == -1;
    return count;
}

/* Where -1 may be, by the model's mode. */
static int check_places(const struct check *check, const struct om_input *input)
{
    int count = count_dynamic(input);
    if (count == 0)
        return 0;
    if (check->om->mode == OM_DYNAMIC_BATCH && (count != 1 || input->dims[0] != -1))
        return FAIL(check, "input '%s': with dynamic batch sizes only the first dimension may be -1",
                    input->name);
    if (check->om->mode != OM_DYNAMIC_IMAGE_SIZE)
        return 0;
    int height = input->format == OM_NHWC ? 1 : 2;
    if (input->rank != 4 || input->format == OM_ND || count != 2 || input->dims[height] != -1 ||
        input->dims[height + 1] != -1)
        return FAIL(
            check,
            "input '%s': with dynamic image sizes height and width, and nothing else, are -1 in 4 dimensions "
            "of NCHW or NHWC",
            input->name);
    return 0;
}

static size_t wanted_length(const struct om_file *om)
{
    size_t ranks = 0;
    for (size_t i = 0; i < om->n_inputs; i++)
        ranks += (size_t)om->inputs[i].rank;
    switch (om->mode) {
    case OM_DYNAMIC_BATCH:
        return 1;
    case OM_DYNAMIC_IMAGE_SIZE:
        return 2;
    case OM_DYNAMIC_DIMS:
        return ranks;
    case OM_STATIC:
    case OM_DYNAMIC_SHAPE:
        break;
    }
    return 0;
}

/* A gear of dynamic dims has the inputs' own numbers wherever they are known. */
static int check_dims_gear(const struct check *check, size_t index, const int64_t *gear)
{
    for (size_t i = 0; i < check->om->n_inputs; i++) {
        const struct om_input *input = &check->om->inputs[i];
        for (int axis = 0; axis < input->rank; axis++, gear++)
            if (input->dims[axis] != -1 && input->dims[axis] != *gear)
                return FAIL(check, "gear %zu has %" PRId64 " where dimension %d of input '%s' is %" PRId64,
                            index, *gear, axis, input->name, input->dims[axis]);
    }
    return 0;
}

/* Static AIPP takes images of the gear's own size. */
static int check_image_gear(const struct check *check, size_t index, const int64_t *gear)
{
    for (size_t i = 0; i < check->om->n_inputs; i++) {
        const struct om_input *input = &check->om->inputs[i];
        struct aipp_source source = input->aipp_source;
        struct aipp_result result;
        struct aispipe_error reason = {0};
        if (input->aipp != OM_AIPP_STATIC || count_dynamic(input) == 0)
            continue;
        source.height = (int32_t)gear[0];
        source.width = (int32_t)gear[1];
        if (aipp_check(&source, &input->aipp_image, &result, &reason))
            return FAIL(check, "AIPP of input '%s', gear %zu: %s", input->name, index, reason.message);
    }
    return 0;
}

static int check_gear(const struct check *check, size_t index)
{
    const struct om_file *om = check->om;
    size_t length = om->gear_length;
    const int64_t *gear = om->gears + index * length;
    for (size_t i = 0; i < length; i++)
        if (gear[i] < 1 || gear[i] > INT32_MAX)
            return FAIL(check, "gear %zu has %" PRId64 "; a number from 1 to %d is wanted", index, gear[i],
                        INT32_MAX);
    for (size_t i = 0; i < index; i++)
        if (memcmp(om->gears + i * length, gear, length * sizeof *gear) == 0)
            return FAIL(check, "gears %zu and %zu are the same", i, index);
    if (om->mode == OM_DYNAMIC_IMAGE_SIZE)
        return check_image_gear(check, index, gear);
    return om->mode == OM_DYNAMIC_DIMS ? check_dims_gear(check, index, gear) : 0;
}

static int check_gears(const struct check *check)
{
    const struct om_file *om = check->om;
    size_t length = wanted_length(om);
    if (length == 0 && om->n_gears == 0)
        return 0;
    if (length == 0 || om->n_gears < 1 || om->n_gears > OM_MAX_GEARS || !om->gears)
        return FAIL(check, "%zu gears, and the model is %s", om->n_gears, om_mode_name(om->mode));
    if (om->gear_length != length || length > OM_GEAR_LENGTH)
        return FAIL(check, "gears have %zu numbers; %zu are wanted, at most %d", om->gear_length, length,
                    OM_GEAR_LENGTH);
    int rc = 0;
    for (size_t i = 0; !rc && i < om->n_gears; i++)
        rc = check_gear(check, i);
    return rc;
}

int om_check(const struct om_file *om, const char *path, struct aispipe_error *error)
{
    const struct check check = {om, path, error};
    if (om->n_inputs < 1 || om->n_inputs > OM_MAX_TENSORS || om->n_outputs < 1 ||
        om->n_outputs > OM_MAX_TENSORS)
        return FAIL(&check, "%zu inputs and %zu outputs; 1 to %d are supported", om->n_inputs, om->n_outputs,
                    OM_MAX_TENSORS);
    if ((unsigned)om->mode > OM_DYNAMIC_SHAPE || !om->onnx || om->onnx_bytes == 0)
        return FAIL(&check, "%s", "it has no mode or no ONNX model");
    int dynamic = 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < om->n_inputs; i++) {
        rc = check_input(&check, i);
        if (!rc)
            rc = check_places(&check, &om->inputs[i]);
        if (!rc)
            rc = check_aipp(&check, &om->inputs[i]);
        dynamic += rc ? 0 : count_dynamic(&om->inputs[i]);
    }
    for (size_t i = 0; !rc && i < om->n_outputs; i++)
        rc = check_name(&check, "output", i, om->outputs[i].name);
    if (!rc && om->mode != OM_STATIC && dynamic == 0)
        rc = FAIL(&check, "it is %s, and no dimension of an input is -1", om_mode_name(om->mode));
    return rc ? rc : check_gears(&check);
}

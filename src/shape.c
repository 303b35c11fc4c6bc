/* SPDX-License-Identifier: MIT */
#include "shape.h"

#include "io/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Axes of height and width, by where the channels are. */
enum { NCHW_H = 2, NHWC_H = 1, IMAGE_RANK = 4, MOST_CHANNELS = 4 };

/* Of a long value only the beginning is shown. */
enum { SHOWN = 120 };

/* ---------------------------------------------------------------- reading */

int64_t shape_read_dim(const char *text, size_t length)
{
    int64_t n = 0;
    if (!length)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        n = n * 10 + (text[i] - '0');
        if (n > SHAPE_MAX_DIM)
            return 0;
    }
    return n;
}

static int shown(size_t length)
{
    return length < SHOWN ? (int)length : SHOWN;
}

static int read_dims(const char *part, const char *text, size_t length, struct shape_entry *entry,
                     struct aispipe_error *error)
{
    const char *end = text + length;
    for (const char *at = text;; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t digits = (size_t)((comma ? comma : end) - at);
        int64_t dim = shape_read_dim(at, digits);
        if (!dim)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "dimension %d of '%.*s' is '%.*s'; give whole numbers 1 to %d, joined by ','",
                                entry->rank, shown((size_t)(end - part)), part, shown(digits), at,
                                SHAPE_MAX_DIM);
        if (entry->rank == AISPIPE_MAX_RANK)
            return aispipe_fail(error, AISPIPE_INVALID, "'%.*s' has more than %d dimensions",
                                shown((size_t)(end - part)), part, AISPIPE_MAX_RANK);
        entry->dims[entry->rank++] = dim;
        at += digits;
        if (at == end)
            return 0;
    }
}

static int read_entry(const char *part, size_t length, struct shape_entry *entry, struct aispipe_error *error)
{
    const char *colon = length ? memrchr(part, ':', length) : NULL;
    *entry = (struct shape_entry){.name = part};
    if (!colon || colon == part)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "'%.*s' is not of the form NAME:N,N,…; write one such part for each input, "
                            "joined by ';'",
                            shown(length), part);
    size_t name = (size_t)(colon - part);
    *entry = (struct shape_entry){.name = part, .name_length = name};
    return read_dims(part, colon + 1, length - name - 1, entry, error);
}

static const struct shape_entry *find(const struct shape_entry *entries, size_t n, const char *name,
                                      size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (entries[i].name_length == length && memcmp(entries[i].name, name, length) == 0)
            return &entries[i];
    return NULL;
}

const struct shape_entry *shape_find(const struct shape_entry *entries, size_t n, const char *name)
{
    return find(entries, n, name, strlen(name));
}

int shape_parse(const char *text, struct shape_entry entries[AISPIPE_MAX_TENSORS], size_t *n,
                struct aispipe_error *error)
{
    *n = 0;
    for (const char *part = text;; part++) {
        size_t length = strcspn(part, ";");
        if (*n == AISPIPE_MAX_TENSORS)
            return aispipe_fail(error, AISPIPE_INVALID, "more than %d inputs are named", AISPIPE_MAX_TENSORS);
        struct shape_entry *entry = &entries[*n];
        int rc = read_entry(part, length, entry, error);
        if (rc)
            return rc;
        if (find(entries, *n, entry->name, entry->name_length))
            return aispipe_fail(error, AISPIPE_INVALID, "input '%.*s' is named twice; give it once",
                                shown(entry->name_length), entry->name);
        (*n)++;
        part += length;
        if (!*part)
            return 0;
    }
}

const char *shape_option(enum aispipe_shape_mode mode)
{
    switch (mode) {
    case AISPIPE_SHAPE_BATCH:
        return "--dymBatch";
    case AISPIPE_SHAPE_HW:
        return "--dymHW";
    case AISPIPE_SHAPE_DIMS:
        return "--dymDims";
    case AISPIPE_SHAPE_SHAPE:
        return "--dymShape";
    case AISPIPE_SHAPE_STATIC:
        break;
    }
    return "--outputSize";
}

const char *shape_option_each(enum aispipe_shape_mode mode)
{
    return mode == AISPIPE_SHAPE_DIMS ? "--auto_set_dymdims_mode" : "--auto_set_dymshape_mode";
}

/* ---------------------------------------------------------------- what is open */

static int open_axis(const struct aispipe_tensor_desc *desc)
{
    for (int i = 0; i < desc->rank; i++)
        if (desc->dims[i] < 0)
            return i;
    return -1;
}

bool shape_is_open(const struct aispipe_tensor_desc *desc)
{
    return desc->rank < 0 || open_axis(desc) >= 0;
}

bool shape_model_is_open(const struct aispipe_model_desc *model)
{
    for (size_t i = 0; i < model->n_inputs; i++)
        if (shape_is_open(&model->inputs[i]))
            return true;
    for (size_t i = 0; i < model->n_outputs; i++)
        if (shape_is_open(&model->outputs[i]))
            return true;
    return false;
}

bool shape_set_size(struct aispipe_tensor_desc *desc)
{
    desc->size = aispipe_dtype_size(desc->dtype);
    for (int i = 0; i < desc->rank; i++)
        if (__builtin_mul_overflow(desc->size, (size_t)desc->dims[i], &desc->size))
            return false;
    return true;
}

static int refuse_open_input(const char *path, const struct aispipe_tensor_desc *input,
                             struct aispipe_error *error)
{
    if (input->rank < 0)
        return aispipe_fail(error, AISPIPE_MODEL,
                            "model '%s': input '%s' has an unknown number of dimensions; give them with "
                            "--dymShape '%s:N,…', or export the model with fixed dimensions",
                            path, input->name, input->name);
    char shape[AISPIPE_MAX_RANK * 22 + 3];
    npy_format_shape(input->rank, input->dims, shape, sizeof shape);
    return aispipe_fail(error, AISPIPE_MODEL,
                        "model '%s': dimension %d of input '%s' is unknown (shape %s); give all of them with "
                        "--dymShape '%s:N,…' (or --dymDims; --dymBatch N for the first, --dymHW H,W for "
                        "images), or export the model with fixed dimensions",
                        path, open_axis(input), input->name, shape, input->name);
}

int shape_refuse_output(const char *path, const struct aispipe_model_desc *model, size_t i,
                        struct aispipe_error *error)
{
    return aispipe_fail(
        error, AISPIPE_MODEL,
        "model '%s': the size of output %zu, '%s', is known only after an execution; say with "
        "--outputSize how many bytes to set aside for each output (%zu numbers, joined by ',')",
        path, i, model->outputs[i].name, model->n_outputs);
}

int shape_check_known(const char *path, const struct aispipe_model_desc *model, struct aispipe_error *error)
{
    for (size_t i = 0; i < model->n_inputs; i++)
        if (shape_is_open(&model->inputs[i]) && !model->inputs[i].size)
            return refuse_open_input(path, &model->inputs[i], error);
    for (size_t i = 0; i < model->n_outputs; i++)
        if (shape_is_open(&model->outputs[i]) && !model->outputs[i].size)
            return shape_refuse_output(path, model, i, error);
    return 0;
}

/* ---------------------------------------------------------------- filling in */

static int set_dim(struct aispipe_tensor_desc *input, int axis, uint64_t size, const char *option,
                   struct aispipe_error *error)
{
    if (size < 1 || size > SHAPE_MAX_DIM)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%s: %" PRIu64 " is no size for a dimension; give 1 to %d", option, size,
                            SHAPE_MAX_DIM);
    if (input->dims[axis] >= 0 && (uint64_t)input->dims[axis] != size)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%s: dimension %d of input '%s' is %" PRIi64
                            " in the model and cannot be %" PRIu64,
                            option, axis, input->name, input->dims[axis], size);
    input->dims[axis] = (int64_t)size;
    return 0;
}

static int set_batch(const struct aispipe_shape *shape, struct aispipe_tensor_desc *inputs, size_t n,
                     struct aispipe_error *error)
{
    bool any = false;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (inputs[i].rank < 1 || inputs[i].dims[0] >= 0)
            continue;
        any = true;
        rc = set_dim(&inputs[i], 0, shape->batch, "--dymBatch", error);
    }
    if (any)
        return rc;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "--dymBatch %" PRIu64 ": no input of the model leaves its first dimension open; use "
                        "--dymShape for the others",
                        shape->batch);
}

/* The axis of the height; the width follows it. −1: no image, or none of these is open. */
static int height_axis(const struct aispipe_tensor_desc *input)
{
    const int64_t *dims = input->dims;
    if (input->rank != IMAGE_RANK)
        return -1;
    if (dims[3] >= 1 && dims[3] <= MOST_CHANNELS && dims[1] < 0)
        return NHWC_H;
    return dims[2] < 0 || dims[3] < 0 ? NCHW_H : -1;
}

static int set_hw(const struct aispipe_shape *shape, struct aispipe_tensor_desc *inputs, size_t n,
                  struct aispipe_error *error)
{
    bool any = false;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        int axis = height_axis(&inputs[i]);
        if (axis < 0)
            continue;
        any = true;
        rc = set_dim(&inputs[i], axis, shape->height, "--dymHW", error);
        if (!rc)
            rc = set_dim(&inputs[i], axis + 1, shape->width, "--dymHW", error);
    }
    if (any)
        return rc;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "--dymHW %" PRIu64 ",%" PRIu64
                        ": no input of the model is an image (four dimensions) that leaves its height or "
                        "width open; use --dymShape",
                        shape->height, shape->width);
}

static void list_names(const struct aispipe_tensor_desc *inputs, size_t n, char *text, size_t capacity)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && used < capacity; i++) {
        int length = snprintf(text + used, capacity - used, "%s'%s'", i ? ", " : "", inputs[i].name);
        used += length > 0 ? (size_t)length : 0;
    }
}

static int set_entry(const struct shape_entry *entry, struct aispipe_tensor_desc *inputs, size_t n,
                     const char *option, struct aispipe_error *error)
{
    struct aispipe_tensor_desc *input = NULL;
    for (size_t i = 0; i < n && !input; i++)
        if (shape_find(entry, 1, inputs[i].name))
            input = &inputs[i];
    char names[512];
    list_names(inputs, n, names, sizeof names);
    if (!input)
        return aispipe_fail(error, AISPIPE_INVALID, "%s: the model has no input '%.*s'; it has %s", option,
                            shown(entry->name_length), entry->name, names);
    if (input->rank >= 0 && input->rank != entry->rank)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%s: %d dimension%s given for input '%s', which has %d in the model", option,
                            entry->rank, entry->rank == 1 ? " is" : "s are", input->name, input->rank);
    for (int i = 0; input->rank < 0 && i < entry->rank; i++)
        input->dims[i] = -1;
    input->rank = entry->rank;
    int rc = 0;
    for (int i = 0; i < entry->rank && !rc; i++)
        rc = set_dim(input, i, (uint64_t)entry->dims[i], option, error);
    return rc;
}

static int set_entries(const struct aispipe_shape *shape, struct aispipe_tensor_desc *inputs, size_t n,
                       struct aispipe_error *error)
{
    const char *option = shape_option(shape->mode);
    struct shape_entry entries[AISPIPE_MAX_TENSORS];
    struct aispipe_error why = {0};
    size_t count = 0;
    int rc = shape_parse(shape->dims ? shape->dims : "", entries, &count, &why);
    if (rc)
        return aispipe_fail(error, rc, "%s: %.1800s", option, why.message);
    for (size_t i = 0; i < count && !rc; i++)
        rc = set_entry(&entries[i], inputs, n, option, error);
    return rc;
}

/* What is open now is what nobody has given. */
static int check_complete(const char *option, struct aispipe_tensor_desc *inputs, size_t n,
                          struct aispipe_error *error)
{
    for (size_t i = 0; i < n; i++) {
        struct aispipe_tensor_desc *input = &inputs[i];
        if (input->rank < 0)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "%s gives no dimensions for input '%s', which has an unknown number of them; "
                                "name it in --dymShape",
                                option, input->name);
        if (shape_is_open(input))
            return aispipe_fail(error, AISPIPE_INVALID,
                                "%s leaves dimension %d of input '%s' unknown; name that input with all its "
                                "dimensions in --dymShape",
                                option, open_axis(input), input->name);
        if (!shape_set_size(input))
            return aispipe_fail(error, AISPIPE_INVALID, "%s: the size of input '%s' overflows", option,
                                input->name);
    }
    return 0;
}

int shape_check_each(enum aispipe_shape_mode mode, const struct aispipe_model_desc *declared,
                     struct aispipe_tensor_desc *inputs, struct aispipe_error *error)
{
    const char *option = shape_option_each(mode);
    for (size_t i = 0; i < declared->n_inputs; i++) {
        struct aispipe_tensor_desc input = declared->inputs[i];
        struct shape_entry entry = {
            .name = input.name, .name_length = strlen(input.name), .rank = inputs[i].rank};
        memcpy(entry.dims, inputs[i].dims, sizeof entry.dims);
        int rc = set_entry(&entry, &input, 1, option, error);
        if (!rc)
            rc = check_complete(option, &input, 1, error);
        if (rc)
            return rc;
        inputs[i] = input;
    }
    return 0;
}

int shape_apply(const struct aispipe_shape *shape, const struct aispipe_model_desc *declared,
                struct aispipe_tensor_desc *targets, struct aispipe_error *error)
{
    size_t n = declared->n_inputs;
    int rc = 0;
    if (!shape_model_is_open(declared))
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "%s is for models with unknown dimensions, and all of this one's are fixed; leave "
            "it out",
            shape->n_each ? shape_option_each(shape->mode) : shape_option(shape->mode));
    memcpy(targets, declared->inputs, n * sizeof *targets);
    if (shape->mode == AISPIPE_SHAPE_BATCH)
        rc = set_batch(shape, targets, n, error);
    else if (shape->mode == AISPIPE_SHAPE_HW)
        rc = set_hw(shape, targets, n, error);
    else if (shape->mode != AISPIPE_SHAPE_STATIC)
        rc = set_entries(shape, targets, n, error);
    return rc ? rc : check_complete(shape_option(shape->mode), targets, n, error);
}

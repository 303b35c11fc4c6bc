/* SPDX-License-Identifier: MIT */
/*
 * A shape of its own for every batch. All that will come are known before the run: buffers are made for the
 * largest, and what the outputs become in each gear is asked once, because the runtime answers for a whole
 * copy of the model and not for a dataset.
 */
#include "acl_internal.h"
#include "shape.h"

#include <stdlib.h>
#include <string.h>

static struct aispipe_model_desc as_declared(const struct acl_model *model)
{
    struct aispipe_model_desc declared = model->desc;
    declared.inputs = model->declared;
    declared.outputs = model->declared + model->n_inputs;
    return declared;
}

/* Checks all shapes, keeps the most bytes of each input in model->tensors, and marks the gears that will be
 * used. */
static int survey(struct acl_model *model, const struct aispipe_shape *shape, bool *used,
                  struct aispipe_error *error)
{
    struct aispipe_model_desc declared = as_declared(model);
    size_t n = declared.n_inputs;
    struct aispipe_tensor_desc *inputs = calloc(n, sizeof *inputs);
    if (!inputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of the inputs");
    int rc = 0;
    for (size_t k = 0; !rc && k < shape->n_each; k++) {
        memcpy(inputs, shape->each + k * n, n * sizeof *inputs);
        rc = shape_check_each(shape->mode, &declared, inputs, error);
        for (size_t i = 0; !rc && i < n; i++)
            if (inputs[i].size > model->tensors[i].size)
                model->tensors[i].size = inputs[i].size;
        if (rc || shape->mode != AISPIPE_SHAPE_DIMS)
            continue;
        size_t gear = acl_find_gear(model, inputs);
        if (gear == ACL_NO_GEAR)
            rc = acl_refuse_shape(model, "--auto_set_dymdims_mode: an input has other dimensions; ", error);
        else
            used[gear] = true;
    }
    free(inputs);
    return rc;
}

/* Where gears differ, a dimension of the output is open; its size is the largest. */
static void merge_output(struct aispipe_tensor_desc *output, const struct aispipe_tensor_desc *gear)
{
    if (output->rank != gear->rank)
        output->rank = -1;
    for (int k = 0; k < output->rank; k++)
        if (output->dims[k] != gear->dims[k])
            output->dims[k] = -1;
    if (gear->size > output->size)
        output->size = gear->size;
}

static int ask_gears(struct acl_model *model, const bool *used, struct aispipe_error *error)
{
    size_t n = model->n_outputs;
    struct aispipe_tensor_desc *outputs = model->tensors + model->n_inputs;
    struct aispipe_tensor_desc merged[AISPIPE_MAX_TENSORS];
    bool first = true;
    int rc = 0;
    free(model->gear_outputs);
    model->gear_outputs = calloc(model->n_dims * n, sizeof *model->gear_outputs);
    if (!model->gear_outputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of the outputs");
    for (size_t g = 0; !rc && g < model->n_dims; g++) {
        if (!used[g])
            continue;
        model->gear = g;
        rc = acl_probe_outputs(model, error);
        memcpy(model->gear_outputs + g * n, outputs, n * sizeof *outputs);
        if (first)
            memcpy(merged, outputs, n * sizeof *merged);
        for (size_t i = 0; i < n; i++)
            merge_output(&merged[i], &outputs[i]);
        first = false;
    }
    if (!rc)
        memcpy(outputs, merged, n * sizeof *merged);
    return rc;
}

int acl_set_each(struct acl_model *model, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    bool *used = calloc(model->n_dims + 1, sizeof *used);
    if (!used)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of the inputs");
    int rc = survey(model, shape, used, error);
    if (!rc) {
        acl_take_sizes(model);
        model->mode = shape->mode;
        model->each = true;
        rc = shape->mode == AISPIPE_SHAPE_DIMS ? ask_gears(model, used, error)
                                               : acl_set_open_outputs(model, shape, error);
    }
    free(used);
    return rc;
}

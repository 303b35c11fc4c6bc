/* SPDX-License-Identifier: MIT */
/* Models with unknown dimensions: they are given sizes before they are compiled, as often as one likes. */
#include "shape.h"

#include "io/npy.h"
#include "openvino_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- before the run */

/* Tells the engine the shapes of all inputs at once: what the outputs become may need all of them. */
static int reshape(struct openvino_model *model, const struct aispipe_tensor_desc *targets,
                   struct aispipe_error *error)
{
    size_t n = model->desc.n_inputs;
    const struct openvino_library *ov = &model->device->ov;
    ov_partial_shape_t *shapes = calloc(n, sizeof *shapes);
    ov_dimension_t *dims = calloc(n * AISPIPE_MAX_RANK, sizeof *dims);
    size_t *indexes = calloc(n, sizeof *indexes);
    ov_status_e status = UNKNOW_EXCEPTION;
    bool ready = shapes && dims && indexes;
    for (size_t i = 0; ready && i < n; i++) {
        indexes[i] = i;
        int rank = targets[i].rank;
        shapes[i].rank = rank < 0 ? (ov_rank_t){0, -1} : (ov_rank_t){rank, rank};
        shapes[i].dims = dims + i * AISPIPE_MAX_RANK;
        for (int axis = 0; axis < rank; axis++) {
            int64_t dim = targets[i].dims[axis];
            shapes[i].dims[axis] = (ov_dimension_t){dim < 0 ? 0 : dim, dim};
        }
    }
    if (ready)
        status = ov->model_reshape_by_port_indexes(model->read, indexes, shapes, n);
    free(shapes);
    free(dims);
    free(indexes);
    if (!ready)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to give model '%s' a shape", model->path);
    char reason[OPENVINO_REASON];
    if (status == OK)
        return 0;
    return aispipe_fail(error, AISPIPE_MODEL, "model '%s' cannot have this shape: %s", model->path,
                        openvino_reason(ov, status, reason));
}

/* Sets the memory aside that was asked for, and checks that it is enough where the size is known. */
static int plan_outputs(struct openvino_model *model, const struct aispipe_shape *shape,
                        struct aispipe_error *error)
{
    struct aispipe_tensor_desc *outputs = model->tensors + model->desc.n_inputs;
    model->open_outputs = false;
    for (size_t i = 0; i < model->desc.n_outputs; i++) {
        size_t given = i < shape->n_output_sizes ? shape->output_sizes[i] : 0;
        if (shape_is_open(&outputs[i])) {
            model->open_outputs = true;
            outputs[i].size = given;
        } else if (shape->n_output_sizes && !shape->sizes_if_open && given < outputs[i].size) {
            return aispipe_fail(error, AISPIPE_INVALID,
                                "output %zu, '%s', needs %zu bytes, but --outputSize gives it %zu; give at "
                                "least what it needs",
                                i, outputs[i].name, outputs[i].size, given);
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- a shape for each batch */

static void keep_largest(const struct aispipe_tensor_desc *tensors, size_t n, size_t *sizes, bool *known)
{
    for (size_t i = 0; i < n; i++) {
        known[i] = known[i] && !shape_is_open(&tensors[i]);
        if (tensors[i].size > sizes[i])
            sizes[i] = tensors[i].size;
    }
}

/* Finds the most bytes that each tensor takes. Outputs are asked for by giving the model one shape after the
 * other, which compiles nothing; not where the user has said how large they are. */
static int measure_each(struct openvino_model *model, const struct aispipe_shape *shape,
                        const struct aispipe_model_desc *declared, size_t *sizes, bool *known,
                        struct aispipe_error *error)
{
    size_t n = declared->n_inputs;
    struct aispipe_tensor_desc *inputs = calloc(n, sizeof *inputs);
    if (!inputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of the inputs");
    int rc = 0;
    for (size_t k = 0; !rc && k < shape->n_each; k++) {
        memcpy(inputs, shape->each + k * n, n * sizeof *inputs);
        rc = shape_check_each(shape->mode, declared, inputs, error);
        if (!rc)
            keep_largest(inputs, n, sizes, known);
        if (rc || shape->n_output_sizes)
            continue;
        rc = reshape(model, inputs, error);
        if (!rc)
            rc = openvino_describe_shapes(model, error);
        if (!rc)
            keep_largest(model->desc.outputs, declared->n_outputs, sizes + n, known + n);
    }
    free(inputs);
    return rc;
}

/* The model is compiled once, with its dimensions open. */
static int set_each(struct openvino_model *model, const struct aispipe_shape *shape,
                    const struct aispipe_model_desc *declared, struct aispipe_error *error)
{
    size_t inputs = declared->n_inputs;
    size_t n = inputs + declared->n_outputs;
    size_t sizes[2 * AISPIPE_MAX_TENSORS] = {0};
    bool known[2 * AISPIPE_MAX_TENSORS];
    memset(known, true, sizeof known);
    openvino_release_compiled(model);
    int rc = measure_each(model, shape, declared, sizes, known, error);
    if (!rc)
        rc = reshape(model, declared->inputs, error);
    if (!rc)
        rc = openvino_describe_shapes(model, error);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) {
        bool open = shape_is_open(&model->tensors[i]);
        if (i >= inputs)
            model->open_outputs |= open;
        if (open && i >= inputs && shape->n_output_sizes)
            model->tensors[i].size = shape->output_sizes[i - inputs];
        else if (open)
            model->tensors[i].size = known[i] ? sizes[i] : 0;
    }
    model->trial = shape->each;
    rc = openvino_compile(model, model->path, error);
    model->trial = NULL;
    return rc;
}

int openvino_set_shaped(const struct openvino_model *model, ov_infer_request_t *request,
                        const struct aispipe_io *io, struct aispipe_error *error)
{
    const struct openvino_library *ov = &model->device->ov;
    for (size_t i = 0; i < model->desc.n_inputs; i++) {
        if (!shape_is_open(&model->desc.inputs[i]))
            continue;
        int64_t dims[AISPIPE_MAX_RANK];
        memcpy(dims, io->shaped[i].dims, sizeof dims);
        ov_shape_t shape = {.rank = io->shaped[i].rank, .dims = dims};
        ov_tensor_t *tensor = NULL;
        ov_status_e status = ov->tensor_create_from_host_ptr(model->types[i], shape, io->inputs[i], &tensor);
        if (status == OK) {
            status = ov->infer_request_set_input_tensor_by_index(request, i, tensor);
            ov->tensor_free(tensor); /* the request has its own hold on it */
        }
        char reason[OPENVINO_REASON];
        if (status != OK)
            return aispipe_fail(error, AISPIPE_DEVICE, "the engine did not take tensor '%s': %s",
                                model->desc.inputs[i].name, openvino_reason(ov, status, reason));
    }
    return 0;
}

/* ---------------------------------------------------------------- one shape */

int openvino_set_shape(void *loaded, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    struct openvino_model *model = loaded;
    size_t n = model->desc.n_inputs;
    struct aispipe_model_desc declared = model->desc;
    if (model->declared) {
        declared.inputs = model->declared;
        declared.outputs = model->declared + n;
    }
    model->open_outputs = false;
    if (shape->n_each && model->declared)
        return set_each(model, shape, &declared, error);
    struct aispipe_tensor_desc *targets = calloc(n, sizeof *targets);
    if (!targets)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to give model '%s' a shape", model->path);
    int rc = shape_apply(shape, &declared, targets, error);
    if (!rc) {
        openvino_release_compiled(model);
        rc = reshape(model, targets, error);
    }
    free(targets);
    if (!rc)
        rc = openvino_describe_shapes(model, error);
    if (!rc)
        rc = plan_outputs(model, shape, error);
    return rc ? rc : openvino_compile(model, model->path, error);
}

/* ---------------------------------------------------------------- after an execution */

static int refuse_size(const struct aispipe_tensor_desc *output, size_t index, size_t needed, size_t given,
                       struct aispipe_error *error)
{
    char shape[AISPIPE_MAX_RANK * 22 + 3];
    npy_format_shape(output->rank, output->dims, shape, sizeof shape);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "output %zu, '%s', turned out as %s and needs %zu bytes, but %zu were set aside for "
                        "it; give more with --outputSize",
                        index, output->name, shape, needed, given);
}

/* Describes a tensor that has just been computed, and copies it. `given`: the room there is. */
static int take(const struct openvino_library *ov, ov_tensor_t *tensor, size_t index, size_t given, void *to,
                struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    ov_shape_t shape = {0};
    void *data = NULL;
    ov_status_e status = ov->tensor_get_shape(tensor, &shape);
    if (status == OK)
        status = ov->tensor_get_byte_size(tensor, &actual->size);
    if (status == OK && actual->size)
        status = ov->tensor_data(tensor, &data);
    bool fits = shape.rank <= AISPIPE_MAX_RANK;
    for (int64_t i = 0; status == OK && fits && i < shape.rank; i++)
        actual->dims[i] = shape.dims[i];
    actual->rank = fits ? (int)shape.rank : 0;
    if (shape.dims)
        ov->shape_free(&shape);
    char reason[OPENVINO_REASON];
    if (status != OK || !fits)
        return aispipe_fail(error, AISPIPE_DEVICE, "output '%s' cannot be read: %s", actual->name,
                            fits ? openvino_reason(ov, status, reason) : "it has too many dimensions");
    if (actual->size > given)
        return refuse_size(actual, index, actual->size, given, error);
    if (actual->size)
        memcpy(to, data, actual->size);
    return 0;
}

int openvino_take_outputs(const struct openvino_model *model, ov_infer_request_t *request,
                          void *const *outputs, struct aispipe_tensor_desc *actual,
                          struct aispipe_error *error)
{
    const struct openvino_library *ov = &model->device->ov;
    for (size_t i = 0; i < model->desc.n_outputs; i++) {
        const struct aispipe_tensor_desc *described = &model->desc.outputs[i];
        actual[i] = *described;
        if (!shape_is_open(described))
            continue;
        ov_tensor_t *tensor = NULL;
        ov_status_e status = ov->infer_request_get_output_tensor_by_index(request, i, &tensor);
        char reason[OPENVINO_REASON];
        if (status != OK)
            return aispipe_fail(error, AISPIPE_DEVICE, "output '%s' cannot be read: %s", described->name,
                                openvino_reason(ov, status, reason));
        int rc = take(ov, tensor, i, described->size, outputs[i], &actual[i], error);
        ov->tensor_free(tensor);
        if (rc)
            return rc;
    }
    return 0;
}

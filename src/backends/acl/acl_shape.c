/* SPDX-License-Identifier: MIT */
/*
 * A shape for a model that has several: sizes of its buffers and descriptions for that shape, and what the
 * runtime must be told before an execution. Sizes that the runtime reports are for the largest gear.
 */
#include "acl_internal.h"
#include "shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- gears */

/* Whether the model's dimension is one that the gear fills in. */
static bool is_open(const struct aispipe_tensor_desc *declared)
{
    for (int i = 0; i < declared->rank; i++)
        if (declared->dims[i] < 0)
            return true;
    return false;
}

/* `size` × chosen / largest, for the inputs that have an open dimension; the others are the same in all
 * gears. */
static int scale_inputs(struct acl_model *model, uint64_t chosen, uint64_t largest,
                        struct aispipe_error *error)
{
    for (size_t i = 0; i < model->n_inputs; i++) {
        int shown = model->ports[i].shown;
        bool images = model->aipp && i == model->aipp_images;
        if (shown < 0 || images || !is_open(&model->declared[shown]))
            continue;
        size_t bytes = model->ports[i].reported;
        if (__builtin_mul_overflow(bytes, (size_t)chosen, &bytes) || bytes % largest)
            return aispipe_fail(
                error, AISPIPE_MODEL,
                "model '%s': the runtime reports %zu bytes for input '%s', which cannot be cut to "
                "the chosen gear; convert the model again",
                model->path, model->ports[i].reported, model->declared[shown].name);
        model->ports[i].bytes = bytes / largest;
        model->tensors[shown].size = bytes / largest;
    }
    return 0;
}

static int set_batch(struct acl_model *model, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    uint64_t largest = 0;
    bool found = false;
    for (size_t i = 0; i < model->batch.batchCount; i++) {
        found |= model->batch.batch[i] == shape->batch;
        if (model->batch.batch[i] > largest)
            largest = model->batch.batch[i];
    }
    char given[64];
    (void)snprintf(given, sizeof given, "--dymBatch %" PRIu64 ": ", shape->batch);
    if (!found || !largest)
        return acl_refuse_shape(model, given, error);
    for (size_t i = 0; i < model->desc.n_inputs; i++)
        for (int k = 0; k < model->tensors[i].rank; k++)
            if (model->tensors[i].dims[k] < 0)
                model->tensors[i].dims[k] = (int64_t)shape->batch;
    return scale_inputs(model, shape->batch, largest, error);
}

static int set_hw(struct acl_model *model, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    uint64_t largest = 0;
    bool found = false;
    for (size_t i = 0; i < model->hw.hwCount; i++) {
        const uint64_t *hw = model->hw.hw[i];
        uint64_t area;
        found |= hw[0] == shape->height && hw[1] == shape->width;
        if (!__builtin_mul_overflow(hw[0], hw[1], &area) && area > largest)
            largest = area;
    }
    char given[96];
    (void)snprintf(given, sizeof given, "--dymHW %" PRIu64 ",%" PRIu64 ": ", shape->height, shape->width);
    if (!found || !largest)
        return acl_refuse_shape(model, given, error);
    for (size_t i = 0; i < model->desc.n_inputs; i++) {
        /* Height comes before width in every layout. */
        uint64_t next = shape->height;
        for (int k = 0; k < model->tensors[i].rank; k++)
            if (model->tensors[i].dims[k] < 0) {
                model->tensors[i].dims[k] = (int64_t)next;
                next = shape->width;
            }
    }
    return scale_inputs(model, shape->height * shape->width, largest, error);
}

size_t acl_find_gear(const struct acl_model *model, const struct aispipe_tensor_desc *inputs)
{
    size_t count = 0;
    int64_t row[ACL_MAX_DIM_CNT] = {0};
    for (size_t i = 0; i < model->desc.n_inputs; i++)
        for (int k = 0; k < inputs[i].rank; k++) {
            if (count == ACL_MAX_DIM_CNT)
                return ACL_NO_GEAR;
            row[count++] = inputs[i].dims[k];
        }
    for (size_t i = 0; i < model->n_dims; i++)
        if (model->dims[i].dimCount == count && memcmp(row, model->dims[i].dims, count * sizeof *row) == 0)
            return i;
    return ACL_NO_GEAR;
}

void acl_take_sizes(struct acl_model *model)
{
    for (size_t i = 0; i < model->n_inputs; i++)
        if (model->ports[i].shown >= 0)
            model->ports[i].bytes = model->tensors[model->ports[i].shown].size;
}

/* What static AIPP makes of images has the shape that was chosen; the images themselves have their own size.
 */
static int take_images(struct acl_model *model, struct aispipe_error *error)
{
    for (size_t i = 0; i < model->n_inputs; i++) {
        if (model->ports[i].shown < 0 || !model->ports[i].image)
            continue;
        struct aispipe_tensor_desc *input = &model->tensors[model->ports[i].shown];
        if (__builtin_mul_overflow(model->ports[i].image, (size_t)input->dims[0], &input->size))
            return aispipe_fail(error, AISPIPE_INVALID, "--dymShape: the size of input '%s' overflows",
                                input->name);
    }
    return 0;
}

static int set_dims(struct acl_model *model, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    struct aispipe_model_desc declared = model->desc;
    declared.inputs = model->declared;
    declared.outputs = model->declared + model->n_inputs;
    int rc = shape_apply(shape, &declared, model->tensors, error);
    if (!rc)
        rc = take_images(model, error);
    if (rc)
        return rc;
    acl_take_sizes(model);
    if (shape->mode == AISPIPE_SHAPE_SHAPE)
        return 0;
    model->gear = acl_find_gear(model, model->tensors);
    if (model->gear != ACL_NO_GEAR)
        return 0;
    char given[512];
    (void)snprintf(given, sizeof given, "--dymDims '%.400s': ", shape->dims);
    return acl_refuse_shape(model, given, error);
}

/* ---------------------------------------------------------------- outputs */

/* What the outputs are like in the chosen gear: the runtime tells once a dataset has been given the gear. */
static int describe_gear_outputs(struct acl_model *model, struct acl_io *probe, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    int rc = acl_select_shape(model, model->copies[0].id, probe, NULL, error);
    for (size_t i = 0; !rc && i < model->n_outputs; i++) {
        struct aispipe_tensor_desc *output = &model->tensors[model->n_inputs + i];
        aclmdlIODims dims = {.dimCount = 0};
        rc = acl_check(device, device->acl.aclmdlGetCurOutputDims(model->handle, i, &dims), error,
                       "aclmdlGetCurOutputDims of output %zu", i);
        if (rc)
            return rc;
        rc = acl_take_dims(model, &dims, output, error);
        if (rc)
            return rc;
        bool sized = !is_open(output) && shape_set_size(output);
        rc = acl_expect(
            device, sized && output->size <= model->ports[model->n_inputs + i].bytes, error,
            "model '%s': aclmdlGetCurOutputDims gives output '%s' a shape that does not fit its buffer of "
            "%zu bytes",
            model->path, output->name, model->ports[model->n_inputs + i].bytes);
    }
    return rc;
}

int acl_probe_outputs(struct acl_model *model, struct aispipe_error *error)
{
    struct aispipe_io io = {.device = NULL};
    int rc = acl_io_create(model, &io, error);
    if (rc)
        return rc;
    rc = describe_gear_outputs(model, io.device, error);
    acl_io_destroy(model, &io);
    return rc;
}

static int refuse_output_size(const struct acl_model *model, size_t i, size_t given,
                              struct aispipe_error *error)
{
    const struct aispipe_tensor_desc *output = &model->desc.outputs[i];
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "output %zu, '%s', needs %zu bytes, but --outputSize gives it %zu; give at least what it "
        "needs",
        i, output->name, output->size, given);
}

/* A gear's outputs are known, and have their memory; what is asked for must not be less. */
static int check_output_sizes(const struct acl_model *model, const struct aispipe_shape *shape,
                              struct aispipe_error *error)
{
    for (size_t i = 0; i < shape->n_output_sizes; i++)
        if (shape->output_sizes[i] < model->desc.outputs[i].size)
            return refuse_output_size(model, i, shape->output_sizes[i], error);
    return 0;
}

/* Open outputs get the memory that was asked for, or what the runtime reports if it knows. */
int acl_set_open_outputs(struct acl_model *model, const struct aispipe_shape *shape,
                         struct aispipe_error *error)
{
    for (size_t i = 0; i < model->n_outputs; i++) {
        struct aispipe_tensor_desc *output = &model->tensors[model->n_inputs + i];
        struct acl_port *port = &model->ports[model->n_inputs + i];
        size_t known = output->size > port->reported ? output->size : port->reported;
        size_t given = i < shape->n_output_sizes ? shape->output_sizes[i] : known;
        if (shape->sizes_if_open && !is_open(output))
            given = known;
        if (is_open(output))
            output->size = given;
        else if (given < output->size)
            return refuse_output_size(model, i, given, error);
        port->bytes = given;
    }
    return 0;
}

/* ---------------------------------------------------------------- before the run */

static void forget_shape(struct acl_model *model)
{
    model->mode = AISPIPE_SHAPE_STATIC;
    model->each = false;
    memcpy(model->tensors, model->declared, (model->n_inputs + model->n_outputs) * sizeof *model->tensors);
    for (size_t i = 0; i < model->n_inputs + model->n_outputs; i++)
        model->ports[i].bytes = model->ports[i].reported;
}

static int check_calls(const struct acl_model *model, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    if (acl->aclCreateTensorDesc && acl->aclDestroyTensorDesc && acl->aclmdlSetDatasetTensorDesc &&
        acl->aclmdlGetDatasetTensorDesc && acl->aclGetTensorDescNumDims && acl->aclGetTensorDescDimV2 &&
        acl->aclGetTensorDescSize)
        return 0;
    return aispipe_fail(
        error, AISPIPE_UNSUPPORTED,
        "--dymShape: %s is of a CANN that cannot run models with open dimensions; update CANN", acl->path);
}

int acl_set_shape(void *loaded, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    struct acl_model *model = loaded;
    forget_shape(model);
    char given[32];
    (void)snprintf(given, sizeof given,
                   "%s: ", shape->n_each ? shape_option_each(shape->mode) : shape_option(shape->mode));
    if (shape->mode != acl_shape_mode(model) || shape->mode == AISPIPE_SHAPE_STATIC)
        return acl_refuse_shape(model, given, error);
    int rc = shape->mode == AISPIPE_SHAPE_SHAPE ? check_calls(model, error) : 0;
    if (!rc && shape->n_each)
        return acl_set_each(model, shape, error);
    if (!rc && shape->mode == AISPIPE_SHAPE_BATCH)
        rc = set_batch(model, shape, error);
    else if (!rc && shape->mode == AISPIPE_SHAPE_HW)
        rc = set_hw(model, shape, error);
    else if (!rc)
        rc = set_dims(model, shape, error);
    if (rc)
        return rc;
    model->batch_size = shape->batch;
    model->height = shape->height;
    model->width = shape->width;
    model->mode = shape->mode;
    if (shape->mode == AISPIPE_SHAPE_SHAPE)
        return acl_set_open_outputs(model, shape, error);
    rc = acl_aipp_describe(model, error);
    if (!rc)
        rc = acl_probe_outputs(model, error);
    return rc ? rc : check_output_sizes(model, shape, error);
}

int acl_check_ready(const void *loaded, struct aispipe_error *error)
{
    const struct acl_model *model = loaded;
    if (acl_shape_mode(model) != AISPIPE_SHAPE_STATIC)
        return acl_refuse_shape(model, "", error);
    return 0;
}

int acl_check_shape(const void *loaded, const struct aispipe_shape *shape, struct aispipe_error *error)
{
    const struct acl_model *model = loaded;
    if (shape->mode != acl_shape_mode(model))
        return acl_refuse_shape(model, "", error);
    if (shape->mode != AISPIPE_SHAPE_SHAPE || shape->n_output_sizes)
        return 0;
    for (size_t i = 0; i < model->n_outputs; i++)
        if (is_open(&model->desc.outputs[i]) && !model->ports[model->n_inputs + i].reported)
            return shape_refuse_output(model->path, &model->desc, i, error);
    return 0;
}

/* ---------------------------------------------------------------- around an execution */

/* Gives the dataset a description of input `i`; one that it had before is replaced. */
static int describe_input(const struct acl_model *model, struct acl_io *own, size_t i,
                          const struct aispipe_tensor_desc *input, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    aclFormat format = acl->aclmdlGetInputFormat(model->handle, i);
    int rc = acl_expect(device, format != ACL_FORMAT_UNDEFINED, error,
                        "aclmdlGetInputFormat gave no format of input '%s'", input->name);
    if (rc)
        return rc;
    aclTensorDesc *desc =
        acl->aclCreateTensorDesc((aclDataType)input->dtype, input->rank, input->dims, format);
    rc = acl_expect(device, desc != NULL, error, "aclCreateTensorDesc gave nothing");
    if (rc)
        return rc;
    rc = acl_check(device, acl->aclmdlSetDatasetTensorDesc(own->input, desc, i), error,
                   "aclmdlSetDatasetTensorDesc of input '%s'", input->name);
    aclTensorDesc *unused = rc ? desc : own->descs[i];
    if (unused)
        acl->aclDestroyTensorDesc(unused);
    if (!rc)
        own->descs[i] = desc;
    return rc;
}

static int describe_inputs(const struct acl_model *model, struct acl_io *own,
                           const struct aispipe_tensor_desc *shaped, struct aispipe_error *error)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < model->n_inputs; i++) {
        int shown = model->ports[i].shown;
        if (shown >= 0 && (shaped || !own->descs[i]))
            rc = describe_input(model, own, i, shaped ? &shaped[shown] : &model->tensors[shown], error);
    }
    return rc;
}

/* The buffers are as large as the largest batch; the runtime wants to know how much of them this one takes.
 */
static int resize_buffers(const struct acl_model *model, struct acl_io *own,
                          const struct aispipe_tensor_desc *shaped, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    int rc = 0;
    for (size_t i = 0; !rc && i < model->n_inputs; i++) {
        int shown = model->ports[i].shown;
        if (shown >= 0)
            rc = acl_check(
                device,
                device->acl.aclUpdateDataBuffer(own->buffers[i], acl_address(own, i), shaped[shown].size),
                error, "aclUpdateDataBuffer of input '%s'", shaped[shown].name);
    }
    return rc;
}

int acl_select_shape(const struct acl_model *model, uint32_t id, struct acl_io *own,
                     const struct aispipe_tensor_desc *shaped, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    size_t at = model->gear_input;
    int rc = shaped ? resize_buffers(model, own, shaped, error) : 0;
    if (rc)
        return rc;
    switch (model->mode) {
    case AISPIPE_SHAPE_BATCH:
        return acl_check(device, acl->aclmdlSetDynamicBatchSize(id, own->input, at, model->batch_size), error,
                         "aclmdlSetDynamicBatchSize(%" PRIu64 ")", model->batch_size);
    case AISPIPE_SHAPE_HW:
        return acl_check(device, acl->aclmdlSetDynamicHWSize(id, own->input, at, model->height, model->width),
                         error, "aclmdlSetDynamicHWSize(%" PRIu64 ", %" PRIu64 ")", model->height,
                         model->width);
    case AISPIPE_SHAPE_DIMS:
        own->gear = shaped ? acl_find_gear(model, shaped) : model->gear;
        if (own->gear == ACL_NO_GEAR)
            return acl_refuse_shape(model, "--auto_set_dymdims_mode: ", error);
        return acl_check(device, acl->aclmdlSetInputDynamicDims(id, own->input, at, &model->dims[own->gear]),
                         error, "aclmdlSetInputDynamicDims");
    case AISPIPE_SHAPE_SHAPE:
        return describe_inputs(model, own, shaped, error);
    case AISPIPE_SHAPE_STATIC:
        break;
    }
    return 0;
}

static int take_output(const struct acl_model *model, const struct acl_io *own, size_t i,
                       struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    struct aispipe_tensor_desc *actual = &own->actual[i];
    *actual = model->desc.outputs[i];
    const aclTensorDesc *told = acl->aclmdlGetDatasetTensorDesc(own->output, i);
    int rc = acl_expect(device, told != NULL, error, "aclmdlGetDatasetTensorDesc of output '%s' gave nothing",
                        actual->name);
    if (rc)
        return rc;
    aclmdlIODims dims = {.dimCount = acl->aclGetTensorDescNumDims(told)};
    rc = acl_expect(device, dims.dimCount <= ACL_MAX_DIM_CNT, error,
                    "aclGetTensorDescNumDims gave no number of dimensions of output '%s'", actual->name);
    for (size_t k = 0; !rc && k < dims.dimCount; k++)
        rc = acl_check(device, acl->aclGetTensorDescDimV2(told, k, &dims.dims[k]), error,
                       "aclGetTensorDescDimV2 of output '%s'", actual->name);
    if (!rc)
        rc = acl_take_dims(model, &dims, actual, error);
    if (rc)
        return rc;
    bool sized =
        !is_open(actual) && shape_set_size(actual) && actual->size == acl->aclGetTensorDescSize(told);
    rc = acl_expect(device, sized, error, "the runtime gives output '%s' a shape and a size that contradict",
                    actual->name);
    size_t room = model->ports[model->n_inputs + i].bytes;
    if (!rc && actual->size > room)
        rc = aispipe_fail(error, AISPIPE_INVALID,
                          "output %zu, '%s', needs %zu bytes, but %zu were set aside for it; give more with "
                          "--outputSize",
                          i, actual->name, actual->size, room);
    return rc;
}

int acl_take_outputs(const struct acl_model *model, struct aispipe_io *io, struct aispipe_error *error)
{
    const struct acl_io *own = io->device;
    io->actual = NULL;
    if (model->each && model->mode == AISPIPE_SHAPE_DIMS) {
        io->actual = model->gear_outputs + own->gear * model->n_outputs;
        return 0;
    }
    if (model->mode != AISPIPE_SHAPE_SHAPE)
        return 0;
    for (size_t i = 0; i < model->n_outputs; i++) {
        int rc = take_output(model, own, i, error);
        if (rc)
            return rc;
    }
    io->actual = own->actual;
    return 0;
}

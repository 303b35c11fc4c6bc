/* SPDX-License-Identifier: MIT */
/* What a model takes and gives. */
#include "acl_internal.h"

#include <stdlib.h>
#include <string.h>

/* Types that AscendCL has and aispipe has not. */
static const char *type_name(aclDataType type)
{
    switch (type) {
    case ACL_STRING:
        return "string";
    case ACL_COMPLEX64:
        return "complex64";
    case ACL_COMPLEX128:
        return "complex128";
    case ACL_COMPLEX32:
        return "complex32";
    case ACL_INT4:
        return "int4";
    case ACL_UINT1:
        return "uint1";
    default:
        return "undefined";
    }
}

/* What the runtime says of one input or output. */
struct told {
    bool input;
    size_t index;
    const char *name;
    aclDataType type;
    size_t bytes;
    size_t image; /* as in acl_port */
    aclmdlIODims dims;
};

static bool has_open(const aclmdlIODims *dims)
{
    for (size_t i = 0; i < dims->dimCount && i < ACL_MAX_DIM_CNT; i++)
        if (dims->dims[i] < 0)
            return true;
    return false;
}

/* Bytes of one of the images, of which the first dimension is the number; 0 when their size is open too. */
static size_t image_bytes(const aclmdlIODims *fed)
{
    size_t bytes = 1;
    for (size_t i = 1; i < fed->dimCount && i < ACL_MAX_DIM_CNT; i++)
        if (fed->dims[i] < 0 || __builtin_mul_overflow(bytes, (size_t)fed->dims[i], &bytes))
            return 0;
    return bytes;
}

/*
 * With static AIPP, V2 describes the images that are fed instead of the model's own input. The latter's shape
 * counts where it is the one that is chosen, and where a gear fills in dimensions that the images do not show
 * as open.
 */
static int ask_input_dims(struct acl_model *model, struct told *told, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    int rc = acl_check(model->device, acl->aclmdlGetInputDims(model->handle, told->index, &told->dims), error,
                       "aclmdlGetInputDims of input %zu", told->index);
    if (rc || !acl->aclmdlGetInputDimsV2)
        return rc;
    aclmdlIODims fed = {.dimCount = 0};
    rc = acl_check(model->device, acl->aclmdlGetInputDimsV2(model->handle, told->index, &fed), error,
                   "aclmdlGetInputDimsV2 of input %zu", told->index);
    bool same =
        fed.dimCount == told->dims.dimCount && memcmp(fed.dims, told->dims.dims, sizeof fed.dims) == 0;
    if (rc || same)
        return rc;
    bool gears = model->batch.batchCount || model->hw.hwCount || model->n_dims;
    if (!has_open(&told->dims) || (gears && has_open(&fed)))
        told->dims = fed;
    else if (!gears)
        told->image = image_bytes(&fed);
    return 0;
}

static int ask_dims(struct acl_model *model, struct told *told, struct aispipe_error *error)
{
    if (told->input)
        return ask_input_dims(model, told, error);
    return acl_check(model->device,
                     model->device->acl.aclmdlGetOutputDims(model->handle, told->index, &told->dims), error,
                     "aclmdlGetOutputDims of output %zu", told->index);
}

static int ask_name(struct acl_model *model, struct told *told, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    told->name = told->input ? acl->aclmdlGetInputNameByIndex(model->handle, told->index)
                             : acl->aclmdlGetOutputNameByIndex(model->handle, told->index);
    told->bytes = told->input ? acl->aclmdlGetInputSizeByIndex(model->handle, told->index)
                              : acl->aclmdlGetOutputSizeByIndex(model->handle, told->index);
    return acl_expect(model->device, told->name && *told->name, error,
                      "aclmdlGet%sNameByIndex(%zu) gave no name", told->input ? "Input" : "Output",
                      told->index);
}

static int ask(struct acl_model *model, struct told *told, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    told->type = told->input ? acl->aclmdlGetInputDataType(model->handle, told->index)
                             : acl->aclmdlGetOutputDataType(model->handle, told->index);
    int rc =
        acl_expect(model->device, told->type != ACL_DT_UNDEFINED, error,
                   "aclmdlGet%sDataType(%zu) gave no type", told->input ? "Input" : "Output", told->index);
    return rc ? rc : ask_dims(model, told, error);
}

/* Product of the dimensions × the size of an element; false when it overflows or a dimension is open. */
static bool product(const struct aispipe_tensor_desc *desc, size_t *bytes)
{
    *bytes = aispipe_dtype_size(desc->dtype);
    for (int i = 0; i < desc->rank; i++)
        if (desc->dims[i] < 0 || __builtin_mul_overflow(*bytes, (size_t)desc->dims[i], bytes))
            return false;
    return true;
}

static bool is_open(const struct aispipe_tensor_desc *desc)
{
    for (int i = 0; i < desc->rank; i++)
        if (desc->dims[i] < 0)
            return true;
    return false;
}

/*
 * Bytes of a tensor. An input may take another number than its shape says, because AIPP turns what is fed (an
 * image in YUV, say) into that shape; an output may lie in a larger buffer, of which its shape is the
 * beginning. Where the shape is open, the size is chosen with it.
 */
static int choose_size(struct acl_model *model, const struct told *told, struct aispipe_tensor_desc *desc,
                       struct aispipe_error *error)
{
    size_t bytes;
    desc->size = 0;
    if (is_open(desc))
        return 0;
    if (!product(desc, &bytes))
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s': the size of '%s' overflows", model->path,
                            desc->name);
    desc->size = told->input ? told->bytes : bytes;
    return acl_expect(
        model->device, told->input || !told->bytes || told->bytes >= bytes, error,
        "model '%s': the runtime gives '%s' %zu bytes, its shape takes %zu; convert the model again",
        model->path, desc->name, told->bytes, bytes);
}

/* Only of a model with open dimensions the runtime may not know a size. */
static int check_sizes(struct acl_model *model, struct aispipe_error *error)
{
    bool open = acl_shape_mode(model) == AISPIPE_SHAPE_SHAPE;
    for (size_t i = 0; !open && i < model->n_inputs + model->n_outputs; i++) {
        size_t first = i < model->n_inputs ? 0 : model->n_inputs;
        const struct acl_port *port = &model->ports[i];
        const struct aispipe_tensor_desc *desc =
            port->shown < 0 ? NULL : &model->declared[first + port->shown];
        size_t bytes;
        bool empty = desc && product(desc, &bytes) && bytes == 0;
        int rc = acl_expect(model->device, port->reported || empty, error,
                            "model '%s': the runtime gives no size for %s '%s'; convert the model again",
                            model->path, first ? "output" : "input", desc ? desc->name : "(hidden)");
        if (rc)
            return rc;
    }
    return 0;
}

int acl_take_dims(const struct acl_model *model, const aclmdlIODims *dims, struct aispipe_tensor_desc *desc,
                  struct aispipe_error *error)
{
    if (dims->dimCount > AISPIPE_MAX_RANK)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s': '%s' has %zu dimensions; at most %d are supported", model->path,
                            desc->name, dims->dimCount, AISPIPE_MAX_RANK);
    desc->rank = (int)dims->dimCount;
    for (int i = 0; i < desc->rank; i++)
        desc->dims[i] = dims->dims[i] < 0 ? -1 : dims->dims[i];
    return 0;
}

static int describe_tensor(struct acl_model *model, const struct told *told, struct aispipe_tensor_desc *desc,
                           struct aispipe_error *error)
{
    desc->name = strdup(told->name);
    if (!desc->name)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the description of a model");
    desc->dtype = (enum aispipe_dtype)told->type; /* the numbers are the same */
    if (!aispipe_dtype_size(desc->dtype))
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s': '%s' is of type %s (%d), which aispipe does not have", model->path,
                            desc->name, type_name(told->type), (int)told->type);
    int rc = acl_take_dims(model, &told->dims, desc, error);
    return rc ? rc : choose_size(model, told, desc, error);
}

/* Inputs that carry settings, not data. They have a buffer and nothing else. */
static bool note_hidden(struct acl_model *model, const char *name, size_t index)
{
    if (strcmp(name, ACL_DYNAMIC_TENSOR_NAME) == 0) {
        model->gear_input = index;
        return true;
    }
    if (strcmp(name, ACL_DYNAMIC_AIPP_NAME) != 0)
        return false;
    model->aipp_settings = index;
    model->n_aipp++;
    return true;
}

static int describe_side(struct acl_model *model, bool input, struct aispipe_error *error)
{
    size_t n = input ? model->n_inputs : model->n_outputs;
    size_t first = input ? 0 : model->n_inputs;
    size_t *shown = input ? &model->desc.n_inputs : &model->desc.n_outputs;
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++) {
        struct told told = {.input = input, .index = i};
        rc = ask_name(model, &told, error);
        if (rc)
            break;
        struct acl_port *port = &model->ports[first + i];
        *port = (struct acl_port){.reported = told.bytes, .bytes = told.bytes, .shown = -1};
        if (input && note_hidden(model, told.name, i))
            continue;
        rc = ask(model, &told, error);
        if (!rc)
            rc = describe_tensor(model, &told, &model->declared[first + *shown], error);
        port->image = told.image;
        port->shown = (int)(*shown)++;
    }
    return rc;
}

static int count_ports(struct acl_model *model, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    model->n_inputs = acl->aclmdlGetNumInputs(model->handle);
    model->n_outputs = acl->aclmdlGetNumOutputs(model->handle);
    int rc = acl_expect(model->device, model->n_inputs && model->n_outputs, error,
                        "model '%s': aclmdlGetNumInputs and aclmdlGetNumOutputs give %zu and %zu",
                        model->path, model->n_inputs, model->n_outputs);
    if (rc)
        return rc;
    if (model->n_inputs > AISPIPE_MAX_TENSORS + 2 || model->n_outputs > AISPIPE_MAX_TENSORS)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s' has %zu inputs and %zu outputs; at most %d of each are supported",
                            model->path, model->n_inputs, model->n_outputs, AISPIPE_MAX_TENSORS);
    size_t n = model->n_inputs + model->n_outputs;
    model->ports = calloc(n, sizeof *model->ports);
    model->tensors = calloc(n, sizeof *model->tensors);
    model->declared = calloc(n, sizeof *model->declared);
    if (!model->ports || !model->tensors || !model->declared)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the description of a model");
    model->desc.inputs = model->tensors;
    model->desc.outputs = model->tensors + model->n_inputs;
    return 0;
}

int acl_describe_model(struct acl_model *model, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    model->handle = device->acl.aclmdlCreateDesc();
    int rc = acl_expect(device, model->handle != NULL, error, "aclmdlCreateDesc gave nothing");
    if (!rc)
        rc = acl_check(device, device->acl.aclmdlGetDesc(model->handle, model->copies[0].id), error,
                       "model '%s': aclmdlGetDesc", model->path);
    if (!rc)
        rc = count_ports(model, error);
    if (!rc)
        rc = acl_read_gears(model, error);
    if (!rc)
        rc = describe_side(model, true, error);
    if (!rc)
        rc = describe_side(model, false, error);
    if (!rc)
        rc = check_sizes(model, error);
    if (!rc)
        memcpy(model->tensors, model->declared,
               (model->n_inputs + model->n_outputs) * sizeof *model->tensors);
    return rc;
}

void acl_forget_description(struct acl_model *model)
{
    if (model->handle)
        acl_released(model->device, model->device->acl.aclmdlDestroyDesc(model->handle), "aclmdlDestroyDesc");
    for (size_t i = 0; model->declared && i < model->n_inputs + model->n_outputs; i++)
        free((char *)model->declared[i].name);
    free(model->declared);
    free(model->dims);
    free(model->gear_outputs);
    free(model->tensors);
    free(model->ports);
}

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

static bool is_hidden(const char *name)
{
    return strcmp(name, ACL_DYNAMIC_TENSOR_NAME) == 0 || strcmp(name, ACL_DYNAMIC_AIPP_NAME) == 0;
}

/* What the runtime says of one input or output. */
struct told {
    bool input;
    size_t index;
    const char *name;
    aclDataType type;
    size_t bytes;
    aclmdlIODims dims;
};

static int ask_dims(struct acl_model *model, struct told *told, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    if (!told->input)
        return acl_check(model->device, acl->aclmdlGetOutputDims(model->handle, told->index, &told->dims),
                         error, "aclmdlGetOutputDims of output %zu", told->index);
    if (acl->aclmdlGetInputDimsV2)
        return acl_check(model->device, acl->aclmdlGetInputDimsV2(model->handle, told->index, &told->dims),
                         error, "aclmdlGetInputDimsV2 of input %zu", told->index);
    return acl_check(model->device, acl->aclmdlGetInputDims(model->handle, told->index, &told->dims), error,
                     "aclmdlGetInputDims of input %zu", told->index);
}

static int ask(struct acl_model *model, struct told *told, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    const char *kind = told->input ? "Input" : "Output";
    if (told->input) {
        told->name = acl->aclmdlGetInputNameByIndex(model->handle, told->index);
        told->type = acl->aclmdlGetInputDataType(model->handle, told->index);
        told->bytes = acl->aclmdlGetInputSizeByIndex(model->handle, told->index);
    } else {
        told->name = acl->aclmdlGetOutputNameByIndex(model->handle, told->index);
        told->type = acl->aclmdlGetOutputDataType(model->handle, told->index);
        told->bytes = acl->aclmdlGetOutputSizeByIndex(model->handle, told->index);
    }
    int rc = acl_expect(model->device, told->name && *told->name, error,
                        "aclmdlGet%sNameByIndex(%zu) gave no name", kind, told->index);
    return rc ? rc : ask_dims(model, told, error);
}

/* Product of the dimensions × the size of an element; false when it overflows. */
static bool product(const struct aispipe_tensor_desc *desc, size_t *bytes)
{
    *bytes = aispipe_dtype_size(desc->dtype);
    for (int i = 0; i < desc->rank; i++)
        if (__builtin_mul_overflow(*bytes, (size_t)desc->dims[i], bytes))
            return false;
    return true;
}

/*
 * Bytes of a tensor. An input may take another number than its shape says, because AIPP turns what is fed (an
 * image in YUV, say) into that shape; an output may lie in a larger buffer, of which its shape is the
 * beginning.
 */
static int choose_size(struct acl_model *model, const char *path, const struct told *told,
                       struct aispipe_tensor_desc *desc, struct aispipe_error *error)
{
    size_t bytes;
    if (!product(desc, &bytes))
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s': the size of '%s' overflows", path, desc->name);
    desc->size = told->input ? told->bytes : bytes;
    return acl_expect(
        model->device, told->input ? told->bytes || !bytes : told->bytes >= bytes, error,
        "model '%s': the runtime gives '%s' %zu bytes, its shape takes %zu; convert the model again", path,
        desc->name, told->bytes, bytes);
}

static int describe_tensor(struct acl_model *model, const char *path, const struct told *told,
                           struct aispipe_tensor_desc *desc, struct aispipe_error *error)
{
    desc->name = strdup(told->name);
    if (!desc->name)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the description of a model");
    desc->dtype = (enum aispipe_dtype)told->type; /* the numbers are the same */
    if (!aispipe_dtype_size(desc->dtype))
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s': '%s' is of type %s (%d), which aispipe does not have", path,
                            desc->name, type_name(told->type), (int)told->type);
    if (told->dims.dimCount > AISPIPE_MAX_RANK)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s': '%s' has %zu dimensions; at most %d are supported", path, desc->name,
                            told->dims.dimCount, AISPIPE_MAX_RANK);
    desc->rank = (int)told->dims.dimCount;
    for (int i = 0; i < desc->rank; i++) {
        desc->dims[i] = told->dims.dims[i];
        if (desc->dims[i] < 0)
            return aispipe_fail(error, AISPIPE_MODEL,
                                "model '%s': dimension %d of '%s' is not known before it runs", path, i,
                                desc->name);
    }
    return choose_size(model, path, told, desc, error);
}

static int describe_side(struct acl_model *model, const char *path, bool input, struct aispipe_error *error)
{
    size_t n = input ? model->n_inputs : model->n_outputs;
    struct acl_port *ports = model->ports + (input ? 0 : model->n_inputs);
    struct aispipe_tensor_desc *tensors = model->tensors + (input ? 0 : model->n_inputs);
    size_t *shown = input ? &model->desc.n_inputs : &model->desc.n_outputs;
    int rc = 0;
    for (size_t i = 0; !rc && i < n; i++) {
        struct told told = {.input = input, .index = i};
        rc = ask(model, &told, error);
        if (rc)
            break;
        ports[i] = (struct acl_port){.bytes = told.bytes, .shown = -1};
        if (input && is_hidden(told.name))
            continue;
        rc = describe_tensor(model, path, &told, &tensors[*shown], error);
        ports[i].shown = (int)(*shown)++;
    }
    return rc;
}

static int count_ports(struct acl_model *model, const char *path, struct aispipe_error *error)
{
    const struct acl_library *acl = &model->device->acl;
    model->n_inputs = acl->aclmdlGetNumInputs(model->handle);
    model->n_outputs = acl->aclmdlGetNumOutputs(model->handle);
    int rc = acl_expect(model->device, model->n_inputs && model->n_outputs, error,
                        "model '%s': aclmdlGetNumInputs and aclmdlGetNumOutputs give %zu and %zu", path,
                        model->n_inputs, model->n_outputs);
    if (rc)
        return rc;
    if (model->n_inputs > AISPIPE_MAX_TENSORS + 2 || model->n_outputs > AISPIPE_MAX_TENSORS)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s' has %zu inputs and %zu outputs; at most %d of each are supported",
                            path, model->n_inputs, model->n_outputs, AISPIPE_MAX_TENSORS);
    size_t n = model->n_inputs + model->n_outputs;
    model->ports = calloc(n, sizeof *model->ports);
    model->tensors = calloc(n, sizeof *model->tensors);
    if (!model->ports || !model->tensors)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the description of a model");
    model->desc.inputs = model->tensors;
    model->desc.outputs = model->tensors + model->n_inputs;
    return 0;
}

int acl_describe_model(struct acl_model *model, const char *path, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    model->handle = device->acl.aclmdlCreateDesc();
    int rc = acl_expect(device, model->handle != NULL, error, "aclmdlCreateDesc gave nothing");
    if (!rc)
        rc = acl_check(device, device->acl.aclmdlGetDesc(model->handle, model->copies[0].id), error,
                       "model '%s': aclmdlGetDesc", path);
    if (!rc)
        rc = count_ports(model, path, error);
    if (!rc)
        rc = acl_check_shape_is_known(model, path, error);
    if (!rc)
        rc = describe_side(model, path, true, error);
    if (!rc)
        rc = describe_side(model, path, false, error);
    return rc;
}

void acl_forget_description(struct acl_model *model)
{
    if (model->handle)
        acl_released(model->device, model->device->acl.aclmdlDestroyDesc(model->handle), "aclmdlDestroyDesc");
    for (size_t i = 0; model->tensors && i < model->n_inputs + model->n_outputs; i++)
        free((char *)model->tensors[i].name);
    free(model->tensors);
    free(model->ports);
}

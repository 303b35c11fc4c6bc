/* SPDX-License-Identifier: MIT */
/* Reads a model and says what it takes and gives. */
#include "openvino_internal.h"
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- what it takes and gives */

static enum aispipe_dtype map_type(ov_element_type_e type)
{
    switch (type) {
    case BOOLEAN:
        return AISPIPE_BOOL;
    case BF16:
        return AISPIPE_BFLOAT16;
    case F16:
        return AISPIPE_FLOAT16;
    case F32:
        return AISPIPE_FLOAT32;
    case F64:
        return AISPIPE_FLOAT64;
    case I8:
        return AISPIPE_INT8;
    case I16:
        return AISPIPE_INT16;
    case I32:
        return AISPIPE_INT32;
    case I64:
        return AISPIPE_INT64;
    case U8:
        return AISPIPE_UINT8;
    case U16:
        return AISPIPE_UINT16;
    case U32:
        return AISPIPE_UINT32;
    case U64:
        return AISPIPE_UINT64;
    default:
        return AISPIPE_DTYPE_UNDEFINED;
    }
}

static const char *type_name(ov_element_type_e type)
{
    switch (type) {
    case STRING:
        return "string";
    case DYNAMIC:
        return "unknown";
    case NF4:
        return "nf4";
    case U1:
        return "1-bit";
    case U2:
    case U3:
    case U4:
    case U6:
    case I4:
        return "sub-byte integer";
    case F8E4M3:
    case F8E5M3:
    case F8E8M0:
    case F4E2M1:
        return "float8 or float4";
    default:
        return "unsupported";
    }
}

/* One input or output while it is being described. */
struct port {
    const char *path;
    const char *what; /* "input" or "output" */
    size_t index;
    ov_output_const_port_t *port;
    ov_partial_shape_t shape;
};

/* Tensors without a name are called by their place. `name` is the caller's to free. */
static char *port_name(const struct openvino_library *ov, const struct port *port)
{
    char *given = NULL;
    char *name = NULL;
    if (ov->port_get_any_name(port->port, &given) == OK && given && *given)
        name = strdup(given);
    else if (asprintf(&name, "%s%zu", port->what, port->index) < 0)
        name = NULL;
    if (given)
        ov->free(given);
    return name;
}

static int fill_shape(const struct port *port, struct aispipe_tensor_desc *desc, struct aispipe_error *error)
{
    if (port->shape.rank.min != port->shape.rank.max) {
        desc->rank = -1;
        desc->size = 0;
        return 0;
    }
    if (port->shape.rank.max > AISPIPE_MAX_RANK)
        return aispipe_fail(error, AISPIPE_MODEL,
                            "model '%s': %s '%s' has %lld dimensions; at most %d are supported", port->path,
                            port->what, desc->name, (long long)port->shape.rank.max, AISPIPE_MAX_RANK);
    desc->rank = (int)port->shape.rank.max;
    desc->size = 0;
    for (int i = 0; i < desc->rank; i++) {
        ov_dimension_t dim = port->shape.dims[i];
        desc->dims[i] = dim.min == dim.max ? dim.max : -1;
    }
    if (!shape_is_open(desc) && !shape_set_size(desc))
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s': the size of %s '%s' overflows", port->path,
                            port->what, desc->name);
    return 0;
}

static int fill_tensor(const struct openvino_library *ov, const struct port *port, ov_element_type_e type,
                       struct aispipe_tensor_desc *desc, struct aispipe_error *error)
{
    if (!desc->name)
        desc->name = port_name(ov, port);
    if (!desc->name)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to describe model '%s'", port->path);
    desc->dtype = map_type(type);
    if (desc->dtype == AISPIPE_DTYPE_UNDEFINED)
        return aispipe_fail(error, AISPIPE_MODEL,
                            "model '%s': %s '%s' has elements of type %s, which arrays in files cannot hold; "
                            "export the model with a cast to a type of NumPy's",
                            port->path, port->what, desc->name, type_name(type));
    return fill_shape(port, desc, error);
}

static int describe_port(struct openvino_model *model, const char *path, bool input, size_t index,
                         struct aispipe_error *error)
{
    const struct openvino_library *ov = &model->device->ov;
    struct port port = {.path = path, .what = input ? "input" : "output", .index = index};
    size_t at = input ? index : model->desc.n_inputs + index;
    ov_status_e status = input ? ov->model_const_input_by_index(model->read, index, &port.port)
                               : ov->model_const_output_by_index(model->read, index, &port.port);
    if (status == OK)
        status = ov->port_get_element_type(port.port, &model->types[at]);
    bool shaped = status == OK && (status = ov->port_get_partial_shape(port.port, &port.shape)) == OK;
    char reason[OPENVINO_REASON];
    int rc = shaped ? fill_tensor(ov, &port, model->types[at], &model->tensors[at], error)
                    : aispipe_fail(error, AISPIPE_MODEL, "model '%s': %s %zu cannot be described: %s", path,
                                   port.what, index, openvino_reason(ov, status, reason));
    if (shaped)
        ov->partial_shape_free(&port.shape);
    if (port.port)
        ov->output_const_port_free(port.port);
    return rc;
}

static bool same_name(const struct aispipe_tensor_desc *a, const struct aispipe_tensor_desc *b)
{
    return a->name && b->name && strcmp(a->name, b->name) == 0;
}

static void find_handed_through(struct openvino_model *model)
{
    const struct aispipe_model_desc *desc = &model->desc;
    for (size_t o = 0; o < desc->n_outputs; o++) {
        model->handed_through[o] = -1;
        for (size_t i = 0; i < desc->n_inputs; i++)
            if (same_name(&desc->outputs[o], &desc->inputs[i]) && !shape_is_open(&desc->outputs[o]) &&
                desc->outputs[o].size == desc->inputs[i].size)
                model->handed_through[o] = (int)i;
    }
}

int openvino_describe_shapes(struct openvino_model *model, struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = &model->desc;
    int rc = 0;
    for (size_t i = 0; !rc && i < desc->n_inputs; i++)
        rc = describe_port(model, model->path, true, i, error);
    for (size_t i = 0; !rc && i < desc->n_outputs; i++)
        rc = describe_port(model, model->path, false, i, error);
    if (!rc)
        find_handed_through(model);
    return rc;
}

static int describe(struct openvino_model *model, const char *path, struct aispipe_error *error)
{
    const struct openvino_library *ov = &model->device->ov;
    struct aispipe_model_desc *desc = &model->desc;
    size_t inputs = 0;
    size_t outputs = 0;
    if (ov->model_inputs_size(model->read, &inputs) != OK ||
        ov->model_outputs_size(model->read, &outputs) != OK)
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s': its inputs cannot be counted", path);
    model->tensors = calloc(inputs + outputs + 1, sizeof *model->tensors);
    model->types = calloc(inputs + outputs + 1, sizeof *model->types);
    model->handed_through = calloc(outputs + 1, sizeof *model->handed_through);
    if (!model->tensors || !model->types || !model->handed_through)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to describe model '%s'", path);
    *desc = (struct aispipe_model_desc){inputs, outputs, model->tensors, model->tensors + inputs};
    int rc = openvino_describe_shapes(model, error);
    if (rc || !shape_model_is_open(desc))
        return rc;
    model->declared = calloc(inputs + outputs + 1, sizeof *model->declared);
    if (!model->declared)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to describe model '%s'", path);
    memcpy(model->declared, model->tensors, (inputs + outputs) * sizeof *model->declared);
    return 0;
}

/* ---------------------------------------------------------------- load and unload */

static int read_model(struct openvino_model *model, const char *path, struct aispipe_error *error)
{
    const struct openvino_device *device = model->device;
    ov_status_e status = device->ov.core_read_model(device->core, path, NULL, &model->read);
    char reason[OPENVINO_REASON];
    if (status != OK)
        return aispipe_fail(error, AISPIPE_MODEL, "model '%s' cannot be read: %s", path,
                            openvino_reason(&device->ov, status, reason));
    return 0;
}

int openvino_load(void *device, const char *path, void **result, struct aispipe_error *error)
{
    *result = NULL;
    struct openvino_model *model = calloc(1, sizeof *model);
    if (!model)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for model '%s'", path);
    model->device = device;
    int rc = openvino_check_file(path, error);
    model->path = strdup(path);
    if (!rc && !model->path)
        rc = aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for model '%s'", path);
    if (!rc)
        rc = read_model(model, path, error);
    if (!rc)
        rc = describe(model, path, error);
    if (!rc && !model->declared) {
        rc = openvino_compile(model, path, error);
        model->device->ov.model_free(model->read);
        model->read = NULL;
    }
    if (rc) {
        openvino_unload(model);
        return rc;
    }
    *result = model;
    return 0;
}

void openvino_unload(void *loaded)
{
    struct openvino_model *model = loaded;
    openvino_release_compiled(model);
    if (model->read)
        model->device->ov.model_free(model->read);
    for (size_t i = 0; model->tensors && i < model->desc.n_inputs + model->desc.n_outputs; i++)
        free((char *)model->tensors[i].name);
    free(model->tensors);
    free(model->declared);
    free(model->path);
    free(model->types);
    free(model->handed_through);
    free(model);
}

/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include "backends/openvino_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What is used beyond the backend's list of functions. */
#define MORE_FUNCTIONS(X)                       \
    X(core_read_model_from_memory_buffer)       \
    X(model_reshape_by_port_indexes)            \
    X(partial_shape_create_static)              \
    X(infer_request_get_output_tensor_by_index) \
    X(tensor_get_shape)                         \
    X(tensor_get_element_type)                  \
    X(tensor_data)                              \
    X(shape_free)

struct more {
#define X(name) __typeof__(&ov_##name) name; // NOLINT(bugprone-macro-parentheses): it declares a member
    MORE_FUNCTIONS(X)
#undef X
};

static struct {
    pthread_mutex_t lock;
    struct openvino_library ov;
    struct more more;
    ov_core_t *core;
} library = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define OV (&library.ov)
#define MORE (&library.more)

struct engine {
    const struct om_file *om;
    ov_model_t *model;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
};

/* ---------------------------------------------------------------- types */

static const struct {
    enum aispipe_dtype dtype;
    ov_element_type_e type;
} types[] = {{AISPIPE_FLOAT32, F32},  {AISPIPE_FLOAT16, F16}, {AISPIPE_INT8, I8},     {AISPIPE_INT32, I32},
             {AISPIPE_UINT8, U8},     {AISPIPE_INT16, I16},   {AISPIPE_UINT16, U16},  {AISPIPE_UINT32, U32},
             {AISPIPE_INT64, I64},    {AISPIPE_UINT64, U64},  {AISPIPE_FLOAT64, F64}, {AISPIPE_BOOL, BOOLEAN},
             {AISPIPE_BFLOAT16, BF16}};

static enum aispipe_dtype from_ov(ov_element_type_e type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].dtype;
    return AISPIPE_DTYPE_UNDEFINED;
}

static ov_element_type_e to_ov(enum aispipe_dtype dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype)
            return types[i].type;
    return DYNAMIC;
}

static double load(const void *from, enum aispipe_dtype type, size_t i)
{
    switch (type) {
    case AISPIPE_FLOAT32:
        return (double)((const float *)from)[i];
    case AISPIPE_FLOAT16:
        return (double)((const _Float16 *)from)[i];
    case AISPIPE_FLOAT64:
        return ((const double *)from)[i];
    case AISPIPE_INT8:
        return (double)((const int8_t *)from)[i];
    case AISPIPE_UINT8:
    case AISPIPE_BOOL:
        return (double)((const uint8_t *)from)[i];
    case AISPIPE_INT16:
        return (double)((const int16_t *)from)[i];
    case AISPIPE_UINT16:
        return (double)((const uint16_t *)from)[i];
    case AISPIPE_INT32:
        return (double)((const int32_t *)from)[i];
    case AISPIPE_UINT32:
        return (double)((const uint32_t *)from)[i];
    case AISPIPE_INT64:
        return (double)((const int64_t *)from)[i];
    case AISPIPE_UINT64:
        return (double)((const uint64_t *)from)[i];
    default:
        return 0;
    }
}

void engine_convert(const void *from, enum aispipe_dtype from_type, void *to, enum aispipe_dtype to_type,
                    size_t n)
{
    if (from_type == to_type) {
        memcpy(to, from, n * aispipe_dtype_size(to_type));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double value = load(from, from_type, i);
        if (to_type == AISPIPE_FLOAT32)
            ((float *)to)[i] = (float)value;
        else if (to_type == AISPIPE_FLOAT16)
            ((_Float16 *)to)[i] = (_Float16)value;
        else if (to_type == AISPIPE_UINT8)
            ((uint8_t *)to)[i] = (uint8_t)(value > 0 ? value < 255 ? value : 255 : 0);
    }
}

/* ---------------------------------------------------------------- the library */

static int failed(struct aispipe_error *error, int code, const char *what, ov_status_e status)
{
    const char *why = library.ov.get_last_err_msg ? OV->get_last_err_msg() : NULL;
    int rc =
        aispipe_fail(error, code, "%s: OpenVINO error %d: %.300s", what, (int)status, why ? why : "no text");
    if (why)
        OV->free(why);
    return rc;
}

static const char *resolve_more(void)
{
    void *handle = dlopen(OV->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return "its library, again";
#define X(name)                                                      \
    MORE->name = (__typeof__(MORE->name))dlsym(handle, "ov_" #name); \
    if (!MORE->name)                                                 \
        return "ov_" #name;
    MORE_FUNCTIONS(X)
#undef X
    return NULL;
}

/** One thread for each model, as on a device: the simulator's times must not depend on who else computes. */
static int start(struct aispipe_error *error)
{
    if (library.core)
        return 0;
    int rc = openvino_library_open(OV, error);
    if (rc)
        return rc;
    const char *missing = resolve_more();
    if (missing)
        return aispipe_fail(error, AISPIPE_DEVICE, "OpenVINO at '%s' lacks %s", OV->path, missing);
    ov_status_e status = OV->core_create(&library.core);
    if (status == OK)
        status = OV->core_set_property(library.core, "CPU", "INFERENCE_NUM_THREADS", "1");
    if (status == OK)
        status = OV->core_set_property(library.core, "CPU", "INFERENCE_PRECISION_HINT", "f32");
    if (status == OK)
        return 0;
    rc = failed(error, AISPIPE_DEVICE, "OpenVINO cannot be started", status);
    if (library.core)
        OV->core_free(library.core);
    library.core = NULL;
    return rc;
}

void engine_finish(void)
{
    if (library.core)
        OV->core_free(library.core);
    library.core = NULL;
}

/* ---------------------------------------------------------------- a model */

static int build(struct engine *engine, struct aispipe_error *error)
{
    const struct om_file *om = engine->om;
    ov_status_e status = MORE->core_read_model_from_memory_buffer(library.core, om->onnx, om->onnx_bytes,
                                                                  NULL, &engine->model);
    if (status != OK)
        return failed(error, AISPIPE_MODEL, "the model cannot be read", status);
    size_t inputs = 0;
    size_t outputs = 0;
    if (OV->model_inputs_size(engine->model, &inputs) != OK ||
        OV->model_outputs_size(engine->model, &outputs) != OK || inputs != om->n_inputs ||
        outputs != om->n_outputs)
        return aispipe_fail(error, AISPIPE_MODEL,
                            "the model has %zu inputs and %zu outputs, the settings %zu and %zu", inputs,
                            outputs, om->n_inputs, om->n_outputs);
    status = OV->core_compile_model(library.core, engine->model, "CPU", 0, &engine->compiled);
    if (status == OK)
        status = OV->compiled_model_create_infer_request(engine->compiled, &engine->request);
    return status == OK ? 0 : failed(error, AISPIPE_MODEL, "the model cannot be compiled", status);
}

int engine_open(const struct om_file *om, struct engine **engine, struct aispipe_error *error)
{
    *engine = calloc(1, sizeof **engine);
    if (!*engine)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a model");
    (*engine)->om = om;
    (void)pthread_mutex_lock(&library.lock);
    int rc = start(error);
    if (!rc)
        rc = build(*engine, error);
    (void)pthread_mutex_unlock(&library.lock);
    if (rc) {
        engine_close(*engine);
        *engine = NULL;
    }
    return rc;
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    if (engine->request)
        OV->infer_request_free(engine->request);
    if (engine->compiled)
        OV->compiled_model_free(engine->compiled);
    if (engine->model)
        OV->model_free(engine->model);
    free(engine);
}

/* ---------------------------------------------------------------- shapes */

static bool has_dynamic_dims(const struct om_input *input)
{
    for (int i = 0; i < input->rank; i++)
        if (input->dims[i] < 0)
            return true;
    return false;
}

/** Gives the model's inputs these dims, so that the library says what its outputs become. */
static ov_status_e reshape(struct engine *engine, const struct engine_tensor *inputs)
{
    ov_partial_shape_t shapes[OM_MAX_TENSORS];
    size_t indexes[OM_MAX_TENSORS];
    size_t n = 0;
    ov_status_e status = OK;
    for (size_t i = 0; i < engine->om->n_inputs && status == OK; i++) {
        if (!has_dynamic_dims(&engine->om->inputs[i]))
            continue;
        indexes[n] = i;
        status = MORE->partial_shape_create_static(inputs[i].rank, inputs[i].dims, &shapes[n]);
        n += status == OK;
    }
    if (status == OK && n)
        status = MORE->model_reshape_by_port_indexes(engine->model, indexes, shapes, n);
    for (size_t i = 0; i < n; i++)
        OV->partial_shape_free(&shapes[i]);
    return status;
}

/** Whether these are the model's own dims, with what is unknown left unknown. */
static bool unchanged(const struct engine *engine, const struct engine_tensor *inputs)
{
    for (size_t i = 0; i < engine->om->n_inputs; i++)
        for (int k = 0; k < inputs[i].rank; k++)
            if (inputs[i].dims[k] != engine->om->inputs[i].dims[k])
                return false;
    return true;
}

int engine_infer_output(struct engine *engine, const struct engine_tensor *inputs, size_t index,
                        struct engine_tensor *output, struct aispipe_error *error)
{
    ov_output_const_port_t *port = NULL;
    ov_element_type_e type = DYNAMIC;
    ov_partial_shape_t shape;
    bool own = unchanged(engine, inputs);
    ov_status_e status = own ? OK : reshape(engine, inputs);
    if (status == OK)
        status = OV->model_const_output_by_index(engine->model, index, &port);
    if (status == OK)
        status = OV->port_get_element_type(port, &type);
    bool shaped = status == OK && (status = OV->port_get_partial_shape(port, &shape)) == OK;
    int rc = shaped ? 0 : failed(error, AISPIPE_MODEL, "an output has no shape", status);
    bool ranked = shaped && shape.rank.min == shape.rank.max && shape.rank.max <= OM_MAX_RANK;
    if (shaped && !ranked)
        rc = aispipe_fail(error, AISPIPE_MODEL, "output %zu has an unknown number of dimensions, or over %d",
                          index, OM_MAX_RANK);
    *output = (struct engine_tensor){.dtype = from_ov(type), .rank = ranked ? (int)shape.rank.max : 0};
    for (int i = 0; i < output->rank; i++)
        output->dims[i] = shape.dims[i].min == shape.dims[i].max ? shape.dims[i].max : -1;
    if (shaped)
        OV->partial_shape_free(&shape);
    if (port)
        OV->output_const_port_free(port);
    return rc;
}

/* ---------------------------------------------------------------- running */

int engine_run(struct engine *engine, const struct engine_tensor *inputs, struct aispipe_error *error)
{
    for (size_t i = 0; i < engine->om->n_inputs; i++) {
        ov_tensor_t *tensor = NULL;
        ov_shape_t shape = {.rank = inputs[i].rank, .dims = (int64_t *)inputs[i].dims};
        ov_status_e status =
            OV->tensor_create_from_host_ptr(to_ov(inputs[i].dtype), shape, inputs[i].data, &tensor);
        if (status == OK)
            status = OV->infer_request_set_input_tensor_by_index(engine->request, i, tensor);
        if (tensor)
            OV->tensor_free(tensor);
        if (status != OK)
            return failed(error, AISPIPE_DEVICE, "an input is not accepted", status);
    }
    ov_status_e status = OV->infer_request_infer(engine->request);
    return status == OK ? 0 : failed(error, AISPIPE_DEVICE, "the execution failed", status);
}

int engine_result(struct engine *engine, size_t index, struct engine_tensor *output,
                  struct aispipe_error *error)
{
    ov_tensor_t *tensor = NULL;
    ov_shape_t shape = {.rank = 0};
    ov_element_type_e type = DYNAMIC;
    *output = (struct engine_tensor){.rank = 0};
    ov_status_e status = MORE->infer_request_get_output_tensor_by_index(engine->request, index, &tensor);
    if (status == OK)
        status = MORE->tensor_get_element_type(tensor, &type);
    if (status == OK)
        status = OV->tensor_get_byte_size(tensor, &output->bytes);
    if (status == OK && output->bytes)
        status = MORE->tensor_data(tensor, &output->data);
    /* The C interface has no shape for a scalar: one element without a shape is one. */
    bool shaped = status == OK && (status = MORE->tensor_get_shape(tensor, &shape)) == OK;
    bool scalar = !shaped && output->data && output->bytes == aispipe_dtype_size(from_ov(type));
    int rc = shaped || scalar ? 0 : failed(error, AISPIPE_DEVICE, "a result cannot be had", status);
    output->dtype = from_ov(type);
    output->rank = shaped && shape.rank <= OM_MAX_RANK ? (int)shape.rank : 0;
    for (int i = 0; i < output->rank; i++)
        output->dims[i] = shape.dims[i];
    if (shaped)
        (void)MORE->shape_free(&shape);
    if (tensor)
        OV->tensor_free(tensor);
    return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * The OpenVINO backend. Device memory is host memory: the engine reads and writes the buffers of the batch
 * slots, so there is no h2d and no d2h. A lane executes in the stage's own thread (openvino_lane.c); the
 * tensors of a slot are made once.
 */
#include "log.h"
#include "openvino_lane.h"
#include "shape.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- the device */

static void openvino_close(void *opened)
{
    struct openvino_device *device = opened;
    if (device->core)
        device->ov.core_free(device->core);
    for (size_t i = 0; i < device->n_options; i++)
        free(device->options[i].key);
    free(device->options);
    free(device->name);
    free(device);
}

const char *openvino_option(const struct openvino_device *device, const char *key)
{
    for (size_t i = device->n_options; i-- > 0;)
        if (strcmp(device->options[i].key, key) == 0)
            return device->options[i].value;
    return NULL;
}

static int copy_options(struct openvino_device *device, const struct aispipe_backend_config *config,
                        struct aispipe_error *error)
{
    /* Room is left for what the backend sets itself. */
    if (config->n_engine_options > OPENVINO_MAX_OPTIONS - 8)
        return aispipe_fail(error, AISPIPE_INVALID, "%zu engine options were given; at most %d are possible",
                            config->n_engine_options, OPENVINO_MAX_OPTIONS - 8);
    device->options = calloc(config->n_engine_options + 1, sizeof *device->options);
    for (size_t i = 0; device->options && i < config->n_engine_options; i++) {
        const char *text = config->engine_options[i];
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return aispipe_fail(error, AISPIPE_INVALID, "engine option '%s' is not of the form KEY=VALUE",
                                text);
        char *copy = strdup(text);
        if (!copy)
            return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for engine options");
        copy[equals - text] = '\0';
        device->options[device->n_options++] =
            (struct openvino_option){.key = copy, .value = copy + (equals - text) + 1};
    }
    if (device->profile && openvino_option(device, "PERF_COUNT") &&
        strcmp(openvino_option(device, "PERF_COUNT"), "YES") != 0)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "engine option 'PERF_COUNT=%s' takes away what the times of layers are read from; leave "
            "it out",
            openvino_option(device, "PERF_COUNT"));
    return device->options ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for engine options");
}

/* "GPU" with device 1 is OpenVINO's "GPU.1". There is one CPU: an id changes nothing about it. */
static int name_device(struct openvino_device *device, const struct aispipe_backend_config *config,
                       struct aispipe_error *error)
{
    const char *name = config->engine_device && *config->engine_device ? config->engine_device : "CPU";
    bool numbered = strcmp(name, "GPU") == 0 || strcmp(name, "NPU") == 0;
    int length = 0;
    if (numbered && config->device_id > 0)
        length = asprintf(&device->name, "%s.%d", name, config->device_id);
    else
        device->name = strdup(name);
    if (length < 0)
        device->name = NULL;
    device->is_cpu = strcmp(name, "CPU") == 0;
    return device->name ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a device's name");
}

/*
 * Lists the devices that the machine has. Returns whether ours is one of them: there are plugins that load
 * without their hardware and fail only when they compile. "GPU" stands for "GPU.0" and its like.
 */
static bool list_devices(const struct openvino_device *device, char *text, size_t capacity)
{
    ov_available_devices_t devices = {0};
    size_t used = 0;
    size_t length = strlen(device->name);
    bool found = false;
    (void)snprintf(text, capacity, "none");
    if (device->ov.core_get_available_devices(device->core, &devices) != OK)
        return false;
    for (size_t i = 0; i < devices.size && used < capacity; i++) {
        const char *name = devices.devices[i];
        used += (size_t)snprintf(text + used, capacity - used, "%s%s", i ? ", " : "", name);
        found |= strncmp(name, device->name, length) == 0 && (name[length] == '\0' || name[length] == '.');
        /* A single GPU is listed without the number that it may be asked for by. */
        found |=
            strncmp(name, device->name, strlen(name)) == 0 && strcmp(device->name + strlen(name), ".0") == 0;
    }
    device->ov.available_devices_free(&devices);
    return found;
}

/* Devices that only hand on to others: "AUTO", "HETERO:GPU,CPU". */
static bool is_virtual(const char *name)
{
    static const char *const names[] = {"AUTO", "MULTI", "HETERO", "BATCH"};
    size_t length = strcspn(name, ":");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == length && strncmp(name, names[i], length) == 0)
            return true;
    return false;
}

/* Whether `word` is in a list whose separators are anything but capitals, digits and underscores. */
static bool lists(const char *text, const char *word)
{
    static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t length = strlen(word);
    for (const char *at = text; *at;) {
        size_t span = strspn(at, name);
        if (span == length && strncmp(at, word, length) == 0)
            return true;
        at += span ? span : 1;
    }
    return false;
}

static int no_device(const struct openvino_device *device, const char *reason, struct aispipe_error *error)
{
    char devices[256];
    (void)list_devices(device, devices, sizeof devices);
    return aispipe_fail(error, AISPIPE_DEVICE, "engine device '%s' cannot be used: %s; available: %s",
                        device->name, reason, devices);
}

/* Asks the device for the properties it knows: that tells whether it exists, too. */
static int probe_device(struct openvino_device *device, struct aispipe_error *error)
{
    bool forwards = is_virtual(device->name);
    char *properties = NULL;
    char text[OPENVINO_REASON];
    /* "HETERO:GPU,CPU" can be asked as "HETERO" only. */
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(device->name, ":"), device->name);
    ov_status_e status =
        device->ov.core_get_property(device->core, text, "SUPPORTED_PROPERTIES", &properties);
    if (status != OK)
        return no_device(device, openvino_reason(&device->ov, status, text), error);
    device->takes_precision_hint = forwards || lists(properties, "INFERENCE_PRECISION_HINT");
    device->ov.free(properties);
    if (!forwards && !device->is_cpu && !list_devices(device, text, sizeof text))
        return no_device(device, "this machine has none", error);
    return 0;
}

static int create_core(struct openvino_device *device, struct aispipe_error *error)
{
    ov_status_e status = device->ov.core_create(&device->core);
    char reason[OPENVINO_REASON];
    if (status == OK)
        return 0;
    device->core = NULL;
    return aispipe_fail(error, AISPIPE_DEVICE, "OpenVINO (%s) cannot be started: %s", device->ov.path,
                        openvino_reason(&device->ov, status, reason));
}

static int openvino_open(const struct aispipe_backend_config *config, void **result,
                         struct aispipe_error *error)
{
    *result = NULL;
    struct openvino_device *device = calloc(1, sizeof *device);
    if (!device)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a device");
    device->log = config->log;
    device->profile = config->profile;
    device->dump = config->dump;
    device->lanes = config->compute_threads ? config->compute_threads : 1;
    int rc = copy_options(device, config, error);
    if (!rc)
        rc = name_device(device, config, error);
    if (!rc)
        rc = openvino_library_open(&device->ov, error);
    if (!rc)
        rc = create_core(device, error);
    if (!rc)
        rc = probe_device(device, error);
    if (rc) {
        openvino_close(device);
        return rc;
    }
    log_line(&device->log, AISPIPE_LOG_DEBUG, "OpenVINO library %s, device %s", device->ov.path,
             device->name);
    *result = device;
    return 0;
}

/* ---------------------------------------------------------------- slots */

static const struct aispipe_model_desc *openvino_describe(const void *model)
{
    return &((const struct openvino_model *)model)->desc;
}

static void openvino_io_destroy(void *loaded, struct aispipe_io *io)
{
    struct openvino_model *model = loaded;
    struct openvino_io *own = io->device;
    for (size_t i = 0; own && i < model->desc.n_inputs + model->desc.n_outputs; i++)
        if (own->tensors[i])
            model->device->ov.tensor_free(own->tensors[i]);
    if (own)
        free(own->actual);
    free(own);
    io->device = NULL;
}

static ov_status_e wrap(const struct openvino_model *model, size_t i, void *memory, ov_tensor_t **tensor)
{
    struct aispipe_tensor_desc *desc = &model->tensors[i];
    ov_shape_t shape = {.rank = desc->rank, .dims = desc->dims};
    return model->device->ov.tensor_create_from_host_ptr(model->types[i], shape, memory, tensor);
}

static int openvino_io_create(void *loaded, struct aispipe_io *io, struct aispipe_error *error)
{
    struct openvino_model *model = loaded;
    size_t inputs = model->desc.n_inputs;
    size_t n = inputs + model->desc.n_outputs;
    struct openvino_io *own = calloc(1, offsetof(struct openvino_io, tensors[n]) + n * sizeof(uint64_t));
    if (!own)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the tensors of a batch slot");
    own->changed = (uint64_t *)(own->tensors + n);
    own->serial = ++model->ios;
    io->device = own;
    if (model->open_outputs)
        own->actual = calloc(model->desc.n_outputs, sizeof *own->actual);
    if (model->open_outputs && !own->actual) {
        openvino_io_destroy(model, io);
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the tensors of a batch slot");
    }
    for (size_t i = 0; i < n; i++) {
        if (shape_is_open(&model->tensors[i]))
            continue;
        void *memory = i < inputs ? io->inputs[i] : io->outputs[i - inputs];
        ov_status_e status = wrap(model, i, memory, &own->tensors[i]);
        if (status != OK) {
            char reason[OPENVINO_REASON];
            openvino_reason(&model->device->ov, status, reason);
            own->tensors[i] = NULL;
            openvino_io_destroy(model, io);
            return aispipe_fail(error, AISPIPE_DEVICE, "no tensor for '%s': %s", model->tensors[i].name,
                                reason);
        }
    }
    return 0;
}

static int openvino_io_bind(void *loaded, struct aispipe_io *io, bool output, size_t index, void *memory,
                            struct aispipe_error *error)
{
    struct openvino_model *model = loaded;
    struct openvino_io *own = io->device;
    size_t at = output ? model->desc.n_inputs + index : index;
    ov_tensor_t *tensor = NULL;
    if (!own->tensors[at])
        return 0; /* its shape comes with the execution, which looks into io->inputs and io->outputs */
    ov_status_e status = wrap(model, at, memory, &tensor);
    char reason[OPENVINO_REASON];
    if (status != OK)
        return aispipe_fail(error, AISPIPE_DEVICE, "no tensor for '%s': %s", model->tensors[at].name,
                            openvino_reason(&model->device->ov, status, reason));
    model->device->ov.tensor_free(own->tensors[at]); /* a request that still has it holds it */
    own->tensors[at] = tensor;
    own->changed[at] = ++own->changes;
    return 0;
}

/* ---------------------------------------------------------------- execution */

static void hand_through(const struct openvino_model *model, const struct aispipe_io *io)
{
    for (size_t i = 0; i < model->desc.n_outputs; i++)
        if (model->handed_through[i] >= 0)
            memcpy(io->outputs[i], io->inputs[model->handed_through[i]], model->desc.outputs[i].size);
}

/* Index of the first value that is not a 32-bit integer; `n` when all are. */
static size_t first_too_large(enum aispipe_dtype dtype, const void *values, size_t n)
{
    size_t i = 0;
    if (dtype == AISPIPE_INT64)
        while (i < n && ((const int64_t *)values)[i] == (int32_t)((const int64_t *)values)[i])
            i++;
    else if (dtype == AISPIPE_UINT64)
        while (i < n && ((const uint64_t *)values)[i] <= INT32_MAX)
            i++;
    else if (dtype == AISPIPE_UINT32)
        while (i < n && ((const uint32_t *)values)[i] <= INT32_MAX)
            i++;
    else
        return n;
    return i;
}

/* OpenVINO's CPU device computes 64-bit and unsigned 32-bit integers as int32. Larger values would come out
 * as others without a word: better no result than a wrong one. */
static int check_narrowed(const struct openvino_model *model, const struct aispipe_io *io,
                          struct aispipe_error *error)
{
    for (size_t i = 0; i < model->desc.n_inputs; i++) {
        const struct aispipe_tensor_desc *input = &model->desc.inputs[i];
        size_t bytes = io->shaped ? io->shaped[i].size : input->size;
        size_t n = bytes / aispipe_dtype_size(input->dtype);
        size_t at = first_too_large(input->dtype, io->inputs[i], n);
        if (at == n)
            continue;
        return aispipe_fail(
            error, AISPIPE_UNSUPPORTED,
            "element %zu of input '%s' (%s) does not fit 32 bits, with which OpenVINO's CPU device "
            "computes; export the model with an int32 or floating-point input",
            at, input->name, aispipe_dtype_name(input->dtype));
    }
    return 0;
}

static int openvino_compute(void *created, struct aispipe_io *io, struct aispipe_error *error)
{
    struct openvino_lane *lane = created;
    const struct openvino_library *ov = &lane->model->device->ov;
    int rc = lane->model->narrows ? check_narrowed(lane->model, io, error) : 0;
    ov_infer_request_t *request = NULL;
    if (!rc)
        rc = openvino_bind(lane, io, &request, error);
    if (!rc && io->shaped)
        rc = openvino_set_shaped(lane->model, request, io, error);
    if (rc)
        return rc;
    if (lane->model->device->profile)
        rc = openvino_count(ov, request, io->warmup, &lane->counter, error);
    if (rc)
        return rc;
    ov_status_e status = ov->infer_request_infer(request);
    char reason[OPENVINO_REASON];
    if (status != OK)
        return aispipe_fail(error, AISPIPE_DEVICE, "the engine failed: %s",
                            openvino_reason(ov, status, reason));
    hand_through(lane->model, io);
    struct openvino_io *own = io->device;
    if (!own->actual)
        return 0;
    rc = openvino_take_outputs(lane->model, request, io->outputs, own->actual, error);
    io->actual = own->actual;
    return rc;
}

/* ---------------------------------------------------------------- questions */

/* The number of AscendCL's "any": the engine keeps no layouts. */
#define FORMAT_ND 2

static const struct aispipe_tensor_desc *declared(const struct openvino_model *model, bool output,
                                                  size_t index)
{
    const struct aispipe_tensor_desc *tensors = model->declared ? model->declared : model->tensors;
    return &tensors[output ? model->desc.n_inputs + index : index];
}

static void openvino_tensor_info(const void *loaded, bool output, size_t index,
                                 struct aispipe_tensor_info *info)
{
    const struct aispipe_tensor_desc *tensor = declared(loaded, output, index);
    *info = (struct aispipe_tensor_info){
        .name = tensor->name, .dtype = tensor->dtype, .format = FORMAT_ND, .rank = tensor->rank};
    memcpy(info->dims, tensor->dims, sizeof info->dims);
    info->size = tensor->size;
}

static void openvino_model_info(const void *loaded, struct aispipe_model_info *info)
{
    const struct openvino_model *model = loaded;
    *info = (struct aispipe_model_info){.mode = AISPIPE_SHAPE_STATIC};
    for (size_t i = 0; i < model->desc.n_inputs; i++)
        if (shape_is_open(declared(model, false, i)))
            info->mode = AISPIPE_SHAPE_SHAPE;
}

static int openvino_save_profile(void *loaded, const char *directory, struct aispipe_error *error)
{
    const struct openvino_model *model = loaded;
    return openvino_profile_write(&model->profile, model->path, model->device->name, directory, error);
}

static const char *const suffixes[] = {".onnx", ".xml", ".tflite", ".pb", ".pdmodel", NULL};

const struct aispipe_backend backend_openvino = {
    .name = "openvino",
    .description = "CPU, and what else OpenVINO drives: ONNX, OpenVINO IR, TensorFlow, TFLite, Paddle",
    .model_suffixes = suffixes,
    .caps = AISPIPE_CAP_HOST_MEMORY,
    .list = openvino_list,
    .open = openvino_open,
    .close = openvino_close,
    .load = openvino_load,
    .unload = openvino_unload,
    .describe = openvino_describe,
    .set_shape = openvino_set_shape,
    .io_create = openvino_io_create,
    .io_destroy = openvino_io_destroy,
    .io_bind = openvino_io_bind,
    .tensor_info = openvino_tensor_info,
    .model_info = openvino_model_info,
    .lane_create = openvino_lane_create,
    .lane_destroy = openvino_lane_destroy,
    .compute = openvino_compute,
    .save_profile = openvino_save_profile,
    .dump = openvino_dump,
};

/* SPDX-License-Identifier: MIT */
/* Compiles a model for the lanes that will run it: how often, for how many threads, with which properties. */
#include "clock.h"
#include "cores.h"
#include "log.h"
#include "openvino_internal.h"
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * A model file up to this size is compiled once per lane, a larger one once for all of them.
 * docs/decisions/0003-openvino-streams.md has the measurements, also for the two below.
 */
#define OWN_MODEL_MAX_BYTES ((uint64_t)64 << 20)
/* An execution below this many ns stays on one thread. */
#define QUICK_NS ((uint64_t)200000)
/* Larger models (and inputs) are not even tried: reading them once from memory takes longer than that. */
#define SINGLE_TRIAL_MAX_BYTES ((uint64_t)4 << 20)

/* Properties of one compilation, as the variadic call wants them: key, value, key, value. */
struct properties {
    const char *pair[2 * OPENVINO_MAX_OPTIONS];
    size_t n;
};

static void set(struct properties *properties, const char *key, const char *value)
{
    if (properties->n + 2 > sizeof properties->pair / sizeof(const char *))
        return;
    properties->pair[properties->n++] = key;
    properties->pair[properties->n++] = value;
}

/* A default of ours: the user's word goes first. */
static void set_default(const struct openvino_device *device, struct properties *properties, const char *key,
                        const char *value)
{
    if (!openvino_option(device, key))
        set(properties, key, value);
}

/* The C API takes the properties as variadic arguments; it reads `n` of them, so a fixed call passes any
 * number. */
static ov_status_e compile_for(const struct openvino_device *d, const ov_model_t *read,
                               const struct properties *p, ov_compiled_model_t **compiled)
{
    const char *const *a = p->pair;
#define EIGHT(i) a[i], a[(i) + 1], a[(i) + 2], a[(i) + 3], a[(i) + 4], a[(i) + 5], a[(i) + 6], a[(i) + 7]
    return d->ov.core_compile_model(d->core, read, d->name, p->n, compiled, EIGHT(0), EIGHT(8), EIGHT(16),
                                    EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56));
#undef EIGHT
}

static ov_status_e compile(const struct openvino_model *model, const struct properties *p,
                           ov_compiled_model_t **compiled)
{
    return compile_for(model->device, model->read, p, compiled);
}

/* Bytes of the model's file and, for OpenVINO's own format, of the weights beside it. */
static uint64_t model_bytes(const char *path)
{
    struct stat status;
    uint64_t bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
    size_t length = strlen(path);
    char *weights = length > 4 && strcasecmp(path + length - 4, ".xml") == 0 ? strdup(path) : NULL;
    if (weights) {
        memcpy(weights + length - 4, ".bin", 4);
        if (stat(weights, &status) == 0)
            bytes += (uint64_t)status.st_size;
        free(weights);
    }
    return bytes;
}

/* How the lanes share the engine: what is set, and how many times the model is compiled. */
struct arrangement {
    unsigned compiled;
    bool try_single; /* worth finding out whether one thread is enough for an execution */
    char streams[16];
    char threads[16];
    struct properties properties;
};

static void arrange_cpu(const struct openvino_device *device, uint64_t bytes, struct arrangement *how)
{
    if (openvino_option(device, "NUM_STREAMS") || openvino_option(device, "PERFORMANCE_HINT"))
        return;
    unsigned lanes = device->lanes;
    unsigned cores = cores_available();
    unsigned share = cores / lanes > 1 ? cores / lanes : 1;
    bool own = !openvino_option(device, "INFERENCE_NUM_THREADS") && bytes <= OWN_MODEL_MAX_BYTES;
    how->compiled = own ? lanes : 1;
    how->try_single = own && share > 1 && bytes <= SINGLE_TRIAL_MAX_BYTES;
    (void)snprintf(how->streams, sizeof how->streams, "%u", own ? 1 : lanes);
    (void)snprintf(how->threads, sizeof how->threads, "%u", own ? share : share * lanes);
    set(&how->properties, "NUM_STREAMS", how->streams);
    set_default(device, &how->properties, "INFERENCE_NUM_THREADS", how->threads);
    /* Models of one stream each would all pin themselves to the same first cores. */
    if (own)
        set_default(device, &how->properties, "ENABLE_CPU_PINNING", "NO");
}

static void arrange(const struct openvino_device *device, const char *path, struct arrangement *how)
{
    *how = (struct arrangement){.compiled = 1};
    for (size_t i = 0; i < device->n_options; i++)
        set(&how->properties, device->options[i].key, device->options[i].value);
    if (device->takes_precision_hint && !openvino_option(device, "EXECUTION_MODE_HINT"))
        set_default(device, &how->properties, "INFERENCE_PRECISION_HINT", "f32");
    if (device->profile)
        set_default(device, &how->properties, "PERF_COUNT", "YES");
    if (device->is_cpu)
        arrange_cpu(device, model_bytes(path), how);
}

/* The engine names no culprit among the properties of a compilation: each is tried alone. */
static int compile_error(const struct openvino_model *model, const char *path, ov_status_e status,
                         struct aispipe_error *error)
{
    const struct openvino_device *device = model->device;
    char why[OPENVINO_REASON];
    char reason[OPENVINO_REASON];
    openvino_reason(&device->ov, status, why);
    for (size_t i = 0; i < device->n_options; i++) {
        const struct openvino_option *option = &device->options[i];
        status = strchr(device->name, ':')
                     ? (strstr(why, option->key) ? GENERAL_ERROR : OK)
                     : device->ov.core_set_property(device->core, device->name, option->key, option->value);
        if (status != OK)
            return aispipe_fail(error, AISPIPE_INVALID, "engine option '%s=%s' was refused by device %s: %s",
                                option->key, option->value, device->name,
                                strchr(device->name, ':') ? why
                                                          : openvino_reason(&device->ov, status, reason));
    }
    return aispipe_fail(error, AISPIPE_MODEL, "model '%s' cannot be compiled for device %s: %s", path,
                        device->name, why);
}

/* OpenVINO's CPU device has neither 64-bit arithmetic nor unsigned 32-bit, and says nothing about it. */
static void mind_types(struct openvino_model *model)
{
    const struct aispipe_model_desc *desc = &model->desc;
    const struct aispipe_log *log = &model->device->log;
    for (size_t i = 0; model->device->is_cpu && i < desc->n_inputs + desc->n_outputs; i++) {
        const struct aispipe_tensor_desc *tensor = &model->tensors[i];
        if (tensor->dtype == AISPIPE_FLOAT64)
            log_line(log, AISPIPE_LOG_WARNING, "'%s' is float64: the engine computes it as float32",
                     tensor->name);
        if (i < desc->n_inputs && (tensor->dtype == AISPIPE_INT64 || tensor->dtype == AISPIPE_UINT64 ||
                                   tensor->dtype == AISPIPE_UINT32))
            model->narrows = true;
    }
}

/* Runs the model on zeros, up to four times. Returns the shortest time in ns, UINT64_MAX on failure. */
static uint64_t time_request(const struct openvino_library *ov, ov_infer_request_t *request, uint64_t *runs)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        uint64_t start = clock_ns();
        if (ov->infer_request_infer(request) != OK)
            return UINT64_MAX;
        ++*runs;
        uint64_t took = clock_ns() - start;
        best = took < best ? took : best;
        if (took > 20 * QUICK_NS)
            break;
    }
    return best;
}

/* Whether one execution is so short that handing parts of it to other threads costs more than it saves. */
static bool is_quick(struct openvino_model *model, const ov_compiled_model_t *compiled)
{
    const struct openvino_library *ov = &model->device->ov;
    size_t n = model->desc.n_inputs;
    ov_infer_request_t *request = NULL;
    void **zeros = calloc(n + 1, sizeof *zeros);
    bool ready = zeros && ov->compiled_model_create_infer_request(compiled, &request) == OK;
    for (size_t i = 0; ready && i < n; i++) {
        struct aispipe_tensor_desc desc = model->trial ? model->trial[i] : model->tensors[i];
        desc.dtype = model->tensors[i].dtype;
        ov_shape_t shape = {.rank = desc.rank, .dims = desc.dims};
        ov_tensor_t *tensor = NULL;
        bool small = shape_set_size(&desc) && desc.size <= SINGLE_TRIAL_MAX_BYTES;
        zeros[i] = small ? calloc(1, desc.size + 64) : NULL;
        ready = zeros[i] && ov->tensor_create_from_host_ptr(model->types[i], shape, zeros[i], &tensor) == OK;
        ready = ready && ov->infer_request_set_input_tensor_by_index(request, i, tensor) == OK;
        if (tensor)
            ov->tensor_free(tensor);
    }
    bool quick = ready && time_request(ov, request, &model->trials) < QUICK_NS;
    if (request)
        ov->infer_request_free(request);
    for (size_t i = 0; zeros && i < n; i++)
        free(zeros[i]);
    free(zeros);
    return quick;
}

/* Compiles with one thread, and keeps that when it is quick: the rest of the lanes then do the same. */
static void try_single(struct openvino_model *model, struct arrangement *how)
{
    char threads[sizeof how->threads];
    memcpy(threads, how->threads, sizeof threads);
    (void)snprintf(how->threads, sizeof how->threads, "1");
    ov_compiled_model_t *compiled = NULL;
    if (compile(model, &how->properties, &compiled) == OK && is_quick(model, compiled)) {
        model->compiled[model->n_compiled++] = compiled;
        return;
    }
    if (compiled)
        model->device->ov.compiled_model_free(compiled);
    model->trials = 0;
    memcpy(how->threads, threads, sizeof threads);
}

void openvino_release_compiled(struct openvino_model *model)
{
    for (unsigned i = 0; i < model->n_compiled; i++)
        model->device->ov.compiled_model_free(model->compiled[i]);
    free(model->compiled);
    model->compiled = NULL;
    model->n_compiled = 0;
}

int openvino_compile(struct openvino_model *model, const char *path, struct aispipe_error *error)
{
    const struct openvino_device *device = model->device;
    struct arrangement how;
    arrange(device, path, &how);
    model->compiled = calloc(how.compiled, sizeof(ov_compiled_model_t *));
    if (!model->compiled)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to compile model '%s'", path);
    if (how.try_single)
        try_single(model, &how);
    while (model->n_compiled < how.compiled) {
        ov_status_e status = compile(model, &how.properties, &model->compiled[model->n_compiled]);
        if (status != OK && how.properties.n > 2 * device->n_options) {
            /* The user's properties come first; ours are only wishes. */
            how.properties.n = 2 * device->n_options;
            status = compile(model, &how.properties, &model->compiled[model->n_compiled]);
        }
        if (status != OK)
            return compile_error(model, path, status, error);
        model->n_compiled++;
    }
    model->own_counters = device->is_cpu && device->lanes <= how.compiled &&
                          !openvino_option(device, "NUM_STREAMS") &&
                          !openvino_option(device, "PERFORMANCE_HINT");
    mind_types(model);
    for (size_t i = 0; i < how.properties.n; i += 2)
        log_line(&device->log, AISPIPE_LOG_DEBUG, "engine property %s=%s", how.properties.pair[i],
                 how.properties.pair[i + 1]);
    log_line(&device->log, AISPIPE_LOG_DEBUG, "model compiled %u times for %u compute threads", how.compiled,
             device->lanes);
    return 0;
}

ov_status_e openvino_compile_once(const struct openvino_device *device, const ov_model_t *read,
                                  ov_compiled_model_t **compiled)
{
    struct properties properties = {.n = 0};
    for (size_t i = 0; i < device->n_options; i++)
        set(&properties, device->options[i].key, device->options[i].value);
    if (device->takes_precision_hint && !openvino_option(device, "EXECUTION_MODE_HINT"))
        set_default(device, &properties, "INFERENCE_PRECISION_HINT", "f32");
    return compile_for(device, read, &properties, compiled);
}

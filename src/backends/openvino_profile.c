/* SPDX-License-Identifier: MIT */
#include "openvino_profile.h"

#include "json_writer.h"
#include "openvino_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct openvino_layer {
    char *name;
    char *type;   /* "Convolution" */
    char *kernel; /* the engine's choice: "jit_avx512_f32" */
    int status;
    double real_us; /* sums over executions */
    double cpu_us;
};

/* ---------------------------------------------------------------- collect */

static int ask(const struct openvino_library *ov, const ov_infer_request_t *request,
               ov_profiling_info_list_t *list, struct aispipe_error *error)
{
    char reason[OPENVINO_REASON];
    ov_status_e status = ov->infer_request_get_profiling_info(request, list);
    if (status == OK)
        return 0;
    *list = (ov_profiling_info_list_t){0};
    return aispipe_fail(error, AISPIPE_DEVICE, "the engine gives no times of layers: %s",
                        openvino_reason(ov, status, reason));
}

static void release(const struct openvino_library *ov, ov_profiling_info_list_t *list)
{
    if (list->profiling_infos)
        ov->profiling_info_list_free(list);
    *list = (ov_profiling_info_list_t){0};
}

int openvino_count(const struct openvino_library *ov, const ov_infer_request_t *request, bool warmup,
                   struct openvino_counter *counter, struct aispipe_error *error)
{
    bool begins = !warmup && !counter->began;
    uint64_t runs = counter->runs++;
    if (!begins)
        return 0;
    counter->began = true;
    counter->runs_before = runs;
    return runs ? ask(ov, request, &counter->before, error) : 0;
}

static bool is_layer(const struct openvino_layer *layer, const ov_profiling_info_t *info)
{
    return strcmp(layer->name, info->node_name) == 0 && strcmp(layer->type, info->node_type) == 0;
}

/* Threads run the same graph, so the layer is nearly always at the same place. */
static struct openvino_layer *find_layer(struct openvino_profile *profile, size_t at,
                                         const ov_profiling_info_t *info)
{
    if (at < profile->n && is_layer(&profile->layers[at], info))
        return &profile->layers[at];
    for (size_t i = 0; i < profile->n; i++)
        if (is_layer(&profile->layers[i], info))
            return &profile->layers[i];
    return NULL;
}

static struct openvino_layer *add_layer(struct openvino_profile *profile, const ov_profiling_info_t *info)
{
    struct openvino_layer *layers = reallocarray(profile->layers, profile->n + 1, sizeof *layers);
    if (!layers)
        return NULL;
    profile->layers = layers;
    struct openvino_layer *layer = &layers[profile->n];
    *layer = (struct openvino_layer){.name = strdup(info->node_name),
                                     .type = strdup(info->node_type),
                                     .kernel = strdup(info->exec_type),
                                     .status = (int)info->status};
    profile->n++;
    return layer->name && layer->type && layer->kernel ? layer : NULL;
}

static const ov_profiling_info_t *same_in(const ov_profiling_info_list_t *list, size_t at,
                                          const ov_profiling_info_t *info)
{
    if (at >= list->size || strcmp(list->profiling_infos[at].node_name, info->node_name) != 0)
        return NULL;
    return &list->profiling_infos[at];
}

/* From two running means to the sum of what lies between them. Means are whole microseconds: the difference
 * of two that are rounded may be below nothing. */
static double between(int64_t after, uint64_t runs, int64_t before, uint64_t runs_before)
{
    double sum = (double)after * (double)runs - (double)before * (double)runs_before;
    return sum > 0 ? sum : 0;
}

static int add_all(struct openvino_profile *profile, const ov_profiling_info_list_t *after,
                   const struct openvino_counter *counter, bool exact)
{
    for (size_t i = 0; i < after->size; i++) {
        const ov_profiling_info_t *info = &after->profiling_infos[i];
        const ov_profiling_info_t *before = exact ? same_in(&counter->before, i, info) : NULL;
        struct openvino_layer *layer = find_layer(profile, i, info);
        if (!layer)
            layer = add_layer(profile, info);
        if (!layer)
            return aispipe_fail(&profile->error, AISPIPE_NO_MEMORY, "no memory for the times of layers");
        uint64_t runs_before = before ? counter->runs_before : 0;
        uint64_t runs = before ? counter->runs : counter->runs - counter->runs_before;
        layer->real_us += between(info->real_time, runs, before ? before->real_time : 0, runs_before);
        layer->cpu_us += between(info->cpu_time, runs, before ? before->cpu_time : 0, runs_before);
        if (info->status == EXECUTED)
            layer->status = EXECUTED;
    }
    return 0;
}

void openvino_profile_add(struct openvino_profile *profile, const struct openvino_library *ov,
                          const ov_infer_request_t *request, struct openvino_counter *counter, bool exact)
{
    ov_profiling_info_list_t after = {0};
    bool ran = counter->began && counter->runs > counter->runs_before;
    if (ran && !profile->error.code && ask(ov, request, &after, &profile->error) == 0 &&
        add_all(profile, &after, counter, exact) == 0) {
        profile->executions += counter->runs - counter->runs_before;
        profile->threads++;
        profile->with_warmup |= counter->runs_before > 0 && !exact;
    }
    release(ov, &after);
    release(ov, &counter->before);
}

void openvino_profile_free(struct openvino_profile *profile)
{
    for (size_t i = 0; i < profile->n; i++) {
        free(profile->layers[i].name);
        free(profile->layers[i].type);
        free(profile->layers[i].kernel);
    }
    free(profile->layers);
    *profile = (struct openvino_profile){0};
}

/* ---------------------------------------------------------------- write */

/* What one of the two files is written from. */
struct profile_view {
    const struct openvino_profile *profile;
    const char *model;
    const char *device;
};

static const char *status_name(int status)
{
    return status == EXECUTED ? "executed" : status == OPTIMIZED_OUT ? "optimised out" : "not run";
}

static double mean_us(const struct profile_view *view, double sum)
{
    return view->profile->executions ? sum / (double)view->profile->executions : 0;
}

static double total_us(const struct openvino_profile *profile)
{
    double sum = 0;
    for (size_t i = 0; i < profile->n; i++)
        sum += profile->layers[i].real_us;
    return sum;
}

static void write_layer(struct json_writer *json, const struct profile_view *view,
                        const struct openvino_layer *layer, double total)
{
    json_open(json, '{');
    json_member_string(json, "name", layer->name);
    json_member_string(json, "type", layer->type);
    json_member_string(json, "kernel", layer->kernel);
    json_member_string(json, "status", status_name(layer->status));
    json_member_double(json, "mean_ms", mean_us(view, layer->real_us) / 1e3);
    json_member_double(json, "cpu_mean_ms", mean_us(view, layer->cpu_us) / 1e3);
    json_member_double(json, "share", total > 0 ? layer->real_us / total : 0);
    json_close(json, '}');
}

static void write_layers(struct json_writer *json, const struct profile_view *view)
{
    const struct openvino_profile *profile = view->profile;
    double total = total_us(profile);
    json_open(json, '{');
    json_member_string(json, "schema", "aispipe-profile-1");
    json_member_string(json, "model", view->model);
    json_member_string(json, "device", view->device);
    json_member_uint(json, "executions", profile->executions);
    json_member_uint(json, "compute_threads", profile->threads);
    json_member_string(json, "means_of",
                       profile->with_warmup ? "all executions and the warm-up" : "the timed executions");
    json_member_double(json, "layers_mean_ms", mean_us(view, total) / 1e3);
    json_member_open(json, "layers", '[');
    for (size_t i = 0; i < profile->n; i++)
        write_layer(json, view, &profile->layers[i], total);
    json_close(json, ']');
    json_close(json, '}');
}

static void write_name(struct json_writer *json, const char *what, const char *name)
{
    json_open(json, '{');
    json_member_string(json, "ph", "M");
    json_member_string(json, "name", what);
    json_member_uint(json, "pid", 1);
    json_member_uint(json, "tid", 1);
    json_member_open(json, "args", '{');
    json_member_string(json, "name", name);
    json_close(json, '}');
    json_close(json, '}');
}

static void write_event(struct json_writer *json, const struct profile_view *view,
                        const struct openvino_layer *layer, double start_us)
{
    json_open(json, '{');
    json_member_string(json, "ph", "X");
    json_member_string(json, "name", layer->name);
    json_member_string(json, "cat", layer->type);
    json_member_uint(json, "pid", 1);
    json_member_uint(json, "tid", 1);
    json_member_double(json, "ts", start_us);
    json_member_double(json, "dur", mean_us(view, layer->real_us));
    json_member_open(json, "args", '{');
    json_member_string(json, "type", layer->type);
    json_member_string(json, "kernel", layer->kernel);
    json_member_double(json, "cpu_us", mean_us(view, layer->cpu_us));
    json_close(json, '}');
    json_close(json, '}');
}

/* Chrome's trace format: the mean execution, its layers end to end. */
static void write_trace(struct json_writer *json, const struct profile_view *view)
{
    const struct openvino_profile *profile = view->profile;
    double at = 0;
    json_open(json, '{');
    json_member_string(json, "displayTimeUnit", "ms");
    json_member_open(json, "traceEvents", '[');
    write_name(json, "process_name", view->model);
    write_name(json, "thread_name", "mean execution");
    for (size_t i = 0; i < profile->n; i++) {
        const struct openvino_layer *layer = &profile->layers[i];
        if (layer->status != EXECUTED)
            continue;
        write_event(json, view, layer, at);
        at += mean_us(view, layer->real_us);
    }
    json_close(json, ']');
    json_close(json, '}');
}

static int write_file(const struct profile_view *view, const char *directory, const char *name,
                      void (*write)(struct json_writer *, const struct profile_view *),
                      struct aispipe_error *error)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return aispipe_fail(error, AISPIPE_INVALID, "the path of %s below '%.200s' is too long", name,
                            directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return aispipe_fail(error, AISPIPE_IO, "cannot create the profile '%s': %s", path, strerror(errno));
    struct json_writer json;
    json_begin(&json, fd);
    write(&json, view);
    int reason = json_end(&json);
    if (close(fd) && !reason)
        reason = errno;
    if (!reason)
        return 0;
    (void)unlink(path);
    return aispipe_fail(error, AISPIPE_IO, "cannot write the profile '%s': %s", path, strerror(reason));
}

int openvino_profile_write(const struct openvino_profile *profile, const char *model, const char *device,
                           const char *directory, struct aispipe_error *error)
{
    const struct profile_view view = {.profile = profile, .model = model, .device = device};
    if (profile->error.code)
        return aispipe_fail(error, profile->error.code, "%s", profile->error.message);
    int rc = write_file(&view, directory, "layers.json", write_layers, error);
    return rc ? rc : write_file(&view, directory, "trace.json", write_trace, error);
}

/* SPDX-License-Identifier: MIT */
/* Start and end, devices, contexts, and what can be asked about them. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/** The handle of this thread's current context. */
static __thread void *current;

struct sim_context *sim_current(void)
{
    return current ? sim_object_find(SIM_CONTEXT_OBJECT, current) : NULL;
}

/* ---------------------------------------------------------------- contexts */

static struct sim_context *context_make(int device)
{
    struct sim_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->device = device;
    context->handle = sim_object_add(SIM_CONTEXT_OBJECT, context);
    if (context->handle)
        return context;
    free(context);
    return NULL;
}

static void context_free(struct sim_context *context)
{
    sim_object_remove(context->handle);
    if (context->default_stream)
        sim_stream_end(context->default_stream);
    free(context);
}

static size_t streams_of(const struct sim_context *context)
{
    size_t n = 0;
    const struct sim_stream *stream;
    for (size_t i = 0; (stream = sim_object_nth(SIM_STREAM, i)); i++)
        n += stream->context == context;
    return n;
}

static int check_device(int32_t id)
{
    if (id >= 0 && (uint32_t)id < sim.settings.devices)
        return 0;
    return sim_refuse(ACL_ERROR_RT_INVALID_DEVICEID, "there is no device %d: this machine has %u", id,
                      sim.settings.devices);
}

aclError aclrtCreateContext(aclrtContext *context, int32_t deviceId)
{
    int code = sim_enter(CALL_aclrtCreateContext, SIM_INIT);
    if (code)
        return code;
    if (!context)
        return sim_leave(sim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the context is NULL"));
    *context = NULL;
    code = check_device(deviceId);
    if (code)
        return sim_leave(code);
    struct sim_context *made = context_make(deviceId);
    if (!made)
        return sim_leave(sim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a context"));
    *context = current = made->handle;
    return sim_leave(0);
}

aclError aclrtDestroyContext(aclrtContext context)
{
    int code = sim_enter(CALL_aclrtDestroyContext, SIM_INIT | SIM_RELEASE);
    if (code)
        return code;
    struct sim_context *c = sim_object_get(SIM_CONTEXT_OBJECT, context);
    if (!c)
        return sim_leave(ACL_ERROR_RT_PARAM_INVALID);
    if (c->is_default)
        return sim_leave(sim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                                    "context %p belongs to aclrtSetDevice: aclrtResetDevice ends it", context));
    if (streams_of(c) || c->models)
        return sim_leave(sim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                                    "context %p still has %zu streams and %u loaded models", context,
                                    streams_of(c), c->models));
    context_free(c);
    return sim_leave(0);
}

aclError aclrtSetCurrentContext(aclrtContext context)
{
    int code = sim_enter(CALL_aclrtSetCurrentContext, SIM_INIT);
    if (code)
        return code;
    if (!sim_object_get(SIM_CONTEXT_OBJECT, context))
        return sim_leave(ACL_ERROR_RT_PARAM_INVALID);
    current = context;
    return sim_leave(0);
}

aclError aclrtGetCurrentContext(aclrtContext *context)
{
    int code = sim_enter(CALL_aclrtGetCurrentContext, SIM_INIT);
    if (code)
        return code;
    if (!context)
        return sim_leave(sim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the context is NULL"));
    if (!sim_current())
        return sim_leave(sim_refuse(ACL_ERROR_RT_CONTEXT_NULL, "this thread has no current context"));
    *context = current;
    return sim_leave(0);
}

/* ---------------------------------------------------------------- devices */

aclError aclrtSetDevice(int32_t deviceId)
{
    int code = sim_enter(CALL_aclrtSetDevice, SIM_INIT);
    if (code)
        return code;
    code = check_device(deviceId);
    if (code)
        return sim_leave(code);
    struct sim_device *device = &sim.devices[deviceId];
    if (!device->context) {
        device->context = context_make(deviceId);
        if (!device->context)
            return sim_leave(sim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a context"));
        device->context->is_default = true;
    }
    device->set++;
    current = device->context->handle;
    return sim_leave(0);
}

/** What must be gone before a device is: "2 contexts", … Empty when nothing is left. */
static void remains(int32_t device, char text[128])
{
    size_t contexts = 0;
    size_t streams = 0;
    const struct sim_context *context;
    *text = '\0';
    for (size_t i = 0; (context = sim_object_nth(SIM_CONTEXT_OBJECT, i)); i++) {
        if (context->device != device)
            continue;
        contexts += !context->is_default;
        streams += streams_of(context);
    }
    if (contexts || streams || sim.devices[device].used)
        (void)snprintf(text, 128, "%zu contexts, %zu streams and %zu bytes of memory", contexts, streams,
                       sim.devices[device].used);
}

/** Streams that a default context still has would outlive it: they are ended with it. */
static void end_streams(const struct sim_context *context)
{
    for (size_t i = 0;;) {
        struct sim_stream *stream = sim_object_nth(SIM_STREAM, i);
        if (!stream)
            return;
        if (context && stream->context != context) {
            i++;
            continue;
        }
        sim_object_remove(stream->handle);
        sim_stream_end(stream);
    }
}

aclError aclrtResetDevice(int32_t deviceId)
{
    char left[128];
    int code = sim_enter(CALL_aclrtResetDevice, SIM_INIT | SIM_RELEASE);
    if (code)
        return code;
    code = check_device(deviceId);
    if (code)
        return sim_leave(code);
    struct sim_device *device = &sim.devices[deviceId];
    if (!device->set)
        return sim_leave(sim_misuse(ACL_ERROR_RT_INVALID_DEVICEID, "device %d is not set, or was reset before",
                                    deviceId));
    if (--device->set)
        return sim_leave(0);
    remains(deviceId, left);
    if (*left)
        code = sim_misuse(ACL_ERROR_RT_PARAM_INVALID, "device %d still has %s: release them first", deviceId,
                          left);
    end_streams(device->context);
    if (!device->context->models) {
        context_free(device->context);
        device->context = NULL;
    }
    return sim_leave(code);
}

aclError aclrtGetDeviceCount(uint32_t *count)
{
    int code = sim_enter(CALL_aclrtGetDeviceCount, SIM_INIT);
    if (code)
        return code;
    if (!count)
        return sim_leave(sim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the count is NULL"));
    *count = sim.settings.devices;
    return sim_leave(0);
}

aclError aclrtGetRunMode(aclrtRunMode *runMode)
{
    int code = sim_enter(CALL_aclrtGetRunMode, SIM_INIT);
    if (code)
        return code;
    if (!runMode)
        return sim_leave(sim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the mode is NULL"));
    *runMode = ACL_HOST;
    return sim_leave(0);
}

aclError aclrtSetDeviceSatMode(aclrtFloatOverflowMode mode)
{
    int code = sim_enter(CALL_aclrtSetDeviceSatMode, SIM_INIT);
    if (code)
        return code;
    if ((unsigned)mode > ACL_RT_OVERFLOW_MODE_UNDEF)
        return sim_leave(sim_misuse(ACL_ERROR_INVALID_PARAM, "mode %d is not known", (int)mode));
    return sim_leave(0);
}

aclError aclrtGetVersion(int32_t *majorVersion, int32_t *minorVersion, int32_t *patchVersion)
{
    int code = sim_enter(CALL_aclrtGetVersion, 0);
    if (code)
        return code;
    if (!majorVersion || !minorVersion || !patchVersion)
        return sim_leave(sim_misuse(ACL_ERROR_INVALID_PARAM, "a place for the version is NULL"));
    *majorVersion = 1;
    *minorVersion = 0;
    *patchVersion = 0;
    return sim_leave(0);
}

const char *aclrtGetSocName(void)
{
    if (sim_enter(CALL_aclrtGetSocName, SIM_INIT))
        return NULL;
    (void)sim_leave(0);
    return "AscendSimulated";
}

const char *aclGetRecentErrMsg(void)
{
    return sim_message(); /* neither counted as work nor failing: it is how failures are told */
}

/* ---------------------------------------------------------------- start and end */

aclError aclInit(const char *configPath)
{
    int code = sim_enter(CALL_aclInit, 0);
    if (code)
        return code;
    if (sim.initialised || sim.finalised)
        return sim_leave(sim_misuse(ACL_ERROR_REPEAT_INITIALIZE, "called twice in one process%s",
                                    sim.finalised ? " (aclFinalize does not make it new)" : ""));
    if (configPath && *configPath) {
        FILE *file = fopen(configPath, "re");
        if (!file)
            return sim_leave(
                sim_refuse(ACL_ERROR_INVALID_FILE, "configuration '%s' cannot be opened", configPath));
        (void)fclose(file);
    }
    sim.initialised = true;
    return sim_leave(0);
}

static void report_kind(enum sim_kind kind)
{
    char text[64];
    size_t n = sim_object_count(kind);
    if (!n)
        return;
    (void)snprintf(text, sizeof text, "%zu x %s not destroyed", n, sim_kind_name(kind));
    sim_report("leak", text);
}

static void report_leaks(void)
{
    static const enum sim_kind kinds[] = {SIM_STREAM, SIM_EVENT, SIM_DATASET, SIM_BUFFER, SIM_DESC, SIM_AIPP};
    char text[64];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        report_kind(kinds[i]);
    size_t contexts = 0;
    size_t tensors = 0;
    const struct sim_context *context;
    for (size_t i = 0; (context = sim_object_nth(SIM_CONTEXT_OBJECT, i)); i++)
        contexts += !context->is_default;
    const struct sim_tensor *tensor;
    for (size_t i = 0; (tensor = sim_object_nth(SIM_TENSOR, i)); i++)
        tensors += !tensor->of_runtime;
    if (contexts) {
        (void)snprintf(text, sizeof text, "%zu x context not destroyed", contexts);
        sim_report("leak", text);
    }
    if (tensors) {
        (void)snprintf(text, sizeof text, "%zu x tensor desc not destroyed", tensors);
        sim_report("leak", text);
    }
    for (uint32_t i = 0; i < sim.settings.devices; i++) {
        if (!sim.devices[i].set)
            continue;
        (void)snprintf(text, sizeof text, "device %u was not reset", i);
        sim_report("leak", text);
    }
    sim_models_report_leaks();
    sim_memory_report_leaks();
}

/** Frees what the program left, so that a sanitizer's report of leaks is about the simulator's own. */
static void free_everything(void)
{
    void *object;
    end_streams(NULL);
    while ((object = sim_object_nth(SIM_CONTEXT_OBJECT, 0)))
        context_free(object);
    sim_exceptions_free();
    sim_models_free_all();
    sim_data_free_all();
    while ((object = sim_object_nth(SIM_EVENT, 0))) {
        sim_object_remove(((struct sim_event *)object)->handle);
        free(object);
    }
    sim_memory_free_all();
    memset(sim.devices, 0, sizeof sim.devices);
}

aclError aclFinalize(void)
{
    int code = sim_enter(CALL_aclFinalize, SIM_RELEASE);
    if (code)
        return code;
    if (sim.finalised)
        return sim_leave(sim_misuse(ACL_ERROR_REPEAT_FINALIZE, "called twice"));
    if (!sim.initialised)
        return sim_leave(sim_misuse(ACL_ERROR_UNINITIALIZE, "called before aclInit"));
    report_leaks();
    free_everything();
    sim.initialised = false;
    sim.finalised = true;
    sim_write_calls();
    return sim_leave(0);
}

/** The end of the process, or of the library. */
__attribute__((destructor)) static void leave(void)
{
    if (sim.initialised) {
        sim_report("leak", "aclFinalize was never called");
        report_leaks();
    }
    if (sim.ready)
        sim_write_calls();
    if (!sim.initialised) /* otherwise threads may still use it */
        sim_objects_free();
}

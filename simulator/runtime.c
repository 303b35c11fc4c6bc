/* SPDX-License-Identifier: MIT */
/* Start and end, devices, contexts, and what can be asked about them. */
#include "asim.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** The handle of this thread's current context. */
static __thread void *current;

struct asim_context *asim_current(void)
{
    return current ? asim_object_find(SIM_CONTEXT_OBJECT, current) : NULL;
}

/* ---------------------------------------------------------------- contexts */

static struct asim_context *context_make(int device)
{
    struct asim_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->device = device;
    context->handle = asim_object_add(SIM_CONTEXT_OBJECT, context);
    if (context->handle)
        return context;
    free(context);
    return NULL;
}

static void context_free(struct asim_context *context)
{
    asim_object_remove(context->handle);
    if (context->default_stream)
        asim_stream_end(context->default_stream);
    free(context);
}

static size_t streams_of(const struct asim_context *context)
{
    size_t n = 0;
    const struct asim_stream *stream;
    for (size_t i = 0; (stream = asim_object_nth(SIM_STREAM, i)); i++)
        n += stream->context == context;
    return n;
}

static int check_device(int32_t id)
{
    if (id >= 0 && (uint32_t)id < sim.settings.devices)
        return 0;
    return asim_refuse(ACL_ERROR_RT_INVALID_DEVICEID, "there is no device %d: this machine has %u", id,
                       sim.settings.devices);
}

aclError aclrtCreateContext(aclrtContext *context, int32_t deviceId)
{
    int code = asim_enter(CALL_aclrtCreateContext, SIM_INIT);
    if (code)
        return code;
    if (!context)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the context is NULL"));
    *context = NULL;
    code = check_device(deviceId);
    if (code)
        return asim_leave(code);
    struct asim_context *made = context_make(deviceId);
    if (!made)
        return asim_leave(asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a context"));
    *context = current = made->handle;
    return asim_leave(0);
}

aclError aclrtDestroyContext(aclrtContext context)
{
    int code = asim_enter(CALL_aclrtDestroyContext, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_context *c = asim_object_get(SIM_CONTEXT_OBJECT, context);
    if (!c)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    if (c->is_default)
        return asim_leave(asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                                      "context %p belongs to aclrtSetDevice: aclrtResetDevice ends it",
                                      context));
    if (streams_of(c) || c->models)
        return asim_leave(asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                                      "context %p still has %zu streams and %u loaded models", context,
                                      streams_of(c), c->models));
    context_free(c);
    return asim_leave(0);
}

aclError aclrtSetCurrentContext(aclrtContext context)
{
    int code = asim_enter(CALL_aclrtSetCurrentContext, SIM_INIT);
    if (code)
        return code;
    if (!asim_object_get(SIM_CONTEXT_OBJECT, context))
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    current = context;
    return asim_leave(0);
}

aclError aclrtGetCurrentContext(aclrtContext *context)
{
    int code = asim_enter(CALL_aclrtGetCurrentContext, SIM_INIT);
    if (code)
        return code;
    if (!context)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the context is NULL"));
    if (!asim_current())
        return asim_leave(asim_refuse(ACL_ERROR_RT_CONTEXT_NULL, "this thread has no current context"));
    *context = current;
    return asim_leave(0);
}

/* ---------------------------------------------------------------- devices */

aclError aclrtSetDevice(int32_t deviceId)
{
    int code = asim_enter(CALL_aclrtSetDevice, SIM_INIT);
    if (code)
        return code;
    code = check_device(deviceId);
    if (code)
        return asim_leave(code);
    struct asim_device *device = &sim.devices[deviceId];
    if (!device->context) {
        device->context = context_make(deviceId);
        if (!device->context)
            return asim_leave(asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a context"));
        device->context->is_default = true;
    }
    device->set++;
    current = device->context->handle;
    return asim_leave(0);
}

/** What must be gone before a device is: "2 contexts", … Empty when nothing is left. */
static void remains(int32_t device, char text[128])
{
    size_t contexts = 0;
    size_t streams = 0;
    const struct asim_context *context;
    *text = '\0';
    for (size_t i = 0; (context = asim_object_nth(SIM_CONTEXT_OBJECT, i)); i++) {
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
static void end_streams(const struct asim_context *context)
{
    for (size_t i = 0;;) {
        struct asim_stream *stream = asim_object_nth(SIM_STREAM, i);
        if (!stream)
            return;
        if (context && stream->context != context) {
            i++;
            continue;
        }
        asim_object_remove(stream->handle);
        asim_stream_end(stream);
    }
}

aclError aclrtResetDevice(int32_t deviceId)
{
    char left[128];
    int code = asim_enter(CALL_aclrtResetDevice, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    code = check_device(deviceId);
    if (code)
        return asim_leave(code);
    struct asim_device *device = &sim.devices[deviceId];
    if (!device->set)
        return asim_leave(asim_misuse(ACL_ERROR_RT_INVALID_DEVICEID,
                                      "device %d is not set, or was reset before", deviceId));
    if (--device->set)
        return asim_leave(0);
    remains(deviceId, left);
    if (*left)
        code = asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "device %d still has %s: release them first", deviceId,
                           left);
    end_streams(device->context);
    if (!device->context->models) {
        context_free(device->context);
        device->context = NULL;
    }
    return asim_leave(code);
}

aclError aclrtGetDeviceCount(uint32_t *count)
{
    int code = asim_enter(CALL_aclrtGetDeviceCount, SIM_INIT);
    if (code)
        return code;
    if (!count)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the count is NULL"));
    *count = sim.settings.devices;
    return asim_leave(0);
}

/* How the runtime says that devices are not on a PCI bus. */
#define FEATURE_NOT_SUPPORTED 207000

aclError aclrtDeviceGetPCIBusId(int32_t deviceId, char *busId, int32_t capacity)
{
    int code = asim_enter(CALL_aclrtDeviceGetPCIBusId, SIM_INIT);
    if (code)
        return code;
    if (!busId || deviceId < 0 || (uint32_t)deviceId >= sim.settings.devices)
        return asim_leave(
            asim_misuse(ACL_ERROR_INVALID_PARAM, "no place for the address, or no device %d", (int)deviceId));
    const char *address = sim.settings.pci;
    for (int32_t i = 0; i < deviceId && *address; i++) {
        address += strcspn(address, ",");
        address += *address == ',';
    }
    int length = (int)strcspn(address, ",");
    if (!length)
        return asim_leave(asim_refuse(FEATURE_NOT_SUPPORTED, "device %d is not on a PCI bus", (int)deviceId));
    if (length >= capacity)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "an address needs %d bytes", length + 1));
    memcpy(busId, address, (size_t)length);
    busId[length] = '\0';
    return asim_leave(0);
}

aclError aclrtGetRunMode(aclrtRunMode *runMode)
{
    int code = asim_enter(CALL_aclrtGetRunMode, SIM_INIT);
    if (code)
        return code;
    if (!runMode)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the mode is NULL"));
    *runMode = ACL_HOST;
    return asim_leave(0);
}

aclError aclrtSetDeviceSatMode(aclrtFloatOverflowMode mode)
{
    int code = asim_enter(CALL_aclrtSetDeviceSatMode, SIM_INIT);
    if (code)
        return code;
    if ((unsigned)mode > ACL_RT_OVERFLOW_MODE_UNDEF)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "mode %d is not known", (int)mode));
    return asim_leave(0);
}

aclError aclrtGetVersion(int32_t *majorVersion, int32_t *minorVersion, int32_t *patchVersion)
{
    int code = asim_enter(CALL_aclrtGetVersion, 0);
    if (code)
        return code;
    if (!majorVersion || !minorVersion || !patchVersion)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "a place for the version is NULL"));
    *majorVersion = 1;
    *minorVersion = 0;
    *patchVersion = 0;
    return asim_leave(0);
}

const char *aclrtGetSocName(void)
{
    if (asim_enter(CALL_aclrtGetSocName, SIM_INIT))
        return NULL;
    (void)asim_leave(0);
    return "AscendSimulated";
}

const char *aclGetRecentErrMsg(void)
{
    return asim_message(); /* neither counted as work nor failing: it is how failures are told */
}

/* ---------------------------------------------------------------- start and end */

aclError aclInit(const char *configPath)
{
    int code = asim_enter(CALL_aclInit, 0);
    if (code)
        return code;
    if (sim.initialised || sim.finalised)
        return asim_leave(asim_misuse(ACL_ERROR_REPEAT_INITIALIZE, "called twice in one process%s",
                                      sim.finalised ? " (aclFinalize does not make it new)" : ""));
    struct cJSON *dump = NULL;
    if (configPath && *configPath)
        code = asim_read_configuration(configPath, &dump);
    if (code)
        return asim_leave(code);
    asim_dump_from_init(dump);
    asim_write_init(configPath ? configPath : "");
    sim.initialised = true;
    return asim_leave(0);
}

static void report_kind(enum asim_kind kind)
{
    char text[64];
    size_t n = asim_object_count(kind);
    if (!n)
        return;
    (void)snprintf(text, sizeof text, "%zu x %s not destroyed", n, asim_kind_name(kind));
    asim_report("leak", text);
}

static void report_leaks(void)
{
    static const enum asim_kind kinds[] = {SIM_STREAM, SIM_EVENT, SIM_DATASET,
                                           SIM_BUFFER, SIM_DESC,  SIM_AIPP};
    char text[64];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        report_kind(kinds[i]);
    size_t contexts = 0;
    size_t tensors = 0;
    const struct asim_context *context;
    for (size_t i = 0; (context = asim_object_nth(SIM_CONTEXT_OBJECT, i)); i++)
        contexts += !context->is_default;
    const struct asim_tensor *tensor;
    for (size_t i = 0; (tensor = asim_object_nth(SIM_TENSOR, i)); i++)
        tensors += !tensor->of_runtime;
    if (contexts) {
        (void)snprintf(text, sizeof text, "%zu x context not destroyed", contexts);
        asim_report("leak", text);
    }
    if (tensors) {
        (void)snprintf(text, sizeof text, "%zu x tensor desc not destroyed", tensors);
        asim_report("leak", text);
    }
    for (uint32_t i = 0; i < sim.settings.devices; i++) {
        if (!sim.devices[i].set)
            continue;
        (void)snprintf(text, sizeof text, "device %u was not reset", i);
        asim_report("leak", text);
    }
    asim_models_report_leaks();
    asim_memory_report_leaks();
}

/** Frees what the program left, so that a sanitizer's report of leaks is about the simulator's own. */
static void free_everything(void)
{
    void *object;
    end_streams(NULL);
    while ((object = asim_object_nth(SIM_CONTEXT_OBJECT, 0)))
        context_free(object);
    asim_exceptions_free();
    asim_dump_free();
    asim_models_free_all();
    asim_data_free_all();
    while ((object = asim_object_nth(SIM_EVENT, 0))) {
        asim_object_remove(((struct asim_event *)object)->handle);
        free(object);
    }
    asim_memory_free_all();
    memset(sim.devices, 0, sizeof sim.devices);
}

aclError aclFinalize(void)
{
    int code = asim_enter(CALL_aclFinalize, SIM_ANYWAY);
    if (code)
        return code;
    if (sim.finalised)
        return asim_leave(asim_misuse(ACL_ERROR_REPEAT_FINALIZE, "called twice"));
    if (!sim.initialised)
        return asim_leave(asim_misuse(ACL_ERROR_UNINITIALIZE, "called before aclInit"));
    report_leaks();
    sim.initialised = false; /* before the lock is let go to end threads */
    sim.finalised = true;
    free_everything();
    asim_write_calls();
    return asim_leave(0);
}

/** The end of the process, or of the library. */
__attribute__((destructor)) static void leave(void)
{
    if (sim.ready && sim.process != getpid())
        return; /* a child's end says nothing about the program */
    (void)pthread_mutex_lock(&sim.lock);
    if (sim.initialised) {
        asim_report("leak", "aclFinalize was never called");
        report_leaks();
    }
    if (sim.ready)
        asim_write_calls();
    if (!sim.initialised) /* otherwise threads may still use it */
        asim_objects_free();
    (void)pthread_mutex_unlock(&sim.lock);
}

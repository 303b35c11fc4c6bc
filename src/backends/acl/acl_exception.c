/* SPDX-License-Identifier: MIT */
/*
 * When an operator fails on the device, the runtime calls back, from whatever thread it likes and without a
 * word of whose execution it was: so the sessions that are open are known to the process, behind a mutex,
 * like the runtime itself. What the operator was given and had made is written to the working directory.
 */
#include "acl_internal.h"
#include "io/fd_io.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t mutex;
    struct acl_device *first; /* open devices, by `next` */
    unsigned exceptions;      /* so far: numbers the files */
} process = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The failing operator. */
struct failure {
    struct acl_device *device;
    unsigned index;
    uint32_t stream, task;
    char name[512];
    aclTensorDesc *inputs, *outputs;
    size_t n_inputs, n_outputs;
};

/* Nothing that lies there under this name is followed or kept. Returns an errno. */
static int write_file(const char *name, const void *data, size_t bytes)
{
    (void)unlink(name);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return errno;
    int reason = fd_write(fd, data, bytes);
    if (close(fd) && !reason)
        reason = errno;
    return reason;
}

static bool name_file(const struct failure *failure, const char *side, size_t i, const aclTensorDesc *desc,
                      char *name, size_t capacity)
{
    const struct acl_library *acl = &failure->device->acl;
    int length =
        snprintf(name, capacity, "exception_cb_index_%u_%s_%zu_format_%d_dtype_%d_shape_", failure->index,
                 side, i, (int)acl->aclGetTensorDescFormat(desc), (int)acl->aclGetTensorDescType(desc));
    size_t used = length > 0 ? (size_t)length : capacity;
    size_t rank = acl->aclGetTensorDescNumDims(desc);
    for (size_t k = 0; rank <= ACL_MAX_DIM_CNT && k < rank && used < capacity; k++) {
        int64_t dim = 0;
        if (acl->aclGetTensorDescDimV2(desc, k, &dim) != ACL_SUCCESS)
            return false;
        length = snprintf(name + used, capacity - used, "%s%" PRIi64, k ? "x" : "", dim);
        used += length > 0 ? (size_t)length : capacity;
    }
    if (used + sizeof ".bin" > capacity)
        return false;
    memcpy(name + used, ".bin", sizeof ".bin");
    return true;
}

static void save_tensor(const struct failure *failure, const char *side, size_t i, const aclTensorDesc *desc)
{
    struct acl_device *device = failure->device;
    const struct acl_library *acl = &device->acl;
    char name[256]; /* no file's name is longer */
    size_t bytes = acl->aclGetTensorDescSize(desc);
    const void *from = acl->aclGetTensorDescAddress(desc);
    void *host = bytes && from ? malloc(bytes) : NULL;
    bool ready = host && name_file(failure, side, i, desc, name, sizeof name) &&
                 acl->aclrtMemcpy(host, bytes, from, bytes, ACL_MEMCPY_DEVICE_TO_HOST) == ACL_SUCCESS;
    int reason = ready ? write_file(name, host, bytes) : 0;
    if (!ready)
        log_line(&device->log, AISPIPE_LOG_WARNING,
                 "exception_cb: %s %zu of operator %s (%zu bytes) could not be fetched from the device", side,
                 i, failure->name, bytes);
    else if (reason)
        log_line(&device->log, AISPIPE_LOG_WARNING, "exception_cb: %s cannot be written: %s", name,
                 strerror(reason));
    else
        log_line(&device->log, AISPIPE_LOG_INFO,
                 "exception_cb hostaddr:%p devaddr:%p len:%zu write to filename:%s", host, from, bytes, name);
    free(host);
}

/* Whose the descriptions are is not documented. They are left alone: where a device has failed, a few bytes
 * that are not given back are better than some that are given back twice. */
static void save_side(const struct failure *failure, const char *side, aclTensorDesc *descs, size_t n)
{
    const struct acl_library *acl = &failure->device->acl;
    for (size_t i = 0; i < n; i++) {
        const aclTensorDesc *desc = acl->aclGetTensorDescByIndex(descs, i);
        if (desc)
            save_tensor(failure, side, i, desc);
    }
}

static void save_operator(struct failure *failure)
{
    struct acl_device *device = failure->device;
    const struct acl_library *acl = &device->acl;
    aclError code = acl->aclmdlCreateAndGetOpDesc((uint32_t)device->id, failure->stream, failure->task,
                                                  failure->name, sizeof failure->name, &failure->inputs,
                                                  &failure->n_inputs, &failure->outputs, &failure->n_outputs);
    if (code != ACL_SUCCESS) {
        log_line(&device->log, AISPIPE_LOG_WARNING,
                 "exception_cb: the operator of stream %u, task %u on device %d is not known: %d (%s)",
                 failure->stream, failure->task, device->id, code, acl_error_name(code));
        return;
    }
    log_line(&device->log, AISPIPE_LOG_INFO,
             "exception_cb streamId:%u taskId:%u deviceId: %d opName:%s inputCnt:%zu outputCnt:%zu",
             failure->stream, failure->task, device->id, failure->name, failure->n_inputs,
             failure->n_outputs);
    save_side(failure, "input", failure->inputs, failure->n_inputs);
    save_side(failure, "output", failure->outputs, failure->n_outputs);
}

/* The thread may be the runtime's own: it gets a context for the transfers, and its own back. */
static void handle(struct acl_device *device, aclrtExceptionInfo *info)
{
    const struct acl_library *acl = &device->acl;
    struct failure failure = {.device = device, .index = process.exceptions++};
    failure.stream = acl->aclrtGetStreamIdFromExceptionInfo(info);
    failure.task = acl->aclrtGetTaskIdFromExceptionInfo(info);
    aclrtContext before = NULL;
    if (acl->aclrtGetCurrentContext(&before) != ACL_SUCCESS)
        before = NULL;
    if (!before && device->n_contexts)
        (void)acl->aclrtSetCurrentContext(device->contexts[0]);
    save_operator(&failure);
}

static void exception_callback(aclrtExceptionInfo *info)
{
    pthread_mutex_lock(&process.mutex);
    struct acl_device *device = process.first;
    if (device) {
        uint32_t id = device->acl.aclrtGetDeviceIdFromExceptionInfo(info);
        while (device && (uint32_t)device->id != id)
            device = device->next;
        if (!device && id == ACL_EXCEPTION_UNKNOWN)
            device = process.first;
    }
    if (device)
        handle(device, info);
    pthread_mutex_unlock(&process.mutex);
}

static bool has_all_calls(const struct acl_library *acl)
{
    return acl->aclrtSetExceptionInfoCallback && acl->aclrtGetTaskIdFromExceptionInfo &&
           acl->aclrtGetStreamIdFromExceptionInfo && acl->aclrtGetDeviceIdFromExceptionInfo &&
           acl->aclmdlCreateAndGetOpDesc && acl->aclGetTensorDescByIndex && acl->aclGetTensorDescAddress &&
           acl->aclGetTensorDescType && acl->aclGetTensorDescFormat && acl->aclGetTensorDescSize &&
           acl->aclGetTensorDescNumDims && acl->aclGetTensorDescDimV2 && acl->aclrtMemcpy &&
           acl->aclrtGetCurrentContext;
}

int acl_watch_exceptions(struct acl_device *device, struct aispipe_error *error)
{
    if (!has_all_calls(&device->acl))
        return 0;
    pthread_mutex_lock(&process.mutex);
    device->next = process.first;
    process.first = device;
    pthread_mutex_unlock(&process.mutex);
    return acl_check(device, device->acl.aclrtSetExceptionInfoCallback(exception_callback), error,
                     "aclrtSetExceptionInfoCallback");
}

void acl_unwatch_exceptions(struct acl_device *device)
{
    pthread_mutex_lock(&process.mutex);
    for (struct acl_device **at = &process.first; *at; at = &(*at)->next)
        if (*at == device) {
            *at = device->next;
            break;
        }
    pthread_mutex_unlock(&process.mutex);
}

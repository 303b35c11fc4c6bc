/* SPDX-License-Identifier: MIT */
/* An operator that fails on the device: the callback, and what can be asked about it. */
#include "model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct rtExceptionInfo {
    uint32_t task, stream, thread, device, code;
};

/** The operator that failed last. */
static struct {
    bool known;
    struct rtExceptionInfo info;
    char operator[192];
    size_t n_inputs, n_outputs;
    struct asim_tensor *tensors[2 * OM_MAX_TENSORS]; /**< inputs, then outputs */
} failed;

void asim_exceptions_free(void)
{
    for (size_t i = 0; i < failed.n_inputs + failed.n_outputs; i++)
        asim_tensor_free(failed.tensors[i]);
    memset(&failed, 0, sizeof failed);
}

static bool remember(const struct asim_model *model, const struct asim_dataset *input,
                     const struct asim_dataset *output)
{
    const struct om_file *om = model->om;
    asim_exceptions_free();
    (void)snprintf(failed.operator, sizeof failed.operator, "%s/operator", om->name);
    for (size_t i = 0; i < om->n_inputs + model->n_outputs; i++) {
        bool input_side = i < om->n_inputs;
        const struct asim_port *port = input_side ? &model->inputs[i] : &model->outputs[i - om->n_inputs];
        struct asim_tensor *tensor = asim_tensor_new(port->type, port->rank, port->dims, port->format);
        if (!tensor)
            return false;
        const struct asim_dataset *dataset = input_side ? input : output;
        const struct asim_buffer *buffer =
            asim_object_get(SIM_BUFFER, dataset->buffers[input_side ? i : i - om->n_inputs]);
        tensor->address = buffer ? buffer->data : NULL;
        tensor->of_runtime = true;
        failed.tensors[i] = tensor;
        failed.n_inputs += input_side;
        failed.n_outputs += !input_side;
    }
    failed.known = true;
    return true;
}

void asim_raise_exception(const struct asim_model *model, const struct asim_dataset *input,
                          const struct asim_dataset *output, const struct asim_stream *stream)
{
    struct rtExceptionInfo info = {.task = ++sim.next_task,
                                   .stream = stream ? stream->id : 0,
                                   .thread = (uint32_t)syscall(SYS_gettid),
                                   .device = (uint32_t)model->device,
                                   .code = SIM_AICORE_EXCEPTION};
    aclrtExceptionInfoCallback callback = sim.exception_callback;
    if (!remember(model, input, output) || !callback)
        return;
    failed.info = info;
    struct asim_mark mark = asim_mark();
    (void)pthread_mutex_unlock(&sim.lock);
    callback(&info);
    (void)pthread_mutex_lock(&sim.lock);
    asim_return_to(mark);
}

struct asim_tensor *asim_exception_tensor(const struct asim_tensor *first, size_t index)
{
    size_t n = failed.n_inputs + failed.n_outputs;
    for (size_t i = 0; i < n; i++)
        if (failed.tensors[i] == first) {
            size_t end = i < failed.n_inputs ? failed.n_inputs : n;
            return index < end - i ? failed.tensors[i + index] : NULL;
        }
    return NULL;
}

aclError aclrtSetExceptionInfoCallback(aclrtExceptionInfoCallback callback)
{
    int code = asim_enter(CALL_aclrtSetExceptionInfoCallback, SIM_INIT);
    if (code)
        return code;
    sim.exception_callback = callback;
    return asim_leave(0);
}

#define INFO_GETTER(name, member)                           \
    uint32_t name(const aclrtExceptionInfo *info)           \
    {                                                       \
        if (asim_enter(CALL_##name, SIM_INIT))              \
            return ACL_EXCEPTION_UNKNOWN;                   \
        (void)asim_leave(0);                                \
        return info ? info->member : ACL_EXCEPTION_UNKNOWN; \
    }

INFO_GETTER(aclrtGetTaskIdFromExceptionInfo, task)
INFO_GETTER(aclrtGetStreamIdFromExceptionInfo, stream)
INFO_GETTER(aclrtGetThreadIdFromExceptionInfo, thread)
INFO_GETTER(aclrtGetDeviceIdFromExceptionInfo, device)
INFO_GETTER(aclrtGetErrorCodeFromExceptionInfo, code)

aclError aclmdlCreateAndGetOpDesc(uint32_t deviceId, uint32_t streamId, uint32_t taskId, char *opName,
                                  size_t opNameLen, aclTensorDesc **inputDesc, size_t *numInputs,
                                  aclTensorDesc **outputDesc, size_t *numOutputs)
{
    int code = asim_enter(CALL_aclmdlCreateAndGetOpDesc, SIM_INIT);
    if (code)
        return code;
    if (!opName || !inputDesc || !numInputs || !outputDesc || !numOutputs)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "a place for an answer is NULL"));
    if (!failed.known || failed.info.device != deviceId || failed.info.stream != streamId ||
        failed.info.task != taskId)
        return asim_leave(asim_refuse(ACL_ERROR_INVALID_PARAM,
                                      "no operator of device %u, stream %u, task %u failed", deviceId,
                                      streamId, taskId));
    if (strlen(failed.operator) >= opNameLen)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM,
                                      "the name takes %zu bytes, there is room for %zu",
                                      strlen(failed.operator) + 1, opNameLen));
    memcpy(opName, failed.operator, strlen(failed.operator) + 1);
    *numInputs = failed.n_inputs;
    *numOutputs = failed.n_outputs;
    *inputDesc = failed.n_inputs ? failed.tensors[0]->handle : NULL;
    *outputDesc = failed.n_outputs ? failed.tensors[failed.n_inputs]->handle : NULL;
    return asim_leave(0);
}

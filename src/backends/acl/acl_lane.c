/* SPDX-License-Identifier: MIT */
/*
 * What the stage threads do. h2d and d2h have a stream each, in which they queue the copies of a batch and
 * wait for them: the copies of one batch then run beside the execution of another, and beside the copies of
 * the other direction. compute executes the lane's own copy of the model, in the lane's own context.
 *
 * The current context belongs to the thread, and threads change: the warm-up uses all lanes from the thread
 * that drives the run, and a program may drive several sessions from one. Each call therefore sets its
 * context. That is one store into the thread's own memory, next to calls that go to the device.
 */
#include "acl_internal.h"

#include <stdlib.h>

struct acl_lane {
    struct acl_model *model;
    unsigned context;
    uint32_t model_id;  /* compute */
    aclrtStream stream; /* h2d, d2h */
};

int acl_lane_create(void *loaded, enum aispipe_lane_kind kind, unsigned index, void **result,
                    struct aispipe_error *error)
{
    struct acl_model *model = loaded;
    struct acl_device *device = model->device;
    *result = NULL;
    if (kind == AISPIPE_LANE_COMPUTE && index >= model->n_copies)
        return aispipe_fail(error, AISPIPE_INVALID, "compute thread %u, but the device was opened for %u",
                            index, model->n_copies);
    struct acl_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a thread of the device");
    lane->model = model;
    if (kind == AISPIPE_LANE_COMPUTE) {
        lane->context = index;
        lane->model_id = model->copies[index].id;
    } else {
        int rc = acl_enter(device, 0, error);
        if (!rc)
            rc = acl_check(device, device->acl.aclrtCreateStream(&lane->stream), error, "aclrtCreateStream");
        if (rc) {
            free(lane);
            return rc;
        }
    }
    *result = lane;
    return 0;
}

void acl_lane_destroy(void *loaded, void *created)
{
    struct acl_device *device = ((struct acl_model *)loaded)->device;
    struct acl_lane *lane = created;
    if (lane->stream && acl_return_to(device, lane->context))
        acl_released(device, device->acl.aclrtDestroyStream(lane->stream), "aclrtDestroyStream");
    free(lane);
}

/* Waits for what is queued, also after a failure: the buffers must not change hands while copies go on. */
static int finish(const struct acl_lane *lane, const struct aispipe_io *io, int rc,
                  struct aispipe_error *error)
{
    struct acl_device *device = lane->model->device;
    if (io->resident)
        return rc; /* nothing was queued */
    aclError code = device->acl.aclrtSynchronizeStream(lane->stream);
    return rc ? rc : acl_check(device, code, error, "aclrtSynchronizeStream");
}

/* One tensor between host and device. Only copies of pinned memory can be queued, which the arrays of single
 * executions are not. */
static aclError copy(const struct acl_lane *lane, const struct aispipe_io *io, void *to, const void *from,
                     size_t bytes, aclrtMemcpyKind kind)
{
    const struct acl_library *acl = &lane->model->device->acl;
    if (!io->resident)
        return acl->aclrtMemcpyAsync(to, bytes, from, bytes, kind, lane->stream);
    return acl->aclrtMemcpy ? acl->aclrtMemcpy(to, bytes, from, bytes, kind) : ACL_ERROR_API_NOT_SUPPORT;
}

static const char *copy_name(const struct aispipe_io *io)
{
    return io->resident ? "aclrtMemcpy" : "aclrtMemcpyAsync";
}

int acl_h2d(void *created, struct aispipe_io *io, struct aispipe_error *error)
{
    const struct acl_lane *lane = created;
    const struct acl_model *model = lane->model;
    struct acl_device *device = model->device;
    const struct acl_io *own = io->device;
    int rc = acl_enter(device, lane->context, error);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < model->n_inputs; i++) {
        int shown = model->ports[i].shown;
        if (shown < 0 || (io->resident && io->resident[shown]))
            continue;
        size_t bytes = io->shaped ? io->shaped[shown].size : model->ports[i].bytes;
        if (bytes)
            rc = acl_check(
                device,
                copy(lane, io, acl_address(own, i), io->inputs[shown], bytes, ACL_MEMCPY_HOST_TO_DEVICE),
                error, "%s of %zu bytes to the device for input '%s'", copy_name(io), bytes,
                model->desc.inputs[shown].name);
    }
    return finish(lane, io, rc, error);
}

int acl_compute(void *created, struct aispipe_io *io, struct aispipe_error *error)
{
    const struct acl_lane *lane = created;
    struct acl_device *device = lane->model->device;
    struct acl_io *own = io->device;
    int rc = acl_enter(device, lane->context, error);
    if (!rc)
        rc = acl_select_shape(lane->model, lane->model_id, own, io->shaped, error);
    if (!rc)
        rc = acl_check(device, device->acl.aclmdlExecute(lane->model_id, own->input, own->output), error,
                       "aclmdlExecute");
    return rc ? rc : acl_take_outputs(lane->model, io, error);
}

int acl_d2h(void *created, struct aispipe_io *io, struct aispipe_error *error)
{
    const struct acl_lane *lane = created;
    const struct acl_model *model = lane->model;
    struct acl_device *device = model->device;
    const struct acl_io *own = io->device;
    int rc = acl_enter(device, lane->context, error);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < model->desc.n_outputs; i++) {
        const struct aispipe_tensor_desc *output = io->actual ? &io->actual[i] : &model->desc.outputs[i];
        if (io->resident && io->resident[model->desc.n_inputs + i])
            continue;
        if (output->size)
            rc = acl_check(device,
                           copy(lane, io, io->outputs[i], acl_address(own, model->n_inputs + i), output->size,
                                ACL_MEMCPY_DEVICE_TO_HOST),
                           error, "%s of %zu bytes from the device for output '%s'", copy_name(io),
                           output->size, output->name);
    }
    return finish(lane, io, rc, error);
}

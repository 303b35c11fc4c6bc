/* SPDX-License-Identifier: MIT */
/* Memory: pinned on the host, and on the device a buffer for every input and output of every slot. */
#include "acl_internal.h"

#include <stdlib.h>
#include <string.h>

/* Host tensors begin at multiples of this (see struct aispipe_io). */
#define ALIGNMENT 64

size_t acl_io_bytes(const void *loaded)
{
    const struct acl_model *model = loaded;
    size_t total = 0;
    for (size_t i = 0; i < model->n_inputs + model->n_outputs; i++)
        if (__builtin_add_overflow(total, model->ports[i].bytes, &total))
            return SIZE_MAX; /* more than any memory; the pipeline then refuses it */
    return total;
}

/*
 * Only pinned memory can be transferred while other things happen. The runtime promises no alignment, so
 * there is room for it, and in front of what is handed out the address that the runtime wants back.
 */
int acl_host_alloc(void *loaded, size_t bytes, void **result, struct aispipe_error *error)
{
    struct acl_device *device = ((struct acl_model *)loaded)->device;
    void *memory = NULL;
    size_t room;
    if (__builtin_add_overflow(bytes, (size_t)2 * ALIGNMENT, &room))
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "the batch slots are larger than any memory");
    int rc = acl_enter(device, 0, error);
    if (!rc)
        rc = acl_check(device, device->acl.aclrtMallocHost(&memory, room), error,
                       "aclrtMallocHost of %zu bytes for the batch slots (lower --inflight)", room);
    if (rc)
        return rc;
    size_t skipped = ALIGNMENT + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
    char *handed_out = (char *)memory + skipped;
    memcpy(handed_out - sizeof memory, &memory, sizeof memory);
    *result = handed_out;
    return 0;
}

void acl_host_free(void *loaded, void *memory)
{
    struct acl_device *device = ((struct acl_model *)loaded)->device;
    void *allocated;
    memcpy(&allocated, (char *)memory - sizeof allocated, sizeof allocated);
    acl_released(device, device->acl.aclrtFreeHost(allocated), "aclrtFreeHost");
}

static void forget(struct acl_io *own)
{
    free(own->buffers);
    free(own->memory);
    free(own->bound);
    free(own->descs);
    free(own->actual);
    free(own);
}

static void destroy(struct acl_model *model, struct acl_io *own)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    for (size_t i = 0; i < model->n_inputs + model->n_outputs; i++) {
        if (own->buffers[i])
            acl_released(device, acl->aclDestroyDataBuffer(own->buffers[i]), "aclDestroyDataBuffer");
        if (own->memory[i])
            acl_released(device, acl->aclrtFree(own->memory[i]), "aclrtFree");
    }
    if (own->input)
        acl_released(device, acl->aclmdlDestroyDataset(own->input), "aclmdlDestroyDataset");
    if (own->output)
        acl_released(device, acl->aclmdlDestroyDataset(own->output), "aclmdlDestroyDataset");
    for (size_t i = 0; i < model->n_inputs; i++)
        if (own->descs[i])
            acl->aclDestroyTensorDesc(own->descs[i]);
    forget(own);
}

void acl_io_destroy(void *loaded, struct aispipe_io *io)
{
    destroy(loaded, io->device);
    io->device = NULL;
}

/* Device memory and a data buffer for one port. A tensor without elements has an address, too. */
static int add_buffer(struct acl_model *model, struct acl_io *own, size_t port, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    size_t bytes = model->ports[port].bytes;
    int rc =
        acl_check(device, acl->aclrtMalloc(&own->memory[port], bytes ? bytes : 1, ACL_MEM_MALLOC_HUGE_FIRST),
                  error, "aclrtMalloc of %zu bytes for a batch slot", bytes);
    if (rc) {
        own->memory[port] = NULL;
        return rc;
    }
    own->buffers[port] = acl->aclCreateDataBuffer(own->memory[port], bytes);
    rc = acl_expect(device, own->buffers[port] != NULL, error, "aclCreateDataBuffer gave nothing");
    if (rc)
        return rc;
    aclmdlDataset *dataset = port < model->n_inputs ? own->input : own->output;
    return acl_check(device, acl->aclmdlAddDatasetBuffer(dataset, own->buffers[port]), error,
                     "aclmdlAddDatasetBuffer");
}

static int fill(struct acl_model *model, struct acl_io *own, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    int rc = acl_enter(device, 0, error);
    if (rc)
        return rc;
    own->input = device->acl.aclmdlCreateDataset();
    own->output = device->acl.aclmdlCreateDataset();
    rc = acl_expect(device, own->input && own->output, error, "aclmdlCreateDataset gave nothing");
    for (size_t i = 0; !rc && i < model->n_inputs + model->n_outputs; i++)
        rc = add_buffer(model, own, i, error);
    return rc ? rc : acl_aipp_attach(model, own->input, error);
}

int acl_io_create(void *loaded, struct aispipe_io *io, struct aispipe_error *error)
{
    struct acl_model *model = loaded;
    size_t n = model->n_inputs + model->n_outputs;
    struct acl_io *own = calloc(1, sizeof *own);
    if (!own)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the datasets of a batch slot");
    own->memory = calloc(n, sizeof *own->memory);
    own->bound = calloc(n, sizeof *own->bound);
    own->buffers = calloc(n, sizeof *own->buffers);
    own->descs = calloc(model->n_inputs, sizeof *own->descs);
    own->actual = calloc(model->n_outputs, sizeof *own->actual);
    if (!own->memory || !own->bound || !own->buffers || !own->descs || !own->actual) {
        forget(own);
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the datasets of a batch slot");
    }
    int rc = fill(model, own, error);
    if (rc) {
        destroy(model, own);
        return rc;
    }
    io->device = own;
    return 0;
}

/* The model's input or output that is described as number `index`. */
static size_t port_of(const struct acl_model *model, bool output, size_t index)
{
    if (output)
        return model->n_inputs + index;
    size_t port = 0;
    while (model->ports[port].shown != (int)index)
        port++;
    return port;
}

int acl_io_bind(void *loaded, struct aispipe_io *io, bool output, size_t index, void *memory,
                struct aispipe_error *error)
{
    const struct acl_model *model = loaded;
    struct acl_device *device = model->device;
    const struct acl_io *own = io->device;
    size_t port = port_of(model, output, index);
    own->bound[port] = memory;
    return acl_check(
        device,
        device->acl.aclUpdateDataBuffer(own->buffers[port], acl_address(own, port), model->ports[port].bytes),
        error, "aclUpdateDataBuffer of %s %zu", output ? "output" : "input", index);
}

/* SPDX-License-Identifier: MIT */
#include "tensor.h"

#include "clock.h"
#include "open_sessions.h"
#include "shape.h"
#include "transfers.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- making them */

/* Checks what is asked for, and copies it with its size. */
static int take_desc(const struct aispipe_tensor_desc *desc, struct aispipe_tensor_desc *own,
                     struct aispipe_error *error)
{
    if (!aispipe_dtype_size(desc->dtype))
        return aispipe_fail(error, AISPIPE_INVALID, "%d is no element type of a tensor", (int)desc->dtype);
    if (desc->rank < 0 || desc->rank > AISPIPE_MAX_RANK)
        return aispipe_fail(error, AISPIPE_INVALID, "a tensor has 0 to %d dimensions, not %d",
                            AISPIPE_MAX_RANK, desc->rank);
    *own = *desc;
    own->name = NULL;
    for (int i = 0; i < own->rank; i++)
        if (own->dims[i] < 0)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "dimension %d of a tensor is %lld; 0 or more is wanted", i,
                                (long long)own->dims[i]);
    if (!shape_set_size(own))
        return aispipe_fail(error, AISPIPE_INVALID, "the size of a tensor overflows");
    return 0;
}

/* A tensor with `room` bytes behind it, in one piece. */
struct aispipe_tensor *tensor_allocate(const struct aispipe_tensor_desc *desc, size_t room)
{
    const size_t head =
        (sizeof(struct aispipe_tensor) + TENSOR_ALIGNMENT - 1) & ~(size_t)(TENSOR_ALIGNMENT - 1);
    size_t bytes;
    if (__builtin_add_overflow(room, head + TENSOR_ALIGNMENT, &bytes))
        return NULL;
    struct aispipe_tensor *made = aligned_alloc(TENSOR_ALIGNMENT, bytes & ~(size_t)(TENSOR_ALIGNMENT - 1));
    if (!made)
        return NULL;
    *made = (struct aispipe_tensor){.device = AISPIPE_HOST, .desc = *desc};
    atomic_init(&made->refs, 1);
    made->data = (char *)made + head;
    return made;
}

/* The same on a device: nothing behind it. */
int tensor_allocate_on(struct place *place, const struct aispipe_tensor_desc *desc, size_t room,
                       struct aispipe_tensor **tensor, struct aispipe_error *error)
{
    struct aispipe_tensor *made = tensor_allocate(desc, 0);
    *tensor = NULL;
    if (!made)
        return tensor_no_memory(desc->size, error);
    made->data = NULL;
    made->device = place_device(place);
    int rc = place_alloc(place, room, &made->memory, error);
    if (rc) {
        free(made);
        return rc;
    }
    *tensor = made;
    return 0;
}

int aispipe_tensor_create(const struct aispipe_tensor_desc *desc, struct aispipe_tensor **tensor,
                          struct aispipe_error *error)
{
    struct aispipe_tensor_desc own;
    int rc = take_desc(desc, &own, error);
    *tensor = rc ? NULL : tensor_allocate(&own, own.size);
    return rc || *tensor ? rc : tensor_no_memory(own.size, error);
}

int aispipe_tensor_wrap(const struct aispipe_tensor_desc *desc, void *data, aispipe_release_fn release,
                        void *context, struct aispipe_tensor **tensor, struct aispipe_error *error)
{
    struct aispipe_tensor_desc own;
    *tensor = NULL;
    int rc = take_desc(desc, &own, error);
    if (rc)
        return rc;
    if (!data && own.size)
        return aispipe_fail(error, AISPIPE_INVALID, "a tensor of %zu bytes needs memory", own.size);
    struct aispipe_tensor *made = tensor_allocate(&own, 0);
    if (!made)
        return tensor_no_memory(sizeof *made, error);
    made->data = data;
    made->release = release;
    made->context = context;
    *tensor = made;
    return 0;
}

int aispipe_tensor_view(struct aispipe_tensor *tensor, const struct aispipe_tensor_desc *desc,
                        struct aispipe_tensor **view, struct aispipe_error *error)
{
    struct aispipe_tensor_desc own = {0};
    *view = NULL;
    int rc = take_desc(desc, &own, error);
    if (rc)
        return rc;
    if (own.size != tensor->desc.size)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "a view of %zu bytes of a tensor of %zu bytes: both have to be "
                            "the same",
                            own.size, tensor->desc.size);
    struct aispipe_tensor *made = tensor_allocate(&own, 0);
    if (!made)
        return tensor_no_memory(sizeof *made, error);
    made->data = tensor->data;
    made->memory = tensor->memory;
    made->device = tensor->device;
    made->root = aispipe_tensor_retain(tensor->root ? tensor->root : tensor);
    *view = made;
    return 0;
}

/* ---------------------------------------------------------------- references */

void tensor_destroy(struct aispipe_tensor *tensor)
{
    if (tensor->root)
        aispipe_tensor_release(tensor->root);
    else if (tensor->memory)
        place_free(tensor->memory);
    else if (tensor->release)
        tensor->release(tensor->context, tensor->data);
    free(tensor);
}

struct aispipe_tensor *aispipe_tensor_retain(struct aispipe_tensor *tensor)
{
    /* relaxed: who has a reference sees the tensor already */
    atomic_fetch_add_explicit(&tensor->refs, 1, memory_order_relaxed);
    return tensor;
}

void aispipe_tensor_release(struct aispipe_tensor *tensor)
{
    /* acq_rel: what others did with the tensor before they let go comes before its end here */
    if (!tensor || atomic_fetch_sub_explicit(&tensor->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (tensor->pool)
        tensor_pool_give_back(tensor);
    else
        tensor_destroy(tensor);
}

const struct aispipe_tensor_desc *aispipe_tensor_describe(const struct aispipe_tensor *tensor)
{
    return &tensor->desc;
}

void *aispipe_tensor_data(const struct aispipe_tensor *tensor)
{
    return tensor->data;
}

int aispipe_tensor_device(const struct aispipe_tensor *tensor)
{
    return tensor->device;
}

/* ---------------------------------------------------------------- moving them */

/* A copy in host memory that says `device`. */
static int copy_on_host(const struct aispipe_tensor *tensor, int device, struct aispipe_tensor **moved,
                        struct aispipe_error *error)
{
    struct aispipe_tensor *made = tensor_allocate(&tensor->desc, tensor->desc.size);
    *moved = NULL;
    if (!made)
        return tensor_no_memory(tensor->desc.size, error);
    uint64_t start = clock_ns();
    if (tensor->desc.size)
        memcpy(made->data, tensor->data, tensor->desc.size);
    transfers_note(device == AISPIPE_HOST ? AISPIPE_D2H : AISPIPE_H2D, clock_ns() - start);
    made->device = device;
    *moved = made;
    return 0;
}

static int copy_to_place(const struct aispipe_tensor *tensor, struct place *place,
                         struct aispipe_tensor **moved, struct aispipe_error *error)
{
    int rc = tensor_allocate_on(place, &tensor->desc, tensor->desc.size, moved, error);
    if (rc)
        return rc;
    rc = place_copy((*moved)->memory, tensor->data, tensor->desc.size, AISPIPE_H2D, error);
    if (!rc)
        return 0;
    aispipe_tensor_release(*moved);
    *moved = NULL;
    return rc;
}

/* Whether it is where it is to go already; an error where it is on a device, but on another. */
static int check_place(const struct aispipe_tensor *tensor, const struct aispipe_backend *backend,
                       int device_id, bool *there, struct aispipe_error *error)
{
    *there = false;
    if (tensor->device == AISPIPE_HOST)
        return 0;
    bool same = tensor->device == device_id;
    if (tensor->memory)
        same = same && (!backend || place_backend(place_of(tensor->memory)) == backend);
    if (!same)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "the tensor is on device %d%s%s and cannot be moved to device %d%s%s; move it to the host "
            "first",
            tensor->device, tensor->memory ? " of " : "",
            tensor->memory ? place_backend(place_of(tensor->memory))->name : "", device_id,
            backend ? " of " : "", backend ? backend->name : "");
    /* Host memory that says it is on a device goes on to where there is real memory. */
    *there = tensor->memory || !backend || !backend->memory_alloc;
    return 0;
}

/* Stands for devices that were opened for a tensor, before any model was loaded there. */
static const struct aispipe_backend no_session = {.name = "tensors"};

int aispipe_tensor_to_device(struct aispipe_tensor *tensor, const char *name, int device_id,
                             struct aispipe_tensor **moved, struct aispipe_error *error)
{
    const struct aispipe_backend *backend = NULL;
    struct place *place = NULL;
    bool there;
    *moved = NULL;
    if (device_id < 0 || device_id > 255)
        return aispipe_fail(error, AISPIPE_INVALID, "device %d: ids are 0 to 255", device_id);
    int rc = open_sessions_backend(name, device_id, &backend, error);
    if (!rc)
        rc = check_place(tensor, backend, device_id, &there, error);
    if (rc)
        return rc;
    if (there) {
        *moved = aispipe_tensor_retain(tensor);
        return 0;
    }
    if (!backend || !backend->memory_alloc)
        return copy_on_host(tensor, device_id, moved, error);
    rc = place_get(backend, device_id, &place, error);
    if (rc)
        return rc;
    open_sessions_close_at_exit(&no_session);
    return copy_to_place(tensor, place, moved, error);
}

int aispipe_tensor_to_host(struct aispipe_tensor *tensor, struct aispipe_tensor **moved,
                           struct aispipe_error *error)
{
    *moved = NULL;
    if (tensor->device == AISPIPE_HOST) {
        *moved = aispipe_tensor_retain(tensor);
        return 0;
    }
    if (!tensor->memory)
        return copy_on_host(tensor, AISPIPE_HOST, moved, error);
    struct aispipe_tensor *made = tensor_allocate(&tensor->desc, tensor->desc.size);
    if (!made)
        return tensor_no_memory(tensor->desc.size, error);
    int rc = place_copy(tensor->memory, made->data, tensor->desc.size, AISPIPE_D2H, error);
    if (rc) {
        aispipe_tensor_release(made);
        return rc;
    }
    *moved = made;
    return 0;
}

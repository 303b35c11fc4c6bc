/* SPDX-License-Identifier: MIT */
#include "slot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of transparent ones on x86-64, and on Arm with pages of 4 KiB. */
#define HUGE_PAGE ((size_t)2 << 20)

/* Room of one tensor in the block; empty tensors get a place too, because engines want a pointer. */
static bool add_tensors(const struct aispipe_tensor_desc *tensors, size_t n, size_t *total)
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes = tensors[i].size ? tensors[i].size : 1;
        if (__builtin_add_overflow(bytes, SLOT_ALIGNMENT - 1, &bytes) ||
            __builtin_add_overflow(*total, bytes & ~(size_t)(SLOT_ALIGNMENT - 1), total))
            return false;
    }
    return true;
}

int slot_bytes(const struct aispipe_backend *backend, void *model, size_t *host, size_t *device,
               struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = backend->describe(model);
    *host = 0;
    *device = backend->io_bytes ? backend->io_bytes(model) : 0;
    size_t sum;
    if (!add_tensors(desc->inputs, desc->n_inputs, host) ||
        !add_tensors(desc->outputs, desc->n_outputs, host) || __builtin_add_overflow(*host, *device, &sum))
        return aispipe_fail(error, AISPIPE_MODEL, "the sizes of the model's inputs and outputs overflow");
    return 0;
}

static char *place_tensors(const struct aispipe_tensor_desc *tensors, size_t n, void **table, char *at)
{
    for (size_t i = 0; i < n; i++) {
        table[i] = at;
        at += slot_room(&tensors[i]);
    }
    return at;
}

static int host_allocate(struct slot_pool *pool, size_t bytes, struct aispipe_error *error)
{
    void *memory = NULL;
    int rc = pool->backend->host_alloc(pool->model, bytes, &memory, error);
    pool->memory = rc ? NULL : memory;
    return rc;
}

/* Ordinary memory. Large slots get huge pages, which take fewer faults when they are first touched
 * (docs/decisions/0009-memory-and-cores.md). */
static char *take_memory(size_t bytes, size_t slot)
{
    size_t whole;
    if (slot < HUGE_PAGE || __builtin_add_overflow(bytes, HUGE_PAGE - 1, &whole))
        return aligned_alloc(SLOT_ALIGNMENT, bytes);
    whole &= ~(HUGE_PAGE - 1);
    char *memory = aligned_alloc(HUGE_PAGE, whole);
    if (memory)
        (void)madvise(memory, whole, MADV_HUGEPAGE); /* a wish: a kernel without them says no */
    return memory;
}

static int allocate(struct slot_pool *pool, size_t tensors_per_slot, size_t inputs_per_slot,
                    struct aispipe_error *error)
{
    size_t bytes;
    if (__builtin_mul_overflow(pool->host_bytes, (size_t)pool->count, &bytes))
        bytes = SIZE_MAX;
    pool->slots = calloc(pool->count, sizeof *pool->slots);
    pool->tensors = calloc((size_t)pool->count * tensors_per_slot + 1, sizeof *pool->tensors);
    pool->shapes = calloc((size_t)pool->count * inputs_per_slot, sizeof *pool->shapes);
    if (bytes != SIZE_MAX && pool->slots && pool->tensors && pool->shapes) {
        if (pool->backend->host_alloc)
            return host_allocate(pool, bytes, error);
        pool->memory = take_memory(bytes, pool->host_bytes);
    }
    if (!pool->memory)
        return aispipe_fail(error, AISPIPE_NO_MEMORY,
                            "no memory for %u batch slots of %zu bytes; lower --inflight", pool->count,
                            pool->host_bytes);
    return 0;
}

int slot_pool_open(struct slot_pool *pool, const struct aispipe_backend *backend, void *model, unsigned count,
                   struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = backend->describe(model);
    size_t tensors_per_slot = desc->n_inputs + desc->n_outputs;
    *pool = (struct slot_pool){.backend = backend, .model = model, .count = count};
    int rc = slot_bytes(backend, model, &pool->host_bytes, &pool->device_bytes, error);
    if (!rc)
        rc = allocate(pool, tensors_per_slot, desc->n_inputs, error);
    for (unsigned i = 0; !rc && i < count; i++) {
        struct slot *slot = &pool->slots[i];
        void **table = pool->tensors + i * tensors_per_slot;
        char *at = place_tensors(desc->inputs, desc->n_inputs, table, pool->memory + i * pool->host_bytes);
        place_tensors(desc->outputs, desc->n_outputs, table + desc->n_inputs, at);
        slot->index = i;
        slot->io.inputs = table;
        slot->io.outputs = table + desc->n_inputs;
        slot->shapes = pool->shapes + i * desc->n_inputs;
        memcpy(slot->shapes, desc->inputs, desc->n_inputs * sizeof *slot->shapes);
        rc = backend->io_create ? backend->io_create(model, &slot->io, error) : 0;
        if (!rc)
            pool->created = i + 1;
    }
    if (rc)
        slot_pool_close(pool);
    return rc;
}

void slot_pool_close(struct slot_pool *pool)
{
    for (unsigned i = 0; i < pool->created; i++)
        if (pool->backend->io_destroy)
            pool->backend->io_destroy(pool->model, &pool->slots[i].io);
    if (pool->memory && pool->backend->host_free)
        pool->backend->host_free(pool->model, pool->memory);
    else
        free(pool->memory);
    free(pool->tensors);
    free(pool->shapes);
    free(pool->slots);
    *pool = (struct slot_pool){0};
}

/* SPDX-License-Identifier: MIT */
/**
 * @file slot.h
 * Batch slots: the fixed set of batches in flight. All memory of a run's data is allocated here, once,
 * before the run; a slot then travels through the rings by its index and is used by one thread at a time.
 */
#ifndef AISPIPE_SLOT_H
#define AISPIPE_SLOT_H

#include "aispipe/backend.h"

/** Tensors start at multiples of this: a cache line, and the widest vector load. */
#define SLOT_ALIGNMENT 64

/** Bytes that a tensor takes in a block: aligned, and not 0, because engines want a pointer. The caller knows
 * that they do not overflow. */
static inline size_t slot_room(const struct aispipe_tensor_desc *tensor)
{
    size_t bytes = tensor->size ? tensor->size : 1;
    return (bytes + SLOT_ALIGNMENT - 1) & ~(size_t)(SLOT_ALIGNMENT - 1);
}

struct slot {
    struct aispipe_io io; /**< batch number, buffers, device resources */
    uint32_t index;
    uint32_t samples;                   /**< samples of the batch that count (the rest is filler) */
    uint64_t first_sample;              /**< number of the first one */
    struct aispipe_tensor_desc *shapes; /**< of the inputs, for sources whose batches have their own */
    bool dropped;                       /**< given up: the remaining stages only hand it on */
};

struct slot_pool {
    const struct aispipe_backend *backend;
    void *model;
    struct slot *slots;
    unsigned count;
    unsigned created;                   /**< slots whose io_create has succeeded */
    size_t host_bytes;                  /**< of one slot */
    size_t device_bytes;                /**< of one slot */
    void **tensors;                     /**< pointer tables of all slots */
    struct aispipe_tensor_desc *shapes; /**< of all slots' inputs */
    char *memory;                       /**< host buffers of all slots, one block */
};

/** Host and device bytes one slot needs. Negative status when the sizes overflow. */
int slot_bytes(const struct aispipe_backend *backend, void *model, size_t *host, size_t *device,
               struct aispipe_error *error);
/** Allocates `count` slots and their device resources. On failure nothing is left. */
int slot_pool_open(struct slot_pool *pool, const struct aispipe_backend *backend, void *model, unsigned count,
                   struct aispipe_error *error);
/** Frees everything. A zeroed pool is allowed. */
void slot_pool_close(struct slot_pool *pool);

#endif

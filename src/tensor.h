/* SPDX-License-Identifier: MIT */
/**
 * @file tensor.h
 * Inside of a tensor, and pools of them: what a session gives out comes back when nobody refers to it any
 * more, and is given out again. A pool is thread-safe, and outlives its session while tensors of it do.
 */
#ifndef AISPIPE_TENSOR_INSIDE_H
#define AISPIPE_TENSOR_INSIDE_H

#include "aispipe/tensor.h"
#include "place.h"

#include <stdatomic.h>

#define TENSOR_ALIGNMENT 64

struct tensor_pool;

struct aispipe_tensor {
    _Atomic size_t refs;
    void *data;                  /**< for the host; NULL: on a device */
    struct place_memory *memory; /**< on a device; NULL: on the host */
    int device;                  /**< AISPIPE_HOST, or what it says; of a CPU engine with `data` */
    aispipe_release_fn release;  /**< of borrowed memory; NULL: none */
    void *context;
    struct aispipe_tensor *root; /**< of a view: whose memory it is */
    struct tensor_pool *pool;    /**< where it goes in the end; NULL: it is freed */
    struct aispipe_tensor *next; /**< in the pool */
    struct aispipe_tensor_desc desc;
};

/** A tensor on the host with `room` bytes, described as `desc` says; NULL: no memory. Nothing is checked. */
struct aispipe_tensor *tensor_allocate(const struct aispipe_tensor_desc *desc, size_t room);
/** The same on a device. */
int tensor_allocate_on(struct place *place, const struct aispipe_tensor_desc *desc, size_t room,
                       struct aispipe_tensor **tensor, struct aispipe_error *error);
/** Returns AISPIPE_NO_MEMORY, here and not elsewhere, so that whoever reads a caller sees that it is no 0. */
static inline int tensor_no_memory(size_t bytes, struct aispipe_error *error)
{
    (void)aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a tensor of %zu bytes", bytes);
    return AISPIPE_NO_MEMORY;
}
/** Frees it, whoever refers to it. */
void tensor_destroy(struct aispipe_tensor *tensor);

/**
 * Tensors like `desc`, of which size counts as it is: room for an output whose shape is not known yet. On
 * `place`, with `room` bytes each, or (NULL) in host memory that says it is on `device`.
 */
int tensor_pool_create(const struct aispipe_tensor_desc *desc, size_t room, struct place *place, int device,
                       struct tensor_pool **pool, struct aispipe_error *error);
/** One that nobody else refers to, with the pool's description. */
int tensor_pool_take(struct tensor_pool *pool, struct aispipe_tensor **tensor, struct aispipe_error *error);
/** For a tensor of a pool that nobody refers to any more. */
void tensor_pool_give_back(struct aispipe_tensor *tensor);
/** Frees what is in it; what is out is freed when it comes back. NULL is allowed. */
void tensor_pool_close(struct tensor_pool *pool);

#endif

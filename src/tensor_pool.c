/* SPDX-License-Identifier: MIT */
/* Pools of tensors, see tensor.h. */
#include "fork.h"
#include "tensor.h"

#include <pthread.h>
#include <stdlib.h>

/* Free tensors that a pool keeps: as many as are usually alive at a time. */
#define KEPT 8

struct tensor_pool {
    pthread_mutex_t mutex;
    struct aispipe_tensor *free;
    unsigned n_free;
    size_t out;
    bool closed;
    unsigned fork;
    struct place *place;
    int device;
    size_t room; /**< with `place`: bytes of each */
    struct aispipe_tensor_desc desc;
};

int tensor_pool_create(const struct aispipe_tensor_desc *desc, size_t room, struct place *place, int device,
                       struct tensor_pool **pool, struct aispipe_error *error)
{
    *pool = calloc(1, sizeof **pool);
    if (!*pool)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the outputs of a session");
    pthread_mutex_init(&(*pool)->mutex, NULL);
    (*pool)->fork = fork_count;
    (*pool)->place = place;
    (*pool)->device = device;
    (*pool)->room = room;
    (*pool)->desc = *desc;
    (*pool)->desc.name = NULL;
    return 0;
}

static int make(struct tensor_pool *pool, struct aispipe_tensor **tensor, struct aispipe_error *error)
{
    if (pool->place)
        return tensor_allocate_on(pool->place, &pool->desc, pool->room, tensor, error);
    *tensor = tensor_allocate(&pool->desc, pool->desc.size);
    if (!*tensor)
        return tensor_no_memory(pool->desc.size, error);
    (*tensor)->device = pool->device;
    return 0;
}

static void count_out(struct tensor_pool *pool, int more)
{
    pthread_mutex_lock(&pool->mutex);
    pool->out += (size_t)more;
    pthread_mutex_unlock(&pool->mutex);
}

static struct aispipe_tensor *find(struct tensor_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    struct aispipe_tensor *found = pool->free;
    if (found) {
        pool->free = found->next;
        pool->n_free--;
        pool->out++;
    }
    pthread_mutex_unlock(&pool->mutex);
    return found;
}

int tensor_pool_take(struct tensor_pool *pool, struct aispipe_tensor **tensor, struct aispipe_error *error)
{
    struct aispipe_tensor *found = find(pool);
    /* Those that lay here while their device was finalised are of no use. */
    while (found && found->memory && !place_address(found->memory)) {
        count_out(pool, -1);
        tensor_destroy(found);
        found = find(pool);
    }
    *tensor = found;
    if (found) {
        atomic_store_explicit(&found->refs, 1, memory_order_relaxed); /* relaxed: it is nobody else's */
        return 0;
    }
    int rc = make(pool, tensor, error);
    if (rc)
        return rc;
    (*tensor)->pool = pool;
    count_out(pool, 1);
    return 0;
}

static void free_pool(struct tensor_pool *pool)
{
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

/* In a child of fork the pool is the parent's: its mutex may be locked for good. */
void tensor_pool_give_back(struct aispipe_tensor *tensor)
{
    struct tensor_pool *pool = tensor->pool;
    if (pool->fork != fork_count) {
        tensor_destroy(tensor);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->out--;
    bool last = pool->closed && !pool->out;
    bool kept = !pool->closed && pool->n_free < KEPT;
    if (kept) {
        tensor->next = pool->free;
        pool->free = tensor;
        pool->n_free++;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!kept)
        tensor_destroy(tensor);
    if (last)
        free_pool(pool);
}

void tensor_pool_close(struct tensor_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    struct aispipe_tensor *free_ones = pool->free;
    pool->free = NULL;
    pool->n_free = 0;
    pool->closed = true;
    bool last = !pool->out;
    pthread_mutex_unlock(&pool->mutex);
    while (free_ones) {
        struct aispipe_tensor *next = free_ones->next;
        tensor_destroy(free_ones);
        free_ones = next;
    }
    if (last)
        free_pool(pool);
}

/* SPDX-License-Identifier: MIT */
/* DPDK's rte_ring, in memory of our own: it needs nothing of DPDK's environment then. */
#include "bench.h"

#include "ring_queues.h"

#include <rte_ring.h>
#include <stdlib.h>

struct rte_queue {
    struct rte_ring *ring;
    unsigned spin;
    _Atomic bool closed;
};

static void *rte_queue_create(const struct queue_plan *plan)
{
    struct rte_queue *queue = queue_alloc("rte_ring", sizeof *queue);
    /* RING_F_EXACT_SZ: as many places as were asked for; otherwise it would keep one free. */
    unsigned flags = RING_F_EXACT_SZ | (plan->producers == 1 ? RING_F_SP_ENQ : 0) |
                     (plan->consumers == 1 ? RING_F_SC_DEQ : 0);
    ssize_t bytes = rte_ring_get_memsize(2 * plan->depth);
    queue->ring = bytes < 0 ? NULL : queue_alloc("rte_ring", (size_t)bytes);
    if (!queue->ring || rte_ring_init(queue->ring, "bench", plan->depth, flags) != 0)
        bench_die("rte_ring", "cannot make one of this depth; it must be a power of two");
    queue->spin = plan->spin;
    return queue;
}

static void rte_queue_destroy(void *queue)
{
    free(((struct rte_queue *)queue)->ring);
    free(queue);
}

static void rte_queue_close(void *queue)
{
    atomic_store_explicit(&((struct rte_queue *)queue)->closed, true, memory_order_release);
}

QUEUE_PUSH(rte_push_sp, struct rte_queue, rte_ring_sp_enqueue(q->ring, value) == 0)
QUEUE_PUSH(rte_push_mp, struct rte_queue, rte_ring_mp_enqueue(q->ring, value) == 0)
QUEUE_POP(rte_pop_sc, struct rte_queue, rte_ring_sc_dequeue(q->ring, &value) == 0)
QUEUE_POP(rte_pop_mc, struct rte_queue, rte_ring_mc_dequeue(q->ring, &value) == 0)

const struct queue_kind queue_rte = {
    .name = "rte_ring",
    .is_rival = true,
    .spins = true,
    .create = rte_queue_create,
    .destroy = rte_queue_destroy,
    .push = {rte_push_sp, rte_push_mp},
    .pop = {rte_pop_sc, rte_pop_mc},
    .close = rte_queue_close,
};

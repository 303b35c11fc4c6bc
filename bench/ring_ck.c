/* SPDX-License-Identifier: MIT */
/* ConcurrencyKit's ck_ring, with a buffer of pointers, as its manual shows it. It keeps one place free. */
#include "bench.h"

#include "ring_queues.h"

#include <ck_ring.h>
#include <stdlib.h>

struct ck_queue {
    ck_ring_t ring; /* pads the words that change; what follows is only read, as its last ones are */
    ck_ring_buffer_t *buffer;
    unsigned spin;
    _Atomic bool closed;
};

static void *ck_queue_create(const struct queue_plan *plan)
{
    struct ck_queue *queue = queue_alloc("ck_ring", sizeof *queue);
    queue->buffer = queue_alloc("ck_ring", plan->depth * sizeof(ck_ring_buffer_t));
    ck_ring_init(&queue->ring, plan->depth);
    queue->spin = plan->spin;
    return queue;
}

static void ck_queue_destroy(void *queue)
{
    free(((struct ck_queue *)queue)->buffer);
    free(queue);
}

static void ck_queue_close(void *queue)
{
    atomic_store_explicit(&((struct ck_queue *)queue)->closed, true, memory_order_release);
}

/* What a push does depends on the producers only, what a pop does on the consumers only (ck_ring.h). */
QUEUE_PUSH(ck_push_spsc, struct ck_queue, ck_ring_enqueue_spsc(&q->ring, q->buffer, value))
QUEUE_PUSH(ck_push_mpmc, struct ck_queue, ck_ring_enqueue_mpmc(&q->ring, q->buffer, value))
QUEUE_POP(ck_pop_spsc, struct ck_queue, ck_ring_dequeue_spsc(&q->ring, q->buffer, (void *)&value))
QUEUE_POP(ck_pop_mpmc, struct ck_queue, ck_ring_dequeue_mpmc(&q->ring, q->buffer, (void *)&value))

const struct queue_kind queue_ck = {
    .name = "ck_ring",
    .is_rival = true,
    .spins = true,
    .create = ck_queue_create,
    .destroy = ck_queue_destroy,
    .push = {ck_push_spsc, ck_push_mpmc},
    .pop = {ck_pop_spsc, ck_pop_mpmc},
    .close = ck_queue_close,
};

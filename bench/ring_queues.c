/* SPDX-License-Identifier: MIT */
/* Our ring, a bounded queue of a mutex and two condition variables, and liburcu's wfcqueue. */
#include "bench.h"

#include "ring_queues.h"

#include "ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#define _LGPL_SOURCE
#include <urcu/arch.h>
#include <urcu/wfcqueue.h>

enum { NAP_NS = 1000000, ALIGNMENT = 128 };

void *queue_alloc(const char *name, size_t bytes)
{
    size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *memory = aligned_alloc(ALIGNMENT, rounded);
    if (!memory)
        bench_die(name, "no memory");
    memset(memory, 0, rounded);
    return memory;
}

void queue_wait(unsigned *turn, unsigned spin)
{
    if (*turn >= spin) {
        (void)sched_yield();
        return;
    }
    unsigned pauses = *turn + 1; /* 1, 2, 4, 8, ... */
    for (unsigned i = 0; i < pauses; i++)
        caa_cpu_relax();
    *turn += pauses;
}

/* ------------------------------------------------------------------ the ring */

struct ring_queue {
    struct ring *ring;
    struct ring_wait wait;
};

static void *ring_queue_create(const struct queue_plan *plan)
{
    struct ring_queue *queue = queue_alloc("ring", sizeof *queue);
    unsigned flags = plan->fenced ? RING_FENCED : 0;
    if (plan->producers == 1)
        flags |= RING_ONE_PRODUCER;
    if (plan->consumers == 1)
        flags |= RING_ONE_CONSUMER;
    queue->ring = ring_create(plan->depth, flags);
    if (!queue->ring)
        bench_die("ring", "no memory");
    unsigned eighth = plan->depth / 8;
    queue->wait = (struct ring_wait){plan->spin, plan->one_item || !eighth ? 1 : eighth, NAP_NS, 0};
    return queue;
}

static void ring_queue_destroy(void *queue)
{
    ring_free(((struct ring_queue *)queue)->ring);
    free(queue);
}

static void ring_queue_push(void *queue, uint32_t item)
{
    struct ring_queue *q = queue;
    (void)ring_push(q->ring, item, &q->wait);
}

static bool ring_queue_pop(void *queue, uint32_t *item)
{
    struct ring_queue *q = queue;
    return ring_pop(q->ring, item, &q->wait) == 0;
}

static void ring_queue_close(void *queue)
{
    ring_close(((struct ring_queue *)queue)->ring);
}

const struct queue_kind queue_ring = {
    .name = "ring",
    .is_ours = true,
    .spins = true,
    .create = ring_queue_create,
    .destroy = ring_queue_destroy,
    .push = {ring_queue_push, ring_queue_push},
    .pop = {ring_queue_pop, ring_queue_pop},
    .close = ring_queue_close,
};

/* ------------------------------------------------------------------ mutex and conditions */

struct mutex_queue {
    pthread_mutex_t mutex;
    pthread_cond_t items, room;
    uint64_t head, tail;
    unsigned depth;
    bool closed;
    uint32_t cells[];
};

static void *mutex_create(const struct queue_plan *plan)
{
    struct mutex_queue *q = queue_alloc("mutex", sizeof *q + plan->depth * sizeof(uint32_t));
    q->depth = plan->depth;
    (void)pthread_mutex_init(&q->mutex, NULL);
    (void)pthread_cond_init(&q->items, NULL);
    (void)pthread_cond_init(&q->room, NULL);
    return q;
}

static void mutex_destroy(void *queue)
{
    struct mutex_queue *q = queue;
    (void)pthread_cond_destroy(&q->room);
    (void)pthread_cond_destroy(&q->items);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q);
}

static void mutex_push(void *queue, uint32_t item)
{
    struct mutex_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    while (q->tail - q->head == q->depth)
        (void)pthread_cond_wait(&q->room, &q->mutex);
    q->cells[q->tail++ % q->depth] = item;
    (void)pthread_mutex_unlock(&q->mutex);
    (void)pthread_cond_signal(&q->items);
}

static bool mutex_pop(void *queue, uint32_t *item)
{
    struct mutex_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    while (q->tail == q->head && !q->closed)
        (void)pthread_cond_wait(&q->items, &q->mutex);
    bool got = q->tail != q->head;
    if (got)
        *item = q->cells[q->head++ % q->depth];
    (void)pthread_mutex_unlock(&q->mutex);
    (void)pthread_cond_signal(&q->room);
    return got;
}

static void mutex_close(void *queue)
{
    struct mutex_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    q->closed = true;
    (void)pthread_mutex_unlock(&q->mutex);
    (void)pthread_cond_broadcast(&q->items);
}

const struct queue_kind queue_mutex = {
    .name = "mutex + condition",
    .create = mutex_create,
    .destroy = mutex_destroy,
    .push = {mutex_push, mutex_push},
    .pop = {mutex_pop, mutex_pop},
    .close = mutex_close,
};

/* ------------------------------------------------------------------ wfcqueue */

/* A node is reused only when its consumer has let it go: that is what bounds the queue. */
struct wf_node {
    _Alignas(64) struct cds_wfcq_node link;
    uint32_t item;
    atomic_bool taken;
};

struct wf_queue {
    struct cds_wfcq_head head;
    _Alignas(64) struct cds_wfcq_tail tail;
    _Alignas(64) atomic_bool closed;
    bool locked; /* more than one consumer: dequeuing needs the queue's mutex */
    unsigned spin;
    unsigned depth;
    uint64_t pushed;
    struct wf_node nodes[];
};

static void *wf_create(const struct queue_plan *plan)
{
    struct wf_queue *q = queue_alloc("wfcqueue", sizeof *q + plan->depth * sizeof(struct wf_node));
    cds_wfcq_init(&q->head, &q->tail);
    q->locked = plan->consumers > 1;
    q->spin = plan->spin;
    q->depth = plan->depth;
    return q;
}

static void wf_destroy(void *queue)
{
    struct wf_queue *q = queue;
    cds_wfcq_destroy(&q->head, &q->tail);
    free(q);
}

static void wf_push(void *queue, uint32_t item)
{
    struct wf_queue *q = queue;
    struct wf_node *node = &q->nodes[q->pushed++ % q->depth];
    unsigned turn = 0;
    while (atomic_load_explicit(&node->taken, memory_order_acquire))
        queue_wait(&turn, q->spin);
    atomic_store_explicit(&node->taken, true, memory_order_relaxed);
    node->item = item;
    cds_wfcq_node_init(&node->link);
    (void)cds_wfcq_enqueue(&q->head, &q->tail, &node->link);
}

static bool wf_pop(void *queue, uint32_t *item)
{
    struct wf_queue *q = queue;
    unsigned turn = 0;
    for (;;) {
        bool closed = atomic_load_explicit(&q->closed, memory_order_acquire);
        struct cds_wfcq_node *link = q->locked ? cds_wfcq_dequeue_blocking(&q->head, &q->tail)
                                               : __cds_wfcq_dequeue_blocking(&q->head, &q->tail);
        if (link) {
            /* cppcheck-suppress nullPointer; the macro takes the address of a member of no object, as
             * offsetof does */
            struct wf_node *node = caa_container_of(link, struct wf_node, link);
            *item = node->item;
            atomic_store_explicit(&node->taken, false, memory_order_release);
            return true;
        }
        if (closed)
            return false;
        queue_wait(&turn, q->spin);
    }
}

static void wf_close(void *queue)
{
    atomic_store_explicit(&((struct wf_queue *)queue)->closed, true, memory_order_release);
}

/* Only for one producer: two that are a lap apart would share a node. */
const struct queue_kind queue_wfcqueue = {
    .name = "liburcu wfcqueue",
    .spins = true,
    .create = wf_create,
    .destroy = wf_destroy,
    .push = {wf_push, NULL},
    .pop = {wf_pop, wf_pop},
    .close = wf_close,
};

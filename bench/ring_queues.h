/* SPDX-License-Identifier: MIT */
/**
 * @file ring_queues.h
 * The queues that the bench of the ring compares, behind one interface. All carry items of 32 bits, bounded
 * to `depth` of them. Where a rival has functions for one and for many producers or consumers, the bench
 * calls those that fit.
 */
#ifndef AISPIPE_BENCH_RING_QUEUES_H
#define AISPIPE_BENCH_RING_QUEUES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct queue_plan {
    unsigned depth;
    unsigned producers;
    unsigned consumers;
    unsigned spin;
    bool fenced;   /**< our ring without membarrier */
    bool one_item; /**< only one item travels: naps for more would never be rewarded */
};

typedef void (*queue_push)(void *queue, uint32_t item);
typedef bool (*queue_pop)(void *queue, uint32_t *item); /**< false: closed and empty */

struct queue_kind {
    const char *name;
    bool is_ours;
    bool is_rival; /**< a library's ring: what ours is held against */
    bool spins;    /**< `spin` means something to it */
    void *(*create)(const struct queue_plan *plan);
    void (*destroy)(void *queue);
    queue_push push[2]; /**< [0]: for one producer, [1]: for many */
    queue_pop pop[2];   /**< [0]: for one consumer, [1]: for many */
    void (*close)(void *queue);
};

extern const struct queue_kind queue_ring, queue_mutex, queue_wfcqueue;
#ifdef AISPIPE_HAVE_CK
extern const struct queue_kind queue_ck;
#endif
#ifdef AISPIPE_HAVE_DPDK
extern const struct queue_kind queue_rte;
#endif

/**
 * How those wait that have no way to sleep: ever longer pauses, as our ring makes them, and when `spin` of
 * them have not helped, the core is left to others. `turn` begins at 0.
 */
void queue_wait(unsigned *turn, unsigned spin);
/** aligned_alloc of zeros; ends the bench when there is no memory. */
void *queue_alloc(const char *name, size_t bytes);

/**
 * The functions of a library's ring of pointers, for a struct of `type` with `spin` and `closed`. Macros, so
 * that the library's own functions are inlined: `sent` and `got` are expressions over the struct `q` and the
 * pointer `value`, true where it went in or came out.
 */
#define QUEUE_PUSH(name, type, sent)             \
    static void name(void *queue, uint32_t item) \
    {                                            \
        type *q = queue;                         \
        void *value = (void *)(uintptr_t)item;   \
        unsigned turn = 0;                       \
        while (!(sent))                          \
            queue_wait(&turn, q->spin);          \
    }
#define QUEUE_POP(name, type, got)                                                  \
    static bool name(void *queue, uint32_t *item)                                   \
    {                                                                               \
        type *q = queue;                                                            \
        void *value;                                                                \
        unsigned turn = 0;                                                          \
        while (!(got)) {                                                            \
            bool closed = atomic_load_explicit(&q->closed, memory_order_acquire);   \
            if (closed && !(got)) /* what was sent before it was closed is there */ \
                return false;                                                       \
            if (closed)                                                             \
                break;                                                              \
            queue_wait(&turn, q->spin);                                             \
        }                                                                           \
        *item = (uint32_t)(uintptr_t)value;                                         \
        return true;                                                                \
    }

#endif

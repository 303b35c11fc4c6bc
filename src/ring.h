/* SPDX-License-Identifier: MIT */
/**
 * @file ring.h
 * A bounded, lock-free ring of slot indices between stages, and the place where a stage waits for it.
 *
 * How the ring works. Positions count pushes (tail) and pops (head) for ever; position p lives in cell
 * p mod capacity. They start at `capacity`, so that a cell of zeros is older than any position. One 64-bit
 * word per cell holds the position that was pushed there last (its low 40 bits) and its item (24 bits):
 *
 *     push   writes position and item into the cell, in one atomic step: that is the whole hand-over.
 *            It may when the cell's last position is `capacity` before its own and head has passed that one.
 *     pop    reads the cell at head and, if it holds that very position, moves head on: that is the whole
 * pop. Cells are never written by it, so they travel one way only, from producers to consumers.
 *
 * Head is exact. Tail is a hint about where to look next: whoever finds in the cells that it lags goes on
 * from what he found. So no thread that is interrupted in the middle can hold up another. With one producer
 * or one consumer its step is a plain store instead of a compare-and-swap. `limit` is head + capacity as a
 * producer saw it last: only when a producer gets there does it look at the consumers' word. A position's 40
 * bits repeat after 10^12 pushes; only a thread that was interrupted for exactly that long could take one for
 * the other.
 *
 * How waiting works. A side that finds nothing to do spins a little, then yields the core as long as others
 * want it, then naps: it asks to be woken when `wake_batch` items (or free places) have gathered, but sleeps
 * no longer than `nap_ns`. If the nap ends and there is still nothing, it parks until the next single item.
 * So threads that share a core hand over without a wake-up, a busy pipeline pays one wake-up for many
 * batches, a slow one is woken for each batch at once, and an idle one costs nothing. Who waits for
 * room is in no hurry, because the other side has a ringful to do: its spinning lets about `wake_batch`
 * places gather before it looks. Each kind of sleep has a bell of its own: a counting semaphore whose waker
 * takes the sleeper off the list before it wakes it, so that one sleeper is never woken twice.
 *
 * Who pays for it. The waker must not overlook a sleeper who has just registered, nor the sleeper what the
 * waker has just changed. Usually that takes a full fence on both sides. Here the sleeper has the kernel make
 * it for all running threads, with membarrier; the waker only keeps the order of its program. Where the
 * kernel refuses membarrier, and under ThreadSanitizer, both sides have fences (RING_FENCED).
 *
 * The protocol is modelled and checked in tests/model/ring.pml; what it costs, and what was tried, is in
 * docs/decisions/0001-ring-and-waiting.md.
 */
#ifndef AISPIPE_RING_H
#define AISPIPE_RING_H

#include "aispipe/aispipe.h"

#include <stdatomic.h>

/** Words of different writers are this far apart: some processors fetch lines of 64 bytes in pairs, and some
 * have lines of 128. */
#define RING_CACHE_LINE 128
#define RING_ITEM_BITS 24
/** Items are smaller than this; so is a ring's capacity. */
#define RING_MAX_ITEMS (1u << RING_ITEM_BITS)

enum ring_flags {
    RING_ONE_PRODUCER = 1u << 0, /**< only one thread ever pushes */
    RING_ONE_CONSUMER = 1u << 1, /**< only one thread ever pops */
    /** Fewer items circulate than the ring has room for: nobody ever waits for room, so pops need not look.
     */
    RING_NEVER_FULL = 1u << 2,
    /** Fences on both sides instead of membarrier; ring_create adds it where the kernel knows no membarrier.
     */
    RING_FENCED = 1u << 3,
};

/**
 * Where one side of the ring waits: two counting semaphores with timed waits. `permits` are their futex
 * words: wake-ups given and not yet taken. `sleepers` counts, for each, who is registered and not yet claimed
 * by a waker; in one word, so that a waker's fast path is one look at it.
 */
struct ring_gate {
    _Atomic uint64_t sleepers;  /**< how many nap, how many are parked; see ring.c */
    _Atomic int32_t permits[2]; /**< of the nappers, of the parked */
    _Atomic uint32_t nap_need;  /**< what the nappers asked for last */
    /* Guesses of those who wait: how long it pays to spin, how often to yield. On a line of their own,
     * because they change while others look whether somebody sleeps. */
    _Alignas(RING_CACHE_LINE) _Atomic uint32_t spin;
    _Atomic uint32_t pause;     /**< before the first look for room */
    _Atomic uint64_t waited_at; /**< where tail was when somebody waited for room last */
    _Atomic uint32_t yields;
    _Atomic uint32_t vain_ns;   /**< how long to yield where nobody else wants the core */
    _Atomic uint32_t yieldless; /**< waits that are still to do without */
};

struct ring {
    /* Read-mostly: shared by everybody without traffic. */
    _Alignas(RING_CACHE_LINE) uint64_t mask; /**< capacity - 1 */
    unsigned flags;                          /**< enum ring_flags */
    _Atomic bool closed;
    /* Each word that one side writes has a cache line of its own. */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t tail;
    _Atomic uint64_t limit; /**< head + capacity, or what it was: the producers' own copy */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t head;
    _Alignas(RING_CACHE_LINE) struct ring_gate items; /**< consumers wait here */
    _Alignas(RING_CACHE_LINE) struct ring_gate room;  /**< producers wait here */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t cells[];
};

/** How patiently to wait; see the page above. Who does not spin does not yield either. */
struct ring_wait {
    unsigned spin;
    unsigned wake_batch;
    uint64_t nap_ns;
    uint64_t deadline_ns; /**< CLOCK_MONOTONIC, when to give up; 0: never */
};

/** Makes a ring of at least `capacity` places (rounded up to a power of two). NULL: no memory or too many. */
struct ring *ring_create(unsigned capacity, unsigned flags);
/** Nobody may use the ring any more. NULL is allowed. */
void ring_free(struct ring *ring);

/** Tries once. False: the ring is full. Does not look at `closed`. */
static inline bool ring_try_push(struct ring *ring, uint32_t item);
/** Tries once. False: the ring is empty. */
static inline bool ring_try_pop(struct ring *ring, uint32_t *item);

/** Waits for room. 0, or AISPIPE_CLOSED (the item was not taken) when the ring is closed, or AISPIPE_TIMEOUT.
 */
static inline int ring_push(struct ring *ring, uint32_t item, const struct ring_wait *wait);
/** Waits for an item. 0, or AISPIPE_CLOSED when the ring is closed and empty, or AISPIPE_TIMEOUT. */
static inline int ring_pop(struct ring *ring, uint32_t *item, const struct ring_wait *wait);

/** Ends the ring: pushes fail from now on, pops drain what is there, all sleepers wake. Any thread, any
 * number of times. */
void ring_close(struct ring *ring);
static inline bool ring_is_closed(const struct ring *ring);

unsigned ring_capacity(const struct ring *ring);
/** Items in the ring; exact when nobody else uses it, a good guess otherwise. Never above the capacity. */
unsigned ring_level(const struct ring *ring);

/* ------------------------------------------------------------------ push and pop
 * Here, so that what happens without waiting is inlined; the rest is in ring.c.
 */

/* Somebody sleeps at the gate, or may: wakes whom the change that has just been made satisfies. */
__attribute__((cold)) void ring_wake(struct ring *ring, bool for_room);
/* What ring_push and ring_pop do after a first attempt that has failed. */
int ring_keep_pushing(struct ring *ring, uint32_t item, const struct ring_wait *wait);
int ring_keep_popping(struct ring *ring, uint32_t *item, const struct ring_wait *wait);

static inline bool ring_is_closed(const struct ring *ring)
{
    /* acquire: pairs with the release in ring_close. */
    return atomic_load_explicit(&ring->closed, memory_order_acquire);
}

/* The compiler must not look before the change is made; the processor may, unless it is told not to by
 * membarrier in gate_sleep. So this pairs with that. */
static inline void ring_signal(struct ring *ring, bool for_room)
{
    atomic_signal_fence(memory_order_seq_cst);
    const struct ring_gate *gate = for_room ? &ring->room : &ring->items;
    if (__builtin_expect(atomic_load_explicit(&gate->sleepers, memory_order_relaxed) != 0, 0))
        ring_wake(ring, for_room);
}

/* How far the position in a cell is ahead of `position`: 0 if it is the same. */
static inline int64_t ring_cell_ahead(uint64_t cell, uint64_t position)
{
    return (int64_t)(cell - (position << RING_ITEM_BITS)) >> RING_ITEM_BITS;
}

/* Whether position `tail` is beyond what consumers have left; looks at their word only when need be. */
static inline bool ring_is_full(struct ring *ring, uint64_t tail)
{
    /* acquire: another producer may have stored it; pairs with the release below. */
    uint64_t limit = atomic_load_explicit(&ring->limit, memory_order_acquire);
    if (__builtin_expect(limit > tail, 1))
        return false;
    /* acquire: pairs with the release of a pop. Consumers have read the cell before we write to it. */
    limit = atomic_load_explicit(&ring->head, memory_order_acquire) + ring->mask + 1;
    /* release: pairs with the acquire above. An older value may replace a newer one; it is only stricter. */
    atomic_store_explicit(&ring->limit, limit, memory_order_release);
    return limit <= tail;
}

static inline bool ring_push_alone(struct ring *ring, uint32_t item)
{
    /* relaxed: our own word; others take it for a hint. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (ring_is_full(ring, tail))
        return false;
    /* release: publishes the slot's contents with the item; pairs with the acquire of a pop. */
    atomic_store_explicit(&ring->cells[tail & ring->mask], tail << RING_ITEM_BITS | item,
                          memory_order_release);
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_relaxed);
    return true;
}

static inline bool ring_push_among_many(struct ring *ring, uint32_t item)
{
    /* relaxed: a hint. It may lag, but every position before it has been pushed: that is all we need. */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        if (ring_is_full(ring, tail)) {
            /* So that who waits for room is not misled for ever by a tail that lags. */
            if (atomic_load_explicit(&ring->tail, memory_order_relaxed) != tail)
                atomic_store_explicit(&ring->tail, tail, memory_order_relaxed);
            return false;
        }
        _Atomic uint64_t *cell = &ring->cells[tail & ring->mask];
        uint64_t seen = atomic_load_explicit(cell, memory_order_relaxed);
        int64_t ahead = ring_cell_ahead(seen, tail);
        if (ahead >= 0)
            tail += (uint64_t)ahead + 1; /* pushed already, and so was every position up to that one */
        /* release: as in ring_push_alone. It fails if `seen` is no longer what the cell holds. */
        else if (atomic_compare_exchange_strong_explicit(cell, &seen, tail << RING_ITEM_BITS | item,
                                                         memory_order_release, memory_order_relaxed))
            break;
    }
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_relaxed);
    return true;
}

static inline bool ring_pop_alone(struct ring *ring, uint32_t *item)
{
    /* relaxed: our own word. */
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* acquire: pairs with the release of the push, so that we see what is in the slot. */
    uint64_t cell = atomic_load_explicit(&ring->cells[head & ring->mask], memory_order_acquire);
    /* What is left without our position is the item; without another one, it is more than an item can be. */
    uint64_t rest = cell - (head << RING_ITEM_BITS);
    if (__builtin_expect(rest >= RING_MAX_ITEMS, 0))
        return false;
    /* release: the cell was read before; pairs with the acquire in ring_is_full. */
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    *item = (uint32_t)rest;
    return true;
}

static inline bool ring_pop_among_many(struct ring *ring, uint32_t *item)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    for (;;) {
        /* acquire: as in ring_pop_alone. The item is only ours if head is still there afterwards; the cell
         * cannot have changed in between, because producers do not pass head. */
        uint64_t cell = atomic_load_explicit(&ring->cells[head & ring->mask], memory_order_acquire);
        int64_t ahead = ring_cell_ahead(cell, head);
        if (ahead < 0)
            return false; /* not pushed yet; so head cannot have moved on either */
        if (ahead > 0) {
            head = atomic_load_explicit(&ring->head, memory_order_relaxed);
            continue;
        }
        /* release: as in ring_pop_alone. When it fails, `head` is where head is now. */
        if (atomic_compare_exchange_strong_explicit(&ring->head, &head, head + 1, memory_order_release,
                                                    memory_order_relaxed)) {
            *item = (uint32_t)(cell & (RING_MAX_ITEMS - 1));
            return true;
        }
    }
}

static inline bool ring_try_push(struct ring *ring, uint32_t item)
{
    bool alone = __builtin_expect((ring->flags & RING_ONE_PRODUCER) != 0, 1);
    bool done = alone ? ring_push_alone(ring, item) : ring_push_among_many(ring, item);
    if (done)
        ring_signal(ring, false);
    return done;
}

static inline bool ring_try_pop(struct ring *ring, uint32_t *item)
{
    bool alone = __builtin_expect((ring->flags & RING_ONE_CONSUMER) != 0, 1);
    bool done = alone ? ring_pop_alone(ring, item) : ring_pop_among_many(ring, item);
    if (done)
        ring_signal(ring, true);
    return done;
}

static inline int ring_push(struct ring *ring, uint32_t item, const struct ring_wait *wait)
{
    if (!ring_is_closed(ring) && ring_try_push(ring, item))
        return 0;
    return ring_keep_pushing(ring, item, wait);
}

static inline int ring_pop(struct ring *ring, uint32_t *item, const struct ring_wait *wait)
{
    if (ring_try_pop(ring, item))
        return 0;
    return ring_keep_popping(ring, item, wait);
}

#endif

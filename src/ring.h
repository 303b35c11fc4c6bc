/* SPDX-License-Identifier: MIT */
/**
 * @file ring.h
 * A bounded, lock-free ring of slot indices between stages, and the place where a stage waits for it.
 *
 * How the ring works. A position p counts pushes (tail) or pops (head) from 0 for ever; it lives in cell
 * p mod capacity, on lap p / capacity. One 64-bit word per cell holds a turn and an item:
 *
 *     turn = 2 × lap       the cell is empty and waits for the push of that lap
 *     turn = 2 × lap + 1   the cell holds that lap's item
 *
 * A push changes 2·lap to 2·lap+1, a pop changes 2·lap+1 to 2·(lap+1), each in one atomic step together with
 * the item. That step is the whole hand-over: head and tail are only hints about where to look next, and
 * whoever finds one lagging moves it on. So no thread that is interrupted in the middle can hold up another.
 * With one producer (or one consumer) the step is a plain store instead of a compare-and-swap.
 * Turns have 40 bits and items 24: 2^39 laps before a turn repeats.
 *
 * How waiting works. A side that finds nothing to do spins a little, then naps: it asks to be woken when
 * `wake_batch` items (or free places) have gathered, but sleeps no longer than `nap_ns`. If the nap ends and
 * there is still nothing, it parks until the next single item. So a busy pipeline pays one wake-up for many
 * batches, a slow one is woken for each batch at once, and an idle one costs nothing. Each kind of sleep has
 * a bell of its own: a counting semaphore whose waker takes the sleeper off the list before it wakes it, so
 * that one sleeper is never woken twice.
 *
 * The protocol is modelled and checked in tests/model/ring.pml.
 */
#ifndef AISPIPE_RING_H
#define AISPIPE_RING_H

#include "aispipe/aispipe.h"

#include <stdatomic.h>

#define RING_CACHE_LINE 64
#define RING_ITEM_BITS 24
/** Items are smaller than this; so is a ring's capacity. */
#define RING_MAX_ITEMS (1u << RING_ITEM_BITS)

enum ring_flags {
    RING_ONE_PRODUCER = 1u << 0, /**< only one thread ever pushes */
    RING_ONE_CONSUMER = 1u << 1, /**< only one thread ever pops */
    /** Fewer items circulate than the ring has room for: nobody ever waits for room, so pops need not look.
     */
    RING_NEVER_FULL = 1u << 2,
};

/** A counting semaphore with timed waits. `permits` is the futex word. */
struct ring_bell {
    _Atomic uint32_t sleepers; /**< registered and not yet claimed by a waker */
    _Atomic int32_t permits;   /**< wake-ups given and not yet taken */
};

/** Where one side of the ring waits. */
struct ring_gate {
    struct ring_bell nap;      /**< sleepers that want `wake_batch` items */
    struct ring_bell park;     /**< sleepers that want any item */
    _Atomic uint32_t nap_need; /**< what the nappers asked for last */
};

struct ring {
    /* Read-mostly: shared by everybody without traffic. */
    _Atomic uint64_t *cells;
    uint64_t mask;
    unsigned shift; /**< log2 of the capacity */
    unsigned flags; /**< enum ring_flags */
    _Atomic bool closed;
    /* Each word that one side writes has a cache line of its own. */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t tail;
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t head;
    _Alignas(RING_CACHE_LINE) struct ring_gate items; /**< consumers wait here */
    _Alignas(RING_CACHE_LINE) struct ring_gate room;  /**< producers wait here */
};

/** How patiently to wait; see the page above. */
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
bool ring_try_push(struct ring *ring, uint32_t item);
/** Tries once. False: the ring is empty. */
bool ring_try_pop(struct ring *ring, uint32_t *item);

/** Waits for room. 0, or AISPIPE_CLOSED (the item was not taken) when the ring is closed, or AISPIPE_TIMEOUT.
 */
int ring_push(struct ring *ring, uint32_t item, const struct ring_wait *wait);
/** Waits for an item. 0, or AISPIPE_CLOSED when the ring is closed and empty, or AISPIPE_TIMEOUT. */
int ring_pop(struct ring *ring, uint32_t *item, const struct ring_wait *wait);

/** Ends the ring: pushes fail from now on, pops drain what is there, all sleepers wake. Any thread, any
 * number of times. */
void ring_close(struct ring *ring);
bool ring_is_closed(const struct ring *ring);

unsigned ring_capacity(const struct ring *ring);
/** Items in the ring; exact when nobody else uses it, a good guess otherwise. Never above the capacity. */
unsigned ring_level(const struct ring *ring);

#endif

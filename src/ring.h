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
 * batches, a slow one is woken for each batch at once, and an idle one costs nothing. Each kind of sleep has
 * a bell of its own: a counting semaphore whose waker takes the sleeper off the list before it wakes it, so
 * that one sleeper is never woken twice.
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
    _Atomic uint32_t yields;
};

struct ring {
    /* Read-mostly: shared by everybody without traffic. */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t *cells;
    uint64_t mask;
    unsigned flags; /**< enum ring_flags */
    _Atomic bool closed;
    /* Each word that one side writes has a cache line of its own. */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t tail;
    _Atomic uint64_t limit; /**< head + capacity, or what it was: the producers' own copy */
    _Alignas(RING_CACHE_LINE) _Atomic uint64_t head;
    _Alignas(RING_CACHE_LINE) struct ring_gate items; /**< consumers wait here */
    _Alignas(RING_CACHE_LINE) struct ring_gate room;  /**< producers wait here */
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

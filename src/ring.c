/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include "clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/arch.h>
#include <urcu/futex.h>

#define ITEM_MASK ((uint64_t)RING_MAX_ITEMS - 1)

static inline uint64_t cell_of(uint64_t turn, uint32_t item)
{
    return turn << RING_ITEM_BITS | item;
}

static inline uint64_t turn_of(uint64_t cell)
{
    return cell >> RING_ITEM_BITS;
}

/* ------------------------------------------------------------------ bells */

static void bell_wake(struct ring_bell *bell)
{
    /* release: pairs with the acquire in bell_take, so the woken side sees what the waker did. */
    atomic_fetch_add_explicit(&bell->permits, 1, memory_order_release);
    (void)futex_noasync((int32_t *)&bell->permits, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Takes one sleeper off the list. The one who succeeds owes that sleeper exactly one permit. */
static bool bell_claim(struct ring_bell *bell)
{
    /* relaxed: the count only decides who wakes whom; ordering comes from permits and from the fences in
     * ring_signal and gate_sleep. */
    uint32_t sleepers = atomic_load_explicit(&bell->sleepers, memory_order_relaxed);
    while (sleepers)
        if (atomic_compare_exchange_weak_explicit(&bell->sleepers, &sleepers, sleepers - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static bool bell_take(struct ring_bell *bell)
{
    int32_t permits = atomic_load_explicit(&bell->permits, memory_order_relaxed);
    while (permits > 0)
        /* acquire: pairs with the release in bell_wake. */
        if (atomic_compare_exchange_weak_explicit(&bell->permits, &permits, permits - 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Sleeps until a permit comes, or until `deadline` (NULL: for ever) unless a waker has claimed us by then. */
static void bell_sleep(struct ring_bell *bell, const struct timespec *deadline)
{
    while (!bell_take(bell)) {
        /* FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC; the bits mean "any waker". */
        int rc = futex_noasync((int32_t *)&bell->permits, FUTEX_WAIT_BITSET_PRIVATE, 0, deadline, NULL, -1);
        if (rc == 0 || errno != ETIMEDOUT)
            continue;
        if (bell_claim(bell))
            return;      /* took ourselves (or an equal) off the list: nobody owes us a permit */
        deadline = NULL; /* claimed meanwhile: the permit is on its way */
    }
}

/* ------------------------------------------------------------------ gates */

/* After something became available: wake whom it satisfies. `level` is computed only when someone sleeps. */
static void ring_signal(const struct ring *ring, struct ring_gate *gate, bool for_room)
{
    /* seq_cst fence: pairs with the one in gate_sleep. Either we see the sleeper here, or it sees the cell
     * that we have just changed when it looks again after registering; both missing each other is excluded.
     */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->park.sleepers, memory_order_relaxed)) {
        if (bell_claim(&gate->park))
            bell_wake(&gate->park);
        return;
    }
    if (!atomic_load_explicit(&gate->nap.sleepers, memory_order_relaxed))
        return;
    unsigned level = ring_level(ring);
    if (for_room)
        level = ring_capacity(ring) - level;
    if (level >= atomic_load_explicit(&gate->nap_need, memory_order_relaxed) && bell_claim(&gate->nap))
        bell_wake(&gate->nap);
}

static bool ring_ready(const struct ring *ring, bool for_room)
{
    if (ring_is_closed(ring))
        return true;
    unsigned level = ring_level(ring);
    return for_room ? level < ring_capacity(ring) : level > 0;
}

/* Registers with the bell, looks once more, and sleeps if there is still nothing. */
static void gate_sleep(const struct ring *ring, struct ring_bell *bell, bool for_room,
                       const struct timespec *deadline)
{
    atomic_fetch_add_explicit(&bell->sleepers, 1, memory_order_relaxed);
    /* seq_cst fence: pairs with the ones in ring_signal and ring_close. */
    atomic_thread_fence(memory_order_seq_cst);
    if (ring_ready(ring, for_room) && bell_claim(bell))
        return;
    bell_sleep(bell, deadline);
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

/* One round of waiting: spin, nap, and park if the nap brought nothing. */
static void gate_wait(const struct ring *ring, struct ring_gate *gate, bool for_room,
                      const struct ring_wait *wait)
{
    /* Ever longer pauses: looking takes the cache line away from the side that is to change it, and what has
     * gathered meanwhile is had for one transfer of the line. */
    for (unsigned turn = 0, pause = 1; turn < wait->spin; turn += pause, pause *= 2) {
        if (ring_ready(ring, for_room))
            return;
        for (unsigned i = 0; i < pause; i++)
            caa_cpu_relax();
    }
    unsigned most = ring_capacity(ring) / 2;
    unsigned need = wait->wake_batch < most ? wait->wake_batch : most;
    if (need > 1) {
        atomic_store_explicit(&gate->nap_need, need, memory_order_relaxed);
        uint64_t end = clock_ns() + wait->nap_ns;
        bool gives_up = wait->deadline_ns && wait->deadline_ns <= end;
        struct timespec deadline = timespec_of(gives_up ? wait->deadline_ns : end);
        gate_sleep(ring, &gate->nap, for_room, &deadline);
        if (gives_up || ring_ready(ring, for_room))
            return;
    }
    struct timespec deadline = timespec_of(wait->deadline_ns);
    gate_sleep(ring, &gate->park, for_room, wait->deadline_ns ? &deadline : NULL);
}

static bool is_over(const struct ring_wait *wait)
{
    return wait->deadline_ns && clock_ns() >= wait->deadline_ns;
}

static void gate_wake_all(struct ring_gate *gate)
{
    while (bell_claim(&gate->park))
        bell_wake(&gate->park);
    while (bell_claim(&gate->nap))
        bell_wake(&gate->nap);
}

/* ------------------------------------------------------------------ ring */

struct ring *ring_create(unsigned capacity, unsigned flags)
{
    if (capacity > RING_MAX_ITEMS)
        return NULL;
    unsigned shift = 0;
    while (1u << shift < capacity)
        shift++;
    struct ring *ring = aligned_alloc(RING_CACHE_LINE, sizeof *ring);
    if (!ring)
        return NULL;
    size_t bytes = sizeof(uint64_t) << shift;
    if (bytes < RING_CACHE_LINE)
        bytes = RING_CACHE_LINE; /* aligned_alloc wants a multiple of the alignment */
    *ring = (struct ring){.mask = (1u << shift) - 1, .shift = shift, .flags = flags};
    ring->cells = aligned_alloc(RING_CACHE_LINE, bytes);
    if (!ring->cells) {
        free(ring);
        return NULL;
    }
    for (uint64_t i = 0; i <= ring->mask; i++)
        atomic_init(&ring->cells[i], 0); /* turn 0: empty, waiting for lap 0 */
    return ring;
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    free(ring->cells);
    free(ring);
}

/* Moves a lagging index from `seen` to the next position; somebody else may have done it. */
static inline void help_along(_Atomic uint64_t *index, uint64_t seen)
{
    /* relaxed: head and tail are hints, the cells carry the order. */
    atomic_compare_exchange_strong_explicit(index, &seen, seen + 1, memory_order_relaxed,
                                            memory_order_relaxed);
}

/*
 * One attempt, shared by push and pop. `index` is tail or head, `phase` 0 for a push and 1 for a pop: the
 * operation at position p finds its cell at turn 2·lap + phase and leaves it at the next turn.
 */
static inline bool ring_step(struct ring *ring, _Atomic uint64_t *index, unsigned phase, bool alone,
                             uint32_t *item)
{
    for (;;) {
        uint64_t position = atomic_load_explicit(index, memory_order_relaxed);
        _Atomic uint64_t *cell = &ring->cells[position & ring->mask];
        uint64_t turn = 2 * (position >> ring->shift) + phase;
        /* acquire: pairs with the release of the step before, which handed us this cell and, for a pop,
         * everything its producer wrote into the slot; for a push, everything its consumer read from it. */
        uint64_t seen = atomic_load_explicit(cell, memory_order_acquire);
        if (turn_of(seen) == turn) {
            uint64_t next = cell_of(turn + 1, phase ? 0 : *item);
            if (alone) {
                /* release: publishes the slot's contents with the item. Nobody else steps on this side. */
                atomic_store_explicit(cell, next, memory_order_release);
                atomic_store_explicit(index, position + 1, memory_order_relaxed);
            } else {
                if (!atomic_compare_exchange_strong_explicit(cell, &seen, next, memory_order_acq_rel,
                                                             memory_order_relaxed))
                    continue; /* another thread took this position */
                help_along(index, position);
            }
            if (phase)
                *item = (uint32_t)(seen & ITEM_MASK);
            return true;
        }
        /* Behind: the other side has not come round to this cell yet, so the ring is full (or empty) —
         * if `position` is still current; otherwise we looked at an old place. */
        if (turn_of(seen) < turn) {
            if (atomic_load_explicit(index, memory_order_relaxed) == position)
                return false;
            continue;
        }
        /* Ahead: this position was taken, but its taker has not moved the index on yet. */
        help_along(index, position);
    }
}

bool ring_try_push(struct ring *ring, uint32_t item)
{
    if (!ring_step(ring, &ring->tail, 0, ring->flags & RING_ONE_PRODUCER, &item))
        return false;
    ring_signal(ring, &ring->items, false);
    return true;
}

bool ring_try_pop(struct ring *ring, uint32_t *item)
{
    if (!ring_step(ring, &ring->head, 1, ring->flags & RING_ONE_CONSUMER, item))
        return false;
    if (!(ring->flags & RING_NEVER_FULL))
        ring_signal(ring, &ring->room, true);
    return true;
}

int ring_push(struct ring *ring, uint32_t item, const struct ring_wait *wait)
{
    for (;;) {
        if (ring_is_closed(ring))
            return AISPIPE_CLOSED;
        if (ring_try_push(ring, item))
            return 0;
        if (is_over(wait))
            return AISPIPE_TIMEOUT;
        gate_wait(ring, &ring->room, true, wait);
    }
}

int ring_pop(struct ring *ring, uint32_t *item, const struct ring_wait *wait)
{
    for (;;) {
        /* Read before the attempt: items pushed before the close must still be found. */
        bool closed = ring_is_closed(ring);
        if (ring_try_pop(ring, item))
            return 0;
        if (closed)
            return AISPIPE_CLOSED;
        if (is_over(wait))
            return AISPIPE_TIMEOUT;
        gate_wait(ring, &ring->items, false, wait);
    }
}

void ring_close(struct ring *ring)
{
    /* release: pairs with the acquire in ring_is_closed, so that whoever sees the end sees all pushes of the
     * closing thread; the seq_cst fence pairs with the one in gate_sleep, as in ring_signal. */
    atomic_store_explicit(&ring->closed, true, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    gate_wake_all(&ring->items);
    gate_wake_all(&ring->room);
}

bool ring_is_closed(const struct ring *ring)
{
    return atomic_load_explicit(&ring->closed, memory_order_acquire);
}

unsigned ring_capacity(const struct ring *ring)
{
    return (unsigned)ring->mask + 1;
}

unsigned ring_level(const struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail <= head)
        return 0;
    uint64_t level = tail - head;
    return level > ring->mask + 1 ? ring_capacity(ring) : (unsigned)level;
}

/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <urcu/futex.h>

struct live *live_create(unsigned slots)
{
    struct live *live = aligned_alloc(_Alignof(struct live), sizeof *live);
    if (!live)
        return NULL;
    *live = (struct live){.reserve = ring_create(slots, RING_NEVER_FULL)};
    if (live->reserve)
        return live;
    free(live);
    return NULL;
}

void live_free(struct live *live)
{
    if (!live)
        return;
    ring_free(live->reserve);
    free(live);
}

void live_changed(struct live *live)
{
    if (!live)
        return;
    /* release: pairs with the acquire in live_changes, so that who sees the count sees what has changed. */
    atomic_fetch_add_explicit(&live->changes, 1, memory_order_release);
    (void)futex_noasync((int32_t *)&live->changes, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

uint32_t live_changes(const struct live *live)
{
    return atomic_load_explicit(&live->changes, memory_order_acquire);
}

void live_sleep(struct live *live, uint32_t seen)
{
    (void)futex_noasync((int32_t *)&live->changes, FUTEX_WAIT_PRIVATE, (int32_t)seen, NULL, NULL, 0);
}

bool live_holds_back(struct live *live, const struct tuning *tuning, uint32_t slot)
{
    /* relaxed: the count only says how many; the slot itself travels through the ring. */
    unsigned circulating = atomic_load_explicit(&live->circulating, memory_order_relaxed);
    while (circulating > tuning->inflight)
        if (atomic_compare_exchange_weak_explicit(&live->circulating, &circulating, circulating - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            (void)ring_try_push(live->reserve, slot); /* there is room for all */
            return true;
        }
    return false;
}

void live_release(struct live *live, struct ring *free_slots, unsigned inflight)
{
    uint32_t slot;
    while (atomic_load_explicit(&live->circulating, memory_order_relaxed) < inflight &&
           ring_try_pop(live->reserve, &slot)) {
        atomic_fetch_add_explicit(&live->circulating, 1, memory_order_relaxed);
        (void)ring_try_push(free_slots, slot);
    }
}

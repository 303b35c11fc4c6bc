/* SPDX-License-Identifier: MIT */
/**
 * @file live.h
 * What may change under running stages: how they wait, how many threads of a stage work, how many batches are
 * in flight. A run that adapts itself (auto_tune) creates as many threads and slots as there may ever be.
 * Threads above the number in force park before they take their next batch: they sleep, and use no core,
 * until the number rises or their stage ends. Slots above the number in force are held back: a load thread
 * that takes a free slot too many lays it into a reserve and takes the next one; whoever raises the number
 * puts slots back.
 *
 * A run that does not adapt itself has none of this: `live` is NULL there, and a thread looks at that pointer
 * once a batch.
 */
#ifndef AISPIPE_LIVE_H
#define AISPIPE_LIVE_H

#include "ring.h"

/** Replaced as a whole, by RCU: readers see the old set or the new one. */
struct tuning {
    struct aispipe_tuning wait;
    unsigned active[AISPIPE_STAGES]; /**< threads of each stage that work, the rest park */
    unsigned inflight;               /**< slots that circulate, the rest are held back */
};

struct live {
    _Alignas(
        RING_CACHE_LINE) _Atomic uint32_t changes; /**< counts what parked threads must look at: a futex */
    _Alignas(RING_CACHE_LINE) _Atomic unsigned circulating; /**< slots that are not held back */
    struct ring *reserve;                                   /**< those that are */
    _Atomic unsigned in_force[AISPIPE_TUNE_PARAMETERS];     /**< for those who are no RCU readers */
};

/** For at most `slots` slots. NULL: no memory. */
struct live *live_create(unsigned slots);
/** NULL is allowed. */
void live_free(struct live *live);

/** Wakes all parked threads, to look again. NULL is allowed. Any thread. */
void live_changed(struct live *live);
/** What has changed so far: read it, look whether there is a reason to go on, and sleep if there is none. */
uint32_t live_changes(const struct live *live);
/** Sleeps, unless something has changed since `seen` was read. May return for no reason. */
void live_sleep(struct live *live, uint32_t seen);

/** Whether a load thread has to do without this slot: then it is in the reserve now. */
bool live_holds_back(struct live *live, const struct tuning *tuning, uint32_t slot);
/** Puts slots from the reserve into the ring of free ones until `inflight` circulate. One thread at a time,
 * when no reader has an older set any more. */
void live_release(struct live *live, struct ring *free_slots, unsigned inflight);

#endif

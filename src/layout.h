/* SPDX-License-Identifier: MIT */
/** @file layout.h How many threads, slots and places a run gets when the user did not say. */
#ifndef AISPIPE_LAYOUT_H
#define AISPIPE_LAYOUT_H

#include "live.h"
#include "tune_policy.h"

/** Most threads of one stage. */
#define LAYOUT_MAX_THREADS 1024

struct layout {
    unsigned threads[AISPIPE_STAGES]; /**< to be created */
    unsigned depth[AISPIPE_STAGES];
    unsigned inflight;    /**< slots to be created */
    struct tuning tuning; /**< what is in force at first: fewer of both, with auto_tune */
};

/** How to wait, with so many threads and slots in force, on the cores that the calling thread may run on. */
struct aispipe_tuning layout_wait(const unsigned active[AISPIPE_STAGES], unsigned inflight);
/** The numbers that are in force at first, of what auto_tune may change. */
struct tune_setting layout_setting(const struct layout *layout);
/** Fills what `options` leaves at 0, for the cores that the calling thread may run on. `slot_bytes` is one
 * slot, host and device. Refuses what cannot fit. */
int layout_choose(const struct aispipe_pipeline_options *options, uint64_t batches, size_t slot_bytes,
                  struct layout *layout, struct aispipe_error *error);

#endif

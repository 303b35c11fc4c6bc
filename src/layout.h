/* SPDX-License-Identifier: MIT */
/** @file layout.h How many threads, slots and places a run gets when the user did not say. */
#ifndef AISPIPE_LAYOUT_H
#define AISPIPE_LAYOUT_H

#include "aispipe/aispipe.h"

/** Most threads of one stage. */
#define LAYOUT_MAX_THREADS 1024

struct layout {
    unsigned threads[AISPIPE_STAGES];
    unsigned depth[AISPIPE_STAGES];
    unsigned inflight;
    struct aispipe_tuning tuning;
};

/** Fills what `options` leaves at 0, for the cores that the calling thread may run on. `slot_bytes` is one
 * slot, host and device. Refuses what cannot fit. */
int layout_choose(const struct aispipe_pipeline_options *options, uint64_t batches, size_t slot_bytes,
                  struct layout *layout, struct aispipe_error *error);

#endif

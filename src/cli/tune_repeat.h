/* SPDX-License-Identifier: MIT */
/**
 * @file tune_repeat.h
 * A dataset without an end: the batches of a source again and again, and a count of what comes out. A run
 * that is measured must neither end early nor wait for a dataset's end.
 */
#ifndef AISPIPE_CLI_TUNE_REPEAT_H
#define AISPIPE_CLI_TUNE_REPEAT_H

#include "aispipe/aispipe.h"

#include <stdatomic.h>

struct tune_repeat {
    struct aispipe_source source; /**< the dataset */
    struct aispipe_sink sink;     /**< a zeroed one drops results */
    /* What has come out so far; each is exact, the three together only nearly. */
    _Atomic uint64_t samples; /**< fillers of a last batch not counted */
    _Atomic uint64_t batches;
    _Atomic uint64_t last_ns; /**< when the last one came */
};

/** Both are copied; what they point to must live as long as the views. */
void tune_repeat_init(struct tune_repeat *repeat, const struct aispipe_source *source,
                      const struct aispipe_sink *sink);
/** The views; valid as long as `repeat`, which must not be moved. The sink's own sink is told running numbers
 * of samples, which do not begin again. */
struct aispipe_source tune_repeat_source(struct tune_repeat *repeat);
struct aispipe_sink tune_repeat_sink(struct tune_repeat *repeat);

#endif

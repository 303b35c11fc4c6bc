/* SPDX-License-Identifier: MIT */
/**
 * @file share.h
 * One device's part of a dataset that several devices run together: a view of the whole, which is not copied.
 *
 * The pipeline of a share counts its batches and samples from 0. Source and sink of the whole see the numbers
 * that batches and samples have there, so that names, and numbers in the summary, are those of the whole.
 */
#ifndef AISPIPE_IO_SHARE_H
#define AISPIPE_IO_SHARE_H

#include "aispipe/aispipe.h"

struct share {
    struct aispipe_source whole;
    struct aispipe_sink whole_sink;
    uint64_t first_batch;
    uint64_t batches;
    uint64_t first_sample;
    uint64_t samples;
};

/**
 * Share `index` of `count`: contiguous, in order, whole batches. The first shares have one batch more where
 * they cannot all be the same size; a share is empty where there are fewer batches than shares.
 * `whole` and `whole_sink` are copied, what they point to must live as long as the views.
 */
void share_init(struct share *share, const struct aispipe_source *whole,
                const struct aispipe_sink *whole_sink, unsigned index, unsigned count);
/** The views; valid as long as `share`, which must not be moved. */
struct aispipe_source share_source(struct share *share);
struct aispipe_sink share_sink(struct share *share);

#endif

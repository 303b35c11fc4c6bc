/* SPDX-License-Identifier: MIT */
/** @file tune_window.h How the windows of tune_policy.h are compared: the arithmetic alone. */
#ifndef AISPIPE_TUNE_WINDOW_H
#define AISPIPE_TUNE_WINDOW_H

#include "tune_policy.h"

/** A gain, as the natural logarithm of a ratio, and the half width of its 95 % interval. */
struct tune_gain {
    double mean;
    double half_width;
};

/** What lies between two samples. `ticks`, `sum` and `squares` are of the rates between them. */
struct tune_window tune_window_of(const struct tune_sample *begin, const struct tune_sample *end,
                                  unsigned ticks, double sum, double squares);
/** Batches from one sample to the other: those that were loaded or those that were saved, whichever is less.
 */
uint64_t tune_batches_between(const struct tune_sample *begin, const struct tune_sample *end);
/** Of all windows of the new setting against all of the old one, by the scatter of the ticks inside them. One
 * of each is enough, but what lasts longer than a tick, as bursts do, makes the interval narrower than it
 * should be.
 */
struct tune_gain tune_gain_of_ticks(const struct policy_trial *trial);
/** Of all pairs: each window of the new setting against the mean of its two neighbours. At least two pairs.
 */
struct tune_gain tune_gain_of_pairs(const struct policy_trial *trial);
/** By how much the share of time that the busiest stage works has risen, likewise. Much less noisy than the
 * rate where the times of batches vary: it shows whether the stage ran empty, and nothing else. */
double tune_busy_gain(const struct policy_trial *trial);
double tune_mean_rate(const struct tune_window *windows, unsigned n);

#endif

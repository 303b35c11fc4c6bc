/* SPDX-License-Identifier: MIT */
/**
 * @file tune_stats.h
 * Is one way of running faster than another? Both are run in pairs, one right after the other, so that what
 * slows the machine down for a while slows down both. The logarithms of the pairs' ratios are taken as a
 * sample of a normal distribution, and Student's t gives the interval in which their mean lies with 95 %.
 */
#ifndef AISPIPE_CLI_TUNE_STATS_H
#define AISPIPE_CLI_TUNE_STATS_H

#include <stddef.h>

/** Most pairs that are compared. */
#define TUNE_PAIRS_MOST 16

/** What pairs say about the ratio. */
struct tune_interval {
    double ratio; /**< geometric mean, without both ends where they are left out */
    double low;   /**< with one pair: 0 … */
    double high;  /**< … and infinite */
    size_t pairs;
};

/** The interval of `n` ratios, 1 to TUNE_PAIRS_MOST, each given as its natural logarithm. */
struct tune_interval tune_interval_of(const double *log_ratios, size_t n);
/** Of `n` values, up to TUNE_PAIRS_MOST; 0 of none. */
double tune_median(const double *values, size_t n);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file difference.h
 * How far the values of a tensor are from those of a reference. One thread uses a difference at a time;
 * nothing here allocates.
 */
#ifndef AISPIPE_DIFFERENCE_H
#define AISPIPE_DIFFERENCE_H

#include "aispipe/aispipe.h"

/** What is gathered. Zero-initialise. */
struct difference {
    uint64_t count;  /**< pairs of values that were looked at */
    uint64_t unlike; /**< pairs of which one is NaN or infinite and the other is not the same; in no figure */
    uint64_t finite; /**< pairs that the figures are made of */
    double max_abs;
    double max_rel; /**< of the pairs whose reference is not 0 */
    long double sum_abs;
    /* Squares of doubles do not overflow in here. */
    long double dot, square, reference_square;
};

/** Adds `count` pairs. A value that is NaN or infinite in both in the same way is equal, and in no figure. */
void difference_add(struct difference *difference, const double *values, const double *reference,
                    size_t count);
/** Adds what another one has gathered. */
void difference_merge(struct difference *into, const struct difference *from);
/** dot(a, b) / (|a| |b|), −1…1. 1 where nothing differs, 0 where one of them is all zero. */
double difference_cosine(const struct difference *difference);
/** 0 where there is nothing. */
double difference_mean_abs(const struct difference *difference);

#endif

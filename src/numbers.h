/* SPDX-License-Identifier: MIT */
/** @file numbers.h Elements of any type as numbers of the machine. Nothing here allocates; thread-safe. */
#ifndef AISPIPE_NUMBERS_H
#define AISPIPE_NUMBERS_H

#include "aispipe/aispipe.h"

#include <string.h>

/** The value of a type at an address that need not be aligned. */
#define NUMBER_AT(type, from)               \
    __extension__({                         \
        type read_;                         \
        memcpy(&read_, from, sizeof read_); \
        read_;                              \
    })

double half_to_double(uint16_t bits);
double bfloat16_to_double(uint16_t bits);

/**
 * Writes `count` elements, which need not be aligned, as doubles. Bool is 1 for every byte but 0; integers of
 * 64 bits are rounded. A type that is not known gives zeros.
 */
void numbers_to_double(enum aispipe_dtype dtype, const void *from, size_t count, double *to);

#endif

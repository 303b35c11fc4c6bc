/* SPDX-License-Identifier: MIT */
/**
 * @file text_format.h
 * Values as text, the same in every locale: "%f" for float types, "%d" for integers and bool, each followed
 * by one blank. Nothing here allocates; everything is thread-safe.
 */
#ifndef AISPIPE_IO_TEXT_FORMAT_H
#define AISPIPE_IO_TEXT_FORMAT_H

#include "aispipe/aispipe.h"

/** Longest text of one value, its blank included: the least float64, "-179…368.000000 ". */
#define TEXT_VALUE_MAX 318

/** Most bytes that one value of this type takes, its blank included; at most TEXT_VALUE_MAX. */
size_t text_width(enum aispipe_dtype dtype);

/**
 * Writes `count` values, which need not be aligned; `text` must have room for `count` times text_width().
 * Returns the length; the text is not terminated. Not-a-number is "nan" whatever its sign; halves are rounded
 * to even; bool is 1 for every byte but 0.
 */
size_t text_format(enum aispipe_dtype dtype, const void *values, size_t count, char *text);

/** Writes a number in decimal, at most 20 digits. Returns their count. Async-signal-safe. */
size_t text_digits(uint64_t number, char *text);

#endif

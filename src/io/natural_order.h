/* SPDX-License-Identifier: MIT */
/**
 * @file natural_order.h
 * The order of file names: runs of digits compare as numbers of any length, ASCII letters without case,
 * everything else by bytes.
 */
#ifndef AISPIPE_IO_NATURAL_ORDER_H
#define AISPIPE_IO_NATURAL_ORDER_H

#include <stddef.h>
#include <stdint.h>

/** The start of a name's place in the order, so that most comparisons need not touch the names. */
struct natural_key {
    uint64_t high, low;
};

/** Negative, 0 or positive. Names that are equal as names ("a01", "A1") are ordered by their bytes. */
int natural_compare(const char *left, const char *right);

/**
 * The key of `name`. Where two keys differ, their order is that of the names; where they are equal, only
 * natural_compare can tell.
 */
struct natural_key natural_key(const char *name);

/** How many bytes, at most `limit`, `left` and `right` have in common at their start, letters without case.
 */
size_t natural_common(const char *left, const char *right, size_t limit);

/**
 * Names that share their first `common` bytes may be compared, and their keys made, from behind the length
 * that is returned: it does not cut a run of digits in two.
 */
size_t natural_cut(const char *name, size_t common);

#endif

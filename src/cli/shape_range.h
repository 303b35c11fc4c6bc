/* SPDX-License-Identifier: MIT */
/**
 * @file shape_range.h
 * Many shapes in few words: "in1:1,3,200~224~8,224-230;in2:1,300", or a file with one such line each. a~b is
 * every size from a to b, a~b~s every s-th of them, a-b-c just these. All combinations are meant, the last
 * dimension changing fastest.
 */
#ifndef AISPIPE_CLI_SHAPE_RANGE_H
#define AISPIPE_CLI_SHAPE_RANGE_H

#include "aispipe/aispipe.h"

/** Most shapes that one range may stand for. */
#define SHAPE_RANGE_MOST 100000

struct shape_range;

/**
 * Reads `value`: the name of a file if there is one, else the text itself. Blank lines of a file are passed
 * over. The error names the part (and line) and what is wrong with it. Free it with shape_range_free.
 */
int shape_range_read(const char *value, struct shape_range **range, struct aispipe_error *error);
void shape_range_free(struct shape_range *range);

/** How many shapes there are, 1 to SHAPE_RANGE_MOST. */
size_t shape_range_count(const struct shape_range *range);

/** Writes shape `index` as --dymShape takes it. Returns its length as snprintf does. */
size_t shape_range_text(const struct shape_range *range, size_t index, char *text, size_t capacity);

#endif

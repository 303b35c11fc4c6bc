/* SPDX-License-Identifier: MIT */
/** @file check_shape.h The options on shapes: what their values may be, and what they mean together. */
#ifndef AISPIPE_CLI_CHECK_SHAPE_H
#define AISPIPE_CLI_CHECK_SHAPE_H

#include "aispipe/backend.h"
#include "cli/options_table.h"

/** Whether a value of OPTION_SHAPE, OPTION_RANGE or OPTION_SIZES can be read. The error does not name the
 * option. */
int check_shape_value(enum option_kind kind, const char *value, struct aispipe_error *error);

/** Refuses options that exclude each other, or lack what they need. `seen[i]` is the argument that gave entry
 * i of the table, or NULL. */
int check_one_shape(const struct options *options, const char *const *seen, struct aispipe_error *error);

/** The shape that the options ask for. It points into them and into `sizes`. */
struct aispipe_shape shape_of_options(const struct options *options, size_t sizes[AISPIPE_MAX_TENSORS]);

#endif

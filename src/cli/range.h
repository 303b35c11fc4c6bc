/* SPDX-License-Identifier: MIT */
/** @file range.h --dymShape_range: one run for each shape, and a comparison of them. */
#ifndef AISPIPE_CLI_RANGE_H
#define AISPIPE_CLI_RANGE_H

#include "aispipe/aispipe.h"

/** What runs one shape. */
struct range_runner {
    /** Runs shape `index`, written as --dymShape takes it. */
    int (*run)(void *context, size_t index, const char *shape, double *throughput,
               struct aispipe_error *error);
    /** Whether the user wants an end: no further shape is begun. */
    bool (*stopped)(void *context);
    void *context;
    const struct aispipe_log *log;
};

/**
 * Runs every shape of `value` (see shape_range.h), also after one has failed, and prints the block that
 * compares them. Returns 0 when all succeeded; otherwise the error tells how many failed, and why the first.
 */
int range_run(const char *value, const struct range_runner *runner, struct aispipe_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file compare_pairs.h
 * Which files of two result directories belong together: those of the same path below them, whatever the
 * format (x_0.bin and x_0.npy are the same result).
 */
#ifndef AISPIPE_CLI_COMPARE_PAIRS_H
#define AISPIPE_CLI_COMPARE_PAIRS_H

#include "aispipe/aispipe.h"

/** One result: its path below each directory, NULL where that one lacks it. */
struct result_pair {
    const char *name[2];
};

struct result_name;

struct result_pairs {
    struct result_pair *pairs; /**< in natural order of their names */
    size_t count;
    struct result_name *names[2]; /**< what the pairs point to */
    size_t n_names[2];
};

/**
 * Lists the results below both directories, those in directories below them included; links to directories
 * are not followed. The error names a directory that cannot be read, or two files that are the same result.
 */
int result_pairs_find(const char *const directories[2], struct result_pairs *pairs,
                      struct aispipe_error *error);
void result_pairs_free(struct result_pairs *pairs);

#endif

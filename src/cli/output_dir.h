/* SPDX-License-Identifier: MIT */
/** @file output_dir.h The directory that one run's results go to. */
#ifndef AISPIPE_CLI_OUTPUT_DIR_H
#define AISPIPE_CLI_OUTPUT_DIR_H

#include "aispipe/aispipe.h"

#include <limits.h>

struct output_dir {
    char path[PATH_MAX];              /**< "<output>/<dirname or time>" */
    char summary[PATH_MAX];           /**< "<path>_summary.json" */
    char tag[32];                     /**< "<pid>-<random>": marks this run's temporary files */
    char summary_temporary[PATH_MAX]; /**< ".aispipe-<tag>-summary.tmp" beside `summary` */
    size_t kept;                      /**< length of the part of `path` that existed before */
};

/**
 * Makes `<output>/<dirname>`, or `<output>/YYYY_MM_DD-HH_MM_SS` (local time; "_1", "_2", … is added when it
 * is there already) without `dirname`, and what is missing on the way to it, mode 0750. Checks that files can
 * be made in it.
 */
int output_dir_make(struct output_dir *directory, const char *output, const char *dirname,
                    struct aispipe_error *error);
/** Makes a directory that is not one run's own, and what is missing on the way to it, mode 0750. */
int output_dir_make_all(const char *path, struct aispipe_error *error);
/** Removes again what was made, as far as it is empty. A zeroed directory is allowed. */
void output_dir_remove_if_empty(const struct output_dir *directory);

#endif

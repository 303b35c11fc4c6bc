/* SPDX-License-Identifier: MIT */
/** @file tune_file.h What `aispipe tune` has found, as the file that --config takes. */
#ifndef AISPIPE_CLI_TUNE_FILE_H
#define AISPIPE_CLI_TUNE_FILE_H

#include "cli/tune_search.h"

/** Room for what tune_file_text writes. */
#define TUNE_FILE_MOST 512

/** The object of options that makes `point` of `start`: what differs, and the batch size of a model that
 * leaves it open. "{}" where nothing is to be said. `run` is one of the point's. */
void tune_file_text(const struct tune_point *point, const struct tune_point *start,
                    const struct tune_run *run, char text[TUNE_FILE_MOST]);
/** Refuses, before anything is measured, a place where no file can be made, and a file that is something else
 * than options: it would be replaced. */
int tune_file_check(const char *path, struct aispipe_error *error);
/** Writes the file (0640), whole or not at all; one that is there is replaced. */
int tune_file_write(const char *path, const char *text, struct aispipe_error *error);

#endif

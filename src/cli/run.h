/* SPDX-License-Identifier: MIT */
/** @file run.h The main job: a dataset through a model, from the options to the summary file. */
#ifndef AISPIPE_CLI_RUN_H
#define AISPIPE_CLI_RUN_H

#include "cli/console.h"
#include "cli/options.h"

/** Statuses of the program. A run ended by a signal gives 128 + its number. */
enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_REFUSED = 2 };

/**
 * Runs and prints everything, the error line included. Returns the program's exit status. `argv` goes into
 * the summary file.
 */
int run_command(const struct options *options, struct console *console, int argc, char *const *argv);

#endif

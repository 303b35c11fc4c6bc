/* SPDX-License-Identifier: MIT */
/** @file trtexec.h `--backend trtexec --perf 1`: TensorRT's own tool measures, aispipe starts and reads it.
 */
#ifndef AISPIPE_CLI_TRTEXEC_H
#define AISPIPE_CLI_TRTEXEC_H

#include "cli/console.h"
#include "cli/options.h"

/** What --backend takes for it. No backend of the library: trtexec reads no files and gives no results. */
#define TRTEXEC_BACKEND "trtexec"

/** Whether the command line asks for it. */
bool trtexec_wanted(const struct options *options);
/** Measures and prints everything, the error line included. Returns the program's exit status. */
int trtexec_command(const struct options *options, struct console *console, int argc, char *const *argv);

#endif

/* SPDX-License-Identifier: MIT */
/** @file several.h A run on several devices: one job for each, in a thread of its own, started together. */
#ifndef AISPIPE_CLI_SEVERAL_H
#define AISPIPE_CLI_SEVERAL_H

#include "cli/run.h"

/** As run_command, for two or more devices. A device that fails leaves the others alone. */
int run_several(const struct options *options, struct console *console, int argc, char *const *argv);

#endif

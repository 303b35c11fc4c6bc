/* SPDX-License-Identifier: MIT */
/**
 * @file console.h
 * Log lines of the program: `[INFO] ` and `[DEBUG] ` to stdout, where the older tool's users look for them,
 * `[WARNING] ` and `[ERROR] ` to stderr. Thread-safe.
 */
#ifndef AISPIPE_CLI_CONSOLE_H
#define AISPIPE_CLI_CONSOLE_H

#include "cli/progress.h"

#include <stdatomic.h>

/** What the log callback needs to know; zero-initialise. */
struct console {
    struct progress *progress; /**< cleared before a line is printed; may be NULL */
    _Atomic bool failed;       /**< an error was logged, or is about to be: others are only warnings */
};

/** The log to hand to a session. `console` must outlive it. */
struct aispipe_log console_log(struct console *console, bool debug);
/** Prints the one error line with which a failing program ends. */
void console_error(const struct console *console, const char *message);

#endif

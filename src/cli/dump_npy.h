/* SPDX-License-Identifier: MIT */
/**
 * @file dump_npy.h
 * --dump_npy on an Ascend device: what the runtime dumped is converted to .npy, by a tool of CANN's.
 *
 * The runtime makes a directory that is named after the time, and nobody tells by which. So it is sent to a
 * directory of this run's own, `<dump_path>/aispipe-XXXXXX`; whatever is found there afterwards is this run's
 * dump and is moved, whole, to `<dump_path>/<time stamp>`.
 */
#ifndef AISPIPE_CLI_DUMP_NPY_H
#define AISPIPE_CLI_DUMP_NPY_H

#include "cli/console.h"

#include <limits.h>

struct dump_npy {
    char place[PATH_MAX];    /**< where the runtime dumps to meanwhile; absolute */
    char acl_json[PATH_MAX]; /**< in `place`: tells it so */
};

/**
 * Before the runtime starts, in the only thread that there is: blocks SIGINT and SIGTERM, until
 * interrupt_open receives them and knows what to clean. `acl_json` is what it would have been started with,
 * which stays as it is; `dump_path` is what that says, a directory. On failure nothing is left behind.
 */
int dump_npy_begin(const char *acl_json, const char *dump_path, struct dump_npy *dump,
                   struct aispipe_error *error);

/**
 * The program ends at once: moves what was dumped to where it belongs, unconverted, and removes `place`. Does
 * nothing the second time. `place` is such a path; NULL: there is none. Made for interrupt_on_end.
 */
void dump_npy_leave(void *place);

/**
 * After the run, which ended with `status`, and after the runtime: moves the dump and, where the run
 * succeeded, converts it. SIGINT and SIGTERM (still blocked in all threads) end the conversion; what it had
 * made goes. Returns the status to exit with.
 */
int dump_npy_finish(const char *place, struct console *console, bool debug, int status);

#endif

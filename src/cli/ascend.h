/* SPDX-License-Identifier: MIT */
/**
 * @file ascend.h
 * What --profiler, --dump, --dump_npy and --acl_json_path mean on an Ascend device: the program starts itself
 * again below msprof, or the device runtime is started with a file that says what to profile or to dump.
 */
#ifndef AISPIPE_CLI_ASCEND_H
#define AISPIPE_CLI_ASCEND_H

#include "cli/console.h"
#include "cli/dump_npy.h"
#include "cli/options.h"

#include <limits.h>

/** Whether the options lead to an Ascend device. */
bool ascend_meant(const struct options *options);

struct ascend {
    bool ended; /**< the run has taken place below msprof: nothing is left to do but to exit with … */
    int status;
    char acl_json[PATH_MAX]; /**< the file that was made; options->acl_json may point here */
    struct dump_npy dump;    /**< or here; options->dump_place points here where a dump is to be converted */
};

/**
 * Before anything is loaded, in the only thread that there is. Where the run is to take place here,
 * `options` then say so: acl_json is set, profiler and dump are off, because the runtime does their work.
 * Does nothing for other devices. On failure the command line is refused.
 */
int ascend_prepare(struct options *options, struct console *console, int argc, char *const *argv,
                   struct ascend *ascend, struct aispipe_error *error);

/**
 * After the run, which ended with `status`: what is left to do with its dump. Returns the status to exit
 * with.
 */
int ascend_finish(const struct options *options, struct console *console, int status);

#endif

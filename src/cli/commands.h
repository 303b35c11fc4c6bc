/* SPDX-License-Identifier: MIT */
/**
 * @file commands.h
 * Sub-commands: `aispipe NAME …`, where the first argument has no dash. Each has a small table of options
 * (command_table.c) that is parsed and printed as the main form's is, and a file of its own.
 */
#ifndef AISPIPE_CLI_COMMANDS_H
#define AISPIPE_CLI_COMMANDS_H

#include "cli/console.h"
#include "cli/options_table.h"

/** What `aispipe devices` was given. */
struct devices_options {
    bool json;
    bool help;
};

/** What `aispipe convert` was given. */
struct convert_options {
    const char *path[1];
    const char *output; /**< NULL: beside the file */
    bool help;
};

/** What `aispipe compare` was given. A threshold that was not given is NAN. */
struct compare_options {
    const char *path[2]; /**< the results, and what they are compared with */
    const char *dtype;   /**< of raw files; "auto": the other file's */
    double min_cosine, max_abs, max_rel, mean_abs;
    bool json;
    bool help;
};

/** What `aispipe tune` was given. */
struct tune_options {
    struct options job; /**< what is run; first, because the main form's options are taken, too */
    const char *config_out;
    uint64_t budget; /**< seconds */
    uint64_t max_threads;
};

/** Where the result of `aispipe tune` goes, unless told otherwise. */
#define TUNE_CONFIG_OUT "aispipe-tune.json"

extern const struct option_set compare_set;
extern const struct option_set devices_set;
extern const struct option_set convert_set;
extern const struct option_set tune_set;

/** Whether the arguments are those of a sub-command, known or not. */
bool command_given(int argc, char *const *argv);
/** Runs the sub-command that argv[1] names and prints everything. Returns the program's exit status. */
int command_run(int argc, char *const *argv, struct console *console);

/* The sub-commands. Each returns the program's exit status. */
int compare_command(const struct compare_options *options, const struct console *console);
int devices_command(const struct devices_options *options, const struct console *console);
int convert_command(const struct convert_options *options, const struct console *console);
/** Parses by itself: beside its own options it takes those of the main form. argv[0] is the command's name.
 */
int tune_command(int argc, char *const *argv, struct console *console);

#endif

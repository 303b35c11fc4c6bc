/* SPDX-License-Identifier: MIT */
/**
 * @file msprof.h
 * --profiler on Ascend: the program starts itself again below `msprof`, the vendor's profiler.
 *
 * The program below msprof gets two variables: AIT_NO_MSPROF_MODE=1, so that it does not start msprof in
 * turn, and AISPIPE_MSPROF_DIRECTORY, the working directory of the first, to which it goes back (msprof
 * starts programs in a directory of its own choice, and relative paths must keep their meaning).
 */
#ifndef AISPIPE_CLI_MSPROF_H
#define AISPIPE_CLI_MSPROF_H

#include "process.h"

#define MSPROF_DIRECTORY_VARIABLE "AISPIPE_MSPROF_DIRECTORY"

/** Whether msprof is on PATH and neither AIT_NO_MSPROF_MODE nor NO_MSPROF_MODE is 1. */
bool msprof_wanted(void);

struct msprof_command {
    char **argv;        /**< of msprof; NULL-ended */
    char **environment; /**< NULL-ended */
};

/**
 * Makes the command line for the run that `argv` describes: the same with the profiler and the warm-up off.
 * `options` are msprof's (NULL-ended, from acl.json's profiler section); NULL: those of --profiler, with
 * results below `<output>/profiler`. Fails with AISPIPE_UNSUPPORTED when an argument holds a blank or a
 * quote: msprof takes the program's command line as one text, which it cuts at blanks.
 */
int msprof_compose(const char *output, char *const *options, int argc, char *const *argv,
                   struct msprof_command *command, struct aispipe_error *error);
void msprof_free(struct msprof_command *command);

/**
 * Runs it; what it prints goes to our standard output as it comes. Passes SIGINT and SIGTERM on (blocks them
 * in the calling thread, from which all others must descend). `results` receives the directory `PROF_…` that
 * msprof says it made, "" when it names none.
 */
int msprof_run(const struct msprof_command *command, char *results, size_t capacity, struct process_end *end,
               struct aispipe_error *error);

/**
 * Gives the tables of a profile the model's name: every .csv and .json file below `results`
 * ("…/PROF_…_<hash>") becomes `<stem>_<name>_<hash>.<ending>`, where `<name>` is the model's file name up to
 * its first dot. A file that has that name already keeps it. `*renamed` counts them. An existing file is not
 * overwritten: an error.
 */
int msprof_rename(const char *results, const char *model, size_t *renamed, struct aispipe_error *error);

/** First thing in the program: goes back to the directory of the run that started msprof, if one did. */
int msprof_return(struct aispipe_error *error);

#endif

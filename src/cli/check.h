/* SPDX-License-Identifier: MIT */
/** @file check.h What options mean together and on disk, and how foreign text is put into an error line. */
#ifndef AISPIPE_CLI_CHECK_H
#define AISPIPE_CLI_CHECK_H

#include "cli/options.h"

#include <sys/stat.h>

/** Text from the command line made fit for one line: control characters replaced, the middle cut if long. */
struct shown {
    char text[768];
};
const char *show(struct shown *shown, const char *text);
const char *show_part(struct shown *shown, const char *text, size_t length);

/** A relative path that is not empty, does not lead upwards and whose last part is a name. */
bool check_subpath(const char *path);

/** Warns that everybody can change what steers what root runs. Returns whether it did. */
bool check_writers(const char *what, const char *path, const struct stat *info,
                   const struct aispipe_log *log);

/**
 * Refuses options that need another one, a missing model, and paths that are missing, of the wrong kind or
 * unreadable. `seen[i]` is the argument that gave entry i of the table, or NULL. `log` receives warnings.
 */
int check_options(const struct options *options, const char *const *seen, const struct aispipe_log *log,
                  struct aispipe_error *error);

#endif

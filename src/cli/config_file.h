/* SPDX-License-Identifier: MIT */
/**
 * @file config_file.h
 * --config: options of the main form from a JSON object, through the same table and checks as the command
 * line. A key is a long spelling of an option without its dashes; a value is a text, a number, true or false,
 * for options that may be given many times also a list of texts. The file is small and read at once.
 */
#ifndef AISPIPE_CLI_CONFIG_FILE_H
#define AISPIPE_CLI_CONFIG_FILE_H

#include "cli/options_table.h"

/** Most bytes of a file. */
#define CONFIG_FILE_MOST ((size_t)1 << 20)

/**
 * Reads the file into `options`, which hold the defaults, and keeps what they point to in
 * options->config_values. `in_file` has a place for each option of the main form: the key that gave it, or
 * NULL. Errors name the file, the key, the value and what is accepted; text that is no JSON, line and column.
 */
int config_file_read(const char *path, struct options *options, const char **in_file,
                     struct aispipe_error *error);
/** Adds what only the file gave to `seen`, which has what the command line gave. */
void config_file_mark(const char **seen, const char *const *in_file);
/** Adds to an error about options which of them are from the file. */
void config_file_blame(const char *path, const char *const *seen, const char *const *in_file,
                       struct aispipe_error *error);
/** Says which options the file gave; nothing without a file (NULL). Warns root of a file that all may change.
 */
void config_file_log(const char *path, const char *const *seen, const char *const *in_file,
                     const struct aispipe_log *log);
/** NULL is allowed. */
void config_file_free(struct cJSON *values);

#endif

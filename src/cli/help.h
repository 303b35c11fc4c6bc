/* SPDX-License-Identifier: MIT */
/** @file help.h What --help and --version print, made from the table of options. */
#ifndef AISPIPE_CLI_HELP_H
#define AISPIPE_CLI_HELP_H

#include <stdio.h>

/** Usage, options by group, examples and exit statuses; no line is wider than 90 columns. */
void help_print(FILE *out);
/** The same for a sub-command. */
struct option_set;
void help_print_command(FILE *out, const struct option_set *set);
/** "aispipe 1.2.3". */
void help_version(FILE *out);

#endif

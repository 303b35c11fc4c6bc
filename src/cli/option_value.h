/* SPDX-License-Identifier: MIT */
/** @file option_value.h The value of one option: its default, and from text to its field, checked. */
#ifndef AISPIPE_CLI_OPTION_VALUE_H
#define AISPIPE_CLI_OPTION_VALUE_H

#include "cli/options_table.h"

/** One option as it stands on the command line or in a file. */
struct given {
    const struct option_spec *spec;
    const char *typed;
    const char *value; /**< NULL: none. What text fields will point to. */
    char label[896];   /**< for error lines: "option -rm (--run_mode)", "'tuned.json': key 'threads'" */
};

/** Where values go. */
struct option_target {
    void *fields; /**< what the offsets of the table belong to */
    struct aispipe_error *error;
};

void option_value_default(void *fields, const struct option_spec *spec);
/** Reads given->value into the option's field. Refusals name the label, the value and what is accepted. */
int option_value_take(const struct option_target *target, const struct given *given);

#endif

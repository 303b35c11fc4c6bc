/* SPDX-License-Identifier: MIT */
/* The tables of the sub-commands' options. They need nothing but libc, as options.c, and for the same reason.
 */
#include "cli/commands.h"

/* A field's offset, and a compile error where the field is not of the type that the option's kind writes. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type in an association may not have any. */
#define FIELD(structure, type, member) \
    (offsetof(struct structure, member) + 0 * sizeof(_Generic(((struct structure *)0)->member, type : 0)))
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct option_spec devices_table[] = {
    {.name = "json",
     .kind = OPTION_BOOL,
     .metavar = "BOOL",
     .help = "Prints one JSON object instead of lines.",
     .offset = FIELD(devices_options, bool, json)},
    {.name = "help",
     .aliases = {"-h"},
     .kind = OPTION_FLAG,
     .help = "Prints this text.",
     .offset = FIELD(devices_options, bool, help)},
};

const struct option_set devices_set = {
    .command = "devices",
    .summary = "lists the devices that each backend finds",
    .purpose = "Lists each backend, the devices that it finds on this machine, and why a backend is absent: "
               "one line "
               "for each, with the backend, the device as it is asked for, and its full name.",
    .options = devices_table,
    .count = sizeof devices_table / sizeof devices_table[0],
};

static const char *const convert_operands[] = {"PATH", NULL};

static const struct option_spec convert_table[] = {
    {.name = "output",
     .aliases = {"-o"},
     .kind = OPTION_DIRECTORY,
     .metavar = "DIR",
     .default_words = "beside the file",
     .help = "Where the .npy files go. Made when it does not exist.",
     .offset = FIELD(convert_options, const char *, output)},
    {.name = "help",
     .aliases = {"-h"},
     .kind = OPTION_FLAG,
     .help = "Prints this text.",
     .offset = FIELD(convert_options, bool, help)},
};

const struct option_set convert_set = {
    .command = "convert",
    .summary = "turns the files of a device's exception callback into .npy",
    .purpose =
        "Turns the files that are written when a device faults into .npy files. PATH is a file called "
        "exception_cb_index_<n>_{input,output}_<i>_format_<f>_dtype_<d>_shape_<AxBxC>.bin, or a directory, "
        "of "
        "which every such file is converted. Type and shape are taken from the name and checked against "
        "the size.",
    .operands = convert_operands,
    .operand_offset = offsetof(struct convert_options, path),
    .options = convert_table,
    .count = sizeof convert_table / sizeof convert_table[0],
};

const struct option_set *const command_sets[] = {&convert_set, &devices_set, NULL};

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

static const char *const compare_operands[] = {"A", "B", NULL};

static const char *const dtypes[] = {"auto",   "float32", "float16", "bfloat16", "float64",
                                     "int8",   "uint8",   "int16",   "uint16",   "int32",
                                     "uint32", "int64",   "uint64",  "bool",     NULL};

static const struct option_spec compare_table[] = {
    {.name = "min_cosine",
     .kind = OPTION_REAL,
     .metavar = "X",
     .default_words = "0.999",
     .help = "The least cosine similarity that matches.",
     .offset = FIELD(compare_options, double, min_cosine)},
    {.name = "max_abs",
     .kind = OPTION_REAL,
     .metavar = "X",
     .default_words = "none",
     .help = "The largest absolute error that matches.",
     .offset = FIELD(compare_options, double, max_abs)},
    {.name = "max_rel",
     .kind = OPTION_REAL,
     .metavar = "X",
     .default_words = "none",
     .help = "The largest relative error that matches, of values whose reference is not 0.",
     .offset = FIELD(compare_options, double, max_rel)},
    {.name = "mean_abs",
     .kind = OPTION_REAL,
     .metavar = "X",
     .default_words = "none",
     .help = "The largest mean absolute error that matches.",
     .offset = FIELD(compare_options, double, mean_abs)},
    {.name = "dtype",
     .kind = OPTION_NAME,
     .metavar = "TYPE",
     .choices = dtypes,
     .help =
         "The type of the values in .bin files. auto: that of the .npy they are compared with, float32 where "
         "there is none.",
     .offset = FIELD(compare_options, const char *, dtype)},
    {.name = "json",
     .kind = OPTION_BOOL,
     .metavar = "BOOL",
     .help = "Prints one JSON object instead of lines.",
     .offset = FIELD(compare_options, bool, json)},
    {.name = "help",
     .aliases = {"-h"},
     .kind = OPTION_FLAG,
     .help = "Prints this text.",
     .offset = FIELD(compare_options, bool, help)},
};

const struct option_set compare_set = {
    .command = "compare",
    .summary = "compares results with a reference",
    .purpose = "Compares results with a reference: cosine similarity, largest absolute and relative error, "
               "mean absolute "
               "error, and whether they match, for each file and for all. A and B are two files or two "
               "directories of "
               ".npy, .bin or .txt files (.zst forms too); B is the reference. Exit status: 0 when all "
               "match, 1 when not, 2 "
               "when there is nothing to compare.",
    .operands = compare_operands,
    .operand_offset = offsetof(struct compare_options, path),
    .options = compare_table,
    .count = sizeof compare_table / sizeof compare_table[0],
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

static const struct option_spec tune_table[] = {
    {.name = "config_out",
     .kind = OPTION_TEXT,
     .metavar = "FILE.json",
     .default_words = TUNE_CONFIG_OUT,
     .help = "The file that is written, for --config. One that is there is replaced, if it holds options.",
     .offset = FIELD(tune_options, const char *, config_out)},
    {.name = "budget",
     .kind = OPTION_NUMBER,
     .metavar = "SECONDS",
     .initial = 60,
     .min = 1,
     .max = 86400,
     .help = "How long to search, about. Opening a large model again and again counts, too.",
     .offset = FIELD(tune_options, uint64_t, budget)},
    {.name = "max_threads",
     .kind = OPTION_NUMBER,
     .metavar = "N",
     .initial = 64,
     .min = 1,
     .max = 1024,
     .help = "Most threads of a stage that are tried.",
     .offset = FIELD(tune_options, uint64_t, max_threads)},
    {.name = "help",
     .aliases = {"-h"},
     .kind = OPTION_FLAG,
     .help = "Prints this text.",
     .offset = FIELD(tune_options, bool, job.help)},
};

const struct option_set tune_set = {
    .command = "tune",
    .summary = "finds the fastest settings for a model and its data",
    .purpose =
        "Finds the settings with which your model runs your data fastest: compute, load and save threads, "
        "batches in flight, queue depths, the batch size of a model that leaves it open, OpenVINO's streams. "
        "Runs of less than a second, in pairs, decide what is kept; the winner must beat the defaults once "
        "more. Takes the options of a run, --model and --input at least; those settings that are given are "
        "not searched. With --output results are saved there and removed again. Writes a file for --config.",
    .options = tune_table,
    .count = sizeof tune_table / sizeof tune_table[0],
    .with_main = true,
};

const struct option_set *const command_sets[] = {&compare_set, &convert_set, &devices_set, &tune_set, NULL};

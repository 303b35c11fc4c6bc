/* SPDX-License-Identifier: MIT */
/**
 * @file options_table.h
 * What the table of options says about each option. Readers of the table: parse.c, lookup.c, help.c,
 * generate.c. The table itself needs nothing but libc, so that generate.c can be built for the build machine.
 */
#ifndef AISPIPE_CLI_OPTIONS_TABLE_H
#define AISPIPE_CLI_OPTIONS_TABLE_H

#include "cli/options.h"

/** How a value is read, and the type of the field it is written to. */
enum option_kind {
    OPTION_FLAG,      /**< bool; takes no value and wins over everything else (--help) */
    OPTION_BOOL,      /**< bool; without a value it means true */
    OPTION_NUMBER,    /**< uint64_t, min to max, decimal */
    OPTION_REAL,      /**< double, 0 or more, decimal; NAN when it is not given */
    OPTION_CHOICE,    /**< int: index into choices */
    OPTION_NAME,      /**< const char *: one of choices */
    OPTION_TEXT,      /**< const char *, not empty */
    OPTION_FILE,      /**< const char *: a file that exists */
    OPTION_PATHS,     /**< const char *: paths that exist, joined by ',' */
    OPTION_DIRECTORY, /**< const char *: a directory, or nothing yet */
    OPTION_SUBPATH,   /**< const char *: a relative path without ".." */
    OPTION_KEY_VALUE, /**< const char ** and a count: may be given many times */
    OPTION_HW,        /**< uint64_t[2]: H,W */
    OPTION_SHAPE,     /**< const char *: in1:1,600;in2:1,600 */
    OPTION_RANGE,     /**< const char *: the same with a~b, a~b~s and a-b-c for a number, or a file of such */
    OPTION_SIZES,     /**< const char *: numbers of bytes, joined by ',' */
    OPTION_NUMBERS,   /**< struct number_list: each min to max, joined by ',' */
    OPTION_DEPTHS,    /**< uint64_t[AISPIPE_STAGES], each min to max: N, or stage=N,… */
};

enum option_group {
    GROUP_ENGINE,
    GROUP_INPUT,
    GROUP_OUTPUT,
    GROUP_SHAPE,
    GROUP_PIPELINE,
    GROUP_MEASURING,
    GROUP_DIAGNOSIS,
    OPTION_GROUPS,
};

#define OPTION_MAX_ALIASES 4

struct option_spec {
    const char *name;                        /**< long name without "--", words joined by '_' */
    const char *aliases[OPTION_MAX_ALIASES]; /**< with their dashes, as they are typed; NULL after the last */
    enum option_kind kind;
    enum option_group group;
    bool required;             /**< for the reader; what is missing is said by check.c */
    bool needs_output;         /**< refused without --output */
    const char *metavar;       /**< stands for the value in help; NULL: no value */
    const char *default_words; /**< the default in words, where `initial` does not say it */
    uint64_t initial;          /**< the field's default: number, bool or index into choices */
    uint64_t min, max;
    const char *const *choices; /**< NULL after the last */
    const char *help;           /**< whole sentences, ASCII */
    size_t offset;              /**< of the field in struct options */
};

#define OPTION_MAX_OPERANDS 2
/** Most options of a set. */
#define OPTION_SET_MAX 80

/** The options of the main form, or of a sub-command, and where parsing puts them. */
struct option_set {
    const char *command;         /**< the sub-command's name; NULL: the main form */
    const char *summary;         /**< what it does, in a few words */
    const char *purpose;         /**< the same in whole sentences, ASCII */
    const char *const *operands; /**< names of the arguments that are no options, all required; NULL-ended */
    size_t operand_offset;       /**< of a `const char *[]` with a place for each of them */
    const struct option_spec *options;
    size_t count;
    bool with_main; /**< takes the main form's options as well */
};

struct option_example {
    const char *command;
    const char *meaning;
};

struct option_exit_status {
    const char *status;
    const char *meaning;
};

/** The table, sorted by group. */
extern const struct option_spec option_table[];
extern const size_t option_count;
/** The table as a set. */
extern const struct option_set main_options;
/** The sub-commands, NULL-ended. */
extern const struct option_set *const command_sets[];
extern const char *const option_group_names[OPTION_GROUPS];
extern const struct option_example option_examples[2];
extern const struct option_exit_status option_exit_statuses[4];
/** What the program is for, how values are written, in sentences: the head of help and man page. */
extern const char option_purpose[];
extern const char option_syntax[];

/** What is accepted, for an error line ("a whole number 1–1024"). Returns `text`. */
const char *option_accepts(const struct option_spec *spec, char *text, size_t capacity);
/** The range or the choices ("1–1024", "BIN, NPY, TXT"); "" where neither applies. Returns `text`. */
const char *option_values(const struct option_spec *spec, char *text, size_t capacity);
/** The default ("default 1", "default chosen", "required"); "" where there is none. Returns `text`. */
const char *option_default(const struct option_spec *spec, char *text, size_t capacity);

/**
 * Parses argv (argv[0] is the program's or the sub-command's name) into `fields`, which the set's offsets
 * belong to: defaults first, then what was typed. `seen` has a place for each option of the set: the argument
 * that gave it, or NULL. Nothing is looked up on disk. With a flag (--help) anywhere in argv nothing else is
 * looked at.
 */
int option_set_parse(const struct option_set *set, int argc, char *const *argv, void *fields,
                     const char **seen, struct aispipe_error *error);

/**
 * options_parse for a set whose first entries are the main form's, and whose fields begin with a struct
 * options, which is what is checked. `seen` has OPTION_SET_MAX places; it is set, too, for what a file gave.
 */
int options_parse_set(const struct option_set *set, int argc, char *const *argv, struct options *options,
                      const char **seen, const struct aispipe_log *log, struct aispipe_error *error);

/** The option of a set that `typed` (`length` bytes, with its dashes, without "=value") spells, or NULL. */
const struct option_spec *option_find(const struct option_set *set, const char *typed, size_t length);
/**
 * The spelling ("--threads", "-rm") nearest to an unknown option, written to `text`; NULL when none is near
 * enough to be worth proposing.
 */
const char *option_suggest(const struct option_set *set, const char *typed, size_t length, char *text,
                           size_t capacity);

#endif

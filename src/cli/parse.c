/* SPDX-License-Identifier: MIT */
/* Reads argv by the table: which option, which value, which field. What values mean together is check.c. */
#include "cli/check.h"
#include "cli/config_file.h"
#include "cli/option_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const struct option_set *set;
    int argc;
    char *const *argv;
    int next;          /* index of the argument to be read */
    void *fields;      /* what the set's offsets belong to */
    const char **seen; /* the argument that gave each option of the set */
    size_t operands;   /* seen so far */
    struct aispipe_error *error;
};

static size_t spelling_length(const char *argument)
{
    return strcspn(argument, "=");
}

static const struct option_spec *find_in(const struct option_set *set, const char *argument)
{
    return option_find(set, argument, spelling_length(argument));
}

static void make_label(struct given *given)
{
    size_t length = spelling_length(given->typed);
    size_t name_length = strlen(given->spec->name);
    /* An alias is followed by the name that --help lists it under. */
    bool alias = length != name_length + 2 || given->typed[1] != '-';
    (void)snprintf(given->label, sizeof given->label, "option %.*s%s%s%s", (int)length, given->typed,
                   alias ? " (--" : "", alias ? given->spec->name : "", alias ? ")" : "");
}

/* ---------------------------------------------------------------- arguments */

static int refuse_operand(const struct parser *parser, const char *argument)
{
    struct shown shown;
    if (parser->set->command)
        return aispipe_fail(parser->error, AISPIPE_INVALID,
                            "%s: '%s' is one argument too many (aispipe %s --help says what it takes)",
                            parser->set->command, show(&shown, argument), parser->set->command);
    return aispipe_fail(parser->error, AISPIPE_INVALID,
                        "'%s' is not an option, nor the value of one; several input paths are joined by "
                        "',' (--help lists the options)",
                        show(&shown, argument));
}

static int refuse_unknown(const struct parser *parser, const char *argument)
{
    struct shown shown;
    char near[64];
    size_t length = spelling_length(argument);
    const char *nearest = option_suggest(parser->set, argument, length, near, sizeof near);
    const char *command = parser->set->command;
    return aispipe_fail(parser->error, AISPIPE_INVALID,
                        "unknown option %s%s%s%s%s%s (--help lists the options)",
                        show_part(&shown, argument, length), command ? " of " : "", command ? command : "",
                        nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int refuse_repeated(const struct parser *parser, const struct given *given, const char *first)
{
    struct shown a, b;
    return aispipe_fail(parser->error, AISPIPE_INVALID,
                        "option --%s is given twice, as %s and as %s; give it once", given->spec->name,
                        show_part(&a, first, spelling_length(first)),
                        show_part(&b, given->typed, spelling_length(given->typed)));
}

/* An argument that begins with "--", or that spells an option, is never the value of the option before it. */
static bool looks_like_option(const struct option_set *set, const char *argument)
{
    return (argument[0] == '-' && argument[1] == '-') || (argument[0] == '-' && find_in(set, argument));
}

/* The value after '=', or the next argument if it can be one. */
static int find_value(struct parser *parser, struct given *given)
{
    size_t length = spelling_length(given->typed);
    const char *next = parser->next < parser->argc ? parser->argv[parser->next] : NULL;
    if (given->typed[length] == '=') {
        given->value = given->typed + length + 1;
        return 0;
    }
    if (given->spec->kind == OPTION_BOOL) {
        if (next && next[0] != '-') {
            given->value = next;
            parser->next++;
        }
        return 0;
    }
    if (next && !looks_like_option(parser->set, next)) {
        given->value = next;
        parser->next++;
        return 0;
    }
    char accepted[256];
    struct shown shown;
    option_accepts(given->spec, accepted, sizeof accepted);
    if (!next)
        return aispipe_fail(parser->error, AISPIPE_INVALID, "%s needs a value; give %s", given->label,
                            accepted);
    return aispipe_fail(parser->error, AISPIPE_INVALID, "%s needs a value before '%s'; give %s", given->label,
                        show(&shown, next), accepted);
}

/* An argument that is no option: the main form takes none. */
static int take_operand(struct parser *parser, const char *argument)
{
    const struct option_set *set = parser->set;
    if (!set->operands || !set->operands[parser->operands])
        return refuse_operand(parser, argument);
    if (!*argument)
        return aispipe_fail(parser->error, AISPIPE_INVALID, "%s: the argument %s is empty; name a path",
                            set->command, set->operands[parser->operands]);
    memcpy((char *)parser->fields + set->operand_offset + parser->operands * sizeof argument, &argument,
           sizeof argument);
    parser->operands++;
    return 0;
}

static int parse_argument(struct parser *parser)
{
    struct given given = {.typed = parser->argv[parser->next++]};
    if (given.typed[0] != '-' || !given.typed[1])
        return take_operand(parser, given.typed);
    given.spec = find_in(parser->set, given.typed);
    if (!given.spec)
        return refuse_unknown(parser, given.typed);
    make_label(&given);
    const char **seen = &parser->seen[given.spec - parser->set->options];
    if (*seen && given.spec->kind != OPTION_KEY_VALUE)
        return refuse_repeated(parser, &given, *seen);
    *seen = given.typed;
    int status = find_value(parser, &given);
    const struct option_target target = {parser->fields, parser->error};
    return status ? status : option_value_take(&target, &given);
}

/* Who asks for help or the version gets it, whatever else is wrong with the line. */
static bool ask_for_text(const struct parser *parser)
{
    bool asked = false;
    for (int i = 1; i < parser->argc; i++) {
        const char *argument = parser->argv[i];
        const struct option_spec *spec = option_find(parser->set, argument, strlen(argument));
        if (!spec || spec->kind != OPTION_FLAG)
            continue;
        asked = true;
        memcpy((char *)parser->fields + spec->offset, &asked, sizeof asked);
    }
    return asked;
}

static int parse_all(struct parser *parser)
{
    while (parser->next < parser->argc) {
        int status = parse_argument(parser);
        if (status)
            return status;
    }
    const char *const *operands = parser->set->operands;
    if (operands && operands[parser->operands])
        return aispipe_fail(parser->error, AISPIPE_INVALID,
                            "%s: the argument %s is missing (aispipe %s --help says what it is)",
                            parser->set->command, operands[parser->operands], parser->set->command);
    return 0;
}

static struct parser begin(const struct option_set *set, int argc, char *const *argv, void *fields,
                           const char **seen, struct aispipe_error *error)
{
    return (struct parser){
        .set = set, .argc = argc, .argv = argv, .next = 1, .fields = fields, .seen = seen, .error = error};
}

static void set_defaults(const struct option_set *set, void *fields)
{
    for (size_t i = 0; i < set->count; i++)
        option_value_default(fields, &set->options[i]);
}

int option_set_parse(const struct option_set *set, int argc, char *const *argv, void *fields,
                     const char **seen, struct aispipe_error *error)
{
    struct parser parser = begin(set, argc, argv, fields, seen, error);
    set_defaults(set, fields);
    return ask_for_text(&parser) ? 0 : parse_all(&parser);
}

/* Begins again, with what the file says instead of the defaults. Only the whole line told which file. */
static int parse_over_file(struct parser *parser, struct options *options, const char **in_file)
{
    const char *path = options->config;
    size_t n = parser->set->count;
    options_free(options);
    memset(options, 0, sizeof *options);
    set_defaults(parser->set, parser->fields);
    int status = config_file_read(path, options, in_file, parser->error);
    if (status)
        return status;
    memset((void *)parser->seen, 0, n * sizeof *parser->seen);
    *parser = begin(parser->set, parser->argc, parser->argv, parser->fields, parser->seen, parser->error);
    status = parse_all(parser);
    config_file_mark(parser->seen, in_file);
    return status;
}

int options_parse_set(const struct option_set *set, int argc, char *const *argv, struct options *options,
                      const char **seen, const struct aispipe_log *log, struct aispipe_error *error)
{
    const char *in_file[OPTION_SET_MAX] = {NULL};
    memset(options, 0, sizeof *options);
    if (set->count > OPTION_SET_MAX)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "the table of options has outgrown the parser");
    int status = option_set_parse(set, argc, argv, options, seen, error);
    bool text = options->help || options->version;
    if (!status && !text && options->config) {
        struct parser parser = begin(set, argc, argv, options, seen, error);
        status = parse_over_file(&parser, options, in_file);
    }
    if (!status && !text) {
        status = check_options(options, seen, log, error);
        if (status)
            config_file_blame(options->config, seen, in_file, error);
        else
            config_file_log(options->config, seen, in_file, log);
    }
    if (status)
        options_free(options);
    return status;
}

int options_parse(int argc, char *const *argv, struct options *options, const struct aispipe_log *log,
                  struct aispipe_error *error)
{
    const char *seen[OPTION_SET_MAX] = {NULL};
    return options_parse_set(&main_options, argc, argv, options, seen, log, error);
}

void options_free(struct options *options)
{
    free((void *)options->engine_options);
    options->engine_options = NULL;
    options->n_engine_options = 0;
    config_file_free(options->config_values);
    options->config_values = NULL;
}

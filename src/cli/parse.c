/* SPDX-License-Identifier: MIT */
/* Reads argv by the table: which option, which value, which field. What values mean together is check.c. */
#include "cli/check.h"
#include "cli/check_shape.h"
#include "cli/options_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_OPTIONS 64

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

/* One option as it stands on the command line. */
struct given {
    const struct option_spec *spec;
    const char *typed;
    const char *value; /* NULL: none */
    char label[96];    /* "option -rm (--run_mode)" */
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

static void set_field(void *fields, const struct option_spec *spec, const void *value, size_t size)
{
    memcpy((char *)fields + spec->offset, value, size);
}

static void set_default(void *fields, const struct option_spec *spec)
{
    int index = (int)spec->initial;
    bool on = spec->initial != 0;
    double absent = NAN;
    struct number_list list = {.count = 1, .values = {spec->initial}};
    switch (spec->kind) {
    case OPTION_FLAG:
    case OPTION_BOOL:
        set_field(fields, spec, &on, sizeof on);
        return;
    case OPTION_NUMBER:
        set_field(fields, spec, &spec->initial, sizeof spec->initial);
        return;
    case OPTION_REAL:
        set_field(fields, spec, &absent, sizeof absent);
        return;
    case OPTION_NUMBERS:
        set_field(fields, spec, &list, sizeof list);
        return;
    case OPTION_CHOICE:
        set_field(fields, spec, &index, sizeof index);
        return;
    case OPTION_NAME:
        set_field(fields, spec, &spec->choices[index], sizeof spec->choices[index]);
        return;
    default: /* pointers and depths: all zero */
        return;
    }
}

/* ---------------------------------------------------------------- values */

static int refuse(const struct parser *parser, const struct given *given)
{
    char accepted[256];
    struct shown value;
    return aispipe_fail(parser->error, AISPIPE_INVALID, "%s: '%s' is not accepted; give %s", given->label,
                        show(&value, given->value), option_accepts(given->spec, accepted, sizeof accepted));
}

/* Reads `length` digits, nothing else: no sign, blank, point or base. */
static bool read_number(const char *text, size_t length, uint64_t *number)
{
    uint64_t n = 0;
    if (!length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text[i] - '0', &n))
            return false;
    }
    *number = n;
    return true;
}

static bool number_in_range(const struct option_spec *spec, const char *text, size_t length, uint64_t *number)
{
    return read_number(text, length, number) && *number >= spec->min && *number <= spec->max;
}

static int take_number(const struct parser *parser, const struct given *given)
{
    uint64_t number;
    if (number_in_range(given->spec, given->value, strlen(given->value), &number)) {
        set_field(parser->fields, given->spec, &number, sizeof number);
        return 0;
    }
    return refuse(parser, given);
}

/* Neither blanks nor signs, nor hexadecimal, infinity or not-a-number, all of which strtod would take. */
static int take_real(const struct parser *parser, const struct given *given)
{
    char *end = NULL;
    double number = -1;
    if (*given->value && strspn(given->value, "0123456789.eE-+") == strlen(given->value) &&
        strchr("0123456789.", *given->value))
        number = strtod(given->value, &end);
    if (!end || *end || !isfinite(number) || number < 0)
        return refuse(parser, given);
    set_field(parser->fields, given->spec, &number, sizeof number);
    return 0;
}

static int take_numbers(const struct parser *parser, const struct given *given)
{
    struct number_list list = {0};
    for (const char *text = given->value;; text++) {
        size_t length = strcspn(text, ",");
        if (list.count == NUMBER_LIST_MAX ||
            !number_in_range(given->spec, text, length, &list.values[list.count]))
            return refuse(parser, given);
        list.count++;
        text += length;
        if (!*text)
            break;
    }
    set_field(parser->fields, given->spec, &list, sizeof list);
    return 0;
}

static bool read_bool(const char *text, bool *value)
{
    static const char *const words[2][4] = {{"0", "false", "f", "no"}, {"1", "true", "t", "yes"}};
    for (int on = 0; on < 2; on++) {
        bool letter = strcasecmp(text, on ? "y" : "n") == 0;
        for (size_t i = 0; i < 4 && !letter; i++)
            letter = strcasecmp(text, words[on][i]) == 0;
        if (letter) {
            *value = on;
            return true;
        }
    }
    return false;
}

static int take_bool(const struct parser *parser, const struct given *given)
{
    bool on = true;
    if (given->value && !read_bool(given->value, &on))
        return refuse(parser, given);
    set_field(parser->fields, given->spec, &on, sizeof on);
    return 0;
}

static int take_choice(const struct parser *parser, const struct given *given)
{
    const struct option_spec *spec = given->spec;
    for (int i = 0; spec->choices[i]; i++) {
        if (strcasecmp(given->value, spec->choices[i]) != 0)
            continue;
        if (spec->kind == OPTION_NAME)
            set_field(parser->fields, spec, &spec->choices[i], sizeof spec->choices[i]);
        else
            set_field(parser->fields, spec, &i, sizeof i);
        return 0;
    }
    return refuse(parser, given);
}

static int take_text(const struct parser *parser, const struct given *given)
{
    if (!*given->value)
        return refuse(parser, given);
    set_field(parser->fields, given->spec, &given->value, sizeof given->value);
    return 0;
}

static int take_key_value(const struct parser *parser, const struct given *given)
{
    struct options *options = parser->fields; /* the main form alone has options of this kind */
    size_t key = spelling_length(given->value);
    if (!key || given->value[key] != '=')
        return refuse(parser, given);
    for (size_t i = 0; i < options->n_engine_options; i++) {
        if (strncmp(options->engine_options[i], given->value, key + 1) == 0) {
            struct shown first, second;
            return aispipe_fail(parser->error, AISPIPE_INVALID,
                                "%s: the key is given twice, as '%s' and '%s'; give it once", given->label,
                                show(&first, options->engine_options[i]), show(&second, given->value));
        }
    }
    /* There cannot be more of them than arguments, so one allocation serves all. */
    if (!options->engine_options)
        options->engine_options = calloc((size_t)parser->argc, sizeof *options->engine_options);
    if (!options->engine_options)
        return aispipe_fail(parser->error, AISPIPE_NO_MEMORY, "no memory for %d engine options",
                            parser->argc);
    options->engine_options[options->n_engine_options++] = given->value;
    return 0;
}

static int stage_named(const char *name, size_t length)
{
    for (int stage = 0; stage < AISPIPE_STAGES; stage++) {
        const char *known = aispipe_stage_name((enum aispipe_stage)stage);
        if (strlen(known) == length && strncasecmp(known, name, length) == 0)
            return stage;
    }
    return -1;
}

/* Reads "stage=N" into depth[stage]. A stage that was named before is refused: its value is not 0 any more.
 */
static bool read_depth(const struct option_spec *spec, const char *text, size_t length, uint64_t *depth)
{
    const char *equals = memchr(text, '=', length);
    if (!equals)
        return false;
    size_t name = (size_t)(equals - text);
    int stage = stage_named(text, name);
    if (stage < 0 || depth[stage])
        return false;
    return number_in_range(spec, equals + 1, length - name - 1, &depth[stage]);
}

static int take_depths(const struct parser *parser, const struct given *given)
{
    uint64_t depth[AISPIPE_STAGES] = {0};
    const char *text = given->value;
    if (number_in_range(given->spec, text, strlen(text), &depth[0])) {
        for (int stage = 1; stage < AISPIPE_STAGES; stage++)
            depth[stage] = depth[0];
    } else {
        memset(depth, 0, sizeof depth);
        for (;; text++) {
            size_t length = strcspn(text, ",");
            if (!read_depth(given->spec, text, length, depth))
                return refuse(parser, given);
            text += length;
            if (!*text)
                break;
        }
    }
    set_field(parser->fields, given->spec, depth, sizeof depth);
    return 0;
}

static int take_hw(const struct parser *parser, const struct given *given)
{
    uint64_t hw[2];
    const char *comma = strchr(given->value, ',');
    if (!comma || !number_in_range(given->spec, given->value, (size_t)(comma - given->value), &hw[0]) ||
        !number_in_range(given->spec, comma + 1, strlen(comma + 1), &hw[1]))
        return refuse(parser, given);
    set_field(parser->fields, given->spec, hw, sizeof hw);
    return 0;
}

static int take_shape(const struct parser *parser, const struct given *given)
{
    struct aispipe_error why;
    int rc = check_shape_value(given->spec->kind, given->value, &why);
    if (rc)
        return aispipe_fail(parser->error, rc, "%s: %.1500s", given->label, why.message);
    return take_text(parser, given);
}

static int take_value(const struct parser *parser, const struct given *given)
{
    switch (given->spec->kind) {
    case OPTION_BOOL:
        return take_bool(parser, given);
    case OPTION_NUMBER:
        return take_number(parser, given);
    case OPTION_REAL:
        return take_real(parser, given);
    case OPTION_NUMBERS:
        return take_numbers(parser, given);
    case OPTION_CHOICE:
    case OPTION_NAME:
        return take_choice(parser, given);
    case OPTION_KEY_VALUE:
        return take_key_value(parser, given);
    case OPTION_DEPTHS:
        return take_depths(parser, given);
    case OPTION_HW:
        return take_hw(parser, given);
    case OPTION_SHAPE:
    case OPTION_RANGE:
    case OPTION_SIZES:
        return take_shape(parser, given);
    case OPTION_SUBPATH:
        if (!check_subpath(given->value))
            return refuse(parser, given);
        return take_text(parser, given);
    case OPTION_FLAG: /* seen by ask_for_text before anything is parsed; what comes here is "--help=…" */
        return aispipe_fail(parser->error, AISPIPE_INVALID, "%s takes no value", given->label);
    default:
        return take_text(parser, given);
    }
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
    return status ? status : take_value(parser, &given);
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
        set_field(parser->fields, spec, &asked, sizeof asked);
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

int option_set_parse(const struct option_set *set, int argc, char *const *argv, void *fields,
                     const char **seen, struct aispipe_error *error)
{
    struct parser parser = {
        .set = set, .argc = argc, .argv = argv, .next = 1, .fields = fields, .seen = seen, .error = error};
    for (size_t i = 0; i < set->count; i++)
        set_default(fields, &set->options[i]);
    return ask_for_text(&parser) ? 0 : parse_all(&parser);
}

int options_parse(int argc, char *const *argv, struct options *options, const struct aispipe_log *log,
                  struct aispipe_error *error)
{
    const char *seen[MAX_OPTIONS] = {NULL};
    memset(options, 0, sizeof *options);
    if (option_count > MAX_OPTIONS)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "the table of options has outgrown the parser");
    int status = option_set_parse(&main_options, argc, argv, options, seen, error);
    if (!status && !options->help && !options->version)
        status = check_options(options, seen, log, error);
    if (status)
        options_free(options);
    return status;
}

void options_free(struct options *options)
{
    free(options->engine_options);
    options->engine_options = NULL;
    options->n_engine_options = 0;
}

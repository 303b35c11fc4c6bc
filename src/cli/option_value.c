/* SPDX-License-Identifier: MIT */
/* From the text of a value to the option's field, wherever the text comes from. */
#include "cli/option_value.h"

#include "cli/check.h"
#include "cli/check_shape.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void set_field(void *fields, const struct option_spec *spec, const void *value, size_t size)
{
    memcpy((char *)fields + spec->offset, value, size);
}

void option_value_default(void *fields, const struct option_spec *spec)
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

static int refuse(const struct option_target *target, const struct given *given)
{
    char accepted[256];
    struct shown value;
    return aispipe_fail(target->error, AISPIPE_INVALID, "%s: '%s' is not accepted; give %s", given->label,
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

static int take_number(const struct option_target *target, const struct given *given)
{
    uint64_t number;
    if (number_in_range(given->spec, given->value, strlen(given->value), &number)) {
        set_field(target->fields, given->spec, &number, sizeof number);
        return 0;
    }
    return refuse(target, given);
}

/* Neither blanks nor signs, nor hexadecimal, infinity or not-a-number, all of which strtod would take. */
static int take_real(const struct option_target *target, const struct given *given)
{
    char *end = NULL;
    double number = -1;
    if (*given->value && strspn(given->value, "0123456789.eE-+") == strlen(given->value) &&
        strchr("0123456789.", *given->value))
        number = strtod(given->value, &end);
    if (!end || *end || !isfinite(number) || number < 0)
        return refuse(target, given);
    set_field(target->fields, given->spec, &number, sizeof number);
    return 0;
}

static int take_numbers(const struct option_target *target, const struct given *given)
{
    struct number_list list = {0};
    for (const char *text = given->value;; text++) {
        size_t length = strcspn(text, ",");
        if (list.count == NUMBER_LIST_MAX ||
            !number_in_range(given->spec, text, length, &list.values[list.count]))
            return refuse(target, given);
        list.count++;
        text += length;
        if (!*text)
            break;
    }
    set_field(target->fields, given->spec, &list, sizeof list);
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

static int take_bool(const struct option_target *target, const struct given *given)
{
    bool on = true;
    if (given->value && !read_bool(given->value, &on))
        return refuse(target, given);
    set_field(target->fields, given->spec, &on, sizeof on);
    return 0;
}

static int take_choice(const struct option_target *target, const struct given *given)
{
    const struct option_spec *spec = given->spec;
    for (int i = 0; spec->choices[i]; i++) {
        if (strcasecmp(given->value, spec->choices[i]) != 0)
            continue;
        if (spec->kind == OPTION_NAME)
            set_field(target->fields, spec, &spec->choices[i], sizeof spec->choices[i]);
        else
            set_field(target->fields, spec, &i, sizeof i);
        return 0;
    }
    return refuse(target, given);
}

static int take_text(const struct option_target *target, const struct given *given)
{
    if (!*given->value)
        return refuse(target, given);
    set_field(target->fields, given->spec, &given->value, sizeof given->value);
    return 0;
}

/* What the command line says about a key counts, where a file of options says something, too. */
static void replace_configured(struct options *options, size_t i, const char *value)
{
    size_t last = --options->n_configured_engine_options;
    options->engine_options[i] = options->engine_options[last];
    options->engine_options[last] = value;
}

static int take_key_value(const struct option_target *target, const struct given *given)
{
    struct options *options = target->fields; /* the main form alone has options of this kind */
    size_t key = strcspn(given->value, "=");
    if (!key || given->value[key] != '=')
        return refuse(target, given);
    for (size_t i = 0; i < options->n_engine_options; i++) {
        if (strncmp(options->engine_options[i], given->value, key + 1) != 0)
            continue;
        if (i < options->n_configured_engine_options) {
            replace_configured(options, i, given->value);
            return 0;
        }
        struct shown first, second;
        return aispipe_fail(target->error, AISPIPE_INVALID,
                            "%s: the key is given twice, as '%s' and '%s'; give it once", given->label,
                            show(&first, options->engine_options[i]), show(&second, given->value));
    }
    const char **more = reallocarray((void *)options->engine_options, options->n_engine_options + 1,
                                     sizeof *options->engine_options);
    if (!more)
        return aispipe_fail(target->error, AISPIPE_NO_MEMORY, "no memory for %zu engine options",
                            options->n_engine_options + 1);
    options->engine_options = more;
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

static int take_depths(const struct option_target *target, const struct given *given)
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
                return refuse(target, given);
            text += length;
            if (!*text)
                break;
        }
    }
    set_field(target->fields, given->spec, depth, sizeof depth);
    return 0;
}

static int take_hw(const struct option_target *target, const struct given *given)
{
    uint64_t hw[2];
    const char *comma = strchr(given->value, ',');
    if (!comma || !number_in_range(given->spec, given->value, (size_t)(comma - given->value), &hw[0]) ||
        !number_in_range(given->spec, comma + 1, strlen(comma + 1), &hw[1]))
        return refuse(target, given);
    set_field(target->fields, given->spec, hw, sizeof hw);
    return 0;
}

static int take_shape(const struct option_target *target, const struct given *given)
{
    struct aispipe_error why;
    int rc = check_shape_value(given->spec->kind, given->value, &why);
    if (rc)
        return aispipe_fail(target->error, rc, "%s: %.1500s", given->label, why.message);
    return take_text(target, given);
}

int option_value_take(const struct option_target *target, const struct given *given)
{
    switch (given->spec->kind) {
    case OPTION_BOOL:
        return take_bool(target, given);
    case OPTION_NUMBER:
        return take_number(target, given);
    case OPTION_REAL:
        return take_real(target, given);
    case OPTION_NUMBERS:
        return take_numbers(target, given);
    case OPTION_CHOICE:
    case OPTION_NAME:
        return take_choice(target, given);
    case OPTION_KEY_VALUE:
        return take_key_value(target, given);
    case OPTION_DEPTHS:
        return take_depths(target, given);
    case OPTION_HW:
        return take_hw(target, given);
    case OPTION_SHAPE:
    case OPTION_RANGE:
    case OPTION_SIZES:
        return take_shape(target, given);
    case OPTION_SUBPATH:
        if (!check_subpath(given->value))
            return refuse(target, given);
        return take_text(target, given);
    case OPTION_FLAG: /* seen by ask_for_text before anything is parsed; what comes here is "--help=…" */
        return aispipe_fail(target->error, AISPIPE_INVALID, "%s takes no value", given->label);
    default:
        return take_text(target, given);
    }
}

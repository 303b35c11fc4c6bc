/* SPDX-License-Identifier: MIT */
#include "cli/check_shape.h"

#include "cli/check.h"
#include "cli/shape_range.h"
#include "shape.h"

#include <string.h>

static int check_letters(const char *value, struct aispipe_error *error)
{
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,;:/.-";
    struct shown shown;
    if (value[strspn(value, all)] == '\0')
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "'%s' holds a character that is not allowed; use letters, digits and _ , ; : / . -",
                        show(&shown, value));
}

static int check_shape_text(const char *value, struct aispipe_error *error)
{
    struct shape_entry entries[AISPIPE_MAX_TENSORS];
    size_t n;
    int rc = check_letters(value, error);
    return rc ? rc : shape_parse(value, entries, &n, error);
}

/* Reads sizes joined by ','. Returns how many; 0 when the text is something else. */
static size_t read_sizes(const char *text, size_t sizes[AISPIPE_MAX_TENSORS])
{
    size_t n = 0;
    for (const char *at = text;; at++) {
        size_t size = 0;
        size_t digits = strspn(at, "0123456789");
        for (size_t i = 0; i < digits; i++)
            if (__builtin_mul_overflow(size, (size_t)10, &size) ||
                __builtin_add_overflow(size, (size_t)(at[i] - '0'), &size))
                return 0;
        at += digits;
        if (!size || (*at && *at != ',') || n == AISPIPE_MAX_TENSORS)
            return 0;
        sizes[n++] = size;
        if (!*at)
            return n;
    }
}

static int check_sizes(const char *value, struct aispipe_error *error)
{
    size_t sizes[AISPIPE_MAX_TENSORS];
    struct shown shown;
    if (read_sizes(value, sizes))
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "'%s' is not accepted; give a whole number of bytes from 1 for each output, joined by "
        "',' (at most %d)",
        show(&shown, value), AISPIPE_MAX_TENSORS);
}

static int check_range(const char *value, struct aispipe_error *error)
{
    struct shape_range *range;
    int rc = shape_range_read(value, &range, error);
    if (!rc)
        shape_range_free(range);
    return rc;
}

int check_shape_value(enum option_kind kind, const char *value, struct aispipe_error *error)
{
    if (kind == OPTION_SHAPE)
        return check_shape_text(value, error);
    return kind == OPTION_RANGE ? check_range(value, error) : check_sizes(value, error);
}

static const char *argument_of(const char *const *seen, const char *name)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].name, name) == 0)
            return seen[i];
    return NULL;
}

/* Whether the option was given, and not as 0. */
static bool is_on(const struct options *options, const char *const *seen, const char *name)
{
    if (strcmp(name, "auto_set_dymdims_mode") == 0)
        return options->auto_dims;
    if (strcmp(name, "auto_set_dymshape_mode") == 0)
        return options->auto_shape;
    return argument_of(seen, name);
}

static int check_auto(const struct options *options, struct aispipe_error *error)
{
    if (!options->auto_dims && !options->auto_shape)
        return 0;
    const char *name = options->auto_dims ? "auto_set_dymdims_mode" : "auto_set_dymshape_mode";
    if (!options->input)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --%s needs --input: the dimensions are those of its .npy files", name);
    if (options->run_mode == RUN_MODE_FILES)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --%s needs .npy files, and --run_mode files reads .bin files only; use "
                            "another run mode",
                            name);
    return 0;
}

int check_one_shape(const struct options *options, const char *const *seen, struct aispipe_error *error)
{
    static const char *const ways[] = {"dymBatch",
                                       "dymHW",
                                       "dymDims",
                                       "dymShape",
                                       "dymShape_range",
                                       "auto_set_dymdims_mode",
                                       "auto_set_dymshape_mode"};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!is_on(options, seen, ways[i]))
            continue;
        /* A single shape wins over a range, as in the older tool. */
        if (first && !(strcmp(first, "dymShape") == 0 && strcmp(ways[i], "dymShape_range") == 0))
            return aispipe_fail(
                error, AISPIPE_INVALID,
                "options --%s and --%s exclude each other; give the shape in one of these ways", first,
                ways[i]);
        first = ways[i];
    }
    return check_auto(options, error);
}

struct aispipe_shape shape_of_options(const struct options *options, size_t sizes[AISPIPE_MAX_TENSORS])
{
    struct aispipe_shape shape = {0};
    if (options->output_size) {
        shape.output_sizes = sizes;
        shape.n_output_sizes = read_sizes(options->output_size, sizes);
    }
    if (options->dym_batch) {
        shape.mode = AISPIPE_SHAPE_BATCH;
        shape.batch = options->dym_batch;
    } else if (options->dym_hw[0]) {
        shape.mode = AISPIPE_SHAPE_HW;
        shape.height = options->dym_hw[0];
        shape.width = options->dym_hw[1];
    } else if (options->dym_dims || options->dym_shape) {
        shape.mode = options->dym_dims ? AISPIPE_SHAPE_DIMS : AISPIPE_SHAPE_SHAPE;
        shape.dims = options->dym_dims ? options->dym_dims : options->dym_shape;
    }
    return shape;
}

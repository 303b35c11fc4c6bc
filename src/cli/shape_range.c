/* SPDX-License-Identifier: MIT */
#include "cli/shape_range.h"

#include "shape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MOST = 1 << 20, SHOWN = 120 };

/* One dimension: its values, as a walk from the first or as a list. */
struct dimension {
    uint32_t count;
    int64_t first, step; /* of a walk */
    int64_t *list;       /* NULL: a walk */
};

/* One line: its text, cut into names and dimensions. */
struct pattern {
    char *text; /* each name ends in 0 */
    size_t n_inputs;
    const char **names;
    int *ranks;
    struct dimension *dimensions; /* of all inputs, one after the other */
    size_t n_dimensions;
    size_t shapes;
};

struct shape_range {
    struct pattern *patterns;
    size_t n;
    size_t shapes;
};

/* What is being read, for the errors. */
struct reading {
    unsigned line; /* of a file; 0: no file */
    struct aispipe_error *error;
};

/* ---------------------------------------------------------------- errors */

static int refuse(const struct reading *reading, const char *text, size_t length, const char *what)
{
    char where[32] = "";
    if (reading->line)
        (void)snprintf(where, sizeof where, "line %u: ", reading->line);
    return aispipe_fail(reading->error, AISPIPE_INVALID, "%s'%.*s' %s", where,
                        length < SHOWN ? (int)length : SHOWN, text, what);
}

static int no_memory(const struct reading *reading)
{
    return aispipe_fail(reading->error, AISPIPE_NO_MEMORY, "no memory for a range of shapes");
}

static int too_many(const struct reading *reading, const char *text, size_t length)
{
    char what[96];
    (void)snprintf(what, sizeof what, "stands for more than %d shapes; narrow it", SHAPE_RANGE_MOST);
    return refuse(reading, text, length, what);
}

/* ---------------------------------------------------------------- one dimension */

static int read_walk(const struct reading *reading, const char *text, size_t length, struct dimension *dim)
{
    int64_t numbers[3] = {0, 0, 1};
    const char *at = text;
    const char *end = text + length;
    int n = 0;
    for (; n < 3 && at <= end; n++) {
        const char *tilde = memchr(at, '~', (size_t)(end - at));
        const char *stop = tilde ? tilde : end;
        numbers[n] = shape_read_dim(at, (size_t)(stop - at));
        if (!numbers[n])
            return refuse(reading, text, length,
                          "is not a range; write FIRST~LAST or FIRST~LAST~STEP with "
                          "whole numbers from 1");
        at = stop + 1;
    }
    if (at <= end)
        return refuse(reading, text, length, "has too many '~'; write FIRST~LAST or FIRST~LAST~STEP");
    if (numbers[1] < numbers[0])
        return refuse(reading, text, length, "ends before it begins; write the smaller size first");
    int64_t count = (numbers[1] - numbers[0]) / numbers[2] + 1;
    if (count > SHAPE_RANGE_MOST)
        return too_many(reading, text, length);
    *dim = (struct dimension){.count = (uint32_t)count, .first = numbers[0], .step = numbers[2]};
    return 0;
}

static int read_list(const struct reading *reading, const char *text, size_t length, struct dimension *dim)
{
    uint32_t count = 1;
    for (size_t i = 0; i < length; i++)
        count += text[i] == '-';
    dim->list = calloc(count, sizeof *dim->list);
    if (!dim->list)
        return no_memory(reading);
    for (const char *at = text; dim->count < count;) {
        size_t digits = strcspn(at, "-,;");
        digits = at + digits > text + length ? (size_t)(text + length - at) : digits;
        dim->list[dim->count] = shape_read_dim(at, digits);
        if (!dim->list[dim->count++])
            return refuse(reading, text, length,
                          "is no size; write whole numbers from 1: N, N-N-N for "
                          "several, FIRST~LAST or FIRST~LAST~STEP for a range");
        at += digits + 1;
    }
    return 0;
}

static int read_dimension(const struct reading *reading, const char *text, size_t length,
                          struct dimension *dim)
{
    if (memchr(text, '~', length))
        return read_walk(reading, text, length, dim);
    return read_list(reading, text, length, dim);
}

/* ---------------------------------------------------------------- one line */

static int read_dimensions(const struct reading *reading, const char *text, struct pattern *pattern)
{
    size_t input = pattern->n_inputs - 1;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (pattern->ranks[input] == AISPIPE_MAX_RANK)
            return refuse(reading, text, strlen(text), "has more dimensions than a tensor can have");
        struct dimension *dim = &pattern->dimensions[pattern->n_dimensions];
        pattern->n_dimensions++;
        pattern->ranks[input]++;
        int rc = read_dimension(reading, at, length, dim);
        if (rc)
            return rc;
        pattern->shapes *= dim->count;
        if (pattern->shapes > SHAPE_RANGE_MOST)
            return too_many(reading, text, strlen(text));
        at += length;
        if (!*at)
            return 0;
    }
}

static int read_input(const struct reading *reading, char *part, struct pattern *pattern)
{
    char *colon = strrchr(part, ':');
    if (!colon || colon == part)
        return refuse(reading, part, strlen(part),
                      "is not of the form NAME:N,N,…; write one such part for "
                      "each input, joined by ';'");
    *colon = '\0';
    for (size_t i = 0; i < pattern->n_inputs; i++)
        if (strcmp(pattern->names[i], part) == 0)
            return refuse(reading, part, strlen(part), "is named twice; give each input once");
    pattern->names[pattern->n_inputs++] = part;
    return read_dimensions(reading, colon + 1, pattern);
}

static int allocate(const struct reading *reading, const char *text, size_t length, struct pattern *pattern)
{
    size_t inputs = 1;
    size_t dimensions = 1;
    for (size_t i = 0; i < length; i++) {
        inputs += text[i] == ';';
        dimensions += text[i] == ',' || text[i] == ';';
    }
    pattern->shapes = 1;
    pattern->text = strndup(text, length);
    pattern->names = calloc(inputs, sizeof *pattern->names);
    pattern->ranks = calloc(inputs, sizeof *pattern->ranks);
    pattern->dimensions = calloc(dimensions, sizeof *pattern->dimensions);
    bool ready = pattern->text && pattern->names && pattern->ranks && pattern->dimensions;
    return ready ? 0 : no_memory(reading);
}

static int read_pattern(const struct reading *reading, const char *text, size_t length,
                        struct pattern *pattern)
{
    int rc = allocate(reading, text, length, pattern);
    for (char *part = pattern->text; !rc;) {
        char *semicolon = strchr(part, ';');
        if (semicolon)
            *semicolon = '\0';
        rc = read_input(reading, part, pattern);
        if (!semicolon)
            break;
        part = semicolon + 1;
    }
    return rc;
}

static void free_pattern(struct pattern *pattern)
{
    for (size_t i = 0; i < pattern->n_dimensions; i++)
        free(pattern->dimensions[i].list);
    free(pattern->dimensions);
    free(pattern->ranks);
    free(pattern->names);
    free(pattern->text);
}

/* ---------------------------------------------------------------- all lines */

static int add_line(struct shape_range *range, const struct reading *reading, const char *text, size_t length)
{
    struct pattern *more = realloc(range->patterns, (range->n + 1) * sizeof *more);
    if (!more)
        return no_memory(reading);
    range->patterns = more;
    more[range->n] = (struct pattern){0};
    range->n++;
    int rc = read_pattern(reading, text, length, &more[range->n - 1]);
    if (rc)
        return rc;
    range->shapes += more[range->n - 1].shapes;
    return range->shapes > SHAPE_RANGE_MOST ? too_many(reading, text, length) : 0;
}

/* A character that no shape is made of: said before the grammar, which would take it for part of a name. */
static int check_letters(const struct reading *reading, const char *text, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,;:/.-~";
    for (size_t i = 0; i < length; i++)
        if (!text[i] || !strchr(letters, text[i]))
            return refuse(reading, text, length,
                          "holds a character that is not allowed; use letters, digits and _ , ; : / . - ~");
    return 0;
}

static int read_lines(struct shape_range *range, struct reading *reading, const char *text)
{
    for (const char *line = text; *line;) {
        size_t whole = strcspn(line, "\n");
        size_t length = whole;
        while (length && strchr(" \t\r", line[length - 1]))
            length--;
        reading->line++;
        int rc = length ? check_letters(reading, line, length) : 0;
        if (!rc && length)
            rc = add_line(range, reading, line, length);
        if (rc)
            return rc;
        line += whole + (line[whole] == '\n');
    }
    return 0;
}

static int read_file(struct shape_range *range, const char *path, struct aispipe_error *error)
{
    struct reading reading = {.error = error};
    FILE *file = fopen(path, "re");
    if (!file)
        return aispipe_fail(error, AISPIPE_INVALID, "'%.*s' cannot be read: %s; check its permissions", SHOWN,
                            path, strerror(errno));
    char *text = malloc(FILE_MOST + 1);
    size_t length = text ? fread(text, 1, FILE_MOST + 1, file) : 0;
    int failed = ferror(file);
    (void)fclose(file);
    int rc = 0;
    if (!text)
        rc = no_memory(&reading);
    else if (failed)
        rc = aispipe_fail(error, AISPIPE_INVALID, "'%.*s' cannot be read", SHOWN, path);
    else if (length > FILE_MOST)
        rc =
            aispipe_fail(error, AISPIPE_INVALID, "'%.*s' is larger than %d bytes, which no list of shapes is",
                         SHOWN, path, FILE_MOST);
    else if (memchr(text, '\0', length))
        rc = aispipe_fail(error, AISPIPE_INVALID, "'%.*s' is not a text file", SHOWN, path);
    if (!rc && text) {
        text[length] = '\0';
        rc = read_lines(range, &reading, text);
    }
    if (!rc && !range->n)
        rc = aispipe_fail(error, AISPIPE_INVALID, "'%.*s' holds no shape; write one line each", SHOWN, path);
    free(text);
    return rc;
}

int shape_range_read(const char *value, struct shape_range **range, struct aispipe_error *error)
{
    *range = NULL;
    struct shape_range *made = calloc(1, sizeof *made);
    struct reading reading = {.error = error};
    if (!made)
        return no_memory(&reading);
    struct stat status;
    int rc;
    if (stat(value, &status) == 0 && S_ISREG(status.st_mode)) {
        rc = read_file(made, value, error);
    } else {
        rc = check_letters(&reading, value, strlen(value));
        if (!rc && !strchr(value, ':'))
            rc = refuse(
                &reading, value, strlen(value),
                "is neither a file nor of the form NAME:N,N,…; name a file with such a line for each, or "
                "write one such part for each input, joined by ';'");
        if (!rc)
            rc = add_line(made, &reading, value, strlen(value));
    }
    if (rc) {
        shape_range_free(made);
        return rc;
    }
    *range = made;
    return 0;
}

void shape_range_free(struct shape_range *range)
{
    if (!range)
        return;
    for (size_t i = 0; i < range->n; i++)
        free_pattern(&range->patterns[i]);
    free(range->patterns);
    free(range);
}

/* ---------------------------------------------------------------- the shapes */

size_t shape_range_count(const struct shape_range *range)
{
    return range->shapes;
}

static int64_t value_of(const struct dimension *dim, size_t index)
{
    return dim->list ? dim->list[index] : dim->first + (int64_t)index * dim->step;
}

/* snprintf that counts on where the text is full. */
static size_t put(char *text, size_t capacity, size_t used, const char *before, const char *name,
                  int64_t number)
{
    char *to = used < capacity ? text + used : NULL;
    size_t room = used < capacity ? capacity - used : 0;
    int length =
        name ? snprintf(to, room, "%s%s", before, name) : snprintf(to, room, "%s%" PRIi64, before, number);
    return used + (size_t)length;
}

size_t shape_range_text(const struct shape_range *range, size_t index, char *text, size_t capacity)
{
    const struct pattern *pattern = range->patterns;
    while (index >= pattern->shapes)
        index -= pattern++->shapes;
    size_t block = pattern->shapes; /* shapes over which the dimensions from here on run once */
    size_t used = 0;
    const struct dimension *dim = pattern->dimensions;
    for (size_t i = 0; i < pattern->n_inputs; i++) {
        used = put(text, capacity, used, i ? ";" : "", pattern->names[i], 0);
        for (int axis = 0; axis < pattern->ranks[i]; axis++, dim++) {
            block /= dim->count;
            used =
                put(text, capacity, used, axis ? "," : ":", NULL, value_of(dim, index / block % dim->count));
        }
    }
    return used;
}

/* SPDX-License-Identifier: MIT */
/* From what was typed to an option: exact spellings, and the nearest one for an error line. */
#include "cli/options_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* No option is nearly as long; what is longer is no misspelling of one. */
#define MAX_BODY 40

/* '-' and '_' are one letter in long options. */
static bool same_letters(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char x = a[i] == '-' ? '_' : a[i];
        char y = b[i] == '-' ? '_' : b[i];
        if (x != y)
            return false;
    }
    return true;
}

static bool spells_alias(const char *alias, const char *typed, size_t length)
{
    if (strlen(alias) != length)
        return false;
    if (alias[1] != '-')
        return memcmp(alias, typed, length) == 0;
    return typed[0] == '-' && typed[1] == '-' && same_letters(alias + 2, typed + 2, length - 2);
}

static bool spells(const struct option_spec *spec, const char *typed, size_t length)
{
    if (length == strlen(spec->name) + 2 && typed[0] == '-' && typed[1] == '-' &&
        same_letters(spec->name, typed + 2, length - 2))
        return true;
    for (size_t i = 0; i < OPTION_MAX_ALIASES && spec->aliases[i]; i++) {
        if (spells_alias(spec->aliases[i], typed, length))
            return true;
    }
    return false;
}

const struct option_spec *option_find(const char *typed, size_t length)
{
    for (size_t i = 0; i < option_count; i++) {
        if (spells(&option_table[i], typed, length))
            return &option_table[i];
    }
    return NULL;
}

/* Writes a spelling without leading dashes, in lower case and with '_' for '-'. Returns its length, 0 when it
 * does not fit. */
static size_t body_of(const char *typed, size_t length, char body[MAX_BODY])
{
    size_t dashes = 0;
    while (dashes < length && typed[dashes] == '-')
        dashes++;
    if (length - dashes > MAX_BODY)
        return 0;
    for (size_t i = dashes; i < length; i++) {
        char letter = typed[i];
        body[i - dashes] = letter == '-' ? '_' : (char)tolower((unsigned char)letter);
    }
    return length - dashes;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to insert, remove, replace or swap with their neighbour to get from a to b. */
static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned cost[MAX_BODY + 1][MAX_BODY + 1];
    for (size_t i = 0; i <= n; i++)
        cost[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++)
        cost[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            unsigned replace = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            unsigned best = least(replace, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[n][m];
}

struct nearest {
    char body[MAX_BODY];
    size_t body_length;
    unsigned score; /* of the best so far: less is nearer */
    char *text;
    size_t capacity;
};

static void consider(struct nearest *nearest, const char *spelling)
{
    char body[MAX_BODY];
    size_t length = body_of(spelling, strlen(spelling), body);
    size_t typed = nearest->body_length;
    unsigned distance = edit_distance(nearest->body, typed, body, length);
    /* The beginning of a long name is as good as a misspelling of one letter. */
    if (typed >= 3 && typed < length && memcmp(nearest->body, body, typed) == 0)
        distance = 1;
    /* One letter wrong in two is no evidence: short spellings must match but for dashes and case. */
    unsigned allowed = typed < 3 ? 0 : (unsigned)(typed + 1) / 3;
    /* Of two that are as near, the one with as many letters: letters are swapped more often than forgotten.
     */
    unsigned score = 2 * distance + (length != typed);
    if (distance > allowed || score >= nearest->score)
        return;
    nearest->score = score;
    (void)snprintf(nearest->text, nearest->capacity, "%s", spelling);
}

const char *option_suggest(const char *typed, size_t length, char *text, size_t capacity)
{
    struct nearest nearest = {.score = 2 * MAX_BODY, .capacity = capacity};
    nearest.text = text;
    nearest.body_length = body_of(typed, length, nearest.body);
    if (!nearest.body_length)
        return NULL;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        char name[MAX_BODY + 3];
        (void)snprintf(name, sizeof name, "--%s", spec->name);
        consider(&nearest, name);
        for (size_t k = 0; k < OPTION_MAX_ALIASES && spec->aliases[k]; k++)
            consider(&nearest, spec->aliases[k]);
    }
    return nearest.score < 2 * MAX_BODY ? text : NULL;
}

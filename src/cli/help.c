/* SPDX-License-Identifier: MIT */
#include "cli/help.h"

#include "cli/options_table.h"

#include <string.h>

#define WIDTH 90
#define COLUMN 30 /* where explanations begin */

/* A line being filled. */
struct page {
    FILE *out;
    size_t column;
    size_t indent; /* of the lines that follow the first */
};

/* UTF-8 continuation bytes take no column. The table holds no wide characters. */
static size_t columns(const char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static void put(struct page *page, const char *text, size_t length)
{
    (void)fwrite(text, 1, length, page->out);
    page->column += columns(text, length);
}

static void end_line(struct page *page)
{
    (void)fputc('\n', page->out);
    page->column = 0;
}

static void move_to(struct page *page, size_t column)
{
    if (page->column > column)
        end_line(page);
    if (page->column < column)
        page->column += (size_t)fprintf(page->out, "%*s", (int)(column - page->column), "");
}

/* Adds words separated by single blanks; a word that does not fit begins the next line. */
static void fill(struct page *page, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, " ");
        bool first = page->column == page->indent;
        if (!first && page->column + 1 + columns(text, length) > WIDTH) {
            end_line(page);
            move_to(page, page->indent);
            first = true;
        }
        if (!first)
            put(page, " ", 1);
        put(page, text, length);
        text += length;
        text += strspn(text, " ");
    }
}

static void paragraph(FILE *out, size_t indent, const char *text)
{
    struct page page = {.out = out, .indent = indent};
    move_to(&page, indent);
    fill(&page, text);
    end_line(&page);
}

/* "[BIN, NPY, TXT; default BIN]" */
static void fill_values(struct page *page, const struct option_spec *spec)
{
    char values[128], initial[128], text[288];
    option_values(spec, values, sizeof values);
    option_default(spec, initial, sizeof initial);
    if (!*values && !*initial)
        return;
    (void)snprintf(text, sizeof text, "[%s%s%s]", values, *values && *initial ? "; " : "", initial);
    fill(page, text);
}

static void print_option(FILE *out, const struct option_spec *spec)
{
    struct page page = {.out = out, .indent = 2};
    char name[64];
    (void)snprintf(name, sizeof name, "--%s", spec->name);
    move_to(&page, page.indent);
    put(&page, name, strlen(name));
    for (size_t i = 0; i < OPTION_MAX_ALIASES && spec->aliases[i]; i++) {
        put(&page, ", ", 2);
        put(&page, spec->aliases[i], strlen(spec->aliases[i]));
    }
    if (spec->metavar)
        fill(&page, spec->metavar);
    page.indent = COLUMN;
    move_to(&page, page.column + 2 > COLUMN ? 0 : COLUMN);
    move_to(&page, COLUMN);
    fill(&page, spec->help);
    fill_values(&page, spec);
    end_line(&page);
}

static void print_commands(FILE *out)
{
    (void)fputs("\nCommands (aispipe COMMAND --help says more):\n", out);
    for (const struct option_set *const *set = command_sets; *set; set++) {
        struct page page = {.out = out, .indent = COLUMN};
        move_to(&page, 2);
        put(&page, (*set)->command, strlen((*set)->command));
        for (const char *const *operand = (*set)->operands; operand && *operand; operand++)
            fill(&page, *operand);
        move_to(&page, COLUMN);
        fill(&page, (*set)->summary);
        end_line(&page);
    }
}

static void print_examples(FILE *out)
{
    (void)fputs("\nExamples:\n", out);
    for (size_t i = 0; i < sizeof option_examples / sizeof option_examples[0]; i++) {
        paragraph(out, 2, option_examples[i].command);
        paragraph(out, 6, option_examples[i].meaning);
    }
}

static void print_exit_statuses(FILE *out)
{
    (void)fputs("\nExit status:\n", out);
    for (size_t i = 0; i < sizeof option_exit_statuses / sizeof option_exit_statuses[0]; i++) {
        struct page page = {.out = out, .indent = 12};
        move_to(&page, 2);
        put(&page, option_exit_statuses[i].status, strlen(option_exit_statuses[i].status));
        move_to(&page, page.indent);
        fill(&page, option_exit_statuses[i].meaning);
        end_line(&page);
    }
}

void help_print(FILE *out)
{
    (void)fputs("Usage: aispipe --model FILE [--input PATHS] [--output DIR] [options]\n\n", out);
    paragraph(out, 0, option_purpose);
    (void)fputc('\n', out);
    paragraph(out, 0, option_syntax);
    for (int group = 0; group < OPTION_GROUPS; group++) {
        (void)fprintf(out, "\n%s:\n", option_group_names[group]);
        for (size_t i = 0; i < option_count; i++) {
            if ((int)option_table[i].group == group)
                print_option(out, &option_table[i]);
        }
    }
    print_commands(out);
    print_examples(out);
    print_exit_statuses(out);
}

void help_print_command(FILE *out, const struct option_set *set)
{
    (void)fprintf(out, "Usage: aispipe %s", set->command);
    for (const char *const *operand = set->operands; operand && *operand; operand++)
        (void)fprintf(out, " %s", *operand);
    (void)fputs(" [options]\n\n", out);
    paragraph(out, 0, set->purpose);
    (void)fputs("\nOptions:\n", out);
    for (size_t i = 0; i < set->count; i++)
        print_option(out, &set->options[i]);
}

void help_version(FILE *out)
{
    (void)fprintf(out, "aispipe %s\n", aispipe_version());
}

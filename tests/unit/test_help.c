/* SPDX-License-Identifier: MIT */
/* What is made from the table of options: --help, --version, man page, bash completion and Markdown. */
#include "unit.h"

#include "cli/help.h"
#include "cli/options_table.h"

/* The generator is a program of its own; here it is a function. */
#define main generate_main
#include "cli/generate.c" /* NOLINT(bugprone-suspicious-include): its main is what is tested */
#undef main

#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MAX = 65536, WIDTH = 90 };

/* Runs the generator with its standard output in a file, and returns what it has written. */
static const char *generated(const char *what, int wanted_status)
{
    static char text[TEXT_MAX];
    char *argv[] = {"generate", (char *)(uintptr_t)what, "1.2.3", NULL};
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    int status = generate_main(3, argv);
    (void)fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    assert_int_equal(close(kept), 0);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    size_t length = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_true(length < sizeof text - 1);
    text[length] = '\0';
    assert_int_equal(status, wanted_status);
    return text;
}

static const char *help(void)
{
    static char text[TEXT_MAX];
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    help_print(file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static bool is_part_of_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* `word` stands in `text`, and not only as a part of a longer one. */
static void check_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++) {
        if ((at == text || !is_part_of_word(at[-1])) && !is_part_of_word(at[length]))
            return;
    }
    fail_msg("'%s' is not named", word);
}

typedef void (*check_fn)(const char *text, const char *word);

/* Every long name and every alias, as they are typed. */
static void check_spellings(const char *text, check_fn check)
{
    for (size_t i = 0; i < option_count; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "--%s", option_table[i].name);
        check(text, name);
        for (size_t k = 0; k < OPTION_MAX_ALIASES && option_table[i].aliases[k]; k++)
            check(text, option_table[i].aliases[k]);
    }
}

/* ---------------------------------------------------------------- the table */

static void test_table_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        size_t length = strlen(spec->help);
        assert_true(length > 0 && spec->help[length - 1] == '.');
        assert_true(i == 0 || option_table[i - 1].group <= spec->group);
        assert_int_equal(spec->metavar == NULL, spec->kind == OPTION_FLAG);
        assert_null(strpbrk(spec->name, "-= "));
        assert_true(spec->kind != OPTION_NUMBER || spec->min <= spec->max);
        assert_int_equal(spec->choices != NULL, spec->kind == OPTION_CHOICE || spec->kind == OPTION_NAME);
        for (size_t k = 0; k < i; k++)
            assert_true(option_table[k].offset != spec->offset);
    }
}

/* ---------------------------------------------------------------- help */

static void test_help_names_every_option(void **state)
{
    (void)state;
    const char *text = help();
    check_spellings(text, check_word);
    for (int group = 0; group < OPTION_GROUPS; group++)
        assert_non_null(strstr(text, option_group_names[group]));
    assert_non_null(strstr(text, "Usage: aispipe --model FILE"));
    assert_non_null(strstr(text, "[BIN, NPY, TXT; default BIN]"));
    assert_non_null(strstr(text, "Exit status:"));
}

static void test_help_is_not_too_wide(void **state)
{
    (void)state;
    for (const char *line = help(); *line; line += strcspn(line, "\n") + 1) {
        size_t length = strcspn(line, "\n"), wide = 0;
        for (size_t i = 0; i < length; i++)
            wide += ((unsigned char)line[i] & 0xc0) != 0x80;
        if (wide > WIDTH)
            fail_msg("%zu columns: %.*s", wide, (int)length, line);
        assert_true(length == 0 || line[length - 1] != ' ');
    }
}

static void test_version(void **state)
{
    (void)state;
    char text[64], wanted[64];
    FILE *file = fmemopen(text, sizeof text, "w");
    assert_non_null(file);
    help_version(file);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(wanted, sizeof wanted, "aispipe %s\n", aispipe_version());
    assert_string_equal(text, wanted);
}

/* ---------------------------------------------------------------- generated */

static void check_roff_word(const char *text, const char *word)
{
    char escaped[128] = "\\fB";
    size_t at = strlen(escaped);
    for (; *word; word++) {
        if (*word == '-')
            escaped[at++] = '\\';
        escaped[at++] = *word;
    }
    escaped[at] = '\0';
    check_word(text, escaped);
}

static void test_man_page_names_every_option(void **state)
{
    (void)state;
    const char *text = generated("man", 0);
    check_spellings(text, check_roff_word);
    assert_non_null(strstr(text, ".TH AISPIPE 1 \"\" \"aispipe 1.2.3\""));
    /* A line that begins with a dot is a request: only those that are meant to be. */
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        if (*line == '.')
            assert_true(strncmp(line, ".TH ", 4) == 0 || strncmp(line, ".SH ", 4) == 0 ||
                        strncmp(line, ".SS ", 4) == 0 || strncmp(line, ".TP\n", 4) == 0 ||
                        strncmp(line, ".B ", 3) == 0);
        assert_true(*line != '\'');
    }
}

static void test_completion_names_every_option(void **state)
{
    (void)state;
    const char *text = generated("bash", 0);
    check_spellings(text, check_word);
    assert_non_null(strstr(text, "complete -o default -F _aispipe aispipe"));
    check_word(text, "openvino");
}

static void test_markdown_names_every_option(void **state)
{
    (void)state;
    const char *text = generated("markdown", 0);
    check_spellings(text, check_word);
    for (size_t i = 0; i < option_count; i++) {
        char row[64];
        (void)snprintf(row, sizeof row, "\n| `--%s` | ", option_table[i].name);
        assert_non_null(strstr(text, row));
    }
    /* Every row of a table of options has four cells. */
    for (const char *line = strstr(text, "\n| `--"); line; line = strstr(line + 1, "\n| `--")) {
        int bars = 0;
        for (const char *c = line + 1; *c && *c != '\n'; c++)
            bars += *c == '|' && c[-1] != '\\';
        assert_int_equal(bars, 5);
    }
}

static void test_generator_refuses_the_rest(void **state)
{
    (void)state;
    assert_string_equal(generated("pdf", 2), "");
    assert_string_equal(generated("", 2), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_help_names_every_option),
        cmocka_unit_test(test_help_is_not_too_wide),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_man_page_names_every_option),
        cmocka_unit_test(test_completion_names_every_option),
        cmocka_unit_test(test_markdown_names_every_option),
        cmocka_unit_test(test_generator_refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

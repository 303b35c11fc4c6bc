/* SPDX-License-Identifier: MIT */
/* Sub-commands: which arguments are theirs, and how each table is read. */
#include "unit.h"

#include "cli/commands.h"
#include "cli/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS(...) ((char *[]){__VA_ARGS__, NULL})

static const char *seen[16];
static struct aispipe_error error;

static int parse(const struct option_set *set, char *const *argv, void *fields)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    memset(&error, 0, sizeof error);
    memset(seen, 0, sizeof seen);
    return option_set_parse(set, argc, argv, fields, seen, &error);
}

static void refused(const struct option_set *set, char *const *argv, const char *word)
{
    char fields[256] = {0};
    if (parse(set, argv, fields) != AISPIPE_INVALID)
        fail_msg("accepted, where '%s' is to be refused", word);
    if (!strstr(error.message, word) || strchr(error.message, '\n'))
        fail_msg("'%s' does not say '%s'", error.message, word);
}

static void test_which_arguments_are_a_command(void **state)
{
    (void)state;
    assert_true(command_given(2, ARGUMENTS("aispipe", "convert")));
    assert_true(command_given(3, ARGUMENTS("aispipe", "nonsense", "--model")));
    assert_false(command_given(1, ARGUMENTS("aispipe")));
    assert_false(command_given(2, ARGUMENTS("aispipe", "--help")));
    assert_false(command_given(3, ARGUMENTS("aispipe", "-m", "convert")));
    assert_false(command_given(2, ARGUMENTS("aispipe", "")));
}

static void test_devices(void **state)
{
    (void)state;
    struct devices_options options = {0};
    assert_int_equal(parse(&devices_set, ARGUMENTS("devices"), &options), 0);
    assert_true(!options.json && !options.help);
    assert_int_equal(parse(&devices_set, ARGUMENTS("devices", "--json"), &options), 0);
    assert_true(options.json);
    assert_int_equal(parse(&devices_set, ARGUMENTS("devices", "--bogus", "-h"), &options), 0);
    assert_true(options.help);
    refused(&devices_set, ARGUMENTS("devices", "x"), "one argument too many");
    refused(&devices_set, ARGUMENTS("devices", "--model", "x"), "unknown option --model of devices");
    refused(&devices_set, ARGUMENTS("devices", "--jsno"), "did you mean --json?");
    refused(&devices_set, ARGUMENTS("devices", "--json", "--json"), "given twice");
    refused(&devices_set, ARGUMENTS("devices", "--json=maybe"), "'maybe' is not accepted");
}

static void test_convert(void **state)
{
    (void)state;
    struct convert_options options = {0};
    assert_int_equal(parse(&convert_set, ARGUMENTS("convert", "a", "-o", "b"), &options), 0);
    assert_string_equal(options.path[0], "a");
    assert_string_equal(options.output, "b");
    options = (struct convert_options){0};
    assert_int_equal(parse(&convert_set, ARGUMENTS("convert", "--output=b", "a"), &options), 0);
    assert_string_equal(options.path[0], "a");
    refused(&convert_set, ARGUMENTS("convert"), "PATH is missing");
    refused(&convert_set, ARGUMENTS("convert", "--output", "b"), "PATH is missing");
    refused(&convert_set, ARGUMENTS("convert", "a", "b"), "'b' is one argument too many");
    refused(&convert_set, ARGUMENTS("convert", ""), "is empty");
    refused(&convert_set, ARGUMENTS("convert", "a", "--output"), "needs a value");
}

/* What holds for every table: sentences, a flag for help, fields that do not overlap, a page that names all.
 */
static void test_tables_are_whole(void **state)
{
    (void)state;
    for (const struct option_set *const *at = command_sets; *at; at++) {
        const struct option_set *set = *at;
        char *text = NULL;
        size_t size = 0;
        FILE *page = open_memstream(&text, &size);
        help_print_command(page, set);
        assert_int_equal(fclose(page), 0);
        assert_non_null(strstr(text, set->command));
        assert_true(at == command_sets || strcmp(at[-1]->command, set->command) < 0);
        assert_ptr_equal(option_find(set, "--help", 6), &set->options[set->count - 1]);
        for (size_t i = 0; i < set->count; i++) {
            const struct option_spec *spec = &set->options[i];
            char name[64];
            (void)snprintf(name, sizeof name, "  --%s", spec->name);
            assert_non_null(strstr(text, name));
            assert_int_equal(spec->help[strlen(spec->help) - 1], '.');
            assert_int_equal(spec->metavar == NULL, spec->kind == OPTION_FLAG);
            for (size_t k = 0; k < i; k++)
                assert_true(set->options[k].offset != spec->offset);
        }
        for (const char *const *operand = set->operands; operand && *operand; operand++)
            assert_non_null(strstr(text, *operand));
        free(text);
    }
}

static void test_main_help_names_the_commands(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *page = open_memstream(&text, &size);
    help_print(page);
    assert_int_equal(fclose(page), 0);
    for (const struct option_set *const *set = command_sets; *set; set++) {
        char line[64];
        (void)snprintf(line, sizeof line, "\n  %s", (*set)->command);
        assert_non_null(strstr(text, line));
        assert_non_null(strstr(text, (*set)->summary));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_arguments_are_a_command),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_tables_are_whole),
        cmocka_unit_test(test_main_help_names_the_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

#include "cli/check.h"
#include "cli/help.h"
#include "cli/run.h"

#include <stdio.h>
#include <string.h>

#define MAX_COMMAND_OPTIONS 16

bool command_given(int argc, char *const *argv)
{
    return argc > 1 && argv[1][0] && argv[1][0] != '-';
}

static int refuse_unknown(const char *name, const struct console *console)
{
    struct aispipe_error error;
    struct shown shown;
    char names[256] = "";
    for (const struct option_set *const *set = command_sets; *set; set++) {
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*set)->command);
    }
    (void)aispipe_fail(&error, AISPIPE_INVALID,
                       "there is no command '%s'; there are %s. A run begins with an option, for example: %s",
                       show(&shown, name), names, option_examples[0].command);
    console_error(console, error.message);
    return EXIT_REFUSED;
}

/* Parses into `fields`. Returns whether the command is to be run; otherwise `*status` is the exit status. */
static bool parse(const struct option_set *set, int argc, char *const *argv, void *fields, const bool *help,
                  const struct console *console, int *status)
{
    const char *seen[MAX_COMMAND_OPTIONS] = {NULL};
    struct aispipe_error error = {0};
    *status = EXIT_REFUSED;
    if (set->count > MAX_COMMAND_OPTIONS || option_set_parse(set, argc, argv, fields, seen, &error)) {
        console_error(console,
                      *error.message ? error.message : "the command's table has outgrown the parser");
        return false;
    }
    if (!*help)
        return true;
    help_print_command(stdout, set);
    *status = EXIT_DONE;
    return false;
}

int command_run(int argc, char *const *argv, struct console *console)
{
    const char *name = argv[1];
    int status;
    if (strcmp(name, compare_set.command) == 0) {
        struct compare_options options = {0};
        if (!parse(&compare_set, argc - 1, argv + 1, &options, &options.help, console, &status))
            return status;
        return compare_command(&options, console);
    }
    if (strcmp(name, devices_set.command) == 0) {
        struct devices_options options = {0};
        if (!parse(&devices_set, argc - 1, argv + 1, &options, &options.help, console, &status))
            return status;
        return devices_command(&options, console);
    }
    if (strcmp(name, convert_set.command) == 0) {
        struct convert_options options = {0};
        if (!parse(&convert_set, argc - 1, argv + 1, &options, &options.help, console, &status))
            return status;
        return convert_command(&options, console);
    }
    if (strcmp(name, tune_set.command) == 0)
        return tune_command(argc - 1, argv + 1, console);
    return refuse_unknown(name, console);
}

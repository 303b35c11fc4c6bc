/* SPDX-License-Identifier: MIT */
/*
 * A program of its own, run while building: `generate man|bash|markdown [VERSION]` prints the man page, the
 * bash completion or docs/options.md from the table of options. It needs options.c and libc only.
 */
#include "cli/options_table.h"

#include <stdio.h>
#include <string.h>

/* Range or choices and default, joined ("1–1024; default 1"). */
static const char *values_and_default(const struct option_spec *spec, char *text, size_t capacity)
{
    char values[128], initial[128];
    option_values(spec, values, sizeof values);
    option_default(spec, initial, sizeof initial);
    (void)snprintf(text, capacity, "%s%s%s", values, *values && *initial ? "; " : "", initial);
    return text;
}

/* ---------------------------------------------------------------- man */

/* Text that roff takes as it stands: '-' and quotes as typed, the en dash by its name. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        (void)fputs("\\&", stdout);
    while (*text) {
        if (strncmp(text, "–", strlen("–")) == 0) {
            (void)fputs("\\(en", stdout);
            text += strlen("–");
            continue;
        }
        if (*text == '-')
            (void)fputs("\\-", stdout);
        else if (*text == '\'')
            (void)fputs("\\(aq", stdout);
        else if (*text == '\\')
            (void)fputs("\\e", stdout);
        else
            (void)fputc(*text, stdout);
        text++;
    }
}

static void roff_line(const char *text)
{
    roff(text);
    (void)fputc('\n', stdout);
}

static void man_option(const struct option_spec *spec)
{
    char text[288];
    (void)fputs(".TP\n\\fB\\-\\-", stdout);
    roff(spec->name);
    for (size_t i = 0; i < OPTION_MAX_ALIASES && spec->aliases[i]; i++) {
        (void)fputs("\\fR, \\fB", stdout);
        roff(spec->aliases[i]);
    }
    if (spec->metavar) {
        (void)fputs("\\fR \\fI", stdout);
        roff(spec->metavar);
    }
    (void)fputs("\\fR\n", stdout);
    roff_line(spec->help);
    if (*values_and_default(spec, text, sizeof text)) {
        (void)fputc('[', stdout);
        roff(text);
        (void)fputs("]\n", stdout);
    }
}

static void man_command(const struct option_set *set)
{
    (void)printf(".SS \"aispipe %s", set->command);
    for (const char *const *operand = set->operands; operand && *operand; operand++)
        (void)printf(" %s", *operand);
    (void)fputs("\"\n", stdout);
    roff_line(set->purpose);
    for (size_t i = 0; i < set->count; i++)
        man_option(&set->options[i]);
}

static void man_options(void)
{
    (void)fputs(".SH OPTIONS\n", stdout);
    roff_line(option_syntax);
    for (int group = 0; group < OPTION_GROUPS; group++) {
        (void)printf(".SS \"%s\"\n", option_group_names[group]);
        for (size_t i = 0; i < option_count; i++) {
            if ((int)option_table[i].group == group)
                man_option(&option_table[i]);
        }
    }
}

static void man(const char *version)
{
    (void)printf(".TH AISPIPE 1 \"\" \"aispipe %s\" \"User Commands\"\n", version);
    (void)fputs(".SH NAME\naispipe \\- run a model over a dataset and measure it\n", stdout);
    (void)fputs(".SH SYNOPSIS\n.B aispipe\n\\fB\\-\\-model\\fR \\fIFILE\\fR\n"
                "[\\fB\\-\\-input\\fR \\fIPATHS\\fR]\n[\\fB\\-\\-output\\fR \\fIDIR\\fR]\n"
                "[\\fIoptions\\fR]\n",
                stdout);
    (void)fputs(".SH DESCRIPTION\n", stdout);
    roff_line(option_purpose);
    man_options();
    (void)fputs(".SH COMMANDS\n", stdout);
    for (const struct option_set *const *set = command_sets; *set; set++)
        man_command(*set);
    (void)fputs(".SH \"EXIT STATUS\"\n", stdout);
    for (size_t i = 0; i < sizeof option_exit_statuses / sizeof option_exit_statuses[0]; i++) {
        (void)printf(".TP\n%s\n", option_exit_statuses[i].status);
        roff_line(option_exit_statuses[i].meaning);
    }
    (void)fputs(".SH EXAMPLES\n", stdout);
    for (size_t i = 0; i < sizeof option_examples / sizeof option_examples[0]; i++) {
        (void)fputs(".TP\n\\fB", stdout);
        roff(option_examples[i].command);
        (void)fputs("\\fR\n", stdout);
        roff_line(option_examples[i].meaning);
    }
}

/* ---------------------------------------------------------------- bash */

/*
 * Bash splits "--option=value" at the '=' and hands over three words, so the option may be the word before
 * last. Option names are looked up with '_' for '-'. Where the function adds no word, readline completes file
 * names ("-o default"), with its own quoting; only the last of several paths joined by ',' needs work here.
 */
static const char bash_head[] =
    "# Completion of aispipe's options for bash. Made from the table of options.\n"
    "\n"
    "_aispipe_words() # CHOICES WORD\n"
    "{\n"
    "    compopt +o default 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\")\n"
    "}\n"
    "\n"
    "_aispipe_last_path() # PATH,…,WORD\n"
    "{\n"
    "    local path\n"
    "    case $1 in *,*) ;; *) return ;; esac\n"
    "    compopt +o default -o nospace 2>/dev/null\n"
    "    while IFS= read -r path; do\n"
    "        [ -d \"$path\" ] && path=$path/\n"
    "        COMPREPLY+=(\"${1%,*},$(printf %q \"$path\")\")\n"
    "    done < <(compgen -f -- \"${1##*,}\")\n"
    "}\n"
    "\n"
    "_aispipe()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} option=\"\"\n"
    "    COMPREPLY=()\n"
    "    [ \"$COMP_CWORD\" -ge 1 ] && option=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    if [ \"$cur\" = = ]; then\n"
    "        cur=\"\"\n"
    "    elif [ \"$option\" = = ] && [ \"$COMP_CWORD\" -ge 2 ]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    case $option in --*) option=${option#--}; option=--${option//-/_} ;; esac\n";

static void bash_pattern(const struct option_spec *spec)
{
    (void)printf("        --%s", spec->name);
    for (size_t i = 0; i < OPTION_MAX_ALIASES && spec->aliases[i]; i++) {
        bool long_form = spec->aliases[i][1] == '-';
        (void)fputs(long_form ? "|--" : "|", stdout);
        for (const char *c = spec->aliases[i] + (long_form ? 2 : 0); *c; c++)
            (void)fputc(long_form && *c == '-' ? '_' : *c, stdout);
    }
    (void)fputs(")\n            ", stdout);
}

static void bash_value(const struct option_spec *spec)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        return;
    case OPTION_BOOL:
        bash_pattern(spec);
        /* A boolean needs no value, so an option may follow as well. */
        (void)fputs("case $cur in -*) ;; *) _aispipe_words \"0 1\" \"$cur\"; return ;; esac ;;\n", stdout);
        return;
    case OPTION_CHOICE:
    case OPTION_NAME:
        bash_pattern(spec);
        (void)fputs("_aispipe_words \"", stdout);
        for (size_t i = 0; spec->choices[i]; i++)
            (void)printf("%s%s", i ? " " : "", spec->choices[i]);
        (void)fputs("\" \"$cur\"; return ;;\n", stdout);
        return;
    case OPTION_FILE:
        bash_pattern(spec);
        (void)fputs("return ;;\n", stdout);
        return;
    case OPTION_DIRECTORY:
        bash_pattern(spec);
        (void)fputs("compopt -o dirnames 2>/dev/null; return ;;\n", stdout);
        return;
    case OPTION_PATHS:
        bash_pattern(spec);
        (void)fputs("_aispipe_last_path \"$cur\"; return ;;\n", stdout);
        return;
    default: /* numbers and names that only the user knows */
        bash_pattern(spec);
        (void)fputs("_aispipe_words \"\" \"$cur\"; return ;;\n", stdout);
        return;
    }
}

/* A sub-command's own words: its options, then files. */
static void bash_commands(void)
{
    (void)fputs("    case ${COMP_WORDS[1]} in\n", stdout);
    for (const struct option_set *const *set = command_sets; *set; set++) {
        (void)printf("        %s) case $cur in -*) _aispipe_words \"", (*set)->command);
        for (size_t i = 0; i < (*set)->count; i++)
            (void)printf("%s--%s", i ? " " : "", (*set)->options[i].name);
        for (size_t i = 0; (*set)->with_main && i < option_count; i++)
            if (option_table[i].kind != OPTION_FLAG)
                (void)printf(" --%s", option_table[i].name);
        /* Values of the main form's options are completed below. */
        (void)fputs((*set)->with_main ? "\" \"$cur\"; return ;; esac ;;\n"
                                      : "\" \"$cur\" ;; esac; [ \"$COMP_CWORD\" -gt 1 ] && return ;;\n",
                    stdout);
    }
    (void)fputs("    esac\n", stdout);
}

static void bash_command_names(void)
{
    (void)fputs("\"\n    local commands=\"", stdout);
    for (const struct option_set *const *set = command_sets; *set; set++)
        (void)printf("%s%s", set == command_sets ? "" : " ", (*set)->command);
}

static void bash(void)
{
    (void)fputs(bash_head, stdout);
    bash_commands();
    (void)fputs("    case $option in\n", stdout);
    for (size_t i = 0; i < option_count; i++)
        bash_value(&option_table[i]);
    (void)fputs("    esac\n    local names=\"", stdout);
    for (size_t i = 0; i < option_count; i++)
        (void)printf("%s--%s", i ? " " : "", option_table[i].name);
    (void)fputs("\"\n    local aliases=\"", stdout);
    const char *separator = "";
    for (size_t i = 0; i < option_count; i++) {
        for (size_t k = 0; k < OPTION_MAX_ALIASES && option_table[i].aliases[k]; k++) {
            (void)printf("%s%s", separator, option_table[i].aliases[k]);
            separator = " ";
        }
    }
    bash_command_names();
    (void)fputs("\"\n"
                "    [ \"$COMP_CWORD\" -gt 1 ] && commands=\"\"\n"
                "    case $cur in\n"
                "        --*) cur=${cur#--}; _aispipe_words \"$names\" \"--${cur//-/_}\" ;;\n"
                "        -*) _aispipe_words \"$names $aliases\" \"$cur\" ;;\n"
                "        *) _aispipe_words \"$names $commands\" \"$cur\" ;;\n"
                "    esac\n"
                "}\n"
                "\n"
                "complete -o default -F _aispipe aispipe\n",
                stdout);
}

/* ---------------------------------------------------------------- markdown */

/* '|' ends a cell and '<' begins markup wherever they stand. */
static void cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<' || *text == '*')
            (void)fputc('\\', stdout);
        (void)fputc(*text, stdout);
    }
}

static void markdown_option(const struct option_spec *spec)
{
    char text[288];
    (void)printf("| `--%s` | ", spec->name);
    for (size_t i = 0; i < OPTION_MAX_ALIASES && spec->aliases[i]; i++)
        (void)printf("%s`%s`", i ? ", " : "", spec->aliases[i]);
    (void)fputs(" | ", stdout);
    values_and_default(spec, text, sizeof text);
    if (spec->metavar)
        (void)printf("`%s`%s", spec->metavar, *text ? "; " : "");
    cell(text);
    (void)fputs(" | ", stdout);
    cell(spec->help);
    (void)fputs(" |\n", stdout);
}

static void markdown_command(const struct option_set *set)
{
    (void)printf("\n## aispipe %s\n\n", set->command);
    cell(set->purpose);
    (void)fputs("\n\n| option | aliases | value and default | meaning |\n|---|---|---|---|\n", stdout);
    for (size_t i = 0; i < set->count; i++)
        markdown_option(&set->options[i]);
}

static void markdown(void)
{
    (void)printf(
        "# Options of aispipe\n\n"
        "<!-- Made by `generate markdown` from the table in src/cli/options.c; change it there. -->\n\n"
        "%s\n\n%s\n",
        option_purpose, option_syntax);
    for (int group = 0; group < OPTION_GROUPS; group++) {
        (void)printf("\n## %s\n\n| option | aliases | value and default | meaning |\n|---|---|---|---|\n",
                     option_group_names[group]);
        for (size_t i = 0; i < option_count; i++) {
            if ((int)option_table[i].group == group)
                markdown_option(&option_table[i]);
        }
    }
    for (const struct option_set *const *set = command_sets; *set; set++)
        markdown_command(*set);
    (void)fputs("\n## Examples\n", stdout);
    for (size_t i = 0; i < sizeof option_examples / sizeof option_examples[0]; i++)
        (void)printf("\n- `%s` %s.\n", option_examples[i].command, option_examples[i].meaning);
    (void)fputs("\n## Exit status\n\n| status | meaning |\n|---|---|\n", stdout);
    for (size_t i = 0; i < sizeof option_exit_statuses / sizeof option_exit_statuses[0]; i++)
        (void)printf("| %s | %s |\n", option_exit_statuses[i].status, option_exit_statuses[i].meaning);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "man") == 0) {
        man(argc > 2 ? argv[2] : "");
    } else if (strcmp(what, "bash") == 0) {
        bash();
    } else if (strcmp(what, "markdown") == 0) {
        markdown();
    } else {
        (void)fputs("usage: generate man|bash|markdown [VERSION]\n", stderr);
        return 2;
    }
    /* A full disk must fail the build, not leave half a page. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("generate: cannot write its output\n", stderr);
        return 1;
    }
    return 0;
}

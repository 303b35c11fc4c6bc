/* SPDX-License-Identifier: MIT */
#include "cli/msprof.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GUARD "AIT_NO_MSPROF_MODE"
#define OLD_GUARD "NO_MSPROF_MODE"

static bool is_one(const char *variable)
{
    const char *value = getenv(variable);
    return value && strcmp(value, "1") == 0;
}

bool msprof_wanted(void)
{
    return !is_one(GUARD) && !is_one(OLD_GUARD) && process_find("msprof", NULL, 0);
}

/* ------------------------------------------------------------------ the program's own command line */

/* What is taken out of it. A boolean's value may be left out. */
static const struct {
    const char *name;
    bool is_bool;
} dropped[] = {{"--profiler", true}, {"-pf", true}, {"--warmup_count", false}, {"-wcount", false}};

/* '-' and '_' are one letter in long options. */
static bool spells(const char *argument, const char *name)
{
    for (; *name && *argument && *argument != '='; name++, argument++)
        if (*name != *argument && !(*name == '_' && *argument == '-'))
            return false;
    return !*name && (!*argument || *argument == '=');
}

/* How many arguments from here on are taken out. */
static int drop(int left, char *const *argv)
{
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++) {
        if (!spells(argv[0], dropped[i].name))
            continue;
        bool has_next = left > 1 && !strchr(argv[0], '=');
        return has_next && (!dropped[i].is_bool || argv[1][0] != '-') ? 2 : 1;
    }
    return 0;
}

/* A text that grows. */
struct text {
    char *bytes;
    size_t length;
};

static int add_word(struct text *text, const char *word, struct aispipe_error *error)
{
    size_t length = strlen(word);
    if (!length || strpbrk(word, " \t\n\"'\\"))
        return aispipe_fail(
            error, AISPIPE_UNSUPPORTED,
            "--profiler: the argument '%s' cannot be handed through msprof, which cuts a command line "
            "at blanks; use names without blanks and quotes, or set " GUARD "=1 to profile without "
            "msprof",
            word);
    char *grown = realloc(text->bytes, text->length + length + 2);
    if (!grown)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to start msprof");
    text->bytes = grown;
    if (text->length)
        grown[text->length++] = ' ';
    memcpy(grown + text->length, word, length + 1);
    text->length += length;
    return 0;
}

/* The program by its own path: what argv[0] says may be relative, or a name on PATH. */
static int compose_application(int argc, char *const *argv, struct text *text, struct aispipe_error *error)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return aispipe_fail(error, AISPIPE_SYSTEM, "the program's own path cannot be read: %s",
                            strerror(errno));
    self[length] = '\0';
    int rc = add_word(text, self, error);
    for (int i = 1; !rc && i < argc;) {
        int taken_out = drop(argc - i, argv + i);
        if (!taken_out)
            rc = add_word(text, argv[i], error);
        i += taken_out ? taken_out : 1;
    }
    if (!rc)
        rc = add_word(text, "--profiler=0", error);
    return rc ? rc : add_word(text, "--warmup_count=0", error);
}

/* ------------------------------------------------------------------ msprof's command line */

static const char *const fixed_options[] = {
    "--model-execution=on", "--sys-hardware-mem=on",   "--sys-cpu-profiling=off",
    "--sys-profiling=off",  "--sys-pid-profiling=off", "--dvpp-profiling=on",
    "--runtime-api=on",     "--task-time=on",          "--aicpu=on",
};
#define FIXED (sizeof fixed_options / sizeof *fixed_options)

static int no_memory(struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to start msprof");
}

/* Appends `word`, which is then the list's; NULL is a lack of memory. The list has room. */
static int add(char **list, size_t *n, char *word)
{
    if (word)
        list[(*n)++] = word;
    return word ? 0 : -1;
}

static int compose_argv(const char *output, char *const *options, char *application, char ***result)
{
    size_t n = 0, given = 0;
    while (options && options[given])
        given++;
    char **argv = calloc(given + FIXED + 4, sizeof *argv);
    *result = argv;
    int rc = argv ? add(argv, &n, strdup("msprof")) : -1;
    char *place = NULL;
    if (!rc && !options)
        rc = asprintf(&place, "--output=%s/profiler", output) < 0 ? -1 : add(argv, &n, place);
    for (size_t i = 0; !rc && i < given; i++)
        rc = add(argv, &n, strdup(options[i]));
    char *run = NULL;
    if (!rc)
        rc = asprintf(&run, "--application=%s", application) < 0 ? -1 : add(argv, &n, run);
    for (size_t i = 0; !rc && !options && i < FIXED; i++)
        rc = add(argv, &n, strdup(fixed_options[i]));
    return rc;
}

static int compose_environment(char ***result)
{
    char directory[PATH_MAX], *variable = NULL;
    size_t n = 0, count = 0;
    while (environ[count])
        count++;
    char **environment = calloc(count + 3, sizeof *environment);
    *result = environment;
    int rc = environment && getcwd(directory, sizeof directory) ? 0 : -1;
    for (size_t i = 0; !rc && i < count; i++)
        if (strncmp(environ[i], GUARD "=", sizeof GUARD) != 0 &&
            strncmp(environ[i], MSPROF_DIRECTORY_VARIABLE "=", sizeof MSPROF_DIRECTORY_VARIABLE) != 0)
            rc = add(environment, &n, strdup(environ[i]));
    if (!rc)
        rc = add(environment, &n, strdup(GUARD "=1"));
    if (!rc)
        rc = asprintf(&variable, MSPROF_DIRECTORY_VARIABLE "=%s", directory) < 0
                 ? -1
                 : add(environment, &n, variable);
    return rc;
}

int msprof_compose(const char *output, char *const *options, int argc, char *const *argv,
                   struct msprof_command *command, struct aispipe_error *error)
{
    *command = (struct msprof_command){NULL, NULL};
    struct text application = {NULL, 0};
    int rc = compose_application(argc, argv, &application, error);
    if (!rc && (!application.bytes || compose_argv(output, options, application.bytes, &command->argv) ||
                compose_environment(&command->environment)))
        rc = no_memory(error);
    free(application.bytes);
    if (rc)
        msprof_free(command);
    return rc;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free((void *)list);
}

void msprof_free(struct msprof_command *command)
{
    free_list(command->argv);
    free_list(command->environment);
    *command = (struct msprof_command){NULL, NULL};
}

/* ------------------------------------------------------------------ run */

struct results {
    char *path;
    size_t capacity;
};

/* The last path that is said with a directory PROF_… in it, up to that directory. */
static void look_for_results(struct results *results, const char *line)
{
    const char *name = strstr(line, "PROF_");
    if (!name)
        return;
    const char *from = name;
    while (from > line && !strchr(" \t\"'=", from[-1]))
        from--;
    size_t length = (size_t)(name - from) + strcspn(name, "/ \t\"',;");
    if (length < results->capacity)
        (void)snprintf(results->path, results->capacity, "%.*s", (int)length, from);
}

static int take_line(void *context, const char *line)
{
    look_for_results(context, line);
    (void)printf("%s\n", line);
    return 0;
}

int msprof_run(const struct msprof_command *command, char *results, size_t capacity, struct process_end *end,
               struct aispipe_error *error)
{
    struct results found = {.path = results, .capacity = capacity};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    results[0] = '\0';
    const struct process_options options = {.argv = (const char *const *)command->argv,
                                            .environment = (const char *const *)command->environment,
                                            .line = take_line,
                                            .context = &found,
                                            .forward = &signals};
    return process_run(&options, end, error);
}

int msprof_return(struct aispipe_error *error)
{
    const char *directory = getenv(MSPROF_DIRECTORY_VARIABLE);
    if (!directory || !is_one(GUARD) || chdir(directory) == 0)
        return 0;
    return aispipe_fail(
        error, AISPIPE_SYSTEM,
        "the working directory '%s', from which msprof was started, cannot be gone back to: %s", directory,
        strerror(errno));
}

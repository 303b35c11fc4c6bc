/* SPDX-License-Identifier: MIT */
/* `aispipe convert`: the files of a device's exception callback as .npy. */
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/exception_file.h"
#include "cli/run.h"
#include "io/natural_order.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct conversion {
    const struct console *console;
    const char *directory; /* of the files */
    int from, to;          /* open directories */
    size_t converted, failed;
};

static int refuse(const struct console *console, const char *what, const char *path, const char *why)
{
    struct aispipe_error error;
    struct shown shown;
    (void)aispipe_fail(&error, AISPIPE_INVALID, "convert: %s '%s': %s", what, show(&shown, path), why);
    console_error(console, error.message);
    return EXIT_REFUSED;
}

/* A signal that would end the program waits until the file is whole, or gone. */
static void convert_one(struct conversion *conversion, const char *name)
{
    char joined[PATH_MAX + NAME_MAX];
    struct aispipe_error error;
    struct shown shown;
    sigset_t all;
    sigset_t before;
    (void)snprintf(joined, sizeof joined, "%s/%s", conversion->directory, name);
    const char *path = show(&shown, *conversion->directory ? joined : name);
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    int rc = exception_file_convert(conversion->from, name, conversion->to, path, &error);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        console_error(conversion->console, error.message);
        conversion->failed++;
        return;
    }
    conversion->converted++;
    (void)printf("[INFO] converted %s\n", path);
}

/* ------------------------------------------------------------------ directories */

static int is_wanted(const struct dirent *entry)
{
    return exception_file_named(entry->d_name);
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
    return natural_compare((*left)->d_name, (*right)->d_name);
}

static int convert_directory(struct conversion *conversion)
{
    struct dirent **entries = NULL;
    int n = scandir(conversion->directory, &entries, is_wanted, by_name);
    if (n < 0)
        return refuse(conversion->console, "cannot read the directory", conversion->directory,
                      strerror(errno));
    for (int i = 0; i < n; i++) {
        convert_one(conversion, entries[i]->d_name);
        free(entries[i]);
    }
    free((void *)entries);
    if (!n)
        return refuse(conversion->console, "nothing to convert in", conversion->directory,
                      "no file in it is called exception_cb_index_*.bin");
    return conversion->failed ? EXIT_FAILED : EXIT_DONE;
}

/* Makes the directory where it does not exist; its parent must. */
static int open_output(struct conversion *conversion, const char *output)
{
    if (!output) {
        conversion->to = conversion->from;
        return 0;
    }
    if (mkdir(output, 0750) && errno != EEXIST)
        return refuse(conversion->console, "--output: cannot make", output, strerror(errno));
    conversion->to = open(output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (conversion->to < 0)
        return refuse(conversion->console, "--output: cannot open the directory", output, strerror(errno));
    return 0;
}

/* ------------------------------------------------------------------ the command */

static int convert(struct conversion *conversion, const char *output, const char *file)
{
    int status = open_output(conversion, output);
    if (status)
        return status;
    if (!file)
        return convert_directory(conversion);
    convert_one(conversion, file);
    return conversion->failed ? EXIT_FAILED : EXIT_DONE;
}

int convert_command(const struct convert_options *options, const struct console *console)
{
    char directory[PATH_MAX] = "";
    const char *path = options->path[0];
    const char *file = NULL;
    struct stat status;
    if (strlen(path) >= sizeof directory)
        return refuse(console, "cannot open", path, strerror(ENAMETOOLONG));
    if (stat(path, &status))
        return refuse(console, "cannot open", path, strerror(errno));
    memcpy(directory, path, strlen(path) + 1);
    if (!S_ISDIR(status.st_mode)) {
        char *slash = strrchr(directory, '/');
        file = slash ? path + (slash + 1 - directory) : path;
        /* "/name": the root's name is its slash. */
        directory[slash ? (slash > directory ? slash - directory : 1) : 0] = '\0';
    }
    struct conversion conversion = {.console = console, .directory = directory, .to = -1};
    conversion.from = open(*directory ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (conversion.from < 0)
        return refuse(console, "cannot open the directory of", path, strerror(errno));
    int result = convert(&conversion, options->output, file);
    if (conversion.to >= 0 && conversion.to != conversion.from)
        (void)close(conversion.to);
    (void)close(conversion.from);
    return result;
}

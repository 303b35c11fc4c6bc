/* SPDX-License-Identifier: MIT */
#include "cli/dump_npy.h"

#include "acl_home.h"
#include "aispipe/acl_json.h"
#include "cli/output_dir.h"
#include "cli/run.h"
#include "log.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPTION "--dump_npy"
#define TOOL "tools/operator_cmp/compare/msaccucmp.py"

/* Deeper than any dump; a loop of mounts ends here. */
#define MAX_DEPTH 16

/* More dumps than this are not begun in one second. */
#define MOST_OF_ONE_NAME 1000

static sigset_t block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signals;
}

/* ------------------------------------------------------------------ before the run */

int dump_npy_begin(const char *acl_json, const char *dump_path, struct dump_npy *dump,
                   struct aispipe_error *error)
{
    char directory[PATH_MAX];
    if (!realpath(dump_path, directory))
        return aispipe_fail(error, AISPIPE_INVALID,
                            OPTION
                            ": the dump_path '%s' in '%s' cannot be used: %s; name a directory that exists",
                            dump_path, acl_json, strerror(errno));
    int n = snprintf(dump->place, sizeof dump->place, "%s/aispipe-XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof dump->place)
        return aispipe_fail(error, AISPIPE_INVALID, OPTION ": the dump_path '%s' is too long", dump_path);
    (void)block_signals();
    if (!mkdtemp(dump->place))
        return aispipe_fail(error, AISPIPE_INVALID,
                            OPTION ": no directory can be made in the dump_path '%s' of '%s': %s", dump_path,
                            acl_json, strerror(errno));
    int rc =
        aispipe_acl_json_redirect_dump(acl_json, dump->place, dump->acl_json, sizeof dump->acl_json, error);
    if (rc)
        (void)rmdir(dump->place);
    return rc;
}

/* ------------------------------------------------------------------ move */

/* What is done with a dump that has been moved to `path`. */
struct receiver {
    void (*take)(void *context, const char *path);
    void *context;
};

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* A name that is taken, or whose conversion's name is, gets "_1", "_2", …; a dump is never put into another.
 * Returns an errno. */
static int move_one(const char *place, const char *name, char target[PATH_MAX])
{
    char from[PATH_MAX], converted[PATH_MAX + 8];
    const char *slash = strrchr(place, '/');
    int n = snprintf(from, sizeof from, "%s/%s", place, name);
    for (int i = 0; i < MOST_OF_ONE_NAME; i++) {
        char suffix[16] = "";
        if (i)
            (void)snprintf(suffix, sizeof suffix, "_%d", i);
        int m = snprintf(target, PATH_MAX, "%.*s/%s%s", (int)(slash - place), place, name, suffix);
        if (n < 0 || m < 0 || n >= PATH_MAX || m >= PATH_MAX)
            return ENAMETOOLONG;
        (void)snprintf(converted, sizeof converted, "%s_npy", target);
        if (exists(converted))
            continue;
        if (rename(from, target) == 0)
            return 0;
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            return errno;
    }
    return EEXIST;
}

static bool is_directory(const char *place, const char *name)
{
    char path[PATH_MAX + NAME_MAX + 2];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(path, &info) == 0 &&
           S_ISDIR(info.st_mode);
}

static int move_all(const char *place, DIR *dir, const struct receiver *receiver, struct aispipe_error *error)
{
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char target[PATH_MAX];
        if (!is_directory(place, entry->d_name))
            continue;
        int reason = move_one(place, entry->d_name, target);
        if (reason)
            return aispipe_fail(error, AISPIPE_IO,
                                OPTION ": the dump stays in '%s/%s', because it cannot be moved: %s", place,
                                entry->d_name, strerror(reason));
        if (receiver)
            receiver->take(receiver->context, target);
    }
    return 0;
}

/* Moves every directory out of `place` and removes that. */
static int move_out(const char *place, const struct receiver *receiver, struct aispipe_error *error)
{
    char acl_json[PATH_MAX + 16];
    DIR *dir = opendir(place);
    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return aispipe_fail(error, AISPIPE_IO, OPTION ": the dump in '%s' cannot be looked at: %s", place,
                            strerror(errno));
    (void)snprintf(acl_json, sizeof acl_json, "%s/acl.json", place);
    (void)unlink(acl_json);
    int rc = move_all(place, dir, receiver, error);
    (void)closedir(dir);
    if (rmdir(place) == 0 || rc)
        return rc;
    return aispipe_fail(error, AISPIPE_IO, OPTION ": '%s' cannot be removed: %s", place, strerror(errno));
}

void dump_npy_leave(void *place)
{
    struct aispipe_error ignored; /* nobody is left to hear it, and nothing is lost */
    if (place)
        (void)move_out(place, NULL, &ignored);
}

/* ------------------------------------------------------------------ the tool */

static bool is_below(const char *home, char tool[PATH_MAX])
{
    int n = home && *home ? snprintf(tool, PATH_MAX, "%s/" TOOL, home) : -1;
    return n >= 0 && n < PATH_MAX && access(tool, R_OK) == 0;
}

static bool find_tool(char tool[PATH_MAX])
{
    /* The toolkit's own variable first: a home of the runtime alone has no such tool. */
    if (is_below(getenv("ASCEND_TOOLKIT_HOME"), tool))
        return true;
    for (const char *const *variable = acl_home_variables; *variable; variable++)
        if (is_below(getenv(*variable), tool))
            return true;
    for (const char *const *home = acl_default_homes; *home; home++)
        if (is_below(*home, tool))
            return true;
    return false;
}

/* ------------------------------------------------------------------ convert */

struct conversion {
    const struct aispipe_log *log;
    bool wanted;         /* the run succeeded */
    char tool[PATH_MAX]; /* "": not found */
    sigset_t signals;
    size_t dumps;     /* that were moved */
    size_t converted; /* directories of the dump at hand */
    bool failed;
    int signal; /* that ended it; 0: none */
};

AISPIPE_PRINTF(2, 3) static void fail(struct conversion *conversion, const char *format, ...)
{
    struct aispipe_error line;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line.message, sizeof line.message, format, args);
    va_end(args);
    log_line(conversion->log, AISPIPE_LOG_ERROR, "%s", line.message);
    conversion->failed = true;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *position)
{
    (void)info;
    (void)type;
    (void)position;
    (void)remove(path);
    return 0;
}

/* A terminal's Ctrl-C reaches the tool, too, and it may be gone before we hear of it. */
static int signal_of(const struct conversion *conversion, const struct process_end *end)
{
    if (end->forwarded)
        return end->forwarded;
    int number = sigtimedwait(&conversion->signals, NULL, &(struct timespec){0});
    return number > 0 ? number : 0;
}

/* Removes `directory` and what is above it up to the conversion's root, as far as they are empty. */
static void remove_empty(const char *root, const char *directory)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", directory);
    while (strlen(path) >= strlen(root) && rmdir(path) == 0)
        *strrchr(path, '/') = '\0';
}

/* Returns whether to go on: not after a tool that was ended, or cannot be started. */
static bool convert_directory(struct conversion *conversion, const char *from, const char *root,
                              const char *to)
{
    struct aispipe_error error;
    struct process_end end;
    char words[64];
    const char *argv[] = {"python3", conversion->tool, "convert", "-d", from, "-out", to, NULL};
    const struct process_options options = {.argv = argv, .forward = &conversion->signals};
    int rc = output_dir_make_all(to, &error);
    if (!rc)
        rc = process_run(&options, &end, &error);
    conversion->signal = rc ? 0 : signal_of(conversion, &end);
    if (conversion->signal)
        return false;
    if (rc)
        fail(conversion, OPTION ": %s", error.message);
    else if (end.status || end.signal)
        fail(conversion, OPTION ": '%s' is not converted: %s %s", from, conversion->tool,
             process_end_words(&end, words, sizeof words));
    else
        conversion->converted++;
    remove_empty(root, to);
    return !rc && !end.signal;
}

/* Every directory that holds files, in the order of their names. */
static bool convert_below(struct conversion *conversion, const char *from, const char *root, const char *to,
                          int depth)
{
    struct dirent **entries = NULL;
    bool has_files = false;
    bool go_on = true;
    int n = scandir(from, &entries, NULL, alphasort);
    if (n < 0)
        fail(conversion, OPTION ": '%s' cannot be looked at: %s", from, strerror(errno));
    for (int i = 0; i < n; i++) {
        char below[PATH_MAX], below_to[PATH_MAX];
        struct stat info;
        const char *name = entries[i]->d_name;
        int a = snprintf(below, sizeof below, "%s/%s", from, name);
        int b = snprintf(below_to, sizeof below_to, "%s/%s", to, name);
        bool usable = strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && a < PATH_MAX && b < PATH_MAX &&
                      lstat(below, &info) == 0;
        if (usable && S_ISREG(info.st_mode))
            has_files = true;
        else if (usable && go_on && S_ISDIR(info.st_mode) && depth < MAX_DEPTH)
            go_on = convert_below(conversion, below, root, below_to, depth + 1);
        free(entries[i]);
    }
    free((void *)entries);
    return go_on && has_files ? convert_directory(conversion, from, root, to) : go_on;
}

static void convert(struct conversion *conversion, const char *path)
{
    char root[PATH_MAX + 8];
    (void)snprintf(root, sizeof root, "%s_npy", path);
    conversion->converted = 0;
    if (!convert_below(conversion, path, root, root, 0)) {
        (void)nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        return;
    }
    if (conversion->converted)
        log_line(conversion->log, AISPIPE_LOG_INFO, "dump: %zu directories of '%s' are converted in '%s'",
                 conversion->converted, path, root);
}

static void take(void *context, const char *path)
{
    struct conversion *conversion = context;
    conversion->dumps++;
    log_line(conversion->log, AISPIPE_LOG_INFO, "dump: it is in '%s'", path);
    if (!conversion->wanted || conversion->signal)
        log_line(
            conversion->log, AISPIPE_LOG_INFO,
            "dump: it is not converted, because the run did not end well; msaccucmp.py convert does that");
    else if (!*conversion->tool)
        fail(conversion,
             OPTION ": '%s' is not converted: there is no " TOOL " below ASCEND_TOOLKIT_HOME, "
                    "ASCEND_HOME_PATH or %s; set ASCEND_TOOLKIT_HOME to where CANN's toolkit is",
             path, acl_default_homes[0]);
    else
        convert(conversion, path);
}

/* ------------------------------------------------------------------ after the run */

int dump_npy_finish(const char *place, struct console *console, bool debug, int status)
{
    struct aispipe_log log = console_log(console, debug);
    struct aispipe_error error;
    struct conversion conversion = {.log = &log, .wanted = status == EXIT_DONE, .signals = block_signals()};
    const struct receiver receiver = {.take = take, .context = &conversion};
    if (status != EXIT_DONE)
        atomic_store(&console->failed, true); /* its error line was the one of this run */
    if (!find_tool(conversion.tool))
        conversion.tool[0] = '\0';
    int rc = move_out(place, &receiver, &error);
    if (rc)
        fail(&conversion, "%s", error.message);
    else if (!conversion.dumps && conversion.wanted)
        log_line(&log, AISPIPE_LOG_WARNING,
                 OPTION ": the runtime has dumped nothing; look at model_name and layer in its dump_list");
    if (status != EXIT_DONE)
        return status;
    if (conversion.signal)
        return 128 + conversion.signal;
    return conversion.failed ? EXIT_FAILED : EXIT_DONE;
}

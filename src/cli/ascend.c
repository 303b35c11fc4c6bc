/* SPDX-License-Identifier: MIT */
#include "cli/ascend.h"

#include "aispipe/acl_json.h"
#include "aispipe/devices.h"
#include "cli/msprof.h"
#include "cli/output_dir.h"
#include "cli/run.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool ascend_meant(const struct options *options)
{
    const struct aispipe_backend *backend;
    struct aispipe_error ignored; /* the session says it again */
    if (strcmp(options->backend, "auto") != 0)
        return strcmp(options->backend, "acl") == 0;
    return aispipe_backend_find(NULL, options->model, &backend, &ignored) == 0 &&
           strcmp(backend->name, "acl") == 0;
}

/* ------------------------------------------------------------------ below msprof */

static int rename_tables(const struct options *options, const struct aispipe_log *log, const char *results,
                         struct aispipe_error *error)
{
    size_t renamed = 0;
    if (!options->profiler_rename || options->acl_json_path)
        return 0;
    if (!*results) {
        log_line(log, AISPIPE_LOG_WARNING,
                 "--profiler_rename: msprof does not say where its results are; their names stay");
        return 0;
    }
    int rc = msprof_rename(results, options->model, &renamed, error);
    if (!rc)
        log_line(log, AISPIPE_LOG_INFO, "profiler: %zu tables in %s have the model's name", renamed, results);
    return rc;
}

static int exit_status(const struct process_end *end)
{
    if (end->forwarded)
        return 128 + end->forwarded;
    return end->signal ? 128 + end->signal : end->status;
}

/* What goes wrong from here on is a failure of the run. */
static int run_below_msprof(const struct options *options, struct console *console,
                            const struct msprof_command *command, struct ascend *ascend)
{
    struct aispipe_log log = console_log(console, options->debug);
    struct aispipe_error error;
    struct process_end end;
    char results[PATH_MAX];
    char words[64];
    log_line(&log, AISPIPE_LOG_INFO, "the run takes place below msprof");
    int rc = msprof_run(command, results, sizeof results, &end, &error);
    if (!rc && (end.status || end.signal))
        log_line(&log, AISPIPE_LOG_WARNING, "msprof %s", process_end_words(&end, words, sizeof words));
    else if (!rc)
        rc = rename_tables(options, &log, results, &error);
    if (rc)
        console_error(console, error.message);
    ascend->ended = true;
    ascend->status = rc ? EXIT_FAILED : exit_status(&end);
    return 0;
}

static int start_msprof(const struct options *options, char *const *from_file, struct console *console,
                        int argc, char *const *argv, struct ascend *ascend, struct aispipe_error *error)
{
    struct msprof_command command;
    int rc = msprof_compose(options->output, from_file, argc, argv, &command, error);
    if (rc)
        return rc;
    rc = run_below_msprof(options, console, &command, ascend);
    msprof_free(&command);
    return rc;
}

/* ------------------------------------------------------------------ acl.json */

/* The runtime profiles and dumps by itself. What it measures of warm-up executions would be mixed with what
 * it measures of the input. */
static void leave_to_runtime(struct options *options, const char *acl_json, bool profiles)
{
    options->acl_json = acl_json;
    options->profiler = false;
    options->dump = false;
    if (profiles && options->input)
        options->warmup_count = 0;
}

/* --dump_npy: the runtime is started with a copy of the file that sends the dump elsewhere for now. */
static int redirect_dump(struct options *options, const char *dump_path, struct ascend *ascend,
                         struct aispipe_error *error)
{
    int rc = dump_npy_begin(options->acl_json, dump_path, &ascend->dump, error);
    if (rc)
        return rc;
    options->acl_json = ascend->dump.acl_json;
    options->dump_place = ascend->dump.place;
    return 0;
}

static int no_dump(const char *acl_json, struct aispipe_error *error)
{
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "option --dump_npy converts a dump, and '%s' asks for none: it has no \"dump\" with a "
        "\"dump_path\"; add it, or leave out --dump_npy",
        acl_json);
}

/* The dump itself is the runtime's work in either case; below msprof, it is the child that converts it. */
static int use_read_file(struct options *options, const struct aispipe_acl_json *json,
                         struct console *console, int argc, char *const *argv, struct ascend *ascend,
                         struct aispipe_error *error)
{
    char *no_options[] = {NULL};
    if (options->dump_npy && !json->dump_path)
        return no_dump(options->acl_json_path, error);
    if (json->has_profiler && msprof_wanted())
        return start_msprof(options, json->options ? json->options : no_options, console, argc, argv, ascend,
                            error);
    leave_to_runtime(options, options->acl_json_path, json->has_profiler);
    return options->dump_npy ? redirect_dump(options, json->dump_path, ascend, error) : 0;
}

static int use_file(struct options *options, struct console *console, int argc, char *const *argv,
                    struct ascend *ascend, struct aispipe_error *error)
{
    struct aispipe_log log = console_log(console, options->debug);
    struct aispipe_acl_json json = {0};
    int rc = aispipe_acl_json_read(options->acl_json_path, options->model, &log, &json, error);
    if (rc)
        return rc;
    rc = use_read_file(options, &json, console, argc, argv, ascend, error);
    aispipe_acl_json_free(&json);
    return rc;
}

static int make_file(struct options *options, struct ascend *ascend, struct aispipe_error *error)
{
    const char *output = options->output;
    char dump_path[PATH_MAX];
    int rc = output_dir_make_all(output, error);
    if (!rc && options->profiler)
        rc = aispipe_acl_json_write_profiler(output, ascend->acl_json, sizeof ascend->acl_json, error);
    else if (!rc)
        rc = aispipe_acl_json_write_dump(output, options->model, ascend->acl_json, sizeof ascend->acl_json,
                                         error);
    if (rc)
        return rc;
    leave_to_runtime(options, ascend->acl_json, options->profiler);
    if (!options->dump_npy)
        return 0;
    (void)snprintf(dump_path, sizeof dump_path, "%.*s/dump", PATH_MAX - 16, output);
    return redirect_dump(options, dump_path, ascend, error);
}

int ascend_prepare(struct options *options, struct console *console, int argc, char *const *argv,
                   struct ascend *ascend, struct aispipe_error *error)
{
    const struct aispipe_backend *backend;
    *ascend = (struct ascend){.ended = false};
    if (!ascend_meant(options))
        return 0;
    int rc = aispipe_backend_find(options->backend, options->model, &backend, error);
    if (rc) /* a model of another kind: no file and no msprof for it */
        return rc;
    if (options->acl_json_path)
        return use_file(options, console, argc, argv, ascend, error);
    if (!options->profiler && !options->dump)
        return 0;
    if (options->dump || !msprof_wanted())
        return make_file(options, ascend, error);
    char results[PATH_MAX];
    (void)snprintf(results, sizeof results, "%.*s/profiler", PATH_MAX - 16, options->output);
    rc = output_dir_make_all(results, error);
    return rc ? rc : start_msprof(options, NULL, console, argc, argv, ascend, error);
}

int ascend_finish(const struct options *options, struct console *console, int status)
{
    if (!options->dump_place)
        return status;
    return dump_npy_finish(options->dump_place, console, options->debug, status);
}

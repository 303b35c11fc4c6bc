/* SPDX-License-Identifier: MIT */
#include "cli/check.h"

#include "cli/affinity.h"
#include "cli/ascend.h"
#include "cli/check_shape.h"
#include "cli/options_table.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- text in error lines */

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static void append(struct shown *shown, size_t *used, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        shown->text[(*used)++] = byte < 0x20 || byte == 0x7f ? '?' : text[i];
    }
    shown->text[*used] = '\0';
}

const char *show_part(struct shown *shown, const char *text, size_t length)
{
    size_t used = 0;
    if (length < sizeof shown->text) {
        append(shown, &used, text, length);
        return shown->text;
    }
    /* Both ends tell more than either; neither may begin or end inside a UTF-8 character. */
    size_t head = sizeof shown->text / 2 - 4;
    size_t tail = head;
    while (head && continues_character(text[head]))
        head--;
    while (tail && continues_character(text[length - tail]))
        tail--;
    append(shown, &used, text, head);
    append(shown, &used, "...", 3);
    append(shown, &used, text + length - tail, tail);
    return shown->text;
}

const char *show(struct shown *shown, const char *text)
{
    return show_part(shown, text, strlen(text));
}

/* ---------------------------------------------------------------- paths */

bool check_subpath(const char *path)
{
    bool named = false;
    if (path[0] == '/')
        return false;
    for (const char *part = path;;) {
        size_t length = strcspn(part, "/");
        if (length == 2 && memcmp(part, "..", 2) == 0)
            return false;
        if (length)
            named = !(length == 1 && part[0] == '.');
        if (!part[length])
            return named;
        part += length + 1;
    }
}

/* What cannot be opened is refused with the system's reason. access() would ask for the real user instead. */
static int check_access(const char *option, const char *path, int mode, struct aispipe_error *error)
{
    struct shown shown;
    if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0)
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID, "option --%s: '%s' cannot be read: %s; check its permissions",
                        option, show(&shown, path), strerror(errno));
}

static int fail_stat(const char *option, const char *path, struct aispipe_error *error)
{
    struct shown shown;
    if (errno == ENOTDIR)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "option --%s: '%s' cannot exist, because a part of it that should be a directory is "
            "a file; check the path",
            option, show(&shown, path));
    if (errno == ENOENT)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --%s: '%s' does not exist; check the path (it is taken as written, from "
                            "the working directory)",
                            option, show(&shown, path));
    return aispipe_fail(error, AISPIPE_INVALID, "option --%s: '%s' cannot be looked up: %s", option,
                        show(&shown, path), strerror(errno));
}

/* A sticky directory lets nobody change what others put there. */
bool check_writers(const char *what, const char *path, const struct stat *info, const struct aispipe_log *log)
{
    struct shown shown;
    bool sticky = S_ISDIR(info->st_mode) && (info->st_mode & S_ISVTX);
    if (geteuid() != 0 || sticky || !(info->st_mode & S_IWOTH))
        return false;
    log_line(log, AISPIPE_LOG_WARNING,
             "the %s '%s' can be changed by every user, and aispipe runs as root; chmod o-w it", what,
             show(&shown, path));
    return true;
}

/* The same for a file that is read, and judged, elsewhere. */
static void warn_of_file_writers(const char *what, const char *path, const struct aispipe_log *log)
{
    struct stat info;
    if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode))
        (void)check_writers(what, path, &info, log);
}

static int check_model(const char *path, const struct aispipe_log *log, struct aispipe_error *error)
{
    struct stat info;
    struct shown shown;
    if (stat(path, &info) != 0)
        return fail_stat("model", path, error);
    if (S_ISDIR(info.st_mode))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --model: '%s' is a directory; give the model file itself",
                            show(&shown, path));
    if (!S_ISREG(info.st_mode))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --model: '%s' is not a regular file; give the model file itself",
                            show(&shown, path));
    int status = check_access("model", path, R_OK, error);
    if (status)
        return status;
    (void)check_writers("model file", path, &info, log);
    return 0;
}

static int check_input_path(const char *path, struct stat *info, struct aispipe_error *error)
{
    struct shown shown;
    if (stat(path, info) != 0)
        return fail_stat("input", path, error);
    if (S_ISDIR(info->st_mode))
        return check_access("input", path, R_OK | X_OK, error);
    if (S_ISREG(info->st_mode))
        return check_access("input", path, R_OK, error);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "option --input: '%s' is neither a regular file nor a directory; give files or "
                        "directories of .npy or .bin files",
                        show(&shown, path));
}

/* Of paths that everybody can change one is named: there may be thousands. */
static int check_input(const char *input, const struct aispipe_log *log, struct aispipe_error *error)
{
    char path[PATH_MAX];
    struct stat info;
    bool warned = false;
    struct shown shown;
    for (const char *part = input;;) {
        size_t length = strcspn(part, ",");
        if (!length)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "option --input: '%s' has an empty path beside a ','; give paths joined by "
                                "single commas",
                                show(&shown, input));
        if (length >= sizeof path)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "option --input: '%s' is longer than a path can be (%d bytes)",
                                show_part(&shown, part, length), PATH_MAX - 1);
        memcpy(path, part, length);
        path[length] = '\0';
        int status = check_input_path(path, &info, error);
        if (!status && !warned)
            warned = check_writers("input", path, &info, log);
        if (status || !part[length])
            return status;
        part += length + 1;
    }
}

static int check_output(const char *path, struct aispipe_error *error)
{
    struct stat info;
    struct shown shown;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? 0 : fail_stat("output", path, error);
    if (S_ISDIR(info.st_mode))
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "option --output: '%s' exists and is not a directory; give a directory, which is made "
        "when it does not exist",
        show(&shown, path));
}

/* The most bytes that the backend reads. */
#define AIPP_CONFIG_MOST 12800

static bool ends_in(const char *text, const char *ending)
{
    size_t length = strlen(text), n = strlen(ending);
    return length > n && strcasecmp(text + length - n, ending) == 0;
}

static int check_aipp_config(const char *path, const struct aispipe_log *log, struct aispipe_error *error)
{
    struct stat info;
    struct shown shown;
    if (!ends_in(path, ".config"))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --aipp_config: '%s' does not end in .config; give a file that does",
                            show(&shown, path));
    if (stat(path, &info) != 0)
        return fail_stat("aipp_config", path, error);
    if (!S_ISREG(info.st_mode))
        return aispipe_fail(error, AISPIPE_INVALID, "option --aipp_config: '%s' is %s; give the file itself",
                            show(&shown, path), S_ISDIR(info.st_mode) ? "a directory" : "not a regular file");
    if (info.st_size > AIPP_CONFIG_MOST)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --aipp_config: '%s' has %jd bytes; at most %d (12.5 KiB) are wanted",
                            show(&shown, path), (intmax_t)info.st_size, AIPP_CONFIG_MOST);
    int status = check_access("aipp_config", path, R_OK, error);
    if (!status)
        (void)check_writers("AIPP configuration file", path, &info, log);
    return status;
}

/* ---------------------------------------------------------------- together */

static bool is_off(const struct options *options, const struct option_spec *spec)
{
    bool on = true;
    if (spec->kind == OPTION_BOOL)
        memcpy(&on, (const char *)options + spec->offset, sizeof on);
    return !on;
}

static int check_needs_output(const struct options *options, const char *const *seen,
                              struct aispipe_error *error)
{
    if (options->output)
        return 0;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_spec *spec = &option_table[i];
        if (spec->needs_output && seen[i] && !is_off(options, spec))
            return aispipe_fail(error, AISPIPE_INVALID,
                                "option --%s needs --output, because without it nothing is saved; add "
                                "--output DIR",
                                spec->name);
    }
    return 0;
}

/* Profile and dump are of one shape, but where the device's runtime makes them, for all that the process
 * does. */
static int check_layers(const struct options *options, struct aispipe_error *error)
{
    const char *name = options->profiler ? "profiler" : "dump";
    if (options->profiler && options->dump)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "options --profiler and --dump exclude each other; run once with each");
    if (!options->profiler && !options->dump)
        return 0;
    if (options->dym_shape_range && !options->dym_shape && !ascend_meant(options))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --%s: it is for one shape; give --dymShape instead of --dymShape_range",
                            name);
    return 0;
}

static int check_dump_npy(const struct options *options, struct aispipe_error *error)
{
    if (!options->dump_npy || options->dump || options->acl_json_path)
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "option --dump_npy converts a dump, and none is made; add --dump 1 or --acl_json_path "
        "FILE, or leave it out");
}

/* It compares the shapes on one device, one after the other. */
static int check_devices(const struct options *options, struct aispipe_error *error)
{
    if (!options->dym_shape_range || options->dym_shape || options->device.count == 1)
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "option --dymShape_range: %zu devices are given; run it on one of them",
                        options->device.count);
}

static int check_auto_tune(const struct options *options, struct aispipe_error *error)
{
    if (!options->auto_tune)
        return 0;
    if (!options->pipeline)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "options --auto_tune and --pipeline 0 exclude each other: with one batch in flight "
            "there is nothing to tune; leave one out");
    if (options->run_mode == RUN_MODE_FULL)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "options --auto_tune and --run_mode full exclude each other: the stages run one after "
            "the other; leave one out");
    if (!options->input)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --auto_tune needs --input, because made-up data is not read; add --input "
                            "PATHS or leave it out");
    return 0;
}

static int check_energy(const struct options *options, struct aispipe_error *error)
{
    size_t devices = options->device.count;
    if (!options->energy_consumption || devices == 1 || options->npu_id.count == devices)
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "option --npu_id: %zu given for %zu devices; give one for each device, in their order",
        options->npu_id.count, devices);
}

/* trtexec measures on data of its own and gives no results: options about either would go unheard. */
static int check_trtexec(const struct options *options, struct aispipe_error *error)
{
    struct shown shown;
    if (strcmp(options->backend, "trtexec") != 0) {
        if (!options->perf)
            return 0;
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "option --perf needs --backend trtexec, and the backend is %s; add it, or leave out "
            "--perf (every run is measured)",
            options->backend);
    }
    if (!options->perf)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "option --backend: trtexec only measures; add --perf 1, or choose another backend");
    if (!ends_in(options->model, ".onnx"))
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "option --model: '%s' is not an .onnx file, the only kind that --backend trtexec takes",
            show(&shown, options->model));
    if (options->device.count > 1)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --device: %zu devices, but trtexec runs on one; start it for each",
                            options->device.count);
    if (options->energy_consumption)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "option --energy_consumption is not measured with --backend trtexec; leave it out");
    if (options->profiler || options->dump)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --%s: --backend trtexec shows no layers; leave it out",
                            options->profiler ? "profiler" : "dump");
    if (options->aipp_config)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --aipp_config: --backend trtexec has no AIPP; leave it out");
    if (options->input)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "option --input: trtexec measures on data of its own; leave out --input or choose "
            "another --backend");
    return 0;
}

/* trtexec is handed the rest, or the run's own directory is made of it. The others say something that holds
 * in any case (--profiler 0), so they are no mistake; but none may be thought to be in force. */
static void warn_of_unheard(const char *const *seen, const struct aispipe_log *log)
{
    static const char *const heard[] = {"model",  "backend",        "device",       "batchsize", "loop",
                                        "output", "output_dirname", "warmup_count", "perf",      "debug"};
    char names[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < option_count; i++) {
        bool known = !seen[i];
        for (size_t k = 0; k < sizeof heard / sizeof *heard && !known; k++)
            known = strcmp(option_table[i].name, heard[k]) == 0;
        if (!known && used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s--%s", used ? ", " : "",
                                     option_table[i].name);
    }
    if (used)
        log_line(log, AISPIPE_LOG_WARNING, "--backend trtexec has no use for %s", names);
}

/* acl.json is what a runtime starts with; where there is none, it would go unheard. */
static int check_ascend(const struct options *options, struct aispipe_error *error)
{
    if (!options->acl_json_path || ascend_meant(options))
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "option --acl_json_path: it is for Ascend devices, and neither the model's name nor "
                        "--backend chooses one; leave it out");
}

/* Of no consequence elsewhere, also with its default typed out: no reason to refuse a command line. */
static void warn_of_rename(const struct options *options, const char *const *seen,
                           const struct aispipe_log *log)
{
    for (size_t i = 0; i < option_count; i++)
        if (seen[i] && strcmp(option_table[i].name, "profiler_rename") == 0 && !ascend_meant(options) &&
            strcmp(options->backend, "trtexec") != 0)
            log_line(
                log, AISPIPE_LOG_WARNING,
                "--profiler_rename is for the files of msprof, on Ascend devices; nothing is renamed here");
}

int check_options(const struct options *options, const char *const *seen, const struct aispipe_log *log,
                  struct aispipe_error *error)
{
    int status = check_needs_output(options, seen, error);
    if (!status)
        status = check_one_shape(options, seen, error);
    if (status)
        return status;
    if (!options->model)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "option --model is missing; name the model file, for example: %s",
                            option_examples[0].command);
    status = check_layers(options, error);
    if (!status)
        status = check_dump_npy(options, error);
    if (!status)
        status = check_devices(options, error);
    if (!status && strcmp(options->backend, "trtexec") != 0)
        status = check_auto_tune(options, error);
    if (!status)
        status = affinity_check(options->affinity, options->device.count, error);
    if (!status)
        status = check_energy(options, error);
    if (!status)
        status = check_trtexec(options, error);
    if (!status)
        status = check_ascend(options, error);
    if (!status)
        status = check_model(options->model, log, error);
    if (!status && strcmp(options->backend, "trtexec") == 0)
        warn_of_unheard(seen, log);
    if (!status)
        warn_of_rename(options, seen, log);
    if (!status && options->input)
        status = check_input(options->input, log, error);
    if (!status && options->aipp_config)
        status = check_aipp_config(options->aipp_config, log, error);
    if (!status && options->output)
        status = check_output(options->output, error);
    if (status)
        return status;
    warn_of_file_writers("acl.json file", options->acl_json_path, log);
    warn_of_file_writers("file of shapes", options->dym_shape_range, log);
    return 0;
}

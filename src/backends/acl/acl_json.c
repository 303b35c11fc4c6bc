/* SPDX-License-Identifier: MIT */
#include "aispipe/acl_json.h"

#include "io/fd_io.h"
#include "json_writer.h"
#include "log.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* "/data/a.b.om" → "a.b". Returns its length. */
static size_t stem_of(const char *model, const char **stem)
{
    const char *slash = strrchr(model, '/');
    *stem = slash ? slash + 1 : model;
    const char *dot = strrchr(*stem, '.');
    return dot && dot != *stem ? (size_t)(dot - *stem) : strlen(*stem);
}

/* ---------------------------------------------------------------- write */

static void write_profiler(struct json_writer *json, const char *results, const char *model)
{
    (void)model;
    json_open(json, '{');
    json_member_open(json, "profiler", '{');
    json_member_string(json, "switch", "on");
    json_member_string(json, "aicpu", "on");
    json_member_string(json, "output", results);
    json_member_string(json, "aic_metrics", "");
    json_close(json, '}');
    json_close(json, '}');
}

static void write_dump(struct json_writer *json, const char *results, const char *model)
{
    const char *stem;
    char name[NAME_MAX + 1];
    size_t length = stem_of(model, &stem);
    (void)snprintf(name, sizeof name, "%.*s", (int)length, stem);
    json_open(json, '{');
    json_member_open(json, "dump", '{');
    json_member_string(json, "dump_path", results);
    json_member_string(json, "dump_mode", "all");
    json_member_open(json, "dump_list", '[');
    json_open(json, '{');
    json_member_string(json, "model_name", name);
    json_close(json, '}');
    json_close(json, ']');
    json_close(json, '}');
    json_close(json, '}');
}

static int cannot(const char *what, const char *path, int reason, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_IO, "cannot %s '%s': %s", what, path, strerror(reason));
}

static int join(char *path, size_t capacity, const char *directory, const char *name,
                struct aispipe_error *error)
{
    int n = snprintf(path, capacity, "%s/%s", directory, name);
    if (n >= 0 && (size_t)n < capacity)
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID, "--output: the path of '%s' in it is too long", name);
}

/* The runtime resolves nothing for us: what it is told must not depend on where it stands. */
static int make_results(const char *directory, const char *kind, char results[PATH_MAX],
                        struct aispipe_error *error)
{
    char path[PATH_MAX];
    int rc = join(path, sizeof path, directory, kind, error);
    if (rc)
        return rc;
    if (mkdir(path, 0750) && errno != EEXIST)
        return cannot("make the directory", path, errno, error);
    return realpath(path, results) ? 0 : cannot("find the directory", path, errno, error);
}

/* Writes `<directory>/acl.json` whole or not at all. `fill` returns an errno. */
static int write_file(const char *directory, int (*fill)(int fd, const void *context), const void *context,
                      char *path, size_t capacity, struct aispipe_error *error)
{
    char temporary[PATH_MAX];
    int rc = join(path, capacity, directory, "acl.json", error);
    if (!rc)
        rc = join(temporary, sizeof temporary, directory, ".acl.json.tmp", error);
    if (rc)
        return rc;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return cannot("create", path, errno, error);
    int reason = fd_publish(fd, temporary, path, fill(fd, context));
    return reason ? cannot("write", path, reason, error) : 0;
}

/* A file that is made for a run. */
struct made {
    void (*write)(struct json_writer *json, const char *results, const char *model);
    char results[PATH_MAX];
    const char *model;
};

static int fill_made(int fd, const void *context)
{
    const struct made *made = context;
    struct json_writer json;
    json_begin(&json, fd);
    made->write(&json, made->results, made->model);
    return json_end(&json);
}

int aispipe_acl_json_write_profiler(const char *directory, char *path, size_t capacity,
                                    struct aispipe_error *error)
{
    struct made made = {.write = write_profiler};
    int rc = make_results(directory, "profiler", made.results, error);
    return rc ? rc : write_file(directory, fill_made, &made, path, capacity, error);
}

int aispipe_acl_json_write_dump(const char *directory, const char *model, char *path, size_t capacity,
                                struct aispipe_error *error)
{
    struct made made = {.write = write_dump, .model = model};
    int rc = make_results(directory, "dump", made.results, error);
    return rc ? rc : write_file(directory, fill_made, &made, path, capacity, error);
}

/* ---------------------------------------------------------------- read */

/* A user's file while it is looked at. */
struct reader {
    const char *path;
    const char *model;
    const struct aispipe_log *log;
    struct aispipe_acl_json *json;
    struct aispipe_error *error;
};

static int refuse(const struct reader *reader, int code, const char *reason)
{
    return aispipe_fail(reader->error, code, "option --acl_json_path: '%s' %s", reader->path, reason);
}

static int read_text(const struct reader *reader, char text[AISPIPE_ACL_JSON_MAX_BYTES + 2])
{
    size_t length = strlen(reader->path), got = 0;
    if (length < 6 || strcasecmp(reader->path + length - 5, ".json") != 0)
        return refuse(reader, AISPIPE_INVALID, "does not end in .json; give a file of acl.json's form");
    int fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    int reason = fd < 0 || fstat(fd, &info) ? errno : 0;
    int rc = 0;
    if (!reason && !S_ISREG(info.st_mode))
        rc = refuse(reader, AISPIPE_INVALID, "is not a regular file");
    if (!reason && !rc)
        reason = fd_read_at(fd, text, AISPIPE_ACL_JSON_MAX_BYTES + 1, 0, &got);
    if (fd >= 0)
        (void)close(fd);
    if (reason)
        return aispipe_fail(reader->error, AISPIPE_INVALID, "option --acl_json_path: '%s' cannot be read: %s",
                            reader->path, strerror(reason));
    if (!rc && got > AISPIPE_ACL_JSON_MAX_BYTES)
        rc = refuse(reader, AISPIPE_INVALID, "is larger than 8192 bytes, the most that is accepted");
    text[got] = '\0';
    if (!rc && strlen(text) != got)
        rc = refuse(reader, AISPIPE_FORMAT, "is no JSON text: it holds a NUL byte");
    return rc;
}

#define WARN(reader, key, ...) warn(reader, key, (const char *[]){__VA_ARGS__, ""})

/* One line about a key: the texts joined. */
static void warn(const struct reader *reader, const char *key, const char *const *texts)
{
    char text[512] = "";
    size_t used = 0;
    for (; **texts && used < sizeof text; texts++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", *texts);
    log_line(reader->log, AISPIPE_LOG_WARNING, "'%s': key \"%s\" %s", reader->path, key, text);
}

/* ---------------------------------------------------------------- dump */

static void check_model_name(const struct reader *reader, const cJSON *dump)
{
    const cJSON *entry, *list = cJSON_GetObjectItemCaseSensitive(dump, "dump_list");
    const char *stem;
    size_t length = stem_of(reader->model, &stem);
    char wanted[NAME_MAX + 1];
    (void)snprintf(wanted, sizeof wanted, "%.*s", (int)length, stem);
    const char *found = NULL;
    cJSON_ArrayForEach(entry, list)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "model_name"));
        if (name && strcmp(name, wanted) == 0)
            return;
        found = name ? name : found;
    }
    if (found)
        WARN(reader, "model_name", "is '", found, "', but the model is '", wanted,
             "': nothing of it may be dumped");
    else
        WARN(reader, "model_name", "is missing in \"dump_list\": nothing may be dumped; give '", wanted, "'");
}

static void check_dump_path(const struct reader *reader, const cJSON *dump)
{
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(dump, "dump_path"));
    struct stat info;
    if (!path)
        WARN(reader, "dump_path", "is missing");
    else if (stat(path, &info))
        WARN(reader, "dump_path", "is '", path, "', which cannot be used: ", strerror(errno));
    else if (!S_ISDIR(info.st_mode))
        WARN(reader, "dump_path", "is '", path, "', which is not a directory");
    else if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS))
        WARN(reader, "dump_path", "is '", path, "', which cannot be written to: ", strerror(errno));
}

/* A key that may be missing, with a few words as its values. */
static void check_word(const struct reader *reader, const cJSON *dump, const char *key,
                       const char *const *words, const char *accepted)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(dump, key);
    const char *value = cJSON_GetStringValue(item);
    for (; value && *words; words++)
        if (strcmp(value, *words) == 0)
            return;
    if (item)
        WARN(reader, key, "is '", value ? value : "(no text)", "', which is none of ", accepted);
}

static int take_dump(const struct reader *reader, const cJSON *dump)
{
    struct aispipe_acl_json *json = reader->json;
    if (!dump)
        return 0;
    json->has_dump = true;
    check_model_name(reader, dump);
    check_dump_path(reader, dump);
    check_word(reader, dump, "dump_op_switch", (const char *[]){"on", "off", NULL}, "on, off");
    check_word(reader, dump, "dump_mode", (const char *[]){"input", "output", "all", NULL},
               "input, output, all");
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(dump, "dump_path"));
    json->dump_path = path ? strdup(path) : NULL;
    if (path && !json->dump_path)
        return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory to read '%s'", reader->path);
    return 0;
}

/* ---------------------------------------------------------------- profiler */

/* What msprof has an option for, and the switch of the group where giving a frequency is not enough. */
static const struct {
    const char *key;
    const char *group;
} msprof_keys[] = {
    {"output", NULL},
    {"storage_limit", NULL},
    {"ascendcl", NULL},
    {"runtime_api", NULL},
    {"hccl", NULL},
    {"task_time", NULL},
    {"aicpu", NULL},
    {"aic_metrics", NULL},
    {"l2", NULL},
    {"sys_hardware_mem_freq", "--sys-hardware-mem=on"},
    {"lcc_profiling", NULL},
    {"dvpp_freq", "--dvpp-profiling=on"},
    {"host_sys", NULL},
    {"host_sys_usage", NULL},
    {"host_sys_usage_freq", NULL},
    {"sys_interconnection_freq", "--sys-interconnection-profiling=on"},
    {"msproftx", NULL},
};

static int add_option(const struct reader *reader, const char *key, const char *value)
{
    struct aispipe_acl_json *json = reader->json;
    char **options = reallocarray(json->options, json->n_options + 2, sizeof *options);
    if (options) {
        json->options = options;
        options[json->n_options + 1] = NULL;
        int n = value ? asprintf(&options[json->n_options], "--%s=%s", key, value)
                      : asprintf(&options[json->n_options], "%s", key);
        if (n >= 0) {
            if (value)
                for (char *c = options[json->n_options]; *c != '='; c++)
                    *c = *c == '_' ? '-' : *c;
            json->n_options++;
            return 0;
        }
        options[json->n_options] = NULL;
    }
    return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory to read '%s'", reader->path);
}

static int take_option(const struct reader *reader, const cJSON *item, const char *group)
{
    char number[32];
    const char *value = cJSON_GetStringValue(item);
    if (cJSON_IsNumber(item)) {
        (void)snprintf(number, sizeof number, "%.15g", item->valuedouble);
        value = number;
    }
    if (!value) {
        WARN(reader, item->string, "is neither text nor a number; it is passed over");
        return 0;
    }
    if (!*value) /* an empty value means the default, which leaving out means, too */
        return 0;
    int rc = group ? add_option(reader, group, NULL) : 0;
    return rc ? rc : add_option(reader, item->string, value);
}

static int take_profiler(const struct reader *reader, const cJSON *profiler)
{
    const size_t n = sizeof msprof_keys / sizeof *msprof_keys;
    const char *on = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(profiler, "switch"));
    if (!profiler)
        return 0;
    if (!on || strcmp(on, "on") != 0) {
        WARN(reader, "switch", "of the profiler section is not 'on': nothing is profiled");
        return 0;
    }
    reader->json->has_profiler = true;
    const cJSON *item;
    cJSON_ArrayForEach(item, profiler)
    {
        size_t i = 0;
        while (i < n && strcmp(item->string, msprof_keys[i].key) != 0)
            i++;
        if (i == n) {
            if (strcmp(item->string, "switch") != 0)
                WARN(reader, item->string,
                     "of the profiler section has no counterpart in msprof; it is passed over");
            continue;
        }
        int rc = take_option(reader, item, msprof_keys[i].group);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---------------------------------------------------------------- together */

static int take_root(const struct reader *reader, const cJSON *root)
{
    const cJSON *dump = cJSON_GetObjectItemCaseSensitive(root, "dump");
    const cJSON *profiler = cJSON_GetObjectItemCaseSensitive(root, "profiler");
    if (!cJSON_IsObject(root))
        return refuse(reader, AISPIPE_FORMAT, "is no JSON object");
    if ((dump && !cJSON_IsObject(dump)) || (profiler && !cJSON_IsObject(profiler)))
        return refuse(reader, AISPIPE_FORMAT, "has a \"dump\" or \"profiler\" that is no JSON object");
    int rc = take_dump(reader, dump);
    return rc ? rc : take_profiler(reader, profiler);
}

int aispipe_acl_json_read(const char *path, const char *model, const struct aispipe_log *log,
                          struct aispipe_acl_json *json, struct aispipe_error *error)
{
    *json = (struct aispipe_acl_json){0};
    const struct reader reader = {.path = path, .model = model, .log = log, .json = json, .error = error};
    char text[AISPIPE_ACL_JSON_MAX_BYTES + 2];
    int rc = read_text(&reader, text);
    if (rc)
        return rc;
    cJSON *root = cJSON_ParseWithOpts(text, NULL, true);
    rc = take_root(&reader, root);
    cJSON_Delete(root);
    if (rc)
        aispipe_acl_json_free(json);
    return rc;
}

void aispipe_acl_json_free(struct aispipe_acl_json *json)
{
    for (size_t i = 0; i < json->n_options; i++)
        free(json->options[i]);
    free((void *)json->options);
    free(json->dump_path);
    *json = (struct aispipe_acl_json){0};
}

/* ---------------------------------------------------------------- another dump_path */

static int fill_text(int fd, const void *context)
{
    return fd_write(fd, context, strlen(context));
}

/* The text of the file with another dump_path; NULL: it has no dump section, or there is no memory. */
static char *redirected(const char *text, const char *dump_path)
{
    cJSON *root = cJSON_ParseWithOpts(text, NULL, true);
    cJSON *dump = cJSON_GetObjectItemCaseSensitive(root, "dump");
    cJSON_DeleteItemFromObjectCaseSensitive(dump, "dump_path");
    char *result =
        cJSON_AddStringToObject(dump, "dump_path", dump_path) ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return result;
}

int aispipe_acl_json_redirect_dump(const char *from, const char *directory, char *path, size_t capacity,
                                   struct aispipe_error *error)
{
    const struct reader reader = {.path = from, .error = error};
    char text[AISPIPE_ACL_JSON_MAX_BYTES + 2];
    int rc = read_text(&reader, text);
    if (rc)
        return rc;
    char *copy = redirected(text, directory);
    if (!copy)
        return refuse(&reader, AISPIPE_FORMAT, "has no dump section, or there is no memory to copy it");
    rc = write_file(directory, fill_text, copy, path, capacity, error);
    cJSON_free(copy);
    return rc;
}

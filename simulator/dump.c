/* SPDX-License-Identifier: MIT */
/* Dumps: which models are dumped, and the files with what went into them and came out. */
#include "dump.h"

#include "io/fd_io.h"
#include "json_writer.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/** What is dumped now. */
static struct {
    cJSON *section;      /**< of acl.json; NULL: nothing is dumped */
    unsigned generation; /**< of the section that is followed, counted from 1 */
    bool by_init;        /**< aclInit was given it */
    bool by_calls;       /**< between aclmdlInitDump and aclmdlFinalizeDump */
    char stamp[32];      /**< the directory of this section's dumps: when the first was made; "": none yet */
} dump;

static void follow(cJSON *section)
{
    cJSON_Delete(dump.section);
    dump.section = section;
    dump.stamp[0] = '\0';
    dump.generation++;
}

void asim_dump_from_init(struct cJSON *section)
{
    dump.by_init = section != NULL;
    follow(section);
}

void asim_dump_free(void)
{
    follow(NULL);
    dump.by_init = false;
    dump.by_calls = false;
}

/* ---------------------------------------------------------------- which */

static bool is_stem(const char *name, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    const char *dot = strrchr(file, '.');
    size_t length = dot && dot != file ? (size_t)(dot - file) : strlen(file);
    return strlen(name) == length && memcmp(name, file, length) == 0;
}

void asim_dump_look_at(struct asim_model *model, const char *path)
{
    const cJSON *entry, *list = cJSON_GetObjectItemCaseSensitive(dump.section, "dump_list");
    cJSON_ArrayForEach(entry, list)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "model_name"));
        if (name && (is_stem(name, path) || strcmp(name, model->om->name) == 0))
            model->dump_generation = dump.generation;
    }
}

/** The time by which a dump's directory is named; one for all of a section. */
static void take_stamp(void)
{
    struct tm local;
    time_t now = time(NULL);
    if (!*dump.stamp && localtime_r(&now, &local))
        (void)strftime(dump.stamp, sizeof dump.stamp, "%Y%m%d%H%M%S", &local);
}

/** Names hold what a shell and a path take for something else: it becomes '_'. */
static void plain(char *name)
{
    for (char *c = name; *c; c++)
        if (strchr("./\\ ", *c))
            *c = '_';
}

int asim_dump_begin(struct asim_model *model, struct asim_dump *to)
{
    struct timespec now;
    char operator[OM_NAME_MOST + 16];
    to->wanted = dump.section && model->dump_generation == dump.generation;
    if (!to->wanted)
        return 0;
    const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(dump.section, "dump_path"));
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(dump.section, "dump_mode"));
    to->inputs = mode && strcmp(mode, "output") != 0;
    to->outputs = !mode || strcmp(mode, "input") != 0; /* the documents' default is "output" */
    take_stamp();
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(operator, sizeof operator, "%s/operator", model->om->name);
    plain(operator);
    int n = snprintf(to->directory, sizeof to->directory, "%s/%s/%d/%s/%u/%u", path, dump.stamp,
                     model->device, model->om->name, model->id, model->dumps++);
    int m = snprintf(to->file, sizeof to->file, "Simulated.%s.%u.%llu", operator, ++ sim.next_task,
                     (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
    bool fits = n >= 0 && (size_t)n < sizeof to->directory && m >= 0 && (size_t)m < sizeof to->file;
    return fits ? 0
                : asim_refuse(ACL_ERROR_INTERNAL_ERROR, "the path of a dump of model %u is too long",
                              model->id);
}

/* ---------------------------------------------------------------- write */

static int make_directories(const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(copy, 0750) && errno != EEXIST)
            return errno;
        if (!slash)
            return 0;
        *slash = '/';
    }
}

static void write_tensor(struct json_writer *json, const struct asim_dump_tensor *tensor)
{
    json_open(json, '{');
    json_member_string(json, "kind", tensor->is_input ? "input" : "output");
    json_member_uint(json, "index", tensor->index);
    json_member_string(json, "name", tensor->name);
    json_member_string(json, "dtype", aispipe_dtype_name((enum aispipe_dtype)tensor->type));
    json_member_open(json, "shape", '[');
    for (size_t k = 0; k < tensor->shape.rank; k++)
        json_uint(json, (uint64_t)tensor->shape.dims[k]);
    json_close(json, ']');
    json_member_uint(json, "bytes", tensor->bytes);
    json_close(json, '}');
}

/** A line of JSON, then the tensors' bytes, one after the other. Returns an errno. */
static int write_all(int fd, const struct asim_dump_tensor *tensors, size_t n)
{
    struct json_writer *json = malloc(sizeof *json);
    if (!json)
        return ENOMEM;
    json_begin(json, fd);
    json_open(json, '[');
    for (size_t i = 0; i < n; i++)
        write_tensor(json, &tensors[i]);
    json_close(json, ']');
    int reason = json_end(json);
    free(json);
    for (size_t i = 0; i < n && !reason; i++)
        reason = fd_write(fd, tensors[i].data, tensors[i].bytes);
    return reason;
}

int asim_dump_write(const struct asim_dump *to, const struct asim_dump_tensor *tensors, size_t n,
                    struct aispipe_error *error)
{
    int reason = make_directories(to->directory);
    int directory = reason ? -1 : open(to->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = directory < 0 ? -1 : openat(directory, to->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (!reason)
        reason = fd < 0 ? errno : write_all(fd, tensors, n);
    if (fd >= 0 && close(fd) && !reason)
        reason = errno;
    if (directory >= 0)
        (void)close(directory);
    return reason ? aispipe_fail(error, AISPIPE_IO, "the dump '%s/%s' cannot be written: %s", to->directory,
                                 to->file, strerror(reason))
                  : 0;
}

/* ---------------------------------------------------------------- switched by calls */

aclError aclmdlInitDump(void)
{
    int code = asim_enter(CALL_aclmdlInitDump, SIM_INIT);
    if (code)
        return code;
    if (dump.by_calls)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "called twice"));
    if (dump.by_init)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "aclInit was told to dump already"));
    dump.by_calls = true;
    return asim_leave(0);
}

aclError aclmdlSetDump(const char *dumpCfgPath)
{
    cJSON *section = NULL;
    int code = asim_enter(CALL_aclmdlSetDump, SIM_INIT);
    if (code)
        return code;
    if (!dump.by_calls || !dumpCfgPath)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "called before aclmdlInitDump, or with NULL"));
    code = asim_read_configuration(dumpCfgPath, &section);
    if (!code && !section)
        code =
            asim_refuse(ACL_ERROR_INVALID_DUMP_CONFIG, "configuration '%s' has no dump section", dumpCfgPath);
    if (!code)
        follow(section);
    return asim_leave(code);
}

aclError aclmdlFinalizeDump(void)
{
    int code = asim_enter(CALL_aclmdlFinalizeDump, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    if (!dump.by_calls)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "called before aclmdlInitDump"));
    dump.by_calls = false;
    follow(NULL);
    return asim_leave(0);
}

/* SPDX-License-Identifier: MIT */
#include "sim_json.h"

#include "io/fd_io.h"
#include "json_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST ((size_t)1 << 20)

/* ------------------------------------------------------------------ errors */

int sim_refuse(const struct sim_reader *reader, int code, const char *where, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* Texts from the file are quoted; an error is one line and does not steer the terminal. */
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return aispipe_fail(reader->error, code, "model '%s': %s: %s", reader->path, where, text);
}

const char *sim_show(const cJSON *value, char text[SIM_SHOWN])
{
    if (cJSON_IsString(value))
        (void)snprintf(text, SIM_SHOWN, "\"%.50s\"", value->valuestring);
    else if (cJSON_IsNumber(value))
        (void)snprintf(text, SIM_SHOWN, "%.17g", value->valuedouble);
    else
        (void)snprintf(text, SIM_SHOWN, "%s",
                       cJSON_IsObject(value)  ? "an object"
                       : cJSON_IsArray(value) ? "a list"
                       : cJSON_IsNull(value)  ? "null"
                       : cJSON_IsTrue(value)  ? "true"
                                              : "false");
    return text;
}

int sim_wrong_value(const struct sim_reader *reader, const char *where, const cJSON *value,
                    const char *wanted)
{
    char found[SIM_SHOWN];
    return sim_refuse(reader, AISPIPE_FORMAT, where, "found %s; %s is wanted", sim_show(value, found),
                      wanted);
}

/* ------------------------------------------------------------------ the file */

static int unreadable(const struct sim_reader *reader, int reason)
{
    return aispipe_fail(reader->error, AISPIPE_IO, "cannot read model '%s': %s", reader->path,
                        strerror(reason));
}

static int read_open_file(const struct sim_reader *reader, int fd, char **text, size_t *bytes)
{
    struct stat status;
    if (fstat(fd, &status))
        return unreadable(reader, errno);
    if (!S_ISREG(status.st_mode))
        return aispipe_fail(reader->error, AISPIPE_IO, "model '%s' is %s; a file is wanted", reader->path,
                            S_ISDIR(status.st_mode) ? "a directory" : "not a regular file");
    if ((uint64_t)status.st_size > FILE_MOST)
        return aispipe_fail(reader->error, AISPIPE_FORMAT,
                            "model '%s' has %" PRIu64 " bytes; a simulated model has at most %zu",
                            reader->path, (uint64_t)status.st_size, FILE_MOST);
    *bytes = (size_t)status.st_size;
    *text = calloc(*bytes + 1, 1);
    if (!*text)
        return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory to read model '%s'", reader->path);
    /* If it is shorter than it was a moment ago, and that matters, the JSON is cut. */
    size_t got;
    int reason = fd_read_at(fd, *text, *bytes, 0, &got);
    return reason ? unreadable(reader, reason) : 0;
}

static int read_file(const struct sim_reader *reader, char **text, size_t *bytes)
{
    /* O_NONBLOCK: a pipe without a writer would hold open() for ever. */
    int fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return aispipe_fail(reader->error, AISPIPE_IO, "cannot open model '%s': %s", reader->path,
                            strerror(errno));
    int rc = read_open_file(reader, fd, text, bytes);
    close(fd);
    return rc;
}

static int bad_json(const struct sim_reader *reader, struct json_place where)
{
    return aispipe_fail(reader->error, AISPIPE_FORMAT,
                        "model '%s': line %zu, column %zu: this is not JSON, which a simulated model is",
                        reader->path, where.line, where.column);
}

cJSON *sim_parse_file(const struct sim_reader *reader, int *rc)
{
    char *text = NULL;
    size_t bytes = 0;
    cJSON *root = NULL;
    *rc = read_file(reader, &text, &bytes);
    if (*rc)
        goto out;
    struct json_place where;
    root = json_text_parse(text, bytes, &where);
    if (!root)
        *rc = bad_json(reader, where);
out:
    free(text);
    return root;
}

/* ------------------------------------------------------------------ objects */

static bool is_listed(const char *key, const char *const *keys)
{
    for (; *keys; keys++)
        if (strcmp(*keys, key) == 0)
            return true;
    return false;
}

int sim_check_object(const struct sim_reader *reader, const cJSON *object, const char *where,
                     const char *const *keys)
{
    if (!cJSON_IsObject(object))
        return sim_wrong_value(reader, where, object, "an object");
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!is_listed(item->string, keys)) {
            char known[160] = "";
            for (size_t i = 0; keys[i]; i++)
                (void)snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                               keys[i]);
            return sim_refuse(reader, AISPIPE_FORMAT, where, "key \"%.60s\" is unknown; known are %s",
                              item->string, known);
        }
        for (const cJSON *other = item->next; other; other = other->next)
            if (strcmp(item->string, other->string) == 0)
                return sim_refuse(reader, AISPIPE_FORMAT, where, "key \"%s\" is there twice", item->string);
    }
    return 0;
}

int sim_want_key(const struct sim_reader *reader, const cJSON *object, const char *where, const char *key,
                 const cJSON **value)
{
    *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!*value)
        return sim_refuse(reader, AISPIPE_FORMAT, where, "key \"%s\" is missing", key);
    return 0;
}

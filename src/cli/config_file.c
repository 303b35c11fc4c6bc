/* SPDX-License-Identifier: MIT */
#include "cli/config_file.h"

#include "cli/check.h"
#include "cli/option_value.h"
#include "io/fd_io.h"
#include "json_text.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whole numbers up to here survive as JSON numbers, which are doubles. */
#define WHOLE_MOST 9007199254740992.0

struct reader {
    const char *path;
    struct shown shown_path;
    struct options *options;
    const char **in_file;
    struct aispipe_error *error;
};

/* ---------------------------------------------------------------- the file */

static int cannot(const struct reader *reader, const char *what, const char *remedy)
{
    return aispipe_fail(reader->error, AISPIPE_INVALID, "option --config: '%s' %s; %s",
                        reader->shown_path.text, what, remedy);
}

static int cannot_read(const struct reader *reader, int reason)
{
    char what[256];
    (void)snprintf(what, sizeof what, "cannot be read: %s", strerror(reason));
    return cannot(reader, what,
                  reason == ENOENT ? "check the path (it is taken as written, from the working directory)"
                                   : "check its permissions");
}

static int check_kind(const struct reader *reader, const struct stat *info)
{
    char what[128];
    if (!S_ISREG(info->st_mode))
        return cannot(reader, S_ISDIR(info->st_mode) ? "is a directory" : "is not a regular file",
                      "give a JSON file, as 'aispipe tune' writes one");
    if ((uint64_t)info->st_size <= CONFIG_FILE_MOST)
        return 0;
    (void)snprintf(what, sizeof what, "has %jd bytes, more than the %zu that a file of options may have",
                   (intmax_t)info->st_size, CONFIG_FILE_MOST);
    return cannot(reader, what, "is it the right file?");
}

static int read_open_file(const struct reader *reader, int fd, char **text, size_t *bytes)
{
    struct stat info;
    if (fstat(fd, &info))
        return cannot_read(reader, errno);
    int rc = check_kind(reader, &info);
    if (rc)
        return rc;
    size_t room = (size_t)info.st_size;
    *text = calloc(room + 1, 1);
    if (!*text)
        return aispipe_fail(reader->error, AISPIPE_NO_MEMORY, "no memory to read '%s'",
                            reader->shown_path.text);
    int reason = fd_read_at(fd, *text, room, 0, bytes);
    return reason ? cannot_read(reader, reason) : 0;
}

static int read_file(const struct reader *reader, char **text, size_t *bytes)
{
    /* O_NONBLOCK: a pipe without a writer would hold open() for ever. */
    int fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_read(reader, errno);
    int rc = read_open_file(reader, fd, text, bytes);
    close(fd);
    return rc;
}

static int bad_json(const struct reader *reader, struct json_place where)
{
    return aispipe_fail(reader->error, AISPIPE_INVALID,
                        "option --config: '%s', line %zu, column %zu: this is not JSON; an object is wanted, "
                        "as in {\"threads\": 4, \"queue_depth\": \"load=8,save=8\"}",
                        reader->shown_path.text, where.line, where.column);
}

/* cJSON would make an end of text of it, and what follows would go unheard. */
static const char *find_zero(const char *text)
{
    for (const char *at = text; (at = strstr(at, "\\u0000")); at += 6) {
        size_t backslashes = 0;
        while (at - backslashes > text && at[-1 - (ptrdiff_t)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return at;
    }
    return NULL;
}

static int parse_text(const struct reader *reader, const char *text, size_t bytes, cJSON **root)
{
    struct json_place where;
    const char *zero = find_zero(text);
    if (zero)
        return bad_json(reader, json_text_place(text, (size_t)(zero - text)));
    *root = json_text_parse(text, bytes, &where);
    return *root ? 0 : bad_json(reader, where);
}

static int parse_file(const struct reader *reader, cJSON **root)
{
    char *text = NULL;
    size_t bytes = 0;
    int rc = read_file(reader, &text, &bytes);
    if (!rc && text)
        rc = parse_text(reader, text, bytes, root);
    free(text);
    return rc;
}

/* ---------------------------------------------------------------- values */

static const char *kind_of(const cJSON *item)
{
    return cJSON_IsObject(item)  ? "an object"
           : cJSON_IsArray(item) ? "a list"
           : cJSON_IsNull(item)  ? "null"
           : cJSON_IsTrue(item)  ? "true"
                                 : "false";
}

static bool takes_number(enum option_kind kind)
{
    return kind == OPTION_BOOL || kind == OPTION_NUMBER || kind == OPTION_REAL || kind == OPTION_NUMBERS ||
           kind == OPTION_DEPTHS;
}

static int refuse_value(const struct reader *reader, const struct given *given, const char *value)
{
    char accepted[256];
    const struct option_spec *spec = given->spec;
    const char *how =
        spec->kind == OPTION_BOOL ? "true or false" : option_accepts(spec, accepted, sizeof accepted);
    return aispipe_fail(reader->error, AISPIPE_INVALID, "%s: %s is not accepted; give %s%s", given->label,
                        value, how,
                        takes_number(spec->kind)         ? ""
                        : spec->kind == OPTION_KEY_VALUE ? ", as a text in quotes or a list of such"
                                                         : ", as a text in quotes");
}

static int take_number(const struct reader *reader, struct given *given, double value)
{
    const struct option_target target = {reader->options, reader->error};
    char text[32];
    bool whole = value == floor(value) && fabs(value) <= WHOLE_MOST;
    (void)snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", value);
    if (!takes_number(given->spec->kind))
        return refuse_value(reader, given, text);
    if (value == floor(value) && !whole)
        return aispipe_fail(reader->error, AISPIPE_INVALID,
                            "%s: %s is too large to be exact as a JSON number; write it as a text in quotes",
                            given->label, text);
    given->value = text; /* fields of these kinds keep no text */
    int rc = option_value_take(&target, given);
    given->value = NULL;
    return rc;
}

static int take_one(const struct reader *reader, struct given *given, const cJSON *item)
{
    const struct option_target target = {reader->options, reader->error};
    if (cJSON_IsNumber(item))
        return take_number(reader, given, item->valuedouble);
    if (cJSON_IsString(item))
        given->value = item->valuestring;
    else if (cJSON_IsBool(item) && given->spec->kind == OPTION_BOOL)
        given->value = cJSON_IsTrue(item) ? "1" : "0";
    else
        return refuse_value(reader, given, kind_of(item));
    return option_value_take(&target, given);
}

static int take_item(const struct reader *reader, struct given *given, const cJSON *item)
{
    if (given->spec->kind != OPTION_KEY_VALUE || !cJSON_IsArray(item))
        return take_one(reader, given, item);
    for (const cJSON *one = item->child; one; one = one->next) {
        int rc = take_one(reader, given, one);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---------------------------------------------------------------- keys */

static int refuse_unknown(const struct reader *reader, const char *typed)
{
    char near[64];
    struct shown key;
    const char *nearest = option_suggest(&main_options, typed, strlen(typed), near, sizeof near);
    if (nearest)
        nearest = option_find(&main_options, nearest, strlen(nearest))->name;
    return aispipe_fail(reader->error, AISPIPE_INVALID,
                        "'%s': unknown key '%s'%s%s%s (a key is the name of an option; --help lists them)",
                        reader->shown_path.text, show(&key, typed + 2), nearest ? "; did you mean '" : "",
                        nearest ? nearest : "", nearest ? "'?" : "");
}

/* What asks for another file, or for text instead of a run. */
static bool is_for_the_line(const struct option_spec *spec)
{
    return spec->kind == OPTION_FLAG || strcmp(spec->name, "config") == 0;
}

static int refuse_repeated(const struct reader *reader, const struct option_spec *spec, const char *first,
                           const char *second)
{
    struct shown a, b;
    return aispipe_fail(reader->error, AISPIPE_INVALID,
                        "'%s': option --%s is given twice, by the keys '%s' and '%s'; give it once",
                        reader->shown_path.text, spec->name, show(&a, first), show(&b, second));
}

static int take_key(const struct reader *reader, const cJSON *item)
{
    char typed[128];
    struct given given = {.typed = typed};
    if (snprintf(typed, sizeof typed, "--%s", item->string) >= (int)sizeof typed)
        typed[sizeof typed - 1] = '\0'; /* longer than any name: unknown in any case */
    given.spec = option_find(&main_options, typed, strlen(typed));
    if (!given.spec)
        return refuse_unknown(reader, typed);
    if (is_for_the_line(given.spec))
        return aispipe_fail(reader->error, AISPIPE_INVALID,
                            "'%s': key '%s' is for the command line only; leave it out of the file",
                            reader->shown_path.text, item->string);
    const char **seen = &reader->in_file[given.spec - main_options.options];
    if (*seen)
        return refuse_repeated(reader, given.spec, *seen, item->string);
    *seen = item->string;
    (void)snprintf(given.label, sizeof given.label, "'%s': key '%s'", reader->shown_path.text, item->string);
    return take_item(reader, &given, item);
}

int config_file_read(const char *path, struct options *options, const char **in_file,
                     struct aispipe_error *error)
{
    struct reader reader = {.path = path, .options = options, .in_file = in_file, .error = error};
    (void)show(&reader.shown_path, path);
    cJSON *root = NULL;
    int rc = parse_file(&reader, &root);
    if (rc)
        return rc;
    options->config_values = root;
    if (!root || !cJSON_IsObject(root))
        return cannot(&reader, "does not hold a JSON object",
                      "write the options as in {\"threads\": 4, \"queue_depth\": \"load=8,save=8\"}");
    for (const cJSON *item = root->child; item; item = item->next) {
        rc = take_key(&reader, item);
        if (rc)
            return rc;
    }
    options->n_configured_engine_options = options->n_engine_options;
    return 0;
}

void config_file_free(struct cJSON *values)
{
    cJSON_Delete(values);
}

/* ---------------------------------------------------------------- afterwards */

void config_file_mark(const char **seen, const char *const *in_file)
{
    for (size_t i = 0; i < option_count; i++)
        if (!seen[i])
            seen[i] = in_file[i];
}

/* "--name", and not as the beginning of a longer one. */
static bool mentions(const char *message, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = message; (at = strstr(at, "--")); at += 2) {
        char after = strncmp(at + 2, name, length) == 0 ? at[2 + length] : 'x';
        if (after != '_' && !(after >= 'a' && after <= 'z') && !(after >= 'A' && after <= 'Z'))
            return true;
    }
    return false;
}

void config_file_blame(const char *path, const char *const *seen, const char *const *in_file,
                       struct aispipe_error *error)
{
    char names[256] = "";
    struct shown shown;
    for (size_t i = 0; error && i < option_count; i++) {
        size_t used = strlen(names);
        if (in_file[i] && seen[i] == in_file[i] && mentions(error->message, option_table[i].name))
            (void)snprintf(names + used, sizeof names - used, "%s--%s", used ? ", " : "",
                           option_table[i].name);
    }
    if (!*names)
        return;
    size_t used = strlen(error->message);
    (void)snprintf(error->message + used, sizeof error->message - used, " (%s: from '%s')", names,
                   show(&shown, path));
}

/* The names of the options that the file gave: those in force, or those that the command line gave, too. */
static const char *list_names(const char *const *seen, const char *const *in_file, bool in_force, char *names,
                              size_t capacity)
{
    size_t used = 0;
    names[0] = '\0';
    for (size_t i = 0; i < option_count && used < capacity; i++)
        if (in_file[i] && (seen[i] == in_file[i]) == in_force)
            used += (size_t)snprintf(names + used, capacity - used, "%s%s", used ? ", " : "",
                                     option_table[i].name);
    return names;
}

void config_file_log(const char *path, const char *const *seen, const char *const *in_file,
                     const struct aispipe_log *log)
{
    char used[768], overruled[768];
    struct shown shown;
    struct stat info;
    if (!path)
        return;
    list_names(seen, in_file, true, used, sizeof used);
    list_names(seen, in_file, false, overruled, sizeof overruled);
    log_line(log, AISPIPE_LOG_INFO, "options from '%s': %s%s%s", show(&shown, path), *used ? used : "none",
             *overruled ? "; the command line counts for " : "", overruled);
    if (stat(path, &info) == 0)
        (void)check_writers("file of options", path, &info, log);
}

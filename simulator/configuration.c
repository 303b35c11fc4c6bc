/* SPDX-License-Identifier: MIT */
/* acl.json as aclInit and aclmdlSetDump take it: its dump and profiler sections, as far as the vendor's
 * documents say. */
#include "asim.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char *text_of(const cJSON *section, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(section, key));
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (; value && *words; words++)
        if (strcmp(value, *words) == 0)
            return true;
    return false;
}

static bool is_directory(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The key that makes the section useless; NULL: none. */
static const char *wrong_in_dump(const cJSON *dump)
{
    const cJSON *entry, *list = cJSON_GetObjectItemCaseSensitive(dump, "dump_list");
    const char *mode = text_of(dump, "dump_mode");
    const char *operators = text_of(dump, "dump_op_switch");
    if (!is_directory(text_of(dump, "dump_path")))
        return "dump_path";
    if (mode && !is_one_of(mode, (const char *[]){"input", "output", "all", NULL}))
        return "dump_mode";
    if (operators && !is_one_of(operators, (const char *[]){"on", "off", NULL}))
        return "dump_op_switch";
    /* Where single operators are dumped, no model need be. */
    bool may_be_empty = operators && strcmp(operators, "on") == 0;
    if (!may_be_empty && (!cJSON_IsArray(list) || !cJSON_GetArraySize(list)))
        return "dump_list";
    cJSON_ArrayForEach(entry, list) if (!text_of(entry, "model_name")) return "model_name";
    return NULL;
}

static const char *wrong_in_profiler(const cJSON *profiler)
{
    const char *on = text_of(profiler, "switch");
    if (!is_one_of(on, (const char *[]){"on", "off", NULL}))
        return "switch";
    const cJSON *output = cJSON_GetObjectItemCaseSensitive(profiler, "output");
    return strcmp(on, "on") == 0 && output && !is_directory(cJSON_GetStringValue(output)) ? "output" : NULL;
}

static int check(const char *path, const cJSON *root)
{
    const cJSON *dump = cJSON_GetObjectItemCaseSensitive(root, "dump");
    const cJSON *profiler = cJSON_GetObjectItemCaseSensitive(root, "profiler");
    if (!cJSON_IsObject(root))
        return asim_refuse(ACL_ERROR_PARSE_FILE, "configuration '%s' is no JSON object", path);
    const char *key = dump ? wrong_in_dump(dump) : NULL;
    if (key)
        return asim_refuse(ACL_ERROR_INVALID_DUMP_CONFIG, "configuration '%s': dump has no usable %s", path,
                           key);
    key = profiler ? wrong_in_profiler(profiler) : NULL;
    if (key)
        return asim_refuse(ACL_ERROR_INVALID_PROFILING_CONFIG,
                           "configuration '%s': profiler has no usable %s", path, key);
    return 0;
}

int asim_read_configuration(const char *path, cJSON **dump)
{
    char text[65536];
    FILE *file = fopen(path, "re");
    if (!file)
        return asim_refuse(ACL_ERROR_INVALID_FILE, "configuration '%s' cannot be opened: %s", path,
                           strerror(errno));
    size_t length = fread(text, 1, sizeof text - 1, file);
    bool whole = length < sizeof text - 1 && !ferror(file);
    (void)fclose(file);
    text[length] = '\0';
    cJSON *root = whole ? cJSON_Parse(text) : NULL;
    int code = check(path, root);
    *dump = code ? NULL : cJSON_DetachItemFromObjectCaseSensitive(root, "dump");
    cJSON_Delete(root);
    return code;
}

/* SPDX-License-Identifier: MIT */
#include "cli/affinity.h"

#include "cli/check.h"
#include "cores.h"

#include <string.h>
#include <strings.h>

static bool is_list(const char *value)
{
    return value && strcasecmp(value, "auto") != 0 && strcasecmp(value, "none") != 0;
}

static size_t count_lists(const char *value)
{
    size_t n = 1;
    for (; *value; value++)
        n += *value == ';';
    return n;
}

/* The list of one device; the only one is for all. */
static const char *find_list(const char *value, size_t number)
{
    for (const char *next = value; number && next; number--) {
        next = strchr(value, ';');
        value = next ? next + 1 : value;
    }
    return value;
}

/* Reads the list of device `number`. */
static int read_list(const char *value, size_t number, struct cores *cores, struct aispipe_error *error)
{
    const char *list = find_list(value, number);
    return cores_read(list, strcspn(list, ";"), cores, error);
}

int affinity_check(const char *value, size_t devices, struct aispipe_error *error)
{
    struct shown shown;
    if (!is_list(value))
        return 0;
    size_t lists = count_lists(value);
    for (size_t i = 0; i < lists; i++) {
        struct cores cores;
        struct aispipe_error why = {0};
        int rc = read_list(value, i, &cores, &why);
        if (rc)
            return aispipe_fail(error, rc, "option --affinity: %.1500s; auto and none are accepted too",
                                why.message);
    }
    if (lists == 1 || lists == devices)
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "option --affinity: '%s' has %zu lists of cores for %zu device%s; give one for all, or "
        "one for each, in the order of --device",
        show(&shown, value), lists, devices, devices == 1 ? "" : "s");
}

int affinity_apply(const char *value, struct aispipe_error *error)
{
    struct cores all = {0};
    if (!is_list(value))
        return 0;
    size_t lists = count_lists(value);
    for (size_t i = 0; i < lists; i++) {
        struct cores cores;
        int rc = read_list(value, i, &cores, error);
        if (rc)
            return rc;
        all = cores_either(&all, &cores);
    }
    int reason = cores_apply(&all);
    return reason ? aispipe_fail(error, AISPIPE_SYSTEM, "option --affinity: the cores cannot be set: %s",
                                 strerror(reason))
                  : 0;
}

int affinity_of_device(const char *value, size_t number, char **text, struct aispipe_error *error)
{
    *text = NULL;
    if (!value)
        return 0;
    const char *list = find_list(value, number);
    *text = strndup(list, strcspn(list, ";"));
    return *text ? 0 : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a list of cores");
}

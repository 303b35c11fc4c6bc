/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include "asim.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/** Where values go, and where complaints go. */
struct reader {
    struct asim_settings *settings;
    char *reason;
    size_t capacity;
};

AISPIPE_PRINTF(2, 3) static int wrong(struct reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reader->reason, reader->capacity, format, args);
    va_end(args);
    return -1;
}

/** A whole number from 0 on; both sources of settings come here as text or as JSON's double. */
static int whole(struct reader *reader, const char *name, double value, double most, uint64_t *to)
{
    if (!(value >= 0 && value <= most && floor(value) == value))
        return wrong(reader, "%s is %g; wanted: a whole number from 0 to %.0f", name, value, most);
    *to = (uint64_t)value;
    return 0;
}

static int find_call(const char *name, size_t length)
{
    for (int call = 0; call < SIM_N_CALLS; call++)
        if (strlen(asim_call_name(call)) == length && strncmp(asim_call_name(call), name, length) == 0)
            return call;
    return -1;
}

static int add_fault(struct reader *reader, int call, const char *name, double n, double code)
{
    struct asim_settings *settings = reader->settings;
    if (call < 0)
        return wrong(reader, "fault: there is no call named '%s'", name);
    if (settings->n_faults == SIM_MOST_FAULTS)
        return wrong(reader, "fault: at most %d can be set", SIM_MOST_FAULTS);
    struct asim_fault *fault = &settings->faults[settings->n_faults];
    uint64_t number = 0;
    if (whole(reader, "fault: n", n, 1e15, &fault->n) || whole(reader, "fault: code", code, 1e9, &number))
        return -1;
    if (fault->n == 0 || number == 0)
        return wrong(reader, "fault of %s: n and code count from 1", name);
    fault->call = call;
    fault->code = (int)number;
    settings->n_faults++;
    return 0;
}

/** "aclrtMalloc:3:207001,aclmdlExecute:1:507011" */
static int read_faults(struct reader *reader, const char *text)
{
    while (*text) {
        size_t name = strcspn(text, ":,");
        char *end = NULL;
        double n = text[name] == ':' ? strtod(text + name + 1, &end) : 0;
        if (!end || *end != ':')
            return wrong(reader, "AISPIPE_ACLSIM_FAULTS: '%s' is not CALL:N:CODE", text);
        double code = strtod(end + 1, &end);
        char shown[64];
        (void)snprintf(shown, sizeof shown, "%.*s", (int)name, text);
        if (add_fault(reader, find_call(text, name), shown, n, code))
            return -1;
        text = end;
        if (*text == ',')
            text++;
        else if (*text)
            return wrong(reader, "AISPIPE_ACLSIM_FAULTS: '%s' where a comma was expected", text);
    }
    return 0;
}

/* ---------------------------------------------------------------- the names of settings */

static int set_number(struct reader *reader, const char *name, double value, bool *known)
{
    struct asim_settings *s = reader->settings;
    uint64_t devices = s->devices;
    *known = true;
    if (strcmp(name, "devices") == 0) {
        int rc = whole(reader, name, value, SIM_MOST_DEVICES, &devices);
        s->devices = (uint32_t)devices;
        return rc;
    }
    if (strcmp(name, "memory") == 0)
        return whole(reader, name, value, 1e15, &s->memory);
    if (strcmp(name, "exception") == 0)
        return whole(reader, name, value, 1e15, &s->exception);
    struct {
        const char *name;
        struct asim_speed *speed;
    } speeds[] = {{"h2d", &s->h2d}, {"compute", &s->compute}, {"d2h", &s->d2h}};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        size_t length = strlen(speeds[i].name);
        if (strncmp(name, speeds[i].name, length) != 0)
            continue;
        if (strcmp(name + length, "_us") == 0)
            return whole(reader, name, value, 1e9, &speeds[i].speed->latency_us);
        if (strcmp(name + length, "_bytes_per_s") != 0)
            continue;
        if (!(value >= 0 && value <= 1e15))
            return wrong(reader, "%s is %g; wanted: 0 (no limit) to 1e15", name, value);
        speeds[i].speed->bytes_per_s = value;
        return 0;
    }
    *known = false;
    return 0;
}

static const char *const numbers[] = {"devices",    "memory",          "exception",
                                      "h2d_us",     "h2d_bytes_per_s", "d2h_us",
                                      "compute_us", "d2h_bytes_per_s", "compute_bytes_per_s"};

/** AISPIPE_ACLSIM_H2D_US for "h2d_us". */
static const char *environment(const char *name)
{
    char variable[64] = "AISPIPE_ACLSIM_";
    size_t used = strlen(variable);
    for (; *name && used + 1 < sizeof variable; name++)
        variable[used++] = (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
    variable[used] = '\0';
    return getenv(variable);
}

static int read_environment(struct reader *reader)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const char *text = environment(numbers[i]);
        if (!text || !*text)
            continue;
        char *end = NULL;
        double value = strtod(text, &end);
        bool known;
        if (*end)
            return wrong(reader, "setting %s: '%s' is not a number", numbers[i], text);
        if (set_number(reader, numbers[i], value, &known))
            return -1;
    }
    const char *faults = getenv("AISPIPE_ACLSIM_FAULTS");
    if (faults && read_faults(reader, faults))
        return -1;
    const char *report = getenv("AISPIPE_ACLSIM_REPORT");
    if (report)
        (void)snprintf(reader->settings->report, sizeof reader->settings->report, "%s", report);
    const char *calls = getenv("AISPIPE_ACLSIM_CALLS");
    if (calls)
        (void)snprintf(reader->settings->calls, sizeof reader->settings->calls, "%s", calls);
    const char *pci = getenv("AISPIPE_ACLSIM_PCI");
    if (pci)
        (void)snprintf(reader->settings->pci, sizeof reader->settings->pci, "%s", pci);
    const char *init = getenv("AISPIPE_ACLSIM_INIT");
    if (init)
        (void)snprintf(reader->settings->init, sizeof reader->settings->init, "%s", init);
    return 0;
}

/* ---------------------------------------------------------------- the file */

static int read_fault_object(struct reader *reader, const cJSON *item)
{
    const cJSON *call = cJSON_GetObjectItemCaseSensitive(item, "call");
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(item, "n");
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(item, "code");
    if (!cJSON_IsString(call) || !cJSON_IsNumber(n) || !cJSON_IsNumber(code) || cJSON_GetArraySize(item) != 3)
        return wrong(reader, "faults: every one is {\"call\": \"aclrtMalloc\", \"n\": 3, \"code\": 207001}");
    return add_fault(reader, find_call(call->valuestring, strlen(call->valuestring)), call->valuestring,
                     n->valuedouble, code->valuedouble);
}

static int read_item(struct reader *reader, const cJSON *item)
{
    struct asim_settings *s = reader->settings;
    bool known = false;
    if (cJSON_IsNumber(item) && set_number(reader, item->string, item->valuedouble, &known))
        return -1;
    if (known)
        return 0;
    if (strcmp(item->string, "faults") == 0 && cJSON_IsArray(item)) {
        const cJSON *fault;
        cJSON_ArrayForEach(fault, item) if (read_fault_object(reader, fault)) return -1;
        return 0;
    }
    if (cJSON_IsString(item) && strcmp(item->string, "report") == 0)
        return snprintf(s->report, sizeof s->report, "%s", item->valuestring) < 0;
    if (cJSON_IsString(item) && strcmp(item->string, "calls") == 0)
        return snprintf(s->calls, sizeof s->calls, "%s", item->valuestring) < 0;
    if (cJSON_IsString(item) && strcmp(item->string, "pci") == 0)
        return snprintf(s->pci, sizeof s->pci, "%s", item->valuestring) < 0;
    if (cJSON_IsString(item) && strcmp(item->string, "init") == 0)
        return snprintf(s->init, sizeof s->init, "%s", item->valuestring) < 0;
    return wrong(reader, "setting '%s' is not known, or its value is of the wrong type", item->string);
}

static int read_config(struct reader *reader, const char *path)
{
    char text[65536];
    FILE *file = fopen(path, "re");
    if (!file)
        return wrong(reader, "settings '%s' (AISPIPE_ACLSIM_CONFIG) cannot be opened: %s", path,
                     strerror(errno));
    size_t length = fread(text, 1, sizeof text - 1, file);
    bool whole_file = length < sizeof text - 1 && !ferror(file);
    (void)fclose(file);
    text[length] = '\0';
    cJSON *root = whole_file ? cJSON_Parse(text) : NULL;
    int rc = 0;
    if (!cJSON_IsObject(root))
        rc =
            wrong(reader, "settings '%s' (AISPIPE_ACLSIM_CONFIG): not a JSON object of at most 64 KiB", path);
    for (const cJSON *item = root && !rc ? root->child : NULL; item && !rc; item = item->next)
        rc = read_item(reader, item);
    cJSON_Delete(root);
    return rc;
}

int asim_settings_read(struct asim_settings *settings, char *reason, size_t capacity)
{
    *settings = (struct asim_settings){.devices = 1, .memory = (uint64_t)32 << 30};
    struct reader reader = {.settings = settings, .reason = reason, .capacity = capacity};
    const char *config = getenv("AISPIPE_ACLSIM_CONFIG");
    if (config && *config && read_config(&reader, config))
        return -1;
    return read_environment(&reader);
}

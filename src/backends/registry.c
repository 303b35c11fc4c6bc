/* SPDX-License-Identifier: MIT */
/* The backends of this program. To add one: declare it, put it into the list, and into meson.build. */
#include "aispipe/devices.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#ifdef AISPIPE_HAVE_OPENVINO
extern const struct aispipe_backend backend_openvino;
#endif
extern const struct aispipe_backend backend_acl;
extern const struct aispipe_backend backend_sim;

static const struct aispipe_backend *const backends[] = {
#ifdef AISPIPE_HAVE_OPENVINO
    &backend_openvino,
#endif
    &backend_acl,
    &backend_sim,
    NULL,
};

/* Backends that a build may lack: naming them, or giving their models, deserves better than "unknown". */
struct optional {
    const char *name;
    const char *product;
    const char *suffixes[6];
};

static const struct optional optionals[] = {
    {"openvino", "OpenVINO", {".onnx", ".xml", ".tflite", ".pb", ".pdmodel", NULL}},
};

/* Length of the longest of `suffixes` that `path` ends in; 0: none. */
static size_t matching_suffix(const char *path, const char *const *suffixes)
{
    size_t path_length = strlen(path);
    size_t longest = 0;
    for (; suffixes && *suffixes; suffixes++) {
        size_t length = strlen(*suffixes);
        if (length > longest && length <= path_length &&
            strcasecmp(path + path_length - length, *suffixes) == 0)
            longest = length;
    }
    return longest;
}

/* Appends to a text that is cut rather than overrun. */
static void append(char *text, size_t capacity, const char *before, const char *what)
{
    size_t length = strlen(text);
    (void)snprintf(text + length, capacity - length, "%s%s", before, what);
}

/* "openvino, sim" */
static void list_names(char *text, size_t capacity)
{
    text[0] = '\0';
    for (const struct aispipe_backend *const *b = backends; *b; b++)
        append(text, capacity, b == backends ? "" : ", ", (*b)->name);
}

/* ".onnx .xml (openvino), .sim.json (sim)" */
static void list_suffixes(char *text, size_t capacity)
{
    text[0] = '\0';
    for (const struct aispipe_backend *const *b = backends; *b; b++) {
        const char *before = b == backends ? "" : ", ";
        for (const char *const *suffix = (*b)->model_suffixes; suffix && *suffix; suffix++) {
            append(text, capacity, before, *suffix);
            before = " ";
        }
        append(text, capacity, " (", (*b)->name);
        append(text, capacity, ")", "");
    }
}

static int not_built(const struct optional *lacking, struct aispipe_error *error)
{
    return aispipe_fail(
        error, AISPIPE_UNSUPPORTED,
        "this aispipe was built without %s; install %s (pip install openvino), then build again "
        "in a fresh build directory (meson setup)",
        lacking->product, lacking->product);
}

static int find_by_name(const char *name, const struct aispipe_backend **backend, struct aispipe_error *error)
{
    for (const struct aispipe_backend *const *b = backends; *b; b++)
        if (strcmp((*b)->name, name) == 0) {
            *backend = *b;
            return 0;
        }
    for (size_t i = 0; i < sizeof optionals / sizeof *optionals; i++)
        if (strcmp(optionals[i].name, name) == 0)
            return not_built(&optionals[i], error);
    char names[256];
    list_names(names, sizeof names);
    return aispipe_fail(error, AISPIPE_INVALID, "there is no backend '%s'; there are auto, %s", name, names);
}

static int find_by_suffix(const char *path, const struct aispipe_backend **backend,
                          struct aispipe_error *error)
{
    size_t longest = 0;
    for (const struct aispipe_backend *const *b = backends; *b; b++) {
        size_t length = matching_suffix(path, (*b)->model_suffixes);
        if (length > longest) { /* equal ones: the first in the list */
            longest = length;
            *backend = *b;
        }
    }
    if (longest)
        return 0;
    for (size_t i = 0; i < sizeof optionals / sizeof *optionals; i++)
        if (matching_suffix(path, optionals[i].suffixes)) {
            struct aispipe_error why;
            int rc = not_built(&optionals[i], &why);
            return aispipe_fail(error, rc, "model '%s': %s", path, why.message);
        }
    char suffixes[512];
    list_suffixes(suffixes, sizeof suffixes);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "model '%s': no backend goes by this ending; known are %s; rename the file or say "
                        "which with --backend",
                        path, suffixes);
}

/* A file with another backend's ending is surely not what was meant; one with an ending of its own may be. */
static int check_not_foreign(const char *path, const struct aispipe_backend **backend,
                             struct aispipe_error *error)
{
    const struct aispipe_backend *wanted = *backend;
    if (matching_suffix(path, wanted->model_suffixes))
        return 0;
    for (const struct aispipe_backend *const *b = backends; *b; b++) {
        if (!matching_suffix(path, (*b)->model_suffixes))
            continue;
        *backend = NULL;
        return aispipe_fail(error, AISPIPE_INVALID,
                            "model '%s' is one for backend %s, not %s; leave out --backend", path, (*b)->name,
                            wanted->name);
    }
    return 0;
}

const struct aispipe_backend *aispipe_backend_at(size_t index)
{
    /* the last entry ends the list */
    return index < sizeof backends / sizeof *backends ? backends[index] : NULL;
}

int aispipe_backend_devices(const struct aispipe_backend *backend,
                            void (*found)(void *context, const struct aispipe_found_device *device),
                            void *context, struct aispipe_error *error)
{
    if (!backend->list)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "backend %s has no list of devices", backend->name);
    return backend->list(found, context, error);
}

int aispipe_backend_find(const char *name, const char *model_path, const struct aispipe_backend **backend,
                         struct aispipe_error *error)
{
    *backend = NULL;
    const char *path = model_path ? model_path : "";
    if (!name || strcmp(name, "auto") == 0)
        return find_by_suffix(path, backend, error);
    int rc = find_by_name(name, backend, error);
    return *backend ? check_not_foreign(path, backend, error) : rc;
}

static bool is_built(const char *name)
{
    for (const struct aispipe_backend *const *b = backends; *b; b++)
        if (strcmp((*b)->name, name) == 0)
            return true;
    return false;
}

bool aispipe_backend_lacking(size_t index, const char **name, struct aispipe_error *why)
{
    for (size_t i = 0; i < sizeof optionals / sizeof *optionals; i++) {
        if (is_built(optionals[i].name) || index--)
            continue;
        *name = optionals[i].name;
        (void)not_built(&optionals[i], why);
        return true;
    }
    return false;
}

/* SPDX-License-Identifier: MIT */
#include "acl_library.h"

#include "acl_home.h"
#include "log.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY_NAME "libascendcl.so"

/* Where releases of CANN keep the library below their home. */
static const char *const below_home[] = {"lib64",
                                         "runtime/lib64",
                                         "acllib/lib64",
                                         "fwkacllib/lib64",
#if defined(__aarch64__)
                                         "aarch64-linux/lib64",
#else
                                         "x86_64-linux/lib64",
#endif
                                         NULL};

/* What was tried so far, for the error. */
struct search {
    char text[1600];
    size_t used;
};

AISPIPE_PRINTF(2, 3) static void note(struct search *search, const char *format, ...)
{
    size_t room = sizeof search->text - search->used;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(search->text + search->used, room, format, args);
    va_end(args);
    if (length > 0)
        search->used += (size_t)length < room ? (size_t)length : room - 1;
}

/* dlerror without the file's name in front, which the caller says itself. */
static const char *load_error(const char *name)
{
    const char *text = dlerror();
    if (!text)
        return "unknown reason";
    size_t length = strlen(name);
    if (strncmp(text, name, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        return text + length + 2;
    return text;
}

/* Returns the first function that the library may not lack and does, NULL when it has them all. */
static const char *resolve(struct acl_library *acl, void *handle)
{
#define X(name) ((acl->name = (__typeof__(acl->name))dlsym(handle, #name)) == NULL) ? #name:
    const char *missing = ACL_REQUIRED(X) NULL;
#undef X
#define X(name, ...) acl->name = (__typeof__(acl->name))dlsym(handle, #name);
    ACL_OPTIONAL(X)
    ACL_NEW(X)
#undef X
    return missing;
}

static bool try_library(struct acl_library *acl, const char *name, struct search *search)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        note(search, "%s: %s; ", name, load_error(name));
        return false;
    }
    const char *missing = resolve(acl, handle);
    if (missing) {
        /* It stays mapped: it may have started threads. */
        note(search, "%s: has no function %s, a newer CANN is needed; ", name, missing);
        return false;
    }
    (void)snprintf(acl->path, sizeof acl->path, "%s", name);
    return true;
}

/* The places below a home of CANN. Those that hold no such file are told together. */
static bool try_home(struct acl_library *acl, const char *home, struct search *search)
{
    bool any = false;
    for (const char *const *below = below_home; *below; below++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s/" LIBRARY_NAME, home, *below);
        if (length < 0 || (size_t)length >= sizeof path || access(path, F_OK) != 0)
            continue;
        any = true;
        if (try_library(acl, path, search))
            return true;
    }
    if (!any) {
        note(search, "%s: no " LIBRARY_NAME " in", home);
        for (const char *const *below = below_home; *below; below++)
            note(search, "%s %s", below == below_home ? "" : ",", *below);
        note(search, "; ");
    }
    return false;
}

static bool try_homes(struct acl_library *acl, struct search *search)
{
    for (const char *const *variable = acl_home_variables; *variable; variable++) {
        const char *home = getenv(*variable);
        if (!home || !*home) {
            note(search, "%s: not set; ", *variable);
            continue;
        }
        note(search, "%s=", *variable);
        if (try_home(acl, home, search))
            return true;
    }
    for (const char *const *home = acl_default_homes; *home; home++) {
        if (access(*home, F_OK) != 0)
            note(search, "%s: not there; ", *home);
        else if (try_home(acl, *home, search))
            return true;
    }
    return false;
}

/* One line for all that an older CANN lacks. */
static void warn_of_missing(const struct acl_library *acl, const struct aispipe_log *log)
{
    struct search missing = {.used = 0};
#define X(name, without) \
    if (!acl->name)      \
        note(&missing, "%s" #name " (" without ")", missing.used ? ", " : "");
    ACL_OPTIONAL(X)
#undef X
    if (missing.used)
        log_line(log, AISPIPE_LOG_WARNING, "%s is of an older CANN and lacks %s", acl->path, missing.text);
}

static int find(struct acl_library *acl, struct aispipe_error *error)
{
    struct search search = {.used = 0};
    const char *named = getenv("AISPIPE_ACL_LIB");
    if (named && *named) {
        if (try_library(acl, named, &search))
            return 0;
        return aispipe_fail(
            error, AISPIPE_DEVICE,
            "AscendCL cannot be loaded from AISPIPE_ACL_LIB: %sset it to the path of CANN's " LIBRARY_NAME
            ", or unset it to search the usual places",
            search.text);
    }
    if (try_library(acl, LIBRARY_NAME, &search) || try_homes(acl, &search))
        return 0;
    return aispipe_fail(error, AISPIPE_DEVICE,
                        "AscendCL's library was not found. Tried %ssource CANN's set_env.sh, or set "
                        "AISPIPE_ACL_LIB to the path of its " LIBRARY_NAME,
                        search.text);
}

int acl_library_open(struct acl_library *acl, const struct aispipe_log *log, struct aispipe_error *error)
{
    int rc = find(acl, error);
    if (!rc)
        warn_of_missing(acl, log);
    return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * aclInit and aclFinalize are for a whole process, once each, and aclrtResetDevice takes a device from
 * everybody in it. Two sessions in one process must therefore share them, whatever else they do not know of
 * each other: that is why this file has the only state of the library that belongs to the process. A mutex
 * guards it.
 *
 * There is no second aclInit after aclFinalize. Whether another session will come is known to the program
 * alone, so the last one that is closed does not finalise: acl_finish does, or the end of the process.
 */
#include "acl_internal.h"
#include "fork.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_once_t once;
    pthread_mutex_t mutex;
    bool inherited; /* the runtime was started by a parent that has forked */
    unsigned users;
    unsigned device_users[ACL_MAX_DEVICE + 1];
    bool started;           /* and not finalised yet */
    bool finalised;         /* by us */
    struct acl_library acl; /* to finalise with */
    bool ours; /* aclInit was called here; otherwise the program around us did, and finalises it itself */
    char acl_json[PATH_MAX]; /* what aclInit was given here; "": nothing */
} process = {.once = PTHREAD_ONCE_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER};

/* aclInit hears of the file once: who comes later gets what is there. */
static int check_same_file(const char *wanted, struct aispipe_error *error)
{
    if (!wanted || (process.ours && strcmp(wanted, process.acl_json) == 0))
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "acl.json '%s' cannot be used: the device runtime of this process was started with %s%s%s, and it "
        "reads such a file only then; use one file for all sessions",
        wanted, process.ours && *process.acl_json ? "'" : "",
        !process.ours       ? "whatever the program itself gave it"
        : *process.acl_json ? process.acl_json
                            : "none",
        process.ours && *process.acl_json ? "'" : "");
}

static bool blames_file(aclError code)
{
    return code == ACL_ERROR_INVALID_FILE || code == ACL_ERROR_PARSE_FILE ||
           code == ACL_ERROR_INVALID_DUMP_CONFIG || code == ACL_ERROR_INVALID_PROFILING_CONFIG;
}

static void remember(const struct acl_device *device, bool ours)
{
    process.acl = device->acl;
    process.started = true;
    process.ours = ours;
}

/* The runtime does not survive fork, nor can it be started a second time; and whoever held the mutex then is
 * not here to unlock it. */
static void note_in_child(void)
{
    pthread_mutex_init(&process.mutex, NULL);
    process.inherited |= process.started;
    process.started = false;
    process.users = 0;
}

static void watch(void)
{
    fork_watch(note_in_child);
}

static void finish_at_exit(void)
{
    struct aispipe_error ignored;
    (void)acl_finish(&ignored);
}

/*
 * For a program that does not say when it is done. Exit handlers run backwards, so this one is registered
 * only when a session has ended: libraries that the runtime has loaded for it must not have been taken down
 * before.
 */
static void expect_the_end(void)
{
    static bool registered;
    if (process.ours && !process.users && !registered)
        registered = atexit(finish_at_exit) == 0;
}

static int initialise(struct acl_device *device, struct aispipe_error *error)
{
    const char *file = device->acl_json ? device->acl_json : "";
    if (strlen(file) >= sizeof process.acl_json)
        return aispipe_fail(error, AISPIPE_INVALID, "the path of acl.json is longer than %d bytes",
                            PATH_MAX - 1);
    aclError code = device->acl.aclInit(file);
    if (code == ACL_ERROR_REPEAT_INITIALIZE && !process.finalised) {
        remember(device, false);
        return check_same_file(device->acl_json, error);
    }
    if (code == ACL_SUCCESS)
        remember(device, true);
    if (process.finalised && code == ACL_ERROR_REPEAT_INITIALIZE)
        return acl_check(
            device, code, error,
            "the runtime was finalised before (aispipe_finalize) and starts once in a process: aclInit");
    if (!*file)
        return acl_check(device, code, error, "aclInit");
    (void)memcpy(process.acl_json, file, strlen(file) + 1);
    int rc = acl_check(device, code, error, "aclInit with '%s'", file);
    return rc && blames_file(code) ? AISPIPE_INVALID : rc;
}

static int start(struct acl_device *device, struct aispipe_error *error)
{
    if (process.inherited)
        return aispipe_fail(
            error, AISPIPE_DEVICE,
            "the device runtime was started before fork and cannot be used in the child; start "
            "the process anew (spawn), or open the first session after fork");
    (void)pthread_once(&process.once, watch);
    return process.started ? check_same_file(device->acl_json, error) : initialise(device, error);
}

static int check_device_exists(struct acl_device *device, struct aispipe_error *error)
{
    uint32_t count = 0;
    int rc = acl_check(device, device->acl.aclrtGetDeviceCount(&count), error, "aclrtGetDeviceCount");
    if (rc)
        return rc;
    if (device->id >= 0 && (uint32_t)device->id < count && device->id <= ACL_MAX_DEVICE)
        return 0;
    if (!count)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "there is no Ascend device here; check the driver (npu-smi info)");
    return aispipe_fail(error, AISPIPE_INVALID,
                        "device %d does not exist: there are %u, numbered from 0; choose one with --device",
                        device->id, count);
}

static int set_device(struct acl_device *device, struct aispipe_error *error)
{
    int rc = check_device_exists(device, error);
    if (rc)
        return rc;
    if (!process.device_users[device->id])
        rc = acl_check(device, device->acl.aclrtSetDevice(device->id), error, "aclrtSetDevice(%d)",
                       device->id);
    if (!rc)
        process.device_users[device->id]++;
    return rc;
}

int acl_process_enter(struct acl_device *device, struct aispipe_error *error)
{
    pthread_mutex_lock(&process.mutex);
    int rc = start(device, error);
    if (!rc)
        rc = set_device(device, error);
    if (!rc)
        process.users++;
    expect_the_end();
    device->entered = rc == 0;
    pthread_mutex_unlock(&process.mutex);
    return rc;
}

int acl_process_count(struct acl_device *device, uint32_t *count, char processor[ACL_PROCESSOR],
                      struct aispipe_error *error)
{
    *count = 0;
    *processor = '\0';
    pthread_mutex_lock(&process.mutex);
    int rc = start(device, error);
    if (!rc) {
        rc = acl_check(device, device->acl.aclrtGetDeviceCount(count), error, "aclrtGetDeviceCount");
        const char *name = device->acl.aclrtGetSocName ? device->acl.aclrtGetSocName() : NULL;
        (void)snprintf(processor, ACL_PROCESSOR, "%s", name ? name : "");
    }
    expect_the_end();
    pthread_mutex_unlock(&process.mutex);
    return rc;
}

void acl_process_leave(struct acl_device *device)
{
    if (!device->entered)
        return;
    pthread_mutex_lock(&process.mutex);
    if (--process.device_users[device->id] == 0)
        acl_released(device, device->acl.aclrtResetDevice(device->id), "aclrtResetDevice");
    process.users--;
    expect_the_end();
    device->entered = false;
    pthread_mutex_unlock(&process.mutex);
}

static int finalise(struct aispipe_error *error)
{
    struct acl_device whole = {.acl = process.acl};
    aclError code = process.ours ? process.acl.aclFinalize() : ACL_SUCCESS;
    process.finalised = process.ours;
    process.started = process.ours = false;
    *process.acl_json = '\0';
    return acl_check(&whole, code, error, "aclFinalize");
}

int acl_finish(struct aispipe_error *error)
{
    int rc = 0;
    pthread_mutex_lock(&process.mutex);
    if (process.users)
        rc = aispipe_fail(error, AISPIPE_INVALID,
                          "the Ascend runtime cannot be finalised: %u sessions are open; close them first",
                          process.users);
    else if (process.started)
        rc = finalise(error);
    pthread_mutex_unlock(&process.mutex);
    return rc;
}

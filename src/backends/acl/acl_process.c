/* SPDX-License-Identifier: MIT */
/*
 * aclInit and aclFinalize are for a whole process, once each, and aclrtResetDevice takes a device from
 * everybody in it. Two sessions in one process must therefore share them, whatever else they do not know of
 * each other: that is why this file has the only state of the library that belongs to the process. A mutex
 * guards it.
 */
#include "acl_internal.h"

#include <pthread.h>
#include <stdio.h>

static struct {
    pthread_mutex_t mutex;
    unsigned users;
    unsigned device_users[ACL_MAX_DEVICE + 1];
    bool ours; /* aclInit was called here; otherwise the program around us did, and finalises it itself */
} process = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int initialise(struct acl_device *device, struct aispipe_error *error)
{
    aclError code = device->acl.aclInit("");
    if (code == ACL_ERROR_REPEAT_INITIALIZE) {
        process.ours = false;
        return 0;
    }
    process.ours = code == ACL_SUCCESS;
    return acl_check(device, code, error, "aclInit");
}

static void finalise(struct acl_device *device)
{
    if (process.ours)
        acl_released(device, device->acl.aclFinalize(), "aclFinalize");
    process.ours = false;
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
    int rc = process.users ? 0 : initialise(device, error);
    if (!rc) {
        rc = set_device(device, error);
        if (!rc)
            process.users++;
        else if (!process.users)
            finalise(device);
    }
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
    int rc = process.users ? 0 : initialise(device, error);
    if (!rc) {
        rc = acl_check(device, device->acl.aclrtGetDeviceCount(count), error, "aclrtGetDeviceCount");
        const char *name = device->acl.aclrtGetSocName ? device->acl.aclrtGetSocName() : NULL;
        (void)snprintf(processor, ACL_PROCESSOR, "%s", name ? name : "");
        if (!process.users)
            finalise(device);
    }
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
    if (--process.users == 0)
        finalise(device);
    device->entered = false;
    pthread_mutex_unlock(&process.mutex);
}

/* SPDX-License-Identifier: MIT */
/* The AscendCL backend: the device and the table of functions. acl_internal.h says where the rest is. */
#include "acl_internal.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- options */

static int read_options(struct acl_device *device, const struct aispipe_backend_config *config,
                        struct aispipe_error *error)
{
    if (config->engine_device && *config->engine_device)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "engine device '%s' means nothing to acl; choose an NPU with --device",
                            config->engine_device);
    device->share_weights = true;
    for (size_t i = 0; i < config->n_engine_options; i++) {
        const char *option = config->engine_options[i];
        if (strcmp(option, "SHARE_WEIGHTS=NO") == 0)
            device->share_weights = false;
        else if (strcmp(option, "SHARE_WEIGHTS=YES") == 0)
            device->share_weights = true;
        else
            return aispipe_fail(error, AISPIPE_INVALID,
                                "engine option '%s' is not one of acl's: SHARE_WEIGHTS=YES, SHARE_WEIGHTS=NO",
                                option);
    }
    return 0;
}

/* ---------------------------------------------------------------- the device */

/* How the runtime below AscendCL says ACL_ERROR_API_NOT_SUPPORT. */
#define RUNTIME_NOT_SUPPORTED 207000

/* Inference saturates where float16 overflows, as results are expected to; not every processor can choose. */
static int set_saturation(struct acl_device *device, struct aispipe_error *error)
{
    if (!device->acl.aclrtSetDeviceSatMode)
        return 0;
    aclError code = device->acl.aclrtSetDeviceSatMode(ACL_RT_OVERFLOW_MODE_SATURATION);
    if (code == ACL_ERROR_API_NOT_SUPPORT || code == RUNTIME_NOT_SUPPORTED) {
        log_line(&device->log, AISPIPE_LOG_DEBUG, "device %d: has no choice of overflow mode", device->id);
        return 0;
    }
    return acl_check(device, code, error, "aclrtSetDeviceSatMode");
}

static int create_contexts(struct acl_device *device, struct aispipe_error *error)
{
    device->contexts = calloc(device->lanes, sizeof *device->contexts);
    if (!device->contexts)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the contexts of a device");
    int rc = 0;
    while (!rc && device->n_contexts < device->lanes) {
        rc = acl_check(device,
                       device->acl.aclrtCreateContext(&device->contexts[device->n_contexts], device->id),
                       error, "aclrtCreateContext on device %d", device->id);
        if (!rc)
            device->n_contexts++;
    }
    return rc;
}

static void destroy_contexts(struct acl_device *device)
{
    for (unsigned i = device->n_contexts; i-- > 0;)
        acl_released(device, device->acl.aclrtDestroyContext(device->contexts[i]), "aclrtDestroyContext");
    free(device->contexts);
}

static void log_versions(const struct acl_device *device)
{
    const struct acl_library *acl = &device->acl;
    int32_t major = 0;
    int32_t minor = 0;
    int32_t patch = 0;
    if (!device->log.debug)
        return;
    bool known = acl->aclrtGetVersion && acl->aclrtGetVersion(&major, &minor, &patch) == ACL_SUCCESS;
    const char *processor = acl->aclrtGetSocName ? acl->aclrtGetSocName() : NULL;
    log_line(&device->log, AISPIPE_LOG_DEBUG, "AscendCL library %s, device %d, processor %s", acl->path,
             device->id, processor ? processor : "unknown");
    if (known)
        log_line(&device->log, AISPIPE_LOG_DEBUG, "AscendCL version %d.%d.%d", major, minor, patch);
}

static void acl_close(void *opened)
{
    struct acl_device *device = opened;
    acl_unwatch_exceptions(device);
    destroy_contexts(device);
    acl_process_leave(device);
    free(device->aipp_path);
    free(device);
}

static int acl_open(const struct aispipe_backend_config *config, void **result, struct aispipe_error *error)
{
    *result = NULL;
    struct acl_device *device = calloc(1, sizeof *device);
    if (!device)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a device");
    device->log = config->log;
    device->id = config->device_id;
    device->acl_json = config->acl_json;
    device->aipp_later = config->aipp_later;
    device->lanes = config->compute_threads ? config->compute_threads : 1;
    int rc = read_options(device, config, error);
    if (!rc)
        rc = acl_aipp_read(device, config->aipp_config, error);
    if (!rc)
        rc = acl_library_open(&device->acl, &device->log, error);
    if (!rc)
        rc = acl_process_enter(device, error);
    if (!rc)
        rc = set_saturation(device, error);
    if (!rc)
        rc = create_contexts(device, error);
    if (!rc && !config->memory_only)
        rc = acl_watch_exceptions(device, error);
    if (rc) {
        acl_close(device);
        return rc;
    }
    device->acl_json = NULL; /* the caller's */
    log_versions(device);
    *result = device;
    return 0;
}

/* Not told by older releases, and not where devices are joined by another bus than PCI. */
static bool acl_pci_address(void *opened, char *address, size_t capacity)
{
    const struct acl_device *device = opened;
    if (!device->acl.aclrtDeviceGetPCIBusId || capacity > INT32_MAX)
        return false;
    *address = '\0';
    aclError code = device->acl.aclrtDeviceGetPCIBusId(device->id, address, (int32_t)capacity);
    return code == ACL_SUCCESS && memchr(address, '\0', capacity) && *address;
}

static int acl_list(void (*found)(void *context, const struct aispipe_found_device *device), void *context,
                    struct aispipe_error *error)
{
    struct acl_device *device = calloc(1, sizeof *device);
    if (!device)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to look for devices");
    uint32_t count = 0;
    char processor[ACL_PROCESSOR] = "";
    int rc = acl_library_open(&device->acl, &device->log, error);
    if (!rc)
        rc = acl_process_count(device, &count, processor, error);
    for (uint32_t i = 0; !rc && i < count && i <= ACL_MAX_DEVICE; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%" PRIu32, i);
        found(context, &(struct aispipe_found_device){.name = name, .full_name = processor});
    }
    free(device);
    return rc;
}

static const struct aispipe_model_desc *acl_describe(const void *model)
{
    return &((const struct acl_model *)model)->desc;
}

/* ---------------------------------------------------------------- the table */

static const char *const suffixes[] = {".om", NULL};

extern const struct aispipe_backend backend_acl;
const struct aispipe_backend backend_acl = {
    .name = "acl",
    .description = "Ascend NPUs, by CANN's AscendCL",
    .model_suffixes = suffixes,
    .caps = AISPIPE_CAP_AIPP | AISPIPE_CAP_ACL_JSON,
    .list = acl_list,
    .open = acl_open,
    .close = acl_close,
    .pci_address = acl_pci_address,
    .load = acl_load,
    .unload = acl_unload,
    .finish = acl_finish,
    .describe = acl_describe,
    .set_shape = acl_set_shape,
    .check_ready = acl_check_ready,
    .check_shape = acl_check_shape,
    .io_bytes = acl_io_bytes,
    .host_alloc = acl_host_alloc,
    .host_free = acl_host_free,
    .io_create = acl_io_create,
    .io_destroy = acl_io_destroy,
    .io_bind = acl_io_bind,
    .memory_alloc = acl_memory_alloc,
    .memory_free = acl_memory_free,
    .memory_copy = acl_memory_copy,
    .model_info = acl_model_info,
    .tensor_info = acl_tensor_info,
    .set_aipp = acl_set_aipp,
    .lane_create = acl_lane_create,
    .lane_destroy = acl_lane_destroy,
    .h2d = acl_h2d,
    .compute = acl_compute,
    .d2h = acl_d2h,
};

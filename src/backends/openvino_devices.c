/* SPDX-License-Identifier: MIT */
#include "openvino_internal.h"

static int list_devices(const struct openvino_library *ov, const ov_core_t *core,
                        void (*found)(void *context, const struct aispipe_found_device *device),
                        void *context, struct aispipe_error *error)
{
    ov_available_devices_t devices = {0};
    char reason[OPENVINO_REASON];
    ov_status_e status = ov->core_get_available_devices(core, &devices);
    if (status != OK)
        return aispipe_fail(error, AISPIPE_DEVICE, "OpenVINO cannot list its devices: %s",
                            openvino_reason(ov, status, reason));
    for (size_t i = 0; i < devices.size; i++) {
        char *full_name = NULL;
        if (ov->core_get_property(core, devices.devices[i], "FULL_DEVICE_NAME", &full_name) != OK)
            full_name = NULL;
        const struct aispipe_found_device device = {.name = devices.devices[i],
                                                    .full_name = full_name ? full_name : ""};
        found(context, &device);
        if (full_name)
            ov->free(full_name);
    }
    ov->available_devices_free(&devices);
    return 0;
}

int openvino_list(void (*found)(void *context, const struct aispipe_found_device *device), void *context,
                  struct aispipe_error *error)
{
    struct openvino_library ov;
    ov_core_t *core = NULL;
    char reason[OPENVINO_REASON];
    int rc = openvino_library_open(&ov, error);
    if (rc)
        return rc;
    ov_status_e status = ov.core_create(&core);
    if (status != OK)
        return aispipe_fail(error, AISPIPE_DEVICE, "OpenVINO does not start: %s",
                            openvino_reason(&ov, status, reason));
    rc = list_devices(&ov, core, found, context, error);
    ov.core_free(core);
    return rc;
}

/* SPDX-License-Identifier: MIT */
/* Memory of tensors, which no model and no session has a part in: it lives in the device's first context. */
#include "acl_internal.h"

int acl_memory_alloc(void *opened, size_t bytes, void **memory, struct aispipe_error *error)
{
    struct acl_device *device = opened;
    int rc = acl_enter(device, 0, error);
    *memory = NULL;
    if (!rc)
        rc = acl_check(device, device->acl.aclrtMalloc(memory, bytes ? bytes : 1, ACL_MEM_MALLOC_HUGE_FIRST),
                       error, "aclrtMalloc of %zu bytes for a tensor", bytes);
    return rc;
}

void acl_memory_free(void *opened, void *memory)
{
    struct acl_device *device = opened;
    if (acl_return_to(device, 0))
        acl_released(device, device->acl.aclrtFree(memory), "aclrtFree");
}

int acl_memory_copy(void *opened, void *to, const void *from, size_t bytes, enum aispipe_transfer direction,
                    struct aispipe_error *error)
{
    struct acl_device *device = opened;
    if (!device->acl.aclrtMemcpy)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "%s has no aclrtMemcpy, without which no tensor can be "
                            "moved; update CANN",
                            device->acl.path);
    int rc = acl_enter(device, 0, error);
    if (rc)
        return rc;
    bool up = direction == AISPIPE_H2D;
    return acl_check(device,
                     device->acl.aclrtMemcpy(to, bytes, from, bytes,
                                             up ? ACL_MEMCPY_HOST_TO_DEVICE : ACL_MEMCPY_DEVICE_TO_HOST),
                     error, "aclrtMemcpy of %zu bytes %s the device for a tensor", bytes, up ? "to" : "from");
}

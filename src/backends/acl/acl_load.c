/* SPDX-License-Identifier: MIT */
/*
 * The copies of a model, one in each compute lane's context. Where there are several they may have their
 * weights in common: every copy writes the same constants into them while it is loaded, and only reads them
 * afterwards.
 */
#include "acl_internal.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

int acl_enter(struct acl_device *device, unsigned lane, struct aispipe_error *error)
{
    return acl_check(device, device->acl.aclrtSetCurrentContext(device->contexts[lane]), error,
                     "aclrtSetCurrentContext");
}

bool acl_return_to(struct acl_device *device, unsigned lane)
{
    aclError code = device->acl.aclrtSetCurrentContext(device->contexts[lane]);
    acl_released(device, code, "aclrtSetCurrentContext");
    /* What is to be released can only be released there, so once more. */
    return code == ACL_SUCCESS || device->acl.aclrtSetCurrentContext(device->contexts[lane]) == ACL_SUCCESS;
}

static int allocate(struct acl_device *device, size_t bytes, void **memory, struct aispipe_error *error)
{
    *memory = NULL;
    return acl_check(device, device->acl.aclrtMalloc(memory, bytes ? bytes : 1, ACL_MEM_MALLOC_HUGE_FIRST),
                     error, "aclrtMalloc of %zu bytes for the model", bytes);
}

/* What a copy needs, when weights are to be shared. */
struct sizes {
    bool shared;
    size_t work;
    size_t weights;
};

static int query_sizes(struct acl_model *model, const char *path, struct sizes *sizes,
                       struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    if (device->n_contexts < 2 || !device->share_weights || !acl->aclmdlQuerySize ||
        !acl->aclmdlLoadFromFileWithMem)
        return 0;
    int rc = acl_check(device, acl->aclmdlQuerySize(path, &sizes->work, &sizes->weights), error,
                       "model '%s': aclmdlQuerySize", path);
    if (rc || !sizes->weights)
        return rc;
    sizes->shared = true;
    return allocate(device, sizes->weights, &model->weights, error);
}

static int load_copy(struct acl_model *model, const char *path, const struct sizes *sizes,
                     struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    struct acl_copy *copy = &model->copies[model->n_copies];
    int rc = acl_enter(device, model->n_copies, error);
    if (rc)
        return rc;
    if (!sizes->shared) {
        rc = acl_check(device, device->acl.aclmdlLoadFromFile(path, &copy->id), error,
                       "model '%s': aclmdlLoadFromFile", path);
    } else {
        rc = allocate(device, sizes->work, &copy->work, error);
        if (!rc)
            rc = acl_check(device,
                           device->acl.aclmdlLoadFromFileWithMem(path, &copy->id, copy->work, sizes->work,
                                                                 model->weights, sizes->weights),
                           error, "model '%s': aclmdlLoadFromFileWithMem", path);
        if (rc && copy->work) {
            acl_released(device, device->acl.aclrtFree(copy->work), "aclrtFree");
            copy->work = NULL;
        }
    }
    if (!rc)
        model->n_copies++;
    return rc;
}

static int load_copies(struct acl_model *model, const char *path, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    struct sizes sizes = {.shared = false};
    model->copies = calloc(device->n_contexts, sizeof *model->copies);
    if (!model->copies)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a model");
    int rc = acl_enter(device, 0, error);
    if (!rc)
        rc = query_sizes(model, path, &sizes, error);
    for (unsigned i = 0; !rc && i < device->n_contexts; i++)
        rc = load_copy(model, path, &sizes, error);
    if (!rc)
        rc = acl_enter(device, 0, error);
    if (!rc)
        log_line(&device->log, AISPIPE_LOG_DEBUG, "device %d: %u cop%s of the model%s", device->id,
                 model->n_copies, model->n_copies == 1 ? "y" : "ies",
                 sizes.shared ? ", with their weights in common" : "");
    return rc;
}

int acl_load(void *opened, const char *path, void **result, struct aispipe_error *error)
{
    *result = NULL;
    struct acl_model *model = calloc(1, sizeof *model);
    if (!model)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a model");
    model->device = opened;
    model->path = strdup(path);
    int rc = model->path ? load_copies(model, path, error)
                         : aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a model");
    if (!rc)
        rc = acl_describe_model(model, error);
    if (!rc)
        rc = acl_aipp_create(model, error);
    if (rc) {
        acl_unload(model);
        return rc;
    }
    *result = model;
    return 0;
}

static void unload_copies(struct acl_model *model)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    for (unsigned i = 0; i < model->n_copies; i++) {
        if (acl_return_to(device, i))
            acl_released(device, acl->aclmdlUnload(model->copies[i].id), "aclmdlUnload");
    }
}

/* Memory is given back only when no copy can use it any more. */
static void free_memory(struct acl_model *model)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    for (unsigned i = 0; i < model->n_copies; i++)
        if (model->copies[i].work)
            acl_released(device, acl->aclrtFree(model->copies[i].work), "aclrtFree");
    if (model->weights)
        acl_released(device, acl->aclrtFree(model->weights), "aclrtFree");
}

void acl_unload(void *loaded)
{
    struct acl_model *model = loaded;
    acl_aipp_destroy(model);
    unload_copies(model);
    acl_forget_description(model);
    free_memory(model);
    free(model->copies);
    free(model->path);
    free(model);
}

/* SPDX-License-Identifier: MIT */
/* Models whose shape is chosen at run time: which shapes there are to choose from. */
#include "acl_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AscendCL's "the model as a whole" where a call asks for an input. */
#define WHOLE_MODEL ((size_t)-1)

/* A list for people that ends in "…" rather than being cut. */
struct list {
    char text[900];
    size_t used;
    bool full;
};

AISPIPE_PRINTF(2, 3) static void add(struct list *list, const char *format, ...)
{
    size_t room = sizeof list->text - sizeof " ..." - list->used;
    if (list->full)
        return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(list->text + list->used, room, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < room) {
        list->used += (size_t)length;
        return;
    }
    list->full = true;
    memcpy(list->text + list->used, " ...", sizeof " ...");
}

static int refuse_batch(const char *path, const aclmdlBatch *gears, struct aispipe_error *error)
{
    struct list list = {.used = 0};
    for (size_t i = 0; i < gears->batchCount && i < ACL_MAX_BATCH_NUM; i++)
        add(&list, "%s%" PRIu64, i ? ", " : "", gears->batch[i]);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "model '%s' was made for several batch sizes (%s): choose one with --dymBatch", path,
                        list.text);
}

static int refuse_hw(const char *path, const aclmdlHW *gears, struct aispipe_error *error)
{
    struct list list = {.used = 0};
    for (size_t i = 0; i < gears->hwCount && i < ACL_MAX_HW_NUM; i++)
        add(&list, "%s%" PRIu64 ",%" PRIu64, i ? "; " : "", gears->hw[i][0], gears->hw[i][1]);
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "model '%s' was made for several image sizes (height,width: %s): choose one with --dymHW", path,
        list.text);
}

/* Name and dimensions of an input that is shown; `*name` is NULL for a hidden one. */
static int ask_input(struct acl_model *model, size_t i, const char **name, aclmdlIODims *dims,
                     struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const char *told = device->acl.aclmdlGetInputNameByIndex(model->handle, i);
    int rc = acl_expect(device, told && *told, error, "aclmdlGetInputNameByIndex(%zu) gave no name", i);
    *name = NULL;
    if (rc || strcmp(told, ACL_DYNAMIC_TENSOR_NAME) == 0 || strcmp(told, ACL_DYNAMIC_AIPP_NAME) == 0)
        return rc;
    *name = told;
    return acl_check(device, device->acl.aclmdlGetInputDims(model->handle, i, dims), error,
                     "aclmdlGetInputDims of input %zu", i);
}

/* A gear is the dimensions of all inputs in a row: written as they are given, "in1:1,600;in2:1,600". */
static int add_gear(struct acl_model *model, const aclmdlIODims *gear, struct list *list,
                    struct aispipe_error *error)
{
    size_t at = 0;
    int rc = 0;
    bool first = true;
    for (size_t i = 0; !rc && i < model->n_inputs; i++) {
        const char *name;
        aclmdlIODims own;
        rc = ask_input(model, i, &name, &own, error);
        if (rc || !name)
            continue;
        add(list, "%s%s:", first ? "" : ";", name);
        first = false;
        for (size_t k = 0; k < own.dimCount && at < gear->dimCount && at < ACL_MAX_DIM_CNT; k++, at++)
            add(list, "%s%" PRId64, k ? "," : "", gear->dims[at]);
    }
    return rc;
}

static int refuse_dims(struct acl_model *model, const char *path, size_t count, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    struct list list = {.used = 0};
    aclmdlIODims *gears = calloc(count, sizeof *gears);
    if (!gears)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of a model");
    int rc =
        acl_check(device, device->acl.aclmdlGetInputDynamicDims(model->handle, WHOLE_MODEL, gears, count),
                  error, "aclmdlGetInputDynamicDims");
    for (size_t i = 0; !rc && i < count && !list.full; i++) {
        add(&list, "%s'", i ? " " : "");
        rc = add_gear(model, &gears[i], &list, error);
        add(&list, "'");
    }
    free(gears);
    if (rc)
        return rc;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "model '%s' was made for several dimensions (%s): choose one with --dymDims", path,
                        list.text);
}

/* Dimensions that no gear stands for: any shape is possible. */
static int check_open_dims(struct acl_model *model, const char *path, struct aispipe_error *error)
{
    struct list list = {.used = 0};
    bool open = false;
    int rc = 0;
    for (size_t i = 0; !rc && i < model->n_inputs; i++) {
        const char *name;
        aclmdlIODims dims;
        rc = ask_input(model, i, &name, &dims, error);
        if (rc || !name)
            continue;
        add(&list, "%s%s:", list.used ? ";" : "", name);
        for (size_t k = 0; k < dims.dimCount && k < ACL_MAX_DIM_CNT; k++) {
            open |= dims.dims[k] < 0;
            add(&list, "%s%" PRId64, k ? "," : "", dims.dims[k]);
        }
    }
    if (rc || !open)
        return rc;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "model '%s' leaves dimensions open ('%s', -1: any): give all of them with --dymShape",
                        path, list.text);
}

static int check_aipp(struct acl_model *model, const char *path, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    for (size_t i = 0; i < model->n_inputs; i++) {
        const char *name = device->acl.aclmdlGetInputNameByIndex(model->handle, i);
        int rc = acl_expect(device, name && *name, error, "aclmdlGetInputNameByIndex(%zu) gave no name", i);
        if (rc)
            return rc;
        if (strcmp(name, ACL_DYNAMIC_AIPP_NAME) == 0)
            return aispipe_fail(error, AISPIPE_INVALID,
                                "model '%s' has dynamic AIPP: say how its images are to be converted with "
                                "--aipp_config",
                                path);
    }
    return 0;
}

int acl_check_shape_is_known(struct acl_model *model, const char *path, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    aclmdlBatch batch = {0};
    aclmdlHW hw = {0};
    size_t gears = 0;
    int rc =
        acl_check(device, acl->aclmdlGetDynamicBatch(model->handle, &batch), error, "aclmdlGetDynamicBatch");
    if (!rc && batch.batchCount)
        return refuse_batch(path, &batch, error);
    if (!rc)
        rc = acl_check(device, acl->aclmdlGetDynamicHW(model->handle, WHOLE_MODEL, &hw), error,
                       "aclmdlGetDynamicHW");
    if (!rc && hw.hwCount)
        return refuse_hw(path, &hw, error);
    if (!rc)
        rc = acl_check(device, acl->aclmdlGetInputDynamicGearCount(model->handle, WHOLE_MODEL, &gears), error,
                       "aclmdlGetInputDynamicGearCount");
    if (!rc && gears)
        return refuse_dims(model, path, gears, error);
    if (!rc)
        rc = check_open_dims(model, path, error);
    return rc ? rc : check_aipp(model, path, error);
}

/* SPDX-License-Identifier: MIT */
/* Gears: the shapes that a model was made for, of which one is chosen for a run; and how to say which. */
#include "acl_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AscendCL's "the model as a whole" where a call asks for an input. */
#define WHOLE_MODEL ((size_t)-1)

int acl_read_gears(struct acl_model *model, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    int rc = acl_check(device, acl->aclmdlGetDynamicBatch(model->handle, &model->batch), error,
                       "aclmdlGetDynamicBatch");
    if (!rc)
        rc = acl_check(device, acl->aclmdlGetDynamicHW(model->handle, WHOLE_MODEL, &model->hw), error,
                       "aclmdlGetDynamicHW");
    if (!rc)
        rc =
            acl_check(device, acl->aclmdlGetInputDynamicGearCount(model->handle, WHOLE_MODEL, &model->n_dims),
                      error, "aclmdlGetInputDynamicGearCount");
    if (!rc)
        rc = acl_expect(device,
                        model->batch.batchCount <= ACL_MAX_BATCH_NUM && model->hw.hwCount <= ACL_MAX_HW_NUM,
                        error, "the runtime reports more gears than there can be");
    if (rc || !model->n_dims)
        return rc;
    model->dims = calloc(model->n_dims, sizeof *model->dims);
    if (!model->dims)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of a model");
    return acl_check(device,
                     acl->aclmdlGetInputDynamicDims(model->handle, WHOLE_MODEL, model->dims, model->n_dims),
                     error, "aclmdlGetInputDynamicDims");
}

/* ---------------------------------------------------------------- words */

/* A list for people that ends in "..." rather than being cut. */
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

/* "in1:1,600;in2:1,600", with the dimensions from `dims` in a row; NULL: the model's own. */
static void add_inputs(struct list *list, const struct acl_model *model, const aclmdlIODims *dims)
{
    size_t at = 0;
    for (size_t i = 0; i < model->desc.n_inputs; i++) {
        const struct aispipe_tensor_desc *input = &model->declared[i];
        add(list, "%s%s:", i ? ";" : "", input->name);
        for (int k = 0; k < input->rank && at < ACL_MAX_DIM_CNT; k++, at++)
            add(list, "%s%" PRIi64, k ? "," : "", dims ? dims->dims[at] : input->dims[k]);
    }
}

enum aispipe_shape_mode acl_shape_mode(const struct acl_model *model)
{
    if (model->batch.batchCount)
        return AISPIPE_SHAPE_BATCH;
    if (model->hw.hwCount)
        return AISPIPE_SHAPE_HW;
    if (model->n_dims)
        return AISPIPE_SHAPE_DIMS;
    for (size_t i = 0; i < model->desc.n_inputs; i++)
        for (int k = 0; k < model->declared[i].rank; k++)
            if (model->declared[i].dims[k] < 0)
                return AISPIPE_SHAPE_SHAPE;
    return AISPIPE_SHAPE_STATIC;
}

int acl_refuse_shape(const struct acl_model *model, const char *given, struct aispipe_error *error)
{
    struct list list = {.used = 0};
    switch (acl_shape_mode(model)) {
    case AISPIPE_SHAPE_BATCH:
        for (size_t i = 0; i < model->batch.batchCount; i++)
            add(&list, "%s%" PRIu64, i ? ", " : "", model->batch.batch[i]);
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%smodel '%s' was made for several batch sizes (%s): choose one with --dymBatch",
                            given, model->path, list.text);
    case AISPIPE_SHAPE_HW:
        for (size_t i = 0; i < model->hw.hwCount; i++)
            add(&list, "%s%" PRIu64 ",%" PRIu64, i ? "; " : "", model->hw.hw[i][0], model->hw.hw[i][1]);
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%smodel '%s' was made for several image sizes (height,width: %s): choose one "
                            "with --dymHW",
                            given, model->path, list.text);
    case AISPIPE_SHAPE_DIMS:
        for (size_t i = 0; i < model->n_dims; i++) {
            add(&list, "%s'", i ? " " : "");
            add_inputs(&list, model, &model->dims[i]);
            add(&list, "'");
        }
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%smodel '%s' was made for several dimensions (%s): choose one with --dymDims",
                            given, model->path, list.text);
    case AISPIPE_SHAPE_SHAPE:
        add_inputs(&list, model, NULL);
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%smodel '%s' leaves dimensions open ('%s', -1: any): give all of them with "
                            "--dymShape",
                            given, model->path, list.text);
    case AISPIPE_SHAPE_STATIC:
        break;
    }
    add_inputs(&list, model, NULL);
    return aispipe_fail(error, AISPIPE_INVALID,
                        "%smodel '%s' has one shape only ('%s'): leave the option out", given, model->path,
                        list.text);
}

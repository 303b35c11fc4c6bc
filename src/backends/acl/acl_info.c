/* SPDX-License-Identifier: MIT */
/* What a model is like before a shape is chosen. */
#include "acl_internal.h"

#include <string.h>

void acl_model_info(const void *loaded, struct aispipe_model_info *info)
{
    const struct acl_model *model = loaded;
    *info = (struct aispipe_model_info){
        .mode = acl_shape_mode(model), .n_aipp_inputs = model->n_aipp, .aipp_set = model->aipp != NULL};
    info->n_gears = model->batch.batchCount + model->hw.hwCount + model->n_dims;
    for (size_t i = 0; i < model->batch.batchCount; i++)
        if (model->batch.batch[i] > info->largest_batch)
            info->largest_batch = model->batch.batch[i];
}

void acl_tensor_info(const void *loaded, bool output, size_t index, struct aispipe_tensor_info *info)
{
    const struct acl_model *model = loaded;
    const struct acl_library *acl = &model->device->acl;
    size_t port = output ? model->n_inputs + index : 0;
    while (!output && model->ports[port].shown != (int)index)
        port++;
    const struct aispipe_tensor_desc *tensor = &model->declared[output ? model->n_inputs + index : index];
    /* Static AIPP and settings of dynamic AIPP change what is fed: its type and sizes are those described. */
    bool images = !output && model->aipp && port == model->aipp_images;
    *info = (struct aispipe_tensor_info){
        .name = tensor->name,
        .dtype = images ? model->desc.inputs[index].dtype : tensor->dtype,
        .format =
            (int)(output ? (acl->aclmdlGetOutputFormat ? acl->aclmdlGetOutputFormat(model->handle, index)
                                                       : ACL_FORMAT_ND)
                         : acl->aclmdlGetInputFormat(model->handle, port)),
        .rank = tensor->rank,
        .size = model->ports[port].reported};
    memcpy(info->dims, tensor->dims, sizeof info->dims);
}

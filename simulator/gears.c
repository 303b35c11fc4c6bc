/* SPDX-License-Identifier: MIT */
/* Choosing a gear for the next execution of a dataset. */
#include "model.h"

#include <string.h>

/** Writes the gear where a device would read it: into the buffer of the hidden input. */
static int write_gear(struct asim_model *model, const struct asim_dataset *dataset, size_t gear)
{
    struct asim_piece piece = {.write = true};
    const struct asim_port *port = &model->inputs[model->gear_input];
    const struct asim_buffer *buffer = asim_object_get(SIM_BUFFER, dataset->buffers[model->gear_input]);
    if (!buffer)
        return ACL_ERROR_INVALID_PARAM;
    if (buffer->size != port->size)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "the buffer of '%s' has %zu bytes, wanted: %zu",
                           port->name, buffer->size, port->size);
    int code = asim_device_piece(buffer->data, buffer->size, model->device, port->name, &piece);
    if (!code)
        memcpy(piece.data, model->om->gears + gear * model->om->gear_length, piece.size);
    return code;
}

static int set_gear(uint32_t id, aclmdlDataset *dataset, size_t index, enum om_mode mode,
                    const int64_t *values, size_t n)
{
    struct asim_model *model = asim_model_get(id);
    struct asim_dataset *d = model ? asim_object_get(SIM_DATASET, dataset) : NULL;
    if (!d)
        return model ? ACL_ERROR_INVALID_PARAM : ACL_ERROR_INVALID_MODEL_ID;
    if (model->om->mode != mode)
        return asim_misuse(ACL_ERROR_MODEL_NOT_DYNAMIC, "the model was made for mode '%s'",
                           om_mode_name(model->om->mode));
    if ((int)index != model->gear_input || index >= d->n)
        return asim_misuse(ACL_ERROR_INVALID_PARAM,
                           "index %zu: '%s' is input %d, the dataset has %zu buffers", index,
                           ACL_DYNAMIC_TENSOR_NAME, model->gear_input, d->n);
    if (d->in_use)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "an execution of this dataset is not done");
    size_t gear = 0;
    while (
        gear < model->om->n_gears &&
        (n != model->om->gear_length || memcmp(model->om->gears + gear * n, values, n * sizeof *values) != 0))
        gear++;
    if (gear == model->om->n_gears)
        return asim_refuse(ACL_ERROR_INVALID_PARAM,
                           "the model has no such gear (%zu numbers, the first %lld)", n,
                           n ? (long long)values[0] : 0);
    int code = write_gear(model, d, gear);
    if (code)
        return code;
    d->gear_set = true;
    d->gear_model = id;
    d->gear = gear;
    model->gear = (ptrdiff_t)gear;
    return 0;
}

aclError aclmdlSetDynamicBatchSize(uint32_t modelId, aclmdlDataset *dataset, size_t index, uint64_t batchSize)
{
    int code = asim_enter(CALL_aclmdlSetDynamicBatchSize, SIM_INIT);
    return code ? code
                : asim_leave(set_gear(modelId, dataset, index, OM_DYNAMIC_BATCH,
                                      (int64_t[]){(int64_t)batchSize}, 1));
}

aclError aclmdlSetDynamicHWSize(uint32_t modelId, aclmdlDataset *dataset, size_t index, uint64_t height,
                                uint64_t width)
{
    int code = asim_enter(CALL_aclmdlSetDynamicHWSize, SIM_INIT);
    return code ? code
                : asim_leave(set_gear(modelId, dataset, index, OM_DYNAMIC_IMAGE_SIZE,
                                      (int64_t[]){(int64_t)height, (int64_t)width}, 2));
}

aclError aclmdlSetInputDynamicDims(uint32_t modelId, aclmdlDataset *dataset, size_t index,
                                   const aclmdlIODims *dims)
{
    int code = asim_enter(CALL_aclmdlSetInputDynamicDims, SIM_INIT);
    if (code)
        return code;
    if (!dims || dims->dimCount > ACL_MAX_DIM_CNT)
        return asim_leave(
            asim_misuse(ACL_ERROR_INVALID_PARAM, "the dims are NULL, or more than %d", ACL_MAX_DIM_CNT));
    return asim_leave(set_gear(modelId, dataset, index, OM_DYNAMIC_DIMS, dims->dims, dims->dimCount));
}

/* SPDX-License-Identifier: MIT */
/* Dynamic AIPP: settings that a program fills and hands over with a dataset. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

void asim_aipp_free(struct asim_aipp *aipp)
{
    free(aipp);
}

aclmdlAIPP *aclmdlCreateAIPP(uint64_t batchSize)
{
    if (asim_enter(CALL_aclmdlCreateAIPP, SIM_INIT))
        return NULL;
    if (batchSize == 0 || batchSize > AIPP_BATCH_MOST) {
        (void)asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "batch %llu", (unsigned long long)batchSize));
        return NULL;
    }
    struct asim_aipp *aipp = calloc(1, sizeof *aipp + batchSize * sizeof *aipp->images);
    void *handle = aipp ? asim_object_add(SIM_AIPP, aipp) : NULL;
    if (!handle) {
        free(aipp);
        (void)asim_leave(asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for AIPP settings"));
        return NULL;
    }
    aipp->handle = handle;
    aipp->batch = batchSize;
    for (uint64_t i = 0; i < batchSize; i++)
        aipp_defaults(&aipp->source, &aipp->images[i]);
    aipp->source.width = aipp->source.height = 0;
    (void)asim_leave(0);
    return handle;
}

aclError aclmdlDestroyAIPP(const aclmdlAIPP *aipp)
{
    int code = asim_enter(CALL_aclmdlDestroyAIPP, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    if (!settings)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    asim_object_remove(aipp);
    asim_aipp_free(settings);
    return asim_leave(0);
}

/** One image's settings; NULL with the misuse reported. */
static struct aipp_image *image_of(aclmdlAIPP *aipp, uint64_t index)
{
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    if (settings && index >= settings->batch)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "batch index %llu of %llu", (unsigned long long)index,
                          (unsigned long long)settings->batch);
    return settings && index < settings->batch ? &settings->images[index] : NULL;
}

/** A switch is 0 or 1. */
static int check_switch(int8_t value)
{
    return value == 0 || value == 1
               ? 0
               : asim_misuse(ACL_ERROR_INVALID_PARAM, "switch %d: 0 or 1 is wanted", value);
}

aclError aclmdlSetAIPPInputFormat(aclmdlAIPP *aipp, aclAippInputFormat inputFormat)
{
    int code = asim_enter(CALL_aclmdlSetAIPPInputFormat, SIM_INIT);
    if (code)
        return code;
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    if (!settings)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (inputFormat < ACL_YUV420SP_U8 || inputFormat > ACL_YUV400_U8)
        return asim_leave(
            asim_refuse(ACL_ERROR_API_NOT_SUPPORT, "format %d; 1 to 4 are simulated", (int)inputFormat));
    settings->source.format = (enum aipp_format)inputFormat;
    settings->format_set = true;
    return asim_leave(0);
}

aclError aclmdlSetAIPPCscParams(aclmdlAIPP *aipp, int8_t cscSwitch, int16_t r0c0, int16_t r0c1, int16_t r0c2,
                                int16_t r1c0, int16_t r1c1, int16_t r1c2, int16_t r2c0, int16_t r2c1,
                                int16_t r2c2, uint8_t outputBias0, uint8_t outputBias1, uint8_t outputBias2,
                                uint8_t inputBias0, uint8_t inputBias1, uint8_t inputBias2)
{
    int code = asim_enter(CALL_aclmdlSetAIPPCscParams, SIM_INIT);
    if (code)
        return code;
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    code = settings ? check_switch(cscSwitch) : ACL_ERROR_INVALID_PARAM;
    if (code)
        return asim_leave(code);
    settings->source.csc = cscSwitch;
    memcpy(settings->source.matrix,
           (int16_t[3][3]){{r0c0, r0c1, r0c2}, {r1c0, r1c1, r1c2}, {r2c0, r2c1, r2c2}},
           sizeof settings->source.matrix);
    memcpy(settings->source.output_bias, (uint8_t[]){outputBias0, outputBias1, outputBias2}, 3);
    memcpy(settings->source.input_bias, (uint8_t[]){inputBias0, inputBias1, inputBias2}, 3);
    return asim_leave(0);
}

aclError aclmdlSetAIPPRbuvSwapSwitch(aclmdlAIPP *aipp, int8_t rbuvSwapSwitch)
{
    int code = asim_enter(CALL_aclmdlSetAIPPRbuvSwapSwitch, SIM_INIT);
    if (code)
        return code;
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    code = settings ? check_switch(rbuvSwapSwitch) : ACL_ERROR_INVALID_PARAM;
    if (!code)
        settings->source.rbuv_swap = rbuvSwapSwitch;
    return asim_leave(code);
}

aclError aclmdlSetAIPPAxSwapSwitch(aclmdlAIPP *aipp, int8_t axSwapSwitch)
{
    int code = asim_enter(CALL_aclmdlSetAIPPAxSwapSwitch, SIM_INIT);
    if (code)
        return code;
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    code = settings ? check_switch(axSwapSwitch) : ACL_ERROR_INVALID_PARAM;
    if (!code)
        settings->source.ax_swap = axSwapSwitch;
    return asim_leave(code);
}

aclError aclmdlSetAIPPSrcImageSize(aclmdlAIPP *aipp, int32_t width, int32_t height)
{
    int code = asim_enter(CALL_aclmdlSetAIPPSrcImageSize, SIM_INIT);
    if (code)
        return code;
    struct asim_aipp *settings = asim_object_get(SIM_AIPP, aipp);
    if (!settings)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (width < 2 || width > AIPP_SOURCE_MOST || height < 1 || height > AIPP_SOURCE_MOST)
        return asim_leave(asim_refuse(ACL_ERROR_INVALID_PARAM, "%d x %d: 2 to %d and 1 to %d are possible",
                                      width, height, AIPP_SOURCE_MOST, AIPP_SOURCE_MOST));
    settings->source.width = width;
    settings->source.height = height;
    return asim_leave(0);
}

aclError aclmdlSetAIPPCropParams(aclmdlAIPP *aipp, int8_t cropSwitch, int32_t x, int32_t y, int32_t width,
                                 int32_t height, uint64_t batchIndex)
{
    int code = asim_enter(CALL_aclmdlSetAIPPCropParams, SIM_INIT);
    if (code)
        return code;
    struct aipp_image *image = image_of(aipp, batchIndex);
    code = image ? check_switch(cropSwitch) : ACL_ERROR_INVALID_PARAM;
    if (code)
        return asim_leave(code);
    image->crop = cropSwitch;
    image->crop_x = x;
    image->crop_y = y;
    image->crop_width = width;
    image->crop_height = height;
    return asim_leave(0);
}

aclError aclmdlSetAIPPPaddingParams(aclmdlAIPP *aipp, int8_t paddingSwitch, int32_t top, int32_t bottom,
                                    int32_t left, int32_t right, uint64_t batchIndex)
{
    int code = asim_enter(CALL_aclmdlSetAIPPPaddingParams, SIM_INIT);
    if (code)
        return code;
    struct aipp_image *image = image_of(aipp, batchIndex);
    code = image ? check_switch(paddingSwitch) : ACL_ERROR_INVALID_PARAM;
    if (code)
        return asim_leave(code);
    image->padding = paddingSwitch;
    image->top = top;
    image->bottom = bottom;
    image->left = left;
    image->right = right;
    return asim_leave(0);
}

aclError aclmdlSetAIPPDtcPixelMean(aclmdlAIPP *aipp, int16_t c0, int16_t c1, int16_t c2, int16_t c3,
                                   uint64_t batchIndex)
{
    int code = asim_enter(CALL_aclmdlSetAIPPDtcPixelMean, SIM_INIT);
    if (code)
        return code;
    struct aipp_image *image = image_of(aipp, batchIndex);
    if (image)
        memcpy(image->mean, (int16_t[]){c0, c1, c2, c3}, sizeof image->mean);
    return asim_leave(image ? 0 : ACL_ERROR_INVALID_PARAM);
}

aclError aclmdlSetAIPPDtcPixelMin(aclmdlAIPP *aipp, float c0, float c1, float c2, float c3,
                                  uint64_t batchIndex)
{
    int code = asim_enter(CALL_aclmdlSetAIPPDtcPixelMin, SIM_INIT);
    if (code)
        return code;
    struct aipp_image *image = image_of(aipp, batchIndex);
    if (image)
        memcpy(image->min, (float[]){c0, c1, c2, c3}, sizeof image->min);
    return asim_leave(image ? 0 : ACL_ERROR_INVALID_PARAM);
}

aclError aclmdlSetAIPPPixelVarReci(aclmdlAIPP *aipp, float c0, float c1, float c2, float c3,
                                   uint64_t batchIndex)
{
    int code = asim_enter(CALL_aclmdlSetAIPPPixelVarReci, SIM_INIT);
    if (code)
        return code;
    struct aipp_image *image = image_of(aipp, batchIndex);
    if (image)
        memcpy(image->reciprocal, (float[]){c0, c1, c2, c3}, sizeof image->reciprocal);
    return asim_leave(image ? 0 : ACL_ERROR_INVALID_PARAM);
}

/** The model's input that the settings input `index` is for; and the reverse. −1: none. */
static int partner(const struct asim_model *model, size_t index)
{
    size_t settings = model->om->n_inputs;
    for (size_t i = 0; i < model->om->n_inputs; i++) {
        if (model->om->inputs[i].aipp != OM_AIPP_DYNAMIC)
            continue;
        if (index == i)
            return (int)settings;
        if (index == settings)
            return (int)i;
        settings++;
    }
    return -1;
}

aclError aclmdlGetAippType(uint32_t modelId, size_t index, aclmdlInputAippType *type,
                           size_t *dynamicAttachedDataIndex)
{
    int code = asim_enter(CALL_aclmdlGetAippType, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = asim_model_get(modelId);
    if (!model)
        return asim_leave(ACL_ERROR_INVALID_MODEL_ID);
    if (index >= model->n_inputs || !type || !dynamicAttachedDataIndex)
        return asim_leave(
            asim_misuse(ACL_ERROR_INVALID_PARAM, "input %zu of %zu, or a NULL", index, model->n_inputs));
    *dynamicAttachedDataIndex = SIZE_MAX;
    if (index < model->om->n_inputs) {
        *type = (aclmdlInputAippType)model->om->inputs[index].aipp;
        if (*type == ACL_DATA_WITH_DYNAMIC_AIPP)
            *dynamicAttachedDataIndex = (size_t)partner(model, index);
        return asim_leave(0);
    }
    *type = (int)index == model->gear_input ? ACL_DATA_WITHOUT_AIPP : ACL_DYNAMIC_AIPP_NODE;
    return asim_leave(0);
}

static int check_settings(const struct asim_model *model, size_t input, const struct asim_aipp *settings)
{
    struct aispipe_error error = {.message = ""};
    struct aipp_result result;
    if (!settings->format_set || !settings->source.width)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "the settings lack %s",
                           settings->format_set ? "aclmdlSetAIPPSrcImageSize" : "aclmdlSetAIPPInputFormat");
    for (uint64_t i = 0; i < settings->batch; i++)
        if (aipp_check(&settings->source, &settings->images[i], &result, &error))
            return asim_refuse(ACL_ERROR_INVALID_PARAM, "image %llu: %s", (unsigned long long)i,
                               error.message);
    size_t bytes = aipp_source_bytes(&settings->source) * settings->batch;
    if (bytes > model->om->inputs[input].aipp_bytes_most)
        return asim_refuse(ACL_ERROR_INVALID_PARAM, "%llu images take %zu bytes, the model allows %llu",
                           (unsigned long long)settings->batch, bytes,
                           (unsigned long long)model->om->inputs[input].aipp_bytes_most);
    return 0;
}

aclError aclmdlSetInputAIPP(uint32_t modelId, aclmdlDataset *dataset, size_t index, const aclmdlAIPP *aipp)
{
    int code = asim_enter(CALL_aclmdlSetInputAIPP, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = asim_model_get(modelId);
    struct asim_dataset *d = model ? asim_object_get(SIM_DATASET, dataset) : NULL;
    const struct asim_aipp *settings = d ? asim_object_get(SIM_AIPP, aipp) : NULL;
    if (!settings)
        return asim_leave(model ? ACL_ERROR_INVALID_PARAM : ACL_ERROR_INVALID_MODEL_ID);
    int input = index < model->om->n_inputs ? -1 : partner(model, index);
    if (input < 0 || index >= d->n)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM,
                                      "index %zu is no '%s' of the model and the dataset", index,
                                      ACL_DYNAMIC_AIPP_NAME));
    code = check_settings(model, (size_t)input, settings);
    if (code)
        return asim_leave(code);
    size_t bytes = sizeof *settings + settings->batch * sizeof *settings->images;
    struct asim_aipp *copy = malloc(bytes);
    if (!copy)
        return asim_leave(asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for AIPP settings"));
    memcpy(copy, settings, bytes);
    asim_aipp_free(d->aipp[index]);
    d->aipp[index] = copy;
    return asim_leave(0);
}

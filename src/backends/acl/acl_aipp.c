/* SPDX-License-Identifier: MIT */
/*
 * Dynamic AIPP: the device turns images into the model's input, by settings that --aipp_config names. They
 * are one object of the runtime, made with the model and copied into each dataset; a model keeps its settings
 * for as long as it is loaded, so once for each dataset is enough.
 */
#include "acl_internal.h"
#include "log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define YUV420SP ((int32_t)ACL_YUV420SP_U8)

static int check_pixels(const struct acl_device *device, struct aispipe_error *error)
{
    const struct aispipe_aipp *c = &device->aipp;
    if (c->input_format != YUV420SP || (c->src_image_size_w % 2 == 0 && c->src_image_size_h % 2 == 0))
        return 0;
    return aispipe_fail(error, AISPIPE_INVALID,
                        "AIPP configuration '%s': src_image_size_w and _h are %" PRId32 " and %" PRId32
                        "; even numbers are wanted, as in YUV420SP_U8 two by two pixels share a colour",
                        device->aipp_path, c->src_image_size_w, c->src_image_size_h);
}

int acl_aipp_read(struct acl_device *device, const char *path, struct aispipe_error *error)
{
    if (!path)
        return 0;
    device->aipp_path = strdup(path);
    if (!device->aipp_path)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for an AIPP configuration");
    int rc = aispipe_aipp_read(path, &device->log, &device->aipp, error);
    return rc ? rc : check_pixels(device, error);
}

/* ---------------------------------------------------------------- which input */

static int fail_count(const struct acl_model *model, const char *what, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                        "model '%s' has %s; one input with it is supported, so convert it again with no "
                        "dynamic AIPP at the others",
                        model->path, what);
}

/* The input whose images the settings are for. */
static int find_images(struct acl_model *model, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    size_t found = 0;
    for (size_t i = 0; i < model->n_inputs; i++) {
        aclmdlInputAippType type = ACL_DATA_WITHOUT_AIPP;
        size_t attached = SIZE_MAX;
        if (model->ports[i].shown < 0)
            continue;
        int rc = acl_check(device, device->acl.aclmdlGetAippType(model->copies[0].id, i, &type, &attached),
                           error, "aclmdlGetAippType of input %zu", i);
        if (rc)
            return rc;
        if (type != ACL_DATA_WITH_DYNAMIC_AIPP)
            continue;
        found++;
        model->aipp_images = i;
    }
    if (found > 1)
        return fail_count(model, "several inputs with dynamic AIPP", error);
    const struct aispipe_tensor_desc *images = &model->declared[model->ports[model->aipp_images].shown];
    return acl_expect(device, found == 1 && images->rank == 4, error,
                      "model '%s' has an input '%s', but no input of four dimensions with dynamic AIPP",
                      model->path, ACL_DYNAMIC_AIPP_NAME);
}

/* ---------------------------------------------------------------- the settings */

/* Of one image; most is 4096 x 4096 x 4. */
static size_t image_bytes(const struct aispipe_aipp *c)
{
    size_t pixels = (size_t)c->src_image_size_w * (size_t)c->src_image_size_h;
    switch (c->input_format) {
    case ACL_YUV420SP_U8:
        return pixels * 3 / 2;
    case ACL_XRGB8888_U8:
        return pixels * 4;
    case ACL_RGB888_U8:
        return pixels * 3;
    default:
        return pixels;
    }
}

/* What holds for all images. */
static int set_source(const struct acl_model *model, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    const struct aispipe_aipp *c = &device->aipp;
    int rc =
        acl_check(device, acl->aclmdlSetAIPPInputFormat(model->aipp, (aclAippInputFormat)c->input_format),
                  error, "aclmdlSetAIPPInputFormat(%" PRId32 ")", c->input_format);
    if (!rc)
        rc = acl_check(device,
                       acl->aclmdlSetAIPPSrcImageSize(model->aipp, c->src_image_size_w, c->src_image_size_h),
                       error, "aclmdlSetAIPPSrcImageSize(%" PRId32 ", %" PRId32 ")", c->src_image_size_w,
                       c->src_image_size_h);
    if (!rc)
        rc = acl_check(device, acl->aclmdlSetAIPPRbuvSwapSwitch(model->aipp, (int8_t)c->rbuv_swap_switch),
                       error, "aclmdlSetAIPPRbuvSwapSwitch");
    if (!rc)
        rc = acl_check(device, acl->aclmdlSetAIPPAxSwapSwitch(model->aipp, (int8_t)c->ax_swap_switch), error,
                       "aclmdlSetAIPPAxSwapSwitch");
    if (rc)
        return rc;
    return acl_check(device,
                     acl->aclmdlSetAIPPCscParams(
                         model->aipp, (int8_t)c->csc_switch, (int16_t)c->matrix[0][0],
                         (int16_t)c->matrix[0][1], (int16_t)c->matrix[0][2], (int16_t)c->matrix[1][0],
                         (int16_t)c->matrix[1][1], (int16_t)c->matrix[1][2], (int16_t)c->matrix[2][0],
                         (int16_t)c->matrix[2][1], (int16_t)c->matrix[2][2], (uint8_t)c->output_bias[0],
                         (uint8_t)c->output_bias[1], (uint8_t)c->output_bias[2], (uint8_t)c->input_bias[0],
                         (uint8_t)c->input_bias[1], (uint8_t)c->input_bias[2]),
                     error, "aclmdlSetAIPPCscParams");
}

/* What the runtime keeps for each image of a batch; the file has it once. */
static int set_image(const struct acl_model *model, uint64_t i, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    const struct acl_library *acl = &device->acl;
    const struct aispipe_aipp *c = &device->aipp;
    const int32_t *mean = c->mean_chn;
    const float *least = c->min_chn;
    const float *reciprocal = c->var_reci_chn;
    int rc = acl_check(device,
                       acl->aclmdlSetAIPPCropParams(model->aipp, (int8_t)c->crop, c->load_start_pos_w,
                                                    c->load_start_pos_h, c->crop_size_w, c->crop_size_h, i),
                       error, "aclmdlSetAIPPCropParams of image %" PRIu64, i);
    if (!rc)
        rc = acl_check(device,
                       acl->aclmdlSetAIPPPaddingParams(model->aipp, (int8_t)c->padding, c->padding_size_top,
                                                       c->padding_size_bottom, c->padding_size_left,
                                                       c->padding_size_right, i),
                       error, "aclmdlSetAIPPPaddingParams of image %" PRIu64, i);
    if (!rc)
        rc = acl_check(device,
                       acl->aclmdlSetAIPPDtcPixelMean(model->aipp, (int16_t)mean[0], (int16_t)mean[1],
                                                      (int16_t)mean[2], (int16_t)mean[3], i),
                       error, "aclmdlSetAIPPDtcPixelMean of image %" PRIu64, i);
    if (!rc)
        rc = acl_check(device,
                       acl->aclmdlSetAIPPDtcPixelMin(model->aipp, least[0], least[1], least[2], least[3], i),
                       error, "aclmdlSetAIPPDtcPixelMin of image %" PRIu64, i);
    if (!rc)
        rc = acl_check(device,
                       acl->aclmdlSetAIPPPixelVarReci(model->aipp, reciprocal[0], reciprocal[1],
                                                      reciprocal[2], reciprocal[3], i),
                       error, "aclmdlSetAIPPPixelVarReci of image %" PRIu64, i);
    return rc;
}

/* Images of the largest batch; 0: unknown. */
static uint64_t largest_batch(const struct acl_model *model)
{
    int64_t batch = model->declared[model->ports[model->aipp_images].shown].dims[0];
    uint64_t largest = batch < 0 ? 0 : (uint64_t)batch;
    for (size_t i = 0; batch < 0 && i < model->batch.batchCount; i++)
        if (model->batch.batch[i] > largest)
            largest = model->batch.batch[i];
    return largest;
}

static int create(struct acl_model *model, uint64_t batch, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    model->aipp = device->acl.aclmdlCreateAIPP(batch);
    int rc =
        acl_expect(device, model->aipp != NULL, error, "aclmdlCreateAIPP(%" PRIu64 ") gave nothing", batch);
    if (!rc)
        rc = set_source(model, error);
    for (uint64_t i = 0; !rc && i < batch; i++)
        rc = set_image(model, i, error);
    return rc;
}

/* ---------------------------------------------------------------- the model */

static int check_mode(const struct acl_model *model, struct aispipe_error *error)
{
    const struct acl_device *device = model->device;
    enum aispipe_shape_mode mode = acl_shape_mode(model);
    if (mode == AISPIPE_SHAPE_DIMS || mode == AISPIPE_SHAPE_SHAPE)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "model '%s' has dynamic AIPP and %s; dynamic AIPP goes with fixed dimensions, "
                            "batch sizes or image sizes, so convert it again with one of these",
                            model->path,
                            mode == AISPIPE_SHAPE_DIMS ? "gears of dimensions" : "open dimensions");
    if (!device->aipp_path)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "model '%s' has dynamic AIPP and no settings for it: give them with "
                            "--aipp_config FILE.config",
                            model->path);
    const struct aispipe_aipp *c = &device->aipp;
    if (mode == AISPIPE_SHAPE_HW && (c->crop || c->padding))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "AIPP configuration '%s': %s is 1; with a model that was made for several image "
                            "sizes, 0 is wanted",
                            device->aipp_path, c->crop ? "crop" : "padding");
    return 0;
}

int acl_aipp_create(struct acl_model *model, struct aispipe_error *error)
{
    const struct acl_device *device = model->device;
    if (model->n_aipp == 0 && device->aipp_path)
        log_line(&device->log, AISPIPE_LOG_WARNING,
                 "model '%s' has no dynamic AIPP, so AIPP configuration '%s' has no effect", model->path,
                 device->aipp_path);
    if (model->n_aipp == 0)
        return 0;
    if (model->n_aipp > 1)
        return fail_count(model, "several inputs with dynamic AIPP", error);
    if (!device->aipp_path && device->aipp_later)
        return 0; /* acl_set_aipp comes back here */
    int rc = check_mode(model, error);
    if (!rc)
        rc = find_images(model, error);
    if (rc)
        return rc;
    uint64_t batch = largest_batch(model);
    size_t room = model->ports[model->aipp_images].reported;
    size_t bytes = 0;
    rc = acl_expect(model->device, batch > 0, error, "model '%s': the runtime gives no batch of its images",
                    model->path);
    if (!rc && (__builtin_mul_overflow(image_bytes(&device->aipp), (size_t)batch, &bytes) || bytes > room))
        rc = aispipe_fail(error, AISPIPE_INVALID,
                          "AIPP configuration '%s': %" PRIu64
                          " images of %zu bytes are more than the %zu that model '%s' was made for "
                          "(max_src_image_size); make src_image_size_w and _h smaller or convert it again",
                          device->aipp_path, batch, image_bytes(&device->aipp), room, model->path);
    if (!rc)
        rc = create(model, batch, error);
    return rc || acl_shape_mode(model) != AISPIPE_SHAPE_STATIC ? rc : acl_aipp_describe(model, error);
}

/* What the settings did not come from a file are called in messages. */
#define GIVEN_BY_PROGRAM "(given by the program)"

int acl_set_aipp(void *loaded, const struct aispipe_aipp *aipp, struct aispipe_error *error)
{
    struct acl_model *model = loaded;
    struct acl_device *device = model->device;
    if (model->n_aipp == 0)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "model '%s' has no input with dynamic AIPP, so there is nothing to set",
                            model->path);
    char *name = strdup(GIVEN_BY_PROGRAM);
    if (!name)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for an AIPP configuration");
    int rc = acl_enter(device, 0, error);
    if (rc) {
        free(name);
        return rc;
    }
    acl_aipp_destroy(model);
    free(device->aipp_path);
    device->aipp_path = name;
    device->aipp = *aipp;
    rc = check_pixels(device, error);
    if (!rc)
        rc = acl_aipp_create(model, error);
    /* In gears the images are described once more, in the one that is set. */
    if (!rc && model->mode != AISPIPE_SHAPE_STATIC)
        rc = acl_aipp_describe(model, error);
    if (rc)
        acl_aipp_destroy(model);
    return rc;
}

void acl_aipp_destroy(struct acl_model *model)
{
    if (model->aipp)
        acl_released(model->device, model->device->acl.aclmdlDestroyAIPP(model->aipp), "aclmdlDestroyAIPP");
    model->aipp = NULL;
}

/* Height, width and channels of what is fed, as the runtime describes it with static AIPP. */
int acl_aipp_describe(struct acl_model *model, struct aispipe_error *error)
{
    const struct acl_device *device = model->device;
    const struct aispipe_aipp *c = &device->aipp;
    if (!model->aipp)
        return 0;
    struct acl_port *port = &model->ports[model->aipp_images];
    struct aispipe_tensor_desc *images = &model->tensors[port->shown];
    const uint64_t wanted[2] = {model->height, model->width};
    if (model->mode == AISPIPE_SHAPE_HW &&
        (wanted[0] != (uint64_t)c->src_image_size_h || wanted[1] != (uint64_t)c->src_image_size_w))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "AIPP configuration '%s': src_image_size_h and _w are %" PRId32 " and %" PRId32
                            ", --dymHW is %" PRIu64 ",%" PRIu64 "; both have to be the same",
                            device->aipp_path, c->src_image_size_h, c->src_image_size_w, wanted[0],
                            wanted[1]);
    size_t bytes = image_bytes(c);
    size_t pixels = (size_t)c->src_image_size_h * (size_t)c->src_image_size_w;
    bool is_420 = c->input_format == YUV420SP;
    images->dtype = AISPIPE_UINT8;
    images->dims[1] = is_420 ? (int64_t)c->src_image_size_h * 3 / 2 : c->src_image_size_h;
    images->dims[2] = c->src_image_size_w;
    images->dims[3] = is_420 ? 1 : (int64_t)(bytes / pixels);
    images->size = bytes * (size_t)images->dims[0]; /* at most what acl_aipp_create has found to fit */
    port->bytes = images->size;
    return 0;
}

int acl_aipp_attach(const struct acl_model *model, aclmdlDataset *dataset, struct aispipe_error *error)
{
    struct acl_device *device = model->device;
    if (!model->aipp)
        return 0;
    return acl_check(
        device,
        device->acl.aclmdlSetInputAIPP(model->copies[0].id, dataset, model->aipp_settings, model->aipp),
        error, "aclmdlSetInputAIPP");
}

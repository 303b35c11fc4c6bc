/* SPDX-License-Identifier: MIT */
/**
 * @file aipp.h
 * What an Ascend device's image pre-processing (AIPP) does to the 8-bit images it is given before the model
 * sees them: swap channels, crop, convert colours, subtract and scale, pad.
 *
 * Nothing here has state: any thread may call anything. Images lie behind one another in a batch.
 */
#ifndef AISPIPE_SIMULATOR_AIPP_H
#define AISPIPE_SIMULATOR_AIPP_H

#include "aispipe/aispipe.h"

/** The numbers are AscendCL's `aclmdlAippInputFormat`. */
enum aipp_format {
    AIPP_YUV420SP_U8 =
        1, /**< NV12: a plane of Y, then one of U and V by turns at half the height and width */
    AIPP_XRGB8888_U8 = 2, /**< four bytes a pixel: R G B X, with ax_swap X R G B */
    AIPP_RGB888_U8 = 3,   /**< three bytes a pixel: R G B */
    AIPP_YUV400_U8 = 4,   /**< Y alone */
};

#define AIPP_SOURCE_MOST 4096 /**< width and height of an image; the least width is 2 */
#define AIPP_PADDING_MOST 32
#define AIPP_BATCH_MOST 65536

/** What holds for every image of a batch. */
struct aipp_source {
    enum aipp_format format;
    int32_t width, height; /**< of the images as they are given */
    bool rbuv_swap;        /**< swap R and B, or U and V */
    bool ax_swap;          /**< XRGB8888_U8: the bytes are X R G B; off: R G B X */
    /**
     * Convert colours. YUV420SP_U8: out = matrix × (in − input_bias) >> 8. RGB formats: out = (matrix × in >>
     * 8)
     * + output_bias. Both cut to 0…255. Channels of `in` in the order of their bytes, after the swaps; X is
     * dropped.
     */
    bool csc;
    int16_t matrix[3][3];
    uint8_t output_bias[3];
    uint8_t input_bias[3];
};

/** What is set for each image of its own (static AIPP: the same for all). */
struct aipp_image {
    bool crop;
    int32_t crop_x, crop_y, crop_width, crop_height;
    bool padding;
    int32_t top, bottom, left, right; /**< 0 to AIPP_PADDING_MOST */
    float padding_value;              /**< of the result, after mean and reciprocal */
    int16_t mean[4];                  /**< out = (in − mean − min) × reciprocal; not for UINT8 results */
    float min[4];
    float reciprocal[4];
};

/** One image as a model sees it. */
struct aipp_result {
    int32_t width, height;
    int32_t channels; /**< 3; XRGB8888_U8 without csc 4 (a model of 3 gets it without the X); YUV400_U8 1 */
};

/** Everything off; reciprocal 1. `format` and sizes are still to be set. */
void aipp_defaults(struct aipp_source *source, struct aipp_image *image);
/** Bytes of one image as it is given; 0 for a format that is not known or a size out of range. */
size_t aipp_source_bytes(const struct aipp_source *source);
/**
 * Whether these settings are possible at all (sizes, crop inside the image, even positions for YUV420SP …),
 * and what comes of one image. The error names the setting, the value and what is wanted.
 */
int aipp_check(const struct aipp_source *source, const struct aipp_image *image, struct aipp_result *result,
               struct aispipe_error *error);
/** Where results go: a tensor of the model. */
struct aipp_target {
    enum aispipe_dtype dtype; /**< FLOAT32, FLOAT16, or UINT8 (cut to 0…255) */
    bool nhwc;                /**< otherwise NCHW */
    int64_t batch, channels, height, width;
    void *data; /**< batch × channels × height × width elements */
};
/**
 * Computes the whole batch. `n_images` is 1 (the same settings for every image) or target->batch. `bytes` are
 * those at `images`, at least batch × aipp_source_bytes(). Fails when the settings do not give what the
 * target is. Every image must come out with the target's channels, height and width.
 */
int aipp_compute(const struct aipp_source *source, const struct aipp_image *settings, size_t n_settings,
                 const uint8_t *images, size_t bytes, const struct aipp_target *target,
                 struct aispipe_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/* The order is the device's: swap, crop, colours, mean and reciprocal, padding. */
#include "aipp.h"

#include "aipp_fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void aipp_defaults(struct aipp_source *source, struct aipp_image *image)
{
    memset(source, 0, sizeof *source); /* no format at all, which is none of the enumeration's */
    *image = (struct aipp_image){.reciprocal = {1, 1, 1, 1}};
}

/* ------------------------------------------------------------------ checks */

static bool is_between(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

size_t aipp_source_bytes(const struct aipp_source *source)
{
    if (!is_between(source->width, 2, AIPP_SOURCE_MOST) || !is_between(source->height, 1, AIPP_SOURCE_MOST))
        return 0;
    size_t pixels = (size_t)source->width * (size_t)source->height;
    switch (source->format) {
    case AIPP_YUV420SP_U8:
        return pixels + pixels / 2;
    case AIPP_XRGB8888_U8:
        return pixels * 4;
    case AIPP_RGB888_U8:
        return pixels * 3;
    case AIPP_YUV400_U8:
        return pixels;
    }
    return 0;
}

static int out_of_range(struct aispipe_error *error, const char *key, int64_t value, int64_t least,
                        int64_t most)
{
    return aispipe_fail(error, AISPIPE_INVALID, "%s is %" PRId64 "; %" PRId64 " to %" PRId64 " is wanted",
                        key, value, least, most);
}

static int check_source(const struct aipp_source *source, struct aispipe_error *error)
{
    if (!aipp_format_name((int)source->format))
        return aispipe_fail(error, AISPIPE_INVALID, "input_format %d is not known; 1 to 4 are",
                            (int)source->format);
    if (!is_between(source->width, 2, AIPP_SOURCE_MOST))
        return out_of_range(error, "src_image_size_w", source->width, 2, AIPP_SOURCE_MOST);
    if (!is_between(source->height, 1, AIPP_SOURCE_MOST))
        return out_of_range(error, "src_image_size_h", source->height, 1, AIPP_SOURCE_MOST);
    if (source->format == AIPP_YUV420SP_U8 && (source->width % 2 || source->height % 2))
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "src_image_size_w and src_image_size_h are %d and %d; YUV420SP_U8 wants even numbers",
            source->width, source->height);
    if (source->csc && source->format == AIPP_YUV400_U8)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "csc_switch is 1; YUV400_U8 has one channel and cannot be converted");
    return 0;
}

static int check_crop(const struct aipp_source *source, const struct aipp_image *image,
                      struct aispipe_error *error)
{
    if (!is_between(image->crop_width, 1, AIPP_SOURCE_MOST))
        return out_of_range(error, "crop_size_w", image->crop_width, 1, AIPP_SOURCE_MOST);
    if (!is_between(image->crop_height, 1, AIPP_SOURCE_MOST))
        return out_of_range(error, "crop_size_h", image->crop_height, 1, AIPP_SOURCE_MOST);
    if (!is_between(image->crop_x, 0, source->width - image->crop_width))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "load_start_pos_w %d and crop_size_w %d reach beyond the image's width of %d",
                            image->crop_x, image->crop_width, source->width);
    if (!is_between(image->crop_y, 0, source->height - image->crop_height))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "load_start_pos_h %d and crop_size_h %d reach beyond the image's height of %d",
                            image->crop_y, image->crop_height, source->height);
    if (source->format == AIPP_YUV420SP_U8 && (image->crop_x % 2 || image->crop_y % 2))
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "load_start_pos_w and load_start_pos_h are %d and %d; YUV420SP_U8 wants even numbers",
            image->crop_x, image->crop_y);
    return 0;
}

static int check_padding(const struct aipp_image *image, struct aispipe_error *error)
{
    const struct {
        const char *key;
        int32_t value;
    } sides[] = {{"top padding", image->top},
                 {"bottom padding", image->bottom},
                 {"left padding", image->left},
                 {"right padding", image->right}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (!is_between(sides[i].value, 0, AIPP_PADDING_MOST))
            return out_of_range(error, sides[i].key, sides[i].value, 0, AIPP_PADDING_MOST);
    return 0;
}

int aipp_check(const struct aipp_source *source, const struct aipp_image *image, struct aipp_result *result,
               struct aispipe_error *error)
{
    int rc = check_source(source, error);
    if (!rc && image->crop)
        rc = check_crop(source, image, error);
    if (!rc && image->padding)
        rc = check_padding(image, error);
    if (rc)
        return rc;
    result->width = image->crop ? image->crop_width : source->width;
    result->height = image->crop ? image->crop_height : source->height;
    if (image->padding) {
        result->width += image->left + image->right;
        result->height += image->top + image->bottom;
    }
    result->channels = 3;
    if (source->format == AIPP_YUV400_U8)
        result->channels = 1;
    if (source->format == AIPP_XRGB8888_U8 && !source->csc)
        result->channels = 4;
    return 0;
}

/* ------------------------------------------------------------------ one pixel */

static void swap(uint8_t *a, uint8_t *b)
{
    uint8_t kept = *a;
    *a = *b;
    *b = kept;
}

/* The pixel at (x, y) of an image, its channels in the order of the bytes after the swaps. */
static void fetch(const struct aipp_source *source, const uint8_t *image, size_t x, size_t y,
                  uint8_t pixel[4])
{
    size_t width = (size_t)source->width;
    size_t at = y * width + x;
    switch (source->format) {
    case AIPP_YUV420SP_U8: {
        const uint8_t *chroma = image + width * (size_t)source->height + y / 2 * width + (x & ~(size_t)1);
        pixel[0] = image[at];
        pixel[1] = chroma[source->rbuv_swap ? 1 : 0];
        pixel[2] = chroma[source->rbuv_swap ? 0 : 1];
        return;
    }
    case AIPP_XRGB8888_U8: {
        size_t first = source->ax_swap ? 1 : 0;
        memcpy(pixel, image + at * 4 + first, 3);
        pixel[3] = image[at * 4 + (source->ax_swap ? 0 : 3)];
        break;
    }
    case AIPP_RGB888_U8:
        memcpy(pixel, image + at * 3, 3);
        break;
    case AIPP_YUV400_U8:
        pixel[0] = image[at];
        return;
    }
    if (source->rbuv_swap)
        swap(&pixel[0], &pixel[2]);
}

static uint8_t cut(int32_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Three products of at most 255 × 32768 fit easily. >> of a negative number is the device's: towards −∞. */
static void convert_colours(const struct aipp_source *source, uint8_t pixel[4])
{
    bool yuv = source->format == AIPP_YUV420SP_U8;
    int32_t in[3];
    for (int i = 0; i < 3; i++)
        in[i] = (int32_t)pixel[i] - (yuv ? source->input_bias[i] : 0);
    for (int row = 0; row < 3; row++) {
        int32_t sum = 0;
        for (int column = 0; column < 3; column++)
            sum += source->matrix[row][column] * in[column];
        pixel[row] = cut((sum >> 8) + (yuv ? 0 : source->output_bias[row]));
    }
}

/* ------------------------------------------------------------------ the tensor */

/* Nearest, ties to even, as IEEE 754 rounds. */
static uint16_t to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return sign | 0x7e00;
    if (magnitude >= 0x477ff000) /* 65520 and more round beyond the greatest, 65504 */
        return sign | 0x7c00;
    if (magnitude < 0x38800000) /* below the least normal number, 2^-14: in steps of 2^-24 */
        return sign | (uint16_t)lrintf(ldexpf(fabsf(value), 24));
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return sign | (uint16_t)((rounded - 0x38000000) >> 13);
}

static void store(const struct aipp_target *target, size_t index, float value)
{
    switch (target->dtype) {
    case AISPIPE_FLOAT32:
        ((float *)target->data)[index] = value;
        break;
    case AISPIPE_FLOAT16:
        ((uint16_t *)target->data)[index] = to_half(value);
        break;
    default: /* UINT8: checked */
        ((uint8_t *)target->data)[index] = cut((int32_t)value);
        break;
    }
}

static size_t place(const struct aipp_target *target, size_t batch, size_t channel, size_t y, size_t x)
{
    size_t channels = (size_t)target->channels;
    size_t height = (size_t)target->height;
    size_t width = (size_t)target->width;
    if (target->nhwc)
        return ((batch * height + y) * width + x) * channels + channel;
    return ((batch * channels + channel) * height + y) * width + x;
}

/* One image: what `settings` say of the one at `image` goes to number `batch` of the target. */
static void compute_image(const struct aipp_source *source, const struct aipp_image *settings,
                          const uint8_t *image, const struct aipp_target *target, size_t batch)
{
    size_t left = settings->padding ? (size_t)settings->left : 0;
    size_t top = settings->padding ? (size_t)settings->top : 0;
    size_t right = settings->padding ? (size_t)settings->right : 0;
    size_t bottom = settings->padding ? (size_t)settings->bottom : 0;
    size_t first_x = settings->crop ? (size_t)settings->crop_x : 0;
    size_t first_y = settings->crop ? (size_t)settings->crop_y : 0;
    size_t width = (size_t)target->width;
    size_t height = (size_t)target->height;
    bool scale = target->dtype != AISPIPE_UINT8;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            bool outside = y < top || y >= height - bottom || x < left || x >= width - right;
            uint8_t pixel[4] = {0};
            if (!outside)
                fetch(source, image, first_x + x - left, first_y + y - top, pixel);
            if (!outside && source->csc)
                convert_colours(source, pixel);
            for (size_t c = 0; c < (size_t)target->channels; c++) {
                float value = (float)pixel[c];
                if (scale)
                    value = (value - (float)settings->mean[c] - settings->min[c]) * settings->reciprocal[c];
                store(target, place(target, batch, c, y, x), outside ? settings->padding_value : value);
            }
        }
}

/* ------------------------------------------------------------------ the batch */

static int check_target(const struct aipp_target *target, struct aispipe_error *error)
{
    if (target->dtype != AISPIPE_FLOAT32 && target->dtype != AISPIPE_FLOAT16 &&
        target->dtype != AISPIPE_UINT8)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "AIPP gives float32, float16 or uint8; the model wants %s",
                            aispipe_dtype_name(target->dtype));
    if (!is_between(target->batch, 1, AIPP_BATCH_MOST))
        return out_of_range(error, "the batch", target->batch, 1, AIPP_BATCH_MOST);
    return 0;
}

static int check_image(const struct aipp_source *source, const struct aipp_image *settings, size_t index,
                       const struct aipp_target *target, struct aispipe_error *error)
{
    struct aipp_result result;
    struct aispipe_error reason = {0};
    if (aipp_check(source, settings, &result, &reason))
        return aispipe_fail(error, reason.code, "AIPP of image %zu: %s", index, reason.message);
    if (result.width != target->width || result.height != target->height)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "AIPP makes image %zu %d high and %d wide; the model wants %" PRId64
                            " and %" PRId64,
                            index, result.height, result.width, target->height, target->width);
    if (result.channels != target->channels && !(result.channels == 4 && target->channels == 3))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "AIPP gives image %zu %d channels; the model wants %" PRId64, index,
                            result.channels, target->channels);
    return 0;
}

int aipp_compute(const struct aipp_source *source, const struct aipp_image *settings, size_t n_settings,
                 const uint8_t *images, size_t bytes, const struct aipp_target *target,
                 struct aispipe_error *error)
{
    int rc = check_target(target, error);
    if (rc)
        return rc;
    size_t batch = (size_t)target->batch;
    if (n_settings != 1 && n_settings != batch)
        return aispipe_fail(error, AISPIPE_INVALID, "AIPP is set for %zu images; the batch has %zu",
                            n_settings, batch);
    for (size_t i = 0; !rc && i < n_settings; i++)
        rc = check_image(source, &settings[i], i, target, error);
    if (rc)
        return rc;
    size_t each = aipp_source_bytes(source);
    if (each == 0 || bytes / each < batch)
        return aispipe_fail(error, AISPIPE_INVALID, "%zu images of %zu bytes are wanted; there are %zu bytes",
                            batch, each, bytes);
    for (size_t i = 0; i < batch; i++)
        compute_image(source, &settings[n_settings == 1 ? 0 : i], images + i * each, target, i);
    return 0;
}

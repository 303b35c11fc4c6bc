/* SPDX-License-Identifier: MIT */
#include "aipp_fields.h"

#include <string.h>

#define SOURCE(key, type, member, least, most)                              \
    {                                                                       \
        key, type, false, offsetof(struct aipp_source, member), least, most \
    }
#define IMAGE(key, type, member, least, most)                             \
    {                                                                     \
        key, type, true, offsetof(struct aipp_image, member), least, most \
    }
#define MATRIX(row, column) \
    SOURCE("matrix_r" #row "c" #column, AIPP_INT16, matrix[row][column], -32677, 32676)
#define OUTPUT_BIAS(i) SOURCE("output_bias_" #i, AIPP_UINT8, output_bias[i], 0, 255)
#define INPUT_BIAS(i) SOURCE("input_bias_" #i, AIPP_UINT8, input_bias[i], 0, 255)
#define MEAN(i) IMAGE("mean_chn_" #i, AIPP_INT16, mean[i], 0, 255)
#define MIN(i) IMAGE("min_chn_" #i, AIPP_FLOAT, min[i], 0, 255)
#define RECIPROCAL(i) IMAGE("var_reci_chn_" #i, AIPP_FLOAT, reciprocal[i], -65504, 65504)

const struct aipp_field aipp_fields[] = {
    SOURCE("src_image_size_w", AIPP_INT32, width, 0, AIPP_SOURCE_MOST),
    SOURCE("src_image_size_h", AIPP_INT32, height, 0, AIPP_SOURCE_MOST),
    SOURCE("rbuv_swap_switch", AIPP_BOOL, rbuv_swap, 0, 1),
    SOURCE("ax_swap_switch", AIPP_BOOL, ax_swap, 0, 1),
    SOURCE("csc_switch", AIPP_BOOL, csc, 0, 1),
    MATRIX(0, 0),
    MATRIX(0, 1),
    MATRIX(0, 2),
    MATRIX(1, 0),
    MATRIX(1, 1),
    MATRIX(1, 2),
    MATRIX(2, 0),
    MATRIX(2, 1),
    MATRIX(2, 2),
    OUTPUT_BIAS(0),
    OUTPUT_BIAS(1),
    OUTPUT_BIAS(2),
    INPUT_BIAS(0),
    INPUT_BIAS(1),
    INPUT_BIAS(2),
    IMAGE("crop", AIPP_BOOL, crop, 0, 1),
    IMAGE("load_start_pos_w", AIPP_INT32, crop_x, 0, AIPP_SOURCE_MOST - 1),
    IMAGE("load_start_pos_h", AIPP_INT32, crop_y, 0, AIPP_SOURCE_MOST - 1),
    IMAGE("crop_size_w", AIPP_INT32, crop_width, 0, AIPP_SOURCE_MOST),
    IMAGE("crop_size_h", AIPP_INT32, crop_height, 0, AIPP_SOURCE_MOST),
    IMAGE("padding", AIPP_BOOL, padding, 0, 1),
    IMAGE("top_padding_size", AIPP_INT32, top, 0, AIPP_PADDING_MOST),
    IMAGE("bottom_padding_size", AIPP_INT32, bottom, 0, AIPP_PADDING_MOST),
    IMAGE("left_padding_size", AIPP_INT32, left, 0, AIPP_PADDING_MOST),
    IMAGE("right_padding_size", AIPP_INT32, right, 0, AIPP_PADDING_MOST),
    IMAGE("padding_value", AIPP_FLOAT, padding_value, -65504, 65504),
    MEAN(0),
    MEAN(1),
    MEAN(2),
    MEAN(3),
    MIN(0),
    MIN(1),
    MIN(2),
    MIN(3),
    RECIPROCAL(0),
    RECIPROCAL(1),
    RECIPROCAL(2),
    RECIPROCAL(3),
};

const size_t aipp_n_fields = sizeof aipp_fields / sizeof *aipp_fields;

const struct aipp_field *aipp_field_find(const char *key)
{
    for (size_t i = 0; i < aipp_n_fields; i++)
        if (strcmp(aipp_fields[i].key, key) == 0)
            return &aipp_fields[i];
    return NULL;
}

double aipp_field_get(const struct aipp_field *field, const struct aipp_source *source,
                      const struct aipp_image *image)
{
    const char *base = field->of_image ? (const char *)image : (const char *)source;
    const void *member = base + field->offset;
    switch (field->type) {
    case AIPP_BOOL:
        return *(const bool *)member;
    case AIPP_INT32:
        return *(const int32_t *)member;
    case AIPP_INT16:
        return *(const int16_t *)member;
    case AIPP_UINT8:
        return *(const uint8_t *)member;
    case AIPP_FLOAT:
        break;
    }
    return (double)*(const float *)member;
}

void aipp_field_set(const struct aipp_field *field, struct aipp_source *source, struct aipp_image *image,
                    double value)
{
    char *base = field->of_image ? (char *)image : (char *)source;
    void *member = base + field->offset;
    switch (field->type) {
    case AIPP_BOOL:
        *(bool *)member = value != 0;
        break;
    case AIPP_INT32:
        *(int32_t *)member = (int32_t)value;
        break;
    case AIPP_INT16:
        *(int16_t *)member = (int16_t)value;
        break;
    case AIPP_UINT8:
        *(uint8_t *)member = (uint8_t)value;
        break;
    case AIPP_FLOAT:
        *(float *)member = (float)value;
        break;
    }
}

static const char *const formats[] = {NULL, "YUV420SP_U8", "XRGB8888_U8", "RGB888_U8", "YUV400_U8"};
#define N_FORMATS ((int)(sizeof formats / sizeof *formats))

int aipp_format_find(const char *name)
{
    for (int i = 1; i < N_FORMATS; i++)
        if (strcmp(formats[i], name) == 0)
            return i;
    return 0;
}

const char *aipp_format_name(int format)
{
    return format > 0 && format < N_FORMATS ? formats[format] : NULL;
}

/* SPDX-License-Identifier: MIT */
/* AIPP on images small enough to be worked out by hand. */
#include "unit.h"

#include "aipp.h"
#include "aipp_file.h"

#include <stdio.h>
#include <string.h>

static struct aipp_source source_of(enum aipp_format format, int32_t width, int32_t height)
{
    return (struct aipp_source){.format = format, .width = width, .height = height};
}

static struct aipp_image plain(void)
{
    return (struct aipp_image){.reciprocal = {1, 1, 1, 1}};
}

/* Computes one image and compares the floats that come of it. */
static void gives(const struct aipp_source *source, const struct aipp_image *image, const void *bytes,
                  size_t n_bytes, const float *wanted)
{
    struct aipp_result result;
    struct aispipe_error error = {0};
    float found[64];
    if (aipp_check(source, image, &result, &error))
        fail_msg("%s", error.message);
    struct aipp_target target = {AISPIPE_FLOAT32, false,        1,    result.channels,
                                 result.height,   result.width, found};
    size_t count = (size_t)result.channels * (size_t)result.height * (size_t)result.width;
    assert_true(count <= 64);
    if (aipp_compute(source, image, 1, bytes, n_bytes, &target, &error))
        fail_msg("%s", error.message);
    for (size_t i = 0; i < count; i++)
        if (found[i] != wanted[i])
            fail_msg("element %zu is %g, wanted %g", i, (double)found[i], (double)wanted[i]);
}

static void defaults(void **state)
{
    (void)state;
    struct aipp_source source;
    struct aipp_image image;
    memset(&source, 0xff, sizeof source);
    memset(&image, 0xff, sizeof image);
    aipp_defaults(&source, &image);
    assert_false(source.csc || source.rbuv_swap || source.ax_swap || image.crop || image.padding);
    for (int i = 0; i < 4; i++)
        assert_true(image.reciprocal[i] == 1 && image.min[i] == 0 && image.mean[i] == 0);
}

static void source_bytes(void **state)
{
    (void)state;
    const struct {
        enum aipp_format format;
        size_t bytes;
    } cases[] = {{AIPP_YUV420SP_U8, 36}, {AIPP_XRGB8888_U8, 96}, {AIPP_RGB888_U8, 72}, {AIPP_YUV400_U8, 24}};
    for (size_t i = 0; i < 4; i++) {
        struct aipp_source source = source_of(cases[i].format, 6, 4);
        assert_int_equal(aipp_source_bytes(&source), cases[i].bytes);
    }
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    struct aipp_source source = source_of((enum aipp_format)5, 6, 4);
    assert_int_equal(aipp_source_bytes(&source), 0);
    source = source_of(AIPP_RGB888_U8, 4097, 4);
    assert_int_equal(aipp_source_bytes(&source), 0);
    source = source_of(AIPP_RGB888_U8, 1, 4);
    assert_int_equal(aipp_source_bytes(&source), 0);
    source = source_of(AIPP_RGB888_U8, 4096, 0);
    assert_int_equal(aipp_source_bytes(&source), 0);
}

static void rgb(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6};
    struct aipp_source source = source_of(AIPP_RGB888_U8, 2, 1);
    struct aipp_image image = plain();
    gives(&source, &image, bytes, 6, (const float[]){1, 4, 2, 5, 3, 6});
    source.rbuv_swap = true;
    gives(&source, &image, bytes, 6, (const float[]){3, 6, 2, 5, 1, 4});
}

static void xrgb(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct aipp_source source = source_of(AIPP_XRGB8888_U8, 2, 1);
    struct aipp_image image = plain();
    gives(&source, &image, bytes, 8, (const float[]){1, 5, 2, 6, 3, 7, 4, 8});
    source.ax_swap = true; /* X comes first in memory */
    gives(&source, &image, bytes, 8, (const float[]){2, 6, 3, 7, 4, 8, 1, 5});
    source.rbuv_swap = true;
    gives(&source, &image, bytes, 8, (const float[]){4, 8, 3, 7, 2, 6, 1, 5});
    source.ax_swap = false;
    gives(&source, &image, bytes, 8, (const float[]){3, 7, 2, 6, 1, 5, 4, 8});
}

static void yuv420(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 100, 200, 101, 201};
    struct aipp_source source = source_of(AIPP_YUV420SP_U8, 4, 2);
    struct aipp_image image = plain();
    gives(&source, &image, bytes, 12,
          (const float[]){1,   2,   3,   4,   5,   6,   7,   8,   100, 100, 101, 101,
                          100, 100, 101, 101, 200, 200, 201, 201, 200, 200, 201, 201});
    source.rbuv_swap = true;
    gives(&source, &image, bytes, 12,
          (const float[]){1,   2,   3,   4,   5,   6,   7,   8,   200, 200, 201, 201,
                          200, 200, 201, 201, 100, 100, 101, 101, 100, 100, 101, 101});
    image.crop = true;
    image.crop_x = 2;
    image.crop_width = 1;
    image.crop_height = 2;
    gives(&source, &image, bytes, 12, (const float[]){3, 7, 201, 201, 101, 101});
}

static void scale_crop_and_pad(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {10, 20, 30, 40, 50, 60};
    struct aipp_source source = source_of(AIPP_YUV400_U8, 3, 2);
    struct aipp_image image = plain();
    image.mean[0] = 15;
    image.min[0] = 0.5F;
    image.reciprocal[0] = 2;
    gives(&source, &image, bytes, 6, (const float[]){-11, 9, 29, 49, 69, 89});
    image.crop = true;
    image.crop_x = 1;
    image.crop_y = 1;
    image.crop_width = 2;
    image.crop_height = 1;
    gives(&source, &image, bytes, 6, (const float[]){69, 89});
    image.padding = true;
    image.top = 1;
    image.left = 2;
    image.right = 1;
    image.padding_value = 7; /* as it is: after mean and reciprocal */
    gives(&source, &image, bytes, 6, (const float[]){7, 7, 7, 7, 7, 7, 7, 69, 89, 7}); /* 2 × 5 */
}

static void colours(void **state)
{
    (void)state;
    /* Y 81, U 90, V 240 is red in BT.601 narrow: 298×65/256 = 75.66; ×V−128: 409×112/256 = 178.9. */
    static const uint8_t red[] = {81, 81, 81, 81, 90, 240};
    struct aipp_source source = source_of(AIPP_YUV420SP_U8, 2, 2);
    static const int16_t to_rgb[3][3] = {{298, 0, 409}, {298, -100, -208}, {298, 516, 0}};
    struct aipp_image image = plain();
    source.csc = true;
    memcpy(source.matrix, to_rgb, sizeof to_rgb);
    memcpy(source.input_bias, (const uint8_t[]){16, 128, 128}, 3);
    memcpy(source.output_bias, (const uint8_t[]){50, 50, 50}, 3); /* of the other direction: no effect */
    /* (19370+45808)>>8 = 254; (19370+3800−23296)>>8 = −126>>8 = −1, cut; (19370−19608)>>8 < 0, cut. */
    gives(&source, &image, red, 6, (const float[]){254, 254, 254, 254, 0, 0, 0, 0, 0, 0, 0, 0});
}

static void colours_of_rgb(void **state)
{
    (void)state;
    static const uint8_t pixels[] = {255, 0, 0, 1, 0, 0};
    struct aipp_source source = source_of(AIPP_RGB888_U8, 2, 1);
    static const int16_t matrix[3][3] = {{66, 129, 25}, {-38, -74, 112}, {112, -94, -18}};
    struct aipp_image image = plain();
    source.csc = true;
    memcpy(source.matrix, matrix, sizeof matrix);
    memcpy(source.output_bias, (const uint8_t[]){16, 128, 128}, 3);
    memcpy(source.input_bias, (const uint8_t[]){9, 9, 9}, 3); /* of the other direction: no effect */
    /* 16830>>8 = 65, +16; −9690>>8 = −38, +128; 28560>>8 = 111, +128. Of 1: 0, −38>>8 = −1, 0. */
    gives(&source, &image, pixels, 6, (const float[]){81, 16, 90, 127, 239, 128});
}

/* Halves with their bits as IEEE 754 has them. */
static void half_precision(void **state)
{
    (void)state;
    const struct {
        float reciprocal;
        uint16_t bits;
    } cases[] = {
        {1, 0x3c00},
        {-2, 0xc000},
        {0.1F, 0x2e66},
        {65504, 0x7bff},
        {65519.996F, 0x7bff},
        {65520, 0x7c00},
        {-1e9F, 0xfc00},
        {6.103515625e-5F, 0x0400},
        {6.0975552e-5F, 0x03ff},
        {5.9604645e-8F, 0x0001},
        {2.9802322e-8F, 0},
        {2.9802326e-8F, 0x0001},
        {-0.0F, 0x8000},
        {1.00048828125F, 0x3c00},
        {1.00146484375F, 0x3c02},
        {6.1035153e-5F, 0x0400},
    };
    static const uint8_t one[] = {1, 0};
    struct aipp_source source = source_of(AIPP_YUV400_U8, 2, 1);
    struct aispipe_error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t found[2] = {0};
        struct aipp_image image = plain();
        image.reciprocal[0] = cases[i].reciprocal;
        struct aipp_target target = {AISPIPE_FLOAT16, false, 1, 1, 1, 2, found};
        assert_int_equal(aipp_compute(&source, &image, 1, one, 2, &target, &error), 0);
        if (found[0] != cases[i].bits)
            fail_msg("%.9g: 0x%04x, wanted 0x%04x", (double)cases[i].reciprocal, found[0], cases[i].bits);
    }
}

static void bytes_are_not_scaled(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {10, 250};
    uint8_t found[4] = {0};
    struct aipp_source source = source_of(AIPP_YUV400_U8, 2, 1);
    struct aipp_image image = plain();
    image.mean[0] = 5;
    image.reciprocal[0] = 3;
    image.padding = true;
    image.bottom = 1;
    image.padding_value = 300;
    struct aipp_target target = {AISPIPE_UINT8, false, 1, 1, 2, 2, found};
    struct aispipe_error error = {0};
    assert_int_equal(aipp_compute(&source, &image, 1, bytes, 2, &target, &error), 0);
    assert_memory_equal(found, ((const uint8_t[]){10, 250, 255, 255}), 4);
}

static void each_image_has_its_settings(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4};
    float found[4];
    struct aipp_source source = source_of(AIPP_YUV400_U8, 2, 1);
    struct aipp_image images[] = {plain(), plain()};
    images[1].mean[0] = 10;
    struct aipp_target target = {AISPIPE_FLOAT32, true, 2, 1, 1, 2, found};
    struct aispipe_error error = {0};
    assert_int_equal(aipp_compute(&source, images, 2, bytes, 4, &target, &error), 0);
    assert_true(found[0] == 1 && found[1] == 2 && found[2] == -7 && found[3] == -6);
}

static void refused(const struct aipp_source *source, const struct aipp_image *image, const char *wanted)
{
    struct aipp_result result;
    struct aispipe_error error = {0};
    assert_int_equal(aipp_check(source, image, &result, &error), AISPIPE_INVALID);
    if (!strstr(error.message, wanted))
        fail_msg("'%s' is not in: %s", wanted, error.message);
}

static void impossible_settings(void **state)
{
    (void)state;
    struct aipp_source source = source_of(AIPP_YUV420SP_U8, 8, 7);
    struct aipp_image image = plain();
    refused(&source, &image, "YUV420SP_U8 wants even numbers");
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    source = source_of((enum aipp_format)9, 8, 8);
    refused(&source, &image, "input_format 9 is not known");
    source = source_of(AIPP_YUV400_U8, 8, 8);
    source.csc = true;
    refused(&source, &image, "YUV400_U8 has one channel");
    source = source_of(AIPP_RGB888_U8, 1, 8);
    refused(&source, &image, "src_image_size_w is 1; 2 to 4096");
    source = source_of(AIPP_RGB888_U8, 8, 4097);
    refused(&source, &image, "src_image_size_h is 4097; 1 to 4096");
    source = source_of(AIPP_RGB888_U8, 8, 8);
    image.crop = true;
    refused(&source, &image, "crop_size_w is 0; 1 to 4096");
    image.crop_width = image.crop_height = 4;
    image.crop_x = 5;
    refused(&source, &image, "load_start_pos_w 5 and crop_size_w 4 reach beyond the image's width of 8");
    image.crop_x = -1;
    refused(&source, &image, "load_start_pos_w -1");
    image.crop_x = INT32_MAX;
    refused(&source, &image, "load_start_pos_w 2147483647");
    image.crop_x = 4;
    image.crop_y = 5;
    refused(&source, &image, "load_start_pos_h 5 and crop_size_h 4");
    image.crop_y = 4;
    image.padding = true;
    image.right = 33;
    refused(&source, &image, "right padding is 33; 0 to 32");
}

static void refused_target(const struct aipp_target *target, size_t n_settings, size_t bytes,
                           const char *wanted)
{
    static const uint8_t image[64];
    struct aipp_source source = source_of(AIPP_RGB888_U8, 2, 2);
    struct aipp_image settings[2] = {plain(), plain()};
    struct aispipe_error error = {0};
    assert_true(aipp_compute(&source, settings, n_settings, image, bytes, target, &error) < 0);
    if (!strstr(error.message, wanted))
        fail_msg("'%s' is not in: %s", wanted, error.message);
}

static void targets_that_do_not_fit(void **state)
{
    (void)state;
    float data[64];
    struct aipp_target target = {AISPIPE_INT32, false, 2, 3, 2, 2, data};
    refused_target(&target, 1, 24, "float32, float16 or uint8; the model wants int32");
    target.dtype = AISPIPE_FLOAT32;
    refused_target(&target, 0, 24, "AIPP is set for 0 images; the batch has 2");
    refused_target(&target, 1, 23, "2 images of 12 bytes are wanted; there are 23 bytes");
    target.channels = 1;
    refused_target(&target, 1, 24, "AIPP gives image 0 3 channels; the model wants 1");
    target.channels = 3;
    target.width = 3;
    refused_target(&target, 2, 24, "AIPP makes image 0 2 high and 2 wide; the model wants 2 and 3");
    target.width = 2;
    target.batch = 0;
    refused_target(&target, 1, 24, "the batch is 0; 1 to 65536");
}

/* ------------------------------------------------------------------ atc's file */

static struct aipp_file parsed(const char *text)
{
    struct aipp_file file;
    struct aispipe_error error = {0};
    if (aipp_file_parse(text, strlen(text), "a.cfg", &file, &error))
        fail_msg("%s", error.message);
    return file;
}

static void file_with_two_inputs(void **state)
{
    (void)state;
    struct aipp_file file =
        parsed("# cameras\naipp_op {\n aipp_mode: static\n related_input_rank: 1,\n input_format: "
               "\"XRGB8888_U8\";\n crop: true\n crop_size_w: 7\n padding: 1\n "
               "left_padding_size: 3\n padding_value: -1.5 min_chn_3: .5 var_reci_chn_0: 1e-2 }\n"
               "aipp_op { aipp_mode: static input_format: YUV400_U8 csc_switch: false }");
    assert_int_equal(file.count, 2);
    assert_int_equal(file.ops[0].input, 1);
    assert_int_equal(file.ops[0].mode, OM_AIPP_STATIC);
    assert_int_equal(file.ops[0].source.format, AIPP_XRGB8888_U8);
    assert_int_equal(file.ops[0].image.crop_width, 7);
    assert_int_equal(file.ops[0].image.left, 3);
    assert_true(file.ops[0].image.crop && file.ops[0].image.padding);
    assert_true(file.ops[0].image.padding_value == -1.5F && file.ops[0].image.min[3] == 0.5F);
    assert_true(file.ops[0].image.reciprocal[0] == 1e-2F && file.ops[0].image.reciprocal[1] == 1);
    assert_int_equal(file.ops[1].input, 0);
    assert_int_equal(file.ops[1].source.input_bias[0], 0); /* no csc: no defaults of it */
}

static void file_defaults_of_colours(void **state)
{
    (void)state;
    struct aipp_source yuv =
        parsed("aipp_op{aipp_mode:static input_format:YUV420SP_U8 csc_switch:true}").ops[0].source;
    static const int16_t to_rgb[3][3] = {{298, 516, 0}, {298, -100, -208}, {298, 0, 409}};
    assert_memory_equal(yuv.matrix, to_rgb, sizeof to_rgb);
    struct aipp_source rgb_source =
        parsed(
            "aipp_op{aipp_mode:static input_format:RGB888_U8 csc_switch:true matrix_r2c2:5 output_bias_1:0}")
            .ops[0]
            .source;
    static const int16_t to_yuv[3][3] = {{66, 129, 25}, {-38, -74, 112}, {112, -94, 5}};
    assert_memory_equal(rgb_source.matrix, to_yuv, sizeof to_yuv);
    assert_memory_equal(rgb_source.output_bias, ((const uint8_t[]){16, 0, 128}), 3);
}

static void files_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"", "there is no aipp_op"},
        {"aipp {", "line 1: found 'aipp'; 'aipp_op' is wanted"},
        {"aipp_op", "found ''; '{' is wanted"},
        {"aipp_op {\n", "line 2: found ''; a key or '}' is wanted"},
        {"aipp_op {\n crop }", "line 2: found '}'; ':' is wanted"},
        {"aipp_op {\n crop : }", "crop has no value"},
        {"aipp_op { aipp_mode : \"static\n }", "no closing quotation mark"},
        {"aipp_op { aipp_mode : \x01 }", "byte 0x01 has no meaning"},
        {"aipp_op { aipp_mode : dynamic max_src_image_size : 0 }", "max_src_image_size is '0'"},
        {"aipp_op { aipp_mode : static load_start_pos_w : 4096 }", "from 0 to 4095"},
        {"aipp_op { aipp_mode : static crop : 2 }", "crop is '2'; true or false"},
        {"aipp_op { aipp_mode : static min_chn_0 : nan }", "min_chn_0 is 'nan'"},
        {"aipp_op { aipp_mode : static rotation_angle : 1 }", "only 0 is accepted"},
        {"aipp_op { thisisakeywithaverylongnameindeedandmore : 1 }", "found 'thisisakey"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aipp_file file;
        struct aispipe_error error = {0};
        int rc = aipp_file_parse(cases[i].text, strlen(cases[i].text), "a.cfg", &file, &error);
        if (rc != AISPIPE_FORMAT || !strstr(error.message, cases[i].wanted) ||
            !strstr(error.message, "a.cfg"))
            fail_msg("%s: '%s' is not in: %s", cases[i].text, cases[i].wanted, error.message);
    }
    (void)parsed(
        "aipp_op { aipp_mode : static input_format : YUV400_U8 resize : false cpadding_value : 0.0 }");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(source_bytes),
        cmocka_unit_test(rgb),
        cmocka_unit_test(xrgb),
        cmocka_unit_test(yuv420),
        cmocka_unit_test(scale_crop_and_pad),
        cmocka_unit_test(colours),
        cmocka_unit_test(colours_of_rgb),
        cmocka_unit_test(half_precision),
        cmocka_unit_test(bytes_are_not_scaled),
        cmocka_unit_test(each_image_has_its_settings),
        cmocka_unit_test(impossible_settings),
        cmocka_unit_test(targets_that_do_not_fit),
        cmocka_unit_test(file_with_two_inputs),
        cmocka_unit_test(file_defaults_of_colours),
        cmocka_unit_test(files_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

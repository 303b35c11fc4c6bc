/* SPDX-License-Identifier: MIT */
/* Settings of simulated models that contradict themselves: neither written nor read. */
#include "unit.h"

#include "om_sample.h"

static void refused(const struct om_file *om, const char *wanted)
{
    struct aispipe_error error = {0};
    if (om_check(om, "m.om", &error) != AISPIPE_FORMAT || !strstr(error.message, wanted))
        fail_msg("'%s' is not in: %s", wanted, error.message);
}

static void inputs_that_are_wrong(void **state)
{
    (void)state;
    struct sample made;
    sample(&made)->n_inputs = 0;
    refused(&made.om, "0 inputs and 2 outputs");
    sample(&made)->n_outputs = OM_MAX_TENSORS + 1;
    refused(&made.om, "2 inputs and 65 outputs");
    sample(&made)->onnx_bytes = 0;
    refused(&made.om, "no ONNX model");
    sample(&made)->inputs[0].name[0] = 0;
    refused(&made.om, "input 0 has no printable name");
    sample(&made)->inputs[0].name[0] = '\n';
    refused(&made.om, "input 0 has no printable name");
    memset(sample(&made)->inputs[0].name, 'n', OM_NAME_MOST + 1);
    refused(&made.om, "input 0 has no printable name");
    sample(&made)->outputs[1].name[0] = 0;
    refused(&made.om, "output 1 has no printable name");
    (void)snprintf(sample(&made)->inputs[1].name, OM_NAME_MOST, "x");
    refused(&made.om, "two inputs are called 'x'");
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    sample(&made)->inputs[1].dtype = (enum aispipe_dtype)5;
    refused(&made.om, "no known element type");
    sample(&made)->inputs[1].rank = OM_MAX_RANK + 1;
    refused(&made.om, "has 17 dimensions");
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    sample(&made)->inputs[1].format = (enum om_format)3;
    refused(&made.om, "no known format");
    sample(&made)->inputs[1].dims[1] = 0;
    refused(&made.om, "dimension 1 is 0");
    dynamic(&sample(&made)->inputs[1], 1);
    refused(&made.om, "dimension 1 is -1, and the model is static");
    sample(&made)->inputs[1].high[1] = 6;
    refused(&made.om, "its range something else");
    (void)sample(&made);
    for (int i = 0; i < 4; i++)
        made.inputs[0].dims[i] = made.inputs[0].low[i] = made.inputs[0].high[i] = INT32_MAX;
    refused(&made.om, "the size of input 'x' overflows");
    sample(&made)->mode = OM_DYNAMIC_SHAPE;
    refused(&made.om, "no dimension of an input is -1");
    dynamic(&made.inputs[0], 0);
    made.inputs[0].low[0] = 3;
    made.inputs[0].high[0] = 2;
    refused(&made.om, "has the range 3~2");
}

static void gears_that_are_wrong(void **state)
{
    (void)state;
    struct sample made;
    (void)sample(&made);
    set_gears(&made, OM_STATIC, 2, 1, (const int64_t[]){1, 2});
    refused(&made.om, "2 gears, and the model is static");
    dynamic(&sample(&made)->inputs[0], 0);
    made.om.mode = OM_DYNAMIC_BATCH;
    refused(&made.om, "0 gears, and the model is dynamic_batch");
    set_gears(&made, OM_DYNAMIC_BATCH, 2, 2, (const int64_t[]){1, 2, 3, 4});
    refused(&made.om, "gears have 2 numbers; 1 are wanted");
    set_gears(&made, OM_DYNAMIC_BATCH, 2, 1, (const int64_t[]){4, 4});
    refused(&made.om, "gears 0 and 1 are the same");
    set_gears(&made, OM_DYNAMIC_BATCH, 2, 1, (const int64_t[]){4, -1});
    refused(&made.om, "gear 1 has -1");
    dynamic(&made.inputs[0], 1);
    refused(&made.om, "only the first dimension may be -1");
    set_gears(&made, OM_DYNAMIC_IMAGE_SIZE, 1, 2, (const int64_t[]){4, 5});
    refused(&made.om, "height and width, and nothing else");
    (void)sample(&made);
    dynamic(&made.inputs[1], 1);
    set_gears(&made, OM_DYNAMIC_DIMS, 1, 6, (const int64_t[]){2, 3, 9, 10, 2, 5});
    refused(&made.om, "gear 0 has 9 where dimension 2 of input 'x' is 8");
}

static void aipp_that_is_wrong(void **state)
{
    (void)state;
    struct sample made;
    static_aipp(&sample(&made)->inputs[0]);
    made.inputs[0].aipp_source.width = 12;
    refused(&made.om, "gives images of height 8 and width 12; the input has 8 and 10");
    made.inputs[0].aipp_source.width = 11;
    refused(&made.om, "wants even numbers");
    static_aipp(&sample(&made)->inputs[0]);
    made.inputs[0].aipp_source.format = AIPP_YUV400_U8;
    refused(&made.om, "gives 1 channels; the input has 3");
    made.inputs[0].dtype = AISPIPE_INT32;
    refused(&made.om, "the input has type int32");
    static_aipp(&sample(&made)->inputs[1]);
    refused(&made.om, "4 dimensions in NCHW or NHWC are wanted, it has 2 in ND");
    sample(&made)->inputs[0].aipp = OM_AIPP_DYNAMIC;
    refused(&made.om, "max_src_image_size is 0");
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    sample(&made)->inputs[0].aipp = (enum om_aipp)3;
    refused(&made.om, "no known kind of AIPP");
    static_aipp(&sample(&made)->inputs[0]);
    dynamic(&made.inputs[0], 2);
    dynamic(&made.inputs[0], 3);
    set_gears(&made, OM_DYNAMIC_IMAGE_SIZE, 2, 2, (const int64_t[]){8, 10, 9, 12});
    refused(&made.om, "gear 1: src_image_size_w and src_image_size_h are 12 and 9; YUV420SP_U8 wants even");
    made.inputs[0].aipp_image.crop = true;
    made.inputs[0].aipp_image.crop_width = made.inputs[0].aipp_image.crop_height = 4;
    refused(&made.om, "crop and padding need a fixed height and width");
    static_aipp(&sample(&made)->inputs[0]);
    dynamic(&made.inputs[1], 1);
    set_gears(&made, OM_DYNAMIC_DIMS, 1, 6, (const int64_t[]){2, 3, 8, 10, 2, 5});
    refused(&made.om, "which dynamic dims exclude");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_that_are_wrong),
        cmocka_unit_test(gears_that_are_wrong),
        cmocka_unit_test(aipp_that_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Image pre-processing in the simulated runtime: what is fed, what is set, what comes out. */
#include "unit.h"

#include "aclsim.h"

/** As aclsim_relu, 2 images of 1 channel, 2 high and 4 wide, from grey images with AIPP. */
static const char *model_with_aipp(enum om_aipp kind)
{
    static const int64_t dims[] = {2, 1, 2, 4};
    struct aispipe_error error = {.message = ""};
    struct om_file *om = NULL;
    const char *path = aclsim_relu("grey", OM_STATIC, 4, dims, OM_NCHW, 0, 0, NULL);
    if (om_read(path, &om, &error))
        fail_msg("%s", error.message);
    struct om_input *input = &om->inputs[0];
    input->aipp = kind;
    input->aipp_bytes_most = kind == OM_AIPP_DYNAMIC ? 2 * 4 * 6 : 0;
    aipp_defaults(&input->aipp_source, &input->aipp_image);
    input->aipp_source.format = AIPP_YUV400_U8;
    input->aipp_source.width = 4;
    input->aipp_source.height = 2;
    input->aipp_image.mean[0] = 3;
    input->aipp_image.reciprocal[0] = 0.5F;
    if (om_write(path, om, &error))
        fail_msg("%s", error.message);
    om_free(om);
    return path;
}

static void put_bytes(const struct loaded *model, size_t n)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)i;
    GOOD(aclrtMemcpy(aclsim_address(model->in, 0), n, bytes, n, ACL_MEMCPY_HOST_TO_DEVICE));
}

static void get_floats(const struct loaded *model, float values[16])
{
    GOOD(aclrtMemcpy(values, 64, aclsim_address(model->out, 0), 64, ACL_MEMCPY_DEVICE_TO_HOST));
}

static void test_static_aipp(void **state)
{
    float values[16];
    aclmdlInputAippType type = ACL_DATA_WITHOUT_AIPP;
    aclmdlIODims dims;
    size_t attached = 0;
    (void)state;
    aclsim_start();
    struct loaded model = aclsim_load_model(model_with_aipp(OM_AIPP_STATIC));
    GOOD(aclmdlGetAippType(model.id, 0, &type, &attached));
    assert_int_equal(type, ACL_DATA_WITH_STATIC_AIPP);
    assert_int_equal(acl.aclmdlGetNumInputs(model.desc), 1);
    assert_int_equal(acl.aclmdlGetInputSizeByIndex(model.desc, 0), 16);
    assert_int_equal(acl.aclmdlGetInputDataType(model.desc, 0), ACL_UINT8);
    GOOD(aclmdlGetInputDims(model.desc, 0, &dims));
    assert_int_equal(dims.dims[1], 1); /* N C H W of the model */
    GOOD(aclmdlGetInputDimsV2(model.desc, 0, &dims));
    assert_int_equal(dims.dims[1], 2); /* N H W C of the images */
    put_bytes(&model, 16);
    GOOD(aclmdlExecute(model.id, model.in, model.out));
    get_floats(&model, values);
    for (int i = 0; i < 16; i++)
        assert_float_equal(values[i], i > 3 ? (float)(i - 3) / 2 : 0, 0);
    aclsim_drop_model(&model);
    aclsim_stop();
}

/** Images of 6 by 4, cropped to 4 by 2 at a place of its own for each. */
static aclmdlAIPP *settings_for(uint64_t batch)
{
    aclmdlAIPP *aipp = acl.aclmdlCreateAIPP(batch);
    GOOD(aclmdlSetAIPPInputFormat(aipp, ACL_YUV400_U8));
    GOOD(aclmdlSetAIPPSrcImageSize(aipp, 6, 4));
    GOOD(aclmdlSetAIPPRbuvSwapSwitch(aipp, 0));
    GOOD(aclmdlSetAIPPAxSwapSwitch(aipp, 0));
    GOOD(aclmdlSetAIPPCscParams(aipp, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    for (uint64_t i = 0; i < batch; i++) {
        GOOD(aclmdlSetAIPPCropParams(aipp, 1, i ? 2 : 0, i ? 2 : 0, 4, 2, i));
        GOOD(aclmdlSetAIPPPaddingParams(aipp, 0, 0, 0, 0, 0, i));
        GOOD(aclmdlSetAIPPDtcPixelMean(aipp, (int16_t)(i + 1), 0, 0, 0, i));
        GOOD(aclmdlSetAIPPDtcPixelMin(aipp, 0, 0, 0, 0, i));
        GOOD(aclmdlSetAIPPPixelVarReci(aipp, 2, 1, 1, 1, i));
    }
    return aipp;
}

static void test_dynamic_aipp(void **state)
{
    float values[16];
    aclmdlInputAippType type = ACL_DATA_WITHOUT_AIPP;
    size_t attached = 0;
    size_t index = 0;
    (void)state;
    aclsim_start();
    struct loaded model = aclsim_load_model(model_with_aipp(OM_AIPP_DYNAMIC));
    GOOD(aclmdlGetInputIndexByName(model.desc, ACL_DYNAMIC_AIPP_NAME, &index));
    assert_int_equal(index, 1);
    GOOD(aclmdlGetAippType(model.id, 0, &type, &attached));
    assert_int_equal(type, ACL_DATA_WITH_DYNAMIC_AIPP);
    assert_int_equal(attached, 1);
    GOOD(aclmdlGetAippType(model.id, 1, &type, &attached));
    assert_int_equal(type, ACL_DYNAMIC_AIPP_NODE);
    assert_int_equal(acl.aclmdlGetInputSizeByIndex(model.desc, 0), 48);

    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH,
           "aclmdlSetInputAIPP first");
    aclmdlAIPP *one = settings_for(1);
    GOOD(aclmdlSetInputAIPP(model.id, model.in, 1, one));
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "for 1 images");
    aclmdlAIPP *two = settings_for(2);
    MISUSE(aclmdlSetInputAIPP(model.id, model.in, 0, two), ACL_ERROR_INVALID_PARAM, "index 0");
    MISUSE(aclmdlSetAIPPDtcPixelMean(two, 0, 0, 0, 0, 2), ACL_ERROR_INVALID_PARAM, "batch index 2 of 2");
    GOOD(aclmdlSetInputAIPP(model.id, model.in, 1, two));
    GOOD(aclmdlDestroyAIPP(one));
    GOOD(aclmdlDestroyAIPP(two)); /* what was set is a copy */
    MISUSE(aclmdlDestroyAIPP(two), ACL_ERROR_INVALID_PARAM, "destroyed before");

    put_bytes(&model, 48);
    GOOD(aclmdlExecute(model.id, model.in, model.out));
    get_floats(&model, values);
    for (int image = 0; image < 2; image++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 4; x++) {
                int pixel = image * 24 + (y + 2 * image) * 6 + x + 2 * image;
                float want = (float)(pixel - (image + 1)) * 2;
                assert_float_equal(values[image * 8 + y * 4 + x], want > 0 ? want : 0, 0);
            }
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_settings_that_cannot_be(void **state)
{
    (void)state;
    aclsim_start();
    struct loaded model = aclsim_load_model(model_with_aipp(OM_AIPP_DYNAMIC));
    aclmdlAIPP *aipp = acl.aclmdlCreateAIPP(2);
    MISUSE(aclmdlSetInputAIPP(model.id, model.in, 1, aipp), ACL_ERROR_INVALID_PARAM,
           "aclmdlSetAIPPInputFormat");
    aclAippInputFormat unknown; /* what newer releases have */
    memcpy(&unknown, &(int){9}, sizeof unknown);
    REFUSED(aclmdlSetAIPPInputFormat(aipp, unknown), ACL_ERROR_API_NOT_SUPPORT, "format 9");
    REFUSED(aclmdlSetAIPPSrcImageSize(aipp, 5000, 2), ACL_ERROR_INVALID_PARAM, "5000 x 2");
    MISUSE(aclmdlSetAIPPRbuvSwapSwitch(aipp, 2), ACL_ERROR_INVALID_PARAM, "switch 2");
    GOOD(aclmdlSetAIPPInputFormat(aipp, ACL_YUV400_U8));
    GOOD(aclmdlSetAIPPSrcImageSize(aipp, 6, 4));
    GOOD(aclmdlSetAIPPCropParams(aipp, 1, 4, 0, 4, 2, 0));
    REFUSED(aclmdlSetInputAIPP(model.id, model.in, 1, aipp), ACL_ERROR_INVALID_PARAM, "image 0");
    GOOD(aclmdlSetAIPPCropParams(aipp, 0, 0, 0, 0, 0, 0));
    GOOD(aclmdlSetAIPPSrcImageSize(aipp, 60, 40));
    REFUSED(aclmdlSetInputAIPP(model.id, model.in, 1, aipp), ACL_ERROR_INVALID_PARAM, "the model allows 48");
    GOOD(aclmdlDestroyAIPP(aipp));
    aclsim_drop_model(&model);
    aclsim_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_static_aipp),
        cmocka_unit_test(test_dynamic_aipp),
        cmocka_unit_test(test_settings_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

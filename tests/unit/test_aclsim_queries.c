/* SPDX-License-Identifier: MIT */
/* What the simulated runtime answers to questions: about itself, about types, and about models without gears.
 */
#include "unit.h"

#include "aclsim.h"

#include <math.h>
#include <pthread.h>

static int64_t dims[] = {2, 3};

static void test_before_any_device(void **state)
{
    (void)state;
    int32_t version[3] = {-1, -1, -1};
    aclrtRunMode mode = ACL_DEVICE;
    aclsim_load();
    GOOD(aclrtGetVersion(&version[0], &version[1], &version[2]));
    assert_true(version[0] >= 1 && version[1] >= 0 && version[2] >= 0);
    GOOD(aclInit(""));
    GOOD(aclrtSetDeviceSatMode(ACL_RT_OVERFLOW_MODE_SATURATION));
    MISUSE(aclrtSetDeviceSatMode((aclrtFloatOverflowMode)3), ACL_ERROR_INVALID_PARAM, "mode 3");
    GOOD(aclrtGetRunMode(&mode));
    assert_int_equal(mode, ACL_HOST);
    assert_non_null(acl.aclrtGetSocName());
    GOOD(aclFinalize());
    aclsim_unload();
}

static void test_types(void **state)
{
    static const struct {
        aclDataType type;
        size_t size;
    } types[] = {{ACL_FLOAT, 4},       {ACL_FLOAT16, 2},     {ACL_INT8, 1},   {ACL_INT32, 4},
                 {ACL_UINT8, 1},       {ACL_INT16, 2},       {ACL_UINT16, 2}, {ACL_UINT32, 4},
                 {ACL_INT64, 8},       {ACL_UINT64, 8},      {ACL_DOUBLE, 8}, {ACL_BOOL, 1},
                 {ACL_COMPLEX64, 8},   {ACL_COMPLEX128, 16}, {ACL_BF16, 2},   {ACL_COMPLEX32, 4},
                 {ACL_DT_UNDEFINED, 0}};
    (void)state;
    aclsim_load();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        assert_int_equal(acl.aclDataTypeSize(types[i].type), types[i].size);
    assert_float_equal(acl.aclFloat16ToFloat(0x3c00), 1, 0);
    assert_float_equal(acl.aclFloat16ToFloat(0xc100), -2.5, 0);
    assert_float_equal(acl.aclFloat16ToFloat(0x0001), 5.9604644775390625e-8, 0);
    assert_float_equal(acl.aclFloat16ToFloat(0x7bff), 65504, 0);
    assert_true(isinf(acl.aclFloat16ToFloat(0xfc00)) && isnan(acl.aclFloat16ToFloat(0x7e00)));
    aclsim_unload();
}

static void test_tensor_descs(void **state)
{
    (void)state;
    int64_t dim = 0;
    aclsim_start();
    aclTensorDesc *desc = acl.aclCreateTensorDesc(ACL_FLOAT16, 2, dims, ACL_FORMAT_NHWC);
    assert_int_equal(acl.aclGetTensorDescType(desc), ACL_FLOAT16);
    assert_int_equal(acl.aclGetTensorDescFormat(desc), ACL_FORMAT_NHWC);
    assert_int_equal(acl.aclGetTensorDescNumDims(desc), 2);
    assert_int_equal(acl.aclGetTensorDescSize(desc), 12);
    GOOD(aclGetTensorDescDimV2(desc, 1, &dim));
    assert_int_equal(dim, 3);
    assert_null(acl.aclGetTensorDescAddress(desc)); /* only an operator that failed has one */
    acl.aclDestroyTensorDesc(desc);
    aclsim_stop();
}

/* Queries for gears succeed with none, and the dims are the shape. */
static void test_model_without_gears(void **state)
{
    (void)state;
    aclmdlBatch batch = {.batchCount = 7};
    aclmdlHW hw = {.hwCount = 7};
    size_t gears = 7;
    size_t attached = 7;
    aclmdlInputAippType aipp = ACL_DYNAMIC_AIPP_NODE;
    aclmdlIODims shape[4];
    aclsim_start();
    struct loaded model = aclsim_load_model(aclsim_relu("plain", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL));
    assert_int_equal(acl.aclmdlGetNumInputs(model.desc), 1);
    assert_int_equal(acl.aclmdlGetInputFormat(model.desc, 0), ACL_FORMAT_ND);
    assert_int_equal(acl.aclmdlGetOutputFormat(model.desc, 0), ACL_FORMAT_ND);
    assert_int_equal(acl.aclmdlGetInputDataType(model.desc, 0), ACL_FLOAT);
    assert_int_equal(acl.aclmdlGetOutputDataType(model.desc, 0), ACL_FLOAT);
    GOOD(aclmdlGetInputDims(model.desc, 0, &shape[0]));
    GOOD(aclmdlGetInputDimsV2(model.desc, 0, &shape[1]));
    GOOD(aclmdlGetOutputDims(model.desc, 0, &shape[2]));
    GOOD(aclmdlGetCurOutputDims(model.desc, 0, &shape[3]));
    for (int i = 0; i < 4; i++)
        assert_true(shape[i].dimCount == 2 && shape[i].dims[0] == 2 && shape[i].dims[1] == 3);
    GOOD(aclmdlGetDynamicBatch(model.desc, &batch));
    GOOD(aclmdlGetDynamicHW(model.desc, (size_t)-1, &hw));
    GOOD(aclmdlGetInputDynamicGearCount(model.desc, (size_t)-1, &gears));
    assert_true(batch.batchCount == 0 && hw.hwCount == 0 && gears == 0);
    GOOD(aclmdlGetAippType(model.id, 0, &aipp, &attached));
    assert_int_equal(aipp, ACL_DATA_WITHOUT_AIPP);
    MISUSE(aclmdlSetDynamicBatchSize(model.id, model.in, 0, 2), ACL_ERROR_MODEL_NOT_DYNAMIC, "static");
    aclsim_drop_model(&model);
    aclsim_stop();
}

/* Before a gear is set the current dims are the largest; afterwards they are the gear's. */
static void test_model_with_gears(void **state)
{
    (void)state;
    static int64_t open[] = {-1, 3};
    int64_t batches[] = {1, 4, 2};
    aclmdlBatch batch;
    aclmdlIODims shape;
    size_t gears = 7;
    size_t hidden = 7;
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("geared", OM_DYNAMIC_BATCH, 2, open, OM_ND, 3, 1, batches));
    GOOD(aclmdlGetDynamicBatch(model.desc, &batch));
    assert_true(batch.batchCount == 3 && batch.batch[1] == 4);
    GOOD(aclmdlGetInputDynamicGearCount(model.desc, (size_t)-1, &gears));
    assert_int_equal(gears, 0); /* these are the gears of dimensions */
    GOOD(aclmdlGetInputIndexByName(model.desc, ACL_DYNAMIC_TENSOR_NAME, &hidden));
    assert_int_equal(hidden, 1);
    GOOD(aclmdlGetOutputDims(model.desc, 0, &shape));
    assert_int_equal(shape.dims[0], -1);
    GOOD(aclmdlGetCurOutputDims(model.desc, 0, &shape));
    assert_int_equal(shape.dims[0], 4);
    GOOD(aclmdlSetDynamicBatchSize(model.id, model.in, hidden, 2));
    GOOD(aclmdlGetCurOutputDims(model.desc, 0, &shape));
    assert_int_equal(shape.dims[0], 2);
    REFUSED(aclmdlSetDynamicBatchSize(model.id, model.in, hidden, 3), ACL_ERROR_INVALID_PARAM,
            "no such gear");
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void *release(void *memory)
{
    void **both = memory;
    aclrtContext mine = NULL;
    REFUSED(aclrtGetCurrentContext(&mine), ACL_ERROR_RT_CONTEXT_NULL, "no current context");
    GOOD(aclrtFree(both[0]));
    GOOD(aclrtFreeHost(both[1]));
    return NULL;
}

static void test_memory_is_freed_without_a_context(void **state)
{
    (void)state;
    void *both[2] = {NULL, NULL};
    pthread_t thread;
    size_t free_before = 0;
    size_t free_now = 0;
    size_t total = 0;
    aclsim_start();
    GOOD(aclrtGetMemInfo(ACL_HBM_MEM, &free_before, &total));
    assert_int_equal(free_before, total);
    GOOD(aclrtMalloc(&both[0], 4096, ACL_MEM_MALLOC_NORMAL_ONLY));
    GOOD(aclrtMallocHost(&both[1], 4096));
    GOOD(aclrtGetMemInfo(ACL_HBM_MEM, &free_now, &total));
    assert_true(free_now <= free_before - 4096);
    assert_int_equal(pthread_create(&thread, NULL, release, both), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    GOOD(aclrtGetMemInfo(ACL_DDR_MEM, &free_now, &total));
    assert_int_equal(free_now, free_before);
    aclsim_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_any_device), cmocka_unit_test(test_types),
        cmocka_unit_test(test_tensor_descs),      cmocka_unit_test(test_model_without_gears),
        cmocka_unit_test(test_model_with_gears),  cmocka_unit_test(test_memory_is_freed_without_a_context),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

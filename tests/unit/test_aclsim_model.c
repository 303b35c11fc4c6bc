/* SPDX-License-Identifier: MIT */
/* The simulated runtime executes models of every mode, and says what each takes and gives. */
#include "unit.h"

#include "aclsim.h"

static const int64_t static_dims[] = {2, 3};
static const int64_t batch_dims[] = {-1, 3};
static const int64_t image_dims[] = {1, 1, -1, -1};

static const char *static_model(void)
{
    return aclsim_relu("static", OM_STATIC, 2, static_dims, OM_ND, 0, 0, NULL);
}

static void test_static(void **state)
{
    (void)state;
    aclsim_start();
    const char *path = static_model();
    struct loaded model = aclsim_load_model(path);
    aclmdlIODims dims;
    assert_int_equal(acl.aclmdlGetNumInputs(model.desc), 1);
    assert_int_equal(acl.aclmdlGetNumOutputs(model.desc), 1);
    assert_int_equal(acl.aclmdlGetInputSizeByIndex(model.desc, 0), 24);
    assert_int_equal(acl.aclmdlGetOutputSizeByIndex(model.desc, 0), 24);
    assert_string_equal(acl.aclmdlGetInputNameByIndex(model.desc, 0), "x");
    assert_string_equal(acl.aclmdlGetOutputNameByIndex(model.desc, 0), "y");
    assert_int_equal(acl.aclmdlGetInputDataType(model.desc, 0), ACL_FLOAT);
    GOOD(aclmdlGetCurOutputDims(model.desc, 0, &dims));
    assert_int_equal(dims.dimCount, 2);
    assert_int_equal(dims.dims[1], 3);
    aclmdlBatch batch = {.batchCount = 9};
    GOOD(aclmdlGetDynamicBatch(model.desc, &batch));
    assert_int_equal(batch.batchCount, 0);
    for (int i = 0; i < 3; i++) {
        aclsim_put(&model, 6);
        GOOD(aclmdlExecute(model.id, model.in, model.out));
        aclsim_check(&model, 6);
    }
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_shared_weights(void **state)
{
    (void)state;
    size_t work = 0;
    size_t weight = 0;
    void *memory[3];
    uint32_t ids[2];
    aclsim_start();
    const char *path = static_model();
    GOOD(aclmdlQuerySize(path, &work, &weight));
    GOOD(aclrtMalloc(&memory[0], work, ACL_MEM_MALLOC_HUGE_FIRST));
    GOOD(aclrtMalloc(&memory[1], work, ACL_MEM_MALLOC_HUGE_FIRST));
    GOOD(aclrtMalloc(&memory[2], weight, ACL_MEM_MALLOC_HUGE_FIRST));
    for (int i = 0; i < 2; i++)
        GOOD(aclmdlLoadFromFileWithMem(path, &ids[i], memory[i], work, memory[2], weight));
    for (int i = 0; i < 2; i++)
        GOOD(aclmdlUnload(ids[i]));
    for (int i = 0; i < 3; i++)
        GOOD(aclrtFree(memory[i]));
    aclsim_stop();
}

static void test_dynamic_batch(void **state)
{
    (void)state;
    int64_t gears[] = {1, 2, 8};
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("batch", OM_DYNAMIC_BATCH, 2, batch_dims, OM_ND, 3, 1, gears));
    size_t hidden = 0;
    aclmdlBatch batch;
    aclmdlIODims dims;
    GOOD(aclmdlGetInputIndexByName(model.desc, ACL_DYNAMIC_TENSOR_NAME, &hidden));
    assert_int_equal(hidden, 1);
    assert_int_equal(acl.aclmdlGetNumInputs(model.desc), 2);
    assert_int_equal(acl.aclmdlGetInputSizeByIndex(model.desc, 0), 8 * 3 * 4);
    GOOD(aclmdlGetInputDims(model.desc, 0, &dims));
    assert_int_equal(dims.dims[0], -1);
    GOOD(aclmdlGetDynamicBatch(model.desc, &batch));
    assert_int_equal(batch.batchCount, 3);
    assert_int_equal(batch.batch[2], 8);
    GOOD(aclmdlGetCurOutputDims(model.desc, 0, &dims));
    assert_int_equal(dims.dims[0], 8);
    for (int i = 0; i < 3; i++) {
        size_t n = (size_t)gears[i] * 3;
        aclsim_resize(model.in, 0, n * 4);
        GOOD(aclmdlSetDynamicBatchSize(model.id, model.in, hidden, (uint64_t)gears[i]));
        aclsim_put(&model, n);
        GOOD(aclmdlExecute(model.id, model.in, model.out));
        aclsim_check(&model, n);
        GOOD(aclmdlGetCurOutputDims(model.desc, 0, &dims));
        assert_int_equal(dims.dims[0], gears[i]);
    }
    REFUSED(aclmdlSetDynamicBatchSize(model.id, model.in, hidden, 3), ACL_ERROR_INVALID_PARAM,
            "no such gear");
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_gear_misuse(void **state)
{
    (void)state;
    int64_t gears[] = {1, 2};
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("batch", OM_DYNAMIC_BATCH, 2, batch_dims, OM_ND, 2, 1, gears));
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "no gear was set");
    MISUSE(aclmdlSetDynamicBatchSize(model.id, model.in, 0, 1), ACL_ERROR_INVALID_PARAM, "index 0");
    MISUSE(aclmdlSetDynamicHWSize(model.id, model.in, 1, 1, 1), ACL_ERROR_MODEL_NOT_DYNAMIC, "dynamic_batch");
    GOOD(aclmdlSetDynamicBatchSize(model.id, model.in, 1, 1));
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "has 24 bytes");
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "since its last");
    aclsim_drop_model(&model);
    struct loaded fixed = aclsim_load_model(static_model());
    MISUSE(aclmdlSetDynamicBatchSize(fixed.id, fixed.in, 0, 1), ACL_ERROR_MODEL_NOT_DYNAMIC, "static");
    aclsim_drop_model(&fixed);
    aclsim_stop();
}

/** The gear lies in a buffer that the device reads: it must not change under an execution. */
static void test_gear_while_executing(void **state)
{
    int64_t gears[] = {1, 2};
    aclrtStream stream = NULL;
    (void)state;
    aclsim_set("COMPUTE_US", "50000");
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("batch", OM_DYNAMIC_BATCH, 2, batch_dims, OM_ND, 2, 1, gears));
    GOOD(aclrtCreateStream(&stream));
    GOOD(aclmdlSetDynamicBatchSize(model.id, model.in, 1, 2));
    GOOD(aclmdlExecuteAsync(model.id, model.in, model.out, stream));
    MISUSE(aclmdlSetDynamicBatchSize(model.id, model.in, 1, 1), ACL_ERROR_INVALID_PARAM, "is not done");
    MISUSE(aclmdlDestroyDataset(model.out), ACL_ERROR_INVALID_PARAM, "is not done");
    MISUSE(aclmdlUnload(model.id), ACL_ERROR_INVALID_PARAM, "is not done");
    GOOD(aclrtSynchronizeStream(stream));
    GOOD(aclrtDestroyStream(stream));
    aclsim_drop_model(&model);
    aclsim_stop();
    aclsim_set("COMPUTE_US", NULL);
}

static void test_dynamic_image_size(void **state)
{
    (void)state;
    int64_t gears[] = {2, 3, 4, 5};
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("image", OM_DYNAMIC_IMAGE_SIZE, 4, image_dims, OM_NCHW, 2, 2, gears));
    aclmdlHW hw;
    aclmdlIODims dims;
    GOOD(aclmdlGetDynamicHW(model.desc, SIZE_MAX, &hw));
    assert_int_equal(hw.hwCount, 2);
    assert_int_equal(hw.hw[1][0], 4);
    assert_int_equal(hw.hw[1][1], 5);
    assert_int_equal(acl.aclmdlGetInputSizeByIndex(model.desc, 0), 80);
    aclsim_resize(model.in, 0, 24);
    GOOD(aclmdlSetDynamicHWSize(model.id, model.in, 1, 2, 3));
    aclsim_put(&model, 6);
    GOOD(aclmdlExecute(model.id, model.in, model.out));
    aclsim_check(&model, 6);
    GOOD(aclmdlGetCurOutputDims(model.desc, 0, &dims));
    assert_int_equal(dims.dims[2], 2);
    assert_int_equal(dims.dims[3], 3);
    REFUSED(aclmdlSetDynamicHWSize(model.id, model.in, 1, 3, 2), ACL_ERROR_INVALID_PARAM, "no such gear");
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_dynamic_dims(void **state)
{
    (void)state;
    int64_t gears[] = {1, 1, 7, 2, 1, 1, 3, 9};
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("dims", OM_DYNAMIC_DIMS, 4, image_dims, OM_ND, 2, 4, gears));
    aclmdlIODims dims[2];
    size_t count = 0;
    GOOD(aclmdlGetInputDynamicGearCount(model.desc, SIZE_MAX, &count));
    assert_int_equal(count, 2);
    GOOD(aclmdlGetInputDynamicDims(model.desc, SIZE_MAX, dims, 2));
    assert_int_equal(dims[1].dimCount, 4);
    assert_int_equal(dims[1].dims[3], 9);
    GOOD(aclmdlSetInputDynamicDims(model.id, model.in, 1, &dims[0]));
    aclsim_resize(model.in, 0, 56);
    aclsim_put(&model, 14);
    GOOD(aclmdlExecute(model.id, model.in, model.out));
    aclsim_check(&model, 14);
    dims[0].dims[2] = 8;
    REFUSED(aclmdlSetInputDynamicDims(model.id, model.in, 1, &dims[0]), ACL_ERROR_INVALID_PARAM,
            "no such gear");
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_dynamic_shape(void **state)
{
    (void)state;
    aclsim_start();
    struct loaded model =
        aclsim_load_model(aclsim_relu("shape", OM_DYNAMIC_SHAPE, 2, batch_dims, OM_ND, 0, 0, NULL));
    assert_int_equal(acl.aclmdlGetOutputSizeByIndex(model.desc, 0), 0);
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "no tensor desc");
    for (int64_t n = 1; n < 40; n += 13) {
        int64_t dims[] = {n, 3};
        aclTensorDesc *desc = acl.aclCreateTensorDesc(ACL_FLOAT, 2, dims, ACL_FORMAT_ND);
        GOOD(aclmdlSetDatasetTensorDesc(model.in, desc, 0));
        aclsim_resize(model.in, 0, (size_t)n * 12);
        aclsim_put(&model, (size_t)n * 3);
        GOOD(aclmdlExecute(model.id, model.in, model.out));
        aclsim_check(&model, (size_t)n * 3);
        aclTensorDesc *result = acl.aclmdlGetDatasetTensorDesc(model.out, 0);
        int64_t dim = 0;
        assert_int_equal(acl.aclGetTensorDescSize(result), n * 12);
        assert_int_equal(acl.aclGetTensorDescNumDims(result), 2);
        GOOD(aclGetTensorDescDimV2(result, 0, &dim));
        assert_int_equal(dim, n);
        acl.aclDestroyTensorDesc(desc);
    }
    int64_t dims[] = {2, 4};
    aclTensorDesc *desc = acl.aclCreateTensorDesc(ACL_FLOAT, 2, dims, ACL_FORMAT_ND);
    GOOD(aclmdlSetDatasetTensorDesc(model.in, desc, 0));
    REFUSED(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "dimension 1");
    acl.aclDestroyTensorDesc(desc);
    aclsim_resize(model.out, 0, 8);
    dims[1] = 3;
    desc = acl.aclCreateTensorDesc(ACL_FLOAT, 2, dims, ACL_FORMAT_ND);
    GOOD(aclmdlSetDatasetTensorDesc(model.in, desc, 0));
    aclsim_resize(model.in, 0, 24);
    REFUSED(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_OUTPUT_NOT_MATCH, "takes 24 bytes");
    acl.aclDestroyTensorDesc(desc);
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_not_a_model(void **state)
{
    (void)state;
    uint32_t id;
    aclsim_start();
    temp_write(&dir, "bad.om", "something else", 14);
    REFUSED(aclmdlLoadFromFile(temp_path(&dir, "bad.om"), &id), ACL_ERROR_PARSE_MODEL, "bad.om");
    REFUSED(aclmdlLoadFromFile(temp_path(&dir, "none.om"), &id), ACL_ERROR_READ_MODEL_FAILURE, "none.om");
    aclsim_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_shared_weights),
        cmocka_unit_test(test_dynamic_batch),
        cmocka_unit_test(test_gear_misuse),
        cmocka_unit_test(test_gear_while_executing),
        cmocka_unit_test(test_dynamic_image_size),
        cmocka_unit_test(test_dynamic_dims),
        cmocka_unit_test(test_dynamic_shape),
        cmocka_unit_test(test_not_a_model),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

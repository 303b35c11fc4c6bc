/* SPDX-License-Identifier: MIT */
/* What the simulated runtime is told to do: settings, faults, an operator that fails, counts of calls. */
#include "unit.h"

#include "aclsim.h"

static const int64_t dims[] = {2, 3};

static const char *relu(void)
{
    return aclsim_relu("relu", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL);
}

static void test_nth_call_fails(void **state)
{
    void *memory[3];
    (void)state;
    aclsim_set("FAULTS", "aclrtMalloc:2:207001,aclrtFree:1:507000,aclmdlCreateDataset:1:1");
    aclsim_start();
    GOOD(aclrtMalloc(&memory[0], 64, ACL_MEM_MALLOC_HUGE_FIRST));
    REFUSED(aclrtMalloc(&memory[1], 64, ACL_MEM_MALLOC_HUGE_FIRST), 207001, "call 2 of it");
    GOOD(aclrtMalloc(&memory[1], 64, ACL_MEM_MALLOC_HUGE_FIRST));
    REFUSED(aclrtFree(memory[0]), 507000, "aclrtFree: call 1"); /* it is freed all the same */
    MISUSE(aclrtFree(memory[0]), ACL_ERROR_RT_PARAM_INVALID, "freed before");
    GOOD(aclrtFree(memory[1]));
    assert_null(acl.aclmdlCreateDataset());
    aclsim_stop();
    aclsim_set("FAULTS", NULL);
}

static void test_start_fails(void **state)
{
    (void)state;
    aclsim_set("FAULTS", "aclInit:1:507000");
    aclsim_load();
    REFUSED(aclInit(NULL), 507000, "aclInit: call 1");
    aclsim_unload();
    aclsim_set("FAULTS", NULL);
}

static void test_wrong_settings(void **state)
{
    static const char *const faults[] = {"aclNothing:1:2", "aclInit", "aclInit:0:1", "aclInit:1:1;"};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        aclsim_set("FAULTS", faults[i]);
        aclsim_load();
        assert_int_equal(acl.aclInit(NULL), ACL_ERROR_INVALID_PARAM);
        assert_non_null(strstr(acl.aclGetRecentErrMsg(), "settings are wrong"));
        aclsim_unload();
    }
    aclsim_set("FAULTS", NULL);
    aclsim_set("DEVICES", "two");
    aclsim_load();
    assert_int_equal(acl.aclInit(NULL), ACL_ERROR_INVALID_PARAM);
    assert_non_null(strstr(acl.aclGetRecentErrMsg(), "'two' is not a number"));
    aclsim_unload();
    aclsim_set("DEVICES", NULL);
}

static void test_settings_file(void **state)
{
    static const char text[] = "{\"devices\": 3, \"memory\": 4096, \"h2d_us\": 1, "
                               "\"faults\": [{\"call\": \"aclrtSetDevice\", \"n\": 1, \"code\": 42}]}";
    uint32_t count = 0;
    (void)state;
    temp_write(&dir, "sim.json", text, sizeof text - 1);
    aclsim_set("CONFIG", temp_path(&dir, "sim.json"));
    aclsim_load();
    GOOD(aclInit(NULL));
    GOOD(aclrtGetDeviceCount(&count));
    assert_int_equal(count, 3);
    REFUSED(aclrtSetDevice(0), 42, "settings say so");
    GOOD(aclrtSetDevice(2));
    GOOD(aclrtResetDevice(2));
    GOOD(aclFinalize());
    aclsim_unload();
    temp_write(&dir, "sim.json", "{\"colour\": 1}", 13);
    aclsim_load();
    assert_int_equal(acl.aclInit(NULL), ACL_ERROR_INVALID_PARAM);
    assert_non_null(strstr(acl.aclGetRecentErrMsg(), "'colour'"));
    aclsim_unload();
    aclsim_set("CONFIG", NULL);
}

/* The file of aclInit: a refused one starts nothing, so that the next may. */
static void test_configuration(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *key;
    } bad[] = {
        {"{", ACL_ERROR_PARSE_FILE, "no JSON"},
        {"[1]", ACL_ERROR_PARSE_FILE, "no JSON"},
        {"{\"dump\": {}}", ACL_ERROR_INVALID_DUMP_CONFIG, "dump_path"},
        {"{\"dump\": {\"dump_path\": \"/none/such\"}}", ACL_ERROR_INVALID_DUMP_CONFIG, "dump_path"},
        {"{\"dump\": {\"dump_path\": \"/\", \"dump_mode\": \"in\"}}", ACL_ERROR_INVALID_DUMP_CONFIG,
         "dump_mode"},
        {"{\"dump\": {\"dump_path\": \"/\", \"dump_list\": []}}", ACL_ERROR_INVALID_DUMP_CONFIG, "dump_list"},
        {"{\"dump\": {\"dump_path\": \"/\", \"dump_list\": [{}]}}", ACL_ERROR_INVALID_DUMP_CONFIG,
         "model_name"},
        {"{\"profiler\": {}}", ACL_ERROR_INVALID_PROFILING_CONFIG, "switch"},
        {"{\"profiler\": {\"switch\": \"on\", \"output\": \"/none/such\"}}",
         ACL_ERROR_INVALID_PROFILING_CONFIG, "output"},
    };
    static const char good[] = "{\"dump\": {\"dump_path\": \"/\", \"dump_list\": [{\"model_name\": \"m\"}]}, "
                               "\"profiler\": {\"switch\": \"on\", \"output\": \"/\"}}";
    char path[PATH_MAX], text[PATH_MAX + 16] = "", wanted[PATH_MAX + 16];
    (void)state;
    (void)snprintf(path, sizeof path, "%s", temp_path(&dir, "acl.json"));
    aclsim_set("INIT", temp_path(&dir, "init"));
    aclsim_load();
    REFUSED(aclInit(path), ACL_ERROR_INVALID_FILE, "cannot be opened");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        temp_write(&dir, "acl.json", bad[i].text, strlen(bad[i].text));
        REFUSED(aclInit(path), bad[i].code, bad[i].key);
    }
    temp_write(&dir, "acl.json", good, strlen(good));
    GOOD(aclInit(path));
    GOOD(aclFinalize());
    aclsim_unload();
    FILE *file = fopen(temp_path(&dir, "init"), "re");
    assert_non_null(file);
    if (file) {
        assert_true(fread(text, 1, sizeof text - 1, file) > 0);
        (void)fclose(file);
    }
    (void)snprintf(wanted, sizeof wanted, "%s\n", path);
    assert_string_equal(text, wanted);
    aclsim_set("INIT", NULL);
}

/* ---------------------------------------------------------------- an operator that fails */

static struct {
    int fired;
    uint32_t code, device;
    char operator[256];
    size_t n_in, n_out, bytes;
} seen;

static void on_exception(aclrtExceptionInfo *info)
{
    aclTensorDesc *in = NULL;
    aclTensorDesc *out = NULL;
    uint32_t stream = acl.aclrtGetStreamIdFromExceptionInfo(info);
    uint32_t task = acl.aclrtGetTaskIdFromExceptionInfo(info);
    seen.fired++;
    seen.code = acl.aclrtGetErrorCodeFromExceptionInfo(info);
    seen.device = acl.aclrtGetDeviceIdFromExceptionInfo(info);
    GOOD(aclmdlCreateAndGetOpDesc(seen.device, stream, task, seen.operator, sizeof seen.operator, & in,
                                  &seen.n_in, &out, &seen.n_out));
    seen.bytes = acl.aclGetTensorDescSize(acl.aclGetTensorDescByIndex(out, 0));
}

static void test_operator_fails(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    aclsim_set("EXCEPTION", "2");
    aclsim_start();
    GOOD(aclrtSetExceptionInfoCallback(on_exception));
    struct loaded model = aclsim_load_model(relu());
    GOOD(aclmdlExecute(model.id, model.in, model.out));
    REFUSED(aclmdlExecute(model.id, model.in, model.out), 507015, "aclmdlExecute: an operator of model 1");
    assert_int_equal(seen.fired, 1);
    assert_int_equal(seen.code, 507015);
    assert_int_equal(seen.device, 0);
    assert_string_equal(seen.operator, "relu/operator");
    assert_int_equal(seen.n_in, 1);
    assert_int_equal(seen.n_out, 1);
    assert_int_equal(seen.bytes, 24);
    GOOD(aclmdlExecute(model.id, model.in, model.out));
    aclsim_drop_model(&model);
    aclsim_stop();
}

/** In a stream: told when the stream is waited for; what was queued behind it does not run. */
static void test_operator_fails_later(void **state)
{
    aclrtStream stream = NULL;
    (void)state;
    memset(&seen, 0, sizeof seen);
    aclsim_set("EXCEPTION", "1");
    aclsim_start();
    GOOD(aclrtSetExceptionInfoCallback(on_exception));
    struct loaded model = aclsim_load_model(relu());
    GOOD(aclrtCreateStream(&stream));
    GOOD(aclmdlExecuteAsync(model.id, model.in, model.out, stream));
    REFUSED(aclrtSynchronizeStream(stream), 507015, "aclmdlExecuteAsync: an operator of model 1");
    assert_int_equal(seen.fired, 1);
    GOOD(aclrtSynchronizeStream(stream));
    GOOD(aclrtDestroyStream(stream));
    aclsim_drop_model(&model);
    aclsim_stop();
    aclsim_set("EXCEPTION", NULL);
}

/** Waiting "fails" after it has waited: what comes next is no misuse for having been too early. */
static void test_failed_wait_has_waited(void **state)
{
    aclrtStream stream = NULL;
    void *host = NULL;
    void *device = NULL;
    (void)state;
    aclsim_set("H2D_US", "50000");
    aclsim_set("FAULTS", "aclrtSynchronizeStream:1:507000");
    aclsim_start();
    GOOD(aclrtCreateStream(&stream));
    GOOD(aclrtMallocHost(&host, 64));
    memset(host, 0, 64);
    GOOD(aclrtMalloc(&device, 64, ACL_MEM_MALLOC_HUGE_FIRST));
    GOOD(aclrtMemcpyAsync(device, 64, host, 64, ACL_MEMCPY_HOST_TO_DEVICE, stream));
    REFUSED(aclrtSynchronizeStream(stream), 507000, "call 1");
    GOOD(aclrtFree(device));
    GOOD(aclrtFreeHost(host));
    GOOD(aclrtDestroyStream(stream));
    aclsim_stop();
    aclsim_set("FAULTS", NULL);
    aclsim_set("H2D_US", NULL);
}

static void test_counts(void **state)
{
    char text[1024] = "";
    (void)state;
    aclsim_set("CALLS", temp_path(&dir, "calls"));
    aclsim_start();
    aclsim_stop();
    FILE *file = fopen(temp_path(&dir, "calls"), "re");
    assert_non_null(file);
    if (file) {
        assert_true(fread(text, 1, sizeof text - 1, file) > 0);
        (void)fclose(file);
    }
    assert_string_equal(text, "aclInit 1\naclFinalize 1\naclrtSetDevice 1\naclrtResetDevice 1\n"
                              "aclrtCreateContext 1\naclrtDestroyContext 1\n");
    aclsim_set("CALLS", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nth_call_fails),
        cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_wrong_settings),
        cmocka_unit_test(test_settings_file),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_operator_fails),
        cmocka_unit_test(test_operator_fails_later),
        cmocka_unit_test(test_failed_wait_has_waited),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

/* SPDX-License-Identifier: MIT */
/* Rules of the runtime that a program breaks: each gives its code and a sentence, and is reported. */
#include "unit.h"

#include "aclsim.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static const int64_t dims[] = {2, 3};

static const char *relu(void)
{
    return aclsim_relu("relu", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL);
}

static void test_life(void **state)
{
    uint32_t n = 0;
    (void)state;
    aclsim_load();
    MISUSE(aclrtGetDeviceCount(&n), ACL_ERROR_UNINITIALIZE, "before aclInit");
    MISUSE(aclFinalize(), ACL_ERROR_UNINITIALIZE, "before aclInit");
    GOOD(aclInit(""));
    MISUSE(aclInit(""), ACL_ERROR_REPEAT_INITIALIZE, "twice");
    GOOD(aclrtGetDeviceCount(&n));
    assert_int_equal(n, 1);
    GOOD(aclFinalize());
    MISUSE(aclFinalize(), ACL_ERROR_REPEAT_FINALIZE, "twice");
    MISUSE(aclrtGetDeviceCount(&n), ACL_ERROR_UNINITIALIZE, "after aclFinalize");
    MISUSE(aclInit(""), ACL_ERROR_REPEAT_INITIALIZE, "twice");
    aclsim_unload();
}

static void test_message_is_given_once(void **state)
{
    (void)state;
    aclsim_load();
    assert_null(acl.aclGetRecentErrMsg());
    assert_int_equal(acl.aclInit("/nowhere/acl.json"), ACL_ERROR_INVALID_FILE);
    assert_non_null(strstr(acl.aclGetRecentErrMsg(), "/nowhere/acl.json"));
    assert_null(acl.aclGetRecentErrMsg());
    aclsim_unload();
}

static void test_contexts(void **state)
{
    void *memory = NULL;
    aclrtContext current = NULL;
    (void)state;
    aclsim_load();
    GOOD(aclInit(NULL));
    MISUSE(aclrtMalloc(&memory, 64, ACL_MEM_MALLOC_HUGE_FIRST), ACL_ERROR_RT_CONTEXT_NULL,
           "no current context");
    REFUSED(aclrtGetCurrentContext(&current), ACL_ERROR_RT_CONTEXT_NULL, "no current context");
    REFUSED(aclrtSetDevice(1), ACL_ERROR_RT_INVALID_DEVICEID, "no device 1");
    GOOD(aclrtSetDevice(0));
    GOOD(aclrtGetCurrentContext(&current));
    MISUSE(aclrtDestroyContext(current), ACL_ERROR_RT_PARAM_INVALID, "belongs to aclrtSetDevice");
    GOOD(aclrtCreateContext(&context, 0));
    GOOD(aclrtDestroyContext(context));
    MISUSE(aclrtDestroyContext(context), ACL_ERROR_RT_PARAM_INVALID, "was destroyed before");
    MISUSE(aclrtSetCurrentContext(context), ACL_ERROR_RT_PARAM_INVALID, "was destroyed before");
    MISUSE(aclrtMalloc(&memory, 64, ACL_MEM_MALLOC_HUGE_FIRST), ACL_ERROR_RT_CONTEXT_NULL,
           "no current context");
    MISUSE(aclrtSetCurrentContext(&current), ACL_ERROR_RT_PARAM_INVALID, "never gave it out");
    GOOD(aclrtResetDevice(0));
    MISUSE(aclrtResetDevice(0), ACL_ERROR_RT_INVALID_DEVICEID, "was reset before");
    GOOD(aclFinalize());
    aclsim_unload();
}

static void test_handles(void **state)
{
    aclrtStream stream = NULL;
    aclrtEvent event = NULL;
    (void)state;
    aclsim_start();
    GOOD(aclrtCreateStream(&stream));
    GOOD(aclrtCreateEvent(&event));
    MISUSE(aclrtSynchronizeStream(event), ACL_ERROR_RT_PARAM_INVALID, "is a event, wanted: a stream");
    MISUSE(aclrtSynchronizeEvent(event), ACL_ERROR_RT_PARAM_INVALID, "never recorded");
    MISUSE(aclrtStreamWaitEvent(stream, event), ACL_ERROR_RT_PARAM_INVALID, "never recorded");
    MISUSE(aclrtDestroyContext(context), ACL_ERROR_RT_PARAM_INVALID, "1 streams");
    GOOD(aclrtDestroyStream(stream));
    MISUSE(aclrtDestroyStream(stream), ACL_ERROR_RT_PARAM_INVALID, "was destroyed before");
    GOOD(aclrtDestroyEvent(event));
    MISUSE(aclrtRecordEvent(event, NULL), ACL_ERROR_RT_PARAM_INVALID, "was destroyed before");
    aclsim_stop();
}

static void test_memory(void **state)
{
    void *device = NULL;
    void *pinned = NULL;
    char host[64] = "";
    (void)state;
    aclsim_start();
    GOOD(aclrtMalloc(&device, 64, ACL_MEM_MALLOC_HUGE_FIRST));
    GOOD(aclrtMallocHost(&pinned, 64));
    MISUSE(aclrtMemcpy(host, 64, pinned, 64, ACL_MEMCPY_DEVICE_TO_HOST), ACL_ERROR_RT_PARAM_INVALID,
           "source: host pointer");
    MISUSE(aclrtMemcpy(host, 64, host, 64, ACL_MEMCPY_HOST_TO_DEVICE), ACL_ERROR_RT_PARAM_INVALID,
           "destination: host pointer");
    MISUSE(aclrtMemcpy(device, 64, host, 64, ACL_MEMCPY_HOST_TO_HOST), ACL_ERROR_RT_PARAM_INVALID,
           "destination: device pointer");
    MISUSE(aclrtMemcpy(device, 64, device, 64, ACL_MEMCPY_HOST_TO_DEVICE), ACL_ERROR_RT_PARAM_INVALID,
           "source: device pointer");
    MISUSE(aclrtMemcpy(device, 65, host, 64, ACL_MEMCPY_HOST_TO_DEVICE), ACL_ERROR_RT_PARAM_INVALID,
           "allocation of 64 bytes");
    MISUSE(aclrtMemcpy(device, 32, host, 64, ACL_MEMCPY_HOST_TO_DEVICE), ACL_ERROR_INVALID_PARAM,
           "64 bytes into room for 32");
    MISUSE(aclrtMemset(host, 64, 0, 64), ACL_ERROR_RT_PARAM_INVALID, "host pointer");
    MISUSE(aclrtFree(pinned), ACL_ERROR_RT_PARAM_INVALID, "is no device memory");
    MISUSE(aclrtFreeHost(device), ACL_ERROR_RT_PARAM_INVALID, "is no pinned host memory");
    MISUSE(aclrtFreeHost(host), ACL_ERROR_RT_PARAM_INVALID, "never gave it out");
    MISUSE(aclrtFree((char *)device + 1), ACL_ERROR_RT_PARAM_INVALID, "not its start");
    GOOD(aclrtFree(device));
    MISUSE(aclrtFree(device), ACL_ERROR_RT_PARAM_INVALID, "was freed before");
    MISUSE(aclrtMemcpy(device, 64, host, 64, ACL_MEMCPY_HOST_TO_DEVICE), ACL_ERROR_RT_PARAM_INVALID,
           "was freed before");
    GOOD(aclrtFreeHost(pinned));
    MISUSE(aclrtFreeHost(pinned), ACL_ERROR_RT_PARAM_INVALID, "was freed before");
    aclsim_stop();
}

/** A program that reads device memory dies of it. */
static void test_device_memory_faults(void **state)
{
    void *device = NULL;
    (void)state;
    aclsim_start();
    GOOD(aclrtMalloc(&device, 64, ACL_MEM_MALLOC_HUGE_FIRST));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        _exit(*(volatile char *)device);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    GOOD(aclrtFree(device));
    aclsim_stop();
}

static void test_copies_and_amounts(void **state)
{
    void *device[2];
    size_t before = 0;
    size_t after = 0;
    size_t total = 0;
    char text[8] = "";
    (void)state;
    aclsim_set("MEMORY", "1048576");
    aclsim_start();
    GOOD(aclrtGetMemInfo(ACL_HBM_MEM, &before, &total));
    assert_int_equal(total, 1048576);
    GOOD(aclrtMalloc(&device[0], 64, ACL_MEM_MALLOC_HUGE_FIRST));
    GOOD(aclrtMalloc(&device[1], 64, ACL_MEM_MALLOC_NORMAL_ONLY));
    GOOD(aclrtGetMemInfo(ACL_HBM_MEM, &after, &total));
    assert_true(after + 128 <= before);
    GOOD(aclrtMemcpy(device[0], 64, "seven..", 8, ACL_MEMCPY_HOST_TO_DEVICE));
    GOOD(aclrtMemset((char *)device[0] + 1, 63, 'x', 2));
    GOOD(aclrtMemcpy(device[1], 64, device[0], 8, ACL_MEMCPY_DEVICE_TO_DEVICE));
    GOOD(aclrtMemcpy(text, 8, device[1], 8, ACL_MEMCPY_DEVICE_TO_HOST));
    assert_string_equal(text, "sxxen..");
    void *much = NULL;
    REFUSED(aclrtMalloc(&much, 1048576, ACL_MEM_MALLOC_HUGE_FIRST), ACL_ERROR_RT_MEMORY_ALLOCATION,
            "needs 1048576 bytes");
    GOOD(aclrtFree(device[0]));
    GOOD(aclrtFree(device[1]));
    GOOD(aclrtGetMemInfo(ACL_HBM_MEM, &after, &total));
    assert_int_equal(after, before);
    aclsim_stop();
    aclsim_set("MEMORY", NULL);
}

static void test_models(void **state)
{
    float host[6] = {0};
    (void)state;
    aclsim_start();
    const char *path = relu();
    struct loaded model = aclsim_load_model(path);
    MISUSE(aclmdlExecute(model.id + 1, model.in, model.out), ACL_ERROR_INVALID_MODEL_ID, "there is no model");
    aclsim_resize(model.in, 0, 20);
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH,
           "has 20 bytes, wanted: 24");
    aclsim_resize(model.in, 0, 24);
    aclsim_resize(model.out, 0, 20);
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_MODEL_OUTPUT_NOT_MATCH, "has 20 bytes");
    aclsim_resize(model.out, 0, 24);
    aclmdlDataset *empty = acl.aclmdlCreateDataset();
    MISUSE(aclmdlExecute(model.id, empty, model.out), ACL_ERROR_MODEL_INPUT_NOT_MATCH, "has 0 buffers");
    MISUSE(aclmdlExecute(model.id, model.in, empty), ACL_ERROR_MODEL_OUTPUT_NOT_MATCH, "has 0 buffers");
    aclDataBuffer *wrong = acl.aclCreateDataBuffer(host, sizeof host);
    GOOD(aclmdlAddDatasetBuffer(empty, wrong));
    MISUSE(aclmdlExecute(model.id, empty, model.out), ACL_ERROR_RT_PARAM_INVALID, "x: host pointer");
    GOOD(aclDestroyDataBuffer(wrong));
    MISUSE(aclmdlExecute(model.id, empty, model.out), ACL_ERROR_INVALID_PARAM, "was destroyed before");
    GOOD(aclmdlDestroyDataset(empty));
    MISUSE(aclmdlDestroyDataset(empty), ACL_ERROR_INVALID_PARAM, "was destroyed before");
    aclsim_drop_model(&model);
    MISUSE(aclmdlUnload(model.id), ACL_ERROR_INVALID_MODEL_ID, "was unloaded before");
    MISUSE(aclmdlDestroyDesc(model.desc), ACL_ERROR_INVALID_PARAM, "was destroyed before");
    aclsim_stop();
}

static void test_other_context(void **state)
{
    aclrtContext other = NULL;
    aclrtStream stream = NULL;
    (void)state;
    aclsim_start();
    const char *path = relu();
    struct loaded model = aclsim_load_model(path);
    GOOD(aclrtCreateStream(&stream));
    GOOD(aclrtCreateContext(&other, 0));
    MISUSE(aclmdlExecute(model.id, model.in, model.out), ACL_ERROR_RT_PARAM_INVALID, "another context");
    MISUSE(aclrtSynchronizeStream(stream), ACL_ERROR_RT_PARAM_INVALID, "another context");
    GOOD(aclrtDestroyContext(other));
    GOOD(aclrtSetCurrentContext(context));
    MISUSE(aclrtDestroyContext(context), ACL_ERROR_RT_PARAM_INVALID, "1 loaded models");
    GOOD(aclrtDestroyStream(stream));
    aclsim_drop_model(&model);
    aclsim_stop();
}

struct twice {
    struct loaded *model;
    aclmdlDataset *in, *out;
    int code;
    char message[512];
};

static void *execute(void *argument)
{
    struct twice *twice = argument;
    GOOD(aclrtSetCurrentContext(context));
    twice->code = acl.aclmdlExecute(twice->model->id, twice->in, twice->out);
    const char *message = acl.aclGetRecentErrMsg();
    (void)snprintf(twice->message, sizeof twice->message, "%s", message ? message : "");
    return NULL;
}

static void test_two_at_a_time(void **state)
{
    (void)state;
    aclsim_set("COMPUTE_US", "100000");
    aclsim_start();
    struct loaded model = aclsim_load_model(relu());
    aclmdlDataset *in = aclsim_dataset(model.desc, true, 0);
    aclmdlDataset *out = aclsim_dataset(model.desc, false, 0);
    struct twice twice[2] = {{.model = &model, .in = model.in, .out = model.out},
                             {.model = &model, .in = in, .out = out}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, execute, &twice[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal((twice[0].code != 0) + (twice[1].code != 0), 1);
    assert_non_null(strstr(twice[twice[0].code ? 0 : 1].message, "one at a time"));
    char line[600];
    (void)snprintf(line, sizeof line, "misuse: %s", twice[twice[0].code ? 0 : 1].message);
    aclsim_reports(line);
    aclsim_drop_dataset(in);
    aclsim_drop_dataset(out);
    aclsim_drop_model(&model);
    aclsim_stop();
    aclsim_set("COMPUTE_US", NULL);
}

static void test_leaks(void **state)
{
    static const char *const leaks[] = {
        "1 x stream",           "1 x event",          "1 x dataset",
        "1 x data buffer",      "1 x tensor desc",    "1 x model desc",
        "1 x AIPP settings",    "1 x context",        "model 1 not unloaded",
        "64 bytes of device 0", "32 bytes of pinned", "device 0 was not reset"};
    void *memory = NULL;
    uint32_t id = 0;
    (void)state;
    aclsim_start();
    GOOD(aclrtMalloc(&memory, 64, ACL_MEM_MALLOC_HUGE_FIRST));
    GOOD(aclrtMallocHost(&memory, 32));
    GOOD(aclrtCreateStream(&memory));
    GOOD(aclrtCreateEvent(&memory));
    assert_non_null(acl.aclmdlCreateDataset());
    assert_non_null(acl.aclCreateDataBuffer(memory, 1));
    assert_non_null(acl.aclCreateTensorDesc(ACL_FLOAT, 2, dims, ACL_FORMAT_ND));
    assert_non_null(acl.aclmdlCreateAIPP(2));
    GOOD(aclmdlLoadFromFile(relu(), &id));
    aclmdlDesc *desc = acl.aclmdlCreateDesc();
    GOOD(aclmdlGetDesc(desc, id));
    GOOD(aclFinalize());
    for (size_t i = 0; i < sizeof leaks / sizeof *leaks; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "leak: %s", leaks[i]);
        aclsim_reports(line);
    }
    aclsim_unload();
}

static void test_reset_too_early(void **state)
{
    (void)state;
    aclsim_start();
    MISUSE(aclrtResetDevice(0), ACL_ERROR_RT_PARAM_INVALID, "1 contexts");
    GOOD(aclrtDestroyContext(context));
    GOOD(aclFinalize());
    aclsim_unload();
}

static void test_never_finalised(void **state)
{
    (void)state;
    aclsim_load();
    GOOD(aclInit(NULL));
    aclsim_close();
    aclsim_reports("leak: aclFinalize was never called\n");
    aclsim_check_report();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_message_is_given_once),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_handles),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_device_memory_faults),
        cmocka_unit_test(test_copies_and_amounts),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_other_context),
        cmocka_unit_test(test_two_at_a_time),
        cmocka_unit_test(test_leaks),
        cmocka_unit_test(test_reset_too_early),
        cmocka_unit_test(test_never_finalised),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

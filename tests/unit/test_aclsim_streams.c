/* SPDX-License-Identifier: MIT */
/* Streams of the simulated runtime: truly beside the program and one another, in order, and watched. */
#include "unit.h"

#include "aclsim.h"

static const int64_t dims[] = {2, 3};

static void settings(const char *h2d, const char *compute, const char *d2h)
{
    aclsim_set("H2D_US", h2d);
    aclsim_set("COMPUTE_US", compute);
    aclsim_set("D2H_US", d2h);
}

/** Pinned and device memory with a stream. */
struct lane {
    aclrtStream stream;
    void *host, *device;
};

static struct lane lane_make(void)
{
    struct lane lane;
    GOOD(aclrtCreateStream(&lane.stream));
    GOOD(aclrtMallocHost(&lane.host, 64));
    GOOD(aclrtMalloc(&lane.device, 64, ACL_MEM_MALLOC_HUGE_FIRST));
    memset(lane.host, 7, 64);
    return lane;
}

static void lane_drop(struct lane *lane)
{
    GOOD(aclrtDestroyStream(lane->stream));
    GOOD(aclrtFreeHost(lane->host));
    GOOD(aclrtFree(lane->device));
}

static int upload(const struct lane *lane)
{
    return acl.aclrtMemcpyAsync(lane->device, 64, lane->host, 64, ACL_MEMCPY_HOST_TO_DEVICE, lane->stream);
}

static void test_copies_run_beside(void **state)
{
    (void)state;
    settings("100000", NULL, NULL);
    aclsim_start();
    struct lane a = lane_make();
    struct lane b = lane_make();
    double start = aclsim_ms();
    assert_int_equal(upload(&a), 0);
    assert_int_equal(upload(&b), 0);
    assert_true(aclsim_ms() - start < 80); /* nothing was waited for */
    GOOD(aclrtSynchronizeStream(a.stream));
    GOOD(aclrtSynchronizeStream(b.stream));
    double took = aclsim_ms() - start;
    assert_true(took >= 99 && took < 190); /* both at once, not one after the other */
    lane_drop(&a);
    lane_drop(&b);
    aclsim_stop();
}

static void test_order_within_a_stream(void **state)
{
    (void)state;
    settings("20000", "20000", "20000");
    aclsim_start();
    struct loaded model = aclsim_load_model(aclsim_relu("relu", OM_STATIC, 2, dims, OM_ND, 0, 0, NULL));
    struct lane lane = lane_make();
    aclrtEvent events[2];
    float ms = 0;
    for (int i = 0; i < 2; i++)
        GOOD(aclrtCreateEvent(&events[i]));
    float *values = lane.host;
    for (int i = 0; i < 6; i++)
        values[i] = (float)(i - 3);
    GOOD(aclrtRecordEvent(events[0], lane.stream));
    GOOD(aclrtMemcpyAsync(aclsim_address(model.in, 0), 24, lane.host, 24, ACL_MEMCPY_HOST_TO_DEVICE,
                          lane.stream));
    GOOD(aclmdlExecuteAsync(model.id, model.in, model.out, lane.stream));
    GOOD(aclrtMemcpyAsync(values + 6, 24, aclsim_address(model.out, 0), 24, ACL_MEMCPY_DEVICE_TO_HOST,
                          lane.stream));
    GOOD(aclrtRecordEvent(events[1], lane.stream));
    MISUSE(aclrtEventElapsedTime(&ms, events[0], events[1]), ACL_ERROR_RT_PARAM_INVALID, "was not reached");
    GOOD(aclrtSynchronizeStream(lane.stream));
    for (int i = 0; i < 6; i++)
        assert_float_equal(values[6 + i], i > 3 ? i - 3 : 0, 0);
    GOOD(aclrtEventElapsedTime(&ms, events[0], events[1]));
    assert_true(ms >= 60 && ms < 200);
    for (int i = 0; i < 2; i++)
        GOOD(aclrtDestroyEvent(events[i]));
    lane_drop(&lane);
    aclsim_drop_model(&model);
    aclsim_stop();
}

static void test_events_order_streams(void **state)
{
    (void)state;
    settings("50000", NULL, NULL);
    aclsim_start();
    struct lane a = lane_make();
    struct lane b = lane_make();
    aclrtEvent event = NULL;
    GOOD(aclrtCreateEvent(&event));
    memset(b.host, 0, 64);
    assert_int_equal(upload(&a), 0);
    GOOD(aclrtRecordEvent(event, a.stream));
    GOOD(aclrtStreamWaitEvent(b.stream, event));
    GOOD(aclrtMemcpyAsync(b.host, 64, a.device, 64, ACL_MEMCPY_DEVICE_TO_HOST, b.stream));
    GOOD(aclrtSynchronizeStream(b.stream));
    assert_int_equal(((char *)b.host)[63], 7);
    GOOD(aclrtSynchronizeEvent(event));
    GOOD(aclrtSynchronizeStream(a.stream));
    GOOD(aclrtDestroyEvent(event));
    lane_drop(&a);
    lane_drop(&b);
    aclsim_stop();
}

static void test_missing_wait_is_found(void **state)
{
    (void)state;
    settings("100000", NULL, NULL);
    aclsim_start();
    struct lane a = lane_make();
    struct lane b = lane_make();
    assert_int_equal(upload(&a), 0);
    (void)usleep(20000);
    GOOD(aclrtMemcpyAsync(b.host, 64, a.device, 64, ACL_MEMCPY_DEVICE_TO_HOST, b.stream));
    assert_int_equal(acl.aclrtSynchronizeStream(b.stream), ACL_ERROR_RT_PARAM_INVALID);
    assert_non_null(strstr(aclsim_report(), "nothing makes one wait for the other"));
    aclsim_reports("misuse: aclrtMemcpyAsync: ");
    GOOD(aclrtSynchronizeStream(b.stream)); /* said once */
    GOOD(aclrtSynchronizeStream(a.stream));
    lane_drop(&a);
    lane_drop(&b);
    aclsim_stop();
}

static void test_too_early(void **state)
{
    char host[64] = "";
    (void)state;
    settings("50000", NULL, NULL);
    aclsim_start();
    struct lane lane = lane_make();
    MISUSE(aclrtMemcpyAsync(lane.device, 64, host, 64, ACL_MEMCPY_HOST_TO_DEVICE, lane.stream),
           ACL_ERROR_RT_PARAM_INVALID, "ordinary host memory");
    assert_int_equal(upload(&lane), 0);
    MISUSE(aclrtFree(lane.device), ACL_ERROR_RT_PARAM_INVALID, "not done");
    MISUSE(aclrtFreeHost(lane.host), ACL_ERROR_RT_PARAM_INVALID, "not done");
    MISUSE(aclrtDestroyStream(lane.stream), ACL_ERROR_RT_PARAM_INVALID, "aclrtSynchronizeStream first");
    GOOD(aclrtFree(lane.device));
    GOOD(aclrtFreeHost(lane.host));
    aclsim_stop();
}

static void test_default_stream(void **state)
{
    (void)state;
    settings(NULL, NULL, NULL);
    aclsim_start();
    struct lane lane = lane_make();
    GOOD(aclrtMemcpyAsync(lane.device, 64, lane.host, 64, ACL_MEMCPY_HOST_TO_DEVICE, NULL));
    GOOD(aclrtSynchronizeStream(NULL));
    lane_drop(&lane);
    aclsim_stop();
}

static void test_bandwidth(void **state)
{
    void *device = NULL;
    static char host[100000];
    (void)state;
    settings(NULL, NULL, NULL);
    aclsim_set("D2H_BYTES_PER_S", "1e6");
    aclsim_start();
    GOOD(aclrtMalloc(&device, sizeof host, ACL_MEM_MALLOC_HUGE_FIRST));
    double start = aclsim_ms();
    GOOD(aclrtMemcpy(device, sizeof host, host, sizeof host, ACL_MEMCPY_HOST_TO_DEVICE));
    assert_true(aclsim_ms() - start < 80);
    start = aclsim_ms();
    GOOD(aclrtMemcpy(host, sizeof host, device, sizeof host, ACL_MEMCPY_DEVICE_TO_HOST));
    assert_true(aclsim_ms() - start >= 99);
    GOOD(aclrtFree(device));
    aclsim_stop();
    aclsim_set("D2H_BYTES_PER_S", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_run_beside),
        cmocka_unit_test(test_order_within_a_stream),
        cmocka_unit_test(test_events_order_streams),
        cmocka_unit_test(test_missing_wait_is_found),
        cmocka_unit_test(test_too_early),
        cmocka_unit_test(test_default_stream),
        cmocka_unit_test(test_bandwidth),
    };
    return cmocka_run_group_tests(tests, aclsim_setup, aclsim_teardown);
}

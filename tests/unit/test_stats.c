/* SPDX-License-Identifier: MIT */
/* Stage statistics: the histogram is as fine as promised, and threads are merged rightly. */
#include "unit.h"

#include "stats.h"

#include <math.h>
#include <string.h>

static void buckets_are_fine_and_in_order(void **state)
{
    (void)state;
    unsigned last = 0;
    for (uint64_t value = 0; value < UINT64_MAX / 3; value += value / 97 + 1) {
        unsigned bucket = histogram_bucket(value);
        assert_true(bucket >= last && bucket < HISTOGRAM_BUCKETS);
        last = bucket;
        double middle = histogram_value(bucket);
        assert_true(fabs(middle - (double)value) <= 0.016 * (double)value);
    }
    assert_true(histogram_bucket(UINT64_MAX) == HISTOGRAM_BUCKETS - 1);
}

static void threads_are_merged(void **state)
{
    (void)state;
    struct thread_stats threads[2];
    memset(threads, 0, sizeof threads);
    for (int i = 0; i < 99; i++)
        stats_batch(&threads[0], 1000000, 2);
    stats_batch(&threads[1], 50000000, 9);
    stat_add(&threads[0].wait_input_ns, 30000000);
    stat_add(&threads[1].wait_output_ns, 10000000);
    const struct thread_stats *both[] = {&threads[0], &threads[1]};
    struct aispipe_stage_stats stage = {0};
    stats_merge(both, 2, stats_capacity(both, 2, 100000000, 100000000), &stage);
    assert_int_equal(stage.threads, 2);
    assert_int_equal(stage.batches, 100);
    assert_true(fabs(stage.busy - 149.0 / 200) < 1e-9);
    assert_true(fabs(stage.wait_input - 30.0 / 200) < 1e-9);
    assert_true(fabs(stage.wait_output - 10.0 / 200) < 1e-9);
    assert_true(fabs(stage.service_mean - 1.49) < 1e-9);
    assert_true(fabs(stage.service_p99 - 1.0) < 0.016);
    assert_true(fabs(stage.queue_mean - (99 * 2 + 9) / 100.0) < 1e-9);
    assert_int_equal(stage.queue_peak, 9);
}

static void nothing_done_is_all_zero(void **state)
{
    (void)state;
    struct thread_stats thread;
    memset(&thread, 0, sizeof thread);
    const struct thread_stats *one[] = {&thread};
    struct aispipe_stage_stats stage = {0};
    stats_merge(one, 1, 0, &stage);
    assert_true(stage.busy == 0 && stage.service_mean == 0 && stage.service_p99 == 0 &&
                stage.queue_mean == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_fine_and_in_order),
        cmocka_unit_test(threads_are_merged),
        cmocka_unit_test(nothing_done_is_all_zero),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}

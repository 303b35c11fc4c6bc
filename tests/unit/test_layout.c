/* SPDX-License-Identifier: MIT */
/* What a run gets when the user did not say, and that what the user said is kept or refused in words. */
#include "unit.h"

#include "layout.h"
#include "ring.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>

#define SMALL 1024
#define MANY 1000000

static struct layout chosen(const struct aispipe_pipeline_options *options, uint64_t batches,
                            size_t slot_bytes)
{
    struct layout layout;
    struct aispipe_error error = {0};
    memset(&layout, 0xff, sizeof layout);
    if (layout_choose(options, batches, slot_bytes, &layout, &error))
        fail_msg("%s", error.message);
    /* What holds for every layout. */
    assert_true(layout.inflight >= 1 && layout.inflight < RING_MAX_ITEMS);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        assert_true(layout.threads[k] >= 1 && layout.depth[k] >= 1);
    assert_true(layout.depth[AISPIPE_STAGE_LOAD] >= layout.inflight); /* all slots are free at the start */
    assert_true(layout.threads[AISPIPE_STAGE_H2D] == 1 && layout.threads[AISPIPE_STAGE_D2H] == 1);
    assert_true(layout.tuning.wait.wake_batch >= 1);
    return layout;
}

static void refused(const struct aispipe_pipeline_options *options, uint64_t batches, size_t slot_bytes,
                    int code, const char *word)
{
    struct layout layout;
    struct aispipe_error error = {0};
    assert_int_equal(layout_choose(options, batches, slot_bytes, &layout, &error), code);
    assert_int_equal(error.code, code);
    if (!strstr(error.message, word))
        fail_msg("'%s' is not in: %s", word, error.message);
    assert_int_equal(layout_choose(options, batches, slot_bytes, &layout, NULL), code);
}

static unsigned cores(void)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return (unsigned)CPU_COUNT(&set);
}

static void threads_fit_the_machine(void **state)
{
    (void)state;
    struct layout layout = chosen(&(struct aispipe_pipeline_options){0}, MANY, SMALL);
    assert_int_equal(layout.threads[AISPIPE_STAGE_COMPUTE], 1);
    assert_true(layout.threads[AISPIPE_STAGE_LOAD] <= cores());
    assert_int_equal(layout.threads[AISPIPE_STAGE_LOAD], layout.threads[AISPIPE_STAGE_SAVE]);
}

static void threads_given_are_kept(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {
        .threads = {[AISPIPE_STAGE_LOAD] = 3, [AISPIPE_STAGE_COMPUTE] = 7, [AISPIPE_STAGE_SAVE] = 5}};
    struct layout layout = chosen(&options, MANY, SMALL);
    assert_int_equal(layout.threads[AISPIPE_STAGE_LOAD], 3);
    assert_int_equal(layout.threads[AISPIPE_STAGE_COMPUTE], 7);
    assert_int_equal(layout.threads[AISPIPE_STAGE_SAVE], 5);
    options.threads[AISPIPE_STAGE_COMPUTE] = LAYOUT_MAX_THREADS;
    assert_int_equal(chosen(&options, MANY, SMALL).threads[AISPIPE_STAGE_COMPUTE], LAYOUT_MAX_THREADS);
    options.threads[AISPIPE_STAGE_COMPUTE]++;
    refused(&options, MANY, SMALL, AISPIPE_INVALID, "compute");
}

static void small_batches_get_many_slots_large_ones_few(void **state)
{
    (void)state;
    const struct aispipe_pipeline_options options = {0};
    struct layout small = chosen(&options, MANY, SMALL);
    struct layout large = chosen(&options, MANY, (size_t)8 << 20);
    assert_true(small.inflight >= 64);
    assert_true(large.inflight < small.inflight);
    /* Enough for every thread to hold one, with something in between; unless that is more than there is. */
    unsigned threads = 0;
    for (int k = 0; k < AISPIPE_STAGES; k++)
        threads += large.threads[k];
    assert_true(large.inflight > threads);
    assert_int_equal(chosen(&options, MANY, 0).inflight, small.inflight); /* no bytes: no division by zero */
}

static void slots_given_are_kept(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {.inflight = 5};
    struct layout layout = chosen(&options, MANY, SMALL);
    assert_int_equal(layout.inflight, 5);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        assert_int_equal(layout.depth[k], 5);
}

static void no_more_slots_than_batches(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {.inflight = 500};
    assert_int_equal(chosen(&options, 3, SMALL).inflight, 3);
    assert_int_equal(chosen(&options, 0, SMALL).inflight, 1);
    options.inflight = 0;
    assert_int_equal(chosen(&options, 3, SMALL).inflight, 3);
    assert_int_equal(chosen(&options, 0, SMALL).inflight, 1);
}

static void depths_given_are_kept_and_bound_the_slots(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {.depth = {8, 2, 3, 4, 6}};
    struct layout layout = chosen(&options, MANY, SMALL);
    unsigned threads = 0;
    for (int k = 0; k < AISPIPE_STAGES; k++)
        threads += layout.threads[k];
    assert_int_equal(layout.inflight, 2 + 3 + 4 + 6 + threads); /* each place, and one in each hand */
    for (int k = AISPIPE_STAGE_H2D; k < AISPIPE_STAGES; k++)
        assert_int_equal(layout.depth[k], options.depth[k]);
    options = (struct aispipe_pipeline_options){.depth = {[AISPIPE_STAGE_COMPUTE] = 3}};
    layout = chosen(&options, MANY, SMALL);
    assert_int_equal(layout.depth[AISPIPE_STAGE_COMPUTE], 3);
    assert_int_equal(layout.depth[AISPIPE_STAGE_SAVE], layout.inflight);
}

static void serial_is_one_batch(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {.serial = true, .inflight = 9};
    assert_int_equal(chosen(&options, MANY, SMALL).inflight, 1);
}

static void full_is_every_batch(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {.full = true, .inflight = 9, .depth = {1, 1, 1, 1, 1}};
    struct layout layout = chosen(&options, 1000, SMALL);
    assert_int_equal(layout.inflight, 1000);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        assert_true(layout.depth[k] >= 1000); /* a stage that waits must be able to leave them all */
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct aispipe_pipeline_options options = {0};
    refused(&options, MANY, (size_t)1 << 60, AISPIPE_NO_MEMORY, "memory");
    options.inflight = 1u << 15;
    refused(&options, MANY, SIZE_MAX / 2, AISPIPE_NO_MEMORY, "--inflight"); /* the product overflows */
    refused(&options, MANY, (size_t)1 << 40, AISPIPE_NO_MEMORY, "--inflight");
    options = (struct aispipe_pipeline_options){.full = true};
    refused(&options, 1000, (size_t)1 << 50, AISPIPE_NO_MEMORY, "--run_mode");
    refused(&options, UINT64_MAX, SMALL, AISPIPE_INVALID, "--run_mode");
    options = (struct aispipe_pipeline_options){.inflight = RING_MAX_ITEMS};
    refused(&options, UINT64_MAX, SMALL, AISPIPE_INVALID, "--inflight");
    options.inflight = UINT32_MAX;
    refused(&options, UINT64_MAX, SMALL, AISPIPE_INVALID, "--inflight");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_fit_the_machine),
        cmocka_unit_test(threads_given_are_kept),
        cmocka_unit_test(small_batches_get_many_slots_large_ones_few),
        cmocka_unit_test(slots_given_are_kept),
        cmocka_unit_test(no_more_slots_than_batches),
        cmocka_unit_test(depths_given_are_kept_and_bound_the_slots),
        cmocka_unit_test(serial_is_one_batch),
        cmocka_unit_test(full_is_every_batch),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

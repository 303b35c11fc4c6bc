/* SPDX-License-Identifier: MIT */
/* A device's share of a dataset: which batches and samples are in it, and that the whole sees its own
 * numbers. */
#include "unit.h"

#include "aispipe/files.h"

#include <stdio.h>
#include <string.h>

/* Notes what the whole is asked for. */
struct witness {
    uint64_t batch;
    uint64_t sample;
    uint64_t named;
    unsigned count;
};

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    (void)thread, (void)inputs, (void)error;
    ((struct witness *)context)->batch = batch;
    return 0;
}

static int store(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    (void)thread, (void)outputs, (void)actual, (void)error;
    ((struct witness *)context)->sample = first_sample;
    ((struct witness *)context)->count = count;
    return 0;
}

static void name_sample(void *context, uint64_t sample, char *name, size_t capacity)
{
    ((struct witness *)context)->named = sample;
    (void)snprintf(name, capacity, "s%d", (int)sample);
}

static struct aispipe_source whole_of(struct witness *witness, uint64_t samples, unsigned per_batch)
{
    return (struct aispipe_source){
        .context = witness,
        .samples = samples,
        .batches = (samples + per_batch - 1) / per_batch,
        .samples_per_batch = per_batch,
        .fill = fill,
        .sample_name = name_sample,
    };
}

/* Together the shares are the whole, in order, and none is more than a batch larger than another. */
static void test_shares_make_up_the_whole(void **state)
{
    (void)state;
    struct witness witness = {0};
    for (uint64_t samples = 0; samples <= 40; samples++)
        for (unsigned per_batch = 1; per_batch <= 5; per_batch++)
            for (unsigned count = 1; count <= 9; count++) {
                struct aispipe_source whole = whole_of(&witness, samples, per_batch);
                uint64_t next_batch = 0, next_sample = 0, least = UINT64_MAX, most = 0;
                for (unsigned i = 0; i < count; i++) {
                    struct aispipe_share share;
                    aispipe_share_init(&share, &whole, &(struct aispipe_sink){0}, i, count);
                    assert_int_equal(share.first_batch, next_batch);
                    assert_int_equal(share.first_sample, next_sample);
                    assert_int_equal(share.batches, (share.samples + per_batch - 1) / per_batch);
                    next_batch += share.batches;
                    next_sample += share.samples;
                    least = share.batches < least ? share.batches : least;
                    most = share.batches > most ? share.batches : most;
                }
                assert_int_equal(next_batch, whole.batches);
                assert_int_equal(next_sample, samples);
                assert_true(most - least <= 1);
            }
}

static void test_numbers_are_those_of_the_whole(void **state)
{
    (void)state;
    struct witness witness = {0};
    struct aispipe_share share;
    char name[16];
    struct aispipe_source whole = whole_of(&witness, 11, 2);
    struct aispipe_sink whole_sink = {.context = &witness, .store = store};
    aispipe_share_init(&share, &whole, &whole_sink, 1, 2); /* batches 3 to 5: samples 6 to 10 */
    struct aispipe_source source = aispipe_share_source(&share);
    struct aispipe_sink sink = aispipe_share_sink(&share);
    assert_int_equal(source.batches, 3);
    assert_int_equal(source.samples, 5);
    assert_int_equal(source.samples_per_batch, 2);
    assert_int_equal(source.fill(source.context, NULL, 2, NULL, NULL), 0);
    assert_int_equal(witness.batch, 5);
    source.sample_name(source.context, 4, name, sizeof name);
    assert_string_equal(name, "s10");
    assert_int_equal(sink.store(sink.context, NULL, 4, 1, NULL, NULL, NULL), 0);
    assert_int_equal(witness.sample, 10);
    assert_int_equal(witness.count, 1);
}

/* What the whole does not have, its share does not have either. */
static void test_optional_functions(void **state)
{
    (void)state;
    struct aispipe_share share;
    struct aispipe_source whole = {.samples = 1, .batches = 1, .samples_per_batch = 1, .fill = fill};
    aispipe_share_init(&share, &whole, &(struct aispipe_sink){0}, 0, 1);
    struct aispipe_source source = aispipe_share_source(&share);
    struct aispipe_sink sink = aispipe_share_sink(&share);
    assert_true(!source.thread_open && !source.thread_close && !source.sample_name && source.fill);
    assert_true(!sink.thread_open && !sink.thread_close && !sink.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_make_up_the_whole),
        cmocka_unit_test(test_numbers_are_those_of_the_whole),
        cmocka_unit_test(test_optional_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

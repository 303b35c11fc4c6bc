/* SPDX-License-Identifier: MIT */
/* The ring: order, limits, waiting, closing, and that nothing is lost or doubled under contention. */
#include "unit.h"

#include "clock.h"
#include "ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct ring_wait patient = {.spin = 100, .wake_batch = 8, .nap_ns = 1000000};
static const struct ring_wait sleepy = {.spin = 0, .wake_batch = 1, .nap_ns = 0};

static void capacity_is_rounded_up(void **state)
{
    (void)state;
    static const unsigned asked[] = {1, 2, 3, 5, 64, 65};
    static const unsigned given[] = {1, 2, 4, 8, 64, 128};
    for (size_t i = 0; i < 6; i++) {
        struct ring *ring = ring_create(asked[i], 0);
        assert_non_null(ring);
        assert_int_equal(ring_capacity(ring), given[i]);
        ring_free(ring);
    }
    assert_null(ring_create(RING_MAX_ITEMS + 1, 0));
    ring_free(NULL);
}

static void items_leave_in_order(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 8; flags++) {
        struct ring *ring = ring_create(4, flags);
        uint32_t item;
        for (uint32_t lap = 0; lap < 100; lap++) {
            assert_false(ring_try_pop(ring, &item));
            for (uint32_t i = 0; i < 4; i++) {
                assert_int_equal(ring_level(ring), i);
                assert_true(ring_try_push(ring, lap * 4 + i));
            }
            assert_false(ring_try_push(ring, 99));
            for (uint32_t i = 0; i < 4; i++) {
                assert_true(ring_try_pop(ring, &item));
                assert_int_equal(item, lap * 4 + i);
            }
        }
        ring_free(ring);
    }
}

static void ring_of_one_place(void **state)
{
    (void)state;
    struct ring *ring = ring_create(1, 0);
    uint32_t item;
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(ring_try_push(ring, RING_MAX_ITEMS - 1 - i));
        assert_false(ring_try_push(ring, 0));
        assert_true(ring_try_pop(ring, &item));
        assert_int_equal(item, RING_MAX_ITEMS - 1 - i);
        assert_false(ring_try_pop(ring, &item));
    }
    ring_free(ring);
}

static void closed_ring_is_drained_then_ends(void **state)
{
    (void)state;
    struct ring *ring = ring_create(4, 0);
    uint32_t item;
    assert_int_equal(ring_push(ring, 7, &patient), 0);
    assert_int_equal(ring_push(ring, 8, &patient), 0);
    ring_close(ring);
    ring_close(ring);
    assert_true(ring_is_closed(ring));
    assert_int_equal(ring_push(ring, 9, &patient), AISPIPE_CLOSED);
    assert_int_equal(ring_pop(ring, &item, &patient), 0);
    assert_int_equal(item, 7);
    assert_int_equal(ring_pop(ring, &item, &patient), 0);
    assert_int_equal(item, 8);
    assert_int_equal(ring_pop(ring, &item, &patient), AISPIPE_CLOSED);
    ring_free(ring);
}

/* ------------------------------------------------------------------ threads */

#define PER_PRODUCER 40000u

struct crowd {
    struct ring *ring;
    struct ring_wait wait;
    _Atomic uint32_t next_producer;
    _Atomic unsigned char *seen; /* how often each item came out */
};

static void *produce(void *argument)
{
    struct crowd *crowd = argument;
    uint32_t first = atomic_fetch_add(&crowd->next_producer, 1) * PER_PRODUCER;
    for (uint32_t i = 0; i < PER_PRODUCER; i++)
        if (ring_push(crowd->ring, first + i, &crowd->wait))
            return "refused";
    return NULL;
}

static void *consume(void *argument)
{
    struct crowd *crowd = argument;
    uint32_t last[8];
    memset(last, 0, sizeof last);
    uint32_t item;
    while (ring_pop(crowd->ring, &item, &crowd->wait) == 0) {
        atomic_fetch_add(&crowd->seen[item], 1);
        /* What one producer pushed, one consumer sees in that order. */
        uint32_t producer = item / PER_PRODUCER;
        uint32_t place = item % PER_PRODUCER + 1;
        if (place <= last[producer])
            return "out of order";
        last[producer] = place;
    }
    return NULL;
}

static void crowd_run(unsigned producers, unsigned consumers, unsigned capacity, unsigned flags,
                      struct ring_wait wait)
{
    struct crowd crowd = {.ring = ring_create(capacity, flags), .wait = wait};
    crowd.seen = calloc((size_t)producers * PER_PRODUCER, 1);
    pthread_t threads[16];
    void *complaint;
    for (unsigned i = 0; i < consumers; i++)
        assert_int_equal(pthread_create(&threads[8 + i], NULL, consume, &crowd), 0);
    for (unsigned i = 0; i < producers; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &crowd), 0);
    for (unsigned i = 0; i < producers; i++) {
        pthread_join(threads[i], &complaint);
        assert_null(complaint);
    }
    ring_close(crowd.ring);
    for (unsigned i = 0; i < consumers; i++) {
        pthread_join(threads[8 + i], &complaint);
        assert_null(complaint);
    }
    for (size_t i = 0; i < (size_t)producers * PER_PRODUCER; i++)
        assert_int_equal(crowd.seen[i], 1);
    free((void *)crowd.seen);
    ring_free(crowd.ring);
}

static void one_to_one(void **state)
{
    (void)state;
    crowd_run(1, 1, 64, RING_ONE_PRODUCER | RING_ONE_CONSUMER, patient);
    crowd_run(1, 1, 2, RING_ONE_PRODUCER | RING_ONE_CONSUMER, sleepy);
    crowd_run(1, 1, 1, RING_ONE_PRODUCER | RING_ONE_CONSUMER, sleepy);
}

static void one_to_many(void **state)
{
    (void)state;
    crowd_run(1, 4, 64, RING_ONE_PRODUCER, patient);
    crowd_run(1, 4, 4, RING_ONE_PRODUCER, sleepy);
}

static void many_to_one(void **state)
{
    (void)state;
    crowd_run(4, 1, 64, RING_ONE_CONSUMER, patient);
    crowd_run(4, 1, 4, RING_ONE_CONSUMER, sleepy);
}

static void many_to_many(void **state)
{
    (void)state;
    crowd_run(4, 4, 64, 0, patient);
    crowd_run(4, 4, 4, 0, sleepy);
    crowd_run(3, 3, 1, 0, sleepy);
}

/* ------------------------------------------------------------------ sleeping */

struct sleeper {
    struct ring *ring;
    struct ring_wait wait;
    int rc;
    uint32_t item;
};

static void *pop_one(void *argument)
{
    struct sleeper *sleeper = argument;
    sleeper->rc = ring_pop(sleeper->ring, &sleeper->item, &sleeper->wait);
    return NULL;
}

static void *push_one(void *argument)
{
    struct sleeper *sleeper = argument;
    sleeper->rc = ring_push(sleeper->ring, 5, &sleeper->wait);
    return NULL;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void close_wakes_sleepers(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct ring *empty = ring_create(2, 0);
        struct ring *full = ring_create(1, 0);
        assert_true(ring_try_push(full, 1));
        struct sleeper sleepers[4] = {{.ring = empty, .wait = sleepy},
                                      {.ring = empty, .wait = patient},
                                      {.ring = full, .wait = sleepy},
                                      {.ring = full, .wait = patient}};
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, i < 2 ? pop_one : push_one, &sleepers[i]);
        pause_ms(round % 5);
        ring_close(empty);
        ring_close(full);
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(sleepers[i].rc, AISPIPE_CLOSED);
        }
        ring_free(empty);
        ring_free(full);
    }
}

/* A single item must reach a consumer that would rather have eight. */
static void nap_ends_by_itself(void **state)
{
    (void)state;
    struct ring *ring = ring_create(64, 0);
    struct sleeper sleeper = {.ring = ring, .wait = {.spin = 0, .wake_batch = 8, .nap_ns = 20000000}};
    pthread_t thread;
    pthread_create(&thread, NULL, pop_one, &sleeper);
    pause_ms(2);
    assert_int_equal(ring_push(ring, 3, &patient), 0);
    pthread_join(thread, NULL);
    assert_int_equal(sleeper.rc, 0);
    assert_int_equal(sleeper.item, 3);
    ring_free(ring);
}

/* After its nap a consumer parks, and then one item is enough to wake it.
 */
static void parked_consumer_wakes_for_one(void **state)
{
    (void)state;
    struct ring *ring = ring_create(64, 0);
    struct sleeper sleeper = {.ring = ring, .wait = {.spin = 0, .wake_batch = 8, .nap_ns = 1000000}};
    pthread_t thread;
    pthread_create(&thread, NULL, pop_one, &sleeper);
    pause_ms(50);
    assert_int_equal(ring_push(ring, 4, &patient), 0);
    pthread_join(thread, NULL);
    assert_int_equal(sleeper.item, 4);
    ring_free(ring);
}

static void sleeping_uses_no_cpu(void **state)
{
    (void)state;
    struct ring *ring = ring_create(64, 0);
    struct sleeper sleeper = {.ring = ring, .wait = patient};
    pthread_t thread;
    struct timespec before, after;
    pthread_create(&thread, NULL, pop_one, &sleeper);
    pause_ms(20);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    pause_ms(200);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    ring_close(ring);
    pthread_join(thread, NULL);
    long used = (after.tv_sec - before.tv_sec) * 1000000000 + (after.tv_nsec - before.tv_nsec);
    assert_true(used < 40000000); /* of 200 ms, with room for a sanitizer's own threads */
    ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_is_rounded_up),
        cmocka_unit_test(items_leave_in_order),
        cmocka_unit_test(ring_of_one_place),
        cmocka_unit_test(closed_ring_is_drained_then_ends),
        cmocka_unit_test(one_to_one),
        cmocka_unit_test(one_to_many),
        cmocka_unit_test(many_to_one),
        cmocka_unit_test(many_to_many),
        cmocka_unit_test(close_wakes_sleepers),
        cmocka_unit_test(nap_ends_by_itself),
        cmocka_unit_test(parked_consumer_wakes_for_one),
        cmocka_unit_test(sleeping_uses_no_cpu),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}

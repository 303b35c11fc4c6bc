/* SPDX-License-Identifier: MIT */
/* The ring: order, limits, waiting, closing, and that nothing is lost or doubled under contention. */
#include "unit.h"

#include "clock.h"
#include "ring.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
    for (unsigned flags = 0; flags < 16; flags++) {
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

/* Positions and items share a word: laps must not disturb the item, nor the largest item its position. */
static void largest_items_survive_many_laps(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 4; flags++) {
        struct ring *ring = ring_create(2, flags);
        uint32_t item;
        for (uint32_t i = 0; i < 300000; i++) {
            assert_true(ring_try_push(ring, RING_MAX_ITEMS - 1));
            assert_true(ring_try_push(ring, 0));
            assert_true(ring_try_pop(ring, &item));
            assert_int_equal(item, RING_MAX_ITEMS - 1);
            assert_true(ring_try_pop(ring, &item));
            assert_int_equal(item, 0);
        }
        assert_false(ring_try_pop(ring, &item));
        ring_free(ring);
    }
}

/* A tail that lags, as a producer leaves it that was interrupted before it could move it on, is found out:
 * from a position that was pushed long ago (laps behind) as well as from the one before. */
static void lagging_tail_is_found_out(void **state)
{
    (void)state;
    for (unsigned behind = 1; behind < 40; behind++) {
        struct ring *ring = ring_create(4, 0);
        uint32_t item;
        for (uint32_t i = 0; i < 42; i++) {
            assert_true(ring_try_push(ring, i));
            assert_true(i < 2 || ring_try_pop(ring, &item));
        }
        uint64_t tail = atomic_load(&ring->tail);
        atomic_store(&ring->tail, tail - behind);
        assert_true(ring_try_push(ring, 42));
        assert_true(ring_try_push(ring, 43));
        atomic_store(&ring->tail, tail - behind);
        assert_false(ring_try_push(ring, 44));
        assert_int_equal(ring_level(ring), 4); /* moved on, so that who waits for room sleeps */
        for (uint32_t i = 40; i < 44; i++) {
            assert_true(ring_try_pop(ring, &item));
            assert_int_equal(item, i);
        }
        assert_false(ring_try_pop(ring, &item));
        ring_free(ring);
    }
}

/* What different threads write lies apart, and what everybody reads lies apart from that. */
static void words_of_different_writers_lie_apart(void **state)
{
    (void)state;
    static const size_t words[] = {
        offsetof(struct ring, mask),       offsetof(struct ring, tail),
        offsetof(struct ring, head),       offsetof(struct ring, items.sleepers),
        offsetof(struct ring, items.spin), offsetof(struct ring, room.sleepers),
        offsetof(struct ring, room.spin),  offsetof(struct ring, cells),
    };
    for (size_t i = 1; i < sizeof words / sizeof *words; i++)
        assert_true(words[i] / RING_CACHE_LINE > words[i - 1] / RING_CACHE_LINE);
    assert_int_equal(offsetof(struct ring, tail) / RING_CACHE_LINE,
                     offsetof(struct ring, limit) / RING_CACHE_LINE); /* both the producers' */
    struct ring *ring = ring_create(1, 0);
    assert_int_equal((uintptr_t)ring % RING_CACHE_LINE, 0);
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

#define PER_PRODUCER 10000u

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

/* Both kinds of fence: membarrier where the kernel has it, and the fallback. */
static void crowd_run_both(unsigned producers, unsigned consumers, unsigned capacity, unsigned flags,
                           struct ring_wait wait)
{
    crowd_run(producers, consumers, capacity, flags, wait);
    crowd_run(producers, consumers, capacity, flags | RING_FENCED, wait);
}

static void one_to_one(void **state)
{
    (void)state;
    crowd_run_both(1, 1, 64, RING_ONE_PRODUCER | RING_ONE_CONSUMER, patient);
    crowd_run_both(1, 1, 2, RING_ONE_PRODUCER | RING_ONE_CONSUMER, sleepy);
    crowd_run_both(1, 1, 1, RING_ONE_PRODUCER | RING_ONE_CONSUMER, sleepy);
}

static void one_to_many(void **state)
{
    (void)state;
    crowd_run_both(1, 4, 64, RING_ONE_PRODUCER, patient);
    crowd_run_both(1, 4, 4, RING_ONE_PRODUCER, sleepy);
}

static void many_to_one(void **state)
{
    (void)state;
    crowd_run_both(4, 1, 64, RING_ONE_CONSUMER, patient);
    crowd_run_both(4, 1, 4, RING_ONE_CONSUMER, sleepy);
}

static void many_to_many(void **state)
{
    (void)state;
    crowd_run_both(4, 4, 64, 0, patient);
    crowd_run_both(4, 4, 4, 0, sleepy);
    crowd_run_both(3, 3, 1, 0, sleepy);
    crowd_run_both(8, 8, 2, 0, patient);
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
        struct ring *empty = ring_create(2, round % 2 ? RING_FENCED : 0);
        struct ring *full = ring_create(1, round % 2 ? RING_FENCED : 0);
        assert_true(ring_try_push(full, 1));
        struct sleeper sleepers[4] = {{.ring = empty, .wait = sleepy},
                                      {.ring = empty, .wait = patient},
                                      {.ring = full, .wait = sleepy},
                                      {.ring = full, .wait = patient}};
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, i < 2 ? pop_one : push_one, &sleepers[i]);
        pause_ms(round / 2 % 5);
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

/* Its deadline is long over: one wait each. */
static const struct ring_wait one_wait = {.spin = 200, .wake_batch = 4, .nap_ns = 1000000, .deadline_ns = 1};

static void push_in_vain(struct ring *ring, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(ring_push(ring, 0, &one_wait), AISPIPE_TIMEOUT);
}

static void pass(struct ring *ring, unsigned times)
{
    uint32_t item;
    for (unsigned i = 0; i < times; i++) {
        assert_true(ring_try_pop(ring, &item));
        assert_true(ring_try_push(ring, 0));
    }
}

/* What is awaited is a batch of places: fewer between two waits make the pause longer, many make it shorter.
 */
static void producers_learn_when_to_look(void **state)
{
    (void)state;
    struct ring *ring = ring_create(16, 0);
    uint32_t item;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ring_pop(ring, &item, &one_wait), AISPIPE_TIMEOUT);
    assert_int_equal(ring->items.pause, 1); /* consumers look at once */
    while (ring_try_push(ring, 0))
        ;
    push_in_vain(ring, 3);
    assert_int_equal(ring->room.pause, 4);
    pass(ring, 6);
    push_in_vain(ring, 1);
    assert_int_equal(ring->room.pause, 4);
    pass(ring, 9);
    push_in_vain(ring, 1);
    assert_int_equal(ring->room.pause, 2);
    push_in_vain(ring, 20);
    assert_int_equal(ring->room.pause, 64);
    ring_free(ring);
}

static void deadlines_end_every_kind_of_wait(void **state)
{
    (void)state;
    static const struct ring_wait waits[] = {
        {0, 1, 0, 0}, {0, 8, 1000000, 0}, {100, 1, 0, 0}, {100, 8, 1000000, 0}};
    for (unsigned flags = 0; flags <= RING_FENCED; flags += RING_FENCED)
        for (unsigned i = 0; i < 8; i++) {
            struct ring *ring = ring_create(16, flags);
            struct ring_wait wait = waits[i % 4];
            uint32_t item = 0;
            while (i >= 4 && ring_try_push(ring, 0))
                item++;
            uint64_t deadline = clock_ns() + 3000000;
            wait.deadline_ns = deadline;
            assert_int_equal(i < 4 ? ring_pop(ring, &item, &wait) : ring_push(ring, 1, &wait),
                             AISPIPE_TIMEOUT);
            assert_true(clock_ns() >= deadline);
            /* Nobody is left on the list: what comes now wakes nobody, and is there. */
            assert_true(i < 4 ? ring_try_push(ring, 1) : ring_try_pop(ring, &item));
            assert_int_equal(ring->items.permits[0] + ring->items.permits[1], 0);
            assert_int_equal(ring->room.permits[0] + ring->room.permits[1], 0);
            ring_free(ring);
        }
}

/* In a child whose kernel refuses membarrier, with what a seccomp filter would answer: rings made before the
 * filter and after it. */
static int without_membarrier(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    struct crowd early = {.ring = ring_create(4, 0), .wait = {.spin = 0, .wake_batch = 1}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return 77;
    struct crowd late = {.ring = ring_create(4, 0), .wait = early.wait};
    if (!(late.ring->flags & RING_FENCED))
        return 1;
    struct crowd *crowds[] = {&early, &late};
    for (int i = 0; i < 2; i++) {
        pthread_t threads[2];
        void *complaint[2];
        crowds[i]->seen = calloc(PER_PRODUCER, 1);
        pthread_create(&threads[0], NULL, consume, crowds[i]);
        pthread_create(&threads[1], NULL, produce, crowds[i]);
        pthread_join(threads[1], &complaint[1]);
        ring_close(crowds[i]->ring);
        pthread_join(threads[0], &complaint[0]);
        for (unsigned k = 0; k < PER_PRODUCER; k++)
            if (crowds[i]->seen[k] != 1)
                return 2;
        if (complaint[0] || complaint[1])
            return 3;
        free((void *)crowds[i]->seen);
        ring_free(crowds[i]->ring);
    }
    return 0;
}

static void works_where_membarrier_is_refused(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(without_membarrier());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* no seccomp here */
    assert_int_equal(WEXITSTATUS(status), 0);
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
        cmocka_unit_test(largest_items_survive_many_laps),
        cmocka_unit_test(lagging_tail_is_found_out),
        cmocka_unit_test(words_of_different_writers_lie_apart),
        cmocka_unit_test(closed_ring_is_drained_then_ends),
        cmocka_unit_test(one_to_one),
        cmocka_unit_test(one_to_many),
        cmocka_unit_test(many_to_one),
        cmocka_unit_test(many_to_many),
        cmocka_unit_test(close_wakes_sleepers),
        cmocka_unit_test(nap_ends_by_itself),
        cmocka_unit_test(producers_learn_when_to_look),
        cmocka_unit_test(deadlines_end_every_kind_of_wait),
        cmocka_unit_test(works_where_membarrier_is_refused),
        cmocka_unit_test(parked_consumer_wakes_for_one),
        cmocka_unit_test(sleeping_uses_no_cpu),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}

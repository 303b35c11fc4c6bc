/* SPDX-License-Identifier: MIT */
/* Threads that work in steps: none begins a step before all have ended the one before. */
#include "unit.h"

#include "cli/crew.h"

#include <stdatomic.h>
#include <time.h>

#define MEMBERS 5
#define STEPS 200

struct worker {
    struct crew *crew;
    atomic_uint *done; /* of this step, by all */
    pthread_t thread;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (int step = 0; step < STEPS; step++) {
        atomic_fetch_add(worker->done, 1);
        crew_wait(worker->crew);
    }
    return NULL;
}

static void test_steps_do_not_overlap(void **state)
{
    (void)state;
    struct crew crew;
    struct worker workers[MEMBERS];
    atomic_uint done = 0;
    crew_init(&crew);
    for (int i = 0; i < MEMBERS; i++) {
        workers[i] = (struct worker){.crew = &crew, .done = &done};
        crew_join(&crew);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned step = 1; step <= STEPS; step++) {
        assert_true(crew_gather(&crew, UINT64_MAX));
        assert_int_equal(atomic_load(&done), step * MEMBERS);
        crew_release(&crew);
    }
    for (int i = 0; i < MEMBERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    crew_destroy(&crew);
}

static void *wait_once(void *argument)
{
    crew_wait(argument);
    return NULL;
}

/* The leader does not wait longer than it wants to, nor for a member that has left. */
static void test_gathering_ends(void **state)
{
    (void)state;
    struct crew crew;
    pthread_t thread;
    crew_init(&crew);
    assert_true(crew_gather(&crew, 0)); /* nobody to wait for */
    crew_join(&crew);
    crew_join(&crew);
    assert_false(crew_gather(&crew, 1000000));
    assert_int_equal(pthread_create(&thread, NULL, wait_once, &crew), 0);
    assert_false(crew_gather(&crew, 5000000));
    crew_leave(&crew);
    assert_true(crew_gather(&crew, UINT64_MAX));
    crew_release(&crew);
    assert_int_equal(pthread_join(thread, NULL), 0);
    crew_destroy(&crew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_do_not_overlap),
        cmocka_unit_test(test_gathering_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

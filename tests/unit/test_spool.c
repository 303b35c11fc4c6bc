/* SPDX-License-Identifier: MIT */
/* The list of times: what goes in comes out, and the figures are those of a sorted copy. */
#include "unit.h"

#include "spool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill(struct spool *spool, size_t n, uint64_t (*duration)(size_t))
{
    assert_int_equal(spool_open(spool, NULL), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(spool_add(spool, (struct interval){i * 10, i * 10 + duration(i)}, NULL), 0);
}

static uint64_t mixed(size_t i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;
    return (x >> 20) % (i % 7 ? 5000 : 90000000);
}

static void comes_back_in_order(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, SPOOL_BUFFER, SPOOL_BUFFER + 1, 3 * SPOOL_BUFFER + 17};
    for (size_t k = 0; k < 5; k++) {
        struct spool spool;
        fill(&spool, sizes[k], mixed);
        assert_int_equal(spool_count(&spool), sizes[k]);
        struct spool_reader reader;
        struct interval interval;
        assert_int_equal(spool_reader_open(&reader, &spool, NULL), 0);
        for (size_t i = 0; i < sizes[k]; i++) {
            assert_int_equal(spool_next(&reader, &interval, NULL), 1);
            assert_int_equal(interval.start, i * 10);
            assert_int_equal(interval.end, i * 10 + mixed(i));
        }
        assert_int_equal(spool_next(&reader, &interval, NULL), 0);
        spool_reader_close(&reader);
        spool_close(&spool);
        spool_close(&spool);
    }
}

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static double sorted_percentile(const uint64_t *sorted, size_t n, double fraction)
{
    double position = (double)(n - 1) * fraction;
    size_t low = (size_t)position;
    size_t high = low + 1 < n ? low + 1 : low;
    double between = position - (double)low;
    return ((double)sorted[low] + (double)(sorted[high] - sorted[low]) * between) / 1e6;
}

static void check_figures(size_t n)
{
    struct spool spool;
    fill(&spool, n, mixed);
    uint64_t *sorted = malloc(n * sizeof *sorted);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = mixed(i);
        sum += (double)sorted[i];
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    struct aispipe_latency latency;
    const struct spool *lists[] = {&spool};
    assert_int_equal(spool_latency(lists, 1, false, &latency, NULL), 0);
    assert_int_equal(latency.count, n);
    assert_true(fabs(latency.min - (double)sorted[0] / 1e6) < 1e-12);
    assert_true(fabs(latency.max - (double)sorted[n - 1] / 1e6) < 1e-12);
    assert_true(fabs(latency.mean - sum / (double)n / 1e6) < 1e-9);
    assert_true(fabs(latency.median - sorted_percentile(sorted, n, 0.5)) < 1e-9);
    assert_true(fabs(latency.p99 - sorted_percentile(sorted, n, 0.99)) < 1e-9);
    free(sorted);
    spool_close(&spool);
}

static void figures_are_exact(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 100, 101, 20001};
    for (size_t k = 0; k < 6; k++)
        check_figures(sizes[k]);
}

static void nothing_gives_zeros(void **state)
{
    (void)state;
    struct spool spool;
    assert_int_equal(spool_open(&spool, NULL), 0);
    const struct spool *lists[] = {&spool};
    struct aispipe_latency latency;
    memset(&latency, 0xff, sizeof latency);
    assert_int_equal(spool_latency(lists, 1, true, &latency, NULL), 0);
    assert_int_equal(latency.count, 0);
    assert_true(latency.min == 0 && latency.max == 0 && latency.mean == 0 && latency.p99 == 0);
    spool_close(&spool);
}

/* Thread one: 0–10 and 20–30 ms. Thread two: 5–25 and 40–41 ms. Together 0–30 and 40–41: 31 ms for 4. */
static void overlaps_count_once(void **state)
{
    (void)state;
    struct spool one, two;
    assert_int_equal(spool_open(&one, NULL), 0);
    assert_int_equal(spool_open(&two, NULL), 0);
    spool_add(&one, (struct interval){0, 10000000}, NULL);
    spool_add(&one, (struct interval){20000000, 30000000}, NULL);
    spool_add(&two, (struct interval){5000000, 25000000}, NULL);
    spool_add(&two, (struct interval){40000000, 41000000}, NULL);
    const struct spool *lists[] = {&one, &two};
    struct aispipe_latency latency;
    assert_int_equal(spool_latency(lists, 2, true, &latency, NULL), 0);
    assert_int_equal(latency.count, 4);
    assert_true(fabs(latency.mean - 31.0 / 4) < 1e-12);
    assert_true(fabs(latency.max - 20.0) < 1e-12);
    assert_true(fabs(latency.min - 1.0) < 1e-12);
    assert_int_equal(spool_latency(lists, 2, false, &latency, NULL), 0);
    assert_true(fabs(latency.mean - 41.0 / 4) < 1e-12);
    spool_close(&one);
    spool_close(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_in_order),
        cmocka_unit_test(figures_are_exact),
        cmocka_unit_test(nothing_gives_zeros),
        cmocka_unit_test(overlaps_count_once),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}

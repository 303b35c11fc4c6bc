/* SPDX-License-Identifier: MIT */
/* Figures from the lines of trtexec's log. */
#include "unit.h"

#include "cli/trtexec_log.h"

#include <stdio.h>
#include <string.h>

#define LATENCY(name, v)                                                                       \
    "[01/02/2024-10:11:12] [I] " name ": min = " v "1 ms, max = " v "2 ms, mean = " v "3 ms, " \
    "median = " v "4 ms, percentile(99%) = " v "5 ms"

static void test_all(void **state)
{
    (void)state;
    struct trtexec_figures f = {0};
    assert_string_equal(trtexec_missing(&f), "Throughput");
    trtexec_read_line(&f, "[01/02/2024-10:11:12] [I] Throughput: 812.25 qps");
    assert_string_equal(trtexec_missing(&f), "H2D Latency");
    trtexec_read_line(&f, LATENCY("Latency", "9."));
    trtexec_read_line(&f, LATENCY("Enqueue Time", "8."));
    assert_string_equal(trtexec_missing(&f), "H2D Latency");
    trtexec_read_line(&f, LATENCY("H2D Latency", "0."));
    trtexec_read_line(&f, LATENCY("GPU Compute Time", "1."));
    assert_string_equal(trtexec_missing(&f), "D2H Latency");
    trtexec_read_line(&f, LATENCY("D2H Latency", "2."));
    assert_null(trtexec_missing(&f));
    assert_true(f.throughput == 812.25);
    assert_true(f.h2d.min == 0.1 && f.h2d.max == 0.2 && f.h2d.mean == 0.3 && f.h2d.median == 0.4);
    assert_true(f.compute.percentile == 1.5 && f.d2h.min == 2.1 && f.d2h.percentile == 2.5);
    assert_string_equal(f.compute.percentile_name, "percentile(99%)");
}

static void read_h2d(struct trtexec_figures *f, const char *percentiles)
{
    char line[256];
    (void)snprintf(line, sizeof line, "[I] H2D Latency: min = 1 ms, max = 2 ms, mean = 3 ms, median = 4 ms%s",
                   percentiles);
    trtexec_read_line(f, line);
}

static void test_percentiles(void **state)
{
    (void)state;
    struct trtexec_figures f = {0};
    read_h2d(&f, "");
    assert_false(f.h2d.found);
    read_h2d(&f, ", percentile(90%) = 5 ms, percentile(95%) = 6 ms");
    assert_true(f.h2d.percentile == 6);
    assert_string_equal(f.h2d.percentile_name, "percentile(95%)");
    read_h2d(&f, ", percentile(90%) = 5 ms, percentile(99%) = 7 ms, percentile(99.9%) = 8 ms");
    assert_true(f.h2d.percentile == 7);
    assert_string_equal(f.h2d.percentile_name, "percentile(99%)");
    read_h2d(&f, ", percentile(99%) at 1000 iterations");
    assert_true(f.h2d.percentile == 7);
}

/* Explanations and broken lines change nothing. */
static void test_other_lines(void **state)
{
    static const char *const lines[] = {
        "",
        "[I] Throughput: the observed throughput computed by dividing the number of queries by the walltime.",
        "[I] Throughput:",
        "[I] H2D Latency: the latency for host-to-device data transfers for input tensors of a single query.",
        "[I] GPU Compute Time: min = x ms, max = 2 ms, mean = 3 ms, median = 4 ms, percentile(99%) = 5 ms",
        "[I] GPU Compute Time: min = 1 ms, mean = 3 ms, median = 4 ms, percentile(99%) = 5 ms",
        "[I] Total GPU Compute Time: 2.9 s",
        "[I] D2H Latency: min = 1 ms, max = 2 ms, mean = 3 ms, median = 4 ms, "
        "percentile(9999999999999999999999999999) = 1",
        "[I] Model: /data/H2D Latency: min = 1 ms, max = 1 ms, mean = 1 ms, median = 1 ms, percentile(99%) = "
        "1 ms",
    };
    (void)state;
    struct trtexec_figures f = {0};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        trtexec_read_line(&f, lines[i]);
    assert_false(f.has_throughput || f.h2d.found || f.compute.found || f.d2h.found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_other_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

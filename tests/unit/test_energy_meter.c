/* SPDX-License-Identifier: MIT */
/* Counters that wrap, watts over time, and what npu-smi prints. */
#include "unit.h"

#include "cli/energy_meter.h"
#include "files.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

TEMP_DIR(dir)

static void write_text(const char *name, const char *text)
{
    temp_write(&dir, name, text, strlen(text));
}

static void make_zone(const char *zone, const char *name, const char *energy, const char *range)
{
    char path[256];
    temp_subdir(&dir, zone);
    (void)snprintf(path, sizeof path, "%s/name", zone);
    write_text(path, name);
    (void)snprintf(path, sizeof path, "%s/energy_uj", zone);
    write_text(path, energy);
    if (!range)
        return;
    (void)snprintf(path, sizeof path, "%s/max_energy_range_uj", zone);
    write_text(path, range);
}

static void test_difference(void **state)
{
    (void)state;
    assert_int_equal(rapl_difference(5, 9, 100), 4);
    assert_int_equal(rapl_difference(5, 5, 100), 0);
    assert_int_equal(rapl_difference(100, 0, 100), 1);
    assert_int_equal(rapl_difference(98, 3, 100), 6);
    assert_int_equal(rapl_difference(UINT64_MAX, 0, UINT64_MAX), 1);
    assert_int_equal(rapl_difference(200, 3, 100), 3); /* a range that cannot be right */
}

/* Packages and memory count, once each. */
static void test_zones(void **state)
{
    (void)state;
    char reason[256];
    struct rapl rapl;
    make_zone("intel-rapl:0", "package-0\n", "1000\n", "5000\n");
    make_zone("intel-rapl:0:0", "core\n", "1\n", "5000\n");
    make_zone("intel-rapl:0:1", "dram\n", "7\n", NULL);
    make_zone("intel-rapl:1", "package-1\n", "4990\n", "4999\n");
    make_zone("intel-rapl:2", "psys\n", "1\n", "5000\n");
    make_zone("intel-rapl-mmio:0", "package-0\n", "1\n", "5000\n");
    assert_true(rapl_open(&rapl, dir.path, reason, sizeof reason));
    assert_int_equal(rapl.n, 3);
    write_text("intel-rapl:0/energy_uj", "1500\n");
    write_text("intel-rapl:0:0/energy_uj", "900000\n");
    write_text("intel-rapl:0:1/energy_uj", "27\n");
    write_text("intel-rapl:1/energy_uj", "10\n"); /* 4990 … 4999, 0 … 10: 20 */
    write_text("intel-rapl:2/energy_uj", "900000\n");
    assert_int_equal(rapl_read(&rapl), 0);
    assert_int_equal(rapl.microjoules, 500 + 20 + 20);
    write_text("intel-rapl:0/energy_uj", "1600\n");
    assert_int_equal(rapl_read(&rapl), 0);
    assert_int_equal(rapl.microjoules, 640);
    write_text("intel-rapl:0/energy_uj", "what\n");
    assert_int_not_equal(rapl_read(&rapl), 0);
    rapl_close(&rapl);
}

static void test_no_counters(void **state)
{
    (void)state;
    char reason[256];
    struct rapl rapl;
    assert_false(rapl_open(&rapl, temp_path(&dir, "none"), reason, sizeof reason));
    assert_non_null(strstr(reason, "/none: No such file"));
    assert_false(rapl_open(&rapl, dir.path, reason, sizeof reason));
    assert_non_null(strstr(reason, "no energy counters"));
    make_zone("intel-rapl:0", "package-0\n", "\n", "5000\n");
    assert_false(rapl_open(&rapl, dir.path, reason, sizeof reason));
    assert_non_null(strstr(reason, "cannot be read"));
}

#define S UINT64_C(1000000000)

static void test_power(void **state)
{
    (void)state;
    struct power_integral p = {0};
    power_sample(&p, 10 * S, 100);
    assert_true(p.joules == 0);
    power_sample(&p, 12 * S, 200);
    assert_true(fabs(p.joules - 300) < 1e-9);
    power_sample(&p, 12 * S + S / 2, 200);
    assert_true(fabs(p.joules - 400) < 1e-9);
    power_sample(&p, 11 * S, 50); /* out of order: no area, but the newest word */
    assert_true(fabs(p.joules - 400) < 1e-9);
    power_sample(&p, 13 * S + S / 2, 50);
    assert_true(fabs(p.joules - 450) < 1e-9);
}

static void test_npu_smi_lines(void **state)
{
    static const char *const others[] = {"",
                                         "\tNPU ID                         : 0",
                                         "Power Dissipation(W) : NA",
                                         "Power Dissipation(W)",
                                         "Rated Power(mW) : 3",
                                         "Power(W) : -1"};
    (void)state;
    double watts = 0;
    assert_true(npu_smi_watts("\tPower Dissipation(W)           : 69.25", &watts));
    assert_true(watts == 69.25);
    assert_true(npu_smi_watts("        Real-time Power(W)             : 101", &watts));
    assert_true(watts == 101);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(npu_smi_watts(others[i], &watts));
    assert_true(watts == 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_difference),
        cmocka_unit_test_setup_teardown(test_zones, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(test_no_counters, dir_make, dir_remove),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_npu_smi_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What auto_tune decides, on machines made of numbers: as good as the best setting that can be found by
 * trying all, never worse than the one it began with, and the same each time. */
#include "tune_machine.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

struct scenario {
    const char *name;
    struct machine machine;
    uint64_t batches;
    unsigned inflight, most;
    size_t slot_bytes; /* 0: small */
    double share;      /* of the best, at least; 0: 0.97 */
};

static struct tune_frame frame_of(const struct scenario *scenario)
{
    return (struct tune_frame){.start = {{1, 1, scenario->inflight}},
                               .least = {{1, 1, scenario->inflight < 3 ? scenario->inflight : 3}},
                               .most = {{8, 8, scenario->most}},
                               .cores = scenario->machine.cores,
                               .batches = scenario->batches,
                               .samples_per_batch = 1,
                               .slot_bytes = scenario->slot_bytes ? scenario->slot_bytes : 1000};
}

#define ASLEEP(milliseconds) \
    {                        \
        .ms = (milliseconds) \
    }
#define VARIES(milliseconds)                \
    {                                       \
        .ms = (milliseconds), .jitter = 0.9 \
    }
#define ON_CORE(milliseconds)                                  \
    {                                                          \
        .ms = (milliseconds), .jitter = 0.1, .on_a_core = true \
    }
/* Load, h2d, compute, d2h, save; then what else there is to say of the machine. */
#define MACHINE(load, h2d, compute, d2h, save, ...) \
    .machine = {.stage = {load, h2d, compute, d2h, save}, .cores = 2, __VA_ARGS__}
#define DEEP .inflight = 512, .most = 512
#define SHALLOW .inflight = 10, .most = 40

/* Runs of some seconds, held back by what their names say. The best knows the whole run from its beginning,
 * which counts where phases are long. */
static const struct scenario scenarios[] = {
    {.name = "load",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .compute_threads = 1),
     .batches = 5000,
     SHALLOW},
    {.name = "slow disk",
     MACHINE(ASLEEP(8), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .compute_threads = 1),
     .batches = 8000,
     DEEP},
    {.name = "h2d",
     MACHINE(ON_CORE(0.05), ASLEEP(0.8), ASLEEP(0.5), ASLEEP(0.2), ON_CORE(0.05), .compute_threads = 1),
     .batches = 5000,
     DEEP},
    {.name = "compute",
     MACHINE(ON_CORE(0.05), ASLEEP(0.1), ASLEEP(1.5), ASLEEP(0.1), ON_CORE(0.05), .compute_threads = 1),
     .batches = 3000,
     DEEP},
    {.name = "compute 4",
     MACHINE(ON_CORE(0.05), ASLEEP(0.2), ASLEEP(3), ASLEEP(0.2), ON_CORE(0.05), .compute_threads = 4),
     .batches = 6000,
     DEEP},
    {.name = "compute on cores",
     MACHINE(ON_CORE(0.3), ASLEEP(0.1), ON_CORE(2), ASLEEP(0.1), ON_CORE(0.2), .compute_threads = 2),
     .batches = 4000,
     DEEP},
    {.name = "save",
     MACHINE(ON_CORE(0.1), ASLEEP(0.05), ASLEEP(0.2), ASLEEP(0.1), ON_CORE(2.5), .compute_threads = 1),
     .batches = 4000,
     SHALLOW},
    {.name = "load and save",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.1), ON_CORE(1.8), .compute_threads = 1),
     .batches = 3000,
     SHALLOW,
     .share = 0.94}, /* more of both at once would be better still, more of one is not */
    {.name = "bursty",
     MACHINE(ON_CORE(0.1), VARIES(1), VARIES(1.9), VARIES(1), ON_CORE(0.05), .compute_threads = 1),
     .batches = 3000,
     SHALLOW},
    {.name = "bursty, balanced",
     MACHINE(ON_CORE(0.1), VARIES(1), VARIES(1.9), VARIES(1), ON_CORE(0.05), .compute_threads = 2),
     .batches = 6000,
     SHALLOW},
    {.name = "bursts of 300 ms",
     MACHINE(ON_CORE(0.5), ASLEEP(1), ASLEEP(1), ASLEEP(1), ON_CORE(0.05), .compute_threads = 1,
             .burst_ms = 300, .burst_times = 5),
     .batches = 6000,
     .inflight = 64,
     .most = 256},
    {.name = "bursts of 2 s",
     MACHINE(ON_CORE(0.5), ASLEEP(1), ASLEEP(1), ASLEEP(1), ON_CORE(0.05), .compute_threads = 1,
             .burst_ms = 2000, .burst_times = 5),
     .batches = 8000,
     .inflight = 64,
     .most = 256,
     .share = 0.93},
    {.name = "bursts that nothing can help",
     MACHINE(ASLEEP(0.5), VARIES(1), VARIES(1), VARIES(1), ON_CORE(0.05), .compute_threads = 1,
             .burst_ms = 50, .burst_times = 1.5),
     .batches = 4000,
     .inflight = 64,
     .most = 256},
    {.name = "another program",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .compute_threads = 1,
             .stop_every_ms = 90, .stop_ms = 35),
     .batches = 5000,
     SHALLOW,
     .share = 0.92},
    {.name = "large batches",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(1), .compute_threads = 1,
             .crowd_at = 6),
     .batches = 5000,
     SHALLOW,
     .slot_bytes = 3000000},
    {.name = "one core",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .compute_threads = 1,
             .cores = 1),
     .batches = 3000,
     SHALLOW},
};

#define N_SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* Of settings that never change, on a part of the run where it has no phases. */
static double best_of_all(const struct scenario *scenario)
{
    static const unsigned threads[] = {1, 2, 4, 8};
    struct machine_run run;
    double best = 0;
    struct tune_frame frame = frame_of(scenario);
    if (scenario->machine.burst_ms <= 0)
        frame.batches /= 4;
    for (unsigned n = 0; n < 16; n++)
        for (unsigned slots = 5; slots <= scenario->most; slots *= 2) {
            frame.start = (struct tune_setting){{threads[n / 4], threads[n % 4], slots}};
            machine_run(&scenario->machine, &frame, false, &run);
            best = run.rate > best ? run.rate : best;
        }
    return best;
}

static void show(const struct scenario *scenario, const struct machine_run *run, double best, double start)
{
    print_message("# %s: %.1f batches/s, %.3f of the best, %.3f of the beginning; %u %u %u, %u decisions\n",
                  scenario->name, run->rate, run->rate / best, run->rate / start, run->end.value[0],
                  run->end.value[1], run->end.value[2], run->n);
    for (unsigned i = 0; i < run->n; i++) {
        const struct aispipe_tune_decision *d = &run->decisions[i];
        print_message("#   %7.0f ms %s %u to %u %s: %.1f, %.1f (%+.3f to %+.3f)  %s\n", d->time_ms,
                      aispipe_tune_parameter_name(d->parameter), d->from, d->to,
                      aispipe_tune_verdict_name(d->verdict), d->before, d->after, d->gain_low, d->gain_high,
                      d->reason);
    }
}

static void it_is_as_good_as_the_best(void **state)
{
    (void)state;
    struct machine_run tuned, untouched;
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        const struct scenario *scenario = &scenarios[i];
        struct tune_frame frame = frame_of(scenario);
        machine_run(&scenario->machine, &frame, true, &tuned);
        machine_run(&scenario->machine, &frame, false, &untouched);
        double best = best_of_all(scenario);
        show(scenario, &tuned, best, untouched.rate);
#ifndef DEVELOP
        assert_true(tuned.rate >= (scenario->share > 0 ? scenario->share : 0.97) * best);
        assert_true(tuned.rate >= 0.99 * untouched.rate);
#endif
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_good_as_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

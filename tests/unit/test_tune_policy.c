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
    .machine = {.stage = {load, h2d, compute, d2h, save}, __VA_ARGS__}
#define DEEP .inflight = 512, .most = 512
#define SHALLOW .inflight = 10, .most = 40

/* Runs of some seconds, held back by what their names say. The best knows the whole run from its beginning,
 * which counts where phases are long. */
static const struct scenario scenarios[] = {
    {.name = "load",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .cores = 2,
             .compute_threads = 1),
     .batches = 5000,
     SHALLOW},
    {.name = "slow disk",
     MACHINE(ASLEEP(8), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .cores = 2,
             .compute_threads = 1),
     .batches = 8000,
     DEEP},
    {.name = "h2d",
     MACHINE(ON_CORE(0.05), ASLEEP(0.8), ASLEEP(0.5), ASLEEP(0.2), ON_CORE(0.05), .cores = 2,
             .compute_threads = 1),
     .batches = 5000,
     DEEP},
    {.name = "compute",
     MACHINE(ON_CORE(0.05), ASLEEP(0.1), ASLEEP(1.5), ASLEEP(0.1), ON_CORE(0.05), .cores = 2,
             .compute_threads = 1),
     .batches = 3000,
     DEEP},
    {.name = "compute 4",
     MACHINE(ON_CORE(0.05), ASLEEP(0.2), ASLEEP(3), ASLEEP(0.2), ON_CORE(0.05), .cores = 2,
             .compute_threads = 4),
     .batches = 6000,
     DEEP},
    {.name = "compute on cores",
     MACHINE(ON_CORE(0.3), ASLEEP(0.1), ON_CORE(2), ASLEEP(0.1), ON_CORE(0.2), .cores = 2,
             .compute_threads = 2),
     .batches = 4000,
     DEEP},
    {.name = "save",
     MACHINE(ON_CORE(0.1), ASLEEP(0.05), ASLEEP(0.2), ASLEEP(0.1), ON_CORE(2.5), .cores = 2,
             .compute_threads = 1),
     .batches = 4000,
     SHALLOW},
    {.name = "load and save",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.1), ON_CORE(1.8), .cores = 2,
             .compute_threads = 1),
     .batches = 3000,
     SHALLOW,
     .share = 0.94}, /* more of both at once would be better still, more of one is not */
    {.name = "bursty",
     MACHINE(ON_CORE(0.1), VARIES(1), VARIES(1.9), VARIES(1), ON_CORE(0.05), .cores = 2,
             .compute_threads = 1),
     .batches = 3000,
     SHALLOW},
    {.name = "bursty, balanced",
     MACHINE(ON_CORE(0.1), VARIES(1), VARIES(1.9), VARIES(1), ON_CORE(0.05), .cores = 2,
             .compute_threads = 2),
     .batches = 6000,
     SHALLOW},
    {.name = "bursty, large batches",
     MACHINE(ON_CORE(0.1), VARIES(1), VARIES(1.9), VARIES(1), ON_CORE(0.05), .cores = 2,
             .compute_threads = 2),
     .batches = 6000,
     .inflight = 15,
     .most = 60,
     .slot_bytes = 1100000},
    {.name = "bursts of 300 ms",
     MACHINE(ON_CORE(0.5), ASLEEP(1), ASLEEP(1), ASLEEP(1), ON_CORE(0.05), .cores = 2, .compute_threads = 1,
             .burst_ms = 300, .burst_times = 5),
     .batches = 6000,
     .inflight = 64,
     .most = 256},
    {.name = "bursts of 2 s",
     MACHINE(ON_CORE(0.5), ASLEEP(1), ASLEEP(1), ASLEEP(1), ON_CORE(0.05), .cores = 2, .compute_threads = 1,
             .burst_ms = 2000, .burst_times = 5),
     .batches = 8000,
     .inflight = 64,
     .most = 256,
     .share = 0.93},
    {.name = "bursts that nothing can help",
     MACHINE(ASLEEP(0.5), VARIES(1), VARIES(1), VARIES(1), ON_CORE(0.05), .cores = 2, .compute_threads = 1,
             .burst_ms = 50, .burst_times = 1.5),
     .batches = 4000,
     .inflight = 64,
     .most = 256},
    {.name = "another program",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .cores = 2,
             .compute_threads = 1, .stop_every_ms = 90, .stop_ms = 35),
     .batches = 5000,
     SHALLOW,
     .share = 0.92},
    {.name = "large batches",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(1), .cores = 2, .compute_threads = 1,
             .crowd_at = 6),
     .batches = 5000,
     SHALLOW,
     .slot_bytes = 3000000},
    {.name = "one core",
     MACHINE(ON_CORE(2), ASLEEP(0.1), ASLEEP(0.2), ASLEEP(0.05), ON_CORE(0.05), .cores = 1,
             .compute_threads = 1),
     .batches = 3000,
     SHALLOW},
};

#define N_SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* Of settings that never change, on a part of the run where it has no phases. */
static double best_of_all(const struct scenario *scenario)
{
    static const unsigned threads[] = {1, 2, 8};
    struct machine_run run;
    double best = 0;
    struct tune_frame frame = frame_of(scenario);
    if (scenario->machine.burst_ms <= 0)
        frame.batches /= 4;
    for (unsigned n = 0; n < 9; n++)
        for (unsigned slots = 5; slots <= scenario->most; slots *= 4) {
            frame.start = (struct tune_setting){{threads[n / 3], threads[n % 3], slots}};
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

static const struct scenario *scenario_named(const char *name)
{
    for (size_t i = 0; i < N_SCENARIOS; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    fail_msg("no scenario %s", name);
    return NULL;
}

static void the_same_samples_lead_to_the_same_decisions(void **state)
{
    (void)state;
    const struct scenario *scenario = scenario_named("another program");
    struct tune_frame frame = frame_of(scenario);
    struct machine_run first, second;
    machine_run(&scenario->machine, &frame, true, &first);
    machine_run(&scenario->machine, &frame, true, &second);
    assert_int_equal(first.n, second.n);
    assert_true(first.n > 0);
    for (unsigned i = 0; i < first.n; i++) {
        assert_true(first.decisions[i].time_ms == second.decisions[i].time_ms);
        assert_int_equal(first.decisions[i].to, second.decisions[i].to);
        assert_int_equal(first.decisions[i].verdict, second.decisions[i].verdict);
        assert_string_equal(first.decisions[i].reason, second.decisions[i].reason);
    }
}

static void a_stage_that_no_setting_can_change_is_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"h2d", "compute", "compute 4"};
    struct machine_run run;
    for (size_t i = 0; i < 3; i++) {
        const struct scenario *scenario = scenario_named(names[i]);
        struct tune_frame frame = frame_of(scenario);
        machine_run(&scenario->machine, &frame, true, &run);
        assert_int_equal(run.n, 0);
        assert_memory_equal(&run.end, &frame.start, sizeof run.end);
        assert_non_null(strstr(run.nothing, i ? "compute worked" : "h2d worked"));
    }
}

static void a_tiny_run_says_that_it_was_too_short(void **state)
{
    (void)state;
    const struct scenario *scenario = scenario_named("load");
    struct tune_frame frame = frame_of(scenario);
    struct machine_run run;
    for (frame.batches = 1; frame.batches <= 10; frame.batches++) {
        machine_run(&scenario->machine, &frame, true, &run);
        assert_int_equal(run.n, 0);
        assert_memory_equal(&run.end, &frame.start, sizeof run.end);
        assert_non_null(strstr(run.nothing, "too short"));
    }
}

/* What is loaded at once fills no window, and the model may be busy with it for long all the same. */
static void a_small_dataset_for_a_slow_model_is_no_short_run(void **state)
{
    (void)state;
    struct tune_frame frame = frame_of(scenario_named("compute"));
    const struct machine machine = {
        .stage = {{.ms = 0.01}, {.ms = 0.01}, {.ms = 50}, {.ms = 0.01}, {.ms = 0.01}},
        .compute_threads = 1,
        .cores = 2};
    struct machine_run run;
    frame.batches = frame.start.value[AISPIPE_TUNE_INFLIGHT] = frame.most.value[AISPIPE_TUNE_INFLIGHT] = 12;
    machine_run(&machine, &frame, true, &run);
    assert_int_equal(run.n, 0);
    assert_non_null(strstr(run.nothing, "compute worked 100.0 %"));
}

/* A run that ends in the middle of a trial says so, and counts as what it had decided on before. */
static void a_trial_may_be_cut_off(void **state)
{
    (void)state;
    const struct scenario *scenario = scenario_named("load");
    struct tune_frame frame = frame_of(scenario);
    struct tune_policy policy;
    struct tune_sample sample = {0};
    struct tune_step step = {0};
    tune_policy_init(&policy, &frame);
    for (unsigned i = 0; i < 20 && !step.apply; i++) {
        sample.now_ns += 10000000;
        for (int k = 0; k < AISPIPE_STAGES; k++) {
            sample.stage[k].batches += 5;
            sample.stage[k].capacity_ns += 10000000;
        }
        sample.stage[AISPIPE_STAGE_LOAD].busy_ns += 9999999;
        tune_policy_feed(&policy, &sample, &step);
    }
    assert_true(step.apply);
    assert_int_equal(policy.now.value[AISPIPE_TUNE_LOAD_THREADS], 4); /* hardly any core is in use */
    tune_policy_end(&policy, &sample, &step);
    assert_true(step.decided);
    assert_int_equal(step.decision.verdict, AISPIPE_TUNE_CUT_OFF);
    assert_int_equal(step.decision.from, 1);
    assert_int_equal(step.decision.to, 4);
    assert_true(step.decision.before > 0 && step.decision.after == 0);
    assert_memory_equal(&policy.now, &frame.start, sizeof policy.now);
    tune_policy_end(&policy, &sample, &step);
    assert_false(step.decided);
}

/* The same is tried again later and later; an hour that nothing can be done for costs few trials. */
static void what_did_not_help_is_tried_ever_more_rarely(void **state)
{
    (void)state;
    const struct scenario *scenario = scenario_named("one core");
    struct tune_frame frame = frame_of(scenario);
    struct machine_run run;
    frame.batches = 60000; /* two minutes */
    machine_run(&scenario->machine, &frame, true, &run);
    assert_true(run.n >= 3 && run.n < 20);
    double last = 0, wait = 0;
    for (unsigned i = 0; i < run.n; i++) {
        const struct aispipe_tune_decision *d = &run.decisions[i];
        if (d->parameter != AISPIPE_TUNE_LOAD_THREADS)
            continue;
        assert_int_equal(d->verdict, AISPIPE_TUNE_TAKEN_BACK);
        if (i > 1)
            assert_true(d->time_ms - last > wait);
        wait = d->time_ms - last;
        last = d->time_ms;
    }
    assert_memory_equal(&run.end, &frame.start, sizeof run.end);
}

/* Samples that make no sense (no time, nothing done, clocks that stand still) end in no nonsense. */
static void it_stays_within_its_bounds_whatever_it_is_fed(void **state)
{
    (void)state;
    const struct scenario *scenario = scenario_named("large batches");
    struct tune_frame frame = frame_of(scenario);
    frame.batches = UINT64_MAX;
    struct tune_policy policy;
    struct tune_sample sample = {0};
    struct tune_step step;
    uint64_t random = 1;
    unsigned decided = 0;
    tune_policy_init(&policy, &frame);
    for (unsigned i = 0; i < 400000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        sample.now_ns += (random >> 40) * 4;
        for (int k = 0; k < AISPIPE_STAGES; k++) {
            random = random * UINT64_C(6364136223846793005) + 1;
            sample.stage[k].batches += random >> 60;
            sample.stage[k].busy_ns += random >> 38;
            sample.stage[k].capacity_ns += random >> 37;
        }
        tune_policy_feed(&policy, &sample, &step);
        decided += step.decided;
        for (int p = 0; p < AISPIPE_TUNE_PARAMETERS; p++) {
            assert_true(policy.now.value[p] >= frame.least.value[p]);
            assert_true(policy.now.value[p] <= frame.most.value[p]);
        }
        if (step.decided)
            assert_int_not_equal(step.decision.from, step.decision.to);
    }
    assert_true(decided > 0 && decided <= TUNE_MOST_DECISIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_good_as_the_best),
        cmocka_unit_test(the_same_samples_lead_to_the_same_decisions),
        cmocka_unit_test(a_stage_that_no_setting_can_change_is_left_alone),
        cmocka_unit_test(a_tiny_run_says_that_it_was_too_short),
        cmocka_unit_test(a_small_dataset_for_a_slow_model_is_no_short_run),
        cmocka_unit_test(a_trial_may_be_cut_off),
        cmocka_unit_test(what_did_not_help_is_tried_ever_more_rarely),
        cmocka_unit_test(it_stays_within_its_bounds_whatever_it_is_fed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* `aispipe tune` without a model: the interval, the search on made-up speeds with noise, the file. */
#include "unit.h"

#include "cli/tune_file.h"
#include "cli/tune_repeat.h"
#include "cli/tune_search.h"
#include "student_t.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_near(double found, double wanted, double part)
{
    if (fabs(found - wanted) > part * fabs(wanted))
        fail_msg("%.9g, where %.9g is wanted", found, wanted);
}
#define NEAR(a, b, part) check_near((double)(a), (double)(b), part)

/* ---------------------------------------------------------------- interval */

static void test_quantiles(void **state)
{
    /* From tables of Student's distribution. */
    static const struct {
        size_t freedom;
        double t;
    } known[] = {{1, 12.7062},  {2, 4.30265},  {4, 2.77645},  {9, 2.26216},   {20, 2.08596},
                 {21, 2.07961}, {30, 2.04227}, {60, 2.00030}, {120, 1.97993}, {1000, 1.96234}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        NEAR(student_t_95(known[i].freedom), known[i].t, 2e-4);
}

static void test_interval(void **state)
{
    /* Of four computed with scipy.stats.t.interval, of more with scipy.stats.mstats.trimmed_mean_ci. */
    const double ratios[] = {1.1, 1.2, 1.15, 1.18, 1.12, 0.02, 1.16};
    double logs[7];
    (void)state;
    for (int i = 0; i < 7; i++)
        logs[i] = log(ratios[i]);
    struct tune_interval interval = tune_interval_of(logs, 4);
    NEAR(interval.ratio, 1.1568803505, 1e-6);
    NEAR(interval.low, 1.0891823593, 1e-6);
    NEAR(interval.high, 1.2287861018, 1e-6);
    assert_int_equal(interval.pairs, 4);
    interval = tune_interval_of(logs, 5);
    NEAR(interval.ratio, 1.1497390712, 1e-6);
    NEAR(interval.low, 1.0574427932, 1e-6);
    NEAR(interval.high, 1.2500912015, 1e-6);
    interval = tune_interval_of(logs, 7); /* one of them 50 times as slow as the others */
    NEAR(interval.ratio, 1.1416413986, 1e-6);
    NEAR(interval.low, 1.0914587322, 1e-6);
    NEAR(interval.high, 1.1941313443, 1e-6);
    assert_int_equal(interval.pairs, 7);
    interval = tune_interval_of(logs, 1);
    NEAR(interval.ratio, 1.1, 1e-9);
    assert_true(interval.low == 0 && isinf(interval.high));
    const double same[] = {0, 0, 0};
    interval = tune_interval_of(same, 3);
    assert_true(interval.low == 1 && interval.high == 1);
}

/* ---------------------------------------------------------------- search */

/* A machine whose stages take `ms` for each batch and thread, with as many cores as `useful` threads. */
struct machine {
    double ms[AISPIPE_STAGES];
    unsigned useful[AISPIPE_STAGES]; /* more threads than these make nothing faster … */
    double harm;                     /* … but slower, by this part for each */
    double needs_inflight;           /* with fewer slots the rate falls in proportion */
    double batch_gain;   /* compute's time is gain/batch + (1 - gain) of itself, for each sample */
    double noise;        /* standard deviation of a run's rate */
    unsigned stall_each; /* every so many runs, one is 50 times as slow; 0: none */
    unsigned seed;
    unsigned runs;
    unsigned most_runs; /* time is over then; 0: never */
    unsigned close_at;  /* a signal comes with this run */
    unsigned fail_from; /* this many compute threads and more cannot be run; 0: any */
    unsigned reports;
    struct tune_trial last;
};

static double normal(struct machine *machine)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)rand_r(&machine->seed) / RAND_MAX;
    return sum;
}

static double rate_of(const struct machine *machine, const struct tune_run *run, double rates[AISPIPE_STAGES])
{
    const uint64_t threads[AISPIPE_STAGES] = {run->actual[TUNE_LOAD], 1, run->actual[TUNE_THREADS], 1,
                                              run->actual[TUNE_SAVE]};
    double least = INFINITY;
    uint64_t batch = run->actual[TUNE_BATCH] ? run->actual[TUNE_BATCH] : 1;
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        double useful = fmin((double)threads[k], machine->useful[k]);
        double ms = machine->ms[k];
        if (k == AISPIPE_STAGE_COMPUTE)
            ms *= machine->batch_gain / (double)batch + 1 - machine->batch_gain;
        rates[k] = useful / ms * 1000 * (1 - machine->harm * ((double)threads[k] - useful));
        least = fmin(least, rates[k]);
    }
    return least * fmin(1, (double)run->actual[TUNE_INFLIGHT] / machine->needs_inflight);
}

/* What the rate is without noise. */
static double true_rate(const struct machine *machine, const struct tune_point *point, struct tune_run *run)
{
    const uint64_t defaults[TUNE_KNOBS] = {1, 1, 1, 16, 16, 0, 0};
    double rates[AISPIPE_STAGES];
    for (int k = 0; k < TUNE_KNOBS; k++)
        run->actual[k] = point->value[k] ? point->value[k] : defaults[k];
    double rate = rate_of(machine, run, rates);
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        run->stats.stage[k].busy = rate / rates[k];
        if (rates[k] < rates[run->stats.bottleneck])
            run->stats.bottleneck = (enum aispipe_stage)k;
    }
    return rate;
}

static int measure(void *context, const struct tune_point *point, struct tune_run *run,
                   struct aispipe_error *error)
{
    struct machine *machine = context;
    *run = (struct tune_run){0};
    if (++machine->runs == machine->close_at)
        return aispipe_fail(error, AISPIPE_CLOSED, "stopped");
    if (machine->fail_from && point->value[TUNE_THREADS] >= machine->fail_from)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for so many threads");
    run->rate = true_rate(machine, point, run) * exp(machine->noise * normal(machine));
    if (machine->stall_each && machine->runs % machine->stall_each == 0)
        run->rate /= 50;
    return 0;
}

static bool is_over(void *context, bool final)
{
    const struct machine *machine = context;
    return !final && machine->most_runs && machine->runs >= machine->most_runs;
}

static void report(void *context, const struct tune_trial *trial)
{
    struct machine *machine = context;
    machine->reports++;
    machine->last = *trial;
    if (trial->verdict == TUNE_FAILED)
        assert_string_equal(trial->reason, "no memory for so many threads");
}

static struct machine plain(void)
{
    return (struct machine){
        .ms = {0.1, 0.1, 0.1, 0.1, 0.1}, .useful = {64, 1, 64, 1, 64}, .needs_inflight = 1, .seed = 1};
}

static struct tune_problem problem_of(struct machine *machine)
{
    struct tune_problem problem = {
        .context = machine, .most_pairs = 7, .measure = measure, .is_over = is_over, .report = report};
    for (int k = TUNE_THREADS; k <= TUNE_INFLIGHT; k++) {
        problem.searched[k] = true;
        problem.most[k] = k == TUNE_INFLIGHT ? 4096 : 64;
    }
    return problem;
}

/* Searches, and returns the ratio of what was found to the start, without noise. */
static double find(struct machine *machine, const struct tune_problem *problem, struct tune_result *result)
{
    struct aispipe_error error;
    struct tune_run run = {0}, other = {0};
    if (tune_search(problem, result, &error))
        fail_msg("%s", error.message);
    return true_rate(machine, &result->best, &run) / true_rate(machine, &problem->start, &other);
}

static void test_finds_the_stage(void **state)
{
    (void)state;
    const enum tune_knob knobs[] = {TUNE_LOAD, TUNE_THREADS, TUNE_SAVE};
    const enum aispipe_stage stages[] = {AISPIPE_STAGE_LOAD, AISPIPE_STAGE_COMPUTE, AISPIPE_STAGE_SAVE};
    for (int i = 0; i < 3; i++) {
        struct machine machine = plain();
        machine.ms[stages[i]] = 0.8; /* 8 threads make it as fast as the others */
        machine.noise = 0.005;
        struct tune_problem problem = problem_of(&machine);
        struct tune_result result;
        NEAR(find(&machine, &problem, &result), 8, 1e-9);
        assert_true(result.improved && result.settled && !result.stopped);
        assert_true(result.interval.low > 1 && result.interval.pairs >= 3);
        for (int k = 0; k < TUNE_KNOBS; k++)
            assert_int_equal(result.best.value[k], k == (int)knobs[i] ? 8 : 0);
        assert_true(machine.last.final && machine.last.verdict == TUNE_BETTER);
    }
}

static void test_number_that_is_no_power_of_two(void **state)
{
    (void)state;
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = 3;
    machine.useful[AISPIPE_STAGE_COMPUTE] = 6;
    machine.harm = 0.1;
    machine.noise = 0.005;
    struct tune_problem problem = problem_of(&machine);
    struct tune_result result;
    NEAR(find(&machine, &problem, &result), 6, 1e-9);
    assert_int_equal(result.best.value[TUNE_THREADS], 6);
}

static void test_two_stages_alike(void **state)
{
    (void)state;
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = machine.ms[AISPIPE_STAGE_SAVE] = 0.4;
    machine.noise = 0.002;
    struct tune_problem problem = problem_of(&machine);
    struct tune_result result;
    NEAR(find(&machine, &problem, &result), 4, 1e-9);
}

static void test_slots_and_batch(void **state)
{
    (void)state;
    static const uint64_t batches[] = {2, 4, 8};
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = 2;
    machine.useful[AISPIPE_STAGE_COMPUTE] = 1;
    machine.needs_inflight = 60;
    machine.batch_gain = 0.9;
    machine.noise = 0.005;
    struct tune_problem problem = problem_of(&machine);
    problem.searched[TUNE_BATCH] = true;
    problem.batches = batches;
    problem.n_batches = 3;
    problem.start.value[TUNE_BATCH] = 2;
    struct tune_result result;
    double ratio = find(&machine, &problem, &result);
    NEAR(ratio, (0.9 / 2 + 0.1) / (0.9 / 8 + 0.1) * 60 / 16, 1e-9);
    assert_int_equal(result.best.value[TUNE_BATCH], 8);
    assert_int_equal(result.best.value[TUNE_INFLIGHT], 64);
}

/* Whatever the noise: what is found is not slower than the start, and nearly always it is found. */
static void test_noise(void **state)
{
    (void)state;
    const double noise[] = {0.01, 0.05, 0.2};
    for (int n = 0; n < 3; n++) {
        unsigned found = 0;
        for (unsigned seed = 1; seed <= 60; seed++) {
            struct machine machine = plain();
            machine.ms[AISPIPE_STAGE_COMPUTE] = 0.4;
            machine.harm = 0.05;
            machine.noise = noise[n];
            machine.seed = seed;
            struct tune_problem problem = problem_of(&machine);
            struct tune_result result;
            double ratio = find(&machine, &problem, &result);
            assert_true(ratio >= 0.999);
            found += ratio > 3.99;
        }
        assert_true(found >= (n == 2 ? 25 : 57));
    }
}

/* A run in which the machine stood still hides neither a gain nor, in the end, makes one. */
static void test_stalls(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct machine machine = plain();
        machine.ms[AISPIPE_STAGE_COMPUTE] = 0.4;
        machine.harm = 0.1;
        machine.noise = 0.01;
        machine.stall_each = 11 + seed % 5;
        machine.seed = seed;
        struct tune_problem problem = problem_of(&machine);
        struct tune_result result;
        NEAR(find(&machine, &problem, &result), 4, 1e-9);
    }
}

/* Nothing can be gained, and noise is not taken for a gain more often than the last comparison lets through.
 */
static void test_defaults_best(void **state)
{
    (void)state;
    unsigned improved = 0;
    for (unsigned seed = 1; seed <= 100; seed++) {
        struct machine machine = plain();
        machine.ms[AISPIPE_STAGE_H2D] = 1;
        machine.noise = 0.03;
        machine.seed = seed;
        struct tune_problem problem = problem_of(&machine);
        struct tune_result result;
        assert_true(find(&machine, &problem, &result) == 1);
        improved += result.improved;
    }
    assert_true(improved <= 8);
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_H2D] = 1;
    struct tune_problem problem = problem_of(&machine);
    struct tune_result result;
    find(&machine, &problem, &result);
    assert_false(result.improved);
    assert_int_equal(result.interval.pairs, 0);
}

static void test_given_parameters_stay(void **state)
{
    (void)state;
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = 2;
    struct tune_problem problem = problem_of(&machine);
    problem.searched[TUNE_THREADS] = false;
    struct tune_result result;
    assert_true(find(&machine, &problem, &result) == 1);
    assert_false(result.improved);
}

static void test_limits(void **state)
{
    (void)state;
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = 100;
    struct tune_problem problem = problem_of(&machine);
    problem.most[TUNE_THREADS] = 5;
    struct tune_result result;
    NEAR(find(&machine, &problem, &result), 5, 1e-9);
}

static void test_time_runs_out(void **state)
{
    (void)state;
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = 100;
    machine.most_runs = 8;
    machine.noise = 0.001;
    struct tune_problem problem = problem_of(&machine);
    struct tune_result result;
    double ratio = find(&machine, &problem, &result);
    assert_true(ratio >= 2 && result.improved && !result.settled);
    assert_true(machine.runs <= 8 + 2 + 20); /* the pair that was under way, and the last comparison */
}

static void test_candidate_that_cannot_run(void **state)
{
    (void)state;
    struct machine machine = plain();
    machine.ms[AISPIPE_STAGE_COMPUTE] = 100;
    machine.fail_from = 4;
    struct tune_problem problem = problem_of(&machine);
    struct tune_result result;
    NEAR(find(&machine, &problem, &result), 2, 1e-9);
    machine = plain();
    machine.fail_from = 1;
    problem.start.value[TUNE_THREADS] = 1;
    struct aispipe_error error;
    assert_int_equal(tune_search(&problem, &result, &error), AISPIPE_NO_MEMORY);
    assert_string_equal(error.message, "no memory for so many threads");
}

/* A signal at any moment: the search ends with what it has, and nothing is run any more. */
static void test_signal(void **state)
{
    (void)state;
    unsigned improved = 0;
    for (unsigned at = 1; at < 40; at++) {
        struct machine machine = plain();
        machine.ms[AISPIPE_STAGE_COMPUTE] = 0.8;
        machine.close_at = at;
        struct tune_problem problem = problem_of(&machine);
        struct tune_result result;
        double ratio = find(&machine, &problem, &result);
        if (machine.runs < at)
            break; /* it was over before */
        assert_true(result.stopped && ratio >= 1);
        assert_int_equal(machine.runs, at);
        improved += result.improved;
    }
    assert_true(improved > 5);
}

/* ---------------------------------------------------------------- file */

static void test_text(void **state)
{
    (void)state;
    char text[TUNE_FILE_MOST];
    struct tune_point start = {0}, point = {0};
    struct tune_run run = {.actual = {[TUNE_THREADS] = 3}};
    tune_file_text(&point, &start, &run, text);
    assert_string_equal(text, "{}\n");
    start.value[TUNE_BATCH] = point.value[TUNE_BATCH] = 1; /* the model needs one in any case */
    tune_file_text(&point, &start, &run, text);
    assert_string_equal(text, "{\n    \"dymBatch\": 1\n}\n");
    point = (struct tune_point){{3, 2, 1, 64, 8, 4, 1}};
    tune_file_text(&point, &start, &run, text);
    assert_string_equal(text, "{\n    \"threads\": 3,\n    \"load_threads\": 2,\n    \"save_threads\": 1,\n"
                              "    \"inflight\": 64,\n    \"queue_depth\": 8,\n    \"dymBatch\": 4,\n"
                              "    \"engine_option\": [\"NUM_STREAMS=3\"]\n}\n");
}

static void refuse(const char *path, const char *words)
{
    struct aispipe_error error;
    assert_int_equal(tune_file_check(path, &error), AISPIPE_INVALID);
    if (!strstr(error.message, words) || !strstr(error.message, "--config_out"))
        fail_msg("'%s' does not say '%s'", error.message, words);
}

static void test_file(void **state)
{
    (void)state;
    struct aispipe_error error;
    char directory[] = "/tmp/aispipe-tune-XXXXXX";
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(tune_file_check("t.json", &error), 0);
    assert_int_equal(tune_file_write("t.json", "{}\n", &error), 0);
    assert_int_equal(tune_file_check("t.json", &error), 0);
    assert_int_equal(tune_file_write("./t.json", "{\n    \"threads\": 3\n}\n", &error), 0);
    assert_int_equal(tune_file_check("t.json", &error), 0);
    refuse("no/t.json", "No such file");
    refuse(directory, "is a directory");
    refuse("t.json/", "is a directory");
    refuse("/dev/null", "not a regular file");
    FILE *file = fopen("model.onnx", "w");
    assert_non_null(file);
    (void)fputs("precious", file);
    assert_int_equal(fclose(file), 0);
    refuse("model.onnx", "not a file of options");
    assert_int_equal(tune_file_write("no/t.json", "{}\n", &error), AISPIPE_INVALID);
    assert_int_equal(unlink("model.onnx") || unlink("t.json") || chdir("/") || rmdir(directory), 0);
}

/* ---------------------------------------------------------------- endless dataset */

static uint64_t filled[16];
static uint64_t stored[16], counts[16];

static int fill(void *context, void *thread, uint64_t batch, void *const *inputs, struct aispipe_error *error)
{
    (void)context, (void)thread, (void)inputs, (void)error;
    filled[batch]++;
    return 0;
}

static int store(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error)
{
    (void)context, (void)thread, (void)outputs, (void)actual, (void)error;
    stored[first_sample / 4] = first_sample;
    counts[first_sample / 4] = count;
    return 0;
}

/* 10 samples in batches of 4: the third batch of each round holds 2. */
static void test_repeat(void **state)
{
    (void)state;
    struct aispipe_error error;
    struct tune_repeat repeat;
    const struct aispipe_source source = {.samples = 10, .batches = 3, .samples_per_batch = 4, .fill = fill};
    const struct aispipe_sink sink = {.store = store};
    tune_repeat_init(&repeat, &source, &sink);
    struct aispipe_source endless = tune_repeat_source(&repeat);
    struct aispipe_sink counting = tune_repeat_sink(&repeat);
    assert_true(endless.batches > 1000000000 && endless.samples / 4 == endless.batches);
    for (uint64_t batch = 0; batch < 7; batch++) {
        assert_int_equal(endless.fill(endless.context, NULL, batch, NULL, &error), 0);
        assert_int_equal(counting.store(counting.context, NULL, batch * 4, 4, NULL, NULL, &error), 0);
        assert_int_equal(stored[batch], batch * 4); /* names do not repeat within a run */
        assert_int_equal(counts[batch], batch % 3 == 2 ? 2 : 4);
    }
    assert_int_equal(filled[0], 3);
    assert_int_equal(filled[1], 2);
    assert_int_equal(filled[2], 2);
    assert_int_equal(repeat.samples, 10 + 10 + 4);
    assert_int_equal(repeat.batches, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_finds_the_stage),
        cmocka_unit_test(test_number_that_is_no_power_of_two),
        cmocka_unit_test(test_two_stages_alike),
        cmocka_unit_test(test_slots_and_batch),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_defaults_best),
        cmocka_unit_test(test_given_parameters_stay),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_time_runs_out),
        cmocka_unit_test(test_candidate_that_cannot_run),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

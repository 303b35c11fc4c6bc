/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

#include "cli/affinity.h"
#include "cli/check.h"
#include "cli/help.h"
#include "cli/run.h"
#include "cli/tune_file.h"
#include "cli/tune_run.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1000000000u
/* A window is this part of the budget, within limits: so many runs fit, and each is worth something. */
#define WINDOWS 200
#define SHORTEST_WINDOW_NS 60000000u
#define LONGEST_WINDOW_NS SECOND
/* How much of the budget is for searching; the rest is for the last comparison. */
#define SEARCHING 0.85
#define MOST_PAIRS 7
#define MOST_INFLIGHT 65536

/* Short names, as the table shows them. */
static const char *const titles[TUNE_KNOBS] = {"threads", "load",  "save",   "inflight",
                                               "depth",   "batch", "streams"};

struct tune {
    struct tune_options options;
    const char *seen[OPTION_SET_MAX];
    struct interrupt interrupt;
    struct tune_bench bench;
    struct tune_problem problem;
    uint64_t begin_ns;
    struct tune_run start; /* the last run at the start, for the columns */
    unsigned trials;
};

/* ---------------------------------------------------------------- command line */

/* The main form's options with the command's own behind them. */
static struct option_set join_options(struct option_spec *specs)
{
    size_t n = option_count;
    memcpy(specs, option_table, option_count * sizeof *specs);
    for (size_t i = 0; i < tune_set.count; i++)
        if (tune_set.options[i].kind != OPTION_FLAG)
            specs[n++] = tune_set.options[i];
    struct option_set set = tune_set;
    set.options = specs;
    set.count = n;
    return set;
}

static int refuse(const char *option, const char *why, struct aispipe_error *error)
{
    return aispipe_fail(error, AISPIPE_INVALID, "tune: option --%s: %s", option, why);
}

/* What cannot be tuned, or would be something else than what is measured. */
static int check_job(const struct options *o, struct aispipe_error *error)
{
    if (!o->input)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "tune: option --input is missing; parameters are found by running your own data");
    if (strcmp(o->backend, "trtexec") == 0)
        return refuse("backend", "trtexec has nothing that tune could turn; choose another backend", error);
    if (o->device.count > 1)
        return refuse("device", "one device is measured; name one of them", error);
    if (o->dym_shape_range && !o->dym_shape)
        return refuse("dymShape_range", "one shape is measured; give --dymShape instead", error);
    if (o->run_mode == RUN_MODE_FULL)
        return refuse("run_mode", "in mode full no two stages overlap; choose another mode", error);
    if (!o->pipeline)
        return refuse("pipeline", "with 0 no two stages overlap, and there is nothing to tune; leave it out",
                      error);
    if (o->profiler || o->dump || o->dump_npy)
        return refuse(o->profiler ? "profiler"
                      : o->dump   ? "dump"
                                  : "dump_npy",
                      "it changes how fast the model runs; leave it out", error);
    return 0;
}

/* Of no consequence here, so that a whole command line may be taken over. */
static void warn_of_unheard(const char *const *seen, const struct aispipe_log *log)
{
    static const char *const unheard[] = {"output_dirname", "divide_input",  "pure_data_type",
                                          "seed",           "acl_json_path", "energy_consumption",
                                          "npu_id",         "batchsize",     "display_all_summary",
                                          "progress",       "auto_tune"};
    char names[512] = "";
    for (size_t i = 0; i < sizeof unheard / sizeof *unheard; i++) {
        char typed[64];
        size_t used = strlen(names);
        (void)snprintf(typed, sizeof typed, "--%s", unheard[i]);
        const struct option_spec *spec = option_find(&main_options, typed, strlen(typed));
        if (spec && seen[spec - option_table])
            (void)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", typed);
    }
    if (*names)
        log_line(log, AISPIPE_LOG_WARNING, "tune has no use for %s", names);
}

static bool is_given(const struct tune *tune, const char *name)
{
    char typed[64];
    (void)snprintf(typed, sizeof typed, "--%s", name);
    const struct option_spec *spec = option_find(&main_options, typed, strlen(typed));
    return spec && tune->seen[spec - option_table];
}

/* ---------------------------------------------------------------- table */

static const char *verdict_words(const struct tune_trial *trial)
{
    switch (trial->verdict) {
    case TUNE_BETTER:
        return trial->final ? "confirmed" : "better";
    case TUNE_WORSE:
        return "worse";
    case TUNE_SAME:
        return trial->final ? "no better" : "no gain";
    case TUNE_UNDECIDED:
        return "not certain";
    case TUNE_FAILED:
        break;
    }
    return "cannot be run";
}

static void print_values(const struct tune *tune, const struct tune_point *point)
{
    for (int knob = 0; knob < TUNE_KNOBS; knob++) {
        char text[24] = "-"; /* the default */
        if (!tune->problem.searched[knob])
            continue;
        if (point->value[knob])
            (void)snprintf(text, sizeof text, "%" PRIu64, point->value[knob]);
        (void)printf(" %8s", text);
    }
}

static void print_head(const struct tune *tune)
{
    (void)printf("%5s", "trial");
    for (int knob = 0; knob < TUNE_KNOBS; knob++)
        if (tune->problem.searched[knob])
            (void)printf(" %8s", titles[knob]);
    (void)printf(" %11s %11s  %-26s %5s  %s\n", "samples/s", "against", "ratio (95 % interval)", "pairs", "");
}

static void report(void *context, const struct tune_trial *trial)
{
    struct tune *tune = context;
    char ratio[64] = "";
    const struct tune_interval *interval = &trial->interval;
    if (interval->pairs > 1)
        (void)snprintf(ratio, sizeof ratio, "%.3f (%.3f ... %.3f)", interval->ratio, interval->low,
                       interval->high);
    else if (interval->pairs)
        (void)snprintf(ratio, sizeof ratio, "%.3f", interval->ratio);
    if (trial->final)
        (void)printf("%5s", "final");
    else
        (void)printf("%5u", ++tune->trials);
    print_values(tune, trial->point);
    (void)printf(" %11.1f %11.1f  %-26s %5zu  %s", trial->rate, trial->other, ratio, interval->pairs,
                 verdict_words(trial));
    if (trial->reason)
        (void)printf(": %s", trial->reason);
    (void)printf("\n");
}

/* ---------------------------------------------------------------- search */

static int measure(void *context, const struct tune_point *point, struct tune_run *run,
                   struct aispipe_error *error)
{
    struct tune *tune = context;
    return tune_bench_measure(&tune->bench, point, run, error);
}

static bool is_over(void *context, bool final)
{
    struct tune *tune = context;
    if (interrupt_received(&tune->interrupt))
        return true;
    double passed = (double)(clock_ns() - tune->begin_ns) / SECOND;
    return !final && passed > SEARCHING * (double)tune->options.budget;
}

static void choose_knobs(struct tune *tune)
{
    static const char *const names[TUNE_BATCH] = {"threads", "load_threads", "save_threads", "inflight",
                                                  "queue_depth"};
    struct tune_problem *problem = &tune->problem;
    struct tune_bench *bench = &tune->bench;
    for (int knob = 0; knob < TUNE_BATCH; knob++)
        problem->searched[knob] = !is_given(tune, names[knob]);
    problem->searched[TUNE_SAVE] = problem->searched[TUNE_SAVE] && tune->options.job.output;
    problem->searched[TUNE_BATCH] = bench->batch_is_open;
    problem->searched[TUNE_STREAMS] = tune_bench_has_streams(bench);
    for (int knob = TUNE_THREADS; knob <= TUNE_SAVE; knob++)
        problem->most[knob] = tune->options.max_threads;
    problem->most[TUNE_INFLIGHT] = problem->most[TUNE_DEPTH] = MOST_INFLIGHT;
    problem->batches = bench->batches;
    problem->n_batches = bench->n_batches;
}

static void print_plan(const struct tune *tune)
{
    const struct tune_options *o = &tune->options;
    char names[128] = "";
    for (int knob = 0; knob < TUNE_KNOBS; knob++) {
        size_t used = strlen(names);
        if (tune->problem.searched[knob])
            (void)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", titles[knob]);
    }
    (void)printf(
        "searching %s for %" PRIu64 " s on %" PRIu64 " samples%s; runs of %.2f to %.2f s, in pairs\n",
        *names ? names : "nothing: every parameter is given", o->budget, tune_bench_samples(&tune->bench),
        o->job.output ? ", results saved and removed" : "", (double)tune->bench.window_ns / SECOND,
        TUNE_LONGEST_WINDOWS * (double)tune->bench.window_ns / SECOND);
}

static int search(struct tune *tune, struct tune_result *result, struct aispipe_error *error)
{
    struct tune_problem *problem = &tune->problem;
    tune->begin_ns = clock_ns();
    problem->context = tune;
    problem->most_pairs = MOST_PAIRS;
    problem->measure = measure;
    problem->is_over = is_over;
    problem->report = report;
    int rc = tune_bench_open(&tune->bench, &problem->start, error);
    if (rc)
        return rc;
    choose_knobs(tune);
    print_plan(tune);
    print_head(tune);
    return tune_search(problem, result, error);
}

/* ---------------------------------------------------------------- end */

static void print_result(const struct tune *tune, const struct tune_result *result, const char *text)
{
    const struct tune_interval *interval = &result->interval;
    enum aispipe_stage bound = result->run.stats.bottleneck;
    if (result->stopped)
        (void)printf("stopped: the best so far%s\n",
                     result->improved ? ", not confirmed" : " is the defaults");
    else if (!result->improved)
        (void)printf("the defaults are best: %.1f samples/s%s\n", result->run.rate,
                     interval->pairs ? "; what seemed better did not win again" : "");
    else
        (void)printf("%.2f x the defaults (95 %% interval %.2f ... %.2f): %.1f samples/s\n", interval->ratio,
                     interval->low, interval->high, result->run.rate);
    if (!result->stopped)
        (void)printf("%s bounds the run now; %s\n", aispipe_stage_name(bound),
                     result->settled ? "nothing that was tried beside is better"
                                     : "time ran out, a larger --budget may find more");
    (void)printf("%s", text);
    (void)printf("written to %s; use it with: aispipe --config %s and the options of the run\n",
                 tune->options.config_out, tune->options.config_out);
}

static int finish(struct tune *tune, const struct tune_result *result, struct aispipe_error *error)
{
    char text[TUNE_FILE_MOST];
    tune_file_text(&result->best, &tune->problem.start, &result->run, text);
    int rc = tune_file_write(tune->options.config_out, text, error);
    if (!rc)
        print_result(tune, result, text);
    return rc;
}

static int run_tune(struct tune *tune, struct console *console)
{
    struct aispipe_error error = {0};
    struct tune_result result;
    uint64_t window = tune->options.budget * SECOND / WINDOWS;
    tune->bench = (struct tune_bench){
        .options = &tune->options.job,
        .console = console,
        .interrupt = &tune->interrupt,
        .window_ns = window < SHORTEST_WINDOW_NS  ? SHORTEST_WINDOW_NS
                     : window > LONGEST_WINDOW_NS ? LONGEST_WINDOW_NS
                                                  : window,
    };
    int rc = interrupt_open(&tune->interrupt, NULL, NULL, &error);
    if (!rc)
        rc = search(tune, &result, &error);
    int signal = interrupt_received(&tune->interrupt);
    bool began = tune->bench.opened;
    if (!rc)
        rc = finish(tune, &result, &error);
    tune_bench_close(&tune->bench);
    interrupt_close(&tune->interrupt);
    if (rc) {
        console_error(console, error.message);
        return began || rc == AISPIPE_FAULT ? EXIT_FAILED : EXIT_REFUSED;
    }
    return signal ? 128 + signal : EXIT_DONE;
}

int tune_command(int argc, char *const *argv, struct console *console)
{
    struct option_spec specs[OPTION_SET_MAX];
    struct tune tune = {0};
    struct aispipe_log log = console_log(console, false);
    struct aispipe_error error = {0};
    struct options *job = &tune.options.job;
    if (option_count + tune_set.count > OPTION_SET_MAX) {
        console_error(console, "the command's table has outgrown the parser");
        return EXIT_REFUSED;
    }
    const struct option_set set = join_options(specs);
    int rc = options_parse_set(&set, argc, argv, job, tune.seen, &log, &error);
    if (!rc && (job->help || job->version)) {
        if (job->help)
            help_print_command(stdout, &tune_set);
        else
            help_version(stdout);
        return EXIT_DONE;
    }
    if (!tune.options.config_out)
        tune.options.config_out = TUNE_CONFIG_OUT;
    if (!rc)
        rc = check_job(job, &error);
    if (!rc)
        rc = tune_file_check(tune.options.config_out, &error);
    if (!rc)
        rc = affinity_apply(job->affinity, &error); /* before any thread exists */
    if (rc) {
        console_error(console, error.message);
        options_free(job);
        return EXIT_REFUSED;
    }
    warn_of_unheard(tune.seen, &log);
    int status = run_tune(&tune, console);
    options_free(job);
    return status;
}

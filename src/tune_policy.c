/* SPDX-License-Identifier: MIT */
#include "tune_policy.h"

#include "tune_window.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

/* A window is as long as this, and long enough for so many batches. */
#define CLIMB_NS (40 * MS)  /* while the next step may be worth a lot */
#define PAIR_NS (100 * MS)  /* where windows are compared in pairs */
#define WATCH_NS (200 * MS) /* where nothing is to be done */
#define MOST_NS SECOND
#define WINDOW_BATCHES 12
#define PATIENCE 25 /* times the length, for a slow run's window that has few batches yet */

#define SATURATED 0.97 /* a stage that works for so much of the time bounds the run */
#define BOUND 0.85     /* a stage that reads or writes may, because waiting for a core is work to it */
#define NO_GAPS 0.985  /* a stage that works for so much of the time hardly ever runs empty */
#define CACHE_BYTES ((size_t)4 << 20)
#define CACHE_CORES 0.5 /* with less than this in use, caches are not what holds the run back */

#define SMALL_GAIN 0.01 /* not worth keeping */
#define CLEAR_GAIN 0.08 /* believed after one window, */
#define CHANCE 0.5      /* a loss that one window may show by chance, where times vary much */
#define CLEAR_BY 1.5    /* where it is so many times the half width of its 95 % interval */

#define BACK_OFF_NS SECOND
#define BACK_OFF_MOST_NS (300 * SECOND)
#define CHECK_NS (5 * SECOND) /* before a step that was kept is taken in the other direction */
#define LOSS_AT_FIRST_NS 10e6
#define LOSS_SHARE 0.01

void tune_policy_init(struct tune_policy *policy, const struct tune_frame *frame)
{
    *policy = (struct tune_policy){.frame = *frame, .now = frame->start};
}

uint64_t tune_policy_interval_ns(const struct tune_policy *policy)
{
    bool quiet = policy->has_seen && !policy->on_trial && policy->windows > 1;
    return quiet ? WATCH_NS / 8 : CLIMB_NS / 4;
}

/* ------------------------------------------------------------------ windows */

static void begin_window(struct tune_policy *policy, const struct tune_sample *sample)
{
    policy->begin = *sample;
    policy->settled = true;
    policy->ticks = 0;
    policy->tick_sum = 0;
    policy->tick_squares = 0;
}

static void add_tick(struct tune_policy *policy, const struct tune_sample *sample)
{
    double seconds = (double)(sample->now_ns - policy->last.now_ns) / 1e9;
    if (seconds <= 0)
        return;
    double rate = (double)tune_batches_between(&policy->last, sample) / seconds;
    policy->ticks++;
    policy->tick_sum += rate;
    policy->tick_squares += rate * rate;
}

static uint64_t window_length(const struct tune_policy *policy)
{
    if (policy->on_trial)
        return policy->trial.window_ns;
    return policy->has_seen && policy->windows > 1 ? WATCH_NS : CLIMB_NS;
}

static bool window_is_full(const struct tune_policy *policy, const struct tune_sample *sample)
{
    uint64_t lasted = sample->now_ns - policy->begin.now_ns;
    uint64_t length = window_length(policy);
    if (lasted < length)
        return false;
    return tune_batches_between(&policy->begin, sample) >= WINDOW_BATCHES || lasted >= PATIENCE * length;
}

/* What is under way with the old setting must not be counted for the new one. */
static void settle(struct tune_policy *policy, const struct tune_window *window, uint64_t now_ns)
{
    double seconds = 2 * window->service_seconds;
    seconds = fmin(fmax(seconds, 0.003), 0.1);
    const struct policy_trial *trial = &policy->trial;
    if (trial->parameter == AISPIPE_TUNE_INFLIGHT && window->rate > 0) {
        unsigned from = trial->without.value[AISPIPE_TUNE_INFLIGHT];
        unsigned to = trial->with.value[AISPIPE_TUNE_INFLIGHT];
        seconds += fmin((from > to ? from : to) / window->rate, 0.3);
    }
    policy->settled = false;
    policy->settle_until_ns = now_ns + (uint64_t)(seconds * 1e9);
}

/* ------------------------------------------------------------------ what is worth trying */

static bool may_lose(const struct tune_policy *policy, uint64_t now_ns)
{
    return policy->lost_ns <= LOSS_AT_FIRST_NS + LOSS_SHARE * (double)now_ns;
}

static bool is_open(const struct tune_policy *policy, enum aispipe_tune_parameter parameter, bool up,
                    uint64_t now_ns)
{
    unsigned value = policy->now.value[parameter];
    const struct tune_move *move = &policy->moves[parameter][up];
    bool room =
        up ? value < policy->frame.most.value[parameter] : value > policy->frame.least.value[parameter];
    return room && now_ns >= move->not_before_ns;
}

static unsigned clamp(uint64_t value, unsigned least, unsigned most)
{
    return value < least ? least : value > most ? most : (unsigned)value;
}

/* Twice as many or half as many; four times, where little would be missed; threads, where that was not
 * better, by one. */
static unsigned next_value(const struct tune_policy *policy, enum aispipe_tune_parameter parameter, bool up,
                           const struct tune_window *window)
{
    uint64_t value = policy->now.value[parameter];
    bool threads = parameter != AISPIPE_TUNE_INFLIGHT;
    bool far = threads ? 4 * window->cores_used < policy->frame.cores : window->busy[window->busiest] < 0.95;
    if (threads && policy->moves[parameter][up].failures % 2)
        value = up ? value + 1 : value - 1;
    else if (up)
        value *= far ? 4 : 2;
    else
        value /= 2;
    return clamp(value, policy->frame.least.value[parameter], policy->frame.most.value[parameter]);
}

static void begin_trial(struct tune_policy *policy, enum aispipe_tune_parameter parameter, bool up,
                        const struct tune_window *window)
{
    struct policy_trial *trial = &policy->trial;
    *trial =
        (struct policy_trial){.parameter = parameter, .up = up, .without = policy->now, .with = policy->now};
    unsigned from = policy->now.value[parameter];
    unsigned to = next_value(policy, parameter, up, window);
    trial->with.value[parameter] = to;
    if (parameter != AISPIPE_TUNE_INFLIGHT) {
        /* Each thread comes, and goes, with a batch for its hands. */
        const unsigned i = AISPIPE_TUNE_INFLIGHT;
        int64_t slots = (int64_t)policy->now.value[i] + to - from;
        unsigned least = policy->frame.least.value[i];
        trial->with.value[i] = clamp(slots > 0 ? (uint64_t)slots : 0, least, policy->frame.most.value[i]);
    }
    unsigned failures = policy->moves[parameter][up].failures;
    uint64_t length = failures ? PAIR_NS << (failures < 4 ? failures : 4) : CLIMB_NS;
    trial->window_ns = length < MOST_NS ? length : MOST_NS;
    trial->before[trial->n_before++] = *window;
    trial->is_with = true;
    policy->on_trial = true;
    policy->now = trial->with;
}

static const char *percent(double share, char text[16])
{
    (void)snprintf(text, 16, "%.1f %%", 100 * share);
    return text;
}

static bool try_threads(struct tune_policy *policy, enum aispipe_tune_parameter parameter,
                        const struct tune_window *window, uint64_t now_ns)
{
    enum aispipe_stage stage =
        parameter == AISPIPE_TUNE_LOAD_THREADS ? AISPIPE_STAGE_LOAD : AISPIPE_STAGE_SAVE;
    enum aispipe_stage next = AISPIPE_STAGE_H2D;
    for (int k = AISPIPE_STAGE_COMPUTE; k <= AISPIPE_STAGE_D2H; k++)
        if (window->busy[k] > window->busy[next])
            next = (enum aispipe_stage)k;
    if (window->busy[stage] < BOUND || window->busy[next] >= SATURATED ||
        !is_open(policy, parameter, true, now_ns))
        return false;
    if (policy->moves[parameter][1].failures && !may_lose(policy, now_ns))
        return false;
    begin_trial(policy, parameter, true, window);
    char own[16], other[16];
    (void)snprintf(policy->trial.reason, sizeof policy->trial.reason,
                   "%s worked %s of the time, %s %s, and %.1f of %u cores were in use",
                   aispipe_stage_name(stage), percent(window->busy[stage], own), aispipe_stage_name(next),
                   percent(window->busy[next], other), window->cores_used, policy->frame.cores);
    return true;
}

static bool try_more_slots(struct tune_policy *policy, const struct tune_window *window, uint64_t now_ns)
{
    double busy = window->busy[window->busiest];
    if (busy >= NO_GAPS || !is_open(policy, AISPIPE_TUNE_INFLIGHT, true, now_ns) || !may_lose(policy, now_ns))
        return false;
    begin_trial(policy, AISPIPE_TUNE_INFLIGHT, true, window);
    char share[16];
    (void)snprintf(policy->trial.reason, sizeof policy->trial.reason,
                   "no stage worked all the time: %s, the busiest, %s", aispipe_stage_name(window->busiest),
                   percent(busy, share));
    return true;
}

static bool try_fewer_slots(struct tune_policy *policy, const struct tune_window *window, uint64_t now_ns)
{
    double bytes = (double)policy->frame.slot_bytes * policy->now.value[AISPIPE_TUNE_INFLIGHT];
    bool cached = bytes <= (double)CACHE_BYTES || window->cores_used < CACHE_CORES;
    if (cached || window->busy[window->busiest] < SATURATED ||
        !is_open(policy, AISPIPE_TUNE_INFLIGHT, false, now_ns) || !may_lose(policy, now_ns))
        return false;
    begin_trial(policy, AISPIPE_TUNE_INFLIGHT, false, window);
    (void)snprintf(policy->trial.reason, sizeof policy->trial.reason,
                   "%.1f MiB in flight may be more than the caches hold; %s is the busiest",
                   bytes / (1 << 20), aispipe_stage_name(window->busiest));
    return true;
}

/* A check of what was kept: the run may have changed since. Not where fewer could not do the work, unless
 * there are more threads than cores that do it. */
static bool try_fewer_threads(struct tune_policy *policy, enum aispipe_tune_parameter parameter,
                              const struct tune_window *window, uint64_t now_ns)
{
    if (!is_open(policy, parameter, false, now_ns) || !may_lose(policy, now_ns))
        return false;
    enum aispipe_stage stage =
        parameter == AISPIPE_TUNE_LOAD_THREADS ? AISPIPE_STAGE_LOAD : AISPIPE_STAGE_SAVE;
    unsigned threads = policy->now.value[parameter];
    double wanted = window->busy[stage] * threads;
    bool crowded = threads > policy->frame.cores && window->cores_used > 0.9 * policy->frame.cores;
    if (!crowded && wanted > 0.9 * next_value(policy, parameter, false, window))
        return false;
    begin_trial(policy, parameter, false, window);
    char share[16];
    (void)snprintf(
        policy->trial.reason, sizeof policy->trial.reason,
        "%s worked %s of the time, and %.1f of %u cores were in use: a check whether fewer would do",
        aispipe_stage_name(stage), percent(window->busy[stage], share), window->cores_used,
        policy->frame.cores);
    return true;
}

/* Too near its end, a run gains nothing from what it could still find out. */
static bool is_ending(const struct tune_policy *policy, const struct tune_window *window,
                      const struct tune_sample *sample)
{
    uint64_t saved = sample->stage[AISPIPE_STAGE_SAVE].batches;
    uint64_t left = policy->frame.batches > saved ? policy->frame.batches - saved : 0;
    return window->rate <= 0 || (double)left / window->rate < 3 * window->seconds;
}

static bool try_something(struct tune_policy *policy, const struct tune_window *window,
                          const struct tune_sample *sample)
{
    if (policy->decided >= TUNE_MOST_DECISIONS || is_ending(policy, window, sample))
        return false;
    bool save_first = window->busy[AISPIPE_STAGE_SAVE] > window->busy[AISPIPE_STAGE_LOAD];
    enum aispipe_tune_parameter first = save_first ? AISPIPE_TUNE_SAVE_THREADS : AISPIPE_TUNE_LOAD_THREADS;
    enum aispipe_tune_parameter second = save_first ? AISPIPE_TUNE_LOAD_THREADS : AISPIPE_TUNE_SAVE_THREADS;
    uint64_t now = sample->now_ns;
    /* Where no core is free, more threads are the less likely to help. */
    bool crowded = window->cores_used > 0.9 * policy->frame.cores;
    /* The first window is of a pipeline that fills: it says little about the slots. */
    bool full = policy->windows > 1;
    if (full && crowded && try_fewer_slots(policy, window, now))
        return true;
    return try_threads(policy, first, window, now) || try_threads(policy, second, window, now) ||
           (full && (try_more_slots(policy, window, now) || try_fewer_slots(policy, window, now))) ||
           try_fewer_threads(policy, first, window, now) || try_fewer_threads(policy, second, window, now);
}

/* ------------------------------------------------------------------ what a trial has shown */

static void fill_decision(const struct tune_policy *policy, const struct tune_gain *gain, uint64_t now_ns,
                          struct aispipe_tune_decision *decision)
{
    const struct policy_trial *trial = &policy->trial;
    unsigned samples = policy->frame.samples_per_batch;
    *decision = (struct aispipe_tune_decision){
        .time_ms = (double)now_ns / 1e6,
        .parameter = trial->parameter,
        .from = trial->without.value[trial->parameter],
        .to = trial->with.value[trial->parameter],
        .before = tune_mean_rate(trial->before, trial->n_before) * samples,
        .after = tune_mean_rate(trial->after, trial->pairs) * samples,
    };
    if (gain) {
        decision->gain_low = exp(gain->mean - gain->half_width) - 1;
        decision->gain_high = exp(gain->mean + gain->half_width) - 1;
    }
    memcpy(decision->reason, trial->reason, sizeof decision->reason);
}

/* What a change of slots is judged by, beside the rate. */
static void add_busy(const struct policy_trial *trial, struct aispipe_tune_decision *decision)
{
    const struct tune_window *after = &trial->after[trial->pairs - 1];
    size_t used = strlen(decision->reason);
    if (trial->parameter == AISPIPE_TUNE_INFLIGHT && trial->up)
        (void)snprintf(decision->reason + used, sizeof decision->reason - used,
                       ", and with more slots %s %.1f %%", aispipe_stage_name(after->busiest),
                       100 * after->busy[after->busiest]);
}

static uint64_t back_off(unsigned failures)
{
    uint64_t ns = BACK_OFF_NS << (failures < 20 ? failures : 20);
    return ns < BACK_OFF_MOST_NS ? ns : BACK_OFF_MOST_NS;
}

/* With another setting, what was of no use before may be now. */
static void reopen(struct tune_policy *policy, uint64_t now_ns)
{
    for (int p = 0; p < AISPIPE_TUNE_PARAMETERS; p++)
        for (int up = 0; up < 2; up++)
            if (policy->moves[p][up].not_before_ns > now_ns + BACK_OFF_NS)
                policy->moves[p][up].not_before_ns = now_ns + BACK_OFF_NS;
}

static void decide(struct tune_policy *policy, bool keep, const struct tune_gain *gain, uint64_t now_ns,
                   struct tune_step *step)
{
    const struct policy_trial *trial = &policy->trial;
    struct tune_move *move = &policy->moves[trial->parameter][trial->up];
    fill_decision(policy, gain, now_ns, &step->decision);
    add_busy(trial, &step->decision);
    step->decided = true;
    step->decision.verdict = keep ? AISPIPE_TUNE_KEPT : AISPIPE_TUNE_TAKEN_BACK;
    policy->now = keep ? trial->with : trial->without;
    step->apply = keep != trial->is_with;
    policy->on_trial = false;
    policy->decided++;
    if (keep) {
        reopen(policy, now_ns);
        move->failures = 0;
        policy->moves[trial->parameter][!trial->up].not_before_ns = now_ns + CHECK_NS;
    } else {
        move->failures++;
        move->not_before_ns = now_ns + back_off(move->failures);
    }
    policy->has_seen = false; /* look for the next step soon */
}

static void note_loss(struct tune_policy *policy)
{
    const struct policy_trial *trial = &policy->trial;
    const struct tune_window *after = &trial->after[trial->pairs - 1];
    const struct tune_window *before = &trial->before[trial->n_before - 1];
    if (before->rate <= 0)
        return;
    /* What chance has taken from one window it gives to another. */
    policy->lost_ns += fmax(1 - after->rate / before->rate, -1) * after->seconds * 1e9;
    policy->lost_ns = fmax(policy->lost_ns, 0);
}

/* More slots are wanted where times vary much, and there one window says little about the rate. */
static double clear_loss(const struct policy_trial *trial)
{
    return trial->parameter == AISPIPE_TUNE_INFLIGHT && trial->up ? 2 * CLEAR_GAIN : CLEAR_GAIN / 2;
}

/* More slots are kept where the busiest stage runs empty less often. That is all they can do for it where
 * hardly any core is in use; elsewhere they may make work slower as well, and the rate must at least be the
 * same. */
static bool fills_gaps(const struct policy_trial *trial, const struct tune_gain *gain)
{
    if (trial->parameter != AISPIPE_TUNE_INFLIGHT || !trial->up || tune_busy_gain(trial) < 2 * SMALL_GAIN)
        return false;
    bool asleep = trial->after[trial->pairs - 1].cores_used < CACHE_CORES;
    return gain->mean > (asleep ? -CHANCE : -SMALL_GAIN);
}

/* What is beyond doubt, after one window of each already. Returns whether it was decided. */
static bool judge_clear(struct tune_policy *policy, uint64_t now_ns, struct tune_step *step)
{
    struct tune_gain gain = tune_gain_of_ticks(&policy->trial);
    bool clear = fabs(gain.mean) > CLEAR_BY * gain.half_width;
    if ((clear && gain.mean > CLEAR_GAIN) || fills_gaps(&policy->trial, &gain))
        decide(policy, true, &gain, now_ns, step);
    else if (clear && gain.mean < -clear_loss(&policy->trial))
        decide(policy, false, &gain, now_ns, step);
    return step->decided;
}

static bool judge_pairs(struct tune_policy *policy, uint64_t now_ns, struct tune_step *step)
{
    const struct policy_trial *trial = &policy->trial;
    struct tune_gain gain = tune_gain_of_pairs(trial);
    bool better = gain.mean > SMALL_GAIN && gain.mean > gain.half_width;
    /* What is left to find may still be there, but the time is better spent on something else first. */
    bool hopeless =
        gain.mean + gain.half_width < 2 * SMALL_GAIN || (trial->pairs > 2 && gain.mean < SMALL_GAIN);
    struct tune_gain ticks = tune_gain_of_ticks(trial);
    bool dear = ticks.mean < -ticks.half_width && !may_lose(policy, now_ns);
    if (better)
        decide(policy, true, &gain, now_ns, step);
    else if (hopeless || dear || trial->pairs == TUNE_MOST_PAIRS)
        decide(policy, false, &gain, now_ns, step);
    return step->decided;
}

/* A window of a trial is over: note it, judge, or go on with the other setting. */
static void go_on(struct tune_policy *policy, const struct tune_window *window, uint64_t now_ns,
                  struct tune_step *step)
{
    struct policy_trial *trial = &policy->trial;
    if (trial->is_with) {
        trial->after[trial->pairs++] = *window;
        note_loss(policy);
        if (trial->pairs == 1 && judge_clear(policy, now_ns, step))
            return;
        if (trial->window_ns < PAIR_NS)
            trial->window_ns = PAIR_NS;
    } else {
        trial->before[trial->n_before++] = *window;
        if (trial->pairs > 1 && (judge_clear(policy, now_ns, step) || judge_pairs(policy, now_ns, step)))
            return;
    }
    trial->is_with = !trial->is_with;
    policy->now = trial->is_with ? trial->with : trial->without;
    step->apply = true;
}

/* ------------------------------------------------------------------ the whole */

void tune_policy_feed(struct tune_policy *policy, const struct tune_sample *sample, struct tune_step *step)
{
    *step = (struct tune_step){0};
    if (!policy->began) {
        if (!sample->stage[AISPIPE_STAGE_SAVE].batches)
            return;
        policy->began = true;
        policy->origin = policy->last = *sample;
        begin_window(policy, sample);
        return;
    }
    if (!policy->settled) {
        policy->last = *sample;
        if (sample->now_ns >= policy->settle_until_ns)
            begin_window(policy, sample);
        return;
    }
    add_tick(policy, sample);
    policy->last = *sample;
    if (!window_is_full(policy, sample))
        return;
    struct tune_window window =
        tune_window_of(&policy->begin, sample, policy->ticks, policy->tick_sum, policy->tick_squares);
    policy->windows++;
    if (policy->on_trial) {
        go_on(policy, &window, sample->now_ns, step);
    } else {
        policy->seen = window;
        policy->has_seen = true;
        step->apply = try_something(policy, &window, sample);
    }
    if (step->apply)
        settle(policy, &window, sample->now_ns);
    else
        begin_window(policy, sample);
}

void tune_policy_end(struct tune_policy *policy, const struct tune_sample *sample, struct tune_step *step)
{
    *step = (struct tune_step){0};
    policy->last = *sample;
    if (!policy->on_trial)
        return;
    fill_decision(policy, NULL, sample->now_ns, &step->decision);
    step->decision.verdict = AISPIPE_TUNE_CUT_OFF;
    step->decided = true;
    policy->now = policy->trial.without; /* what was decided on; it is not put in force any more */
    policy->on_trial = false;
    policy->decided++;
}

const char *tune_policy_why_nothing(const struct tune_policy *policy, char *text, size_t capacity)
{
    const struct tune_sample *begin = &policy->origin, *end = &policy->last;
    struct tune_window whole = {0};
    if (end->now_ns > begin->now_ns)
        whole = tune_window_of(begin, end, 0, 0, 0);
    double busy = whole.busy[whole.busiest];
    const char *name = aispipe_stage_name(whole.busiest);
    bool bound = busy >= BOUND && whole.busiest != AISPIPE_STAGE_LOAD && whole.busiest != AISPIPE_STAGE_SAVE;
    /* A small dataset is loaded at once and fills no window, and may still keep the model busy for long. */
    bool is_long = whole.seconds * SECOND >= WATCH_NS;
    if (!policy->seen.seconds && !(bound && is_long))
        (void)snprintf(text, capacity,
                       "nothing was tried: the run was too short (%.3f s, %" PRIu64
                       " batches), there was nothing "
                       "to measure",
                       (double)end->now_ns / 1e9, policy->frame.batches);
    else if (bound)
        (void)snprintf(
            text, capacity,
            "nothing was tried: %s worked %.1f %% of the time, which neither threads that load or save nor "
            "batches in flight can change",
            name, 100 * busy);
    else
        (void)snprintf(
            text, capacity,
            "nothing was tried: there was no room or no time for it; %s, the busiest stage, worked "
            "%.1f %% of the time",
            name, 100 * busy);
    return text;
}

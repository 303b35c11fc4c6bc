/* SPDX-License-Identifier: MIT */
#include "tune_window.h"

#include "student_t.h"

#include <math.h>

#define NORMAL_95 1.96

uint64_t tune_batches_between(const struct tune_sample *begin, const struct tune_sample *end)
{
    uint64_t loaded = end->stage[AISPIPE_STAGE_LOAD].batches - begin->stage[AISPIPE_STAGE_LOAD].batches;
    uint64_t saved = end->stage[AISPIPE_STAGE_SAVE].batches - begin->stage[AISPIPE_STAGE_SAVE].batches;
    return loaded < saved ? loaded : saved;
}

/* A window counts whole batches: up to one at each end is there by chance. */
static double counting_error(double batches)
{
    return batches > 0 ? 0.5 / batches : 1;
}

static double scatter(unsigned ticks, double sum, double squares)
{
    double mean = sum / ticks;
    double variance = (squares - sum * mean) / (ticks - 1);
    return mean > 0 && variance > 0 ? sqrt(variance / ticks) / mean : 0;
}

struct tune_window tune_window_of(const struct tune_sample *begin, const struct tune_sample *end,
                                  unsigned ticks, double sum, double squares)
{
    double ns = (double)(end->now_ns - begin->now_ns);
    double batches = (double)tune_batches_between(begin, end);
    struct tune_window window = {.seconds = ns / 1e9, .rate = batches * 1e9 / ns};
    double floor = counting_error(batches);
    window.rate_error = ticks > 1 ? scatter(ticks, sum, squares) : 1;
    if (window.rate_error < floor)
        window.rate_error = floor;
    window.cores_used = (double)(end->cpu_ns - begin->cpu_ns) / ns;
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        /* A thread that is being parked may be counted for a moment as it was. */
        double capacity = (double)end->stage[k].capacity_ns - (double)begin->stage[k].capacity_ns;
        double busy = (double)(end->stage[k].busy_ns - begin->stage[k].busy_ns);
        if (capacity > 0)
            window.busy[k] = busy < capacity ? busy / capacity : 1;
        uint64_t done = end->stage[k].batches - begin->stage[k].batches;
        double each =
            (double)(end->stage[k].busy_ns - begin->stage[k].busy_ns) / (double)(done ? done : 1) / 1e9;
        if (each > window.service_seconds)
            window.service_seconds = each;
        if (window.busy[k] > window.busy[window.busiest])
            window.busiest = (enum aispipe_stage)k;
    }
    return window;
}

/* Windows in which nothing came through must not make infinities. */
static double log_ratio(double after, double before)
{
    const double least = 1e-9;
    return log((after > least ? after : least) / (before > least ? before : least));
}

/* Standard error of the mean of windows, relative. */
static double mean_error(const struct tune_window *windows, unsigned n)
{
    double squares = 0;
    for (unsigned i = 0; i < n; i++)
        squares += windows[i].rate_error * windows[i].rate_error;
    return sqrt(squares) / n;
}

struct tune_gain tune_gain_of_ticks(const struct policy_trial *trial)
{
    double before = mean_error(trial->before, trial->n_before);
    double after = mean_error(trial->after, trial->pairs);
    return (struct tune_gain){.mean = log_ratio(tune_mean_rate(trial->after, trial->pairs),
                                                tune_mean_rate(trial->before, trial->n_before)),
                              .half_width = NORMAL_95 * hypot(after, before)};
}

static double of_pair(const struct policy_trial *trial, unsigned i)
{
    double around = sqrt(trial->before[i].rate * trial->before[i + 1].rate);
    return log_ratio(trial->after[i].rate, around);
}

struct tune_gain tune_gain_of_pairs(const struct policy_trial *trial)
{
    unsigned n = trial->pairs;
    double sum = 0;
    double counting = 0;
    if (n < 2 || n > TUNE_MOST_PAIRS)
        return (struct tune_gain){.half_width = INFINITY};
    for (unsigned i = 0; i < n; i++) {
        sum += of_pair(trial, i);
        double one = counting_error(trial->after[i].rate * trial->after[i].seconds);
        counting += 1.5 * one * one;
    }
    double mean = sum / n;
    double squares = 0;
    for (unsigned i = 0; i < n; i++)
        squares += (of_pair(trial, i) - mean) * (of_pair(trial, i) - mean);
    double error = sqrt(squares / (n - 1) / n);
    double floor = sqrt(counting) / n;
    double half_width = student_t_95(n - 1) * error;
    return (struct tune_gain){mean, half_width > NORMAL_95 * floor ? half_width : NORMAL_95 * floor};
}

double tune_busy_gain(const struct policy_trial *trial)
{
    double before = 0;
    double after = 0;
    for (unsigned i = 0; i < trial->pairs; i++) {
        before += trial->before[i].busy[trial->before[i].busiest];
        after += trial->after[i].busy[trial->after[i].busiest];
    }
    return log_ratio(after, before);
}

double tune_mean_rate(const struct tune_window *windows, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += windows[i].rate;
    return n ? sum / n : 0;
}

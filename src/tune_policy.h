/* SPDX-License-Identifier: MIT */
/**
 * @file tune_policy.h
 * What --auto_tune decides, and when. Pure: samples of the statistics go in, settings come out; no clock, no
 * thread, no random number, so that the same samples always lead to the same decisions.
 *
 * It climbs one step at a time. WATCH: a window with the setting in force says which stage bounds the run,
 * and so what is worth trying. TRIAL: windows with the new setting and the old one take turns (B A B A …), so
 * that what changes in the meantime by itself, as bursts do, strikes both. After each pair the 95 % interval
 * of the gain is looked at: above nothing, the change is kept; below what would be worth having, or still
 * undecided at the end, it is taken back. An effect far beyond the scatter inside the windows is believed at
 * once, because a run that could be twice as fast should not wait. What was taken back is tried again after a
 * back-off that doubles, with windows twice as long. What trials have lost in all is kept below 1 % of the
 * run.
 */
#ifndef AISPIPE_TUNE_POLICY_H
#define AISPIPE_TUNE_POLICY_H

#include "aispipe/aispipe.h"

#define TUNE_MOST_DECISIONS 200
#define TUNE_MOST_PAIRS 6

struct tune_setting {
    unsigned value[AISPIPE_TUNE_PARAMETERS];
};

/** The counters of the run at one moment, since its start. */
struct tune_sample {
    uint64_t now_ns; /**< since the start */
    struct {
        uint64_t batches;
        uint64_t busy_ns;
        uint64_t capacity_ns; /**< time of the threads in use */
    } stage[AISPIPE_STAGES];
    uint64_t cpu_ns; /**< of the process */
};

/** What does not change in a run. */
struct tune_frame {
    struct tune_setting start, least, most;
    unsigned cores;
    uint64_t batches;
    unsigned samples_per_batch;
    size_t slot_bytes;
};

/** What one window has shown. */
struct tune_window {
    double seconds;
    double rate;       /**< batches a second, of load or save, whichever is less: queues that fill or drain do
                        * not count */
    double rate_error; /**< standard error of `rate`, relative, by the scatter of its ticks */
    double busy[AISPIPE_STAGES]; /**< 0…1 */
    double cores_used;
    double service_seconds; /**< of the stage whose batches take longest */
    enum aispipe_stage busiest;
};

/** A step of one parameter, up or down, that may be tried. */
struct tune_move {
    uint64_t not_before_ns;
    unsigned failures; /**< in a row */
};

struct policy_trial {
    enum aispipe_tune_parameter parameter;
    bool up;
    struct tune_setting without, with;
    bool is_with;                                   /**< which one is in force */
    unsigned pairs;                                 /**< windows of the new setting that are complete */
    struct tune_window before[TUNE_MOST_PAIRS + 1]; /**< windows of the old setting: one more than pairs */
    struct tune_window after[TUNE_MOST_PAIRS];
    unsigned n_before;
    uint64_t window_ns;
    char reason[256];
};

struct tune_policy {
    struct tune_frame frame;
    struct tune_setting now;
    struct tune_move moves[AISPIPE_TUNE_PARAMETERS][2]; /**< down, up */
    bool on_trial;
    struct policy_trial trial;
    unsigned decided;
    double lost_ns; /**< by windows with settings that were worse */
    bool began;     /**< the first batch has gone through */
    bool settled;   /**< the window's beginning is known */
    uint64_t settle_until_ns;
    struct tune_sample begin; /**< of the window */
    struct tune_sample last;
    struct tune_sample origin; /**< of the whole, for the last word */
    uint64_t windows;          /* so far */
    unsigned ticks;
    double tick_sum, tick_squares; /**< of the rates of the window's ticks */
    struct tune_window seen;       /**< the last window that was watched */
    bool has_seen;
};

/** What to do after a sample. */
struct tune_step {
    bool apply; /**< put policy->now in force */
    bool decided;
    struct aispipe_tune_decision decision; /**< with `decided` */
};

void tune_policy_init(struct tune_policy *policy, const struct tune_frame *frame);
/** How long to wait until the next sample. */
uint64_t tune_policy_interval_ns(const struct tune_policy *policy);
void tune_policy_feed(struct tune_policy *policy, const struct tune_sample *sample, struct tune_step *step);
/** The run has ended: a trial that goes on is cut off, and that is a decision. */
void tune_policy_end(struct tune_policy *policy, const struct tune_sample *sample, struct tune_step *step);
/** Why nothing was tried, in a sentence. Needs no decision. Returns `text`. */
const char *tune_policy_why_nothing(const struct tune_policy *policy, char *text, size_t capacity);

#endif

/* SPDX-License-Identifier: MIT */
#include "cli/tune_search.h"

#include <math.h>
#include <string.h>

/* What a candidate must gain to be worth having, and must still be able to gain to be worth another pair. */
#define WORTH 1.01
/* The interval of two pairs is wide enough to drop a candidate, but an accident may make it narrow: to take
 * one needs more, unless it gains much. */
#define PAIRS_TO_DROP 2
#define PAIRS_TO_TAKE 3
#define MUCH 1.1
#define FINAL_PAIRS 10
/* A stage whose threads work less than this has no use for more of them … */
#define IDLE 0.6
/* … and those that work at least this much may all hold the run back together. */
#define NEARLY_FULL 0.75

struct search {
    const struct tune_problem *problem;
    struct tune_result *result;
    struct tune_run start; /* the first run that counts */
    bool settled[TUNE_KNOBS];
    struct aispipe_error *error;
};

/* ---------------------------------------------------------------- comparing */

struct duel {
    const struct tune_point *point[2]; /* the candidate, and what it runs against */
    struct tune_run run[2];            /* the last of each */
    double rate[2][TUNE_PAIRS_MOST];
    double log_ratio[TUNE_PAIRS_MOST];
    size_t pairs;
    int loser; /* which of them could not be run */
};

static int run_pair(const struct search *search, struct duel *duel, struct aispipe_error *error)
{
    for (int turn = 0; turn < 2; turn++) {
        int which = (turn + (int)duel->pairs) % 2; /* who comes first has no lasting advantage */
        duel->loser = which;
        int rc =
            search->problem->measure(search->problem->context, duel->point[which], &duel->run[which], error);
        if (rc)
            return rc;
        duel->rate[which][duel->pairs] = duel->run[which].rate;
    }
    size_t n = duel->pairs++;
    duel->log_ratio[n] = log(duel->rate[0][n] / duel->rate[1][n]);
    return 0;
}

static enum tune_verdict judge(const struct tune_interval *interval, bool final)
{
    if (interval->pairs >= PAIRS_TO_DROP && interval->high < 1)
        return TUNE_WORSE;
    bool enough = interval->pairs >= PAIRS_TO_TAKE;
    if (!enough && !final && interval->pairs >= PAIRS_TO_DROP && interval->low > MUCH)
        return TUNE_BETTER;
    if (enough && interval->low > 1 && interval->ratio >= WORTH)
        return TUNE_BETTER;
    if (enough && interval->high < WORTH)
        return TUNE_SAME;
    return TUNE_UNDECIDED;
}

static void report(const struct search *search, const struct duel *duel, struct tune_trial *trial)
{
    trial->rate = tune_median(duel->rate[0], duel->pairs);
    trial->other = tune_median(duel->rate[1], duel->pairs);
    search->problem->report(search->problem->context, trial);
}

/* Runs pairs until the verdict is out. A failure of what the candidate runs against is one of the search. */
static int fight(const struct search *search, struct duel *duel, struct tune_trial *trial)
{
    const struct tune_problem *problem = search->problem;
    struct aispipe_error why = {0};
    unsigned most = trial->final ? FINAL_PAIRS : problem->most_pairs;
    trial->verdict = TUNE_UNDECIDED;
    while (trial->verdict == TUNE_UNDECIDED && duel->pairs < most) {
        if (duel->pairs && problem->is_over(problem->context, trial->final))
            break;
        int rc = run_pair(search, duel, &why);
        if (rc && (rc == AISPIPE_CLOSED || duel->loser == 1))
            return aispipe_fail(search->error, rc, "%s", why.message);
        if (rc) {
            trial->verdict = TUNE_FAILED;
            trial->reason = why.message;
            break;
        }
        trial->interval = tune_interval_of(duel->log_ratio, duel->pairs);
        trial->verdict = judge(&trial->interval, trial->final);
    }
    report(search, duel, trial);
    trial->reason = NULL;
    return 0;
}

/* A candidate against the best, whose place it takes where it is better. */
static int try_point(struct search *search, const struct tune_point *point, enum tune_verdict *verdict)
{
    struct tune_result *result = search->result;
    struct duel duel = {.point = {point, &result->best}};
    struct tune_trial trial = {.point = point};
    int rc = fight(search, &duel, &trial);
    *verdict = trial.verdict;
    if (rc)
        return rc;
    if (trial.verdict == TUNE_BETTER) {
        result->best = *point;
        result->run = duel.run[0];
    } else if (duel.pairs) {
        result->run = duel.run[1];
    }
    return 0;
}

/* ---------------------------------------------------------------- steps */

static int stage_of(enum tune_knob knob)
{
    return knob == TUNE_THREADS ? AISPIPE_STAGE_COMPUTE
           : knob == TUNE_LOAD  ? AISPIPE_STAGE_LOAD
           : knob == TUNE_SAVE  ? AISPIPE_STAGE_SAVE
                                : -1;
}

static double busy(const struct search *search, enum tune_knob knob)
{
    return search->result->run.stats.stage[stage_of(knob)].busy;
}

/* The next batch size in the list, 0: none. */
static uint64_t next_batch(const struct tune_problem *problem, uint64_t now, bool up)
{
    uint64_t next = 0;
    for (size_t i = 0; i < problem->n_batches; i++) {
        uint64_t batch = problem->batches[i];
        if (up && batch > now)
            return batch;
        if (batch < now)
            next = batch;
    }
    return up ? 0 : next;
}

/* The next value of a knob, 0: none. */
static uint64_t next_value(const struct search *search, enum tune_knob knob, bool up)
{
    const struct tune_problem *problem = search->problem;
    uint64_t now = search->result->run.actual[knob];
    uint64_t factor = knob == TUNE_INFLIGHT ? 4 : knob == TUNE_DEPTH ? 8 : 2;
    if (knob == TUNE_STREAMS)
        return up && !search->result->best.value[knob];
    if (knob == TUNE_BATCH && problem->batches)
        return next_batch(problem, now, up);
    uint64_t next = up ? now * factor : now / factor;
    uint64_t most = problem->most[knob];
    if (knob == TUNE_DEPTH && most > search->result->run.actual[TUNE_INFLIGHT])
        most = search->result->run.actual[TUNE_INFLIGHT]; /* room for more than there are is no use */
    if (up && next > most)
        next = most;
    return up ? (next > now ? next : 0) : next;
}

/* More threads for a stage that waits most of the time are not even tried. */
static bool is_hopeless(const struct search *search, enum tune_knob knob, bool up)
{
    int stage = stage_of(knob);
    if (!up || stage < 0)
        return false;
    return stage != (int)search->result->run.stats.bottleneck && busy(search, knob) < IDLE;
}

/* The same number of threads as at the start is the start's setting, and need not be said. */
static void set_value(const struct search *search, struct tune_point *point, enum tune_knob knob,
                      uint64_t value)
{
    bool as_before = stage_of(knob) >= 0 && value == search->start.actual[knob];
    point->value[knob] = as_before ? search->problem->start.value[knob] : value;
}

/* How far a knob was turned: the last value that was better, the one before, and the one that was not. */
struct turn {
    uint64_t before; /* 0: there was none */
    uint64_t failed; /* 0: there was none */
    enum tune_verdict verdict;
    bool improved;
};

/* Goes on in one direction while it pays. */
static int walk(struct search *search, enum tune_knob knob, bool up, struct turn *turn)
{
    const struct tune_problem *problem = search->problem;
    turn->failed = 0;
    while (!problem->is_over(problem->context, false) && !is_hopeless(search, knob, up)) {
        struct tune_point point = search->result->best;
        uint64_t now = search->result->run.actual[knob];
        uint64_t value = next_value(search, knob, up);
        if (!value)
            return 0;
        set_value(search, &point, knob, value);
        int rc = try_point(search, &point, &turn->verdict);
        if (rc)
            return rc;
        if (turn->verdict != TUNE_BETTER) {
            turn->failed = value;
            return 0;
        }
        turn->before = now;
        turn->improved = true;
    }
    return 0;
}

static int try_between(struct search *search, enum tune_knob knob, uint64_t low, uint64_t high,
                       struct turn *turn)
{
    const struct tune_problem *problem = search->problem;
    struct tune_point point = search->result->best;
    if (high < low + 2 || problem->is_over(problem->context, false))
        return 0;
    set_value(search, &point, knob, low + (high - low) / 2);
    int rc = try_point(search, &point, &turn->verdict);
    turn->improved = turn->improved || (!rc && turn->verdict == TUNE_BETTER);
    return rc;
}

/* Doubling threads passes over numbers: a better one may lie on either side of the best so far. */
static int refine(struct search *search, enum tune_knob knob, struct turn *turn)
{
    uint64_t best = search->result->run.actual[knob];
    int rc = 0;
    if (stage_of(knob) < 0)
        return 0;
    if (turn->failed && turn->verdict == TUNE_WORSE)
        rc = try_between(search, knob, best, turn->failed, turn);
    if (!rc && turn->before && search->result->run.actual[knob] == best)
        rc = try_between(search, knob, turn->before, best, turn);
    return rc;
}

static int search_knob(struct search *search, enum tune_knob knob, bool *improved)
{
    struct turn turn = {0};
    int rc = walk(search, knob, true, &turn);
    if (!rc)
        rc = refine(search, knob, &turn);
    if (!rc && !turn.improved)
        rc = walk(search, knob, false, &turn);
    *improved = turn.improved;
    return rc;
}

/* Stages that are as busy as each other: more threads for one of them only make the others hold it back. */
static bool widen_all(const struct search *search, struct tune_point *point)
{
    size_t n = 0;
    *point = search->result->best;
    for (enum tune_knob knob = 0; knob < TUNE_KNOBS; knob++) {
        if (stage_of(knob) < 0 || !search->problem->searched[knob] || busy(search, knob) < NEARLY_FULL)
            continue;
        uint64_t value = next_value(search, knob, true);
        if (value)
            set_value(search, point, knob, value);
        n += value != 0;
    }
    return n > 1;
}

static int search_together(struct search *search, bool *improved)
{
    const struct tune_problem *problem = search->problem;
    struct tune_point point;
    enum tune_verdict verdict = TUNE_BETTER;
    *improved = false;
    while (verdict == TUNE_BETTER && !problem->is_over(problem->context, false) &&
           widen_all(search, &point)) {
        int rc = try_point(search, &point, &verdict);
        if (rc)
            return rc;
        *improved = *improved || verdict == TUNE_BETTER;
    }
    return 0;
}

/* ---------------------------------------------------------------- order */

/* Which knob to turn first where a stage bounds the run. */
static const enum tune_knob orders[AISPIPE_STAGES][TUNE_KNOBS] = {
    [AISPIPE_STAGE_LOAD] = {TUNE_LOAD, TUNE_BATCH, TUNE_INFLIGHT, TUNE_THREADS, TUNE_SAVE, TUNE_STREAMS,
                            TUNE_DEPTH},
    [AISPIPE_STAGE_H2D] = {TUNE_BATCH, TUNE_INFLIGHT, TUNE_THREADS, TUNE_LOAD, TUNE_SAVE, TUNE_STREAMS,
                           TUNE_DEPTH},
    [AISPIPE_STAGE_COMPUTE] = {TUNE_THREADS, TUNE_BATCH, TUNE_STREAMS, TUNE_INFLIGHT, TUNE_LOAD, TUNE_SAVE,
                               TUNE_DEPTH},
    [AISPIPE_STAGE_D2H] = {TUNE_BATCH, TUNE_INFLIGHT, TUNE_THREADS, TUNE_SAVE, TUNE_LOAD, TUNE_STREAMS,
                           TUNE_DEPTH},
    [AISPIPE_STAGE_SAVE] = {TUNE_SAVE, TUNE_BATCH, TUNE_INFLIGHT, TUNE_THREADS, TUNE_LOAD, TUNE_STREAMS,
                            TUNE_DEPTH},
};

/* The knob to turn next, TUNE_KNOBS: none is left. */
static enum tune_knob choose(const struct search *search)
{
    const enum tune_knob *order = orders[search->result->run.stats.bottleneck];
    for (size_t i = 0; i < TUNE_KNOBS; i++)
        if (search->problem->searched[order[i]] && !search->settled[order[i]])
            return order[i];
    return TUNE_KNOBS;
}

static int descend(struct search *search)
{
    const struct tune_problem *problem = search->problem;
    while (!problem->is_over(problem->context, false)) {
        enum tune_knob knob = choose(search);
        bool improved;
        int rc =
            knob == TUNE_KNOBS ? search_together(search, &improved) : search_knob(search, knob, &improved);
        if (rc)
            return rc;
        /* What another knob is worth depends on this one. */
        if (improved)
            memset(search->settled, 0, sizeof search->settled);
        else if (knob == TUNE_KNOBS)
            break;
        if (knob != TUNE_KNOBS)
            search->settled[knob] = true;
    }
    search->result->settled = !problem->is_over(problem->context, false);
    return 0;
}

/* ---------------------------------------------------------------- begin and end */

static bool same_point(const struct tune_point *a, const struct tune_point *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The winner against the start, on runs that had no part in its selection. */
static int confirm(struct search *search)
{
    struct tune_result *result = search->result;
    struct duel duel = {.point = {&result->best, &search->problem->start}};
    struct tune_trial trial = {.point = &result->best, .final = true};
    int rc = fight(search, &duel, &trial);
    if (rc)
        return rc;
    result->interval = trial.interval;
    result->improved = trial.verdict == TUNE_BETTER;
    if (duel.pairs)
        result->run = duel.run[result->improved ? 0 : 1];
    if (!result->improved)
        result->best = search->problem->start;
    return 0;
}

/* What the user stops keeps the best so far. */
static int end_search(struct search *search, int rc)
{
    struct tune_result *result = search->result;
    result->stopped = rc == AISPIPE_CLOSED;
    return result->stopped ? 0 : rc;
}

int tune_search(const struct tune_problem *problem, struct tune_result *result, struct aispipe_error *error)
{
    struct search search = {.problem = problem, .result = result, .error = error};
    *result = (struct tune_result){.best = problem->start};
    /* The first run brings caches and memory into their usual state, and is not counted. */
    int rc = problem->measure(problem->context, &problem->start, &search.start, error);
    if (!rc)
        rc = problem->measure(problem->context, &problem->start, &search.start, error);
    result->run = search.start;
    if (!rc)
        rc = descend(&search);
    result->improved = !same_point(&result->best, &problem->start);
    if (!rc && result->improved)
        rc = confirm(&search);
    return end_search(&search, rc);
}

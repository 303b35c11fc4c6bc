/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include "clock.h"
#include "log.h"
#include "rcu.h"

#include <inttypes.h>
#include <stdio.h>

void latch_init(struct latch *latch)
{
    pthread_mutex_init(&latch->mutex, NULL);
    pthread_cond_init(&latch->opened, NULL);
    latch->open = false;
}

void latch_destroy(struct latch *latch)
{
    pthread_cond_destroy(&latch->opened);
    pthread_mutex_destroy(&latch->mutex);
}

void latch_open(struct latch *latch)
{
    pthread_mutex_lock(&latch->mutex);
    latch->open = true;
    pthread_cond_broadcast(&latch->opened);
    pthread_mutex_unlock(&latch->mutex);
}

static void latch_wait(struct latch *latch)
{
    pthread_mutex_lock(&latch->mutex);
    while (!latch->open)
        pthread_cond_wait(&latch->opened, &latch->mutex);
    pthread_mutex_unlock(&latch->mutex);
}

/* As many slots as there are circulate only where the source has always something. Of a source that waits for
 * its own user, fewer may be on the way, and the user may be waiting for just these: the same rule
 * (pipeline.h), for as many as there are now. */
static unsigned run_wake_batch(const struct run *run, unsigned wake_batch)
{
    if (!run->source.next)
        return wake_batch;
    uint64_t stored = atomic_load_explicit(&run->batches_stored, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&run->next_batch, memory_order_relaxed);
    uint64_t most = taken > stored ? (taken - stored) / 8 : 0;
    return most < wake_batch ? (unsigned)most : wake_batch;
}

/* Valid until the thread's next quiescent state. */
static const struct tuning *current_tuning(const struct worker *worker)
{
    const struct tuning *tuning = rcu_dereference(*worker->tuning);
    RCU_ACQUIRE(worker->tuning);
    return tuning;
}

/* The parameters in force. Copied, because the thread goes offline (no RCU reader) while it waits. */
static struct ring_wait current_wait(const struct worker *worker)
{
    const struct aispipe_tuning *wait = &current_tuning(worker)->wait;
    return (struct ring_wait){wait->spin, run_wake_batch(worker->thread.run, wait->wake_batch), wait->nap_ns,
                              0};
}

void stage_wait_begin(const struct stage_thread *thread)
{
    RCU_RELEASE(thread->run);
    urcu_qsbr_thread_offline();
}

void stage_wait_end(const struct stage_thread *thread)
{
    (void)thread;
    urcu_qsbr_thread_online();
}

/* Takes a slot; `*now` is moved on when that took waiting. */
static struct slot *pop_slot(struct worker *worker, uint64_t *now)
{
    uint32_t index;
    if (ring_try_pop(worker->in, &index))
        return &worker->slots[index];
    struct ring_wait wait = current_wait(worker);
    stage_wait_begin(&worker->thread);
    int rc = ring_pop(worker->in, &index, &wait);
    stage_wait_end(&worker->thread);
    uint64_t after = clock_ns();
    stat_add(&worker->stats.wait_input_ns, after - *now);
    *now = after;
    return rc ? NULL : &worker->slots[index];
}

static bool is_surplus(const struct worker *worker)
{
    return worker->thread.index >= current_tuning(worker)->active[worker->number];
}

/* A thread that is not in use has to come back for the end of its stage: when nothing more can come. */
static bool must_leave(const struct worker *worker)
{
    /* acquire: pairs with the release when the failure was stored. */
    if (atomic_load_explicit(&worker->thread.run->failed, memory_order_acquire))
        return true;
    /* What is left in a closed ring is for the threads in use, but free slots are for nobody. */
    return ring_is_closed(worker->in) && (worker->stage == &stage_load || !ring_level(worker->in));
}

/* Sleeps while there are enough threads without this one. Its time does not count then: neither as work nor
 * as waiting. False when it is not wanted any more: the rest of the run does not count either. */
static bool park(struct worker *worker, uint64_t *now)
{
    struct thread_stats *stats = &worker->stats;
    atomic_store_explicit(&stats->parked_since_ns, *now, memory_order_relaxed);
    for (;;) {
        uint32_t seen = live_changes(worker->live);
        if (must_leave(worker))
            return false;
        if (!is_surplus(worker))
            break;
        stage_wait_begin(&worker->thread);
        live_sleep(worker->live, seen);
        stage_wait_end(&worker->thread);
    }
    uint64_t after = clock_ns();
    stat_add(&stats->parked_ns, after - *now);
    atomic_store_explicit(&stats->parked_since_ns, 0, memory_order_relaxed);
    *now = after;
    return true;
}

/* Of a run that adapts itself: only threads in use take slots, and load not more than may be in flight. */
static struct slot *next_live_slot(struct worker *worker, uint64_t *now)
{
    struct slot *slot;
    if (is_surplus(worker) && !park(worker, now))
        return NULL;
    do
        slot = pop_slot(worker, now);
    while (slot && worker->stage == &stage_load &&
           live_holds_back(worker->live, current_tuning(worker), slot->index));
    return slot;
}

static struct slot *next_slot(struct worker *worker, uint64_t *now)
{
    return worker->live ? next_live_slot(worker, now) : pop_slot(worker, now);
}

/* False when the ring behind was closed: the run has failed, or this is the last stage and loading is over.
 */
static bool hand_on(struct worker *worker, const struct slot *slot, uint64_t *now)
{
    if (ring_try_push(worker->out, slot->index))
        return true;
    struct ring_wait wait = current_wait(worker);
    stage_wait_begin(&worker->thread);
    int rc = ring_push(worker->out, slot->index, &wait);
    stage_wait_end(&worker->thread);
    uint64_t after = clock_ns();
    stat_add(&worker->stats.wait_output_ns, after - *now);
    *now = after;
    return rc == 0;
}

static void report(struct worker *worker, const struct slot *slot, const struct aispipe_error *cause)
{
    const struct run *run = worker->thread.run;
    struct aispipe_error error;
    char name[1024] = "";
    if (slot && run->source.sample_name && slot->samples)
        run->source.sample_name(run->source.context, slot->first_sample, name, sizeof name);
    if (slot)
        aispipe_fail(&error, cause->code, "%s failed at batch %" PRIu64 "%s%s%s: %s", worker->stage->name,
                     slot->io.batch, *name ? " (" : "", name, *name ? ")" : "", cause->message);
    else
        aispipe_fail(&error, cause->code, "%s could not start: %s", worker->stage->name, cause->message);
    worker->fail(worker->context, &error);
}

bool run_gives_up(const struct run *run)
{
    /* acquire: pairs with the release in aispipe_pipeline_stop, which has stored give_up_at before. */
    if (!atomic_load_explicit(&run->stopping, memory_order_acquire))
        return false;
    return clock_ns() >= atomic_load_explicit(&run->give_up_at, memory_order_relaxed);
}

/* Whether this slot is given up, by a stage before or here and now. */
static bool is_dropped(const struct worker *worker, struct slot *slot)
{
    const struct run *run = worker->thread.run;
    if (slot->dropped || !run_gives_up(run))
        return slot->dropped;
    uint64_t overtime = atomic_load_explicit(&run->grace_ns, memory_order_relaxed) / 2;
    if (!worker->stage->has_results || worker->overtime_ns >= overtime)
        slot->dropped = true;
    return slot->dropped;
}

static int work(struct worker *worker, struct slot *slot, struct aispipe_error *error)
{
    if (!worker->stage->has_results || !run_gives_up(worker->thread.run))
        return worker->stage->run(&worker->thread, slot, error);
    uint64_t begin = clock_ns();
    int rc = worker->stage->run(&worker->thread, slot, error);
    worker->overtime_ns += clock_ns() - begin;
    return rc;
}

/* Work on one slot, unless the run has failed or the slot was given up: then it is only handed on. */
static int work_on(struct worker *worker, struct slot *slot)
{
    const struct run *run = worker->thread.run;
    bool is_load = worker->stage == &stage_load;
    /* acquire: pairs with the release when the failure was stored. */
    if (atomic_load_explicit(&run->failed, memory_order_acquire))
        return is_load ? STAGE_END : 0;
    if (!is_load && is_dropped(worker, slot))
        return 0;
    struct aispipe_error error = {0};
    int rc = work(worker, slot, &error);
    if (worker->stage == &stage_compute && run->affinity->restricts && !affinity_return(run->affinity))
        worker->strayed++;
    if (rc < 0)
        report(worker, slot, &error);
    return rc;
}

/* How many batches there were, the one just taken included. Its place may have been filled meanwhile. */
static unsigned level_on_arrival(const struct ring *ring)
{
    unsigned left = ring_level(ring);
    return left < ring_capacity(ring) ? left + 1 : left;
}

/* Time of a stage's call that was no work: it is noted as such, and returned. */
static uint64_t waited(struct worker *worker)
{
    uint64_t ns = worker->thread.waited_ns;
    if (ns) {
        stat_add(&worker->stats.wait_input_ns, ns);
        worker->thread.waited_ns = 0;
    }
    return ns;
}

static void serve(struct worker *worker)
{
    uint64_t now = clock_ns();
    struct slot *slot;
    while ((slot = next_slot(worker, &now))) {
        unsigned level = level_on_arrival(worker->in);
        int rc = work_on(worker, slot);
        if (rc && rc != STAGE_LAST && rc != STAGE_KEPT)
            break;
        bool kept = rc == STAGE_KEPT; /* somebody else's by now */
        uint64_t done = clock_ns();
        if (kept || !slot->dropped)
            stats_batch(&worker->stats, done - now - waited(worker), level);
        now = done;
        bool taken = kept || hand_on(worker, slot, &now);
        if (rc == STAGE_LAST || (!taken && worker->stage != &stage_save))
            break;
        RCU_RELEASE(worker->thread.run);
        urcu_qsbr_quiescent_state();
    }
}

static void report_strayed(const struct worker *worker)
{
    const struct run *run = worker->thread.run;
    char cores[CORES_TEXT];
    if (!worker->strayed)
        return;
    log_line(&run->log, AISPIPE_LOG_WARNING,
             "%s%u: the engine made %" PRIu64 " executions on other cores than %s: it looks at the "
             "cores of the process once; restrict the whole process (taskset) to be sure",
             worker->stage->name, worker->thread.index, worker->strayed,
             cores_format(&run->affinity->cores, cores, sizeof cores));
}

static void end(struct worker *worker)
{
    /* Whoever leaves before the ring is drained will not come back: its siblings and producers must not wait
     * for it. This is also how the first load thread at the end of the dataset tells the others. */
    ring_close(worker->in);
    /* acq_rel: the last thread of a stage closes the way on, after everything its siblings have pushed. */
    if (atomic_fetch_sub_explicit(worker->alive, 1, memory_order_acq_rel) == 1) {
        const struct aispipe_sink *sink = &worker->thread.run->sink;
        if (worker->stage != &stage_save)
            ring_close(worker->out);
        else if (sink->end)
            sink->end(sink->context);
        if (worker->end_gate)
            latch_open(worker->end_gate);
    }
    live_changed(worker->live);
}

void *worker_main(void *argument)
{
    struct worker *worker = argument;
    if (worker->start_gate)
        latch_wait(worker->start_gate);
    urcu_qsbr_register_thread();
    serve(worker);
    report_strayed(worker);
    RCU_RELEASE(worker->thread.run);
    urcu_qsbr_unregister_thread();
    end(worker);
    worker->ended(worker->context);
    return NULL;
}

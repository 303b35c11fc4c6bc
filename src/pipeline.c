/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include "clock.h"
#include "infer.h"
#include "log.h"
#include "pipeline_internal.h"
#include "session.h"
#include "shape.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ create and free */

static int create_rings(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    const unsigned *threads = p->layout.threads;
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        int before = (k + AISPIPE_STAGES - 1) % AISPIPE_STAGES;
        unsigned flags = 0;
        /* What a sink keeps, or auto_tune held back, is given back by another thread. */
        if (threads[before] == 1 && (k != AISPIPE_STAGE_LOAD || (!p->run.sink.keeps && !p->live)))
            flags |= RING_ONE_PRODUCER;
        if (threads[k] == 1)
            flags |= RING_ONE_CONSUMER;
        if (p->layout.depth[k] >= p->layout.inflight)
            flags |= RING_NEVER_FULL;
        /* Every hand-over of the one batch finds somebody asleep: those who sleep should not pay for it. */
        if (p->layout.inflight == 1)
            flags |= RING_FENCED;
        p->rings[k] = ring_create(p->layout.depth[k], flags);
        if (!p->rings[k])
            return aispipe_fail(error, AISPIPE_NO_MEMORY,
                                "no memory for a ring of %u places in front of %s; lower --queue_depth",
                                p->layout.depth[k], stage_table[k]->name);
    }
    return 0;
}

static void worker_failed(void *context, const struct aispipe_error *error)
{
    struct aispipe_pipeline *p = context;
    pthread_mutex_lock(&p->mutex);
    if (!p->first_error.code)
        p->first_error = *error;
    pthread_mutex_unlock(&p->mutex);
    /* release: whoever sees the flag sees the error. */
    atomic_store_explicit(&p->run.failed, true, memory_order_release);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        ring_close(p->rings[k]);
    live_changed(p->live);
    if (p->run.source.next)
        p->run.source.interrupt(p->run.source.context);
}

static void worker_ended(void *context)
{
    struct aispipe_pipeline *p = context;
    pthread_mutex_lock(&p->mutex);
    if (--p->running == 0) {
        atomic_store_explicit(&p->end_ns, clock_ns(), memory_order_relaxed);
        pthread_cond_broadcast(&p->all_ended);
    }
    pthread_mutex_unlock(&p->mutex);
}

static void wire(struct aispipe_pipeline *p, struct worker *worker, int stage, unsigned index)
{
    worker->thread = (struct stage_thread){.run = &p->run, .index = index, .times = {.fd = -1}};
    worker->stage = stage_table[stage];
    worker->number = (enum aispipe_stage)stage;
    worker->in = p->rings[stage];
    worker->out = p->rings[(stage + 1) % AISPIPE_STAGES];
    worker->alive = &p->alive[stage];
    worker->slots = p->pool.slots;
    worker->tuning = &p->tuning;
    worker->live = p->live;
    worker->fail = worker_failed;
    worker->ended = worker_ended;
    worker->context = p;
    worker->end_gate = &p->gates[stage];
    if (p->full && (stage == AISPIPE_STAGE_COMPUTE || stage == AISPIPE_STAGE_D2H))
        worker->start_gate = &p->gates[stage - 1];
}

static int create_workers(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    size_t total = 0;
    for (int k = 0; k < AISPIPE_STAGES; k++)
        total += p->layout.threads[k];
    p->workers = aligned_alloc(_Alignof(struct worker), total * sizeof *p->workers);
    if (!p->workers)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu stage threads", total);
    memset(p->workers, 0, total * sizeof *p->workers);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        for (unsigned i = 0; i < p->layout.threads[k]; i++) {
            struct worker *worker = &p->workers[p->n_workers];
            wire(p, worker, k, i);
            p->n_workers++; /* from here on pipeline_free closes it */
            int rc = stage_table[k]->open(&worker->thread, error);
            if (rc)
                return rc;
        }
    return 0;
}

static int create_bitmap(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    p->run.stored = calloc(p->run.source.samples / 8 + 1, 1);
    if (!p->run.stored)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to keep account of %" PRIu64 " samples",
                            p->run.source.samples);
    return 0;
}

static void log_layout(const struct aispipe_pipeline *p)
{
    const struct layout *l = &p->layout;
    char cores[CORES_TEXT];
    size_t bytes = p->pool.host_bytes + p->pool.device_bytes;
    log_line(&p->run.log, AISPIPE_LOG_DEBUG,
             "pipeline: %u batches in flight, %zu bytes each (host %zu, device %zu), %.1f MiB together",
             l->inflight, bytes, p->pool.host_bytes, p->pool.device_bytes,
             (double)bytes * l->inflight / (1 << 20));
    for (int k = 0; k < AISPIPE_STAGES; k++)
        log_line(&p->run.log, AISPIPE_LOG_DEBUG, "pipeline: %s: %u thread%s, queue depth %u",
                 stage_table[k]->name, l->threads[k], l->threads[k] == 1 ? "" : "s",
                 ring_capacity(p->rings[k]));
    log_line(&p->run.log, AISPIPE_LOG_DEBUG, "pipeline: affinity %s: threads run on cores %s (%s)",
             affinity_mode_name(p->run.affinity->mode),
             cores_format(&p->run.affinity->cores, cores, sizeof cores), p->run.affinity->reason);
    if (p->live)
        log_line(
            &p->run.log, AISPIPE_LOG_DEBUG,
            "pipeline: auto_tune starts with %u batches in flight, %u load and %u save threads; the others "
            "wait until they are wanted",
            l->tuning.inflight, l->tuning.active[AISPIPE_STAGE_LOAD], l->tuning.active[AISPIPE_STAGE_SAVE]);
}

static int create_tuning(struct aispipe_pipeline *p, bool auto_tune, struct aispipe_error *error)
{
    p->tuning = malloc(sizeof *p->tuning);
    p->live = p->tuning && auto_tune ? live_create(p->layout.inflight) : NULL;
    if (!p->tuning || (auto_tune && !p->live))
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a pipeline");
    *p->tuning = p->layout.tuning;
    if (!auto_tune)
        return 0;
    const struct tune_setting start = layout_setting(&p->layout);
    for (int i = 0; i < AISPIPE_TUNE_PARAMETERS; i++)
        atomic_init(&p->live->in_force[i], start.value[i]);
    atomic_init(&p->live->circulating, start.value[AISPIPE_TUNE_INFLIGHT]);
    return auto_tune_create(p, &p->layout, p->run.source.batches, p->run.source.samples_per_batch,
                            p->pool.host_bytes + p->pool.device_bytes, &p->run.log, &p->auto_tune, error);
}

static void init_run(struct aispipe_pipeline *p, const struct aispipe_session *session,
                     const struct aispipe_pipeline_options *options, const struct aispipe_source *source,
                     const struct aispipe_sink *sink)
{
    p->run.backend = session->backend;
    p->run.model = session->model;
    p->run.source = *source;
    if (source->next)
        p->run.source.samples = p->run.source.batches = UINT64_MAX;
    if (sink)
        p->run.sink = *sink;
    p->run.log = session->log;
    p->run.affinity = &session->affinity;
    p->run.loop = options->loop ? options->loop : 1;
    p->run.split_loop = options->split_loop;
    p->warmup = options->warmup;
    p->full = options->full;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_mutex_init(&p->tuning_mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->all_ended, &attributes);
    pthread_condattr_destroy(&attributes);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        latch_init(&p->gates[k]);
}

static int check_source(const struct aispipe_pipeline_options *options, const struct aispipe_source *source,
                        struct aispipe_error *error)
{
    if (!source->next)
        return 0;
    if (options->auto_tune)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "`auto_tune` measures how fast the run is, and one whose source has `next` is as fast "
            "as its user; leave it out");
    if (!source->interrupt)
        return aispipe_fail(error, AISPIPE_INVALID, "a source with `next` needs `interrupt` too");
    if (!options->full && !options->split_loop && !options->count_flow)
        return 0;
    const char *option = options->full ? "full" : options->split_loop ? "split_loop" : "count_flow";
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "`%s` needs to know how much will come, and a source with `next` does not; leave it out", option);
}

/* Everything whose size and number depends on the cores, and memory, which comes from their node. */
static int create_parts(struct aispipe_pipeline *p, const struct aispipe_session *session,
                        const struct aispipe_pipeline_options *options, struct aispipe_error *error)
{
    size_t host = 0;
    size_t device = 0;
    int rc = slot_bytes(session->backend, session->model, &host, &device, error);
    if (!rc)
        rc = layout_choose(options, p->run.source.batches, host + device, &p->layout, error);
    if (!rc && p->layout.threads[AISPIPE_STAGE_COMPUTE] > session->compute_threads)
        rc = aispipe_fail(error, AISPIPE_INVALID, "%u compute threads, but the session was opened for %u",
                          p->layout.threads[AISPIPE_STAGE_COMPUTE], session->compute_threads);
    if (!rc)
        rc = slot_pool_open(&p->pool, session->backend, session->model, p->layout.inflight, error);
    if (!rc)
        rc = create_tuning(p, options->auto_tune, error);
    if (!rc)
        rc = create_rings(p, error);
    if (!rc && options->count_flow)
        rc = create_bitmap(p, error);
    return rc ? rc : create_workers(p, error);
}

int aispipe_pipeline_create(struct aispipe_session *session, const struct aispipe_pipeline_options *options,
                            const struct aispipe_source *source, const struct aispipe_sink *sink,
                            struct aispipe_pipeline **pipeline, struct aispipe_error *error)
{
    *pipeline = NULL;
    struct aispipe_pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a pipeline");
    init_run(p, session, options, source, sink);
    struct affinity_visit visit = {.changed = false};
    int rc = check_source(options, source, error);
    if (!rc)
        rc = infer_begin_pipeline(session, error);
    p->session = rc ? NULL : session;
    if (!rc)
        rc = affinity_enter(p->run.affinity, &visit, error);
    if (!rc)
        rc = create_parts(p, session, options, error);
    affinity_leave(&visit);
    if (rc) {
        aispipe_pipeline_free(p);
        return rc;
    }
    log_layout(p);
    *pipeline = p;
    return 0;
}

void aispipe_pipeline_free(struct aispipe_pipeline *p)
{
    if (!p)
        return;
    if (pipeline_start_ns(p)) {
        aispipe_pipeline_stop(p, 0);
        (void)aispipe_pipeline_wait(p, UINT64_MAX, NULL);
    }
    for (unsigned i = 0; i < p->n_workers; i++)
        p->workers[i].stage->close(&p->workers[i].thread);
    free(p->workers);
    for (int k = 0; k < AISPIPE_STAGES; k++) {
        ring_free(p->rings[k]);
        latch_destroy(&p->gates[k]);
    }
    slot_pool_close(&p->pool);
    if (p->session)
        infer_end_pipeline(p->session);
    auto_tune_free(p->auto_tune);
    live_free(p->live);
    free(p->tuning);
    free((void *)p->run.stored);
    pthread_cond_destroy(&p->all_ended);
    pthread_mutex_destroy(&p->tuning_mutex);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

/* ------------------------------------------------------------------ run */

/* What is executed to warm up: the first batch or, where nobody knows it yet, zeros. */
static int load_warmup(struct aispipe_pipeline *p, struct slot *slot, struct aispipe_error *error)
{
    if (!p->run.source.next) {
        int rc = stage_load.run(&stage_workers(p, AISPIPE_STAGE_LOAD)->thread, slot, error);
        return rc == STAGE_LAST ? 0 : rc;
    }
    const struct aispipe_model_desc *model = p->run.backend->describe(p->run.model);
    for (size_t i = 0; i < model->n_inputs; i++) {
        if (shape_is_open(&model->inputs[i]))
            return aispipe_fail(
                error, AISPIPE_UNSUPPORTED,
                "the shape of input '%s' comes with each item: there is nothing to warm up with; "
                "set `warmup` to 0",
                model->inputs[i].name);
        memset(slot->io.inputs[i], 0, model->inputs[i].size);
    }
    return 0;
}

static int warm_up(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    struct slot *slot = &p->pool.slots[0];
    struct aispipe_error cause = {0};
    enum aispipe_stage at = AISPIPE_STAGE_LOAD;
    int rc = load_warmup(p, slot, &cause);
    slot->io.warmup = true;
    if (!rc) {
        at = AISPIPE_STAGE_H2D;
        rc = stage_h2d.run(&stage_workers(p, at)->thread, slot, &cause);
    }
    struct worker *computes = stage_workers(p, AISPIPE_STAGE_COMPUTE);
    for (unsigned i = 0; !rc && i < p->layout.threads[AISPIPE_STAGE_COMPUTE]; i++)
        for (uint64_t n = 0; !rc && n < p->warmup && !atomic_load(&p->run.stopping); n++) {
            at = AISPIPE_STAGE_COMPUTE;
            rc = stage_compute.run(&computes[i].thread, slot, &cause);
        }
    atomic_store(&p->run.next_batch, 0); /* batch 0 is loaded again, and counted, by the run itself */
    if (rc < 0)
        return aispipe_fail(error, rc, "%s failed in the warm-up with batch 0: %s", stage_table[at]->name,
                            cause.message);
    log_line(&p->run.log, AISPIPE_LOG_INFO, "warm up %" PRIu64 " done", p->warmup);
    return 0;
}

int aispipe_pipeline_warmup(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    struct affinity_visit visit = {.changed = false};
    if (!p->warmup || !p->run.source.batches)
        return 0;
    int rc = affinity_enter(p->run.affinity, &visit, error);
    if (!rc)
        rc = warm_up(p, error);
    affinity_leave(&visit);
    return rc;
}

static void fill_free_ring(struct aispipe_pipeline *p)
{
    unsigned circulating = p->layout.tuning.inflight;
    for (unsigned i = 0; i < p->pool.count; i++) /* both have room for all */
        (void)ring_try_push(i < circulating ? p->rings[AISPIPE_STAGE_LOAD] : p->live->reserve, i);
}

static int create_thread(struct worker *worker)
{
    int rc = pthread_create(&worker->id, NULL, worker_main, worker);
    if (rc)
        return rc;
    worker->started = true;
    char name[16]; /* the kernel's limit */
    snprintf(name, sizeof name, "aispipe-%.4s%u", worker->stage->name, worker->thread.index % 1000);
    (void)pthread_setname_np(worker->id, name);
    return 0;
}

/* What threads that could not be created would have done: end their stage. */
static void abandon_start(struct aispipe_pipeline *p, const char *what, int reason)
{
    struct aispipe_error error;
    aispipe_fail(&error, AISPIPE_SYSTEM,
                 "cannot create a thread for %s: %s; lower --threads or raise the limit on processes", what,
                 strerror(reason));
    worker_failed(p, &error);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        latch_open(&p->gates[k]);
}

/* Creates the threads, without those that do not come to be. 0 or an errno; *left: of the stages' threads
 * those that are missing; *what: what the first of them was for. */
static int create_threads(struct aispipe_pipeline *p, unsigned *left, const char **what)
{
    /* Signals are the program's business: its own threads receive them, not ours. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = auto_tune_start(p->auto_tune);
    *what = "auto_tune";
    *left = p->n_workers;
    while (!reason && *left > 0) {
        *what = p->workers[*left - 1].stage->name;
        reason = create_thread(&p->workers[*left - 1]);
        if (!reason)
            --*left;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

int aispipe_pipeline_start(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    struct affinity_visit visit = {.changed = false};
    int rc = affinity_enter(p->run.affinity, &visit, error); /* they are created with our cores */
    if (rc)
        return rc;
    fill_free_ring(p);
    for (int k = 0; k < AISPIPE_STAGES; k++)
        atomic_init(&p->alive[k], p->layout.threads[k]);
    p->running = p->n_workers;
    atomic_store(&p->tuning_live, true);
    atomic_store(&p->start_ns, clock_ns());
    unsigned left;
    const char *what;
    int reason = create_threads(p, &left, &what);
    affinity_leave(&visit);
    if (!reason)
        return 0;
    abandon_start(p, what, reason);
    for (; left > 0; left--)
        worker_ended(p);
    return aispipe_pipeline_wait(p, UINT64_MAX, error);
}

static void join_all(struct aispipe_pipeline *p)
{
    for (unsigned i = 0; i < p->n_workers; i++)
        if (p->workers[i].started)
            pthread_join(p->workers[i].id, NULL);
    auto_tune_join(p->auto_tune);
    atomic_store(&p->tuning_live, false);
}

int aispipe_pipeline_wait(struct aispipe_pipeline *p, uint64_t timeout_ns, struct aispipe_error *error)
{
    uint64_t now = clock_ns();
    uint64_t deadline = timeout_ns > UINT64_MAX / 2 - now ? UINT64_MAX / 2 : now + timeout_ns;
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u),
                             .tv_nsec = (long)(deadline % 1000000000u)};
    pthread_mutex_lock(&p->mutex);
    int rc = 0;
    while (p->running && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->all_ended, &p->mutex, &until);
    bool ended = p->running == 0;
    bool join = ended && !p->joined;
    if (join)
        p->joined = true;
    pthread_mutex_unlock(&p->mutex);
    if (!ended)
        return AISPIPE_TIMEOUT;
    if (join)
        join_all(p);
    if (p->first_error.code)
        return aispipe_fail(error, p->first_error.code, "%s", p->first_error.message);
    return 0;
}

void aispipe_pipeline_stop(struct aispipe_pipeline *p, uint64_t grace_ns)
{
    uint64_t now = clock_ns();
    uint64_t give_up = grace_ns > UINT64_MAX - now ? UINT64_MAX : now + grace_ns;
    atomic_store_explicit(&p->run.grace_ns, grace_ns, memory_order_relaxed);
    atomic_store_explicit(&p->run.give_up_at, give_up, memory_order_relaxed);
    /* release: pairs with the acquire in the compute stage, which reads give_up_at next. */
    atomic_store_explicit(&p->run.stopping, true, memory_order_release);
    if (!p->run.source.next)
        return;
    /* A load thread may be waiting for the source, or for memory that the sink keeps. */
    p->run.source.interrupt(p->run.source.context);
    pipeline_close_source(p);
}

void pipeline_close_source(struct aispipe_pipeline *p)
{
    ring_close(p->rings[AISPIPE_STAGE_LOAD]);
    live_changed(p->live);
}

unsigned pipeline_slot(const struct aispipe_pipeline *p, void *const *table)
{
    const struct aispipe_model_desc *model = p->run.backend->describe(p->run.model);
    return (unsigned)((size_t)((void **)table - p->pool.tensors) / (model->n_inputs + model->n_outputs));
}

void aispipe_pipeline_give_back(struct aispipe_pipeline *p, void *const *outputs)
{
    (void)ring_try_push(p->rings[AISPIPE_STAGE_LOAD], pipeline_slot(p, outputs)); /* there is room for all */
}

const struct affinity *pipeline_affinity(const struct aispipe_pipeline *p)
{
    return p->run.affinity;
}

unsigned pipeline_inflight(const struct aispipe_pipeline *p)
{
    return p->layout.inflight;
}

int aispipe_pipeline_error(struct aispipe_pipeline *p, struct aispipe_error *error)
{
    pthread_mutex_lock(&p->mutex);
    int rc = p->first_error.code;
    if (rc)
        (void)aispipe_fail(error, rc, "%s", p->first_error.message);
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

/* SPDX-License-Identifier: MIT */
#include "infer.h"

#include "fork.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- open and close */

int infer_open(struct aispipe_session *session, struct aispipe_error *error)
{
    struct infer *made = calloc(1, sizeof *made);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a session");
    fork_watch(NULL);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->changed, NULL);
    pthread_mutex_init(&made->pools.mutex, NULL);
    made->fork = fork_count;
    made->loop = 1;
    session->infer = made;
    return 0;
}

bool infer_is_ours(const struct infer *infer)
{
    return infer->fork == fork_count;
}

static void wait_for_change(struct infer *infer)
{
    infer->waiting++;
    pthread_cond_wait(&infer->changed, &infer->mutex);
    infer->waiting--;
}

static void tell(struct infer *infer)
{
    if (infer->waiting)
        pthread_cond_broadcast(&infer->changed);
}

int infer_enter(struct aispipe_session *session, struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    if (!infer_is_ours(infer))
        return aispipe_fail(
            error, AISPIPE_CLOSED,
            "the session was opened before fork, and its engine does not work in the child; open "
            "one there, or start the process anew");
    pthread_mutex_lock(&infer->mutex);
    if (!infer->closed)
        return 0;
    pthread_mutex_unlock(&infer->mutex);
    return aispipe_fail(error, AISPIPE_CLOSED, "the session of model '%s' has been closed", session->path);
}

void infer_leave(struct infer *infer)
{
    tell(infer);
    pthread_mutex_unlock(&infer->mutex);
}

static int fail_closed(const struct aispipe_session *session, struct aispipe_error *error)
{
    (void)aispipe_fail(error, AISPIPE_CLOSED, "the session of model '%s' was closed meanwhile",
                       session->path);
    return AISPIPE_CLOSED;
}

void infer_forget_outputs(struct infer *infer)
{
    for (size_t i = 0; i < AISPIPE_MAX_TENSORS; i++) {
        /* relaxed: nobody executes, and the mutex orders it */
        tensor_pool_close(atomic_exchange_explicit(&infer->pools.host[i], NULL, memory_order_relaxed));
        tensor_pool_close(atomic_exchange_explicit(&infer->pools.device[i], NULL, memory_order_relaxed));
    }
}

static void destroy_executors(struct aispipe_session *session)
{
    struct infer *infer = session->infer;
    while (infer->idle) {
        struct executor *next = infer->idle->next;
        executor_destroy(session, infer->idle);
        infer->idle = next;
    }
    infer->made = 0;
}

int infer_quiesce(struct aispipe_session *session, struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    infer->changing++;
    while (infer->busy && !infer->closed)
        wait_for_change(infer);
    infer->changing--;
    if (infer->closed)
        return fail_closed(session, error);
    destroy_executors(session);
    return 0;
}

bool infer_shut(struct aispipe_session *session)
{
    struct infer *infer = session->infer;
    pthread_mutex_lock(&infer->mutex);
    bool first = !infer->closed;
    infer->closed = true;
    tell(infer);
    while (first ? infer->busy > 0 : !infer->gone)
        wait_for_change(infer);
    if (first) {
        destroy_executors(session);
        infer_forget_outputs(infer);
    }
    pthread_mutex_unlock(&infer->mutex);
    return first;
}

void infer_gone(struct infer *infer)
{
    pthread_mutex_lock(&infer->mutex);
    infer->gone = true;
    tell(infer);
    pthread_mutex_unlock(&infer->mutex);
}

void infer_free(struct infer *infer)
{
    if (!infer)
        return;
    infer_forget_shape(infer);
    free(infer->sizes);
    number_log_clear(&infer->intervals);
    pthread_mutex_destroy(&infer->pools.mutex);
    pthread_cond_destroy(&infer->changed);
    pthread_mutex_destroy(&infer->mutex);
    free(infer);
}

/* ---------------------------------------------------------------- pipelines */

int infer_begin_pipeline(struct aispipe_session *session, struct aispipe_error *error)
{
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    rc = infer_quiesce(session, error);
    if (!rc && !session->infer->each)
        rc = infer_check_ready(session, error);
    if (!rc)
        session->infer->pipelines++;
    infer_leave(session->infer);
    return rc;
}

void infer_end_pipeline(struct aispipe_session *session)
{
    pthread_mutex_lock(&session->infer->mutex);
    session->infer->pipelines--;
    infer_leave(session->infer);
}

int infer_refuse_pipeline(const struct infer *infer, const char *what, struct aispipe_error *error)
{
    if (!infer->pipelines)
        return 0;
    return aispipe_fail(
        error, AISPIPE_INVALID,
        "a pipeline of the session is alive, and %s must wait until it is freed; open another "
        "session to have both at a time",
        what);
}

/* ---------------------------------------------------------------- who may execute */

/* Makes the shape what this call wants: another one than is set, where it `changes`. Waits for those that
 * execute then. */
static int settle_shape(struct aispipe_session *session, const struct aispipe_infer_options *options,
                        const struct aispipe_feed *feeds, bool changes, struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    if (!changes && infer->ready)
        return 0;
    if (!changes && !options->shape)
        return infer_check_ready(session, error);
    int rc = infer_quiesce(session, error);
    if (!rc)
        rc = infer_refuse_pipeline(infer, "an execution", error);
    if (!rc && options->shape)
        rc = infer_change_shape(session, options->shape, error);
    else if (!rc)
        rc = infer_shape_of_feeds(session, feeds, error);
    return rc ? rc : infer_check_ready(session, error);
}

static bool wants_change(const struct aispipe_session *session, const struct aispipe_infer_options *options,
                         const struct aispipe_feed *feeds)
{
    if (options->shape)
        return !infer_shape_is_set(session->infer, options->shape);
    return options->shape_from_feeds && !infer_feeds_fit(session, feeds);
}

/* Takes an idle executor, or makes one where there may be more; NULL with rc 0: there is none. */
static int take_executor(struct aispipe_session *session, struct executor **executor,
                         struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    *executor = infer->idle;
    if (infer->idle)
        infer->idle = infer->idle->next;
    else if (infer->made < session->compute_threads) {
        int rc = executor_create(session, infer->made, executor, error);
        if (rc)
            return rc;
        infer->made++;
    }
    if (!*executor)
        return 0;
    infer->busy++;
    (*executor)->io.batch = infer->calls++;
    return 0;
}

/* With the lock held: an executor in the right shape, however long that takes. */
static int acquire(struct aispipe_session *session, const struct aispipe_infer_options *options,
                   const struct aispipe_feed *feeds, struct executor **executor, struct aispipe_error *error)
{
    struct infer *infer = session->infer;
    *executor = NULL;
    for (;;) {
        int rc = infer_refuse_pipeline(infer, "an execution", error);
        /* Who changes the shape comes before those who are content with it, or might wait for ever; and who
         * has changed it executes at once, before the next change. */
        bool changes = wants_change(session, options, feeds);
        if (!rc && (changes || !infer->changing)) {
            rc = settle_shape(session, options, feeds, changes, error);
            if (!rc)
                rc = take_executor(session, executor, error);
        }
        if (rc || *executor)
            return rc;
        wait_for_change(infer);
        if (infer->closed)
            return fail_closed(session, error);
    }
}

static void give_back(struct infer *infer, struct executor *executor, const struct execution *execution)
{
    pthread_mutex_lock(&infer->mutex);
    if (!execution->options->untimed) {
        infer->stats.h2d_ns += execution->h2d_ns;
        infer->stats.d2h_ns += execution->d2h_ns;
    }
    executor->next = infer->idle;
    infer->idle = executor;
    infer->busy--;
    infer_leave(infer);
}

/* ---------------------------------------------------------------- the call */

static int check_counts(const struct aispipe_session *session, size_t n_feeds,
                        const struct aispipe_infer_options *options, struct aispipe_error *error)
{
    const struct aispipe_model_desc *desc = session->backend->describe(session->model);
    if (n_feeds != desc->n_inputs)
        return aispipe_fail(error, AISPIPE_INVALID, "the model has %zu input%s, but %zu %s given",
                            desc->n_inputs, desc->n_inputs == 1 ? "" : "s", n_feeds,
                            n_feeds == 1 ? "was" : "were");
    for (size_t k = 0; options->outputs && k < options->n_outputs; k++)
        if (options->outputs[k] >= desc->n_outputs)
            return aispipe_fail(error, AISPIPE_INVALID, "output %zu is wanted, but the model has %zu, from 0",
                                options->outputs[k], desc->n_outputs);
    if (options->shape && options->shape_from_feeds)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "both a shape and the shape of the feeds are asked for; leave one out");
    return 0;
}

int aispipe_session_infer(struct aispipe_session *session, const struct aispipe_feed *feeds, size_t n_feeds,
                          const struct aispipe_infer_options *options, struct aispipe_tensor **outputs,
                          struct aispipe_error *error)
{
    static const struct aispipe_infer_options defaults = {.loop = 0};
    struct execution execution = {
        .session = session, .feeds = feeds, .options = options ? options : &defaults};
    struct executor *executor = NULL;
    int rc = infer_enter(session, error);
    if (rc)
        return rc;
    rc = check_counts(session, n_feeds, execution.options, error);
    if (!rc)
        rc = acquire(session, execution.options, feeds, &executor, error);
    execution.loop = execution.options->loop ? execution.options->loop : session->infer->loop;
    infer_leave(session->infer);
    if (rc)
        return rc;
    rc = executor_run(executor, &execution, outputs, error);
    give_back(session->infer, executor, &execution);
    return rc;
}

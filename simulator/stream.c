/* SPDX-License-Identifier: MIT */
/* Streams: queues with a thread each. Events: marks in them. */
#include "asim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

int64_t asim_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t asim_take_time(const struct asim_speed *speed, uint64_t bytes, int64_t start_ns)
{
    int64_t end = start_ns + (int64_t)speed->latency_us * 1000;
    if (speed->bytes_per_s > 0)
        end += (int64_t)((double)bytes / speed->bytes_per_s * 1e9);
    int64_t now = asim_now_ns();
    if (end <= now)
        return now; /* computing here took longer than it would there */
    (void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL); /* the usual 50 us would be added to every step */
    struct timespec until = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    return end;
}

int asim_copy(const struct asim_piece pieces[2], aclrtMemcpyKind direction, int64_t *at_ns)
{
    static const struct asim_speed none;
    const struct asim_speed *speed = direction == ACL_MEMCPY_HOST_TO_DEVICE   ? &sim.settings.h2d
                                     : direction == ACL_MEMCPY_DEVICE_TO_HOST ? &sim.settings.d2h
                                                                              : &none;
    int code = asim_access_begin(pieces, 2, "a copy");
    if (code)
        return code;
    (void)pthread_mutex_unlock(&sim.lock);
    memcpy(pieces[0].data, pieces[1].data, pieces[1].size);
    *at_ns = asim_take_time(speed, pieces[1].size, *at_ns);
    (void)pthread_mutex_lock(&sim.lock);
    asim_access_end(pieces, 2);
    return 0;
}

/* ---------------------------------------------------------------- the thread of a stream */

static void reach(struct asim_event *event, int64_t at_ns)
{
    event->done++;
    event->time_ns = at_ns;
    (void)pthread_cond_broadcast(&sim.events);
}

/** After a failure what was queued behind it is dropped, but marks are reached: nobody may wait for ever. */
static int run_task(struct asim_stream *stream, struct asim_task *task)
{
    asim_act_as(task->kind == SIM_TASK_EXECUTE ? CALL_aclmdlExecuteAsync : CALL_aclrtMemcpyAsync);
    switch (task->kind) {
    case SIM_TASK_RECORD:
        reach(task->event, stream->at_ns);
        return 0;
    case SIM_TASK_WAIT:
        while (task->event->done < task->ticket)
            (void)pthread_cond_wait(&sim.events, &sim.lock);
        if (task->event->time_ns > stream->at_ns)
            stream->at_ns = task->event->time_ns;
        return 0;
    case SIM_TASK_COPY:
        return stream->error ? 0 : asim_copy(task->pieces, task->direction, &stream->at_ns);
    case SIM_TASK_EXECUTE:
        return stream->error ? 0 : asim_job_run(task->job, stream, &stream->at_ns);
    }
    return 0;
}

static void let_go(struct asim_task *task)
{
    if (task->kind == SIM_TASK_COPY)
        asim_pieces_hold(task->pieces, 2, -1);
    if (task->event)
        task->event->in_use--;
    if (task->job)
        asim_job_free(task->job);
}

static void *work(void *argument)
{
    struct asim_stream *stream = argument;
    (void)pthread_mutex_lock(&sim.lock);
    for (;;) {
        while (!stream->head && !stream->stop)
            (void)pthread_cond_wait(&stream->changed, &sim.lock);
        struct asim_task *task = stream->head;
        if (!task)
            break;
        stream->head = task->next;
        stream->busy = true;
        if (task->queued_ns > stream->at_ns)
            stream->at_ns = task->queued_ns;
        int code = run_task(stream, task);
        if (code) {
            const char *message = asim_message();
            stream->error = code;
            (void)snprintf(stream->message, sizeof stream->message, "%s", message ? message : "");
        }
        let_go(task);
        free(task);
        stream->busy = false;
        (void)pthread_cond_broadcast(&stream->changed);
    }
    (void)pthread_mutex_unlock(&sim.lock);
    return NULL;
}

static bool idle(const struct asim_stream *stream)
{
    return !stream->head && !stream->busy;
}

static struct asim_stream *make(struct asim_context *context)
{
    struct asim_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->context = context;
    stream->id = sim.next_stream++;
    (void)pthread_cond_init(&stream->changed, NULL);
    if (pthread_create(&stream->thread, NULL, work, stream) == 0)
        return stream;
    (void)pthread_cond_destroy(&stream->changed);
    free(stream);
    return NULL;
}

struct asim_stream *asim_stream_get(aclrtStream handle)
{
    struct asim_context *context = asim_current();
    if (!handle) {
        if (!context->default_stream)
            context->default_stream = make(context);
        if (!context->default_stream)
            (void)asim_refuse(ACL_ERROR_RT_PARAM_INVALID, "no thread for the default stream");
        return context->default_stream;
    }
    struct asim_stream *stream = asim_object_get(SIM_STREAM, handle);
    if (stream && stream->context != context) {
        (void)asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                          "stream %p was made in another context than this thread's current one", handle);
        return NULL;
    }
    return stream;
}

int asim_stream_put(struct asim_stream *stream, const struct asim_task *task)
{
    struct asim_task *copy = malloc(sizeof *copy);
    if (!copy) {
        if (task->job)
            asim_job_free(task->job);
        return asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory to queue work");
    }
    *copy = *task;
    copy->next = NULL;
    copy->queued_ns = asim_now_ns();
    if (task->kind == SIM_TASK_COPY)
        asim_pieces_hold(copy->pieces, 2, 1);
    if (task->event)
        task->event->in_use++;
    if (stream->head)
        stream->tail->next = copy;
    else
        stream->head = copy;
    stream->tail = copy;
    (void)pthread_cond_broadcast(&stream->changed);
    return 0;
}

int asim_stream_synchronize(struct asim_stream *stream)
{
    while (!idle(stream))
        (void)pthread_cond_wait(&stream->changed, &sim.lock);
    int code = stream->error;
    stream->error = 0;
    return code ? asim_refuse(code, "work in the stream failed: %s", stream->message) : 0;
}

void asim_stream_end(struct asim_stream *stream)
{
    stream->stop = true;
    (void)pthread_cond_broadcast(&stream->changed);
    (void)pthread_mutex_unlock(&sim.lock);
    (void)pthread_join(stream->thread, NULL);
    (void)pthread_mutex_lock(&sim.lock);
    (void)pthread_cond_destroy(&stream->changed);
    free(stream);
}

/* ---------------------------------------------------------------- calls on streams */

aclError aclrtCreateStream(aclrtStream *stream)
{
    int code = asim_enter(CALL_aclrtCreateStream, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    if (!stream)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the stream is NULL"));
    struct asim_stream *made = make(asim_current());
    *stream = made ? made->handle = asim_object_add(SIM_STREAM, made) : NULL;
    if (made && !*stream)
        asim_stream_end(made);
    return asim_leave(*stream ? 0 : asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory or no thread for a stream"));
}

aclError aclrtDestroyStream(aclrtStream stream)
{
    int code = asim_enter(CALL_aclrtDestroyStream, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_stream *s = asim_object_get(SIM_STREAM, stream);
    if (!s)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    if (!idle(s))
        code = asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "work in stream %p is not done: aclrtSynchronizeStream first", stream);
    asim_object_remove(stream);
    asim_stream_end(s);
    return asim_leave(code);
}

aclError aclrtSynchronizeStream(aclrtStream stream)
{
    int code = asim_enter(CALL_aclrtSynchronizeStream, SIM_INIT | SIM_CONTEXT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_stream *s = asim_stream_get(stream);
    return asim_leave(s ? asim_stream_synchronize(s) : ACL_ERROR_RT_PARAM_INVALID);
}

/* ---------------------------------------------------------------- calls on events */

aclError aclrtCreateEvent(aclrtEvent *event)
{
    int code = asim_enter(CALL_aclrtCreateEvent, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    if (!event)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the event is NULL"));
    struct asim_event *made = calloc(1, sizeof *made);
    *event = made ? asim_object_add(SIM_EVENT, made) : NULL;
    if (!*event) {
        free(made);
        return asim_leave(asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for an event"));
    }
    made->handle = *event;
    made->device = asim_current()->device;
    return asim_leave(0);
}

aclError aclrtDestroyEvent(aclrtEvent event)
{
    int code = asim_enter(CALL_aclrtDestroyEvent, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_event *e = asim_object_get(SIM_EVENT, event);
    if (!e)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    if (e->in_use)
        return asim_leave(
            asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "event %p is named by work that is not done", event));
    asim_object_remove(event);
    free(e);
    return asim_leave(0);
}

/** Both handles of a call on a stream and an event. */
static int stream_and_event(aclrtStream stream, aclrtEvent event, struct asim_stream **s,
                            struct asim_event **e)
{
    *s = asim_stream_get(stream);
    *e = *s ? asim_object_get(SIM_EVENT, event) : NULL;
    if (!*e)
        return ACL_ERROR_RT_PARAM_INVALID;
    if ((*e)->device != (*s)->context->device)
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "the event is of device %d, the stream of device %d",
                           (*e)->device, (*s)->context->device);
    return 0;
}

aclError aclrtRecordEvent(aclrtEvent event, aclrtStream stream)
{
    struct asim_stream *s;
    struct asim_event *e;
    int code = asim_enter(CALL_aclrtRecordEvent, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    code = stream_and_event(stream, event, &s, &e);
    if (!code)
        code = asim_stream_put(s, &(struct asim_task){.kind = SIM_TASK_RECORD, .event = e});
    if (!code)
        e->recorded++;
    return asim_leave(code);
}

aclError aclrtStreamWaitEvent(aclrtStream stream, aclrtEvent event)
{
    struct asim_stream *s;
    struct asim_event *e;
    int code = asim_enter(CALL_aclrtStreamWaitEvent, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    code = stream_and_event(stream, event, &s, &e);
    if (!code && e->recorded == 0)
        code = asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "event %p was never recorded", event);
    if (!code)
        code =
            asim_stream_put(s, &(struct asim_task){.kind = SIM_TASK_WAIT, .event = e, .ticket = e->recorded});
    return asim_leave(code);
}

aclError aclrtSynchronizeEvent(aclrtEvent event)
{
    int code = asim_enter(CALL_aclrtSynchronizeEvent, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_event *e = asim_object_get(SIM_EVENT, event);
    if (!e)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    if (e->recorded == 0)
        return asim_leave(asim_misuse(ACL_ERROR_RT_PARAM_INVALID, "event %p was never recorded", event));
    uint64_t ticket = e->recorded;
    e->in_use++;
    while (e->done < ticket)
        (void)pthread_cond_wait(&sim.events, &sim.lock);
    e->in_use--;
    return asim_leave(0);
}

aclError aclrtEventElapsedTime(float *ms, aclrtEvent startEvent, aclrtEvent endEvent)
{
    int code = asim_enter(CALL_aclrtEventElapsedTime, SIM_INIT);
    if (code)
        return code;
    const struct asim_event *start = asim_object_get(SIM_EVENT, startEvent);
    const struct asim_event *end = start ? asim_object_get(SIM_EVENT, endEvent) : NULL;
    if (!start || !end)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    if (!ms || !start->recorded || start->done < start->recorded || !end->recorded ||
        end->done < end->recorded)
        return asim_leave(asim_misuse(
            ACL_ERROR_RT_PARAM_INVALID, "%s event was not reached: record it and synchronise first",
            start->recorded && start->done == start->recorded ? "the end" : "the start"));
    *ms = (float)((double)(end->time_ns - start->time_ns) / 1e6);
    return asim_leave(0);
}

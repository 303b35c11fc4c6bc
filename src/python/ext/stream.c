/* SPDX-License-Identifier: MIT */
/*
 * The pipeline as Python sees it: push, and iterate. Results are copied out of the slots, one block each,
 * because Python keeps them for as long as it likes.
 *
 * `users` counts the calls that are in the library without the interpreter lock; close() cancels, which wakes
 * them, and waits until they have left.
 */
#include "ext.h"

#include <string.h>
#include <time.h>

struct stream_object {
    PyObject ob_base;
    struct session_object *session;
    struct aispipe_stream *stream; /**< NULL once closed */
    unsigned generation;
    unsigned users;
    bool closing;
    bool strict;
    bool done; /**< nothing more will come */
};

/** How long to wait before looking for signals (Ctrl-C). */
#define SLICE_NS UINT64_C(100000000)

static struct stream_object *cast(PyObject *self)
{
    return (struct stream_object *)self;
}

static bool usable(struct stream_object *self)
{
    if (self->stream && !self->closing && self->generation == process_generation)
        return true;
    error_set(AISPIPE_CLOSED, self->generation == process_generation
                                  ? "the stream was closed"
                                  : "the stream belongs to the process that forked this one; open one here");
    return false;
}

/* ---------------------------------------------------------------- opening and closing */

static int stream_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"session", "threads", "load_threads", "inflight", "capacity",
                            "ordered", "strict",  "loop",         "warmup",   NULL};
    struct stream_object *stream = cast(self);
    PyObject *session;
    unsigned threads = 0, load_threads = 0, inflight = 0, capacity = 0, loop = 0, warmup = 0;
    int ordered = 1, strict = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$IIIIppII:Stream", names, Session, &session, &threads,
                                     &load_threads, &inflight, &capacity, &ordered, &strict, &loop, &warmup))
        return -1;
    struct session_object *owner = (struct session_object *)session;
    struct aispipe_session *library = session_get(owner);
    if (!library)
        return -1;
    if (owner->stream || stream->session) {
        error_set(AISPIPE_INVALID,
                  "the session has a stream already; close it first, one at a time can be open");
        return -1;
    }
    struct aispipe_stream_options options = {.capacity = capacity, .as_completed = !ordered};
    options.pipeline.threads[AISPIPE_STAGE_COMPUTE] = threads;
    options.pipeline.threads[AISPIPE_STAGE_LOAD] = load_threads;
    options.pipeline.inflight = inflight;
    options.pipeline.loop = loop;
    options.pipeline.warmup = warmup;
    struct aispipe_error error;
    int status;
    Py_INCREF(session);
    stream->session = owner;
    stream->generation = process_generation;
    stream->strict = strict;
    owner->stream = stream; /* so that nobody opens another meanwhile, and close() of the session finds it */
    stream->users++;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_stream_open(library, &options, &stream->stream, &error);
    Py_END_ALLOW_THREADS;
    stream->users--;
    if (status == 0)
        return 0;
    owner->stream = NULL;
    error_raise(&error);
    return -1;
}

/** Lets other threads go on for a moment. */
static void wait_a_moment(void)
{
    Py_BEGIN_ALLOW_THREADS;
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    Py_END_ALLOW_THREADS;
}

/** Waits until no other call is in the library. */
static void wait_for_users(struct stream_object *self)
{
    while (self->users > 0) {
        if (self->stream)
            aispipe_stream_cancel(self->stream);
        wait_a_moment();
    }
}

/** Cancels the stream, waits for the calls that are in it, frees it; last, the session forgets it. */
static void stream_close(struct stream_object *self)
{
    if (self->closing)
        return;
    self->closing = true;
    self->done = true;
    if (self->generation != process_generation)
        return; /* its threads are the parent's */
    wait_for_users(self);
    struct aispipe_stream *stream = self->stream;
    self->stream = NULL;
    Py_BEGIN_ALLOW_THREADS;
    aispipe_stream_close(stream);
    Py_END_ALLOW_THREADS;
    if (self->session && self->session->stream == self)
        self->session->stream = NULL;
}

void stream_end(struct stream_object **of_session)
{
    while (*of_session) {
        struct stream_object *stream = *of_session;
        if (stream->closing) { /* by another thread, which may be about to free the object: it must not be
                                  held */
            wait_a_moment();
            continue;
        }
        Py_INCREF((PyObject *)stream);
        stream_close(stream);
        Py_DECREF((PyObject *)stream);
    }
}

static void stream_dealloc(PyObject *self)
{
    stream_close(cast(self));
    if (cast(self)->session && cast(self)->session->stream == cast(self))
        cast(self)->session->stream = NULL;
    Py_XDECREF((PyObject *)cast(self)->session);
    py_free(self);
}

/* ---------------------------------------------------------------- pushing */

#define FEW 8

/** Fills pointers and sizes; false with an exception where the host cannot read a feed. */
static bool to_item(const struct feed_set *set, const void **inputs, size_t *sizes)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct feed *feed = &set->feeds[i];
        inputs[i] = feed->tensor ? aispipe_tensor_data(feed->tensor) : feed->data;
        sizes[i] = feed->size;
        if (!inputs[i] && feed->size > 0) {
            error_set(AISPIPE_INVALID,
                      "input %zu is on a device, where the host cannot read it; use .to_host()", i);
            return false;
        }
    }
    return true;
}

static int push_once(struct stream_object *self, const struct aispipe_stream_item *item, uint64_t timeout,
                     struct aispipe_error *error)
{
    int status;
    self->users++;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_stream_push(self->stream, item, timeout, error);
    Py_END_ALLOW_THREADS;
    self->users--;
    return status;
}

/** 1: taken, 0: no room, -1: an exception. */
static int push_item(struct stream_object *self, const struct aispipe_stream_item *item, bool wait)
{
    struct aispipe_error error;
    for (;;) {
        int status = push_once(self, item, wait ? SLICE_NS : 0, &error);
        if (status == 0)
            return 1;
        if (status != AISPIPE_TIMEOUT) {
            error_raise(&error);
            return -1;
        }
        if (!wait)
            return 0;
        if (PyErr_CheckSignals() != 0 || !usable(self))
            return -1;
    }
}

static int push_set(struct stream_object *self, const struct feed_set *set, bool wait)
{
    const void *few_inputs[FEW], **inputs = few_inputs;
    size_t few_sizes[FEW], *sizes = few_sizes;
    int result = -1;
    if (set->n > FEW) {
        inputs = PyMem_Calloc(set->n, sizeof *inputs);
        sizes = PyMem_Calloc(set->n, sizeof *sizes);
    }
    struct aispipe_stream_item item = {.inputs = inputs, .sizes = sizes};
    if (!inputs || !sizes)
        PyErr_NoMemory();
    else if (to_item(set, inputs, sizes))
        result = push_item(self, &item, wait);
    if (inputs != few_inputs)
        PyMem_Free(inputs);
    if (sizes != few_sizes)
        PyMem_Free(sizes);
    return result;
}

static PyObject *stream_push(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct stream_object *stream = cast(self);
    if (n_args < 1 || n_args > 2) {
        PyErr_Format(PyExc_TypeError, "push takes 1 or 2 arguments, got %zd", n_args);
        return NULL;
    }
    int wait = n_args > 1 ? PyObject_IsTrue(args[1]) : 1;
    if (wait < 0 || !usable(stream))
        return NULL;
    PyObject *fast = PySequence_Fast(args[0], "the feeds must be a list or tuple, one item an input");
    if (!fast)
        return NULL;
    struct feed_set set;
    int result = -1;
    if (feed_set_take(stream->session, fast, stream->strict, &set) && usable(stream))
        result = push_set(stream, &set, wait);
    feed_set_release(&set);
    Py_DECREF(fast);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

/* ---------------------------------------------------------------- popping */

/** Where an output lies in the block, and how Python sees it: noted before its slot is given back. */
struct kept {
    PyObject *shape;
    enum aispipe_dtype dtype;
    size_t size;
};

static bool note_outputs(struct stream_object *self, const struct aispipe_stream_result *result,
                         struct kept *kept)
{
    for (size_t i = 0; i < result->n_outputs; i++) {
        kept[i].shape = output_shape(&self->session->outputs[i], &result->descs[i]);
        if (!kept[i].shape)
            return false;
        Py_INCREF(kept[i].shape);
        kept[i].dtype = result->descs[i].dtype;
        kept[i].size = result->descs[i].size;
    }
    return true;
}

/** The arrays of a block that holds all outputs one after another. Takes the block. */
static PyObject *make_arrays(void *block, void *const *outputs, const struct kept *kept, size_t n)
{
    size_t offset = 0;
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        offset = (size_t)((char *)outputs[i] - (char *)block);
        size = offset + kept[i].size > size ? offset + kept[i].size : size;
    }
    PyObject *memory = memory_of_block(block, size);
    PyObject *list = memory ? PyList_New((Py_ssize_t)n) : NULL;
    for (size_t i = 0; list && i < n; i++) {
        offset = (size_t)((char *)outputs[i] - (char *)block);
        Py_INCREF(memory);
        PyObject *array = memory_array(memory, kept[i].shape, dtype_object(kept[i].dtype), offset);
        if (!array || PyList_SetItem(list, (Py_ssize_t)i, array) != 0)
            Py_CLEAR(list);
    }
    Py_XDECREF(memory);
    return list;
}

/** Copies the result out of its slot, which is given back in any case. */
static PyObject *keep_result(struct stream_object *self, struct aispipe_stream_result *result,
                             struct kept *kept, void **outputs)
{
    struct aispipe_error error;
    size_t n = result->n_outputs; /* gone when it is given back */
    void *block = NULL;
    int status;
    if (!note_outputs(self, result, kept)) {
        aispipe_stream_give_back(self->stream, result);
        return NULL;
    }
    self->users++;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_stream_keep(self->stream, result, outputs, &block, &error);
    if (status)
        aispipe_stream_give_back(self->stream, result);
    Py_END_ALLOW_THREADS;
    self->users--;
    return status ? error_raise(&error) : make_arrays(block, outputs, kept, n);
}

/** (number, arrays) of a result. */
static PyObject *make_item(struct stream_object *self, struct aispipe_stream_result *result)
{
    size_t n = result->n_outputs;
    unsigned long long number = result->number;
    struct kept few_kept[FEW] = {{NULL, AISPIPE_FLOAT32, 0}}, *kept = few_kept;
    void *few_outputs[FEW], **outputs = few_outputs;
    PyObject *arrays = NULL;
    if (n > FEW) {
        kept = PyMem_Calloc(n, sizeof *kept);
        outputs = PyMem_Calloc(n, sizeof *outputs);
    }
    if (kept && outputs) {
        arrays = keep_result(self, result, kept, outputs);
    } else {
        PyErr_NoMemory();
        aispipe_stream_give_back(self->stream, result);
    }
    for (size_t i = 0; kept && i < n; i++)
        Py_XDECREF(kept[i].shape);
    if (kept != few_kept)
        PyMem_Free(kept);
    if (outputs != few_outputs)
        PyMem_Free(outputs);
    return arrays ? Py_BuildValue("(KN)", number, arrays) : NULL;
}

static int pop_once(struct stream_object *self, struct aispipe_stream_result *result, uint64_t timeout,
                    struct aispipe_error *error)
{
    int status;
    self->users++;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_stream_pop(self->stream, result, timeout, error);
    Py_END_ALLOW_THREADS;
    self->users--;
    return status;
}

/** The next item; NULL without an exception where there is none: at the end and, not waiting, for the moment.
 */
static PyObject *next_item(struct stream_object *self, bool wait)
{
    struct aispipe_stream_result result;
    struct aispipe_error error;
    while (usable(self) && !self->done) {
        int status = pop_once(self, &result, wait ? SLICE_NS : 0, &error);
        if (status == 0)
            return make_item(self, &result);
        if (status == AISPIPE_CLOSED) {
            self->done = true; /* unless somebody has just closed the stream, which usable() will tell */
        } else if (status != AISPIPE_TIMEOUT) {
            self->done = true;
            return error_raise(&error);
        } else if (!wait || PyErr_CheckSignals() != 0) {
            return NULL;
        }
    }
    return NULL;
}

static PyObject *stream_next(PyObject *self)
{
    return next_item(cast(self), true);
}

static PyObject *stream_poll(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *item = next_item(cast(self), false);
    if (item || PyErr_Occurred())
        return item;
    Py_RETURN_NONE;
}

static PyObject *stream_iter(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

/* ---------------------------------------------------------------- ending */

static PyObject *stream_finish(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!usable(cast(self)))
        return NULL;
    aispipe_stream_finish(cast(self)->stream);
    Py_RETURN_NONE;
}

static PyObject *stream_cancel(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!usable(cast(self)))
        return NULL;
    aispipe_stream_cancel(cast(self)->stream);
    Py_RETURN_NONE;
}

static PyObject *close_method(PyObject *self, PyObject *unused)
{
    (void)unused;
    stream_close(cast(self));
    Py_RETURN_NONE;
}

static PyObject *get_done(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(cast(self)->done);
}

/* ---------------------------------------------------------------- statistics */

static PyObject *stage_dict(const struct aispipe_stage_stats *stage)
{
    return Py_BuildValue("{s:I,s:K,s:d,s:d,s:d,s:d,s:d,s:d,s:K}", "threads", stage->threads, "batches",
                         (unsigned long long)stage->batches, "busy", stage->busy, "wait_input",
                         stage->wait_input, "wait_output", stage->wait_output, "service_mean_ms",
                         stage->service_mean, "service_p99_ms", stage->service_p99, "queue_mean",
                         stage->queue_mean, "queue_peak", (unsigned long long)stage->queue_peak);
}

static PyObject *stream_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!usable(cast(self)))
        return NULL;
    struct aispipe_run_stats stats;
    aispipe_stream_stats(cast(self)->stream, &stats);
    PyObject *stages = PyDict_New();
    for (int i = 0; stages && i < AISPIPE_STAGES; i++)
        if (!py_put(stages, aispipe_stage_name((enum aispipe_stage)i), stage_dict(&stats.stage[i])))
            Py_CLEAR(stages);
    if (!stages)
        return NULL;
    return Py_BuildValue("{s:K,s:d,s:d,s:I,s:n,s:s,s:N}", "samples", (unsigned long long)stats.samples,
                         "wall_ms", stats.wall_ms, "samples_per_second", stats.samples_per_second, "inflight",
                         stats.inflight, "slot_bytes", (Py_ssize_t)stats.slot_bytes, "bottleneck",
                         aispipe_stage_name(stats.bottleneck), "stages", stages);
}

static PyMethodDef methods[] = {
    {"push", FASTCALL(stream_push), "push(feeds, wait=True): hands one item over; False: there is no room."},
    {"poll", stream_poll, METH_NOARGS, "(number, outputs) of the next result, or None."},
    {"finish", stream_finish, METH_NOARGS, "No more input will come."},
    {"cancel", stream_cancel, METH_NOARGS, "Gives up what was not taken."},
    {"close", close_method, METH_NOARGS, "Cancels, waits for what runs, and frees the pipeline."},
    {"stats", stream_stats, METH_NOARGS, "Figures of the pipeline and of each stage, a dict."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"done", get_done, NULL, "Whether nothing more will come.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

bool stream_add(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_init, stream_init},
        {Py_tp_new, PyType_GenericNew},
        {Py_tp_dealloc, stream_dealloc},
        {Py_tp_iter, stream_iter},
        {Py_tp_iternext, stream_next},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_doc, "A pipeline that is fed by push and emptied by iterating."},
        {0, NULL},
    };
    static PyType_Spec spec = {"aispipe._native.Stream", sizeof(struct stream_object), 0, Py_TPFLAGS_DEFAULT,
                               slots};
    return py_type_add(module, &spec, NULL) != NULL;
}

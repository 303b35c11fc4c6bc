/* SPDX-License-Identifier: MIT */
#include "ext.h"

#include <stdio.h>
#include <string.h>

PyTypeObject *Session;

static struct session_object *cast(PyObject *self)
{
    return (struct session_object *)self;
}

struct aispipe_session *session_get(struct session_object *self)
{
    if (self->session && !self->closed && self->generation == process_generation)
        return self->session;
    if (!self->session)
        return error_set(AISPIPE_CLOSED, "the session was not opened");
    if (self->closed)
        return error_set(AISPIPE_CLOSED, "the session was closed");
    return error_set(AISPIPE_CLOSED,
                     "the session belongs to the process that forked this one; open one here, or start "
                     "worker processes with multiprocessing's method \"spawn\"");
}

/* ---------------------------------------------------------------- opening */

static void write_log(void *context, enum aispipe_log_level level, const char *line)
{
    PyObject *callable = context;
    if (!python_is_there())
        return;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = PyUnicode_DecodeFSDefault(line);
    PyObject *result = text ? PyObject_CallFunction(callable, "iO", (int)level, text) : NULL;
    if (!result)
        PyErr_WriteUnraisable(callable);
    Py_XDECREF(result);
    Py_XDECREF(text);
    PyErr_Restore(type, value, traceback);
    PyGILState_Release(state);
}

/** What the constructor was given, as the library wants it. */
struct opening {
    struct aispipe_session_options options;
    PyObject *path; /**< bytes */
    PyObject *keys; /**< the engine options as a list or tuple, which keeps their text */
    const char **texts;
    struct shape_parse shape;
};

static bool take_engine_options(PyObject *list, struct opening *opening)
{
    if (!list)
        return true;
    opening->keys = py_tuple(list, "engine_options must be a sequence of \"KEY=VALUE\"");
    if (!opening->keys)
        return false;
    Py_ssize_t n = py_length(opening->keys);
    opening->texts = PyMem_Calloc((size_t)n + 1, sizeof *opening->texts);
    if (!opening->texts)
        return PyErr_NoMemory() != NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        opening->texts[i] = py_text(py_item(opening->keys, i), "an engine option");
        if (!opening->texts[i])
            return false;
    }
    opening->options.engine_options = opening->texts;
    opening->options.n_engine_options = (size_t)n;
    return true;
}

static bool take_log(PyObject *log, struct session_object *self, struct opening *opening)
{
    if (!log || log == Py_None)
        return true;
    if (!PyCallable_Check(log)) {
        PyErr_Format(PyExc_TypeError, "log must be callable, not %R", (PyObject *)Py_TYPE(log));
        return false;
    }
    Py_INCREF(log);
    Py_XDECREF(self->log);
    self->log = log;
    opening->options.log.write = write_log;
    opening->options.log.context = log;
    return true;
}

static bool parse(struct session_object *self, PyObject *args, PyObject *kwargs, struct opening *opening)
{
    static char *names[] = {"model",          "device",     "backend",  "engine_device",
                            "engine_options", "threads",    "shape",    "shape_later",
                            "aipp_config",    "aipp_later", "acl_json", "hold",
                            "debug",          "log",        "affinity", NULL};
    struct aispipe_session_options *options = &opening->options;
    PyObject *engine_options = NULL, *shape = NULL, *log = NULL;
    int threads = 1, later = 1, aipp_later = 0, hold = 0, debug = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|$izzOiOpzpzppOz:Session", names, PyUnicode_FSConverter,
                                     &opening->path, &options->device_id, &options->backend,
                                     &options->engine_device, &engine_options, &threads, &shape, &later,
                                     &options->aipp_config, &aipp_later, &options->acl_json, &hold, &debug,
                                     &log, &options->affinity))
        return false;
    if (threads < 1) {
        error_set(AISPIPE_INVALID, "threads must be 1 or more, got %d", threads);
        return false;
    }
    options->compute_threads = (unsigned)threads;
    options->shape_later = later;
    options->aipp_later = aipp_later;
    options->hold = hold;
    options->log.debug = debug;
    if (shape && shape != Py_None) {
        if (!shape_take(shape, &opening->shape))
            return false;
        options->shape = opening->shape.shape;
        options->shape_later = false;
    }
    return take_engine_options(engine_options, opening) && take_log(log, self, opening);
}

void session_read_forms(struct session_object *self)
{
    const struct aispipe_model_desc *model = aispipe_session_model(self->session);
    for (size_t i = 0; model && i < self->n_inputs && i < model->n_inputs; i++) {
        const struct aispipe_tensor_desc *desc = &model->inputs[i];
        self->inputs[i].dtype = desc->dtype;
        self->inputs[i].rank = desc->rank;
        memcpy(self->inputs[i].dims, desc->dims, sizeof desc->dims);
    }
    self->forms_stale = false;
}

/** "input 0 'x'" */
static char *name_input(size_t index, const char *name)
{
    size_t length = strlen(name) + 40;
    char *what = PyMem_Malloc(length);
    if (what)
        (void)snprintf(what, length, "input %zu '%s'", index, name);
    return what;
}

static bool look_at_model(struct session_object *self)
{
    const struct aispipe_model_desc *model = aispipe_session_model(self->session);
    self->inputs = PyMem_Calloc(model->n_inputs + 1, sizeof *self->inputs);
    self->outputs = PyMem_Calloc(model->n_outputs + 1, sizeof *self->outputs);
    if (!self->inputs || !self->outputs)
        return PyErr_NoMemory() != NULL;
    self->n_inputs = model->n_inputs;
    self->n_outputs = model->n_outputs;
    for (size_t i = 0; i < self->n_inputs; i++) {
        self->inputs[i].what = name_input(i, model->inputs[i].name);
        if (!self->inputs[i].what)
            return PyErr_NoMemory() != NULL;
    }
    struct aispipe_model_info info;
    struct aispipe_error error;
    if (aispipe_session_model_info(self->session, &info, &error) != 0)
        return error_raise(&error) != NULL;
    self->open_shape = info.mode != AISPIPE_SHAPE_STATIC;
    session_read_forms(self);
    return true;
}

static bool open_session(struct session_object *self, const struct opening *opening)
{
    struct aispipe_error error;
    const char *path = PyBytes_AsString(opening->path);
    int status;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_session_open(path, &opening->options, &self->session, &error);
    Py_END_ALLOW_THREADS;
    if (status)
        return error_raise(&error) != NULL;
    self->generation = process_generation;
    self->device = opening->options.device_id;
    self->model = PyUnicode_DecodeFSDefault(path);
    life_begin(&self->life, (PyObject *)self);
    if (!self->model || !look_at_model(self)) {
        session_close(self);
        return false;
    }
    self->from_feeds = self->open_shape && opening->options.shape_later;
    return true;
}

static int session_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (cast(self)->session || process_ending) {
        error_set(AISPIPE_CLOSED,
                  process_ending ? "the interpreter is about to end" : "the session is open already");
        return -1;
    }
    struct opening opening = {.path = NULL};
    bool opened = parse(cast(self), args, kwargs, &opening) && open_session(cast(self), &opening);
    shape_release(&opening.shape);
    PyMem_Free(opening.texts);
    Py_XDECREF(opening.keys);
    Py_XDECREF(opening.path);
    return opened ? 0 : -1;
}

/* ---------------------------------------------------------------- closing */

void session_close(struct session_object *self)
{
    life_end(&self->life);
    if (!self->session || self->closed)
        return;
    self->closed = true;
    if (self->generation != process_generation)
        return; /* threads and engine are the parent's */
    stream_end(&self->stream);
    Py_BEGIN_ALLOW_THREADS;
    aispipe_session_shutdown(self->session);
    Py_END_ALLOW_THREADS;
}

static PyObject *close_method(PyObject *self, PyObject *unused)
{
    (void)unused;
    session_close(cast(self));
    Py_RETURN_NONE;
}

static void free_forms(struct session_object *self)
{
    for (size_t i = 0; i < self->n_inputs; i++)
        PyMem_Free(self->inputs[i].what);
    for (size_t i = 0; i < self->n_outputs; i++)
        Py_XDECREF(self->outputs[i].shape);
    PyMem_Free(self->inputs);
    PyMem_Free(self->outputs);
}

static void session_dealloc(PyObject *self)
{
    struct session_object *session = cast(self);
    PyObject_GC_UnTrack(self);
    if (session->weakrefs)
        PyObject_ClearWeakRefs(self);
    session_close(session);
    struct aispipe_session *library = session->session;
    Py_BEGIN_ALLOW_THREADS;
    aispipe_session_close(library);
    Py_END_ALLOW_THREADS;
    free_forms(session);
    Py_XDECREF(session->model);
    Py_XDECREF(session->log);
    py_free(self);
}

static int session_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(cast(self)->log);
    Py_VISIT((PyObject *)Py_TYPE(self));
    return 0;
}

/** The log function stays until the library cannot call it any more. */
static int session_clear(PyObject *self)
{
    session_close(cast(self));
    return 0;
}

/* ---------------------------------------------------------------- settings, attributes */

static PyObject *set_loop(PyObject *self, PyObject *number)
{
    struct aispipe_session *session = session_get(cast(self));
    long loop = session ? PyLong_AsLong(number) : 0;
    if (!session || PyErr_Occurred())
        return NULL;
    if (loop < 1 || loop > INT32_MAX)
        return error_set(AISPIPE_INVALID, "loop must be 1 to %d, got %ld", INT32_MAX, loop);
    struct aispipe_error error;
    if (aispipe_session_set_loop(session, (unsigned)loop, &error) != 0)
        return error_raise(&error);
    Py_RETURN_NONE;
}

static PyObject *follow_feeds(PyObject *self, PyObject *unused)
{
    (void)unused;
    cast(self)->from_feeds = cast(self)->open_shape;
    Py_RETURN_NONE;
}

static PyObject *get_model(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *model = cast(self)->model ? cast(self)->model : Py_None;
    Py_INCREF(model);
    return model;
}

static PyObject *get_device(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(cast(self)->device);
}

static PyObject *get_backend(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_session *session = session_get(cast(self));
    return session ? PyUnicode_FromString(aispipe_session_backend(session)) : NULL;
}

static PyObject *get_closed(PyObject *self, void *unused)
{
    (void)unused;
    struct session_object *session = cast(self);
    return PyBool_FromLong(!session->session || session->closed || session->generation != process_generation);
}

static PyObject *get_follows_feeds(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(cast(self)->from_feeds);
}

static PyMethodDef methods[] = {
    {"execute", FASTCALL(session_execute), "Executes once; see aispipe/_native.pyi."},
    {"set_shape", KEYWORDS(session_set_shape), "Chooses the sizes that the model leaves open."},
    {"follow_feeds", follow_feeds, METH_NOARGS, "From now on strict calls set the shape of their feeds."},
    {"set_output_sizes", session_set_output_sizes, METH_O,
     "set_output_sizes($self, sizes, /)\n--\n\n"
     "Bytes for outputs whose size is known only after execution: one number an output, or one for all."},
    {"set_loop", set_loop, METH_O,
     "set_loop($self, loop, /)\n--\n\nExecutions per call, each one timed; 1 at first."},
    {"set_aipp", session_set_aipp, METH_O, "Settings of dynamic AIPP, from a dict."},
    {"inputs", session_inputs, METH_NOARGS, "A TensorInfo for each input."},
    {"outputs", session_outputs, METH_NOARGS, "A TensorInfo for each output."},
    {"info", session_info, METH_NOARGS, "What the model lets one choose, a ModelInfo."},
    {"find_input", session_find_input, METH_O, "Index of the input of this name."},
    {"find_output", session_find_output, METH_O, "Index of the output of this name."},
    {"stats", session_stats, METH_NOARGS,
     "stats($self, /)\n--\n\n"
     "Totals of the calls since the session was opened, a dict: executions; compute_ms, h2d_ms and d2h_ms, "
     "sums of the\n"
     "times of executions and transfers; min_ms and max_ms of one execution; span_ms from the first to the "
     "last."},
    {"record", session_record, METH_VARARGS,
     "record($self, on=True, /)\n--\n\nFrom now on the interval of every execution is kept, in 4 to 8 bytes "
     "each."},
    {"intervals", session_intervals, METH_NOARGS,
     "intervals($self, /)\n--\n\n"
     "(start, end) of each execution since record(), ms since the process' first execution."},
    {"reset_stats", session_reset_stats, METH_NOARGS,
     "reset_stats($self, /)\n--\n\nForgets totals and intervals."},
    {"close", close_method, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Waits for executions that run, ends a pipeline of it, and unloads the model. Any number of times."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"model", get_model, NULL, "Path of the model.", NULL},
    {"device", get_device, NULL, "Id of the device.", NULL},
    {"backend", get_backend, NULL, "Name of the engine: 'acl', 'openvino', 'sim'.", NULL},
    {"follows_feeds", get_follows_feeds, NULL, "Whether strict calls set the shape of their feeds.", NULL},
    {"closed", get_closed, NULL, "Whether it can be used no more.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct session_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

bool session_add(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_init, session_init},
        {Py_tp_new, PyType_GenericNew},
        {Py_tp_dealloc, session_dealloc},
        {Py_tp_traverse, session_traverse},
        {Py_tp_clear, session_clear},
        {Py_tp_call, session_call},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_members, members},
        {Py_tp_doc, "A model loaded on a device."},
        {0, NULL},
    };
    static PyType_Spec spec = {"aispipe._native.Session", sizeof(struct session_object), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    Session = py_type_add(module, &spec, NULL);
    return Session && model_add(module);
}

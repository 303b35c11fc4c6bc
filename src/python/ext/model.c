/* SPDX-License-Identifier: MIT */
/* What a model takes, gives and allows, and how long its executions took. */
#include "ext.h"

#include <string.h>

static PyTypeObject *TensorInfo, *ModelInfo;

static struct session_object *cast(PyObject *self)
{
    return (struct session_object *)self;
}

bool model_add(PyObject *module)
{
    static PyStructSequence_Field tensor_fields[] = {
        {"name", NULL},
        {"dtype", "AscendCL's number"},
        {"format", "number of AscendCL's aclFormat"},
        {"shape", "as the model declares it: -1 where open"},
        {"size", "bytes in the largest gear, or in the one shape; 0: unknown"},
        {"real_size", "bytes in the shape that is set; 0: none is"},
        {NULL, NULL},
    };
    static PyStructSequence_Field model_fields[] = {
        {"mode", "what is open: STATIC for nothing"},
        {"gears", NULL},
        {"largest_batch", "largest gear of BATCH; 0: there are none"},
        {"aipp_inputs", NULL},
        {"aipp_set", NULL},
        {NULL, NULL},
    };
    static PyStructSequence_Desc tensor = {"aispipe._native.TensorInfo", "An input or output.", tensor_fields,
                                           6};
    static PyStructSequence_Desc model = {"aispipe._native.ModelInfo", "What a model lets one choose.",
                                          model_fields, 5};
    TensorInfo = PyStructSequence_NewType(&tensor);
    ModelInfo = PyStructSequence_NewType(&model);
    if (!TensorInfo || !ModelInfo)
        return false;
    Py_INCREF(TensorInfo);
    Py_INCREF(ModelInfo);
    return PyModule_AddObject(module, "TensorInfo", (PyObject *)TensorInfo) == 0 &&
           PyModule_AddObject(module, "ModelInfo", (PyObject *)ModelInfo) == 0;
}

/** A structure from its values, whose references it takes; NULL where one of them is NULL. */
static PyObject *make_struct(PyTypeObject *type, PyObject **values, Py_ssize_t n)
{
    PyObject *self = PyStructSequence_New(type);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (self && values[i])
            PyStructSequence_SetItem(self, i, values[i]);
        else
            Py_XDECREF(values[i]);
        if (!values[i])
            Py_CLEAR(self);
    }
    return self;
}

static PyObject *tensor_info(const struct aispipe_tensor_info *info)
{
    /* A shape of unknown rank is one open dimension. */
    static const int64_t open = -1;
    PyObject *shape = info->rank < 0 ? shape_tuple(1, &open) : shape_tuple(info->rank, info->dims);
    PyObject *values[] = {PyUnicode_DecodeUTF8(info->name, (Py_ssize_t)strlen(info->name), "surrogateescape"),
                          PyLong_FromLong(info->dtype),
                          PyLong_FromLong(info->format),
                          shape,
                          PyLong_FromSize_t(info->size),
                          PyLong_FromSize_t(info->real_size)};
    return make_struct(TensorInfo, values, 6);
}

typedef int (*info_fn)(struct aispipe_session *session, size_t index, struct aispipe_tensor_info *info,
                       struct aispipe_error *error);

static PyObject *list_infos(PyObject *self, size_t n, info_fn get)
{
    struct aispipe_session *session = session_get(cast(self));
    PyObject *list = session ? PyList_New((Py_ssize_t)n) : NULL;
    for (size_t i = 0; list && i < n; i++) {
        struct aispipe_tensor_info info;
        struct aispipe_error error;
        PyObject *item = get(session, i, &info, &error) == 0 ? tensor_info(&info) : error_raise(&error);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) != 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *session_inputs(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_infos(self, cast(self)->n_inputs, aispipe_session_input_info);
}

PyObject *session_outputs(PyObject *self, PyObject *unused)
{
    (void)unused;
    return list_infos(self, cast(self)->n_outputs, aispipe_session_output_info);
}

PyObject *session_info(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct aispipe_session *session = session_get(cast(self));
    struct aispipe_model_info info;
    struct aispipe_error error;
    if (!session)
        return NULL;
    if (aispipe_session_model_info(session, &info, &error) != 0)
        return error_raise(&error);
    PyObject *values[] = {PyLong_FromLong(info.mode), PyLong_FromSize_t(info.n_gears),
                          PyLong_FromUnsignedLongLong(info.largest_batch),
                          PyLong_FromSize_t(info.n_aipp_inputs), PyBool_FromLong(info.aipp_set)};
    return make_struct(ModelInfo, values, 5);
}

typedef int (*find_fn)(struct aispipe_session *session, const char *name, size_t *index,
                       struct aispipe_error *error);

static PyObject *find(PyObject *self, PyObject *name, find_fn look)
{
    struct aispipe_session *session = session_get(cast(self));
    const char *text = session ? py_text(name, "a name") : NULL;
    size_t index = 0;
    struct aispipe_error error;
    if (!text)
        return NULL;
    return look(session, text, &index, &error) == 0 ? PyLong_FromSize_t(index) : error_raise(&error);
}

PyObject *session_find_input(PyObject *self, PyObject *name)
{
    return find(self, name, aispipe_session_find_input);
}

PyObject *session_find_output(PyObject *self, PyObject *name)
{
    return find(self, name, aispipe_session_find_output);
}

/* ---------------------------------------------------------------- statistics */

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

PyObject *session_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct aispipe_session *session = session_get(cast(self));
    struct aispipe_infer_stats stats;
    if (!session)
        return NULL;
    aispipe_session_infer_stats(session, &stats);
    return Py_BuildValue("{s:K,s:d,s:d,s:d,s:d,s:d,s:d}", "executions", (unsigned long long)stats.executions,
                         "compute_ms", ms(stats.compute_ns), "min_ms",
                         ms(stats.executions ? stats.least_ns : 0), "max_ms", ms(stats.most_ns), "h2d_ms",
                         ms(stats.h2d_ns), "d2h_ms", ms(stats.d2h_ns), "span_ms",
                         ms(stats.executions ? stats.last_end - stats.first_start : 0));
}

PyObject *session_record(PyObject *self, PyObject *args)
{
    int on = 1;
    if (!PyArg_ParseTuple(args, "|p:record", &on))
        return NULL;
    struct aispipe_session *session = session_get(cast(self));
    if (!session)
        return NULL;
    aispipe_session_record(session, on);
    Py_RETURN_NONE;
}

PyObject *session_intervals(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct aispipe_session *session = session_get(cast(self));
    if (!session)
        return NULL;
    size_t most = aispipe_session_intervals_count(session);
    struct aispipe_interval *intervals = PyMem_Calloc(most + 1, sizeof *intervals);
    if (!intervals)
        return PyErr_NoMemory();
    size_t n = aispipe_session_intervals(session, intervals, most);
    n = n < most ? n : most;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        double start = (double)(int64_t)(intervals[i].start - first_execution) / 1e6;
        PyObject *pair = Py_BuildValue("(dd)", start, start + ms(intervals[i].end - intervals[i].start));
        if (!pair || PyList_SetItem(list, (Py_ssize_t)i, pair) != 0)
            Py_CLEAR(list);
    }
    PyMem_Free(intervals);
    return list;
}

PyObject *session_reset_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct aispipe_session *session = session_get(cast(self));
    if (!session)
        return NULL;
    aispipe_session_reset_stats(session);
    Py_RETURN_NONE;
}

/* SPDX-License-Identifier: MIT */
/* Sizes chosen at run time. */
#include "ext.h"

/** Allocates the sizes of a sequence; false with an exception. */
static bool take_sizes(PyObject *list, size_t **sizes, size_t *n)
{
    PyObject *fast = py_tuple(list, "output sizes must be a sequence of int, bytes each");
    if (!fast)
        return false;
    *n = (size_t)py_length(fast);
    *sizes = PyMem_Calloc(*n + 1, sizeof **sizes);
    if (!*sizes)
        PyErr_NoMemory();
    for (size_t i = 0; *sizes && i < *n; i++) {
        (*sizes)[i] = PyLong_AsSize_t(py_item(fast, (Py_ssize_t)i));
        if (PyErr_Occurred())
            break;
    }
    Py_DECREF(fast);
    return !PyErr_Occurred();
}

static bool take_number(long long number, const char *name, uint64_t *to)
{
    if (number < 0) {
        error_set(AISPIPE_INVALID, "%s must not be negative, got %lld", name, number);
        return false;
    }
    *to = (uint64_t)number;
    return true;
}

static bool parse(PyObject *args, PyObject *kwargs, struct shape_parse *parse)
{
    static char *names[] = {"mode", "batch",        "height",        "width",
                            "dims", "output_sizes", "sizes_if_open", NULL};
    int mode, if_open = 0;
    long long batch = 0, height = 0, width = 0;
    PyObject *dims = Py_None, *sizes = Py_None;
    struct aispipe_shape *shape = &parse->shape;
    *parse = (struct shape_parse){.sizes = NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|LLLOOp:set_shape", names, &mode, &batch, &height,
                                     &width, &dims, &sizes, &if_open))
        return false;
    if (mode < AISPIPE_SHAPE_STATIC || mode > AISPIPE_SHAPE_SHAPE) {
        error_set(AISPIPE_INVALID, "the mode must be STATIC, BATCH, HW, DIMS or SHAPE, got %d", mode);
        return false;
    }
    shape->mode = (enum aispipe_shape_mode)mode;
    shape->sizes_if_open = if_open;
    if (!take_number(batch, "batch", &shape->batch) || !take_number(height, "height", &shape->height) ||
        !take_number(width, "width", &shape->width))
        return false;
    if (dims != Py_None) {
        shape->dims = py_text(dims, "dims");
        if (!shape->dims)
            return false;
        Py_INCREF(dims);
        parse->dims = dims;
    }
    if (sizes != Py_None && !take_sizes(sizes, &parse->sizes, &shape->n_output_sizes))
        return false;
    shape->output_sizes = parse->sizes;
    return true;
}

bool shape_take(PyObject *tuple, struct shape_parse *to)
{
    if (PyTuple_Check(tuple))
        return parse(tuple, NULL, to);
    PyErr_Format(PyExc_TypeError, "a shape must be a tuple (mode, batch, height, width, dims, …), not %R",
                 (PyObject *)Py_TYPE(tuple));
    return false;
}

void shape_release(struct shape_parse *parse)
{
    PyMem_Free(parse->sizes);
    Py_XDECREF(parse->dims);
    *parse = (struct shape_parse){.sizes = NULL};
}

PyObject *session_set_shape(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct session_object *object = (struct session_object *)self;
    struct aispipe_session *session = session_get(object);
    struct shape_parse to = {.sizes = NULL};
    struct aispipe_error error;
    int status = -1;
    if (session && parse(args, kwargs, &to)) {
        Py_BEGIN_ALLOW_THREADS;
        status = aispipe_session_set_shape(session, &to.shape, &error);
        Py_END_ALLOW_THREADS;
        if (status)
            error_raise(&error);
    }
    shape_release(&to);
    if (status)
        return NULL;
    object->from_feeds = false;
    object->forms_stale = true;
    Py_RETURN_NONE;
}

PyObject *session_set_output_sizes(PyObject *self, PyObject *list)
{
    struct aispipe_session *session = session_get((struct session_object *)self);
    struct aispipe_error error;
    size_t *sizes = NULL;
    size_t n = 0;
    int status = -1;
    if (session && take_sizes(list, &sizes, &n)) {
        Py_BEGIN_ALLOW_THREADS;
        status = aispipe_session_set_output_sizes(session, sizes, n, &error);
        Py_END_ALLOW_THREADS;
        if (status)
            error_raise(&error);
    }
    PyMem_Free(sizes);
    if (status)
        return NULL;
    Py_RETURN_NONE;
}

/* SPDX-License-Identifier: MIT */
#include "ext.h"

#include <stdarg.h>
#include <stdio.h>

PyObject *Error, *InvalidError, *ClosedError;

static PyObject *new_exception(const char *name, const char *doc, PyObject *bases)
{
    PyObject *attributes = Py_BuildValue("{s:i}", "code", 0);
    if (!attributes)
        return NULL;
    PyObject *type = PyErr_NewExceptionWithDoc(name, doc, bases, attributes);
    Py_DECREF(attributes);
    return type;
}

static bool add(PyObject *module, const char *name, PyObject *type)
{
    if (!type)
        return false;
    Py_INCREF(type);
    if (PyModule_AddObject(module, name, type) == 0)
        return true;
    Py_DECREF(type);
    return false;
}

bool errors_add(PyObject *module)
{
    Error = new_exception("aispipe.Error",
                          "The library, the engine or the device failed; `code` is the library's status.",
                          PyExc_RuntimeError);
    if (!add(module, "Error", Error))
        return false;
    PyObject *bases = PyTuple_Pack(2, Error, PyExc_ValueError);
    if (!bases)
        return false;
    InvalidError = new_exception("aispipe.InvalidError",
                                 "An argument, or a combination of arguments, is not acceptable.", bases);
    Py_DECREF(bases);
    if (!add(module, "InvalidError", InvalidError))
        return false;
    ClosedError =
        new_exception("aispipe.ClosedError",
                      "The session was closed, the device finalised, the tensor freed, or this process is "
                      "a fork of the one that opened it.",
                      Error);
    return add(module, "ClosedError", ClosedError);
}

static PyObject *type_of(int code)
{
    switch (code) {
    case AISPIPE_INVALID:
        return InvalidError;
    case AISPIPE_CLOSED:
        return ClosedError;
    default:
        return Error;
    }
}

void *error_raise(const struct aispipe_error *error)
{
    PyObject *type = type_of(error->code);
    /* Paths in a message need not be UTF-8. */
    PyObject *text = PyUnicode_DecodeFSDefault(error->message);
    PyObject *exception = text ? PyObject_CallFunction(type, "(O)", text) : NULL;
    PyObject *code = exception ? PyLong_FromLong(error->code) : NULL;
    if (code && PyObject_SetAttrString(exception, "code", code) == 0)
        PyErr_SetObject(type, exception);
    Py_XDECREF(code);
    Py_XDECREF(exception);
    Py_XDECREF(text);
    return NULL;
}

void *error_set(int code, const char *format, ...)
{
    struct aispipe_error error = {.code = code};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error.message, sizeof error.message, format, args);
    va_end(args);
    return error_raise(&error);
}

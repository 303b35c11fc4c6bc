/* SPDX-License-Identifier: MIT */
#include "py.h"

#include <dlfcn.h>
#include <string.h>

int (*buffer_get)(PyObject *object, struct buffer_view *view, int flags);
void (*buffer_release)(struct buffer_view *view);
static const char *(*as_utf8)(PyObject *text, Py_ssize_t *length);

bool py_lookup(void)
{
    buffer_get = (__typeof__(buffer_get))dlsym(RTLD_DEFAULT, "PyObject_GetBuffer");
    buffer_release = (__typeof__(buffer_release))dlsym(RTLD_DEFAULT, "PyBuffer_Release");
    as_utf8 = (__typeof__(as_utf8))dlsym(RTLD_DEFAULT, "PyUnicode_AsUTF8AndSize");
    if (buffer_get && buffer_release && as_utf8)
        return true;
    PyErr_SetString(PyExc_ImportError, "aispipe: this Python lacks PyObject_GetBuffer, PyBuffer_Release or "
                                       "PyUnicode_AsUTF8AndSize");
    return false;
}

PyTypeObject *py_type_add(PyObject *module, PyType_Spec *spec, PyObject *bases)
{
    PyObject *type = PyType_FromSpecWithBases(spec, bases);
    if (!type)
        return NULL;
    Py_INCREF(type);
    if (PyModule_AddObject(module, strrchr(spec->name, '.') + 1, type) == 0)
        return (PyTypeObject *)type;
    Py_DECREF(type);
    Py_DECREF(type);
    return NULL;
}

void py_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

Py_ssize_t py_length(PyObject *fast)
{
    return PyTuple_Check(fast) ? PyTuple_Size(fast) : PyList_Size(fast);
}

PyObject *py_item(PyObject *fast, Py_ssize_t index)
{
    return PyTuple_Check(fast) ? PyTuple_GetItem(fast, index) : PyList_GetItem(fast, index);
}

PyObject *py_tuple(PyObject *sequence, const char *message)
{
    PyObject *fast = PySequence_Fast(sequence, message);
    if (!fast || PyTuple_Check(fast))
        return fast;
    PyObject *tuple = PyList_AsTuple(fast);
    Py_DECREF(fast);
    return tuple;
}

const char *py_text(PyObject *text, const char *what)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, (PyObject *)Py_TYPE(text));
        return NULL;
    }
    Py_ssize_t length = 0;
    const char *bytes = as_utf8(text, &length);
    if (bytes && strlen(bytes) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "%s must not hold a NUL character", what);
        return NULL;
    }
    /* cppcheck-suppress returnDanglingLifetime; they lie in the str, not in `length` */
    return bytes;
}

bool py_put(PyObject *dict, const char *key, PyObject *value)
{
    if (!value)
        return false;
    int result = PyDict_SetItemString(dict, key, value);
    Py_DECREF(value);
    return result == 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Python's limited API of 3.9, and the few declarations that it lacks.
 *
 * One build runs on every CPython from 3.9 on only where it uses nothing but what the limited API of 3.9 has.
 * Three things that we need were declared there later, although every CPython from 3.9 on has them,
 * unchanged:
 *
 *  - the buffer protocol: the structure (limited API since 3.11, same layout since 3.3), the flags, and two
 * functions. They are looked up when the module is imported, PyUnicode_AsUTF8AndSize (3.10) with them, so
 * that the file refers to no symbol that 3.9's limited API does not have;
 *  - the slots that make a type an exporter of buffers (numbers 1 and 2; accepted by PyType_FromSpec
 * since 3.9);
 *  - the calling convention METH_FASTCALL (limited API since 3.10, unchanged since 3.7).
 *
 * They are declared here under names of our own, so that no version of Python.h can disagree.
 */
#ifndef AISPIPE_EXT_PY_H
#define AISPIPE_EXT_PY_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x03090000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

/** Python's Py_buffer. */
struct buffer_view {
    void *buf;
    PyObject *obj;
    Py_ssize_t len;
    Py_ssize_t itemsize;
    int readonly;
    int ndim;
    char *format;
    Py_ssize_t *shape;
    Py_ssize_t *strides;
    Py_ssize_t *suboffsets;
    void *internal;
};

/** What a consumer can cope with: Python's PyBUF_ flags. */
enum buffer_flags {
    BUFFER_WRITABLE = 0x1,
    BUFFER_FORMAT = 0x4,
    BUFFER_ND = 0x8, /* without strides: C-contiguous */
    BUFFER_STRIDES = 0x10 | BUFFER_ND,
};

enum {
    SLOT_GETBUFFER = 1,
    SLOT_RELEASEBUFFER = 2,
    METHOD_FASTCALL = 0x80,
};

/** Dimensions are passed on as int64_t without a copy. */
_Static_assert(sizeof(Py_ssize_t) == sizeof(int64_t), "a 64-bit machine is needed");

/** PyObject_GetBuffer and PyBuffer_Release; set by py_lookup. */
extern int (*buffer_get)(PyObject *object, struct buffer_view *view, int flags);
extern void (*buffer_release)(struct buffer_view *view);

/** Finds the functions above. False with an exception set. */
bool py_lookup(void);

/** A heap type from its parts; adds it to the module under the last part of its name. */
PyTypeObject *py_type_add(PyObject *module, PyType_Spec *spec, PyObject *bases);
/** Frees an instance of a heap type, whatever subclass, at the end of tp_dealloc. */
void py_free(PyObject *self);
/** A method table's entry for a fast function. */
#define FASTCALL(function) (PyCFunction)(void (*)(void))(function), METHOD_FASTCALL
#define KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

/** Length and item of what PySequence_Fast gave, which is a list or a tuple. The item is borrowed. */
Py_ssize_t py_length(PyObject *fast);
PyObject *py_item(PyObject *fast, Py_ssize_t index);
/** A sequence as a tuple of its own, which nobody changes while items are converted; `message`: where it is
 * none. */
PyObject *py_tuple(PyObject *sequence, const char *message);
/** The text of a str in UTF-8, borrowed while `text` lives; NULL with a TypeError that names `what`. */
const char *py_text(PyObject *text, const char *what);
/** dict[key] = value, taking the reference to `value`; false with an exception, also where `value` is NULL.
 */
bool py_put(PyObject *dict, const char *key, PyObject *value);

#endif

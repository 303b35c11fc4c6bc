/* SPDX-License-Identifier: MIT */
/*
 * The end. Sessions that nobody closed are closed before the interpreter goes, by a function that Python's
 * atexit calls: executions and streams that still run are waited for, so that no thread is inside the engine
 * when the process takes it down. And a fork: the child has neither the engine's threads nor the device.
 */
#include "ext.h"

#include <pthread.h>

unsigned process_generation;
bool process_ending;

static struct life *first_life;

void life_begin(struct life *life, PyObject *owner)
{
    life->owner = owner;
    life->next = first_life;
    life->back = &first_life;
    if (first_life)
        first_life->back = &life->next;
    first_life = life;
}

void life_end(struct life *life)
{
    if (!life->back)
        return;
    *life->back = life->next;
    if (life->next)
        life->next->back = life->back;
    life->back = NULL;
}

bool python_is_there(void)
{
    return !process_ending && Py_IsInitialized();
}

static void in_child(void)
{
    process_generation++;
}

static PyObject *close_all(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    while (first_life) {
        PyObject *owner = first_life->owner;
        Py_INCREF(owner);
        session_close((struct session_object *)owner);
        Py_DECREF(owner);
    }
    process_ending = true;
    Py_BEGIN_ALLOW_THREADS;
    (void)aispipe_finalize(NULL); /* devices of tensors that are left; nobody would hear of a failure */
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

bool lives_add(PyObject *module)
{
    static PyMethodDef method = {"_close_all", close_all, METH_NOARGS,
                                 "Closes every session; called at exit."};
    if (pthread_atfork(NULL, NULL, in_child) != 0) {
        PyErr_SetString(PyExc_ImportError, "aispipe: the system refuses to watch for forks");
        return false;
    }
    PyObject *function = PyCFunction_NewEx(&method, module, NULL);
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *result = function && atexit ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    bool registered = result != NULL;
    Py_XDECREF(result);
    Py_XDECREF(atexit);
    Py_XDECREF(function);
    return registered;
}

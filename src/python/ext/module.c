/* SPDX-License-Identifier: MIT */
#include "ext.h"

#include "aispipe/aispipe.h"

static PyObject *version(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyUnicode_FromString(aispipe_version());
}

static PyObject *dtype_size(PyObject *module, PyObject *args)
{
    (void)module;
    int dtype;
    if (!PyArg_ParseTuple(args, "i:dtype_size", &dtype))
        return NULL;
    return PyLong_FromSize_t(aispipe_dtype_size((enum aispipe_dtype)dtype));
}

static PyObject *dtype_name(PyObject *module, PyObject *args)
{
    (void)module;
    int dtype;
    if (!PyArg_ParseTuple(args, "i:dtype_name", &dtype))
        return NULL;
    return PyUnicode_FromString(aispipe_dtype_name((enum aispipe_dtype)dtype));
}

/* ---------------------------------------------------------------- transfers */

static PyObject *transfers_record(PyObject *module, PyObject *args)
{
    (void)module;
    int on = 1;
    if (!PyArg_ParseTuple(args, "|p:transfers_record", &on))
        return NULL;
    aispipe_transfers_record(on);
    Py_RETURN_NONE;
}

static PyObject *transfers(PyObject *module, PyObject *args)
{
    (void)module;
    int direction;
    if (!PyArg_ParseTuple(args, "i:transfers", &direction))
        return NULL;
    if (direction != AISPIPE_H2D && direction != AISPIPE_D2H)
        return error_set(AISPIPE_INVALID, "the direction must be H2D or D2H, got %d", direction);
    size_t most = aispipe_transfers_count((enum aispipe_transfer)direction);
    uint64_t *ns = PyMem_Calloc(most + 1, sizeof *ns);
    if (!ns)
        return PyErr_NoMemory();
    size_t n = aispipe_transfers_read((enum aispipe_transfer)direction, ns, most);
    n = n < most ? n : most;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *time = PyFloat_FromDouble((double)ns[i] / 1e6);
        if (!time || PyList_SetItem(list, (Py_ssize_t)i, time) != 0)
            Py_CLEAR(list);
    }
    PyMem_Free(ns);
    return list;
}

static PyObject *transfers_reset(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    aispipe_transfers_reset();
    Py_RETURN_NONE;
}

static PyObject *finalize(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    struct aispipe_error error;
    int status;
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_finalize(&error);
    Py_END_ALLOW_THREADS;
    if (status)
        return error_raise(&error);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"version", version, METH_NOARGS, "Version of the library."},
    {"dtype_size", dtype_size, METH_VARARGS, "Bytes of an element; 0: no such type."},
    {"dtype_name", dtype_name, METH_VARARGS, "NumPy's name of a type."},
    {"aipp_read", aipp_read, METH_O, "Reads and checks a configuration file of AIPP; a dict."},
    {"aipp_check", aipp_check, METH_O, "Whether settings of AIPP, a dict, are in range."},
    {"transfers_record", transfers_record, METH_VARARGS,
     "Keep the duration of every transfer of this process."},
    {"transfers", transfers, METH_VARARGS, "transfers(H2D or D2H): ms of each, oldest first."},
    {"transfers_reset", transfers_reset, METH_NOARGS, "Forgets the durations of both directions."},
    {"finalize", finalize, METH_NOARGS, "Lets go of devices, their memory, and their runtimes."},
    {NULL, NULL, 0, NULL},
};

static bool add_constants(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } constants[] = {
        {"INVALID", AISPIPE_INVALID},
        {"NO_MEMORY", AISPIPE_NO_MEMORY},
        {"IO", AISPIPE_IO},
        {"FORMAT", AISPIPE_FORMAT},
        {"MODEL", AISPIPE_MODEL},
        {"DEVICE", AISPIPE_DEVICE},
        {"UNSUPPORTED", AISPIPE_UNSUPPORTED},
        {"CLOSED", AISPIPE_CLOSED},
        {"SYSTEM", AISPIPE_SYSTEM},
        {"TIMEOUT", AISPIPE_TIMEOUT},
        {"FAULT", AISPIPE_FAULT},
        {"STATIC", AISPIPE_SHAPE_STATIC},
        {"BATCH", AISPIPE_SHAPE_BATCH},
        {"HW", AISPIPE_SHAPE_HW},
        {"DIMS", AISPIPE_SHAPE_DIMS},
        {"SHAPE", AISPIPE_SHAPE_SHAPE},
        {"HOST", AISPIPE_HOST},
        {"H2D", AISPIPE_H2D},
        {"D2H", AISPIPE_D2H},
    };
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) != 0)
            return false;
    return true;
}

PyMODINIT_FUNC PyInit__native(void)
{
    static struct PyModuleDef definition = {
        .m_base = PyModuleDef_HEAD_INIT,
        .m_name = "aispipe._native",
        .m_doc = "aispipe's C library as Python objects.",
        .m_size = -1,
        .m_methods = functions,
    };
    if (!py_lookup() || !dtypes_load())
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module && errors_add(module) && add_constants(module) && memory_add(module) && tensor_add(module) &&
        compat_add(module) && session_add(module) && stream_add(module) && lives_add(module))
        return module;
    Py_XDECREF(module);
    return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "ext.h"

#include <stdio.h>
#include <string.h>

PyObject *numpy_ndarray, *numpy_asarray, *str_dtype;

/** Every element type. `format` is how the buffer protocol writes it, `numpy` what NumPy calls it. */
static struct {
    enum aispipe_dtype dtype;
    const char *format;
    const char *numpy;
    PyObject *object;
} types[] = {
    {AISPIPE_FLOAT32, "f", "float32", NULL}, {AISPIPE_FLOAT16, "e", "float16", NULL},
    {AISPIPE_INT8, "b", "int8", NULL},       {AISPIPE_INT32, "i", "int32", NULL},
    {AISPIPE_UINT8, "B", "uint8", NULL},     {AISPIPE_INT16, "h", "int16", NULL},
    {AISPIPE_UINT16, "H", "uint16", NULL},   {AISPIPE_UINT32, "I", "uint32", NULL},
    {AISPIPE_INT64, "q", "int64", NULL},     {AISPIPE_UINT64, "Q", "uint64", NULL},
    {AISPIPE_FLOAT64, "d", "float64", NULL}, {AISPIPE_BOOL, "?", "bool", NULL},
    {AISPIPE_BFLOAT16, "2x", "V2", NULL}, /* NumPy has none: two bytes, as in the .npy files */
};

#define N_TYPES (sizeof types / sizeof *types)

bool dtypes_load(void)
{
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy)
        return false;
    numpy_ndarray = PyObject_GetAttrString(numpy, "ndarray");
    numpy_asarray = PyObject_GetAttrString(numpy, "asarray");
    for (size_t i = 0; i < N_TYPES; i++) {
        types[i].object = PyObject_CallMethod(numpy, "dtype", "s", types[i].numpy);
        if (!types[i].object)
            break;
    }
    Py_DECREF(numpy);
    str_dtype = PyUnicode_InternFromString("dtype");
    return str_dtype && numpy_ndarray && numpy_asarray && types[N_TYPES - 1].object;
}

PyObject *dtype_object(enum aispipe_dtype dtype)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].object;
    PyErr_Format(PyExc_TypeError, "%d is not the number of a data type", (int)dtype);
    return NULL;
}

const char *dtype_format(enum aispipe_dtype dtype)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].dtype == dtype)
            return types[i].format;
    return "B";
}

/** The type of numbers of `size` bytes. `kind` as NumPy has it: b bool, i signed, u unsigned, f float. */
static enum aispipe_dtype dtype_of_kind(char kind, long size)
{
    static const struct {
        char kind;
        char size;
        enum aispipe_dtype dtype;
    } kinds[] = {
        {'f', 4, AISPIPE_FLOAT32}, {'f', 2, AISPIPE_FLOAT16}, {'f', 8, AISPIPE_FLOAT64},
        {'i', 1, AISPIPE_INT8},    {'i', 2, AISPIPE_INT16},   {'i', 4, AISPIPE_INT32},
        {'i', 8, AISPIPE_INT64},   {'u', 1, AISPIPE_UINT8},   {'u', 2, AISPIPE_UINT16},
        {'u', 4, AISPIPE_UINT32},  {'u', 8, AISPIPE_UINT64},  {'b', 1, AISPIPE_BOOL},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind && kinds[i].size == size)
            return kinds[i].dtype;
    return AISPIPE_DTYPE_UNDEFINED;
}

static char attribute_char(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    char first = 0;
    if (value && PyUnicode_Check(value) && PyUnicode_GetLength(value) > 0)
        first = (char)PyUnicode_ReadChar(value, 0);
    Py_XDECREF(value);
    PyErr_Clear();
    return first;
}

static long attribute_long(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    long number = value ? PyLong_AsLong(value) : -1;
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

enum aispipe_dtype dtype_of_numpy(PyObject *dtype)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].object == dtype)
            return types[i].dtype;
    /* Equal types may be different objects: "long long" beside "long"; bfloat16 of other packages. */
    if (attribute_char(dtype, "byteorder") == '>')
        return AISPIPE_DTYPE_UNDEFINED;
    char kind = attribute_char(dtype, "kind");
    long size = attribute_long(dtype, "itemsize");
    if (kind != 'V')
        return dtype_of_kind(kind, size);
    PyObject *names = PyObject_GetAttrString(dtype, "names");
    bool plain = names == Py_None;
    Py_XDECREF(names);
    PyErr_Clear();
    return plain && size == 2 ? AISPIPE_BFLOAT16 : AISPIPE_DTYPE_UNDEFINED;
}

enum aispipe_dtype dtype_of_format(const char *format, Py_ssize_t itemsize)
{
    if (!format)
        return AISPIPE_UINT8;
    if (strcmp(format, "2x") == 0)
        return AISPIPE_BFLOAT16;
    if (*format == '@' || *format == '=' || *format == '<')
        format++;
    if (!*format || format[1])
        return AISPIPE_DTYPE_UNDEFINED;
    if (*format == '?')
        return dtype_of_kind('b', itemsize);
    if (strchr("efd", *format))
        return dtype_of_kind('f', itemsize);
    if (strchr("bhilqn", *format))
        return dtype_of_kind('i', itemsize);
    if (strchr("BHILQNc", *format))
        return dtype_of_kind('u', itemsize);
    return AISPIPE_DTYPE_UNDEFINED;
}

bool desc_parse(int dtype, PyObject *shape, struct aispipe_tensor_desc *desc)
{
    *desc = (struct aispipe_tensor_desc){.dtype = (enum aispipe_dtype)dtype};
    if (!dtype_object(desc->dtype))
        return false;
    PyObject *fast = py_tuple(shape, "a shape is a sequence of int");
    if (!fast)
        return false;
    Py_ssize_t rank = py_length(fast);
    if (rank > AISPIPE_MAX_RANK) {
        Py_DECREF(fast);
        error_set(AISPIPE_INVALID, "a shape has at most %d dimensions, got %zd", AISPIPE_MAX_RANK, rank);
        return false;
    }
    desc->rank = (int)rank;
    for (Py_ssize_t i = 0; i < rank; i++) {
        desc->dims[i] = PyLong_AsLongLong(py_item(fast, i));
        if (desc->dims[i] == -1 && PyErr_Occurred())
            break;
    }
    Py_DECREF(fast);
    return !PyErr_Occurred();
}

PyObject *shape_tuple(int rank, const int64_t *dims)
{
    PyObject *tuple = PyTuple_New(rank);
    for (int i = 0; tuple && i < rank; i++) {
        PyObject *dim = PyLong_FromLongLong(dims[i]);
        if (!dim || PyTuple_SetItem(tuple, i, dim) != 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

const char *shape_text(int rank, const int64_t *dims, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "(");
    for (int i = 0; i < rank && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, i ? ", %lld" : "%lld", (long long)dims[i]);
    if (used < capacity)
        (void)snprintf(text + used, capacity - used, rank == 1 ? ",)" : ")");
    return text;
}

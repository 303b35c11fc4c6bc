/* SPDX-License-Identifier: MIT */
/*
 * Any Python object as an input.
 *
 * NumPy arrays take the short way: the type object tells their dtype, the buffer protocol address and shape.
 * Other exporters of buffers are asked for a format as well. What has neither is asked for a DLPack capsule
 * (torch), then for an array. An array that is not contiguous, or not in this machine's byte order, is copied
 * by NumPy.
 */
#include "ext.h"

#include <string.h>

static bool set_type_error(const char *what, PyObject *object, const char *reason)
{
    PyErr_Format(PyExc_TypeError,
                 "%s: expected an array, a tensor or another object with the buffer protocol; got %R%s", what,
                 (PyObject *)Py_TYPE(object), reason);
    return false;
}

static bool is_array(PyObject *object)
{
    return PyObject_IsInstance(object, numpy_ndarray) == 1;
}

/** Fills the feed from its view. */
static bool take_view(struct feed *feed)
{
    feed->viewed = true;
    feed->data = feed->view.buf;
    feed->size = (size_t)feed->view.len;
    feed->rank = feed->view.ndim;
    feed->dims = (const int64_t *)feed->view.shape;
    return true;
}

static bool has(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    PyErr_Clear();
    Py_XDECREF(value);
    return value != NULL;
}

static bool unknown_type(const char *what, PyObject *dtype)
{
    PyErr_Format(PyExc_TypeError,
                 "%s: an array of dtype %S cannot be an input; bool, int8 to int64, uint8 to uint64, "
                 "float16, float32, "
                 "float64 and bfloat16 can",
                 what, dtype);
    return false;
}

/** A contiguous array in this machine's byte order with the same values, as a new reference. */
static PyObject *native_copy(PyObject *array)
{
    PyObject *dtype = PyObject_GetAttr(array, str_dtype);
    PyObject *native = dtype ? PyObject_CallMethod(dtype, "newbyteorder", "s", "=") : NULL;
    PyObject *copy = native ? PyObject_CallFunction(numpy_asarray, "OOs", array, native, "C") : NULL;
    Py_XDECREF(native);
    Py_XDECREF(dtype);
    return copy;
}

/** The bytes of an array whose type the buffer protocol has no word for (bfloat16 of other packages). */
static PyObject *bytes_view(PyObject *array)
{
    return PyObject_CallMethod(array, "view", "O", dtype_object(AISPIPE_BFLOAT16));
}

/** An array that may be taken as it is; false without an exception where it must be copied first. */
static bool take_contiguous(PyObject *array, struct feed *feed)
{
    if (buffer_get(array, &feed->view, BUFFER_ND) == 0)
        return take_view(feed);
    PyErr_Clear();
    if (feed->dtype != AISPIPE_BFLOAT16)
        return false;
    PyObject *view = bytes_view(array);
    bool taken = view && buffer_get(view, &feed->view, BUFFER_ND) == 0;
    Py_XDECREF(view); /* the buffer holds it */
    PyErr_Clear();
    return taken && take_view(feed);
}

static bool take_array(PyObject *array, const char *what, struct feed *feed)
{
    PyObject *dtype = PyObject_GetAttr(array, str_dtype);
    if (!dtype)
        return false;
    feed->dtype = dtype_of_numpy(dtype);
    if (feed->dtype != AISPIPE_DTYPE_UNDEFINED && take_contiguous(array, feed)) {
        Py_DECREF(dtype);
        return true;
    }
    PyObject *copy = native_copy(array);
    PyObject *copied_dtype = copy ? PyObject_GetAttr(copy, str_dtype) : NULL;
    feed->dtype = copied_dtype ? dtype_of_numpy(copied_dtype) : AISPIPE_DTYPE_UNDEFINED;
    Py_XDECREF(copied_dtype);
    bool taken = false;
    if (feed->dtype == AISPIPE_DTYPE_UNDEFINED) {
        PyErr_Clear();
        (void)unknown_type(what, dtype);
    } else if (take_contiguous(copy, feed)) {
        taken = true;
    } else {
        (void)set_type_error(what, array, ", whose memory cannot be read");
    }
    Py_XDECREF(copy);
    Py_DECREF(dtype);
    return taken;
}

/** Another exporter of buffers. False without an exception where it is none, or not a contiguous one. */
static bool take_buffer(PyObject *object, struct feed *feed)
{
    if (buffer_get(object, &feed->view, BUFFER_ND | BUFFER_FORMAT) != 0) {
        PyErr_Clear();
        return false;
    }
    feed->dtype = dtype_of_format(feed->view.format, feed->view.itemsize);
    if (feed->dtype != AISPIPE_DTYPE_UNDEFINED)
        return take_view(feed);
    buffer_release(&feed->view);
    return false;
}

/** Through numpy.asarray: `__array__`, `__array_interface__`, and buffers with strides or another byte order.
 */
static bool take_converted(PyObject *object, const char *what, struct feed *feed)
{
    PyObject *array = PyObject_CallFunction(numpy_asarray, "(O)", object);
    if (!array)
        return false;
    bool taken = is_array(array) ? take_array(array, what, feed) : set_type_error(what, object, "");
    Py_DECREF(array);
    return taken;
}

static bool has_buffer(PyObject *object)
{
    PyObject *view = PyMemoryView_FromObject(object);
    PyErr_Clear();
    Py_XDECREF(view);
    return view != NULL;
}

bool feed_take(PyObject *object, const char *what, struct feed *feed)
{
    feed->viewed = false;
    feed->holder = NULL;
    feed->tensor = NULL;
    if ((PyObject *)Py_TYPE(object) == numpy_ndarray)
        return take_array(object, what, feed);
    if (tensor_check(object)) {
        feed->tensor = tensor_get(object);
        if (!feed->tensor)
            return false;
        const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(feed->tensor);
        aispipe_tensor_retain(feed->tensor); /* another thread may free or move it meanwhile */
        feed->data = NULL;
        feed->size = desc->size;
        feed->dtype = desc->dtype;
        feed->rank = desc->rank;
        feed->dims = desc->dims;
        return true;
    }
    if (is_array(object))
        return take_array(object, what, feed);
    if (take_buffer(object, feed))
        return true;
    if (has_buffer(object))
        return take_converted(object, what, feed);
    if (has(object, "__dlpack__"))
        return dlpack_take(object, what, feed);
    if (has(object, "__array__") || has(object, "__array_interface__"))
        return take_converted(object, what, feed);
    return set_type_error(what, object, "");
}

void feed_release(struct feed *feed)
{
    if (feed->viewed)
        buffer_release(&feed->view);
    feed->viewed = false;
    aispipe_tensor_release(feed->tensor);
    feed->tensor = NULL;
    Py_CLEAR(feed->holder);
}

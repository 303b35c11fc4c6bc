/* SPDX-License-Identifier: MIT */
#include "ext.h"

#include <string.h>

PyTypeObject *Tensor;

static struct tensor_object *cast(PyObject *self)
{
    return (struct tensor_object *)self;
}

bool tensor_check(PyObject *object)
{
    return PyObject_TypeCheck(object, Tensor);
}

struct aispipe_tensor *tensor_get(PyObject *object)
{
    struct aispipe_tensor *tensor = cast(object)->tensor;
    if (!tensor)
        error_set(AISPIPE_CLOSED, "the tensor was freed, or never made");
    return tensor;
}

PyObject *tensor_wrap(PyTypeObject *type, struct aispipe_tensor *tensor)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (!self) {
        aispipe_tensor_release(tensor);
        return NULL;
    }
    cast(self)->tensor = tensor;
    return self;
}

static void *host_data(PyObject *self)
{
    struct aispipe_tensor *tensor = tensor_get(self);
    if (!tensor)
        return NULL;
    void *data = aispipe_tensor_data(tensor);
    if (!data && aispipe_tensor_device(tensor) != AISPIPE_HOST)
        PyErr_Format(PyExc_BufferError,
                     "the tensor is on device %d, where the host cannot reach it; use .to_host()",
                     aispipe_tensor_device(tensor));
    return data;
}

/** Whether the host may look at it, which may be at nothing. */
static bool host_reachable(PyObject *self)
{
    return host_data(self) || (!PyErr_Occurred() && tensor_get(self));
}

/* ---------------------------------------------------------------- making */

/** Borrowed memory is let go of by whatever thread is the last to use it. */
static void release_view(void *context, void *data)
{
    (void)data;
    struct feed *feed = context;
    if (!python_is_there())
        return; /* the process ends, its memory with it */
    PyGILState_STATE state = PyGILState_Ensure();
    feed_release(feed);
    PyMem_Free(feed);
    PyGILState_Release(state);
}

static bool describe(const struct feed *feed, struct aispipe_tensor_desc *desc)
{
    *desc = (struct aispipe_tensor_desc){.dtype = feed->dtype, .rank = feed->rank, .size = feed->size};
    if (feed->rank > AISPIPE_MAX_RANK) {
        error_set(AISPIPE_INVALID, "a tensor has at most %d dimensions, got %d", AISPIPE_MAX_RANK,
                  feed->rank);
        return false;
    }
    if (feed->rank > 0)
        memcpy(desc->dims, feed->dims, (size_t)feed->rank * sizeof *feed->dims);
    return true;
}

/** A copy of the feed on the host. */
static struct aispipe_tensor *copy_feed(const struct feed *feed)
{
    struct aispipe_tensor_desc desc;
    struct aispipe_error error;
    struct aispipe_tensor *tensor = NULL;
    if (!describe(feed, &desc))
        return NULL;
    if (aispipe_tensor_create(&desc, &tensor, &error) != 0)
        return error_raise(&error);
    const void *from = feed->tensor ? aispipe_tensor_data(feed->tensor) : feed->data;
    if (!from && feed->size > 0) {
        aispipe_tensor_release(tensor);
        return error_set(AISPIPE_INVALID,
                         "the tensor is on a device, where the host cannot reach it; use .to_host()");
    }
    if (feed->size > 0)
        memcpy(aispipe_tensor_data(tensor), from, feed->size);
    return tensor;
}

/** A tensor over the feed's memory; `feed` is moved into it. */
static struct aispipe_tensor *borrow_feed(struct feed *feed)
{
    struct aispipe_tensor_desc desc;
    struct aispipe_error error;
    if (feed->tensor)
        return aispipe_tensor_retain(feed->tensor);
    if (!describe(feed, &desc))
        return NULL;
    struct feed *kept = PyMem_Malloc(sizeof *kept);
    if (!kept)
        return (void *)PyErr_NoMemory();
    *kept = *feed;
    struct aispipe_tensor *tensor = NULL;
    if (aispipe_tensor_wrap(&desc, (void *)(uintptr_t)kept->data, release_view, kept, &tensor, &error) != 0) {
        PyMem_Free(kept);
        return error_raise(&error);
    }
    feed->viewed = false;
    feed->holder = NULL;
    return tensor;
}

static int tensor_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "copy", NULL};
    PyObject *data;
    int copy = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:Tensor", names, &data, &copy))
        return -1;
    struct feed feed;
    struct aispipe_tensor *tensor = NULL;
    if (feed_take(data, "Tensor", &feed))
        tensor = copy ? copy_feed(&feed) : borrow_feed(&feed);
    feed_release(&feed);
    if (!tensor)
        return -1;
    aispipe_tensor_release(cast(self)->tensor);
    cast(self)->tensor = tensor;
    return 0;
}

static void tensor_dealloc(PyObject *self)
{
    if (cast(self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    aispipe_tensor_release(cast(self)->tensor);
    py_free(self);
}

static PyObject *tensor_empty(PyObject *type, PyObject *args)
{
    int dtype;
    PyObject *shape;
    struct aispipe_tensor_desc desc;
    struct aispipe_error error;
    struct aispipe_tensor *tensor = NULL;
    if (!PyArg_ParseTuple(args, "iO:empty", &dtype, &shape) || !desc_parse(dtype, shape, &desc))
        return NULL;
    if (aispipe_tensor_create(&desc, &tensor, &error) != 0)
        return error_raise(&error);
    return tensor_wrap((PyTypeObject *)type, tensor);
}

static PyObject *tensor_borrow(PyObject *type, PyObject *args)
{
    unsigned long long address;
    Py_ssize_t size;
    PyObject *owner = Py_None;
    if (!PyArg_ParseTuple(args, "Kn|O:borrow", &address, &size, &owner))
        return NULL;
    if (size < 0 || (address == 0 && size > 0))
        return error_set(AISPIPE_INVALID, "%zd bytes at address %#llx cannot be borrowed", size, address);
    int64_t dim = size;
    Py_INCREF(owner);
    struct feed feed = {.data = (void *)(uintptr_t)address,
                        .size = (size_t)size,
                        .dtype = AISPIPE_UINT8,
                        .rank = 1,
                        .dims = &dim};
    feed.holder = owner;
    struct aispipe_tensor *tensor = borrow_feed(&feed);
    feed_release(&feed);
    return tensor ? tensor_wrap((PyTypeObject *)type, tensor) : NULL;
}

/* ---------------------------------------------------------------- moving */

static PyObject *tensor_to_device(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"device", "backend", NULL};
    int device = 0;
    const char *backend = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iz:to_device", names, &device, &backend))
        return NULL;
    struct aispipe_tensor *tensor = tensor_get(self);
    if (!tensor)
        return NULL;
    struct aispipe_tensor *moved = NULL;
    struct aispipe_error error;
    int status;
    aispipe_tensor_retain(tensor); /* free() may come in between */
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_tensor_to_device(tensor, backend, device, &moved, &error);
    aispipe_tensor_release(tensor);
    Py_END_ALLOW_THREADS;
    return status ? error_raise(&error) : tensor_wrap(Py_TYPE(self), moved);
}

static PyObject *tensor_to_host(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    if (!tensor)
        return NULL;
    struct aispipe_tensor *moved = NULL;
    struct aispipe_error error;
    int status;
    aispipe_tensor_retain(tensor);
    Py_BEGIN_ALLOW_THREADS;
    status = aispipe_tensor_to_host(tensor, &moved, &error);
    aispipe_tensor_release(tensor);
    Py_END_ALLOW_THREADS;
    return status ? error_raise(&error) : tensor_wrap(Py_TYPE(self), moved);
}

static PyObject *tensor_view(PyObject *self, PyObject *args)
{
    int dtype;
    PyObject *shape;
    struct aispipe_tensor_desc desc;
    struct aispipe_error error;
    if (!PyArg_ParseTuple(args, "iO:view", &dtype, &shape) || !desc_parse(dtype, shape, &desc))
        return NULL;
    struct aispipe_tensor *tensor = tensor_get(self);
    struct aispipe_tensor *view = NULL;
    if (!tensor)
        return NULL;
    if (aispipe_tensor_view(tensor, &desc, &view, &error) != 0)
        return error_raise(&error);
    return tensor_wrap(Py_TYPE(self), view);
}

static PyObject *tensor_free(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (cast(self)->exported) {
        PyErr_SetString(PyExc_BufferError,
                        "the tensor cannot be freed: its memory was given to an array or a view");
        return NULL;
    }
    aispipe_tensor_release(cast(self)->tensor);
    cast(self)->tensor = NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- the host's view */

static PyObject *tensor_numpy(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!host_reachable(self))
        return NULL;
    struct aispipe_tensor *tensor = cast(self)->tensor;
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(tensor);
    PyObject *shape = shape_tuple(desc->rank, desc->dims);
    PyObject *memory = shape ? memory_of_tensor(aispipe_tensor_retain(tensor)) : NULL;
    PyObject *array = memory_array(memory, shape, dtype_object(desc->dtype), 0);
    Py_XDECREF(shape);
    return array;
}

/** Shape and strides of an exported buffer. */
struct layout {
    Py_ssize_t shape[AISPIPE_MAX_RANK];
    Py_ssize_t strides[AISPIPE_MAX_RANK];
};

static struct layout *layout_of(const struct aispipe_tensor_desc *desc)
{
    struct layout *layout = PyMem_Malloc(sizeof *layout);
    Py_ssize_t stride = (Py_ssize_t)aispipe_dtype_size(desc->dtype);
    for (int i = desc->rank - 1; layout && i >= 0; i--) {
        layout->shape[i] = desc->dims[i];
        layout->strides[i] = stride;
        stride *= desc->dims[i];
    }
    return layout;
}

static int tensor_getbuffer(PyObject *self, struct buffer_view *view, int flags)
{
    view->obj = NULL;
    if (!host_reachable(self))
        return -1;
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(cast(self)->tensor);
    struct layout *layout = layout_of(desc);
    if (!layout) {
        PyErr_NoMemory();
        return -1;
    }
    *view = (struct buffer_view){.buf = aispipe_tensor_data(cast(self)->tensor),
                                 .len = (Py_ssize_t)desc->size,
                                 .itemsize = (Py_ssize_t)aispipe_dtype_size(desc->dtype),
                                 .ndim = desc->rank,
                                 .internal = layout};
    if (flags & BUFFER_FORMAT)
        view->format = (char *)(uintptr_t)dtype_format(desc->dtype);
    if (flags & BUFFER_ND)
        view->shape = layout->shape;
    if ((flags & BUFFER_STRIDES) == BUFFER_STRIDES)
        view->strides = layout->strides;
    cast(self)->exported = true;
    view->obj = self;
    Py_INCREF(self);
    return 0;
}

static void tensor_releasebuffer(PyObject *self, struct buffer_view *view)
{
    (void)self;
    PyMem_Free(view->internal);
}

static PyObject *tensor_array_interface(PyObject *self, void *unused)
{
    (void)unused;
    if (!host_reachable(self))
        return NULL;
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(cast(self)->tensor);
    PyObject *type = PyObject_GetAttrString(dtype_object(desc->dtype), "str");
    PyObject *shape = shape_tuple(desc->rank, desc->dims);
    PyObject *interface = NULL;
    cast(self)->exported = true;
    if (type && shape)
        interface =
            Py_BuildValue("{s:i,s:O,s:O,s:(Ni),s:O}", "version", 3, "typestr", type, "shape", shape, "data",
                          PyLong_FromVoidPtr(aispipe_tensor_data(cast(self)->tensor)), 0, "strides", Py_None);
    Py_XDECREF(type);
    Py_XDECREF(shape);
    return interface;
}

/** Whether the consumer knows version 1 of DLPack. -1 with an exception. */
static int wants_versioned(PyObject *max_version)
{
    if (!max_version || max_version == Py_None)
        return 0;
    PyObject *first = PySequence_GetItem(max_version, 0);
    long major = first ? PyLong_AsLong(first) : -1;
    Py_XDECREF(first);
    if (!PyErr_Occurred())
        return major >= 1;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "max_version must be a tuple (major, minor), not %R", max_version);
    return -1;
}

static PyObject *tensor_dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    PyObject *stream = NULL, *max_version = NULL, *device = NULL, *copy = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:__dlpack__", names, &stream, &max_version, &device,
                                     &copy) ||
        !host_reachable(self))
        return NULL;
    int versioned = wants_versioned(max_version);
    if (versioned < 0)
        return NULL;
    if (copy == Py_True) {
        PyErr_SetString(PyExc_BufferError, "a copy cannot be exported; copy what you get");
        return NULL;
    }
    return dlpack_export(cast(self)->tensor, versioned);
}

static PyObject *tensor_dlpack_device(PyObject *self, PyObject *unused)
{
    (void)unused;
    return host_reachable(self) ? Py_BuildValue("(ii)", 1, 0) : NULL;
}

/* ---------------------------------------------------------------- attributes */

static PyObject *get_shape(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    if (!tensor)
        return NULL;
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(tensor);
    return shape_tuple(desc->rank, desc->dims);
}

static PyObject *get_dtype_code(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    return tensor ? PyLong_FromLong(aispipe_tensor_describe(tensor)->dtype) : NULL;
}

static PyObject *get_dtype(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    PyObject *dtype = tensor ? dtype_object(aispipe_tensor_describe(tensor)->dtype) : NULL;
    Py_XINCREF(dtype);
    return dtype;
}

static PyObject *get_nbytes(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    return tensor ? PyLong_FromSize_t(aispipe_tensor_describe(tensor)->size) : NULL;
}

static PyObject *get_device(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    return tensor ? PyLong_FromLong(aispipe_tensor_device(tensor)) : NULL;
}

static PyObject *get_address(PyObject *self, void *unused)
{
    (void)unused;
    struct aispipe_tensor *tensor = tensor_get(self);
    return tensor ? PyLong_FromVoidPtr(aispipe_tensor_data(tensor)) : NULL;
}

static PyObject *tensor_repr(PyObject *self)
{
    struct aispipe_tensor *tensor = cast(self)->tensor;
    if (!tensor)
        return PyUnicode_FromString("<aispipe.Tensor, freed>");
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(tensor);
    char shape[512];
    shape_text(desc->rank, desc->dims, shape, sizeof shape);
    int device = aispipe_tensor_device(tensor);
    if (device == AISPIPE_HOST)
        return PyUnicode_FromFormat("<aispipe.Tensor %s %s on the host>", aispipe_dtype_name(desc->dtype),
                                    shape);
    return PyUnicode_FromFormat("<aispipe.Tensor %s %s on device %d>", aispipe_dtype_name(desc->dtype), shape,
                                device);
}

static PyMethodDef methods[] = {
    {"empty", tensor_empty, METH_VARARGS | METH_CLASS,
     "empty($type, dtype, shape, /)\n--\n\nA tensor on the host, not initialised. `dtype` is AscendCL's "
     "number."},
    {"borrow", tensor_borrow, METH_VARARGS | METH_CLASS,
     "borrow($type, address, nbytes, owner=None, /)\n--\n\n"
     "A uint8 tensor over memory of somebody else's. `owner` is kept alive for as long."},
    {"to_device", KEYWORDS(tensor_to_device),
     "to_device($self, /, device=0, backend=None)\n--\n\n"
     "A copy on a device; the same memory where it is there already.\n\n"
     "`backend` is \"acl\", \"openvino\" or \"sim\"; None: that of the session opened last on the device."},
    {"to_host", tensor_to_host, METH_NOARGS,
     "to_host($self, /)\n--\n\nA copy on the host; the same memory where it is there already."},
    {"view", tensor_view, METH_VARARGS,
     "view($self, dtype, shape, /)\n--\n\n"
     "The same bytes with another type and shape; InvalidError where their number differs."},
    {"numpy", tensor_numpy, METH_NOARGS,
     "numpy($self, /)\n--\n\n"
     "A NumPy array over the host's memory, not a copy. BufferError where the host cannot reach it."},
    {"free", tensor_free, METH_NOARGS,
     "free($self, /)\n--\n\n"
     "Gives the memory up; every later use is a ClosedError. Arrays made by numpy() keep theirs.\n\n"
     "BufferError after the memory was given away through the buffer protocol."},
    {"__dlpack__", KEYWORDS(tensor_dlpack), "A DLPack capsule over the host's memory."},
    {"__dlpack_device__", tensor_dlpack_device, METH_NOARGS, "(1, 0): the CPU."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"shape", get_shape, NULL, "Dimensions, a tuple of int.", NULL},
    {"dtype_code", get_dtype_code, NULL, "AscendCL's number of the data type.", NULL},
    {"dtype", get_dtype, NULL, "NumPy's dtype; bfloat16 is two bytes, 'V2'.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of the data.", NULL},
    {"device", get_device, NULL, "Id of the device it is on; -1: the host.", NULL},
    {"address", get_address, NULL, "Address of the data; 0 where the host cannot reach it.", NULL},
    {"__array_interface__", tensor_array_interface, NULL, "NumPy's array interface, version 3.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct tensor_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

bool tensor_add(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_init, tensor_init},
        {Py_tp_new, PyType_GenericNew},
        {Py_tp_dealloc, tensor_dealloc},
        {Py_tp_repr, tensor_repr},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_members, members},
        {Py_tp_doc,
         "Tensor(data, copy=True)\n--\n\n"
         "Data with a type and a shape, on the host or on a device.\n\n"
         "`data` is anything that can be an input. copy=False looks at its memory where that is possible."},
        {SLOT_GETBUFFER, tensor_getbuffer},
        {SLOT_RELEASEBUFFER, tensor_releasebuffer},
        {0, NULL},
    };
    static PyType_Spec spec = {"aispipe._native.Tensor", sizeof(struct tensor_object), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
    Tensor = py_type_add(module, &spec, NULL);
    return Tensor != NULL;
}

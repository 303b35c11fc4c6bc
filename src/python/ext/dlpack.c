/* SPDX-License-Identifier: MIT */
/*
 * DLPack: how packages hand each other memory. Both layouts, that of version 0 and that of version 1, are
 * declared here as the DLPack specification has them; they are an ABI and do not change.
 */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

enum { DL_CPU = 1 };
enum dl_kind { DL_INT, DL_UINT, DL_FLOAT, DL_OPAQUE, DL_BFLOAT, DL_COMPLEX, DL_BOOL };

struct dl_tensor {
    void *data;
    struct {
        int32_t type, id;
    } device;
    int32_t ndim;
    struct {
        uint8_t kind, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape;
    int64_t *strides; /**< in elements; NULL: C-contiguous */
    uint64_t byte_offset;
};

struct dl_managed {
    struct dl_tensor tensor;
    void *context;
    void (*deleter)(struct dl_managed *self);
};

struct dl_versioned {
    struct {
        uint32_t major, minor;
    } version;
    void *context;
    void (*deleter)(struct dl_versioned *self);
    uint64_t flags;
    struct dl_tensor tensor;
};

/* ---------------------------------------------------------------- types */

static const struct {
    enum aispipe_dtype dtype;
    enum dl_kind kind;
    uint8_t bits;
} types[] = {
    {AISPIPE_FLOAT32, DL_FLOAT, 32}, {AISPIPE_FLOAT16, DL_FLOAT, 16}, {AISPIPE_FLOAT64, DL_FLOAT, 64},
    {AISPIPE_INT8, DL_INT, 8},       {AISPIPE_INT16, DL_INT, 16},     {AISPIPE_INT32, DL_INT, 32},
    {AISPIPE_INT64, DL_INT, 64},     {AISPIPE_UINT8, DL_UINT, 8},     {AISPIPE_UINT16, DL_UINT, 16},
    {AISPIPE_UINT32, DL_UINT, 32},   {AISPIPE_UINT64, DL_UINT, 64},   {AISPIPE_BFLOAT16, DL_BFLOAT, 16},
    {AISPIPE_BOOL, DL_BOOL, 8},
};

static enum aispipe_dtype dtype_of(const struct dl_tensor *tensor)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (tensor->dtype.lanes == 1 && types[i].kind == tensor->dtype.kind &&
            types[i].bits == tensor->dtype.bits)
            return types[i].dtype;
    return AISPIPE_DTYPE_UNDEFINED;
}

/* ---------------------------------------------------------------- giving */

static void fill(struct dl_tensor *to, const struct aispipe_tensor *tensor)
{
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(tensor);
    *to = (struct dl_tensor){.data = aispipe_tensor_data(tensor), .ndim = desc->rank};
    to->device.type = DL_CPU;
    /* The description lives as long as the tensor, and consumers only read it. */
    to->shape = (int64_t *)(uintptr_t)desc->dims;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].dtype != desc->dtype)
            continue;
        to->dtype.kind = (uint8_t)types[i].kind;
        to->dtype.bits = types[i].bits;
        to->dtype.lanes = 1;
    }
}

static void delete_managed(struct dl_managed *self)
{
    aispipe_tensor_release(self->context);
    free(self);
}

static void delete_versioned(struct dl_versioned *self)
{
    aispipe_tensor_release(self->context);
    free(self);
}

/** A consumer renames the capsule that it takes; one that kept its name is still ours to free. */
static void drop_managed(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor"))
        delete_managed(PyCapsule_GetPointer(capsule, "dltensor"));
}

static void drop_versioned(PyObject *capsule)
{
    if (PyCapsule_IsValid(capsule, "dltensor_versioned"))
        delete_versioned(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
}

static PyObject *export_managed(struct aispipe_tensor *tensor)
{
    struct dl_managed *managed = calloc(1, sizeof *managed);
    if (!managed)
        return PyErr_NoMemory();
    fill(&managed->tensor, tensor);
    managed->context = aispipe_tensor_retain(tensor);
    managed->deleter = delete_managed;
    PyObject *capsule = PyCapsule_New(managed, "dltensor", drop_managed);
    if (!capsule)
        delete_managed(managed);
    return capsule;
}

static PyObject *export_versioned(struct aispipe_tensor *tensor)
{
    struct dl_versioned *managed = calloc(1, sizeof *managed);
    if (!managed)
        return PyErr_NoMemory();
    fill(&managed->tensor, tensor);
    managed->version.major = 1;
    managed->context = aispipe_tensor_retain(tensor);
    managed->deleter = delete_versioned;
    PyObject *capsule = PyCapsule_New(managed, "dltensor_versioned", drop_versioned);
    if (!capsule)
        delete_versioned(managed);
    return capsule;
}

PyObject *dlpack_export(struct aispipe_tensor *tensor, bool versioned)
{
    return versioned ? export_versioned(tensor) : export_managed(tensor);
}

/* ---------------------------------------------------------------- taking */

/** The first number of what `__dlpack_device__` gives; -1 with a TypeError. */
static long device_type(PyObject *object, const char *what)
{
    PyObject *device = PyObject_CallMethod(object, "__dlpack_device__", NULL);
    PyObject *first = device ? PySequence_GetItem(device, 0) : NULL;
    long type = first ? PyLong_AsLong(first) : -1;
    Py_XDECREF(first);
    Py_XDECREF(device);
    if (!PyErr_Occurred())
        return type;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "%s: __dlpack_device__ of %R does not tell a device", what,
                 (PyObject *)Py_TYPE(object));
    return -1;
}

/** False with an exception unless the object says that it is on the CPU. */
static bool is_on_cpu(PyObject *object, const char *what)
{
    long type = device_type(object, what);
    if (PyErr_Occurred())
        return false;
    if (type == DL_CPU)
        return true;
    PyObject *name = PyObject_GetAttrString(object, "device");
    PyErr_Clear();
    PyObject *text = name ? PyObject_Str(name) : NULL;
    PyErr_Clear();
    PyErr_Format(InvalidError, "%s: the tensor is on device %V; bring it to the CPU first, with .cpu()", what,
                 text, "another than the CPU");
    Py_XDECREF(text);
    Py_XDECREF(name);
    return false;
}

/** Tensors that record gradients refuse to be exported; their values do not. */
static PyObject *without_gradient(PyObject *object)
{
    PyObject *requires = PyObject_GetAttrString(object, "requires_grad");
    bool detach = requires == Py_True;
    PyErr_Clear();
    Py_XDECREF(requires);
    if (detach)
        return PyObject_CallMethod(object, "detach", NULL);
    Py_INCREF(object);
    return object;
}

static bool is_contiguous(const struct dl_tensor *tensor)
{
    int64_t stride = 1;
    for (int i = tensor->ndim - 1; tensor->strides && i >= 0; i--) {
        if (tensor->shape[i] == 0)
            return true;
        if (tensor->shape[i] != 1 && tensor->strides[i] != stride)
            return false;
        stride *= tensor->shape[i];
    }
    return true;
}

/** Copies the part below axis `axis` to `to`, element by element; returns the end of what it wrote. */
static char *copy_strided(const struct dl_tensor *tensor, int axis, const char *from, size_t size, char *to)
{
    if (axis == tensor->ndim) {
        memcpy(to, from, size);
        return to + size;
    }
    for (int64_t i = 0; i < tensor->shape[axis]; i++)
        to = copy_strided(tensor, axis + 1, from + i * tensor->strides[axis] * (int64_t)size, size, to);
    return to;
}

/** Replaces the capsule that the feed holds by a contiguous copy of what is in it. */
static bool make_contiguous(const struct dl_tensor *tensor, struct feed *feed)
{
    struct aispipe_tensor_desc desc = {.dtype = feed->dtype, .rank = feed->rank};
    memcpy(desc.dims, feed->dims, (size_t)feed->rank * sizeof *feed->dims);
    struct aispipe_error error;
    struct aispipe_tensor *copy = NULL;
    if (aispipe_tensor_create(&desc, &copy, &error) != 0)
        return error_raise(&error) != NULL;
    (void)copy_strided(tensor, 0, feed->data, aispipe_dtype_size(feed->dtype), aispipe_tensor_data(copy));
    PyObject *holder = tensor_wrap(Tensor, copy);
    if (!holder)
        return false;
    Py_DECREF(feed->holder);
    feed->holder = holder;
    feed->data = aispipe_tensor_data(copy);
    feed->dims = aispipe_tensor_describe(copy)->dims;
    return true;
}

static bool take_tensor(const struct dl_tensor *tensor, const char *what, struct feed *feed)
{
    feed->dtype = dtype_of(tensor);
    if (feed->dtype == AISPIPE_DTYPE_UNDEFINED) {
        PyErr_Format(
            PyExc_TypeError,
            "%s: a tensor of complex or other elements cannot be an input; bool, int8 to int64, uint8 to "
            "uint64, float16, float32, float64 and bfloat16 can",
            what);
        return false;
    }
    if (tensor->ndim > AISPIPE_MAX_RANK) {
        error_set(AISPIPE_INVALID, "%s: a tensor has at most %d dimensions, got %d", what, AISPIPE_MAX_RANK,
                  tensor->ndim);
        return false;
    }
    feed->rank = tensor->ndim;
    feed->dims = tensor->shape;
    feed->size = aispipe_dtype_size(feed->dtype);
    for (int i = 0; i < tensor->ndim; i++)
        feed->size *= (size_t)tensor->shape[i]; /* it is in memory, so it does not overflow */
    feed->data = (const char *)tensor->data + tensor->byte_offset;
    return is_contiguous(tensor) || make_contiguous(tensor, feed);
}

bool dlpack_take(PyObject *object, const char *what, struct feed *feed)
{
    if (!is_on_cpu(object, what))
        return false;
    PyObject *plain = without_gradient(object);
    if (!plain)
        return false;
    /* The capsule keeps its name, so that it frees the memory itself when the feed lets go of it. */
    feed->holder = PyObject_CallMethod(plain, "__dlpack__", NULL);
    Py_DECREF(plain);
    if (!feed->holder)
        return false;
    struct dl_managed *managed = PyCapsule_GetPointer(feed->holder, "dltensor");
    return managed && take_tensor(&managed->tensor, what, feed);
}

/* SPDX-License-Identifier: MIT */
/*
 * What an array over our memory refers to (its `base`): holds a tensor, or a block of a stream, and exports
 * its bytes. It has no other use, so a Tensor may give its own reference up while arrays go on living.
 */
#include "ext.h"

struct memory {
    PyObject ob_base;
    struct aispipe_tensor *tensor;
    void *block;
    void *data;
    Py_ssize_t size;
};

static PyTypeObject *Memory;

static int memory_getbuffer(PyObject *self, struct buffer_view *view, int flags)
{
    (void)flags;
    struct memory *memory = (struct memory *)self;
    *view = (struct buffer_view){
        .buf = memory->data, .len = memory->size, .itemsize = 1, .ndim = 1, .format = "B"};
    view->shape = &memory->size;
    view->strides = &view->itemsize;
    view->obj = self;
    Py_INCREF(self);
    return 0;
}

static void memory_dealloc(PyObject *self)
{
    struct memory *memory = (struct memory *)self;
    aispipe_tensor_release(memory->tensor);
    aispipe_stream_release(memory->block);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

bool memory_add(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, memory_dealloc},
        {Py_tp_doc, "Memory that arrays look at."},
        {SLOT_GETBUFFER, memory_getbuffer},
        {0, NULL},
    };
    static PyType_Spec spec = {"aispipe._native.Memory", sizeof(struct memory), 0, Py_TPFLAGS_DEFAULT, slots};
    Memory = py_type_add(module, &spec, NULL);
    return Memory != NULL;
}

PyObject *memory_of_tensor(struct aispipe_tensor *tensor)
{
    struct memory *memory = PyObject_New(struct memory, Memory);
    if (!memory) {
        aispipe_tensor_release(tensor);
        return NULL;
    }
    memory->tensor = tensor;
    memory->block = NULL;
    memory->data = aispipe_tensor_data(tensor);
    memory->size = (Py_ssize_t)aispipe_tensor_describe(tensor)->size;
    return (PyObject *)memory;
}

PyObject *memory_of_block(void *block, size_t size)
{
    struct memory *memory = PyObject_New(struct memory, Memory);
    if (!memory) {
        aispipe_stream_release(block);
        return NULL;
    }
    memory->tensor = NULL;
    memory->block = block;
    memory->data = block;
    memory->size = (Py_ssize_t)size;
    return (PyObject *)memory;
}

PyObject *memory_array(PyObject *memory, PyObject *shape, PyObject *dtype, size_t offset)
{
    PyObject *array = NULL;
    PyObject *args = NULL;
    if (memory && shape && dtype) {
        PyObject *number = offset ? PyLong_FromSize_t(offset) : NULL;
        args = offset ? PyTuple_Pack(4, shape, dtype, memory, number) : PyTuple_Pack(3, shape, dtype, memory);
        Py_XDECREF(number);
    }
    if (args)
        array = PyObject_Call(numpy_ndarray, args, NULL);
    Py_XDECREF(args);
    Py_XDECREF(memory);
    return array;
}

/* SPDX-License-Identifier: MIT */
/* What only the older packages need: a tensor that moves itself. */
#include "ext.h"

/** Memory that an object had before it moved, and that somebody may still look at through it. */
struct former {
    struct former *next;
    struct aispipe_tensor *tensor;
};

struct movable_object {
    struct tensor_object base;
    struct former *former;
};

static struct movable_object *cast(PyObject *self)
{
    return (struct movable_object *)self;
}

static void movable_dealloc(PyObject *self)
{
    while (cast(self)->former) {
        struct former *former = cast(self)->former;
        cast(self)->former = former->next;
        aispipe_tensor_release(former->tensor);
        PyMem_Free(former);
    }
    destructor dealloc = (destructor)PyType_GetSlot(Tensor, Py_tp_dealloc);
    dealloc(self);
}

/** Lets go of the memory that the object has, at once where nobody can look at it through the object. */
static bool let_go(struct movable_object *self)
{
    if (!self->base.exported) {
        aispipe_tensor_release(self->base.tensor);
        return true;
    }
    struct former *former = PyMem_Malloc(sizeof *former);
    if (!former)
        return PyErr_NoMemory() != NULL;
    *former = (struct former){.next = self->former, .tensor = self->base.tensor};
    self->former = former;
    return true;
}

static PyObject *movable_replace(PyObject *self, PyObject *other)
{
    if (!tensor_check(other))
        return PyErr_Format(PyExc_TypeError, "a Tensor is wanted, not %R", (PyObject *)Py_TYPE(other));
    struct aispipe_tensor *tensor = tensor_get(other);
    if (!tensor)
        return NULL;
    if (tensor != cast(self)->base.tensor) {
        aispipe_tensor_retain(tensor);
        if (!let_go(cast(self))) {
            aispipe_tensor_release(tensor);
            return NULL;
        }
        cast(self)->base.tensor = tensor;
        cast(self)->base.exported = false;
    }
    Py_RETURN_NONE;
}

/** As a Tensor's, but on the host only, also where the host could reach the device's memory. */
static int movable_getbuffer(PyObject *self, struct buffer_view *view, int flags)
{
    view->obj = NULL;
    struct aispipe_tensor *tensor = tensor_get(self);
    if (!tensor)
        return -1;
    int device = aispipe_tensor_device(tensor);
    if (device != AISPIPE_HOST) {
        PyErr_Format(PyExc_BufferError, "the tensor is on device %d; to_host() brings it to the host",
                     device);
        return -1;
    }
    typedef int (*get_fn)(PyObject *, struct buffer_view *, int);
    get_fn get = (get_fn)PyType_GetSlot(Tensor, SLOT_GETBUFFER);
    return get(self, view, flags);
}

static PyMethodDef methods[] = {
    {"replace", movable_replace, METH_O,
     "replace(other): takes the memory, type, shape and place of another tensor."},
    {NULL, NULL, 0, NULL},
};

bool compat_add(PyObject *module)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, movable_dealloc},
        {Py_tp_methods, methods},
        {Py_tp_doc, "A Tensor that can be moved in place, and offers its buffer on the host only."},
        {SLOT_GETBUFFER, movable_getbuffer},
        {0, NULL},
    };
    static PyType_Spec spec = {"aispipe._native.MovableTensor", sizeof(struct movable_object), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
    PyObject *bases = PyTuple_Pack(1, (PyObject *)Tensor);
    PyTypeObject *type = bases ? py_type_add(module, &spec, bases) : NULL;
    Py_XDECREF(bases);
    return type != NULL;
}

/* SPDX-License-Identifier: MIT */
/* One execution: the path that is measured in nanoseconds. */
#include "ext.h"

#include <string.h>
#include <time.h>

uint64_t first_execution;

/* ---------------------------------------------------------------- feeds */

static bool refuse_dtype(const struct input_form *form, const struct feed *feed)
{
    PyErr_Format(PyExc_TypeError, "%s takes %s, got %s; convert it, for example with .astype('%s')",
                 form->what, aispipe_dtype_name(form->dtype), aispipe_dtype_name(feed->dtype),
                 aispipe_dtype_name(form->dtype));
    return false;
}

static bool refuse_shape(const struct input_form *form, const struct feed *feed)
{
    char wanted[400], got[400];
    error_set(AISPIPE_INVALID, "%s takes the shape %s, got %s", form->what,
              shape_text(form->rank, form->dims, wanted, sizeof wanted),
              shape_text(feed->rank, feed->dims, got, sizeof got));
    return false;
}

/** Whether dtype and, unless the feeds bring it along, shape are the input's. */
static bool check(const struct session_object *session, const struct input_form *form,
                  const struct feed *feed)
{
    if (feed->dtype != form->dtype)
        return refuse_dtype(form, feed);
    if (session->from_feeds)
        return true;
    if (feed->rank != form->rank)
        return refuse_shape(form, feed);
    for (int i = 0; i < feed->rank; i++)
        if (feed->dims[i] != form->dims[i])
            return refuse_shape(form, feed);
    return true;
}

bool feed_set_take(struct session_object *session, PyObject *fast, bool strict, struct feed_set *set)
{
    size_t n = (size_t)py_length(fast);
    set->n = 0;
    set->feeds = set->few;
    set->many = NULL;
    if (n != session->n_inputs) {
        error_set(AISPIPE_INVALID, "the model takes %zu input%s, got %zu", session->n_inputs,
                  session->n_inputs == 1 ? "" : "s", n);
        return false;
    }
    if (n > FEW_FEEDS)
        set->feeds = set->many = PyMem_Malloc(n * sizeof *set->feeds);
    if (!set->feeds)
        return PyErr_NoMemory() != NULL;
    if (strict && session->forms_stale)
        session_read_forms(session);
    for (size_t i = 0; i < n; i++) {
        const struct input_form *form = &session->inputs[i];
        /* A list may change under our hands while NumPy works. */
        PyObject *item = (size_t)py_length(fast) == n ? py_item(fast, (Py_ssize_t)i) : NULL;
        if (!item) {
            PyErr_SetString(PyExc_RuntimeError, "the list of feeds was changed by another thread");
            return false;
        }
        Py_INCREF(item);
        set->n = i + 1;
        bool taken =
            feed_take(item, form->what, &set->feeds[i]) && (!strict || check(session, form, &set->feeds[i]));
        Py_DECREF(item);
        if (!taken)
            return false;
    }
    return true;
}

void feed_set_release(struct feed_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        feed_release(&set->feeds[i]);
    PyMem_Free(set->many);
}

/* ---------------------------------------------------------------- results */

PyObject *output_shape(struct output_form *form, const struct aispipe_tensor_desc *desc)
{
    if (form->shape && form->rank == desc->rank &&
        memcmp(form->dims, desc->dims, (size_t)desc->rank * sizeof *desc->dims) == 0)
        return form->shape;
    PyObject *shape = shape_tuple(desc->rank, desc->dims);
    if (!shape)
        return NULL;
    Py_XDECREF(form->shape);
    form->shape = shape;
    form->rank = desc->rank;
    memcpy(form->dims, desc->dims, (size_t)desc->rank * sizeof *desc->dims);
    return shape;
}

/** An array over the tensor's memory; takes the reference. */
static PyObject *make_array(struct output_form *form, struct aispipe_tensor *tensor)
{
    const struct aispipe_tensor_desc *desc = aispipe_tensor_describe(tensor);
    PyObject *shape = output_shape(form, desc);
    PyObject *dtype = dtype_object(desc->dtype);
    if (!shape || !dtype) {
        aispipe_tensor_release(tensor);
        return NULL;
    }
    Py_INCREF(shape); /* another thread may replace the form's while NumPy works */
    PyObject *array = memory_array(memory_of_tensor(tensor), shape, dtype, 0);
    Py_DECREF(shape);
    return array;
}

/** What an execution is to give, and how. */
struct wish {
    struct aispipe_infer_options options;
    bool strict;
    bool single;       /**< one output: itself, not a list */
    PyTypeObject *out; /**< NULL: arrays */
};

static PyObject *make_result(struct session_object *self, const struct wish *wish, size_t index,
                             struct aispipe_tensor *tensor)
{
    if (wish->out)
        return tensor_wrap(wish->out, tensor);
    size_t output = wish->options.outputs ? wish->options.outputs[index] : index;
    return make_array(&self->outputs[output], tensor);
}

static PyObject *make_results(struct session_object *self, const struct wish *wish,
                              struct aispipe_tensor **tensors, size_t n)
{
    if (wish->single && n == 1)
        return make_result(self, wish, 0, tensors[0]);
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; i < n; i++) {
        PyObject *result = list ? make_result(self, wish, i, tensors[i]) : NULL;
        if (result)
            (void)PyList_SetItem(list, (Py_ssize_t)i, result);
        else if (list) /* the tensor is gone already */
            Py_CLEAR(list);
        else
            aispipe_tensor_release(tensors[i]);
    }
    return list;
}

/* ---------------------------------------------------------------- executing */

#define FEW_OUTPUTS 8

static void note_first(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    first_execution = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void to_library(const struct feed_set *set, struct aispipe_feed *feeds)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct feed *feed = &set->feeds[i];
        feeds[i] = (struct aispipe_feed){.data = feed->data,
                                         .size = feed->size,
                                         .tensor = feed->tensor,
                                         .dims = feed->dims,
                                         .rank = feed->rank};
    }
}

static PyObject *run(struct session_object *self, const struct wish *wish, const struct feed_set *set)
{
    struct aispipe_session *session = session_get(self); /* taking the feeds may have let others close it */
    struct aispipe_feed few_feeds[FEW_FEEDS], *feeds = few_feeds;
    struct aispipe_tensor *few_tensors[FEW_OUTPUTS], **tensors = few_tensors;
    size_t n = wish->options.outputs ? wish->options.n_outputs : self->n_outputs;
    void *many_feeds = NULL, *many_tensors = NULL;
    if (!session)
        return NULL;
    if (set->n > FEW_FEEDS)
        feeds = many_feeds = PyMem_Calloc(set->n, sizeof *feeds);
    if (n > FEW_OUTPUTS)
        tensors = many_tensors = PyMem_Calloc(n, sizeof(struct aispipe_tensor *));
    PyObject *results = NULL;
    if (feeds && tensors) {
        struct aispipe_error error;
        int status;
        to_library(set, feeds);
        if (!first_execution)
            note_first();
        Py_BEGIN_ALLOW_THREADS;
        status = aispipe_session_infer(session, feeds, set->n, &wish->options, tensors, &error);
        Py_END_ALLOW_THREADS;
        results = status ? error_raise(&error) : make_results(self, wish, tensors, n);
    } else {
        PyErr_NoMemory();
    }
    PyMem_Free(many_feeds);
    PyMem_Free(many_tensors);
    return results;
}

static PyObject *execute(struct session_object *self, PyObject *fast, struct wish *wish)
{
    struct feed_set set;
    PyObject *results = NULL;
    if (!session_get(self))
        return NULL;
    if (wish->options.shape)
        wish->strict = false; /* it is not set yet, so there is nothing to check against but bytes */
    if (wish->strict && self->from_feeds)
        wish->options.shape_from_feeds = true;
    if (feed_set_take(self, fast, wish->strict, &set))
        results = run(self, wish, &set);
    feed_set_release(&set);
    return results;
}

PyObject *session_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (kwargs && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "a session is called with one array for each input; use run({name: array}) to "
                        "give them by name");
        return NULL;
    }
    struct wish wish = {.strict = true, .single = true};
    return execute((struct session_object *)self, args, &wish);
}

/* ---------------------------------------------------------------- execute(), with everything */

static bool take_output(const struct session_object *self, PyObject *number, size_t *index)
{
    long long value = PyLong_AsLongLong(number);
    if (PyErr_Occurred())
        return false;
    *index = (size_t)value;
    if (value >= 0 && *index < self->n_outputs)
        return true;
    error_set(AISPIPE_INVALID, "there is no output %lld; the model has %zu", value, self->n_outputs);
    return false;
}

/** The indexes of the wanted outputs, allocated; NULL with an exception. */
static size_t *take_outputs(const struct session_object *self, PyObject *list, size_t *n)
{
    PyObject *tuple = py_tuple(list, "outputs must be a sequence of int");
    if (!tuple)
        return NULL;
    *n = (size_t)PyTuple_Size(tuple);
    size_t *indexes = PyMem_Calloc(*n + 1, sizeof *indexes);
    size_t taken = 0;
    while (indexes && taken < *n &&
           take_output(self, PyTuple_GetItem(tuple, (Py_ssize_t)taken), &indexes[taken]))
        taken++;
    Py_DECREF(tuple);
    if (!indexes)
        return (size_t *)PyErr_NoMemory();
    if (taken == *n)
        return indexes;
    PyMem_Free(indexes);
    return NULL;
}

static bool take_out(PyObject *out, struct wish *wish)
{
    if (out == Py_None)
        return true;
    PyObject *type = (PyObject *)Tensor;
    if (PyType_Check(out) && PyType_IsSubtype((PyTypeObject *)out, Tensor)) {
        wish->out = (PyTypeObject *)out;
        return true;
    }
    PyErr_Format(PyExc_TypeError, "out must be None or a subclass of %R, not %R", type, out);
    return false;
}

static bool take_loop(PyObject *number, struct wish *wish)
{
    long loop = PyLong_AsLong(number);
    if (PyErr_Occurred())
        return false;
    if (loop < 0 || loop > INT32_MAX) {
        error_set(AISPIPE_INVALID, "loop must be 0 to %d, got %ld", INT32_MAX, loop);
        return false;
    }
    wish->options.loop = (unsigned)loop;
    return true;
}

static bool take_shape(PyObject *shape, struct wish *wish, struct shape_parse *parse)
{
    if (shape == Py_None || shape == Py_False)
        return true;
    if (shape == Py_True) {
        wish->options.shape_from_feeds = true;
        return true;
    }
    wish->options.shape = &parse->shape;
    return shape_take(shape, parse);
}

/** The arguments after feeds: strict, out, on_device, outputs, loop, shape, untimed. */
static bool take_wish(struct session_object *self, PyObject *const *args, Py_ssize_t n, struct wish *wish,
                      struct shape_parse *parse)
{
    if (n > 1)
        wish->strict = PyObject_IsTrue(args[1]) == 1;
    if (n > 2 && !take_out(args[2], wish))
        return false;
    if (n > 3)
        wish->options.on_device = PyObject_IsTrue(args[3]) == 1;
    if (n > 4 && args[4] != Py_None) {
        wish->options.outputs = take_outputs(self, args[4], &wish->options.n_outputs);
        if (!wish->options.outputs)
            return false;
    }
    if (n > 5 && !take_loop(args[5], wish))
        return false;
    if (n > 6 && !take_shape(args[6], wish, parse))
        return false;
    if (n > 7)
        wish->options.untimed = PyObject_IsTrue(args[7]) == 1;
    if (PyErr_Occurred())
        return false;
    if (wish->options.on_device && !wish->out)
        wish->out = Tensor;
    return true;
}

PyObject *session_execute(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct session_object *session = (struct session_object *)self;
    if (n_args < 1 || n_args > 8) {
        PyErr_Format(PyExc_TypeError, "execute takes 1 to 8 arguments, got %zd", n_args);
        return NULL;
    }
    struct wish wish = {.strict = false};
    struct shape_parse parse = {.sizes = NULL};
    PyObject *fast = PySequence_Fast(args[0], "the feeds must be a list or tuple, one item an input");
    PyObject *results = NULL;
    if (fast && take_wish(session, args, n_args, &wish, &parse))
        results = execute(session, fast, &wish);
    if (wish.options.shape || wish.options.shape_from_feeds)
        session->forms_stale = true;
    Py_XDECREF(fast);
    PyMem_Free((void *)(uintptr_t)wish.options.outputs);
    shape_release(&parse);
    return results;
}

/* SPDX-License-Identifier: MIT */
/*
 * What the files of the extension share. Each is about one thing:
 *
 *     module   the module, its functions and constants       session  a model: open, close, settings
 *     errors   a status of the library as an exception        execute  one execution, the fast path
 *     dtypes   element types: numbers and NumPy's             model    what a model takes, gives and allows
 *     feed     any Python object as an input                  shape    sizes chosen at run time
 *     memory   what an array over our memory refers to        aipp     settings of dynamic AIPP
 *     tensor   the type Tensor; dlpack: exchange of memory    stream   the pipeline, pushed and popped
 *     compat   what only the older packages need
 *     lives    what must be closed before the process ends, and what a fork leaves behind
 *
 * Objects are guarded by the interpreter lock; the library is called without it wherever it may wait.
 */
#ifndef AISPIPE_EXT_H
#define AISPIPE_EXT_H

#include "py.h"

#include "aispipe/infer.h"
#include "aispipe/stream.h"
#include "aispipe/tensor.h"

/* ---------------------------------------------------------------- errors.c */

extern PyObject *Error, *InvalidError, *ClosedError;
bool errors_add(PyObject *module);
/** Sets the exception for what the library said; returns NULL. */
void *error_raise(const struct aispipe_error *error);
/** The same for a reason of ours. */
void *error_set(int code, const char *format, ...) AISPIPE_PRINTF(2, 3);

/* ---------------------------------------------------------------- dtypes.c */

/** numpy.ndarray, numpy.asarray, and the word "dtype". */
extern PyObject *numpy_ndarray, *numpy_asarray, *str_dtype;
bool dtypes_load(void);
/** NumPy's dtype object of a type, borrowed; NULL with a TypeError for an unknown number. */
PyObject *dtype_object(enum aispipe_dtype dtype);
/** The type of a NumPy dtype object in this machine's byte order; AISPIPE_DTYPE_UNDEFINED for any other. */
enum aispipe_dtype dtype_of_numpy(PyObject *dtype);
/** The type that a buffer's format string means. */
enum aispipe_dtype dtype_of_format(const char *format, Py_ssize_t itemsize);
/** The buffer format of a type. Static storage. */
const char *dtype_format(enum aispipe_dtype dtype);
/** Describes a tensor of this type and shape (a sequence of ints); false with an exception. */
bool desc_parse(int dtype, PyObject *shape, struct aispipe_tensor_desc *desc);
/** A shape as a tuple. */
PyObject *shape_tuple(int rank, const int64_t *dims);
/** "(1, 3)": writes it into `text`, cut off where it does not fit. */
const char *shape_text(int rank, const int64_t *dims, char *text, size_t capacity);

/* ---------------------------------------------------------------- feed.c */

/** One Python object as contiguous host memory, or as a tensor; holds what keeps that alive. */
struct feed {
    const void *data;
    size_t size;
    struct aispipe_tensor *tensor; /**< instead of data */
    enum aispipe_dtype dtype;
    int rank;
    const int64_t *dims;
    struct buffer_view view; /**< `viewed`: to be released */
    bool viewed;
    PyObject *holder; /**< to be let go of */
};

/** Takes `object`; false with an exception that begins with `what`. Needs feed_release either way. */
bool feed_take(PyObject *object, const char *what, struct feed *feed);
void feed_release(struct feed *feed);

/* ---------------------------------------------------------------- memory.c */

bool memory_add(PyObject *module);
/** An exporter of a tensor's memory; takes the reference, also on failure. */
PyObject *memory_of_tensor(struct aispipe_tensor *tensor);
/** An exporter of a stream's block; takes it, also on failure. */
PyObject *memory_of_block(void *block, size_t size);
/** numpy.ndarray(shape, dtype, memory, offset); takes the reference to `memory`. */
PyObject *memory_array(PyObject *memory, PyObject *shape, PyObject *dtype, size_t offset);

/* ---------------------------------------------------------------- tensor.c, dlpack.c */

struct tensor_object {
    PyObject ob_base;
    struct aispipe_tensor *tensor; /**< NULL after free() */
    PyObject *weakrefs;
    bool exported; /**< somebody may look at the memory through this object */
};

extern PyTypeObject *Tensor;
bool tensor_add(PyObject *module);
/** A new object of `type`; takes the reference to the tensor, also on failure. */
PyObject *tensor_wrap(PyTypeObject *type, struct aispipe_tensor *tensor);
bool tensor_check(PyObject *object);
/** The object's tensor, borrowed; NULL with an exception after free(). */
struct aispipe_tensor *tensor_get(PyObject *object);

PyObject *dlpack_export(struct aispipe_tensor *tensor, bool versioned);
/** Takes what `object.__dlpack__()` gives. */
bool dlpack_take(PyObject *object, const char *what, struct feed *feed);

/* ---------------------------------------------------------------- session.c, execute.c, model.c, shape.c,
 * aipp.c */

/** An input as strict calls must match it. */
struct input_form {
    char *what; /**< "input 0 'x'", for messages */
    enum aispipe_dtype dtype;
    int rank;
    int64_t dims[AISPIPE_MAX_RANK];
};

/** The shape that an output had last, so that its tuple is made once. */
struct output_form {
    PyObject *shape;
    int rank;
    int64_t dims[AISPIPE_MAX_RANK];
};

/** Links what lives.c closes at exit. */
struct life {
    struct life *next, **back;
    PyObject *owner;
};

struct stream_object;

struct session_object {
    PyObject ob_base;
    struct aispipe_session *session; /**< NULL where opening failed */
    struct life life;
    unsigned generation; /**< of the process, see lives.c */
    bool closed;
    bool open_shape;  /**< the model leaves dimensions open */
    bool from_feeds;  /**< nobody chose them: strict calls take those of the feeds */
    bool forms_stale; /**< the shape may have changed since the forms were read */
    struct stream_object *stream;
    PyObject *weakrefs;
    PyObject *model;
    PyObject *log;
    int device;
    size_t n_inputs, n_outputs;
    struct input_form *inputs;
    struct output_form *outputs;
};

extern PyTypeObject *Session;
bool session_add(PyObject *module);
/** The library's session; NULL with a ClosedError after close and in a forked child. */
struct aispipe_session *session_get(struct session_object *self);
/** Ends the session's stream, waits for executions, unloads. */
void session_close(struct session_object *self);
/** Reads the inputs' forms anew. */
void session_read_forms(struct session_object *self);

PyObject *session_call(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *session_execute(PyObject *self, PyObject *const *args, Py_ssize_t n_args);

/** Feeds of one execution. Small ones need no allocation. */
#define FEW_FEEDS 4
struct feed_set {
    size_t n;
    struct feed *feeds;
    struct feed few[FEW_FEEDS];
    void *many; /**< memory of those that are not few */
};

/** Takes all of a list or tuple and checks it against the model: `strict` also dtype and shape. */
bool feed_set_take(struct session_object *session, PyObject *fast, bool strict, struct feed_set *set);
void feed_set_release(struct feed_set *set);
/** The tuple of an output's shape, borrowed from `form`; NULL with an exception. */
PyObject *output_shape(struct output_form *form, const struct aispipe_tensor_desc *desc);

PyObject *session_inputs(PyObject *self, PyObject *unused);
PyObject *session_outputs(PyObject *self, PyObject *unused);
PyObject *session_info(PyObject *self, PyObject *unused);
PyObject *session_find_input(PyObject *self, PyObject *name);
PyObject *session_find_output(PyObject *self, PyObject *name);
PyObject *session_stats(PyObject *self, PyObject *unused);
PyObject *session_record(PyObject *self, PyObject *args);
PyObject *session_intervals(PyObject *self, PyObject *unused);
PyObject *session_reset_stats(PyObject *self, PyObject *unused);
/** CLOCK_MONOTONIC at the process' first execution, ns; 0: there was none. */
extern uint64_t first_execution;
bool model_add(PyObject *module);

/** A Shape tuple of Python's as the library's; holds what it points to. */
struct shape_parse {
    struct aispipe_shape shape;
    size_t *sizes;
    PyObject *dims;
};
bool shape_take(PyObject *tuple, struct shape_parse *parse);
void shape_release(struct shape_parse *parse);
PyObject *session_set_shape(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *session_set_output_sizes(PyObject *self, PyObject *list);

PyObject *session_set_aipp(PyObject *self, PyObject *dict);
PyObject *aipp_read(PyObject *module, PyObject *path);
PyObject *aipp_check(PyObject *module, PyObject *settings);

/* ---------------------------------------------------------------- stream.c */

bool stream_add(PyObject *module);
/** Closes a session's stream, if it has one, and waits until that is over, whoever closes it. */
void stream_end(struct stream_object **of_session);

/* ---------------------------------------------------------------- compat.c */

/** MovableTensor, on which aclruntime.Tensor is written. */
bool compat_add(PyObject *module);

/* ---------------------------------------------------------------- lives.c */

bool lives_add(PyObject *module);
/** Grows with every fork, in the child. */
extern unsigned process_generation;
/** The interpreter is about to end, or has: nothing may be opened, no Python called from threads of the
 * library. */
extern bool process_ending;
void life_begin(struct life *life, PyObject *owner);
void life_end(struct life *life);
/** Whether a thread of the library may take the interpreter lock. */
bool python_is_there(void);

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file sim.h
 * What the parts of the simulated runtime share.
 *
 * One lock guards all of it. Every exported call takes it on entry (sim_enter) and gives it back on the way out
 * (sim_leave); it is let go only while something takes time: a copy, an execution, a wait. Handles are numbers
 * from a table, never addresses: one that was destroyed stays known as such, and touching what a handle
 * "points to" faults.
 *
 * A call fails in one of two ways. sim_refuse: the world is so (no memory, no such file, a fault that the
 * settings asked for). sim_misuse: the caller broke a rule of the runtime, be it one that the real library would
 * let pass; that is also reported (report.c). Both leave a sentence for aclGetRecentErrMsg.
 */
#ifndef AISPIPE_SIMULATOR_SIM_H
#define AISPIPE_SIMULATOR_SIM_H

/* The library is built with hidden symbols; these, and nothing else, are its surface. */
#pragma GCC visibility push(default)
#include "backends/acl/acl_abi.h"
#pragma GCC visibility pop

#include "aispipe/aispipe.h"
#include "settings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

struct sim_model;

/** Codes that only the simulator needs a name for. */
enum {
    SIM_AICORE_EXCEPTION = 507015, /**< an operator failed on the device */
};

/* ---------------------------------------------------------------- calls */

enum sim_call {
#define X(result, name, parameters) CALL_##name,
    ACL_FUNCTIONS(X)
#undef X
    SIM_N_CALLS
};

_Static_assert(SIM_N_CALLS <= SIM_MOST_CALLS, "settings.h has too little room");

/** What a call needs and is: bits for sim_enter. */
enum {
    SIM_INIT = 1,    /**< between aclInit and aclFinalize */
    SIM_CONTEXT = 2, /**< the thread must have a current context */
    SIM_RELEASE = 4, /**< gives something back; an injected fault is reported after doing so */
};

/** Counts the call and takes the lock. Not 0: the call must return this at once; the lock is not held. */
int sim_enter(enum sim_call call, unsigned needs);
/** Lets the lock go. Returns `code`, or the fault that was injected into a call that releases. */
int sim_leave(int code);
/** The name of the call that this thread is in. */
const char *sim_call_name(enum sim_call call);

/** Work in a thread of the simulator's own: errors name this call. */
void sim_act_as(enum sim_call call);
/** Around a callback, which makes calls of its own: what this thread's call was in the middle of. */
struct sim_mark {
    enum sim_call call;
    int fault;
};
struct sim_mark sim_mark(void);
void sim_return_to(struct sim_mark mark);

int sim_refuse(int code, const char *format, ...) AISPIPE_PRINTF(2, 3);
int sim_misuse(int code, const char *format, ...) AISPIPE_PRINTF(2, 3);
/** Makes `text` what aclGetRecentErrMsg says in this thread. */
void sim_set_message(const char *text);
const char *sim_message(void);

/* ---------------------------------------------------------------- report.c */

/** One line to stderr and to the report's file. `what` is "misuse" or "leak". */
void sim_report(const char *what, const char *text);
/** Makes the report's file exist. */
void sim_report_open(void);
/** Writes the count of every call, where the settings ask for it. */
void sim_write_calls(void);

/* ---------------------------------------------------------------- objects */

enum sim_kind {
    SIM_NOTHING,
    SIM_CONTEXT_OBJECT,
    SIM_STREAM,
    SIM_EVENT,
    SIM_DATASET,
    SIM_BUFFER,
    SIM_TENSOR,
    SIM_DESC,
    SIM_AIPP,
};

/** Returns the handle, NULL without memory. */
void *sim_object_add(enum sim_kind kind, void *object);
/** NULL with the misuse reported when the handle is none, is of another kind or was destroyed. */
void *sim_object_get(enum sim_kind kind, const void *handle);
/** The same without complaint. */
void *sim_object_find(enum sim_kind kind, const void *handle);
void sim_object_remove(const void *handle);
/** The n-th live object of a kind, NULL at the end. */
void *sim_object_nth(enum sim_kind kind, size_t n);
size_t sim_object_count(enum sim_kind kind);
const char *sim_kind_name(enum sim_kind kind);
void sim_objects_free(void);

/* ---------------------------------------------------------------- memory.c */

/** One allocation, of a device or pinned on the host. */
struct sim_memory {
    struct sim_memory *next;
    char *address; /**< what the program got; device memory faults there */
    char *alias;   /**< where the simulator reads and writes it */
    size_t size, mapped;
    int device; /**< −1: pinned host memory */
    bool freed;
    unsigned in_use; /**< queued or running work that names it */
    unsigned models; /**< loaded models that live in it */
};

/** A piece of memory as the simulator sees it. `memory` is NULL for ordinary host memory. */
struct sim_piece {
    char *data;
    size_t size;
    struct sim_memory *memory;
    bool write;
};

/** Checks that [address, +size) is live memory of the device. `what` names it in the error. */
int sim_device_piece(const void *address, size_t size, int device, const char *what, struct sim_piece *piece);
/** Checks that it is not device memory; pinned is known by piece->memory. */
int sim_host_piece(const void *address, size_t size, const char *what, struct sim_piece *piece);
int sim_memory_account(int device, size_t bytes, const char *what);
void sim_memory_give_back(int device, size_t bytes);
void sim_memory_report_leaks(void);
void sim_memory_free_all(void);

/**
 * Work begins to touch these pieces. One that other running work touches at the same time, with either of them
 * writing, is a misuse: the program forgot to wait.
 */
int sim_access_begin(const struct sim_piece *pieces, size_t n, const char *what);
void sim_access_end(const struct sim_piece *pieces, size_t n);
/** Marks memory as named by queued work, so that it cannot be freed (+1), and no longer (−1). */
void sim_pieces_hold(const struct sim_piece *pieces, size_t n, int by);

/* ---------------------------------------------------------------- runtime.c: devices and contexts */

struct sim_context {
    void *handle;
    int device;
    bool is_default; /**< made by aclrtSetDevice */
    struct sim_stream *default_stream;
    unsigned models;
};

struct sim_device {
    unsigned set; /**< times aclrtSetDevice was called less aclrtResetDevice */
    struct sim_context *context;
    size_t used;
};

/** The calling thread's context; NULL when it has none. */
struct sim_context *sim_current(void);

/* ---------------------------------------------------------------- stream.c */

struct sim_event {
    void *handle;
    int device;
    uint64_t recorded, done; /**< how often it was queued, and reached */
    int64_t time_ns;         /**< when it was last reached */
    unsigned in_use;
};

enum sim_task_kind { SIM_TASK_COPY, SIM_TASK_EXECUTE, SIM_TASK_RECORD, SIM_TASK_WAIT };

struct sim_task {
    struct sim_task *next;
    enum sim_task_kind kind;
    aclrtMemcpyKind direction;
    struct sim_piece pieces[2]; /**< of a copy: to, from */
    struct sim_job *job;        /**< of an execution */
    struct sim_event *event;
    uint64_t ticket; /**< of a wait: the recording to wait for */
};

struct sim_stream {
    void *handle;
    struct sim_context *context;
    uint32_t id;
    pthread_t thread;
    pthread_cond_t changed;
    struct sim_task *head, *tail;
    bool busy, stop;
    int error; /**< of work that failed and that nobody has asked about */
    char message[512];
};

/** NULL is the context's default stream, made when it is first used. */
struct sim_stream *sim_stream_get(aclrtStream handle);
/** Takes over `task`, also when it fails. */
int sim_stream_put(struct sim_stream *stream, const struct sim_task *task);
int sim_stream_synchronize(struct sim_stream *stream);
/** Waits until it is empty, ends its thread, frees it. */
void sim_stream_end(struct sim_stream *stream);
/** Copies, taking the time the settings say. Takes the lock off meanwhile. */
int sim_copy(const struct sim_piece pieces[2], aclrtMemcpyKind direction);

int64_t sim_now_ns(void);
/** Sleeps (lock not held) until `latency` and `bytes` have passed since `start_ns`. */
void sim_take_time(const struct sim_speed *speed, uint64_t bytes, int64_t start_ns);

/* ---------------------------------------------------------------- data.c */

enum { SIM_MOST_BUFFERS = 160, SIM_MOST_DIMS = 32 };

struct sim_tensor {
    void *handle;
    aclDataType type;
    aclFormat format;
    size_t n;
    int64_t dims[SIM_MOST_DIMS];
    size_t size;
    bool of_runtime; /**< belongs to a dataset or an exception: not the program's to destroy */
};

struct sim_buffer {
    void *handle;
    void *data;
    size_t size;
};

struct sim_aipp;

struct sim_dataset {
    void *handle;
    size_t n;
    void *buffers[SIM_MOST_BUFFERS];       /**< handles */
    void *tensors[SIM_MOST_BUFFERS];       /**< handles, of the program; NULL: none */
    struct sim_tensor *results[SIM_MOST_BUFFERS]; /**< shapes that an execution found */
    struct sim_aipp *aipp[SIM_MOST_BUFFERS]; /**< copies that aclmdlSetInputAIPP made */
    bool gear_set;
    uint32_t gear_model;
    size_t gear;
    unsigned in_use;
};

struct sim_tensor *sim_tensor_new(aclDataType type, size_t n, const int64_t *dims, aclFormat format);
void sim_tensor_free(struct sim_tensor *tensor);
size_t sim_type_size(aclDataType type);
void sim_data_free_all(void);

/* ---------------------------------------------------------------- aipp_call.c */

void sim_aipp_free(struct sim_aipp *aipp);

/* ---------------------------------------------------------------- model.c, execute.c */

/** NULL with the misuse reported when there is no such model. */
struct sim_model *sim_model_get(uint32_t id);
void sim_models_report_leaks(void);
void sim_models_free_all(void);
/** Runs it (lock held, taken off meanwhile). */
int sim_job_run(struct sim_job *job, struct sim_stream *stream);
void sim_job_free(struct sim_job *job);

/** Fires the exception callback; lock held, taken off meanwhile. */
void sim_raise_exception(const struct sim_model *model, const struct sim_stream *stream);
void sim_exceptions_free(void);
/** The tensor desc that stands `index` places behind one of a failed operator; NULL: none does. */
struct sim_tensor *sim_exception_tensor(const struct sim_tensor *first, size_t index);

/* ---------------------------------------------------------------- all of it */

struct sim_state {
    pthread_mutex_t lock;
    bool ready; /**< settings were read */
    bool initialised, finalised;
    struct sim_settings settings;
    struct sim_device devices[SIM_MOST_DEVICES];
    uint64_t calls[SIM_N_CALLS];
    uint64_t executions;
    uint32_t next_stream, next_task;
    aclrtExceptionInfoCallback exception_callback;
    pthread_cond_t events; /**< an event was reached */
};

extern struct sim_state sim;

#endif

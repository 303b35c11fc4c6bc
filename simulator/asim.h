/* SPDX-License-Identifier: MIT */
/**
 * @file asim.h
 * What the parts of the simulated runtime share.
 *
 * One lock guards all of it. Every exported call takes it on entry (asim_enter) and gives it back on the way
 * out (asim_leave); it is let go only while something takes time: a copy, an execution, a wait. Handles are
 * numbers from a table, never addresses: one that was destroyed stays known as such, and touching what a
 * handle "points to" faults.
 *
 * A call fails in one of two ways. asim_refuse: the world is so (no memory, no such file, a fault that the
 * settings asked for). asim_misuse: the caller broke a rule of the runtime, be it one that the real library
 * would let pass; that is also reported (report.c). Both leave a sentence for aclGetRecentErrMsg.
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
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct asim_model;

/** Codes that only the simulator needs a name for. */
enum {
    SIM_AICORE_EXCEPTION = 507015, /**< an operator failed on the device */
};

/* ---------------------------------------------------------------- calls */

enum asim_call {
#define X(result, name, parameters) CALL_##name,
    ACL_FUNCTIONS(X)
#undef X
        SIM_N_CALLS
};

_Static_assert(SIM_N_CALLS <= SIM_MOST_CALLS, "settings.h has too little room");

/** What a call needs and is: bits for asim_enter. */
enum {
    SIM_INIT = 1,    /**< between aclInit and aclFinalize */
    SIM_CONTEXT = 2, /**< the thread must have a current context */
    SIM_ANYWAY = 4,  /**< gives something back, or waits; an injected fault is reported after doing so */
};

/** Counts the call and takes the lock. Not 0: the call must return this at once; the lock is not held. */
int asim_enter(enum asim_call call, unsigned needs);
/** Lets the lock go. Returns `code`, or the fault that was injected into a call that releases. */
int asim_leave(int code);
/** The name of the call that this thread is in. */
const char *asim_call_name(enum asim_call call);

/** Work in a thread of the simulator's own: errors name this call. */
void asim_act_as(enum asim_call call);
/** Around a callback, which makes calls of its own: what this thread's call was in the middle of. */
struct asim_mark {
    enum asim_call call;
    int fault;
};
struct asim_mark asim_mark(void);
void asim_return_to(struct asim_mark mark);

int asim_refuse(int code, const char *format, ...) AISPIPE_PRINTF(2, 3);
int asim_misuse(int code, const char *format, ...) AISPIPE_PRINTF(2, 3);
/** Makes `text` what aclGetRecentErrMsg says in this thread. */
void asim_set_message(const char *text);
const char *asim_message(void);

/* ---------------------------------------------------------------- report.c */

/** One line to stderr and to the report's file. `what` is "misuse" or "leak". */
void asim_report(const char *what, const char *text);
/** Makes the report's file exist. */
void asim_report_open(void);
/** Writes the count of every call, where the settings ask for it. */
void asim_write_calls(void);
/** Writes what aclInit was given, where the settings ask for it. */
void asim_write_init(const char *configuration);

/* ---------------------------------------------------------------- configuration.c */

struct cJSON;

/**
 * Reads acl.json, the file of aclInit and aclmdlSetDump, and refuses what a runtime could not follow. Returns
 * the call's code. `*dump` receives the dump section, which is then the caller's; NULL: it has none.
 */
int asim_read_configuration(const char *path, struct cJSON **dump);

/* ---------------------------------------------------------------- dump.c */

/** aclInit was given this dump section (taken over; NULL: none). */
void asim_dump_from_init(struct cJSON *section);
void asim_dump_free(void);

/* ---------------------------------------------------------------- objects */

enum asim_kind {
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
void *asim_object_add(enum asim_kind kind, void *object);
/** NULL with the misuse reported when the handle is none, is of another kind or was destroyed. */
void *asim_object_get(enum asim_kind kind, const void *handle);
/** The same without complaint. */
void *asim_object_find(enum asim_kind kind, const void *handle);
void asim_object_remove(const void *handle);
/** The n-th live object of a kind, NULL at the end. */
void *asim_object_nth(enum asim_kind kind, size_t n);
size_t asim_object_count(enum asim_kind kind);
const char *asim_kind_name(enum asim_kind kind);
void asim_objects_free(void);

/* ---------------------------------------------------------------- memory.c */

/** One allocation, of a device or pinned on the host. */
struct asim_memory {
    struct asim_memory *next;
    char *address; /**< what the program got; device memory faults there */
    char *alias;   /**< where the simulator reads and writes it */
    size_t size, mapped;
    int device; /**< −1: pinned host memory */
    bool freed;
    unsigned in_use; /**< queued or running work that names it */
    unsigned models; /**< loaded models that live in it */
};

/** A piece of memory as the simulator sees it. `memory` is NULL for ordinary host memory. */
struct asim_piece {
    char *data;
    size_t size;
    struct asim_memory *memory;
    bool write;
};

/** Checks that [address, +size) is live memory of the device. `what` names it in the error. */
int asim_device_piece(const void *address, size_t size, int device, const char *what,
                      struct asim_piece *piece);
/** Checks that it is not device memory; pinned is known by piece->memory. */
int asim_host_piece(const void *address, size_t size, const char *what, struct asim_piece *piece);
int asim_memory_account(int device, size_t bytes, const char *what);
void asim_memory_give_back(int device, size_t bytes);
void asim_memory_report_leaks(void);
void asim_memory_free_all(void);

/**
 * Work begins to touch these pieces. One that other running work touches at the same time, with either of
 * them writing, is a misuse: the program forgot to wait.
 */
int asim_access_begin(const struct asim_piece *pieces, size_t n, const char *what);
void asim_access_end(const struct asim_piece *pieces, size_t n);
/** Marks memory as named by queued work, so that it cannot be freed (+1), and no longer (−1). */
void asim_pieces_hold(const struct asim_piece *pieces, size_t n, int by);

/* ---------------------------------------------------------------- runtime.c: devices and contexts */

struct asim_context {
    void *handle;
    int device;
    bool is_default; /**< made by aclrtSetDevice */
    struct asim_stream *default_stream;
    unsigned models;
};

struct asim_device {
    unsigned set; /**< times aclrtSetDevice was called less aclrtResetDevice */
    struct asim_context *context;
    size_t used;
};

/** The calling thread's context; NULL when it has none. */
struct asim_context *asim_current(void);

/* ---------------------------------------------------------------- stream.c */

struct asim_event {
    void *handle;
    int device;
    uint64_t recorded, done; /**< how often it was queued, and reached */
    int64_t time_ns;         /**< when it was last reached, by the device's time */
    unsigned in_use;
};

enum asim_task_kind { SIM_TASK_COPY, SIM_TASK_EXECUTE, SIM_TASK_RECORD, SIM_TASK_WAIT };

struct asim_task {
    struct asim_task *next;
    enum asim_task_kind kind;
    aclrtMemcpyKind direction;
    struct asim_piece pieces[2]; /**< of a copy: to, from */
    struct asim_job *job;        /**< of an execution */
    struct asim_event *event;
    uint64_t ticket; /**< of a wait: the recording to wait for */
    int64_t queued_ns;
};

struct asim_stream {
    void *handle;
    struct asim_context *context;
    uint32_t id;
    pthread_t thread;
    pthread_cond_t changed;
    struct asim_task *head, *tail;
    bool busy, stop;
    /**
     * The device's time: when what ran last was over. The next work counts from there and not from when a
     * thread of this machine woke up, for a device goes from one to the next without anybody's help.
     */
    int64_t at_ns;
    int error; /**< of work that failed and that nobody has asked about */
    char message[512];
};

/** NULL is the context's default stream, made when it is first used. */
struct asim_stream *asim_stream_get(aclrtStream handle);
/** Takes over `task`, also when it fails. */
int asim_stream_put(struct asim_stream *stream, const struct asim_task *task);
int asim_stream_synchronize(struct asim_stream *stream);
/** Waits until it is empty, ends its thread, frees it. */
void asim_stream_end(struct asim_stream *stream);
/** Copies from `*at_ns` on, taking the time the settings say; then that is when it was over. Takes the lock
 * off. */
int asim_copy(const struct asim_piece pieces[2], aclrtMemcpyKind direction, int64_t *at_ns);

int64_t asim_now_ns(void);
/** Sleeps (lock not held) until `latency` and `bytes` have passed since `start_ns`. Returns when it was over.
 */
int64_t asim_take_time(const struct asim_speed *speed, uint64_t bytes, int64_t start_ns);

/* ---------------------------------------------------------------- data.c */

enum { SIM_MOST_BUFFERS = 160, SIM_MOST_DIMS = 32 };

struct asim_tensor {
    void *handle;
    aclDataType type;
    aclFormat format;
    size_t n;
    int64_t dims[SIM_MOST_DIMS];
    size_t size;
    void *address;   /**< on the device: of an operator's operands; NULL: none */
    bool of_runtime; /**< belongs to a dataset or an exception: not the program's to destroy */
};

struct asim_buffer {
    void *handle;
    void *data;
    size_t size;
};

struct asim_aipp;

struct asim_dataset {
    void *handle;
    size_t n;
    void *buffers[SIM_MOST_BUFFERS];               /**< handles */
    void *tensors[SIM_MOST_BUFFERS];               /**< handles, of the program; NULL: none */
    struct asim_tensor *results[SIM_MOST_BUFFERS]; /**< shapes that an execution found */
    struct asim_aipp *aipp[SIM_MOST_BUFFERS];      /**< copies that aclmdlSetInputAIPP made */
    bool gear_set;
    uint32_t gear_model;
    size_t gear;
    unsigned in_use;
};

struct asim_tensor *asim_tensor_new(aclDataType type, size_t n, const int64_t *dims, aclFormat format);
void asim_tensor_free(struct asim_tensor *tensor);
size_t asim_type_size(aclDataType type);
void asim_data_free_all(void);

/* ---------------------------------------------------------------- aipp_call.c */

void asim_aipp_free(struct asim_aipp *aipp);

/* ---------------------------------------------------------------- model.c, execute.c */

/** NULL with the misuse reported when there is no such model. */
struct asim_model *asim_model_get(uint32_t id);
void asim_models_report_leaks(void);
void asim_models_free_all(void);
/** Runs it from `*at_ns` on (see asim_copy); lock held, taken off meanwhile. */
int asim_job_run(struct asim_job *job, struct asim_stream *stream, int64_t *at_ns);
void asim_job_free(struct asim_job *job);

/** Fires the exception callback; lock held, taken off meanwhile. */
void asim_raise_exception(const struct asim_model *model, const struct asim_dataset *input,
                          const struct asim_dataset *output, const struct asim_stream *stream);
void asim_exceptions_free(void);
/** The tensor desc that stands `index` places behind one of a failed operator; NULL: none does. */
struct asim_tensor *asim_exception_tensor(const struct asim_tensor *first, size_t index);

/* ---------------------------------------------------------------- all of it */

struct asim_state {
    pthread_mutex_t lock;
    bool ready; /**< settings were read */
    bool initialised, finalised;
    pid_t process; /**< that made the first call */
    struct asim_settings settings;
    struct asim_device devices[SIM_MOST_DEVICES];
    uint64_t calls[SIM_N_CALLS];
    uint64_t executions;
    uint32_t next_stream, next_task;
    aclrtExceptionInfoCallback exception_callback;
    pthread_cond_t events; /**< an event was reached */
};

extern struct asim_state sim;

#endif

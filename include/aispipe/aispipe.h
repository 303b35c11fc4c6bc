/* SPDX-License-Identifier: MIT */
/**
 * @file aispipe.h
 * The public C interface of aispipe: push a whole dataset through a model and know how fast it went.
 *
 * Conventions that hold for every call here:
 *  - A function that can fail returns 0, or a negative `enum aispipe_status`, and fills the caller's
 *    `struct aispipe_error` (which may be NULL) with the same code and one readable line.
 *  - Sizes are bytes, times are nanoseconds of CLOCK_MONOTONIC, unless the name says otherwise.
 *  - Objects belong to whoever created them and are released by the matching `_close` or `_free`.
 *  - Two sessions in one process do not see each other. What belongs to the process is said where it is:
 *    what an engine has once (aispipe_finalize), and devices and transfers of tensors (tensor.h).
 *  - The library never exits, never installs a signal handler and prints only through the log callback.
 */
#ifndef AISPIPE_AISPIPE_H
#define AISPIPE_AISPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AISPIPE_API __attribute__((visibility("default")))
#define AISPIPE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define AISPIPE_API
#define AISPIPE_PRINTF(fmt, args)
#endif

/** Version of the library, "major.minor.patch". Static storage. */
AISPIPE_API const char *aispipe_version(void);

/* ---------------------------------------------------------------- errors */

enum aispipe_status {
    AISPIPE_OK = 0,
    AISPIPE_INVALID = -1,     /**< an argument, or a combination of arguments, is not acceptable */
    AISPIPE_NO_MEMORY = -2,   /**< an allocation failed or would not fit */
    AISPIPE_IO = -3,          /**< a file or directory could not be read or written */
    AISPIPE_FORMAT = -4,      /**< a file was read but its contents are not what they should be */
    AISPIPE_MODEL = -5,       /**< the engine refused the model */
    AISPIPE_DEVICE = -6,      /**< the engine or the device failed while working */
    AISPIPE_UNSUPPORTED = -7, /**< understood, but this engine or model cannot do it */
    AISPIPE_CLOSED = -8,      /**< a ring was closed: the end of the stream, not a failure */
    AISPIPE_SYSTEM = -9,      /**< the operating system refused a thread or another resource */
    AISPIPE_TIMEOUT = -10,    /**< the time given to wait has passed */
    AISPIPE_FAULT = -11,      /**< a call of the device's runtime failed, whatever it was asked to do */
};

/** One readable line, without a newline, long enough for two full paths. */
struct aispipe_error {
    int code; /**< an `enum aispipe_status` */
    char message[2048];
};

/** Fills `error` (ignored when NULL) and returns `code`, so that callers can `return aispipe_fail(…)`. */
AISPIPE_API int aispipe_fail(struct aispipe_error *error, int code, const char *format, ...)
    AISPIPE_PRINTF(3, 4);

/* ---------------------------------------------------------------- logging */

enum aispipe_log_level {
    AISPIPE_LOG_DEBUG,
    AISPIPE_LOG_INFO,
    AISPIPE_LOG_WARNING,
    AISPIPE_LOG_ERROR,
};

/** Receives one line without prefix and without newline. Called from any thread; must be thread-safe. */
typedef void (*aispipe_log_fn)(void *context, enum aispipe_log_level level, const char *line);

/** Where log lines go. A NULL `write` drops them; DEBUG lines are produced only when `debug` is set. */
struct aispipe_log {
    aispipe_log_fn write;
    void *context;
    bool debug;
};

/* ---------------------------------------------------------------- tensors */

/** Element types. The numbers are AscendCL's `aclDataType`, which programs of the older tool rely on. */
enum aispipe_dtype {
    AISPIPE_DTYPE_UNDEFINED = -1,
    AISPIPE_FLOAT32 = 0,
    AISPIPE_FLOAT16 = 1,
    AISPIPE_INT8 = 2,
    AISPIPE_INT32 = 3,
    AISPIPE_UINT8 = 4,
    AISPIPE_INT16 = 6,
    AISPIPE_UINT16 = 7,
    AISPIPE_UINT32 = 8,
    AISPIPE_INT64 = 9,
    AISPIPE_UINT64 = 10,
    AISPIPE_FLOAT64 = 11,
    AISPIPE_BOOL = 12,
    AISPIPE_BFLOAT16 = 27,
};

/** Bytes of one element; 0 for an unknown type. */
AISPIPE_API size_t aispipe_dtype_size(enum aispipe_dtype dtype);
/** NumPy's name ("float32", "bool", …); "undefined" for an unknown type. Static storage. */
AISPIPE_API const char *aispipe_dtype_name(enum aispipe_dtype dtype);

/** Most dimensions a tensor may have (NumPy's own limit is 64, real models use at most 8). */
#define AISPIPE_MAX_RANK 32

/** Shape and type of one input or output. A dimension of −1 is unknown. Row-major (C) order. */
struct aispipe_tensor_desc {
    const char *name; /**< owned by the description's owner, UTF-8 */
    enum aispipe_dtype dtype;
    int rank; /**< 0 for a scalar; −1 when not even the number of dimensions is known */
    int64_t dims[AISPIPE_MAX_RANK];
    /** Bytes of the whole tensor: product of dims × element size. With an unknown dimension: the bytes set
     * aside for it, 0 when nobody has said how many. */
    size_t size;
};

/** What a model takes and gives. Valid as long as the session it came from. */
struct aispipe_model_desc {
    size_t n_inputs;
    size_t n_outputs;
    const struct aispipe_tensor_desc *inputs;
    const struct aispipe_tensor_desc *outputs;
};

/* ---------------------------------------------------------------- session */

/** Which of a model's unknown dimensions a `struct aispipe_shape` gives. */
enum aispipe_shape_mode {
    AISPIPE_SHAPE_STATIC, /**< none: the model's own dimensions */
    AISPIPE_SHAPE_BATCH,  /**< `batch`: the first dimension of the inputs that leave it open */
    AISPIPE_SHAPE_HW,     /**< `height` and `width`: of the images among the inputs */
    AISPIPE_SHAPE_DIMS,   /**< `dims`: all dimensions of inputs; on Ascend one of the model's gears */
    AISPIPE_SHAPE_SHAPE,  /**< `dims`: all dimensions of inputs, any that the model can compute */
};

/** The sizes of a model whose own are open. Zero-initialised: static. Nothing is kept beyond the call. */
struct aispipe_shape {
    enum aispipe_shape_mode mode;
    uint64_t batch;         /**< BATCH: ≥ 1 */
    uint64_t height, width; /**< HW: ≥ 1 */
    const char *dims;       /**< DIMS, SHAPE: "in1:1,600;in2:1,600" */
    /** Bytes to set aside for each output, in the model's order, where they are known only after execution.
     * Outputs whose size is known need no entry, but an entry that is too small for one is an error. */
    const size_t *output_sizes;
    size_t n_output_sizes; /**< 0, or the number of outputs */
    /** output_sizes are for those outputs only of which the size turns out unknown: for others no error. */
    bool sizes_if_open;
    /**
     * DIMS, SHAPE with n_each > 0: every batch brings dimensions of its own (aispipe_source.shape), and these
     * are all that will come: n_each times a description of every input, of which rank and dims count. `dims`
     * is not looked at. Inputs that the model leaves open stay so, with the most bytes that one takes as
     * size.
     */
    const struct aispipe_tensor_desc *each;
    size_t n_each;
};

/** How to open a model. Zero-initialise, then set what differs. Strings are copied. */
struct aispipe_session_options {
    const char *backend;               /**< "auto" (NULL), "acl", "openvino", "sim" */
    const char *engine_device;         /**< OpenVINO's device name; NULL: "CPU" */
    const char *const *engine_options; /**< "KEY=VALUE" properties handed to the engine */
    size_t n_engine_options;
    int device_id;            /**< 0–255 */
    unsigned compute_threads; /**< executions that will run at a time; 0 counts as 1 */
    struct aispipe_shape shape;
    /** The shape comes later, by aispipe_session_set_shape: until then dimensions may stay unknown. */
    bool shape_later;
    bool profile; /**< measure the layers: aispipe_session_save_profile will be called */
    bool dump;    /**< aispipe_session_dump will be called: refused at once where it cannot be */
    /** File with the settings of dynamic AIPP; NULL: none. Models without dynamic AIPP, and backends other
     * than acl, ignore it with a warning. */
    const char *aipp_config;
    /** Ascend: acl.json, with which the device runtime is started, once for the whole process: a session that
     * wants another one than is in use is refused. NULL: none, or the one in use. Other backends refuse it.
     */
    const char *acl_json;
    /** The settings of dynamic AIPP come later, by aispipe_session_set_aipp (infer.h). */
    bool aipp_later;
    /** For programs in which sessions come and go: the device stays open when the session is closed, until
     * aispipe_finalize or the end of the process, which shuts down this session, too. */
    bool hold;
    /**
     * On which processor cores the engine's threads run, and those of the session's pipelines:
     *  - NULL or "auto": those of the device's NUMA node, where that is known (Ascend, from CANN 9.2 on) and
     *    the machine has more than one; otherwise nothing is restricted;
     *  - "none": nothing is restricted;
     *  - a list as Linux writes it ("0-3,8,10-11"): these. AISPIPE_INVALID where the list is malformed or
     *    names a core on which the calling thread may not run.
     * What works for a session works there, too: the calling thread of aispipe_session_open,
     * aispipe_session_set_shape and of the calls that create, warm up and start a pipeline, for the length of
     * the call; single executions (infer.h) stay where their callers are. Threads and slots are chosen by the
     * number of these cores.
     * OpenVINO looks at the cores once in a process, when the first session is opened, and at those of the
     * process's other threads as well. Where it executes elsewhere than on these cores, a warning at the end
     * of the run says how often; only a process that is restricted as a whole (sched_setaffinity, taskset) is
     * sure of it.
     */
    const char *affinity;
    struct aispipe_log log;
};

/** A model loaded on a device. Thread-safe for concurrent pipelines only through separate sessions. */
struct aispipe_session;

/** Opens the engine, the device and the model. On failure `*session` is NULL and nothing is left behind. */
AISPIPE_API int aispipe_session_open(const char *model_path, const struct aispipe_session_options *options,
                                     struct aispipe_session **session, struct aispipe_error *error);
/** Unloads the model, closes device and engine. NULL is allowed. No pipeline of it may be alive. */
AISPIPE_API void aispipe_session_close(struct aispipe_session *session);
/**
 * Ends what the library keeps for the whole process, before the process ends: shuts down every session that
 * was opened with `hold`, frees the memory of all device tensors (tensor.h; they say AISPIPE_CLOSED from then
 * on), and ends what engines have once, as the Ascend runtime. Runs by itself at exit, where nobody hears of
 * a failure. Called again, or with nothing to do, it does nothing. Sessions that are opened afterwards may be
 * refused: a runtime starts once in a process. AISPIPE_INVALID while a session that is not held uses such an
 * engine, which then goes on. Thread-safe.
 */
AISPIPE_API int aispipe_finalize(struct aispipe_error *error);
/** Inputs and outputs of the model; valid until the session is closed. */
AISPIPE_API const struct aispipe_model_desc *aispipe_session_model(const struct aispipe_session *session);
/**
 * Gives the model other sizes; the description has them when it returns. May be called again and again, but
 * not while a pipeline of the session is alive; waits for executions (infer.h) that run. Refused, and the
 * session then has no usable shape until the next call succeeds: AISPIPE_INVALID where the sizes contradict
 * the model or are not given for all unknown dimensions, AISPIPE_UNSUPPORTED where the backend has only
 * static models.
 */
AISPIPE_API int aispipe_session_set_shape(struct aispipe_session *session, const struct aispipe_shape *shape,
                                          struct aispipe_error *error);
/**
 * Whether the model takes shapes as `shape` says: of its mode, with its number of output sizes. `shape->dims`
 * are not looked at, so that a model that can take none of many shapes is refused once. Otherwise
 * AISPIPE_INVALID or AISPIPE_UNSUPPORTED, and a sentence that names no option of the shape.
 */
AISPIPE_API int aispipe_session_check_shape(const struct aispipe_session *session,
                                            const struct aispipe_shape *shape, struct aispipe_error *error);
/**
 * Writes the mean time of each layer over the executions of all pipelines of this session into `directory`,
 * which exists: layers.json and trace.json (Chrome's trace format). Needs `profile`, and that no pipeline of
 * the session is alive any more. docs/profiling.md says what is in the files.
 */
AISPIPE_API int aispipe_session_save_profile(struct aispipe_session *session, const char *directory,
                                             struct aispipe_error *error);
/**
 * Executes the model once on `inputs` (one batch, `inputs[i]` of the size of the model's input i) with the
 * output of every layer kept, and writes each as an .npy file into `directory`, which exists, together with
 * tensors.json, which says which file is which. Needs `dump`. The session's own model is not touched.
 */
AISPIPE_API int aispipe_session_dump(struct aispipe_session *session, void *const *inputs,
                                     const char *directory, struct aispipe_error *error);
/** Name of the backend in use ("acl", "openvino", "sim"). Static storage. */
AISPIPE_API const char *aispipe_session_backend(const struct aispipe_session *session);

/* ---------------------------------------------------------------- sources and sinks */

/**
 * Where batches come from. A batch is `samples_per_batch` consecutive samples of every input; sample s
 * belongs to batch s / samples_per_batch. A source of files, of made-up data or of a program's own arrays
 * all look like this. `fill` is called by several load threads at once, for different batches, in any order.
 */
struct aispipe_source {
    void *context;
    uint64_t samples;           /**< samples in the dataset */
    uint64_t batches;           /**< usually ceil(samples / samples_per_batch) */
    unsigned samples_per_batch; /**< ≥ 1 */
    /** Optional: state of one load thread (open descriptors, scratch memory). */
    int (*thread_open)(void *context, void **thread, struct aispipe_error *error);
    void (*thread_close)(void *context, void *thread);
    /**
     * Writes the whole batch into `inputs[i]` (size of input i in the model, 64-byte aligned). Where the
     * dataset ends inside the batch, the rest is filled by repeating the batch's first sample.
     * `thread` is what thread_open gave, NULL without it.
     */
    int (*fill)(void *context, void *thread, uint64_t batch, void *const *inputs,
                struct aispipe_error *error);
    /**
     * Optional: sets rank, dims and size of every input of the batch, which is filled next; for a session
     * whose shape has `each`.
     */
    int (*shape)(void *context, void *thread, uint64_t batch, struct aispipe_tensor_desc *inputs,
                 struct aispipe_error *error);
    /** Optional: writes a readable name of the sample (its input-0 file) for error messages. */
    void (*sample_name)(void *context, uint64_t sample, char *name, size_t capacity);
    /**
     * Optional, for a source that does not know how much will come (`samples` and `batches` are not looked
     * at): waits for the next batch and sets its number, which is filled next by the same thread. Numbers
     * count from 0, in the order in which calls return. 0; AISPIPE_SOURCE_LAST: the same, and it is surely
     * the last one; AISPIPE_CLOSED: nothing more will come; or a failure. Called by several load threads at
     * once.
     */
    int (*next)(void *context, void *thread, uint64_t *batch, struct aispipe_error *error);
    /**
     * Needed with `next`: the run was stopped or has failed; `next` returns AISPIPE_CLOSED from now on, also
     * where it waits. Any thread, any number of times.
     */
    void (*interrupt)(void *context);
};

/** See aispipe_source.next. */
#define AISPIPE_SOURCE_LAST 1

/** Where results go. `store` is called by several save threads at once, for different batches, in any order.
 */
struct aispipe_sink {
    void *context;
    int (*thread_open)(void *context, void **thread, struct aispipe_error *error);
    void (*thread_close)(void *context, void *thread);
    /**
     * Takes the outputs of `count` samples, the first of which is `first_sample`; `outputs[i]` holds the
     * whole batch. `actual` describes them all where their shapes became known with the execution only; NULL:
     * they are as the model describes them. The memory is borrowed for the length of the call. A NULL
     * function: results are dropped.
     * AISPIPE_SINK_KEEPS instead of 0, where `keeps` is set: the sink keeps the batch's memory, `outputs` and
     * `actual` included, until it calls aispipe_pipeline_give_back; nothing is loaded into it before.
     */
    int (*store)(void *context, void *thread, uint64_t first_sample, unsigned count, void *const *outputs,
                 const struct aispipe_tensor_desc *actual, struct aispipe_error *error);
    /** Optional: nothing more will be stored. Called once, by the last save thread, after the run's error, if
     * it has one, is known (aispipe_pipeline_error); not where aispipe_pipeline_start
     * has failed. */
    void (*end)(void *context);
    bool keeps; /**< `store` may return AISPIPE_SINK_KEEPS */
};

/** See aispipe_sink.store. */
#define AISPIPE_SINK_KEEPS 1

/* ---------------------------------------------------------------- pipeline */

enum aispipe_stage {
    AISPIPE_STAGE_LOAD,
    AISPIPE_STAGE_H2D,
    AISPIPE_STAGE_COMPUTE,
    AISPIPE_STAGE_D2H,
    AISPIPE_STAGE_SAVE,
    AISPIPE_STAGES,
};

/** "load", "h2d", "compute", "d2h", "save". Static storage. */
AISPIPE_API const char *aispipe_stage_name(enum aispipe_stage stage);

/** How a run is laid out. Zero-initialise; 0 means "choose for me" unless said otherwise. */
struct aispipe_pipeline_options {
    unsigned threads[AISPIPE_STAGES]; /**< threads of each stage; h2d and d2h: 0 or 1 */
    unsigned depth[AISPIPE_STAGES]; /**< capacity of the ring in front of each stage (load: of free slots) */
    unsigned inflight;              /**< batch slots */
    unsigned loop;                  /**< timed executions per batch; 0 counts as 1 */
    unsigned warmup;                /**< untimed executions of batch 0 on every compute thread; 0: none */
    bool serial;                    /**< one batch in flight: nothing overlaps */
    bool full;                      /**< transfer everything, then compute everything, then save everything */
    bool split_loop; /**< `loop` is for the whole run and is dealt out over the batches (made-up data) */
    bool count_flow; /**< keep a bit per sample that says whether it was stored (see aispipe_pipeline_stored)
                      */
    /**
     * The run adapts the numbers of load and save threads and of batches in flight from its own statistics
     * (docs/pipeline-tuning.md). `threads` of load and save are where it starts, and the least there will be;
     * `inflight`, where it is given, the most. Memory for the most is taken at the beginning. AISPIPE_INVALID
     * with `serial`, `full`, or a source with `next`, which goes at the pace of its user.
     */
    bool auto_tune;
};

/** Parameters that may be replaced while stages run (aispipe_pipeline_tune). */
struct aispipe_tuning {
    unsigned spin;       /**< turns a stage spins on an empty or full ring before it parks */
    unsigned wake_batch; /**< items that must be ready before a napping stage is woken; ≥ 1 */
    uint64_t nap_ns;     /**< longest nap before a stage takes what is there, or parks for good */
};

/** Five stages, their threads, rings and slots, for one run of one source into one sink. */
struct aispipe_pipeline;

/**
 * Allocates slots and rings, opens the lanes of the backend, and prints the layout with DEBUG. Nothing runs
 * yet. `source` and `sink` are copied, what they point to must live until aispipe_pipeline_free.
 * Fails with AISPIPE_NO_MEMORY, saying how much, when the slots cannot fit.
 */
AISPIPE_API int aispipe_pipeline_create(struct aispipe_session *session,
                                        const struct aispipe_pipeline_options *options,
                                        const struct aispipe_source *source, const struct aispipe_sink *sink,
                                        struct aispipe_pipeline **pipeline, struct aispipe_error *error);
/** Runs the warm-up (in the calling thread) and returns when it is over. Call it at most once, before start.
 */
AISPIPE_API int aispipe_pipeline_warmup(struct aispipe_pipeline *pipeline, struct aispipe_error *error);
/** Starts all stage threads. On failure those already started have ended again. */
AISPIPE_API int aispipe_pipeline_start(struct aispipe_pipeline *pipeline, struct aispipe_error *error);
/**
 * Waits until the run has ended, at most `timeout_ns` (UINT64_MAX: for ever). Returns AISPIPE_TIMEOUT while
 * it runs, then 0 or the run's first error. All threads are joined when it returns anything but a timeout.
 */
AISPIPE_API int aispipe_pipeline_wait(struct aispipe_pipeline *pipeline, uint64_t timeout_ns,
                                      struct aispipe_error *error);
/**
 * Asks a run to end early: nothing more is loaded; what is in flight is finished and saved, but a batch on
 * which its next stage has not begun to work `grace_ns` from now is given up. Any thread, any number of
 * times.
 */
AISPIPE_API void aispipe_pipeline_stop(struct aispipe_pipeline *pipeline, uint64_t grace_ns);
/** Replaces the live parameters of a running pipeline; readers see either the old set or the new one. With
 * `auto_tune` the run does not touch them any more. */
AISPIPE_API int aispipe_pipeline_tune(struct aispipe_pipeline *pipeline, const struct aispipe_tuning *tuning,
                                      struct aispipe_error *error);
/** What a run with `auto_tune` may change. */
enum aispipe_tune_parameter {
    AISPIPE_TUNE_LOAD_THREADS,
    AISPIPE_TUNE_SAVE_THREADS,
    AISPIPE_TUNE_INFLIGHT, /**< batches in flight; the rings have room for all of them */
    AISPIPE_TUNE_PARAMETERS,
};

/** "load_threads", "save_threads", "inflight". Static storage. */
AISPIPE_API const char *aispipe_tune_parameter_name(enum aispipe_tune_parameter parameter);

enum aispipe_tune_verdict {
    AISPIPE_TUNE_KEPT,       /**< better, beyond what chance explains */
    AISPIPE_TUNE_TAKEN_BACK, /**< not better, or not surely */
    AISPIPE_TUNE_CUT_OFF,    /**< the run ended before it was decided */
};

/** "kept", "taken back", "cut off". Static storage. */
AISPIPE_API const char *aispipe_tune_verdict_name(enum aispipe_tune_verdict verdict);

/** A change that a run with `auto_tune` has tried. */
struct aispipe_tune_decision {
    double time_ms; /**< when it was decided, from the start of the run */
    enum aispipe_tune_parameter parameter;
    unsigned from, to;
    enum aispipe_tune_verdict verdict;
    double before, after;       /**< samples per second; `after` is 0 where nothing was measured */
    double gain_low, gain_high; /**< 95 % interval of after / before - 1; both 0 where there is none */
    char reason[256];           /**< why it was tried, with the figures */
};

/** What has become of a run with `auto_tune`. */
struct aispipe_tune_report {
    bool on;                                 /**< the pipeline was made with `auto_tune` */
    unsigned start[AISPIPE_TUNE_PARAMETERS]; /**< what it began with */
    unsigned now[AISPIPE_TUNE_PARAMETERS];   /**< what is in force */
    unsigned most[AISPIPE_TUNE_PARAMETERS];  /**< no more than this is tried */
    size_t decisions;                        /**< at most 200; nothing is tried after that */
    char text[384];                          /**< one sentence */
};

/** Any thread, also while the run goes on. Without `auto_tune` all is zero. */
AISPIPE_API void aispipe_pipeline_tune_report(const struct aispipe_pipeline *pipeline,
                                              struct aispipe_tune_report *report);
/** Copies the decisions, oldest first, at most `capacity`; returns how many there are. Any thread, also while
 * the run goes on. */
AISPIPE_API size_t aispipe_pipeline_tune_decisions(const struct aispipe_pipeline *pipeline,
                                                   struct aispipe_tune_decision *decisions, size_t capacity);
/** Ends the run if it still goes, joins its threads and frees everything. NULL is allowed. */
AISPIPE_API void aispipe_pipeline_free(struct aispipe_pipeline *pipeline);
/** Gives a batch's memory back that the sink has kept: `outputs` as store() got it. Any thread, once for
 * each; also after the end. */
AISPIPE_API void aispipe_pipeline_give_back(struct aispipe_pipeline *pipeline, void *const *outputs);
/** The run's first error, while it runs or afterwards; 0: there is none. Any thread. */
AISPIPE_API int aispipe_pipeline_error(struct aispipe_pipeline *pipeline, struct aispipe_error *error);
/** Whether every output of this sample was stored. Needs `count_flow`; false otherwise. */
AISPIPE_API bool aispipe_pipeline_stored(const struct aispipe_pipeline *pipeline, uint64_t sample);

/* ---------------------------------------------------------------- statistics */

/** Times in ms of many executions or transfers. */
struct aispipe_latency {
    double min, max, mean, median, p99; /**< percentiles interpolate linearly between closest ranks */
    uint64_t count;
};

/** One stage, as it is now or as it was at the end. Fractions are 0…1 of threads × wall time; with
 * `auto_tune`, of the time for which threads were in use. */
struct aispipe_stage_stats {
    unsigned threads;    /**< with `auto_tune`: in use now, or at the end */
    unsigned depth;      /**< capacity of the ring in front of it */
    uint64_t batches;    /**< batches it has handed on */
    double busy;         /**< working */
    double wait_input;   /**< waiting for a batch from the stage before */
    double wait_output;  /**< waiting for room in the ring behind */
    double service_mean; /**< ms per batch */
    double service_p99;  /**< ms, within 1.6 % (from a histogram) */
    double queue_mean;   /**< batches found in its ring, mean over arrivals */
    uint64_t queue_peak;
    uint64_t queue_now;
};

/** The whole run. */
struct aispipe_run_stats {
    uint64_t samples;       /**< samples stored */
    uint64_t samples_total; /**< samples in the source; taken from it so far where it has `next` */
    uint64_t batches;       /**< batches stored */
    double wall_ms;         /**< from start until the last thread ended, or until now */
    double samples_per_second;
    unsigned inflight; /**< with `auto_tune`: as it is now, or was at the end */
    size_t slot_bytes; /**< memory of one slot, host and device */
    struct aispipe_stage_stats stage[AISPIPE_STAGES];
    enum aispipe_stage bottleneck;
};

/** A snapshot; any thread, also while the run goes on. */
AISPIPE_API void aispipe_pipeline_stats(const struct aispipe_pipeline *pipeline,
                                        struct aispipe_run_stats *stats);

#ifdef __cplusplus
}
#endif

#endif

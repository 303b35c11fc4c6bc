/* SPDX-License-Identifier: MIT */
#include "cli/tune_run.h"

#include "aispipe/infer.h"
#include "cli/tune_repeat.h"
#include "clock.h"
#include "log.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Batches that are measured at least, however short the window is; of slow models only a few. */
#define LEAST_BATCHES 16
#define FEWEST_BATCHES 4
/* How often a run is looked at. */
#define LOOK_NS 2000000u

/* ---------------------------------------------------------------- scratch directory */

static size_t result_stem(void *context, uint64_t sample, char *stem, size_t capacity)
{
    (void)context;
    return (size_t)snprintf(stem, capacity, "%" PRIu64, sample);
}

/* What the run has written. The directory is ours, and flat. */
static void empty_scratch(const struct tune_bench *bench)
{
    DIR *directory = *bench->scratch.path ? opendir(bench->scratch.path) : NULL;
    if (!directory)
        return;
    int fd = dirfd(directory);
    const struct dirent *entry;
    while (fd >= 0 && (entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(fd, entry->d_name, 0);
    closedir(directory);
}

void tune_bench_clean(const struct tune_bench *bench)
{
    if (!*bench->scratch.path)
        return;
    empty_scratch(bench);
    output_dir_remove_if_empty(&bench->scratch);
}

static void clean(void *context)
{
    tune_bench_clean(context);
}

static int make_scratch(struct tune_bench *bench, struct aispipe_error *error)
{
    char name[64];
    struct output_dir scratch;
    if (!bench->options->output)
        return 0;
    (void)snprintf(name, sizeof name, ".aispipe-tune-%ld", (long)getpid());
    int rc = output_dir_make(&scratch, bench->options->output, name, error);
    if (rc)
        return rc;
    bench->scratch = scratch;
    interrupt_on_end(bench->interrupt, clean, bench);
    return 0;
}

/* ---------------------------------------------------------------- sessions */

/* The library's warnings are the same for every session: they are said once. */
static void write_line(void *context, enum aispipe_log_level level, const char *line)
{
    const struct tune_bench *bench = context;
    struct aispipe_log log = console_log(bench->console, bench->options->debug);
    if (bench->options->debug || (level >= AISPIPE_LOG_WARNING && !bench->opened))
        log.write(log.context, level, line);
}

static int add_streams(struct tune_session *session, struct aispipe_error *error)
{
    struct options *o = &session->options;
    session->engine_options = calloc(o->n_engine_options + 1, sizeof *session->engine_options);
    if (!session->engine_options)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for engine options");
    if (o->n_engine_options)
        memcpy((void *)session->engine_options, (const void *)o->engine_options,
               o->n_engine_options * sizeof *session->engine_options);
    (void)snprintf(session->streams, sizeof session->streams, "NUM_STREAMS=%" PRIu64, o->threads);
    session->engine_options[o->n_engine_options++] = session->streams;
    o->engine_options = session->engine_options;
    return 0;
}

static void close_session(struct tune_session *session)
{
    job_close_files(&session->job, false);
    job_close_session(&session->job);
    free((void *)session->engine_options);
    *session = (struct tune_session){0};
}

static int open_input(struct tune_bench *bench, struct job *job, struct aispipe_error *error)
{
    const struct options *o = job->options;
    int rc = 0;
    if (!bench->dataset)
        rc = aispipe_dataset_open(o->input, aispipe_session_model(job->session)->n_inputs, o->limit,
                                  &bench->dataset, error);
    if (!rc)
        rc = job_plan_shapes(job, bench->dataset, error);
    return rc ? rc : job_open_input(job, error);
}

static int open_session(struct tune_bench *bench, struct tune_session *session, const uint64_t key[3],
                        struct aispipe_error *error)
{
    session->options = *bench->options;
    struct options *o = &session->options;
    o->debug = false; /* the model is not described each time */
    o->threads = key[0] ? key[0] : o->threads;
    o->dym_batch = key[1] ? key[1] : o->dym_batch;
    int rc = key[2] ? add_streams(session, error) : 0;
    session->job = (struct job){
        .options = o,
        .log = {.write = write_line, .context = bench, .debug = bench->options->debug},
        .device = o->device.values[0],
        .hold = true,
    };
    if (!rc)
        rc = job_open_session(&session->job, error);
    if (!rc)
        rc = open_input(bench, &session->job, error);
    if (rc) {
        close_session(session);
        return rc;
    }
    memcpy(session->key, key, sizeof session->key);
    return 0;
}

static struct tune_session *oldest(struct tune_bench *bench)
{
    struct tune_session *found = &bench->sessions[0];
    for (size_t i = 1; i < TUNE_SESSIONS; i++)
        if (bench->sessions[i].used < found->used)
            found = &bench->sessions[i];
    return found;
}

static int find_session(struct tune_bench *bench, const struct tune_point *point,
                        struct tune_session **session, struct aispipe_error *error)
{
    const uint64_t key[3] = {point->value[TUNE_THREADS], point->value[TUNE_BATCH],
                             point->value[TUNE_STREAMS]};
    *session = NULL;
    for (size_t i = 0; i < TUNE_SESSIONS && !*session; i++)
        if (bench->sessions[i].used && memcmp(bench->sessions[i].key, key, sizeof key) == 0)
            *session = &bench->sessions[i];
    if (!*session) {
        *session = oldest(bench);
        if ((*session)->used)
            close_session(*session);
        int rc = open_session(bench, *session, key, error);
        if (rc)
            return rc;
    }
    (*session)->used = ++bench->clock;
    return 0;
}

/* ---------------------------------------------------------------- batch sizes */

static bool shape_is_given(const struct options *o)
{
    return o->dym_batch || o->dym_hw[0] || o->dym_dims || o->dym_shape || o->auto_dims || o->auto_shape;
}

static bool takes_batch(struct aispipe_session *session, uint64_t batch)
{
    struct aispipe_error error;
    const struct aispipe_shape shape = {.mode = AISPIPE_SHAPE_BATCH, .batch = batch};
    return aispipe_session_set_shape(session, &shape, &error) == 0;
}

/* Powers of two, and of a model with gears those that it has, with its largest. */
static int list_batches(struct tune_bench *bench, struct tune_session *session, struct aispipe_error *error)
{
    struct aispipe_model_info info;
    int rc = aispipe_session_model_info(session->job.session, &info, error);
    if (rc)
        return rc;
    uint64_t samples = tune_bench_samples(bench);
    uint64_t most = info.n_gears ? info.largest_batch : 1024;
    bool gears = info.n_gears > 0;
    for (uint64_t batch = 1; batch <= most && batch <= samples; batch *= 2)
        if (!gears || takes_batch(session->job.session, batch))
            bench->batches[bench->n_batches++] = batch;
    bool last = bench->n_batches && bench->batches[bench->n_batches - 1] == most;
    if (gears && !last && most <= samples)
        bench->batches[bench->n_batches++] = most;
    if (gears && !takes_batch(session->job.session, session->key[1]))
        return aispipe_fail(error, AISPIPE_MODEL, "the model does not take batch size %" PRIu64 " again",
                            session->key[1]);
    return 0;
}

/* The program asks for --dymBatch where a model leaves its batch open; here that is one of the parameters. */
static int open_with_batch(struct tune_bench *bench, struct tune_point *start, struct aispipe_error *error)
{
    struct aispipe_error why = {0};
    struct tune_session *session;
    int rc = AISPIPE_INVALID;
    for (uint64_t batch = 1; rc && batch <= 1024; batch *= 2) {
        start->value[TUNE_BATCH] = batch;
        rc = find_session(bench, start, &session, &why);
    }
    if (rc)
        return error->code; /* what the program would say */
    bench->batch_is_open = true;
    return list_batches(bench, session, error);
}

int tune_bench_open(struct tune_bench *bench, struct tune_point *start, struct aispipe_error *error)
{
    struct tune_session *session;
    int rc = find_session(bench, start, &session, error);
    if ((rc == AISPIPE_INVALID || rc == AISPIPE_UNSUPPORTED || rc == AISPIPE_MODEL) &&
        !shape_is_given(bench->options))
        rc = open_with_batch(bench, start, error);
    if (!rc)
        rc = make_scratch(bench, error);
    return rc;
}

bool tune_bench_has_streams(const struct tune_bench *bench)
{
    static const char *const ours[] = {"NUM_STREAMS=", "PERFORMANCE_HINT=", "INFERENCE_NUM_THREADS="};
    const struct options *o = bench->options;
    const struct aispipe_session *session = bench->sessions[0].job.session;
    if (!session || strcmp(aispipe_session_backend(session), "openvino") != 0)
        return false;
    if (o->engine_device && strcmp(o->engine_device, "CPU") != 0)
        return false;
    for (size_t i = 0; i < o->n_engine_options; i++)
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            if (strncmp(o->engine_options[i], ours[k], strlen(ours[k])) == 0)
                return false;
    return true;
}

uint64_t tune_bench_samples(const struct tune_bench *bench)
{
    return aispipe_dataset_samples(bench->dataset);
}

void tune_bench_close(struct tune_bench *bench)
{
    for (size_t i = 0; i < TUNE_SESSIONS; i++)
        close_session(&bench->sessions[i]);
    aispipe_dataset_close(bench->dataset);
    bench->dataset = NULL;
    tune_bench_clean(bench);
}

/* ---------------------------------------------------------------- one run */

struct run {
    struct tune_bench *bench;
    struct job *job;
    struct tune_repeat repeat;
    struct aispipe_file_sink *sink;
    struct aispipe_pipeline *pipeline;
};

static void stop(void *context)
{
    aispipe_pipeline_stop(context, 0);
}

/* Between two runs a signal is only noted: the search looks for it, and writes what it has. */
static void note(void *context)
{
    (void)context;
}

static int open_sink(struct run *run, struct aispipe_sink *sink, struct aispipe_error *error)
{
    const struct options *o = run->job->options;
    const struct output_dir *scratch = &run->bench->scratch;
    struct aispipe_file_sink_options options = {
        .tag = scratch->tag,
        .directory = scratch->path,
        .format = (enum aispipe_result_format)o->outfmt,
        .compress = o->compress,
        .samples_per_batch = job_source(run->job).samples_per_batch,
        .batch_axis = (unsigned)o->output_batchsize_axis,
        .stem = result_stem,
    };
    if (!*scratch->path)
        return 0;
    int rc = aispipe_file_sink_open(&options, aispipe_session_model(run->job->session), &run->sink, error);
    if (!rc)
        *sink = aispipe_file_sink_view(run->sink);
    return rc;
}

static int create(struct run *run, const struct tune_point *point, struct aispipe_error *error)
{
    const struct options *o = run->job->options;
    struct aispipe_pipeline_options options = {
        .threads =
            {
                [AISPIPE_STAGE_LOAD] =
                    (unsigned)(point->value[TUNE_LOAD] ? point->value[TUNE_LOAD] : o->load_threads),
                [AISPIPE_STAGE_COMPUTE] = (unsigned)o->threads,
                [AISPIPE_STAGE_SAVE] =
                    (unsigned)(point->value[TUNE_SAVE] ? point->value[TUNE_SAVE] : o->save_threads),
            },
        .inflight = (unsigned)(point->value[TUNE_INFLIGHT] ? point->value[TUNE_INFLIGHT] : o->inflight),
        .loop = (unsigned)o->loop,
        .warmup = o->warmup_count ? 1 : 0,
    };
    for (int k = 0; k < AISPIPE_STAGES; k++)
        options.depth[k] = (unsigned)(point->value[TUNE_DEPTH] ? point->value[TUNE_DEPTH] : o->depth[k]);
    struct aispipe_source source = job_source(run->job);
    struct aispipe_sink sink = {0};
    int rc = open_sink(run, &sink, error);
    if (rc)
        return rc;
    tune_repeat_init(&run->repeat, &source, &sink);
    source = tune_repeat_source(&run->repeat);
    sink = tune_repeat_sink(&run->repeat);
    return aispipe_pipeline_create(run->job->session, &options, &source, &sink, &run->pipeline, error);
}

struct moment {
    uint64_t samples, batches, last_ns;
};

static struct moment now(struct run *run)
{
    return (struct moment){atomic_load_explicit(&run->repeat.samples, memory_order_relaxed),
                           atomic_load_explicit(&run->repeat.batches, memory_order_relaxed),
                           atomic_load_explicit(&run->repeat.last_ns, memory_order_relaxed)};
}

/* Waits until `batches` more have come out and `least_ns` have passed, or `fewest` and `most_ns`. */
static int await(struct run *run, uint64_t least_ns, uint64_t batches, uint64_t most_ns, uint64_t fewest,
                 struct aispipe_error *error)
{
    uint64_t begin = clock_ns();
    uint64_t before = now(run).batches;
    for (;;) {
        uint64_t passed = clock_ns() - begin;
        uint64_t come = now(run).batches - before;
        if ((passed >= least_ns && come >= batches) || (passed >= most_ns && come >= fewest))
            return 0;
        uint64_t pause = passed < least_ns ? least_ns - passed : LOOK_NS;
        int rc = aispipe_pipeline_wait(run->pipeline, pause, error);
        if (rc == AISPIPE_TIMEOUT)
            continue;
        if (rc)
            return rc;
        return aispipe_fail(error, AISPIPE_CLOSED, "stopped by a signal");
    }
}

static int watch(struct run *run, struct tune_run *result, struct aispipe_error *error)
{
    uint64_t window = run->bench->window_ns;
    uint64_t threads = run->job->options->threads;
    uint64_t batches = 4 * threads > LEAST_BATCHES ? 4 * threads : LEAST_BATCHES;
    if (batches < run->repeat.source.batches)
        batches = run->repeat.source.batches;
    uint64_t fewest = threads > FEWEST_BATCHES ? threads : FEWEST_BATCHES;
    int rc = await(run, window / 4, threads, window, 1, error);
    struct moment first = now(run);
    if (!rc)
        rc = await(run, window, batches, TUNE_LONGEST_WINDOWS * window, fewest, error);
    struct moment last = now(run);
    if (rc)
        return rc;
    if (last.last_ns <= first.last_ns)
        return aispipe_fail(error, AISPIPE_SYSTEM, "the clock stood still while a run was measured");
    result->rate = (double)(last.samples - first.samples) * 1e9 / (double)(last.last_ns - first.last_ns);
    aispipe_pipeline_stats(run->pipeline, &result->stats);
    log_line(&run->job->log, AISPIPE_LOG_DEBUG, "run: %.1f samples/s, %" PRIu64 " batches in %.3f s",
             result->rate, last.batches - first.batches, (double)(last.last_ns - first.last_ns) / 1e9);
    return 0;
}

static void note_actual(const struct run *run, const struct tune_point *point, struct tune_run *result)
{
    const struct aispipe_run_stats *stats = &result->stats;
    result->actual[TUNE_THREADS] = stats->stage[AISPIPE_STAGE_COMPUTE].threads;
    result->actual[TUNE_LOAD] = stats->stage[AISPIPE_STAGE_LOAD].threads;
    result->actual[TUNE_SAVE] = stats->stage[AISPIPE_STAGE_SAVE].threads;
    result->actual[TUNE_INFLIGHT] = stats->inflight;
    result->actual[TUNE_DEPTH] = stats->stage[AISPIPE_STAGE_COMPUTE].depth;
    result->actual[TUNE_BATCH] = run->job->options->dym_batch;
    result->actual[TUNE_STREAMS] = point->value[TUNE_STREAMS];
}

static int run_pipeline(struct run *run, const struct tune_point *point, struct tune_run *result,
                        struct aispipe_error *error)
{
    struct interrupt *interrupt = run->bench->interrupt;
    int rc = create(run, point, error);
    if (rc)
        return rc;
    interrupt_guard(interrupt, stop, run->pipeline);
    rc = aispipe_pipeline_warmup(run->pipeline, error);
    if (!rc)
        rc = aispipe_pipeline_start(run->pipeline, error);
    if (!rc)
        rc = watch(run, result, error);
    interrupt_guard(interrupt, note, NULL);
    if (!rc)
        note_actual(run, point, result);
    return rc;
}

int tune_bench_measure(struct tune_bench *bench, const struct tune_point *point, struct tune_run *result,
                       struct aispipe_error *error)
{
    struct tune_session *session;
    *result = (struct tune_run){0};
    interrupt_guard(bench->interrupt, note, NULL);
    if (interrupt_received(bench->interrupt))
        return aispipe_fail(error, AISPIPE_CLOSED, "stopped by a signal");
    int rc = find_session(bench, point, &session, error);
    if (rc)
        return rc;
    struct run run = {.bench = bench, .job = &session->job};
    rc = run_pipeline(&run, point, result, error);
    if (run.pipeline)
        aispipe_pipeline_stop(run.pipeline, 0);
    aispipe_pipeline_free(run.pipeline);
    aispipe_file_sink_close(run.sink);
    empty_scratch(bench);
    bench->opened = true;
    /* A signal may also have come between the guard and the run, or have been the reason of a failure. */
    if (interrupt_received(bench->interrupt))
        return aispipe_fail(error, AISPIPE_CLOSED, "stopped by a signal");
    return rc;
}

/* SPDX-License-Identifier: MIT */
/**
 * @file job.h
 * One device's part of a run: a session, where its batches come from and go to, and the pipeline between.
 *
 * The steps are called in the order in which they stand here, each once; after one that failed, only the last
 * ones: free_pipeline, close_files, close_session. What calls the engine (open_session, plan_shapes, dump,
 * open_pipeline, warmup, start, wait, free_pipeline, save_profile, close_session) must stay in one thread;
 * the rest may be called from another while that one waits.
 */
#ifndef AISPIPE_CLI_JOB_H
#define AISPIPE_CLI_JOB_H

#include "aispipe/backend.h"
#include "aispipe/files.h"
#include "aispipe/summary.h"
#include "cli/energy.h"
#include "cli/options.h"
#include "cli/output_dir.h"

struct job {
    /* Set by the caller. */
    const struct options *options;
    struct aispipe_log log;
    uint64_t device;
    size_t number;           /**< of the device in --device, from 0 */
    const uint64_t *npu_ids; /**< whose power is measured, with --energy_consumption */
    size_t n_npu_ids;
    unsigned share_index; /**< which part of the dataset … */
    unsigned shares;      /**< … of how many; 0: all of it */
    bool shape_later;     /**< the shape is set by job_set_shape, before each run */
    bool hold;            /**< sessions come and go: the device stays open between them */

    /* Made by the steps. */
    struct aispipe_session *session;
    size_t output_sizes[AISPIPE_MAX_TENSORS]; /**< what --outputSize says */
    const struct aispipe_dataset *dataset;    /**< the caller's; NULL: made-up data */
    struct aispipe_shape_plan *shapes;        /**< of the samples, in the auto modes */
    struct aispipe_file_source *files;
    struct aispipe_made_up_source *made_up;
    struct output_dir directory; /**< made by the caller, when something is to be saved */
    struct aispipe_file_sink *sink;
    struct aispipe_share share; /**< in use when shares > 0 */
    struct aispipe_pipeline *pipeline;
    struct energy *energy;                              /**< NULL: not measured */
    const struct aispipe_summary_energy *energy_result; /**< owned by `energy` */
    double start_time;                                  /**< seconds since the epoch */
    double end_time;
};

/** Also refuses a model that takes no shape of the kind that comes later. */
int job_open_session(struct job *job, struct aispipe_error *error);
/** Gives the model another shape, written as --dymShape takes it. After job_close_files the steps from
 * job_describe on may be taken again. */
int job_set_shape(struct job *job, const char *dims, struct aispipe_error *error);
/** Prints what is known of the model: with --debug its description, then its batch size. Where both are only
 * known with the samples, job_open_input does it. */
void job_describe(const struct job *job);
/** In the auto modes: finds out the shape of every sample, and tells the model. `dataset` is borrowed; NULL:
 * made-up data. */
int job_plan_shapes(struct job *job, const struct aispipe_dataset *dataset, struct aispipe_error *error);
/** Of the dataset that job_plan_shapes was given. */
int job_open_input(struct job *job, struct aispipe_error *error);
/** Where the batches of the whole dataset come from; valid until job_close_files. */
struct aispipe_source job_source(const struct job *job);
/** For results in job->directory. */
int job_open_sink(struct job *job, struct aispipe_error *error);
/** Prints the line about files per batch, where there are files. */
void job_log_batching(const struct job *job);
/** With --dump for the first batch, where the engine and not the device's runtime writes it. */
int job_dump(struct job *job, struct aispipe_error *error);
int job_open_pipeline(struct job *job, struct aispipe_error *error);
int job_warmup(struct job *job, struct aispipe_error *error);
int job_start(struct job *job, struct aispipe_error *error);
/** As aispipe_pipeline_wait. */
int job_wait(struct job *job, uint64_t timeout_ns, struct aispipe_error *error);
/** Prints the summary and writes its file, when there is a sink. */
int job_summarise(struct job *job, int argc, char *const *argv, struct aispipe_summary *summary,
                  struct aispipe_error *error);
/** For a sudden end: removes half-written files and what is empty. Any thread. */
void job_clean(const struct job *job);
void job_free_pipeline(struct job *job);
/** With --profiler, after a run that succeeded and the end of its pipeline. */
int job_save_profile(struct job *job, struct aispipe_error *error);
/** Sink and source. `failed`: the directory of results is removed when it is empty. */
void job_close_files(struct job *job, bool failed);
void job_close_session(struct job *job);

#endif

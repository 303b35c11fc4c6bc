/* SPDX-License-Identifier: MIT */
/**
 * @file layers.h
 * --profiler and --dump: what becomes of the layers of a model goes to `<output>/profiler/<run>` and
 * `<output>/dump/<run>`, where `<run>` is the name of the run's own directory below --output.
 */
#ifndef AISPIPE_CLI_LAYERS_H
#define AISPIPE_CLI_LAYERS_H

#include "cli/options.h"
#include "cli/output_dir.h"

/** Executes the first batch of `source` and writes every layer's output. */
int layers_dump(const struct options *options, const struct output_dir *run, struct aispipe_session *session,
                const struct aispipe_source *source, struct aispipe_error *error);
/** Writes the layers' times. No pipeline of the session may be alive. */
int layers_save_profile(const struct options *options, const struct output_dir *run,
                        struct aispipe_session *session, const struct aispipe_log *log,
                        struct aispipe_error *error);

#endif

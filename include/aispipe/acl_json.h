/* SPDX-License-Identifier: MIT */
/**
 * @file acl_json.h
 * acl.json, the file with which an Ascend device's runtime is told what to profile and what to dump
 * (aispipe_session_options.acl_json): made for the usual cases, or the user's own, which is read and checked
 * before the runtime sees it. Thread-safe.
 */
#ifndef AISPIPE_ACL_JSON_H
#define AISPIPE_ACL_JSON_H

#include "aispipe/aispipe.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Largest file that is read. */
#define AISPIPE_ACL_JSON_MAX_BYTES 8192

/**
 * Writes `<directory>/acl.json` (0640), replacing an older one, whole or not at all. `directory` exists. The
 * profiler's results will go to `<directory>/profiler`, which is made when it does not exist. `path` receives
 * the file's path.
 */
AISPIPE_API int aispipe_acl_json_write_profiler(const char *directory, char *path, size_t capacity,
                                                struct aispipe_error *error);
/** The same for a dump of all inputs and outputs of the layers of `model` to `<directory>/dump`. */
AISPIPE_API int aispipe_acl_json_write_dump(const char *directory, const char *model, char *path,
                                            size_t capacity, struct aispipe_error *error);

/**
 * Writes a copy of `from`, a file that aispipe_acl_json_read accepts, to `<directory>/acl.json`: the same,
 * but with `directory` as the dump's dump_path.
 */
AISPIPE_API int aispipe_acl_json_redirect_dump(const char *from, const char *directory, char *path,
                                               size_t capacity, struct aispipe_error *error);

/** What a user's file asks for; zero-initialised before aispipe_acl_json_read. */
struct aispipe_acl_json {
    bool has_profiler;
    bool has_dump;
    char *dump_path; /**< NULL: not said */
    char **options;  /**< of msprof, for the profiler section: "--aic-metrics=PipeUtilization"; NULL-ended */
    size_t n_options;
};

/**
 * Reads `path`. Fails where it cannot be read, does not end in .json, is larger than
 * AISPIPE_ACL_JSON_MAX_BYTES or is no JSON object. What is doubtful about a dump section, and what has no
 * meaning to msprof in a profiler section, is a warning in `log` that names the key. `model` is the path of
 * the model that will run.
 */
AISPIPE_API int aispipe_acl_json_read(const char *path, const char *model, const struct aispipe_log *log,
                                      struct aispipe_acl_json *json, struct aispipe_error *error);
/** Frees what aispipe_acl_json_read has filled in; zeroed and not read is allowed. */
AISPIPE_API void aispipe_acl_json_free(struct aispipe_acl_json *json);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file options.h
 * The one table of options. Parsing, checking, --help, the bash completion, the man page and docs/options.md
 * are all made from it (help.c, generate.c); nothing about an option is written down anywhere else.
 */
#ifndef AISPIPE_CLI_OPTIONS_H
#define AISPIPE_CLI_OPTIONS_H

#include "aispipe/aispipe.h"
#include "aispipe/files.h"

enum run_mode { RUN_MODE_ARRAY, RUN_MODE_FILES, RUN_MODE_TENSOR, RUN_MODE_FULL };
enum pure_data { PURE_DATA_ZERO, PURE_DATA_RANDOM };
enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

/** Numbers joined by ','. */
#define NUMBER_LIST_MAX 64
struct number_list {
    size_t count;
    uint64_t values[NUMBER_LIST_MAX];
};

/** Where options that come from a file keep their text (config_file.h). */
struct cJSON;

/** What the command line said, and the file of --config. Strings point into argv, or into config_values. A
 * field's default is in the table. */
struct options {
    const char *config;          /**< file of options that the command line does not give; NULL: none */
    struct cJSON *config_values; /**< allocated; freed by options_free */
    const char *model;
    const char *input;  /**< NULL: pure inference */
    const char *output; /**< NULL: nothing is saved */
    const char *output_dirname;
    int outfmt; /**< enum aispipe_result_format */
    bool compress;
    int pure_data_type; /**< enum pure_data */
    uint64_t seed;
    uint64_t limit; /**< 0: all samples */
    bool debug;
    int run_mode; /**< enum run_mode */
    bool display_all_summary;
    bool perf;
    bool profiler;
    bool dump;
    bool dump_npy;
    bool profiler_rename;
    const char *acl_json_path; /**< NULL: none */
    const char *acl_json;      /**< what the device runtime is started with; set by ascend_prepare */
    char *dump_place; /**< where it dumps until the run has ended (dump_npy.h); set likewise; NULL: as told */
    bool energy_consumption;
    struct number_list npu_id; /**< never empty */
    uint64_t loop;
    uint64_t warmup_count;
    struct number_list device; /**< one pipeline for each; never empty */
    bool divide_input;
    uint64_t batchsize; /**< 0: inferred */
    uint64_t output_batchsize_axis;
    uint64_t dym_batch;   /**< 0: none */
    uint64_t dym_hw[2];   /**< height, width; 0: none */
    const char *dym_dims; /**< NULL: none; grammar checked, as of the three below */
    const char *dym_shape;
    const char *dym_shape_range; /**< text or a file; not looked at when dym_shape is given */
    bool auto_dims;              /**< every sample's own dims */
    bool auto_shape;
    const char *output_size;
    const char *backend;
    const char *engine_device;
    const char *aipp_config;     /**< NULL: none */
    const char **engine_options; /**< allocated; freed by options_free */
    size_t n_engine_options;
    size_t n_configured_engine_options; /**< the first of them that the command line may still replace */
    bool pipeline;
    uint64_t threads;
    uint64_t load_threads; /**< 0: chosen */
    uint64_t save_threads;
    uint64_t depth[AISPIPE_STAGES]; /**< from --queue_depth; 0: chosen */
    uint64_t inflight;              /**< 0: chosen */
    const char *affinity;           /**< NULL: auto; checked, see affinity.h */
    bool auto_tune;
    int progress; /**< enum progress_mode */
    bool help;
    bool version;
};

/**
 * Parses argv. Returns 0, or a negative status with one line that names the option, the value and what is
 * accepted; then nothing is left to free. Nothing is opened or looked up on disk here except that paths must
 * exist and be readable (missing files are refused before anything is loaded). With help or version anywhere
 * in argv nothing else is looked at: only these two fields are set. `log` (may be NULL) receives warnings.
 */
int options_parse(int argc, char *const *argv, struct options *options, const struct aispipe_log *log,
                  struct aispipe_error *error);
/** Frees what options_parse allocated. Any number of times. */
void options_free(struct options *options);

#endif

/* SPDX-License-Identifier: MIT */
#include "cli/options_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A field's offset, and a compile error where the field is not of the type that the option's kind writes. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type in an association may not have any. */
#define FIELD(type, member) \
    (offsetof(struct options, member) + 0 * sizeof(_Generic(((struct options *)0)->member, type : 0)))
/* NOLINTEND(bugprone-macro-parentheses) */

#define MAX_THREADS 1024
#define MAX_DEPTH 1048576
#define MAX_DIM INT32_MAX

static const char *const outfmt_choices[] = {
    [AISPIPE_RESULT_BIN] = "BIN",
    [AISPIPE_RESULT_NPY] = "NPY",
    [AISPIPE_RESULT_TXT] = "TXT",
    NULL,
};
static const char *const run_mode_choices[] = {
    [RUN_MODE_ARRAY] = "array",
    [RUN_MODE_FILES] = "files",
    [RUN_MODE_TENSOR] = "tensor",
    [RUN_MODE_FULL] = "full",
    NULL,
};
static const char *const pure_data_choices[] = {
    [PURE_DATA_ZERO] = "zero",
    [PURE_DATA_RANDOM] = "random",
    NULL,
};
static const char *const progress_choices[] = {
    [PROGRESS_AUTO] = "auto",
    [PROGRESS_ALWAYS] = "always",
    [PROGRESS_NEVER] = "never",
    NULL,
};
static const char *const backend_choices[] = {"auto", "acl", "openvino", "sim", "trtexec", NULL};

const char *const option_group_names[OPTION_GROUPS] = {
    [GROUP_ENGINE] = "Model and engine", [GROUP_INPUT] = "Input",
    [GROUP_OUTPUT] = "Output",           [GROUP_SHAPE] = "Shapes",
    [GROUP_PIPELINE] = "Pipeline",       [GROUP_MEASURING] = "Measuring",
    [GROUP_DIAGNOSIS] = "Diagnosis",
};

const char option_purpose[] =
    "Runs a model over a dataset, from files to files, and says how fast it went and which stage of the "
    "pipeline held the run back.";

const char option_syntax[] =
    "A value follows its option after a space or after '='. In long options '-' and '_' are the same. "
    "BOOL is 1, true, t, yes or y for true and 0, false, f, no or n for false, in any case; without a value "
    "it means true. Words such as modes and formats may be written in any case.";

const struct option_example option_examples[2] = {
    {"aispipe --model net.onnx --input images --output results --threads 2",
     "runs every .npy and .bin file of images through the model and writes the results below results"},
    {"aispipe --model net.xml --loop 100 --warmup_count 5 --display_all_summary",
     "measures 100 executions on made-up data and prints the transfer times as well"},
};

const struct option_exit_status option_exit_statuses[4] = {
    {"0", "success"},
    {"1", "the run failed; the last line on stderr says where and why"},
    {"2", "the command line was refused; nothing was loaded"},
    {"130, 143", "stopped by SIGINT or SIGTERM; what was in flight is finished and the summary written"},
};

const struct option_spec option_table[] = {
    {.name = "model",
     .aliases = {"--om-model", "-om", "-m"},
     .kind = OPTION_FILE,
     .group = GROUP_ENGINE,
     .metavar = "FILE",
     .required = true,
     .help = "The model: .om for Ascend, .onnx, .xml (OpenVINO IR), .pb, .tflite or .pdmodel for OpenVINO, "
             ".sim.json for the simulated device.",
     .offset = FIELD(const char *, model)},
    {.name = "backend",
     .kind = OPTION_NAME,
     .group = GROUP_ENGINE,
     .metavar = "NAME",
     .choices = backend_choices,
     .help = "The engine that executes the model. auto takes the one that the model's file name calls for. "
             "trtexec starts TensorRT's tool of that name; see --perf.",
     .offset = FIELD(const char *, backend)},
    {.name = "device",
     .aliases = {"-d"},
     .kind = OPTION_NUMBERS,
     .group = GROUP_ENGINE,
     .metavar = "ID[,ID...]",
     .max = 255,
     .help = "Number of the device to run on. With several, joined by ',', each runs the whole dataset in a "
             "pipeline of its own, and all start together.",
     .offset = FIELD(struct number_list, device)},
    {.name = "divide_input",
     .kind = OPTION_BOOL,
     .group = GROUP_ENGINE,
     .metavar = "BOOL",
     .help = "Several devices share the dataset, each running one contiguous part of it, instead of each "
             "running all of it. Made-up data is not divided.",
     .offset = FIELD(bool, divide_input)},
    {.name = "engine_device",
     .kind = OPTION_TEXT,
     .group = GROUP_ENGINE,
     .metavar = "NAME",
     .default_words = "CPU",
     .help = "OpenVINO's name of the device: CPU, GPU, NPU, AUTO and so on.",
     .offset = FIELD(const char *, engine_device)},
    {.name = "engine_option",
     .kind = OPTION_KEY_VALUE,
     .group = GROUP_ENGINE,
     .metavar = "KEY=VALUE",
     .help = "A property handed to the engine as it is. May be given many times, with a different key each "
             "time.",
     .offset = FIELD(const char **, engine_options)},
    {.name = "aipp_config",
     .aliases = {"-aipp"},
     .kind = OPTION_FILE,
     .group = GROUP_ENGINE,
     .metavar = "FILE.config",
     .help = "Settings for an offline model with dynamic AIPP, which it needs: an INI file with a section "
             "[aipp_op], at most 12.5 KiB. Other models ignore it, with a warning.",
     .offset = FIELD(const char *, aipp_config)},

    {.name = "input",
     .aliases = {"-i"},
     .kind = OPTION_PATHS,
     .group = GROUP_INPUT,
     .metavar = "PATHS",
     .default_words = "none: made-up data",
     .help =
         "Files, or directories of .npy and .bin files (.zst forms too), joined by ','. One directory for "
         "each input of the model, or files in as many equal runs.",
     .offset = FIELD(const char *, input)},
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .group = GROUP_INPUT,
     .metavar = "N",
     .default_words = "all",
     .min = 1,
     .max = UINT64_MAX,
     .help = "Runs only the first N samples.",
     .offset = FIELD(uint64_t, limit)},
    {.name = "pure_data_type",
     .aliases = {"-pdt"},
     .kind = OPTION_CHOICE,
     .group = GROUP_INPUT,
     .metavar = "TYPE",
     .choices = pure_data_choices,
     .help = "What made-up data consists of. Used only without --input.",
     .offset = FIELD(int, pure_data_type)},
    {.name = "seed",
     .kind = OPTION_NUMBER,
     .group = GROUP_INPUT,
     .metavar = "N",
     .max = UINT64_MAX,
     .help = "Start of the random numbers: the same seed makes the same data.",
     .offset = FIELD(uint64_t, seed)},

    {.name = "output",
     .aliases = {"-o"},
     .kind = OPTION_DIRECTORY,
     .group = GROUP_OUTPUT,
     .metavar = "DIR",
     .default_words = "none: nothing is saved",
     .help = "Where results go, in a new directory named after the time. Made when it does not exist.",
     .offset = FIELD(const char *, output)},
    {.name = "output_dirname",
     .aliases = {"-od"},
     .kind = OPTION_SUBPATH,
     .group = GROUP_OUTPUT,
     .needs_output = true,
     .metavar = "NAME",
     .default_words = "the time",
     .help = "Name of the directory below --output, instead of the time. A relative path without '..'.",
     .offset = FIELD(const char *, output_dirname)},
    {.name = "outfmt",
     .kind = OPTION_CHOICE,
     .group = GROUP_OUTPUT,
     .metavar = "FORMAT",
     .choices = outfmt_choices,
     .help = "Format of the results: raw bytes, NumPy arrays or text.",
     .offset = FIELD(int, outfmt)},
    {.name = "compress",
     .kind = OPTION_BOOL,
     .group = GROUP_OUTPUT,
     .needs_output = true,
     .metavar = "BOOL",
     .help = "Compresses each result with zstd and adds .zst to its name. Needs --output.",
     .offset = FIELD(bool, compress)},
    {.name = "output_batchsize_axis",
     .aliases = {"-oba"},
     .kind = OPTION_NUMBER,
     .group = GROUP_OUTPUT,
     .metavar = "AXIS",
     .max = AISPIPE_MAX_RANK - 1,
     .help = "Axis along which the output of a batch is cut into one file per sample.",
     .offset = FIELD(uint64_t, output_batchsize_axis)},

    {.name = "dymBatch",
     .aliases = {"--dym-batch", "-db"},
     .kind = OPTION_NUMBER,
     .group = GROUP_SHAPE,
     .metavar = "N",
     .default_words = "none",
     .min = 1,
     .max = MAX_DIM,
     .help = "Size of the first dimension of the inputs that leave it open.",
     .offset = FIELD(uint64_t, dym_batch)},
    {.name = "dymHW",
     .aliases = {"--dym-hw", "-dhw"},
     .kind = OPTION_HW,
     .group = GROUP_SHAPE,
     .metavar = "H,W",
     .default_words = "none",
     .min = 1,
     .max = MAX_DIM,
     .help = "Height and width of the inputs that are images and leave them open: dimensions 2 and 3 of "
             "four, or 1 and 2 where the last one is known to be 1 to 4.",
     .offset = FIELD(uint64_t *, dym_hw)},
    {.name = "dymDims",
     .aliases = {"--dym-dims", "-dd"},
     .kind = OPTION_SHAPE,
     .group = GROUP_SHAPE,
     .metavar = "SHAPES",
     .default_words = "none",
     .help = "All dimensions of inputs, as in 'in1:1,600;in2:1,600'. On Ascend together one of the gears "
             "that the model was made with.",
     .offset = FIELD(const char *, dym_dims)},
    {.name = "dymShape",
     .aliases = {"--dym-shape", "-ds"},
     .kind = OPTION_SHAPE,
     .group = GROUP_SHAPE,
     .metavar = "SHAPES",
     .default_words = "none",
     .help = "All dimensions of inputs, as in 'in1:1,600;in2:1,600': any that the model can compute.",
     .offset = FIELD(const char *, dym_shape)},
    {.name = "dymShape_range",
     .aliases = {"--dym-shape-range", "-dr"},
     .kind = OPTION_RANGE,
     .group = GROUP_SHAPE,
     .metavar = "RANGE",
     .default_words = "none",
     .help =
         "Runs one shape after the other and compares them. 'in1:1,3,200~224~8,224-230;in2:1,300': a~b is "
         "every size from a to b, a~b~s every s-th, a-b-c these; or a file with such a line each. Every "
         "combination is run. Not looked at when --dymShape is given.",
     .offset = FIELD(const char *, dym_shape_range)},
    {.name = "auto_set_dymdims_mode",
     .aliases = {"-asddm"},
     .kind = OPTION_BOOL,
     .group = GROUP_SHAPE,
     .metavar = "BOOL",
     .help = "Takes the dimensions of each sample from its .npy files, as --dymDims would. Needs --input.",
     .offset = FIELD(bool, auto_dims)},
    {.name = "auto_set_dymshape_mode",
     .aliases = {"-asdsm"},
     .kind = OPTION_BOOL,
     .group = GROUP_SHAPE,
     .metavar = "BOOL",
     .help = "Takes the dimensions of each sample from its .npy files, as --dymShape would. Needs --input.",
     .offset = FIELD(bool, auto_shape)},
    {.name = "outputSize",
     .aliases = {"--output-size", "-outsize"},
     .kind = OPTION_SIZES,
     .group = GROUP_SHAPE,
     .metavar = "BYTES",
     .default_words = "what the model says",
     .help = "Bytes of memory for each output, joined by ','. Needed where the size of an output is known "
             "only after an execution.",
     .offset = FIELD(const char *, output_size)},

    {.name = "config",
     .kind = OPTION_FILE,
     .group = GROUP_PIPELINE,
     .metavar = "FILE.json",
     .default_words = "none",
     .help = "Takes options from this file, a JSON object with their names as keys, as in {\"threads\": 4}. "
             "'aispipe tune' writes such a file. What is given on the command line counts.",
     .offset = FIELD(const char *, config)},
    {.name = "threads",
     .kind = OPTION_NUMBER,
     .group = GROUP_PIPELINE,
     .metavar = "N",
     .initial = 1,
     .min = 1,
     .max = MAX_THREADS,
     .help = "Threads that execute the model, each on the next batch that is ready.",
     .offset = FIELD(uint64_t, threads)},
    {.name = "load_threads",
     .kind = OPTION_NUMBER,
     .group = GROUP_PIPELINE,
     .metavar = "N",
     .default_words = "chosen",
     .min = 1,
     .max = MAX_THREADS,
     .help = "Threads that read input files.",
     .offset = FIELD(uint64_t, load_threads)},
    {.name = "save_threads",
     .kind = OPTION_NUMBER,
     .group = GROUP_PIPELINE,
     .metavar = "N",
     .default_words = "chosen",
     .min = 1,
     .max = MAX_THREADS,
     .help = "Threads that write results.",
     .offset = FIELD(uint64_t, save_threads)},
    {.name = "queue_depth",
     .kind = OPTION_DEPTHS,
     .group = GROUP_PIPELINE,
     .metavar = "DEPTHS",
     .default_words = "chosen",
     .min = 1,
     .max = MAX_DEPTH,
     .help = "Room in the ring in front of each stage: one number for all, or any of load=8,h2d=4,compute=4,"
             "d2h=8,save=8.",
     .offset = FIELD(uint64_t *, depth)},
    {.name = "inflight",
     .kind = OPTION_NUMBER,
     .group = GROUP_PIPELINE,
     .metavar = "N",
     .default_words = "chosen",
     .min = 1,
     .max = MAX_DEPTH,
     .help = "Batches in flight at a time. Memory grows with them and with nothing else.",
     .offset = FIELD(uint64_t, inflight)},
    {.name = "affinity",
     .kind = OPTION_TEXT,
     .group = GROUP_PIPELINE,
     .metavar = "CORES",
     .default_words = "auto",
     .help =
         "Processor cores to run on: a list as in 0-3,8 or, with several devices, one for each, joined by "
         "';'. none restricts nothing. auto takes those of the device's NUMA node where that is known and "
         "the machine has several, otherwise it restricts nothing.",
     .offset = FIELD(const char *, affinity)},
    {.name = "auto_tune",
     .kind = OPTION_BOOL,
     .group = GROUP_PIPELINE,
     .metavar = "BOOL",
     .help =
         "Adapts the numbers of load and save threads and of batches in flight while the run goes on, from "
         "its own statistics, and says what was changed and why. Starts with --load_threads and "
         "--save_threads and never has fewer; where --inflight is given, never more batches. Needs --input; "
         "not with --pipeline 0 or --run_mode full.",
     .offset = FIELD(bool, auto_tune)},
    {.name = "pipeline",
     .kind = OPTION_BOOL,
     .group = GROUP_PIPELINE,
     .metavar = "BOOL",
     .initial = 1,
     .help = "0 keeps one batch in flight, so that no two stages overlap.",
     .offset = FIELD(bool, pipeline)},
    {.name = "run_mode",
     .aliases = {"-rm"},
     .kind = OPTION_CHOICE,
     .group = GROUP_PIPELINE,
     .metavar = "MODE",
     .choices = run_mode_choices,
     .help =
         "array reads into host memory, then transfers. files reads .bin files straight into the transfer "
         "buffer. tensor is array with the transfer timed separately. full transfers the whole dataset, "
         "then executes all of it, then saves all of it.",
     .offset = FIELD(int, run_mode)},

    {.name = "loop",
     .kind = OPTION_NUMBER,
     .group = GROUP_MEASURING,
     .metavar = "N",
     .initial = 1,
     .min = 1,
     .max = UINT32_MAX,
     .help = "Executions of each batch, each one timed.",
     .offset = FIELD(uint64_t, loop)},
    {.name = "warmup_count",
     .aliases = {"-wcount"},
     .kind = OPTION_NUMBER,
     .group = GROUP_MEASURING,
     .metavar = "N",
     .initial = 1,
     .max = UINT32_MAX,
     .help = "Executions of the first batch before the run, on every compute thread, not timed.",
     .offset = FIELD(uint64_t, warmup_count)},
    {.name = "batchsize",
     .aliases = {"--batch-size"},
     .kind = OPTION_NUMBER,
     .group = GROUP_MEASURING,
     .metavar = "N",
     .default_words = "the model's",
     .min = 1,
     .max = UINT32_MAX,
     .help = "Samples per batch in the throughput figure. Changes nothing else.",
     .offset = FIELD(uint64_t, batchsize)},
    {.name = "display_all_summary",
     .aliases = {"-das"},
     .kind = OPTION_BOOL,
     .group = GROUP_MEASURING,
     .metavar = "BOOL",
     .help = "Also prints the times of transfers to and from the device.",
     .offset = FIELD(bool, display_all_summary)},

    {.name = "energy_consumption",
     .aliases = {"-ec"},
     .kind = OPTION_BOOL,
     .group = GROUP_MEASURING,
     .metavar = "BOOL",
     .help = "Also measures the joules of the run: of each NPU of --npu_id where npu-smi is installed, "
             "otherwise of the machine's processors and memory.",
     .offset = FIELD(bool, energy_consumption)},
    {.name = "npu_id",
     .kind = OPTION_NUMBERS,
     .group = GROUP_MEASURING,
     .metavar = "ID[,ID...]",
     .max = 2048,
     .help = "The NPUs whose energy --energy_consumption measures, by npu-smi's numbers.",
     .offset = FIELD(struct number_list, npu_id)},
    {.name = "perf",
     .kind = OPTION_BOOL,
     .group = GROUP_MEASURING,
     .metavar = "BOOL",
     .help =
         "With --backend trtexec: measures the .onnx model with TensorRT's trtexec, shows its log and stores "
         "the figures. --loop, --warmup_count, --device and --batchsize are handed on.",
     .offset = FIELD(bool, perf)},

    {.name = "debug",
     .kind = OPTION_BOOL,
     .group = GROUP_DIAGNOSIS,
     .metavar = "BOOL",
     .help = "Describes the model and the layout of the pipeline, and prints the time of each execution and "
             "what is loaded and saved.",
     .offset = FIELD(bool, debug)},
    {.name = "profiler",
     .aliases = {"-pf"},
     .kind = OPTION_BOOL,
     .group = GROUP_DIAGNOSIS,
     .needs_output = true,
     .metavar = "BOOL",
     .help = "Writes the mean time of each layer below DIR/profiler, as JSON and as a trace for Chrome's and "
             "Perfetto's viewers. On Ascend: runs below the vendor's msprof where it is installed, otherwise "
             "lets the device runtime profile. Needs --output; not with --dump.",
     .offset = FIELD(bool, profiler)},
    {.name = "dump",
     .kind = OPTION_BOOL,
     .group = GROUP_DIAGNOSIS,
     .needs_output = true,
     .metavar = "BOOL",
     .help =
         "Writes every layer's output for the first batch below DIR/dump, as NumPy arrays; of .onnx models. "
         "On Ascend the device runtime dumps there, in its own format, inputs and outputs of every layer. "
         "Needs --output; not with --profiler.",
     .offset = FIELD(bool, dump)},
    {.name = "dump_npy",
     .kind = OPTION_BOOL,
     .group = GROUP_DIAGNOSIS,
     .needs_output = true,
     .metavar = "BOOL",
     .help =
         "Ascend: converts the dump to NumPy arrays after the run, with CANN's msaccucmp.py. Needs --output, "
         "and --dump or --acl_json_path. Other dumps are NumPy arrays already.",
     .offset = FIELD(bool, dump_npy)},
    {.name = "profiler_rename",
     .kind = OPTION_BOOL,
     .group = GROUP_DIAGNOSIS,
     .metavar = "BOOL",
     .initial = 1,
     .help = "Ascend: puts the model's name into the names of the tables that msprof makes for --profiler.",
     .offset = FIELD(bool, profiler_rename)},
    {.name = "acl_json_path",
     .aliases = {"-acl"},
     .kind = OPTION_FILE,
     .group = GROUP_DIAGNOSIS,
     .metavar = "FILE",
     .default_words = "none",
     .help =
         "Ascend: starts the device runtime with this acl.json (at most 8 KiB) instead of one made for "
         "--profiler or --dump. What it says about profiling is handed to msprof where that is installed.",
     .offset = FIELD(const char *, acl_json_path)},
    {.name = "progress",
     .kind = OPTION_CHOICE,
     .group = GROUP_DIAGNOSIS,
     .metavar = "WHEN",
     .choices = progress_choices,
     .help = "Progress on stderr: on a terminal a line that is redrawn, otherwise a line every 10 seconds. "
             "always adds a last line when the run ends there.",
     .offset = FIELD(int, progress)},
    {.name = "help",
     .aliases = {"-h"},
     .kind = OPTION_FLAG,
     .group = GROUP_DIAGNOSIS,
     .help = "Prints this text.",
     .offset = FIELD(bool, help)},
    {.name = "version",
     .kind = OPTION_FLAG,
     .group = GROUP_DIAGNOSIS,
     .help = "Prints the version.",
     .offset = FIELD(bool, version)},
};

const size_t option_count = sizeof option_table / sizeof option_table[0];

const struct option_set main_options = {
    .purpose = option_purpose,
    .options = option_table,
    .count = sizeof option_table / sizeof option_table[0],
};

/* Joins the choices with ", ", the last one with `last`. */
static const char *join_choices(const char *const *choices, const char *last, char *text, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; choices[i] && used < capacity; i++) {
        const char *separator = !i ? "" : choices[i + 1] ? ", " : last;
        int n = snprintf(text + used, capacity - used, "%s%s", separator, choices[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}

static const char *shape_accepts(enum option_kind kind)
{
    if (kind == OPTION_HW)
        return "height and width, as in 224,224";
    if (kind == OPTION_SHAPE)
        return "the dimensions of inputs, as in 'in1:1,600;in2:1,600'";
    if (kind == OPTION_RANGE)
        return "ranges of dimensions, as in 'in1:1,3,200~224,224-230', or a file of such lines";
    return "a number of bytes for each output, joined by ','";
}

const char *option_accepts(const struct option_spec *spec, char *text, size_t capacity)
{
    text[0] = '\0';
    switch (spec->kind) {
    case OPTION_BOOL:
        (void)snprintf(text, capacity, "1 true t yes y, 0 false f no n, or nothing for true");
        return text;
    case OPTION_NUMBER:
        (void)snprintf(text, capacity, "a whole number %" PRIu64 "–%" PRIu64, spec->min, spec->max);
        return text;
    case OPTION_NUMBERS:
        (void)snprintf(text, capacity,
                       "whole numbers %" PRIu64 "–%" PRIu64 " joined by ',', at most %d of them", spec->min,
                       spec->max, NUMBER_LIST_MAX);
        return text;
    case OPTION_REAL:
        (void)snprintf(text, capacity, "a number, 0 or more, as in 0.001 or 1e-3");
        return text;
    case OPTION_CHOICE:
    case OPTION_NAME:
        return join_choices(spec->choices, " or ", text, capacity);
    case OPTION_DEPTHS:
        (void)snprintf(text, capacity,
                       "a whole number %" PRIu64 "–%" PRIu64
                       ", or such a number for any stage as in load=8,h2d=4,compute=4,d2h=8,save=8",
                       spec->min, spec->max);
        return text;
    case OPTION_PATHS:
        (void)snprintf(text, capacity, "paths that exist, joined by ','");
        return text;
    case OPTION_SUBPATH:
        (void)snprintf(text, capacity, "a relative path without '..'");
        return text;
    case OPTION_KEY_VALUE:
        (void)snprintf(text, capacity, "KEY=VALUE, for example PERFORMANCE_HINT=LATENCY");
        return text;
    case OPTION_HW:
    case OPTION_SHAPE:
    case OPTION_RANGE:
    case OPTION_SIZES:
        (void)snprintf(text, capacity, "%s", shape_accepts(spec->kind));
        return text;
    case OPTION_FILE:
        (void)snprintf(text, capacity, "a file");
        return text;
    case OPTION_DIRECTORY:
        (void)snprintf(text, capacity, "a directory");
        return text;
    case OPTION_TEXT:
        (void)snprintf(text, capacity, "a name that is not empty");
        return text;
    case OPTION_FLAG:
        break;
    }
    return text;
}

const char *option_values(const struct option_spec *spec, char *text, size_t capacity)
{
    text[0] = '\0';
    if (spec->kind == OPTION_CHOICE || spec->kind == OPTION_NAME)
        return join_choices(spec->choices, ", ", text, capacity);
    if (spec->kind == OPTION_NUMBER || spec->kind == OPTION_NUMBERS || spec->kind == OPTION_DEPTHS)
        (void)snprintf(text, capacity, "%" PRIu64 "–%" PRIu64, spec->min, spec->max);
    return text;
}

const char *option_default(const struct option_spec *spec, char *text, size_t capacity)
{
    text[0] = '\0';
    if (spec->required)
        (void)snprintf(text, capacity, "required");
    else if (spec->default_words)
        (void)snprintf(text, capacity, "default %s", spec->default_words);
    else if (spec->kind == OPTION_CHOICE || spec->kind == OPTION_NAME)
        (void)snprintf(text, capacity, "default %s", spec->choices[spec->initial]);
    else if (spec->kind == OPTION_NUMBER || spec->kind == OPTION_NUMBERS || spec->kind == OPTION_BOOL)
        (void)snprintf(text, capacity, "default %" PRIu64, spec->initial);
    return text;
}

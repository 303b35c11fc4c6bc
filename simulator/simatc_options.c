/* SPDX-License-Identifier: MIT */
/* The command line: atc's spellings, `--x=y` and `--x y`, one dash or two. */
#include "simatc.h"

#include <stdio.h>
#include <string.h>

/* Every option that has a meaning: its name, which is also the member's, its value and what it is for. */
#define OPTIONS(X)                                                                            \
    X(model, "FILE", "the ONNX model; required")                                              \
    X(framework, "5", "5, which is ONNX; required")                                           \
    X(output, "PATH", "where the result goes: PATH.om; required")                             \
    X(soc_version, "NAME", "the processor, such as Ascend310P3; required")                    \
    X(input_format, "FORMAT", "NCHW (default), NHWC or ND (default with --dynamic_dims)")     \
    X(input_shape, "\"in:1,3,224,224;…\"", "shapes of inputs; -1 and 1~8 are dynamic")        \
    X(input_shape_range, "\"in:[1~8,3,-1,-1];…\"", "shapes of inputs with their ranges")      \
    X(dynamic_batch_size, "1,2,4,8", "the sizes for the first dimension where it is -1")      \
    X(dynamic_image_size, "\"224,224;448,448\"", "height,width for inputs where both are -1") \
    X(dynamic_dims, "\"1,16;2,32\"", "numbers for every -1 of all inputs, in order")          \
    X(insert_op_conf, "FILE", "static or dynamic AIPP")                                       \
    X(out_nodes, "\"node:0;…\"", "outputs: node and number, or names of tensors")             \
    X(output_type, "TYPE", "FP32, FP16 or UINT8 for every output, or \"node:0:FP16;…\"")

static const struct {
    const char *name, *value, *help;
} known[] = {
#define DESCRIBE(name, value, help) {#name, value, help},
    OPTIONS(DESCRIBE)
#undef DESCRIBE
};
#define N_KNOWN (sizeof known / sizeof *known)

/* What makes a real model faster, smaller or more exact, and nothing here. */
static const char *const ignored[] = {
    "op_type_map",
    "enable_small_channel",
    "precision_mode",
    "log",
    "precision_mode_v2",
    "op_select_implmode",
    "optypelist_for_implmode",
    "op_precision_mode",
    "keep_dtype",
    "fusion_switch_file",
    "buffer_optimize",
    "disable_reuse_memory",
    "core_type",
    "aicore_num",
    "op_debug_level",
    "debug_dir",
    "check_report",
    "op_compiler_cache_mode",
    "op_compiler_cache_dir",
    "enable_compress_weight",
    "virtual_type",
    "deterministic",
    "host_env_os",
    "host_env_cpu",
};
#define N_IGNORED (sizeof ignored / sizeof *ignored)

void simatc_help(void)
{
    (void)printf(
        "Usage: simatc --model=FILE --framework=5 --output=PATH --soc_version=NAME [options]\n\n"
        "Makes PATH.om for the simulated Ascend device. A value stands after '=' or after a blank.\n\n");
    for (size_t i = 0; i < N_KNOWN; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s=%s", known[i].name, known[i].value);
        (void)printf("  %-44s %s\n", left, known[i].help);
    }
    (void)printf("\nAccepted, with a warning, because they mean nothing here:\n ");
    for (size_t i = 0; i < N_IGNORED; i++)
        (void)printf(" --%s%s", ignored[i], i % 4 == 3 && i + 1 < N_IGNORED ? "\n " : "");
    (void)printf("\n");
}

static bool is_name(struct onnx_span name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (onnx_is(name, list[i]))
            return true;
    return false;
}

/* Where the value of that option goes; NULL when it is not known. */
static const char **member(struct simatc_options *options, struct onnx_span name)
{
#define PLACE(member, value, help) \
    if (onnx_is(name, #member))    \
        return &options->member;
    OPTIONS(PLACE)
#undef PLACE
    return NULL;
}

static int parse_option(int argc, char *const *argv, int *i, struct simatc_options *options,
                        simatc_warn_fn warn, struct aispipe_error *error)
{
    const char *text = argv[*i];
    size_t dashes = strspn(text, "-");
    if (dashes < 1 || dashes > 2 || !text[dashes])
        return aispipe_fail(error, AISPIPE_INVALID,
                            "'%s' is no option; options begin with -- (see simatc --help)", text);
    const char *value = strchr(text, '=');
    const char *start = text + dashes;
    struct onnx_span name = {(const uint8_t *)start, value ? (size_t)(value - start) : strlen(start)};
    if (onnx_is(name, "help") || onnx_is(name, "h")) {
        options->help = true;
        return 0;
    }
    const char **place = member(options, name);
    if (!place && !is_name(name, ignored, N_IGNORED))
        return aispipe_fail(error, AISPIPE_INVALID, "option '%s' is not known (see simatc --help)", text);
    value = value ? value + 1 : ++*i < argc ? argv[*i] : "";
    if (!*value || (value == argv[*i] && value[0] == '-' && value[1] == '-'))
        return aispipe_fail(error, AISPIPE_INVALID, "option '%s' has no value", text);
    if (place && *place)
        return aispipe_fail(error, AISPIPE_INVALID, "option '--%.*s' is there twice: '%s' and '%s'",
                            (int)name.bytes, start, *place, value);
    if (place) {
        *place = value;
        return 0;
    }
    char line[256];
    (void)snprintf(line, sizeof line, "--%.*s=%.100s has no meaning for the simulated device",
                   (int)name.bytes, start, value);
    warn(line);
    return 0;
}

static int check_required(const struct simatc_options *options, struct aispipe_error *error)
{
    static const char *const names[] = {"model", "framework", "output", "soc_version"};
    const char *const values[] = {options->model, options->framework, options->output, options->soc_version};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!values[i])
            return aispipe_fail(error, AISPIPE_INVALID, "--%s is missing (see simatc --help)", names[i]);
    if (strcmp(options->framework, "5") != 0)
        return aispipe_fail(error, AISPIPE_INVALID, "--framework=%s: only 5, which is ONNX, can be simulated",
                            options->framework);
    if (strncmp(options->soc_version, "Ascend", 6) != 0 || !options->soc_version[6])
        return aispipe_fail(error, AISPIPE_INVALID,
                            "--soc_version=%s: a name that begins with Ascend is wanted, such as Ascend310P3",
                            options->soc_version);
    return 0;
}

static int check_together(const struct simatc_options *options, struct aispipe_error *error)
{
    const struct {
        const char *name, *value;
    } modes[] = {{"--dynamic_batch_size", options->dynamic_batch_size},
                 {"--dynamic_image_size", options->dynamic_image_size},
                 {"--dynamic_dims", options->dynamic_dims},
                 {"--input_shape_range", options->input_shape_range}};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (!modes[i].value)
            continue;
        if (first)
            return aispipe_fail(error, AISPIPE_INVALID, "%s and %s exclude each other; give one of them",
                                first, modes[i].name);
        first = modes[i].name;
    }
    if (first && options->input_shape_range && options->input_shape)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "--input_shape and --input_shape_range exclude each other; give one of them");
    if (first && !options->input_shape_range && !options->input_shape)
        return aispipe_fail(error, AISPIPE_INVALID, "%s needs --input_shape, with -1 for what it varies",
                            first);
    if (options->dynamic_dims && options->insert_op_conf)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "--dynamic_dims and --insert_op_conf exclude each other; give one of them");
    return 0;
}

int simatc_parse(int argc, char *const *argv, struct simatc_options *options, simatc_warn_fn warn,
                 struct aispipe_error *error)
{
    *options = (struct simatc_options){0};
    for (int i = 1; i < argc; i++) {
        int rc = parse_option(argc, argv, &i, options, warn, error);
        if (rc)
            return rc;
    }
    if (options->help)
        return 0;
    int rc = check_required(options, error);
    return rc ? rc : check_together(options, error);
}

/* SPDX-License-Identifier: MIT */
/* simatc: makes offline models for the simulated Ascend device, with the spellings of Ascend's own atc. */
#include "simatc.h"

#include "read_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_USAGE 2

static void print_warning(const char *line)
{
    (void)fprintf(stderr, "[WARNING] %s\n", line);
}

/* Errors are one line and do not steer the terminal, whatever names and files hold. */
static void print_error(struct aispipe_error *error)
{
    for (char *c = error->message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    (void)fprintf(stderr, "[ERROR] %s\n", error->message);
}

static int set_names(const struct simatc_options *options, struct om_file *om, struct aispipe_error *error)
{
    const char *slash = strrchr(options->output, '/');
    const char *stem = slash ? slash + 1 : options->output;
    if (!*stem)
        return aispipe_fail(error, AISPIPE_INVALID, "--output=%s has no file name", options->output);
    if (strlen(options->soc_version) >= sizeof om->soc_version || strlen(stem) >= sizeof om->name)
        return aispipe_fail(error, AISPIPE_INVALID, "--soc_version or the name in --output is too long");
    (void)snprintf(om->name, sizeof om->name, "%s", stem);
    (void)snprintf(om->soc_version, sizeof om->soc_version, "%s", options->soc_version);
    return 0;
}

static int fill(const struct simatc_options *options, const struct onnx_model *model, struct om_file *om,
                struct aispipe_error *error)
{
    struct onnx_span tensors[OM_MAX_TENSORS];
    int rc = set_names(options, om, error);
    if (!rc)
        rc = simatc_set_inputs(options, model, om, error);
    if (!rc)
        rc = simatc_set_gears(options, om, error);
    if (!rc)
        rc = simatc_set_aipp(options, om, error);
    if (!rc)
        rc = simatc_set_outputs(options, model, om, tensors, error);
    if (!rc)
        rc = onnx_rewrite(model, om->inputs, tensors, om->n_outputs, &om->onnx, &om->onnx_bytes, error);
    return rc;
}

static int write_om(const struct simatc_options *options, const struct onnx_model *model,
                    struct aispipe_error *error)
{
    char *path = NULL;
    struct om_file *om = calloc(1, sizeof *om);
    if (!om || asprintf(&path, "%s.om", options->output) < 0) {
        free(om);
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory");
    }
    int rc = fill(options, model, om, error);
    if (!rc)
        rc = om_write(path, om, error);
    if (!rc)
        (void)printf("[INFO] wrote '%s': %s, inputs %zu, outputs %zu, gears %zu\n", path,
                     om_mode_name(om->mode), om->n_inputs, om->n_outputs, om->n_gears);
    om_free(om);
    free(path);
    return rc;
}

static int convert(const struct simatc_options *options, struct aispipe_error *error)
{
    void *data;
    size_t bytes;
    struct onnx_model model;
    int rc = read_whole_file(options->model, "model", SIZE_MAX, &data, &bytes, error);
    if (rc)
        return rc;
    rc = onnx_parse(data, bytes, options->model, &model, error);
    if (!rc) {
        rc = write_om(options, &model, error);
        onnx_free(&model);
    }
    free(data);
    return rc;
}

int main(int argc, char *argv[])
{
    struct simatc_options options;
    struct aispipe_error error = {0};
    int rc = simatc_parse(argc, argv, &options, print_warning, &error);
    if (!rc && options.help) {
        simatc_help();
        return EXIT_SUCCESS;
    }
    if (!rc)
        rc = convert(&options, &error);
    if (!rc && fflush(stdout))
        rc = aispipe_fail(&error, AISPIPE_IO, "cannot write to standard output");
    if (!rc)
        return EXIT_SUCCESS;
    print_error(&error);
    return rc == AISPIPE_INVALID ? STATUS_USAGE : EXIT_FAILURE;
}

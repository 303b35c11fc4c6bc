/* SPDX-License-Identifier: MIT */
/* --insert_op_conf: which input gets which AIPP, and the sizes that the file leaves to the model. */
#include "aipp_file.h"
#include "simatc.h"

#include <inttypes.h>

/* The size of an axis, or its largest where it varies; 0 when that is not known. */
static int64_t largest(const struct om_file *om, const struct om_input *input, int axis, bool width)
{
    int64_t most = input->high[axis];
    if (input->dims[axis] != -1 || om->mode != OM_DYNAMIC_IMAGE_SIZE)
        return most > 0 ? most : 0;
    for (size_t i = 0; i < om->n_gears; i++) {
        int64_t size = om->gears[2 * i + (width ? 1 : 0)];
        most = size > most ? size : most;
    }
    return most;
}

/* 0 in the file means the model's own size. */
static int fill_size(const char *key, int64_t size, bool padding, int32_t *value, struct aispipe_error *error)
{
    if (*value)
        return 0;
    if (padding)
        return aispipe_fail(error, AISPIPE_INVALID, "%s is missing, which padding needs", key);
    if (size < 1 || size > AIPP_SOURCE_MOST)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%s is missing, and the model's own size cannot stand in for it: it is %" PRId64
                            "; 1 to %d is wanted",
                            key, size, AIPP_SOURCE_MOST);
    *value = (int32_t)size;
    return 0;
}

static int fill_static(const struct om_file *om, struct om_input *input, struct aispipe_error *error)
{
    struct aipp_source *source = &input->aipp_source;
    struct aipp_image *image = &input->aipp_image;
    int y = input->format == OM_NHWC ? 1 : 2;
    int64_t height = largest(om, input, y, false);
    int64_t width = largest(om, input, y + 1, true);
    if (image->crop && (!source->width || !source->height))
        return aispipe_fail(error, AISPIPE_INVALID,
                            "src_image_size_w or src_image_size_h is missing, which crop needs");
    int rc = fill_size("src_image_size_w", width, image->padding, &source->width, error);
    if (!rc)
        rc = fill_size("src_image_size_h", height, image->padding, &source->height, error);
    if (!rc && image->crop)
        rc = fill_size("crop_size_w", width, image->padding, &image->crop_width, error);
    if (!rc && image->crop)
        rc = fill_size("crop_size_h", height, image->padding, &image->crop_height, error);
    return rc;
}

static int set_op(const struct simatc_options *options, const struct aipp_op *op, struct om_file *om,
                  struct aispipe_error *error)
{
    const char *path = options->insert_op_conf;
    if (op->input >= om->n_inputs)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%s: related_input_rank is %zu; the model has inputs 0 to %zu", path, op->input,
                            om->n_inputs - 1);
    struct om_input *input = &om->inputs[op->input];
    if (input->rank != 4 || input->format == OM_ND)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "%s: input '%s' has %d dimensions in %s; AIPP wants 4 in NCHW or NHWC", path,
                            input->name, input->rank, om_format_name(input->format));
    input->aipp = op->mode;
    input->aipp_bytes_most = op->bytes_most;
    if (op->mode == OM_AIPP_DYNAMIC)
        return 0;
    input->aipp_source = op->source;
    input->aipp_image = op->image;
    struct aispipe_error reason = {0};
    int rc = fill_static(om, input, &reason);
    return rc ? aispipe_fail(error, rc, "%s: %s", path, reason.message) : 0;
}

int simatc_set_aipp(const struct simatc_options *options, struct om_file *om, struct aispipe_error *error)
{
    struct aipp_file file;
    if (!options->insert_op_conf)
        return 0;
    int rc = aipp_file_read(options->insert_op_conf, &file, error);
    for (size_t i = 0; !rc && i < file.count; i++)
        rc = set_op(options, &file.ops[i], om, error);
    for (size_t i = 1; !rc && i < file.count; i++)
        if (file.ops[i].mode != file.ops[0].mode)
            rc = aispipe_fail(error, AISPIPE_INVALID,
                              "%s: static and dynamic AIPP exclude each other in one model",
                              options->insert_op_conf);
    return rc;
}

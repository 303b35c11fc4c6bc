/* SPDX-License-Identifier: MIT */
/* Shapes of inputs, and gears. */
#include "simatc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Largest dimension that is taken; more is a slip. */
#define DIM_MOST INT32_MAX

bool simatc_cut(struct onnx_span *rest, char separator, struct onnx_span *part)
{
    if (!rest->data)
        return false;
    const uint8_t *at = rest->bytes ? memchr(rest->data, separator, rest->bytes) : NULL;
    *part = (struct onnx_span){rest->data, at ? (size_t)(at - rest->data) : rest->bytes};
    if (at)
        *rest = (struct onnx_span){at + 1, rest->bytes - part->bytes - 1};
    else
        *rest = (struct onnx_span){NULL, 0};
    return true;
}

bool simatc_number(struct onnx_span text, int64_t *number)
{
    bool minus = text.bytes > 0 && text.data[0] == '-';
    size_t digits = text.bytes - (minus ? 1 : 0);
    *number = 0;
    if (digits < 1 || digits > 15)
        return false;
    for (size_t i = minus ? 1 : 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *number = *number * 10 + (text.data[i] - '0');
    }
    *number = minus ? -*number : *number;
    return true;
}

#define SHOW(span) (int)((span).bytes < 100 ? (span).bytes : 100), (const char *)(span).data

static struct onnx_span trim(struct onnx_span text)
{
    while (text.bytes && text.data[0] == ' ') {
        text.data++;
        text.bytes--;
    }
    while (text.bytes && text.data[text.bytes - 1] == ' ')
        text.bytes--;
    return text;
}

static struct onnx_span whole(const char *text)
{
    size_t bytes = strlen(text);
    /* A list may end with its separator. */
    if (bytes > 1 && text[bytes - 1] == ';')
        bytes--;
    return (struct onnx_span){(const uint8_t *)text, bytes};
}

/* ------------------------------------------------------------------ --input_shape, --input_shape_range */

struct shape_option {
    const char *name;  /* of the option */
    const char *value; /* all of it */
    struct aispipe_error *error;
};

/* "8", "-1", "1~8" or "1~-1". */
static int set_dim(const struct shape_option *option, struct onnx_span text, struct om_input *input, int axis)
{
    struct onnx_span rest = trim(text);
    struct onnx_span part = {NULL, 0};
    int64_t low = 0;
    int64_t high = 0;
    bool is_range = memchr(rest.data ? rest.data : (const uint8_t *)"", '~', rest.bytes) != NULL;
    bool good = simatc_cut(&rest, '~', &part) && simatc_number(trim(part), &low);
    if (good && is_range)
        good =
            simatc_number(trim(rest), &high) && (high == -1 || (high >= low && high <= DIM_MOST)) && low >= 0;
    else
        good = good && (low == -1 || low >= 1) && low <= DIM_MOST;
    if (!good)
        return aispipe_fail(
            option->error, AISPIPE_INVALID,
            "%s: input '%s', dimension %d is '%.*s'; a number from 1, -1 or a range such as 1~8 is wanted",
            option->name, input->name, axis, SHOW(trim(text)));
    if (is_range && low == high && low > 0)
        is_range = false; /* which leaves one number */
    input->dims[axis] = is_range ? -1 : low;
    input->low[axis] = is_range || low > 0 ? low : 0;
    input->high[axis] = is_range ? high : low;
    return 0;
}

static int set_shape(const struct shape_option *option, struct onnx_span dims, struct om_input *input,
                     int rank)
{
    struct onnx_span rest = trim(dims);
    struct onnx_span part;
    if (rest.bytes >= 2 && rest.data[0] == '[' && rest.data[rest.bytes - 1] == ']')
        rest = (struct onnx_span){rest.data + 1, rest.bytes - 2};
    int axis = 0;
    if (rest.bytes == 0)
        rest.data = NULL; /* a scalar */
    while (simatc_cut(&rest, ',', &part)) {
        if (axis == OM_MAX_RANK)
            return aispipe_fail(option->error, AISPIPE_INVALID, "%s: input '%s' has more than %d dimensions",
                                option->name, input->name, OM_MAX_RANK);
        int rc = set_dim(option, part, input, axis++);
        if (rc)
            return rc;
    }
    if (rank >= 0 && axis != rank)
        return aispipe_fail(option->error, AISPIPE_INVALID,
                            "%s: input '%s' is given %d dimensions; the model's has %d", option->name,
                            input->name, axis, rank);
    input->rank = axis;
    return 0;
}

static int unknown_input(const struct shape_option *option, struct onnx_span name, const struct om_file *om)
{
    char names[512] = "";
    for (size_t i = 0; i < om->n_inputs; i++)
        (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "",
                       om->inputs[i].name);
    return aispipe_fail(option->error, AISPIPE_INVALID, "%s: the model has no input '%.*s'; it has %s",
                        option->name, SHOW(name), names);
}

/* "name:dims". Names may have colons of their own, dims have none. */
static int set_named_shape(const struct shape_option *option, struct onnx_span text,
                           const struct onnx_model *model, struct om_file *om, bool *given)
{
    const uint8_t *colon = text.bytes ? memrchr(text.data, ':', text.bytes) : NULL;
    if (!colon)
        return aispipe_fail(option->error, AISPIPE_INVALID,
                            "%s: '%.*s' is not name:dims, such as x:1,3,224,224", option->name, SHOW(text));
    struct onnx_span name = trim((struct onnx_span){text.data, (size_t)(colon - text.data)});
    struct onnx_span dims = {colon + 1, text.bytes - (size_t)(colon - text.data) - 1};
    for (size_t i = 0; i < om->n_inputs; i++) {
        struct om_input *input = &om->inputs[i];
        if (!onnx_is(name, input->name))
            continue;
        if (given[i])
            return aispipe_fail(option->error, AISPIPE_INVALID, "%s: input '%s' is there twice", option->name,
                                input->name);
        given[i] = true;
        return set_shape(option, dims, input, model->inputs[i].has_shape ? model->inputs[i].rank : -1);
    }
    return unknown_input(option, name, om);
}

static int model_shape(const struct onnx_tensor *tensor, struct om_input *input, struct aispipe_error *error)
{
    input->rank = tensor->rank;
    for (int axis = 0; axis < tensor->rank; axis++) {
        if (tensor->dims[axis] < 1)
            return aispipe_fail(
                error, AISPIPE_INVALID,
                "input '%s': the model leaves dimension %d open; give its shape with --input_shape",
                input->name, axis);
        input->dims[axis] = input->low[axis] = input->high[axis] = tensor->dims[axis];
    }
    if (!tensor->has_shape)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "input '%s': the model does not say its shape; give it with --input_shape",
                            input->name);
    return 0;
}

static int describe_input(const struct onnx_tensor *tensor, struct om_input *input,
                          struct aispipe_error *error)
{
    if (tensor->name.bytes > OM_NAME_MOST)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "input '%.*s…': its name has %zu bytes; AscendCL takes %d", SHOW(tensor->name),
                            tensor->name.bytes, OM_NAME_MOST);
    (void)snprintf(input->name, sizeof input->name, "%.*s", (int)tensor->name.bytes,
                   (const char *)tensor->name.data);
    if (tensor->dtype == AISPIPE_DTYPE_UNDEFINED)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "input '%s' has an element type that the device lacks", input->name);
    if (tensor->rank > OM_MAX_RANK)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "input '%s' has %d dimensions; at most %d are supported", input->name,
                            tensor->rank, OM_MAX_RANK);
    input->dtype = tensor->dtype;
    return 0;
}

static int find_format(const struct simatc_options *options, enum om_format *format,
                       struct aispipe_error *error)
{
    *format = options->dynamic_dims ? OM_ND : OM_NCHW;
    if (!options->input_format)
        return 0;
    int number = OM_NCHW;
    while (number <= OM_ND && strcmp(options->input_format, om_format_name((enum om_format)number)) != 0)
        number++;
    if (number > OM_ND)
        return aispipe_fail(error, AISPIPE_INVALID, "--input_format=%s: NCHW, NHWC or ND is wanted",
                            options->input_format);
    *format = (enum om_format)number;
    if (options->dynamic_dims && *format != OM_ND)
        return aispipe_fail(error, AISPIPE_INVALID, "--dynamic_dims needs --input_format=ND; it is %s",
                            options->input_format);
    return 0;
}

static int apply_shapes(const struct simatc_options *options, const struct onnx_model *model,
                        struct om_file *om, struct aispipe_error *error)
{
    bool given[OM_MAX_TENSORS] = {false};
    bool range = options->input_shape_range != NULL;
    struct shape_option option = {range ? "--input_shape_range" : "--input_shape",
                                  range ? options->input_shape_range : options->input_shape, error};
    struct onnx_span rest = option.value ? whole(option.value) : (struct onnx_span){NULL, 0};
    struct onnx_span part;
    int rc = 0;
    while (!rc && simatc_cut(&rest, ';', &part))
        rc = set_named_shape(&option, trim(part), model, om, given);
    for (size_t i = 0; !rc && i < om->n_inputs; i++)
        if (!given[i])
            rc = model_shape(&model->inputs[i], &om->inputs[i], error);
    return rc;
}

int simatc_set_inputs(const struct simatc_options *options, const struct onnx_model *model,
                      struct om_file *om, struct aispipe_error *error)
{
    enum om_format format;
    int rc = find_format(options, &format, error);
    if (rc)
        return rc;
    if (model->n_inputs < 1 || model->n_inputs > OM_MAX_TENSORS)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED, "the model has %zu inputs; 1 to %d are supported",
                            model->n_inputs, OM_MAX_TENSORS);
    om->n_inputs = model->n_inputs;
    om->inputs = calloc(om->n_inputs, sizeof *om->inputs);
    if (!om->inputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu inputs", om->n_inputs);
    for (size_t i = 0; !rc && i < om->n_inputs; i++)
        rc = describe_input(&model->inputs[i], &om->inputs[i], error);
    if (!rc)
        rc = apply_shapes(options, model, om, error);
    for (size_t i = 0; i < om->n_inputs; i++)
        om->inputs[i].format = om->inputs[i].rank == 4 ? format : OM_ND;
    return rc;
}

/* ------------------------------------------------------------------ gears */

struct gear_option {
    const char *name, *value;
    char outer, inner;
    size_t numbers; /* in one gear, as it is given */
};

static size_t count_dynamic(const struct om_file *om, bool *ranged)
{
    size_t count = 0;
    for (size_t i = 0; i < om->n_inputs; i++)
        for (int axis = 0; axis < om->inputs[i].rank; axis++) {
            count += om->inputs[i].dims[axis] == -1;
            *ranged = *ranged || (om->inputs[i].dims[axis] == -1 && om->inputs[i].high[axis] != -1);
        }
    return count;
}

/* The numbers of one gear as it was given to those that are stored: dynamic dims get all dims of all inputs.
 */
static void store_gear(const struct om_file *om, const int64_t *numbers, int64_t *gear)
{
    if (om->mode != OM_DYNAMIC_DIMS) {
        memcpy(gear, numbers, om->gear_length * sizeof *gear);
        return;
    }
    for (size_t i = 0; i < om->n_inputs; i++)
        for (int axis = 0; axis < om->inputs[i].rank; axis++)
            *gear++ = om->inputs[i].dims[axis] == -1 ? *numbers++ : om->inputs[i].dims[axis];
}

static int parse_gear(const struct gear_option *option, struct onnx_span text, struct om_file *om,
                      struct aispipe_error *error)
{
    int64_t numbers[OM_GEAR_LENGTH];
    struct onnx_span rest = trim(text);
    struct onnx_span part;
    size_t count = 0;
    while (simatc_cut(&rest, option->inner, &part)) {
        int64_t number;
        if (!simatc_number(trim(part), &number) || number < 1 || number > DIM_MOST)
            return aispipe_fail(error, AISPIPE_INVALID, "%s: '%.*s' is no number from 1 to %d", option->name,
                                SHOW(trim(part)), DIM_MOST);
        if (count < OM_GEAR_LENGTH)
            numbers[count] = number;
        count++;
    }
    if (count != option->numbers)
        return aispipe_fail(error, AISPIPE_INVALID, "%s: gear '%.*s' has %zu numbers; %zu are wanted",
                            option->name, SHOW(trim(text)), count, option->numbers);
    if (om->n_gears == OM_MAX_GEARS)
        return aispipe_fail(error, AISPIPE_INVALID, "%s has more than %d gears", option->name, OM_MAX_GEARS);
    int64_t *gear = om->gears + om->n_gears * om->gear_length;
    store_gear(om, numbers, gear);
    for (size_t i = 0; i < om->n_gears; i++)
        if (memcmp(om->gears + i * om->gear_length, gear, om->gear_length * sizeof *gear) == 0)
            return aispipe_fail(error, AISPIPE_INVALID, "%s: gear '%.*s' is there twice", option->name,
                                SHOW(trim(text)));
    om->n_gears++;
    return 0;
}

static int parse_gears(const struct gear_option *option, struct om_file *om, struct aispipe_error *error)
{
    size_t ranks = 0;
    for (size_t i = 0; i < om->n_inputs; i++)
        ranks += (size_t)om->inputs[i].rank;
    om->gear_length = om->mode == OM_DYNAMIC_DIMS ? ranks : option->numbers;
    if (om->gear_length > OM_GEAR_LENGTH)
        return aispipe_fail(error, AISPIPE_UNSUPPORTED,
                            "%s: the inputs have %zu dimensions together; AscendCL takes %d", option->name,
                            om->gear_length, OM_GEAR_LENGTH);
    om->gears = calloc(OM_MAX_GEARS, om->gear_length * sizeof *om->gears);
    if (!om->gears)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %d gears", OM_MAX_GEARS);
    struct onnx_span rest = whole(option->value);
    struct onnx_span part;
    int rc = 0;
    while (!rc && simatc_cut(&rest, option->outer, &part))
        rc = parse_gear(option, part, om, error);
    if (!rc && om->n_gears < 2)
        rc = aispipe_fail(error, AISPIPE_INVALID, "%s has one gear; at least two are wanted", option->name);
    return rc;
}

int simatc_set_gears(const struct simatc_options *options, struct om_file *om, struct aispipe_error *error)
{
    bool ranged = false;
    size_t dynamic = count_dynamic(om, &ranged);
    struct gear_option option = {0};
    if (options->dynamic_batch_size) {
        om->mode = OM_DYNAMIC_BATCH;
        /* One gear is one number: the gears are what stands between commas. */
        option = (struct gear_option){"--dynamic_batch_size", options->dynamic_batch_size, ',', ' ', 1};
    } else if (options->dynamic_image_size) {
        om->mode = OM_DYNAMIC_IMAGE_SIZE;
        option = (struct gear_option){"--dynamic_image_size", options->dynamic_image_size, ';', ',', 2};
    } else if (options->dynamic_dims) {
        om->mode = OM_DYNAMIC_DIMS;
        option = (struct gear_option){"--dynamic_dims", options->dynamic_dims, ';', ',', dynamic};
    } else {
        om->mode = dynamic ? OM_DYNAMIC_SHAPE : OM_STATIC;
        return 0;
    }
    if (dynamic == 0)
        return aispipe_fail(error, AISPIPE_INVALID, "%s: no dimension in --input_shape is -1", option.name);
    if (ranged)
        return aispipe_fail(error, AISPIPE_INVALID, "%s: --input_shape has a range; -1 is wanted there",
                            option.name);
    return parse_gears(&option, om, error);
}

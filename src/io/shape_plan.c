/* SPDX-License-Identifier: MIT */
#include "aispipe/files.h"

#include "io/file_reader.h"
#include "shape.h"

#include <stdlib.h>
#include <string.h>

struct aispipe_shape_plan {
    size_t n_inputs;
    uint64_t samples;
    uint32_t *of_sample;              /* index of its shape */
    struct aispipe_tensor_desc *each; /* all different ones, input by input */
    size_t n, room;
};

/* ---------------------------------------------------------------- one sample */

static bool same_shape(const struct aispipe_tensor_desc *a, const struct aispipe_tensor_desc *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].rank != b[i].rank ||
            memcmp(a[i].dims, b[i].dims, (size_t)a[i].rank * sizeof *a[i].dims) != 0)
            return false;
    return true;
}

/* Makes room for one more; false when there is no memory. */
static bool grow(struct aispipe_shape_plan *plan)
{
    if (plan->n < plan->room)
        return true;
    size_t room = plan->room ? 2 * plan->room : 16;
    struct aispipe_tensor_desc *more = NULL;
    if (room < UINT32_MAX)
        more = realloc(plan->each, room * plan->n_inputs * sizeof *more);
    if (!more)
        return false;
    plan->each = more;
    plan->room = room;
    return true;
}

/* Neighbours are alike more often than not, so the search goes backwards. */
static int add(struct aispipe_shape_plan *plan, uint64_t sample, const struct aispipe_tensor_desc *inputs,
               struct aispipe_error *error)
{
    size_t n = plan->n_inputs;
    size_t last = plan->n > 0 ? plan->of_sample[sample - 1] : 0;
    if (plan->n > 0 && same_shape(plan->each + last * n, inputs, n)) {
        plan->of_sample[sample] = (uint32_t)last;
        return 0;
    }
    for (size_t k = plan->n; k-- > 0;)
        if (same_shape(plan->each + k * n, inputs, n)) {
            plan->of_sample[sample] = (uint32_t)k;
            return 0;
        }
    if (!grow(plan))
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu different shapes", plan->n + 1);
    memcpy(plan->each + plan->n * n, inputs, n * sizeof *inputs);
    plan->of_sample[sample] = (uint32_t)plan->n++;
    return 0;
}

/* ---------------------------------------------------------------- one file */

static int take_header(const struct file_plan *files, size_t input, uint64_t sample,
                       const struct file_contents *contents, struct aispipe_tensor_desc *desc,
                       struct aispipe_error *error)
{
    struct file_label label;
    const struct npy_header *header = &contents->header;
    const char *name = dataset_label(&label, files->dataset, input, sample);
    if (!contents->has_header)
        return aispipe_fail(
            error, AISPIPE_INVALID,
            "input file '%s' is raw, so it does not say what shape it has; give .npy files, or "
            "the shape with --dymShape",
            name);
    if (header->item_bytes != aispipe_dtype_size(desc->dtype))
        return aispipe_fail(error, AISPIPE_FORMAT,
                            "input file '%s' has elements of type '%s', but the model's input '%s' takes %s; "
                            "save it as that",
                            name, header->descr, desc->name, aispipe_dtype_name(desc->dtype));
    desc->rank = header->rank;
    memcpy(desc->dims, header->dims, sizeof desc->dims);
    return 0;
}

static int take_sample(struct aispipe_shape_plan *plan, const struct file_plan *files,
                       const struct aispipe_model_desc *model, enum aispipe_shape_mode mode,
                       struct file_reader *reader, uint64_t sample, struct aispipe_tensor_desc *inputs,
                       struct aispipe_error *error)
{
    struct aispipe_error why = {0};
    int rc = 0;
    for (size_t i = 0; !rc && i < plan->n_inputs; i++) {
        struct file_contents contents;
        enum dataset_format format = dataset_format_of(files->dataset, i, sample);
        contents.has_header = false;
        inputs[i] = model->inputs[i];
        if (format == DATASET_NPY || format == DATASET_NPY_ZST)
            rc = file_reader_look(reader, i, sample, &contents, error);
        if (!rc)
            rc = take_header(files, i, sample, &contents, &inputs[i], error);
    }
    if (rc)
        return rc;
    rc = shape_check_each(mode, model, inputs, &why);
    if (!rc)
        return add(plan, sample, inputs, error);
    struct file_label label;
    return aispipe_fail(error, rc, "input file '%s' (or one beside it): %.1200s",
                        dataset_label(&label, files->dataset, 0, sample), why.message);
}

/* ---------------------------------------------------------------- all of them */

static struct aispipe_shape_plan *make(const struct aispipe_model_desc *model, uint64_t samples)
{
    struct aispipe_shape_plan *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->n_inputs = model->n_inputs;
    made->samples = samples;
    made->of_sample = calloc(samples, sizeof *made->of_sample);
    if (made->of_sample)
        return made;
    free(made);
    return NULL;
}

int aispipe_shape_plan_open(const struct aispipe_dataset *dataset, const struct aispipe_model_desc *model,
                            enum aispipe_shape_mode mode, struct aispipe_shape_plan **plan,
                            struct aispipe_error *error)
{
    *plan = NULL;
    const struct file_plan files = {
        .dataset = dataset, .inputs = model->inputs, .n_inputs = model->n_inputs, .files_per_batch = 1};
    struct aispipe_shape_plan *made = make(model, aispipe_dataset_samples(dataset));
    struct aispipe_tensor_desc *inputs = calloc(model->n_inputs, sizeof *inputs);
    if (!made || !inputs) {
        aispipe_shape_plan_close(made);
        free(inputs);
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for the shapes of the samples");
    }
    struct file_reader *reader = NULL;
    int rc = file_reader_open(&files, &reader, error);
    for (uint64_t sample = 0; !rc && sample < made->samples; sample++)
        rc = take_sample(made, &files, model, mode, reader, sample, inputs, error);
    file_reader_close(reader);
    free(inputs);
    if (rc) {
        aispipe_shape_plan_close(made);
        return rc;
    }
    *plan = made;
    return 0;
}

void aispipe_shape_plan_close(struct aispipe_shape_plan *plan)
{
    if (!plan)
        return;
    free(plan->of_sample);
    free(plan->each);
    free(plan);
}

const struct aispipe_tensor_desc *aispipe_shape_plan_inputs(const struct aispipe_shape_plan *plan,
                                                            uint64_t sample)
{
    return plan->each + plan->of_sample[sample] * plan->n_inputs;
}

const struct aispipe_tensor_desc *aispipe_shape_plan_each(const struct aispipe_shape_plan *plan, size_t *n)
{
    *n = plan->n;
    return plan->each;
}

double aispipe_shape_plan_mean_batch(const struct aispipe_shape_plan *plan, uint64_t first, uint64_t count)
{
    double sum = 0;
    for (uint64_t sample = first; sample < first + count; sample++) {
        const struct aispipe_tensor_desc *input = aispipe_shape_plan_inputs(plan, sample);
        sum += input->rank > 0 ? (double)input->dims[0] : 1;
    }
    return sum / (double)count;
}

uint64_t aispipe_shape_plan_samples(const struct aispipe_shape_plan *plan)
{
    return plan->samples;
}

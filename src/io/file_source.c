/* SPDX-License-Identifier: MIT */
#include "aispipe/files.h"

#include "io/file_reader.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct aispipe_file_source {
    struct file_plan plan;
    struct aispipe_file_source_layout layout;
    uint64_t samples;
    atomic_flag warned;
    atomic_uint threads; /* that read now */
};

/* ---------------------------------------------------------------- planning */

static int refuse_npy(const struct aispipe_dataset *dataset, struct aispipe_error *error)
{
    for (size_t input = 0; input < aispipe_dataset_inputs(dataset); input++) {
        for (uint64_t sample = 0; sample < aispipe_dataset_samples(dataset); sample++) {
            enum dataset_format format = dataset_format_of(dataset, input, sample);
            struct file_label label;
            if (format == DATASET_NPY || format == DATASET_NPY_ZST)
                return aispipe_fail(error, AISPIPE_INVALID,
                                    "--run_mode files reads .bin files only, but input file '%s' is a .npy; "
                                    "use another run mode or give .bin files",
                                    dataset_label(&label, dataset, input, sample));
        }
    }
    return 0;
}

/* How many files like `contents` fill the input; 0 when they cannot. */
static uint64_t files_to_fill(const struct aispipe_tensor_desc *desc, const struct file_contents *contents)
{
    if (contents->more)
        return 0;
    if (desc->size == 0)
        return contents->bytes == 0;
    if (contents->bytes == 0 || desc->size % contents->bytes != 0)
        return 0;
    uint64_t files = desc->size / contents->bytes;
    return files <= UINT_MAX ? files : 0;
}

static int fail_division(const struct file_plan *plan, size_t input, const struct file_contents *contents,
                         struct aispipe_error *error)
{
    struct file_label label;
    struct file_text found;
    struct file_text wanted;
    const struct aispipe_tensor_desc *desc = &plan->inputs[input];
    return aispipe_fail(error, AISPIPE_FORMAT,
                        "input file '%s' holds %s, but the model's input '%s' takes %s, which is no whole "
                        "number of such files; every file must hold the input, or an equal part of it",
                        dataset_label(&label, plan->dataset, input, 0), file_describe(&found, contents),
                        desc->name, file_describe_tensor(&wanted, desc));
}

/* Looks at the first file of one input. Input 0 decides how many files make a batch. */
static int plan_input(struct aispipe_file_source *source, struct file_reader *reader, size_t input,
                      struct aispipe_error *error)
{
    struct file_plan *plan = &source->plan;
    struct file_contents contents;
    int rc = file_reader_look(reader, input, 0, &contents, error);
    if (rc)
        return rc;
    const struct aispipe_tensor_desc *desc = &plan->inputs[input];
    uint64_t files = files_to_fill(desc, &contents);
    if (files == 0)
        return fail_division(plan, input, &contents, error);
    if (input == 0) {
        plan->files_per_batch = (unsigned)files;
        source->layout.file_bytes = contents.bytes;
        source->layout.tensor_bytes = desc->size;
        return 0;
    }
    /* An input without any bytes is filled by any number of empty files. */
    if (files == plan->files_per_batch || desc->size == 0)
        return 0;
    struct file_label label;
    struct file_label first;
    return aispipe_fail(error, AISPIPE_FORMAT,
                        "a batch takes %u files of input '%s' (%zu bytes; '%s' holds %zu), but %llu of input "
                        "'%s' (%zu bytes; '%s' holds %zu); both must take the same number",
                        plan->files_per_batch, plan->inputs[0].name, plan->inputs[0].size,
                        dataset_label(&first, plan->dataset, 0, 0), source->layout.file_bytes,
                        (unsigned long long)files, desc->name, desc->size,
                        dataset_label(&label, plan->dataset, input, 0), contents.bytes);
}

static int plan_inputs(struct aispipe_file_source *source, struct aispipe_error *error)
{
    struct file_reader *reader;
    int rc = file_reader_open(&source->plan, &reader, error);
    for (size_t input = 0; input < source->plan.n_inputs && rc == 0; input++)
        rc = plan_input(source, reader, input, error);
    file_reader_close(reader);
    if (rc)
        return rc;
    source->layout.files_per_batch = source->plan.files_per_batch;
    source->layout.batches = source->samples / source->plan.files_per_batch +
                             (source->samples % source->plan.files_per_batch != 0);
    return 0;
}

static struct aispipe_file_source *make_source(const struct aispipe_dataset *dataset,
                                               const struct aispipe_model_desc *model,
                                               const struct aispipe_log *log)
{
    struct aispipe_file_source *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    atomic_flag_clear(&made->warned);
    atomic_init(&made->threads, 0);
    made->samples = aispipe_dataset_samples(dataset);
    made->plan = (struct file_plan){
        .dataset = dataset,
        .inputs = model->inputs,
        .n_inputs = model->n_inputs,
        .files_per_batch = 1,
        .log = log ? *log : (struct aispipe_log){0},
        .warned = &made->warned,
        .threads = &made->threads,
    };
    return made;
}

int aispipe_file_source_open_shaped(const struct aispipe_dataset *dataset,
                                    const struct aispipe_model_desc *model,
                                    const struct aispipe_shape_plan *shapes, const struct aispipe_log *log,
                                    struct aispipe_file_source **source, struct aispipe_error *error)
{
    *source = make_source(dataset, model, log);
    if (!*source)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to read input files");
    (*source)->plan.shapes = shapes;
    size_t bytes = aispipe_shape_plan_inputs(shapes, 0)[0].size;
    (*source)->layout = (struct aispipe_file_source_layout){bytes, bytes, 1, (*source)->samples};
    return 0;
}

int aispipe_file_source_open(const struct aispipe_dataset *dataset, const struct aispipe_model_desc *model,
                             bool bin_only, const struct aispipe_log *log,
                             struct aispipe_file_source **source, struct aispipe_error *error)
{
    *source = NULL;
    if (aispipe_dataset_inputs(dataset) != model->n_inputs)
        return aispipe_fail(error, AISPIPE_INVALID,
                            "the dataset was planned for %zu inputs, but the model has %zu",
                            aispipe_dataset_inputs(dataset), model->n_inputs);
    int rc = bin_only ? refuse_npy(dataset, error) : 0;
    if (rc)
        return rc;
    struct aispipe_file_source *made = make_source(dataset, model, log);
    if (!made)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to read input files");
    rc = plan_inputs(made, error);
    if (rc) {
        aispipe_file_source_close(made);
        return rc;
    }
    *source = made;
    return 0;
}

void aispipe_file_source_close(struct aispipe_file_source *source)
{
    free(source);
}

struct aispipe_file_source_layout aispipe_file_source_layout(const struct aispipe_file_source *source)
{
    return source->layout;
}

/* ---------------------------------------------------------------- reading */

static int source_thread_open(void *context, void **thread, struct aispipe_error *error)
{
    struct aispipe_file_source *source = context;
    struct file_reader *reader;
    int rc = file_reader_open(&source->plan, &reader, error);
    *thread = reader;
    if (!rc)
        atomic_fetch_add_explicit(&source->threads, 1, memory_order_relaxed);
    return rc;
}

static void source_thread_close(void *context, void *thread)
{
    struct aispipe_file_source *source = context;
    file_reader_close(thread);
    atomic_fetch_sub_explicit(&source->threads, 1, memory_order_relaxed);
}

/* All files of one input for one batch; where there are too few, copies of the first fill it up. */
static int fill_input(const struct file_plan *plan, struct file_reader *reader, size_t input, uint64_t first,
                      unsigned count, char *data, struct aispipe_error *error)
{
    size_t bytes = plan->inputs[input].size / plan->files_per_batch;
    for (unsigned i = 0; i < count; i++) {
        char *place = bytes ? data + i * bytes : data; /* an empty input may have no memory at all */
        int rc = file_reader_read(reader, input, first + i, place, error);
        if (rc)
            return rc;
    }
    for (unsigned i = count; bytes && i < plan->files_per_batch; i++)
        memcpy(data + i * bytes, data, bytes);
    return 0;
}

static int source_fill(void *context, void *thread, uint64_t batch, void *const *inputs,
                       struct aispipe_error *error)
{
    const struct aispipe_file_source *source = context;
    const struct file_plan *plan = &source->plan;
    if (batch >= source->layout.batches)
        return aispipe_fail(error, AISPIPE_INVALID, "batch %llu of %llu does not exist",
                            (unsigned long long)batch, (unsigned long long)source->layout.batches);
    uint64_t first = batch * plan->files_per_batch;
    uint64_t left = source->samples - first;
    unsigned count = left < plan->files_per_batch ? (unsigned)left : plan->files_per_batch;
    for (size_t input = 0; input < plan->n_inputs; input++) {
        int rc = fill_input(plan, thread, input, first, count, inputs[input], error);
        if (rc)
            return rc;
    }
    return 0;
}

static int source_shape(void *context, void *thread, uint64_t batch, struct aispipe_tensor_desc *inputs,
                        struct aispipe_error *error)
{
    const struct aispipe_file_source *source = context;
    (void)thread;
    if (batch >= source->samples)
        return aispipe_fail(error, AISPIPE_INVALID, "batch %llu does not exist", (unsigned long long)batch);
    memcpy(inputs, aispipe_shape_plan_inputs(source->plan.shapes, batch),
           source->plan.n_inputs * sizeof *inputs);
    return 0;
}

static void source_sample_name(void *context, uint64_t sample, char *name, size_t capacity)
{
    const struct aispipe_file_source *source = context;
    (void)aispipe_dataset_path(source->plan.dataset, 0, sample, name, capacity);
}

struct aispipe_source aispipe_file_source_view(struct aispipe_file_source *source)
{
    return (struct aispipe_source){
        .context = source,
        .samples = source->samples,
        .batches = source->layout.batches,
        .samples_per_batch = source->plan.files_per_batch,
        .thread_open = source_thread_open,
        .thread_close = source_thread_close,
        .fill = source_fill,
        .shape = source->plan.shapes ? source_shape : NULL,
        .sample_name = source_sample_name,
    };
}

/* SPDX-License-Identifier: MIT */
/* Executing a model: what is checked when it is asked for, and what happens when its turn comes. */
#include "dump.h"

#include <stdlib.h>
#include <string.h>

/** One execution, with all that a program may change or destroy afterwards copied. */
struct asim_job {
    struct asim_model *model;
    struct asim_dataset *output;
    const struct asim_dataset *input;
    ptrdiff_t gear;
    struct asim_shape shapes[OM_MAX_TENSORS]; /**< of the model's inputs */
    struct asim_aipp *aipp[OM_MAX_TENSORS];   /**< dynamic AIPP of the model's inputs; owned */
    size_t n_pieces;
    struct asim_piece *pieces;      /**< inputs, outputs, work memory */
    void *computed[OM_MAX_TENSORS]; /**< inputs that AIPP made; owned */
};

/* ---------------------------------------------------------------- checks */

/** The buffer at `index` as a piece of the device's memory. */
static int take_buffer(const struct asim_model *model, const struct asim_dataset *dataset, size_t index,
                       const char *what, struct asim_piece *piece)
{
    const struct asim_buffer *buffer = asim_object_get(SIM_BUFFER, dataset->buffers[index]);
    if (!buffer)
        return ACL_ERROR_INVALID_PARAM;
    return asim_device_piece(buffer->data, buffer->size, model->device, what, piece);
}

/** Dynamic shape: the desc that says what input `i` is this time. */
static int take_desc(struct asim_job *job, size_t i)
{
    const struct om_input *input = &job->model->om->inputs[i];
    struct asim_shape *shape = &job->shapes[i];
    if (!job->input->tensors[i])
        return asim_misuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                           "input '%s' has no tensor desc (aclmdlSetDatasetTensorDesc): its shape is dynamic",
                           input->name);
    const struct asim_tensor *tensor = asim_object_get(SIM_TENSOR, job->input->tensors[i]);
    if (!tensor)
        return ACL_ERROR_INVALID_PARAM;
    aclDataType type = job->model->inputs[i].type;
    if (tensor->type != type || tensor->n != (size_t)input->rank)
        return asim_refuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                           "input '%s' is type %d with %d dimensions, the tensor desc type %d with %zu",
                           input->name, (int)type, input->rank, (int)tensor->type, tensor->n);
    shape->rank = tensor->n;
    for (size_t k = 0; k < tensor->n; k++) {
        int64_t dim = tensor->dims[k];
        if (dim < input->low[k] || (input->high[k] >= 0 && dim > input->high[k]) || dim < 0)
            return asim_refuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                               "dimension %zu of input '%s' is %lld; possible: %lld to %lld", k, input->name,
                               (long long)dim, (long long)input->low[k], (long long)input->high[k]);
        shape->dims[k] = dim;
    }
    return 0;
}

/** Dynamic AIPP: takes a copy of the settings. The batch is how many images the model takes. */
static int take_aipp(struct asim_job *job, size_t i, size_t settings_at)
{
    const struct asim_aipp *settings = job->input->aipp[settings_at];
    const char *name = job->model->om->inputs[i].name;
    if (!settings)
        return asim_misuse(
            ACL_ERROR_MODEL_INPUT_NOT_MATCH,
            "input '%s' has dynamic AIPP and the dataset no settings: aclmdlSetInputAIPP first", name);
    if ((int64_t)settings->batch < job->shapes[i].dims[0])
        return asim_misuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                           "AIPP settings are for %llu images, input '%s' takes %lld",
                           (unsigned long long)settings->batch, name, (long long)job->shapes[i].dims[0]);
    size_t bytes = sizeof *settings + settings->batch * sizeof *settings->images;
    job->aipp[i] = malloc(bytes);
    if (!job->aipp[i])
        return asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for AIPP settings");
    memcpy(job->aipp[i], settings, bytes);
    return 0;
}

static size_t wanted_bytes(const struct asim_job *job, size_t i)
{
    const struct asim_model *model = job->model;
    if (model->inputs[i].of_model < 0)
        return model->inputs[i].size;
    return asim_model_fed_bytes(model->om, i, &job->shapes[i], job->gear);
}

/** Dynamic AIPP may be fed with less than the model allows: as many bytes as the images have. */
static int check_size(const struct asim_job *job, size_t i, size_t bytes)
{
    const struct asim_model *model = job->model;
    size_t wanted = wanted_bytes(job, i);
    size_t least = wanted;
    if (model->inputs[i].of_model >= 0 && job->aipp[i])
        least = aipp_source_bytes(&job->aipp[i]->source) * (size_t)job->shapes[i].dims[0];
    if (bytes >= least && bytes <= wanted)
        return 0;
    return asim_misuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                       "the buffer of input %zu '%s' has %zu bytes, wanted: %zu", i, model->inputs[i].name,
                       bytes, wanted);
}

static int take_inputs(struct asim_job *job)
{
    const struct asim_model *model = job->model;
    size_t settings_at = model->om->n_inputs;
    for (size_t i = 0; i < model->n_inputs; i++) {
        bool own = model->inputs[i].of_model >= 0;
        int code = 0;
        if (own)
            job->shapes[i] = asim_model_input_shape(model->om, i, job->gear);
        if (own && model->om->mode == OM_DYNAMIC_SHAPE)
            code = take_desc(job, i);
        if (own && !code && model->om->inputs[i].aipp == OM_AIPP_DYNAMIC)
            code = take_aipp(job, i, settings_at++);
        if (!code)
            code = take_buffer(model, job->input, i, model->inputs[i].name, &job->pieces[i]);
        if (!code)
            code = check_size(job, i, job->pieces[i].size);
        if (code)
            return code;
    }
    return 0;
}

/** What an output takes in this gear; 0: not known before it is computed. */
static size_t output_bytes(const struct asim_job *job, size_t o)
{
    const struct asim_model *model = job->model;
    if (job->gear < 0)
        return model->outputs[o].size;
    return asim_shape_bytes(&model->gear_outputs[(size_t)job->gear * model->n_outputs + o],
                            asim_type_size(model->outputs[o].type));
}

static int take_outputs(struct asim_job *job)
{
    const struct asim_model *model = job->model;
    for (size_t o = 0; o < model->n_outputs; o++) {
        struct asim_piece *piece = &job->pieces[model->n_inputs + o];
        piece->write = true;
        int code = take_buffer(model, job->output, o, model->outputs[o].name, piece);
        if (code)
            return code;
        if (piece->size < output_bytes(job, o))
            return asim_misuse(ACL_ERROR_MODEL_OUTPUT_NOT_MATCH,
                               "the buffer of output %zu '%s' has %zu bytes, wanted: %zu", o,
                               model->outputs[o].name, piece->size, output_bytes(job, o));
    }
    return 0;
}

/** A gear counts for one execution: forgetting the next one would compute with an old shape. */
static int take_gear(struct asim_job *job, struct asim_dataset *input)
{
    job->gear = SIM_NO_GEAR;
    if (!job->model->om->n_gears)
        return 0;
    if (!input->gear_set || input->gear_model != job->model->id)
        return asim_misuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                           "no gear was set for this dataset and model %u since its last execution",
                           job->model->id);
    job->gear = (ptrdiff_t)input->gear;
    input->gear_set = false;
    return 0;
}

static int check_counts(const struct asim_model *model, const struct asim_dataset *input,
                        const struct asim_dataset *output)
{
    if (input->n != model->n_inputs)
        return asim_misuse(ACL_ERROR_MODEL_INPUT_NOT_MATCH,
                           "the dataset has %zu buffers, the model %zu inputs", input->n, model->n_inputs);
    if (output->n != model->n_outputs)
        return asim_misuse(ACL_ERROR_MODEL_OUTPUT_NOT_MATCH,
                           "the dataset has %zu buffers, the model %zu outputs", output->n, model->n_outputs);
    if (model->context != asim_current())
        return asim_misuse(ACL_ERROR_RT_PARAM_INVALID,
                           "model %u was loaded in another context than this thread's current one",
                           model->id);
    return 0;
}

static int fill_job(struct asim_job *job, struct asim_dataset *input)
{
    struct asim_model *model = job->model;
    int code = check_counts(model, input, job->output);
    if (!code)
        code = take_gear(job, input);
    if (!code)
        code = take_inputs(job);
    if (!code)
        code = take_outputs(job);
    if (code)
        return code;
    job->n_pieces = model->n_inputs + model->n_outputs;
    if (model->work) /* shared by models that compute at once, it would be a mistake */
        job->pieces[job->n_pieces++] = (struct asim_piece){
            .data = model->work->alias, .size = model->work->size, .memory = model->work, .write = true};
    return 0;
}

/* ---------------------------------------------------------------- a job's life */

static void job_hold(struct asim_job *job, int by)
{
    asim_pieces_hold(job->pieces, job->n_pieces, by);
    job->model->queued += (unsigned)by;
    job->output->in_use += (unsigned)by;
    ((struct asim_dataset *)job->input)->in_use += (unsigned)by;
}

static void job_drop(struct asim_job *job)
{
    for (size_t i = 0; i < OM_MAX_TENSORS; i++) {
        free(job->aipp[i]);
        free(job->computed[i]);
    }
    free(job->pieces);
    free(job);
}

void asim_job_free(struct asim_job *job)
{
    job_hold(job, -1);
    asim_model_let_go(job->model);
    job_drop(job);
}

/** NULL with `code` set when something does not fit. */
static struct asim_job *make_job(uint32_t id, const aclmdlDataset *input, aclmdlDataset *output, int *code)
{
    struct asim_model *model = asim_model_get(id);
    *code = model ? ACL_ERROR_INVALID_PARAM : ACL_ERROR_INVALID_MODEL_ID;
    struct asim_dataset *in = model ? asim_object_get(SIM_DATASET, input) : NULL;
    struct asim_dataset *out = in ? asim_object_get(SIM_DATASET, output) : NULL;
    if (!out)
        return NULL;
    struct asim_job *job = calloc(1, sizeof *job);
    if (job)
        job->pieces = calloc(model->n_inputs + model->n_outputs + 1, sizeof *job->pieces);
    if (!job || !job->pieces) {
        free(job);
        *code = asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for an execution");
        return NULL;
    }
    job->model = model;
    job->input = in;
    job->output = out;
    *code = fill_job(job, in);
    if (*code) {
        job_drop(job);
        return NULL;
    }
    model->references++;
    job_hold(job, 1);
    return job;
}

/* ---------------------------------------------------------------- computing, without the lock */

/** Runs AIPP of one input into memory of its own. */
static int compute_aipp(struct asim_job *job, size_t i, struct engine_tensor *tensor,
                        struct aispipe_error *error)
{
    const struct om_input *input = &job->model->om->inputs[i];
    const int64_t *dims = job->shapes[i].dims;
    bool nhwc = input->format == OM_NHWC;
    size_t bytes = asim_shape_bytes(&job->shapes[i], aispipe_dtype_size(input->dtype));
    if (!job->computed[i])
        job->computed[i] = malloc(bytes ? bytes : 1);
    if (!job->computed[i])
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for %zu bytes", bytes);
    struct aipp_target target = {.dtype = input->dtype,
                                 .nhwc = nhwc,
                                 .batch = dims[0],
                                 .channels = dims[nhwc ? 3 : 1],
                                 .height = dims[nhwc ? 1 : 2],
                                 .width = dims[nhwc ? 2 : 3],
                                 .data = job->computed[i]};
    struct aipp_source source = asim_model_aipp_source(job->model->om, i, job->gear);
    const struct asim_aipp *dynamic = job->aipp[i];
    tensor->data = job->computed[i];
    return aipp_compute(dynamic ? &dynamic->source : &source, dynamic ? dynamic->images : &input->aipp_image,
                        dynamic ? (size_t)dims[0] : 1, (const uint8_t *)job->pieces[i].data,
                        job->pieces[i].size, &target, error);
}

static int run_model(struct asim_job *job, struct aispipe_error *error)
{
    struct engine_tensor inputs[OM_MAX_TENSORS];
    const struct om_file *om = job->model->om;
    for (size_t i = 0; i < om->n_inputs; i++) {
        inputs[i] = (struct engine_tensor){.dtype = om->inputs[i].dtype,
                                           .rank = (int)job->shapes[i].rank,
                                           .data = job->pieces[i].data,
                                           .bytes = job->pieces[i].size};
        memcpy(inputs[i].dims, job->shapes[i].dims, sizeof inputs[i].dims);
        int rc = om->inputs[i].aipp == OM_AIPP_NONE ? 0 : compute_aipp(job, i, &inputs[i], error);
        if (rc)
            return rc;
    }
    return engine_run(job->model->engine, inputs, error);
}

static int store_output(struct asim_job *job, size_t o, struct asim_shape *shape, struct aispipe_error *error)
{
    const struct asim_piece *piece = &job->pieces[job->model->n_inputs + o];
    struct engine_tensor tensor;
    int rc = engine_result(job->model->engine, o, &tensor, error);
    if (rc)
        return rc;
    shape->rank = (size_t)tensor.rank;
    memcpy(shape->dims, tensor.dims, sizeof shape->dims);
    size_t n = asim_shape_bytes(shape, 1);
    size_t bytes = n * asim_type_size(job->model->outputs[o].type);
    if (bytes > piece->size)
        return aispipe_fail(error, AISPIPE_INVALID, "output %zu '%s' takes %zu bytes, its buffer has %zu", o,
                            job->model->outputs[o].name, bytes, piece->size);
    if (n)
        engine_convert(tensor.data, tensor.dtype, piece->data,
                       (enum aispipe_dtype)job->model->outputs[o].type, n);
    return 0;
}

static int compute(struct asim_job *job, struct asim_shape *shapes, int64_t *at_ns,
                   struct aispipe_error *error)
{
    uint64_t bytes = 0;
    int rc = run_model(job, error);
    for (size_t o = 0; o < job->model->n_outputs && !rc; o++)
        rc = store_output(job, o, &shapes[o], error);
    for (size_t i = 0; i < job->model->n_inputs; i++)
        bytes += job->pieces[i].size;
    *at_ns = asim_take_time(&sim.settings.compute, bytes, *at_ns);
    return rc;
}

/* ---------------------------------------------------------------- dumping it */

/** With AIPP the input is an image, and its bytes have no other shape. */
static struct asim_dump_tensor dumped_input(const struct asim_job *job, size_t i)
{
    const struct asim_port *port = &job->model->inputs[i];
    const struct asim_piece *piece = &job->pieces[i];
    struct asim_shape shape = job->shapes[i];
    if (job->model->om->inputs[i].aipp != OM_AIPP_NONE)
        shape = (struct asim_shape){.rank = 1, .dims = {(int64_t)piece->size}};
    return (struct asim_dump_tensor){.is_input = true,
                                     .index = i,
                                     .name = port->name,
                                     .type = port->type,
                                     .shape = shape,
                                     .data = piece->data,
                                     .bytes = piece->size};
}

/** Without the lock, as computing is. */
static int dump(const struct asim_job *job, const struct asim_shape *shapes, const struct asim_dump *to,
                struct aispipe_error *error)
{
    const struct asim_model *model = job->model;
    struct asim_dump_tensor tensors[2 * OM_MAX_TENSORS];
    size_t n = 0;
    for (size_t i = 0; i < model->om->n_inputs && to->inputs; i++)
        tensors[n++] = dumped_input(job, i);
    for (size_t o = 0; o < model->n_outputs && to->outputs; o++)
        tensors[n++] = (struct asim_dump_tensor){
            .index = o,
            .name = model->outputs[o].name,
            .type = model->outputs[o].type,
            .shape = shapes[o],
            .data = job->pieces[model->n_inputs + o].data,
            .bytes = asim_shape_bytes(&shapes[o], asim_type_size(model->outputs[o].type))};
    return asim_dump_write(to, tensors, n, error);
}

/* ---------------------------------------------------------------- its turn */

/** The shapes that came out, for aclmdlGetDatasetTensorDesc. */
static int keep_results(struct asim_job *job, const struct asim_shape *shapes)
{
    for (size_t o = 0; o < job->model->n_outputs; o++) {
        const struct asim_port *port = &job->model->outputs[o];
        struct asim_tensor *tensor =
            asim_tensor_new(port->type, shapes[o].rank, shapes[o].dims, port->format);
        if (!tensor)
            return asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a tensor desc");
        tensor->of_runtime = true;
        asim_tensor_free(job->output->results[o]);
        job->output->results[o] = tensor;
    }
    return 0;
}

static int run_now(struct asim_job *job, struct asim_stream *stream, int64_t *at_ns)
{
    struct asim_shape shapes[OM_MAX_TENSORS];
    struct aispipe_error error = {.message = ""};
    if (++sim.executions == sim.settings.exception) {
        /* It has stopped: the callback may read what it had made. */
        asim_access_end(job->pieces, job->n_pieces);
        asim_raise_exception(job->model, job->input, job->output, stream);
        return asim_refuse(SIM_AICORE_EXCEPTION,
                           "an operator of model %u failed because the simulator's settings say so",
                           job->model->id);
    }
    struct asim_dump to;
    int code = asim_dump_begin(job->model, &to);
    if (code)
        return code;
    (void)pthread_mutex_unlock(&sim.lock);
    int rc = compute(job, shapes, at_ns, &error);
    if (!rc && to.wanted)
        rc = dump(job, shapes, &to, &error);
    (void)pthread_mutex_lock(&sim.lock);
    if (rc)
        return asim_refuse(rc == AISPIPE_INVALID ? ACL_ERROR_MODEL_OUTPUT_NOT_MATCH : ACL_ERROR_GE_FAILURE,
                           "model %u: %s", job->model->id, error.message);
    return job->model->om->mode == OM_DYNAMIC_SHAPE ? keep_results(job, shapes) : 0;
}

int asim_job_run(struct asim_job *job, struct asim_stream *stream, int64_t *at_ns)
{
    struct asim_model *model = job->model;
    if (model->executing)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "model %u is being executed already: one at a time",
                           model->id);
    int code = asim_access_begin(job->pieces, job->n_pieces, "an execution");
    if (code)
        return code;
    model->executing = true;
    code = run_now(job, stream, at_ns);
    model->executing = false;
    if (code != SIM_AICORE_EXCEPTION)
        asim_access_end(job->pieces, job->n_pieces);
    return code;
}

aclError aclmdlExecute(uint32_t modelId, const aclmdlDataset *input, aclmdlDataset *output)
{
    int code = asim_enter(CALL_aclmdlExecute, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    struct asim_job *job = make_job(modelId, input, output, &code);
    if (!job)
        return asim_leave(code);
    int64_t at = asim_now_ns();
    code = asim_job_run(job, NULL, &at);
    asim_job_free(job);
    return asim_leave(code);
}

aclError aclmdlExecuteAsync(uint32_t modelId, const aclmdlDataset *input, aclmdlDataset *output,
                            aclrtStream stream)
{
    int code = asim_enter(CALL_aclmdlExecuteAsync, SIM_INIT | SIM_CONTEXT);
    if (code)
        return code;
    struct asim_stream *s = asim_stream_get(stream);
    if (!s)
        return asim_leave(ACL_ERROR_RT_PARAM_INVALID);
    struct asim_job *job = make_job(modelId, input, output, &code);
    if (!job)
        return asim_leave(code);
    return asim_leave(asim_stream_put(s, &(struct asim_task){.kind = SIM_TASK_EXECUTE, .job = job}));
}

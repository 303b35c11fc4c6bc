/* SPDX-License-Identifier: MIT */
/* Loading models and letting them go; which bytes they want. */
#include "dump.h"

#include <stdlib.h>
#include <string.h>

static struct {
    struct asim_model *all;
    uint32_t last_id;
} models;

/* ---------------------------------------------------------------- shapes and sizes */

size_t asim_shape_bytes(const struct asim_shape *shape, size_t element)
{
    size_t bytes = element;
    for (size_t i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0 || __builtin_mul_overflow(bytes, (size_t)shape->dims[i], &bytes))
            return 0;
    return bytes;
}

static size_t dims_before(const struct om_file *om, size_t input)
{
    size_t n = 0;
    for (size_t i = 0; i < input; i++)
        n += (size_t)om->inputs[i].rank;
    return n;
}

struct asim_shape asim_model_input_shape(const struct om_file *om, size_t i, ptrdiff_t gear)
{
    const struct om_input *input = &om->inputs[i];
    struct asim_shape shape = {.rank = (size_t)input->rank};
    memcpy(shape.dims, input->dims, sizeof shape.dims);
    if (gear < 0)
        return shape;
    const int64_t *values = om->gears + (size_t)gear * om->gear_length;
    size_t height = input->format == OM_NHWC ? 1 : 2;
    for (size_t k = 0; k < shape.rank; k++) {
        if (shape.dims[k] >= 0)
            continue;
        if (om->mode == OM_DYNAMIC_BATCH)
            shape.dims[k] = values[0];
        else if (om->mode == OM_DYNAMIC_IMAGE_SIZE)
            shape.dims[k] = values[k == height ? 0 : 1];
        else
            shape.dims[k] = values[dims_before(om, i) + k];
    }
    return shape;
}

struct aipp_source asim_model_aipp_source(const struct om_file *om, size_t i, ptrdiff_t gear)
{
    struct aipp_source source = om->inputs[i].aipp_source;
    if (gear >= 0 && om->mode == OM_DYNAMIC_IMAGE_SIZE) {
        source.height = (int32_t)om->gears[(size_t)gear * om->gear_length];
        source.width = (int32_t)om->gears[(size_t)gear * om->gear_length + 1];
    }
    return source;
}

size_t asim_model_fed_bytes(const struct om_file *om, size_t i, const struct asim_shape *shape,
                            ptrdiff_t gear)
{
    const struct om_input *input = &om->inputs[i];
    if (input->aipp == OM_AIPP_DYNAMIC)
        return (size_t)input->aipp_bytes_most;
    if (input->aipp == OM_AIPP_STATIC) {
        struct aipp_source source = asim_model_aipp_source(om, i, gear);
        return shape->rank && shape->dims[0] > 0 ? (size_t)shape->dims[0] * aipp_source_bytes(&source) : 0;
    }
    return asim_shape_bytes(shape, aispipe_dtype_size(input->dtype));
}

size_t asim_model_input_bytes(const struct om_file *om, size_t i, ptrdiff_t gear)
{
    struct asim_shape shape = asim_model_input_shape(om, i, gear);
    return asim_model_fed_bytes(om, i, &shape, gear);
}

/* ---------------------------------------------------------------- the list */

struct asim_model *asim_model_get(uint32_t id)
{
    for (struct asim_model *model = models.all; model; model = model->next)
        if (model->id == id && model->loaded)
            return model;
    (void)asim_misuse(ACL_ERROR_INVALID_MODEL_ID, "there is no model %u%s", id,
                      id && id <= models.last_id ? ": it was unloaded before" : "");
    return NULL;
}

static void destroy(struct asim_model *model)
{
    for (struct asim_model **link = &models.all; *link; link = &(*link)->next)
        if (*link == model) {
            *link = model->next;
            break;
        }
    engine_close(model->engine);
    om_free(model->om);
    free(model->inputs);
    free(model->outputs);
    free(model->gear_outputs);
    free(model);
}

void asim_model_let_go(struct asim_model *model)
{
    if (--model->references == 0)
        destroy(model);
}

void asim_models_report_leaks(void)
{
    for (const struct asim_model *model = models.all; model; model = model->next) {
        char text[64];
        if (!model->loaded)
            continue;
        (void)snprintf(text, sizeof text, "model %u not unloaded", model->id);
        asim_report("leak", text);
    }
}

void asim_models_free_all(void)
{
    void *desc;
    while ((desc = asim_object_nth(SIM_DESC, 0))) {
        asim_object_remove(((struct asim_desc *)desc)->handle);
        free(desc);
    }
    while (models.all)
        destroy(models.all);
    engine_finish();
}

/* ---------------------------------------------------------------- loading */

static size_t round_up(size_t bytes)
{
    return (bytes + 511) / 512 * 512;
}

/** Made up, but steady: what a model's inputs take while it computes, and its weights. */
static void needed(const struct om_file *om, size_t *work, size_t *weight)
{
    *work = 512;
    for (size_t i = 0; i < om->n_inputs; i++) {
        size_t most = asim_model_input_bytes(om, i, SIM_NO_GEAR);
        for (size_t gear = 0; gear < om->n_gears; gear++) {
            size_t bytes = asim_model_input_bytes(om, i, (ptrdiff_t)gear);
            most = bytes > most ? bytes : most;
        }
        *work += round_up(most);
    }
    *weight = round_up(om->onnx_bytes);
}

static int code_of(int status)
{
    return status == AISPIPE_IO          ? ACL_ERROR_READ_MODEL_FAILURE
           : status == AISPIPE_FORMAT    ? ACL_ERROR_PARSE_MODEL
           : status == AISPIPE_NO_MEMORY ? ACL_ERROR_BAD_ALLOC
           : status == AISPIPE_MODEL     ? ACL_ERROR_DESERIALIZE_MODEL
                                         : ACL_ERROR_INTERNAL_ERROR;
}

/** Reads and compiles; takes seconds, without the lock. */
static struct asim_model *prepare(const char *path, struct aispipe_error *error)
{
    struct asim_model *model = calloc(1, sizeof *model);
    if (!model) {
        (void)aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory for a model");
        return NULL;
    }
    model->gear = SIM_NO_GEAR;
    int rc = om_read(path, &model->om, error);
    if (!rc)
        rc = engine_open(model->om, &model->engine, error);
    if (!rc)
        rc = asim_model_describe(model, error);
    if (!rc)
        return model;
    destroy(model);
    return NULL;
}

/** Where a model lives: memory of the program's, or the runtime's own. */
static int place(const char *what, void *memory, size_t size, size_t wanted, struct asim_memory **used,
                 size_t *own)
{
    struct asim_piece piece = {.write = true};
    int device = asim_current()->device;
    if (!memory) {
        int code = asim_memory_account(device, wanted, what);
        *own += code ? 0 : wanted;
        return code;
    }
    int code = asim_device_piece(memory, size, device, what, &piece);
    if (!code && size < wanted)
        code = asim_misuse(ACL_ERROR_INVALID_PARAM, "%s has %zu bytes, aclmdlQuerySize wants %zu", what, size,
                           wanted);
    if (!code)
        *used = piece.memory;
    return code;
}

/** The model is prepared: gives it an id, memory and a context. */
static int adopt(struct asim_model *model, struct asim_context *context, const void *const memory[2],
                 const size_t sizes[2])
{
    size_t wanted[2];
    struct asim_memory *used[2] = {NULL, NULL};
    size_t own = 0;
    needed(model->om, &wanted[0], &wanted[1]);
    int code = place("work memory", (void *)memory[0], sizes[0], wanted[0], &used[0], &own);
    if (!code)
        code = place("weight memory", (void *)memory[1], sizes[1], wanted[1], &used[1], &own);
    if (code) {
        asim_memory_give_back(context->device, own);
        return code;
    }
    model->work = used[0];
    model->weight = used[1];
    for (int i = 0; i < 2; i++)
        if (used[i])
            used[i]->models++;
    model->own_bytes = own;
    model->context = context;
    model->device = context->device;
    model->loaded = true;
    model->references = 1;
    model->id = ++models.last_id;
    model->next = models.all;
    models.all = model;
    return 0;
}

/** The lock is held, and is taken off while the file is read and compiled. */
static int load(const char *path, uint32_t *id, const void *const memory[2], const size_t sizes[2])
{
    struct aispipe_error error = {.message = ""};
    struct asim_context *context = asim_current();
    if (!path || !id)
        return asim_misuse(ACL_ERROR_INVALID_PARAM, "the path, or the place for the id, is NULL");
    context->models++; /* so that it stays */
    (void)pthread_mutex_unlock(&sim.lock);
    struct asim_model *model = prepare(path, &error);
    (void)pthread_mutex_lock(&sim.lock);
    int code =
        model ? adopt(model, context, memory, sizes) : asim_refuse(code_of(error.code), "%s", error.message);
    if (!code) {
        asim_dump_look_at(model, path);
        *id = model->id;
        return 0;
    }
    context->models--;
    if (model)
        destroy(model);
    return code;
}

aclError aclmdlLoadFromFile(const char *modelPath, uint32_t *modelId)
{
    int code = asim_enter(CALL_aclmdlLoadFromFile, SIM_INIT | SIM_CONTEXT);
    return code ? code
                : asim_leave(load(modelPath, modelId, (const void *const[2]){NULL, NULL}, (size_t[2]){0, 0}));
}

aclError aclmdlLoadFromFileWithMem(const char *modelPath, uint32_t *modelId, void *workPtr, size_t workSize,
                                   void *weightPtr, size_t weightSize)
{
    int code = asim_enter(CALL_aclmdlLoadFromFileWithMem, SIM_INIT | SIM_CONTEXT);
    return code ? code
                : asim_leave(load(modelPath, modelId, (const void *const[2]){workPtr, weightPtr},
                                  (size_t[2]){workSize, weightSize}));
}

aclError aclmdlQuerySize(const char *fileName, size_t *workSize, size_t *weightSize)
{
    struct aispipe_error error = {.message = ""};
    struct om_file *om = NULL;
    int code = asim_enter(CALL_aclmdlQuerySize, SIM_INIT);
    if (code)
        return code;
    if (!fileName || !workSize || !weightSize)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "the path, or a place for a size, is NULL"));
    int rc = om_read(fileName, &om, &error);
    if (rc)
        return asim_leave(asim_refuse(code_of(rc), "%s", error.message));
    needed(om, workSize, weightSize);
    om_free(om);
    return asim_leave(0);
}

aclError aclmdlUnload(uint32_t modelId)
{
    int code = asim_enter(CALL_aclmdlUnload, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_model *model = asim_model_get(modelId);
    if (!model)
        return asim_leave(ACL_ERROR_INVALID_MODEL_ID);
    if (model->queued)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM,
                                      "model %u is named by an execution that is not done", modelId));
    model->loaded = false;
    model->context->models--;
    model->context = NULL;
    asim_memory_give_back(model->device, model->own_bytes);
    if (model->work)
        model->work->models--;
    if (model->weight)
        model->weight->models--;
    asim_model_let_go(model);
    return asim_leave(0);
}

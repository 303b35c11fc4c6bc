/* SPDX-License-Identifier: MIT */
/* What a loaded model takes and gives, and the calls that ask for it. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- made when a model is loaded */

static ptrdiff_t most_bytes_gear(const struct om_file *om, size_t i)
{
    ptrdiff_t best = om->n_gears ? 0 : SIM_NO_GEAR;
    for (size_t gear = 1; gear < om->n_gears; gear++)
        if (asim_model_input_bytes(om, i, (ptrdiff_t)gear) > asim_model_input_bytes(om, i, best))
            best = (ptrdiff_t)gear;
    return best;
}

/** Dynamic shape with bounds: the size for the largest; 0 where a dimension has none. */
static size_t bounded_bytes(const struct om_file *om, size_t i)
{
    const struct om_input *input = &om->inputs[i];
    struct asim_shape shape = {.rank = (size_t)input->rank};
    memcpy(shape.dims, input->high, sizeof shape.dims);
    return asim_model_fed_bytes(om, i, &shape, SIM_NO_GEAR);
}

static void describe_input(struct asim_model *model, size_t i)
{
    const struct om_file *om = model->om;
    const struct om_input *input = &om->inputs[i];
    struct asim_port *port = &model->inputs[i];
    *port = (struct asim_port){.type = (aclDataType)input->dtype,
                               .format = (aclFormat)input->format,
                               .rank = (size_t)input->rank,
                               .size = asim_model_input_bytes(om, i, most_bytes_gear(om, i)),
                               .of_model = (int)i};
    (void)snprintf(port->name, sizeof port->name, "%s", input->name);
    memcpy(port->dims, input->dims, sizeof port->dims);
    if (om->mode == OM_DYNAMIC_SHAPE)
        port->size = bounded_bytes(om, i);
    if (input->aipp != OM_AIPP_NONE)
        port->type = ACL_UINT8;
    if (input->aipp != OM_AIPP_NONE)
        port->format = ACL_FORMAT_NHWC;
}

static int64_t largest_batch(const struct om_file *om)
{
    int64_t most = 1;
    for (size_t i = 0; i < om->n_inputs; i++) {
        struct asim_shape shape = asim_model_input_shape(om, i, most_bytes_gear(om, i));
        if (om->inputs[i].aipp == OM_AIPP_DYNAMIC && shape.rank && shape.dims[0] > most)
            most = shape.dims[0];
    }
    return most;
}

/** One settings input for each input with dynamic AIPP, then the gear. */
static void describe_hidden(struct asim_model *model)
{
    const struct om_file *om = model->om;
    size_t at = om->n_inputs;
    for (size_t i = 0; i < om->n_inputs; i++) {
        if (om->inputs[i].aipp != OM_AIPP_DYNAMIC)
            continue;
        int64_t bytes = 64 + 128 * largest_batch(om);
        model->inputs[at] = (struct asim_port){.type = ACL_UINT8,
                                               .format = ACL_FORMAT_ND,
                                               .rank = 1,
                                               .dims = {bytes},
                                               .size = (size_t)bytes,
                                               .of_model = -1};
        (void)snprintf(model->inputs[at++].name, sizeof model->inputs->name, "%s", ACL_DYNAMIC_AIPP_NAME);
    }
    model->gear_input = -1;
    if (om->n_gears) {
        model->inputs[at] = (struct asim_port){.type = ACL_INT64,
                                               .format = ACL_FORMAT_ND,
                                               .rank = 1,
                                               .dims = {(int64_t)om->gear_length},
                                               .size = om->gear_length * sizeof(int64_t),
                                               .of_model = -1};
        (void)snprintf(model->inputs[at].name, sizeof model->inputs->name, "%s", ACL_DYNAMIC_TENSOR_NAME);
        model->gear_input = (int)at++;
    }
    model->n_inputs = at;
}

static int infer(struct asim_model *model, size_t output, ptrdiff_t gear, struct engine_tensor *result,
                 struct aispipe_error *error)
{
    struct engine_tensor inputs[OM_MAX_TENSORS];
    for (size_t i = 0; i < model->om->n_inputs; i++) {
        struct asim_shape shape = asim_model_input_shape(model->om, i, gear);
        inputs[i] = (struct engine_tensor){.rank = (int)shape.rank};
        memcpy(inputs[i].dims, shape.dims, sizeof shape.dims);
    }
    return engine_infer_output(model->engine, inputs, output, result, error);
}

static int describe_output(struct asim_model *model, size_t o, struct aispipe_error *error)
{
    struct asim_port *port = &model->outputs[o];
    struct engine_tensor tensor;
    int rc = infer(model, o, SIM_NO_GEAR, &tensor, error);
    if (rc)
        return rc;
    enum aispipe_dtype asked = model->om->outputs[o].dtype;
    *port = (struct asim_port){.type = (aclDataType)(asked == AISPIPE_DTYPE_UNDEFINED ? tensor.dtype : asked),
                               .format = ACL_FORMAT_ND,
                               .rank = (size_t)tensor.rank};
    (void)snprintf(port->name, sizeof port->name, "%s", model->om->outputs[o].name);
    memcpy(port->dims, tensor.dims, sizeof port->dims);
    size_t element = asim_type_size(port->type);
    if (!element)
        return aispipe_fail(error, AISPIPE_MODEL, "output '%s' has elements of a type that cannot be had",
                            port->name);
    struct asim_shape shape = {.rank = port->rank};
    memcpy(shape.dims, port->dims, sizeof shape.dims);
    port->size = asim_shape_bytes(&shape, element);
    for (size_t gear = 0; gear < model->om->n_gears; gear++) {
        rc = infer(model, o, (ptrdiff_t)gear, &tensor, error);
        if (rc)
            return rc;
        struct asim_shape *of_gear = &model->gear_outputs[gear * model->n_outputs + o];
        of_gear->rank = (size_t)tensor.rank;
        memcpy(of_gear->dims, tensor.dims, sizeof of_gear->dims);
        size_t bytes = asim_shape_bytes(of_gear, element);
        if (bytes > port->size)
            port->size = bytes;
    }
    return 0;
}

int asim_model_describe(struct asim_model *model, struct aispipe_error *error)
{
    const struct om_file *om = model->om;
    model->n_outputs = om->n_outputs;
    model->inputs = calloc(2 * om->n_inputs + 1, sizeof *model->inputs);
    model->outputs = calloc(om->n_outputs, sizeof *model->outputs);
    model->gear_outputs = calloc(om->n_gears * om->n_outputs + 1, sizeof *model->gear_outputs);
    if (!model->inputs || !model->outputs || !model->gear_outputs)
        return aispipe_fail(error, AISPIPE_NO_MEMORY, "no memory to describe a model");
    for (size_t i = 0; i < om->n_inputs; i++)
        describe_input(model, i);
    describe_hidden(model);
    int rc = 0;
    for (size_t o = 0; o < om->n_outputs && !rc; o++)
        rc = describe_output(model, o, error);
    return rc;
}

/* ---------------------------------------------------------------- descs */

aclmdlDesc *aclmdlCreateDesc(void)
{
    if (asim_enter(CALL_aclmdlCreateDesc, SIM_INIT))
        return NULL;
    struct asim_desc *desc = calloc(1, sizeof *desc);
    void *handle = desc ? asim_object_add(SIM_DESC, desc) : NULL;
    if (handle)
        desc->handle = handle;
    else
        free(desc);
    (void)asim_leave(handle ? 0 : asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a model desc"));
    return handle;
}

aclError aclmdlDestroyDesc(aclmdlDesc *modelDesc)
{
    int code = asim_enter(CALL_aclmdlDestroyDesc, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_desc *desc = asim_object_get(SIM_DESC, modelDesc);
    if (!desc)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (desc->model)
        asim_model_let_go(desc->model);
    asim_object_remove(modelDesc);
    free(desc);
    return asim_leave(0);
}

aclError aclmdlGetDesc(aclmdlDesc *modelDesc, uint32_t modelId)
{
    int code = asim_enter(CALL_aclmdlGetDesc, SIM_INIT);
    if (code)
        return code;
    struct asim_desc *desc = asim_object_get(SIM_DESC, modelDesc);
    if (!desc)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    struct asim_model *model = asim_model_get(modelId);
    if (!model)
        return asim_leave(ACL_ERROR_INVALID_MODEL_ID);
    model->references++;
    if (desc->model)
        asim_model_let_go(desc->model);
    desc->model = model;
    return asim_leave(0);
}

/** The model of a desc; NULL with the misuse reported. */
static struct asim_model *model_of(const aclmdlDesc *modelDesc)
{
    const struct asim_desc *desc = asim_object_get(SIM_DESC, modelDesc);
    if (desc && !desc->model)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "the model desc is empty: aclmdlGetDesc first");
    return desc ? desc->model : NULL;
}

/** One input or output; NULL with the misuse reported. */
static const struct asim_port *port_of(const aclmdlDesc *modelDesc, size_t index, bool input)
{
    const struct asim_model *model = model_of(modelDesc);
    if (!model)
        return NULL;
    size_t n = input ? model->n_inputs : model->n_outputs;
    if (index < n)
        return input ? &model->inputs[index] : &model->outputs[index];
    (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "there is no %s %zu: the model has %zu",
                      input ? "input" : "output", index, n);
    return NULL;
}

size_t aclmdlGetNumInputs(aclmdlDesc *modelDesc)
{
    if (asim_enter(CALL_aclmdlGetNumInputs, SIM_INIT))
        return 0;
    const struct asim_model *model = model_of(modelDesc);
    size_t n = model ? model->n_inputs : 0;
    return asim_leave(0) ? 0 : n;
}

size_t aclmdlGetNumOutputs(aclmdlDesc *modelDesc)
{
    if (asim_enter(CALL_aclmdlGetNumOutputs, SIM_INIT))
        return 0;
    const struct asim_model *model = model_of(modelDesc);
    size_t n = model ? model->n_outputs : 0;
    return asim_leave(0) ? 0 : n;
}

/** The getters that give one value of a port; `wrong` when there is none. */
#define PORT_GETTER(type, name, constness, input, member, wrong)         \
    type name(constness aclmdlDesc *modelDesc, size_t index)             \
    {                                                                    \
        if (asim_enter(CALL_##name, SIM_INIT))                           \
            return wrong;                                                \
        const struct asim_port *port = port_of(modelDesc, index, input); \
        type value = port ? port->member : (wrong);                      \
        return asim_leave(0) ? (wrong) : value;                          \
    }

PORT_GETTER(size_t, aclmdlGetInputSizeByIndex, , true, size, 0)
PORT_GETTER(size_t, aclmdlGetOutputSizeByIndex, , false, size, 0)
PORT_GETTER(const char *, aclmdlGetInputNameByIndex, const, true, name, "")
PORT_GETTER(const char *, aclmdlGetOutputNameByIndex, const, false, name, "")
PORT_GETTER(aclFormat, aclmdlGetInputFormat, const, true, format, ACL_FORMAT_UNDEFINED)
PORT_GETTER(aclFormat, aclmdlGetOutputFormat, const, false, format, ACL_FORMAT_UNDEFINED)
PORT_GETTER(aclDataType, aclmdlGetInputDataType, const, true, type, ACL_DT_UNDEFINED)
PORT_GETTER(aclDataType, aclmdlGetOutputDataType, const, false, type, ACL_DT_UNDEFINED)

aclError aclmdlGetInputIndexByName(const aclmdlDesc *modelDesc, const char *name, size_t *index)
{
    int code = asim_enter(CALL_aclmdlGetInputIndexByName, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = model_of(modelDesc);
    if (!model || !name || !index)
        return asim_leave(model ? asim_misuse(ACL_ERROR_INVALID_PARAM, "the name, or the place, is NULL")
                                : ACL_ERROR_INVALID_PARAM);
    for (size_t i = 0; i < model->n_inputs; i++) {
        if (strcmp(model->inputs[i].name, name) != 0)
            continue;
        *index = i;
        return asim_leave(0);
    }
    return asim_leave(asim_refuse(ACL_ERROR_INVALID_PARAM, "the model has no input named '%s'", name));
}

/* ---------------------------------------------------------------- dims */

static void fill_dims(aclmdlIODims *dims, const char *name, size_t rank, const int64_t *values)
{
    memset(dims, 0, sizeof *dims);
    (void)snprintf(dims->name, sizeof dims->name, "%s", name);
    dims->dimCount = rank;
    memcpy(dims->dims, values, rank * sizeof *values);
}

static int get_dims(const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims, bool input)
{
    const struct asim_port *port = port_of(modelDesc, index, input);
    if (!port || !dims)
        return port ? asim_misuse(ACL_ERROR_INVALID_PARAM, "the place for the dims is NULL")
                    : ACL_ERROR_INVALID_PARAM;
    fill_dims(dims, port->name, port->rank, port->dims);
    return 0;
}

aclError aclmdlGetInputDims(const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims)
{
    int code = asim_enter(CALL_aclmdlGetInputDims, SIM_INIT);
    return code ? code : asim_leave(get_dims(modelDesc, index, dims, true));
}

/** With static AIPP the dims of what is fed: images of so many bytes a row. */
static void image_dims(const struct asim_model *model, size_t i, aclmdlIODims *dims)
{
    const struct om_input *input = &model->om->inputs[i];
    struct aipp_source source = input->aipp_source;
    int64_t pixels = (int64_t)source.width * source.height;
    if (input->aipp != OM_AIPP_STATIC || pixels == 0)
        return;
    int64_t channels = (int64_t)aipp_source_bytes(&source) / pixels;
    bool yuv420 = source.format == AIPP_YUV420SP_U8;
    int64_t values[] = {input->dims[0], yuv420 ? (int64_t)source.height * 3 / 2 : source.height, source.width,
                        yuv420 ? 1 : channels};
    fill_dims(dims, input->name, 4, values);
}

aclError aclmdlGetInputDimsV2(const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims)
{
    int code = asim_enter(CALL_aclmdlGetInputDimsV2, SIM_INIT);
    if (code)
        return code;
    code = get_dims(modelDesc, index, dims, true);
    const struct asim_model *model = code ? NULL : model_of(modelDesc);
    if (model && model->inputs[index].of_model >= 0)
        image_dims(model, index, dims);
    return asim_leave(code);
}

aclError aclmdlGetOutputDims(const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims)
{
    int code = asim_enter(CALL_aclmdlGetOutputDims, SIM_INIT);
    return code ? code : asim_leave(get_dims(modelDesc, index, dims, false));
}

/** The gear in which an output is largest: what holds before one is set. */
static size_t largest_gear(const struct asim_model *model, size_t output)
{
    size_t best = 0;
    size_t most = 0;
    for (size_t gear = 0; gear < model->om->n_gears; gear++) {
        size_t bytes = asim_shape_bytes(&model->gear_outputs[gear * model->n_outputs + output], 1);
        if (bytes > most) {
            most = bytes;
            best = gear;
        }
    }
    return best;
}

aclError aclmdlGetCurOutputDims(const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims)
{
    int code = asim_enter(CALL_aclmdlGetCurOutputDims, SIM_INIT);
    if (code)
        return code;
    code = get_dims(modelDesc, index, dims, false);
    if (code)
        return asim_leave(code);
    const struct asim_model *model = model_of(modelDesc);
    if (!model->loaded)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_MODEL_ID, "model %u was unloaded before", model->id));
    if (!model->om->n_gears)
        return asim_leave(0);
    size_t gear = model->gear < 0 ? largest_gear(model, index) : (size_t)model->gear;
    const struct asim_shape *shape = &model->gear_outputs[gear * model->n_outputs + index];
    fill_dims(dims, model->outputs[index].name, shape->rank, shape->dims);
    return asim_leave(0);
}

/* ---------------------------------------------------------------- gears */

aclError aclmdlGetDynamicBatch(const aclmdlDesc *modelDesc, aclmdlBatch *batch)
{
    int code = asim_enter(CALL_aclmdlGetDynamicBatch, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = model_of(modelDesc);
    if (!model || !batch)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    memset(batch, 0, sizeof *batch);
    if (model->om->mode != OM_DYNAMIC_BATCH)
        return asim_leave(0);
    batch->batchCount = model->om->n_gears;
    for (size_t i = 0; i < batch->batchCount; i++)
        batch->batch[i] = (uint64_t)model->om->gears[i];
    return asim_leave(0);
}

aclError aclmdlGetDynamicHW(const aclmdlDesc *modelDesc, size_t index, aclmdlHW *hw)
{
    int code = asim_enter(CALL_aclmdlGetDynamicHW, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = model_of(modelDesc);
    if (!model || !hw)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (index != SIZE_MAX)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "index %zu: -1 is wanted", index));
    memset(hw, 0, sizeof *hw);
    if (model->om->mode != OM_DYNAMIC_IMAGE_SIZE)
        return asim_leave(0);
    hw->hwCount = model->om->n_gears;
    for (size_t i = 0; i < hw->hwCount; i++) {
        hw->hw[i][0] = (uint64_t)model->om->gears[2 * i];
        hw->hw[i][1] = (uint64_t)model->om->gears[2 * i + 1];
    }
    return asim_leave(0);
}

static size_t dims_gears(const struct asim_model *model)
{
    return model->om->mode == OM_DYNAMIC_DIMS ? model->om->n_gears : 0;
}

aclError aclmdlGetInputDynamicGearCount(const aclmdlDesc *modelDesc, size_t index, size_t *gearCount)
{
    int code = asim_enter(CALL_aclmdlGetInputDynamicGearCount, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = model_of(modelDesc);
    if (!model || !gearCount)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (index != SIZE_MAX)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "index %zu: -1 is wanted", index));
    *gearCount = dims_gears(model);
    return asim_leave(0);
}

aclError aclmdlGetInputDynamicDims(const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims,
                                   size_t gearCount)
{
    int code = asim_enter(CALL_aclmdlGetInputDynamicDims, SIM_INIT);
    if (code)
        return code;
    const struct asim_model *model = model_of(modelDesc);
    if (!model || !dims)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (index != SIZE_MAX || gearCount < dims_gears(model))
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM,
                                      "index %zu and room for %zu: -1 and %zu are wanted", index, gearCount,
                                      dims_gears(model)));
    for (size_t i = 0; i < dims_gears(model); i++)
        fill_dims(&dims[i], "", model->om->gear_length, model->om->gears + i * model->om->gear_length);
    return asim_leave(0);
}

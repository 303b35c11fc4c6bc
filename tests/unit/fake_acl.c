/* SPDX-License-Identifier: MIT */
#include "fake_acl.h"

#include "backends/acl/acl_abi.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct aclDataBuffer {
    void *data;
    size_t size;
};

struct aclTensorDesc {
    aclDataType type;
    int rank;
    int64_t dims[8];
};

struct aclmdlDataset {
    aclDataBuffer *buffers[8];
    size_t n;
    aclTensorDesc *descs[8];
    aclmdlIODims chosen;  /* the gear: dimensions of both inputs in a row */
    aclTensorDesc scores; /* of an output dataset, when the shape is open */
    bool has_aipp;
};

struct aclmdlDesc {
    char kind;
};

struct aclmdlAIPP {
    unsigned shared;   /* calls for all images */
    unsigned image[2]; /* and for each */
};

static struct fake_acl state;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char kinds[64];
static _Thread_local aclrtContext current;

EXPORT struct fake_acl *fake_acl(void)
{
    return &state;
}

/* Whether this call is the one that fails. */
static bool fails(const char *function)
{
    pthread_mutex_lock(&mutex);
    state.calls++;
    bool hit = state.calls == state.fail_at || (state.fail_in && strcmp(state.fail_in, function) == 0);
    if (hit)
        state.failed_in = function;
    pthread_mutex_unlock(&mutex);
    return hit;
}

static aclError result(bool failed)
{
    return failed ? (state.code ? state.code : ACL_ERROR_INTERNAL_ERROR) : ACL_SUCCESS;
}

static void misuse(const char *what)
{
    if (!state.misuse[0])
        (void)snprintf(state.misuse, sizeof state.misuse, "%s", what);
}

static void check(bool right, const char *what)
{
    if (!right)
        misuse(what);
}

/* ---------------------------------------------------------------- runtime */

EXPORT aclError aclInit(const char *path)
{
    bool failed = fails("aclInit");
    (void)snprintf(state.given, sizeof state.given, "%s", path ? path : "(null)");
    if (!failed && state.initialised_already)
        return ACL_ERROR_REPEAT_INITIALIZE;
    state.inits += !failed;
    return result(failed);
}

/* What releases something does so even when it is told to fail, so that what is left over is the backend's.
 */
EXPORT aclError aclFinalize(void)
{
    check(!state.devices && !state.memory && !state.pinned, "aclFinalize before all was released");
    state.finalizes++;
    return result(fails("aclFinalize"));
}

EXPORT aclError aclrtGetDeviceCount(uint32_t *count)
{
    *count = 2;
    return result(fails("aclrtGetDeviceCount"));
}

EXPORT aclError aclrtSetDevice(int32_t id)
{
    check(state.inits > state.finalizes || state.initialised_already, "aclrtSetDevice before aclInit");
    check(id >= 0 && id < 2, "a device that does not exist");
    bool failed = fails("aclrtSetDevice");
    state.devices += !failed;
    state.sets += !failed;
    return result(failed);
}

EXPORT aclError aclrtResetDevice(int32_t id)
{
    (void)id;
    check(!state.contexts, "aclrtResetDevice before the contexts were destroyed");
    state.devices--;
    state.resets++;
    return result(fails("aclrtResetDevice"));
}

EXPORT aclError aclrtCreateContext(aclrtContext *context, int32_t id)
{
    (void)id;
    if (fails("aclrtCreateContext"))
        return result(true);
    *context = malloc(1);
    current = *context;
    state.contexts++;
    return 0;
}

EXPORT aclError aclrtDestroyContext(aclrtContext context)
{
    check(!state.models && !state.descriptions && !state.datasets && !state.streams,
          "aclrtDestroyContext before what was made in it");
    free(context);
    current = NULL;
    state.contexts--;
    return result(fails("aclrtDestroyContext"));
}

EXPORT aclError aclrtSetCurrentContext(aclrtContext context)
{
    current = context;
    return result(fails("aclrtSetCurrentContext"));
}

EXPORT aclError aclrtCreateStream(aclrtStream *stream)
{
    if (fails("aclrtCreateStream"))
        return result(true);
    *stream = current;
    state.streams++;
    return 0;
}

EXPORT aclError aclrtDestroyStream(aclrtStream stream)
{
    check(stream == current, "aclrtDestroyStream in another context");
    state.streams--;
    return result(fails("aclrtDestroyStream"));
}

EXPORT aclError aclrtSynchronizeStream(aclrtStream stream)
{
    check(stream == current, "aclrtSynchronizeStream in another context");
    return result(fails("aclrtSynchronizeStream"));
}

static aclError allocate(void **memory, size_t size, int *count, const char *function)
{
    check(size > 0 && current, "an allocation of nothing, or without a context");
    if (fails(function))
        return result(true);
    *memory = malloc(size + 1);
    ++*count;
    return 0;
}

EXPORT aclError aclrtMalloc(void **memory, size_t size, aclrtMemMallocPolicy policy)
{
    (void)policy;
    return allocate(memory, size, &state.memory, "aclrtMalloc");
}

EXPORT aclError aclrtFree(void *memory)
{
    free(memory);
    state.memory--;
    return result(fails("aclrtFree"));
}

EXPORT aclError aclrtMallocHost(void **memory, size_t size)
{
    return allocate(memory, size, &state.pinned, "aclrtMallocHost");
}

EXPORT aclError aclrtFreeHost(void *memory)
{
    free(memory);
    state.pinned--;
    return result(fails("aclrtFreeHost"));
}

EXPORT aclError aclrtMemcpyAsync(void *to, size_t most, const void *from, size_t bytes, aclrtMemcpyKind kind,
                                 aclrtStream stream)
{
    check(bytes && bytes <= most, "a copy of nothing, or too much");
    check(kind == ACL_MEMCPY_HOST_TO_DEVICE || kind == ACL_MEMCPY_DEVICE_TO_HOST, "a copy to nowhere");
    check(stream == current, "aclrtMemcpyAsync in another context");
    if (fails("aclrtMemcpyAsync"))
        return result(true);
    memcpy(to, from, bytes);
    return 0;
}

/* ---------------------------------------------------------------- models */

static uint32_t loaded;

static aclError load(const char *path, uint32_t *id, const char *function)
{
    FILE *file = fopen(path, "re");
    int kind = file ? fgetc(file) : EOF;
    if (file)
        (void)fclose(file);
    if (fails(function))
        return result(true);
    if (kind == EOF)
        return ACL_ERROR_PARSE_MODEL;
    *id = ++loaded % sizeof kinds;
    kinds[*id] = (char)kind;
    state.models++;
    return 0;
}

EXPORT aclError aclmdlLoadFromFile(const char *path, uint32_t *id)
{
    state.loads++;
    return load(path, id, "aclmdlLoadFromFile");
}

EXPORT aclError aclmdlUnload(uint32_t id)
{
    (void)id;
    check(!state.datasets && !state.streams, "aclmdlUnload before the datasets were destroyed");
    state.models--;
    return result(fails("aclmdlUnload"));
}

EXPORT aclmdlDesc *aclmdlCreateDesc(void)
{
    if (fails("aclmdlCreateDesc"))
        return NULL;
    state.descriptions++;
    return calloc(1, sizeof(aclmdlDesc));
}

EXPORT aclError aclmdlGetDesc(aclmdlDesc *desc, uint32_t id)
{
    desc->kind = kinds[id];
    return result(fails("aclmdlGetDesc"));
}

EXPORT aclError aclmdlDestroyDesc(aclmdlDesc *desc)
{
    check(!state.models, "aclmdlDestroyDesc before aclmdlUnload");
    free(desc);
    state.descriptions--;
    return result(fails("aclmdlDestroyDesc"));
}

static const char *hidden(const aclmdlDesc *desc)
{
    return strchr("bhd", desc->kind) ? ACL_DYNAMIC_TENSOR_NAME
           : desc->kind == 'a'       ? ACL_DYNAMIC_AIPP_NAME
                                     : NULL;
}

EXPORT size_t aclmdlGetNumInputs(aclmdlDesc *desc)
{
    return fails("aclmdlGetNumInputs") ? 0 : 2 + (hidden(desc) != NULL);
}

EXPORT size_t aclmdlGetNumOutputs(aclmdlDesc *desc)
{
    (void)desc;
    return fails("aclmdlGetNumOutputs") ? 0 : 1;
}

/* In the largest gear input 0 is (2, 1, 3, 3) float32, input 1 (2, 5) int8; the output is (2, 7) uint8 in a
 * larger buffer. */
EXPORT size_t aclmdlGetInputSizeByIndex(aclmdlDesc *desc, size_t i)
{
    (void)desc;
    return fails("aclmdlGetInputSizeByIndex") ? 0 : (size_t[]){72, 10, 256}[i];
}

EXPORT size_t aclmdlGetOutputSizeByIndex(aclmdlDesc *desc, size_t i)
{
    return fails("aclmdlGetOutputSizeByIndex") || desc->kind == 'o' ? 0 : (size_t[]){32}[i];
}

EXPORT const char *aclmdlGetInputNameByIndex(const aclmdlDesc *desc, size_t i)
{
    return fails("aclmdlGetInputNameByIndex") ? NULL : i == 2 ? hidden(desc) : i ? "mask" : "image";
}

EXPORT const char *aclmdlGetOutputNameByIndex(const aclmdlDesc *desc, size_t i)
{
    (void)desc;
    (void)i;
    return fails("aclmdlGetOutputNameByIndex") ? NULL : "scores";
}

static aclError input_dims(const aclmdlDesc *desc, size_t i, aclmdlIODims *dims)
{
    bool image = i == 0;
    *dims = image ? (aclmdlIODims){.dimCount = 4, .dims = {2, 1, 3, 3}}
                  : (aclmdlIODims){.dimCount = 2, .dims = {2, 5}};
    if (strchr("bdo", desc->kind))
        dims->dims[0] = -1;
    if (image && strchr("hdo", desc->kind))
        dims->dims[2] = dims->dims[3] = -1;
    return 0;
}

EXPORT aclError aclmdlGetInputDims(const aclmdlDesc *desc, size_t i, aclmdlIODims *dims)
{
    return fails("aclmdlGetInputDims") ? result(true) : input_dims(desc, i, dims);
}

EXPORT aclError aclmdlGetOutputDims(const aclmdlDesc *desc, size_t i, aclmdlIODims *dims)
{
    (void)i;
    *dims = (aclmdlIODims){.dimCount = 2, .dims = {strchr("bdo", desc->kind) ? -1 : 2, 7}};
    return result(fails("aclmdlGetOutputDims"));
}

/* The gear that was set last is the description's, as a model has one at a time. */
static int64_t current_batch = 2;

EXPORT aclError aclmdlGetCurOutputDims(const aclmdlDesc *desc, size_t i, aclmdlIODims *dims)
{
    (void)desc;
    (void)i;
    *dims = (aclmdlIODims){.dimCount = 2, .dims = {current_batch, 7}};
    return result(fails("aclmdlGetCurOutputDims"));
}

EXPORT aclFormat aclmdlGetInputFormat(const aclmdlDesc *desc, size_t i)
{
    (void)desc;
    return fails("aclmdlGetInputFormat") ? ACL_FORMAT_UNDEFINED : i ? ACL_FORMAT_ND : ACL_FORMAT_NCHW;
}

EXPORT aclDataType aclmdlGetInputDataType(const aclmdlDesc *desc, size_t i)
{
    (void)desc;
    return fails("aclmdlGetInputDataType") ? ACL_DT_UNDEFINED : i ? ACL_INT8 : ACL_FLOAT;
}

EXPORT aclDataType aclmdlGetOutputDataType(const aclmdlDesc *desc, size_t i)
{
    (void)i;
    return fails("aclmdlGetOutputDataType") ? ACL_DT_UNDEFINED
           : desc->kind == 'c'              ? ACL_COMPLEX64
                                            : ACL_UINT8;
}

EXPORT aclError aclmdlGetDynamicBatch(const aclmdlDesc *desc, aclmdlBatch *batch)
{
    *batch = (aclmdlBatch){.batchCount = desc->kind == 'b' ? 2 : 0, .batch = {1, 2}};
    return result(fails("aclmdlGetDynamicBatch"));
}

EXPORT aclError aclmdlGetDynamicHW(const aclmdlDesc *desc, size_t i, aclmdlHW *hw)
{
    check(i == (size_t)-1, "aclmdlGetDynamicHW of an input");
    *hw = (aclmdlHW){.hwCount = desc->kind == 'h' ? 2 : 0, .hw = {{2, 4}, {3, 3}}};
    return result(fails("aclmdlGetDynamicHW"));
}

EXPORT aclError aclmdlGetInputDynamicGearCount(const aclmdlDesc *desc, size_t i, size_t *count)
{
    check(i == (size_t)-1, "aclmdlGetInputDynamicGearCount of an input");
    *count = desc->kind == 'd' ? 2 : 0;
    return result(fails("aclmdlGetInputDynamicGearCount"));
}

EXPORT aclError aclmdlGetInputDynamicDims(const aclmdlDesc *desc, size_t i, aclmdlIODims *dims, size_t count)
{
    (void)desc;
    check(i == (size_t)-1 && count == 2, "aclmdlGetInputDynamicDims of an input");
    dims[0] = (aclmdlIODims){.dimCount = 6, .dims = {1, 1, 2, 2, 1, 5}};
    dims[1] = (aclmdlIODims){.dimCount = 6, .dims = {2, 1, 3, 3, 2, 5}};
    return result(fails("aclmdlGetInputDynamicDims"));
}

/* ---------------------------------------------------------------- datasets and execution */

EXPORT aclmdlDataset *aclmdlCreateDataset(void)
{
    if (fails("aclmdlCreateDataset"))
        return NULL;
    state.datasets++;
    return calloc(1, sizeof(aclmdlDataset));
}

EXPORT aclError aclmdlDestroyDataset(const aclmdlDataset *dataset)
{
    free((void *)dataset);
    state.datasets--;
    return result(fails("aclmdlDestroyDataset"));
}

EXPORT aclDataBuffer *aclCreateDataBuffer(void *data, size_t size)
{
    if (fails("aclCreateDataBuffer"))
        return NULL;
    aclDataBuffer *buffer = malloc(sizeof *buffer);
    *buffer = (aclDataBuffer){.data = data, .size = size};
    state.buffers++;
    return buffer;
}

EXPORT aclError aclUpdateDataBuffer(aclDataBuffer *buffer, void *data, size_t size)
{
    check(buffer->data == data, "a buffer that gets other memory");
    if (fails("aclUpdateDataBuffer"))
        return result(true);
    buffer->size = size;
    return 0;
}

EXPORT aclError aclDestroyDataBuffer(const aclDataBuffer *buffer)
{
    free((void *)buffer);
    state.buffers--;
    return result(fails("aclDestroyDataBuffer"));
}

EXPORT aclError aclmdlAddDatasetBuffer(aclmdlDataset *dataset, aclDataBuffer *buffer)
{
    if (fails("aclmdlAddDatasetBuffer"))
        return result(true);
    dataset->buffers[dataset->n++] = buffer;
    return 0;
}

static aclError choose(aclmdlDataset *dataset, size_t index, const aclmdlIODims *chosen, const char *function)
{
    check(index == 2, "a gear that is not given to the hidden input");
    if (fails(function))
        return result(true);
    dataset->chosen = *chosen;
    current_batch = chosen->dims[0];
    return 0;
}

EXPORT aclError aclmdlSetDynamicBatchSize(uint32_t id, aclmdlDataset *dataset, size_t index, uint64_t n)
{
    check(kinds[id] == 'b', "a batch size for another model");
    return choose(dataset, index,
                  &(aclmdlIODims){.dimCount = 6, .dims = {(int64_t)n, 1, 3, 3, (int64_t)n, 5}},
                  "aclmdlSetDynamicBatchSize");
}

EXPORT aclError aclmdlSetDynamicHWSize(uint32_t id, aclmdlDataset *dataset, size_t index, uint64_t h,
                                       uint64_t w)
{
    check(kinds[id] == 'h', "an image size for another model");
    return choose(dataset, index,
                  &(aclmdlIODims){.dimCount = 6, .dims = {2, 1, (int64_t)h, (int64_t)w, 2, 5}},
                  "aclmdlSetDynamicHWSize");
}

EXPORT aclError aclmdlSetInputDynamicDims(uint32_t id, aclmdlDataset *dataset, size_t index,
                                          const aclmdlIODims *dims)
{
    check(kinds[id] == 'd' && dims->dimCount == 6, "dimensions for another model");
    return choose(dataset, index, dims, "aclmdlSetInputDynamicDims");
}

/* The dimensions of both inputs in a row, from wherever they were given. */
static aclmdlIODims chosen_dims(char kind, const aclmdlDataset *input)
{
    if (kind == 's' || kind == 'a')
        return (aclmdlIODims){.dimCount = 6, .dims = {2, 1, 3, 3, 2, 5}};
    if (kind != 'o')
        return input->chosen;
    aclmdlIODims row = {.dimCount = 0};
    for (int i = 0; i < 2; i++)
        for (int k = 0; input->descs[i] && k < input->descs[i]->rank; k++)
            row.dims[row.dimCount++] = input->descs[i]->dims[k];
    return row;
}

static void check_sizes(char kind, const aclmdlDataset *input, const aclmdlDataset *output)
{
    aclmdlIODims row = chosen_dims(kind, input);
    const int64_t *d = row.dims;
    bool hidden_one = strchr("bhda", kind) != NULL;
    check(row.dimCount == 6, "aclmdlExecute without a shape");
    check(input->n == 2 + (size_t)hidden_one && output->n == 1, "aclmdlExecute with too few buffers");
    int64_t each = kind == 'a' ? 1 : 4; /* AIPP makes numbers of bytes */
    check(input->buffers[0]->size == (size_t)(each * d[0] * d[1] * d[2] * d[3]), "input 0 of another size");
    check(input->has_aipp == (kind == 'a'), "settings for AIPP are missing, or there are some");
    check(input->buffers[1]->size == (size_t)(d[4] * d[5]), "input 1 of another size");
    check(!hidden_one || input->buffers[2]->size == 256, "a hidden input of another size");
    check(kind == 'o' || output->buffers[0]->size >= (size_t)(d[0] * 7), "an output that is too small");
}

EXPORT aclError aclmdlExecute(uint32_t id, const aclmdlDataset *input, aclmdlDataset *output)
{
    check(current != NULL, "aclmdlExecute without a context");
    check_sizes(kinds[id], input, output);
    aclmdlIODims row = chosen_dims(kinds[id], input);
    output->scores = (aclTensorDesc){.type = ACL_UINT8, .rank = 2, .dims = {row.dims[0], 7}};
    if (fails("aclmdlExecute"))
        return result(true);
    const unsigned char *from = input->buffers[0]->data;
    unsigned char *to = output->buffers[0]->data;
    for (size_t i = 0; i < output->buffers[0]->size; i++)
        to[i] = (unsigned char)~from[i % input->buffers[0]->size];
    return 0;
}

/* ---------------------------------------------------------------- AIPP */

EXPORT aclError aclmdlGetAippType(uint32_t id, size_t index, aclmdlInputAippType *type, size_t *attached)
{
    check(index < 2, "aclmdlGetAippType of a hidden input");
    bool is_it = kinds[id] == 'a' && index == 0;
    *type = is_it ? ACL_DATA_WITH_DYNAMIC_AIPP : ACL_DATA_WITHOUT_AIPP;
    *attached = is_it ? 2 : SIZE_MAX;
    return result(fails("aclmdlGetAippType"));
}

EXPORT aclmdlAIPP *aclmdlCreateAIPP(uint64_t batch)
{
    check(batch == 2, "aclmdlCreateAIPP for another batch");
    if (fails("aclmdlCreateAIPP"))
        return NULL;
    state.aipps++;
    return calloc(1, sizeof(aclmdlAIPP));
}

EXPORT aclError aclmdlDestroyAIPP(const aclmdlAIPP *aipp)
{
    free((void *)aipp);
    state.aipps--;
    return result(fails("aclmdlDestroyAIPP"));
}

static aclError set_shared(aclmdlAIPP *aipp, bool expected, const char *function)
{
    aipp->shared++;
    check(expected, function);
    return result(fails(function));
}

static aclError set_image(aclmdlAIPP *aipp, uint64_t image, bool expected, const char *function)
{
    check(image < 2 && expected, function);
    aipp->image[image % 2]++;
    return result(fails(function));
}

EXPORT aclError aclmdlSetAIPPInputFormat(aclmdlAIPP *aipp, aclAippInputFormat format)
{
    return set_shared(aipp, format == ACL_YUV400_U8, __func__);
}

EXPORT aclError aclmdlSetAIPPCscParams(aclmdlAIPP *aipp, int8_t on, int16_t r0c0, int16_t r0c1, int16_t r0c2,
                                       int16_t r1c0, int16_t r1c1, int16_t r1c2, int16_t r2c0, int16_t r2c1,
                                       int16_t r2c2, uint8_t out0, uint8_t out1, uint8_t out2, uint8_t in0,
                                       uint8_t in1, uint8_t in2)
{
    const int given[] = {on,   r0c0, r0c1, r0c2, r1c0, r1c1, r1c2, r2c0,
                         r2c1, r2c2, out0, out1, out2, in0,  in1,  in2};
    bool expected = true;
    for (int i = 0; i < 16; i++)
        expected = expected && given[i] == i + 1;
    return set_shared(aipp, expected, __func__);
}

EXPORT aclError aclmdlSetAIPPRbuvSwapSwitch(aclmdlAIPP *aipp, int8_t on)
{
    return set_shared(aipp, on == 1, __func__);
}

EXPORT aclError aclmdlSetAIPPAxSwapSwitch(aclmdlAIPP *aipp, int8_t on)
{
    return set_shared(aipp, on == 0, __func__);
}

EXPORT aclError aclmdlSetAIPPSrcImageSize(aclmdlAIPP *aipp, int32_t width, int32_t height)
{
    return set_shared(aipp, width == 9 && height == 1, __func__);
}

EXPORT aclError aclmdlSetAIPPCropParams(aclmdlAIPP *aipp, int8_t on, int32_t x, int32_t y, int32_t width,
                                        int32_t height, uint64_t image)
{
    return set_image(aipp, image, on == 1 && x == 2 && y == 0 && width == 5 && height == 1, __func__);
}

EXPORT aclError aclmdlSetAIPPPaddingParams(aclmdlAIPP *aipp, int8_t on, int32_t top, int32_t bottom,
                                           int32_t left, int32_t right, uint64_t image)
{
    return set_image(aipp, image, on == 1 && top == 21 && bottom == 22 && left == 23 && right == 24,
                     __func__);
}

EXPORT aclError aclmdlSetAIPPDtcPixelMean(aclmdlAIPP *aipp, int16_t c0, int16_t c1, int16_t c2, int16_t c3,
                                          uint64_t image)
{
    return set_image(aipp, image, c0 == 31 && c1 == 32 && c2 == 33 && c3 == 34, __func__);
}

EXPORT aclError aclmdlSetAIPPDtcPixelMin(aclmdlAIPP *aipp, float c0, float c1, float c2, float c3,
                                         uint64_t image)
{
    return set_image(aipp, image, c0 == 41.5F && c1 == 42.5F && c2 == 43.5F && c3 == 44.5F, __func__);
}

EXPORT aclError aclmdlSetAIPPPixelVarReci(aclmdlAIPP *aipp, float c0, float c1, float c2, float c3,
                                          uint64_t image)
{
    return set_image(aipp, image, c0 == -51.5F && c1 == -52.5F && c2 == -53.5F && c3 == -54.5F, __func__);
}

EXPORT aclError aclmdlSetInputAIPP(uint32_t id, aclmdlDataset *dataset, size_t index, const aclmdlAIPP *aipp)
{
    check(kinds[id] == 'a' && index == 2 && dataset->n == 3,
          "settings that are not given to the hidden input");
    check(aipp->shared == 5 && aipp->image[0] == 5 && aipp->image[1] == 5, "settings that are incomplete");
    if (fails("aclmdlSetInputAIPP"))
        return result(true);
    dataset->has_aipp = true;
    return 0;
}

/* ---------------------------------------------------------------- what an older release lacks */

#ifndef FAKE_ACL_OLD
EXPORT const char *aclGetRecentErrMsg(void)
{
    return "EZ9999: Inner\n   Error!\tit was told to fail.\n";
}

EXPORT aclError aclrtGetVersion(int32_t *major, int32_t *minor, int32_t *patch)
{
    *major = *minor = *patch = 1;
    return 0;
}

EXPORT const char *aclrtGetSocName(void)
{
    return "Fake910";
}

EXPORT aclError aclrtDeviceGetPCIBusId(int32_t device, char *bus, int32_t capacity)
{
    check(device >= 0 && capacity >= 13, "no device, or too little room for its address");
    bool failed = fails("aclrtDeviceGetPCIBusId");
    if (!failed)
        (void)snprintf(bus, (size_t)capacity, "0000:C%d:00.0", (int)device);
    return result(failed);
}

EXPORT aclError aclrtSetDeviceSatMode(aclrtFloatOverflowMode mode)
{
    check(mode == ACL_RT_OVERFLOW_MODE_SATURATION, "a mode that inference does not want");
    return result(fails("aclrtSetDeviceSatMode"));
}

EXPORT aclError aclmdlGetInputDimsV2(const aclmdlDesc *desc, size_t i, aclmdlIODims *dims)
{
    return fails("aclmdlGetInputDimsV2") ? result(true) : input_dims(desc, i, dims);
}

EXPORT aclTensorDesc *aclCreateTensorDesc(aclDataType type, int rank, const int64_t *dims, aclFormat format)
{
    check(rank <= 8 && format == (rank == 4 ? ACL_FORMAT_NCHW : ACL_FORMAT_ND), "a strange description");
    if (fails("aclCreateTensorDesc"))
        return NULL;
    aclTensorDesc *desc = calloc(1, sizeof *desc);
    desc->type = type;
    desc->rank = rank;
    memcpy(desc->dims, dims, (size_t)rank * sizeof *dims);
    state.descriptions++;
    return desc;
}

EXPORT void aclDestroyTensorDesc(const aclTensorDesc *desc)
{
    free((void *)desc);
    state.descriptions--;
}

EXPORT aclError aclmdlSetDatasetTensorDesc(aclmdlDataset *dataset, aclTensorDesc *desc, size_t i)
{
    if (fails("aclmdlSetDatasetTensorDesc"))
        return result(true);
    dataset->descs[i] = desc;
    return 0;
}

EXPORT aclTensorDesc *aclmdlGetDatasetTensorDesc(const aclmdlDataset *dataset, size_t i)
{
    (void)i;
    return fails("aclmdlGetDatasetTensorDesc") ? NULL : (aclTensorDesc *)&dataset->scores;
}

EXPORT size_t aclGetTensorDescNumDims(const aclTensorDesc *desc)
{
    return fails("aclGetTensorDescNumDims") ? ACL_UNKNOWN_RANK : (size_t)desc->rank;
}

EXPORT aclError aclGetTensorDescDimV2(const aclTensorDesc *desc, size_t i, int64_t *dim)
{
    *dim = desc->dims[i];
    return result(fails("aclGetTensorDescDimV2"));
}

EXPORT size_t aclGetTensorDescSize(const aclTensorDesc *desc)
{
    return fails("aclGetTensorDescSize") ? 0 : (size_t)(desc->dims[0] * desc->dims[1]);
}

/* No operator of this library ever fails: the rest is there so that it is not taken for an older one. */
EXPORT aclError aclrtSetExceptionInfoCallback(aclrtExceptionInfoCallback callback)
{
    check(callback != NULL, "no callback");
    return result(fails("aclrtSetExceptionInfoCallback"));
}

#define NEVER_CALLED(type, name, parameters, nothing) \
    EXPORT type name parameters                       \
    {                                                 \
        misuse(#name " without an exception");        \
        return nothing;                               \
    }
#pragma GCC diagnostic ignored "-Wunused-parameter"
NEVER_CALLED(uint32_t, aclrtGetTaskIdFromExceptionInfo, (const aclrtExceptionInfo *info), 0)
NEVER_CALLED(uint32_t, aclrtGetStreamIdFromExceptionInfo, (const aclrtExceptionInfo *info), 0)
NEVER_CALLED(uint32_t, aclrtGetDeviceIdFromExceptionInfo, (const aclrtExceptionInfo *info), 0)
NEVER_CALLED(aclError, aclmdlCreateAndGetOpDesc,
             (uint32_t device, uint32_t stream, uint32_t task, char *name, size_t length, aclTensorDesc **in,
              size_t *n_in, aclTensorDesc **out, size_t *n_out),
             1)
NEVER_CALLED(aclTensorDesc *, aclGetTensorDescByIndex, (aclTensorDesc * desc, size_t i), NULL)
NEVER_CALLED(void *, aclGetTensorDescAddress, (const aclTensorDesc *desc), NULL)
NEVER_CALLED(aclDataType, aclGetTensorDescType, (const aclTensorDesc *desc), ACL_DT_UNDEFINED)
NEVER_CALLED(aclFormat, aclGetTensorDescFormat, (const aclTensorDesc *desc), ACL_FORMAT_UNDEFINED)
NEVER_CALLED(aclError, aclrtMemcpy,
             (void *to, size_t most, const void *from, size_t bytes, aclrtMemcpyKind kind), 1)
NEVER_CALLED(aclError, aclrtGetCurrentContext, (aclrtContext * context), 1)

EXPORT aclFormat aclmdlGetOutputFormat(const aclmdlDesc *desc, size_t i)
{
    return ACL_FORMAT_ND;
}

EXPORT aclError aclmdlQuerySize(const char *path, size_t *work, size_t *weights)
{
    (void)path;
    *work = 100;
    *weights = 1000;
    return result(fails("aclmdlQuerySize"));
}

EXPORT aclError aclmdlLoadFromFileWithMem(const char *path, uint32_t *id, void *work, size_t work_size,
                                          void *weights, size_t weight_size)
{
    check(work && work_size == 100 && weights && weight_size == 1000,
          "aclmdlLoadFromFileWithMem without memory");
    state.weights[state.loads_with_memory++ % 8] = weights;
    return load(path, id, "aclmdlLoadFromFileWithMem");
}
#endif

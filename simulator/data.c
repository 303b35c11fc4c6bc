/* SPDX-License-Identifier: MIT */
/* Data buffers, tensor descs, datasets: what a program hands over with an execution. */
#include "asim.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- types */

size_t asim_type_size(aclDataType type)
{
    switch ((int)type) {
    case ACL_COMPLEX64:
        return 8;
    case ACL_COMPLEX128:
        return 16;
    case ACL_COMPLEX32:
        return 4;
    default:
        return aispipe_dtype_size((enum aispipe_dtype)type);
    }
}

size_t aclDataTypeSize(aclDataType dataType)
{
    if (asim_enter(CALL_aclDataTypeSize, 0))
        return 0;
    (void)asim_leave(0);
    return asim_type_size(dataType);
}

float aclFloat16ToFloat(uint16_t value)
{
    if (asim_enter(CALL_aclFloat16ToFloat, 0) == 0)
        (void)asim_leave(0);
    uint32_t sign = (uint32_t)(value & 0x8000U) << 16;
    uint32_t exponent = (value >> 10) & 31U;
    uint32_t fraction = value & 1023U;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000U | fraction << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* a multiple of 2^-24, exact as a float */
        float small = (float)fraction / 16777216.0F;
        return sign ? -small : small;
    }
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/* ---------------------------------------------------------------- data buffers */

aclDataBuffer *aclCreateDataBuffer(void *data, size_t size)
{
    if (asim_enter(CALL_aclCreateDataBuffer, SIM_INIT))
        return NULL;
    struct asim_buffer *buffer = calloc(1, sizeof *buffer);
    void *handle = buffer ? asim_object_add(SIM_BUFFER, buffer) : NULL;
    if (handle)
        *buffer = (struct asim_buffer){.handle = handle, .data = data, .size = size};
    else
        free(buffer);
    (void)asim_leave(handle ? 0 : asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a data buffer"));
    return handle;
}

aclError aclDestroyDataBuffer(const aclDataBuffer *dataBuffer)
{
    int code = asim_enter(CALL_aclDestroyDataBuffer, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_buffer *buffer = asim_object_get(SIM_BUFFER, dataBuffer);
    if (!buffer)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    asim_object_remove(dataBuffer);
    free(buffer);
    return asim_leave(0);
}

aclError aclUpdateDataBuffer(aclDataBuffer *dataBuffer, void *data, size_t size)
{
    int code = asim_enter(CALL_aclUpdateDataBuffer, SIM_INIT);
    if (code)
        return code;
    struct asim_buffer *buffer = asim_object_get(SIM_BUFFER, dataBuffer);
    if (!buffer)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    buffer->data = data;
    buffer->size = size;
    return asim_leave(0);
}

void *aclGetDataBufferAddr(const aclDataBuffer *dataBuffer)
{
    if (asim_enter(CALL_aclGetDataBufferAddr, SIM_INIT))
        return NULL;
    const struct asim_buffer *buffer = asim_object_get(SIM_BUFFER, dataBuffer);
    void *data = buffer ? buffer->data : NULL;
    (void)asim_leave(0);
    return data;
}

size_t aclGetDataBufferSizeV2(const aclDataBuffer *dataBuffer)
{
    if (asim_enter(CALL_aclGetDataBufferSizeV2, SIM_INIT))
        return 0;
    const struct asim_buffer *buffer = asim_object_get(SIM_BUFFER, dataBuffer);
    size_t size = buffer ? buffer->size : 0;
    (void)asim_leave(0);
    return size;
}

/* ---------------------------------------------------------------- tensor descs */

struct asim_tensor *asim_tensor_new(aclDataType type, size_t n, const int64_t *dims, aclFormat format)
{
    struct asim_tensor *tensor = calloc(1, sizeof *tensor);
    if (!tensor)
        return NULL;
    tensor->type = type;
    tensor->format = format;
    tensor->n = n;
    tensor->size = asim_type_size(type);
    for (size_t i = 0; i < n; i++) {
        tensor->dims[i] = dims[i];
        if (dims[i] < 0 || __builtin_mul_overflow(tensor->size, (size_t)dims[i], &tensor->size))
            tensor->size = 0;
    }
    tensor->handle = asim_object_add(SIM_TENSOR, tensor);
    if (tensor->handle)
        return tensor;
    free(tensor);
    return NULL;
}

void asim_tensor_free(struct asim_tensor *tensor)
{
    if (!tensor)
        return;
    asim_object_remove(tensor->handle);
    free(tensor);
}

aclTensorDesc *aclCreateTensorDesc(aclDataType dataType, int numDims, const int64_t *dims, aclFormat format)
{
    if (asim_enter(CALL_aclCreateTensorDesc, SIM_INIT))
        return NULL;
    if (numDims < 0 || numDims > SIM_MOST_DIMS || (numDims && !dims)) {
        (void)asim_leave(
            asim_misuse(ACL_ERROR_INVALID_PARAM, "%d dimensions at %p", numDims, (const void *)dims));
        return NULL;
    }
    struct asim_tensor *tensor = asim_tensor_new(dataType, (size_t)numDims, dims, format);
    (void)asim_leave(tensor ? 0 : asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a tensor desc"));
    return tensor ? tensor->handle : NULL;
}

void aclDestroyTensorDesc(const aclTensorDesc *desc)
{
    if (asim_enter(CALL_aclDestroyTensorDesc, SIM_INIT | SIM_ANYWAY))
        return;
    struct asim_tensor *tensor = asim_object_get(SIM_TENSOR, desc);
    if (tensor && tensor->of_runtime)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "tensor desc %p belongs to the runtime",
                          (const void *)desc);
    else
        asim_tensor_free(tensor);
    (void)asim_leave(0);
}

/** What a getter needs of a tensor desc: a copy, so that the lock is not held while it is used. */
static struct asim_tensor tensor_of(enum asim_call call, const aclTensorDesc *desc)
{
    struct asim_tensor copy = {.type = ACL_DT_UNDEFINED, .format = ACL_FORMAT_UNDEFINED};
    if (asim_enter(call, SIM_INIT))
        return copy;
    const struct asim_tensor *tensor = asim_object_get(SIM_TENSOR, desc);
    if (tensor)
        copy = *tensor;
    (void)asim_leave(0);
    return copy;
}

aclDataType aclGetTensorDescType(const aclTensorDesc *desc)
{
    return tensor_of(CALL_aclGetTensorDescType, desc).type;
}

aclFormat aclGetTensorDescFormat(const aclTensorDesc *desc)
{
    return tensor_of(CALL_aclGetTensorDescFormat, desc).format;
}

size_t aclGetTensorDescSize(const aclTensorDesc *desc)
{
    return tensor_of(CALL_aclGetTensorDescSize, desc).size;
}

size_t aclGetTensorDescNumDims(const aclTensorDesc *desc)
{
    return tensor_of(CALL_aclGetTensorDescNumDims, desc).n;
}

aclError aclGetTensorDescDimV2(const aclTensorDesc *desc, size_t index, int64_t *dimSize)
{
    int code = asim_enter(CALL_aclGetTensorDescDimV2, SIM_INIT);
    if (code)
        return code;
    const struct asim_tensor *tensor = asim_object_get(SIM_TENSOR, desc);
    if (!tensor)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (index >= tensor->n || !dimSize)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM, "dimension %zu of %zu", index, tensor->n));
    *dimSize = tensor->dims[index];
    return asim_leave(0);
}

void *aclGetTensorDescAddress(const aclTensorDesc *desc)
{
    return tensor_of(CALL_aclGetTensorDescAddress, desc).address; /* only an operator that failed has one */
}

aclTensorDesc *aclGetTensorDescByIndex(aclTensorDesc *desc, size_t index)
{
    if (asim_enter(CALL_aclGetTensorDescByIndex, SIM_INIT))
        return NULL;
    const struct asim_tensor *first = asim_object_get(SIM_TENSOR, desc);
    struct asim_tensor *found = first ? asim_exception_tensor(first, index) : NULL;
    if (first && !found)
        (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "there is no tensor desc %zu", index);
    (void)asim_leave(0);
    return found ? found->handle : NULL;
}

/* ---------------------------------------------------------------- datasets */

static void dataset_free(struct asim_dataset *dataset)
{
    for (size_t i = 0; i < dataset->n; i++) {
        asim_tensor_free(dataset->results[i]);
        asim_aipp_free(dataset->aipp[i]);
    }
    asim_object_remove(dataset->handle);
    free(dataset);
}

aclmdlDataset *aclmdlCreateDataset(void)
{
    if (asim_enter(CALL_aclmdlCreateDataset, SIM_INIT))
        return NULL;
    struct asim_dataset *dataset = calloc(1, sizeof *dataset);
    void *handle = dataset ? asim_object_add(SIM_DATASET, dataset) : NULL;
    if (handle)
        dataset->handle = handle;
    else
        free(dataset);
    (void)asim_leave(handle ? 0 : asim_refuse(ACL_ERROR_BAD_ALLOC, "no memory for a dataset"));
    return handle;
}

aclError aclmdlDestroyDataset(const aclmdlDataset *dataset)
{
    int code = asim_enter(CALL_aclmdlDestroyDataset, SIM_INIT | SIM_ANYWAY);
    if (code)
        return code;
    struct asim_dataset *d = asim_object_get(SIM_DATASET, dataset);
    if (!d)
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (d->in_use)
        return asim_leave(asim_misuse(ACL_ERROR_INVALID_PARAM,
                                      "dataset %p is named by an execution that is not done",
                                      (const void *)dataset));
    dataset_free(d);
    return asim_leave(0);
}

aclError aclmdlAddDatasetBuffer(aclmdlDataset *dataset, aclDataBuffer *dataBuffer)
{
    int code = asim_enter(CALL_aclmdlAddDatasetBuffer, SIM_INIT);
    if (code)
        return code;
    struct asim_dataset *d = asim_object_get(SIM_DATASET, dataset);
    if (!d || !asim_object_get(SIM_BUFFER, dataBuffer))
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    if (d->n == SIM_MOST_BUFFERS)
        return asim_leave(
            asim_refuse(ACL_ERROR_STORAGE_OVER_LIMIT, "a dataset has at most %d buffers", SIM_MOST_BUFFERS));
    d->buffers[d->n++] = dataBuffer;
    return asim_leave(0);
}

size_t aclmdlGetDatasetNumBuffers(const aclmdlDataset *dataset)
{
    if (asim_enter(CALL_aclmdlGetDatasetNumBuffers, SIM_INIT))
        return 0;
    const struct asim_dataset *d = asim_object_get(SIM_DATASET, dataset);
    size_t n = d ? d->n : 0;
    (void)asim_leave(0);
    return n;
}

/** The dataset, when it has that buffer. */
static struct asim_dataset *dataset_at(const aclmdlDataset *dataset, size_t index)
{
    struct asim_dataset *d = asim_object_get(SIM_DATASET, dataset);
    if (!d || index < d->n)
        return d;
    (void)asim_misuse(ACL_ERROR_INVALID_PARAM, "buffer %zu of a dataset of %zu", index, d->n);
    return NULL;
}

aclDataBuffer *aclmdlGetDatasetBuffer(const aclmdlDataset *dataset, size_t index)
{
    if (asim_enter(CALL_aclmdlGetDatasetBuffer, SIM_INIT))
        return NULL;
    const struct asim_dataset *d = dataset_at(dataset, index);
    void *buffer = d ? d->buffers[index] : NULL;
    (void)asim_leave(0);
    return buffer;
}

aclError aclmdlSetDatasetTensorDesc(aclmdlDataset *dataset, aclTensorDesc *tensorDesc, size_t index)
{
    int code = asim_enter(CALL_aclmdlSetDatasetTensorDesc, SIM_INIT);
    if (code)
        return code;
    struct asim_dataset *d = dataset_at(dataset, index);
    if (!d || (tensorDesc && !asim_object_get(SIM_TENSOR, tensorDesc)))
        return asim_leave(ACL_ERROR_INVALID_PARAM);
    d->tensors[index] = tensorDesc;
    return asim_leave(0);
}

aclTensorDesc *aclmdlGetDatasetTensorDesc(const aclmdlDataset *dataset, size_t index)
{
    if (asim_enter(CALL_aclmdlGetDatasetTensorDesc, SIM_INIT))
        return NULL;
    const struct asim_dataset *d = dataset_at(dataset, index);
    void *tensor = d && d->results[index] ? d->results[index]->handle : d ? d->tensors[index] : NULL;
    (void)asim_leave(0);
    return tensor;
}

void asim_data_free_all(void)
{
    void *object;
    while ((object = asim_object_nth(SIM_DATASET, 0)))
        dataset_free(object);
    while ((object = asim_object_nth(SIM_BUFFER, 0))) {
        asim_object_remove(((struct asim_buffer *)object)->handle);
        free(object);
    }
    while ((object = asim_object_nth(SIM_TENSOR, 0)))
        asim_tensor_free(object);
    while ((object = asim_object_nth(SIM_AIPP, 0))) {
        asim_object_remove(*(void **)object);
        asim_aipp_free(object);
    }
}

/* SPDX-License-Identifier: MIT */
/**
 * @file acl_abi.h
 * The part of libascendcl's C ABI that is used here: the device backend calls it, the simulator exports it.
 *
 * Nobody needs CANN to build: the library is opened at run time, and this header is what both sides agree on.
 * Every number and layout below is therefore part of a contract with a binary; none may be changed for
 * beauty.
 *
 * Unless said otherwise a call returns an aclError, 0 for success. Enumerations are listed in part where only
 * a part is used; what arrives from the device may hold other values.
 */
#ifndef AISPIPE_BACKENDS_ACL_ABI_H
#define AISPIPE_BACKENDS_ACL_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int aclError;

/* ---------------------------------------------------------------- handles */

typedef void *aclrtContext; /**< one device's resources; the current one belongs to the thread */
typedef void *aclrtStream;  /**< a queue of work, in order */
typedef void *aclrtEvent;   /**< a mark in a stream, with a time */

typedef struct aclDataBuffer aclDataBuffer; /**< an address and a size; owns no memory */
typedef struct aclTensorDesc aclTensorDesc;
typedef struct aclmdlDataset aclmdlDataset; /**< data buffers in the order of a model's inputs or outputs */
typedef struct aclmdlDesc aclmdlDesc;
typedef struct aclmdlAIPP aclmdlAIPP;
typedef struct rtExceptionInfo aclrtExceptionInfo;

typedef void (*aclrtExceptionInfoCallback)(aclrtExceptionInfo *info);

/* ---------------------------------------------------------------- error codes */

/** The codes that are worth a name: X(number, name). */
#define ACL_ERRORS(X)                             \
    X(0, ACL_SUCCESS)                             \
    X(100000, ACL_ERROR_INVALID_PARAM)            \
    X(100001, ACL_ERROR_UNINITIALIZE)             \
    X(100002, ACL_ERROR_REPEAT_INITIALIZE)        \
    X(100003, ACL_ERROR_INVALID_FILE)             \
    X(100006, ACL_ERROR_PARSE_FILE)               \
    X(100009, ACL_ERROR_INVALID_DUMP_CONFIG)      \
    X(100010, ACL_ERROR_INVALID_PROFILING_CONFIG) \
    X(100011, ACL_ERROR_INVALID_MODEL_ID)         \
    X(100012, ACL_ERROR_DESERIALIZE_MODEL)        \
    X(100013, ACL_ERROR_PARSE_MODEL)              \
    X(100014, ACL_ERROR_READ_MODEL_FAILURE)       \
    X(100016, ACL_ERROR_MODEL_MISSING_ATTR)       \
    X(100017, ACL_ERROR_MODEL_INPUT_NOT_MATCH)    \
    X(100018, ACL_ERROR_MODEL_OUTPUT_NOT_MATCH)   \
    X(100019, ACL_ERROR_MODEL_NOT_DYNAMIC)        \
    X(100026, ACL_ERROR_UNSUPPORTED_DATA_TYPE)    \
    X(100037, ACL_ERROR_REPEAT_FINALIZE)          \
    X(107000, ACL_ERROR_RT_PARAM_INVALID)         \
    X(107001, ACL_ERROR_RT_INVALID_DEVICEID)      \
    X(107002, ACL_ERROR_RT_CONTEXT_NULL)          \
    X(200000, ACL_ERROR_BAD_ALLOC)                \
    X(200001, ACL_ERROR_API_NOT_SUPPORT)          \
    X(200002, ACL_ERROR_INVALID_DEVICE)           \
    X(207001, ACL_ERROR_RT_MEMORY_ALLOCATION)     \
    X(207018, ACL_ERROR_RT_DEVICE_OOM)            \
    X(300000, ACL_ERROR_STORAGE_OVER_LIMIT)       \
    X(500000, ACL_ERROR_INTERNAL_ERROR)           \
    X(500002, ACL_ERROR_GE_FAILURE)               \
    X(500003, ACL_ERROR_RT_FAILURE)               \
    X(500004, ACL_ERROR_DRV_FAILURE)              \
    X(507033, ACL_ERROR_RT_DEV_SETUP_ERROR)

enum acl_error_code {
#define ACL_ERROR_VALUE(number, name) name = (number),
    ACL_ERRORS(ACL_ERROR_VALUE)
#undef ACL_ERROR_VALUE
};

/* ---------------------------------------------------------------- enumerations */

typedef enum {
    ACL_DEVICE = 0, /**< the program runs on the device's own processor */
    ACL_HOST = 1,
} aclrtRunMode;

typedef enum {
    ACL_MEM_MALLOC_HUGE_FIRST = 0,
    ACL_MEM_MALLOC_HUGE_ONLY = 1,
    ACL_MEM_MALLOC_NORMAL_ONLY = 2,
    ACL_MEM_MALLOC_HUGE_FIRST_P2P = 3,
    ACL_MEM_MALLOC_HUGE_ONLY_P2P = 4,
    ACL_MEM_MALLOC_NORMAL_ONLY_P2P = 5,
    ACL_MEM_TYPE_LOW_BAND_WIDTH = 0x0100,
    ACL_MEM_TYPE_HIGH_BAND_WIDTH = 0x1000,
} aclrtMemMallocPolicy;

typedef enum {
    ACL_MEMCPY_HOST_TO_HOST = 0,
    ACL_MEMCPY_HOST_TO_DEVICE = 1,
    ACL_MEMCPY_DEVICE_TO_HOST = 2,
    ACL_MEMCPY_DEVICE_TO_DEVICE = 3,
    ACL_MEMCPY_DEFAULT = 4,
} aclrtMemcpyKind;

typedef enum {
    ACL_DDR_MEM = 0,
    ACL_HBM_MEM = 1,
} aclrtMemAttr;

typedef enum {
    ACL_RT_OVERFLOW_MODE_SATURATION = 0, /**< what offline inference wants */
    ACL_RT_OVERFLOW_MODE_INFNAN = 1,
    ACL_RT_OVERFLOW_MODE_UNDEF = 2,
} aclrtFloatOverflowMode;

typedef enum {
    ACL_DT_UNDEFINED = -1,
    ACL_FLOAT = 0,
    ACL_FLOAT16 = 1,
    ACL_INT8 = 2,
    ACL_INT32 = 3,
    ACL_UINT8 = 4,
    ACL_INT16 = 6,
    ACL_UINT16 = 7,
    ACL_UINT32 = 8,
    ACL_INT64 = 9,
    ACL_UINT64 = 10,
    ACL_DOUBLE = 11,
    ACL_BOOL = 12,
    ACL_STRING = 13,
    ACL_COMPLEX64 = 16,
    ACL_COMPLEX128 = 17,
    ACL_BF16 = 27,
    ACL_INT4 = 29,
    ACL_UINT1 = 30,
    ACL_COMPLEX32 = 33,
} aclDataType;

typedef enum {
    ACL_FORMAT_UNDEFINED = -1,
    ACL_FORMAT_NCHW = 0,
    ACL_FORMAT_NHWC = 1,
    ACL_FORMAT_ND = 2,
    ACL_FORMAT_NC1HWC0 = 3,
    ACL_FORMAT_FRACTAL_Z = 4,
    ACL_FORMAT_NC1HWC0_C04 = 12,
    ACL_FORMAT_HWCN = 16,
    ACL_FORMAT_NDHWC = 27,
    ACL_FORMAT_FRACTAL_NZ = 29,
    ACL_FORMAT_NCDHW = 30,
    ACL_FORMAT_NDC1HWC0 = 32,
    ACL_FRACTAL_Z_3D = 33, /* without FORMAT, as the library's users spell it */
    ACL_FORMAT_NC = 35,
    ACL_FORMAT_NCL = 47,
} aclFormat;

typedef enum {
    ACL_DATA_WITHOUT_AIPP = 0,
    ACL_DATA_WITH_STATIC_AIPP = 1,
    ACL_DATA_WITH_DYNAMIC_AIPP = 2,
    ACL_DYNAMIC_AIPP_NODE = 3, /**< the hidden input that carries the settings */
} aclmdlInputAippType;

typedef enum {
    ACL_YUV420SP_U8 = 1,
    ACL_XRGB8888_U8 = 2,
    ACL_RGB888_U8 = 3,
    ACL_YUV400_U8 = 4,
} aclAippInputFormat;

/* ---------------------------------------------------------------- constants */

enum {
    ACL_MAX_DIM_CNT = 128,
    ACL_MAX_TENSOR_NAME_LEN = 128,
    ACL_MAX_BATCH_NUM = 128,
    ACL_MAX_HW_NUM = 128,
};

/** aclGetTensorDescNumDims of a shape whose number of dimensions is not known. */
#define ACL_UNKNOWN_RANK 0xFFFFFFFFFFFFFFFEULL

/** What the five ...FromExceptionInfo calls return for "unknown". */
#define ACL_EXCEPTION_UNKNOWN 0xffffffffU

/** Inputs that a model has beside its own: in the datasets, never shown to users. */
#define ACL_DYNAMIC_TENSOR_NAME "ascend_mbatch_shape_data"
#define ACL_DYNAMIC_AIPP_NAME "ascend_dynamic_aipp_data"

/* ---------------------------------------------------------------- layouts */

typedef struct {
    char name[ACL_MAX_TENSOR_NAME_LEN];
    size_t dimCount;
    int64_t dims[ACL_MAX_DIM_CNT]; /**< −1: dynamic */
} aclmdlIODims;

typedef struct {
    size_t batchCount;
    uint64_t batch[ACL_MAX_BATCH_NUM];
} aclmdlBatch;

typedef struct {
    size_t hwCount;
    uint64_t hw[ACL_MAX_HW_NUM][2]; /**< height, width */
} aclmdlHW;

_Static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8, "the library exists for 64-bit machines only");
_Static_assert(sizeof(aclError) == 4, "aclError is an int");
_Static_assert(sizeof(aclDataType) == 4 && sizeof(aclFormat) == 4, "enumerations are passed as 32 bits");
_Static_assert(sizeof(aclrtMemMallocPolicy) == 4 && sizeof(aclrtMemcpyKind) == 4, "and so are these");
_Static_assert(sizeof(aclrtMemAttr) == 4 && sizeof(aclrtFloatOverflowMode) == 4, "and so are these");
_Static_assert(sizeof(aclmdlInputAippType) == 4 && sizeof(aclAippInputFormat) == 4, "and so are these");
_Static_assert(sizeof(aclrtRunMode) == 4, "and this one");
_Static_assert(offsetof(aclmdlIODims, name) == 0, "layout of aclmdlIODims");
_Static_assert(offsetof(aclmdlIODims, dimCount) == 128, "layout of aclmdlIODims");
_Static_assert(offsetof(aclmdlIODims, dims) == 136, "layout of aclmdlIODims");
_Static_assert(sizeof(aclmdlIODims) == 1160, "layout of aclmdlIODims");
_Static_assert(offsetof(aclmdlBatch, batchCount) == 0, "layout of aclmdlBatch");
_Static_assert(offsetof(aclmdlBatch, batch) == 8, "layout of aclmdlBatch");
_Static_assert(sizeof(aclmdlBatch) == 1032, "layout of aclmdlBatch");
_Static_assert(offsetof(aclmdlHW, hwCount) == 0, "layout of aclmdlHW");
_Static_assert(offsetof(aclmdlHW, hw) == 8, "layout of aclmdlHW");
_Static_assert(sizeof(aclmdlHW) == 2056, "layout of aclmdlHW");

/* ---------------------------------------------------------------- calls */

/* X(result, name, (parameters)), in groups; ACL_FUNCTIONS is all of them. */

#define ACL_RUNTIME_FUNCTIONS(X)                                                                            \
    X(aclError, aclInit, (const char *configPath))                                                          \
    X(aclError, aclFinalize, (void))                                                                        \
    X(const char *, aclGetRecentErrMsg, (void))                                                             \
    X(aclError, aclrtGetVersion, (int32_t * majorVersion, int32_t * minorVersion, int32_t * patchVersion))  \
    X(const char *, aclrtGetSocName, (void))                                                                \
    X(aclError, aclrtGetDeviceCount, (uint32_t * count))                                                    \
    X(aclError, aclrtDeviceGetPCIBusId, (int32_t deviceId, char *busId, int32_t capacity))                  \
    X(aclError, aclrtSetDevice, (int32_t deviceId))                                                         \
    X(aclError, aclrtResetDevice, (int32_t deviceId))                                                       \
    X(aclError, aclrtGetRunMode, (aclrtRunMode * runMode))                                                  \
    X(aclError, aclrtCreateContext, (aclrtContext * context, int32_t deviceId))                             \
    X(aclError, aclrtDestroyContext, (aclrtContext context))                                                \
    X(aclError, aclrtSetCurrentContext, (aclrtContext context))                                             \
    X(aclError, aclrtGetCurrentContext, (aclrtContext * context))                                           \
    X(aclError, aclrtCreateStream, (aclrtStream * stream))                                                  \
    X(aclError, aclrtDestroyStream, (aclrtStream stream))                                                   \
    X(aclError, aclrtSynchronizeStream, (aclrtStream stream))                                               \
    X(aclError, aclrtCreateEvent, (aclrtEvent * event))                                                     \
    X(aclError, aclrtRecordEvent, (aclrtEvent event, aclrtStream stream))                                   \
    X(aclError, aclrtStreamWaitEvent, (aclrtStream stream, aclrtEvent event))                               \
    X(aclError, aclrtSynchronizeEvent, (aclrtEvent event))                                                  \
    X(aclError, aclrtEventElapsedTime, (float *ms, aclrtEvent startEvent, aclrtEvent endEvent))             \
    X(aclError, aclrtDestroyEvent, (aclrtEvent event))                                                      \
    X(aclError, aclrtMalloc, (void **devPtr, size_t size, aclrtMemMallocPolicy policy))                     \
    X(aclError, aclrtFree, (void *devPtr))                                                                  \
    X(aclError, aclrtMallocHost, (void **hostPtr, size_t size))                                             \
    X(aclError, aclrtFreeHost, (void *hostPtr))                                                             \
    X(aclError, aclrtMemcpy,                                                                                \
      (void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind))                     \
    X(aclError, aclrtMemcpyAsync,                                                                           \
      (void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind, aclrtStream stream)) \
    X(aclError, aclrtMemset, (void *devPtr, size_t maxCount, int32_t value, size_t count))                  \
    X(aclError, aclrtGetMemInfo, (aclrtMemAttr attr, size_t * freeSize, size_t * totalSize))                \
    X(aclError, aclrtSetDeviceSatMode, (aclrtFloatOverflowMode mode))                                       \
    X(aclError, aclrtSetExceptionInfoCallback, (aclrtExceptionInfoCallback callback))                       \
    X(uint32_t, aclrtGetTaskIdFromExceptionInfo, (const aclrtExceptionInfo *info))                          \
    X(uint32_t, aclrtGetStreamIdFromExceptionInfo, (const aclrtExceptionInfo *info))                        \
    X(uint32_t, aclrtGetThreadIdFromExceptionInfo, (const aclrtExceptionInfo *info))                        \
    X(uint32_t, aclrtGetDeviceIdFromExceptionInfo, (const aclrtExceptionInfo *info))                        \
    X(uint32_t, aclrtGetErrorCodeFromExceptionInfo, (const aclrtExceptionInfo *info))

#define ACL_DATA_FUNCTIONS(X)                                                                       \
    X(aclmdlDataset *, aclmdlCreateDataset, (void))                                                 \
    X(aclError, aclmdlDestroyDataset, (const aclmdlDataset *dataset))                               \
    X(aclError, aclmdlAddDatasetBuffer, (aclmdlDataset * dataset, aclDataBuffer * dataBuffer))      \
    X(size_t, aclmdlGetDatasetNumBuffers, (const aclmdlDataset *dataset))                           \
    X(aclDataBuffer *, aclmdlGetDatasetBuffer, (const aclmdlDataset *dataset, size_t index))        \
    X(aclError, aclmdlSetDatasetTensorDesc,                                                         \
      (aclmdlDataset * dataset, aclTensorDesc * tensorDesc, size_t index))                          \
    X(aclTensorDesc *, aclmdlGetDatasetTensorDesc, (const aclmdlDataset *dataset, size_t index))    \
    X(aclDataBuffer *, aclCreateDataBuffer, (void *data, size_t size))                              \
    X(aclError, aclDestroyDataBuffer, (const aclDataBuffer *dataBuffer))                            \
    X(aclError, aclUpdateDataBuffer, (aclDataBuffer * dataBuffer, void *data, size_t size))         \
    X(void *, aclGetDataBufferAddr, (const aclDataBuffer *dataBuffer))                              \
    X(size_t, aclGetDataBufferSizeV2, (const aclDataBuffer *dataBuffer))                            \
    X(aclTensorDesc *, aclCreateTensorDesc,                                                         \
      (aclDataType dataType, int numDims, const int64_t *dims, aclFormat format))                   \
    X(void, aclDestroyTensorDesc, (const aclTensorDesc *desc))                                      \
    X(aclDataType, aclGetTensorDescType, (const aclTensorDesc *desc))                               \
    X(aclFormat, aclGetTensorDescFormat, (const aclTensorDesc *desc))                               \
    X(size_t, aclGetTensorDescSize, (const aclTensorDesc *desc))                                    \
    X(size_t, aclGetTensorDescNumDims, (const aclTensorDesc *desc))                                 \
    X(aclError, aclGetTensorDescDimV2, (const aclTensorDesc *desc, size_t index, int64_t *dimSize)) \
    X(void *, aclGetTensorDescAddress, (const aclTensorDesc *desc))                                 \
    X(aclTensorDesc *, aclGetTensorDescByIndex, (aclTensorDesc * desc, size_t index))               \
    X(size_t, aclDataTypeSize, (aclDataType dataType))                                              \
    X(float, aclFloat16ToFloat, (uint16_t value))

#define ACL_MODEL_FUNCTIONS(X)                                                                             \
    X(aclError, aclmdlLoadFromFile, (const char *modelPath, uint32_t *modelId))                            \
    X(aclError, aclmdlLoadFromFileWithMem,                                                                 \
      (const char *modelPath, uint32_t *modelId, void *workPtr, size_t workSize, void *weightPtr,          \
       size_t weightSize))                                                                                 \
    X(aclError, aclmdlQuerySize, (const char *fileName, size_t *workSize, size_t *weightSize))             \
    X(aclError, aclmdlUnload, (uint32_t modelId))                                                          \
    X(aclmdlDesc *, aclmdlCreateDesc, (void))                                                              \
    X(aclError, aclmdlGetDesc, (aclmdlDesc * modelDesc, uint32_t modelId))                                 \
    X(aclError, aclmdlDestroyDesc, (aclmdlDesc * modelDesc))                                               \
    X(size_t, aclmdlGetNumInputs, (aclmdlDesc * modelDesc))                                                \
    X(size_t, aclmdlGetNumOutputs, (aclmdlDesc * modelDesc))                                               \
    X(size_t, aclmdlGetInputSizeByIndex, (aclmdlDesc * modelDesc, size_t index))                           \
    X(size_t, aclmdlGetOutputSizeByIndex, (aclmdlDesc * modelDesc, size_t index))                          \
    X(const char *, aclmdlGetInputNameByIndex, (const aclmdlDesc *modelDesc, size_t index))                \
    X(const char *, aclmdlGetOutputNameByIndex, (const aclmdlDesc *modelDesc, size_t index))               \
    X(aclError, aclmdlGetInputIndexByName, (const aclmdlDesc *modelDesc, const char *name, size_t *index)) \
    X(aclError, aclmdlGetInputDims, (const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims))       \
    X(aclError, aclmdlGetInputDimsV2, (const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims))     \
    X(aclError, aclmdlGetOutputDims, (const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims))      \
    X(aclError, aclmdlGetCurOutputDims, (const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims))   \
    X(aclFormat, aclmdlGetInputFormat, (const aclmdlDesc *modelDesc, size_t index))                        \
    X(aclFormat, aclmdlGetOutputFormat, (const aclmdlDesc *modelDesc, size_t index))                       \
    X(aclDataType, aclmdlGetInputDataType, (const aclmdlDesc *modelDesc, size_t index))                    \
    X(aclDataType, aclmdlGetOutputDataType, (const aclmdlDesc *modelDesc, size_t index))                   \
    X(aclError, aclmdlGetDynamicBatch, (const aclmdlDesc *modelDesc, aclmdlBatch *batch))                  \
    X(aclError, aclmdlGetDynamicHW, (const aclmdlDesc *modelDesc, size_t index, aclmdlHW *hw))             \
    X(aclError, aclmdlGetInputDynamicGearCount,                                                            \
      (const aclmdlDesc *modelDesc, size_t index, size_t *gearCount))                                      \
    X(aclError, aclmdlGetInputDynamicDims,                                                                 \
      (const aclmdlDesc *modelDesc, size_t index, aclmdlIODims *dims, size_t gearCount))                   \
    X(aclError, aclmdlSetDynamicBatchSize,                                                                 \
      (uint32_t modelId, aclmdlDataset * dataset, size_t index, uint64_t batchSize))                       \
    X(aclError, aclmdlSetDynamicHWSize,                                                                    \
      (uint32_t modelId, aclmdlDataset * dataset, size_t index, uint64_t height, uint64_t width))          \
    X(aclError, aclmdlSetInputDynamicDims,                                                                 \
      (uint32_t modelId, aclmdlDataset * dataset, size_t index, const aclmdlIODims *dims))                 \
    X(aclError, aclmdlExecute, (uint32_t modelId, const aclmdlDataset *input, aclmdlDataset *output))      \
    X(aclError, aclmdlExecuteAsync,                                                                        \
      (uint32_t modelId, const aclmdlDataset *input, aclmdlDataset *output, aclrtStream stream))           \
    X(aclError, aclmdlCreateAndGetOpDesc,                                                                  \
      (uint32_t deviceId, uint32_t streamId, uint32_t taskId, char *opName, size_t opNameLen,              \
       aclTensorDesc **inputDesc, size_t *numInputs, aclTensorDesc **outputDesc, size_t *numOutputs))      \
    X(aclError, aclmdlInitDump, (void))                                                                    \
    X(aclError, aclmdlSetDump, (const char *dumpCfgPath))                                                  \
    X(aclError, aclmdlFinalizeDump, (void))

#define ACL_AIPP_FUNCTIONS(X)                                                                             \
    X(aclError, aclmdlGetAippType,                                                                        \
      (uint32_t modelId, size_t index, aclmdlInputAippType * type, size_t * dynamicAttachedDataIndex))    \
    X(aclmdlAIPP *, aclmdlCreateAIPP, (uint64_t batchSize))                                               \
    X(aclError, aclmdlDestroyAIPP, (const aclmdlAIPP *aipp))                                              \
    X(aclError, aclmdlSetAIPPInputFormat, (aclmdlAIPP * aipp, aclAippInputFormat inputFormat))            \
    X(aclError, aclmdlSetAIPPCscParams,                                                                   \
      (aclmdlAIPP * aipp, int8_t cscSwitch, int16_t r0c0, int16_t r0c1, int16_t r0c2, int16_t r1c0,       \
       int16_t r1c1, int16_t r1c2, int16_t r2c0, int16_t r2c1, int16_t r2c2, uint8_t outputBias0,         \
       uint8_t outputBias1, uint8_t outputBias2, uint8_t inputBias0, uint8_t inputBias1,                  \
       uint8_t inputBias2))                                                                               \
    X(aclError, aclmdlSetAIPPRbuvSwapSwitch, (aclmdlAIPP * aipp, int8_t rbuvSwapSwitch))                  \
    X(aclError, aclmdlSetAIPPAxSwapSwitch, (aclmdlAIPP * aipp, int8_t axSwapSwitch))                      \
    X(aclError, aclmdlSetAIPPSrcImageSize, (aclmdlAIPP * aipp, int32_t width, int32_t height))            \
    X(aclError, aclmdlSetAIPPCropParams,                                                                  \
      (aclmdlAIPP * aipp, int8_t cropSwitch, int32_t x, int32_t y, int32_t width, int32_t height,         \
       uint64_t batchIndex))                                                                              \
    X(aclError, aclmdlSetAIPPPaddingParams,                                                               \
      (aclmdlAIPP * aipp, int8_t paddingSwitch, int32_t top, int32_t bottom, int32_t left, int32_t right, \
       uint64_t batchIndex))                                                                              \
    X(aclError, aclmdlSetAIPPDtcPixelMean,                                                                \
      (aclmdlAIPP * aipp, int16_t c0, int16_t c1, int16_t c2, int16_t c3, uint64_t batchIndex))           \
    X(aclError, aclmdlSetAIPPDtcPixelMin,                                                                 \
      (aclmdlAIPP * aipp, float c0, float c1, float c2, float c3, uint64_t batchIndex))                   \
    X(aclError, aclmdlSetAIPPPixelVarReci,                                                                \
      (aclmdlAIPP * aipp, float c0, float c1, float c2, float c3, uint64_t batchIndex))                   \
    X(aclError, aclmdlSetInputAIPP,                                                                       \
      (uint32_t modelId, aclmdlDataset * dataset, size_t index, const aclmdlAIPP *aipp))

/** All of them. A table for dlsym: `#define X(result, name, parameters) __typeof__(&name) name;` */
#define ACL_FUNCTIONS(X)     \
    ACL_RUNTIME_FUNCTIONS(X) \
    ACL_DATA_FUNCTIONS(X)    \
    ACL_MODEL_FUNCTIONS(X)   \
    ACL_AIPP_FUNCTIONS(X)

#define ACL_PROTOTYPE(result, name, parameters) result name parameters;
ACL_FUNCTIONS(ACL_PROTOTYPE)
#undef ACL_PROTOTYPE

#endif

/* SPDX-License-Identifier: MIT */
/**
 * @file acl_library.h
 * Finds libascendcl.so on this machine and makes its functions callable.
 *
 * The library is never linked: one aispipe runs where CANN is missing, and CANN is not needed to build it.
 */
#ifndef AISPIPE_BACKENDS_ACL_LIBRARY_H
#define AISPIPE_BACKENDS_ACL_LIBRARY_H

#include "acl_abi.h"
#include "aispipe/aispipe.h"

/** What the backend cannot do without. */
#define ACL_REQUIRED(X)               \
    X(aclInit)                        \
    X(aclFinalize)                    \
    X(aclrtGetDeviceCount)            \
    X(aclrtSetDevice)                 \
    X(aclrtResetDevice)               \
    X(aclrtCreateContext)             \
    X(aclrtDestroyContext)            \
    X(aclrtSetCurrentContext)         \
    X(aclrtCreateStream)              \
    X(aclrtDestroyStream)             \
    X(aclrtSynchronizeStream)         \
    X(aclrtMalloc)                    \
    X(aclrtFree)                      \
    X(aclrtMallocHost)                \
    X(aclrtFreeHost)                  \
    X(aclrtMemcpyAsync)               \
    X(aclmdlLoadFromFile)             \
    X(aclmdlUnload)                   \
    X(aclmdlCreateDesc)               \
    X(aclmdlGetDesc)                  \
    X(aclmdlDestroyDesc)              \
    X(aclmdlGetNumInputs)             \
    X(aclmdlGetNumOutputs)            \
    X(aclmdlGetInputSizeByIndex)      \
    X(aclmdlGetOutputSizeByIndex)     \
    X(aclmdlGetInputNameByIndex)      \
    X(aclmdlGetOutputNameByIndex)     \
    X(aclmdlGetInputDims)             \
    X(aclmdlGetOutputDims)            \
    X(aclmdlGetInputDataType)         \
    X(aclmdlGetOutputDataType)        \
    X(aclmdlGetDynamicBatch)          \
    X(aclmdlGetDynamicHW)             \
    X(aclmdlGetInputDynamicGearCount) \
    X(aclmdlGetInputDynamicDims)      \
    X(aclmdlGetInputFormat)           \
    X(aclmdlGetCurOutputDims)         \
    X(aclmdlSetDynamicBatchSize)      \
    X(aclmdlSetDynamicHWSize)         \
    X(aclmdlSetInputDynamicDims)      \
    X(aclmdlCreateDataset)            \
    X(aclmdlDestroyDataset)           \
    X(aclmdlAddDatasetBuffer)         \
    X(aclCreateDataBuffer)            \
    X(aclDestroyDataBuffer)           \
    X(aclUpdateDataBuffer)            \
    X(aclmdlExecute)                  \
    X(aclmdlGetAippType)              \
    X(aclmdlCreateAIPP)               \
    X(aclmdlDestroyAIPP)              \
    X(aclmdlSetAIPPInputFormat)       \
    X(aclmdlSetAIPPCscParams)         \
    X(aclmdlSetAIPPRbuvSwapSwitch)    \
    X(aclmdlSetAIPPAxSwapSwitch)      \
    X(aclmdlSetAIPPSrcImageSize)      \
    X(aclmdlSetAIPPCropParams)        \
    X(aclmdlSetAIPPPaddingParams)     \
    X(aclmdlSetAIPPDtcPixelMean)      \
    X(aclmdlSetAIPPDtcPixelMin)       \
    X(aclmdlSetAIPPPixelVarReci)      \
    X(aclmdlSetInputAIPP)

/** What older releases of CANN lack: the pointer is then NULL, and one warning says what is done without. */
#define ACL_OPTIONAL(X)                                                      \
    X(aclGetRecentErrMsg, "errors are given by number")                      \
    X(aclrtGetVersion, "its version is not shown")                           \
    X(aclrtGetSocName, "the processor's name is not shown")                  \
    X(aclrtSetDeviceSatMode, "overflows are treated as the device likes")    \
    X(aclmdlGetInputDimsV2, "static AIPP shows the model's own shapes")      \
    X(aclmdlQuerySize, "every compute thread has its own weights")           \
    X(aclmdlLoadFromFileWithMem, "every compute thread has its own weights") \
    X(aclCreateTensorDesc, "no --dymShape")                                  \
    X(aclDestroyTensorDesc, "no --dymShape")                                 \
    X(aclmdlSetDatasetTensorDesc, "no --dymShape")                           \
    X(aclmdlGetDatasetTensorDesc, "no --dymShape")                           \
    X(aclGetTensorDescNumDims, "no --dymShape")                              \
    X(aclGetTensorDescDimV2, "no --dymShape")                                \
    X(aclGetTensorDescSize, "no --dymShape")                                 \
    X(aclrtSetExceptionInfoCallback, "no files of operators that fail")      \
    X(aclrtGetTaskIdFromExceptionInfo, "no files of operators that fail")    \
    X(aclrtGetStreamIdFromExceptionInfo, "no files of operators that fail")  \
    X(aclrtGetDeviceIdFromExceptionInfo, "no files of operators that fail")  \
    X(aclmdlCreateAndGetOpDesc, "no files of operators that fail")           \
    X(aclGetTensorDescByIndex, "no files of operators that fail")            \
    X(aclGetTensorDescAddress, "no files of operators that fail")            \
    X(aclGetTensorDescType, "no files of operators that fail")               \
    X(aclGetTensorDescFormat, "no files of operators that fail")             \
    X(aclrtMemcpy, "no files of operators that fail, and no tensors")        \
    X(aclmdlGetOutputFormat, "formats of outputs are not shown")             \
    X(aclrtGetCurrentContext, "no files of operators that fail")

/** What only newest releases have and nobody misses: the pointer is then NULL, and nothing is said. */
#define ACL_NEW(X) X(aclrtDeviceGetPCIBusId)

/** The functions, each with the type that the ABI gives it: `acl->aclrtSetDevice(0)`. */
struct acl_library {
    char path[1024]; /**< what dlopen was given: a file, or a name that the linker looked up */
#define X(name, ...) __typeof__(&name) name;
    ACL_REQUIRED(X)
    ACL_OPTIONAL(X)
    ACL_NEW(X)
#undef X
};

/**
 * Fills `acl` from the first usable library of: the file that AISPIPE_ACL_LIB names (nothing else is tried
 * when it is set), the linker's path, the homes that ASCEND_HOME_PATH and ASCEND_TOOLKIT_HOME name, the homes
 * that CANN installs to by default. The error lists every place and what was wrong there. Optional functions
 * that are missing are one warning in `log`. The library is never unloaded: it has threads and exit handlers
 * of its own. Loading it again is cheap and gives the same one.
 */
int acl_library_open(struct acl_library *acl, const struct aispipe_log *log, struct aispipe_error *error);

#endif

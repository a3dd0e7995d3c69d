// The driver's functions for the device, contexts, streams and events. There is one device; all work is done before a function
// returns, so that streams and events have nothing to wait for.
#include <cuda.h>

#include <chrono>
#include <cstring>

#include "emulated.h"
#include "memory.h"

namespace {

// Any address that isn't null: contexts, streams and pools have nothing inside.
int context, pool;
thread_local CUcontext current;

double now() {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// As an H100's; what isn't here is 0.
int attribute_of_device(CUdevice_attribute attribute) {
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return SHARED_OF_BLOCK;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return SHARED_OF_BLOCK_ON_DEMAND;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return 228 * 1024;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return MULTIPROCESSORS;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return 2048;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return 65536;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 9;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: return 1;
    default: return 0;
    }
}

} // namespace

extern "C" {

CUresult cuInit(unsigned int) { return CUDA_SUCCESS; }

CUresult cuDriverGetVersion(int *version) { return *version = CUDA_VERSION, CUDA_SUCCESS; }

CUresult cuGetErrorName(CUresult error, const char **name) {
    switch (error) {
    case CUDA_SUCCESS: *name = "CUDA_SUCCESS"; break;
    case CUDA_ERROR_INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case CUDA_ERROR_OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case CUDA_ERROR_INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case CUDA_ERROR_INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; break;
    case CUDA_ERROR_FILE_NOT_FOUND: *name = "CUDA_ERROR_FILE_NOT_FOUND"; break;
    case CUDA_ERROR_INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case CUDA_ERROR_NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: *name = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"; break;
    case CUDA_ERROR_NOT_SUPPORTED: *name = "CUDA_ERROR_NOT_SUPPORTED"; break;
    default: *name = "an error of the emulated driver";
    }
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text) { return cuGetErrorName(error, text); }

// --- The device ---

CUresult cuDeviceGetCount(int *count) { return *count = 1, CUDA_SUCCESS; }

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    if (ordinal != 0) return CUDA_ERROR_INVALID_DEVICE;
    return *device = 0, CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice) { return snprintf(name, length, "emulated"), CUDA_SUCCESS; }

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice) { return memset(uuid, 7, sizeof *uuid), CUDA_SUCCESS; }

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice) { return *bytes = memory_bytes(), CUDA_SUCCESS; }

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice) {
    return *value = attribute_of_device(attribute), CUDA_SUCCESS;
}

CUresult cuMemGetInfo(size_t *free, size_t *total) {
    *total = memory_bytes();
    *free = *total - allocated_bytes();
    return CUDA_SUCCESS;
}

// --- Contexts ---

CUresult cuDevicePrimaryCtxRetain(CUcontext *result, CUdevice) {
    return *result = reinterpret_cast<CUcontext>(&context), CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice) { return CUDA_SUCCESS; }

CUresult cuCtxGetCurrent(CUcontext *result) { return *result = current, CUDA_SUCCESS; }

CUresult cuCtxSetCurrent(CUcontext context) { return current = context, CUDA_SUCCESS; }

CUresult cuCtxGetDevice(CUdevice *device) { return *device = 0, CUDA_SUCCESS; }

CUresult cuCtxSynchronize() { return CUDA_SUCCESS; }

CUresult cuCtxSetFlags(unsigned int) { return CUDA_SUCCESS; }

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = *greatest = 0, CUDA_SUCCESS; }

// --- Streams ---

CUresult cuStreamCreate(CUstream *stream, unsigned int) { return *stream = reinterpret_cast<CUstream>(new char), CUDA_SUCCESS; }

CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned int flags, int) { return cuStreamCreate(stream, flags); }

CUresult cuStreamDestroy(CUstream stream) { return delete reinterpret_cast<char *>(stream), CUDA_SUCCESS; }

CUresult cuStreamSynchronize(CUstream) { return CUDA_SUCCESS; }

CUresult cuStreamQuery(CUstream) { return CUDA_SUCCESS; }

CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned int) { return CUDA_SUCCESS; }

CUresult cuStreamIsCapturing(CUstream, CUstreamCaptureStatus *status) {
    return *status = CU_STREAM_CAPTURE_STATUS_NONE, CUDA_SUCCESS;
}

CUresult cuLaunchHostFunc(CUstream, CUhostFn function, void *data) { return function(data), CUDA_SUCCESS; }

// --- Events: the time at which they were recorded ---

CUresult cuEventCreate(CUevent *event, unsigned int) { return *event = reinterpret_cast<CUevent>(new double(0.0)), CUDA_SUCCESS; }

CUresult cuEventDestroy(CUevent event) { return delete reinterpret_cast<double *>(event), CUDA_SUCCESS; }

CUresult cuEventRecord(CUevent event, CUstream) { return *reinterpret_cast<double *>(event) = now(), CUDA_SUCCESS; }

CUresult cuEventQuery(CUevent) { return CUDA_SUCCESS; }

CUresult cuEventSynchronize(CUevent) { return CUDA_SUCCESS; }

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
    *milliseconds = float(*reinterpret_cast<double *>(end) - *reinterpret_cast<double *>(start));
    return CUDA_SUCCESS;
}

// --- Pools: there is one, and what it is told to be it is ---

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *result, CUdevice) {
    return *result = reinterpret_cast<CUmemoryPool>(&pool), CUDA_SUCCESS;
}

CUresult cuDeviceGetMemPool(CUmemoryPool *result, CUdevice device) { return cuDeviceGetDefaultMemPool(result, device); }

CUresult cuDeviceSetMemPool(CUdevice, CUmemoryPool) { return CUDA_SUCCESS; }

CUresult cuMemPoolSetAttribute(CUmemoryPool, CUmemPool_attribute, void *) { return CUDA_SUCCESS; }

CUresult cuMemPoolGetAttribute(CUmemoryPool, CUmemPool_attribute attribute, void *value) {
    const bool used = attribute == CU_MEMPOOL_ATTR_USED_MEM_CURRENT || attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT;
    *static_cast<cuuint64_t *>(value) = used ? allocated_bytes() : 0;
    return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool, size_t) { return CUDA_SUCCESS; }

} // extern "C"

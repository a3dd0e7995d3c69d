// The driver's functions for memory: each range is looked up, and what isn't memory of the device is refused.
#include <cuda.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulated.h"
#include "memory.h"

namespace {

void *pointer(CUdeviceptr address) { return reinterpret_cast<void *>(address); }

template <typename T> CUresult fill(CUdeviceptr address, T value, size_t count) {
    if (count > 0 && !allocated(pointer(address), count * sizeof(T))) return CUDA_ERROR_INVALID_VALUE;
    T *target = static_cast<T *>(pointer(address));
    for (size_t i = 0; i < count; i++) target[i] = value;
    return CUDA_SUCCESS;
}

CUresult copy(void *target, bool to_device, const void *source, bool of_device, size_t bytes) {
    if (bytes == 0) return CUDA_SUCCESS;
    if ((to_device && !allocated(target, bytes)) || (of_device && !allocated(source, bytes))) return CUDA_ERROR_INVALID_VALUE;
    const char *way = !of_device ? "to the device" : !to_device ? "from the device" : "within the device";
    if (trace()) fprintf(stderr, "emulated CUDA: transfer %s, %zu bytes\n", way, bytes);
    memmove(target, source, bytes);
    return CUDA_SUCCESS;
}

} // namespace

extern "C" {

CUresult cuMemAlloc(CUdeviceptr *address, size_t bytes) {
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    void *memory = allocate(bytes);
    *address = reinterpret_cast<CUdeviceptr>(memory);
    return memory ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemFree(CUdeviceptr address) {
    return address == 0 || deallocate(pointer(address)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream) {
    // A pool gives 0 bytes, and no address for them.
    if (bytes == 0) return *address = 0, CUDA_SUCCESS;
    return cuMemAlloc(address, bytes);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, size_t bytes, CUmemoryPool, CUstream stream) {
    return cuMemAllocAsync(address, bytes, stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream) { return cuMemFree(address); }

CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned int) {
    return (*address = malloc(bytes)) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemAllocHost(void **address, size_t bytes) { return cuMemHostAlloc(address, bytes, 0); }

CUresult cuMemFreeHost(void *address) { return free(address), CUDA_SUCCESS; }

CUresult cuMemsetD8(CUdeviceptr address, unsigned char value, size_t count) { return fill(address, value, count); }

CUresult cuMemsetD16(CUdeviceptr address, unsigned short value, size_t count) { return fill(address, value, count); }

CUresult cuMemsetD32(CUdeviceptr address, unsigned int value, size_t count) { return fill(address, value, count); }

CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t count, CUstream) { return fill(address, value, count); }

CUresult cuMemsetD16Async(CUdeviceptr address, unsigned short value, size_t count, CUstream) { return fill(address, value, count); }

CUresult cuMemsetD32Async(CUdeviceptr address, unsigned int value, size_t count, CUstream) { return fill(address, value, count); }

CUresult cuMemcpyHtoD(CUdeviceptr target, const void *source, size_t bytes) { return copy(pointer(target), true, source, false, bytes); }

CUresult cuMemcpyDtoH(void *target, CUdeviceptr source, size_t bytes) { return copy(target, false, pointer(source), true, bytes); }

CUresult cuMemcpyDtoD(CUdeviceptr target, CUdeviceptr source, size_t bytes) {
    return copy(pointer(target), true, pointer(source), true, bytes);
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr target, const void *source, size_t bytes, CUstream) { return cuMemcpyHtoD(target, source, bytes); }

CUresult cuMemcpyDtoHAsync(void *target, CUdeviceptr source, size_t bytes, CUstream) { return cuMemcpyDtoH(target, source, bytes); }

CUresult cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream) { return cuMemcpyDtoD(target, source, bytes); }

CUresult cuMemcpyPeerAsync(CUdeviceptr target, CUcontext, CUdeviceptr source, CUcontext, size_t bytes, CUstream) {
    return cuMemcpyDtoD(target, source, bytes);
}

} // extern "C"

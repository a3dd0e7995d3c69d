// The driver's functions for modules, kernels and launches.
#include <cuda.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <string>

#include "emulated.h"
#include "libraries.h"
#include "memory.h"

namespace {

const unsigned int SHARED_AT_MOST = 227 * 1024;

// What was there before for bad addresses.
struct sigaction others_segv, others_bus;

// A kernel that reads or writes where nothing is: says which one, and leaves the rest to those who were there before.
void on_bad_address(int number, siginfo_t *info, void *) {
    sigaction(number, number == SIGSEGV ? &others_segv : &others_bus, nullptr);
    if (!running_kernel()) return;
    const EmulatedIndex &b = emulated_position.block, &t = emulated_position.thread;
    char text[400];
    int length = snprintf(text, sizeof text, "emulated CUDA: %s, block (%u, %u, %u), thread (%u, %u, %u): no memory at %p\n", running_kernel(),
                          b.x, b.y, b.z, t.x, t.y, t.z, info->si_addr);
    if (write(2, text, length) < 0) return;
}

void watch_bad_addresses() {
    struct sigaction action = {};
    action.sa_sigaction = on_bad_address;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &others_segv);
    sigaction(SIGBUS, &action, &others_bus);
}

bool trace() {
    static const bool wanted = setting("EMULATED_CUDA_TRACE", 0) != 0;
    return wanted;
}

Function *function_of(CUfunction function) { return reinterpret_cast<Function *>(function); }

} // namespace

extern "C" {

CUresult cuModuleLoadData(CUmodule *result, const void *text) {
    Module *module = load_module(static_cast<const char *>(text));
    *result = reinterpret_cast<CUmodule>(module);
    return module ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

CUresult cuModuleLoadDataEx(CUmodule *result, const void *text, unsigned int, CUjit_option *, void **) {
    return cuModuleLoadData(result, text);
}

CUresult cuModuleLoad(CUmodule *result, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    std::string text;
    char part[65536];
    for (size_t count; (count = fread(part, 1, sizeof part, file)) > 0;) text.append(part, count);
    fclose(file);
    return cuModuleLoadData(result, text.c_str());
}

CUresult cuModuleUnload(CUmodule module) { return delete reinterpret_cast<Module *>(module), CUDA_SUCCESS; }

CUresult cuModuleGetFunction(CUfunction *result, CUmodule module, const char *name) {
    Function *function = find_function(reinterpret_cast<Module *>(module), name);
    *result = reinterpret_cast<CUfunction>(function);
    return function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) { return CUDA_SUCCESS; }

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
    if (value < 0 || unsigned(value) > SHARED_AT_MOST) return CUDA_ERROR_INVALID_VALUE;
    function_of(function)->dynamic_shared_limit = value;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = int(function_of(function)->dynamic_shared_limit); break;
    default: *value = 0;
    }
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction, int block_size, size_t shared) {
    int by_threads = 2048 / block_size, by_shared = shared ? int(233472 / (shared + 1024)) : 32;
    *blocks = by_threads < by_shared ? by_threads : by_shared;
    if (*blocks > 32) *blocks = 32;
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction function, int size, size_t shared, unsigned int) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, size, shared);
}

CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction, CUoccupancyB2DSize, size_t, int limit) {
    *grid = 264;
    *block = limit > 0 && limit < 1024 ? limit : 1024;
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *grid, int *block, CUfunction function, CUoccupancyB2DSize size, size_t shared, int limit,
                                                   unsigned int) {
    return cuOccupancyMaxPotentialBlockSize(grid, block, function, size, shared, limit);
}

CUresult cuLaunchKernel(CUfunction handle, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x,
                        unsigned int block_y, unsigned int block_z, unsigned int shared, CUstream, void **arguments, void **extra) {
    Function *function = function_of(handle);
    if (!function) return CUDA_ERROR_INVALID_HANDLE;
    if (trace())
        fprintf(stderr, "emulated CUDA: %s, %u x %u x %u blocks of %u x %u x %u, %u bytes shared\n", function->kernel->name, grid_x, grid_y,
                grid_z, block_x, block_y, block_z, shared);
    const bool threads = block_x >= 1 && block_y >= 1 && block_z >= 1 && block_x <= 1024 && block_y <= 1024 && block_z <= 64 &&
                         uint64_t(block_x) * block_y * block_z <= 1024;
    const bool blocks = grid_x >= 1 && grid_y >= 1 && grid_z >= 1 && grid_x <= 0x7fffffff && grid_y <= 65535 && grid_z <= 65535;
    if (!threads || !blocks || shared > function->dynamic_shared_limit || extra) return CUDA_ERROR_INVALID_VALUE;
    static std::once_flag once;
    std::call_once(once, watch_bad_addresses);
    run({function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, arguments});
    check_all(function->kernel->name);
    return CUDA_SUCCESS;
}

} // extern "C"

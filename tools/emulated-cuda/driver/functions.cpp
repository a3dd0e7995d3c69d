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

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    Function *function = function_of(handle);
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
    if (value < 0 || value > SHARED_OF_BLOCK_ON_DEMAND - function->resources.shared) return CUDA_ERROR_INVALID_VALUE;
    function->dynamic_shared_limit = value;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle) {
    const Function *function = function_of(handle);
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = int(function->kernel->most_threads); break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = function->resources.registers; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = function->resources.shared; break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = function->resources.local; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = function->dynamic_shared_limit; break;
    default: *value = 0;
    }
    return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads, size_t shared) {
    if (threads < 1) return CUDA_ERROR_INVALID_VALUE;
    return *blocks = blocks_at_once(function_of(function)->resources, threads, shared), CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction function, int size, size_t shared, unsigned int) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, size, shared);
}

// The size of blocks with the most threads at once.
CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *block, CUfunction handle, CUoccupancyB2DSize shared_of, size_t shared, int limit) {
    const Function *function = function_of(handle);
    int most = int(function->kernel->most_threads), best = 0;
    if (limit > 0 && limit < most) most = limit;
    for (int threads = most / 32 * 32; threads >= 32; threads -= 32) {
        const int blocks = blocks_at_once(function->resources, threads, shared_of ? shared_of(threads) : shared);
        if (blocks * threads > best) best = blocks * threads, *block = threads, *grid = blocks * MULTIPROCESSORS;
    }
    return best > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
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
    const unsigned int count = block_x * block_y * block_z;
    if (!threads || !blocks || count > function->kernel->most_threads || extra) return CUDA_ERROR_INVALID_VALUE;
    if (shared > unsigned(function->dynamic_shared_limit)) return CUDA_ERROR_INVALID_VALUE;
    if (blocks_at_once(function->resources, int(count), shared) < 1) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    static std::once_flag once;
    std::call_once(once, watch_bad_addresses);
    run({function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, arguments});
    check_all(function->kernel->name);
    return CUDA_SUCCESS;
}

} // extern "C"

// Runs one kernel of kernels.cu by NVRTC and the driver, with 2 blocks of 64 threads, and prints its 128 results.
//
//   check SOURCE KERNEL [threads [shared]]
#include <cuda.h>
#include <nvrtc.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

static void expect(const char *what, int answer) {
    if (answer == 0) return;
    printf("%s: %d\n", what, answer);
    exit(1);
}
#define EXPECT(CALL) expect(#CALL, int(CALL))

int main(int count, char **arguments) {
    if (count < 3) return 2;
    std::stringstream source;
    source << std::ifstream(arguments[1]).rdbuf();
    nvrtcProgram program;
    EXPECT(nvrtcCreateProgram(&program, source.str().c_str(), "kernels.cu", 0, nullptr, nullptr));
    EXPECT(nvrtcCompileProgram(program, 0, nullptr));
    size_t size;
    EXPECT(nvrtcGetPTXSize(program, &size));
    std::string ptx(size, '\0');
    EXPECT(nvrtcGetPTX(program, &ptx[0]));

    EXPECT(cuInit(0));
    CUmodule module;
    EXPECT(cuModuleLoadData(&module, ptx.c_str()));
    CUfunction kernel;
    EXPECT(cuModuleGetFunction(&kernel, module, arguments[2]));
    float numbers[128];
    for (int i = 0; i < 128; i++) numbers[i] = float(i);
    CUdeviceptr x, y;
    EXPECT(cuMemAlloc(&x, 64 * sizeof(float)));
    EXPECT(cuMemAlloc(&y, sizeof numbers));
    size_t left, all;
    EXPECT(cuMemGetInfo(&left, &all));
    const char *limit = getenv("EMULATED_CUDA_MEMORY");
    EXPECT(all - left != 192 * sizeof(float) || (limit && all != size_t(atol(limit))));
    EXPECT(cuMemcpyHtoD(x, numbers, 64 * sizeof(float)));
    void *values[] = {&x, &y};
    const int threads = count > 3 ? atoi(arguments[3]) : 64, shared = count > 4 ? atoi(arguments[4]) : 256;
    EXPECT(cuLaunchKernel(kernel, 2, 1, 1, threads, 1, 1, shared, nullptr, values, nullptr));
    EXPECT(cuMemcpyDtoH(numbers, y, sizeof numbers));
    for (float number : numbers) printf("%g ", number);
    printf("\n");
    EXPECT(cuMemFree(x));
    EXPECT(cuMemFree(y));
}

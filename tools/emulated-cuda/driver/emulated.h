// What the parts of the emulated driver know of each other.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

#include "../device/runtime.h"
#include "resources.h"

// A library of kernels: a source of candle's or what NVRTC was given.
struct Library {
    std::string path;
    const EmulatedKernel *kernels;
    // Variables of the block: their size, their module in the linker's count, and where the running thread of the system has them.
    size_t shared_bytes, variables_module;
    void *shared() const;
    std::map<std::string, Resources> resources;
};

// What a handle of a function points to.
struct Function {
    const EmulatedKernel *kernel;
    Library *library;
    Resources resources;
    // The most bytes of shared memory that a launch may ask for.
    int dynamic_shared_limit;
};

struct Launch {
    Function *function;
    EmulatedIndex grid, block;
    size_t dynamic_shared;
    void **arguments;
};

void run(const Launch &launch);
// The kernel that this thread of the system runs, or null.
const char *running_kernel();

// Stops the program with a message.
[[noreturn]] void stop(const char *format, ...) __attribute__((format(printf, 1, 2)));
// A number from the environment, which is looked up once by its caller.
long setting(const char *name, long otherwise);
// Whether launches and transfers are to be printed.
bool trace();

// Libraries of compiled kernels.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "emulated.h"

// A module of a program: the library that its text names at its end, or none, where functions are looked for in all those of
// the folder `kernels`.
struct Module {
    Library *library;
    std::string text;
    std::mutex lock;
    // What was asked for, null where there is none.
    std::map<std::string, std::unique_ptr<Function>> functions;
};

// Null if the text names a library that can't be loaded.
Module *load_module(const char *text);
// Null if there is no such kernel.
Function *find_function(Module *module, const char *name);

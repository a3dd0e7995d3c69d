// What a kernel takes of a multiprocessor, as an H100 has them.
#pragma once
#include <cstddef>
#include <map>
#include <string>

struct Resources {
    // A thread's registers, the block's variables in shared memory, and a thread's bytes that are in no register.
    int registers = 0, shared = 0, local = 0;
};

// Of all kernels of a library that NVRTC compiled, as the toolkit's assembler says; empty for others.
std::map<std::string, Resources> resources_of(const std::string &library);

const int MULTIPROCESSORS = 132;
const int SHARED_OF_BLOCK = 48 * 1024;
const int SHARED_OF_BLOCK_ON_DEMAND = 227 * 1024;

// How many blocks of so many threads, with so much shared memory, a multiprocessor has room for.
int blocks_at_once(const Resources &resources, int threads, size_t dynamic_shared);

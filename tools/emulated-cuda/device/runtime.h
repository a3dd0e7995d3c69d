// What compiled kernels and the driver's library share: where a thread is, its barriers, and the table of kernels.
#pragma once
#include <cstddef>
#include <cstdint>

struct EmulatedIndex {
    unsigned int x, y, z;
};

// Where the running thread is. The scheduler sets it before it goes on with a thread.
struct EmulatedPosition {
    EmulatedIndex thread, block, block_dim, grid_dim;
};

// One entry of the table of a library of kernels. `call` runs one thread with arguments behind pointers, as cuLaunchKernel gets them.
struct EmulatedKernel {
    const char *name;
    void (*call)(void **arguments);
    // Of __launch_bounds__, 1024 without.
    unsigned int most_threads;
};

extern "C" {
// A thread of the system runs whole blocks, so that a variable of its own is one of the block.
extern __thread EmulatedPosition emulated_position __attribute__((tls_model("initial-exec")));

void emulated_sync_threads();
// How many threads of the block came with a value other than 0.
int emulated_sync_threads_count(int value);
void emulated_sync_warp(unsigned int mask);
// Leaves a value for the lanes of `mask`, waits for theirs and takes that of lane `source`; if that one left none, `present` is false.
uint64_t emulated_shuffle(unsigned int mask, uint64_t value, int source, bool *present);
// The same of all lanes: 32 values, and in `present` a bit for each that there is.
const uint64_t *emulated_exchange(unsigned int mask, uint64_t value, unsigned int *present);
// Memory of the block whose size the launch says.
void *emulated_dynamic_shared();
unsigned int emulated_lane();
unsigned int emulated_live_lanes();
}

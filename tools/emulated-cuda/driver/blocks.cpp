// Runs the blocks of a launch, one after the other, and the threads of a block in turns: each goes on until it ends or waits.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "emulated.h"
#include "fibers.h"

__thread EmulatedPosition emulated_position;

namespace {

enum State : uint8_t { FRESH, READY, WAITS_FOR_BLOCK, WAITS_FOR_WARP, ENDED };

struct Thread {
    Fiber fiber;
    EmulatedIndex index;
    State state;
    // Of the last exchange within the warp: with whom, what is wanted of which lane (all, if negative), and what came.
    int wanted;
    uint32_t mask, present;
    uint64_t value;
};

struct Warp {
    uint32_t live, waiting;
    // What the waiting lanes have left, and what came for those that want all.
    uint64_t left[32];
    std::unique_ptr<uint64_t[]> all;
};

// A run of a launch by one thread of the system.
struct Run {
    const Launch *launch;
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    std::vector<uint32_t> order;
    std::vector<char> dynamic_shared;
    void *scheduler;
    size_t current, live, waiting;
    int count, last_count;
};

thread_local Run *run_of_thread;

// Blocks and the threads of one are run in this order: forward, reverse, or mixed by a seed.
struct Order {
    bool reverse = false, mixed = false;
    uint64_t seed = 1;

    Order() {
        const char *name = getenv("EMULATED_CUDA_ORDER");
        if (!name || !*name || !strcmp(name, "forward")) return;
        if (!strcmp(name, "reverse")) reverse = true;
        else if (!strncmp(name, "mixed", 5)) mixed = true, seed = name[5] == ':' ? strtoull(name + 6, nullptr, 10) * 2 + 1 : 1;
        else stop("EMULATED_CUDA_ORDER is forward, reverse, mixed or mixed:SEED, not %s", name);
    }

    void fill(std::vector<uint32_t> &order, size_t count, uint64_t salt) const {
        order.resize(count);
        for (size_t i = 0; i < count; i++) order[i] = uint32_t(reverse ? count - 1 - i : i);
        if (!mixed) return;
        uint64_t state = seed * 0x9e3779b97f4a7c15 + salt;
        for (size_t i = count; i > 1; i--) {
            state = state * 6364136223846793005 + 1442695040888963407;
            std::swap(order[i - 1], order[(state >> 33) % i]);
        }
    }
};

const Order &order_of_runs() {
    static const Order order;
    return order;
}

void release_block(Run &run) {
    if (run.waiting == 0 || run.waiting < run.live) return;
    run.waiting = 0;
    run.last_count = run.count;
    run.count = 0;
    for (Thread &thread : run.threads)
        if (thread.state == WAITS_FOR_BLOCK) thread.state = READY;
}

// Lets the lanes of a mask go on if all of them that haven't ended wait for this mask.
void release_lanes(Run &run, size_t warp_index, uint32_t mask) {
    Warp &warp = run.warps[warp_index];
    Thread *threads = &run.threads[warp_index * 32];
    const uint32_t mates = mask & warp.live;
    if ((warp.waiting & mates) != mates) return;
    for (uint32_t lanes = mates; lanes; lanes &= lanes - 1)
        if (threads[__builtin_ctz(lanes)].mask != mask) return;
    for (uint32_t lanes = mates; lanes; lanes &= lanes - 1) {
        const int lane = __builtin_ctz(lanes);
        Thread &thread = threads[lane];
        thread.state = READY;
        thread.present = mates;
        if (thread.wanted >= 0) thread.value = warp.left[thread.wanted];
        else memcpy(&warp.all[lane * 32], warp.left, sizeof warp.left);
    }
    warp.waiting &= ~mates;
}

// After a lane has ended: nobody waits for it any more.
void release_warp(Run &run, size_t warp_index) {
    for (uint32_t left = run.warps[warp_index].waiting; left; left &= left - 1) {
        const int lane = __builtin_ctz(left);
        if (run.warps[warp_index].waiting >> lane & 1) release_lanes(run, warp_index, run.threads[warp_index * 32 + lane].mask);
    }
}

void entry() {
    Run &run = *run_of_thread;
    run.launch->function->kernel->call(run.launch->arguments);
    Thread &thread = run.threads[run.current];
    thread.state = ENDED;
    void *nobody;
    emulated_switch(&nobody, run.scheduler);
}

[[noreturn]] void deadlock(Run &run) {
    size_t for_block = 0, for_warp = 0;
    for (Thread &thread : run.threads) for_block += thread.state == WAITS_FOR_BLOCK, for_warp += thread.state == WAITS_FOR_WARP;
    const EmulatedIndex &block = emulated_position.block;
    stop("%s waits for ever: in block (%u, %u, %u), %zu threads wait for the block, %zu for lanes of their warp, %zu have ended",
         running_kernel(), block.x, block.y, block.z, for_block, for_warp, run.threads.size() - run.live);
}

void go_on(Run &run, size_t index) {
    Thread &thread = run.threads[index];
    if (thread.state == FRESH) thread.fiber = fresh_fiber(entry);
    thread.state = READY;
    run.current = index;
    emulated_position.thread = thread.index;
    emulated_switch(&run.scheduler, thread.fiber.stack_pointer);
    if (thread.state != ENDED) return;
    release(thread.fiber);
    run.live--;
    Warp &warp = run.warps[index / 32];
    warp.live &= ~(1u << index % 32);
    if (warp.waiting) release_warp(run, index / 32);
    release_block(run);
}

void run_block(Run &run) {
    const size_t count = run.threads.size();
    run.live = count, run.waiting = 0, run.count = 0;
    for (Thread &thread : run.threads) thread.state = FRESH;
    for (size_t warp = 0; warp < run.warps.size(); warp++) {
        size_t lanes = std::min<size_t>(32, count - warp * 32);
        run.warps[warp].live = lanes == 32 ? ~0u : (1u << lanes) - 1;
        run.warps[warp].waiting = 0;
    }
    while (run.live > 0) {
        bool moved = false;
        for (uint32_t index : run.order)
            if (run.threads[index].state <= READY) go_on(run, index), moved = true;
        if (!moved) deadlock(run);
    }
}

} // namespace

void run(const Launch &launch) {
    // Kept by the thread of the system, so that memory isn't asked for anew.
    static thread_local Run kept;
    Run &run = kept;
    run.launch = &launch;
    run_of_thread = &run;
    const EmulatedIndex &block = launch.block, &grid = launch.grid;
    const size_t count = size_t(block.x) * block.y * block.z, blocks = size_t(grid.x) * grid.y * grid.z;
    run.threads.resize(count);
    for (size_t i = 0; i < count; i++)
        run.threads[i].index = {unsigned(i % block.x), unsigned(i / block.x % block.y), unsigned(i / block.x / block.y)};
    run.warps.resize((count + 31) / 32);
    run.dynamic_shared.resize(launch.dynamic_shared + 64);
    const Order &order = order_of_runs();
    std::vector<uint32_t> block_order;
    if (order.mixed && blocks < 1 << 24) order.fill(block_order, blocks, blocks);
    if (!order.mixed || run.order.size() != count) order.fill(run.order, count, 0);

    emulated_position = {{}, {}, block, grid};
    // What a block before left is no value: where that costs little, each block finds bits that are no number.
    char *shared = static_cast<char *>(launch.function->library->shared());
    const size_t shared_bytes = launch.function->library->shared_bytes;
    const bool each = shared_bytes <= 64 * 1024;
    for (size_t turn = 0; turn < blocks; turn++) {
        size_t place = !block_order.empty() ? block_order[turn] : order.reverse ? blocks - 1 - turn : turn;
        emulated_position.block = {unsigned(place % grid.x), unsigned(place / grid.x % grid.y), unsigned(place / grid.x / grid.y)};
        if (shared_bytes && (each || turn == 0)) memset(shared, 0xff, shared_bytes);
        if (launch.dynamic_shared) memset(run.dynamic_shared.data(), 0xff, run.dynamic_shared.size());
        if (order.mixed) order.fill(run.order, count, place + 1);
        run_block(run);
    }
    run_of_thread = nullptr;
}

const char *running_kernel() { return run_of_thread ? run_of_thread->launch->function->kernel->name : nullptr; }

extern "C" {

void emulated_sync_threads() { emulated_sync_threads_count(0); }

int emulated_sync_threads_count(int value) {
    Run &run = *run_of_thread;
    run.waiting++;
    run.count += value;
    run.threads[run.current].state = WAITS_FOR_BLOCK;
    release_block(run);
    // The last one goes on at once only in its turn, as the others do.
    emulated_switch(&run.threads[run.current].fiber.stack_pointer, run.scheduler);
    return run.last_count;
}

uint64_t emulated_shuffle(unsigned int mask, uint64_t value, int source, bool *present) {
    Run &run = *run_of_thread;
    const size_t lane = run.current % 32, warp_index = run.current / 32;
    Thread &thread = run.threads[run.current];
    Warp &warp = run.warps[warp_index];
    if (!(mask >> lane & 1)) stop("a lane of %s isn't in the mask %#x that it waits for", running_kernel(), mask);
    warp.left[lane] = value;
    warp.waiting |= 1u << lane;
    thread.mask = mask, thread.wanted = source;
    thread.state = WAITS_FOR_WARP;
    release_lanes(run, warp_index, mask);
    emulated_switch(&thread.fiber.stack_pointer, run.scheduler);
    *present = source >= 0 && thread.present >> source & 1;
    return thread.value;
}

const uint64_t *emulated_exchange(unsigned int mask, uint64_t value, unsigned int *present) {
    Run &run = *run_of_thread;
    Warp &warp = run.warps[run.current / 32];
    if (!warp.all) warp.all.reset(new uint64_t[32 * 32]);
    bool unused;
    emulated_shuffle(mask, value, -1, &unused);
    *present = run.threads[run.current].present;
    return &warp.all[run.current % 32 * 32];
}

void emulated_sync_warp(unsigned int mask) {
    bool unused;
    emulated_shuffle(mask, 0, 0, &unused);
}

void *emulated_dynamic_shared() {
    std::vector<char> &bytes = run_of_thread->dynamic_shared;
    return reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(bytes.data()) + 31) / 32 * 32);
}

unsigned int emulated_lane() { return run_of_thread->current % 32; }

unsigned int emulated_live_lanes() { return run_of_thread->warps[run_of_thread->current / 32].live; }
}

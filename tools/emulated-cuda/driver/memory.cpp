// Memory of the device is the host's, with guards at both ends: bytes that are looked at when it is given back, and, with
// EMULATED_CUDA_GUARD=1, a page after the end that nobody may touch. With EMULATED_CUDA_CHECK=1 the guards are looked at after
// every launch. EMULATED_CUDA_MEMORY is how many bytes there are.
#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "emulated.h"

namespace {

const size_t GUARD = 1024;
const unsigned char MARK = 0xa5;
// All bits set: no number in f32, f64, f16 and bf16, and an index that is out of every range.
const unsigned char NOTHING = 0xff;

struct Block {
    size_t bytes;
    // What the system gave.
    void *start;
    size_t mapped;
};

std::mutex lock;
std::map<uintptr_t, Block> blocks;
size_t total;

bool page_after_end() {
    static const bool wanted = setting("EMULATED_CUDA_GUARD", 0) != 0;
    return wanted;
}

// Bytes from the end to the guard, which keep the start at a multiple of 16, are part of the guard.
size_t slack(size_t bytes) { return (16 - bytes % 16) % 16; }

// The first byte of a guard that isn't as it was, or `bytes`.
size_t first_written(const unsigned char *guard, size_t bytes) {
    static const std::vector<unsigned char> untouched(GUARD + 16, MARK);
    if (memcmp(guard, untouched.data(), bytes) == 0) return bytes;
    size_t place = 0;
    while (guard[place] == MARK) place++;
    return place;
}

void look(uintptr_t address, const Block &block, const char *when) {
    const unsigned char *start = reinterpret_cast<unsigned char *>(address);
    const size_t after = slack(block.bytes) + (block.mapped ? 0 : GUARD);
    size_t place = first_written(start - GUARD, GUARD);
    if (place < GUARD) stop("%s: %zu bytes of the device, written %zu bytes before the start", when, block.bytes, GUARD - place);
    place = first_written(start + block.bytes, after);
    if (place < after) stop("%s: %zu bytes of the device, written after the end, at byte %zu", when, block.bytes, place);
}

// Takes bytes of those that are left, if there are as many.
bool take(size_t bytes) {
    std::lock_guard<std::mutex> held(lock);
    if (bytes > memory_bytes() - total) return false;
    total += bytes;
    return true;
}

void *without_memory(size_t bytes) {
    std::lock_guard<std::mutex> held(lock);
    total -= bytes;
    return nullptr;
}

} // namespace

size_t memory_bytes() {
    static const size_t bytes = setting("EMULATED_CUDA_MEMORY", 64l << 30);
    return bytes;
}

void *allocate(size_t bytes) {
    if (!take(bytes)) return nullptr;
    Block block = {bytes, nullptr, 0};
    const size_t inner = bytes + slack(bytes);
    char *address;
    if (page_after_end()) {
        const size_t page = sysconf(_SC_PAGESIZE), whole = (GUARD + inner + page - 1) / page * page;
        void *start = mmap(nullptr, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) return without_memory(bytes);
        mprotect(static_cast<char *>(start) + whole, page, PROT_NONE);
        block.start = start, block.mapped = whole + page;
        address = static_cast<char *>(start) + whole - inner;
    } else {
        // Aligned as a driver's are.
        if (posix_memalign(&block.start, 256, GUARD + inner + GUARD) != 0) return without_memory(bytes);
        address = static_cast<char *>(block.start) + GUARD;
    }
    memset(address - GUARD, MARK, GUARD);
    memset(address, NOTHING, bytes);
    memset(address + bytes, MARK, slack(bytes) + (block.mapped ? 0 : GUARD));
    std::lock_guard<std::mutex> held(lock);
    blocks[reinterpret_cast<uintptr_t>(address)] = block;
    return address;
}

bool deallocate(void *address) {
    Block block;
    {
        std::lock_guard<std::mutex> held(lock);
        auto found = blocks.find(reinterpret_cast<uintptr_t>(address));
        if (found == blocks.end()) return false;
        block = found->second;
        blocks.erase(found);
        total -= block.bytes;
    }
    look(reinterpret_cast<uintptr_t>(address), block, "when given back");
    if (block.mapped) return munmap(block.start, block.mapped) == 0;
    memset(address, NOTHING, block.bytes);
    free(block.start);
    return true;
}

bool allocated(const void *address, size_t bytes) {
    std::lock_guard<std::mutex> held(lock);
    const uintptr_t start = reinterpret_cast<uintptr_t>(address);
    auto next = blocks.upper_bound(start);
    if (next == blocks.begin()) return false;
    --next;
    return start - next->first + bytes <= next->second.bytes;
}

size_t allocated_bytes() {
    std::lock_guard<std::mutex> held(lock);
    return total;
}

void check_all(const char *kernel) {
    static const bool wanted = setting("EMULATED_CUDA_CHECK", 0) != 0;
    if (!wanted) return;
    std::lock_guard<std::mutex> held(lock);
    for (auto &entry : blocks) look(entry.first, entry.second, kernel);
}

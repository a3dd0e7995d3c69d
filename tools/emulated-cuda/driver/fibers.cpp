// Stacks of the threads of blocks, and the switch between them.
#include "fibers.h"

#include <sys/mman.h>

#include <cstdint>
#include <vector>

#include "emulated.h"

#if !defined(__x86_64__)
#error "the switch between threads is written for x86-64"
#endif

asm(R"(
.text
.globl emulated_switch
.hidden emulated_switch
.type emulated_switch,@function
emulated_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulated_switch,.-emulated_switch
)");

namespace {

const size_t STACK = 256 * 1024;
const size_t AT_ONCE = 64;
const uint64_t CANARY = 0x5afe57ac4ca11ed5;

// Stacks that nobody is on. They are mapped by the dozen and go with their thread of the system.
struct Store {
    std::vector<char *> mapped, free;

    char *take() {
        if (free.empty()) {
            void *memory = mmap(nullptr, STACK * AT_ONCE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (memory == MAP_FAILED) stop("no memory for the stacks of threads");
            char *start = static_cast<char *>(memory);
            mapped.push_back(start);
            for (size_t place = AT_ONCE; place-- > 0;) {
                char *stack = start + place * STACK;
                *reinterpret_cast<uint64_t *>(stack) = CANARY;
                free.push_back(stack);
            }
        }
        char *stack = free.back();
        free.pop_back();
        return stack;
    }

    ~Store() {
        for (char *start : mapped) munmap(start, STACK * AT_ONCE);
    }
};

thread_local Store store;

} // namespace

Fiber fresh_fiber(void (*entry)()) {
    char *stack = store.take();
    // The six registers that the switch restores, the address that it returns to, and one word so that the stack is aligned as
    // after a call.
    void **top = reinterpret_cast<void **>(stack + STACK) - 8;
    for (int word = 0; word < 6; word++) top[word] = nullptr;
    top[6] = reinterpret_cast<void *>(entry);
    top[7] = nullptr;
    return {top, stack};
}

void release(Fiber &fiber) {
    if (*reinterpret_cast<uint64_t *>(fiber.stack) != CANARY) stop("a thread of %s needs more than %zu bytes of stack", running_kernel(), STACK);
    store.free.push_back(fiber.stack);
    fiber.stack = nullptr;
}

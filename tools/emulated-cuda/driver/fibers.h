// Threads of a block, which are entered and left by hand.
#pragma once
#include <cstddef>

struct Fiber {
    void *stack_pointer;
    char *stack;
};

// Goes on with another one, and comes back when somebody goes on with this one.
extern "C" void emulated_switch(void **leave, void *enter);

// A stack at whose start `entry` is called. Stacks come from this thread of the system's store.
Fiber fresh_fiber(void (*entry)());
// Gives the stack back to the store. It is looked at for an overflow.
void release(Fiber &fiber);

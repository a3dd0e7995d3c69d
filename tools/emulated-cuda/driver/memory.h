// Memory of the device.
#pragma once
#include <cstddef>

// How many bytes there are in all.
size_t memory_bytes();
// Where `bytes` bytes are, which hold nothing that is a number; null if there is no memory.
void *allocate(size_t bytes);
// False where nothing was allocated. What was written beyond the ends stops the program.
bool deallocate(void *address);
// Whether all of a range is memory of the device.
bool allocated(const void *address, size_t bytes);
size_t allocated_bytes();
// Looks at the ends of all that is allocated, after a kernel ran.
void check_all(const char *kernel);

// Messages to the user, and settings from the environment.
#include <cstdarg>
#include <cstdlib>

#include "emulated.h"

void stop(const char *format, ...) {
    fputs("emulated CUDA: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (running_kernel()) {
        const EmulatedIndex &b = emulated_position.block, &t = emulated_position.thread;
        fprintf(stderr, "\n  in %s, block (%u, %u, %u), thread (%u, %u, %u)", running_kernel(), b.x, b.y, b.z, t.x, t.y, t.z);
    }
    fputc('\n', stderr);
    abort();
}

long setting(const char *name, long otherwise) {
    const char *value = getenv(name);
    return value && *value ? strtol(value, nullptr, 10) : otherwise;
}

bool trace() {
    static const bool wanted = setting("EMULATED_CUDA_TRACE", 0) != 0;
    return wanted;
}

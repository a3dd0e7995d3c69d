// The table of a library's kernels, after their source: a line for each, with a caller that knows its types.
#pragma once
#include <utility>

template <typename T> struct EmulatedEntry;
template <typename... Arguments> struct EmulatedEntry<void (*)(Arguments...)> {
    template <size_t... Place>
    static void spread(void (*kernel)(Arguments...), void **arguments, std::index_sequence<Place...>) {
        (void)arguments;
        kernel(*static_cast<std::remove_reference_t<Arguments> *>(arguments[Place])...);
    }

    template <void (*kernel)(Arguments...)> static void call(void **arguments) {
        spread(kernel, arguments, std::index_sequence_for<Arguments...>());
    }
};

#define EMULATED_ENTRY(NAME, MOST_THREADS, ...) {#NAME, EmulatedEntry<decltype(&NAME)>::template call<NAME>, MOST_THREADS},

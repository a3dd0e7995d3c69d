// Reads what `ptxas -v` says of kernels, and counts what fits on a multiprocessor.
#include "resources.h"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace {

// The number before a word, or 0 if the line hasn't got it.
int number_before(const std::string &line, const char *word) {
    size_t end = line.find(word);
    if (end == std::string::npos) return 0;
    size_t start = line.find_last_not_of("0123456789", end - 2);
    return atoi(line.c_str() + (start == std::string::npos ? 0 : start + 1));
}

} // namespace

std::map<std::string, Resources> resources_of(const std::string &library) {
    std::map<std::string, Resources> result;
    std::ifstream file(library.substr(0, library.rfind('.')) + ".resources");
    std::string name;
    for (std::string line; std::getline(file, line);) {
        const char *entry = "Compiling entry function '";
        size_t start = line.find(entry);
        if (start != std::string::npos) {
            start += strlen(entry);
            name = line.substr(start, line.find('\'', start) - start);
        } else if (line.find("bytes stack frame") != std::string::npos) {
            result[name].local = number_before(line, "bytes stack frame");
        } else if (line.find("Used ") != std::string::npos) {
            result[name].registers = number_before(line, "registers");
            result[name].shared = number_before(line, "bytes smem");
        }
    }
    return result;
}

int blocks_at_once(const Resources &resources, int threads, size_t dynamic_shared) {
    const int warps = (threads + 31) / 32;
    // Registers come in portions of 256 for a warp, and warps in fours.
    const int registers = (resources.registers * 32 + 255) / 256 * 256;
    const int by_registers = registers ? 65536 / registers / 4 * 4 / warps : 32;
    const int by_shared = int(228 * 1024 / (resources.shared + dynamic_shared + 1024));
    return std::min({32, 64 / warps, by_registers, by_shared});
}

// NVRTC: the toolkit's own one compiles, so that what isn't CUDA is refused with its words; then the compiler of the host
// compiles the same source for the emulated driver, which finds it by a line at the end of the PTX.
#include <dlfcn.h>
#include <nvrtc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

// Set by the build: the folder of the sources of the emulation, that of the toolkit, that of the emulated libraries, and a number that
// changes with the way kernels are compiled.
#ifndef EMULATION_SOURCES
#error "EMULATION_SOURCES, EMULATION_TOOLCHAIN, EMULATION_FOLDER and EMULATION_SHIM are set by the Makefile"
#endif

namespace {

struct Program {
    nvrtcProgram real;
    std::string source, ptx;
};

// A function of the real library.
template <typename F> F real(F, const char *name) {
    static void *library = [] {
        // Loaded first, as it is asked for by its name alone.
        dlopen(EMULATION_TOOLCHAIN "/nvidia/cu13/lib/libnvrtc-builtins.so.13.0", RTLD_NOW | RTLD_GLOBAL);
        void *handle = dlopen(EMULATION_TOOLCHAIN "/nvidia/cu13/lib/libnvrtc.so.13", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        if (!handle) fprintf(stderr, "emulated CUDA: %s\n", dlerror()), abort();
        return handle;
    }();
    return reinterpret_cast<F>(dlsym(library, name));
}
#define REAL(NAME) real(&NAME, #NAME)

Program &of(nvrtcProgram program) { return *reinterpret_cast<Program *>(program); }

std::string quoted(const std::string &text) {
    std::string result = "'";
    for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

uint64_t hash(const std::string &text) {
    uint64_t result = 0xcbf29ce484222325;
    for (unsigned char c : text) result = (result ^ c) * 0x100000001b3;
    return result;
}

void write(const std::string &path, const std::string &text) {
    std::ofstream file(path);
    if (!(file << text)) fprintf(stderr, "emulated CUDA: can't write %s\n", path.c_str()), abort();
}

// Runs a command, whose words on what is wrong are in a file.
void run(const std::string &command, const std::string &log) {
    // With the system's libraries, not with those of the program that is run.
    if (system(("unset LD_PRELOAD LD_LIBRARY_PATH; " + command).c_str()) == 0) return;
    std::stringstream words;
    words << std::ifstream(log).rdbuf();
    fprintf(stderr, "emulated CUDA: %s\n%s\n", command.c_str(), words.str().c_str());
    abort();
}

// The library of the source's kernels; compiled once for each source and its options, and kept.
std::string compile(const std::string &source, const std::string &ptx, const std::vector<std::string> &options) {
    static std::mutex lock;
    std::lock_guard<std::mutex> held(lock);
    std::string defines;
    for (const std::string &option : options)
        if (option.compare(0, 2, "-D") == 0 || option.compare(0, 2, "-I") == 0) defines += " " + quoted(option);
    // What is undefined ends the program, with the line of the source.
    defines += " -fsanitize=alignment,bounds,shift,integer-divide-by-zero,float-cast-overflow -fno-sanitize-recover=all -static-libubsan";
    const std::string folder = EMULATION_FOLDER "/compiled";
    mkdir(folder.c_str(), 0777);
    char name[32];
    snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash(source + '\0' + defines + EMULATION_SHIM)));
    const std::string path = folder + "/" + name, library = path + ".so";
    if (access(library.c_str(), R_OK) == 0) return library;
    write(path + ".cu", source);
    write(path + ".ptx", ptx);
    // Says what the kernels take of a multiprocessor, and refuses what doesn't fit.
    run(quoted(EMULATION_TOOLCHAIN "/nvidia/cu13/bin/ptxas") + " -v -arch=sm_90 -o /dev/null " + quoted(path + ".ptx") + " > " + quoted(path + ".resources") + " 2>&1",
        path + ".resources");
    run("bash " + quoted(EMULATION_SOURCES "/compile-kernels.sh") + " " + quoted(path + ".cu") + " " + quoted(library) + " " + quoted(EMULATION_FOLDER) + " " +
            quoted(EMULATION_TOOLCHAIN) + defines + " > " + quoted(path + ".log") + " 2>&1",
        path + ".log");
    return library;
}

} // namespace

extern "C" {

nvrtcResult nvrtcVersion(int *major, int *minor) { return REAL(nvrtcVersion)(major, minor); }

const char *nvrtcGetErrorString(nvrtcResult result) { return REAL(nvrtcGetErrorString)(result); }

nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *source, const char *name, int headers, const char *const *texts,
                               const char *const *names) {
    Program *created = new Program{nullptr, source, ""};
    nvrtcResult result = REAL(nvrtcCreateProgram)(&created->real, source, name, headers, texts, names);
    *program = reinterpret_cast<nvrtcProgram>(created);
    return result;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
    nvrtcResult result = REAL(nvrtcDestroyProgram)(&of(*program).real);
    delete &of(*program);
    *program = nullptr;
    return result;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram handle, int count, const char *const *options) {
    Program &program = of(handle);
    nvrtcResult result = REAL(nvrtcCompileProgram)(program.real, count, options);
    if (result != NVRTC_SUCCESS) return result;
    size_t size = 0;
    REAL(nvrtcGetPTXSize)(program.real, &size);
    program.ptx.resize(size);
    REAL(nvrtcGetPTX)(program.real, &program.ptx[0]);
    program.ptx.resize(strlen(program.ptx.c_str()));
    program.ptx += "\n// emulated: " + compile(program.source, program.ptx, std::vector<std::string>(options, options + count)) + "\n";
    return result;
}

nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t *size) { return *size = of(program).ptx.size() + 1, NVRTC_SUCCESS; }

nvrtcResult nvrtcGetPTX(nvrtcProgram program, char *ptx) {
    return memcpy(ptx, of(program).ptx.c_str(), of(program).ptx.size() + 1), NVRTC_SUCCESS;
}

// The driver takes either for a name of a library.
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *size) { return nvrtcGetPTXSize(program, size); }

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *cubin) { return nvrtcGetPTX(program, cubin); }

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *size) { return REAL(nvrtcGetProgramLogSize)(of(program).real, size); }

nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) { return REAL(nvrtcGetProgramLog)(of(program).real, log); }

nvrtcResult nvrtcAddNameExpression(nvrtcProgram program, const char *name) { return REAL(nvrtcAddNameExpression)(of(program).real, name); }

nvrtcResult nvrtcGetLoweredName(nvrtcProgram program, const char *name, const char **lowered) {
    return REAL(nvrtcGetLoweredName)(of(program).real, name, lowered);
}

} // extern "C"

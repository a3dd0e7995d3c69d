// Loads libraries of kernels: those beside this one in the folder `kernels`, and those that modules name.
#include "libraries.h"

#include <dirent.h>
#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <vector>

// Of the dynamic linker: where a variable of a module is, for the running thread of the system.
struct Place {
    size_t module, offset;
};
extern "C" void *__tls_get_addr(Place *);

namespace {

std::mutex lock;
std::map<std::string, Library *> loaded;

struct Variables {
    const char *path;
    size_t module, bytes;
};

int find_variables(dl_phdr_info *info, size_t, void *data) {
    Variables &variables = *static_cast<Variables *>(data);
    if (strcmp(info->dlpi_name, variables.path) != 0) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS) variables.bytes = info->dlpi_phdr[i].p_memsz;
    variables.module = info->dlpi_tls_modid;
    return 1;
}

Library *load(const std::string &path) {
    std::lock_guard<std::mutex> held(lock);
    Library *&library = loaded[path];
    if (library) return library;
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "emulated CUDA: %s\n", dlerror());
        return nullptr;
    }
    auto kernels = static_cast<const EmulatedKernel *>(dlsym(handle, "emulated_kernels"));
    if (!kernels) stop("%s has no table of kernels", path.c_str());
    Variables variables = {path.c_str(), 0, 0};
    dl_iterate_phdr(find_variables, &variables);
    return library = new Library{path, kernels, variables.bytes, variables.module, resources_of(path)};
}

// All of the folder, in the order of their names.
const std::vector<Library *> &of_folder() {
    static const std::vector<Library *> libraries = [] {
        Dl_info info;
        if (!dladdr(reinterpret_cast<void *>(&load), &info)) stop("where is libcuda?");
        std::string folder = info.dli_fname;
        folder = folder.substr(0, folder.rfind('/') + 1) + "kernels/";
        std::vector<std::string> paths;
        if (DIR *listing = opendir(folder.c_str())) {
            while (dirent *entry = readdir(listing)) {
                std::string name = entry->d_name;
                if (name.size() > 3 && name.compare(name.size() - 3, 3, ".so") == 0) paths.push_back(folder + name);
            }
            closedir(listing);
        }
        std::sort(paths.begin(), paths.end());
        std::vector<Library *> result;
        for (const std::string &path : paths)
            if (Library *library = load(path)) result.push_back(library);
        if (result.empty()) stop("no kernels in %s", folder.c_str());
        return result;
    }();
    return libraries;
}

std::unique_ptr<Function> function_of(Library *library, const char *name) {
    for (const EmulatedKernel *kernel = library->kernels; kernel->name; kernel++) {
        if (strcmp(kernel->name, name) != 0) continue;
        auto found = library->resources.find(name);
        const Resources resources = found != library->resources.end() ? found->second : Resources{};
        return std::unique_ptr<Function>(new Function{kernel, library, resources, SHARED_OF_BLOCK - resources.shared});
    }
    return nullptr;
}

// Real PTX says what it has. What isn't PTX says nothing.
bool has_entry(const std::string &text, const char *name) {
    return text.find(".entry") == std::string::npos || text.find(std::string(".entry ") + name + "(") != std::string::npos;
}

std::unique_ptr<Function> look_for(const Module &module, const char *name) {
    if (module.library) return function_of(module.library, name);
    if (!has_entry(module.text, name)) return nullptr;
    for (Library *library : of_folder())
        if (std::unique_ptr<Function> function = function_of(library, name)) return function;
    return nullptr;
}

} // namespace

void *Library::shared() const {
    Place place = {variables_module, 0};
    return shared_bytes ? __tls_get_addr(&place) : nullptr;
}

Module *load_module(const char *text) {
    static const char MARK[] = "// emulated: ";
    const char *mark = strstr(text, MARK);
    if (!mark) return new Module{nullptr, text, {}, {}};
    mark += strlen(MARK);
    Library *library = load(std::string(mark, strcspn(mark, "\n")));
    return library ? new Module{library, text, {}, {}} : nullptr;
}

Function *find_function(Module *module, const char *name) {
    std::lock_guard<std::mutex> held(module->lock);
    auto found = module->functions.find(name);
    if (found == module->functions.end()) found = module->functions.emplace(name, look_for(*module, name)).first;
    return found->second.get();
}

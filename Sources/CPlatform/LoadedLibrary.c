#define _GNU_SOURCE
#include "LoadedLibrary.h"

#include <dlfcn.h>
#include <stdio.h>

static int load(cplatform_library *library) {
    void *handle = NULL;
    for (const char *const *name = library->names; handle == NULL && *name != NULL; name++) {
        handle = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
        if (handle == NULL) {
            const char *reason = dlerror();
            snprintf(library->problem, sizeof library->problem, "%s", reason != NULL ? reason : *name);
        }
    }
    if (handle == NULL) return 0;
    for (cplatform_function *function = library->functions; function->name != NULL; function++) {
        function->address = dlsym(handle, function->name);
        if (function->address != NULL) continue;
        snprintf(library->problem, sizeof library->problem, "%s: it lacks %s", *library->names, function->name);
        dlclose(handle);
        return 0;
    }
    return 1;
}

const char *cplatform_load_library(cplatform_library *library) {
    if (atomic_load_explicit(&library->is_loaded, memory_order_acquire)) return NULL;
    pthread_mutex_lock(&library->mutex);
    int is_loaded = atomic_load_explicit(&library->is_loaded, memory_order_relaxed) || load(library);
    // Only after the functions' addresses are in place: who sees it set sees those.
    if (is_loaded) atomic_store_explicit(&library->is_loaded, 1, memory_order_release);
    pthread_mutex_unlock(&library->mutex);
    return is_loaded ? NULL : library->problem;
}

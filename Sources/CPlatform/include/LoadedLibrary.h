// A shared library that is loaded when it is first used, so that programs that never need it do not load it.
#ifndef LOADED_LIBRARY_H
#define LOADED_LIBRARY_H

#include <pthread.h>
#include <stdatomic.h>

/// One function of the library, and the pointer through which it is called.
typedef struct {
    const char *name;
    void *address;
} cplatform_function;

/// Made once, as a static variable, by CPLATFORM_LIBRARY.
typedef struct {
    /// File names to try in this order, NULL at the end.
    const char *const *names;
    /// The functions, a NULL name at the end.
    cplatform_function *functions;
    pthread_mutex_t mutex;
    atomic_int is_loaded;
    char problem[256];
} cplatform_library;

#define CPLATFORM_LIBRARY(library_names, library_functions)                                                           \
    {.names = (library_names), .functions = (library_functions), .mutex = PTHREAD_MUTEX_INITIALIZER}

/// Loads the library if it is not loaded yet, and looks up all its functions. It stays loaded until the process ends.
///
/// Returns NULL, or why it cannot be used (valid until the next call for this library). A library that was missing is
/// looked for again by the next call.
const char *cplatform_load_library(cplatform_library *library);

#endif

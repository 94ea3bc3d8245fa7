// What the portable modules need of the operating system and Swift cannot call itself.
#ifndef CPLATFORM_H
#define CPLATFORM_H

#include "CPlatformFiles.h"

#include <stdint.h>

#include "CacheFiles.h"
#include "LoadedLibrary.h"
#include "SourceEntries.h"

/// Starts a detached thread that calls `body(context)`. Returns 0 or an errno.
int cplatform_start_thread(const char *name, void (*body)(void *), void *context);

/// A mutex with a condition: what a queue of work waits on.
typedef struct cplatform_gate cplatform_gate;
cplatform_gate *cplatform_gate_create(void);
void cplatform_gate_destroy(cplatform_gate *gate);
void cplatform_gate_lock(cplatform_gate *gate);
/// Returns whether it is locked now.
int cplatform_gate_try_lock(cplatform_gate *gate);
void cplatform_gate_unlock(cplatform_gate *gate);
void cplatform_gate_wait(cplatform_gate *gate);
void cplatform_gate_signal(cplatform_gate *gate);
void cplatform_gate_broadcast(cplatform_gate *gate);

int cplatform_processor_count(void);

#endif

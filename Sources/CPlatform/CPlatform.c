#define _GNU_SOURCE
#include "CPlatform.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct cplatform_gate {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
};

struct start {
    void (*body)(void *);
    void *context;
    char name[16];
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    free(argument);
#ifdef __linux__
    pthread_setname_np(pthread_self(), start.name);
#else
    pthread_setname_np(start.name);
#endif
    start.body(start.context);
    return NULL;
}

int cplatform_start_thread(const char *name, void (*body)(void *), void *context) {
    struct start *start = malloc(sizeof *start);
    if (start == NULL) return 12;
    start->body = body;
    start->context = context;
    size_t i = 0;
    for (; i < sizeof start->name - 1 && name[i] != 0; i++) start->name[i] = name[i];
    start->name[i] = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, run, start);
    pthread_attr_destroy(&attributes);
    if (error != 0) free(start);
    return error;
}

cplatform_gate *cplatform_gate_create(void) {
    cplatform_gate *gate = malloc(sizeof *gate);
    if (gate == NULL) abort();
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->condition, NULL);
    return gate;
}

void cplatform_gate_destroy(cplatform_gate *gate) {
    pthread_mutex_destroy(&gate->mutex);
    pthread_cond_destroy(&gate->condition);
    free(gate);
}

void cplatform_gate_lock(cplatform_gate *gate) { pthread_mutex_lock(&gate->mutex); }
int cplatform_gate_try_lock(cplatform_gate *gate) { return pthread_mutex_trylock(&gate->mutex) == 0; }
void cplatform_gate_unlock(cplatform_gate *gate) { pthread_mutex_unlock(&gate->mutex); }
void cplatform_gate_wait(cplatform_gate *gate) { pthread_cond_wait(&gate->condition, &gate->mutex); }
void cplatform_gate_signal(cplatform_gate *gate) { pthread_cond_signal(&gate->condition); }
void cplatform_gate_broadcast(cplatform_gate *gate) { pthread_cond_broadcast(&gate->condition); }

int cplatform_processor_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (int)count;
}

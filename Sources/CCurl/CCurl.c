#include "CCurl.h"

#include <CPlatform.h>
#include <pthread.h>
#include <signal.h>

// The header makes macros of these, to check arguments that here are not literal.
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

static const char *const names[] = {
#ifdef __APPLE__
    "libcurl.4.dylib", "/usr/lib/libcurl.4.dylib",
#else
    "libcurl.so.4", "libcurl-gnutls.so.4",
#endif
    NULL};

enum {
    global_init,
    easy_init,
    easy_cleanup,
    easy_pause,
    easy_setopt,
    easy_getinfo,
    slist_append,
    slist_free_all,
    multi_init,
    multi_cleanup,
    multi_add_handle,
    multi_remove_handle,
    multi_perform,
    multi_poll,
    multi_wakeup,
    multi_setopt,
    multi_info_read,
};

static cplatform_function functions[] = {
    [global_init] = {"curl_global_init", NULL},
    [easy_init] = {"curl_easy_init", NULL},
    [easy_cleanup] = {"curl_easy_cleanup", NULL},
    [easy_pause] = {"curl_easy_pause", NULL},
    [easy_setopt] = {"curl_easy_setopt", NULL},
    [easy_getinfo] = {"curl_easy_getinfo", NULL},
    [slist_append] = {"curl_slist_append", NULL},
    [slist_free_all] = {"curl_slist_free_all", NULL},
    [multi_init] = {"curl_multi_init", NULL},
    [multi_cleanup] = {"curl_multi_cleanup", NULL},
    [multi_add_handle] = {"curl_multi_add_handle", NULL},
    [multi_remove_handle] = {"curl_multi_remove_handle", NULL},
    [multi_perform] = {"curl_multi_perform", NULL},
    [multi_poll] = {"curl_multi_poll", NULL},
    [multi_wakeup] = {"curl_multi_wakeup", NULL},
    [multi_setopt] = {"curl_multi_setopt", NULL},
    [multi_info_read] = {"curl_multi_info_read", NULL},
    {NULL, NULL},
};

static cplatform_library library = CPLATFORM_LIBRARY(names, functions);
static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode set_up = CURLE_FAILED_INIT;

// The header gives the types, so that a change of libcurl's prototypes does not go unnoticed.
#define CALL(index) ((__typeof__(curl_##index) *)functions[index].address)

static void set_up_once(void) { set_up = CALL(global_init)(CURL_GLOBAL_DEFAULT); }

const char *ccurl_load(void) {
    const char *problem = cplatform_load_library(&library);
    if (problem != NULL) return problem;
    pthread_once(&once, set_up_once);
    return set_up == CURLE_OK ? NULL : "libcurl cannot be set up; memory may be short";
}

CURL *ccurl_easy_init(void) { return CALL(easy_init)(); }

void ccurl_easy_cleanup(CURL *easy) { CALL(easy_cleanup)(easy); }

CURLcode ccurl_easy_pause(CURL *easy, int mask) { return CALL(easy_pause)(easy, mask); }

struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text) {
    return CALL(slist_append)(list, text);
}

void ccurl_slist_free_all(struct curl_slist *list) { CALL(slist_free_all)(list); }

CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) { return CALL(easy_setopt)(easy, option, value); }

CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return CALL(easy_setopt)(easy, option, value);
}

CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value) {
    return CALL(easy_setopt)(easy, option, value);
}

CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return CALL(easy_setopt)(easy, option, value);
}

void ccurl_set_receivers(CURL *easy, ccurl_receiver header, ccurl_receiver body, void *context) {
    CALL(easy_setopt)(easy, CURLOPT_HEADERFUNCTION, header);
    CALL(easy_setopt)(easy, CURLOPT_HEADERDATA, context);
    CALL(easy_setopt)(easy, CURLOPT_WRITEFUNCTION, body);
    CALL(easy_setopt)(easy, CURLOPT_WRITEDATA, context);
}

long ccurl_get_long(CURL *easy, CURLINFO info) {
    long value = 0;
    return CALL(easy_getinfo)(easy, info, &value) == CURLE_OK ? value : 0;
}

curl_off_t ccurl_get_offset(CURL *easy, CURLINFO info) {
    curl_off_t value = -1;
    return CALL(easy_getinfo)(easy, info, &value) == CURLE_OK ? value : -1;
}

void *ccurl_get_pointer(CURL *easy, CURLINFO info) {
    char *value = NULL;
    return CALL(easy_getinfo)(easy, info, &value) == CURLE_OK ? value : NULL;
}

CURLM *ccurl_multi_init(void) { return CALL(multi_init)(); }

CURLMcode ccurl_multi_cleanup(CURLM *multi) { return CALL(multi_cleanup)(multi); }

CURLMcode ccurl_multi_add_handle(CURLM *multi, CURL *easy) { return CALL(multi_add_handle)(multi, easy); }

CURLMcode ccurl_multi_remove_handle(CURLM *multi, CURL *easy) { return CALL(multi_remove_handle)(multi, easy); }

CURLMcode ccurl_multi_perform(CURLM *multi, int *running) { return CALL(multi_perform)(multi, running); }

CURLMcode ccurl_multi_poll(CURLM *multi, int milliseconds) {
    return CALL(multi_poll)(multi, NULL, 0, milliseconds, NULL);
}

CURLMcode ccurl_multi_wakeup(CURLM *multi) { return CALL(multi_wakeup)(multi); }

CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return CALL(multi_setopt)(multi, option, value);
}

CURL *ccurl_next_finished(CURLM *multi, CURLcode *result) {
    int left = 0;
    for (CURLMsg *message; (message = CALL(multi_info_read)(multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE) continue;
        *result = message->data.result;
        return message->easy_handle;
    }
    return NULL;
}

void ccurl_block_broken_pipe_signal(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

// libcurl, loaded when it is first used: with what it needs it costs milliseconds, which whoever finds everything in a
// cache need not pay. Its options are set and read by functions with variable arguments, which Swift cannot call.
#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

/// Loads libcurl and sets it up: NULL, or why it cannot be used. All other functions only after it has succeeded.
const char *ccurl_load(void);

CURL *ccurl_easy_init(void);
void ccurl_easy_cleanup(CURL *easy);
CURLcode ccurl_easy_pause(CURL *easy, int mask);
struct curl_slist *ccurl_slist_append(struct curl_slist *list, const char *text);
void ccurl_slist_free_all(struct curl_slist *list);

CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value);
CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value);
CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value);
CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value);

typedef size_t (*ccurl_receiver)(char *bytes, size_t size, size_t count, void *context);

/// Both receivers get the same context.
void ccurl_set_receivers(CURL *easy, ccurl_receiver header, ccurl_receiver body, void *context);

long ccurl_get_long(CURL *easy, CURLINFO info);
/// -1 when it is not known.
curl_off_t ccurl_get_offset(CURL *easy, CURLINFO info);
void *ccurl_get_pointer(CURL *easy, CURLINFO info);

CURLM *ccurl_multi_init(void);
CURLMcode ccurl_multi_cleanup(CURLM *multi);
CURLMcode ccurl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode ccurl_multi_remove_handle(CURLM *multi, CURL *easy);
CURLMcode ccurl_multi_perform(CURLM *multi, int *running);
/// Waits for the transfers, a wake-up, or the time.
CURLMcode ccurl_multi_poll(CURLM *multi, int milliseconds);
CURLMcode ccurl_multi_wakeup(CURLM *multi);
CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value);

/// The next transfer that has ended, or NULL.
CURL *ccurl_next_finished(CURLM *multi, CURLcode *result);

/// A connection that the other side has closed must give an error, not a signal that ends the process.
void ccurl_block_broken_pipe_signal(void);

#endif

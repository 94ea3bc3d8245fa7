#include "peer.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

typedef struct {
    unsigned char *bytes;
    size_t count, capacity;
} body;

static size_t take(char *bytes, size_t one, size_t count, void *context) {
    (void)one;
    body *b = context;
    if (b->count + count > b->capacity) {
        size_t capacity = (b->count + count) * 2;
        unsigned char *grown = realloc(b->bytes, capacity);
        if (!grown) return 0;
        b->bytes = grown;
        b->capacity = capacity;
    }
    memcpy(b->bytes + b->count, bytes, count);
    b->count += count;
    return count;
}

static CURL *start(body *b) {
    CURL *curl = curl_easy_init();
    if (!curl) return NULL;
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, b);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    return curl;
}

// data/ab/cdef... -> the 40 digits, compared with the digest.
static int fits(const char *path, const unsigned char digest[SHA_DIGEST_LENGTH]) {
    static const char digits[] = "0123456789abcdef";
    const char *p = path + strlen("data/");
    for (int i = 0; i < SHA_DIGEST_LENGTH; i++) {
        if (*p == '/') p++;
        if (p[0] != digits[digest[i] >> 4] || p[1] != digits[digest[i] & 15]) return 0;
        p += 2;
    }
    return 1;
}

static int write_whole(int file, const unsigned char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(file, bytes, count);
        if (written <= 0) return 0;
        bytes += written;
        count -= (size_t)written;
    }
    return 1;
}

int peer_fetch(const char *url, const peer_object *objects, size_t count, const char *folder, int with_zlib) {
    body b = {0};
    unsigned char *plain = NULL;
    size_t capacity = 0;
    struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
    CURL *curl = start(&b);
    int result = curl && inflater ? 0 : -1;
    for (size_t i = 0; i < count && result == 0; i++) {
        const peer_object *object = &objects[i];
        char text[4096], scratch[4096];
        snprintf(text, sizeof text, "%s/%s", url, object->path);
        b.count = 0;
        curl_easy_setopt(curl, CURLOPT_URL, text);
        if (curl_easy_perform(curl) != CURLE_OK) { result = -2; break; }

        unsigned char digest[SHA_DIGEST_LENGTH];
        SHA1(b.bytes, b.count, digest);
        if (!fits(object->path, digest)) { result = -3; break; }

        size_t size = (size_t)object->size;
        if (size > capacity || !plain) {
            free(plain);
            capacity = size + 65536;
            plain = malloc(capacity);
            if (!plain) { result = -1; break; }
        }
        if (with_zlib) {
            uLongf length = size ? size : 1;
            if (uncompress(plain, &length, b.bytes, b.count) != Z_OK || length != size) { result = -4; break; }
        } else {
            size_t length = 0;
            if (libdeflate_zlib_decompress(inflater, b.bytes, b.count, plain, size, &length) != LIBDEFLATE_SUCCESS
                || length != size) { result = -4; break; }
        }

        snprintf(text, sizeof text, "%s/%s", folder, object->path + strlen("data/"));
        snprintf(scratch, sizeof scratch, "%s.new", text);
        int file = open(scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 || !write_whole(file, plain, size) || close(file) != 0 || rename(scratch, text) != 0) {
            result = -5;
            break;
        }
    }
    free(b.bytes);
    free(plain);
    if (inflater) libdeflate_free_decompressor(inflater);
    if (curl) curl_easy_cleanup(curl);
    return result;
}

int64_t peer_stored_bytes(const char *url, const char *path) {
    body b = {0};
    CURL *curl = start(&b);
    if (!curl) return -1;
    char text[4096];
    snprintf(text, sizeof text, "%s/%s", url, path);
    curl_easy_setopt(curl, CURLOPT_URL, text);
    int64_t bytes = curl_easy_perform(curl) == CURLE_OK ? (int64_t)b.count : -2;
    free(b.bytes);
    curl_easy_cleanup(curl);
    return bytes;
}

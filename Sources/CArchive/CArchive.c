#include "CArchive.h"

#include <CPlatform.h>
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

static const char *const names[] = {
#ifdef __APPLE__
    "libarchive.13.dylib", "/usr/lib/libarchive.2.dylib",
#else
    "libarchive.so.13",
#endif
    NULL};

enum {
    read_new,
    read_free,
    support_raw,
    support_empty,
    filter_gzip,
    filter_bzip2,
    filter_xz,
    filter_zstd,
    open_stream,
    next_header,
    read_data,
    error_string,
};

static cplatform_function functions[] = {
    [read_new] = {"archive_read_new", NULL},
    [read_free] = {"archive_read_free", NULL},
    [support_raw] = {"archive_read_support_format_raw", NULL},
    [support_empty] = {"archive_read_support_format_empty", NULL},
    [filter_gzip] = {"archive_read_support_filter_gzip", NULL},
    [filter_bzip2] = {"archive_read_support_filter_bzip2", NULL},
    [filter_xz] = {"archive_read_support_filter_xz", NULL},
    [filter_zstd] = {"archive_read_support_filter_zstd", NULL},
    [open_stream] = {"archive_read_open", NULL},
    [next_header] = {"archive_read_next_header", NULL},
    [read_data] = {"archive_read_data", NULL},
    [error_string] = {"archive_error_string", NULL},
    {NULL, NULL},
};

static cplatform_library library = CPLATFORM_LIBRARY(names, functions);

// The header gives the types, so that a change of libarchive's prototypes does not go unnoticed.
#define CALL(index, prototype) ((__typeof__(prototype) *)functions[index].address)

struct carchive_stream {
    struct archive *archive;
    carchive_source source;
    void *context;
    carchive_compression compression;
    enum { closed, readable, ended } state;
    const char *problem;
    unsigned char input[128 << 10];
};

const char *carchive_load(void) { return cplatform_load_library(&library); }

static la_ssize_t deliver(struct archive *archive, void *context, const void **bytes) {
    (void)archive;
    carchive_stream *stream = context;
    *bytes = stream->input;
    return stream->source(stream->context, stream->input, sizeof stream->input);
}

carchive_stream *carchive_open(carchive_compression compression, carchive_source source, void *context) {
    carchive_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return NULL;
    stream->archive = CALL(read_new, archive_read_new)();
    if (stream->archive == NULL) {
        free(stream);
        return NULL;
    }
    stream->compression = compression;
    stream->source = source;
    stream->context = context;
    return stream;
}

static int support(carchive_stream *stream) {
    switch (stream->compression) {
    case carchive_gzip: return CALL(filter_gzip, archive_read_support_filter_gzip)(stream->archive);
    case carchive_bzip2: return CALL(filter_bzip2, archive_read_support_filter_bzip2)(stream->archive);
    case carchive_xz: return CALL(filter_xz, archive_read_support_filter_xz)(stream->archive);
    case carchive_zstd: return CALL(filter_zstd, archive_read_support_filter_zstd)(stream->archive);
    }
    return ARCHIVE_FATAL;
}

static int start(carchive_stream *stream) {
    // Anything but OK means that libarchive would run another program to unpack it.
    if (support(stream) != ARCHIVE_OK) {
        stream->problem = "this libarchive was built without that compression";
        return 0;
    }
    struct archive_entry *entry;
    CALL(support_raw, archive_read_support_format_raw)(stream->archive);
    CALL(support_empty, archive_read_support_format_empty)(stream->archive);
    if (CALL(open_stream, archive_read_open)(stream->archive, stream, NULL, deliver, NULL) != ARCHIVE_OK) return 0;
    int result = CALL(next_header, archive_read_next_header)(stream->archive, &entry);
    stream->state = result == ARCHIVE_EOF ? ended : readable;
    return result == ARCHIVE_OK || result == ARCHIVE_EOF;
}

long carchive_read(carchive_stream *stream, void *buffer, size_t count) {
    if (stream->problem != NULL) return -1;
    if (stream->state == closed && !start(stream)) goto failed;
    if (stream->state == ended) return 0;
    la_ssize_t result = CALL(read_data, archive_read_data)(stream->archive, buffer, count);
    if (result >= 0) {
        if (result == 0) stream->state = ended;
        return (long)result;
    }
failed:
    if (stream->problem == NULL) stream->problem = CALL(error_string, archive_error_string)(stream->archive);
    if (stream->problem == NULL) stream->problem = "it cannot be unpacked";
    return -1;
}

const char *carchive_problem(carchive_stream *stream) { return stream->problem != NULL ? stream->problem : ""; }

void carchive_close(carchive_stream *stream) {
    CALL(read_free, archive_read_free)(stream->archive);
    free(stream);
}

// Unpacking of compressed streams by libarchive, which is loaded when the first one is opened.
#ifndef CARCHIVE_H
#define CARCHIVE_H

#include <stddef.h>

typedef enum {
    carchive_gzip,
    carchive_bzip2,
    carchive_xz,
    carchive_zstd,
} carchive_compression;

/// Fills a buffer of `count` bytes: how many it got, 0 at the end, -1 when it failed.
typedef long (*carchive_source)(void *context, void *buffer, size_t count);

typedef struct carchive_stream carchive_stream;

/// Loads libarchive: NULL, or why it cannot be loaded.
const char *carchive_load(void);

/// A stream of what the compressed bytes of `source` stand for, or NULL for lack of memory. Only after a successful
/// carchive_load. `source` is called with `context` during carchive_read only.
carchive_stream *carchive_open(carchive_compression compression, carchive_source source, void *context);

/// The next bytes: how many there are, 0 at the end, -1 when the stream is damaged or its source failed.
long carchive_read(carchive_stream *stream, void *buffer, size_t count);

/// What was wrong with the stream.
const char *carchive_problem(carchive_stream *stream);

void carchive_close(carchive_stream *stream);

#endif

#include "peer.h"

#include <openssl/md5.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct peer_catalog {
    sqlite3 *database;
    sqlite3_stmt *find;
};

peer_catalog *peer_catalog_open(const char *file) {
    peer_catalog *catalog = calloc(1, sizeof *catalog);
    if (!catalog) return NULL;
    char uri[4096];
    snprintf(uri, sizeof uri, "file:%s?immutable=1", file);
    if (sqlite3_open_v2(uri, &catalog->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL)
            != SQLITE_OK
        || sqlite3_prepare_v3(
               catalog->database,
               "SELECT hardlinks, hash, size, mode, mtime, mtimens, flags, name, symlink, uid, gid, xattr IS NOT NULL "
               "FROM catalog WHERE md5path_1 = ?1 AND md5path_2 = ?2",
               -1, SQLITE_PREPARE_PERSISTENT, &catalog->find, NULL) != SQLITE_OK) {
        peer_catalog_close(catalog);
        return NULL;
    }
    return catalog;
}

static void copy_text(sqlite3_stmt *statement, int column, char *target, size_t room) {
    const unsigned char *text = sqlite3_column_text(statement, column);
    size_t count = (size_t)sqlite3_column_bytes(statement, column);
    if (count >= room) count = room - 1;
    if (text) memcpy(target, text, count);
    target[count] = 0;
}

int peer_catalog_find(peer_catalog *catalog, int64_t key_1, int64_t key_2, peer_row *row) {
    sqlite3_stmt *statement = catalog->find;
    sqlite3_bind_int64(statement, 1, key_1);
    sqlite3_bind_int64(statement, 2, key_2);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        row->hardlinks = sqlite3_column_int64(statement, 0);
        const void *hash = sqlite3_column_blob(statement, 1);
        if (hash && sqlite3_column_bytes(statement, 1) == 20) memcpy(row->hash, hash, 20);
        row->size = sqlite3_column_int64(statement, 2);
        row->mode = sqlite3_column_int64(statement, 3);
        row->mtime = sqlite3_column_int64(statement, 4);
        row->mtimens = sqlite3_column_int64(statement, 5);
        row->flags = sqlite3_column_int64(statement, 6);
        copy_text(statement, 7, row->name, sizeof row->name);
        copy_text(statement, 8, row->symlink, sizeof row->symlink);
        row->uid = sqlite3_column_int64(statement, 9);
        row->gid = sqlite3_column_int64(statement, 10);
    }
    sqlite3_reset(statement);
    return result == SQLITE_ROW ? 1 : result == SQLITE_DONE ? 0 : -result;
}

size_t peer_catalog_find_all(peer_catalog *catalog, const int64_t *keys_1, const int64_t *keys_2, size_t count) {
    size_t found = 0;
    peer_row row;
    for (size_t i = 0; i < count; i++) found += peer_catalog_find(catalog, keys_1[i], keys_2[i], &row) == 1;
    return found;
}

size_t peer_catalog_find_paths(peer_catalog *catalog, const char *paths, const uint32_t *offsets, size_t count) {
    size_t found = 0;
    peer_row row;
    for (size_t i = 0; i < count; i++) {
        int64_t key[2];
        MD5((const unsigned char *)paths + offsets[i], offsets[i + 1] - offsets[i], (unsigned char *)key);
        found += peer_catalog_find(catalog, key[0], key[1], &row) == 1;
    }
    return found;
}

void peer_catalog_close(peer_catalog *catalog) {
    if (!catalog) return;
    sqlite3_finalize(catalog->find);
    sqlite3_close_v2(catalog->database);
    free(catalog);
}

int64_t peer_read_all(int file, void *buffer, size_t length, const int64_t *offsets, size_t count) {
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        ssize_t got = pread(file, buffer, length, offsets[i]);
        if (got < 0) return -1;
        sum += got;
    }
    return sum;
}

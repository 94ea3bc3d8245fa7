// SQLite, and what of it Swift cannot call or describe: a variadic function, a macro, a file object of our own.
#ifndef CSQLITE_SHIM_H
#define CSQLITE_SHIM_H

#include <sqlite3.h>

/// Switches one of the boolean SQLITE_DBCONFIG_ options.
static inline int csqlite_configure(sqlite3 *connection, int option, int value) {
    return sqlite3_db_config(connection, option, value, (int *)0);
}

/// An I/O error that says that the file ended early and the rest of the buffer is zero: a composed macro.
static const int csqlite_short_read = SQLITE_IOERR_SHORT_READ;

/// An open file of a VFS written in Swift: SQLite's part, then what the methods find the file by.
typedef struct csqlite_file {
    sqlite3_file base;
    void *context;
} csqlite_file;

#endif

// Extended attributes, which Swift's Glibc does not import.
#ifndef C_EXTENDED_ATTRIBUTES_H
#define C_EXTENDED_ATTRIBUTES_H

#ifdef __linux__
#include <sys/xattr.h>
#endif

#endif

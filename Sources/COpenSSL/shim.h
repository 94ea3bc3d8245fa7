// What Swift cannot import: deprecated one-shot functions that OpenSSL 3 still keeps because its EVP
// interface costs ten times the digest of a short path, and macros.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

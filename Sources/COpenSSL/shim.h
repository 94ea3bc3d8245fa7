// What Swift cannot import: deprecated functions that OpenSSL 3 still keeps because its EVP interface costs more
// than the digest of a short path or a small object, and macros.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/pem.h>
#include <openssl/ripemd.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

/// How a distinguished name is printed: RFC 2253, but letters outside ASCII as UTF-8 instead of escapes.
static const unsigned long copenssl_name_flags = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;

#include "net/certs.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int ok)
{
    if (!ok) {
        abort();
    }
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX v3;
    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    must(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static void take_pem(BIO *bio, char *out)
{
    int n = BIO_read(bio, out, CERT_PEM_MAX - 1);
    must(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

void test_cert_make(struct test_cert *cert, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    must(key && x && X509_set_version(x, 2) && X509_set_pubkey(x, key));
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME *name = X509_get_subject_name(x);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"squall test",
                                    -1, -1, 0));
    must(X509_set_issuer_name(x, name));
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_subject_alt_name, names);
    must(X509_sign(x, key, EVP_sha256()));
    BIO *bio = BIO_new(BIO_s_mem());
    must(bio && PEM_write_bio_X509(bio, x));
    take_pem(bio, cert->cert_pem);
    bio = BIO_new(BIO_s_mem());
    must(bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    take_pem(bio, cert->key_pem);
    X509_free(x);
    EVP_PKEY_free(key);
}

void test_cert_write(const struct test_cert *cert, char path[static 64])
{
    snprintf(path, 64, "/tmp/squall-test-ca-XXXXXX");
    int fd = mkstemp(path);
    must(fd >= 0);
    must(write(fd, cert->cert_pem, strlen(cert->cert_pem)) == (ssize_t)strlen(cert->cert_pem));
    close(fd);
}

SSL_CTX *test_cert_context(const struct test_cert *cert, const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    BIO *c = BIO_new_mem_buf(cert->cert_pem, -1);
    BIO *k = BIO_new_mem_buf(cert->key_pem, -1);
    X509 *x = PEM_read_bio_X509(c, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
    if (!ctx || SSL_CTX_use_certificate(ctx, x) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1) {
        abort();
    }
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(c);
    BIO_free(k);
    return ctx;
}

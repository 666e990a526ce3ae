#include "lab/certs.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static void must(int ok)
{
    if (!ok) {
        abort();
    }
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
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"lab test", -1,
                                    -1, 0));
    must(X509_set_issuer_name(x, name));
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    must(alt && X509_add_ext(x, alt, -1));
    X509_EXTENSION_free(alt);
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

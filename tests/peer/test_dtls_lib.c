/* OpenSSL's library context of a shard: it has few algorithms, and all that a handshake can need.
 */
#include "dtls_link.h"
#include <openssl/decoder.h>
#include <openssl/dsa.h>
#include <openssl/rsa.h>

static void count_decoder(OSSL_DECODER *decoder, void *arg)
{
    size_t *n = arg;
    assert_non_null(strstr(OSSL_DECODER_get0_properties(decoder), "SubjectPublicKeyInfo"));
    (*n)++;
}

static void count_key(EVP_KEYMGMT *key, void *arg)
{
    size_t *n = arg;
    assert_non_null(key);
    (*n)++;
}

/* What OpenSSL walks through for each certificate; the default provider of 3.0 has 40 and 18. */
static void few(void **state)
{
    size_t decoders = 0;
    size_t keys = 0;
    (void)state;
    assert_non_null(ctx->lib.context);
    OSSL_DECODER_do_all_provided(ctx->lib.context, count_decoder, &decoders);
    EVP_KEYMGMT_do_all_provided(ctx->lib.context, count_key, &keys);
    assert_int_equal(decoders, 6);
    assert_int_equal(keys, 7);
}

/* A certificate with a key of another kind, signed with it. Owned by the caller. */
static struct sq_cert *cert_of(EVP_PKEY *key, const EVP_MD *md)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    struct sq_cert *cert = NULL;
    assert_non_null(key);
    assert_int_equal(sq_cert_create(NOW, &cert), 0);
    EVP_PKEY_free(cert->key);
    cert->key = key;
    assert_int_equal(X509_set_pubkey(cert->x509, key), 1);
    assert_true(X509_sign(cert->x509, key, md) > 0);
    assert_int_equal(X509_digest(cert->x509, EVP_sha256(), digest, &n), 1);
    sq_fingerprint_format(digest, n, cert->fingerprint);
    return cert;
}

static EVP_PKEY *key_of(const char *kind)
{
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_keygen_init(make), 1);
    assert_int_equal(EVP_PKEY_keygen(make, &key), 1);
    EVP_PKEY_CTX_free(make);
    return key;
}

static EVP_PKEY *dsa_key(void)
{
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    EVP_PKEY *params = NULL;
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_paramgen_init(make), 1);
    assert_int_equal(EVP_PKEY_CTX_set_dsa_paramgen_bits(make, 1024), 1);
    assert_int_equal(EVP_PKEY_paramgen(make, &params), 1);
    EVP_PKEY_CTX_free(make);
    make = EVP_PKEY_CTX_new(params, NULL);
    assert_int_equal(EVP_PKEY_keygen_init(make), 1);
    assert_int_equal(EVP_PKEY_keygen(make, &key), 1);
    EVP_PKEY_CTX_free(make);
    EVP_PKEY_free(params);
    return key;
}

static void certificates_of_all_kinds(void **state)
{
    (void)state;
    const struct {
        const char *suite;
        EVP_PKEY *key;
        const EVP_MD *md;
        bool as_server, as_client; /* as OpenSSL 3.0 can */
    } kinds[] = {
        {"ECDHE-ECDSA-AES128-GCM-SHA256", EVP_EC_gen("P-256"), EVP_sha256(), true, true},
        {"ECDHE-ECDSA-AES256-GCM-SHA384", EVP_EC_gen("P-256"), EVP_sha384(), true, true},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", key_of("ED25519"), NULL, false, true},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", key_of("ED448"), NULL, false, true},
        {"ECDHE-RSA-AES128-GCM-SHA256", EVP_RSA_gen(2048), EVP_sha256(), true, false},
        {"ECDHE-RSA-AES256-GCM-SHA384", EVP_RSA_gen(2048), EVP_sha1(), true, false},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", EVP_RSA_gen(2048), EVP_sha256(), false, true},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", key_of("RSA-PSS"), EVP_sha256(), false, true},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", dsa_key(), EVP_sha256(), false, true},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct sq_cert *cert = cert_of(kinds[i].key, kinds[i].md);
        for (int role = 0; role < 2; role++) {
            static struct link l;
            const struct setting how = {kinds[i].suite, role == 0, false, cert};
            if (role == 0 ? kinds[i].as_server : kinds[i].as_client) {
                connect_with(&l, &how);
                assert_string_equal(l.ours->remote_fingerprint, cert->fingerprint);
                link_free(&l);
            }
        }
        sq_cert_destroy(cert);
    }
}

static int up(void **state)
{
    (void)state;
    const struct sq_dtls_config config = {.srtp_optional = true};
    return sq_dtls_ctx_create(&config, &ctx) || sq_cert_pool_create(2, NOW, &pool);
}

static int down(void **state)
{
    (void)state;
    sq_cert_pool_destroy(pool);
    sq_dtls_ctx_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few),
        cmocka_unit_test(certificates_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, up, down);
}

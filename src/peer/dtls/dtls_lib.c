/* A library context of OpenSSL in which a certificate's key is found quickly.
 *
 * To read the public key of the remote's certificate, OpenSSL 3 walks through all decoders and all
 * algorithms of any kind that it has, several times, anew for each certificate: more than a fifth
 * of a handshake. This context has a provider of its own, which hands out the default provider's
 * algorithms, and of those that are many only the few that our DTLS can use. The code that runs is
 * the default provider's in any case. */
#include "peer/dtls/dtls_int.h"
#include <openssl/core_dispatch.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

#define PROVIDER_NAME "squall-dtls"
#define KINDS         7
#define NAMES_MAX     7

/* Of these kinds the named algorithms are there, and of the others all. The names are the first of
 * those that the default provider lists. */
static const struct kind {
    int operation;
    const char *property; /* NULL: any */
    const char *names[NAMES_MAX];
} KIND[KINDS] = {
    /* of certificates, and X25519 */
    {OSSL_OP_KEYMGMT, NULL, {"EC", "RSA", "RSA-PSS", "ED25519", "ED448", "DSA", "X25519"}},
    {OSSL_OP_DECODER,
     "input=der,structure=SubjectPublicKeyInfo",
     {"EC", "RSA", "RSA-PSS", "ED25519", "ED448", "DSA"}},
    {OSSL_OP_CIPHER, NULL, {"AES-128-GCM", "AES-256-GCM"}},
    {OSSL_OP_SIGNATURE, NULL, {"ECDSA", "RSA", "ED25519", "ED448", "DSA"}},
    {OSSL_OP_KEYEXCH, NULL, {"X25519", "ECDH"}},
    {OSSL_OP_KDF, NULL, {"TLS1-PRF"}},
    /* of fingerprints, signatures and the handshake itself */
    {OSSL_OP_DIGEST,
     NULL,
     {"SHA2-256", "SHA2-384", "SHA2-512", "SHA2-224", "SHA1", "MD5", "MD5-SHA1"}},
};

/* What the default provider has is known at run time alone, and a provider's functions are given no
 * place of their own to keep it: their context has to be the default provider's, for the sake of
 * its algorithms. Written once, by find_few. */
static pthread_once_t few_once = PTHREAD_ONCE_INIT;
static struct few {
    const OSSL_PROVIDER *whole; /* the default provider of the process, or NULL: not usable */
    OSSL_ALGORITHM list[KINDS][NAMES_MAX + 1]; /* ends with zeros */
} few;

static bool is_meant(const OSSL_ALGORITHM *a, const char *name, const char *property)
{
    size_t len = strcspn(a->algorithm_names, ":"); /* "EC:id-ecPublicKey:1.2.840.10045.2.1" */
    return len == strlen(name) && strncmp(a->algorithm_names, name, len) == 0 &&
           (!property || (a->property_definition && strstr(a->property_definition, property)));
}

/* True when all of the kind were found. */
static bool pick(const OSSL_PROVIDER *from, const struct kind *kind, OSSL_ALGORITHM *list)
{
    int no_cache = 0;
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(from, kind->operation, &no_cache);
    bool whole = all && !no_cache;
    for (size_t i = 0; whole && i < NAMES_MAX && kind->names[i]; i++) {
        const OSSL_ALGORITHM *a = all;
        while (a->algorithm_names && !is_meant(a, kind->names[i], kind->property)) {
            a++;
        }
        list[i] = *a;
        whole = a->algorithm_names;
    }
    return whole;
}

static void find_few(void)
{
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL); /* the way to the provider in use */
    const OSSL_PROVIDER *whole = md ? EVP_MD_get0_provider(md) : NULL;
    /* Another one (FIPS, say) has its decoders elsewhere: then all is left as it is. */
    bool usable = whole && strcmp(OSSL_PROVIDER_get0_name(whole), "default") == 0;
    for (size_t i = 0; usable && i < KINDS; i++) {
        usable = pick(whole, &KIND[i], few.list[i]);
    }
    few.whole = usable ? whole : NULL; /* lives as long as the process's own context */
    EVP_MD_free(md);
}

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache)
{
    (void)context;
    for (size_t i = 0; i < KINDS; i++) {
        if (KIND[i].operation == operation) {
            *no_cache = 0;
            return few.list[i];
        }
    }
    return OSSL_PROVIDER_query_operation(few.whole, operation, no_cache);
}

static int capabilities(void *context, const char *name, OSSL_CALLBACK *each, void *arg)
{
    (void)context;
    return OSSL_PROVIDER_get_capabilities(few.whole, name, each, arg);
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **context)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
        {0, NULL},
    };
    (void)handle;
    (void)in;
    *out = functions;
    *context = OSSL_PROVIDER_get0_provider_ctx(few.whole);
    return 1;
}

int sq_dtls_lib_make(struct sq_dtls_lib *ret_lib)
{
    (void)pthread_once(&few_once, find_few);
    *ret_lib = (struct sq_dtls_lib){0};
    if (!few.whole) {
        return 0;
    }
    struct sq_dtls_lib lib = {.context = OSSL_LIB_CTX_new()};
    if (lib.context && OSSL_PROVIDER_add_builtin(lib.context, PROVIDER_NAME, provider_init) == 1) {
        lib.provider = OSSL_PROVIDER_load(lib.context, PROVIDER_NAME);
    }
    if (!lib.provider) {
        sq_dtls_lib_free(&lib);
        return SQ_ERR_CRYPTO;
    }
    *ret_lib = lib;
    return 0;
}

void sq_dtls_lib_free(struct sq_dtls_lib *lib)
{
    if (lib->provider) {
        OSSL_PROVIDER_unload(lib->provider);
    }
    OSSL_LIB_CTX_free(lib->context); /* NULL is allowed */
    *lib = (struct sq_dtls_lib){0};
}

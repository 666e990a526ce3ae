#include "net/net.h"

#include <ares.h>
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <signal.h>

int sq_net_init(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    /* A closed stream, and a file at its limit (ulimit -f), are error codes, not signals. */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    if (OPENSSL_init_ssl(0, NULL) != 1) {
        return SQ_ERR_IO;
    }
    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK) {
        return SQ_ERR_IO;
    }
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        curl_global_cleanup();
        return SQ_ERR_IO;
    }
    return 0;
}

void sq_net_cleanup(void)
{
    ares_library_cleanup();
    curl_global_cleanup();
}

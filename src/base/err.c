#include "base/err.h"

const char *sq_err_name(int err)
{
    switch ((enum sq_err)err) {
    case SQ_OK:
        return "ok";
    case SQ_ERR_NOMEM:
        return "no memory";
    case SQ_ERR_INVALID:
        return "invalid argument";
    case SQ_ERR_FORMAT:
        return "malformed";
    case SQ_ERR_TRUNCATED:
        return "truncated";
    case SQ_ERR_NOSPACE:
        return "buffer too small";
    case SQ_ERR_AUTH:
        return "authentication failed";
    case SQ_ERR_REPLAY:
        return "replayed packet";
    case SQ_ERR_STATE:
        return "wrong state";
    case SQ_ERR_UNSUPPORTED:
        return "not supported";
    case SQ_ERR_NOTFOUND:
        return "not found";
    case SQ_ERR_AGAIN:
        return "would block";
    case SQ_ERR_CLOSED:
        return "closed by the other side";
    case SQ_ERR_TIMEOUT:
        return "timed out";
    case SQ_ERR_IO:
        return "input/output error";
    case SQ_ERR_CRYPTO:
        return "cryptographic library failed";
    case SQ_ERR_REFUSED:
        return "refused";
    case SQ_ERR_DNS:
        return "name not resolved";
    case SQ_ERR_TLS:
        return "TLS failed";
    }
    return "unknown error";
}

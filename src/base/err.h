/* Error codes of every room. A function that can fail returns 0 or one of these negative codes, and
 * leaves its outputs (named ret_...) untouched on failure. */
#ifndef SQ_BASE_ERR_H
#define SQ_BASE_ERR_H

#define SQ_MUST_USE          __attribute__((warn_unused_result))
#define SQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum sq_err {
    SQ_OK = 0,
    SQ_ERR_NOMEM = -1,       /* no memory, or a table at its stated maximum */
    SQ_ERR_INVALID = -2,     /* an argument or a setting that makes no sense */
    SQ_ERR_FORMAT = -3,      /* bytes that do not follow their format */
    SQ_ERR_TRUNCATED = -4,   /* bytes that end too early */
    SQ_ERR_NOSPACE = -5,     /* the output buffer is too small */
    SQ_ERR_AUTH = -6,        /* integrity check, tag, fingerprint or certificate is wrong */
    SQ_ERR_REPLAY = -7,      /* a packet that was already seen, or is too old to tell */
    SQ_ERR_STATE = -8,       /* not allowed in the present state */
    SQ_ERR_UNSUPPORTED = -9, /* correct, but not something Squall does */
    SQ_ERR_NOTFOUND = -10,
    SQ_ERR_AGAIN = -11,   /* would block */
    SQ_ERR_CLOSED = -12,  /* the other side closed */
    SQ_ERR_TIMEOUT = -13, /* no answer in time */
    SQ_ERR_IO = -14,      /* a system call failed; errno tells why */
    SQ_ERR_CRYPTO = -15,  /* a cryptographic library failed */
    SQ_ERR_REFUSED = -16, /* the other side said no */
    SQ_ERR_DNS = -17,
    SQ_ERR_TLS = -18,
};

/* A short English name of the code ("no memory"); never NULL, static storage. */
const char *sq_err_name(int err);

#endif

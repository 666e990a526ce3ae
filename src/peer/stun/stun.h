/* STUN messages (RFC 8489): a reader that copies nothing, a writer, integrity and fingerprint.
 * No transactions here: those belong to whoever sends (ICE, TURN). Nothing in this header allocates
 * or keeps state. Numbers of attributes: IANA "STUN Attributes" (RFC 8489, 8656, 8445, 6062). */
#ifndef SQ_PEER_STUN_STUN_H
#define SQ_PEER_STUN_STUN_H

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"
#include "base/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_STUN_COOKIE       0x2112A442u /* RFC 8489, section 5 */
#define SQ_STUN_HEADER_BYTES 20
#define SQ_STUN_TID_BYTES    12
#define SQ_STUN_PORT         3478
#define SQ_STUN_UNKNOWN_MAX  16  /* types listed in one UNKNOWN-ATTRIBUTES */
#define SQ_STUN_MESSAGE_MAX  548 /* what fits IPv4 without knowing the MTU, section 6.1 */

enum sq_stun_class {
    SQ_STUN_REQUEST = 0,
    SQ_STUN_INDICATION = 1,
    SQ_STUN_SUCCESS = 2,
    SQ_STUN_ERROR = 3,
};

enum sq_stun_method {
    SQ_STUN_BINDING = 0x001,
    SQ_STUN_ALLOCATE = 0x003, /* RFC 8656 from here */
    SQ_STUN_REFRESH = 0x004,
    SQ_STUN_SEND = 0x006,
    SQ_STUN_DATA = 0x007,
    SQ_STUN_CREATE_PERMISSION = 0x008,
    SQ_STUN_CHANNEL_BIND = 0x009,
};

enum sq_stun_attr_type {
    SQ_STUN_MAPPED_ADDRESS = 0x0001,
    SQ_STUN_USERNAME = 0x0006,
    SQ_STUN_MESSAGE_INTEGRITY = 0x0008,
    SQ_STUN_ERROR_CODE = 0x0009,
    SQ_STUN_UNKNOWN_ATTRIBUTES = 0x000A,
    SQ_STUN_CHANNEL_NUMBER = 0x000C,   /* TURN */
    SQ_STUN_LIFETIME = 0x000D,         /* TURN */
    SQ_STUN_XOR_PEER_ADDRESS = 0x0012, /* TURN */
    SQ_STUN_DATA_ATTR = 0x0013,        /* TURN */
    SQ_STUN_REALM = 0x0014,
    SQ_STUN_NONCE = 0x0015,
    SQ_STUN_XOR_RELAYED_ADDRESS = 0x0016,      /* TURN */
    SQ_STUN_REQUESTED_ADDRESS_FAMILY = 0x0017, /* TURN */
    SQ_STUN_EVEN_PORT = 0x0018,                /* TURN */
    SQ_STUN_REQUESTED_TRANSPORT = 0x0019,      /* TURN */
    SQ_STUN_DONT_FRAGMENT = 0x001A,            /* TURN */
    SQ_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001C,
    SQ_STUN_PASSWORD_ALGORITHM = 0x001D,
    SQ_STUN_USERHASH = 0x001E,
    SQ_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    SQ_STUN_RESERVATION_TOKEN = 0x0022, /* TURN */
    SQ_STUN_PRIORITY = 0x0024,          /* RFC 8445 */
    SQ_STUN_USE_CANDIDATE = 0x0025,     /* RFC 8445 */
    SQ_STUN_PASSWORD_ALGORITHMS = 0x8002,
    SQ_STUN_ALTERNATE_DOMAIN = 0x8003,
    SQ_STUN_SOFTWARE = 0x8022,
    SQ_STUN_ALTERNATE_SERVER = 0x8023,
    SQ_STUN_FINGERPRINT = 0x8028,
    SQ_STUN_ICE_CONTROLLED = 0x8029,  /* RFC 8445 */
    SQ_STUN_ICE_CONTROLLING = 0x802A, /* RFC 8445 */
};

/* Whether a datagram is STUN among STUN, DTLS, TURN channels and RTP (RFC 7983, section 7, and the
 * cookie of RFC 8489): a look at its first 8 bytes. */
bool sq_stun_is_message(const void *buf, size_t len);

/* ---- Reading ---- */

/* A message over borrowed bytes, which must outlive it. */
struct sq_stun_msg {
    const uint8_t *buf;
    size_t len;
    enum sq_stun_class cls;
    uint16_t method;
    const uint8_t *tid; /* SQ_STUN_TID_BYTES */
    /* Offsets in buf of these attributes' headers, 0 where there is none. */
    size_t integrity_at;
    size_t integrity256_at;
    size_t fingerprint_at;
    size_t attrs_end; /* what stands behind the integrity is ignored (section 14.5) */
};

struct sq_stun_attr {
    uint16_t type;
    uint16_t len;
    const uint8_t *value;
};

/* Checks the header and the bounds of all attributes. SQ_ERR_FORMAT, SQ_ERR_TRUNCATED. Says nothing
 * about integrity or fingerprint. */
int sq_stun_parse(const void *buf, size_t len, struct sq_stun_msg *ret_msg) SQ_MUST_USE;

/* The next attribute from offset *pos on (start with 0); false at the end. Attributes behind the
 * integrity are not shown. */
bool sq_stun_next(const struct sq_stun_msg *m, size_t *pos, struct sq_stun_attr *ret_attr);
/* The first attribute of a type. */
bool sq_stun_find(const struct sq_stun_msg *m, uint16_t type, struct sq_stun_attr *ret_attr);
static inline bool sq_stun_has(const struct sq_stun_msg *m, uint16_t type)
{
    struct sq_stun_attr a;
    return sq_stun_find(m, type, &a);
}

/* Each: SQ_ERR_NOTFOUND, or SQ_ERR_FORMAT when the attribute's length or content is wrong. */
int sq_stun_get_u32(const struct sq_stun_msg *m, uint16_t type, uint32_t *ret_n) SQ_MUST_USE;
int sq_stun_get_u64(const struct sq_stun_msg *m, uint16_t type, uint64_t *ret_n) SQ_MUST_USE;
/* A view of the message's own bytes: USERNAME, REALM, NONCE, SOFTWARE, DATA. */
int sq_stun_get_text(const struct sq_stun_msg *m, uint16_t type,
                     struct sq_view *ret_text) SQ_MUST_USE;
/* MAPPED-ADDRESS, ALTERNATE-SERVER. */
int sq_stun_get_addr(const struct sq_stun_msg *m, uint16_t type,
                     struct sq_addr *ret_addr) SQ_MUST_USE;
/* XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS. */
int sq_stun_get_xor_addr(const struct sq_stun_msg *m, uint16_t type,
                         struct sq_addr *ret_addr) SQ_MUST_USE;
/* The code (300 to 699) and, where `ret_reason` is not NULL, its text. */
int sq_stun_get_error(const struct sq_stun_msg *m, int *ret_code,
                      struct sq_view *ret_reason) SQ_MUST_USE;
/* Fills `out` with the comprehension-required types (below 0x8000) that are not among `known`;
 * returns how many (at most `max`). */
size_t sq_stun_unknown(const struct sq_stun_msg *m, const uint16_t *known, size_t n_known,
                       uint16_t *out, size_t max);

/* ---- Integrity ---- */

/* A password made ready: the states of HMAC-SHA1 and HMAC-SHA256 behind their first blocks
 * (RFC 2104, section 4), so that a message costs only its own bytes. Plain data, may be copied. */
struct sq_stun_key {
    uint32_t sha1_inner[5], sha1_outer[5];
    uint32_t sha256_inner[8], sha256_outer[8];
};

/* Short-term credential (section 9.1.1): the password itself; also any other key given as bytes. */
void sq_stun_key_init(struct sq_stun_key *key, const void *secret, size_t len);
/* Long-term credential (section 9.2.2): MD5 or, with `sha256`, SHA-256 of user:realm:password.
 * Texts are taken as they are (OpaqueString preparation is the caller's). SQ_ERR_CRYPTO. */
int sq_stun_key_long_term(const char *user, const char *realm, const char *password, bool sha256,
                          struct sq_stun_key *ret_key) SQ_MUST_USE;
/* USERHASH (section 14.4): SHA-256 of user:realm. */
int sq_stun_userhash(const char *user, const char *realm, uint8_t ret_hash[static 32]) SQ_MUST_USE;

/* Checks MESSAGE-INTEGRITY-SHA256 where there is one, MESSAGE-INTEGRITY otherwise. 0;
 * SQ_ERR_NOTFOUND when there is neither; SQ_ERR_AUTH when it is wrong. Constant time. */
int sq_stun_check_integrity(const struct sq_stun_msg *m, const struct sq_stun_key *key) SQ_MUST_USE;
/* 0, SQ_ERR_NOTFOUND, or SQ_ERR_FORMAT when it is wrong. */
int sq_stun_check_fingerprint(const struct sq_stun_msg *m) SQ_MUST_USE;

/* ---- Writing ---- */

/* Errors are sticky, as those of sq_wire: sq_stun_end tells. */
struct sq_stun_writer {
    struct sq_wire w;
};

/* `tid`: SQ_STUN_TID_BYTES, copied. `buf` is borrowed until sq_stun_end. */
struct sq_stun_writer sq_stun_begin(void *buf, size_t room, enum sq_stun_class cls, uint16_t method,
                                    const uint8_t *tid);
void sq_stun_put(struct sq_stun_writer *s, uint16_t type, const void *value, size_t len);
void sq_stun_put_text(struct sq_stun_writer *s, uint16_t type, const char *text);
void sq_stun_put_u32(struct sq_stun_writer *s, uint16_t type, uint32_t n);
void sq_stun_put_u64(struct sq_stun_writer *s, uint16_t type, uint64_t n);
void sq_stun_put_addr(struct sq_stun_writer *s, uint16_t type, const struct sq_addr *a);
void sq_stun_put_xor_addr(struct sq_stun_writer *s, uint16_t type, const struct sq_addr *a);
/* `code` 300 to 699; `reason` NULL: the usual phrase of that code. */
void sq_stun_put_error(struct sq_stun_writer *s, int code, const char *reason);
void sq_stun_put_unknown(struct sq_stun_writer *s, const uint16_t *types, size_t n);
/* In this order, behind everything else. */
void sq_stun_put_integrity(struct sq_stun_writer *s, const struct sq_stun_key *key);
void sq_stun_put_integrity_sha256(struct sq_stun_writer *s, const struct sq_stun_key *key);
void sq_stun_put_fingerprint(struct sq_stun_writer *s);
/* SQ_ERR_NOSPACE when the message did not fit; SQ_ERR_INVALID for a value that cannot be written.
 */
int sq_stun_end(struct sq_stun_writer *s, size_t *ret_len) SQ_MUST_USE;

#endif

/* A look at datagrams before OpenSSL gets them. */
#include "base/wire.h"
#include "peer/dtls/dtls_int.h"

#define VERSION_MAJOR      0xfe /* DTLS versions are ones' complements: 0xfeff, 0xfefd */
#define MESSAGE_MAX_BYTES  (1u << 16)
#define HANDSHAKE_TYPE_MAX 24
/* Of AES-GCM, the only ciphers offered: RFC 5288. */
#define GCM_OVERHEAD_BYTES (RECORD_NONCE_BYTES + RECORD_TAG_BYTES)

/* RFC 6347, section 4.2.2: fragments of unencrypted handshake messages fill their record. */
static bool fragments_plausible(struct sq_wire *w)
{
    while (sq_wire_left(w) > 0) {
        uint8_t type = sq_wire_u8(w);
        uint32_t length = sq_wire_u24(w);
        sq_wire_skip(w, 2);
        uint32_t offset = sq_wire_u24(w);
        uint32_t part = sq_wire_u24(w);
        sq_wire_skip(w, part);
        if (w->err || type > HANDSHAKE_TYPE_MAX || length > MESSAGE_MAX_BYTES ||
            (uint64_t)offset + part > length) {
            return false;
        }
    }
    return true;
}

static bool record_plausible(struct sq_wire *w)
{
    uint8_t type = sq_wire_u8(w);
    uint8_t major = sq_wire_u8(w);
    sq_wire_skip(w, 1);
    uint16_t epoch = sq_wire_u16(w);
    sq_wire_skip(w, 6);
    uint16_t len = sq_wire_u16(w);
    const uint8_t *body = sq_wire_read(w, len);
    if (w->err || type < CONTENT_CCS || type > CONTENT_DATA || major != VERSION_MAJOR || len == 0) {
        return false;
    }
    if (epoch > 0) {
        /* Encrypted: OpenSSL drops what is not authentic, but (seen up to 3.0.20) it ends the
         * connection over a record that is too short to be (RFC 6347, section 4.1.2.7: drop). */
        return len >= GCM_OVERHEAD_BYTES;
    }
    struct sq_wire inner = sq_wire_reader(body, len);
    switch (type) {
    case CONTENT_HANDSHAKE:
        return fragments_plausible(&inner);
    case CONTENT_CCS:
        return len == 1 && body[0] == 1;
    case CONTENT_ALERT:
        return len == 2 && (body[0] == SSL3_AL_WARNING || body[0] == SSL3_AL_FATAL);
    default:
        return false; /* data is never in clear */
    }
}

bool sq_dtls_plausible(const uint8_t *bytes, size_t len)
{
    struct sq_wire w = sq_wire_reader(bytes, len);
    while (sq_wire_left(&w) > 0) {
        if (!record_plausible(&w)) {
            return false;
        }
    }
    return len > 0;
}

static bool is_later(const uint8_t *record)
{
    bool is_clear = sq_load_u16(record + 3) == 0;
    return record[0] == CONTENT_DATA || (record[0] == CONTENT_ALERT && !is_clear);
}

size_t sq_dtls_handshake_bytes(const uint8_t *bytes, size_t len)
{
    struct sq_wire w = sq_wire_reader(bytes, len);
    size_t before = 0;
    while (sq_wire_left(&w) > 0 && !is_later(bytes + before)) {
        sq_wire_skip(&w, RECORD_HEADER_BYTES - 2);
        sq_wire_skip(&w, sq_wire_u16(&w));
        before = w.pos;
    }
    return before;
}

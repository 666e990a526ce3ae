/* RTP packets: demultiplexing, parsing, header extensions and header writing.
 * RFC 3550 section 5 (header), RFC 8285 (extensions), RFC 7983 and RFC 5761 (demultiplexing).
 * Nothing here allocates; a parsed packet is a view into the bytes it was parsed from. */
#ifndef SQ_PEER_RTP_RTP_H
#define SQ_PEER_RTP_RTP_H

#include "base/err.h"
#include "base/str.h"
#include "base/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SQ_RTP_FIXED_BYTES    12     /* RFC 3550, section 5.1 */
#define SQ_RTP_TEMPLATE_BYTES 128    /* the longest header a template holds */
#define SQ_RTP_ONE_BYTE       0xbede /* "defined by profile" of the one-byte form, RFC 8285, 4.2 */
#define SQ_RTP_TWO_BYTE       0x1000 /* of the two-byte form, section 4.3; the low 4 bits are free */

enum sq_rtp_kind { SQ_RTP_AUDIO, SQ_RTP_VIDEO };

enum sq_packet_kind {
    SQ_PACKET_UNKNOWN, /* too short, ZRTP, QUIC and other ranges */
    SQ_PACKET_STUN,
    SQ_PACKET_DTLS,
    SQ_PACKET_TURN_CHANNEL,
    SQ_PACKET_RTP, /* or SRTP */
    SQ_PACKET_RTCP /* or SRTCP */
};

/* What a datagram is, by its first two bytes: RFC 7983 section 7 and RFC 5761 section 4 (packet
 * types 192 to 223 are RTCP). Looks at nothing else, so it says little about well-formedness. */
enum sq_packet_kind sq_packet_kind(const void *buf, size_t len);

/* Of a datagram that sq_packet_kind calls RTP: fields at fixed places, also of a protected packet.
 */
static inline uint32_t sq_rtp_peek_ssrc(const uint8_t *buf)
{
    return sq_load_u32(buf + 8);
}

static inline uint16_t sq_rtp_peek_seq(const uint8_t *buf)
{
    return sq_load_u16(buf + 2);
}

static inline uint8_t sq_rtp_peek_pt(const uint8_t *buf)
{
    return buf[1] & 0x7f;
}

/* A parsed packet. The pointers lie in the buffer that was parsed. header_bytes + payload_bytes +
 * padding_bytes is the length of the packet. */
struct sq_rtp_packet {
    const uint8_t *data;
    const uint8_t *payload;
    const uint8_t *csrc; /* 4 bytes each; NULL without any */
    const uint8_t *ext;  /* the elements, without the 4-byte extension header; NULL without any */
    uint16_t ext_bytes;
    uint16_t ext_profile; /* 16 bits "defined by profile"; 0 without an extension */
    uint16_t header_bytes;
    uint16_t payload_bytes;
    uint16_t seq;
    uint8_t padding_bytes;
    uint8_t csrc_count;
    uint8_t pt;
    bool marker;
    uint32_t ts;
    uint32_t ssrc;
};

/* Parses plain RTP (after SRTP). SQ_ERR_FORMAT for another version or padding that can't be,
 * SQ_ERR_TRUNCATED for lengths that pass the end; also for more than 65,535 bytes SQ_ERR_FORMAT. */
int sq_rtp_parse(const void *buf, size_t len, struct sq_rtp_packet *ret_pkt) SQ_MUST_USE;

/* Header extensions (RFC 8285). */
enum sq_rtp_ext {
    SQ_RTP_EXT_MID,           /* RFC 9143 */
    SQ_RTP_EXT_RID,           /* RFC 8852, RtpStreamId */
    SQ_RTP_EXT_REPAIRED_RID,  /* RFC 8852, RepairedRtpStreamId */
    SQ_RTP_EXT_ABS_SEND_TIME, /* 24 bits of seconds, 6.18 fixed point */
    SQ_RTP_EXT_TRANSPORT_CC,  /* draft-holmer-rmcat-transport-wide-cc-extensions-01 */
    SQ_RTP_EXT_AUDIO_LEVEL,   /* RFC 6464 */
    SQ_RTP_EXT_TOFFSET,       /* RFC 5450 */
    SQ_RTP_EXT_ORIENTATION,   /* 3GPP TS 26.114 */
    SQ_RTP_EXT_PLAYOUT_DELAY,
    SQ_RTP_EXT_ABS_CAPTURE_TIME,
    SQ_RTP_EXT_DEPENDENCY, /* AV1 RTP dependency descriptor */
    SQ_RTP_EXT_KINDS
};

/* The ids negotiated by SDP (a=extmap), by kind: 1 to 255 (15 is not usable, RFC 8285), 0 = not
 * negotiated. Zero-initialise it. */
struct sq_rtp_ext_ids {
    uint8_t id[SQ_RTP_EXT_KINDS];
};

/* The URI of a=extmap; static storage. */
const char *sq_rtp_ext_uri(enum sq_rtp_ext kind);
/* The kind of a URI; SQ_ERR_NOTFOUND for one that Squall does not know. */
int sq_rtp_ext_of_uri(struct sq_view uri, enum sq_rtp_ext *ret_kind) SQ_MUST_USE;

/* The first element with that id; SQ_ERR_NOTFOUND without one, or for an extension of neither
 * form. The bytes lie in the packet. */
int sq_rtp_ext_find(const struct sq_rtp_packet *pkt, uint8_t id,
                    struct sq_view *ret_bytes) SQ_MUST_USE;

/* The extensions that Squall reads, taken in one walk. */
struct sq_rtp_exts {
    uint32_t present;       /* bits 1u << enum sq_rtp_ext */
    uint32_t abs_send_time; /* 6.18 fixed point, 24 bits */
    uint16_t transport_seq;
    uint8_t audio_level; /* -dBov, 0 (loudest) to 127 (silence) */
    bool voice;
    struct sq_view mid; /* views into the packet */
    struct sq_view rid;
    struct sq_view repaired_rid;
    struct sq_view dependency; /* dependency descriptor */
};

static inline bool sq_rtp_has(const struct sq_rtp_exts *e, enum sq_rtp_ext kind)
{
    return (e->present >> kind & 1u) != 0;
}

/* Never fails: an element of a wrong length is left out, a walk ends where the bytes make no sense.
 */
void sq_rtp_exts_read(const struct sq_rtp_packet *pkt, const struct sq_rtp_ext_ids *ids,
                      struct sq_rtp_exts *ret_exts);

/* Time of any clock in ns as abs-send-time: (ns in seconds * 2^18) mod 2^24. */
static inline uint32_t sq_rtp_abs_send_time(uint64_t ns)
{
    uint64_t in_64s = ns % 64000000000ULL;
    return (uint32_t)((in_64s << 18) / 1000000000ULL) & 0xffffffu;
}

/* Time between two abs-send-time values in ns, the shorter way round (within +-32 s). */
int64_t sq_rtp_abs_send_time_diff_ns(uint32_t later, uint32_t earlier);

/* Writing. */
struct sq_rtp_header {
    uint8_t pt;
    bool marker;
    bool padding; /* sets P; the caller writes the padding */
    uint16_t seq;
    uint32_t ts;
    uint32_t ssrc;
};

struct sq_rtp_ext_item {
    uint8_t id;          /* 1 to 255 but 15 */
    uint8_t len;         /* bytes, 0 to 255 */
    const uint8_t *data; /* borrowed */
};

/* Writes the fixed header and, where n > 0, the extension: in the one-byte form unless an id above
 * 14 or a length of 0 or above 16 asks for the two-byte form. Items with id 0 are left out. Errors
 * are sticky in w: SQ_ERR_NOSPACE, SQ_ERR_INVALID for id 15. */
void sq_rtp_put_header(struct sq_wire *w, const struct sq_rtp_header *h,
                       const struct sq_rtp_ext_item *items, size_t n);

/* A prepared header: only what changes is stored for a packet. Plain data of about 140 bytes. */
struct sq_rtp_template {
    uint8_t bytes[SQ_RTP_TEMPLATE_BYTES];
    uint8_t len;              /* bytes of the header; a multiple of 4 */
    uint8_t abs_send_time_at; /* place of the value in the header; 0 = not there */
    uint8_t transport_cc_at;
    uint8_t audio_level_at;
};

struct sq_rtp_template_opts {
    uint8_t pt;
    uint32_t ssrc;
    struct sq_view mid; /* each left out where empty or not negotiated */
    struct sq_view rid;
    struct sq_view repaired_rid;
    bool abs_send_time;
    bool transport_cc;
    bool audio_level;
};

/* SQ_ERR_NOSPACE if the header would be longer than SQ_RTP_TEMPLATE_BYTES; SQ_ERR_INVALID for a pt
 * above 127 or id 15. */
int sq_rtp_template_init(struct sq_rtp_template *t, const struct sq_rtp_template_opts *o,
                         const struct sq_rtp_ext_ids *ids) SQ_MUST_USE;

struct sq_rtp_stamp {
    uint32_t ts;
    uint32_t abs_send_time; /* sq_rtp_abs_send_time(now) */
    uint16_t seq;
    uint16_t transport_seq;
    uint8_t audio_level; /* as on the wire: V bit << 7 | -dBov */
    bool marker;
};

/* Stores the values that change as a packet leaves; `out` is a header written from t. */
static inline void sq_rtp_template_stamp_send(const struct sq_rtp_template *t, uint8_t *out,
                                              uint32_t abs_send_time, uint16_t transport_seq)
{
    if (t->abs_send_time_at) {
        sq_store_u24(out + t->abs_send_time_at, abs_send_time);
    }
    if (t->transport_cc_at) {
        sq_store_u16(out + t->transport_cc_at, transport_seq);
    }
}

/* Writes the header to `out`, which has room for SQ_RTP_TEMPLATE_BYTES (whole blocks of 32 bytes
 * are copied, so up to 31 bytes behind the header are overwritten). Returns its length. */
static inline size_t sq_rtp_template_write(const struct sq_rtp_template *t, uint8_t *out,
                                           const struct sq_rtp_stamp *s)
{
    memcpy(out, t->bytes, 32);
    for (size_t at = 32; at < t->len; at += 32) {
        memcpy(out + at, t->bytes + at, 32);
    }
    out[1] = (uint8_t)(out[1] | (s->marker ? 0x80 : 0));
    sq_store_u16(out + 2, s->seq);
    sq_store_u32(out + 4, s->ts);
    sq_rtp_template_stamp_send(t, out, s->abs_send_time, s->transport_seq);
    if (t->audio_level_at) {
        out[t->audio_level_at] = s->audio_level;
    }
    return t->len;
}

#define SQ_RTP_EXTEND_BYTES 32 /* by how much a header may grow beside the element itself */

/* Puts one more element into a header that a template wrote to `buf` (len bytes), as a dependency
 * descriptor differs from packet to packet. In the two-byte form, to which the others are changed,
 * where the one-byte form cannot hold it (RFC 8285, section 4.3). There is room for n +
 * SQ_RTP_EXTEND_BYTES more. Returns the new length; `len` where id or n make no sense. */
size_t sq_rtp_header_extend(uint8_t *buf, size_t len, uint8_t id, const uint8_t *data, size_t n);

#endif

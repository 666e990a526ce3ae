#include "peer/rtp/rtp.h"

enum sq_packet_kind sq_packet_kind(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    if (len < 4) {
        return SQ_PACKET_UNKNOWN;
    }
    /* RFC 7983, section 7 */
    if (p[0] < 4) {
        return SQ_PACKET_STUN;
    }
    if (p[0] >= 20 && p[0] < 64) {
        return SQ_PACKET_DTLS;
    }
    if (p[0] >= 64 && p[0] < 80) {
        return SQ_PACKET_TURN_CHANNEL;
    }
    if (p[0] < 128 || p[0] > 191) {
        return SQ_PACKET_UNKNOWN;
    }
    if (p[1] >= 192 && p[1] <= 223) { /* RFC 5761, section 4 */
        return len >= 8 ? SQ_PACKET_RTCP : SQ_PACKET_UNKNOWN;
    }
    return len >= SQ_RTP_FIXED_BYTES ? SQ_PACKET_RTP : SQ_PACKET_UNKNOWN;
}

int sq_rtp_parse(const void *buf, size_t len, struct sq_rtp_packet *ret_pkt)
{
    const uint8_t *p = buf;
    if (len < SQ_RTP_FIXED_BYTES) {
        return SQ_ERR_TRUNCATED;
    }
    if (p[0] >> 6 != 2 || len > UINT16_MAX) {
        return SQ_ERR_FORMAT;
    }
    struct sq_rtp_packet pkt = {
        .data = p,
        .marker = p[1] >> 7,
        .pt = p[1] & 0x7f,
        .seq = sq_load_u16(p + 2),
        .ts = sq_load_u32(p + 4),
        .ssrc = sq_load_u32(p + 8),
        .csrc_count = p[0] & 0x0f,
    };
    size_t at = SQ_RTP_FIXED_BYTES;
    if (pkt.csrc_count) {
        pkt.csrc = p + at;
        at += 4 * (size_t)pkt.csrc_count;
    }
    if (p[0] & 0x10) {
        if (len < at + 4) {
            return SQ_ERR_TRUNCATED;
        }
        size_t ext_bytes = 4 * (size_t)sq_load_u16(p + at + 2);
        pkt.ext_profile = sq_load_u16(p + at);
        at += 4;
        pkt.ext = p + at;
        if (ext_bytes > len - at) {
            return SQ_ERR_TRUNCATED;
        }
        pkt.ext_bytes = (uint16_t)ext_bytes;
        at += ext_bytes;
    }
    if (at > len) {
        return SQ_ERR_TRUNCATED;
    }
    if (p[0] & 0x20) {
        /* The last byte counts the padding, itself included: RFC 3550, section 5.1. */
        pkt.padding_bytes = p[len - 1];
        if (pkt.padding_bytes == 0 || pkt.padding_bytes > len - at) {
            return SQ_ERR_FORMAT;
        }
    }
    pkt.payload = p + at;
    pkt.header_bytes = (uint16_t)at;
    pkt.payload_bytes = (uint16_t)(len - at - pkt.padding_bytes);
    *ret_pkt = pkt;
    return 0;
}

static const char *const ext_uris[SQ_RTP_EXT_KINDS] = {
    [SQ_RTP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [SQ_RTP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [SQ_RTP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [SQ_RTP_EXT_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    [SQ_RTP_EXT_TRANSPORT_CC] =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [SQ_RTP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [SQ_RTP_EXT_TOFFSET] = "urn:ietf:params:rtp-hdrext:toffset",
    [SQ_RTP_EXT_ORIENTATION] = "urn:3gpp:video-orientation",
    [SQ_RTP_EXT_PLAYOUT_DELAY] = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    [SQ_RTP_EXT_ABS_CAPTURE_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    [SQ_RTP_EXT_DEPENDENCY] =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
};

const char *sq_rtp_ext_uri(enum sq_rtp_ext kind)
{
    return (unsigned)kind < SQ_RTP_EXT_KINDS ? ext_uris[kind] : "";
}

int sq_rtp_ext_of_uri(struct sq_view uri, enum sq_rtp_ext *ret_kind)
{
    for (unsigned i = 0; i < SQ_RTP_EXT_KINDS; i++) {
        if (sq_view_is(uri, ext_uris[i])) {
            *ret_kind = (enum sq_rtp_ext)i;
            return 0;
        }
    }
    return SQ_ERR_NOTFOUND;
}

/* One element of either form. */
struct element {
    uint8_t id;
    uint8_t len;
    const uint8_t *data;
};

/* The next element at *pos, past padding; false at the end, or where the bytes make no sense. */
static bool next_element(const struct sq_rtp_packet *pkt, size_t *pos, struct element *ret)
{
    const uint8_t *ext = pkt->ext;
    bool one_byte = pkt->ext_profile == SQ_RTP_ONE_BYTE;
    size_t at = *pos;
    size_t end = pkt->ext_bytes;
    while (at < end && ext[at] == 0) { /* padding, RFC 8285 section 4.1.2 */
        at++;
    }
    if (at >= end) {
        return false;
    }
    if (one_byte) {
        ret->id = ext[at] >> 4;
        ret->len = (ext[at] & 0x0f) + 1;
        at += 1;
        if (ret->id == 15) { /* ends the walk, section 4.2 */
            return false;
        }
    } else {
        if (end - at < 2) {
            return false;
        }
        ret->id = ext[at];
        ret->len = ext[at + 1];
        at += 2;
    }
    if (ret->len > end - at) {
        return false;
    }
    ret->data = ext + at;
    *pos = at + ret->len;
    return true;
}

static bool known_form(const struct sq_rtp_packet *pkt)
{
    return pkt->ext_profile == SQ_RTP_ONE_BYTE || (pkt->ext_profile & 0xfff0) == SQ_RTP_TWO_BYTE;
}

int sq_rtp_ext_find(const struct sq_rtp_packet *pkt, uint8_t id, struct sq_view *ret_bytes)
{
    struct element e;
    size_t pos = 0;
    if (!known_form(pkt) || id == 0) {
        return SQ_ERR_NOTFOUND;
    }
    while (next_element(pkt, &pos, &e)) {
        if (e.id == id) {
            *ret_bytes = (struct sq_view){.at = (const char *)e.data, .len = e.len};
            return 0;
        }
    }
    return SQ_ERR_NOTFOUND;
}

static void take_text(const struct element *e, enum sq_rtp_ext kind, struct sq_rtp_exts *x,
                      struct sq_view *out)
{
    /* A one-byte element can't be empty, so a sender may end a text with NULs. */
    size_t len = e->len;
    while (len > 0 && e->data[len - 1] == 0) {
        len--;
    }
    if (len > 0) {
        *out = (struct sq_view){.at = (const char *)e->data, .len = len};
        x->present |= 1u << kind;
    }
}

static void take_element(const struct element *e, enum sq_rtp_ext kind, struct sq_rtp_exts *x)
{
    switch (kind) {
    case SQ_RTP_EXT_MID:
        take_text(e, kind, x, &x->mid);
        break;
    case SQ_RTP_EXT_RID:
        take_text(e, kind, x, &x->rid);
        break;
    case SQ_RTP_EXT_DEPENDENCY:
        x->dependency = (struct sq_view){.at = (const char *)e->data, .len = e->len};
        x->present |= 1u << kind;
        break;
    case SQ_RTP_EXT_REPAIRED_RID:
        take_text(e, kind, x, &x->repaired_rid);
        break;
    case SQ_RTP_EXT_ABS_SEND_TIME:
        if (e->len == 3) {
            x->abs_send_time = sq_load_u24(e->data);
            x->present |= 1u << kind;
        }
        break;
    case SQ_RTP_EXT_TRANSPORT_CC:
        if (e->len == 2) {
            x->transport_seq = sq_load_u16(e->data);
            x->present |= 1u << kind;
        }
        break;
    case SQ_RTP_EXT_AUDIO_LEVEL:
        if (e->len >= 1) { /* RFC 6464, section 3 */
            x->voice = e->data[0] >> 7;
            x->audio_level = e->data[0] & 0x7f;
            x->present |= 1u << kind;
        }
        break;
    default: /* known by id only: sq_rtp_ext_find gives the bytes */
        x->present |= 1u << kind;
        break;
    }
}

void sq_rtp_exts_read(const struct sq_rtp_packet *pkt, const struct sq_rtp_ext_ids *ids,
                      struct sq_rtp_exts *ret_exts)
{
    struct element e;
    size_t pos = 0;
    memset(ret_exts, 0, sizeof(*ret_exts));
    if (!known_form(pkt)) {
        return;
    }
    while (next_element(pkt, &pos, &e)) {
        for (unsigned kind = 0; kind < SQ_RTP_EXT_KINDS; kind++) {
            if (ids->id[kind] == e.id && e.id != 0) {
                take_element(&e, (enum sq_rtp_ext)kind, ret_exts);
                break;
            }
        }
    }
}

int64_t sq_rtp_abs_send_time_diff_ns(uint32_t later, uint32_t earlier)
{
    uint32_t diff = (later - earlier) & 0xffffffu;
    int64_t steps = diff < 0x800000u ? (int64_t)diff : (int64_t)diff - 0x1000000;
    return steps * 1000000000LL / (1 << 18);
}

void sq_rtp_put_header(struct sq_wire *w, const struct sq_rtp_header *h,
                       const struct sq_rtp_ext_item *items, size_t n)
{
    bool two_byte = false;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].id == 15) { /* RFC 8285: not to be used in either form */
            w->err = w->err ? w->err : SQ_ERR_INVALID;
            return;
        }
        if (items[i].id) {
            two_byte = two_byte || items[i].id > 14 || items[i].len == 0 || items[i].len > 16;
            used++;
        }
    }
    sq_wire_put_u8(w, (uint8_t)(0x80 | (h->padding ? 0x20 : 0) | (used ? 0x10 : 0)));
    sq_wire_put_u8(w, (uint8_t)((h->marker ? 0x80 : 0) | (h->pt & 0x7f)));
    sq_wire_put_u16(w, h->seq);
    sq_wire_put_u32(w, h->ts);
    sq_wire_put_u32(w, h->ssrc);
    if (!used) {
        return;
    }
    sq_wire_put_u16(w, two_byte ? SQ_RTP_TWO_BYTE : SQ_RTP_ONE_BYTE);
    uint8_t *words = sq_wire_claim(w, 2, SQ_ERR_NOSPACE);
    size_t start = w->pos;
    for (size_t i = 0; i < n; i++) {
        if (!items[i].id) {
            continue;
        }
        if (two_byte) {
            sq_wire_put_u8(w, items[i].id);
            sq_wire_put_u8(w, items[i].len);
        } else {
            sq_wire_put_u8(w, (uint8_t)(items[i].id << 4 | (items[i].len - 1)));
        }
        sq_wire_put(w, items[i].data, items[i].len);
    }
    while (!w->err && (w->pos - start) % 4 != 0) {
        sq_wire_put_u8(w, 0);
    }
    if (!w->err) {
        sq_store_u16(words, (uint16_t)((w->pos - start) / 4));
    }
}

/* Appends an item where it is negotiated and wanted. */
static void add_item(struct sq_rtp_ext_item *items, size_t *n, uint8_t id, const void *data,
                     size_t len)
{
    if (id != 0 && len != 0) {
        items[(*n)++] = (struct sq_rtp_ext_item){.id = id, .len = (uint8_t)len, .data = data};
    }
}

/* Where the value of `id` lies in the header; 0 if it does not. */
static uint8_t place_of(const struct sq_rtp_packet *pkt, uint8_t id)
{
    struct sq_view v;
    if (id == 0 || sq_rtp_ext_find(pkt, id, &v) != 0) {
        return 0;
    }
    return (uint8_t)((const uint8_t *)v.at - pkt->data);
}

int sq_rtp_template_init(struct sq_rtp_template *t, const struct sq_rtp_template_opts *o,
                         const struct sq_rtp_ext_ids *ids)
{
    static const uint8_t zeros[3] = {0};
    struct sq_rtp_ext_item items[SQ_RTP_EXT_KINDS];
    size_t n = 0;
    if (o->pt > 127) {
        return SQ_ERR_INVALID;
    }
    if (o->mid.len > UINT8_MAX || o->rid.len > UINT8_MAX || o->repaired_rid.len > UINT8_MAX) {
        return SQ_ERR_NOSPACE;
    }
    uint8_t time_id = o->abs_send_time ? ids->id[SQ_RTP_EXT_ABS_SEND_TIME] : 0;
    uint8_t cc_id = o->transport_cc ? ids->id[SQ_RTP_EXT_TRANSPORT_CC] : 0;
    uint8_t level_id = o->audio_level ? ids->id[SQ_RTP_EXT_AUDIO_LEVEL] : 0;
    add_item(items, &n, time_id, zeros, 3);
    add_item(items, &n, cc_id, zeros, 2);
    add_item(items, &n, level_id, zeros, 1);
    add_item(items, &n, ids->id[SQ_RTP_EXT_MID], o->mid.at, o->mid.len);
    add_item(items, &n, ids->id[SQ_RTP_EXT_RID], o->rid.at, o->rid.len);
    add_item(items, &n, ids->id[SQ_RTP_EXT_REPAIRED_RID], o->repaired_rid.at, o->repaired_rid.len);

    struct sq_rtp_template made = {.len = 0};
    struct sq_wire w = sq_wire_writer(made.bytes, sizeof(made.bytes));
    struct sq_rtp_header h = {.pt = o->pt, .ssrc = o->ssrc};
    sq_rtp_put_header(&w, &h, items, n);
    if (w.err) {
        return w.err;
    }
    made.len = (uint8_t)w.pos;
    struct sq_rtp_packet pkt;
    int err = sq_rtp_parse(made.bytes, made.len, &pkt);
    if (err) {
        return err;
    }
    made.abs_send_time_at = place_of(&pkt, time_id);
    made.transport_cc_at = place_of(&pkt, cc_id);
    made.audio_level_at = place_of(&pkt, level_id);
    *t = made;
    return 0;
}

/* The elements of a one-byte extension in the two-byte form; `out` has room for twice as much.
 * Returns how many bytes that takes. */
static size_t widen(const uint8_t *elements, size_t len, uint8_t *out)
{
    size_t at = 0;
    size_t n = 0;
    while (at < len) {
        size_t data = (size_t)(elements[at] & 0x0f) + 1;
        if (elements[at] == 0) { /* padding */
            at++;
            continue;
        }
        if (at + 1 + data > len) {
            break;
        }
        out[n++] = elements[at] >> 4;
        out[n++] = (uint8_t)data;
        memcpy(out + n, elements + at + 1, data);
        n += data;
        at += 1 + data;
    }
    return n;
}

size_t sq_rtp_header_extend(uint8_t *buf, size_t len, uint8_t id, const uint8_t *data, size_t n)
{
    uint8_t elements[2 * SQ_RTP_TEMPLATE_BYTES];
    bool has = (buf[0] & 0x10) != 0;
    size_t used = 0;
    bool wide = id > 14 || n == 0 || n > 16 || (has && sq_load_u16(buf + 12) != SQ_RTP_ONE_BYTE);
    if (id == 0 || id == 15 || n > UINT8_MAX || len > SQ_RTP_TEMPLATE_BYTES) {
        return len;
    }
    if (has && wide && sq_load_u16(buf + 12) == SQ_RTP_ONE_BYTE) {
        used = widen(buf + 16, len - 16, elements);
        memcpy(buf + 16, elements, used);
    } else if (has) {
        used = len - 16;
    }
    buf[0] |= 0x10;
    sq_store_u16(buf + 12, wide ? SQ_RTP_TWO_BYTE : SQ_RTP_ONE_BYTE);
    uint8_t *at = buf + 16 + used;
    if (wide) {
        *at++ = id;
        *at++ = (uint8_t)n;
    } else {
        *at++ = (uint8_t)(id << 4 | (n - 1));
    }
    memcpy(at, data, n);
    at += n;
    while ((size_t)(at - buf) % 4 != 0) {
        *at++ = 0;
    }
    sq_store_u16(buf + 14, (uint16_t)((size_t)(at - buf - 16) / 4));
    return (size_t)(at - buf);
}

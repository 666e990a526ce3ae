/* Packets and chunks as bytes (RFC 9260, section 3). */
#include "peer/sctp/sctp_int.h"

/* The checksum is the one number of a packet that is little-endian (RFC 9260, appendix A). */
static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void store_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> 8 * i);
    }
}

/* Of the packet with zeros in the checksum's place. */
static uint32_t checksum_of(const uint8_t *bytes, size_t len)
{
    static const uint8_t zeros[4];
    uint32_t crc = sq_crc32c_step(~0U, bytes, 8);
    crc = sq_crc32c_step(crc, zeros, sizeof(zeros));
    return ~sq_crc32c_step(crc, bytes + SCTP_HEADER_BYTES, len - SCTP_HEADER_BYTES);
}

int sctp_packet_open(const uint8_t *bytes, size_t len, bool zero_allowed,
                     struct sctp_packet_in *ret_packet)
{
    if (len < SCTP_HEADER_BYTES + SCTP_CHUNK_BYTES) {
        return SQ_ERR_TRUNCATED;
    }
    uint32_t told = load_le32(bytes + 8);
    /* RFC 9653: 0 stands for none, where that was agreed. */
    if ((told != 0 || !zero_allowed) && checksum_of(bytes, len) != told) {
        return SQ_ERR_AUTH;
    }
    struct sctp_packet_in packet = {
        .from_port = sq_load_u16(bytes),
        .to_port = sq_load_u16(bytes + 2),
        .tag = sq_load_u32(bytes + 4),
        .chunks = sq_wire_reader(bytes + SCTP_HEADER_BYTES, len - SCTP_HEADER_BYTES),
    };
    *ret_packet = packet;
    return 0;
}

bool sctp_chunk_next(struct sctp_packet_in *packet, struct sctp_chunk *ret_chunk)
{
    struct sq_wire *w = &packet->chunks;
    if (sq_wire_left(w) == 0) {
        return false;
    }
    struct sctp_chunk c;
    c.type = sq_wire_u8(w);
    c.flags = sq_wire_u8(w);
    uint16_t len = sq_wire_u16(w);
    if (!w->err && len < SCTP_CHUNK_BYTES) {
        w->err = SQ_ERR_FORMAT;
    }
    c.len = (size_t)len - SCTP_CHUNK_BYTES;
    c.bytes = w->err ? NULL : sq_wire_read(w, c.len);
    if (w->err) {
        return false;
    }
    size_t padding = sctp_padded(c.len) - c.len;
    size_t left = sq_wire_left(w);
    sq_wire_skip(w, padding < left ? padding : left); /* the last one's may be missing */
    *ret_chunk = c;
    return true;
}

bool sctp_param_next(struct sq_wire *w, uint16_t *ret_type, struct sq_wire *ret_value)
{
    if (sq_wire_left(w) < 4) {
        return false;
    }
    uint16_t type = sq_wire_u16(w);
    uint16_t len = sq_wire_u16(w);
    if (len < 4) {
        w->err = SQ_ERR_FORMAT;
        return false;
    }
    const uint8_t *bytes = sq_wire_read(w, (size_t)len - 4);
    if (w->err) {
        return false;
    }
    size_t padding = sctp_padded(len) - len;
    size_t left = sq_wire_left(w);
    sq_wire_skip(w, padding < left ? padding : left);
    *ret_type = type;
    *ret_value = sq_wire_reader(bytes, (size_t)len - 4);
    return true;
}

void sctp_packet_begin(struct sq_sctp *a, struct sctp_packet *p, uint32_t tag)
{
    p->w = sq_wire_writer(p->buf, sizeof(p->buf));
    p->keep_crc = false;
    p->chunk = 0;
    sq_wire_put_u16(&p->w, a->config.local_port);
    sq_wire_put_u16(&p->w, a->config.remote_port);
    sq_wire_put_u32(&p->w, tag);
    sq_wire_put_u32(&p->w, 0);
}

size_t sctp_packet_left(const struct sctp_packet *p)
{
    return sq_wire_left(&p->w);
}

struct sq_wire *sctp_chunk_begin(struct sctp_packet *p, uint8_t type, uint8_t flags)
{
    p->chunk = p->w.pos;
    /* RFC 9653, section 5.2: those need the checksum. */
    p->keep_crc = p->keep_crc || type == CHUNK_INIT || type == CHUNK_COOKIE_ECHO;
    sq_wire_put_u8(&p->w, type);
    sq_wire_put_u8(&p->w, flags);
    sq_wire_put_u16(&p->w, 0);
    return &p->w;
}

void sctp_chunk_end(struct sctp_packet *p)
{
    static const uint8_t zeros[4];
    size_t len = p->w.pos - p->chunk;
    if (p->w.err) {
        return;
    }
    sq_store_u16(p->buf + p->chunk + 2, (uint16_t)len);
    sq_wire_put(&p->w, zeros, sctp_padded(len) - len);
}

void sctp_packet_send(struct sq_sctp *a, struct sctp_packet *p)
{
    if (p->w.err || p->w.pos <= SCTP_HEADER_BYTES) {
        return;
    }
    if (!a->zero_checksum || p->keep_crc) {
        store_le32(p->buf + 8, sq_crc32c(p->buf, p->w.pos));
    }
    a->counters.packets_sent++;
    a->events.send(a->events.user, p->buf, p->w.pos);
}

void sctp_send_bare(struct sq_sctp *a, uint8_t type, uint8_t flags, uint32_t tag)
{
    struct sctp_packet p;
    sctp_packet_begin(a, &p, tag);
    sctp_chunk_begin(&p, type, flags);
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
}

#include "media/mux/rtpfile.h"

#include "base/wire.h"
#include <stdio.h>
#include <string.h>

#define LINK_NULL     0 /* https://www.tcpdump.org/linktypes.html */
#define LINK_ETHERNET 1
#define LINK_RAW      101
#define LINK_SLL      113
#define LINK_SLL2     276
#define MAGIC_US      0xA1B2C3D4U
#define MAGIC_NS      0xA1B23C4DU
#define MAGIC_PCAPNG  0x0A0D0D0AU
#define IP_UDP        17
#define RTPDUMP_LINE  "#!rtpplay1.0 "
#define LINE_MAX      128

/* ---- Writing ---- */

void sq_rtpdump_head(const struct sq_mux_sink *sink, const struct sq_addr *from, uint64_t wall_ns)
{
    char ip[SQ_ADDR_TEXT_MAX];
    char line[LINE_MAX];
    uint8_t head[16] = {0};
    unsigned port = sq_addr_family(from) ? sq_addr_port(from) : 0;
    int n = snprintf(line, sizeof(line), RTPDUMP_LINE "%s/%u\n",
                     sq_addr_family(from) ? sq_addr_format_ip(from, ip) : "0.0.0.0", port);
    sq_store_u32(head, (uint32_t)(wall_ns / 1000000000));
    sq_store_u32(head + 4, (uint32_t)(wall_ns % 1000000000 / 1000));
    if (sq_addr_family(from) == AF_INET) {
        memcpy(head + 8, &from->in4.sin_addr, 4);
    }
    sq_store_u16(head + 12, (uint16_t)port);
    sink->append(sink->ctx, line, (size_t)n);
    sink->append(sink->ctx, head, sizeof(head));
}

void sq_rtpdump_packet(const struct sq_mux_sink *sink, uint32_t ms, const uint8_t *rtp, size_t len)
{
    uint8_t head[8];
    if (len <= SQ_RTPFILE_PACKET_MAX) {
        sq_store_u16(head, (uint16_t)(len + sizeof(head)));
        sq_store_u16(head + 2, (uint16_t)len);
        sq_store_u32(head + 4, ms);
        sink->append(sink->ctx, head, sizeof(head));
        sink->append(sink->ctx, rtp, len);
    }
}

void sq_pcap_head(const struct sq_mux_sink *sink)
{
    uint8_t head[24] = {0};
    sq_store_u32(head, MAGIC_NS);
    sq_store_u16(head + 4, 2);
    sq_store_u16(head + 6, 4);
    sq_store_u32(head + 16, 65535); /* the longest packet */
    sq_store_u32(head + 20, LINK_RAW);
    sink->append(sink->ctx, head, sizeof(head));
}

static uint32_t sum16(uint32_t sum, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        sum += sq_load_u16(bytes + i);
    }
    return n % 2 ? sum + ((uint32_t)bytes[n - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* RFC 791, or RFC 8200; the addresses lie behind each other in both. Returns the header's length.
 */
static size_t ip_header(const struct sq_addr *from, const struct sq_addr *to, size_t udp_len,
                        uint8_t out[40], const uint8_t **ret_addrs, size_t *ret_addrs_len)
{
    memset(out, 0, 40);
    if (sq_addr_family(from) == AF_INET) {
        out[0] = 0x45;
        sq_store_u16(out + 2, (uint16_t)(20 + udp_len));
        out[6] = 0x40; /* do not fragment */
        out[8] = 64;
        out[9] = IP_UDP;
        memcpy(out + 12, &from->in4.sin_addr, 4);
        memcpy(out + 16, &to->in4.sin_addr, 4);
        sq_store_u16(out + 10, fold(sum16(0, out, 20)));
        *ret_addrs = out + 12;
        *ret_addrs_len = 8;
        return 20;
    }
    out[0] = 0x60;
    sq_store_u16(out + 4, (uint16_t)udp_len);
    out[6] = IP_UDP;
    out[7] = 64;
    memcpy(out + 8, &from->in6.sin6_addr, 16);
    memcpy(out + 24, &to->in6.sin6_addr, 16);
    *ret_addrs = out + 8;
    *ret_addrs_len = 32;
    return 40;
}

void sq_pcap_packet(const struct sq_mux_sink *sink, uint64_t wall_ns, const struct sq_addr *from,
                    const struct sq_addr *to, const uint8_t *rtp, size_t len)
{
    uint8_t record[16], ip[40], udp[8];
    const uint8_t *addrs;
    size_t addrs_len;
    if (len > SQ_RTPFILE_PACKET_MAX || sq_addr_family(from) != sq_addr_family(to)) {
        return;
    }
    size_t udp_len = sizeof(udp) + len;
    size_t ip_len = ip_header(from, to, udp_len, ip, &addrs, &addrs_len);
    sq_store_u16(udp, sq_addr_port(from));
    sq_store_u16(udp + 2, sq_addr_port(to));
    sq_store_u16(udp + 4, (uint16_t)udp_len);
    sq_store_u16(udp + 6, 0);
    uint32_t sum = sum16(IP_UDP + (uint32_t)udp_len, addrs, addrs_len);
    sum = sum16(sum16(sum, udp, sizeof(udp)), rtp, len);
    uint16_t checksum = fold(sum);
    sq_store_u16(udp + 6, checksum ? checksum : 0xffff);
    sq_store_u32(record, (uint32_t)(wall_ns / 1000000000));
    sq_store_u32(record + 4, (uint32_t)(wall_ns % 1000000000));
    sq_store_u32(record + 8, (uint32_t)(ip_len + udp_len));
    sq_store_u32(record + 12, (uint32_t)(ip_len + udp_len));
    sink->append(sink->ctx, record, sizeof(record));
    sink->append(sink->ctx, ip, ip_len);
    sink->append(sink->ctx, udp, sizeof(udp));
    sink->append(sink->ctx, rtp, len);
}

/* ---- Reading ---- */

static uint32_t load32(const struct sq_rtpfile *file, const uint8_t *p)
{
    uint32_t n = sq_load_u32(p);
    return file->little_endian ? __builtin_bswap32(n) : n;
}

static int open_pcap(struct sq_rtpfile *file)
{
    if (file->len < 24) {
        return SQ_ERR_FORMAT;
    }
    uint32_t magic = sq_load_u32(file->bytes);
    file->little_endian =
        magic == __builtin_bswap32(MAGIC_US) || magic == __builtin_bswap32(MAGIC_NS);
    magic = load32(file, file->bytes);
    if (magic == MAGIC_PCAPNG) {
        return SQ_ERR_UNSUPPORTED;
    }
    if (magic != MAGIC_US && magic != MAGIC_NS) {
        return SQ_ERR_FORMAT;
    }
    file->nanoseconds = magic == MAGIC_NS;
    file->link = load32(file, file->bytes + 20) & 0xffff;
    file->at = 24;
    bool known = file->link == LINK_ETHERNET || file->link == LINK_RAW || file->link == LINK_SLL ||
                 file->link == LINK_SLL2 || file->link == LINK_NULL;
    return known ? 0 : SQ_ERR_UNSUPPORTED;
}

int sq_rtpfile_open(struct sq_rtpfile *file, const uint8_t *bytes, size_t len)
{
    struct sq_rtpfile opened = {.bytes = bytes, .len = len};
    size_t mark = sizeof(RTPDUMP_LINE) - 1;
    int err = 0;
    if (len > mark && memcmp(bytes, RTPDUMP_LINE, mark) == 0) {
        const uint8_t *eol = memchr(bytes, '\n', len < LINE_MAX ? len : LINE_MAX);
        opened.rtpdump = true;
        opened.at = eol ? (size_t)(eol - bytes) + 1 + 16 : len;
        err = eol && opened.at <= len ? 0 : SQ_ERR_FORMAT;
    } else {
        err = open_pcap(&opened);
    }
    if (!err) {
        *file = opened;
    }
    return err;
}

/* Version 2, and no RTCP (RFC 5761, section 4). */
static bool is_rtp(const uint8_t *bytes, size_t len)
{
    return len >= 12 && bytes[0] >> 6 == 2 && !(bytes[1] >= 192 && bytes[1] <= 223);
}

/* Drops what is no RTP; of a cut packet without a whole header that is not known. */
static void keep_rtp(struct sq_rtpfile_packet *packet)
{
    bool told = packet->rtp && packet->len >= 12;
    if (!told || !is_rtp(packet->rtp, packet->len)) {
        packet->rtp = NULL;
        packet->cut = packet->cut && !told;
    }
}

/* The payload of a whole UDP datagram over IP, or of a cut one what is left. */
static void udp_payload(struct sq_wire *w, struct sq_rtpfile_packet *packet)
{
    const uint8_t *ip = sq_wire_read(w, 20);
    uint8_t protocol = 0;
    if (ip && ip[0] >> 4 == 4) {
        sq_wire_skip(w, ((size_t)(ip[0] & 15) < 5 ? 5 : (size_t)(ip[0] & 15)) * 4 - 20);
        protocol = sq_load_u16(ip + 6) & 0x3fff ? 0 : ip[9]; /* no fragments */
    } else if (ip && ip[0] >> 4 == 6) {
        sq_wire_skip(w, 20);
        protocol = ip[6];
    }
    bool other = ip && protocol != IP_UDP;
    sq_wire_skip(w, 4);
    uint16_t udp_len = sq_wire_u16(w);
    sq_wire_skip(w, 2);
    size_t left = w->err ? 0 : sq_wire_left(w);
    size_t len = udp_len < 8 ? 0 : (size_t)udp_len - 8;
    packet->cut = packet->cut && !other && (w->err || len > left);
    if (w->err || other || (len > left && !packet->cut)) {
        return;
    }
    packet->len = len < left ? len : left;
    packet->rtp = sq_wire_read(w, packet->len);
}

/* Finds the RTP in a record. `packet->cut` says whether the capture has cut the record, and then
 * whether it has cut the packet; packet->rtp stays NULL where there is none. */
static void rtp_of_frame(const struct sq_rtpfile *file, const uint8_t *bytes, size_t len,
                         struct sq_rtpfile_packet *packet)
{
    struct sq_wire w = sq_wire_reader(bytes, len);
    uint16_t type = 0;
    switch (file->link) {
    case LINK_ETHERNET:
        sq_wire_skip(&w, 12);
        type = sq_wire_u16(&w);
        while (type == 0x8100 || type == 0x88A8) { /* VLAN tags */
            sq_wire_skip(&w, 2);
            type = sq_wire_u16(&w);
        }
        break;
    case LINK_SLL:
        sq_wire_skip(&w, 16);
        break;
    case LINK_SLL2:
        sq_wire_skip(&w, 20);
        break;
    case LINK_NULL:
        sq_wire_skip(&w, 4);
        break;
    default:
        break;
    }
    if (type != 0 && type != 0x0800 && type != 0x86DD) {
        packet->cut = false;
        return;
    }
    udp_payload(&w, packet);
    keep_rtp(packet);
}

/* One record of pcap; rtp stays NULL where it holds none. */
static int next_pcap(struct sq_rtpfile *file, struct sq_rtpfile_packet *ret_packet)
{
    if (file->len - file->at < 16) {
        return SQ_ERR_TRUNCATED;
    }
    const uint8_t *head = file->bytes + file->at;
    uint64_t fraction = load32(file, head + 4);
    uint32_t held = load32(file, head + 8);
    if (held > file->len - file->at - 16) {
        return SQ_ERR_TRUNCATED;
    }
    ret_packet->ns =
        (uint64_t)load32(file, head) * 1000000000 + fraction * (file->nanoseconds ? 1 : 1000);
    ret_packet->cut = held < load32(file, head + 12);
    rtp_of_frame(file, head + 16, held, ret_packet);
    file->at += 16 + (size_t)held;
    return 0;
}

static int next_rtpdump(struct sq_rtpfile *file, struct sq_rtpfile_packet *ret_packet)
{
    if (file->len - file->at < 8) {
        return SQ_ERR_TRUNCATED;
    }
    const uint8_t *head = file->bytes + file->at;
    size_t record = sq_load_u16(head);
    size_t whole = sq_load_u16(head + 2); /* 0: RTCP */
    if (record < 8 || record > file->len - file->at) {
        return SQ_ERR_TRUNCATED;
    }
    ret_packet->ns = (uint64_t)sq_load_u32(head + 4) * 1000000;
    ret_packet->len = record - 8;
    ret_packet->cut = whole > ret_packet->len;
    ret_packet->rtp = whole >= ret_packet->len ? head + 8 : NULL;
    keep_rtp(ret_packet);
    file->at += record;
    return 0;
}

int sq_rtpfile_next(struct sq_rtpfile *file, struct sq_rtpfile_packet *ret_packet)
{
    while (file->bytes && file->at < file->len) {
        struct sq_rtpfile_packet packet = {0};
        int err = file->rtpdump ? next_rtpdump(file, &packet) : next_pcap(file, &packet);
        if (err) {
            return err;
        }
        if (!packet.rtp) {
            *(packet.cut ? &file->cut : &file->left_out) += 1;
            continue;
        }
        if (!file->started) {
            file->started = true;
            file->first_ns = packet.ns;
        }
        packet.ns = packet.ns > file->first_ns ? packet.ns - file->first_ns : 0;
        *ret_packet = packet;
        return 0;
    }
    return SQ_ERR_CLOSED;
}

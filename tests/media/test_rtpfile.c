/* rtpdump and pcap, written and read again; and what others write. */
#include "base/str.h"
#include "base/wire.h"
#include "media/mux/rtpfile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_append(void *ctx, const void *bytes, size_t len)
{
    sq_buf_add(ctx, bytes, len);
}

static struct sq_addr addr(const char *ip, uint16_t port)
{
    struct sq_addr a;
    assert_int_equal(sq_addr_parse(ip, port, &a), 0);
    return a;
}

static const uint8_t rtp[] = {0x80, 0xE0, 0x12, 0x34, 0,   0,   0,  1,
                              0xAA, 0xBB, 0xCC, 0xDD, 'h', 'i', '!'};
static const uint8_t rtcp[] = {0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};

static void expect_packets(const struct sq_buf *b, size_t n, const uint64_t *ns)
{
    struct sq_rtpfile file;
    struct sq_rtpfile_packet packet;
    assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)b->text, b->len), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sq_rtpfile_next(&file, &packet), 0);
        assert_int_equal(packet.ns, ns[i]);
        assert_int_equal(packet.len, sizeof(rtp));
        assert_memory_equal(packet.rtp, rtp, sizeof(rtp));
    }
    assert_int_equal(sq_rtpfile_next(&file, &packet), SQ_ERR_CLOSED);
}

static void rtpdump_there_and_back(void **state)
{
    (void)state;
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    const struct sq_addr from = addr("192.0.2.1", 5000);
    sq_rtpdump_head(&sink, &from, 1700000000123456789ULL);
    sq_rtpdump_packet(&sink, 0, rtp, sizeof(rtp));
    sq_rtpdump_packet(&sink, 20, rtp, sizeof(rtp));
    sq_rtpdump_packet(&sink, 3600001, rtp, sizeof(rtp));
    /* rtptools: the line, then RD_hdr_t (start s and us, source, port, padding), then RD_packet_t.
     */
    static const uint8_t head[] =
        "#!rtpplay1.0 192.0.2.1/5000\n\x65\x53\xf1\x00\x00\x01\xe2\x40"
        "\xc0\x00\x02\x01\x13\x88\x00\x00\x00\x17\x00\x0f\x00\x00\x00\x00";
    assert_memory_equal(b.text, head, sizeof(head) - 1);
    expect_packets(&b, 3, (const uint64_t[]){0, 20000000, 3600001000000ULL});
    sq_buf_free(&b);
}

/* Checked apart by adding up: RFC 1071's sum over header and pseudo header is 0xFFFF. */
static uint32_t sum(uint32_t from, const uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        from += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    }
    while (from >> 16) {
        from = (from & 0xffff) + (from >> 16);
    }
    return from;
}

static void pcap_there_and_back(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct sq_buf b = {0};
        const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
        const struct sq_addr from = addr(v6 ? "2001:db8::1" : "192.0.2.1", 5000);
        const struct sq_addr to = addr(v6 ? "2001:db8::2" : "192.0.2.2", 6000);
        const struct sq_addr other = addr(v6 ? "192.0.2.2" : "::1", 1);
        sq_pcap_head(&sink);
        sq_pcap_packet(&sink, 1700000000123456789ULL, &from, &to, rtp, sizeof(rtp));
        sq_pcap_packet(&sink, 1700000000123456800ULL, &from, &to, rtcp, sizeof(rtcp));
        sq_pcap_packet(&sink, 1700000001000000000ULL, &from, &other, rtp,
                       sizeof(rtp)); /* no such path */
        sq_pcap_packet(&sink, 1700000001000000000ULL, &to, &from, rtp, sizeof(rtp));
        const uint8_t *ip = (const uint8_t *)b.text + 24 + 16;
        size_t ip_len = v6 ? 40 : 20;
        size_t udp_len = 8 + sizeof(rtp);
        if (!v6) {
            assert_int_equal(sum(0, ip, 20), 0xffff);
        }
        uint32_t pseudo = sum(17 + (uint32_t)udp_len, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
        assert_int_equal(sum(pseudo, ip + ip_len, udp_len), 0xffff);
        expect_packets(&b, 2, (const uint64_t[]){0, 876543211});
        sq_buf_free(&b);
    }
}

/* A capture as tcpdump writes it on a little-endian machine: Ethernet, microseconds, a VLAN tag,
 * and things that are no RTP. */
static void a_capture_of_others(void **state)
{
    (void)state;
    static const uint8_t head[] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0,
                                   0,    0,    0,    0,    0, 0, 4, 0, 1, 0, 0, 0};
    struct sq_buf b = {0};
    sq_buf_add(&b, head, sizeof(head));
    for (int kind = 0; kind < 5; kind++) {
        uint8_t f[128] = {0};
        size_t n = 12;
        if (kind == 1) {
            memcpy(f + n, "\x81\x00\x00\x05", 4);
            n += 4;
        }
        memcpy(f + n, kind == 2 ? "\x08\x06" : "\x08\x00", 2); /* ARP */
        n += 2;
        uint8_t *ip = f + n;
        ip[0] = 0x45;
        ip[9] = kind == 3 ? 6 : 17;   /* TCP */
        ip[6] = kind == 4 ? 0x20 : 0; /* a fragment */
        sq_store_u16(ip + 24, 8 + sizeof(rtp));
        memcpy(ip + 28, rtp, sizeof(rtp));
        n += 28 + sizeof(rtp);
        uint8_t record[16] = {(uint8_t)kind, 0, 0, 0, 10, 0, 0, 0, (uint8_t)n, 0, 0, 0, (uint8_t)n};
        sq_buf_add(&b, record, sizeof(record));
        sq_buf_add(&b, f, n);
    }
    expect_packets(&b, 2, (const uint64_t[]){0, 1000000000});
    struct sq_rtpfile file;
    struct sq_rtpfile_packet packet;
    assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)b.text, b.len - 3), 0);
    assert_int_equal(sq_rtpfile_next(&file, &packet), 0);
    assert_int_equal(sq_rtpfile_next(&file, &packet), 0);
    assert_int_equal(sq_rtpfile_next(&file, &packet), SQ_ERR_TRUNCATED);
    assert_int_equal(file.left_out, 2);
    sq_buf_free(&b);
}

static void what_is_neither(void **state)
{
    (void)state;
    struct sq_rtpfile file;
    assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)"", 0), SQ_ERR_FORMAT);
    assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)"hello, world, this is text", 26),
                     SQ_ERR_FORMAT);
    assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)"#!rtpplay1.0 1.2.3.4/5", 22),
                     SQ_ERR_FORMAT);
    uint8_t ng[32] = {0x0A, 0x0D, 0x0D, 0x0A};
    assert_int_equal(sq_rtpfile_open(&file, ng, sizeof(ng)), SQ_ERR_UNSUPPORTED);
}

/* A snap length: of one packet a part is left, of the next not even its header; and of TCP nothing
 * is known but that it is no RTP. */
static void cut_by_the_capture(void **state)
{
    (void)state;
    const struct sq_addr from = addr("192.0.2.1", 5000);
    for (size_t held = 0; held <= 28 + sizeof(rtp); held++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            struct sq_buf b = {0};
            const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
            sq_pcap_head(&sink);
            sq_pcap_packet(&sink, 0, &from, &from, rtp, sizeof(rtp));
            sq_store_u32((uint8_t *)b.text + 24 + 8, (uint32_t)held);
            b.text[24 + 16 + 9] = tcp ? 6 : 17;
            struct sq_rtpfile file;
            struct sq_rtpfile_packet packet = {0};
            assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)b.text, 24 + 16 + held), 0);
            bool seen = !tcp && held >= 28 + 12;
            assert_int_equal(sq_rtpfile_next(&file, &packet), seen ? 0 : SQ_ERR_CLOSED);
            assert_int_equal(packet.cut, seen && held < 28 + sizeof(rtp));
            assert_int_equal(packet.len, seen ? held - 28 : 0);
            assert_int_equal(file.cut, !seen && !(tcp && held >= 20));
            assert_int_equal(file.left_out, tcp && held >= 20);
            sq_buf_free(&b);
        }
    }
}

static void cut_in_rtpdump(void **state)
{
    (void)state;
    struct sq_buf b = {0};
    struct sq_rtpfile file;
    struct sq_rtpfile_packet packet;
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    const struct sq_addr from = addr("192.0.2.1", 5000);
    sq_rtpdump_head(&sink, &from, 0);
    size_t at[3];
    for (int i = 0; i < 3; i++) {
        at[i] = b.len;
        sq_rtpdump_packet(&sink, 0, rtp, i == 1 ? 11 : 13);
    }
    sq_store_u16((uint8_t *)b.text + at[0] + 2, sizeof(rtp)); /* longer than what is held */
    sq_store_u16((uint8_t *)b.text + at[1] + 2, sizeof(rtp));
    sq_store_u16((uint8_t *)b.text + at[2] + 2, 12); /* shorter: damaged */
    assert_int_equal(sq_rtpfile_open(&file, (const uint8_t *)b.text, b.len), 0);
    assert_int_equal(sq_rtpfile_next(&file, &packet), 0);
    assert_true(packet.cut);
    assert_int_equal(packet.len, 13);
    assert_int_equal(sq_rtpfile_next(&file, &packet), SQ_ERR_CLOSED);
    assert_int_equal(file.cut, 1);
    assert_int_equal(file.left_out, 1);
    sq_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rtpdump_there_and_back), cmocka_unit_test(pcap_there_and_back),
        cmocka_unit_test(a_capture_of_others),    cmocka_unit_test(what_is_neither),
        cmocka_unit_test(cut_by_the_capture),     cmocka_unit_test(cut_in_rtpdump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

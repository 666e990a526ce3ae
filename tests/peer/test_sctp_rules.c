/* What an association does with messages of each kind, with resets, with packets that nobody should
 * send, and without memory. */
#include "base/mem.h"
#include "base/wire.h"
#include "sctp_pair.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static const struct sctp_link quiet = {.delay_ns = 10 * MS};

/* Each kind of chunk, with interleaving and without. */
static const struct sq_sctp_config kinds[2] = {{.no_interleaving = true}, {0}};

/* ---- Order ---- */

static void unordered_does_not_wait(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct pair p = up(1, &quiet, &kinds[k]);
        p.a->link.drop_next = 1;
        for (uint32_t n = 0; n < 3; n++) {
            assert_int_equal(sctp_put(p.a, 1, n, 3000, true, SQ_SCTP_NO_LIMIT, 0), 0);
        }
        sctp_net_run(p.net, 5 * SEC);
        assert_int_equal(p.b->got_len, 3);
        assert_int_equal(p.b->broken, 0);
        assert_int_equal(p.b->got[0].number, 1); /* number 0 lacked its first fragment */
        assert_int_equal(p.b->got[2].number, 0);
        sctp_net_free(p.net);
    }
}

/* A hole in one stream holds up no other. */
static void streams_are_independent(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct pair p = up(2, &quiet, &kinds[k]);
        p.a->link.drop_next = 1;
        for (uint32_t n = 0; n < 8; n++) {
            assert_int_equal(put(p.a, (uint16_t)n, n, 1100), 0);
            sctp_net_run(p.net, MS);
        }
        sctp_net_run(p.net, 5 * SEC);
        assert_int_equal(p.b->got_len, 8);
        assert_int_equal(p.b->got[0].number, 1);
        assert_int_equal(p.b->got[0].stream, 1);
        sctp_net_free(p.net);
    }
}

/* SSNs are of 16 bits: they wrap in order. */
static void sequence_numbers_wrap(void **state)
{
    const struct sctp_link fast = {.delay_ns = MS, .jitter_ns = 2 * MS};
    struct pair p = up(3, &fast, &kinds[0]);
    p.b->forget = true;
    for (uint32_t n = 0; n < 70000;) {
        while (sq_sctp_waiting_bytes(p.a->a, 1) < 20000 && n < 70000) {
            assert_int_equal(put(p.a, 1, n++, 4), 0);
        }
        sctp_net_run(p.net, MS);
    }
    sctp_net_run(p.net, 10 * SEC);
    assert_int_equal(p.b->got_len, 70000);
    assert_int_equal(stats(p.a).unack_data, 0);
    sctp_net_free(p.net);
}

/* ---- Limits ---- */

static void given_up_by_count(void **state)
{
    for (int k = 0; k < 2; k++) {
        for (int unordered = 0; unordered < 2; unordered++) {
            struct pair p = up(4, &quiet, &kinds[k]);
            sctp_net_run(p.net, SEC);
            p.a->link.drop_next = 1;
            for (uint32_t n = 0; n < 10; n++) {
                assert_int_equal(sctp_put(p.a, 1, n, 1000, unordered, 0, 0), 0);
                sctp_net_run(p.net, MS);
            }
            sctp_net_run(p.net, 5 * SEC);
            assert_int_equal(p.b->got_len, 9);
            assert_int_equal(p.b->got[0].number, 1);
            assert_true(p.a->forward_tsns > 0);
            assert_int_equal(stats(p.a).messages_abandoned, 1);
            assert_int_equal(stats(p.a).retransmitted_chunks, 0);
            assert_int_equal(stats(p.a).unack_data, 0);
            /* The stream goes on. */
            assert_int_equal(put(p.a, 1, 10, 5000), 0);
            sctp_net_run(p.net, SEC);
            assert_int_equal(p.b->got_len, 10);
            sctp_net_free(p.net);
        }
    }
}

/* A message of many fragments, of which some came and the rest was never sent. */
static void given_up_in_the_middle(void **state)
{
    for (int k = 0; k < 2; k++) {
        for (int unordered = 0; unordered < 2; unordered++) {
            struct pair p = up(5, &quiet, &kinds[k]);
            sctp_net_run(p.net, SEC);
            assert_int_equal(sctp_put(p.a, 1, 0, 100000, unordered, 0, 0), 0);
            p.a->link.drop_next = 1; /* of those that follow its first burst */
            assert_int_equal(sctp_put(p.a, 1, 1, 2000, unordered, SQ_SCTP_NO_LIMIT, 0), 0);
            assert_int_equal(sctp_put(p.a, 2, 2, 2000, unordered, SQ_SCTP_NO_LIMIT, 0), 0);
            sctp_net_run(p.net, 10 * SEC);
            assert_int_equal(p.b->got_len, 2);
            assert_int_equal(p.b->broken, 0);
            assert_int_equal(stats(p.a).unack_data, 0);
            assert_int_equal(sq_sctp_waiting_bytes(p.a->a, 1), 0);
            /* The other side kept nothing of it. */
            assert_true(sq_sctp_memory_bytes(p.b->a) < 3000);
            sctp_net_free(p.net);
        }
    }
}

static void given_up_by_time(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct pair p = up(6, &quiet, &kinds[k]);
        p.a->link.cut = true;
        for (uint32_t n = 0; n < 5; n++) {
            assert_int_equal(sctp_put(p.a, 1, n, 20000, false, SQ_SCTP_NO_LIMIT, 100 * MS), 0);
        }
        assert_int_equal(put(p.a, 1, 5, 1000), 0);
        sctp_net_run(p.net, 2 * SEC);
        p.a->link.cut = false;
        sctp_net_run(p.net, 10 * SEC);
        assert_int_equal(p.b->got_len, 1);
        assert_int_equal(p.b->got[0].number, 5);
        assert_int_equal(stats(p.a).messages_abandoned, 5);
        sctp_net_free(p.net);
    }
}

/* Where the other side knows no FORWARD-TSN, limits mean nothing. */
static void reliable_without_the_extension(void **state)
{
    const struct sq_sctp_config plain = {.no_partial_delivery = true};
    const struct sctp_link lossy = {.delay_ns = 10 * MS, .loss = 0.2};
    struct pair p = up(7, &lossy, &plain);
    for (uint32_t n = 0; n < 50; n++) {
        assert_int_equal(sctp_put(p.a, 1, n, 2000, false, 0, 0), 0);
    }
    sctp_net_run(p.net, 60 * SEC);
    assert_int_equal(p.b->got_len, 50);
    assert_int_equal(p.a->forward_tsns, 0);
    sctp_net_free(p.net);
}

/* Mixed kinds on many streams over a bad network: reliable ones all come, in order. */
static void kinds_mixed_over_a_bad_network(void **state)
{
    const struct sctp_link bad = {
        .delay_ns = 15 * MS, .jitter_ns = 20 * MS, .loss = 0.1, .duplicate = 0.05};
    for (int k = 0; k < 2; k++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct pair p = up(100 + seed, &bad, &kinds[k]);
            struct sq_rand r;
            sq_rand_seed(&r, seed);
            for (uint32_t n = 0; n < 400; n++) {
                size_t len = 4 + sq_rand_below(&r, n % 8 == 0 ? 9000 : 1500);
                uint32_t count = n % 4 == 1 ? sq_rand_below(&r, 2) : SQ_SCTP_NO_LIMIT;
                uint64_t life = n % 4 == 2 ? (1 + sq_rand_below(&r, 80)) * MS : 0;
                assert_int_equal(sctp_put(p.a, (uint16_t)(n % 4), n, len, n % 8 == 1, count, life),
                                 0);
                sctp_net_run(p.net, sq_rand_below(&r, 8) * MS);
            }
            sctp_net_run(p.net, 120 * SEC);
            uint32_t next[4] = {0, 1, 2, 3};
            size_t reliable = 0;
            for (size_t i = 0; i < p.b->got_len; i++) {
                const struct sctp_got *g = &p.b->got[i];
                assert_int_equal(g->stream, g->number % 4);
                if (g->stream == 0 || g->stream == 3) {
                    assert_int_equal(g->number, next[g->stream]);
                    next[g->stream] += 4;
                    reliable++;
                } else if (g->stream == 2) { /* ordered, with gaps */
                    assert_true(g->number >= next[2]);
                    next[2] = g->number + 1;
                }
            }
            assert_int_equal(reliable, 200);
            assert_int_equal(p.b->broken, 0);
            assert_int_equal(stats(p.a).unack_data, 0);
            assert_true(sq_sctp_memory_bytes(p.b->a) < 3000);
            sctp_net_free(p.net);
        }
    }
}

/* ---- Whose turn it is ---- */

static void fragments_interleave(void **state)
{
    const struct sctp_link narrow = {.delay_ns = 10 * MS, .rate_bps = 1000000};
    for (int k = 0; k < 2; k++) {
        struct pair p = up(8, &narrow, &kinds[k]);
        assert_int_equal(put(p.a, 1, 0, 200000), 0);
        assert_int_equal(put(p.a, 2, 1, 500), 0);
        sctp_net_run(p.net, 10 * SEC);
        assert_int_equal(p.b->got_len, 2);
        assert_int_equal(p.b->got[0].number, k == 1 ? 1 : 0);
        sctp_net_free(p.net);
    }
}

static void priorities_share(void **state)
{
    const struct sctp_link narrow = {
        .delay_ns = 10 * MS, .rate_bps = 2000000, .queue_ns = 100 * MS};
    struct pair p = up(9, &narrow, NULL);
    assert_int_equal(sq_sctp_set_priority(p.a->a, 1, 256), 0);
    assert_int_equal(sq_sctp_set_priority(p.a->a, 2, 768), 0);
    for (uint32_t n = 0; n < 2000; n++) {
        assert_int_equal(put(p.a, (uint16_t)(1 + n % 2), n, 1000), 0);
    }
    sctp_net_run(p.net, 4 * SEC);
    size_t by[3] = {0};
    for (size_t i = 0; i < p.b->got_len; i++) {
        by[p.b->got[i].stream]++;
    }
    assert_true(by[1] > 100);
    double share = (double)by[2] / (double)by[1];
    assert_true(share > 2.7 && share < 3.3);
    sctp_net_free(p.net);
}

/* ---- Reset ---- */

static void stream_is_reset(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct pair p = up(10, &quiet, &kinds[k]);
        for (uint32_t n = 0; n < 3; n++) {
            assert_int_equal(put(p.a, 5, n, 30000), 0);
        }
        assert_int_equal(sq_sctp_reset(p.a->a, sctp_net_now(p.net), 5), 0);
        assert_int_equal(sq_sctp_reset(p.a->a, sctp_net_now(p.net), 5), 0);
        assert_int_equal(put(p.a, 5, 3, 10), SQ_ERR_STATE);
        assert_int_equal(put(p.a, 6, 3, 10), 0);
        sctp_net_run(p.net, 5 * SEC);
        assert_int_equal(p.b->got_len, 4);
        assert_int_equal(p.a->out_resets, 1);
        assert_int_equal(p.a->out_reset_err, 0);
        assert_int_equal(p.b->in_resets, 1);
        assert_int_equal(p.b->last_in_reset, 5);
        assert_int_equal(put(p.a, 5, 4, 5000), 0); /* its numbers begin anew */
        sctp_net_run(p.net, SEC);
        assert_int_equal(p.b->got_len, 5);
        sctp_net_free(p.net);
    }
}

static void resets_with_loss(void **state)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        const struct sctp_link bad = {.delay_ns = 10 * MS, .jitter_ns = 20 * MS, .loss = 0.2};
        struct pair p = up(seed, &bad, &kinds[seed & 1]);
        for (uint16_t s = 0; s < 5; s++) {
            assert_int_equal(put(p.a, s, s, 4000), 0);
            assert_int_equal(put(p.b, s, s, 4000), 0);
            assert_int_equal(sq_sctp_reset(p.a->a, sctp_net_now(p.net), s), 0);
            assert_int_equal(sq_sctp_reset(p.b->a, sctp_net_now(p.net), s), 0);
        }
        sctp_net_run(p.net, 60 * SEC);
        assert_int_equal(p.a->out_resets, 5);
        assert_int_equal(p.b->out_resets, 5);
        assert_true(p.a->in_resets >= 5 && p.b->in_resets >= 5);
        assert_int_equal(p.a->got_len, 5);
        assert_int_equal(p.b->got_len, 5);
        sctp_net_free(p.net);
    }
}

/* ---- Packets that nobody should send ---- */

struct recorder {
    struct sq_sctp *a;
    uint8_t packets[64][SQ_SCTP_PACKET_MAX_BYTES];
    size_t len[64], n;
    bool closed;
    int err;
};

static void record(void *user, const uint8_t *bytes, size_t len)
{
    struct recorder *r = user;
    if (r->n < 64) {
        memcpy(r->packets[r->n], bytes, len);
        r->len[r->n++] = len;
    }
}

static void record_end(void *user, int err, const char *text)
{
    struct recorder *r = user;
    r->closed = true;
    r->err = err;
}

/* Ends the packet with its checksum, and hands it over. */
static void give(struct sq_sctp *a, uint64_t now_ns, struct sq_wire *w)
{
    memset(w->buf + 8, 0, 4);
    uint32_t crc = sq_crc32c(w->buf, w->pos);
    for (int i = 0; i < 4; i++) {
        w->buf[8 + i] = (uint8_t)(crc >> 8 * i);
    }
    sq_sctp_receive(a, now_ns, w->buf, w->pos);
}

static struct sq_wire packet(uint8_t buf[static 1200], uint32_t tag)
{
    struct sq_wire w = sq_wire_writer(buf, 1200);
    sq_wire_put_u16(&w, 5000);
    sq_wire_put_u16(&w, 5000);
    sq_wire_put_u32(&w, tag);
    sq_wire_put_u32(&w, 0);
    return w;
}

static void chunk(struct sq_wire *w, uint8_t type, uint8_t flags, uint16_t len)
{
    sq_wire_put_u8(w, type);
    sq_wire_put_u8(w, flags);
    sq_wire_put_u16(w, len);
}

/* A puppet begins by hand, or anew: with this tag of its own, and its first TSN 1000. Returns the
 * association's tag; its first TSN is in the INIT ACK, which is left in packets[0]. */
static uint32_t puppet_begins(struct recorder *r, uint64_t now_ns, uint32_t own_tag)
{
    uint8_t buf[1200];
    struct sq_wire w = packet(buf, 0);
    r->n = 0;
    chunk(&w, 1, 0, 32);
    sq_wire_put_u32(&w, own_tag);
    sq_wire_put_u32(&w, 100000);
    sq_wire_put_u16(&w, 10);
    sq_wire_put_u16(&w, 10);
    sq_wire_put_u32(&w, 1000);
    sq_wire_put_u32(&w, 0xC0000004); /* FORWARD-TSN */
    sq_wire_put_u32(&w, 0x80080005); /* extensions: RECONFIG */
    sq_wire_put_u32(&w, 0x82000000);
    give(r->a, now_ns, &w);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->packets[0][12], 2); /* INIT ACK */
    uint32_t tag = sq_load_u32(r->packets[0] + 16);
    /* Its first parameter is the cookie. */
    assert_int_equal(sq_load_u16(r->packets[0] + 32), 7);
    uint16_t len = sq_load_u16(r->packets[0] + 34);
    w = packet(buf, tag);
    chunk(&w, 10, 0, len);
    sq_wire_put(&w, r->packets[0] + 36, len - 4);
    r->n = 1;
    give(r->a, now_ns, &w);
    assert_int_equal(sq_sctp_get_state(r->a), SQ_SCTP_ESTABLISHED);
    return tag;
}

/* An association that a puppet has brought up by hand: its own tag 7. */
static uint32_t puppet_up(struct recorder *r)
{
    const struct sq_sctp_config config = {.no_interleaving = true, .no_zero_checksum = true};
    const struct sq_sctp_events events = {.user = r, .send = record, .closed = record_end};
    assert_int_equal(sq_sctp_create(&config, &events, &r->a), 0);
    uint32_t tag = puppet_begins(r, 1, 7);
    r->n = 0;
    return tag;
}

static void put_data(struct sq_wire *w, uint32_t tsn, uint16_t stream, uint16_t ssn, uint8_t flags,
                     size_t len)
{
    static const uint8_t zeros[64];
    chunk(w, 0, flags, (uint16_t)(16 + len));
    sq_wire_put_u32(w, tsn);
    sq_wire_put_u16(w, stream);
    sq_wire_put_u16(w, ssn);
    sq_wire_put_u32(w, 53);
    sq_wire_put(w, zeros, (len + 3) & ~(size_t)3);
}

static void sack_tells_gaps_and_duplicates(void **state)
{
    struct recorder r = {0};
    uint8_t buf[1200];
    uint32_t tag = puppet_up(&r);
    static const uint32_t tsns[] = {1000, 1002, 1003, 1006, 1002};
    for (size_t i = 0; i < 5; i++) {
        struct sq_wire w = packet(buf, tag);
        put_data(&w, tsns[i], 1, (uint16_t)(tsns[i] - 1000), 3, 8);
        r.n = 0;
        give(r.a, 2, &w);
    }
    const uint8_t *sack = r.packets[0] + 12;
    assert_int_equal(sack[0], 3);
    assert_int_equal(sq_load_u32(sack + 4), 1000);
    assert_int_equal(sq_load_u16(sack + 12), 2); /* blocks */
    assert_int_equal(sq_load_u16(sack + 14), 1); /* duplicates */
    assert_int_equal(sq_load_u16(sack + 16), 2);
    assert_int_equal(sq_load_u16(sack + 18), 3);
    assert_int_equal(sq_load_u16(sack + 20), 6);
    assert_int_equal(sq_load_u16(sack + 22), 6);
    assert_int_equal(sq_load_u32(sack + 24), 1002);
    sq_sctp_destroy(r.a);
}

static int puppet_put(struct recorder *r, uint64_t now_ns, uint16_t stream, uint32_t limit)
{
    const struct sq_sctp_message m = {.stream = stream,
                                      .ppid = 53,
                                      .retransmissions_max = limit,
                                      .bytes = (const uint8_t *)"four",
                                      .len = 4};
    return sq_sctp_send(r->a, now_ns, &m);
}

/* Three messages are given up, and the puppet's acknowledgements move over them while it lacks the
 * fourth and has the fifth. Only the first of them says anything new about the fourth (RFC 9260,
 * section 7.2.4): it is not lost. TSNs lie in either half of their space, where 0 is before them or
 * after. */
static void moving_over_what_was_given_up_is_no_loss(void **state)
{
    for (unsigned halves = 0; halves != 3;) {
        struct recorder r = {0};
        uint8_t buf[1200];
        uint32_t tag = puppet_up(&r);
        uint32_t tsn = sq_load_u32(r.packets[0] + 28);
        if (tsn + 100 < 200) { /* 0 lies within them */
            sq_sctp_destroy(r.a);
            continue;
        }
        halves |= tsn < 0x80000000 ? 1 : 2;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(puppet_put(&r, 2, 1, 0), 0);
        }
        uint64_t now_ns = sq_sctp_next_timeout(r.a);
        sq_sctp_on_timeout(r.a, now_ns);
        struct sq_sctp_stats s;
        sq_sctp_stats(r.a, &s);
        assert_int_equal(s.messages_abandoned, 3);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(puppet_put(&r, now_ns, 2, SQ_SCTP_NO_LIMIT), 0);
        }
        for (uint16_t moved = 0; moved <= 3; moved++) {
            struct sq_wire w = packet(buf, tag);
            chunk(&w, 3, 0, 20);
            sq_wire_put_u32(&w, tsn - 1 + moved);
            sq_wire_put_u32(&w, 100000);
            sq_wire_put_u16(&w, 1);
            sq_wire_put_u16(&w, 0);
            sq_wire_put_u16(&w, (uint16_t)(5 - moved));
            sq_wire_put_u16(&w, (uint16_t)(5 - moved));
            give(r.a, now_ns, &w);
        }
        sq_sctp_stats(r.a, &s);
        assert_int_equal(s.fast_recoveries, 0);
        assert_int_equal(s.retransmitted_chunks, 0);
        assert_int_equal(s.unack_data, 2);
        sq_sctp_destroy(r.a);
    }
}

static unsigned resets_asked(const struct recorder *r)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->n; i++) {
        n += r->packets[i][12] == 130 && sq_load_u16(r->packets[i] + 16) == 13;
    }
    return n;
}

/* The puppet begins anew before it has answered the request to reset a stream: it is asked again.
 */
static void reset_outlives_a_restart(void **state)
{
    struct recorder r = {0};
    (void)puppet_up(&r);
    assert_int_equal(puppet_put(&r, 2, 5, SQ_SCTP_NO_LIMIT), 0);
    assert_int_equal(sq_sctp_reset(r.a, 2, 5), 0);
    assert_int_equal(resets_asked(&r), 1);
    (void)puppet_begins(&r, SEC / 10, 8);
    assert_int_equal(resets_asked(&r), 1);
    assert_int_equal(puppet_put(&r, SEC / 10, 5, SQ_SCTP_NO_LIMIT), SQ_ERR_STATE);
    sq_sctp_destroy(r.a);
}

static void wrong_packets_are_dropped(void **state)
{
    struct recorder r = {0};
    uint8_t buf[1200];
    uint32_t tag = puppet_up(&r);
    struct sq_sctp_stats before, after;
    sq_sctp_stats(r.a, &before);
    /* Tag, checksum, port, length. */
    struct sq_wire w = packet(buf, tag + 1);
    put_data(&w, 1000, 1, 0, 3, 8);
    give(r.a, 2, &w);
    w = packet(buf, tag);
    put_data(&w, 1000, 1, 0, 3, 8);
    sq_sctp_receive(r.a, 2, buf, w.pos); /* checksum 0, which was not agreed */
    w = packet(buf, tag);
    sq_store_u16(buf, 5001);
    put_data(&w, 1000, 1, 0, 3, 8);
    give(r.a, 2, &w);
    sq_sctp_receive(r.a, 2, buf, 11);
    sq_sctp_stats(r.a, &after);
    assert_int_equal(after.discarded - before.discarded, 4);
    assert_int_equal(after.packets_received, before.packets_received);
    assert_int_equal(r.n, 0);
    assert_false(r.closed);
    sq_sctp_destroy(r.a);
}

static void broken_rules_end_it(void **state)
{
    for (int i = 0; i < 3; i++) {
        struct recorder r = {0};
        uint8_t buf[1200];
        uint32_t tag = puppet_up(&r);
        struct sq_wire w = packet(buf, tag);
        if (i == 0) {
            put_data(&w, 1000, 1, 0, 3, 0); /* no user data */
        } else if (i == 1) {
            chunk(&w, 64, 3, 24); /* I-DATA was not agreed */
            for (int k = 0; k < 5; k++) {
                sq_wire_put_u32(&w, 1000);
            }
        } else {
            chunk(&w, 0, 3, 8); /* cut off */
            sq_wire_put_u32(&w, 1000);
        }
        give(r.a, 2, &w);
        assert_true(r.closed);
        assert_int_equal(r.err, SQ_ERR_FORMAT);
        assert_int_equal(r.packets[0][12], 6); /* ABORT */
        sq_sctp_destroy(r.a);
    }
}

/* A cookie that was not ours, or was changed, opens nothing. */
static void forged_cookies_are_refused(void **state)
{
    struct recorder r = {0};
    uint8_t buf[1200];
    const struct sq_sctp_events events = {.user = &r, .send = record};
    assert_int_equal(sq_sctp_create(NULL, &events, &r.a), 0);
    struct sq_wire w = packet(buf, 0);
    chunk(&w, 1, 0, 20);
    sq_wire_put_u32(&w, 7);
    sq_wire_put_u32(&w, 100000);
    sq_wire_put_u32(&w, 0x000a000a);
    sq_wire_put_u32(&w, 1000);
    give(r.a, 0, &w);
    uint32_t tag = sq_load_u32(r.packets[0] + 16);
    uint16_t len = sq_load_u16(r.packets[0] + 34);
    for (uint16_t at = 0; at < len - 4; at++) {
        w = packet(buf, tag);
        chunk(&w, 10, 0, len);
        sq_wire_put(&w, r.packets[0] + 36, len - 4);
        buf[16 + at] ^= 1;
        give(r.a, 1, &w);
        assert_int_equal(sq_sctp_get_state(r.a), SQ_SCTP_CLOSED);
    }
    /* The right one does, until it is stale. */
    w = packet(buf, tag);
    chunk(&w, 10, 0, len);
    sq_wire_put(&w, r.packets[0] + 36, len - 4);
    r.n = 0;
    give(r.a, 61 * SEC, &w);
    assert_int_equal(sq_sctp_get_state(r.a), SQ_SCTP_CLOSED);
    assert_int_equal(r.packets[0][12], 9); /* ERROR: stale cookie */
    give(r.a, 59 * SEC, &w);
    assert_int_equal(sq_sctp_get_state(r.a), SQ_SCTP_ESTABLISHED);
    sq_sctp_destroy(r.a);
}

/* What is held for a sender that never completes anything is bounded by the window. */
static void held_memory_is_bounded(void **state)
{
    struct recorder r = {0};
    uint8_t buf[1200];
    uint32_t tag = puppet_up(&r);
    for (uint32_t n = 0; n < 400000 && !r.closed; n++) {
        struct sq_wire w = packet(buf, tag);
        put_data(&w, 1000 + 2 * (n % 8000) + 1, (uint16_t)(n % 500), (uint16_t)n, 2, 64);
        r.n = 0;
        give(r.a, 2 + n, &w);
        assert_true(sq_sctp_memory_bytes(r.a) < 8 << 20);
    }
    sq_sctp_destroy(r.a);
}

/* Whether the message with that number in stream 1 was taken: the cumulative TSN moves then. */
static bool takes(struct recorder *r, uint32_t tag, uint32_t *tsn, uint16_t ssn)
{
    uint8_t buf[1200];
    struct sq_wire w = packet(buf, tag);
    put_data(&w, *tsn, 1, ssn, 3, 4);
    r->n = 0;
    give(r->a, 2, &w);
    if (r->n == 0) { /* every second packet is answered at once */
        w = packet(buf, tag);
        put_data(&w, *tsn, 1, ssn, 3, 4);
        give(r->a, 2, &w);
    }
    assert_int_equal(r->packets[0][12], 3);
    bool taken = sq_load_u32(r->packets[0] + 16) == *tsn;
    *tsn += taken;
    return taken;
}

/* Messages that wait, thousands of them: what comes near the last of them, the first, or where the
 * latest went finds its place; not even for a sender that means harm are all of them looked at. */
static void few_are_looked_at(void **state)
{
    struct recorder r = {0};
    uint32_t tag = puppet_up(&r), tsn = 1000;
    for (uint16_t ssn = 10; ssn <= 10000; ssn += 2) { /* 0 is missing */
        assert_true(takes(&r, tag, &tsn, ssn));
    }
    assert_false(takes(&r, tag, &tsn, 5001));
    for (uint16_t ssn = 9001; ssn >= 5001; ssn -= 1000) { /* 500 runs from one to the next */
        assert_true(takes(&r, tag, &tsn, ssn));
    }
    assert_true(takes(&r, tag, &tsn, 6003));
    assert_true(takes(&r, tag, &tsn, 1001)); /* near the first */
    assert_true(takes(&r, tag, &tsn, 11));
    assert_false(takes(&r, tag, &tsn, 7003));
    assert_true(takes(&r, tag, &tsn, 10001));
    assert_true(takes(&r, tag, &tsn, 2)); /* before the first */
    assert_int_equal(sq_sctp_get_state(r.a), SQ_SCTP_ESTABLISHED);
    sq_sctp_destroy(r.a);
}

/* Packets of a real call, with random bytes changed and checksums mended: nothing breaks. */
static void mutated_packets(void **state)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct pair p = up(seed, &quiet, &kinds[seed & 1]);
        struct sq_rand r;
        sq_rand_seed(&r, seed);
        for (uint32_t n = 0; n < 10; n++) {
            assert_int_equal(sctp_put(p.a, (uint16_t)(n % 3), n, 1 + sq_rand_below(&r, 4000), n & 1,
                                      n % 3 ? SQ_SCTP_NO_LIMIT : 0, 0),
                             0);
        }
        sctp_net_mutate(p.net, 0.3, seed);
        sctp_net_run(p.net, 20 * SEC);
        sctp_net_free(p.net);
    }
}

/* ---- Without memory ---- */

/* Each allocation fails in turn; what was accepted comes all the same, for the next try succeeds.
 */
static void allocations_fail(void **state)
{
    for (int k = 0; k < 2; k++) {
        for (size_t nth = 1; nth < 1000; nth++) {
            struct sctp_link lossy = {.delay_ns = 10 * MS, .loss = 0.05};
            struct pair p = up(nth, &lossy, &kinds[k]);
            size_t accepted = 0;
            sq_mem_fail_at(nth);
            for (uint32_t n = 0; n < 30; n++) {
                int err = put(p.a, (uint16_t)(n % 3), n, 100 + n * 300);
                assert_true(err == 0 || err == SQ_ERR_NOMEM);
                accepted += err == 0;
                sctp_net_run(p.net, 5 * MS);
            }
            int err = sq_sctp_reset(p.a->a, sctp_net_now(p.net), 0);
            assert_true(err == 0 || err == SQ_ERR_NOMEM);
            sctp_net_run(p.net, 60 * SEC);
            bool reached = sq_mem_count() >= nth;
            sq_mem_fail_at(0);
            assert_int_equal(p.b->got_len, accepted);
            assert_int_equal(p.b->broken, 0);
            sctp_net_free(p.net);
            if (!reached) {
                break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unordered_does_not_wait),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(given_up_by_count),
        cmocka_unit_test(given_up_in_the_middle),
        cmocka_unit_test(given_up_by_time),
        cmocka_unit_test(reliable_without_the_extension),
        cmocka_unit_test(kinds_mixed_over_a_bad_network),
        cmocka_unit_test(fragments_interleave),
        cmocka_unit_test(priorities_share),
        cmocka_unit_test(stream_is_reset),
        cmocka_unit_test(resets_with_loss),
        cmocka_unit_test(sack_tells_gaps_and_duplicates),
        cmocka_unit_test(moving_over_what_was_given_up_is_no_loss),
        cmocka_unit_test(reset_outlives_a_restart),
        cmocka_unit_test(wrong_packets_are_dropped),
        cmocka_unit_test(broken_rules_end_it),
        cmocka_unit_test(forged_cookies_are_refused),
        cmocka_unit_test(held_memory_is_bounded),
        cmocka_unit_test(few_are_looked_at),
        cmocka_unit_test(mutated_packets),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Data channels of whole peers over a simulated network, in virtual time. */
#include "base/mem.h"
#include "sim/simcall.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct message {
    int id;
    bool binary;
    size_t len;
    uint32_t number; /* the first four bytes */
    uint64_t at_ns;
};

/* What a node heard. */
struct heard {
    unsigned opened, opened_remote, closing, closed, low;
    char label[64], protocol[64];
    struct sq_channel_config settings;
    struct sq_channel *channel; /* the latest that opened */
    struct message *messages;
    size_t len, room;
    bool echo;
    bool close_on_message, close_peer_on_message;
    bool act_on_closed;         /* on all of `mine`, in the event of each */
    struct sq_channel *mine[3]; /* that it may act on */
    bool open_on_closed;        /* another one, and says 99 on it */
    struct sq_channel *made;    /* in an event, or NULL */
    int made_err;
};

static void note_message(struct heard *h, const struct sq_peer_event *e)
{
    if (h->len == h->room) {
        h->room = h->room ? 2 * h->room : 64;
        h->messages = realloc(h->messages, h->room * sizeof(*h->messages));
        assert_non_null(h->messages);
    }
    struct message m = {sq_channel_id(e->channel), e->binary, e->data_len, 0, e->now_ns};
    memcpy(&m.number, e->data, e->data_len < 4 ? e->data_len : 4);
    h->messages[h->len++] = m;
}

/* A page that closes all it has, tries to send on it, and opens a new one when it hears of an end.
 */
static void act_on_closed(struct heard *h, struct simnode *node, const struct sq_peer_event *e)
{
    const struct sq_channel_config config = {.label = "anew"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sq_channel_state(h->mine[i]), SQ_CHANNEL_CLOSED);
        assert_int_equal(sq_channel_send(h->mine[i], e->now_ns, true, "x", 1), SQ_ERR_STATE);
        assert_int_equal(sq_channel_buffered_bytes(h->mine[i]), 0);
        sq_channel_close(h->mine[i], e->now_ns);
    }
    if (!h->made) {
        h->made_err = sq_peer_add_channel(simnode_peer(node), e->now_ns, &config, &h->made);
    }
}

static void open_on_closed(struct heard *h, struct simnode *node, const struct sq_peer_event *e)
{
    const struct sq_channel_config config = {.label = "next"};
    static const uint32_t number = 99;
    h->open_on_closed = false;
    assert_int_equal(sq_peer_add_channel(simnode_peer(node), e->now_ns, &config, &h->made), 0);
    assert_int_equal(sq_channel_send(h->made, e->now_ns, true, &number, sizeof(number)), 0);
}

static void on_event(void *ctx, struct simnode *node, const struct sq_peer_event *e)
{
    struct heard *h = ctx;
    switch (e->type) {
    case SQ_PEER_EV_CHANNEL_OPEN:
        h->opened++;
        h->opened_remote += e->from_remote;
        h->channel = e->channel;
        snprintf(h->label, sizeof(h->label), "%s", sq_channel_label(e->channel));
        snprintf(h->protocol, sizeof(h->protocol), "%s", sq_channel_protocol(e->channel));
        sq_channel_settings(e->channel, &h->settings);
        break;
    case SQ_PEER_EV_CHANNEL_MESSAGE:
        note_message(h, e);
        if (h->echo) {
            assert_int_equal(
                sq_channel_send(e->channel, e->now_ns, e->binary, e->data, e->data_len), 0);
        }
        if (h->close_on_message) {
            sq_channel_close(e->channel, e->now_ns);
        }
        if (h->close_peer_on_message) {
            sq_peer_close(simnode_peer(node), e->now_ns);
        }
        break;
    case SQ_PEER_EV_CHANNEL_CLOSING:
        h->closing++;
        break;
    case SQ_PEER_EV_CHANNEL_CLOSED:
        h->closed++;
        h->channel = h->channel == e->channel ? NULL : h->channel;
        if (h->act_on_closed) {
            act_on_closed(h, node, e);
        }
        if (h->open_on_closed) {
            open_on_closed(h, node, e);
        }
        break;
    case SQ_PEER_EV_BUFFERED_LOW:
        h->low++;
        break;
    default:
        break;
    }
}

struct call {
    struct simnet *net;
    struct simnode *a, *b;
    struct heard ha, hb;
};

static void set_links(struct call *c, struct simlink link)
{
    *simnode_link(c->a) = link;
    *simnode_link(c->b) = link;
}

static struct call *call_new(uint64_t seed)
{
    struct call *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    const struct sq_peer_config config = {.accept_data = true};
    c->net = simnet_new(seed, 4);
    c->a = simnet_add(c->net, &config, false, on_event, &c->ha);
    c->b = simnet_add(c->net, &config, false, on_event, &c->hb);
    set_links(c, (struct simlink){.delay_ns = 10 * MS});
    return c;
}

static void call_free(struct call *c)
{
    simnet_free(c->net);
    free(c->ha.messages);
    free(c->hb.messages);
    free(c);
}

static struct sq_channel *channel(struct call *c, struct simnode *node,
                                  const struct sq_channel_config *config)
{
    struct sq_channel *ch;
    assert_int_equal(sq_peer_add_channel(simnode_peer(node), simnet_now(c->net), config, &ch), 0);
    return ch;
}

static void run(struct call *c, uint64_t ns)
{
    simnet_run(c->net, simnet_now(c->net) + ns);
}

static int say(struct call *c, struct sq_channel *ch, bool binary, uint32_t number, size_t len)
{
    uint8_t *bytes = calloc(1, len + 4);
    assert_non_null(bytes);
    memcpy(bytes, &number, sizeof(number));
    int err = sq_channel_send(ch, simnet_now(c->net), binary, bytes, len);
    free(bytes);
    return err;
}

static struct sq_data_stats stats(struct simnode *node)
{
    struct sq_data_stats s;
    sq_peer_data_stats(simnode_peer(node), &s);
    return s;
}

/* An open channel from a; the other end is in hb.channel. */
static struct sq_channel *open_one(struct call *c, const struct sq_channel_config *config)
{
    struct sq_channel *ch = channel(c, c->a, config);
    assert_int_equal(sq_channel_state(ch), SQ_CHANNEL_CONNECTING);
    assert_int_equal(say(c, ch, true, 0, 4), SQ_ERR_STATE);
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, 3 * SEC);
    assert_int_equal(sq_channel_state(ch), SQ_CHANNEL_OPEN);
    assert_non_null(c->hb.channel);
    return ch;
}

static void data_alone(void **state)
{
    struct call *c = call_new(1);
    const struct sq_channel_config config = {.label = "chat", .protocol = "x.squall"};
    struct sq_channel *ch = open_one(c, &config);
    assert_string_equal(c->hb.label, "chat");
    assert_string_equal(c->hb.protocol, "x.squall");
    assert_int_equal(c->hb.opened_remote, 1);
    assert_int_equal(c->ha.opened_remote, 0);
    assert_false(c->hb.settings.unordered);
    assert_connected(c->a);
    assert_connected(c->b);
    c->hb.echo = true;
    static const size_t sizes[] = {0, 1, 4, 1000, 65536, 262144};
    for (uint32_t i = 0; i < 12; i++) {
        assert_int_equal(say(c, ch, i & 1, i, sizes[i / 2]), 0);
    }
    assert_int_equal(say(c, ch, true, 0, 262145), SQ_ERR_INVALID);
    run(c, 5 * SEC);
    for (uint32_t i = 0; i < 12; i++) {
        assert_int_equal(c->hb.messages[i].len, sizes[i / 2]);
        assert_int_equal(c->ha.messages[i].len, sizes[i / 2]);
        assert_int_equal(c->ha.messages[i].binary, i & 1);
    }
    assert_int_equal(c->ha.len, 12);
    struct sq_data_stats s = stats(c->a);
    assert_int_equal(s.messages_sent, 12);
    assert_int_equal(s.messages_received, 12);
    assert_int_equal(s.bytes_sent, s.bytes_received);
    assert_string_equal(s.state, "connected");
    assert_int_equal(s.max_message_size, 262144);
    assert_int_equal(s.data_channels_opened, 1);
    call_free(c);
}

static void beside_media(void **state)
{
    struct call *c = call_new(2);
    const struct sq_channel_config config = {.label = "beside"};
    add_both(c->a);
    add_both(c->b);
    struct sq_channel *ch = channel(c, c->a, &config);
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, 20 * SEC);
    assert_int_equal(say(c, ch, false, 7, 100), 0);
    run(c, SEC);
    assert_int_equal(c->hb.len, 1);
    struct sq_inbound_stats in = in_stats(c->net, c->b, 1);
    assert_true(in.frames_decoded > 300);
    assert_int_equal(in.packets_missing, 0);
    call_free(c);
}

/* A peer that takes no data refuses the section; both may want channels later. */
static void refused(void **state)
{
    struct call *c = calloc(1, sizeof(*c));
    c->net = simnet_new(3, 4);
    const struct sq_peer_config no = {0};
    const struct sq_channel_config config = {0};
    c->a = simnet_add(c->net, &no, false, on_event, &c->ha);
    c->b = simnet_add(c->net, &no, false, on_event, &c->hb);
    set_links(c, (struct simlink){.delay_ns = 10 * MS});
    add_both(c->a);
    add_both(c->b);
    struct sq_channel *ch = channel(c, c->a, &config);
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, 10 * SEC);
    assert_connected(c->a);
    assert_int_equal(sq_channel_state(ch), SQ_CHANNEL_CONNECTING);
    assert_false(stats(c->a).negotiated);
    struct sq_channel *late;
    assert_int_equal(sq_peer_add_channel(simnode_peer(c->b), simnet_now(c->net), &config, &late),
                     0);
    (void)channel(c, c->a, &config); /* which wants it again */
    simnet_negotiate(c->net, c->b, c->a, false);
    run(c, 2 * SEC);
    assert_int_equal(sq_channel_state(late), SQ_CHANNEL_OPEN);
    assert_int_equal(say(c, late, true, 3, 50), 0);
    run(c, SEC);
    assert_int_equal(c->ha.len, 1);
    call_free(c);
}

/* Media first, the channel by a second offer, soon or long after the handshake. */
static void added_after(uint64_t ns)
{
    struct call *c = call_new(4);
    const struct sq_channel_config config = {.label = "late"};
    add_both(c->a);
    add_both(c->b);
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, ns);
    struct sq_channel *ch = channel(c, c->b, &config);
    simnet_negotiate(c->net, c->b, c->a, false);
    run(c, 2 * SEC);
    assert_int_equal(sq_channel_state(ch), SQ_CHANNEL_OPEN);
    assert_string_equal(c->ha.label, "late");
    /* A further one needs no offer. */
    struct sq_channel *more = channel(c, c->a, &config);
    run(c, SEC);
    assert_int_equal(sq_channel_state(more), SQ_CHANNEL_OPEN);
    /* RFC 8832, section 6: the DTLS client's are even. */
    struct sq_transport_stats t = transport_stats(c->a);
    assert_int_equal(sq_channel_id(more) % 2, strcmp(t.dtls_role, "client") == 0 ? 0 : 1);
    assert_int_not_equal(sq_channel_id(more) % 2, sq_channel_id(ch) % 2);
    call_free(c);
}

static void added_later(void **state)
{
    added_after(SEC);
    added_after(30 * SEC);
}

/* A goodbye that nobody listened for is the end of DTLS all the same: no channel can come. */
static void added_after_a_goodbye(void **state)
{
    (void)state;
    struct call *c = call_new(4);
    const struct sq_channel_config config = {.label = "late"};
    struct sq_channel *ch;
    add_both(c->a);
    add_both(c->b);
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, 10 * SEC);
    sq_peer_close(simnode_peer(c->b), simnet_now(c->net));
    run(c, SEC);
    assert_int_equal(simnode_state(c->a), SQ_PEER_CONNECTED);
    assert_int_equal(sq_peer_add_channel(simnode_peer(c->a), simnet_now(c->net), &config, &ch),
                     SQ_ERR_STATE);
    assert_int_equal(sq_peer_want_data(simnode_peer(c->a)), SQ_ERR_STATE);
    call_free(c);
}

static void negotiated_by_hand(void **state)
{
    struct call *c = call_new(5);
    const struct sq_channel_config config = {.label = "x", .negotiated = true, .id = 1000};
    const struct sq_channel_config bad = {.negotiated = true, .id = 65535};
    struct sq_channel *a = channel(c, c->a, &config);
    struct sq_channel *b = channel(c, c->b, &config);
    struct sq_channel *none;
    assert_int_equal(sq_peer_add_channel(simnode_peer(c->a), 0, &config, &none), SQ_ERR_INVALID);
    assert_int_equal(sq_peer_add_channel(simnode_peer(c->a), 0, &bad, &none), SQ_ERR_INVALID);
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, 2 * SEC);
    assert_int_equal(sq_channel_state(a), SQ_CHANNEL_OPEN);
    assert_int_equal(sq_channel_state(b), SQ_CHANNEL_OPEN);
    assert_int_equal(c->ha.opened_remote + c->hb.opened_remote, 0);
    assert_int_equal(say(c, b, true, 3, 10), 0);
    run(c, SEC);
    assert_int_equal(c->ha.len, 1);
    assert_int_equal(c->ha.messages[0].id, 1000);
    call_free(c);
}

static void kinds_are_told(void **state)
{
    for (int i = 0; i < 6; i++) {
        struct call *c = call_new(6);
        const struct sq_channel_config config = {
            .unordered = i & 1,
            .limit_retransmits = i / 2 == 1,
            .max_retransmits = i / 2 == 1 ? 3 : 0,
            .limit_lifetime = i / 2 == 2,
            .max_lifetime_ms = i / 2 == 2 ? 250 : 0,
            .priority = 512,
        };
        open_one(c, &config);
        const struct sq_channel_config *got = &c->hb.settings;
        assert_int_equal(got->unordered, config.unordered);
        assert_int_equal(got->limit_retransmits, config.limit_retransmits);
        assert_int_equal(got->limit_lifetime, config.limit_lifetime);
        assert_int_equal(got->max_retransmits, config.max_retransmits);
        assert_int_equal(got->max_lifetime_ms, config.max_lifetime_ms);
        assert_int_equal(got->priority, 512);
        call_free(c);
    }
}

/* Sends 300 messages over a bad link, and says how many came out of order, and how many came. */
static void over_a_bad_link(const struct sq_channel_config *config, uint64_t seed,
                            unsigned *ret_disordered, size_t *ret_came, uint64_t *ret_abandoned)
{
    struct call *c = call_new(seed);
    struct sq_channel *ch = open_one(c, config);
    set_links(c, (struct simlink){.delay_ns = 20 * MS, .loss = 0.1});
    for (uint32_t n = 0; n < 300; n++) {
        assert_int_equal(say(c, ch, true, n, 500), 0);
        run(c, 10 * MS);
    }
    run(c, 60 * SEC);
    *ret_disordered = 0;
    for (size_t i = 1; i < c->hb.len; i++) {
        *ret_disordered += c->hb.messages[i].number < c->hb.messages[i - 1].number;
    }
    *ret_came = c->hb.len;
    *ret_abandoned = stats(c->a).messages_abandoned;
    assert_int_equal(sq_channel_buffered_bytes(ch), 0);
    call_free(c);
}

static void kinds_behave(void **state)
{
    unsigned disordered;
    size_t came;
    uint64_t abandoned;
    const struct sq_channel_config plain = {0};
    over_a_bad_link(&plain, 10, &disordered, &came, &abandoned);
    assert_int_equal(came, 300);
    assert_int_equal(disordered, 0);

    const struct sq_channel_config unordered = {.unordered = true};
    over_a_bad_link(&unordered, 11, &disordered, &came, &abandoned);
    assert_int_equal(came, 300);
    assert_true(disordered > 10);

    const struct sq_channel_config once = {.limit_retransmits = true};
    over_a_bad_link(&once, 12, &disordered, &came, &abandoned);
    assert_true(came < 290 && came > 240); /* 10 % are lost */
    assert_int_equal(disordered, 0);
    assert_true(abandoned >= 300 - came);

    const struct sq_channel_config twice = {
        .unordered = true, .limit_retransmits = true, .max_retransmits = 1};
    over_a_bad_link(&twice, 13, &disordered, &came, &abandoned);
    assert_true(came > 285 && came < 300); /* 1 % */
    assert_true(disordered > 10);

    const struct sq_channel_config timed = {.limit_lifetime = true, .max_lifetime_ms = 30};
    over_a_bad_link(&timed, 14, &disordered, &came, &abandoned);
    assert_true(came < 295);
    assert_int_equal(disordered, 0);
    assert_true(abandoned > 0);
}

static void closed_from_either_side(void **state)
{
    for (int side = 0; side < 2; side++) {
        struct call *c = call_new(20);
        const struct sq_channel_config config = {.label = "x"};
        struct sq_channel *ch = open_one(c, &config);
        int id = sq_channel_id(ch);
        for (uint32_t n = 0; n < 20; n++) { /* what waits is still sent */
            assert_int_equal(say(c, ch, true, n, 20000), 0);
        }
        if (side == 1) {
            run(c, 5 * SEC);
        }
        sq_channel_close(side == 0 ? ch : c->hb.channel, simnet_now(c->net));
        assert_int_equal(say(c, side == 0 ? ch : c->hb.channel, true, 0, 4), SQ_ERR_STATE);
        run(c, 5 * SEC);
        assert_int_equal(c->hb.len, 20);
        assert_int_equal(c->ha.closed, 1);
        assert_int_equal(c->hb.closed, 1);
        assert_int_equal(c->ha.closing, side);
        assert_null(sq_peer_channel(simnode_peer(c->a), 0));
        /* The id is free again, and its stream begins anew. */
        ch = channel(c, c->a, &config);
        run(c, SEC);
        assert_int_equal(sq_channel_id(ch), id);
        assert_int_equal(say(c, ch, true, 77, 50), 0);
        run(c, SEC);
        assert_int_equal(c->hb.messages[20].number, 77);
        assert_int_equal(stats(c->a).data_channels_opened, 2);
        assert_int_equal(stats(c->a).data_channels_closed, 1);
        call_free(c);
    }
}

static void closed_from_both_sides_with_loss(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct call *c = call_new(seed);
        const struct sq_channel_config config = {.label = "x"};
        struct sq_channel *ch = open_one(c, &config);
        set_links(c, (struct simlink){.delay_ns = 20 * MS, .loss = 0.2});
        assert_int_equal(say(c, ch, true, 1, 5000), 0);
        sq_channel_close(ch, simnet_now(c->net));
        sq_channel_close(c->hb.channel, simnet_now(c->net));
        run(c, 60 * SEC);
        assert_int_equal(c->ha.closed, 1);
        assert_int_equal(c->hb.closed, 1);
        call_free(c);
    }
}

/* The stream is taken for another channel at once. The answer to the other side's reset may have
 * been lost: the new channel comes before that of the old one is over there. */
static void opened_while_the_other_side_closes(void **state)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct call *c = call_new(seed);
        const struct sq_channel_config config = {.label = "x"};
        struct sq_channel *ch = open_one(c, &config);
        int id = sq_channel_id(ch);
        set_links(c, (struct simlink){.delay_ns = 20 * MS, .loss = 0.2});
        c->ha.open_on_closed = true;
        sq_channel_close(ch, simnet_now(c->net));
        run(c, 60 * SEC);
        assert_int_equal(c->ha.closed, 1);
        assert_int_equal(c->hb.closed, 1);
        assert_int_equal(sq_channel_id(c->ha.made), id);
        assert_int_equal(c->hb.opened_remote, 2);
        assert_string_equal(c->hb.label, "next");
        assert_int_equal(c->hb.len, 1);
        assert_int_equal(c->hb.messages[0].number, 99);
        assert_int_equal(sq_channel_state(c->hb.channel), SQ_CHANNEL_OPEN);
        call_free(c);
    }
}

static void closed_within_events(void **state)
{
    struct call *c = call_new(30);
    const struct sq_channel_config config = {0};
    struct sq_channel *ch = open_one(c, &config);
    c->hb.close_on_message = true;
    for (uint32_t n = 0; n < 5; n++) {
        assert_int_equal(say(c, ch, true, n, 10), 0);
    }
    run(c, 3 * SEC);
    assert_int_equal(c->ha.closed, 1);
    assert_int_equal(c->hb.closed, 1);
    /* The whole peer goes within the event of a message. */
    ch = channel(c, c->a, &config);
    run(c, SEC);
    c->hb.close_peer_on_message = true;
    assert_int_equal(say(c, ch, true, 0, 100000), 0);
    run(c, 3 * SEC);
    assert_int_equal(sq_peer_state(simnode_peer(c->b)), SQ_PEER_CLOSED);
    assert_int_equal(c->ha.closed, 2); /* told by ABORT */
    call_free(c);
}

static void three_channels(struct call *c)
{
    const struct sq_channel_config config = {0};
    c->ha.mine[0] = open_one(c, &config);
    c->ha.mine[1] = channel(c, c->a, &config);
    c->ha.mine[2] = channel(c, c->a, &config);
    run(c, SEC);
    assert_int_equal(c->ha.opened, 3);
    c->ha.act_on_closed = true;
}

/* The transport goes under three channels: whoever hears of one end may act on the others. */
static void transport_ends_under_all(void **state)
{
    struct call *c = call_new(31);
    three_channels(c);
    set_links(c, (struct simlink){.delay_ns = 10 * MS, .drop_data = true});
    sq_peer_close(simnode_peer(c->b), simnet_now(c->net)); /* a close_notify, without the ABORT */
    run(c, SEC);
    assert_int_equal(simnode_cause(c->a), SQ_PEER_CAUSE_MEDIA_LOST);
    assert_int_equal(c->ha.closed, 3);
    assert_int_equal(stats(c->a).data_channels_closed, 3);
    call_free(c);
}

/* The other side ends the association alone (ABORT): no channel can come any more. */
static void association_ends_under_all(void **state)
{
    struct call *c = call_new(32);
    three_channels(c);
    sq_peer_close(simnode_peer(c->b), simnet_now(c->net));
    run(c, SEC);
    assert_int_equal(c->ha.closed, 3);
    assert_int_equal(c->ha.made_err, SQ_ERR_STATE);
    assert_int_equal(stats(c->a).data_channels_closed, 3);
    call_free(c);
}

static void buffered_amount(void **state)
{
    struct call *c = call_new(40);
    const struct sq_channel_config config = {0};
    struct sq_channel *ch = open_one(c, &config);
    set_links(c, (struct simlink){.delay_ns = 10 * MS, .rate_bps = 4000000, .queue_bytes = 50000});
    sq_channel_set_buffered_low(ch, 100000);
    for (uint32_t n = 0; n < 8; n++) {
        assert_int_equal(say(c, ch, true, n, 50000), 0);
    }
    assert_true(sq_channel_buffered_bytes(ch) > 380000);
    assert_int_equal(c->ha.low, 0);
    run(c, 10 * SEC);
    assert_int_equal(c->ha.low, 1);
    assert_int_equal(sq_channel_buffered_bytes(ch), 0);
    assert_int_equal(c->hb.len, 8);
    /* Sixteen megabytes may wait, and not a byte more. */
    size_t sent = 0;
    while (say(c, ch, true, 0, 262144) == 0) {
        sent += 262144;
    }
    assert_in_range(sent, 15 << 20, (16 << 20) + 262144);
    assert_int_equal(say(c, ch, true, 0, 262144), SQ_ERR_AGAIN);
    call_free(c);
}

/* With interleaving a small message of one channel passes by a large one of another. */
static void small_passes_large(void **state)
{
    struct call *c = call_new(50);
    const struct sq_channel_config config = {0};
    struct sq_channel *large = open_one(c, &config);
    struct sq_channel *small = channel(c, c->a, &config);
    run(c, SEC);
    assert_true(stats(c->a).interleaving);
    set_links(c, (struct simlink){.delay_ns = 10 * MS, .rate_bps = 2000000, .queue_bytes = 20000});
    assert_int_equal(say(c, large, true, 1, 262144), 0); /* more than a second of the link */
    run(c, 100 * MS);
    assert_int_equal(say(c, small, true, 2, 100), 0);
    uint64_t sent = simnet_now(c->net);
    run(c, 10 * SEC);
    assert_int_equal(c->hb.len, 2);
    assert_int_equal(c->hb.messages[0].number, 2);
    assert_true(c->hb.messages[0].at_ns - sent < 250 * MS);
    assert_true(c->hb.messages[1].at_ns - sent > 800 * MS);
    call_free(c);
}

static void many_channels(void **state)
{
    struct call *c = call_new(60);
    struct sq_channel *all[200];
    for (int i = 0; i < 200; i++) {
        const struct sq_channel_config config = {.label = "many"};
        all[i] = channel(c, i & 1 ? c->a : c->b, &config);
    }
    simnet_negotiate(c->net, c->a, c->b, false);
    run(c, 5 * SEC);
    assert_int_equal(c->ha.opened, 200);
    assert_int_equal(c->hb.opened, 200);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(say(c, all[i], true, i, 100), 0);
    }
    run(c, 5 * SEC);
    assert_int_equal(c->ha.len, 100);
    assert_int_equal(c->hb.len, 100);
    for (int i = 0; i < 200; i++) {
        sq_channel_close(all[i], simnet_now(c->net));
    }
    run(c, 20 * SEC);
    assert_int_equal(c->ha.closed, 200);
    assert_int_equal(c->hb.closed, 200);
    call_free(c);
}

/* Each allocation of a data call fails in turn. Calls that fail say so, and nothing is leaked or
 * lost for good that was not said to be. */
static void allocations_fail(void **state)
{
    for (size_t nth = 1; nth < 4000; nth += 1 + nth / 40) {
        struct call *c = call_new(70);
        const struct sq_channel_config config = {.label = "oom", .protocol = "p"};
        struct sq_channel *ch = channel(c, c->a, &config);
        simnet_negotiate(c->net, c->a, c->b, false);
        sq_mem_fail_at(nth);
        run(c, 3 * SEC);
        for (uint32_t n = 0; c->ha.channel == ch && n < 20; n++) {
            int err = say(c, ch, true, n, 3000);
            assert_true(err == 0 || err == SQ_ERR_NOMEM || err == SQ_ERR_STATE);
            run(c, 20 * MS);
        }
        if (c->ha.channel == ch) {
            sq_channel_close(ch, simnet_now(c->net));
        }
        run(c, 10 * SEC);
        bool reached = sq_mem_count() >= nth;
        sq_mem_fail_at(0);
        call_free(c);
        if (!reached) {
            break;
        }
    }
}

/* ---- Memory ---- */

#define MEMORY_CALLS 10

static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* Heap of a peer with audio and video (the simulated network's included), with a channel or
 * without. */
static size_t heap_of_a_peer(bool with_data)
{
    const struct sq_channel_config config = {.label = "beside"};
    struct call *calls[MEMORY_CALLS];
    size_t before = heap();
    for (size_t i = 0; i < MEMORY_CALLS; i++) {
        struct call *c = calls[i] = call_new(40 + i);
        add_both(c->a);
        add_both(c->b);
        struct sq_channel *ch = with_data ? channel(c, c->a, &config) : NULL;
        simnet_negotiate(c->net, c->a, c->b, false);
        run(c, 3 * SEC);
        if (with_data) {
            assert_int_equal(say(c, ch, true, 1, 100), 0);
            run(c, SEC);
            assert_int_equal(c->hb.len, 1);
        } else {
            run(c, SEC);
        }
    }
    size_t bytes = (heap() - before) / (2 * (size_t)MEMORY_CALLS);
    for (size_t i = 0; i < MEMORY_CALLS; i++) {
        call_free(calls[i]);
    }
    return bytes;
}

/* A channel costs its association, and no state of OpenSSL's. (A sanitizer's malloc tells nothing:
 * then both are 0.) */
static void memory_of_a_channel(void **state)
{
    (void)state;
    (void)heap_of_a_peer(true); /* what is made once is made */
    size_t media = heap_of_a_peer(false);
    size_t data = heap_of_a_peer(true);
    print_message("           heap: %zu bytes a peer with audio and video, %zu with a channel\n",
                  media, data);
    assert_true(data < media + 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_alone),
        cmocka_unit_test(beside_media),
        cmocka_unit_test(refused),
        cmocka_unit_test(added_later),
        cmocka_unit_test(added_after_a_goodbye),
        cmocka_unit_test(negotiated_by_hand),
        cmocka_unit_test(kinds_are_told),
        cmocka_unit_test(kinds_behave),
        cmocka_unit_test(closed_from_either_side),
        cmocka_unit_test(closed_from_both_sides_with_loss),
        cmocka_unit_test(opened_while_the_other_side_closes),
        cmocka_unit_test(closed_within_events),
        cmocka_unit_test(transport_ends_under_all),
        cmocka_unit_test(association_ends_under_all),
        cmocka_unit_test(buffered_amount),
        cmocka_unit_test(small_passes_large),
        cmocka_unit_test(many_channels),
        cmocka_unit_test(allocations_fail),
        cmocka_unit_test(memory_of_a_channel),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}

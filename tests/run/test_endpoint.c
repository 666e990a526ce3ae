/* Endpoints: peers on real sockets of the loopback, two on one loop. */
#include "base/mem.h"
#include "base/time.h"
#include "net/udp.h"
#include "peer/ice/ice.h"
#include "run/endpoint.h"
#include "run/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 15000

struct side {
    struct sq_carrier *carrier;
    struct sq_endpoint *endpoint;
    enum sq_peer_state state;
    unsigned audio, video, nominated, restarts, events, events_after_close;
    char text[SQ_PEER_TEXT_MAX]; /* of its failure */
    bool close_self_at_media;    /* what to do within the call-back */
    struct side *close_at_media;
};

struct room {
    struct sq_loop *loop;
    struct side a, b;
};

static void close_side(struct side *side)
{
    struct sq_endpoint *endpoint = side->endpoint;
    side->endpoint = NULL;
    sq_endpoint_close(endpoint);
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct side *side = ctx;
    side->events++;
    if (side->endpoint != endpoint) {
        side->events_after_close++;
        return;
    }
    if (event->type == SQ_PEER_EV_STATE) {
        side->state = event->state;
        snprintf(side->text, sizeof(side->text), "%s", event->text ? event->text : "");
    } else if (event->type == SQ_PEER_EV_SELECTED_PAIR && event->nominated) {
        side->nominated++;
    } else if (event->type == SQ_PEER_EV_ICE_RESTART) {
        side->restarts++;
    } else if (event->type == SQ_PEER_EV_FIRST_MEDIA) {
        bool video = sq_track_kind(event->track) == SQ_MEDIA_VIDEO;
        *(video ? &side->video : &side->audio) += 1;
        if (side->close_at_media) {
            close_side(side->close_at_media);
            side->close_at_media = NULL;
        }
        if (side->close_self_at_media) {
            close_side(side);
        }
    }
}

static const struct sq_endpoint_ops ops = {.event = on_event};

static struct sq_carrier *make_carrier(struct sq_loop *loop, const char *ip,
                                       struct sq_carrier_config config)
{
    struct sq_addr addr;
    struct sq_carrier *carrier;
    assert_int_equal(sq_addr_parse(ip, 0, &addr), 0);
    config.addrs = &addr;
    config.addrs_len = 1;
    config.settle_ns = config.settle_ns ? config.settle_ns : 1;
    assert_int_equal(sq_carrier_create(loop, &config, &carrier), 0);
    return carrier;
}

static void make_side(struct side *side)
{
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SQ_NS_PER_SEC};
    assert_int_equal(sq_endpoint_create(side->carrier, &config, NULL, &ops, side, &side->endpoint),
                     0);
    assert_ptr_equal(sq_endpoint_of(sq_endpoint_peer(side->endpoint)), side->endpoint);
    assert_ptr_equal(sq_endpoint_ctx(side->endpoint), side);
}

/* Each side with a carrier of its own, as client and server have them. */
static void make_sides(struct room *room, const char *ip, struct sq_carrier_config config)
{
    memset(room, 0, sizeof(*room));
    assert_int_equal(sq_loop_new(NULL, &room->loop), 0);
    config.seed++;
    room->a.carrier = make_carrier(room->loop, ip, config);
    config.seed++;
    room->b.carrier = make_carrier(room->loop, ip, config);
    make_side(&room->a);
    make_side(&room->b);
}

static void make_room(struct room *room, const char *ip, struct sq_carrier_config config)
{
    make_sides(room, ip, config);
    rig_add_tracks(sq_endpoint_peer(room->a.endpoint));
    rig_negotiate(room->loop, sq_endpoint_peer(room->a.endpoint),
                  sq_endpoint_peer(room->b.endpoint), false);
}

static void free_room(struct room *room)
{
    assert_int_equal(room->a.events_after_close + room->b.events_after_close, 0);
    sq_carrier_destroy(room->a.carrier);
    sq_carrier_destroy(room->b.carrier);
    sq_loop_free(room->loop);
}

static uint64_t received(const struct side *side, size_t track)
{
    struct sq_inbound_stats in;
    sq_track_inbound_stats(sq_peer_track(sq_endpoint_peer(side->endpoint), track), 0, &in);
    return in.packets_received;
}

static struct sq_transport_stats transport_of(const struct side *side)
{
    struct sq_transport_stats t;
    sq_peer_transport_stats(sq_endpoint_peer(side->endpoint), &t);
    return t;
}

static bool media_both_ways(void *ctx)
{
    struct room *room = ctx;
    const struct side *sides[] = {&room->a, &room->b};
    for (int i = 0; i < 2; i++) {
        if (!sides[i]->audio || !sides[i]->video || !sides[i]->nominated ||
            received(sides[i], 0) < 20 || received(sides[i], 1) < 20) {
            return false;
        }
    }
    return true;
}

static void talk(const char *ip, struct sq_carrier_config config, const char *profile)
{
    struct room room;
    make_room(&room, ip, config);
    assert_true(rig_until(room.loop, media_both_ways, &room, LIMIT_MS));
    const struct side *sides[] = {&room.a, &room.b};
    for (int i = 0; i < 2; i++) {
        struct sq_transport_stats t = transport_of(sides[i]);
        sq_carrier_poll(sides[i]->carrier);
        assert_int_equal(sides[i]->state, SQ_PEER_CONNECTED);
        assert_string_equal(t.srtp_profile, profile);
        assert_int_equal(t.srtp_errors, 0);
        assert_string_equal(t.local_type, "host");
        int fd = rig_socket_of(t.local_addr);
        assert_true(fd >= 0);
        assert_true(rig_is_connected(fd));
        const struct sq_carrier_counters *c = sq_carrier_counters(sides[i]->carrier);
        assert_int_equal(c->endpoints, 1);
        assert_int_equal(c->send_errors + c->send_refused, 0);
        assert_int_equal(c->datagrams_received, t.packets_received);
        assert_int_equal(c->datagrams_sent, t.packets_sent);
        assert_int_equal(c->bytes_received, t.bytes_received);
        assert_int_equal(c->bytes_sent, t.bytes_sent);
    }
    /* What one side sent is what the other received, but for what is on its way. */
    const struct sq_carrier_counters *a = sq_carrier_counters(room.a.carrier);
    const struct sq_carrier_counters *b = sq_carrier_counters(room.b.carrier);
    assert_true(b->datagrams_received <= a->datagrams_sent &&
                b->datagrams_received + 40 > a->datagrams_sent);

    assert_int_equal(a->receive_drops, 0);
    free_room(&room);
}

static void ipv4(void **state)
{
    (void)state;
    talk("127.0.0.1", (struct sq_carrier_config){.seed = 1}, "AEAD_AES_128_GCM");
}

static void ipv6(void **state)
{
    (void)state;
    talk("::1", (struct sq_carrier_config){.seed = 2}, "AEAD_AES_128_GCM");
}

static void the_other_profile(void **state)
{
    (void)state;
    talk("127.0.0.1", (struct sq_carrier_config){.seed = 3, .prefer_cm = true},
         "AES_CM_128_HMAC_SHA1_80");
}

static void without_libipsec_mb(void **state)
{
    (void)state;
    talk("127.0.0.1", (struct sq_carrier_config){.seed = 4, .force_openssl_srtp = true},
         "AEAD_AES_128_GCM");
    talk("127.0.0.1",
         (struct sq_carrier_config){.seed = 5, .force_openssl_srtp = true, .prefer_cm = true},
         "AES_CM_128_HMAC_SHA1_80");
}

/* ---- ICE restart ---- */

static bool both_nominated(void *ctx)
{
    struct room *room = ctx;
    return room->a.nominated > 0 && room->b.nominated > 0;
}

static bool both_nominated_again(void *ctx)
{
    struct room *room = ctx;
    return room->a.nominated > 1 && room->b.nominated > 1;
}

struct sockets {
    int a, b;
};

static bool both_connected(void *ctx)
{
    const struct sockets *fds = ctx;
    return rig_is_connected(fds->a) && rig_is_connected(fds->b);
}

struct more {
    struct room *room;
    uint64_t a, b;
};

static bool more_video(void *ctx)
{
    struct more *m = ctx;
    return received(&m->room->a, 1) > m->a + 20 && received(&m->room->b, 1) > m->b + 20;
}

/* A restart may bring other remote addresses: the socket must hear them, and is connected again
 * once a pair of the new generation is nominated. */
static void a_restart_disconnects(void **state)
{
    (void)state;
    struct room room;
    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 6});
    assert_true(rig_until(room.loop, media_both_ways, &room, LIMIT_MS));
    int fd_a = rig_socket_of(transport_of(&room.a).local_addr);
    int fd_b = rig_socket_of(transport_of(&room.b).local_addr);
    assert_true(rig_is_connected(fd_a) && rig_is_connected(fd_b));
    room.a.nominated = room.b.nominated = 1;
    rig_negotiate(room.loop, sq_endpoint_peer(room.a.endpoint), sq_endpoint_peer(room.b.endpoint),
                  true);
    assert_int_equal(room.a.restarts, 1);
    assert_int_equal(room.b.restarts, 1);
    assert_false(rig_is_connected(fd_a) || rig_is_connected(fd_b));
    assert_true(rig_until(room.loop, both_nominated_again, &room, LIMIT_MS));
    struct sockets fds = {fd_a, fd_b};
    assert_true(rig_until(room.loop, both_connected, &fds, LIMIT_MS));
    struct more m = {&room, received(&room.a, 1), received(&room.b, 1)};
    assert_true(rig_until(room.loop, more_video, &m, LIMIT_MS));
    assert_int_equal(room.a.state, SQ_PEER_CONNECTED);
    free_room(&room);
}

/* A pair that does not answer any more: the other side may come back from another address, so that
 * the socket hears everybody until it is there again. */
static void silence_disconnects(void **state)
{
    (void)state;
    struct room room;
    const struct sq_channel_config channel = {.label = "quiet"}; /* no media, which would fill b's
                                                                    socket below */
    struct sq_channel *a, *b;
    make_sides(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 7});
    struct sq_peer *peer = sq_endpoint_peer(room.a.endpoint);
    struct sq_peer *other = sq_endpoint_peer(room.b.endpoint);
    assert_int_equal(sq_peer_add_channel(peer, sq_loop_now(room.loop), &channel, &a), 0);
    assert_int_equal(sq_peer_add_channel(other, sq_loop_now(room.loop), &channel, &b), 0);
    rig_negotiate(room.loop, peer, other, false);
    assert_true(rig_until(room.loop, both_nominated, &room, LIMIT_MS));
    struct sockets fds = {rig_socket_of(transport_of(&room.a).local_addr),
                          rig_socket_of(transport_of(&room.b).local_addr)};
    assert_true(rig_until(room.loop, both_connected, &fds, LIMIT_MS));
    /* Consent checks go unanswered, for the loop does not run: 6 s until one is due, 7 s of silence
     * (RFC 7675 and struct sq_ice_config). */
    uint64_t at_ns = sq_loop_now(room.loop), end_ns = at_ns + 20 * SQ_NS_PER_SEC;
    for (; room.a.state == SQ_PEER_CONNECTED && at_ns < end_ns; at_ns += 50 * SQ_NS_PER_MS) {
        sq_peer_on_timeout(peer, at_ns);
    }
    assert_int_equal(room.a.state, SQ_PEER_DISCONNECTED);
    assert_false(rig_is_connected(fds.a));
    assert_true(rig_is_connected(fds.b));
    assert_true(rig_until(room.loop, both_connected, &fds, LIMIT_MS));
    assert_int_equal(room.a.state, SQ_PEER_CONNECTED);
    free_room(&room);
}

/* Before the pair has settled, the other side may still send from another address: nothing of it
 * may be lost in the kernel. */
static void sockets_hear_everybody_at_first(void **state)
{
    (void)state;
    struct room room;
    make_room(&room, "127.0.0.1",
              (struct sq_carrier_config){.seed = 8, .settle_ns = 100 * SQ_NS_PER_SEC});
    assert_true(rig_until(room.loop, media_both_ways, &room, LIMIT_MS));
    assert_false(rig_is_connected(rig_socket_of(transport_of(&room.a).local_addr)));
    assert_false(rig_is_connected(rig_socket_of(transport_of(&room.b).local_addr)));
    free_room(&room);
}

static uint64_t receive_buffer_most(void)
{
    FILE *f = fopen("/proc/sys/net/core/rmem_max", "re");
    unsigned long long bytes = 0;
    bool read = f && fscanf(f, "%llu", &bytes) == 1;
    if (f) {
        fclose(f);
    }
    return read ? bytes : 0;
}

struct flood {
    struct side *side;
    uint64_t until;
};

static bool heard_all(void *ctx)
{
    const struct flood *f = ctx;
    return sq_carrier_counters(f->side->carrier)->datagrams_received >= f->until;
}

/* As when all of a room of sixty send a key frame at once: thrice what a socket takes by itself. */
static void a_rooms_key_frames_wait(void **state)
{
    (void)state;
    static const uint8_t bytes[1100];
    struct room room;
    struct sq_addr to;
    if (receive_buffer_most() < SQ_UDP_MEDIA_BYTES) {
        skip();
    }
    make_room(&room, "127.0.0.1",
              (struct sq_carrier_config){.seed = 8, .settle_ns = 100 * SQ_NS_PER_SEC});
    assert_true(rig_until(room.loop, media_both_ways, &room, LIMIT_MS));
    socklen_t len = sizeof(to);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getsockname(rig_socket_of(transport_of(&room.a).local_addr), &to.sa, &len), 0);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(sendto(fd, bytes, sizeof(bytes), 0, &to.sa, len), sizeof(bytes));
    }
    struct flood f = {&room.a, sq_carrier_counters(room.a.carrier)->datagrams_received + 300};
    assert_true(rig_until(room.loop, heard_all, &f, LIMIT_MS));
    sq_carrier_poll(room.a.carrier);
    assert_int_equal(sq_carrier_counters(room.a.carrier)->receive_drops, 0);
    close(fd);
    free_room(&room);
}

struct stranger {
    int fd;
    struct sq_addr to;
    uint64_t until_ns;
};

static bool talked_long_enough(void *ctx)
{
    struct stranger *s = ctx;
    assert_int_equal(sendto(s->fd, "x", 1, 0, &s->to.sa, sq_addr_len(&s->to)), 1);
    return sq_clock_ns() >= s->until_ns;
}

/* Nor later, as long as somebody else is heard. */
static void strangers_keep_a_socket_open(void **state)
{
    (void)state;
    struct room room;
    const uint64_t settle_ns = 100 * SQ_NS_PER_MS;
    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 9, .settle_ns = settle_ns});
    assert_true(rig_until(room.loop, media_both_ways, &room, LIMIT_MS));
    struct sockets fds = {rig_socket_of(transport_of(&room.a).local_addr),
                          rig_socket_of(transport_of(&room.b).local_addr)};
    assert_true(rig_until(room.loop, both_connected, &fds, LIMIT_MS));
    free_room(&room);

    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 9, .settle_ns = settle_ns});
    struct stranger s = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    assert_true(rig_until(room.loop, both_nominated, &room, LIMIT_MS));
    s.until_ns = sq_clock_ns() + 5 * settle_ns;
    fds.a = rig_socket_of(transport_of(&room.a).local_addr);
    fds.b = rig_socket_of(transport_of(&room.b).local_addr);
    socklen_t len = sizeof(s.to);
    assert_int_equal(getsockname(fds.a, &s.to.sa, &len), 0);
    assert_true(rig_until(room.loop, talked_long_enough, &s, LIMIT_MS));
    assert_false(rig_is_connected(fds.a));
    assert_true(rig_is_connected(fds.b));
    close(s.fd);
    free_room(&room);
}

/* ---- Closing ---- */

static bool a_is_gone(void *ctx)
{
    struct room *room = ctx;
    return !room->a.endpoint;
}

static bool both_are_gone(void *ctx)
{
    struct room *room = ctx;
    return !room->a.endpoint && !room->b.endpoint;
}

static bool b_knows(void *ctx)
{
    struct room *room = ctx;
    return room->b.state == SQ_PEER_CLOSED || room->b.state == SQ_PEER_FAILED;
}

static void closes_within_its_call_back(void **state)
{
    (void)state;
    struct room room;
    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 7});
    room.a.close_self_at_media = true;
    assert_true(rig_until(room.loop, a_is_gone, &room, LIMIT_MS));
    assert_int_equal(sq_carrier_counters(room.a.carrier)->endpoints, 0);
    assert_int_equal(sq_carrier_counters(room.b.carrier)->endpoints, 1);
    /* The goodbye went out: the other side need not wait for its consent to expire. */
    assert_true(rig_until(room.loop, b_knows, &room, 5000));
    free_room(&room);
}

/* The other endpoint of the same thread is closed from within a delivery, with packets of it
 * waiting in the same batch. */
static void closes_another_within_a_call_back(void **state)
{
    (void)state;
    struct room room;
    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 8});
    room.a.close_at_media = &room.b;
    room.a.close_self_at_media = true;
    assert_true(rig_until(room.loop, both_are_gone, &room, LIMIT_MS));
    free_room(&room);
}

static void closes_on_a_shared_carrier(void **state)
{
    (void)state;
    struct room room;
    memset(&room, 0, sizeof(room));
    assert_int_equal(sq_loop_new(NULL, &room.loop), 0);
    room.a.carrier = make_carrier(room.loop, "127.0.0.1", (struct sq_carrier_config){.seed = 9});
    room.b.carrier = room.a.carrier;
    make_side(&room.a);
    make_side(&room.b);
    assert_int_equal(sq_carrier_counters(room.a.carrier)->endpoints, 2);
    rig_add_tracks(sq_endpoint_peer(room.a.endpoint));
    rig_negotiate(room.loop, sq_endpoint_peer(room.a.endpoint), sq_endpoint_peer(room.b.endpoint),
                  false);
    room.b.close_at_media = &room.a;
    room.b.close_self_at_media = true;
    assert_true(rig_until(room.loop, both_are_gone, &room, LIMIT_MS));
    assert_int_equal(sq_carrier_counters(room.a.carrier)->endpoints, 0);
    room.b.carrier = NULL;
    free_room(&room);
}

/* A carrier that goes takes its endpoints along. */
static void destroyed_in_the_middle(void **state)
{
    (void)state;
    struct room room;
    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 10});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sq_loop_run_once(room.loop, SQ_NS_PER_MS), 0);
    }
    room.a.endpoint = room.b.endpoint = NULL;
    sq_carrier_destroy(room.a.carrier);
    sq_carrier_destroy(room.b.carrier);
    sq_loop_free(room.loop);
    sq_endpoint_close(NULL);
    sq_carrier_destroy(NULL);
}

/* ---- Counters ---- */

static bool a_was_refused(void *ctx)
{
    struct room *room = ctx;
    sq_carrier_poll(room->a.carrier);
    return sq_carrier_counters(room->a.carrier)->send_refused > 20;
}

/* A server that dies leaves a closed port: that is no failure of the generator. */
static void a_dead_server_is_no_send_error(void **state)
{
    (void)state;
    struct room room;
    make_room(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 11});
    assert_true(rig_until(room.loop, media_both_ways, &room, LIMIT_MS));
    int fd = rig_socket_of(transport_of(&room.b).local_addr);
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0 && other >= 0);
    assert_true(dup2(other, fd) == fd); /* b's socket is gone, as with a killed process */
    close(other);
    assert_true(rig_until(room.loop, a_was_refused, &room, LIMIT_MS));
    assert_int_equal(sq_carrier_counters(room.a.carrier)->send_errors, 0);
    free_room(&room);
}

static bool a_has_failed(void *ctx)
{
    return ((struct room *)ctx)->a.state == SQ_PEER_FAILED;
}

/* Nobody is there: who refused is named, and how; ICE has tried to the end all the same. */
static void a_closed_port_is_named(void **state)
{
    (void)state;
    struct room room;
    char words[128];
    char addr[SQ_ADDR_TEXT_MAX];
    make_sides(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 13});
    close_side(&room.a);
    const struct sq_peer_config config = {.connect_timeout_ns = 400 * SQ_NS_PER_MS};
    assert_int_equal(
        sq_endpoint_create(room.a.carrier, &config, NULL, &ops, &room.a, &room.a.endpoint), 0);
    rig_add_tracks(sq_endpoint_peer(room.a.endpoint));
    rig_negotiate(room.loop, sq_endpoint_peer(room.a.endpoint), sq_endpoint_peer(room.b.endpoint),
                  false);
    struct sq_addr gone = sq_ice_remote(sq_peer_ice(sq_endpoint_peer(room.a.endpoint)), 0)->addr;
    uint64_t begun_ns = sq_clock_ns();
    close_side(&room.b);
    assert_true(rig_until(room.loop, a_has_failed, &room, LIMIT_MS));
    assert_true(sq_clock_ns() - begun_ns >= 300 * SQ_NS_PER_MS);
    snprintf(words, sizeof(words), "; UDP to %s was refused: port unreachable (ICMP)",
             sq_addr_format(&gone, addr));
    if (!strstr(room.a.text, words) || strncmp(room.a.text, "no ICE candidate pair", 21) != 0) {
        fail_msg("%s (expected %s)", room.a.text, words);
    }
    free_room(&room);
}

/* Time as its timers see it goes on without the other side, until it has failed. */
static void drive_until_failed(struct room *room, uint64_t *at_ns)
{
    uint64_t end_ns = *at_ns + 60 * SQ_NS_PER_SEC;
    for (; room->a.state != SQ_PEER_FAILED && *at_ns < end_ns; *at_ns += 50 * SQ_NS_PER_MS) {
        sq_peer_on_timeout(sq_endpoint_peer(room->a.endpoint), *at_ns);
        assert_int_equal(sq_loop_run_once(room->loop, 0), 0);
    }
    assert_int_equal(room->a.state, SQ_PEER_FAILED);
}

/* The connection is lost, ICE starts anew, and nobody is there any more: the socket hears that who
 * heard no refusals while it was settled. */
static void a_port_that_closed_before_a_restart_is_named(void **state)
{
    const struct sq_channel_config channel = {.label = "quiet"};
    struct sq_channel *of_a, *of_b;
    struct room room;
    char why[SQ_PEER_TEXT_MAX], addr[SQ_ADDR_TEXT_MAX], words[128];
    char *offer, *answer;
    (void)state;
    make_sides(&room, "127.0.0.1", (struct sq_carrier_config){.seed = 14});
    struct sq_peer *a = sq_endpoint_peer(room.a.endpoint);
    struct sq_peer *b = sq_endpoint_peer(room.b.endpoint);
    assert_int_equal(sq_peer_add_channel(a, sq_loop_now(room.loop), &channel, &of_a), 0);
    assert_int_equal(sq_peer_add_channel(b, sq_loop_now(room.loop), &channel, &of_b), 0);
    rig_negotiate(room.loop, a, b, false);
    assert_true(rig_until(room.loop, both_nominated, &room, LIMIT_MS));
    struct sockets fds = {rig_socket_of(transport_of(&room.a).local_addr),
                          rig_socket_of(transport_of(&room.b).local_addr)};
    assert_true(rig_until(room.loop, both_connected, &fds, LIMIT_MS));

    /* What b could answer goes nowhere: consent is lost (RFC 7675). */
    int deaf = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(deaf >= 0 && dup2(deaf, fds.b) == fds.b);
    close(deaf);
    uint64_t at_ns = sq_loop_now(room.loop);
    drive_until_failed(&room, &at_ns);
    assert_null(strstr(room.a.text, "was refused"));

    /* The answer names a port that is closed by then. */
    assert_int_equal(sq_peer_create_offer(a, at_ns, true, &offer, why), 0);
    assert_int_equal(sq_peer_set_remote(b, sq_loop_now(room.loop), SQ_SDP_OFFER, offer, why), 0);
    assert_int_equal(sq_peer_create_answer(b, sq_loop_now(room.loop), &answer, why), 0);
    close_side(&room.b);
    assert_int_equal(sq_peer_set_remote(a, at_ns, SQ_SDP_ANSWER, answer, why), 0);
    sq_free(offer);
    sq_free(answer);
    struct sq_addr gone = sq_ice_remote(sq_peer_ice(a), 0)->addr;
    assert_int_equal(room.a.state, SQ_PEER_CONNECTING);
    drive_until_failed(&room, &at_ns);
    snprintf(words, sizeof(words), "; UDP to %s was refused: port unreachable (ICMP)",
             sq_addr_format(&gone, addr));
    if (!strstr(room.a.text, words)) {
        fail_msg("%s (expected %s)", room.a.text, words);
    }
    free_room(&room);
}

/* ---- What cannot be made ---- */

static void refused_settings(void **state)
{
    (void)state;
    struct sq_loop *loop;
    struct sq_carrier *carrier = NULL;
    struct sq_endpoint *endpoint = NULL;
    struct sq_addr addrs[SQ_CARRIER_ADDRS_MAX + 1];
    assert_int_equal(sq_loop_new(NULL, &loop), 0);
    for (size_t i = 0; i <= SQ_CARRIER_ADDRS_MAX; i++) {
        assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addrs[i]), 0);
    }
    struct sq_carrier_config config = {.addrs = addrs, .addrs_len = SQ_CARRIER_ADDRS_MAX + 1};
    assert_int_equal(sq_carrier_create(loop, &config, &carrier), SQ_ERR_INVALID);
    config.addrs_len = 1;
    config.stun_servers = addrs;
    config.stun_servers_len = SQ_ICE_SERVERS_MAX + 1;
    assert_int_equal(sq_carrier_create(loop, &config, &carrier), SQ_ERR_INVALID);
    config.stun_servers_len = 0;
    config.port_min = config.port_max = 0;
    /* An address that is not this host's: TEST-NET-1, RFC 5737. */
    assert_int_equal(sq_addr_parse("192.0.2.1", 0, &addrs[0]), 0);
    assert_int_equal(sq_carrier_create(loop, &config, &carrier), 0);
    const struct sq_peer_config plain = {0};
    assert_int_equal(sq_endpoint_create(carrier, &plain, NULL, &ops, NULL, &endpoint), SQ_ERR_IO);
    assert_null(endpoint);
    assert_int_equal(sq_carrier_counters(carrier)->endpoints, 0);
    sq_carrier_destroy(carrier);
    sq_loop_free(loop);
}

static void loopback_targets_get_loopback_sockets(void **state)
{
    (void)state;
    struct sq_addr target;
    struct sq_addr found[SQ_CARRIER_ADDRS_MAX];
    size_t n = 0;
    assert_int_equal(sq_addr_parse("127.0.0.1", 8188, &target), 0);
    assert_int_equal(sq_carrier_default_addrs(&target, found, &n), 0);
    assert_int_equal(n, 1);
    assert_true(sq_addr_is_loopback(&found[0]));
    assert_int_equal(sq_addr_port(&found[0]), 0);
    int err = sq_carrier_default_addrs(NULL, found, &n);
    assert_true(err == SQ_ERR_NOTFOUND || n > 0); /* a host without a network has none */
    for (size_t i = 0; !err && i < n; i++) {
        assert_false(sq_addr_is_loopback(&found[i]) || sq_addr_is_link_local(&found[i]));
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct sq_loop *loop;
    struct sq_addr addr;
    assert_int_equal(sq_loop_new(NULL, &loop), 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    const struct sq_carrier_config config = {.addrs = &addr, .addrs_len = 1};
    const struct sq_peer_config plain = {0};
    bool made = false;
    for (size_t nth = 1; !made; nth++) {
        struct sq_carrier *carrier = NULL;
        struct sq_endpoint *endpoint = NULL;
        assert_true(nth < 1000);
        sq_mem_fail_at(nth);
        int err = sq_carrier_create(loop, &config, &carrier);
        err = err ? err : sq_endpoint_create(carrier, &plain, NULL, &ops, NULL, &endpoint);
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM || err == SQ_ERR_CRYPTO);
        made = err == 0;
        assert_true(made == (endpoint != NULL));
        sq_carrier_destroy(carrier);
    }
    sq_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(the_other_profile),
        cmocka_unit_test(without_libipsec_mb),
        cmocka_unit_test(a_restart_disconnects),
        cmocka_unit_test(silence_disconnects),
        cmocka_unit_test(sockets_hear_everybody_at_first),
        cmocka_unit_test(a_rooms_key_frames_wait),
        cmocka_unit_test(strangers_keep_a_socket_open),
        cmocka_unit_test(closes_within_its_call_back),
        cmocka_unit_test(closes_another_within_a_call_back),
        cmocka_unit_test(closes_on_a_shared_carrier),
        cmocka_unit_test(destroyed_in_the_middle),
        cmocka_unit_test(a_dead_server_is_no_send_error),
        cmocka_unit_test(a_closed_port_is_named),
        cmocka_unit_test(a_port_that_closed_before_a_restart_is_named),
        cmocka_unit_test(refused_settings),
        cmocka_unit_test(loopback_targets_get_loopback_sockets),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}

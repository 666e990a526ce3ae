#include "sim/sfuroom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void on_rtp(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                   const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct sq_lab_port *port = sq_track_user(sq_track_main(track));
    struct sq_lab_source *source = port && port->source ? sq_lab_layer(port->source, track) : NULL;
    (void)ctx;
    if (source) {
        sq_lab_on_rtp(source, packet, exts, now_ns);
    }
}

static bool on_resend(void *ctx, struct sq_track *track, uint32_t cookie,
                      struct sq_rtp_out *ret_out)
{
    struct sq_lab_port *port = sq_track_user(track);
    (void)ctx;
    return port && sq_lab_on_resend(port, cookie, ret_out);
}

static void on_event(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct sq_lab_port *port = event->track ? sq_track_user(sq_track_main(event->track)) : NULL;
    (void)ctx;
    (void)node;
    if (port && event->type == SQ_PEER_EV_FIRST_MEDIA && port->source) {
        port->source->live = true;
    } else if (port && event->type == SQ_PEER_EV_KEY_FRAME_REQUEST && port->from) {
        sq_lab_want_key(port->from, event->now_ns);
    }
}

static const struct sq_peer_ops lab_ops = {.rtp = on_rtp, .resend = on_resend};
static const struct sq_peer_config lab_config = {.forward_only = true, .dependency = true};

struct room *sfu_open_room(uint64_t seed)
{
    static struct room room;
    struct sq_addr local;
    memset(&room, 0, sizeof(room));
    room.net = simnet_new(seed, 2 + 2 * VIEWERS_MAX);
    assert_int_equal(sq_loop_new(NULL, &room.loop), 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &local), 0);
    const struct sq_carrier_config carrier = {.seed = seed, .addrs = &local, .addrs_len = 1};
    assert_int_equal(sq_carrier_create(room.loop, &carrier, &room.lab.carrier), 0);
    room.pub_member.lab = &room.lab;
    return &room;
}

void sfu_close_room(struct room *room)
{
    for (size_t i = 0; i < 2; i++) {
        sq_lab_source_free(room->source[i]);
    }
    simnet_free(room->net);
    sq_carrier_destroy(room->lab.carrier);
    sq_loop_free(room->loop);
}

static void set_delay(struct simnode *node, uint64_t delay_ns)
{
    simnode_link(node)->delay_ns = delay_ns;
}

static void make_port(struct sq_lab_port *port, struct sq_lab_member *member, struct simnode *node,
                      size_t kind, enum sq_direction direction)
{
    *port = (struct sq_lab_port){.member = member, .video = kind == VIDEO};
    assert_int_equal(sq_peer_add_track(simnode_peer(node),
                                       kind == VIDEO ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO, direction,
                                       NULL, &port->track),
                     0);
    sq_track_set_user(port->track, port);
}

void sfu_publish_with(struct room *room, const struct sq_peer_config *config)
{
    room->in = simnet_try_add(room->net, &lab_config, &lab_ops, on_event, room);
    room->pub = simnet_add(room->net, config, false, NULL, NULL);
    assert_non_null(room->in);
    for (size_t kind = 0; kind < 2; kind++) {
        make_port(&room->in_port[kind], &room->pub_member, room->in, kind, SQ_DIR_RECVONLY);
        room->source[kind] = room->in_port[kind].source =
            sq_lab_source_new(&room->in_port[kind], false);
        assert_non_null(room->source[kind]);
        sq_track_receive_simulcast(room->in_port[kind].track, config->simulcast > 1);
        add(room->pub, kind == VIDEO ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO, SQ_DIR_SENDONLY);
    }
    set_delay(room->in, 10 * MS);
    set_delay(room->pub, 10 * MS);
    simnet_negotiate(room->net, room->in, room->pub, false);
}

void sfu_publish_layers(struct room *room, unsigned layers)
{
    sfu_publish_with(room, &(struct sq_peer_config){.simulcast = layers});
}

void sfu_publish(struct room *room)
{
    sfu_publish_layers(room, 0);
}

void sfu_watch_with(struct room *room, size_t i, const struct sq_peer_ops *ops)
{
    room->sub_member[i].lab = &room->lab;
    room->sub_member[i].layer = -1;
    room->out[i] = simnet_try_add(room->net, &lab_config, &lab_ops, on_event, room);
    room->viewer[i] = simnet_try_add(room->net, &(struct sq_peer_config){0}, ops, NULL, NULL);
    assert_non_null(room->out[i]);
    assert_non_null(room->viewer[i]);
    room->sub_member[i].peer = simnode_peer(room->out[i]);
    for (size_t kind = 0; kind < 2; kind++) {
        make_port(&room->out_port[i][kind], &room->sub_member[i], room->out[i], kind,
                  SQ_DIR_SENDONLY);
        if (kind == VIDEO && room->source[kind]->codec != SQ_CODEC_NONE) { /* as take_up() does */
            const struct sq_peer_codecs codecs = {.n = 1, .order = {room->source[kind]->codec}};
            assert_int_equal(sq_track_set_codecs(room->out_port[i][kind].track, &codecs), 0);
        }
        sq_lab_attach(&room->out_port[i][kind], room->source[kind]);
    }
    set_delay(room->out[i], 10 * MS);
    set_delay(room->viewer[i], 10 * MS);
    if (room->narrow_bps > 0) {
        simnode_link(room->out[i])->rate_bps = room->narrow_bps;
        simnode_link(room->out[i])->queue_bytes = (size_t)(room->narrow_bps * 0.3 / 8);
    }
    simnet_negotiate(room->net, room->out[i], room->viewer[i], false);
    for (int ms = 0; simnode_state(room->out[i]) != SQ_PEER_CONNECTED; ms++) {
        assert_true(ms < 5000);
        run_for(room->net, MS);
    }
    for (size_t kind = 0; kind < 2; kind++) {
        sq_lab_port_ready(&room->out_port[i][kind], simnet_now(room->net));
    }
}

void sfu_watch(struct room *room, size_t i)
{
    static const struct sq_peer_ops none = {0};
    sfu_watch_with(room, i, &none);
}

#include "sim/simcall.h"

#include "peer/peer_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sq_clip *clip;

int open_clip(void **state)
{
    char why[SQ_CLIP_WHY_MAX];
    (void)state;
    int err = sq_clip_open(SQ_SOURCE_DIR "/share/clips/default.sqclip", 0, &clip, why);
    if (err) {
        fprintf(stderr, "%s\n", why);
    }
    return err;
}

int close_clip(void **state)
{
    (void)state;
    sq_clip_close(clip);
    return 0;
}

const struct sq_clip *whole_clip(void)
{
    return clip;
}

const struct sq_clip_track *clip_track(enum sq_media_kind kind)
{
    return sq_clip_track(clip, kind == SQ_MEDIA_VIDEO ? SQ_CLIP_VIDEO : SQ_CLIP_AUDIO);
}

struct sq_track *add(struct simnode *node, enum sq_media_kind kind, enum sq_direction direction)
{
    struct sq_track *track;
    assert_int_equal(sq_peer_add_track(simnode_peer(node), kind, direction, whole_clip(), &track),
                     0);
    return track;
}

void add_both(struct simnode *node)
{
    add(node, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(node, SQ_MEDIA_VIDEO, SQ_DIR_SENDRECV);
}

struct sq_inbound_stats in_stats(struct simnet *net, struct simnode *node, size_t track)
{
    struct sq_inbound_stats s;
    sq_track_inbound_stats(sq_peer_track(simnode_peer(node), track), simnet_now(net), &s);
    return s;
}

struct sq_outbound_stats out_stats(struct simnet *net, struct simnode *node, size_t track)
{
    struct sq_outbound_stats s;
    sq_track_outbound_stats(sq_peer_track(simnode_peer(node), track), simnet_now(net), &s);
    return s;
}

struct sq_transport_stats transport_stats(struct simnode *node)
{
    struct sq_transport_stats s;
    sq_peer_transport_stats(simnode_peer(node), &s);
    return s;
}

struct pair pair_on(struct simnet *net, const struct sq_peer_config *ca,
                    const struct sq_peer_config *cb, bool v6)
{
    static const struct sq_peer_config plain = {0};
    struct pair p = {.net = net};
    p.a = simnet_add(p.net, ca ? ca : &plain, v6, NULL, NULL);
    p.b = simnet_add(p.net, cb ? cb : &plain, v6, NULL, NULL);
    add_both(p.a);
    add_both(p.b);
    return p;
}

struct pair make_pair(uint64_t seed, const struct sq_peer_config *ca,
                      const struct sq_peer_config *cb, bool v6)
{
    return pair_on(simnet_new(seed, 2), ca, cb, v6);
}

void run_for(struct simnet *net, uint64_t ns)
{
    simnet_run(net, simnet_now(net) + ns);
}

void assert_connected(struct simnode *node)
{
    if (simnode_state(node) != SQ_PEER_CONNECTED) {
        fail_msg("state %d: %s", simnode_state(node), simnode_text(node));
    }
}

void assert_media_flows(struct pair *p, double seconds)
{
    struct simnode *nodes[] = {p->a, p->b};
    for (int i = 0; i < 2; i++) {
        struct sq_inbound_stats audio = in_stats(p->net, nodes[i], 0);
        struct sq_inbound_stats video = in_stats(p->net, nodes[i], 1);
        assert_true((double)audio.packets_received > 45 * seconds);
        assert_true((double)video.frames_decoded > 22 * seconds);
        assert_int_equal(video.frame_width, 640);
        assert_int_equal(video.frame_height, 360);
        assert_true(video.key_frames_decoded >= 1);
        assert_int_equal(audio.packets_lost, 0);
        assert_int_equal(video.freeze_count, 0);
    }
}

void without_lines(char *sdp, const char *word)
{
    char *to = sdp;
    for (char *line = sdp; *line;) {
        char *end = strstr(line, "\r\n");
        size_t len = end ? (size_t)(end + 2 - line) : strlen(line);
        char *at = strstr(line, word);
        if (!at || at >= line + len) {
            memmove(to, line, len);
            to += len;
        }
        line += len;
    }
    *to = '\0';
}

void change_ssrc(struct sq_track *track)
{
    struct sq_encoding *e = &track->tx->encodings[0];
    track->ssrc = e->rtp.ssrc += 0x1234567;
    e->rtx_ssrc += 0x1234567;
    e->acked = e->rtx_acked = false; /* the MID goes out again */
    assert_int_equal(sq_encoding_apply(track, e), 0);
    e->rtp.next_seq = (uint16_t)(e->rtp.next_seq - 30000) & 0x7fff;
    e->rtp.ts_base -= 0x70000000;
    e->rtp.started = false;
}

struct pair make_puppets(uint64_t seed, const struct sq_peer_config *config)
{
    static const struct sq_peer_config plain = {0};
    struct pair p = {.net = simnet_new(seed, 2)};
    p.a = simnet_add(p.net, config ? config : &plain, false, NULL, NULL);
    p.b = simnet_add(p.net, config ? config : &plain, false, NULL, NULL);
    /* who only receives offers FlexFEC, too */
    int err = sq_peer_add_track(simnode_peer(p.a), SQ_MEDIA_VIDEO, SQ_DIR_RECVONLY, NULL, NULL);
    assert_int_equal(err, 0);
    err = sq_peer_add_track(simnode_peer(p.b), SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY, NULL, NULL);
    assert_int_equal(err, 0);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    assert_connected(p.a);
    return p;
}

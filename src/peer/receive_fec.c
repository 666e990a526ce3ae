/* Forward error correction of video that comes in: RED with ULPFEC in the stream itself, or FlexFEC
 * on a stream of its own. */
#include "media/red.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include "peer/rtp/fec.h"
#include <string.h>

#define VIDEO_TIMING_PACER_AT 7 /* byte of video-timing from which on pacers and servers write */

static enum sq_jsep_codec_id id_of(const struct sq_track *track, uint8_t pt)
{
    const struct sq_jsep_codec *codec = sq_track_codec_of(track, pt);
    return codec ? (enum sq_jsep_codec_id)codec->id : SQ_JSEP_CODECS;
}

/* ---- What is kept ---- */

static void blank(uint8_t *copy, const struct sq_rtp_packet *packet, uint8_t id, size_t from)
{
    struct sq_view at;
    if (id != 0 && sq_rtp_ext_find(packet, id, &at) == 0 && at.len > from) {
        memset(copy + ((const uint8_t *)at.at - packet->data) + from, 0, at.len - from);
    }
}

/* The packet as it was protected: with the payload type of media, not of RED, and (as libwebrtc
 * does it) with zeros in the extensions that are written after that, on the way out. */
static void keep(struct sq_track *track, const struct sq_rtp_packet *packet)
{
    uint8_t *copy =
        sq_fec_media(track->rx->fec.store, packet->data, packet->header_bytes, packet->payload,
                     (size_t)packet->payload_bytes + packet->padding_bytes);
    if (!copy) {
        return;
    }
    copy[1] = (uint8_t)((packet->marker ? 0x80 : 0) | packet->pt);
    if (packet->ext_bytes > 0) {
        const struct sq_jsep_ext_ids *ids = &track->jsep->ext;
        blank(copy, packet, ids->toffset, 0);
        blank(copy, packet, ids->abs_send_time, 0);
        blank(copy, packet, ids->transport_cc, 0);
        blank(copy, packet, ids->video_timing, VIDEO_TIMING_PACER_AT);
    }
}

static void on_parity(struct sq_track *track, const struct sq_fec_parity *parity, size_t bytes)
{
    struct sq_track_rx *rx = track->rx;
    rx->fec.packets++;
    rx->fec.bytes += bytes;
    if (parity && !rx->fec.store) {
        /* Once a track, and only where parity comes: what came before it is not kept. */
        rx->fec.store = sq_fec_new();
    }
    if (parity && rx->fec.store) {
        sq_fec_parity(rx->fec.store, parity);
    } else {
        rx->fec.useless++;
    }
}

/* ---- ULPFEC ---- */

static void on_ulpfec(struct sq_track *track, const uint8_t *at, size_t len)
{
    struct sq_fec_parity parity;
    bool good = sq_fec_read_ulpfec(at, len, &parity) == 0;
    on_parity(track, good ? &parity : NULL, len);
}

static void make_empty(struct sq_track *track, struct sq_rtp_packet *packet)
{
    packet->payload_bytes = 0;
    packet->pt = track->rx->fec.media_pt ? track->rx->fec.media_pt : track->recv_pt;
}

/* The last block is the primary one. libwebrtc puts one block into a packet, media or parity; RFC
 * 5109, section 14.1 allows parity before media, too. Redundant media is left alone. */
static void unwrap_red(struct sq_track *track, struct sq_rtp_packet *packet)
{
    struct sq_red_block blocks[SQ_RED_BLOCKS_MAX];
    size_t n;
    if (sq_red_parse(packet->payload, packet->payload_bytes, blocks, &n) != 0) {
        make_empty(track, packet); /* padding, or nonsense */
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (id_of(track, blocks[i].pt) == SQ_JSEP_ULPFEC) {
            on_ulpfec(track, blocks[i].at, blocks[i].len);
        }
    }
    const struct sq_red_block *primary = &blocks[n - 1];
    if (sq_track_recv_codec(track, primary->pt) == SQ_CODEC_NONE) {
        make_empty(track, packet);
        return;
    }
    packet->pt = track->rx->fec.media_pt = primary->pt;
    packet->payload = primary->at;
    packet->payload_bytes = primary->len;
}

void sq_fec_on_packet(struct sq_track *track, struct sq_rtp_packet *packet, bool again)
{
    switch (id_of(track, packet->pt)) {
    case SQ_JSEP_VIDEO_RED:
        unwrap_red(track, packet);
        break;
    case SQ_JSEP_ULPFEC:
        on_ulpfec(track, packet->payload, packet->payload_bytes);
        make_empty(track, packet);
        break;
    default:
        break;
    }
    /* Padding is not protected. RTX packets have other extensions than the ones that were. */
    bool whole = packet->payload_bytes > 0 && (!again || packet->ext_bytes == 0);
    if (track->rx->fec.store && whole) {
        keep(track, packet);
    }
}

/* ---- FlexFEC ---- */

void sq_fec_on_flexfec(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtp_packet *packet)
{
    struct sq_fec_parity parity;
    if (sq_fec_read_flexfec(packet->payload, packet->payload_bytes, &parity) != 0) {
        peer->transport.discarded += packet->payload_bytes > 0; /* else padding */
        return;
    }
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->rx && track->jsep && track->can_receive && track->kind == SQ_MEDIA_VIDEO &&
            track->rx->rtp.ssrc == parity.ssrc) {
            track->rx->fec.ssrc = packet->ssrc;
            on_parity(track, &parity, packet->payload_bytes);
            sq_fec_deliver(track, sq_max_u64(now_ns, track->rx->clock_ns));
            return;
        }
    }
    peer->transport.discarded++;
}

/* ---- Recovered ---- */

void sq_fec_deliver(struct sq_track *track, uint64_t now_ns)
{
    const uint8_t *bytes;
    size_t len;
    while (track->rx && track->rx->fec.store && track->jsep &&
           sq_fec_recover(track->rx->fec.store, track->rx->rtp.ssrc, &bytes, &len)) {
        struct sq_rtp_packet packet;
        struct sq_rtp_exts exts;
        if (sq_rtp_parse(bytes, len, &packet) != 0 ||
            sq_track_recv_codec(track, packet.pt) == SQ_CODEC_NONE) {
            continue;
        }
        sq_rtp_exts_read(&packet, &track->peer->ids, &exts);
        unsigned seen = sq_rtp_receiver_on_recovered(&track->rx->rtp, now_ns, &packet);
        if (seen & SQ_RTP_RX_NEW) {
            sq_peer_deliver(track, now_ns, &packet, &exts, true);
        }
    }
}

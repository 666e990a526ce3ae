/* Encodings (RTCRtpEncodingParameters) are made and found, and hear what reports tell of loss; what
 * they send is in encoding.c. */
#include "base/mem.h"
#include "peer/peer_int.h"
#include <math.h>
#include <string.h>

/* libwebrtc's ExpFilter of what reports tell of audio (PacketLossFractionSmoother), by ms; and what
 * is 1 % once it is rounded (WebRtcOpus_SetPacketLossRate), from which on libopus, which speaks at
 * 32 kbit/s, adds the frame before. */
#define LOSS_KEPT_PER_MS 0.9999
#define LOSS_FOR_FEC     0.005

/* ---- Making ---- */

size_t sq_track_tx_bytes(size_t encodings)
{
    return sizeof(struct sq_track_tx) + encodings * sizeof(struct sq_encoding);
}

void sq_track_free_tx(struct sq_track_tx *tx)
{
    for (size_t i = 0; tx && i < tx->n; i++) {
        sq_rtp_sender_close(&tx->encodings[i].rtp);
        sq_free(tx->encodings[i].sent_exts);
        sq_free(tx->encodings[i].sent_tags);
    }
    if (tx) {
        sq_free(tx->tones);
    }
    sq_free(tx);
}

static int init_encoding(struct sq_track *track, struct sq_encoding *e, uint32_t ssrc,
                         uint32_t rtx_ssrc)
{
    struct sq_rand *rand = &track->peer->env->rand;
    bool video = track->kind == SQ_MEDIA_VIDEO;
    uint32_t clock_rate = track->jsep->codecs[0].clock_rate_hz;
    uint32_t history = track->peer->forward_only ? SQ_HISTORY_FORWARDED : SQ_HISTORY_PACKETS;
    e->wanted = e->active = true;
    e->rtx_ssrc = rtx_ssrc;
    e->rtx_seq = (uint16_t)sq_rand_below(rand, 0x8000);
    /* The first sequence number stays below 2^15, so that a first loss cannot hide a roll-over (RFC
     * 3711, section 3.3.1). */
    return sq_rtp_sender_init(&e->rtp, ssrc, (uint16_t)sq_rand_below(rand, 0x8000),
                              sq_rand_u32(rand), clock_rate, video ? SQ_RTP_VIDEO : SQ_RTP_AUDIO,
                              video ? history : 0);
}

int sq_track_make_tx(struct sq_track *track)
{
    const struct sq_jsep_rids *rids = track->jsep->send_rids;
    size_t n = rids ? rids->n : 1;
    struct sq_track_tx *tx = sq_zalloc(sq_track_tx_bytes(n));
    if (!tx) {
        return SQ_ERR_NOMEM;
    }
    tx->allocated_bps = UINT64_MAX;
    for (; tx->n < n; tx->n++) {
        struct sq_encoding *e = &tx->encodings[tx->n];
        struct sq_rand *rand = &track->peer->env->rand;
        bool first = tx->n == 0; /* only the first one's SSRCs may stand in the description */
        int err = init_encoding(track, e, first ? track->ssrc : sq_rand_u32(rand),
                                first ? track->rtx_ssrc : sq_rand_u32(rand));
        if (err) {
            sq_track_free_tx(tx);
            return err;
        }
        if (rids) {
            memcpy(e->rid, rids->id[tx->n], sizeof(e->rid));
            e->wanted = e->active = !(rids->paused >> tx->n & 1);
        }
    }
    track->tx = tx;
    return 0;
}

/* ---- What reports tell ---- */

void sq_encoding_on_loss(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                         double loss)
{
    double passed_ms = (double)(now_ns - e->loss_told_ns) / 1e6;
    double kept = e->loss_told_ns ? pow(LOSS_KEPT_PER_MS, passed_ms) : 0;
    e->loss = kept * e->loss + (1 - kept) * loss;
    e->loss_told_ns = now_ns;
    if (track->fec && e->source.track) {
        sq_source_set_twin(&e->source, e->loss >= LOSS_FOR_FEC ? track->fec : track->media);
    }
}

struct sq_encoding *sq_peer_encoding(struct sq_peer *peer, uint32_t ssrc,
                                     struct sq_track **ret_track)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track_tx *tx = peer->tracks[i]->tx;
        for (size_t k = 0; tx && k < tx->n; k++) {
            if (tx->encodings[k].rtp.ssrc == ssrc || (ssrc && tx->encodings[k].rtx_ssrc == ssrc)) {
                *ret_track = peer->tracks[i];
                return &tx->encodings[k];
            }
        }
    }
    return NULL;
}

/* The rates a track can have, and the layers and steps that fit what it is given. */
#include "base/time.h"
#include "media/clip.h"
#include "peer/peer_int.h"
#include <string.h>

#define STEP_UP_NS    (2 * SQ_NS_PER_SEC) /* between two steps up: each costs a key frame */
#define STEP_UP_SHARE 105                 /* per cent of a step's rate that lead up to it */
#define LAYER_ON_SHARE                                                                             \
    120 /* of a layer's least that switch it on: libwebrtc's hysteresis factor                     \
         */

static uint64_t least_bps(const struct sq_clip_track *step)
{
    return sq_clip_track_layers_bps(step, 0, 0);
}

static uint64_t most_bps(const struct sq_clip_track *step)
{
    return step->average_bps;
}

void sq_track_rates(const struct sq_track *track, struct sq_track_rates *ret_rates)
{
    struct sq_track_rates rates = {0};
    size_t n = track->tx ? track->tx->n : 1;
    for (size_t i = 0; track->media && i < n; i++) {
        const struct sq_clip_track *layer = sq_choose_layer(track->media, i, n);
        if (layer && (!track->tx || track->tx->encodings[i].wanted)) {
            rates.max_bps += most_bps(layer);
            rates.min_bps = rates.min_bps ? rates.min_bps : least_bps(layer);
        }
    }
    if (track->media && n == 1) {
        rates.min_bps = least_bps(sq_clip_lowest(track->media));
    }
    *ret_rates = rates;
}

/* The most temporal layers of a step that a rate has room for. */
static unsigned tid_for(const struct sq_clip_track *step, uint64_t bps)
{
    unsigned tid = step->temporal_layers > 0 ? step->temporal_layers - 1U : 0;
    while (tid > 0 && sq_clip_track_bps(step, tid) > bps) {
        tid--;
    }
    return tid;
}

static void fit_layer(struct sq_encoding *e, uint64_t bps)
{
    sq_source_set_max_tid(&e->source, tid_for(sq_encoding_step(e), bps));
}

/* The best step that fits, with the layers that do; above the lowest one not with less than half of
 * its frames, since a larger picture is not worth a slide show. */
static const struct sq_clip_track *best_step(const struct sq_clip_track *media, uint64_t bps,
                                             const struct sq_clip_track *at)
{
    const struct sq_clip_track *lowest = sq_clip_lowest(media);
    for (size_t i = media->step_count; i > 1; i--) {
        const struct sq_clip_track *step = lowest + i - 1;
        uint64_t room = step > at && bps != UINT64_MAX ? bps / STEP_UP_SHARE * 100 : bps;
        unsigned tid = tid_for(step, room);
        if (sq_clip_track_bps(step, tid) <= room &&
            2 * sq_clip_track_fps_milli(step, tid) >= step->fps_milli) {
            return step;
        }
    }
    return lowest;
}

/* A scalable stream: the spatial layers that fit with all of their frames, and temporal ones of the
 * lowest where that alone is too much. More layers cost a key frame, as a step does. */
static void fit_spatial(struct sq_track_tx *tx, const struct sq_clip_track *media, uint64_t bps,
                        uint64_t now_ns)
{
    struct sq_encoding *e = &tx->encodings[0];
    unsigned at = sq_min_u64(e->source.want_sid, media->spatial_layers - 1U);
    unsigned sid = media->spatial_layers - 1U;
    unsigned tid = media->temporal_layers - 1U;
    for (; sid > 0; sid--) {
        uint64_t room = sid > at && bps != UINT64_MAX ? bps / STEP_UP_SHARE * 100 : bps;
        if (sq_clip_track_layers_bps(media, tid, sid) <= room) {
            break;
        }
    }
    if (sid > at && bps != UINT64_MAX && tx->stepped_ns && now_ns < tx->stepped_ns + STEP_UP_NS) {
        sid = at;
    }
    while (tid > 0 && sq_clip_track_layers_bps(media, tid, sid) > bps) {
        tid--;
    }
    if (sid != at) {
        sq_source_set_max_sid(&e->source, sid);
        tx->stepped_ns = e->rtp.started ? now_ns : 0;
    }
    sq_source_set_max_tid(&e->source, tid);
}

/* One stream moves on its ladder. */
static void fit_step(const struct sq_track *track, uint64_t bps, uint64_t now_ns)
{
    struct sq_track_tx *tx = track->tx;
    const struct sq_clip_track *media = track->media;
    struct sq_encoding *e = &tx->encodings[0];
    const struct sq_clip_track *at = sq_encoding_step(e);
    const struct sq_clip_track *to = best_step(media, bps, at);
    if (to > at && bps != UINT64_MAX && tx->stepped_ns && now_ns < tx->stepped_ns + STEP_UP_NS) {
        to = at;
    }
    if (media->spatial_layers > 1) {
        fit_spatial(tx, to, bps, now_ns);
        return;
    }
    if (to != at) {
        if (e->hidden) {
            e->hidden = to; /* black is as good as it is */
        } else {
            sq_source_set_step(&e->source, to);
        }
        tx->stepped_ns = e->rtp.started ? now_ns : 0; /* where it begins is no step */
    }
    sq_source_set_max_tid(&e->source, tid_for(to, bps));
}

/* What a layer has to have room for: its least, and more while it is off, so that it does not flap.
 */
static uint64_t entry_bps(const struct sq_encoding *e, const struct sq_clip_track *layer)
{
    bool on = e->active && e->rtp.started;
    uint64_t least = least_bps(layer);
    return on ? least : sq_min_u64(least * LAYER_ON_SHARE / 100, most_bps(layer));
}

/* Each layer gets what it can use before the next one gets anything; without room for the least of
 * it, a layer and those above it are off (libwebrtc's SimulcastRateAllocator). */
static void share_out(struct sq_track *track, uint64_t bps)
{
    struct sq_track_tx *tx = track->tx;
    uint64_t left = bps;
    bool lowest = true;
    bool room = true;
    for (size_t i = 0; i < tx->n; i++) {
        struct sq_encoding *e = &tx->encodings[i];
        const struct sq_clip_track *layer = sq_choose_layer(track->media, i, tx->n);
        if (!layer || !e->wanted) {
            e->active = e->active && e->wanted;
            continue;
        }
        room = lowest || (room && entry_bps(e, layer) <= left);
        e->active = room;
        if (room) {
            fit_layer(e, left);
            left -= sq_min_u64(sq_clip_track_bps(layer, tid_for(layer, left)), left);
        }
        lowest = false;
    }
}

/* RFC 8853, section 5.1: a paused stream is not sent until an answer lists it without '~'. Without
 * simulcast in the answer the first layer is sent alone, as by Chromium. */
static bool is_wanted(const struct sq_jsep_rids *rids, const struct sq_track_tx *tx, size_t i)
{
    if (!tx->encodings[i].rid[0]) {
        return true; /* no simulcast */
    }
    for (size_t k = 0; rids && k < rids->n; k++) {
        if (strcmp(rids->id[k], tx->encodings[i].rid) == 0) {
            return !(rids->paused >> k & 1);
        }
    }
    return !rids && i == 0;
}

void sq_track_want_layers(struct sq_track *track)
{
    struct sq_track_tx *tx = track->tx;
    bool changed = false;
    for (size_t i = 0; i < tx->n; i++) {
        struct sq_encoding *e = &tx->encodings[i];
        bool wanted = is_wanted(track->jsep->send_rids, tx, i);
        if (wanted != e->wanted) {
            e->wanted = e->active = wanted;
            changed = true;
        }
    }
    /* Congestion control's limit stays; without one all that is wanted is on. */
    if (changed && tx->n > 1 && track->media && tx->allocated_bps != UINT64_MAX &&
        tx->encodings[tx->n - 1].source.track) {
        share_out(track, tx->allocated_bps);
    }
}

void sq_track_allocate(struct sq_track *track, uint64_t bps, uint64_t now_ns)
{
    struct sq_track_tx *tx = track->tx;
    if (!tx || !track->media || track->kind != SQ_MEDIA_VIDEO ||
        (bps == tx->allocated_bps && bps == UINT64_MAX)) {
        return;
    }
    tx->allocated_bps = bps;
    if (!tx->encodings[tx->n - 1].source.track) {
        return; /* not begun yet: the next estimate comes soon enough */
    }
    if (tx->n == 1) {
        fit_step(track, bps, now_ns);
        return;
    }
    share_out(track, bps);
    if (sq_peer_may_send(track->peer)) {
        sq_track_sync_sources(track, now_ns);
        sq_peer_due(track->peer, sq_track_next_send_ns(track));
    }
}

uint64_t sq_encoding_sending_bps(const struct sq_track *track, const struct sq_encoding *e)
{
    return track->media && e->active && e->source.track
               ? sq_clip_track_layers_bps(sq_encoding_step(e), e->source.want_tid,
                                          e->source.want_sid)
               : 0;
}

uint64_t sq_track_sending_bps(const struct sq_track *track)
{
    const struct sq_track_tx *tx = track->tx;
    uint64_t bps = 0;
    for (size_t i = 0; tx && i < tx->n; i++) {
        bps += sq_encoding_sending_bps(track, &tx->encodings[i]);
    }
    return bps;
}

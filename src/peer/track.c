/* Tracks: what an m-section sends and receives. Made for each transceiver, put in force by each
 * negotiation; what they send is in encoding.c, what they receive in receive.c. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <stdio.h>
#include <string.h>

/* ---- Making ---- */

static void free_sides(struct sq_track *track)
{
    sq_track_free_tx(track->tx);
    sq_track_free_rx(track);
}

void sq_track_free(struct sq_track *track)
{
    if (track) {
        free_sides(track);
        sq_free(track);
    }
}

static struct sq_track *oldest_stopped(struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (!peer->tracks[i]->jsep) {
            return peer->tracks[i];
        }
    }
    return NULL;
}

/* A peer's last place goes to the track that was stopped first; before that they stay for their
 * statistics. */
static struct sq_track *reuse_track(struct sq_peer *peer)
{
    struct sq_track *track = oldest_stopped(peer);
    if (track) {
        sq_peer_unbind_track(peer, track);
        free_sides(track);
        for (size_t i = 0; i < peer->tracks_len; i++) {
            if (peer->tracks[i]->main_layer == track) {
                peer->tracks[i]->main_layer = NULL;
            }
        }
        *track = (struct sq_track){0};
    }
    return track;
}

static struct sq_track *new_track(struct sq_peer *peer)
{
    if (peer->tracks_len == SQ_PEER_TRACKS_MAX) {
        return reuse_track(peer);
    }
    if (peer->tracks_len == peer->tracks_room) {
        size_t room = peer->tracks_room ? peer->tracks_room * 2 : 2;
        size_t entry = sizeof(struct sq_track *) + sizeof(uint64_t);
        struct sq_track **grown = sq_realloc(peer->tracks, room * entry);
        if (!grown) {
            return NULL;
        }
        peer->tracks = grown;
        peer->tracks_room = room;
        peer->sends_ns = (uint64_t *)(grown + room);
        memset(peer->sends_ns, 0, room * sizeof(uint64_t)); /* to be looked at */
    }
    struct sq_track *track = sq_zalloc(sizeof(*track));
    if (track) {
        peer->sends_ns[peer->tracks_len] = 0;
        peer->tracks[peer->tracks_len++] = track;
    }
    return track;
}

static uint32_t new_ssrc(struct sq_peer *peer)
{
    uint32_t ssrc = 0;
    while (ssrc == 0) {
        ssrc = sq_rand_u32(&peer->env->rand);
    }
    return ssrc;
}

/* As Chromium, which offers it with layers; of those in several streams, where AV1 is sent. */
static bool offers_dependency(const struct sq_peer *peer, enum sq_media_kind kind, bool layers)
{
    const struct sq_peer_codecs *codecs = &peer->codecs[kind];
    bool av1 = codecs->n == 1 && codecs->order[0] == SQ_CODEC_AV1;
    return peer->dependency ||
           (layers && kind == SQ_MEDIA_VIDEO && (codecs->svc || (av1 && peer->simulcast > 1)));
}

/* SSRCs are drawn before the track is there, since the section names them: only the kind of the
 * place differs. */
static struct sq_jsep_add sender_of(struct sq_peer *peer, enum sq_media_kind kind, uint32_t ssrc,
                                    uint32_t rtx_ssrc, bool layers, char name[static 64])
{
    /* From the lowest to the highest, under the names that web applications give them. */
    static const struct sq_jsep_rids rids[] = {{.n = 2, .id = {"h", "f"}},
                                               {.n = 3, .id = {"q", "h", "f"}}};
    snprintf(name, 64, "%.40s-%08x", peer->stream_id, ssrc);
    return (struct sq_jsep_add){
        .kind = kind == SQ_MEDIA_VIDEO ? SQ_JSEP_VIDEO : SQ_JSEP_AUDIO,
        .ssrc = ssrc,
        .rtx_ssrc = rtx_ssrc,
        .stream_id = peer->stream_id,
        .track_id = name,
        .opus = (uint8_t)((peer->codecs[kind].stereo ? SQ_JSEP_OPUS_STEREO : 0) |
                          (peer->codecs[kind].dtx ? SQ_JSEP_OPUS_DTX : 0)),
        .send_rids = layers && kind == SQ_MEDIA_VIDEO && peer->simulcast > 1
                         ? &rids[peer->simulcast - 2]
                         : NULL,
        .more_exts =
            (uint8_t)((peer->capture_time ? SQ_JSEP_EXT_CAPTURE_TIME : 0) |
                      (offers_dependency(peer, kind, layers) ? SQ_JSEP_EXT_DEPENDENCY : 0)),
    };
}

static int add_track(struct sq_peer *peer, struct sq_jsep_transceiver *jsep, uint32_t ssrc,
                     uint32_t rtx_ssrc, struct sq_track **ret_track)
{
    struct sq_track *track = new_track(peer);
    if (!track) {
        return SQ_ERR_NOMEM;
    }
    track->peer = peer;
    track->jsep = jsep;
    track->kind = jsep->kind == SQ_JSEP_VIDEO ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO;
    track->ssrc = ssrc;
    track->rtx_ssrc = rtx_ssrc;
    jsep->user = track;
    *ret_track = track;
    return 0;
}

int sq_peer_add_track(struct sq_peer *peer, enum sq_media_kind kind, enum sq_direction direction,
                      const struct sq_clip *clip, struct sq_track **ret_track)
{
    if (peer->tracks_len == SQ_PEER_TRACKS_MAX && !oldest_stopped(peer)) {
        return SQ_ERR_NOMEM;
    }
    char name[64];
    bool video = kind == SQ_MEDIA_VIDEO;
    struct sq_codec_rows rows;
    struct sq_jsep_add add =
        sender_of(peer, kind, new_ssrc(peer), video ? new_ssrc(peer) : 0, clip != NULL, name);
    int err =
        sq_codec_rows(&peer->codecs[kind], video, direction & SQ_DIR_SENDONLY ? clip : NULL, &rows);
    if (err) {
        return err;
    }
    add.direction = (enum sq_sdp_direction)direction;
    add.allowed = rows.allowed;
    add.prefs = rows.prefs;
    add.n_prefs = rows.n_prefs;
    struct sq_jsep_transceiver *jsep;
    err = sq_jsep_add(peer->jsep, &add, &jsep);
    if (err) {
        return err;
    }
    struct sq_track *track;
    err = add_track(peer, jsep, add.ssrc, add.rtx_ssrc, &track);
    if (err) {
        sq_jsep_stop(peer->jsep, jsep);
        return err;
    }
    track->clip = clip;
    if (ret_track) {
        *ret_track = track;
    }
    return 0;
}

/* A track for a transceiver that the remote offer made: the peer's codecs hold for it, too. */
static int follow_transceiver(struct sq_peer *peer, struct sq_jsep_transceiver *t)
{
    struct sq_track *track;
    bool video = t->kind == SQ_JSEP_VIDEO;
    struct sq_codec_rows rows;
    int err =
        sq_codec_rows(&peer->codecs[video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO], video, NULL, &rows);
    err = err ? err : sq_jsep_set_codecs(peer->jsep, t, rows.allowed, rows.prefs, rows.n_prefs);
    return err ? err : add_track(peer, t, new_ssrc(peer), video ? new_ssrc(peer) : 0, &track);
}

int sq_peer_sync_tracks(struct sq_peer *peer)
{
    for (struct sq_jsep_transceiver *t = sq_jsep_first(peer->jsep); t; t = t->next) {
        int err = t->user || t->stopped ? 0 : follow_transceiver(peer, t);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int set_codecs(struct sq_track *track, const struct sq_peer_codecs *codecs,
                      const struct sq_clip *clip)
{
    struct sq_codec_rows rows;
    int err = sq_codec_rows(codecs, track->kind == SQ_MEDIA_VIDEO, clip, &rows);
    return err ? err
               : sq_jsep_set_codecs(track->peer->jsep, track->jsep, rows.allowed, rows.prefs,
                                    rows.n_prefs);
}

int sq_track_set_codecs(struct sq_track *track, const struct sq_peer_codecs *codecs)
{
    return track->jsep ? set_codecs(track, codecs, track->clip) : SQ_ERR_STATE;
}

int sq_track_set_media(struct sq_track *track, const struct sq_clip *clip)
{
    if (!track->jsep) {
        return SQ_ERR_STATE;
    }
    char name[64];
    const struct sq_jsep_add sender =
        sender_of(track->peer, track->kind, track->ssrc, track->rtx_ssrc, clip != NULL, name);
    int err = clip ? set_codecs(track, &track->peer->codecs[track->kind], clip) : 0;
    err = err ? err : sq_jsep_set_sender(track->peer->jsep, track->jsep, &sender);
    if (err) {
        return err;
    }
    track->clip = clip;
    return sq_track_set_direction(track,
                                  (enum sq_direction)(track->jsep->direction | SQ_DIR_SENDONLY));
}

int sq_track_set_direction(struct sq_track *track, enum sq_direction direction)
{
    if (!track->jsep) {
        return SQ_ERR_STATE;
    }
    sq_jsep_set_direction(track->peer->jsep, track->jsep, (enum sq_sdp_direction)direction);
    return 0;
}

int sq_track_stop(struct sq_track *track)
{
    if (!track->jsep) {
        return SQ_ERR_STATE;
    }
    track->withdrawn = true;
    sq_jsep_stop(track->peer->jsep, track->jsep);
    return 0;
}

/* ---- Putting a negotiation in force ---- */

static void map_ids(const struct sq_jsep_ext_ids *from, struct sq_rtp_ext_ids *to)
{
    const struct {
        enum sq_rtp_ext kind;
        uint8_t id;
    } map[] = {
        {SQ_RTP_EXT_MID, from->mid},
        {SQ_RTP_EXT_RID, from->rid},
        {SQ_RTP_EXT_REPAIRED_RID, from->repaired_rid},
        {SQ_RTP_EXT_ABS_SEND_TIME, from->abs_send_time},
        {SQ_RTP_EXT_TRANSPORT_CC, from->transport_cc},
        {SQ_RTP_EXT_AUDIO_LEVEL, from->audio_level},
        {SQ_RTP_EXT_TOFFSET, from->toffset},
        {SQ_RTP_EXT_ORIENTATION, from->video_orientation},
        {SQ_RTP_EXT_PLAYOUT_DELAY, from->playout_delay},
        {SQ_RTP_EXT_ABS_CAPTURE_TIME, from->abs_capture_time},
        {SQ_RTP_EXT_DEPENDENCY, from->dependency_descriptor},
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
        if (map[i].id) {
            to->id[map[i].kind] = map[i].id;
        }
    }
}

static int open_twcc_log(struct sq_peer *peer)
{
    if (peer->twcc_log) {
        return 0;
    }
    struct sq_twcc_log *log = sq_zalloc(sizeof(*log));
    if (!log) {
        return SQ_ERR_NOMEM;
    }
    int err =
        sq_twcc_log_init(log, SQ_TWCC_LOG_ROOM, (uint16_t)sq_rand_below(&peer->env->rand, 0x8000));
    if (err) {
        sq_free(log);
        return err;
    }
    sq_twcc_log_let_grow(log, SQ_TWCC_LOG_MOST);
    peer->twcc_log = log;
    return 0;
}

static int apply_sending(struct sq_track *track)
{
    int err = track->tx ? 0 : sq_track_make_tx(track);
    if (!err && track->ids.id[SQ_RTP_EXT_TRANSPORT_CC] && (track->fb & SQ_JSEP_FB_TRANSPORT_CC)) {
        err = open_twcc_log(track->peer);
    }
    for (size_t i = 0; !err && i < track->tx->n; i++) {
        err = sq_encoding_apply(track, &track->tx->encodings[i]);
    }
    if (!err) {
        sq_track_want_layers(track);
    }
    return err;
}

static struct sq_track *layer_of(struct sq_peer *peer, const struct sq_track *track, unsigned layer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (peer->tracks[i]->main_layer == track && peer->tracks[i]->layer == layer) {
            return peer->tracks[i];
        }
    }
    return NULL;
}

/* A track for each further layer that the other side sends. They have no transceiver of their own:
 * theirs is the first one's. */
static int make_layers(struct sq_track *track)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_rids *rids = track->jsep->recv_rids;
    for (unsigned layer = 1; rids && layer < rids->n; layer++) {
        struct sq_track *made = layer_of(peer, track, layer);
        if (!made) {
            made = new_track(peer);
        }
        if (!made) {
            return SQ_ERR_NOMEM;
        }
        made->peer = peer;
        made->jsep = track->jsep;
        made->kind = track->kind;
        made->main_layer = track;
        made->layer = (uint8_t)layer;
        made->ssrc = made->ssrc ? made->ssrc : new_ssrc(peer);
        made->user = track->user;
    }
    return 0;
}

static void apply_receiving(struct sq_track *track, bool was)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_transceiver *t = track->jsep;
    if (t->stopped) {
        sq_peer_unbind_track(peer, track);
    }
    /* SSRCs that the packets' MID told stay known: senders leave the MID out after a while. */
    if (track->can_receive) {
        for (size_t i = 0; i < t->n_sources; i++) {
            sq_peer_bind_ssrc(peer, t->sources[i].ssrc, 0, track);
            if (t->sources[i].rtx_ssrc) {
                sq_peer_bind_ssrc(peer, t->sources[i].rtx_ssrc, t->sources[i].ssrc, track);
            }
        }
    }
    if (was && !track->can_receive) {
        sq_track_pause_play(track);
    }
    if (!was && track->can_receive) {
        track->receiving_since_ns = track->peer->now_ns;
    }
    if (was != track->can_receive) {
        sq_peer_emit(
            peer, (struct sq_peer_event){
                      .type = SQ_PEER_EV_TRACK, .track = track, .mid = t->mid, .mline = t->mline});
    }
}

/* What of a clip fits the codec that was agreed on; NULL: nothing. */
static const struct sq_clip_track *media_of(const struct sq_track *track,
                                            const struct sq_clip *clip)
{
    return sq_choose_media(clip, &track->jsep->codecs[0], &track->peer->codecs[track->kind]);
}

static void set_media(struct sq_track *track, const struct sq_clip_track *media)
{
    bool takes_fec = sq_fmtp_is_one(track->jsep->codecs[0].fmtp, "useinbandfec");
    bool may = media && takes_fec && !track->peer->codecs[track->kind].no_fec;
    track->media = media;
    track->has_black =
        media && track->peer->black && track->kind == SQ_MEDIA_VIDEO &&
        sq_clip_nearest(track->peer->black, track->send_codec, media->width, media->height);
    track->fec = may ? sq_choose_fec(track->clip, media) : NULL;
}

/* The codec to send with, what repairs it, and what of the clip goes with it. */
static void apply_codec(struct sq_track *track)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    const struct sq_jsep_codec *codec = &t->codecs[0];
    track->pt = codec->pt;
    track->recv_pt = codec->recv_pt;
    track->fb = codec->fb;
    track->send_codec = sq_jsep_media_codec((enum sq_jsep_codec_id)codec->id);
    track->rtx_pt = track->rtx_recv_pt = 0;
    for (size_t i = 1; i < t->n_codecs; i++) {
        if (strcmp(t->codecs[i].name, "rtx") == 0 && t->codecs[i].apt == codec->pt) {
            track->rtx_pt = t->codecs[i].pt;
            track->rtx_recv_pt = t->codecs[i].recv_pt;
        }
    }
    track->red_pt = 0;
    for (size_t i = 1; i < t->n_codecs; i++) {
        if (t->codecs[i].id == SQ_JSEP_RED && track->send_codec == SQ_CODEC_OPUS && track->clip &&
            track->peer->codecs[track->kind].red) {
            track->red_pt = codec->pt;
            track->pt = t->codecs[i].pt;
        }
    }
    set_media(track, track->clip ? media_of(track, track->clip) : NULL);
    track->can_send = t->can_send && (!track->clip || track->media);
    track->can_receive = t->can_receive;
}

static int apply_track(struct sq_track *track)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_transceiver *t = track->jsep;
    bool was_receiving = track->can_receive;
    bool agreed = t->negotiated && t->n_codecs > 0;
    track->can_send = track->can_receive = false;
    track->ids = (struct sq_rtp_ext_ids){0};
    if (agreed) {
        apply_codec(track);
        map_ids(&t->ext, &track->ids);
        map_ids(&t->ext, &peer->ids);
        peer->twcc_negotiated |=
            track->ids.id[SQ_RTP_EXT_TRANSPORT_CC] && (track->fb & SQ_JSEP_FB_TRANSPORT_CC);
    }
    if (track->main_layer) {
        track->can_send = false;
        track->can_receive = track->can_receive && t->recv_rids && track->layer < t->recv_rids->n;
        return 0;
    }
    int err = track->can_send ? apply_sending(track) : 0;
    err = err ? err : make_layers(track);
    if (!err) {
        apply_receiving(track, was_receiving);
    }
    return err;
}

static void forget_transceiver(struct sq_peer *peer, struct sq_track *track)
{
    struct sq_jsep_transceiver *gone = track->jsep;
    if (sq_jsep_forget(peer->jsep, gone) != 0) {
        return;
    }
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *one = peer->tracks[i];
        if (one->jsep == gone) {
            if (one != track) {
                sq_peer_unbind_track(peer, one);
                one->can_receive = false;
            }
            one->jsep = NULL;
        }
    }
}

/* What its owner wanted, and whether the section was ever agreed on. */
static void note_agreed(struct sq_track *track)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    track->wanted = (uint8_t)t->direction;
    track->agreed = track->agreed || t->negotiated;
    track->refused = t->stopped && !track->agreed && !track->withdrawn;
    track->tried = track->agreed || track->refused;
}

int sq_peer_apply_tracks(struct sq_peer *peer)
{
    peer->ids = (struct sq_rtp_ext_ids){0};
    peer->twcc_negotiated = false;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (!track->jsep) {
            continue;
        }
        int err = apply_track(track);
        if (err) {
            return err;
        }
        note_agreed(track);
        /* A stopped section may be used again by another transceiver: let go of this one. */
        if (track->jsep->stopped && !track->main_layer) {
            forget_transceiver(peer, track);
        }
    }
    return sq_cc_apply(peer);
}

void sq_peer_start_sources(struct sq_peer *peer)
{
    if (!sq_peer_may_send(peer)) {
        return;
    }
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->tx && track->media) {
            sq_track_sync_sources(track, peer->now_ns);
            sq_peer_due(peer, sq_track_next_send_ns(track));
        }
    }
    sq_cc_start(peer);
}

void sq_peer_start_media(struct sq_peer *peer)
{
    if (!peer->srtp) {
        return; /* data channels alone */
    }
    sq_peer_start_sources(peer);
    sq_peer_start_rtcp(peer, peer->now_ns);
}

void sq_track_set_muted(struct sq_track *track, uint64_t now_ns, bool muted)
{
    if (track->muted == muted) {
        return;
    }
    track->muted = muted;
    if (track->tx && track->media && sq_peer_may_send(track->peer)) {
        sq_track_sync_sources(track, now_ns);
        sq_peer_due(track->peer, sq_track_next_send_ns(track));
    }
}

/* track->media, or what is sent in its place, is another; the layers and the step are those that
 * the rate has room for. */
static void begin_media(struct sq_track *track, uint64_t now_ns)
{
    sq_track_change_media(track, now_ns);
    track->tx->stepped_ns = 0; /* where it begins is no step */
    sq_track_allocate(track, track->tx->allocated_bps, now_ns);
    track->tx->stepped_ns = 0;
    sq_peer_due(track->peer, sq_track_next_send_ns(track));
}

void sq_track_set_enabled(struct sq_track *track, uint64_t now_ns, bool enabled)
{
    if (track->disabled == !enabled) {
        return;
    }
    track->disabled = !enabled;
    if (!track->tx || !track->media) {
        return;
    }
    if (track->has_black) {
        begin_media(track, now_ns);
    } else if (sq_peer_may_send(track->peer)) {
        sq_track_sync_sources(track, now_ns);
        sq_peer_due(track->peer, sq_track_next_send_ns(track));
    }
}

int sq_track_share(struct sq_track *track, uint64_t now_ns, const struct sq_clip *clip)
{
    struct sq_peer *peer = track->peer;
    if (!track->jsep || !track->tx || !track->can_send || !track->media) {
        return SQ_ERR_STATE;
    }
    const struct sq_clip_track *media = media_of(track, clip);
    if (!media) {
        return SQ_ERR_UNSUPPORTED;
    }
    track->clip = clip;
    if (media == track->media) {
        return 0;
    }
    set_media(track, media);
    begin_media(track, now_ns);
    return sq_cc_apply(peer);
}

void sq_peer_stop_sources(struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track_tx *tx = peer->tracks[i]->tx;
        for (size_t k = 0; tx && k < tx->n; k++) {
            tx->encodings[k].source_runs = false;
        }
    }
}

/* ---- Plain questions ---- */

size_t sq_peer_track_count(const struct sq_peer *peer)
{
    return peer->tracks_len;
}

struct sq_track *sq_peer_track(struct sq_peer *peer, size_t index)
{
    return index < peer->tracks_len ? peer->tracks[index] : NULL;
}

struct sq_track *sq_peer_track_by_mid(struct sq_peer *peer, const char *mid)
{
    struct sq_jsep_transceiver *t = sq_jsep_by_mid(peer->jsep, mid);
    return t ? t->user : NULL;
}

enum sq_media_kind sq_track_kind(const struct sq_track *track)
{
    return track->kind;
}

const char *sq_track_mid(const struct sq_track *track)
{
    return track->jsep ? track->jsep->mid : "";
}

enum sq_direction sq_track_current_direction(const struct sq_track *track)
{
    return (enum sq_direction)((track->can_send ? SQ_DIR_SENDONLY : 0) |
                               (track->can_receive ? SQ_DIR_RECVONLY : 0));
}

void sq_track_set_user(struct sq_track *track, void *user)
{
    track->user = user;
}

void *sq_track_user(const struct sq_track *track)
{
    return track->user;
}

const char *sq_track_codec(const struct sq_track *track)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    return t && t->negotiated && t->n_codecs > 0 ? t->codecs[0].name : "";
}

enum sq_codec sq_track_media_codec(const struct sq_track *track)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    return t && t->negotiated && t->n_codecs > 0
               ? sq_jsep_media_codec((enum sq_jsep_codec_id)t->codecs[0].id)
               : SQ_CODEC_NONE;
}

void sq_track_receive_simulcast(struct sq_track *track, bool wanted)
{
    if (track->jsep && !track->main_layer) {
        sq_jsep_receive_simulcast(track->jsep, wanted);
    }
}

unsigned sq_track_layer(const struct sq_track *track)
{
    return track->layer;
}

struct sq_track *sq_track_main(struct sq_track *track)
{
    return track->main_layer ? track->main_layer : track;
}

unsigned sq_track_layers(const struct sq_track *track, unsigned *ret_active)
{
    unsigned active = 0;
    for (size_t i = 0; track->tx && i < track->tx->n; i++) {
        active += track->tx->encodings[i].active;
    }
    *ret_active = active;
    return track->tx ? track->tx->n : 0;
}

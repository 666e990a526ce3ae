/* The estimate put to work: rates for the tracks, a pacer that holds clips back, probes and
 * padding.
 *
 * Nothing is queued. A clip keeps its place, so a pacer without budget only says when the clip may
 * go on (libwebrtc's pacer holds packets in a queue for that). Audio is never held back;
 * retransmissions leave at once, up to the rate of the target over half a second, and what they
 * took is missing for new video. */
#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <math.h>
#include <sys/socket.h>

#define PACING_FACTOR 2.5   /* libwebrtc's kDefaultPaceMultiplier */
#define BURST_S       0.040 /* and its burst interval: so much may leave ahead of time */
/* While the estimate limits. A clip has a key frame a second and more, where a browser makes one
 * when asked: let go at 2.5 times the rate of a full link each would look like congestion. */
#define PACING_LIMITED 1.2
#define BURST_LIMITED  0.020
#define RESEND_S       0.5                 /* and its window of the limit of retransmissions */
#define PACKET_BITS    9920.0              /* a full packet with all that is around it */
#define PAYLOAD_BITS   9440.0              /* SQ_CLIP_PAYLOAD_DEFAULT */
#define RESUME_LEAST   (10 * SQ_NS_PER_MS) /* so that a held-back frame goes on in bursts, too */
#define PAD_NS         (25 * SQ_NS_PER_MS)
#define PAD_CREDIT_S   0.025
#define PAD_DEBT_S     0.5
#define PAD_PACKETS    12
#define HOLD_LEAST_NS  (2 * SQ_NS_PER_SEC)
#define HOLD_MOST_NS   (30 * SQ_NS_PER_SEC)
#define FLAP_NS        (15 * SQ_NS_PER_SEC) /* a rise that holds for less was one too many */
#define RISE_MARGIN    0.9
#define RTP_HEAD_BYTES 24.0    /* header with its extensions */
#define RTP_HEAD_LEAST 12.0    /* without: how libwebrtc counts audio's */
#define OPUS_SET_BPS   32000.0 /* for each channel: its kOpusBitrateFbBps */
#define AUDIO_PPS      50.0    /* packets of 20 ms, with DTX, too */
#define PROBE_SCALE    2.0     /* its probes go to so much of what is needed */

static bool sends_clip(const struct sq_track *track, enum sq_media_kind kind)
{
    return track->kind == kind && track->can_send && track->tx && track->media;
}

/* Forwarded video that can go out again as padding. */
static bool pads_by_hand(const struct sq_peer *peer, const struct sq_track *track)
{
    return track->kind == SQ_MEDIA_VIDEO && track->can_send && track->tx && !track->media &&
           track->rtx_pt && peer->ops->resend;
}

static bool has_clip(const struct sq_peer *peer, enum sq_media_kind kind)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (sends_clip(peer->tracks[i], kind)) {
            return true;
        }
    }
    return false;
}

static bool takes_remb(const struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        if (sends_clip(track, SQ_MEDIA_VIDEO) && (track->fb & SQ_JSEP_FB_REMB)) {
            return true;
        }
    }
    return false;
}

/* ---- Life ---- */

int sq_cc_apply(struct sq_peer *peer)
{
    const struct sq_peer_bwe *config = &peer->bwe;
    if (peer->cc || config->mode == SQ_BWE_OFF) {
        return 0;
    }
    struct sq_cc *cc = sq_zalloc(sizeof(*cc));
    if (!cc) {
        return SQ_ERR_NOMEM;
    }
    const struct sq_bwe_config bwe = {
        .start_bps = config->start_bps, .min_bps = config->min_bps, .max_bps = config->max_bps};
    int err = config->mode == SQ_BWE_GCC ? sq_bwe_create(&bwe, &cc->bwe) : 0;
    if (err) {
        sq_free(cc);
        return err;
    }
    cc->mode = config->mode;
    cc->target_bps = cc->bwe ? sq_bwe_target_bps(cc->bwe) : config->fixed_bps;
    cc->pad_ns = SQ_NEVER;
    cc->hold_for_ns = HOLD_LEAST_NS;
    peer->cc = cc;
    return 0;
}

void sq_cc_free(struct sq_cc *cc)
{
    if (cc) {
        sq_bwe_destroy(cc->bwe);
        sq_free(cc);
    }
}

/* ---- Rates ---- */

static double overhead_bits(const struct sq_cc *cc)
{
    return (cc->overhead_bytes + RTP_HEAD_BYTES) * 8;
}

/* Half a packet of each frame is not filled. */
static double frame_overhead_bps(const struct sq_cc *cc, const struct sq_track *track)
{
    return overhead_bits(cc) * track->media->fps_milli / 2000;
}

static double wire_bps(const struct sq_cc *cc, const struct sq_track *track, uint64_t payload_bps)
{
    return payload_bps == 0 ? 0
                            : (double)payload_bps * (1 + overhead_bits(cc) / PAYLOAD_BITS) +
                                  frame_overhead_bps(cc, track);
}

static uint64_t payload_bps(const struct sq_cc *cc, const struct sq_track *track, double wire)
{
    double bps = (wire - frame_overhead_bps(cc, track)) / (1 + overhead_bits(cc) / PAYLOAD_BITS);
    return bps > 0 ? (uint64_t)bps : 0;
}

static double audio_bps(const struct sq_cc *cc, const struct sq_track *track)
{
    const struct sq_clip_track *media = track->media;
    double seconds = (double)media->duration_ticks / media->clock_hz;
    double packets_s = seconds > 0 ? media->packet_count / seconds : 0;
    return media->average_bps + packets_s * (cc->overhead_bytes + RTP_HEAD_BYTES) * 8;
}

/* What libwebrtc reckons with: the rate that the encoder is set to, whatever comes out of it. */
static double audio_set_bps(const struct sq_cc *cc, const struct sq_track *track)
{
    const struct sq_clip_track *media = track->media;
    double bps =
        media->codec == SQ_CODEC_OPUS ? OPUS_SET_BPS * media->channels : media->average_bps;
    return bps + AUDIO_PPS * (cc->overhead_bytes + RTP_HEAD_LEAST) * 8;
}

static double all_audio_bps(const struct sq_peer *peer,
                            double (*of)(const struct sq_cc *, const struct sq_track *))
{
    double bps = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        if (sends_clip(track, SQ_MEDIA_AUDIO)) {
            bps += of(peer->cc, track);
        }
    }
    return bps;
}

/* What the other side takes of a track at most (b=AS or b=TIAS of its section), IP and UDP included
 * as libwebrtc takes both; INFINITY: it has not said. */
static double taken_bps(const struct sq_track *track)
{
    uint64_t bps = track->jsep ? track->jsep->remote_max_bps : 0;
    return bps > 0 ? (double)bps : INFINITY;
}

/* Shares `left` out among the video tracks: the same for each, and what one cannot use goes to the
 * others. */
static void share(struct sq_peer *peer, uint64_t now_ns, double left)
{
    struct sq_cc *cc = peer->cc;
    bool given[SQ_PEER_TRACKS_MAX] = {false};
    size_t waiting = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        waiting += sends_clip(peer->tracks[i], SQ_MEDIA_VIDEO);
    }
    for (bool again = true; again && waiting > 0;) {
        double part = left / (double)waiting;
        again = false;
        for (size_t i = 0; i < peer->tracks_len; i++) {
            struct sq_track *track = peer->tracks[i];
            struct sq_track_rates rates;
            if (!sends_clip(track, SQ_MEDIA_VIDEO) || given[i]) {
                continue;
            }
            sq_track_rates(track, &rates);
            double taken = taken_bps(track);
            double most = fmin(wire_bps(cc, track, rates.max_bps), taken);
            if (most <= part || part <= 0) {
                given[i] = again = true;
                waiting--;
                left -= most;
                part = fmin(fmax(part, 0), taken);
                sq_track_allocate(track, payload_bps(cc, track, part), now_ns);
            }
        }
    }
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (sends_clip(track, SQ_MEDIA_VIDEO) && !given[i]) {
            sq_track_allocate(track, payload_bps(cc, track, left / (double)waiting), now_ns);
        }
    }
}

/* What is sent at present, and what would be at most. */
static void sum_up(struct sq_peer *peer)
{
    struct sq_cc *cc = peer->cc;
    double audio = all_audio_bps(peer, audio_bps);
    double sending = audio;
    double most = audio;
    cc->video_bps = 0;
    cc->can_pad = cc->capped = false;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        struct sq_track_rates rates;
        if (!sends_clip(track, SQ_MEDIA_VIDEO)) {
            continue;
        }
        sq_track_rates(track, &rates);
        uint64_t now_bps = sq_track_sending_bps(track);
        sending += wire_bps(cc, track, now_bps);
        double wire = wire_bps(cc, track, rates.max_bps);
        cc->capped = cc->capped || taken_bps(track) < wire;
        most += fmin(wire, taken_bps(track));
        cc->video_bps += now_bps;
        cc->can_pad = true;
    }
    cc->sending_bps = (uint64_t)sending;
    cc->needed_bps = (uint64_t)most;
    cc->audio_probe_bps = (uint64_t)(PROBE_SCALE * all_audio_bps(peer, audio_set_bps));
}

static void note_limit(struct sq_cc *cc, uint64_t now_ns)
{
    bool limited = cc->can_pad && cc->sending_bps < cc->needed_bps;
    if (limited && !cc->limited_ns) {
        cc->limited_ns = now_ns;
        cc->limited_changes++;
    } else if (!limited && cc->limited_ns) {
        cc->limited_total_ns += now_ns - cc->limited_ns;
        cc->limited_ns = 0;
        cc->limited_changes++;
    }
}

/* A step up that did not hold makes the next one wait for longer; one that held, for less. */
static void note_step(struct sq_cc *cc, uint64_t now_ns, uint64_t before_bps)
{
    if (cc->sending_bps > before_bps) {
        cc->rose_ns = now_ns;
    } else if (cc->sending_bps < before_bps) {
        bool flap = cc->rose_ns && now_ns - cc->rose_ns < FLAP_NS && cc->fell_ns;
        cc->hold_for_ns =
            flap ? sq_min_u64(2 * cc->hold_for_ns, HOLD_MOST_NS) : (uint64_t)HOLD_LEAST_NS;
        cc->fell_ns = now_ns;
        cc->hold_until_ns = now_ns + cc->hold_for_ns;
    }
}

static void set_padding(struct sq_peer *peer, uint64_t now_ns, bool on)
{
    struct sq_cc *cc = peer->cc;
    if (!on) {
        cc->pad_ns = SQ_NEVER;
    } else if (cc->pad_ns == SQ_NEVER) {
        cc->pad_ns = now_ns + PAD_NS;
        cc->credit_bits = 0;
        sq_peer_due(peer, cc->pad_ns);
    }
}

static void allocate(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    if (cc->target_bps > cc->used_bps && now_ns < cc->hold_until_ns) {
        return;
    }
    uint64_t before_bps = cc->sending_bps;
    bool rises = cc->started && cc->bwe && cc->target_bps > cc->used_bps;
    /* A step up is taken where it would outlive the next back-off. */
    double room = rises ? fmax((double)cc->target_bps * RISE_MARGIN, (double)cc->given_bps)
                        : fmin((double)cc->target_bps, (double)cc->given_bps);
    room = cc->given_bps == 0 ? (double)cc->target_bps : room;
    cc->used_bps = cc->target_bps;
    cc->given_bps = (uint64_t)room;
    share(peer, now_ns, room - all_audio_bps(peer, audio_bps));
    sum_up(peer);
    if (cc->started && before_bps > 0) {
        note_step(cc, now_ns, before_bps);
    }
    note_limit(cc, now_ns);
    /* A step leaves a part of the target unused, and who measures what comes must see that more
     * would. Reports of loss alone need no such help. */
    bool measured = cc->bwe && (peer->twcc_log || takes_remb(peer));
    bool more = cc->can_pad ? cc->sending_bps < cc->needed_bps : cc->target_bps < cc->wanted_bps;
    more = more && !(cc->capped && cc->target_bps >= cc->needed_bps); /* no step fills it */
    set_padding(peer, now_ns, measured && more);
}

static void drain(struct sq_cc *cc, uint64_t now_ns);

static void follow(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    uint64_t bps = cc->bwe ? sq_bwe_target_bps(cc->bwe) : cc->target_bps;
    if (bps != cc->target_bps || cc->used_bps != bps) {
        drain(cc, now_ns);
        cc->target_bps = bps;
        allocate(peer, now_ns);
    }
}

void sq_cc_start(struct sq_peer *peer)
{
    struct sq_cc *cc = peer->cc;
    if (!cc) {
        return;
    }
    uint64_t now_ns = peer->now_ns;
    size_t tag = peer->srtp ? sq_srtp_overhead_bytes(sq_srtp_get_profile(peer->srtp)) : 0;
    bool v6 = sq_addr_family(&peer->path_remote) == AF_INET6;
    cc->overhead_bytes = (uint16_t)((v6 ? 40 : 20) + 8 + tag);
    cc->drained_ns = sq_max_u64(cc->drained_ns, now_ns);
    cc->since_ns = cc->since_ns ? cc->since_ns : now_ns;
    sum_up(peer);
    if (cc->bwe) {
        sq_bwe_set_needed(cc->bwe, now_ns, cc->needed_bps);
        if (peer->twcc_log &&
            has_clip(peer, SQ_MEDIA_VIDEO)) { /* who else would tell of a probe? */
            sq_bwe_start(cc->bwe, now_ns);
        }
    }
    allocate(peer, now_ns);
    cc->started = true;
}

/* ---- The pacer ---- */

static double pacing_bps(const struct sq_cc *cc)
{
    double factor = cc->limited_ns ? PACING_LIMITED : PACING_FACTOR;
    return factor * (double)sq_max_u64(cc->target_bps, cc->sending_bps);
}

static double burst_bits(const struct sq_cc *cc)
{
    return pacing_bps(cc) * (cc->limited_ns ? BURST_LIMITED : BURST_S);
}

static void drain(struct sq_cc *cc, uint64_t now_ns)
{
    if (now_ns <= cc->drained_ns) {
        return;
    }
    double s = (double)(now_ns - cc->drained_ns) / 1e9;
    double target = (double)cc->target_bps;
    cc->drained_ns = now_ns;
    cc->debt_bits = fmax(0, cc->debt_bits - pacing_bps(cc) * s);
    cc->resent_bits = fmax(0, cc->resent_bits - target * s);
    double credit_most = fmax(1.5 * PACKET_BITS, target * PAD_CREDIT_S);
    cc->credit_bits = fmin(cc->credit_bits + target * s, credit_most);
}

void sq_cc_on_sent(struct sq_peer *peer, uint64_t now_ns, int kind, size_t bytes, bool video)
{
    struct sq_cc *cc = peer->cc;
    size_t wire = bytes + cc->overhead_bytes;
    double bits = (double)wire * 8;
    drain(cc, now_ns);
    if (video) {
        cc->debt_bits += bits;
        if (!cc->media_begun) {
            cc->media_begun = true;
            sq_peer_due(peer, now_ns); /* the first probes may have waited for it */
        }
        cc->probe_left -= (uint32_t)sq_min_u64(cc->probe_left, wire);
    }
    if (kind == SQ_SENT_AGAIN) {
        cc->resent_bits += bits;
    }
    cc->credit_bits = fmax(cc->credit_bits - bits, -(double)cc->target_bps * PAD_DEBT_S);
    if (cc->bwe) {
        sq_bwe_on_sent(cc->bwe, now_ns, wire, cc->probe);
    }
}

static bool probing(const struct sq_cc *cc)
{
    return cc->bwe && cc->media_begun && sq_bwe_probe_ns(cc->bwe) != SQ_NEVER;
}

unsigned sq_cc_room(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    if (cc->probe) {
        return (cc->probe_left + 1199) / 1200;
    }
    if (!cc->bwe) {
        return SQ_BURST_PACKETS;
    }
    if (probing(cc)) {
        return 0; /* all goes into the probe */
    }
    drain(cc, now_ns);
    double bits = burst_bits(cc) - cc->debt_bits;
    if (bits <= 0) {
        return 0;
    }
    unsigned packets = (unsigned)(bits / PACKET_BITS) + 1;
    return packets < SQ_PACE_PACKETS_MAX ? packets : SQ_PACE_PACKETS_MAX;
}

uint64_t sq_cc_resume_ns(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    if (!cc->bwe) {
        return now_ns + SQ_BURST_GAP_NS;
    }
    if (probing(cc)) {
        return sq_max_u64(sq_bwe_probe_ns(cc->bwe), now_ns + SQ_NS_PER_MS);
    }
    double over_bits = cc->debt_bits - burst_bits(cc);
    uint64_t wait_ns = over_bits > 0 ? (uint64_t)(over_bits / pacing_bps(cc) * 1e9) : 0;
    return now_ns + sq_max_u64(wait_ns, RESUME_LEAST);
}

bool sq_cc_may_resend(struct sq_peer *peer, uint64_t now_ns, size_t bytes)
{
    struct sq_cc *cc = peer->cc;
    if (!cc || !cc->bwe) {
        return true;
    }
    drain(cc, now_ns);
    return cc->resent_bits + (double)bytes * 8 <= (double)cc->target_bps * RESEND_S + PACKET_BITS;
}

/* ---- Probes and padding ---- */

/* Padding of about so many bytes; what was sent. */
static size_t pad(struct sq_peer *peer, uint64_t now_ns, size_t bytes)
{
    size_t sent = 0;
    for (size_t i = 0; i < peer->tracks_len && sent == 0; i++) {
        struct sq_track *track = peer->tracks[i];
        if (sends_clip(track, SQ_MEDIA_VIDEO) || pads_by_hand(peer, track)) {
            sent = sq_track_send_padding(track, now_ns, bytes);
        }
    }
    return sent;
}

static void send_probes(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    struct sq_bwe_probe probe;
    while (cc->media_begun && sq_bwe_probe_due(cc->bwe, now_ns, &probe)) {
        cc->probe = probe.id;
        cc->probe_left = probe.bytes;
        for (size_t i = 0; i < peer->tracks_len && cc->probe_left > 0; i++) {
            struct sq_track *track = peer->tracks[i];
            if (sends_clip(track, SQ_MEDIA_VIDEO)) {
                sq_track_run_probe(track, now_ns);
            }
        }
        bool media = cc->probe_left < probe.bytes;
        bool padded = cc->probe_left > 0 && pad(peer, now_ns, cc->probe_left) > 0;
        cc->probe = 0;
        if (!media && !padded) {
            sq_bwe_probe_drop(cc->bwe);
        }
    }
}

static void send_padding(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    drain(cc, now_ns);
    cc->pad_ns = now_ns + PAD_NS;
    if (cc->debt_bits > PACKET_BITS) {
        return; /* behind the frame that is on its way */
    }
    for (unsigned i = 0; i < PAD_PACKETS && cc->credit_bits >= PACKET_BITS; i++) {
        if (pad(peer, now_ns, 1200) == 0) {
            break;
        }
    }
}

uint64_t sq_cc_next_ns(const struct sq_peer *peer)
{
    const struct sq_cc *cc = peer->cc;
    if (!cc->bwe || !cc->started) {
        return SQ_NEVER;
    }
    uint64_t at = sq_min_u64(sq_bwe_next_ns(cc->bwe), cc->pad_ns);
    if (cc->media_begun) {
        at = sq_min_u64(at, sq_bwe_probe_ns(cc->bwe));
    }
    return at;
}

void sq_cc_on_timeout(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_cc *cc = peer->cc;
    if (sq_bwe_next_ns(cc->bwe) <= now_ns) {
        sq_bwe_on_timeout(cc->bwe, now_ns);
    }
    if (cc->media_begun && sq_bwe_probe_ns(cc->bwe) <= now_ns) {
        send_probes(peer, now_ns);
    }
    if (cc->pad_ns <= now_ns) {
        send_padding(peer, now_ns);
    }
    follow(peer, now_ns);
}

/* ---- What the other side says ---- */

void sq_cc_on_feedback(struct sq_peer *peer, uint64_t now_ns, struct sq_twcc_result *results,
                       size_t n)
{
    struct sq_cc *cc = peer->cc;
    if (cc && cc->bwe) {
        sq_bwe_on_feedback(cc->bwe, now_ns, results, n);
        follow(peer, now_ns);
    }
}

void sq_cc_on_remb(struct sq_peer *peer, uint64_t now_ns, uint64_t bps)
{
    struct sq_cc *cc = peer->cc;
    if (cc && cc->bwe) {
        sq_bwe_on_remb(cc->bwe, now_ns, bps);
        follow(peer, now_ns);
    }
}

void sq_cc_on_loss(struct sq_peer *peer, uint64_t now_ns, uint64_t packets, uint64_t lost)
{
    struct sq_cc *cc = peer->cc;
    if (cc && cc->bwe && !peer->twcc_log && packets > 0) {
        sq_bwe_on_loss_report(cc->bwe, now_ns, packets, lost, sq_peer_rtt_ns(peer, now_ns));
        follow(peer, now_ns);
    }
}

/* ---- Plain questions ---- */

int sq_peer_restart_estimate(struct sq_peer *peer, uint64_t now_ns, uint64_t start_bps)
{
    sq_cc_free(peer->cc);
    peer->cc = NULL;
    peer->now_ns = sq_max_u64(peer->now_ns, now_ns);
    peer->bwe = (struct sq_peer_bwe){.mode = SQ_BWE_GCC, .start_bps = start_bps};
    int err = sq_cc_apply(peer);
    if (!err && sq_peer_may_send(peer)) {
        sq_cc_start(peer);
    }
    return err;
}

static bool can_pad_by_hand(const struct sq_peer *peer)
{
    bool can = false;
    for (size_t i = 0; peer->cc && i < peer->tracks_len; i++) {
        can = can || pads_by_hand(peer, peer->tracks[i]);
    }
    return can && peer->cc->bwe && peer->cc->started && peer->twcc_log;
}

void sq_peer_probe_start(struct sq_peer *peer, uint64_t now_ns)
{
    if (can_pad_by_hand(peer)) {
        sq_bwe_start(peer->cc->bwe, now_ns);
        sq_peer_due(peer, now_ns);
    }
}

bool sq_peer_want_rate(struct sq_peer *peer, uint64_t now_ns, uint64_t bps)
{
    struct sq_cc *cc = peer->cc;
    if (!can_pad_by_hand(peer)) {
        return false;
    }
    cc->wanted_bps = bps;
    if (!cc->can_pad) { /* a clip has padding of its own */
        set_padding(peer, now_ns, cc->target_bps < bps);
    }
    return true;
}

uint64_t sq_peer_bwe_estimate(const struct sq_peer *peer)
{
    return peer->cc && peer->cc->bwe ? sq_bwe_target_bps(peer->cc->bwe) : 0;
}

void sq_peer_bwe_stats(const struct sq_peer *peer, uint64_t now_ns,
                       struct sq_peer_bwe_stats *ret_stats)
{
    struct sq_peer_bwe_stats s = {0};
    const struct sq_cc *cc = peer->cc;
    if (cc) {
        s.estimate_bps = sq_peer_bwe_estimate(peer);
        s.video_target_bps = cc->video_bps;
        s.limited = cc->limited_ns != 0;
        uint64_t limited_ns = cc->limited_total_ns + (cc->limited_ns ? now_ns - cc->limited_ns : 0);
        uint64_t all_ns = cc->since_ns && now_ns > cc->since_ns ? now_ns - cc->since_ns : 0;
        s.limited_s = (double)limited_ns / 1e9;
        s.unlimited_s = (double)(all_ns > limited_ns ? all_ns - limited_ns : 0) / 1e9;
        s.limit_changes = cc->limited_changes;
    }
    *ret_stats = s;
}

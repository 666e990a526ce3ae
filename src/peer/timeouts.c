/* When a peer is to be woken, and what it does then. */
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <stdio.h>

/* Transport-wide feedback leaves with a packet of a clip that is sent so much before or after it is
 * due (audio is every 20 ms), and not by itself: a time-out less, which finds the peer's memory in
 * no cache. It stays on its grid; Chromium's has the 15.6 ms of its timers to be late. */
#define RIDE_NS (10 * SQ_NS_PER_MS)

static void arm(struct sq_peer *peer, uint64_t at_ns)
{
    if (at_ns < peer->armed_ns && peer->state != SQ_PEER_CLOSED) {
        peer->armed_ns = at_ns;
        if (peer->ops->arm) {
            peer->ops->arm(peer->ctx, at_ns);
        }
    }
}

void sq_peer_due(struct sq_peer *peer, uint64_t at_ns)
{
    peer->rest_ns = sq_min_u64(peer->rest_ns, at_ns);
    arm(peer, at_ns);
}

/* When the clip of a track wants to send. */
static uint64_t clip_due(const struct sq_track *track)
{
    return track->tx ? sq_track_next_send_ns(track) : SQ_NEVER;
}

static void note_clips(struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        peer->sends_ns[i] = clip_due(peer->tracks[i]);
    }
}

/* When any does, as noted. */
static uint64_t clips_due(const struct sq_peer *peer)
{
    uint64_t at = SQ_NEVER;
    for (size_t i = 0; i < peer->tracks_len && sq_peer_may_send(peer); i++) {
        at = sq_min_u64(at, peer->sends_ns[i]);
    }
    return at;
}

/* When transport-wide feedback leaves at the latest. */
static uint64_t feedback_due(const struct sq_peer *peer, uint64_t clips_ns)
{
    uint64_t at = peer->feedback_ns;
    return at != SQ_NEVER && clips_ns <= at + RIDE_NS ? at + RIDE_NS : at;
}

void sq_peer_note_feedback(struct sq_peer *peer)
{
    uint64_t at = sq_twcc_recorder_next_ns(peer->twcc_recorder);
    if (at != peer->feedback_ns) {
        peer->feedback_ns = at;
        arm(peer, feedback_due(peer, clips_due(peer)));
    }
}

/* When anything is to be done, as noted. */
static uint64_t next_due(const struct sq_peer *peer)
{
    uint64_t clips_ns = clips_due(peer);
    uint64_t at = sq_min_u64(peer->rest_ns, clips_ns);
    return sq_peer_may_send(peer) ? sq_min_u64(at, feedback_due(peer, clips_ns)) : at;
}

/* When anything else is to be done. Its answers lie all over the peer's memory. */
static uint64_t rest_due(const struct sq_peer *peer)
{
    uint64_t at = sq_min_u64(peer->connect_by_ns, peer->rtcp_at_ns);
    at = sq_min_u64(at, sq_ice_next_timeout(peer->ice));
    at = sq_min_u64(at, sq_dtls_next_timeout(peer->dtls));
    at = peer->data ? sq_min_u64(at, sq_data_next_timeout(peer)) : at;
    if (!sq_peer_may_send(peer)) {
        return at;
    }
    at = sq_min_u64(at, peer->video_report_ns);
    if (peer->cc) {
        at = sq_min_u64(at, sq_cc_next_ns(peer));
    }
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        at = track->rx ? sq_min_u64(at, sq_track_feedback_due(track)) : at;
    }
    return at;
}

void sq_peer_rearm(struct sq_peer *peer)
{
    if (peer->state != SQ_PEER_CLOSED) {
        peer->rest_ns = rest_due(peer);
        note_clips(peer);
        arm(peer, next_due(peer));
    }
}

uint64_t sq_peer_next_timeout(const struct sq_peer *peer)
{
    if (peer->state == SQ_PEER_CLOSED) {
        return SQ_NEVER;
    }
    uint64_t at = rest_due(peer);
    if (!sq_peer_may_send(peer)) {
        return at;
    }
    uint64_t clips_ns = SQ_NEVER;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        clips_ns = sq_min_u64(clips_ns, clip_due(peer->tracks[i]));
    }
    return sq_min_u64(sq_min_u64(at, clips_ns), feedback_due(peer, clips_ns));
}

/* It has done its part, and was told nothing of the other side. Without a candidate, and with a
 * server still to give it one, it has not done its part. */
static bool waits_for_remote(const struct sq_peer *peer)
{
    return !peer->remote_applied &&
           (sq_ice_local_count(peer->ice) > 0 || sq_ice_gathering_is_done(peer->ice));
}

static void check_connect_timeout(struct sq_peer *peer)
{
    if (peer->now_ns < peer->connect_by_ns) {
        return;
    }
    peer->connect_by_ns = SQ_NEVER;
    double waited_s = (double)peer->connect_timeout_ns / 1e9;
    if (waits_for_remote(peer)) {
        if (!peer->clock_from_offer) {
            return; /* who asked for it has a time-out; the clock starts anew once it is there */
        }
        sq_peer_fail(peer, SQ_PEER_CAUSE_UNANSWERED,
                     "the other side's session description did not come within %.3g s", waited_s);
    } else if (peer->dtls_up || !peer->has_path) { /* up: it is a restart that found no path */
        char words[SQ_ICE_WORDS_MAX], names[64] = "";
        size_t unresolved = sq_ice_unresolved(peer->ice);
        sq_ice_words(peer->ice, words);
        if (unresolved > 0) {
            snprintf(names, sizeof(names), "; %zu host names that were not resolved", unresolved);
        }
        sq_peer_fail(peer, SQ_PEER_CAUSE_ICE, "no ICE candidate pair answered within %.3g s (%s%s)",
                     waited_s, words, names);
    } else {
        sq_peer_fail(peer, SQ_PEER_CAUSE_DTLS, "the DTLS handshake was not over within %.3g s",
                     waited_s);
    }
}

static void dtls_on_timeout(struct sq_peer *peer, uint64_t now_ns)
{
    peer->in_dtls++;
    sq_dtls_on_timeout(peer->dtls, now_ns);
    sq_peer_left_dtls(peer);
}

/* Before it is due where a clip sends now. */
static void run_transport_feedback(struct sq_peer *peer, uint64_t now_ns)
{
    uint64_t until_ns = clips_due(peer) <= now_ns ? now_ns + RIDE_NS : now_ns;
    if (peer->feedback_ns <= until_ns) {
        sq_peer_send_transport_feedback(peer, now_ns, until_ns);
        peer->feedback_ns = sq_twcc_recorder_next_ns(peer->twcc_recorder);
    }
}

static void run_congestion(struct sq_peer *peer, uint64_t now_ns)
{
    if (peer->cc && sq_cc_next_ns(peer) <= now_ns) {
        sq_cc_on_timeout(peer, now_ns);
    }
}

static void run_reports(struct sq_peer *peer, uint64_t now_ns)
{
    if (peer->rtcp_at_ns <= now_ns) {
        sq_peer_send_reports(peer, now_ns);
    } else if (peer->video_report_ns <= now_ns && sq_peer_may_send(peer)) {
        sq_peer_send_video_reports(peer, now_ns);
    }
}

/* With `rest` all of them: what was noted may not hold any more, and is noted again at the end. */
static void run_sources(struct sq_peer *peer, uint64_t now_ns, bool rest)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (!rest && peer->sends_ns[i] > now_ns) {
            continue;
        }
        struct sq_track *track = peer->tracks[i];
        if (clip_due(track) <= now_ns) {
            sq_track_run_sources(track, now_ns);
        }
        if (!rest) {
            peer->sends_ns[i] = clip_due(track);
        }
    }
}

static void run_feedback(struct sq_peer *peer, uint64_t now_ns)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->rx && sq_track_feedback_due(track) <= now_ns) {
            sq_track_run_feedback(track, now_ns);
        }
    }
}

static void run_transport(struct sq_peer *peer, uint64_t now_ns)
{
    run_reports(peer, now_ns);
    if (sq_ice_next_timeout(peer->ice) <= now_ns) {
        sq_ice_on_timeout(peer->ice, now_ns);
        sq_peer_after_ice(peer);
    }
    if (sq_dtls_next_timeout(peer->dtls) <= now_ns) {
        dtls_on_timeout(peer, now_ns);
    }
    if (peer->data && sq_data_next_timeout(peer) <= now_ns) {
        sq_data_on_timeout(peer, now_ns);
    }
    check_connect_timeout(peer);
}

/* Most time-outs are those of the clips. What else there is, is looked at only when some of it is
 * due: in a thousand peers each look misses the cache. */
void sq_peer_on_timeout(struct sq_peer *peer, uint64_t now_ns)
{
    if (peer->state == SQ_PEER_CLOSED) {
        return;
    }
    now_ns = sq_max_u64(now_ns, peer->clock_ns); /* a datagram's time may have been ahead of it */
    bool rest = peer->rest_ns <= now_ns;
    peer->now_ns = peer->clock_ns = now_ns;
    peer->armed_ns = SQ_NEVER;
    if (rest && sq_peer_may_send(peer)) {
        run_congestion(peer, now_ns);
    }
    if (sq_peer_may_send(peer)) {
        run_transport_feedback(peer, now_ns);
        run_sources(peer, now_ns, rest);
    }
    if (rest && sq_peer_may_send(peer)) {
        run_feedback(peer, now_ns);
    }
    if (rest) {
        run_transport(peer, now_ns);
        peer->rest_ns = rest_due(peer);
        note_clips(peer);
    }
    peer->armed_ns = SQ_NEVER;
    arm(peer, next_due(peer));
}

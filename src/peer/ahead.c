#include "peer/ahead.h"

#include "peer/peer_int.h"

#define LINE 64

static void fetch(const void *at, size_t from, size_t to)
{
    for (size_t i = from / LINE; at && i <= (to - 1) / LINE; i++) {
        __builtin_prefetch((const char *)at + i * LINE);
    }
}

/* The track whose clip sends next. */
static const struct sq_track *next_to_send(const struct sq_peer *peer)
{
    size_t next = 0;
    for (size_t i = 1; i < peer->tracks_len; i++) {
        next = peer->sends_ns[i] < peer->sends_ns[next] ? i : next;
    }
    return peer->tracks_len > 0 ? peer->tracks[next] : NULL;
}

void sq_peer_fetch_timeout(const void *of, unsigned step)
{
    const struct sq_peer *peer = of;
    const struct sq_track *track;
    switch (step) {
    case 0:
        fetch(peer->tracks, 0, LINE);
        fetch(peer, offsetof(struct sq_peer, path_remote), offsetof(struct sq_peer, ssrcs));
        fetch(peer, offsetof(struct sq_peer, transport), sizeof(struct sq_peer));
        break;
    case 1:
        fetch(next_to_send(peer), 0, sizeof(struct sq_track));
        fetch(peer->cc, 0, 2 * LINE);
        fetch(peer->twcc_log, 0, LINE);
        break;
    default:
        track = next_to_send(peer);
        fetch(track ? track->tx : NULL, 0,
              sizeof(struct sq_track_tx) + offsetof(struct sq_encoding, rid));
        break;
    }
}

void sq_peer_fetch_packet(const struct sq_peer *peer, unsigned step)
{
    if (step == 0) {
        fetch(peer->ssrcs, 0, 2 * LINE);
        fetch(peer->twcc_recorder, 0, LINE);
        return;
    }
    const struct sq_track *track =
        peer->ssrcs_last < peer->ssrcs_len ? peer->ssrcs[peer->ssrcs_last].track : NULL;
    if (!track) {
        return;
    }
    switch (step) {
    case 1:
        fetch(track, 0, sizeof(struct sq_track));
        break;
    case 2:
        fetch(track->jsep, offsetof(struct sq_jsep_transceiver, codecs),
              offsetof(struct sq_jsep_transceiver, ext));
        fetch(track->rx, 0, 2 * LINE);
        fetch(track->rx, offsetof(struct sq_track_rx, switched_ns),
              offsetof(struct sq_track_rx, audio) + 4 * LINE);
        break;
    default:
        fetch(track->jsep ? track->jsep->codecs : NULL, 0, LINE);
        break;
    }
}

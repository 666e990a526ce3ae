/* Telephone events that a track sends (RFC 4733), after W3C's RTCDTMFSender. */
#include "base/mem.h"
#include "media/dtmf.h"
#include "media/opus.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <ctype.h>
#include <string.h>

#define INTERVAL_MS    20 /* between two packets of an event: as of the audio in whose place it is */
#define COMMA_MS       2000
#define DURATION_MS    100
#define DURATION_LEAST 40
#define GAP_MS         70
#define GAP_LEAST      30
#define DURATION_MOST  6000 /* of both */
#define PAUSE_BYTES    8    /* of DTX: libopus' have 1 or 2 */
#define SOUND_NS       (20 * SQ_NS_PER_MS)

struct sq_tones {
    struct sq_dtmf key;           /* while it sounds */
    struct sq_dtmf_packet packet; /* due next */
    bool sounds;
    uint64_t next_ns;  /* the packet, or the next tone; SQ_NEVER: nothing is left */
    uint64_t began_ns; /* the tone that sounds */
    uint32_t ts;       /* of its beginning */
    uint32_t begun;
    uint32_t clock_hz;
    uint16_t duration_ms, gap_ms;
    uint8_t pt;
    uint8_t at;        /* in the buffer */
    uint8_t pause_len; /* 0: what was left out last for the key's sake was sound, or nothing was */
    uint8_t pause[PAUSE_BYTES];
    char buffer[SQ_PEER_TONES_MAX + 1];
};

uint64_t sq_tones_next_ns(const struct sq_tones *tones)
{
    return tones->next_ns;
}

bool sq_tones_sounds(const struct sq_tones *tones)
{
    return tones && tones->sounds;
}

uint32_t sq_tones_begun(const struct sq_tones *tones)
{
    return tones->begun;
}

void sq_tones_take_place_of(struct sq_tones *tones, enum sq_codec codec,
                            const struct sq_source_packet *packet)
{
    struct sq_opus_packet opus;
    size_t again = 0; /* RFC 2198, section 3: the length of the block before, in RED */
    if (packet->head_len > 4) {
        again = (packet->head[2] & 3U) << 8 | packet->head[3];
    }
    const uint8_t *at = packet->fragment + again;
    size_t len = packet->fragment_len - again;
    bool pause = codec == SQ_CODEC_OPUS && len > 0 && len <= PAUSE_BYTES &&
                 sq_opus_parse(at, len, &opus) == 0 && opus.dtx;
    tones->pause_len = pause ? (uint8_t)len : 0;
    if (pause) {
        memcpy(tones->pause, at, len);
    }
}

static uint64_t ticks_ns(const struct sq_tones *t, uint32_t ticks)
{
    return (uint64_t)ticks * SQ_NS_PER_SEC / t->clock_hz;
}

/* The packet after this one, or the pause after the last. */
static void go_on(struct sq_tones *t)
{
    uint64_t last_ns = t->next_ns;
    if (sq_dtmf_next(&t->key, &t->packet)) {
        t->next_ns = t->began_ns + ticks_ns(t, t->packet.due_ticks);
        return;
    }
    uint64_t gap_ends_ns = t->began_ns + (t->duration_ms + (uint64_t)t->gap_ms) * SQ_NS_PER_MS;
    t->sounds = false;
    t->next_ns = sq_max_u64(last_ns + INTERVAL_MS * SQ_NS_PER_MS, gap_ends_ns);
}

static void next_tone(struct sq_tones *t, const struct sq_encoding *e)
{
    char tone = t->buffer[t->at];
    if (tone == '\0') {
        t->next_ns = SQ_NEVER;
        return;
    }
    t->at++;
    if (tone == ',') {
        t->next_ns += COMMA_MS * SQ_NS_PER_MS;
        return;
    }
    if (sq_dtmf_press(&t->key, tone, t->clock_hz, t->duration_ms, INTERVAL_MS) != 0) {
        return; /* not reached: tones were looked at when they came */
    }
    t->sounds = true;
    t->pause_len = 0;
    t->begun++;
    t->began_ns = t->next_ns;
    t->ts = sq_rtp_sender_ts_at(&e->rtp, t->began_ns);
    go_on(t);
}

/* A pause of DTX that began while the key sounded was told by a packet in whose place the key went,
 * and the next one comes up to 400 ms later: a listener would take it for a loss. It is told now.
 */
static void tell_pause(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                       uint64_t end_ns)
{
    const struct sq_tones *t = track->tx->tones;
    if (t->pause_len && sq_source_due_ns(&e->source) >= end_ns + SOUND_NS) {
        sq_encoding_send_pause(track, e, now_ns, end_ns, t->pause, t->pause_len);
    }
}

void sq_track_run_tones(struct sq_track *track, uint64_t now_ns)
{
    struct sq_tones *t = track->tx->tones;
    struct sq_encoding *e = &track->tx->encodings[0];
    if (!track->can_send) { /* as W3C has it: nothing is played any more */
        t->sounds = false;
        t->next_ns = SQ_NEVER;
    }
    while (t->next_ns <= now_ns) {
        if (!t->sounds) {
            next_tone(t, e);
            continue;
        }
        /* In the stream's own clock where the event's is another. */
        uint32_t ts =
            t->ts + (uint32_t)((uint64_t)t->packet.segment_ticks * e->rtp.clock_rate / t->clock_hz);
        uint64_t at_ns = t->began_ns + ticks_ns(t, t->packet.segment_ticks);
        sq_encoding_send_event(track, e, now_ns, t->pt, ts, at_ns, t->packet.marker,
                               t->packet.payload, SQ_DTMF_BYTES);
        uint64_t sent_ns = t->next_ns;
        go_on(t);
        if (!t->sounds) {
            tell_pause(track, e, now_ns, sent_ns);
        }
    }
}

/* ---- Public ---- */

const struct sq_jsep_codec *sq_track_event_codec(const struct sq_track *track, uint32_t clock_hz)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    for (size_t i = 0; t && i < t->n_codecs; i++) {
        if (sq_jsep_codec_is_event(&t->codecs[i]) && t->codecs[i].clock_rate_hz == clock_hz) {
            return &t->codecs[i];
        }
    }
    return NULL;
}

bool sq_track_takes_events(const struct sq_track *track, uint32_t clock_hz)
{
    return sq_track_event_codec(track, clock_hz) != NULL;
}

/* The row with the clock of the codec that is sent, else another one; NULL: none was agreed. */
static const struct sq_jsep_codec *event_codec(const struct sq_track *track)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    const struct sq_jsep_codec *found = NULL;
    for (size_t i = 0; t && i < t->n_codecs; i++) {
        const struct sq_jsep_codec *c = &t->codecs[i];
        if (sq_jsep_codec_is_event(c) &&
            (!found || c->clock_rate_hz == t->codecs[0].clock_rate_hz)) {
            found = c;
        }
    }
    return found;
}

static unsigned within(unsigned value, unsigned standard, unsigned least, unsigned most)
{
    value = value == 0 ? standard : value;
    return value < least ? least : value > most ? most : value;
}

int sq_track_send_dtmf(struct sq_track *track, uint64_t now_ns, const char *tones,
                       unsigned duration_ms, unsigned gap_ms)
{
    const struct sq_jsep_codec *codec = event_codec(track);
    size_t len = strlen(tones);
    if (track->kind != SQ_MEDIA_AUDIO || !track->tx || !track->can_send || !codec) {
        return SQ_ERR_STATE;
    }
    for (size_t i = 0; i < len; i++) {
        if (tones[i] != ',' && sq_dtmf_of_key(tones[i]) < 0) {
            return SQ_ERR_INVALID;
        }
    }
    if (len > SQ_PEER_TONES_MAX) {
        return SQ_ERR_INVALID;
    }
    struct sq_tones *t = track->tx->tones;
    if (!t) {
        t = track->tx->tones = sq_zalloc(sizeof(*t));
        if (!t) {
            return SQ_ERR_NOMEM;
        }
        t->next_ns = SQ_NEVER;
    }
    if (!t->sounds) { /* else the tone at hand ends first, as it began */
        t->next_ns = t->next_ns == SQ_NEVER ? now_ns : t->next_ns;
        t->clock_hz = codec->clock_rate_hz;
        t->pt = codec->pt;
    }
    t->duration_ms = (uint16_t)within(duration_ms, DURATION_MS, DURATION_LEAST, DURATION_MOST);
    t->gap_ms = (uint16_t)within(gap_ms, GAP_MS, GAP_LEAST, DURATION_MOST);
    t->at = 0;
    for (size_t i = 0; i <= len; i++) {
        t->buffer[i] = (char)toupper((unsigned char)tones[i]);
    }
    sq_peer_due(track->peer, t->next_ns);
    return 0;
}

const char *sq_track_tone_buffer(const struct sq_track *track)
{
    const struct sq_tones *t = track->tx ? track->tx->tones : NULL;
    return t ? t->buffer + t->at : "";
}

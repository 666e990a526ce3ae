/* Forwarding: each packet of a publisher goes to all who watch it, with their own sequence numbers
 * and time-stamps. Nothing is allocated for a packet.
 *
 * Numbers: a source's sequence numbers are extended to 64 bits, and padding-only packets are taken
 * out of the count ("clean"), so that leaving them out makes no hole. A port adds its own offset;
 * what was lost on the way to the lab stays a hole, and a packet that is repaired later fills it.
 */
#include "base/mem.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include "media/vp8.h"
#include "peer/rtp/sender.h"
#include <string.h>

#define VIDEO_CLOCK 90000
#define AUDIO_CLOCK 48000

/* ---- The ring ---- */

static struct sq_lab_ring *new_ring(size_t room, uint32_t first)
{
    struct sq_lab_ring *ring = sq_zalloc(sizeof(*ring) + room);
    if (ring) {
        ring->room = room;
        /* A random start: a number of another source is not taken for one of this. */
        ring->next = first;
        for (size_t i = 0; i < SQ_LAB_RING_PACKETS; i++) {
            ring->packets[i].number = ~(first + (uint32_t)i);
        }
    }
    return ring;
}

static uint32_t ring_put(struct sq_lab_ring *ring, const struct sq_rtp_packet *packet)
{
    size_t len = packet->payload_bytes;
    size_t at = ring->end % ring->room;
    if (at + len > ring->room) { /* a packet lies in one piece */
        ring->end += ring->room - at;
        at = 0;
    }
    if (ring->next == SQ_RTP_NO_COOKIE) {
        ring->next++;
    }
    uint32_t number = ring->next++;
    memcpy(ring->slab + at, packet->payload, len);
    size_t place = number & (SQ_LAB_RING_PACKETS - 1);
    ring->packets[place].number = number;
    ring->packets[place].at = ring->end;
    ring->packets[place].len = (uint16_t)len;
    ring->packets[place].marker = packet->marker;
    ring->end += len;
    return number;
}

static bool ring_get(const struct sq_lab_ring *ring, uint32_t number, struct sq_rtp_out *ret_out)
{
    size_t place = number & (SQ_LAB_RING_PACKETS - 1);
    if (ring->packets[place].number != number ||
        ring->packets[place].at + ring->room < ring->end + SQ_PEER_DATAGRAM_MAX) {
        return false; /* overwritten, or about to be */
    }
    *ret_out = (struct sq_rtp_out){
        .marker = ring->packets[place].marker,
        .payload = ring->slab + ring->packets[place].at % ring->room,
        .payload_len = ring->packets[place].len,
    };
    return true;
}

/* ---- Sources and ports ---- */

struct sq_lab_source *sq_lab_source_new(struct sq_lab_port *port, bool echo)
{
    struct sq_lab_source *source = sq_zalloc(sizeof(*source));
    if (!source) {
        return NULL;
    }
    source->port = port;
    source->video = port->video;
    if (source->video) {
        struct sq_rand *rand = sq_carrier_rand(port->member->lab->carrier);
        source->ring =
            new_ring(echo ? SQ_LAB_RING_ECHO_BYTES : SQ_LAB_RING_BYTES, sq_rand_u32(rand));
        if (!source->ring) {
            sq_free(source);
            return NULL;
        }
    }
    return source;
}

void sq_lab_source_free(struct sq_lab_source *source)
{
    if (!source) {
        return;
    }
    while (source->ports) {
        sq_lab_detach(source->ports);
    }
    sq_free(source->ring);
    sq_free(source);
}

void sq_lab_attach(struct sq_lab_port *port, struct sq_lab_source *source)
{
    port->from = source;
    port->next_of_source = source->ports;
    port->prev_of_source = &source->ports;
    if (port->next_of_source) {
        port->next_of_source->prev_of_source = &port->next_of_source;
    }
    source->ports = port;
    port->started = port->waiting = port->ready = false;
}

static void stop_waiting(struct sq_lab_port *port)
{
    if (port->waiting) {
        port->waiting = false;
        port->from->waiting--;
    }
}

void sq_lab_detach(struct sq_lab_port *port)
{
    struct sq_lab_source *source = port->from;
    if (!source) {
        return;
    }
    stop_waiting(port);
    if (port->started) {
        port->next_seq = (uint16_t)((uint16_t)source->highest_clean + port->seq_offset + 1);
        port->next_ts = source->last_ts + port->ts_offset;
        port->stopped_ns = source->last_ns;
    }
    *port->prev_of_source = port->next_of_source;
    if (port->next_of_source) {
        port->next_of_source->prev_of_source = port->prev_of_source;
    }
    port->from = NULL;
    port->started = port->ready = false;
}

void sq_lab_want_key(struct sq_lab_source *source, uint64_t now_ns)
{
    if (source->video) {
        source->key_wanted = true;
        source->port->member->lab->counters.key_frames_asked++;
        sq_track_request_key_frame(source->port->track, now_ns);
    }
}

void sq_lab_port_ready(struct sq_lab_port *port, uint64_t now_ns)
{
    if (port->ready || !port->from) {
        return;
    }
    port->ready = true;
    if (port->video) {
        port->waiting = true;
        port->from->waiting++;
        if (port->from->live) {
            sq_lab_want_key(port->from, now_ns);
        }
    }
}

/* ---- Packets ---- */

static uint64_t extend(struct sq_lab_source *source, const struct sq_rtp_packet *packet)
{
    if (!source->started) {
        source->started = true;
        source->vp8 = source->video && strcmp(sq_track_codec(source->port->track), "VP8") == 0;
        source->highest = 0x10000 + (uint64_t)packet->seq - 1;
        source->highest_clean = source->highest;
    }
    return source->highest + (uint64_t)(int64_t)(int16_t)(packet->seq - (uint16_t)source->highest);
}

/* How many of the padding-only packets so far came before number e. */
static uint64_t pads_before(const struct sq_lab_source *source, uint64_t e)
{
    uint64_t n = source->pads_total;
    for (size_t i = 0; i < SQ_LAB_PADS_KEPT && i < source->pads_total; i++) {
        n -= source->pads[i] > e;
    }
    return n;
}

/* A padding-only packet is taken out of the count, unless packets behind it have gone already: then
 * it is a hole like any other. */
static void skip_padding(struct sq_lab_source *source, uint64_t e)
{
    if (e > source->highest) {
        source->highest = e;
        source->pads[source->pads_total++ % SQ_LAB_PADS_KEPT] = e;
    }
}

static bool is_key_start(const struct sq_lab_source *source, const struct sq_rtp_packet *packet)
{
    struct sq_vp8_descriptor d;
    if (!source->vp8) {
        return true; /* nothing to tell by: begin anywhere */
    }
    return sq_vp8_descriptor_parse(packet->payload, packet->payload_bytes, &d) == 0 && d.start &&
           d.partition == 0 && (packet->payload[d.len_bytes] & 1) == 0; /* RFC 6386, section 9.1 */
}

static void start_port(struct sq_lab_port *port, uint64_t clean, uint32_t ts, uint64_t now_ns)
{
    struct sq_rand *rand = sq_carrier_rand(port->member->lab->carrier);
    if (port->stopped_ns == 0) {
        /* RFC 3711, section 3.3.1: below 2^15, so that no loss hides a roll-over. */
        port->next_seq = (uint16_t)sq_rand_below(rand, 0x8000);
        port->next_ts = 0;
    } else {
        uint64_t gap_ms = (now_ns - sq_min_u64(port->stopped_ns, now_ns)) / SQ_NS_PER_MS;
        port->next_ts +=
            (uint32_t)((gap_ms + 1) * (port->video ? VIDEO_CLOCK : AUDIO_CLOCK) / 1000);
    }
    port->first_clean = clean;
    port->seq_offset = (uint16_t)(port->next_seq - (uint16_t)clean);
    port->ts_offset = port->next_ts - ts;
    port->started = true;
    stop_waiting(port);
}

static void look_for_key(struct sq_lab_source *source, bool key, uint64_t now_ns)
{
    if (key) {
        source->key_wanted = false;
    } else if (source->key_wanted || source->waiting > 0) {
        /* The peer lets one through in 300 ms. */
        sq_track_request_key_frame(source->port->track, now_ns);
    }
}

void sq_lab_on_rtp(struct sq_lab_source *source, const struct sq_rtp_packet *packet,
                   const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct sq_lab_counters *counters = &source->port->member->lab->counters;
    uint64_t e = extend(source, packet);
    counters->rtp_in++;
    if (packet->payload_bytes == 0) {
        skip_padding(source, e);
        return;
    }
    uint64_t clean = e - pads_before(source, e);
    source->packets++;
    source->bytes += packet->payload_bytes;
    if (e > source->highest) {
        source->highest = e;
        source->highest_clean = clean;
        source->last_ts = packet->ts;
        source->last_ns = now_ns;
    }
    if (!source->ports) {
        return;
    }
    bool key = false;
    if (source->waiting > 0 || source->key_wanted) {
        key = is_key_start(source, packet);
        look_for_key(source, key, now_ns);
    }
    struct sq_rtp_out out = {
        .marker = packet->marker,
        .explicit_seq = true,
        .cookie = source->ring ? ring_put(source->ring, packet) : SQ_RTP_NO_COOKIE,
        .level = (uint8_t)(sq_rtp_has(exts, SQ_RTP_EXT_AUDIO_LEVEL)
                               ? exts->audio_level | (exts->voice ? 0x80 : 0)
                               : 127),
        .payload = packet->payload,
        .payload_len = packet->payload_bytes,
    };
    for (struct sq_lab_port *port = source->ports; port; port = port->next_of_source) {
        if (!port->started) {
            if (!port->ready || (port->video && !key)) {
                continue;
            }
            start_port(port, clean, packet->ts, now_ns);
        }
        if (clean >= port->first_clean) {
            out.seq = (uint16_t)((uint16_t)clean + port->seq_offset);
            out.timestamp = packet->ts + port->ts_offset;
            counters->rtp_out += sq_track_send(port->track, now_ns, &out) == 0;
        }
    }
}

bool sq_lab_on_resend(struct sq_lab_port *port, uint32_t cookie, struct sq_rtp_out *ret_out)
{
    struct sq_lab_counters *counters = &port->member->lab->counters;
    bool found = port->from && port->from->ring && ring_get(port->from->ring, cookie, ret_out);
    counters->nacks_answered += found;
    counters->nacks_missed += !found;
    return found;
}

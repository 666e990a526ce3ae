/* Forwarding: each packet of a publisher goes to all who watch it, with their own sequence numbers
 * and time-stamps. Nothing is allocated for a packet.
 *
 * Numbers: a source's sequence numbers are extended to 64 bits, and padding-only packets are taken
 * out of the count ("clean"), so that leaving them out makes no hole. A port adds its own offset;
 * what was lost on the way to the lab stays a hole, and a packet that is repaired later fills it.
 * Telephone events (RFC 4733) go to who agreed on their clock, and are taken out of the count of
 * who did not.
 */
#include "base/mem.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include "peer/rtp/receiver.h"
#include "peer/rtp/sender.h"
#include <string.h>

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

static uint32_t ring_put(struct sq_lab_ring *ring, const struct sq_rtp_packet *packet,
                         struct sq_view dd)
{
    size_t len = dd.len + packet->payload_bytes;
    size_t at = ring->end % ring->room;
    if (at + len > ring->room) { /* a packet lies in one piece */
        ring->end += ring->room - at;
        at = 0;
    }
    if (ring->next == SQ_RTP_NO_COOKIE) {
        ring->next++;
    }
    uint32_t number = ring->next++;
    memcpy(ring->slab + at, dd.at, dd.len);
    memcpy(ring->slab + at + dd.len, packet->payload, packet->payload_bytes);
    size_t place = number & (SQ_LAB_RING_PACKETS - 1);
    ring->packets[place].number = number;
    ring->packets[place].at = ring->end;
    ring->packets[place].len = packet->payload_bytes;
    ring->packets[place].dd_len = (uint8_t)dd.len;
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
    const uint8_t *at = ring->slab + ring->packets[place].at % ring->room;
    *ret_out = (struct sq_rtp_out){
        .marker = ring->packets[place].marker,
        .dependency = at,
        .dependency_len = ring->packets[place].dd_len,
        .payload = at + ring->packets[place].dd_len,
        .payload_len = ring->packets[place].len,
    };
    return true;
}

/* ---- Sources and ports ---- */

/* How many of them stand before number e. */
static uint64_t gaps_before(const struct sq_lab_gaps *gaps, uint64_t e)
{
    uint64_t n = gaps->total;
    for (size_t i = 0; i < SQ_LAB_GAPS_KEPT && i < gaps->total; i++) {
        n -= gaps->at[i] > e;
    }
    return n;
}

static void add_gap(struct sq_lab_gaps *gaps, uint64_t e)
{
    gaps->at[gaps->total++ % SQ_LAB_GAPS_KEPT] = e;
}

struct sq_lab_source *sq_lab_source_new(struct sq_lab_port *port, bool echo)
{
    struct sq_lab_source *source = sq_zalloc(sizeof(*source));
    if (!source) {
        return NULL;
    }
    source->port = port;
    source->track = port->track;
    source->base = source;
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
    for (size_t i = 0; i < SQ_LAB_LAYERS_MAX - 1; i++) {
        sq_lab_source_free(source->above[i]);
    }
    while (source->ports) {
        sq_lab_detach(source->ports);
    }
    sq_free(source->ring);
    sq_free(source);
}

struct sq_lab_source *sq_lab_layer(struct sq_lab_source *base, struct sq_track *track)
{
    unsigned layer = sq_track_layer(track);
    if (layer == 0 || layer >= SQ_LAB_LAYERS_MAX) {
        return layer == 0 ? base : NULL;
    }
    struct sq_lab_source **place = &base->above[layer - 1];
    if (!*place) {
        *place = sq_lab_source_new(base->port, base->port->member->echo);
        if (*place) {
            (*place)->base = base;
            (*place)->layer = layer;
            (*place)->track = track;
        }
    }
    return *place;
}

bool sq_lab_fits(const struct sq_lab_port *port, const struct sq_lab_source *source)
{
    enum sq_codec codec = sq_track_media_codec(port->track);
    return source->codec == SQ_CODEC_NONE || codec == SQ_CODEC_NONE || codec == source->codec;
}

void sq_lab_attach(struct sq_lab_port *port, struct sq_lab_source *source)
{
    port->from = source;
    port->short_ns = 0;
    port->next_of_source = source->ports;
    port->prev_of_source = &source->ports;
    if (port->next_of_source) {
        port->next_of_source->prev_of_source = &port->next_of_source;
    }
    source->ports = port;
    port->started = port->waiting = port->ready = false;
}

static uint16_t number_of(const struct sq_lab_port *port, uint64_t clean)
{
    return (uint16_t)(clean + port->seq_offset - gaps_before(&port->left_out, clean));
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
    sq_lab_want_layer(port, NULL);
    stop_waiting(port);
    if (port->started) {
        port->next_seq = (uint16_t)(number_of(port, source->highest_clean) + 1);
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
        sq_track_request_key_frame(source->track, now_ns);
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

/* ---- Another stream in the place of the one before ---- */

/* Whoever is sent the source begins anew, where its own numbers stand: from here on the source's
 * numbers tell nothing of those before. */
static void begin_anew(struct sq_lab_source *source, uint64_t now_ns)
{
    struct sq_lab_port *port = source->ports;
    while (port) {
        struct sq_lab_port *next = port->next_of_source;
        bool ready = port->ready;
        sq_lab_detach(port);
        sq_lab_attach(port, source);
        if (ready) {
            sq_lab_port_ready(port, now_ns);
        }
        port = next;
    }
    source->keys = (struct sq_lab_keys){0};
}

/* A publisher that restarts or switches its camera may take another SSRC (RFC 3550, section 8), or
 * begin anew with its numbers. Taken for the stream of before they would be old or far ahead: old
 * ones would be given to viewers under numbers that they have had, which are nonces (RFC 7714,
 * section 8.4). */
static void follow_stream(struct sq_lab_source *source, const struct sq_rtp_packet *packet,
                          uint64_t now_ns)
{
    int ahead = (int16_t)(packet->seq - (uint16_t)source->highest);
    if (source->started &&
        (packet->ssrc != source->ssrc || ahead <= -SQ_RTP_WINDOW || ahead > SQ_RTP_DROPOUT_MAX)) {
        begin_anew(source, now_ns);
        source->started = false;
        source->pads.total = 0;
    }
    source->ssrc = packet->ssrc;
}

/* A publisher may send another codec of those agreed at any time. A viewer who agreed on the one
 * before cannot be sent it; one of a room is offered the new one. False: a packet of the codec
 * before, which comes late. */
static bool follow_codec(struct sq_lab_source *source, enum sq_codec codec, bool newest,
                         uint64_t now_ns)
{
    if (codec == source->codec || source->codec == SQ_CODEC_NONE || codec == SQ_CODEC_NONE) {
        source->codec = codec;
        return true;
    }
    if (!newest) {
        return false;
    }
    source->codec = codec;
    begin_anew(source, now_ns);
    struct sq_lab_port *port = source->ports;
    while (port) {
        struct sq_lab_port *next = port->next_of_source;
        bool room = port->member->kind == SQ_LAB_ROOM && !port->source; /* an echo is its own */
        bool fits = sq_lab_fits(port, source);
        if (!fits && room) {
            sq_lab_detach(port);
            sq_lab_negotiate_soon(port->member);
        } else if (!fits) { /* it goes on when its codec comes back: no key frame helps until then
                             */
            stop_waiting(port);
        }
        port = next;
    }
    return true;
}

/* ---- Packets ---- */

static uint64_t extend(struct sq_lab_source *source, const struct sq_rtp_packet *packet)
{
    if (!source->started) {
        source->started = true;
        source->highest = 0x10000 + (uint64_t)packet->seq - 1;
        source->highest_clean = source->highest;
    }
    return source->highest + (uint64_t)(int64_t)(int16_t)(packet->seq - (uint16_t)source->highest);
}

/* A padding-only packet is taken out of the count, unless packets behind it have gone already: then
 * it is a hole like any other. */
static void skip_padding(struct sq_lab_source *source, uint64_t e)
{
    if (e > source->highest) {
        source->highest = e;
        add_gap(&source->pads, e);
    }
}

/* Hz, of its time-stamps. */
static uint32_t clock_of(const struct sq_lab_source *source)
{
    enum sq_codec codec = source->codec != SQ_CODEC_NONE ? source->codec
                          : source->video                ? SQ_CODEC_VP8
                                                         : SQ_CODEC_OPUS;
    return sq_codec_info(codec)->clock_hz;
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
        port->next_ts += (uint32_t)((gap_ms + 1) * clock_of(port->from) / 1000);
    }
    port->first_clean = clean;
    port->left_out.total = 0;
    port->seq_offset = (uint16_t)(port->next_seq - (uint16_t)clean);
    port->ts_offset = port->next_ts - ts;
    port->started = true;
    port->numbers.frame_jumps = true;
    stop_waiting(port);
}

/* What of the dependency descriptor goes on; nothing of one that says nothing. */
static struct sq_view dependency_of(const struct sq_lab_source *source,
                                    const struct sq_rtp_exts *exts)
{
    struct sq_view none = {.at = ""};
    bool there = source->video && sq_rtp_has(exts, SQ_RTP_EXT_DEPENDENCY) &&
                 exts->dependency.len >= 3 && exts->dependency.len <= SQ_LAB_DD_MAX;
    return there ? exts->dependency : none;
}

/* The capture time of audio goes on; without the offset to the sender's clock, which would have to
 * be told anew by the clock of the lab. Video has it nowhere: there are time-tags for it, and what
 * is sent again would have to have it again. */
static const uint8_t *capture_time(const struct sq_lab_source *source,
                                   const struct sq_rtp_packet *packet,
                                   const struct sq_rtp_exts *exts)
{
    struct sq_view v;
    if (source->video || !sq_rtp_has(exts, SQ_RTP_EXT_ABS_CAPTURE_TIME) ||
        !sq_track_capture_time(source->track, packet, &v)) {
        return NULL;
    }
    return (const uint8_t *)v.at;
}

/* May who waits for a key frame begin with this packet? One that was asked for is asked for again
 * until it comes, also where parameter sets promised it and another picture followed. */
static bool look_for_key(struct sq_lab_source *source, const struct sq_rtp_packet *packet,
                         bool newest, uint64_t now_ns)
{
    const struct sq_media_packet one = {.payload = packet->payload,
                                        .len = packet->payload_bytes,
                                        .timestamp = packet->ts,
                                        .seq = packet->seq,
                                        .marker = packet->marker,
                                        .codec = source->codec};
    bool told = source->codec != SQ_CODEC_NONE && source->video; /* else begin anywhere */
    unsigned key = told ? sq_lab_key_look(&source->keys, &one, newest)
                        : (unsigned)SQ_LAB_KEY_START | SQ_LAB_KEY_CAME;
    if (key & SQ_LAB_KEY_CAME) {
        source->key_wanted = false;
    } else if (key & SQ_LAB_KEY_START) {
        source->key_wanted |= source->waiting > 0 || source->switchers > 0;
    } else if (!(key & SQ_LAB_KEY_SOON) && (source->key_wanted || source->waiting > 0)) {
        /* The peer lets one through in 300 ms. */
        sq_track_request_key_frame(source->track, now_ns);
    }
    return (key & SQ_LAB_KEY_START) != 0;
}

/* Not known yet whether its parameter sets come with its packets. */
static bool learns_sets(const struct sq_lab_source *source)
{
    return source->codec == SQ_CODEC_H264 && !source->keys.sets;
}

static bool may_start(const struct sq_lab_port *port, const struct sq_lab_source *source, bool key,
                      bool event)
{
    return port->ready && key && !event && sq_lab_fits(port, source);
}

/* An event that is late is a hole like any other: packets behind it have gone already. */
static void leave_out(struct sq_lab_port *port, uint64_t clean, bool newest)
{
    if (newest) {
        add_gap(&port->left_out, clean);
    }
}

/* With numbers of pictures and frames that go on over a change of the layer or the source. `head`
 * and `dd` have room for them. */
static void renumber(struct sq_lab_port *port, const struct sq_lab_source *source, bool starts,
                     bool again, uint8_t *head, uint8_t *dd, struct sq_rtp_out *out)
{
    if (sq_lab_has_layers(source->base)) {
        out->prefix_len = sq_lab_renumber(&port->numbers, source->codec, out->payload,
                                          out->payload_len, starts, again, head);
        out->prefix = head;
        out->payload += out->prefix_len;
        out->payload_len -= out->prefix_len;
    }
    if (out->dependency_len) {
        memcpy(dd, out->dependency, out->dependency_len);
        sq_lab_renumber_frame(&port->numbers, dd, again);
        out->dependency = dd;
    }
}

static int send_renumbered(struct sq_lab_port *port, const struct sq_lab_source *source,
                           const struct sq_rtp_out *out, bool starts, uint64_t now_ns)
{
    uint8_t head[SQ_LAB_HEAD_MAX];
    uint8_t dd[SQ_LAB_DD_MAX];
    struct sq_rtp_out changed = *out;
    renumber(port, source, starts, false, head, dd, &changed);
    return sq_track_send(port->track, now_ns, &changed);
}

void sq_lab_on_rtp(struct sq_lab_source *source, const struct sq_rtp_packet *packet,
                   const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct sq_lab_counters *counters = &source->port->member->lab->counters;
    follow_stream(source, packet, now_ns);
    uint64_t e = extend(source, packet);
    counters->rtp_in++;
    if (packet->payload_bytes == 0) {
        skip_padding(source, e);
        return;
    }
    uint64_t clean = e - gaps_before(&source->pads, e);
    source->packets++;
    source->bytes += packet->payload_bytes;
    uint32_t event_hz = source->video ? 0 : sq_track_event_clock(source->track, packet->pt);
    bool newest = e > source->highest;
    if (!event_hz &&
        !follow_codec(source, sq_track_recv_codec(source->track, packet->pt), newest, now_ns)) {
        return;
    }
    if (newest) {
        sq_lab_note_frame(source, packet->ts, now_ns);
        source->highest = e;
        source->highest_clean = clean;
    }
    sq_lab_choose_layers(source->base, now_ns);
    bool key = false;
    if (source->waiting > 0 || source->key_wanted || source->switchers > 0 || learns_sets(source)) {
        key = look_for_key(source, packet, newest, now_ns);
    }
    if (key && source->switchers > 0) {
        sq_lab_move_here(source);
    }
    if (!source->ports) {
        return;
    }
    struct sq_view dd = dependency_of(source, exts);
    bool renumbers = sq_lab_has_layers(source->base) || dd.len;
    struct sq_rtp_out out = {
        .marker = packet->marker,
        .explicit_seq = true,
        .cookie = source->ring ? ring_put(source->ring, packet, dd) : SQ_RTP_NO_COOKIE,
        .level = (uint8_t)(sq_rtp_has(exts, SQ_RTP_EXT_AUDIO_LEVEL)
                               ? exts->audio_level | (exts->voice ? 0x80 : 0)
                               : 127),
        .payload = packet->payload,
        .payload_len = packet->payload_bytes,
        .dependency = (const uint8_t *)dd.at,
        .dependency_len = dd.len,
        .capture_time = capture_time(source, packet, exts),
        .event_hz = event_hz,
    };
    for (struct sq_lab_port *port = source->ports; port; port = port->next_of_source) {
        bool starts = !port->started;
        if (starts) {
            if (!may_start(port, source, key || !port->video, event_hz != 0)) {
                continue;
            }
            start_port(port, clean, packet->ts, now_ns);
        }
        if (clean < port->first_clean) {
            continue;
        }
        if (event_hz && !sq_track_takes_events(port->track, event_hz)) {
            leave_out(port, clean, newest);
            continue;
        }
        out.seq = number_of(port, clean);
        out.timestamp = packet->ts + port->ts_offset;
        counters->rtp_out += (renumbers ? send_renumbered(port, source, &out, starts, now_ns)
                                        : sq_track_send(port->track, now_ns, &out)) == 0;
    }
}

bool sq_lab_on_resend(struct sq_lab_port *port, uint32_t cookie, struct sq_rtp_out *ret_out)
{
    struct sq_lab_counters *counters = &port->member->lab->counters;
    struct sq_lab_source *source = port->from;
    bool padding = ret_out->padding;
    bool found = source && source->ring && ring_get(source->ring, cookie, ret_out);
    if (found) {
        renumber(port, source, false, true, port->member->lab->head, port->member->lab->dd,
                 ret_out);
    }
    counters->nacks_answered += found && !padding;
    counters->nacks_missed += !found && !padding;
    return found;
}

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

static void want_layer(struct sq_lab_port *port, struct sq_lab_source *want)
{
    if (port->want) {
        port->want->switchers--;
    }
    port->want = want;
    if (want) {
        want->switchers++;
    }
}

void sq_lab_detach(struct sq_lab_port *port)
{
    struct sq_lab_source *source = port->from;
    if (!source) {
        return;
    }
    want_layer(port, NULL);
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

/* ---- Layers ---- */

#define CHOOSE_NS      (SQ_NS_PER_SEC / 2)
#define LAYER_ALIVE_NS SQ_NS_PER_SEC /* one that was silent for so long is switched off */
#define LAYER_SHARE    90            /* per cent of a viewer's bandwidth that a layer may take */
#define ENTER_SHARE    5             /* per cent more that one above it takes, so that it stays */
#define LED_SHARE      92            /* per cent of the highest estimate; below, padding congests */
#define AUDIO_BPS      50000         /* that a track of sound takes of it */
#define DIP_SHARE      72 /* per cent of what a layer takes that there must be room for */
#define DIP_NS         (5 * SQ_NS_PER_SEC) /* … and for how long it may be short of all of it */
#define TRY_LEAST_NS   (8 * SQ_NS_PER_SEC)
#define TRY_MOST_NS    (128 * SQ_NS_PER_SEC)

static struct sq_lab_source *layer_at(struct sq_lab_source *base, unsigned layer)
{
    return layer == 0 ? base : base->above[layer - 1];
}

static bool has_layers(const struct sq_lab_source *base)
{
    return base->above[0] || base->above[1];
}

/* What the viewer's network can take, bit/s: congestion control on its feedback, which begins with
 * the first layers that it watches. UINT64_MAX: not known. */
static uint64_t bandwidth_of(struct sq_lab_member *member, uint64_t now_ns)
{
    if (!member->estimated) {
        member->estimated = sq_peer_restart_estimate(member->peer, now_ns, SQ_LAB_VIEWER_BPS) == 0;
    }
    struct sq_transport_stats transport;
    sq_peer_transport_stats(member->peer, &transport);
    double bps = transport.available_outgoing_bps; /* < 0: it tells nothing */
    return bps < 0 ? UINT64_MAX : (uint64_t)(bps * LAYER_SHARE / 100);
}

/* What goes to the viewer by its other ports. */
static uint64_t others_bps(const struct sq_lab_port *port)
{
    uint64_t bps = 0;
    for (const struct sq_lab_port *p = port->member->ports; p; p = p->next) {
        bps += p != port && p->from ? (p->video ? p->from->rate_bps : AUDIO_BPS) : 0;
    }
    return bps;
}

static bool is_alive(const struct sq_lab_source *layer, uint64_t now_ns)
{
    return layer && layer->started && now_ns < layer->last_ns + LAYER_ALIVE_NS;
}

/* Does the viewer keep the layer that it has? Congestion control answers a moment of congestion, of
 * a key frame say, with 85 % of what arrived (draft-ietf-rmcat-gcc-02, section 5.5): less than
 * the layer takes, on a way that has room for it. So a dip of that size is waited out while the
 * estimate rises again; one that goes deeper, comes again or lasts is not. */
static bool keeps_layer(struct sq_lab_port *port, uint64_t room_bps, uint64_t now_ns)
{
    uint64_t takes_bps = port->from->rate_bps + others_bps(port);
    if (room_bps >= takes_bps) {
        port->short_ns = 0;
        return true;
    }
    if (port->short_ns == 0) {
        port->short_ns = now_ns;
        port->short_bps = 0;
    }
    bool dips = room_bps * 100 >= takes_bps * DIP_SHARE && room_bps >= port->short_bps &&
                now_ns < port->short_ns + DIP_NS;
    port->short_bps = dips ? room_bps : UINT64_MAX;
    return dips;
}

/* The highest layer that comes in and that the viewer's bandwidth has room for; the lowest that
 * comes in where there is room for none. */
static struct sq_lab_source *best_layer(struct sq_lab_port *port, struct sq_lab_source *base,
                                        uint64_t room_bps, uint64_t now_ns)
{
    bool keeps = port->started && keeps_layer(port, room_bps, now_ns);
    uint64_t others = room_bps == UINT64_MAX ? 0 : others_bps(port);
    unsigned at = port->started ? port->from->layer : SQ_LAB_LAYERS_MAX;
    uint64_t enter_bps = room_bps == UINT64_MAX ? UINT64_MAX : room_bps * 100 / (100 + ENTER_SHARE);
    struct sq_lab_source *best = NULL;
    for (unsigned layer = 0; layer < SQ_LAB_LAYERS_MAX; layer++) {
        struct sq_lab_source *one = layer_at(base, layer);
        bool alive = is_alive(one, now_ns);
        bool wanted =
            port->member->layer >= 0
                ? layer <= (unsigned)port->member->layer
                : alive && ((layer == at && keeps) ||
                            one->rate_bps + others <= (layer > at ? enter_bps : room_bps));
        if (alive && (!best || wanted)) {
            best = one;
        }
    }
    return best ? best : base;
}

/* Each trial of a layer that fails makes its next one wait twice as long. */
static void wait_to_try(struct sq_lab_port *port, unsigned layer, uint64_t now_ns)
{
    uint64_t waited_ns = port->tries[layer].wait_ns;
    port->tries[layer].wait_ns = waited_ns ? sq_min_u64(2 * waited_ns, TRY_MOST_NS) : TRY_LEAST_NS;
    port->tries[layer].at_ns = now_ns + port->tries[layer].wait_ns;
    port->led_bps = 0;
}

/* The layer that it had is lost: if it was had for longer than it was waited for, that was no
 * failed trial, and the waits begin anew. */
static void wait_to_return(struct sq_lab_port *port, uint64_t now_ns)
{
    unsigned layer = port->from->layer;
    if (now_ns > port->tries[layer].at_ns + port->tries[layer].wait_ns) {
        port->tries[layer].wait_ns = 0;
    }
    wait_to_try(port, layer, now_ns);
}

/* The next layer over `best`; NULL: it is the highest. */
static struct sq_lab_source *above_of(const struct sq_lab_source *base,
                                      const struct sq_lab_source *best)
{
    return best->layer + 1 < SQ_LAB_LAYERS_MAX ? base->above[best->layer] : NULL;
}

/* An estimate does not rise over what is sent: where a higher layer comes in than the viewer has
 * room for, padding leads the estimate up to it, as of any SFU with congestion control of its own,
 * until it gives way. False where there can be no padding. */
static bool lead_higher(struct sq_lab_port *port, const struct sq_lab_source *base,
                        const struct sq_lab_source *best, uint64_t now_ns)
{
    struct sq_lab_member *member = port->member;
    const struct sq_lab_source *above = above_of(base, best);
    uint64_t estimate = sq_peer_bwe_estimate(member->peer);
    if (best->layer < port->from->layer && now_ns >= port->tries[port->from->layer].at_ns) {
        wait_to_return(port, now_ns);
    }
    if (above && estimate * 100 < port->led_bps * LED_SHARE) { /* it gives way */
        wait_to_try(port, above->layer, now_ns);
    }
    bool leads = is_alive(above, now_ns) && now_ns >= port->tries[above->layer].at_ns;
    port->led_bps = leads ? sq_max_u64(port->led_bps, estimate) : 0;
    port->wants_bps =
        leads ? (above->rate_bps + others_bps(port)) * (100 + ENTER_SHARE) / LAYER_SHARE : 0;
    uint64_t most = port->wants_bps;
    for (const struct sq_lab_port *p = member->ports; p; p = p->next) {
        most = p->from && p->wants_bps > most ? p->wants_bps : most;
    }
    return sq_peer_want_rate(member->peer, now_ns, most);
}

/* Without padding a layer that the viewer does not get because of its bandwidth is tried now and
 * then. */
static void try_higher(struct sq_lab_port *port, const struct sq_lab_source *base,
                       const struct sq_lab_source *best, uint64_t now_ns)
{
    const struct sq_lab_source *above = above_of(base, best);
    if (best->layer < port->from->layer) { /* it falls */
        wait_to_return(port, now_ns);
    } else if (!is_alive(above, now_ns)) {
        return;
    } else if (!port->tries[above->layer].at_ns) { /* it never had a higher one */
        wait_to_try(port, above->layer, now_ns);
    } else if (now_ns >= port->tries[above->layer].at_ns) {
        uint64_t needs = (above->rate_bps + others_bps(port)) * 100 / LAYER_SHARE;
        port->tries[above->layer].at_ns = now_ns + port->tries[above->layer].wait_ns;
        if (needs > sq_peer_bwe_estimate(port->member->peer)) {
            port->member->estimated =
                sq_peer_restart_estimate(port->member->peer, now_ns, needs + needs / 4) == 0;
        }
    }
}

static void choose_for(struct sq_lab_port *port, struct sq_lab_source *base, uint64_t now_ns)
{
    uint64_t room_bps = port->member->layer >= 0 ? UINT64_MAX : bandwidth_of(port->member, now_ns);
    struct sq_lab_source *best = best_layer(port, base, room_bps, now_ns);
    if (best == port->from) {
        want_layer(port, NULL);
    } else if (best != port->want) {
        want_layer(port, best);
    }
    if (port->want) {
        sq_lab_want_key(port->want, now_ns);
    }
    if (room_bps != UINT64_MAX && !lead_higher(port, base, best, now_ns)) {
        try_higher(port, base, best, now_ns);
    }
}

/* Twice a second: what each layer takes, and which one each viewer is to have. */
static void choose_layers(struct sq_lab_source *base, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - base->chosen_ns;
    if (!has_layers(base) || passed_ns < CHOOSE_NS) {
        return;
    }
    base->chosen_ns = now_ns;
    for (unsigned layer = 0; layer < SQ_LAB_LAYERS_MAX; layer++) {
        struct sq_lab_source *one = layer_at(base, layer);
        if (one) {
            uint64_t bps = (one->bytes - one->counted_bytes) * 8 * 1000 /
                           sq_max_u64(1, passed_ns / SQ_NS_PER_MS);
            /* Over some 2 s: one with a key frame is not another layer's. */
            one->rate_bps = one->rate_bps < bps / 2 ? bps : (3 * one->rate_bps + bps) / 4;
            one->counted_bytes = one->bytes;
        }
    }
    for (unsigned layer = 0; layer < SQ_LAB_LAYERS_MAX; layer++) {
        struct sq_lab_source *one = layer_at(base, layer);
        for (struct sq_lab_port *port = one ? one->ports : NULL; port;
             port = port->next_of_source) {
            if (port->ready) {
                choose_for(port, base, now_ns);
            }
        }
    }
}

/* A key frame of the layer begins: who waits for it moves over. */
static void move_here(struct sq_lab_source *source)
{
    for (unsigned layer = 0; layer < SQ_LAB_LAYERS_MAX; layer++) {
        struct sq_lab_source *one = layer_at(source->base, layer);
        struct sq_lab_port *port = one && one != source ? one->ports : NULL;
        while (port) {
            struct sq_lab_port *next = port->next_of_source;
            if (port->want == source) {
                bool ready = port->ready;
                sq_lab_detach(port);
                sq_lab_attach(port, source);
                port->ready = ready;
            }
            port = next;
        }
    }
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
    if (has_layers(source->base)) {
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
    if (!event_hz) {
        source->codec = sq_track_recv_codec(source->track, packet->pt);
    }
    bool newest = e > source->highest;
    if (newest) {
        source->highest = e;
        source->highest_clean = clean;
        source->last_ts = packet->ts;
        source->last_ns = now_ns;
    }
    choose_layers(source->base, now_ns);
    bool key = false;
    if (source->waiting > 0 || source->key_wanted || source->switchers > 0 || learns_sets(source)) {
        key = look_for_key(source, packet, newest, now_ns);
    }
    if (key && source->switchers > 0) {
        move_here(source);
    }
    if (!source->ports) {
        return;
    }
    struct sq_view dd = dependency_of(source, exts);
    bool renumbers = has_layers(source->base) || dd.len;
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

/* Which layer of simulcast each viewer is sent: the best one that its network has room for, or the
 * one that it asked for. */
#include "base/time.h"
#include "lab/lab_int.h"

#define CHOOSE_NS      (SQ_NS_PER_SEC / 2)
#define LAYER_ALIVE_NS SQ_NS_PER_SEC /* one that was silent for so long is switched off, … */
#define STOPPED_FRAMES 4             /* … or so many frames of the lowest layer long, and */
#define STOPPED_OWN    3             /* so many times as long as from one of its own to the next, */
#define STOPPED_NS     (SQ_NS_PER_SEC / 5) /* and so long at least */
#define BACK_NS        (3 * SQ_NS_PER_SEC) /* one that came back is entered after so long */
#define LAYER_SHARE    90    /* per cent of a viewer's bandwidth that a layer may take */
#define ENTER_SHARE    5     /* per cent more that one above it takes, so that it stays */
#define LED_SHARE      92    /* per cent of the highest estimate; below, padding congests */
#define AUDIO_BPS      50000 /* that a track of sound takes of it */
#define DIP_SHARE      72    /* per cent of what a layer takes that there must be room for */
#define DIP_NS         (5 * SQ_NS_PER_SEC) /* … and for how long it may be short of all of it */
#define TRY_LEAST_NS   (8 * SQ_NS_PER_SEC)
#define TRY_MOST_NS    (128 * SQ_NS_PER_SEC)

void sq_lab_want_layer(struct sq_lab_port *port, struct sq_lab_source *want)
{
    if (port->want) {
        port->want->switchers--;
    }
    port->want = want;
    if (want) {
        want->switchers++;
    }
}

static struct sq_lab_source *layer_at(struct sq_lab_source *base, unsigned layer)
{
    return layer == 0 || !base ? base : base->above[layer - 1];
}

bool sq_lab_has_layers(const struct sq_lab_source *base)
{
    return base->above[0] || base->above[1];
}

/* What the viewer's network can take, bit/s: congestion control on its feedback, which begins with
 * the first layers that it watches. UINT64_MAX: not known. */
static uint64_t bandwidth_of(struct sq_lab_member *member, uint64_t now_ns)
{
    if (!member->estimated) {
        member->estimated = sq_peer_restart_estimate(member->peer, now_ns, SQ_LAB_VIEWER_BPS) == 0;
        sq_peer_probe_start(member->peer, now_ns);
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

/* A publisher that has less bandwidth than before stops its higher layers from one frame to the
 * next: their viewers' pictures would stand until it is seen. The lowest goes on meanwhile, by
 * which it is seen soon. A layer may have fewer frames than the lowest, of a shared screen say, and
 * is no more stopped than it is between two of them. */
static bool has_stopped(const struct sq_lab_source *layer, uint64_t now_ns)
{
    uint64_t silent_ns = layer->every_ns ? STOPPED_OWN * layer->every_ns : LAYER_ALIVE_NS;
    silent_ns = sq_min_u64(sq_max_u64(silent_ns, STOPPED_NS), LAYER_ALIVE_NS);
    return layer->behind >= STOPPED_FRAMES && now_ns > layer->last_ns + silent_ns;
}

void sq_lab_note_frame(struct sq_lab_source *source, uint32_t ts, uint64_t now_ns)
{
    if (has_stopped(source, now_ns)) {
        source->back_ns = now_ns;
    }
    source->behind = 0;
    if (ts != source->last_ts) {
        for (size_t i = 0; source == source->base && i < SQ_LAB_LAYERS_MAX - 1; i++) {
            if (source->above[i]) {
                source->above[i]->behind++;
            }
        }
        uint64_t gap_ns = sq_min_u64(now_ns - source->frame_ns, LAYER_ALIVE_NS);
        source->every_ns = source->every_ns   ? (3 * source->every_ns + gap_ns) / 4
                           : source->frame_ns ? gap_ns
                                              : 0;
        source->frame_ns = now_ns;
    }
    source->last_ts = ts;
    source->last_ns = now_ns;
}

static bool is_alive(const struct sq_lab_source *layer, uint64_t now_ns)
{
    return layer && layer->started && now_ns < layer->last_ns + LAYER_ALIVE_NS &&
           !has_stopped(layer, now_ns);
}

/* A publisher at its limit tries a layer and stops it again; its rate is not known at first,
 * either.
 */
static bool is_steady(const struct sq_lab_source *layer, uint64_t now_ns)
{
    return layer->back_ns == 0 || now_ns >= layer->back_ns + BACK_NS;
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
        bool wanted = port->member->layer >= 0
                          ? layer <= (unsigned)port->member->layer
                          : alive && (layer <= at || is_steady(one, now_ns)) &&
                                ((layer == at && keeps) ||
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
        sq_lab_want_layer(port, NULL);
    } else if (best != port->want) {
        sq_lab_want_layer(port, best);
    }
    if (port->want) {
        sq_lab_want_key(port->want, now_ns);
    }
    if (room_bps != UINT64_MAX && !lead_higher(port, base, best, now_ns)) {
        try_higher(port, base, best, now_ns);
    }
}

/* Who watches a layer that has stopped is not left waiting for the next choice. */
static void leave_stopped(const struct sq_lab_source *base, uint64_t now_ns)
{
    for (unsigned i = 0; i < SQ_LAB_LAYERS_MAX - 1; i++) {
        struct sq_lab_source *layer = base->above[i];
        if (!layer || !layer->ports || !has_stopped(layer, now_ns)) {
            continue;
        }
        struct sq_lab_source *below = i > 0 ? base->above[i - 1] : NULL;
        struct sq_lab_source *best = is_alive(below, now_ns) ? below : layer->base;
        for (struct sq_lab_port *port = layer->ports; port; port = port->next_of_source) {
            if (port->ready && (!port->want || has_stopped(port->want, now_ns))) {
                sq_lab_want_layer(port, best);
                sq_lab_want_key(best, now_ns);
            }
        }
    }
}

void sq_lab_choose_layers(struct sq_lab_source *base, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - base->chosen_ns;
    if (!sq_lab_has_layers(base)) {
        return;
    }
    if (passed_ns < CHOOSE_NS) {
        leave_stopped(base, now_ns);
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

void sq_lab_move_here(struct sq_lab_source *source)
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

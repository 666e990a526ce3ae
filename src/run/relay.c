#include "run/relay_int.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/link.h"
#include "peer/turn/turn.h"
#include <stdio.h>
#include <string.h>

#define REFUSED_MAX     2                   /* requests that ICMP said nobody listens for */
#define REFUSED_POLL_NS (50 * SQ_NS_PER_MS) /* how often it is looked for after the first one */

/* ---- Sentences ---- */

static void let_go(struct sq_relay *relay);

static struct sq_relay_counts *counts_of(const struct sq_relay *relay)
{
    return &relay->relays->counts[relay->own ? SQ_RELAY_SERVERS_MAX : relay->number];
}

void relay_tell_failed(struct sq_relay *relay, enum sq_peer_cause cause, const char *text)
{
    bool tell = !relay->closed && !relay->gone;
    let_go(relay);
    if (tell) {
        struct sq_relay_counts *counts = counts_of(relay);
        counts->failed += !relay->had;
        counts->lost += relay->had && !relay->missed;
        snprintf(counts->example, sizeof(counts->example), "%s", text);
        relay->events->failed(relay->ctx, relay->number, cause, text);
    }
}

static enum sq_peer_cause cause_of(enum sq_turn_fault fault)
{
    switch (fault) {
    case SQ_TURN_FAULT_AUTH:
        return SQ_PEER_CAUSE_AUTH;
    case SQ_TURN_FAULT_SILENT:
        return SQ_PEER_CAUSE_CONNECT;
    case SQ_TURN_FAULT_PROTOCOL:
    case SQ_TURN_FAULT_MEMORY:
        return SQ_PEER_CAUSE_PROTOCOL;
    default:
        return SQ_PEER_CAUSE_ICE;
    }
}

/* Requests that were refused on the way while nothing else came back. */
static uint64_t refused_requests(const struct sq_relay *relay)
{
    struct sq_udp_counters counters = {0};
    if (relay->udp && !relay->heard && !relay->had) {
        sq_udp_get_counters(relay->udp, &counters);
    }
    return counters.send_refused;
}

/* Who refused the last one. */
static const char *refusal_of(const struct sq_relay *relay)
{
    struct sq_udp_counters counters = {0};
    const struct sq_udp *udp = sq_relay_udp(relay);
    if (udp) {
        sq_udp_get_counters(udp, &counters);
    }
    return sq_udp_refusal_name(counters.refusal);
}

void sq_relay_tell_silence(const struct sq_relay *relay, char ret_text[static SQ_PEER_TEXT_MAX])
{
    double waited_s = (double)(sq_loop_now(relay->relays->loop) - relay->opened_ns) / 1e9;
    bool refused = refused_requests(relay) > 0;
    char unusable[SQ_TURN_TEXT_MAX];
    if (sq_turn_tell_unusable(relay->turn, unusable)) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX,
                 "the TURN server %.60s granted nothing in %.3g s: %.140s", relay_name(relay),
                 waited_s, unusable);
        return;
    }
    if (relay->stream_bytes > 0) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX,
                 "the TURN server %.80s granted nothing in %.3g s: %llu bytes came that are no "
                 "answer of TURN",
                 relay_name(relay), waited_s, (unsigned long long)relay->stream_bytes);
        return;
    }
    snprintf(ret_text, SQ_PEER_TEXT_MAX, "the TURN server %.120s %s%s for %.3g s",
             relay_name(relay), refused ? "cannot be reached: " : "does not answer: ",
             refused ? refusal_of(relay) : "nobody answered", waited_s);
}

bool sq_relay_tell_nothing_came(const struct sq_relay *relay,
                                char ret_text[static SQ_PEER_TEXT_MAX])
{
    struct sq_turn_stats stats;
    sq_turn_get_stats(relay->turn, &stats);
    if (!relay->had || stats.data_received > 0) {
        return false;
    }
    uint64_t sent = stats.channel_sent + stats.indications_sent;
    snprintf(ret_text, SQ_PEER_TEXT_MAX,
             "the TURN server %.100s granted a relay, and nothing came by it (%llu datagrams were "
             "sent)",
             relay_name(relay), (unsigned long long)sent);
    return true;
}

static uint64_t refused_sends(const struct sq_relay *relay)
{
    struct sq_udp_counters counters = {0};
    const struct sq_udp *udp = sq_relay_udp(relay);
    if (udp) {
        sq_udp_get_counters(udp, &counters);
    }
    return counters.send_refused;
}

void sq_relay_tell_lost(struct sq_relay *relay, char ret_text[static SQ_PEER_TEXT_MAX])
{
    struct sq_relay_counts *counts = counts_of(relay);
    double waited_s = (double)(sq_loop_now(relay->relays->loop) - relay->probed_ns) / 1e9;
    if (!relay->probed_ns || relay->heard) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX,
                 "the connection was lost: consent checks went unanswered (RFC 7675) by way of the "
                 "TURN server %.100s%s",
                 relay_name(relay), relay->probed_ns ? ", which answers itself" : "");
        return;
    }
    bool refused = refused_sends(relay) > relay->refused_before;
    snprintf(ret_text, SQ_PEER_TEXT_MAX,
             "the connection was lost with its relay: the TURN server %.100s %s%s for %.3g s",
             relay_name(relay),
             refused ? "cannot be reached any more: " : "does not answer any more: ",
             refused ? refusal_of(relay) : "nobody answered", waited_s);
    if (!relay->missed) {
        relay->missed = true;
        counts->lost++;
        snprintf(counts->example, sizeof(counts->example), "%s", ret_text);
    }
}

/* ---- The client's callbacks ---- */

void relay_rearm(struct sq_relay *relay)
{
    if (!relay->gone) {
        sq_timer_start(sq_loop_timers(relay->relays->loop), &relay->timer,
                       relay->again ? 0 : sq_turn_next_timeout(relay->turn));
    }
}

static void on_turn_allocated(void *ctx, const struct sq_addr *relayed,
                              const struct sq_addr *mapped)
{
    struct sq_relay *relay = ctx;
    counts_of(relay)->relays += !relay->had && !relay->closed;
    relay->had = true;
    if (!relay->closed) {
        relay->events->allocated(relay->ctx, relay->number, relayed, mapped);
    }
}

static void on_turn_failed(void *ctx, enum sq_turn_fault fault, int code, const char *text)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX];
    (void)code;
    snprintf(sentence, sizeof(sentence), "the TURN server %.90s %.140s", relay_name(relay), text);
    relay_tell_failed(relay, cause_of(fault), sentence);
}

static void on_turn_peer_refused(void *ctx, const struct sq_addr *peer, int code, const char *text)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX];
    snprintf(sentence, sizeof(sentence), "the TURN server %.100s does not relay to %s: %d %.40s",
             relay_name(relay), sq_addr_format_ip(peer, where), code, text);
    if (!relay->closed) {
        relay->events->note(relay->ctx, relay->number, sentence);
    }
}

static void on_turn_closed(void *ctx)
{
    let_go(ctx);
}

static void on_turn_again(void *ctx, const struct sq_addr *server)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX];
    if (server) {
        relay->server = *server;
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s sends us to %s (300)",
                 relay_name(relay), sq_addr_format(server, where));
    } else {
        snprintf(sentence, sizeof(sentence),
                 "the TURN server %.100s knows our port already (437): from another one",
                 relay_name(relay));
    }
    if (!relay->closed) {
        relay->events->note(relay->ctx, relay->number, sentence);
    }
    relay->again = true; /* this is in the middle of the client's call, and of the carrier's */
}

static const struct sq_turn_callbacks turn_callbacks = {
    .send = relay_hand_over,
    .allocated = on_turn_allocated,
    .again = on_turn_again,
    .failed = on_turn_failed,
    .peer_refused = on_turn_peer_refused,
    .closed = on_turn_closed,
};

/* ---- Its carrier comes and goes ---- */

/* Nothing more is to be done. It goes, with its carrier, at the end of the loop's iteration: this
 * may be in the middle of a call of either. */
static void let_go(struct sq_relay *relay)
{
    if (relay->gone) {
        return;
    }
    struct sq_relays *relays = relay->relays;
    relay->gone = true;
    sq_timer_stop(&relay->timer);
    *relay->prev = relay->next;
    if (relay->next) {
        relay->next->prev = relay->prev;
    }
    relay->next = relays->dead;
    relays->dead = relay;
}

void relay_carrier_is_up(struct sq_relay *relay)
{
    relay->open = true;
    int err = sq_turn_start(relay->turn, sq_loop_now(relay->relays->loop));
    (void)err; /* SQ_ERR_STATE alone: it runs already */
    relay_rearm(relay);
}

static void reopen(struct sq_relay *relay)
{
    relay->again = false;
    relay_close_carrier(relay);
    int err = relay_open_carrier(relay);
    if (err) {
        char sentence[SQ_PEER_TEXT_MAX];
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s cannot be reached: %s",
                 relay_name(relay), sq_err_name(err));
        relay_tell_failed(relay, SQ_PEER_CAUSE_CONNECT, sentence);
    } else if (relay->udp) {
        relay_carrier_is_up(relay);
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_relay *relay = ctx;
    if (relay->again) {
        reopen(relay);
        return;
    }
    uint64_t refused = refused_requests(relay);
    if (refused >= REFUSED_MAX && !relay->closed) {
        char sentence[SQ_PEER_TEXT_MAX];
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s cannot be reached: %s",
                 relay_name(relay), refusal_of(relay));
        relay_tell_failed(relay, SQ_PEER_CAUSE_CONNECT, sentence);
        return;
    }
    sq_turn_on_timeout(relay->turn, now_ns);
    relay_rearm(relay);
    if (refused > 0 && !relay->gone && relay->timer.deadline_ns > now_ns + REFUSED_POLL_NS) {
        sq_timer_start(sq_loop_timers(relay->relays->loop), &relay->timer,
                       now_ns + REFUSED_POLL_NS);
    }
}

void sq_relay_probe(struct sq_relay *relay)
{
    uint64_t now_ns = sq_loop_now(relay->relays->loop);
    if (relay->gone || relay->closed || !relay->had || (relay->probed_ns && !relay->heard)) {
        return; /* or it was asked already, and has not answered */
    }
    relay->probed_ns = now_ns;
    relay->heard = false;
    relay->refused_before = refused_sends(relay);
    sq_turn_refresh(relay->turn, now_ns);
    relay_rearm(relay);
}

/* ---- Life ---- */

int sq_relays_create(struct sq_loop *loop, const struct sq_relays_config *config,
                     struct sq_relays **ret_relays)
{
    if (config->servers_len > SQ_RELAY_SERVERS_MAX) {
        return SQ_ERR_INVALID;
    }
    struct sq_relays *relays = sq_zalloc(sizeof(*relays));
    if (!relays) {
        return SQ_ERR_NOMEM;
    }
    relays->loop = loop;
    relays->cfg = *config;
    sq_rand_seed(&relays->rand, config->seed ^ 0x7e1a9ULL);
    relays->scratch = sq_malloc(RELAY_SCRATCH_BYTES);
    if (!relays->scratch) {
        sq_free(relays);
        return SQ_ERR_NOMEM;
    }
    *ret_relays = relays;
    return 0;
}

static void free_own(struct sq_relay_server *own)
{
    if (own) {
        sq_free((char *)own->text);
        sq_free((char *)own->user);
        sq_free((char *)own->password);
        sq_free(own);
    }
}

static void free_relay(struct sq_relay *relay)
{
    relay_close_carrier(relay);
    sq_turn_destroy(relay->turn);
    sq_framing_free(&relay->framing);
    sq_link_release(relay->link);
    free_own(relay->own);
    sq_free(relay);
}

void sq_relays_flushed(struct sq_relays *relays)
{
    while (relays->dead) {
        struct sq_relay *relay = relays->dead;
        relays->dead = relay->next;
        free_relay(relay);
    }
}

void sq_relays_destroy(struct sq_relays *relays)
{
    if (!relays) {
        return;
    }
    while (relays->alive) {
        let_go(relays->alive);
    }
    sq_relays_flushed(relays);
    sq_free(relays->scratch);
    sq_free(relays);
}

bool sq_relays_idle(const struct sq_relays *relays)
{
    return !relays->alive;
}

size_t sq_relays_servers(const struct sq_relays *relays)
{
    return relays->cfg.servers_len;
}

const struct sq_relay_counts *sq_relays_counts(const struct sq_relays *relays, size_t number)
{
    return &relays->counts[number];
}

const struct sq_addr *sq_relays_server(const struct sq_relays *relays, size_t number)
{
    return &relays->cfg.servers[number].addr;
}

static int make_turn(struct sq_relay *relay)
{
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    char user[SQ_TURN_CRED_MAX + 1], password[SQ_TURN_REST_PASSWORD_ROOM];
    struct sq_turn_config turn;
    const struct sq_relay_server *to = relay->to;
    enum sq_turn_carrier carrier = to->url.carrier;
    sq_turn_config_init(&turn, &relay->relays->rand);
    turn.user = to->user ? to->user : cfg->user;
    turn.password = to->user ? to->password : cfg->password;
    turn.stream = carrier == SQ_TURN_TCP || carrier == SQ_TURN_TLS;
    turn.family = sq_addr_family(&relay->server);
    if (cfg->secret && !to->user) {
        uint64_t wall_s = (sq_loop_now(relay->relays->loop) +
                           (uint64_t)sq_loop_wall_offset_ns(relay->relays->loop)) /
                          SQ_NS_PER_SEC;
        int err = sq_turn_rest_credentials(cfg->secret, cfg->user, wall_s + SQ_RELAY_REST_LIFE_S,
                                           user, sizeof(user), password);
        if (err) {
            return err;
        }
        turn.user = user;
        turn.password = password;
    }
    return sq_turn_create(&turn, &turn_callbacks, relay, &relay->turn);
}

/* Owns `own` (nullable), also on failure. */
static int open_relay(struct sq_relays *relays, const struct sq_relay_server *to,
                      struct sq_relay_server *own, int number, const struct sq_addr *bind,
                      struct sq_link *link, const struct sq_relay_events *events, void *ctx,
                      struct sq_relay **ret_relay)
{
    struct sq_relay *relay = sq_zalloc(sizeof(*relay));
    if (!relay) {
        free_own(own);
        return SQ_ERR_NOMEM;
    }
    relay->relays = relays;
    relay->to = to;
    relay->own = own;
    relay->number = number;
    relay->opened_ns = sq_loop_now(relays->loop);
    relay->events = events;
    relay->ctx = ctx;
    relay->server = to->addr;
    relay->framing.kind = SQ_FRAMING_TURN;
    if (bind) {
        relay->bind = *bind;
    }
    if (link) {
        relay->link = link;
        sq_link_retain(link);
    }
    sq_timer_init(&relay->timer, on_timer, relay);
    int err = make_turn(relay);
    err = err ? err : relay_open_carrier(relay);
    if (err) {
        free_relay(relay);
        return err;
    }
    relay->next = relays->alive;
    relay->prev = &relays->alive;
    if (relay->next) {
        relay->next->prev = &relay->next;
    }
    relays->alive = relay;
    counts_of(relay)->asked++;
    if (relay->udp) {
        relay_carrier_is_up(relay);
    }
    *ret_relay = relay;
    return 0;
}

static struct sq_relay_server *copy_of(const struct sq_relay_server *server)
{
    struct sq_relay_server *own = sq_malloc(sizeof(*own));
    if (own) {
        *own = *server;
        own->text = sq_strdup(server->text);
        own->user = server->user ? sq_strdup(server->user) : NULL;
        own->password = server->password ? sq_strdup(server->password) : NULL;
    }
    if (own &&
        (!own->text || (server->user && !own->user) || (server->password && !own->password))) {
        free_own(own);
        own = NULL;
    }
    return own;
}

int sq_relay_open(struct sq_relays *relays, int number, const struct sq_addr *bind,
                  struct sq_link *link, const struct sq_relay_events *events, void *ctx,
                  struct sq_relay **ret_relay)
{
    return open_relay(relays, &relays->cfg.servers[number], NULL, number, bind, link, events, ctx,
                      ret_relay);
}

int sq_relay_open_to(struct sq_relays *relays, const struct sq_relay_server *server, int number,
                     const struct sq_addr *bind, struct sq_link *link,
                     const struct sq_relay_events *events, void *ctx, struct sq_relay **ret_relay)
{
    struct sq_relay_server *own = copy_of(server);
    return own ? open_relay(relays, own, own, number, bind, link, events, ctx, ret_relay)
               : SQ_ERR_NOMEM;
}

/* Who waited and goes without an answer. */
static void count_silence(const struct sq_relay *relay)
{
    struct sq_relay_counts *counts = counts_of(relay);
    if (!relay->had &&
        sq_loop_now(relay->relays->loop) >= relay->opened_ns + SQ_RELAY_PATIENCE_NS) {
        counts->unanswered++;
        sq_relay_tell_silence(relay, counts->example);
    }
}

void sq_relay_close(struct sq_relay *relay)
{
    if (!relay || relay->closed) {
        return;
    }
    relay->closed = true;
    if (!relay->gone) {
        count_silence(relay);
        sq_turn_close(relay->turn, sq_loop_now(relay->relays->loop));
        relay_rearm(relay);
    }
}

struct sq_udp *sq_relay_udp(const struct sq_relay *relay)
{
    return relay->dtls ? sq_udp_tls_socket(relay->dtls) : relay->udp;
}

uint16_t sq_relay_local_pref(const struct sq_relay *relay)
{
    static const uint16_t first[] = {[SQ_TURN_UDP] = 0x7fff,
                                     [SQ_TURN_TCP] = 0x5fff,
                                     [SQ_TURN_DTLS] = 0x4fff,
                                     [SQ_TURN_TLS] = 0x3fff};
    return (uint16_t)(first[relay->to->url.carrier] - relay->number);
}

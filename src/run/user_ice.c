/* RTCTransportStats, RTCIceCandidatePairStats and RTCIceCandidateStats for a dump, by W3C's names.
 */
#include "peer/ice/ice.h"
#include "run/user_int.h"
#include <stdio.h>

#define CANDIDATES_MAX 8 /* of each side, and pairs: the first ones, and the selected one */

/* Where a statistic goes. */
struct object {
    struct sq_user *user;
    double t_ms;
    const char *id, *type;
};

static void number(const struct object *o, const char *name, double value)
{
    /* Without memory the series ends early. */
    int err = sq_trace_value(&o->user->trace, o->id, o->type, name, o->t_ms, 1000, value);
    (void)err;
}

static void text(const struct object *o, const char *name, const char *value)
{
    int err = sq_trace_text(&o->user->trace, o->id, o->type, name, o->t_ms, 1000, value);
    (void)err;
}

static void candidate_id(const struct sq_user_peer *peer, bool remote, size_t i, char out[48])
{
    snprintf(out, 48, "%s-%.16s-%zu", remote ? "RC" : "LC", peer->label, i);
}

static void transport_id(const struct sq_user_peer *peer, char out[48])
{
    snprintf(out, 48, "T01-%.16s", peer->label);
}

static void dump_candidate(const struct sq_user_peer *peer, double t_ms, bool remote, size_t i,
                           const struct sq_ice_candidate *c)
{
    char id[48], transport[48], ip[SQ_ADDR_TEXT_MAX];
    candidate_id(peer, remote, i, id);
    const struct object o = {peer->user, t_ms, id, remote ? "remote-candidate" : "local-candidate"};
    transport_id(peer, transport);
    text(&o, "transportId", transport);
    number(&o, "isRemote", remote);
    text(&o, "address", sq_addr_format_ip(&c->addr, ip));
    number(&o, "port", sq_addr_port(&c->addr));
    text(&o, "protocol", c->transport == SQ_ICE_UDP ? "udp" : "tcp");
    text(&o, "candidateType", sq_ice_type_name((enum sq_ice_type)c->type));
    number(&o, "priority", c->priority);
    text(&o, "foundation", c->foundation);
    if (sq_addr_family(&c->related)) {
        text(&o, "relatedAddress", sq_addr_format_ip(&c->related, ip));
        number(&o, "relatedPort", sq_addr_port(&c->related));
    }
    if (c->transport != SQ_ICE_UDP) {
        text(&o, "tcpType", c->transport == SQ_ICE_TCP_ACTIVE ? "active" : "passive");
    }
}

static void dump_pair(const struct object *o, const struct sq_user_peer *peer,
                      const struct sq_ice_pair_stats *pair)
{
    char id[48];
    transport_id(peer, id);
    text(o, "transportId", id);
    candidate_id(peer, false, pair->local, id);
    text(o, "localCandidateId", id);
    candidate_id(peer, true, pair->remote, id);
    text(o, "remoteCandidateId", id);
    text(o, "state", sq_ice_pair_state_name(pair->state));
    number(o, "nominated", pair->nominated);
    number(o, "priority", (double)pair->priority);
    number(o, "requestsSent", pair->requests_sent);
    number(o, "responsesReceived", pair->responses_received);
    number(o, "requestsReceived", pair->requests_received);
    number(o, "responsesSent", pair->responses_sent);
    number(o, "consentRequestsSent", pair->consent_requests_sent);
    if (pair->round_trips > 0) {
        number(o, "currentRoundTripTime", (double)pair->current_round_trip_ns / 1e9);
        number(o, "totalRoundTripTime", (double)pair->total_round_trip_ns / 1e9);
    }
}

/* What is known of the pair that is used. */
static void dump_selected(const struct object *o, const struct sq_user_peer *peer)
{
    struct sq_transport_stats s;
    sq_peer_transport_stats(sq_endpoint_peer(peer->endpoint), &s);
    number(o, "packetsSent", (double)s.data_packets_sent);
    number(o, "packetsReceived", (double)s.data_packets_received);
    number(o, "bytesSent", (double)s.data_bytes_sent);
    number(o, "bytesReceived", (double)s.data_bytes_received);
    if (s.available_outgoing_bps >= 0) {
        number(o, "availableOutgoingBitrate", s.available_outgoing_bps);
    }
}

static void dump_transport(const struct sq_user_peer *peer, double t_ms, const char *selected)
{
    char id[48];
    struct sq_transport_stats s;
    sq_peer_transport_stats(sq_endpoint_peer(peer->endpoint), &s);
    transport_id(peer, id);
    const struct object o = {peer->user, t_ms, id, "transport"};
    number(&o, "packetsSent", (double)s.data_packets_sent);
    number(&o, "packetsReceived", (double)s.data_packets_received);
    number(&o, "bytesSent", (double)s.data_bytes_sent);
    number(&o, "bytesReceived", (double)s.data_bytes_received);
    text(&o, "dtlsRole", s.dtls_role);
    text(&o, "srtpCipher", s.srtp_profile);
    if (selected[0]) {
        text(&o, "selectedCandidatePairId", selected);
    }
}

void sq_user_dump_ice(struct sq_user_peer *peer, uint64_t now_ns)
{
    const struct sq_ice *ice = sq_peer_ice(sq_endpoint_peer(peer->endpoint));
    double t_ms = ((double)now_ns - (double)peer->user->env->start_ns) / 1e6;
    char selected[48] = "";
    for (size_t i = 0; i < sq_ice_local_count(ice) && i < CANDIDATES_MAX; i++) {
        dump_candidate(peer, t_ms, false, i, sq_ice_local(ice, i));
    }
    for (size_t i = 0; i < sq_ice_remote_count(ice) && i < CANDIDATES_MAX; i++) {
        dump_candidate(peer, t_ms, true, i, sq_ice_remote(ice, i));
    }
    for (size_t i = 0; i < sq_ice_pair_count(ice); i++) {
        char id[48];
        struct sq_ice_pair_stats pair;
        if (sq_ice_pair_stats(ice, i, &pair) != 0 || (i >= CANDIDATES_MAX && !pair.selected)) {
            continue;
        }
        snprintf(id, sizeof(id), "CP-%.16s-%zu", peer->label, i);
        const struct object o = {peer->user, t_ms, id, "candidate-pair"};
        dump_pair(&o, peer, &pair);
        if (pair.selected) {
            dump_selected(&o, peer);
            snprintf(selected, sizeof(selected), "%s", id);
        }
    }
    dump_transport(peer, t_ms, selected);
}

static void candidate_words(const struct sq_ice_candidate *c, char out[static 64])
{
    char addr[SQ_ADDR_TEXT_MAX];
    snprintf(out, 64, "%s %s", c ? sq_ice_type_name((enum sq_ice_type)c->type) : "?",
             c ? sq_addr_format(&c->addr, addr) : "");
}

void sq_user_tell_pairs(struct sq_user_peer *peer)
{
    const struct sq_ice *ice = sq_peer_ice(sq_endpoint_peer(peer->endpoint));
    for (size_t i = 0; i < sq_ice_pair_count(ice); i++) {
        char local[64], remote[64], trip[32] = "";
        struct sq_ice_pair_stats pair;
        if (sq_ice_pair_stats(ice, i, &pair) != 0 || (i >= CANDIDATES_MAX && !pair.selected)) {
            continue;
        }
        const struct sq_ice_candidate *from = sq_ice_local(ice, pair.local);
        candidate_words(from, local);
        candidate_words(sq_ice_remote(ice, pair.remote), remote);
        if (pair.round_trips > 0) {
            snprintf(trip, sizeof(trip), ", %.1f ms", (double)pair.current_round_trip_ns / 1e6);
        }
        sq_user_tell(peer->user, "candidatepair", "%s %s -> %s: %s%s, %u checks sent, %u answers%s",
                     from && from->transport != SQ_ICE_UDP ? "tcp" : "udp", local, remote,
                     pair.selected ? "in use, " : "", sq_ice_pair_state_name(pair.state),
                     pair.requests_sent + pair.consent_requests_sent, pair.responses_received,
                     trip);
    }
}

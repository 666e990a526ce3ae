/* A peer's ways in and out: bases, relays, and what becomes of media when the way changes. */
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <stdio.h>
#include <string.h>

static void enter(struct sq_peer *peer, uint64_t now_ns)
{
    peer->now_ns = peer->clock_ns = sq_max_u64(now_ns, peer->clock_ns);
}

static void leave(struct sq_peer *peer)
{
    sq_peer_after_ice(peer);
    sq_peer_rearm(peer);
}

int sq_peer_add_base(struct sq_peer *peer, int base, const struct sq_addr *addr)
{
    int err = sq_ice_add_base(peer->ice, base, addr);
    if (!err) {
        leave(peer);
    }
    return err;
}

int sq_peer_add_relay(struct sq_peer *peer, uint64_t now_ns, int base,
                      const struct sq_addr *relayed, const struct sq_addr *mapped,
                      uint16_t local_pref)
{
    const struct sq_ice_base b = {
        .id = base,
        .transport = SQ_ICE_UDP,
        .type = SQ_ICE_RELAY,
        .addr = *relayed,
        .related = *mapped, /* RFC 8839, section 5.1: raddr and rport */
        .local_pref = local_pref,
    };
    enter(peer, now_ns);
    int err = sq_ice_add_base_full(peer->ice, peer->now_ns, &b);
    if (!err) {
        leave(peer);
    }
    return err;
}

int sq_peer_add_listener(struct sq_peer *peer, int base, const struct sq_addr *addr)
{
    const struct sq_ice_base b = {
        .id = base,
        .transport = SQ_ICE_TCP_PASSIVE,
        .type = SQ_ICE_HOST,
        .addr = *addr,
    };
    int err = sq_ice_add_base_full(peer->ice, 0, &b);
    if (!err) {
        leave(peer);
    }
    return err;
}

bool sq_peer_has_base(const struct sq_peer *peer, int base)
{
    return sq_ice_has_base(peer->ice, base);
}

void sq_peer_hold_gathering(struct sq_peer *peer)
{
    sq_ice_hold_gathering(peer->ice);
}

void sq_peer_release_gathering(struct sq_peer *peer, uint64_t now_ns)
{
    enter(peer, now_ns);
    sq_ice_release_gathering(peer->ice, peer->now_ns);
    leave(peer);
}

void sq_peer_give_up(struct sq_peer *peer, uint64_t now_ns, enum sq_peer_cause cause,
                     const char *text)
{
    enter(peer, now_ns);
    sq_peer_fail(peer, cause, "%s", text);
}

void sq_peer_ask_consent(struct sq_peer *peer, uint64_t now_ns)
{
    enter(peer, now_ns);
    sq_ice_ask_consent(peer->ice, now_ns);
}

void sq_peer_note(struct sq_peer *peer, const char *text)
{
    sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_NOTE, .text = text});
}

void sq_peer_watch_gap(struct sq_peer *peer, uint64_t now_ns, bool on)
{
    peer->gap_watched = on;
    peer->gap_from_ns = now_ns;
    peer->gap_ns = 0;
}

uint64_t sq_peer_gap_ns(const struct sq_peer *peer, uint64_t now_ns)
{
    if (!peer->gap_watched) {
        return 0;
    }
    uint64_t open_ns = now_ns > peer->gap_from_ns ? now_ns - peer->gap_from_ns : 0;
    return sq_max_u64(peer->gap_ns, open_ns);
}

/* ---- Candidates with a name ---- */

/* RFC 8839, section 5.1: foundation component transport priority HOST port. */
#define HOST_FIELD 4

struct sq_view sq_peer_candidate_host(const char *candidate)
{
    struct sq_view rest = sq_view_trim(sq_view_of(candidate));
    struct sq_view field = {0};
    for (int i = 0; i <= HOST_FIELD; i++) {
        while (rest.len > 0 && rest.at[0] == ' ') {
            rest.at++;
            rest.len--;
        }
        field = sq_view_cut(&rest, ' ');
    }
    return field;
}

int sq_peer_take_candidate(struct sq_peer *peer, struct sq_view line)
{
    size_t before = sq_ice_unresolved(peer->ice);
    int err = sq_ice_add_remote_line(peer->ice, peer->now_ns, line);
    char text[SQ_ICE_CANDIDATE_TEXT];
    if (!err && sq_ice_unresolved(peer->ice) > before && line.len < sizeof(text)) {
        memcpy(text, line.at, line.len);
        text[line.len] = '\0';
        sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_CANDIDATE_NAME, .text = text});
    }
    return err;
}

int sq_peer_add_resolved(struct sq_peer *peer, uint64_t now_ns, const char *candidate,
                         const struct sq_addr *addr)
{
    char line[SQ_ICE_CANDIDATE_TEXT + SQ_ADDR_TEXT_MAX], ip[SQ_ADDR_TEXT_MAX];
    struct sq_view host = sq_peer_candidate_host(candidate);
    if (host.len == 0) {
        return SQ_ERR_FORMAT;
    }
    int n = snprintf(line, sizeof(line), "%.*s%s%s", (int)(host.at - candidate), candidate,
                     sq_addr_format_ip(addr, ip), host.at + host.len);
    if (n < 0 || (size_t)n >= sizeof(line)) {
        return SQ_ERR_NOSPACE;
    }
    enter(peer, now_ns);
    int err = sq_ice_add_remote_line(peer->ice, peer->now_ns, sq_view_of(line));
    if (!err) {
        sq_ice_resolved(peer->ice);
    }
    leave(peer);
    return err;
}

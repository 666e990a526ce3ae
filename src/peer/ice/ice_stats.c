/* What the agent shows: the path in use, candidates, pairs. */
#include "peer/ice/ice_int.h"

#include <stdio.h>
#include <string.h>

bool sq_ice_selected(const struct sq_ice *ice, int *ret_base_id, struct sq_addr *ret_remote)
{
    if (!ice->path.on) {
        return false;
    }
    *ret_base_id = ice->path.base_id;
    *ret_remote = ice->path.remote;
    return true;
}

bool sq_ice_may_receive(const struct sq_ice *ice, int base_id, const struct sq_addr *from)
{
    if (ice->path.on && ice->path.base_id == base_id && sq_addr_equal(from, &ice->path.remote)) {
        return true;
    }
    if (ice->state == SQ_ICE_FAILED || ice->state == SQ_ICE_CLOSED) {
        return false;
    }
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        const struct ice_pair *p = ice_pair_at(ice, i);
        if ((p->flags & (PAIR_VALID | PAIR_HEARD)) && ice_base_at(ice, p->base)->b.id == base_id &&
            sq_addr_equal(from, ice_pair_remote(ice, p))) {
            return true;
        }
    }
    const struct ice_old *old = ice->old; /* late packets of the pair before the restart */
    return old && old->has_pair && ice_base_at(ice, old->pair.base)->b.id == base_id &&
           sq_addr_equal(from, &old->remote.addr);
}

const char *sq_ice_pair_state_name(enum sq_ice_pair_state state)
{
    static const char *const names[SQ_ICE_PAIR_STATES] = {"frozen", "waiting", "in-progress",
                                                          "succeeded", "failed"};
    return (size_t)state < SQ_ICE_PAIR_STATES ? names[state] : "?";
}

size_t sq_ice_local_count(const struct sq_ice *ice)
{
    return ice->locals.n;
}

size_t sq_ice_remote_count(const struct sq_ice *ice)
{
    return ice->remotes.n;
}

size_t sq_ice_pair_count(const struct sq_ice *ice)
{
    return ice->pairs.n;
}

static const char *families_of(const struct sq_ice *ice, bool remote)
{
    bool v4 = false, v6 = false;
    size_t n = remote ? ice->remotes.n : ice->locals.n;
    for (size_t i = 0; i < n; i++) {
        const struct sq_ice_candidate *c = remote ? sq_ice_remote(ice, i) : sq_ice_local(ice, i);
        v4 = v4 || sq_addr_family(&c->addr) == AF_INET;
        v6 = v6 || sq_addr_family(&c->addr) == AF_INET6;
    }
    return v4 && v6 ? " (IPv4, IPv6)" : v4 ? " (IPv4)" : v6 ? " (IPv6)" : "";
}

void sq_ice_words(const struct sq_ice *ice, char ret_text[static SQ_ICE_WORDS_MAX])
{
    snprintf(ret_text, SQ_ICE_WORDS_MAX, "%zu local%s and %zu remote%s candidates%s",
             sq_ice_local_count(ice), families_of(ice, false), sq_ice_remote_count(ice),
             families_of(ice, true), ice->pairs.n == 0 ? ", no pair of them" : "");
}

const struct sq_ice_candidate *sq_ice_local(const struct sq_ice *ice, size_t i)
{
    return i < ice->locals.n ? &ice_local_at(ice, i)->c : NULL;
}

const struct sq_ice_candidate *sq_ice_remote(const struct sq_ice *ice, size_t i)
{
    return i < ice->remotes.n ? ice_remote_at(ice, i) : NULL;
}

enum sq_ice_asked sq_ice_server_asked(const struct sq_ice *ice, size_t i, uint64_t now_ns)
{
    if (i >= ice->servers.n) {
        return SQ_ICE_NOT_ASKED;
    }
    const struct ice_server *s = ice_server_at(ice, i);
    return s->answered                            ? SQ_ICE_ANSWERED
           : s->refused                           ? SQ_ICE_REFUSED
           : s->asked_ns == 0                     ? SQ_ICE_NOT_ASKED
           : now_ns < s->asked_ns + SQ_NS_PER_SEC ? SQ_ICE_ASKED
                                                  : SQ_ICE_UNANSWERED;
}

static void fill(const struct ice_pair *p, struct sq_ice_pair_stats *ret_stats)
{
    *ret_stats = (struct sq_ice_pair_stats){
        .local = p->local,
        .remote = p->remote,
        .state = (enum sq_ice_pair_state)p->state,
        .nominated = (p->flags & PAIR_NOMINATED) != 0,
        .priority = p->priority,
        .requests_sent = p->requests_sent,
        .responses_received = p->responses_received,
        .requests_received = p->requests_received,
        .responses_sent = p->responses_sent,
        .consent_requests_sent = p->consent_sent,
        .round_trips = p->round_trips,
        .current_round_trip_ns = p->current_rtt_ns,
        .total_round_trip_ns = p->total_rtt_ns,
    };
}

int sq_ice_pair_stats(const struct sq_ice *ice, size_t i, struct sq_ice_pair_stats *ret_stats)
{
    if (i >= ice->pairs.n) {
        return SQ_ERR_NOTFOUND;
    }
    fill(ice_pair_at(ice, i), ret_stats);
    ret_stats->selected = ice->path.on && !ice->path.old && ice->path.pair == i;
    return 0;
}

int sq_ice_selected_stats(const struct sq_ice *ice, struct sq_ice_pair_stats *ret_stats,
                          struct sq_ice_candidate *ret_local, struct sq_ice_candidate *ret_remote)
{
    if (!ice->path.on) {
        return SQ_ERR_NOTFOUND;
    }
    const struct ice_pair *p = ice->path.old ? &ice->old->pair : ice_pair_at(ice, ice->path.pair);
    fill(p, ret_stats);
    ret_stats->selected = true;
    if (ice->path.old) {
        ret_stats->local = 0;
        ret_stats->remote = 0;
    }
    if (ret_local) {
        *ret_local = ice->path.old ? ice->old->local : ice_local_at(ice, p->local)->c;
    }
    if (ret_remote) {
        *ret_remote = ice->path.old ? ice->old->remote : *ice_remote_at(ice, p->remote);
    }
    return 0;
}

static size_t gen_bytes(const struct ice_gen *gen)
{
    const char *const texts[] = {gen->local_ufrag, gen->local_pwd, gen->remote_ufrag,
                                 gen->remote_pwd};
    size_t sum = 0;
    for (size_t i = 0; i < 4; i++) {
        sum += texts[i] ? strlen(texts[i]) + 1 : 0;
    }
    return sum;
}

size_t sq_ice_memory_bytes(const struct sq_ice *ice)
{
    size_t sum = sizeof(*ice) + gen_bytes(&ice->gen);
    sum += ice->bases.room * sizeof(struct ice_bind);
    sum += ice->servers.room * sizeof(struct ice_server);
    sum += ice->locals.room * sizeof(struct ice_local);
    sum += ice->remotes.room * sizeof(struct sq_ice_candidate);
    sum += ice->pairs.room * sizeof(struct ice_pair);
    sum += ice->queries.room * sizeof(struct ice_query);
    sum += ice->held.room * sizeof(struct ice_held);
    if (ice->old) {
        sum += sizeof(*ice->old) + gen_bytes(&ice->old->gen);
    }
    return sum;
}

/* What signalling tells of the other side: credentials, candidates, the end of them. */
#include "peer/ice/ice_int.h"

#include "base/mem.h"
#include <string.h>

static bool cred_fits(const char *text)
{
    size_t len = strnlen(text, SQ_ICE_CRED_MAX + 1); /* shorter ones than the RFC asks do no harm */
    return len > 0 && len <= SQ_ICE_CRED_MAX;
}

int sq_ice_set_remote(struct sq_ice *ice, uint64_t now_ns, const char *ufrag, const char *pwd,
                      bool lite)
{
    struct ice_gen *gen = &ice->gen;
    if (ice->state == SQ_ICE_CLOSED) {
        return SQ_ERR_STATE;
    }
    if (!cred_fits(ufrag) || !cred_fits(pwd)) {
        return SQ_ERR_INVALID;
    }
    if (gen->remote_pwd) {
        bool same = strcmp(gen->remote_ufrag, ufrag) == 0 && strcmp(gen->remote_pwd, pwd) == 0;
        return same ? 0 : SQ_ERR_STATE;
    }
    char *new_ufrag = sq_strdup(ufrag);
    char *new_pwd = sq_strdup(pwd);
    if (!new_ufrag || !new_pwd) {
        sq_free(new_ufrag);
        sq_free(new_pwd);
        return SQ_ERR_NOMEM;
    }
    gen->remote_ufrag = new_ufrag;
    gen->remote_pwd = new_pwd;
    sq_stun_key_init(&gen->remote_key, pwd, strlen(pwd));
    ice->remote_lite = lite;
    if (lite) {
        ice_set_role(ice, true); /* section 6.1.1; nothing happens when we are lite, too */
    }
    ice->started_ns = now_ns;
    ice->fresh_ns = now_ns;
    ice_fire(ice, EV_START);
    ice_serve_held(ice, now_ns);
    ice_conclude(ice, now_ns);
    return 0;
}

static bool is_of_use(const struct sq_ice *ice, const struct sq_ice_candidate *c)
{
    if (c->component != ICE_COMPONENT || sq_addr_family(&c->addr) == AF_UNSPEC) {
        return false;
    }
    if (c->transport == SQ_ICE_UDP) {
        return true;
    }
    /* RFC 6544, section 6.2: active ones come by themselves, with a port that nobody was told; no
     * checks are sent to them. What no base can be paired with is left out. */
    bool tcp = ice->cfg.tcp_active && c->transport == SQ_ICE_TCP_PASSIVE;
    for (uint16_t i = 0; i < ice->bases.n && c->transport != SQ_ICE_TCP_ACTIVE; i++) {
        const struct sq_ice_base *b = &ice_base_at(ice, i)->b;
        tcp = tcp || (b->transport != SQ_ICE_UDP && b->transport != SQ_ICE_TCP_PASSIVE);
    }
    return tcp;
}

/* Section 7.3.1.3: a candidate found by its checks that is told now takes the told properties. */
static void told_late(struct sq_ice *ice, uint16_t index, const struct sq_ice_candidate *c)
{
    struct sq_ice_candidate *known = ice_remote_at(ice, index);
    if (known->type == SQ_ICE_PRFLX && c->type != SQ_ICE_PRFLX) {
        *known = *c;
        ice_set_priorities(ice);
    }
}

/* False without memory for a single pair. Where the table is full the worst ones are left out. */
static bool pair_with_all(struct sq_ice *ice, uint16_t remote)
{
    bool wanted = false, made = false;
    for (uint16_t b = 0; b < ice->bases.n; b++) {
        const struct ice_bind *bind = ice_base_at(ice, b);
        /* A base that is not gathered yet is paired when it is. */
        if (bind->local != ICE_NONE && ice_may_pair(&bind->b, ice_remote_at(ice, remote))) {
            wanted = true;
            made = ice_add_pair(ice, (uint8_t)b, remote) || made;
        }
    }
    return made || !wanted || ice->pairs.n >= ice->cfg.max_pairs;
}

int sq_ice_add_remote(struct sq_ice *ice, uint64_t now_ns, const struct sq_ice_candidate *c)
{
    if (ice->state == SQ_ICE_CLOSED) {
        return SQ_ERR_STATE;
    }
    if (!is_of_use(ice, c)) {
        return 0;
    }
    if (c->transport == SQ_ICE_TCP_PASSIVE && ice->cfg.tcp_active) {
        int err = ice_add_tcp_bases(ice, now_ns, sq_addr_family(&c->addr));
        if (err) {
            return err;
        }
    }
    uint16_t index = ice_find_remote(ice, &c->addr, c->transport != SQ_ICE_UDP);
    if (index != ICE_NONE) {
        told_late(ice, index, c);
        ice_conclude(ice, now_ns);
        return 0;
    }
    index = ice_push_remote(ice, c);
    if (index == ICE_NONE) {
        return SQ_ERR_NOMEM;
    }
    ice->fresh_ns = now_ns;
    /* Once a pair is nominated, or when lite, pairs come of incoming checks only. */
    if (ice->nominated == ICE_NONE && !ice->cfg.lite && !pair_with_all(ice, index)) {
        ice->remotes.n--; /* nothing knows of it yet: it may be told again */
        return SQ_ERR_NOMEM;
    }
    ice_conclude(ice, now_ns);
    return 0;
}

int sq_ice_add_remote_line(struct sq_ice *ice, uint64_t now_ns, struct sq_view line)
{
    struct sq_ice_candidate c;
    struct sq_view ufrag;
    line = sq_view_trim(line);
    if (line.len == 0) {
        sq_ice_remote_done(ice, now_ns);
        return 0;
    }
    int err = sq_ice_candidate_parse(line, &c, &ufrag);
    if (err == SQ_ERR_DNS) {
        ice->unresolved++;
        return 0;
    }
    if (err) {
        return err == SQ_ERR_UNSUPPORTED ? 0 : err;
    }
    if (ufrag.len && ice->gen.remote_ufrag && !sq_view_is(ufrag, ice->gen.remote_ufrag)) {
        return SQ_ERR_STATE;
    }
    return sq_ice_add_remote(ice, now_ns, &c);
}

void sq_ice_remote_done(struct sq_ice *ice, uint64_t now_ns)
{
    ice->remote_done = true;
    ice_conclude(ice, now_ns);
}

void sq_ice_resolved(struct sq_ice *ice)
{
    ice->unresolved -= ice->unresolved > 0;
}

size_t sq_ice_unresolved(const struct sq_ice *ice)
{
    return ice->unresolved;
}

/* Checks that come in: credentials, role conflicts, the answer, and what they trigger (RFC 8445,
 * section 7.3). */
#include "peer/ice/ice_int.h"

#include <stdio.h>
#include <string.h>

/* A request that is being answered. */
struct request {
    uint64_t now_ns;
    uint8_t base; /* index */
    const struct sq_addr *from;
    const struct sq_stun_msg *m;
    const struct ice_gen *gen; /* whose credentials it bears; NULL: not known */
    bool known, present;       /* it bears some; those of the present generation */
};

static void send_error(struct sq_ice *ice, const struct request *r, int code,
                       const uint16_t *unknown, size_t n_unknown)
{
    uint8_t buf[ICE_MESSAGE_MAX];
    size_t len;
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_ERROR, SQ_STUN_BINDING, r->m->tid);
    sq_stun_put_error(&w, code, NULL);
    if (n_unknown) {
        sq_stun_put_unknown(&w, unknown, n_unknown);
    }
    if (r->known) {
        sq_stun_put_integrity(&w, &r->gen->local_key);
    }
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &len) == 0) {
        ice_send(ice, ice_base_at(ice, r->base)->b.id, r->from, buf, len);
    }
}

static void send_success(struct sq_ice *ice, const struct request *r)
{
    uint8_t buf[ICE_MESSAGE_MAX];
    size_t len;
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, SQ_STUN_BINDING, r->m->tid);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, r->from);
    sq_stun_put_integrity(&w, &r->gen->local_key);
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &len) == 0) {
        ice_send(ice, ice_base_at(ice, r->base)->b.id, r->from, buf, len);
    }
}

static bool user_is(struct sq_view user, const char *local_ufrag)
{
    return sq_view_is(sq_view_cut(&user, ':'), local_ufrag);
}

/* Sets r->gen when the request bears valid credentials; otherwise answers, as RFC 8489,
 * section 9.1.3 has it, and gives SQ_ERR_AUTH. */
static int authenticate(struct sq_ice *ice, struct request *r)
{
    struct sq_view user;
    if (sq_stun_get_text(r->m, SQ_STUN_USERNAME, &user) ||
        (!r->m->integrity_at && !r->m->integrity256_at)) {
        send_error(ice, r, 400, NULL, 0);
        return SQ_ERR_AUTH;
    }
    const struct ice_gen *gen = NULL;
    if (user_is(user, ice->gen.local_ufrag)) {
        gen = &ice->gen;
    } else if (ice->old && user_is(user, ice->old->gen.local_ufrag)) {
        gen = &ice->old->gen;
    }
    if (!gen || sq_stun_check_integrity(r->m, &gen->local_key)) {
        send_error(ice, r, 401, NULL, 0);
        return SQ_ERR_AUTH;
    }
    r->gen = gen;
    r->known = true;
    r->present = gen == &ice->gen;
    return 0;
}

/* Section 7.3.1.1. True when the request was refused with 487. */
static bool role_refused(struct sq_ice *ice, const struct request *r)
{
    uint64_t theirs;
    bool conflict =
        sq_stun_get_u64(r->m, ice->controlling ? SQ_STUN_ICE_CONTROLLING : SQ_STUN_ICE_CONTROLLED,
                        &theirs) == 0;
    if (!conflict) {
        return false;
    }
    bool we_win = ice->tie_breaker >= theirs;
    /* The winner is controlling in the end. Against a lite side, or being one, roles are fixed. */
    bool fixed = ice->cfg.lite || ice->remote_lite;
    if (fixed || we_win == ice->controlling) {
        send_error(ice, r, 487, NULL, 0);
        return true;
    }
    ice_set_role(ice, !ice->controlling);
    return false;
}

/* Section 7.3.1.3: a source that was never told is a peer-reflexive candidate. */
static uint16_t remote_of(struct sq_ice *ice, const struct request *r)
{
    bool tcp = ice_base_at(ice, r->base)->b.transport != SQ_ICE_UDP;
    uint16_t known = ice_find_remote(ice, r->from, tcp);
    if (known != ICE_NONE) {
        return known;
    }
    struct sq_ice_candidate c;
    memset(&c, 0, sizeof(c));
    c.addr = *r->from;
    c.type = SQ_ICE_PRFLX;
    c.transport = (uint8_t)ice_base_at(ice, r->base)->b.transport;
    if (c.transport == SQ_ICE_TCP_ACTIVE || c.transport == SQ_ICE_TCP_PASSIVE) {
        c.transport = c.transport == SQ_ICE_TCP_ACTIVE ? SQ_ICE_TCP_PASSIVE : SQ_ICE_TCP_ACTIVE;
    }
    c.component = ICE_COMPONENT;
    if (sq_stun_get_u32(r->m, SQ_STUN_PRIORITY, &c.priority)) {
        c.priority = sq_ice_priority(SQ_ICE_PRFLX, 0, ICE_COMPONENT);
    }
    snprintf(c.foundation, sizeof(c.foundation), "prflx%u", (unsigned)ice->remotes.n);
    return ice_push_remote(ice, &c);
}

/* Section 7.3.1.4: what a check does to the pair it came in on, by the pair's state. */
static void triggered_none(struct sq_ice *ice, struct ice_pair *p)
{
}

static void triggered_again(struct sq_ice *ice, struct ice_pair *p)
{
    p->state = SQ_ICE_PAIR_WAITING;
    ice_trigger(ice, p);
}

static void triggered_in_progress(struct sq_ice *ice, struct ice_pair *p)
{
    /* Valid already: this is our nomination under way, which the peer's check need not hurry. */
    if (!(p->flags & PAIR_VALID)) {
        ice_trigger(ice, p);
    }
}

static void (*const triggered[SQ_ICE_PAIR_STATES])(struct sq_ice *, struct ice_pair *) = {
    [SQ_ICE_PAIR_FROZEN] = triggered_again,
    [SQ_ICE_PAIR_WAITING] = triggered_again,
    [SQ_ICE_PAIR_IN_PROGRESS] = triggered_in_progress,
    [SQ_ICE_PAIR_SUCCEEDED] = triggered_none,
    [SQ_ICE_PAIR_FAILED] = triggered_again,
};

/* Whether a check on this pair is worth one of ours: once we have nominated, no other pair is. */
static bool wants_trigger(const struct sq_ice *ice, const struct ice_pair *p, bool use)
{
    if (ice->nominated == ICE_NONE) {
        return true;
    }
    return !ice->controlling && (use || ice->nominated == ice_pair_index(ice, p));
}

static void check_came_in(struct sq_ice *ice, const struct request *r)
{
    uint16_t remote = remote_of(ice, r);
    struct ice_pair *p = remote == ICE_NONE ? NULL : ice_add_pair(ice, r->base, remote);
    if (!p) {
        return; /* answered all the same */
    }
    bool use = sq_stun_has(r->m, SQ_STUN_USE_CANDIDATE) && !ice->controlling;
    p->requests_received++;
    p->responses_sent++;
    p->flags = (uint16_t)((p->flags & ~PAIR_USE_LAST) | PAIR_HEARD | (use ? PAIR_USE_LAST : 0));
    if (ice->cfg.lite) {
        ice_make_valid(ice, r->now_ns, p); /* it came, and its answer goes the same way back */
    } else if (wants_trigger(ice, p, use)) {
        triggered[p->state](ice, p);
    }
    if (!use) {
        return;
    }
    p->nominated_ns = r->now_ns;
    if (p->flags & PAIR_VALID) {
        ice_nominated_by_peer(ice, r->now_ns, p);
    } else {
        p->flags |= PAIR_NOMINATE;
    }
}

/* A check that bears our credentials and comes from whom it may. */
static void request_served(struct sq_ice *ice, const struct request *r)
{
    ice->first_check_ns = ice->first_check_ns ? ice->first_check_ns : r->now_ns;
    bool old = r->gen != &ice->gen;
    if (!old) {
        check_came_in(ice, r);
    } else if (ice->old->has_pair && ice->old->pair.base == r->base &&
               sq_addr_equal(r->from, &ice->old->remote.addr)) {
        ice->old->pair.requests_received++;
        ice->old->pair.responses_sent++;
    }
    if (ice->path.on && ice->path.old == old &&
        ice->path.base_id == ice_base_at(ice, r->base)->b.id &&
        sq_addr_equal(r->from, &ice->path.remote)) {
        ice_path_heard(ice, r->now_ns);
    }
}

int ice_request(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                const struct sq_stun_msg *m)
{
    static const uint16_t known[] = {SQ_STUN_USERNAME, SQ_STUN_PRIORITY, SQ_STUN_USE_CANDIDATE};
    struct request r = {.now_ns = now_ns, .base = base, .from = from, .m = m};
    uint16_t unknown[SQ_STUN_UNKNOWN_MAX];
    if (sq_stun_check_fingerprint(m) == SQ_ERR_FORMAT) {
        return SQ_ERR_FORMAT;
    }
    int err = authenticate(ice, &r);
    if (err) {
        return err;
    }
    size_t n =
        sq_stun_unknown(m, known, sizeof(known) / sizeof(*known), unknown, SQ_STUN_UNKNOWN_MAX);
    if (n > 0) {
        send_error(ice, &r, 420, unknown, n);
        return SQ_ERR_UNSUPPORTED;
    }
    if (ice->cfg.one_remote && r.present && !ice->gen.remote_ufrag) {
        ice_hold(ice, base, from, m);
        return 0;
    }
    if (r.present && ice_is_stranger(ice, m)) {
        send_error(ice, &r, ICE_STRANGER, NULL, 0);
        return SQ_ERR_AUTH;
    }
    if (role_refused(ice, &r)) {
        return 0;
    }
    send_success(ice, &r);
    request_served(ice, &r);
    return 0;
}

/* It is too late for an answer, by which a round trip would be measured: our own check tells that
 * it came. */
void ice_request_late(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                      const struct sq_stun_msg *m)
{
    const struct request r = {.now_ns = now_ns,
                              .base = base,
                              .from = from,
                              .m = m,
                              .gen = &ice->gen,
                              .known = true,
                              .present = true};
    if (ice_is_stranger(ice, m)) {
        send_error(ice, &r, ICE_STRANGER, NULL, 0);
    } else if (!role_refused(ice, &r)) {
        request_served(ice, &r);
    }
}

uint64_t sq_ice_first_check_ns(const struct sq_ice *ice)
{
    return ice->first_check_ns;
}

/* Where data goes: selection among valid and nominated pairs, and its consent (RFC 7675). */
#include "peer/ice/ice_int.h"

#include <string.h>

#define LITE_SWITCH_NS SQ_NS_PER_SEC

void ice_nominated_by_peer(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p)
{
    p->flags = (uint16_t)((p->flags & ~PAIR_NOMINATE) | PAIR_NOMINATED);
    if (p->nominated_ns == 0) {
        p->nominated_ns = now_ns;
    }
    if (ice->nominated == ICE_NONE) {
        ice->nominated = ice_pair_index(ice, p);
        ice_quiet_others(ice);
        return;
    }
    /* A peer may nominate more than one: RFC 5245's aggressive kind on every pair, of which the
     * best counts; browsers that change their mind, of which the last counts. These stop putting
     * USE-CANDIDATE into the checks of the pair they left. */
    const struct ice_pair *now = ice_pair_at(ice, ice->nominated);
    bool better = p->priority > now->priority;
    bool left = !(now->flags & PAIR_USE_LAST);
    bool dead = ice->state == SQ_ICE_DISCONNECTED;
    bool late = ice->cfg.lite && p->nominated_ns > now->nominated_ns + LITE_SWITCH_NS;
    if (better || left || dead || late) {
        ice->nominated = ice_pair_index(ice, p);
    }
}

/* ---- Choice ---- */

static uint64_t consent_wait(struct sq_ice *ice)
{
    double spread = 0.8 + 0.4 * sq_rand_unit(ice->cfg.rand); /* RFC 7675, section 5.1 */
    return (uint64_t)((double)ice_ms(ice->cfg.consent_ms) * spread);
}

static void path_off(struct sq_ice *ice)
{
    memset(&ice->path, 0, sizeof(ice->path));
}

/* The pair that should be in use, of this generation; ICE_NONE: none of it. */
static uint16_t wanted_pair(const struct sq_ice *ice)
{
    if (ice->nominated != ICE_NONE || (ice->path.on && ice->path.old)) {
        return ice->nominated;
    }
    uint16_t best = ICE_NONE;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        const struct ice_pair *p = ice_pair_at(ice, i);
        if ((p->flags & PAIR_VALID) &&
            (best == ICE_NONE || p->priority > ice_pair_at(ice, best)->priority)) {
            best = i;
        }
    }
    return best;
}

static void path_on(struct sq_ice *ice, uint64_t now_ns, uint16_t index)
{
    const struct ice_pair *p = ice_pair_at(ice, index);
    if (ice->old) {
        ice->old->until_ns = now_ns + ice_ms(ice->cfg.restart_grace_ms);
    }
    path_off(ice);
    ice->path.on = true;
    ice->path.pair = index;
    ice->path.base_id = (uint8_t)ice_base_at(ice, p->base)->b.id;
    ice->path.remote = *ice_pair_remote(ice, p);
    ice->path.answered_ns = now_ns; /* the answer that made it valid is consent, section 5.1 */
    ice->path.next_ns =
        now_ns + (ice->cfg.lite ? ice_ms(ice->cfg.keepalive_ms) : consent_wait(ice));
    if (ice->cb->selected_pair) {
        struct sq_addr remote = ice->path.remote;
        ice->cb->selected_pair(ice->ctx, ice->path.base_id, &remote);
    }
}

void ice_update_path(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->state == SQ_ICE_FAILED || ice->state == SQ_ICE_CLOSED) {
        path_off(ice);
        return;
    }
    uint16_t want = wanted_pair(ice);
    bool changed = want != ICE_NONE && !(ice->path.on && !ice->path.old && ice->path.pair == want);
    if (changed) {
        path_on(ice, now_ns, want);
    } else if (want == ICE_NONE && ice->path.on && !ice->path.old) {
        path_off(ice);
        ice_fire(ice, EV_UNPATHED);
    }
    if (ice->path.on && (changed || ice->state != SQ_ICE_DISCONNECTED)) {
        ice_fire(ice, !ice->path.old && want == ice->nominated ? EV_NOMINATED : EV_VALID);
    }
}

/* ---- Consent ---- */

static struct ice_pair *path_pair(const struct sq_ice *ice)
{
    return ice->path.old ? &ice->old->pair : ice_pair_at(ice, ice->path.pair);
}

static const struct ice_gen *path_gen(const struct sq_ice *ice)
{
    return ice->path.old ? &ice->old->gen : &ice->gen;
}

static void path_works(struct sq_ice *ice, uint64_t now_ns)
{
    ice->path.answered_ns = now_ns;
    ice->path.silent_ns = 0;
    bool nominated = !ice->path.old && ice->path.pair == ice->nominated;
    ice_fire(ice, nominated ? EV_NOMINATED : EV_VALID);
}

void ice_path_heard(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->cfg.lite) {
        path_works(ice, now_ns);
    }
}

static void consent_send(struct sq_ice *ice, uint64_t now_ns)
{
    uint8_t buf[ICE_MESSAGE_MAX];
    struct ice_pair *p = path_pair(ice);
    struct ice_path *path = &ice->path;
    uint8_t *tid = path->ring[path->ring_at].tid;
    ice_new_tid(ice, tid);
    path->ring[path->ring_at].sent_ns = now_ns;
    path->ring_at = (uint8_t)((path->ring_at + 1) % ICE_CONSENT_RING);
    path->silent_ns = path->silent_ns ? path->silent_ns : now_ns;
    path->next_ns = now_ns + consent_wait(ice);
    p->consent_sent++;
    size_t len = ice_write_check(ice, path_gen(ice), ice_base_at(ice, p->base), tid, false, buf);
    struct sq_addr remote = path->remote;
    ice_send(ice, path->base_id, &remote, buf, len);
}

/* RFC 8445, section 11: for a lite agent, which has no consent checks to do the same. */
static void keepalive_send(struct sq_ice *ice, uint64_t now_ns)
{
    uint8_t buf[64], tid[SQ_STUN_TID_BYTES];
    size_t len;
    ice->path.next_ns = now_ns + ice_ms(ice->cfg.keepalive_ms);
    ice_new_tid(ice, tid);
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_INDICATION, SQ_STUN_BINDING, tid);
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &len) == 0) {
        struct sq_addr remote = ice->path.remote;
        ice_send(ice, ice->path.base_id, &remote, buf, len);
    }
}

bool ice_consent_response(struct sq_ice *ice, uint64_t now_ns, uint8_t base,
                          const struct sq_addr *from, const struct sq_stun_msg *m, int *ret_err)
{
    struct ice_path *path = &ice->path;
    int found = -1;
    for (int i = 0; i < ICE_CONSENT_RING && path->on; i++) {
        if (path->ring[i].sent_ns && memcmp(path->ring[i].tid, m->tid, SQ_STUN_TID_BYTES) == 0) {
            found = i;
        }
    }
    if (found < 0) {
        return false;
    }
    if (path->base_id != ice_base_at(ice, base)->b.id || !sq_addr_equal(from, &path->remote) ||
        sq_stun_check_integrity(m, &path_gen(ice)->remote_key)) {
        *ret_err = SQ_ERR_AUTH;
        return true;
    }
    struct ice_pair *p = path_pair(ice);
    int code;
    p->responses_received++;
    p->current_rtt_ns = now_ns - path->ring[found].sent_ns;
    p->total_rtt_ns += p->current_rtt_ns;
    p->round_trips++;
    path->ring[found].sent_ns = 0;
    if (m->cls == SQ_STUN_ERROR && sq_stun_get_error(m, &code, NULL) == 0 && code == 487 &&
        !ice->remote_lite) {
        ice_set_role(ice, !ice->controlling);
        ice_new_tie_breaker(ice);
    }
    path_works(ice, now_ns);
    *ret_err = 0;
    return true;
}

void sq_ice_ask_consent(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->path.on && !ice->cfg.lite && !ice->path.silent_ns) {
        consent_send(ice, now_ns);
        ice->timeout_ns = sq_min_u64(ice->timeout_ns, ice_path_next(ice));
    }
}

uint64_t sq_ice_unanswered_ns(const struct sq_ice *ice, uint64_t now_ns)
{
    uint64_t since_ns = ice->path.on ? ice->path.silent_ns : 0;
    return since_ns && now_ns > since_ns ? now_ns - since_ns : 0;
}

static uint64_t silent_at(const struct sq_ice *ice)
{
    if (ice->state == SQ_ICE_DISCONNECTED) {
        return SQ_NEVER;
    }
    if (ice->cfg.lite) { /* the peer's next check is due 1.2 periods after its last */
        return ice->path.answered_ns + ice_ms(ice->cfg.consent_ms) / 5 * 6 +
               ice_ms(ice->cfg.disconnected_ms);
    }
    return ice->path.silent_ns ? ice->path.silent_ns + ice_ms(ice->cfg.disconnected_ms) : SQ_NEVER;
}

static void consent_lost(struct sq_ice *ice)
{
    bool others = ice->path.old && ice->started_ns != SQ_NEVER;
    if (ice->path.old) {
        path_off(ice);
        ice_drop_old(ice);
    }
    path_off(ice);
    if (ice->cb->consent_lost) {
        ice->cb->consent_lost(ice->ctx);
    }
    ice_fire(ice, others ? EV_UNPATHED : EV_DEAD);
}

void ice_path_timeout(struct sq_ice *ice, uint64_t now_ns)
{
    if (!ice->path.on) {
        return;
    }
    if (now_ns >= ice->path.answered_ns + ice_ms(ice->cfg.consent_expiry_ms)) {
        consent_lost(ice);
        return;
    }
    if (now_ns >= silent_at(ice)) {
        ice_fire(ice, EV_SILENT);
    }
    if (now_ns >= ice->path.next_ns) {
        (ice->cfg.lite ? keepalive_send : consent_send)(ice, now_ns);
    }
}

uint64_t ice_path_next(const struct sq_ice *ice)
{
    if (!ice->path.on) {
        return SQ_NEVER;
    }
    uint64_t expiry = ice->path.answered_ns + ice_ms(ice->cfg.consent_expiry_ms);
    return sq_min_u64(sq_min_u64(ice->path.next_ns, expiry), silent_at(ice));
}

/* Connectivity checks: which pair is next, sending, answers, nomination (RFC 8445,
 * sections 6.1.4, 7.2 and 8.1.1). */
#include "peer/ice/ice_int.h"

#include <string.h>

#define STREAM_TI_NS (39500 * SQ_NS_PER_MS)

void ice_new_tid(struct sq_ice *ice, uint8_t tid[SQ_STUN_TID_BYTES])
{
    /* From the run's generator, so that a run repeats. What an answer may change hangs on its
     * integrity, not on this being hard to guess. */
    sq_store_u64(tid, sq_rand_u64(ice->cfg.rand));
    sq_store_u32(tid + 8, sq_rand_u32(ice->cfg.rand));
}

size_t ice_write_check(const struct sq_ice *ice, const struct ice_gen *gen,
                       const struct ice_bind *base, const uint8_t *tid, bool use_candidate,
                       uint8_t buf[static ICE_MESSAGE_MAX])
{
    char user[2 * SQ_ICE_CRED_MAX + 2];
    size_t r = strlen(gen->remote_ufrag);
    size_t l = strlen(gen->local_ufrag);
    memcpy(user, gen->remote_ufrag, r); /* section 7.2.2: RFRAG:LFRAG */
    user[r] = ':';
    memcpy(user + r + 1, gen->local_ufrag, l);
    struct sq_stun_writer w =
        sq_stun_begin(buf, ICE_MESSAGE_MAX, SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    sq_stun_put(&w, SQ_STUN_USERNAME, user, r + 1 + l);
    sq_stun_put_u32(&w, SQ_STUN_PRIORITY, ice_base_priority(&base->b, SQ_ICE_PRFLX));
    sq_stun_put_u64(&w, ice->controlling ? SQ_STUN_ICE_CONTROLLING : SQ_STUN_ICE_CONTROLLED,
                    ice->tie_breaker);
    if (use_candidate) {
        sq_stun_put(&w, SQ_STUN_USE_CANDIDATE, NULL, 0);
    }
    sq_stun_put_integrity(&w, &gen->remote_key);
    sq_stun_put_fingerprint(&w);
    size_t len;
    return sq_stun_end(&w, &len) == 0 ? len : 0;
}

/* ---- Which pair is next ---- */

void ice_trigger(struct sq_ice *ice, struct ice_pair *p)
{
    if (!(p->flags & PAIR_TRIGGERED)) {
        p->flags |= PAIR_TRIGGERED;
        p->queue_no = ice->queue_no++;
    }
}

static bool foundation_is_busy(const struct sq_ice *ice, const struct ice_pair *p)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        const struct ice_pair *q = ice_pair_at(ice, i);
        if (q != p && q->state == SQ_ICE_PAIR_IN_PROGRESS && ice_same_foundation(ice, p, q)) {
            return true;
        }
    }
    return false;
}

/* Section 6.1.4.2: the triggered one that waits longest; then the waiting one of the highest
 * priority; then a frozen one whose foundation is not under way. */
static struct ice_pair *next_pair(const struct sq_ice *ice)
{
    struct ice_pair *triggered = NULL, *waiting = NULL, *frozen = NULL;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        if (p->flags & PAIR_TRIGGERED) {
            bool first = !triggered || (int32_t)(p->queue_no - triggered->queue_no) < 0;
            triggered = first ? p : triggered;
        } else if (p->state == SQ_ICE_PAIR_WAITING) {
            waiting = !waiting || p->priority > waiting->priority ? p : waiting;
        }
    }
    if (triggered || ice->nominated != ICE_NONE) {
        return triggered; /* section 8.1.2: no ordinary checks once a pair is nominated */
    }
    if (waiting) {
        return waiting;
    }
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        if (p->state == SQ_ICE_PAIR_FROZEN && (!frozen || p->priority > frozen->priority) &&
            !foundation_is_busy(ice, p)) {
            frozen = p;
        }
    }
    return frozen;
}

static bool may_check(const struct sq_ice *ice)
{
    return !ice->cfg.lite && ice->gen.remote_pwd && ice->state != SQ_ICE_FAILED &&
           ice->state != SQ_ICE_CLOSED;
}

bool ice_check_waits(const struct sq_ice *ice)
{
    return may_check(ice) && next_pair(ice);
}

bool ice_check_nominates(const struct sq_ice *ice)
{
    const struct ice_pair *p = ice->controlling && may_check(ice) ? next_pair(ice) : NULL;
    return p && (p->flags & PAIR_NOMINATE) && (p->flags & PAIR_VALID);
}

/* ---- Sending ---- */

/* A stream loses nothing: one send, and Ti until it has failed (RFC 8489, section 6.2.2). */
static uint32_t sends_max(const struct sq_ice *ice, const struct ice_pair *p)
{
    return ice_base_at(ice, p->base)->b.transport == SQ_ICE_UDP ? ice->cfg.rc : 1;
}

static void set_due(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p)
{
    if (ice_base_at(ice, p->base)->b.transport != SQ_ICE_UDP) {
        p->due_ns = now_ns + STREAM_TI_NS;
        return;
    }
    uint64_t wait_ms = p->sends < ice->cfg.rc ? (uint64_t)p->rto_ms << (p->sends - 1)
                                              : (uint64_t)p->rto_ms * ice->cfg.rm;
    p->due_ns = now_ns + wait_ms * SQ_NS_PER_MS;
}

static void send_check(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p)
{
    uint8_t buf[ICE_MESSAGE_MAX];
    const struct ice_bind *base = ice_base_at(ice, p->base);
    size_t len = ice_write_check(ice, &ice->gen, base, p->tid, (p->flags & PAIR_TX_USE) != 0, buf);
    p->sends += p->sends < UINT8_MAX;
    p->sent_ns = now_ns;
    set_due(ice, now_ns, p);
    ice_send(ice, base->b.id, ice_pair_remote(ice, p), buf, len);
}

/* Section 14.3. */
static uint32_t check_rto_ms(const struct sq_ice *ice)
{
    uint32_t active = 0;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        uint8_t state = ice_pair_at(ice, i)->state;
        active += state == SQ_ICE_PAIR_WAITING || state == SQ_ICE_PAIR_IN_PROGRESS;
    }
    uint32_t paced = ice->cfg.ta_ms * active;
    return paced > ice->cfg.rto_ms ? paced : ice->cfg.rto_ms;
}

void ice_check_start(struct sq_ice *ice, uint64_t now_ns)
{
    struct ice_pair *p = next_pair(ice);
    if (!p) {
        return;
    }
    bool use = ice->controlling && (p->flags & PAIR_NOMINATE);
    unsigned wanted =
        PAIR_TX | (use ? PAIR_TX_USE : 0u) | (ice->controlling ? PAIR_TX_CONTROL : 0u);
    unsigned mask = PAIR_TX | PAIR_TX_USE | PAIR_TX_CONTROL;
    bool again = p->state == SQ_ICE_PAIR_IN_PROGRESS && (p->flags & mask) == wanted;
    /* A triggered check of a pair under way: the same request at once and with a fresh schedule
     * serves as well as a new one (section 7.3.1.4), and an answer to either counts. */
    if (!again) {
        ice_new_tid(ice, p->tid);
        p->flags = (uint16_t)((p->flags & ~mask) | wanted);
        p->requests_sent++;
    }
    p->flags &= (uint16_t) ~(PAIR_TRIGGERED | PAIR_TX_AGAIN);
    p->flags |= again ? PAIR_TX_AGAIN : 0;
    p->state = SQ_ICE_PAIR_IN_PROGRESS;
    p->sends = 0;
    p->rto_ms = check_rto_ms(ice);
    send_check(ice, now_ns, p);
}

static void fail_pair(struct sq_ice *ice, struct ice_pair *p)
{
    p->state = SQ_ICE_PAIR_FAILED;
    p->due_ns = SQ_NEVER;
    p->flags &= (uint16_t)(PAIR_HEARD | PAIR_USE_LAST);
    if (ice->nominated == ice_pair_index(ice, p)) {
        ice->nominated = ICE_NONE;
    }
}

void ice_checks_timeout(struct sq_ice *ice, uint64_t now_ns)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        if (p->state != SQ_ICE_PAIR_IN_PROGRESS || p->due_ns > now_ns) {
            continue;
        }
        bool patient = ice->cfg.patient && ice->valid_ns == SQ_NEVER;
        if (p->sends >= sends_max(ice, p) && !patient) {
            fail_pair(ice, p);
        } else {
            send_check(ice, now_ns, p);
        }
    }
}

uint64_t ice_checks_next(const struct sq_ice *ice)
{
    uint64_t next = SQ_NEVER;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        const struct ice_pair *p = ice_pair_at(ice, i);
        if (p->state == SQ_ICE_PAIR_IN_PROGRESS) {
            next = sq_min_u64(next, p->due_ns);
        }
    }
    return next;
}

bool ice_anything_open(const struct sq_ice *ice)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        uint8_t state = ice_pair_at(ice, i)->state;
        if (state != SQ_ICE_PAIR_SUCCEEDED && state != SQ_ICE_PAIR_FAILED) {
            return true;
        }
    }
    return false;
}

/* ---- Nomination by us ---- */

/* Section 8.1.2: the others are not sent again, but their answers still count. */
void ice_quiet_others(struct sq_ice *ice)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        bool wanted = i == ice->nominated || (!ice->controlling && (p->flags & PAIR_NOMINATE));
        if (!wanted) {
            p->flags &= (uint16_t)~PAIR_TRIGGERED;
            p->due_ns = SQ_NEVER;
        }
    }
}

static struct ice_pair *best_valid(const struct sq_ice *ice)
{
    struct ice_pair *best = NULL;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        if ((p->flags & PAIR_VALID) && (!best || p->priority > best->priority)) {
            best = p;
        }
    }
    return best;
}

/* Whether a pair of higher priority may still come true. */
static bool better_may_come(const struct sq_ice *ice, const struct ice_pair *best)
{
    bool hosts = ice_local_at(ice, best->local)->c.type == SQ_ICE_HOST &&
                 ice_remote_at(ice, best->remote)->type == SQ_ICE_HOST;
    if (!hosts && !(ice->remote_done && ice->gathered)) {
        return true;
    }
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        const struct ice_pair *p = ice_pair_at(ice, i);
        if (p->priority > best->priority && p->state != SQ_ICE_PAIR_SUCCEEDED &&
            p->state != SQ_ICE_PAIR_FAILED) {
            return true;
        }
    }
    return false;
}

/* Whether it is ours to nominate, and not yet under way. */
static bool must_nominate(const struct sq_ice *ice)
{
    if (!ice->controlling || !may_check(ice) || ice->nominated != ICE_NONE ||
        ice->valid_ns == SQ_NEVER) {
        return false;
    }
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        if (ice_pair_at(ice, i)->flags & PAIR_NOMINATE) {
            return false;
        }
    }
    return true;
}

void ice_nominate(struct sq_ice *ice, uint64_t now_ns)
{
    if (!must_nominate(ice)) {
        return;
    }
    struct ice_pair *best = best_valid(ice);
    if (!best) {
        ice->valid_ns = SQ_NEVER; /* the one there was failed when it was nominated */
    } else if (now_ns >= ice->valid_ns + ice_ms(ice->cfg.nomination_wait_ms) ||
               !better_may_come(ice, best)) {
        best->flags |= PAIR_NOMINATE;
        ice_trigger(ice, best);
    }
}

uint64_t ice_nominate_next(const struct sq_ice *ice)
{
    return must_nominate(ice) ? ice->valid_ns + ice_ms(ice->cfg.nomination_wait_ms) : SQ_NEVER;
}

/* ---- Answers ---- */

void ice_make_valid(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p)
{
    p->state = SQ_ICE_PAIR_SUCCEEDED;
    p->due_ns = SQ_NEVER;
    p->flags |= PAIR_VALID;
    ice->valid_ns = sq_min_u64(ice->valid_ns, now_ns);
    for (uint16_t i = 0; i < ice->pairs.n; i++) { /* section 7.2.5.3.3 */
        struct ice_pair *q = ice_pair_at(ice, i);
        if (q->state == SQ_ICE_PAIR_FROZEN && ice_same_foundation(ice, p, q)) {
            q->state = SQ_ICE_PAIR_WAITING;
        }
    }
}

static void check_succeeded(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p,
                            const struct sq_addr *mapped)
{
    p->responses_received++;
    /* An answer after a repeat cannot be told from a late one (Karn). */
    if (p->sends == 1 && !(p->flags & PAIR_TX_AGAIN)) {
        p->current_rtt_ns = now_ns - p->sent_ns;
        p->total_rtt_ns += p->current_rtt_ns;
        p->round_trips++;
    }
    bool use = (p->flags & PAIR_TX_USE) != 0;
    p->flags &= (uint16_t) ~(PAIR_TX | PAIR_TX_USE | PAIR_TX_CONTROL | PAIR_TRIGGERED);
    /* Section 7.2.5.3.1: an address that is not ours yet is a peer-reflexive candidate. */
    uint16_t local = ice_find_local(ice, p->base, mapped);
    if (local == ICE_NONE) {
        local = ice_add_local(ice, p->base, SQ_ICE_PRFLX, mapped, NULL);
    }
    p->local = local == ICE_NONE ? p->local : local;
    ice_make_valid(ice, now_ns, p);
    if (ice->controlling && use) {
        p->flags = (uint16_t)((p->flags & ~PAIR_NOMINATE) | PAIR_NOMINATED);
        ice->nominated = ice_pair_index(ice, p);
        ice_quiet_others(ice);
    } else if (!ice->controlling && (p->flags & PAIR_NOMINATE)) {
        ice_nominated_by_peer(ice, now_ns, p);
    }
}

/* Section 7.2.5.1. */
static void role_conflict(struct sq_ice *ice, struct ice_pair *p)
{
    bool said_controlling = (p->flags & PAIR_TX_CONTROL) != 0;
    if (ice->remote_lite) {
        fail_pair(ice, p); /* a lite side is controlled, whatever it says */
        return;
    }
    if (ice->controlling == said_controlling) {
        ice_set_role(ice, !said_controlling);
    }
    ice_new_tie_breaker(ice);
    p->flags &= (uint16_t) ~(PAIR_TX | PAIR_TX_USE | PAIR_TX_CONTROL);
    p->state = SQ_ICE_PAIR_WAITING;
    p->due_ns = SQ_NEVER;
    ice_trigger(ice, p);
}

static struct ice_pair *find_transaction(const struct sq_ice *ice, const uint8_t *tid)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        if ((p->flags & PAIR_TX) && memcmp(p->tid, tid, SQ_STUN_TID_BYTES) == 0) {
            return p;
        }
    }
    return NULL;
}

static int pair_response(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p, uint8_t base,
                         const struct sq_addr *from, const struct sq_stun_msg *m)
{
    static const uint16_t known[] = {SQ_STUN_MAPPED_ADDRESS, SQ_STUN_USERNAME, SQ_STUN_ERROR_CODE,
                                     SQ_STUN_UNKNOWN_ATTRIBUTES, SQ_STUN_XOR_MAPPED_ADDRESS};
    uint16_t unknown;
    struct sq_addr mapped;
    int code;
    if (!ice->gen.remote_pwd || sq_stun_check_integrity(m, &ice->gen.remote_key)) {
        return SQ_ERR_AUTH; /* as if it had never come: RFC 8489, section 9.1.4 */
    }
    if (p->base != base || !sq_addr_equal(from, ice_pair_remote(ice, p))) {
        fail_pair(ice, p); /* section 7.2.5.2.1 */
    } else if (m->cls == SQ_STUN_ERROR) {
        int unread = sq_stun_get_error(m, &code, NULL);
        if (!unread && code == 487) {
            role_conflict(ice, p);
        } else {
            fail_pair(ice, p); /* section 7.2.5.2.4 */
        }
        if (!unread && code == ICE_STRANGER && ice->cfg.one_remote) {
            ice->refused = true;
            ice_fire(ice, EV_DEAD);
        }
    } else if (sq_stun_unknown(m, known, sizeof(known) / sizeof(*known), &unknown, 1) > 0 ||
               sq_stun_get_xor_addr(m, SQ_STUN_XOR_MAPPED_ADDRESS, &mapped)) {
        fail_pair(ice, p);
    } else {
        check_succeeded(ice, now_ns, p, &mapped);
    }
    return 0;
}

int ice_response(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                 const struct sq_stun_msg *m)
{
    int err = SQ_ERR_NOTFOUND;
    if (sq_stun_check_fingerprint(m) == SQ_ERR_FORMAT) {
        return SQ_ERR_FORMAT;
    }
    if (ice_consent_response(ice, now_ns, base, from, m, &err)) {
        return err;
    }
    struct ice_pair *p = find_transaction(ice, m->tid);
    if (p) {
        return pair_response(ice, now_ns, p, base, from, m);
    }
    struct ice_query *q = ice_find_query(ice, m->tid);
    return q ? ice_query_response(ice, now_ns, q, from, base, m) : SQ_ERR_NOTFOUND;
}

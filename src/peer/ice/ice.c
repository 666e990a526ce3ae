/* The ICE agent: its life, states, credentials and time. */
#include "peer/ice/ice_int.h"

#include "base/mem.h"
#include <string.h>

#define UFRAG_LEAST 4 /* RFC 8839, section 5.4 */
#define PWD_LEAST   22

void sq_ice_config_init(struct sq_ice_config *config, struct sq_rand *rand)
{
    *config = (struct sq_ice_config){
        .rand = rand,
        .ta_ms = 50,
        .nominate_ta_ms = 5,
        .rto_ms = 500,
        .rc = 7,
        .rm = 16,
        .max_pairs = SQ_ICE_PAIRS_MAX,
        .gather_timeout_ms = 5000,
        .nomination_wait_ms = 200,
        .pac_ms = 39500,
        .consent_ms = 5000,
        .consent_expiry_ms = 30000,
        .disconnected_ms = 7000,
        .keepalive_ms = 15000,
        .restart_grace_ms = 5000,
    };
}

/* ---- Credentials ---- */

static bool cred_fits(const char *text, size_t least)
{
    size_t len = strnlen(text, SQ_ICE_CRED_MAX + 1);
    if (len < least || len > SQ_ICE_CRED_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '!' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

void ice_gen_clear(struct ice_gen *gen)
{
    sq_free(gen->local_ufrag);
    sq_free(gen->local_pwd);
    sq_free(gen->remote_ufrag);
    sq_free(gen->remote_pwd);
    memset(gen, 0, sizeof(*gen));
}

/* Local credentials, given or made up. */
static int gen_init(struct sq_ice *ice, const char *ufrag, const char *pwd, struct ice_gen *ret_gen)
{
    char own_ufrag[SQ_ICE_UFRAG_CHARS + 1], own_pwd[SQ_ICE_PWD_CHARS + 1];
    struct ice_gen gen;
    memset(&gen, 0, sizeof(gen));
    if (!ufrag) {
        sq_rand_ice_chars(ice->cfg.rand, own_ufrag, SQ_ICE_UFRAG_CHARS);
        ufrag = own_ufrag;
    }
    if (!pwd) {
        struct sq_rand secret; /* the password must not follow from the run's seed */
        sq_rand_secret(&secret, sizeof(secret));
        sq_rand_ice_chars(&secret, own_pwd, SQ_ICE_PWD_CHARS);
        pwd = own_pwd;
    }
    if (!cred_fits(ufrag, UFRAG_LEAST) || !cred_fits(pwd, PWD_LEAST) || strchr(ufrag, ':')) {
        return SQ_ERR_INVALID;
    }
    gen.local_ufrag = sq_strdup(ufrag);
    gen.local_pwd = sq_strdup(pwd);
    if (!gen.local_ufrag || !gen.local_pwd) {
        ice_gen_clear(&gen);
        return SQ_ERR_NOMEM;
    }
    sq_stun_key_init(&gen.local_key, pwd, strlen(pwd));
    *ret_gen = gen;
    return 0;
}

const char *sq_ice_ufrag(const struct sq_ice *ice)
{
    return ice->gen.local_ufrag;
}

const char *sq_ice_pwd(const struct sq_ice *ice)
{
    return ice->gen.local_pwd;
}

/* ---- States ---- */

const char *sq_ice_state_name(enum sq_ice_state state)
{
    static const char *const names[SQ_ICE_STATES] = {
        "new", "checking", "connected", "completed", "disconnected", "failed", "closed"};
    return (size_t)state < SQ_ICE_STATES ? names[state] : "?";
}

/* What each event makes of each state. START in FAILED: the answer to a restart comes after consent
 * was lost on the pair that it had kept. */
static const uint8_t next_state[SQ_ICE_STATES][EV_COUNT] = {
#define NEW    SQ_ICE_NEW
#define CHECK  SQ_ICE_CHECKING
#define CONN   SQ_ICE_CONNECTED
#define COMPL  SQ_ICE_COMPLETED
#define DISC   SQ_ICE_DISCONNECTED
#define FAILED SQ_ICE_FAILED
#define CLOSED SQ_ICE_CLOSED
    /* clang-format off */
    /*            START   VALID   NOMIN.  SILENT  UNPATH. DEAD    RESTART CLOSE */
    [NEW]    = {  CHECK,  CONN,   COMPL,  NEW,    NEW,    FAILED, NEW,    CLOSED },
    [CHECK]  = {  CHECK,  CONN,   COMPL,  CHECK,  CHECK,  FAILED, NEW,    CLOSED },
    [CONN]   = {  CONN,   CONN,   COMPL,  DISC,   CHECK,  FAILED, CONN,   CLOSED },
    [COMPL]  = {  COMPL,  COMPL,  COMPL,  DISC,   CHECK,  FAILED, CONN,   CLOSED },
    [DISC]   = {  DISC,   CONN,   COMPL,  DISC,   CHECK,  FAILED, DISC,   CLOSED },
    [FAILED] = {  CHECK,  FAILED, FAILED, FAILED, FAILED, FAILED, NEW,    CLOSED },
    [CLOSED] = {  CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED },
/* clang-format on */
#undef NEW
#undef CHECK
#undef CONN
#undef COMPL
#undef DISC
#undef FAILED
#undef CLOSED
};

void ice_fire(struct sq_ice *ice, enum ice_event event)
{
    enum sq_ice_state next = (enum sq_ice_state)next_state[ice->state][event];
    if (next == ice->state) {
        return;
    }
    ice->state = next;
    if (ice->cb->state) {
        ice->cb->state(ice->ctx, next);
    }
}

enum sq_ice_state sq_ice_get_state(const struct sq_ice *ice)
{
    return ice->state;
}

bool sq_ice_refused(const struct sq_ice *ice)
{
    return ice->refused;
}

bool sq_ice_controlling(const struct sq_ice *ice)
{
    return ice->controlling;
}

void ice_new_tie_breaker(struct sq_ice *ice)
{
    ice->tie_breaker = sq_rand_u64(ice->cfg.rand);
}

void ice_set_role(struct sq_ice *ice, bool controlling)
{
    if (ice->controlling == controlling || (controlling && ice->cfg.lite)) {
        return;
    }
    ice->controlling = controlling;
    ice_set_priorities(ice);
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        ice_pair_at(ice, i)->flags &= (uint16_t)~PAIR_NOMINATE; /* it means another thing now */
    }
}

int sq_ice_set_controlling(struct sq_ice *ice, bool controlling)
{
    if (ice->started_ns != SQ_NEVER) {
        return controlling == ice->controlling ? 0 : SQ_ERR_STATE;
    }
    ice_set_role(ice, controlling);
    return 0;
}

/* ---- Life ---- */

static bool config_is_sound(const struct sq_ice_config *c, const struct sq_ice_callbacks *cb)
{
    return c->rand && cb && cb->send && c->ta_ms >= 1 && c->ta_ms <= 10000 && c->rto_ms >= 1 &&
           c->rto_ms <= 60000 && c->rc >= 1 && c->rc <= 16 && c->rm >= 1 && c->rm <= 64 &&
           c->max_pairs >= 1 && c->max_pairs <= SQ_ICE_PAIRS_MAX && c->consent_ms >= 1 &&
           c->keepalive_ms >= 1;
}

static void reset_generation(struct sq_ice *ice)
{
    ice->locals.n = 0;
    ice->remotes.n = 0;
    ice->pairs.n = 0;
    ice->queries.n = 0;
    ice->held.n = 0;
    for (uint16_t i = 0; i < ice->bases.n; i++) {
        ice_base_at(ice, i)->local = ICE_NONE;
    }
    ice->nominated = ICE_NONE;
    ice->remote_done = false;
    ice->remote_lite = false;
    ice->gathering = false;
    ice->gather_late = false;
    ice->gathered = false;
    ice->unresolved = 0;
    ice->started_ns = SQ_NEVER;
    ice->valid_ns = SQ_NEVER;
    ice->gather_end_ns = SQ_NEVER;
    ice->fresh_ns = 0;
}

int sq_ice_create(const struct sq_ice_config *config, const struct sq_ice_callbacks *callbacks,
                  void *ctx, struct sq_ice **ret_ice)
{
    if (!config_is_sound(config, callbacks)) {
        return SQ_ERR_INVALID;
    }
    struct sq_ice *ice = sq_zalloc(sizeof(*ice));
    if (!ice) {
        return SQ_ERR_NOMEM;
    }
    ice->cfg = *config;
    ice->cfg.ufrag = NULL;
    ice->cfg.pwd = NULL;
    ice->cb = callbacks;
    ice->ctx = ctx;
    ice->controlling = config->controlling && !config->lite;
    ice->timeout_ns = SQ_NEVER;
    reset_generation(ice);
    ice_new_tie_breaker(ice);
    int err = gen_init(ice, config->ufrag, config->pwd, &ice->gen);
    if (err) {
        sq_free(ice);
        return err;
    }
    *ret_ice = ice;
    return 0;
}

void ice_drop_old(struct sq_ice *ice)
{
    if (ice->old) {
        ice_gen_clear(&ice->old->gen);
        sq_free(ice->old);
        ice->old = NULL;
    }
}

void sq_ice_close(struct sq_ice *ice)
{
    memset(&ice->path, 0, sizeof(ice->path));
    ice_drop_old(ice);
    ice->timeout_ns = SQ_NEVER;
    ice_fire(ice, EV_CLOSE);
}

void sq_ice_destroy(struct sq_ice *ice)
{
    if (!ice) {
        return;
    }
    ice_drop_old(ice);
    ice_gen_clear(&ice->gen);
    ice_array_free(&ice->bases);
    ice_array_free(&ice->servers);
    ice_array_free(&ice->locals);
    ice_array_free(&ice->remotes);
    ice_array_free(&ice->pairs);
    ice_array_free(&ice->queries);
    ice_array_free(&ice->held);
    sq_free(ice);
}

/* What the restart keeps: the credentials, and the pair in use. An older generation whose pair is
 * in use stays instead of the present one, which never got so far. */
static int keep_generation(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->old && ice->path.on && ice->path.old) {
        ice_gen_clear(&ice->gen);
        return 0;
    }
    struct ice_old *old = sq_zalloc(sizeof(*old));
    if (!old) {
        return SQ_ERR_NOMEM;
    }
    ice_drop_old(ice);
    old->gen = ice->gen;
    old->until_ns = now_ns + ice_ms(ice->cfg.restart_grace_ms);
    if (ice->path.on) {
        old->until_ns = SQ_NEVER;
        old->has_pair = true;
        old->pair = *ice_pair_at(ice, ice->path.pair);
        old->local = ice_local_at(ice, old->pair.local)->c;
        old->remote = *ice_remote_at(ice, old->pair.remote);
        ice->path.old = true;
    }
    ice->old = old;
    return 0;
}

int sq_ice_restart(struct sq_ice *ice, uint64_t now_ns, const char *ufrag, const char *pwd)
{
    struct ice_gen gen;
    if (ice->state == SQ_ICE_CLOSED) {
        return SQ_ERR_STATE;
    }
    int err = gen_init(ice, ufrag, pwd, &gen);
    if (err) {
        return err;
    }
    err = keep_generation(ice, now_ns);
    if (err) {
        ice_gen_clear(&gen);
        return err;
    }
    ice->gen = gen;
    reset_generation(ice);
    ice_fire(ice, EV_RESTART);
    ice_conclude(ice, now_ns);
    return 0;
}

/* ---- Time ---- */

/* When the agent has failed if nothing more happens; SQ_NEVER when that is not known yet. */
static uint64_t failure_next(const struct sq_ice *ice)
{
    if (ice->state != SQ_ICE_CHECKING || ice->started_ns == SQ_NEVER) {
        return SQ_NEVER;
    }
    uint64_t limit =
        ice->cfg.check_timeout_ms ? ice->started_ns + ice_ms(ice->cfg.check_timeout_ms) : SQ_NEVER;
    if (!ice->cfg.lite && ice_anything_open(ice)) {
        return limit;
    }
    /* RFC 8863: not before the time in which the peer's own checks could come in. A peer that never
     * says end-of-candidates gets the same time after its last one. */
    uint64_t pac = ice_ms(ice->cfg.pac_ms);
    uint64_t patient = ice->started_ns + pac;
    if (!(ice->remote_done && ice->gathered)) {
        patient = sq_max_u64(patient, ice->fresh_ns + pac);
    }
    return sq_min_u64(limit, patient);
}

/* When the next new transaction may begin. RFC 8445, section 14.2: one every Ta, lest many checks
 * at once flood a NAT or a thin link. The check that nominates opens nothing and is the last one,
 * so that the least Ta which the RFC allows will do for it: media need not wait. */
static uint64_t pace_next(const struct sq_ice *ice)
{
    if (ice->paced_ns == 0) {
        return 0;
    }
    uint32_t ta_ms = ice->cfg.ta_ms;
    if (ta_ms > ice->cfg.nominate_ta_ms && ice_check_nominates(ice)) {
        ta_ms = ice->cfg.nominate_ta_ms;
    }
    return ice->paced_ns + ice_ms(ta_ms);
}

static void set_timeout(struct sq_ice *ice, uint64_t now_ns)
{
    uint64_t t = ice_queries_next(ice);
    if (ice->old) {
        t = sq_min_u64(t, ice->old->until_ns);
    }
    bool waits = ice_query_waits(ice);
    if (ice->state != SQ_ICE_FAILED) {
        t = sq_min_u64(t, ice_checks_next(ice));
        t = sq_min_u64(t, ice_nominate_next(ice));
        t = sq_min_u64(t, failure_next(ice));
        t = sq_min_u64(t, ice_path_next(ice));
        waits = waits || ice_check_waits(ice);
    }
    /* Whose turn came long ago was not waiting then: it is due now, and not late. */
    ice->timeout_ns = waits ? sq_min_u64(t, sq_max_u64(pace_next(ice), now_ns)) : t;
}

void ice_conclude(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->state == SQ_ICE_CLOSED) {
        ice->timeout_ns = SQ_NEVER;
        return;
    }
    ice_check_gathered(ice, now_ns);
    ice_nominate(ice, now_ns);
    ice_update_path(ice, now_ns);
    if (now_ns >= failure_next(ice)) {
        ice_fire(ice, EV_DEAD);
        ice_update_path(ice, now_ns);
    }
    set_timeout(ice, now_ns);
}

uint64_t sq_ice_next_timeout(const struct sq_ice *ice)
{
    return ice->timeout_ns;
}

void sq_ice_on_timeout(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->state == SQ_ICE_CLOSED || now_ns < ice->timeout_ns) {
        return;
    }
    ice_queries_timeout(ice, now_ns);
    if (ice->state != SQ_ICE_FAILED) {
        ice_checks_timeout(ice, now_ns);
        ice_path_timeout(ice, now_ns);
    }
    if (ice->old && now_ns >= ice->old->until_ns) {
        ice_drop_old(ice);
    }
    if (now_ns >= pace_next(ice)) {
        bool check = ice_check_waits(ice);
        bool query = ice_query_waits(ice);
        if (check && !(query && ice->valid_ns == SQ_NEVER)) {
            ice_check_start(ice, now_ns);
        } else if (query) {
            ice_query_start(ice, now_ns);
        }
        ice->paced_ns = check || query ? now_ns : ice->paced_ns;
    }
    ice_conclude(ice, now_ns);
}

/* ---- Datagrams ---- */

static int indication(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                      const struct sq_stun_msg *m)
{
    return 0; /* a keep-alive: nothing to do */
}

/* By class of the message. */
static int (*const receivers[4])(struct sq_ice *, uint64_t, uint8_t, const struct sq_addr *,
                                 const struct sq_stun_msg *) = {
    [SQ_STUN_REQUEST] = ice_request,
    [SQ_STUN_INDICATION] = indication,
    [SQ_STUN_SUCCESS] = ice_response,
    [SQ_STUN_ERROR] = ice_response,
};

int sq_ice_receive(struct sq_ice *ice, uint64_t now_ns, int base_id, const struct sq_addr *from,
                   const void *buf, size_t len)
{
    struct sq_stun_msg m;
    int base = ice_base_index(ice, base_id);
    if (base < 0) {
        return SQ_ERR_INVALID;
    }
    if (ice->state == SQ_ICE_CLOSED || ice->state == SQ_ICE_FAILED) {
        return SQ_ERR_STATE;
    }
    if (sq_stun_parse(buf, len, &m)) {
        return SQ_ERR_FORMAT;
    }
    if (m.method != SQ_STUN_BINDING) {
        return SQ_ERR_UNSUPPORTED;
    }
    int err = receivers[m.cls](ice, now_ns, (uint8_t)base, from, &m);
    if (!err) {
        ice_conclude(ice, now_ns);
    }
    return err;
}

/* Offers and answers: JSEP's result is put in force in ICE, DTLS and the tracks. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <stdio.h>
#include <string.h>

static int say(char *why, int err, const struct sq_sdp_error *error)
{
    if (why && error->line > 0) {
        snprintf(why, SQ_PEER_TEXT_MAX, "SDP line %u: %.200s", error->line, error->text);
    } else if (why) {
        snprintf(why, SQ_PEER_TEXT_MAX, "%s", error->text[0] ? error->text : sq_err_name(err));
    }
    return err;
}

/* ---- The local description ---- */

struct local_texts {
    char fingerprint[SQ_FINGERPRINT_TEXT_BYTES + 16];
    char lines[SQ_ICE_LOCAL_MAX][SQ_ICE_CANDIDATE_TEXT];
    const char *candidates[SQ_ICE_LOCAL_MAX];
};

static struct sq_jsep_transport describe_transport(const struct sq_peer *peer,
                                                   struct local_texts *texts)
{
    snprintf(texts->fingerprint, sizeof(texts->fingerprint), "%s %s",
             sq_cert_fingerprint_hash(peer->cert), sq_cert_fingerprint(peer->cert));
    size_t n = sq_ice_local_count(peer->ice);
    for (size_t i = 0; i < n; i++) {
        texts->candidates[i] = sq_ice_candidate_format(sq_ice_local(peer->ice, i), texts->lines[i]);
    }
    return (struct sq_jsep_transport){
        .ice_ufrag = sq_ice_ufrag(peer->ice),
        .ice_pwd = sq_ice_pwd(peer->ice),
        .fingerprint = texts->fingerprint,
        .ice_lite = peer->lite,
        .trickle = true,
        .candidates = texts->candidates,
        .n_candidates = n,
        .end_of_candidates = sq_ice_gathering_is_done(peer->ice),
    };
}

/* Host candidates are there at once and stand in the description; later ones are told by event. */
static int gather(struct sq_peer *peer)
{
    if (peer->gather_begun) { /* by an earlier try, which failed further on */
        return 0;
    }
    int err = sq_ice_gather(peer->ice, peer->now_ns);
    peer->gather_begun = err == 0;
    return err;
}

/* A failed peer may come back by this, unless it is DTLS that failed. */
static void try_again(struct sq_peer *peer)
{
    enum sq_dtls_state dtls = sq_dtls_get_state(peer->dtls);
    if (peer->state != SQ_PEER_FAILED || dtls == SQ_DTLS_FAILED || dtls == SQ_DTLS_CLOSED) {
        return;
    }
    peer->state = SQ_PEER_CONNECTING;
    peer->connect_by_ns = peer->now_ns + peer->connect_timeout_ns;
    sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_STATE, .state = peer->state});
}

/* ufrag and pwd: NULL for new ones. */
static int restart(struct sq_peer *peer, const char *ufrag, const char *pwd)
{
    int err = sq_ice_restart(peer->ice, peer->now_ns, ufrag, pwd);
    if (err) {
        return err;
    }
    peer->gather_begun = peer->described = peer->gathered = false;
    peer->candidates_told = 0;
    sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_ICE_RESTART});
    try_again(peer);
    return gather(peer);
}

/* The answer brought new credentials although the offer had none: the other side restarts alone
 * (it is a new process, say). Ours stay as they are, and have been told. */
static int follow_restart(struct sq_peer *peer)
{
    char ufrag[SQ_ICE_CRED_MAX + 1];
    char pwd[SQ_ICE_CRED_MAX + 1];
    snprintf(ufrag, sizeof(ufrag), "%s", sq_ice_ufrag(peer->ice));
    snprintf(pwd, sizeof(pwd), "%s", sq_ice_pwd(peer->ice));
    int err = restart(peer, ufrag, pwd);
    if (!err) {
        peer->described = true;
        peer->candidates_told = (uint32_t)sq_ice_local_count(peer->ice);
    }
    return err;
}

/* From the first description on, for what ICE needs of this side alone; see waits_for_remote in
 * timeouts.c. */
static void start_clock(struct sq_peer *peer)
{
    if (peer->state == SQ_PEER_NEW) {
        peer->state = SQ_PEER_CONNECTING;
        peer->connect_by_ns = peer->now_ns + peer->connect_timeout_ns;
        sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_STATE, .state = peer->state});
    }
}

/* Both descriptions are there: ICE and DTLS have their time from now on. How long the other side
 * took to answer is signalling's matter, and not theirs. */
static void restart_clock(struct sq_peer *peer)
{
    if (peer->state == SQ_PEER_CONNECTING && !peer->clock_from_offer) {
        peer->connect_by_ns = peer->now_ns + peer->connect_timeout_ns;
    }
}

/* RFC 8445, section 6.1.1: who offers first controls; after a rollback that may be the other one.
 */
static int take_role(struct sq_peer *peer, bool offering)
{
    return peer->lite || peer->remote_applied ? 0 : sq_ice_set_controlling(peer->ice, offering);
}

/* ---- Results ---- */

static int apply_fingerprints(struct sq_peer *peer, const struct sq_jsep_remote *remote)
{
    char texts[SQ_JSEP_FINGERPRINTS_MAX][SQ_FINGERPRINT_TEXT_BYTES];
    struct sq_dtls_fingerprint prints[SQ_JSEP_FINGERPRINTS_MAX];
    for (size_t i = 0; i < remote->n_fingerprints; i++) {
        const struct sq_sdp_fingerprint *f = &remote->fingerprints[i];
        sq_fingerprint_format(f->bytes, f->len_bytes, texts[i]);
        prints[i] = (struct sq_dtls_fingerprint){f->hash, texts[i]};
    }
    return sq_dtls_set_remote(peer->dtls, prints, remote->n_fingerprints);
}

/* The remote transport takes effect once an exchange is complete. */
static int apply_transport(struct sq_peer *peer, const struct sq_jsep_result *result)
{
    const struct sq_jsep_remote *remote = sq_jsep_remote(peer->jsep);
    if (!result->negotiated || !remote) {
        return 0;
    }
    int err = 0;
    if (peer->remote_applied && result->dtls_restart) {
        err = sq_peer_make_dtls(peer);
    }
    if (!err && !peer->dtls_started) {
        err = apply_fingerprints(peer, remote);
    }
    if (!err) {
        err = sq_ice_set_remote(peer->ice, peer->now_ns, remote->ice_ufrag, remote->ice_pwd,
                                remote->ice_lite);
    }
    if (err) {
        return err;
    }
    if (!peer->remote_applied) {
        peer->remote_applied = true;
        peer->times.negotiated = peer->now_ns;
        restart_clock(peer);
    }
    peer->ice_changed = true;
    sq_peer_after_ice(peer);
    return 0;
}

static int apply_candidates(struct sq_peer *peer, const struct sq_jsep_result *result)
{
    for (size_t i = 0; i < result->n_candidates; i++) {
        /* One that is of no use to us (a host name, TCP, garbage) does not spoil the others. */
        int err = sq_peer_take_candidate(peer, sq_view_of(result->candidates[i].text));
        if (err == SQ_ERR_NOMEM) {
            return err;
        }
    }
    if (result->end_of_candidates) {
        sq_ice_remote_done(peer->ice, peer->now_ns);
    }
    return 0;
}

static int apply_negotiated(struct sq_peer *peer, const struct sq_jsep_result *result)
{
    int err = sq_peer_sync_tracks(peer);
    if (!err && result->negotiated) {
        err = sq_peer_apply_tracks(peer);
    }
    if (!err && result->negotiated) {
        err = sq_data_negotiated(peer);
    }
    if (!err) {
        err = apply_transport(peer, result);
    }
    if (!err && result->negotiated) {
        sq_peer_start_sources(peer);
    }
    return err;
}

/* ---- Public ---- */

static int create(struct sq_peer *peer, bool offer, char **ret_sdp, char *why)
{
    struct sq_sdp_error error = {0};
    struct sq_jsep_result result = {0};
    char *text = NULL;
    struct local_texts *texts = sq_malloc(sizeof(*texts));
    size_t told = 0;
    int err = texts ? take_role(peer, offer) : SQ_ERR_NOMEM;
    err = err ? err : gather(peer);
    if (!err) {
        struct sq_jsep_transport transport = describe_transport(peer, texts);
        told = transport.n_candidates;
        err = offer ? sq_jsep_create_offer(peer->jsep, &transport, &text, &error)
                    : sq_jsep_create_answer(peer->jsep, &transport, &text, &error);
    }
    if (!err) {
        err =
            sq_jsep_set_local(peer->jsep, offer ? SQ_JSEP_OFFER : SQ_JSEP_ANSWER, &result, &error);
    }
    if (!err) {
        peer->described = true;
        peer->candidates_told = (uint32_t)told;
        start_clock(peer);
        err = apply_negotiated(peer, &result);
        sq_jsep_result_free(&result);
    }
    sq_free(texts);
    if (err) {
        sq_free(text);
        return say(why, err, &error);
    }
    *ret_sdp = text;
    peer->ice_changed = true;
    sq_peer_after_ice(peer);
    sq_peer_rearm(peer);
    return 0;
}

/* The owner's clock, unless a datagram's was ahead of it. */
static void enter(struct sq_peer *peer, uint64_t now_ns)
{
    peer->now_ns = peer->clock_ns = sq_max_u64(now_ns, peer->clock_ns);
}

int sq_peer_create_offer(struct sq_peer *peer, uint64_t now_ns, bool ice_restart, char **ret_sdp,
                         char why[SQ_PEER_TEXT_MAX])
{
    enter(peer, now_ns);
    bool again = ice_restart && peer->state != SQ_PEER_NEW;
    bool stable = sq_jsep_state(peer->jsep) == SQ_JSEP_STABLE;
    int err = peer->state == SQ_PEER_CLOSED || !stable ? SQ_ERR_STATE : 0;
    if (again && !err) {
        struct sq_derived_ice *before = &peer->ice_before;
        snprintf(before->ufrag, sizeof(before->ufrag), "%s", sq_ice_ufrag(peer->ice));
        snprintf(before->pwd, sizeof(before->pwd), "%s", sq_ice_pwd(peer->ice));
        err = restart(peer, NULL, NULL);
    }
    if (err) {
        return say(why, err, &(struct sq_sdp_error){0});
    }
    peer->restarted = again;
    return create(peer, true, ret_sdp, why);
}

int sq_peer_create_answer(struct sq_peer *peer, uint64_t now_ns, char **ret_sdp,
                          char why[SQ_PEER_TEXT_MAX])
{
    enter(peer, now_ns);
    if (peer->state == SQ_PEER_CLOSED) {
        return say(why, SQ_ERR_STATE, &(struct sq_sdp_error){0});
    }
    return create(peer, false, ret_sdp, why);
}

/* No section is left to connect by: without this the peer would wait for candidates. */
static bool all_refused(const struct sq_peer *peer, const struct sq_jsep_result *result)
{
    return result->negotiated && !sq_jsep_remote(peer->jsep) && !peer->remote_applied &&
           (peer->tracks_len > 0 || peer->data);
}

int sq_peer_set_remote(struct sq_peer *peer, uint64_t now_ns, enum sq_sdp_type type,
                       const char *sdp, char why[SQ_PEER_TEXT_MAX])
{
    enter(peer, now_ns);
    if (peer->state == SQ_PEER_CLOSED) {
        return say(why, SQ_ERR_STATE, &(struct sq_sdp_error){0});
    }
    struct sq_sdp_error error = {0};
    struct sq_jsep_result result = {0};
    int err = sq_jsep_set_remote(peer->jsep, type == SQ_SDP_OFFER ? SQ_JSEP_OFFER : SQ_JSEP_ANSWER,
                                 sdp, strlen(sdp), &result, &error);
    if (err) {
        return say(why, err, &error);
    }
    if (result.ice_restart && type == SQ_SDP_OFFER) {
        err = restart(peer, NULL, NULL);
    } else if (result.ice_restart && !peer->restarted) {
        err = follow_restart(peer);
    }
    if (!err && peer->restarted && type != SQ_SDP_OFFER) {
        try_again(peer); /* consent may have been lost while our restart was out */
    }
    peer->restarted = peer->restarted && type == SQ_SDP_OFFER;
    err = err ? err : apply_negotiated(peer, &result);
    err = err ? err : apply_candidates(peer, &result);
    bool refused = !err && all_refused(peer, &result);
    sq_jsep_result_free(&result);
    if (err) {
        return say(why, err, &error);
    }
    if (refused) {
        sq_peer_fail(peer, SQ_PEER_CAUSE_REFUSED,
                     "the other side refused all that was offered: each m= line of its answer has "
                     "port 0");
    }
    sq_peer_after_ice(peer);
    sq_peer_rearm(peer);
    return 0;
}

/* RFC 8829, section 4.1.10.2: the credentials of the offer that is taken back go with it. The other
 * side's checks, which never stopped, find the old ones. */
static int undo_restart(struct sq_peer *peer)
{
    const struct sq_jsep_remote *remote = sq_jsep_remote(peer->jsep);
    int err = restart(peer, peer->ice_before.ufrag, peer->ice_before.pwd);
    peer->described = true;
    peer->candidates_told = (uint32_t)sq_ice_local_count(peer->ice);
    if (!err && remote && peer->remote_applied) {
        err = sq_ice_set_remote(peer->ice, peer->now_ns, remote->ice_ufrag, remote->ice_pwd,
                                remote->ice_lite);
    }
    return err;
}

int sq_peer_rollback(struct sq_peer *peer)
{
    int err = sq_jsep_set_local(peer->jsep, SQ_JSEP_ROLLBACK, NULL, NULL);
    if (!err && peer->restarted) {
        err = undo_restart(peer);
    }
    peer->restarted = false;
    sq_peer_after_ice(peer);
    sq_peer_rearm(peer);
    return err;
}

int sq_peer_add_candidate(struct sq_peer *peer, uint64_t now_ns, const char *candidate)
{
    enter(peer, now_ns);
    int err = sq_peer_take_candidate(peer, sq_view_of(candidate));
    sq_peer_after_ice(peer);
    sq_peer_rearm(peer);
    return err;
}

void sq_peer_local_ice(const struct sq_peer *peer, const char **ret_ufrag, const char **ret_pwd)
{
    *ret_ufrag = sq_ice_ufrag(peer->ice);
    *ret_pwd = sq_ice_pwd(peer->ice);
}

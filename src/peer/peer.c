/* A peer's life: ICE, DTLS and SRTP put together, datagrams in and out, and states. */
#include "peer/peer.h"
#include "peer/derived_ice.h"

#include "base/mem.h"
#include "base/time.h"
#include "peer/peer_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Events ---- */

void sq_peer_emit(struct sq_peer *peer, struct sq_peer_event event)
{
    if (peer->closing || !peer->ops->event) {
        return;
    }
    event.now_ns = peer->now_ns;
    event.text = event.text ? event.text : "";
    event.mid = event.mid ? event.mid : "";
    peer->ops->event(peer->ctx, &event);
}

static void set_state(struct sq_peer *peer, enum sq_peer_state state, enum sq_peer_cause cause,
                      const char *text)
{
    if (peer->state == state || peer->state == SQ_PEER_CLOSED) {
        return;
    }
    peer->state = state;
    sq_peer_emit(peer, (struct sq_peer_event){
                           .type = SQ_PEER_EV_STATE, .state = state, .cause = cause, .text = text});
}

void sq_peer_fail(struct sq_peer *peer, enum sq_peer_cause cause, const char *fmt, ...)
{
    if (peer->state == SQ_PEER_FAILED || peer->state == SQ_PEER_CLOSED) {
        return;
    }
    char text[SQ_PEER_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    peer->has_path = false;
    peer->connect_by_ns = peer->rtcp_at_ns = SQ_NEVER;
    sq_peer_stop_sources(peer);
    set_state(peer, SQ_PEER_FAILED, cause, text);
}

/* ---- Datagrams ---- */

void sq_peer_send_dgrams(struct sq_peer *peer, const struct sq_dgram *dgrams, size_t n)
{
    if (!peer->has_path) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        peer->transport.bytes_sent += dgrams[i].len;
    }
    peer->transport.packets_sent += n;
    peer->ops->send(peer->ctx, peer->path_base, &peer->path_remote, dgrams, n);
}

static void receive_media(struct sq_peer *peer, int base, const struct sq_addr *from, uint8_t *buf,
                          size_t len, bool rtcp)
{
    if (!peer->srtp || !sq_ice_may_receive(peer->ice, base, from)) {
        peer->transport.discarded++;
    } else if (rtcp) {
        sq_peer_on_rtcp(peer, peer->now_ns, buf, len);
    } else {
        sq_rx_push(peer->env, peer, peer->now_ns, buf, len);
    }
}

static void receive_stun(struct sq_peer *peer, int base, const struct sq_addr *from,
                         const uint8_t *buf, size_t len)
{
    int err = sq_ice_receive(peer->ice, peer->now_ns, base, from, buf, len);
    if (err && err != SQ_ERR_NOTFOUND) { /* an answer that came twice or late is no error */
        peer->transport.discarded++;
    }
    sq_peer_after_ice(peer);
}

/* Only from where an authenticated check came: records of a handshake bear no authentication. It
 * may well come before the answer that says who it is from. */
static void receive_dtls(struct sq_peer *peer, int base, const struct sq_addr *from, uint8_t *buf,
                         size_t len)
{
    if (peer->state == SQ_PEER_FAILED || !sq_ice_may_receive(peer->ice, base, from)) {
        peer->transport.discarded++;
        return;
    }
    peer->in_dtls++;
    sq_dtls_receive(peer->dtls, peer->now_ns, buf, len);
    sq_peer_left_dtls(peer);
}

void sq_peer_receive(struct sq_peer *peer, uint64_t now_ns, int base, const struct sq_addr *from,
                     uint8_t *buf, size_t len)
{
    if (peer->state == SQ_PEER_CLOSED) {
        return;
    }
    /* Arrival times come from the kernel and may lie before a time-out that was served since. Media
     * wants them as they are; protocol state wants a clock that never runs backwards. */
    peer->now_ns = now_ns;
    uint64_t clock_ns = sq_max_u64(now_ns, peer->clock_ns);
    peer->transport.packets_received++;
    peer->transport.bytes_received += len;
    switch (sq_packet_kind(buf, len)) {
    case SQ_PACKET_RTP:
        receive_media(peer, base, from, buf, len, false);
        return; /* the batch arms what it needs */
    case SQ_PACKET_RTCP:
        receive_media(peer, base, from, buf, len, true);
        break;
    case SQ_PACKET_STUN:
        peer->now_ns = peer->clock_ns = clock_ns;
        peer->transport.check_packets_received++;
        peer->transport.check_bytes_received += len;
        receive_stun(peer, base, from, buf, len);
        break;
    case SQ_PACKET_DTLS:
        peer->now_ns = peer->clock_ns = clock_ns;
        receive_dtls(peer, base, from, buf, len);
        break;
    default:
        peer->transport.discarded++;
        break;
    }
    sq_peer_rearm(peer);
}

/* ---- ICE ---- */

static void on_ice_send(void *ctx, int base_id, const struct sq_addr *to, const void *buf,
                        size_t len)
{
    struct sq_peer *peer = ctx;
    struct sq_dgram dgram = {buf, len};
    peer->transport.packets_sent++;
    peer->transport.bytes_sent += len;
    peer->transport.check_packets_sent++;
    peer->transport.check_bytes_sent += len;
    peer->ops->send(peer->ctx, base_id, to, &dgram, 1);
}

/* The owner hears of what ICE's call-backs say only once the agent is at rest: it may use the peer
 * in its events, and the agent must not be called from within its own. */
static void on_ice_candidate(void *ctx, const struct sq_ice_candidate *c)
{
    struct sq_peer *peer = ctx;
    (void)c;
    peer->ice_changed = true;
}

static void on_ice_gathered(void *ctx)
{
    struct sq_peer *peer = ctx;
    peer->gathered = peer->ice_changed = true;
}

static void on_ice_state(void *ctx, enum sq_ice_state state)
{
    struct sq_peer *peer = ctx;
    peer->ice_state = state;
    peer->ice_changed = true;
}

static void on_ice_pair(void *ctx, int base_id, const struct sq_addr *remote)
{
    struct sq_peer *peer = ctx;
    (void)base_id;
    (void)remote;
    peer->ice_changed = true;
}

static const struct sq_ice_callbacks ice_callbacks = {
    .send = on_ice_send,
    .local_candidate = on_ice_candidate,
    .gathering_done = on_ice_gathered,
    .state = on_ice_state,
    .selected_pair = on_ice_pair,
};

static void tell_candidates(struct sq_peer *peer)
{
    if (!peer->described) {
        return; /* those stand in the description that is to come */
    }
    const struct sq_jsep_transceiver *first = sq_jsep_first(peer->jsep);
    while (first && first->mline < 0) {
        first = first->next;
    }
    /* Nothing is signalled behind end-of-candidates (RFC 8838, section 13). The other side learns
     * of such a one by its checks. */
    bool over = sq_ice_gathering_is_done(peer->ice) && !peer->gathered;
    while (peer->candidates_told < sq_ice_local_count(peer->ice)) {
        const struct sq_ice_candidate *c = sq_ice_local(peer->ice, peer->candidates_told++);
        char text[SQ_ICE_CANDIDATE_TEXT];
        if (!over && c->type != SQ_ICE_PRFLX) { /* section 5.1.1 of RFC 8445: not signalled */
            sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_LOCAL_CANDIDATE,
                                                      .text = sq_ice_candidate_format(c, text),
                                                      .mid = first ? first->mid : "0",
                                                      .mline = first ? first->mline : 0});
        }
    }
    if (peer->gathered) {
        peer->gathered = false;
        sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_GATHERING_DONE});
    }
}

/* The path is lost without the peer having failed: media wait for the next one. */
static void lose_path(struct sq_peer *peer)
{
    if (peer->has_path) {
        peer->has_path = false;
        peer->rtcp_at_ns = SQ_NEVER;
        sq_peer_stop_sources(peer);
    }
}

static void update_path(struct sq_peer *peer)
{
    int base;
    struct sq_addr remote;
    if (peer->state == SQ_PEER_FAILED || peer->state == SQ_PEER_CLOSED) {
        return; /* a path of a failed peer serves nobody */
    }
    if (!sq_ice_selected(peer->ice, &base, &remote)) {
        lose_path(peer);
        return;
    }
    bool nominated = peer->ice_state == SQ_ICE_COMPLETED;
    bool changed = !peer->has_path || nominated != peer->path_nominated ||
                   base != peer->path_base || !sq_addr_equal(&remote, &peer->path_remote);
    bool regained = !peer->has_path && peer->dtls_up;
    peer->has_path = true;
    peer->path_nominated = nominated;
    peer->path_base = base;
    peer->path_remote = remote;
    if (changed) {
        sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_SELECTED_PAIR,
                                                  .base = base,
                                                  .remote = remote,
                                                  .nominated = nominated});
    }
    if (regained) {
        sq_peer_start_media(peer);
    }
}

/* A connection of data channels alone needs no SRTP. */
static bool has_media(const struct sq_peer *peer)
{
    const struct sq_jsep_transceiver *t = sq_jsep_first(peer->jsep);
    while (t && !t->negotiated) {
        t = t->next;
    }
    return t != NULL;
}

static enum sq_peer_cause dtls_cause(int err)
{
    return err == SQ_ERR_NOMEM ? SQ_PEER_CAUSE_EXHAUSTED : SQ_PEER_CAUSE_DTLS;
}

static void start_dtls(struct sq_peer *peer)
{
    if (peer->dtls_started || !peer->has_path || !peer->remote_applied) {
        return;
    }
    const struct sq_jsep_remote *remote = sq_jsep_remote(peer->jsep);
    peer->dtls_started = true;
    enum sq_dtls_role role =
        remote->dtls_role == SQ_JSEP_DTLS_PASSIVE ? SQ_DTLS_SERVER : SQ_DTLS_CLIENT;
    sq_dtls_set_srtp_optional(peer->dtls, !has_media(peer));
    peer->in_dtls++;
    int err = sq_dtls_start(peer->dtls, role, peer->now_ns);
    sq_peer_left_dtls(peer);
    if (err) {
        sq_peer_fail(peer, dtls_cause(err), "DTLS cannot start: %s", sq_err_name(err));
    }
}

static void ice_connected(struct sq_peer *peer)
{
    if (peer->times.ice_connected == 0) {
        peer->times.ice_connected = peer->now_ns;
        sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_ICE_CONNECTED});
    }
    start_dtls(peer);
    bool back = peer->state == SQ_PEER_DISCONNECTED || peer->state == SQ_PEER_CONNECTING;
    if (back && peer->dtls_up && peer->has_path) {
        peer->connect_by_ns = SQ_NEVER;
        set_state(peer, SQ_PEER_CONNECTED, SQ_PEER_CAUSE_NONE, "");
    }
}

static void ice_failed(struct sq_peer *peer)
{
    if (peer->times.dtls_connected != 0) {
        sq_peer_fail(peer, SQ_PEER_CAUSE_MEDIA_LOST,
                     "the connection was lost: consent checks went unanswered (RFC 7675)");
    } else if (sq_ice_refused(peer->ice)) {
        sq_peer_fail(peer, SQ_PEER_CAUSE_ICE,
                     "the other side has taken the answer of somebody else to the same offer: each "
                     "offer is for one");
    } else {
        sq_peer_fail(peer, SQ_PEER_CAUSE_ICE,
                     "no ICE candidate pair works (%zu local, %zu remote candidates)",
                     sq_ice_local_count(peer->ice), sq_ice_remote_count(peer->ice));
    }
}

void sq_peer_after_ice(struct sq_peer *peer)
{
    if (!peer->ice_changed) {
        return;
    }
    peer->ice_changed = false;
    tell_candidates(peer);
    update_path(peer);
    switch (peer->ice_state) {
    case SQ_ICE_CONNECTED:
    case SQ_ICE_COMPLETED:
        ice_connected(peer);
        break;
    case SQ_ICE_DISCONNECTED:
        if (peer->state == SQ_PEER_CONNECTED) {
            set_state(peer, SQ_PEER_DISCONNECTED, SQ_PEER_CAUSE_NONE,
                      "consent checks go unanswered");
        }
        break;
    case SQ_ICE_FAILED:
        ice_failed(peer);
        break;
    default:
        break;
    }
}

/* ---- DTLS ---- */

/* What a call into DTLS may need of its owner: an association that a call-back replaced is freed
 * only once it is no longer at work. */
void sq_peer_left_dtls(struct sq_peer *peer)
{
    if (--peer->in_dtls == 0) {
        sq_dtls_destroy(peer->dtls_before);
        peer->dtls_before = NULL;
    }
}

static void on_dtls_send(void *ctx, const uint8_t *bytes, size_t len)
{
    struct sq_dgram dgram = {bytes, len};
    sq_peer_send_dgrams(ctx, &dgram, 1);
}

static void on_dtls_data(void *ctx, const uint8_t *bytes, size_t len)
{
    struct sq_peer *peer = ctx;
    if (peer->data) {
        sq_data_receive(peer, bytes, len);
    } else {
        peer->transport.discarded++;
    }
}

static void on_dtls_connected(void *ctx, const struct sq_dtls_keys *keys)
{
    struct sq_peer *peer = ctx;
    struct sq_srtp *srtp = NULL;
    int err = 0;
    if (keys->profile != SQ_SRTP_NONE) {
        err = sq_srtp_create(peer->env->srtp, keys->profile, &keys->local, &keys->remote, &srtp);
    }
    if (err) {
        sq_peer_fail(peer, dtls_cause(err), "SRTP keys of the handshake are of no use: %s",
                     sq_err_name(err));
        return;
    }
    sq_env_forget_peer(peer->env, peer);
    sq_srtp_destroy(peer->srtp);
    peer->srtp = srtp;
    peer->dtls_up = true;
    peer->connect_by_ns = SQ_NEVER;
    peer->alerts_until_ns = peer->hear_goodbye ? SQ_NEVER : peer->now_ns + SQ_DTLS_LINGER_NS;
    if (peer->times.dtls_connected == 0) {
        peer->times.dtls_connected = peer->now_ns;
        peer->times.first_check = sq_ice_first_check_ns(peer->ice);
    }
    sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_DTLS_CONNECTED});
    if (peer->state != SQ_PEER_DISCONNECTED) {
        set_state(peer, SQ_PEER_CONNECTED, SQ_PEER_CAUSE_NONE, "");
    }
    sq_peer_start_media(peer);
    sq_data_start(peer);
}

/* An owner who does not listen for it is told of the other side's end by signalling or consent, and
 * by an alert only as long as that may answer the handshake. With data channels it is their end. */
static bool hears_alerts(const struct sq_peer *peer)
{
    return !peer->dtls_up || peer->data || peer->now_ns <= peer->alerts_until_ns;
}

static void on_dtls_failed(void *ctx, int err, const char *text)
{
    if (!hears_alerts(ctx)) {
        return;
    }
    sq_data_transport_closed(ctx);
    sq_peer_fail(ctx, dtls_cause(err), "%s", text);
}

static void on_dtls_closed(void *ctx)
{
    if (!hears_alerts(ctx)) {
        return;
    }
    sq_data_transport_closed(ctx);
    sq_peer_fail(ctx, SQ_PEER_CAUSE_MEDIA_LOST,
                 "the other side closed the connection (DTLS close_notify)");
}

int sq_peer_make_dtls(struct sq_peer *peer)
{
    const struct sq_dtls_events events = {
        .user = peer,
        .send = on_dtls_send,
        .connected = on_dtls_connected,
        .failed = on_dtls_failed,
        .closed = on_dtls_closed,
        .data = on_dtls_data,
    };
    struct sq_dtls *dtls;
    if (peer->in_dtls > 0 && peer->dtls_before) {
        return SQ_ERR_STATE; /* a third association within the call-backs of the first */
    }
    int err = sq_dtls_create(peer->env->dtls, peer->cert, &events, &dtls);
    if (err) {
        return err;
    }
    if (peer->in_dtls > 0) {
        peer->dtls_before = peer->dtls; /* it is at work: its call-back led here */
    } else {
        sq_dtls_destroy(peer->dtls);
    }
    peer->dtls = dtls;
    sq_data_transport_closed(peer);
    peer->dtls_started = peer->dtls_up = false;
    return 0;
}

/* ---- Life ---- */

static int make_ice(struct sq_peer *peer, const struct sq_peer_config *config)
{
    struct sq_ice_config ice;
    sq_ice_config_init(&ice, &peer->env->rand);
    ice.lite = config->ice_lite;
    ice.tcp_active = config->ice_tcp;
    struct sq_derived_ice derived;
    int err = 0;
    if (config->patient) {
        ice.patient = true;
        ice.pac_ms = (uint32_t)sq_min_u64(peer->connect_timeout_ns / SQ_NS_PER_MS, UINT32_MAX);
    }
    if (config->derived_ice) {
        uint8_t fingerprint[SQ_SHA256_BYTES];
        err = sq_fingerprint_bytes(sq_cert_fingerprint(peer->cert), fingerprint);
        err = err ? err : sq_derive_ice(fingerprint, &derived);
        ice.ufrag = derived.ufrag;
        ice.pwd = derived.pwd;
        ice.one_remote = true; /* whoever has seen the fingerprint knows both */
    }
    err = err ? err : sq_ice_create(&ice, &ice_callbacks, peer, &peer->ice);
    for (size_t i = 0; !err && i < config->stun_servers_len; i++) {
        err = sq_ice_add_stun_server(peer->ice, &config->stun_servers[i]);
    }
    return err;
}

static void make_names(struct sq_peer *peer, const struct sq_peer_config *config)
{
    struct sq_rand *rand = &peer->env->rand;
    if (config->cname) {
        snprintf(peer->cname, sizeof(peer->cname), "%s", config->cname);
    } else {
        sq_rand_ice_chars(rand, peer->cname, 16); /* RFC 7022, section 4.2: 96 bits */
    }
    if (config->stream_id) {
        snprintf(peer->stream_id, sizeof(peer->stream_id), "%s", config->stream_id);
    } else {
        snprintf(peer->stream_id, sizeof(peer->stream_id), "%08x%08x%08x", sq_rand_u32(rand),
                 sq_rand_u32(rand), sq_rand_u32(rand));
    }
}

static int build(struct sq_peer *peer, const struct sq_peer_config *config)
{
    make_names(peer, config);
    const struct sq_jsep_config jsep = {
        .session_id = sq_rand_u64(&peer->env->rand) >> 1,
        .cname = peer->cname,
        .answer_passive = config->passive,
        .accept_data = config->accept_data,
    };
    int err = sq_jsep_new(&jsep, &peer->jsep);
    err = err ? err : make_ice(peer, config);
    err = err ? err : sq_peer_make_dtls(peer);
    return err;
}

int sq_peer_create(struct sq_peer_env *env, const struct sq_peer_config *config,
                   const struct sq_peer_ops *ops, void *ctx, struct sq_peer **ret_peer)
{
    struct sq_peer *peer = sq_zalloc(sizeof(*peer));
    if (!peer) {
        return SQ_ERR_NOMEM;
    }
    peer->env = env;
    peer->ops = ops;
    peer->ctx = ctx;
    peer->cert = sq_cert_pool_get(env->certs, env->next_cert++);
    peer->armed_ns = peer->connect_by_ns = peer->rtcp_at_ns = SQ_NEVER;
    peer->feedback_ns = SQ_NEVER;
    peer->video_report_ns = SQ_NEVER;
    peer->rtcp_first = true;
    peer->passive = config->passive;
    peer->clock_from_offer = config->clock_from_offer || config->patient;
    peer->lite = config->ice_lite;
    peer->hear_goodbye = config->hear_goodbye;
    peer->forward_only = config->forward_only;
    peer->latency = config->latency;
    peer->remb_bps = config->remb_bps;
    peer->black = config->black;
    peer->bwe = config->bwe;
    peer->codecs[SQ_MEDIA_AUDIO] = config->audio;
    peer->codecs[SQ_MEDIA_VIDEO] = config->video;
    for (size_t kind = 0; config->forward_only && kind < 2; kind++) {
        /* Packets are passed on as they are: redundancy is of one path. */
        peer->codecs[kind].no_fec = true;
    }
    peer->capture_time = config->capture_time;
    peer->dependency = config->dependency;
    peer->simulcast =
        (uint8_t)(config->simulcast > SQ_ENCODINGS_MAX ? SQ_ENCODINGS_MAX : config->simulcast);
    peer->connect_timeout_ns =
        config->connect_timeout_ns ? config->connect_timeout_ns : SQ_CONNECT_TIMEOUT_NS;
    peer->transport.remb_bps = -1;
    int err = build(peer, config);
    if (err) {
        sq_peer_destroy(peer);
        return err;
    }
    *ret_peer = peer;
    return 0;
}

void sq_peer_close(struct sq_peer *peer, uint64_t now_ns)
{
    if (peer->state == SQ_PEER_CLOSED || peer->closing) {
        return;
    }
    peer->now_ns = now_ns;
    peer->closing = true;
    sq_rx_flush(peer->env);
    sq_tx_flush(peer->env);
    if (sq_peer_may_send(peer)) {
        sq_peer_send_bye(peer);
    }
    sq_data_close(peer);
    sq_dtls_close(peer->dtls);
    sq_ice_close(peer->ice);
    peer->has_path = false;
    peer->state = SQ_PEER_CLOSED;
}

void sq_peer_destroy(struct sq_peer *peer)
{
    if (!peer) {
        return;
    }
    peer->closing = true;
    sq_env_forget_peer(peer->env, peer);
    for (size_t i = 0; i < peer->tracks_len; i++) {
        sq_track_free(peer->tracks[i]);
    }
    sq_free(peer->tracks);
    sq_free(peer->ssrcs);
    if (peer->twcc_log) {
        sq_twcc_log_close(peer->twcc_log);
    }
    if (peer->twcc_recorder) {
        sq_twcc_recorder_close(peer->twcc_recorder);
    }
    sq_cc_free(peer->cc);
    sq_free(peer->twcc_log);
    sq_free(peer->twcc_recorder);
    sq_bwe_remote_destroy(peer->remote);
    sq_data_free(peer);
    sq_srtp_destroy(peer->srtp);
    sq_dtls_destroy(peer->dtls);
    sq_dtls_destroy(peer->dtls_before);
    sq_ice_destroy(peer->ice);
    sq_jsep_free(peer->jsep);
    sq_free(peer);
}

void *sq_peer_ctx(const struct sq_peer *peer)
{
    return peer->ctx;
}

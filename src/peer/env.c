/* What the peers of a thread share: crypto engines, certificates, and the two batches. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/ahead.h"
#include "peer/peer_int.h"
#include <string.h>

#define CERTIFICATES_DEFAULT 8

int sq_peer_env_create(const struct sq_peer_env_config *config, struct sq_peer_env **ret_env)
{
    struct sq_peer_env *env = sq_zalloc(sizeof(*env));
    if (!env) {
        return SQ_ERR_NOMEM;
    }
    sq_rand_seed(&env->rand, config->seed);
    env->wall_offset_ns = config->wall_offset_ns;
    env->clock_id = config->clock_id;
    env->clock_error_ns = config->clock_error_ns;

    enum sq_srtp_backend backend =
        config->force_openssl_srtp ? SQ_SRTP_BACKEND_OPENSSL : SQ_SRTP_BACKEND_AUTO;
    struct sq_dtls_config dtls = {0};
    if (config->prefer_cm) {
        dtls.profiles[dtls.profiles_n++] = SQ_SRTP_AES128_CM_SHA1_80;
        dtls.profiles[dtls.profiles_n++] = SQ_SRTP_AEAD_AES_128_GCM;
    }
    int64_t wall_s = ((int64_t)config->now_ns + config->wall_offset_ns) / (int64_t)SQ_NS_PER_SEC;
    unsigned certificates = config->certificates ? config->certificates : CERTIFICATES_DEFAULT;
    int err = sq_srtp_engine_create(backend, &env->srtp);
    err = err ? err : sq_dtls_ctx_create(&dtls, &env->dtls);
    err = err ? err : sq_cert_pool_create(certificates, wall_s, &env->certs);
    if (err) {
        sq_peer_env_destroy(env);
        return err;
    }
    *ret_env = env;
    return 0;
}

void sq_peer_env_destroy(struct sq_peer_env *env)
{
    if (!env) {
        return;
    }
    sq_cert_pool_destroy(env->certs);
    sq_dtls_ctx_destroy(env->dtls);
    sq_srtp_engine_destroy(env->srtp);
    sq_free(env);
}

/* ---- Outgoing ---- */

uint8_t *sq_tx_begin(struct sq_peer_env *env)
{
    if (env->tx.n == SQ_BATCH_MAX) {
        sq_tx_flush(env);
    }
    return env->tx.buf[env->tx.n];
}

void sq_tx_commit(struct sq_peer_env *env, struct sq_peer *peer, size_t len)
{
    if (env->tx.n == SQ_BATCH_MAX) {
        return; /* written from within a flush, into the buffer to spare: lost, as on the way */
    }
    size_t i = env->tx.n++;
    env->tx.jobs[i] = (struct sq_srtp_job){
        .session = peer->srtp, .pkt = env->tx.buf[i], .len = len, .room = SQ_TX_ROOM, .user = peer};
}

/* Sends jobs[from..to), which belong to one peer. */
static void send_run(struct sq_peer_env *env, size_t from, size_t to)
{
    struct sq_dgram dgrams[SQ_BATCH_MAX];
    struct sq_peer *peer = env->tx.jobs[from].user;
    size_t n = 0;
    for (size_t i = from; peer && i < to; i++) {
        const struct sq_srtp_job *job = &env->tx.jobs[i];
        if (job->err == 0) {
            dgrams[n++] = (struct sq_dgram){job->pkt, job->ret_len};
        }
    }
    if (n > 0) {
        sq_peer_send_dgrams(peer, dgrams, n);
    }
}

void sq_tx_flush(struct sq_peer_env *env)
{
    if (env->tx.busy) {
        return;
    }
    env->tx.busy = true;
    /* An owner's `send` may make peers send more: that comes in behind, and has its turn. */
    size_t from = 0;
    while (from < env->tx.n) {
        size_t n = env->tx.n;
        sq_srtp_protect_batch(env->srtp, env->tx.jobs + from, n - from);
        for (size_t i = from + 1; i <= n; i++) {
            if (i == n || env->tx.jobs[i].user != env->tx.jobs[from].user) {
                send_run(env, from, i);
                from = i;
            }
        }
    }
    env->tx.n = 0;
    env->tx.busy = false;
}

/* ---- Incoming ---- */

void sq_rx_push(struct sq_peer_env *env, struct sq_peer *peer, uint64_t now_ns, uint8_t *buf,
                size_t len)
{
    if (env->rx.n == SQ_BATCH_MAX) { /* from within a delivery that is full already */
        peer->transport.discarded++;
        return;
    }
    size_t i = env->rx.n++;
    env->rx.jobs[i] = (struct sq_srtp_job){
        .session = peer->srtp, .pkt = buf, .len = len, .room = len, .user = peer};
    env->rx.now_ns[i] = now_ns;
    if (env->rx.n == SQ_BATCH_MAX) {
        sq_rx_flush(env);
    }
}

static void deliver(const struct sq_srtp_job *job, uint64_t now_ns)
{
    struct sq_peer *peer = job->user;
    if (!peer) {
        return;
    }
    if (job->err == 0) {
        sq_peer_on_rtp(peer, now_ns, job->pkt, job->ret_len);
    } else if (job->err != SQ_ERR_REPLAY) {
        peer->transport.srtp_errors++;
    } else {
        peer->transport.replayed++;
    }
}

static void fetch_ahead(const struct sq_peer_env *env, size_t at, size_t end)
{
    for (unsigned step = 0; step < SQ_PEER_AHEAD_PACKET_STEPS; step++) {
        size_t i = at + SQ_PEER_AHEAD_PACKET_STEPS - step;
        if (i < end && env->rx.jobs[i].user) {
            sq_peer_fetch_packet(env->rx.jobs[i].user, step);
        }
    }
}

void sq_rx_flush(struct sq_peer_env *env)
{
    if (env->rx.busy) {
        return;
    }
    env->rx.busy = true;
    /* What an owner's call-back feeds in comes in behind, and has its turn. */
    size_t done = 0;
    while (done < env->rx.n) {
        size_t n = env->rx.n;
        size_t first = done;
        for (; done < n && env->rx.jobs[done].user; done++) {
        }
        if (done > first) {
            sq_srtp_unprotect_batch(env->srtp, env->rx.jobs + first, done - first);
        }
        for (size_t i = first; i < done; i++) {
            fetch_ahead(env, i, done);
            deliver(&env->rx.jobs[i], env->rx.now_ns[i]);
        }
        done += done < n; /* one whose peer went within a call-back */
    }
    env->rx.n = 0;
    env->rx.busy = false;
}

static void forget(struct sq_srtp_job *jobs, size_t *n, const struct sq_peer *peer, uint64_t *times)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (jobs[i].user == peer) {
            continue;
        }
        if (times) {
            times[kept] = times[i];
        }
        jobs[kept++] = jobs[i];
    }
    *n = kept;
}

void sq_env_forget_peer(struct sq_peer_env *env, const struct sq_peer *peer)
{
    /* Outgoing jobs point to their own buffers, and a buffer's place is its index: flush first. */
    sq_tx_flush(env);
    if (env->rx.busy) { /* within a delivery: positions must stay */
        for (size_t i = 0; i < env->rx.n; i++) {
            if (env->rx.jobs[i].user == peer) {
                env->rx.jobs[i].user = NULL;
            }
        }
        return;
    }
    forget(env->rx.jobs, &env->rx.n, peer, env->rx.now_ns);
}

void sq_peer_env_flush(struct sq_peer_env *env, uint64_t now_ns)
{
    (void)now_ns;
    sq_rx_flush(env);
    sq_tx_flush(env);
}

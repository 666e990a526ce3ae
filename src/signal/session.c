#include "signal/session.h"

#include "net/loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sq_session_init(struct sq_session *s, const struct sq_signal_user *user,
                     const struct sq_signal_host *host, void *ctx)
{
    memset(s, 0, sizeof(*s));
    s->user = user;
    s->host = host;
    s->ctx = ctx;
    s->asked_ns = sq_loop_now(host->loop);
}

void sq_session_note(struct sq_session *s, const char *fmt, ...)
{
    char text[SQ_PEER_TEXT_MAX];
    if (s->over) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    s->host->note(s->ctx, text);
}

static void tell_phase(struct sq_session *s, enum sq_phase phase, uint64_t took_ns)
{
    if (took_ns > 0 && !sq_session_is_done(s)) {
        s->host->phase(s->ctx, phase, took_ns);
    }
}

void sq_session_phases(struct sq_session *s, uint64_t dns_ns, uint64_t connect_ns, uint64_t tls_ns)
{
    if (!s->phases_told) {
        s->phases_told = true;
        tell_phase(s, SQ_PHASE_DNS, dns_ns);
        tell_phase(s, SQ_PHASE_CONNECT, connect_ns);
        tell_phase(s, SQ_PHASE_TLS, tls_ns);
    }
}

void sq_session_joined(struct sq_session *s)
{
    if (s->joined || sq_session_is_done(s)) {
        return;
    }
    s->joined = true;
    uint64_t now_ns = sq_clock_ns();
    tell_phase(s, SQ_PHASE_SIGNALING, now_ns > s->asked_ns ? now_ns - s->asked_ns : 1);
    s->host->joined(s->ctx);
}

void sq_session_fail(struct sq_session *s, enum sq_cause cause, const char *fmt, ...)
{
    char text[SQ_PEER_TEXT_MAX];
    if (s->over) {
        return;
    }
    if (s->leaving) {
        sq_session_left(s);
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    s->over = true;
    s->host->failed(s->ctx, cause, text);
}

void sq_session_left(struct sq_session *s)
{
    if (!s->over) {
        s->over = true;
        s->host->left(s->ctx);
    }
}

enum sq_cause sq_session_cause(int err, enum sq_cause otherwise)
{
    return err == SQ_ERR_NOMEM ? SQ_CAUSE_EXHAUSTED : otherwise;
}

enum sq_cause sq_session_net_cause(int err, enum sq_stream_phase during)
{
    if (err == SQ_ERR_NOMEM) {
        return SQ_CAUSE_EXHAUSTED;
    }
    switch (during) {
    case SQ_STREAM_DNS:
        return SQ_CAUSE_DNS;
    case SQ_STREAM_CONNECT:
        return SQ_CAUSE_CONNECT;
    case SQ_STREAM_TLS:
        return SQ_CAUSE_TLS;
    default:
        break;
    }
    switch (err) {
    case SQ_ERR_DNS:
        return SQ_CAUSE_DNS;
    case SQ_ERR_TLS:
        return SQ_CAUSE_TLS;
    case SQ_ERR_TIMEOUT:
        return SQ_CAUSE_TIMEOUT;
    case SQ_ERR_FORMAT:
    case SQ_ERR_NOSPACE:
        return SQ_CAUSE_PROTOCOL;
    default:
        return SQ_CAUSE_SIGNALING;
    }
}

enum sq_direction sq_session_direction(const struct sq_signal_user *user, enum sq_media_kind kind)
{
    bool video = kind == SQ_MEDIA_VIDEO;
    unsigned sends = (video ? user->send_video : user->send_audio) ? SQ_DIR_SENDONLY : 0;
    unsigned receives = (video ? user->recv_video : user->recv_audio) ? SQ_DIR_RECVONLY : 0;
    return (enum sq_direction)(sends | receives);
}

int sq_session_add_channel(const struct sq_signal_user *user, struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_channel *channel;
    return user->data ? sq_peer_add_channel(peer, now_ns, user->data, &channel) : 0;
}

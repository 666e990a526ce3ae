/* What every adapter needs: the host's face with "once" and "nothing follows" kept, and the phases
 * of a set-up. An adapter embeds one in its struct sq_signal. */
#ifndef SQ_SIGNAL_SESSION_H
#define SQ_SIGNAL_SESSION_H

#include "base/err.h"
#include "net/stream.h"
#include "signal/signal.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_session {
    const struct sq_signal_user *user; /* borrowed, as host and ctx */
    const struct sq_signal_host *host;
    void *ctx;
    uint64_t asked_ns; /* when the first request began on an open connection */
    bool phases_told;
    bool joined;
    bool leaving; /* `leave` was called: the peers are the host's alone from then on */
    bool over;    /* failed or left was told */
};

void sq_session_init(struct sq_session *s, const struct sq_signal_user *user,
                     const struct sq_signal_host *host, void *ctx);
void sq_session_note(struct sq_session *s, const char *fmt, ...) SQ_PRINTF(2, 3);
/* Phases that took no time are not told. Once. */
void sq_session_phases(struct sq_session *s, uint64_t dns_ns, uint64_t connect_ns, uint64_t tls_ns);
/* Tells the signalling phase, from asked_ns until now, and joined. Once. */
void sq_session_joined(struct sq_session *s);
/* Over: failed, or left where the user was leaving anyway. */
void sq_session_fail(struct sq_session *s, enum sq_cause cause, const char *fmt, ...)
    SQ_PRINTF(3, 4);
void sq_session_left(struct sq_session *s);
/* Nothing more is to be done with its peers: it is over or leaving. */
static inline bool sq_session_is_done(const struct sq_session *s)
{
    return s->over || s->leaving;
}
/* SQ_CAUSE_EXHAUSTED for SQ_ERR_NOMEM, else `otherwise`. */
enum sq_cause sq_session_cause(int err, enum sq_cause otherwise);
/* The cause for a connection that ended with this error (enum sq_err) in this phase. */
enum sq_cause sq_session_net_cause(int err, enum sq_stream_phase during);
/* What the user does of one kind; SQ_DIR_INACTIVE for neither. */
enum sq_direction sq_session_direction(const struct sq_signal_user *user, enum sq_media_kind kind);
/* The user's data channel, if it is to have one. */
int sq_session_add_channel(const struct sq_signal_user *user, struct sq_peer *peer,
                           uint64_t now_ns) SQ_MUST_USE;

#endif

/* Signalling adapters behind one face. An adapter speaks one service's protocol for one virtual
 * user: it signs in, makes the user's peer connections negotiate, and leaves again. It knows no
 * media and no load: the run gives it a struct sq_signal_host and hears what happened through it.
 *
 * All of it runs on one loop's thread, never blocks, and each call-back may come from within a
 * call. */
#ifndef SQ_SIGNAL_SIGNAL_H
#define SQ_SIGNAL_SIGNAL_H

#include "base/err.h"
#include "peer/peer.h"
#include "signal/target.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_clip;
struct sq_clip_track;
struct sq_link;
struct sq_loop;
struct sq_lua_script; /* signal/lua/script.h */
struct sq_signal;     /* one user's signalling; each adapter has its own */

/* Why an attempt ended otherwise than well: the closed list of summary.json. */
enum sq_cause {
    SQ_CAUSE_NONE,
    SQ_CAUSE_DNS,
    SQ_CAUSE_CONNECT,
    SQ_CAUSE_TLS,
    SQ_CAUSE_SIGNALING,
    SQ_CAUSE_AUTH,
    SQ_CAUSE_ICE,
    SQ_CAUSE_DTLS,
    SQ_CAUSE_NO_MEDIA,
    SQ_CAUSE_MEDIA_LOST,
    SQ_CAUSE_TIMEOUT,
    SQ_CAUSE_PROTOCOL,
    SQ_CAUSE_COUNT,
    /* This machine has no more sockets, ports or memory: the host counts that against the
     * generator, and calls it `connect`. */
    SQ_CAUSE_EXHAUSTED = SQ_CAUSE_COUNT
};

/* "dns", "connect", … as in summary.json. */
const char *sq_cause_name(enum sq_cause cause);

/* Phases of a set-up. An adapter says when one was over; the run keeps the times. ICE, DTLS and
 * first media come from the peer. */
enum sq_phase { SQ_PHASE_DNS, SQ_PHASE_CONNECT, SQ_PHASE_TLS, SQ_PHASE_SIGNALING, SQ_PHASE_COUNT };

/* What this virtual user is to do. Borrowed for the session's life. */
struct sq_signal_user {
    uint64_t index;   /* 0, 1, … over the whole run */
    const char *name; /* display name */
    const char *room; /* room to be in; "" where the service has none */
    bool send_audio, send_video;
    bool send_data; /* on the channel below */
    bool recv_audio, recv_video;
    bool simulcast;                            /* its peers have layers to send */
    const struct sq_clip *clip;                /* what is sent */
    const struct sq_clip_track *audio, *video; /* its first tracks, for what they tell */
    const struct sq_channel_config *data; /* a data channel to open where it sends, or where it does
                                             not, where it watches; NULL: none */
    const char *token;                    /* bearer token, or NULL */
    bool insecure;                        /* do not verify certificates */
    const char *ca_file;                  /* PEM to trust besides the system's, or NULL */
    bool trickle;        /* send candidates as they come; else all of them within the description */
    uint64_t timeout_ns; /* for each answer of the server */
    struct sq_link *link; /* what the signalling goes over: WebSocket past its firewall, HTTP
                             through it; NULL: none */
    const char *role;     /* its group's name, or what it does */
    uint64_t seed;        /* of its own random choices */
    const struct sq_lua_script *script; /* of lua targets; else NULL */
};

/* What a script may ask of the run; each with the host's context. */
struct sq_signal_run {
    /* Values that users share: of the room, or of the whole test. SQ_ERR_NOMEM. */
    int (*set)(void *ctx, bool whole_test, const char *name, const char *value);
    /* A copy (sq_free). SQ_ERR_NOTFOUND: nobody has set it yet; SQ_ERR_NOMEM. */
    int (*get)(void *ctx, bool whole_test, const char *name, char **ret_value);
    /* While on, `woken` of the adapter's operations comes when any value was set. SQ_ERR_NOMEM. */
    int (*watch)(void *ctx, bool on);
    /* A column of the user's row; a copy (sq_free). SQ_ERR_NOTFOUND, SQ_ERR_NOMEM. */
    int (*column)(void *ctx, const char *name, char **ret_value);
    /* Custom timers and counters, told by name; false: the run knows none of that name. */
    bool (*time)(void *ctx, const char *name, uint64_t took_ns);
    bool (*count)(void *ctx, const char *name, uint64_t add);
    void (*event)(void *ctx, const char *name);
};

/* The run's face to an adapter. */
struct sq_signal_host {
    struct sq_loop *loop;
    /* A new peer connection with its sockets open and its bases added. `label` tells them apart in
     * results
     * ("pub", "sub"). The host owns it. */
    int (*make_peer)(void *ctx, const char *label, struct sq_peer **ret_peer);
    /* The phase took `took_ns` and ended now. At most once a phase. */
    void (*phase)(void *ctx, enum sq_phase phase, uint64_t took_ns);
    /* Signed in, and the first negotiation is complete: the user is in the service. Once. */
    void (*joined)(void *ctx);
    /* The session is over: `text` says what the server did and what was expected. Once, nothing
     * follows. */
    void (*failed)(void *ctx, enum sq_cause cause, const char *text);
    /* After `leave`: the server was told and has answered, or it did not in time. Once, nothing
     * follows. */
    void (*left)(void *ctx);
    /* A line for the peer's story ("janus: attached, handle 123"). */
    void (*note)(void *ctx, const char *text);
    const struct sq_signal_run *run; /* NULL: there is none */
};

struct sq_signal_ops {
    const char *name;           /* "janus" */
    const char *const *schemes; /* "janus+ws", "janus+wss", NULL */
    /* Is the target complete? `why` takes a sentence. Nullable. */
    int (*check)(const struct sq_target *target, char why[SQ_PEER_TEXT_MAX]);
    /* Starts: target, user, host borrowed until destroy. Failure here is a failure to make the
     * session at all (memory, a URL that cannot be connected to); what the server does comes by
     * host->failed. */
    int (*open)(const struct sq_target *target, const struct sq_signal_user *user,
                const struct sq_signal_host *host, void *host_ctx, struct sq_signal **ret_signal);
    /* Events of the peers that this session made: candidates, states. */
    void (*peer_event)(struct sq_signal *signal, struct sq_peer *peer,
                       const struct sq_peer_event *event);
    /* Leaves in good order. */
    void (*leave)(struct sq_signal *signal);
    /* At once, from outside its own call-backs; no call-back comes of it. NULL is allowed. */
    void (*destroy)(struct sq_signal *signal);
    /* Restarts ICE of all its peers; NULL where the protocol has no way. */
    int (*restart_ice)(struct sq_signal *signal);
    /* A value was set (sq_signal_run.watch); nullable. Nothing may be called back from here. */
    void (*woken)(struct sq_signal *signal);
    /* Of adapters that a script speaks for; NULL for others. `script`: the users'. */
    /* Its file, for people: "room.lua". */
    const char *(*script_name)(const struct sq_lua_script *script);
    /* Why it cannot restart ICE; NULL: it can. */
    const char *(*restart_lacks)(const struct sq_lua_script *script);
    /* Where the session's script waits, and for what, in `text`; false: it is over. */
    bool (*tell_wait)(const struct sq_signal *signal, char text[static SQ_PEER_TEXT_MAX]);
    /* How long scripts ran at a stretch on this loop's thread at most, in CPU time; 0: there were
     * none. ret_place takes where the longest of them was, "room.lua:7", or "": the loop's. */
    uint64_t (*longest_ns)(const struct sq_loop *loop, const char **ret_place);
    /* Seconds in which scripts took half of a core or more on this loop's thread. */
    uint64_t (*full_seconds)(const struct sq_loop *loop);
};

/* The adapter of a target's scheme, or NULL. */
const struct sq_signal_ops *sq_signal_find(const char *scheme);
/* All adapters, ended by NULL. */
const struct sq_signal_ops *const *sq_signal_all(void);

#endif

/* Inside of the Janus adapter: janus.c is the session, janus_wire.c its messages, janus_peer.c the
 * negotiation of one handle, janus_echo.c, janus_room.c and janus_sub.c what the plug-ins do. */
#ifndef SQ_SIGNAL_JANUS_INT_H
#define SQ_SIGNAL_JANUS_INT_H

#include "base/str.h"
#include "net/timer.h"
#include "net/ws.h"
#include "signal/session.h"
#include <jansson.h>

#define JANUS_PENDING_MAX    32                   /* transactions without an answer */
#define JANUS_KEEPALIVE_NS   (25 * SQ_NS_PER_SEC) /* Janus wants one within 60 s */
#define JANUS_BYE_TIMEOUT_NS (2 * SQ_NS_PER_SEC)
#define JANUS_MESSAGE_MAX    (4 * 1024 * 1024)  /* bytes; a list of thousands of publishers fits */
#define JANUS_FEEDS_MAX      4096               /* publishers known in a room */
#define JANUS_FEED_ID_MAX    64                 /* bytes of a publisher's id with its NUL */
#define JANUS_STREAMS_MAX    SQ_PEER_TRACKS_MAX /* subscribed to; further ones are left out */
#define JANUS_CANDIDATES_MAX 64                 /* candidates waiting for their description */
#define JANUS_LISTENER_LABEL "JanusDataChannel" /* of janus.js, where nobody gives another */

/* Error codes of Janus' core (src/apierror.h) and of videoroom (plugins/janus_videoroom.c). */
#define JANUS_ERROR_UNAUTHORIZED        403
#define JANUS_ERROR_UNAUTHORIZED_PLUGIN 405
#define JANUS_ERROR_SESSION_NOT_FOUND   458
#define ROOM_ERROR_NO_SUCH_ROOM         426
#define ROOM_ERROR_ROOM_EXISTS          427
#define ROOM_ERROR_NO_SUCH_FEED         428
#define ROOM_ERROR_MISSING_ELEMENT      429
#define ROOM_ERROR_INVALID_ELEMENT      430
#define ROOM_ERROR_UNAUTHORIZED         433

struct janus_handle;

/* The answer to a transaction: `data` is plugindata.data (NULL if there is none), `code` and
 * `error` those of Janus or of the plug-in (0 and "" for none). */
struct janus_reply {
    json_t *message; /* borrowed */
    json_t *data;
    const char *sdp; /* of the jsep, or NULL */
    bool is_offer;
    int64_t code;
    bool plugin_error; /* of the plug-in, not of Janus */
    const char *error;
};

typedef void (*janus_reply_fn)(struct sq_signal *j, struct janus_handle *handle,
                               const struct janus_reply *reply);

struct janus_pending {
    uint64_t number; /* of the transaction, 0: free */
    uint64_t due_ns;
    const char *what; /* "create", … static */
    struct janus_handle *handle;
    janus_reply_fn fn; /* NULL: only the errors matter */
    bool wants_event;  /* an ack is not the answer yet */
};

typedef void (*janus_ready_fn)(struct sq_signal *j, struct janus_handle *handle);

/* A handle to a plug-in, with a peer connection or without. */
struct janus_handle {
    int64_t id; /* 0: not attached */
    const char *label;
    struct sq_peer *peer; /* the host's; NULL before it is made, and once it is not to be touched */
    char *local;          /* the description that is held back or was sent last; owned */
    json_t *candidates;   /* found since, not sent yet; an array, owned */
    json_t *early;        /* Janus', come before the offer that they belong to; an array, owned */
    bool offer_due;       /* of new credentials, which we asked for */
    bool gathered, end_told;
    bool held;            /* the description waits for the candidates, as there is no trickling */
    bool sent;            /* a description went out: candidates may follow */
    bool offering;        /* our offer has no answer yet */
    janus_ready_fn ready; /* sends `local` */
};

enum janus_feed_state {
    JANUS_FEED_WANTED,
    JANUS_FEED_ASKED, /* subscribing */
    JANUS_FEED_ON,
    JANUS_FEED_GOING,    /* it left: to be unsubscribed */
    JANUS_FEED_LEFT_OUT, /* no room for its tracks */
};

struct janus_feed {
    char id[JANUS_FEED_ID_MAX];
    bool is_text; /* the id is a string, not a number */
    bool first;   /* was there when we joined */
    bool unsubscribing;
    enum janus_feed_state state;
    size_t streams; /* of the kinds that we want */
    json_t *ask;    /* elements of a subscription's "streams"; owned, NULL once asked for */
    json_t *asked;  /* those in the request that is under way; owned, or NULL */
};

enum janus_plugin { JANUS_ECHOTEST, JANUS_VIDEOROOM };

struct sq_signal {
    struct sq_session s;
    const struct sq_target *target;
    enum janus_plugin plugin;
    struct sq_ws *ws;
    struct sq_timer timer;
    int64_t session;       /* 0: none */
    uint64_t keepalive_ns; /* when the next one is due */
    uint64_t bye_ns;       /* leaving: when we stop waiting */
    uint64_t next_number;
    struct janus_pending pending[JANUS_PENDING_MAX];
    struct janus_handle main; /* echotest; videoroom's publisher */
    struct janus_handle sub;  /* videoroom's subscriber */
    bool closing;             /* the close frame was sent */

    /* videoroom */
    json_t *room; /* its id, a number or a string; owned */
    int64_t private_id;
    bool create_tried;
    bool in_room;
    bool published; /* or has nothing to publish */
    bool sub_joined;
    unsigned sub_busy;        /* requests about subscriptions, and answers, under way */
    struct janus_feed *feeds; /* owned */
    size_t feeds_len, feeds_room;
    size_t streams;   /* subscribed to or asked for */
    bool sub_channel; /* ours, on the subscriber's peer: JANUS_LISTENER_LABEL */
};

/* janus_wire.c */

/* Sends {"janus": what, …, body's members}; takes over `message` (NULL: no memory). handle NULL:
 * for the session. fn: see janus_pending. A failure to send ends the session. */
void janus_send(struct sq_signal *j, struct janus_handle *handle, const char *what, json_t *message,
                bool wants_event, janus_reply_fn fn);
/* A request to the plug-in; takes over `body` (NULL: no memory), which gets "request": what unless
 * that is NULL. type "offer" or "answer": with handle->local as that; NULL: without. */
void janus_request(struct sq_signal *j, struct janus_handle *handle, const char *what, json_t *body,
                   const char *type, janus_reply_fn fn);
void janus_read(struct sq_signal *j, const char *text, size_t len);
/* Starts the timer for what is due first. */
void janus_arm(struct sq_signal *j);
/* Transactions that got no answer in time. */
void janus_check_pending(struct sq_signal *j, uint64_t now_ns);
void janus_no_memory(struct sq_signal *j);
/* Fails with the error of a reply, in a sentence. */
void janus_refused(struct sq_signal *j, const char *what, const struct janus_reply *reply);

/* janus_peer.c */

/* Makes the handle's peer if there is none yet; false: the session failed. */
bool janus_make_peer(struct sq_signal *j, struct janus_handle *handle);
/* Adds what the user sends (and, if `both`, receives) as tracks; false: the session failed. */
bool janus_add_tracks(struct sq_signal *j, struct janus_handle *handle, bool both);
/* Makes an offer, and calls `ready` once it may be sent. */
void janus_offer(struct sq_signal *j, struct janus_handle *handle, bool ice_restart,
                 janus_ready_fn ready);
/* Takes the answer to our offer; false: it is of no use, and the session failed. */
bool janus_take_answer(struct sq_signal *j, struct janus_handle *handle,
                       const struct janus_reply *reply);
/* Takes an offer to the subscriber and makes the answer, which `ready` sends. */
void janus_answer(struct sq_signal *j, struct janus_handle *handle, const char *offer,
                  janus_ready_fn ready);
/* The description went out: candidates may follow. */
void janus_described(struct sq_signal *j, struct janus_handle *handle);
void janus_peer_event(struct sq_signal *j, struct sq_peer *peer, const struct sq_peer_event *event);
/* Takes the candidates of a trickle message; those before the offer that they belong to wait. */
void janus_remote_candidates(struct sq_signal *j, struct janus_handle *handle, json_t *message);
/* ... and wait no longer: the offer is in force, or none is to come. */
void janus_offer_came(struct sq_signal *j, struct janus_handle *handle);
void janus_handle_free(struct janus_handle *handle);

/* janus.c */

/* What comes without having been asked for. handle NULL: about the session. */
void janus_unasked(struct sq_signal *j, struct janus_handle *handle, const char *kind,
                   const struct janus_reply *reply);
/* `attached` is called when it is. */
void janus_attach(struct sq_signal *j, struct janus_handle *handle, janus_ready_fn attached);

/* janus_echo.c */
void janus_echo_start(struct sq_signal *j);
void janus_echo_restart(struct sq_signal *j);

/* janus_room.c */
int janus_room_check(const struct sq_target *target, char why[SQ_PEER_TEXT_MAX]);
void janus_room_start(struct sq_signal *j);
void janus_room_event(struct sq_signal *j, const struct janus_reply *reply);
void janus_room_restart(struct sq_signal *j);
/* A request's body with the room's id, its pin and, for a join, its token. */
json_t *janus_room_body(struct sq_signal *j, bool join);
/* Tells joined once all that was to be done at first is done. */
void janus_room_check_joined(struct sq_signal *j);

/* janus_sub.c */
/* Publishers of a list (at join, or new ones). */
void janus_sub_publishers(struct sq_signal *j, json_t *list, bool at_join);
void janus_sub_gone(struct sq_signal *j, json_t *id);
void janus_sub_event(struct sq_signal *j, const struct janus_reply *reply);
void janus_sub_restart(struct sq_signal *j);
/* All publishers that were there when we joined are subscribed to. */
bool janus_sub_is_settled(const struct sq_signal *j);
void janus_sub_free(struct sq_signal *j);

#endif

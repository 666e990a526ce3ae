/* Inside of the WHIP and WHEP adapter: whip.c negotiates, whip_http.c asks and reads answers. */
#ifndef SQ_SIGNAL_WHIP_INT_H
#define SQ_SIGNAL_WHIP_INT_H

#include "base/str.h"
#include "net/http.h"
#include "signal/session.h"

#define WHIP_REDIRECTS_MAX   10
#define WHIP_CANDIDATES_MAX  16384 /* bytes of candidates waiting for a PATCH */
#define WHIP_BYE_TIMEOUT_NS  (2 * SQ_NS_PER_SEC)
#define WHIP_TYPE_SDP        "application/sdp"
#define WHIP_TYPE_FRAGMENT   "application/trickle-ice-sdpfrag" /* RFC 8840, section 9 */
#define WHIP_ICE_SERVERS_MAX 8

struct whip_kind {
    const char *name;       /* "WHIP" */
    const char *peer_label; /* in results */
    bool sends, receives;   /* what the protocol lets the client do */
    bool counter_offer;     /* 406 may carry an offer of the server */
};

/* The request under way: at most one. */
enum whip_ask {
    WHIP_ASK_NONE,
    WHIP_ASK_POST,
    WHIP_ASK_ANSWER, /* PATCH with the answer to a counter-offer */
    WHIP_ASK_TRICKLE,
    WHIP_ASK_RESTART,
    WHIP_ASK_DELETE,
};

struct sq_signal {
    struct sq_session s;
    const struct whip_kind *kind;
    const struct sq_target *target;
    struct sq_peer *peer; /* the host's; NULL once it is not to be touched */
    char *url;            /* of the end point, after redirects; owned, as those below */
    char *resource;       /* the session's URL (Location) */
    char *etag;
    char *local;              /* the local description in force or offered */
    char *answer;             /* the server's */
    struct sq_buf candidates; /* found after `local`, not sent yet: "candidate:…\n" each */
    bool gathered;            /* there will be no more of them */
    bool end_told;            /* and the server knows */
    bool held;                /* the offer waits for them, as there is no trickling */
    bool negotiated;
    bool patch_off;      /* the server has no PATCH */
    bool restart_wanted; /* once the present request is answered */
    struct sq_http *request;
    struct sq_http_kept *kept; /* our own connections until all is negotiated; owned */
    enum whip_ask ask;
    unsigned redirects;
    enum sq_cause cause; /* what to fail with once the server's session is deleted */
    char text[SQ_PEER_TEXT_MAX];
};

/* whip_http.c */

/* Starts a request; its answer comes to `fn` with the signal as context. type and body nullable.
 * SQ_ERR_NOMEM, SQ_ERR_INVALID (URL). */
int whip_ask(struct sq_signal *w, enum whip_ask ask, const char *url, const char *type,
             const char *if_match, const char *body, sq_http_fn fn) SQ_MUST_USE;
/* "POST http://h/x: 404 Not Found, expected 201 Created; no such end point here; 'first line'" */
void whip_describe(const struct sq_signal *w, const struct sq_http_response *answer,
                   const char *expected, char ret_text[static SQ_PEER_TEXT_MAX]);
enum sq_cause whip_cause(const struct sq_http_response *answer);
/* The content type without parameters is this one. */
bool whip_has_type(const struct sq_http_response *answer, const char *type);
/* How many bytes of a URL are told, at most `max`: none of its query. */
int whip_shown(const char *url, int max);
bool whip_may_have_token(const struct sq_signal *w, const char *url);
/* Tells the ICE servers of the Link headers (RFC 9725, section 4.6; RFC 8288) as notes. */
void whip_note_ice_servers(struct sq_signal *w, const struct sq_http_response *answer);

/* A link of a Link header. Views into the header. */
struct whip_link {
    struct sq_view uri, rel, username;
};
/* Takes the next link off the value of a Link header; false at its end or where it is garbage. */
bool whip_next_link(struct sq_view *rest, struct whip_link *ret_link);

#endif

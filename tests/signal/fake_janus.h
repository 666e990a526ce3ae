/* A Janus of a few lines: enough of its protocol for echotest and videoroom, with real peers behind
 * it, and one fault at a time. */
#ifndef TESTS_SIGNAL_FAKE_JANUS_H
#define TESTS_SIGNAL_FAKE_JANUS_H

#include "net/httpd.h"
#include "run/endpoint.h"
#include <jansson.h>

#define FAKE_SEEN_MAX 256
#define FAKE_CLOSE    "close"  /* as reply: the WebSocket is closed */
#define FAKE_SILENCE  "silent" /* nothing comes */

struct fake_janus {
    struct sq_httpd *httpd;
    char url[64]; /* "janus+ws://127.0.0.1:…/janus" */
    struct sq_ws *ws;
    /* The fault: what to reply to the request of this name ("create", "attach", "message",
     * "join", "echotest", "start", …) in the place of the right thing; %T is its transaction. */
    const char *fault_on, *fault_reply;
    bool fault_once;
    bool refuse_upgrade; /* with 403 */
    bool no_subprotocol;
    bool trickle_first; /* candidates before the answer, or the offer, none in it */
    bool room_missing;  /* until it is created */
    bool string_ids;
    bool data;              /* a data section in the offer to the subscriber */
    bool lenient;           /* without memory: closes the WebSocket, and does not fail the test */
    const char *publishers; /* JSON list told at join */
    char seen[FAKE_SEEN_MAX][24]; /* names of requests in their order */
    json_t *bodies[FAKE_SEEN_MAX];
    size_t seen_len;
    struct sq_endpoint *far;     /* of echotest, or of the publisher */
    struct sq_endpoint *sub_far; /* sends to the subscriber */
    unsigned handles;
    unsigned sub_offers, sub_answers;
    bool ended;
};

void fake_start(struct fake_janus *f);
void fake_stop(struct fake_janus *f);
/* Sends this text to the client, unasked. */
void fake_tell(struct fake_janus *f, const char *text);
/* How often a request of that name came. */
unsigned fake_count(const struct fake_janus *f, const char *name);
/* The whole message of the last request of that name, or NULL. */
json_t *fake_last(const struct fake_janus *f, const char *name);

#endif

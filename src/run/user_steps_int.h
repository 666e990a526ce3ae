/* Inside of a user's steps: user_steps.c does them, user_steps_http.c the requests,
 * user_steps_talk.c messages, user_steps_ice.c ICE servers. */
#ifndef SQ_RUN_USER_STEPS_INT_H
#define SQ_RUN_USER_STEPS_INT_H

#include "base/rand.h"
#include "net/http.h"
#include "run/inbox.h"
#include "run/shared.h"
#include "run/user_int.h"
#include "scenario/steps.h"

struct sq_step_value {
    const char *name; /* borrowed of the plan */
    char *text;       /* owned */
};

struct sq_dns_query;
struct sq_ice_servers;
struct sq_ws;

struct sq_step_socket {
    struct sq_user_steps *steps;
    struct sq_ws *ws; /* owned; NULL: not connected */
    bool open;
    struct sq_inbox inbox;
    enum sq_failure cause; /* of its end */
    char why[SQ_PEER_TEXT_MAX];
};

enum sq_talk_phase { SQ_TALK_OPENING, SQ_TALK_SENDING, SQ_TALK_EXPECTING };

struct sq_user_steps {
    struct sq_user *user;
    const struct sq_steps *list; /* that is being done; NULL: none */
    size_t at;                   /* the step at hand */
    bool called;                 /* it has begun, and something else says when it is over */
    bool before_done;
    struct sq_timer timer;
    struct sq_http *request;
    struct sq_shared_wait wait;
    uint64_t give_up_ns; /* wait_for */
    struct sq_rand rand;
    struct sq_step_value values[SQ_STEP_NAMES_MAX];
    size_t values_len;
    uint64_t timers_ns[SQ_STEP_FIGURES_MAX]; /* when each began; 0: it does not run */
    bool muted[2];                           /* by enum sq_media_kind */
    const struct sq_clip *shared;            /* in the place of its own video; NULL: not */
    /* user_steps_talk.c */
    struct sq_step_socket *sockets; /* owned: SQ_STEP_SOCKETS_MAX; NULL until the first one */
    struct sq_inbox heard;          /* on data channels */
    bool hears_data;                /* a step expects something there */
    enum sq_talk_phase phase;       /* of the step at hand */
    uint64_t until_ns, sent, sent_from_ns, passed_over;
    /* user_steps_ice.c */
    struct sq_dns_query *query;
    struct sq_ice_servers *coming; /* owned: that are being looked up */
    size_t coming_at;
};

const struct sq_step *sq_user_step(const struct sq_user_steps *s);
/* The step is over; the next one begins with the loop's next turn. */
void sq_user_step_done(struct sq_user_steps *s);
/* The user fails by this step: "FILE:LINE: step 2 of before, http GET …: " and the sentence. */
void sq_user_step_fail(struct sq_user_steps *s, enum sq_failure cause, const char *fmt, ...)
    SQ_PRINTF(3, 4);
/* Owns `text` from now on, also on failure. SQ_ERR_NOMEM. */
int sq_user_step_keep(struct sq_user_steps *s, const char *name, char *text) SQ_MUST_USE;
/* The text with its marks filled in; `json`: within JSON strings. NULL: *ret_err, and of
 * SQ_ERR_NOTFOUND the name that has no value in `missing`. */
char *sq_user_step_put(const struct sq_user *user, const char *text, bool json, int *ret_err,
                       char missing[static SQ_STEP_NAME_MAX + 8]);

/* The step at hand goes on with the loop's next turn. */
void sq_user_step_soon(struct sq_user_steps *s);
/* All values out of an answer or a message: 0, or an error and, in `why`, a sentence or nothing. */
int sq_user_step_take_all(struct sq_user_steps *s, const struct sq_step_take *takes, size_t n,
                          const struct sq_http_response *answer, char *why,
                          size_t why_room) SQ_MUST_USE;

/* user_steps_talk.c */
void sq_user_step_talk(struct sq_user_steps *s, const struct sq_step *step);
/* Its timer has fired. */
void sq_user_step_talk_on(struct sq_user_steps *s, const struct sq_step *step);
bool sq_user_steps_hear(const struct sq_steps *list);
/* Closes what is open. */
void sq_user_step_hang_up(struct sq_user_steps *s);

/* user_steps_ice.c */
void sq_user_step_ice(struct sq_user_steps *s, const struct sq_step *step);
void sq_user_step_ice_stop(struct sq_user_steps *s);

void sq_user_step_http(struct sq_user_steps *s, const struct sq_step *step);

#endif

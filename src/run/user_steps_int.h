/* Inside of a user's steps: user_steps.c does them, user_steps_http.c the requests. */
#ifndef SQ_RUN_USER_STEPS_INT_H
#define SQ_RUN_USER_STEPS_INT_H

#include "base/rand.h"
#include "net/http.h"
#include "run/shared.h"
#include "run/user_int.h"
#include "scenario/steps.h"

struct sq_step_value {
    const char *name; /* borrowed of the plan */
    char *text;       /* owned */
};

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

void sq_user_step_http(struct sq_user_steps *s, const struct sq_step *step);

#endif

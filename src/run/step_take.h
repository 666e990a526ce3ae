/* Values out of an answer: by a JSON pointer (RFC 6901), an expression, a header. */
#ifndef SQ_RUN_STEP_TAKE_H
#define SQ_RUN_STEP_TAKE_H

#include "net/http.h"
#include "scenario/steps.h"
#include <jansson.h>

/* What the pointer points to; NULL: nothing. Borrowed from `root`. */
json_t *sq_json_at(json_t *root, const char *pointer);

/* A copy (sq_free) of the value. SQ_ERR_FORMAT: it is not there, and `why` says what was; `root` is
 * the body as JSON (signal/jsontext.h), NULL where it cannot be read, and json_why says what it is
 * then: "no JSON: line 1: …". SQ_ERR_NOMEM. */
int sq_step_take(const struct sq_step_take *take, const struct sq_http_response *answer,
                 json_t *root, const char *json_why, char **ret_value, char *why,
                 size_t why_room) SQ_MUST_USE;

/* The message is the one that is waited for; `values`: of the match's places, filled in. `text`
 * ends with a NUL behind its len bytes. */
bool sq_step_matches(const struct sq_step_match *match, char *const *values, const char *text,
                     size_t len);

#endif

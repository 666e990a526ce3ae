/* The step `http`: a request of one user, and values taken out of its answer. */
#include "base/mem.h"
#include "base/secret.h"
#include "run/step_take.h"
#include "run/user_steps_int.h"
#include "signal/jsontext.h"
#include "signal/session.h"
#include <stdio.h>
#include <string.h>

#define TELL_BODY 80 /* bytes of an answer that a message shows */

/* The body's first bytes on one line, for a message. */
static void shown_body(const struct sq_http_response *r, char out[static TELL_BODY + 1])
{
    size_t n = 0;
    for (; n < TELL_BODY && n < r->body_len; n++) {
        unsigned char c = (unsigned char)r->body[n];
        out[n] = (char)(c < 0x20 || c > 0x7e ? ' ' : c);
    }
    out[n] = '\0';
}

static json_t *read_json(const struct sq_http_response *r, json_error_t *ret_error)
{
    return sq_jsontext_parse(r->body ? r->body : "", r->body_len, JSON_DECODE_ANY, ret_error);
}

/* What would have been taken out of the answer is no more for others to see than what was. */
static void mask_takes(const struct sq_step_http *http, const struct sq_http_response *r,
                       char *body)
{
    char why[160], json_why[] = "";
    json_error_t error = {.text = ""};
    json_t *root = read_json(r, &error);
    for (size_t i = 0; i < http->takes_len; i++) {
        char *text = NULL;
        if (sq_step_take(&http->takes[i], r, root, json_why, &text, why, sizeof(why)) == 0) {
            sq_secret_mask_value(body, text);
            sq_free(text);
        }
    }
    json_decref(root);
}

/* An answer that lets in has what nobody else may see; one that refuses says why. */
static void tell_body(struct sq_user_steps *s, const struct sq_step_http *http,
                      const struct sq_http_response *r, char out[static TELL_BODY + 48])
{
    char body[TELL_BODY + 1];
    const char *type = sq_http_header(r, "Content-Type", 0);
    out[0] = '\0';
    if (r->status < 400) {
        snprintf(out, TELL_BODY + 48, "; the answer has %zu bytes%s%.40s", r->body_len,
                 type ? " of " : "", type ? type : "");
        return;
    }
    shown_body(r, body);
    sq_user_mask(s->user, body);
    mask_takes(http, r, body);
    sq_secret_mask_tokens(body, r->body_len > TELL_BODY);
    if (body[0]) {
        snprintf(out, TELL_BODY + 48, "; it says: %s", body);
    }
}

static void told_status(struct sq_user_steps *s, const struct sq_step_http *http,
                        const struct sq_http_response *r)
{
    char body[TELL_BODY + 48], range[16] = "";
    bool auth = r->status == 401 || r->status == 403;
    tell_body(s, http, r, body);
    if (http->status_least != http->status_most) {
        snprintf(range, sizeof(range), " to %d", http->status_most);
    }
    sq_user_step_fail(s, auth ? SQ_FAILURE_AUTH : SQ_FAILURE_SIGNALING,
                      "status %d; expected %d%s%s", r->status, http->status_least, range, body);
}

static bool takes_json(const struct sq_step_take *takes, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || takes[i].how == SQ_STEP_TAKE_JSON;
    }
    return any;
}

int sq_user_step_take_all(struct sq_user_steps *s, const struct sq_step_take *takes, size_t n,
                          const struct sq_http_response *answer, char *why, size_t why_room)
{
    char json_why[192] = "";
    json_error_t error = {.text = ""};
    json_t *root = takes_json(takes, n) ? read_json(answer, &error) : NULL;
    bool number = json_error_code(&error) == json_error_numeric_overflow;
    snprintf(json_why, sizeof(json_why), "%s: line %d: %.100s",
             number ? "JSON that cannot be read" : "no JSON", error.line, error.text);
    int err = 0;
    for (size_t i = 0; !err && i < n; i++) {
        char *text = NULL;
        err = sq_step_take(&takes[i], answer, root, json_why, &text, why, why_room);
        err = err ? err : sq_user_step_keep(s, takes[i].name, text);
    }
    json_decref(root);
    return err;
}

static void take_all(struct sq_user_steps *s, const struct sq_step_http *http,
                     const struct sq_http_response *r)
{
    char why[200] = "";
    int err = sq_user_step_take_all(s, http->takes, http->takes_len, r, why, sizeof(why));
    if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", why[0] ? why : sq_err_name(err));
    } else {
        sq_user_step_done(s);
    }
}

static void on_answer(void *ctx, const struct sq_http_response *r)
{
    struct sq_user_steps *s = ctx;
    const struct sq_step_http *http = sq_user_step(s)->http;
    s->request = NULL;
    if (r->err) {
        enum sq_cause cause = sq_session_net_cause(r->err, r->during);
        sq_user_step_fail(s, cause < SQ_CAUSE_COUNT ? (enum sq_failure)cause : SQ_FAILURE_CONNECT,
                          "%.160s", r->text[0] ? r->text : sq_err_name(r->err));
    } else if (r->status < http->status_least || r->status > http->status_most) {
        told_status(s, http, r);
    } else {
        sq_user_tell(s->user, "step", "%.120s: %d after %.1f ms", sq_user_step(s)->words, r->status,
                     (double)r->times.total_ns / 1e6);
        take_all(s, http, r);
    }
}

/* What is sent, with the values put in. */
struct request {
    char *url, *body;
    char *headers[SQ_STEP_HEADERS_MAX + 2];
};

static int fill(struct sq_user_steps *s, const struct sq_step_http *http, struct request *q,
                char missing[static SQ_STEP_NAME_MAX + 8])
{
    int err = 0;
    q->url = sq_user_step_put(s->user, http->url, false, &err, missing);
    q->body = err || !http->body ? NULL
                                 : sq_user_step_put(s->user, http->body, http->json, &err, missing);
    for (size_t i = 0; !err && i < http->headers_len; i++) {
        q->headers[i] = sq_user_step_put(s->user, http->headers[i], false, &err, missing);
        if (q->headers[i] && strpbrk(q->headers[i], "\r\n")) {
            err = SQ_ERR_FORMAT; /* an answer must not write headers of its own */
        }
    }
    return err;
}

static void free_request(struct request *q)
{
    sq_free(q->url);
    sq_free(q->body);
    for (size_t i = 0; i < SQ_STEP_HEADERS_MAX + 2; i++) {
        sq_free(q->headers[i]);
    }
}

void sq_user_step_http(struct sq_user_steps *s, const struct sq_step *step)
{
    const struct sq_step_http *http = step->http;
    const struct sq_user *user = s->user;
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    struct request q = {0};
    int err = fill(s, http, &q, missing);
    const struct sq_http_options options = {
        .method = http->method,
        .url = q.url,
        .headers = (const char *const *)q.headers,
        .body = q.body,
        .body_len = q.body ? strlen(q.body) : 0,
        .insecure = user->group->insecure,
        .ca_file = user->group->ca_file,
        .timeout_ns = http->timeout_ns ? http->timeout_ns : user->env->plan->answer_timeout_ns,
        .body_max_bytes = SQ_STEP_HTTP_BODY_MAX,
        .link = user->link,
    };
    err = err ? err : sq_http_start(user->env->loop, &options, on_answer, s, &s->request);
    free_request(&q);
    if (missing[0]) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "there is no value for ${%s}", missing);
    } else if (err == SQ_ERR_FORMAT) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "a value with a line break for a header");
    } else if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "the request cannot be made: %s",
                          sq_err_name(err));
    }
}

#include "run/expect.h"
#include <stdio.h>
#include <string.h>

static size_t count_failed(const struct sq_result *r, const struct sq_expectation **ret_first)
{
    size_t n = 0;
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        if (!e->ok && e->level == SQ_LEVEL_ERROR) {
            if (n++ == 0) {
                *ret_first = e;
            }
        }
    }
    return n;
}

static bool any_connected(const struct sq_result *r)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].connected) {
            return true;
        }
    }
    return false;
}

/* A service that connects peers and forwards nothing to any was reached, and it failed them. */
static bool failed_all_it_reached(const struct sq_result *r)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].reached && r->peers[i].outcome == SQ_OUTCOME_FAILED) {
            return true;
        }
    }
    return false;
}

/* The cause that hit most peers, or NULL. */
static const struct sq_peer_row *main_failure(const struct sq_result *r, enum sq_failure *ret_cause)
{
    size_t worst = 0;
    for (size_t c = 1; c < SQ_FAILURE_COUNT; c++) {
        if (r->failures[c].count > 0 &&
            (!worst || r->failures[c].count > r->failures[worst].count)) {
            worst = c;
        }
    }
    if (!worst) {
        return NULL;
    }
    *ret_cause = (enum sq_failure)worst;
    return &r->peers[r->failures[worst].example];
}

const struct sq_peer_row *sq_result_waiting(const struct sq_result *r)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].outcome == SQ_OUTCOME_PENDING && r->peers[i].message[0]) {
            return &r->peers[i];
        }
    }
    return NULL;
}

/* One whose script made no connection; NULL: there is none. */
static const struct sq_peer_row *unlinked(const struct sq_result *r)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].unlinked) {
            return &r->peers[i];
        }
    }
    return NULL;
}

static void unreached_reason(const struct sq_result *r, char *text, size_t size)
{
    enum sq_failure cause = SQ_FAILURE_NONE;
    const struct sq_peer_row *example = main_failure(r, &cause);
    if (r->error[0]) {
        snprintf(text, size, "%s", r->error);
    } else if (r->peer_count == 0) {
        snprintf(text, size, "no peer was started");
    } else if (example) {
        snprintf(text, size, "none of %llu peers connected; most failed with cause %s: %s",
                 (unsigned long long)r->counts.started, sq_failure_name(cause),
                 example->message[0] ? example->message : sq_failure_words(cause));
    } else if (unlinked(r)) {
        snprintf(text, size, "none of %llu peers connected: %s",
                 (unsigned long long)r->counts.started, unlinked(r)->message);
    } else if (r->counts.ok > 0) {
        snprintf(text, size,
                 "none of %llu peers connected: they signed in, and the service gave them nothing "
                 "to receive (is the room empty?)",
                 (unsigned long long)r->counts.started);
    } else {
        const struct sq_peer_row *waiting = sq_result_waiting(r);
        snprintf(text, size, "none of %llu peers connected before the run ended%s%s",
                 (unsigned long long)r->counts.started, waiting ? ": " : "",
                 waiting ? waiting->message : "");
    }
}

static void failed_reason(size_t failed, const struct sq_expectation *first, char *text,
                          size_t size)
{
    if (failed == 1) {
        snprintf(text, size, "an expectation failed: %s", first->message);
    } else {
        snprintf(text, size, "%zu expectations failed, the first: %s", failed, first->message);
    }
}

static void stopped_reason(const struct sq_result *r, char *text, size_t size)
{
    bool known = r->stop.expectation < r->expectation_count;
    const char *expr = known ? r->expectations[r->stop.expectation].expr : "an expectation";
    snprintf(text, size, "ended after %.6g s, when '%.200s' had become hopeless: %s",
             r->stop.after_s, expr, r->stop.message);
}

/* Where the generator's own limits bound the figures (a note), one that holds holds; one that fails
 * may fail by those limits. How many peers came through is another matter: timers and sends were
 * in bounds. */
static void judge_bounded(struct sq_result *r)
{
    struct sq_generator_health *h = &r->generator;
    for (size_t i = 0; h->ok && h->note[0] && i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        if (!e->ok && e->level == SQ_LEVEL_ERROR && e->of_figures) {
            h->ok = false;
            snprintf(h->reason, sizeof(h->reason), "%s; so this may be its own doing: %s", h->note,
                     e->message);
            h->note[0] = '\0';
        }
    }
}

/* What the decoder was given with holes looks broken by the service's doing. */
static void judge_decoder(struct sq_result *r)
{
    struct sq_generator_health *h = &r->generator;
    for (size_t i = 0; h->ok && h->decode_dropped > 0 && i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        if (!e->ok && e->level == SQ_LEVEL_ERROR && e->of_decoding) {
            h->ok = false;
            snprintf(h->reason, sizeof(h->reason),
                     "%llu packets found no room before the decoder (use a smaller --decode), so "
                     "this may be its own doing: %s",
                     (unsigned long long)h->decode_dropped, e->message);
        }
    }
}

/* The verdict of what was measured, as if nobody had interrupted it. */
static int judge(const struct sq_result *r, enum sq_run_verdict *ret_verdict, char *text,
                 size_t size)
{
    const struct sq_expectation *first = NULL;
    size_t failed = count_failed(r, &first);
    if (!r->generator.ok) {
        *ret_verdict = SQ_VERDICT_INVALID;
        snprintf(text, size,
                 "the generator was the bottleneck, so this says nothing about the %s: %s",
                 r->of_a_path ? "path" : "service",
                 r->generator.reason[0] ? r->generator.reason : "no reason given");
        return SQ_EXIT_INVALID;
    }
    if (r->error[0] || (!any_connected(r) && !(failed > 0 && failed_all_it_reached(r)))) {
        *ret_verdict = SQ_VERDICT_ERROR;
        unreached_reason(r, text, size);
        return SQ_EXIT_UNREACHED;
    }
    if (r->stop.on) {
        *ret_verdict = SQ_VERDICT_FAIL;
        stopped_reason(r, text, size);
        return SQ_EXIT_EXPECTATION;
    }
    if (failed > 0) {
        *ret_verdict = SQ_VERDICT_FAIL;
        failed_reason(failed, first, text, size);
        return SQ_EXIT_EXPECTATION;
    }
    *ret_verdict = SQ_VERDICT_PASS;
    snprintf(text, size, "every expectation held");
    return SQ_EXIT_HELD;
}

/* What was measured until then can show that the service fails, but not that it would have held to
 * the end. */
static void judge_cut(struct sq_result *r, char *text, size_t size)
{
    char inner[sizeof(r->verdict_reason)];
    snprintf(inner, sizeof(inner), "%s", text);
    if (r->verdict == SQ_VERDICT_PASS) {
        r->verdict = SQ_VERDICT_ERROR;
        r->exit_code = SQ_EXIT_UNREACHED;
        snprintf(text, size, "%s; until then every expectation held", r->cut);
    } else {
        snprintf(text, size, "%.570s; and %s", inner, r->cut);
    }
}

int sq_verdict(struct sq_result *r)
{
    char text[sizeof(r->verdict_reason)];
    sq_result_tally(r);
    judge_bounded(r);
    judge_decoder(r);
    r->exit_code = judge(r, &r->verdict, text, sizeof(text));
    if (r->cut[0]) {
        judge_cut(r, text, sizeof(text));
    }
    if (r->interrupted) {
        char inner[sizeof(text)];
        memcpy(inner, text, sizeof(inner));
        bool passed = r->verdict == SQ_VERDICT_PASS;
        /* What was measured so far can show that the service fails, but not that it would have
         * held to the end. */
        r->verdict = passed ? SQ_VERDICT_ERROR : r->verdict;
        snprintf(text, sizeof(text), "interrupted before its end; so far: %.790s", inner);
        r->exit_code = SQ_EXIT_INTERRUPTED;
    }
    SQ_RESULT_SET(r->verdict_reason, text);
    return r->exit_code;
}

void sq_verdict_incomplete(struct sq_result *r, const char *what)
{
    size_t len = strlen(r->incomplete);
    snprintf(r->incomplete + len, sizeof(r->incomplete) - len, "%s%s", len ? "; " : "", what);
    if (r->exit_code == SQ_EXIT_HELD || sq_result_is_incomplete(r)) {
        char text[sizeof(r->verdict_reason)];
        r->exit_code = SQ_EXIT_USAGE;
        snprintf(text, sizeof(text),
                 "every expectation held, but the results are not whole: %.760s", r->incomplete);
        SQ_RESULT_SET(r->verdict_reason, text);
    }
}

/* Expectations: what the user wants to hold, parsed from the command line or the scenario, and
 * judged against a result. docs/expectations.md has all of it with examples.
 *
 *   EXPECTATION = OR { TAIL }
 *   OR          = AND { "or" AND }
 *   AND         = TERM { "and" TERM }
 *   TERM        = METRIC[.AGG] OP NUMBER [UNIT] | "(" OR ")"
 *               | "time(" METRIC OP NUMBER [UNIT] ")"[.AGG] OP NUMBER [UNIT]
 *   TAIL        = "for" N "%" "of" "peers" | "where" COND { "and" COND }
 *               | "between" EVENT "and" EVENT | "else" ("warn" | "error")      each at most once
 *   COND        = ("group" | "room" | "network" | "target") "is" ["not"] NAME
 *   EVENT       = a time since the start | start ramped draining end | joined up leaving | a tag
 *   ABORT       = EXPECTATION ["@" DELAY]
 *
 * METRIC: names of stats/metrics.h and peers.ok|failed|dropped, timer.NAME and counter.NAME of
 * steps; those of testRTC that differ are taken too (packetloss = loss, roundtrip = rtt, channel =
 * track). AGG: avg (default) min max p1...p99 p99.9 stddev rstddev count total rate last, k6's
 * p(95), Loadero's 95th. OP: == != < <= >
 * >=. UNIT: %, ms, s, kbit/s (also k, M), fps; without one, the metric's own unit.
 *
 * What a term is about:
 *  - without "for": the aggregate over all samples of all peers (of "where", in the window);
 *  - a bare number of channels (video.in, audio.out): every connected peer by itself, as testRTC
 *    judges each probe; the value shown is the worst peer's;
 *  - peers.*: counts; with % the share of the started attempts;
 *  - with "for N% of peers": the whole expression is judged for each peer on its own average, or on
 * the aggregate that is written. A peer without a sample is left out (a viewer sends no video), but
 * one that failed counts as not holding. The value is the share of peers for which it holds.
 *  - time(): from each peer's intended start to the end of the first second in which it holds.
 * A metric without any sample fails with "no sample"; nothing passes silently. */
#ifndef SQ_RUN_EXPECT_H
#define SQ_RUN_EXPECT_H

#include "base/err.h"
#include "base/time.h"
#include "run/result.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_EXPECT_TEXT_MAX  1024 /* characters of one expectation */
#define SQ_EXPECT_TERMS_MAX 32
#define SQ_EXPECT_DEPTH_MAX 16 /* brackets */

/* How long an expectation that ends the run may fail first, unless it says so itself. */
#define SQ_EXPECT_ABORT_AFTER_NS (5 * SQ_NS_PER_SEC)

struct sq_expect; /* opaque */
struct sq_plan;
struct sq_slices;

struct sq_expect_error {
    size_t column;     /* from 1, in characters */
    char message[320]; /* what was expected there, without the column */
};

/* The text is copied. SQ_ERR_FORMAT or SQ_ERR_UNSUPPORTED fill ret_error (nullable), SQ_ERR_NOMEM
 * does not. */
int sq_expect_parse(const char *text, struct sq_expect **ret_expect,
                    struct sq_expect_error *ret_error) SQ_MUST_USE;
/* The same for one that ends the run once it is hopeless (--abort-on, abort_on): it may end with
 * "@10s", and is judged from so long after the start on. Else it is an expectation like others. */
int sq_expect_parse_abort(const char *text, struct sq_expect **ret_expect,
                          struct sq_expect_error *ret_error) SQ_MUST_USE;
/* Against the plan, before the run: names of groups, rooms, networks and targets that no peer can
 * have, events that cannot come. SQ_ERR_INVALID fills ret_error (nullable). */
int sq_expect_check(const struct sq_expect *e, const struct sq_plan *plan,
                    struct sq_expect_error *ret_error) SQ_MUST_USE;
/* What a run must keep to judge them all. SQ_ERR_NOSPACE: more than SQ_SLICES_MAX. */
int sq_expect_slices(struct sq_expect *const *list, size_t n,
                     struct sq_slices *ret_slices) SQ_MUST_USE;
/* It is judged by more than a plain result holds: a window, some of the peers, … */
bool sq_expect_needs_run(const struct sq_expect *e);
/* The first metric that it names and that is not `measured` (an array by enum sq_metric_id of all,
 * SQ_METRIC_ALL_COUNT): its name, and its column in ret_column. NULL: they all are. */
const char *sq_expect_unmeasured(const struct sq_expect *e, const bool *measured,
                                 size_t *ret_column);
/* "for N% of peers" */
bool sq_expect_is_by_peer(const struct sq_expect *e);
/* NULL is allowed. */
void sq_expect_destroy(struct sq_expect *e);
const char *sq_expect_text(const struct sq_expect *e); /* borrowed from e */
/* The expectation names this metric somewhere ("peers.failed"). */
bool sq_expect_names(const struct sq_expect *e, const char *metric);
/* Or one whose name begins so ("video."). */
bool sq_expect_names_any(const struct sq_expect *e, const char *prefix);

/* It says how many of all peers may fail. */
bool sq_expect_about_peers(const struct sq_expect *e);

/* It is about more than how many peers came through. */
bool sq_expect_of_figures(const struct sq_expect *e);

/* Judges one expectation and fills `ret_outcome` but for its `expr`. Never fails: what cannot be
 * judged is not ok. Call sq_result_tally before. */
void sq_expect_eval(const struct sq_expect *e, const struct sq_result *r,
                    struct sq_expectation *ret_outcome);

/* What holds when the user says nothing about it: a run in which peers failed is not a pass. */
#define SQ_EXPECT_DEFAULT "peers.failed == 0"

/* So is one in which video was agreed, and nobody ever saw a frame of any; or in which it was
 * refused to everybody who asked. Audio only where that was refused. */
#define SQ_EXPECT_VIDEO "video.in.fps > 0"
#define SQ_EXPECT_AUDIO "audio.in.bitrate > 0"

/* Judges all into the result's rows (earlier rows are dropped), SQ_EXPECT_DEFAULT as well unless
 * one of them names peers.ok or peers.failed, and SQ_EXPECT_AUDIO and SQ_EXPECT_VIDEO where they
 * fail and none of them is about that medium; and then calls sq_verdict. */
int sq_expect_judge(struct sq_expect *const *list, size_t n, struct sq_result *r) SQ_MUST_USE;

/* Sets verdict, exit_code and verdict_reason from what the result holds; returns the exit code. The
 * order, and why, is in docs/exit-codes.md: 130 before 4 before 3 before 1 before 0. */
int sq_verdict(struct sq_result *r);
/* After it: some of the results could not be written, and `what` says which and why. A run that
 * held ends with 2 then, and its reason says so; the verdict, which is about the service, stays.
 * May be called for each thing that is missing. */
void sq_verdict_incomplete(struct sq_result *r, const char *what);

#endif

/* Writes a finished result down: the results directory and its single files. Knows no live peers.
 *
 *   DIR/summary.json  the contract: share/schema/summary.schema.json
 *   DIR/timeline.csv  a row a second
 *   DIR/peers.csv     a row a peer (RFC 4180)
 *   DIR/junit.xml     a test case an expectation
 *   DIR/report.html   one file, no network
 *   DIR/webrtc-internals/PEER.json  dumps of the peers that have a trace
 *
 *   DIR/record/…      recordings: src/run/record.h writes them
 *
 * Every file is written beside its place and renamed into it, so that a reader never sees half a
 * file. Text that came from the network is escaped everywhere. */
#ifndef SQ_REPORT_REPORT_H
#define SQ_REPORT_REPORT_H

#include "base/err.h"
#include "base/str.h"
#include "run/result.h"

struct sq_report_error {
    int saved_errno;
    char message[512]; /* "cannot write /x/summary.json: No space left on device" */
};

/* Before a run: makes DIR (and its parents) if it is not there, and deletes what an earlier run has
 * left in it, so that no file of the one is taken for the other's: regular files of the names
 * above, and recordings, and the two folders in DIR that are empty then. Nothing else is touched,
 * no link followed. DIR is this run's while *ret_lock is open, which the caller closes (-1: it
 * cannot be guarded). SQ_ERR_INVALID, and nothing was deleted: another run has DIR, or a
 * file in it is `keep` (nullable: a path), which is not to go. SQ_ERR_IO or SQ_ERR_NOMEM fill
 * ret_error, too. */
int sq_report_begin(const char *dir, const char *keep, int *ret_lock,
                    struct sq_report_error *ret_error) SQ_MUST_USE;
/* Makes DIR (and its parents) if it is not there and writes all files. SQ_ERR_IO or SQ_ERR_NOMEM
 * fill ret_error (nullable) with the first failure, and how many more there were; the other files
 * are written all the same. */
int sq_report_write(const struct sq_result *r, const char *dir,
                    struct sq_report_error *ret_error) SQ_MUST_USE;

enum sq_report_kind {
    SQ_REPORT_JSON,
    SQ_REPORT_JUNIT,
    SQ_REPORT_HTML,
    SQ_REPORT_TIMELINE,
    SQ_REPORT_PEERS,
    SQ_REPORT_MARKDOWN, /* for a job page */
};

/* One file at a path of the user's choice: --json, --junit, --html, --markdown. "-" is standard
 * output. */
int sq_report_write_file(const struct sq_result *r, enum sq_report_kind kind, const char *path,
                         struct sq_report_error *ret_error) SQ_MUST_USE;

/* When the result has changed since one of its files was written (sq_verdict_incomplete): writes it
 * anew, where there is one. A file that cannot be is removed, as what it says holds no more. What
 * is no regular file stays as it is. */
void sq_report_rewrite(const struct sq_result *r, enum sq_report_kind kind, const char *dir);
void sq_report_rewrite_file(const struct sq_result *r, enum sq_report_kind kind, const char *path);

/* What somebody else has rendered, in the same way. */
int sq_report_put(const char *path, const struct sq_buf *content,
                  struct sq_report_error *ret_error) SQ_MUST_USE;

/* The same as text in memory; `out` is sticky about failures (out->err). */
void sq_report_render(const struct sq_result *r, enum sq_report_kind kind, struct sq_buf *out);
/* What did not hold as workflow commands of GitHub Actions, a line each ("::error title=…::…"):
 * nothing where all is well. Sticky like the above. */
void sq_report_github(const struct sq_result *r, struct sq_buf *out);
/* The chrome://webrtc-internals dump of one trace. */
void sq_report_render_dump(const struct sq_result *r, const struct sq_peer_trace *t,
                           struct sq_buf *out);

#endif

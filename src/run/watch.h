/* Expectations that end a run once they are hopeless (--abort-on): each shard counts and shows once
 * a second what they are judged by, and the run's thread puts it together. */
#ifndef SQ_RUN_WATCH_H
#define SQ_RUN_WATCH_H

#include "run/expect.h"
#include "run/slice.h"

struct sq_watch; /* a shard's part */

/* Of the expectations those with `abort`; *ret_watch is NULL where there are none. `list` and
 * `tally` are borrowed. SQ_ERR_NOMEM. */
int sq_watch_create(struct sq_expect *const *list, size_t n, struct sq_slice_tally *tally,
                    struct sq_watch **ret_watch) SQ_MUST_USE;
void sq_watch_destroy(struct sq_watch *w); /* NULL is allowed, also below */

/* In the shard's thread. A peer that is there, once a second; one that has ended, once. */
void sq_watch_user(struct sq_watch *w, const struct sq_slice_user *user,
                   const struct sq_peer_row *row, uint64_t now_ns);
void sq_watch_end(struct sq_watch *w, const struct sq_slice_user *user,
                  const struct sq_peer_row *row, uint64_t now_ns);
/* All peers were looked at: what was counted is shown. */
void sq_watch_second(struct sq_watch *w);

/* In the run's thread: the first one that does not hold any more, on what all shards show.
 * `to_come` peers have not begun. False: none, or there was no memory to judge. */
bool sq_watch_judge(struct sq_watch *const *shards, size_t n, double after_s, uint64_t to_come,
                    struct sq_result_stop *ret_stop);

#endif

/* How the shards' reports come to the run's thread. It outlives a run that is gone before its end
 * for as long as posted reports are on their way. */
#ifndef SQ_RUN_MAILBOX_H
#define SQ_RUN_MAILBOX_H

#include "run/shard.h"

struct sq_loop;
struct sq_mailbox;

/* `take` is called in the thread of `loop` (borrowed until close), with a borrowed report, in the
 * order in which each shard sent them. Shards are numbered from 0 to shards - 1. SQ_ERR_NOMEM. */
int sq_mailbox_create(struct sq_loop *loop, unsigned shards,
                      void (*take)(void *ctx, const struct sq_shard_report *report), void *ctx,
                      struct sq_mailbox **ret_mailbox) SQ_MUST_USE;
/* In the shard's thread; its `ctx` is the mailbox. Without memory, or where the loop takes no more
 * posts, a report is left out (the next one has the counters), but never a shard's last one. */
void sq_mailbox_send(void *ctx, const struct sq_shard_report *report);
/* Nothing is taken any more. No shard may send after it. NULL is allowed. */
void sq_mailbox_close(struct sq_mailbox *mailbox);

#endif

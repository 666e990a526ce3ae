/* The rows of peers that are over, in a file (run/spool.h). Dumps, of which there are few, stay in
 * memory. One owner, no locks. */
#ifndef SQ_RUN_LEDGER_H
#define SQ_RUN_LEDGER_H

#include "run/result.h"

struct sq_ledger;

#define SQ_LEDGER_STORIES_MAX 10 /* as many as the report tells of; a few KB each */

/* Dumps of users below `dumps` are kept first: others leave them room. */
int sq_ledger_create(uint64_t dumps, struct sq_ledger **ret_ledger) SQ_MUST_USE;
void sq_ledger_destroy(struct sq_ledger *ledger); /* NULL is allowed */

/* Copies the row, its goodbye too. `trace` (nullable) is moved and left empty; past
 * SQ_RESULT_TRACES_MAX of them it is dropped, and counted. SQ_ERR_NOMEM: nothing was taken. */
int sq_ledger_add(struct sq_ledger *ledger, uint64_t index, const struct sq_peer_row *row,
                  struct sq_peer_trace *trace) SQ_MUST_USE;
/* Of a peer without a dump whose row was added: its story is moved and left empty if it is one of
 * the worst so far (run/worst.h), which it pushes out the least of. */
void sq_ledger_offer_story(struct sq_ledger *ledger, uint64_t index, const struct sq_peer_row *row,
                           struct sq_peer_trace *trace);
size_t sq_ledger_count(const struct sq_ledger *ledger);

/* Puts the rows of all ledgers into the result, by rising index, and moves their dumps there: those
 * that were asked for, then the rest, as far as they find room. All ledgers have the same `dumps`.
 * SQ_ERR_NOMEM, SQ_ERR_IO (errno) where the file cannot be read. */
int sq_ledger_collect(struct sq_ledger *const *ledgers, size_t n,
                      struct sq_result *result) SQ_MUST_USE;

#endif

/* Records of one size, added one by one and read at the end. They lie in a temporary file without a
 * name (in $TMPDIR, or /tmp), so that a run of a day takes no more memory than one of a minute;
 * without room on the disk they stay in memory. One owner, no locks. */
#ifndef SQ_RUN_SPOOL_H
#define SQ_RUN_SPOOL_H

#include "base/err.h"
#include <stddef.h>

struct sq_spool;

/* So many records are written in one go. SQ_ERR_NOMEM. */
int sq_spool_create(size_t record_bytes, size_t in_one_go, struct sq_spool **ret_spool) SQ_MUST_USE;
void sq_spool_destroy(struct sq_spool *spool); /* NULL is allowed */

/* Copies the record. SQ_ERR_NOMEM: it was not taken. */
int sq_spool_add(struct sq_spool *spool, const void *record) SQ_MUST_USE;
size_t sq_spool_count(const struct sq_spool *spool);
/* Copies record i < sq_spool_count. SQ_ERR_IO (errno) where the file cannot be read. */
int sq_spool_read(const struct sq_spool *spool, size_t i, void *ret_record) SQ_MUST_USE;

#endif

/* --record: where recordings go, and what became of them. */
#ifndef SQ_CLI_RECORD_OPTION_H
#define SQ_CLI_RECORD_OPTION_H

#include "cli/run_options.h"
#include "run/record.h"
#include <stdio.h>

#define SQ_RECORD_DIR_MAX 4096

struct sq_record_option {
    struct sq_record_plan plan;
    struct sq_filewriter *writer; /* owned; NULL: nothing is recorded */
    struct sq_record_seen seen;
    char dir[SQ_RECORD_DIR_MAX];
};

/* Does the command line make sense? SQ_ERR_INVALID with a sentence. */
int sq_record_option_check(const struct sq_run_options *o, char *why, size_t why_room) SQ_MUST_USE;
/* `record` stays where it is until it is freed. Makes DIR/record, where the results will lie in
 * DIR, and tries it. SQ_ERR_IO with a sentence. */
int sq_record_option_start(struct sq_record_option *record, const struct sq_run_options *o,
                           const char *dir, char *why, size_t why_room) SQ_MUST_USE;
/* After the run's peers are gone: waits for the disk, and says what there is, or why there is
 * nothing (out NULL: says nothing). SQ_ERR_IO with a sentence where some of it is not. */
int sq_record_option_tell(struct sq_record_option *record, FILE *out, char *why,
                          size_t why_room) SQ_MUST_USE;
void sq_record_option_free(struct sq_record_option *record);

#endif

/* The shape of a load: how many peers there are at each moment of a run, or how many begin a
 * second, or the very times at which they begin. What a command line or a scenario says in words,
 * as plain data; run/arrivals.h makes times of it. */
#ifndef SQ_SCENARIO_SHAPE_H
#define SQ_SCENARIO_SHAPE_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_SHAPE_STAGES_MAX   64
#define SQ_SHAPE_PEERS_MAX    1000000 /* at once */
#define SQ_SHAPE_RATE_MAX     1000000 /* a second */
#define SQ_SHAPE_ARRIVALS_MAX 2000000 /* over the whole run: results are kept of so many */
#define SQ_SHAPE_LENGTH_MAX_S 31536000ULL
#define SQ_SHAPE_LINE_MAX     4096 /* bytes, of a file of arrivals */

enum sq_shape_kind {
    SQ_SHAPE_NONE,
    SQ_SHAPE_PEERS, /* closed model: so many are there; who leaves is replaced */
    SQ_SHAPE_RATE,  /* open model: so many begin a second, whatever becomes of those before */
    SQ_SHAPE_TIMES, /* open model: each begins at a time of its own */
};

/* Goes evenly from where the stage before ended (from 0, the first one) to `to`; a stage of no time
 * is a step. */
struct sq_shape_stage {
    uint64_t over_ns;
    double to; /* peers, or arrivals a second */
};

struct sq_shape {
    enum sq_shape_kind kind;
    size_t stages_len;
    struct sq_shape_stage stages[SQ_SHAPE_STAGES_MAX];
    uint64_t *times_ns; /* owned; of SQ_SHAPE_TIMES: from the first one on, in order */
    size_t times_len;
};

struct sq_shape_error {
    size_t column;     /* from 1, in bytes; 0: of the whole text */
    char message[256]; /* what is wrong and what was expected, without the column */
};

/* "30s:100, 1m:100, 0s:500, 30s:0": stages, each a time and the peers at its end; or
 * "30s:20/s, 5m:20/s", "10m:600/m": and the arrivals a second, minute or hour at its end. A value
 * alone ("100", "20/s") holds for `duration_ns`; 0: such a text is refused. SQ_ERR_INVALID. The
 * shape holds nothing that needs freeing. */
int sq_shape_parse(const char *text, uint64_t duration_ns, struct sq_shape *ret_shape,
                   struct sq_shape_error *ret_error) SQ_MUST_USE;
/* A file of arrivals: a time a line, or CSV with a header and a column "time"; in seconds, or as
 * "2026-11-26T20:17:52.5Z". The first one is the start of the run. At most SQ_SHAPE_ARRIVALS_MAX,
 * in order. Reads regular files and pipes. SQ_ERR_IO, SQ_ERR_FORMAT or SQ_ERR_NOMEM, with `why`: a
 * sentence that names file and line. sq_shape_free it. */
int sq_shape_read(const char *path, struct sq_shape *ret_shape, char *why,
                  size_t why_room) SQ_MUST_USE;
/* Only of one that sq_shape_read made; a zeroed one is allowed. */
void sq_shape_free(struct sq_shape *shape);

/* Think time: "5s", or "2s..10s" for one that is drawn evenly. SQ_ERR_FORMAT. */
int sq_shape_parse_think(const char *text, uint64_t *ret_min_ns, uint64_t *ret_max_ns) SQ_MUST_USE;

/* Of stages, their sum; of times, the last one's. */
uint64_t sq_shape_length_ns(const struct sq_shape *shape);
/* So many begin by it before `until_ns`; of SQ_SHAPE_PEERS those who replace nobody. */
uint64_t sq_shape_arrivals(const struct sq_shape *shape, uint64_t until_ns);
/* At most so many are there at once, if each stays for stay_ns (SQ_NEVER: until the end). An upper
 * bound where the rate is not constant. */
uint64_t sq_shape_most(const struct sq_shape *shape, uint64_t stay_ns);

#endif

/* Results beside each other: what changed, whether by more than noise, and whether for the worse.
 * docs/compare.md tells the rules and why they are those.
 *
 * The first side is what the others are compared with. A side is one run, or several of the same.
 * What is said of a side beside it does not hang on the others. Where both sides have runs enough
 * that chance alone can be told apart (2 / C(n + m, n) <= alpha: four and four), the unit is the
 * run. Else it is the peer, and what is said holds within these runs alone, since the peers of a
 * run share its fate. */
#ifndef SQ_REPORT_COMPARE_H
#define SQ_REPORT_COMPARE_H

#include "base/err.h"
#include "base/str.h"
#include "stats/metrics.h"
#include "store/store.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_COMPARE_SIDES_MAX   8
#define SQ_COMPARE_FIGURES_MAX 256
#define SQ_COMPARE_NOTES_MAX   64
#define SQ_COMPARE_ALPHA       0.05
#define SQ_COMPARE_THRESHOLD   5.0  /* % of what it was, of repeated runs */
#define SQ_COMPARE_FEW         20.0 /* … and where they are too few to know their noise */

/* What is said of a figure. */
enum sq_compare_call {
    SQ_CALL_SAME,      /* it did not change, or by no more than noise */
    SQ_CALL_SMALL,     /* by more than noise, and by less than what counts */
    SQ_CALL_BETTER,    /* by more than noise, and by what counts */
    SQ_CALL_WORSE,     /* the same, the other way */
    SQ_CALL_GENERATOR, /* that much, but the generator itself was late by as much */
    SQ_CALL_UNKNOWN,   /* by what counts, and there is too little to tell whether it is noise */
    SQ_CALL_ABSENT,    /* one side did not measure it */
};

struct sq_compare_figure {
    enum sq_metric_id id;
    struct sq_agg agg;
};

struct sq_compare_row {
    char name[64]; /* "setup.total.p95" */
    struct sq_compare_figure figure;
    const char *unit;         /* static; of peers.ok and its like "%" */
    double before, after;     /* medians over the runs; NAN: not measured */
    double change, low, high; /* of the medians, in the unit; low and high are its interval, NAN
                                 without repeats */
    double change_percent;    /* NAN where it was 0 */
    double p, p_adjusted;     /* NAN: not tested */
    bool contrary;            /* most pairs of runs changed the other way than the medians */
    bool separated;           /* each run of the one lies beyond each of the other */
    bool of_peers;            /* both sides have peers' figures of it: where the unit is the peer */
    bool peers_apart;         /* of those, each of the one lies beyond each of the other */
    enum sq_compare_call call;
};

/* A side beside the first one. */
struct sq_compare_pair {
    size_t side;
    bool repeated; /* the unit is the run */
    double threshold_percent;
    struct sq_compare_row *rows; /* owned */
    size_t rows_count;
    size_t worse, better, unknown, generator, tested;
};

struct sq_compare_run {
    struct sq_stored_run *run; /* borrowed */
    bool used;
    char why_not[512]; /* "was INVALID: …" */
};

struct sq_compare_side {
    char *name;                  /* owned */
    struct sq_compare_run *runs; /* owned */
    size_t n, used;
};

enum sq_compare_verdict {
    SQ_COMPARE_NOT_WORSE,
    SQ_COMPARE_WORSE,
    SQ_COMPARE_INVALID, /* a side has too few runs that say anything of the service */
    SQ_COMPARE_ERROR,   /* a side did not reach the service */
};

struct sq_compare {
    double alpha;
    struct sq_compare_side sides[SQ_COMPARE_SIDES_MAX];
    size_t sides_count;
    struct sq_compare_pair pairs[SQ_COMPARE_SIDES_MAX]; /* none where nothing could be compared */
    size_t pairs_count;
    char *notes[SQ_COMPARE_NOTES_MAX]; /* owned */
    size_t notes_count, differences;   /* of the notes so many are about unlike configurations */
    enum sq_compare_verdict verdict;
    int exit_code;
    char reason[1024];
};

struct sq_compare_input {
    const char *name;
    struct sq_stored_run *const *runs; /* borrowed, as long as the comparison is used */
    size_t n;
};

struct sq_compare_options {
    double threshold_percent; /* NAN: SQ_COMPARE_THRESHOLD or SQ_COMPARE_FEW */
    bool strict;              /* unlike configurations are refused */
    bool all;                 /* every metric: the average, and p95 where less is better */
    const struct sq_compare_figure *figures; /* nullable: these alone */
    size_t figures_count;
};

/* Two to SQ_COMPARE_SIDES_MAX sides. Reads peers.csv where it needs it. SQ_ERR_INVALID: runs that
 * are given twice, unlike ones with `strict`, a figure that a run has not; or an error of the
 * store. All fill `why`. */
int sq_compare_make(const struct sq_compare_input *inputs, size_t n,
                    const struct sq_compare_options *options, struct sq_compare **ret_compare,
                    char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
/* Why a run says nothing of the service: "was INVALID"; NULL: it does. Static. */
const char *sq_compare_unusable(const struct sq_stored_run *run);
/* NULL is allowed. */
void sq_compare_free(struct sq_compare *c);

/* Not worse, as far as can be told; and something may be, which it cannot be told of. */
bool sq_compare_cannot_tell(const struct sq_compare *c);
const char *sq_compare_verdict_name(enum sq_compare_verdict v); /* "not-worse", … */
const char *sq_compare_call_name(enum sq_compare_call call);    /* "same", … */
/* The call for people, in words that do not say more than is known. */
const char *sq_compare_call_words(const struct sq_compare_pair *pair,
                                  const struct sq_compare_row *row);

struct sq_compare_text_options {
    bool color;
    bool part; /* of a run's closing text: its heading is one of several */
};

/* For the terminal, for a job's page, for programs, for CI. Failures are sticky in `out`. */
void sq_compare_text(const struct sq_compare *c, const struct sq_compare_text_options *options,
                     struct sq_buf *out);
void sq_compare_markdown(const struct sq_compare *c, struct sq_buf *out);
void sq_compare_json(const struct sq_compare *c, struct sq_buf *out);
void sq_compare_junit(const struct sq_compare *c, struct sq_buf *out);
/* One page, without scripts: nothing is fetched. */
void sq_compare_html(const struct sq_compare *c, struct sq_buf *out);

#endif

/* What the parser hands to the judge. */
#ifndef SQ_RUN_EXPECT_INT_H
#define SQ_RUN_EXPECT_INT_H

#include "run/expect.h"
#include "run/window.h"
#include "stats/metrics.h"

enum sq_expect_kind { SQ_EXPECT_TERM, SQ_EXPECT_AND, SQ_EXPECT_OR };

struct sq_expect_node {
    enum sq_expect_kind kind;
    int left, right; /* of AND and OR: indexes of nodes */
    /* of a term */
    enum sq_metric_id metric;
    char own[SQ_OWN_NAME_MAX + 1]; /* timer.NAME, counter.NAME: the name; else "" */
    struct sq_agg agg;
    bool has_agg; /* the user wrote one */
    char agg_text[12];
    enum sq_expect_op op;
    double number; /* in the metric's unit */
    bool share;    /* peers.* as % of the started attempts */
    bool track;    /* of each track by itself */
    bool timed;    /* time(METRIC time_op time_number), in ms */
    enum sq_expect_op time_op;
    double time_number;
    size_t at; /* byte offset in the text, for messages */
};

#define SQ_EXPECT_NODES_MAX (2 * SQ_EXPECT_TERMS_MAX)

struct sq_expect {
    char *text; /* owned */
    struct sq_expect_node nodes[SQ_EXPECT_NODES_MAX];
    int node_count;
    int root;
    bool by_peer; /* "for N% of peers" */
    double peers_percent;
    enum sq_expect_level level;
    struct sq_window window;       /* of all terms */
    size_t window_at[2];           /* byte offsets of its events */
    struct sq_where where;         /* of all terms */
    size_t where_at[SQ_WHERE_MAX]; /* byte offsets of its names */
    bool abort;                    /* --abort-on */
    uint64_t abort_after_ns;
    bool abort_after_given; /* the user said so */
};

/* A timer or counter of steps. */
static inline bool sq_expect_is_own(enum sq_metric_id id)
{
    return id == SQ_METRIC_OWN_TIMER || id == SQ_METRIC_OWN_COUNTER;
}
/* "<=" and the like. */
const char *sq_expect_op_text(enum sq_expect_op op);
/* peers.ok, peers.failed, peers.dropped. */
bool sq_expect_counts_peers(enum sq_metric_id id);
/* The number of channels: audio.in and its like. */
bool sq_expect_is_channels(enum sq_metric_id id);
/* Of --decode. */
bool sq_expect_is_decoding(enum sq_metric_id id);
/* Where the values of the terms of a peer are that its row does not hold. */
struct sq_expect_values {
    bool sliced[SQ_EXPECT_NODES_MAX];
    const double *of[SQ_EXPECT_NODES_MAX]; /* borrowed; one a peer; NULL: none were measured */
};

enum sq_peer_answer { SQ_PEER_NO_SAMPLE, SQ_PEER_HOLDS, SQ_PEER_HOLDS_NOT };

/* Whether it holds for that peer. Who has no sample of agreed media that never came does not hold.
 */
enum sq_peer_answer sq_expect_peer_answer(const struct sq_expect *e, const struct sq_peer_row *p,
                                          const struct sq_expect_values *values, size_t peer);
/* What has been counted of the peers of an expectation. */
struct sq_expect_live {
    uint64_t holds, misses;
    uint64_t failed_before; /* of the misses: had no value */
    uint64_t without;       /* had no value, and did not fail */
    struct sq_peer_counts counts;
    uint64_t to_come; /* have not begun yet */
};

/* Counts an answer. */
void sq_expect_count(struct sq_expect_live *n, const struct sq_peer_row *p,
                     enum sq_peer_answer answer);
void sq_expect_count_outcome(struct sq_peer_counts *c, const struct sq_peer_row *p);
/* As sq_expect_eval, of a run that goes on. */
void sq_expect_eval_live(const struct sq_expect *e, const struct sq_result *r,
                         const struct sq_expect_live *live, struct sq_expectation *ret_outcome);
/* One peer's own average of a metric; NAN without one, or for a metric that is not a peer's. */
double sq_expect_peer_value(const struct sq_peer_row *p, enum sq_metric_id id);
/* The metric is known for each peer by itself. */
bool sq_expect_has_peer_value(enum sq_metric_id id);

/* In which its number and value are. */
enum sq_metric_unit sq_expect_unit(const struct sq_expect_node *node);
/* The slice that a term is judged by; false: by the peers' rows, the counts or the metrics of the
 * run. `live`: while the run goes on. */
bool sq_expect_slice(const struct sq_expect *e, const struct sq_expect_node *node, bool live,
                     struct sq_slice *ret_slice);

#endif

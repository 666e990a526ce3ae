/* What the parser hands to the judge. */
#ifndef SQ_RUN_EXPECT_INT_H
#define SQ_RUN_EXPECT_INT_H

#include "run/expect.h"
#include "stats/metrics.h"

enum sq_expect_op {
    SQ_OP_EQUAL,
    SQ_OP_UNEQUAL,
    SQ_OP_LESS,
    SQ_OP_LESS_EQUAL,
    SQ_OP_GREATER,
    SQ_OP_GREATER_EQUAL,
};

enum sq_expect_kind { SQ_EXPECT_TERM, SQ_EXPECT_AND, SQ_EXPECT_OR };

struct sq_expect_node {
    enum sq_expect_kind kind;
    int left, right; /* of AND and OR: indexes of nodes */
    /* of a term */
    enum sq_metric_id metric;
    struct sq_agg agg;
    bool has_agg; /* the user wrote one */
    char agg_text[12];
    enum sq_expect_op op;
    double number; /* in the metric's unit */
    bool share;    /* peers.* as % of the started attempts */
    size_t at;     /* byte offset in the text, for messages */
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
};

/* "<=" and the like. */
const char *sq_expect_op_text(enum sq_expect_op op);
/* peers.ok, peers.failed, peers.dropped. */
bool sq_expect_counts_peers(enum sq_metric_id id);
/* The number of channels: audio.in and its like. */
bool sq_expect_is_channels(enum sq_metric_id id);
/* Of --decode. */
bool sq_expect_is_decoding(enum sq_metric_id id);
/* One peer's own average of a metric; NAN without one, or for a metric that is not a peer's. */
double sq_expect_peer_value(const struct sq_peer_row *p, enum sq_metric_id id);
/* The metric is known for each peer by itself. */
bool sq_expect_has_peer_value(enum sq_metric_id id);

#endif

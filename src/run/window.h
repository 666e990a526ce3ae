/* What an expectation is narrowed to: a window between two events, and peers of a group, a room, a
 * network or a target. Plain data, compared by value. */
#ifndef SQ_RUN_WINDOW_H
#define SQ_RUN_WINDOW_H

#include "stats/metrics.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sq_peer_row;

#define SQ_OWN_NAME_MAX   40 /* of a timer or counter of steps */
#define SQ_EVENT_NAME_MAX 31
#define SQ_WHERE_TEXT_MAX 63
#define SQ_WHERE_MAX      8 /* conditions of one expectation */

/* Of the run first, then of a peer; within each in the order in which they come. */
enum sq_event_kind {
    SQ_EVENT_TIME,     /* so long after the run's start */
    SQ_EVENT_START,    /* of the run */
    SQ_EVENT_RAMPED,   /* all that were planned have begun */
    SQ_EVENT_DRAINING, /* nobody comes any more, and those who are there are told to leave */
    SQ_EVENT_JOINED,   /* the peer signed in */
    SQ_EVENT_UP,       /* its media flow */
    SQ_EVENT_LEAVING,  /* it was told to leave, or failed */
    SQ_EVENT_TAG,      /* it passed a mark of that name (sq_user_mark) */
};

struct sq_event {
    enum sq_event_kind kind;
    uint64_t after_ns;                /* SQ_EVENT_TIME */
    char name[SQ_EVENT_NAME_MAX + 1]; /* as it was written: "10s", "end", "muted" */
};

struct sq_window {
    bool on; /* else the whole run */
    struct sq_event from, to;
};

/* Known without a peer. */
bool sq_event_is_of_run(const struct sq_event *e);
/* The first of two can come after the second one only: 20s and 10s, end and start. */
bool sq_event_is_after(const struct sq_event *first, const struct sq_event *second);
bool sq_event_same(const struct sq_event *a, const struct sq_event *b);
bool sq_window_same(const struct sq_window *a, const struct sq_window *b);

enum sq_where_field { SQ_WHERE_GROUP, SQ_WHERE_ROOM, SQ_WHERE_NETWORK, SQ_WHERE_TARGET };

struct sq_where_term {
    enum sq_where_field field;
    bool is_not;
    char text[SQ_WHERE_TEXT_MAX + 1];
};

/* All must hold. */
struct sq_where {
    struct sq_where_term terms[SQ_WHERE_MAX];
    size_t n; /* 0: every peer */
};

bool sq_where_same(const struct sq_where *a, const struct sq_where *b);
bool sq_where_matches(const struct sq_where *where, const struct sq_peer_row *row);
/* The same name of a thing of that field: networks by their profile, their share left out
 * ("poor-4g" is Poor 4G@30%), targets by HOST or HOST:PORT, all else letter by letter. */
bool sq_where_names(enum sq_where_field field, const char *name, const char *written);
const char *sq_where_field_name(enum sq_where_field field);

enum sq_expect_op {
    SQ_OP_EQUAL,
    SQ_OP_UNEQUAL,
    SQ_OP_LESS,
    SQ_OP_LESS_EQUAL,
    SQ_OP_GREATER,
    SQ_OP_GREATER_EQUAL,
};

/* False for NAN. What decimal fractions lose counts as equal. */
bool sq_op_holds(double value, enum sq_expect_op op, double number);

enum sq_slice_kind {
    SQ_SLICE_POOLED, /* the samples of all its peers in one distribution */
    SQ_SLICE_PEER,   /* an aggregate of each peer's own samples */
    SQ_SLICE_TIME, /* of each peer: from its intended start to the end of the first second in which
                      all samples hold; ms */
};

/* Which figures. Those that are compared alike are kept once. */
struct sq_slice {
    enum sq_slice_kind kind;
    enum sq_metric_id metric;
    char own[SQ_OWN_NAME_MAX + 1]; /* of SQ_METRIC_OWN_TIMER and its like: which one; "" */
    struct sq_agg agg;             /* SQ_SLICE_PEER */
    enum sq_expect_op op;          /* SQ_SLICE_TIME */
    double number;
    bool track; /* samples of each track by itself */
    bool live;  /* told while the run goes on, of peers that are there, too */
    struct sq_window window;
    struct sq_where where;
};

bool sq_slice_same(const struct sq_slice *a, const struct sq_slice *b);

#endif

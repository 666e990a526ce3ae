/* Slices: figures that an expectation asks for beyond those that every run keeps: of a window, of
 * some peers, an aggregate of each peer by itself, the time until something holds.
 *
 * A run makes one sq_slices out of its expectations, which never changes. Each shard has a
 * sq_slice_tally, each user a sq_slice_user with a cell for each slice that needs one. Samples come
 * once a second a peer, as for the tally (but for metrics of each frame or message); what no
 * expectation names costs a look at one word.
 *
 * Maxima: SQ_SLICES_MAX slices a run, each a histogram of 21.5 KB a shard (three with --abort-on);
 * 100 bytes a peer for each that needs a cell, and 1.7 KB more for a percentile of each peer. */
#ifndef SQ_RUN_SLICE_H
#define SQ_RUN_SLICE_H

#include "run/result.h"
#include "run/window.h"
#include "stats/metrics.h"
#include <stdatomic.h>

#define SQ_SLICES_MAX 64
#define SQ_TAGS_MAX   32 /* names of marks that windows begin or end with */

struct sq_slices {
    struct sq_slice list[SQ_SLICES_MAX];
    size_t n;
    uint64_t of_metric[SQ_METRIC_ALL_COUNT]; /* a bit for each slice that the metric feeds */
    uint64_t celled;                         /* a peer has a cell for it */
    uint64_t live;                           /* shown once a second */
    uint64_t timed;                          /* SQ_SLICE_TIME */
    char tags[SQ_TAGS_MAX][SQ_EVENT_NAME_MAX + 1];
    size_t tags_len;
};

/* Adds it, unless the same is there. SQ_ERR_NOSPACE: past SQ_SLICES_MAX or SQ_TAGS_MAX. */
int sq_slices_add(struct sq_slices *slices, const struct sq_slice *slice) SQ_MUST_USE;

/* What of the run's events has come, by sq_clock_ns; 0: not yet. Shards and the run share it. */
struct sq_run_events {
    uint64_t start_ns;
    _Atomic uint64_t ramped_ns, draining_ns;
    atomic_uint to_ramp; /* shards that have not begun all of theirs */
};

struct sq_spool;

struct sq_slice_sums {
    struct sq_hist *hist; /* owned; NULL until the first sample. Of ended peers where those have
                             cells */
    double last;
    uint64_t last_ns;
    uint64_t peers, opened;           /* that have ended; for so many the window had opened */
    uint64_t never;                   /* SQ_SLICE_TIME: did not get there */
    struct sq_hist *building, *swept; /* owned; of live ones: of those who are there */
};

/* Zero-initialised, it keeps nothing. */
struct sq_slice_tally {
    const struct sq_slices *slices;     /* borrowed; NULL: none */
    const struct sq_run_events *events; /* borrowed */
    struct sq_slice_sums sums[SQ_SLICES_MAX];
    struct sq_spool *values; /* owned: of each peer that ended */
    uint64_t left_out;       /* peers for whose values there was no memory */
};

/* SQ_ERR_NOMEM. */
int sq_slice_tally_init(struct sq_slice_tally *t, const struct sq_slices *slices,
                        const struct sq_run_events *events) SQ_MUST_USE;
void sq_slice_tally_free(struct sq_slice_tally *t);

/* What is kept of a peer that ended: of the values as many as there are slices. */
struct sq_slice_record {
    uint64_t index;
    double values[SQ_SLICES_MAX];
};

struct sq_slice_user;

/* Of a peer that is about to begin; NULL where nothing is kept of it. SQ_ERR_NOMEM. */
int sq_slice_user_create(const struct sq_slice_tally *t, const struct sq_peer_row *row,
                         uint64_t intended_ns, struct sq_slice_user **ret_user) SQ_MUST_USE;
void sq_slice_user_destroy(struct sq_slice_user *user); /* NULL is allowed, also below */
/* SQ_EVENT_JOINED, SQ_EVENT_UP or SQ_EVENT_LEAVING; the first of each counts. */
void sq_slice_user_event(struct sq_slice_user *user, enum sq_event_kind kind, uint64_t now_ns);
/* A mark; it may come again. */
void sq_slice_user_tag(const struct sq_slice_tally *t, struct sq_slice_user *user, const char *name,
                       uint64_t now_ns);

/* A sample of the time from from_ns to to_ns (the same: of a moment). It belongs to windows in
 * which all of that time lies. `user` NULL: of no peer (generator.*). */
void sq_slices_sample(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                      double value, uint64_t from_ns, uint64_t to_ns);
/* The same of a timer (in ms) or a counter of that name. */
void sq_slices_own(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                   const char *name, double value, uint64_t from_ns, uint64_t to_ns);
/* The same of one track, for slices of tracks. */
void sq_slices_track(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                     double value, uint64_t from_ns, uint64_t to_ns);
/* What a second adds to a metric that is told once a peer: lost packets and packets in all, a
 * number of NACKs, the channels at a time. `whole` is of shares alone. */
void sq_slices_part(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                    double part, double whole, uint64_t from_ns, uint64_t to_ns);
/* All samples of a second have come. */
void sq_slices_second(struct sq_slice_tally *t, struct sq_slice_user *user, uint64_t now_ns);
/* The peer has ended, its row is final: its values go to the others'. */
void sq_slices_end(struct sq_slice_tally *t, struct sq_slice_user *user, uint64_t index,
                   const struct sq_peer_row *row);

/* The values of a peer so far, one a slice; NAN: no sample. Of SQ_SLICE_TIME INFINITY where it
 * ended before it held, and the time so far while it goes on. */
void sq_slices_values(const struct sq_slice_tally *t, const struct sq_slice_user *user,
                      const struct sq_peer_row *row, uint64_t now_ns,
                      double ret_values[static SQ_SLICES_MAX]);
/* Once a second of each peer that is there: its part in what live slices show. */
void sq_slices_sweep(struct sq_slice_tally *t, const struct sq_slice_user *user,
                     const double values[static SQ_SLICES_MAX]);
/* ... and when all of them were swept. */
void sq_slices_swept(struct sq_slice_tally *t);
/* Adds what the slice shows now to `to`; returns how many never got there. */
uint64_t sq_slices_show(const struct sq_slice_tally *t, size_t slice, struct sq_hist *to);

/* Rows, and each peer's values, into the result, whose peers are there already. SQ_ERR_NOMEM, or
 * SQ_ERR_IO of a spool. */
int sq_slices_collect(const struct sq_slices *slices, struct sq_slice_tally *const *tallies,
                      size_t n, struct sq_result *result) SQ_MUST_USE;

/* It is told once a peer; parts of it are known by the second. */
bool sq_slice_is_total(enum sq_metric_id id);
bool sq_slice_has_parts(enum sq_metric_id id);
/* It bears samples of each second (or report, frame, message) of a peer. */
bool sq_slice_has_seconds(enum sq_metric_id id);

#endif

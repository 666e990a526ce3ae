/* Inside of a user's samples: shared by user_sample.c, user_sample_track.c and user_totals.c. */
#ifndef SQ_RUN_USER_SAMPLE_INT_H
#define SQ_RUN_USER_SAMPLE_INT_H

#include "run/user_int.h"

/* The metrics of a flow, so that audio and video, in and out, are one piece of code. */
struct flow_metrics {
    enum sq_metric_id channels, bitrate, loss, jitter, rtt, nack, pli;
};

extern const struct flow_metrics sq_sample_metrics[SQ_FLOW_COUNT];

/* What a user's tracks of one flow did since they were last looked at. */
struct flow_delta {
    uint64_t bytes;
    uint64_t packets;
    double lost;
    double samples, concealed; /* audio in */
    bool carries;              /* its rate is told */
    bool begins;               /* a track of it goes on since a part of this second */
    bool agreed;               /* a track of it is negotiated, whether something comes or not */
    /* For windows of what is told once a peer. */
    bool any;          /* a track of it has carried something so far */
    unsigned channels; /* tracks that carried something in it */
    double nack, pli, freezes, freeze_ms, dropped;
    double gaps, played; /* audio in */
};

struct sampling {
    uint64_t freezes; /* that began */
    struct sq_user *user;
    uint64_t now_ns;
    double seconds;
    bool telling; /* long enough for rates */
    struct flow_delta flows[SQ_FLOW_COUNT];
};

/* user_sample_track.c */

/* A sample of this second. */
void sq_sample_record(struct sampling *s, enum sq_metric_id id, double value);
void sq_sample_note_rtt(struct sampling *s, enum sq_flow flow, double rtt_ms);
void sq_sample_note_fps_in(struct sampling *s, double fps);
/* What a track did since its mark, which is moved to now. */
void sq_sample_track(struct sampling *s, const struct sq_track *track, struct sq_track_mark *mark);
/* What it did before belongs to no second. */
void sq_sample_mark(struct sq_track_mark *mark, const struct sq_track *track, uint64_t now_ns);
/* A stream that its sender has ended stands still on purpose: no freeze, and nothing to conceal.
 * It is looked at as it was at its end. */
uint64_t sq_sample_until(const struct sq_user *user, const struct sq_track *track, uint64_t now_ns);

/* What neither a retransmission nor RTX brought. */
static inline int64_t sq_sample_lost(const struct sq_inbound_stats *in)
{
    return (int64_t)(in->packets_missing - in->packets_repaired);
}

#endif

/* A host for adapters under test: real endpoints on loopback, and a far end to answer them. One
 * loop and one carrier for all tests of a program. */
#ifndef TESTS_SIGNAL_HOST_H
#define TESTS_SIGNAL_HOST_H

#include "media/clip.h"
#include "net/loop.h"
#include "run/endpoint.h"
#include "signal/signal.h"

#define SIG_PEERS_MAX 8
#define SIG_NOTES_MAX 16384

struct sig_host {
    const struct sq_signal_ops *ops;
    struct sq_signal *signal;
    struct sq_signal_host face;
    struct sq_signal_user user; /* set up by sig_host_init, changed by the test before open */
    struct sq_target target;
    struct sq_endpoint *peers[SIG_PEERS_MAX];
    char labels[SIG_PEERS_MAX][16];
    size_t peers_len;
    bool connected[SIG_PEERS_MAX];
    unsigned joined, failed, left; /* how often told */
    unsigned after;                /* call-backs after the end: must stay 0 */
    enum sq_cause cause;
    char text[SQ_PEER_TEXT_MAX];
    uint64_t phases[SQ_PHASE_COUNT];
    unsigned phases_told;
    char notes[SIG_NOTES_MAX];
    bool refuse_peers; /* make_peer fails */
};

/* Loop, carrier and clip; as group setup and teardown. */
int sig_setup(void **state);
int sig_teardown(void **state);
struct sq_loop *sig_loop(void);
struct sq_carrier *sig_carrier(void);
const struct sq_clip *sig_clip(void);
const struct sq_clip_track *sig_media(enum sq_media_kind kind);

/* A user that sends and receives audio and video, with trickle and 5 s of patience. */
void sig_host_init(struct sig_host *h);
/* Finds the adapter and opens it; fails the test unless that works. */
void sig_host_open(struct sig_host *h, const char *url);
/* The same, for runs without memory: the error of `open`. */
int sig_host_try(struct sig_host *h, const char *url);
struct sq_peer *sig_host_peer(struct sig_host *h, size_t index);
/* Destroys the session and closes its peers. */
void sig_host_close(struct sig_host *h);
bool sig_host_over(const struct sig_host *h);
/* Runs until it is over; fails the test unless it failed, once, by this cause and with this part in
 * its words. */
void sig_host_expect_failure(struct sig_host *h, enum sq_cause cause, const char *part);
/* Leaves, and runs until that is told. */
void sig_host_leave(struct sig_host *h);
/* A candidate of its first peer, or with NULL that it has all of them. */
void sig_host_tell_candidate(struct sig_host *h, const char *text);
/* Audio packets and decodable frames have come in on that peer. */
bool sig_has_media(struct sq_peer *peer);

/* A far end: a peer with its sockets that answers offers or makes them. NULL without memory. */
struct sq_endpoint *sig_far_new(void);
/* Owned by the caller (sq_free); NULL when the offer is refused. It sends in each section that
 * wants it. */
char *sig_far_answer(struct sq_endpoint *far, const char *offer);

#endif

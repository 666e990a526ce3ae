/* What tests of whole peers share: the clip, tracks, statistics, a pair that talks. */
#ifndef SQ_TESTS_SIM_SIMCALL_H
#define SQ_TESTS_SIM_SIMCALL_H

#include "base/time.h"
#include "media/clip.h"
#include "sim/simnet.h"

#define SEC SQ_NS_PER_SEC
#define MS  SQ_NS_PER_MS

/* Group set-up and tear-down of cmocka. */
int open_clip(void **state);
int close_clip(void **state);
const struct sq_clip *whole_clip(void);
const struct sq_clip_track *clip_track(enum sq_media_kind kind);

/* A track that sends the clip. */
struct sq_track *add(struct simnode *node, enum sq_media_kind kind, enum sq_direction direction);
void add_both(struct simnode *node);
/* Of the node's track number `track`. */
struct sq_inbound_stats in_stats(struct simnet *net, struct simnode *node, size_t track);
struct sq_outbound_stats out_stats(struct simnet *net, struct simnode *node, size_t track);
struct sq_transport_stats transport_stats(struct simnode *node);

struct pair {
    struct simnet *net;
    struct simnode *a, *b;
};

/* Two nodes with audio and video both ways; configs may be NULL. */
struct pair make_pair(uint64_t seed, const struct sq_peer_config *ca,
                      const struct sq_peer_config *cb, bool v6);
struct pair pair_on(struct simnet *net, const struct sq_peer_config *ca,
                    const struct sq_peer_config *cb, bool v6);
void run_for(struct simnet *net, uint64_t ns);
void assert_connected(struct simnode *node);
/* Both ways for so long, without loss. */
void assert_media_flows(struct pair *p, double seconds);

/* As a browser that restarts its encoder, or an SFU that switches sources without rewriting. */
void change_ssrc(struct sq_track *track);

/* A pair with one video track from b to a, whose sender's packets the test makes by itself: up for
 * two seconds. config may be NULL. */
struct pair make_puppets(uint64_t seed, const struct sq_peer_config *config);

/* Takes the lines with `word` out of a description. */
void without_lines(char *sdp, const char *word);

#endif

/* What the tests of src/run share: the small clip, and loops that run until something is so. */
#ifndef SQ_TESTS_RUN_RIG_H
#define SQ_TESTS_RUN_RIG_H

#include "base/addr.h"
#include "net/loop.h"
#include <stdbool.h>

struct sq_clip;
struct sq_peer;

/* Group set-up and clean-up for cmocka: rig_clip is open in between. */
extern struct sq_clip *rig_clip;
int rig_open_clip(void **state);
int rig_close_clip(void **state);

/* Runs the loop until `so` says true; false when it does not within `limit_ms`. */
bool rig_until(struct sq_loop *loop, bool (*so)(void *ctx), void *ctx, unsigned limit_ms);

/* Adds an audio and a video track that send the clip and receive. */
void rig_add_tracks(struct sq_peer *peer);
/* Offer of a, answer of b, both put in force. Tracks that b's side gets of it send the clip. */
void rig_negotiate(struct sq_loop *loop, struct sq_peer *a, struct sq_peer *b, bool ice_restart);

/* The descriptor of this process's UDP socket bound to that address, or -1. */
int rig_socket_of(const char *addr_text);
bool rig_is_connected(int fd);

#endif

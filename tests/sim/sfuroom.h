/* A room of the lab's forwarding (src/lab/sfu.c) between whole peers over a simulated network: a
 * publisher, the lab's side of it, the lab's side of each viewer, and the viewers. */
#ifndef SQ_TESTS_SIM_SFUROOM_H
#define SQ_TESTS_SIM_SFUROOM_H

#include "lab/lab_int.h"
#include "sim/simcall.h"

#define VIEWERS_MAX 4
#define AUDIO       0
#define VIDEO       1

struct room {
    struct simnet *net;
    struct sq_loop *loop;
    struct sq_lab lab;
    struct sq_lab_member pub_member, sub_member[VIEWERS_MAX];
    struct simnode *pub, *in; /* the publisher and the lab's side of it */
    struct simnode *out[VIEWERS_MAX], *viewer[VIEWERS_MAX];
    struct sq_lab_port in_port[2], out_port[VIEWERS_MAX][2];
    struct sq_lab_source *source[2];
    double narrow_bps; /* of the way to viewers that come from now on, with a queue of 300 ms; 0:
                          none */
};

struct room *sfu_open_room(uint64_t seed);
void sfu_close_room(struct room *room);
/* A publisher of the clip, and the lab's side of it: from here on packets go to the sources. */
void sfu_publish_with(struct room *room, const struct sq_peer_config *config);
void sfu_publish_layers(struct room *room, unsigned layers);
void sfu_publish(struct room *room);
/* A viewer of both sources, connected; ops are the viewer's own. */
void sfu_watch_with(struct room *room, size_t i, const struct sq_peer_ops *ops);
void sfu_watch(struct room *room, size_t i);

#endif

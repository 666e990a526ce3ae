/* A TURN server (RFC 8656) on the test's own loop, over UDP and TCP of the loopback: it really
 * relays, asks for no credentials, and refuses on demand. Written from the RFC by itself. */
#ifndef SQ_TESTS_RUN_TURN_SERVER_H
#define SQ_TESTS_RUN_TURN_SERVER_H

#include "base/addr.h"
#include "net/loop.h"
#include "net/udp.h"
#include "peer/turn/framing.h"
#include "run/relay.h"

#define TURN_CLIENTS_MAX  8
#define TURN_CHANNELS_MAX 32

struct sq_stream;
struct turn_server;

struct turn_client {
    struct turn_server *server;
    struct sq_addr from;
    struct sq_stream *stream; /* NULL: by UDP */
    int fd;                   /* of the stream */
    struct sq_framing framing;
    struct sq_udp *relay; /* NULL: no allocation */
    struct sq_addr channels[TURN_CHANNELS_MAX];
    bool used;
};

struct turn_server {
    struct sq_loop *loop;
    struct sq_udp *udp;
    struct sq_watch watch;
    int listener;
    struct sq_addr addr; /* of both */
    struct turn_client clients[TURN_CLIENTS_MAX];
    /* How it behaves. */
    int refuse_allocate; /* a code */
    int refuse_times;    /* so often; 0: always */
    int refuse_permission;
    struct sq_addr alternate; /* of 300 */
    bool garbage;             /* answers what is no TURN */
    bool hang_up;             /* ends a TCP connection at its first request */
    bool parts;               /* ends a TCP connection right behind a 300 */
    bool deaf;
    /* What happened. */
    unsigned allocates, refreshes, frees, permissions, binds, indications, channel_data, refused,
        ports;
    uint16_t last_port;
};

void turn_server_start(struct turn_server *server, struct sq_loop *loop);
void turn_server_stop(struct turn_server *server);
/* An entry of struct sq_relays_config. */
struct sq_relay_server turn_server_entry(const struct turn_server *server,
                                         enum sq_turn_carrier carrier);

#endif

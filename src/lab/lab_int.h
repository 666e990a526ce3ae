/* Inside of the lab: shared by lab.c, member.c, sfu.c, layers.c, client.c, http.c, whip.c, stats.c,
 * stun.c. All of it runs in the lab's thread. */
#ifndef SQ_LAB_LAB_INT_H
#define SQ_LAB_LAB_INT_H

#include "lab/keystart.h"
#include "lab/lab.h"
#include "lab/renumber.h"
#include "net/httpd.h"
#include "net/udp.h"
#include "net/ws.h"
#include "peer/rtp/rtp.h"
#include "run/endpoint.h"
#include "signal/room/room_proto.h"

#define SQ_LAB_DD_MAX          255          /* bytes of a dependency descriptor: RFC 8285 */
#define SQ_LAB_RING_PACKETS    512          /* a power of two */
#define SQ_LAB_RING_BYTES      (256 * 1024) /* 2 s of 1 Mbit/s */
#define SQ_LAB_RING_ECHO_BYTES (96 * 1024)
#define SQ_LAB_GAPS_KEPT       16
#define SQ_LAB_LAYERS_MAX      3  /* of simulcast */
#define SQ_LAB_ID_MAX          48 /* bytes of a member's id with its NUL */
#define SQ_LAB_PORTS_MAX       SQ_PEER_TRACKS_MAX
#define SQ_LAB_VIEWER_BPS      300000  /* what a viewer of layers is taken to have at first */
#define SQ_LAB_REMB_BPS        5000000 /* what a publisher without transport-cc may send */

struct sq_lab;
struct sq_lab_room;
struct sq_lab_member;
struct sq_lab_port;

/* ---- Forwarding (sfu.c) ---- */

/* The latest packets of a video source, copied once for all who may ask for one again. */
struct sq_lab_ring {
    struct {
        uint32_t number;
        uint64_t at;    /* place in the stream of bytes; in the slab modulo room */
        uint16_t len;   /* of the payload */
        uint8_t dd_len; /* of the dependency descriptor, which stands in front of it */
        bool marker;
    } packets[SQ_LAB_RING_PACKETS];
    uint32_t next; /* number of the next packet; they are also the cookies */
    uint64_t end;
    size_t room;
    uint8_t slab[];
};

/* Numbers that are taken out of a count, so that leaving their packets out makes no hole. */
struct sq_lab_gaps {
    uint64_t total;
    uint64_t at[SQ_LAB_GAPS_KEPT]; /* the last of them */
};

/* A published track. */
struct sq_lab_source {
    struct sq_lab_source *next; /* of the room, the oldest first */
    struct sq_lab_port *port;   /* where it comes in */
    struct sq_lab_port *ports;  /* where it goes out; by next_of_source */
    struct sq_track *track;     /* of the port, or of its layer */
    /* Simulcast: the layers above stand by the lowest, which owns them; NULL where none came yet.
     * `base` is the lowest layer, of a source without simulcast itself. */
    struct sq_lab_source *base;
    struct sq_lab_source *above[SQ_LAB_LAYERS_MAX - 1];
    unsigned layer;
    unsigned switchers;     /* ports of other layers that move here with the next key frame */
    uint64_t chosen_ns;     /* of the base: when layers were chosen last */
    uint64_t counted_bytes; /* at that time */
    uint64_t rate_bps;      /* measured since */
    enum sq_codec codec;    /* of its packets */
    bool video;
    bool live;               /* packets have come */
    bool key_wanted;         /* somebody asked for a key frame that has not come yet */
    struct sq_lab_keys keys; /* where viewers may begin */
    bool in_room;            /* stands in the room's list */
    unsigned waiting;        /* ports that begin with the next key frame */
    bool started;
    uint32_t ssrc;           /* of its packets; those below are of its stream */
    uint64_t highest;        /* extended sequence number, as it came */
    uint64_t highest_clean;  /* the same with padding-only packets taken out */
    struct sq_lab_gaps pads; /* by extended number */
    uint32_t last_ts;
    unsigned behind;         /* of a higher layer: frames of the lowest since its last packet */
    uint64_t back_ns;        /* when it came back after it had stopped last; 0: it never did */
    uint64_t last_ns;        /* when its newest packet came */
    uint64_t frame_ns;       /* and the first one of that packet's frame */
    uint64_t every_ns;       /* from one of its frames to the next, of late; 0: not known yet */
    uint64_t packets, bytes; /* taken from the publisher */
    struct sq_lab_ring *ring;
};

/* A track of a member: publishes (source), or carries somebody's source to it (from), or both. */
struct sq_lab_port {
    struct sq_lab_port *next; /* of the member */
    struct sq_lab_member *member;
    struct sq_track *track;
    bool video;
    struct sq_lab_source *source; /* owned; NULL: does not publish */

    struct sq_lab_source *from; /* NULL: free */
    struct sq_lab_port *next_of_source, **prev_of_source;
    struct sq_lab_source *want; /* the layer to move to; NULL: stay */
    uint64_t wants_bps;         /* the estimate that padding is to lead to; 0: none */
    uint64_t led_bps;           /* the highest estimate since padding began; 0: there is none */
    uint64_t short_ns;          /* since when there was no room for `from`; 0: there is */
    uint64_t short_bps;         /* the most room there was since; UINT64_MAX: it is being left */
    struct {                    /* by layer */
        uint64_t at_ns;         /* when it may be tried; 0: not limited yet */
        uint64_t wait_ns;       /* what the last trial waited for */
    } tries[SQ_LAB_LAYERS_MAX];
    struct sq_lab_numbers numbers;
    bool ready;   /* connected and negotiated: may send */
    bool waiting; /* counted in from->waiting */
    bool started; /* the numbers below hold */
    uint64_t first_clean;
    struct sq_lab_gaps left_out; /* by clean number: events, of who does not take them */
    uint16_t seq_offset;         /* out = (uint16_t)clean + seq_offset - those left out before */
    uint32_t ts_offset;
    uint16_t next_seq; /* where the next source goes on */
    uint32_t next_ts;
    uint64_t stopped_ns; /* 0: nothing was sent yet */
};

struct sq_lab_source *sq_lab_source_new(struct sq_lab_port *port, bool echo) SQ_MUST_USE;
/* Detaches whoever listens. The room's list is the caller's. */
void sq_lab_source_free(struct sq_lab_source *source);
/* The layer's source of a simulcast publisher; made when its first packet comes. NULL without
 * memory. */
struct sq_lab_source *sq_lab_layer(struct sq_lab_source *base, struct sq_track *track);
/* Whose of a room's list the port carries; NULL if none. */
static inline struct sq_lab_source *sq_lab_from(const struct sq_lab_port *port)
{
    return port->from ? port->from->base : NULL;
}
/* May the port carry it: is it of the codec that was agreed? */
bool sq_lab_fits(const struct sq_lab_port *port, const struct sq_lab_source *source);
void sq_lab_attach(struct sq_lab_port *port, struct sq_lab_source *source);
void sq_lab_detach(struct sq_lab_port *port);
/* The port may send from now on: audio at once, video from the next key frame, which is asked for.
 */
void sq_lab_port_ready(struct sq_lab_port *port, uint64_t now_ns);
void sq_lab_on_rtp(struct sq_lab_source *source, const struct sq_rtp_packet *packet,
                   const struct sq_rtp_exts *exts, uint64_t now_ns);
bool sq_lab_on_resend(struct sq_lab_port *port, uint32_t cookie, struct sq_rtp_out *ret_out);
void sq_lab_want_key(struct sq_lab_source *source, uint64_t now_ns);

/* ---- Layers of simulcast (layers.c) ---- */

/* The port moves there with its next key frame; NULL: it stays. */
void sq_lab_want_layer(struct sq_lab_port *port, struct sq_lab_source *want);
bool sq_lab_has_layers(const struct sq_lab_source *base);
/* A packet is newer than all before: of which frame. */
void sq_lab_note_frame(struct sq_lab_source *source, uint32_t ts, uint64_t now_ns);
/* Twice a second: what each layer takes, and which one each viewer is to have. */
void sq_lab_choose_layers(struct sq_lab_source *base, uint64_t now_ns);
/* A key frame of the layer begins: who waits for it moves over. */
void sq_lab_move_here(struct sq_lab_source *source);

/* ---- Members and rooms (member.c) ---- */

enum sq_lab_kind { SQ_LAB_ROOM, SQ_LAB_WHIP, SQ_LAB_WHEP };

struct sq_lab_member {
    struct sq_lab *lab;
    struct sq_lab_room *room;
    struct sq_lab_member *next, **prev; /* of the room */
    size_t index;                       /* in lab->members */
    enum sq_lab_kind kind;
    char id[SQ_LAB_ID_MAX];
    char name[SQ_ROOM_NAME_MAX + 1];
    struct sq_endpoint *endpoint;
    struct sq_peer *peer;
    struct sq_lab_port *ports; /* in order of birth */
    size_t ports_len;
    bool subscribe, publish_audio, publish_video, data, echo, connected, simulcast;
    bool estimated; /* how much it can take is estimated: it watches layers */
    int layer;      /* that it asked to be sent; -1: as its bandwidth allows */
    bool leaving;   /* being taken down */
    uint64_t joined_ns;

    /* A room's member: offers go by its client. */
    struct sq_lab_client *client;
    struct sq_timer timer; /* the next offer, or the answer's time-out */
    bool offer_out, dirty, restart;
    uint32_t seq;

    /* WHIP and WHEP. */
    char *offer; /* owned: what the client offered, for ICE restarts */
    unsigned etag;
};

struct sq_lab_room {
    struct sq_lab_room *next, **prev;
    char name[SQ_ROOM_NAME_MAX + 1];
    struct sq_lab_member *members;
    size_t members_len;
    struct sq_lab_source *sources; /* live or not, echoes left out */
};

struct sq_lab_join {
    enum sq_lab_kind kind;
    const char *room, *name;
    bool publish_audio, publish_video, subscribe, simulcast;
    bool data;            /* a room's member: offer it a section for data channels */
    unsigned layer_limit; /* of simulcast that it watches: at most so many layers; 0: any */
    bool passive;
};

bool sq_lab_is_echo(const char *room);
/* SQ_ERR_NOSPACE: the lab is full; SQ_ERR_NOMEM, SQ_ERR_IO. */
int sq_lab_member_new(struct sq_lab *lab, const struct sq_lab_join *join,
                      struct sq_lab_member **ret_member) SQ_MUST_USE;
/* Takes it out of its room and closes its connection; from any call-back. */
void sq_lab_member_free(struct sq_lab_member *member);
/* A port for the track; direction as negotiated by the caller. */
int sq_lab_port_new(struct sq_lab_member *member, struct sq_track *track,
                    struct sq_lab_port **ret_port) SQ_MUST_USE;
/* The port publishes; an echo also sends it back. */
int sq_lab_publish(struct sq_lab_port *port) SQ_MUST_USE;
/* After a negotiation or once connected: ports that may send now. */
void sq_lab_member_activate(struct sq_lab_member *member, uint64_t now_ns);
/* Gives the room's live sources to the free ports that its negotiation has already (WHEP). */
void sq_lab_member_fill(struct sq_lab_member *member);
struct sq_lab_room *sq_lab_room_find(struct sq_lab *lab, const char *name);
/* The member of a WHIP or WHEP resource, or NULL. */
struct sq_lab_member *sq_lab_member_by_id(struct sq_lab *lab, enum sq_lab_kind kind,
                                          const char *room, const char *id);
void sq_lab_clock_start(struct sq_lab_member *member, uint64_t after_ns);

/* Negotiation of a room's member (negotiate.c). */
void sq_lab_negotiate_init(struct sq_lab_member *member);
void sq_lab_negotiate_soon(struct sq_lab_member *member);
void sq_lab_negotiate_now(struct sq_lab_member *member);
/* 0, or an error with a sentence in why. */
int sq_lab_on_answer(struct sq_lab_member *member, const char *sdp, uint32_t seq,
                     char why[SQ_PEER_TEXT_MAX]) SQ_MUST_USE;

/* ---- Data channels (data.c) ---- */

/* Passes a message of one of its channels on. */
void sq_lab_on_data(struct sq_lab_member *member, const struct sq_peer_event *event);

/* ---- WebSocket clients (client.c) ---- */

struct sq_lab_client {
    struct sq_lab *lab;
    struct sq_lab_client *next, **prev;
    struct sq_ws *ws; /* NULL until the upgrade is done */
    struct sq_lab_member *member;
    struct sq_timer timer;
    uint64_t heard_ns;
    bool closing;
    uint16_t close_code;
};

void sq_lab_client_upgrade(struct sq_lab *lab, struct sq_httpd_request *request);
int sq_lab_client_send(struct sq_lab_client *client, const struct sq_room_msg *msg);
/* Tells the error, lets the member go and closes; from any call-back. */
void sq_lab_client_fail(struct sq_lab_client *client, const char *code, const char *fmt, ...)
    SQ_PRINTF(3, 4);
void sq_lab_client_free(struct sq_lab_client *client);

/* ---- HTTP ---- */

void sq_lab_on_http(void *ctx, struct sq_httpd_request *request);
/* A plain answer with a sentence; `extra` is NULL or one more header. */
void sq_lab_http_say(struct sq_httpd_request *request, int status, const char *extra,
                     const char *fmt, ...) SQ_PRINTF(4, 5);
/* True if the request may go on; else it was answered 401. */
bool sq_lab_http_authorized(struct sq_lab *lab, struct sq_httpd_request *request);
bool sq_lab_token_is_right(const struct sq_lab *lab, const char *token);
/* Paths below /whip/ and /whep/. */
void sq_lab_on_whip(struct sq_lab *lab, struct sq_httpd_request *request, bool whep,
                    const char *rest);
void sq_lab_on_stats(struct sq_lab *lab, struct sq_httpd_request *request);

/* ---- TLS (tls.c) ---- */
struct sq_lab_tls;
/* Listens with the lab's certificate, sets lab->http_addr and lab->tls (also on failure), and
 * passes connections on to `behind`. SQ_ERR_TLS, SQ_ERR_IO with errno, SQ_ERR_NOMEM. */
int sq_lab_tls_open(struct sq_lab *lab, const struct sq_addr *listen_addr,
                    const struct sq_addr *behind) SQ_MUST_USE;
/* NULL is allowed. */
void sq_lab_tls_close(struct sq_lab_tls *front);

/* ---- STUN (stun.c) ---- */
int sq_lab_stun_open(struct sq_lab *lab) SQ_MUST_USE;

/* ---- The lab ---- */

struct sq_lab {
    struct sq_lab_config config; /* texts and tables are copies */
    struct sq_addr media[SQ_CARRIER_ADDRS_MAX];
    size_t media_len;
    char *cert_pem, *key_pem, *token;

    struct sq_loop *loop;
    struct sq_carrier *carrier;
    struct sq_httpd *httpd;
    struct sq_lab_tls *tls; /* NULL without a certificate */
    struct sq_udp *stun;
    struct sq_addr http_addr, stun_addr;
    uint64_t started_ns;
    bool stopping;
    uint64_t drain_over_ns, drained_ns; /* sq_lab_drain */
    size_t drain_members;               /* that were there then */
    struct sq_timer drain_timer;

    struct sq_lab_room *rooms;
    struct sq_lab_client *clients;
    struct sq_lab_member **members; /* holes are NULL */
    size_t members_room, members_len, members_hint;
    uint64_t ids; /* running number of room members */
    struct sq_lab_counters counters;
    uint8_t head[SQ_LAB_HEAD_MAX]; /* of the packet that is sent again now */
    uint8_t dd[SQ_LAB_DD_MAX];     /* and its dependency descriptor */
    uint64_t stun_answered;

    struct sq_lab_thread *thread;
};

uint64_t sq_lab_now(const struct sq_lab *lab);

#endif

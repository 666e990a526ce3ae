/* The plan of a run: what the command line or a scenario asks for, complete and checked.
 */
#ifndef SQ_RUN_PLAN_H
#define SQ_RUN_PLAN_H

#include "base/addr.h"
#include "base/secret.h"
#include "net/link_course.h"
#include "run/endpoint.h"
#include "scenario/shape.h"
#include "scenario/steps.h"
#include "scenario/users.h"
#include "signal/signal.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_PLAN_ROOM_MAX        47
#define SQ_PLAN_ROOM_PREFIX_MAX 30 /* "-NUMBER" follows */
#define SQ_PLAN_PEERS_MAX       1000000
#define SQ_PLAN_THREADS_MAX     128

/* A rate that is none: the last of SQ_PLAN_PEERS_MAX is due a microsecond after the first. */
#define SQ_PLAN_AT_ONCE_PER_S 1e12

struct sq_clip;
struct sq_expect;
struct sq_lua_script;    /* signal/lua/script.h */
struct sq_decode_thread; /* run/decode.h */
struct sq_record_plan;
struct sq_replay;

#define SQ_DATA_SIZE_MIN 24     /* bytes that a message of a run's data channel bears at least */
#define SQ_DATA_SIZE_MAX 262144 /* what browsers take: a=max-message-size */

/* Messages on a data channel of each user. */
struct sq_plan_data {
    bool on;
    bool silent;       /* the channel is there, and only steps send on it */
    double rate_per_s; /* 0: as many as go through */
    size_t size_bytes;
    struct sq_channel_config channel;
    uint32_t nonce; /* tells this run's messages from others', whose clocks are not ours */
};

#define SQ_PLAN_NETWORKS_MAX 16
#define SQ_PLAN_CHANGES_MAX  64 /* of all networks of a group together */

/* A network that a share of a group's users are in. */
struct sq_plan_network {
    const char *name; /* as it was given */
    struct sq_link_config link;
    double share; /* of the group; those of a group make 1 */
    struct sq_link_course course;
    size_t changes_at; /* its first one in the group's network_changes */
};

/* What a user does that is dropped: its connection was lost, or the service ended its session. */
enum sq_reconnect {
    SQ_RECONNECT_NOT, /* it has failed */
    SQ_RECONNECT_NOW, /* at once, and then each second */
    SQ_RECONNECT_BACK_OFF,
};

struct sq_plan_reconnect {
    enum sq_reconnect how;
    bool ice_first;             /* a lost connection is restarted (RFC 8445, section 2.4) first */
    uint64_t first_ns, most_ns; /* back-off: the first wait, which doubles up to this; each is drawn
                                   between the half and the whole of it */
};

struct sq_plan_share {
    const char *name; /* as the step has it */
    const struct sq_clip *clip;
};

#define SQ_PLAN_SHARES_MAX 8
#define SQ_PLAN_GROUPS_MAX 16
#define SQ_PLAN_REST       UINT64_MAX

#define SQ_PLAN_SIZES_MAX 16

/* Users who do the same. */
struct sq_plan_group {
    const char *name;  /* of a scenario's group; NULL: it is called by what it does */
    uint64_t per_room; /* so many of each room, in the order of groups and of arrival; SQ_PLAN_REST:
                          of those that are left, which the last group takes in any case */
    double share;      /* ... so many, where several groups have SQ_PLAN_REST; theirs make 1 */

    const struct sq_target *target;
    const char *target_text; /* with columns of `users` in it: each user has a target of its own, of
                                the same adapter; NULL: all have `target` */
    const struct sq_signal_ops *adapter;
    const struct sq_clip *clip;
    const struct sq_clip *black;    /* what is sent of a video that steps mute; NULL: none does */
    const struct sq_replay *replay; /* sent in the place of the clip; NULL: the clip is */

    bool publishes, watches; /* sends what it has; receives what others send */
    bool audio, video;       /* kinds that are sent and received */
    bool insecure, trickle;
    bool latency;       /* time-tags in what is sent, and latency out of what comes */
    unsigned simulcast; /* layers of a video; 0: one stream */
    struct sq_peer_codecs audio_codecs, video_codecs; /* zeros: all that the clip has */
    struct sq_peer_bwe bwe;                           /* how fast peers send */
    const char *token;                                /* may have columns of `users` in it */
    const char *ca_file;
    const struct sq_lua_script *script; /* of lua targets; NULL for others */
    const char *room;                   /* its own, of steps' values; NULL: the plan's */
    bool room_of_target; /* that which each user's own target names, if it names one */
    bool host_of_user;   /* `target` has no host that could be looked up: each user has its own */
    const struct sq_steps *before, *steps; /* NULL: neither; else both are there */
    struct sq_plan_data data;
    char dtmf[SQ_PEER_TONES_MAX + 1]; /* keys that each user presses (RFC 4733); "": none */
    uint64_t dtmf_after_ns;           /* ... so long after it is up */
    struct sq_plan_network networks[SQ_PLAN_NETWORKS_MAX];
    size_t networks_len; /* 0: users are in the machine's own network */
    struct sq_link_change network_changes[SQ_PLAN_CHANGES_MAX]; /* of the first, of the next, ... */
    size_t network_changes_len;
    struct sq_plan_reconnect reconnect;
    enum sq_ice_policy ice_policy;
};

/* Rooms of one size. */
struct sq_plan_size {
    uint64_t size; /* users */
    double share;  /* of the rooms; those of a plan make 1 */
};

/* Texts and tables are borrowed for the run.
 *
 * Arrivals: `rate_per_s` users a second begin, each at its own intended time (open model: a slow
 * service does not slow them down). Without hold there are `peers` of them, and they stay until
 * `duration_ns` is over. With hold each leaves after it; arrivals go on until the duration is over,
 * or, without one, until `peers` have begun. At most `peers` are there at once: an arrival beyond
 * that is counted as missed, never hidden.
 *
 * With a shape of rates or times that is so, too, and `rate_per_s` says nothing; a shape's own end
 * is that of the run. With a shape of peers (closed model) each has a place, which is given up when
 * the number falls; until then whoever ends in it, by hold or by failing, is replaced. */
struct sq_plan {
    struct sq_plan_group groups[SQ_PLAN_GROUPS_MAX];
    size_t groups_len; /* 1 at least */

    const struct sq_step_figures *figures; /* timers and counters of steps; NULL: none */
    const struct sq_users *users;          /* a row for each; NULL: none */
    const char *users_name;                /* as results may call them */
    enum sq_users_order users_order;
    const struct sq_secrets *secrets; /* that messages must not show; NULL: none */

    uint64_t peers;
    double rate_per_s;     /* SQ_PLAN_AT_ONCE_PER_S: all at once */
    uint64_t hold_ns;      /* 0: until the end */
    uint64_t duration_ns;  /* from the start to the beginning of the ramp down; 0: see above */
    uint64_t ramp_down_ns; /* over how long they leave at the end */
    const struct sq_shape *shape;        /* NULL: rate_per_s */
    uint64_t jitter_ns;                  /* each arrival is up to so much later, evenly drawn */
    uint64_t think_min_ns, think_max_ns; /* closed model: until one who left is replaced */
    unsigned threads;
    bool realtime; /* they go before all else on their cores (base/sched.h) */

    const char *room;   /* name, or prefix of the names when there are several; at most
                           SQ_PLAN_ROOM_MAX or SQ_PLAN_ROOM_PREFIX_MAX bytes */
    uint64_t room_size; /* users a room; 0: all in one */
    struct sq_plan_size sizes[SQ_PLAN_SIZES_MAX]; /* in the place of room_size, mixed (run/mix.h) */
    size_t sizes_len;                             /* 0: room_size says it */
    bool room_counts; /* the further rooms count on from a number, or get "-1", "-2", … behind a
                         name; else all get "-0", "-1", … */
    const struct sq_record_plan *record; /* NULL: nothing is recorded (run/record.h) */

    struct sq_expect *const *expects; /* what is kept for them, and who of them may end the run */
    size_t expects_len;
    const struct sq_plan_share *shares; /* clips that steps share */
    size_t shares_len;
    const char *const *tags; /* marks that steps of its users may make (sq_user_mark) */
    size_t tags_len;

    uint64_t seed;
    uint64_t answer_timeout_ns;  /* each answer of the signalling server */
    uint64_t connect_timeout_ns; /* ICE and DTLS */
    uint64_t media_timeout_ns;   /* from connected to the first media */
    uint64_t silent_ns;          /* who has heard nothing for so long when it leaves has failed */
    uint64_t hung_least_ns;      /* who has been getting up for less when the run ends is pending,
                                    whatever others needed */
    const struct sq_addr *addrs; /* to bind to */
    size_t addrs_len;
    const uint32_t *addr_counts; /* see struct sq_carrier_config */
    const struct sq_addr *stun_servers;
    const char *const *stun_names; /* as they were given, one an address; NULL: not known */
    size_t stun_servers_len;
    struct sq_relays_config relays; /* TURN servers; servers_len 0: none */
    bool force_openssl_srtp, prefer_cm;
    uint64_t decode;                        /* the streams of so many users are decoded, ... */
    struct sq_decode_thread *decode_thread; /* ... in this thread; NULL: none */
    uint64_t dumps; /* keep the statistics of that many peers, second by second */

    /* Bounds of the generator's own health: past one of them the run is invalid. */
    double lateness_p99_max_ms;
    double cpu_max_percent;
    double drops_max_share; /* of the datagrams received */
};

/* Where a user belongs. */
struct sq_plan_place {
    const struct sq_plan_group *group;
    uint64_t room;    /* its number, from 0 */
    uint64_t ordinal; /* so many of the group come before it */
};

/* Fills in what a user need not say: one group, who publish and watch. */
void sq_plan_defaults(struct sq_plan *plan);
/* Makes the first `publishers` of each room publish and the others watch alone, all else as in the
 * first group. SQ_PLAN_REST: all publish; 0: nobody. */
void sq_plan_split(struct sq_plan *plan, uint64_t publishers);
/* The group's name, else "publisher", "viewer", or "participant", who is both. */
const char *sq_plan_role(const struct sq_plan_group *group);
/* Users that begin over the whole run, if all goes to plan; UINT64_MAX when that is open. */
uint64_t sq_plan_arrivals(const struct sq_plan *plan);
/* Any group publishes. */
bool sq_plan_publishes(const struct sq_plan *plan);
/* Of a room's users (of all, where there is one room) so many publish at most. */
uint64_t sq_plan_publishers(const struct sq_plan *plan);
/* Any group has a data channel. */
bool sq_plan_has_data(const struct sq_plan *plan);
/* Why users of the group cannot restart ICE; NULL: they can. */
const char *sq_plan_restart_lacks(const struct sq_plan_group *group);
/* There are rooms of a size, and not one for all. */
bool sq_plan_has_rooms(const struct sq_plan *plan);
/* Users of the first so many rooms, where there are rooms of a size. */
uint64_t sq_plan_users(const struct sq_plan *plan, uint64_t rooms);
/* Users of the smallest and of the largest room there may be. */
uint64_t sq_plan_room_min(const struct sq_plan *plan);
uint64_t sq_plan_room_max(const struct sq_plan *plan);
void sq_plan_place(const struct sq_plan *plan, uint64_t index, struct sq_plan_place *ret_place);
void sq_plan_room_name(const struct sq_plan *plan, uint64_t index,
                       char out[static SQ_PLAN_ROOM_MAX + 1]);
/* Adds to a group the network that `text` says (net/link_course.h), with that share; `name`, which
 * is borrowed, is what results call it. SQ_ERR_FORMAT, SQ_ERR_NOSPACE: more than
 * SQ_PLAN_NETWORKS_MAX; ret_why says what was expected. */
int sq_plan_add_network(struct sq_plan_group *group, const char *name, const char *text,
                        double share, char *ret_why, size_t size) SQ_MUST_USE;
/* The network of a group's user: of its first so many, however many, each network has its share but
 * for less than one (run/mix.h). NULL: none. */
const struct sq_plan_network *sq_plan_network(const struct sq_plan_group *group, uint64_t ordinal);

#endif

/* Inside of a user: shared by user.c and user_sample.c. */
#ifndef SQ_RUN_USER_INT_H
#define SQ_RUN_USER_INT_H

#include "run/decode.h"
#include "run/record.h"
#include "run/replay.h"
#include "run/slice.h"
#include "run/user.h"

#define SQ_USER_PEERS_MAX 8

enum sq_user_state {
    SQ_USER_IDLE,
    SQ_USER_PREPARING,  /* steps before signing in */
    SQ_USER_SETTING_UP, /* signalling, ICE, DTLS, first media */
    SQ_USER_UP,
    SQ_USER_AWAY,    /* was up, was dropped, and will try again; or left by a step */
    SQ_USER_LEAVING, /* outcome is known; the service is being told */
    SQ_USER_OVER,
};

/* What a track's counters were when they were last looked at. */
#define SQ_LAYERS_MAX 3 /* of simulcast */

struct sq_track_mark {
    uint64_t in_bytes, in_packets, in_expected, in_freezes, in_emitted;
    uint64_t in_nack, in_pli, in_dropped, in_samples, in_concealed, in_gaps, in_played;
    double in_playout_s, in_freeze_s;
    int64_t in_lost;
    uint64_t out_bytes, out_packets, out_expected, out_lost, out_rtt_count, out_nack, out_pli;
    uint64_t out_frames[SQ_LAYERS_MAX]; /* of each encoding */
};

#define SQ_USER_DECODES_MAX 8 /* tracks of a peer that are decoded */

struct sq_user_decode {
    const struct sq_track *track;
    struct sq_decode_stream *stream; /* owned; NULL where there was no memory */
    struct sq_decode_figures before;
    unsigned idle; /* samples in a row without a whole second */
    bool video, sampled;
};

struct sq_user_peer {
    struct sq_user *user;
    struct sq_endpoint *endpoint;
    char label[16];
    bool connected, media;
    struct sq_replayer *replayer; /* owned; NULL: sends the clip */
    struct sq_recorder *recorder; /* owned; NULL: not recorded */
    uint64_t heard_bytes,
        heard_ns; /* received so far, and when something last was, by the second */
    bool may_ask; /* media flowed: once they stop, the other side is asked whether it is there */
    struct sq_track_mark *marks; /* owned; one a track */
    size_t marks_len;
    struct sq_user_decode *decodes; /* owned; NULL where nothing is decoded */
    bool switching;                 /* an ICE restart that leaves the relay is under way */
    uint64_t direct_ns;             /* when a direct pair was nominated; 0: not yet */
    uint64_t lost_ns;               /* when ICE called it disconnected; 0: not, or media are back */
};

/* Mean and spread over the seconds of a call. */
struct sq_user_spread {
    double mean, squares; /* of the differences from the mean, added up */
    uint64_t n;
};

/* Sums for the averages of a row. */
struct sq_flow_sums {
    double jitter_ms, rtt_ms, fps, playout_ms, latency_ms;
    bool agreed;          /* in: a track was negotiated */
    unsigned session;     /* whose tracks are counted in the row */
    double bits, seconds; /* of the samples taken: RTP payload, retransmissions left out */
    uint64_t jitter_n, rtt_n, fps_n, playout_n, latency_n;
    uint64_t expected, lost;     /* out: of the packets that reports tell of */
    uint64_t samples, concealed; /* audio in */
    double decoded_fps, alive;   /* --decode */
    uint64_t decoded_fps_n, alive_n;
    /* user_score.c */
    struct sq_user_spread loss, delay_ms, share;
    double last_rtt_ms, seen_latency_ms; /* newest; how much of latency_ms went into delay_ms */
    uint64_t seen_latency_n;
    double second_bits, second_target_bits; /* of the second at hand */
    double second_delay_ms;                 /* the worst of a track; 0: none is known */
    unsigned second_pictures;               /* video tracks that had a rate */
    double recent_bits, recent_target_bits; /* each second before counts a tenth less */
    double share_bits, target_bits;         /* of all that had a target */
    double watched_s;
    uint64_t gaps, played_packets;
    const char *codec; /* as in rtpmap; NULL: nothing came */
};

/* Of a user that was dropped and comes back. */
struct sq_user_away {
    uint64_t since_ns;   /* the last media before; 0: it is there */
    uint64_t due_ns;     /* its next session is */
    uint64_t told_by_ns; /* the old one's goodbye is not waited for beyond */
    unsigned tries;
    enum sq_failure cause;
    char text[160];
};

/* By a step of its own. */
enum sq_user_out { SQ_USER_NOT_OUT, SQ_USER_GOES_OUT, SQ_USER_IS_OUT };

struct sq_user_own {
    char *token, *url; /* owned; NULL: the group's */
    struct sq_target target;
};

struct sq_ice_servers; /* run/ice_servers.h */

struct sq_user {
    const struct sq_user_env *env;
    const struct sq_plan_group *group;
    uint64_t index, ordinal; /* of all users; of the group's */
    uint64_t place;          /* of a closed model; else `index` */
    size_t slot;             /* the owner's */
    uint64_t intended_ns, started_ns, up_ns, sampled_ns;
    enum sq_user_state state;
    bool joined, counted, starved;
    enum sq_user_out out;
    bool session_over; /* its signalling has said its last */
    bool counted_up;   /* among those that are connected now */
    struct sq_user_away away;
    struct sq_user_data *data; /* user_data.c; NULL where the plan has none */
    struct sq_signal_user want;
    const struct sq_target *target; /* its group's, or its own */
    struct sq_user_own *own;        /* user_own.c; NULL: it has nothing of its own */
    struct sq_user_steps *steps;    /* user_steps.c; NULL: none */
    struct sq_ice_servers *ice;     /* owned; that steps gave, in the place of the plan's */
    struct sq_user_script *script;  /* user_script.c; NULL: none */
    uint64_t room_no;               /* of the plan's rooms */
    char name[48], room[48];
    struct sq_link *link; /* owned; what all of it goes over; NULL: nothing */
    struct sq_signal *signal;
    struct sq_signal_host host;
    struct sq_user_peer peers[SQ_USER_PEERS_MAX];
    size_t peers_len;
    struct sq_timer timer;                       /* what is waited for in this state */
    struct sq_timer switch_timer;                /* of --ice relay-first */
    struct sq_timer dtmf_timer;                  /* of --dtmf */
    struct sq_timer network_timer;               /* until its network changes next */
    const struct sq_plan_network *network;       /* NULL: the machine's own */
    const struct sq_link_change *network_change; /* in force; NULL: what it began with */
    const char *network_name;                    /* of what is in force; NULL: the machine's own */
    uint64_t switch_ns;                          /* when the restart began; 0: not yet */
    struct sq_peer_row row;
    struct sq_flow_sums sums[SQ_FLOW_COUNT];
    struct sq_slice_user *slices; /* owned; NULL: nothing is kept beyond the sums */
    struct sq_peer_trace trace;
    double last_ice_rtt_s;
    uint64_t media_end_ns[2];       /* the last packet of a recording's audio, video; 0: not yet */
    uint64_t replay_end_ns;         /* of both; 0: not yet */
    unsigned asked, refused, plain; /* bits: enum sq_asked; struct sq_asked_row */
    unsigned sessions;              /* begun so far */
    unsigned up_session;            /* the latest that got up; 0: none */
    uint32_t users_row;             /* its own of the plan's users; 0 where there are none */
};

/* user.c */
/* The outcome is known: counts it, and lets go of the media. */
void sq_user_settle(struct sq_user *user, enum sq_outcome outcome, enum sq_failure cause,
                    const char *text);
/* Tells the service, waits for its answer a little, and is over then. */
void sq_user_leave_service(struct sq_user *user);
void sq_user_open_session(struct sq_user *user);
#define SQ_USER_LEAVE_TIMEOUT_NS (3 * SQ_NS_PER_SEC)

/* A line of the user's story. */
void sq_user_tell(struct sq_user *user, const char *type, const char *fmt, ...) SQ_PRINTF(3, 4);

/* Its recording has been sent: it leaves when the last packets and their repair have had time to
 * arrive. */
void sq_user_replay_over(struct sq_user *user, uint64_t now_ns);

/* When it is to leave, --hold after it got up first; SQ_NEVER: not before the run ends, or it was
 * never up. */
uint64_t sq_user_leave_ns(const struct sq_user *user);

/* Closes its peers, and leaves where the session goes on; that is destroyed before the next. */
void sq_user_go_away(struct sq_user *user);

/* Neither set up nor up any more: it comes back (--reconnect), or has failed and leaves. */
void sq_user_fail(struct sq_user *user, enum sq_failure cause, const char *text);
/* Is over: its owner is told. */
void sq_user_end(struct sq_user *user);
/* A user that this machine had no sockets, ports or memory for is not the service's failure. `why`
 * is the errno of an SQ_ERR_IO. */
void sq_user_note_starved(struct sq_user *user, int err, int why);

/* user_setup.c */
void sq_user_record_stage(struct sq_user *user, enum sq_stage stage, double ms);
/* ICE, DTLS and the first media, as far as they were passed and not recorded yet. */
void sq_user_record_transport(struct sq_user *user);
/* The same, of one that is up already: it found nobody, and now media or a connection is there. */
void sq_user_record_late(struct sq_user *user);
/* Of one that is up: whether it is among the connected ones now. */
void sq_user_note_connected(struct sq_user *user);
/* One that comes back is not waited for beyond its time to leave. */
void sq_user_set_up_within(struct sq_user *user, uint64_t limit_ns);
/* Something that a set-up waits for has come: is it over? */
void sq_user_check_up(struct sq_user *user);
void sq_user_set_up_took_too_long(struct sq_user *user);

/* user_host.c */
/* Fills in user->host: what its signalling calls. */
void sq_user_host(struct sq_user *user);

/* user_wait.c */
/* A data channel of its own that is not open yet. */
bool sq_user_waits_for_channel(const struct sq_user_peer *peer);
/* What a set-up that is not over waits for. */
void sq_user_tell_wait(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
/* One of its connections is silent, and stays so: ICE alone would see it after 30 s (RFC 7675). */
bool sq_user_is_lost(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
/* The service ended the session, by `cause` and with the sentence `said`, and one of its
 * connections had been lost for some seconds by then: that is the failure (media-lost), with this
 * sentence. The service's own ICE gives up at about the same time, often first, and then closes
 * signalling. */
bool sq_user_was_lost_before(const struct sq_user *user, enum sq_failure cause, const char *said,
                             char text[static SQ_PEER_TEXT_MAX]);

/* Its connections stand, and one kind of its media, which came and is still agreed on, comes no
 * more. Never where senders of the run itself may stop before. */
bool sq_user_is_unheard(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);

/* user_reconnect.c */
/* One that is dropped, or whose attempt to come back failed, tries again: true. */
bool sq_user_comes_back(struct sq_user *user, enum sq_failure cause, const char *text);
/* It was dropped and is not back. */
bool sq_user_is_dropped(const struct sq_user *user);
/* A new session of one that was dropped is up. */
void sq_user_is_back(struct sq_user *user, uint64_t now_ns);
/* What came of it, where it never is. */
void sq_user_tell_away(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
/* Its next session is due. True: the service has not answered yet that the old one is left. */
bool sq_user_waits_for_goodbye(struct sq_user *user, uint64_t now_ns);
/* ... and now it has. */
void sq_user_goodbye_is_said(struct sq_user *user);
/* ICE calls a connection disconnected, and connected again. */
void sq_user_path_lost(struct sq_user_peer *peer);
void sq_user_path_found(struct sq_user_peer *peer);
/* Once a second while it is up: do media come again? */
void sq_user_reconnect_sample(struct sq_user *user);

/* user_out.c */
/* A step: leaves its session, and stays out of it until a step brings it back. The session is told,
 * and sq_user_steps_left comes. */
void sq_user_step_out(struct sq_user *user);
void sq_user_step_back(struct sq_user *user);
/* It has left, or its time for that is over. */
void sq_user_is_out(struct sq_user *user);
/* A step fails the user. */
void sq_user_step_failed(struct sq_user *user, enum sq_failure cause, const char *text);
/* The steps before signing in are done. */
void sq_user_steps_ready(struct sq_user *user);

/* user_script.c: what a signalling script asks of the run. */
extern const struct sq_signal_run sq_user_script_run;
/* Its script is still at work: where, and what it waits for. */
bool sq_user_script_waits(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
/* What became of the script of one that has no connection. */
void sq_user_script_tell_unlinked(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
void sq_user_script_destroy(struct sq_user *user);

/* user_steps.c */
int sq_user_steps_create(struct sq_user *user) SQ_MUST_USE;
/* Begins with those before signing in; false: there are none. */
bool sq_user_steps_before(struct sq_user *user);
void sq_user_steps_up(struct sq_user *user, bool first);
void sq_user_steps_left(struct sq_user *user);
/* At which step it is, where it is not signed in yet. */
void sq_user_steps_tell(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
/* Once it is up: steps are left to do; the one at hand is told. */
bool sq_user_steps_unfinished(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX]);
/* A message of somebody else's making came on a data channel. */
void sq_user_steps_message(struct sq_user *user, const struct sq_peer_event *event);
/* A step has muted it. */
bool sq_user_steps_mute(const struct sq_user *user, enum sq_media_kind kind);
void sq_user_steps_stop(struct sq_user *user);
void sq_user_steps_destroy(struct sq_user *user);

/* user_switch.c */
void sq_user_switch_init(struct sq_user *user);
/* The user is up: with --ice relay-first it leaves its relay soon. */
void sq_user_switch_begin(struct sq_user *user, uint64_t now_ns);
void sq_user_switch_event(struct sq_user_peer *peer, const struct sq_peer_event *event);
/* The user ends: what was measured so far is kept. */
void sq_user_switch_end(struct sq_user *user);
/* A connection is lost. A switch that is under way ends; one that has not begun waits. */
void sq_user_switch_lost(struct sq_user *user);

/* user_dump.c */
/* Statistics of one of its peers for the dump, if it has one: once a second. */
void sq_user_dump(struct sq_user_peer *peer, uint64_t now_ns);

/* user_dtmf.c */
void sq_user_dtmf_init(struct sq_user *user);
void sq_user_dtmf_begin(struct sq_user *user, uint64_t now_ns); /* the user is up */
/* Now. False: nobody agreed on keys, and none is pressed. */
bool sq_user_dtmf_press(struct sq_user *user, const char *digits) SQ_MUST_USE;
#define SQ_USER_DTMF_REFUSED                                                                       \
    "no key can be pressed: telephone-event (RFC 4733) was not agreed on for audio that is sent"
void sq_user_dtmf_heard(struct sq_user *user, const char *digits); /* on one of its tracks */

/* user_network.c */
/* Makes its link, if it is in a network. SQ_ERR_NOMEM. */
int sq_user_network_create(struct sq_user *user) SQ_MUST_USE;
/* The user starts: its network changes from now on. */
void sq_user_network_begin(struct sq_user *user);
void sq_user_network_destroy(struct sq_user *user);
/* Fills in the row what its link was given, and lost. */
void sq_user_network_count(struct sq_user *user);
/* A step's: `name` is borrowed for the run. As sq_link_set. */
int sq_user_network_set(struct sq_user *user, const struct sq_link_config *config,
                        const char *name) SQ_MUST_USE;
/* What failed, and what the user's own network has to do with it, lest its server is blamed: `text`
 * and that, or `text` alone. */
void sq_user_network_explain(const struct sq_user *user, enum sq_failure cause, const char *text,
                             char ret_text[static SQ_PEER_TEXT_MAX]);

/* user_steps_ice.c */
/* The peer's endpoint, with the ICE servers that steps gave its user, if they did. The errors of
 * sq_endpoint_create_with. */
int sq_user_ice_endpoint(struct sq_user_peer *peer, const struct sq_peer_config *config,
                         const struct sq_endpoint_ops *ops) SQ_MUST_USE;

/* user_ice.c */
/* Candidates, pairs and the transport of a peer, for its dump. */
void sq_user_dump_ice(struct sq_user_peer *peer, uint64_t now_ns);
/* Its pairs as they were last, a line of the user's story each (type "candidatepair"). */
void sq_user_tell_pairs(struct sq_user_peer *peer);

/* user_data.c */
int sq_user_data_create(struct sq_user *user) SQ_MUST_USE;
void sq_user_data_event(struct sq_user *user, const struct sq_peer_event *event);
/* The user is up, or up again: rates count from now on. */
void sq_user_data_begin(struct sq_user *user);
/* It is dropped and comes back: numbers of others go on meanwhile. */
void sq_user_data_away(struct sq_user *user);
void sq_user_data_sample(struct sq_user *user, double seconds, bool telling);
void sq_user_data_finish(struct sq_user *user);
/* A step sent a message by itself. */
void sq_user_data_sent(struct sq_user *user, size_t bytes);
void sq_user_data_stop(struct sq_user *user);
void sq_user_data_destroy(struct sq_user *user);

/* user_decode.c */
bool sq_user_is_decoded(const struct sq_user *user);
/* Of struct sq_endpoint_ops; ctx is the struct sq_user_peer. */
void sq_user_decode_rtp(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                        const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                        uint64_t now_ns);
void sq_user_sample_decodes(struct sq_user_peer *peer, double seconds);
/* Adds the totals to the row and lets go of the streams. */
void sq_user_end_decodes(struct sq_user_peer *peer);
/* The samples that are taken once a user. */
void sq_user_finish_decodes(struct sq_user *user);

/* user_record.c: --record */
static inline bool sq_user_is_recorded(const struct sq_user *user)
{
    const struct sq_record_plan *record = user->env->plan->record;
    return record && user->index < record->peers;
}
/* A new peer of a user that is recorded. SQ_ERR_NOMEM. */
int sq_user_begin_record(struct sq_user_peer *peer) SQ_MUST_USE;
/* Connected: a recorded stream is sent from now on, if there is one. The errors of sq_replayer_new.
 */
int sq_user_begin_replay(struct sq_user_peer *peer) SQ_MUST_USE;
bool sq_user_on_resend(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                       uint32_t cookie, struct sq_rtp_out *ret_out);
/* Of struct sq_endpoint_ops; ctx is the struct sq_user_peer. */
void sq_user_on_rtp(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                    const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                    uint64_t now_ns);
void sq_user_on_sent(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                     const uint8_t *rtp, size_t len, uint64_t now_ns);
/* The files end with the peer. */
void sq_user_end_record(struct sq_user_peer *peer);

/* user_agreed.c */
/* Of a peer that has just connected: a medium that it is to send, or its data channel, was turned
 * down, or its messages are larger than the other side takes. */
bool sq_user_is_refused(struct sq_user_peer *peer, char text[static SQ_PEER_TEXT_MAX]);
/* The messages that it is to send at a rate are. */
bool sq_user_is_data_too_large(const struct sq_user *user, const struct sq_peer *rtc,
                               char text[static SQ_PEER_TEXT_MAX]);
/* A peer of it ends: what it has negotiated. */
void sq_user_look_at_agreed(struct sq_user *user, struct sq_peer *rtc);
/* Into the tally, once. */
void sq_user_tell_agreed(const struct sq_user *user);
/* user_score.c: what score and MOS are made of, noted each second … */
/* A video track that has a rate: what it brought in so many seconds. */
void sq_user_score_video_in(struct sq_user *user, const struct sq_inbound_stats *in, uint64_t bytes,
                            double seconds);
void sq_user_score_video_out(struct sq_user *user, enum sq_codec codec, uint64_t bytes,
                             double seconds);
void sq_user_score_playout(struct sq_user *user, enum sq_flow flow, double playout_ms);
/* The second of a flow is over; `lost` of `all` in any unit. `telling`: it is long enough. */
void sq_user_score_second(struct sq_user *user, enum sq_flow flow, double lost, double all,
                          bool telling);
/* What a second of a user had that is up, for its own score and MOS in the time line. */
struct sq_user_second {
    struct {
        double lost, all;    /* sound: samples that were made up, and all; pictures: packets */
        bool agreed, any;    /* a track of it is there; it has carried something so far */
        double gaps, played; /* sound: stretches that were made up, packets */
        double freezes, freeze_ms;
    } sound, video;
};
/* Once all its flows are closed. */
void sq_user_score_tell(struct sq_user *user, const struct sq_user_second *second);
/* One that was dropped and is not back: a second of nothing. */
void sq_user_score_away(struct sq_user *user);
/* … of each track at its end, and at last the two themselves, recorded. */
void sq_user_score_totals(struct sq_user *user, const struct sq_track *track,
                          const struct sq_inbound_stats *in);
void sq_user_finish_score(struct sq_user *user);

/* user_slice.c: samples, into the tally and into what expectations ask for. */
/* One of this moment. */
void sq_user_record(struct sq_user *user, enum sq_metric_id id, double value);
/* One of the time since then. */
void sq_user_record_since(struct sq_user *user, enum sq_metric_id id, double value,
                          uint64_t from_ns, uint64_t to_ns);
/* A timer or counter that its steps name: into the tally by its number, and into what expectations
 * ask for by its name. */
void sq_user_record_time(struct sq_user *user, size_t timer, const char *name, uint64_t from_ns,
                         uint64_t to_ns);
void sq_user_record_count(struct sq_user *user, size_t counter, const char *name, uint64_t add);
void sq_user_slices_event(struct sq_user *user, enum sq_event_kind kind);
/* Its row is final. */
void sq_user_slices_end(struct sq_user *user);

/* user_sample.c */
/* Of struct sq_endpoint_ops; ctx is the struct sq_user_peer. */
void sq_user_on_latency(void *ctx, struct sq_track *track, const struct sq_latency_sample *sample);
void sq_user_begin_samples(struct sq_user *user, uint64_t now_ns);

/* user_totals.c */
/* Adds a peer's final counters to the row: just before it is closed. */
void sq_user_finish_peer(struct sq_user_peer *peer, uint64_t now_ns);
/* Averages of the row, and the samples that are taken once a user. */
void sq_user_finish_row(struct sq_user *user);

/* user_describe.c: after its group, its network and what it has of its own are known. */
void sq_user_describe(struct sq_user *user);

/* user_own.c */
/* Puts *** for what no message may show: known values of the whole run, its token, and values that
 * its steps and its row have. */
void sq_user_mask(const struct sq_user *user, char *text);
/* After its group is known. What a failure leaves goes with sq_user_own_destroy. */
int sq_user_own_create(struct sq_user *user) SQ_MUST_USE;
/* Values of a step are in it: it cannot be filled before they are there. */
bool sq_user_own_waits(const struct sq_user *user);
/* Token, target and room, before each session. */
int sq_user_own_fill(struct sq_user *user, char why[static SQ_PEER_TEXT_MAX]) SQ_MUST_USE;
void sq_user_own_destroy(struct sq_user *user);

#endif

/* Inside of the peer: shared by the files of this folder. */
#ifndef SQ_PEER_PEER_INT_H
#define SQ_PEER_PEER_INT_H

#include "base/time.h"
#include "media/audio_buffer.h"
#include "media/codec.h"
#include "media/frame_buffer.h"
#include "media/source.h"
#include "peer/bwe/remote.h"
#include "peer/congestion_int.h"
#include "peer/derived_ice.h"
#include "peer/dtls/dtls.h"
#include "peer/ice/ice.h"
#include "peer/jsep/jsep.h"
#include "peer/peer.h"
#include "peer/rtcp/rtcp.h"
#include "peer/rtp/receiver.h"
#include "peer/rtp/rtp.h"
#include "peer/rtp/sender.h"
#include "peer/rtp/twcc.h"
#include "peer/srtp/srtp.h"
#include <assert.h>

#define SQ_BATCH_MAX SQ_SRTP_BATCH_MAX

static_assert(SQ_DERIVED_UFRAG_LEN >= SQ_ICE_UFRAG_CHARS && SQ_DERIVED_PWD_LEN >= SQ_ICE_PWD_CHARS,
              "room for either kind of own credentials");
#define SQ_TX_ROOM                                                                                 \
    1536                 /* a datagram, the tag, and the 31 bytes a header template may overwrite  \
                          */
#define SQ_SSRCS_MAX 128 /* remote SSRCs of a peer that are told apart */

#define SQ_HISTORY_PACKETS                                                                         \
    256 /* for NACK, a power of two: 2.4 s of 1 Mbit/s, 0.6 s of 4 Mbit/s                          \
         */
#define SQ_HISTORY_FORWARDED  512 /* of who forwards: streams of any rate */
#define SQ_TWCC_LOG_ROOM      256 /* packets: 1.6 s of audio and 1 Mbit/s; it grows */
#define SQ_TWCC_LOG_MOST      2048
#define SQ_TWCC_RECORDER_ROOM 256 /* grows likewise */
#define SQ_TWCC_RECORDER_MOST 4096
#define SQ_RTCP_ROOM          1200 /* bytes of a compound before protection */
#define SQ_PLI_INTERVAL_NS    (300 * SQ_NS_PER_MS)
#define SQ_PLI_AFTER_NS       (200 * SQ_NS_PER_MS) /* a frame may wait so long before a PLI */
#define SQ_KEY_FRAME_INTERVAL_NS                                                                   \
    (250 * SQ_NS_PER_MS) /* asked for more often, a clip gives none; below SQ_PLI_INTERVAL_NS, so  \
                            that jitter does not cost the other side a request */
#define SQ_SSRC_LEFTOVER_NS (500 * SQ_NS_PER_MS) /* the SSRC before may still come in so long */
#define SQ_BURST_PACKETS    10 /* of one track at a time: frames of up to 3 Mbit/s whole */
#define SQ_BURST_GAP_NS                                                                            \
    (5 * SQ_NS_PER_MS) /* a larger frame goes on after this, as browsers pace                      \
                        */
#define SQ_DTLS_LINGER_NS                                                                          \
    SQ_NS_PER_SEC /* an alert may answer the last flight, a round trip later */
#define SQ_CONNECT_TIMEOUT_NS (30 * SQ_NS_PER_SEC)

/* Outgoing RTP of all peers of the thread: written in the clear, protected and sent by the
 * flush.
 */
struct sq_tx_batch {
    struct sq_srtp_job jobs[SQ_BATCH_MAX]; /* job i lies in buf[i]; user is the peer */
    size_t n;
    bool busy;                                 /* being sent */
    uint8_t buf[SQ_BATCH_MAX + 1][SQ_TX_ROOM]; /* the last one to spare, see sq_tx_commit */
};

/* Incoming SRTP of all peers of the thread. */
struct sq_rx_batch {
    struct sq_srtp_job jobs[SQ_BATCH_MAX]; /* user is the peer, or NULL when it has gone */
    uint64_t now_ns[SQ_BATCH_MAX];
    size_t n;
    bool busy; /* being delivered */
};

struct sq_peer_env {
    struct sq_srtp_engine *srtp;
    struct sq_dtls_ctx *dtls;
    struct sq_cert_pool *certs;
    size_t next_cert;
    struct sq_rand rand;
    int64_t wall_offset_ns;
    uint32_t clock_id;
    uint64_t clock_error_ns;
    struct sq_tx_batch tx;
    struct sq_rx_batch rx;
};

struct sq_sent_exts {
    uint16_t transport_seq;
    uint8_t level;
    uint8_t abs_send_time[3];
};

/* One RTP stream of a track (RTCRtpEncodingParameters): one without simulcast, else one a layer. */
struct sq_encoding {
    struct sq_rtp_sender rtp;
    struct sq_rtp_template header;
    struct sq_source source;
    /* Black is sent in the place of this step of the clip, which is what the rates are shared out
     * for; NULL: what the source gives is the clip's. */
    const struct sq_clip_track *hidden;
    char rid[SQ_JSEP_RID_MAX]; /* "" without simulcast */
    bool wanted;               /* of simulcast: the other side takes it, and not paused */
    bool active;               /* … and the allocation has room for it */
    bool source_runs;          /* … and the peer may send */
    uint64_t resume_ns;        /* a burst was cut: not before this; 0 otherwise */
    uint64_t key_until_ns;     /* no other key frame is asked of the clip before this */
    bool in_frame;             /* its last packet did not end a frame */
    uint8_t pad_back;          /* which of the last packets padded last */
    bool acked;         /* a report of the other side named it: it needs no MID and RID any more */
    bool rtx_acked;     /* the same of its RTX stream */
    bool headers_mixed; /* the history has packets of before `acked` */
    uint16_t acked_seq; /* the first packet without them */
    uint16_t rtx_seq;   /* next */
    uint32_t rtx_ssrc;  /* 0: none */
    double loss;        /* that reports told, 0 to 1, smoothed: audio */
    uint64_t loss_told_ns;                             /* the latest; 0: none yet */
    uint64_t rtx_packets, rtx_bytes, rtx_header_bytes; /* of the RTX stream; payload with OSN */
    uint64_t pad_packets, pad_bytes; /* of them: to fill the network, not asked for by a NACK */
    /* What stood in the header extensions, by sequence number: with AES-GCM a packet is only sent
     * again byte for byte (RFC 7714, section 8.4). NULL where nothing in them changes, and with
     * RTX, which has sequence numbers of its own. Owned. */
    struct sq_sent_exts *sent_exts;
    uint64_t *sent_tags; /* wall clock (us) of time-tags, the same way; NULL without. Owned. */
};

#define SQ_ENCODINGS_MAX 3

/* Sending side of a track; made when it may first send. */
struct sq_track_tx {
    uint64_t stepped_ns;    /* when the ladder's step changed */
    uint64_t allocated_bps; /* by sq_track_allocate; UINT64_MAX: no limit was ever told */
    const struct sq_clip_track *last_step; /* of the first stream, before its media changed */
    struct sq_tones *tones;                /* being played, tones.c; NULL: none ever were. Owned. */
    uint8_t n;
    struct sq_encoding encodings[]; /* from the lowest to the highest layer */
};

/* What an RTP packet is sent for. */
enum sq_sent_kind {
    SQ_SENT_MEDIA, /* for the first time */
    SQ_SENT_AGAIN, /* a retransmission */
    SQ_SENT_PADDING,
    SQ_SENT_KINDS
};

/* Totals of the SSRCs that a track had before its present one. */
struct sq_track_past {
    uint64_t packets_received, bytes_received, header_bytes_received;
    int64_t packets_lost;
    uint64_t packets_missing, packets_expected, packets_repaired, packets_duplicated;
    uint64_t packets_recovered, packets_discarded;
    uint32_t nack_count, pli_count;
};

/* Receiving side of a track; made when its first packet comes, with room for the model that it
 * plays with (none for who forwards only): see sq_track_rx_bytes. Never copied. */
struct sq_track_rx {
    struct sq_rtp_receiver rtp;
    struct sq_track_past past;
    uint64_t switched_ns; /* when the SSRC changed; 0: never */
    uint32_t ssrc_before;
    uint64_t clock_ns; /* the latest arrival; it never falls */
    uint64_t first_packet_ns;
    uint64_t pli_sent_ns;
    uint8_t fir_seq;
    bool media_seen;              /* FIRST_MEDIA was told */
    struct sq_latency_tags *tags; /* of frames that are not complete yet; NULL without. Owned. */
    struct {                      /* ULPFEC and FlexFEC */
        uint64_t packets, bytes;
        uint64_t useless; /* what could not be read, or found no memory; the store counts more */
        struct sq_fec *store; /* made when the first parity comes; owned */
        uint32_t ssrc;        /* of FlexFEC */
        uint8_t media_pt;     /* of the latest media in RED */
    } fec;
    union {
        struct sq_frame_buffer video;
        struct sq_audio_buffer audio;
    };
};

/* The clock of who sends to us, by its sender reports. */
struct sq_far_clock {
    bool known;
    int64_t ahead_us;  /* of ours */
    uint64_t error_ns; /* half a round trip */
    uint64_t since_ns;
};

struct sq_track {
    struct sq_peer *peer;
    struct sq_jsep_transceiver *jsep; /* NULL once stopped and forgotten */
    void *user;
    const struct sq_clip *clip;        /* NULL: sends by hand */
    const struct sq_clip_track *media; /* what of it fits the agreed codec; NULL before */
    const struct sq_clip_track *fec;   /* the same sound with in-band FEC, where the other side
                                          takes it (useinbandfec=1); NULL */
    enum sq_media_kind kind;
    uint32_t ssrc; /* local */
    uint32_t rtx_ssrc;
    enum sq_codec send_codec; /* agreed on */
    bool can_send, can_receive, muted, disabled;
    bool has_black;              /* of video that is disabled: there is one in this codec */
    uint8_t wanted;              /* enum sq_direction: by its owner, as of the last exchange */
    bool tried, agreed, refused; /* struct sq_track_agreed */
    bool withdrawn;              /* its owner stopped it */
    uint64_t receiving_since_ns; /* the latest time; 0: never */
    uint8_t pt, recv_pt;
    uint8_t red_pt; /* pt is that of RED (RFC 2198), and this the one of what is in it; 0: not so */
    uint8_t rtx_pt, rtx_recv_pt; /* of RTX (RFC 4588) for the codec; 0: not agreed */
    uint8_t fb;                  /* SQ_JSEP_FB_… */
    struct sq_rtp_ext_ids ids;
    struct { /* RTX (RFC 4588): all that came, padding included, which may come before the media */
        uint64_t packets, bytes, header_bytes;
    } rtx_in;
    struct sq_track *main_layer; /* of a further layer of received simulcast; NULL */
    uint8_t layer;
    struct sq_track_tx *tx;
    struct sq_track_rx *rx;
};

struct sq_ssrc_entry {
    uint32_t ssrc;
    uint32_t repairs; /* of an RTX stream: the one whose packets it carries; 0 of others */
    struct sq_track *track;
};

struct sq_peer_counters {
    uint64_t packets_sent, packets_received, bytes_sent, bytes_received;
    uint64_t check_bytes_sent, check_bytes_received;     /* of those, STUN's */
    uint32_t check_packets_sent, check_packets_received; /* as well; a flood wraps them */
    uint32_t srtp_errors, replayed, discarded;
    double remb_bps;
    uint64_t rtp_bytes[SQ_SENT_KINDS]; /* handed to the batch, before protection */
};

struct sq_peer {
    struct sq_peer_env *env;
    const struct sq_peer_ops *ops;
    void *ctx;
    uint64_t now_ns;      /* of the call that is being served */
    uint64_t clock_ns;    /* the latest that is known; it does not fall */
    uint64_t armed_ns;    /* the time-out last told to the owner */
    uint64_t rest_ns;     /* nothing but the clips and the feedback is due before */
    uint64_t feedback_ns; /* transport-wide feedback is due; SQ_NEVER: there is nothing to tell */
    struct sq_srtp *srtp;

    struct sq_track **tracks; /* owned, at most SQ_PEER_TRACKS_MAX */
    uint64_t *sends_ns;       /* of each track: its clip sends nothing before; behind `tracks` */
    size_t tracks_len, tracks_room;
    enum sq_peer_state state;
    bool has_path, path_nominated;
    bool clock_from_offer; /* connect_by_ns is of the first description, and stays */

    uint64_t connect_by_ns, rtcp_at_ns;
    uint64_t alerts_until_ns; /* alerts of the other side's DTLS end the peer */
    uint64_t video_report_ns; /* sender reports on video alone */
    uint64_t resend_ns;       /* until when what was sent again lately takes up the way */

    struct sq_jsep *jsep;
    struct sq_ice *ice;
    struct sq_dtls *dtls;        /* never NULL once the peer is built */
    struct sq_dtls *dtls_before; /* replaced while it was at work */
    const struct sq_cert *cert;
    struct sq_peer_data *data; /* datachannel.c; NULL without data channels */

    bool rtcp_first;
    bool dtls_started, dtls_up, remote_applied;
    bool closing, passive, lite, hear_goodbye, forward_only, latency;
    bool capture_time, dependency;
    uint8_t simulcast;
    bool gather_begun; /* since the last restart */
    bool described;    /* a description with the present credentials is out */
    bool restarted;    /* by the pending offer */
    bool ice_changed;  /* set by ICE's call-backs, worked off after the call */
    bool gathered;     /* gathering_done came, and was not told yet */
    bool twcc_negotiated;
    bool gap_watched;
    uint32_t candidates_told;
    struct sq_far_clock far_clock;
    enum sq_ice_state ice_state;
    int path_base;
    int in_dtls;         /* calls into DTLS that are under way: a call-back may lead to another */
    uint32_t ssrcs_last; /* index: whose packet came last */
    uint64_t remb_bps;
    const struct sq_clip *black; /* of video that is disabled; NULL */
    uint64_t connect_timeout_ns;
    struct sq_derived_ice ice_before; /* our own, of before the restart of a pending offer */
    struct sq_peer_codecs codecs[2];  /* by enum sq_media_kind */
    char cname[32];
    char stream_id[40];

    struct sq_addr path_remote;
    uint64_t gap_from_ns; /* the last RTP packet, while gaps are watched */
    uint64_t gap_ns;      /* the longest */

    struct sq_rtp_ext_ids ids; /* of all sections together, for reading */
    struct sq_peer_bwe bwe;    /* as configured */
    struct sq_cc *cc;          /* owned; NULL: the clips' highest rate, unpaced */
    struct sq_twcc_log *twcc_log;
    struct sq_twcc_recorder *twcc_recorder;
    struct sq_bwe_remote *remote; /* what REMB tells; NULL unless it is to. Owned. */

    struct sq_ssrc_entry *ssrcs;
    size_t ssrcs_len, ssrcs_room;

    struct sq_peer_times times;
    struct sq_peer_counters transport;
};

/* env.c */
uint8_t *
sq_tx_begin(struct sq_peer_env *env); /* SQ_TX_ROOM bytes; then commit, or nothing was meant */
void sq_tx_commit(struct sq_peer_env *env, struct sq_peer *peer, size_t len);
void sq_tx_flush(struct sq_peer_env *env);
void sq_rx_push(struct sq_peer_env *env, struct sq_peer *peer, uint64_t now_ns, uint8_t *buf,
                size_t len);
void sq_rx_flush(struct sq_peer_env *env);
void sq_env_forget_peer(struct sq_peer_env *env, const struct sq_peer *peer);
uint64_t sq_env_ntp(const struct sq_peer_env *env, uint64_t now_ns);

/* peer.c */
void sq_peer_send_dgrams(struct sq_peer *peer, const struct sq_dgram *dgrams, size_t n);
void sq_peer_left_dtls(struct sq_peer *peer); /* a call into it is over: see in_dtls */
void sq_peer_emit(struct sq_peer *peer, struct sq_peer_event event);
void sq_peer_fail(struct sq_peer *peer, enum sq_peer_cause cause, const char *fmt, ...)
    SQ_PRINTF(3, 4);
void sq_peer_after_ice(struct sq_peer *peer); /* works off what ICE's call-backs noted */
int sq_peer_make_dtls(struct sq_peer *peer) SQ_MUST_USE;
static inline bool sq_peer_may_send(const struct sq_peer *peer)
{
    return peer->srtp && peer->has_path;
}

/* timeouts.c */
void sq_peer_due(struct sq_peer *peer, uint64_t at_ns); /* something is to be done then */
/* Transport-wide feedback may be due at another time than before. */
void sq_peer_note_feedback(struct sq_peer *peer);
void sq_peer_rearm(struct sq_peer *peer); /* anything may have become due */

/* paths.c */
/* A candidate line of the other side; a name in it is told to the owner. */
int sq_peer_take_candidate(struct sq_peer *peer, struct sq_view line);
static inline void sq_peer_mark_gap(struct sq_peer *peer, uint64_t now_ns)
{
    if (now_ns > peer->gap_from_ns + peer->gap_ns) {
        peer->gap_ns = now_ns - peer->gap_from_ns;
    }
    peer->gap_from_ns = sq_max_u64(now_ns, peer->gap_from_ns);
}

/* datachannel.c */
int sq_data_negotiated(struct sq_peer *peer) SQ_MUST_USE; /* there is a section now, or is not */
void sq_data_start(struct sq_peer *peer); /* DTLS is up, or a section came: begins if both are */
void sq_data_receive(struct sq_peer *peer, const uint8_t *bytes, size_t len);
uint64_t sq_data_next_timeout(const struct sq_peer *peer);
void sq_data_on_timeout(struct sq_peer *peer, uint64_t now_ns);
/* The association is over with its transport; its channels are closed. */
void sq_data_transport_closed(struct sq_peer *peer);
void sq_data_close(struct sq_peer *peer); /* tells the other side; no events */
void sq_data_free(struct sq_peer *peer);

/* track.c */
int sq_peer_sync_tracks(struct sq_peer *peer) SQ_MUST_USE;  /* a track for each transceiver */
int sq_peer_apply_tracks(struct sq_peer *peer) SQ_MUST_USE; /* after a negotiation */
void sq_peer_start_sources(struct sq_peer *peer);
void sq_peer_start_media(struct sq_peer *peer); /* keys and a path are there: sources and reports */
void sq_peer_stop_sources(struct sq_peer *peer);
void sq_track_free(struct sq_track *track);

/* encoding.c, rates.c: what a track sends. */
size_t sq_track_tx_bytes(size_t encodings);
int sq_track_make_tx(struct sq_track *track) SQ_MUST_USE;
void sq_track_free_tx(struct sq_track_tx *tx);
int sq_encoding_apply(struct sq_track *track, struct sq_encoding *e) SQ_MUST_USE;
/* track->media is another: the sources begin anew, and their numbers go on. */
void sq_track_change_media(struct sq_track *track, uint64_t now_ns);
/* Starts, goes on with, or halts the clip, as the direction and the layer's state have it. */
void sq_track_sync_sources(struct sq_track *track, uint64_t now_ns);
/* Black is sent in the place of the clip. */
static inline bool sq_track_is_hidden(const struct sq_track *track)
{
    return track->disabled && track->has_black;
}
/* The step of the clip that is sent, or hidden. */
static inline const struct sq_clip_track *sq_encoding_step(const struct sq_encoding *e)
{
    return e->hidden ? e->hidden : sq_source_step(&e->source);
}
/* The stream of one of our SSRCs; NULL for an SSRC that does not send. */
struct sq_encoding *sq_peer_encoding(struct sq_peer *peer, uint32_t ssrc,
                                     struct sq_track **ret_track);
static inline uint64_t sq_encoding_next_ns(const struct sq_encoding *e)
{
    return e->source_runs ? sq_max_u64(e->resume_ns, sq_source_due_ns(&e->source)) : SQ_NEVER;
}
/* tones.c: telephone events in the place of audio. The row with that clock, or NULL. */
const struct sq_jsep_codec *sq_track_event_codec(const struct sq_track *track, uint32_t clock_hz);
uint64_t sq_tones_next_ns(const struct sq_tones *tones);
bool sq_tones_sounds(const struct sq_tones *tones); /* NULL: no */
uint32_t sq_tones_begun(const struct sq_tones *tones);
/* A packet that is not sent as a key sounds. */
void sq_tones_take_place_of(struct sq_tones *tones, enum sq_codec codec,
                            const struct sq_source_packet *packet);
void sq_track_run_tones(struct sq_track *track, uint64_t now_ns);
/* A packet of an event that began at `began_ns`, which is time-stamp `ts`. */
void sq_encoding_send_event(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                            uint8_t pt, uint32_t ts, uint64_t began_ns, bool marker,
                            const uint8_t *payload, size_t len);
/* A packet of DTX that tells a pause from `at_ns` on: of Opus, in no clip's time. */
void sq_encoding_send_pause(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                            uint64_t at_ns, const uint8_t *payload, size_t len);
/* Of a track that has a sending side. */
static inline uint64_t sq_track_next_send_ns(const struct sq_track *track)
{
    const struct sq_track_tx *tx = track->tx;
    uint64_t at = sq_encoding_next_ns(&tx->encodings[0]);
    at = tx->tones ? sq_min_u64(at, sq_tones_next_ns(tx->tones)) : at;
    for (size_t i = 1; i < tx->n; i++) {
        at = sq_min_u64(at, sq_encoding_next_ns(&tx->encodings[i]));
    }
    return at;
}
void sq_track_run_sources(struct sq_track *track, uint64_t now_ns);
/* The same for a probe: what is due leaves, held back or not, as far as the pacer has room. */
void sq_track_run_probe(struct sq_track *track, uint64_t now_ns);
/* Padding of about so many bytes: packets of before once more on the RTX stream, as browsers do, or
 * packets of nothing but padding behind a whole frame. Returns the bytes; 0: it can't be now. */
size_t sq_track_send_padding(struct sq_track *track, uint64_t now_ns, size_t bytes);
void sq_encoding_resend(struct sq_track *track, struct sq_encoding *e,
                        const struct sq_rtp_resend *resend, uint64_t now_ns);
void sq_encoding_send_key_frame(struct sq_encoding *e);
/* A report told that this share of its packets was lost: with loss, Opus brings FEC. */
void sq_encoding_on_loss(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                         double loss);
/* A report came that names the stream. */
void sq_encoding_on_block(struct sq_track *track, struct sq_encoding *e, uint32_t ssrc);

/* The step of the ladder that layer i of n sends; NULL where the clip has fewer pictures. */
const struct sq_clip_track *sq_choose_layer(const struct sq_clip_track *media, size_t i, size_t n);

/* choose.c: codecs and what of a clip goes with them. */
struct sq_codec_rows {
    uint64_t allowed; /* as sq_jsep_add has it */
    uint8_t prefs[SQ_JSEP_PREFS_MAX];
    size_t n_prefs;
};
/* SQ_ERR_UNSUPPORTED: the clip (nullable) has none of the codecs. */
int sq_codec_rows(const struct sq_peer_codecs *codecs, bool video, const struct sq_clip *clip,
                  struct sq_codec_rows *ret_rows) SQ_MUST_USE;
/* The clip's track for the agreed codec; NULL if it has none. */
const struct sq_clip_track *sq_choose_media(const struct sq_clip *clip,
                                            const struct sq_jsep_codec *codec,
                                            const struct sq_peer_codecs *codecs);
/* The same sound in Opus with in-band FEC; NULL where the clip has none, or it is `media`. */
const struct sq_clip_track *sq_choose_fec(const struct sq_clip *clip,
                                          const struct sq_clip_track *media);
/* Of a=fmtp's parameters, NULL for none. */
bool sq_fmtp_is_one(const char *fmtp, const char *name);

/* ---- Rates: what congestion control and a pacer hold on to ----
 *
 * Every RTP packet of a peer goes through sq_peer_rtp_leaves on its way into the batch, whatever it
 * is: media of a clip or by hand, a retransmission, padding. `bytes` is header and payload, without
 * SRTP's tag, UDP and IP. The pacer (congestion.c) counts here what has left. What a clip still
 * wants to send is not queued: an encoding's resume_ns holds it back in the clip until then. */
static inline void sq_peer_rtp_leaves(struct sq_peer *peer, uint64_t now_ns, enum sq_sent_kind kind,
                                      size_t bytes, bool video)
{
    peer->transport.rtp_bytes[kind] += bytes;
    if (peer->cc) {
        sq_cc_on_sent(peer, now_ns, (int)kind, bytes, video);
    }
}
/* How many packets an encoding may send now without pause. */
static inline unsigned sq_pace_room(struct sq_peer *peer, uint64_t now_ns, bool video)
{
    return peer->cc && video ? sq_cc_room(peer, now_ns) : SQ_BURST_PACKETS;
}
/* When an encoding that has just sent `burst` packets of the `room` it had may send its next. */
static inline uint64_t sq_pace_ns(struct sq_peer *peer, uint64_t now_ns, bool video, unsigned burst,
                                  unsigned room)
{
    if (burst < room) {
        return 0;
    }
    return peer->cc && video ? sq_cc_resume_ns(peer, now_ns) : now_ns + SQ_BURST_GAP_NS;
}

/* What a track can send, in bits a second of payload. All 0 for one that has no clip. */
struct sq_track_rates {
    uint64_t min_bps; /* the least with which anything is sent: the lowest step of the lowest layer
                       */
    uint64_t max_bps; /* the highest steps of all layers together */
};
void sq_track_rates(const struct sq_track *track, struct sq_track_rates *ret_rates);
/* The layers that the latest answer takes: those are sent, as far as there is room for them. */
void sq_track_want_layers(struct sq_track *track);
/* What it sends since the last sq_track_allocate: steps and layers in force, in the same measure.
 */
uint64_t sq_encoding_sending_bps(const struct sq_track *track, const struct sq_encoding *e);
uint64_t sq_track_sending_bps(const struct sq_track *track);

/* The track may send `bps` from now on: it chooses simulcast layers, the step of the clip's ladder
 * and temporal layers. Layers get their part from the lowest to the highest, each up to what it
 * can use before the next one gets anything; one whose minimum does not fit any more is switched
 * off, all but the lowest, which sends its least even where that is more than `bps` (as
 * libwebrtc's SimulcastRateAllocator and its "no suspend below the minimum" do). A layer that is
 * switched on again begins with a key frame. UINT64_MAX: everything. Cheap when nothing changes;
 * may be called as often as an estimate moves. */
void sq_track_allocate(struct sq_track *track, uint64_t bps, uint64_t now_ns);

/* latency.c: time-tags (media/timetag.h) */
struct sq_latency_room {
    size_t grows; /* by how much the payload grows to carry one */
    size_t at;    /* or where in the clip's payload there is room for it; both 0: it carries none */
};
/* The wall clock (us) that packet `seq` bears: of when it was due, or `again` what it had. */
uint64_t sq_latency_time_us(const struct sq_peer *peer, struct sq_encoding *e, uint16_t seq,
                            uint64_t due_ns, bool again);
struct sq_latency_room sq_latency_room(const struct sq_track *track,
                                       const struct sq_source_packet *packet);
/* Puts the tag into the payload: its descriptor of head_len bytes, and the clip's part. */
void sq_latency_put(const struct sq_peer *peer, enum sq_codec codec,
                    const struct sq_latency_room *room, uint64_t us, uint8_t *payload,
                    size_t head_len, size_t len);
/* abs-capture-time with the offset of the capture clock, which is the sender's own: 0. */
#define SQ_CAPTURE_TIME_BYTES 16
void sq_latency_capture_time(uint64_t us, uint8_t out[static SQ_CAPTURE_TIME_BYTES]);

/* Looks for a tag in a packet that came, and for abs-capture-time. Audio's is told at once, a video
 * frame's once it is decodable. */
void sq_latency_on_packet(struct sq_track *track, const struct sq_rtp_packet *packet,
                          const struct sq_rtp_exts *exts, enum sq_codec codec, uint64_t now_ns);
/* A sender report came with that time of the other side's clock. */
void sq_latency_on_sr(struct sq_peer *peer, uint64_t ntp, uint64_t now_ns);
void sq_latency_on_frame(struct sq_track *track, uint32_t timestamp, uint64_t now_ns);

/* receive.c */
void sq_peer_on_rtp(struct sq_peer *peer, uint64_t now_ns, uint8_t *buf, size_t len);
/* `repairs`: of RTX, the SSRC that it repairs; 0 for media. */
void sq_peer_bind_ssrc(struct sq_peer *peer, uint32_t ssrc, uint32_t repairs,
                       struct sq_track *track);
void sq_peer_unbind_track(struct sq_peer *peer, const struct sq_track *track);
/* Adds the totals of the SSRCs before the present one. */
void sq_track_add_past(const struct sq_track_rx *rx, struct sq_rtp_inbound_stats *stats);

void sq_peer_deliver(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_packet *packet,
                     const struct sq_rtp_exts *exts, bool repaired);

/* receive_fec.c */
/* A new video packet of a track that has a receiving side, before it is delivered: takes the RED
 * (RFC 2198) off it, the parity out of it, and keeps it where there is parity. One without media
 * becomes an empty one, as padding is. `again`: it came by RTX. */
void sq_fec_on_packet(struct sq_track *track, struct sq_rtp_packet *packet, bool again);
void sq_fec_on_flexfec(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtp_packet *packet);
/* Delivers what can be made again. */
void sq_fec_deliver(struct sq_track *track, uint64_t now_ns);

/* play.c */
size_t sq_track_rx_bytes(const struct sq_track *track);
void sq_track_free_rx(struct sq_track *track);
/* What a payload type means in the track's section: any that was agreed may come, and another one
 * with the next packet. NULL for one that was not. */
const struct sq_jsep_codec *sq_track_codec_of(const struct sq_track *track, uint8_t pt);
bool sq_jsep_codec_is_event(const struct sq_jsep_codec *codec); /* telephone-event; not of NULL */
/* SQ_CODEC_NONE for RTX, telephone-event and NULL; RED is what it carries. */
enum sq_codec sq_track_codec_carried(const struct sq_jsep_codec *codec);
void sq_track_tell_first_media(struct sq_track *track);
void sq_track_init_play(struct sq_track *track); /* of a new rx */
void sq_track_play(struct sq_track *track, const struct sq_media_packet *packet, bool repaired);
void sq_track_play_event(struct sq_track *track,
                         const struct sq_media_packet *packet); /* telephone-event */
void sq_track_restart_play(struct sq_track *track);             /* another source begins */
void sq_track_pause_play(struct sq_track *track);               /* it pauses on purpose */

/* feedback.c */
void sq_peer_on_rtcp(struct sq_peer *peer, uint64_t now_ns, uint8_t *buf, size_t len);
void sq_peer_start_rtcp(struct sq_peer *peer, uint64_t now_ns);
void sq_peer_send_reports(struct sq_peer *peer, uint64_t now_ns);
void sq_peer_send_video_reports(struct sq_peer *peer, uint64_t now_ns);
void sq_peer_send_bye(struct sq_peer *peer);
/* What is due until then. */
void sq_peer_send_transport_feedback(struct sq_peer *peer, uint64_t now_ns, uint64_t until_ns);
/* A packet of video from a sender that is to be limited by REMB. */
void sq_peer_estimate_for_remb(struct sq_track *track, uint64_t now_ns,
                               const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                               bool again);
/* NACK and PLI, of a track that has a receiving side. */
uint64_t sq_track_feedback_due(const struct sq_track *track);
void sq_track_run_feedback(struct sq_track *track, uint64_t now_ns);
/* The latest round trip: by report blocks of any stream, else by ICE's checks; 0: not known. */
uint64_t sq_peer_rtt_ns(const struct sq_peer *peer, uint64_t now_ns);
/* By report blocks alone; 0: none of the last age_ns. */
uint64_t sq_peer_report_rtt_ns(const struct sq_peer *peer, uint64_t now_ns, uint64_t age_ns);

#endif

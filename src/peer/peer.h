/* One WebRTC peer connection without I/O (W3C webrtc-pc, RFC 8825): SDP negotiation, ICE, DTLS,
 * SRTP, RTP and RTCP behind one face. It is given datagrams, descriptions and time-outs, and gives
 * back datagrams, events and the time of its next time-out. It serves a generated client as well as
 * a server's side of the wire (the lab's SFU).
 *
 * A peer belongs to one thread. All peers of a thread share a struct sq_peer_env. Packets leave
 * through the env's batch: call sq_peer_env_flush after each round of input, or nothing is sent.
 *
 * A "base" is a small number (below SQ_PEER_BASES_MAX) that the owner gives to a local socket of
 * this peer. */
#ifndef SQ_PEER_PEER_H
#define SQ_PEER_PEER_H

#include "base/addr.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"
#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_PEER_TRACKS_MAX   64 /* transceivers of a peer */
#define SQ_PEER_BASES_MAX    16 /* local sockets and relays of a peer */
#define SQ_PEER_TCP_BASE     8  /* what base N + this sends goes over TCP, from base N's address */
#define SQ_PEER_DATAGRAM_MAX 1500 /* bytes, the largest datagram that is sent or read */
#define SQ_PEER_CHANNELS_MAX 1024 /* data channels of a peer at a time */
#define SQ_PEER_TONES_MAX    64   /* that may wait to be played */
#define SQ_PEER_TEXT_MAX     256  /* bytes of an error sentence with its NUL */

struct sq_peer;
struct sq_track;      /* a transceiver: what one m-section sends and receives */
struct sq_channel;    /* a data channel */
struct sq_rtp_packet; /* peer/rtp/rtp.h */
struct sq_rtp_exts;
struct sq_media_packet; /* media/depacket.h */
struct sq_clip;         /* media/clip.h */
struct sq_peer_env;
struct sq_ice; /* peer/ice/ice.h */

enum sq_media_kind { SQ_MEDIA_AUDIO, SQ_MEDIA_VIDEO };

/* Bits: RECV | SEND == SENDRECV (RFC 8866, section 6.7). */
enum sq_direction {
    SQ_DIR_INACTIVE = 0,
    SQ_DIR_SENDONLY = 1,
    SQ_DIR_RECVONLY = 2,
    SQ_DIR_SENDRECV = 3
};

enum sq_sdp_type { SQ_SDP_OFFER, SQ_SDP_ANSWER };

/* ---- What the peers of a thread share ---- */

struct sq_peer_env_config {
    uint64_t seed;           /* of every random choice but keys */
    unsigned certificates;   /* in the pool; 0: 8 */
    uint64_t now_ns;         /* the time of this call */
    int64_t wall_offset_ns;  /* wall clock minus `now_ns`, for NTP time-stamps and certificates */
    bool force_openssl_srtp; /* leave libipsec-mb aside */
    bool prefer_cm;          /* AES_CM_128_HMAC_SHA1_80 before AEAD_AES_128_GCM */
    uint32_t clock_id;       /* of the wall clock, see base/wallclock.h; 0: not known */
    uint64_t clock_error_ns; /* bound of its error; SQ_CLOCK_ERROR_UNKNOWN */
};

int sq_peer_env_create(const struct sq_peer_env_config *config,
                       struct sq_peer_env **ret_env) SQ_MUST_USE;
/* After all its peers. */
void sq_peer_env_destroy(struct sq_peer_env *env);
/* Protects and sends what has gathered, and decrypts and delivers what waits for its batch. */
void sq_peer_env_flush(struct sq_peer_env *env, uint64_t now_ns);

/* ---- Owner's face ---- */

struct sq_dgram {
    const uint8_t *buf;
    size_t len;
};

enum sq_peer_state { /* RTCPeerConnectionState */
                     SQ_PEER_NEW,
                     SQ_PEER_CONNECTING,
                     SQ_PEER_CONNECTED,    /* ICE and DTLS are up */
                     SQ_PEER_DISCONNECTED, /* consent checks go unanswered; may come back */
                     SQ_PEER_FAILED,       /* nothing is sent; an ICE restart may bring it back to
                                              CONNECTING, unless DTLS failed or was closed */
                     SQ_PEER_CLOSED,
};

/* Why a peer failed. The run adds the causes that lie outside a peer. */
enum sq_peer_cause {
    SQ_PEER_CAUSE_NONE,
    SQ_PEER_CAUSE_ICE,
    SQ_PEER_CAUSE_DTLS,
    SQ_PEER_CAUSE_MEDIA_LOST, /* connected before, then consent expired (RFC 7675) */
    SQ_PEER_CAUSE_PROTOCOL,
    SQ_PEER_CAUSE_UNANSWERED, /* the other side's session description did not come */
    SQ_PEER_CAUSE_REFUSED,    /* the answer turned down all that was offered */
    SQ_PEER_CAUSE_EXHAUSTED,  /* this machine had no memory for it */
    /* Of a relay that was the only way (sq_peer_give_up): */
    SQ_PEER_CAUSE_AUTH,
    SQ_PEER_CAUSE_CONNECT,
    SQ_PEER_CAUSE_TLS,
};

enum sq_peer_event_type {
    SQ_PEER_EV_STATE,           /* state, and for FAILED cause and text */
    SQ_PEER_EV_LOCAL_CANDIDATE, /* text: "candidate:…" (RFC 8839), mid, mline */
    SQ_PEER_EV_GATHERING_DONE,  /* end-of-candidates */
    SQ_PEER_EV_ICE_CONNECTED,   /* the first valid pair */
    SQ_PEER_EV_SELECTED_PAIR,   /* data goes this way now: base, remote, nominated */
    SQ_PEER_EV_ICE_RESTART,     /* other addresses of the remote may be heard from now */
    SQ_PEER_EV_DTLS_CONNECTED,  /* keys are there */
    SQ_PEER_EV_TRACK, /* track: after set_remote, one that now sends to us, or stopped doing so */
    SQ_PEER_EV_FIRST_MEDIA, /* track: its first RTP packet (audio) or first decodable frame (video)
                             */
    SQ_PEER_EV_KEY_FRAME_REQUEST, /* track: PLI or FIR came and no clip answers it */
    SQ_PEER_EV_BYE,               /* track: RTCP BYE */
    SQ_PEER_EV_CANDIDATE_NAME,    /* text: a candidate of the other side whose address is a name:
                                     resolve it and call sq_peer_add_resolved */
    SQ_PEER_EV_NOTE,              /* text: what befell a path, for the peer's story */
    SQ_PEER_EV_CHANNEL_OPEN,      /* channel: may send; with `from_remote`, one that the other side
                                     made */
    SQ_PEER_EV_CHANNEL_MESSAGE,   /* channel: data, data_len, binary */
    SQ_PEER_EV_CHANNEL_CLOSING,   /* channel: the other side closes it */
    SQ_PEER_EV_CHANNEL_CLOSED,    /* channel: its last event; see sq_channel_close */
    SQ_PEER_EV_BUFFERED_LOW,      /* channel: bufferedAmount fell to its low threshold */
};

struct sq_peer_event {
    enum sq_peer_event_type type;
    uint64_t now_ns;
    enum sq_peer_state state;
    enum sq_peer_cause cause;
    const char *text; /* borrowed for the call */
    const char *mid;  /* borrowed for the call */
    int mline;
    struct sq_track *track;
    int base;
    struct sq_addr remote;
    bool nominated;
    struct sq_channel *channel;
    bool from_remote;
    const uint8_t *data; /* borrowed for the call */
    size_t data_len;
    bool binary; /* else text in UTF-8, which is not checked */
};

/* A packet to send by hand, in the place of a clip. */
struct sq_rtp_out {
    uint32_t timestamp; /* in the codec's clock */
    bool marker;
    bool key;          /* of a key frame: all its packets say so. For the statistics */
    bool explicit_seq; /* send with `seq`, else with the next one */
    uint16_t seq;
    uint32_t cookie;       /* given back to `resend` when the packet is asked for again */
    uint8_t level;         /* RFC 6464: 0 (loud) to 127 dBov below; 0x80 set: voice activity */
    uint32_t event_hz;     /* a telephone-event (RFC 4733) with that clock; 0: media */
    const uint8_t *prefix; /* payload descriptor, or NULL; borrowed for the call */
    size_t prefix_len;
    const uint8_t *payload; /* borrowed for the call */
    size_t payload_len;
    bool padding;              /* set for `resend`: nobody asked for it, it goes out as padding */
    const uint8_t *dependency; /* the dependency descriptor, where it is agreed; NULL: none */
    size_t dependency_len;
    const uint8_t *capture_time; /* 8 bytes of abs-capture-time, where it is agreed; NULL: none. Of
                                    tracks without retransmission: it would not be sent again */
};

/* What told when a frame was captured. */
enum sq_latency_by {
    SQ_LATENCY_TAG,     /* a time-tag in the payload (media/timetag.h) */
    SQ_LATENCY_CAPTURE, /* the header extension abs-capture-time, where the payload has no tag */
};

/* How long a frame was under way: from when its sender meant to send it until all of it had come
 * and it was decodable (video), or until its packet had come (audio). By the wall clocks of both
 * sides. */
struct sq_latency_sample {
    int64_t latency_us; /* may be below 0 where the clocks differ */
    bool same_clock;    /* both sides read the same clock: it is exact */
    uint64_t error_us;  /* else: what both clocks may be off together; UINT64_MAX: not known */
    enum sq_latency_by by;
};

/* Each is called with the ctx of sq_peer_create. Within a call-back the peer may be used (closed,
 * too), but no peer of its thread be destroyed from within `send`, nor its own from within any.
 * What is sent by hand from within `send` goes out in the same flush as long as the batch has room,
 * and is lost beyond. */
struct sq_peer_ops {
    /* n datagrams for one destination, in this order. Borrowed for the call. */
    void (*send)(void *ctx, int base, const struct sq_addr *to, const struct sq_dgram *dgrams,
                 size_t n);
    /* The next time-out is now at `at_ns`: earlier than said before, or the first said since
     * sq_peer_on_timeout was entered. Nothing else need be asked to drive a peer. Within
     * sq_peer_on_timeout it may come more than once: the last one counts. */
    void (*arm)(void *ctx, uint64_t at_ns);
    void (*event)(void *ctx, const struct sq_peer_event *event);
    /* Each RTP packet as it arrives, in the clear, duplicates left out, those of padding only
     * included (payload_bytes 0); NULL: not wanted. */
    void (*rtp)(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                const struct sq_rtp_exts *exts, uint64_t now_ns);
    /* Each RTP packet as it is sent, in the clear, those sent again and padding included, by
     * RTX as it leaves (sq_track_sends_rtx_as()); NULL: not wanted. Within it the peer may not be
     * used. */
    void (*sent)(void *ctx, struct sq_track *track, const uint8_t *rtp, size_t len,
                 uint64_t now_ns);
    /* A frame with a time-tag (config.latency); NULL: not wanted. */
    void (*latency)(void *ctx, struct sq_track *track, const struct sq_latency_sample *sample);
    /* A packet sent by hand is asked for again: fill `ret_out` (marker and payload; it is zeroed
     * but for `padding`) and say true, or say false when it is gone. NULL: nothing is resent. */
    bool (*resend)(void *ctx, struct sq_track *track, uint32_t cookie, struct sq_rtp_out *ret_out);
};

/* ---- Codecs ---- */

enum sq_h264_modes {
    SQ_H264_MODES,       /* every packetization mode, in Chromium's order: mode 1 first */
    SQ_H264_MODE0_FIRST, /* every one, mode 0 first (each NAL unit in a packet of its own) */
    SQ_H264_MODE0,       /* mode 0 alone */
};

/* Which codecs the tracks of a kind may use, the preferred one first. All zeros: every one that
 * Squall knows, in Chromium's order, or in the other side's where that offers. */
struct sq_peer_codecs {
    uint8_t order[SQ_CODECS]; /* enum sq_codec */
    uint8_t n;
    bool stereo; /* Opus: a stereo stream is sent, and one is asked for (stereo=1) */
    bool dtx;    /* Opus: nothing is sent in silence, and so it is asked for (usedtx=1) */
    bool red;    /* Opus: a clip is sent in RED (RFC 2198), each packet with the one before it; and
                    RED is preferred, so that the other side does so, too */
    bool opus_fec; /* Opus: in-band FEC from the first packet on; else once reports tell of loss,
                      where the other side has useinbandfec=1 */
    bool svc;      /* VP9: the scalable stream is sent, in spatial layers, where the clip has one */
    enum sq_h264_modes h264_modes;
    bool no_fec; /* neither RED, ULPFEC nor FlexFEC is taken or sent, nor in-band FEC sent */
};

/* Reads a list such as "h264,vp8", "h264-mode0", "vp9+svc" or "opus+stereo+dtx+red+fec,pcmu".
 * `video` says which kind is meant. SQ_ERR_INVALID with a sentence that says what was expected. */
int sq_peer_codecs_parse(const char *text, bool video, struct sq_peer_codecs *ret_codecs,
                         char why[SQ_PEER_TEXT_MAX]) SQ_MUST_USE;
/* What it takes as a regular expression (ECMA-262) without ^ and $: all good lists match, and those
 * of unknown codecs do not. */
void sq_peer_codecs_pattern(bool video, struct sq_buf *out);
/* Can the clip send one of them? SQ_ERR_UNSUPPORTED with a sentence that says what it has. */
int sq_peer_codecs_check(const struct sq_peer_codecs *codecs, bool video,
                         const struct sq_clip *clip, char why[SQ_PEER_TEXT_MAX]) SQ_MUST_USE;

/* The stream of Opus that the clip sends with these: the one that has the most of stereo, DTX and
 * in-band FEC where they are asked for, and of the rest as little as can be. NULL: it has no Opus.
 * Borrowed from the clip. */
const struct sq_clip_track *sq_peer_codecs_opus(const struct sq_peer_codecs *codecs,
                                                const struct sq_clip *clip);

/* ---- A peer's life ---- */

/* How the rate of what clips send is chosen. */
enum sq_bwe_mode {
    SQ_BWE_OFF,   /* the clips' highest rate, always */
    SQ_BWE_GCC,   /* congestion control as browsers do it; docs/congestion-control.md */
    SQ_BWE_FIXED, /* what fits fixed_bps, always */
};

struct sq_peer_bwe {
    enum sq_bwe_mode mode;
    uint64_t fixed_bps;                   /* of all that leaves, IP and UDP included */
    uint64_t start_bps, min_bps, max_bps; /* 0: 300 kbit/s, 30 kbit/s, 30 Mbit/s */
};

struct sq_peer_config {
    bool ice_tcp;          /* connect to passive TCP candidates: the owner knows the bases from
                              SQ_PEER_TCP_BASE on (RFC 6544) */
    bool ice_lite;         /* answer checks only (RFC 8445, section 2.5) */
    bool passive;          /* DTLS server when answering (RFC 8842); a client otherwise */
    const char *cname;     /* RFC 7022; copied; NULL: random */
    const char *stream_id; /* msid; copied; NULL: random */
    const struct sq_addr *stun_servers; /* copied */
    size_t stun_servers_len;            /* at most SQ_ICE_SERVERS_MAX */
    uint64_t connect_timeout_ns;        /* from when both descriptions are there until connected; so
                                           long, too, for a first candidate. 0: 30 s */
    bool clock_from_offer; /* whoever signals has no time-out for the answer: connect_timeout_ns
                              counts from the first description on */
    bool patient;          /* descriptions are carried by hand: so does it, and checks that nobody
                              answers go on until then, where else they end by RFC 8445 after 40 s */
    bool derived_ice;      /* ufrag and password follow from the certificate's fingerprint, see
                              peer/derived_ice.h, so that they need not be told; who uses them and is
                              not the one of the remote description is refused */
    bool accept_data;  /* take a data-channel section that the other side offers; who adds a channel
                          of its own does so anyway */
    bool hear_goodbye; /* the other side's close_notify ends the peer at any time, and not only in
                          the first second or with data channels */
    bool forward_only; /* packets are passed on, not played: no frames, freezes or PLI of its own;
                          what is missing is asked for by NACK all the same */
    bool latency; /* write time-tags into the frames that a clip gives, and read those that come
                     (media/timetag.h): ops->latency tells them. The same by abs-capture-time,
                     where it is agreed: with each frame of video, and audio that has no tag */
    struct sq_peer_codecs audio, video; /* what its tracks may use; zeros: everything */
    unsigned simulcast; /* layers of a video that a clip gives: 2 or 3; else one stream */
    bool capture_time;  /* offer abs-capture-time */
    bool dependency;    /* offer the dependency descriptor, as is done with layers anyway */
    const struct sq_clip *black; /* what is sent of a video that is not enabled, see
                                    sq_track_set_enabled; borrowed; NULL: nothing */
    uint64_t remb_bps; /* tell senders by REMB that they may send this much; 0: what is measured */
    struct sq_peer_bwe bwe;
};

/* env and ops are borrowed for the peer's life. SQ_ERR_NOMEM (more than SQ_ICE_SERVERS_MAX STUN
 * servers are that, too), SQ_ERR_CRYPTO. */
int sq_peer_create(struct sq_peer_env *env, const struct sq_peer_config *config,
                   const struct sq_peer_ops *ops, void *ctx, struct sq_peer **ret_peer) SQ_MUST_USE;
/* Sends RTCP BYE and close_notify if it can; events stop. The peer may still be destroyed only
 * outside its own call-backs. */
void sq_peer_close(struct sq_peer *peer, uint64_t now_ns);
void sq_peer_destroy(struct sq_peer *peer);

/* As given to sq_peer_create. */
void *sq_peer_ctx(const struct sq_peer *peer);

/* A socket at `addr`. Before the first description, or later for a path that came up. Of this and
 * the next two: SQ_ERR_INVALID for an id that is in use or out of range, SQ_ERR_STATE once the peer
 * is closed, SQ_ERR_NOMEM. */
int sq_peer_add_base(struct sq_peer *peer, int base, const struct sq_addr *addr) SQ_MUST_USE;
/* An allocation at a TURN server: datagrams for its base are to be relayed, and those that were
 * relayed are given to sq_peer_receive with the address of the peer that sent them. */
int sq_peer_add_relay(struct sq_peer *peer, uint64_t now_ns, int base,
                      const struct sq_addr *relayed, const struct sq_addr *mapped,
                      uint16_t local_pref) SQ_MUST_USE;
/* A listening TCP socket at `addr`: connections that come in are told apart by the first check. */
int sq_peer_add_listener(struct sq_peer *peer, int base, const struct sq_addr *addr) SQ_MUST_USE;
bool sq_peer_has_base(const struct sq_peer *peer, int base);
/* Holds end-of-candidates back while a relay may still come; count them. */
void sq_peer_hold_gathering(struct sq_peer *peer);
void sq_peer_release_gathering(struct sq_peer *peer, uint64_t now_ns);
/* The owner knows of no other way to connect: the peer fails with this, whatever path it has,
 * unless it has failed or is closed. */
void sq_peer_give_up(struct sq_peer *peer, uint64_t now_ns, enum sq_peer_cause cause,
                     const char *text);
/* Asks the other side now whether it is still there (RFC 7675), ahead of the next check. */
void sq_peer_ask_consent(struct sq_peer *peer, uint64_t now_ns);
/* Raises SQ_PEER_EV_NOTE. */
void sq_peer_note(struct sq_peer *peer, const char *text);
/* From now on the longest time without an RTP packet is watched, of all tracks together; false ends
 * it. */
void sq_peer_watch_gap(struct sq_peer *peer, uint64_t now_ns, bool on);
/* The longest so far, the one that lasts included; 0 while none is watched. */
uint64_t sq_peer_gap_ns(const struct sq_peer *peer, uint64_t now_ns);

/* A datagram from the wire, `now_ns` its time of arrival. `buf` is written to, and must stay until
 * the next sq_peer_env_flush: media waits there for its batch. */
void sq_peer_receive(struct sq_peer *peer, uint64_t now_ns, int base, const struct sq_addr *from,
                     uint8_t *buf, size_t len);
uint64_t sq_peer_next_timeout(const struct sq_peer *peer);
void sq_peer_on_timeout(struct sq_peer *peer, uint64_t now_ns);

/* ---- Negotiation (RFC 8829) ---- */

/* clip: what to send, NULL to send by hand (or nothing); borrowed until the peer's end. Which of
 * its tracks is sent follows from the codec that is negotiated; only codecs that the clip has are
 * offered or accepted for a track that sends. SQ_ERR_UNSUPPORTED: the clip has none of those that
 * the peer may use (sq_peer_codecs_check says it in a sentence). A later offer tells the other
 * side; a section that the other side offers may take the track (as addTrack). */
int sq_peer_add_track(struct sq_peer *peer, enum sq_media_kind kind, enum sq_direction direction,
                      const struct sq_clip *clip, struct sq_track **ret_track) SQ_MUST_USE;
/* Lets a track that the remote offer made (or an older one) send this; NULL: by hand. Adds sending
 * to its wanted direction. SQ_ERR_UNSUPPORTED as above. */
int sq_track_set_media(struct sq_track *track, const struct sq_clip *clip) SQ_MUST_USE;
/* Simulcast of the other side is asked for in offers and accepted in answers. Its further layers
 * come as tracks of their own, which stand behind the others (sq_track_layer). */
void sq_track_receive_simulcast(struct sq_track *track, bool wanted);
/* Which codecs the track may use from the next description on, in the place of the peer's. */
int sq_track_set_codecs(struct sq_track *track, const struct sq_peer_codecs *codecs) SQ_MUST_USE;
/* Sends another clip from now on, as replaceTrack does (W3C WebRTC, section 5.2): by the same
 * SSRCs, with a key frame, time-stamps and PictureIDs go on. `clip` is borrowed. SQ_ERR_STATE: it
 * sends no clip; SQ_ERR_UNSUPPORTED: the clip has nothing of the codec that was agreed on;
 * SQ_ERR_NOMEM. */
int sq_track_share(struct sq_track *track, uint64_t now_ns, const struct sq_clip *clip) SQ_MUST_USE;
/* Sends nothing of its clip until it is unmuted, as RTCRtpSender.replaceTrack(null) has it; the
 * time of the clip goes on, and a video begins again with a key frame. Reports and RTCP go on. */
void sq_track_set_muted(struct sq_track *track, uint64_t now_ns, bool muted);
/* As MediaStreamTrack.enabled: of sound that is not enabled silence is sent, packet for packet; of
 * video config.black in the codec agreed on, in the size of it that is nearest to the picture's,
 * from a key frame to the key frame of the clip that ends it. Sound whose codec has no silence here
 * (media/silence.h), and video that has no black, is sent no more. */
void sq_track_set_enabled(struct sq_track *track, uint64_t now_ns, bool enabled);
/* Takes effect with the next description. */
int sq_track_set_direction(struct sq_track *track, enum sq_direction direction) SQ_MUST_USE;
/* The track stays for its statistics after the section has ended; when a peer has had
 * SQ_PEER_TRACKS_MAX tracks, a new one takes the place (and pointer) of the first that ended. */
int sq_track_stop(struct sq_track *track) SQ_MUST_USE;

/* Make a description and put it in force as local one. *ret_sdp is owned by the caller (sq_free).
 * `why` takes a sentence on failure, nullable. SQ_ERR_STATE: the peer is closed, or the state of
 * the signalling has no room for it (an offer needs stable, an answer a remote offer);
 * SQ_ERR_NOMEM. */
int sq_peer_create_offer(struct sq_peer *peer, uint64_t now_ns, bool ice_restart, char **ret_sdp,
                         char why[SQ_PEER_TEXT_MAX]) SQ_MUST_USE;
int sq_peer_create_answer(struct sq_peer *peer, uint64_t now_ns, char **ret_sdp,
                          char why[SQ_PEER_TEXT_MAX]) SQ_MUST_USE;
/* Puts a description of the other side in force; `why` as above. SQ_ERR_FORMAT for a broken one;
 * SQ_ERR_UNSUPPORTED for one that is not taken (no BUNDLE, no rtcp-mux, no fingerprint with a known
 * hash); SQ_ERR_STATE: the peer is closed, an answer without an offer, or glare (sq_peer_rollback);
 * SQ_ERR_NOMEM. */
int sq_peer_set_remote(struct sq_peer *peer, uint64_t now_ns, enum sq_sdp_type type,
                       const char *sdp, char why[SQ_PEER_TEXT_MAX]) SQ_MUST_USE;
/* Takes the pending local offer back (JSEP rollback). An ICE restart that it began is undone: the
 * credentials of before are in force again. SQ_ERR_STATE: there is none; SQ_ERR_NOMEM. */
int sq_peer_rollback(struct sq_peer *peer) SQ_MUST_USE;
/* A candidate line of the other side, with or without "candidate:" or "a=" before it; "" ends them.
 * 0 also for one that is of no use. SQ_ERR_FORMAT; SQ_ERR_STATE: of another generation (its ufrag);
 * SQ_ERR_NOMEM: of SQ_ICE_REMOTE_MAX, too. */
int sq_peer_add_candidate(struct sq_peer *peer, uint64_t now_ns, const char *candidate) SQ_MUST_USE;
/* The candidate of SQ_PEER_EV_CANDIDATE_NAME with `addr` in the place of the name (its port stays).
 * Errors as above, and SQ_ERR_NOSPACE for a line that is too long. */
int sq_peer_add_resolved(struct sq_peer *peer, uint64_t now_ns, const char *candidate,
                         const struct sq_addr *addr) SQ_MUST_USE;
/* Where in a candidate line the address stands; length 0: nowhere. A view of it. */
struct sq_view sq_peer_candidate_host(const char *candidate);
/* Local ICE credentials of the description in force, for trickle (RFC 8840). Borrowed. */
void sq_peer_local_ice(const struct sq_peer *peer, const char **ret_ufrag, const char **ret_pwd);

/* ---- Tracks ---- */

size_t sq_peer_track_count(const struct sq_peer *peer);
struct sq_track *sq_peer_track(struct sq_peer *peer, size_t index);
struct sq_track *sq_peer_track_by_mid(struct sq_peer *peer, const char *mid);
enum sq_media_kind sq_track_kind(const struct sq_track *track);
const char *sq_track_mid(const struct sq_track *track); /* "" before negotiation; borrowed */
/* Of simulcast that is received: which layer the track is, from 0 in the order of the description,
 * and the track of layer 0. A track without simulcast is layer 0 of itself. */
unsigned sq_track_layer(const struct sq_track *track);
struct sq_track *sq_track_main(struct sq_track *track);
/* Of simulcast that is sent: how many layers were agreed, 1 without, 0 before; and how many of them
 * the allocation leaves on. */
unsigned sq_track_layers(const struct sq_track *track, unsigned *ret_active);
/* What both sides agreed on, from this side. */
enum sq_direction sq_track_current_direction(const struct sq_track *track);
/* The owner's own pointer. */
void sq_track_set_user(struct sq_track *track, void *user);
void *sq_track_user(const struct sq_track *track);
/* The negotiated codec's name as in rtpmap ("VP8", "opus"), "" when none; borrowed. */
const char *sq_track_codec(const struct sq_track *track);
enum sq_codec sq_track_media_codec(const struct sq_track *track); /* SQ_CODEC_NONE when none */

/* The codec (enum sq_codec, media/codec.h) that a received payload type has on this track: any of
 * the section's may come. SQ_CODEC_NONE for RTX, FEC and what was not agreed. */
enum sq_codec sq_track_recv_codec(const struct sq_track *track, uint8_t pt);
/* The clock of a received payload type that is telephone-event (RFC 4733), Hz; 0: it is not. */
uint32_t sq_track_event_clock(const struct sq_track *track, uint8_t pt);
/* Was telephone-event with that clock agreed on? */
bool sq_track_takes_events(const struct sq_track *track, uint32_t clock_hz);
/* A packet that `rtp` told of, in the words of media/depacket.h and media/frames.h; false for one
 * that carries neither audio nor video. */
bool sq_track_media_packet(const struct sq_track *track, const struct sq_rtp_packet *packet,
                           const struct sq_rtp_exts *exts, uint64_t now_ns,
                           struct sq_media_packet *ret_packet);

/* Sends a packet by hand. SQ_ERR_STATE while the peer is not connected or the track may not send;
 * SQ_ERR_UNSUPPORTED: an event whose clock was not agreed on. */
int sq_track_send(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_out *out);
/* abs-capture-time of a packet that came on the track, 8 or 16 bytes of the packet. */
bool sq_track_capture_time(const struct sq_track *track, const struct sq_rtp_packet *packet,
                           struct sq_view *ret_bytes);
/* Telephone events (RFC 4733), as RTCDTMFSender.insertDTMF has it: 0-9, A-D, # and *, and a comma
 * for two seconds without. They take the place of what is not sent yet; "" stops. 0 stands for
 * 100 ms a tone and 70 ms between two; others are held to 40 to 6,000 and 30 to 6,000 ms. A tone
 * is told with the clock of the codec that is sent where that was agreed, else with any. No other
 * audio is sent meanwhile. SQ_ERR_STATE: the track sends no audio or no telephone-event was agreed;
 * SQ_ERR_INVALID for other characters and more than SQ_PEER_TONES_MAX; SQ_ERR_NOMEM. */
int sq_track_send_dtmf(struct sq_track *track, uint64_t now_ns, const char *tones,
                       unsigned duration_ms, unsigned gap_ms) SQ_MUST_USE;
/* What is still to be played (toneBuffer); borrowed until the next call. */
const char *sq_track_tone_buffer(const struct sq_track *track);
/* Asks the other side for a key frame: by PLI, or FIR where that alone was negotiated; at most one
 * in 300 ms, others are left out. Nothing happens before the first packet of the track. */
void sq_track_request_key_frame(struct sq_track *track, uint64_t now_ns);

/* ---- Data channels (RFC 8831, RFC 8832; W3C RTCDataChannel) ---- */

/* Zero-initialise for an ordered, reliable channel. */
struct sq_channel_config {
    const char *label, *protocol; /* copied; NULL: "" */
    bool unordered;
    bool limit_retransmits; /* one of these two at most */
    bool limit_lifetime;
    uint16_t max_retransmits;
    uint16_t max_lifetime_ms; /* maxPacketLifeTime */
    uint16_t priority;        /* 0: 256, "low"; 512, 1024: medium, high (RFC 8831, section 6.4) */
    bool negotiated;          /* both sides make it with the same id; nothing is told */
    uint16_t id;              /* where negotiated: 0 to 65534 */
};

enum sq_channel_state { /* RTCDataChannelState */
                        SQ_CHANNEL_CONNECTING,
                        SQ_CHANNEL_OPEN,
                        SQ_CHANNEL_CLOSING,
                        SQ_CHANNEL_CLOSED,
};

/* The first one asks for a data-channel section in the next offer. SQ_ERR_INVALID for settings that
 * make no sense or an id in use, SQ_ERR_STATE once the peer is closed, or its DTLS or the
 * association ended by either side, SQ_ERR_NOMEM. */
int sq_peer_add_channel(struct sq_peer *peer, uint64_t now_ns,
                        const struct sq_channel_config *config,
                        struct sq_channel **ret_channel) SQ_MUST_USE;
/* Asks for a data-channel section in the next offer without a channel of its own. Errors as above.
 */
int sq_peer_want_data(struct sq_peer *peer) SQ_MUST_USE;
/* SQ_ERR_STATE unless open; SQ_ERR_INVALID: larger than the other side's a=max-message-size
 * (sq_peer_tell_message_limit), where a browser's send() throws; SQ_ERR_AGAIN: too much waits
 * already (16 MB); SQ_ERR_NOMEM. An empty message is one, too. */
int sq_channel_send(struct sq_channel *channel, uint64_t now_ns, bool binary, const void *data,
                    size_t len) SQ_MUST_USE;
/* What waits is still sent. The channel is good until CHANNEL_CLOSED has been told and the peer was
 * entered again after that (a datagram, a time-out); so it may be closed from within any event. */
void sq_channel_close(struct sq_channel *channel, uint64_t now_ns);
enum sq_channel_state sq_channel_state(const struct sq_channel *channel);
const char *sq_channel_label(const struct sq_channel *channel);
const char *sq_channel_protocol(const struct sq_channel *channel);
/* -1 while it has none. */
int sq_channel_id(const struct sq_channel *channel);
/* As negotiated; label and protocol borrowed from the channel. */
void sq_channel_settings(const struct sq_channel *channel, struct sq_channel_config *ret_config);
/* Bytes that were not handed to the network yet (bufferedAmount). */
size_t sq_channel_buffered_bytes(const struct sq_channel *channel);
/* bufferedAmountLowThreshold; 0 at first. */
void sq_channel_set_buffered_low(struct sq_channel *channel, size_t threshold_bytes);
void sq_channel_set_user(struct sq_channel *channel, void *user);
void *sq_channel_user(const struct sq_channel *channel);
struct sq_peer *sq_channel_peer(const struct sq_channel *channel);
/* By place, in order of birth; NULL past the last. */
struct sq_channel *sq_peer_channel(const struct sq_peer *peer, size_t i);
/* Bytes, of the other side's a=max-message-size; 0 before that was negotiated. */
size_t sq_peer_max_message_bytes(const struct sq_peer *peer);
#define SQ_PEER_LIMIT_TEXT_MAX 128 /* with its NUL */
/* That limit and where it is from, for whoever has a larger one: "the other side takes messages of
 * 65536 bytes at most (…)". */
void sq_peer_tell_message_limit(const struct sq_peer *peer,
                                char text[static SQ_PEER_LIMIT_TEXT_MAX]);

struct sq_channel_stats { /* RTCDataChannelStats */
    const char *label, *protocol;
    int data_channel_identifier;
    enum sq_channel_state state;
    uint64_t messages_sent, bytes_sent;
    uint64_t messages_received, bytes_received;
};
void sq_channel_stats(const struct sq_channel *channel, struct sq_channel_stats *ret_stats);

struct sq_data_stats {
    bool negotiated;           /* there is a data-channel section */
    const char *state;         /* RTCSctpTransportState; static */
    uint64_t max_message_size; /* RTCSctpTransport */
    uint64_t max_channels;
    uint64_t data_channels_opened, data_channels_closed; /* RTCPeerConnectionStats */
    /* Of all channels, those that are gone included */
    uint64_t messages_sent, bytes_sent, messages_received, bytes_received;
    /* RTCSctpTransportStats (webrtc-provisional-stats) */
    double smoothed_round_trip_time_s; /* < 0: not measured */
    uint64_t congestion_window_bytes, receiver_window_bytes, mtu_bytes, unack_data;
    uint64_t retransmitted_chunks, messages_abandoned;
    bool interleaving, zero_checksum;
};
void sq_peer_data_stats(const struct sq_peer *peer, struct sq_data_stats *ret_stats);

/* ---- Statistics (W3C webrtc-stats identifiers, in snake_case) ---- */

/* RTCInboundRtpStreamStats. Of all SSRCs that the track had one after the other; jitter and the
 * remote_ figures of the present one. */
struct sq_inbound_stats {
    uint32_t ssrc;       /* the present one */
    enum sq_codec codec; /* of the latest packet */
    /* All packets, of its RTX stream too, and those of nothing but padding (packetsReceived of
     * libwebrtc). bytes: payload; header_bytes: headers and padding. */
    uint64_t packets_received;
    uint64_t bytes_received;
    uint64_t header_bytes_received;
    /* RFC 3550: falls when a packet is sent again on its own SSRC; with RTX, another stream, it
     * does not, in browsers neither: packets_lost - packets_repaired were lost for good. */
    int64_t packets_lost;
    uint64_t packets_missing; /* holes seen, before repair */
    uint64_t packets_expected;
    uint64_t packets_repaired;  /* holes filled by retransmission or FEC */
    uint64_t packets_recovered; /* not of W3C: those of them that FEC filled */
    uint64_t packets_duplicated;
    double jitter_s;
    uint64_t nack_count; /* NACK messages sent */
    uint64_t pli_count;  /* PLI sent */
    uint64_t frames_received;
    uint64_t frames_decoded; /* decodable; nothing is really decoded */
    uint64_t key_frames_decoded;
    uint64_t frames_dropped;
    double frames_per_second;
    uint32_t frame_width, frame_height;
    uint64_t freeze_count; /* with the one that is going on, if there is one */
    double total_freezes_duration_s;
    double freezing_s; /* of these, the one that is going on: W3C counts it once a frame ends it */
    double total_inter_frame_delay_s, total_squared_inter_frame_delay_s2;
    /* Of the codec: audio samples or frames. Sums over them; divide by the count. */
    double jitter_buffer_delay_s, jitter_buffer_target_delay_s;
    uint64_t jitter_buffer_emitted_count;
    /* Audio (media/audio_buffer.h); packets_discarded also of video: came too late or behind the
     * window. */
    uint64_t packets_discarded;
    uint64_t total_samples_received, concealed_samples, silent_concealed_samples;
    uint64_t concealment_events;
    uint64_t inserted_samples_for_deceleration, removed_samples_for_acceleration;
    uint64_t restored_samples; /* not of W3C: out of RED and in-band FEC */
    uint32_t dtmf_events;      /* not of W3C: telephone-event, RFC 4733 */
    char dtmf_digits[16];      /* the latest of them */
    uint32_t fec_ssrc;         /* of FlexFEC; 0: none came */
    /* ULPFEC and FlexFEC: packets of parity, their payload, and those that were of no use. */
    uint64_t fec_packets_received, fec_bytes_received, fec_packets_discarded;
    /* RTX: all packets of it, padding too, and payload bytes; 0 where none is negotiated. */
    uint64_t retransmitted_packets_received, retransmitted_bytes_received;
    uint64_t first_packet_ns, last_packet_ns; /* 0: none */
    uint64_t receiving_since_ns; /* not of W3C: when it was agreed that it receives, the latest
                                    time; 0: never */
    /* RTCRemoteOutboundRtpStreamStats, of the last SR */
    uint64_t remote_packets_sent, remote_bytes_sent;
};

/* RTCOutboundRtpStreamStats: of one encoding, or of all of a track together. */
struct sq_outbound_stats {
    uint32_t ssrc;
    bool active;     /* of simulcast: not switched off */
    bool limited;    /* qualityLimitationReason is bandwidth, else none */
    const char *rid; /* "" without simulcast, and of all together; borrowed from the track */
    /* All packets, of its RTX stream too, and those of nothing but padding (packetsSent of
     * libwebrtc). bytes: payload, with the OSN of RTX; header_bytes: headers and padding. */
    uint64_t packets_sent;
    uint64_t bytes_sent;
    uint64_t header_bytes_sent;
    uint64_t retransmitted_packets_sent, retransmitted_bytes_sent; /* that a NACK asked for */
    /* Not of W3C. Payload of packets that were sent once more only to probe or to fill, by RTX. */
    uint64_t padding_payload_sent;
    uint64_t frames_sent, key_frames_sent;
    /* Of the frame sent last, of the highest active encoding: the clip's step that is in force. 0
     * for who sends by hand. */
    uint32_t frame_width, frame_height;
    uint32_t dtmf_events;                      /* not of W3C: tones begun (RFC 4733) */
    uint64_t nack_count, pli_count, fir_count; /* received */
    /* Where congestion control or a fixed rate chooses what a clip sends, else 0. */
    uint64_t target_bps;           /* targetBitrate */
    double limited_s, unlimited_s; /* qualityLimitationDurations */
    /* RTCRemoteInboundRtpStreamStats, of the last RR */
    uint64_t reports_received;
    int64_t remote_packets_lost;
    double remote_fraction_lost; /* 0 to 1 */
    /* Not of W3C: the packets that the reports' intervals cover, and what of them was lost; never
     * more than those. */
    uint64_t reported_expected, reported_lost;
    double remote_jitter_s;
    double round_trip_time_s; /* < 0: not measured yet */
    double total_round_trip_time_s;
    uint64_t round_trip_time_measurements;
};

struct sq_transport_stats { /* RTCTransportStats, RTCIceCandidatePairStats */
    enum sq_peer_state state;
    uint64_t packets_sent, packets_received; /* datagrams, of all kinds */
    uint64_t bytes_sent, bytes_received;
    /* The same without connectivity checks, as webrtc-stats has its packetsSent and its like */
    uint64_t data_packets_sent, data_packets_received;
    uint64_t data_bytes_sent, data_bytes_received;
    uint64_t srtp_errors; /* tag or replay check failed */
    uint64_t discarded;   /* neither STUN, DTLS, RTP nor RTCP, or from an unchecked address */
    double current_round_trip_time_s;   /* of STUN; < 0: not measured yet */
    char protocol[8];                   /* udp or tcp; "" before */
    char local_type[8], remote_type[8]; /* host, srflx, prflx, relay; "" before */
    char local_addr[SQ_ADDR_TEXT_MAX], remote_addr[SQ_ADDR_TEXT_MAX];
    char dtls_role[8]; /* client or server */
    char srtp_profile[32];
    double available_outgoing_bps; /* the estimate, else from REMB; < 0: neither */
};

/* When each phase began or ended (now_ns); 0: not yet. */
struct sq_peer_times {
    uint64_t negotiated;  /* both descriptions are there: ICE may check */
    uint64_t first_check; /* of the other side; known once DTLS is connected; 0: none came */
    uint64_t ice_connected;
    uint64_t dtls_connected;
    uint64_t first_media; /* the first RTP packet of any track */
    uint64_t first_audio, first_frame;
};

/* Congestion control of what the peer sends; zeros without it. */
struct sq_peer_bwe_stats {
    uint64_t estimate_bps;         /* of everything, IP and UDP included; 0 with a fixed rate */
    uint64_t video_target_bps;     /* payload of the steps and layers that are sent */
    bool limited;                  /* qualityLimitationReason: bandwidth, or none */
    double limited_s, unlimited_s; /* qualityLimitationDurations of these two */
    uint32_t limit_changes;
};
void sq_peer_bwe_stats(const struct sq_peer *peer, uint64_t now_ns,
                       struct sq_peer_bwe_stats *ret_stats);
/* Begins an estimate for who sends by hand, or begins it anew from another rate: who is limited by
 * what there is to send learns in no other way that more would pass. SQ_ERR_NOMEM, SQ_ERR_INVALID;
 * there is none then. */
int sq_peer_restart_estimate(struct sq_peer *peer, uint64_t now_ns, uint64_t start_bps) SQ_MUST_USE;
/* The probes that congestion control begins with, 3 and 6 times the rate of its start and on while
 * they arrive, out of packets that were sent by hand; a clip's peer makes them by itself. Nothing
 * where there can be no padding of sq_peer_want_rate() either. */
void sq_peer_probe_start(struct sq_peer *peer, uint64_t now_ns);
/* What who sends by hand would like the estimate to reach, so that there is room for more; 0:
 * nothing more. As long as it is below, video of before goes out again as padding, by RTX, for an
 * estimate does not rise over what is sent. False where that can't be: no estimate, no
 * transport-wide feedback, or no RTX. */
bool sq_peer_want_rate(struct sq_peer *peer, uint64_t now_ns, uint64_t bps);
/* The estimate alone, in bit/s; 0: none. It holds for who sends by hand, too, who is not throttled
 * by it. */
uint64_t sq_peer_bwe_estimate(const struct sq_peer *peer);

/* Is that the payload type that the track's RTX (RFC 4588) is sent with? */
bool sq_track_sends_rtx_as(const struct sq_track *track, uint8_t pt);
/* Is it the one of Opus in RED (RFC 2198), of what is received or sent? */
bool sq_track_receives_red_as(const struct sq_track *track, uint8_t pt);
bool sq_track_sends_red_as(const struct sq_track *track, uint8_t pt);

void sq_track_inbound_stats(const struct sq_track *track, uint64_t now_ns,
                            struct sq_inbound_stats *ret_stats);
/* Of all its encodings together: sums, the worst of what reports say, the latest round trip. */
void sq_track_outbound_stats(const struct sq_track *track, uint64_t now_ns,
                             struct sq_outbound_stats *ret_stats);
/* Of one: index below sq_track_layers, from the lowest layer. */
void sq_track_encoding_stats(const struct sq_track *track, size_t index, uint64_t now_ns,
                             struct sq_outbound_stats *ret_stats);

struct sq_codec_stats { /* RTCCodecStats: of the codec that was agreed on */
    const char *name;   /* as in rtpmap; static; "": none yet */
    const char *fmtp;   /* of the other side; borrowed until the next description */
    uint8_t payload_type, recv_payload_type, channels;
    uint32_t clock_rate_hz;
};
void sq_track_codec_stats(const struct sq_track *track, struct sq_codec_stats *ret_stats);
/* What was wanted of a track and what came of it; current_direction has what was agreed. */
struct sq_track_agreed {
    enum sq_direction wanted; /* by its owner, as of the last exchange that was completed */
    bool tried;               /* an exchange with its section was completed */
    bool refused; /* its section was turned down (port 0), or no codec was in common: it was never
                     agreed on */
    /* Of what an audio track sends: */
    bool red; /* RFC 2198 is among the codecs */
    /* The other side's Opus has stereo=1, usedtx=1, useinbandfec=1 (RFC 7587, section 6.1). */
    bool stereo, dtx, fec;
    /* It sends a clip's stream that is not stereo, has no DTX, no in-band FEC. */
    bool plain_stereo, plain_dtx, plain_fec;
};
void sq_track_agreed(const struct sq_track *track, struct sq_track_agreed *ret_agreed);
/* Data channels were offered, and their section was turned down (port 0). */
bool sq_peer_data_is_refused(const struct sq_peer *peer);
void sq_peer_transport_stats(const struct sq_peer *peer, struct sq_transport_stats *ret_stats);
/* The agent of the peer, for its candidates and pairs (peer/ice/ice.h). Borrowed until the next
 * call. */
const struct sq_ice *sq_peer_ice(const struct sq_peer *peer);
const struct sq_peer_times *sq_peer_times(const struct sq_peer *peer);
enum sq_peer_state sq_peer_state(const struct sq_peer *peer);

#endif

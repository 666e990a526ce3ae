/* The offer/answer state machine of JSEP (RFC 9429, formerly RFC 8829), either role, without I/O,
 * ICE, DTLS or clocks: it is told what the transport has, writes and reads descriptions, and says
 * what was agreed. One transport only: BUNDLE (RFC 9143, policy max-bundle) and rtcp-mux are
 * required.
 *
 *   offerer:  create_offer  set_local(offer)   …  set_remote(answer)
 *   answerer: set_remote(offer)  create_answer  set_local(answer)
 *
 * A call that fails changes nothing, and its ret_error (nullable) says why in a sentence.
 * Descriptions are not kept; only the small result of the negotiation is. Allocates in these calls
 * only. Not thread-safe; one owner. */
#ifndef SQ_PEER_JSEP_H
#define SQ_PEER_JSEP_H

#include "base/err.h"
#include "media/codec.h"
#include "peer/sdp/sdp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_JSEP_TRANSCEIVERS_MAX 256
#define SQ_JSEP_MID_MAX          32 /* with its NUL; longer remote mids are refused */
#define SQ_JSEP_PREFS_MAX        40
#define SQ_JSEP_SOURCES_MAX      16 /* remote SSRCs of a section; further ones are ignored */
#define SQ_JSEP_FINGERPRINTS_MAX 4  /* further ones are ignored */

struct sq_jsep; /* opaque */

enum sq_jsep_type {
    SQ_JSEP_OFFER,
    SQ_JSEP_ANSWER,
    SQ_JSEP_PRANSWER, /* treated as the final answer */
    SQ_JSEP_ROLLBACK,
};

enum sq_jsep_state {
    SQ_JSEP_STABLE,
    SQ_JSEP_HAVE_LOCAL_OFFER,
    SQ_JSEP_HAVE_REMOTE_OFFER,
    SQ_JSEP_CLOSED,
};

enum sq_jsep_kind {
    SQ_JSEP_AUDIO,
    SQ_JSEP_VIDEO,
    SQ_JSEP_DATA,  /* m=application, never a transceiver */
    SQ_JSEP_OTHER, /* always rejected, never a transceiver */
};

/* ---- Codecs: rows of one table (jsep/codecs.c) ---- */

/* In the order in which Chromium offers them. H.264's rows are a profile and a packetization mode
 * each (RFC 6184, section 8.1). */
enum sq_jsep_codec_id {
    SQ_JSEP_OPUS,
    SQ_JSEP_RED, /* of Opus, RFC 2198 */
    SQ_JSEP_G722,
    SQ_JSEP_PCMU,
    SQ_JSEP_PCMA,
    SQ_JSEP_DTMF_48000, /* telephone-event, RFC 4733 */
    SQ_JSEP_DTMF_8000,
    SQ_JSEP_VP8,
    SQ_JSEP_VP8_RTX,         /* RFC 4588, one row for each codec that it repairs */
    SQ_JSEP_H264_BASE_MODE1, /* baseline; packetization-mode=1 */
    SQ_JSEP_H264_BASE_MODE1_RTX,
    SQ_JSEP_H264_BASE_MODE0,
    SQ_JSEP_H264_BASE_MODE0_RTX,
    SQ_JSEP_H264_MODE1, /* constrained baseline */
    SQ_JSEP_H264_MODE1_RTX,
    SQ_JSEP_H264_MODE0,
    SQ_JSEP_H264_MODE0_RTX,
    SQ_JSEP_H264_MAIN_MODE1,
    SQ_JSEP_H264_MAIN_MODE1_RTX,
    SQ_JSEP_H264_MAIN_MODE0,
    SQ_JSEP_H264_MAIN_MODE0_RTX,
    SQ_JSEP_H264_HIGH_MODE1, /* high or constrained high: accepted, not offered */
    SQ_JSEP_H264_HIGH_MODE1_RTX,
    SQ_JSEP_H264_HIGH_MODE0,
    SQ_JSEP_H264_HIGH_MODE0_RTX,
    SQ_JSEP_AV1,
    SQ_JSEP_AV1_RTX,
    SQ_JSEP_VP9, /* profile 0 */
    SQ_JSEP_VP9_RTX,
    SQ_JSEP_VIDEO_RED, /* RFC 2198, with ULPFEC in it */
    SQ_JSEP_VIDEO_RED_RTX,
    SQ_JSEP_ULPFEC,  /* RFC 5109 */
    SQ_JSEP_FLEXFEC, /* flexfec-03, draft-ietf-payload-flexible-fec-scheme-03 */
    SQ_JSEP_CODECS,  /* how many */
};
_Static_assert(SQ_JSEP_CODECS <= 64, "a mask of rows is 64 bits");

/* As bit of a mask of rows. */
#define SQ_JSEP_ROW(id) (1ULL << (id))

/* RTCP feedback, as bits. */
#define SQ_JSEP_FB_NACK         0x01U /* nack */
#define SQ_JSEP_FB_NACK_PLI     0x02U /* nack pli */
#define SQ_JSEP_FB_CCM_FIR      0x04U /* ccm fir */
#define SQ_JSEP_FB_REMB         0x08U /* goog-remb */
#define SQ_JSEP_FB_TRANSPORT_CC 0x10U /* transport-cc */

struct sq_jsep_codec {
    uint8_t id;      /* enum sq_jsep_codec_id */
    uint8_t pt;      /* to send with: the remote description's payload type */
    uint8_t recv_pt; /* to receive with: the local one's; the same but with odd answerers */
    uint8_t apt;     /* of RTX: the payload type (to send with) that it repairs */
    uint8_t channels;
    uint8_t fb; /* SQ_JSEP_FB_… that both sides have */
    uint32_t clock_rate_hz;
    const char *name; /* "opus", "VP8", …; static */
    char *fmtp;       /* the remote's parameters, "" if none; borrowed by readers */
};

/* The codec's number in clips and frame models: SQ_CODEC_NONE for what carries or repairs another
 * (RTX, RED, FEC) and for telephone-event. */
enum sq_codec sq_jsep_media_codec(enum sq_jsep_codec_id id);
bool sq_jsep_is_rtx(enum sq_jsep_codec_id id); /* RFC 4588 */
/* The payload type of Squall's own offers (an answer has the offerer's), and the name in a=rtpmap;
 * `id` is below SQ_JSEP_CODECS. */
uint8_t sq_jsep_usual_pt(enum sq_jsep_codec_id id);
const char *sq_jsep_codec_name(enum sq_jsep_codec_id id);
/* The codec that RTX repairs; `id` itself where it is no RTX. */
enum sq_jsep_codec_id sq_jsep_repaired(enum sq_jsep_codec_id id);

/* Negotiated RTP header extension ids (RFC 8285), 0 where not negotiated. */
struct sq_jsep_ext_ids {
    uint8_t mid;
    uint8_t rid;
    uint8_t repaired_rid;
    uint8_t abs_send_time;
    uint8_t transport_cc;
    uint8_t audio_level;
    uint8_t toffset;
    uint8_t video_orientation;
    uint8_t playout_delay;
    uint8_t video_content_type;
    uint8_t video_timing;
    uint8_t color_space;
    uint8_t abs_capture_time;
    uint8_t dependency_descriptor;
};

/* Extensions that Chromium offers only when asked to (setHeaderExtensionsToNegotiate). */
#define SQ_JSEP_EXT_CAPTURE_TIME 0x01U /* abs-capture-time */
#define SQ_JSEP_EXT_DEPENDENCY   0x02U /* the dependency descriptor */

/* ---- Simulcast (RFC 8853) ---- */

#define SQ_JSEP_RIDS_MAX 3  /* layers of a section; further ones are ignored */
#define SQ_JSEP_RID_MAX  17 /* with its NUL; those with a longer name are ignored */

struct sq_jsep_rids {
    uint8_t n;      /* 0: no simulcast */
    uint8_t paused; /* bits: begins paused */
    char id[SQ_JSEP_RIDS_MAX][SQ_JSEP_RID_MAX];
};

/* What is asked of the other side's Opus beside the usual (RFC 7587, section 6.1). */
#define SQ_JSEP_OPUS_STEREO 0x01U /* stereo=1, and sprop-stereo=1: we send it, too */
#define SQ_JSEP_OPUS_DTX    0x02U /* usedtx=1 */

/* ---- Transceivers ---- */

struct sq_jsep_source {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* by a=ssrc-group:FID, 0 if none */
};

/* Readers may look at everything and write only `user`. A pointer stays valid until
 * sq_jsep_forget or sq_jsep_free; what it points to (codecs, sources, remote names) until the next
 * successful set_local or set_remote. */
struct sq_jsep_transceiver {
    struct sq_jsep_transceiver *next;
    void *user; /* the caller's */

    enum sq_jsep_kind kind;
    int mline;                               /* index of its m-section, -1 while it has none */
    char mid[SQ_JSEP_MID_MAX];               /* "" while it has none */
    enum sq_sdp_direction direction;         /* wanted */
    enum sq_sdp_direction current_direction; /* agreed; inactive before that */
    bool negotiated;                         /* its section was agreed and not rejected */
    bool stopping;                           /* stop was asked for, and is not yet agreed */
    bool stopped;     /* its section was rejected, or it was stopped; sq_jsep_forget ends it */
    bool own_section; /* as given to sq_jsep_add */
    bool from_remote; /* a remote offer made it */
    bool can_send;    /* now: agreed direction, a codec */
    bool can_receive;

    /* The local sender. */
    char *stream_id; /* NULL for "-" */
    char *track_id;
    uint32_t ssrc; /* 0: no a=ssrc lines are written */
    uint32_t rtx_ssrc;
    struct sq_jsep_rids want_send; /* layers that the local sender has; n 0 or 1: no simulcast */
    uint8_t opus;                  /* SQ_JSEP_OPUS_… */
    bool want_recv;                /* simulcast of the other side is asked for and taken */
    uint64_t allowed;  /* mask of rows: others are neither offered nor accepted; 0: all may be */
    uint8_t more_exts; /* SQ_JSEP_EXT_…: offered besides the usual ones */
    uint8_t n_prefs;   /* 0: the defaults of the kind, in the offerer's order */
    uint8_t prefs[SQ_JSEP_PREFS_MAX];

    /* Agreed. codecs[0] is the one to send with: a codec of media, whatever stands before it. */
    const struct sq_jsep_codec *codecs;
    size_t n_codecs;
    struct sq_jsep_ext_ids ext;
    const struct sq_jsep_rids *send_rids, *recv_rids; /* NULL: no simulcast that way */
    bool rtcp_rsize;                                  /* reduced-size RTCP (RFC 5506) */

    /* The remote sender, from the last remote description. Names are NULL if not told. */
    const char *remote_stream_id;
    const char *remote_track_id;
    const char *remote_cname;
    const struct sq_jsep_source *sources; /* RTX streams stand beside their media stream */
    size_t n_sources;
    uint64_t remote_max_bps; /* b=AS or b=TIAS of the remote section, 0 if none */
};

/* ---- Life ---- */

struct sq_jsep_config {
    uint64_t session_id; /* o=: below 2^63; random */
    const char *cname;   /* copied, at most 31 bytes are used; RFC 8834, section 4.9 */
    bool answer_passive; /* DTLS role when answering actpass: passive instead of active */
    bool accept_data;    /* accept an offered data-channel section */
    uint16_t sctp_port;  /* 0: 5000 */
    uint32_t max_message_size_bytes; /* 0: 262144 */
};

int sq_jsep_new(const struct sq_jsep_config *config, struct sq_jsep **ret_jsep) SQ_MUST_USE;
/* NULL is allowed. */
void sq_jsep_free(struct sq_jsep *j);
/* Every later call but free is refused with SQ_ERR_STATE; transceivers are stopped. */
void sq_jsep_close(struct sq_jsep *j);
enum sq_jsep_state sq_jsep_state(const struct sq_jsep *j);
const char *sq_jsep_state_name(enum sq_jsep_state state);

struct sq_jsep_add {
    enum sq_jsep_kind kind; /* audio or video */
    enum sq_sdp_direction direction;
    const char *stream_id, *track_id; /* copied; NULL is allowed */
    uint32_t ssrc;                    /* of the local sender; 0 if it never sends */
    uint32_t rtx_ssrc;                /* 0: none */
    const uint8_t *prefs;             /* enum sq_jsep_codec_id in order; NULL: the defaults */
    size_t n_prefs;
    uint8_t opus;                         /* SQ_JSEP_OPUS_… */
    const struct sq_jsep_rids *send_rids; /* of the local sender's layers; NULL: one stream */
    uint64_t allowed;                     /* mask of rows; 0: no bound */
    uint8_t more_exts;                    /* SQ_JSEP_EXT_… */
    /* false: like addTrack, a section that the remote offers may take this transceiver. true: like
     * addTransceiver, it waits for a section of its own. */
    bool own_section;
};

/* SQ_ERR_INVALID for a kind, codec or text that makes no sense, SQ_ERR_NOMEM. */
int sq_jsep_add(struct sq_jsep *j, const struct sq_jsep_add *add,
                struct sq_jsep_transceiver **ret_transceiver) SQ_MUST_USE;
/* Asks to stop it: told to the other side by the next offer or answer (port 0), at once where it
 * was never offered. It is `stopped` when that is agreed. */
void sq_jsep_stop(struct sq_jsep *j, struct sq_jsep_transceiver *t);
/* The wanted direction; takes part in the next offer or answer. */
void sq_jsep_set_direction(struct sq_jsep *j, struct sq_jsep_transceiver *t,
                           enum sq_sdp_direction direction);
/* Names and SSRCs of the local sender, for a transceiver that the remote offer made; taken from
 * `add`'s fields of these names. */
int sq_jsep_set_sender(struct sq_jsep *j, struct sq_jsep_transceiver *t,
                       const struct sq_jsep_add *add) SQ_MUST_USE;
/* Simulcast of the other side is asked for in offers and accepted in answers. */
void sq_jsep_receive_simulcast(struct sq_jsep_transceiver *t, bool wanted);
/* Which rows may be offered and accepted from the next description on (0: all), and in which order
 * of preference (n 0: the table's or the offerer's). SQ_ERR_INVALID as of sq_jsep_add. */
int sq_jsep_set_codecs(struct sq_jsep *j, struct sq_jsep_transceiver *t, uint64_t allowed,
                       const uint8_t *prefs, size_t n_prefs) SQ_MUST_USE;
/* Ends a stopped transceiver; SQ_ERR_STATE for one that is not, or that a pending offer still
 * names. */
int sq_jsep_forget(struct sq_jsep *j, struct sq_jsep_transceiver *t) SQ_MUST_USE;
/* In order of birth, by ->next; NULL if there is none. */
struct sq_jsep_transceiver *sq_jsep_first(const struct sq_jsep *j);
struct sq_jsep_transceiver *sq_jsep_by_mid(const struct sq_jsep *j, const char *mid);
/* Adds a data-channel section to the next offer (once). */
void sq_jsep_want_data(struct sq_jsep *j);
/* Something changed that only a new offer can tell (the W3C's negotiation-needed). */
bool sq_jsep_needs_offer(const struct sq_jsep *j);

/* ---- Descriptions ---- */

/* What the local transport has; borrowed during the call. An ICE restart is done by giving new
 * credentials: in an offer whenever wanted, in an answer when set_remote told `ice_restart`. */
struct sq_jsep_transport {
    const char *ice_ufrag, *ice_pwd;
    const char *fingerprint; /* "sha-256 AB:CD:…" */
    bool ice_lite;
    bool trickle;                  /* a=ice-options:trickle */
    const char *const *candidates; /* "candidate:1 1 udp …", without "a="; written into the section
                                      that carries the transport */
    size_t n_candidates;
    bool end_of_candidates;
};

/* Return a description (sq_free). create_offer only in stable, create_answer only in
 * have-remote-offer; else SQ_ERR_STATE. What set_local takes is the latest created one. */
int sq_jsep_create_offer(struct sq_jsep *j, const struct sq_jsep_transport *local, char **ret_text,
                         struct sq_sdp_error *ret_error) SQ_MUST_USE;
int sq_jsep_create_answer(struct sq_jsep *j, const struct sq_jsep_transport *local, char **ret_text,
                          struct sq_sdp_error *ret_error) SQ_MUST_USE;
/* Writes the pending (else the current) local description again with the same version, e.g. with
 * the candidates found since; SQ_ERR_STATE if there is none. */
int sq_jsep_local_text(struct sq_jsep *j, const struct sq_jsep_transport *local,
                       char **ret_text) SQ_MUST_USE;

struct sq_jsep_candidate {
    const char *mid; /* "" if the section has none; NUL-terminated like the text */
    unsigned mline;
    const char *text; /* "candidate:…" */
};

enum sq_jsep_dtls_role { SQ_JSEP_DTLS_UNDECIDED, SQ_JSEP_DTLS_ACTIVE, SQ_JSEP_DTLS_PASSIVE };

/* The remote end of the transport, and what the two sides agreed about it. */
struct sq_jsep_remote {
    char *ice_ufrag, *ice_pwd; /* NUL-terminated; borrowed by readers */
    bool ice_lite;
    bool ice_trickle; /* a=ice-options has trickle */
    struct sq_sdp_fingerprint fingerprints[SQ_JSEP_FINGERPRINTS_MAX];
    size_t n_fingerprints;
    enum sq_jsep_dtls_role dtls_role; /* ours: active is the client */
};

/* The data-channel section. */
struct sq_jsep_data {
    bool negotiated;
    bool refused;               /* a section of its own was turned down, and there is no other */
    bool told_max_message_size; /* the remote's description has it */
    char mid[SQ_JSEP_MID_MAX];
    uint16_t remote_sctp_port;
    uint32_t remote_max_message_size_bytes; /* 65536 when not told (RFC 8841, section 6.1) */
};

/* What a set_local or set_remote did. Free with sq_jsep_result_free. */
struct sq_jsep_result {
    enum sq_jsep_state state;
    bool negotiated;   /* an exchange ended with this call: transceivers are up to date */
    bool has_remote;   /* there is a remote transport: see sq_jsep_remote */
    bool ice_restart;  /* a known remote has new ICE credentials */
    bool dtls_restart; /* a known remote has new fingerprints or a new role: a new association */
    bool end_of_candidates;
    struct sq_jsep_candidate *candidates; /* found in the remote description, as it has them */
    size_t n_candidates;
    struct sq_sdp *sdp; /* the remote description; NULL from set_local. Keeps the texts above. */
};
void sq_jsep_result_free(struct sq_jsep_result *result);

/* Applies the latest created offer or answer, or a rollback. SQ_ERR_STATE if the state does not
 * allow it. ret_result may be NULL. */
int sq_jsep_set_local(struct sq_jsep *j, enum sq_jsep_type type, struct sq_jsep_result *ret_result,
                      struct sq_sdp_error *ret_error) SQ_MUST_USE;
/* Applies a remote description (text is ignored for a rollback). SQ_ERR_FORMAT for a broken one,
 * SQ_ERR_UNSUPPORTED for one that Squall does not take (no BUNDLE, no rtcp-mux), SQ_ERR_STATE (for
 * glare, too: roll the local offer back first), SQ_ERR_NOMEM. ret_result may be NULL. */
int sq_jsep_set_remote(struct sq_jsep *j, enum sq_jsep_type type, const char *text, size_t len,
                       struct sq_jsep_result *ret_result,
                       struct sq_sdp_error *ret_error) SQ_MUST_USE;

/* The remote transport of the pending remote offer, else of the last exchange; NULL if there is
 * none. Valid until the next successful set_local or set_remote. */
const struct sq_jsep_remote *sq_jsep_remote(const struct sq_jsep *j);
/* The agreed data-channel section. */
struct sq_jsep_data sq_jsep_data(const struct sq_jsep *j);
/* Bytes of heap that j holds now, for measuring. */
size_t sq_jsep_memory_bytes(const struct sq_jsep *j);

/* SQ_JSEP_CODECS if the name ("opus", "vp8") is not in the table. */
enum sq_jsep_codec_id sq_jsep_codec_by_name(const char *name);

#endif

/* Inside of the jsep folder. A description is a list of sections; the machine holds the agreed one,
 * the pending offer and the latest created one, all of the same type. */
#ifndef SQ_PEER_JSEP_INT_H
#define SQ_PEER_JSEP_INT_H

#include "peer/jsep/jsep.h"

#define JSEP_EXTS      14 /* rows of the extension table */
#define JSEP_NO_PT     0xff
#define JSEP_CNAME_MAX 32
#define JSEP_RTP_PROTO "UDP/TLS/RTP/SAVPF"

/* ---- Tables (codecs.c) ---- */

/* How a codec's format parameters name another payload type. */
enum jsep_refers {
    JSEP_REFERS_NOT,
    JSEP_REFERS_APT,
    JSEP_REFERS_RED,
    JSEP_REFERS_ANY, /* carries or repairs all media of its section */
};

/* Profiles of H.264 that are told apart (RFC 6184, section 8.1, table 5). */
enum jsep_h264 {
    JSEP_H264_NONE,
    JSEP_H264_CONSTRAINED_BASELINE,
    JSEP_H264_BASELINE,
    JSEP_H264_MAIN,
    JSEP_H264_HIGH, /* with constrained high */
};

struct jsep_row {
    const char *name;
    const char *fmtp;  /* ours; NULL for none */
    const char *key;   /* format parameter that must be equal; NULL for none */
    const char *value; /* what `key` must be */
    uint32_t clock_rate_hz;
    uint8_t kind; /* enum sq_jsep_kind */
    uint8_t pt;   /* preferred, as Chromium has it */
    uint8_t channels;
    uint8_t fb;         /* SQ_JSEP_FB_… */
    uint8_t refers;     /* enum jsep_refers */
    uint8_t main;       /* with `refers`: the row of the codec that it carries */
    uint8_t codec;      /* enum sq_codec */
    uint8_t profile;    /* enum jsep_h264, of H.264 */
    bool by_default;    /* accepted without preferences */
    bool not_offered;   /* … but not offered */
    bool only_received; /* … but offered only by who does not send */
    bool value_implied; /* `key` has `value` when it is not told */
};

struct jsep_ext_row {
    const char *uri;
    size_t offset; /* in struct sq_jsep_ext_ids */
    uint8_t id;    /* preferred, as Chromium has it */
    bool audio, video;
    uint8_t on_request; /* SQ_JSEP_EXT_…: offered only then; accepted always */
};

extern const struct jsep_row jsep_rows[SQ_JSEP_CODECS];
extern const struct jsep_ext_row jsep_ext_rows[JSEP_EXTS];

/* ---- Sections ---- */

struct jsep_simulcast {
    struct sq_jsep_rids send, recv; /* seen from here */
};

struct jsep_ext {
    uint8_t id;        /* 0: not there */
    uint8_t direction; /* enum sq_sdp_direction, of the description's writer */
};

struct jsep_section {
    uint8_t kind;             /* enum sq_jsep_kind */
    uint8_t direction;        /* agreed, or offered; always seen from here */
    uint8_t local_direction;  /* in our description */
    uint8_t remote_direction; /* in theirs, seen from here */
    bool rejected;            /* port 0 for good */
    bool has_mid;             /* the remote told it; made up otherwise */
    bool rtcp_rsize;
    bool old_data;         /* "DTLS/SCTP 5000" with a=sctpmap, as before RFC 8841 */
    bool told_max_message; /* the remote has a=max-message-size */
    uint8_t n_sources;
    uint8_t n_codecs;
    uint16_t remote_sctp_port;
    uint32_t remote_max_message;
    unsigned line;       /* of the remote m= line */
    const char *why_not; /* why a remote section cannot be accepted; NULL if it can. Static. */
    struct sq_jsep_transceiver *tr; /* borrowed; NULL for data, other and rejected sections */
    struct sq_jsep_codec *codecs;
    struct sq_jsep_source *sources;
    char *stream_id, *track_id, *cname; /* the remote's; NULL if not told */
    char *kind_name, *proto, *fmt;      /* of the m= line where they are not the usual; NULL */
    uint64_t remote_max_bps;
    struct jsep_simulcast *sim; /* owned; NULL: none */
    struct jsep_ext ext[JSEP_EXTS];
    char mid[SQ_JSEP_MID_MAX];
};

struct jsep_desc {
    struct jsep_section *sections;
    size_t n;
    bool bundled;     /* it has a BUNDLE group */
    bool mixed;       /* a=extmap-allow-mixed */
    int transport;    /* the section whose transport counts, -1 for none */
    uint64_t version; /* of o=, for local ones */
    bool is_offer;    /* of local ones */
};

struct sq_jsep {
    enum sq_jsep_state state;
    uint64_t session_id;
    uint64_t version; /* of the latest created description */
    unsigned next_mid;
    bool answer_passive;
    bool accept_data;
    bool want_data;
    bool was_offerer; /* in the last exchange */
    bool local_lite;
    uint16_t sctp_port;
    uint32_t max_message_size_bytes;
    char cname[JSEP_CNAME_MAX];
    struct sq_jsep_transceiver *first;
    size_t n_transceivers;
    struct jsep_desc agreed;
    struct jsep_desc pending; /* the offer that waits for its answer */
    struct jsep_desc created; /* the latest created description */
    bool created_is_answer;   /* … and its type; created.sections is NULL for none */
    bool have_created;
    struct sq_jsep_remote *remote;         /* agreed; NULL before */
    struct sq_jsep_remote *pending_remote; /* of a pending remote offer */
    /* Stable for the whole session, which is one BUNDLE group: a payload type means one codec, an
     * id one extension (RFC 9143, section 9.1; RFC 8285, section 5). */
    uint8_t pt_of_row[SQ_JSEP_CODECS]; /* JSEP_NO_PT: none yet */
    uint8_t id_of_ext[JSEP_EXTS];      /* 0: none yet */
    uint8_t seen_pts[128 / 8];         /* the remote used them, for whatever */
    uint8_t seen_ids[256 / 8];
};

/* ---- codecs.c ---- */

/* May an answer have it? */
bool jsep_wants(const struct sq_jsep_transceiver *t, unsigned row);
/* The rows to offer, in the order wanted by t; returns how many, at most SQ_JSEP_CODECS. */
size_t jsep_offered_rows(const struct sq_jsep_transceiver *t, uint8_t rows[SQ_JSEP_CODECS]);
/* All codecs of the table that the remote section has, in its order. */
int jsep_read_codecs(const struct sq_sdp_media *m, struct jsep_section *s) SQ_MUST_USE;
/* The header extensions of the table that a section, or the session level, has. */
void jsep_read_exts(const struct sq_sdp_section *section, struct jsep_ext exts[JSEP_EXTS]);
/* Gives them to a media section, as far as it has none of its own. */
void jsep_take_exts(struct jsep_section *s, const struct jsep_ext exts[JSEP_EXTS]);
/* Notes payload types and ids of a remote section as taken. */
void jsep_note_taken(struct sq_jsep *j, const struct sq_sdp *sdp);
/* From a remote section: what its payload types and ids mean from now on. */
void jsep_claim(struct sq_jsep *j, const struct jsep_section *s);
/* Fills codecs and extension ids of an offered section; `old` (nullable) is its agreed state. */
int jsep_offer_codecs(struct sq_jsep *j, const struct sq_jsep_transceiver *t,
                      const struct jsep_section *old, struct jsep_section *s) SQ_MUST_USE;
const struct sq_jsep_codec *jsep_codec_find(const struct jsep_section *s, unsigned row);
/* Does the row carry media of its own? RTX, RED, FEC and telephone-event do not. */
bool jsep_is_media(unsigned row);
/* Puts the first codec of media in front: the one to send with. */
void jsep_main_codec_first(struct jsep_section *s);

/* ---- codec_params.c ---- */

/* The profile of a profile-level-id, by all its bit patterns (RFC 6184, table 5). */
enum jsep_h264 jsep_h264_profile(struct sq_view fmtp);
/* Our parameters as answer to an H.264 offer's (RFC 6184, section 8.2.2): the offer's profile, and
 * its level or ours. */
void jsep_h264_answer(const struct jsep_row *row, const char *offered, struct sq_buf *out);
/* Writes rtpmap, rtcp-fb and fmtp of one codec. */
void jsep_write_codec(const struct jsep_section *s, const struct sq_jsep_codec *c, bool is_offer,
                      struct sq_buf *out);
void jsep_ext_public(const struct jsep_section *s, struct sq_jsep_ext_ids *ret_ids);

/* ---- simulcast.c ---- */

int jsep_read_simulcast(const struct sq_sdp_media *m, struct jsep_section *s) SQ_MUST_USE;
int jsep_offer_simulcast(const struct sq_jsep_transceiver *t, struct jsep_section *s) SQ_MUST_USE;
int jsep_answer_simulcast(const struct jsep_section *offered, struct jsep_section *s) SQ_MUST_USE;
/* Keeps of an answer's what was offered. */
void jsep_merge_simulcast(const struct jsep_section *offered, struct jsep_section *s);
void jsep_write_simulcast(const struct jsep_section *s, struct sq_buf *out);

/* ---- jsep.c ---- */

int jsep_refuse(struct sq_sdp_error *error, int code, unsigned line, const char *fmt, ...)
    SQ_PRINTF(4, 5);
/* Drops codecs and remote facts, which a rejected section does not need. */
void jsep_section_strip(struct jsep_section *s);
void jsep_section_free(struct jsep_section *s);
void jsep_desc_free(struct jsep_desc *d);
void jsep_remote_free(struct sq_jsep_remote *r);
void jsep_drop_created(struct sq_jsep *j);
int jsep_transceiver_new(enum sq_jsep_kind kind,
                         struct sq_jsep_transceiver **ret_transceiver) SQ_MUST_USE;
void jsep_transceiver_free(struct sq_jsep_transceiver *t);
void jsep_transceiver_link(struct sq_jsep *j, struct sq_jsep_transceiver *t);
/* Brings what readers see up to date with the agreed and pending descriptions. */
void jsep_sync(struct sq_jsep *j);
/* An mid that no section of the agreed description or of `other` (nullable) has. */
void jsep_make_mid(struct sq_jsep *j, const struct jsep_desc *other, char mid[SQ_JSEP_MID_MAX]);

/* ---- jsep_read.c, jsep_write.c ---- */

/* The remote description as a list of sections. */
int jsep_read(const struct sq_jsep *j, const struct sq_sdp *sdp, struct jsep_desc *ret_desc,
              struct sq_sdp_error *error) SQ_MUST_USE;
/* Its transport (desc->transport >= 0). ret_setup is what it says about DTLS roles. */
int jsep_read_remote(const struct sq_sdp *sdp, const struct jsep_desc *desc,
                     struct sq_jsep_remote **ret_remote, enum sq_sdp_setup *ret_setup,
                     struct sq_sdp_error *error) SQ_MUST_USE;
int jsep_read_candidates(const struct sq_sdp *sdp, const struct jsep_desc *desc,
                         struct sq_jsep_result *result) SQ_MUST_USE;
int jsep_write(const struct sq_jsep *j, const struct jsep_desc *d,
               const struct sq_jsep_transport *local, char **ret_text) SQ_MUST_USE;

#endif

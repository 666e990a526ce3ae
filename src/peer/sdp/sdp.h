/* Session descriptions (SDP, RFC 8866), as WebRTC uses them: a parsed document of lines in their
 * order, typed access to the attributes of JSEP (RFC 9429), and writing it back. Nothing is
 * thrown away: an attribute that this file does not know stays a line and is written unchanged.
 *
 * The document owns one copy of the text. Each view points into it, lives as long as the
 * document, and is also NUL-terminated where it reaches to the end of its line (values of lines
 * and attributes do). Hostile text is met with an error that names its line. No I/O.
 *
 * Tolerated as browsers do: LF-only line ends, a missing last line end, empty lines at the very
 * end. Not tolerated: NUL and stray CR bytes, letters that SDP does not have. */
#ifndef SQ_PEER_SDP_H
#define SQ_PEER_SDP_H

#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SDP_TEXT_MAX_BYTES (1U << 21) /* 256 sections with every codec */
#define SQ_SDP_MEDIA_MAX      256
#define SQ_SDP_LINES_MAX      32768 /* all lines, attributes included */

/* Why a description was refused. Written on failure only. */
struct sq_sdp_error {
    unsigned line;  /* from 1; 0 when it is not about one line */
    char text[240]; /* a sentence without the line number, e.g. "expected o= after v=, found s=" */
};

/* One line. Of an attribute, `name` is what stands before the first colon and `value` what
 * follows it (value.at is NULL if there is no colon). Of other lines, `name` is empty and `value`
 * is all that follows "x=". */
struct sq_sdp_line {
    char type;       /* the letter before '=' */
    unsigned number; /* line in the text, from 1 */
    struct sq_view name;
    struct sq_view value;
};

/* The lines of the session level or of one media section. The first line of a media section is
 * its m= line. Points into the document. */
struct sq_sdp_section {
    const struct sq_sdp_line *lines;
    size_t n_lines;
};

struct sq_sdp_media {
    struct sq_sdp_section section;
    struct sq_view kind; /* "audio", "video", "application", … */
    uint16_t port;
    uint16_t n_ports;     /* the number after a slash, 1 without */
    struct sq_view proto; /* "UDP/TLS/RTP/SAVPF" */
    struct sq_view fmts;  /* the rest of the line: formats divided by blanks */
};

struct sq_sdp_origin {
    struct sq_view user, session_id, version, address; /* address: "IN IP4 127.0.0.1" */
};

struct sq_sdp {
    char *text; /* owned; line ends became NULs */
    struct sq_sdp_line *lines;
    size_t n_lines;
    struct sq_sdp_origin origin;
    struct sq_sdp_section session;
    struct sq_sdp_media *media;
    size_t n_media;
};

/* Parses `len` bytes, which are copied. The document is the caller's (sq_sdp_free). SQ_ERR_FORMAT,
 * SQ_ERR_NOSPACE (above a maximum of this file) or SQ_ERR_NOMEM; ret_error (nullable) tells why. */
int sq_sdp_parse(const char *text, size_t len, struct sq_sdp **ret_sdp,
                 struct sq_sdp_error *ret_error) SQ_MUST_USE;
/* NULL is allowed. */
void sq_sdp_free(struct sq_sdp *sdp);
/* Appends the document with CRLF line ends: what was parsed, unchanged if it was in normal form
 * (CRLF, no empty lines at its end). Failure is sticky in out->err. */
void sq_sdp_write(const struct sq_sdp *sdp, struct sq_buf *out);

/* ---- Finding attributes ---- */

/* The first attribute of that name, or NULL. Names are compared case-sensitively (RFC 8866,
 * section 9). */
const struct sq_sdp_line *sq_sdp_attr(const struct sq_sdp_section *s, const char *name);
/* The next one after `after` (a line of s). */
const struct sq_sdp_line *sq_sdp_attr_next(const struct sq_sdp_section *s, const char *name,
                                           const struct sq_sdp_line *after);
/* The first attribute of the media section, else of the session level, else NULL. */
const struct sq_sdp_line *sq_sdp_attr_inherited(const struct sq_sdp *sdp,
                                                const struct sq_sdp_media *m, const char *name);
/* The first line with that letter (not for attributes), or NULL. */
const struct sq_sdp_line *sq_sdp_find(const struct sq_sdp_section *s, char type);
/* The trimmed value, an empty view without the attribute: mid, ice-ufrag, ice-pwd, rid, simulcast,
 * msid-semantic, … */
struct sq_view sq_sdp_value(const struct sq_sdp_section *s, const char *name);
/* A property attribute stands there: rtcp-mux, rtcp-rsize, ice-lite, end-of-candidates,
 * bundle-only, extmap-allow-mixed. */
bool sq_sdp_has(const struct sq_sdp_section *s, const char *name);
/* The whole value is a number of at most `max`: sctp-port, max-message-size, ptime, maxptime.
 * SQ_ERR_NOTFOUND without the attribute, SQ_ERR_FORMAT otherwise. */
int sq_sdp_number(const struct sq_sdp_section *s, const char *name, uint64_t max,
                  uint64_t *ret_number) SQ_MUST_USE;
/* Blank-divided words of a view: cuts the next one off, skipping blanks; empty at the end. */
struct sq_view sq_sdp_word(struct sq_view *rest);
/* `word` stands among the blank-divided words: ice-options, formats, the mids of a group. */
bool sq_sdp_has_word(struct sq_view words, const char *word);
bool sq_sdp_view_equal(struct sq_view a, struct sq_view b);

/* ---- Typed values: each parses the value of one attribute line; SQ_ERR_FORMAT if it is not one,
 * outputs are then untouched. Views point into the document. ------------------------------------
 */

/* RFC 8866, section 6.7. As bits: bit 0 sends, bit 1 receives. */
enum sq_sdp_direction {
    SQ_SDP_INACTIVE = 0,
    SQ_SDP_SENDONLY = 1,
    SQ_SDP_RECVONLY = 2,
    SQ_SDP_SENDRECV = 3,
};
const char *sq_sdp_direction_name(enum sq_sdp_direction d);
/* Seen from the other side: sendonly becomes recvonly. */
enum sq_sdp_direction sq_sdp_direction_reverse(enum sq_sdp_direction d);
/* Of the media section, else of the session level, else sendrecv (RFC 8866, section 6.7). */
enum sq_sdp_direction sq_sdp_direction_of(const struct sq_sdp *sdp, const struct sq_sdp_media *m);

/* RFC 4145, section 4; RFC 8842, section 5.3. */
enum sq_sdp_setup {
    SQ_SDP_SETUP_NONE,
    SQ_SDP_SETUP_ACTPASS,
    SQ_SDP_SETUP_ACTIVE,
    SQ_SDP_SETUP_PASSIVE,
    SQ_SDP_SETUP_HOLDCONN,
};
const char *sq_sdp_setup_name(enum sq_sdp_setup s);
int sq_sdp_parse_setup(struct sq_view value, enum sq_sdp_setup *ret_setup) SQ_MUST_USE;

/* a=fingerprint (RFC 8122, section 5). SQ_ERR_UNSUPPORTED for an unknown hash function. */
struct sq_sdp_fingerprint {
    char hash[8];      /* "sha-1" "sha-224" "sha-256" "sha-384" "sha-512" */
    uint8_t len_bytes; /* 20 to 64, as the hash has it */
    uint8_t bytes[64];
};
int sq_sdp_parse_fingerprint(struct sq_view value,
                             struct sq_sdp_fingerprint *ret_fingerprint) SQ_MUST_USE;

/* a=rtpmap:111 opus/48000/2 */
struct sq_sdp_rtpmap {
    uint8_t pt;
    struct sq_view name;
    uint32_t clock_rate_hz;
    uint8_t channels; /* 1 when not told */
};
int sq_sdp_parse_rtpmap(struct sq_view value, struct sq_sdp_rtpmap *ret_map) SQ_MUST_USE;

/* a=fmtp:111 minptime=10;useinbandfec=1 */
struct sq_sdp_fmtp {
    uint8_t pt;
    struct sq_view params;
};
int sq_sdp_parse_fmtp(struct sq_view value, struct sq_sdp_fmtp *ret_fmtp) SQ_MUST_USE;
/* The value of one parameter in "a=1;b=2" (blanks around ; and = are skipped, names compared
 * without case). Without it: false, and ret_value is untouched. */
bool sq_sdp_fmtp_param(struct sq_view params, const char *name, struct sq_view *ret_value);

/* a=rtcp-fb:96 nack pli (RFC 4585, section 4.2) */
struct sq_sdp_rtcp_fb {
    int pt; /* -1 for "*" */
    struct sq_view value;
};
int sq_sdp_parse_rtcp_fb(struct sq_view value, struct sq_sdp_rtcp_fb *ret_fb) SQ_MUST_USE;

/* a=extmap:3/sendonly URI attributes (RFC 8285, section 8) */
struct sq_sdp_extmap {
    uint16_t id; /* 1 to 4351 */
    enum sq_sdp_direction direction;
    struct sq_view uri;
    struct sq_view attributes;
};
int sq_sdp_parse_extmap(struct sq_view value, struct sq_sdp_extmap *ret_extmap) SQ_MUST_USE;

/* a=ssrc:123 cname:abc, a=ssrc:123 msid:stream track (RFC 5576) */
struct sq_sdp_ssrc {
    uint32_t ssrc;
    struct sq_view name;
    struct sq_view value;
};
int sq_sdp_parse_ssrc(struct sq_view value, struct sq_sdp_ssrc *ret_ssrc) SQ_MUST_USE;

/* a=ssrc-group:FID 1 2 */
#define SQ_SDP_GROUP_SSRCS_MAX 16 /* further ones are ignored */
struct sq_sdp_ssrc_group {
    struct sq_view semantics;
    uint32_t ssrcs[SQ_SDP_GROUP_SSRCS_MAX];
    size_t n_ssrcs;
};
int sq_sdp_parse_ssrc_group(struct sq_view value, struct sq_sdp_ssrc_group *ret_group) SQ_MUST_USE;

/* a=msid:stream track; the track may be missing (RFC 8830). */
struct sq_sdp_msid {
    struct sq_view stream, track;
};
int sq_sdp_parse_msid(struct sq_view value, struct sq_sdp_msid *ret_msid) SQ_MUST_USE;

/* a=rid:hi send max-width=1280 (RFC 8851) */
struct sq_sdp_rid {
    struct sq_view id;
    bool send;
    struct sq_view restrictions;
};
int sq_sdp_parse_rid(struct sq_view value, struct sq_sdp_rid *ret_rid) SQ_MUST_USE;

/* The mids of the nth (from 0) a=group:BUNDLE, divided by blanks (RFC 9143); false without. */
bool sq_sdp_bundle(const struct sq_sdp *sdp, size_t nth, struct sq_view *ret_mids);

/* b=AS or b=TIAS of the section in bits per second (RFC 8866, section 5.8; RFC 3890); TIAS wins;
 * 0 without. */
uint64_t sq_sdp_bandwidth_bps(const struct sq_sdp_section *s);

#endif

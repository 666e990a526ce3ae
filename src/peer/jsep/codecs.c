/* The tables of codecs and header extensions, and what is done with their rows. A codec that comes
 * later is a row (and its name in enum sq_jsep_codec_id). */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include <string.h>
#include <strings.h>

#define FB_VIDEO                                                                                   \
    (SQ_JSEP_FB_NACK | SQ_JSEP_FB_NACK_PLI | SQ_JSEP_FB_CCM_FIR | SQ_JSEP_FB_REMB |                \
     SQ_JSEP_FB_TRANSPORT_CC)

#define VIDEO_ROW(payload_type, coding)                                                            \
    .name = (coding), .kind = SQ_JSEP_VIDEO, .pt = (payload_type), .clock_rate_hz = 90000,         \
    .channels = 1
#define RTX_ROW(payload_type, of)                                                                  \
    VIDEO_ROW(payload_type, "rtx"), .refers = JSEP_REFERS_APT, .main = (of), .by_default = true
#define AUDIO_ROW(payload_type, coding, rate_hz, n_channels)                                       \
    .name = (coding), .kind = SQ_JSEP_AUDIO, .pt = (payload_type), .clock_rate_hz = (rate_hz),     \
    .channels = (n_channels), .by_default = true
#define H264_ROW(payload_type, mode, id, which)                                                    \
    VIDEO_ROW(payload_type, "H264"),                                                               \
        .fb = FB_VIDEO, .codec = SQ_CODEC_H264, .by_default = true, .key = "packetization-mode",   \
        .value = (mode), .profile = (which),                                                       \
        .fmtp = "level-asymmetry-allowed=1;packetization-mode=" mode ";profile-level-id=" id

const struct jsep_row jsep_rows[SQ_JSEP_CODECS] = {
    [SQ_JSEP_OPUS] = {AUDIO_ROW(111, "opus", 48000, 2), .fmtp = "minptime=10;useinbandfec=1",
                      .fb = SQ_JSEP_FB_TRANSPORT_CC, .codec = SQ_CODEC_OPUS},
    [SQ_JSEP_RED] = {AUDIO_ROW(63, "red", 48000, 2), .refers = JSEP_REFERS_RED,
                     .main = SQ_JSEP_OPUS},
    [SQ_JSEP_G722] = {AUDIO_ROW(9, "G722", 8000, 1), .codec = SQ_CODEC_G722},
    [SQ_JSEP_PCMU] = {AUDIO_ROW(0, "PCMU", 8000, 1), .codec = SQ_CODEC_PCMU},
    [SQ_JSEP_PCMA] = {AUDIO_ROW(8, "PCMA", 8000, 1), .codec = SQ_CODEC_PCMA},
    [SQ_JSEP_DTMF_48000] = {AUDIO_ROW(110, "telephone-event", 48000, 1)},
    [SQ_JSEP_DTMF_8000] = {AUDIO_ROW(126, "telephone-event", 8000, 1)},
    [SQ_JSEP_VP8] = {VIDEO_ROW(96, "VP8"), .fb = FB_VIDEO, .codec = SQ_CODEC_VP8,
                     .by_default = true},
    [SQ_JSEP_VP8_RTX] = {RTX_ROW(97, SQ_JSEP_VP8)},
    [SQ_JSEP_H264_BASE_MODE1] = {H264_ROW(102, "1", "42001f", JSEP_H264_BASELINE)},
    [SQ_JSEP_H264_BASE_MODE1_RTX] = {RTX_ROW(103, SQ_JSEP_H264_BASE_MODE1)},
    [SQ_JSEP_H264_BASE_MODE0] = {H264_ROW(104, "0", "42001f", JSEP_H264_BASELINE),
                                 .value_implied = true},
    [SQ_JSEP_H264_BASE_MODE0_RTX] = {RTX_ROW(107, SQ_JSEP_H264_BASE_MODE0)},
    [SQ_JSEP_H264_MODE1] = {H264_ROW(108, "1", "42e01f", JSEP_H264_CONSTRAINED_BASELINE)},
    [SQ_JSEP_H264_MODE1_RTX] = {RTX_ROW(109, SQ_JSEP_H264_MODE1)},
    [SQ_JSEP_H264_MODE0] = {H264_ROW(114, "0", "42e01f", JSEP_H264_CONSTRAINED_BASELINE),
                            .value_implied = true},
    [SQ_JSEP_H264_MODE0_RTX] = {RTX_ROW(115, SQ_JSEP_H264_MODE0)},
    [SQ_JSEP_H264_MAIN_MODE1] = {H264_ROW(116, "1", "4d001f", JSEP_H264_MAIN)},
    [SQ_JSEP_H264_MAIN_MODE1_RTX] = {RTX_ROW(117, SQ_JSEP_H264_MAIN_MODE1)},
    [SQ_JSEP_H264_MAIN_MODE0] = {H264_ROW(39, "0", "4d001f", JSEP_H264_MAIN),
                                 .value_implied = true},
    [SQ_JSEP_H264_MAIN_MODE0_RTX] = {RTX_ROW(40, SQ_JSEP_H264_MAIN_MODE0)},
    [SQ_JSEP_H264_HIGH_MODE1] = {H264_ROW(112, "1", "64001f", JSEP_H264_HIGH), .not_offered = true},
    [SQ_JSEP_H264_HIGH_MODE1_RTX] = {RTX_ROW(113, SQ_JSEP_H264_HIGH_MODE1), .not_offered = true},
    [SQ_JSEP_H264_HIGH_MODE0] = {H264_ROW(43, "0", "64001f", JSEP_H264_HIGH), .value_implied = true,
                                 .not_offered = true},
    [SQ_JSEP_H264_HIGH_MODE0_RTX] = {RTX_ROW(44, SQ_JSEP_H264_HIGH_MODE0), .not_offered = true},
    [SQ_JSEP_AV1] = {VIDEO_ROW(45, "AV1"), .fb = FB_VIDEO, .fmtp = "level-idx=5;profile=0;tier=0",
                     .key = "profile", .value = "0", .value_implied = true, .codec = SQ_CODEC_AV1,
                     .by_default = true},
    [SQ_JSEP_AV1_RTX] = {RTX_ROW(46, SQ_JSEP_AV1)},
    [SQ_JSEP_VP9] = {VIDEO_ROW(98, "VP9"), .fb = FB_VIDEO, .fmtp = "profile-id=0",
                     .key = "profile-id", .value = "0", .value_implied = true,
                     .codec = SQ_CODEC_VP9, .by_default = true},
    [SQ_JSEP_VP9_RTX] = {RTX_ROW(99, SQ_JSEP_VP9)},
    [SQ_JSEP_VIDEO_RED] = {VIDEO_ROW(118, "red"), .refers = JSEP_REFERS_ANY, .by_default = true},
    [SQ_JSEP_VIDEO_RED_RTX] = {RTX_ROW(119, SQ_JSEP_VIDEO_RED)},
    [SQ_JSEP_ULPFEC] = {VIDEO_ROW(120, "ulpfec"), .refers = JSEP_REFERS_ANY, .by_default = true},
    [SQ_JSEP_FLEXFEC] = {VIDEO_ROW(49, "flexfec-03"), .refers = JSEP_REFERS_ANY, .by_default = true,
                         .only_received = true, .fmtp = "repair-window=10000000",
                         .fb = SQ_JSEP_FB_REMB | SQ_JSEP_FB_TRANSPORT_CC},
};

#define EXT(field) offsetof(struct sq_jsep_ext_ids, field)

/* In the order in which Chromium writes them. */
const struct jsep_ext_row jsep_ext_rows[JSEP_EXTS] = {
    {"urn:ietf:params:rtp-hdrext:ssrc-audio-level", EXT(audio_level), 1, true, false, 0},
    {"urn:ietf:params:rtp-hdrext:toffset", EXT(toffset), 14, false, true, 0},
    {"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", EXT(abs_send_time), 2, true,
     true, 0},
    {"urn:3gpp:video-orientation", EXT(video_orientation), 13, false, true, 0},
    {"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", EXT(transport_cc),
     3, true, true, 0},
    {"http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", EXT(playout_delay), 5, false,
     true, 0},
    {"http://www.webrtc.org/experiments/rtp-hdrext/video-content-type", EXT(video_content_type), 6,
     false, true, 0},
    {"http://www.webrtc.org/experiments/rtp-hdrext/video-timing", EXT(video_timing), 7, false, true,
     0},
    {"http://www.webrtc.org/experiments/rtp-hdrext/color-space", EXT(color_space), 8, false, true,
     0},
    {"urn:ietf:params:rtp-hdrext:sdes:mid", EXT(mid), 4, true, true, 0},
    {"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", EXT(rid), 10, false, true, 0},
    {"urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", EXT(repaired_rid), 11, false, true,
     0},
    {"http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", EXT(abs_capture_time), 9,
     true, true, SQ_JSEP_EXT_CAPTURE_TIME},
    {"https://aomediacodec.github.io/av1-rtp-spec/"
     "#dependency-descriptor-rtp-header-extension",
     EXT(dependency_descriptor), 12, false, true, SQ_JSEP_EXT_DEPENDENCY},
};

/* RTCP feedback as written, in Chromium's order. */
static const struct {
    const char *text;
    uint8_t bit;
} feedbacks[] = {
    {"goog-remb", SQ_JSEP_FB_REMB},    {"transport-cc", SQ_JSEP_FB_TRANSPORT_CC},
    {"ccm fir", SQ_JSEP_FB_CCM_FIR},   {"nack", SQ_JSEP_FB_NACK},
    {"nack pli", SQ_JSEP_FB_NACK_PLI},
};

static bool bit_get(const uint8_t *bits, unsigned n)
{
    return bits[n / 8] >> (n % 8) & 1U;
}

static void bit_set(uint8_t *bits, unsigned n)
{
    bits[n / 8] = (uint8_t)(bits[n / 8] | 1U << (n % 8));
}

enum sq_jsep_codec_id sq_jsep_codec_by_name(const char *name)
{
    for (unsigned row = 0; row < SQ_JSEP_CODECS; row++) {
        if (strcasecmp(jsep_rows[row].name, name) == 0) {
            return (enum sq_jsep_codec_id)row;
        }
    }
    return SQ_JSEP_CODECS;
}

const struct sq_jsep_codec *jsep_codec_find(const struct jsep_section *s, unsigned row)
{
    for (size_t i = 0; i < s->n_codecs; i++) {
        if (s->codecs[i].id == row) {
            return &s->codecs[i];
        }
    }
    return NULL;
}

/* ---- What a transceiver wants ---- */

bool jsep_is_media(unsigned row)
{
    return jsep_rows[row].codec != SQ_CODEC_NONE;
}

enum sq_codec sq_jsep_media_codec(enum sq_jsep_codec_id id)
{
    return id < SQ_JSEP_CODECS ? (enum sq_codec)jsep_rows[id].codec : SQ_CODEC_NONE;
}

bool sq_jsep_is_rtx(enum sq_jsep_codec_id id)
{
    return id < SQ_JSEP_CODECS && jsep_rows[id].refers == JSEP_REFERS_APT;
}

uint8_t sq_jsep_usual_pt(enum sq_jsep_codec_id id)
{
    return jsep_rows[id].pt;
}

const char *sq_jsep_codec_name(enum sq_jsep_codec_id id)
{
    return jsep_rows[id].name;
}

enum sq_jsep_codec_id sq_jsep_repaired(enum sq_jsep_codec_id id)
{
    return sq_jsep_is_rtx(id) ? (enum sq_jsep_codec_id)jsep_rows[id].main : id;
}

static bool is_allowed(const struct sq_jsep_transceiver *t, unsigned row)
{
    return t->allowed == 0 || (t->allowed & SQ_JSEP_ROW(row));
}

size_t jsep_offered_rows(const struct sq_jsep_transceiver *t, uint8_t rows[SQ_JSEP_CODECS])
{
    size_t n = 0;
    for (unsigned i = 0; i < t->n_prefs; i++) {
        if (is_allowed(t, t->prefs[i])) {
            rows[n++] = t->prefs[i];
        }
    }
    for (unsigned row = 0; t->n_prefs == 0 && row < SQ_JSEP_CODECS; row++) {
        const struct jsep_row *r = &jsep_rows[row];
        bool offered = !r->not_offered &&
                       !(r->only_received && (t->direction & SQ_SDP_SENDRECV) != SQ_SDP_RECVONLY);
        if (r->kind == t->kind && r->by_default && offered && is_allowed(t, row)) {
            rows[n++] = (uint8_t)row;
        }
    }
    return n;
}

bool jsep_wants(const struct sq_jsep_transceiver *t, unsigned row)
{
    return is_allowed(t, row) && (t->n_prefs ? memchr(t->prefs, (int)row, t->n_prefs) != NULL
                                             : jsep_rows[row].by_default);
}

void jsep_main_codec_first(struct jsep_section *s)
{
    size_t at = 0;
    while (at < s->n_codecs && !jsep_is_media(s->codecs[at].id)) {
        at++;
    }
    if (at > 0 && at < s->n_codecs) {
        struct sq_jsep_codec main = s->codecs[at];
        memmove(s->codecs + 1, s->codecs, at * sizeof(*s->codecs));
        s->codecs[0] = main;
    }
}

/* ---- Reading a remote section ---- */

/* What the lines of a section say about one payload type. */
struct payload {
    struct sq_sdp_rtpmap map; /* map.name.at is NULL without a=rtpmap */
    struct sq_view fmtp;
    uint8_t fb;
    uint8_t row; /* JSEP_NO_PT until matched */
};

/* RFC 3551, table 4: types that need no a=rtpmap. */
static void static_payloads(struct payload payloads[128])
{
    static const uint8_t rows[] = {SQ_JSEP_PCMU, SQ_JSEP_PCMA, SQ_JSEP_G722};
    for (size_t i = 0; i < sizeof(rows); i++) {
        const struct jsep_row *row = &jsep_rows[rows[i]];
        payloads[row->pt].map = (struct sq_sdp_rtpmap){.pt = row->pt,
                                                       .name = sq_view_of(row->name),
                                                       .clock_rate_hz = row->clock_rate_hz,
                                                       .channels = row->channels};
    }
}

static uint8_t feedback_bit(struct sq_view value)
{
    for (size_t i = 0; i < sizeof(feedbacks) / sizeof(*feedbacks); i++) {
        if (sq_view_is(value, feedbacks[i].text)) {
            return feedbacks[i].bit;
        }
    }
    return 0;
}

/* Lines that do not parse are left alone: they speak of codecs or features that are not ours. */
static void collect_payloads(const struct sq_sdp_section *section, struct payload payloads[128])
{
    uint8_t fb_all = 0;
    for (size_t i = 0; i < section->n_lines; i++) {
        const struct sq_sdp_line *line = &section->lines[i];
        struct sq_sdp_rtpmap map;
        struct sq_sdp_fmtp fmtp;
        struct sq_sdp_rtcp_fb fb;
        if (sq_view_is(line->name, "rtpmap") && !sq_sdp_parse_rtpmap(line->value, &map)) {
            payloads[map.pt].map = map;
        } else if (sq_view_is(line->name, "fmtp") && !sq_sdp_parse_fmtp(line->value, &fmtp)) {
            payloads[fmtp.pt].fmtp = fmtp.params;
        } else if (sq_view_is(line->name, "rtcp-fb") && !sq_sdp_parse_rtcp_fb(line->value, &fb)) {
            uint8_t *bits = fb.pt < 0 ? &fb_all : &payloads[fb.pt].fb;
            *bits |= feedback_bit(fb.value);
        }
    }
    for (size_t pt = 0; pt < 128; pt++) {
        payloads[pt].fb |= fb_all;
    }
}

/* The payload type that the parameters of RTX or RED name; -1 if they name none. */
static int referred_pt(const struct jsep_row *row, struct sq_view fmtp)
{
    struct sq_view number = {NULL, 0};
    uint64_t pt;
    if (row->refers == JSEP_REFERS_APT) {
        (void)sq_sdp_fmtp_param(fmtp, "apt", &number);
    } else {
        number = sq_view_trim(sq_view_cut(&fmtp, '/'));
    }
    return sq_view_u64(number, 127, &pt) ? -1 : (int)pt;
}

static bool row_matches(unsigned id, const struct payload *p, const struct payload *all)
{
    const struct jsep_row *row = &jsep_rows[id];
    if (!sq_view_is_nocase(p->map.name, row->name) || p->map.clock_rate_hz != row->clock_rate_hz ||
        p->map.channels != row->channels) {
        return false;
    }
    struct sq_view value;
    if (row->key) {
        bool told = sq_sdp_fmtp_param(p->fmtp, row->key, &value);
        if (told ? !sq_view_is(value, row->value) : !row->value_implied) {
            return false;
        }
    }
    if (row->refers == JSEP_REFERS_APT || row->refers == JSEP_REFERS_RED) {
        int pt = referred_pt(row, p->fmtp);
        return pt >= 0 ? all[pt].row == row->main
                       : row->refers == JSEP_REFERS_RED; /* Firefox tells nothing */
    }
    return row->profile == JSEP_H264_NONE || jsep_h264_profile(p->fmtp) == row->profile;
}

/* Codecs that refer to others come after those: RED of video after media, and its RTX after it. */
static unsigned pass_of(unsigned row)
{
    unsigned passes = 0;
    while (jsep_rows[row].refers == JSEP_REFERS_APT || jsep_rows[row].refers == JSEP_REFERS_RED) {
        row = jsep_rows[row].main;
        passes++;
    }
    return passes;
}

/* Matches the payload types of the m= line with the rows of a pass, in order. One that the line
 * names again is not tried again: a hostile line names one a hundred thousand times, whose
 * parameters take long to read. */
static size_t match_payloads(struct sq_view fmts, struct payload payloads[128], uint8_t kind,
                             unsigned pass, uint64_t *taken)
{
    size_t found = 0;
    uint8_t tried[128 / 8] = {0};
    for (struct sq_view w = sq_sdp_word(&fmts); w.len; w = sq_sdp_word(&fmts)) {
        uint64_t pt;
        if (sq_view_u64(w, 127, &pt) || bit_get(tried, (unsigned)pt) ||
            payloads[pt].row != JSEP_NO_PT || !payloads[pt].map.name.at) {
            continue;
        }
        bit_set(tried, (unsigned)pt);
        for (unsigned row = 0; row < SQ_JSEP_CODECS; row++) {
            if (jsep_rows[row].kind == kind && pass_of(row) == pass && !(*taken >> row & 1U) &&
                row_matches(row, &payloads[pt], payloads)) {
                payloads[pt].row = (uint8_t)row;
                *taken |= SQ_JSEP_ROW(row);
                found++;
                break;
            }
        }
    }
    return found;
}

int jsep_read_codecs(const struct sq_sdp_media *m, struct jsep_section *s)
{
    struct payload payloads[128] = {0};
    for (size_t pt = 0; pt < 128; pt++) {
        payloads[pt].row = JSEP_NO_PT;
    }
    static_payloads(payloads);
    collect_payloads(&m->section, payloads);
    uint64_t taken = 0;
    size_t n = match_payloads(m->fmts, payloads, s->kind, 0, &taken);
    n += match_payloads(m->fmts, payloads, s->kind, 1, &taken);
    if (n == 0) {
        return 0;
    }
    s->codecs = sq_calloc(n, sizeof(*s->codecs));
    if (!s->codecs) {
        return SQ_ERR_NOMEM;
    }
    struct sq_view fmts = m->fmts;
    for (struct sq_view w = sq_sdp_word(&fmts); w.len; w = sq_sdp_word(&fmts)) {
        uint64_t pt;
        if (sq_view_u64(w, 127, &pt) || payloads[pt].row == JSEP_NO_PT) {
            continue;
        }
        struct payload *p = &payloads[pt];
        const struct jsep_row *row = &jsep_rows[p->row];
        struct sq_jsep_codec *c = &s->codecs[s->n_codecs];
        *c = (struct sq_jsep_codec){.id = p->row,
                                    .pt = (uint8_t)pt,
                                    .recv_pt = (uint8_t)pt,
                                    .channels = row->channels,
                                    .fb = p->fb & row->fb,
                                    .clock_rate_hz = row->clock_rate_hz,
                                    .name = row->name};
        int apt = row->refers == JSEP_REFERS_APT ? referred_pt(row, p->fmtp) : 0;
        c->apt = (uint8_t)(apt < 0 ? 0 : apt);
        c->fmtp = sq_strndup(p->fmtp.at ? p->fmtp.at : "", p->fmtp.len);
        if (!c->fmtp) {
            return SQ_ERR_NOMEM;
        }
        s->n_codecs++;
        p->row = JSEP_NO_PT; /* a payload type that the m= line names twice counts once */
    }
    return 0;
}

static bool ext_fits(const struct jsep_ext_row *row, uint8_t kind)
{
    return kind == SQ_JSEP_AUDIO ? row->audio : row->video;
}

/* Ids of one byte only; 15 means "stop" in the one-byte form (RFC 8285, section 4.2). */
void jsep_read_exts(const struct sq_sdp_section *section, struct jsep_ext exts[JSEP_EXTS])
{
    const struct sq_sdp_line *line = sq_sdp_attr(section, "extmap");
    for (; line; line = sq_sdp_attr_next(section, "extmap", line)) {
        struct sq_sdp_extmap e;
        if (sq_sdp_parse_extmap(line->value, &e) || e.id > 255 || e.id == 15) {
            continue;
        }
        for (unsigned x = 0; x < JSEP_EXTS; x++) {
            if (sq_view_is(e.uri, jsep_ext_rows[x].uri) && exts[x].id == 0 &&
                e.direction != SQ_SDP_INACTIVE) {
                exts[x] = (struct jsep_ext){(uint8_t)e.id, (uint8_t)e.direction};
            }
        }
    }
}

void jsep_take_exts(struct jsep_section *s, const struct jsep_ext exts[JSEP_EXTS])
{
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        if (ext_fits(&jsep_ext_rows[x], s->kind) && s->ext[x].id == 0) {
            s->ext[x] = exts[x];
        }
    }
}

void jsep_ext_public(const struct jsep_section *s, struct sq_jsep_ext_ids *ret_ids)
{
    memset(ret_ids, 0, sizeof(*ret_ids));
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        ((uint8_t *)ret_ids)[jsep_ext_rows[x].offset] = s->ext[x].id;
    }
}

/* ---- One meaning a payload type and an id ---- */

static void note_section(struct sq_jsep *j, const struct sq_sdp_section *section)
{
    const struct sq_sdp_line *line = sq_sdp_attr(section, "extmap");
    for (; line; line = sq_sdp_attr_next(section, "extmap", line)) {
        struct sq_sdp_extmap e;
        if (!sq_sdp_parse_extmap(line->value, &e) && e.id < 256) {
            bit_set(j->seen_ids, e.id);
        }
    }
}

void jsep_note_taken(struct sq_jsep *j, const struct sq_sdp *sdp)
{
    note_section(j, &sdp->session);
    for (size_t i = 0; i < sdp->n_media; i++) {
        const struct sq_sdp_media *m = &sdp->media[i];
        note_section(j, &m->section);
        struct sq_view fmts = m->fmts;
        for (struct sq_view w = sq_sdp_word(&fmts); w.len; w = sq_sdp_word(&fmts)) {
            uint64_t pt;
            if (!sq_view_u64(w, 127, &pt)) {
                bit_set(j->seen_pts, (unsigned)pt);
            }
        }
    }
}

void jsep_claim(struct sq_jsep *j, const struct jsep_section *s)
{
    for (size_t i = 0; i < s->n_codecs; i++) {
        for (unsigned row = 0; row < SQ_JSEP_CODECS; row++) {
            if (j->pt_of_row[row] == s->codecs[i].recv_pt) {
                j->pt_of_row[row] = JSEP_NO_PT;
            }
        }
        j->pt_of_row[s->codecs[i].id] = s->codecs[i].recv_pt;
    }
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        if (s->ext[x].id == 0) {
            continue;
        }
        for (unsigned other = 0; other < JSEP_EXTS; other++) {
            if (j->id_of_ext[other] == s->ext[x].id) {
                j->id_of_ext[other] = 0;
            }
        }
        j->id_of_ext[x] = s->ext[x].id;
    }
}

static bool pt_is_unused(const struct sq_jsep *j, const struct jsep_section *s, unsigned pt)
{
    for (size_t i = 0; i < s->n_codecs; i++) {
        if (s->codecs[i].recv_pt == pt) {
            return false;
        }
    }
    return !memchr(j->pt_of_row, (int)pt, sizeof(j->pt_of_row));
}

static bool pt_is_free(const struct sq_jsep *j, const struct jsep_section *s, unsigned pt)
{
    return !bit_get(j->seen_pts, pt) && pt_is_unused(j, s, pt);
}

/* The payload type to offer: the section's own, else the session's, else the table's, else a free
 * dynamic one (RFC 3551, section 3; 35 to 63 when 96 to 127 are used up, RFC 5761, section 4). */
static uint8_t choose_pt(struct sq_jsep *j, unsigned row, const struct jsep_section *old,
                         const struct jsep_section *s)
{
    const struct sq_jsep_codec *had = old ? jsep_codec_find(old, row) : NULL;
    if (had) {
        return had->recv_pt;
    }
    uint8_t pt = j->pt_of_row[row];
    for (size_t i = 0; pt != JSEP_NO_PT && i < s->n_codecs; i++) {
        pt = s->codecs[i].recv_pt == pt ? JSEP_NO_PT : pt;
    }
    if (pt != JSEP_NO_PT) {
        return pt;
    }
    if (jsep_rows[row].pt < 35 || pt_is_free(j, s, jsep_rows[row].pt)) {
        return jsep_rows[row].pt; /* static types have one meaning anyway */
    }
    /* Where the other side has named them all, one whose codec was not agreed on does. */
    for (unsigned n = 0; n < 2 * (32 + 29); n++) {
        unsigned k = n % (32 + 29);
        unsigned candidate = k < 32 ? 96 + k : 35 + (k - 32);
        if (n < 32 + 29 ? pt_is_free(j, s, candidate) : pt_is_unused(j, s, candidate)) {
            return (uint8_t)candidate;
        }
    }
    return JSEP_NO_PT;
}

static uint8_t choose_ext_id(const struct sq_jsep *j, unsigned x, const struct jsep_section *s)
{
    bool used[16] = {true, [15] = true};
    for (unsigned i = 0; i < JSEP_EXTS; i++) {
        used[s->ext[i].id < 15 ? s->ext[i].id : 15] = true;
    }
    uint8_t known = j->id_of_ext[x];
    if (known != 0 && (known > 14 || !used[known])) {
        return known;
    }
    for (unsigned i = 0; i < JSEP_EXTS; i++) {
        used[j->id_of_ext[i] < 15 ? j->id_of_ext[i] : 15] = true;
    }
    for (unsigned id = 1; id < 15; id++) {
        used[id] = used[id] || bit_get(j->seen_ids, id);
    }
    if (!used[jsep_ext_rows[x].id]) {
        return jsep_ext_rows[x].id;
    }
    for (uint8_t id = 1; id < 15; id++) {
        if (!used[id]) {
            return id;
        }
    }
    return 0; /* the one-byte form has no id left: go without */
}

static void offer_exts(struct sq_jsep *j, const struct sq_jsep_transceiver *t,
                       const struct jsep_section *old, struct jsep_section *s)
{
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        if (old && old->ext[x].id) {
            s->ext[x] = (struct jsep_ext){old->ext[x].id, SQ_SDP_SENDRECV};
        }
    }
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        uint8_t asked = jsep_ext_rows[x].on_request;
        if (ext_fits(&jsep_ext_rows[x], s->kind) && s->ext[x].id == 0 &&
            (asked == 0 || (t->more_exts & asked))) {
            s->ext[x] = (struct jsep_ext){choose_ext_id(j, x, s), SQ_SDP_SENDRECV};
            j->id_of_ext[x] = s->ext[x].id;
        }
    }
}

int jsep_offer_codecs(struct sq_jsep *j, const struct sq_jsep_transceiver *t,
                      const struct jsep_section *old, struct jsep_section *s)
{
    uint8_t rows[SQ_JSEP_CODECS];
    size_t n = jsep_offered_rows(t, rows);
    s->codecs = sq_calloc(n ? n : 1, sizeof(*s->codecs));
    if (!s->codecs) {
        return SQ_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct jsep_row *row = &jsep_rows[rows[i]];
        if (row->refers != JSEP_REFERS_NOT && row->refers != JSEP_REFERS_ANY &&
            !memchr(rows, row->main, n)) {
            continue; /* without the codec that it carries it means nothing */
        }
        uint8_t pt = choose_pt(j, rows[i], old, s);
        if (pt == JSEP_NO_PT) {
            return SQ_ERR_NOMEM;
        }
        struct sq_jsep_codec *c = &s->codecs[s->n_codecs];
        *c = (struct sq_jsep_codec){.id = rows[i],
                                    .pt = pt,
                                    .recv_pt = pt,
                                    .channels = row->channels,
                                    .fb = row->fb,
                                    .clock_rate_hz = row->clock_rate_hz,
                                    .name = row->name};
        s->n_codecs++;
        if (j->pt_of_row[rows[i]] == JSEP_NO_PT) {
            j->pt_of_row[rows[i]] = pt;
        }
    }
    offer_exts(j, t, old, s);
    return 0;
}

/* ---- Writing ---- */

void jsep_write_codec(const struct jsep_section *s, const struct sq_jsep_codec *c, bool is_offer,
                      struct sq_buf *out)
{
    const struct jsep_row *row = &jsep_rows[c->id];
    unsigned pt = c->recv_pt;
    sq_buf_printf(out, "a=rtpmap:%u %s/%u", pt, row->name, (unsigned)row->clock_rate_hz);
    if (row->channels > 1) {
        sq_buf_printf(out, "/%u", row->channels);
    }
    sq_buf_puts(out, "\r\n");
    for (size_t i = 0; i < sizeof(feedbacks) / sizeof(*feedbacks); i++) {
        if (c->fb & feedbacks[i].bit) {
            sq_buf_printf(out, "a=rtcp-fb:%u %s\r\n", pt, feedbacks[i].text);
        }
    }
    const struct sq_jsep_codec *main =
        row->refers == JSEP_REFERS_APT || row->refers == JSEP_REFERS_RED
            ? jsep_codec_find(s, row->main)
            : NULL;
    if (main && row->refers == JSEP_REFERS_APT) {
        sq_buf_printf(out, "a=fmtp:%u apt=%u\r\n", pt, main->recv_pt);
    } else if (main) {
        sq_buf_printf(out, "a=fmtp:%u %u/%u\r\n", pt, main->recv_pt, main->recv_pt);
    } else if (row->profile != JSEP_H264_NONE && !is_offer && c->fmtp && c->fmtp[0]) {
        sq_buf_printf(out, "a=fmtp:%u ", pt);
        jsep_h264_answer(row, c->fmtp, out);
        sq_buf_puts(out, "\r\n");
    } else if (c->id == SQ_JSEP_OPUS && s->tr && s->tr->opus) {
        bool stereo = (s->tr->opus & SQ_JSEP_OPUS_STEREO) != 0;
        sq_buf_printf(out, "a=fmtp:%u %s%s%s\r\n", pt, row->fmtp,
                      stereo ? ";sprop-stereo=1;stereo=1" : "",
                      s->tr->opus & SQ_JSEP_OPUS_DTX ? ";usedtx=1" : "");
    } else if (row->fmtp) {
        sq_buf_printf(out, "a=fmtp:%u %s\r\n", pt, row->fmtp);
    }
}

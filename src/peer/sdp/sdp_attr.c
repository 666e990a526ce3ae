/* Typed values of single attributes. Each parser fills a local copy and gives it out at its end. */
#include "peer/sdp/sdp.h"

#include <string.h>

#define SSRC_MAX UINT32_MAX

/* A decimal number at the front of `rest`, ended by a blank or the end. */
static int number_word(struct sq_view *rest, uint64_t max, uint64_t *ret_number)
{
    return sq_view_u64(sq_sdp_word(rest), max, ret_number);
}

/* ---- Direction and set-up ---- */

static const char *const direction_names[] = {
    [SQ_SDP_INACTIVE] = "inactive",
    [SQ_SDP_SENDONLY] = "sendonly",
    [SQ_SDP_RECVONLY] = "recvonly",
    [SQ_SDP_SENDRECV] = "sendrecv",
};

const char *sq_sdp_direction_name(enum sq_sdp_direction d)
{
    return direction_names[(unsigned)d & 3U];
}

enum sq_sdp_direction sq_sdp_direction_reverse(enum sq_sdp_direction d)
{
    return (enum sq_sdp_direction)(((unsigned)d & 1U) << 1 | ((unsigned)d & 2U) >> 1);
}

static bool direction_parse(struct sq_view name, enum sq_sdp_direction *ret_direction)
{
    for (unsigned d = 0; d < 4; d++) {
        if (sq_view_is(name, direction_names[d])) {
            *ret_direction = (enum sq_sdp_direction)d;
            return true;
        }
    }
    return false;
}

static bool section_direction(const struct sq_sdp_section *s, enum sq_sdp_direction *ret_direction)
{
    for (size_t i = 0; i < s->n_lines; i++) {
        if (s->lines[i].type == 'a' && !s->lines[i].value.at &&
            direction_parse(s->lines[i].name, ret_direction)) {
            return true;
        }
    }
    return false;
}

enum sq_sdp_direction sq_sdp_direction_of(const struct sq_sdp *sdp, const struct sq_sdp_media *m)
{
    enum sq_sdp_direction direction = SQ_SDP_SENDRECV;
    if (!section_direction(&m->section, &direction)) {
        (void)section_direction(&sdp->session, &direction);
    }
    return direction;
}

static const char *const setup_names[] = {
    [SQ_SDP_SETUP_NONE] = "",
    [SQ_SDP_SETUP_ACTPASS] = "actpass",
    [SQ_SDP_SETUP_ACTIVE] = "active",
    [SQ_SDP_SETUP_PASSIVE] = "passive",
    [SQ_SDP_SETUP_HOLDCONN] = "holdconn",
};

const char *sq_sdp_setup_name(enum sq_sdp_setup s)
{
    return setup_names[s];
}

int sq_sdp_parse_setup(struct sq_view value, enum sq_sdp_setup *ret_setup)
{
    value = sq_view_trim(value);
    for (unsigned s = SQ_SDP_SETUP_ACTPASS; s <= SQ_SDP_SETUP_HOLDCONN; s++) {
        if (sq_view_is(value, setup_names[s])) {
            *ret_setup = (enum sq_sdp_setup)s;
            return 0;
        }
    }
    return SQ_ERR_FORMAT;
}

/* ---- Fingerprint ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    /* RFC 8122 has upper case; some write lower case. */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int sq_sdp_parse_fingerprint(struct sq_view value, struct sq_sdp_fingerprint *ret_fingerprint)
{
    static const struct {
        const char *name;
        uint8_t len_bytes;
    } hashes[] = {
        {"sha-256", 32}, {"sha-1", 20}, {"sha-224", 28}, {"sha-384", 48}, {"sha-512", 64}};
    struct sq_view rest = value;
    struct sq_view hash = sq_sdp_word(&rest);
    struct sq_view hex = sq_sdp_word(&rest);
    if (hash.len == 0 || hex.len == 0) {
        return SQ_ERR_FORMAT;
    }
    struct sq_sdp_fingerprint f = {.len_bytes = 0};
    for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++) {
        if (sq_view_is_nocase(hash, hashes[i].name)) {
            f.len_bytes = hashes[i].len_bytes;
            memcpy(f.hash, hashes[i].name, strlen(hashes[i].name) + 1);
        }
    }
    if (f.len_bytes == 0) {
        return SQ_ERR_UNSUPPORTED;
    }
    if (hex.len != (size_t)f.len_bytes * 3 - 1) {
        return SQ_ERR_FORMAT;
    }
    for (size_t i = 0; i < f.len_bytes; i++) {
        const char *at = hex.at + i * 3;
        int high = hex_digit(at[0]);
        int low = hex_digit(at[1]);
        if (high < 0 || low < 0 || (i + 1 < f.len_bytes && at[2] != ':')) {
            return SQ_ERR_FORMAT;
        }
        f.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_fingerprint = f;
    return 0;
}

/* ---- Codecs ---- */

int sq_sdp_parse_rtpmap(struct sq_view value, struct sq_sdp_rtpmap *ret_map)
{
    uint64_t pt;
    if (number_word(&value, 127, &pt)) {
        return SQ_ERR_FORMAT;
    }
    struct sq_view coding = sq_sdp_word(&value);
    struct sq_view name = sq_view_cut(&coding, '/');
    struct sq_view rate = sq_view_cut(&coding, '/');
    uint64_t rate_hz;
    uint64_t channels = 1;
    if (name.len == 0 || sq_view_u64(rate, UINT32_MAX, &rate_hz) ||
        (coding.at && sq_view_u64(coding, UINT8_MAX, &channels))) {
        return SQ_ERR_FORMAT;
    }
    *ret_map = (struct sq_sdp_rtpmap){.pt = (uint8_t)pt,
                                      .name = name,
                                      .clock_rate_hz = (uint32_t)rate_hz,
                                      .channels = (uint8_t)channels};
    return 0;
}

int sq_sdp_parse_fmtp(struct sq_view value, struct sq_sdp_fmtp *ret_fmtp)
{
    uint64_t pt;
    if (number_word(&value, 127, &pt)) {
        return SQ_ERR_FORMAT;
    }
    *ret_fmtp = (struct sq_sdp_fmtp){.pt = (uint8_t)pt, .params = sq_view_trim(value)};
    return 0;
}

bool sq_sdp_fmtp_param(struct sq_view params, const char *name, struct sq_view *ret_value)
{
    while (params.len > 0) {
        struct sq_view param = sq_view_cut(&params, ';');
        struct sq_view key = sq_view_trim(sq_view_cut(&param, '='));
        if (key.len && sq_view_is_nocase(key, name)) {
            *ret_value = sq_view_trim(param);
            return true;
        }
    }
    return false;
}

int sq_sdp_parse_rtcp_fb(struct sq_view value, struct sq_sdp_rtcp_fb *ret_fb)
{
    struct sq_view format = sq_sdp_word(&value);
    uint64_t pt = 0;
    bool all = sq_view_is(format, "*");
    value = sq_view_trim(value);
    if (value.len == 0 || (!all && sq_view_u64(format, 127, &pt))) {
        return SQ_ERR_FORMAT;
    }
    *ret_fb = (struct sq_sdp_rtcp_fb){.pt = all ? -1 : (int)pt, .value = value};
    return 0;
}

int sq_sdp_parse_extmap(struct sq_view value, struct sq_sdp_extmap *ret_extmap)
{
    struct sq_view direction = sq_sdp_word(&value);
    struct sq_view id = sq_view_cut(&direction, '/');
    struct sq_sdp_extmap e = {.direction = SQ_SDP_SENDRECV};
    uint64_t number;
    /* RFC 8285, section 5: 4096 to 4351 are for offers with more extensions than ids. */
    if (sq_view_u64(id, 4351, &number) || number == 0 ||
        (direction.at && !direction_parse(direction, &e.direction))) {
        return SQ_ERR_FORMAT;
    }
    e.id = (uint16_t)number;
    e.uri = sq_sdp_word(&value);
    e.attributes = sq_view_trim(value);
    if (e.uri.len == 0) {
        return SQ_ERR_FORMAT;
    }
    *ret_extmap = e;
    return 0;
}

/* ---- Sources ---- */

int sq_sdp_parse_ssrc(struct sq_view value, struct sq_sdp_ssrc *ret_ssrc)
{
    uint64_t ssrc;
    if (number_word(&value, SSRC_MAX, &ssrc)) {
        return SQ_ERR_FORMAT;
    }
    value = sq_view_trim(value);
    struct sq_view name = sq_view_cut(&value, ':');
    *ret_ssrc = (struct sq_sdp_ssrc){.ssrc = (uint32_t)ssrc, .name = name, .value = value};
    return 0;
}

int sq_sdp_parse_ssrc_group(struct sq_view value, struct sq_sdp_ssrc_group *ret_group)
{
    struct sq_sdp_ssrc_group g = {.semantics = sq_sdp_word(&value)};
    if (g.semantics.len == 0) {
        return SQ_ERR_FORMAT;
    }
    for (struct sq_view w = sq_sdp_word(&value); w.len; w = sq_sdp_word(&value)) {
        uint64_t ssrc;
        if (sq_view_u64(w, SSRC_MAX, &ssrc)) {
            return SQ_ERR_FORMAT;
        }
        if (g.n_ssrcs < SQ_SDP_GROUP_SSRCS_MAX) {
            g.ssrcs[g.n_ssrcs++] = (uint32_t)ssrc;
        }
    }
    *ret_group = g;
    return 0;
}

int sq_sdp_parse_msid(struct sq_view value, struct sq_sdp_msid *ret_msid)
{
    struct sq_sdp_msid m = {.stream = sq_sdp_word(&value)};
    m.track = sq_sdp_word(&value);
    if (m.stream.len == 0) {
        return SQ_ERR_FORMAT;
    }
    *ret_msid = m;
    return 0;
}

int sq_sdp_parse_rid(struct sq_view value, struct sq_sdp_rid *ret_rid)
{
    struct sq_sdp_rid r = {.id = sq_sdp_word(&value)};
    struct sq_view direction = sq_sdp_word(&value);
    r.send = sq_view_is(direction, "send");
    if (r.id.len == 0 || (!r.send && !sq_view_is(direction, "recv"))) {
        return SQ_ERR_FORMAT;
    }
    r.restrictions = sq_view_trim(value);
    *ret_rid = r;
    return 0;
}

/* ---- Sections ---- */

bool sq_sdp_bundle(const struct sq_sdp *sdp, size_t nth, struct sq_view *ret_mids)
{
    const struct sq_sdp_line *line = sq_sdp_attr(&sdp->session, "group");
    for (; line; line = sq_sdp_attr_next(&sdp->session, "group", line)) {
        struct sq_view mids = line->value;
        if (sq_view_is(sq_sdp_word(&mids), "BUNDLE") && nth-- == 0) {
            *ret_mids = sq_view_trim(mids);
            return true;
        }
    }
    return false;
}

uint64_t sq_sdp_bandwidth_bps(const struct sq_sdp_section *s)
{
    uint64_t as_bps = 0;
    for (size_t i = 0; i < s->n_lines; i++) {
        if (s->lines[i].type != 'b') {
            continue;
        }
        struct sq_view value = s->lines[i].value;
        struct sq_view type = sq_view_cut(&value, ':');
        uint64_t number;
        if (sq_view_u64(sq_view_trim(value), UINT64_MAX / 1000, &number)) {
            continue;
        }
        if (sq_view_is(type, "TIAS")) {
            return number;
        }
        if (sq_view_is(type, "AS")) {
            as_bps = number * 1000; /* RFC 8866, section 5.8: kilobits per second */
        }
    }
    return as_bps;
}

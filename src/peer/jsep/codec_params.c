/* Format parameters that two sides negotiate: H.264's profile and level (RFC 6184, section 8). */
#include "peer/jsep/jsep_int.h"

#include <stdio.h>

struct profile_level {
    uint8_t profile, constraints, level;
};

static bool hex_byte(const char *at, uint8_t *ret_byte)
{
    unsigned value = 0;
    for (size_t i = 0; i < 2; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return false;
        }
        value = value << 4 | (unsigned)digit;
    }
    *ret_byte = (uint8_t)value;
    return true;
}

/* Without the parameter it is baseline at level 1 (RFC 6184, section 8.1); browsers read that as
 * constrained baseline at level 3.1, and so do we. False for what is no profile-level-id. */
static bool read_profile_level(struct sq_view fmtp, struct profile_level *ret_value)
{
    struct sq_view id;
    if (!sq_sdp_fmtp_param(fmtp, "profile-level-id", &id)) {
        *ret_value = (struct profile_level){0x42, 0xe0, 0x1f};
        return true;
    }
    return id.len == 6 && hex_byte(id.at, &ret_value->profile) &&
           hex_byte(id.at + 2, &ret_value->constraints) && hex_byte(id.at + 4, &ret_value->level);
}

enum jsep_h264 jsep_h264_profile(struct sq_view fmtp)
{
    static const struct {
        uint8_t idc, mask, bits; /* of the constraint flags */
        uint8_t profile;
    } table[] = {
        {0x42, 0x4f, 0x40, JSEP_H264_CONSTRAINED_BASELINE},
        {0x4d, 0x8f, 0x80, JSEP_H264_CONSTRAINED_BASELINE},
        {0x58, 0xcf, 0xc0, JSEP_H264_CONSTRAINED_BASELINE},
        {0x42, 0x4f, 0x00, JSEP_H264_BASELINE},
        {0x58, 0xcf, 0x80, JSEP_H264_BASELINE},
        {0x4d, 0xaf, 0x00, JSEP_H264_MAIN},
        {0x64, 0xff, 0x00, JSEP_H264_HIGH},
        {0x64, 0xff, 0x0c, JSEP_H264_HIGH}, /* constrained high */
    };
    struct profile_level value;
    if (!read_profile_level(fmtp, &value)) {
        return JSEP_H264_NONE;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (value.profile == table[i].idc && (value.constraints & table[i].mask) == table[i].bits) {
            return (enum jsep_h264)table[i].profile;
        }
    }
    return JSEP_H264_NONE;
}

/* Levels in rising order; 1b is level_idc 11 with constraint_set3_flag (H.264, A.3.1) and lies
 * between 1 and 1.1. */
static unsigned rank(const struct profile_level *v)
{
    bool is_1b = v->level == 11 && v->profile != 0x64 && (v->constraints & 0x10);
    return v->level * 2U - is_1b;
}

void jsep_h264_answer(const struct jsep_row *row, const char *offered, struct sq_buf *out)
{
    struct profile_level ours = {0};
    struct profile_level theirs = {0};
    struct sq_view asymmetry;
    struct sq_view told = sq_view_of(offered);
    bool free_level = sq_sdp_fmtp_param(told, "level-asymmetry-allowed", &asymmetry) &&
                      sq_view_is(asymmetry, "1");
    if (!read_profile_level(sq_view_of(row->fmtp), &ours) || !read_profile_level(told, &theirs)) {
        theirs = ours;
    }
    /* Each side says what it can receive; without leave to differ, the lower level holds for both.
     */
    const struct profile_level *lower =
        !free_level && rank(&theirs) < rank(&ours) ? &theirs : &ours;
    uint8_t constraints = (uint8_t)((theirs.constraints & ~0x10U) | (lower->constraints & 0x10U));
    sq_buf_printf(out,
                  "level-asymmetry-allowed=1;packetization-mode=%s;profile-level-id=%02x%02x%02x",
                  row->value, theirs.profile, constraints, lower->level);
}

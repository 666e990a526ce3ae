#include "media/opus.h"

#define FRAME_MAX      1275 /* RFC 6716, section 3.2.1 */
#define PACKET_SAMPLES 5760 /* 120 ms */

/* RFC 6716, section 3.1, table 2. */
static unsigned samples_of_config(unsigned config)
{
    static const uint16_t silk[4] = {480, 960, 1920, 2880};
    static const uint16_t celt[4] = {120, 240, 480, 960};
    if (config < 12) {
        return silk[config & 3];
    }
    return config < 16 ? silk[config & 1] : celt[config & 3];
}

/* A frame length of one or two bytes (section 3.2.1); its size in bytes, or 0 if it is cut off. */
static size_t read_length(const uint8_t *at, size_t left, size_t *ret_length)
{
    if (left == 0) {
        return 0;
    }
    if (at[0] < 252) {
        *ret_length = at[0];
        return 1;
    }
    if (left < 2) {
        return 0;
    }
    *ret_length = (size_t)at[1] * 4 + at[0];
    return 2;
}

/* Frame count and longest frame of a code 3 packet (section 3.2.5). */
static int parse_code3(const uint8_t *payload, size_t len, unsigned frame_samples,
                       unsigned *ret_frames, size_t *ret_longest)
{
    if (len < 2) {
        return SQ_ERR_FORMAT;
    }
    unsigned frames = payload[1] & 0x3f;
    bool vbr = (payload[1] & 0x80) != 0;
    size_t pos = 2;
    size_t padding = 0;
    if (frames == 0 || frames * frame_samples > PACKET_SAMPLES) {
        return SQ_ERR_FORMAT; /* R5 */
    }
    for (bool more = (payload[1] & 0x40) != 0; more; pos++) {
        if (pos >= len) {
            return SQ_ERR_FORMAT;
        }
        more = payload[pos] == 255;
        padding += more ? 254 : payload[pos];
    }
    if (padding > len - pos) {
        return SQ_ERR_FORMAT; /* R6, R7 */
    }
    size_t end = len - padding;
    size_t longest = 0;
    size_t sum = 0;
    for (unsigned i = 0; vbr && i + 1 < frames; i++) {
        size_t length = 0;
        size_t n = read_length(payload + pos, end - pos, &length);
        if (n == 0) {
            return SQ_ERR_FORMAT;
        }
        pos += n;
        sum += length;
        longest = length > longest ? length : longest;
    }
    if (sum > end - pos) {
        return SQ_ERR_FORMAT;
    }
    size_t rest = end - pos - sum;
    if (!vbr) {
        if (rest % frames != 0) {
            return SQ_ERR_FORMAT;
        }
        rest /= frames;
    }
    *ret_frames = frames;
    *ret_longest = rest > longest ? rest : longest;
    return 0;
}

int sq_opus_parse(const uint8_t *payload, size_t len, struct sq_opus_packet *ret_packet)
{
    if (len == 0) {
        return SQ_ERR_TRUNCATED; /* R1 */
    }
    unsigned config = payload[0] >> 3;
    unsigned frame_samples = samples_of_config(config);
    unsigned frames = 1;
    size_t longest = len - 1;
    size_t first = 0;
    size_t n;
    int err;
    switch (payload[0] & 3) {
    case 0:
        break;
    case 1:
        if ((len - 1) % 2 != 0) {
            return SQ_ERR_FORMAT; /* R3 */
        }
        frames = 2;
        longest = (len - 1) / 2;
        break;
    case 2:
        n = read_length(payload + 1, len - 1, &first);
        if (n == 0 || first > len - 1 - n) {
            return SQ_ERR_FORMAT; /* R4 */
        }
        frames = 2;
        longest = len - 1 - n - first > first ? len - 1 - n - first : first;
        break;
    default:
        err = parse_code3(payload, len, frame_samples, &frames, &longest);
        if (err) {
            return err;
        }
        break;
    }
    if (longest > FRAME_MAX) {
        return SQ_ERR_FORMAT; /* R2 */
    }
    *ret_packet = (struct sq_opus_packet){
        .mode = config < 12 ? SQ_OPUS_SILK : (config < 16 ? SQ_OPUS_HYBRID : SQ_OPUS_CELT),
        .stereo = (payload[0] & 4) != 0,
        .dtx = longest <= 1,
        .frames = (uint8_t)frames,
        .frame_samples = (uint16_t)frame_samples,
        .samples = (uint16_t)(frames * frame_samples)};
    return 0;
}

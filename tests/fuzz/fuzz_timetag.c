/* Payloads of every codec that may hold a time-tag, or room for one. First byte: the codec, and
 * 0x80 the marker. */
#include "fuzz/fuzz.h"
#include "media/timetag.h"
#include <string.h>

static const struct sq_timetag tag = {.wall_us = 0x123456789A, .clock = 7, .error_us = 900};

static void must_be_the_tag(enum sq_codec codec, const uint8_t *payload, size_t len)
{
    struct sq_timetag back;
    MUST(sq_timetag_find(codec, true, payload, len, &back));
    MUST(back.wall_us == tag.wall_us && back.clock == tag.clock && back.error_us >= tag.error_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t buf[2048 + SQ_TIMETAG_GROWS_MAX];
    struct sq_timetag found;
    if (len == 0 || len > 2048) {
        return 0;
    }
    enum sq_codec codec = (enum sq_codec)((data[0] & 0x7f) % SQ_CODECS);
    bool marker = (data[0] & 0x80) != 0;
    len--;
    memcpy(buf, data + 1, len);
    if (sq_timetag_find(codec, marker, buf, len, &found)) {
        MUST(found.wall_us < UINT64_C(1) << 48);
        MUST(len > SQ_TIMETAG_BYTES);
    }
    (void)sq_timetag_is_obu(buf, len);
    size_t grows = sq_timetag_grows(codec, marker, buf, len);
    size_t at = sq_timetag_room_at(codec, buf, len);
    MUST(grows <= SQ_TIMETAG_GROWS_MAX && at < (len ? len : 1) && !(grows && at));
    if (grows) {
        MUST(sq_timetag_put(codec, &tag, buf, len) == len + grows);
        must_be_the_tag(codec, buf, len + grows);
    } else if (at) {
        sq_timetag_fill(codec, &tag, buf + at);
        MUST(sq_timetag_room_at(codec, buf, len) == 0);
        if (codec != SQ_CODEC_VP9) { /* of which the descriptor is not in the clip */
            must_be_the_tag(codec, buf, len);
        }
    }
    return 0;
}

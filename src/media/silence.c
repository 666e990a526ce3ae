#include "media/silence.h"

#include <string.h>

/* Of a packet's time (RFC 6716, section 3.1), in 2.5 ms; 20 ms where it tells none. */
static unsigned opus_units(const uint8_t *payload, size_t len)
{
    static const uint8_t silk[] = {4, 8, 16, 24}, celt[] = {1, 2, 4, 8};
    if (len == 0) {
        return 8;
    }
    unsigned config = payload[0] >> 3;
    unsigned code = payload[0] & 3;
    unsigned frame = config < 12   ? silk[config & 3]
                     : config < 16 ? silk[config & 1]
                                   : celt[config & 3];
    unsigned frames = code == 0 ? 1 : code < 3 ? 2 : len > 1 ? payload[1] & 0x3f : 1;
    unsigned units = frame * frames;
    return units >= 1 && units <= 48 ? units : 8;
}

/* CELT frames whose silence flag is set (RFC 6716, section 4.3): FF FE is what libopus makes of
 * zeros. */
static size_t put_opus(const uint8_t *payload, size_t len, uint8_t *out)
{
    unsigned units = opus_units(payload, len);
    unsigned size = 3; /* of 28 + size: 20 ms */
    while (units % (1U << size)) {
        size--;
    }
    unsigned frames = units >> size;
    size_t n = 0;
    out[n++] = (uint8_t)((28 + size) << 3 | (frames > 1 ? 3 : 0));
    if (frames > 1) {
        out[n++] = (uint8_t)frames; /* of one size, without padding */
    }
    for (unsigned i = 0; i < frames; i++) {
        out[n++] = 0xff;
        out[n++] = 0xfe;
    }
    return n;
}

bool sq_silence_is_known(enum sq_codec codec)
{
    return codec == SQ_CODEC_OPUS || codec == SQ_CODEC_PCMU || codec == SQ_CODEC_PCMA ||
           codec == SQ_CODEC_G722;
}

size_t sq_silence_put(enum sq_codec codec, const uint8_t *payload, size_t len,
                      uint8_t out[static SQ_SILENCE_MAX])
{
    if (codec == SQ_CODEC_OPUS) {
        return put_opus(payload, len, out);
    }
    size_t n = len < SQ_SILENCE_MAX ? len : SQ_SILENCE_MAX;
    /* ITU-T G.711: the level nearest to 0. G.722: the smallest step of both bands, by which what
     * sounded dies away within 20 ms, to -59 dBov: a codec with a memory has no silence that fits
     * whatever came before. */
    memset(out, codec == SQ_CODEC_PCMA ? 0xd5 : 0xff, n);
    return n;
}

#include "media/mux/wav.h"

#include "base/mem.h"
#include <string.h>

#define HEAD_BYTES 58
#define ALAW       6 /* WAVE_FORMAT_ALAW, WAVE_FORMAT_MULAW: RFC 2361 */
#define MULAW      7

struct sq_wav {
    const struct sq_mux_sink *sink;
    uint8_t silence;
    uint64_t samples;
};

static void put_le(uint8_t *out, uint32_t number, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(number >> 8 * i);
    }
}

int sq_wav_new(enum sq_codec codec, const struct sq_mux_sink *sink, struct sq_wav **ret_wav)
{
    static const uint8_t fact[] = {'f', 'a', 'c', 't'};
    static const uint8_t data[] = {'d', 'a', 't', 'a', 0xff, 0xff, 0xff, 0xff};
    uint8_t head[HEAD_BYTES] = "RIFF\xff\xff\xff\xffWAVEfmt ";
    if (codec != SQ_CODEC_PCMU && codec != SQ_CODEC_PCMA) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sq_wav *wav = sq_zalloc(sizeof(*wav));
    if (!wav) {
        return SQ_ERR_NOMEM;
    }
    wav->sink = sink;
    wav->silence = codec == SQ_CODEC_PCMU ? 0xFF : 0xD5;
    put_le(head + 16, 18, 4);
    put_le(head + 20, codec == SQ_CODEC_PCMU ? MULAW : ALAW, 2);
    put_le(head + 22, 1, 2);    /* channels */
    put_le(head + 24, 8000, 4); /* samples and bytes a second */
    put_le(head + 28, 8000, 4);
    put_le(head + 32, 1, 2); /* bytes, bits a sample */
    put_le(head + 34, 8, 2);
    put_le(head + 36, 0, 2);
    memcpy(head + 38, fact, sizeof(fact));
    put_le(head + 42, 4, 4);
    memcpy(head + 50, data, sizeof(data));
    sink->append(sink->ctx, head, sizeof(head));
    *ret_wav = wav;
    return 0;
}

void sq_wav_samples(struct sq_wav *wav, uint64_t ticks, const uint8_t *bytes, size_t len)
{
    uint8_t silence[256];
    if (ticks < wav->samples) {
        uint64_t known = wav->samples - ticks;
        if (known >= len) {
            return;
        }
        bytes += known;
        len -= (size_t)known;
    } else if (ticks > wav->samples) {
        uint64_t hole = ticks - wav->samples;
        hole = hole < SQ_WAV_HOLE_MAX ? hole : SQ_WAV_HOLE_MAX;
        memset(silence, wav->silence, sizeof(silence));
        wav->samples += hole;
        for (; hole > 0; hole -= hole < sizeof(silence) ? hole : sizeof(silence)) {
            wav->sink->append(wav->sink->ctx, silence,
                              hole < sizeof(silence) ? (size_t)hole : sizeof(silence));
        }
    }
    wav->sink->append(wav->sink->ctx, bytes, len);
    wav->samples += len;
}

void sq_wav_finish(struct sq_wav *wav)
{
    uint8_t number[4];
    if (!wav) {
        return;
    }
    put_le(number, (uint32_t)wav->samples + HEAD_BYTES - 8, 4);
    wav->sink->patch(wav->sink->ctx, 4, number, 4);
    put_le(number, (uint32_t)wav->samples, 4);
    wav->sink->patch(wav->sink->ctx, 46, number, 4);
    wav->sink->patch(wav->sink->ctx, 54, number, 4);
    sq_free(wav);
}

#include "media/mux/wav.h"

#include "base/mem.h"
#include <string.h>

#define HEAD_BYTES 58
#define BYTES_HZ   8000 /* of each codec: a byte is a tick of its RTP clock (RFC 3551) */

static const struct form {
    uint16_t tag; /* WAVE_FORMAT_MULAW, WAVE_FORMAT_ALAW: RFC 2361; of G.722: as FFmpeg has it */
    uint16_t bits;
    uint8_t samples; /* in a byte: 16,000 a second of G.722, whose RTP clock has 8,000 */
    uint8_t silence; /* of G.722: the smallest step, by which what sounded dies away */
} forms[SQ_CODECS] = {
    [SQ_CODEC_PCMU] = {.tag = 7, .bits = 8, .samples = 1, .silence = 0xFF},
    [SQ_CODEC_PCMA] = {.tag = 6, .bits = 8, .samples = 1, .silence = 0xD5},
    [SQ_CODEC_G722] = {.tag = 0x028F, .bits = 4, .samples = 2, .silence = 0xFF},
};

struct sq_wav {
    const struct sq_mux_sink *sink;
    const struct form *form;
    uint64_t bytes;
};

static void put_le(uint8_t *out, uint32_t number, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(number >> 8 * i);
    }
}

bool sq_wav_holds(enum sq_codec codec)
{
    return forms[codec].tag != 0;
}

int sq_wav_new(enum sq_codec codec, const struct sq_mux_sink *sink, struct sq_wav **ret_wav)
{
    static const uint8_t fact[] = {'f', 'a', 'c', 't'};
    static const uint8_t data[] = {'d', 'a', 't', 'a', 0xff, 0xff, 0xff, 0xff};
    uint8_t head[HEAD_BYTES] = "RIFF\xff\xff\xff\xffWAVEfmt ";
    const struct form *form = &forms[codec];
    if (!sq_wav_holds(codec)) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sq_wav *wav = sq_zalloc(sizeof(*wav));
    if (!wav) {
        return SQ_ERR_NOMEM;
    }
    wav->sink = sink;
    wav->form = form;
    put_le(head + 16, 18, 4);
    put_le(head + 20, form->tag, 2);
    put_le(head + 22, 1, 2); /* channels */
    put_le(head + 24, (uint32_t)form->samples * BYTES_HZ, 4);
    put_le(head + 28, BYTES_HZ, 4);
    put_le(head + 32, 1, 2); /* bytes that cannot be cut */
    put_le(head + 34, form->bits, 2);
    put_le(head + 36, 0, 2);
    memcpy(head + 38, fact, sizeof(fact));
    put_le(head + 42, 4, 4);
    memcpy(head + 50, data, sizeof(data));
    sink->append(sink->ctx, head, sizeof(head));
    *ret_wav = wav;
    return 0;
}

void sq_wav_bytes(struct sq_wav *wav, uint64_t ticks, const uint8_t *bytes, size_t len)
{
    uint8_t silence[256];
    if (ticks < wav->bytes) {
        uint64_t known = wav->bytes - ticks;
        if (known >= len) {
            return;
        }
        bytes += known;
        len -= (size_t)known;
    } else if (ticks > wav->bytes) {
        uint64_t hole = ticks - wav->bytes;
        hole = hole < SQ_WAV_HOLE_MAX ? hole : SQ_WAV_HOLE_MAX;
        memset(silence, wav->form->silence, sizeof(silence));
        wav->bytes += hole;
        for (; hole > 0; hole -= hole < sizeof(silence) ? hole : sizeof(silence)) {
            wav->sink->append(wav->sink->ctx, silence,
                              hole < sizeof(silence) ? (size_t)hole : sizeof(silence));
        }
    }
    wav->sink->append(wav->sink->ctx, bytes, len);
    wav->bytes += len;
}

void sq_wav_finish(struct sq_wav *wav)
{
    uint8_t number[4];
    if (!wav) {
        return;
    }
    put_le(number, (uint32_t)wav->bytes + HEAD_BYTES - 8, 4);
    wav->sink->patch(wav->sink->ctx, 4, number, 4);
    put_le(number, (uint32_t)wav->bytes * wav->form->samples, 4);
    wav->sink->patch(wav->sink->ctx, 46, number, 4);
    put_le(number, (uint32_t)wav->bytes, 4);
    wav->sink->patch(wav->sink->ctx, 54, number, 4);
    sq_free(wav);
}

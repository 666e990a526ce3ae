#include "media/mux/ogg.h"

#include "base/mem.h"
#include "media/mux/codec_private.h"
#include "media/opus.h"
#include <string.h>

#define SEGMENTS_MAX 255
#define BODY_MAX     8192  /* a page is written before it has more */
#define PAGE_TICKS   48000 /* … or lasts longer */
#define FIRST        0x02
#define LAST         0x04

struct sq_ogg {
    const struct sq_mux_sink *sink;
    uint32_t serial, page;
    uint64_t begin, end; /* ticks of the packets that wait */
    size_t segments, body;
    uint8_t lacing[SEGMENTS_MAX];
    uint8_t bytes[BODY_MAX];
};

/* RFC 3533, section 6: polynomial 0x04C11DB7, not reflected, from 0. */
static uint32_t crc32_of(uint32_t crc, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x80000000U ? crc << 1 ^ 0x04C11DB7U : crc << 1;
        }
    }
    return crc;
}

static void put_le(uint8_t *out, uint64_t number, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(number >> 8 * i);
    }
}

static void write_page(struct sq_ogg *ogg, uint8_t flags, uint64_t granule)
{
    uint8_t head[27 + SEGMENTS_MAX];
    size_t len = 27 + ogg->segments;
    memcpy(head, "OggS", 4);
    head[4] = 0;
    head[5] = flags;
    put_le(head + 6, granule, 8);
    put_le(head + 14, ogg->serial, 4);
    put_le(head + 18, ogg->page++, 4);
    put_le(head + 22, 0, 4);
    head[26] = (uint8_t)ogg->segments;
    memcpy(head + 27, ogg->lacing, ogg->segments);
    put_le(head + 22, crc32_of(crc32_of(0, head, len), ogg->bytes, ogg->body), 4);
    ogg->sink->append(ogg->sink->ctx, head, len);
    ogg->sink->append(ogg->sink->ctx, ogg->bytes, ogg->body);
    ogg->segments = ogg->body = 0;
}

static size_t segments_of(size_t len)
{
    return len / 255 + 1;
}

static void add(struct sq_ogg *ogg, const uint8_t *bytes, size_t len)
{
    for (size_t left = len;; left -= 255) {
        ogg->lacing[ogg->segments++] = left >= 255 ? 255 : (uint8_t)left;
        if (left < 255) {
            break;
        }
    }
    memcpy(ogg->bytes + ogg->body, bytes, len);
    ogg->body += len;
}

int sq_ogg_new(uint8_t channels, uint32_t serial, const struct sq_mux_sink *sink,
               struct sq_ogg **ret_ogg)
{
    static const uint8_t tags[] = "OpusTags\x06\0\0\0Squall\0\0\0";
    uint8_t head[SQ_OPUS_HEAD_BYTES];
    struct sq_ogg *ogg = sq_zalloc(sizeof(*ogg));
    if (!ogg) {
        return SQ_ERR_NOMEM;
    }
    ogg->sink = sink;
    ogg->serial = serial;
    sq_opus_head(channels, head);
    add(ogg, head, sizeof(head));
    write_page(ogg, FIRST, 0);
    add(ogg, tags, sizeof(tags)); /* its NUL is the last byte of the count of comments */
    write_page(ogg, 0, 0);
    *ret_ogg = ogg;
    return 0;
}

int sq_ogg_packet(struct sq_ogg *ogg, uint64_t ticks, const uint8_t *bytes, size_t len)
{
    struct sq_opus_packet packet;
    int err = sq_opus_parse(bytes, len, &packet);
    if (err || len > BODY_MAX / 2) {
        return err ? err : SQ_ERR_FORMAT;
    }
    bool gap = ogg->segments > 0 && ticks != ogg->end;
    bool full = ogg->segments + segments_of(len) > SEGMENTS_MAX || ogg->body + len > BODY_MAX ||
                (ogg->segments > 0 && ticks >= ogg->begin + PAGE_TICKS);
    if (gap || full) {
        write_page(ogg, 0, ogg->end);
    }
    if (ogg->segments == 0) {
        ogg->begin = ticks;
    }
    add(ogg, bytes, len);
    ogg->end = ticks + packet.samples;
    return 0;
}

void sq_ogg_finish(struct sq_ogg *ogg)
{
    if (ogg) {
        write_page(ogg, LAST, ogg->end);
        sq_free(ogg);
    }
}

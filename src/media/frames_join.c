#include "media/frames_int.h"

#include "base/mem.h"
#include "base/wire.h"
#include "media/depacket.h"
#include "media/timetag.h"
#include "media/vp8.h"
#include "media/vp9.h"
#include <string.h>

/* Room for `n` more; NULL without. */
static uint8_t *grow(struct sq_frames_out *out, size_t n)
{
    if (n > SQ_FRAMES_BYTES_MAX - out->len) {
        out->failed = true;
        return NULL;
    }
    if (out->len + n > out->room) {
        size_t room = out->room ? out->room : 16384;
        while (room < out->len + n) {
            room *= 2;
        }
        uint8_t *grown = sq_realloc(out->bytes, room);
        if (!grown) {
            out->failed = true;
            return NULL;
        }
        out->bytes = grown;
        out->room = room;
    }
    uint8_t *at = out->bytes + out->len;
    out->len += n;
    return at;
}

static int put(struct sq_frames_out *out, const uint8_t *bytes, size_t n)
{
    uint8_t *at = grow(out, n);
    if (at && n > 0) {
        memcpy(at, bytes, n);
    }
    return at ? 0 : SQ_ERR_NOMEM;
}

/* ---- VP8, VP9 ---- */

static int add_vp8(struct sq_frames_out *out, const uint8_t *payload, size_t len)
{
    struct sq_vp8_descriptor d;
    int err = sq_vp8_descriptor_parse(payload, len, &d);
    return err ? err : put(out, payload + d.len_bytes, len - d.len_bytes);
}

static int add_vp9(struct sq_frames_out *out, const uint8_t *payload, size_t len)
{
    struct sq_vp9_descriptor d;
    int err = sq_vp9_descriptor_parse(payload, len, &d);
    err = err ? err : put(out, payload + d.len_bytes, len - d.len_bytes);
    if (!err && d.ends && out->n_layers < 8) {
        out->layers[out->n_layers++] = (uint32_t)(out->len - out->layer_at);
        out->layer_at = out->len;
    }
    return err;
}

/* The index of a superframe (VP9 bitstream specification, annex B): decoders find the layers'
 * frames by it. */
static int end_vp9(struct sq_frames_out *out)
{
    if (out->n_layers < 2) {
        return 0;
    }
    uint8_t index[SQ_VP9_INDEX_MAX];
    return put(out, index, sq_vp9_index_write(out->layers, out->n_layers, index));
}

/* ---- H.264 ---- */

static const uint8_t start_code[] = {0, 0, 0, 1};

static int add_nal(struct sq_frames_out *out, const uint8_t *nal, size_t len)
{
    int err = put(out, start_code, sizeof(start_code));
    return err ? err : put(out, nal, len);
}

static int add_h264(struct sq_frames_out *out, const uint8_t *payload, size_t len)
{
    unsigned type = payload[0] & 0x1f;
    if (type != 24 && type != 28) {
        return add_nal(out, payload, len);
    }
    struct sq_wire w = sq_wire_reader(payload, len);
    uint8_t first = sq_wire_u8(&w);
    if (type == 28) { /* FU-A, RFC 6184, section 5.8 */
        uint8_t fu = sq_wire_u8(&w);
        const uint8_t header = (uint8_t)((first & 0xe0) | (fu & 0x1f));
        int err = w.err ? w.err : (fu & 0x80 ? add_nal(out, &header, 1) : 0);
        return err ? err : put(out, payload + 2, len - 2);
    }
    while (sq_wire_left(&w) > 0) { /* STAP-A, section 5.7.1 */
        size_t n = sq_wire_u16(&w);
        const uint8_t *nal = sq_wire_read(&w, n);
        if (!nal) {
            return SQ_ERR_TRUNCATED;
        }
        int err = add_nal(out, nal, n);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* ---- AV1 ---- */

/* Ends the OBU that begins at obu_at: gives it a size field where it has none. */
static int close_obu(struct sq_frames_out *out)
{
    unsigned type;
    bool has_size;
    uint32_t size;
    uint8_t *obu = out->bytes + out->obu_at;
    size_t len = out->len - out->obu_at;
    size_t head = sq_obu_header(obu, len, &type, &has_size, &size);
    out->obu_open = false;
    if (head == 0 || (has_size && size > len - head)) {
        return SQ_ERR_FORMAT;
    }
    if (type == SQ_OBU_TEMPORAL_DELIMITER || /* one stands at the front already */
        (out->strip_tags && sq_timetag_is_obu(obu, len))) {
        out->len = out->obu_at;
        return 0;
    }
    if (has_size) {
        out->len = out->obu_at + head + size;
        return 0;
    }
    uint8_t field[5];
    size_t n = 0;
    for (uint32_t left = size; n == 0 || left > 0; left >>= 7) {
        field[n++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    }
    if (!grow(out, n)) {
        return SQ_ERR_NOMEM;
    }
    obu = out->bytes + out->obu_at;
    memmove(obu + head + n, obu + head, len - head);
    memcpy(obu + head, field, n);
    obu[0] |= 0x02;
    return 0;
}

static int add_av1(struct sq_frames_out *out, const uint8_t *payload, size_t len)
{
    struct sq_av1_elements e;
    int err = sq_av1_elements_begin(payload, len, &e);
    if (err) {
        return err;
    }
    if (e.continues != out->obu_open) {
        return SQ_ERR_FORMAT;
    }
    const uint8_t *element;
    size_t n;
    int more;
    while ((more = sq_av1_elements_next(&e, &element, &n)) > 0) {
        if (!out->obu_open) {
            out->obu_at = out->len;
            out->obu_open = true;
        }
        err = put(out, element, n);
        bool last = e.left == 0;
        if (!err && !(last && e.goes_on)) {
            err = close_obu(out);
        }
        if (err) {
            return err;
        }
    }
    return more;
}

/* ---- any ---- */

void sq_frames_begin(struct sq_frames_out *out, enum sq_codec codec)
{
    static const uint8_t delimiter[] = {SQ_OBU_TEMPORAL_DELIMITER << 3 | 0x02, 0};
    out->codec = codec;
    out->len = out->layer_at = 0;
    out->n_layers = 0;
    out->obu_open = out->failed = false;
    if (codec == SQ_CODEC_AV1) {
        (void)put(out, delimiter, sizeof(delimiter));
    }
}

int sq_frames_add(struct sq_frames_out *out, const uint8_t *payload, size_t len)
{
    switch (len ? out->codec : SQ_CODEC_NONE) {
    case SQ_CODEC_VP8:
        return add_vp8(out, payload, len);
    case SQ_CODEC_VP9:
        return add_vp9(out, payload, len);
    case SQ_CODEC_H264:
        return add_h264(out, payload, len);
    case SQ_CODEC_AV1:
        return add_av1(out, payload, len);
    default:
        return SQ_ERR_FORMAT;
    }
}

int sq_frames_end(struct sq_frames_out *out)
{
    if (out->failed) {
        return SQ_ERR_NOMEM;
    }
    if (out->obu_open) {
        return SQ_ERR_FORMAT;
    }
    return out->codec == SQ_CODEC_VP9 ? end_vp9(out) : 0;
}

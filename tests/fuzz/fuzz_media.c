/* Video of all codecs and Opus as they come: pieces are packets whose first bytes say how sequence
 * number, time-stamp and arrival go on. */
#include "fuzz/fuzz.h"
#include "media/audio_buffer.h"
#include "media/frame_buffer.h"
#include "media/frames.h"
#include "media/opus.h"
#include "media/vp8.h"

struct rig {
    uint64_t now_ns;
    uint16_t seq;
    uint32_t timestamp;
    struct sq_frame_buffer buffer;
    struct sq_frames *whole;
    struct sq_audio_buffer audio;
    uint64_t frames;
    uint64_t last_ns, shown_ns;
};

static void on_frame(void *ctx, const struct sq_frame *frame)
{
    struct rig *rig = ctx;
    MUST(frame->packets > 0);
    MUST((uint16_t)(frame->last_seq - frame->first_seq) + 1 == frame->packets);
    MUST(frame->now_ns >= rig->last_ns); /* frames are shown in order */
    MUST(frame->shown_ns >= frame->now_ns && frame->shown_ns >= rig->shown_ns);
    rig->last_ns = frame->now_ns;
    rig->shown_ns = frame->shown_ns;
    rig->frames++;
}

static void on_whole(void *ctx, const struct sq_media_frame *frame)
{
    MUST(frame->bytes && (frame->len > 0 || !sq_codec_info(frame->codec)->video));
    MUST(!sq_codec_info(frame->codec)->video || frame->now_ns >= frame->first_packet_ns);
}

static void descriptor(const uint8_t *payload, size_t len)
{
    struct sq_vp8_descriptor d;
    struct sq_vp8_descriptor again;
    struct sq_vp8_frame_header header;
    uint8_t out[SQ_VP8_DESCRIPTOR_MAX];
    if (sq_vp8_descriptor_parse(payload, len, &d) != 0) {
        return;
    }
    MUST(d.len_bytes > 0 && d.len_bytes < len);
    size_t n = sq_vp8_descriptor_write(&d, out);
    uint8_t padded[SQ_VP8_DESCRIPTOR_MAX + 1] = {0};
    memcpy(padded, out, n);
    MUST(sq_vp8_descriptor_parse(padded, n + 1, &again) == 0);
    MUST(again.picture_id == d.picture_id && again.tl0_pic_idx == d.tl0_pic_idx &&
         again.start == d.start && again.partition == d.partition &&
         again.non_reference == d.non_reference && again.key_idx == d.key_idx);
    if (sq_vp8_frame_header_parse(payload + d.len_bytes, len - d.len_bytes, &header) == 0) {
        MUST(!header.key || (header.width > 0 && header.height > 0));
    }
}

/* The bits above: RED, telephone-event, and which codec. */
static void audio(struct rig *rig, unsigned kind, const uint8_t *payload, size_t len)
{
    struct sq_opus_packet p;
    bool good = sq_opus_parse(payload, len, &p) == 0;
    if (good) {
        MUST(p.samples > 0 && p.samples <= 5760 && p.frames * p.frame_samples == p.samples);
    }
    static const uint8_t codecs[] = {SQ_CODEC_OPUS, SQ_CODEC_PCMU, SQ_CODEC_G722, SQ_CODEC_PCMA};
    const struct sq_media_packet q = {.now_ns = rig->now_ns,
                                      .payload = payload,
                                      .len = len,
                                      .timestamp = rig->timestamp,
                                      .seq = rig->seq,
                                      .red = (kind & 0x40) != 0,
                                      .codec = (enum sq_codec)codecs[kind >> 4 & 3]};
    int err = kind & 0x80 ? sq_audio_buffer_event(&rig->audio, &q)
                          : sq_audio_buffer_push(&rig->audio, &q);
    MUST(good || err != 0 || (kind & 0xf0));
    (void)!sq_frames_push(rig->whole, &q);
    struct sq_audio_stats s;
    sq_audio_buffer_stats(&rig->audio, &s);
    MUST(s.concealed_samples <= s.total_samples_received);
    MUST(s.packets_discarded <= s.packets_received);
}

/* The bits above say which codec. */
static void video(struct rig *rig, unsigned kind, const uint8_t *payload, size_t len)
{
    static const uint8_t codecs[] = {SQ_CODEC_VP8, SQ_CODEC_VP9, SQ_CODEC_H264, SQ_CODEC_AV1};
    struct sq_media_packet p = {.now_ns = rig->now_ns,
                                .payload = payload,
                                .len = len,
                                .timestamp = rig->timestamp,
                                .seq = rig->seq,
                                .marker = (kind & 1) != 0,
                                .codec = (enum sq_codec)codecs[kind >> 4 & 3]};
    if ((kind & 0x40) && len > 0) { /* a dependency descriptor stands before the payload */
        p.dd = payload + 1;
        p.dd_len = payload[0] < len - 1 ? payload[0] : len - 1;
        p.payload += 1 + p.dd_len;
        p.len -= 1 + p.dd_len;
    }
    descriptor(p.payload, p.len);
    (void)!sq_frames_push(rig->whole, &p);
    (void)!sq_frame_buffer_push(&rig->buffer, &p, (kind & 0x80) != 0);
    const struct sq_frame_stats *s = &rig->buffer.stats;
    MUST(s->frames_decoded == rig->frames);
    MUST(s->frames_decoded <= s->frames_received && s->key_frames_decoded <= s->frames_decoded);
    MUST(sq_frame_buffer_fps(&rig->buffer, rig->now_ns) >= 0);
    (void)sq_frame_buffer_key_due_ns(&rig->buffer);
    (void)sq_frame_buffer_open_freeze_ns(&rig->buffer, rig->now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_wire w = sq_wire_reader(data, len);
    struct fuzz_piece piece;
    struct rig rig = {.now_ns = SQ_NS_PER_SEC, .seq = 65530, .timestamp = 0xfffff000};
    MUST(sq_frames_new(on_whole, &rig, &rig.whole) == 0);
    sq_frame_buffer_init(&rig.buffer, 200 * SQ_NS_PER_MS, on_frame, &rig);
    sq_audio_buffer_init(&rig.audio);
    while (fuzz_next(&w, &piece)) {
        if (piece.len < 3) {
            continue;
        }
        /* kind: 1 marker, 2 Opus, 4 pause, 8 jump, 16 and 32 the codec; then steps of sequence,
         * time and arrival. */
        rig.seq = (uint16_t)(rig.seq + (int8_t)piece.at[0]);
        rig.timestamp += (uint32_t)((int8_t)piece.at[1] * (piece.kind & 8 ? 1 << 24 : 960));
        rig.now_ns += piece.at[2] * SQ_NS_PER_MS;
        if (piece.kind & 4) {
            sq_frame_buffer_pause(&rig.buffer);
            sq_audio_buffer_pause(&rig.audio);
        }
        if (piece.kind & 2) {
            audio(&rig, piece.kind, piece.at + 3, piece.len - 3);
        } else {
            video(&rig, piece.kind, piece.at + 3, piece.len - 3);
        }
    }
    sq_audio_buffer_play(&rig.audio, rig.now_ns + SQ_NS_PER_SEC);
    sq_frames_flush(rig.whole);
    sq_frames_free(rig.whole);
    sq_frame_buffer_close(&rig.buffer);
    return 0;
}

/* VP8 and Opus payloads as they come: pieces are packets whose first bytes say how sequence number,
 * time-stamp and arrival go on. */
#include "fuzz/fuzz.h"
#include "media/opus.h"
#include "media/vp8.h"

struct rig {
    uint64_t now_ns;
    uint16_t seq;
    uint32_t timestamp;
    struct sq_vp8_assembler assembler;
    struct sq_vp8_collector *collector;
    struct sq_opus_tracker opus;
    uint64_t frames;
    uint64_t last_ns;
};

static void on_frame(void *ctx, const struct sq_vp8_frame *frame)
{
    struct rig *rig = ctx;
    static uint8_t out[65536];
    size_t len;
    MUST(frame->packets > 0);
    MUST((uint16_t)(frame->last_seq - frame->first_seq) + 1 == frame->packets ||
         frame->packets <= (uint16_t)(frame->last_seq - frame->first_seq) + 1);
    MUST(frame->now_ns >= rig->last_ns); /* frames are shown in order */
    rig->last_ns = frame->now_ns;
    rig->frames++;
    if (sq_vp8_collector_frame(rig->collector, frame, out, sizeof(out), &len) == 0) {
        /* A number that came twice may have brought other bytes. */
        const struct sq_vp8_stats *s = &rig->assembler.stats;
        MUST(len == frame->bytes || s->packets_duplicate + s->packets_late + s->packets_bad > 0);
    }
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

static void opus(struct rig *rig, const uint8_t *payload, size_t len)
{
    struct sq_opus_packet p;
    bool good = sq_opus_parse(payload, len, &p) == 0;
    if (good) {
        MUST(p.samples > 0 && p.samples <= 5760 && p.frames * p.frame_samples == p.samples);
    }
    int err = sq_opus_tracker_push(&rig->opus, rig->now_ns, rig->seq, rig->timestamp, payload, len);
    MUST(good || err != 0);
    const struct sq_opus_stats *s = &rig->opus.stats;
    MUST(s->concealed_samples <= s->total_samples_received);
    MUST(s->packets_discarded <= s->packets_received);
}

static void vp8(struct rig *rig, bool marker, const uint8_t *payload, size_t len)
{
    descriptor(payload, len);
    sq_vp8_collector_push(rig->collector, rig->seq, payload, len);
    (void)!sq_vp8_assembler_push(&rig->assembler, rig->now_ns, rig->seq, rig->timestamp, marker,
                                 payload, len);
    const struct sq_vp8_stats *s = &rig->assembler.stats;
    MUST(s->frames_decoded == rig->frames);
    MUST(s->frames_decoded <= s->frames_received && s->key_frames_decoded <= s->frames_decoded);
    MUST(sq_vp8_assembler_fps(&rig->assembler, rig->now_ns) >= 0);
    (void)sq_vp8_assembler_key_due_ns(&rig->assembler);
    (void)sq_vp8_assembler_open_freeze_ns(&rig->assembler, rig->now_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_wire w = sq_wire_reader(data, len);
    struct fuzz_piece piece;
    struct rig rig = {.now_ns = SQ_NS_PER_SEC, .seq = 65530, .timestamp = 0xfffff000};
    MUST(sq_vp8_collector_new(&rig.collector) == 0);
    sq_vp8_assembler_init(&rig.assembler, 200 * SQ_NS_PER_MS, on_frame, &rig);
    sq_opus_tracker_init(&rig.opus);
    while (fuzz_next(&w, &piece)) {
        if (piece.len < 3) {
            continue;
        }
        /* kind: 1 marker, 2 Opus, 4 pause, 8 jump; then steps of sequence, time and arrival. */
        rig.seq = (uint16_t)(rig.seq + (int8_t)piece.at[0]);
        rig.timestamp += (uint32_t)((int8_t)piece.at[1] * (piece.kind & 8 ? 1 << 24 : 960));
        rig.now_ns += piece.at[2] * SQ_NS_PER_MS;
        if (piece.kind & 4) {
            sq_vp8_assembler_pause(&rig.assembler);
            sq_opus_tracker_pause(&rig.opus);
        }
        if (piece.kind & 2) {
            opus(&rig, piece.at + 3, piece.len - 3);
        } else {
            vp8(&rig, piece.kind & 1, piece.at + 3, piece.len - 3);
        }
    }
    sq_opus_tracker_play(&rig.opus, rig.now_ns + SQ_NS_PER_SEC);
    sq_vp8_collector_free(rig.collector);
    return 0;
}

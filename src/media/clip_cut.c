/* Frames into RTP payloads, once for all senders. */
#include "base/mem.h"
#include "media/clip_int.h"

static uint32_t fragments_of(const struct sq_clip_frame *f, size_t most_bytes)
{
    return (uint32_t)((f->len_bytes + most_bytes - 1) / most_bytes);
}

/* Fragments of one frame are of one length and the last a little shorter: nearly equal, as
 * libwebrtc cuts them, and in the shape that the kernel segments by itself (UDP_SEGMENT). */
static void cut_frame(struct sq_clip_track *t, uint32_t frame, struct sq_clip_packet *packet)
{
    struct sq_clip_frame *f = &t->frames[frame];
    uint32_t offset = f->offset;
    uint32_t left = f->len_bytes;
    uint32_t each = f->packets ? (left + f->packets - 1U) / f->packets : 0;
    /* A frame of very few bytes would have nothing left for the last one. */
    bool even = f->packets > 0 && each * (f->packets - 1U) < left;
    for (uint32_t i = 0; i < f->packets; i++) {
        uint32_t len = even && i + 1U < f->packets ? each : left / (f->packets - i);
        unsigned flags = f->flags & (SQ_CLIP_KEY | SQ_CLIP_VOICE);
        flags |= i == 0 ? SQ_CLIP_FIRST : 0U;
        flags |= i + 1U == f->packets ? SQ_CLIP_LAST : 0U;
        packet[i] = (struct sq_clip_packet){.offset = offset,
                                            .frame = frame,
                                            .len_bytes = (uint16_t)len,
                                            .flags = (uint8_t)flags,
                                            .level = f->level};
        offset += len;
        left -= len;
    }
}

int sq_clip_cut(struct sq_clip_track *t, size_t payload_max_bytes)
{
    bool video = t->kind == SQ_CLIP_VIDEO;
    size_t most = video ? payload_max_bytes - SQ_CLIP_DESCRIPTOR_ROOM : UINT16_MAX;
    uint32_t packets = 0;
    uint32_t keys = 0;
    for (uint32_t i = 0; i < t->frame_count; i++) {
        uint32_t n = fragments_of(&t->frames[i], most);
        if (n > UINT16_MAX || packets + n > SQ_CLIP_PACKETS_MAX) {
            return SQ_ERR_UNSUPPORTED;
        }
        t->frames[i].first_packet = packets;
        t->frames[i].packets = (uint16_t)n;
        packets += n;
        keys += (t->frames[i].flags & SQ_CLIP_KEY) != 0;
    }
    t->frames[t->frame_count].first_packet = packets;
    t->frames[t->frame_count].ticks = t->duration_ticks;
    t->packet_count = packets;
    t->key_count = keys;
    t->packets = sq_calloc(packets, sizeof(*t->packets));
    t->keys = sq_calloc(keys, sizeof(*t->keys));
    if (!t->packets || !t->keys) {
        return SQ_ERR_NOMEM;
    }
    uint32_t key = 0;
    for (uint32_t i = 0; i < t->frame_count; i++) {
        cut_frame(t, i, &t->packets[t->frames[i].first_packet]);
        if (t->frames[i].flags & SQ_CLIP_KEY) {
            t->keys[key++] = i;
        }
    }
    return 0;
}

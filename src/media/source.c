#include "media/source.h"

#include "base/time.h"

#define SLOT_BITS   12 /* of a cookie: which of the latest frames */
#define PACKET_BITS 20 /* of a cookie: which packet of the track */
#define SLOT_MASK   ((1U << SLOT_BITS) - 1)
#define PACKET_MASK ((1U << PACKET_BITS) - 1)
_Static_assert(SQ_CLIP_PACKETS_MAX <= PACKET_MASK + 1, "a cookie names each packet");

static uint64_t ns_of(const struct sq_source *s, uint64_t ticks)
{
    uint32_t hz = s->track->clock_hz;
    return s->start_ns + ticks / hz * SQ_NS_PER_SEC + ticks % hz * SQ_NS_PER_SEC / hz;
}

/* Puts a frame of the clip in the slot that begins at `ticks` of the timeline. */
static void seat(struct sq_source *s, uint32_t frame, uint64_t ticks)
{
    const struct sq_clip_frame *f = &s->track->frames[frame];
    s->frame = frame;
    s->packet = f->first_packet;
    s->ticks = ticks;
    s->skew = ticks - f->ticks;
    s->due_ns = ns_of(s, ticks);
}

void sq_source_init(struct sq_source *s, const struct sq_clip_track *track, unsigned flags,
                    uint64_t start_ns, struct sq_rand *rand)
{
    *s = (struct sq_source){.track = track, .start_ns = start_ns, .flags = (uint8_t)flags};
    uint64_t frame_ns = ns_of(s, track->frames[1].ticks) - start_ns;
    s->start_ns += (uint64_t)(sq_rand_unit(rand) * (double)frame_ns);
    s->picture_id0 = (uint16_t)(sq_rand_u32(rand) & 0x7fff);
    s->tl0_0 = (uint8_t)sq_rand_u32(rand);
    seat(s, track->keys[sq_rand_below(rand, track->key_count)], 0);
}

/* The key frame fewest frames away from `frame`, the loop being a circle. */
static uint32_t nearest_key(const struct sq_clip_track *t, uint32_t frame)
{
    uint32_t low = 0;
    uint32_t high = t->key_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->keys[middle] < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint32_t after = t->keys[low == t->key_count ? 0 : low];
    uint32_t before = t->keys[low == 0 ? t->key_count - 1 : low - 1];
    uint32_t ahead = (after + t->frame_count - frame) % t->frame_count;
    uint32_t behind = (frame + t->frame_count - before) % t->frame_count;
    return ahead <= behind ? after : before;
}

static void begin_frame(struct sq_source *s)
{
    const struct sq_clip_track *t = s->track;
    bool key = (t->frames[s->frame].flags & SQ_CLIP_KEY) != 0;
    if (s->want_key && !key) {
        seat(s, nearest_key(t, s->frame), s->ticks);
        s->jumps++;
        key = true;
    }
    s->want_key = false;
    s->key_frames += key;
}

/* To the slot after the frame at hand. The row past the last frame ends the clip. */
static void end_frame(struct sq_source *s)
{
    uint64_t ticks = s->track->frames[s->frame + 1].ticks + s->skew;
    s->slot++;
    seat(s, s->frame + 1 == s->track->frame_count ? 0 : s->frame + 1, ticks);
}

static void write_head(const struct sq_source *s, uint32_t slot, bool begin,
                       struct sq_source_packet *packet)
{
    unsigned picture_id = (s->picture_id0 + slot) & 0x7fff;
    bool layers = (s->flags & SQ_SOURCE_TL0PICIDX) != 0;
    /* RFC 7741, section 4.2: X, S at the start of the frame, PID 0; I, L, T; M and the PictureID.
     */
    packet->head[0] = begin ? 0x90 : 0x80;
    packet->head[1] = layers ? 0xe0 : 0x80;
    packet->head[2] = (uint8_t)(0x80 | picture_id >> 8);
    packet->head[3] = (uint8_t)picture_id;
    packet->head[4] = (uint8_t)(s->tl0_0 + slot);
    packet->head[5] = 0; /* TID 0 */
    packet->head_len = layers ? 6 : 4;
}

static void make_packet(const struct sq_source *s, uint32_t number, uint32_t slot, uint64_t ticks,
                        struct sq_source_packet *ret_packet)
{
    const struct sq_clip_track *t = s->track;
    const struct sq_clip_packet *p = &t->packets[number];
    bool video = t->kind == SQ_CLIP_VIDEO;
    ret_packet->begin = (p->flags & SQ_CLIP_FIRST) != 0;
    ret_packet->key = video && (p->flags & SQ_CLIP_KEY);
    ret_packet->voice = (p->flags & SQ_CLIP_VOICE) != 0;
    ret_packet->level = p->level;
    ret_packet->fragment = t->data + p->offset;
    ret_packet->fragment_len = p->len_bytes;
    ret_packet->ticks = ticks;
    ret_packet->cookie = (slot & SLOT_MASK) << PACKET_BITS | number;
    if (video) {
        ret_packet->marker = (p->flags & SQ_CLIP_LAST) != 0;
        write_head(s, slot, ret_packet->begin, ret_packet);
    } else {
        ret_packet->marker = slot == 0; /* RFC 3551, section 4.1: the first of a talkspurt */
        ret_packet->head_len = 0;
    }
}

bool sq_source_next(struct sq_source *s, uint64_t now_ns, struct sq_source_packet *ret_packet)
{
    if (now_ns < s->due_ns) {
        return false;
    }
    if (s->packet == s->track->frames[s->frame].first_packet) {
        begin_frame(s);
    }
    make_packet(s, s->packet, s->slot, s->ticks, ret_packet);
    ret_packet->due_ns = s->due_ns;
    if (s->track->packets[s->packet].flags & SQ_CLIP_LAST) {
        end_frame(s);
    } else {
        s->packet++;
    }
    return true;
}

void sq_source_request_key_frame(struct sq_source *s)
{
    s->want_key = s->track->kind == SQ_CLIP_VIDEO;
}

/* The first frame of the clip that begins at or after `ticks` of it; frame_count if none does. */
static uint32_t frame_from(const struct sq_clip_track *t, uint64_t ticks)
{
    uint32_t low = 0;
    uint32_t high = t->frame_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->frames[middle].ticks < ticks) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void sq_source_skip(struct sq_source *s, uint64_t now_ns)
{
    const struct sq_clip_track *t = s->track;
    if (s->packet != t->frames[s->frame].first_packet) {
        end_frame(s); /* what is left of a frame that was begun is not sent */
    }
    if (now_ns >= s->due_ns) {
        __extension__ unsigned __int128 passed = now_ns - s->start_ns;
        uint64_t ticks = (uint64_t)(passed * t->clock_hz / SQ_NS_PER_SEC) + 1;
        uint64_t in_clip = ticks - s->skew;
        uint64_t loops = in_clip / t->duration_ticks;
        uint32_t frame = frame_from(t, in_clip % t->duration_ticks);
        /* frames[frame_count] is the end: the next loop's first frame */
        uint64_t at = t->frames[frame].ticks + loops * t->duration_ticks + s->skew;
        seat(s, frame == t->frame_count ? 0 : frame, at);
    }
    s->want_key = t->kind == SQ_CLIP_VIDEO;
}

int sq_source_repeat(const struct sq_source *s, uint32_t cookie, uint64_t ticks,
                     struct sq_source_packet *ret_packet)
{
    uint32_t number = cookie & PACKET_MASK;
    uint32_t back = (s->slot - (cookie >> PACKET_BITS)) & SLOT_MASK;
    if (number >= s->track->packet_count || back > s->slot) {
        return SQ_ERR_NOTFOUND;
    }
    if (back == 0 && (number >= s->packet || number < s->track->frames[s->frame].first_packet)) {
        return SQ_ERR_NOTFOUND; /* of the frame at hand, and not sent yet */
    }
    make_packet(s, number, s->slot - back, ticks, ret_packet);
    ret_packet->due_ns = 0;
    return 0;
}

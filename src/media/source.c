#include "media/source.h"

#include "base/time.h"
#include "media/source_int.h"
#include <string.h>

#define SLOT_BITS   12 /* of a cookie: which of the latest frames */
#define PACKET_BITS 20 /* of a cookie: which packet of the track */
#define SLOT_MASK   ((1U << SLOT_BITS) - 1)
#define PACKET_MASK ((1U << PACKET_BITS) - 1)
_Static_assert(SQ_SOURCE_SLOTS <= SLOT_MASK + 1, "a cookie names each slot");
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

static void begin_numbers(struct sq_source *s, struct sq_rand *rand)
{
    s->picture_id0 = (uint16_t)(sq_rand_u32(rand) & 0x7fff);
    s->tl0 = (uint8_t)sq_rand_u32(rand);
    s->max_tid = s->want_tid = SQ_CLIP_LAYERS_MAX - 1;
    s->max_sid = s->want_sid = SQ_CLIP_LAYERS_MAX - 1;
    for (unsigned i = 0; i < SQ_SOURCE_TOPS; i++) {
        s->tops[i].sid = s->max_sid;
    }
}

void sq_source_init(struct sq_source *s, const struct sq_clip_track *track, unsigned flags,
                    uint64_t start_ns, struct sq_rand *rand)
{
    *s = (struct sq_source){.track = track, .start_ns = start_ns, .flags = (uint8_t)flags};
    uint64_t frame_ns = ns_of(s, track->frames[1].ticks) - start_ns;
    s->start_ns += (uint64_t)(sq_rand_unit(rand) * (double)frame_ns);
    begin_numbers(s, rand);
    seat(s, track->keys[sq_rand_below(rand, track->key_count)], 0);
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

void sq_source_init_beside(struct sq_source *s, const struct sq_clip_track *track, unsigned flags,
                           const struct sq_source *other, struct sq_rand *rand)
{
    *s = (struct sq_source){.track = track, .start_ns = other->start_ns, .flags = (uint8_t)flags};
    begin_numbers(s, rand);
    uint32_t frame = frame_from(track, other->track->frames[other->frame].ticks);
    seat(s, nearest_key(track, frame == track->frame_count ? 0 : frame), other->ticks);
}

static void mark_base(struct sq_source *s, bool base)
{
    uint64_t bit = UINT64_C(1) << (s->slot % 64);
    uint64_t *word = &s->base[s->slot % SQ_SOURCE_SLOTS / 64];
    *word = base ? *word | bit : *word & ~bit;
}

/* Whether a frame of a temporal layer is sent; where a layer above can be begun, it is. */
static bool admits(struct sq_source *s, const struct sq_clip_frame *f)
{
    if (f->tid <= s->max_tid) {
        return true;
    }
    if (f->tid == s->max_tid + 1U && f->tid <= s->want_tid && (f->flags & SQ_CLIP_SYNC)) {
        s->max_tid = f->tid;
        return true;
    }
    return false;
}

/* On to the first frame at or behind the one at hand that is to be sent; the first of a clip always
 * is. The row past the last frame ends the clip. */
static void leave_out(struct sq_source *s)
{
    const struct sq_clip_track *t = s->track;
    /* The groups of VP9 and the templates of AV1 count the frames that nobody sends, too. */
    bool counts = t->codec == SQ_CODEC_VP9 || t->codec == SQ_CODEC_AV1;
    while (!admits(s, &t->frames[s->frame])) {
        uint64_t ticks = t->frames[s->frame + 1].ticks + s->skew;
        mark_base(s, false);
        s->slot += counts;
        seat(s, s->frame + 1 == t->frame_count ? 0 : s->frame + 1, ticks);
    }
}

/* Into the slot at hand, with the key frame nearest to where the clip is. */
static void jump(struct sq_source *s)
{
    uint32_t frame = s->frame;
    if (s->want_track) {
        frame = frame_from(s->want_track, s->track->frames[frame].ticks);
        s->track = s->want_track;
        frame = frame == s->track->frame_count ? 0 : frame;
        s->steps++;
    }
    uint32_t key = nearest_key(s->track, frame);
    s->jumps += key != frame;
    seat(s, key, s->ticks);
    s->want_track = NULL;
}

static void take_layers(struct sq_source *s)
{
    if (s->max_sid != s->want_sid) {
        s->max_sid = s->want_sid;
        memmove(&s->tops[1], &s->tops[0], sizeof(s->tops) - sizeof(s->tops[0]));
        s->tops[0].slot = s->slot;
        s->tops[0].sid = s->max_sid;
    }
}

static void begin_frame(struct sq_source *s)
{
    if (s->want_track || (s->want_key && !(s->track->frames[s->frame].flags & SQ_CLIP_KEY))) {
        jump(s);
    }
    const struct sq_clip_frame *f = &s->track->frames[s->frame];
    mark_base(s, f->tid == 0);
    s->tl0 += f->tid == 0;
    s->want_key = false;
    if (f->flags & SQ_CLIP_KEY) {
        s->key_frames++;
        s->max_tid = s->want_tid;
        take_layers(s);
    } else if (s->want_sid < s->max_sid) {
        take_layers(s);
    }
}

/* To the slot after the frame at hand. */
static void end_frame(struct sq_source *s)
{
    uint64_t ticks = s->track->frames[s->frame + 1].ticks + s->skew;
    s->slot++;
    seat(s, s->frame + 1 == s->track->frame_count ? 0 : s->frame + 1, ticks);
    leave_out(s);
}

static bool begun(const struct sq_source *s)
{
    return s->packet != s->track->frames[s->frame].first_packet;
}

void sq_source_go_on_from(struct sq_source *s, const struct sq_source *before)
{
    s->picture_id0 = before->picture_id0;
    s->tl0 = before->tl0;
    s->slot = before->slot + begun(before); /* what is left of that frame is not sent */
    for (unsigned i = 0; i < SQ_SOURCE_TOPS; i++) {
        s->tops[i].slot = s->slot;
    }
    memcpy(s->base, before->base, sizeof(s->base));
}

void sq_source_set_step(struct sq_source *s, const struct sq_clip_track *step)
{
    if (sq_clip_lowest(step) == sq_clip_lowest(s->track)) {
        s->want_track = step == s->track ? NULL : step;
    }
}

void sq_source_set_twin(struct sq_source *s, const struct sq_clip_track *twin)
{
    if (twin->kind == SQ_CLIP_AUDIO && twin->codec == s->track->codec &&
        twin->channels == s->track->channels) {
        s->want_track = twin == s->track ? NULL : twin;
    }
}

void sq_source_set_max_tid(struct sq_source *s, unsigned tid)
{
    s->want_tid = (uint8_t)(tid < SQ_CLIP_LAYERS_MAX ? tid : SQ_CLIP_LAYERS_MAX - 1);
    s->max_tid = s->max_tid < s->want_tid ? s->max_tid : s->want_tid;
    if (!begun(s)) {
        leave_out(s);
    }
}

void sq_source_set_max_sid(struct sq_source *s, unsigned sid)
{
    s->want_sid = (uint8_t)(sid < SQ_CLIP_LAYERS_MAX ? sid : SQ_CLIP_LAYERS_MAX - 1);
    s->want_key = s->want_key || s->want_sid > s->max_sid;
}

void sq_source_set_red(struct sq_source *s, unsigned opus_pt)
{
    s->red_pt = (uint8_t)(opus_pt & 0x7f);
}

/* TL0PICIDX of the frame that was begun in a slot. */
static uint8_t tl0_of(const struct sq_source *s, uint32_t slot)
{
    uint32_t latest = begun(s) ? s->slot : s->slot - 1;
    uint8_t tl0 = s->tl0;
    for (uint32_t at = latest; at != slot; at--) {
        tl0 -= (uint8_t)(s->base[at % SQ_SOURCE_SLOTS / 64] >> (at % 64) & 1);
    }
    return tl0;
}

/* Whether nothing of the picture is sent behind a packet: a picture ends with the highest spatial
 * layer that is sent (RFC 9628, section 4.1). */
static bool ends_picture(const struct sq_source *s, const struct sq_clip_track *t,
                         const struct sq_clip_packet *p, uint32_t slot)
{
    return (p->flags & SQ_CLIP_LAST) ||
           ((p->flags & SQ_CLIP_LAYER_LAST) && p->sid == sq_source_top_at(s, t, slot));
}

/* `number` counts within the track; tl0 is that of the slot. */
static void make_packet(const struct sq_source *s, const struct sq_clip_track *t, uint32_t number,
                        uint32_t slot, uint8_t tl0, uint64_t ticks,
                        struct sq_source_packet *ret_packet)
{
    const struct sq_clip_packet *p = &t->packets[number];
    bool video = t->kind == SQ_CLIP_VIDEO;
    ret_packet->begin = (p->flags & SQ_CLIP_FIRST) != 0;
    ret_packet->key = video && (p->flags & SQ_CLIP_KEY);
    ret_packet->voice = (p->flags & SQ_CLIP_VOICE) != 0;
    ret_packet->level = p->level;
    ret_packet->tid = p->tid;
    ret_packet->sid = p->sid;
    ret_packet->fragment = t->data + p->offset;
    ret_packet->fragment_len = p->len_bytes;
    ret_packet->ticks = ticks;
    ret_packet->cookie = (slot & SLOT_MASK) << PACKET_BITS | (t->cookie_base + number);
    ret_packet->head_len = 0;
    ret_packet->ext_len = 0;
    /* RFC 3551, section 4.1: audio marks the first packet of a talkspurt. */
    ret_packet->marker = video ? ends_picture(s, t, p, slot) : slot == 0;
    sq_source_heads(s, t, p, slot, tl0, ret_packet);
}

bool sq_source_next(struct sq_source *s, uint64_t now_ns, struct sq_source_packet *ret_packet)
{
    if (now_ns < s->due_ns) {
        return false;
    }
    if (s->packet == s->track->frames[s->frame].first_packet) {
        begin_frame(s);
    }
    make_packet(s, s->track, s->packet, s->slot, s->tl0, s->ticks, ret_packet);
    ret_packet->due_ns = s->due_ns;
    if (ends_picture(s, s->track, &s->track->packets[s->packet], s->slot)) {
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

void sq_source_skip(struct sq_source *s, uint64_t now_ns)
{
    const struct sq_clip_track *t = s->track;
    if (begun(s)) {
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
        leave_out(s);
    }
    s->want_key = t->kind == SQ_CLIP_VIDEO;
}

/* The step of the ladder that a packet is of, by its number within the ladder. */
static const struct sq_clip_track *step_of(const struct sq_source *s, uint32_t number)
{
    const struct sq_clip_track *t = s->track;
    if (number - t->cookie_base < t->packet_count) {
        return t;
    }
    t = sq_clip_lowest(t);
    for (unsigned i = 0; i < t->step_count; i++) {
        if (number - t[i].cookie_base < t[i].packet_count) {
            return &t[i];
        }
    }
    return NULL;
}

int sq_source_repeat(const struct sq_source *s, uint32_t cookie, uint64_t ticks,
                     struct sq_source_packet *ret_packet)
{
    const struct sq_clip_track *t = step_of(s, cookie & PACKET_MASK);
    uint32_t back = (s->slot - (cookie >> PACKET_BITS)) & SLOT_MASK;
    if (!t || back > s->slot || back >= SQ_SOURCE_SLOTS) {
        return SQ_ERR_NOTFOUND;
    }
    uint32_t number = (cookie & PACKET_MASK) - t->cookie_base;
    if (back == 0 &&
        (t != s->track || number >= s->packet || number < t->frames[s->frame].first_packet)) {
        return SQ_ERR_NOTFOUND; /* of the frame at hand, and not sent yet */
    }
    uint32_t slot = s->slot - back;
    make_packet(s, t, number, slot, tl0_of(s, slot), ticks, ret_packet);
    ret_packet->due_ns = 0;
    return 0;
}

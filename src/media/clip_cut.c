/* Frames into RTP payloads, once for all senders. What is cut where is each codec's to say. */
#include "base/mem.h"
#include "media/clip_int.h"
#include "media/timetag.h"
#include <string.h>

static void add(struct sq_cutter *c, uint32_t offset, uint32_t len)
{
    if (c->fill) {
        c->track->packets[c->packets] =
            (struct sq_clip_packet){.offset = offset,
                                    .frame = c->frame,
                                    .len_bytes = (uint16_t)len,
                                    .tid = c->track->frames[c->frame].tid,
                                    .sid = c->sid};
    }
    c->packets++;
}

void sq_cut_take(struct sq_cutter *c, uint32_t offset, uint32_t len)
{
    add(c, offset, len);
}

void sq_cut_even(struct sq_cutter *c, uint32_t offset, uint32_t len, size_t most_bytes,
                 size_t first_less)
{
    size_t total = len + first_less;
    size_t n = (total + most_bytes - 1) / most_bytes;
    size_t each = (total + n - 1) / n;
    /* A frame of very few bytes would have nothing left for the last one. */
    bool even = each * (n - 1) < total;
    for (size_t i = 0; i < n && len > 0; i++) {
        size_t part = even && i + 1 < n ? each : total / (n - i);
        total -= part;
        if (i == 0) {
            part = part > first_less ? part - first_less : 1;
        }
        part = i + 1 == n || part > len ? len : part;
        add(c, offset, (uint32_t)part);
        offset += (uint32_t)part;
        len -= (uint32_t)part;
    }
}

void sq_cut_put(struct sq_cutter *c, const void *bytes, size_t len)
{
    if (c->fill && len > 0) {
        memcpy(c->track->made + c->made_bytes, bytes, len);
    }
    c->made_bytes += len;
}

void sq_cut_end(struct sq_cutter *c)
{
    add(c, (uint32_t)c->begun_at, (uint32_t)(c->made_bytes - c->begun_at));
    c->begun_at = c->made_bytes;
}

void sq_cut_end_even(struct sq_cutter *c, size_t most_bytes, size_t first_less)
{
    sq_cut_even(c, (uint32_t)c->begun_at, (uint32_t)(c->made_bytes - c->begun_at), most_bytes,
                first_less);
    c->begun_at = c->made_bytes;
}

/* What all packets of a frame, and the first and last of it and of each layer, have to say. */
static void flag_packets(struct sq_cutter *c, uint32_t first, uint8_t flags, uint8_t level,
                         unsigned begin, unsigned end)
{
    struct sq_clip_packet *packets = c->track->packets;
    for (uint32_t i = first; i < c->packets; i++) {
        packets[i].flags |= flags;
        packets[i].level = level;
    }
    packets[first].flags |= (uint8_t)begin;
    packets[c->packets - 1].flags |= (uint8_t)end;
}

static uint32_t cut_all(struct sq_cutter *c, const uint8_t *index, uint32_t rows)
{
    struct sq_clip_track *t = c->track;
    const struct sq_clip_format *format = sq_clip_format(t->codec);
    uint32_t row = 0;
    uint32_t largest = 0;
    for (uint32_t i = 0; i < t->frame_count; i++) {
        struct sq_clip_frame *f = &t->frames[i];
        uint32_t first = c->packets;
        c->frame = i;
        c->layers_len = 0;
        for (; row < rows; row++) {
            struct sq_clip_row r = sq_clip_row(index, row);
            if (r.ticks != f->ticks) {
                break;
            }
            uint32_t layer_first = c->packets;
            c->sid = r.sid;
            format->cut(c, r.offset, r.len_bytes, r.flags);
            if (c->fill) {
                flag_packets(c, layer_first, r.flags, r.level, SQ_CLIP_LAYER_FIRST,
                             SQ_CLIP_LAYER_LAST);
            }
        }
        uint32_t n = c->packets - first;
        largest = n > largest ? n : largest;
        if (c->fill) {
            flag_packets(c, first, 0, f->level, SQ_CLIP_FIRST, SQ_CLIP_LAST);
            f->first_packet = first;
            f->packets = (uint16_t)n;
        }
    }
    return largest;
}

static void measure_layers(struct sq_clip_track *t)
{
    uint64_t bytes[SQ_CLIP_LAYERS_MAX] = {0};
    for (uint32_t i = 0; i < t->packet_count; i++) {
        for (unsigned sid = t->packets[i].sid; sid < SQ_CLIP_LAYERS_MAX; sid++) {
            bytes[sid] += t->packets[i].len_bytes;
        }
    }
    uint64_t all = bytes[SQ_CLIP_LAYERS_MAX - 1];
    for (unsigned sid = 0; sid < SQ_CLIP_LAYERS_MAX; sid++) {
        t->sid_permille[sid] = all ? (uint32_t)(bytes[sid] * 1000 / all) : 1000;
    }
}

static void fill_keys(struct sq_clip_track *t)
{
    uint32_t key = 0;
    for (uint32_t i = 0; i < t->frame_count; i++) {
        if (t->frames[i].flags & SQ_CLIP_KEY) {
            t->keys[key++] = i;
        }
    }
}

int sq_clip_cut(struct sq_clip_track *t, const uint8_t *index, uint32_t rows,
                size_t payload_max_bytes, bool tags)
{
    struct sq_cutter count = {.track = t,
                              .bytes = t->data,
                              .payload_max_bytes = payload_max_bytes,
                              .tags = tags && sq_timetag_has_room(t->codec)};
    struct sq_cutter fill = count;
    if (cut_all(&count, index, rows) > UINT16_MAX || count.packets > SQ_CLIP_PACKETS_MAX ||
        count.made_bytes > UINT32_MAX) {
        return SQ_ERR_UNSUPPORTED;
    }
    if (count.unfit) {
        return SQ_ERR_NOSPACE;
    }
    t->packet_count = count.packets;

    for (uint32_t i = 0; i < t->frame_count; i++) {
        t->key_count += (t->frames[i].flags & SQ_CLIP_KEY) != 0;
    }
    t->packets = sq_calloc(t->packet_count, sizeof(*t->packets));
    t->keys = sq_calloc(t->key_count, sizeof(*t->keys));
    bool makes = sq_clip_format(t->codec)->makes || count.tags;
    t->made = makes ? sq_calloc(count.made_bytes, 1) : NULL;
    if (!t->packets || !t->keys || (makes && !t->made)) {
        return SQ_ERR_NOMEM;
    }
    fill.fill = true;
    (void)cut_all(&fill, index, rows);
    t->data = makes ? t->made : t->data;
    t->frames[t->frame_count] =
        (struct sq_clip_frame){.first_packet = t->packet_count, .ticks = t->duration_ticks};
    fill_keys(t);
    measure_layers(t);
    return 0;
}

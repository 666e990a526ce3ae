/* A clip file: length and check sum are mended so that the rest is looked at; every payload of an
 * accepted clip lies within it, and can be sent. */
#include "base/mem.h"
#include "base/rand.h"
#include "fuzz/fuzz.h"
#include "media/clip.h"
#include "media/source.h"
#include <string.h>

static uint32_t crc32(const uint8_t *at, size_t len)
{
    uint32_t crc = 0xffffffffU;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
        }
    }
    return ~crc;
}

static void touch(const uint8_t *at, size_t len)
{
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < len; i++) {
        sink = (uint8_t)(sink ^ at[i]);
    }
}

static void check_track(const struct sq_clip_track *t)
{
    uint64_t bytes = 0;
    uint64_t cut = 0;
    MUST(t->frame_count > 0 && t->packet_count >= t->frame_count && t->key_count > 0);
    for (uint32_t i = 0; i < t->frame_count; i++) {
        bytes += t->frames[i].len_bytes;
        MUST(t->frames[i].ticks < t->duration_ticks);
        MUST(i == 0 || t->frames[i].ticks > t->frames[i - 1].ticks);
    }
    for (uint32_t i = 0; i < t->packet_count; i++) {
        MUST(t->packets[i].frame < t->frame_count);
        touch(t->data + t->packets[i].offset, t->packets[i].len_bytes);
        cut += t->packets[i].len_bytes;
    }
    /* H.264 and AV1 are written anew, with heads of fragments. */
    MUST(t->made ? cut > 0 : bytes == cut);
    for (uint32_t i = 0; i < t->key_count; i++) {
        MUST(t->keys[i] < t->frame_count && (i == 0 || t->keys[i] > t->keys[i - 1]));
    }
}

static void send_some(const struct sq_clip_track *t)
{
    struct sq_source source;
    struct sq_source_packet p;
    struct sq_rand rand;
    uint64_t last_ticks = 0;
    sq_rand_seed(&rand, 1);
    sq_source_init(&source, t, 0, 1000, &rand);
    for (int i = 0; i < 100; i++) {
        struct sq_source_packet again;
        uint64_t due_ns = sq_source_due_ns(&source);
        MUST(sq_source_next(&source, due_ns, &p));
        MUST(p.ticks >= last_ticks && p.due_ns <= due_ns);
        last_ticks = p.ticks;
        touch(p.fragment, p.fragment_len);
        touch(p.head, p.head_len);
        touch(p.ext, p.ext_len);
        MUST(sq_source_repeat(&source, p.cookie, p.ticks, &again) == 0);
        MUST(again.fragment == p.fragment && again.fragment_len == p.fragment_len);
        if (i % 30 == 29) {
            sq_source_request_key_frame(&source);
        } else if (i % 7 == 6) {
            sq_source_set_step(&source, sq_clip_lowest(t) + (unsigned)i / 7 % t->step_count);
        } else if (i % 5 == 4) {
            sq_source_set_max_tid(&source, (unsigned)i % 4);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_clip *clip = NULL;
    char why[SQ_CLIP_WHY_MAX];
    if (len < 1 || len > 65536) {
        return 0;
    }
    bool mend = data[0] & 1;
    const struct sq_clip_opts opts = {.payload_max_bytes = data[0] & 2 ? SQ_CLIP_PAYLOAD_MIN : 0,
                                      .tags = (data[0] & 4) != 0};
    size_t n = len - 1;
    uint8_t *copy = malloc(n ? n : 1);
    MUST(copy != NULL);
    memcpy(copy, data + 1, n);
    if (mend && n >= 24) {
        sq_store_u64(copy + 16, n);
        sq_store_u32(copy + 12, crc32(copy + 16, n - 16));
    }
    why[0] = '\0';
    if (sq_clip_open_bytes_with(copy, n, "fuzz.sqclip", &opts, &clip, why) == 0) {
        for (size_t i = 0; i < clip->track_count; i++) {
            check_track(&clip->tracks[i]);
            send_some(&clip->tracks[i]);
        }
    } else {
        MUST(clip == NULL && why[0] != '\0');
    }
    sq_clip_close(clip);
    free(copy);
    return 0;
}

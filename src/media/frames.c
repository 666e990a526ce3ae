#include "media/frames.h"

#include "base/mem.h"
#include "media/frame_buffer.h"
#include "media/frames_int.h"
#include "media/red.h"
#include <string.h>

#define SLOTS      SQ_FRAME_WINDOW_PACKETS
#define AHEAD_MOST 200 /* audio packets ahead of the one that is waited for */

struct slot {
    uint8_t *bytes; /* owned; NULL: empty */
    uint64_t now_ns;
    uint32_t timestamp;
    uint16_t len;
    uint16_t seq;
    uint8_t codec;
    bool restored;
};

struct sq_frames {
    sq_frames_fn on_frame;
    void *ctx;
    struct sq_frame_buffer video;
    struct sq_frames_out out;
    bool failed;   /* out of memory within the present push */
    bool is_video; /* what the slots hold */
    uint64_t latest_ns;
    bool audio_begun;  /* next_seq is set */
    uint16_t next_seq; /* audio: to be told next */
    uint16_t newest_seq;
    struct slot slots[SLOTS];
};

static struct slot *slot_of(struct sq_frames *f, uint16_t seq)
{
    return &f->slots[seq % SLOTS];
}

static void empty_slot(struct slot *s)
{
    sq_free(s->bytes);
    s->bytes = NULL;
}

static bool holds(const struct slot *s, uint16_t seq)
{
    return s->bytes && s->seq == seq;
}

static bool keep(struct sq_frames *f, uint16_t seq, const struct sq_media_packet *p,
                 const uint8_t *bytes, size_t len)
{
    struct slot *s = slot_of(f, seq);
    if (len > UINT16_MAX || holds(s, seq)) {
        return true; /* the first one counts */
    }
    uint8_t *copy = sq_zalloc(len ? len : 1);
    if (!copy) {
        f->failed = true;
        return false;
    }
    memcpy(copy, bytes, len);
    empty_slot(s);
    *s = (struct slot){.bytes = copy,
                       .len = (uint16_t)len,
                       .seq = seq,
                       .now_ns = p->now_ns,
                       .timestamp = p->timestamp,
                       .codec = (uint8_t)p->codec};
    return true;
}

/* ---- video ---- */

static void on_video(void *ctx, const struct sq_frame *frame)
{
    struct sq_frames *f = ctx;
    bool whole = true;
    sq_frames_begin(&f->out, frame->codec);
    for (uint16_t n = 0, seq = frame->first_seq;
         n < (uint16_t)(frame->last_seq - frame->first_seq + 1); n++, seq++) {
        struct slot *s = slot_of(f, seq);
        if (holds(s, seq)) {
            whole = whole && sq_frames_add(&f->out, s->bytes, s->len) == 0;
            empty_slot(s);
        } else {
            whole = false;
        }
    }
    if (sq_frames_end(&f->out) != 0) {
        f->failed = f->failed || f->out.failed;
        whole = false;
    }
    if (!whole) {
        return;
    }
    const struct sq_media_frame told = {.codec = frame->codec,
                                        .bytes = f->out.bytes,
                                        .len = f->out.len,
                                        .timestamp = frame->timestamp,
                                        .key = frame->key,
                                        .width = frame->width,
                                        .height = frame->height,
                                        .tid = frame->tid,
                                        .sid = frame->sid,
                                        .first_seq = frame->first_seq,
                                        .last_seq = frame->last_seq,
                                        .first_packet_ns = frame->first_packet_ns,
                                        .now_ns = frame->now_ns};
    f->on_frame(f->ctx, &told);
}

/* ---- audio ---- */

static void tell_audio(struct sq_frames *f, struct slot *s, uint32_t missing, uint64_t now_ns)
{
    const struct sq_media_frame told = {.codec = (enum sq_codec)s->codec,
                                        .bytes = s->bytes,
                                        .len = s->len,
                                        .timestamp = s->timestamp,
                                        .key = true,
                                        .restored = s->restored,
                                        .first_seq = s->seq,
                                        .last_seq = s->seq,
                                        .missing_before = missing,
                                        .first_packet_ns = s->now_ns,
                                        .now_ns = now_ns};
    f->on_frame(f->ctx, &told);
    empty_slot(s);
}

/* Tells what is there in turn; over a hole once what stands behind it waited long enough. */
static void tell_in_order(struct sq_frames *f, uint64_t now_ns, bool all)
{
    for (;;) {
        uint16_t ahead = 0;
        uint16_t most = (uint16_t)(f->newest_seq - f->next_seq + 1);
        while (ahead < most && !holds(slot_of(f, (uint16_t)(f->next_seq + ahead)),
                                      (uint16_t)(f->next_seq + ahead))) {
            ahead++;
        }
        if (most > SLOTS || ahead >= most) {
            return;
        }
        struct slot *s = slot_of(f, (uint16_t)(f->next_seq + ahead));
        bool waited = now_ns >= s->now_ns + SQ_FRAMES_AUDIO_WAIT_MS * SQ_NS_PER_MS;
        if (ahead > 0 && !waited && !all && most < AHEAD_MOST) {
            return;
        }
        f->next_seq = (uint16_t)(s->seq + 1);
        tell_audio(f, s, ahead, now_ns);
    }
}

static void drop_all(struct sq_frames *f)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        empty_slot(&f->slots[i]);
    }
    f->audio_begun = false;
}

/* The blocks of a RED packet are those of the packets before it, oldest first. */
static void keep_red(struct sq_frames *f, const struct sq_media_packet *p)
{
    struct sq_red_block blocks[SQ_RED_BLOCKS_MAX];
    size_t n;
    if (sq_red_parse(p->payload, p->len, blocks, &n) != 0) {
        return;
    }
    (void)keep(f, p->seq, p, blocks[n - 1].at, blocks[n - 1].len);
    for (size_t i = 0; i + 1 < n; i++) {
        uint16_t seq = (uint16_t)(p->seq - (n - 1 - i));
        struct slot *s = slot_of(f, seq);
        bool wanted = (int16_t)(seq - f->next_seq) >= 0 && blocks[i].len > 0;
        if (wanted && !holds(s, seq) && keep(f, seq, p, blocks[i].at, blocks[i].len)) {
            s->restored = true;
            s->timestamp = p->timestamp - blocks[i].offset;
        }
    }
}

static void push_audio(struct sq_frames *f, const struct sq_media_packet *p)
{
    int16_t ahead = (int16_t)(p->seq - f->next_seq);
    if (!f->audio_begun || ahead > SLOTS / 2 || ahead < -SLOTS / 2) {
        drop_all(f);
        f->audio_begun = true;
        f->next_seq = f->newest_seq = p->seq;
        ahead = 0;
    }
    if (ahead < 0) {
        return; /* told, or given up */
    }
    if ((int16_t)(p->seq - f->newest_seq) > 0) {
        f->newest_seq = p->seq;
    }
    if (p->red) {
        keep_red(f, p);
    } else {
        (void)keep(f, p->seq, p, p->payload, p->len);
    }
    tell_in_order(f, p->now_ns, false);
}

/* ---- face ---- */

int sq_frames_new(sq_frames_fn on_frame, void *ctx, struct sq_frames **ret_frames)
{
    struct sq_frames *f = sq_zalloc(sizeof(*f));
    if (!f) {
        return SQ_ERR_NOMEM;
    }
    f->on_frame = on_frame;
    f->ctx = ctx;
    sq_frame_buffer_init(&f->video, SQ_NEVER / 2, on_video, f);
    *ret_frames = f;
    return 0;
}

void sq_frames_strip_tags(struct sq_frames *f)
{
    f->out.strip_tags = true;
}

void sq_frames_free(struct sq_frames *f)
{
    if (f) {
        drop_all(f);
        sq_frame_buffer_close(&f->video);
        sq_free(f->out.bytes);
        sq_free(f);
    }
}

int sq_frames_push(struct sq_frames *f, const struct sq_media_packet *packet)
{
    bool is_video = sq_codec_info(packet->codec)->video;
    f->failed = false;
    f->latest_ns = packet->now_ns;
    if (is_video != f->is_video) {
        drop_all(f);
        f->is_video = is_video;
    }
    if (is_video) {
        if (packet->len > 0) {
            (void)keep(f, packet->seq, packet, packet->payload, packet->len);
        }
        int err = sq_frame_buffer_push(&f->video, packet, false);
        (void)err; /* counted there */
    } else if (packet->codec != SQ_CODEC_NONE && packet->len > 0) {
        push_audio(f, packet);
    }
    return f->failed ? SQ_ERR_NOMEM : 0;
}

void sq_frames_flush(struct sq_frames *f)
{
    if (f->audio_begun) {
        tell_in_order(f, f->latest_ns, true);
    }
}

const struct sq_frame_stats *sq_frames_stats(const struct sq_frames *f)
{
    return &f->video.stats;
}

/* What a viewer sees of the frames that leave the buffer: freezes, frames a second. */
#include "media/frame_buffer_int.h"

#include <string.h>

#define FREEZE_SAMPLES 5 /* fewer intervals say nothing about the usual one (as libwebrtc) */
#define FREEZE_MORE_US 150000
#define TENTH_NS       (100 * SQ_NS_PER_MS)

/* W3C webrtc-stats, freezeCount: an interval of max(3 d, d + 150 ms) or more, where d is the
 * average over the latest 30, this one included (as libwebrtc counts it). */
static bool is_freeze(uint64_t gap_us, uint64_t sum_us, uint32_t count)
{
    if (count < FREEZE_SAMPLES) {
        return false;
    }
    uint64_t average = sum_us / count;
    uint64_t bound =
        average * 3 > average + FREEZE_MORE_US ? average * 3 : average + FREEZE_MORE_US;
    return gap_us >= bound;
}

static void count_gap(struct sq_frame_buffer *b, uint64_t now_ns)
{
    uint64_t gap_ns = now_ns - b->shown_ns;
    uint64_t gap_us = gap_ns / SQ_NS_PER_US;
    gap_us = gap_us > UINT32_MAX ? UINT32_MAX : gap_us;
    b->gap_sum_us += gap_us;
    if (b->gap_count == SQ_FRAME_FREEZE_SAMPLES) {
        b->gap_sum_us -= b->gap_us[b->gap_at];
    } else {
        b->gap_count++;
    }
    b->gap_us[b->gap_at] = (uint32_t)gap_us;
    b->gap_at = (uint8_t)((b->gap_at + 1) % SQ_FRAME_FREEZE_SAMPLES);
    double seconds = (double)gap_ns * 1e-9;
    b->stats.total_inter_frame_ns += gap_ns;
    b->stats.total_squared_inter_frame_s2 += seconds * seconds;
    if (is_freeze(gap_us, b->gap_sum_us, b->gap_count)) {
        b->stats.freeze_count++;
        b->stats.total_freezes_ns += gap_ns;
    }
}

static void count_fps(struct sq_frame_buffer *b, uint64_t now_ns)
{
    uint64_t tenth = now_ns / TENTH_NS;
    if (tenth > b->tenth + SQ_FRAME_FPS_TENTHS) {
        memset(b->per_tenth, 0, sizeof(b->per_tenth));
        b->tenth = tenth;
    }
    while (b->tenth < tenth) {
        b->tenth++;
        b->per_tenth[b->tenth % SQ_FRAME_FPS_TENTHS] = 0;
    }
    uint8_t *frames = &b->per_tenth[b->tenth % SQ_FRAME_FPS_TENTHS];
    *frames = (uint8_t)(*frames + (*frames < UINT8_MAX));
}

void sq_frame_count_shown(struct sq_frame_buffer *b, uint64_t shown_ns)
{
    if (b->have_shown) {
        count_gap(b, shown_ns);
    }
    b->have_shown = true;
    b->shown_ns = shown_ns;
    count_fps(b, shown_ns);
}

double sq_frame_buffer_fps(const struct sq_frame_buffer *b, uint64_t now_ns)
{
    uint64_t tenth = now_ns / TENTH_NS;
    unsigned frames = 0;
    for (unsigned back = 1; back <= 10 && back <= tenth; back++) {
        uint64_t at = tenth - back;
        if (at <= b->tenth && b->tenth - at < SQ_FRAME_FPS_TENTHS) {
            frames += b->per_tenth[at % SQ_FRAME_FPS_TENTHS];
        }
    }
    return frames;
}

uint64_t sq_frame_buffer_open_freeze_ns(const struct sq_frame_buffer *b, uint64_t now_ns)
{
    if (!b->have_shown || now_ns <= b->shown_ns) {
        return 0;
    }
    uint64_t gap_us = (now_ns - b->shown_ns) / SQ_NS_PER_US;
    gap_us = gap_us > UINT32_MAX ? UINT32_MAX : gap_us;
    /* As if a frame came now. */
    bool full = b->gap_count == SQ_FRAME_FREEZE_SAMPLES;
    uint64_t sum = b->gap_sum_us + gap_us - (full ? b->gap_us[b->gap_at] : 0);
    return is_freeze(gap_us, sum, full ? b->gap_count : b->gap_count + 1U) ? now_ns - b->shown_ns
                                                                           : 0;
}

void sq_frame_buffer_pause(struct sq_frame_buffer *b)
{
    b->have_shown = false;
    sq_video_timing_restart(&b->timing);
}

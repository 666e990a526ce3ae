#include "media/audio_buffer.h"

#include "base/time.h"
#include "base/wire.h"
#include "media/opus.h"
#include "media/red.h"
#include <math.h>
#include <string.h>

#define WINDOW    SQ_AUDIO_WINDOW_QUANTA
#define STEP      4 /* quanta of a step */
#define STEP_NS   (10 * SQ_NS_PER_MS)
#define MS_QUANTA 0.4F /* quanta of a ms */

/* Of NetEQ's DelayManager, UnderrunOptimizer and DecisionLogic. */
#define START_DELAY_MS      80
#define BUCKET_MS           20
#define FORGET              0.983F
#define START_FORGET_WEIGHT 2.0F
#define QUANTILE            0.95F
#define INTERVAL_NS         (500 * SQ_NS_PER_MS) /* the greatest delay of each one counts */
#define LEAST_WINDOW_NS     SQ_NS_PER_SEC /* two of them: delays are over the least of 1 to 2 s */
#define SLOW_DOWN_MS        85            /* below the target less this, and 3/4 of it */
#define STRETCH_WAIT        6             /* steps between two stretches */
#define STRETCH             3             /* quanta that one adds or removes */
#define STRETCH_NEEDS       12            /* quanta it works on */
#define POSTPONE_STEPS      8   /* concealed so long, play-out waits for half the target */
#define MUTED_STEPS         13  /* concealed so long, nothing is heard any more */
#define REINIT_STEPS        100 /* concealed so long, a new packet begins anew */

#define EVENT_MORE 28 /* quanta: a telephone-event goes on 70 ms beyond what is told of it */

#define JUMP_QUANTA (5LL * SQ_AUDIO_QUANTA_PER_SEC) /* time-stamps that leap so far begin anew */

/* ---- the window ---- */

static bool bit_of(const uint64_t *map, int64_t quantum)
{
    uint64_t i = (uint64_t)quantum % WINDOW;
    return map[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *map, int64_t quantum, bool on)
{
    uint64_t i = (uint64_t)quantum % WINDOW;
    uint64_t bit = UINT64_C(1) << (i % 64);
    map[i / 64] = on ? map[i / 64] | bit : map[i / 64] & ~bit;
}

/* The first quantum from `next` on that is held; held_count > 0. */
static int64_t first_held(const struct sq_audio_buffer *b)
{
    int64_t q = b->next;
    while (q < b->newest && !bit_of(b->held, q)) {
        q++;
    }
    return q;
}

static void drop_held(struct sq_audio_buffer *b)
{
    memset(b->held, 0, sizeof(b->held));
    memset(b->starts, 0, sizeof(b->starts));
    b->held_count = 0;
}

/* ---- target delay ---- */

static void add_delay(struct sq_audio_buffer *b, float delay_ms)
{
    float forget = FORGET;
    b->added++;
    /* Faster in the beginning. */
    float start = 1 - START_FORGET_WEIGHT / (float)(b->added + 1);
    forget = fmaxf(fminf(forget, start), 0);
    unsigned bucket = (unsigned)(delay_ms / BUCKET_MS);
    bucket = bucket < SQ_AUDIO_DELAY_BUCKETS ? bucket : SQ_AUDIO_DELAY_BUCKETS - 1;
    for (unsigned i = 0; i < SQ_AUDIO_DELAY_BUCKETS; i++) {
        b->delays[i] *= forget;
    }
    b->delays[bucket] += 1 - forget;
    float sum = 0;
    unsigned at = 0;
    while (at + 1 < SQ_AUDIO_DELAY_BUCKETS && (sum += b->delays[at]) < QUANTILE) {
        at++;
    }
    b->target = (float)((at + 1) * BUCKET_MS) * MS_QUANTA;
}

/* A packet's delay over the fastest of the latest 1 to 2 s. */
static void learn_delay(struct sq_audio_buffer *b, uint64_t now_ns, int64_t quantum)
{
    float transit_ms = (float)((double)(int64_t)(now_ns - b->base_ns) / 1e6 -
                               (double)quantum * (1000.0 / SQ_AUDIO_QUANTA_PER_SEC));
    if (now_ns >= b->window_ns + LEAST_WINDOW_NS) {
        b->least_before_ms = now_ns < b->window_ns + 2 * LEAST_WINDOW_NS ? b->least_ms : transit_ms;
        b->least_ms = transit_ms;
        b->window_ns = now_ns;
    }
    b->least_ms = fminf(b->least_ms, transit_ms);
    float delay_ms = transit_ms - fminf(b->least_ms, b->least_before_ms);
    b->interval_most_ms = fmaxf(b->interval_most_ms, delay_ms);
    if (now_ns >= b->interval_ns + INTERVAL_NS) {
        add_delay(b, b->interval_most_ms);
        b->interval_ns = now_ns;
        b->interval_most_ms = 0;
    }
}

/* ---- play-out ---- */

/* Time in the buffer, summed over quanta, is the integral of how many are in it. */
static void integrate(struct sq_audio_buffer *b, uint64_t until_ns)
{
    if (until_ns > b->integrated_ns) {
        b->delay_sum += b->held_count * (double)(until_ns - b->integrated_ns) * 1e-9;
        b->integrated_ns = until_ns;
    }
}

static void follow_level(struct sq_audio_buffer *b, float stretched)
{
    float target_ms = b->target / MS_QUANTA;
    float keep = target_ms <= 20 ? 251 : (target_ms <= 60 ? 252 : (target_ms <= 140 ? 253 : 254));
    keep /= 256;
    b->level = b->level * keep + (1 - keep) * (float)(b->held_count + b->sync) - stretched;
    b->level = fmaxf(b->level, 0);
}

/* Takes the packet at `next` out of the buffer. */
static void decode(struct sq_audio_buffer *b)
{
    unsigned quanta = 0;
    do {
        set_bit(b->held, b->next, false);
        set_bit(b->starts, b->next, false);
        b->next++;
        quanta++;
    } while (b->held_count > quanta && bit_of(b->held, b->next) && !bit_of(b->starts, b->next));
    b->held_count = (uint16_t)(b->held_count - quanta);
    b->sync = (uint16_t)(b->sync + quanta);
    b->emitted += quanta;
    b->target_sum += quanta * (double)b->target / SQ_AUDIO_QUANTA_PER_SEC;
    b->dtx = b->next == b->dtx_end;
}

static void conceal(struct sq_audio_buffer *b, unsigned quanta)
{
    b->concealment_events += b->concealing == 0;
    b->concealing = (uint16_t)(b->concealing + (b->concealing < UINT16_MAX));
    b->concealed += quanta;
    b->silent_concealed += b->concealing > MUTED_STEPS ? quanta : 0;
}

/* Stretches what is about to be played, where the level asks for it; the change in quanta. */
static int stretch(struct sq_audio_buffer *b)
{
    float low = fmaxf(b->target * 3 / 4, b->target - SLOW_DOWN_MS * MS_QUANTA);
    float high = fmaxf(b->target, low + BUCKET_MS * MS_QUANTA);
    if (b->level < high && b->level >= low) {
        return 0;
    }
    bool fast = b->level >= 4 * high;
    if (!fast && b->since_stretch < STRETCH_WAIT) {
        return 0;
    }
    while (b->sync < STRETCH_NEEDS && b->held_count > 0 && bit_of(b->held, b->next)) {
        decode(b);
    }
    bool remove = b->level >= high;
    if (b->sync < (remove ? STRETCH_NEEDS : STEP)) {
        return 0;
    }
    b->since_stretch = 0;
    if (remove) {
        b->sync -= STRETCH;
        b->removed += STRETCH;
        return -STRETCH;
    }
    b->sync += STRETCH;
    b->inserted += STRETCH;
    return STRETCH;
}

/* Whether play-out goes on at what is held, beyond the hole before it: it does once as much was
 * concealed as is missing, or where the buffer is full enough. */
static bool skip_hole(struct sq_audio_buffer *b)
{
    int64_t at = first_held(b);
    int64_t hole = at - b->next;
    if (b->next >= b->silence_from && at <= b->silence_to) {
        b->dtx = true; /* nothing was sent in it */
    }
    bool enough = (int64_t)b->concealing * STEP >= hole || b->level >= b->target;
    if (!b->dtx && (b->concealing == 0 || !enough)) {
        return false;
    }
    b->next = at;
    return true;
}

/* A telephone-event sounds where the next sound would be, made by its receiver. */
static bool event_sounds(const struct sq_audio_buffer *b)
{
    return !b->dtx && b->next >= b->event_from && b->next < b->event_to;
}

static void sound_event(struct sq_audio_buffer *b)
{
    while (b->sync < STEP && event_sounds(b) && (b->held_count == 0 || !bit_of(b->held, b->next))) {
        b->next++;
        b->sync++;
        b->newest = b->next > b->newest ? b->next : b->newest;
    }
}

static void step(struct sq_audio_buffer *b)
{
    b->played += STEP;
    b->since_stretch = (uint8_t)(b->since_stretch + (b->since_stretch < UINT8_MAX));
    int stretched = 0;
    sound_event(b);
    if (b->sync < STEP && b->held_count > 0) {
        bool postponed = b->concealing >= POSTPONE_STEPS && !b->dtx &&
                         (float)(b->held_count + b->sync) < b->target / 2;
        bool here = !postponed && (bit_of(b->held, b->next) || skip_hole(b));
        while (here && b->sync < STEP && b->held_count > 0 && bit_of(b->held, b->next)) {
            decode(b);
        }
        if (here && b->sync >= STEP) {
            stretched = stretch(b);
        }
    }
    sound_event(b);
    if (b->sync >= STEP) {
        b->sync -= STEP;
        b->concealing = 0;
    } else {
        unsigned missing = STEP - (unsigned)b->sync;
        b->sync = 0;
        if (b->dtx && b->held_count == 0) {
            b->silent += missing;
            b->concealing = 0;
        } else {
            conceal(b, missing);
        }
    }
    follow_level(b, (float)-stretched);
}

/* `n` steps with nothing in the buffer: all are alike. */
static void idle_steps(struct sq_audio_buffer *b, int64_t n)
{
    while (n > 0 && (b->sync > 0 || event_sounds(b) || (b->concealing == 0 && !b->dtx))) {
        step(b); /* what is left of before, a key, and the first that is concealed */
        n--;
    }
    if (n == 0) {
        return;
    }
    uint64_t quanta = (uint64_t)n * STEP;
    b->played += quanta;
    b->since_stretch = UINT8_MAX;
    b->level = n > 200 ? 0 : b->level * powf(252.0F / 256, (float)n);
    if (b->dtx) {
        b->silent += quanta;
        return;
    }
    int64_t heard = b->concealing < MUTED_STEPS ? MUTED_STEPS - b->concealing : 0;
    b->concealed += quanta;
    b->silent_concealed += n > heard ? (uint64_t)(n - heard) * STEP : 0;
    int64_t concealing = b->concealing + n;
    b->concealing = concealing > UINT16_MAX ? UINT16_MAX : (uint16_t)concealing;
}

void sq_audio_buffer_play(struct sq_audio_buffer *b, uint64_t now_ns)
{
    if (!b->started || now_ns < b->base_ns) {
        return;
    }
    b->latest_ns = now_ns;
    int64_t due = (int64_t)((now_ns - b->base_ns) / STEP_NS) + 1;
    while (b->steps < due) {
        integrate(b, b->base_ns + (uint64_t)b->steps * STEP_NS);
        if (b->held_count == 0) {
            idle_steps(b, due - b->steps);
            b->steps = due;
        } else {
            step(b);
            b->steps++;
        }
    }
    integrate(b, now_ns);
}

/* ---- packets ---- */

void sq_audio_buffer_init(struct sq_audio_buffer *b)
{
    *b = (struct sq_audio_buffer){.target = START_DELAY_MS * MS_QUANTA};
}

void sq_audio_buffer_pause(struct sq_audio_buffer *b)
{
    b->started = false;
}

static unsigned ticks_of(uint32_t clock_hz)
{
    return clock_hz / SQ_AUDIO_QUANTA_PER_SEC;
}

static void begin(struct sq_audio_buffer *b, const struct sq_media_packet *p)
{
    drop_held(b);
    b->started = true;
    b->dtx = b->have_event = false;
    b->concealing = b->sync = 0;
    b->level = 0;
    /* Steps go on by themselves: a packet meets one after 5 ms, on average. */
    b->base_ns = p->now_ns + STEP_NS / 2;
    b->integrated_ns = b->window_ns = b->interval_ns = p->now_ns;
    b->steps = 0;
    b->last_timestamp = p->timestamp;
    /* A window before zero is left for packets that overtook each other. */
    b->last_ticks = (int64_t)WINDOW * ticks_of(sq_codec_info(p->codec)->clock_hz);
    b->next = b->newest = WINDOW;
    b->dtx_end = b->silence_from = b->silence_to = 0;
    b->event_from = b->event_to = 0;
    b->least_ms = b->least_before_ms = INFINITY;
    b->interval_most_ms = 0;
    b->last_seq = (uint16_t)(p->seq - 1);
}

/* Marks [from, to) as received; the quanta that were not so before. */
static unsigned hold(struct sq_audio_buffer *b, int64_t from, int64_t to)
{
    unsigned fresh = 0;
    bool before = true; /* the quantum before is not ours */
    for (int64_t q = from; q < to; q++) {
        bool mine = !bit_of(b->held, q);
        if (mine) {
            set_bit(b->held, q, true);
            set_bit(b->starts, q, before);
            fresh++;
        }
        before = !mine;
    }
    b->held_count = (uint16_t)(b->held_count + fresh);
    b->newest = to > b->newest ? to : b->newest;
    return fresh;
}

/* What a packet, or a block of one, carries. */
struct sound {
    unsigned quanta;
    bool dtx;
    unsigned fec_quanta; /* Opus in-band FEC: of the packet before */
};

/* Whether the first frame carries the one before it again (LBRR, RFC 6716, section 4.2.4): a flag
 * behind those for voice activity, at the front of SILK's data. Mono, or the middle channel. */
static bool has_lbrr(const struct sq_opus_packet *p, const uint8_t *frame, size_t len)
{
    if (p->mode == SQ_OPUS_CELT || p->dtx || len == 0) {
        return false;
    }
    unsigned silk_frames = p->frame_samples <= 960 ? 1 : p->frame_samples / 960;
    return frame[0] >> (7 - silk_frames) & 1;
}

static int read_sound(enum sq_codec codec, const uint8_t *at, size_t len, struct sound *ret_sound)
{
    struct sound s = {0};
    if (codec == SQ_CODEC_OPUS) {
        struct sq_opus_packet p;
        int err = sq_opus_parse(at, len, &p);
        if (err) {
            return err;
        }
        s.quanta = p.samples / SQ_OPUS_QUANTUM_SAMPLES;
        s.dtx = p.dtx;
        if ((at[0] & 3) == 0 && has_lbrr(&p, at + 1, len - 1)) {
            s.fec_quanta = p.frame_samples / SQ_OPUS_QUANTUM_SAMPLES;
        }
    } else {
        s.quanta = (unsigned)((len + 19) / 20); /* 64 kbit/s: G.711 and G.722 */
    }
    if (s.quanta == 0 || s.quanta > WINDOW / 2) {
        return SQ_ERR_FORMAT;
    }
    *ret_sound = s;
    return 0;
}

/* What a later packet brings again, where it is not there and not yet due. */
static void restore(struct sq_audio_buffer *b, int64_t from, int64_t to)
{
    if (to > b->next && from >= b->next && to <= b->next + WINDOW) {
        b->restored += hold(b, from, to);
    }
}

/* Where a packet's time-stamp stands, in quanta; begins anew where it leapt. */
static int64_t place(struct sq_audio_buffer *b, const struct sq_media_packet *p, unsigned ticks)
{
    int64_t ahead = (int32_t)(p->timestamp - b->last_timestamp);
    bool leapt = ahead > JUMP_QUANTA * ticks || ahead < -JUMP_QUANTA * ticks;
    bool gone = b->concealing >= REINIT_STEPS && b->held_count == 0;
    if (!b->started || p->now_ns < b->latest_ns - sq_min_u64(b->latest_ns, SQ_NS_PER_SEC) ||
        leapt || gone || b->codec != (uint8_t)p->codec) {
        b->codec = (uint8_t)p->codec;
        begin(b, p);
        ahead = 0;
    }
    int64_t at = b->last_ticks + ahead;
    return at >= 0 ? at / ticks : -1;
}

static void note_newest(struct sq_audio_buffer *b, const struct sq_media_packet *p)
{
    if ((int32_t)(p->timestamp - b->last_timestamp) >= 0) {
        b->last_ticks += (int32_t)(p->timestamp - b->last_timestamp);
        b->last_timestamp = p->timestamp;
        b->last_seq = p->seq;
    }
}

/* Sound at `from`; false where it is of no use any more. */
static bool take(struct sq_audio_buffer *b, const struct sq_media_packet *p, int64_t from,
                 const struct sound *s)
{
    int64_t to = from + s->quanta;
    if (from < b->next && b->steps == 0 && from >= 0) {
        b->next = from; /* overtaken on its way, and nothing was played yet */
    }
    if (from < b->next) {
        return false;
    }
    if (to > b->next + WINDOW) { /* the buffer is full: it is emptied, as NetEQ's */
        drop_held(b);
        b->next = from;
    }
    if (from > b->newest && p->seq == (uint16_t)(b->last_seq + 1)) {
        b->silence_from = b->newest;
        b->silence_to = from;
    }
    if (s->fec_quanta) {
        restore(b, from - s->fec_quanta, from);
    }
    if (hold(b, from, to) == 0) {
        return false;
    }
    if (s->dtx && to > b->dtx_end) {
        b->dtx_end = to;
    }
    return true;
}

int sq_audio_buffer_push(struct sq_audio_buffer *b, const struct sq_media_packet *p)
{
    const struct sq_codec_info *info = sq_codec_info(p->codec);
    struct sq_red_block blocks[SQ_RED_BLOCKS_MAX] = {
        {.at = p->payload, .len = (uint16_t)sq_min_u64(p->len, UINT16_MAX)}};
    size_t n = 1;
    struct sound sound;
    if (info->video || info->clock_hz == 0) {
        return SQ_ERR_UNSUPPORTED;
    }
    int err = p->red ? sq_red_parse(p->payload, p->len, blocks, &n) : 0;
    err = err ? err : read_sound(p->codec, blocks[n - 1].at, blocks[n - 1].len, &sound);
    if (err) {
        b->bad++;
        return err;
    }
    b->packets++;
    sq_audio_buffer_play(b, p->now_ns);
    unsigned ticks = ticks_of(info->clock_hz);
    int64_t from = place(b, p, ticks);
    b->latest_ns = sq_max_u64(b->latest_ns, p->now_ns);
    learn_delay(b, p->now_ns, from);
    for (size_t i = 0; i + 1 < n; i++) {
        struct sound again;
        int64_t at = from - blocks[i].offset / ticks;
        if (blocks[i].len > 0 && !read_sound(p->codec, blocks[i].at, blocks[i].len, &again)) {
            restore(b, at, at + again.quanta);
        }
    }
    b->discarded += !take(b, p, from, &sound);
    note_newest(b, p);
    return 0;
}

/* All packets of an event have the time-stamp of its beginning; a long one is told in segments that
 * follow each other without a marker (RFC 4733, section 2.5.1.3). */
static void count_event(struct sq_audio_buffer *b, const struct sq_media_packet *p, uint8_t event,
                        bool end)
{
    static const char names[] = "0123456789*#ABCD";
    uint32_t since = p->timestamp - b->event_timestamp;
    bool goes_on = b->have_event && event == b->event && !b->event_ended && !p->marker &&
                   since % UINT16_MAX == 0 && since / UINT16_MAX <= 8;
    if (b->have_event && (since == 0 || since > INT32_MAX)) {
        b->event_ended = b->event_ended || (end && since == 0);
        return; /* of the one at hand, or late */
    }
    b->have_event = true;
    b->event_timestamp = p->timestamp;
    b->event = event;
    b->event_ended = end;
    if (goes_on) {
        return;
    }
    b->events++;
    if (event < sizeof(names) - 1) {
        if (b->digit_count == SQ_AUDIO_DIGITS_MAX) {
            memmove(b->digits, b->digits + 1, SQ_AUDIO_DIGITS_MAX - 1);
            b->digit_count--;
        }
        b->digits[b->digit_count++] = names[event];
        b->digits[b->digit_count] = '\0';
    }
}

int sq_audio_buffer_event(struct sq_audio_buffer *b, const struct sq_media_packet *p)
{
    struct sq_wire w = sq_wire_reader(p->payload, p->len);
    uint8_t event = sq_wire_u8(&w); /* RFC 4733, section 2.3 */
    uint8_t flags = sq_wire_u8(&w);
    uint16_t duration = sq_wire_u16(&w);
    if (w.err) {
        b->bad++;
        return w.err;
    }
    count_event(b, p, event, (flags & 0x80) != 0);
    sq_audio_buffer_play(b, p->now_ns);
    const struct sq_codec_info *info = sq_codec_info((enum sq_codec)b->codec);
    if (!b->started) {
        return 0;
    }
    struct sq_media_packet sound = *p;
    sound.codec = (enum sq_codec)b->codec;
    unsigned ticks = ticks_of(info->clock_hz);
    int64_t from = place(b, &sound, ticks);
    b->have_event = true; /* whatever begins anew for a long event's sake, the event does not */
    int64_t to = from + duration / ticks;
    bool end = (flags & 0x80) != 0;
    if (from > b->event_from || (from == b->event_from && (end || !b->event_ended))) {
        b->event_from = from;
        b->event_to = to + (end ? 0 : EVENT_MORE);
    }
    from = from > b->next ? from : b->next;
    if (to > from && to <= b->next + WINDOW) {
        /* A key in a pause of DTX does not end it: NetEQ stays with comfort noise until the next
         * packet of sound. */
        bool paused = b->dtx_end == b->newest;
        (void)hold(b, from, to);
        b->dtx_end = paused ? b->newest : b->dtx_end;
    }
    /* Numbers go on with the events'. */
    b->last_seq = (int16_t)(p->seq - b->last_seq) > 0 ? p->seq : b->last_seq;
    return 0;
}

void sq_audio_buffer_stats(const struct sq_audio_buffer *b, struct sq_audio_stats *ret_stats)
{
    const struct sq_codec_info *info = sq_codec_info((enum sq_codec)b->codec);
    uint32_t hz = b->codec == SQ_CODEC_G722 ? 16000 : info->clock_hz;
    uint64_t samples = hz / SQ_AUDIO_QUANTA_PER_SEC;
    *ret_stats = (struct sq_audio_stats){
        .packets_received = b->packets,
        .packets_discarded = b->discarded,
        .packets_bad = b->bad,
        .total_samples_received = b->played * samples,
        .concealed_samples = b->concealed * samples,
        .silent_concealed_samples = b->silent_concealed * samples,
        .concealment_events = b->concealment_events,
        .inserted_samples = b->inserted * samples,
        .removed_samples = b->removed * samples,
        .silent_samples = b->silent * samples,
        .restored_samples = b->restored * samples,
        .jitter_buffer_delay_s = b->delay_sum * (double)samples,
        .jitter_buffer_target_delay_s = b->target_sum * (double)samples,
        .jitter_buffer_emitted = b->emitted * samples,
        .target_delay_ms = (double)(b->target / MS_QUANTA),
        .events = b->events,
        .sampling_hz = hz,
    };
    memcpy(ret_stats->digits, b->digits, sizeof(b->digits));
}

#include "media/opus.h"

#include "base/time.h"
#include <string.h>

#define QUANTUM        SQ_OPUS_QUANTUM_SAMPLES
#define TICKS_PER_MS   (SQ_OPUS_CLOCK_HZ / 1000)
#define DELAY_START    (60 * TICKS_PER_MS)
#define DELAY_LEAST    (40 * TICKS_PER_MS)
#define DELAY_MOST     (400 * TICKS_PER_MS)
#define DELAY_STEP     (10 * TICKS_PER_MS)
#define LATE_MARGIN    (20 * TICKS_PER_MS)
#define LATE_RUN       10 /* packets in a row too late: the path itself became longer */
#define MIN_WINDOW_NS  (10 * SQ_NS_PER_SEC)
#define FRAME_MAX      1275 /* RFC 6716, section 3.2.1 */
#define PACKET_SAMPLES 5760 /* 120 ms */
#define JUMP_TICKS     (10LL * SQ_OPUS_CLOCK_HZ)

/* RFC 6716, section 3.1, table 2. */
static unsigned samples_of_config(unsigned config)
{
    static const uint16_t silk[4] = {480, 960, 1920, 2880};
    static const uint16_t celt[4] = {120, 240, 480, 960};
    if (config < 12) {
        return silk[config & 3];
    }
    return config < 16 ? silk[config & 1] : celt[config & 3];
}

/* A frame length of one or two bytes (section 3.2.1); its size in bytes, or 0 if it is cut off. */
static size_t read_length(const uint8_t *at, size_t left, size_t *ret_length)
{
    if (left == 0) {
        return 0;
    }
    if (at[0] < 252) {
        *ret_length = at[0];
        return 1;
    }
    if (left < 2) {
        return 0;
    }
    *ret_length = (size_t)at[1] * 4 + at[0];
    return 2;
}

/* Frame count and longest frame of a code 3 packet (section 3.2.5). */
static int parse_code3(const uint8_t *payload, size_t len, unsigned frame_samples,
                       unsigned *ret_frames, size_t *ret_longest)
{
    if (len < 2) {
        return SQ_ERR_FORMAT;
    }
    unsigned frames = payload[1] & 0x3f;
    bool vbr = (payload[1] & 0x80) != 0;
    size_t pos = 2;
    size_t padding = 0;
    if (frames == 0 || frames * frame_samples > PACKET_SAMPLES) {
        return SQ_ERR_FORMAT; /* R5 */
    }
    for (bool more = (payload[1] & 0x40) != 0; more; pos++) {
        if (pos >= len) {
            return SQ_ERR_FORMAT;
        }
        more = payload[pos] == 255;
        padding += more ? 254 : payload[pos];
    }
    if (padding > len - pos) {
        return SQ_ERR_FORMAT; /* R6, R7 */
    }
    size_t end = len - padding;
    size_t longest = 0;
    size_t sum = 0;
    for (unsigned i = 0; vbr && i + 1 < frames; i++) {
        size_t length = 0;
        size_t n = read_length(payload + pos, end - pos, &length);
        if (n == 0) {
            return SQ_ERR_FORMAT;
        }
        pos += n;
        sum += length;
        longest = length > longest ? length : longest;
    }
    if (sum > end - pos) {
        return SQ_ERR_FORMAT;
    }
    size_t rest = end - pos - sum;
    if (!vbr) {
        if (rest % frames != 0) {
            return SQ_ERR_FORMAT;
        }
        rest /= frames;
    }
    *ret_frames = frames;
    *ret_longest = rest > longest ? rest : longest;
    return 0;
}

int sq_opus_parse(const uint8_t *payload, size_t len, struct sq_opus_packet *ret_packet)
{
    if (len == 0) {
        return SQ_ERR_TRUNCATED; /* R1 */
    }
    unsigned config = payload[0] >> 3;
    unsigned frame_samples = samples_of_config(config);
    unsigned frames = 1;
    size_t longest = len - 1;
    size_t first = 0;
    size_t n;
    int err;
    switch (payload[0] & 3) {
    case 0:
        break;
    case 1:
        if ((len - 1) % 2 != 0) {
            return SQ_ERR_FORMAT; /* R3 */
        }
        frames = 2;
        longest = (len - 1) / 2;
        break;
    case 2:
        n = read_length(payload + 1, len - 1, &first);
        if (n == 0 || first > len - 1 - n) {
            return SQ_ERR_FORMAT; /* R4 */
        }
        frames = 2;
        longest = len - 1 - n - first > first ? len - 1 - n - first : first;
        break;
    default:
        err = parse_code3(payload, len, frame_samples, &frames, &longest);
        if (err) {
            return err;
        }
        break;
    }
    if (longest > FRAME_MAX) {
        return SQ_ERR_FORMAT; /* R2 */
    }
    *ret_packet = (struct sq_opus_packet){
        .mode = config < 12 ? SQ_OPUS_SILK : (config < 16 ? SQ_OPUS_HYBRID : SQ_OPUS_CELT),
        .stereo = (payload[0] & 4) != 0,
        .dtx = longest <= 1,
        .frames = (uint8_t)frames,
        .frame_samples = (uint16_t)frame_samples,
        .samples = (uint16_t)(frames * frame_samples)};
    return 0;
}

/* ---- play-out model ---- */

void sq_opus_tracker_init(struct sq_opus_tracker *t)
{
    *t = (struct sq_opus_tracker){.delay_ticks = DELAY_START};
}

void sq_opus_tracker_pause(struct sq_opus_tracker *t)
{
    t->started = false;
}

static bool held(const struct sq_opus_tracker *t, int64_t quantum)
{
    uint64_t i = (uint64_t)quantum % SQ_OPUS_WINDOW_QUANTA;
    return t->held[i / 64] >> (i % 64) & 1;
}

static void set_held(struct sq_opus_tracker *t, int64_t quantum, bool on)
{
    uint64_t i = (uint64_t)quantum % SQ_OPUS_WINDOW_QUANTA;
    uint64_t bit = UINT64_C(1) << (i % 64);
    t->held[i / 64] = on ? t->held[i / 64] | bit : t->held[i / 64] & ~bit;
}

static int64_t ticks_since_base(const struct sq_opus_tracker *t, uint64_t now_ns)
{
    return (int64_t)((now_ns - t->base_ns) / 125000 * 6 +
                     (now_ns - t->base_ns) % 125000 * 6 / 125000);
}

static void begin(struct sq_opus_tracker *t, uint64_t now_ns, uint32_t timestamp)
{
    memset(t->held, 0, sizeof(t->held));
    t->started = true;
    t->concealing = t->dtx = t->playing = false;
    t->late_in_a_row = 0;
    t->base_ns = t->window_ns = now_ns;
    t->last_timestamp = timestamp;
    /* A window before zero is left for packets that overtook each other. */
    t->last_ticks = (int64_t)SQ_OPUS_WINDOW_QUANTA * QUANTUM;
    t->known_until = t->play_at = SQ_OPUS_WINDOW_QUANTA;
    t->transit_min = t->transit_min_before = -t->last_ticks;
}

static void play_known(struct sq_opus_tracker *t, int64_t until)
{
    struct sq_opus_stats *st = &t->stats;
    for (; t->play_at < until; t->play_at++) {
        bool here = held(t, t->play_at);
        st->total_samples_received += QUANTUM;
        if (!here) {
            st->concealed_samples += QUANTUM;
            st->concealment_events += !t->concealing;
        }
        t->concealing = !here;
        set_held(t, t->play_at, false);
    }
}

void sq_opus_tracker_play(struct sq_opus_tracker *t, uint64_t now_ns)
{
    if (!t->started || now_ns < t->base_ns) {
        return;
    }
    int64_t least = t->transit_min < t->transit_min_before ? t->transit_min : t->transit_min_before;
    int64_t position = ticks_since_base(t, now_ns) - least - t->delay_ticks;
    int64_t until = position < 0 ? 0 : position / QUANTUM;
    if (until <= t->play_at) {
        return;
    }
    t->playing = true;
    play_known(t, until < t->known_until ? until : t->known_until);
    if (until > t->play_at) { /* nothing is there: silence that was announced, or a gap */
        uint64_t samples = (uint64_t)(until - t->play_at) * QUANTUM;
        t->stats.total_samples_received += samples;
        if (t->dtx) {
            t->stats.silent_samples += samples;
        } else {
            t->stats.concealed_samples += samples;
            t->stats.concealment_events += !t->concealing;
            t->concealing = true;
        }
        t->play_at = t->known_until = until;
    }
}

/* The least transit time of the latest 10 to 20 s: it follows the drift of the clocks and a path
 * that became longer. */
static void follow_transit(struct sq_opus_tracker *t, uint64_t now_ns, int64_t ticks)
{
    int64_t transit = ticks_since_base(t, now_ns) - ticks;
    if (now_ns - t->window_ns >= MIN_WINDOW_NS) {
        t->window_ns = now_ns;
        t->transit_min_before = t->transit_min;
        t->transit_min = transit;
        if (!t->late_in_window && t->delay_ticks > DELAY_LEAST) {
            t->delay_ticks -= DELAY_STEP;
        }
        t->late_in_window = false;
    }
    if (transit < t->transit_min) {
        t->transit_min = transit;
    }
}

/* Play-out was ahead of a packet: had the delay been this, the packet were in time. */
static void raise_delay(struct sq_opus_tracker *t, int64_t ticks)
{
    int64_t wanted = t->delay_ticks + (t->play_at * QUANTUM - ticks) + LATE_MARGIN;
    t->delay_ticks = wanted > DELAY_MOST ? DELAY_MOST : (uint32_t)wanted;
    t->late_in_window = true;
}

/* Marks [from, to) as received; false if all of it was so already. */
static bool hold(struct sq_opus_tracker *t, int64_t from, int64_t to)
{
    bool fresh = false;
    for (int64_t q = from; q < to; q++) {
        fresh = fresh || !held(t, q);
        set_held(t, q, true);
    }
    return fresh;
}

int sq_opus_tracker_push(struct sq_opus_tracker *t, uint64_t now_ns, uint16_t seq,
                         uint32_t timestamp, const uint8_t *payload, size_t len)
{
    struct sq_opus_packet p;
    int err = sq_opus_parse(payload, len, &p);
    if (err) {
        t->stats.packets_bad++;
        return err;
    }
    t->stats.packets_received++;
    t->stats.dtx_packets += p.dtx;
    sq_opus_tracker_play(t, now_ns);
    int64_t ahead = (int32_t)(timestamp - t->last_timestamp);
    if (!t->started || now_ns < t->base_ns || ahead > JUMP_TICKS || ahead < -JUMP_TICKS) {
        begin(t, now_ns, timestamp);
        ahead = 0;
        t->last_seq = (uint16_t)(seq - 1);
    }
    int64_t ticks = t->last_ticks + ahead;
    int64_t from = ticks >= 0 ? ticks / QUANTUM : -1;
    int64_t to = from + p.samples / QUANTUM;
    if (from >= 0 && from < t->play_at && !t->playing) {
        t->play_at = from; /* overtaken on its way, and still in time */
    }
    if (to <= t->play_at && (from < 0 || t->late_in_a_row + 1 < LATE_RUN)) {
        t->stats.packets_discarded++;
        t->late_in_a_row++;
        raise_delay(t, ticks);
        return 0;
    }
    if (to <= t->play_at) { /* the path itself became longer: play-out falls back to where it is */
        memset(t->held, 0, sizeof(t->held));
        t->play_at = t->known_until = from;
        t->transit_min = t->transit_min_before = ticks_since_base(t, now_ns) - ticks;
        t->late_in_window = true;
    } else if (from < t->play_at) { /* its front is missed */
        raise_delay(t, ticks);
    }
    t->late_in_a_row = 0;
    follow_transit(t, now_ns, ticks);
    if (to > t->play_at + SQ_OPUS_WINDOW_QUANTA) { /* the sender's clock leapt */
        begin(t, now_ns, timestamp);
        ticks = t->last_ticks;
        from = ticks / QUANTUM;
        to = from + p.samples / QUANTUM;
    } else if (from > t->known_until && seq == (uint16_t)(t->last_seq + 1)) {
        /* The packet before this one was the last before it: nothing was sent in between. */
        (void)hold(t, t->known_until, from);
        t->stats.silent_samples += (uint64_t)(from - t->known_until) * QUANTUM;
    }
    bool fresh = hold(t, from > t->play_at ? from : t->play_at, to);
    t->stats.packets_played += fresh;
    t->stats.packets_discarded += !fresh;
    if (ticks >= t->last_ticks) {
        t->last_ticks = ticks;
        t->last_timestamp = timestamp;
        t->last_seq = seq;
        t->dtx = p.dtx;
    }
    t->known_until = to > t->known_until ? to : t->known_until;
    return 0;
}

/* Whether what --pt says of a recording can be true. Nothing of RTP tells the codec: it shows by
 * what the packets hold, and by how fast their time-stamps run. PCMU, PCMA and G.722 look alike. */
#include "base/str.h"
#include "base/time.h"
#include "media/opus.h"
#include "run/replay_int.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CLOCK_GAP_NS (200 * SQ_NS_PER_MS) /* after a longer one the clock is looked at anew */
#define CLOCK_PIECE_NS                                                                             \
    (500 * SQ_NS_PER_MS) /* without such a gap: one look; short bursts are less */
#define CLOCK_LOOKS 2    /* of a recording whose clock can be told */
#define CLOCK_MOST  256  /* looks; the first are enough */
#define CLOCK_OFF   0.25 /* 48 from 90 kHz is more, drift and jitter are less */

int sq_replay_types_came(const struct sq_replay *replay, const char *path,
                         char why[static SQ_REPLAY_WHY_MAX])
{
    unsigned missing = 0;
    while (missing < SQ_REPLAY_PTS &&
           (!replay->named[missing] || replay->came[missing] > 0 || replay->inside[missing])) {
        missing++;
    }
    if (missing == SQ_REPLAY_PTS) {
        return 0;
    }
    char types[160] = "";
    size_t len = 0;
    for (unsigned pt = 0; pt < SQ_REPLAY_PTS && len + 32 < sizeof(types); pt++) {
        if (replay->came[pt] > 0) {
            int n = snprintf(types + len, sizeof(types) - len, "%s%u (%u packets)", len ? ", " : "",
                             pt, replay->came[pt]);
            len += n > 0 ? (size_t)n : 0;
        }
    }
    snprintf(why, SQ_REPLAY_WHY_MAX,
             "%u=…: %.120s has no packet of payload type %u; expected one that it has: %s", missing,
             path, missing, types[0] ? types : "there is no RTP in it");
    return SQ_ERR_NOTFOUND;
}

#define OTHER_MAX 80

/* What its packets of video make pictures of, where they make none of what they are taken for. */
static void find_codec(const struct sq_replay *replay, char text[static OTHER_MAX])
{
    static const enum sq_codec codecs[] = {SQ_CODEC_VP8, SQ_CODEC_VP9, SQ_CODEC_H264, SQ_CODEC_AV1};
    enum sq_codec best = SQ_CODEC_NONE;
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
        uint64_t frames = sq_replay_frames(replay, codecs[i]);
        best = frames > most ? codecs[i] : best;
        most = frames > most ? frames : most;
    }
    snprintf(text, OTHER_MAX, "nor of any other codec");
    if (most > 0) {
        snprintf(text, OTHER_MAX, "of %s they make %llu", sq_codec_info(best)->name,
                 (unsigned long long)most);
    }
}

static bool has_audio(const struct sq_replay *replay)
{
    return replay->streams[SQ_MEDIA_AUDIO].packets > 0;
}

static int refuse_video(const struct sq_replay *replay, bool audio,
                        char why[static SQ_REPLAY_WHY_MAX])
{
    const struct sq_replay_stream *stream = &replay->streams[SQ_MEDIA_VIDEO];
    const char *name = sq_codec_info(stream->codec)->name;
    char other[OTHER_MAX];
    find_codec(replay, other);
    snprintf(why, SQ_REPLAY_WHY_MAX,
             "--pt says that payload type %u is %s, but its %llu packets make no picture of %s, "
             "%s%s",
             stream->pt, name, (unsigned long long)stream->packets, name, other,
             audio && has_audio(replay) ? "; --no-video sends its audio alone" : "");
    return SQ_ERR_FORMAT;
}

int sq_replay_shows(const struct sq_replay *replay, bool audio, char why[static SQ_REPLAY_WHY_MAX])
{
    const struct sq_replay_stream *stream = &replay->streams[SQ_MEDIA_VIDEO];
    if (replay->frames > 0 || stream->codec == SQ_CODEC_NONE) {
        return 0;
    }
    const char *name = sq_codec_info(stream->codec)->name;
    char other[OTHER_MAX];
    find_codec(replay, other);
    if (audio && has_audio(replay)) { /* the service would be blamed for its video */
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 "its video cannot be shown: expected a whole key frame of %s among its %llu "
                 "packets, which make no picture of it, %s; --no-video sends its audio alone",
                 name, (unsigned long long)stream->packets, other);
    } else {
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 "nothing of it can be played: expected audio, or a whole key frame of %s among "
                 "its %llu packets of video, which make no picture of it, %s",
                 name, (unsigned long long)stream->packets, other);
    }
    return SQ_ERR_NOTFOUND;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *numbers, size_t n)
{
    qsort(numbers, n, sizeof(*numbers), by_size);
    return (numbers[(n - 1) / 2] + numbers[n / 2]) / 2;
}

/* How many ticks a second its time-stamps run, where that is not `hz`; NAN where it is, or the
 * recording is too short to tell. A call on hold, or silence that is not sent, is a gap over which
 * time-stamps need not have gone on, and a change of the sender is a jump: so many short pieces
 * without a gap are looked at, and most of them have to say so. */
static double other_clock(const struct sq_replay *replay, double hz)
{
    double rates[CLOCK_MOST];
    size_t n = 0;
    size_t off = 0;
    const struct sq_replay_packet *first = NULL; /* of a piece */
    const struct sq_replay_packet *last = NULL;
    for (size_t i = 0; i < replay->packets_len && n < CLOCK_MOST; i++) {
        const struct sq_replay_packet *p = &replay->packets[i];
        if (p->video) {
            continue;
        }
        first = first && p->ns - last->ns <= CLOCK_GAP_NS ? first : p;
        last = p;
        if (p->ns - first->ns >= CLOCK_PIECE_NS) {
            double seconds = (double)(p->ns - first->ns) / 1e9;
            rates[n] = (double)(uint32_t)(p->ts - first->ts) / seconds;
            off += fabs(rates[n++] / hz - 1) > CLOCK_OFF;
            first = p;
        }
    }
    return n >= CLOCK_LOOKS && 2 * off > n ? median(rates, n) : NAN;
}

static uint64_t opus_packets(const struct sq_replay *replay)
{
    uint64_t good = 0;
    for (size_t i = 0; i < replay->packets_len; i++) {
        const struct sq_replay_packet *p = &replay->packets[i];
        struct sq_opus_packet opus;
        good += !p->video && sq_opus_parse(p->payload, p->len, &opus) == 0;
    }
    return good;
}

static int check_audio(const struct sq_replay *replay, char why[static SQ_REPLAY_WHY_MAX])
{
    const struct sq_replay_stream *stream = &replay->streams[SQ_MEDIA_AUDIO];
    const struct sq_codec_info *info = sq_codec_info(stream->codec);
    double hz = other_clock(replay, info->clock_hz);
    if (!isnan(hz)) {
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 "--pt says that payload type %u is %s, whose time-stamps count %u a second, but "
                 "those of its packets count about %.0f",
                 stream->pt, info->name, info->clock_hz, hz);
        return SQ_ERR_FORMAT;
    }
    uint64_t good = stream->codec == SQ_CODEC_OPUS ? opus_packets(replay) : stream->packets;
    if (2 * good < stream->packets) {
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 "--pt says that payload type %u is %s, but %llu of its %llu packets are none of "
                 "%s",
                 stream->pt, info->name, (unsigned long long)(stream->packets - good),
                 (unsigned long long)stream->packets, info->name);
        return SQ_ERR_FORMAT;
    }
    return 0;
}

int sq_replay_codecs_fit(const struct sq_replay *replay, bool audio, bool video,
                         char why[static SQ_REPLAY_WHY_MAX])
{
    const struct sq_replay_stream *streams = replay->streams;
    if (audio && streams[SQ_MEDIA_AUDIO].by_hand && has_audio(replay)) {
        int err = check_audio(replay, why);
        if (err) {
            return err;
        }
    }
    bool seen = video && streams[SQ_MEDIA_VIDEO].by_hand && streams[SQ_MEDIA_VIDEO].packets > 0;
    return seen && replay->frames == 0 ? refuse_video(replay, audio, why) : 0;
}

#include "run/record.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/wire.h"
#include "media/frames.h"
#include "media/mux/ogg.h"
#include "media/mux/rtpfile.h"
#include "media/mux/wav.h"
#include "media/mux/webm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX    SQ_RECORD_STREAMS_MAX
#define PENDING_MAX    512                 /* packets of audio that wait for the first key frame */
#define ALONE_AFTER_NS (5 * SQ_NS_PER_SEC) /* sound waits so long for its picture */
#define REANCHOR_MS    2000 /* time-stamps that run away from the clock so far began anew */
#define PATH_MAX_BYTES 4096
#define NAME_MAX_BYTES 96
#define OUT            1 /* index of what is sent; 0: received */

struct out_file {
    struct sq_file *file; /* NULL: none */
    struct sq_mux_sink sink;
};

struct pending {
    struct pending *next;
    uint64_t ms, ticks;
    size_t len;
    uint8_t bytes[];
};

/* Picture and sound that belong together: the n-th video and the n-th audio track of one way. */
struct group {
    struct sq_recorder *recorder;
    unsigned number, way;
    bool started;
    uint64_t start_ns; /* arrival of its first frame */
    bool expects_video, expects_opus, video_failed, sound_alone;
    struct out_file movie;
    struct sq_webm *webm;
    struct pending *first, **last; /* sound that waits for the movie to begin */
    size_t pending_len;
};

struct stream {
    struct sq_recorder *recorder;
    struct group *group;
    struct sq_track *track;
    unsigned way, number; /* number: among those of its kind */
    bool video;
    struct sq_frames *frames; /* NULL: no media format is wanted */
    bool anchored;
    uint32_t clock_hz, last_ts;
    uint64_t base_ms, ticks; /* ticks since the stream's first frame */
    struct out_file sound, dump;
    struct sq_ogg *ogg;
    struct sq_wav *wav;
    uint64_t dump_start_ns;
};

struct sq_recorder {
    const struct sq_record_plan *plan;
    char name[NAME_MAX_BYTES];
    int64_t wall_offset_ns;
    struct sq_addr local, remote;
    struct out_file pcap;
    bool pcap_failed;
    struct stream *streams[STREAMS_MAX];
    size_t streams_len;
    struct group *groups[STREAMS_MAX];
    size_t groups_len;
    uint64_t audio_in, video_in, out; /* packets */
};

const char *const sq_record_format_names[] = {"webm", "ogg", "rtpdump", "pcap", NULL};

int sq_record_formats(const char *text, unsigned *ret_formats)
{
    struct sq_view rest = sq_view_of(text);
    unsigned formats = 0;
    while (rest.at) {
        struct sq_view word = sq_view_cut(&rest, ',');
        unsigned bit = 0;
        for (unsigned i = 0; sq_record_format_names[i]; i++) {
            bit |= sq_view_is(word, sq_record_format_names[i]) ? 1U << i : 0;
        }
        if (!bit) {
            return SQ_ERR_FORMAT;
        }
        formats |= bit;
    }
    *ret_formats = formats;
    return 0;
}

/* ---- Files ---- */

static void on_append(void *ctx, const void *bytes, size_t len)
{
    sq_file_append(ctx, bytes, len);
}

static void on_patch(void *ctx, uint64_t at, const void *bytes, size_t len)
{
    sq_file_patch(ctx, at, bytes, len);
}

/* "DIR/NAME-REST". What cannot be made is left out; the run's place was tried before. */
static bool open_file(struct sq_recorder *r, struct out_file *out, const char *rest)
{
    char path[PATH_MAX_BYTES];
    int n = snprintf(path, sizeof(path), "%s/%s%s", r->plan->dir, r->name, rest);
    if (n < 0 || (size_t)n >= sizeof(path) || sq_file_new(r->plan->writer, path, &out->file) != 0) {
        return false;
    }
    out->sink = (struct sq_mux_sink){.ctx = out->file, .append = on_append, .patch = on_patch};
    return true;
}

static void close_file(struct out_file *out)
{
    sq_file_close(out->file);
    out->file = NULL;
}

static const char *way_name(unsigned way)
{
    return way == OUT ? "out" : "in";
}

/* ---- Frames ---- */

/* Milliseconds of the group's time: the clock of arrival to begin with, and then the stream's own.
 */
static uint64_t time_of(struct stream *s, const struct sq_media_frame *frame)
{
    struct group *g = s->group;
    if (!g->started) {
        g->started = true;
        g->start_ns = frame->first_packet_ns;
    }
    uint64_t since_ns =
        frame->first_packet_ns > g->start_ns ? frame->first_packet_ns - g->start_ns : 0;
    uint64_t arrival_ms = since_ns / SQ_NS_PER_MS;
    if (!s->anchored) {
        s->anchored = true;
        s->base_ms = arrival_ms;
    } else {
        int64_t ticks = (int64_t)s->ticks + (int32_t)(frame->timestamp - s->last_ts);
        uint64_t passed_ms = arrival_ms > s->base_ms ? arrival_ms - s->base_ms : 0;
        int64_t expected = (int64_t)(passed_ms * s->clock_hz / 1000);
        int64_t bound = (int64_t)REANCHOR_MS * s->clock_hz / 1000;
        if (ticks < expected - bound || ticks > expected + bound) {
            ticks = expected > (int64_t)s->ticks ? expected : (int64_t)s->ticks;
        }
        s->ticks = ticks > 0 ? (uint64_t)ticks : 0;
    }
    s->last_ts = frame->timestamp;
    return s->base_ms + s->ticks * 1000 / s->clock_hz;
}

static void write_movie(struct group *g, bool video, uint64_t ms, bool key, const uint8_t *bytes,
                        size_t len)
{
    /* Without memory for it a frame is missing from the file. */
    int err = sq_webm_frame(g->webm, video, ms, key, bytes, len);
    (void)err;
    sq_file_item(g->movie.file);
}

static void drop_pending(struct group *g)
{
    while (g->first) {
        struct pending *p = g->first;
        g->first = p->next;
        sq_free(p);
    }
    g->last = &g->first;
    g->pending_len = 0;
}

/* The movie begins with the first key frame: only then is its size known. */
static void begin_movie(struct group *g, const struct sq_media_frame *key)
{
    struct sq_recorder *r = g->recorder;
    char rest[32];
    bool sound = g->expects_opus && !g->sound_alone; /* it may come later than the picture */
    snprintf(rest, sizeof(rest), "-%s-%u.%s", way_name(g->way), g->number + 1,
             sq_webm_suffix(key->codec));
    const struct sq_webm_config config = {
        .video = key->codec,
        .audio = sound ? SQ_CODEC_OPUS : SQ_CODEC_NONE,
        .width = key->width,
        .height = key->height,
        .channels = 2,
        .wall_ns = (uint64_t)((int64_t)g->start_ns + r->wall_offset_ns),
        .key_frame = key->bytes,
        .key_frame_len = key->len,
    };
    if (!open_file(r, &g->movie, rest) || sq_webm_new(&config, &g->movie.sink, &g->webm) != 0) {
        g->video_failed = true;
        drop_pending(g);
        return;
    }
    sq_file_head(g->movie.file);
    g->sound_alone = !sound;
    for (struct pending *p = g->first; sound && p; p = p->next) {
        write_movie(g, false, p->ms, true, p->bytes, p->len);
    }
    drop_pending(g);
}

/* Only where movies are wanted: else its frames are not put together. */
static void on_picture(struct stream *s, const struct sq_media_frame *frame)
{
    struct group *g = s->group;
    uint64_t ms = time_of(s, frame);
    if (!g->webm && frame->key && !g->video_failed) {
        begin_movie(g, frame);
    }
    if (g->webm) {
        if (frame->key) {
            sq_webm_size(g->webm, frame->width, frame->height);
        }
        write_movie(g, true, ms, frame->key, frame->bytes, frame->len);
    }
}

/* Sound by itself: asked for, or because there is no picture, or because the movie cannot hold it.
 */
static void write_sound(struct stream *s, enum sq_codec codec, uint64_t ticks, const uint8_t *bytes,
                        size_t len)
{
    char rest[32];
    bool opus = codec == SQ_CODEC_OPUS;
    bool wav = sq_wav_holds(codec);
    if (!s->sound.file && (opus || wav)) {
        snprintf(rest, sizeof(rest), "-%s-%u.%s", way_name(s->way), s->number + 1,
                 opus ? "ogg" : "wav");
        if (!open_file(s->recorder, &s->sound, rest)) {
            return;
        }
        int err = opus ? sq_ogg_new(2, s->number + 1, &s->sound.sink, &s->ogg)
                       : sq_wav_new(codec, &s->sound.sink, &s->wav);
        (void)err; /* for want of memory; the file stays empty */
        sq_file_head(s->sound.file);
    }
    if (opus && s->ogg) {
        int err = sq_ogg_packet(s->ogg, ticks, bytes, len);
        (void)err; /* what is not Opus is left out */
    } else if (wav && s->wav) {
        sq_wav_bytes(s->wav, ticks, bytes, len);
    }
    if (s->sound.file) {
        sq_file_item(s->sound.file);
    }
}

static void wait_for_picture(struct group *g, uint64_t ms, const struct sq_media_frame *frame)
{
    struct pending *p = g->pending_len < PENDING_MAX ? sq_malloc(sizeof(*p) + frame->len) : NULL;
    if (p) {
        *p = (struct pending){.ms = ms, .len = frame->len};
        memcpy(p->bytes, frame->bytes, frame->len);
        *g->last = p;
        g->last = &p->next;
        g->pending_len++;
    }
}

/* Without a picture: what waited for it is written now, where it is not a file of its own anyway.
 */
static void write_waiting(struct stream *s)
{
    struct group *g = s->group;
    bool written = s->recorder->plan->formats & SQ_RECORD_OGG;
    for (struct pending *p = g->first; p && !written; p = p->next) {
        write_sound(s, SQ_CODEC_OPUS, p->ms * 48, p->bytes, p->len);
    }
    drop_pending(g);
}

static void on_sound(struct stream *s, const struct sq_media_frame *frame)
{
    struct group *g = s->group;
    unsigned formats = s->recorder->plan->formats;
    uint64_t ms = time_of(s, frame);
    bool in_movie = g->expects_video && frame->codec == SQ_CODEC_OPUS && !g->sound_alone;
    if (in_movie && !g->webm && !g->video_failed && frame->now_ns > g->start_ns + ALONE_AFTER_NS) {
        g->sound_alone = true;
        write_waiting(s);
    }
    in_movie = in_movie && !g->sound_alone && !g->video_failed;
    if (in_movie && (formats & SQ_RECORD_MEDIA)) {
        if (g->webm) {
            write_movie(g, false, ms, true, frame->bytes, frame->len);
        } else {
            wait_for_picture(g, ms, frame);
        }
    }
    if ((formats & SQ_RECORD_OGG) || ((formats & SQ_RECORD_MEDIA) && !in_movie)) {
        write_sound(s, frame->codec, s->ticks, frame->bytes, frame->len);
    }
}

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct stream *s = ctx;
    s->clock_hz = sq_codec_info(frame->codec)->clock_hz;
    if (s->clock_hz == 0) {
        return;
    }
    if (s->video) {
        on_picture(s, frame);
    } else {
        on_sound(s, frame);
    }
}

/* ---- Streams ---- */

static struct group *group_of(struct sq_recorder *r, unsigned way, unsigned number)
{
    for (size_t i = 0; i < r->groups_len; i++) {
        if (r->groups[i]->way == way && r->groups[i]->number == number) {
            return r->groups[i];
        }
    }
    struct group *g = r->groups_len < STREAMS_MAX ? sq_zalloc(sizeof(*g)) : NULL;
    if (g) {
        g->recorder = r;
        g->way = way;
        g->number = number;
        g->last = &g->first;
        r->groups[r->groups_len++] = g;
    }
    return g;
}

static bool goes(const struct sq_track *track, unsigned way)
{
    enum sq_direction wanted = way == OUT ? SQ_DIR_SENDONLY : SQ_DIR_RECVONLY;
    return (sq_track_current_direction(track) & wanted) != 0;
}

/* Which of its kind the track is. */
static unsigned number_of(struct sq_peer *peer, const struct sq_track *track, unsigned way)
{
    unsigned number = 0;
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        struct sq_track *other = sq_peer_track(peer, i);
        if (other == track) {
            break;
        }
        number += sq_track_kind(other) == sq_track_kind(track) && goes(other, way);
    }
    return number;
}

/* The n-th track of a kind that goes this way, or NULL: what belongs together has one number. */
static struct sq_track *companion(struct sq_peer *peer, enum sq_media_kind kind, unsigned way,
                                  unsigned number)
{
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        struct sq_track *track = sq_peer_track(peer, i);
        if (sq_track_kind(track) == kind && goes(track, way) && number-- == 0) {
            return track;
        }
    }
    return NULL;
}

static struct stream *new_stream(struct sq_recorder *r, struct sq_peer *peer,
                                 struct sq_track *track, unsigned way)
{
    unsigned number = number_of(peer, track, way);
    struct group *g = group_of(r, way, number);
    struct stream *s = g && r->streams_len < STREAMS_MAX ? sq_zalloc(sizeof(*s)) : NULL;
    if (!s) {
        return NULL;
    }
    s->recorder = r;
    s->group = g;
    s->track = track;
    s->way = way;
    s->number = number;
    s->video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    struct sq_track *sound = companion(peer, SQ_MEDIA_AUDIO, way, number);
    g->expects_video = g->expects_video || companion(peer, SQ_MEDIA_VIDEO, way, number);
    g->expects_opus =
        g->expects_opus || (sound && sq_codec_by_name(sq_track_codec(sound)) == SQ_CODEC_OPUS);
    if ((r->plan->formats & (s->video ? SQ_RECORD_MEDIA : SQ_RECORD_MEDIA | SQ_RECORD_OGG)) &&
        sq_frames_new(on_frame, s, &s->frames) != 0) {
        sq_free(s);
        return NULL;
    }
    if (s->frames) {
        sq_frames_strip_tags(s->frames);
    }
    r->streams[r->streams_len++] = s;
    return s;
}

static struct stream *stream_of(struct sq_recorder *r, struct sq_peer *peer, struct sq_track *track,
                                unsigned way)
{
    for (size_t i = 0; i < r->streams_len; i++) {
        if (r->streams[i]->track == track && r->streams[i]->way == way) {
            return r->streams[i];
        }
    }
    return new_stream(r, peer, track, way);
}

/* ---- Packets ---- */

static void write_dump(struct stream *s, const uint8_t *rtp, size_t len, uint64_t now_ns)
{
    struct sq_recorder *r = s->recorder;
    char rest[48];
    if (!s->dump.file && s->dump_start_ns == 0) {
        s->dump_start_ns = now_ns;
        snprintf(rest, sizeof(rest), "-%s-%s-%u.rtpdump", way_name(s->way),
                 s->video ? "video" : "audio", s->number + 1);
        if (open_file(r, &s->dump, rest)) {
            sq_rtpdump_head(&s->dump.sink, s->way == OUT ? &r->local : &r->remote,
                            (uint64_t)((int64_t)now_ns + r->wall_offset_ns));
            sq_file_head(s->dump.file);
        }
    }
    if (s->dump.file) {
        uint64_t ns = now_ns > s->dump_start_ns ? now_ns - s->dump_start_ns : 0;
        sq_rtpdump_packet(&s->dump.sink, (uint32_t)(ns / SQ_NS_PER_MS), rtp, len);
        sq_file_item(s->dump.file);
    }
}

static void write_pcap(struct sq_recorder *r, unsigned way, const uint8_t *rtp, size_t len,
                       uint64_t now_ns)
{
    if (!r->pcap.file && !r->pcap_failed) {
        r->pcap_failed = !open_file(r, &r->pcap, ".pcap");
        if (r->pcap.file) {
            sq_pcap_head(&r->pcap.sink);
            sq_file_head(r->pcap.file);
        }
    }
    if (r->pcap.file) {
        sq_pcap_packet(&r->pcap.sink, (uint64_t)((int64_t)now_ns + r->wall_offset_ns),
                       way == OUT ? &r->local : &r->remote, way == OUT ? &r->remote : &r->local,
                       rtp, len);
        sq_file_item(r->pcap.file);
    }
}

/* Which codec a packet carries, and whether in RED (RFC 2198). */
struct carried {
    enum sq_codec codec;
    bool red;
};

static void take(struct sq_recorder *r, struct sq_peer *peer, struct sq_track *track, unsigned way,
                 const struct sq_rtp_packet *packet, struct carried carried, uint64_t now_ns)
{
    uint8_t rebuilt[SQ_PEER_DATAGRAM_MAX];
    const uint8_t *rtp = packet->data;
    size_t len = packet->header_bytes + (size_t)packet->payload_bytes + packet->padding_bytes;
    if (packet->payload != packet->data + packet->header_bytes) { /* out of RTX: as it was meant */
        len = packet->header_bytes + (size_t)packet->payload_bytes;
        if (len > sizeof(rebuilt)) {
            return;
        }
        memcpy(rebuilt, packet->data, packet->header_bytes);
        memcpy(rebuilt + packet->header_bytes, packet->payload, packet->payload_bytes);
        rebuilt[0] &= 0xDF; /* its padding is left out */
        rebuilt[1] = (uint8_t)(packet->marker << 7 | packet->pt);
        sq_store_u16(rebuilt + 2, packet->seq);
        sq_store_u32(rebuilt + 8, packet->ssrc);
        rtp = rebuilt;
    }
    struct stream *s = stream_of(r, peer, track, way);
    if (r->plan->formats & SQ_RECORD_PCAP) {
        write_pcap(r, way, rtp, len, now_ns);
    }
    if (!s) {
        return;
    }
    if (r->plan->formats & SQ_RECORD_RTPDUMP) {
        write_dump(s, rtp, len, now_ns);
    }
    if (s->frames) {
        const struct sq_media_packet p = {.now_ns = now_ns,
                                          .payload = packet->payload,
                                          .len = packet->payload_bytes,
                                          .timestamp = packet->ts,
                                          .seq = packet->seq,
                                          .marker = packet->marker,
                                          .red = carried.red,
                                          .codec = carried.codec};
        int err = sq_frames_push(s->frames, &p);
        (void)err; /* a frame that was lost for want of memory is missing from the file */
    }
}

void sq_recorder_received(struct sq_recorder *r, struct sq_peer *peer, struct sq_track *track,
                          const struct sq_rtp_packet *packet, uint64_t now_ns)
{
    const struct carried carried = {sq_track_recv_codec(track, packet->pt),
                                    sq_track_receives_red_as(track, packet->pt)};
    *(sq_track_kind(track) == SQ_MEDIA_VIDEO ? &r->video_in : &r->audio_in) += 1;
    take(r, peer, track, 0, packet, carried, now_ns);
}

void sq_recorder_sent(struct sq_recorder *r, struct sq_peer *peer, struct sq_track *track,
                      const uint8_t *rtp, size_t len, uint64_t now_ns)
{
    struct sq_rtp_packet packet;
    if (!r->plan->sent || sq_rtp_parse(rtp, len, &packet) != 0) {
        return;
    }
    r->out++;
    if (sq_track_sends_rtx_as(track, packet.pt)) { /* no frames: they have come by themselves */
        if (r->plan->formats & SQ_RECORD_PCAP) {
            write_pcap(r, OUT, rtp, len, now_ns);
        }
    } else {
        const struct carried carried = {sq_codec_by_name(sq_track_codec(track)),
                                        sq_track_sends_red_as(track, packet.pt)};
        take(r, peer, track, OUT, &packet, carried, now_ns);
    }
}

/* ---- Life ---- */

int sq_recorder_new(const struct sq_record_plan *plan, const char *name, int64_t wall_offset_ns,
                    struct sq_recorder **ret_recorder)
{
    struct sq_recorder *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return SQ_ERR_NOMEM;
    }
    r->plan = plan;
    r->wall_offset_ns = wall_offset_ns;
    snprintf(r->name, sizeof(r->name), "%s", name);
    for (char *c = r->name; *c; c++) { /* names of files, whatever users are called */
        bool plain =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        *c = plain || *c == '-' ? *c : '_';
    }
    *ret_recorder = r;
    return 0;
}

void sq_recorder_set_pair(struct sq_recorder *r, const struct sq_addr *local,
                          const struct sq_addr *remote)
{
    r->local = *local;
    r->remote = *remote;
}

static void flush(struct out_file *out)
{
    if (out->file) {
        sq_file_flush(out->file);
    }
}

void sq_recorder_tick(struct sq_recorder *r)
{
    flush(&r->pcap);
    for (size_t i = 0; i < r->groups_len; i++) {
        flush(&r->groups[i]->movie);
    }
    for (size_t i = 0; i < r->streams_len; i++) {
        flush(&r->streams[i]->sound);
        flush(&r->streams[i]->dump);
    }
}

void sq_recorder_free(struct sq_recorder *r)
{
    if (!r) {
        return;
    }
    for (size_t i = 0; i < r->streams_len; i++) {
        if (r->streams[i]->frames) {
            sq_frames_flush(r->streams[i]->frames);
            sq_frames_free(r->streams[i]->frames);
        }
    }
    for (size_t i = 0; i < r->streams_len; i++) {
        struct stream *s = r->streams[i];
        if (!s->video) {
            write_waiting(s);
        }
        sq_ogg_finish(s->ogg);
        sq_wav_finish(s->wav);
        if (s->sound.file) {
            sq_file_item(s->sound.file); /* the only page of a short one */
        }
        close_file(&s->sound);
        close_file(&s->dump);
        sq_free(s);
    }
    for (size_t i = 0; i < r->groups_len; i++) {
        struct group *g = r->groups[i];
        sq_webm_finish(g->webm);
        close_file(&g->movie);
        drop_pending(g);
        sq_free(g);
    }
    close_file(&r->pcap);
    if (r->plan->seen) {
        atomic_fetch_add(&r->plan->seen->audio_in, r->audio_in);
        atomic_fetch_add(&r->plan->seen->video_in, r->video_in);
        atomic_fetch_add(&r->plan->seen->out, r->out);
    }
    sq_free(r);
}

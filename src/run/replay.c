#include "run/replay.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "media/depacket.h"
#include "media/frame_buffer.h"
#include "media/mux/rtpfile.h"
#include "media/red.h"
#include "peer/rtp/rtp.h"
#include "run/replay_int.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SEQ    1000 /* of what is sent, below 2^15 (RFC 3711, section 3.3.1) */
#define BURST_MAX    64   /* packets in one go */
#define FRAME_SPREAD 256  /* packets on either side, among which those of a frame are looked for */
#define LEVEL        (0x80 | 30)
#define CUT_SHORT                                                                                  \
    "cut short by the capture's snap length, which leaves nothing to measure: expected whole "     \
    "packets, as 'tcpdump -s 0' keeps them"

/* ---- The file ---- */

static int read_file(const char *path, uint8_t **ret_bytes, size_t *ret_len,
                     char why[static SQ_REPLAY_WHY_MAX])
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    size_t room = 0;
    int err = 0;
    FILE *f = fopen(path, "re");
    while (f && !err && len < SQ_REPLAY_FILE_MAX) {
        if (len == room) {
            room = room ? 2 * room : 1 << 20;
            uint8_t *grown = sq_realloc(bytes, room);
            err = grown ? 0 : SQ_ERR_NOMEM;
            bytes = grown ? grown : bytes;
        }
        size_t n = err ? 0 : fread(bytes + len, 1, room - len, f);
        len += n;
        if (n == 0) {
            break;
        }
    }
    if (!f || ferror(f)) {
        snprintf(why, SQ_REPLAY_WHY_MAX, "%.200s: %s", path, strerror(errno));
        err = SQ_ERR_IO;
    } else if (err || len >= SQ_REPLAY_FILE_MAX) {
        snprintf(why, SQ_REPLAY_WHY_MAX, "%.200s: too large to be held in memory", path);
        err = SQ_ERR_NOMEM;
    }
    if (f) {
        fclose(f);
    }
    if (err) {
        sq_free(bytes);
        return err;
    }
    *ret_bytes = bytes;
    *ret_len = len;
    return 0;
}

static int add(struct sq_replay *replay, const struct sq_replay_packet *packet)
{
    if (replay->packets_len == replay->packets_room) {
        size_t room = replay->packets_room ? 2 * replay->packets_room : 1024;
        room = sq_min_u64(room, SQ_REPLAY_PACKETS_MAX);
        struct sq_replay_packet *grown =
            room > replay->packets_room ? sq_realloc(replay->packets, room * sizeof(*grown)) : NULL;
        if (!grown) {
            return SQ_ERR_NOMEM;
        }
        replay->packets = grown;
        replay->packets_room = room;
    }
    replay->packets[replay->packets_len++] = *packet;
    return 0;
}

/* What the packet carries; of RED (RFC 2198) that is its newest block, which takes the place of the
 * payload. */
static enum sq_codec unwrap(struct sq_replay *replay, struct sq_rtp_packet *rtp)
{
    const struct sq_replay_type *type = &replay->types[rtp->pt];
    struct sq_red_block blocks[SQ_RED_BLOCKS_MAX];
    size_t n = 0;
    if (!type->red) {
        return type->codec;
    }
    if (sq_red_parse(rtp->payload, rtp->payload_bytes, blocks, &n) != 0) {
        return SQ_CODEC_NONE;
    }
    const struct sq_red_block *newest = &blocks[n - 1];
    const struct sq_replay_type *inner = &replay->types[newest->pt];
    replay->inside[newest->pt] = true;
    rtp->payload = newest->at;
    rtp->payload_bytes = newest->len;
    return inner->red ? SQ_CODEC_NONE : inner->name ? inner->codec : type->codec;
}

/* The stream that a packet belongs to, or NULL. Only fields at fixed places are read: there is no
 * more of a packet that was cut. */
static struct sq_replay_stream *stream_of(struct sq_replay *replay, enum sq_codec codec,
                                          const uint8_t *rtp)
{
    if (codec == SQ_CODEC_NONE) {
        return NULL;
    }
    struct sq_replay_stream *stream =
        &replay->streams[sq_codec_info(codec)->video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO];
    if (stream->codec == SQ_CODEC_NONE) {
        *stream = (struct sq_replay_stream){.codec = codec,
                                            .ssrc = sq_rtp_peek_ssrc(rtp),
                                            .pt = sq_rtp_peek_pt(rtp),
                                            .first_seq = sq_rtp_peek_seq(rtp),
                                            .first_ts = sq_load_u32(rtp + 4)};
    }
    return sq_rtp_peek_ssrc(rtp) == stream->ssrc && codec == stream->codec ? stream : NULL;
}

static void note_seq(struct sq_replay_stream *stream, uint16_t seq)
{
    int16_t ahead = (int16_t)((uint16_t)(seq - stream->first_seq) - (uint16_t)stream->highest);
    stream->highest += ahead > 0 ? (uint64_t)ahead : 0;
}

static int take(struct sq_replay *replay, const struct sq_rtpfile_packet *record)
{
    struct sq_rtp_packet rtp;
    if (!record->cut && sq_rtp_parse(record->rtp, record->len, &rtp) != 0) {
        replay->left_out++;
        replay->not_rtp++;
        return 0;
    }
    uint8_t pt = sq_rtp_peek_pt(record->rtp);
    enum sq_codec codec = record->cut ? replay->types[pt].codec : unwrap(replay, &rtp);
    struct sq_replay_stream *stream = stream_of(replay, codec, record->rtp);
    replay->came[pt]++;
    replay->unsent[pt] += codec == SQ_CODEC_NONE;
    if (!stream) {
        replay->left_out++;
        return 0;
    }
    if (record->cut) {
        stream->cut++;
        replay->cut++;
        note_seq(stream, sq_rtp_peek_seq(record->rtp));
        return 0;
    }
    if (rtp.payload_bytes > SQ_REPLAY_PAYLOAD_MAX) {
        replay->too_long++;
        return 0;
    }
    const struct sq_replay_packet packet = {.ns = record->ns,
                                            .payload = rtp.payload,
                                            .len = rtp.payload_bytes,
                                            .ts = rtp.ts,
                                            .seq = rtp.seq,
                                            .marker = rtp.marker,
                                            .video = stream == &replay->streams[SQ_MEDIA_VIDEO]};
    stream->packets++;
    stream->in_red += replay->types[pt].red;
    note_seq(stream, rtp.seq);
    return add(replay, &packet);
}

static struct sq_media_packet packet_of(const struct sq_replay_packet *p, enum sq_codec codec)
{
    return (struct sq_media_packet){.now_ns = p->ns,
                                    .payload = p->payload,
                                    .len = p->len,
                                    .timestamp = p->ts,
                                    .seq = p->seq,
                                    .marker = p->marker,
                                    .codec = codec};
}

uint64_t sq_replay_frames(const struct sq_replay *replay, enum sq_codec codec)
{
    struct sq_frame_buffer frames;
    sq_frame_buffer_init(&frames, SQ_NS_PER_SEC, NULL, NULL);
    for (size_t i = 0; i < replay->packets_len; i++) {
        const struct sq_replay_packet *p = &replay->packets[i];
        const struct sq_media_packet packet = packet_of(p, codec);
        int err = p->video ? sq_frame_buffer_push(&frames, &packet, false) : 0;
        (void)err; /* a bad packet: counted there, and of no frame */
    }
    sq_frame_buffer_close(&frames);
    return frames.stats.frames_decoded;
}

/* That it is a key frame stands in one of its packets, which need not come first. */
static void mark_frame(struct sq_replay *replay, size_t number)
{
    uint32_t ts = replay->packets[number].ts;
    size_t end = sq_min_u64(replay->packets_len, number + FRAME_SPREAD);
    for (size_t i = number > FRAME_SPREAD ? number - FRAME_SPREAD : 0; i < end; i++) {
        struct sq_replay_packet *p = &replay->packets[i];
        p->key = p->key || (p->video && p->ts == ts);
    }
}

static void mark_keys(struct sq_replay *replay)
{
    struct sq_depacket_state *state = NULL;
    enum sq_codec codec = replay->streams[SQ_MEDIA_VIDEO].codec;
    for (size_t i = 0; i < replay->packets_len; i++) {
        const struct sq_replay_packet *p = &replay->packets[i];
        const struct sq_media_packet packet = packet_of(p, codec);
        struct sq_part part;
        if (p->video && !p->key && sq_depacket(&packet, &state, &part) == 0 &&
            (part.flags & SQ_PART_KEY)) {
            mark_frame(replay, i);
        }
    }
    sq_depacket_state_free(state);
}

/* Times begin with the first packet and do not fall; the holes in the numbers are counted. */
static void finish(struct sq_replay *replay)
{
    uint64_t first_ns = replay->packets[0].ns;
    uint64_t last_ns = 0;
    for (int kind = 0; kind < 2; kind++) {
        struct sq_replay_stream *stream = &replay->streams[kind];
        uint64_t came = stream->packets + stream->cut;
        stream->missing =
            stream->packets > 0 && stream->highest + 1 > came ? stream->highest + 1 - came : 0;
    }
    for (size_t i = 0; i < replay->packets_len; i++) {
        struct sq_replay_packet *p = &replay->packets[i];
        p->ns = sq_max_u64(p->ns > first_ns ? p->ns - first_ns : 0, last_ns);
        last_ns = p->ns;
    }
    replay->duration_ns = last_ns;
    replay->frames = sq_replay_frames(replay, replay->streams[SQ_MEDIA_VIDEO].codec);
    mark_keys(replay);
}

/* Says why where there is nothing to send. `any`: there were packets, if of no known type. */
static int check_any(const struct sq_replay *replay, bool any, const char *path,
                     char why[static SQ_REPLAY_WHY_MAX])
{
    uint64_t streams_cut = replay->streams[0].cut + replay->streams[1].cut;
    if (replay->packets_len == 0 && replay->cut > 0 && (!any || streams_cut > 0)) {
        snprintf(why, SQ_REPLAY_WHY_MAX, "%.200s: %llu packets were " CUT_SHORT, path,
                 (unsigned long long)replay->cut);
        return SQ_ERR_NOTFOUND;
    }
    if (replay->packets_len == 0 && replay->too_long > 0) {
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 "%.200s: all packets are longer than a datagram holds: expected up to %d bytes of "
                 "payload, as they were on the wire",
                 path, SQ_REPLAY_PAYLOAD_MAX);
        return SQ_ERR_NOTFOUND;
    }
    if (replay->packets_len == 0 && replay->cut_off && !any) {
        snprintf(why, SQ_REPLAY_WHY_MAX, "%.200s: cut off or damaged before its first RTP packet",
                 path);
        return SQ_ERR_FORMAT;
    }
    if (replay->packets_len == 0) {
        char types[SQ_REPLAY_TYPES_MAX];
        unsigned most = sq_replay_unsent_text(replay, true, types);
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 "%.200s: no RTP of a payload type that is known (%llu other packets%s%s); say "
                 "what they are, such as --pt %u=VP8",
                 path, (unsigned long long)replay->left_out, types[0] ? ": " : "", types,
                 most < SQ_REPLAY_PTS ? most : 100);
        return SQ_ERR_NOTFOUND;
    }
    return 0;
}

static int parse(struct sq_replay *replay, size_t len, const char *path,
                 char why[static SQ_REPLAY_WHY_MAX])
{
    struct sq_rtpfile file;
    struct sq_rtpfile_packet record;
    int err = sq_rtpfile_open(&file, replay->bytes, len);
    if (err) {
        snprintf(why, SQ_REPLAY_WHY_MAX,
                 err == SQ_ERR_UNSUPPORTED ? "%.200s: a capture of a kind that is not read "
                                             "(pcapng: 'editcap -F pcap' turns it "
                                             "into pcap)"
                                           : "%.200s: expected an rtpdump or a pcap file",
                 path);
        return err;
    }
    while (!err && (err = sq_rtpfile_next(&file, &record)) == 0) {
        err = take(replay, &record);
    }
    if (err == SQ_ERR_NOMEM) {
        snprintf(why, SQ_REPLAY_WHY_MAX, "%.200s: more packets than can be held in memory", path);
        return err;
    }
    replay->cut_off = err == SQ_ERR_TRUNCATED;
    bool any = replay->left_out > 0; /* records that hold packets, if of no known type */
    replay->left_out += file.left_out;
    replay->not_rtp += file.left_out;
    replay->cut += file.cut;
    err = check_any(replay, any, path, why);
    if (err) {
        return err;
    }
    for (int kind = 0; kind < 2; kind++) {
        struct sq_replay_stream *stream = &replay->streams[kind];
        if (stream->packets == 0 && stream->cut == 0) { /* all of them too long */
            stream->codec = SQ_CODEC_NONE;
        }
    }
    finish(replay);
    return 0;
}

int sq_replay_open(const char *path, const char *map_text, struct sq_replay **ret_replay,
                   char why[static SQ_REPLAY_WHY_MAX])
{
    size_t len = 0;
    struct sq_replay *replay = sq_zalloc(sizeof(*replay));
    why[0] = '\0';
    if (!replay) {
        return SQ_ERR_NOMEM;
    }
    sq_replay_types_default(replay->types);
    int err = map_text ? sq_replay_types_read(map_text, replay, why) : 0;
    err = err ? err : read_file(path, &replay->bytes, &len, why);
    err = err ? err : parse(replay, len, path, why);
    for (int kind = 0; !err && kind < 2; kind++) {
        replay->streams[kind].by_hand = replay->named[replay->streams[kind].pt];
    }
    if (!err || (err == SQ_ERR_NOTFOUND && replay->cut == 0)) {
        int absent = sq_replay_types_came(replay, path, why);
        err = absent ? absent : err;
    }
    if (err) {
        sq_replay_close(replay);
        return err;
    }
    *ret_replay = replay;
    return 0;
}

void sq_replay_close(struct sq_replay *replay)
{
    if (replay) {
        sq_free(replay->packets);
        sq_free(replay->bytes);
        sq_free(replay);
    }
}

int sq_replay_check(const struct sq_replay *replay, bool audio, bool video,
                    char why[static SQ_REPLAY_WHY_MAX])
{
    const struct sq_replay_stream *streams = replay->streams;
    for (int kind = 0; kind < 2; kind++) {
        const struct sq_replay_stream *stream = &streams[kind];
        if ((kind == SQ_MEDIA_VIDEO ? video : audio) && stream->cut > stream->packets) {
            snprintf(why, SQ_REPLAY_WHY_MAX, "%llu of %llu packets of the %s were " CUT_SHORT,
                     (unsigned long long)stream->cut,
                     (unsigned long long)stream->cut + stream->packets,
                     kind == SQ_MEDIA_VIDEO ? "video" : "audio");
            return SQ_ERR_NOTFOUND;
        }
    }
    int err = sq_replay_codecs_fit(replay, audio, video, why);
    if (err) {
        return err;
    }
    return video ? sq_replay_shows(replay, audio, why) : 0;
}

/* ---- Sending ---- */

struct sq_replayer {
    const struct sq_replay *replay;
    struct sq_loop *loop;
    struct sq_track *tracks[2]; /* audio, video; NULL: the peer has none that sends */
    struct sq_timer timer;
    size_t end[2]; /* after the last packet of each kind that has a track */
    uint64_t start_ns;
    size_t next;
    sq_replay_ended *ended;
    void *ctx;
};

static struct sq_rtp_out out_of(const struct sq_replay *replay, size_t number)
{
    const struct sq_replay_packet *p = &replay->packets[number];
    const struct sq_replay_stream *stream =
        &replay->streams[p->video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO];
    return (struct sq_rtp_out){
        .timestamp = p->ts - stream->first_ts,
        .marker = p->marker,
        .key = p->key,
        .explicit_seq = true,
        .seq = (uint16_t)(FIRST_SEQ + (uint16_t)(p->seq - stream->first_seq)),
        .cookie = (uint32_t)number,
        .level = LEVEL,
        .payload = p->payload,
        .payload_len = p->len,
    };
}

bool sq_replayer_sends(const struct sq_replayer *r)
{
    return r->next < r->end[SQ_MEDIA_AUDIO] || r->next < r->end[SQ_MEDIA_VIDEO];
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_replayer *r = ctx;
    unsigned sent = 0;
    while (sq_replayer_sends(r) && sent < BURST_MAX &&
           r->start_ns + r->replay->packets[r->next].ns <= now_ns) {
        struct sq_track *track =
            r->tracks[r->replay->packets[r->next].video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO];
        struct sq_rtp_out out = out_of(r->replay, r->next++);
        /* What cannot be sent just now is lost, as on a network. */
        int err = track ? sq_track_send(track, now_ns, &out) : 0;
        (void)err;
        sent++;
        for (int kind = 0; kind < 2; kind++) {
            if (r->next == r->end[kind]) {
                r->ended(r->ctx, (enum sq_media_kind)kind, now_ns);
            }
        }
    }
    if (sq_replayer_sends(r)) {
        uint64_t at = r->start_ns + r->replay->packets[r->next].ns;
        sq_timer_start(sq_loop_timers(r->loop), &r->timer, sq_max_u64(at, now_ns + 1));
    }
}

int sq_replayer_new(const struct sq_replay *replay, struct sq_loop *loop, struct sq_peer *peer,
                    sq_replay_ended *ended, void *ctx, struct sq_replayer **ret_replayer)
{
    struct sq_replayer *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return SQ_ERR_NOMEM;
    }
    r->replay = replay;
    r->loop = loop;
    r->start_ns = sq_loop_now(loop);
    r->ended = ended;
    r->ctx = ctx;
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        struct sq_track *track = sq_peer_track(peer, i);
        struct sq_track **place = &r->tracks[sq_track_kind(track)];
        if (*place || !(sq_track_current_direction(track) & SQ_DIR_SENDONLY)) {
            continue;
        }
        enum sq_codec recorded = replay->streams[sq_track_kind(track)].codec;
        if (recorded && recorded != sq_codec_by_name(sq_track_codec(track))) {
            sq_free(r);
            return SQ_ERR_UNSUPPORTED;
        }
        *place = track;
    }
    for (size_t i = 0; i < replay->packets_len; i++) {
        enum sq_media_kind kind = replay->packets[i].video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO;
        r->end[kind] = r->tracks[kind] ? i + 1 : 0;
    }
    sq_timer_init(&r->timer, on_timer, r);
    sq_timer_start(sq_loop_timers(loop), &r->timer, r->start_ns);
    *ret_replayer = r;
    return 0;
}

bool sq_replayer_resend(const struct sq_replayer *r, uint32_t cookie, struct sq_rtp_out *ret_out)
{
    if (cookie >= r->replay->packets_len) {
        return false;
    }
    *ret_out = out_of(r->replay, cookie);
    return true;
}

void sq_replayer_free(struct sq_replayer *r)
{
    if (r) {
        sq_timer_stop(&r->timer);
        sq_free(r);
    }
}

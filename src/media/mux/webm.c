#include "media/mux/webm.h"

#include "base/mem.h"
#include "base/wire.h"
#include "media/mux/codec_private.h"
#include "media/vp9.h"
#include <string.h>

_Static_assert(SQ_VP9_SHOW_GROWS_MAX <= 64, "room of a sample");

#define EPOCH_2001_S    978307200ULL /* DateUTC counts from 2001 (RFC 9559, section 5.1.2.11) */
#define HEAD_MAX        (2048 + SQ_WEBM_PRIVATE_MAX)
#define VIDEO_TRACK     1
#define AUDIO_TRACK     2
#define BLOCK_KEY       0x80
#define OPUS_PREROLL_NS 80000000 /* RFC 7845, section 4.6 */
#define UNKNOWN_SIZE    0x01FFFFFFFFFFFFFFULL
#define SIZE_MARK       0x0100000000000000ULL /* a size of eight bytes */

/* Elements by their ids (RFC 8794, RFC 9559). */
enum {
    EBML = 0x1A45DFA3,
    EBML_VERSION = 0x4286,
    EBML_READ_VERSION = 0x42F7,
    EBML_MAX_ID = 0x42F2,
    EBML_MAX_SIZE = 0x42F3,
    DOC_TYPE = 0x4282,
    DOC_VERSION = 0x4287,
    DOC_READ_VERSION = 0x4285,
    SEGMENT = 0x18538067,
    SEEK_HEAD = 0x114D9B74,
    SEEK = 0x4DBB,
    SEEK_ID = 0x53AB,
    SEEK_POSITION = 0x53AC,
    INFO = 0x1549A966,
    TIMESTAMP_SCALE = 0x2AD7B1,
    DURATION = 0x4489,
    DATE_UTC = 0x4461,
    MUXING_APP = 0x4D80,
    WRITING_APP = 0x5741,
    TRACKS = 0x1654AE6B,
    TRACK_ENTRY = 0xAE,
    TRACK_NUMBER = 0xD7,
    TRACK_UID = 0x73C5,
    TRACK_TYPE = 0x83,
    FLAG_LACING = 0x9C,
    CODEC_ID = 0x86,
    CODEC_PRIVATE = 0x63A2,
    CODEC_DELAY = 0x56AA,
    SEEK_PRE_ROLL = 0x56BB,
    VIDEO = 0xE0,
    PIXEL_WIDTH = 0xB0,
    PIXEL_HEIGHT = 0xBA,
    AUDIO = 0xE1,
    SAMPLING_FREQUENCY = 0xB5,
    CHANNELS = 0x9F,
    CLUSTER = 0x1F43B675,
    TIMESTAMP = 0xE7,
    SIMPLE_BLOCK = 0xA3,
    CUES = 0x1C53BB6B,
    CUE_POINT = 0xBB,
    CUE_TIME = 0xB3,
    CUE_TRACK_POSITIONS = 0xB7,
    CUE_TRACK = 0xF7,
    CUE_CLUSTER_POSITION = 0xF1,
};

struct cue {
    uint64_t ms, at;
};

struct sq_webm {
    const struct sq_mux_sink *sink;
    struct sq_webm_config config;
    uint64_t end;          /* bytes written so far */
    uint64_t segment_size; /* places to be filled in */
    uint64_t duration, cues_position, width, height;
    uint64_t segment_data; /* where positions count from */
    uint64_t cluster_size; /* of the open one; 0: none */
    uint64_t cluster_data, cluster_ms;
    uint64_t last_ms;
    struct cue *cues; /* owned */
    size_t cues_len, cues_room;
    uint8_t *scratch; /* owned: a frame in the form of the file */
    size_t scratch_room;
    struct sq_vp9_refs vp9;
};

/* ---- Elements ---- */

static void put_id(struct sq_wire *w, uint32_t id)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        if (id >> shift) {
            sq_wire_put_u8(w, (uint8_t)(id >> shift));
        }
    }
}

/* Sizes of eight bytes, which may be filled in later. */
static size_t open_element(struct sq_wire *w, uint32_t id)
{
    put_id(w, id);
    size_t at = w->pos;
    sq_wire_put_u64(w, UNKNOWN_SIZE);
    return at;
}

static void close_element(struct sq_wire *w, size_t at)
{
    if (!w->err) {
        sq_store_u64(w->buf + at, SIZE_MARK | (w->pos - at - 8));
    }
}

static void put_bytes(struct sq_wire *w, uint32_t id, const void *bytes, size_t len)
{
    size_t at = open_element(w, id);
    sq_wire_put(w, bytes, len);
    close_element(w, at);
}

static void put_text(struct sq_wire *w, uint32_t id, const char *text)
{
    put_bytes(w, id, text, strlen(text));
}

static void put_number(struct sq_wire *w, uint32_t id, uint64_t number)
{
    uint8_t bytes[8];
    sq_store_u64(bytes, number);
    put_bytes(w, id, bytes, sizeof(bytes));
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static void append(struct sq_webm *webm, const void *bytes, size_t len)
{
    webm->sink->append(webm->sink->ctx, bytes, len);
    webm->end += len;
}

static void patch_u64(struct sq_webm *webm, uint64_t at, uint64_t number)
{
    uint8_t bytes[8];
    sq_store_u64(bytes, number);
    webm->sink->patch(webm->sink->ctx, at, bytes, sizeof(bytes));
}

/* ---- The head ---- */

const char *sq_webm_suffix(enum sq_codec video)
{
    return video == SQ_CODEC_H264 ? "mkv" : "webm";
}

static const char *codec_id(enum sq_codec codec)
{
    switch (codec) {
    case SQ_CODEC_VP8:
        return "V_VP8";
    case SQ_CODEC_VP9:
        return "V_VP9";
    case SQ_CODEC_AV1:
        return "V_AV1";
    case SQ_CODEC_H264:
        return "V_MPEG4/ISO/AVC";
    case SQ_CODEC_OPUS:
        return "A_OPUS";
    default:
        return NULL;
    }
}

static void put_ebml(struct sq_wire *w, const struct sq_webm_config *config)
{
    size_t at = open_element(w, EBML);
    put_number(w, EBML_VERSION, 1);
    put_number(w, EBML_READ_VERSION, 1);
    put_number(w, EBML_MAX_ID, 4);
    put_number(w, EBML_MAX_SIZE, 8);
    put_text(w, DOC_TYPE, config->video == SQ_CODEC_H264 ? "matroska" : "webm");
    put_number(w, DOC_VERSION, 4);
    put_number(w, DOC_READ_VERSION, 2);
    close_element(w, at);
}

/* Where a reader finds the rest; returns the place of the position. */
static size_t put_seek(struct sq_wire *w, uint32_t id)
{
    uint8_t bytes[4];
    size_t at = open_element(w, SEEK);
    sq_store_u32(bytes, id);
    put_bytes(w, SEEK_ID, bytes, sizeof(bytes));
    put_number(w, SEEK_POSITION, 0);
    close_element(w, at);
    return w->pos - 8;
}

static void put_info(struct sq_webm *webm, struct sq_wire *w)
{
    uint64_t since_2001 = webm->config.wall_ns - EPOCH_2001_S * 1000000000ULL;
    size_t at = open_element(w, INFO);
    put_number(w, TIMESTAMP_SCALE, 1000000);
    put_number(w, DURATION, 0);
    webm->duration = w->pos - 8;
    put_number(w, DATE_UTC, since_2001);
    put_text(w, MUXING_APP, "Squall");
    put_text(w, WRITING_APP, "Squall");
    close_element(w, at);
}

static size_t begin_track(struct sq_wire *w, uint64_t number, uint64_t type, enum sq_codec codec)
{
    size_t at = open_element(w, TRACK_ENTRY);
    put_number(w, TRACK_NUMBER, number);
    put_number(w, TRACK_UID, number);
    put_number(w, TRACK_TYPE, type);
    put_number(w, FLAG_LACING, 0);
    put_text(w, CODEC_ID, codec_id(codec));
    return at;
}

static int put_video(struct sq_webm *webm, struct sq_wire *w)
{
    const struct sq_webm_config *config = &webm->config;
    uint8_t private[SQ_WEBM_PRIVATE_MAX];
    size_t len = 0;
    int err = sq_codec_private(config->video, config->key_frame, config->key_frame_len, private,
                               sizeof(private), &len);
    if (err) {
        return err;
    }
    size_t at = begin_track(w, VIDEO_TRACK, 1, config->video);
    if (len > 0) {
        put_bytes(w, CODEC_PRIVATE, private, len);
    }
    size_t video = open_element(w, VIDEO);
    put_number(w, PIXEL_WIDTH, config->width);
    webm->width = w->pos - 8;
    put_number(w, PIXEL_HEIGHT, config->height);
    webm->height = w->pos - 8;
    close_element(w, video);
    close_element(w, at);
    return 0;
}

static void put_audio(const struct sq_webm_config *config, struct sq_wire *w)
{
    uint8_t head[SQ_OPUS_HEAD_BYTES];
    size_t at = begin_track(w, AUDIO_TRACK, 2, config->audio);
    sq_opus_head(config->channels, head);
    put_bytes(w, CODEC_PRIVATE, head, sizeof(head));
    put_number(w, CODEC_DELAY, 0); /* the encoder's delay is in the stream's time-stamps */
    put_number(w, SEEK_PRE_ROLL, OPUS_PREROLL_NS);
    size_t audio = open_element(w, AUDIO);
    put_number(w, SAMPLING_FREQUENCY, bits_of(48000));
    put_number(w, CHANNELS, config->channels);
    close_element(w, audio);
    close_element(w, at);
}

static int put_head(struct sq_webm *webm, struct sq_wire *w)
{
    const struct sq_webm_config *config = &webm->config;
    put_ebml(w, config);
    webm->segment_size = open_element(w, SEGMENT);
    webm->segment_data = w->pos;
    size_t seek_head = open_element(w, SEEK_HEAD);
    size_t info_position = put_seek(w, INFO);
    size_t tracks_position = put_seek(w, TRACKS);
    webm->cues_position = put_seek(w, CUES);
    close_element(w, seek_head);
    uint64_t info_at = w->pos - webm->segment_data;
    put_info(webm, w);
    uint64_t tracks_at = w->pos - webm->segment_data;
    size_t tracks = open_element(w, TRACKS);
    int err = config->video ? put_video(webm, w) : 0;
    if (err) {
        return err;
    }
    if (config->audio) {
        put_audio(config, w);
    }
    close_element(w, tracks);
    if (!w->err) {
        sq_store_u64(w->buf + info_position, info_at);
        sq_store_u64(w->buf + tracks_position, tracks_at);
    }
    return w->err;
}

int sq_webm_new(const struct sq_webm_config *config, const struct sq_mux_sink *sink,
                struct sq_webm **ret_webm)
{
    uint8_t head[HEAD_MAX];
    struct sq_wire w = sq_wire_writer(head, sizeof(head));
    bool video = config->video != SQ_CODEC_NONE;
    bool audio = config->audio != SQ_CODEC_NONE;
    if ((video && (!codec_id(config->video) || !sq_codec_info(config->video)->video)) ||
        (audio && config->audio != SQ_CODEC_OPUS) || (!video && !audio)) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sq_webm *webm = sq_zalloc(sizeof(*webm));
    if (!webm) {
        return SQ_ERR_NOMEM;
    }
    webm->sink = sink;
    webm->config = *config;
    int err = put_head(webm, &w);
    webm->config.key_frame = NULL;
    if (err) {
        sq_free(webm);
        return err;
    }
    append(webm, head, w.pos);
    *ret_webm = webm;
    return 0;
}

/* ---- Clusters ---- */

static void close_cluster(struct sq_webm *webm)
{
    if (webm->cluster_size) {
        patch_u64(webm, webm->cluster_size, SIZE_MARK | (webm->end - webm->cluster_data));
        webm->cluster_size = 0;
    }
}

/* Without memory a cluster is not listed. */
static void add_cue(struct sq_webm *webm, uint64_t ms, uint64_t at)
{
    if (webm->cues_len == webm->cues_room && webm->cues_room < SQ_WEBM_CUES_MAX) {
        size_t room = webm->cues_room ? 2 * webm->cues_room : 64;
        struct cue *grown = sq_realloc(webm->cues, room * sizeof(*grown));
        if (grown) {
            webm->cues = grown;
            webm->cues_room = room;
        }
    }
    if (webm->cues_len < webm->cues_room) {
        webm->cues[webm->cues_len++] = (struct cue){ms, at};
    }
}

static void open_cluster(struct sq_webm *webm, uint64_t ms)
{
    uint8_t head[64];
    struct sq_wire w = sq_wire_writer(head, sizeof(head));
    close_cluster(webm);
    add_cue(webm, ms, webm->end - webm->segment_data);
    webm->cluster_size = webm->end + open_element(&w, CLUSTER);
    webm->cluster_data = webm->cluster_size + 8;
    webm->cluster_ms = ms;
    put_number(&w, TIMESTAMP, ms);
    append(webm, head, w.pos);
}

static bool cluster_is_full(const struct sq_webm *webm, bool video, uint64_t ms, bool key)
{
    bool has_video = webm->config.video != SQ_CODEC_NONE;
    return !webm->cluster_size || (video && key && ms > webm->cluster_ms) ||
           ms >= webm->cluster_ms + (has_video ? 4 : 1) * SQ_WEBM_CLUSTER_MS ||
           ms + 0x7000 < webm->cluster_ms; /* block times are 16 bits, with a sign */
}

/* The frame as the file has it into `scratch`; *len becomes its length. */
static int put_sample(struct sq_webm *webm, enum sq_codec codec, const uint8_t *bytes, size_t *len)
{
    size_t room = 2 * *len + 64;
    uint16_t width;
    uint16_t height;
    if (webm->scratch_room < room) {
        uint8_t *grown = sq_realloc(webm->scratch, room);
        if (!grown) {
            return SQ_ERR_NOMEM;
        }
        webm->scratch = grown;
        webm->scratch_room = room;
    }
    if (codec == SQ_CODEC_VP9) {
        *len = sq_vp9_show_top(&webm->vp9, bytes, *len, webm->scratch, &width, &height);
        sq_webm_size(webm, width, height); /* a layer that came later is larger */
    } else {
        *len = sq_codec_sample(codec, bytes, *len, webm->scratch, room);
    }
    return *len > 0 ? 0 : SQ_ERR_FORMAT;
}

int sq_webm_frame(struct sq_webm *webm, bool video, uint64_t ms, bool key, const uint8_t *bytes,
                  size_t len)
{
    uint8_t head[16];
    struct sq_wire w = sq_wire_writer(head, sizeof(head));
    if ((video ? webm->config.video : webm->config.audio) == SQ_CODEC_NONE) {
        return SQ_ERR_INVALID;
    }
    int err = put_sample(webm, video ? webm->config.video : webm->config.audio, bytes, &len);
    if (err) {
        return err;
    }
    if (cluster_is_full(webm, video, ms, key)) {
        open_cluster(webm, ms);
    }
    put_id(&w, SIMPLE_BLOCK);
    sq_wire_put_u64(&w, SIZE_MARK | (len + 4));
    sq_wire_put_u8(&w, 0x80 | (video ? VIDEO_TRACK : AUDIO_TRACK));
    sq_wire_put_u16(&w, (uint16_t)(int16_t)((int64_t)ms - (int64_t)webm->cluster_ms));
    sq_wire_put_u8(&w, key ? BLOCK_KEY : 0);
    append(webm, head, w.pos);
    append(webm, webm->scratch, len);
    webm->last_ms = ms > webm->last_ms ? ms : webm->last_ms;
    return 0;
}

void sq_webm_size(struct sq_webm *webm, uint16_t width, uint16_t height)
{
    struct sq_webm_config *config = &webm->config;
    if (config->video && (uint32_t)width * height > (uint32_t)config->width * config->height) {
        config->width = width;
        config->height = height;
        patch_u64(webm, webm->width, width);
        patch_u64(webm, webm->height, height);
    }
}

/* ---- The end ---- */

static void put_cues(struct sq_webm *webm)
{
    uint8_t buf[128];
    uint64_t track = webm->config.video ? VIDEO_TRACK : AUDIO_TRACK;
    struct sq_wire w = sq_wire_writer(buf, sizeof(buf));
    uint64_t at = webm->end;
    uint64_t size = at + open_element(&w, CUES);
    append(webm, buf, w.pos);
    for (size_t i = 0; i < webm->cues_len; i++) {
        w = sq_wire_writer(buf, sizeof(buf));
        size_t point = open_element(&w, CUE_POINT);
        put_number(&w, CUE_TIME, webm->cues[i].ms);
        size_t positions = open_element(&w, CUE_TRACK_POSITIONS);
        put_number(&w, CUE_TRACK, track);
        put_number(&w, CUE_CLUSTER_POSITION, webm->cues[i].at);
        close_element(&w, positions);
        close_element(&w, point);
        append(webm, buf, w.pos);
    }
    patch_u64(webm, size, SIZE_MARK | (webm->end - size - 8));
    patch_u64(webm, webm->cues_position, at - webm->segment_data);
}

void sq_webm_finish(struct sq_webm *webm)
{
    if (!webm) {
        return;
    }
    close_cluster(webm);
    if (webm->cues_len > 0) {
        put_cues(webm);
    }
    patch_u64(webm, webm->duration, bits_of((double)webm->last_ms));
    patch_u64(webm, webm->segment_size, SIZE_MARK | (webm->end - webm->segment_data));
    sq_free(webm->cues);
    sq_free(webm->scratch);
    sq_free(webm);
}

/* Which codecs a track negotiates, and which track of a clip goes with the one agreed. */
#include "media/clip.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- What a clip has ---- */

static const struct sq_clip_track *ladder(const struct sq_clip *clip,
                                          const struct sq_clip_want *want)
{
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    size_t n = sq_clip_ladder_with(clip, want, steps, SQ_CLIP_STEPS_MAX);
    return n > 0 ? steps[n - 1] : NULL;
}

static const struct sq_clip_track *first_ladder(const struct sq_clip *clip, enum sq_codec codec)
{
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    size_t n = sq_clip_ladder(clip, codec, steps, SQ_CLIP_STEPS_MAX);
    return n > 0 ? steps[n - 1] : NULL;
}

/* How near a stream comes to what was asked for: each feature counts as much, and of as many DTX
 * counts first, then stereo. What was not asked for comes last; DTX does, for silence in it looks
 * like a stream that stopped. */
static int nearness(const struct sq_clip_track *track, const struct sq_peer_codecs *codecs)
{
    const struct {
        bool asked, has;
        int counts, unasked;
    } features[] = {{codecs->dtx, track->features & SQ_CLIP_DTX, 103, 1000},
                    {codecs->stereo, track->channels == 2, 102, 20},
                    {codecs->opus_fec, track->features & SQ_CLIP_FEC, 101, 10}};
    int near = 0;
    for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
        if (features[i].has) {
            near += features[i].asked ? features[i].counts : -features[i].unasked;
        }
    }
    return near;
}

const struct sq_clip_track *sq_peer_codecs_opus(const struct sq_peer_codecs *codecs,
                                                const struct sq_clip *clip)
{
    const struct sq_clip_track *best = NULL;
    for (size_t i = 0; i < clip->track_count; i++) {
        const struct sq_clip_track *track = &clip->tracks[i];
        bool highest = track->step + 1 >= track->step_count;
        if (track->codec == SQ_CODEC_OPUS && highest &&
            (!best || nearness(track, codecs) > nearness(best, codecs))) {
            best = track;
        }
    }
    return best;
}

const struct sq_clip_track *sq_choose_fec(const struct sq_clip *clip,
                                          const struct sq_clip_track *media)
{
    const struct sq_clip_want want = {.codec = SQ_CODEC_OPUS,
                                      .features = media->features | SQ_CLIP_FEC,
                                      .channels = media->channels};
    bool may = media->codec == SQ_CODEC_OPUS && !(media->features & SQ_CLIP_FEC);
    return may ? ladder(clip, &want) : NULL;
}

/* The scalable stream if it was asked for, else the plain one. */
static const struct sq_clip_track *vp9(const struct sq_clip *clip,
                                       const struct sq_peer_codecs *codecs)
{
    for (uint8_t layers = SQ_CLIP_LAYERS_MAX; codecs->svc && layers > 1; layers--) {
        for (unsigned key = 0; key < 2; key++) {
            const struct sq_clip_want want = {.codec = SQ_CODEC_VP9,
                                              .features = key ? 0 : SQ_CLIP_KEY_SVC,
                                              .spatial_layers = layers};
            const struct sq_clip_track *track = ladder(clip, &want);
            if (track) {
                return track;
            }
        }
    }
    return first_ladder(clip, SQ_CODEC_VP9);
}

/* RFC 6184, section 6.2: packetization-mode 0. */
static bool single_nal(enum sq_jsep_codec_id row)
{
    return row == SQ_JSEP_H264_MODE0 || row == SQ_JSEP_H264_BASE_MODE0 ||
           row == SQ_JSEP_H264_MAIN_MODE0 || row == SQ_JSEP_H264_HIGH_MODE0;
}

static const struct sq_clip_track *single_nal_ladder(const struct sq_clip *clip)
{
    const struct sq_clip_want want = {.codec = SQ_CODEC_H264, .features = SQ_CLIP_SINGLE_NAL};
    return ladder(clip, &want);
}

const struct sq_clip_track *sq_choose_media(const struct sq_clip *clip,
                                            const struct sq_jsep_codec *codec,
                                            const struct sq_peer_codecs *codecs)
{
    enum sq_codec wanted = sq_jsep_media_codec((enum sq_jsep_codec_id)codec->id);
    if (wanted == SQ_CODEC_OPUS) {
        return sq_peer_codecs_opus(codecs, clip);
    }
    if (wanted == SQ_CODEC_VP9) {
        return vp9(clip, codecs);
    }
    if (single_nal((enum sq_jsep_codec_id)codec->id)) {
        return single_nal_ladder(clip);
    }
    return first_ladder(clip, wanted);
}

const struct sq_clip_track *sq_choose_layer(const struct sq_clip_track *media, size_t i, size_t n)
{
    if (n == 1) {
        return media;
    }
    const struct sq_clip_track *sizes[SQ_CLIP_STEPS_MAX]; /* the n highest of them */
    size_t count = sq_clip_sizes(media, sizes);
    return i + count >= n ? sizes[i + count - n] : NULL;
}

/* ---- Rows of the negotiation ---- */

static bool is_video(unsigned row)
{
    return row >= SQ_JSEP_VP8;
}

static bool is_kept_out(const struct sq_peer_codecs *codecs, enum sq_jsep_codec_id row)
{
    return codecs->h264_modes == SQ_H264_MODE0 && !single_nal(row) &&
           sq_jsep_media_codec(row) == SQ_CODEC_H264;
}

static bool listed(const struct sq_peer_codecs *codecs, enum sq_codec codec)
{
    return codecs->n == 0 || memchr(codecs->order, (int)codec, codecs->n) != NULL;
}

enum modes { MODES_ANY, MODES_0, MODES_1 };

/* Every row of a codec with what repairs it, in the table's order; of H.264, of these modes. */
static void prefer(struct sq_codec_rows *rows, enum sq_codec codec, enum modes modes)
{
    bool mine = false;
    for (unsigned row = 0; row < SQ_JSEP_CODECS; row++) {
        enum sq_jsep_codec_id id = (enum sq_jsep_codec_id)row;
        bool fits = sq_jsep_media_codec(id) == codec &&
                    (modes == MODES_ANY || single_nal(id) == (modes == MODES_0));
        mine = fits || (mine && sq_jsep_is_rtx(id));
        if (mine && rows->n_prefs < SQ_JSEP_PREFS_MAX) {
            rows->prefs[rows->n_prefs++] = (uint8_t)row;
        }
    }
}

static void prefer_h264(struct sq_codec_rows *rows, enum sq_h264_modes modes)
{
    if (modes == SQ_H264_MODES) {
        prefer(rows, SQ_CODEC_H264, MODES_ANY);
        return;
    }
    prefer(rows, SQ_CODEC_H264, MODES_0);
    if (modes == SQ_H264_MODE0_FIRST) {
        prefer(rows, SQ_CODEC_H264, MODES_1);
    }
}

static void add(struct sq_codec_rows *rows, enum sq_jsep_codec_id row)
{
    if (rows->n_prefs < SQ_JSEP_PREFS_MAX) {
        rows->prefs[rows->n_prefs++] = (uint8_t)row;
    }
}

/* The order of preference, for who has one. */
static void write_prefs(const struct sq_peer_codecs *codecs, bool video, struct sq_codec_rows *rows)
{
    if (codecs->n == 0) {
        return;
    }
    bool red = codecs->red && !video;
    for (size_t i = 0; i < codecs->n; i++) {
        if (red && codecs->order[i] == SQ_CODEC_OPUS) {
            add(rows, SQ_JSEP_RED); /* as a page does it by setCodecPreferences */
        }
        if (codecs->order[i] == SQ_CODEC_H264) {
            prefer_h264(rows, codecs->h264_modes);
        } else {
            prefer(rows, (enum sq_codec)codecs->order[i], MODES_ANY);
        }
    }
    if (!video) {
        if (!red && listed(codecs, SQ_CODEC_OPUS)) {
            add(rows, SQ_JSEP_RED);
        }
        add(rows, SQ_JSEP_DTMF_48000);
        add(rows, SQ_JSEP_DTMF_8000);
    } else if (!codecs->no_fec) {
        add(rows, SQ_JSEP_VIDEO_RED);
        add(rows, SQ_JSEP_VIDEO_RED_RTX);
        add(rows, SQ_JSEP_ULPFEC);
        add(rows, SQ_JSEP_FLEXFEC);
    }
}

int sq_codec_rows(const struct sq_peer_codecs *codecs, bool video, const struct sq_clip *clip,
                  struct sq_codec_rows *ret_rows)
{
    struct sq_codec_rows rows = {0};
    bool any = false;
    for (unsigned row = 0; row < SQ_JSEP_CODECS; row++) {
        enum sq_codec codec = sq_jsep_media_codec((enum sq_jsep_codec_id)row);
        if (is_video(row) != video) {
            continue;
        }
        const struct sq_jsep_codec agreed = {.id = (uint8_t)row};
        bool repairs = (row >= SQ_JSEP_VIDEO_RED && row <= SQ_JSEP_FLEXFEC) || row == SQ_JSEP_RED;
        bool usable = (codec == SQ_CODEC_NONE && !(codecs->no_fec && repairs)) ||
                      (codec != SQ_CODEC_NONE && listed(codecs, codec) &&
                       !is_kept_out(codecs, (enum sq_jsep_codec_id)row) &&
                       (!clip || sq_choose_media(clip, &agreed, codecs) != NULL));
        rows.allowed |= usable ? SQ_JSEP_ROW(row) : 0;
        any = any || (usable && codec != SQ_CODEC_NONE);
    }
    if (!any) {
        return SQ_ERR_UNSUPPORTED;
    }
    write_prefs(codecs, video, &rows);
    *ret_rows = rows;
    return 0;
}

/* ---- In words ---- */

#define MODE0 "h264-mode0" /* as `media prepare` has it */

static const char *codec_word(enum sq_codec codec)
{
    static const char *const words[SQ_CODECS] = {
        [SQ_CODEC_OPUS] = "opus", [SQ_CODEC_PCMU] = "pcmu", [SQ_CODEC_PCMA] = "pcma",
        [SQ_CODEC_G722] = "g722", [SQ_CODEC_VP8] = "vp8",   [SQ_CODEC_VP9] = "vp9",
        [SQ_CODEC_H264] = "h264", [SQ_CODEC_AV1] = "av1"};
    return words[codec];
}

/* "a, b or c" of the kind's codecs, or of those that the clip has. */
static void write_words(bool video, const struct sq_clip *clip, char *out, size_t room)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned c = SQ_CODEC_NONE + 1; c < SQ_CODECS; c++) {
        if (sq_codec_info((enum sq_codec)c)->video == video &&
            (!clip || first_ladder(clip, (enum sq_codec)c)) && len < room) {
            bool mode0 = c == SQ_CODEC_H264 && (!clip || single_nal_ladder(clip));
            int n = snprintf(out + len, room - len, "%s%s%s", len ? ", " : "",
                             codec_word((enum sq_codec)c), mode0 ? ", " MODE0 : "");
            len += n > 0 ? (size_t)n : 0;
        }
    }
}

static int refuse(const char *text, bool video, char why[SQ_PEER_TEXT_MAX])
{
    char words[96];
    write_words(video, NULL, words, sizeof(words));
    snprintf(why, SQ_PEER_TEXT_MAX, "%s=%.80s: expected a list of %s%s", video ? "video" : "audio",
             text, words,
             video ? "; vp9 may be followed by +svc"
                   : "; opus may be followed by +stereo, +dtx, +red, +fec");
    return SQ_ERR_INVALID;
}

/* The words behind a '+'. */
static bool read_features(struct sq_view rest, enum sq_codec codec, struct sq_peer_codecs *codecs)
{
    while (rest.at) {
        struct sq_view word = sq_view_cut(&rest, '+');
        if (codec == SQ_CODEC_VP9 && sq_view_is_nocase(word, "svc")) {
            codecs->svc = true;
        } else if (codec != SQ_CODEC_OPUS) {
            return false;
        } else if (sq_view_is_nocase(word, "stereo")) {
            codecs->stereo = true;
        } else if (sq_view_is_nocase(word, "dtx")) {
            codecs->dtx = true;
        } else if (sq_view_is_nocase(word, "red")) {
            codecs->red = true;
        } else if (sq_view_is_nocase(word, "fec")) {
            codecs->opus_fec = true;
        } else {
            return false;
        }
    }
    return true;
}

static bool read_codec(struct sq_view word, bool video, struct sq_peer_codecs *codecs)
{
    char name[16];
    struct sq_view base = sq_view_cut(&word, '+');
    if (base.len == 0 || base.len >= sizeof(name)) {
        return false;
    }
    memcpy(name, base.at, base.len);
    name[base.len] = '\0';
    bool mode0 = strcasecmp(name, MODE0) == 0;
    enum sq_codec codec = mode0 ? SQ_CODEC_H264 : sq_codec_by_name(name);
    if (codec == SQ_CODEC_NONE || sq_codec_info(codec)->video != video ||
        !read_features(word, codec, codecs)) {
        return false;
    }
    bool again = memchr(codecs->order, (int)codec, codecs->n) != NULL;
    if (mode0 && !again) {
        codecs->h264_modes = SQ_H264_MODE0;
    } else if (codec == SQ_CODEC_H264 && !mode0 && codecs->h264_modes == SQ_H264_MODE0) {
        codecs->h264_modes = SQ_H264_MODE0_FIRST;
    }
    if (!again) {
        codecs->order[codecs->n++] = (uint8_t)codec;
    }
    return true;
}

int sq_peer_codecs_parse(const char *text, bool video, struct sq_peer_codecs *ret_codecs,
                         char why[SQ_PEER_TEXT_MAX])
{
    struct sq_peer_codecs codecs = {0};
    struct sq_view rest = sq_view_of(text);
    do {
        if (!read_codec(sq_view_trim(sq_view_cut(&rest, ',')), video, &codecs)) {
            return refuse(text, video, why);
        }
    } while (rest.at);
    *ret_codecs = codecs;
    return 0;
}

/* In any case of its letters: "[vV][pP]8". */
static void put_any_case(const char *word, struct sq_buf *out)
{
    for (; *word; word++) {
        int c = tolower((unsigned char)*word);
        if (isalpha(c)) {
            sq_buf_printf(out, "[%c%c]", c, toupper(c));
        } else {
            sq_buf_printf(out, "%c", c);
        }
    }
}

void sq_peer_codecs_pattern(bool video, struct sq_buf *out)
{
    struct sq_buf one = {0};
    bool first = true;
    sq_buf_puts(&one, "\\s*(");
    for (unsigned c = SQ_CODEC_NONE + 1; c < SQ_CODECS; c++) {
        const struct sq_codec_info *info = sq_codec_info((enum sq_codec)c);
        if (info->video == video) {
            sq_buf_puts(&one, first ? "" : "|");
            put_any_case(info->name, &one);
            first = false;
        }
    }
    if (video) {
        sq_buf_puts(&one, "|");
        put_any_case(MODE0, &one);
    }
    sq_buf_puts(&one, ")([+][A-Za-z]+)*\\s*");
    const char *text = one.text ? one.text : "";
    sq_buf_printf(out, "%s(,%s)*", text, text);
    out->err = out->err ? out->err : one.err;
    sq_buf_free(&one);
}

int sq_peer_codecs_check(const struct sq_peer_codecs *codecs, bool video,
                         const struct sq_clip *clip, char why[SQ_PEER_TEXT_MAX])
{
    struct sq_codec_rows rows;
    int err = sq_codec_rows(codecs, video, clip, &rows);
    if (err) {
        char has[96];
        write_words(video, clip, has, sizeof(has));
        snprintf(why, SQ_PEER_TEXT_MAX,
                 "the clip has no %s in a codec that was asked for; it has %s",
                 video ? "video" : "audio", has[0] ? has : "none at all");
    }
    return err;
}

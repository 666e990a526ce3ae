/* What payload types are: those of Squall's own offers, which are Chromium's, and those that --pt
 * tells; and what is said of packets whose type is none that is sent. */
#include "base/str.h"
#include "peer/jsep/jsep.h"
#include "run/replay_int.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TOLD_MAX 5 /* payload types in a sentence */

void sq_replay_types_default(struct sq_replay_type types[static SQ_REPLAY_PTS])
{
    /* H.264 in Chromium up to 110 or so; its other numbers of that time mean something else now. */
    static const uint8_t older[] = {106, 127};
    memset(types, 0, SQ_REPLAY_PTS * sizeof(*types));
    for (unsigned id = 0; id < SQ_JSEP_CODECS; id++) {
        enum sq_jsep_codec_id row = (enum sq_jsep_codec_id)id;
        types[sq_jsep_usual_pt(row)] = (struct sq_replay_type){
            .codec = row == SQ_JSEP_RED ? SQ_CODEC_OPUS : sq_jsep_media_codec(row),
            .red = row == SQ_JSEP_RED || row == SQ_JSEP_VIDEO_RED,
            .repairs = sq_jsep_is_rtx(row) ? sq_jsep_usual_pt(sq_jsep_repaired(row)) : 0,
            .name = sq_jsep_codec_name(row)};
    }
    for (size_t i = 0; i < sizeof(older); i++) {
        if (!types[older[i]].name) {
            types[older[i]] = (struct sq_replay_type){.codec = SQ_CODEC_H264, .name = "H264"};
        }
    }
}

static bool read_type(struct sq_view name, struct sq_replay_type *ret_type)
{
    char text[16] = "";
    if (!name.at || name.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, name.at, name.len);
    text[name.len] = '\0';
    enum sq_codec codec = sq_codec_by_name(text);
    bool red = strcasecmp(text, "red") == 0;
    *ret_type = (struct sq_replay_type){
        .codec = codec, .red = red, .name = red ? "red" : sq_codec_info(codec)->name};
    return red || codec != SQ_CODEC_NONE;
}

static bool is_number(struct sq_view word)
{
    size_t digits = 0;
    while (digits < word.len && word.at[digits] >= '0' && word.at[digits] <= '9') {
        digits++;
    }
    return digits > 0 && digits == word.len;
}

int sq_replay_types_read(const char *text, struct sq_replay *replay,
                         char why[static SQ_REPLAY_WHY_MAX])
{
    struct sq_view rest = sq_view_of(text);
    while (rest.at) {
        struct sq_view word = sq_view_cut(&rest, ',');
        struct sq_view name = word;
        struct sq_view number = sq_view_cut(&name, '=');
        struct sq_replay_type type;
        uint64_t pt = 0;
        bool known = read_type(name, &type);
        bool in_range = sq_view_u64(number, SQ_REPLAY_PTS - 1, &pt) == 0;
        if (!in_range && known && is_number(number)) {
            snprintf(why, SQ_REPLAY_WHY_MAX,
                     "'" SQ_VIEW_FMT "': " SQ_VIEW_FMT
                     " is none; expected payload types from 0 to %d with their codecs, such as "
                     "96=VP8,111=opus",
                     SQ_VIEW_ARG(word), SQ_VIEW_ARG(number), SQ_REPLAY_PTS - 1);
            return SQ_ERR_INVALID;
        }
        if (!in_range || !known) {
            snprintf(why, SQ_REPLAY_WHY_MAX,
                     "'" SQ_VIEW_FMT "': expected payload types with their codecs, such as "
                     "96=VP8,111=opus (opus, PCMU, PCMA, G722, VP8, VP9, H264, AV1, red)",
                     SQ_VIEW_ARG(word));
            return SQ_ERR_INVALID;
        }
        replay->types[pt] = type;
        replay->named[pt] = true;
    }
    return 0;
}

/* ---- What is not sent ---- */

static bool is_told(const struct sq_replay *replay, unsigned pt, bool known)
{
    return replay->unsent[pt] > 0 && (known || !replay->types[pt].name);
}

uint64_t sq_replay_unsent(const struct sq_replay *replay, bool known)
{
    uint64_t packets = 0;
    for (unsigned pt = 0; pt < SQ_REPLAY_PTS; pt++) {
        packets += is_told(replay, pt, known) ? replay->unsent[pt] : 0;
    }
    return packets;
}

/* The most frequent one that is told and not yet marked; SQ_REPLAY_PTS: there is none. */
static unsigned next_type(const struct sq_replay *replay, bool known,
                          const bool marked[static SQ_REPLAY_PTS])
{
    unsigned best = SQ_REPLAY_PTS;
    for (unsigned pt = 0; pt < SQ_REPLAY_PTS; pt++) {
        bool more = best == SQ_REPLAY_PTS || replay->unsent[pt] > replay->unsent[best];
        best = is_told(replay, pt, known) && !marked[pt] && more ? pt : best;
    }
    return best;
}

unsigned sq_replay_unsent_text(const struct sq_replay *replay, bool known,
                               char out[static SQ_REPLAY_TYPES_MAX])
{
    bool marked[SQ_REPLAY_PTS] = {false};
    unsigned most = next_type(replay, known, marked);
    size_t len = 0;
    unsigned n = 0;
    out[0] = '\0';
    for (unsigned pt = most; pt < SQ_REPLAY_PTS; pt = next_type(replay, known, marked)) {
        const char *name = replay->types[pt].name;
        marked[pt] = true;
        if (++n > TOLD_MAX) {
            continue;
        }
        int wrote = snprintf(out + len, SQ_REPLAY_TYPES_MAX - len, "%s%u (%s%s%u packet%s)",
                             len > 0 ? ", " : "", pt, name ? name : "", name ? ", " : "",
                             replay->unsent[pt], replay->unsent[pt] == 1 ? "" : "s");
        len += wrote > 0 ? (size_t)wrote : 0;
    }
    if (n > TOLD_MAX) {
        snprintf(out + len, SQ_REPLAY_TYPES_MAX - len, " and %u more types", n - TOLD_MAX);
    }
    return most;
}

int sq_replay_is_enough(const struct sq_replay *replay, bool audio, bool video,
                        char why[static SQ_REPLAY_WHY_MAX])
{
    bool has_audio = replay->streams[SQ_MEDIA_AUDIO].codec != SQ_CODEC_NONE;
    bool has_video = replay->streams[SQ_MEDIA_VIDEO].codec != SQ_CODEC_NONE;
    bool no_video = video && !has_video;
    uint64_t packets = 0;
    uint64_t unsent = 0;
    for (unsigned pt = 0; pt < SQ_REPLAY_PTS; pt++) {
        uint8_t repaired = replay->types[pt].repairs;
        bool repairs = has_video && repaired && repaired == replay->streams[SQ_MEDIA_VIDEO].pt;
        packets += replay->came[pt];
        unsent += repairs ? 0 : replay->unsent[pt];
    }
    if ((!no_video && (!audio || has_audio)) || 2 * unsent <= packets) {
        return 0;
    }
    char types[SQ_REPLAY_TYPES_MAX];
    const char *kind = no_video ? "video" : "audio";
    unsigned most = sq_replay_unsent_text(replay, true, types);
    snprintf(why, SQ_REPLAY_WHY_MAX,
             "most of it would be left out: %llu of %llu packets are of payload types that are not "
             "sent, and there is no other %s (--pt %u=%s or the like says what they are, --no-%s "
             "leaves it out): %s",
             (unsigned long long)unsent, (unsigned long long)packets, kind, most,
             no_video ? "H264" : "opus", kind, types);
    return SQ_ERR_NOTFOUND;
}

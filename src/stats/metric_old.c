#include "stats/metric_old.h"

#include <stdio.h>
#include <string.h>

/* Parts of testRTC's names that have another name here. */
static const struct {
    const char *old, *new, *note;
} words[] = {
    {".packetloss", ".loss", ""},
    {".roundtrip", ".rtt", ""},
};

/* Loadero: webrtc/KIND/WHAT/DIRECTION/AGG, and webrtc/KIND/WHAT/AGG for what has no direction. */
static const struct {
    const char *old, *new, *note;
    bool directed;
} paths[] = {
    {"bitrate", "bitrate", "", true},
    {"packetsLost", "loss", "Loadero counts packets, Squall gives their share in per cent.", true},
    {"jitter", "jitter", "In ms here.", true},
    {"connections", "", "", true},
    {"fps", "fps", "", true},
    {"frameWidth", "width", "", true},
    {"frameHeight", "height", "", true},
    {"rtt", "in.rtt", "In ms here.", false},
    {"jitterBuffer", "in.playout", "In ms here.", false},
};

/* Without a metric. What a name begins with, or has in it between two dots or slashes. */
#define CODEC                                                                                      \
    "a codec is no number; --codec video=h264 lets no other be agreed, and a peer with which it "  \
    "is "                                                                                          \
    "not agreed fails"
static const struct {
    const char *name;
    bool inside;
    const char *why;
} absent[] = {
    {"sip.", false, "Squall speaks the signalling of WebRTC services, and no SIP"},
    {"performance.", false,
     "no browser runs here; generator.cpu is that of Squall's own threads, and 'squall capacity "
     "--server-pid PID' tells the server's"},
    {"connectionDuration", false,
     "a peer stays as long as --hold says; peers.dropped counts those whose connection ended "
     "before"},
    {"data.out.latency", false,
     "a message's way is measured where it arrives: data.in.latency, and data.rtt there and back"},
    {"data.out.loss", false, "what was lost is counted where it did not arrive: data.in.loss"},
    {"audio.out.latency", false, "a way is measured at its end: audio.in.latency of who hears it"},
    {"video.out.latency", false, "a way is measured at its end: video.in.latency of who sees it"},
    {"video.out.freeze", false, "a picture freezes for who sees it: video.in.freeze"},
    {"codec", true, CODEC},
    {"bytes", true,
     "sums over a whole call are columns of peers.csv, such as video.in.bytes; expect its rate, "
     "video.in.bitrate"},
    {"packets", true,
     "sums over a whole call are columns of peers.csv, such as video.in.packets; expect "
     "video.in.bitrate, or the share that was lost, video.in.loss"},
    {"percent", true,
     "it is no aggregate here; 'for 95% of peers' says of how many something has to hold"},
};

static bool has_part(struct sq_view name, const char *part)
{
    size_t from = 0;
    for (size_t i = 0; i <= name.len; i++) {
        if (i == name.len || name.at[i] == '.' || name.at[i] == '/') {
            if (sq_view_is((struct sq_view){name.at + from, i - from}, part)) {
                return true;
            }
            from = i + 1;
        }
    }
    return false;
}

const char *sq_metric_absent(struct sq_view name)
{
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        size_t len = strlen(absent[i].name);
        bool begins = name.len >= len && memcmp(name.at, absent[i].name, len) == 0;
        if (absent[i].inside ? has_part(name, absent[i].name) : begins) {
            return absent[i].why;
        }
    }
    return NULL;
}

static int from_testrtc(struct sq_view old, struct sq_metric_old *ret_new)
{
    char name[SQ_METRIC_OLD_MAX];
    if (old.len >= sizeof(name)) {
        return SQ_ERR_NOTFOUND;
    }
    memcpy(name, old.at, old.len);
    name[old.len] = '\0';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char *hit = strstr(name, words[i].old);
        size_t len = strlen(words[i].old);
        if (hit && (hit[len] == '\0' || hit[len] == '.')) {
            snprintf(ret_new->name, sizeof(ret_new->name), "%.*s%s%s", (int)(hit - name), name,
                     words[i].new, hit + len);
            ret_new->whose = "testRTC";
            ret_new->note = words[i].note;
            return 0;
        }
    }
    return SQ_ERR_NOTFOUND;
}

/* "95th" is p95; the others are as here. */
static void put_aggregate(struct sq_view agg, char *out, size_t size)
{
    if (agg.len > 2 && agg.at[0] >= '0' && agg.at[0] <= '9') {
        snprintf(out, size, ".p%.*s", (int)(agg.len - 2), agg.at);
    } else if (agg.len > 0) {
        snprintf(out, size, ".%.*s", (int)agg.len, agg.at);
    } else {
        out[0] = '\0';
    }
}

static int from_loadero(struct sq_view old, struct sq_metric_old *ret_new)
{
    struct sq_view rest = old;
    struct sq_view root = sq_view_cut(&rest, '/');
    struct sq_view kind = sq_view_cut(&rest, '/');
    struct sq_view what = sq_view_cut(&rest, '/');
    char agg[16];
    ret_new->whose = "Loadero";
    if (sq_view_is(root, "mos") && sq_view_is(kind, "audio") && sq_view_is(what, "e-model")) {
        put_aggregate(rest, agg, sizeof(agg));
        snprintf(ret_new->name, sizeof(ret_new->name), "mos%s", agg);
        ret_new->note = "";
        return 0;
    }
    if (!sq_view_is(root, "webrtc") || !(sq_view_is(kind, "audio") || sq_view_is(kind, "video"))) {
        return SQ_ERR_NOTFOUND;
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (!sq_view_is(what, paths[i].old)) {
            continue;
        }
        struct sq_view way = {"", 0};
        if (paths[i].directed) {
            way = sq_view_cut(&rest, '/');
            if (!sq_view_is(way, "in") && !sq_view_is(way, "out")) {
                return SQ_ERR_NOTFOUND;
            }
        }
        put_aggregate(rest, agg, sizeof(agg));
        snprintf(ret_new->name, sizeof(ret_new->name), "%.*s.%.*s%s%s%s", (int)kind.len, kind.at,
                 (int)way.len, way.at, way.len > 0 && paths[i].new[0] ? "." : "", paths[i].new,
                 agg);
        ret_new->note = paths[i].note;
        return 0;
    }
    return SQ_ERR_NOTFOUND;
}

int sq_metric_from_old(struct sq_view old, struct sq_metric_old *ret_new)
{
    struct sq_metric_old found = {.name = ""};
    int err = memchr(old.at, '/', old.len) ? from_loadero(old, &found) : from_testrtc(old, &found);
    if (!err) {
        *ret_new = found;
    }
    return err;
}

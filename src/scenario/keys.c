#include "scenario/keys.h"

#include <stdio.h>
#include <string.h>

#define TOP   SQ_SCENARIO_TOP
#define GROUP SQ_SCENARIO_GROUP
#define BOTH  (SQ_SCENARIO_TOP | SQ_SCENARIO_GROUP)
#define VARS  SQ_SCENARIO_VARIABLES
#define READ  SQ_SCENARIO_FILE

static const struct sq_scenario_key keys[] = {
    {"", "name", NULL, SQ_SCENARIO_NAME, TOP, "what results call the scenario"},
    {"", "target", "target", SQ_SCENARIO_TEXT, BOTH | VARS | SQ_SCENARIO_COLUMNS,
     "the service: lab, janus+wss://…, whip+https://…, whep+https://…, room+wss://…, "
     "lua+wss://…"},
    {"", "seed", "seed", SQ_SCENARIO_COUNT, TOP, "of every random choice (default: by the clock)"},

    {"load", "peers", "peers", SQ_SCENARIO_COUNT, TOP,
     "at once (default: those of rooms.count, or 1)"},
    {"load", "rate", "rate", SQ_SCENARIO_RATE, TOP, "arrivals, such as 20/s or 90/m"},
    {"load", "duration", "duration", SQ_SCENARIO_DURATION, TOP,
     "of the whole run, ramp down left out (default 30s)"},
    {"load", "hold", "hold", SQ_SCENARIO_DURATION, TOP,
     "how long each peer stays (default: until the end)"},
    {"load", "ramp", "ramp", SQ_SCENARIO_TEXT, TOP,
     "UP or UP:DOWN: bring all up over UP (0s: all at once), and down over DOWN"},
    {"load", "shape", "load", SQ_SCENARIO_TEXT, TOP,
     "stages, each a time and the peers or the rate at its end: 30s:100, 5m:100, 30s:0"},
    {"load", "think", "think", SQ_SCENARIO_TEXT, TOP,
     "of a shape with peers: D or D1..D2 until one who left after hold is replaced"},
    {"load", "arrivals", "arrivals", SQ_SCENARIO_TEXT, TOP | VARS | READ,
     "a file of times at which peers begin"},
    {"load", "jitter", "jitter", SQ_SCENARIO_DURATION, TOP,
     "each arrival comes up to so much later"},
    {"load", "threads", "threads", SQ_SCENARIO_COUNT, TOP,
     "of the generator (default: one a core)"},
    {"load", "realtime", "realtime", SQ_SCENARIO_FLAG, TOP,
     "threads of the generator go before all else on their cores"},

    {"rooms", "name", "room", SQ_SCENARIO_TEXT, TOP, "of the room, or the prefix of their names"},
    {"rooms", "count", NULL, SQ_SCENARIO_COUNT, TOP, "of rooms"},
    {"rooms", "size", "room-size", SQ_SCENARIO_COUNT, TOP, "peers of each room"},
    {"rooms", "sizes", NULL, SQ_SCENARIO_SIZES, TOP,
     "rooms of several sizes, and the share of the rooms that each has: {2: 70%, 5: 30%}"},

    {"users", "file", "users", SQ_SCENARIO_TEXT, TOP | VARS | READ,
     "a CSV with a row for each peer; target and token may have ${user.COLUMN}"},
    {"users", "order", "users-order", SQ_SCENARIO_TEXT, TOP,
     "of its rows: sequential (default, over and over), random, or unique"},

    {"", "groups", NULL, SQ_SCENARIO_GROUPS, TOP,
     "peers that do the same: a map by name, or a list with names"},
    {"", "role", NULL, SQ_SCENARIO_ROLE, GROUP, "what the group does (default: both)"},
    {"", "per_room", NULL, SQ_SCENARIO_COUNT, GROUP, "so many of each room"},
    {"", "share", NULL, SQ_SCENARIO_SHARE, GROUP,
     "of those whom no per_room takes; who has neither takes an equal part of the rest"},

    {"", "room", NULL, SQ_SCENARIO_ROOM, GROUP, "the group's own room, such as ${room_url}"},
    {"", "before", NULL, SQ_SCENARIO_STEPS, BOTH,
     "what each peer does before it signs in, step by step"},
    {"", "steps", NULL, SQ_SCENARIO_STEPS, BOTH, "what each peer does once it is up, step by step"},

    {"", "publishers", "publishers", SQ_SCENARIO_COUNT, TOP,
     "without groups: of each room so many publish, and the others watch"},
    {"", "listen", "no-listen", SQ_SCENARIO_FLAG, TOP,
     "without groups: publishers watch, too (default true)"},
    {"", "audio", "no-audio", SQ_SCENARIO_FLAG, BOTH, "sent and received (default true)"},
    {"", "video", "no-video", SQ_SCENARIO_FLAG, BOTH, "sent and received (default true)"},
    {"", "media", "media", SQ_SCENARIO_TEXT, BOTH | VARS | READ,
     "what is sent: default, small, hd, or a .sqclip file"},
    {"", "codec", "codec", SQ_SCENARIO_CODEC, BOTH, "the preferred one first"},
    {"", "simulcast", "simulcast", SQ_SCENARIO_COUNT, BOTH, "send the video in 2 or 3 layers"},
    {"", "bwe", "bwe", SQ_SCENARIO_TEXT, BOTH, "gcc (default), off, or fixed:1.2M"},
    {"", "data", "data", SQ_SCENARIO_DATA, BOTH, "messages on a data channel"},
    {"", "data_mode", "data-mode", SQ_SCENARIO_TEXT, BOTH,
     "ordered (default) or unordered, retransmits=N or lifetime=D"},
    {"", "dtmf", "dtmf", SQ_SCENARIO_TEXT, BOTH, "DIGITS or DIGITS@SECONDS: keys that are pressed"},
    {"", "latency", "latency", SQ_SCENARIO_FLAG, BOTH,
     "measure one-way latency by time-tags in frames"},
    {"", "echo", "echo", SQ_SCENARIO_FLAG, BOTH, "by WHIP: ask for the media back"},
    {"", "replay", "replay", SQ_SCENARIO_TEXT, BOTH | VARS | READ,
     "send this rtpdump or pcap in the place of a clip"},
    {"", "pt", "pt", SQ_SCENARIO_TEXT, BOTH,
     "of replay: what its payload types are, such as 96=VP8,111=opus"},

    {"", "network", "network", SQ_SCENARIO_NETWORK, BOTH,
     "a bad network under each peer: a name, settings, or a mix"},
    {"", "ice", "ice", SQ_SCENARIO_TEXT, BOTH, "all (default), relay, or relay-first"},
    {"", "token", "token", SQ_SCENARIO_TEXT, BOTH | VARS | SQ_SCENARIO_COLUMNS,
     "bearer token; better as ${NAME}"},
    {"", "script", "script", SQ_SCENARIO_TEXT, BOTH | VARS | READ,
     "of a lua target: the script that speaks its protocol"},
    {"", "trickle", "no-trickle", SQ_SCENARIO_FLAG, BOTH,
     "send candidates as they come (default true)"},
    {"", "insecure", "insecure", SQ_SCENARIO_FLAG, BOTH, "do not verify certificates"},
    {"", "ca", "ca", SQ_SCENARIO_TEXT, BOTH | VARS | READ,
     "PEM file of an authority to trust besides the system's"},
    {"", "stun", "stun", SQ_SCENARIO_TEXTS, TOP | VARS, "STUN servers, HOST:PORT"},
    {"turn", "url", "turn", SQ_SCENARIO_TEXTS, TOP | VARS, "turn:HOST[:PORT], turns:…"},
    {"turn", "user", "turn-user", SQ_SCENARIO_TEXT, TOP | VARS, "its user"},
    {"turn", "password", "turn-password", SQ_SCENARIO_TEXT, TOP | VARS,
     "its password; better as ${NAME}"},
    {"turn", "secret", "turn-secret", SQ_SCENARIO_TEXT, TOP | VARS,
     "what time-limited credentials are made of; better as ${NAME}"},
    {"", "local_ip", "local-ip", SQ_SCENARIO_TEXTS, TOP | VARS,
     "addresses to send media from: IP, A-B or A/BITS"},
    {"", "srtp", "srtp", SQ_SCENARIO_TEXT, TOP, "offered first: gcm (default) or cm"},
    {"", "reconnect", "reconnect", SQ_SCENARIO_TEXT, BOTH,
     "who is dropped comes back: now, backoff, backoff:1s-30s; ice+backoff and the like"},
    {"timeouts", "answer", "answer-timeout", SQ_SCENARIO_DURATION, TOP,
     "for each answer of the signalling (10s)"},
    {"timeouts", "connect", "connect-timeout", SQ_SCENARIO_DURATION, TOP, "for ICE and DTLS (15s)"},
    {"timeouts", "media", "media-timeout", SQ_SCENARIO_DURATION, TOP,
     "from connected to the first media (10s)"},

    {"", "expect", "expect", SQ_SCENARIO_EXPECT, TOP, "what has to hold"},
    {"", "abort_on", "abort-on", SQ_SCENARIO_TEXTS, TOP,
     "the same, and the run ends once it does not hold: EXPR or EXPR@DELAY"},
    {"", "baseline", "baseline", SQ_SCENARIO_TEXTS, TOP | VARS | READ,
     "results of earlier runs: to be worse than those fails"},
    {"", "baseline_threshold", "baseline-threshold", SQ_SCENARIO_TEXT, TOP,
     "a change counts from so many % on"},
    {"", "lateness_max", "lateness-max", SQ_SCENARIO_NUMBER, TOP,
     "ms: p99 of the generator's own timers (default 20)"},

    {"output", "dir", "out", SQ_SCENARIO_TEXT, TOP | VARS, "results directory"},
    {"output", "json", "json", SQ_SCENARIO_TEXT, TOP | VARS, "summary.json as one file"},
    {"output", "junit", "junit", SQ_SCENARIO_TEXT, TOP | VARS, "junit.xml as one file"},
    {"output", "html", "html", SQ_SCENARIO_TEXT, TOP | VARS, "report.html as one file"},
    {"output", "markdown", "markdown", SQ_SCENARIO_TEXT, TOP | VARS, "a summary for a job page"},
    {"output", "report_url", "report-url", SQ_SCENARIO_TEXT, TOP,
     "where people will find report.html"},
    {"output", "github", "github", SQ_SCENARIO_FLAG, TOP, "what did not hold as ::error lines"},
    {"output", "prometheus", "prometheus", SQ_SCENARIO_TEXT, TOP,
     "[ADDR:]PORT: while it runs, figures to scrape at /metrics"},
    {"output", "prometheus_push", "prometheus-push", SQ_SCENARIO_TEXT, TOP | VARS,
     "the URL of a Pushgateway"},
    {"output", "dump", "dump", SQ_SCENARIO_COUNT, TOP,
     "webrtc-internals dumps of the first N peers"},
    {"output", "decode", "decode", SQ_SCENARIO_COUNT, TOP, "decode what the first N peers receive"},
    {"output", "record", "record", SQ_SCENARIO_COUNT, TOP, "record what the first N peers receive"},
    {"output", "record_sent", "record-sent", SQ_SCENARIO_FLAG, TOP, "and what they send"},
    {"output", "record_format", "record-format", SQ_SCENARIO_TEXT, TOP,
     "some of webm (default), ogg, rtpdump, pcap, with commas"},
    {"output", "quiet", "quiet", SQ_SCENARIO_FLAG, TOP, "no progress, no closing text"},
    {"output", "verbose", "verbose", SQ_SCENARIO_FLAG, TOP, "every metric in the closing text"},
    {"output", "tui", "no-tui", SQ_SCENARIO_FLAG, TOP, "the live view (default true)"},
};

static const struct sq_scenario_section sections[] = {
    {"load", "how many peers come, when, and for how long"},
    {"rooms", "how they are spread over rooms"},
    {"users", "data of each peer"},
    {"turn", "TURN servers and what they ask for"},
    {"timeouts", "how long what may take"},
    {"output", "where results go, and what is kept"},
};

const char *const sq_scenario_network_keys[] = {"profile",  "rate", "queue", "delay",     "jitter",
                                                "reorder",  "loss", "burst", "duplicate", "corrupt",
                                                "firewall", "up",   "down",  "share",     NULL};
const char *const sq_scenario_roles[] = {"both",  "publish", "watch", "audio",
                                         "video", "data",    NULL};
const char *const sq_scenario_step_words[] = {
    "http",        "wait",  "wait_for",    "set",   "mute",    "unmute", "network",
    "restart_ice", "leave", "rejoin",      "dtmf",  "timer",   "count",  "event",
    "websocket",   "data",  "ice_servers", "share", "unshare", NULL};
const char *const sq_scenario_levels[] = {"error", "warn", NULL};

const struct sq_scenario_key *sq_scenario_keys(size_t *ret_n)
{
    *ret_n = sizeof(keys) / sizeof(*keys);
    return keys;
}

const struct sq_scenario_section *sq_scenario_sections(size_t *ret_n)
{
    *ret_n = sizeof(sections) / sizeof(*sections);
    return sections;
}

const struct sq_scenario_key *sq_scenario_key_find(const char *section, const char *name,
                                                   unsigned where)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if ((keys[i].where & where) && strcmp(keys[i].section, section) == 0 &&
            strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

const struct sq_scenario_key *sq_scenario_key_of(const char *option)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (keys[i].option && strcmp(keys[i].option, option) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

const char *sq_scenario_key_path(const struct sq_scenario_key *key, char out[static 48])
{
    snprintf(out, 48, "%s%s%s", key->section, key->section[0] ? "." : "", key->name);
    return out;
}

/* A scenario with each of its keys wrong in turn: the sentence names file, line and column, and
 * says what was expected. A key without a case fails. */
#include "base/temp_dir.h"
#include "cli/run_check.h"
#include "cli/run_file.h"
#include "scenario/keys.h"
#include "scenario/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct wrong {
    const char *text, *place, *words; /* "" for a place: it is of several keys */
};

#define LAB           "target: lab\n"
#define TEN           "aaaaaaaaaa"
#define HUNDRED       TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define SEVEN_HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED

static const struct wrong wrongs[] = {
    {LAB "name: a/b\n", "2:7", "'a/b'; expected a name of 1 to 80 letters"},
    {"load: {peers: 1}\n", "1:1", "no target; expected target: lab"},
    {"groups: {a: {target: lab}, b: {}}\n", "1:28", "group 'b' has no target"},
    {"target: ftp://x/\n", "1:9", "target 'ftp://x/': expected lab:"},
    {"target: janus+ws://x/\n", "1:9", "the plug-in is missing"},
    {"target: whip+https://h/" SEVEN_HUNDRED SEVEN_HUNDRED SEVEN_HUNDRED "\n", "1:9",
     "target: it has 2115 bytes; expected 2048 at most"},
    {"target: whip+https://h/${user.a}\n", "1:9",
     "${user.a} asks for a column of users, and there are none: give the rows with users.file"},
    {LAB "groups: {a: {target: 'whip+https://h/${user.a}'}, b: {}}\n", "2:22",
     "give the rows with users.file"},
    {"target: lua+ws://h/\n", "1:9", "whose protocol is a script: expected script FILE.lua"},
    {LAB "groups: {a: {target: lua+ws://h/}, b: {}}\n", "2:22", "expected script FILE.lua"},
    {"target: lab:nothing\n", "1:9", "expected lab:, lab:echo"},
    {LAB "groups: {a: {target: ftp://x/}}\n", "2:22", "expected lab:"},
    {LAB "load: {peers: 0}\n", "2:15", "load.peers 0: expected a whole number from 1"},
    {LAB "steps: [{wait: 1s}, {network: Poor 6G}]\n", "2:21", "network 'Poor 6G'"},
    {LAB "steps: [{wait: 1s}, {data: hi}]\n", "2:21", "these peers have no data channel"},
    {LAB "audio: false\nmedia: nowhere\nsteps: [share: hd]\n", "3:8", "no such clip"},
    {LAB "steps: [share: nowhere]\n", "2:9", "share nowhere: no such clip"},
    {LAB "video: false\nsteps: [share: hd]\n", "3:9", "these peers send no video"},
    {LAB "audio: false\nsteps: [{wait: 1s}, {dtmf: '12'}]\n", "3:21", "these peers send no audio"},
    {LAB "steps: [dtmf: '12']\ngroups: {a: {}, b: {role: video}}\n", "2:9", "send no audio"},
    {LAB "groups:\n  a: {audio: false, steps: [dtmf: '12']}\n", "3:29", "send no audio"},
    {LAB "publishers: 1\nload: {peers: 2}\nsteps: [dtmf: '1']\n", "4:9", "send no audio"},
    {"target: whep+https://h/x\nsteps: [dtmf: '1']\n", "2:9", "send no audio"},
    {LAB "audio: false\ndtmf: '12'\n", "3:7", "keys are pressed in audio, and there is none"},
    {LAB "users: {file: no.x}\n", "2:15", "No such file or directory (looked for "},
    {LAB "users: {file: no.x}\n", "2:15", "/no.x, and for no.x in the current directory)"},
    {LAB "load: {arrivals: no.x, hold: 2s}\n", "2:18",
     "/no.x, and for no.x in the current directory)"},
    {LAB "media: no.x\n", "2:8", "/no.x, and for no.x in the current directory)"},
    {LAB "replay: no.x\n", "2:9", "/no.x, and for no.x in the current directory)"},
    {LAB "ca: no.x\n", "2:5", "/no.x, and for no.x in the current directory)"},
    {LAB "baseline: no.x\n", "2:11", "/no.x, and for no.x in the current directory)"},
    {LAB "groups: {a: {media: no.x}}\n", "2:21", "/no.x, and for no.x in the current directory)"},
    {LAB "steps: [share: no.x]\n", "2:9", "/no.x, and for no.x in the current directory)"},
    {"target: lua+ws://h/\nscript: no.x\n", "2:9", "/no.x, and for no.x in the current directory)"},
    {LAB "before: [websocket: 'ws://x/${user.id}']\n", "2:10", "asks for a column of users"},
    {LAB "before: [http: 'http://x/${user.id}']\n", "2:10", "asks for a column of users"},
    {"target: 'lab:${t}'\nbefore: [set: {name: t, value: v}]\n", "1:9", "for other services"},
    {"target: ${t}\nbefore: [set: {name: t, value: v}]\n", "1:9", "expected its kind before it"},
    {LAB "load: {peers: many}\n", "2:15", "load.peers many"},
    {LAB "load: {rate: 20}\n", "2:14", "load.rate 20: expected a rate"},
    {LAB "load: {duration: 10}\n", "2:18", "load.duration 10: expected a duration"},
    {LAB "load: {hold: 0s}\n", "2:14", "load.hold 0s"},
    {LAB "load: {ramp: up}\n", "2:14", "load.ramp up: expected UP or UP:DOWN"},
    {LAB "load: {ramp: 0s, hold: 2s, duration: 9s}\n", "2:14",
     "load.ramp 0s brings all peers at once, but with load.hold and load.duration others come as "
     "long as the run lasts: expected an UP above 0s, load.rate, or load.shape N for a number"},
    {LAB "load: {ramp: 2s, rate: 1/s}\n", "2:14", "load.ramp and load.rate say the same"},
    {LAB "load: {shape: '30s:many'}\n", "2:15", "load.shape '30s:many'"},
    {LAB "load: {shape: 9, rate: 2/s}\n", "2:15", "load.shape and load.rate both say"},
    {LAB "load: {think: 2s}\n", "2:15", "load.think is how long"},
    {LAB "load: {arrivals: /nowhere.csv, hold: 1s}\n", "2:18", "/nowhere.csv"},
    {LAB "load: {jitter: 9h}\n", "2:16", "load.jitter"},
    {LAB "baseline_threshold: 5\n", "2:21", "there is no baseline to use it on"},
    {LAB "load: {threads: 999}\n", "2:17", "load.threads 999"},
    {LAB "load: {realtime: 40}\n", "2:18", "expected true or false"},
    {LAB "load: {peers: 1000000, rate: 1000000/s, hold: 1s, duration: 1h}\n", "", "arrivals"},
    {LAB "rooms: {size: 0}\n", "2:15", "rooms.size 0"},
    {LAB "rooms: {name: ''}\n", "2:15", "name: nothing"},
    {LAB "rooms: {name: a-name-that-is-longer-than-the-name-of-a-room-can-be}\n", "2:15",
     "rooms.name"},
    {LAB "rooms: {count: 3, size: 2}\nload: {peers: 7}\n", "2:16", "3 rooms have 6 peers"},
    {LAB "rooms: {count: 3}\nload: {peers: 2}\n", "2:16", "3 rooms for 2 peers"},
    {LAB "rooms: {count: 1000, size: 1001}\n", "2:16", "expected 1000000 at most"},
    {LAB "rooms: {sizes: {2: 70%, 3: 20%}, count: 1}\n", "2:16", "the shares make 90 %"},
    {LAB "users: {file: /nowhere.csv}\n", "2:15", "users.file /nowhere.csv: No such file"},
    {LAB "users: {file: /nowhere.csv, order: any}\n", "2:36",
     "users.order any: expected sequential"},
    {LAB "groups: {}\n", "2:9", "expected a group at least"},
    {LAB "groups: {a: {role: wach}}\n", "2:20", "did you mean watch?"},
    {LAB "groups: {a: {per_room: none}}\n", "2:24", "expected a whole number from 1 to 1000000"},
    {LAB "groups: {a: {share: 130%}}\n", "2:21", "expected a share above 0 and up to 100 %"},
    {LAB "groups: {a: {room: []}}\n", "2:20", "expected the name of a room"},
    {LAB "media: nope\n", "2:8", "media nope: no such clip"},
    {LAB "groups: {a: {media: nope}, b: {}}\n", "2:21", "media nope: no such clip"},
    {LAB "bwe: fast\n", "2:6", "bwe fast: expected gcc, off"},
    {LAB "simulcast: 9\n", "2:12", "simulcast 9"},
    {LAB "simulcast: 2\ncodec: {video: vp9+svc}\n", "2:12", "one stream"},
    {LAB "codec: {audio: opus, video: h999}\n", "2:29", "h999"},
    {LAB "codec: [voice=opus]\n", "2:9", "expected audio=LIST or video=LIST"},
    {LAB "data: 10:200\n", "2:7", "data 10:200: expected RATE:SIZE"},
    {LAB "data: {rate: 1/s, size: 3}\n", "2:7", "expected RATE:SIZE"},
    {LAB "data_mode: ordered\n", "2:12", "data_mode says how data is sent"},
    {LAB "data: 10/s:200\ndata_mode: sorted\n", "3:12", "data_mode sorted"},
    {LAB "groups:\n  a: {}\n  b: {role: video, dtmf: '1'}\n", "4:26",
     "dtmf: keys are pressed in audio, and role: video has none: leave it out"},
    {LAB "groups:\n  b: {role: data, data: 1/s:99, dtmf: '1'}\n", "3:39", "role: data has none"},
    {LAB "audio: false\ngroups:\n  b: {dtmf: '1'}\n", "4:13", "in audio, and there is none"},
    {LAB "dtmf: '1'\ngroups: {a: {role: video}, b: {audio: false}, c: {role: watch}}\n", "2:7",
     "dtmf: keys are pressed in audio, and no group sends any: leave it out"},
    {LAB "dtmf: 12x\n", "2:7", "dtmf 12x"},
    {LAB "pt: 96=VP8\n", "2:5", "pt: expected replay"},
    {LAB "replay: /nowhere.pcap\n", "2:9", "No such file"},
    {LAB "replay: /nowhere.pcap\nbwe: gcc\n", "3:6", "a replay sends its recording as it is"},
    {LAB "replay: /x.pcap\nlatency: true\n", "3:10",
     "latency: a replay sends its recording as it is, and no time-tags of its own to measure by"},
    {LAB "replay: /x.pcap\nexpect:\n  - video.in.latency.p95 < 100ms\n", "4:5",
     "expect 'video.in.latency.p95 < 100ms': a replay sends its recording as it is"},
    {LAB "groups:\n  a: {}\n  b: {replay: /x.pcap, latency: true}\n", "4:33", "a replay sends"},
    {LAB "latency: true\ngroups: {a: {replay: /x.pcap}, b: {role: watch}}\n", "2:10",
     "latency: a replay sends its recording"},
    {LAB "groups: {a: {replay: /x.pcap}, b: {role: watch, latency: true}}\n", "2:58",
     "latency: a replay sends its recording"},
    {"groups:\n  a: {target: 'lab:whip/s', role: publish, replay: /x.pcap}\n"
     "  b: {target: 'lab:whep/s'}\nexpect: video.in.latency < 9ms\n",
     "4:9", "expect 'video.in.latency < 9ms': a replay sends its recording"},
    {LAB "groups: {a: {replay: /x.pcap}, b: {role: data, data: 1/s:99}}\n"
         "abort_on: audio.in.latency < 9ms\n",
     "3:11", "abort_on 'audio.in.latency < 9ms': a replay sends its recording"},
    {LAB "audio: false\nvideo: false\n", "2:8", "leave nothing to send: give data"},
    {LAB "video: 'true'\n", "2:8", "video: 'true'; expected true or false"},
    {LAB "audio: false\nvideo: false\ndata: 1/s:99\nlatency: true\n", "5:10", "latency measures"},
    {LAB "echo: true\n", "2:7", "echo asks a WHIP server"},
    {LAB "network: Poor 5G\n", "2:10", "expected the name of a network"},
    {LAB "network: {rate: 1M, delay: 80}\n", "2:28", "expected delay=TIME"},
    {LAB "network: {burst: 4, loss: 300%}\n", "2:27", "expected loss=SHARE"},
    {LAB "network: 'rate=1M,rate=2M'\n", "2:10", "'rate=2M': expected each setting once"},
    {LAB "network: {rate: 1M, burst: 4}\n", "2:10", "a burst where nothing is lost"},
    {LAB "before: [ice_servers: [{urls: 'http://x'}]]\n", "2:10",
     "ICE server 1: 'http://x': expected turn:HOST"},
    {LAB "network: [wifi@60%, 3g@50%]\n", "2:11", "the shares make 110 %"},
    {LAB "groups:\n  a:\n    network: {up: {loss: 300%}}\n", "4:26", "loss"},
    {LAB "ice: direct\n", "2:6", "ice direct: expected all"},
    {LAB "ice: relay\n", "2:6", "give the TURN server with turn.url"},
    {LAB "token: \"a\\nb\"\n", "2:8", "token (or SQUALL_TOKEN): character 2 is a control"},
    {LAB "script: /nowhere.lua\n", "2:9", "script: /nowhere.lua: No such file"},
    {LAB "trickle: no\n", "2:10", "trickle: 'no'; expected true or false"},
    {LAB "insecure: 1\n", "2:11", "insecure: '1'; expected true or false"},
    {LAB "stun: 'host:0'\n", "2:7", "stun host:0: expected HOST, HOST:PORT or [IPv6]:PORT"},
    {LAB "stun: [a, b, c, d, e]\n", "2:8", "stun: at most 4 servers"},
    {LAB "local_ip: 10.0.0.9-10.0.0.1\n", "2:11",
     "local_ip 10.0.0.9-10.0.0.1: the range runs back"},
    {LAB "local_ip: 10.0.0.0/33\n", "2:11", "'33' is no length of a prefix of IPv4: expected 0 to"},
    {LAB "load: {duration: 2d}\n", "2:18", "load.duration 2d: 'd' is no unit; expected"},
    {LAB "local_ip: 300.1.1.1\n", "2:11", "local_ip 300.1.1.1: expected a numeric IPv4"},
    {LAB "turn: {url: 'turn:', user: a, password: b}\n", "2:13", "turn.url turn:: "},
    {LAB "turn: {url: 'turn:x', password: b}\n", "2:33", "turn.password: give the user, too"},
    {LAB "turn: {secret: c}\n", "2:16", "turn.secret: there is no TURN server"},
    {LAB "turn: {user: me}\n", "2:14", "turn.user: there is no TURN server"},
    {LAB "turn: {url: 'turn:x', user: a, password: b, secret: c}\n", "2:42", "two ways"},
    {LAB "ca: /nowhere.pem\n", "2:5", "No such file"},
    {LAB "srtp: aes\n", "2:7", "srtp aes: expected gcm or cm"},
    {LAB "timeouts: {answer: 1, media: 1s}\n", "2:20", "timeouts.answer 1: expected a duration"},
    {LAB "timeouts: {connect: 0s}\n", "2:21", "timeouts.connect"},
    {LAB "timeouts: {media: x}\n", "2:19", "timeouts.media"},
    {LAB "reconnect: later\n", "2:12", "reconnect later: expected now"},
    {LAB "lateness_max: -1\n", "2:15", "lateness_max: expected a number"},
    {LAB "lateness_max: x\n", "2:15", "lateness_max x"},
    {LAB "seed: -1\n", "2:7", "seed -1"},
    {LAB "publishers: 3\nrooms: {size: 2}\n", "2:13", "publishers 3: a room of rooms.size 2"},
    {LAB "publishers: 0\nmedia: hd\n", "3:8", "nobody sends"},
    {LAB "publishers: 0\nlisten: false\n", "3:9", "who does not publish watches"},
    {LAB "output: {dump: 9999}\n", "2:16", "output.dump 9999"},
    {LAB "output: {record: 0}\n", "2:18", "output.record 0"},
    {LAB "output: {decode: x}\n", "2:18", "output.decode x"},
    {LAB "expect:\n  - video.in.los < 1%\n", "3:5", "did you mean video.in.loss?"},
    {LAB "expect:\n  - \"peers.ok === 1\"\n", "3:17", "expected a number"},
    {LAB "expect: {level: warn, expr: peers.ok > x}\n", "2:40", "expected a number"},
    {LAB "expect: >-\n  peers.ok >\n  x\n", "2:9", "column 12"}, /* not letter by letter */
    {LAB "abort_on: video.in.los < 1%\n", "2:11", "did you mean video.in.loss?"},
    {LAB "abort_on: 'peers.ok >= 99% @10'\n", "2:29", "abort_on 'peers.ok >= 99% @10': expected"},
    {LAB "abort_on: score > 7\n", "2:11", "is counted at each peer's end"},
    {LAB "baseline: /nowhere\n", "2:11", "baseline: /nowhere"},
    {LAB "output: {dir: /dev/null/x}\n", "2:15",
     "output.dir /dev/null/x: /dev/null is not a folder"},
    {LAB "output: {json: /nowhere/j.json}\n", "2:16", "output.json /nowhere/j.json: its folder is"},
    {LAB "output: {junit: /}\n", "2:17", "output.junit /: is a folder, expected a file"},
    {LAB "output: {html: /nowhere/r.html}\n", "2:16", "output.html /nowhere/r.html: its folder is"},
    {LAB "output: {markdown: /}\n", "2:20", "output.markdown /: is a folder, expected a file"},
    {LAB "output: {report_url: []}\n", "2:22", "report_url: a list; expected a text"},
    {LAB "output: {github: yes}\n", "2:18", "github: 'yes'; expected true or false"},
    {LAB "output: {prometheus: nine}\n", "2:22", "output.prometheus nine: expected [ADDR:]PORT"},
    {LAB "output: {prometheus_push: 'ftp://x'}\n", "2:27", "expected the URL of a Pushgateway"},
    {LAB "output: {record_sent: true}\n", "2:23", "output.record_sent: expected output.record N"},
    {LAB "output: {record: 1, record_format: avi}\n", "2:36", "avi: expected some of webm, ogg"},
    {LAB "output: {quiet: 1}\n", "2:17", "quiet: '1'; expected true or false"},
    {LAB "output: {verbose: 1}\n", "2:19", "verbose: '1'; expected true or false"},
    {LAB "output: {tui: off}\n", "2:15", "tui: 'off'; expected true or false"},
    {LAB "groups: {a: {per_room: 2}, b: {per_room: 2}}\nrooms: {size: 3}\n", "2:42",
     "take 4 peers of each room, and a room has 3"},
    {LAB "groups: {a: {per_room: 1}, b: {per_room: 1}}\nrooms: {size: 3}\n", "2:1",
     "a group without per_room"},
    {LAB "groups: {a: {per_room: 3}, b: {}}\nrooms: {sizes: {2: 50%, 9: 50%}, count: 4}\n", "2:24",
     "a room has 2"},
    {LAB "groups: {a: {role: watch, media: hd}, b: {}}\n", "2:34", "role: watch sends nothing"},
    {LAB "groups: {a: {role: data}}\n", "2:10", "neither audio nor video nor data"},
    {LAB "groups: {a: {role: watch, target: 'lab:whip/x'}}\n", "2:", "its role is watch"},
    {LAB "groups: {a: {role: publish, target: 'lab:whep/x'}}\n", "2:", "its role is publish"},
    {LAB "groups: {a: {ice: relay}, b: {}}\n", "2:19", "give the TURN server with turn.url"},
};

/* As `squall check` has it. */
static int checked(const char *text, struct sq_run_check *c)
{
    char *argv[] = {(char *)in("t.yaml")};
    FILE *f = fopen(argv[0], "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    *c = (struct sq_run_check){.sources.dry = true};
    int err = sq_run_options_parse(&c->options, 1, argv, c->why, sizeof(c->why));
    err = err ? err : sq_run_check(c);
    if (err) {
        (void)sq_run_file_explain(&c->options, NULL, c->why, sizeof(c->why));
    }
    return err;
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    int missed = 0;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
        char place[128];
        static struct sq_run_check c;
        int err = checked(wrongs[i].text, &c);
        snprintf(place, sizeof(place), "%s%s%s", wrongs[i].place[0] ? in("t.yaml:") : "",
                 wrongs[i].place,
                 wrongs[i].place[0] && wrongs[i].place[strlen(wrongs[i].place) - 1] != ':' ? ": "
                                                                                           : "");
        if (!err || strncmp(c.why, place, strlen(place)) != 0 || !strstr(c.why, wrongs[i].words)) {
            missed++;
            print_error("%s gives %d '%s', which should be at %s and say '%s'\n", wrongs[i].text,
                        err, c.why, wrongs[i].place, wrongs[i].words);
        }
        sq_run_check_close(&c);
    }
    assert_int_equal(missed, 0);
}

/* ---- The key that a sentence blames ---- */

static bool is_by_then(const struct sq_yaml_node *node, struct sq_yaml_place at)
{
    return node->at.line < at.line || (node->at.line == at.line && node->at.column <= at.column);
}

/* Of a map or a list what the place is in. */
static const struct sq_yaml_node *item_at(const struct sq_yaml_node *of, struct sq_yaml_place at)
{
    const struct sq_yaml_node *found = NULL;
    for (const struct sq_yaml_node *item = of->first; item; item = item->next) {
        found = is_by_then(item->key ? item->key : item, at) ? item : found;
    }
    return found;
}

/* The key in which a place of the file is, by the tree of the file and by nothing that the reader
 * of scenarios says; NULL: it is in none, but in a section or a group as a whole. */
static const struct sq_scenario_key *key_of(const struct sq_yaml_node *root,
                                            struct sq_yaml_place at)
{
    const struct sq_yaml_node *top = item_at(root, at);
    const char *name = top ? top->key->text : "";
    const struct sq_scenario_key *key = sq_scenario_key_find("", name, SQ_SCENARIO_TOP);
    const struct sq_yaml_node *group = NULL;
    if (key && key->kind == SQ_SCENARIO_GROUPS) {
        group = item_at(top, at);
    }
    const struct sq_yaml_node *inner = group         ? item_at(group, at)
                                       : top && !key ? item_at(top, at)
                                                     : NULL;
    if (inner && inner->key) {
        key = group ? sq_scenario_key_find("", inner->key->text, SQ_SCENARIO_GROUP)
                    : sq_scenario_key_find(name, inner->key->text, SQ_SCENARIO_TOP);
    }
    return key;
}

static const struct sq_scenario_key *blamed(const char *text, const char *why)
{
    struct sq_yaml yaml;
    struct sq_yaml_error error;
    struct sq_yaml_place at = {0};
    const char *place = why + strlen(in("t.yaml:"));
    if (strncmp(why, in("t.yaml:"), strlen(in("t.yaml:"))) != 0) {
        return NULL;
    }
    assert_int_equal(sscanf(place, "%u:%u", &at.line, &at.column), 2); /* NOLINT(cert-err34-c) */
    assert_int_equal(sq_yaml_parse(text, strlen(text), &yaml, &error), 0);
    const struct sq_scenario_key *key = key_of(yaml.root, at);
    sq_yaml_free(&yaml);
    return key;
}

static void each_key_has_a_wrong_value(void **state)
{
    (void)state;
    enum { KEYS_MAX = 128 };
    static bool seen[KEYS_MAX];
    size_t n;
    int missed = 0;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    assert_in_range(n, 1, KEYS_MAX);
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
        static struct sq_run_check c;
        const struct sq_scenario_key *key =
            checked(wrongs[i].text, &c) ? blamed(wrongs[i].text, c.why) : NULL;
        if (key) {
            seen[key - keys] = true;
        }
        sq_run_check_close(&c);
    }
    for (size_t i = 0; i < n; i++) {
        char path[48];
        if (!seen[i]) {
            missed++;
            print_error("no case in wrongs[] has a wrong value for the key %s\n",
                        sq_scenario_key_path(&keys[i], path));
        }
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(each_key_has_a_wrong_value),
    };
    setenv("SQUALL_SHARE", SQ_SOURCE_DIR "/share", 1);
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

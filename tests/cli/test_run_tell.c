/* `squall check` tells every key of a scenario that is not as by default: a new key without a case
 * here fails. */
#include "base/temp_dir.h"
#include "cli/run_sources.h"
#include "cli/run_table.h"
#include "cli/run_tell.h"
#include "scenario/keys.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct whole {
    struct sq_run_options o;
    struct sq_plan plan;
    struct sq_run_sources sources;
};

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* What is told of the scenario; then `option` (nullable) is set to `value`, as what it needs is a
 * file that is not for tests. Owned (free). */
static char *told_with(const char *text, const char *option, const char *value)
{
    static char why[512];
    char *argv[] = {(char *)in("t.yaml")};
    struct whole w = {.sources.dry = true};
    struct sq_run_table table;
    char *told = NULL;
    size_t len = 0;
    write_file("t.yaml", text);
    int err = sq_run_options_parse(&w.o, 1, argv, why, sizeof(why));
    err = err ? err : sq_run_options_plan(&w.o, &w.plan, why, sizeof(why));
    if (!err) {
        err = sq_run_sources_open(&w.sources, &w.o, &w.plan);
        err = err ? err : sq_run_sources_targets(&w.sources, &w.o, &w.plan);
        if (err) {
            sq_run_sources_explain(&w.sources, &w.o, why, sizeof(why));
        }
    }
    if (err) {
        fail_msg("%s: %s", text, why);
    }
    if (option) {
        sq_run_table_make(&w.o, &table);
        assert_int_equal(sq_option_set(table.rows, option, value, why, sizeof(why)), 0);
    }
    FILE *out = open_memstream(&told, &len);
    assert_non_null(out);
    sq_run_tell(&w.o, &w.plan, out);
    assert_int_equal(fclose(out), 0);
    sq_run_sources_close(&w.sources);
    sq_run_options_free(&w.o);
    return told;
}

#define GROUPS "groups: {g: {}, h: {"

/* `with` is the file with the key, `without` the same without it; `words` are told of the first
 * alone. A `with` of NULL: the option is set to `without`. */
static const struct {
    const char *path, *with, *without, *words;
} cases[] = {
    {"name", "name: Night\n", "", "(Night)"},
    {"target", NULL, NULL, "Target       lab, by"},
    {"seed", "seed: 4711\n", "", "seed 4711"},
    {"load.peers", "load: {peers: 7}\n", "", "Peers        7"},
    {"load.rate", "load: {rate: 3/m}\n", "", "3 a minute begin"},
    {"load.duration", "load: {duration: 44s}\n", "", "the run lasts 44s"},
    {"load.hold", "load: {hold: 9s}\n", "", "each stays for 9s"},
    {"load.ramp", "load: {ramp: '5s:3s'}\n", "", "all within 5 s"},
    {"load.ramp", "load: {ramp: 0s}\n", "",
     "all begin at once; the run lasts 30s, and then they leave at once"},
    {"load.shape", "load: {shape: '2s:4, 4s:4, 0s:6, 1m:0'}\n", "",
     "to 4 peers over 2s, 4 for 4s, to 6 at once, to 0 over 1m00s; the run lasts 1m06s"},
    {"load.think", "load: {shape: '9s:4', hold: 2s, think: 1s..2s}\n",
     "load: {shape: '9s:4', hold: 2s}\n", "replaced after 1s..2s"},
    {"load.arrivals", "load: {hold: 2s, arrivals: times.txt}\n", "load: {hold: 2s}\n",
     "at the 3 times of "},
    {"load.jitter", "load: {jitter: 500ms}\n", "", "up to 500ms later"},
    {"load.threads", "load: {threads: 3}\n", "", "threads of the generator: 3"},
    {"load.realtime", "load: {realtime: true}\n", "", "go before all else on their cores"},
    {"rooms.name", "rooms: {name: hall}\n", "", "hall"},
    {"rooms.count", "rooms: {count: 3, size: 2}\n", "rooms: {size: 2}\n", "Rooms        3 of 2"},
    {"rooms.size", "rooms: {size: 5}\n", "", "of 5"},
    {"rooms.sizes", "rooms: {count: 2, sizes: {2: 50%, 4: 50%}}\n", "", "50 % of 2, 50 % of 4"},
    {"users.file", "users: {file: users.csv}\n", "", "users.csv, sequential"},
    {"users.order", "users: {file: users.csv, order: random}\n", "users: {file: users.csv}\n",
     "users.csv, random"},
    {"groups", "groups: {choir: {}}\n", "", "choir"},
    {"role", GROUPS "role: watch}}\n", GROUPS "}}\n", "; receive audio and video"},
    {"per_room", GROUPS "per_room: 1}}\nload: {peers: 4}\n", GROUPS "}}\n", "h: 1, 1 in all"},
    {"share", GROUPS "share: 75%}}\nload: {peers: 4}\n", GROUPS "}}\n", "h: 3, 75 % of all"},
    {"room", GROUPS "room: side}}\n", GROUPS "}}\n", "h: its room is side"},
    {"before", "before: [wait: 3s]\n", "", "before signing in"},
    {"steps", "steps: [wait: 3s]\n", "", "wait 3s"},
    {"publishers", "publishers: 1\nload: {peers: 3}\n", "load: {peers: 3}\n", "viewer: 2"},
    {"listen", "listen: false\n", "", "; send audio"},
    {"audio", "audio: false\n", "", "receive video"},
    {"video", "video: false\n", "", "receive audio;"},
    {"media", "media: small\n", "", "media small"},
    {"codec", "codec: {video: vp9}\n", "", "video=vp9"},
    {"simulcast", "simulcast: 2\n", "", "2 layers"},
    {"bwe", "bwe: 'off'\n", "", "bwe off"},
    {"data", "data: 10/s:200\n", "", "messages 10/s:200"},
    {"data_mode", "data: 10/s:200\ndata_mode: unordered\n", "data: 10/s:200\n", "unordered"},
    {"dtmf", "dtmf: 12@3\n", "", "keys 12@3"},
    {"latency", "latency: true\n", "", "one-way latency is measured"},
    {"echo", NULL, "true", "asked to send the media back"},
    {"replay", NULL, "call.pcap", "replay call.pcap"},
    {"pt", NULL, "96=VP8", "payload types of the replay: 96=VP8"},
    {"network", "network: wifi\n", "", "network wifi"},
    {"ice", "ice: relay\nturn: {url: 'turn:h'}\n", "turn: {url: 'turn:h'}\n", "by TURN alone"},
    {"token", "token: abc\n", "", "a bearer token is sent"},
    {"script", NULL, "room.lua", "the script is room.lua"},
    {"trickle", "trickle: false\n", "", "no trickle"},
    {"insecure", "insecure: true\n", "", "certificates are not verified"},
    {"ca", NULL, "own.pem", "the authorities in own.pem"},
    {"stun", "stun: 'host:99'\n", "", "STUN         host:99"},
    {"turn.url", "turn: {url: 'turn:host:98'}\n", "", "turn:host:98"},
    {"turn.user", NULL, "me", "a user for TURN"},
    {"turn.password", NULL, "it", "a password for TURN"},
    {"turn.secret", NULL, "it", "made of a secret"},
    {"local_ip", "local_ip: [127.0.0.2, 127.0.0.3]\n", "", "leave from 127.0.0.2, 127.0.0.3"},
    {"srtp", "srtp: cm\n", "", "SRTP: cm"},
    {"reconnect", "reconnect: ice+backoff\n", "", "comes back: ice+backoff"},
    {"timeouts.answer", "timeouts: {answer: 3s}\n", "", "of the signalling: 3s"},
    {"timeouts.connect", "timeouts: {connect: 3s}\n", "", "of ICE and DTLS: 3s"},
    {"timeouts.media", "timeouts: {media: 3s}\n", "", "first media: 3s"},
    {"expect", "expect: peers.ok > 3\n", "", "peers.ok > 3"},
    {"abort_on", "abort_on: peers.failed < 3\n", "", "Ends unless  peers.failed < 3"},
    {"baseline", "baseline: [old, older]\n", "", "worse than old, older was"},
    {"baseline_threshold", "baseline: old\nbaseline_threshold: 3\n", "baseline: old\n",
     "counts from 3 % on"},
    {"lateness_max", "lateness_max: 30.5\n", "", "may be 30.5 ms late"},
    {"output.dir", "output: {dir: there}\n", "", "there/"},
    {"output.json", "output: {json: j.json}\n", "", "j.json"},
    {"output.junit", "output: {junit: j.xml}\n", "", "j.xml"},
    {"output.html", "output: {html: r.html}\n", "", "r.html"},
    {"output.markdown", "output: {markdown: r.md}\n", "", "r.md"},
    {"output.report_url", "output: {report_url: 'https://h/r'}\n", "", "will be at https://h/r"},
    {"output.github", "output: {github: true}\n", "", "::error lines"},
    {"output.prometheus", "output: {prometheus: 9100}\n", "", "to scrape at 9100"},
    {"output.prometheus_push", "output: {prometheus_push: 'http://me:pw@h/'}\n", "",
     "pushed to ***@h/"},
    {"output.dump", "output: {dump: 1}\n", "", "is dumped"},
    {"output.decode", "output: {decode: 1}\n", "", "is decoded"},
    {"output.record", "output: {record: 1}\n", "", "is recorded"},
    {"output.record_sent", "output: {record: 1, record_sent: true}\n", "output: {record: 1}\n",
     "what they send, too"},
    {"output.record_format", "output: {record: 1, record_format: ogg}\n", "output: {record: 1}\n",
     "of format ogg"},
    {"output.quiet", "output: {quiet: true}\n", "", "no progress"},
    {"output.verbose", "output: {verbose: true}\n", "", "every metric"},
    {"output.tui", "output: {tui: false}\n", "", "no live view"},
};

#define TARGET "target: lab\n"

static char *told_of(const char *rows)
{
    char text[512];
    snprintf(text, sizeof(text), TARGET "%s", rows ? rows : "");
    return told_with(text, NULL, NULL);
}

static void each_key_is_told(void **state)
{
    (void)state;
    size_t n;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    write_file("users.csv", "a\nx\n");
    write_file("times.txt", "0\n1\n2\n");
    for (size_t i = 0; i < n; i++) {
        char path[48];
        size_t k = 0;
        sq_scenario_key_path(&keys[i], path);
        while (k < sizeof(cases) / sizeof(*cases) && strcmp(cases[k].path, path) != 0) {
            k++;
        }
        if (k == sizeof(cases) / sizeof(*cases)) {
            fail_msg("%s has no case here: does check tell it?", path);
            return;
        }
        bool option = !cases[k].with && cases[k].without;
        char *with =
            option ? told_with(TARGET, keys[i].option, cases[k].without) : told_of(cases[k].with);
        char *without = told_of(option ? "" : cases[k].without);
        bool always = !cases[k].with && !cases[k].without;
        if (!strstr(with, cases[k].words) || (!always && strstr(without, cases[k].words))) {
            fail_msg("%s: '%s' is not told, or without it, too:\n%s\n%s", path, cases[k].words,
                     with, without);
        }
        free(with);
        free(without);
    }
}

/* A group's own settings are told of it alone, and by default nothing is. */
static void of_a_group_alone(void **state)
{
    (void)state;
    char *told = told_of("reconnect: now\n" GROUPS "latency: true, reconnect: backoff}}\n");
    assert_non_null(strstr(told, "Besides      who is dropped comes back: now\n"));
    assert_non_null(strstr(told, "             h: one-way latency is measured\n"));
    assert_non_null(strstr(told, "             h: who is dropped comes back: backoff\n"));
    assert_null(strstr(told, "g: who"));
    free(told);
    told = told_of("");
    assert_null(strstr(told, "Besides"));
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_is_told),
        cmocka_unit_test(of_a_group_alone),
    };
    setenv("SQUALL_SHARE", SQ_SOURCE_DIR "/share", 1);
    unsetenv("SQUALL_TOKEN");
    unsetenv("SQUALL_TURN_USER");
    unsetenv("SQUALL_TURN_PASSWORD");
    unsetenv("SQUALL_TURN_SECRET");
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

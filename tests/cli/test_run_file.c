/* A scenario file becomes the options and the plan that the command line would have made. What is
 * wrong with one: test_wrong_values.c. */
#include "base/temp_dir.h"
#include "base/time.h"
#include "cli/run_file.h"
#include "cli/run_notes.h"
#include "cli/run_paths.h"
#include "cli/run_sources.h"
#include "cli/run_table.h"
#include "cli/run_tell.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct whole {
    struct sq_run_options o;
    struct sq_plan plan;
    struct sq_run_sources sources;
    char why[512];
};

static char line_buf[1024];

/* Words of the command line after the file are divided by '|'. */
static int make(const char *text, const char *line, struct whole *w)
{
    char *argv[64] = {(char *)in("t.yaml")};
    int argc = 1;
    FILE *f = fopen(argv[0], "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    snprintf(line_buf, sizeof(line_buf), "%s", line);
    for (char *word = strtok(line_buf, "|"); word; word = strtok(NULL, "|")) {
        argv[argc++] = word;
    }
    *w = (struct whole){.sources.dry = true};
    int err = sq_run_options_parse(&w->o, argc, argv, w->why, sizeof(w->why));
    err = err ? err : sq_run_options_plan(&w->o, &w->plan, w->why, sizeof(w->why));
    if (!err) {
        err = sq_run_sources_open(&w->sources, &w->o, &w->plan);
        err = err ? err : sq_run_sources_targets(&w->sources, &w->o, &w->plan);
        if (err) {
            sq_run_sources_explain(&w->sources, &w->o, w->why, sizeof(w->why));
        }
    }
    return err;
}

static void drop(struct whole *w)
{
    sq_run_sources_close(&w->sources);
    sq_run_options_free(&w->o);
}

static struct whole made(const char *text, const char *line)
{
    struct whole w;
    if (make(text, line, &w) != 0) {
        fail_msg("%s: %s", text, w.why);
    }
    return w;
}

static void a_file_is_known_by_its_end(void **state)
{
    (void)state;
    assert_true(sq_run_file_is("a.yaml"));
    assert_true(sq_run_file_is("../x/a.yml"));
    assert_false(sq_run_file_is(".yml"));
    assert_false(sq_run_file_is("lab:"));
    assert_false(sq_run_file_is("whip+https://host/a.yaml"));
}

static void the_command_line_wins(void **state)
{
    (void)state;
    static const char text[] = "target: lab\n"
                               "load: {peers: 8, rate: 4/s, duration: 20s, hold: 5s}\n"
                               "bwe: 'off'\ncodec: {audio: pcmu}\nseed: 5\ntrickle: false\n"
                               "expect: [peers.ok == 8]\n";
    struct whole w = made(text, "");
    assert_int_equal(w.plan.peers, 8);
    assert_true(w.plan.rate_per_s == 4);
    assert_int_equal(w.plan.duration_ns, 20 * SQ_NS_PER_SEC);
    assert_int_equal(w.plan.hold_ns, 5 * SQ_NS_PER_SEC);
    assert_int_equal(w.plan.seed, 5);
    assert_int_equal(w.plan.groups[0].bwe.mode, SQ_BWE_OFF);
    assert_int_equal(w.plan.groups[0].audio_codecs.n, 1);
    assert_false(w.plan.groups[0].trickle);
    assert_int_equal(w.o.expectations_len, 1);
    drop(&w);
    w = made(text,
             "--peers|2|--bwe|fixed:1M|--codec|video=vp8|--expect|peers.failed == 0|lab:echo");
    assert_int_equal(w.plan.peers, 2);
    assert_true(w.plan.rate_per_s == 4);
    assert_int_equal(w.plan.groups[0].bwe.mode, SQ_BWE_FIXED);
    assert_int_equal(w.plan.groups[0].audio_codecs.n, 0); /* a list takes the place of the file's */
    assert_int_equal(w.plan.groups[0].video_codecs.n, 1);
    assert_int_equal(w.o.expectations_len, 2); /* but more may be expected */
    assert_string_equal(w.o.target_url, "lab:echo");
    drop(&w);
}

/* Of lua targets: each group has its own, what compiles not is told by its place, and the names of
 * figures are those of steps and scripts together. */
static void scripts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *target, *script, *says;
    } wrong[] = {
        {"lua+ws://h/", "", "the target is lua+ws, whose protocol is a script"},
        {"lab", "a.lua", "needs none: expected lua+ws://"},
        {"lua+ws://h/", "nowhere.lua", "nowhere.lua: No such file"},
        {"lua+ws://h/", "bad.lua", "t.yaml:2:9: script: bad.lua:2: "},
    };
    struct whole w;
    char text[1024];
    FILE *f = fopen(in("a.lua"), "w");
    assert_true(f && fputs("metric.start('up') metric.event('met') metric.count('n')", f) >= 0);
    fclose(f);
    f = fopen(in("bad.lua"), "w");
    assert_true(f && fputs("\nx = = 1", f) >= 0);
    fclose(f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        snprintf(text, sizeof(text), "target: %s\n%s%s\n", wrong[i].target,
                 wrong[i].script[0] ? "script: " : "",
                 wrong[i].script[0] ? in(wrong[i].script) : "");
        assert_int_not_equal(make(text, "", &w), 0);
        if (!strstr(w.why, wrong[i].says)) {
            fail_msg("%s (expected %s)", w.why, wrong[i].says);
        }
        drop(&w);
    }
    snprintf(text, sizeof(text),
             "target: lua+ws://h/\nscript: %s\nsteps: [wait: 1s, restart_ice]\n", in("a.lua"));
    assert_int_not_equal(make(text, "", &w), 0);
    assert_non_null(
        strstr(w.why, "t.yaml:3:19: restart_ice: the script has no function on_restart_ice"));
    drop(&w);
    f = fopen(in("again.lua"), "w");
    assert_true(f && fputs("function on_restart_ice() pc:restartIce() end", f) >= 0);
    fclose(f);
    snprintf(text, sizeof(text), "target: lua+ws://h/\nscript: %s\nsteps: [restart_ice]\n",
             in("again.lua"));
    assert_int_equal(make(text, "", &w), 0);
    assert_null(sq_plan_restart_lacks(&w.plan.groups[0]));
    drop(&w);
    snprintf(text, sizeof(text),
             "target: lua+wss://h/x\nscript: %s\n"
             "steps: [{timer: {start: call}}, {wait: 1s}, {timer: {stop: call}}]\n",
             in("a.lua"));
    assert_int_equal(make(text, "", &w), 0);
    assert_non_null(w.plan.groups[0].script);
    assert_int_equal(w.plan.figures->timers_len, 3);
    assert_string_equal(w.plan.figures->timers[1], "call");
    assert_string_equal(w.plan.figures->timers[2], "up");
    assert_int_equal(w.plan.figures->counters_len, 1);
    assert_int_equal(w.plan.tags_len, 1);
    assert_string_equal(w.plan.tags[0], "met");
    drop(&w);
}

static void groups_have_options_of_their_own(void **state)
{
    (void)state;
    struct whole w = made("target: lab\n"
                          "network: wifi\n"
                          "turn: {url: 'turn:127.0.0.1', secret: x}\n"
                          "data: 5/s:100\n"
                          "groups:\n"
                          "  host: {per_room: 1, simulcast: 3, role: publish, ice: relay}\n"
                          "  talk: {share: 40%, role: audio, dtmf: '12@2', insecure: true}\n"
                          "  look: {role: watch, network: [Poor 4G@50%, 3g], token: abc}\n"
                          "  chat: {role: data, share: 20%}\n"
                          "rooms: {sizes: {2: 50%, 8: 50%}, count: 10}\n"
                          "expect: video.in.latency.p95 < 100ms\n",
                          "--no-trickle");
    const struct sq_plan_group *g = w.plan.groups;
    assert_int_equal(w.plan.groups_len, 4);
    assert_int_equal(w.plan.peers, 50);
    assert_true(g[0].publishes && !g[0].watches && g[0].audio && g[0].video);
    assert_true(g[1].publishes && g[1].watches && g[1].audio && !g[1].video);
    assert_true(!g[2].publishes && g[2].watches && g[2].video);
    assert_true(g[3].publishes && g[3].watches && !g[3].audio && !g[3].video && g[3].data.on);
    assert_int_equal(g[0].simulcast, 3);
    assert_int_equal(g[1].simulcast, 0);
    assert_int_equal(g[0].ice_policy, SQ_ICE_POLICY_RELAY);
    assert_int_equal(g[1].ice_policy, SQ_ICE_POLICY_ALL);
    assert_string_equal(g[1].dtmf, "12");
    assert_true(g[1].insecure && !g[2].insecure);
    assert_string_equal(g[2].token, "abc");
    assert_int_equal(g[0].networks_len, 1);
    assert_int_equal(g[2].networks_len, 2);
    assert_int_equal(g[0].per_room, 1);
    assert_true(fabs(g[2].share - 0.4) < 1e-12);
    assert_int_equal(g[0].data.nonce, g[3].data.nonce); /* they hear each other */
    assert_true(g[0].latency && !g[3].latency);
    assert_false(g[0].trickle || g[2].trickle);
    assert_ptr_equal(g[0].target, g[3].target);
    assert_ptr_equal(g[0].clip, g[2].clip); /* opened once */
    assert_string_equal(sq_plan_role(&g[2]), "look");
    drop(&w);
}

/* A replay has no time-tags; but those beside it have. Its file is not looked at yet. */
static void latency_beside_a_replay(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "target: lab\ngroups: {a: {replay: /x.pcap}, b: {}}\nlatency: true\n",
        "target: lab\ngroups: {a: {replay: /x.pcap}, b: {latency: true}}\n",
        "target: lab\ngroups: {a: {replay: /x.pcap}, b: {role: audio}}\n"
        "expect: audio.in.latency.p95 < 100ms\n",
        "target: lab\ngroups: {a: {replay: /x.pcap}, b: {role: publish}, c: {role: watch}}\n"
        "abort_on: video.in.latency.p95 < 100ms\n",
        "target: lab\nexpect: video.in.latency.p95 < 100ms\n"};
    struct whole w;
    for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
        (void)make(fine[i], "", &w);
        if (strstr(w.why, "time-tags") || (w.why[0] && !strstr(w.why, "/x.pcap"))) {
            fail_msg("%s: %s", fine[i], w.why);
        }
        drop(&w);
    }
    assert_int_not_equal(
        make("target: lab\ngroups: {a: {}, b: {}}\n", "--latency|--replay|/x.pcap", &w), 0);
    assert_non_null(strstr(w.why, "--latency: a replay sends its recording"));
    drop(&w);
    assert_int_not_equal(make("target: lab\ngroups: {a: {replay: /x.pcap}, b: {replay: /y.pcap}}\n",
                              "--latency", &w),
                         0);
    assert_ptr_equal(strstr(w.why, "--latency: a replay sends its recording"), w.why);
    drop(&w);
}

static void targets_of_groups(void **state)
{
    (void)state;
    struct whole w = made("groups:\n"
                          "  stage: {target: 'lab:whip/s', role: publish, per_room: 1}\n"
                          "  view: {target: 'lab:whep/s'}\n"
                          "  echo: {target: 'lab:whip', per_room: 1}\n"
                          "load: {peers: 9}\n",
                          "");
    const struct sq_plan_group *g = w.plan.groups;
    assert_string_equal(g[0].target->scheme, "whip+http");
    assert_string_equal(g[0].target->path, "/whip/s");
    assert_string_equal(g[1].target->path, "/whep/s");
    assert_false(g[0].watches);
    assert_true(g[1].watches && !g[1].publishes); /* "both" is what WHEP makes of it */
    assert_true(g[2].watches && g[2].publishes);
    drop(&w);
    assert_true(make("groups:\n  view: {target: 'lab:whep/s', media: default}\n", "", &w) != 0);
    assert_non_null(strstr(w.why, "media is of what is sent, and WHEP only watches"));
    drop(&w);
}

static uint64_t peers_of(const char *text, uint64_t *ret_size)
{
    struct whole w = made(text, "");
    uint64_t peers = w.plan.peers;
    *ret_size = w.plan.room_size;
    drop(&w);
    return peers;
}

static void rooms_by_count_and_size(void **state)
{
    (void)state;
    uint64_t size;
    assert_int_equal(peers_of("target: lab\n", &size), 1);
    assert_int_equal(peers_of("target: lab\nrooms: {size: 6}\n", &size), 6);
    assert_int_equal(peers_of("target: lab\nrooms: {size: 6, count: 7}\n", &size), 42);
    assert_int_equal(size, 6);
    /* One of each is a room. */
    assert_int_equal(peers_of("target: lab\ngroups: {a: {per_room: 1}, b: {per_room: 2}}\n", &size),
                     3);
    assert_int_equal(
        peers_of("target: lab\ngroups: {a: {per_room: 1}, b: {per_room: 1}}\nrooms: {count: 4}\n",
                 &size),
        8);
    assert_int_equal(size, 2);
    /* So many rooms for so many peers: of 10 in 4 two have three, and two have two. */
    struct whole w = made("target: lab\nrooms: {count: 4}\nload: {peers: 10}\n", "");
    uint64_t members[5] = {0};
    for (uint64_t i = 0; i < 10; i++) {
        struct sq_plan_place place;
        sq_plan_place(&w.plan, i, &place);
        assert_true(place.room < 4);
        members[place.room]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(members[i], 2, 3);
    }
    drop(&w);
    /* Fewer peers by the command line: fewer rooms. */
    w = made("target: lab\nrooms: {count: 100, size: 10}\n", "--peers|20");
    assert_int_equal(w.plan.peers, 20);
    assert_int_equal(w.plan.room_size, 10);
    drop(&w);
}

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(in(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Each peer has a row; what is wrong with any of them is told before the run. */
static void rows_of_users(void **state)
{
    (void)state;
    char text[512], row[256];
    struct whole w;
    put_file("users.csv", "stream,token\na,1\n\nb c,2\n");
    snprintf(text, sizeof(text),
             "target: \"whip+https://host/${user.stream}\"\ntoken: ${user.token}\n"
             "users: {file: %s, order: unique}\nload: {peers: 2}\n",
             in("users.csv"));
    assert_true(make(text, "", &w) != 0); /* a URL with a blank in it */
    assert_non_null(strstr(w.why, "t.yaml:1:9: target"));
    snprintf(row, sizeof(row), " (by the row at %s:4)", in("users.csv"));
    assert_non_null(strstr(w.why, row));
    drop(&w);
    put_file("users.csv", "stream,token\na,1\nb,2\n");
    w = made(text, "");
    assert_int_equal(sq_users_rows(w.plan.users), 2);
    assert_int_equal(w.plan.users_order, SQ_USERS_UNIQUE);
    assert_string_equal(w.plan.groups[0].target->path, "/a");
    assert_string_equal(w.plan.groups[0].target_text, "whip+https://host/${user.stream}");
    drop(&w);
    static const struct {
        const char *line, *words;
    } wrong[] = {
        {"--peers|3", "it has 2 rows, and 3 peers come"},
        {"--users-order|any", "--users-order any: expected"},
        {"--token|${user.tok}", "token: the rows of users.file have no column 'tok'"},
        {"whip+https://host/${user.path}", "no column 'path'"},
        {"${user.stream}+https://host/", "expected lab:"},
        {"lab:whip/${user.stream}", "are for other services"},
        {"--users|/nowhere.csv", "--users /nowhere.csv: No such file"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (make(text, wrong[i].line, &w) == 0 || !strstr(w.why, wrong[i].words)) {
            fail_msg("%s gives '%s', which should say '%s'", wrong[i].line, w.why, wrong[i].words);
        }
        drop(&w);
    }
    assert_true(make("target: lab\ntoken: ${user.x}\n", "", &w) != 0);
    assert_non_null(strstr(w.why, "t.yaml:2:8: token asks for a column of users"));
    drop(&w);
    assert_true(make("target: lab\nmedia: ${user.x}\n", "", &w) != 0);
    assert_non_null(strstr(w.why, "t.yaml:2:8: media takes no column of users"));
    drop(&w);
    put_file("users.csv", "stream,token\na\n");
    assert_true(make(text, "", &w) != 0);
    assert_non_null(strstr(w.why, "t.yaml:3:15: users.file"));
    assert_non_null(strstr(w.why, "users.csv:2:1: 1 value; expected 2"));
    drop(&w);
}

/* Each peer's own room, and a whole URL out of an answer, of a WebSocket too. */
static void targets_of_each_peer(void **state)
{
    (void)state;
    struct whole w = made("target: 'room+ws://host/room?room=${rm}'\n"
                          "before: [set: {name: rm, value: '${peer.name}'}]\n",
                          "");
    assert_true(w.plan.groups[0].room_of_target);
    assert_string_equal(w.plan.room, "squall"); /* and not what stood in for the value */
    drop(&w);
    static const char *const kinds[] = {"room", "janus", "whip", "whep"};
    for (size_t i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof(text), "target: '%s+${u}'\nbefore: [set: {name: u, value: v}]\n",
                 kinds[i]);
        w = made(text, "");
        assert_true(w.plan.groups[0].host_of_user);
        drop(&w);
    }
    assert_true(make("target: 'roam+${u}'\nbefore: [set: {name: u, value: v}]\n", "", &w) != 0);
    assert_non_null(strstr(w.why, "target 'roam+${u}': expected lab:"));
    drop(&w);
    w = made("\xef\xbb\xbftarget: lab\n", ""); /* a byte order mark */
    drop(&w);
}

/* What run would refuse is refused by check, which looks nothing up. */
static void paths_are_checked_as_written(void **state)
{
    static const char *const cases[][2] = {
        {"target: lab\nturn: {url: 'turn:', user: a, password: b}\n", "--turn turn:"},
        {"target: lab\nlocal_ip: 300.1.1.1\n", "--local-ip 300.1.1.1: expected a numeric"},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct whole w = made(cases[i][0], "");
        assert_true(sq_run_paths_check(&w.o, w.why, sizeof(w.why)) != 0);
        assert_non_null(strstr(w.why, cases[i][1]));
        drop(&w);
    }
}

#define LAB "target: lab\n"

/* What the command line says is not blamed on the file. */
static void the_line_is_blamed_for_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line, *why;
    } cases[] = {
        {LAB "bwe: 'off'\n", "--bwe|fast", "--bwe fast: expected"},
        {LAB "load: {peers: 3}\n", "--peers|x", "--peers x: expected"},
        {LAB "network: wifi\n", "--network|Poor 5G", "--network Poor 5G"},
        {LAB "expect: peers.ok > 1\n", "--expect|nothing > 1", "--expect 'nothing > 1', column 1"},
        {LAB "abort_on: peers.ok > 1%\n", "--abort-on|no > 1", "--abort-on 'no > 1', column 1"},
        {LAB, "ftp://x/", "target 'ftp://x/'"},
        {LAB "groups: {a: {}}\n", "--publishers|1", "--publishers: the groups of"},
        {LAB "groups: {a: {}}\n", "--no-listen", "--no-listen: the groups of"},
        {"groups: {a: {target: lab}, b: {target: 'lab:echo'}}\n",
         "lab:", "have targets of their own"},
        {LAB "rooms: {sizes: {2: 100%}, count: 1}\n", "--room-size|3",
         "--room-size: rooms.sizes of"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct whole w;
        int err = make(cases[i].text, cases[i].line, &w);
        (void)sq_run_file_explain(&w.o, NULL, w.why, sizeof(w.why)); /* as the command does */
        const char *at = strstr(w.why, cases[i].why);
        bool placed = strncmp(w.why, in("t.yaml:"), strlen(in("t.yaml:"))) == 0;
        if (!err || !at || placed) {
            fail_msg("%s with %s gives %d '%s'", cases[i].text, cases[i].line, err, w.why);
        }
        drop(&w);
    }
}

static char *told(const struct whole *w)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    sq_run_tell(&w->o, &w->plan, f);
    fclose(f);
    return text;
}

static void secrets_are_never_told(void **state)
{
    (void)state;
    setenv("SQ_TEST_SECRET", "hunter2", 1);
    struct whole w = made("target: lab\ntoken: ${SQ_TEST_SECRET}\nstun: 'x${SQ_TEST_SECRET}:1'\n"
                          "turn: {url: 'turn:${SQ_TEST_SECRET}', secret: '${SQ_TEST_SECRET}'}\n"
                          "output: {dir: 'out-${SQ_TEST_SECRET}'}\n",
                          "");
    struct sq_result *result = NULL;
    assert_int_equal(sq_result_create(&result), 0);
    assert_int_equal(sq_run_options_describe(&w.o, &w.plan, result), 0);
    size_t seen = 0;
    for (size_t i = 0; i < result->config_count; i++) {
        const struct sq_config_row *row = &result->config[i];
        assert_true(row->type != SQ_CONFIG_STRING || !strstr(row->text, "hunter2"));
        seen += row->type == SQ_CONFIG_STRING && strstr(row->text, "${SQ_TEST_SECRET}") != NULL;
    }
    assert_int_equal(seen, 2); /* stun and turn */
    char *text = told(&w);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "out-${SQ_TEST_SECRET}/"));
    free(text);
    sq_result_destroy(result);
    assert_string_equal(w.plan.groups[0].token, "hunter2"); /* but used */
    drop(&w);
    assert_true(make("target: 'ftp://${SQ_TEST_SECRET}/'\n", "", &w) != 0);
    assert_null(strstr(w.why, "hunter2"));
    assert_non_null(strstr(w.why, "${SQ_TEST_SECRET}"));
    drop(&w);
    unsetenv("SQ_TEST_SECRET");
}

static const char *config_text(const struct sq_result *r, const char *key)
{
    for (size_t i = 0; i < r->config_count; i++) {
        if (strcmp(r->config[i].key, key) == 0) {
            return r->config[i].text;
        }
    }
    return NULL;
}

/* So that a comparison of two runs tells that their steps differ; without what may be secret. */
static void steps_are_in_the_results(void **state)
{
    (void)state;
    setenv("SQ_TEST_SECRET", "hunter2", 1);
    struct whole w =
        made("target: lab\n"
             "before:\n"
             "  - http: {method: POST, url: 'http://joe:geheim@api.test/token?key=geheim', "
             "headers: {X-Key: 'geheim ${SQ_TEST_SECRET}'}, json: {pass: geheim}, "
             "take: {token: {json: /t}}}\n"
             "steps:\n"
             "  - wait: 2s\n"
             "  - mute: audio\n",
             "");
    struct sq_result *result = NULL;
    assert_int_equal(sq_result_create(&result), 0);
    assert_int_equal(sq_run_options_describe(&w.o, &w.plan, result), 0);
    assert_string_equal(
        config_text(result, "before"),
        "http POST http://api.test/token with X-Key,Content-Type and a body of JSON, "
        "status 200-299, takes token");
    assert_string_equal(config_text(result, "steps"), "wait 2s; mute audio");
    for (size_t i = 0; i < result->config_count; i++) {
        const struct sq_config_row *row = &result->config[i];
        assert_true(row->type != SQ_CONFIG_STRING ||
                    (!strstr(row->text, "hunter2") && !strstr(row->text, "geheim")));
    }
    sq_result_destroy(result);
    drop(&w);
    unsetenv("SQ_TEST_SECRET");
}

/* What is wrong with the clip that a step needs is told with the step's name. */
static void a_broken_clip_of_a_step_is_told(void **state)
{
    char path[256], told[512];
    struct whole w;
    (void)state;
    assert_int_equal(mkdir(in("clips"), 0700), 0);
    snprintf(path, sizeof(path), "%s", in("clips/black.sqclip"));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("no clip", f);
    fclose(f);
    setenv("SQUALL_SHARE", dir, 1);
    int err = make("target: lab\nsteps:\n  - wait: 2s\n  - mute: video\n",
                   "--media|" SQ_SOURCE_DIR "/share/clips/small.sqclip", &w);
    setenv("SQUALL_SHARE", SQ_SOURCE_DIR "/share", 1);
    assert_int_equal(err, SQ_ERR_FORMAT);
    snprintf(told, sizeof(told), "t.yaml:4:5: mute: %s: ", path);
    if (!strstr(w.why, told)) {
        fail_msg("%s (expected %s)", w.why, told);
    }
    drop(&w);
}

static void what_it_would_do_in_words(void **state)
{
    (void)state;
    struct whole w = made("name: Webinar\ntarget: lab\nrooms: {count: 2, size: 5}\n"
                          "groups:\n"
                          "  speaker: {role: publish, per_room: 1, simulcast: 3}\n"
                          "  viewers: {role: watch, network: [Poor 4G@50%, wifi]}\n"
                          "load: {rate: 20/s, duration: 4s}\n"
                          "expect: video.in.loss < 1%\noutput: {dir: out, junit: j.xml}\n"
                          "abort_on: peers.failed < 50%@9s\n",
                          "");
    char *text = told(&w);
    static const char *const lines[] = {
        "Target       lab, by the lab's room protocol: a lab that the run starts on this machine\n",
        "Peers        10\n",
        "Rooms        2 of 5\n",
        "Groups       speaker: 2, 1 of each room; send audio and video; media default, 3 layers\n",
        "             viewers: 8, all the others; receive audio and video; network Poor 4G for 4",
        "Load         20 a second begin, all within 0.5 s; the run lasts 4s",
        "Expects      video.in.loss < 1%\n",
        "Ends unless  peers.failed < 50%@9s\n",
        "Writes       out/, j.xml\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (!strstr(text, lines[i])) {
            fail_msg("no line '%s' in:\n%s", lines[i], text);
        }
    }
    free(text);
    drop(&w);
}

/* As check has it: told, and noted. */
static void assert_notes(const char *text, const char *line, const char *const *lines)
{
    struct whole w = made(text, line);
    char *notes = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&notes, &len);
    assert_non_null(out);
    sq_run_tell(&w.o, &w.plan, out);
    sq_run_notes(&w.o, &w.plan, out);
    assert_int_equal(fclose(out), 0);
    for (; *lines; lines++) {
        if (!strstr(notes, *lines)) {
            fail_msg("no '%s' in:\n%s", *lines, notes);
        }
    }
    free(notes);
    drop(&w);
}

/* A note about what the file says has its place and its keys; one about the line, its options. */
static void notes_name_keys(void **state)
{
    (void)state;
    static const char text[] = "target: lab\nload: {peers: 3, rate: 30/h, duration: 1m}\n"
                               "turn: {url: 'turn:127.0.0.1'}\noutput: {record: 5}\ngroups:\n"
                               "  a: {share: 50%, network: 'wifi, 5m: dsl'}\n"
                               "  b: {share: 49%}\n  c: {share: 1%}\n";
    assert_notes(
        text, "",
        (const char *const[]){
            ("t.yaml:2:24: 3 peers at 30/h need 360 s to arrive, but the run ends after 60 "
             "s; give load.rate or load.ramp, or a longer load.duration.\n"),
            "t.yaml:4:18: output.record 5, but only 3 peers come",
            "t.yaml:8:3: group c has none of the 3 peers",
            "t.yaml:3:13: turn.url turn:127.0.0.1 has neither turn.user and turn.password",
            "t.yaml:6:28: network wifi, 5m: dsl: 'dsl' after 5m00s never comes",
            "a: 2, 50 % of all; ", "b: 1, 49 % of all; ",
            "Load         30 an hour begin, all within 360 s", NULL});
    assert_notes(
        "target: lab\n", "--peers|1|--rate|10/h|--record|9|--duration|50s",
        (const char *const[]){
            "Note: 1 peer at 10/h needs 360 s to arrive, but the run ends after 50 s; give "
            "--rate or --ramp, or a longer --duration.\n",
            "Note: --record 9, but only 1 peer comes", NULL});
    assert_notes("target: lab\nload: {rate: 20/s}\noutput: {record: 3}\n", "--record|9|--rate|1/m",
                 (const char *const[]){"Load         1 a minute begins, all within 60 s",
                                       "Note: 1 peer at 1/m needs 60 s",
                                       "Note: --record 9, but only 1 peer comes", NULL});
    assert_notes("target: lab\npublishers: 0\ndata: 10/s:100\n", "--peers|3",
                 (const char *const[]){
                     "t.yaml:3:7: data 10/s:100: messages are sent by those who publish, and with "
                     "publishers 0 nobody does: only messages of others",
                     NULL});
    assert_notes("target: lab\ngroups:\n  a: {role: publish}\n  b: {role: watch, data: 1/s:99}\n",
                 "--peers|3",
                 (const char *const[]){"t.yaml:4:26: data 1/s:99: messages are sent by those who "
                                       "publish, and no group with data does: only",
                                       NULL});
    assert_notes("target: lab\ngroups: {a: {per_room: 1}, b: {share: 60%}, c: {}}\n", "--peers|9",
                 (const char *const[]){"60 % of the others", "40 % of the others", NULL});
}

static void in_small(void **state)
{
    (void)state;
    static const char text[] = "target: lab\nrooms: {size: 5}\nload: {peers: 100, rate: 5/s}\n";
    struct whole w = made(text, "--scale|0.2");
    assert_int_equal(w.plan.peers, 20);
    assert_float_equal(w.plan.rate_per_s, 5, 1e-9);
    assert_int_equal(w.plan.duration_ns, 6 * SQ_NS_PER_SEC); /* of the 30 s that are not said */
    drop(&w);
    w = made(text, "--scale|20%|--peers|7|--duration|2s"); /* these are meant as they are */
    assert_int_equal(w.plan.peers, 7);
    assert_int_equal(w.plan.duration_ns, 2 * SQ_NS_PER_SEC);
    drop(&w);
    w = made("target: lab\nload: {shape: '10s:20, 20s:20', hold: 5s}\n", "--scale|0.1");
    assert_int_equal(w.plan.peers, 2);
    assert_int_equal(w.plan.duration_ns, 3 * SQ_NS_PER_SEC);
    assert_int_equal(w.plan.hold_ns, SQ_NS_PER_SEC / 2);
    drop(&w);
    static const char *const wrong[] = {"0", "-1", "x", "0.1x", "101", "nan", "1e-4", "%", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char line[64];
        snprintf(line, sizeof(line), "--scale=%s", wrong[i]);
        assert_int_not_equal(make(text, line, &w), 0);
        assert_non_null(strstr(w.why, "expected a factor from 0.001 to 100"));
        drop(&w);
    }
    char words[3][8] = {"lab:", "--scale", "0.1"};
    char *argv[] = {words[0], words[1], words[2]};
    w = (struct whole){.why = ""};
    assert_int_not_equal(sq_run_options_parse(&w.o, 3, argv, w.why, sizeof(w.why)), 0);
    assert_non_null(strstr(w.why, "--scale is of what a scenario says, and there is none"));
    drop(&w);
}

/* Whatever has a flag has a key, and the other way round. */
static void every_option_has_its_key(void **state)
{
    (void)state;
    static const char *const without[] = {"help", "scale"}; /* neither is of what a file says */
    struct sq_run_options o;
    struct sq_run_table table;
    sq_run_table_defaults(&o);
    sq_run_table_make(&o, &table);
    for (const struct sq_option *row = table.rows; row->name; row++) {
        if (row->type != SQ_OPTION_HEADING && strcmp(row->name, without[0]) != 0 &&
            strcmp(row->name, without[1]) != 0 && !sq_scenario_key_of(row->name)) {
            fail_msg("--%s has no key in src/scenario/keys.c", row->name);
        }
    }
    size_t n;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    for (size_t i = 0; i < n; i++) {
        bool found = !keys[i].option || strcmp(keys[i].option, "target") == 0;
        for (const struct sq_option *row = table.rows; row->name && !found; row++) {
            bool flag = row->type == SQ_OPTION_FLAG || row->type == SQ_OPTION_NO_FLAG;
            found = row->type != SQ_OPTION_HEADING && strcmp(row->name, keys[i].option) == 0 &&
                    flag == (keys[i].kind == SQ_SCENARIO_FLAG);
        }
        if (!found) {
            fail_msg("the key %s is of no option --%s", keys[i].name, keys[i].option);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_known_by_its_end),
        cmocka_unit_test(the_command_line_wins),
        cmocka_unit_test(scripts_are_read),
        cmocka_unit_test(in_small),
        cmocka_unit_test(groups_have_options_of_their_own),
        cmocka_unit_test(latency_beside_a_replay),
        cmocka_unit_test(targets_of_groups),
        cmocka_unit_test(rooms_by_count_and_size),
        cmocka_unit_test(rows_of_users),
        cmocka_unit_test(targets_of_each_peer),
        cmocka_unit_test(paths_are_checked_as_written),
        cmocka_unit_test(the_line_is_blamed_for_its_own),
        cmocka_unit_test(secrets_are_never_told),
        cmocka_unit_test(steps_are_in_the_results),
        cmocka_unit_test(a_broken_clip_of_a_step_is_told),
        cmocka_unit_test(what_it_would_do_in_words),
        cmocka_unit_test(notes_name_keys),
        cmocka_unit_test(every_option_has_its_key),
    };
    setenv("SQUALL_SHARE", SQ_SOURCE_DIR "/share", 1);
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

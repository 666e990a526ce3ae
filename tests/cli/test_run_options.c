/* What `squall run` is given, and the plan that comes of it. */
#include "base/time.h"
#include "cli/expect_option.h"
#include "cli/run_options.h"
#include "run/arrivals.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static char why[512];
static char buf[4096];

/* Words are divided by '|', since expectations have blanks. */
static int parse(const char *line, struct sq_run_options *o)
{
    static char *argv[128];
    int argc = 0;
    why[0] = '\0';
    snprintf(buf, sizeof(buf), "%s", line);
    for (char *word = strtok(buf, "|"); word; word = strtok(NULL, "|")) {
        argv[argc++] = word;
    }
    return sq_run_options_parse(o, argc, argv, why, sizeof(why));
}

static struct sq_plan plan_of(const char *line)
{
    struct sq_run_options o;
    struct sq_plan plan = {0};
    int err = parse(line, &o);
    err = err ? err : sq_run_options_plan(&o, &plan, why, sizeof(why));
    if (err) {
        fail_msg("%s: %s", line, why);
    }
    sq_run_options_free(&o);
    return plan;
}

static void assert_refused(const char *line, const char *word)
{
    struct sq_run_options o;
    struct sq_plan plan;
    int err = parse(line, &o);
    err = err ? err : sq_run_options_plan(&o, &plan, why, sizeof(why));
    sq_run_options_free(&o);
    if (!err || !strstr(why, word)) {
        fail_msg("'%s' gives %d '%s', which should say '%s'", line, err, why, word);
    }
}

static void a_target_is_enough(void **state)
{
    (void)state;
    struct sq_plan plan = plan_of("lab:");
    assert_int_equal(plan.peers, 1);
    assert_int_equal(plan.threads, 1);
    assert_int_equal(plan.hold_ns, 0);
    assert_int_equal(plan.duration_ns, 30 * SEC);
    assert_true(plan.rate_per_s == 1);
    assert_true(plan.groups[0].audio && plan.groups[0].video && plan.groups[0].watches &&
                plan.groups[0].trickle);
    assert_false(plan.groups[0].insecure || plan.prefer_cm);
    assert_int_equal(plan.groups_len, 1);
    assert_int_equal(plan.room_size, 0);
}

static void asks_for_help(void **state)
{
    (void)state;
    struct sq_run_options o;
    assert_int_equal(parse("-h", &o), 0);
    assert_true(o.help);
    assert_int_equal(parse("lab:|--help", &o), 0);
    assert_true(o.help);
    sq_run_options_free(&o);
}

static void rate_follows_peers_unless_given(void **state)
{
    (void)state;
    assert_true(fabs(plan_of("lab:|--peers|200").rate_per_s - 20) < 1e-9); /* within 10 s */
    assert_true(plan_of("lab:|--peers|50000").rate_per_s == 100);          /* 100/s at most */
    assert_true(plan_of("lab:|--peers|200|--rate|90/m").rate_per_s == 1.5);
    assert_true(fabs(plan_of("lab:|--peers|200|--ramp|4s").rate_per_s - 50) < 1e-9);
    assert_true(fabs(plan_of("lab:|--peers|1|--ramp|10s").rate_per_s - 0.1) < 1e-9);
    assert_int_equal(plan_of("lab:|--peers|200|--ramp|4s:7s").ramp_down_ns, 7 * SEC);
    assert_int_equal(plan_of("lab:|--ramp|4s:0s").ramp_down_ns, 0);
    assert_true(plan_of("lab:|--peers|5000").ramp_down_ns == 2 * SEC);
}

/* 0s is a time, too: none of them waits for another. */
static void a_ramp_of_no_time_is_all_at_once(void **state)
{
    (void)state;
    const char *const words[] = {"lab:|--peers|5000|--ramp|0s", "lab:|--peers|5000|--ramp|0ms:3s",
                                 "lab:|--peers|5000|--ramp|0s|--hold|5s"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        struct sq_plan plan = plan_of(words[i]);
        struct sq_arrivals arrivals;
        sq_arrivals_init(&arrivals, SEC, plan.rate_per_s);
        assert_int_equal(sq_plan_arrivals(&plan), 5000);
        assert_int_equal(sq_arrivals_time_ns(&arrivals, 0), SEC);
        assert_true(sq_arrivals_time_ns(&arrivals, 4999) <= SEC + 1000);
        assert_int_equal(plan.ramp_down_ns, i == 1 ? 3 * SEC : 0);
    }
    assert_refused("lab:|--ramp|0s|--hold|5s|--duration|20s",
                   "--ramp 0s brings all peers at once, but with --hold and --duration");
    assert_refused("lab:|--ramp|0s|--rate|3/s", "--ramp and --rate");
}

static void hold_and_duration(void **state)
{
    (void)state;
    struct sq_plan plan = plan_of("lab:|--hold|5s");
    assert_int_equal(plan.hold_ns, 5 * SEC);
    assert_int_equal(plan.duration_ns, 0); /* until all have been there */
    plan = plan_of("lab:|--hold|5s|--duration|2m");
    assert_int_equal(plan.duration_ns, 120 * SEC);
    plan = plan_of("lab:|--duration|500ms");
    assert_int_equal(plan.duration_ns, SEC / 2);
    assert_int_equal(plan.hold_ns, 0);
}

static void all_else_arrives_in_the_plan(void **state)
{
    (void)state;
    struct sq_plan plan =
        plan_of("--peers|64|--threads|3|--room|r|--room-size|8|--publishers|2|--no-listen|"
                "--no-video|--token|t0k|--insecure|--ca|/x.pem|--no-trickle|--srtp|cm|--dump|4|"
                "--lateness-max|7.5|--answer-timeout|1s|--connect-timeout|2s|--media-timeout|3s|"
                "--seed|99|room+ws://localhost:1/");
    assert_int_equal(plan.peers, 64);
    assert_int_equal(plan.threads, 3);
    assert_string_equal(plan.room, "r");
    assert_int_equal(plan.room_size, 8);
    assert_int_equal(plan.groups_len, 2);
    assert_int_equal(plan.groups[0].per_room, 2);
    assert_true(plan.groups[0].audio);
    assert_false(plan.groups[0].video || plan.groups[0].watches || plan.groups[0].trickle);
    assert_true(plan.groups[0].insecure && plan.prefer_cm);
    assert_string_equal(plan.groups[0].token, "t0k");
    assert_string_equal(plan.groups[0].ca_file, "/x.pem");
    assert_int_equal(plan.dumps, 4);
    assert_true(plan.lateness_p99_max_ms == 7.5);
    assert_int_equal(plan.answer_timeout_ns, SEC);
    assert_int_equal(plan.connect_timeout_ns, 2 * SEC);
    assert_int_equal(plan.media_timeout_ns, 3 * SEC);
    assert_int_equal(plan.seed, 99);
}

static void keys_are_pressed_when_it_says(void **state)
{
    static const struct {
        const char *text, *keys;
        double after_s;
    } good[] = {{"1234#", "1234#", 1},
                {"55,66@2.5", "55,66", 2.5},
                {"a*@500ms", "a*", 0.5},
                {"7@0", "7", 0},
                {"7@3s", "7", 3}};
    static const char *const bad[] = {"@2", "12x", "1@", "1@x", "1@2m", "1@-1", "1@nan", "1@1e9"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        char line[64];
        snprintf(line, sizeof(line), "lab:|--dtmf|%s", good[i].text);
        struct sq_plan plan = plan_of(line);
        assert_string_equal(plan.groups[0].dtmf, good[i].keys);
        assert_true(plan.groups[0].dtmf_after_ns == (uint64_t)(good[i].after_s * 1e9));
    }
    assert_string_equal(plan_of("lab:").groups[0].dtmf, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char line[64];
        snprintf(line, sizeof(line), "lab:|--dtmf|%s", bad[i]);
        assert_refused(line, "1234# or 55,66@2.5");
    }
    assert_refused("lab:|--dtmf|11111111112222222222333333333344444444445555555555666666666677777",
                   "up to 64");
}

static void credentials_that_nobody_could_take(void **state)
{
    (void)state;
    char line[700];
    setenv("SQUALL_TOKEN", "abc\r", 1); /* from a file with the line ends of another system */
    assert_refused("lab:", "--token (or SQUALL_TOKEN): character 4 is a control character (0x0d)");
    unsetenv("SQUALL_TOKEN");
    assert_refused("lab:|--token|a\nX: 1", "character 2");
    snprintf(line, sizeof(line), "lab:|--turn|turn:h|--turn-password|x|--turn-user|%0600d", 7);
    assert_refused(line, "--turn-user (or SQUALL_TURN_USER): 600 bytes; expected at most 496");
}

static void who_is_dropped_may_come_back(void **state)
{
    (void)state;
    assert_int_equal(plan_of("lab:").groups[0].reconnect.how, SQ_RECONNECT_NOT);
    struct sq_plan_reconnect r = plan_of("lab:|--reconnect|now").groups[0].reconnect;
    assert_true(r.how == SQ_RECONNECT_NOW && !r.ice_first);
    r = plan_of("lab:|--reconnect|ice+backoff").groups[0].reconnect;
    assert_true(r.how == SQ_RECONNECT_BACK_OFF && r.ice_first);
    assert_true(r.first_ns == SEC && r.most_ns == 30 * SEC);
    r = plan_of("lab:|--reconnect|backoff:200ms-1m").groups[0].reconnect;
    assert_true(r.first_ns == SEC / 5 && r.most_ns == 60 * SEC && !r.ice_first);
    static const char *const wrong[] = {"soon",          "ice",          "ice+",
                                        "backoff:",      "backoff:1s",   "backoff:2-3",
                                        "backoff:2s-1s", "backoff:0s-1s"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char line[64];
        snprintf(line, sizeof(line), "lab:|--reconnect|%s", wrong[i]);
        assert_refused(line, "backoff:1s-30s");
    }
}

static void networks_are_given_and_shared(void **state)
{
    (void)state;
    assert_int_equal(plan_of("lab:").groups[0].networks_len, 0);
    struct sq_plan plan = plan_of("lab:|--network|Poor 4G");
    assert_int_equal(plan.groups[0].networks_len, 1);
    assert_true(plan.groups[0].networks[0].share == 1 &&
                plan.groups[0].networks[0].link.up.loss == 0.05);
    plan = plan_of("lab:|--network|wifi@70%|--network|rate=1M,delay=80ms|--network|3g");
    assert_int_equal(plan.groups[0].networks_len, 3);
    assert_true(plan.groups[0].networks[0].share == 0.7);
    assert_true(plan.groups[0].networks[1].share > 0.1499 &&
                plan.groups[0].networks[2].share < 0.1501);
    assert_string_equal(plan.groups[0].networks[1].name, "rate=1M,delay=80ms");
    assert_refused("lab:|--network|poor 5g", "--network poor 5g: 'poor 5g': expected the name");
    plan = plan_of("lab:|--network|wifi, 20s: Poor 4G, 40s: down 3s@30%|--network|dsl,5s:3g");
    const struct sq_plan_group *g = &plan.groups[0];
    assert_true(g->networks[0].share == 0.3 && g->networks[0].course.n == 3);
    assert_true(g->networks[1].course.n == 1 && g->networks[1].changes_at == 3);
    assert_true(g->network_changes[3].config.up.rate_bps == 1.2e6);
    assert_refused("lab:|--network|wifi, 20s: dsl, 10s: wifi",
                   "--network wifi, 20s: dsl, 10s: wifi: '10s': expected a time after 20s");
    assert_refused("lab:|--network|wifi@x", "NETWORK@SHARE%");
    assert_refused("lab:|--network|wifi@0%", "NETWORK@SHARE%");
    assert_refused("lab:|--network|wifi@70%", "the shares make 70 %; expected 100 %");
    assert_refused("lab:|--network|wifi@70%|--network|dsl@40%", "the shares make 110 %");
    assert_refused("lab:|--network|wifi@100%|--network|dsl", "something left");
}

static void threads_are_no_more_than_peers(void **state)
{
    (void)state;
    assert_int_equal(plan_of("lab:|--peers|2|--threads|16").threads, 2);
    assert_true(plan_of("lab:|--peers|1000").threads >= 1);
    assert_true(plan_of("lab:|--peers|1000").threads <= SQ_PLAN_THREADS_MAX);
}

static void a_seed_is_made_and_fits_json(void **state)
{
    (void)state;
    uint64_t first = plan_of("lab:").seed;
    assert_true(first < 1ULL << 53);
    assert_true(plan_of("lab:").seed != first || plan_of("lab:").seed != first);
    assert_int_equal(plan_of("lab:|--seed|0").seed, 0);
}

static void the_token_may_come_from_the_environment(void **state)
{
    (void)state;
    setenv("SQUALL_TOKEN", "from-env", 1);
    assert_string_equal(plan_of("lab:").groups[0].token, "from-env");
    assert_string_equal(plan_of("lab:|--token|given").groups[0].token, "given");
    unsetenv("SQUALL_TOKEN");
    assert_null(plan_of("lab:").groups[0].token);
}

static int expect_of(const char *line, struct sq_plan *plan)
{
    struct sq_run_options o;
    assert_int_equal(parse(line, &o), 0);
    assert_int_equal(sq_run_options_plan(&o, plan, why, sizeof(why)), 0);
    int err = sq_expect_options_plan(&o, plan, why, sizeof(why));
    sq_run_options_free(&o);
    return err;
}

/* What no peer of this plan can have is told before the run, by option and column. */
static void expectations_are_held_against_the_plan(void **state)
{
    (void)state;
    struct sq_plan plan;
    assert_int_equal(expect_of("lab:|--expect|video.in > 0|--abort-on|peers.failed < 1%@3s", &plan),
                     0);
    assert_int_equal(plan.expects_len, 2);
    assert_int_equal(expect_of("lab:|--expect|video.in > 0 where group is viewer", &plan),
                     SQ_ERR_INVALID);
    assert_string_equal(why, "--expect 'video.in > 0 where group is viewer', column 29: no peer of "
                             "this run has the group 'viewer'; there is participant");
    assert_int_equal(expect_of("lab:|--abort-on|video.in > 0 between mute and end @3s", &plan),
                     SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--abort-on 'video.in > 0 between mute and end @3s', column 22: no "
                                "event is called 'mute'"));
    char line[8000];
    size_t n = (size_t)snprintf(line, sizeof(line), "lab:");
    for (int i = 0; i < 3; i++) {
        n += (size_t)snprintf(line + n, sizeof(line) - n, "|--expect|");
        for (int k = 0; k < 23; k++) {
            n += (size_t)snprintf(line + n, sizeof(line) - n, "%stime(video.in.fps > %d) < 9s",
                                  k ? " and " : "", i * 23 + k);
        }
    }
    assert_true(n < sizeof(buf));
    assert_int_equal(expect_of(line, &plan), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "more than 64 windows"));
}

static void refusals_say_what_was_expected(void **state)
{
    (void)state;
    assert_refused("--peers|3", "expected a target");
    assert_refused("lab:|whip+http://x/", "got another: 'whip+http://x/'");
    assert_refused("lab:|--peers|0", "--peers 0: expected a whole number from 1");
    assert_refused("lab:|--ramp|10s|--rate|3/s", "--ramp and --rate");
    assert_refused("lab:|--ramp|10", "--ramp 10: expected UP or UP:DOWN");
    assert_refused("lab:|--ramp|10s:", "--ramp 10s:: expected UP or UP:DOWN");
    assert_refused("lab:|--ramp|"
                   "1111111111111111111111111111111111111111111111111111111111111111111111111111s",
                   "expected UP or UP:DOWN");
    assert_refused("lab:|--no-audio|--no-video", "nothing to send");
    assert_refused("lab:|--srtp|rot13", "--srtp rot13: expected gcm or cm");
    assert_refused("lab:|--lateness-max|0", "above 0");
    assert_refused("lab:|--lateness-max|-3", "above 0");
    assert_refused("lab:|--expect|video.in.loss < 1%|--expect|video.inn > 0", "column");
    assert_refused("lab:|--expect|nonsense", "--expect 'nonsense'");
    assert_refused("lab:|--abort-on|peers.failed < 1%@x",
                   "--abort-on 'peers.failed < 1%@x', column 19: expected how long");
    static const char *const heads[] = {"audio",     "video", "setup", "peers",
                                        "generator", "bwe",   "data",  "ice"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        assert_refused("lab:|--expect|nonsense > 1", heads[i]);
    }
    assert_refused("lab:|--seed|9007199254740992", "--seed");
}

/* What contradicts itself, or would change nothing, is not taken in silence. */
static void useless_options_are_refused(void **state)
{
    (void)state;
    assert_refused("lab:|--turn-user|anna", "--turn-user: there is no TURN server");
    assert_refused("lab:|--turn-password|x", "--turn-password: there is no TURN server");
    assert_refused("lab:|--turn-secret|x", "--turn-secret: there is no TURN server");
    assert_refused("lab:|--turn|turn:127.0.0.1|--turn-user|anna", "give --turn-password or");
    assert_refused("lab:|--simulcast|3|--no-video", "--simulcast is of video");
    assert_refused("lab:|--simulcast|3|--codec|video=vp8,vp9+svc", "has its layers in one stream");
    assert_refused("lab:|--codec|audio=opus|--no-audio", "--codec audio=opus: --no-audio leaves");
    assert_refused("lab:|--no-video|--codec|audio=opus|--codec|video=vp8", "--no-video leaves");
    assert_refused("lab:|--no-video|--bwe|fixed:2M", "--bwe fixed:RATE is of video");
    assert_refused("lab:|--bwe|fixed:1",
                   "--bwe fixed:1 is 1 bit/s: expected 10k at least, with its "
                   "unit, such as fixed:600k or fixed:1.2M");
    assert_refused("lab:|--bwe|fixed:0", "--bwe fixed:0 is 0 bit/s: expected 10k at least");
    assert_refused("lab:|--bwe|fixed:9.9k", "--bwe fixed:9.9k is 9900 bit/s");
    plan_of("lab:|--bwe|fixed:10k");
    assert_refused("lab:|--bwe|fixed:9999G", "--bwe fixed:9999G: expected 10G at most");
    plan_of("lab:|--bwe|fixed:10G");
    assert_refused("lab:|--no-audio|--no-video|--data|1/s:100|--decode|5",
                   "--decode is of audio and video, and there are none");
    assert_refused("lab:|--no-audio|--no-video|--data|1/s:100|--record|1",
                   "--record is of audio and video, and there are none");
    plan_of("lab:|--no-video|--data|1/s:100|--record|1|--decode|1");
    assert_refused("whep+http://h/x|--simulcast|3", "--simulcast is of what is sent, and WHEP");
    assert_refused("whep+https://h/x|--record|1|--record-sent", "--record-sent is of what is sent");
    assert_refused("whep+http://h/x|--bwe|fixed:2M", "WHEP only watches");
    assert_refused("whep+http://h/x|--dtmf|1", "--dtmf is of what is sent");
    assert_refused("whep+http://h/x|--media|small", "--media is of what is sent, and WHEP");
    assert_refused("whep+https://h/x|--replay|x.pcap", "--replay is of what is sent, and WHEP");
    assert_refused("lab:whep/s|--replay|x.pcap", "--replay is of what is sent, and WHEP");
    assert_refused("lab:whep/s|--media|small", "--media is of what is sent, and WHEP");
    assert_refused("lab:whep/s|--no-listen", "by WHEP nobody does");
    assert_refused("lab:|--publishers|0|--media|hd", "--media is of what is sent, and with");
    assert_refused("lab:|--publishers|0|--replay|x.pcap", "--replay is of what is sent, and with");
    assert_refused("lab:|--publishers|0|--simulcast|2", "with --publishers 0 nobody sends");
    assert_refused("lab:|--publishers|0|--no-listen", "with --publishers 0 nobody does");
    assert_refused("whep+http://h/x|--no-listen", "by WHEP nobody does");
    assert_refused("lab:|--room-size|2|--publishers|3", "--room-size 2 has no more than 2");
    plan_of("lab:|--room-size|2|--publishers|2");
    plan_of("lab:|--room-size|2"); /* all */
    plan_of("lab:|--no-video|--codec|audio=opus|--bwe|off");
    plan_of("whip+http://h/x|--simulcast|3|--record|1|--record-sent|--bwe|fixed:2M");
    plan_of("whep+http://h/x|--codec|video=vp8|--record|1");
    plan_of("lab:|--codec|video=vp9+svc");
    plan_of("lab:|--simulcast|3|--codec|video=vp9");
    assert_refused("lab:|--replay|x.pcap|--media|small", "--media: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--codec|video=vp8", "--codec: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--simulcast|2", "--simulcast: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--bwe|off", "--bwe: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--bwe|gcc", "--bwe: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--bwe|fixed:1M", "--bwe: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--latency", "--latency: a replay sends its recording");
    assert_refused("lab:echo|--replay|x.pcap|--expect|score > 1|--expect|video.in.latency < 100ms",
                   "--expect 'video.in.latency < 100ms', column 1: a replay sends its recording as "
                   "it is, and no time-tags of its own to measure by; leave it out");
    assert_refused("lab:|--replay|x.pcap|--expect|score > 1 and audio.in.latency.p95 < 1s",
                   "column 15: a replay sends");
    assert_refused("lab:|--replay|x.pcap|--abort-on|audio.in.latency < 100ms",
                   "--abort-on 'audio.in.latency < 100ms', column 1: a replay sends");
    plan_of("lab:|--replay|x.pcap|--data|1/s:99|--expect|data.in.latency < 100ms");
    plan_of("lab:|--replay|x.pcap|--expect|video.in.loss < 1%");
    plan_of("lab:|--replay|x.pcap");
    plan_of("whip+http://h/x|--replay|x.pcap");
    plan_of("whep+http://h/x");
    assert_refused("lab:|--data|10/s:200|--data-mode|ordered,unordered", "not both");
    assert_refused("lab:|--data|10/s:200|--data-mode|unordered,retransmits=1,ordered", "not both");
    assert_refused("lab:|--codec=", "expected audio=LIST or video=LIST");
    assert_refused("lab:|--codec|video=", "--codec");
    /* Those that stand in the environment may stand there unused. */
    setenv("SQUALL_TURN_USER", "anna", 1);
    plan_of("lab:");
    assert_refused("lab:|--turn|turn:127.0.0.1", "give --turn-password or");
    setenv("SQUALL_TURN_PASSWORD", "x", 1);
    plan_of("lab:");
    plan_of("lab:|--turn|turn:127.0.0.1");
    unsetenv("SQUALL_TURN_USER");
    unsetenv("SQUALL_TURN_PASSWORD");
    plan_of("lab:|--turn|turn:127.0.0.1|--turn-secret|x");
}

static void help_wins_over_what_is_missing(void **state)
{
    (void)state;
    struct sq_run_options o;
    assert_int_equal(parse("--help", &o), 0);
    assert_true(o.help);
    sq_run_options_free(&o);
}

/* Secrets stay out of what is written down. */
static void the_token_is_not_described(void **state)
{
    (void)state;
    struct sq_run_options o;
    struct sq_plan plan;
    struct sq_result *r;
    assert_int_equal(parse("lab:|--token|s3cret|--peers|9|--expect|video.in > 0", &o), 0);
    assert_int_equal(o.expectations_len, 1);
    assert_int_equal(sq_run_options_plan(&o, &plan, why, sizeof(why)), 0);
    assert_int_equal(sq_result_create(&r), 0);
    assert_int_equal(sq_run_options_describe(&o, &plan, r), 0);
    bool peers = false;
    for (size_t i = 0; i < r->config_count; i++) {
        const struct sq_config_row *row = &r->config[i];
        assert_true(!row->text || !strstr(row->text, "s3cret"));
        peers = peers || (strcmp(row->key, "peers") == 0 && row->number == 9);
    }
    assert_true(peers);
    sq_result_destroy(r);
    sq_run_options_free(&o);
}

static void secrets_of_the_target_are_not_described(void **state)
{
    struct sq_run_options o;
    struct sq_plan plan;
    struct sq_result *r;
    assert_int_equal(parse("whip+https://h/live?key=s3cret", &o), 0);
    assert_int_equal(sq_run_options_plan(&o, &plan, why, sizeof(why)), 0);
    assert_int_equal(sq_result_create(&r), 0);
    assert_int_equal(sq_run_options_describe(&o, &plan, r), 0);
    assert_string_equal(r->target, "whip+https://h/live?***");
    for (size_t i = 0; i < r->config_count; i++) {
        assert_true(!r->config[i].text || !strstr(r->config[i].text, "s3cret"));
    }
    sq_result_destroy(r);
    sq_run_options_free(&o);
}

static int room_of(const char *line, const char *url, const char *expected)
{
    struct sq_run_options o;
    struct sq_plan plan;
    struct sq_target target;
    assert_int_equal(parse(line, &o), 0);
    assert_int_equal(sq_run_options_plan(&o, &plan, why, sizeof(why)), 0);
    assert_int_equal(sq_target_parse(url, &target, why, sizeof(why)), 0);
    int err = sq_run_options_room(&o, &target, &plan, why, sizeof(why));
    if (expected) {
        assert_string_equal(plan.room, expected);
    }
    sq_target_free(&target);
    sq_run_options_free(&o);
    return err;
}

#define NAME_30 "123456789012345678901234567890"

static void the_target_names_the_room_where_the_run_does_not(void **state)
{
    (void)state;
    assert_int_equal(room_of("room+ws://h/", "room+ws://h/room?room=demo", "demo"), 0);
    assert_int_equal(room_of("room+ws://h/|--room|x", "room+ws://h/room?room=demo", "x"), 0);
    assert_int_equal(room_of("room+ws://h/", "room+ws://h/room?room=", "squall"), 0);
    assert_int_equal(room_of("room+ws://h/", "room+ws://h/room", "squall"), 0);
    assert_int_equal(room_of("janus+ws://h/", "janus+ws://h/?plugin=videoroom&room=7", "7"), 0);
    assert_int_equal(
        room_of("janus+ws://h/|--room|8", "janus+ws://h/?plugin=videoroom&room=7", "8"), 0);
    /* What does not fit is refused, and not cut. */
    assert_int_equal(room_of("lab:|--room|" NAME_30 "12345678901234567", "room+ws://h/", NULL), 0);
    assert_int_equal(room_of("lab:|--room|" NAME_30 "123456789012345678", "room+ws://h/", NULL),
                     SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--room"));
    assert_non_null(strstr(why, "47"));
    assert_int_equal(room_of("lab:|--room=", "room+ws://h/", NULL), SQ_ERR_INVALID);
    assert_int_equal(
        room_of("lab:|--room-size|2|--peers|4|--room|" NAME_30, "room+ws://h/", NAME_30), 0);
    assert_int_equal(
        room_of("lab:|--room-size|2|--peers|4|--room|" NAME_30 "1", "room+ws://h/", NULL),
        SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--room-size"));
    assert_int_equal(
        room_of("room+ws://h/|--room-size|2|--peers|4", "room+ws://h/?room=" NAME_30 "1", NULL),
        SQ_ERR_INVALID);
}

static void data_channels(void **state)
{
    (void)state;
    struct sq_plan p = plan_of("lab:|--data|10/s:200");
    assert_true(p.groups[0].data.on && p.groups[0].data.rate_per_s == 10 &&
                p.groups[0].data.size_bytes == 200);
    assert_false(p.groups[0].data.channel.unordered || p.groups[0].data.channel.limit_retransmits ||
                 p.groups[0].data.channel.limit_lifetime);
    p = plan_of("lab:|--no-audio|--no-video|--data|max:16k|--data-mode|unordered,retransmits=3");
    assert_true(p.groups[0].data.rate_per_s == 0 && p.groups[0].data.size_bytes == 16384);
    assert_true(p.groups[0].data.channel.unordered && p.groups[0].data.channel.limit_retransmits);
    assert_int_equal(p.groups[0].data.channel.max_retransmits, 3);
    p = plan_of("lab:|--data|90/m:24|--data-mode|ordered,lifetime=250ms");
    assert_true(p.groups[0].data.rate_per_s == 1.5 && p.groups[0].data.channel.limit_lifetime);
    assert_int_equal(p.groups[0].data.channel.max_lifetime_ms, 250);
    assert_false(plan_of("lab:").groups[0].data.on);
    static const char *const wrong[] = {
        "10/s",      ":200",        "10/s:", "10/s:23",  "10/s:262145", "0/s:200",
        "-1/s:200",  "200000/s:50", "x:200", "10/s:20x", "max",         "10/s:99999999999999999999",
        "10/s:-200",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        char line[128];
        snprintf(line, sizeof(line), "lab:|--data|%s", wrong[i]);
        assert_refused(line, "RATE:SIZE");
    }
    static const char *const bad[] = {
        "sorted",        "retransmits",
        "retransmits=x", "retransmits=70000",
        "lifetime=0ms",  "lifetime=70s",
        "ordered=1",     "",
        "ordered,",      "retransmits=1,lifetime=1s",
    };
    for (size_t i = 1; i < sizeof(bad) / sizeof(*bad); i++) {
        char line[128];
        if (bad[i][0]) {
            snprintf(line, sizeof(line), "lab:|--data|10/s:200|--data-mode|%s", bad[i]);
            assert_refused(line, "ordered or unordered");
        }
    }
    assert_refused("lab:|--data-mode|ordered", "--data RATE:SIZE");
    assert_refused("lab:|--no-audio|--no-video", "--data");
    assert_refused("lab:|--no-audio|--no-video|--data|5/s:100|--latency", "--latency measures");
}

int main(void)
{
    unsetenv("SQUALL_TOKEN");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_enough),
        cmocka_unit_test(asks_for_help),
        cmocka_unit_test(rate_follows_peers_unless_given),
        cmocka_unit_test(a_ramp_of_no_time_is_all_at_once),
        cmocka_unit_test(hold_and_duration),
        cmocka_unit_test(all_else_arrives_in_the_plan),
        cmocka_unit_test(keys_are_pressed_when_it_says),
        cmocka_unit_test(networks_are_given_and_shared),
        cmocka_unit_test(who_is_dropped_may_come_back),
        cmocka_unit_test(credentials_that_nobody_could_take),
        cmocka_unit_test(threads_are_no_more_than_peers),
        cmocka_unit_test(a_seed_is_made_and_fits_json),
        cmocka_unit_test(the_token_may_come_from_the_environment),
        cmocka_unit_test(refusals_say_what_was_expected),
        cmocka_unit_test(expectations_are_held_against_the_plan),
        cmocka_unit_test(useless_options_are_refused),
        cmocka_unit_test(help_wins_over_what_is_missing),
        cmocka_unit_test(the_token_is_not_described),
        cmocka_unit_test(secrets_of_the_target_are_not_described),
        cmocka_unit_test(the_target_names_the_room_where_the_run_does_not),
        cmocka_unit_test(data_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "cli/run_options.h"

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/data_options.h"
#include "cli/dtmf_option.h"
#include "cli/expect_option.h"
#include "cli/network_option.h"
#include "cli/reconnect_option.h"
#include "signal/target.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DURATION_DEFAULT_NS (30 * SQ_NS_PER_SEC)
#define RAMP_DEFAULT_S      10.0
#define RAMP_DEFAULT_SHARE  (1.0 / 3) /* of the duration at most */
#define RATE_DEFAULT_MAX    100.0
#define RAMP_DOWN_MAX_NS    (2 * SQ_NS_PER_SEC)
#define SEED_MAX            ((1ULL << 53) - 1) /* a JSON number keeps it */

#define OPTIONS_MAX 80

/* Options in the order that the help has them. They point into *options. */
struct table {
    struct sq_run_options *options;
    size_t n;
    struct sq_option rows[OPTIONS_MAX]; /* the last one without a name */
};

static void add(struct table *table, const struct sq_option *rows, size_t n)
{
    if (table->n + n >= OPTIONS_MAX) {
        abort(); /* with any arguments: OPTIONS_MAX is too small for what stands below */
    }
    memcpy(&table->rows[table->n], rows, n * sizeof(*rows));
    table->n += n;
}

static void add_load(struct table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Load", .type = SQ_OPTION_HEADING},
        {"peers", SQ_OPTION_COUNT, &o->peers, "N",
         "peers at once (default 1; with rates of --load or --arrivals the most at once)", 1,
         SQ_PLAN_PEERS_MAX},
        {"rate", SQ_OPTION_RATE, &o->rate_per_s, "R",
         "arrivals, such as 20/s or 90/m (default: all within 10 s, or a third of the run)", 0, 0},
        {"duration", SQ_OPTION_DURATION, &o->duration_ns, "D",
         "of the whole run, ramp down left out (default 30s)", 0, 0},
        {"hold", SQ_OPTION_DURATION, &o->hold_ns, "D",
         "how long each peer stays (default: until the end)", 0, 0},
        {"ramp", SQ_OPTION_TEXT, &o->ramp, "UP[:DOWN]",
         "bring all peers up over UP, and down over DOWN", 0, 0},
        {"threads", SQ_OPTION_COUNT, &o->threads, "N", "generator threads (default: one a core)", 1,
         SQ_PLAN_THREADS_MAX},
    };
    struct sq_option shapes[SQ_LOAD_OPTIONS];
    sq_load_option_rows(&o->load, shapes);
    add(table, rows, sizeof(rows) / sizeof(*rows));
    add(table, shapes, SQ_LOAD_OPTIONS);
}

static void add_media(struct table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Rooms and media", .type = SQ_OPTION_HEADING},
        {"room", SQ_OPTION_TEXT, &o->room, "NAME",
         "room, or the prefix of their names (default: the target's ?room=, or squall)", 0, 0},
        {"room-size", SQ_OPTION_COUNT, &o->room_size, "N", "peers a room (default: all in one)", 1,
         SQ_PLAN_PEERS_MAX},
        {"publishers", SQ_OPTION_COUNT, &o->publishers, "N",
         "of each room; the others only watch (default: all)", 0, SQ_PLAN_PEERS_MAX},
        {"no-listen", SQ_OPTION_NO_FLAG, &o->listen, NULL, "publishers do not watch", 0, 0},
        {"echo", SQ_OPTION_FLAG, &o->echo, NULL, "by WHIP: ask the server to send the media back",
         0, 0},
        {"media", SQ_OPTION_TEXT, &o->media, "CLIP",
         "what is sent: default, small, hd, or a .sqclip file", 0, 0},
        {"latency", SQ_OPTION_FLAG, &o->latency, NULL,
         "measure one-way latency by time-tags in frames (on if an expectation names it)", 0, 0},
        {"simulcast", SQ_OPTION_COUNT, &o->simulcast, "N",
         "send the video in 2 or 3 layers (RFC 8853)", 2, 3},
        {"codec", SQ_OPTION_LIST, &o->codecs, "KIND=LIST",
         "the preferred one first: video=h264,vp9+svc or audio=opus+stereo+red,pcmu; may come "
         "again",
         0, 0},
        {"replay", SQ_OPTION_TEXT, &o->replay, "FILE",
         "send this rtpdump or pcap in the place of a clip, as 'squall media replay' does", 0, 0},
        {"pt", SQ_OPTION_TEXT, &o->replay_pt, "MAP",
         "of --replay: what its payload types are, such as 96=VP8,111=opus", 0, 0},
        {"bwe", SQ_OPTION_TEXT, &o->bwe, "HOW",
         "rate of what is sent: gcc (default), off (the clip's best) or fixed:RATE", 0, 0},
        {"no-audio", SQ_OPTION_NO_FLAG, &o->audio, NULL, "video only", 0, 0},
        {"no-video", SQ_OPTION_NO_FLAG, &o->video, NULL, "audio only", 0, 0},
        {"dtmf", SQ_OPTION_TEXT, &o->dtmf, "DIGITS[@SECONDS]",
         "press these keys (RFC 4733) so long after the call is up (default 1), a comma is 2 s", 0,
         0},
        {"data", SQ_OPTION_TEXT, &o->data, "RATE:SIZE",
         "messages on a data channel, such as 10/s:200 or max:16k", 0, 0},
        {"data-mode", SQ_OPTION_TEXT, &o->data_mode, "MODE",
         "ordered (default) or unordered, retransmits=N or lifetime=D", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_verdict(struct table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Verdict", .type = SQ_OPTION_HEADING},
        {"expect", SQ_OPTION_LIST, &o->expect, "EXPR",
         "such as 'video.in.loss.p95 < 1%'; may come again", 0, 0},
        {"abort-on", SQ_OPTION_LIST, &o->abort_on, "EXPR[@DELAY]",
         "the same, and the run ends once it does not hold, from DELAY on (5s); may come again", 0,
         0},
        {"baseline", SQ_OPTION_LIST, &o->baselines, "DIR",
         "results of earlier runs: to be worse than those fails; may come again", 0, 0},
        {"baseline-threshold", SQ_OPTION_TEXT, &o->baseline_threshold, "P",
         "a change counts from P % on (default: as squall compare has it)", 0, 0},
        {"lateness-max", SQ_OPTION_NUMBER, &o->lateness_max_ms, "MS",
         "p99 of the generator's own timers (default 20)", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_results(struct table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Results", .type = SQ_OPTION_HEADING},
        {"out", SQ_OPTION_TEXT, &o->out, "DIR",
         "results directory (default squall-results/RUN-ID); an earlier run's files in it are "
         "deleted",
         0, 0},
        {"json", SQ_OPTION_TEXT, &o->json, "FILE", "summary.json as one file; - is standard output",
         0, 0},
        {"junit", SQ_OPTION_TEXT, &o->junit, "FILE", "junit.xml as one file", 0, 0},
        {"html", SQ_OPTION_TEXT, &o->html, "FILE", "report.html as one file", 0, 0},
        {"markdown", SQ_OPTION_TEXT, &o->markdown, "FILE",
         "a summary for a job page, such as $GITHUB_STEP_SUMMARY; - is standard output", 0, 0},
        {"report-url", SQ_OPTION_TEXT, &o->report_url, "URL",
         "where people will find report.html, for the summary and for JUnit", 0, 0},
        {"github", SQ_OPTION_FLAG, &o->github, NULL,
         "what did not hold as ::error lines (so it is where GITHUB_ACTIONS is set)", 0, 0},
        {"prometheus", SQ_OPTION_TEXT, &o->prometheus, "[ADDR:]PORT",
         "while it runs, figures to scrape at /metrics", 0, 0},
        {"prometheus-push", SQ_OPTION_TEXT, &o->prometheus_push, "URL",
         "while it runs, and at its end, push them to a Pushgateway", 0, 0},
        {"dump", SQ_OPTION_COUNT, &o->dump, "N",
         "webrtc-internals dumps of the first N peers (failed ones always)", 0, 1000},
        {"decode", SQ_OPTION_COUNT, &o->decode, "N",
         "decode what the first N peers receive: does the picture move, is the voice heard?", 0,
         100},
        {"record", SQ_OPTION_COUNT, &o->record, "N",
         "record what the first N peers receive, into the folder record/ of the results", 1, 1000},
        {"record-sent", SQ_OPTION_FLAG, &o->record_sent, NULL, "and what they send", 0, 0},
        {"record-format", SQ_OPTION_TEXT, &o->record_format, "LIST",
         "some of webm (default), ogg, rtpdump, pcap, with commas", 0, 0},
        {"quiet", SQ_OPTION_FLAG, &o->quiet, NULL,
         "no progress, no closing text; one line if it did not hold", 0, 0},
        {"verbose", SQ_OPTION_FLAG, &o->verbose, NULL, "every metric in the closing text", 0, 0},
        {"no-tui", SQ_OPTION_NO_FLAG, &o->tui, NULL, "plain lines instead of the live view", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_connection(struct table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Connection", .type = SQ_OPTION_HEADING},
        {"token", SQ_OPTION_TEXT, &o->token, "TEXT", "bearer token (or the variable SQUALL_TOKEN)",
         0, 0},
        {"insecure", SQ_OPTION_FLAG, &o->insecure, NULL, "do not verify the server's certificate",
         0, 0},
        {"ca", SQ_OPTION_TEXT, &o->ca_file, "FILE",
         "PEM file of an authority to trust besides the system's", 0, 0},
        {"no-trickle", SQ_OPTION_NO_FLAG, &o->trickle, NULL,
         "all candidates within the description", 0, 0},
        {"stun", SQ_OPTION_LIST, &o->stun, "HOST:PORT", "STUN server; may come again", 0, 0},
        {"ice", SQ_OPTION_TEXT, &o->ice, "POLICY",
         "all (default), relay, or relay-first: connect by the relay, then go over to a direct "
         "path",
         0, 0},
        {"turn", SQ_OPTION_LIST, &o->turn, "URL",
         "turn:HOST[:PORT][?transport=tcp], turns:… (TLS; DTLS with ?transport=udp); may come "
         "again",
         0, 0},
        {"turn-user", SQ_OPTION_TEXT, &o->turn_user, "NAME",
         "for TURN (or the variable SQUALL_TURN_USER)", 0, 0},
        {"turn-password", SQ_OPTION_TEXT, &o->turn_password, "TEXT",
         "for TURN (better: the variable SQUALL_TURN_PASSWORD)", 0, 0},
        {"turn-secret", SQ_OPTION_TEXT, &o->turn_secret, "TEXT",
         "make time-limited TURN credentials of it (better: SQUALL_TURN_SECRET)", 0, 0},
        {"local-ip", SQ_OPTION_LIST, &o->local_ips, "IP",
         "send media from this address, or from the next one of A-B or A/BITS; may come again", 0,
         0},
        {"network", SQ_OPTION_LIST, &o->networks, "NETWORK[@SHARE%]",
         "a bad network under each peer: 'Poor 4G' and its like ('list' tells them), or "
         "rate=1M,delay=80ms,loss=2%; 'wifi, 20s: Poor 4G, 40s: down 3s' changes; may come again",
         0, 0},
        {"srtp", SQ_OPTION_TEXT, &o->srtp, "PROFILE", "offered first: gcm (default) or cm", 0, 0},
        {"reconnect", SQ_OPTION_TEXT, &o->reconnect, "HOW",
         "who is dropped comes back: now, backoff or backoff:1s-30s; ice+backoff restarts ICE "
         "first",
         0, 0},
        {"answer-timeout", SQ_OPTION_DURATION, &o->answer_timeout_ns, "D",
         "for each answer of the signalling (10s)", 0, 0},
        {"connect-timeout", SQ_OPTION_DURATION, &o->connect_timeout_ns, "D",
         "for ICE and DTLS (15s)", 0, 0},
        {"media-timeout", SQ_OPTION_DURATION, &o->media_timeout_ns, "D",
         "from connected to the first media (10s)", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void add_other(struct table *table)
{
    struct sq_run_options *o = table->options;
    const struct sq_option rows[] = {
        {.name = "Other", .type = SQ_OPTION_HEADING},
        {"seed", SQ_OPTION_COUNT, &o->seed, "N", "of every random choice (default: by the clock)",
         0, SEED_MAX},
        {"help", SQ_OPTION_FLAG, &o->help, NULL, "this text", 0, 0},
    };
    add(table, rows, sizeof(rows) / sizeof(*rows));
}

static void make_table(struct sq_run_options *o, struct table *ret_table)
{
    *ret_table = (struct table){.options = o};
    add_load(ret_table);
    add_media(ret_table);
    add_verdict(ret_table);
    add_results(ret_table);
    add_connection(ret_table);
    add_other(ret_table);
}

static void set_defaults(struct sq_run_options *o)
{
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    *o = (struct sq_run_options){
        .publishers = UINT64_MAX,
        .audio = true,
        .video = true,
        .listen = true,
        .trickle = true,
        .tui = true,
        .srtp = "gcm",
        .ice = "all",
        .seed = UINT64_MAX,
        .answer_timeout_ns = plan.answer_timeout_ns,
        .connect_timeout_ns = plan.connect_timeout_ns,
        .media_timeout_ns = plan.media_timeout_ns,
        .lateness_max_ms = plan.lateness_p99_max_ms,
    };
}

/* Options of what is sent, where none is: for want of that kind, of a publisher, or of room. */
static int check_senders(const struct sq_run_options *o, char *why, size_t why_room)
{
    bool watches = strncmp(o->target_url, "whep", 4) == 0;
    bool fixed = o->bwe && strncmp(o->bwe, "fixed:", 6) == 0;
    const char *sent = o->simulcast     ? "--simulcast"
                       : o->record_sent ? "--record-sent"
                       : o->dtmf        ? "--dtmf"
                       : o->media       ? "--media"
                       : o->replay      ? "--replay"
                       : fixed          ? "--bwe"
                                        : NULL;
    for (size_t i = 0; i < o->codecs.n; i++) {
        bool audio = strncmp(o->codecs.items[i], "audio=", 6) == 0;
        bool video = strncmp(o->codecs.items[i], "video=", 6) == 0;
        if ((audio && !o->audio) || (video && !o->video)) {
            snprintf(why, why_room, "--codec %s: --no-%.5s leaves none: give one of them",
                     o->codecs.items[i], o->codecs.items[i]);
            return SQ_ERR_INVALID;
        }
    }
    if (!o->video && (o->simulcast || fixed)) {
        snprintf(why, why_room, "%s is of video, and --no-video leaves none: give one",
                 o->simulcast ? "--simulcast" : "--bwe fixed:RATE");
        return SQ_ERR_INVALID;
    }
    if (sent && (watches || o->publishers == 0)) {
        snprintf(why, why_room, "%s is of what is sent, and %s: leave it out", sent,
                 watches ? "WHEP only watches" : "with --publishers 0 nobody sends");
        return SQ_ERR_INVALID;
    }
    if (!o->listen && (watches || o->publishers == 0)) {
        snprintf(why, why_room, "--no-listen: who does not publish watches, and %s: leave it out",
                 watches ? "by WHEP nobody does" : "with --publishers 0 nobody does");
        return SQ_ERR_INVALID;
    }
    if (o->room_size && o->publishers != UINT64_MAX && o->publishers > o->room_size) {
        snprintf(why, why_room,
                 "--publishers %llu: a room of --room-size %llu has no more than %llu",
                 (unsigned long long)o->publishers, (unsigned long long)o->room_size,
                 (unsigned long long)o->room_size);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* What would be taken without a word, and change nothing. */
static int check_useless(const struct sq_run_options *o, char *why, size_t why_room)
{
    const char *turn = o->turn_user       ? "--turn-user"
                       : o->turn_password ? "--turn-password"
                       : o->turn_secret   ? "--turn-secret"
                                          : NULL;
    const char *clip = o->media          ? "--media"
                       : o->codecs.n > 0 ? "--codec"
                       : o->simulcast    ? "--simulcast"
                       : o->bwe          ? "--bwe"
                                         : NULL;
    if (turn && o->turn.n == 0) {
        snprintf(why, why_room, "%s: there is no TURN server to use it; give one with --turn",
                 turn);
        return SQ_ERR_INVALID;
    }
    if (clip && o->replay) {
        snprintf(why, why_room,
                 "%s: a replay sends its recording as it is, in the place of a clip; leave it out",
                 clip);
        return SQ_ERR_INVALID;
    }
    if (o->baseline_threshold && o->baselines.n == 0) {
        snprintf(why, why_room, "--baseline-threshold: there is no --baseline to use it on");
        return SQ_ERR_INVALID;
    }
    return check_senders(o, why, why_room);
}

static struct sq_load_others load_others(const struct sq_run_options *o)
{
    return (struct sq_load_others){.peers = o->peers_given ? o->peers : 0,
                                   .rate_per_s = o->rate_per_s,
                                   .ramp = o->ramp,
                                   .hold_ns = o->hold_ns,
                                   .duration_ns = o->duration_ns};
}

int sq_run_options_parse(struct sq_run_options *o, int argc, char **argv, char *why,
                         size_t why_room)
{
    struct table table;
    struct sq_option_list rest = {0};
    set_defaults(o);
    make_table(o, &table);
    int err = sq_options_parse(table.rows, argc, argv, &rest, why, why_room);
    if (err || o->help || sq_network_option_asks(&o->networks)) {
        return err;
    }
    if (rest.n == 0) {
        snprintf(why, why_room, "run: expected a target, such as lab: or whip+https://host/path");
        return SQ_ERR_INVALID;
    }
    if (rest.n > 1) {
        char *shown = sq_target_shown(rest.items[1]);
        snprintf(why, why_room, "run: expected one target, got another: '%.200s'",
                 shown ? shown : "***");
        sq_free(shown);
        return SQ_ERR_INVALID;
    }
    o->target_url = rest.items[0];
    o->peers_given = o->peers > 0;
    o->peers = o->peers_given ? o->peers : 1;
    const struct sq_load_others others = load_others(o);
    err = check_useless(o, why, why_room);
    err = err ? err : sq_load_option_read(&o->load, &others, why, why_room);
    if (err) {
        return err;
    }
    o->media = o->media ? o->media : "default";
    o->bwe = o->bwe ? o->bwe : "gcc";
    o->token = o->token ? o->token : getenv("SQUALL_TOKEN");
    o->turn_user = o->turn_user ? o->turn_user : getenv("SQUALL_TURN_USER");
    if (!o->turn_secret) {
        o->turn_password = o->turn_password ? o->turn_password : getenv("SQUALL_TURN_PASSWORD");
    }
    if (!o->turn_password) {
        o->turn_secret = o->turn_secret ? o->turn_secret : getenv("SQUALL_TURN_SECRET");
    }
    if (o->seed == UINT64_MAX) {
        sq_rand_secret(&o->seed, sizeof(o->seed));
        o->seed &= SEED_MAX;
    }
    return sq_expect_options_parse(o, why, why_room);
}

void sq_run_options_free(struct sq_run_options *o)
{
    for (size_t i = 0; i < o->expectations_len; i++) {
        sq_expect_destroy(o->expectations[i]);
    }
    o->expectations_len = 0;
    sq_load_option_free(&o->load);
}

void sq_run_options_help(void)
{
    struct sq_run_options o;
    struct table table;
    set_defaults(&o);
    make_table(&o, &table);
    puts("Usage: squall run TARGET [OPTION…]\n\n"
         "Drives peers through a service and says whether it held. TARGET is one of\n"
         "  lab:                                       the embedded lab's rooms (lab:echo, "
         "lab:whip)\n"
         "  janus+ws://HOST:8188/?plugin=echotest      Janus (also videoroom&room=ID; janus+wss)\n"
         "  whip+https://HOST/PATH                     publish by WHIP (whip+http)\n"
         "  whep+https://HOST/PATH                     watch by WHEP (whep+http)\n"
         "  room+ws://HOST:PORT/room                   a lab somewhere else (room+wss)");
    sq_options_help(table.rows);
    puts("\nWhile it runs: + - change the rate of arrivals by 1/s, * / by 10/s, p pauses them, q "
         "ends the run;\n"
         "with --load of peers + - * / change their number, and with --arrivals there is q alone.\n"
         "Ctrl-C ends it in good order and keeps the results; a second one ends it at once.\n"
         "Exit codes: 0 held, 1 an expectation failed, 2 usage, 3 not reached, 4 the generator was "
         "the\n"
         "bottleneck, 130 interrupted.");
}

static int parse_ramp(const char *text, uint64_t *ret_up_ns, uint64_t *ret_down_ns)
{
    char buf[64];
    if (strlen(text) >= sizeof(buf)) {
        return SQ_ERR_FORMAT;
    }
    memcpy(buf, text, strlen(text) + 1);
    char *down = strchr(buf, ':');
    if (down) {
        *down++ = '\0';
        int err = sq_parse_duration(down, ret_down_ns);
        if (err) {
            return err;
        }
    }
    return sq_parse_duration(buf, ret_up_ns);
}

static int plan_load(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                     size_t why_room)
{
    uint64_t up_ns = 0;
    uint64_t down_ns = SQ_NEVER;
    const struct sq_load_others others = load_others(o);
    sq_load_option_plan(&o->load, &others, plan);
    if (plan->shape) {
        return 0; /* what it asks for is checked */
    }
    if (o->ramp && parse_ramp(o->ramp, &up_ns, &down_ns) != 0) {
        snprintf(why, why_room, "--ramp %s: expected UP or UP:DOWN, each a duration such as 10s",
                 o->ramp);
        return SQ_ERR_INVALID;
    }
    if (o->ramp && o->rate_per_s > 0) {
        snprintf(why, why_room, "--ramp and --rate say the same in two ways: give one of them");
        return SQ_ERR_INVALID;
    }
    plan->peers = o->peers;
    plan->hold_ns = o->hold_ns;
    plan->duration_ns = o->duration_ns || o->hold_ns ? o->duration_ns : DURATION_DEFAULT_NS;
    plan->rate_per_s = o->rate_per_s;
    if (plan->rate_per_s <= 0) {
        double over_s = up_ns ? (double)up_ns / 1e9 : RAMP_DEFAULT_S;
        if (!up_ns && plan->duration_ns) {
            over_s = fmin(over_s, (double)plan->duration_ns / 1e9 * RAMP_DEFAULT_SHARE);
        }
        plan->rate_per_s = fmax((double)o->peers / over_s, up_ns ? 1e-6 : 1);
        if (!up_ns) {
            plan->rate_per_s = fmin(plan->rate_per_s, RATE_DEFAULT_MAX);
        }
    }
    plan->ramp_down_ns = down_ns;
    if (down_ns == SQ_NEVER) {
        double seconds = (double)o->peers / (4 * plan->rate_per_s);
        plan->ramp_down_ns = (uint64_t)fmin(seconds * 1e9, (double)RAMP_DOWN_MAX_NS);
    }
    if (sq_plan_arrivals(plan) > SQ_RESULT_PEERS_MAX) {
        snprintf(
            why, why_room,
            "%.4g arrivals a second for %.4g s are %llu; a run keeps the results of %d at most",
            plan->rate_per_s, (double)plan->duration_ns / 1e9,
            (unsigned long long)sq_plan_arrivals(plan), SQ_RESULT_PEERS_MAX);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* --codec video=h264,vp8 */
static int parse_codecs(const struct sq_run_options *o, struct sq_plan_group *group, char *why,
                        size_t why_room)
{
    for (size_t i = 0; i < o->codecs.n; i++) {
        char text[SQ_PEER_TEXT_MAX] = "";
        const char *item = o->codecs.items[i];
        bool video = strncmp(item, "video=", 6) == 0;
        if (!video && strncmp(item, "audio=", 6) != 0) {
            snprintf(why, why_room, "--codec %s: expected audio=LIST or video=LIST", item);
            return SQ_ERR_INVALID;
        }
        if (sq_peer_codecs_parse(item + 6, video,
                                 video ? &group->video_codecs : &group->audio_codecs, text) != 0) {
            snprintf(why, why_room, "--codec %s", text);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

static int plan_ice(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                    size_t why_room)
{
    static const char *const names[] = {"all", "relay", "relay-first"};
    size_t i = 0;
    while (i < 3 && strcmp(o->ice, names[i]) != 0) {
        i++;
    }
    if (i == 3) {
        snprintf(why, why_room, "--ice %s: expected all, relay or relay-first", o->ice);
        return SQ_ERR_INVALID;
    }
    if (i > 0 && o->turn.n == 0) {
        snprintf(why, why_room, "--ice %s: give the TURN server with --turn", o->ice);
        return SQ_ERR_INVALID;
    }
    if (o->turn_password && o->turn_secret) {
        snprintf(why, why_room,
                 "--turn-password and --turn-secret are two ways to authenticate: "
                 "give one of them");
        return SQ_ERR_INVALID;
    }
    if (o->turn_password && !o->turn_user) {
        snprintf(why, why_room, "--turn-password: give the user, too, with --turn-user");
        return SQ_ERR_INVALID;
    }
    if (o->turn.n > 0 && o->turn_user && !o->turn_password && !o->turn_secret) {
        snprintf(why, why_room,
                 "--turn-user: give --turn-password or --turn-secret, too (better: the variable "
                 "SQUALL_TURN_PASSWORD or SQUALL_TURN_SECRET)");
        return SQ_ERR_INVALID;
    }
    plan->ice_policy = (enum sq_ice_policy)i;
    return 0;
}

#define BWE_FIXED_MIN_BPS 10000 /* speech with its headers takes more */

/* --bwe gcc, off, fixed:1.2M */
static int parse_bwe(const char *text, struct sq_peer_bwe *ret_bwe, char *why, size_t why_room)
{
    struct sq_peer_bwe bwe = {.mode = SQ_BWE_GCC};
    bool known = strcmp(text, "gcc") == 0;
    if (strcmp(text, "off") == 0) {
        known = true;
        bwe.mode = SQ_BWE_OFF;
    } else if (strncmp(text, "fixed:", 6) == 0) {
        known = sq_parse_bitrate(text + 6, &bwe.fixed_bps) == 0;
        bwe.mode = SQ_BWE_FIXED;
    }
    if (known && bwe.mode == SQ_BWE_FIXED && bwe.fixed_bps < BWE_FIXED_MIN_BPS) {
        snprintf(why, why_room,
                 "--bwe %s is %llu bit/s: expected 10k at least, with its unit, such as fixed:600k "
                 "or fixed:1.2M",
                 text, (unsigned long long)bwe.fixed_bps);
        return SQ_ERR_INVALID;
    }
    if (!known) {
        snprintf(why, why_room,
                 "--bwe %s: expected gcc, off, or fixed: with a bit rate such as fixed:1.2M", text);
        return SQ_ERR_INVALID;
    }
    *ret_bwe = bwe;
    return 0;
}

int sq_run_options_plan(const struct sq_run_options *o, struct sq_plan *ret_plan, char *why,
                        size_t why_room)
{
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    struct sq_plan_group *group = &plan.groups[0];
    plan.answer_timeout_ns = o->answer_timeout_ns;
    plan.connect_timeout_ns = o->connect_timeout_ns;
    plan.media_timeout_ns = o->media_timeout_ns;
    int err = plan_load(o, &plan, why, why_room);
    err = err ? err : plan_ice(o, &plan, why, why_room);
    if (err) {
        return err;
    }
    err = sq_data_options_parse(o->data, o->data_mode, &group->data, why, why_room);
    err = err ? err : sq_dtmf_option_parse(o->dtmf, group, why, why_room);
    err = err ? err : sq_network_option_parse(&o->networks, group, why, why_room);
    err = err ? err : sq_reconnect_option_parse(o->reconnect, &group->reconnect, why, why_room);
    if (err) {
        return err;
    }
    if (!o->audio && !o->video && !group->data.on) {
        snprintf(why, why_room,
                 "--no-audio and --no-video together leave nothing to send: give --data");
        return SQ_ERR_INVALID;
    }
    if (o->latency && !o->audio && !o->video) {
        snprintf(why, why_room,
                 "--latency measures frames of audio and video, and there are none; messages' "
                 "latency is told by --data itself");
        return SQ_ERR_INVALID;
    }
    if (strcmp(o->srtp, "gcm") != 0 && strcmp(o->srtp, "cm") != 0) {
        snprintf(why, why_room, "--srtp %s: expected gcm or cm", o->srtp);
        return SQ_ERR_INVALID;
    }
    if (o->replay_pt && !o->replay) {
        snprintf(why, why_room, "--pt: expected --replay FILE with it");
        return SQ_ERR_INVALID;
    }
    if (o->lateness_max_ms <= 0) {
        snprintf(why, why_room, "--lateness-max: expected a number of milliseconds above 0");
        return SQ_ERR_INVALID;
    }
    group->simulcast = (unsigned)o->simulcast;
    err = parse_codecs(o, group, why, why_room);
    if (!err && group->simulcast && group->video_codecs.svc) {
        snprintf(why, why_room,
                 "--simulcast: vp9+svc has its layers in one stream, and simulcast has a stream a "
                 "layer; leave one of them out");
        err = SQ_ERR_INVALID;
    }
    err = err ? err : parse_bwe(o->bwe, &group->bwe, why, why_room);
    if (err) {
        return err;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    plan.threads = o->threads ? (unsigned)o->threads : (unsigned)(cores > 0 ? cores : 1);
    if (plan.threads > plan.peers) {
        plan.threads = (unsigned)plan.peers;
    }
    if (plan.threads > SQ_PLAN_THREADS_MAX) {
        plan.threads = SQ_PLAN_THREADS_MAX;
    }
    plan.room = o->room ? o->room : plan.room;
    plan.room_size = o->room_size;
    group->audio = o->audio;
    group->video = o->video;
    group->watches = o->listen;
    group->token = o->token;
    group->insecure = o->insecure;
    group->ca_file = o->ca_file;
    group->trickle = o->trickle;
    group->latency = o->latency;
    plan.seed = o->seed;
    plan.prefer_cm = strcmp(o->srtp, "cm") == 0;
    plan.dumps = o->dump;
    plan.decode = o->decode;
    plan.lateness_p99_max_ms = o->lateness_max_ms;
    sq_plan_split(&plan, o->publishers);
    *ret_plan = plan;
    return 0;
}

int sq_run_options_room(const struct sq_run_options *o, const struct sq_target *target,
                        struct sq_plan *plan, char *why, size_t why_room)
{
    bool janus = strncmp(target->scheme, "janus+", 6) == 0;
    bool rooms = janus || strncmp(target->scheme, "room+", 5) == 0;
    const char *named = rooms ? sq_target_param(target, "room") : NULL;
    if (!o->room && named && named[0]) {
        plan->room = named;
    }
    plan->room_counts = janus;
    size_t max = plan->room_size ? SQ_PLAN_ROOM_PREFIX_MAX : SQ_PLAN_ROOM_MAX;
    if (!plan->room[0] || strlen(plan->room) > max) {
        snprintf(why, why_room, "%s '%.80s': expected a name of 1 to %zu bytes%s",
                 o->room ? "--room" : "room", plan->room, max,
                 plan->room_size ? ", as --room-size puts a number behind it" : "");
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int describe_list(struct sq_result *result, const char *key,
                         const struct sq_option_list *list)
{
    struct sq_buf b = {0};
    for (size_t i = 0; i < list->n; i++) {
        sq_buf_printf(&b, "%s%s", i ? "," : "", list->items[i]);
    }
    int err = b.err;
    if (!err && list->n > 0) {
        err = sq_result_config_text(result, key, b.text);
    }
    sq_buf_free(&b);
    return err;
}

static int describe_target(const struct sq_run_options *o, struct sq_result *result)
{
    char *shown = sq_target_shown(o->target_url);
    int err = shown ? sq_result_config_text(result, "target", shown) : SQ_ERR_NOMEM;
    err = err ? err : sq_result_replace_text(&result->target, shown);
    sq_free(shown);
    return err;
}

int sq_run_options_describe(const struct sq_run_options *o, const struct sq_plan *plan,
                            struct sq_result *result)
{
    const struct sq_plan_group *first = &plan->groups[0];
    int err = describe_target(o, result);
    err = err ? err : sq_result_config_number(result, "peers", (double)plan->peers);
    if (!err && !plan->shape) {
        err = sq_result_config_number(result, "rate_per_s", plan->rate_per_s);
    }
    err = err ? err : sq_load_option_describe(&o->load, result);
    err = err ? err : sq_result_config_number(result, "hold_s", (double)plan->hold_ns / 1e9);
    err =
        err ? err : sq_result_config_number(result, "duration_s", (double)plan->duration_ns / 1e9);
    err = err ? err
              : sq_result_config_number(result, "ramp_down_s", (double)plan->ramp_down_ns / 1e9);
    err = err ? err : sq_result_config_number(result, "threads", plan->threads);
    err = err ? err : sq_result_config_text(result, "room", plan->room);
    if (!err && plan->room_size) {
        err = sq_result_config_number(result, "room_size", (double)plan->room_size);
    }
    bool all = first->publishes && plan->groups_len == 1;
    if (!err && !all) {
        err = sq_result_config_number(result, "publishers",
                                      first->publishes ? (double)first->per_room : 0);
    }
    err = err ? err : sq_result_config_flag(result, "listen", first->watches);
    err = err ? err
              : sq_result_config_text(result, o->replay ? "replay" : "media",
                                      o->replay ? o->replay : o->media);
    err = err ? err : describe_list(result, "codec", &o->codecs);
    err = err ? err : sq_result_config_number(result, "simulcast", (double)first->simulcast);
    err = err ? err : sq_result_config_text(result, "bwe", o->bwe);
    err = err ? err : sq_result_config_flag(result, "audio", first->audio);
    err = err ? err : sq_result_config_flag(result, "video", first->video);
    err = err || !o->data ? err : sq_result_config_text(result, "data", o->data);
    err = err || !o->dtmf ? err : sq_result_config_text(result, "dtmf", o->dtmf);
    err = err || !o->data_mode ? err : sq_result_config_text(result, "data_mode", o->data_mode);
    err = err ? err : sq_result_config_text(result, "srtp", o->srtp);
    err = err ? err : sq_result_config_flag(result, "trickle", first->trickle);
    err = err ? err : sq_result_config_flag(result, "latency", first->latency);
    err = err ? err : sq_result_config_flag(result, "insecure", first->insecure);
    err = err ? err : sq_result_config_flag(result, "echo", o->echo);
    err = err ? err : sq_result_config_number(result, "dump", (double)plan->dumps);
    err = err ? err : sq_result_config_number(result, "decode", (double)plan->decode);
    err = err || !o->ca_file ? err : sq_result_config_text(result, "ca", o->ca_file);
    err = err ? err : describe_list(result, "stun", &o->stun);
    err = err ? err : describe_list(result, "local_ip", &o->local_ips);
    err = err ? err : describe_list(result, "network", &o->networks);
    err = err || !o->reconnect ? err : sq_result_config_text(result, "reconnect", o->reconnect);
    err = err ? err : sq_result_config_text(result, "ice", o->ice);
    err = err ? err : describe_list(result, "turn", &o->turn);
    err = err ? err
              : sq_result_config_number(result, "answer_timeout_s",
                                        (double)plan->answer_timeout_ns / 1e9);
    err = err ? err
              : sq_result_config_number(result, "connect_timeout_s",
                                        (double)plan->connect_timeout_ns / 1e9);
    err = err ? err
              : sq_result_config_number(result, "media_timeout_s",
                                        (double)plan->media_timeout_ns / 1e9);
    return err ? err
               : sq_result_config_number(result, "lateness_max_ms", plan->lateness_p99_max_ms);
}

/* squall pair: two machines, two codes carried by hand, and no server. */
#include "base/mem.h"
#include "base/place.h"
#include "base/sched.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/find_host.h"
#include "cli/local_ip.h"
#include "cli/options.h"
#include "cli/pair_call.h"
#include "cli/places.h"
#include "cli/result_head.h"
#include "cli/run_limits.h"
#include "media/clip.h"
#include "peer/ice/ice.h"
#include "report/report.h"
#include "report/text.h"
#include "run/endpoint.h"
#include "run/health.h"
#include "run/plan.h"
#include "run/stun_rows.h"
#include "signal/pair/pair_sdp.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WHY_MAX             512
#define LINE_MAX_BYTES      1024
#define DURATION_DEFAULT_NS (10 * SQ_NS_PER_SEC)
#define WAIT_DEFAULT_NS     (600 * SQ_NS_PER_SEC) /* for the other side's human */
#define REPORTED_NS         (8 * SQ_NS_PER_SEC)   /* RTCP has told by then what of audio was lost */
#define EXPECT_MAX          (SQ_OPTION_LIST_MAX + 8)

struct options {
    bool help, media, quiet, realtime;
    uint64_t duration_ns, wait_ns;
    const char *clip, *json;
    struct sq_option_list stun, local_ips, expect;
};

struct session {
    struct options o;
    struct sq_pair_code mine, theirs;
    struct sq_loop *loop;
    struct sq_carrier *carrier;
    struct sq_endpoint *endpoint;
    struct sq_peer *peer; /* the endpoint's */
    struct sq_clip *clip;
    struct sq_control control;
    struct sq_watch input;
    struct sq_timer timer; /* a second of the call, or its end */
    uint64_t end_ns;
    struct sq_pair_call call;
    struct sq_places places;
    struct sq_hist *lateness;
    struct sq_expect *expect[EXPECT_MAX];
    size_t expect_len;
    struct sq_addr addrs[SQ_CARRIER_ADDRS_MAX];
    struct sq_stun_list stun;
    size_t addrs_len;
    bool told;  /* our code is out */
    bool asked; /* for the first round trip */
    bool ended; /* by itself, by the other side, or by what failed */
    bool interrupted;
    enum sq_failure cause; /* and why, if it failed */
    size_t line_len;
    char line[LINE_MAX_BYTES];
    char why[WHY_MAX]; /* of a usage error, or of what failed */
};

static int refuse(struct session *s, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(struct session *s, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, args);
    va_end(args);
    return err;
}

static void say(const struct session *s, const char *fmt, ...) SQ_PRINTF(2, 3);

/* Standard output holds codes and figures only. */
static void say(const struct session *s, const char *fmt, ...)
{
    if (!s->o.quiet) {
        va_list args;
        va_start(args, fmt);
        vfprintf(stderr, fmt, args);
        va_end(args);
    }
}

static void end(struct session *s, enum sq_failure cause, const char *fmt, ...) SQ_PRINTF(3, 4);

static void end(struct session *s, enum sq_failure cause, const char *fmt, ...)
{
    if (!s->ended) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(s->why, sizeof(s->why), fmt, args);
        va_end(args);
        s->cause = cause;
        s->ended = true;
        sq_loop_stop(s->loop);
    }
}

/* ---- Options ---- */

#define OPTIONS_MAX 14

static void make_table(struct options *o, struct sq_option table[static OPTIONS_MAX])
{
    const struct sq_option rows[] = {
        {"duration", SQ_OPTION_DURATION, &o->duration_ns, "D",
         "of the call once it is connected (default 10s)", 0, 0},
        {"wait", SQ_OPTION_DURATION, &o->wait_ns, "D",
         "for the codes to be carried and the call to connect (default 10m)", 0, 0},
        {"no-media", SQ_OPTION_NO_FLAG, &o->media, NULL, "connect only, send no audio and video", 0,
         0},
        {"media", SQ_OPTION_TEXT, &o->clip, "CLIP", "what is sent: default, small, hd, or a file",
         0, 0},
        {"stun", SQ_OPTION_LIST, &o->stun, "[stun:]HOST[:PORT]",
         "learn the address behind a NAT from this server; may come again", 0, 0},
        {"local-ip", SQ_OPTION_LIST, &o->local_ips, "IP",
         "use this address of the machine (default: all); may come again", 0, 0},
        {"expect", SQ_OPTION_LIST, &o->expect, "EXPR",
         "instead of the default bounds, such as 'video.in.loss < 1%'; may come again", 0, 0},
        {"json", SQ_OPTION_TEXT, &o->json, "FILE", "summary.json of the call; - is standard output",
         0, 0},
        {"realtime", SQ_OPTION_FLAG, &o->realtime, NULL,
         "its thread goes before all else on its core; takes root or CAP_SYS_NICE", 0, 0},
        {"quiet", SQ_OPTION_FLAG, &o->quiet, NULL, "codes and figures only, no hints", 0, 0},
        {"help", SQ_OPTION_FLAG, &o->help, NULL, "this text", 0, 0},
        {.name = NULL},
    };
    _Static_assert(sizeof(rows) / sizeof(*rows) <= OPTIONS_MAX, "OPTIONS_MAX is too small");
    memcpy(table, rows, sizeof(rows));
}

static int add_expect(struct session *s, const char *text)
{
    struct sq_expect_error error = {.column = 1};
    int err = sq_expect_parse(text, &s->expect[s->expect_len], &error);
    if (err) {
        return refuse(s, SQ_ERR_INVALID, "--expect '%s', column %zu: %s", text, error.column,
                      error.message[0] ? error.message : sq_err_name(err));
    }
    if (sq_expect_needs_run(s->expect[s->expect_len++])) {
        return refuse(
            s, SQ_ERR_INVALID,
            "--expect '%s': windows, where, time(), tracks and aggregates of each peer are "
            "of squall run",
            text);
    }
    return 0;
}

/* What a call has to be to count as good when the user says nothing: media both ways, and no more
 * lost than speech and pictures bear. */
static int default_expectations(struct session *s)
{
    static const char *const bounds[] = {"audio.in > 0",        "video.in > 0",
                                         "audio.in.loss < 5%",  "video.in.loss < 5%",
                                         "audio.out.loss < 5%", "video.out.loss < 5%"};
    size_t n = sizeof(bounds) / sizeof(*bounds);
    int err = 0;
    if (s->o.duration_ns < REPORTED_NS) {
        n -= 2;
    }
    for (size_t i = 0; !err && s->call.media && i < n; i++) {
        err = add_expect(s, bounds[i]);
    }
    const char *rtt = s->call.media ? sq_pair_call_rtt_bound(&s->call) : NULL;
    return err || !rtt ? err : add_expect(s, rtt);
}

/* What cannot come true would be told after the codes were carried, and the call was over. */
static int check_expectations(struct session *s)
{
    char why[WHY_MAX - 200];
    for (size_t i = 0; i < s->expect_len; i++) {
        if (!sq_pair_call_measures(s->expect[i], s->mine.media, why, sizeof(why))) {
            bool theirs = s->o.media && !s->mine.media;
            return refuse(s, SQ_ERR_INVALID, "--expect '%.120s', %s%s", s->o.expect.items[i], why,
                          theirs && !s->theirs.media ? " (the offer was made with --no-media)"
                                                     : "");
        }
    }
    return 0;
}

static int parse(struct session *s, int argc, char **argv)
{
    struct sq_option table[OPTIONS_MAX];
    struct sq_option_list rest = {0};
    char why[SQ_PAIR_WHY_MAX];
    s->o = (struct options){.media = true,
                            .duration_ns = DURATION_DEFAULT_NS,
                            .wait_ns = WAIT_DEFAULT_NS,
                            .clip = "default"};
    make_table(&s->o, table);
    int err = sq_options_parse(table, argc, argv, &rest, s->why, sizeof(s->why));
    for (size_t i = 0; !err && i < s->o.expect.n; i++) {
        err = add_expect(s, s->o.expect.items[i]);
    }
    if (err || s->o.help) {
        return err;
    }
    if (rest.n > 1) { /* a code that was broken by spaces */
        return refuse(s, SQ_ERR_INVALID, "expected one code, got %zu words: put the code in quotes",
                      rest.n);
    }
    if (rest.n == 1 && sq_pair_decode(rest.items[0], &s->theirs, why) != 0) {
        return refuse(s, SQ_ERR_FORMAT, "%s", why);
    }
    if (rest.n == 1 && s->theirs.answer) {
        return refuse(
            s, SQ_ERR_INVALID,
            "this code is an answer: it belongs into the squall pair that made the offer");
    }
    s->mine.answer = rest.n == 1;
    s->mine.media = s->o.media && (rest.n == 0 || s->theirs.media);
    return check_expectations(s);
}

static void print_help(void)
{
    struct options o = {0};
    struct sq_option table[OPTIONS_MAX];
    make_table(&o, table);
    puts("Usage: squall pair [OPTION…]        prints an offer, and waits for its answer\n"
         "       squall pair CODE [OPTION…]   takes the offer, and prints the answer\n\n"
         "Connects two machines without a server: carry the offer to the other machine, and its\n"
         "answer back. Then both send audio and video, and say what arrived.\n");
    sq_options_help(table);
    puts("\nExit codes: 0 held, 1 an expectation failed, 2 usage, 3 not connected, 4 this machine "
         "was the\nbottleneck, 130 interrupted.");
}

/* ---- Addresses ---- */

static int find_addresses(struct session *s)
{
    const struct sq_option_list *ips = &s->o.local_ips;
    if (ips->n > SQ_CARRIER_ADDRS_MAX) {
        return refuse(s, SQ_ERR_INVALID, "--local-ip: at most %d", SQ_CARRIER_ADDRS_MAX);
    }
    for (size_t i = 0; i < ips->n; i++) {
        if (sq_addr_parse(ips->items[i], 0, &s->addrs[i]) != 0) {
            return refuse(s, SQ_ERR_INVALID,
                          "--local-ip %s: expected a numeric IPv4 or IPv6 address", ips->items[i]);
        }
        int err = sq_local_ip_try(s->loop, "local-ip", ips->items[i], &s->addrs[i], s->why,
                                  sizeof(s->why));
        if (err) {
            return err;
        }
    }
    s->addrs_len = ips->n;
    if (ips->n == 0 && sq_carrier_default_addrs(NULL, s->addrs, &s->addrs_len) != 0) {
        return refuse(
            s, SQ_ERR_NOTFOUND,
            "this machine has no network address but loopback (--local-ip 127.0.0.1 stays "
            "on this machine)");
    }
    int err = sq_find_stun_list(s->loop, &s->o.stun, s->addrs, s->addrs_len, &s->stun, s->why,
                                sizeof(s->why));
    if (!err && s->stun.unasked) {
        say(s,
            "Note: nobody asks the STUN server %s: this machine has no address of its family that "
            "leads there.\n",
            s->stun.unasked);
    }
    return err;
}

/* ---- The call ---- */

static uint64_t now_of(const struct session *s)
{
    return sq_loop_now(s->loop);
}

static void on_second(void *ctx, uint64_t now_ns)
{
    struct session *s = ctx;
    sq_pair_call_sample(&s->call, s->peer, now_ns);
    uint64_t silent_ns = sq_pair_call_silent_ns(&s->call, s->peer, now_ns);
    if (now_ns >= s->end_ns && silent_ns > 0) {
        end(s, SQ_FAILURE_MEDIA_LOST, "nothing came from the other side for the last %.2g s",
            (double)silent_ns / 1e9);
    } else if (now_ns >= s->end_ns) {
        end(s, SQ_FAILURE_NONE, "%s", "");
    } else {
        sq_timer_start(sq_loop_timers(s->loop), &s->timer,
                       sq_min_u64(s->end_ns, now_ns + SQ_NS_PER_SEC));
    }
}

static void on_connected(struct session *s, uint64_t now_ns)
{
    char duration[32];
    if (s->call.began_ns) {
        return;
    }
    sq_pair_call_begin(&s->call, s->peer, now_ns);
    s->end_ns = now_ns + s->o.duration_ns;
    sq_timer_start(sq_loop_timers(s->loop), &s->timer,
                   now_ns); /* not from within the peer's event */
    say(s, "Connected. Measuring for %s.\n", sq_format_duration(s->o.duration_ns, duration));
}

static void on_failed(struct session *s, const struct sq_peer_event *event)
{
    bool closed = strstr(event->text, "close_notify") != NULL;
    if (s->call.began_ns && closed) {
        end(s, SQ_FAILURE_NONE, "the other side ended the call");
    } else if (s->call.began_ns) {
        end(s, SQ_FAILURE_MEDIA_LOST, "%s", event->text);
    } else if (!s->call.known_ns) {
        char waited[32];
        end(s, SQ_FAILURE_SIGNALING, "no answer came within %s (--wait)",
            sq_format_duration(s->o.wait_ns, waited));
    } else if (event->cause == SQ_PEER_CAUSE_DTLS) {
        end(s, SQ_FAILURE_DTLS, "%s", event->text);
    } else {
        bool found = s->stun.n > 0 || s->o.local_ips.n > 0 || sq_ice_refused(sq_peer_ice(s->peer));
        end(s, SQ_FAILURE_ICE, "%s%s", event->text,
            found ? "" : "; behind a NAT, give --stun on both sides");
    }
}

/* What the code lacks, the user should know before it is carried. */
static void tell_dead_stun(struct session *s)
{
    char addr[SQ_ADDR_TEXT_MAX];
    for (size_t i = 0; i < s->stun.n; i++) {
        enum sq_ice_asked asked = sq_ice_server_asked(sq_peer_ice(s->peer), i, now_of(s));
        if (asked == SQ_ICE_UNANSWERED || asked == SQ_ICE_REFUSED) {
            say(s,
                "Note: the STUN server %s, asked at %s, %s: the code holds no address from it.\n",
                s->stun.names[i], sq_addr_format(&s->stun.addrs[i], addr),
                asked == SQ_ICE_REFUSED ? "answered with an error" : "does not answer");
        }
    }
}

/* Our code is complete once all addresses are known. */
static void tell_code(struct session *s)
{
    char text[SQ_PAIR_TEXT_MAX];
    if (s->told) {
        return;
    }
    if (sq_pair_encode(&s->mine, text) != 0) {
        end(s, SQ_FAILURE_ICE, "no address of this machine can be told to the other side");
        return;
    }
    s->told = true;
    tell_dead_stun(s);
    say(s, s->mine.answer ? "The answer; give it to the squall pair that made the offer:\n"
                          : "The offer; on the other machine: squall pair CODE\n");
    printf("%s\n", text);
    fflush(stdout);
    if (!s->mine.answer) {
        say(s, "Paste the answer here:\n");
    }
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct session *s = ctx;
    (void)endpoint;
    switch (event->type) {
    case SQ_PEER_EV_LOCAL_CANDIDATE:
        if (!s->told) {
            sq_pair_add_candidate(&s->mine, event->text);
        }
        break;
    case SQ_PEER_EV_GATHERING_DONE:
        sq_timer_start(sq_loop_timers(s->loop), &s->timer, 0); /* the description is not read yet */
        break;
    case SQ_PEER_EV_BYE:
        end(s, SQ_FAILURE_NONE, "the other side ended the call");
        break;
    case SQ_PEER_EV_STATE:
        if (event->state == SQ_PEER_CONNECTED) {
            on_connected(s, event->now_ns);
        } else if (event->state == SQ_PEER_FAILED) {
            on_failed(s, event);
        }
        break;
    default:
        break;
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct session *s = ctx;
    if (s->call.began_ns && !s->asked) {
        /* Checks of consent come every five seconds: a call may be over before. */
        s->asked = true;
        sq_endpoint_ask(s->endpoint);
        sq_timer_start(sq_loop_timers(s->loop), &s->timer,
                       sq_min_u64(s->end_ns, s->call.began_ns + SQ_NS_PER_SEC));
    } else if (s->call.began_ns) {
        on_second(s, now_ns);
    } else {
        tell_code(s);
    }
}

static int take_remote(struct session *s, enum sq_sdp_type type)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp;
    int err = sq_pair_to_sdp(&s->theirs, &sdp);
    if (!err) {
        err = sq_peer_set_remote(s->peer, now_of(s), type, sdp, why);
        sq_free(sdp);
    }
    s->call.known_ns = now_of(s);
    return err ? refuse(s, err, "the code cannot be used: %s", why[0] ? why : sq_err_name(err)) : 0;
}

/* Another answer, while the call of the first goes on. */
static void tell_second(const struct session *s, const char *line)
{
    struct sq_pair_code code;
    char why[SQ_PAIR_WHY_MAX];
    if (sq_pair_decode(line, &code, why) == 0 && code.answer &&
        memcmp(code.fingerprint, s->theirs.fingerprint, sizeof(code.fingerprint)) != 0) {
        fprintf(stderr, "squall: this offer has its answer already, and its call goes on: each "
                        "offer is for one. For another call make another offer: squall pair\n");
    }
}

static void on_line(struct session *s, const char *line)
{
    struct sq_pair_code code;
    char why[SQ_PAIR_WHY_MAX];
    uint8_t tag;
    if (line[strspn(line, " \t\r")] == '\0') {
        return;
    }
    if (s->call.known_ns) {
        tell_second(s, line);
        return;
    }
    if (sq_pair_decode(line, &code, why) != 0) {
        fputs("squall: ", stderr);
        sq_report_text_words(why, stderr);
        fputs(". Try again:\n", stderr);
    } else if (!code.answer) {
        fprintf(stderr, "squall: this code is an offer; on the other machine: squall pair CODE. "
                        "Its answer belongs here:\n");
    } else if (sq_pair_tag(s->mine.fingerprint, &tag) != 0 || tag != code.offer_tag) {
        fprintf(stderr, "squall: this answer was made for another offer. Try again:\n");
    } else {
        s->theirs = code;
        s->call.media = s->mine.media && code.media;
        if (take_remote(s, SQ_SDP_ANSWER) != 0) {
            end(s, SQ_FAILURE_PROTOCOL, "%s", s->why);
        }
    }
}

static void on_input(void *ctx, unsigned ready)
{
    struct session *s = ctx;
    (void)ready;
    ssize_t n = read(STDIN_FILENO, s->line + s->line_len, sizeof(s->line) - 1 - s->line_len);
    bool over = n <= 0;
    s->line_len += over ? 0 : (size_t)n;
    s->line[s->line_len] = '\0';
    if (over && s->line_len > 0) {
        s->line[s->line_len++] = '\n';
        s->line[s->line_len] = '\0';
    }
    char *from = s->line;
    for (char *eol; s->input.loop && (eol = strchr(from, '\n')); from = eol + 1) {
        *eol = '\0';
        on_line(s, from);
    }
    s->line_len -= (size_t)(from - s->line);
    memmove(s->line, from, s->line_len + 1);
    if (s->line_len == sizeof(s->line) - 1) { /* longer than any code */
        s->line_len = 0;
    }
    if (over && s->input.loop) {
        sq_watch_stop(&s->input);
    }
    if (over && !s->call.known_ns) {
        end(s, SQ_FAILURE_SIGNALING, "standard input ended before an answer came");
    }
}

static int describe(struct session *s)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp = NULL;
    int err = s->mine.answer ? take_remote(s, SQ_SDP_OFFER) : 0;
    if (err) {
        return err;
    }
    err = s->mine.answer ? sq_peer_create_answer(s->peer, now_of(s), &sdp, why)
                         : sq_peer_create_offer(s->peer, now_of(s), false, &sdp, why);
    err = err ? err : sq_pair_from_sdp(sdp, &s->mine);
    if (!err && s->mine.answer) {
        err = sq_pair_tag(s->theirs.fingerprint, &s->mine.offer_tag);
    }
    sq_free(sdp);
    return err ? refuse(s, err, "no description: %s", why[0] ? why : sq_err_name(err)) : 0;
}

static int add_tracks(struct session *s)
{
    enum sq_direction direction = s->mine.media ? SQ_DIR_SENDRECV : SQ_DIR_INACTIVE;
    const struct sq_clip_track *audio = s->clip ? sq_clip_track(s->clip, SQ_CLIP_AUDIO) : NULL;
    const struct sq_clip_track *video = s->clip ? sq_clip_track(s->clip, SQ_CLIP_VIDEO) : NULL;
    if (s->mine.media && (!audio || !video)) {
        return refuse(s, SQ_ERR_INVALID, "--media %s: expected a clip with audio and video",
                      s->o.clip);
    }
    int err = sq_peer_add_track(s->peer, SQ_MEDIA_AUDIO, direction, s->clip, NULL);
    return err ? err : sq_peer_add_track(s->peer, SQ_MEDIA_VIDEO, direction, s->clip, NULL);
}

static int open_clip(struct session *s)
{
    char path[SQ_CLIP_PATH_MAX];
    char why[SQ_CLIP_WHY_MAX];
    if (!s->mine.media) {
        return 0;
    }
    if (sq_clip_builtin(s->o.clip, path) != 0) {
        return refuse(s, SQ_ERR_NOTFOUND,
                      "--media %s: no such clip; expected default, small, hd or a .sqclip file",
                      s->o.clip);
    }
    return sq_clip_open(path, 0, &s->clip, why) != 0 ? refuse(s, SQ_ERR_FORMAT, "--media: %s", why)
                                                     : 0;
}

static int make_peer(struct session *s)
{
    static const struct sq_endpoint_ops ops = {.event = on_event};
    struct sq_carrier_config carrier = {
        .addrs = s->addrs,
        .addrs_len = s->addrs_len,
        .stun_servers = s->stun.addrs,
        .stun_servers_len = s->stun.n,
    };
    const struct sq_peer_config config = {.connect_timeout_ns = s->o.wait_ns,
                                          .patient = true,
                                          .derived_ice = true,
                                          .hear_goodbye = true};
    sq_rand_secret(&carrier.seed, sizeof(carrier.seed));
    int err = sq_carrier_create(s->loop, &carrier, &s->carrier);
    err = err ? err : sq_endpoint_create(s->carrier, &config, NULL, &ops, s, &s->endpoint);
    if (err) {
        return refuse(s, err, "no socket on %s: %s",
                      s->o.local_ips.n ? "--local-ip" : "this machine",
                      err == SQ_ERR_IO ? strerror(errno) : sq_err_name(err));
    }
    s->peer = sq_endpoint_peer(s->endpoint);
    return 0;
}

/* ---- From the start to the verdict ---- */

static void on_lateness(void *ctx, uint64_t lateness_ns)
{
    struct session *s = ctx;
    sq_metric_record(s->lateness, SQ_METRIC_GENERATOR_LATENESS, (double)lateness_ns / 1e6);
}

static void on_interrupt(void *ctx, unsigned count)
{
    struct session *s = ctx;
    (void)count;
    s->interrupted = true;
    if (!s->call.began_ns) {
        SQ_RESULT_SET(s->call.result->error,
                      s->call.known_ns ? "the call had not connected" : "no answer had come");
    }
    end(s, SQ_FAILURE_NONE, "interrupted");
}

/* What its health is judged by, and what it takes of the machine. */
static void make_plan(const struct session *s, struct sq_plan *ret_plan)
{
    sq_plan_defaults(ret_plan);
    ret_plan->realtime = s->o.realtime;
}

static int prepare(struct session *s)
{
    struct sq_plan plan;
    sq_control_let_go();
    make_plan(s, &plan);
    int err = sq_run_limits_realtime(&plan, s->why, sizeof(s->why));
    err = err ? err : sq_places_check_file(&s->places, "json", s->o.json, s->why, sizeof(s->why));
    err = err ? err : sq_pair_call_init(&s->call, s->mine.media);
    s->call.offerer = !s->mine.answer;
    s->lateness = sq_zalloc(sizeof(*s->lateness));
    err = err || s->lateness ? err : SQ_ERR_NOMEM;
    err = err ? err : open_clip(s);
    err = err ? err : sq_control_block_signals();
    err = err ? err : sq_loop_new(NULL, &s->loop);
    err = err ? err : sq_control_start_early(&s->control, s->loop);
    err = err ? err : find_addresses(s);
    sq_control_stop(&s->control);
    err = err ? err : make_peer(s);
    err = err ? err : add_tracks(s);
    if (!err) {
        sq_timer_init(&s->timer, on_timer, s);
        s->control.interrupt = on_interrupt;
        s->control.ctx = s;
        err = sq_control_start(&s->control, s->loop, false);
    }
    err = err ? err : describe(s);
    if (!err && !s->mine.answer &&
        sq_watch_start(s->loop, &s->input, STDIN_FILENO, SQ_READ, on_input, s) != 0) {
        err = refuse(s, SQ_ERR_IO,
                     "the answer is read from standard input, which must be a terminal or a pipe");
    }
    return err;
}

static void describe_run(struct session *s, int argc, char **argv)
{
    struct sq_result *r = s->call.result;
    struct sq_buf command = {0};
    sq_result_head(r);
    sq_buf_puts(&command, "squall pair");
    for (int i = 0; i < argc; i++) {
        sq_buf_printf(&command, " %s", argv[i]);
    }
    r->command = sq_buf_take(&command);
}

static void judge_health(struct session *s)
{
    struct sq_plan plan;
    make_plan(s, &plan);
    sq_carrier_poll(s->carrier);
    const struct sq_carrier_counters *counters = sq_carrier_counters(s->carrier);
    const struct sq_health_input input = {.plan = &plan,
                                          .threads = 1,
                                          .datagrams_sent = counters->datagrams_sent,
                                          .datagrams_received = counters->datagrams_received,
                                          .send_errors = counters->send_errors,
                                          .receive_drops = counters->receive_drops,
                                          .lateness = s->lateness};
    sq_health_judge(&input, &s->call.result->generator);
}

static int execute(struct session *s)
{
    int err = s->o.realtime ? sq_thread_go_realtime() : 0;
    sq_loop_on_lateness(s->loop, on_lateness, s);
    while (!err && !s->ended) {
        err = sq_loop_run(s->loop);
    }
    s->call.result->interrupted = s->interrupted;
    if (s->call.began_ns) {
        judge_health(s);
    }
    if (s->cause == SQ_FAILURE_NONE && s->why[0] && !s->interrupted) {
        say(s, "%s.\n", s->why);
    }
    /* Only now is it known whether the other side wanted media. */
    err = err || s->o.expect.n > 0 ? err : default_expectations(s);
    int failed = sq_pair_call_finish(&s->call, s->peer, sq_loop_refresh_now(s->loop), s->cause,
                                     s->cause ? s->why : "", s->expect, s->expect_len);
    if (s->endpoint) { /* says goodbye */
        sq_endpoint_close(s->endpoint);
        s->endpoint = NULL;
    }
    const struct sq_stun_servers servers = {s->stun.addrs, s->stun.names, s->stun.n};
    sq_stun_rows_add(&servers, s->carrier, s->call.result);
    return err ? err : failed;
}

static int write_json(struct session *s)
{
    struct sq_report_error error;
    if (s->o.json && sq_report_write_file(s->call.result, SQ_REPORT_JSON, s->o.json, &error) != 0) {
        return refuse(s, SQ_ERR_IO, "%s", error.message);
    }
    return 0;
}

static void clean_up(struct session *s)
{
    sq_places_close(&s->places);
    if (s->loop) {
        sq_timer_stop(&s->timer);
        sq_watch_stop(&s->input);
        sq_control_stop(&s->control);
    }
    sq_carrier_destroy(s->carrier);
    sq_loop_free(s->loop);
    sq_clip_close(s->clip);
    sq_pair_call_free(&s->call);
    sq_free(s->lateness);
    for (size_t i = 0; i < s->expect_len; i++) {
        sq_expect_destroy(s->expect[i]);
    }
}

int sq_cmd_pair(int argc, char **argv)
{
    struct session *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return sq_usage("pair", "no memory");
    }
    int code = SQ_EXIT_USAGE;
    int err = parse(s, argc, argv);
    if (!err && s->o.help) {
        print_help();
        code = SQ_EXIT_HELD;
        goto out;
    }
    err = err ? err : prepare(s);
    if (err) {
        sq_usage("pair", "%s", s->why[0] ? s->why : sq_err_name(err));
        goto out;
    }
    describe_run(s, argc, argv);
    err = execute(s);
    if (!err) {
        bool to_stdout = s->o.json && strcmp(s->o.json, "-") == 0;
        sq_pair_call_print(&s->call, to_stdout ? stderr : stdout);
        code = s->call.result->exit_code;
        sq_control_stop(&s->control);
        /* A file is written before Ctrl-C may end this; a pipe may have nobody who reads. */
        bool waits = s->o.json && sq_place_waits(s->o.json);
        err = waits ? 0 : write_json(s);
        sq_control_let_go();
        err = waits ? write_json(s) : err;
    }
    code = sq_exit_code(code, err, s->why);
out:
    clean_up(s);
    sq_free(s);
    return code;
}

/* squall lab: the lab in the foreground. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/local_ip.h"
#include "cli/options.h"
#include "lab/lab.h"
#include "net/loop.h"
#include "net/rlimit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LISTEN_DEFAULT "127.0.0.1:8080"
#define PEM_MAX_BYTES  (256 * 1024)
#define FDS_WANTED     20000
#define LAST_NS        (200 * SQ_NS_PER_MS) /* for the last goodbyes */

struct lab_options {
    bool help, ice_lite;
    const char *ice_tcp;
    const char *listen, *cert, *key, *token, *srtp;
    struct sq_option_list media_ips;
    uint64_t stun_port, seed, drain_ns, members_max;
};

#define LAB_OPTIONS_MAX 16

static void make_table(struct lab_options *o, struct sq_option table[static LAB_OPTIONS_MAX])
{
    const struct sq_option rows[] = {
        {"listen", SQ_OPTION_TEXT, &o->listen, "IP:PORT",
         "of the HTTP server (default " LISTEN_DEFAULT ")", 0, 0},
        {"media-ip", SQ_OPTION_LIST, &o->media_ips, "IP",
         "of media sockets (default: where it listens); may come again", 0, 0},
        {"stun-port", SQ_OPTION_COUNT, &o->stun_port, "N", "of the STUN server (default: any)", 0,
         65535},
        {"cert", SQ_OPTION_TEXT, &o->cert, "FILE",
         "PEM certificate: HTTPS and WSS instead of HTTP and WS", 0, 0},
        {"key", SQ_OPTION_TEXT, &o->key, "FILE", "PEM key of the certificate", 0, 0},
        {"token", SQ_OPTION_TEXT, &o->token, "TEXT", "bearer token that clients must show", 0, 0},
        {"ice-tcp", SQ_OPTION_TEXT, &o->ice_tcp, "HOW",
         "offer TCP candidates: also, or only (without UDP)", 0, 0},
        {"ice-lite", SQ_OPTION_FLAG, &o->ice_lite, NULL, "answer ICE checks only, as many SFUs do",
         0, 0},
        {"drain", SQ_OPTION_DURATION, &o->drain_ns, "D",
         "at the end (Ctrl-C, SIGTERM) send everyone away, one after the other, over this time", 0,
         0},
        {"members", SQ_OPTION_COUNT, &o->members_max, "N",
         "let so many in at once, and tell all others that it is full (default: 20000)", 1,
         SQ_LAB_MEMBERS_MAX},
        {"srtp", SQ_OPTION_TEXT, &o->srtp, "PROFILE", "preferred: gcm (default) or cm", 0, 0},
        {"seed", SQ_OPTION_COUNT, &o->seed, "N", "of every random choice", 0, (1ULL << 53) - 1},
        {"help", SQ_OPTION_FLAG, &o->help, NULL, "this text", 0, 0},
        {.name = NULL},
    };
    _Static_assert(sizeof(rows) / sizeof(*rows) <= LAB_OPTIONS_MAX, "LAB_OPTIONS_MAX is too small");
    memcpy(table, rows, sizeof(rows));
}

/* "1.2.3.4:80", "[::1]:80", ":80" (any IPv4 address) */
static int parse_listen(const char *text, struct sq_addr *ret_addr)
{
    char ip[SQ_ADDR_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof(ip) ||
        sq_view_u64(sq_view_of(colon + 1), 65535, &port) != 0) {
        return SQ_ERR_FORMAT;
    }
    struct sq_view host = {text, (size_t)(colon - text)};
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
        host = (struct sq_view){host.at + 1, host.len - 2};
    }
    snprintf(ip, sizeof(ip), SQ_VIEW_FMT, SQ_VIEW_ARG(host));
    return sq_addr_parse(host.len == 0 ? "0.0.0.0" : ip, (uint16_t)port, ret_addr);
}

static int read_file(const char *option, const char *path, char **ret_text)
{
    struct sq_buf b = {0};
    char part[4096];
    FILE *f = fopen(path, "re");
    if (!f) {
        return sq_usage("lab", "--%s %s: %s", option, path, strerror(errno));
    }
    size_t n;
    while ((n = fread(part, 1, sizeof(part), f)) > 0 && b.len < PEM_MAX_BYTES) {
        sq_buf_add(&b, part, n);
    }
    fclose(f);
    *ret_text = sq_buf_take(&b);
    return *ret_text ? 0 : sq_usage("lab", "no memory");
}

static int configure(const struct lab_options *o, struct sq_lab_config *config,
                     struct sq_addr *media, char **ret_cert, char **ret_key)
{
    if (parse_listen(o->listen, &config->listen) != 0) {
        return sq_usage("lab", "--listen %s: expected IP:PORT, such as 127.0.0.1:8080", o->listen);
    }
    if (o->media_ips.n > 4) {
        return sq_usage("lab", "--media-ip: at most 4 addresses");
    }
    for (size_t i = 0; i < o->media_ips.n; i++) {
        if (sq_addr_parse(o->media_ips.items[i], 0, &media[i]) != 0) {
            return sq_usage("lab", "--media-ip %s: expected a numeric IPv4 or IPv6 address",
                            o->media_ips.items[i]);
        }
    }
    if (strcmp(o->srtp, "gcm") != 0 && strcmp(o->srtp, "cm") != 0) {
        return sq_usage("lab", "--srtp %s: expected gcm or cm", o->srtp);
    }
    if (o->ice_tcp && strcmp(o->ice_tcp, "also") != 0 && strcmp(o->ice_tcp, "only") != 0) {
        return sq_usage("lab", "--ice-tcp %s: expected also or only", o->ice_tcp);
    }
    if ((o->cert == NULL) != (o->key == NULL)) {
        return sq_usage("lab", "--cert and --key go together");
    }
    int code = o->cert ? read_file("cert", o->cert, ret_cert) : 0;
    code = code || !o->key ? code : read_file("key", o->key, ret_key);
    config->media = media;
    config->media_len = o->media_ips.n;
    config->cert_pem = *ret_cert;
    config->key_pem = *ret_key;
    config->token = o->token;
    config->seed = o->seed;
    config->members_max = o->members_max;
    config->ice_lite = o->ice_lite;
    config->no_udp = o->ice_tcp && strcmp(o->ice_tcp, "only") == 0;
    config->ice_tcp = config->no_udp || (o->ice_tcp && strcmp(o->ice_tcp, "also") == 0);
    config->stun_port = (uint16_t)o->stun_port;
    config->prefer_cm = strcmp(o->srtp, "cm") == 0;
    return code;
}

static void announce(const struct sq_lab *lab)
{
    char url[SQ_LAB_URL_MAX];
    char addr[SQ_ADDR_TEXT_MAX];
    struct sq_addr stun = sq_lab_stun_addr(lab);
    printf("Squall lab, one thread, nothing is kept. Ctrl-C ends it.\n\n");
    printf("  page   %s\n", sq_lab_url(lab, SQ_LAB_URL_PAGE, url));
    printf("  rooms  squall run %s\n", sq_lab_url(lab, SQ_LAB_URL_ROOM, url));
    printf("  echo   squall run %s --echo\n", sq_lab_url(lab, SQ_LAB_URL_ECHO, url));
    printf("  WHIP   squall run whip+%sSTREAM\n", sq_lab_url(lab, SQ_LAB_URL_WHIP, url));
    printf("  WHEP   squall run whep+%sSTREAM\n", sq_lab_url(lab, SQ_LAB_URL_WHEP, url));
    if (sq_addr_family(&stun) != 0) {
        printf("  STUN   %s\n", sq_addr_format(&stun, addr));
    }
    fflush(stdout);
}

struct serving {
    struct sq_lab *lab;
    struct sq_loop *loop;
    struct sq_timer end;
    uint64_t drain_ns; /* 0: it ends at once */
};

static void on_end(void *ctx, uint64_t now_ns)
{
    struct serving *s = ctx;
    (void)now_ns;
    sq_loop_stop(s->loop);
}

static void on_interrupt(void *ctx, unsigned count)
{
    struct serving *s = ctx;
    if (count == 1 && s->drain_ns > 0 && sq_lab_drain(s->lab, s->drain_ns) == 0) {
        printf("Everyone is sent away within %.3g s, and nobody is let in; once more ends it at "
               "once.\n",
               (double)s->drain_ns / 1e9);
        fflush(stdout);
        sq_timer_start(sq_loop_timers(s->loop), &s->end,
                       sq_loop_now(s->loop) + s->drain_ns + LAST_NS);
        return;
    }
    sq_loop_stop(s->loop);
}

static int serve(const struct sq_lab_config *config, uint64_t drain_ns)
{
    struct sq_lab *lab = NULL;
    struct sq_loop *loop = NULL;
    struct sq_control control = {.interrupt = on_interrupt};
    char why[512] = "";
    uint64_t limit;
    int code = SQ_EXIT_USAGE;
    /* As many as are allowed: the lab does not know who will come. */
    (void)(sq_raise_fd_limit(FDS_WANTED, &limit) == 0);
    sq_reserve_fds(FDS_WANTED);
    int err = sq_control_block_signals();
    err = err ? err : sq_loop_new(NULL, &loop);
    for (size_t i = 0; !err && i < config->media_len; i++) {
        char ip[SQ_ADDR_TEXT_MAX];
        err = sq_local_ip_try(loop, "media-ip", sq_addr_format_ip(&config->media[i], ip),
                              &config->media[i], why, sizeof(why));
    }
    err = err ? err : sq_lab_start(config, &lab, why, sizeof(why));
    if (err) {
        sq_usage("lab", "%s", why[0] ? why : sq_err_name(err));
        goto out;
    }
    struct serving serving = {.lab = lab, .loop = loop, .drain_ns = drain_ns};
    sq_timer_init(&serving.end, on_end, &serving);
    control.ctx = &serving;
    announce(lab);
    err = sq_control_start(&control, loop, false);
    err = err ? err : sq_loop_run(loop);
    code = err ? SQ_EXIT_USAGE : SQ_EXIT_HELD;
    sq_timer_stop(&serving.end);
out:
    sq_control_stop(&control);
    sq_lab_stop(lab);
    sq_loop_free(loop);
    return code;
}

int sq_cmd_lab(int argc, char **argv)
{
    struct lab_options o = {.listen = LISTEN_DEFAULT, .srtp = "gcm"};
    struct sq_option table[LAB_OPTIONS_MAX];
    struct sq_option_list rest = {0};
    char why[512];
    make_table(&o, table);
    if (sq_options_parse(table, argc, argv, &rest, why, sizeof(why)) != 0) {
        return sq_usage("lab", "%s", why);
    }
    if (o.help) {
        puts("Usage: squall lab [OPTION…]\n\nServes rooms (WebSocket), WHIP, WHEP, an echo, STUN "
             "and a page for browsers "
             "until Ctrl-C.\n");
        sq_options_help(table);
        return SQ_EXIT_HELD;
    }
    if (rest.n > 0) {
        return sq_usage("lab", "lab takes no '%s'", rest.items[0]);
    }
    struct sq_lab_config config = {0};
    struct sq_addr media[4];
    char *cert = NULL;
    char *key = NULL;
    int code = configure(&o, &config, media, &cert, &key);
    if (code == 0) {
        code = serve(&config, o.drain_ns);
    }
    sq_free(cert);
    sq_free(key);
    return code;
}

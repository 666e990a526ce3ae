#include "net/link_profile.h"

#include "base/str.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K   1e3
#define M   1e6
#define MS  SQ_NS_PER_MS
#define PCT 0.01

#define RATE_BARE_MIN_BPS 10000
#define BURST_MAX         1000 /* as `keys` says */

/* What a list gives once holds in each direction by itself: so do their emulators, which shape what
 * a machine sends and what it receives. */
#define BOTH(...)                                                                                  \
    {                                                                                              \
        .up = {__VA_ARGS__}, .down = { __VA_ARGS__ }                                               \
    }
#define SAME(bps, ms, percent) BOTH(.rate_bps = (bps), .delay_ns = (ms)*MS, .loss = (percent)*PCT)
#define LOSS(percent)          BOTH(.loss = (percent)*PCT)

static const struct sq_link_profile profiles[] = {
    {"No throttling", "testRTC", {.firewall = SQ_FIREWALL_NONE}},
    {"Call Drop", "testRTC", SAME(50 * K, 500, 20)},
    {"Very Bad Network", "testRTC", SAME(1 * M, 500, 10)},
    {"DSL", "testRTC", SAME(8 * M, 40, 0.5)},
    {"Wifi", "testRTC", SAME(30 * M, 40, 0.2)},
    {"Wifi High packet loss", "testRTC", SAME(30 * M, 40, 5)},
    {"Regular 2.5G", "testRTC", SAME(150 * K, 200, 3)},
    {"Regular 3G", "testRTC", SAME(750 * K, 250, 1.5)},
    {"Poor 3G", "testRTC", SAME(400 * K, 350, 5)},
    {"Regular 4G", "testRTC", SAME(4 * M, 0, 2)},
    {"Poor 4G", "testRTC", SAME(4 * M, 350, 5)},
    {"Unstable 4G", "testRTC", SAME(4 * M, 500, 10)},
    {"High Latency 4G", "testRTC", SAME(4 * M, 600, 0.2)},
    {"High Packet Loss 4G", "testRTC", SAME(4 * M, 5, 20)},
    {"50% Packet Loss", "testRTC", SAME(40 * M, 10, 50)},
    {"4g",
     "Loadero",
     {.up = {.rate_bps = 50 * M, .delay_ns = 45 * MS, .jitter_ns = 15 * MS, .loss = 0.2 * PCT},
      .down = {.rate_bps = 100 * M, .delay_ns = 45 * MS, .jitter_ns = 5 * MS, .loss = 0.2 * PCT}}},
    {"hsdpa",
     "Loadero",
     {.up = {.rate_bps = 10 * M, .delay_ns = 150 * MS, .jitter_ns = 10 * MS, .loss = 0.5 * PCT},
      .down = {.rate_bps = 20 * M, .delay_ns = 150 * MS, .jitter_ns = 10 * MS, .loss = 0.5 * PCT}}},
    {"3g", "Loadero",
     BOTH(.rate_bps = 1.2 * M, .delay_ns = 250 * MS, .jitter_ns = 50 * MS, .loss = 0.5 * PCT)},
    {"edge",
     "Loadero",
     {.up = {.rate_bps = 260 * K, .delay_ns = 650 * MS, .jitter_ns = 100 * MS, .loss = 1 * PCT},
      .down = {.rate_bps = 200 * K, .delay_ns = 650 * MS, .jitter_ns = 100 * MS, .loss = 1 * PCT}}},
    {"gprs",
     "Loadero",
     {.up = {.rate_bps = 20 * K, .delay_ns = 650 * MS, .jitter_ns = 100 * MS, .loss = 1 * PCT},
      .down = {.rate_bps = 80 * K, .delay_ns = 650 * MS, .jitter_ns = 100 * MS, .loss = 1 * PCT}}},
    {"asymmetric",
     "Loadero",
     {.up = {.rate_bps = 1000 * K, .delay_ns = 50 * MS, .jitter_ns = 10 * MS},
      .down = {.rate_bps = 500 * K, .delay_ns = 50 * MS, .jitter_ns = 10 * MS}}},
    {"satellite",
     "Loadero",
     {.up = {.rate_bps = 256 * K, .delay_ns = 600 * MS},
      .down = {.rate_bps = 1000 * K, .delay_ns = 600 * MS}}},
    {"5packet", "Loadero", LOSS(5)},
    {"10packet", "Loadero", LOSS(10)},
    {"20packet", "Loadero", LOSS(20)},
    {"50packet", "Loadero", LOSS(50)},
    {"100packet", "Loadero", LOSS(100)},
    {"latency", "Loadero", BOTH(.delay_ns = 500 * MS, .jitter_ns = 50 * MS)},
    {"jitter", "Loadero", BOTH(.delay_ns = 200 * MS, .jitter_ns = 100 * MS)},
    {"HTTP+HTTPS only", "testRTC", {.firewall = SQ_FIREWALL_WEB}},
    {"HTTPS only", "testRTC", {.firewall = SQ_FIREWALL_HTTPS}},
    {"UDP blocked", "Squall", {.firewall = SQ_FIREWALL_NO_UDP}},
};

const struct sq_link_profile *sq_link_profiles(size_t *ret_n)
{
    *ret_n = sizeof(profiles) / sizeof(profiles[0]);
    return profiles;
}

/* The next letter or digit from *at on, in lower case; 0 at the end. */
static int next_char(const char **at, const char *end)
{
    while (*at < end) {
        unsigned char c = (unsigned char)*(*at)++;
        if (isalnum(c)) {
            return tolower(c);
        }
    }
    return 0;
}

static bool same_name(struct sq_view a, const char *b)
{
    const char *end_b = b + strlen(b);
    const char *end_a = a.at + a.len;
    const char *at = a.at;
    int x;
    int y;
    do {
        x = next_char(&at, end_a);
        y = next_char(&b, end_b);
    } while (x == y && x != 0);
    return x == y;
}

static const struct sq_link_profile *find(struct sq_view name)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (same_name(name, profiles[i].name)) {
            return &profiles[i];
        }
    }
    return NULL;
}

const struct sq_link_profile *sq_link_profile_find(const char *name)
{
    return find(sq_view_of(name));
}

/* ---- Settings ---- */

enum key { RATE, QUEUE, DELAY, JITTER, LOSS_SHARE, BURST, DUPLICATE, CORRUPT, REORDER, KEYS };

/* In which words a setting was said: bits. */
enum { SAID_UP = 1, SAID_DOWN = 2, SAID_BOTH = 4 };

struct parser {
    char *why;
    size_t size;
    double burst[2]; /* of each way; 0: none */
    unsigned said[KEYS];
    bool said_firewall;
};

static int refuse(const struct parser *p, struct sq_view what, const char *expected)
{
    snprintf(p->why, p->size, "'%.*s': expected %s", (int)(what.len < 60 ? what.len : 60), what.at,
             expected);
    return SQ_ERR_FORMAT;
}

static bool copy(struct sq_view value, char out[static 40])
{
    if (value.len == 0 || value.len >= 40) {
        return false;
    }
    memcpy(out, value.at, value.len);
    out[value.len] = '\0';
    return true;
}

/* "2%", "0.5 %" or "2": per cent. */
static bool read_share(struct sq_view value, double *ret_share)
{
    char text[40];
    char *end;
    if (!copy(value, text) || !(isdigit((unsigned char)text[0]) || text[0] == '.')) {
        return false;
    }
    double percent = strtod(text, &end);
    end += strspn(end, " ");
    end += *end == '%';
    *ret_share = percent / 100;
    return *end == '\0' && percent >= 0 && percent <= 100;
}

static bool read_number(struct sq_view value, double least, double most, double *ret_number)
{
    char text[40];
    char *end;
    if (!copy(value, text) || !isdigit((unsigned char)text[0])) {
        return false;
    }
    *ret_number = strtod(text, &end);
    return *end == '\0' && *ret_number >= least && *ret_number <= most;
}

static bool read_duration(struct sq_view value, uint64_t *ret_ns)
{
    char text[40];
    return copy(value, text) && sq_parse_duration(text, ret_ns) == 0 &&
           *ret_ns <= SQ_LINK_DELAY_MAX_NS;
}

static bool read_rate(struct sq_view value, double *ret_bps)
{
    char text[40];
    uint64_t bps;
    if (!copy(value, text) || sq_parse_bitrate(text, &bps) != 0) {
        return false;
    }
    /* So little without a unit was hardly meant: 1500 for 1.5 Mbit/s. */
    bool bare = isdigit((unsigned char)text[strlen(text) - 1]) && bps < RATE_BARE_MIN_BPS;
    *ret_bps = (double)bps;
    return bps == 0 || (bps >= SQ_LINK_RATE_MIN_BPS && !bare);
}

/* "200ms", or "30kB", "64000B". */
static bool read_queue(struct sq_view value, struct sq_link_way *way)
{
    bool bytes = value.len > 0 && value.at[value.len - 1] == 'B';
    bool kilo = bytes && value.len > 1 && value.at[value.len - 2] == 'k';
    struct sq_view digits = {value.at, value.len - bytes - kilo};
    double number;
    if (!bytes) {
        way->queue_bytes = 0;
        return read_duration(value, &way->queue_ns) && way->queue_ns > 0;
    }
    way->queue_ns = 0;
    if (!read_number(digits, 1, 1e6, &number)) {
        return false;
    }
    way->queue_bytes = (uint64_t)(number * (kilo ? 1000 : 1));
    return true;
}

static const struct {
    const char *name, *expected;
} keys[KEYS] = {
    [RATE] =
        {"rate",
         "rate=BITS in bit/s with k or M, for example rate=1.5M, 1k at least, or 0 for no limit"},
    [QUEUE] = {"queue", "queue=TIME or BYTES, for example queue=200ms or queue=30kB"},
    [DELAY] = {"delay", "delay=TIME, for example delay=80ms, 60s at most"},
    [JITTER] = {"jitter", "jitter=TIME, for example jitter=20ms, 60s at most"},
    [LOSS_SHARE] = {"loss", "loss=SHARE, for example loss=2%"},
    [BURST] = {"burst", "burst=NUMBER of datagrams, 1 to 1000, for example burst=4"},
    [DUPLICATE] = {"duplicate", "duplicate=SHARE, for example duplicate=0.1%"},
    [CORRUPT] = {"corrupt", "corrupt=SHARE, for example corrupt=0.1%"},
    [REORDER] = {"reorder", "reorder, without a value"},
};

static bool set(struct parser *p, enum key key, struct sq_view value, struct sq_link_way *way,
                int which)
{
    switch (key) {
    case RATE:
        return read_rate(value, &way->rate_bps);
    case QUEUE:
        return read_queue(value, way);
    case DELAY:
        return read_duration(value, &way->delay_ns);
    case JITTER:
        return read_duration(value, &way->jitter_ns);
    case LOSS_SHARE:
        return read_share(value, &way->loss);
    case BURST:
        return read_number(value, 1, BURST_MAX, &p->burst[which]);
    case DUPLICATE:
        return read_share(value, &way->duplicate);
    case CORRUPT:
        return read_share(value, &way->corrupt);
    case REORDER:
        way->reorder = true;
        return value.len == 0;
    case KEYS:
        break;
    }
    return false;
}

#define ONCE "each setting once, and one of both ways before those of up. and down."

/* Of two that contradict each other, which is meant? */
static bool is_said_again(struct parser *p, enum key key, bool up, bool down)
{
    unsigned now = up ? SAID_UP : down ? SAID_DOWN : SAID_BOTH;
    bool again = now == SAID_BOTH ? p->said[key] != 0 : (p->said[key] & now) != 0;
    p->said[key] |= now;
    return again;
}

static const struct {
    const char *name;
    enum sq_firewall firewall;
} firewalls[] = {{"none", SQ_FIREWALL_NONE},
                 {"no-udp", SQ_FIREWALL_NO_UDP},
                 {"web", SQ_FIREWALL_WEB},
                 {"https", SQ_FIREWALL_HTTPS}};

static int parse_firewall(struct parser *p, struct sq_view item, struct sq_view value,
                          enum sq_firewall *ret_firewall)
{
    if (p->said_firewall) {
        return refuse(p, item, ONCE);
    }
    p->said_firewall = true;
    for (size_t i = 0; i < sizeof(firewalls) / sizeof(firewalls[0]); i++) {
        if (sq_view_is(value, firewalls[i].name)) {
            *ret_firewall = firewalls[i].firewall;
            return 0;
        }
    }
    return refuse(p, item, "firewall=none, no-udp, web (TCP to ports 80 and 443) or https (443)");
}

static bool strip(struct sq_view *name, const char *prefix)
{
    size_t len = strlen(prefix);
    if (name->len < len || strncmp(name->at, prefix, len) != 0) {
        return false;
    }
    *name = (struct sq_view){name->at + len, name->len - len};
    return true;
}

static struct sq_view trimmed(struct sq_view v)
{
    while (v.len > 0 && v.at[0] == ' ') {
        v = (struct sq_view){v.at + 1, v.len - 1};
    }
    while (v.len > 0 && v.at[v.len - 1] == ' ') {
        v.len--;
    }
    return v;
}

static int parse_setting(struct parser *p, struct sq_view item, struct sq_link_config *config)
{
    struct sq_view value = item;
    struct sq_view name = trimmed(sq_view_cut(&value, '='));
    value = value.at ? trimmed(value) : (struct sq_view){"", 0};
    if (sq_view_is(name, "firewall")) {
        return parse_firewall(p, item, value, &config->firewall);
    }
    bool up = strip(&name, "up.");
    bool down = !up && strip(&name, "down.");
    for (int key = 0; key < KEYS; key++) {
        if (!sq_view_is(name, keys[key].name)) {
            continue;
        }
        if (is_said_again(p, (enum key)key, up, down)) {
            return refuse(p, item, ONCE);
        }
        bool good = down || set(p, (enum key)key, value, &config->up, 0);
        good = good && (up || set(p, (enum key)key, value, &config->down, 1));
        return good ? 0 : refuse(p, item, keys[key].expected);
    }
    return refuse(p, item,
                  "a setting: rate, queue, delay, jitter, loss, burst, duplicate, corrupt or "
                  "reorder, with up. or down. before it or not, or firewall");
}

/* Loss in runs of `burst` on average, of the same share: with so many lost in a row, the bad state
 * ends with a chance of 1 / burst, and it begins so often that the share comes out. */
static int spread_loss(const struct parser *p, struct sq_link_way *way, double burst)
{
    if (burst <= 1 || way->loss <= 0 || way->loss >= 1) {
        return 0;
    }
    double to_good = 1 / burst;
    double to_bad = to_good * way->loss / (1 - way->loss);
    if (to_bad > 1) {
        snprintf(p->why, p->size, "a loss of %g%% comes in longer bursts than %g: %.3g at least",
                 way->loss * 100, burst, way->loss / (1 - way->loss));
        return SQ_ERR_FORMAT;
    }
    way->bursts = (struct sq_link_bursts){.to_bad = to_bad, .to_good = to_good, .loss_bad = 1};
    way->loss = 0;
    return 0;
}

/* Bursts were asked for, and nothing is lost in any way of which they were. */
static bool bursts_in_vain(const struct parser *p, const struct sq_link_config *c)
{
    bool of_up = p->said[BURST] & (SAID_UP | SAID_BOTH);
    bool of_down = p->said[BURST] & (SAID_DOWN | SAID_BOTH);
    return (of_up || of_down) && !(of_up && c->up.loss > 0) && !(of_down && c->down.loss > 0);
}

/* The other way round, so that either may be set anew. */
static void gather_loss(struct parser *p, struct sq_link_way *way, int which)
{
    const struct sq_link_bursts *b = &way->bursts;
    if (b->to_bad > 0) {
        p->burst[which] = 1 / b->to_good;
        way->loss = b->to_bad / (b->to_bad + b->to_good);
        way->bursts = (struct sq_link_bursts){0};
    }
}

static int refuse_name(const struct parser *p, struct sq_view item, bool changes)
{
    return refuse(p, item,
                  changes ? "the name of a network ('squall run --network list' tells them), or "
                            "settings such as rate=1M,loss=2%, or down, up or again"
                          : "the name of a network ('squall run --network list' tells them), or "
                            "settings such as rate=1M,delay=80ms,loss=2%");
}

static int parse_items(struct parser *p, struct sq_view text, bool changes,
                       struct sq_link_config *config)
{
    struct sq_view rest = text;
    for (bool first = true; rest.at; first = false) {
        struct sq_view item = trimmed(sq_view_cut(&rest, ','));
        const struct sq_link_profile *profile = first ? find(item) : NULL;
        if (profile) {
            *config = profile->config;
            p->burst[0] = p->burst[1] = 0;
            continue;
        }
        if (first && !memchr(item.at, '=', item.len) && !sq_view_is(item, "reorder")) {
            return refuse_name(p, item, changes);
        }
        int err = parse_setting(p, item, config);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int parse_onto(struct sq_view text, const struct sq_link_config *base,
                      struct sq_link_config *ret_config, char *why, size_t size)
{
    const struct sq_link_config none = {.firewall = SQ_FIREWALL_NONE};
    struct parser p = {.why = why, .size = size};
    struct sq_link_config config = base ? *base : none;
    config.outage = false;
    gather_loss(&p, &config.up, 0);
    gather_loss(&p, &config.down, 1);
    int err = parse_items(&p, text, base != NULL, &config);
    if (!err && bursts_in_vain(&p, &config)) {
        snprintf(why, size,
                 "a burst where nothing is lost: expected loss=SHARE, too, for example "
                 "loss=2%%,burst=4");
        err = SQ_ERR_FORMAT;
    }
    err = err ? err : spread_loss(&p, &config.up, p.burst[0]);
    err = err ? err : spread_loss(&p, &config.down, p.burst[1]);
    err = err ? err : sq_link_check(&config, why, size);
    if (!err) {
        *ret_config = config;
    }
    return err ? SQ_ERR_FORMAT : 0;
}

int sq_link_parse(const char *text, struct sq_link_config *ret_config, char *ret_why, size_t size)
{
    return parse_onto(sq_view_of(text), NULL, ret_config, ret_why, size);
}

int sq_link_parse_change(struct sq_view text, const struct sq_link_config *base,
                         struct sq_link_config *ret_config, char *ret_why, size_t size)
{
    return parse_onto(text, base, ret_config, ret_why, size);
}

/* ---- For a schema ---- */

static void put_firewalls(struct sq_buf *out)
{
    for (size_t i = 0; i < sizeof(firewalls) / sizeof(firewalls[0]); i++) {
        sq_buf_printf(out, "%s%s", i ? "|" : "(", firewalls[i].name);
    }
    sq_buf_puts(out, ")");
}

static void put_form(enum key key, struct sq_link_setting_form *form)
{
    struct sq_buf *out = &form->pattern;
    switch (key) {
    case RATE:
        sq_quantity_pattern(SQ_QUANTITY_BITRATE, out);
        form->bare = true;
        break;
    case QUEUE:
        sq_buf_puts(out, "([0-9][0-9A-Fa-fxXpP.+-]*k?B|");
        sq_quantity_pattern(SQ_QUANTITY_DURATION, out);
        sq_buf_puts(out, ")");
        break;
    case DELAY:
    case JITTER:
        sq_quantity_pattern(SQ_QUANTITY_DURATION, out);
        break;
    case LOSS_SHARE:
    case DUPLICATE:
    case CORRUPT:
        sq_buf_puts(out, SQ_PERCENT_PATTERN " *%?");
        form->bare = true;
        form->most = 100;
        break;
    case BURST:
        sq_buf_puts(out, "[0-9][0-9A-Fa-fxXpP.+-]*");
        form->bare = true;
        form->least = 1;
        form->most = BURST_MAX;
        break;
    case REORDER:
    case KEYS:
        break;
    }
}

void sq_link_setting_form(const char *name, struct sq_link_setting_form *ret_form)
{
    *ret_form = (struct sq_link_setting_form){.bare = false};
    if (strcmp(name, "firewall") == 0) {
        put_firewalls(&ret_form->pattern);
    }
    for (int key = 0; key < KEYS; key++) {
        if (strcmp(name, keys[key].name) == 0) {
            put_form((enum key)key, ret_form);
        }
    }
}

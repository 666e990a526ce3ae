#include "scenario/scale.h"

#include "base/str.h"
#include "base/time.h"
#include "scenario/scenario_int.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDING 1e-9 /* 0.1 of 10 is 1, and not 2 */

struct scaler {
    struct sq_scenario_reader reader; /* keeps texts as long as the scenario */
    double factor;
};

static uint64_t scaled_count(const struct scaler *s, uint64_t n)
{
    double scaled = ceil((double)n * s->factor - ROUNDING);
    return n == 0 ? 0 : (uint64_t)fmax(1, scaled);
}

/* To the millisecond, one at least; so are times written in a file. */
static uint64_t scaled_ns(const struct scaler *s, uint64_t ns)
{
    double ms = floor((double)ns * s->factor / 1e6 + 0.5);
    return ns == 0 ? 0 : (uint64_t)fmax(1, ms) * SQ_NS_PER_MS;
}

static void put_duration(struct sq_buf *out, uint64_t ns)
{
    double ms = (double)ns / 1e6; /* whole: scaled_ns rounds */
    bool small = ms > 0 && ms < 1000;
    sq_buf_printf(out, "%.12g%s", small ? ms : ms / 1000, small ? "ms" : "s");
}

/* ---- Texts ---- */

/* The word that begins here, as a duration with its unit. */
static bool duration_at(const char *at, size_t *ret_len, uint64_t *ret_ns)
{
    char word[40];
    size_t len = 0;
    while (isalnum((unsigned char)at[len]) ||
           (at[len] == '.' && isdigit((unsigned char)at[len + 1]))) {
        len++;
    }
    if (len == 0 || len >= sizeof(word) || !isdigit((unsigned char)at[0])) {
        return false;
    }
    memcpy(word, at, len);
    word[len] = '\0';
    *ret_len = len;
    return sq_parse_duration(word, ret_ns) == 0;
}

/* "run 20s", "down 3s", "between 20s and 40s": a word that a time follows. */
static bool follows(const char *text, const char *at)
{
    static const char *const words[] = {"down", "between", "and"};
    while (at > text && at[-1] == ' ') {
        at--;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t len = strlen(words[i]);
        bool there = (size_t)(at - text) >= len && strncmp(at - len, words[i], len) == 0;
        if (there && ((size_t)(at - text) == len || !isalnum((unsigned char)at[-(long)len - 1]))) {
            return true;
        }
    }
    return at > text && at[-1] == '@';
}

/* Times within a text that is about more: those before a colon, as changes of networks have them,
 * and those behind a word that they belong to. */
static void put_times(const struct scaler *s, const char *text, struct sq_buf *out)
{
    for (const char *p = text; *p;) {
        size_t len;
        uint64_t ns;
        bool begins = p == text || !(isalnum((unsigned char)p[-1]) || strchr("._=", p[-1]));
        if (begins && duration_at(p, &len, &ns) &&
            (p[len + strspn(p + len, " ")] == ':' || follows(text, p))) {
            put_duration(out, scaled_ns(s, ns));
            p += len;
        } else {
            sq_buf_add(out, p++, 1);
        }
    }
}

/* Durations and what stands between them: "10s:5s", "2s..10s". */
static void put_durations(const struct scaler *s, const char *text, struct sq_buf *out)
{
    for (const char *p = text; *p;) {
        size_t len;
        uint64_t ns;
        if (duration_at(p, &len, &ns)) {
            put_duration(out, scaled_ns(s, ns));
            p += len;
        } else {
            sq_buf_add(out, p++, 1);
        }
    }
}

/* "30s:100, 1m:20/s", "100": times and peers; rates stay. */
static void put_stages(const struct scaler *s, const char *text, struct sq_buf *out)
{
    for (const char *p = text; *p;) {
        size_t len, digits = strspn(p, "0123456789");
        uint64_t ns, peers;
        const char *behind = p + digits + strspn(p + digits, " ");
        if (digits > 0 && (*behind == ',' || *behind == '\0') &&
            sq_view_u64((struct sq_view){p, digits}, UINT32_MAX, &peers) == 0) {
            sq_buf_printf(out, "%llu", (unsigned long long)scaled_count(s, peers));
            p += digits;
        } else if (duration_at(p, &len, &ns)) {
            put_duration(out, scaled_ns(s, ns));
            p += len;
        } else if (digits > 0) { /* of a rate: all of it */
            len = strcspn(p, ", ");
            sq_buf_add(out, p, len);
            p += len;
        } else {
            sq_buf_add(out, p++, 1);
        }
    }
}

/* "42#@2": the keys, and the seconds until they are pressed. */
static void put_keys(const struct scaler *s, const char *text, struct sq_buf *out)
{
    const char *at = strchr(text, '@');
    char *end = NULL;
    double seconds = at ? strtod(at + 1, &end) : 0;
    if (at && end != at + 1 && *end == '\0') {
        sq_buf_add(out, text, (size_t)(at + 1 - text));
        sq_buf_printf(out, "%.4g", seconds * s->factor);
    } else {
        sq_buf_puts(out, text);
    }
}

static void put_peers(const struct scaler *s, const char *text, struct sq_buf *out)
{
    uint64_t n;
    if (sq_view_u64(sq_view_of(text), UINT32_MAX, &n) == 0) {
        sq_buf_printf(out, "%llu", (unsigned long long)scaled_count(s, n));
    } else {
        sq_buf_puts(out, text);
    }
}

typedef void put_fn(const struct scaler *s, const char *text, struct sq_buf *out);

static const struct {
    const char *option;
    put_fn *put;
} scaled[] = {
    {"peers", put_peers},      {"duration", put_durations}, {"hold", put_durations},
    {"jitter", put_durations}, {"ramp", put_durations},     {"think", put_durations},
    {"load", put_stages},      {"network", put_times},      {"expect", put_times},
    {"abort-on", put_times},   {"dtmf", put_keys},
};

/* ---- Settings ---- */

static int set_text(struct scaler *s, struct sq_scenario_setting *setting, struct sq_buf *text)
{
    const char *kept = sq_scenario_keep_buf(&s->reader, text);
    setting->value = kept ? kept : setting->value;
    setting->shown = setting->value;
    return kept ? 0 : SQ_ERR_NOMEM;
}

static int scale_settings(struct scaler *s, struct sq_scenario_settings *settings)
{
    int err = 0;
    for (size_t i = 0; !err && i < settings->n; i++) {
        struct sq_scenario_setting *setting = &settings->items[i];
        if (strcmp(setting->key->option, "arrivals") == 0) {
            return sq_scenario_refuse(
                &s->reader, SQ_ERR_UNSUPPORTED, setting->at,
                "--scale: load.arrivals is a file of times, which stay as they are; expected a "
                "rate, a shape or peers (or --load, --rate or --peers on the command line without "
                "--scale)");
        }
        for (size_t k = 0; !err && k < sizeof(scaled) / sizeof(*scaled); k++) {
            struct sq_buf text = {0};
            if (strcmp(setting->key->option, scaled[k].option) == 0) {
                scaled[k].put(s, setting->value, &text);
                err = set_text(s, setting, &text);
            }
            sq_buf_free(&text);
        }
    }
    return err;
}

/* ---- Rooms ---- */

static struct sq_scenario_setting *find(struct sq_scenario *scenario, const char *option)
{
    for (size_t i = scenario->settings.n; i-- > 0;) {
        if (strcmp(scenario->settings.items[i].key->option, option) == 0) {
            return &scenario->settings.items[i];
        }
    }
    return NULL;
}

static uint64_t count_of(struct sq_scenario *scenario, const char *option)
{
    const struct sq_scenario_setting *setting = find(scenario, option);
    uint64_t n = 0;
    return setting && sq_view_u64(sq_view_of(setting->value), UINT32_MAX, &n) == 0 ? n : 0;
}

/* Peers of a whole room; *ret_least: somebody of each group. */
static uint64_t room_of(struct sq_scenario *scenario, uint64_t *ret_least)
{
    uint64_t fixed = 0, others = 0;
    for (size_t i = 0; i < scenario->groups_len; i++) {
        fixed += scenario->groups[i].per_room;
        others += scenario->groups[i].per_room == 0;
    }
    uint64_t size = count_of(scenario, "room-size");
    *ret_least = fixed + others;
    return size ? size : scenario->groups_len > 0 && others == 0 ? fixed : 0;
}

/* Rooms stay as large as they are; where the number of both is said they stay in step. */
static uint64_t peers_of(const struct scaler *s, struct sq_scenario *scenario, uint64_t peers)
{
    uint64_t least;
    uint64_t rooms = scenario->rooms;
    uint64_t room = scenario->sizes_len > 0 ? 0 : room_of(scenario, &least);
    uint64_t n = scaled_count(s, peers);
    if (scenario->sizes_len > 0) {
        return n;
    }
    if (rooms > 0 && peers > 0 && s->factor < 1) {
        double each = (double)peers / (double)rooms;
        return (uint64_t)ceil(each * (double)scaled_count(s, rooms) - ROUNDING);
    }
    if (room > 0 && peers >= room) {
        n = (n + room - 1) / room * room;
    }
    return peers < least ? sq_max_u64(n, 1) : sq_max_u64(n, least);
}

/* Where rooms of several sizes say how many peers there are, the number again could only differ. */
static void drop_twice(struct sq_scenario *scenario)
{
    struct sq_scenario_settings *all = &scenario->settings;
    struct sq_scenario_setting *peers = find(scenario, "peers");
    bool twice = peers && scenario->sizes_len > 0 && scenario->rooms > 0;
    if (twice && !find(scenario, "hold")) {
        size_t i = (size_t)(peers - all->items);
        memmove(peers, peers + 1, (all->n - i - 1) * sizeof(*peers));
        all->n--;
    }
}

static int scale_rooms(struct scaler *s, uint64_t peers)
{
    struct sq_scenario *scenario = s->reader.scenario;
    struct sq_scenario_setting *setting = find(scenario, "peers");
    if (setting && peers > 0) {
        struct sq_buf text = {0};
        sq_buf_printf(&text, "%llu", (unsigned long long)peers_of(s, scenario, peers));
        int err = set_text(s, setting, &text);
        if (err) {
            return err;
        }
    }
    drop_twice(scenario);
    scenario->rooms = scaled_count(s, scenario->rooms);
    return 0;
}

/* ---- Steps ---- */

static int scale_steps(struct scaler *s, struct sq_steps *steps)
{
    for (size_t i = 0; i < steps->n; i++) {
        struct sq_step *step = &steps->items[i];
        if (step->kind != SQ_STEP_WAIT) {
            continue;
        }
        struct sq_buf words = {0};
        step->least_ns = scaled_ns(s, step->least_ns);
        step->most_ns = scaled_ns(s, step->most_ns);
        sq_scenario_wait_words(step, &words);
        step->words = sq_scenario_keep_buf(&s->reader, &words);
        if (!step->words) {
            return SQ_ERR_NOMEM;
        }
    }
    return 0;
}

int sq_scenario_scale(struct sq_scenario *scenario, double factor, struct sq_yaml_error *ret_error)
{
    struct scaler s = {.reader = {.scenario = scenario, .error = ret_error}, .factor = factor};
    uint64_t peers = count_of(scenario, "peers");
    int err = scale_settings(&s, &scenario->settings);
    err = err ? err : scale_rooms(&s, peers);
    err = err ? err : scale_steps(&s, &scenario->before);
    err = err ? err : scale_steps(&s, &scenario->steps);
    for (size_t i = 0; !err && i < scenario->groups_len; i++) {
        struct sq_scenario_group *group = &scenario->groups[i];
        err = scale_settings(&s, &group->settings);
        err = err ? err : scale_steps(&s, &group->before);
        err = err ? err : scale_steps(&s, &group->steps);
    }
    return err;
}

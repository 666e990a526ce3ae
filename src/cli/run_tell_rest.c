/* What of the settings no other line of `squall check` tells: each that is not as by default. Made
 * of the table of options, so that a new one is told, if only by its name. */
#include "base/mem.h"
#include "base/time.h"
#include "cli/run_steps.h"
#include "cli/run_table.h"
#include "cli/run_tell_int.h"
#include "signal/target.h"
#include <string.h>

/* The line of Target, Rooms, Groups and so on has it. */
static const char *const told[] = {
    "abort-on", "arrivals",    "bwe",       "codec",    "data",   "data-mode", "decode",
    "dtmf",     "dump",        "duration",  "expect",   "hold",   "html",      "ice",
    "json",     "junit",       "load",      "markdown", "media",  "network",   "out",
    "peers",    "ramp",        "rate",      "record",   "replay", "room-size", "scale",
    "stun",     "publishers",  "simulcast", "turn",     "users",  "no-audio",  "no-listen",
    "no-video", "users-order", "help"};

/* "%" stands for the value, in those where it is no secret. */
static const struct {
    const char *option, *words;
} rest[] = {
    {"seed", "all random choices are made of seed %"},
    {"think", "who has left is replaced after %"},
    {"jitter", "each arrival comes up to % later"},
    {"threads", "threads of the generator: %"},
    {"realtime", "threads of the generator go before all else on their cores"},
    {"room", "the room's name, or what rooms' names begin with: %"},
    {"latency", "one-way latency is measured"},
    {"echo", "the server is asked to send the media back"},
    {"pt", "payload types of the replay: %"},
    {"token", "a bearer token is sent"},
    {"script", "the script is %"},
    {"no-trickle", "no trickle: all candidates are within the description"},
    {"insecure", "certificates are not verified"},
    {"ca", "the authorities in % are trusted, too"},
    {"turn-user", "a user for TURN is given"},
    {"turn-password", "a password for TURN is given"},
    {"turn-secret", "credentials for TURN are made of a secret"},
    {"local-ip", "media leave from %"},
    {"srtp", "SRTP: % is offered first"},
    {"reconnect", "who is dropped comes back: %"},
    {"answer-timeout", "time-out of each answer of the signalling: %"},
    {"connect-timeout", "time-out of ICE and DTLS: %"},
    {"media-timeout", "time-out from connected to the first media: %"},
    {"baseline", "fails if it is worse than % was"},
    {"baseline-threshold", "a change from the baseline counts from % %% on"},
    {"lateness-max", "the generator's own timers may be % ms late (p99)"},
    {"report-url", "report.html will be at %"},
    {"github", "what does not hold is told as ::error lines"},
    {"prometheus", "figures to scrape at %, path /metrics"},
    {"prometheus-push", "figures are pushed to %"},
    {"record-sent", "recordings have what they send, too"},
    {"record-format", "recordings are of format %"},
    {"quiet", "no progress, and no closing text"},
    {"verbose", "every metric is in the closing text"},
    {"no-tui", "no live view: plain lines"},
};

static bool is_told(const char *option)
{
    for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
        if (strcmp(told[i], option) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct sq_option *a, const struct sq_option *b)
{
    const struct sq_option_list *x = a->to, *y = b->to;
    switch (a->type) {
    case SQ_OPTION_FLAG:
    case SQ_OPTION_NO_FLAG:
        return *(const bool *)a->to == *(const bool *)b->to;
    case SQ_OPTION_COUNT:
    case SQ_OPTION_DURATION:
        return *(const uint64_t *)a->to == *(const uint64_t *)b->to;
    case SQ_OPTION_RATE:
    case SQ_OPTION_NUMBER:
        return !(*(const double *)a->to < *(const double *)b->to) &&
               !(*(const double *)a->to > *(const double *)b->to);
    case SQ_OPTION_TEXT:
        return same_text(*(const char *const *)a->to, *(const char *const *)b->to);
    case SQ_OPTION_LIST:
        for (size_t i = 0; i < x->n && i < y->n; i++) {
            if (!same_text(x->items[i], y->items[i])) {
                return false;
            }
        }
        return x->n == y->n;
    default:
        return true;
    }
}

static void put_text(const struct sq_scenario *scenario, const char *option, const char *text,
                     struct sq_buf *b)
{
    const char *written = sq_scenario_shown(scenario, text);
    const char *at = strcmp(option, "prometheus-push") == 0 ? strrchr(written, '@') : NULL;
    sq_buf_printf(b, "%s%s", at ? "***" : "", at ? at : written); /* a password, before it */
}

static void put_value(const struct sq_scenario *scenario, const struct sq_option *row,
                      struct sq_buf *b)
{
    char text[32];
    const struct sq_option_list *list = row->to;
    switch (row->type) {
    case SQ_OPTION_COUNT:
        sq_buf_printf(b, "%llu", (unsigned long long)*(const uint64_t *)row->to);
        return;
    case SQ_OPTION_DURATION:
        sq_buf_puts(b, sq_format_duration(*(const uint64_t *)row->to, text));
        return;
    case SQ_OPTION_RATE:
    case SQ_OPTION_NUMBER:
        sq_buf_printf(b, "%.6g", *(const double *)row->to);
        return;
    case SQ_OPTION_TEXT:
        put_text(scenario, row->name, *(const char *const *)row->to, b);
        return;
    case SQ_OPTION_LIST:
        for (size_t i = 0; i < list->n; i++) {
            sq_buf_puts(b, i > 0 ? ", " : "");
            put_text(scenario, row->name, list->items[i], b);
        }
        return;
    default:
        sq_buf_puts(b, *(const bool *)row->to ? "true" : "false");
    }
}

static void put_words(const struct sq_scenario *scenario, const struct sq_option *row,
                      struct sq_buf *b)
{
    const char *words = NULL;
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
        words = strcmp(rest[i].option, row->name) == 0 ? rest[i].words : words;
    }
    if (!words) { /* nobody has found words for it yet */
        sq_buf_printf(b, "--%s: ", row->name);
        words = "%";
    }
    for (; *words; words++) {
        if (*words == '%' && words[1] == '%') {
            sq_buf_puts(b, "%");
            words++;
        } else if (*words == '%') {
            put_value(scenario, row, b);
        } else {
            sq_buf_add(b, words, 1);
        }
    }
}

/* What `o` has otherwise than `base`. */
static void tell_changes(const struct sq_teller *t, const struct sq_run_options *o,
                         const struct sq_run_options *base, const char *who, bool *first)
{
    struct sq_run_options copy = *o, base_copy = *base; /* tables want something to write to */
    struct sq_run_table rows, base_rows;
    sq_run_table_make(&copy, &rows);
    sq_run_table_make(&base_copy, &base_rows);
    for (size_t i = 0; i < rows.n; i++) {
        const struct sq_option *row = &rows.rows[i];
        bool drawn = strcmp(row->name, "seed") == 0 && (o->seed_drawn || who);
        bool gone = row->type == SQ_OPTION_TEXT && !*(const char *const *)row->to;
        if (row->type == SQ_OPTION_HEADING || is_told(row->name) || drawn || gone ||
            is_same(row, &base_rows.rows[i])) {
            continue;
        }
        struct sq_buf b = {0};
        if (who) {
            sq_buf_printf(&b, "%s: ", who);
        }
        put_words(t->o->scenario, row, &b);
        sq_tell_row(t, *first ? "Besides" : "", "%s", b.text && !b.err ? b.text : "");
        sq_buf_free(&b);
        *first = false;
    }
}

void sq_tell_rest(const struct sq_teller *t)
{
    struct sq_run_options defaults;
    bool first = true;
    sq_run_table_defaults(&defaults);
    tell_changes(t, t->o, &defaults, NULL, &first);
    for (size_t i = 0; i < t->o->groups_len; i++) {
        const struct sq_plan_group *g = &t->plan->groups[i];
        tell_changes(t, &t->o->groups[i], t->o, sq_plan_role(g), &first);
        char *room = g->room ? sq_run_steps_shown(g->room) : NULL;
        if (room) {
            sq_secrets_mask(&t->o->scenario->secrets, room);
            sq_tell_row(t, first ? "Besides" : "", "%s: its room is %s", sq_plan_role(g), room);
            first = false;
        }
        sq_free(room);
    }
}

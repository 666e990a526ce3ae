#include "cli/capacity_options.h"

#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "net/http.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX       16
#define PEERS_MOST        10000
#define RESOLUTION        0.05
#define HOLD_NS           (10 * SQ_NS_PER_SEC) /* so that FPS_SHARE outlives a late one's start */
#define HOLD_MOST_NS      (20 * SQ_NS_PER_SEC)
#define ROOM_SIZE_DEFAULT 10
#define FPS_SHARE         0.8 /* of the clip's: a picture that runs */
#define URL_SHOWN_MAX     300

static void make_table(struct sq_capacity_options *o, struct sq_option table[static OPTIONS_MAX])
{
    const struct sq_option rows[] = {
        {.name = "Search", .type = SQ_OPTION_HEADING},
        {"grow", SQ_OPTION_TEXT, &o->grow_text, "WHAT",
         "peers, room (one room), rooms (their number), or room,rooms (default: by the target)", 0,
         0},
        {"from", SQ_OPTION_COUNT, &o->from, "N", "peers of the first level (default 10)", 1,
         SQ_PLAN_PEERS_MAX},
        {"most", SQ_OPTION_COUNT, &o->most, "N", "peers of the last one (default 10000)", 1,
         SQ_PLAN_PEERS_MAX},
        {"hold", SQ_OPTION_DURATION, &o->hold_ns, "D",
         "once all are there, a level is held for so long at least (default 10s) ...", 0, 0},
        {"hold-most", SQ_OPTION_DURATION, &o->hold_most_ns, "D",
         "... and until its figures are steady, but no longer than this (default 20s)", 0, 0},
        {"resolution", SQ_OPTION_TEXT, &o->resolution_text, "P%",
         "so near what failed is to be above what held (default 5%)", 0, 0},
        {"confirm", SQ_OPTION_COUNT, &o->confirms, "N",
         "how often the number has to hold again (default 1)", 0, 20},
        {"pause", SQ_OPTION_DURATION, &o->pause_ns, "D",
         "between two levels, once all have left (default 1s)", 0, 0},
        {"time-limit", SQ_OPTION_DURATION, &o->time_limit_ns, "D",
         "then the search ends, and tells what it has (default: none)", 0, 0},
        {"at-least", SQ_OPTION_COUNT, &o->at_least, "N",
         "exit code 1 where fewer peers hold than this", 1, SQ_PLAN_PEERS_MAX},
        {"server-pid", SQ_OPTION_COUNT, &o->server_pid, "PID",
         "the server's process on this machine: its CPU and memory by level", 1, UINT32_MAX},
        {"server-metrics", SQ_OPTION_TEXT, &o->server_metrics, "URL", "or its Prometheus end point",
         0, 0},
        {"help", SQ_OPTION_FLAG, &o->help, NULL, "this text", 0, 0},
        {.name = NULL},
    };
    _Static_assert(sizeof(rows) / sizeof(*rows) <= OPTIONS_MAX, "OPTIONS_MAX is too small");
    memcpy(table, rows, sizeof(rows));
}

void sq_capacity_options_help(void)
{
    struct sq_capacity_options o = {0};
    struct sq_option table[OPTIONS_MAX];
    make_table(&o, table);
    puts(
        "Usage: squall capacity TARGET [OPTION…]\n"
        "       squall capacity FILE.yaml [TARGET] [OPTION…]\n\n"
        "Finds the largest load at which all expectations hold: doubles it until one fails, halves "
        "in\n"
        "between, and tries the result again. Says the number, what broke first, for whom, and "
        "why.");
    sq_options_help(table);
    puts(
        "\nAll options of 'squall run' count for each level, but those of its load, which the "
        "search sets,\n"
        "and those that name single files. --rate is that of each level's arrivals (default: all "
        "within 5 s,\n"
        "50/s at most).\n"
        "Exit codes: 0 a number was found, 1 none, or less than --at-least, 2 usage, 3 not "
        "reached,\n"
        "4 Squall itself was the limit, 130 interrupted (what is known by then is told and kept).");
}

/* The option of the table that the word names; "--NAME=VALUE" as well. */
static const struct sq_option *named(const struct sq_option *table, const char *word)
{
    if (strncmp(word, "--", 2) != 0) {
        return NULL;
    }
    size_t len = strcspn(word + 2, "=");
    for (; table->name; table++) {
        if (table->type != SQ_OPTION_HEADING && strlen(table->name) == len &&
            strncmp(table->name, word + 2, len) == 0) {
            return table;
        }
    }
    return NULL;
}

/* Options of `squall run` that a search has no use for. */
static int refuse_others(const char *word, char *why, size_t why_room)
{
    static const struct {
        const char *name, *instead;
    } others[] = {
        {"peers", "the search says how many; --from and --most bound it"},
        {"duration", "a level lasts until its figures are steady; see --hold and --hold-most"},
        {"ramp", "a level's peers arrive at --rate"},
        {"load", "the search makes the load"},
        {"arrivals", "the search makes the load"},
        {"think", "the search makes the load"},
        {"json", "capacity.json is in the folder of --out"},
        {"html", "capacity.html is in the folder of --out"},
        {"junit", "each level has its own in the folder of --out"},
        {"markdown", "a search has no such page"},
        {"github", "a search has no such lines"},
        {"baseline", "'squall compare' compares runs"},
        {"prometheus", "'squall run' has it"},
        {"prometheus-push", "'squall run' has it"},
        {"record", "'squall run' has it"},
        {"record-sent", "'squall run' has it"},
        {"decode", "'squall run' has it"},
    };
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (strncmp(word, "--", 2) == 0 && len == strlen(others[i].name) + 2 &&
            strncmp(others[i].name, word + 2, len - 2) == 0) {
            snprintf(why, why_room, "--%s is not of a search: %s", others[i].name,
                     others[i].instead);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

/* Our own words to *ret_own, the others to *ret_run. */
static int split(const struct sq_option *table, int argc, char **argv, char **ret_own,
                 int *ret_ours, char **ret_run, int *ret_others, char *why, size_t why_room)
{
    *ret_ours = 0;
    *ret_others = 0;
    for (int i = 0; i < argc; i++) {
        const struct sq_option *mine = named(table, argv[i]);
        if (!mine) {
            int err = refuse_others(argv[i], why, why_room);
            if (err) {
                return err;
            }
            ret_run[(*ret_others)++] = argv[i];
            continue;
        }
        ret_own[(*ret_ours)++] = argv[i];
        if (mine->type != SQ_OPTION_FLAG && !strchr(argv[i], '=') && i + 1 < argc) {
            ret_own[(*ret_ours)++] = argv[++i];
        }
    }
    return 0;
}

static int parse_grow(struct sq_capacity_options *o, char *why, size_t why_room)
{
    static const struct {
        const char *text;
        enum sq_grow grow[SQ_CAPACITY_SEARCHES];
        size_t len;
    } all[] = {{"peers", {SQ_GROW_PEERS}, 1},
               {"room", {SQ_GROW_ROOM}, 1},
               {"rooms", {SQ_GROW_ROOMS}, 1},
               {"room,rooms", {SQ_GROW_ROOM, SQ_GROW_ROOMS}, 2}};
    for (size_t i = 0; o->grow_text && i < sizeof(all) / sizeof(*all); i++) {
        if (strcmp(all[i].text, o->grow_text) == 0) {
            memcpy(o->grow, all[i].grow, sizeof(o->grow));
            o->grow_len = all[i].len;
        }
    }
    if (o->grow_text && o->grow_len == 0) {
        snprintf(why, why_room, "--grow %s: expected peers, room, rooms, or room,rooms",
                 o->grow_text);
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int check_server(const struct sq_capacity_options *o, char *why, size_t why_room)
{
    struct sq_url url;
    const char *text = o->server_metrics;
    if (o->server_pid && text) {
        snprintf(why, why_room,
                 "--server-pid and --server-metrics ask for the same: give one of them");
        return SQ_ERR_INVALID;
    }
    if (text &&
        (sq_url_parse(text, &url) != 0 || url.host.len == 0 ||
         !(sq_view_is_nocase(url.scheme, "http") || sq_view_is_nocase(url.scheme, "https")))) {
        int shown = sq_url_shown_len(text);
        snprintf(why, why_room,
                 "--server-metrics %.*s: expected the URL of the server's Prometheus end point, "
                 "http://HOST:PORT/PATH",
                 shown < URL_SHOWN_MAX ? shown : URL_SHOWN_MAX, text);
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int check(struct sq_capacity_options *o, char *why, size_t why_room)
{
    o->resolution = RESOLUTION;
    if (o->resolution_text) {
        char *end;
        o->resolution = strtod(o->resolution_text, &end) / 100;
        end += *end == '%';
        if (*end || end == o->resolution_text || !(o->resolution > 0 && o->resolution <= 1)) {
            snprintf(why, why_room,
                     "--resolution %s: expected per cent above 0 and up to 100, such as 5%%",
                     o->resolution_text);
            return SQ_ERR_INVALID;
        }
    }
    if (o->from > o->most) {
        snprintf(why, why_room, "--from %llu: expected no more than --most, which is %llu",
                 (unsigned long long)o->from, (unsigned long long)o->most);
        return SQ_ERR_INVALID;
    }
    if (o->at_least > o->most) {
        snprintf(why, why_room,
                 "--at-least %llu: expected no more than --most, which is %llu: no level above "
                 "that is tried",
                 (unsigned long long)o->at_least, (unsigned long long)o->most);
        return SQ_ERR_INVALID;
    }
    if (o->hold_ns == UINT64_MAX) {
        o->hold_ns = o->hold_most_ns > 0 ? sq_min_u64(HOLD_NS, o->hold_most_ns) : HOLD_NS;
    }
    if (o->hold_most_ns == 0) {
        o->hold_most_ns = sq_max_u64(o->hold_ns, HOLD_MOST_NS);
    }
    if (o->hold_ns > o->hold_most_ns) {
        snprintf(why, why_room, "--hold: expected no more than --hold-most, which is %.3g s",
                 (double)o->hold_most_ns / 1e9);
        return SQ_ERR_INVALID;
    }
    int err = check_server(o, why, why_room);
    return err ? err : parse_grow(o, why, why_room);
}

/* The load of a scenario is the search's, and what is looked at in single peers is left out. */
static void take_load(struct sq_capacity_options *o)
{
    struct sq_run_options *run = &o->run;
    run->peers = o->most;
    run->hold_ns = 0;
    run->duration_ns = 0;
    run->ramp = NULL;
    run->decode = 0;
    run->record = 0;
    run->record_sent = false;
    sq_load_option_free(&run->load);
    run->load = (struct sq_load_option){0};
}

int sq_capacity_options_parse(struct sq_capacity_options *o, int argc, char **argv, char *why,
                              size_t why_room)
{
    struct sq_option table[OPTIONS_MAX];
    struct sq_option_list none = {0};
    int ours, others;
    *o = (struct sq_capacity_options){
        .most = PEERS_MOST, .confirms = 1, .hold_ns = UINT64_MAX, .pause_ns = SQ_NS_PER_SEC};
    char **words = sq_calloc(2 * (size_t)argc + 2, sizeof(*words));
    if (!words) {
        return SQ_ERR_NOMEM;
    }
    make_table(o, table);
    int err = split(table, argc, argv, words, &ours, words + argc + 1, &others, why, why_room);
    err = err ? err : sq_options_parse(table, ours, words, &none, why, why_room);
    if (!err && !o->help) {
        o->from = o->from ? o->from : o->most < ROOM_SIZE_DEFAULT ? o->most : ROOM_SIZE_DEFAULT;
        err = check(o, why, why_room);
        err = err ? err : sq_run_options_parse(&o->run, others, words + argc + 1, why, why_room);
        if (err && strncmp(why, "run: ", 5) == 0) {
            memmove(why, why + 5, strlen(why + 5) + 1);
        }
        o->size_given = o->run.room_size > 0;
        take_load(o);
    }
    sq_free(words);
    return err;
}

/* ---- By the target ---- */

static bool has_rooms(const struct sq_plan *plan, bool *ret_any_number)
{
    bool rooms = false;
    *ret_any_number = true;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_target *t = plan->groups[i].target;
        const char *plugin = sq_target_param(t, "plugin");
        bool janus = strncmp(t->scheme, "janus+", 6) == 0 && plugin &&
                     (strcmp(plugin, "videoroom") == 0 || strcmp(plugin, "audiobridge") == 0);
        bool lab = strncmp(t->scheme, "room+", 5) == 0 && strcmp(plan->room, "echo") != 0;
        rooms = rooms || janus || lab;
        *ret_any_number = *ret_any_number && !janus; /* its rooms are made by who runs it */
    }
    return rooms;
}

int sq_capacity_options_grow(struct sq_capacity_options *o, const struct sq_plan *plan, char *why,
                             size_t why_room)
{
    bool any_number;
    bool rooms = has_rooms(plan, &any_number);
    if (o->grow_len > 0) {
        if (!rooms && o->grow[0] != SQ_GROW_PEERS) {
            snprintf(why, why_room, "--grow %s: the target has no rooms; expected peers",
                     o->grow_text);
            return SQ_ERR_INVALID;
        }
        return 0;
    }
    bool sized = sq_plan_has_rooms(plan);
    o->grow_len = 1;
    if (!rooms) {
        o->grow[0] = SQ_GROW_PEERS;
    } else if (sized) {
        o->grow[0] = SQ_GROW_ROOMS;
    } else {
        o->grow[0] = SQ_GROW_ROOM;
        o->grow[1] = SQ_GROW_ROOMS;
        o->grow_len = any_number ? 2 : 1;
    }
    return 0;
}

/* Frames a second that may be expected; 0: none, or it is not known. */
static double frames_expected(const struct sq_plan *plan)
{
    double fps = 0;
    bool received = false;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        received = received || (g->watches && g->video);
        if (g->replay || (g->video && g->publishes && !g->clip)) {
            return 0;
        }
        for (size_t t = 0; g->clip && t < g->clip->track_count; t++) {
            const struct sq_clip_track *track = &g->clip->tracks[t];
            if (g->publishes && g->video && track->fps_milli > 0) {
                double own = track->fps_milli / 1000.0;
                fps = fps > 0 ? fmin(fps, own) : own;
            }
        }
    }
    return received ? fps * FPS_SHARE : 0;
}

static int add_default(struct sq_capacity_options *o, const char *text)
{
    struct sq_run_options *run = &o->run;
    size_t i = run->expectations_len;
    snprintf(o->defaults[i], sizeof(o->defaults[i]), "%s", text);
    int err = sq_expect_parse(o->defaults[i], &run->expectations[i], NULL);
    run->expectations_len += !err;
    return err;
}

int sq_capacity_options_expect(struct sq_capacity_options *o, const struct sq_plan *plan, char *why,
                               size_t why_room)
{
    o->expectations_given = o->run.expectations_len > 0;
    if (o->expectations_given) {
        return 0;
    }
    double fps = frames_expected(plan);
    char frames[96];
    int err = add_default(o, "peers.ok == 100%");
    err = err ? err : add_default(o, "setup.total.p95 < 5s");
    if (fps > 0 && !err) {
        snprintf(frames, sizeof(frames),
                 "video.in.fps >= %.3g for 95%% of peers between ramped and draining", fps);
        err = add_default(o, frames);
    }
    err = err ? err : add_default(o, "score >= 7 for 95% of peers");
    if (err) {
        snprintf(why, why_room, "the default expectations: %s", sq_err_name(err));
    }
    return err;
}

void sq_capacity_options_free(struct sq_capacity_options *o)
{
    sq_run_options_free(&o->run);
}

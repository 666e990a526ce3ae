#include "run/ledger.h"

#include "base/mem.h"
#include "run/spool.h"
#include "run/worst.h"
#include <stdlib.h>
#include <string.h>

#define ROWS_IN_ONE_GO 32

struct entry {
    uint64_t index;
    struct sq_peer_row row;
};

struct kept_trace {
    uint64_t index;
    struct sq_peer_trace trace;
};

struct kept_story {
    uint64_t index;
    double badness;
    struct sq_peer_trace trace;
};

/* Of the few whose script left badly: a text of the row that the file cannot hold. */
struct kept_goodbye {
    uint64_t index;
    char *text; /* owned; NULL: it was moved */
};

struct sq_ledger {
    struct sq_spool *entries;
    struct kept_goodbye *goodbyes; /* at most one a row */
    size_t goodbyes_len, goodbyes_room;
    struct kept_trace *traces; /* in order of arrival */
    size_t traces_len, traces_room;
    uint64_t dumps; /* users below that were asked for, ... */
    size_t others;  /* ... and so many of the traces are of others */
    uint64_t left_out;
    struct kept_story stories[SQ_LEDGER_STORIES_MAX];
    size_t stories_len;
};

int sq_ledger_create(uint64_t dumps, struct sq_ledger **ret_ledger)
{
    struct sq_ledger *ledger = sq_zalloc(sizeof(*ledger));
    if (!ledger) {
        return SQ_ERR_NOMEM;
    }
    int err = sq_spool_create(sizeof(struct entry), ROWS_IN_ONE_GO, &ledger->entries);
    if (err) {
        sq_free(ledger);
        return err;
    }
    ledger->dumps = dumps < SQ_RESULT_TRACES_MAX ? dumps : SQ_RESULT_TRACES_MAX;
    *ret_ledger = ledger;
    return 0;
}

void sq_ledger_destroy(struct sq_ledger *ledger)
{
    if (!ledger) {
        return;
    }
    for (size_t i = 0; i < ledger->traces_len; i++) {
        sq_trace_clear(&ledger->traces[i].trace);
    }
    for (size_t i = 0; i < ledger->stories_len; i++) {
        sq_trace_clear(&ledger->stories[i].trace);
    }
    for (size_t i = 0; i < ledger->goodbyes_len; i++) {
        sq_free(ledger->goodbyes[i].text);
    }
    sq_spool_destroy(ledger->entries);
    sq_free(ledger->goodbyes);
    sq_free(ledger->traces);
    sq_free(ledger);
}

/* ---- Adding ---- */

static void keep_trace(struct sq_ledger *ledger, uint64_t index, struct sq_peer_trace *trace)
{
    if (ledger->traces_len == ledger->traces_room && ledger->traces_room < SQ_RESULT_TRACES_MAX) {
        size_t room = ledger->traces_room ? ledger->traces_room * 2 : 16;
        struct kept_trace *grown = sq_realloc(ledger->traces, room * sizeof(*grown));
        if (grown) {
            ledger->traces = grown;
            ledger->traces_room = room;
        }
    }
    bool other = index >= ledger->dumps;
    bool room = !other || ledger->others < SQ_RESULT_TRACES_MAX - ledger->dumps;
    if (ledger->traces_len == ledger->traces_room || !room) {
        ledger->left_out++;
        sq_trace_clear(trace);
        return;
    }
    ledger->others += other;
    ledger->traces[ledger->traces_len++] = (struct kept_trace){.index = index, .trace = *trace};
    memset(trace, 0, sizeof(*trace));
}

/* Without memory the text is missing, and nothing else. */
static void keep_goodbye(struct sq_ledger *ledger, uint64_t index, const char *text)
{
    if (ledger->goodbyes_len == ledger->goodbyes_room) {
        size_t room = ledger->goodbyes_room ? ledger->goodbyes_room * 2 : 16;
        struct kept_goodbye *grown = sq_realloc(ledger->goodbyes, room * sizeof(*grown));
        if (!grown) {
            return;
        }
        ledger->goodbyes = grown;
        ledger->goodbyes_room = room;
    }
    char *copy = sq_strdup(text);
    if (copy) {
        ledger->goodbyes[ledger->goodbyes_len++] = (struct kept_goodbye){index, copy};
    }
}

int sq_ledger_add(struct sq_ledger *ledger, uint64_t index, const struct sq_peer_row *row,
                  struct sq_peer_trace *trace)
{
    struct entry entry = {.index = index, .row = *row};
    entry.row.goodbye = NULL;
    int err = sq_spool_add(ledger->entries, &entry);
    if (err) {
        return err;
    }
    if (row->goodbye) {
        keep_goodbye(ledger, index, row->goodbye);
    }
    if (trace) {
        keep_trace(ledger, index, trace);
    }
    return 0;
}

void sq_ledger_offer_story(struct sq_ledger *ledger, uint64_t index, const struct sq_peer_row *row,
                           struct sq_peer_trace *trace)
{
    double badness = sq_peer_badness(row);
    size_t at = ledger->stories_len;
    if (!row->connected) {
        return;
    }
    if (at == SQ_LEDGER_STORIES_MAX) {
        at = 0;
        for (size_t i = 1; i < SQ_LEDGER_STORIES_MAX; i++) {
            at = ledger->stories[i].badness < ledger->stories[at].badness ? i : at;
        }
        if (badness <= ledger->stories[at].badness) {
            return;
        }
        sq_trace_clear(&ledger->stories[at].trace);
    } else {
        ledger->stories_len++;
    }
    ledger->stories[at] = (struct kept_story){.index = index, .badness = badness, .trace = *trace};
    memset(trace, 0, sizeof(*trace));
}

size_t sq_ledger_count(const struct sq_ledger *ledger)
{
    return sq_spool_count(ledger->entries);
}

/* ---- Collecting ---- */

struct source {
    uint64_t index;
    const struct sq_ledger *ledger;
    size_t entry;
};

static int by_index(const void *a, const void *b)
{
    const struct source *x = a;
    const struct source *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static int list_sources(struct sq_ledger *const *ledgers, size_t n, struct source *sources)
{
    size_t at = 0;
    for (size_t l = 0; l < n; l++) {
        for (size_t i = 0; i < sq_ledger_count(ledgers[l]); i++) {
            struct entry entry;
            int err = sq_spool_read(ledgers[l]->entries, i, &entry);
            if (err) {
                return err;
            }
            sources[at++] = (struct source){entry.index, ledgers[l], i};
        }
    }
    qsort(sources, at, sizeof(*sources), by_index);
    return 0;
}

static int add_row(struct sq_result *result, const struct source *source)
{
    struct entry entry;
    int err = sq_spool_read(source->ledger->entries, source->entry, &entry);
    struct sq_peer_row *row = err ? NULL : sq_result_add_peer(result);
    if (!row) {
        return err ? err : SQ_ERR_NOMEM;
    }
    *row = entry.row;
    return 0;
}

/* Those that were asked for, or the others. `sources` tells each index's row, counted from `first`
 * of the result. */
static void move_traces(struct sq_ledger *ledger, bool asked_for, const struct source *sources,
                        size_t n, size_t first, struct sq_result *result)
{
    for (size_t i = 0; i < ledger->traces_len; i++) {
        const struct source key = {.index = ledger->traces[i].index};
        if ((key.index < ledger->dumps) != asked_for) {
            continue;
        }
        const struct source *found = bsearch(&key, sources, n, sizeof(key), by_index);
        size_t peer = found ? first + (size_t)(found - sources) : 0;
        struct sq_peer_trace *to = found ? sq_result_add_trace(result, peer) : NULL;
        if (!to) { /* past the table's end */
            result->traces_left_out++;
            continue;
        }
        *to = ledger->traces[i].trace;
        to->peer = peer;
        memset(&ledger->traces[i].trace, 0, sizeof(ledger->traces[i].trace));
    }
    result->traces_left_out += asked_for ? ledger->left_out : 0;
}

/* Without memory a story is missing, and nothing else. */
static void move_stories(struct sq_ledger *ledger, const struct source *sources, size_t n,
                         size_t first, struct sq_result *result)
{
    for (size_t i = 0; i < ledger->stories_len; i++) {
        const struct source key = {.index = ledger->stories[i].index};
        const struct source *found = bsearch(&key, sources, n, sizeof(key), by_index);
        size_t peer = found ? first + (size_t)(found - sources) : 0;
        struct sq_peer_trace *to = found ? sq_result_add_story(result, peer) : NULL;
        if (to) {
            *to = ledger->stories[i].trace;
            to->peer = peer;
            memset(&ledger->stories[i].trace, 0, sizeof(ledger->stories[i].trace));
        }
    }
}

static void move_goodbyes(struct sq_ledger *ledger, const struct source *sources, size_t n,
                          size_t first, struct sq_result *result)
{
    for (size_t i = 0; i < ledger->goodbyes_len; i++) {
        struct kept_goodbye *kept = &ledger->goodbyes[i];
        const struct source key = {.index = kept->index};
        const struct source *found = bsearch(&key, sources, n, sizeof(key), by_index);
        struct sq_peer_row *row = found ? &result->peers[first + (size_t)(found - sources)] : NULL;
        if (row && !row->goodbye) {
            row->goodbye = kept->text;
            kept->text = NULL;
        }
    }
}

int sq_ledger_collect(struct sq_ledger *const *ledgers, size_t n, struct sq_result *result)
{
    size_t first = result->peer_count;
    size_t total = 0;
    for (size_t l = 0; l < n; l++) {
        total += sq_ledger_count(ledgers[l]);
    }
    struct source *sources = sq_malloc((total ? total : 1) * sizeof(*sources));
    if (!sources) {
        return SQ_ERR_NOMEM;
    }
    int err = list_sources(ledgers, n, sources);
    for (size_t i = 0; i < total && !err; i++) {
        err = add_row(result, &sources[i]);
    }
    for (size_t l = 0; l < 2 * n && !err; l++) {
        move_traces(ledgers[l % n], l < n, sources, total, first, result);
    }
    for (size_t l = 0; l < n && !err; l++) {
        move_stories(ledgers[l], sources, total, first, result);
        move_goodbyes(ledgers[l], sources, total, first, result);
    }
    sq_free(sources);
    return err;
}

/* What has to be told before figures are believed: runs that say nothing, and what differs besides
 * the service. */
#include "base/mem.h"
#include "report/compare_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LONG_SETTING 100 /* bytes; of longer ones what comes before a difference is left out */

int sq_compare_note(struct sq_compare *c, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (c->notes_count == SQ_COMPARE_NOTES_MAX) {
        return 0;
    }
    char *copy = sq_strdup(text);
    if (!copy) {
        return SQ_ERR_NOMEM;
    }
    c->notes[c->notes_count++] = copy;
    return 0;
}

const char *sq_compare_runs_word(size_t n, char out[static 32])
{
    snprintf(out, 32, "%zu run%s", n, n == 1 ? "" : "s");
    return out;
}

const char *sq_compare_unusable(const struct sq_stored_run *run)
{
    return run->interrupted                     ? "was interrupted"
           : run->verdict == SQ_VERDICT_INVALID ? "was INVALID"
           : run->verdict == SQ_VERDICT_ERROR   ? "tested nothing"
                                                : NULL;
}

void sq_compare_sort_out(struct sq_compare *c)
{
    for (size_t s = 0; s < c->sides_count; s++) {
        for (size_t i = 0; i < c->sides[s].n; i++) {
            struct sq_compare_run *run = &c->sides[s].runs[i];
            const struct sq_stored_run *r = run->run;
            const char *what = sq_compare_unusable(r);
            run->used = !what;
            c->sides[s].used += run->used;
            if (what) {
                snprintf(run->why_not, sizeof(run->why_not), "%s%s%.450s", what,
                         r->reason[0] && !r->interrupted ? ": " : "",
                         r->interrupted ? "" : r->reason);
            }
        }
    }
}

static int tell_left_out(struct sq_compare *c)
{
    int err = 0;
    for (size_t s = 0; s < c->sides_count; s++) {
        for (size_t i = 0; !err && i < c->sides[s].n; i++) {
            const struct sq_compare_run *run = &c->sides[s].runs[i];
            if (!run->used) {
                err = sq_compare_note(c, "%.300s %.600s: it is left out", run->run->dir,
                                      run->why_not);
            } else if (run->run->generator_note[0]) {
                err = sq_compare_note(c, "%.300s: %.400s", run->run->dir, run->run->generator_note);
            }
        }
    }
    return err;
}

/* What changes nothing that is measured. */
static bool is_of_no_matter(const char *key)
{
    static const char *const keys[] = {"room", "dump", "ca", "insecure", "lateness_max_ms"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (strcmp(key, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *shown(const char *value)
{
    return value ? value : "not set";
}

bool sq_compare_setting_differs(const struct sq_stored_run *first,
                                const struct sq_stored_run *other, const char *key,
                                const char **ret_a, const char **ret_b)
{
    const char *a = sq_store_setting(first, key);
    const char *b = sq_store_setting(other, key);
    *ret_a = a;
    *ret_b = b;
    if (is_of_no_matter(key) || (a && b && strcmp(a, b) == 0)) {
        return false;
    }
    /* A setting that the other version did not know yet is no difference of the two runs. */
    return (a && b) || strcmp(first->version, other->version) == 0;
}

/* Where two long texts begin to differ, at the beginning of an item of a list. */
static size_t differ_from(const char *a, const char *b)
{
    size_t from = 0;
    if (!a || !b || (strlen(a) < LONG_SETTING && strlen(b) < LONG_SETTING)) {
        return 0;
    }
    for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
        from = a[i] == ';' ? i + 1 : from;
    }
    return from;
}

static int tell_setting(struct sq_compare *c, const struct sq_stored_run *first,
                        const struct sq_stored_run *other, const char *key)
{
    const char *a = NULL;
    const char *b = NULL;
    if (!sq_compare_setting_differs(first, other, key, &a, &b)) {
        return 0;
    }
    c->differences += c->notes_count < SQ_COMPARE_NOTES_MAX;
    size_t from = differ_from(a, b);
    return sq_compare_note(c, "%.60s differs: %s%.200s in %.200s, %s%.200s in %.200s", key,
                           from > 0 ? "…" : "", shown(a) + from, first->dir, from > 0 ? "…" : "",
                           shown(b) + from, other->dir);
}

static int tell_config(struct sq_compare *c, const struct sq_stored_run *first,
                       const struct sq_stored_run *other)
{
    int err = 0;
    for (size_t i = 0; !err && i < first->config_count; i++) {
        err = tell_setting(c, first, other, first->config[i].key);
    }
    for (size_t i = 0; !err && i < other->config_count; i++) {
        if (!sq_store_setting(first, other->config[i].key)) {
            err = tell_setting(c, first, other, other->config[i].key);
        }
    }
    return err;
}

static int tell_word(struct sq_compare *c, const char *what, const char *a,
                     const struct sq_stored_run *first, const char *b,
                     const struct sq_stored_run *other)
{
    if (strcmp(a, b) == 0) {
        return 0;
    }
    c->differences += c->notes_count < SQ_COMPARE_NOTES_MAX;
    return sq_compare_note(c, "%s differs: %.100s in %.200s, %.100s in %.200s", what, a, first->dir,
                           b, other->dir);
}

/* Each run beside the first one of its side, and the first of each side beside the first of all: so
 * a difference is told once. */
int sq_compare_tell_differences(struct sq_compare *c)
{
    int err = tell_left_out(c);
    for (size_t s = 0; s < c->sides_count; s++) {
        for (size_t i = 0; !err && i < c->sides[s].n; i++) {
            const struct sq_stored_run *first = c->sides[i > 0 ? s : 0].runs[0].run;
            const struct sq_stored_run *other = c->sides[s].runs[i].run;
            if (first == other) {
                continue;
            }
            err = tell_config(c, first, other);
            err = err ? err
                      : tell_word(c, "the version of squall", first->version, first, other->version,
                                  other);
            err = err ? err : tell_word(c, "the machine", first->host, first, other->host, other);
        }
    }
    return err;
}

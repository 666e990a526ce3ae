/* What to say where no metric is called so. */
#include "run/expect_parse_int.h"
#include "stats/metric_old.h"
#include <stdio.h>
#include <string.h>

/* Names of the table that begin with the first `len` characters of name, with commas. */
static void list_like(const char *name, size_t len, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const char *candidate = sq_metric_get((enum sq_metric_id)id)->name;
        if (strncmp(candidate, name, len) == 0 && n + strlen(candidate) + 3 < size) {
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", candidate);
        }
    }
}

/* What names begin with, up to the first dot, each once and with commas; timer and counter, too. */
static void list_heads(char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int id = 0; id < SQ_METRIC_ALL_COUNT; id++) {
        const char *name = sq_metric_get((enum sq_metric_id)id)->name;
        size_t len = strcspn(name, ".");
        bool known = false;
        for (int before = 0; before < id && !known; before++) {
            const char *other = sq_metric_get((enum sq_metric_id)before)->name;
            known = strcspn(other, ".") == len && strncmp(other, name, len) == 0;
        }
        if (!known && n + len + 3 < size) {
            n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? ", " : "", (int)len, name);
        }
    }
}

/* The longest part of it, up to a dot, that is a metric; 0: none. */
static size_t metric_part(const char *name)
{
    for (size_t len = strlen(name); len > 0; len--) {
        if (name[len] == '.' && sq_metric_find((struct sq_view){name, len}) >= 0) {
            return len;
        }
    }
    return 0;
}

/* Other metrics go on where this one ends: video.in.loss after video.in. */
static bool has_parts(const char *name, size_t len)
{
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const char *other = sq_metric_get((enum sq_metric_id)id)->name;
        if (strncmp(other, name, len) == 0 && other[len] == '.') {
            return true;
        }
    }
    return false;
}

/* What follows a whole metric is a wrong aggregate; what is near another one is that, misspelt. */
int sq_expect_unknown_metric(struct sq_expect_parser *p, const char *at, const char *name)
{
    char list[200];
    const char *near = sq_metric_nearest(sq_view_of(name));
    const char *absent = sq_metric_absent(sq_view_of(name));
    if (absent) {
        return sq_expect_fail(p, SQ_ERR_UNSUPPORTED, at,
                              "%.60s is not measured by this version: %s", name, absent);
    }
    size_t len = metric_part(name);
    if (len > 0 && (!near || !has_parts(name, len) || strlen(near) == len)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at + len + 1,
                              "'%.40s' is no aggregate of %.*s: expected avg, min, max, p1 to p99, "
                              "p99.9, stddev, rstddev, count, total, rate or last",
                              name + len + 1, (int)len, name);
    }
    if (near) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "no metric is called '%.60s'; did you mean %s?",
                              name, near);
    }
    const char *dot = strchr(name, '.');
    list_like(name, dot ? (size_t)(dot - name) + 1 : strlen(name), list, sizeof(list));
    if (list[0]) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "no metric is called '%.60s'; there are %s",
                              name, list);
    }
    list_heads(list, sizeof(list));
    return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                          "no metric is called '%.60s'; expected one that begins with one of %s",
                          name, list);
}

int sq_expect_loadero_path(struct sq_expect_parser *p, const char *at)
{
    char path[SQ_METRIC_OLD_MAX], list[200];
    struct sq_metric_old old;
    size_t len = strcspn(at, " \t\r\n<>=!()");
    snprintf(path, sizeof(path), "%.*s", (int)(len < sizeof(path) ? len : sizeof(path) - 1), at);
    const char *absent = sq_metric_absent(sq_view_of(path));
    if (absent) {
        return sq_expect_fail(p, SQ_ERR_UNSUPPORTED, at,
                              "%.80s is not measured by this version: %s", path, absent);
    }
    if (sq_metric_from_old(sq_view_of(path), &old) == 0) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "'%.80s' is %s's: here it is called %s", path,
                              old.whose, old.name);
    }
    list_heads(list, sizeof(list));
    return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                          "no metric is called '%.60s'; expected one that begins with one of %s",
                          path, list);
}

const char *sq_expect_nearest(struct sq_view word, const char *const *words, size_t n)
{
    const char *best = NULL;
    unsigned least = word.len < 5 ? 2 : 3; /* as many edits make another word */
    for (size_t i = 0; i < n; i++) {
        unsigned distance = sq_edits(word, words[i]);
        bool begins = word.len >= 3 && strlen(words[i]) > word.len &&
                      strncmp(words[i], word.at, word.len) == 0;
        if (begins || distance < least) {
            least = begins ? 0 : distance;
            best = words[i];
        }
    }
    return best;
}

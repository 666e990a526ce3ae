#include "base/str.h"

#include "base/mem.h"
#include "base/time.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Makes room for n more bytes and a NUL. */
static bool buf_reserve(struct sq_buf *b, size_t n)
{
    if (b->err) {
        return false;
    }
    if (b->room - b->len > n) {
        return true;
    }
    if (n > SIZE_MAX / 4) {
        b->err = SQ_ERR_NOMEM;
        return false;
    }
    size_t room = b->room ? b->room : 256;
    while (room - b->len <= n) {
        room *= 2;
    }
    char *grown = sq_realloc(b->text, room);
    if (!grown) {
        b->err = SQ_ERR_NOMEM;
        return false;
    }
    b->text = grown;
    b->room = room;
    return true;
}

void sq_buf_add(struct sq_buf *b, const void *bytes, size_t n)
{
    if (!buf_reserve(b, n)) {
        return;
    }
    if (n > 0) {
        memcpy(b->text + b->len, bytes, n);
    }
    b->len += n;
    b->text[b->len] = '\0';
}

void sq_buf_puts(struct sq_buf *b, const char *text)
{
    sq_buf_add(b, text, strlen(text));
}

/* Nothing but %s, %u, %d and %%? */
static bool is_plain(const char *fmt)
{
    for (const char *at = strchr(fmt, '%'); at; at = strchr(at + 2, '%')) {
        if (at[1] == '\0' || !strchr("sud%", at[1])) {
            return false;
        }
    }
    return true;
}

static void add_number(struct sq_buf *b, unsigned number, bool is_negative)
{
    char digits[12]; /* 32 bits have ten, and a sign */
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    if (is_negative) {
        *--at = '-';
    }
    sq_buf_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

/* SDP and JSON are made of hundreds of these, and printf takes a thousand instructions for each. */
static void add_plain(struct sq_buf *b, const char *fmt, va_list args)
{
    for (const char *at = strchr(fmt, '%'); at; at = strchr(fmt, '%')) {
        sq_buf_add(b, fmt, (size_t)(at - fmt));
        fmt = at + 2;
        if (at[1] == 's') {
            const char *text = va_arg(args, const char *);
            sq_buf_puts(b, text ? text : "(null)"); /* as glibc has it */
        } else if (at[1] == 'u') {
            add_number(b, va_arg(args, unsigned), false);
        } else if (at[1] == 'd') {
            int number = va_arg(args, int);
            add_number(b, number < 0 ? 0U - (unsigned)number : (unsigned)number, number < 0);
        } else {
            sq_buf_add(b, "%", 1);
        }
    }
    sq_buf_puts(b, fmt);
}

void sq_buf_printf(struct sq_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (is_plain(fmt)) {
        add_plain(b, fmt, args);
        va_end(args);
        return;
    }
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !buf_reserve(b, (size_t)n)) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(b->text + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

void sq_buf_free(struct sq_buf *b)
{
    sq_free(b->text);
    memset(b, 0, sizeof(*b));
}

char *sq_buf_take(struct sq_buf *b)
{
    sq_buf_add(b, "", 0);
    char *text = b->err ? NULL : b->text;
    if (b->err) {
        sq_free(b->text);
    }
    memset(b, 0, sizeof(*b));
    return text;
}

struct sq_view sq_view_of(const char *text)
{
    return (struct sq_view){text, text ? strlen(text) : 0};
}

bool sq_view_is(struct sq_view v, const char *text)
{
    return v.len == strlen(text) && (v.len == 0 || memcmp(v.at, text, v.len) == 0);
}

bool sq_view_is_nocase(struct sq_view v, const char *text)
{
    return v.len == strlen(text) && (v.len == 0 || strncasecmp(v.at, text, v.len) == 0);
}

bool sq_view_starts(struct sq_view v, const char *prefix)
{
    size_t n = strlen(prefix);
    return v.len >= n && (n == 0 || memcmp(v.at, prefix, n) == 0);
}

struct sq_view sq_view_cut(struct sq_view *v, char sep)
{
    struct sq_view head = *v;
    const char *at = v->len ? memchr(v->at, sep, v->len) : NULL;
    if (!at) {
        *v = (struct sq_view){NULL, 0};
        return head;
    }
    head.len = (size_t)(at - v->at);
    v->len -= head.len + 1;
    v->at = at + 1;
    return head;
}

struct sq_view sq_view_trim(struct sq_view v)
{
    while (v.len > 0 && isspace((unsigned char)v.at[0])) {
        v.at++;
        v.len--;
    }
    while (v.len > 0 && isspace((unsigned char)v.at[v.len - 1])) {
        v.len--;
    }
    return v;
}

int sq_view_u64(struct sq_view v, uint64_t max, uint64_t *ret_number)
{
    uint64_t n = 0;
    if (v.len == 0) {
        return SQ_ERR_FORMAT;
    }
    for (size_t i = 0; i < v.len; i++) {
        unsigned digit = (unsigned)(v.at[i] - '0');
        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            return SQ_ERR_FORMAT;
        }
        n = n * 10 + digit;
    }
    if (n > max) {
        return SQ_ERR_FORMAT;
    }
    *ret_number = n;
    return 0;
}

/* A plain decimal number at the front of text ("1.5"); ret_rest is what follows it. */
static int parse_number(const char *text, double *ret_value, const char **ret_rest)
{
    size_t n = strspn(text, "0123456789.");
    char digits[32];
    if (n == 0 || n >= sizeof(digits)) {
        return SQ_ERR_FORMAT;
    }
    memcpy(digits, text, n);
    digits[n] = '\0';
    char *end = NULL;
    double value = strtod(digits, &end);
    if (*end != '\0' || !isfinite(value)) {
        return SQ_ERR_FORMAT;
    }
    *ret_value = value;
    *ret_rest = text + n;
    return 0;
}

#define LETTERS         "abcdefghijklmnopqrstuvwxyz"
#define LETTERS_LARGE   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DURATION_MAX_NS 1e18 /* 31 years */

struct unit {
    const char *name;
    double factor;
};

static const struct unit durations[] = {{"us", 1e3}, {"ms", 1e6},   {"s", 1e9},
                                        {"m", 60e9}, {"h", 3600e9}, {NULL, 0}};
static const struct unit rates[] = {{"/s", 1.0}, {"/m", 1.0 / 60}, {"/h", 1.0 / 3600}, {NULL, 0}};
static const struct unit bitrates[] = {{"", 1.0}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};

static const struct unit *find_unit(const struct unit *units, struct sq_view name)
{
    for (; units->name; units++) {
        if (sq_view_is(name, units->name)) {
            return units;
        }
    }
    return NULL;
}

/* Digits that are too many for a number, or a number that is too much. */
static bool is_too_long(const char *text, double most_ns)
{
    double total = 0;
    while (*text != '\0') {
        size_t digits = strspn(text, "0123456789.");
        size_t letters = strspn(text + digits, LETTERS);
        const struct unit *unit = find_unit(durations, (struct sq_view){text + digits, letters});
        char *end = NULL;
        double value = strtod(text, &end);
        if (digits == 0 || !unit || end != text + digits) {
            return false;
        }
        total += value * unit->factor;
        text += digits + letters;
    }
    return total > most_ns;
}

/* Whole but for its unit: "10d", "1h30x"; ret_unit is what stands there. */
static bool has_other_unit(const char *text, struct sq_view *ret_unit)
{
    while (*text != '\0') {
        size_t digits = strspn(text, "0123456789.");
        struct sq_view unit = {text + digits, strspn(text + digits, LETTERS LETTERS_LARGE)};
        if (digits == 0 || unit.len == 0) {
            return false;
        }
        if (!find_unit(durations, unit)) {
            *ret_unit = unit;
            return true;
        }
        text += digits + unit.len;
    }
    return false;
}

const char *sq_duration_wrong(const char *text, uint64_t most_ns,
                              char out[static SQ_DURATION_WRONG_MAX])
{
    struct sq_view unit;
    double most = most_ns ? (double)most_ns : DURATION_MAX_NS;
    if (is_too_long(text, most)) {
        bool hours = most_ns == 0;
        snprintf(out, SQ_DURATION_WRONG_MAX, "too large; expected a duration of %.0f%s at most",
                 floor(most / (hours ? 3600e9 : 1e9)), hours ? "h" : "s");
    } else if (has_other_unit(text, &unit)) {
        snprintf(out, SQ_DURATION_WRONG_MAX,
                 "'%.*s' is no unit; expected a duration with its unit, one of us, ms, s, m and h",
                 (int)(unit.len < 16 ? unit.len : 16), unit.at);
    } else {
        snprintf(out, SQ_DURATION_WRONG_MAX,
                 "expected a duration above 0 with its unit, such as 500ms, 10s or 5m");
    }
    return out;
}

int sq_parse_duration(const char *text, uint64_t *ret_ns)
{
    double total = 0;
    do {
        double value;
        const char *rest;
        int err = parse_number(text, &value, &rest);
        if (err) {
            return err;
        }
        size_t n = strspn(rest, LETTERS);
        const struct unit *unit = find_unit(durations, (struct sq_view){rest, n});
        if (!unit) {
            return SQ_ERR_FORMAT;
        }
        total += value * unit->factor;
        text = rest + n;
    } while (*text != '\0');
    if (total > DURATION_MAX_NS) {
        return SQ_ERR_FORMAT;
    }
    *ret_ns = (uint64_t)llround(total);
    return 0;
}

int sq_parse_rate(const char *text, double *ret_per_second)
{
    double value;
    const char *rest;
    int err = parse_number(text, &value, &rest);
    if (err) {
        return err;
    }
    const struct unit *unit = find_unit(rates, sq_view_of(rest));
    if (!unit) {
        return SQ_ERR_FORMAT;
    }
    *ret_per_second = value * unit->factor;
    return 0;
}

int sq_parse_bitrate(const char *text, uint64_t *ret_bps)
{
    double value;
    const char *rest;
    int err = parse_number(text, &value, &rest);
    if (err) {
        return err;
    }
    const struct unit *unit = find_unit(bitrates, sq_view_of(rest));
    if (!unit || value * unit->factor > 1e15) {
        return SQ_ERR_FORMAT;
    }
    *ret_bps = (uint64_t)llround(value * unit->factor);
    return 0;
}

void sq_quantity_pattern(enum sq_quantity quantity, struct sq_buf *out)
{
    const struct unit *units = quantity == SQ_QUANTITY_DURATION ? durations
                               : quantity == SQ_QUANTITY_RATE   ? rates
                                                                : bitrates;
    bool duration = units == durations; /* of several parts: 1m30s */
    sq_buf_puts(out, duration ? "(([0-9]+[.]?[0-9]*|[.][0-9]+)(" : "([0-9]+[.]?[0-9]*|[.][0-9]+)(");
    for (const struct unit *unit = units; unit->name; unit++) {
        sq_buf_printf(out, "%s%s", unit == units ? "" : "|", unit->name);
    }
    sq_buf_puts(out, duration ? "))+" : ")");
}

const char *sq_format_duration(uint64_t ns, char out[static 32])
{
    double sec = (double)ns / 1e9;
    if (ns < SQ_NS_PER_SEC) {
        snprintf(out, 32, "%.0fms", (double)ns / 1e6);
    } else if (sec < 60) {
        snprintf(out, 32, "%.3gs", sec);
    } else if (sec < 3600) {
        snprintf(out, 32, "%um%02us", (unsigned)sec / 60, (unsigned)sec % 60);
    } else {
        snprintf(out, 32, "%uh%02um", (unsigned)(sec / 3600), (unsigned)(sec / 60) % 60);
    }
    return out;
}

unsigned sq_edits(struct sq_view a, const char *b)
{
    enum { LONGEST = 40 };
    size_t b_len = strlen(b);
    if (a.len > LONGEST || b_len > LONGEST) {
        return 99;
    }
    unsigned row[LONGEST + 1];
    for (unsigned j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (unsigned i = 0; i < a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i + 1;
        for (unsigned j = 0; j < b_len; j++) {
            unsigned swap = diagonal + (a.at[i] != b[j]);
            unsigned drop = row[j + 1] + 1;
            unsigned insert = row[j] + 1;
            diagonal = row[j + 1];
            row[j + 1] = swap < drop ? swap : drop;
            row[j + 1] = insert < row[j + 1] ? insert : row[j + 1];
        }
    }
    return row[b_len];
}

/* A file of arrivals. Whatever it is given (a log of years, a device that never ends, bytes of
 * anything), it reads a bounded part of it and says what is wrong. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "scenario/shape.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINES_MAX     (2 * SQ_SHAPE_ARRIVALS_MAX) /* empty ones and comments, too */
#define TIMES_AT_ONCE 1024
#define SHOWN_MAX     40
#define SECONDS_MAX   10000000000ULL /* the year 2286, for seconds since 1970 */
#define EXPECTED      "expected seconds such as 12.5, or a time such as 2026-11-26T20:17:52Z"

/* All of a file are of one form: differences between two forms mean nothing. */
enum form { FORM_NONE, FORM_SECONDS, FORM_ZONED, FORM_LOCAL };

struct reader {
    const char *path;
    FILE *file;
    size_t line_no;
    char line[SQ_SHAPE_LINE_MAX + 1];
    size_t len;
    size_t column; /* of the times, from 0 */
    enum form form;
    uint64_t first_ns, last_ns;
    uint64_t *times_ns; /* owned until it is handed over */
    size_t times_len, times_room;
    char *why;
    size_t why_room;
};

static int wrong(struct reader *r, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static int wrong(struct reader *r, int err, const char *fmt, ...)
{
    char text[320];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *c = text; *c; c++) { /* it may hold a part of the file, and goes to a terminal */
        *c = (unsigned char)*c < ' ' || *c == 127 ? '?' : *c;
    }
    if (r->line_no > 0) {
        snprintf(r->why, r->why_room, "%.200s, line %zu: %s", r->path, r->line_no, text);
    } else {
        snprintf(r->why, r->why_room, "%.200s: %s", r->path, text);
    }
    return err;
}

/* ---- Lines ---- */

/* The next line without its end; *ret_end: there is none. */
static int read_line(struct reader *r, bool *ret_end)
{
    int c;
    r->len = 0;
    r->line_no++;
    while ((c = getc_unlocked(r->file)) != EOF && c != '\n') {
        if (c == '\0') {
            return wrong(r, SQ_ERR_FORMAT, "not a text: a byte 0 in it");
        }
        if (r->len == SQ_SHAPE_LINE_MAX) {
            return wrong(r, SQ_ERR_FORMAT, "longer than %d bytes: is it a file of arrivals?",
                         SQ_SHAPE_LINE_MAX);
        }
        r->line[r->len++] = (char)c;
    }
    if (c == EOF && ferror(r->file)) {
        r->line_no = 0;
        return wrong(r, SQ_ERR_IO, "%s", strerror(errno));
    }
    r->line[r->len] = '\0';
    *ret_end = c == EOF && r->len == 0;
    if (!*ret_end && r->line_no > LINES_MAX) {
        return wrong(r, SQ_ERR_FORMAT, "more than %d lines: does it ever end?", LINES_MAX);
    }
    return 0;
}

/* Cuts a field off (RFC 4180): with quotes, a comma may stand in it. */
static struct sq_view cut_field(struct sq_view *rest)
{
    struct sq_view trimmed = sq_view_trim(*rest);
    if (trimmed.len == 0 || trimmed.at[0] != '"') {
        return sq_view_trim(sq_view_cut(rest, ','));
    }
    const char *close = memchr(trimmed.at + 1, '"', trimmed.len - 1);
    if (!close) {
        return sq_view_trim(sq_view_cut(rest, ','));
    }
    struct sq_view field = {trimmed.at + 1, (size_t)(close - trimmed.at) - 1};
    struct sq_view after = {close + 1, trimmed.len - (size_t)(close + 1 - trimmed.at)};
    sq_view_cut(&after, ',');
    *rest = after;
    return sq_view_trim(field);
}

/* ---- Times ---- */

static bool take_digits(struct sq_view *v, size_t n, unsigned *ret_number)
{
    unsigned number = 0;
    for (size_t i = 0; i < n; i++) {
        if (v->len <= i || v->at[i] < '0' || v->at[i] > '9') {
            return false;
        }
        number = number * 10 + (unsigned)(v->at[i] - '0');
    }
    *v = (struct sq_view){v->at + n, v->len - n};
    *ret_number = number;
    return true;
}

static bool take(struct sq_view *v, const char *any_of)
{
    if (v->len == 0 || !strchr(any_of, v->at[0])) {
        return false;
    }
    *v = (struct sq_view){v->at + 1, v->len - 1};
    return true;
}

/* ".5", in ns; digits beyond them are dropped. */
static bool take_fraction(struct sq_view *v, uint64_t *ret_ns)
{
    uint64_t ns = 0;
    uint64_t unit_ns = SQ_NS_PER_SEC / 10;
    if (!take(v, ".")) {
        *ret_ns = 0;
        return true;
    }
    size_t n = 0;
    for (; n < v->len && v->at[n] >= '0' && v->at[n] <= '9'; n++) {
        ns += unit_ns * (uint64_t)(v->at[n] - '0');
        unit_ns /= 10;
    }
    *v = (struct sq_view){v->at + n, v->len - n};
    *ret_ns = ns;
    return n > 0;
}

/* Days since 1970-01-01 in the Gregorian calendar; the year begins in March, so that a leap day
 * comes last. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    uint64_t y = month > 2 ? year : year - 1;
    uint64_t m = month > 2 ? month - 3 : month + 9;
    uint64_t before_1970 = 719468;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - before_1970;
}

static unsigned days_in(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+01:00" or "+0100", in seconds east of Greenwich. */
static bool take_zone(struct sq_view *v, int *ret_east_s)
{
    unsigned hours;
    unsigned minutes;
    if (take(v, "Zz")) {
        *ret_east_s = 0;
        return true;
    }
    bool west = v->len > 0 && v->at[0] == '-';
    if (!take(v, "+-") || !take_digits(v, 2, &hours)) {
        return false;
    }
    take(v, ":");
    if (!take_digits(v, 2, &minutes) || hours > 14 || minutes > 59) {
        return false;
    }
    int east_s = (int)(hours * 3600 + minutes * 60);
    *ret_east_s = west ? -east_s : east_s;
    return true;
}

static bool parse_iso(struct sq_view v, enum form *ret_form, uint64_t *ret_ns)
{
    unsigned year;
    unsigned month;
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second;
    uint64_t ns;
    int east_s = 0;
    bool ok = take_digits(&v, 4, &year) && take(&v, "-") && take_digits(&v, 2, &month) &&
              take(&v, "-") && take_digits(&v, 2, &day) && take(&v, "Tt ") &&
              take_digits(&v, 2, &hour) && take(&v, ":") && take_digits(&v, 2, &minute) &&
              take(&v, ":") && take_digits(&v, 2, &second) && take_fraction(&v, &ns);
    if (!ok || year < 1971 || year > 2500 || month < 1 || month > 12 || day < 1 ||
        day > days_in(year, month) || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    bool zoned = v.len > 0;
    if (zoned && (!take_zone(&v, &east_s) || v.len > 0)) {
        return false;
    }
    uint64_t s =
        days_since_1970(year, month, day) * 86400 + hour * 3600ULL + minute * 60ULL + second;
    *ret_form = zoned ? FORM_ZONED : FORM_LOCAL;
    *ret_ns = (uint64_t)((int64_t)s - east_s) * SQ_NS_PER_SEC + ns;
    return true;
}

static bool parse_seconds(struct sq_view v, uint64_t *ret_ns)
{
    uint64_t s = 0;
    uint64_t ns;
    size_t n = 0;
    for (; n < v.len && v.at[n] >= '0' && v.at[n] <= '9'; n++) {
        s = s * 10 + (uint64_t)(v.at[n] - '0');
        if (s > SECONDS_MAX) {
            return false;
        }
    }
    v = (struct sq_view){v.at + n, v.len - n};
    if (n == 0 || !take_fraction(&v, &ns) || v.len > 0) {
        return false;
    }
    *ret_ns = s * SQ_NS_PER_SEC + ns;
    return true;
}

static bool parse_time(struct sq_view v, enum form *ret_form, uint64_t *ret_ns)
{
    if (parse_seconds(v, ret_ns)) {
        *ret_form = FORM_SECONDS;
        return true;
    }
    return parse_iso(v, ret_form, ret_ns);
}

/* ---- The file ---- */

static const char *form_name(enum form form)
{
    return form == FORM_SECONDS ? "seconds"
           : form == FORM_ZONED ? "a time with its zone"
                                : "a time without a zone";
}

static int keep(struct reader *r, uint64_t at_ns)
{
    if (r->times_len == SQ_SHAPE_ARRIVALS_MAX) {
        return wrong(r, SQ_ERR_FORMAT,
                     "more than %d arrivals: a run keeps the results of no more (does the file "
                     "ever end?)",
                     SQ_SHAPE_ARRIVALS_MAX);
    }
    if (r->times_len == r->times_room) {
        size_t room = r->times_room ? r->times_room * 2 : TIMES_AT_ONCE;
        uint64_t *times_ns = sq_realloc(r->times_ns, room * sizeof(*times_ns));
        if (!times_ns) {
            return wrong(r, SQ_ERR_NOMEM, "no memory");
        }
        r->times_ns = times_ns;
        r->times_room = room;
    }
    r->first_ns = r->times_len ? r->first_ns : at_ns;
    if (at_ns - r->first_ns > SQ_SHAPE_LENGTH_MAX_S * SQ_NS_PER_SEC) {
        return wrong(r, SQ_ERR_FORMAT, "more than a year after the first one");
    }
    r->last_ns = at_ns;
    r->times_ns[r->times_len++] = at_ns - r->first_ns;
    return 0;
}

static int take_time(struct reader *r, struct sq_view field)
{
    enum form form;
    uint64_t at_ns;
    int shown = (int)(field.len < SHOWN_MAX ? field.len : SHOWN_MAX);
    if (!parse_time(field, &form, &at_ns)) {
        return wrong(r, SQ_ERR_FORMAT, EXPECTED ", got '%.*s'", shown, field.at ? field.at : "");
    }
    if (r->form != FORM_NONE && form != r->form) {
        return wrong(r, SQ_ERR_FORMAT, "'%.*s' is %s: expected %s, as in the lines above", shown,
                     field.at, form_name(form), form_name(r->form));
    }
    r->form = form;
    if (r->times_len > 0 && at_ns < r->last_ns) {
        return wrong(r, SQ_ERR_FORMAT,
                     "'%.*s' is before the line above: expected the times in order (sort the file "
                     "first)",
                     shown, field.at);
    }
    return keep(r, at_ns);
}

/* Finds the column of times; *ret_header: the line is a header, and no arrival. */
static int take_first(struct reader *r, bool *ret_header)
{
    struct sq_view rest = {r->line, r->len};
    struct sq_view first = {0};
    size_t fields = 0;
    for (; rest.at; fields++) {
        struct sq_view field = cut_field(&rest);
        first = fields == 0 ? field : first;
        if (sq_view_is_nocase(field, "time")) {
            r->column = fields;
            *ret_header = true;
            return 0;
        }
    }
    enum form form;
    uint64_t at_ns;
    bool is_time = parse_time(first, &form, &at_ns);
    if (fields > 1 || !is_time) {
        return wrong(r, SQ_ERR_FORMAT, "%s, or a header with a column 'time', got '%.*s'",
                     fields > 1 ? "expected a time alone" : EXPECTED,
                     (int)(r->len < SHOWN_MAX ? r->len : SHOWN_MAX), r->line);
    }
    *ret_header = false;
    return 0;
}

static int take_line(struct reader *r, bool *first)
{
    struct sq_view rest = {r->line, r->len};
    bool header = false;
    if (sq_view_starts(rest, "\xef\xbb\xbf")) { /* a byte order mark */
        memmove(r->line, r->line + 3, r->len - 2);
        rest.len = r->len -= 3;
    }
    struct sq_view text = sq_view_trim(rest);
    if (text.len == 0 || text.at[0] == '#') {
        return 0;
    }
    if (*first) {
        int err = take_first(r, &header);
        *first = false;
        if (err || header) {
            return err;
        }
    }
    struct sq_view field = {0};
    for (size_t i = 0; i <= r->column; i++) {
        if (!rest.at) {
            return wrong(r, SQ_ERR_FORMAT, "expected %zu columns at least, as the header has",
                         r->column + 1);
        }
        field = cut_field(&rest);
    }
    return take_time(r, field);
}

static int read_all(struct reader *r)
{
    bool end = false;
    bool first = true;
    while (!end) {
        int err = read_line(r, &end);
        err = err || end ? err : take_line(r, &first);
        if (err) {
            return err;
        }
    }
    r->line_no = 0;
    return r->times_len > 0 ? 0 : wrong(r, SQ_ERR_FORMAT, "no arrivals in it: " EXPECTED);
}

static int open_file(struct reader *r)
{
    struct stat info;
    r->file = fopen(r->path, "re");
    if (!r->file || fstat(fileno(r->file), &info) != 0) {
        return wrong(r, SQ_ERR_IO, "%s", strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        return wrong(r, SQ_ERR_IO, "a folder: expected a file of arrivals");
    }
    return 0;
}

int sq_shape_read(const char *path, struct sq_shape *ret_shape, char *why, size_t why_room)
{
    struct reader *r = sq_zalloc(sizeof(*r));
    if (!r) {
        snprintf(why, why_room, "%.200s: no memory", path);
        return SQ_ERR_NOMEM;
    }
    r->path = path;
    r->why = why;
    r->why_room = why_room;
    int err = open_file(r);
    err = err ? err : read_all(r);
    if (!err) {
        *ret_shape = (struct sq_shape){
            .kind = SQ_SHAPE_TIMES, .times_ns = r->times_ns, .times_len = r->times_len};
        r->times_ns = NULL;
    }
    if (r->file) {
        fclose(r->file);
    }
    sq_free(r->times_ns);
    sq_free(r);
    return err;
}

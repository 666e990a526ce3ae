#include "scenario/users.h"

#include "base/mem.h"
#include "base/rand.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char asks[] = "${user.";

struct sq_users {
    char *text;          /* the file; values are cut out of it, each ended by a NUL */
    const char **values; /* of the head, and then of each row */
    size_t n, room;
    size_t columns;
    unsigned *lines; /* owned: of the head, and then of each row */
    size_t lines_len, lines_room;
};

struct reader {
    struct sq_users *users;
    char *at, *end;  /* what is to be read */
    char *line_from; /* of the line that is read */
    unsigned line;
    struct sq_yaml_error *error;
};

static int refuse(struct reader *r, const char *at, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(struct reader *r, const char *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error->message, sizeof(r->error->message), fmt, args);
    va_end(args);
    r->error->at = (struct sq_yaml_place){r->line, 1};
    for (const char *p = r->line_from; p < at; p++) {
        r->error->at.column += ((unsigned char)*p & 0xc0) != 0x80;
    }
    return SQ_ERR_FORMAT;
}

static int add_value(struct sq_users *users, const char *value)
{
    if (users->n == users->room) {
        size_t room = users->room ? 2 * users->room : 64;
        void *values = sq_realloc(users->values, room * sizeof(*users->values));
        if (!values) {
            return SQ_ERR_NOMEM;
        }
        users->values = values;
        users->room = room;
    }
    users->values[users->n++] = value;
    return 0;
}

static int add_line(struct sq_users *users, unsigned line)
{
    if (users->lines_len == users->lines_room) {
        size_t room = users->lines_room ? 2 * users->lines_room : 64;
        unsigned *lines = sq_realloc(users->lines, room * sizeof(*lines));
        if (!lines) {
            return SQ_ERR_NOMEM;
        }
        users->lines = lines;
        users->lines_room = room;
    }
    users->lines[users->lines_len++] = line;
    return 0;
}

/* "a ""quoted"" value", at its first quote: *ret_last is where its end is to be written. */
static int read_quoted(struct reader *r, char **ret_value, char **ret_last)
{
    char *begin = r->at;
    char *to = ++r->at;
    *ret_value = to;
    for (; r->at < r->end; r->at++) {
        if (*r->at == '"' && (r->at + 1 == r->end || r->at[1] != '"')) {
            r->at++;
            *ret_last = to;
            return 0;
        }
        r->at += *r->at == '"';
        if (*r->at == '\n') {
            return refuse(r, begin, "a quoted value that does not end in its line");
        }
        *to++ = *r->at;
    }
    return refuse(r, begin, "a quoted value that does not end");
}

/* One value; *ret_end: it was the last one of its line. */
static int read_value(struct reader *r, bool *ret_end)
{
    char *value = r->at;
    char *last = NULL;
    if (r->at < r->end && *r->at == '"') {
        int err = read_quoted(r, &value, &last);
        if (err) {
            return err;
        }
    } else {
        while (r->at < r->end && *r->at != ',' && *r->at != '\n' && *r->at != '\r') {
            r->at++;
        }
        last = r->at;
    }
    char *behind = r->at;
    if (behind < r->end && *behind == '\r' && (behind + 1 == r->end || behind[1] == '\n')) {
        r->at++;
    }
    if (r->at < r->end && *r->at != '\n' && *behind != ',') {
        return refuse(r, behind, "expected a comma or the end of the line behind a value");
    }
    *ret_end = r->at >= r->end || *r->at == '\n';
    r->at++;
    *last = '\0'; /* within the text, or right behind it */
    return add_value(r->users, value);
}

static int read_line(struct reader *r)
{
    struct sq_users *users = r->users;
    size_t before = users->n;
    bool end = false;
    r->line_from = r->at;
    while (!end) {
        if (users->n - before == SQ_USERS_COLUMNS_MAX) {
            return refuse(r, r->at, "more than %d columns", SQ_USERS_COLUMNS_MAX);
        }
        int err = read_value(r, &end);
        if (err) {
            return err;
        }
    }
    size_t found = users->n - before;
    users->columns = before == 0 ? found : users->columns;
    if (found != users->columns) {
        return refuse(r, r->line_from, "%zu value%s; expected %zu, as in the first line", found,
                      found == 1 ? "" : "s", users->columns);
    }
    return 0;
}

static int check_head(struct reader *r)
{
    const struct sq_users *users = r->users;
    for (size_t i = 0; i < users->columns; i++) {
        const char *name = users->values[i];
        if (name[0] == '\0' || strpbrk(name, "{}$") || strlen(name) >= 64) {
            return refuse(r, r->line_from, "column %zu: expected a name of 1 to 63 bytes", i + 1);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(name, users->values[k]) == 0) {
                return refuse(r, r->line_from, "two columns are called '%s'", name);
            }
        }
    }
    return 0;
}

static int read_lines(struct reader *r)
{
    while (r->at < r->end) {
        bool blank = *r->at == '\n' || (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n');
        r->line++;
        if (blank) {
            r->at += *r->at == '\r' ? 2 : 1;
            continue;
        }
        bool head = r->users->n == 0;
        int err = read_line(r);
        err = err || !head ? err : check_head(r);
        err = err ? err : add_line(r->users, r->line);
        if (err) {
            return err;
        }
        if (sq_users_rows(r->users) > SQ_USERS_ROWS_MAX) {
            return refuse(r, r->line_from, "more than %d rows", SQ_USERS_ROWS_MAX);
        }
    }
    r->line_from = r->at;
    if (r->users->columns == 0 || sq_users_rows(r->users) == 0) {
        r->line = 1;
        return refuse(r, r->line_from,
                      "no row; expected names of columns, and a line for each user");
    }
    return 0;
}

static int refuse_nul(struct reader *r, const char *nul)
{
    r->line = 1;
    for (char *p = r->line_from; p < nul; p++) {
        if (*p == '\n') {
            r->line++;
            r->line_from = p + 1;
        }
    }
    return refuse(r, nul, "a NUL character");
}

int sq_users_parse(const char *text, size_t len, struct sq_users **ret_users,
                   struct sq_yaml_error *ret_error)
{
    struct sq_users *users = sq_zalloc(sizeof(*users));
    struct reader r = {.users = users, .error = ret_error};
    if (!users || !(users->text = sq_malloc(len + 1))) {
        sq_users_free(users);
        return SQ_ERR_NOMEM;
    }
    memcpy(users->text, text, len);
    users->text[len] = '\0';
    r.at = r.line_from = users->text;
    r.end = users->text + len;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* as some tables write it */
        r.at += 3;
    }
    const char *nul = memchr(users->text, '\0', len);
    int err = nul ? refuse_nul(&r, nul) : read_lines(&r);
    if (err) {
        sq_users_free(users);
        return err;
    }
    *ret_users = users;
    return 0;
}

static int read_file(const char *file, struct sq_buf *out)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return SQ_ERR_IO;
    }
    char bytes[16384];
    ssize_t n;
    do {
        n = read(fd, bytes, sizeof(bytes));
        if (n > 0) {
            sq_buf_add(out, bytes, (size_t)n);
        }
    } while ((n > 0 && !out->err && out->len <= SQ_USERS_SIZE_MAX) || (n < 0 && errno == EINTR));
    int saved = out->len > SQ_USERS_SIZE_MAX ? EFBIG : errno;
    close(fd);
    errno = saved;
    return n < 0 || out->len > SQ_USERS_SIZE_MAX ? SQ_ERR_IO : out->err;
}

int sq_users_load(const char *file, struct sq_users **ret_users, struct sq_yaml_error *ret_error)
{
    struct sq_buf text = {0};
    int err = read_file(file, &text);
    if (err == SQ_ERR_IO) {
        ret_error->at = (struct sq_yaml_place){0};
        snprintf(ret_error->message, sizeof(ret_error->message), "%s", strerror(errno));
    }
    err = err ? err : sq_users_parse(text.text ? text.text : "", text.len, ret_users, ret_error);
    sq_buf_free(&text);
    return err;
}

void sq_users_free(struct sq_users *users)
{
    if (users) {
        sq_free(users->text);
        sq_free(users->values);
        sq_free(users->lines);
        sq_free(users);
    }
}

uint64_t sq_users_rows(const struct sq_users *users)
{
    return users->columns ? users->n / users->columns - 1 : 0;
}

unsigned sq_users_line(const struct sq_users *users, uint64_t row)
{
    return users->lines[row + 1];
}

const char *const sq_users_orders[] = {"sequential", "random", "unique", NULL};

int sq_users_order_parse(const char *text, enum sq_users_order *ret_order)
{
    for (size_t i = 0; sq_users_orders[i]; i++) {
        if (strcmp(text, sq_users_orders[i]) == 0) {
            *ret_order = (enum sq_users_order)i;
            return 0;
        }
    }
    return SQ_ERR_FORMAT;
}

uint64_t sq_users_row(const struct sq_users *users, enum sq_users_order order, uint64_t seed,
                      uint64_t index)
{
    struct sq_rand rand;
    uint64_t rows = sq_users_rows(users);
    if (rows == 0) {
        return 0; /* there is one at least */
    }
    if (order != SQ_USERS_RANDOM) {
        return index % rows;
    }
    sq_rand_seed(&rand,
                 seed ^ (index * 0x9e3779b97f4a7c15ULL)); /* of a user by itself, in any shard */
    return sq_rand_below(&rand, (uint32_t)rows);
}

bool sq_users_asked(const char *text)
{
    return text && strstr(text, asks) != NULL;
}

size_t sq_users_columns(const struct sq_users *users)
{
    return users->columns;
}

const char *sq_users_value(const struct sq_users *users, uint64_t row, size_t column)
{
    return users->values[(row + 1) * users->columns + column];
}

int sq_users_put(const struct sq_users *users, uint64_t row, const char *text, struct sq_buf *out,
                 char ret_column[static 64])
{
    for (const char *at = strstr(text, asks); at; at = strstr(text, asks)) {
        const char *name = at + sizeof(asks) - 1;
        size_t len = strcspn(name, "}");
        size_t column = 0;
        while (column < users->columns && (strlen(users->values[column]) != len ||
                                           memcmp(users->values[column], name, len) != 0)) {
            column++;
        }
        if (name[len] != '}' || column == users->columns) {
            snprintf(ret_column, 64, "%.*s", (int)(len < 63 ? len : 63), name);
            return SQ_ERR_NOTFOUND;
        }
        sq_buf_add(out, text, (size_t)(at - text));
        sq_buf_puts(out, users->values[(row + 1) * users->columns + column]);
        text = name + len + 1;
    }
    sq_buf_puts(out, text);
    return out->err;
}

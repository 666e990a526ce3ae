#include "run/ledger.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_ROWS 32 /* written in one go */

struct entry {
    uint64_t index;
    struct sq_peer_row row;
};

struct kept_trace {
    uint64_t index;
    struct sq_peer_trace trace;
};

struct sq_ledger {
    int fd;           /* -1: none yet, or there can be none */
    size_t written;   /* entries in the file; those of `buffer` follow */
    bool memory_only; /* the file took no more */
    struct entry *buffer;
    size_t buffer_len, buffer_room;
    struct kept_trace *traces; /* in order of arrival */
    size_t traces_len, traces_room;
};

int sq_ledger_create(struct sq_ledger **ret_ledger)
{
    struct sq_ledger *ledger = sq_zalloc(sizeof(*ledger));
    if (!ledger) {
        return SQ_ERR_NOMEM;
    }
    ledger->fd = -1;
    ledger->buffer_room = BUFFER_ROWS;
    ledger->buffer = sq_malloc(BUFFER_ROWS * sizeof(struct entry));
    if (!ledger->buffer) {
        sq_free(ledger);
        return SQ_ERR_NOMEM;
    }
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
    if (ledger->fd >= 0) {
        close(ledger->fd);
    }
    sq_free(ledger->traces);
    sq_free(ledger->buffer);
    sq_free(ledger);
}

/* ---- The file ---- */

static int open_unnamed(void)
{
    const char *folder = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe) */
    folder = folder && folder[0] ? folder : "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
        return fd;
    }
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/squall-XXXXXX", folder);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

static bool write_all(int fd, const void *data, size_t len, off_t at)
{
    const char *bytes = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
        at += n;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t len, off_t at)
{
    char *bytes = data;
    while (len > 0) {
        ssize_t n = pread(fd, bytes, len, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
        at += n;
    }
    return true;
}

static off_t place(size_t entry)
{
    return (off_t)(entry * sizeof(struct entry));
}

/* Makes room in the buffer: by the file, or where that fails by more memory. */
static int make_room(struct sq_ledger *ledger)
{
    if (ledger->buffer_len < ledger->buffer_room) {
        return 0;
    }
    if (!ledger->memory_only) {
        ledger->fd = ledger->fd >= 0 ? ledger->fd : open_unnamed();
        if (ledger->fd >= 0 &&
            write_all(ledger->fd, ledger->buffer, ledger->buffer_len * sizeof(struct entry),
                      place(ledger->written))) {
            ledger->written += ledger->buffer_len;
            ledger->buffer_len = 0;
            return 0;
        }
        ledger->memory_only = true;
    }
    size_t room = ledger->buffer_room * 2;
    struct entry *grown = sq_realloc(ledger->buffer, room * sizeof(*grown));
    if (!grown) {
        return SQ_ERR_NOMEM;
    }
    ledger->buffer = grown;
    ledger->buffer_room = room;
    return 0;
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
    if (ledger->traces_len == ledger->traces_room || ledger->traces_len == SQ_RESULT_TRACES_MAX) {
        sq_trace_clear(trace);
        return;
    }
    ledger->traces[ledger->traces_len++] = (struct kept_trace){.index = index, .trace = *trace};
    memset(trace, 0, sizeof(*trace));
}

int sq_ledger_add(struct sq_ledger *ledger, uint64_t index, const struct sq_peer_row *row,
                  struct sq_peer_trace *trace)
{
    int err = make_room(ledger);
    if (err) {
        return err;
    }
    ledger->buffer[ledger->buffer_len++] = (struct entry){.index = index, .row = *row};
    if (trace) {
        keep_trace(ledger, index, trace);
    }
    return 0;
}

size_t sq_ledger_count(const struct sq_ledger *ledger)
{
    return ledger->written + ledger->buffer_len;
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

static int read_entry(const struct sq_ledger *ledger, size_t i, struct entry *ret_entry)
{
    if (i >= ledger->written) {
        *ret_entry = ledger->buffer[i - ledger->written];
        return 0;
    }
    return read_all(ledger->fd, ret_entry, sizeof(*ret_entry), place(i)) ? 0 : SQ_ERR_IO;
}

static int list_sources(struct sq_ledger *const *ledgers, size_t n, struct source *sources)
{
    size_t at = 0;
    for (size_t l = 0; l < n; l++) {
        for (size_t i = 0; i < sq_ledger_count(ledgers[l]); i++) {
            struct entry entry;
            int err = read_entry(ledgers[l], i, &entry);
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
    int err = read_entry(source->ledger, source->entry, &entry);
    struct sq_peer_row *row = err ? NULL : sq_result_add_peer(result);
    if (!row) {
        return err ? err : SQ_ERR_NOMEM;
    }
    *row = entry.row;
    return 0;
}

/* `sources` tells each index's row, counted from `first` of the result. */
static void move_traces(struct sq_ledger *ledger, const struct source *sources, size_t n,
                        size_t first, struct sq_result *result)
{
    for (size_t i = 0; i < ledger->traces_len; i++) {
        const struct source key = {.index = ledger->traces[i].index};
        const struct source *found = bsearch(&key, sources, n, sizeof(key), by_index);
        size_t peer = found ? first + (size_t)(found - sources) : 0;
        struct sq_peer_trace *to = found ? sq_result_add_trace(result, peer) : NULL;
        if (to) { /* past the table's end there is just no dump of this one */
            *to = ledger->traces[i].trace;
            to->peer = peer;
            memset(&ledger->traces[i].trace, 0, sizeof(ledger->traces[i].trace));
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
    for (size_t l = 0; l < n && !err; l++) {
        move_traces(ledgers[l], sources, total, first, result);
    }
    sq_free(sources);
    return err;
}

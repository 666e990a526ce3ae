#include "run/spool.h"

#include "base/io.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sq_spool {
    size_t record_bytes;
    int fd;           /* -1: none yet, or there can be none */
    size_t written;   /* records in the file; those of `buffer` follow */
    bool memory_only; /* the file took no more */
    char *buffer;
    size_t buffer_len, buffer_room; /* in records */
};

int sq_spool_create(size_t record_bytes, size_t in_one_go, struct sq_spool **ret_spool)
{
    struct sq_spool *spool = sq_zalloc(sizeof(*spool));
    if (!spool) {
        return SQ_ERR_NOMEM;
    }
    *spool = (struct sq_spool){.record_bytes = record_bytes, .fd = -1, .buffer_room = in_one_go};
    spool->buffer = sq_malloc(in_one_go * record_bytes);
    if (!spool->buffer) {
        sq_free(spool);
        return SQ_ERR_NOMEM;
    }
    *ret_spool = spool;
    return 0;
}

void sq_spool_destroy(struct sq_spool *spool)
{
    if (!spool) {
        return;
    }
    if (spool->fd >= 0) {
        close(spool->fd);
    }
    sq_free(spool->buffer);
    sq_free(spool);
}

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

static uint64_t place(const struct sq_spool *spool, size_t i)
{
    return i * spool->record_bytes;
}

static char *buffered(const struct sq_spool *spool, size_t i)
{
    return spool->buffer + i * spool->record_bytes;
}

/* Makes room in the buffer: by the file, or where that fails by more memory. */
static int make_room(struct sq_spool *spool)
{
    if (spool->buffer_len < spool->buffer_room) {
        return 0;
    }
    if (!spool->memory_only) {
        spool->fd = spool->fd >= 0 ? spool->fd : open_unnamed();
        if (spool->fd >= 0 &&
            sq_io_write_at(spool->fd, spool->buffer, spool->buffer_len * spool->record_bytes,
                           place(spool, spool->written)) == 0) {
            spool->written += spool->buffer_len;
            spool->buffer_len = 0;
            return 0;
        }
        spool->memory_only = true;
    }
    size_t room = spool->buffer_room * 2;
    char *grown = sq_realloc(spool->buffer, room * spool->record_bytes);
    if (!grown) {
        return SQ_ERR_NOMEM;
    }
    spool->buffer = grown;
    spool->buffer_room = room;
    return 0;
}

int sq_spool_add(struct sq_spool *spool, const void *record)
{
    int err = make_room(spool);
    if (err) {
        return err;
    }
    memcpy(buffered(spool, spool->buffer_len++), record, spool->record_bytes);
    return 0;
}

size_t sq_spool_count(const struct sq_spool *spool)
{
    return spool->written + spool->buffer_len;
}

int sq_spool_read(const struct sq_spool *spool, size_t i, void *ret_record)
{
    if (i >= spool->written) {
        memcpy(ret_record, buffered(spool, i - spool->written), spool->record_bytes);
        return 0;
    }
    return sq_io_read_at(spool->fd, ret_record, spool->record_bytes, place(spool, i));
}

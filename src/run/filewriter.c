#include "run/filewriter.h"

#include "base/io.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not waiting for the reader of a FIFO; of files the flag says nothing. */
#define FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK)

/* A piece of work for the thread. */
struct block {
    struct block *next;
    struct sq_file *file;
    uint64_t at;
    size_t len;
    bool close; /* the last of its file */
    uint8_t bytes[];
};

struct sq_filewriter {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work, idle;
    struct block *first, **last;
    size_t waiting, max_bytes; /* bytes in blocks; the most */
    bool stopping, busy;
    struct sq_filewriter_stats stats;
};

struct sq_file {
    struct sq_filewriter *writer;
    int fd;
    uint64_t end;        /* appended so far, by its owner */
    uint64_t head;       /* bytes of its head; its owner's, as is the next */
    uint64_t least;      /* bytes up to the end of its first item; 0: it has none */
    struct block *block; /* the one that is being filled; NULL: none yet. Its owner's. */
    struct block *last;  /* closes it: made with it, so that closing cannot fail */
    bool broken;         /* under the writer's lock */
    bool ended;          /* its owner knows that it is broken */
    char path[];
};

/* ---- The thread ---- */

static void name_other(struct sq_filewriter_stats *stats, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t len = strlen(stats->others);
    size_t room = sizeof(stats->others) - len;
    if (stats->named < SQ_FILEWRITER_NAMED && strlen(name) + 3 < room) {
        snprintf(stats->others + len, room, "%s%s", len ? ", " : "", name);
        stats->named++;
    }
}

static void blame(struct sq_file *file, const char *why)
{
    struct sq_filewriter *w = file->writer;
    if (!file->broken) {
        file->broken = true;
        w->stats.broken++;
        if (!w->stats.problem[0]) {
            snprintf(w->stats.problem, sizeof(w->stats.problem), "%.160s: %s", file->path, why);
        } else {
            name_other(&w->stats, file->path);
        }
    }
}

/* What became of a file when it is closed. */
struct ending {
    bool gone;    /* it has no name any more, so that nobody will find it */
    bool removed; /* here: it is broken, and ends before anything that could be played */
    uint64_t bytes;
};

/* Only what is still the file that was made is removed. */
static bool remove_useless(const struct sq_file *file, const struct stat *st)
{
    struct stat named;
    uint64_t size = (uint64_t)st->st_size;
    bool useless = size == 0 || size < file->least || (file->head > 0 && file->least == 0);
    return useless && lstat(file->path, &named) == 0 && named.st_ino == st->st_ino &&
           named.st_dev == st->st_dev && unlink(file->path) == 0;
}

static struct ending end_file(const struct sq_file *file, bool broken)
{
    struct ending ending = {.bytes = 0};
    struct stat st;
    if (fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        ending.gone = st.st_nlink == 0;
        ending.removed = broken && !ending.gone && remove_useless(file, &st);
        ending.bytes = ending.gone || ending.removed ? 0 : (uint64_t)st.st_size;
    }
    return ending;
}

static void count(struct sq_filewriter_stats *stats, bool broken, const struct ending *ending)
{
    stats->whole += !broken;
    stats->partial += broken && !ending->gone && !ending->removed;
    stats->bytes += ending->bytes;
}

static void serve(struct sq_filewriter *w, struct block *block)
{
    struct sq_file *file = block->file;
    struct ending ending = {.gone = false};
    bool broken = file->broken;
    pthread_mutex_unlock(&w->lock);
    bool good = broken || sq_io_write_at(file->fd, block->bytes, block->len, block->at) == 0;
    int failed = good ? 0 : errno;
    if (block->close) {
        ending = end_file(file, broken || failed);
        if (close(file->fd) != 0 && !failed && !broken) {
            failed = errno;
        }
    }
    pthread_mutex_lock(&w->lock);
    w->waiting -= block->len;
    if (failed) {
        blame(file, strerror(failed));
    } else if (ending.gone) {
        blame(file, "it was removed while it was written");
    }
    if (block->close) {
        count(&w->stats, file->broken, &ending);
        sq_free(file);
    }
    sq_free(block);
}

static void *run(void *ctx)
{
    struct sq_filewriter *w = ctx;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct block *block = w->first;
        if (block) {
            w->first = block->next;
            w->last = w->first ? w->last : &w->first;
            w->busy = true;
            serve(w, block);
            w->busy = false;
        } else if (w->stopping) {
            break;
        } else {
            pthread_cond_broadcast(&w->idle);
            pthread_cond_wait(&w->work, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int sq_filewriter_new(size_t max_bytes, struct sq_filewriter **ret_writer)
{
    struct sq_filewriter *w = sq_zalloc(sizeof(*w));
    if (!w) {
        return SQ_ERR_NOMEM;
    }
    w->max_bytes = max_bytes ? max_bytes : SQ_FILEWRITER_DEFAULT;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->idle, NULL);
    int failed = pthread_create(&w->thread, NULL, run, w);
    if (failed) {
        sq_free(w);
        errno = failed;
        return SQ_ERR_IO;
    }
    *ret_writer = w;
    return 0;
}

void sq_filewriter_free(struct sq_filewriter *w)
{
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->idle);
    sq_free(w);
}

void sq_filewriter_get_stats(struct sq_filewriter *w, struct sq_filewriter_stats *ret_stats)
{
    pthread_mutex_lock(&w->lock);
    *ret_stats = w->stats;
    pthread_mutex_unlock(&w->lock);
}

void sq_filewriter_drain(struct sq_filewriter *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->first || w->busy) {
        pthread_cond_wait(&w->idle, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- Files ---- */

static struct block *new_block(struct sq_file *file, uint64_t at, size_t room)
{
    struct block *block = sq_malloc(sizeof(*block) + room);
    if (block) {
        *block = (struct block){.file = file, .at = at};
    }
    return block;
}

int sq_file_new(struct sq_filewriter *writer, const char *path, struct sq_file **ret_file)
{
    size_t len = strlen(path);
    struct sq_file *file = sq_zalloc(sizeof(*file) + len + 1);
    if (!file) {
        return SQ_ERR_NOMEM;
    }
    memcpy(file->path, path, len + 1);
    file->writer = writer;
    file->last = new_block(file, 0, 0);
    file->fd = !file->last ? -1 : open(path, FLAGS, 0666);
    if (file->fd < 0) {
        int err = file->last ? SQ_ERR_IO : SQ_ERR_NOMEM;
        int saved = errno;
        pthread_mutex_lock(&writer->lock);
        blame(file, err == SQ_ERR_IO ? strerror(saved) : "no memory");
        pthread_mutex_unlock(&writer->lock);
        sq_free(file->last);
        sq_free(file);
        errno = saved;
        return err;
    }
    pthread_mutex_lock(&writer->lock);
    writer->stats.files++;
    pthread_mutex_unlock(&writer->lock);
    *ret_file = file;
    return 0;
}

/* Hands the block over, or drops it where too much waits: from then on the file has ended. */
static void submit(struct sq_file *file, struct block *block)
{
    struct sq_filewriter *w = file->writer;
    pthread_mutex_lock(&w->lock);
    if (!file->broken && w->waiting + block->len > w->max_bytes) {
        blame(file, "the disk did not keep up");
    }
    file->ended = file->broken;
    if (file->broken && !block->close) {
        sq_free(block);
    } else {
        block->len = file->broken ? 0 : block->len;
        w->waiting += block->len;
        *w->last = block;
        w->last = &block->next;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
}

static void out_of_memory(struct sq_file *file)
{
    pthread_mutex_lock(&file->writer->lock);
    blame(file, "no memory");
    pthread_mutex_unlock(&file->writer->lock);
    file->ended = true;
}

void sq_file_append(struct sq_file *file, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    while (len > 0 && !file->ended) {
        if (!file->block) {
            file->block = new_block(file, file->end, SQ_FILEWRITER_BLOCK);
            if (!file->block) {
                out_of_memory(file);
                return;
            }
        }
        size_t room = SQ_FILEWRITER_BLOCK - file->block->len;
        size_t n = len < room ? len : room;
        memcpy(file->block->bytes + file->block->len, from, n);
        file->block->len += n;
        file->end += n;
        from += n;
        len -= n;
        if (n == room) {
            sq_file_flush(file);
        }
    }
}

void sq_file_patch(struct sq_file *file, uint64_t at, const void *bytes, size_t len)
{
    struct block *open = file->block;
    if (file->ended || len > SQ_FILEWRITER_PATCH || at + len > file->end) {
        return;
    }
    if (open && at >= open->at) {
        memcpy(open->bytes + (at - open->at), bytes, len);
        return;
    }
    sq_file_flush(file); /* it may reach into the open block */
    struct block *block = new_block(file, at, len);
    if (!block) {
        out_of_memory(file);
        return;
    }
    memcpy(block->bytes, bytes, len);
    block->len = len;
    submit(file, block);
}

void sq_file_head(struct sq_file *file)
{
    file->head = file->end;
}

void sq_file_item(struct sq_file *file)
{
    if (file->least == 0 && file->end > file->head) {
        file->least = file->end;
    }
}

void sq_file_flush(struct sq_file *file)
{
    struct block *block = file->block;
    file->block = NULL;
    if (block) {
        submit(file, block);
    }
}

void sq_file_close(struct sq_file *file)
{
    if (!file) {
        return;
    }
    sq_file_flush(file);
    file->last->close = true;
    submit(file, file->last);
}

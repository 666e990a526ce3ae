/* Files written beside the packet path: their owners append in a loop's thread, which copies the
 * bytes and no more; a thread of its own writes them in blocks. What waits is bounded: where the
 * disk does not keep up, or fails, a file ends there (it is never written with a hole), and its
 * owner is told.
 *
 * A file belongs to one thread at a time; a writer serves the files of many. */
#ifndef SQ_RUN_FILEWRITER_H
#define SQ_RUN_FILEWRITER_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_FILEWRITER_BLOCK   (64 * 1024)
#define SQ_FILEWRITER_DEFAULT (64 * 1024 * 1024) /* bytes that may wait, of all files together */
#define SQ_FILEWRITER_PATCH   16                 /* bytes of a patch */
#define SQ_FILEWRITER_NAMED   3                  /* files that are named beside the first one */

struct sq_filewriter;
struct sq_file;

/* max_bytes 0: SQ_FILEWRITER_DEFAULT. SQ_ERR_NOMEM; SQ_ERR_IO with errno. */
int sq_filewriter_new(size_t max_bytes, struct sq_filewriter **ret_writer) SQ_MUST_USE;
/* Writes what waits, and ends the thread. After the last sq_file_close. NULL is allowed. */
void sq_filewriter_free(struct sq_filewriter *writer);

struct sq_filewriter_stats {
    uint64_t files, broken;  /* made; incomplete, or not there at all */
    uint64_t whole, partial; /* closed and written; of those that are broken: there in part */
    uint64_t bytes;          /* of those that are there */
    uint64_t named;          /* of the broken: they stand in `others` */
    char problem[256];       /* the first: "/x/y.webm: No space left on device"; "" */
    char others[224];        /* names of further ones, with commas */
};
/* Of files that are closed and written; whole after sq_filewriter_drain. */
void sq_filewriter_get_stats(struct sq_filewriter *writer, struct sq_filewriter_stats *ret_stats);
/* Waits until all that was appended and closed so far is written. */
void sq_filewriter_drain(struct sq_filewriter *writer);

/* Makes the file (an older one is replaced). SQ_ERR_IO with errno, SQ_ERR_NOMEM. */
int sq_file_new(struct sq_filewriter *writer, const char *path,
                struct sq_file **ret_file) SQ_MUST_USE;
void sq_file_append(struct sq_file *file, const void *bytes, size_t len);
/* Bytes written before are replaced; at most SQ_FILEWRITER_PATCH. */
void sq_file_patch(struct sq_file *file, uint64_t at, const void *bytes, size_t len);
/* Which part of it is of any use by itself: all that was appended so far is its head; and behind
 * the head a first item is whole (later ones change nothing). A broken file that ends before its
 * first item, or is empty, is removed. */
void sq_file_head(struct sq_file *file);
void sq_file_item(struct sq_file *file);
/* Hands over what a block holds so far: once a second, so that a crash costs no more. */
void sq_file_flush(struct sq_file *file);
/* NULL is allowed. */
void sq_file_close(struct sq_file *file);

#endif

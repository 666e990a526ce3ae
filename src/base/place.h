/* The place that a file is to be written to: what stands there decides how. */
#ifndef SQ_BASE_PLACE_H
#define SQ_BASE_PLACE_H

#include "base/err.h"
#include <stdbool.h>
#include <sys/types.h>

#define SQ_PLACE_PATH_MAX 4096

enum sq_place_kind {
    SQ_PLACE_FILE,    /* a regular file, or nothing yet: written beside it and renamed into it */
    SQ_PLACE_FIFO,    /* written to as it is: never replaced */
    SQ_PLACE_SPECIAL, /* a device or a socket: the same */
    SQ_PLACE_FOLDER,
};

struct sq_place {
    enum sq_place_kind kind;
    char
        path[SQ_PLACE_PATH_MAX]; /* of a file: with its links followed, what a rename may replace */
};

/* Links are followed to their end, which need not be there. SQ_ERR_IO with errno: ELOOP,
 * ENAMETOOLONG, EACCES and the like. */
int sq_place_find(const char *path, struct sq_place *ret_place) SQ_MUST_USE;

/* Opens what is written to as it is (a FIFO, a device) and never waits for another process: a FIFO
 * that nobody reads is SQ_ERR_IO with errno ENXIO. Writing waits, as usual. SQ_ERR_IO with errno.
 */
int sq_place_open(const char *path, int *ret_fd) SQ_MUST_USE;

/* Whether who writes there may have to wait for a reader: anything but a file (nobody
 * writes to a folder); "-", which is standard output, too. */
bool sq_place_waits(const char *path);
/* Makes a folder and those above it, as far as they are not there. SQ_ERR_IO with errno; ret_failed
 * is then the one that could not be made, cut where it is longer. */
int sq_place_make_folders(const char *dir, char ret_failed[static SQ_PLACE_PATH_MAX]) SQ_MUST_USE;
/* Whether a file can be made beside `path` (a name in the same folder, a little longer): makes one
 * and deletes it, as permissions alone do not tell. SQ_ERR_IO with errno. */
int sq_place_try(const char *path) SQ_MUST_USE;

/* Takes a folder that is there for whoever keeps *ret_fd open, and so until it ends, in whatever
 * way: flock(2) on the folder itself, which leaves nothing in it. SQ_ERR_STATE: another has it;
 * *ret_holder is its process, or 0 where /proc/locks does not tell. A folder that may not be
 * read, and a file system without such locks, give 0 and -1: they are not guarded. SQ_ERR_IO with
 * errno. */
int sq_place_lock(const char *dir, int *ret_fd, pid_t *ret_holder) SQ_MUST_USE;

#endif

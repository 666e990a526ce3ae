#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as Linux follows, path_resolution(7) */

/* A name of so many characters in the place of the path, or of its last part. */
static int put_name(char path[static SQ_PLACE_PATH_MAX], const char *name, size_t len)
{
    char *slash = name[0] == '/' ? NULL : strrchr(path, '/');
    size_t at = slash ? (size_t)(slash + 1 - path) : 0;
    if (at + len >= SQ_PLACE_PATH_MAX) {
        errno = ENAMETOOLONG;
        return SQ_ERR_IO;
    }
    memcpy(path + at, name, len);
    path[at + len] = '\0';
    return 0;
}

static enum sq_place_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode)) {
        return SQ_PLACE_FILE;
    }
    if (S_ISDIR(mode)) {
        return SQ_PLACE_FOLDER;
    }
    return S_ISFIFO(mode) ? SQ_PLACE_FIFO : SQ_PLACE_SPECIAL;
}

/* Where the links of a path end, which need not be there. */
static int follow(char path[static SQ_PLACE_PATH_MAX])
{
    for (int links = 0; links <= LINKS_MAX; links++) {
        char name[SQ_PLACE_PATH_MAX];
        ssize_t n = readlink(path, name, sizeof(name));
        if (n < 0) {
            return errno == EINVAL || errno == ENOENT ? 0 : SQ_ERR_IO; /* no link, or nothing */
        }
        if (put_name(path, name, (size_t)n) != 0) {
            return SQ_ERR_IO;
        }
    }
    errno = ELOOP;
    return SQ_ERR_IO;
}

int sq_place_find(const char *path, struct sq_place *ret_place)
{
    struct sq_place place = {.kind = SQ_PLACE_FILE};
    struct stat st;
    int err = put_name(place.path, path, strlen(path));
    if (!err && stat(path, &st) == 0) {
        place.kind = kind_of(st.st_mode);
    } else if (!err && errno != ENOENT) {
        err = SQ_ERR_IO;
    }
    /* Others are opened by the name that was given: /dev/fd/63 leads to no name. */
    err = err || place.kind != SQ_PLACE_FILE ? err : follow(place.path);
    if (!err) {
        *ret_place = place;
    }
    return err;
}

int sq_place_open(const char *path, int *ret_fd)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        int why = errno;
        if (fd >= 0) {
            close(fd);
        }
        errno = why;
        return SQ_ERR_IO;
    }
    *ret_fd = fd;
    return 0;
}

bool sq_place_waits(const char *path)
{
    struct sq_place place;
    return strcmp(path, "-") == 0 ||
           (sq_place_find(path, &place) == 0 && place.kind != SQ_PLACE_FILE);
}

int sq_place_make_folders(const char *dir, char ret_failed[static SQ_PLACE_PATH_MAX])
{
    char path[SQ_PLACE_PATH_MAX] = "";
    struct stat st;
    int err = put_name(path, dir, strlen(dir));
    for (char *slash = path + 1; !err && path[0] != '\0'; slash++) {
        char kept = *slash;
        if (kept != '/' && kept != '\0') {
            continue;
        }
        *slash = '\0';
        err = mkdir(path, 0777) != 0 && errno != EEXIST ? SQ_ERR_IO : 0;
        if (kept == '\0' || err) {
            break;
        }
        *slash = kept;
    }
    if (!err && stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        err = SQ_ERR_IO;
    }
    if (err) {
        int why = errno;
        snprintf(ret_failed, SQ_PLACE_PATH_MAX, "%s", path[0] ? path : dir);
        errno = why;
    }
    return err;
}

int sq_place_try(const char *path)
{
    static const char end[] = ".tmp";
    char trial[SQ_PLACE_PATH_MAX];
    int n = snprintf(trial, sizeof(trial), "%s.XXXXXX%s", path, end);
    if (n < 0 || (size_t)n >= sizeof(trial)) {
        errno = ENAMETOOLONG;
        return SQ_ERR_IO;
    }
    int fd = mkostemps(trial, sizeof(end) - 1, O_CLOEXEC);
    if (fd < 0) {
        return SQ_ERR_IO;
    }
    close(fd);
    unlink(trial);
    return 0;
}

#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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
    return strcmp(path, "-") == 0 || (sq_place_find(path, &place) == 0 &&
                                      place.kind != SQ_PLACE_FILE && place.kind != SQ_PLACE_FOLDER);
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

/* Lines of proc_locks(5): "1: FLOCK  ADVISORY  WRITE 4242 fe:01:9876 0 EOF". */
static pid_t holder_of(const struct stat *st)
{
    FILE *locks = fopen("/proc/locks", "re");
    char line[256], place[64];
    pid_t holder = 0;
    snprintf(place, sizeof(place), " %02x:%02x:%" PRIu64 " ", major(st->st_dev), minor(st->st_dev),
             (uint64_t)st->st_ino);
    while (locks && holder == 0 && fgets(line, sizeof(line), locks)) {
        char *at = strstr(line, place);
        char *word = strstr(line, "FLOCK");
        if (at && word && word < at && !strstr(line, "->")) { /* an arrow: one that waits */
            *at = '\0';
            word = strrchr(line, ' ');
            holder = (pid_t)strtol(word ? word : "", NULL, 10);
        }
    }
    if (locks) {
        fclose(locks);
    }
    return holder > 0 ? holder : 0;
}

int sq_place_lock(const char *dir, int *ret_fd, pid_t *ret_holder)
{
    struct stat st;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno != EACCES) {
        return SQ_ERR_IO;
    }
    if (fd < 0) {
        *ret_fd = -1;
        return 0;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *ret_fd = fd;
        return 0;
    }
    int why = errno;
    if (why == EWOULDBLOCK) {
        *ret_holder = fstat(fd, &st) == 0 ? holder_of(&st) : 0;
    }
    close(fd);
    if (why == EWOULDBLOCK) {
        return SQ_ERR_STATE;
    }
    *ret_fd = -1; /* NFS wants it open for writing, which no folder is */
    return 0;
}

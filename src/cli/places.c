#include "cli/places.h"

#include "base/place.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIAL_MAX 16 /* of what is written beside a file at first: its name is that much longer */

/* The option whose place is looked at, and where the sentence goes. */
struct check {
    const char *name, *path;
    char *why;
    size_t why_room;
};

static int refuse(const struct check *c, const char *fmt, ...) SQ_PRINTF(2, 3);

static int refuse(const struct check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = snprintf(c->why, c->why_room, "--%s %.300s: ", c->name, c->path);
    if (n > 0 && (size_t)n < c->why_room) {
        vsnprintf(c->why + n, c->why_room - (size_t)n, fmt, args);
    }
    va_end(args);
    return SQ_ERR_INVALID;
}

/* The nearest folder above `path` that is there, or `path` itself if it is one. */
static void existing_folder(const char *path, char *out, size_t room)
{
    struct stat info;
    snprintf(out, room, "%s", path);
    while (stat(out, &info) != 0) {
        char *slash = strrchr(out, '/');
        if (!slash) {
            snprintf(out, room, ".");
            return;
        }
        slash[slash == out ? 1 : 0] = '\0';
        if (slash == out) {
            return;
        }
    }
}

/* What is written to as it is: a FIFO that nobody reads would have to be waited for. */
static int check_fifo(struct sq_places *places, const struct check *c)
{
    int fd = -1;
    if (places->fifos_len == SQ_PLACES_FIFOS_MAX) {
        return refuse(c, "more FIFOs than %d", SQ_PLACES_FIFOS_MAX);
    }
    if (sq_place_open(c->path, &fd) != 0) {
        return refuse(c, "%s",
                      errno == ENXIO ? "nobody reads this FIFO: start its reader first"
                                     : strerror(errno));
    }
    places->fifos[places->fifos_len++] = fd;
    return 0;
}

/* A regular file is written beside its place and renamed into it. */
static int check_regular(const struct check *c, const char *target)
{
    if (sq_place_try(target) == 0) {
        return 0;
    }
    char folder[SQ_PLACE_PATH_MAX];
    int why = errno;
    existing_folder(target, folder, sizeof(folder));
    struct stat info;
    const char *slash = strrchr(target, '/');
    bool there = !slash || strlen(folder) >= (size_t)(slash - target);
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode) && strcmp(folder, target) != 0) {
        return refuse(c, "%.150s is not a folder", folder);
    }
    return why == ENOENT && !there ? refuse(c, "its folder is not there")
                                   : refuse(c, "cannot write there: %s", strerror(why));
}

int sq_places_check_file(struct sq_places *places, const char *name, const char *path, char *why,
                         size_t why_room)
{
    const struct check c = {name, path, why, why_room};
    struct sq_place place;
    if (!path || strcmp(path, "-") == 0) {
        return 0;
    }
    size_t len = strlen(path);
    if (len == 0) {
        return refuse(&c, "expected the name of a file");
    }
    if (sq_place_find(path, &place) != 0) {
        return refuse(&c, "%s", strerror(errno));
    }
    if (place.kind == SQ_PLACE_FOLDER || path[len - 1] == '/') {
        return refuse(&c, "is a folder, expected a file");
    }
    if (place.kind == SQ_PLACE_FIFO) {
        return check_fifo(places, &c);
    }
    if (place.kind == SQ_PLACE_SPECIAL) {
        return access(path, W_OK) == 0 ? 0 : refuse(&c, "cannot write to it: %s", strerror(errno));
    }
    return check_regular(&c, place.path);
}

int sq_places_check_folder(const char *name, const char *path, char *why, size_t why_room)
{
    const struct check c = {name, path, why, why_room};
    char folder[SQ_PLACE_PATH_MAX], trial[SQ_PLACE_PATH_MAX + 8];
    struct stat info;
    if (!path) {
        return 0;
    }
    if (path[0] == '\0') {
        return refuse(&c, "expected the name of a folder");
    }
    existing_folder(path, folder, sizeof(folder));
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode)) {
        return refuse(&c, "%.150s is not a folder", folder);
    }
    snprintf(trial, sizeof(trial), "%s/squall", folder);
    if (sq_place_try(trial) != 0) {
        return refuse(&c, "cannot write to %.150s: %s", folder, strerror(errno));
    }
    return 0;
}

bool sq_places_same(const char *a, const char *b)
{
    struct sq_place one, other;
    struct stat st[2];
    if (!a || !b) {
        return false;
    }
    if (stat(a, &st[0]) == 0 && stat(b, &st[1]) == 0) { /* but two outputs may go to /dev/null */
        return !S_ISCHR(st[0].st_mode) && st[0].st_dev == st[1].st_dev &&
               st[0].st_ino == st[1].st_ino;
    }
    if (strcmp(a, b) == 0) {
        return true;
    }
    return sq_place_find(a, &one) == 0 && sq_place_find(b, &other) == 0 &&
           strcmp(one.path, other.path) == 0;
}

bool sq_places_will_be(const char *path, const char *folder)
{
    struct stat st;
    const char *slash = path ? strrchr(path, '/') : NULL;
    size_t len = folder ? strlen(folder) : 0;
    while (len > 1 && folder[len - 1] == '/') {
        len--;
    }
    return slash && slash[1] != '\0' && len > 0 && (size_t)(slash - path) == len &&
           strncmp(path, folder, len) == 0 && strlen(slash) < NAME_MAX - TRIAL_MAX &&
           stat(folder, &st) != 0 && errno == ENOENT;
}

void sq_places_close(struct sq_places *places)
{
    while (places->fifos_len > 0) {
        close(places->fifos[--places->fifos_len]);
    }
}

/* The .sqclip file: read, and found in it what is asked for. Its format stands in clip.h, the
 * reading of it in clip_parse.c. */
#include "media/clip.h"

#include "base/mem.h"
#include "media/clip_int.h"
#include "media/heard.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sq_clip *clip_new(const char *path, char *why)
{
    struct sq_clip *c = sq_zalloc(sizeof(*c));
    if (c) {
        c->path = sq_strdup(path);
    }
    if (!c || !c->path) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "no memory for a clip");
        sq_free(c);
        return NULL;
    }
    return c;
}

/* A file that was mapped instead would kill the run by SIGBUS as soon as somebody writes it anew.
 */
static int read_all(struct sq_clip *c, int fd, size_t len, char *why)
{
    uint8_t *bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "%.200s: no memory for a clip of %zu bytes", c->path,
                       len);
        return SQ_ERR_NOMEM;
    }
    /* Each peer is at a place of its own in it: see sq_mem_use_huge_pages. */
    (void)madvise(bytes, len, MADV_HUGEPAGE);
    c->map = c->mapping = bytes;
    c->map_bytes = len;
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, bytes + got, len - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            (void)snprintf(why, SQ_CLIP_WHY_MAX, "%.200s: %s", c->path, strerror(errno));
            return SQ_ERR_IO;
        }
        if (n == 0) {
            (void)snprintf(why, SQ_CLIP_WHY_MAX,
                           "%.200s: byte %zu: expected %zu bytes, but the file became shorter "
                           "while it was read",
                           c->path, got, len);
            return SQ_ERR_TRUNCATED;
        }
        got += (size_t)n;
    }
    (void)mprotect(bytes, len, PROT_READ);
    return 0;
}

static int read_file(struct sq_clip *c, char *why)
{
    int err = SQ_ERR_IO;
    struct stat st;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "%.200s: %s", c->path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "%.200s: expected a regular file", c->path);
        goto out;
    }
    if (st.st_size == 0 || st.st_size > SQ_CLIP_FILE_MAX) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX,
                       "%.200s: expected a clip of up to %u bytes, found %lld", c->path,
                       SQ_CLIP_FILE_MAX, (long long)st.st_size);
        err = st.st_size == 0 ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT;
        goto out;
    }
    err = read_all(c, fd, (size_t)st.st_size, why);
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

int sq_clip_open_with(const char *path, const struct sq_clip_opts *opts, struct sq_clip **ret_clip,
                      char why[static SQ_CLIP_WHY_MAX])
{
    struct sq_clip *c = clip_new(path, why);
    if (!c) {
        return SQ_ERR_NOMEM;
    }
    c->tags = opts->tags;
    c->fps_milli = opts->fps_milli;
    int err = read_file(c, why);
    if (!err) {
        err = sq_clip_parse(c, opts->payload_max_bytes, why);
    }
    if (err) {
        sq_clip_close(c);
        return err;
    }
    *ret_clip = c;
    return 0;
}

int sq_clip_open(const char *path, size_t payload_max_bytes, struct sq_clip **ret_clip,
                 char why[static SQ_CLIP_WHY_MAX])
{
    const struct sq_clip_opts opts = {.payload_max_bytes = payload_max_bytes};
    return sq_clip_open_with(path, &opts, ret_clip, why);
}

int sq_clip_open_bytes_with(const void *bytes, size_t len, const char *path,
                            const struct sq_clip_opts *opts, struct sq_clip **ret_clip,
                            char why[static SQ_CLIP_WHY_MAX])
{
    struct sq_clip *c = clip_new(path, why);
    if (!c) {
        return SQ_ERR_NOMEM;
    }
    c->map = bytes;
    c->map_bytes = len;
    c->tags = opts->tags;
    c->fps_milli = opts->fps_milli;
    int err = sq_clip_parse(c, opts->payload_max_bytes, why);
    if (err) {
        sq_clip_close(c);
        return err;
    }
    *ret_clip = c;
    return 0;
}

int sq_clip_open_bytes(const void *bytes, size_t len, const char *path, size_t payload_max_bytes,
                       struct sq_clip **ret_clip, char why[static SQ_CLIP_WHY_MAX])
{
    const struct sq_clip_opts opts = {.payload_max_bytes = payload_max_bytes};
    return sq_clip_open_bytes_with(bytes, len, path, &opts, ret_clip, why);
}

void sq_clip_close(struct sq_clip *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->track_count; i++) {
        sq_free(c->tracks[i].frames);
        sq_free(c->tracks[i].packets);
        sq_free(c->tracks[i].keys);
        sq_free(c->tracks[i].made);
    }
    if (c->mapping) {
        (void)munmap(c->mapping, c->map_bytes);
    }
    sq_free(c->path);
    sq_free(c);
}

const struct sq_clip_track *sq_clip_track(const struct sq_clip *c, enum sq_clip_kind kind)
{
    for (size_t i = 0; i < c->track_count; i++) {
        const struct sq_clip_track *t = &c->tracks[i];
        if (t->kind == kind) {
            return t + (t->step_count - 1);
        }
    }
    return NULL;
}

/* Mean square by ticks, of a packet of the loop. */
static double loudness(const struct sq_clip_track *t, uint32_t frame)
{
    uint32_t ticks = t->frames[frame + 1].ticks - t->frames[frame].ticks;
    return t->frames[frame].level < 127 ? pow(10, -t->frames[frame].level / 10.0) * ticks : 0;
}

double sq_clip_heard_percent(const struct sq_clip *c)
{
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_AUDIO);
    double least = pow(10, SQ_HEARD_DBOV / 10.0);
    uint32_t heard = 0;
    uint32_t end = 0; /* behind the second that begins with a packet, beyond the loop's end, too */
    uint64_t ticks = 0;
    double sum = 0;
    for (uint32_t i = 0; t && i < t->frame_count; i++) {
        while (ticks < t->clock_hz && end < i + t->frame_count) {
            uint32_t at = end++ % t->frame_count;
            sum += loudness(t, at);
            ticks += t->frames[at + 1].ticks - t->frames[at].ticks;
        }
        heard += sum > least * (double)ticks;
        sum = fmax(sum - loudness(t, i), 0);
        ticks -= t->frames[i + 1].ticks - t->frames[i].ticks;
    }
    return t ? 100.0 * heard / t->frame_count : 100;
}

static unsigned apart(unsigned a, unsigned b)
{
    return a > b ? a - b : b - a;
}

const struct sq_clip_track *sq_clip_nearest(const struct sq_clip *c, enum sq_codec codec,
                                            unsigned width, unsigned height)
{
    const struct sq_clip_track *best = NULL;
    unsigned least = 0;
    for (size_t i = 0; i < c->track_count; i++) {
        const struct sq_clip_track *t = &c->tracks[i];
        unsigned off = apart(t->width, width) + apart(t->height, height);
        if (t->codec == codec && (!best || off < least)) {
            best = t;
            least = off;
        }
    }
    return best;
}

static size_t give_ladder(const struct sq_clip_track *lowest,
                          const struct sq_clip_track **ret_tracks, size_t max)
{
    size_t n = lowest->step_count < max ? lowest->step_count : max;
    for (size_t i = 0; i < n; i++) {
        ret_tracks[i] = lowest + i;
    }
    return n;
}

size_t sq_clip_ladder(const struct sq_clip *c, enum sq_codec codec,
                      const struct sq_clip_track **ret_tracks, size_t max)
{
    for (size_t i = 0; i < c->track_count; i++) {
        if (c->tracks[i].codec == codec) {
            return give_ladder(&c->tracks[i], ret_tracks, max);
        }
    }
    return 0;
}

size_t sq_clip_sizes(const struct sq_clip_track *track,
                     const struct sq_clip_track *ret_steps[SQ_CLIP_STEPS_MAX])
{
    const struct sq_clip_track *lowest = sq_clip_lowest(track);
    size_t count = 0;
    for (size_t s = 0; s < track->step_count && s < SQ_CLIP_STEPS_MAX; s++) {
        if (count == 0 || lowest[s].width != ret_steps[count - 1]->width ||
            lowest[s].height != ret_steps[count - 1]->height) {
            count++;
        }
        ret_steps[count - 1] = &lowest[s];
    }
    return count;
}

size_t sq_clip_ladder_with(const struct sq_clip *c, const struct sq_clip_want *want,
                           const struct sq_clip_track **ret_tracks, size_t max)
{
    for (size_t i = 0; i < c->track_count; i++) {
        const struct sq_clip_track *t = &c->tracks[i];
        if (t->step == 0 && t->codec == want->codec && t->features == want->features &&
            (want->channels == 0 || t->channels == want->channels) &&
            (want->spatial_layers == 0 || t->spatial_layers == want->spatial_layers)) {
            return give_ladder(t, ret_tracks, max);
        }
    }
    return 0;
}

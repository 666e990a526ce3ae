#include "prepare/writer.h"

#include "base/io.h"
#include "base/mem.h"
#include "base/place.h"
#include "base/time.h"
#include "base/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES  24
#define TRACK_BYTES 64
#define ROW_BYTES   16

void sq_writer_free(struct sq_writer *w)
{
    for (size_t i = 0; i < w->count; i++) {
        sq_free(w->tracks[i].index);
        sq_free(w->tracks[i].data);
    }
    *w = (struct sq_writer){0};
}

struct sq_writer_track *sq_writer_add(struct sq_writer *w, enum sq_codec codec)
{
    if (w->count == SQ_CLIP_TRACKS_MAX) {
        return NULL;
    }
    struct sq_writer_track *t = &w->tracks[w->count++];
    *t = (struct sq_writer_track){.codec = codec, .temporal_layers = 1};
    return t;
}

static int grow(uint8_t **bytes, size_t *room, size_t need)
{
    if (need <= *room) {
        return 0;
    }
    size_t more = *room * 2 > need ? *room * 2 : need + 4096;
    uint8_t *grown = sq_realloc(*bytes, more);
    if (!grown) {
        return SQ_ERR_NOMEM;
    }
    *bytes = grown;
    *room = more;
    return 0;
}

int sq_writer_row(struct sq_writer_track *t, const struct sq_writer_row *row)
{
    if (t->rows == SQ_CLIP_FRAMES_MAX || t->data_len + row->len > SQ_CLIP_FILE_MAX / 2) {
        return SQ_ERR_NOSPACE;
    }
    int err = grow(&t->index, &t->index_room, (size_t)(t->rows + 1) * ROW_BYTES);
    err = err ? err : grow(&t->data, &t->data_room, t->data_len + row->len);
    if (err) {
        return err;
    }
    uint8_t *at = t->index + (size_t)t->rows * ROW_BYTES;
    sq_store_u32(at, (uint32_t)t->data_len);
    sq_store_u32(at + 4, (uint32_t)row->len);
    sq_store_u32(at + 8, row->ticks);
    at[12] = row->flags;
    at[13] = row->level;
    at[14] = row->tid;
    at[15] = 0;
    memcpy(t->data + t->data_len, row->bytes, row->len);
    t->data_len += row->len;
    t->rows++;
    return 0;
}

static uint32_t ticks_of(const struct sq_writer_track *t, uint64_t ns)
{
    uint64_t hz = sq_codec_info(t->codec)->clock_hz;
    return (uint32_t)(ns / SQ_NS_PER_SEC * hz + ns % SQ_NS_PER_SEC * hz / SQ_NS_PER_SEC);
}

/* What of a track belongs to a loop of so many ticks. */
static void cut_off(const struct sq_writer_track *t, uint32_t ticks, uint32_t *ret_rows,
                    size_t *ret_bytes)
{
    uint32_t rows = t->rows;
    *ret_bytes = t->data_len;
    while (rows > 0 && sq_load_u32(t->index + (size_t)(rows - 1) * ROW_BYTES + 8) >= ticks) {
        rows--;
        *ret_bytes = sq_load_u32(t->index + (size_t)rows * ROW_BYTES);
    }
    *ret_rows = rows;
}

static uint8_t *put_file(const struct sq_writer *w, uint64_t loop_ns, size_t *ret_len)
{
    uint32_t rows[SQ_CLIP_TRACKS_MAX];
    size_t bytes[SQ_CLIP_TRACKS_MAX];
    size_t len = HEAD_BYTES + TRACK_BYTES * w->count;
    for (size_t i = 0; i < w->count; i++) {
        cut_off(&w->tracks[i], ticks_of(&w->tracks[i], loop_ns), &rows[i], &bytes[i]);
        len += (size_t)rows[i] * ROW_BYTES + bytes[i];
    }
    uint8_t *file = sq_malloc(len);
    if (!file) {
        return NULL;
    }
    struct sq_wire head = sq_wire_writer(file, len);
    struct sq_wire rest = head;
    rest.pos = HEAD_BYTES + TRACK_BYTES * w->count;
    sq_wire_put(&head, "SQCLIP\r\n", 8);
    sq_wire_put_u16(&head, 2);
    sq_wire_put_u16(&head, (uint16_t)w->count);
    sq_wire_put_u32(&head, 0);
    sq_wire_put_u64(&head, len);
    for (size_t i = 0; i < w->count; i++) {
        const struct sq_writer_track *t = &w->tracks[i];
        const struct sq_codec_info *info = sq_codec_info(t->codec);
        sq_wire_put_u8(&head, info->video ? SQ_CLIP_VIDEO : SQ_CLIP_AUDIO);
        sq_wire_put_u8(&head, (uint8_t)t->codec);
        sq_wire_put_u8(&head, t->channels);
        sq_wire_put_u8(&head, t->ladder);
        sq_wire_put_u32(&head, info->clock_hz);
        sq_wire_put_u32(&head, rows[i]);
        sq_wire_put_u32(&head, ticks_of(t, loop_ns));
        sq_wire_put_u32(&head, t->features);
        sq_wire_put_u16(&head, t->width);
        sq_wire_put_u16(&head, t->height);
        sq_wire_put_u32(&head, t->fps_milli);
        sq_wire_put_u8(&head, t->temporal_layers);
        sq_wire_put_u8(&head, 1);
        sq_wire_put_u16(&head, 0);
        sq_wire_put_u64(&head, rest.pos);
        sq_wire_put_u64(&head, rest.pos + (size_t)rows[i] * ROW_BYTES);
        sq_wire_put_u64(&head, bytes[i]);
        sq_wire_put_u64(&head, 0);
        sq_wire_put(&rest, t->index, (size_t)rows[i] * ROW_BYTES);
        sq_wire_put(&rest, t->data, bytes[i]);
    }
    sq_store_u32(file + 12, sq_clip_check_sum(file + 16, len - 16));
    *ret_len = len;
    return file;
}

int sq_writer_save(const struct sq_writer *w, const char *path, uint64_t loop_ns)
{
    struct sq_place place;
    char part[SQ_PLACE_PATH_MAX + 8];
    size_t len = 0;
    if (sq_place_find(path, &place) != 0) {
        return SQ_ERR_IO;
    }
    if (place.kind != SQ_PLACE_FILE) {
        errno = place.kind == SQ_PLACE_FOLDER ? EISDIR : EINVAL;
        return SQ_ERR_IO; /* a clip is mapped: nothing but a file can hold one */
    }
    snprintf(part, sizeof(part), "%s.part", place.path);
    uint8_t *file = put_file(w, loop_ns, &len);
    if (!file) {
        return SQ_ERR_NOMEM;
    }
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int err = fd < 0 ? SQ_ERR_IO : sq_io_write(fd, file, len);
    if (fd >= 0 && close(fd) != 0) {
        err = SQ_ERR_IO;
    }
    if (!err && rename(part, place.path) != 0) {
        err = SQ_ERR_IO;
    }
    if (err && fd >= 0) {
        int why = errno;
        (void)unlink(part);
        errno = why;
    }
    sq_free(file);
    return err;
}

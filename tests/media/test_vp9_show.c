/* VP9 in spatial layers as files have it: what is hidden is hidden by the right bits, what cannot
 * be is left alone, and FFmpeg's own decoder and libvpx make the same pictures of it that libvpx
 * makes of what came over the wire, to the last bit. */
#include "base/rand.h"
#include "base/time.h"
#include "media/frames.h"
#include "media/help.h"
#include "media/source.h"
#include "media/vp9.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Headers made by hand, from section 6.2 of the specification ---- */

struct bits {
    uint8_t bytes[64];
    size_t pos;
};

static void put(struct bits *b, uint32_t value, unsigned n)
{
    while (n-- > 0) {
        b->bytes[b->pos / 8] |= (uint8_t)((value >> n & 1) << (7 - b->pos % 8));
        b->pos++;
    }
}

struct made {
    bool key, hidden, resilient;
    uint16_t width, height; /* 0: that of reference 0 */
    unsigned fill;          /* probabilities of the segmentation that are told: 8 bits each */
    bool odd;               /* 5 bits more */
};

/* The bytes of a frame: its header, and three of data. */
static size_t make(const struct made *m, uint8_t *out)
{
    struct bits b = {0};
    put(&b, 2, 2);
    put(&b, 0, 3); /* profile 0, show_existing_frame */
    put(&b, m->key ? 0 : 1, 1);
    put(&b, m->hidden ? 0 : 1, 1);
    put(&b, m->resilient, 1);
    if (m->key) {
        put(&b, 0x498342, 24);
        put(&b, 1 << 1, 4); /* color */
    } else {
        put(&b, 0, m->hidden ? 1 : 0); /* intra_only */
        put(&b, 0, m->resilient ? 0 : 2);
        put(&b, 1, 8); /* kept as reference 0 */
        put(&b, 0, 12);
        put(&b, m->width ? 0 : 1, m->width ? 3 : 1); /* found_ref */
    }
    if (m->width) {
        put(&b, m->width - 1U, 16);
        put(&b, m->height - 1U, 16);
    }
    put(&b, 0, 1);              /* render size */
    put(&b, 1, m->key ? 0 : 2); /* high precision; the filter is switchable */
    put(&b, 1, m->resilient ? 0 : 2);
    put(&b, 0, 2);
    put(&b, 20, 9); /* loop filter: level, sharpness */
    put(&b, 0, 1);
    put(&b, 60, 8);                             /* quantization */
    put(&b, m->odd ? 0x22 : 0, m->odd ? 8 : 3); /* delta_q: 00 1 00010, 000 */
    put(&b, m->fill ? 3 : 0, m->fill ? 2 : 1);  /* segmentation, its map */
    for (unsigned i = 0; m->fill && i < 7; i++) {
        put(&b, i < m->fill ? 0x1aa : 0, i < m->fill ? 9 : 1);
    }
    put(&b, 0, m->fill ? 2 : 0);
    put(&b, 0, 1); /* one column of tiles up to 511 samples, one row */
    put(&b, 0x0123, 16);
    size_t n = (b.pos + 7) / 8;
    memcpy(out, b.bytes, n);
    memcpy(out + n, "\xda\x1a\x21", 3);
    return n + 3;
}

static size_t join(const struct made *frames, unsigned n, uint8_t *out)
{
    uint32_t sizes[SQ_VP9_FRAMES_MAX];
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        sizes[i] = (uint32_t)make(&frames[i], out + at);
        at += sizes[i];
    }
    return at + (n > 1 ? sq_vp9_index_write(sizes, n, out + at) : 0);
}

/* `frames` become `expected`. */
static void becomes(struct sq_vp9_refs *refs, const struct made *frames,
                    const struct made *expected, unsigned n)
{
    uint8_t in[600];
    uint8_t wanted[600];
    uint8_t out[600];
    uint16_t width;
    uint16_t height;
    size_t in_len = join(frames, n, in);
    size_t wanted_len = join(expected, n, wanted);
    assert_int_equal(sq_vp9_show_top(refs, in, in_len, out, &width, &height), wanted_len);
    assert_memory_equal(out, wanted, wanted_len);
}

static void the_lower_layers_are_hidden(void **state)
{
    (void)state;
    /* Each number of bits that the last byte of a header may have. */
    for (unsigned fill = 0; fill <= 7; fill++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            struct sq_vp9_refs refs = {0};
            struct made first[] = {{.key = true, .width = 80, .height = 46, .fill = fill},
                                   {.width = 160, .height = 90, .resilient = kind & 1},
                                   {.width = 320, .height = 180}};
            struct made later[] = {
                {.width = 80, .height = 46, .fill = fill, .odd = kind & 2, .resilient = kind & 1},
                {.width = 160, .height = 90, .fill = fill + 1 < 7 ? fill + 1 : 0},
                {.width = 320, .height = 180}};
            struct made shown[3];
            memcpy(shown, first, sizeof(first));
            shown[0].hidden = shown[1].hidden = true;
            becomes(&refs, first, shown, 3);
            becomes(&refs, shown, shown, 3); /* it is so already */
            memcpy(shown, later, sizeof(later));
            shown[0].hidden = shown[1].hidden = true;
            becomes(&refs, later, shown, 3);
            becomes(&refs, later, later, 1); /* the lowest layer alone */
            shown[1].hidden = false;
            becomes(&refs, later, shown, 2); /* and two of them */
        }
    }
}

/* The next frame's motion vectors would be read otherwise. */
static void layers_of_one_size_stay(void **state)
{
    (void)state;
    struct sq_vp9_refs refs = {0};
    struct made key[] = {{.key = true, .width = 160, .height = 90}, {0}};
    becomes(&refs, key, key, 2);
    struct made resilient[] = {{0}, {.resilient = true}};
    struct made shown[] = {{.hidden = true}, {.resilient = true}};
    becomes(&refs, resilient, shown, 2); /* it reads none */
    struct made three[] = {{0}, {0}, {.width = 320, .height = 180}};
    struct made one[] = {{0}, {.hidden = true}, {.width = 320, .height = 180}};
    becomes(&refs, three, one, 3);
}

static void what_cannot_be_read_stays(void **state)
{
    (void)state;
    struct sq_vp9_refs refs = {0};
    struct made by_reference[] = {{0}, {.width = 320, .height = 180}};
    becomes(&refs, by_reference, by_reference, 2); /* no key frame came: of which size? */
    struct made hides[] = {{.width = 160, .height = 90}, {.hidden = true}};
    becomes(&refs, hides, hides, 2); /* nothing would be shown */

    uint8_t in[600];
    uint8_t out[700];
    uint16_t width;
    uint16_t height;
    struct made key[] = {{.key = true, .width = 160, .height = 90}, {.width = 320, .height = 180}};
    uint32_t sizes[2];
    sizes[0] = (uint32_t)make(&key[0], in);
    for (unsigned len = 1; len < sizes[0] - 3; len++) { /* the header ends too early */
        memset(&refs, 0, sizeof(refs));
        sizes[1] = (uint32_t)make(&key[1], in + len);
        size_t n = len + sizes[1];
        n += sq_vp9_index_write((uint32_t[]){len, sizes[1]}, 2, in + n);
        assert_int_equal(sq_vp9_show_top(&refs, in, n, out, &width, &height), n);
        assert_memory_equal(in, out, n);
        make(&key[0], in);
    }
    in[0] = 0x88 | 3; /* shows reference 3 again */
    sizes[1] = (uint32_t)make(&key[1], in + 1);
    size_t n = 1 + sizes[1];
    n += sq_vp9_index_write((uint32_t[]){1, sizes[1]}, 2, in + n);
    assert_int_equal(sq_vp9_show_top(&refs, in, n, out, &width, &height), n);
    assert_memory_equal(in, out, n);
    assert_int_equal(width, 320);
    assert_int_equal(height, 180);
}

/* ---- What ships, by decoders ---- */

#define FRAMES 120U /* with some key frames */

struct sink {
    FILE *wire, *file;
    struct sq_vp9_refs refs;
    uint16_t width, height; /* as the latest picture has it */
    unsigned frames, changed;
    unsigned sids; /* bit n: a picture's highest layer was n */
};

static void put_le(FILE *file, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_int_not_equal(fputc((int)(value >> (8 * i) & 0xff), file), EOF);
    }
}

static FILE *begin_ivf(char *path)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite("DKIF\0\0\x20\0VP90", 1, 12, file), 12);
    put_le(file, 640, 2);
    put_le(file, 360, 2);
    put_le(file, 25, 4);
    put_le(file, 1, 4);
    put_le(file, 0, 8);
    return file;
}

static void put_ivf(FILE *file, unsigned number, const uint8_t *bytes, size_t len)
{
    put_le(file, len, 4);
    put_le(file, number, 8);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
}

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    static uint8_t out[1 << 18];
    struct sink *s = ctx;
    assert_true(frame->len + SQ_VP9_SHOW_GROWS_MAX <= sizeof(out));
    size_t n = sq_vp9_show_top(&s->refs, frame->bytes, frame->len, out, &s->width, &s->height);
    s->changed += n != frame->len || memcmp(out, frame->bytes, n) != 0;
    s->sids |= 1U << frame->sid;
    put_ivf(s->wire, s->frames, frame->bytes, frame->len);
    put_ivf(s->file, s->frames, out, n);
    s->frames++;
}

static void send_layers(struct sink *sink, const struct sq_clip_track *t, bool change)
{
    struct sq_frames *frames;
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    uint16_t seq = 0;
    assert_int_equal(sq_frames_new(on_frame, sink, &frames), 0);
    sq_rand_seed(&rand, 31);
    sq_source_init(&s, t, 0, SQ_NS_PER_SEC, &rand);
    while (sink->frames < FRAMES) {
        uint8_t payload[2048];
        if (change) { /* layers come and go */
            static const uint8_t turn[] = {2, 0, 1, 2, 1, 0};
            sq_source_set_max_sid(&s, turn[sink->frames / 20 % sizeof(turn)]);
        }
        assert_true(sq_source_next(&s, s.due_ns, &p));
        memcpy(payload, p.head, p.head_len);
        memcpy(payload + p.head_len, p.fragment, p.fragment_len);
        const struct sq_media_packet packet = {.now_ns = p.due_ns,
                                               .payload = payload,
                                               .len = p.head_len + (size_t)p.fragment_len,
                                               .dd = p.ext_len ? p.ext : NULL,
                                               .dd_len = p.ext_len,
                                               .timestamp = (uint32_t)p.ticks,
                                               .seq = seq++,
                                               .marker = p.marker,
                                               .codec = t->codec};
        assert_int_equal(sq_frames_push(frames, &packet), 0);
    }
    sq_frames_free(frames);
}

/* Size in bytes and MD5 of each picture. */
static unsigned decode(const char *decoder, const char *path, char pictures[FRAMES][64])
{
    char command[512];
    char line[256];
    unsigned n = 0;
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/ffmpeg -nostdin -v warning -xerror -c:v %s -i %s -autoscale 0 "
                   "-fps_mode passthrough -f framemd5 - 2>&1",
                   decoder, path);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): of this test's own making */
    assert_non_null(pipe);
    memset(pictures, 0, FRAMES * sizeof(*pictures));
    while (fgets(line, sizeof(line), pipe)) {
        char size[16];
        char sum[40];
        if (line[0] == '#' || strstr(line, "Changing video frame properties on the fly")) {
            continue;
        }
        if (sscanf(line, "%*u, %*d, %*d, %*d, %15[0-9 ], %39s", size, sum) != 2) {
            fail_msg("%s", line);
        }
        assert_true(n < FRAMES);
        (void)snprintf(pictures[n++], sizeof(*pictures), "%ld %s", atol(size), sum);
    }
    assert_int_equal(pclose(pipe), 0);
    return n;
}

static void decodes(const struct sq_clip_track *t, bool change)
{
    static char wire[FRAMES][64];
    static char file[FRAMES][64];
    static const char *const decoders[] = {"vp9", "libvpx-vp9"};
    char wire_path[] = "/tmp/squall-test-XXXXXX";
    char file_path[] = "/tmp/squall-test-XXXXXX";
    char whole[16];
    struct sink sink = {.wire = begin_ivf(wire_path), .file = begin_ivf(file_path)};
    send_layers(&sink, t, change);
    assert_int_equal(fclose(sink.wire), 0);
    assert_int_equal(fclose(sink.file), 0);
    assert_int_equal(sink.sids, change ? 7 : 4);
    assert_true(change ? sink.changed > FRAMES / 2 : sink.changed == FRAMES);
    assert_int_equal(decode("libvpx-vp9", wire_path, wire), FRAMES);
    for (size_t i = 0; i < sizeof(decoders) / sizeof(*decoders); i++) {
        assert_int_equal(decode(decoders[i], file_path, file), FRAMES);
        assert_memory_equal(file, wire, sizeof(wire));
    }
    (void)snprintf(whole, sizeof(whole), "%u ", t->width * t->height * 3U / 2);
    for (unsigned i = 0; !change && i < FRAMES; i++) {
        assert_memory_equal(file[i], whole, strlen(whole));
    }
    assert_true(change || (sink.width == t->width && sink.height == t->height));
    assert_int_equal(unlink(wire_path), 0);
    assert_int_equal(unlink(file_path), 0);
}

static void any_decoder_shows_the_highest_layer(void **state)
{
    (void)state;
    if (access("/usr/bin/ffmpeg", X_OK) != 0) {
        skip();
    }
    struct sq_clip *clips[] = {help_open("default", 0), help_open_tagged("default")};
    unsigned tracks = 0;
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < clips[i]->track_count; k++) {
            const struct sq_clip_track *t = &clips[i]->tracks[k];
            if (t->codec == SQ_CODEC_VP9 && t->spatial_layers == 3 && tracks < 2 * i + 2) {
                decodes(t, false);
                decodes(t, true);
                tracks++;
            }
        }
        sq_clip_close(clips[i]);
    }
    assert_true(tracks >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lower_layers_are_hidden),
        cmocka_unit_test(layers_of_one_size_stay),
        cmocka_unit_test(what_cannot_be_read_stays),
        cmocka_unit_test(any_decoder_shows_the_highest_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Recorders fed by whole peers: what files there are, and each allocation failing in turn. */
#include "base/mem.h"
#include "base/wire.h"
#include "media/mux/rtpfile.h"
#include "peer/peer_int.h"
#include "run/record.h"
#include "sim/simcall.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct sq_recorder *recorder;
static size_t fail_at; /* in the recorder alone; 0: nowhere */

static bool no_picture; /* agreed on, and none comes */

static void on_rtp(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                   const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct simnode *node = ctx;
    (void)exts;
    if (recorder && !(no_picture && sq_track_kind(track) == SQ_MEDIA_VIDEO)) {
        sq_mem_fail_at(fail_at);
        sq_recorder_received(recorder, simnode_peer(node), track, packet, now_ns);
        fail_at -= fail_at > 0 && sq_mem_count() < fail_at ? sq_mem_count() : fail_at;
        sq_mem_fail_at(0);
    }
}

static unsigned files(const char *suffix, bool drop)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        struct stat info;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && strstr(e->d_name, suffix) && stat(path, &info) == 0) {
            n += info.st_size > 200;
            if (drop) {
                unlink(path);
            }
        }
    }
    closedir(d);
    return n;
}

static bool with_red;            /* the sound comes so (RFC 2198) */
static const char *sound_codecs; /* of --codec; NULL: Opus */
static bool without_sound;
static struct sq_record_seen seen;

static void record(uint64_t seconds, unsigned formats, size_t fails, bool video)
{
    static const struct sq_peer_ops ops = {.rtp = on_rtp};
    struct sq_peer_config plain = {.audio = {.red = with_red}};
    char why[SQ_PEER_TEXT_MAX];
    if (sound_codecs) {
        assert_int_equal(sq_peer_codecs_parse(sound_codecs, false, &plain.audio, why), 0);
    }
    struct sq_filewriter *writer;
    struct simnet *net = simnet_new(95, 2);
    struct simnode *a = simnet_add(net, &plain, false, NULL, NULL);
    struct simnode *b = simnet_try_add(net, &plain, &ops, NULL, NULL);
    struct sq_addr here, there;
    assert_int_equal(sq_filewriter_new(0, &writer), 0);
    const struct sq_record_plan plan = {
        .peers = 1, .formats = formats, .dir = dir, .writer = writer, .seen = &seen};
    seen = (struct sq_record_seen){0};
    assert_int_equal(sq_recorder_new(&plan, "a/b peer", 0, &recorder), 0);
    assert_int_equal(sq_addr_parse("192.0.2.1", 1, &here), 0);
    assert_int_equal(sq_addr_parse("192.0.2.2", 2, &there), 0);
    sq_recorder_set_pair(recorder, &here, &there);
    if (!without_sound) {
        add(a, SQ_MEDIA_AUDIO, SQ_DIR_SENDONLY);
    }
    if (video) {
        add(a, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    }
    simnet_negotiate(net, a, b, false);
    fail_at = fails;
    run_for(net, seconds * SEC);
    sq_recorder_tick(recorder);
    sq_recorder_free(recorder);
    recorder = NULL;
    sq_filewriter_free(writer);
    simnet_free(net);
}

static void files_by_format(void **state)
{
    (void)state;
    record(3, SQ_RECORD_MEDIA, 0, true);
    assert_int_equal(files("a_b_peer-in-1.webm", true), 1);
    assert_int_equal(files("", true), 0);
    record(3, SQ_RECORD_MEDIA, 0, false); /* sound alone */
    assert_int_equal(files("a_b_peer-in-1.ogg", true), 1);
    assert_int_equal(files("", true), 0);
    record(3, SQ_RECORD_MEDIA | SQ_RECORD_OGG | SQ_RECORD_RTPDUMP | SQ_RECORD_PCAP, 0, true);
    assert_int_equal(files(".webm", false), 1);
    assert_int_equal(files(".ogg", false), 1);
    assert_int_equal(files("a_b_peer-in-video-1.rtpdump", false), 1);
    assert_int_equal(files("a_b_peer-in-audio-1.rtpdump", false), 1);
    assert_int_equal(files("a_b_peer.pcap", false), 1);
    assert_int_equal(files("", true), 5);
}

static uint64_t size_of(const char *name)
{
    char path[128];
    struct stat info;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

/* Of each sound its file, and of a picture none; without sound, nothing. */
static void ogg_is_sound_alone(void **state)
{
    (void)state;
    record(3, SQ_RECORD_OGG, 0, true);
    assert_int_equal(files("a_b_peer-in-1.ogg", true), 1);
    assert_int_equal(files("", true), 0);
    assert_true(seen.audio_in > 100 && seen.video_in > 100);
    without_sound = true;
    record(3, SQ_RECORD_OGG, 0, true);
    without_sound = false;
    assert_int_equal(files("", true), 0);
    assert_int_equal(seen.audio_in, 0);
    assert_true(seen.video_in > 100);
    sound_codecs = "pcmu";
    record(3, SQ_RECORD_OGG, 0, true);
    assert_int_equal(files("a_b_peer-in-1.wav", true), 1);
    assert_int_equal(files("", true), 0);
    record(3, SQ_RECORD_OGG | SQ_RECORD_MEDIA, 0, true);
    sound_codecs = NULL;
    assert_int_equal(files("a_b_peer-in-1.wav", false), 1);
    assert_int_equal(files("a_b_peer-in-1.webm", false), 1);
    assert_int_equal(files("", true), 2);
}

/* Sound waits for its picture, for five seconds; a call that ends before has its sound all the
 * same, each packet once. */
static void sound_that_waited(void **state)
{
    static const unsigned seconds[] = {3, 8};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        no_picture = true;
        record(seconds[i], SQ_RECORD_MEDIA, 0, true);
        uint64_t waited = size_of("a_b_peer-in-1.ogg");
        assert_int_equal(files("", true), 1);
        record(seconds[i], SQ_RECORD_MEDIA | SQ_RECORD_OGG, 0, true);
        no_picture = false;
        uint64_t both = size_of("a_b_peer-in-1.ogg");
        assert_int_equal(files("", true), 1);
        record(seconds[i], SQ_RECORD_OGG, 0, true);
        uint64_t alone = size_of("a_b_peer-in-1.ogg");
        assert_int_equal(files("", true), 1);
        assert_true(alone > 3000 * seconds[i]);
        assert_true(waited == alone && both == alone);
    }
}

/* Sound that came in RED is in the file as it would have come alone; the packets are as they came.
 */
static void red_is_taken_off(void **state)
{
    uint64_t sound[2];
    uint64_t dump[2];
    (void)state;
    for (int red = 0; red < 2; red++) {
        with_red = red;
        record(4, SQ_RECORD_MEDIA | SQ_RECORD_RTPDUMP, 0, false);
        with_red = false;
        sound[red] = size_of("a_b_peer-in-1.ogg");
        dump[red] = size_of("a_b_peer-in-audio-1.rtpdump");
        assert_int_equal(files("", true), 2);
    }
    assert_true(sound[1] * 100 <= sound[0] * 102 && sound[1] * 100 >= sound[0] * 98);
    assert_true(dump[1] * 10 > dump[0] * 15);
}

static void each_allocation_fails(void **state)
{
    (void)state;
    for (size_t nth = 1; nth <= 60; nth++) {
        record(1, SQ_RECORD_MEDIA | SQ_RECORD_OGG | SQ_RECORD_RTPDUMP | SQ_RECORD_PCAP, nth, true);
        files("", true);
    }
}

static void formats_of_the_command_line(void **state)
{
    (void)state;
    unsigned formats = 0;
    assert_int_equal(sq_record_formats("webm", &formats), 0);
    assert_int_equal(formats, SQ_RECORD_MEDIA);
    assert_int_equal(sq_record_formats("pcap,ogg", &formats), 0);
    assert_int_equal(formats, SQ_RECORD_OGG | SQ_RECORD_PCAP);
    assert_int_equal(sq_record_formats("mp4", &formats), SQ_ERR_FORMAT);
    assert_int_equal(sq_record_formats("webm,", &formats), SQ_ERR_FORMAT);
    assert_int_equal(sq_record_formats("", &formats), SQ_ERR_FORMAT);
}

/* ---- What is sent ---- */

static void on_sent(void *ctx, struct sq_track *track, const uint8_t *rtp, size_t len,
                    uint64_t now_ns)
{
    sq_recorder_sent(recorder, simnode_peer(ctx), track, rtp, len, now_ns);
}

/* Packets of that SSRC in the file, which is removed. */
static uint64_t packets_in(const char *name, uint32_t ssrc)
{
    static uint8_t bytes[8 << 20];
    char path[128];
    struct sq_rtpfile file;
    struct sq_rtpfile_packet packet;
    uint64_t n = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(sq_rtpfile_open(&file, bytes, fread(bytes, 1, sizeof(bytes), f)), 0);
    fclose(f);
    unlink(path);
    while (sq_rtpfile_next(&file, &packet) == 0) {
        n += sq_load_u32(packet.rtp + 8) == ssrc;
    }
    return n;
}

/* What leaves by RTX is in the pcap as it leaves, as many as are counted, and the stream's own
 * packets beside it; the dump of the stream has these alone. */
static void rtx_is_in_the_capture(void **state)
{
    static const struct sq_peer_ops ops = {.sent = on_sent};
    static const struct sq_peer_config plain = {0};
    struct sq_filewriter *writer;
    struct sq_outbound_stats s;
    struct sq_addr here, there;
    (void)state;
    assert_int_equal(sq_filewriter_new(0, &writer), 0);
    const struct sq_record_plan plan = {.peers = 1,
                                        .formats = SQ_RECORD_PCAP | SQ_RECORD_RTPDUMP,
                                        .sent = true,
                                        .dir = dir,
                                        .writer = writer};
    assert_int_equal(sq_recorder_new(&plan, "a", 0, &recorder), 0);
    assert_int_equal(sq_addr_parse("192.0.2.1", 1, &here), 0);
    assert_int_equal(sq_addr_parse("192.0.2.2", 2, &there), 0);
    sq_recorder_set_pair(recorder, &here, &there);
    struct simnet *net = simnet_new(96, 2);
    struct simnode *a = simnet_try_add(net, &plain, &ops, NULL, NULL);
    struct simnode *b = simnet_add(net, &plain, false, NULL, NULL);
    add(a, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    simnode_link(a)->loss = 0.05;
    simnode_link(a)->delay_ns = simnode_link(b)->delay_ns = 10 * MS;
    simnet_negotiate(net, a, b, false);
    run_for(net, 10 * SEC);
    const struct sq_track *track = sq_peer_track(simnode_peer(a), 0);
    sq_track_outbound_stats(track, simnet_now(net), &s);
    uint32_t rtx_ssrc = track->tx->encodings[0].rtx_ssrc;
    uint64_t rtx = track->tx->encodings[0].rtx_packets;
    sq_recorder_free(recorder);
    recorder = NULL;
    sq_filewriter_free(writer);
    assert_true(rtx > 20);
    assert_int_equal(files(".pcap", false), 1);
    char copy[128], path[128];
    snprintf(path, sizeof(path), "%s/a.pcap", dir);
    snprintf(copy, sizeof(copy), "%s/b.pcap", dir);
    assert_int_equal(link(path, copy), 0);
    assert_int_equal(packets_in("a.pcap", rtx_ssrc), rtx);
    assert_int_equal(packets_in("b.pcap", s.ssrc), s.packets_sent - rtx);
    assert_int_equal(packets_in("a-out-video-1.rtpdump", s.ssrc), s.packets_sent - rtx);
    simnet_free(net);
}

static int set_up(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/squall-record-XXXXXX");
    return mkdtemp(dir) ? open_clip(state) : 1;
}

static int tear_down(void **state)
{
    rmdir(dir);
    return close_clip(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_by_format),
        cmocka_unit_test(ogg_is_sound_alone),
        cmocka_unit_test(sound_that_waited),
        cmocka_unit_test(red_is_taken_off),
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(rtx_is_in_the_capture),
        cmocka_unit_test(formats_of_the_command_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

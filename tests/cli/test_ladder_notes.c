/* A clip whose steps have not the rates that were asked for. */
#include "cli/ladder_notes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void steps_far_from_their_rates(void **state)
{
    (void)state;
    static struct sq_clip clip; /* large */
    const struct sq_prepare_step steps[] = {{0, 180, 150000}, {0, 360, 1000000}};
    char *told = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&told, &len);
    assert_non_null(out);
    clip.track_count = 3;
    clip.tracks[0] = (struct sq_clip_track){.kind = SQ_CLIP_VIDEO,
                                            .codec = SQ_CODEC_VP8,
                                            .width = 320,
                                            .height = 180,
                                            .average_bps = 225000};
    clip.tracks[1] = (struct sq_clip_track){.kind = SQ_CLIP_VIDEO,
                                            .codec = SQ_CODEC_VP8,
                                            .width = 640,
                                            .height = 360,
                                            .step = 1,
                                            .average_bps = 500000};
    clip.tracks[2] = (struct sq_clip_track){.kind = SQ_CLIP_AUDIO, .codec = SQ_CODEC_OPUS};
    sq_ladder_notes(steps, 2, &clip, out);
    assert_int_equal(fflush(out), 0);
    assert_int_equal(len, 0); /* near enough */
    clip.tracks[0].average_bps = 226000;
    clip.tracks[1].average_bps = 359000;
    sq_ladder_notes(steps, 2, &clip, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(told,
                        "Note: VP8 at 320x180 has 226 kbit/s, where 150 were asked for: too many "
                        "pixels for so low a rate; give --ladder smaller sizes or higher rates.\n"
                        "Note: VP8 at 640x360 has 359 kbit/s, where 1000 were asked for: its "
                        "encoder makes no more of this picture; give --ladder lower rates, or a "
                        "picture with more detail and motion.\n");
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_far_from_their_rates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

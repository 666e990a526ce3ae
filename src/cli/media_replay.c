/* squall media replay FILE TARGET: squall run with a recorded stream in the place of a clip. */
#include "base/mem.h"
#include "cli/cli.h"
#include <stdio.h>
#include <string.h>

static void print_help(void)
{
    puts("Usage: squall media replay FILE TARGET [OPTION…]\n\n"
         "Sends the first audio and the first video stream of an rtpdump or pcap file (decrypted "
         "RTP, such\n"
         "as 'squall run --record 1 --record-format rtpdump,pcap' writes) to TARGET, with its own "
         "loss and\n"
         "timing: holes in the sequence numbers, time-stamps and intervals are kept; payload type "
         "and SSRC\n"
         "become the negotiated ones. The run lasts as long as the recording.\n\n"
         "  --pt MAP   what payload types are, such as 96=VP8,111=opus (default: those of Squall's "
         "and\n             Chromium's offers)\n\n"
         "All options of 'squall run' hold, but those of clips: squall run --help.");
}

int sq_media_replay(int argc, char **argv)
{
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        print_help();
        return SQ_EXIT_HELD;
    }
    if (argc < 2 || argv[0][0] == '-') {
        return sq_usage("media replay", "media replay: expected FILE TARGET");
    }
    static char option[] = "--replay";
    char **words = sq_calloc((size_t)argc + 1, sizeof(*words));
    if (!words) {
        return sq_usage("media replay", "no memory");
    }
    words[0] = option;
    memcpy(words + 1, argv, (size_t)argc * sizeof(*words));
    int code = sq_cmd_run(argc + 1, words);
    sq_free(words);
    return code;
}

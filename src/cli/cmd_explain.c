/* squall explain: what a metric is. */
#include "cli/cli.h"
#include "cli/explain.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: squall explain [METRIC[.AGGREGATE] …]\n\n"
    "What a metric is: its unit, when a sample is taken, its W3C identifier, what is good, how it "
    "is\n"
    "judged, and an expectation as an example. Without a name: all metrics, a line each.\n\n"
    "  squall explain video.in.loss\n"
    "  squall explain video.in.loss.p95\n"
    "  squall explain webrtc/video/packetsLost/in/95th    (testRTC's and Loadero's names, too)\n";

int sq_cmd_explain(int argc, char **argv)
{
    struct sq_buf out = {0};
    char why[SQ_EXPLAIN_WHY_MAX] = "";
    int err = 0;
    for (int i = 0; i < argc && !err; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            sq_buf_free(&out);
            return SQ_EXIT_HELD;
        }
        if (argv[i][0] == '-') {
            sq_buf_free(&out);
            return sq_usage("explain", "explain: there is no option %s", argv[i]);
        }
        sq_buf_puts(&out, i > 0 ? "\n" : "");
        err = sq_explain(argv[i], &out, why);
    }
    if (argc == 0) {
        sq_explain_all(&out);
    }
    if (!err) {
        err = out.err;
        (void)fwrite(out.text, 1, err ? 0 : out.len, stdout);
    }
    sq_buf_free(&out);
    return err ? sq_usage("explain", "explain: %s", why[0] ? why : sq_err_name(err)) : SQ_EXIT_HELD;
}

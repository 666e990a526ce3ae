/* Targets, URLs, and the units of the command line. */
#include "base/mem.h"
#include "base/str.h"
#include "fuzz/fuzz.h"
#include "signal/target.h"
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[4096];
    char why[320];
    struct sq_target target;
    uint64_t number;
    double rate;
    if (len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, len);
    text[len] = '\0';
    memset(why, 1, sizeof(why));
    if (sq_target_parse(text, &target, why, sizeof(why)) == 0) {
        MUST(target.params_len <= SQ_TARGET_PARAMS_MAX);
        MUST(target.scheme && strlen(target.scheme) > 0 && strncmp(text, target.scheme, 1) == 0);
        MUST(target.inner && target.host && target.path);
        MUST(!strpbrk(target.host, "[]/?#@ \r\n\t"));
        for (size_t i = 0; i < target.params_len; i++) {
            MUST(target.params[i].name && target.params[i].value);
            MUST(sq_target_param(&target, target.params[i].name) != NULL);
        }
        sq_target_free(&target);
    } else {
        MUST(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0');
    }
    if (sq_parse_duration(text, &number) == 0) {
        char out[32];
        MUST(strlen(sq_format_duration(number, out)) < sizeof(out));
    }
    if (sq_parse_rate(text, &rate) == 0) {
        MUST(isfinite(rate) && rate >= 0);
    }
    (void)!sq_parse_bitrate(text, &number);
    return 0;
}

#include "media/codec.h"

#include <strings.h>

static const struct sq_codec_info codecs[SQ_CODECS] = {
    [SQ_CODEC_NONE] = {"", 0, false},        [SQ_CODEC_OPUS] = {"opus", 48000, false},
    [SQ_CODEC_PCMU] = {"PCMU", 8000, false}, [SQ_CODEC_PCMA] = {"PCMA", 8000, false},
    [SQ_CODEC_G722] = {"G722", 8000, false}, [SQ_CODEC_VP8] = {"VP8", 90000, true},
    [SQ_CODEC_VP9] = {"VP9", 90000, true},   [SQ_CODEC_H264] = {"H264", 90000, true},
    [SQ_CODEC_AV1] = {"AV1", 90000, true},
};

const struct sq_codec_info *sq_codec_info(enum sq_codec codec)
{
    return &codecs[codec < SQ_CODECS ? codec : SQ_CODEC_NONE];
}

enum sq_codec sq_codec_by_name(const char *name)
{
    for (unsigned codec = SQ_CODEC_NONE + 1; codec < SQ_CODECS; codec++) {
        if (strcasecmp(codecs[codec].name, name) == 0) {
            return (enum sq_codec)codec;
        }
    }
    return SQ_CODEC_NONE;
}

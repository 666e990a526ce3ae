/* Between the reading of a recording and the check of what was said of it. */
#ifndef SQ_RUN_REPLAY_INT_H
#define SQ_RUN_REPLAY_INT_H

#include "run/replay.h"

/* What a receiver could show of the video were it of that codec, by the model that measures it. */
uint64_t sq_replay_frames(const struct sq_replay *replay, enum sq_codec codec);

/* Whether what --pt says fits the recording. Each type that was named came: else SQ_ERR_NOTFOUND
 * with the types that did. */
int sq_replay_types_came(const struct sq_replay *replay, const bool named[static SQ_REPLAY_PTS],
                         const char *path, char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;
/* And the packets of what is sent are of the codec that was named: else SQ_ERR_FORMAT. */
int sq_replay_codecs_fit(const struct sq_replay *replay, bool audio, bool video,
                         char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;
/* Its video, if it has any, makes a picture: else SQ_ERR_NOTFOUND. */
int sq_replay_shows(const struct sq_replay *replay, bool audio,
                    char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;

#endif

/* Between the reading of a recording and the check of what was said of it. */
#ifndef SQ_RUN_REPLAY_INT_H
#define SQ_RUN_REPLAY_INT_H

#include "run/replay.h"

/* What a receiver could show of the video were it of that codec, by the model that measures it. */
uint64_t sq_replay_frames(const struct sq_replay *replay, enum sq_codec codec);

/* Those of Squall's offers, and of Chromium. */
void sq_replay_types_default(struct sq_replay_type types[static SQ_REPLAY_PTS]);
/* Those that the map tells besides. SQ_ERR_INVALID. */
int sq_replay_types_read(const char *text, struct sq_replay *replay,
                         char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;

/* Whether what --pt says fits the recording. Each type that was named came: else SQ_ERR_NOTFOUND
 * with the types that did. */
int sq_replay_types_came(const struct sq_replay *replay, const char *path,
                         char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;
/* And the packets of what is sent are of the codec that was named: else SQ_ERR_FORMAT. */
int sq_replay_codecs_fit(const struct sq_replay *replay, bool audio, bool video,
                         char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;
/* Its video, if it has any, makes a picture: else SQ_ERR_NOTFOUND. */
int sq_replay_shows(const struct sq_replay *replay, bool audio,
                    char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;

#endif

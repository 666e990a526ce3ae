/* What became of the ladder that a clip was to have. */
#ifndef SQ_CLI_LADDER_NOTES_H
#define SQ_CLI_LADDER_NOTES_H

#include "media/clip.h"
#include "prepare/prepare.h"
#include <stdio.h>

/* A line for each video track whose rate is far from its step's, above or below it. */
void sq_ladder_notes(const struct sq_prepare_step *steps, size_t n_steps,
                     const struct sq_clip *clip, FILE *out);

#endif

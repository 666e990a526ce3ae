#include "cli/ladder_notes.h"

/* Of a step's rate: then the clip is not the ladder that was asked for. */
#define RATE_ABOVE 1.5
#define RATE_BELOW 0.5

void sq_ladder_notes(const struct sq_prepare_step *steps, size_t n_steps,
                     const struct sq_clip *clip, FILE *out)
{
    for (size_t i = 0; i < clip->track_count; i++) {
        const struct sq_clip_track *t = &clip->tracks[i];
        if (t->kind != SQ_CLIP_VIDEO || t->step >= n_steps) {
            continue;
        }
        /* An encoder takes what a picture needs at its coarsest, and no more than at its finest,
         * whatever it is asked for. */
        const double asked_bps = steps[t->step].bps;
        const char *reason = t->average_bps > RATE_ABOVE * asked_bps
                                 ? "too many pixels for so low a rate; give --ladder smaller sizes "
                                   "or higher rates"
                             : t->average_bps < RATE_BELOW * asked_bps
                                 ? "its encoder makes no more of this picture; give --ladder lower "
                                   "rates, or a picture with more detail and motion"
                                 : NULL;
        if (reason) {
            fprintf(out, "Note: %s at %ux%u has %.0f kbit/s, where %.0f were asked for: %s.\n",
                    sq_codec_info(t->codec)->name, t->width, t->height, t->average_bps / 1e3,
                    asked_bps / 1e3, reason);
        }
    }
}

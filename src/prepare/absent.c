/* In place of the rest of this folder where libav was not found. */
#include "prepare/prepare.h"

#include <stdio.h>

bool sq_prepare_can(void)
{
    return false;
}

int sq_prepare_clip(const struct sq_prepare *want, char why[static SQ_PREPARE_WHY_MAX])
{
    (void)snprintf(why, SQ_PREPARE_WHY_MAX,
                   "this build cannot prepare clips: install libavformat-dev, libavcodec-dev, "
                   "libswscale-dev and libswresample-dev, and build again");
    return SQ_ERR_UNSUPPORTED;
}

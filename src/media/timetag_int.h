/* Between timetag.c and timetag_room.c. */
#ifndef SQ_MEDIA_TIMETAG_INT_H
#define SQ_MEDIA_TIMETAG_INT_H

#include "media/timetag.h"

#define SQ_TIMETAG_MAGIC 0xFA

/* A tag in a payload (descriptor and all) of a codec for which clips leave room. */
bool sq_timetag_find_room(enum sq_codec codec, const uint8_t *payload, size_t len,
                          struct sq_timetag *ret_tag);

#endif

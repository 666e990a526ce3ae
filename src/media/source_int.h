/* Between a source and the payload descriptors of its packets. */
#ifndef SQ_MEDIA_SOURCE_INT_H
#define SQ_MEDIA_SOURCE_INT_H

#include "media/source.h"

/* Writes what stands before a packet's fragment, and its header extension. `p` is a packet of `t`,
 * sent in `slot`; `tl0` is that slot's TL0PICIDX. The rest of the packet is filled in. */
void sq_source_heads(const struct sq_source *s, const struct sq_clip_track *t,
                     const struct sq_clip_packet *p, uint32_t slot, uint8_t tl0,
                     struct sq_source_packet *packet);

#endif

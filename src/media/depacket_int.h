/* Inside of the depacketizers. */
#ifndef SQ_MEDIA_DEPACKET_INT_H
#define SQ_MEDIA_DEPACKET_INT_H

#include "media/depacket.h"

#define GOF_MAX      16 /* pictures of a group; a longer one is not followed */
#define TEMPLATE_MAX 64 /* a template id has 6 bits */
#define FDIFFS_MAX   4  /* of a template; one that has more is not followed */
#define DD_TARGETS   32
#define DD_CHAINS    32

struct gof {     /* VP9 */
    uint16_t id; /* of the picture that brought it */
    uint8_t count;
    uint32_t refs[GOF_MAX];
};

struct template
{
    uint8_t sid, tid;
    uint8_t n_fdiffs; /* above FDIFFS_MAX: there are more */
    uint8_t fdiffs[FDIFFS_MAX];
};

struct templates {  /* dependency descriptor */
    uint8_t offset; /* template_id_offset */
    uint8_t count;  /* 0: none came yet */
    uint8_t n_targets, n_chains;
    uint16_t width[4], height[4]; /* 0: not told */
    struct template all[TEMPLATE_MAX];
};

struct sq_depacket_state {
    struct gof *gof;             /* owned */
    struct templates *templates; /* owned */
};

/* NULL without memory. */
struct sq_depacket_state *sq_depacket_state_get(struct sq_depacket_state **state);

int sq_depacket_vp9(const struct sq_media_packet *p, struct sq_depacket_state **state,
                    struct sq_part *part);
int sq_depacket_h264(const struct sq_media_packet *p, struct sq_part *part);
int sq_depacket_av1(const struct sq_media_packet *p, struct sq_part *part);

#endif

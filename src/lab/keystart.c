#include "lab/keystart.h"

unsigned sq_lab_key_look(struct sq_lab_keys *keys, const struct sq_media_packet *packet,
                         bool newest)
{
    struct sq_depacket_state *state = NULL;
    struct sq_part part;
    int err = sq_depacket(packet, &state, &part);
    sq_depacket_state_free(state);
    if (err != 0 || part.sid != 0) {
        return 0;
    }
    bool begins = (part.flags & (SQ_PART_BEGIN | SQ_PART_MAY_BEGIN)) != 0;
    unsigned key = begins && (part.flags & SQ_PART_KEY) ? SQ_LAB_KEY_CAME : 0U;
    bool starts = key && newest; /* of a late one the packets behind it have gone already */
    if (packet->codec != SQ_CODEC_H264) {
        return key | (starts ? SQ_LAB_KEY_START : 0U);
    }
    starts = starts && !keys->sets;
    if (part.flags & SQ_PART_SETS) {
        keys->sets = true;
        starts = newest;
        if (newest) {
            keys->sets_ts = packet->timestamp;
        }
    }
    bool soon = !key && !starts && keys->sets && packet->timestamp == keys->sets_ts;
    return key | (starts ? SQ_LAB_KEY_START : 0U) | (soon ? SQ_LAB_KEY_SOON : 0U);
}

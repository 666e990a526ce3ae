#include "media/dtmf.h"

#include "base/wire.h"
#include <ctype.h>
#include <string.h>

#define VOLUME_DBM0     10 /* as browsers send it */
#define DURATION_MAX_MS 60000

static const char keys[] = "0123456789*#ABCD";

int sq_dtmf_of_key(char key)
{
    const char *at = key ? strchr(keys, toupper((unsigned char)key)) : NULL;
    return at ? (int)(at - keys) : -1;
}

char sq_dtmf_key(uint8_t event)
{
    return event < sizeof(keys) - 1 ? keys[event] : '\0';
}

int sq_dtmf_parse(const uint8_t *payload, size_t len, struct sq_dtmf_event *ret_event)
{
    if (len < SQ_DTMF_BYTES) {
        return SQ_ERR_TRUNCATED;
    }
    *ret_event = (struct sq_dtmf_event){.event = payload[0],
                                        .end = (payload[1] & 0x80) != 0,
                                        .volume = payload[1] & 0x3f,
                                        .duration = sq_load_u16(payload + 2)};
    return 0;
}

void sq_dtmf_write(const struct sq_dtmf_event *event, uint8_t out[static SQ_DTMF_BYTES])
{
    out[0] = event->event;
    out[1] = (uint8_t)((event->end ? 0x80 : 0) | (event->volume & 0x3f));
    sq_store_u16(out + 2, event->duration);
}

int sq_dtmf_press(struct sq_dtmf *d, char key, uint32_t clock_hz, unsigned duration_ms,
                  unsigned interval_ms)
{
    int event = sq_dtmf_of_key(key);
    uint64_t duration = (uint64_t)clock_hz * duration_ms / 1000;
    uint64_t step = (uint64_t)clock_hz * interval_ms / 1000;
    if (event < 0 || duration == 0 || duration_ms > DURATION_MAX_MS || step == 0 ||
        step > UINT16_MAX) {
        return SQ_ERR_INVALID;
    }
    *d = (struct sq_dtmf){.at = {.event = (uint8_t)event, .volume = VOLUME_DBM0},
                          .step = (uint16_t)step,
                          .duration = (uint32_t)duration,
                          .ends_left = SQ_DTMF_ENDS};
    return 0;
}

bool sq_dtmf_next(struct sq_dtmf *d, struct sq_dtmf_packet *ret_packet)
{
    if (d->ends_left == 0) {
        return false;
    }
    uint32_t full = d->segment + UINT16_MAX;
    if (d->due_ticks == full && d->due_ticks < d->duration) {
        d->segment = full;
        full += UINT16_MAX;
    }
    /* The end is told again at once, as libwebrtc does: sound goes on without a hole. */
    uint32_t next = d->due_ticks + (d->at.end ? 0 : d->step);
    d->due_ticks = next > full && full < d->duration ? full : next;
    d->at.end = d->due_ticks >= d->duration;
    d->at.duration = (uint16_t)((d->at.end ? d->duration : d->due_ticks) - d->segment);
    d->ends_left -= d->at.end;
    sq_dtmf_write(&d->at, ret_packet->payload);
    ret_packet->marker = !d->begun;
    ret_packet->due_ticks = d->due_ticks;
    ret_packet->segment_ticks = d->segment;
    d->begun = true;
    return true;
}

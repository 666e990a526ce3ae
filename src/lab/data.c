/* Data channels of members: a message goes to everyone else in the room who has a channel of the
 * same label, and back where the room echoes. The lab opens no channels of its own. */
#include "lab/lab_int.h"
#include <string.h>

#define WAITING_MAX                                                                                \
    (1024 * 1024) /* bytes for one channel; a member that is slower misses messages */

static struct sq_channel *channel_of(const struct sq_lab_member *member, const char *label)
{
    for (size_t i = 0;; i++) {
        struct sq_channel *channel = sq_peer_channel(member->peer, i);
        bool open = channel && sq_channel_state(channel) == SQ_CHANNEL_OPEN;
        if (!channel || (open && strcmp(sq_channel_label(channel), label) == 0)) {
            return channel;
        }
    }
}

static void pass_on(struct sq_lab *lab, struct sq_channel *channel,
                    const struct sq_peer_event *event)
{
    int err =
        sq_channel_buffered_bytes(channel) + event->data_len > WAITING_MAX
            ? SQ_ERR_AGAIN
            : sq_channel_send(channel, event->now_ns, event->binary, event->data, event->data_len);
    lab->counters.data_out += err == 0;
    lab->counters.data_dropped += err != 0;
}

void sq_lab_on_data(struct sq_lab_member *member, const struct sq_peer_event *event)
{
    struct sq_lab *lab = member->lab;
    lab->counters.data_in++;
    if (member->echo) {
        pass_on(lab, event->channel, event);
        return;
    }
    const char *label = sq_channel_label(event->channel);
    for (struct sq_lab_member *m = member->room->members; m; m = m->next) {
        struct sq_channel *channel = m != member && m->connected ? channel_of(m, label) : NULL;
        if (channel) {
            pass_on(lab, channel, event);
        }
    }
}

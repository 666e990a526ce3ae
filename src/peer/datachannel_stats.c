/* What is known of data channels: plain questions, and statistics by W3C's names. */
#include "peer/datachannel_int.h"
#include <stdio.h>

bool sq_peer_data_is_refused(const struct sq_peer *peer)
{
    return peer->data && !peer->data->sctp && sq_jsep_data(peer->jsep).refused;
}

enum sq_channel_state sq_channel_state(const struct sq_channel *channel)
{
    return channel->state;
}

const char *sq_channel_label(const struct sq_channel *channel)
{
    return channel->text;
}

const char *sq_channel_protocol(const struct sq_channel *channel)
{
    return channel->protocol;
}

int sq_channel_id(const struct sq_channel *channel)
{
    return channel->id;
}

void sq_channel_settings(const struct sq_channel *channel, struct sq_channel_config *ret_config)
{
    *ret_config = (struct sq_channel_config){
        .label = channel->text,
        .protocol = channel->protocol,
        .unordered = channel->unordered,
        .limit_retransmits = channel->limit_retransmits,
        .limit_lifetime = channel->limit_lifetime,
        .max_retransmits = channel->max_retransmits,
        .max_lifetime_ms = channel->max_lifetime_ms,
        .priority = channel->priority,
        .negotiated = channel->negotiated,
        .id = channel->id < 0 ? 0 : (uint16_t)channel->id,
    };
}

size_t sq_channel_buffered_bytes(const struct sq_channel *channel)
{
    const struct sq_peer_data *d = channel->peer->data;
    return d->sctp && channel->id >= 0 ? sq_sctp_waiting_bytes(d->sctp, (uint16_t)channel->id) : 0;
}

void sq_channel_set_buffered_low(struct sq_channel *channel, size_t threshold_bytes)
{
    channel->low_bytes = threshold_bytes;
    channel->above_low = sq_channel_buffered_bytes(channel) > threshold_bytes;
}

void sq_channel_set_user(struct sq_channel *channel, void *user)
{
    channel->user = user;
}

void *sq_channel_user(const struct sq_channel *channel)
{
    return channel->user;
}

struct sq_peer *sq_channel_peer(const struct sq_channel *channel)
{
    return channel->peer;
}

struct sq_channel *sq_peer_channel(const struct sq_peer *peer, size_t i)
{
    return peer->data && i < peer->data->len ? peer->data->channels[i] : NULL;
}

size_t sq_peer_max_message_bytes(const struct sq_peer *peer)
{
    const struct sq_jsep_data section = sq_jsep_data(peer->jsep);
    return section.negotiated ? section.remote_max_message_size_bytes : 0;
}

void sq_peer_tell_message_limit(const struct sq_peer *peer,
                                char text[static SQ_PEER_LIMIT_TEXT_MAX])
{
    snprintf(text, SQ_PEER_LIMIT_TEXT_MAX,
             "the other side takes messages of %zu bytes at most (%s, RFC 8841)",
             sq_peer_max_message_bytes(peer),
             sq_jsep_data(peer->jsep).told_max_message_size ? "its a=max-message-size"
                                                            : "it has no a=max-message-size");
}

void sq_channel_stats(const struct sq_channel *channel, struct sq_channel_stats *ret_stats)
{
    struct sq_channel_stats s = channel->stats;
    s.label = channel->text;
    s.protocol = channel->protocol;
    s.data_channel_identifier = channel->id;
    s.state = channel->state;
    *ret_stats = s;
}

void sq_peer_data_stats(const struct sq_peer *peer, struct sq_data_stats *ret_stats)
{
    const struct sq_peer_data *d = peer->data;
    struct sq_data_stats s = {.state = "closed", .smoothed_round_trip_time_s = -1};
    if (d) {
        struct sq_channel_stats sum = d->past;
        for (size_t i = 0; i < d->len; i++) {
            sq_channel_stats_add(&sum, &d->channels[i]->stats);
        }
        s.negotiated = d->negotiated;
        s.state = d->negotiated ? "connecting" : "closed";
        s.max_message_size = sq_peer_max_message_bytes(peer);
        s.max_channels = SQ_PEER_CHANNELS_MAX;
        s.data_channels_opened = d->opened;
        s.data_channels_closed = d->closed;
        s.messages_sent = sum.messages_sent;
        s.bytes_sent = sum.bytes_sent;
        s.messages_received = sum.messages_received;
        s.bytes_received = sum.bytes_received;
    }
    if (d && d->sctp) {
        struct sq_sctp_stats in;
        sq_sctp_stats(d->sctp, &in);
        s.state = sq_sctp_state_name(in.state);
        s.smoothed_round_trip_time_s = in.smoothed_round_trip_time_s;
        s.congestion_window_bytes = in.congestion_window_bytes;
        s.receiver_window_bytes = in.receiver_window_bytes;
        s.mtu_bytes = in.mtu_bytes;
        s.unack_data = in.unack_data;
        s.retransmitted_chunks = in.retransmitted_chunks;
        s.messages_abandoned = in.messages_abandoned;
        s.interleaving = in.interleaving;
        s.zero_checksum = in.zero_checksum;
    }
    *ret_stats = s;
}

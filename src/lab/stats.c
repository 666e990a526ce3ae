/* GET /stats: the lab's own figures as JSON, so that a client's can be held against them. Names are
 * those of W3C webrtc-stats, seen from the lab: what a publisher sends is inbound.
 * ?members=0 leaves the members out, ?room=NAME shows one room. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <string.h>

static const char *const kinds[] = {"room", "whip", "whep"};
static const char *const states[] = {"new",          "connecting", "connected",
                                     "disconnected", "failed",     "closed"};

static void put_text(struct sq_buf *b, const char *key, const char *text)
{
    sq_buf_printf(b, "\"%s\":", key);
    sq_room_put_string(b, text);
    sq_buf_puts(b, ",");
}

static void put_count(struct sq_buf *b, const char *key, uint64_t n)
{
    sq_buf_printf(b, "\"%s\":%llu,", key, (unsigned long long)n);
}

/* Objects end with a comma behind their last field: takes it back. */
static void end(struct sq_buf *b, const char *bracket)
{
    if (b->len > 0 && b->text && b->text[b->len - 1] == ',') {
        b->text[--b->len] = '\0';
    }
    sq_buf_puts(b, bracket);
}

/* Of a layer of simulcast, too: its track stands behind the port's. */
static void put_inbound(struct sq_buf *b, const struct sq_lab_port *port,
                        const struct sq_lab_source *source, uint64_t now_ns)
{
    struct sq_inbound_stats in;
    sq_track_inbound_stats(source->track, now_ns, &in);
    sq_buf_puts(b, "{\"type\":\"inbound-rtp\",");
    put_text(b, "kind", port->video ? "video" : "audio");
    put_text(b, "mid", sq_track_mid(port->track));
    put_text(b, "codec", sq_track_codec(port->track));
    if (source->base->above[0] || source->base->above[1]) {
        put_count(b, "layer", source->layer);
    }
    put_count(b, "ssrc", in.ssrc);
    put_count(b, "packetsReceived", in.packets_received);
    put_count(b, "bytesReceived", in.bytes_received);
    sq_buf_printf(b, "\"packetsLost\":%lld,", (long long)in.packets_lost);
    put_count(b, "packetsRepaired", in.packets_repaired);
    sq_buf_printf(b, "\"jitter\":%.6f,", in.jitter_s);
    put_count(b, "nackCount", in.nack_count);
    put_count(b, "pliCount", in.pli_count);
    end(b, "},");
}

static void put_outbound(struct sq_buf *b, const struct sq_lab_port *port, uint64_t now_ns)
{
    struct sq_outbound_stats out;
    sq_track_outbound_stats(port->track, now_ns, &out);
    sq_buf_puts(b, "{\"type\":\"outbound-rtp\",");
    put_text(b, "kind", port->video ? "video" : "audio");
    put_text(b, "mid", sq_track_mid(port->track));
    put_text(b, "from", port->from ? port->from->port->member->id : "");
    if (port->from && (port->from->base->above[0] || port->from->base->above[1])) {
        put_count(b, "layer", port->from->layer);
    }
    put_count(b, "ssrc", out.ssrc);
    put_count(b, "packetsSent", out.packets_sent);
    put_count(b, "bytesSent", out.bytes_sent);
    put_count(b, "retransmittedPacketsSent", out.retransmitted_packets_sent);
    put_count(b, "nackCount", out.nack_count);
    put_count(b, "pliCount", out.pli_count);
    sq_buf_printf(b, "\"remotePacketsLost\":%lld,\"remoteFractionLost\":%.4f,",
                  (long long)out.remote_packets_lost, out.remote_fraction_lost);
    if (out.round_trip_time_measurements > 0) {
        sq_buf_printf(b, "\"roundTripTime\":%.6f,", out.round_trip_time_s);
    }
    end(b, "},");
}

static void put_transport(struct sq_buf *b, const struct sq_lab_member *member)
{
    struct sq_transport_stats t;
    sq_peer_transport_stats(member->peer, &t);
    sq_buf_puts(b, "\"transport\":{");
    put_text(b, "state", states[t.state]);
    put_text(b, "dtlsRole", t.dtls_role);
    put_text(b, "srtpProfile", t.srtp_profile);
    put_text(b, "remoteAddress", t.remote_addr);
    put_count(b, "packetsSent", t.data_packets_sent);
    put_count(b, "packetsReceived", t.data_packets_received);
    put_count(b, "bytesSent", t.data_bytes_sent);
    put_count(b, "bytesReceived", t.data_bytes_received);
    put_count(b, "srtpErrors", t.srtp_errors);
    put_count(b, "discarded", t.discarded);
    end(b, "},");
}

/* RTCSctpTransport; of interleaving (RFC 8260) and zero checksums (RFC 9653) W3C has nothing. */
static void put_sctp(struct sq_buf *b, const struct sq_lab_member *member)
{
    struct sq_data_stats d;
    sq_peer_data_stats(member->peer, &d);
    if (d.negotiated) {
        sq_buf_puts(b, "\"sctp\":{");
        put_text(b, "state", d.state);
        sq_buf_printf(b, "\"interleaving\":%s,\"zeroChecksum\":%s,",
                      d.interleaving ? "true" : "false", d.zero_checksum ? "true" : "false");
        end(b, "},");
    }
}

static void put_channels(struct sq_buf *b, const struct sq_lab_member *member)
{
    static const char *const names[] = {"connecting", "open", "closing", "closed"};
    struct sq_channel *channel;
    sq_buf_puts(b, "\"dataChannels\":[");
    for (size_t i = 0; (channel = sq_peer_channel(member->peer, i)); i++) {
        struct sq_channel_stats s;
        sq_channel_stats(channel, &s);
        sq_buf_puts(b, "{\"type\":\"data-channel\",");
        put_text(b, "label", s.label);
        put_text(b, "protocol", s.protocol);
        sq_buf_printf(b, "\"dataChannelIdentifier\":%d,", s.data_channel_identifier);
        put_text(b, "state", names[s.state]);
        put_count(b, "messagesSent", s.messages_sent);
        put_count(b, "bytesSent", s.bytes_sent);
        put_count(b, "messagesReceived", s.messages_received);
        put_count(b, "bytesReceived", s.bytes_received);
        end(b, "},");
    }
    end(b, "],");
}

static void put_member(struct sq_buf *b, const struct sq_lab_member *member, uint64_t now_ns)
{
    sq_buf_puts(b, "{");
    /* A WHIP or WHEP id is a secret of its client's. */
    put_text(b, "id", member->kind == SQ_LAB_ROOM ? member->id : "");
    put_text(b, "name", member->name);
    put_text(b, "kind", kinds[member->kind]);
    sq_buf_printf(b, "\"age\":%.3f,", (double)(now_ns - member->joined_ns) / 1e9);
    put_transport(b, member);
    put_sctp(b, member);
    put_channels(b, member);
    sq_buf_puts(b, "\"inbound\":[");
    for (const struct sq_lab_port *port = member->ports; port; port = port->next) {
        for (size_t i = 0; port->source && i < SQ_LAB_LAYERS_MAX; i++) {
            const struct sq_lab_source *layer = i ? port->source->above[i - 1] : port->source;
            if (layer) {
                put_inbound(b, port, layer, now_ns);
            }
        }
    }
    end(b, "],\"outbound\":[");
    for (const struct sq_lab_port *port = member->ports; port; port = port->next) {
        if (port->from) {
            put_outbound(b, port, now_ns);
        }
    }
    end(b, "]},");
}

static void put_room(struct sq_buf *b, const struct sq_lab_room *room, bool members,
                     uint64_t now_ns)
{
    sq_buf_puts(b, "{");
    put_text(b, "name", room->name);
    put_count(b, "participants", room->members_len);
    if (members) {
        sq_buf_puts(b, "\"members\":[");
        for (const struct sq_lab_member *m = room->members; m; m = m->next) {
            put_member(b, m, now_ns);
        }
        end(b, "],");
    }
    end(b, "},");
}

static void put_totals(struct sq_buf *b, const struct sq_lab *lab, uint64_t now_ns)
{
    const struct sq_lab_counters *c = &lab->counters;
    const struct sq_carrier_counters *carrier = sq_carrier_counters(lab->carrier);
    sq_buf_printf(b, "\"uptime\":%.3f,\"cpu\":%.3f,", (double)(now_ns - lab->started_ns) / 1e9,
                  (double)sq_thread_cpu_ns() / 1e9);
    put_count(b, "participants", c->members);
    put_count(b, "rooms", c->rooms);
    put_count(b, "joined", c->joined);
    put_count(b, "left", c->left);
    put_count(b, "failed", c->failed);
    put_count(b, "rtpPacketsIn", c->rtp_in);
    put_count(b, "rtpPacketsOut", c->rtp_out);
    put_count(b, "nacksAnswered", c->nacks_answered);
    put_count(b, "nacksMissed", c->nacks_missed);
    put_count(b, "keyFramesAsked", c->key_frames_asked);
    put_count(b, "dataMessagesIn", c->data_in);
    put_count(b, "dataMessagesOut", c->data_out);
    put_count(b, "dataMessagesDropped", c->data_dropped);
    put_count(b, "datagramsSent", carrier->datagrams_sent);
    put_count(b, "datagramsReceived", carrier->datagrams_received);
    put_count(b, "sendErrors", carrier->send_errors);
    put_count(b, "receiveDrops", carrier->receive_drops);
    put_count(b, "stunAnswered", lab->stun_answered);
}

void sq_lab_on_stats(struct sq_lab *lab, struct sq_httpd_request *request)
{
    struct sq_buf b = {0};
    uint64_t now_ns = sq_lab_now(lab);
    const char *only = sq_httpd_query(request, "room");
    const char *members = sq_httpd_query(request, "members");
    sq_carrier_poll(lab->carrier);
    sq_buf_puts(&b, "{");
    put_totals(&b, lab, now_ns);
    sq_buf_puts(&b, "\"roomList\":[");
    for (const struct sq_lab_room *room = lab->rooms; room; room = room->next) {
        if (!only || strcmp(only, room->name) == 0) {
            put_room(&b, room, !members || strcmp(members, "0") != 0, now_ns);
        }
    }
    end(&b, "]}\n");
    if (b.err) {
        sq_lab_http_say(request, 503, NULL, "no memory");
    } else {
        static const char *const headers[] = {"Content-Type: application/json",
                                              "Cache-Control: no-store",
                                              "Access-Control-Allow-Origin: *", NULL};
        (void)sq_httpd_reply(request, 200, headers, b.text, b.len);
    }
    sq_buf_free(&b);
}

/* pc:getStats() -> rows of W3C's types and names */
#include "signal/lua/lua_int.h"

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void begin_row(lua_State *L, const char *type, const char *kind)
{
    lua_createtable(L, 0, 12);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    if (kind) {
        lua_pushstring(L, kind);
        lua_setfield(L, -2, "kind");
    }
}

static void push_track(lua_State *L, const struct sq_track *track, uint64_t now_ns, int out)
{
    const char *kind = sq_track_kind(track) == SQ_MEDIA_VIDEO ? "video" : "audio";
    struct sq_inbound_stats in;
    struct sq_outbound_stats sent;
    sq_track_inbound_stats(track, now_ns, &in);
    sq_track_outbound_stats(track, now_ns, &sent);
    begin_row(L, "inbound-rtp", kind);
    set_count(L, "packetsReceived", in.packets_received);
    set_count(L, "bytesReceived", in.bytes_received);
    set_count(L, "packetsLost", (uint64_t)in.packets_lost);
    set_number(L, "jitter", in.jitter_s);
    set_count(L, "framesReceived", in.frames_received);
    set_count(L, "framesDecoded", in.frames_decoded);
    set_count(L, "freezeCount", in.freeze_count);
    set_count(L, "nackCount", in.nack_count);
    set_count(L, "pliCount", in.pli_count);
    lua_rawseti(L, -2, out);
    begin_row(L, "outbound-rtp", kind);
    set_count(L, "packetsSent", sent.packets_sent);
    set_count(L, "bytesSent", sent.bytes_sent);
    set_count(L, "framesSent", sent.frames_sent);
    set_count(L, "nackCount", sent.nack_count);
    set_count(L, "pliCount", sent.pli_count);
    lua_rawseti(L, -2, out + 1);
}

int sl_pc_stats(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    struct sq_transport_stats t;
    int rows = 1;
    lua_newtable(L);
    sq_peer_transport_stats(pc->peer, &t);
    begin_row(L, "candidate-pair", NULL);
    set_count(L, "packetsSent", t.data_packets_sent);
    set_count(L, "packetsReceived", t.data_packets_received);
    set_count(L, "bytesSent", t.data_bytes_sent);
    set_count(L, "bytesReceived", t.data_bytes_received);
    if (t.current_round_trip_time_s >= 0) {
        set_number(L, "currentRoundTripTime", t.current_round_trip_time_s);
    }
    lua_rawseti(L, -2, rows++);
    for (size_t i = 0; i < sq_peer_track_count(pc->peer); i++, rows += 2) {
        push_track(L, sq_peer_track(pc->peer, i), sl_now(pc->p), rows);
    }
    return 1;
}

/* Members and rooms: who is there, what they publish, and what of it goes to whom. A member is one
 * peer connection, whichever way it came (room, WHIP, WHEP). */
#include "base/mem.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <stdio.h>
#include <string.h>

/* ---- Rooms ---- */

bool sq_lab_is_echo(const char *room)
{
    return strncmp(room, "echo", 4) == 0;
}

struct sq_lab_room *sq_lab_room_find(struct sq_lab *lab, const char *name)
{
    for (struct sq_lab_room *room = lab->rooms; room; room = room->next) {
        if (strcmp(room->name, name) == 0) {
            return room;
        }
    }
    return NULL;
}

static struct sq_lab_room *enter_room(struct sq_lab *lab, const char *name)
{
    struct sq_lab_room *room = sq_lab_room_find(lab, name);
    if (room) {
        return room;
    }
    room = sq_zalloc(sizeof(*room));
    if (!room) {
        return NULL;
    }
    snprintf(room->name, sizeof(room->name), "%s", name);
    room->next = lab->rooms;
    room->prev = &lab->rooms;
    if (room->next) {
        room->next->prev = &room->next;
    }
    lab->rooms = room;
    lab->counters.rooms++;
    return room;
}

static void leave_room(struct sq_lab *lab, struct sq_lab_room *room)
{
    if (!room || room->members) {
        return;
    }
    *room->prev = room->next;
    if (room->next) {
        room->next->prev = room->prev;
    }
    sq_free(room);
    lab->counters.rooms--;
}

/* What is published in the room has changed. */
static void room_changed(struct sq_lab_room *room, const struct sq_lab_member *by)
{
    for (struct sq_lab_member *m = room->members; m; m = m->next) {
        if (m == by || !m->subscribe || m->echo) {
            continue;
        }
        if (m->kind == SQ_LAB_ROOM) {
            sq_lab_negotiate_soon(m);
        } else {
            sq_lab_member_fill(m);
        }
    }
}

/* ---- Sources ---- */

static void enlist(struct sq_lab_room *room, struct sq_lab_source *source)
{
    struct sq_lab_source **at = &room->sources;
    while (*at) {
        at = &(*at)->next;
    }
    *at = source;
    source->in_room = true;
}

static void delist(struct sq_lab_room *room, struct sq_lab_source *source)
{
    struct sq_lab_source **at = &room->sources;
    while (*at && *at != source) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = source->next;
    }
    source->in_room = false;
}

int sq_lab_publish(struct sq_lab_port *port)
{
    struct sq_lab_member *member = port->member;
    port->source = sq_lab_source_new(port, member->echo);
    if (!port->source) {
        return SQ_ERR_NOMEM;
    }
    if (member->echo) {
        sq_lab_attach(port, port->source);
    } else {
        enlist(member->room, port->source);
    }
    return 0;
}

static void source_is_live(struct sq_lab_port *port)
{
    struct sq_lab_source *source = port->source;
    if (!source || source->live) {
        return;
    }
    source->live = true;
    if (source->in_room) {
        room_changed(port->member->room, port->member);
    }
}

/* ---- Ports ---- */

int sq_lab_port_new(struct sq_lab_member *member, struct sq_track *track,
                    struct sq_lab_port **ret_port)
{
    if (member->ports_len == SQ_LAB_PORTS_MAX) {
        return SQ_ERR_NOSPACE;
    }
    struct sq_lab_port *port = sq_zalloc(sizeof(*port));
    if (!port) {
        return SQ_ERR_NOMEM;
    }
    port->member = member;
    port->track = track;
    port->video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    struct sq_lab_port **at = &member->ports;
    while (*at) {
        at = &(*at)->next;
    }
    *at = port;
    member->ports_len++;
    sq_track_set_user(track, port);
    *ret_port = port;
    return 0;
}

void sq_lab_member_activate(struct sq_lab_member *member, uint64_t now_ns)
{
    if (!member->connected) {
        return;
    }
    for (struct sq_lab_port *port = member->ports; port; port = port->next) {
        if (port->from && (sq_track_current_direction(port->track) & SQ_DIR_SENDONLY)) {
            sq_lab_port_ready(port, now_ns);
        }
    }
}

void sq_lab_member_fill(struct sq_lab_member *member)
{
    for (struct sq_lab_source *s = member->room->sources; s; s = s->next) {
        struct sq_lab_port *empty = NULL;
        bool has = !s->live || s->port->member == member;
        for (struct sq_lab_port *port = member->ports; port && !has; port = port->next) {
            has = sq_lab_from(port) == s;
            if (!empty && !port->from && !port->source && port->video == s->video) {
                empty = port;
            }
        }
        if (!has && empty && sq_lab_fits(empty, s)) {
            sq_lab_attach(empty, s);
        }
    }
    sq_lab_member_activate(member, sq_lab_now(member->lab));
}

/* ---- What the peer tells ---- */

static void connection_ended(struct sq_lab_member *member, const struct sq_peer_event *event)
{
    member->lab->counters.failed++;
    if (member->client) {
        sq_lab_client_fail(member->client, SQ_ROOM_CODE_MEDIA, "%s", event->text);
    } else {
        sq_lab_member_free(member);
    }
}

static void on_state(struct sq_lab_member *member, const struct sq_peer_event *event)
{
    if (event->state == SQ_PEER_CONNECTED) {
        member->connected = true;
        sq_lab_member_activate(member, event->now_ns);
    } else if (event->state == SQ_PEER_FAILED) {
        connection_ended(member, event);
    }
}

static void on_candidate(struct sq_lab_member *member, const char *text)
{
    if (member->client) {
        /* A client that cannot be told is about to be found gone. */
        int err = sq_lab_client_send(
            member->client, &(struct sq_room_msg){.type = SQ_ROOM_CANDIDATE, .candidate = text});
        (void)err;
    }
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct sq_lab_member *member = ctx;
    struct sq_lab_port *port = event->track ? sq_track_user(sq_track_main(event->track)) : NULL;
    (void)endpoint;
    if (member->leaving) {
        return;
    }
    switch (event->type) {
    case SQ_PEER_EV_STATE:
        on_state(member, event);
        break;
    case SQ_PEER_EV_LOCAL_CANDIDATE:
        on_candidate(member, event->text);
        break;
    case SQ_PEER_EV_FIRST_MEDIA:
        if (port) {
            source_is_live(port);
        }
        break;
    case SQ_PEER_EV_KEY_FRAME_REQUEST:
        if (port && port->from) {
            sq_lab_want_key(port->from, event->now_ns);
        }
        break;
    case SQ_PEER_EV_CHANNEL_MESSAGE:
        sq_lab_on_data(member, event);
        break;
    default:
        break;
    }
}

static void on_rtp(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                   const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                   uint64_t now_ns)
{
    struct sq_lab_port *port = sq_track_user(sq_track_main(track));
    (void)ctx;
    (void)endpoint;
    struct sq_lab_source *source = port && port->source ? sq_lab_layer(port->source, track) : NULL;
    if (source) {
        sq_lab_on_rtp(source, packet, exts, now_ns);
    }
}

static bool on_resend(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                      uint32_t cookie, struct sq_rtp_out *ret_out)
{
    struct sq_lab_port *port = sq_track_user(track);
    (void)ctx;
    (void)endpoint;
    return port && sq_lab_on_resend(port, cookie, ret_out);
}

static const struct sq_endpoint_ops endpoint_ops = {
    .event = on_event, .rtp = on_rtp, .resend = on_resend};

/* ---- Life ---- */

static int find_place(struct sq_lab *lab, size_t *ret_index)
{
    if (lab->config.members_max > 0 && lab->members_len >= lab->config.members_max) {
        return SQ_ERR_NOSPACE;
    }
    for (size_t i = lab->members_hint; i < lab->members_room; i++) {
        if (!lab->members[i]) {
            *ret_index = i;
            return 0;
        }
    }
    size_t room = lab->members_room ? lab->members_room * 2 : 16;
    room = room < SQ_LAB_MEMBERS_MAX ? room : SQ_LAB_MEMBERS_MAX;
    if (room == lab->members_room) {
        return SQ_ERR_NOSPACE;
    }
    struct sq_lab_member **grown = sq_realloc(lab->members, room * sizeof(struct sq_lab_member *));
    if (!grown) {
        return SQ_ERR_NOMEM;
    }
    memset(grown + lab->members_room, 0,
           (room - lab->members_room) * sizeof(struct sq_lab_member *));
    *ret_index = lab->members_room;
    lab->members = grown;
    lab->members_room = room;
    return 0;
}

/* A WHIP or WHEP resource's id is a secret: who knows it may end the session (RFC 9725, section
 * 5). It begins with the member's place. */
static void make_id(struct sq_lab_member *member)
{
    if (member->kind == SQ_LAB_ROOM) {
        snprintf(member->id, sizeof(member->id), "p%llu", (unsigned long long)++member->lab->ids);
        return;
    }
    uint8_t secret[12];
    sq_rand_secret(secret, sizeof(secret));
    int n = snprintf(member->id, sizeof(member->id), "%zx-", member->index);
    for (size_t i = 0; i < sizeof(secret); i++) {
        n += snprintf(member->id + n, sizeof(member->id) - (size_t)n, "%02x", secret[i]);
    }
}

struct sq_lab_member *sq_lab_member_by_id(struct sq_lab *lab, enum sq_lab_kind kind,
                                          const char *room, const char *id)
{
    size_t index = 0;
    const char *at = id;
    for (; *at && *at != '-' && at < id + 8; at++) {
        int digit = *at >= '0' && *at <= '9'   ? *at - '0'
                    : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10
                                               : -1;
        if (digit < 0) {
            return NULL;
        }
        index = index << 4 | (size_t)digit;
    }
    struct sq_lab_member *member = index < lab->members_room ? lab->members[index] : NULL;
    return member && member->kind == kind && strcmp(member->id, id) == 0 &&
                   strcmp(member->room->name, room) == 0
               ? member
               : NULL;
}

static void put_in_room(struct sq_lab_member *member)
{
    member->next = member->room->members;
    member->prev = &member->room->members;
    if (member->next) {
        member->next->prev = &member->next;
    }
    member->room->members = member;
    member->room->members_len++;
}

static int open_endpoint(struct sq_lab_member *member, const struct sq_lab_join *join)
{
    const struct sq_lab *lab = member->lab;
    const struct sq_peer_config config = {
        .ice_lite = lab->config.ice_lite,
        .passive = join->passive,
        .stream_id = member->kind == SQ_LAB_ROOM ? member->id : NULL,
        .forward_only = true,
        .accept_data = true,
        .capture_time = true,
        .dependency = true,
        .remb_bps = SQ_LAB_REMB_BPS,
    };
    int err =
        sq_endpoint_create(lab->carrier, &config, NULL, &endpoint_ops, member, &member->endpoint);
    if (!err) {
        member->peer = sq_endpoint_peer(member->endpoint);
    }
    return err;
}

int sq_lab_member_new(struct sq_lab *lab, const struct sq_lab_join *join,
                      struct sq_lab_member **ret_member)
{
    size_t index;
    int err = find_place(lab, &index);
    if (err) {
        return err;
    }
    struct sq_lab_member *member = sq_zalloc(sizeof(*member));
    struct sq_lab_room *room = member ? enter_room(lab, join->room) : NULL;
    if (!room) {
        sq_free(member);
        return SQ_ERR_NOMEM;
    }
    member->lab = lab;
    member->room = room;
    member->index = index;
    member->kind = join->kind;
    snprintf(member->name, sizeof(member->name), "%s", join->name);
    member->subscribe = join->subscribe;
    member->publish_audio = join->publish_audio;
    member->publish_video = join->publish_video;
    member->simulcast = join->simulcast;
    member->layer = (int)join->layer_limit - 1;
    member->data = join->data;
    member->echo = sq_lab_is_echo(join->room);
    member->joined_ns = sq_lab_now(lab);
    make_id(member);
    sq_lab_negotiate_init(member);
    err = open_endpoint(member, join);
    if (err) {
        sq_free(member);
        leave_room(lab, room);
        return err;
    }
    lab->members[index] = member;
    lab->members_len++;
    lab->members_hint = index + 1;
    put_in_room(member);
    lab->counters.members++;
    lab->counters.joined++;
    *ret_member = member;
    return 0;
}

static void free_ports(struct sq_lab_member *member)
{
    while (member->ports) {
        struct sq_lab_port *port = member->ports;
        member->ports = port->next;
        sq_track_set_user(port->track, NULL);
        sq_lab_detach(port);
        if (port->source && port->source->in_room) {
            delist(member->room, port->source);
        }
        sq_lab_source_free(port->source);
        sq_free(port);
    }
}

void sq_lab_member_free(struct sq_lab_member *member)
{
    if (!member || member->leaving) {
        return;
    }
    struct sq_lab *lab = member->lab;
    struct sq_lab_room *room = member->room;
    bool published =
        room->sources && !member->echo && (member->publish_audio || member->publish_video);
    member->leaving = true;
    sq_timer_stop(&member->timer);
    if (member->client) {
        member->client->member = NULL;
    }
    *member->prev = member->next;
    if (member->next) {
        member->next->prev = member->prev;
    }
    room->members_len--;
    free_ports(member);
    lab->members[member->index] = NULL;
    lab->members_len--;
    lab->members_hint = sq_min_u64(lab->members_hint, member->index);
    lab->counters.members--;
    lab->counters.left++;
    sq_endpoint_close(member->endpoint);
    if (published && !lab->stopping) {
        room_changed(room, member);
    }
    leave_room(lab, room);
    sq_free(member->offer);
    sq_free(member);
}

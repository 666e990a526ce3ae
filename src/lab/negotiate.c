/* Offers to the members of rooms. The lab always offers. At most one offer is out; what changes
 * meanwhile is gathered, and so is what changes within a short time, since members come in crowds.
 *
 * Sections: first what the member publishes, then one for each track of the others. A section whose
 * track has ended falls silent (inactive) and is used again for the next track of its kind, with
 * its SSRC: sections never pile up. */
#include "base/mem.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <stdio.h>
#include <string.h>

#define GATHER_NS         (50 * SQ_NS_PER_MS)
#define ANSWER_TIMEOUT_NS (15 * SQ_NS_PER_SEC)

static void start_timer(struct sq_lab_member *member, uint64_t after_ns)
{
    sq_timer_start(sq_loop_timers(member->lab->loop), &member->timer,
                   sq_lab_now(member->lab) + after_ns);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_lab_member *member = ctx;
    (void)now_ns;
    if (member->offer_out) {
        sq_lab_client_fail(member->client, SQ_ROOM_CODE_TIMEOUT,
                           "no answer to offer %u within %llu s", member->seq,
                           (unsigned long long)(ANSWER_TIMEOUT_NS / SQ_NS_PER_SEC));
    } else if (member->dirty) {
        sq_lab_negotiate_now(member);
    }
}

void sq_lab_negotiate_init(struct sq_lab_member *member)
{
    sq_timer_init(&member->timer, on_timer, member);
}

void sq_lab_negotiate_soon(struct sq_lab_member *member)
{
    member->dirty = true;
    if (!member->offer_out && !sq_timer_active(&member->timer)) {
        start_timer(member, GATHER_NS);
    }
}

/* ---- Sections ---- */

static int add_port(struct sq_lab_member *member, bool video, enum sq_direction direction,
                    struct sq_lab_port **ret_port)
{
    struct sq_track *track;
    if (member->ports_len == SQ_LAB_PORTS_MAX) {
        return SQ_ERR_NOSPACE;
    }
    int err = sq_peer_add_track(member->peer, video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO, direction,
                                NULL, &track);
    return err ? err : sq_lab_port_new(member, track, ret_port);
}

static int add_published(struct sq_lab_member *member, bool video)
{
    struct sq_lab_port *port;
    int err = add_port(member, video, member->echo ? SQ_DIR_SENDRECV : SQ_DIR_RECVONLY, &port);
    if (!err) {
        sq_track_receive_simulcast(port->track, video && member->simulcast);
    }
    return err ? err : sq_lab_publish(port);
}

static int first_sections(struct sq_lab_member *member)
{
    int err = member->publish_audio ? add_published(member, false) : 0;
    if (!err && member->publish_video) {
        err = add_published(member, true);
    }
    return err;
}

static struct sq_lab_port *find_port(struct sq_lab_member *member, const struct sq_lab_source *from,
                                     bool video)
{
    for (struct sq_lab_port *port = member->ports; port; port = port->next) {
        if (sq_lab_from(port) == from && !port->source && port->video == video) {
            return port;
        }
    }
    return NULL;
}

static int take_up(struct sq_lab_member *member, struct sq_lab_source *source)
{
    if (!source->live || source->port->member == member ||
        find_port(member, source, source->video)) {
        return 0;
    }
    struct sq_lab_port *port = find_port(member, NULL, source->video);
    int err = port ? 0 : add_port(member, source->video, SQ_DIR_SENDONLY, &port);
    if (err == SQ_ERR_NOSPACE) {
        return 0; /* more tracks than a connection can have: the later ones are not seen */
    }
    /* What the publisher sends is all that can be sent on. */
    const struct sq_peer_codecs codecs = {.n = 1, .order = {(uint8_t)source->codec}};
    err = err || source->codec == SQ_CODEC_NONE ? err : sq_track_set_codecs(port->track, &codecs);
    if (!err) {
        sq_lab_attach(port, source);
    }
    return err;
}

static int update_sections(struct sq_lab_member *member)
{
    int err = member->ports ? 0 : first_sections(member);
    if (!err && member->data && member->seq == 0) {
        err = sq_peer_want_data(member->peer);
    }
    if (member->subscribe && !member->echo) {
        for (struct sq_lab_source *s = member->room->sources; !err && s; s = s->next) {
            err = take_up(member, s);
        }
    }
    struct sq_lab_port *port;
    if (!err && !member->ports && !member->data) {
        /* Nobody is there yet: a silent section, so that there is a connection to build. */
        err = add_port(member, false, SQ_DIR_INACTIVE, &port);
    }
    for (port = member->ports; !err && port; port = port->next) {
        if (!port->source) {
            err =
                sq_track_set_direction(port->track, port->from ? SQ_DIR_SENDONLY : SQ_DIR_INACTIVE);
        }
    }
    return err;
}

/* ---- Offers and answers ---- */

static void send_offer(struct sq_lab_member *member, const char *sdp)
{
    struct sq_room_track tracks[SQ_LAB_PORTS_MAX];
    size_t n = 0;
    for (struct sq_lab_port *port = member->ports; port; port = port->next) {
        if (port->from) {
            const struct sq_lab_member *publisher = port->from->port->member;
            tracks[n++] = (struct sq_room_track){
                .mid = sq_track_mid(port->track), .id = publisher->id, .name = publisher->name};
        }
    }
    const struct sq_room_msg offer = {
        .type = SQ_ROOM_OFFER, .sdp = sdp, .seq = ++member->seq, .tracks = tracks, .tracks_len = n};
    member->offer_out = true;
    start_timer(member, ANSWER_TIMEOUT_NS);
    int err = sq_lab_client_send(member->client, &offer);
    if (err) {
        sq_lab_client_fail(member->client, SQ_ROOM_CODE_INTERNAL, "the offer cannot be sent: %s",
                           sq_err_name(err));
    }
}

void sq_lab_negotiate_now(struct sq_lab_member *member)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp = NULL;
    bool restart = member->restart;
    member->dirty = member->restart = false;
    int err = update_sections(member);
    err =
        err ? err : sq_peer_create_offer(member->peer, sq_lab_now(member->lab), restart, &sdp, why);
    if (err) {
        sq_lab_client_fail(member->client, SQ_ROOM_CODE_INTERNAL, "no offer can be made: %s",
                           why[0] ? why : sq_err_name(err));
        return;
    }
    send_offer(member, sdp);
    sq_free(sdp);
}

/* What was offered may be of the codec of before by now. */
static void let_go_of_misfits(struct sq_lab_member *member)
{
    for (struct sq_lab_port *port = member->ports; port; port = port->next) {
        if (port->from && !port->source && !sq_lab_fits(port, port->from)) {
            sq_lab_detach(port);
            member->dirty = true;
        }
    }
}

int sq_lab_on_answer(struct sq_lab_member *member, const char *sdp, uint32_t seq,
                     char why[SQ_PEER_TEXT_MAX])
{
    if (!member->offer_out || seq != member->seq) {
        snprintf(why, SQ_PEER_TEXT_MAX, "answer %u, but the offer that waits for one is %u", seq,
                 member->offer_out ? member->seq : 0);
        return SQ_ERR_STATE;
    }
    uint64_t now_ns = sq_lab_now(member->lab);
    int err = sq_peer_set_remote(member->peer, now_ns, SQ_SDP_ANSWER, sdp, why);
    if (err) {
        return err;
    }
    member->offer_out = false;
    sq_timer_stop(&member->timer);
    let_go_of_misfits(member);
    sq_lab_member_activate(member, now_ns);
    if (member->dirty) {
        start_timer(member, GATHER_NS);
    }
    return 0;
}

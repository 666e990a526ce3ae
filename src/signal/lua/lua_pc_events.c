/* What befalls a script's peer connections, and their end. */
#include "signal/lua/lua_int.h"

#include <stdio.h>
#include <string.h>

/* mid: of the section, up to the line's end */
static void keep_candidate(struct sl_pc *pc, struct sq_view text, struct sq_view mid, int mline)
{
    for (size_t i = 0; i < pc->candidates_len; i++) {
        if (sq_view_is(text, pc->candidates[i].text)) {
            return;
        }
    }
    if (pc->candidates_len == pc->candidates_max) {
        size_t max = pc->candidates_max ? 2 * pc->candidates_max : 4;
        struct sl_candidate *more = sq_realloc(pc->candidates, max * sizeof(*more));
        if (!more) {
            return; /* one path less */
        }
        pc->candidates = more;
        pc->candidates_max = max;
    }
    struct sl_candidate *c = &pc->candidates[pc->candidates_len];
    c->text = sq_strndup(text.at, text.len);
    c->mline = mline;
    snprintf(c->mid, sizeof(c->mid), SQ_VIEW_FMT, SQ_VIEW_ARG(mid));
    pc->candidates_len += c->text != NULL;
}

static struct sq_view line_at(const char *at)
{
    return (struct sq_view){at, strcspn(at, "\r\n")};
}

void sl_pc_keep_candidates(struct sl_pc *pc, const char *sdp)
{
    static const char line[] = "\na=candidate:";
    const char *mid = strstr(sdp, "\na=mid:"); /* of the first section: all are bundled there */
    for (const char *at = sdp; mid && (at = strstr(at, line)); at++) {
        keep_candidate(pc, line_at(at + strlen("\na=")), line_at(mid + strlen("\na=mid:")), 0);
    }
}

static void drop_candidates(struct sl_pc *pc)
{
    for (size_t i = 0; i < pc->candidates_len; i++) {
        sq_free(pc->candidates[i].text);
    }
    pc->candidates_len = pc->given = 0;
}

void sl_pc_event(struct sq_signal *p, struct sq_peer *peer, const struct sq_peer_event *event)
{
    struct sl_pc *pc = p->pcs;
    while (pc && pc->peer != peer) {
        pc = pc->next;
    }
    if (!pc) {
        return;
    }
    switch (event->type) {
    case SQ_PEER_EV_ICE_RESTART: /* all are told anew */
        drop_candidates(pc);
        pc->gathered = false;
        pc->generation++;
        break;
    case SQ_PEER_EV_LOCAL_CANDIDATE:
        keep_candidate(pc, sq_view_of(event->text), sq_view_of(event->mid ? event->mid : ""),
                       event->mline);
        break;
    case SQ_PEER_EV_GATHERING_DONE:
        pc->gathered = true;
        break;
    case SQ_PEER_EV_STATE:
        pc->state = event->state;
        break;
    case SQ_PEER_EV_CHANNEL_OPEN:
    case SQ_PEER_EV_CHANNEL_MESSAGE:
    case SQ_PEER_EV_CHANNEL_CLOSED:
        sl_channel_event(pc, event);
        return;
    default:
        return;
    }
    sl_wake(p, pc);
}

void sl_pcs_forget(struct sq_signal *p)
{
    for (struct sl_pc *pc = p->pcs; pc; pc = pc->next) {
        pc->peer = NULL;
        pc->closed = true;
        for (struct sl_channel *c = pc->channels; c; c = c->next) {
            c->channel = NULL;
            c->open = false;
        }
    }
}

void sl_pcs_free(struct sq_signal *p)
{
    while (p->pcs) {
        struct sl_pc *pc = p->pcs;
        p->pcs = pc->next;
        while (pc->channels) {
            struct sl_channel *c = pc->channels;
            pc->channels = c->next;
            sl_queue_free(&c->in);
            sq_free(c);
        }
        drop_candidates(pc);
        sq_free(pc->candidates);
        sq_free(pc->local);
        sq_free(pc);
    }
}

/* What befalls a script's peer connections, and their end. */
#include "signal/lua/lua_int.h"

#include <stdio.h>
#include <string.h>

static void keep_candidate(struct sl_pc *pc, const struct sq_peer_event *event)
{
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
    c->text = sq_strdup(event->text);
    c->mline = event->mline;
    snprintf(c->mid, sizeof(c->mid), "%s", event->mid ? event->mid : "");
    pc->candidates_len += c->text != NULL;
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
    case SQ_PEER_EV_LOCAL_CANDIDATE:
        keep_candidate(pc, event);
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
        for (size_t i = 0; i < pc->candidates_len; i++) {
            sq_free(pc->candidates[i].text);
        }
        sq_free(pc->candidates);
        sq_free(pc->local);
        sq_free(pc);
    }
}

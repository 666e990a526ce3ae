#include "run/window.h"

#include "net/link_profile.h"
#include "run/result.h"
#include <math.h>
#include <string.h>
#include <strings.h>

bool sq_event_is_of_run(const struct sq_event *e)
{
    return e->kind <= SQ_EVENT_DRAINING;
}

bool sq_event_is_after(const struct sq_event *first, const struct sq_event *second)
{
    bool times = first->kind <= SQ_EVENT_START && second->kind <= SQ_EVENT_START;
    if (times) {
        return first->after_ns > second->after_ns;
    }
    if (first->kind == SQ_EVENT_TIME || second->kind == SQ_EVENT_TIME) {
        return second->kind == SQ_EVENT_START;
    }
    bool tag = first->kind == SQ_EVENT_TAG || second->kind == SQ_EVENT_TAG;
    bool one_kind = sq_event_is_of_run(first) == sq_event_is_of_run(second);
    return second->kind == SQ_EVENT_START || (one_kind && !tag && first->kind > second->kind);
}

bool sq_event_same(const struct sq_event *a, const struct sq_event *b)
{
    return a->kind == b->kind && a->after_ns == b->after_ns &&
           (a->kind != SQ_EVENT_TAG || strcmp(a->name, b->name) == 0);
}

bool sq_window_same(const struct sq_window *a, const struct sq_window *b)
{
    return a->on == b->on &&
           (!a->on || (sq_event_same(&a->from, &b->from) && sq_event_same(&a->to, &b->to)));
}

const char *sq_where_field_name(enum sq_where_field field)
{
    static const char *const names[] = {"group", "room", "network", "target"};
    return names[field];
}

bool sq_where_same(const struct sq_where *a, const struct sq_where *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        const struct sq_where_term *x = &a->terms[i];
        const struct sq_where_term *y = &b->terms[i];
        same = x->field == y->field && x->is_not == y->is_not && strcmp(x->text, y->text) == 0;
    }
    return same;
}

/* "10.0.0.1:8188" is the target's host as well. */
static bool is_host(const char *name, const char *written)
{
    const char *colon = strrchr(name, ':');
    size_t len = colon ? (size_t)(colon - name) : strlen(name);
    return strcasecmp(name, written) == 0 ||
           (strlen(written) == len && strncasecmp(name, written, len) == 0);
}

/* A network's name may have its share behind it: "wifi@70%". */
static bool is_network(const char *name, const char *written)
{
    char bare[SQ_WHERE_TEXT_MAX + 1];
    const char *at = strrchr(name, '@');
    size_t len =
        at && strspn(at + 1, "0123456789.%") == strlen(at + 1) ? (size_t)(at - name) : strlen(name);
    if (strcmp(name, written) == 0) {
        return true;
    }
    if (len >= sizeof(bare)) {
        return false;
    }
    memcpy(bare, name, len);
    bare[len] = '\0';
    const struct sq_link_profile *profile = sq_link_profile_find(written);
    return strcmp(bare, written) == 0 || (profile && sq_link_profile_find(bare) == profile);
}

bool sq_where_names(enum sq_where_field field, const char *name, const char *written)
{
    if (field == SQ_WHERE_TARGET) {
        return is_host(name, written);
    }
    if (field == SQ_WHERE_NETWORK) {
        return is_network(name, written);
    }
    return strcmp(name, written) == 0;
}

bool sq_where_matches(const struct sq_where *where, const struct sq_peer_row *row)
{
    for (size_t i = 0; i < where->n; i++) {
        const struct sq_where_term *t = &where->terms[i];
        const char *name = t->field == SQ_WHERE_GROUP     ? row->role
                           : t->field == SQ_WHERE_ROOM    ? row->room
                           : t->field == SQ_WHERE_NETWORK ? row->network
                                                          : row->target;
        if (sq_where_names(t->field, name, t->text) == t->is_not) {
            return false;
        }
    }
    return true;
}

bool sq_op_holds(double value, enum sq_expect_op op, double number)
{
    double slack = 1e-9 * fmax(1, fabs(number)); /* what decimal fractions lose */
    if (isnan(value)) {
        return false;
    }
    switch (op) {
    case SQ_OP_EQUAL:
        return fabs(value - number) <= slack;
    case SQ_OP_UNEQUAL:
        return fabs(value - number) > slack;
    case SQ_OP_LESS:
        return value < number;
    case SQ_OP_LESS_EQUAL:
        return value <= number + slack;
    case SQ_OP_GREATER:
        return value > number;
    case SQ_OP_GREATER_EQUAL:
        return value >= number - slack;
    }
    return false;
}

bool sq_slice_same(const struct sq_slice *a, const struct sq_slice *b)
{
    bool agg = a->kind != SQ_SLICE_PEER || (a->agg.kind == b->agg.kind && a->agg.q == b->agg.q);
    bool timed = a->kind != SQ_SLICE_TIME || (a->op == b->op && a->number == b->number);
    return a->kind == b->kind && a->metric == b->metric && agg && timed && a->track == b->track &&
           a->live == b->live && strcmp(a->own, b->own) == 0 &&
           sq_window_same(&a->window, &b->window) && sq_where_same(&a->where, &b->where);
}

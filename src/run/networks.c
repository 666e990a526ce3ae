/* In which networks the peers of a run were, and what those lost. */
#include "run/result.h"
#include <string.h>

#define TOLD_MAX 4 /* of different networks, in the order in which they are met */

struct told {
    const char *name;
    size_t len; /* without the share that stands behind it */
    uint64_t peers, up, up_lost, up_datagrams, up_altered;
    uint64_t down, down_lost, down_datagrams, down_altered;
};

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100 * (double)part / (double)whole : 0;
}

/* The one of that name, made if there is room; NULL: there is none. */
static struct told *told_of(struct told list[static TOLD_MAX], size_t *n, const char *name)
{
    size_t len = strcspn(name, "@");
    for (size_t i = 0; i < *n; i++) {
        if (list[i].len == len && memcmp(list[i].name, name, len) == 0) {
            return &list[i];
        }
    }
    if (*n == TOLD_MAX) {
        return NULL;
    }
    list[*n] = (struct told){.name = name, .len = len};
    return &list[(*n)++];
}

static void put_lost(const struct told *t, struct sq_buf *out)
{
    bool lost = t->up_lost + t->down_lost > 0;
    bool altered = t->up_altered + t->down_altered > 0;
    if (lost) {
        sq_buf_printf(out, "which lost %.3g %% of what they sent and %.3g %% of what came",
                      percent(t->up_lost, t->up), percent(t->down_lost, t->down));
    }
    if (altered) {
        sq_buf_printf(out, "%s altered %.3g %% of what they sent and %.3g %% of what came",
                      lost ? ", and" : "which", percent(t->up_altered, t->up_datagrams),
                      percent(t->down_altered, t->down_datagrams));
    }
    if (!lost && !altered) {
        sq_buf_puts(out, "which lost nothing");
    }
}

void sq_result_network_note(const struct sq_result *r, struct sq_buf *out)
{
    struct told list[TOLD_MAX];
    size_t n = 0;
    uint64_t more = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        struct told *t = p->network[0] ? told_of(list, &n, p->network) : NULL;
        if (t) {
            t->peers++;
            t->up += p->link_up;
            t->up_lost += p->link_up_lost;
            t->up_datagrams += p->link_up_datagrams;
            t->up_altered += p->link_up_altered;
            t->down += p->link_down;
            t->down_lost += p->link_down_lost;
            t->down_datagrams += p->link_down_datagrams;
            t->down_altered += p->link_down_altered;
        } else if (p->network[0]) {
            more++;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (n == 1 && list[0].peers == r->peer_count) {
            sq_buf_puts(out, "its peers were in network ");
        } else {
            sq_buf_printf(out, "%s%llu of its %zu peers %s in network ", i > 0 ? "; " : "",
                          (unsigned long long)list[i].peers, r->peer_count,
                          list[i].peers == 1 ? "was" : "were");
        }
        sq_buf_printf(out, "%.*s, ", (int)list[i].len, list[i].name);
        put_lost(&list[i], out);
    }
    if (more > 0) {
        sq_buf_printf(out, "; %llu more in others", (unsigned long long)more);
    }
}

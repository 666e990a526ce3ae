/* --network: the link that all of a user's traffic goes over, and how it changes. */
#include "net/loop.h"
#include "run/user_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Less than that is what connections get along with: it explains no failure. */
#define LOSS_TOLD 0.05
/* A set-up over less than that, or with so long a way there and back, takes seconds. */
#define SLOW_BPS 256e3
#define SLOW_NS  (500 * SQ_NS_PER_MS)

static uint64_t begin_ns(const struct sq_user *user)
{
    return user->network->course.of_run ? user->env->start_ns : user->intended_ns;
}

/* Puts in force what holds at this time; tells of it where that is a change. */
static void follow(struct sq_user *user, uint64_t now_ns)
{
    const struct sq_plan_network *network = user->network;
    uint64_t from_ns = begin_ns(user);
    uint64_t next_ns;
    const struct sq_link_change *change =
        sq_link_course_at(&network->course, user->group->network_changes + network->changes_at,
                          now_ns > from_ns ? now_ns - from_ns : 0, &next_ns);
    if (change != user->network_change) {
        int err = sq_link_set(user->link, change ? &change->config : &network->link);
        (void)err; /* its numbers were checked when it was read */
        sq_user_tell(user, "network", "%s", change ? change->text : "again");
        user->network_change = change;
        user->network_name = change ? change->text : network->name;
    }
    if (next_ns != SQ_NEVER) {
        sq_timer_start(sq_loop_timers(user->env->loop), &user->network_timer, from_ns + next_ns);
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_user *user = ctx;
    if (user->state != SQ_USER_OVER) {
        follow(user, now_ns);
    }
}

/* A name with the share behind it ("wifi@70%") that is too long goes without the share: half of one
 * would be another. */
static void name_network(struct sq_user *user)
{
    const char *name = user->network->name;
    const char *share = strrchr(name, '@');
    size_t room = sizeof(user->row.network);
    if (share && strlen(name) >= room) {
        room = sq_min_u64(room, (size_t)(share - name) + 1);
    }
    sq_result_set_text(user->row.network, room, name);
}

int sq_user_network_create(struct sq_user *user)
{
    sq_timer_init(&user->network_timer, on_timer, user);
    user->network = sq_plan_network(user->group, user->ordinal);
    if (!user->network) {
        return 0;
    }
    name_network(user);
    user->network_name = user->network->name;
    return sq_link_create(user->env->loop, &user->network->link,
                          user->env->plan->seed + user->index, &user->link);
}

void sq_user_network_begin(struct sq_user *user)
{
    if (user->network && user->network->course.n > 0) {
        sq_user_tell(user, "network", "%s", user->network->name);
        follow(user, sq_loop_now(user->env->loop));
    }
}

int sq_user_network_set(struct sq_user *user, const struct sq_link_config *config, const char *name)
{
    int err = sq_link_set(user->link, config);
    user->network_name = err ? user->network_name : name;
    return err;
}

/* Of what was to go over a way. */
static double lost_share(const struct sq_link_counters *way)
{
    double lost = (double)(way->lost + way->queue_dropped);
    return way->offered > 0 ? lost / (double)way->offered : 0;
}

static double altered_share(const struct sq_link_counters *way)
{
    return way->datagrams > 0 ? (double)way->corrupted / (double)way->datagrams : 0;
}

static bool is_slow(const struct sq_link_config *c)
{
    return (c->up.rate_bps > 0 && c->up.rate_bps < SLOW_BPS) ||
           (c->down.rate_bps > 0 && c->down.rate_bps < SLOW_BPS) ||
           c->up.delay_ns + c->down.delay_ns >= SLOW_NS;
}

static void put_rate(double bps, const char *way, char *text, size_t size)
{
    size_t len = strlen(text);
    if (bps > 0) {
        snprintf(text + len, size - len, "%.4g kbit/s %s, ", bps / 1e3, way);
    }
}

/* "is slow: 50 kbit/s up, 100 kbit/s down, 600 ms there and back". */
static void tell_slow(const struct sq_link_config *c, char *text, size_t size)
{
    snprintf(text, size, "is slow: ");
    put_rate(c->up.rate_bps, "up", text, size);
    put_rate(c->down.rate_bps, "down", text, size);
    size_t len = strlen(text);
    snprintf(text + len, size - len, "%.4g ms there and back",
             (double)(c->up.delay_ns + c->down.delay_ns) / 1e6);
}

/* A firewall stops media, or HTTP that signalling still waits for; a connection that failed by it
 * has said so itself (net/stream.c). */
static bool firewall_fault(const struct sq_user *user, enum sq_failure cause, char *text,
                           size_t size)
{
    uint16_t port = sq_link_stopped_port(user->link);
    bool waits = cause == SQ_FAILURE_NONE || cause == SQ_FAILURE_TIMEOUT;
    if (user->joined && !sq_link_lets_udp(user->link)) {
        snprintf(text, size, "lets no UDP out");
        return true;
    }
    if (!user->joined && waits && port) {
        snprintf(text, size, "lets no TCP out to port %u", port);
        return true;
    }
    return false;
}

/* Datagrams with wrong bits: checks and handshakes that nobody can read. */
static bool altered_fault(const struct sq_link_counters *up, const struct sq_link_counters *down,
                          char *text, size_t size)
{
    double most = fmax(altered_share(up), altered_share(down));
    if (most < LOSS_TOLD || most < fmax(lost_share(up), lost_share(down))) {
        return false;
    }
    snprintf(text, size, "altered %.3g %% of what it sent and %.3g %% of what came",
             100 * altered_share(up), 100 * altered_share(down));
    return true;
}

/* What is wrong with it, as far as it explains such a failure. */
static bool network_fault(const struct sq_user *user, enum sq_failure cause, char *text,
                          size_t size)
{
    struct sq_link_counters up, down;
    bool of_media = cause == SQ_FAILURE_NONE || /* it still waits */
                    (cause >= SQ_FAILURE_ICE && cause <= SQ_FAILURE_TIMEOUT);
    if (cause == SQ_FAILURE_AUTH || cause == SQ_FAILURE_PROTOCOL) {
        return false; /* an answer came, and said so */
    }
    if (sq_link_is_out(user->link)) {
        snprintf(text, size, "is down");
        return true;
    }
    if (of_media && firewall_fault(user, cause, text, size)) {
        return true;
    }
    sq_link_get_counters(user->link, &up, &down);
    if (user->joined && altered_fault(&up, &down, text, size)) {
        return true;
    }
    if (lost_share(&up) < LOSS_TOLD && lost_share(&down) < LOSS_TOLD) {
        bool late = of_media && cause != SQ_FAILURE_NO_MEDIA && cause != SQ_FAILURE_MEDIA_LOST;
        if (late && is_slow(sq_link_config(user->link))) {
            tell_slow(sq_link_config(user->link), text, size);
            return true;
        }
        return false;
    }
    snprintf(text, size, "lost %.3g %% of what it sent and %.3g %% of what came",
             100 * lost_share(&up), 100 * lost_share(&down));
    return true;
}

void sq_user_network_explain(const struct sq_user *user, enum sq_failure cause, const char *text,
                             char ret_text[static SQ_PEER_TEXT_MAX])
{
    char fault[80];
    char note[160] = "";
    if (user->link && network_fault(user, cause, fault, sizeof(fault))) {
        snprintf(note, sizeof(note), "; its own network, %.47s, %s", user->network_name, fault);
    }
    snprintf(ret_text, SQ_PEER_TEXT_MAX, "%.*s%s", (int)(SQ_PEER_TEXT_MAX - 1 - strlen(note)), text,
             note);
}

void sq_user_network_count(struct sq_user *user)
{
    struct sq_link_counters up, down;
    if (user->link) {
        sq_link_get_counters(user->link, &up, &down);
        user->row.link_up = up.offered;
        user->row.link_up_lost = up.lost + up.queue_dropped;
        user->row.link_up_datagrams = up.datagrams;
        user->row.link_up_altered = up.corrupted;
        user->row.link_down = down.offered;
        user->row.link_down_lost = down.lost + down.queue_dropped;
        user->row.link_down_datagrams = down.datagrams;
        user->row.link_down_altered = down.corrupted;
    }
}

void sq_user_network_destroy(struct sq_user *user)
{
    sq_timer_stop(&user->network_timer);
    sq_link_release(user->link);
}

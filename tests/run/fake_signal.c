#include "run/fake_signal.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/link.h"
#include "net/loop.h"
#include "run/endpoint.h"
#include "run/rig.h"
#include "run/user.h"
#include "signal/session.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_NS   (3 * SQ_NS_PER_MS)
#define DROP_NS     (20 * SQ_NS_PER_MS)
#define SILENT_NS   (1500 * SQ_NS_PER_MS)
#define SERVERS_MAX 16
/* A picture: how long it moves, and then stands still. */
#define MOVES_NS  (900 * SQ_NS_PER_MS)
#define STANDS_NS (1400 * SQ_NS_PER_MS)

/* The answering side of a loop, made with its first session and gone with its last. */
struct server {
    struct sq_loop *loop;
    struct sq_carrier *carrier;
    unsigned users;
};

struct sq_signal {
    const struct sq_signal_user *user;
    const struct sq_signal_host *host;
    void *ctx;
    enum fake_how how;
    struct server *server;
    struct sq_peer *peer;
    struct sq_endpoint *far;
    struct sq_link *link; /* under `far` of FAKE_STANDS; owned */
    struct sq_timer timer;
    uint64_t opened_ns, offered_ns, connected_ns;
    bool joined; /* was told */
    bool up, leaving, stands, hung_up;
    bool answered; /* leave() */
    bool over;     /* failed() was told: no answer to leave() */
};

static enum fake_how (*script)(uint64_t index);
static atomic_uint sessions, leaves, cut_short;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of `servers` */
static struct server servers[SERVERS_MAX];
static double media_ms[FAKE_TIMED_MAX]; /* each written by its user's thread alone */

void fake_begin(enum fake_how (*how)(uint64_t index))
{
    script = how;
    atomic_store(&leaves, 0);
    atomic_store(&cut_short, 0);
    for (int i = 0; i < FAKE_TIMED_MAX; i++) {
        media_ms[i] = NAN;
    }
}

double fake_media_ms(uint64_t index)
{
    return index < FAKE_TIMED_MAX ? media_ms[index] : NAN;
}

unsigned fake_sessions(void)
{
    return atomic_load(&sessions);
}

unsigned fake_cut_short(void)
{
    return atomic_load(&cut_short);
}

unsigned fake_leaves(void)
{
    return atomic_load(&leaves);
}

/* ---- Servers ---- */

static struct server *enter_server(struct sq_loop *loop)
{
    struct server *server = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SERVERS_MAX; i++) {
        if (servers[i].loop == loop) {
            server = &servers[i];
            break;
        }
        if (!servers[i].loop && !server) {
            server = &servers[i];
        }
    }
    if (server) {
        server->loop = loop;
        server->users++;
    }
    pthread_mutex_unlock(&lock);
    struct sq_addr addr;
    if (server && !server->carrier) {
        const struct sq_carrier_config config = {.seed = 77, .addrs = &addr, .addrs_len = 1};
        if (sq_addr_parse("127.0.0.1", 0, &addr) != 0 ||
            sq_carrier_create(loop, &config, &server->carrier) != 0) {
            return NULL;
        }
    }
    return server;
}

static void leave_server(struct server *server)
{
    if (!server) {
        return;
    }
    pthread_mutex_lock(&lock);
    struct sq_carrier *carrier = NULL;
    if (--server->users == 0) {
        carrier = server->carrier;
        *server = (struct server){.loop = NULL};
    }
    pthread_mutex_unlock(&lock);
    sq_carrier_destroy(carrier);
}

/* ---- A session ---- */

static const struct sq_endpoint_ops far_ops = {.event = NULL};

static int add_tracks(struct sq_signal *s)
{
    const struct sq_signal_user *u = s->user;
    const bool sends[] = {u->send_audio, u->send_video};
    const bool recvs[] = {u->recv_audio, u->recv_video};
    int err = 0;
    for (int i = 0; i < 2 && !err; i++) {
        struct sq_track *track;
        int direction = (sends[i] ? SQ_DIR_SENDONLY : 0) | (recvs[i] ? SQ_DIR_RECVONLY : 0);
        if (direction) {
            err =
                sq_peer_add_track(s->peer, i ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO,
                                  (enum sq_direction)direction, sends[i] ? u->clip : NULL, &track);
        }
    }
    return err;
}

static int answer(struct sq_signal *s, const char *offer, uint64_t now_ns, char **ret_answer)
{
    const struct sq_peer_config config = {
        .passive = true, .accept_data = true, .audio.no_fec = s->how == FAKE_NO_RED};
    const struct sq_link_config open_way = {.up.loss = 0};
    int err = s->how == FAKE_STANDS ? sq_link_create(s->server->loop, &open_way, 1, &s->link) : 0;
    err =
        err ? err : sq_endpoint_create(s->server->carrier, &config, s->link, &far_ops, s, &s->far);
    if (err) {
        return err;
    }
    struct sq_peer *far = sq_endpoint_peer(s->far);
    err = sq_peer_set_remote(far, now_ns, SQ_SDP_OFFER, offer, NULL);
    for (size_t i = 0; !err && i < sq_peer_track_count(far); i++) {
        struct sq_track *track = sq_peer_track(far, i);
        bool silent = s->how == FAKE_NO_MEDIA ||
                      (s->how == FAKE_NO_VIDEO && sq_track_kind(track) == SQ_MEDIA_VIDEO);
        err = sq_track_set_media(track, silent ? NULL : s->user->clip);
        if (!err && s->how == FAKE_COMPANY_LATER) {
            err = sq_track_set_direction(track, SQ_DIR_RECVONLY);
        }
    }
    return err ? err : sq_peer_create_answer(far, now_ns, ret_answer, NULL);
}

/* As a server writes it that wants none of the kind. */
static void refuse(char *answer_text, const char *kind)
{
    char line[16];
    snprintf(line, sizeof(line), "m=%s ", kind);
    char *port = strstr(answer_text, line);
    for (port = port ? port + strlen(line) : NULL; port && *port != ' '; port++) {
        *port = '0';
    }
}

/* The largest message that the description's writer takes. */
static void limit(const struct sq_signal *s, char *text)
{
    static const char name[] = "a=max-message-size:";
    char *line = strstr(text, name);
    if (line && s->how == FAKE_TELLS_NO_LIMIT) {
        memcpy(line, "a=min", 5); /* which nobody knows */
    } else if (line && (s->how == FAKE_TAKES_100000 || s->how == FAKE_LIMITS_LATER)) {
        memcpy(line + strlen(name), "100000", 6); /* for 262144 */
    }
}

static void spoil(struct sq_signal *s, char *answer_text)
{
    if (s->how != FAKE_LIMITS_LATER) {
        limit(s, answer_text);
    }
    if (s->how == FAKE_TAKES_NO_AUDIO || s->how == FAKE_TAKES_NOTHING) {
        refuse(answer_text, "audio");
    }
    if (s->how == FAKE_TAKES_NO_VIDEO || s->how == FAKE_TAKES_NOTHING) {
        refuse(answer_text, "video");
    }
    char *video = s->how == FAKE_WANTS_NO_VIDEO ? strstr(answer_text, "m=video ") : NULL;
    char *way = video ? strstr(video, "a=sendrecv") : NULL;
    if (way) {
        memcpy(way, "a=sendonly", 10);
    }
    for (char *event = answer_text;
         s->how == FAKE_NO_DTMF && (event = strstr(event, "telephone-event"));) {
        memcpy(event, "telegraph-event", 15); /* a codec that nobody knows */
    }
    if (s->how == FAKE_WRONG_CERTIFICATE) {
        char *digits = strstr(answer_text, "sha-256 ");
        if (digits) {
            digits[8] = digits[8] == '0' ? '1' : '0';
        }
    } else if (s->how == FAKE_NOBODY_THERE) {
        sq_endpoint_close(s->far);
        s->far = NULL;
    }
}

/* Somebody else comes. */
static void later(struct sq_signal *s, uint64_t now_ns)
{
    if (s->how == FAKE_COMPANY_LATER || s->how == FAKE_PEER_LATER || s->how == FAKE_LIMITS_LATER) {
        sq_timer_start(sq_loop_timers(s->host->loop), &s->timer, now_ns + FAKE_LATER_NS);
    }
}

static void join(struct sq_signal *s, uint64_t now_ns)
{
    char *offer = NULL;
    char *text = NULL;
    if (s->how == FAKE_EMPTY_ROOM || (s->how == FAKE_PEER_LATER && !s->joined)) {
        s->joined = true;
        later(s, now_ns);
        s->host->joined(s->ctx);
        return;
    }
    int err = s->host->make_peer(s->ctx, "peer", &s->peer);
    err = err ? err : add_tracks(s);
    err = err ? err : sq_session_add_channel(s->user, s->peer, now_ns);
    err = err ? err : sq_peer_create_offer(s->peer, now_ns, false, &offer, NULL);
    err = err ? err : answer(s, offer, now_ns, &text);
    if (!err) {
        spoil(s, text);
        err = sq_peer_set_remote(s->peer, now_ns, SQ_SDP_ANSWER, text, NULL);
    }
    sq_free(offer);
    sq_free(text);
    if (err) {
        s->host->failed(s->ctx, SQ_CAUSE_PROTOCOL, sq_err_name(err));
        return;
    }
    s->offered_ns = s->how == FAKE_COMPANY_LATER ? 0 : now_ns;
    if (s->joined) {
        return;
    }
    s->joined = true;
    later(s, now_ns);
    s->host->phase(s->ctx, SQ_PHASE_SIGNALING, now_ns - s->opened_ns);
    s->host->note(s->ctx, "fake: joined");
    s->host->joined(s->ctx);
}

static struct sq_track *far_video(const struct sq_signal *s)
{
    struct sq_peer *far = sq_endpoint_peer(s->far);
    for (size_t i = 0; i < sq_peer_track_count(far); i++) {
        if (sq_track_kind(sq_peer_track(far, i)) == SQ_MEDIA_VIDEO) {
            return sq_peer_track(far, i);
        }
    }
    return NULL;
}

/* The service's offer, and the user's answer. */
static int offer_anew(struct sq_signal *s, uint64_t now_ns)
{
    char *offer = NULL;
    char *text = NULL;
    struct sq_peer *far = sq_endpoint_peer(s->far);
    int err = sq_peer_create_offer(far, now_ns, false, &offer, NULL);
    if (!err) {
        limit(s, offer);
    }
    err = err ? err : sq_peer_set_remote(s->peer, now_ns, SQ_SDP_OFFER, offer, NULL);
    err = err ? err : sq_peer_create_answer(s->peer, now_ns, &text, NULL);
    err = err ? err : sq_peer_set_remote(far, now_ns, SQ_SDP_ANSWER, text, NULL);
    sq_free(offer);
    sq_free(text);
    return err;
}

static int bring_company(struct sq_signal *s, uint64_t now_ns)
{
    struct sq_peer *far = sq_endpoint_peer(s->far);
    int err = 0;
    for (size_t i = 0; !err && i < sq_peer_track_count(far); i++) {
        err = sq_track_set_direction(sq_peer_track(far, i), SQ_DIR_SENDRECV);
    }
    s->offered_ns = now_ns;
    return err ? err : offer_anew(s, now_ns);
}

/* First no packet comes any more, and then the service says that none will. */
static int stand(struct sq_signal *s, uint64_t now_ns)
{
    const struct sq_link_config way = {.up.loss = s->stands ? 0 : 1};
    if (!s->stands) {
        s->stands = true;
        sq_timer_start(sq_loop_timers(s->host->loop), &s->timer, now_ns + STANDS_NS);
        return sq_link_set(s->link, &way);
    }
    int err = sq_track_set_direction(far_video(s), SQ_DIR_RECVONLY);
    err = err ? err : offer_anew(s, now_ns);
    return err ? err : sq_link_set(s->link, &way);
}

/* The connection is closed, and its peer is spoken of once more. */
static void hang_up(struct sq_signal *s, uint64_t now_ns)
{
    if (s->hung_up) {
        int err = sq_peer_add_candidate(s->peer, now_ns, "");
        (void)err;
        return;
    }
    s->hung_up = true;
    sq_endpoint_close(s->far);
    s->far = NULL;
    sq_timer_start(sq_loop_timers(s->host->loop), &s->timer, now_ns + DROP_NS);
}

static void fail(struct sq_signal *s, enum sq_cause cause, const char *text)
{
    s->over = true;
    s->host->failed(s->ctx, cause, text);
}

static bool hangs_up(const struct sq_signal *s)
{
    return s->how == FAKE_HANGS_UP || s->how == FAKE_HANGS_UP_MUTE;
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_signal *s = ctx;
    if (s->leaving) {
        s->answered = true;
        s->host->left(s->ctx);
    } else if (s->how == FAKE_REFUSED) {
        fail(s, SQ_CAUSE_SIGNALING, "the service said no");
    } else if (s->how == FAKE_DROPS && s->up) {
        fail(s, SQ_CAUSE_CONNECT, "the service closed the connection");
    } else if (hangs_up(s) && s->up) {
        hang_up(s, now_ns);
    } else if (s->how == FAKE_STANDS && s->up) {
        int err = stand(s, now_ns);
        if (err) {
            s->host->failed(s->ctx, SQ_CAUSE_PROTOCOL, sq_err_name(err));
        }
    } else if (s->how == FAKE_LIMITS_LATER && s->joined) {
        int err = offer_anew(s, now_ns);
        if (err) {
            s->host->failed(s->ctx, SQ_CAUSE_PROTOCOL, sq_err_name(err));
        }
    } else if (s->how == FAKE_COMPANY_LATER && s->joined) {
        int err = bring_company(s, now_ns);
        if (err) {
            s->host->failed(s->ctx, SQ_CAUSE_PROTOCOL, sq_err_name(err));
        }
    } else if (s->how == FAKE_FALLS_SILENT && s->up) {
        sq_user_mark(s->ctx, "silent");
        sq_endpoint_close(s->far);
        s->far = NULL;
    } else if (s->how == FAKE_LOSES_PICTURE && s->up) {
        sq_track_set_muted(far_video(s), now_ns, true);
    } else if (s->how != FAKE_SILENT && s->how != FAKE_STOPPED) {
        join(s, now_ns);
    }
}

static int fake_open(const struct sq_target *target, const struct sq_signal_user *user,
                     const struct sq_signal_host *host, void *host_ctx,
                     struct sq_signal **ret_signal)
{
    (void)target;
    enum fake_how how = script ? script(user->index) : FAKE_WELL;
    if (how == FAKE_CANNOT_OPEN) {
        return SQ_ERR_NOMEM;
    }
    struct sq_signal *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->user = user;
    s->host = host;
    s->ctx = host_ctx;
    s->how = how;
    s->server = enter_server(host->loop);
    if (!s->server) {
        sq_free(s);
        return SQ_ERR_NOMEM;
    }
    s->opened_ns = sq_loop_now(host->loop);
    sq_timer_init(&s->timer, on_timer, s);
    sq_timer_start(sq_loop_timers(host->loop), &s->timer, s->opened_ns + ANSWER_NS);
    atomic_fetch_add(&sessions, 1);
    *ret_signal = s;
    if (how == FAKE_STOPPED) {
        sq_link_note_http(user->link, FAKE_STOPPED_PORT);
    }
    if (how == FAKE_EXHAUSTED) {
        sq_timer_stop(&s->timer);
        host->failed(host_ctx, SQ_CAUSE_EXHAUSTED, "cannot connect: Too many open files");
    } else if (how == FAKE_REFUSED_AT_ONCE) {
        sq_timer_stop(&s->timer);
        host->failed(host_ctx, SQ_CAUSE_AUTH, "the token is wrong");
    }
    return 0;
}

static void fake_peer_event(struct sq_signal *s, struct sq_peer *peer,
                            const struct sq_peer_event *event)
{
    (void)peer;
    if (event->type == SQ_PEER_EV_STATE && event->state == SQ_PEER_CONNECTED && !s->connected_ns) {
        s->connected_ns = event->now_ns;
    }
    if (event->type == SQ_PEER_EV_FIRST_MEDIA) {
        bool first = !s->up;
        s->up = true;
        if (first && s->user->index < FAKE_TIMED_MAX) {
            uint64_t from_ns = sq_max_u64(s->connected_ns, s->offered_ns);
            media_ms[s->user->index] = ((double)event->now_ns - (double)from_ns) / 1e6;
        }
        if (s->how == FAKE_STANDS && first) {
            sq_timer_start(sq_loop_timers(s->host->loop), &s->timer, event->now_ns + MOVES_NS);
        }
        if (s->how == FAKE_LOSES_PICTURE && first) {
            sq_timer_start(sq_loop_timers(s->host->loop), &s->timer, event->now_ns + MOVES_NS);
        }
        bool drops = s->how == FAKE_DROPS || (hangs_up(s) && first);
        if (drops || s->how == FAKE_FALLS_SILENT) {
            sq_timer_start(sq_loop_timers(s->host->loop), &s->timer,
                           event->now_ns + (drops ? DROP_NS : SILENT_NS));
        }
    }
}

/* The answer comes at once from within the call, or later, by turns. */
static void fake_leave(struct sq_signal *s)
{
    if (s->over) {
        return;
    }
    atomic_fetch_add(&leaves, 1);
    s->leaving = true;
    sq_timer_stop(&s->timer);
    if (s->how == FAKE_NEVER_LEFT || s->how == FAKE_HANGS_UP_MUTE) {
        return;
    }
    if (s->user->index % 2) {
        s->answered = true;
        s->host->left(s->ctx);
    } else {
        sq_timer_start(sq_loop_timers(s->host->loop), &s->timer,
                       sq_loop_now(s->host->loop) + ANSWER_NS);
    }
}

static void fake_destroy(struct sq_signal *s)
{
    if (!s) {
        return;
    }
    atomic_fetch_add(&cut_short, s->leaving && !s->answered);
    sq_timer_stop(&s->timer);
    sq_endpoint_close(s->far);
    sq_link_release(s->link);
    leave_server(s->server);
    sq_free(s);
    atomic_fetch_sub(&sessions, 1);
}

static const char *const schemes[] = {"fake", NULL};

const struct sq_signal_ops fake_signal = {
    .name = "fake",
    .schemes = schemes,
    .open = fake_open,
    .peer_event = fake_peer_event,
    .leave = fake_leave,
    .destroy = fake_destroy,
};

/* The lab's life: its thread, its sockets, and its end. */
#include "lab/lab.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GOODBYE_NS (300 * SQ_NS_PER_MS) /* for the clients to hear that the lab stops */

/* What the starting thread and the lab's own share. */
struct sq_lab_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool settled; /* it listens, or it failed */
    int err, saved_errno;
    char why[SQ_LAB_URL_MAX + 160];
};

uint64_t sq_lab_now(const struct sq_lab *lab)
{
    return sq_loop_now(lab->loop);
}

/* ---- In the lab's thread: start ---- */

static void explain(struct sq_lab *lab, const char *fmt, ...) SQ_PRINTF(2, 3);

static void explain(struct sq_lab *lab, const char *fmt, ...)
{
    va_list args;
    lab->thread->saved_errno = errno;
    va_start(args, fmt);
    vsnprintf(lab->thread->why, sizeof(lab->thread->why), fmt, args);
    va_end(args);
}

static bool is_wildcard(const struct sq_addr *addr)
{
    return sq_addr_family(addr) == AF_INET ? addr->in4.sin_addr.s_addr == INADDR_ANY
                                           : IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
}

static int open_carrier(struct sq_lab *lab)
{
    const struct sq_lab_config *config = &lab->config;
    if (lab->media_len == 0 && !is_wildcard(&config->listen)) {
        lab->media[0] = config->listen;
        sq_addr_set_port(&lab->media[0], 0);
        lab->media_len = 1;
    }
    const struct sq_carrier_config carrier = {
        .seed = config->seed,
        .force_openssl_srtp = config->force_openssl_srtp,
        .prefer_cm = config->prefer_cm,
        .addrs = lab->media,
        .addrs_len = lab->media_len,
        .hear_all = true,
        .tcp_listen = config->ice_tcp,
        .no_udp = config->no_udp,
        .port_min = config->port_min,
        .port_max = config->port_max,
    };
    int err = sq_carrier_create(lab->loop, &carrier, &lab->carrier);
    if (err) {
        explain(lab, "the lab's media cannot be set up: %s", sq_err_name(err));
    }
    return err;
}

/* With a certificate the HTTP server listens on loopback, behind what ends TLS. */
static int open_http(struct sq_lab *lab)
{
    char text[SQ_ADDR_TEXT_MAX];
    struct sq_httpd_options options = {.listen = lab->config.listen};
    errno = 0;
    int err = lab->cert_pem ? sq_addr_parse("127.0.0.1", 0, &options.listen) : 0;
    err = err ? err : sq_httpd_new(lab->loop, &options, sq_lab_on_http, lab, &lab->httpd);
    if (!err) {
        lab->http_addr = sq_httpd_local(lab->httpd);
    }
    if (!err && lab->cert_pem) {
        struct sq_addr behind = lab->http_addr;
        err = sq_lab_tls_open(lab, &lab->config.listen, &behind);
    }
    if (err) {
        explain(lab, "the lab cannot listen on %s: %s", sq_addr_format(&lab->config.listen, text),
                err == SQ_ERR_IO || errno == EMFILE ? strerror(errno)
                : err == SQ_ERR_TLS                 ? "the certificate or its key is of no use"
                                                    : sq_err_name(err));
    }
    return err;
}

static int open_all(struct sq_lab *lab)
{
    int err = sq_loop_new(NULL, &lab->loop);
    if (err) {
        explain(lab, "the lab's loop cannot be made: %s", sq_err_name(err));
        return err;
    }
    lab->started_ns = sq_lab_now(lab);
    err = open_carrier(lab);
    err = err ? err : open_http(lab);
    if (!err && !lab->config.no_stun) {
        err = sq_lab_stun_open(lab);
        if (err) {
            explain(lab, "the lab's STUN server cannot listen on port %u: %s",
                    lab->config.stun_port, err == SQ_ERR_IO ? strerror(errno) : sq_err_name(err));
        }
    }
    return err;
}

/* ---- In the lab's thread: end ---- */

static void say_goodbye(struct sq_lab *lab)
{
    struct sq_lab_client *next;
    lab->stopping = true;
    for (struct sq_lab_client *client = lab->clients; client; client = next) {
        next = client->next;
        if (client->ws) {
            sq_lab_client_fail(client, SQ_ROOM_CODE_GOING, "the lab stops");
        }
    }
    for (size_t i = 0; i < lab->members_room; i++) {
        sq_lab_member_free(lab->members[i]);
    }
    uint64_t by_ns = sq_clock_ns() + GOODBYE_NS;
    while (lab->clients && sq_clock_ns() < by_ns) {
        if (sq_loop_run_once(lab->loop, 20 * SQ_NS_PER_MS) != 0) {
            break;
        }
    }
}

static void close_all(struct sq_lab *lab)
{
    if (lab->httpd) {
        say_goodbye(lab);
    }
    struct sq_lab_client *next;
    for (struct sq_lab_client *client = lab->clients; client; client = next) {
        next = client->next;
        if (client->ws) {
            sq_lab_client_free(client); /* the others' upgrades end with the server */
        }
    }
    sq_lab_tls_close(lab->tls);
    sq_httpd_free(lab->httpd);
    sq_udp_close(lab->stun);
    sq_carrier_destroy(lab->carrier);
    sq_free(lab->members);
}

static void *run(void *ctx)
{
    struct sq_lab *lab = ctx;
    struct sq_lab_thread *thread = lab->thread;
    int err = open_all(lab);
    pthread_mutex_lock(&thread->lock);
    thread->err = err;
    thread->settled = true;
    pthread_cond_broadcast(&thread->changed);
    pthread_mutex_unlock(&thread->lock);
    if (!err) {
        /* It ends when it is stopped, or when waiting itself fails; either way all is closed. */
        int ended = sq_loop_run(lab->loop);
        (void)ended;
    }
    close_all(lab);
    return NULL;
}

/* ---- From outside ---- */

static void free_lab(struct sq_lab *lab)
{
    if (!lab) {
        return;
    }
    if (lab->thread) {
        pthread_cond_destroy(&lab->thread->changed);
        pthread_mutex_destroy(&lab->thread->lock);
    }
    /* Not in its thread: whoever stops it is still waking it up. */
    sq_loop_free(lab->loop);
    sq_free(lab->thread);
    sq_free(lab->cert_pem);
    sq_free(lab->key_pem);
    sq_free(lab->token);
    sq_free(lab);
}

static int copy_text(const char *from, char **to)
{
    if (!from) {
        return 0;
    }
    *to = sq_strdup(from);
    return *to ? 0 : SQ_ERR_NOMEM;
}

static int copy_config(struct sq_lab *lab, const struct sq_lab_config *config)
{
    if (config->media_len > SQ_CARRIER_ADDRS_MAX || (config->cert_pem && !config->key_pem)) {
        return SQ_ERR_INVALID;
    }
    lab->config = *config;
    if (config->media_len > 0) {
        memcpy(lab->media, config->media, config->media_len * sizeof(*config->media));
    }
    lab->media_len = config->media_len;
    lab->config.media = NULL;
    lab->config.cert_pem = lab->config.key_pem = lab->config.token = NULL;
    int err = copy_text(config->cert_pem, &lab->cert_pem);
    err = err ? err : copy_text(config->key_pem, &lab->key_pem);
    err = err ? err : copy_text(config->token, &lab->token);
    if (!err && sq_addr_family(&lab->config.listen) == AF_UNSPEC) {
        uint16_t port = lab->config.listen.in4.sin_port;
        err = sq_addr_parse("127.0.0.1", ntohs(port), &lab->config.listen);
    }
    return err;
}

static int make_thread(struct sq_lab *lab)
{
    lab->thread = sq_zalloc(sizeof(*lab->thread));
    if (!lab->thread) {
        return SQ_ERR_NOMEM;
    }
    pthread_mutex_init(&lab->thread->lock, NULL);
    pthread_cond_init(&lab->thread->changed, NULL);
    return 0;
}

static int start_thread(struct sq_lab *lab, char *why, size_t why_room)
{
    struct sq_lab_thread *thread = lab->thread;
    int failed = pthread_create(&thread->thread, NULL, run, lab);
    if (failed) {
        errno = failed;
        return SQ_ERR_IO;
    }
    pthread_mutex_lock(&thread->lock);
    while (!thread->settled) {
        pthread_cond_wait(&thread->changed, &thread->lock);
    }
    pthread_mutex_unlock(&thread->lock);
    if (thread->err) {
        pthread_join(thread->thread, NULL);
        if (why && why_room > 0) {
            snprintf(why, why_room, "%s", thread->why);
        }
        errno = thread->saved_errno;
    }
    return thread->err;
}

int sq_lab_start(const struct sq_lab_config *config, struct sq_lab **ret_lab, char *why,
                 size_t why_room)
{
    struct sq_lab *lab = sq_zalloc(sizeof(*lab));
    if (!lab) {
        return SQ_ERR_NOMEM;
    }
    int err = copy_config(lab, config);
    err = err ? err : make_thread(lab);
    if (err && why && why_room > 0) {
        snprintf(why, why_room, "the lab cannot start: %s", sq_err_name(err));
    }
    err = err ? err : start_thread(lab, why, why_room);
    if (err) {
        int saved = errno;
        free_lab(lab);
        errno = saved;
        return err;
    }
    *ret_lab = lab;
    return 0;
}

void sq_lab_stop(struct sq_lab *lab)
{
    if (lab) {
        sq_loop_stop(lab->loop);
        pthread_join(lab->thread->thread, NULL);
        free_lab(lab);
    }
}

struct sq_addr sq_lab_http_addr(const struct sq_lab *lab)
{
    return lab->http_addr;
}

struct sq_addr sq_lab_stun_addr(const struct sq_lab *lab)
{
    return lab->stun_addr;
}

const char *sq_lab_url(const struct sq_lab *lab, enum sq_lab_url which,
                       char out[static SQ_LAB_URL_MAX])
{
    static const struct {
        const char *plain, *secure, *path;
    } forms[] = {
        [SQ_LAB_URL_PAGE] = {"http", "https", "/"},
        [SQ_LAB_URL_ROOM] = {"room+ws", "room+wss", "/room"},
        [SQ_LAB_URL_ECHO] = {"whip+http", "whip+https", "/whip/echo"},
        [SQ_LAB_URL_WHIP] = {"http", "https", "/whip/"},
        [SQ_LAB_URL_WHEP] = {"http", "https", "/whep/"},
    };
    struct sq_addr addr = lab->http_addr;
    char text[SQ_ADDR_TEXT_MAX];
    if (is_wildcard(&addr)) {
        /* Reached by this name from the same host; from others by one of its addresses. */
        snprintf(text, sizeof(text), "localhost:%u", sq_addr_port(&addr));
    } else {
        sq_addr_format(&addr, text);
    }
    snprintf(out, SQ_LAB_URL_MAX, "%s://%s%s",
             lab->cert_pem ? forms[which].secure : forms[which].plain, text, forms[which].path);
    return out;
}

/* ---- Counters, asked from another thread ---- */

struct question {
    struct sq_lab *lab;
    struct sq_lab_counters counters;
    bool answered;
};

static void answer_question(void *ctx)
{
    struct question *q = ctx;
    pthread_mutex_lock(&q->lab->thread->lock);
    q->counters = q->lab->counters;
    q->counters.cpu_ns = sq_thread_cpu_ns();
    q->answered = true;
    pthread_cond_broadcast(&q->lab->thread->changed);
    pthread_mutex_unlock(&q->lab->thread->lock);
}

int sq_lab_get_counters(struct sq_lab *lab, struct sq_lab_counters *ret_counters)
{
    struct question q = {.lab = lab};
    int err = sq_loop_post(lab->loop, answer_question, &q);
    if (err) {
        return err;
    }
    pthread_mutex_lock(&lab->thread->lock);
    while (!q.answered) {
        pthread_cond_wait(&lab->thread->changed, &lab->thread->lock);
    }
    pthread_mutex_unlock(&lab->thread->lock);
    *ret_counters = q.counters;
    return 0;
}

#include "run/shared.h"

#include "base/mem.h"
#include "net/loop.h"
#include <pthread.h>
#include <string.h>

#define BUCKETS 1024

struct value {
    struct value *next;
    uint64_t room;
    char *name, *text; /* owned */
};

struct sq_shared {
    pthread_mutex_t lock; /* of what is below */
    struct value *buckets[BUCKETS];
    struct sq_shared_port **ports; /* borrowed */
    unsigned ports_len, ports_max;
};

static size_t bucket_of(uint64_t room, const char *name)
{
    uint64_t hash = room * UINT64_C(0x9e3779b97f4a7c15);
    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3); /* FNV-1a */
    }
    return (size_t)((hash ^ hash >> 32) % BUCKETS);
}

static struct value *find(struct sq_shared *shared, uint64_t room, const char *name)
{
    struct value *v = shared->buckets[bucket_of(room, name)];
    while (v && (v->room != room || strcmp(v->name, name) != 0)) {
        v = v->next;
    }
    return v;
}

int sq_shared_create(unsigned ports, struct sq_shared **ret_shared)
{
    struct sq_shared *shared = sq_zalloc(sizeof(*shared));
    struct sq_shared_port **room = sq_calloc(ports, sizeof(struct sq_shared_port *));
    if (!shared || !room) {
        sq_free(shared);
        sq_free(room);
        return SQ_ERR_NOMEM;
    }
    shared->ports = room;
    shared->ports_max = ports;
    pthread_mutex_init(&shared->lock, NULL);
    *ret_shared = shared;
    return 0;
}

static void free_value(struct value *v)
{
    if (v) {
        sq_free(v->name);
        sq_free(v->text);
        sq_free(v);
    }
}

void sq_shared_destroy(struct sq_shared *shared)
{
    if (!shared) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (shared->buckets[i]) {
            struct value *v = shared->buckets[i];
            shared->buckets[i] = v->next;
            free_value(v);
        }
    }
    pthread_mutex_destroy(&shared->lock);
    sq_free(shared->ports);
    sq_free(shared);
}

/* ---- Who waits ---- */

void sq_shared_port_init(struct sq_shared_port *port, struct sq_shared *shared,
                         struct sq_loop *loop)
{
    port->shared = shared;
    port->loop = loop;
    port->waits.next = port->waits.prev = &port->waits;
    atomic_init(&port->posted, false);
    pthread_mutex_lock(&shared->lock);
    if (shared->ports_len < shared->ports_max) {
        shared->ports[shared->ports_len++] = port;
    }
    pthread_mutex_unlock(&shared->lock);
}

void sq_shared_wait(struct sq_shared_port *port, struct sq_shared_wait *wait)
{
    wait->prev = port->waits.prev;
    wait->next = &port->waits;
    wait->prev->next = wait;
    port->waits.prev = wait;
}

void sq_shared_leave(struct sq_shared_wait *wait)
{
    if (wait->next) {
        wait->next->prev = wait->prev;
        wait->prev->next = wait->next;
        wait->next = wait->prev = NULL;
    }
}

static void on_set(void *ctx)
{
    struct sq_shared_port *port = ctx;
    atomic_store(&port->posted, false);
    for (struct sq_shared_wait *w = port->waits.next; w != &port->waits; w = w->next) {
        w->woken(w->ctx);
    }
}

/* ---- Values ---- */

static struct value *new_value(uint64_t room, const char *name, const char *text)
{
    struct value *v = sq_zalloc(sizeof(*v));
    if (v) {
        v->room = room;
        v->name = sq_strdup(name);
        v->text = sq_strdup(text);
    }
    if (v && (!v->name || !v->text)) {
        free_value(v);
        v = NULL;
    }
    return v;
}

/* Gives the number of ports there are. */
static unsigned put(struct sq_shared *shared, struct value *v)
{
    pthread_mutex_lock(&shared->lock);
    struct value *old = find(shared, v->room, v->name);
    if (old) {
        char *text = old->text;
        old->text = v->text;
        v->text = text;
    } else {
        size_t at = bucket_of(v->room, v->name);
        v->next = shared->buckets[at];
        shared->buckets[at] = v;
        v = NULL;
    }
    unsigned ports = shared->ports_len; /* one that comes later looks by itself */
    pthread_mutex_unlock(&shared->lock);
    free_value(v);
    return ports;
}

int sq_shared_set(struct sq_shared *shared, uint64_t room, const char *name, const char *value)
{
    struct value *v = new_value(room, name, value);
    if (!v) {
        return SQ_ERR_NOMEM;
    }
    unsigned ports = put(shared, v);
    int err = 0;
    for (unsigned i = 0; i < ports; i++) {
        struct sq_shared_port *port = shared->ports[i];
        if (!atomic_exchange(&port->posted, true)) {
            int bad = sq_loop_post(port->loop, on_set, port);
            if (bad) {
                atomic_store(&port->posted, false);
            }
            err = err ? err : bad;
        }
    }
    return err;
}

int sq_shared_get(struct sq_shared *shared, uint64_t room, const char *name, char **ret_value)
{
    pthread_mutex_lock(&shared->lock);
    const struct value *v = find(shared, room, name);
    char *copy = v ? sq_strdup(v->text) : NULL;
    int err = v ? copy ? 0 : SQ_ERR_NOMEM : SQ_ERR_NOTFOUND;
    pthread_mutex_unlock(&shared->lock);
    if (!err) {
        *ret_value = copy;
    }
    return err;
}

#include "run/decode.h"

#include "base/mem.h"
#include "media/frames.h"
#include <pthread.h>
#include <string.h>

struct entry {
    struct sq_decode_stream *stream; /* holds a reference */
    struct sq_media_packet packet;
    uint8_t bytes[SQ_DECODE_PACKET_MAX];
};

struct sq_decode_thread {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below, and of the streams' figures and references */
    pthread_cond_t filled;
    bool stop;
    size_t head, count;
    struct entry work; /* the thread's own: what is being decoded */
    struct entry queue[SQ_DECODE_QUEUE];
};

struct sq_decode_stream {
    struct sq_decode_thread *thread;
    unsigned refs; /* the owner's, and one for each packet that waits or is at work */
    struct sq_decode_figures figures;
    struct sq_frames *frames;         /* the thread's own */
    struct sq_media_decoder *decoder; /* the same */
};

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct sq_decode_stream *s = ctx;
    sq_media_decoder_push(s->decoder, frame);
}

static void free_stream(struct sq_decode_stream *s)
{
    sq_frames_free(s->frames);
    sq_media_decoder_free(s->decoder);
    sq_free(s);
}

/* With the lock held; true if it was the last one. */
static bool release(struct sq_decode_stream *s)
{
    return --s->refs == 0;
}

static void *run(void *ctx)
{
    struct sq_decode_thread *t = ctx;
    struct entry *work = &t->work;
    pthread_mutex_lock(&t->lock);
    while (!t->stop || t->count > 0) {
        if (t->count == 0) {
            pthread_cond_wait(&t->filled, &t->lock);
            continue;
        }
        struct entry *next = &t->queue[t->head];
        struct sq_decode_stream *s = next->stream;
        size_t len = next->packet.len + next->packet.dd_len;
        bool wanted = s->refs > 1 && !t->stop;
        if (wanted) {
            work->packet = next->packet;
            memcpy(work->bytes, next->bytes, len);
        }
        t->head = (t->head + 1) % SQ_DECODE_QUEUE;
        t->count--;
        pthread_mutex_unlock(&t->lock);
        if (wanted) {
            work->packet.payload = work->bytes;
            work->packet.dd = work->packet.dd_len ? work->bytes + work->packet.len : NULL;
            int err = sq_frames_push(s->frames, &work->packet);
            (void)err; /* a frame that is lost for want of memory shows as one not decoded */
        }
        struct sq_decoded decoded;
        sq_media_decoder_figures(s->decoder, &decoded);
        pthread_mutex_lock(&t->lock);
        s->figures.decoded = decoded;
        if (release(s)) {
            free_stream(s);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

int sq_decode_thread_create(struct sq_decode_thread **ret_thread)
{
    if (!sq_media_decoder_available()) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sq_decode_thread *t = sq_zalloc(sizeof(*t));
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->filled, NULL);
    if (pthread_create(&t->thread, NULL, run, t) != 0) {
        pthread_mutex_destroy(&t->lock);
        pthread_cond_destroy(&t->filled);
        sq_free(t);
        return SQ_ERR_NOMEM;
    }
    *ret_thread = t;
    return 0;
}

void sq_decode_thread_destroy(struct sq_decode_thread *t)
{
    if (!t) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->filled);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->filled);
    sq_free(t);
}

int sq_decode_stream_open(struct sq_decode_thread *thread, struct sq_decode_stream **ret_stream)
{
    struct sq_decode_stream *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->thread = thread;
    s->refs = 1;
    int err = sq_frames_new(on_frame, s, &s->frames);
    err = err ? err : sq_media_decoder_new(&s->decoder);
    if (err) {
        free_stream(s);
        return err;
    }
    sq_frames_strip_tags(s->frames);
    *ret_stream = s;
    return 0;
}

void sq_decode_stream_close(struct sq_decode_stream *s)
{
    if (!s) {
        return;
    }
    struct sq_decode_thread *t = s->thread;
    pthread_mutex_lock(&t->lock);
    bool last = release(s);
    pthread_mutex_unlock(&t->lock);
    if (last) {
        free_stream(s);
    }
}

bool sq_decode_stream_push(struct sq_decode_stream *s, const struct sq_media_packet *packet)
{
    struct sq_decode_thread *t = s->thread;
    bool taken = false;
    pthread_mutex_lock(&t->lock);
    if (t->count < SQ_DECODE_QUEUE && packet->len + packet->dd_len <= SQ_DECODE_PACKET_MAX) {
        struct entry *e = &t->queue[(t->head + t->count++) % SQ_DECODE_QUEUE];
        e->stream = s;
        e->packet = *packet;
        memcpy(e->bytes, packet->payload, packet->len);
        if (packet->dd_len) {
            memcpy(e->bytes + packet->len, packet->dd, packet->dd_len);
        }
        s->refs++;
        taken = true;
        pthread_cond_signal(&t->filled);
    } else {
        s->figures.dropped++;
    }
    pthread_mutex_unlock(&t->lock);
    return taken;
}

void sq_decode_stream_figures(struct sq_decode_stream *s, struct sq_decode_figures *ret_figures)
{
    pthread_mutex_lock(&s->thread->lock);
    *ret_figures = s->figures;
    pthread_mutex_unlock(&s->thread->lock);
}

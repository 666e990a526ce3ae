/* Incoming streams: fragments become messages, and messages come in their order (RFC 9260, sections
 * 6.6 and 6.9; RFC 8260, section 2.2).
 *
 * A stream has two lists of runs, by message and place in it: ordered and unordered ones. A message
 * of one fragment whose turn it is passes by without a copy. */
#include "base/mem.h"
#include "peer/sctp/sctp_int.h"

/* ---- Streams ---- */

static size_t place_of(const struct sctp_rx *rx, uint16_t id)
{
    size_t low = 0;
    size_t high = rx->streams_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (rx->streams[mid]->id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct sctp_in *find(const struct sq_sctp *a, uint16_t id)
{
    size_t i = place_of(&a->rx, id);
    return i < a->rx.streams_len && a->rx.streams[i]->id == id ? a->rx.streams[i] : NULL;
}

static struct sctp_in *get(struct sq_sctp *a, uint16_t id)
{
    struct sctp_rx *rx = &a->rx;
    size_t i = place_of(rx, id);
    if (i < rx->streams_len && rx->streams[i]->id == id) {
        return rx->streams[i];
    }
    if (rx->streams_len == SQ_SCTP_STREAMS_MAX) {
        return NULL;
    }
    if (rx->streams_len == rx->streams_room) {
        size_t room = rx->streams_room ? rx->streams_room * 2 : 2;
        struct sctp_in **grown = sq_realloc(rx->streams, room * sizeof(struct sctp_in *));
        if (!grown) {
            return NULL;
        }
        rx->streams = grown;
        rx->streams_room = room;
    }
    struct sctp_in *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return NULL;
    }
    s->id = id;
    memmove(rx->streams + i + 1, rx->streams + i, (rx->streams_len - i) * sizeof(struct sctp_in *));
    rx->streams[i] = s;
    rx->streams_len++;
    return s;
}

static void run_free(struct sq_sctp *a, struct sctp_run *run)
{
    a->rx.held_bytes -= run->len + SCTP_RUN_COST;
    sq_free(run->bytes);
    sq_free(run);
}

static void drop_runs(struct sq_sctp *a, struct sctp_run *run)
{
    while (run) {
        struct sctp_run *next = run->next;
        run_free(a, run);
        run = next;
    }
}

void sctp_in_remove(struct sq_sctp *a, uint16_t id)
{
    struct sctp_rx *rx = &a->rx;
    size_t i = place_of(rx, id);
    if (i == rx->streams_len || rx->streams[i]->id != id) {
        return;
    }
    drop_runs(a, rx->streams[i]->ordered.first);
    drop_runs(a, rx->streams[i]->unordered.first);
    sq_free(rx->streams[i]);
    rx->streams_len--;
    memmove(rx->streams + i, rx->streams + i + 1, (rx->streams_len - i) * sizeof(struct sctp_in *));
}

void sctp_in_free(struct sq_sctp *a)
{
    while (a->rx.streams_len > 0) {
        sctp_in_remove(a, a->rx.streams[a->rx.streams_len - 1]->id);
    }
    sq_free(a->rx.streams);
    a->rx.streams = NULL;
    a->rx.streams_room = 0;
}

size_t sctp_in_heap(const struct sq_sctp *a)
{
    return a->rx.streams_room * sizeof(struct sctp_in *) +
           a->rx.streams_len * sizeof(struct sctp_in) + a->rx.held_bytes;
}

/* ---- Order ---- */

static bool id_before(const struct sq_sctp *a, uint32_t x, uint32_t y)
{
    return a->interleaving ? sctp_before(x, y) : (int16_t)(uint16_t)(x - y) < 0;
}

static uint32_t id_after(const struct sq_sctp *a, uint32_t id)
{
    return a->interleaving ? id + 1 : (uint16_t)(id + 1);
}

/* Is the run's place before that of the fragment, or the same? */
static bool run_not_after(const struct sq_sctp *a, const struct sctp_run *run,
                          const struct sctp_fragment *f)
{
    return run->id == f->id ? !sctp_before(f->index, run->first) : id_before(a, run->id, f->id);
}

/* ---- Runs ---- */

static bool run_grow(struct sctp_run *run, size_t more)
{
    size_t needed = run->len + more;
    if (needed <= run->room) {
        return true;
    }
    /* A whole message needs just its size; one that goes on will want more. */
    size_t room = run->room == 0 && run->begins && run->ends ? needed : 2 * needed;
    uint8_t *grown = sq_realloc(run->bytes, room);
    if (!grown) {
        return false;
    }
    run->bytes = grown;
    run->room = (uint32_t)room;
    return true;
}

static void run_put(struct sq_sctp *a, struct sctp_run *run, const uint8_t *bytes, size_t len)
{
    memcpy(run->bytes + run->len, bytes, len);
    run->len += (uint32_t)len;
    a->rx.held_bytes += len;
}

static struct sctp_run *run_make(struct sq_sctp *a, const struct sctp_fragment *f)
{
    struct sctp_run *run = sq_zalloc(sizeof(*run));
    if (!run) {
        return NULL;
    }
    run->id = f->id;
    run->first = f->index;
    run->past = f->index + 1;
    run->last_tsn = f->tsn;
    run->ppid = f->ppid;
    run->begins = (f->flags & DATA_B) != 0;
    run->ends = (f->flags & DATA_E) != 0;
    if (!run_grow(run, f->len)) {
        sq_free(run);
        return NULL;
    }
    a->rx.held_bytes += SCTP_RUN_COST;
    run_put(a, run, f->bytes, f->len);
    return run;
}

static bool joins(const struct sctp_run *run, const struct sctp_run *next)
{
    return next && run->id == next->id && run->past == next->first && !run->ends && !next->begins;
}

static void unlink_run(struct sctp_runs *runs, struct sctp_run *run)
{
    *(run->before ? &run->before->next : &runs->first) = run->next;
    *(run->next ? &run->next->before : &runs->last) = run->before;
    runs->recent = runs->recent == run ? run->before : runs->recent;
}

/* Puts it behind `before`; NULL: in front of all. */
static void link_run(struct sctp_runs *runs, struct sctp_run *before, struct sctp_run *run)
{
    run->before = before;
    run->next = before ? before->next : runs->first;
    *(before ? &before->next : &runs->first) = run;
    *(run->next ? &run->next->before : &runs->last) = run;
}

/* Takes the run behind into this one, which has room for it. */
static void run_absorb(struct sq_sctp *a, struct sctp_runs *runs, struct sctp_run *run)
{
    struct sctp_run *next = run->next;
    run_put(a, run, next->bytes, next->len);
    run->past = next->past;
    run->ends = next->ends;
    run->last_tsn = sctp_before(run->last_tsn, next->last_tsn) ? next->last_tsn : run->last_tsn;
    unlink_run(runs, next);
    run_free(a, next);
}

enum stored { STORED, NO_MEMORY, NO_PLACE };

static enum stored append(struct sq_sctp *a, struct sctp_runs *runs, struct sctp_run *run,
                          const struct sctp_fragment *f)
{
    bool ends = (f->flags & DATA_E) != 0;
    struct sctp_run *next = run->next;
    bool join =
        next && !ends && next->id == run->id && next->first == run->past + 1 && !next->begins;
    if (!run_grow(run, f->len + (join ? next->len : 0))) {
        return NO_MEMORY;
    }
    run_put(a, run, f->bytes, f->len);
    run->past++;
    run->ends = ends;
    run->last_tsn = sctp_before(run->last_tsn, f->tsn) ? f->tsn : run->last_tsn;
    if (join) {
        run_absorb(a, runs, run);
    }
    return STORED;
}

/* From `run`, which is not after the fragment, to the last one of which that is true; NULL: it is
 * farther away than may be walked. */
static struct sctp_run *walk_on(const struct sq_sctp *a, struct sctp_run *run,
                                const struct sctp_fragment *f)
{
    unsigned steps = 0;
    while (run->next && run_not_after(a, run->next, f)) {
        if (++steps > SCTP_RUNS_WALKED_MAX) {
            return NULL;
        }
        run = run->next;
    }
    return run;
}

/* *ret_before: the last run that is not after the fragment, NULL when there is none. False: its
 * place is far from the end, the beginning and the latest one. An honest sender fills holes from
 * the first one on, so that this is the next try's matter; one that scatters fragments over
 * thousands of runs must not have all of them looked at for each. */
static bool find_place(const struct sq_sctp *a, const struct sctp_runs *runs,
                       const struct sctp_fragment *f, struct sctp_run **ret_before)
{
    struct sctp_run *run = runs->recent;
    *ret_before = NULL;
    if (!runs->first || !run_not_after(a, runs->first, f)) {
        return true;
    }
    if (run_not_after(a, runs->last, f)) {
        *ret_before = runs->last;
        return true;
    }
    if (run && run_not_after(a, run, f)) {
        *ret_before = walk_on(a, run, f);
    } else if (run) {
        unsigned steps = 0;
        while (steps++ < SCTP_RUNS_WALKED_MAX && !run_not_after(a, run, f)) {
            run = run->before; /* ends at the first one */
        }
        *ret_before = run_not_after(a, run, f) ? run : NULL;
    }
    *ret_before = *ret_before ? *ret_before : walk_on(a, runs->first, f);
    return *ret_before != NULL;
}

/* Puts the fragment where it belongs; *ret_run is the run that it is in. */
static enum stored store(struct sq_sctp *a, struct sctp_runs *runs, const struct sctp_fragment *f,
                         struct sctp_run **ret_run)
{
    struct sctp_run *before;
    if (!find_place(a, runs, f, &before)) {
        return NO_MEMORY; /* as if it had been lost */
    }
    bool begins = (f->flags & DATA_B) != 0;
    if (before && before->id == f->id && before->past == f->index && !before->ends && !begins) {
        *ret_run = runs->recent = before;
        return append(a, runs, before, f);
    }
    if (before && before->id == f->id && sctp_before(f->index, before->past)) {
        return NO_PLACE; /* another TSN with the same place */
    }
    struct sctp_run *run = run_make(a, f);
    struct sctp_run *next = before ? before->next : runs->first;
    if (!run) {
        return NO_MEMORY;
    }
    if (joins(run, next) && !run_grow(run, next->len)) {
        run_free(a, run);
        return NO_MEMORY;
    }
    link_run(runs, before, run);
    if (joins(run, next)) {
        run_absorb(a, runs, run);
    }
    *ret_run = runs->recent = run;
    return STORED;
}

/* ---- Messages ---- */

static void tell(struct sq_sctp *a, uint16_t stream, uint32_t ppid, const uint8_t *bytes,
                 size_t len)
{
    if (a->events.message) {
        a->events.message(a->events.user, stream, ppid, bytes, len);
    }
}

/* Of a run that is out of its list. */
static void deliver(struct sq_sctp *a, uint16_t stream, struct sctp_run *run)
{
    a->rx.held_bytes -= run->len + SCTP_RUN_COST;
    tell(a, stream, run->ppid, run->bytes, run->len);
    sq_free(run->bytes);
    sq_free(run);
}

/* All ordered messages whose turn it is. Streams may come and go within a call-back. */
static void deliver_ready(struct sq_sctp *a, uint16_t id)
{
    uint32_t epoch = a->epoch;
    while (epoch == a->epoch) {
        struct sctp_in *s = find(a, id);
        struct sctp_run *run = s ? s->ordered.first : NULL;
        if (!run || run->id != s->next_id || !run->begins || !run->ends) {
            return;
        }
        unlink_run(&s->ordered, run);
        s->next_id = id_after(a, s->next_id);
        deliver(a, id, run);
    }
}

static bool too_long(struct sq_sctp *a, const struct sctp_run *run)
{
    if (run->len <= a->config.message_max_bytes) {
        return false;
    }
    sctp_fail(a, CAUSE_PROTOCOL, SQ_ERR_FORMAT,
              "the other side sent a larger message than a=max-message-size allows");
    return true;
}

static void take_unordered(struct sq_sctp *a, struct sctp_in *s, const struct sctp_fragment *f)
{
    struct sctp_run *run = NULL;
    enum stored stored = store(a, &s->unordered, f, &run);
    if (stored == NO_MEMORY) {
        return;
    }
    sctp_rx_mark(a, f->tsn);
    if (stored == STORED && !too_long(a, run) && run->begins && run->ends) {
        unlink_run(&s->unordered, run);
        deliver(a, s->id, run);
    }
}

static void take_ordered(struct sq_sctp *a, struct sctp_in *s, const struct sctp_fragment *f)
{
    struct sctp_run *run = NULL;
    enum stored stored = store(a, &s->ordered, f, &run);
    if (stored == NO_MEMORY) {
        return;
    }
    sctp_rx_mark(a, f->tsn);
    if (stored == STORED && !too_long(a, run)) {
        deliver_ready(a, s->id);
    }
}

void sctp_reassemble(struct sq_sctp *a, const struct sctp_fragment *f)
{
    uint16_t id = f->stream;
    bool whole = (f->flags & DATA_B) != 0 && (f->flags & DATA_E) != 0;
    struct sctp_in *s = get(a, id);
    if (!s) {
        return;
    }
    if ((f->flags & DATA_U) != 0) {
        if (!whole) {
            take_unordered(a, s, f);
            return;
        }
        sctp_rx_mark(a, f->tsn);
        tell(a, id, f->ppid, f->bytes, f->len);
        return;
    }
    if (id_before(a, f->id, s->next_id)) { /* of a message that was skipped */
        sctp_rx_mark(a, f->tsn);
    } else if (whole && f->id == s->next_id &&
               (!s->ordered.first || s->ordered.first->id != f->id)) {
        uint32_t epoch = a->epoch;
        sctp_rx_mark(a, f->tsn);
        s->next_id = id_after(a, s->next_id);
        tell(a, id, f->ppid, f->bytes, f->len);
        if (epoch == a->epoch) {
            deliver_ready(a, id);
        }
    } else {
        take_ordered(a, s, f);
    }
}

/* ---- What will not come ---- */

void sctp_in_skip(struct sq_sctp *a, uint16_t stream, bool unordered, uint32_t id)
{
    struct sctp_in *s = get(a, stream);
    if (!s) {
        sctp_fail(a, CAUSE_OUT_OF_RESOURCE, SQ_ERR_NOMEM, "no memory for an SCTP stream");
        return;
    }
    struct sctp_runs *runs = unordered ? &s->unordered : &s->ordered;
    if (!unordered && id_before(a, id, s->next_id)) {
        return;
    }
    while (runs->first && !id_before(a, id, runs->first->id)) {
        struct sctp_run *run = runs->first;
        /* A whole one may wait behind those that were given up. */
        bool whole = !unordered && run->begins && run->ends;
        uint32_t epoch = a->epoch;
        unlink_run(runs, run);
        if (!whole) {
            run_free(a, run);
            continue;
        }
        s->next_id = id_after(a, run->id);
        deliver(a, stream, run);
        if (epoch != a->epoch || find(a, stream) != s) {
            return;
        }
    }
    if (!unordered) {
        s->next_id = id_after(a, id);
        deliver_ready(a, stream);
    }
}

void sctp_in_skip_unordered(struct sq_sctp *a, uint32_t tsn)
{
    for (size_t i = 0; i < a->rx.streams_len; i++) {
        struct sctp_in *s = a->rx.streams[i];
        while (s->unordered.first && !sctp_before(tsn, s->unordered.first->past - 1)) {
            struct sctp_run *run = s->unordered.first;
            unlink_run(&s->unordered, run);
            run_free(a, run);
        }
    }
}

/* peers.csv: of each metric the figures of those peers that have one. Columns are found by their
 * names: one that an older version did not write has no values, one of a newer is passed over. */
#include "base/mem.h"
#include "base/str.h"
#include "store/csv.h"
#include "store/store.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const columns[SQ_METRIC_COUNT] = {
    [SQ_METRIC_AUDIO_IN] = "audio.in.tracks",
    [SQ_METRIC_AUDIO_IN_BITRATE] = "audio.in.bitrate_kbps",
    [SQ_METRIC_AUDIO_IN_LOSS] = "audio.in.loss_percent",
    [SQ_METRIC_AUDIO_IN_JITTER] = "audio.in.jitter_ms",
    [SQ_METRIC_AUDIO_IN_RTT] = "audio.in.rtt_ms",
    [SQ_METRIC_AUDIO_IN_NACK] = "audio.in.nack",
    [SQ_METRIC_AUDIO_IN_PLAYOUT] = "audio.in.playout_ms",
    [SQ_METRIC_AUDIO_IN_CONCEALMENT] = "audio.in.concealment_percent",
    [SQ_METRIC_AUDIO_IN_LATENCY] = "audio.in.latency_ms",
    [SQ_METRIC_AUDIO_IN_HEARD] = "audio.in.alive_percent",
    [SQ_METRIC_AUDIO_IN_DECODED_FAILED] = "audio.in.decode_failed",
    [SQ_METRIC_AUDIO_OUT] = "audio.out.tracks",
    [SQ_METRIC_AUDIO_OUT_BITRATE] = "audio.out.bitrate_kbps",
    [SQ_METRIC_AUDIO_OUT_LOSS] = "audio.out.loss_percent",
    [SQ_METRIC_AUDIO_OUT_JITTER] = "audio.out.jitter_ms",
    [SQ_METRIC_AUDIO_OUT_RTT] = "audio.out.rtt_ms",
    [SQ_METRIC_AUDIO_OUT_NACK] = "audio.out.nack",
    [SQ_METRIC_VIDEO_IN] = "video.in.tracks",
    [SQ_METRIC_VIDEO_IN_BITRATE] = "video.in.bitrate_kbps",
    [SQ_METRIC_VIDEO_IN_LOSS] = "video.in.loss_percent",
    [SQ_METRIC_VIDEO_IN_JITTER] = "video.in.jitter_ms",
    [SQ_METRIC_VIDEO_IN_RTT] = "video.in.rtt_ms",
    [SQ_METRIC_VIDEO_IN_FPS] = "video.in.fps",
    [SQ_METRIC_VIDEO_IN_FREEZE] = "video.in.freeze_ms",
    [SQ_METRIC_VIDEO_IN_FREEZES] = "video.in.freezes",
    [SQ_METRIC_VIDEO_IN_WIDTH] = "video.in.width",
    [SQ_METRIC_VIDEO_IN_HEIGHT] = "video.in.height",
    [SQ_METRIC_VIDEO_IN_NACK] = "video.in.nack",
    [SQ_METRIC_VIDEO_IN_PLI] = "video.in.pli",
    [SQ_METRIC_VIDEO_IN_PLAYOUT] = "video.in.playout_ms",
    [SQ_METRIC_VIDEO_IN_DROPPED] = "video.in.dropped",
    [SQ_METRIC_VIDEO_IN_LATENCY] = "video.in.latency_ms",
    [SQ_METRIC_VIDEO_IN_MOVING] = "video.in.alive_percent",
    [SQ_METRIC_VIDEO_IN_DECODED_FPS] = "video.in.decoded_fps",
    [SQ_METRIC_VIDEO_IN_DECODED_FAILED] = "video.in.decode_failed",
    [SQ_METRIC_VIDEO_OUT] = "video.out.tracks",
    [SQ_METRIC_VIDEO_OUT_BITRATE] = "video.out.bitrate_kbps",
    [SQ_METRIC_VIDEO_OUT_LOSS] = "video.out.loss_percent",
    [SQ_METRIC_VIDEO_OUT_JITTER] = "video.out.jitter_ms",
    [SQ_METRIC_VIDEO_OUT_RTT] = "video.out.rtt_ms",
    [SQ_METRIC_VIDEO_OUT_FPS] = "video.out.fps",
    [SQ_METRIC_VIDEO_OUT_WIDTH] = "video.out.width",
    [SQ_METRIC_VIDEO_OUT_HEIGHT] = "video.out.height",
    [SQ_METRIC_VIDEO_OUT_NACK] = "video.out.nack",
    [SQ_METRIC_VIDEO_OUT_PLI] = "video.out.pli",
    [SQ_METRIC_DATA_IN_THROUGHPUT] = "data.in.throughput_kbps",
    [SQ_METRIC_DATA_IN_LATENCY] = "data.in.latency_ms",
    [SQ_METRIC_DATA_IN_LOSS] = "data.in.loss_percent",
    [SQ_METRIC_DATA_IN_MESSAGES] = "data.in.messages",
    [SQ_METRIC_DATA_OUT_THROUGHPUT] = "data.out.throughput_kbps",
    [SQ_METRIC_DATA_OUT_MESSAGES] = "data.out.messages",
    [SQ_METRIC_DATA_RTT] = "data.rtt_ms",
    [SQ_METRIC_SCORE] = "score",
    [SQ_METRIC_MOS] = "mos",
    [SQ_METRIC_PEERS_RECONNECT] = "gap_ms",
    [SQ_METRIC_SETUP_DNS] = "setup.dns_ms",
    [SQ_METRIC_SETUP_CONNECT] = "setup.connect_ms",
    [SQ_METRIC_SETUP_TLS] = "setup.tls_ms",
    [SQ_METRIC_SETUP_SIGNALING] = "setup.signaling_ms",
    [SQ_METRIC_SETUP_ICE] = "setup.ice_ms",
    [SQ_METRIC_SETUP_DTLS] = "setup.dtls_ms",
    [SQ_METRIC_SETUP_MEDIA] = "setup.media_ms",
    [SQ_METRIC_SETUP_TOTAL] = "setup.total_ms",
};

#define NOWHERE ((size_t)-1)

struct table {
    struct sq_stored_run *run;
    struct sq_csv csv;
    size_t at[SQ_METRIC_COUNT]; /* the metric's column, or NOWHERE */
    size_t outcome, connected, drops;
    size_t fields; /* of the header */
    size_t rows;
};

static int fail(struct table *t, int err, const char *what)
{
    snprintf(t->csv.why, t->csv.why_room, "%.300s:%zu: %.400s", t->csv.name, t->csv.line, what);
    return err;
}

static size_t column(const struct sq_csv *csv, const char *name)
{
    for (size_t i = 0; name && i < csv->fields; i++) {
        if (strcmp(sq_csv_field(csv, i), name) == 0) {
            return i;
        }
    }
    return NOWHERE;
}

static int read_header(struct table *t)
{
    int got = sq_csv_next(&t->csv);
    if (got < 0) {
        return got;
    }
    t->fields = got ? t->csv.fields : 0;
    t->outcome = got ? column(&t->csv, "outcome") : NOWHERE;
    t->connected = got ? column(&t->csv, "connected") : NOWHERE;
    t->drops = got ? column(&t->csv, "drops") : NOWHERE; /* came with --reconnect */
    if (!got || strcmp(sq_csv_field(&t->csv, 0), "peer") != 0 || t->outcome == NOWHERE) {
        return fail(t, SQ_ERR_FORMAT,
                    "expected the header of a peers.csv, with the columns peer and outcome");
    }
    for (unsigned id = 0; id < SQ_METRIC_COUNT; id++) {
        t->at[id] = column(&t->csv, columns[id]);
    }
    return 0;
}

static int keep(struct table *t, enum sq_metric_id id, double value)
{
    struct sq_stored_values *v = &t->run->peers[id];
    if (v->n == v->room) {
        size_t room = v->room ? 2 * v->room : 64;
        double *grown = sq_realloc(v->values, room * sizeof(*grown));
        if (!grown) {
            return fail(t, SQ_ERR_NOMEM, "no memory");
        }
        v->values = grown;
        v->room = room;
    }
    v->values[v->n++] = value;
    return 0;
}

static int read_number(struct table *t, enum sq_metric_id id)
{
    char *end;
    const char *text = sq_csv_field(&t->csv, t->at[id]);
    if (text[0] == '\0') {
        return 0; /* not measured */
    }
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value)) {
        char what[256];
        snprintf(what, sizeof(what), "column %s: expected a number or nothing, got '%.80s'",
                 columns[id], text);
        return fail(t, SQ_ERR_FORMAT, what);
    }
    return keep(t, id, value);
}

static int read_row(struct table *t)
{
    if (t->csv.fields != t->fields) {
        char what[128];
        snprintf(what, sizeof(what), "%zu fields, and the header has %zu", t->csv.fields,
                 t->fields);
        return fail(t, SQ_ERR_FORMAT, what);
    }
    const char *outcome = sq_csv_field(&t->csv, t->outcome);
    bool failed = strcmp(outcome, sq_outcome_name(SQ_OUTCOME_FAILED)) == 0;
    bool ok = strcmp(outcome, sq_outcome_name(SQ_OUTCOME_OK)) == 0;
    if (!failed && !ok && strcmp(outcome, sq_outcome_name(SQ_OUTCOME_PENDING)) != 0) {
        char what[128];
        snprintf(what, sizeof(what), "column outcome: expected ok, failed or pending, got '%.40s'",
                 outcome);
        return fail(t, SQ_ERR_FORMAT, what);
    }
    bool connected =
        t->connected != NOWHERE && strcmp(sq_csv_field(&t->csv, t->connected), "1") == 0;
    bool dropped = t->drops != NOWHERE && strcmp(sq_csv_field(&t->csv, t->drops), "0") != 0;
    int err = keep(t, SQ_METRIC_PEERS_OK, ok ? 100 : 0);
    err = err ? err : keep(t, SQ_METRIC_PEERS_FAILED, failed ? 100 : 0);
    err = err ? err : keep(t, SQ_METRIC_PEERS_DROPPED, dropped || (failed && connected) ? 100 : 0);
    for (unsigned id = 0; !err && id < SQ_METRIC_COUNT; id++) {
        if (t->at[id] != NOWHERE) {
            err = read_number(t, (enum sq_metric_id)id);
        }
    }
    t->rows++;
    return err;
}

static void drop_peers(struct sq_stored_run *run)
{
    for (unsigned id = 0; id < SQ_METRIC_COUNT; id++) {
        sq_free(run->peers[id].values);
        run->peers[id] = (struct sq_stored_values){0};
    }
}

static int read_file(struct sq_stored_run *run, FILE *file, const char *name, char *why)
{
    struct table t = {
        .run = run, .csv = {.file = file, .name = name, .why = why, .why_room = SQ_STORE_WHY_MAX}};
    int err = read_header(&t);
    for (int got = 1; !err && got > 0;) {
        got = sq_csv_next(&t.csv);
        err = got > 0 ? read_row(&t) : got;
    }
    if (!err && t.rows != run->counts.started) {
        char what[160];
        snprintf(what, sizeof(what),
                 "the file ends after %zu peers; expected %llu, as many as "
                 "summary.json has started (was it cut short?)",
                 t.rows, (unsigned long long)run->counts.started);
        err = fail(&t, SQ_ERR_TRUNCATED, what);
    }
    sq_csv_free(&t.csv);
    if (err) {
        drop_peers(run);
    }
    run->has_peers = !err;
    return err;
}

int sq_store_read_peers(struct sq_stored_run *run, char why[static SQ_STORE_WHY_MAX])
{
    struct sq_buf path = {0};
    int err;
    if (run->has_peers) {
        return 0;
    }
    sq_buf_printf(&path, "%s/peers.csv", run->dir);
    FILE *file = path.err ? NULL : fopen(path.text, "re");
    if (!file) {
        err = path.err ? path.err : SQ_ERR_IO;
        snprintf(why, SQ_STORE_WHY_MAX, "%.300s/peers.csv: %s", run->dir,
                 path.err ? "no memory" : strerror(errno));
    } else {
        err = read_file(run, file, path.text, why);
        fclose(file);
    }
    sq_buf_free(&path);
    return err;
}

int sq_store_parse_peers(struct sq_stored_run *run, const char *csv, size_t len,
                         char why[static SQ_STORE_WHY_MAX])
{
    /* It is only read. */
    FILE *file = len > 0 ? fmemopen((void *)csv, len, "r") : NULL;
    if (!file) {
        snprintf(why, SQ_STORE_WHY_MAX, "%.300s: no peers", run->dir);
        return SQ_ERR_FORMAT;
    }
    int err = read_file(run, file, run->dir, why);
    fclose(file);
    return err;
}

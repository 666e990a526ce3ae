/* timeline.csv and peers.csv (RFC 4180: comma, CRLF, a header line; a field without a value is
 * empty). */
#include "report/escape.h"
#include "report/report_int.h"
#include <stdio.h>

static void comma_number(struct sq_buf *out, double number)
{
    sq_buf_puts(out, ",");
    sq_number_put(out, number);
}

static void comma_integer(struct sq_buf *out, uint64_t number)
{
    sq_buf_printf(out, ",%llu", (unsigned long long)number);
}

static void comma_text(struct sq_buf *out, const char *text)
{
    sq_buf_puts(out, ",");
    sq_escape_csv(out, text);
}

static const char *const timeline_flow_columns[] = {"bitrate_kbps", "loss_percent", "jitter_ms"};

static void timeline_header(struct sq_buf *out)
{
    sq_buf_puts(out, "t_s,planned,started,connected,ok,failed");
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        sq_buf_printf(out, ",failed.%s", sq_failure_name((enum sq_failure)c));
    }
    for (size_t k = 0; k < 3; k++) {
        for (int f = 0; f < SQ_FLOW_COUNT; f++) {
            sq_buf_printf(out, ",%s.%s", sq_flow_name((enum sq_flow)f), timeline_flow_columns[k]);
        }
    }
    sq_buf_puts(out, ",rtt_ms,rtt_p95_ms,video.in.fps,freezes,setup_p50_ms,setup_p95_ms,"
                     "lateness_p99_ms,lateness_max_ms,cpu_percent,send_errors,receive_drops");
    for (int video = 0; video < 2; video++) {
        const char *name = video ? "video.in.latency" : "audio.in.latency";
        sq_buf_printf(out, ",%s_p50_ms,%s_p95_ms,%s_p99_ms", name, name, name);
    }
    sq_buf_puts(out, ",data.in.messages,data.out.messages,data.in.throughput_kbps,"
                     "data.out.throughput_kbps,data.in.latency_ms,data.rtt_ms,peers_wanted,"
                     "arrivals_per_s,score,mos\r\n");
}

void sq_report_timeline_csv(const struct sq_result *r, struct sq_buf *out)
{
    timeline_header(out);
    for (size_t i = 0; i < r->timeline_count; i++) {
        const struct sq_timeline_row *t = &r->timeline[i];
        sq_number_put(out, t->t_s);
        comma_integer(out, t->planned);
        comma_integer(out, t->started);
        comma_integer(out, t->connected);
        comma_integer(out, t->ok);
        comma_integer(out, t->failed);
        for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
            comma_integer(out, t->failed_by_cause[c]);
        }
        const double *flows[] = {t->bitrate_kbps, t->loss_percent, t->jitter_ms};
        for (size_t k = 0; k < 3; k++) {
            for (int f = 0; f < SQ_FLOW_COUNT; f++) {
                comma_number(out, flows[k][f]);
            }
        }
        comma_number(out, t->rtt_ms);
        comma_number(out, t->rtt_p95_ms);
        comma_number(out, t->fps_in);
        comma_integer(out, t->freezes);
        comma_number(out, t->setup_p50_ms);
        comma_number(out, t->setup_p95_ms);
        comma_number(out, t->lateness_p99_ms);
        comma_number(out, t->lateness_max_ms);
        comma_number(out, t->cpu_percent);
        comma_integer(out, t->send_errors);
        comma_integer(out, t->receive_drops);
        for (int video = 0; video < 2; video++) {
            comma_number(out, t->latency[video].p50_ms);
            comma_number(out, t->latency[video].p95_ms);
            comma_number(out, t->latency[video].p99_ms);
        }
        comma_integer(out, t->data.messages_in);
        comma_integer(out, t->data.messages_out);
        comma_number(out, t->data.in_kbps);
        comma_number(out, t->data.out_kbps);
        comma_number(out, t->data.latency_ms);
        comma_number(out, t->data.rtt_ms);
        comma_number(out, t->wanted);
        comma_number(out, t->rate_per_s);
        comma_number(out, t->score);
        comma_number(out, t->mos);
        sq_buf_puts(out, "\r\n");
    }
}

static void peers_header(struct sq_buf *out)
{
    static const char *const columns[] = {
        "tracks",
        "packets",
        "bytes",
        "lost",
        "bitrate_kbps",
        "loss_percent",
        "jitter_ms",
        "rtt_ms",
        "nack",
        "pli",
        "frames",
        "key_frames",
        "fps",
        "freezes",
        "freeze_ms",
        "width",
        "height",
        "playout_ms",
        "concealment_percent",
        "dropped",
        "decoded_fps",
        "alive_percent",
        "decode_failed",
        "latency_ms",
    };
    sq_buf_puts(out, "peer,room,role,start_ms,end_ms,outcome,cause,message,connected");
    for (int s = 0; s < SQ_STAGE_COUNT; s++) {
        sq_buf_printf(out, ",setup.%s_ms", sq_stage_name((enum sq_stage)s));
    }
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
            sq_buf_printf(out, ",%s.%s", sq_flow_name((enum sq_flow)f), columns[c]);
        }
    }
    sq_buf_puts(out, ",local_candidate,remote_candidate,pair,data.in.messages,data.in.bytes,"
                     "data.in.throughput_kbps,data.in.loss_percent,data.in.latency_ms,"
                     "data.out.messages,data.out.bytes,data.out.throughput_kbps,data.rtt_ms,dtmf,"
                     "dtmf_pressed,network,drops,returns,gap_ms,score,mos");
    for (int i = 0; i < SQ_SCORE_PARTS; i++) {
        sq_buf_printf(out, ",score.%s", sq_score_part_name((enum sq_score_part)i));
    }
    sq_buf_puts(out, ",audio.in.agreed,audio.in.codec,audio.in.burst_ratio,"
                     "audio.in.concealment_stddev,audio.in.delay_stddev_ms,video.in.agreed,"
                     "video.in.loss_stddev,video.in.delay_stddev_ms,video.in.watched_s,"
                     "video.in.target_share,video.in.target_share_stddev,video.out.target_share,"
                     "video.out.target_share_stddev,away_ms\r\n");
}

/* Score and MOS, and what they are made of that has no column among the flows'. */
static void put_score(struct sq_buf *out, const struct sq_peer_row *p)
{
    const struct sq_flow_totals *sound = &p->flow[SQ_FLOW_AUDIO_IN];
    const struct sq_flow_totals *video = &p->flow[SQ_FLOW_VIDEO_IN];
    const struct sq_flow_totals *sent = &p->flow[SQ_FLOW_VIDEO_OUT];
    comma_number(out, p->score.score);
    comma_number(out, p->mos);
    for (int i = 0; i < SQ_SCORE_PARTS; i++) {
        comma_number(out, p->score.penalties[i]);
    }
    comma_integer(out, sound->agreed);
    comma_text(out, sound->codec);
    comma_number(out, sound->burst_ratio);
    comma_number(out, sound->loss_stddev);
    comma_number(out, sound->delay_stddev_ms);
    comma_integer(out, video->agreed);
    comma_number(out, video->loss_stddev);
    comma_number(out, video->delay_stddev_ms);
    comma_number(out, video->watched_s);
    comma_number(out, video->target_share);
    comma_number(out, video->target_share_stddev);
    comma_number(out, sent->target_share);
    comma_number(out, sent->target_share_stddev);
}

static void put_flow(struct sq_buf *out, const struct sq_flow_totals *f)
{
    comma_integer(out, f->tracks);
    comma_integer(out, f->packets);
    comma_integer(out, f->bytes);
    sq_buf_printf(out, ",%lld", (long long)f->lost);
    comma_number(out, f->bitrate_kbps);
    comma_number(out, f->loss_percent);
    comma_number(out, f->jitter_ms);
    comma_number(out, f->rtt_ms);
    comma_integer(out, f->nack);
    comma_integer(out, f->pli);
    comma_integer(out, f->frames);
    comma_integer(out, f->key_frames);
    comma_number(out, f->fps);
    comma_integer(out, f->freezes);
    comma_number(out, f->freeze_ms);
    comma_integer(out, f->width);
    comma_integer(out, f->height);
    comma_number(out, f->playout_ms);
    comma_number(out, f->concealment_percent);
    comma_integer(out, f->dropped);
    comma_number(out, f->decoded_fps);
    comma_number(out, f->alive_percent);
    comma_integer(out, f->decode_failed);
    comma_number(out, f->latency_ms);
}

static void put_data(struct sq_buf *out, const struct sq_data_totals *d)
{
    comma_integer(out, d->messages_in);
    comma_integer(out, d->bytes_in);
    comma_number(out, d->in_kbps);
    comma_number(out, d->loss_percent);
    comma_number(out, d->latency_ms);
    comma_integer(out, d->messages_out);
    comma_integer(out, d->bytes_out);
    comma_number(out, d->out_kbps);
    comma_number(out, d->rtt_ms);
}

/* Its sentence, and what befell its script's goodbye. */
static void comma_message(struct sq_buf *out, const struct sq_peer_row *p)
{
    char both[sizeof(p->message) + 512];
    if (!p->message[0] || !p->goodbye) {
        comma_text(out, p->goodbye ? p->goodbye : p->message);
        return;
    }
    snprintf(both, sizeof(both), "%s; its script failed as it said goodbye: %s", p->message,
             p->goodbye);
    comma_text(out, both);
}

void sq_report_peers_csv(const struct sq_result *r, struct sq_buf *out)
{
    peers_header(out);
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        sq_escape_csv(out, p->id);
        comma_text(out, p->room);
        comma_text(out, p->role);
        comma_number(out, p->start_ms);
        comma_number(out, p->end_ms);
        comma_text(out, sq_outcome_name(p->outcome));
        comma_text(out, sq_failure_name(p->cause));
        comma_message(out, p);
        comma_integer(out, p->connected);
        for (int s = 0; s < SQ_STAGE_COUNT; s++) {
            comma_number(out, p->stage_ms[s]);
        }
        for (int f = 0; f < SQ_FLOW_COUNT; f++) {
            put_flow(out, &p->flow[f]);
        }
        comma_text(out, p->local_candidate);
        comma_text(out, p->remote_candidate);
        comma_text(out, p->pair);
        put_data(out, &p->data);
        comma_text(out, p->dtmf);
        comma_integer(out, p->dtmf_pressed);
        comma_text(out, p->network);
        comma_integer(out, p->drops);
        comma_integer(out, p->returns);
        comma_number(out, p->gap_ms);
        put_score(out, p);
        comma_number(out, p->away_ms);
        sq_buf_puts(out, "\r\n");
    }
}

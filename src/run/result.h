/* Everything a finished or interrupted run knows, as plain data: the run engine fills it, src/run's
 * expectations judge it, src/report writes it down.
 *
 * Ownership: sq_result_create makes an empty result, its rows are added by the helpers below, and
 * sq_result_destroy frees everything in it. Text is copied: fixed arrays are cut at their size
 * (sq_result_set_text does that), `char *` members are owned by the result. A pointer that a helper
 * hands out is borrowed and valid until the next row of the same kind is added.
 *
 * Numbers: a double that is not known is NAN ("no sample"), never 0; counters start at 0. Times of
 * a peer and of the timeline are relative to the start of the run. Not thread-safe: shards hand
 * their rows to one owner. */
#ifndef SQ_RUN_RESULT_H
#define SQ_RUN_RESULT_H

#include "base/err.h"
#include "base/str.h"
#include "run/strip.h"
#include "run/window.h"
#include "scenario/steps.h"
#include "stats/hist.h"
#include "stats/metrics.h"
#include "stats/score.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_RESULT_SCHEMA 1 /* of summary.json */

/* Maxima of the tables; the helpers return NULL or SQ_ERR_NOMEM past them. */
#define SQ_RESULT_PEERS_MAX    2000000
#define SQ_RESULT_TIMELINE_MAX 172800 /* two days of seconds */
#define SQ_RESULT_EXPECT_MAX   256
#define SQ_RESULT_SLICES_MAX   128
#define SQ_RESULT_CONFIG_MAX   512
#define SQ_RESULT_TRACES_MAX   1000 /* peers with a dump */
#define SQ_RESULT_TURN_MAX     5
#define SQ_RESULT_STUN_MAX     8
#define SQ_RESULT_STORIES_MAX  1280 /* SQ_PLAN_THREADS_MAX times SQ_LEDGER_STORIES_MAX */
#define SQ_TRACE_EVENTS_MAX    400  /* of one peer; later ones are counted as dropped */
#define SQ_TRACE_SERIES_MAX    1000 /* of one peer */
#define SQ_TRACE_POINTS_MAX    86400

#define SQ_RUN_ID_SIZE 32 /* "20261121-034501-ab12cd" with its NUL fits */

enum sq_run_verdict {
    SQ_VERDICT_PASS,
    SQ_VERDICT_FAIL,    /* an expectation of level error failed */
    SQ_VERDICT_INVALID, /* the generator was the bottleneck: says nothing about the service */
    SQ_VERDICT_ERROR,   /* not reached, no peer connected, or interrupted before its end */
};

/* Exit codes of every command; docs/exit-codes.md. */
enum sq_exit {
    SQ_EXIT_HELD = 0,
    SQ_EXIT_EXPECTATION = 1,
    SQ_EXIT_USAGE = 2,
    SQ_EXIT_UNREACHED = 3,
    SQ_EXIT_INVALID = 4,
    SQ_EXIT_INTERRUPTED = 130,
};

/* The names of a run's peers, from 0 on, and as a regular expression. */
#define SQ_RUN_PEER_NAME  "squall-%llu"
#define SQ_RUN_PEER_NAMES "squall-[0-9]+"

/* Every attempt of a peer ends in exactly one of these. */
enum sq_outcome {
    SQ_OUTCOME_PENDING, /* still setting up when the run ended: neither ok nor failed */
    SQ_OUTCOME_OK,      /* did all it was asked to until it was told to leave or the run ended */
    SQ_OUTCOME_FAILED,  /* with a cause */
};

/* The closed list of causes, in the order in which a set-up passes them. The numbers are those of
 * enum sq_cause in signal/signal.h, which rooms above src/run do not include. */
enum sq_failure {
    SQ_FAILURE_NONE,
    SQ_FAILURE_DNS,
    SQ_FAILURE_CONNECT,
    SQ_FAILURE_TLS,
    SQ_FAILURE_SIGNALING,
    SQ_FAILURE_AUTH,
    SQ_FAILURE_ICE,
    SQ_FAILURE_DTLS,
    SQ_FAILURE_NO_MEDIA,
    SQ_FAILURE_MEDIA_LOST,
    SQ_FAILURE_TIMEOUT,
    SQ_FAILURE_PROTOCOL,
    SQ_FAILURE_COUNT,
};

/* The first four are those of enum sq_phase in signal/signal.h. */
enum sq_stage {
    SQ_STAGE_DNS,
    SQ_STAGE_CONNECT,
    SQ_STAGE_TLS,
    SQ_STAGE_SIGNALING, /* metric setup.signaling: offer and answer exchanged */
    SQ_STAGE_ICE,       /* setup.ice */
    SQ_STAGE_DTLS,      /* setup.dtls */
    SQ_STAGE_MEDIA,     /* setup.media: to the first media, waiting for others left out */
    SQ_STAGE_TOTAL,     /* setup.total: from the intended start; see metric_table.c */
    SQ_STAGE_COUNT,
};

enum sq_flow {
    SQ_FLOW_AUDIO_IN,
    SQ_FLOW_AUDIO_OUT,
    SQ_FLOW_VIDEO_IN,
    SQ_FLOW_VIDEO_OUT,
    SQ_FLOW_COUNT
};

/* What one peer received or sent of one kind, over its whole life. */
struct sq_flow_totals {
    uint32_t tracks; /* channels that carried media */
    bool agreed;     /* in: one was negotiated, whether something came or not */
    uint64_t packets;
    uint64_t bytes;      /* RTP payload, as W3C bytesReceived and bytesSent */
    int64_t lost;        /* packets; may be negative (duplicates), as in RFC 3550 */
    double bitrate_kbps; /* average since it was agreed or began, the sum of all tracks */
    double loss_percent; /* of what the sender sent */
    double jitter_ms;    /* average */
    double rtt_ms;       /* average */
    double latency_ms;   /* in: average of one-way latency; NAN: not measured */
    uint64_t nack;       /* sent for incoming, received for outgoing */
    uint64_t pli;        /* the same */
    uint64_t frames;     /* video: complete frames */
    uint32_t blank;      /* video in: agreed tracks of which no frame ever came, in 3 s or more */
    uint32_t still;      /* video in: tracks that stood still for a second or more at its end */
    uint64_t key_frames; /* video */
    double fps;          /* video: average */
    uint64_t freezes;    /* video in: W3C freezeCount */
    double freeze_ms;    /* video in: W3C totalFreezesDuration */
    uint32_t width;      /* video: last; 0 unknown */
    uint32_t height;
    double playout_ms;          /* in: average play-out delay */
    double concealment_percent; /* audio in: of the sound played */
    uint64_t dropped;           /* video in: frames; W3C framesDropped */
    double decoded_fps;         /* video in, --decode: average */
    double alive_percent;       /* in, --decode: of the seconds the picture moved, or was heard */
    uint64_t decode_failed;     /* in, --decode */
    uint64_t decode_dropped;    /* in, --decode: packets that found no room before the decoder */
    bool decoded;               /* in: it was, by --decode */
    /* What score and MOS are made of besides (docs/score.md); spreads are standard deviations over
     * the seconds. */
    double loss_stddev;         /* in; audio: of the share of concealed sound */
    double delay_stddev_ms;     /* in: path and play-out together */
    double burst_ratio;         /* audio in */
    double watched_s;           /* video in: the tracks' times added up */
    double target_share;        /* video: 1 = all of the clip's rate; NAN: no target is known */
    double target_share_stddev; /* video */
    char codec[8];              /* in: of the latest packet, as in rtpmap; "" */
};

/* What one peer sent and received on its data channels, over its whole life. */
struct sq_data_totals {
    uint64_t messages_in, messages_out;
    uint64_t bytes_in, bytes_out;
    double in_kbps, out_kbps; /* average over the time it was up */
    double loss_percent;      /* of the messages of senders that were heard */
    double latency_ms;        /* average, one way */
    double rtt_ms;            /* average, of its own that came back */
};

struct sq_peer_row {
    char id[48];
    char room[48];
    char role[24];
    char network[48];               /* the one it was in, as it was given; "": the machine's own */
    uint64_t link_up, link_up_lost; /* datagrams that were to go over its link, and of them the */
    uint64_t link_down, link_down_lost; /* ones that were lost on it, or at its full queue */
    /* Of those, the ones that are no stream's, and of them the ones that it put a wrong bit into.
     */
    uint64_t link_up_datagrams, link_down_datagrams, link_up_altered, link_down_altered;
    char target[64]; /* HOST:PORT; "": none */
    double start_ms; /* intended start of the attempt */
    double end_ms;   /* NAN: alive until the run's end */
    enum sq_outcome outcome;
    enum sq_failure cause; /* SQ_FAILURE_NONE unless failed */
    char message[256];     /* one sentence about the failure, or on what it still waits for, or on
                              the step that its end cut off; "" */
    char *goodbye;         /* owned: how it left badly, the first time; NULL: it did not, it had
                              failed before, or there was no memory */
    bool unfinished;       /* it was ok, and steps of it were left to do: message says which */
    bool left_badly;       /* its script's goodbye failed; its outcome stands */
    bool unlinked;         /* it was ok, and its script made no connection: message says which */
    bool reached;          /* ICE and DTLS were through at least once */
    bool connected;        /* media (or what it waited for) arrived at least once; one that was ok
                              without found nothing to connect to: an empty room */
    bool sends_only;       /* nothing comes to it, by what it is to do */
    double stage_ms[SQ_STAGE_COUNT]; /* how long each took; NAN: not passed */
    struct sq_flow_totals flow[SQ_FLOW_COUNT];
    struct sq_data_totals data;
    char local_candidate[16]; /* type of the selected pair: host, srflx, prflx, relay; "" none */
    char remote_candidate[16];
    char pair[112];        /* "udp 10.0.0.1:5000 -> 10.0.0.2:6000" */
    struct sq_score score; /* its score is NAN while pending */
    double mos;            /* NAN: no audio, or pending */
    char dtmf[40];         /* keys that were heard (RFC 4733), the latest 15 of each track */
    uint32_t dtmf_pressed; /* how many were pressed (--dtmf) */
    /* --reconnect: how often it was dropped after it was up, and came back; when media last came
     * before the first time, and first after the last; the longest time without, and all of them
     * together. NAN: never. */
    uint32_t drops, returns;
    double dropped_ms, back_ms, gap_ms, away_ms;
};

struct sq_latency_second {
    double p50_ms, p95_ms, p99_ms; /* NAN without a sample */
};

struct sq_data_second { /* messages of data channels */
    uint64_t messages_in, messages_out;
    double in_kbps, out_kbps;  /* of whole messages; sum over peers */
    double latency_ms, rtt_ms; /* mean over messages; NAN without one */
};

/* One second of the run. Rates and gauges of that second; totals over all peers. Peers are looked
 * at in turn, once a second each, so a rate is of what came since then; the last row is of the part
 * of a second in which the run ended, and its rates are what came in it, not scaled to a whole one.
 */

struct sq_timeline_row {
    double t_s;         /* end of the second */
    uint64_t planned;   /* arrivals that the plan had due by now */
    double wanted;      /* peers that were to be there now; NAN: the load is an open model */
    double rate_per_s;  /* arrivals that were to come a second; NAN: it has no rate */
    uint64_t started;   /* attempts begun by now */
    uint64_t connected; /* peers connected now */
    uint64_t ok;        /* ended well by now */
    uint64_t failed;    /* by now */
    uint64_t failed_by_cause[SQ_FAILURE_COUNT]; /* by now */
    double bitrate_kbps[SQ_FLOW_COUNT];         /* sum over peers */
    double loss_percent[SQ_FLOW_COUNT];         /* lost of expected, over peers, in this second */
    double jitter_ms[SQ_FLOW_COUNT];            /* mean over peers */
    double rtt_ms;                              /* mean over peers */
    double rtt_p95_ms;
    struct sq_latency_second latency[2]; /* audio, video: one way, of all that came in it */
    struct sq_data_second data;
    double fps_in;     /* mean over incoming video tracks */
    uint64_t freezes;  /* in this second */
    double score, mos; /* of this second by itself, mean over peers; NAN without one */
    double setup_p50_ms, setup_p95_ms;       /* setup.total of those that connected in it */
    double lateness_p99_ms, lateness_max_ms; /* the generator's timers, in this second */
    double cpu_percent;                      /* of the busiest generator thread */
    uint64_t send_errors, receive_drops;     /* in this second */
};

/* What figures of one-way latency rest on. */
struct sq_latency_worth {
    uint64_t tags;         /* samples by time-tags in the payload */
    uint64_t captures;     /* … by abs-capture-time */
    double uncertainty_ms; /* 0: exact; NAN: not known */
};

/* A metric of stats/metrics.h over the whole run. Counters (peers.ok, generator.drops) have no row:
 * they are in `counts` and `generator`. */
struct sq_metric_row {
    enum sq_metric_id id;
    struct sq_hist *hist; /* owned, never NULL */
    double last;          /* newest sample, in the metric's unit; NAN without one */
};

/* What an expectation asked for beyond that (run/slice.h). */
struct sq_slice_row {
    struct sq_slice slice;
    struct sq_hist *hist; /* owned, never NULL; of each peer's value, where it has one */
    double last;          /* newest sample; NAN without one */
    uint64_t peers;       /* it was about so many ... */
    uint64_t opened;      /* ... and for so many its window had opened */
    uint64_t never;       /* SQ_SLICE_TIME: did not get there; the top of the histogram */
    double *values;       /* owned, nullable: one a peer; NAN: no sample, INFINITY: never */
};

/* Why the run ended before its time: an expectation of --abort-on. */
struct sq_result_stop {
    bool on;
    double after_s;     /* since the start */
    size_t expectation; /* its place in the list that is judged */
    double value;       /* then */
    char unit[24];
    char message[256];
};

/* Figures of a metric in its unit; count 0 and all else NAN without a sample. */
struct sq_metric_figures {
    uint64_t count;
    double min, avg, p50, p90, p95, p99, max;
};

/* A timer of a scenario's steps, in ms; a counter of them. */
struct sq_timer_row {
    char name[SQ_STEP_NAME_MAX + 1];
    struct sq_metric_figures figures;
};

struct sq_counter_row {
    char name[SQ_STEP_NAME_MAX + 1];
    uint64_t count;
};

/* Figures of what was timed, in us; NULL: nothing was. */
void sq_timer_row_set(struct sq_timer_row *row, const struct sq_hist *hist_us);

enum sq_expect_level { SQ_LEVEL_ERROR, SQ_LEVEL_WARN };

/* The outcome of one expectation. */
struct sq_expectation {
    char *expr;    /* owned; as the user wrote it */
    double value;  /* NAN: no sample */
    char unit[24]; /* "%", "ms", "kbit/s", "% of peers", ""... */
    bool ok;
    unsigned terms; /* more than one, joined by `and` and `or`: `value` is that of the one that
                       decided, and `message` has all that hold, or all that do not */
    enum sq_expect_level level;
    bool of_figures; /* it is about more than how many peers came through: what bounds the generator
                        bounds such figures */
    bool of_decoding;  /* it names a metric of --decode */
    char message[256]; /* a sentence: what was found, or why it could not be judged */
};

enum sq_config_type { SQ_CONFIG_STRING, SQ_CONFIG_NUMBER, SQ_CONFIG_BOOL };

struct sq_config_row {
    char *key; /* owned */
    enum sq_config_type type;
    char *text; /* owned; SQ_CONFIG_STRING only */
    double number;
    bool flag;
};

struct sq_failure_row {
    uint64_t count;
    size_t example; /* index of a peer, if count > 0 */
};

struct sq_peer_counts {
    uint64_t planned;
    uint64_t started; /* = ok + failed + pending */
    uint64_t ok;
    uint64_t failed;
    uint64_t dropped; /* had been connected, and lost it: those of the failed, and those that came
                         back (--reconnect) */
    uint64_t pending;
};

/* Peers that were dropped and came back by themselves, or tried to (--reconnect). */
struct sq_reconnects {
    uint64_t peers, back;              /* were dropped; of them: were back at their end */
    double first_drop_ms, all_back_ms; /* of the run: media last came to the first of them; the last
                                          one was back. NAN: none; not all of them */
};

/* How a TURN server answered the peers that asked it for a relay. Who left within a second without
 * an answer is in `asked` alone. */
struct sq_turn_row {
    char server[128]; /* as it was given */
    uint64_t asked, relays;
    uint64_t failed, unanswered; /* no relay: by an error, or without a word */
    bool of_steps;               /* of all servers that steps gave: asked counts each of them */
    uint64_t lost;               /* relays that were gone before they were given back */
    char example[256];           /* a sentence on what went wrong; "" */
};

/* The same of a STUN server, which a name may have two of: an address each. */
struct sq_stun_row {
    char server[128]; /* as it was given */
    char address[64];
    uint64_t asked, answered;
    uint64_t failed, unanswered; /* no address from it: by an error, or without a word */
};

/* What peers ask of the other side beside the codecs. */
enum sq_asked {
    SQ_ASKED_RED,    /* opus+red */
    SQ_ASKED_STEREO, /* opus+stereo */
    SQ_ASKED_DTX,    /* opus+dtx */
    SQ_ASKED_FEC,    /* opus+fec */
    SQ_ASKED_SIMULCAST,
    SQ_ASKED_AUDIO, /* the whole medium: to be sent or received */
    SQ_ASKED_VIDEO,
    SQ_ASKED_DATA,
    SQ_ASKED_COUNT
};

/* How many peers had it in what they negotiated to send, or of audio, video and data in what they
 * negotiated at all; and of how many what came of that lacks it (or some of the layers). Of stereo,
 * DTX and FEC of the latter: those whose clip has none, so that they could not send it either. */
struct sq_asked_row {
    uint64_t peers, refused, plain;
};

struct sq_generator_health {
    double lateness_p50_ms, lateness_p99_ms, lateness_max_ms; /* timers: done minus due */
    double lateness_worst_ms; /* p99 of the latest of its threads: what is judged; NAN: not known */
    double cpu_percent;       /* of the busiest thread, 100 = one whole core */
    uint64_t send_errors;
    uint64_t receive_drops; /* datagrams that the kernel dropped at full socket buffers */
    uint32_t threads;
    bool ok;
    char reason[704]; /* why it is not ok: one sentence; "" */
    char note[384];   /* what bounds the figures though it is ok: one sentence; "". What fails then
                         is not the service's failure: sq_verdict makes it INVALID */
    uint64_t decode_dropped; /* packets that found no room before the decoder of --decode */
};

struct sq_host {
    char name[64];
    char kernel[96];
    char cpu[96];
    uint32_t cores;
};

/* A line of a peer's story, named as in chrome://webrtc-internals: "connectionstatechange" with
 * "connected"; "icecandidate" and "addIceCandidate" with the candidate line; "setLocalDescription"
 * with "type: offer, sdp: v=0..."; a type that ends with "Failure" stands out. */
struct sq_trace_event {
    double t_ms;
    char type[40];
    char *value; /* owned; may be "" */
};

/* One statistic of one W3C stats object over time, one value each interval. */
struct sq_trace_series {
    char id[48];   /* stats object: "IT01V3735928559" */
    char type[32]; /* W3C RTCStatsType: "inbound-rtp" */
    char name[48]; /* W3C member: "packetsLost" */
    double start_ms, interval_ms;
    double *values; /* owned */
    char *text; /* owned, nullable: of a member that is a text, as it was last; no values then */
    size_t n, room;
};

/* What a webrtc-internals dump of one peer is made of, and its story in the report. */
struct sq_peer_trace {
    size_t peer;         /* index of its row */
    char *configuration; /* owned, nullable: the RTCConfiguration as JSON */
    char *url;           /* owned, nullable: the target */
    struct sq_trace_event *events;
    size_t event_count, event_room, events_dropped;
    struct sq_trace_series *series;
    size_t series_count, series_room;
    struct sq_strip strip; /* its rates, in short */
};

/* A figure of the run beside that of earlier ones (--baseline). */
struct sq_baseline_row {
    char figure[64]; /* "setup.total.p95" */
    char unit[16];
    double before, after, change_percent, p_adjusted; /* NAN: not known */
    char call[16];                                    /* "same", "worse", … */
};

struct sq_baseline {
    char name[256];
    size_t runs;
    char verdict[16]; /* "not-worse", "worse", "invalid", "error" */
    char reason[1024];
    bool worse;
    size_t rows_count;
    struct sq_baseline_row rows[];
};

struct sq_result {
    char tool_version[32], tool_commit[48]; /* the name is always "squall" */
    char run_id[SQ_RUN_ID_SIZE];
    uint64_t started_wall_ns; /* since 1970 */
    double duration_s;
    uint64_t seed; /* below 2^53, so that every JSON reader keeps it exact */
    char *command; /* owned; the command line, secrets left out by the caller */
    char *target;  /* owned, nullable */
    char *report;  /* owned, nullable: where people find report.html, a path or a URL */
    struct sq_host host;
    bool interrupted; /* by a signal, before its planned end */
    bool of_a_path;   /* a call of two, without a service (squall pair) */
    struct sq_result_stop stop;
    char cut[256]; /* why the run ended early by no doing of the service's, else ""; no PASS then */
    double ramped_ms, draining_ms; /* events of the run, since its start; NAN: did not come */
    char error[256]; /* why nothing of the service could be tested, else ""; gives exit code 3 */
    enum sq_run_verdict verdict; /* these three are set by sq_verdict (run/expect.h) */
    int exit_code;
    char verdict_reason[840];     /* one sentence */
    char incomplete[1024];        /* what of the results could not be written, else "" */
    struct sq_peer_counts counts; /* all but planned are set by sq_result_tally */
    struct sq_failure_row failures[SQ_FAILURE_COUNT]; /* set by sq_result_tally */
    struct sq_generator_health generator;
    struct sq_turn_row turn[SQ_RESULT_TURN_MAX];
    size_t turn_count;
    struct sq_stun_row stun[SQ_RESULT_STUN_MAX];
    size_t stun_count;
    struct sq_asked_row asked[SQ_ASKED_COUNT];
    double score, mos; /* mean over peers, failed ones included; NAN: no sample */
    /* By whose clocks one-way latency was measured, one sentence; "". And what it is worth, of
     * audio and of video. */
    char latency_note[1000];
    struct sq_latency_worth latency[2];

    struct sq_baseline *baseline; /* owned; NULL: there is none */

    struct sq_config_row *config;
    size_t config_count, config_room;
    struct sq_expectation *expectations;
    size_t expectation_count, expectation_room;
    struct sq_timer_row timers[SQ_STEP_FIGURES_MAX];
    struct sq_counter_row counters[SQ_STEP_FIGURES_MAX];
    size_t timers_len, counters_len;
    struct sq_metric_row *metrics; /* at most SQ_METRIC_COUNT */
    size_t metric_count, metric_room;
    struct sq_slice_row *slices;
    size_t slice_count, slice_room;
    struct sq_timeline_row *timeline;
    size_t timeline_count, timeline_room;
    struct sq_peer_row *peers; /* an attempt each */
    size_t peer_count, peer_room;
    struct sq_peer_trace *traces;
    size_t trace_count, trace_room;
    uint64_t traces_left_out; /* dumps that found no room, or no memory */
    /* Of those that did well the worst have a story, too: events and the strip. No dump. */
    struct sq_peer_trace *stories;
    size_t story_count, story_room;
};

/* An empty result: verdict ERROR until judged, generator ok, every double NAN. */
int sq_result_create(struct sq_result **ret_result) SQ_MUST_USE;
/* NULL is allowed; frees everything, the histograms too. */
void sq_result_destroy(struct sq_result *r);

/* Writes "20261121-034501-ab12cd" into out: UTC time and 24 random bits. */
void sq_result_make_id(uint64_t wall_ns, uint32_t random, char out[static SQ_RUN_ID_SIZE]);
/* Copies text (NULL counts as ""), cut to size at a whole UTF-8 character. */
void sq_result_set_text(char *field, size_t size, const char *text);
#define SQ_RESULT_SET(field, text) sq_result_set_text((field), sizeof(field), (text))
/* Replaces an owned text member by a copy. SQ_ERR_NOMEM leaves it as it was. */
int sq_result_replace_text(char **field, const char *text) SQ_MUST_USE;

/* Nothing measured: counters 0, all else NAN. */
void sq_flow_totals_init(struct sq_flow_totals *f);
/* New zeroed rows, doubles NAN, to be filled by the caller. NULL: no memory, or table full. */
struct sq_peer_row *sq_result_add_peer(struct sq_result *r) SQ_MUST_USE;
struct sq_timeline_row *sq_result_add_second(struct sq_result *r) SQ_MUST_USE;
/* The same for a row that does not stand in a result yet. */
void sq_timeline_row_init(struct sq_timeline_row *row);
/* The row of that metric, made with an empty histogram if it is not there: record or merge into it.
 */
struct sq_metric_row *sq_result_add_metric(struct sq_result *r, enum sq_metric_id id) SQ_MUST_USE;
/* The same for a slice. */
struct sq_slice_row *sq_result_add_slice(struct sq_result *r,
                                         const struct sq_slice *slice) SQ_MUST_USE;
/* NULL: it was not kept. */
const struct sq_slice_row *sq_result_slice(const struct sq_result *r, const struct sq_slice *slice);
struct sq_expectation *sq_result_add_expectation(struct sq_result *r, const char *expr) SQ_MUST_USE;
/* Key and text are copied. */
int sq_result_config_text(struct sq_result *r, const char *key, const char *text) SQ_MUST_USE;
int sq_result_config_number(struct sq_result *r, const char *key, double number) SQ_MUST_USE;
int sq_result_config_flag(struct sq_result *r, const char *key, bool flag) SQ_MUST_USE;

/* The dump of a peer (index into peers), made if it is not there. */
struct sq_peer_trace *sq_result_add_trace(struct sq_result *r, size_t peer) SQ_MUST_USE;
/* The same for the story of a peer without a dump. */
struct sq_peer_trace *sq_result_add_story(struct sq_result *r, size_t peer) SQ_MUST_USE;
/* Frees what it holds and empties it. */
void sq_trace_clear(struct sq_peer_trace *t);
/* Type and value are copied; past SQ_TRACE_EVENTS_MAX the event is counted as dropped and 0 comes
 * back. */
int sq_trace_event(struct sq_peer_trace *t, double t_ms, const char *type,
                   const char *value) SQ_MUST_USE;
/* Adds a value to the series of that object and member, made with start_ms at its first value.
 * Values come one each interval_ms; gaps are to be filled with NAN by the caller. Past
 * SQ_TRACE_POINTS_MAX it does nothing and returns 0. */
int sq_trace_value(struct sq_peer_trace *t, const char *id, const char *type, const char *name,
                   double start_ms, double interval_ms, double value) SQ_MUST_USE;

/* Read-only look-ups; NULL when there is none. */
const struct sq_metric_row *sq_result_metric(const struct sq_result *r, enum sq_metric_id id);
void sq_metric_row_figures(const struct sq_metric_row *m, struct sq_metric_figures *ret_figures);
/* The same for a member that is a text: what was last is kept. */
int sq_trace_text(struct sq_peer_trace *t, const char *id, const char *type, const char *name,
                  double start_ms, double interval_ms, const char *text) SQ_MUST_USE;
/* The first peer that was still pending and says on what; NULL: none. */
const struct sq_peer_row *sq_result_waiting(const struct sq_result *r);
/* In which networks its peers were, and what those lost; nothing where all had the machine's own. A
 * figure may be bad by them alone: "its peers were in network 20packet, which lost 20.3 % of what
 * they sent and 19.8 % of what came". */
void sq_result_network_note(const struct sq_result *r, struct sq_buf *out);
/* From the rows. */
void sq_result_reconnects(const struct sq_result *r, struct sq_reconnects *ret_reconnects);
const struct sq_peer_trace *sq_result_trace(const struct sq_result *r, size_t peer);
/* Its dump, or else its story. */
const struct sq_peer_trace *sq_result_story(const struct sq_result *r, size_t peer);

/* Counts peers and failures from the peer rows, so that the figures always agree with them: to be
 * called once the rows are final (sq_verdict calls it too). A failed row without a cause counts as
 * SQ_FAILURE_PROTOCOL. */
void sq_result_tally(struct sq_result *r);

/* Words of the contract: "pass", "media-lost", "no-media", "ok", "audio.in", "signaling". */
const char *sq_verdict_name(enum sq_run_verdict v);
/* It held, and not all of its results are there: the exit code is 2 (sq_verdict_incomplete). What
 * people and CI read says "incomplete" in the place of "pass" then; sq_result_word is that, or the
 * verdict's name. */
bool sq_result_is_incomplete(const struct sq_result *r);
const char *sq_result_word(const struct sq_result *r);
/* "opus+red", …, "simulcast". */
const char *sq_asked_name(enum sq_asked what);
const char *sq_failure_name(enum sq_failure c); /* "" for SQ_FAILURE_NONE */
/* Plain words about a cause, for people: "the media path: no ICE candidate pair worked". */
const char *sq_failure_words(enum sq_failure c);
const char *sq_outcome_name(enum sq_outcome o);
const char *sq_stage_name(enum sq_stage p);
const char *sq_flow_name(enum sq_flow f);

#endif

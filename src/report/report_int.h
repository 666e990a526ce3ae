/* What the files of src/report share. */
#ifndef SQ_REPORT_REPORT_INT_H
#define SQ_REPORT_REPORT_INT_H

#include "base/str.h"
#include "report/json.h"
#include "report/report.h"

#define SQ_REPORT_DUMP_DIR  "webrtc-internals"
#define SQ_REPORT_WORST_MAX 10
/* Names of the files that squall writes, as regular expressions (POSIX, extended): of the report,
 * with what a killed run may have left half written, and of the dumps. */
#define SQ_REPORT_UNDONE "(\\.[0-9a-f]{8}\\.tmp)?"
#define SQ_REPORT_NAMES                                                                            \
    "(timeline\\.csv|peers\\.csv|junit\\.xml|report\\.html|summary\\.json)" SQ_REPORT_UNDONE
#define SQ_REPORT_DUMP_NAMES "[0-9]{5,}-" SQ_RUN_PEER_NAMES "\\.json" SQ_REPORT_UNDONE

struct sq_report_html_options {
    bool in_directory; /* the other files lie beside it: link to them */
};

void sq_report_summary(const struct sq_result *r, struct sq_buf *out);
void sq_report_timeline_csv(const struct sq_result *r, struct sq_buf *out);
void sq_report_peers_csv(const struct sq_result *r, struct sq_buf *out);
void sq_report_markdown(const struct sq_result *r, struct sq_buf *out);
void sq_report_junit(const struct sq_result *r, struct sq_buf *out);
void sq_report_html(const struct sq_result *r, const struct sq_report_html_options *options,
                    struct sq_buf *out);

/* One sentence on a TURN server that did not give each peer its relay ("gave no relay to 3 of 4
 * peers: …"); nothing of one that did. */
void sq_report_turn_note(const struct sq_turn_row *row, struct sq_buf *out);
/* On video that was agreed and never came. */
void sq_report_video_note(const struct sq_result *r, struct sq_buf *out);
/* On video that stood still at the end: "1 of 3 streams of video stood still …". */
void sq_report_still_note(const struct sq_result *r, struct sq_buf *out);
/* On peers that were planned and never began; nothing of a run that a person ended. */
void sq_report_arrivals_note(const struct sq_result *r, struct sq_buf *out);
/* On peers that were still on their way in when the run ended: "1 of 2 peers was still connecting
 * when the run ended"; nothing of a run that a person ended. */
void sq_report_pending_note(const struct sq_result *r, struct sq_buf *out);
/* Where an expectation failed, or nobody connected: on the networks of the run's peers. */
void sq_report_network_note(const struct sq_result *r, struct sq_buf *out);
/* On peers whose steps their end cut off. */
void sq_report_steps_note(const struct sq_result *r, struct sq_buf *out);
/* It is in its bounds, and stood still for longer than it may without --lateness-max. */
bool sq_report_stood_still(const struct sq_generator_health *generator);
/* "kept up", "did not keep up", or for how long it stood still. */
void sq_report_generator_state(const struct sq_generator_health *generator, struct sq_buf *out);
/* Scripts that failed in on_leave, when the outcome of their peers was known. */
void sq_report_goodbye_note(const struct sq_result *r, struct sq_buf *out);
/* On what peers asked for and the other side did not agree to. */
void sq_report_asked_note(const struct sq_result *r, enum sq_asked what, struct sq_buf *out);
/* The same of a STUN server. */
void sq_report_stun_note(const struct sq_stun_row *row, struct sq_buf *out);
/* One sentence where messages were sent on data channels, and no peer heard any though some listen;
 * else nothing. */
void sq_report_data_note(const struct sq_result *r, struct sq_buf *out);
/* The run's score: "9.1 of 10 over 200 peers; 5 % of them have 7.2 or less, the worst 0 (squall-17:
 * never connected)"; MOS in the like; and what connected peers lost points to on average, the most
 * first: "latency 0.42, freezes 0.31". Nothing where there is none. */
void sq_report_score_note(const struct sq_result *r, struct sq_buf *out);
void sq_report_mos_note(const struct sq_result *r, struct sq_buf *out);
void sq_report_lost_points(const struct sq_result *r, struct sq_buf *out);
/* Says what could not be done and to which file; errno tells why. SQ_ERR_IO. */
int sq_report_fail_io(struct sq_report_error *error, const char *what, const char *path);
/* File name of a peer's dump within SQ_REPORT_DUMP_DIR; the row's number keeps two alike names
 * apart. */
void sq_report_dump_name(const struct sq_result *r, size_t peer, struct sq_buf *out);
/* "2026-11-21T03:45:01.250Z" (RFC 3339, UTC). */
void sq_report_time(struct sq_buf *out, uint64_t wall_ns);
/* The wall clock at a time of the run. */
uint64_t sq_report_wall_at(const struct sq_result *r, double t_ms);
/* A number for people: three to four digits, "12 345", "0.42"; a dash for NAN. */
void sq_report_human(struct sq_buf *out, double number);
/* The value and its unit for people: "1.25 s" of 1250 ms, "2.4 Mbit/s" of 2400 kbit/s. */
void sq_report_human_unit(struct sq_buf *out, double number, const char *unit);
/* Causes that hit at least one peer, the most frequent first; returns how many. */
size_t sq_report_causes(const struct sq_result *r,
                        enum sq_failure ret_causes[static SQ_FAILURE_COUNT]);
/* Indexes of the peers to look at first, at most SQ_REPORT_WORST_MAX; returns how many. Those that
 * failed (different causes first) take half, or more where fewer others connected; then those
 * others, the worst first (run/worst.h).
 */
size_t sq_report_worst(const struct sq_result *r, size_t ret_peers[static SQ_REPORT_WORST_MAX]);

#endif

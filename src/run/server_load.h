/* What a server's process takes: of a process here, by proc(5), or of one that tells it to
 * Prometheus. CPU as the difference of two samples, memory as the most that was seen. */
#ifndef SQ_RUN_SERVER_LOAD_H
#define SQ_RUN_SERVER_LOAD_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SERVER_COMMAND_MAX 64

struct sq_server_sample {
    double cpu_s;     /* since the process began: process_cpu_seconds_total */
    double rss_bytes; /* process_resident_memory_bytes; NAN: not known */
};

/* Of a window between two times. Begun by sq_server_load_begin. */
struct sq_server_load {
    struct sq_server_sample first, last;
    uint64_t first_ns, last_ns;
    double rss_max_bytes;
    size_t samples;
};

/* From /proc/PID (`root` is "/proc"). SQ_ERR_NOTFOUND: there is no such process (any more), or it
 * may not be looked at. */
int sq_server_sample_pid(const char *root, uint64_t pid,
                         struct sq_server_sample *ret_sample) SQ_MUST_USE;
/* The processes that this one has started and that are there, as "12 (node), 13 (sh)" and how many
 * more; false: none. A command is as proc(5) has it, of 15 bytes at most. */
bool sq_server_children(const char *root, uint64_t pid, char *text, size_t room);
/* "sh", and nothing of a process that is not there. */
void sq_server_command(const char *root, uint64_t pid, char text[static SQ_SERVER_COMMAND_MAX]);
/* From the text of a Prometheus end point (text format 0.0.4); series of a name with labels are
 * added up. SQ_ERR_FORMAT: process_cpu_seconds_total is not in it. */
int sq_server_sample_metrics(const char *text, struct sq_server_sample *ret_sample) SQ_MUST_USE;

/* What all programs together used of these cores by now, in seconds, from /proc/stat (proc(5):
 * user, nice and system; what interrupts take belongs to nobody). SQ_ERR_NOTFOUND. */
int sq_server_sample_cores(const char *root, const bool *cores, size_t n,
                           double *ret_busy_s) SQ_MUST_USE;

void sq_server_load_begin(struct sq_server_load *load);
void sq_server_load_add(struct sq_server_load *load, uint64_t now_ns,
                        const struct sq_server_sample *sample);
/* 100: one core; NAN with less than two samples, or where the process was begun anew. */
double sq_server_load_percent(const struct sq_server_load *load);

#endif

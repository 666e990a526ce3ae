/* Numbers and times for people, and which peers to look at first. */
#include "base/time.h"
#include "report/report_int.h"
#include "run/health.h"
#include "run/worst.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOSS_ENOUGH_PERCENT 1 /* that may leave no picture whole; with less some would be */

void sq_report_time(struct sq_buf *out, uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / SQ_NS_PER_SEC);
    struct tm utc;
    char text[32];
    if (!gmtime_r(&seconds, &utc)) {
        memset(&utc, 0, sizeof(utc));
    }
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    sq_buf_printf(out, "%s.%03uZ", text, (unsigned)(wall_ns % SQ_NS_PER_SEC / SQ_NS_PER_MS));
}

uint64_t sq_report_wall_at(const struct sq_result *r, double t_ms)
{
    if (!isfinite(t_ms) || t_ms < 0) {
        return r->started_wall_ns;
    }
    return r->started_wall_ns + (uint64_t)(t_ms * (double)SQ_NS_PER_MS);
}

void sq_report_human(struct sq_buf *out, double number)
{
    double size = fabs(number);
    char digits[64];
    if (!isfinite(number)) {
        sq_buf_puts(out, "–");
        return;
    }
    int decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
    if (size >= 1e15) {
        sq_buf_printf(out, "%.4g", number);
        return;
    }
    if (number == floor(number)) {
        decimals = 0;
    }
    snprintf(digits, sizeof(digits), "%.*f", decimals, size);
    size_t whole = strcspn(digits, ".");
    if (number < 0 && strspn(digits, "0.") < strlen(digits)) {
        sq_buf_puts(out, "-");
    }
    for (size_t i = 0; i < whole; i++) {
        if (i > 0 && (whole - i) % 3 == 0) {
            sq_buf_puts(out, ",");
        }
        sq_buf_add(out, &digits[i], 1);
    }
    sq_buf_puts(out, digits + whole);
}

void sq_report_human_unit(struct sq_buf *out, double number, const char *unit)
{
    if (strcmp(unit, "ms") == 0 && fabs(number) >= 10000) {
        number /= 1000;
        unit = "s";
    } else if (strcmp(unit, "kbit/s") == 0 && fabs(number) >= 1e7) {
        number /= 1e6;
        unit = "Gbit/s";
    } else if (strcmp(unit, "kbit/s") == 0 && fabs(number) >= 1e4) {
        number /= 1e3;
        unit = "Mbit/s";
    }
    sq_report_human(out, number);
    if (unit[0] && isfinite(number)) {
        sq_buf_puts(out, " ");
        sq_buf_puts(out, unit);
    }
}

size_t sq_report_causes(const struct sq_result *r,
                        enum sq_failure ret_causes[static SQ_FAILURE_COUNT])
{
    size_t n = 0;
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        size_t at = n;
        if (r->failures[c].count == 0) {
            continue;
        }
        while (at > 0 && r->failures[ret_causes[at - 1]].count < r->failures[c].count) {
            ret_causes[at] = ret_causes[at - 1];
            at--;
        }
        ret_causes[at] = (enum sq_failure)c;
        n++;
    }
    return n;
}

/* ---- The worst peers ---- */

static bool is_listed(const size_t *peers, size_t n, size_t peer)
{
    for (size_t i = 0; i < n; i++) {
        if (peers[i] == peer) {
            return true;
        }
    }
    return false;
}

/* Failed peers in rounds: one of each cause, then the next of each, up to `max`. */
static size_t pick_failed(const struct sq_result *r, size_t *peers, size_t max)
{
    size_t next[SQ_FAILURE_COUNT] = {0};
    size_t n = 0;
    bool found = true;
    while (found && n < max) {
        found = false;
        for (int c = 1; c < SQ_FAILURE_COUNT && n < max; c++) {
            size_t i = r->failures[c].count > 0 ? next[c] : r->peer_count;
            while (i < r->peer_count &&
                   !(r->peers[i].outcome == SQ_OUTCOME_FAILED && (int)r->peers[i].cause == c)) {
                i++;
            }
            next[c] = i + 1;
            if (i < r->peer_count) {
                peers[n++] = i;
                found = true;
            }
        }
    }
    return n;
}

size_t sq_report_worst(const struct sq_result *r, size_t ret_peers[static SQ_REPORT_WORST_MAX])
{
    size_t connected = 0;
    for (size_t i = 0; i < r->peer_count && connected < SQ_REPORT_WORST_MAX / 2; i++) {
        connected += r->peers[i].connected && r->peers[i].outcome != SQ_OUTCOME_FAILED;
    }
    size_t n = pick_failed(r, ret_peers, SQ_REPORT_WORST_MAX - connected);
    while (n < SQ_REPORT_WORST_MAX) {
        size_t worst = r->peer_count;
        double most = 0;
        for (size_t i = 0; i < r->peer_count; i++) {
            double bad = sq_peer_badness(&r->peers[i]);
            bool usable = r->peers[i].connected && r->peers[i].outcome != SQ_OUTCOME_FAILED;
            if (usable && bad > most && !is_listed(ret_peers, n, i)) {
                most = bad;
                worst = i;
            }
        }
        if (worst == r->peer_count) {
            break;
        }
        ret_peers[n++] = worst;
    }
    return n;
}

void sq_report_turn_note(const struct sq_turn_row *row, struct sq_buf *out)
{
    uint64_t without = row->failed + row->unanswered;
    if (without == 0 && row->lost == 0) {
        return;
    }
    sq_buf_printf(out, "%s ", row->server);
    if (without > 0) {
        sq_buf_printf(out,
                      row->of_steps ? "gave no relay %llu of %llu times"
                                    : "gave no relay to %llu of %llu peers",
                      (unsigned long long)without, (unsigned long long)row->asked);
    }
    if (row->lost > 0) {
        sq_buf_printf(out, "%s%llu relay%s", without > 0 ? ", and lost " : "lost ",
                      (unsigned long long)row->lost,
                      row->lost == 1 ? " before its end" : "s before their end");
    }
    if (row->example[0]) {
        sq_buf_printf(out, "; for example: %s", row->example);
    }
}

void sq_report_stun_note(const struct sq_stun_row *row, struct sq_buf *out)
{
    uint64_t without = row->failed + row->unanswered;
    if (without == 0) {
        return;
    }
    sq_buf_puts(out, row->server);
    if (strcmp(row->server, row->address) != 0) {
        sq_buf_printf(out, " (%s)", row->address);
    }
    sq_buf_printf(out, " told %llu of %llu peers no address: ", (unsigned long long)without,
                  (unsigned long long)row->asked);
    if (row->failed == 0) {
        sq_buf_puts(out, "no answer for a second or more (in a browser: icecandidateerror 701)");
    } else if (row->unanswered == 0) {
        sq_buf_puts(out, "it answered with an error");
    } else {
        sq_buf_printf(out, "%llu had no answer for a second or more, %llu an error",
                      (unsigned long long)row->unanswered, (unsigned long long)row->failed);
    }
}

/* Packets that came to peers without any frame, and what became of the rest. */
static bool put_in_pieces(const struct sq_result *r, struct sq_buf *out)
{
    uint64_t packets = 0;
    double expected = 0;
    double lost = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        const struct sq_flow_totals *video = &p->flow[SQ_FLOW_VIDEO_IN];
        if (video->blank == 0 || video->frames > 0 || video->packets == 0) {
            continue;
        }
        packets += video->packets;
        if (video->loss_percent < 100) { /* not so of NAN, either */
            double sent = (double)video->packets / (1 - video->loss_percent / 100);
            expected += sent;
            lost += sent - (double)video->packets;
        }
    }
    if (packets == 0) {
        return false;
    }
    double percent = expected > 0 ? 100 * lost / expected : 0;
    sq_buf_printf(out, "; %llu packets of it came, ", (unsigned long long)packets);
    if (percent >= LOSS_ENOUGH_PERCENT) {
        sq_buf_printf(out, "and %.3g %% were lost: no picture was whole", percent);
        return true;
    }
    if (percent > 0) {
        sq_buf_printf(out, "%.3g %% were lost, ", percent);
    }
    sq_buf_puts(out, "and none of them made a picture: no key frame that could be read");
    return true;
}

void sq_report_video_note(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_row *example = NULL;
    uint64_t peers = 0;
    uint64_t tracks = 0;
    uint64_t frames = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_flow_totals *video = &r->peers[i].flow[SQ_FLOW_VIDEO_IN];
        example = example || video->blank == 0 ? example : &r->peers[i];
        peers += video->blank > 0;
        tracks += video->blank;
        frames += video->frames;
    }
    if (!example) {
        return;
    }
    sq_buf_printf(out, "video was agreed, and no frame of it ever came, to %llu of %llu peers: ",
                  (unsigned long long)peers, (unsigned long long)r->peer_count);
    sq_buf_printf(out, "%llu track%s, for example of %s", (unsigned long long)tracks,
                  tracks == 1 ? "" : "s", example->id);
    if (!put_in_pieces(r, out) && frames == 0) {
        sq_buf_puts(out, "; where none is to come, --no-video agrees on none");
    }
}

void sq_report_still_note(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_row *example = NULL;
    uint64_t tracks = 0, still = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_flow_totals *video = &r->peers[i].flow[SQ_FLOW_VIDEO_IN];
        example = example || video->still == 0 ? example : &r->peers[i];
        tracks += video->tracks;
        still += video->still;
    }
    if (example) {
        sq_buf_printf(
            out,
            "%llu of %llu stream%s of video stood still at the end, for a second or more: "
            "for example one that %s received",
            (unsigned long long)still, (unsigned long long)tracks, tracks == 1 ? "" : "s",
            example->id);
    }
}

bool sq_report_stood_still(const struct sq_generator_health *generator)
{
    return generator->ok && generator->lateness_max_ms > SQ_HEALTH_STANDSTILL_MS;
}

void sq_report_generator_state(const struct sq_generator_health *generator, struct sq_buf *out)
{
    if (sq_report_stood_still(generator)) {
        sq_buf_printf(out, "stood still for %.1f s, which --lateness-max allows",
                      generator->lateness_max_ms / 1e3);
    } else {
        sq_buf_puts(out, generator->ok ? "kept up" : "did not keep up");
    }
}

void sq_report_arrivals_note(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_counts *c = &r->counts;
    if (c->started < c->planned && !r->interrupted) {
        sq_buf_printf(out,
                      "%llu of %llu planned arrivals were missed: %s; figures are of the others "
                      "alone",
                      (unsigned long long)(c->planned - c->started), (unsigned long long)c->planned,
                      r->cut[0] ? "the run ended early"
                                : "as many peers as allowed were there, or the run was over");
    }
}

void sq_report_pending_note(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_counts *c = &r->counts;
    if (c->pending > 0 && !r->interrupted) {
        sq_buf_printf(out, "%llu of %llu peers %s still connecting when the run ended",
                      (unsigned long long)c->pending, (unsigned long long)c->started,
                      c->pending == 1 ? "was" : "were");
    }
}

void sq_report_network_note(const struct sq_result *r, struct sq_buf *out)
{
    bool told = r->verdict == SQ_VERDICT_ERROR;
    for (size_t i = 0; i < r->expectation_count; i++) {
        told = told || !r->expectations[i].ok;
    }
    if (told) {
        sq_result_network_note(r, out);
    }
}

void sq_report_steps_note(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_row *example = NULL;
    uint64_t peers = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        example = example || !r->peers[i].unfinished ? example : &r->peers[i];
        peers += r->peers[i].unfinished;
    }
    if (example) {
        sq_buf_printf(out,
                      "%llu of %llu peers left before their steps were done: for example %s, %s",
                      (unsigned long long)peers, (unsigned long long)r->counts.started, example->id,
                      example->message);
    }
}

void sq_report_goodbye_note(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_row *example = NULL;
    uint64_t peers = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        bool told = r->peers[i].left_badly && r->peers[i].outcome != SQ_OUTCOME_FAILED;
        example = example || !told ? example : &r->peers[i];
        peers += r->peers[i].left_badly;
    }
    if (example) {
        sq_buf_printf(
            out, "scripts of %llu of %llu peers failed as they said goodbye: for example %s%s%s",
            (unsigned long long)peers, (unsigned long long)r->counts.started, example->id,
            example->goodbye ? ", " : "", example->goodbye ? example->goodbye : "");
    }
}

/* A stream may have it though nobody asked for it; a clip may be without. */
static void put_sent(const struct sq_asked_row *row, enum sq_asked what, struct sq_buf *out)
{
    static const char *const without[SQ_ASKED_COUNT] = {
        [SQ_ASKED_STEREO] = "is mono",
        [SQ_ASKED_DTX] = "has none",
        [SQ_ASKED_FEC] = "has none",
    };
    if (!without[what]) {
        return;
    }
    if (row->plain == 0) {
        sq_buf_puts(out, " (it was sent all the same)");
    } else if (row->plain == row->refused) {
        sq_buf_printf(out, " (and what was sent %s)", without[what]);
    } else {
        sq_buf_printf(out, " (what %llu of them sent %s; the others sent it all the same)",
                      (unsigned long long)row->plain, without[what]);
    }
}

void sq_report_asked_note(const struct sq_result *r, enum sq_asked what, struct sq_buf *out)
{
    static const char *const instead[SQ_ASKED_COUNT] = {
        [SQ_ASKED_RED] = "no RED among the codecs, so Opus was sent alone",
        [SQ_ASKED_STEREO] = "no stereo=1 from the other side",
        [SQ_ASKED_DTX] = "no usedtx=1 from the other side",
        [SQ_ASKED_FEC] = "no useinbandfec=1 from the other side",
        [SQ_ASKED_SIMULCAST] = "fewer layers than were offered, or one stream alone",
    };
    const struct sq_asked_row *row = &r->asked[what];
    if (row->refused > 0 && !instead[what]) {
        const char *name = sq_asked_name(what);
        sq_buf_printf(out,
                      "%s was asked for and refused to %llu of %llu peers (m=%s with port 0, no "
                      "codec in common, or not the wanted way)",
                      name, (unsigned long long)row->refused, (unsigned long long)row->peers,
                      what == SQ_ASKED_DATA ? "application" : name);
        if (what != SQ_ASKED_DATA) {
            sq_buf_printf(out, "; --no-%s asks for none", name);
        }
    } else if (row->refused > 0) {
        sq_buf_printf(out, "%s was asked for and not agreed with %llu of %llu peers: %s",
                      sq_asked_name(what), (unsigned long long)row->refused,
                      (unsigned long long)row->peers, instead[what]);
        put_sent(row, what, out);
    }
}

void sq_report_data_note(const struct sq_result *r, struct sq_buf *out)
{
    uint64_t sent = 0;
    uint64_t heard = 0;
    uint64_t listeners = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        sent += p->data.messages_out;
        heard += p->data.messages_in;
        listeners += p->connected && !p->sends_only;
    }
    if (sent > 0 && heard == 0 && listeners > 0) {
        sq_buf_printf(out, "no peer heard any of the %llu messages that were sent",
                      (unsigned long long)sent);
    }
}

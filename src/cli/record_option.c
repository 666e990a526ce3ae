#include "cli/record_option.h"

#include "base/place.h"
#include <errno.h>
#include <string.h>

int sq_record_option_check(const struct sq_run_options *o, char *why, size_t why_room)
{
    unsigned formats;
    if (!o->record && (o->record_sent || o->record_format)) {
        snprintf(why, why_room, "--%s: expected --record N with it, the number of peers to record",
                 o->record_sent ? "record-sent" : "record-format");
        return SQ_ERR_INVALID;
    }
    if (o->record_format && sq_record_formats(o->record_format, &formats) != 0) {
        snprintf(why, why_room,
                 "--record-format %s: expected some of webm, ogg, rtpdump, pcap, with commas",
                 o->record_format);
        return SQ_ERR_INVALID;
    }
    return 0;
}

int sq_record_option_start(struct sq_record_option *record, const struct sq_run_options *o,
                           const char *dir, char *why, size_t why_room)
{
    if (!o->record) {
        return 0;
    }
    char failed[SQ_PLACE_PATH_MAX], trial[SQ_PLACE_PATH_MAX];
    int n = snprintf(record->dir, sizeof(record->dir), "%s/" SQ_RECORD_DIR, dir);
    bool fits = n > 0 && (size_t)n < sizeof(record->dir);
    errno = ENAMETOOLONG;
    int err = fits ? sq_place_make_folders(record->dir, failed) : SQ_ERR_IO;
    snprintf(trial, sizeof(trial), "%.4000s/squall", record->dir);
    if (err || sq_place_try(trial) != 0) {
        snprintf(why, why_room, "--record: cannot write to %s: %s", record->dir, strerror(errno));
        return SQ_ERR_IO;
    }
    record->plan = (struct sq_record_plan){
        .peers = o->record,
        .formats = SQ_RECORD_MEDIA,
        .sent = o->record_sent,
        .dir = record->dir,
        .seen = &record->seen,
    };
    if (o->record_format) {
        err = sq_record_formats(o->record_format, &record->plan.formats);
    }
    err = err ? err : sq_filewriter_new(0, &record->writer);
    record->plan.writer = record->writer;
    return err;
}

/* What there is now, of how many files. */
static void tell(const struct sq_filewriter_stats *stats, const char *dir, FILE *out)
{
    unsigned long long files = stats->broken ? stats->whole : stats->files;
    fprintf(out, "Recorded %llu %sfile%s", files, stats->broken ? "whole " : "",
            files == 1 ? "" : "s");
    if (stats->partial > 0) {
        fprintf(out, " and %llu that end%s early", (unsigned long long)stats->partial,
                stats->partial == 1 ? "s" : "");
    }
    fprintf(out, ", %.1f MB, in %s\n", (double)stats->bytes / 1e6, dir);
}

static void explain(const struct sq_filewriter_stats *stats, char *why, size_t why_room)
{
    uint64_t unnamed = stats->broken - 1 - stats->named;
    char more[32] = "";
    if (unnamed > 0) {
        snprintf(more, sizeof(more), "%s%llu more", stats->named ? " and " : "",
                 (unsigned long long)unnamed);
    }
    snprintf(why, why_room, "%llu recording%s incomplete or missing: %s%s%s%s",
             (unsigned long long)stats->broken, stats->broken == 1 ? " is" : "s are",
             stats->problem, stats->broken > 1 ? "; so are " : "", stats->others, more);
}

/* Why there is no file, though none failed. */
static const char *why_none(const struct sq_record_option *record)
{
    unsigned formats = record->plan.formats;
    bool sent = record->plan.sent;
    uint64_t audio = atomic_load(&record->seen.audio_in);
    uint64_t video = atomic_load(&record->seen.video_in);
    if (audio + video == 0 && !sent) {
        return "the recorded peers received nothing; --record-sent writes what they send, too";
    }
    if (audio + video + atomic_load(&record->seen.out) == 0) {
        return "the recorded peers received nothing and sent nothing";
    }
    if (!(formats & SQ_RECORD_MEDIA)) {
        return sent ? "there was no sound, and a picture is not of the format ogg"
                    : "no sound came, and a picture is not of the format ogg";
    }
    return sent ? "there was no sound, and no whole key frame of a picture"
                : "no sound came, and no whole key frame of a picture";
}

int sq_record_option_tell(struct sq_record_option *record, FILE *out, char *why, size_t why_room)
{
    struct sq_filewriter_stats stats;
    if (!record->writer) {
        return 0;
    }
    sq_filewriter_drain(record->writer);
    sq_filewriter_get_stats(record->writer, &stats);
    if (out && stats.files == 0 && stats.broken == 0) {
        fprintf(out, "Recorded 0 files: %s.\n", why_none(record));
    } else if (out) {
        tell(&stats, record->dir, out);
    }
    if (stats.broken > 0) {
        explain(&stats, why, why_room);
        return SQ_ERR_IO;
    }
    return 0;
}

void sq_record_option_free(struct sq_record_option *record)
{
    sq_filewriter_free(record->writer);
    record->writer = NULL;
}

#include "prepare/faults.h"

#include <libavutil/log.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

/* libav has one log for all, whose lines may come from any thread. */
static atomic_uint of_decoders, of_files;

static void on_line(void *ctx, int level, const char *fmt, va_list args)
{
    const AVClass *class = ctx ? *(const AVClass **)ctx : NULL;
    (void)fmt;
    (void)args;
    if (!class || level > AV_LOG_ERROR) {
        return;
    }
    AVClassCategory of = class->get_category ? class->get_category(ctx) : class->category;
    if (of == AV_CLASS_CATEGORY_DECODER) {
        of_decoders++;
    } else if (of == AV_CLASS_CATEGORY_DEMUXER) {
        of_files++;
    }
}

void sq_faults_watch(void)
{
    av_log_set_callback(on_line);
}

unsigned sq_faults_of_decoders(void)
{
    return of_decoders;
}

unsigned sq_faults_of_files(void)
{
    return of_files;
}

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
    enum sq_log_level most;
    sq_log_sink sink;
    void *ctx;
} state = {SQ_LOG_INFO, NULL, NULL};

void sq_log_set(enum sq_log_level most, sq_log_sink sink, void *ctx)
{
    state.most = most;
    state.sink = sink;
    state.ctx = ctx;
}

void sq_log(enum sq_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > state.most) {
        return;
    }
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (state.sink) {
        state.sink(level, line, state.ctx);
    } else {
        fprintf(stderr, "squall: %s: %s\n", names[level], line);
    }
}

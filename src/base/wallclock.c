#include "base/wallclock.h"

#include "base/time.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

/* systemd-timesyncd tells the kernel at each of its updates that the error is 0 at most; what it
 * knows of its server's root distance does not get there. */
#define TIMESYNCD "/run/systemd/timesync/synchronized"

uint64_t sq_clock_error_ns(void)
{
    if (access(TIMESYNCD, F_OK) == 0) {
        return SQ_CLOCK_ERROR_UNKNOWN;
    }
    struct timex state = {0};
    int clock = adjtimex(&state);
    if (clock < 0 || clock == TIME_ERROR || (state.status & STA_UNSYNC) || state.maxerror < 0) {
        return SQ_CLOCK_ERROR_UNKNOWN;
    }
    return (uint64_t)state.maxerror * 1000;
}

uint32_t sq_clock_id(void)
{
    char id[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file) {
        return 0;
    }
    bool read = fgets(id, sizeof(id), file) != NULL;
    fclose(file);
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (const char *c = id; *c && *c != '\n'; c++) {
        hash = (hash ^ (uint8_t)*c) * 16777619U;
    }
    return read ? hash | 1 : 0;
}

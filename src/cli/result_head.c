#include "cli/result_head.h"

#include "base/rand.h"
#include "base/time.h"
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void describe_host(struct sq_host *host)
{
    struct utsname name;
    if (uname(&name) == 0) {
        char kernel[sizeof(name.sysname) + sizeof(name.release) + 2];
        SQ_RESULT_SET(host->name, name.nodename);
        snprintf(kernel, sizeof(kernel), "%s %s", name.sysname, name.release);
        SQ_RESULT_SET(host->kernel, kernel);
    }
    host->cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (cpuinfo && fgets(line, sizeof(line), cpuinfo)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            SQ_RESULT_SET(host->cpu, colon + 2);
            break;
        }
    }
    if (cpuinfo) {
        fclose(cpuinfo);
    }
}

void sq_result_head(struct sq_result *result)
{
    uint32_t random;
    sq_rand_secret(&random, sizeof(random));
    result->started_wall_ns = sq_wall_ns();
    sq_result_make_id(result->started_wall_ns, random, result->run_id);
    SQ_RESULT_SET(result->tool_version, SQ_VERSION);
    SQ_RESULT_SET(result->tool_commit, SQ_COMMIT);
    describe_host(&result->host);
}

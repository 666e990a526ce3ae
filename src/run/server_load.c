#include "run/server_load.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPU_NAME "process_cpu_seconds_total"
#define RSS_NAME "process_resident_memory_bytes"

#define CHILDREN_TOLD 4

static int read_text(const char *root, uint64_t pid, const char *name, char *text, size_t room)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%llu/%s", root, (unsigned long long)pid, name);
    FILE *f = fopen(path, "re");
    if (!f) {
        return SQ_ERR_NOTFOUND;
    }
    size_t n = fread(text, 1, room - 1, f);
    fclose(f);
    text[n] = '\0';
    return n > 0 ? 0 : SQ_ERR_NOTFOUND;
}

/* The number that stands in a place of words, from 0. */
static int nth_number(const char *text, unsigned nth, double *ret_number)
{
    for (unsigned i = 0; i < nth; i++) {
        text += strspn(text, " ");
        text += strcspn(text, " ");
    }
    char *end;
    *ret_number = strtod(text, &end);
    return end == text ? SQ_ERR_NOTFOUND : 0;
}

int sq_server_sample_pid(const char *root, uint64_t pid, struct sq_server_sample *ret_sample)
{
    char text[2048];
    double user, system, pages;
    int err = read_text(root, pid, "stat", text, sizeof(text));
    /* proc(5): the second field is the name, in brackets, with any bytes in it. After it come the
     * state (3), and user and system time in ticks (14 and 15). A zombie (Z) is gone. */
    const char *after = err ? NULL : strrchr(text, ')');
    if (!after || strlen(after) < 3 || after[2] == 'Z') {
        return SQ_ERR_NOTFOUND;
    }
    err = nth_number(after + 1, 11, &user);
    err = err ? err : nth_number(after + 1, 12, &system);
    err = err ? err : read_text(root, pid, "statm", text, sizeof(text));
    err = err ? err : nth_number(text, 1, &pages);
    if (!err) {
        ret_sample->cpu_s = (user + system) / (double)sysconf(_SC_CLK_TCK);
        ret_sample->rss_bytes = pages * (double)sysconf(_SC_PAGESIZE);
    }
    return err;
}

/* ---- Whom it started ---- */

/* proc(5): "PID (COMMAND) STATE PARENT …", with any bytes in the command. */
static int read_names(const char *root, uint64_t pid, char command[static SQ_SERVER_COMMAND_MAX],
                      uint64_t *ret_parent)
{
    char text[2048];
    double parent;
    int err = read_text(root, pid, "stat", text, sizeof(text));
    const char *from = err ? NULL : strchr(text, '(');
    const char *to = from ? strrchr(from, ')') : NULL;
    if (!to || strlen(to) < 3 || to[2] == 'Z' || nth_number(to + 1, 1, &parent) != 0) {
        return SQ_ERR_NOTFOUND;
    }
    snprintf(command, SQ_SERVER_COMMAND_MAX, "%.*s", (int)(to - from - 1), from + 1);
    for (char *c = command; *c; c++) {
        *c = (unsigned char)*c < ' ' || *c == 127 ? '?' : *c;
    }
    *ret_parent = (uint64_t)parent;
    return 0;
}

void sq_server_command(const char *root, uint64_t pid, char text[static SQ_SERVER_COMMAND_MAX])
{
    uint64_t parent;
    if (read_names(root, pid, text, &parent) != 0) {
        text[0] = '\0';
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Those of the least numbers, in order; how many there are is told. */
static size_t find_children(const char *root, uint64_t pid, uint64_t first[static CHILDREN_TOLD])
{
    char command[SQ_SERVER_COMMAND_MAX];
    size_t n = 0;
    DIR *dir = opendir(root);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *end;
        uint64_t child = strtoull(entry->d_name, &end, 10);
        uint64_t parent;
        if (*end || child == 0 || read_names(root, child, command, &parent) != 0 || parent != pid) {
            continue;
        }
        size_t kept = n < CHILDREN_TOLD ? n : CHILDREN_TOLD;
        n++;
        if (kept < CHILDREN_TOLD) {
            first[kept++] = child;
        } else if (child < first[kept - 1]) {
            first[kept - 1] = child;
        }
        qsort(first, kept, sizeof(*first), by_number);
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

bool sq_server_children(const char *root, uint64_t pid, char *text, size_t room)
{
    uint64_t first[CHILDREN_TOLD];
    char command[SQ_SERVER_COMMAND_MAX];
    size_t n = find_children(root, pid, first);
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && i < CHILDREN_TOLD && at < room; i++) {
        sq_server_command(root, first[i], command);
        at += (size_t)snprintf(text + at, room - at, "%s%llu (%s)", at > 0 ? ", " : "",
                               (unsigned long long)first[i], command);
    }
    if (n > CHILDREN_TOLD && at < room) {
        snprintf(text + at, room - at, " and %zu more", n - CHILDREN_TOLD);
    }
    return n > 0;
}

int sq_server_sample_cores(const char *root, const bool *cores, size_t n, double *ret_busy_s)
{
    char path[256];
    char line[512];
    double ticks = 0;
    bool any = false;
    snprintf(path, sizeof(path), "%s/stat", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        char *end;
        unsigned long core = strncmp(line, "cpu", 3) == 0 ? strtoul(line + 3, &end, 10) : n;
        if (core >= n || end == line + 3 || !cores[core]) {
            continue; /* another line, or the one of all cores */
        }
        for (unsigned i = 0; i < 3; i++) {
            double number = 0;
            any = nth_number(end, i, &number) == 0 || any;
            ticks += number;
        }
    }
    if (f) {
        fclose(f);
    }
    if (!any) {
        return SQ_ERR_NOTFOUND;
    }
    *ret_busy_s = ticks / (double)sysconf(_SC_CLK_TCK);
    return 0;
}

/* The value of a line "NAME VALUE" or "NAME{…} VALUE"; label values may hold "}" in quotes. */
static int line_value(const char *line, const char *name, double *ret_value)
{
    size_t len = strlen(name);
    if (strncmp(line, name, len) != 0) {
        return SQ_ERR_NOTFOUND;
    }
    const char *at = line + len;
    if (*at == '{') {
        bool quoted = false;
        for (at++; *at && *at != '\n' && (quoted || *at != '}'); at++) {
            if (*at == '\\' && at[1]) {
                at++;
            } else if (*at == '"') {
                quoted = !quoted;
            }
        }
        if (*at != '}') {
            return SQ_ERR_FORMAT;
        }
        at++;
    }
    if (*at != ' ' && *at != '\t') {
        return SQ_ERR_NOTFOUND; /* a longer name */
    }
    at += strspn(at, " \t");
    char *end;
    *ret_value = strtod(at, &end);
    return end == at ? SQ_ERR_FORMAT : 0;
}

int sq_server_sample_metrics(const char *text, struct sq_server_sample *ret_sample)
{
    struct sq_server_sample sum = {NAN, NAN};
    for (const char *line = text; line && *line;) {
        double value;
        if (line_value(line, CPU_NAME, &value) == 0) {
            sum.cpu_s = (isnan(sum.cpu_s) ? 0 : sum.cpu_s) + value;
        } else if (line_value(line, RSS_NAME, &value) == 0) {
            sum.rss_bytes = (isnan(sum.rss_bytes) ? 0 : sum.rss_bytes) + value;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!isfinite(sum.cpu_s)) {
        return SQ_ERR_FORMAT;
    }
    *ret_sample = sum;
    return 0;
}

void sq_server_load_begin(struct sq_server_load *load)
{
    *load = (struct sq_server_load){.rss_max_bytes = NAN};
}

void sq_server_load_add(struct sq_server_load *load, uint64_t now_ns,
                        const struct sq_server_sample *sample)
{
    if (load->samples++ == 0) {
        load->first = *sample;
        load->first_ns = now_ns;
    }
    load->last = *sample;
    load->last_ns = now_ns;
    load->rss_max_bytes = fmax(load->rss_max_bytes, sample->rss_bytes); /* fmax leaves NAN out */
}

double sq_server_load_percent(const struct sq_server_load *load)
{
    double cpu_s = load->last.cpu_s - load->first.cpu_s;
    if (load->samples < 2 || load->last_ns <= load->first_ns || cpu_s < 0) {
        return NAN;
    }
    return 100 * cpu_s / ((double)(load->last_ns - load->first_ns) / 1e9);
}

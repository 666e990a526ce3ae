#include "cli/data_options.h"

#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MAX_PER_S 100000

static int parse_size(const char *text, size_t *ret_size)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return SQ_ERR_FORMAT;
    }
    unsigned long long n = strtoull(text, &end, 10);
    if (*end == 'k' || *end == 'K') {
        n = n > SQ_DATA_SIZE_MAX ? n : n * 1024;
        end++;
    }
    if (*end != '\0' || n < SQ_DATA_SIZE_MIN || n > SQ_DATA_SIZE_MAX) {
        return SQ_ERR_FORMAT;
    }
    *ret_size = (size_t)n;
    return 0;
}

static int parse_data(const char *text, struct sq_plan_data *d)
{
    char rate[32];
    if (strcmp(text, "open") == 0) {
        d->silent = true;
        d->size_bytes = SQ_DATA_SIZE_MIN;
        return 0;
    }
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (!colon || len == 0 || len >= sizeof(rate)) {
        return SQ_ERR_FORMAT;
    }
    memcpy(rate, text, len);
    rate[len] = '\0';
    if (strcmp(rate, "max") != 0) {
        int err = sq_parse_rate(rate, &d->rate_per_s);
        if (err || d->rate_per_s <= 0 || d->rate_per_s > RATE_MAX_PER_S) {
            return SQ_ERR_FORMAT;
        }
    }
    return parse_size(colon + 1, &d->size_bytes);
}

/* One word of the list, its value behind '='. */
static int parse_word(char *word, struct sq_channel_config *c)
{
    char *value = strchr(word, '=');
    if (value) {
        *value++ = '\0';
    }
    if (strcmp(word, "ordered") == 0 && !value) {
        c->unordered = false;
        return 0;
    }
    if (strcmp(word, "unordered") == 0 && !value) {
        c->unordered = true;
        return 0;
    }
    if (strcmp(word, "retransmits") == 0 && value && value[0] >= '0' && value[0] <= '9') {
        char *end;
        unsigned long n = strtoul(value, &end, 10);
        c->limit_retransmits = true;
        c->max_retransmits = (uint16_t)n;
        return *end == '\0' && n <= UINT16_MAX ? 0 : SQ_ERR_FORMAT;
    }
    if (strcmp(word, "lifetime") == 0 && value) {
        uint64_t ns;
        int err = sq_parse_duration(value, &ns);
        if (err || ns < SQ_NS_PER_MS || ns > UINT16_MAX * SQ_NS_PER_MS) {
            return SQ_ERR_FORMAT;
        }
        c->limit_lifetime = true;
        c->max_lifetime_ms = (uint16_t)(ns / SQ_NS_PER_MS);
        return 0;
    }
    return SQ_ERR_FORMAT;
}

/* Whether two words say which order. */
static bool is_twofold(const char *text)
{
    const char *first = strstr(text, "ordered"); /* within "unordered", too */
    return first && strstr(first + 1, "ordered");
}

static int parse_mode(const char *text, struct sq_channel_config *c)
{
    char copy[96];
    char *at = copy;
    if (strlen(text) >= sizeof(copy) || is_twofold(text)) {
        return SQ_ERR_FORMAT;
    }
    memcpy(copy, text, strlen(text) + 1);
    while (at) {
        char *comma = strchr(at, ',');
        if (comma) {
            *comma++ = '\0';
        }
        int err = parse_word(at, c);
        if (err) {
            return err;
        }
        at = comma;
    }
    return c->limit_retransmits && c->limit_lifetime ? SQ_ERR_FORMAT : 0;
}

int sq_data_options_parse(const char *data, const char *mode, struct sq_plan_data *ret_data,
                          char *why, size_t why_room)
{
    struct sq_plan_data d = {.on = data != NULL, .channel.label = "squall"};
    if (!data && mode) {
        snprintf(why, why_room, "--data-mode says how --data is sent: give --data RATE:SIZE, too");
        return SQ_ERR_INVALID;
    }
    if (data && parse_data(data, &d) != 0) {
        snprintf(why, why_room,
                 "--data %.60s: expected RATE:SIZE, such as 10/s:200 or max:16k (the rate up to "
                 "%d/s, the size from %d to %d bytes), or open for a channel that only steps send "
                 "on",
                 data, RATE_MAX_PER_S, SQ_DATA_SIZE_MIN, SQ_DATA_SIZE_MAX);
        return SQ_ERR_INVALID;
    }
    if (mode && parse_mode(mode, &d.channel) != 0) {
        snprintf(why, why_room,
                 "--data-mode %.60s: expected ordered or unordered, not both, and retransmits=N or "
                 "lifetime=D (1ms to 65s), with commas between them",
                 mode);
        return SQ_ERR_INVALID;
    }
    sq_rand_secret(&d.nonce, sizeof(d.nonce));
    *ret_data = d;
    return 0;
}

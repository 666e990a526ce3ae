/* Target URLs: `lab:`, `janus+ws://host:8188/janus?plugin=echotest`, `whip+https://host/endpoint`,
 * … */
#ifndef SQ_SIGNAL_TARGET_H
#define SQ_SIGNAL_TARGET_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_TARGET_PARAMS_MAX 16
#define SQ_TARGET_URL_MAX    2048

struct sq_target_param {
    const char *name;
    const char *value; /* percent-decoded */
};

/* A parsed target. The texts live in `store`, which the target owns. */
struct sq_target {
    const char *url;    /* as given */
    const char *scheme; /* "janus+ws" */
    const char
        *inner;  /* the URL to call: "ws://host:8188/janus", parameters of Squall's own taken out */
    bool secure; /* wss, https */
    const char *host; /* no brackets */
    uint16_t port;    /* the given or the scheme's own */
    const char *path; /* with its leading "/" and what remains of the query */
    struct sq_target_param params[SQ_TARGET_PARAMS_MAX]; /* those of the query */
    size_t params_len;
    char *store;
};

/* "janus+ws" and the others, by their number; NULL behind the last one. */
const char *sq_target_scheme(size_t i);
/* `why` takes a sentence that names the part and what was expected; of the URL it shows no more
 * than sq_target_shown does. */
int sq_target_parse(const char *url, struct sq_target *ret_target, char *why,
                    size_t why_room) SQ_MUST_USE;
void sq_target_free(struct sq_target *target);
/* The URL for results and screens, without what may be a secret: of a query that is Squall's own
 * only the values known to be none stand in it, of the server's own nothing, and no user name. What
 * is no URL of a target is shown as far as the first '?', '#' or behind an '@'.
 * Owned by the caller (sq_free); NULL: no memory. */
char *sq_target_shown(const char *url) SQ_MUST_USE;
/* A parameter's value or NULL. */
const char *sq_target_param(const struct sq_target *target, const char *name);

#endif

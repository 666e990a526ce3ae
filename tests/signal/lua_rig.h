/* For tests of scripts in Lua: a user with one, a run behind it, and a server of a few lines that
 * it talks to: WebSockets that give everything back, and HTTP. One of each at a time. */
#ifndef TESTS_SIGNAL_LUA_RIG_H
#define TESTS_SIGNAL_LUA_RIG_H

#include "signal/host.h"
#include "signal/lua/script.h"

#define LR_VALUES_MAX 8

/* What the script told its run. */
extern struct lr_run {
    char names[LR_VALUES_MAX][32], texts[LR_VALUES_MAX][64];
    size_t n;
    bool watched;
    uint64_t took_ns, counted;
    char event[32];
} lr_run;

extern struct lr_server {
    struct sq_httpd *httpd;
    uint16_t port;
    struct sq_ws *ws;        /* the latest that came */
    struct sq_endpoint *far; /* answered the first offer, and answers all others */
    char header[64], protocol[64], deleted[64];
    char authorization[64]; /* of the latest request with one */
    unsigned requests;
    int close_code;
    char close_reason[64];
    bool lenient; /* without memory anything may fail */
} lr_server;

extern struct sig_host lr_host;
extern struct sq_lua_script *lr_script;

/* As group setup and teardown. */
int lr_setup(void **state);
int lr_teardown(void **state);

/* A file beside the script, whose name is room.lua. */
void lr_write_file(const char *name, const char *text);
/* Loads the script; must_load fails the test where it is refused. */
int lr_load(const char *text, char why[static 512]);
void lr_must_load(const char *text);
/* Starts the server anew, and the figures of the run. */
void lr_serve(void);
/* A user of that script. */
void lr_prepare(struct sig_host *h);
/* Of the server. */
const char *lr_url_of(const char *scheme);
/* All of it, and the user is opened. */
void lr_begin(const char *text);
void lr_end(void);
/* Runs a script that asserts what it expects. */
void lr_holds(const char *text);

#endif

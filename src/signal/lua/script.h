/* A script in Lua and the files beside it that it requires: read and compiled once before the run,
 * so that what is wrong in them is told there, and nothing is read from disk later. */
#ifndef SQ_SIGNAL_LUA_SCRIPT_H
#define SQ_SIGNAL_LUA_SCRIPT_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_LUA_FILES_MAX   32 /* the script, and what it requires */
#define SQ_LUA_FILE_MAX    (1024 * 1024)
#define SQ_LUA_FIGURES_MAX 32 /* timers; counters; events */
#define SQ_LUA_NAME_MAX    40 /* bytes of a figure's name */

#define SQ_LUA_RESTART_HANDLER "on_restart_ice" /* called to restart ICE */

struct sq_lua_file {
    uint64_t id;  /* no other file of the process has it */
    char *module; /* as it is required; "" for the script itself; owned, as the others */
    char *name;   /* for people: "room.lua" */
    char *text;
    size_t len;
};

struct sq_lua_script {
    char *folder; /* where it lies; owned */
    struct sq_lua_file files[SQ_LUA_FILES_MAX];
    size_t files_len;
    /* Names of metric.start, .stop and .timer; of .count; of .event. Owned. */
    char *timers[SQ_LUA_FIGURES_MAX], *counters[SQ_LUA_FIGURES_MAX], *events[SQ_LUA_FIGURES_MAX];
    size_t timers_len, counters_len, events_len;
    bool restarts_ice; /* it speaks of SQ_LUA_RESTART_HANDLER */
};

/* SQ_ERR_IO, SQ_ERR_FORMAT: `why` takes a sentence that names the file, and the line where it does
 * not compile; SQ_ERR_NOMEM. */
int sq_lua_script_load(const char *path, struct sq_lua_script **ret_script, char *why,
                       size_t why_room) SQ_MUST_USE;
/* NULL is allowed. */
void sq_lua_script_free(struct sq_lua_script *script);
/* The file of a module; NULL: there is none. */
const struct sq_lua_file *sq_lua_script_module(const struct sq_lua_script *script,
                                               const char *module);

#endif

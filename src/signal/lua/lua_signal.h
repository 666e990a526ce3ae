/* The adapter whose protocol is a script: Lua 5.4, a coroutine a user. docs/lua.md */
#ifndef SQ_SIGNAL_LUA_LUA_SIGNAL_H
#define SQ_SIGNAL_LUA_LUA_SIGNAL_H

#include "signal/signal.h"

extern const struct sq_signal_ops sq_signal_lua;

#endif

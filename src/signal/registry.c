/* All adapters, in one table. */
#include "signal/janus/janus.h"
#include "signal/lua/lua_signal.h"
#include "signal/room/room.h"
#include "signal/whip/whip.h"
#include <string.h>

static const struct sq_signal_ops *const adapters[] = {
    &sq_signal_room, &sq_signal_janus, &sq_signal_whip, &sq_signal_whep, &sq_signal_lua, NULL,
};

const struct sq_signal_ops *const *sq_signal_all(void)
{
    return adapters;
}

const struct sq_signal_ops *sq_signal_find(const char *scheme)
{
    for (size_t i = 0; adapters[i]; i++) {
        for (const char *const *s = adapters[i]->schemes; *s; s++) {
            if (strcmp(*s, scheme) == 0) {
                return adapters[i];
            }
        }
    }
    return NULL;
}

#include "signal/signal.h"

const char *sq_cause_name(enum sq_cause cause)
{
    static const char *const names[SQ_CAUSE_COUNT] = {
        [SQ_CAUSE_NONE] = "none",
        [SQ_CAUSE_DNS] = "dns",
        [SQ_CAUSE_CONNECT] = "connect",
        [SQ_CAUSE_TLS] = "tls",
        [SQ_CAUSE_SIGNALING] = "signaling",
        [SQ_CAUSE_AUTH] = "auth",
        [SQ_CAUSE_ICE] = "ice",
        [SQ_CAUSE_DTLS] = "dtls",
        [SQ_CAUSE_NO_MEDIA] = "no-media",
        [SQ_CAUSE_MEDIA_LOST] = "media-lost",
        [SQ_CAUSE_TIMEOUT] = "timeout",
        [SQ_CAUSE_PROTOCOL] = "protocol",
    };
    return cause >= 0 && cause < SQ_CAUSE_COUNT ? names[cause] : "unknown";
}

/* The two halves of a WebSocket: the upgrade (ws_upgrade.c) and the frames (ws.c). */
#ifndef SQ_NET_WS_INT_H
#define SQ_NET_WS_INT_H

#include "base/str.h"
#include "net/ws.h"

#define SQ_WS_KEY_CHARS 24 /* 16 bytes in base64, RFC 6455, section 4.1 */

/* The client's upgrade: what is asked for and what came back. */
struct sq_ws_upgrade {
    char key[SQ_WS_KEY_CHARS + 1];
    char *subprotocol; /* asked for; nullable, owned */
    struct sq_buf request;
    char head[SQ_WS_HEAD_MAX_BYTES + 1]; /* the answer so far, NUL-terminated */
    size_t head_len;
    size_t head_end; /* length with the empty line, 0 before it was seen */
    int status;
    size_t body_expected; /* Content-Length of a refusal, SIZE_MAX if not told */
};

/* Builds the request. SQ_ERR_INVALID: a header with a line break in it. */
int sq_ws_upgrade_new(const struct sq_ws_options *options,
                      struct sq_ws_upgrade **ret_upgrade) SQ_MUST_USE;
void sq_ws_upgrade_free(struct sq_ws_upgrade *upgrade);
/* Takes the answer's bytes. 0: upgraded, and *ret_used bytes of data belong to the answer;
 * SQ_ERR_AGAIN: more is needed; SQ_ERR_REFUSED: a complete refusal stands in upgrade;
 * SQ_ERR_FORMAT: not a correct answer, `text` says what was expected. */
int sq_ws_upgrade_feed(struct sq_ws_upgrade *upgrade, const uint8_t *data, size_t len,
                       size_t *ret_used, char text[static SQ_NET_TEXT_MAX]) SQ_MUST_USE;
/* First bytes of a refusal's body. */
const char *sq_ws_upgrade_body(struct sq_ws_upgrade *upgrade);

#endif

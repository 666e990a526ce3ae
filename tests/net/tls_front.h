/* A TLS server in a thread of its own, with blocking OpenSSL: it takes one connection after another
 * and passes the bytes on to a plain port. */
#ifndef TESTS_NET_TLS_FRONT_H
#define TESTS_NET_TLS_FRONT_H

#include "net/certs.h"
#include <stdint.h>

struct tls_front;

/* Listens on a free port of 127.0.0.1. */
struct tls_front *tls_front_start(const struct test_cert *cert, uint16_t plain_port,
                                  uint16_t *ret_port);
/* Waits for the thread; the connections to it must have ended. */
void tls_front_stop(struct tls_front *front);

#endif

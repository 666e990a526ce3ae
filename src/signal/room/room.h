/* The adapter of the room protocol (docs/room-protocol.md), for room+ws:// and room+wss://. */
#ifndef SQ_SIGNAL_ROOM_H
#define SQ_SIGNAL_ROOM_H

#include "signal/signal.h"

extern const struct sq_signal_ops sq_signal_room;

#endif

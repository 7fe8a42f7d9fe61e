/* SPDX-License-Identifier: MIT */
/*
 * dial.h: one attempt to connect: resolves the name without blocking, tries its addresses in turn.
 */
#ifndef SV2_DIAL_H
#define SV2_DIAL_H

#include <stdint.h>

#include <event2/event.h>

#include "lib/sv2/socket.h"

struct sv2_dial;

/* FD is the receiver's and non-blocking; or it is -1 and ERROR says why. */
typedef void (*sv2_dial_fn)(void *user, int fd, const char *error);

/* FN is called once, from the loop. TIMEOUT_MS is for the name, and for each address. ADDRESS is
 * copied. NULL: no memory. */
struct sv2_dial *sv2_dial_start(struct event_base *base, const struct sv2_address *address,
				uint32_t timeout_ms, sv2_dial_fn fn, void *user);
/* FN will not be called. Not after it was. */
void sv2_dial_cancel(struct sv2_dial *d);

#endif

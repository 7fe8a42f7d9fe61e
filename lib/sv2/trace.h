/* SPDX-License-Identifier: MIT */
/*
 * trace.h: what a connection says, shown to somebody who asked: each message after it was decoded
 * or before it leaves, and the end. A connection that nobody traces pays one test of a flag a
 * message.
 */
#ifndef SV2_TRACE_H
#define SV2_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/sv2/conn.h"

enum sv2_trace_what { SV2_TRACE_IN, SV2_TRACE_OUT, SV2_TRACE_END };

/* One thing that happened; all borrowed. */
struct sv2_traced {
	uint32_t id;              /* of the connection */
	const char *peer;         /* its other end */
	enum sv2_trace_what what; /* in: the peer sent it; out: this side */
	int32_t message;          /* in, out: enum adit_sv2_message */
	const void *body;         /* in, out: its struct */
	const char *reason;       /* end: why */
};

/* Is called in the midst of receiving and sending: it may do nothing to any connection, and not
 * end the trace. */
struct sv2_tracer {
	void (*traced)(void *user, const struct sv2_traced *t);
	void *user;
};

/* Traces connection ID of L, 0: all, those to come included. What was traced before no longer is.
 * TRACER NULL: nothing. Returns how many connections are traced now. */
uint32_t sv2_loop_trace(struct sv2_loop *l, uint32_t id, const struct sv2_tracer *tracer);

/* For conn*.c, when C->traced. */
void sv2_trace_message(struct sv2_conn *c, enum sv2_trace_what what, int32_t message,
		       const void *body);
/* A plain frame that this side encoded is on its way out. */
void sv2_trace_frame(struct sv2_conn *c, const uint8_t *frame, size_t size);
void sv2_trace_end(struct sv2_conn *c);

#endif

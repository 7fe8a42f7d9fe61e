/* SPDX-License-Identifier: MIT */
/*
 * trace.h: the methods trace_start and trace_stop: what connections say, as events "Sv2Trace" and
 * as log lines of level trace. A trace is bounded in messages and in time; there is one at a time.
 */
#ifndef SV2_SERVER_TRACE_H
#define SV2_SERVER_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sv2/trace.h"

struct instance;
struct sv2_client;

struct trace {
	struct sv2_tracer tracer;
	bool on;
	uint32_t connection; /* 0: all */
	uint64_t left;       /* messages */
	uint64_t timer;      /* ends it; 0: none */
};

int32_t trace_register(struct instance *in);
/* A client came while a trace of all may be on. */
void trace_client(struct instance *in, struct sv2_client *client);
/* Ends the trace if there is one. Not from inside of a traced connection. */
void trace_end(struct instance *in, const char *reason);

#endif

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/trace.h"

uint32_t sv2_loop_trace(struct sv2_loop *l, uint32_t id, const struct sv2_tracer *tracer)
{
	uint32_t count = 0;
	struct sv2_conn *c;

	l->tracer = tracer;
	l->trace_all = tracer != NULL && id == 0;
	TAILQ_FOREACH(c, &l->conns, link)
	{
		c->traced = tracer != NULL && c->phase < SV2_ENDING && (id == 0 || c->id == id);
		count += c->traced;
	}
	return count;
}

void sv2_trace_message(struct sv2_conn *c, enum sv2_trace_what what, int32_t message,
		       const void *body)
{
	const struct sv2_tracer *tracer = c->loop->tracer;
	const struct sv2_traced t = {
	    .id = c->id, .peer = c->peer, .what = what, .message = message, .body = body};

	tracer->traced(tracer->user, &t);
}

void sv2_trace_frame(struct sv2_conn *c, const uint8_t *frame, size_t size)
{
	union sv2_body body;
	struct sv2_header h;
	int32_t message;

	sv2_header_read(frame, &h);
	message = sv2_message_find(h.extension, h.type);
	if (sv2_decode(message, frame + SV2_HEADER_SIZE, size - SV2_HEADER_SIZE, &body, NULL) ==
	    ADIT_OK)
		sv2_trace_message(c, SV2_TRACE_OUT, message, &body);
}

void sv2_trace_end(struct sv2_conn *c)
{
	const struct sv2_tracer *tracer = c->loop->tracer;
	const struct sv2_traced t = {.id = c->id,
				     .peer = c->peer,
				     .what = SV2_TRACE_END,
				     .message = -1,
				     .reason = c->reason};

	tracer->traced(tracer->user, &t);
}

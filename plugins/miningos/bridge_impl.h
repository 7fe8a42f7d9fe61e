/* SPDX-License-Identifier: MIT */
/* bridge_impl.h: what the parts of the bridge have in common. */
#ifndef MININGOS_BRIDGE_IMPL_H
#define MININGOS_BRIDGE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"
#include "plugins/miningos/bridge.h"
#include "plugins/miningos/child.h"
#include "plugins/miningos/lines.h"

enum bridge_phase {
	BRIDGE_STOPPED,
	BRIDGE_WAITING,  /* for the next attempt */
	BRIDGE_STARTING, /* the child runs and has not taken its configuration yet */
	BRIDGE_RUNNING,
	BRIDGE_STOPPING /* the child was told to end */
};

/* A call of ours, to the child or through it to an ork. */
struct bridge_call {
	struct bridge_call *next;
	uint32_t id;
	uint64_t deadline_ms; /* monotonic */
	const char *failed;   /* not NULL: it never left, and ends so from the loop */
	bridge_reply_fn fn;
	void *user;
};

struct bridge_rack_state {
	char *id;
	char *type;
	char key[BRIDGE_KEY_TEXT]; /* "" until it is known */
	bool listening;
};

struct bridge {
	const struct adit_host_api *api;
	struct adit_host *host;
	bridge_request_fn on_request;
	bridge_state_fn on_state;
	void *user;

	/* how the child is started */
	char *node_binary;
	char *folder;
	char *state_dir;
	char *transport;
	char *configuration; /* JSON: the params of `configure` */
	uint32_t memory_mib;
	uint32_t retry_ms;

	struct child child;
	enum bridge_phase phase;
	uint32_t generation; /* of the child: part of the numbers of its requests */
	bool broken;         /* it was killed for `trouble`, and is not read any more */
	uint64_t running_ms; /* monotonic, since when */
	uint64_t pinged_ms;  /* or, while it stops, when it was told to */
	uint64_t closed_ms;  /* since when it has to exit by itself; 0: it need not */
	uint32_t failures;   /* in a row */
	void (*stopped)(void *user);
	void *stopped_user;

	/* what is registered at the host; 0: not */
	uint64_t watch_in;
	uint64_t watch_out;
	uint64_t watch_output;
	uint64_t watch_exit;
	uint64_t timer_attempt;
	uint64_t timer_tick;
	uint64_t timer_later;

	/* lines */
	struct lines in;
	uint64_t bytes_in;
	struct buf out;
	size_t out_sent; /* of `out`, from the front */
	struct lines output;
	uint32_t bad_in_row;
	struct bridge_call *calls;
	uint32_t calls_open;
	uint32_t last_id;
	uint32_t requests_open;
	uint64_t log_window_ms; /* when it began */
	uint32_t log_lines;     /* in it */

	/* what is known and shown */
	struct bridge_rack_state racks[BRIDGE_RACKS_MAX];
	size_t rack_count;
	char client_key[BRIDGE_KEY_TEXT];
	char node_path[256];
	char node_version[32];
	bool missing;      /* something that an administrator has to install */
	char trouble[512]; /* why there is no child, "" while all is well */
	char remedy[512];  /* a command, or "" */
	char told[512];    /* the trouble that the log has told */
	char last_exit[64];
	char text[640];
	uint64_t starts;
	uint64_t requests;
	uint64_t calls_made;
	uint64_t bad_lines;
};

void bridge_log(const struct bridge *b, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells the owner. */
void bridge_changed(const struct bridge *b);
/* Why there is no working child, and the command that mends it ("" or NULL: none). */
void bridge_trouble(struct bridge *b, bool missing, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* --- bridge_options.c: copies and checks; the text of `configure` --- */
int32_t bridge_options_copy(struct bridge *b, const struct bridge_options *options,
			    struct error *e);
void bridge_options_free(struct bridge *b);

/* --- bridge_exec.c: the command line of the child --- */
/* Starts it, or says in `trouble` why that can't be. */
bool bridge_exec(struct bridge *b);

/* --- bridge_wire.c: the lines --- */
/* Watches the child's descriptors, from its start to bridge_wire_close(). */
bool bridge_wire_open(struct bridge *b);
void bridge_wire_close(struct bridge *b); /* open calls stay */
/* Takes what the child said and printed before it ended. */
void bridge_wire_drain(struct bridge *b);
/* Sends a line "{"id":ID,HEAD" BODY "}"; HEAD is a literal, BODY may be empty. False: the child
 * does not read, or memory is short. */
bool bridge_send(struct bridge *b, uint32_t id, const char *head, const char *body, size_t size);
/* The child broke the rules: kills it. */
void bridge_break(struct bridge *b, const char *why);

/* --- bridge_calls.c --- */
/* A call to the child itself. MAY_WAIT: it is one for an ork and counts. */
void bridge_ask(struct bridge *b, const char *head, const char *body, size_t size,
		uint32_t deadline_ms, bool may_wait, bridge_reply_fn fn, void *user);
/* An answer arrived. False: to no call that is open. */
bool bridge_calls_answer(struct bridge *b, uint32_t id, const char *error,
			 const struct json_object *result);
void bridge_calls_expire(struct bridge *b, uint64_t now_ms);
/* Ends all of them so. */
void bridge_calls_fail(struct bridge *b, const char *error);
void bridge_calls_free(struct bridge *b);

/* --- bridge_output.c: what the child prints --- */
void bridge_output_read(struct bridge *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * rpc.h: Cap'n Proto remote calls between two parties (rpc.capnp, level 1): bootstrap, calls and
 * answers both ways, calls on promised results, capabilities imported and exported, exceptions,
 * cancellation, embargoes. Does no input or output of its own: bytes go in by capn_rpc_input(),
 * come out by capn_rpc_flush(); socket.h does both for a Unix socket on a libevent loop.
 *
 * Everything happens on one thread, and inside of capn_rpc_input(), capn_rpc_flush() and
 * capn_rpc_close(): a callback is never run inside of a function that asks for something. Callbacks
 * may call everything here, capn_rpc_free() too.
 *
 * The peer is not trusted: each table and queue has a bound, a message that breaks the protocol is
 * answered with Abort and ends the connection, and a kind of message that is not known is sent back
 * as Unimplemented.
 */
#ifndef CAPNP_RPC_H
#define CAPNP_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/capnp/capnp.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

/* Bounds of one connection. */
#define CAPN_CALLS_MAX 1024u               /* unanswered, each way */
#define CAPN_CAPS_MAX 4096u                /* exported, imported, and in one message */
#define CAPN_PATH_MAX 4u                   /* pointer fields from a result to a capability in it */
#define CAPN_QUEUED_MAX ((size_t)16 << 20) /* bytes of calls that wait for an answer of ours */
#define CAPN_MESSAGE_MAX ((size_t)32 << 20)
#define CAPN_OUTPUT_MAX ((size_t)64 << 20)

struct capn_rpc;
struct capn_cap;
struct capn_call;
struct capn_incoming;
struct capn_caps;

/* As rpc.capnp counts them. */
enum capn_exception {
	CAPN_FAILED = 0,
	CAPN_OVERLOADED = 1,
	CAPN_DISCONNECTED = 2,
	CAPN_UNIMPLEMENTED = 3
};
/* "failed", "overloaded", "disconnected", "unimplemented", else "unknown". */
const char *capn_exception_name(enum capn_exception type);

/* --- connections --------------------------------------------------------------------------------
 */

struct capn_rpc_callbacks {
	/* There is something for capn_rpc_flush() to do; called often, should only make a note. */
	void (*ready)(void *user);
	/* The connection has ended, by a fault or an Abort of the peer; REASON is borrowed. Called
	 * once at most, not by capn_rpc_close(). */
	void (*ended)(void *user, const struct error *reason);
};

/* A connection; NULL: out of memory. CALLBACKS is borrowed for its life. */
struct capn_rpc *capn_rpc_new(const struct capn_rpc_callbacks *callbacks, void *user);
/* Takes SIZE bytes from the peer and handles every message that is now complete. */
void capn_rpc_input(struct capn_rpc *rpc, const void *data, size_t size);
/* Runs what waits locally, and gives what is to be sent: the caller sends from the front and drains
 * what has gone. The buffer is the connection's. */
struct buf *capn_rpc_flush(struct capn_rpc *rpc);
/* Ends the conversation: every open call is answered with an exception CAPN_DISCONNECTED and
 * REASON, capabilities of the peer are broken from now on, ours that it held are given back. */
void capn_rpc_close(struct capn_rpc *rpc, const char *reason);
/* Closes, and frees the connection. Capabilities that the program still holds stay valid (broken).
 */
void capn_rpc_free(struct capn_rpc *rpc);

/* --- capabilities -------------------------------------------------------------------------------
 */

/* One more reference; CAP. */
struct capn_cap *capn_cap_ref(struct capn_cap *cap);
/* Drops one; with the last the peer is told that the object is no longer needed. CAP may be NULL.
 */
void capn_cap_unref(struct capn_cap *cap);
/* The peer's bootstrap object, to be used at once: calls go out before the answer has come. One
 * reference for the caller; NULL: closed, out of memory, or too many calls. */
struct capn_cap *capn_bootstrap(struct capn_rpc *rpc);

/* An object of ours. */
struct capn_server {
	/* A call of INTERFACE's METHOD. PARAMS are borrowed for the duration; INCOMING must be
	 * answered once, now or later, by capn_answer_send() or capn_answer_fail(). */
	void (*call)(void *user, struct capn_incoming *incoming, uint64_t interface,
		     uint16_t method, struct capn_ptr params);
	/* The last reference is gone; may be NULL. */
	void (*destroy)(void *user);
};

/* A capability for SERVER (borrowed for its life) with USER. One reference for the caller. NULL:
 * out of memory, USER is not destroyed. */
struct capn_cap *capn_export(struct capn_rpc *rpc, const struct capn_server *server, void *user);
/* What the peer's bootstrap gets; takes a reference of its own. Without one the answer to it is an
 * exception. */
void capn_set_bootstrap(struct capn_rpc *rpc, struct capn_cap *cap);

/* --- calls --------------------------------------------------------------------------------------
 */

/* How a call ended; borrowed for the callback. */
struct capn_return {
	bool ok;
	struct capn_ptr results; /* when ok */
	enum capn_exception type;
	const char *reason;           /* of the exception: printable, bounded; "" when ok */
	const struct capn_caps *caps; /* what capability pointers in it index */
};

typedef void capn_return_fn(void *user, const struct capn_return *result);

/* A call of INTERFACE's METHOD on TARGET, whose parameter struct has DATA_WORDS and POINTERS. NULL:
 * out of memory. */
struct capn_call *capn_call_new(struct capn_cap *target, uint64_t interface, uint16_t method,
				uint16_t data_words, uint16_t pointers);
/* The parameter struct, to be filled before the call is sent. */
struct capn_ref capn_call_params(struct capn_call *call);
/* Pointer INDEX of IN, a struct of the parameters, leads to CAP (borrowed). */
void capn_call_set_cap(struct capn_call *call, struct capn_ref in, uint32_t index,
		       struct capn_cap *cap);
/* The first capability that was set so, borrowed; NULL: none was. */
const struct capn_cap *capn_call_first_cap(const struct capn_call *call);
/* Sends it. DONE is called exactly once unless the call is cancelled; CALL is gone when it returns.
 * On an error (E filled: broken capability, out of memory, too many calls) CALL is gone at once and
 * DONE is not called. */
int32_t capn_call_send(struct capn_call *call, capn_return_fn *done, void *user, struct error *e);
/* A capability that the unanswered CALL, which was sent, promises: pointer PATH[0] of its result,
 * PATH[1] of that ... (N <= CAPN_PATH_MAX). One reference for the caller; NULL: out of memory. */
struct capn_cap *capn_call_promise(struct capn_call *call, const uint16_t *path, uint32_t n);
/* Gives CALL up, sent or not; DONE is not called. The peer is told. */
void capn_call_cancel(struct capn_call *call);
/* The capability that P, a pointer within RESULT, stands for: one reference for the caller; NULL
 * when it is none. */
struct capn_cap *capn_return_cap(const struct capn_return *result, struct capn_ptr p);

/* --- answers to the peer ------------------------------------------------------------------------
 */

/* The capability in the parameters that P stands for, as capn_return_cap(). */
struct capn_cap *capn_incoming_cap(const struct capn_incoming *incoming, struct capn_ptr p);
/* The result struct, made by the first call of this; to be filled before capn_answer_send(). */
struct capn_ref capn_answer_results(struct capn_incoming *incoming, uint16_t data_words,
				    uint16_t pointers);
void capn_answer_set_cap(struct capn_incoming *incoming, struct capn_ref in, uint32_t index,
			 struct capn_cap *cap);
/* Sends the answer; INCOMING is gone. What the peer has cancelled is dropped. */
void capn_answer_send(struct capn_incoming *incoming);
void capn_answer_fail(struct capn_incoming *incoming, enum capn_exception type, const char *reason);

/* --- what status shows --------------------------------------------------------------------------
 */

struct capn_rpc_counts {
	uint32_t questions; /* our calls without an answer */
	uint32_t answers;   /* the peer's calls without a finish */
	uint32_t imports;
	uint32_t exports;
};
struct capn_rpc_counts capn_rpc_count(const struct capn_rpc *rpc);

#endif

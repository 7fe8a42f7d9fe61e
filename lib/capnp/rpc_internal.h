/* SPDX-License-Identifier: MIT */
/*
 * rpc_internal.h: what the files of the RPC share.
 *
 *   rpc.c          the connection: bytes in and out, its end
 *   rpc_message.c  messages of the peer other than calls
 *   rpc_caps.c     capabilities: references, descriptors, promises that resolve
 *   rpc_call.c     calls of ours: over the wire, to an object of our own, or held
 *   rpc_serve.c    calls of the peer, and our answers
 *
 * A call ends up in one of four ways, by what its target is when it is routed:
 *   an import, or a promise of the peer's answer    over the wire
 *   an object of ours                               on the list `work`, run by the next flush
 *   broken                                          the same, with an exception
 *   a promise that holds back                       on its list, until it resolves
 */
#ifndef CAPNP_RPC_INTERNAL_H
#define CAPNP_RPC_INTERNAL_H

#include <sys/queue.h>

#include "lib/capnp/rpc.h"
#include "lib/capnp/rpc_schema.h"
#include "lib/capnp/table.h"

enum cap_kind { CAP_LOCAL, CAP_IMPORT, CAP_PROMISE, CAP_BROKEN };

TAILQ_HEAD(call_list, capn_call);
TAILQ_HEAD(cap_list, capn_cap);
TAILQ_HEAD(incoming_list, capn_incoming);

/* Capabilities that travel with a message, by index; NULL: none there. Each holds a reference. */
struct cap_slot {
	struct capn_cap *cap;
	bool exported; /* went to the peer as an object of ours: one reference of it */
};

struct capn_caps {
	struct cap_slot *items;
	uint32_t count;
};

/* Which capability of a result is meant: pointer field after pointer field. */
struct cap_path {
	uint16_t fields[CAPN_PATH_MAX];
	uint32_t count;
};

struct capn_cap {
	TAILQ_ENTRY(capn_cap) all; /* of the connection */
	struct capn_rpc *rpc;      /* NULL: freed */
	uint32_t refs;
	enum cap_kind kind;

	const struct capn_server *server; /* local */
	void *user;
	bool exported;
	uint32_t id;        /* of the export or import */
	uint32_t peer_refs; /* export: that the peer holds; import: that we hold of the peer's */

	struct capn_call *question;  /* promise of this call's result ... */
	struct capn_incoming *owner; /* ... or of this answer's, when that was not given yet */
	uint32_t question_id;        /* the call's on the wire, also after it was answered */
	TAILQ_ENTRY(capn_cap) promise;
	struct cap_path path;
	bool called; /* calls went to the peer by it */

	bool holding; /* calls wait in `held` */
	struct call_list held;
	struct capn_cap *resolved; /* what the promise has become */

	enum capn_exception type; /* broken */
	char *reason;
};

struct capn_call {
	TAILQ_ENTRY(capn_call) all;  /* on `calls` or `unsent` */
	TAILQ_ENTRY(capn_call) wait; /* on a capability's `held` or the connection's `work` */
	struct call_list *waiting;   /* which; NULL: none */
	struct capn_rpc *rpc;
	struct capn_cap *target; /* NULL: a bootstrap */
	struct capn_builder builder;
	struct capn_ref call;
	struct capn_ref payload;
	struct capn_ref params;
	struct capn_caps caps;
	bool sent;
	bool on_wire;
	bool cancelled; /* finished before it was answered */
	bool returned;  /* the peer has answered: with the result of a call of its own, `local` */
	bool refused;   /* could not go to the peer */
	uint32_t id;    /* on the wire */
	uint64_t interface;
	uint16_t method;
	capn_return_fn *done;
	void *user;
	struct cap_list promises;
	struct capn_incoming *local; /* being served by an object of ours */
};

struct capn_incoming {
	TAILQ_ENTRY(capn_incoming) all;
	TAILQ_ENTRY(capn_incoming) wait; /* on the queue of ... */
	struct capn_incoming *behind;    /* ... this one, on whose result it is a call */
	struct capn_rpc *rpc;            /* NULL: freed */
	uint32_t id;                     /* as the peer counts */
	struct capn_call *question;      /* of ours: a call to an object of ours, or one that the peer
					  * answered with the result of this one */
	bool elsewhere;                  /* the result is not for the peer: it stays here */
	bool registered;                 /* in the table of answers */
	bool serving;                    /* a server has to answer it */
	bool dead;                       /* nobody waits for the answer any more */
	bool answered;
	uint64_t interface;
	uint16_t method;
	struct capn_caps params;
	struct cap_path path; /* which result of the call it waits for is its target */
	struct buf bytes;     /* copied message of a call that waits, later that of the answer */

	struct capn_builder builder; /* the answer */
	struct capn_ref answer;
	struct capn_ref payload;
	struct capn_ref results;
	struct capn_caps caps;
	bool failed;
	enum capn_exception type;
	char *reason;

	struct incoming_list queue; /* calls on a promised result of this one */
	struct cap_list promises;   /* capabilities that stand for such a result */
	struct capn_call *forward;  /* the peer's call on an object of the peer */
};

struct capn_rpc {
	const struct capn_rpc_callbacks *callbacks;
	void *user;
	struct buf in;
	struct buf out;
	const uint8_t *frame; /* of the message being handled */
	size_t frame_size;
	struct capn_table questions; /* struct capn_call */
	struct capn_table answers;   /* struct capn_incoming */
	struct capn_table imports;   /* struct capn_cap */
	struct capn_table exports;   /* struct capn_cap, one reference each */
	struct capn_table embargoes; /* struct capn_cap, one reference each */
	struct call_list calls;      /* sent */
	struct call_list unsent;     /* being made */
	struct call_list work;
	struct cap_list caps;
	struct incoming_list incoming;
	struct capn_cap *bootstrap;
	size_t queued; /* bytes of calls that wait for answers of ours */
	unsigned depth;
	bool overflow; /* the peer takes nothing */
	bool ended;
	bool doomed; /* free it when no callback is running */
};

/* rpc.c */
/* The peer broke the protocol: Abort, and the end. */
void rpc_fault(struct capn_rpc *rpc, const char *reason);
void rpc_ended(struct capn_rpc *rpc, const struct error *reason);
/* Frames B for the peer. */
void rpc_send(struct capn_rpc *rpc, const struct capn_builder *b);
/* A message of kind WHICH with its struct. */
struct capn_ref rpc_new_message(struct capn_builder *b, uint16_t which, uint16_t data_words,
				uint16_t pointers);
void rpc_wake(struct capn_rpc *rpc);

/* rpc_message.c */
void rpc_dispatch(struct capn_rpc *rpc, struct capn_ptr message);
void rpc_send_finish(struct capn_rpc *rpc, uint32_t question, bool keep_caps);
/* Text as printable bytes, for logs. */
void rpc_copy_reason(struct capn_ptr exception, char *out, size_t capacity);

/* rpc_caps.c */
struct capn_cap *cap_new(struct capn_rpc *rpc, enum cap_kind kind);
struct capn_cap *cap_broken(struct capn_rpc *rpc, enum capn_exception type, const char *reason);
void cap_break(struct capn_cap *cap, enum capn_exception type, const char *reason);
/* What CAP stands for now: the end of the chain of resolved promises, or one that holds back. */
struct capn_cap *cap_end(struct capn_cap *cap);
/* The promise CAP has become TARGET (borrowed); holds back where order demands it. */
void cap_resolve(struct capn_cap *cap, struct capn_cap *target);
/* The calls that CAP held back go on. */
void cap_let_go(struct capn_cap *cap);
/* COUNT references of the peer to our export ID are gone. */
void export_release(struct capn_rpc *rpc, uint32_t id, uint32_t count);
/* A capability that the peer describes; one reference. False: the peer broke the protocol. */
bool cap_import(struct capn_rpc *rpc, struct capn_ptr descriptor, struct capn_cap **out);
/* Tells the peer that its object CAP is no longer needed, and forgets its number. */
void import_drop(struct capn_cap *cap);
/* Writes where a call of CAP goes: an import, or a promised answer of the peer. */
void cap_target(struct capn_ref message, uint32_t index, const struct capn_cap *cap);
bool caps_read(struct capn_rpc *rpc, struct capn_ptr payload, struct capn_caps *out);
void caps_write(struct capn_rpc *rpc, struct capn_ref payload, const struct capn_caps *caps);
/* The peer drops what we exported to it in CAPS. */
void caps_unexport(struct capn_rpc *rpc, const struct capn_caps *caps);
/* Appends CAP (borrowed) and returns its index; UINT32_MAX: too many, no memory, foreign. */
uint32_t caps_add(struct capn_rpc *rpc, struct capn_caps *t, struct capn_cap *cap);
void caps_free(struct capn_caps *t);
/* The capability at PATH from CONTENT (borrowed); NULL: none there. */
struct capn_cap *cap_at(struct capn_ptr content, const struct capn_caps *caps,
			const struct cap_path *path);
bool path_read(struct capn_ptr promised_answer, struct cap_path *out);

/* rpc_call.c */
void call_route(struct capn_call *call);
/* CALL has ended: promises resolve, the peer is told, the caller called. */
void call_complete(struct capn_call *call, const struct capn_return *result);
void call_fail(struct capn_call *call, enum capn_exception type, const char *reason);
void call_free(struct capn_call *call);
/* CALL's object, one of ours, has answered; completed by the next flush. */
void call_answered(struct capn_call *call);
/* Runs one call of `work`. */
void call_run(struct capn_call *call);

/* rpc_serve.c */
void serve_call(struct capn_rpc *rpc, struct capn_ptr message);
void serve_bootstrap(struct capn_rpc *rpc, struct capn_ptr message);
void serve_finish(struct capn_rpc *rpc, struct capn_ptr message);
/* The result at PATH of the answered INCOMING (borrowed); NULL: none there. */
struct capn_cap *incoming_result(struct capn_incoming *incoming, const struct cap_path *path);
struct capn_incoming *incoming_new(struct capn_rpc *rpc);
void incoming_free(struct capn_incoming *incoming);
void incoming_deliver(struct capn_incoming *incoming, struct capn_cap *target,
		      struct capn_ptr params);

#endif

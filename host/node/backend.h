/* SPDX-License-Identifier: MIT */
/*
 * backend.h: where the chain comes from. A backend reports facts to the service (service.h:
 * state, tip, templates) and works on what the service asks of it; JSON and events are the
 * service's.
 *
 * Everything runs on the loop's thread. A request is finished exactly once, by service_submitted()
 * or service_block_found() and its kin, also when the backend is stopped.
 */
#ifndef NODE_BACKEND_H
#define NODE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct query;
struct service;
struct service_request;

struct backend {
	const char *name;
	/* Reads configuration and prepares everything but I/O. *SELF is the backend's own. */
	int32_t (*open)(struct service *service, void **self, struct error *e);
	/* Goes to work. May report facts at once. */
	int32_t (*start)(void *self, struct error *e);
	/* Ends all work, finishes open requests with ADIT_E_CANCELLED, frees SELF. */
	void (*close)(void *self);
	/* BLOCK is borrowed for the call and at most SERVICE_MAX_BLOCK bytes; its header is
	 * complete. */
	void (*submit)(void *self, const uint8_t *block, size_t size,
		       struct service_request *request);
	void (*get_block)(void *self, const uint8_t hash[32], struct service_request *request);
	void (*get_block_by_height)(void *self, uint32_t height, struct service_request *request);
	/* NULL where it is not known. WTXIDS, COUNT times 32 bytes, is borrowed for the call.
	 * Finished with service_transactions(). */
	void (*get_transactions)(void *self, const uint8_t *wtxids, size_t count,
				 struct service_request *request);
	/* NULL where it is not known. BLOCK as for `submit`; finished with service_checked(). */
	void (*check_block)(void *self, const uint8_t *block, size_t size,
			    struct service_request *request);
	/* Everything else, see query.h; what the backend can't know is ADIT_E_UNSUPPORTED. */
	void (*query)(void *self, const struct query *query, struct service_request *request);
	/* The following only where the chain is ours; NULL elsewhere. */
	/* Replaces the last DEPTH blocks, at least one, by a branch of its own. */
	void (*reorganise)(void *self, uint32_t depth, struct service_request *request);
	/* Lets COUNT synthetic transactions arrive. */
	void (*add_transactions)(void *self, uint32_t count, struct service_request *request);
};

extern const struct backend backend_embedded;
extern const struct backend backend_rpc;
extern const struct backend backend_ipc;

#endif

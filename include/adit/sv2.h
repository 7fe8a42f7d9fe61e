/* SPDX-License-Identifier: MIT */
/*
 * adit/sv2.h: Stratum V2 connections as a plugin sees them, and the services `sv2.server/1` and
 * `sv2.client/1`, with which a plugin builds any Stratum V2 application without a library of ours.
 * adit-sv2-server(8) describes the role that offers them; examples/lottery-pool is a whole pool.
 *
 * Messages arrive as decoded structs at handlers and are sent as structs; framing, Noise,
 * SetupConnection, time-outs and limits are below. The structs and handler tables stand in
 * adit/sv2_messages.h, which is generated from lib/sv2/messages.def.
 *
 * Structs of messages carry no size: a plugin and the service agree on them by the service's version.
 * A message with another field is therefore for `sv2.server/2` and `sv2.client/2`; the handler
 * tables, which begin with their size, may grow at their end.
 *
 * All of this runs on the process's event loop. Byte order: hashes and targets are the 32 bytes
 * of the wire (least significant byte first).
 */
#ifndef ADIT_SV2_H
#define ADIT_SV2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* U256: 32 bytes, least significant first. */
struct adit_u256 {
	uint8_t b[32];
};

/* A borrowed run of bytes: STR0_255, B0_32, B0_255, B0_64K. */
struct adit_bytes {
	const uint8_t *data;
	uint32_t size;
};

/* A borrowed sequence in wire form: COUNT elements in SIZE bytes. U256 elements are 32 bytes each,
 * U16 and U32 elements 2 and 4 (little-endian), B0_16M elements a 3-byte length (little-endian) and that many
 * bytes; a decoded sequence has been checked to hold exactly COUNT of them. */
struct adit_sv2_seq {
	const uint8_t *data;
	uint32_t size;
	uint32_t count;
};

/* OPTION[U32]; also for a trailing U32 that older peers leave out. */
struct adit_sv2_option_u32 {
	bool present;
	uint32_t value;
};

/* SetupConnection.protocol */
enum adit_sv2_protocol {
	ADIT_SV2_MINING = 0,
	ADIT_SV2_JOB_DECLARATION = 1,
	ADIT_SV2_TEMPLATE_DISTRIBUTION = 2
};

/* SetupConnection.flags of the mining protocol (specification 05 section 5.3.1) */
#define ADIT_SV2_REQUIRES_STANDARD_JOBS 0x1u
#define ADIT_SV2_REQUIRES_WORK_SELECTION 0x2u
#define ADIT_SV2_REQUIRES_VERSION_ROLLING 0x4u
/* SetupConnection.Success.flags of the mining protocol: other meanings for the same bits */
#define ADIT_SV2_REQUIRES_FIXED_VERSION 0x1u
#define ADIT_SV2_REQUIRES_EXTENDED_CHANNELS 0x2u

/* SetupConnection.flags of the job declaration protocol (specification 06 section 6.4.1): the client
 * will reveal transactions. Template distribution has no flags, nor has any other answer. */
#define ADIT_SV2_DECLARE_TX_DATA 0x1u

/* Extensions, in masks of which bit n stands for the extension with id n (specification 03 section
 * 3.4). Extension 0x0001, their negotiation, is always there and in no mask. */
#define ADIT_SV2_EXTENSION(id) (1u << (id))
/* Extension 0x0002, worker-specific hashrate tracking: SubmitSharesExtended.user_identity */
#define ADIT_SV2_WORKER_HASHRATE ADIT_SV2_EXTENSION(0x0002)

/* Header bits that a miner may change freely (BIP323). */
#define ADIT_SV2_VERSION_ROLLING_MASK 0x1fffffe0u

struct adit_sv2_conn;
struct adit_sv2_setup_connection;
struct adit_sv2_setup_connection_success;

/* What can be done with a connection; reached through the inline functions below. */
struct adit_sv2_conn_api {
	uint32_t size;
	uint32_t version; /* 1 */
	int32_t (*send)(struct adit_sv2_conn *conn, int32_t message, const void *body);
	int32_t (*encode)(int32_t message, const void *body, uint8_t *out, size_t capacity,
	                  size_t *size);
	int32_t (*send_frame)(struct adit_sv2_conn *conn, const uint8_t *frame, size_t size);
	void (*close)(struct adit_sv2_conn *conn, const char *reason);
	void (*set_user)(struct adit_sv2_conn *conn, void *user);
	void *(*user)(const struct adit_sv2_conn *conn);
	uint32_t (*id)(const struct adit_sv2_conn *conn);
	uint32_t (*flags)(const struct adit_sv2_conn *conn);
	const char *(*peer)(const struct adit_sv2_conn *conn);
	size_t (*pending)(const struct adit_sv2_conn *conn);
	uint32_t (*extensions)(const struct adit_sv2_conn *conn);
	void (*flush)(struct adit_sv2_conn *conn); /* since 1.5 */
};

/* The visible head of a connection; the rest is private to whoever made it. */
struct adit_sv2_conn {
	const struct adit_sv2_conn_api *api;
};

/* Encodes, seals and queues message number MESSAGE (enum adit_sv2_message) with struct BODY. It
 * leaves with everything else of this wake-up in one write; a found block, SubmitSolution or
 * PushSolution, at once, with what was queued before it. ADIT_E_INVALID_ARGUMENT when BODY does
 * not fit the message; ADIT_E_LIMIT when the peer reads so slowly that the queue bound is reached
 * (the connection is then closing); ADIT_E_UNAVAILABLE on a closing connection. Handlers of the
 * connection, `closed` included, are never called from inside. */
static inline int32_t adit_sv2_send(struct adit_sv2_conn *conn, int32_t message, const void *body)
{
	return conn->api->send(conn, message, body);
}

/* Writes the plain frame (6-byte header and payload) to OUT and its size to *SIZE; with OUT NULL
 * only the size. For broadcasts: encode once, adit_sv2_send_frame() to each connection. */
static inline int32_t adit_sv2_encode(struct adit_sv2_conn *conn, int32_t message, const void *body,
                                      uint8_t *out, size_t capacity, size_t *size)
{
	return conn->api->encode(message, body, out, capacity, size);
}

/* Seals and queues a frame made by adit_sv2_encode(). Errors as adit_sv2_send(). */
static inline int32_t adit_sv2_send_frame(struct adit_sv2_conn *conn, const uint8_t *frame,
                                          size_t size)
{
	return conn->api->send_frame(conn, frame, size);
}

/* Writes what is queued now, as far as the socket takes it, instead of at the end of this wake-up.
 * For the last message of a broadcast to this connection: the first of many peers need not wait
 * until there is something for the last. Handlers are never called from inside. Does nothing where
 * the service is older. */
static inline void adit_sv2_flush(struct adit_sv2_conn *conn)
{
	const struct adit_sv2_conn_api *api = conn->api;

	if (api->size >= offsetof(struct adit_sv2_conn_api, flush) + sizeof(api->flush))
		api->flush(conn);
}

/* Closes after what is queued has been written (bounded in time). `closed` is called later, from
 * the loop, with REASON. */
static inline void adit_sv2_close(struct adit_sv2_conn *conn, const char *reason)
{
	conn->api->close(conn, reason);
}

/* A pointer of the application's own, NULL at first. */
static inline void adit_sv2_set_user(struct adit_sv2_conn *conn, void *user)
{
	conn->api->set_user(conn, user);
}
static inline void *adit_sv2_user(const struct adit_sv2_conn *conn)
{
	return conn->api->user(conn);
}

/* Number of the connection, unique in the process's life; flags of its SetupConnection; the
 * peer's address as text (borrowed). */
static inline uint32_t adit_sv2_conn_id(const struct adit_sv2_conn *conn)
{
	return conn->api->id(conn);
}
static inline uint32_t adit_sv2_conn_flags(const struct adit_sv2_conn *conn)
{
	return conn->api->flags(conn);
}
static inline const char *adit_sv2_peer(const struct adit_sv2_conn *conn)
{
	return conn->api->peer(conn);
}

/* Bytes that are queued and not yet written. */
static inline size_t adit_sv2_pending(const struct adit_sv2_conn *conn)
{
	return conn->api->pending(conn);
}

/* Extensions that were negotiated: a mask. A client knows them when `opened` is called; at a server
 * they appear when the client asks for them. TLVs of others are neither sent nor shown. */
static inline uint32_t adit_sv2_extensions(const struct adit_sv2_conn *conn)
{
	return conn->api->extensions(conn);
}

/* The answer of a `setup` callback. */
struct adit_sv2_setup_result {
	uint32_t flags;         /* for SetupConnection.Success: this server's requirements */
	uint32_t error_flags;   /* for SetupConnection.Error: unsupported flags of the request */
	const char *error_code; /* NULL: accepted; else refused with this code (borrowed, static) */
};

/*
 * Callbacks that every server-side table begins with, after `size`:
 *   supported_flags  bits of SetupConnection.flags that are understood; a request with any other
 *                    bit is refused with "unsupported-feature-flags" and those bits.
 *   supported_extensions  mask of the extensions that a client may ask for.
 *   required_extensions   mask of those that it must ask for, before any other message: it is told
 *                    which, may ask once more and is disconnected if they are still missing.
 *                    Counted as supported.
 *   setup            may be NULL (accept). Called for a request with known flags and version.
 *   opened           may be NULL. SetupConnection.Success is queued; messages may be sent.
 *   closed           may be NULL. Last call for the connection. Follows every `opened`.
 *   batch_end        may be NULL. All messages of one socket read have been handled: the place to
 *                    acknowledge shares.
 * A message handler that returns an error (ADIT_E_*) closes this connection, nothing else. A
 * message without a handler closes it too, as a message in the wrong direction does; an unknown
 * extension's message is skipped.
 */
#define ADIT_SV2_SERVER_CALLBACKS \
	uint32_t supported_flags; \
	uint32_t supported_extensions; \
	uint32_t required_extensions; \
	void (*setup)(void *context, struct adit_sv2_conn *conn, \
	              const struct adit_sv2_setup_connection *request, \
	              struct adit_sv2_setup_result *result); \
	void (*opened)(void *context, struct adit_sv2_conn *conn); \
	void (*closed)(void *context, struct adit_sv2_conn *conn, const char *reason); \
	void (*batch_end)(void *context, struct adit_sv2_conn *conn);

/*
 * Callbacks that every client-side table begins with, after `size`:
 *   wanted_extensions    mask of the extensions to ask for; 0 and none required: nothing is asked.
 *   required_extensions  mask of those without which the connection is of no use: `closed` is called
 *              when the server does not grant them.
 *   opened     SetupConnection.Success has arrived, and the answer about extensions.
 *   closed     the connection ended (REASON), or an attempt failed before `opened`
 *              (then CONN is NULL). The client connects again by itself, with back-off.
 *   batch_end  as above.
 */
#define ADIT_SV2_CLIENT_CALLBACKS \
	uint32_t wanted_extensions; \
	uint32_t required_extensions; \
	void (*opened)(void *context, struct adit_sv2_conn *conn, \
	               const struct adit_sv2_setup_connection_success *success); \
	void (*closed)(void *context, struct adit_sv2_conn *conn, const char *reason); \
	void (*batch_end)(void *context, struct adit_sv2_conn *conn);

#include <adit/sv2_messages.h>

/*
 * Service "sv2.server/1", offered by the plugin sv2-server: its listeners hand connections of a
 * protocol to the plugin that serves it. A protocol that nobody serves is refused in
 * SetupConnection with "unsupported-protocol".
 */
#define ADIT_SV2_SERVER_SERVICE "sv2.server/1"

struct adit_sv2_server_service {
	uint32_t size;
	uint32_t version; /* 1 */
	void *server;     /* first argument of the functions below */

	/* Serves PROTOCOL (enum adit_sv2_protocol) with HANDLERS, the server's table of that protocol,
	 * kept by reference until withdrawn; handlers get CONTEXT. At first closed: nobody is accepted
	 * until set_open(.., true). To be called from `start` on. ADIT_E_EXISTS when another plugin
	 * serves it already; ADIT_E_UNSUPPORTED when the server does not know the protocol;
	 * ADIT_E_INVALID_ARGUMENT when HANDLERS is NULL or its `size` is not set.
	 * adit_sv2_serve_mining() and its like below check the table's type. */
	int32_t (*serve)(void *server, uint8_t protocol, const void *handlers, void *context);
	/* Ends what serve() began: connections are sent Reconnect, unless the handlers have done so
	 * before, and closed; `closed` is called for each before this returns. Does nothing when PROTOCOL is not served. */
	void (*withdraw)(void *server, uint8_t protocol);
	/* While PROTOCOL is not open no new connection is accepted for it. When no protocol is open,
	 * those who connect wait in the listener's queue; else they are refused with
	 * "service-unavailable". */
	void (*set_open)(void *server, uint8_t protocol, bool open);
};

static inline int32_t adit_sv2_serve_mining(const struct adit_sv2_server_service *s,
                                            const struct adit_sv2_mining_server_handlers *h,
                                            void *context)
{
	return s->serve(s->server, ADIT_SV2_MINING, h, context);
}
static inline int32_t
adit_sv2_serve_job_declaration(const struct adit_sv2_server_service *s,
                               const struct adit_sv2_job_declaration_server_handlers *h,
                               void *context)
{
	return s->serve(s->server, ADIT_SV2_JOB_DECLARATION, h, context);
}
static inline int32_t adit_sv2_serve_template(const struct adit_sv2_server_service *s,
                                              const struct adit_sv2_template_server_handlers *h,
                                              void *context)
{
	return s->serve(s->server, ADIT_SV2_TEMPLATE_DISTRIBUTION, h, context);
}

/*
 * Service "sv2.client/1", offered by the plugin sv2-server, also by an instance without listeners
 * (`listen =`). A client dials, does Noise and SetupConnection, calls its handlers, and connects
 * again with back-off until it is freed. Names are resolved without blocking. A protocol has its own
 * client: who needs two creates two.
 *
 * Reconnect from the server is followed (same authority key, same encryption; back to the configured
 * address when the new place can't be reached) unless the table has a handler `reconnect`, which then
 * decides: closing the connection makes the client dial the configured address again.
 * ChannelEndpointChanged goes to the handler of that name, or is ignored.
 *
 * Siblings. A plugin that has a server and a client (a pool: miners below, a template provider above)
 * gives both tables the same CONTEXT. All runs on one thread, so the handler of one side acts on the
 * other at once: it sends on the other side's connections (a message that arrives from the provider
 * goes out to every miner from inside the handler; a share that is a block is sent to conn()), and it
 * calls the other table's handlers as the plain functions they are, with a message struct of its own
 * making. A send never calls a handler, so neither side is entered twice.
 */
#define ADIT_SV2_CLIENT_SERVICE "sv2.client/1"

struct adit_sv2_client;

/* What is 0 or NULL takes the default. Everything is copied. */
struct adit_sv2_client_options {
	uint32_t size;
	uint32_t flags; /* SetupConnection.flags */
	/* "HOST:PORT", "[V6]:PORT" or "unix:PATH"; "HOST:PORT KEY" as a configuration key of type
	 * `connect` has it names the authority key too. */
	const char *address;
	/* The server's authority public key as text. NULL and no KEY in `address`: anybody could be at
	 * the other end, which is warned of each time a client is created so. */
	const char *authority;
	bool plain; /* without Noise; a unix: address always is */
	const char *vendor; /* of SetupConnection; "adit" */
	const char *hardware_version;
	const char *firmware;
	const char *device_id;
	uint32_t connect_timeout_ms;   /* 5000; for the name, and for each of its addresses */
	uint32_t handshake_timeout_ms; /* 10000; until SetupConnection.Success */
	uint32_t idle_timeout_ms;      /* nothing received; default: no limit */
	uint32_t write_timeout_ms;     /* 30000; neither all that is queued nor 64 KiB taken */
	uint32_t max_pending;          /* 4194304 bytes queued; one message alone may pass it */
	uint32_t retry_min_ms;         /* 1000; back-off between attempts doubles from here */
	uint32_t retry_max_ms;         /* 30000; to here */
	/* Gets the client's log lines (LEVEL: enum adit_log_level) with the CONTEXT of the handlers;
	 * NULL: they are logged by sv2-server. */
	void (*log)(void *context, int32_t level, const char *text);
};

struct adit_sv2_client_service {
	uint32_t size;
	uint32_t version; /* 1 */
	void *service;    /* first argument of the functions below */

	/* Creates a client of PROTOCOL with HANDLERS, the client's table of that protocol, kept by
	 * reference until the client is freed. To be called from `start` on; the first attempt is made
	 * from the loop. On failure *CLIENT is NULL and WHY (WHY_SIZE bytes, may be NULL) gets a text:
	 * ADIT_E_CONFIG or ADIT_E_INVALID_ARGUMENT when address or key can't be used, the latter also
	 * when HANDLERS is NULL or its `size` is not set,
	 * ADIT_E_UNSUPPORTED when the protocol is not known. */
	int32_t (*create)(void *service, const struct adit_sv2_client_options *options,
	                  uint8_t protocol, const void *handlers, void *context,
	                  struct adit_sv2_client **client, char *why, size_t why_size);
	/* Closes and frees; `closed` is called before this returns if a connection was open. May be
	 * called from a handler. At the latest in the plugin's `stop`. NULL does nothing. */
	void (*free)(void *service, struct adit_sv2_client *client);
	/* The connection while it is set up, else NULL. */
	struct adit_sv2_conn *(*conn)(void *service, struct adit_sv2_client *client);
};

static inline int32_t adit_sv2_client_mining(const struct adit_sv2_client_service *s,
                                             const struct adit_sv2_client_options *options,
                                             const struct adit_sv2_mining_client_handlers *h,
                                             void *context, struct adit_sv2_client **client,
                                             char *why, size_t why_size)
{
	return s->create(s->service, options, ADIT_SV2_MINING, h, context, client, why, why_size);
}
static inline int32_t
adit_sv2_client_job_declaration(const struct adit_sv2_client_service *s,
                                const struct adit_sv2_client_options *options,
                                const struct adit_sv2_job_declaration_client_handlers *h,
                                void *context, struct adit_sv2_client **client, char *why,
                                size_t why_size)
{
	return s->create(s->service, options, ADIT_SV2_JOB_DECLARATION, h, context, client, why,
	                 why_size);
}
static inline int32_t adit_sv2_client_template(const struct adit_sv2_client_service *s,
                                               const struct adit_sv2_client_options *options,
                                               const struct adit_sv2_template_client_handlers *h,
                                               void *context, struct adit_sv2_client **client,
                                               char *why, size_t why_size)
{
	return s->create(s->service, options, ADIT_SV2_TEMPLATE_DISTRIBUTION, h, context, client, why,
	                 why_size);
}

#ifdef __cplusplus
}
#endif
#endif

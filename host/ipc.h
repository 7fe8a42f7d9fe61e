/* SPDX-License-Identifier: MIT */
/*
 * ipc.h: the envelope between the host and a role process, and the channel that carries it.
 *
 * Each process has one end of a socketpair(AF_UNIX, SOCK_STREAM). A frame is a header of IPC_HEADER
 * bytes (little-endian), then name, text, JSON and attachment, of the sizes that the header tells:
 *
 *    0 u32 magic 0x31495041 ("API1")      24 u64 extra
 *    4 u8  kind (enum ipc_kind)           32 i32 status
 *    5 u8  version 1                      36 u16 name size    at most IPC_NAME_MAX
 *    6 u16 flags                          38 u16 text size    at most IPC_TEXT_MAX
 *    8 u32 source endpoint                40 u32 JSON size    at most IPC_JSON_MAX
 *   12 u32 target endpoint                44 u32 attachment   at most IPC_ATTACHMENT_MAX
 *   16 u64 correlation or sequence
 *
 * The host routes by header and name, and does not look into JSON and attachment. An endpoint is
 * one role instance in one worker; 0 is the host.
 */
#ifndef HOST_IPC_H
#define HOST_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define IPC_MAGIC 0x31495041u
#define IPC_VERSION 1
#define IPC_HEADER 48
#define IPC_NAME_MAX 127
#define IPC_TEXT_MAX 1023
/* A full block's template is some 210 bytes of JSON a transaction: at most 4 MiB. */
#define IPC_JSON_MAX ((uint32_t)8 << 20)
#define IPC_ATTACHMENT_MAX ((uint32_t)32 << 20)

/* The comment says what the fields carry. */
enum ipc_kind {
	/* host to role process */
	IPC_START = 1, /* json: see start.h */
	IPC_STOP,
	IPC_PING,
	IPC_WANTED, /* name: event type ("*": every type), status: 1 wanted, 0 no longer */
	IPC_LEVEL,  /* status: adit_log_level of what is logged from now on */
	IPC_RELOAD, /* target, json: its settings, see start.h */
	IPC_EVENT,  /* target, name: type, text: source, correlation: sequence, extra: lost */
	IPC_CALL,   /* both ways, see below */
	IPC_REPLY,  /* both ways: correlation, status, text: message, json, attachment */
	/* role process to host */
	IPC_STARTED, /* all instances run */
	IPC_FAILED,  /* source, status, text: an instance could not be loaded or started */
	IPC_PONG,
	IPC_RELOADED,  /* source, status: ADIT_OK, ADIT_E_CONFIG: refused, or a restart is asked for
			*/
	IPC_LOG,       /* source, status: level, json: the text */
	IPC_PUBLISH,   /* source, name: type, json, attachment */
	IPC_SUBSCRIBE, /* source, name: type */
	IPC_UNSUBSCRIBE,
	IPC_METHOD, /* source, name: method, status: adit_method_mode */
	IPC_CANCEL, /* correlation: of a call */
	IPC_STATUS, /* source, text: the state line */
	IPC_FAIL,   /* source, text: an instance can't go on */
	IPC_SHARES, /* source, target: a ring of the share log, correlation: sequence it has read,
		     * extra: records lost */
	IPC_KIND_COUNT
};
/*
 * IPC_CALL to the host: source, name: method, text: target role or worker, correlation: the
 * caller's, extra: deadline in ms, json, attachment. IPC_CALL to a role: target, name: method,
 * text: caller, correlation: the host's, extra: ms left, json, attachment.
 */

/* A frame. NAME and TEXT end in a NUL when received; JSON and ATTACHMENT are borrowed. */
struct ipc_frame {
	uint8_t kind;
	uint16_t flags;
	uint32_t source;
	uint32_t target;
	uint64_t correlation;
	uint64_t extra;
	int32_t status;
	const char *name; /* NULL: "" */
	const char *text; /* NULL: "" */
	const void *json;
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

/* Storage for the strings of a decoded frame. */
struct ipc_strings {
	char name[IPC_NAME_MAX + 1];
	char text[IPC_TEXT_MAX + 1];
};

/* Writes FRAME's header; what is longer than allowed: ADIT_E_LIMIT. TEXT is cut to IPC_TEXT_MAX. */
int32_t ipc_encode_header(const struct ipc_frame *frame, uint8_t header[IPC_HEADER]);

/* Size of the whole frame whose header is HEADER; ADIT_E_PROTOCOL when it breaks a rule. */
int32_t ipc_frame_size(const uint8_t header[IPC_HEADER], size_t *size);

/* Decodes the SIZE bytes of one whole frame. ADIT_E_PROTOCOL when it breaks a rule. */
int32_t ipc_decode(const uint8_t *data, size_t size, struct ipc_frame *frame,
		   struct ipc_strings *strings);

struct event_base;
struct ipc_channel;

/* FRAME is valid during the call. The channel may be freed inside. */
typedef void (*ipc_frame_fn)(void *user, const struct ipc_frame *frame);
/* The peer closed (REASON "") or broke a rule; no further call. */
typedef void (*ipc_closed_fn)(void *user, const char *reason);

/* A channel on socket FD, which becomes the channel's (non-blocking). */
struct ipc_channel *ipc_channel_new(struct event_base *base, int fd, ipc_frame_fn on_frame,
				    ipc_closed_fn on_closed, void *user);
void ipc_channel_free(struct ipc_channel *c);

/* Queues a frame; everything queued in one wake-up leaves together. ADIT_E_LIMIT when it breaks a
 * size limit or the queue holds more than IPC_QUEUE_MAX, ADIT_E_UNAVAILABLE after the channel
 * closed. */
int32_t ipc_send(struct ipc_channel *c, const struct ipc_frame *frame);
#define IPC_QUEUE_MAX ((size_t)128 << 20)

/* Reads and hands over what the peer, which has exited, has left behind. */
void ipc_drain(struct ipc_channel *c);

/* Bytes queued and not yet written. */
size_t ipc_pending(const struct ipc_channel *c);

/* Writes what is queued, waiting at most TIMEOUT_MS: for a process that is about to exit. */
void ipc_flush(struct ipc_channel *c, int timeout_ms);

#endif

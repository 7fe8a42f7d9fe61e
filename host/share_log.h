/* SPDX-License-Identifier: MIT */
/*
 * share_log.h: the rings of share records (adit/share_log.h) as the host keeps them: a memory file
 * for each worker of a role that writes shares, made before its first start and kept until aditd
 * ends, so that a ring survives its writer and every reader. The host looks at nothing but
 * `written`.
 *
 * The writer inherits a descriptor, as with listening sockets. A process that reads shares has a
 * second socket, over which it gets a read-only descriptor of every ring, of later ones, too.
 */
#ifndef HOST_SHARE_LOG_H
#define HOST_SHARE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"
#include "lib/util/error.h"

#define SHARE_LOG_RINGS_MAX 1024
#define SHARE_LOG_NAME_MAX 79

struct host;
struct process;

struct share_file {
	char *producer; /* worker, "pool.1" */
	uint64_t id;    /* random */
	int writer;     /* read and write */
	int reader;     /* read only */
	uint64_t capacity;
	const void *header; /* mapped, read only */
	bool busy;          /* a process may write it */
};

/* A file's index is its number for readers: files are appended, and stay. */
struct share_log {
	struct share_file *files;
	size_t count;
};

/* What goes with a descriptor to a process that reads. */
struct share_log_message {
	uint64_t id;
	char producer[SHARE_LOG_NAME_MAX + 1];
};

/* How far an endpoint has read a ring, as it said. */
struct share_log_reader {
	uint64_t read;
	uint64_t lost;
	bool known;
};

/* A file of PRODUCER that no process writes, which is busy from now on; made with CAPACITY records
 * (rounded up, see share_ring.h) when there is none. Its memory is there then: a write can't fail
 * for want of it. A ring has one writer: while a worker is replaced by another process, that one
 * has another ring, and after that the first is free for the next. */
int32_t share_log_open(struct share_log *log, const char *producer, uint64_t capacity,
		       size_t *index, struct error *e);
/* The process that wrote file INDEX has exited. */
void share_log_release(struct share_log *log, size_t index);
void share_log_free(struct share_log *log);

/* A socket for descriptors: *HOST_END (non-blocking) and *ROLE_END, both close-on-exec. */
int32_t share_log_socket(int *host_end, int *role_end, struct error *e);
/* Sends the files from *SENT on, and counts them; what the socket does not take now is for the next
 * call. */
void share_log_send(const struct share_log *log, int socket, size_t *sent);
/* In the role process: the next file that SOCKET brings. False: there is none at present. */
bool share_log_receive(int socket, struct share_log_message *message, int *fd);

/* Appends the member "share_log" of the status to OUT: rings, and how far each reader is. */
void share_log_status(const struct host *host, struct buf *out);

#endif

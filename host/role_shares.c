/* SPDX-License-Identifier: MIT */
/* role_shares.c: the share log in a role process: the own ring for writing, all rings for reading.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "host/rights.h"
#include "host/role.h"
#include "host/share_log.h"
#include "host/share_ring.h"

#define REPORT_S 1 /* how often the host is told how far the readers are */

struct adit_share_writer {
	struct share_ring ring;
	size_t bytes;
};

struct role_ring {
	char *producer;
	uint64_t id;
	struct share_ring ring; /* memory NULL: it could not be mapped */
	size_t bytes;
};

struct role_cursor {
	struct share_cursor cursor;
	struct share_cursor reported;
};

struct role_shares {
	int socket;
	struct event *readable;
	struct event *report;
	struct role_ring *rings;
	size_t count;
};

/* Maps the file FD; NULL when it is no ring or there is no memory. */
static void *shares_map(int fd, int protection, struct share_ring *ring, size_t *bytes)
{
	struct stat st;
	void *memory;

	if (fd <= 0 || fstat(fd, &st) != 0 || !share_ring_map(ring, NULL, (size_t)st.st_size))
		return NULL;
	*bytes = (size_t)st.st_size;
	memory = mmap(NULL, *bytes, protection, MAP_SHARED, fd, 0);
	ring->memory = memory != MAP_FAILED ? memory : NULL;
	return ring->memory;
}

/* --- writing ------------------------------------------------------------------------------------
 */

int32_t role_share_log_writer(struct adit_host *host, struct adit_share_writer **writer)
{
	struct adit_share_writer *w = host->share_writer;
	int32_t error = role_may(host, CAPABILITY_WRITE_SHARE_LOG, "share_log_writer");

	if (error != ADIT_OK)
		return error;
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL || shares_map(host->start->share_ring, PROT_READ | PROT_WRITE,
					    &w->ring, &w->bytes) == NULL) {
			free(w);
			return ADIT_E_NO_MEMORY;
		}
		share_ring_resume(&w->ring);
		host->share_writer = w;
	}
	*writer = w;
	return ADIT_OK;
}

void role_share_log_append(struct adit_share_writer *writer, const struct adit_share *share)
{
	share_ring_append(&writer->ring, share);
}

/* --- the rings ----------------------------------------------------------------------------------
 */

static void shares_add(struct role_shares *s, const struct share_log_message *message, int fd)
{
	struct role_ring *rings = realloc(s->rings, (s->count + 1) * sizeof(*rings));
	struct role_ring *ring;

	if (rings != NULL) {
		s->rings = rings;
		ring = &rings[s->count++];
		*ring =
		    (struct role_ring){.producer = strdup(message->producer), .id = message->id};
		(void)shares_map(fd, PROT_READ, &ring->ring, &ring->bytes);
	}
	if (fd >= 0)
		(void)close(fd);
}

static void shares_on_readable(evutil_socket_t fd, short what, void *user)
{
	struct role_shares *s = user;
	struct share_log_message message;
	int ring;

	(void)what;
	while (share_log_receive(fd, &message, &ring))
		shares_add(s, &message, ring);
}

/* Tells the host of the cursors that moved. */
static void shares_report(struct adit_host *host)
{
	for (size_t i = 0; i < host->share_cursor_count; i++) {
		struct role_cursor *c = &host->share_cursors[i];
		const struct ipc_frame frame = {
		    .kind = IPC_SHARES,
		    .source = host->start->id,
		    .target = (uint32_t)i,
		    .correlation = c->cursor.read,
		    .extra = c->cursor.lost,
		};

		if (memcmp(&c->cursor, &c->reported, sizeof(c->cursor)) == 0 ||
		    ipc_send(host->role->channel, &frame) != ADIT_OK)
			continue;
		c->reported = c->cursor;
	}
}

static void shares_on_report(evutil_socket_t fd, short what, void *user)
{
	struct role *role = user;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < role->start->instance_count; i++)
		shares_report(&role->hosts[i]);
}

bool role_shares_start(struct role *role, int socket)
{
	const struct timeval period = {REPORT_S, 0};
	struct role_shares *s;

	if (socket <= 0)
		return true;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return false;
	role->shares = s;
	s->socket = socket;
	s->readable = event_new(role->base, socket, EV_READ | EV_PERSIST, shares_on_readable, s);
	s->report = event_new(role->base, -1, EV_PERSIST, shares_on_report, role);
	if (s->readable == NULL || s->report == NULL || event_add(s->readable, NULL) != 0 ||
	    event_add(s->report, &period) != 0)
		return false;
	shares_on_readable(socket, EV_READ, s); /* those that are there already */
	return true;
}

void role_shares_instance_free(struct adit_host *host)
{
	if (host->share_writer != NULL)
		(void)munmap(host->share_writer->ring.memory, host->share_writer->bytes);
	free(host->share_writer);
	free(host->share_cursors);
	host->share_writer = NULL;
	host->share_cursors = NULL;
	host->share_cursor_count = 0;
}

void role_shares_free(struct role *role)
{
	struct role_shares *s = role->shares;

	if (s == NULL)
		return;
	if (s->readable != NULL)
		event_free(s->readable);
	if (s->report != NULL)
		event_free(s->report);
	for (size_t i = 0; i < s->count; i++) {
		if (s->rings[i].ring.memory != NULL)
			(void)munmap(s->rings[i].ring.memory, s->rings[i].bytes);
		free(s->rings[i].producer);
	}
	free(s->rings);
	(void)close(s->socket);
	free(s);
	role->shares = NULL;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* Makes cursors for all rings up to INDEX. An instance begins at the oldest record that is there
 * when it first looks. */
static bool shares_cursors(struct adit_host *host, size_t index)
{
	const struct role_shares *s = host->role->shares;

	while (host->share_cursor_count <= index) {
		size_t at = host->share_cursor_count;
		struct role_cursor *cursors =
		    realloc(host->share_cursors, (at + 1) * sizeof(*cursors));

		if (cursors == NULL)
			return false;
		host->share_cursors = cursors;
		cursors[at] = (struct role_cursor){.reported = {.read = UINT64_MAX}};
		if (s->rings[at].ring.memory != NULL)
			share_cursor_begin(&cursors[at].cursor, &s->rings[at].ring);
		host->share_cursor_count++;
	}
	return true;
}

/* Ring INDEX and the instance's cursor in it. */
static int32_t shares_find(struct adit_host *host, uint32_t index, const struct role_ring **ring,
			   struct share_cursor **cursor)
{
	const struct role_shares *s = host->role->shares;
	int32_t error = role_may(host, CAPABILITY_READ_SHARE_LOG, "share_log_ring");

	if (error != ADIT_OK)
		return error;
	if (s == NULL || index >= s->count)
		return ADIT_E_NOT_FOUND;
	*ring = &s->rings[index];
	if ((*ring)->ring.memory == NULL || (*ring)->producer == NULL ||
	    !shares_cursors(host, index))
		return ADIT_E_NO_MEMORY;
	*cursor = &host->share_cursors[index].cursor;
	return ADIT_OK;
}

int32_t role_share_log_ring(struct adit_host *host, uint32_t index, struct adit_share_ring *info)
{
	const struct role_ring *ring = NULL;
	struct share_cursor *cursor = NULL;
	int32_t error = shares_find(host, index, &ring, &cursor);
	struct adit_share_ring full;

	if (info->size < sizeof(info->size))
		return ADIT_E_INVALID_ARGUMENT;
	if (error != ADIT_OK)
		return error;
	full = (struct adit_share_ring){
	    .size = info->size,
	    .id = ring->id,
	    .producer = ring->producer,
	    .capacity = ring->ring.capacity,
	    .written = share_ring_written(ring->ring.memory),
	    .read = cursor->read,
	    .lost = cursor->lost,
	};
	memcpy(info, &full, info->size < sizeof(full) ? info->size : sizeof(full));
	return ADIT_OK;
}

int32_t role_share_log_read(struct adit_host *host, uint32_t index, struct adit_share *shares,
			    uint32_t most, uint32_t *count, uint64_t *lost)
{
	const struct role_ring *ring = NULL;
	struct share_cursor *cursor = NULL;
	int32_t error = shares_find(host, index, &ring, &cursor);
	uint64_t before;

	*count = 0;
	*lost = 0;
	if (error != ADIT_OK)
		return error;
	before = cursor->lost;
	error = share_ring_read(&ring->ring, cursor, shares, most, count);
	*lost = cursor->lost - before;
	return error;
}

int32_t role_share_log_seek(struct adit_host *host, uint32_t index, uint64_t sequence)
{
	const struct role_ring *ring = NULL;
	struct share_cursor *cursor = NULL;
	int32_t error = shares_find(host, index, &ring, &cursor);

	if (error != ADIT_OK)
		return error;
	return share_cursor_seek(cursor, &ring->ring, sequence) ? ADIT_OK : ADIT_E_INVALID_ARGUMENT;
}

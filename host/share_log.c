/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/share_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/host.h"
#include "host/json_text.h"
#include "host/share_ring.h"
#include "lib/util/random.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* --- files --------------------------------------------------------------------------------------
 */

static int share_log_memory_file(const char *producer)
{
	char name[SHARE_LOG_NAME_MAX + 16];
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	(void)snprintf(name, sizeof(name), "adit-shares-%s", producer);
	fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* an older kernel */
		fd = memfd_create(name, flags);
	return fd;
}

/* Of the right size for good: nobody can truncate it under a reader, nor add a seal that would keep
 * the next writer out. Its mode keeps a reader from opening it again for writing by mistake;
 * against malice of a process of the same user there is no such barrier. */
static bool share_file_make(struct share_file *file)
{
	off_t size = (off_t)share_ring_bytes(file->capacity);
	char path[64];
	void *header;

	file->writer = share_log_memory_file(file->producer);
	if (file->writer < 0)
		return false;
	if ((errno = posix_fallocate(file->writer, 0, size)) != 0 ||
	    fcntl(file->writer, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
	    fchmod(file->writer, 0400) != 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file->writer);
	file->reader = open(path, O_RDONLY | O_CLOEXEC);
	if (file->reader < 0)
		return false;
	header = mmap(NULL, SHARE_RING_HEADER, PROT_READ, MAP_SHARED, file->reader, 0);
	file->header = header != MAP_FAILED ? header : NULL;
	random_bytes(&file->id, sizeof(file->id));
	return file->header != NULL;
}

static void share_file_free(struct share_file *file)
{
	if (file->header != NULL)
		(void)munmap((void *)(uintptr_t)file->header, SHARE_RING_HEADER);
	if (file->reader >= 0)
		(void)close(file->reader);
	if (file->writer >= 0)
		(void)close(file->writer);
	free(file->producer);
}

int32_t share_log_open(struct share_log *log, const char *producer, uint64_t capacity,
		       size_t *index, struct error *e)
{
	struct share_file file = {.writer = -1,
				  .reader = -1,
				  .capacity = share_ring_round(capacity),
				  .busy = true};
	struct share_file *files;

	for (size_t i = 0; i < log->count; i++) {
		if (!log->files[i].busy && strcmp(log->files[i].producer, producer) == 0) {
			log->files[i].busy = true;
			*index = i;
			return ADIT_OK;
		}
	}
	if (log->count >= SHARE_LOG_RINGS_MAX || strlen(producer) > SHARE_LOG_NAME_MAX)
		return error_set(
		    e, ADIT_E_LIMIT,
		    "share log: no more than %d workers can write shares in the life of "
		    "an aditd: restart it",
		    SHARE_LOG_RINGS_MAX);
	files = realloc(log->files, (log->count + 1) * sizeof(*files));
	if (files != NULL)
		log->files = files;
	file.producer = strdup(producer);
	if (files == NULL || file.producer == NULL || !share_file_make(&file)) {
		int32_t error = error_set(e, ADIT_E_NO_MEMORY,
					  "share log: no memory for %llu records of %zu bytes: %s; "
					  "share_log_records in [host] makes it smaller",
					  (unsigned long long)file.capacity,
					  sizeof(struct adit_share), strerror(errno));

		share_file_free(&file);
		return error;
	}
	log->files[log->count] = file;
	*index = log->count++;
	return ADIT_OK;
}

void share_log_release(struct share_log *log, size_t index)
{
	log->files[index].busy = false;
}

void share_log_free(struct share_log *log)
{
	for (size_t i = 0; i < log->count; i++)
		share_file_free(&log->files[i]);
	free(log->files);
	*log = (struct share_log){0};
}

/* --- descriptors --------------------------------------------------------------------------------
 */

union share_log_control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int32_t share_log_socket(int *host_end, int *role_end, struct error *e)
{
	int pair[2];

	/* packets: a message and its descriptor arrive together or not at all */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return error_set(e, ADIT_E_IO, "share log: socketpair: %s", strerror(errno));
	*host_end = pair[0];
	*role_end = pair[1];
	return ADIT_OK;
}

static bool share_log_send_one(int socket, const struct share_file *file)
{
	struct share_log_message message = {.id = file->id};
	union share_log_control control = {.space = {0}};
	struct iovec data = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr packet = {
	    .msg_iov = &data,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&packet);

	(void)snprintf(message.producer, sizeof(message.producer), "%s", file->producer);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &file->reader, sizeof(int));
	return sendmsg(socket, &packet, MSG_NOSIGNAL) == (ssize_t)sizeof(message);
}

void share_log_send(const struct share_log *log, int socket, size_t *sent)
{
	while (*sent < log->count && share_log_send_one(socket, &log->files[*sent]))
		(*sent)++;
}

bool share_log_receive(int socket, struct share_log_message *message, int *fd)
{
	union share_log_control control = {.space = {0}};
	struct iovec data = {.iov_base = message, .iov_len = sizeof(*message)};
	struct msghdr packet = {
	    .msg_iov = &data,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space),
	};
	const struct cmsghdr *c;

	if (recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*message))
		return false;
	message->producer[SHARE_LOG_NAME_MAX] = '\0';
	c = CMSG_FIRSTHDR(&packet);
	*fd = -1; /* this process has no descriptor left: the ring can't be read, its index stays */
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return true;
}

/* --- status -------------------------------------------------------------------------------------
 */

static void share_log_status_reader(struct buf *out, const struct endpoint *e, size_t index,
				    uint64_t written, const char **separator)
{
	const struct share_log_reader *r = &e->shares[index];

	if (!r->known)
		return;
	(void)buf_printf(out, "%s{\"name\":", *separator);
	(void)json_text_string(out, e->name);
	(void)buf_printf(out, ",\"read\":%llu,\"lost\":%llu,\"behind\":%llu}",
			 (unsigned long long)r->read, (unsigned long long)r->lost,
			 (unsigned long long)(written > r->read ? written - r->read : 0));
	*separator = ",";
}

static void share_log_status_readers(const struct host *host, struct buf *out, size_t index,
				     uint64_t written)
{
	const char *separator = "";

	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		const struct process *p;

		for (size_t i = 0; (p = group_process(group, i)) != NULL; i++) {
			for (size_t j = 0; j < p->endpoint_count; j++) {
				if (index < p->endpoints[j].share_count)
					share_log_status_reader(out, &p->endpoints[j], index,
								written, &separator);
			}
		}
	}
}

void share_log_status(const struct host *host, struct buf *out)
{
	(void)buf_printf(out, "\"share_log\":[");
	for (size_t i = 0; i < host->share_log.count; i++) {
		const struct share_file *file = &host->share_log.files[i];
		uint64_t written = share_ring_written(file->header);

		(void)buf_printf(out, "%s{\"producer\":", i > 0 ? "," : "");
		(void)json_text_string(out, file->producer);
		(void)buf_printf(out,
				 ",\"id\":\"%016llx\",\"capacity\":%llu,\"written\":%llu,"
				 "\"readers\":[",
				 (unsigned long long)file->id, (unsigned long long)file->capacity,
				 (unsigned long long)written);
		share_log_status_readers(host, out, i, written);
		(void)buf_printf(out, "]}");
	}
	(void)buf_append(out, "]", 1);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/chain_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/reader.h"

static const uint8_t file_magic[8] = {'a', 'd', 'i', 't', 'B', 'L', 'K', 1};
#define RECORD_MAGIC 0x4b4c4241u /* "ABLK" */
#define RECORD_HEADER 8
#define RECORD_MAX 4000000u

/* Reads exactly SIZE bytes at OFFSET. */
static bool read_at(int fd, uint64_t offset, void *out, size_t size)
{
	uint8_t *at = out;

	while (size > 0) {
		ssize_t n = pread(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

static bool write_at(int fd, uint64_t offset, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return true;
}

static int32_t failed(struct chain_store *s, const char *what, struct error *e)
{
	return error_set(e, ADIT_E_IO, "%s: %s: %s", s->path, what, strerror(errno));
}

/* A file shorter than its identification is one whose creation was interrupted. */
static int32_t identify(struct chain_store *s, struct error *e)
{
	uint8_t magic[sizeof(file_magic)];

	if (s->size < sizeof(file_magic)) {
		if (ftruncate(s->fd, 0) != 0 ||
		    !write_at(s->fd, 0, file_magic, sizeof(file_magic)) || fdatasync(s->fd) != 0)
			return failed(s, "write", e);
		s->size = sizeof(file_magic);
	}
	if (!read_at(s->fd, 0, magic, sizeof(magic)))
		return failed(s, "read", e);
	if (memcmp(magic, file_magic, sizeof(magic)) != 0)
		return error_set(e, ADIT_E_IO,
				 "%s: not a file of blocks of this version; move it away to begin"
				 " a new chain",
				 s->path);
	s->next = sizeof(file_magic);
	return ADIT_OK;
}

int32_t chain_store_open(struct chain_store *s, const char *directory, struct error *e)
{
	struct stat st;
	int32_t result;

	memset(s, 0, sizeof(*s));
	snprintf(s->path, sizeof(s->path), "%s/blocks.dat", directory);
	s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return failed(s, "open", e);
	if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
		result = error_set(e, ADIT_E_IO, "%s: another process uses it", s->path);
	else if (fstat(s->fd, &st) != 0)
		result = failed(s, "stat", e);
	else {
		s->size = (uint64_t)st.st_size;
		result = identify(s, e);
	}
	if (result != ADIT_OK)
		chain_store_close(s);
	return result;
}

void chain_store_close(struct chain_store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Size of the record at `next`; 0 when there is no whole one. */
static size_t record_size(struct chain_store *s)
{
	uint8_t header[RECORD_HEADER];
	struct reader r;
	uint32_t magic;
	uint32_t size;

	if (s->size - s->next < RECORD_HEADER || !read_at(s->fd, s->next, header, sizeof(header)))
		return 0;
	reader_init(&r, header, sizeof(header));
	magic = reader_u32(&r);
	size = reader_u32(&r);
	if (magic != RECORD_MAGIC || size > RECORD_MAX || size > s->size - s->next - RECORD_HEADER)
		return 0;
	return size;
}

int32_t chain_store_next(struct chain_store *s, struct buf *block, uint64_t *offset,
			 struct error *e)
{
	size_t size;

	if (s->next == s->size)
		return ADIT_E_NOT_FOUND;
	size = record_size(s);
	if (size == 0)
		return error_set(e, ADIT_E_PROTOCOL, "no whole record");
	buf_clear(block);
	*offset = s->next + RECORD_HEADER;
	return chain_store_read(s, *offset, size, block, e);
}

void chain_store_accept(struct chain_store *s, size_t block_size)
{
	s->next += RECORD_HEADER + block_size;
}

/* What a crash leaves at the end: a record that reaches to the end or would beyond it, or blocks
 * that the file system had given out but not filled. */
static bool can_be_torn(struct chain_store *s)
{
	uint64_t rest = s->size - s->next;
	uint8_t chunk[4096];
	size_t size = record_size(s);

	if (rest > RECORD_HEADER + RECORD_MAX)
		return false;
	if (size > 0)
		return size + RECORD_HEADER == rest;
	if (rest < RECORD_HEADER || !read_at(s->fd, s->next, chunk, RECORD_HEADER))
		return true;
	if (memcmp(chunk, (const uint8_t[]){'A', 'B', 'L', 'K'}, 4) == 0)
		return true;
	for (uint64_t at = s->next; at < s->size;) {
		size_t n = s->size - at < sizeof(chunk) ? (size_t)(s->size - at) : sizeof(chunk);

		if (!read_at(s->fd, at, chunk, n))
			return false;
		for (size_t i = 0; i < n; i++)
			if (chunk[i] != 0)
				return false;
		at += n;
	}
	return true;
}

int32_t chain_store_cut_tail(struct chain_store *s, uint64_t *cut, struct error *e)
{
	*cut = s->size - s->next;
	if (!can_be_torn(s))
		return error_set(e, ADIT_E_IO,
				 "%s: damaged at byte %" PRIu64
				 ", and not just its end; move it away to begin a new chain",
				 s->path, s->next);
	if (ftruncate(s->fd, (off_t)s->next) != 0 || fdatasync(s->fd) != 0)
		return failed(s, "truncate", e);
	s->size = s->next;
	return ADIT_OK;
}

int32_t chain_store_append(struct chain_store *s, const uint8_t *block, size_t size,
			   uint64_t *offset, struct error *e)
{
	uint8_t header[RECORD_HEADER];
	struct writer w;

	if (size == 0 || size > RECORD_MAX)
		return error_set(e, ADIT_E_LIMIT, "a block of %zu bytes", size);
	writer_init(&w, header, sizeof(header));
	writer_u32(&w, RECORD_MAGIC);
	writer_u32(&w, (uint32_t)size);
	if (!write_at(s->fd, s->next, header, sizeof(header)) ||
	    !write_at(s->fd, s->next + sizeof(header), block, size) || fdatasync(s->fd) != 0) {
		int32_t result = failed(s, "write", e);

		/* If this fails too, the next start finds a torn end and cuts it. */
		if (ftruncate(s->fd, (off_t)s->next) != 0)
			return result;
		return result;
	}
	*offset = s->next + sizeof(header);
	s->next += sizeof(header) + size;
	s->size = s->next;
	return ADIT_OK;
}

int32_t chain_store_read(struct chain_store *s, uint64_t offset, size_t size, struct buf *block,
			 struct error *e)
{
	uint8_t *at = buf_reserve(block, size);

	if (at == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	errno = 0;
	if (!read_at(s->fd, offset, at, size))
		return failed(s, "read", e);
	block->size += size;
	return ADIT_OK;
}

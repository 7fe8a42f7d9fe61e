/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/mining/engine.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define JOURNAL_MAX (4 << 20) /* bytes; then it becomes NAME.old */
#define TAIL_MAX (512 << 10)  /* bytes that are looked at for pending blocks */
#define PENDING_MAX_AGE 3600  /* seconds */
#define SYNC_DELAY_MS 10
#define COINBASE_MAX 65535
#define WORKERS_MAX 64 /* of a role; adit.conf(5) */

static void close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Something has failed: WHY is shown until a block can be written down again. */
static void trouble(struct mining *mining, const char *what, const char *why)
{
	struct journal *j = &mining->journal;

	mining_log(mining, ADIT_LOG_ERROR, "%s: %s: %s", j->path, what, why);
	snprintf(j->error, sizeof j->error, "%s", why);
	mining_changed(mining);
}

static void trouble_ends(struct mining *mining)
{
	if (mining->journal.error[0] == '\0')
		return;
	mining->journal.error[0] = '\0';
	mining_changed(mining);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static const char *text_of(struct json_object *line, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(line, key, &value) ? json_object_get_string(value) : "";
}

static uint64_t number_of(struct json_object *line, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(line, key, &value) ? json_object_get_uint64(value) : 0;
}

static bool read_block(struct json_object *line, struct pending_block *block)
{
	const char *coinbase = text_of(line, "coinbase");
	size_t digits = strlen(coinbase);

	if (digits == 0 || digits % 2 || digits / 2 > COINBASE_MAX ||
	    !hex_decode(text_of(line, "header"), block->header, 80))
		return false;
	block->coinbase_size = digits / 2;
	block->coinbase = malloc(block->coinbase_size);
	block->provider = strdup(text_of(line, "provider"));
	if (!block->coinbase || !block->provider ||
	    !hex_decode(coinbase, block->coinbase, block->coinbase_size))
		return false;
	block->template_id = number_of(line, "template_id");
	block->height = (uint32_t)number_of(line, "height");
	sha256d_header(block->header, block->hash);
	return true;
}

/* Whether LINE, which is new, is of this process. */
static bool is_own(const struct mining *mining, struct json_object *line)
{
	return json_object_object_get_ex(line, "slice", NULL) &&
	       number_of(line, "slice") == mining->info.slice;
}

static void read_line(struct mining *mining, const char *text, bool others)
{
	struct json_object *line = json_tokener_parse(text);
	struct pending_block block = {0};
	uint64_t now = clock_unix();

	block.journalled = true;
	if (line && !(others && is_own(mining, line)) &&
	    number_of(line, "time") + PENDING_MAX_AGE >= now && read_block(line, &block))
		blocks_adopt(mining, &block);
	pending_block_free(&block);
	json_object_put(line);
}

/* Takes the blocks out of the lines of FD from *SEEN on, which is moved behind the last whole one;
 * OTHERS: only those that this process has not written. At most TAIL_MAX bytes: what is left waits
 * for the next call. */
static void read_lines(struct mining *mining, int fd, off_t *seen, bool others)
{
	char *text = malloc(TAIL_MAX + 1);
	ssize_t got = text ? pread(fd, text, TAIL_MAX, *seen) : -1;
	char *line = text;
	char *end;

	/* A machine that lost its power may leave zeros where a line was to be. */
	for (ssize_t i = 0; i < got; i++) {
		if (text[i] == '\0')
			text[i] = '\n';
	}
	if (got > 0)
		text[got] = '\0';
	/* The first line may be cut; it then is no JSON. */
	while (got > 0 && (end = strchr(line, '\n'))) {
		*end = '\0';
		if (line[0] == '{')
			read_line(mining, line, others);
		line = end + 1;
	}
	if (got > 0)
		*seen += line > text || got < TAIL_MAX ? line - text : got;
	free(text);
}

/* Blocks of the last hour, from the tail of the file FD; *SEEN is its end then. Those that the
 * chain has gone past are dropped at the first tip. */
static void read_tail(struct mining *mining, int fd, off_t *seen)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	*seen = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
	read_lines(mining, fd, seen, false);
}

/* Blocks of the last hour in a file that nobody writes to any more, if it is there. */
static void read_closed(struct mining *mining, const char *path)
{
	off_t seen;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	read_tail(mining, fd, &seen);
	close(fd);
}

/* The journal of WORKER that was full: its last blocks may still be open. With CURRENT also the one
 * after it. */
static void read_journals(struct mining *mining, uint32_t worker, bool current)
{
	char *path;

	if (asprintf(&path, "%s/blocks-%u.journal.old", mining->info.state_dir, worker) < 0)
		return;
	read_closed(mining, path);
	path[strlen(path) - strlen(".old")] = '\0';
	if (current)
		read_closed(mining, path);
	free(path);
}

/* Workers that there are no more, since the role was started with fewer, have left theirs to the
 * first. */
static void read_left(struct mining *mining)
{
	if (mining->info.worker != 1)
		return;
	for (uint32_t i = mining->info.workers + 1; i <= WORKERS_MAX; i++)
		read_journals(mining, i, true);
}

/* What another process has written to FD since the last look. */
static void follow_file(struct mining *mining, int fd, off_t *seen)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	if (st.st_size < *seen)
		*seen = st.st_size; /* a part of a line was taken back */
	if (st.st_size > *seen)
		read_lines(mining, fd, seen, true);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static int32_t open_journal(struct mining *mining)
{
	struct journal *j = &mining->journal;

	struct stat st;

	j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return ADIT_E_IO;
	/* The process that this one replaces may still write to it for a moment: only a lower
	 * bound. */
	j->size = fstat(j->fd, &st) == 0 ? st.st_size : 0;
	j->seen = 0;
	return ADIT_OK;
}

/* True when the open file is still the one with the journal's name. */
static bool is_current(const struct journal *j)
{
	struct stat opened;
	struct stat named;

	return fstat(j->fd, &opened) == 0 && stat(j->path, &named) == 0 &&
	       opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/* The file has become NAME.old: this process goes on in the new one, and watches the old one until
 * it is full again, since who is being replaced may still write to it. */
static void go_on(struct mining *mining)
{
	struct journal *j = &mining->journal;

	close_file(&j->former);
	(void)flock(j->fd, LOCK_UN);
	j->former = j->fd;
	j->former_seen = j->seen;
	j->fd = -1;
	if (open_journal(mining) != ADIT_OK)
		trouble(mining, "can't be opened", strerror(errno));
}

/* While a process is replaced two have the file open. The lock lets one of them rename it; the
 * other then sees that its file has another name, and only opens the new one. */
static void rotate(struct mining *mining)
{
	struct journal *j = &mining->journal;
	char *old;

	if (j->size < JOURNAL_MAX || flock(j->fd, LOCK_EX | LOCK_NB) != 0)
		return;
	if (asprintf(&old, "%s.old", j->path) < 0) {
		flock(j->fd, LOCK_UN);
		return;
	}
	if (!is_current(j) || rename(j->path, old) == 0)
		go_on(mining);
	else
		flock(j->fd, LOCK_UN);
	free(old);
}

static void sync_journal(void *user)
{
	struct mining *mining = user;

	mining->journal.sync_timer = 0;
	if (mining->journal.fd < 0)
		return;
	if (fdatasync(mining->journal.fd) != 0)
		trouble(mining, "can't be synced", strerror(errno));
	rotate(mining);
}

static void append_hex(struct buf *out, const void *data, size_t size)
{
	uint8_t *at = buf_reserve(out, 2 * size + 1);

	if (!at)
		return;
	hex_encode(data, size, (char *)at);
	out->size += 2 * size;
}

static void format_line(struct buf *out, const struct pending_block *block, uint16_t slice)
{
	char hash[65];

	hex_encode_reversed(block->hash, 32, hash);
	/* An address holds nothing that JSON would want escaped: configuration refuses quotes. */
	buf_printf(out,
		   "{\"time\":%u,\"height\":%u,\"hash\":\"%s\",\"provider\":\"%s\","
		   "\"template_id\":%llu,\"slice\":%u,\"header\":\"",
		   clock_unix(), block->height, hash, block->provider,
		   (unsigned long long)block->template_id, slice);
	append_hex(out, block->header, 80);
	buf_printf(out, "\",\"coinbase\":\"");
	append_hex(out, block->coinbase, block->coinbase_size);
	buf_printf(out, "\"}\n");
}

/* Appends LINE as a whole or not at all; an errno. */
static int append_line(struct journal *j, const struct buf *line)
{
	int result;
	ssize_t n;
	off_t end;
	struct stat st;

	if (line->failed)
		return ENOMEM;
	do
		n = write(j->fd, line->data, line->size);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)line->size) {
		j->size += n;
		return 0;
	}
	result = n < 0 ? errno : ENOSPC;
	/* A part of a line would spoil the next one; what another process wrote behind it stays. */
	end = n > 0 ? lseek(j->fd, 0, SEEK_CUR) : -1;
	if (end >= n && fstat(j->fd, &st) == 0 && st.st_size == end &&
	    ftruncate(j->fd, end - n) != 0)
		result = errno;
	return result;
}

void journal_write(struct mining *mining, struct pending_block *block)
{
	struct journal *j = &mining->journal;
	struct buf line = {0};
	int result = 0;

	if (j->fd < 0 && open_journal(mining) != ADIT_OK)
		result = errno;
	if (result == 0) {
		format_line(&line, block, mining->info.slice);
		result = append_line(j, &line);
		buf_free(&line);
	}
	if (result != 0) {
		trouble(mining, "a found block can't be written down", strerror(result));
		return;
	}
	block->journalled = true;
	trouble_ends(mining);
	if (!j->sync_timer)
		mining->api->timer_add(mining->host, SYNC_DELAY_MS, 0, sync_journal, mining, NULL,
				       &j->sync_timer);
}

void journal_retry(struct mining *mining)
{
	for (uint32_t i = 0; i < mining->blocks.count; i++) {
		struct pending_block *block = &mining->blocks.items[i];

		if (!block->journalled)
			journal_write(mining, block);
	}
}

void journal_follow(struct mining *mining)
{
	struct journal *j = &mining->journal;

	follow_file(mining, j->former, &j->former_seen);
	follow_file(mining, j->fd, &j->seen);
	if (j->fd >= 0 && !is_current(j))
		go_on(mining);
}

int32_t journal_start(struct mining *mining, struct error *e)
{
	struct journal *j = &mining->journal;

	/* Workers share the directory; each has its own file. */
	if (asprintf(&j->path, "%s/blocks-%u.journal", mining->info.state_dir,
		     mining->info.worker) < 0) {
		j->path = NULL;
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	read_journals(mining, mining->info.worker, false);
	read_left(mining);
	if (open_journal(mining) == ADIT_OK) {
		read_tail(mining, j->fd, &j->seen);
		return ADIT_OK;
	}
	/* A full disk is no reason to mine nothing. */
	if (errno != ENOSPC && errno != EDQUOT)
		return error_set(e, ADIT_E_IO, "the journal of found blocks, %s: %s", j->path,
				 strerror(errno));
	trouble(mining, "found blocks can't be written down", strerror(errno));
	return ADIT_OK;
}

void journal_stop(struct mining *mining)
{
	struct journal *j = &mining->journal;

	if (j->sync_timer && j->fd >= 0)
		fdatasync(j->fd);
	close_file(&j->fd);
	close_file(&j->former);
	free(j->path);
	j->path = NULL;
}

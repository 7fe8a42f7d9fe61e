/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/pool/pool.h"

#define JOURNAL_MAX (4 << 20) /* bytes; then it becomes NAME.old */
#define TAIL_MAX (64 << 10)   /* bytes that are looked at for pending blocks */
#define PENDING_MAX_AGE 3600  /* seconds */
#define SYNC_DELAY_MS 10
#define COINBASE_MAX 65535

static void close_journal(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
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

static void read_line(struct pool *pool, const char *text)
{
	struct json_object *line = json_tokener_parse(text);
	struct pending_block block = {0};
	uint64_t now = clock_unix();

	if (line && number_of(line, "time") + PENDING_MAX_AGE >= now && read_block(line, &block))
		blocks_keep(pool, &block);
	pending_block_free(&block);
	json_object_put(line);
}

/* Blocks of the last hour, from the file's tail. Those that the chain has gone past are dropped at
 * the first tip. */
static void read_tail(struct pool *pool, off_t size)
{
	off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
	char *tail = malloc(TAIL_MAX + 1);
	char *line;
	char *rest = tail;
	ssize_t got;

	if (!tail)
		return;
	got = pread(pool->journal.fd, tail, TAIL_MAX, from);
	tail[got > 0 ? got : 0] = '\0';
	/* The first line may be cut; it then is no JSON. */
	while ((line = strsep(&rest, "\n"))) {
		if (line[0] == '{')
			read_line(pool, line);
	}
	free(tail);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static int32_t open_journal(struct pool *pool)
{
	struct journal *j = &pool->journal;

	j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd >= 0)
		return ADIT_OK;
	pool_log(pool, ADIT_LOG_ERROR, "%s: %s", j->path, strerror(errno));
	return ADIT_E_IO;
}

static void rotate(struct pool *pool)
{
	struct journal *j = &pool->journal;
	struct stat st;
	char *old;

	if (fstat(j->fd, &st) != 0 || st.st_size < JOURNAL_MAX ||
	    asprintf(&old, "%s.old", j->path) < 0)
		return;
	if (rename(j->path, old) == 0) {
		close_journal(j);
		open_journal(pool);
	}
	free(old);
}

static void sync_journal(void *user)
{
	struct pool *pool = user;

	pool->journal.sync_timer = 0;
	if (pool->journal.fd >= 0 && fdatasync(pool->journal.fd) != 0)
		pool_log(pool, ADIT_LOG_ERROR, "%s: %s", pool->journal.path, strerror(errno));
	rotate(pool);
}

static void append_hex(struct buf *out, const void *data, size_t size)
{
	uint8_t *at = buf_reserve(out, 2 * size + 1);

	if (!at)
		return;
	hex_encode(data, size, (char *)at);
	out->size += 2 * size;
}

static void format_line(struct buf *out, const struct pending_block *block)
{
	char hash[65];

	hex_encode_reversed(block->hash, 32, hash);
	/* An address holds nothing that JSON would want escaped: configuration refuses quotes. */
	buf_printf(out,
		   "{\"time\":%u,\"height\":%u,\"hash\":\"%s\",\"provider\":\"%s\","
		   "\"template_id\":%llu,\"header\":\"",
		   clock_unix(), block->height, hash, block->provider,
		   (unsigned long long)block->template_id);
	append_hex(out, block->header, 80);
	buf_printf(out, "\",\"coinbase\":\"");
	append_hex(out, block->coinbase, block->coinbase_size);
	buf_printf(out, "\"}\n");
}

void journal_write(struct pool *pool, const struct pending_block *block)
{
	struct journal *j = &pool->journal;
	struct buf line = {0};

	if (j->fd < 0)
		return;
	format_line(&line, block);
	if (line.failed || write(j->fd, line.data, line.size) != (ssize_t)line.size)
		pool_log(pool, ADIT_LOG_ERROR, "%s: a found block can't be written down: %s",
			 j->path, line.failed ? "out of memory" : strerror(errno));
	else if (!j->sync_timer)
		pool->api->timer_add(pool->host, SYNC_DELAY_MS, 0, sync_journal, pool, NULL,
				     &j->sync_timer);
	buf_free(&line);
}

int32_t journal_start(struct pool *pool)
{
	struct journal *j = &pool->journal;
	struct stat st;
	int32_t result;

	/* Workers share the directory; each has its own file. */
	if (asprintf(&j->path, "%s/blocks-%u.journal", pool->info.state_dir, pool->info.worker) <
	    0) {
		j->path = NULL;
		return ADIT_E_NO_MEMORY;
	}
	result = open_journal(pool);
	if (result == ADIT_OK && fstat(j->fd, &st) == 0)
		read_tail(pool, st.st_size);
	return result;
}

void journal_stop(struct pool *pool)
{
	struct journal *j = &pool->journal;

	if (j->sync_timer && j->fd >= 0)
		fdatasync(j->fd);
	close_journal(j);
	free(j->path);
	j->path = NULL;
}

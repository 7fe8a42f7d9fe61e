/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/indexes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/buf.h"
#include "lib/util/file.h"

#define FILE_SIZE_MAX (256u << 10)
#define INDEX_MAX 0x7fffffffu /* BIP32: an unhardened step */

int32_t indexes_init(struct indexes *x, const char *state_dir)
{
	*x = (struct indexes){0};
	if (asprintf(&x->path, "%s/payout.index", state_dir) < 0)
		x->path = NULL;
	if (asprintf(&x->lock_path, "%s/payout.index.lock", state_dir) < 0)
		x->lock_path = NULL;
	return x->path && x->lock_path ? ADIT_OK : ADIT_E_NO_MEMORY;
}

void indexes_fini(struct indexes *x)
{
	free(x->path);
	free(x->lock_path);
	*x = (struct indexes){0};
}

static int32_t io_error(const struct indexes *x, const char *what, struct error *e)
{
	return error_set(e, ADIT_E_IO, "%s: %s: %s", x->path, what, strerror(errno));
}

static bool any_ranged(const struct reward *reward)
{
	for (uint32_t i = 0; i < reward->count; i++) {
		if (reward->items[i].ranged)
			return true;
	}
	return false;
}

/* Without its checksum a descriptor is the same one. */
static size_t key_size(const char *descriptor)
{
	return strcspn(descriptor, "#");
}

static bool same_key(const struct reward_item *item, const char *key, size_t size)
{
	return item->ranged && key_size(item->descriptor) == size &&
	       memcmp(item->descriptor, key, size) == 0;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* The whole file, ended by a NUL, and which one it is; empty when there is none. */
static int32_t read_file(const struct indexes *x, struct buf *text, struct stat *st,
			 struct error *e)
{
	int fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t *at = buf_reserve(text, FILE_SIZE_MAX + 1);
	ssize_t got = 0;

	*st = (struct stat){0};
	if (!at || (fd < 0 && errno != ENOENT)) {
		if (fd >= 0)
			close(fd);
		return at ? io_error(x, "open", e)
			  : error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	if (fd >= 0) {
		got = fstat(fd, st) == 0 ? read(fd, at, FILE_SIZE_MAX) : -1;
		close(fd);
	}
	if (got < 0)
		return io_error(x, "read", e);
	at[got] = '\0';
	text->size = (size_t)got;
	return ADIT_OK;
}

/* One line: *INDEX and where the descriptor begins. */
static bool read_line(const char *line, uint32_t *index, const char **key, size_t *size)
{
	uint64_t value = 0;
	const char *p = line;

	while (*p >= '0' && *p <= '9' && value <= INDEX_MAX)
		value = value * 10 + (uint64_t)(*p++ - '0');
	if (p == line || *p != ' ' || value > INDEX_MAX)
		return false;
	*index = (uint32_t)value;
	*key = p + 1;
	*size = strcspn(*key, "\n");
	return *size > 0 && (*key)[*size] == '\n';
}

/* The indexes of REWARD in TEXT go to VALUE. The lines of other descriptors go to OTHERS, unless it
 * is NULL. */
static int32_t read_text(const struct indexes *x, const char *text, const struct reward *reward,
			 uint32_t *value, struct buf *others, struct error *e)
{
	unsigned number = 1;

	memset(value, 0, REWARD_ITEMS_MAX * sizeof *value);
	for (; *text != '\0'; number++) {
		uint32_t index;
		const char *key;
		size_t size;
		bool ours = false;

		if (!read_line(text, &index, &key, &size))
			return error_set(e, ADIT_E_IO,
					 "%s:%u: expected an index and a descriptor; repair the "
					 "file, or remove it to begin at index 0",
					 x->path, number);
		for (uint32_t i = 0; i < reward->count; i++) {
			if (same_key(&reward->items[i], key, size)) {
				value[i] = index;
				ours = true;
			}
		}
		if (!ours && others)
			buf_append(others, text, (size_t)(key - text) + size + 1);
		text = key + size + 1;
	}
	return ADIT_OK;
}

static void remember(struct indexes *x, const uint32_t *value, const struct stat *st)
{
	memcpy(x->value, value, sizeof x->value);
	x->seen_inode = st->st_ino;
	x->seen_time = st->st_mtim;
}

int32_t indexes_read(struct indexes *x, const struct reward *reward, struct error *e)
{
	uint32_t value[REWARD_ITEMS_MAX] = {0};
	struct stat st = {0};
	struct buf text = {0};
	int32_t result = ADIT_OK;

	if (any_ranged(reward)) {
		result = read_file(x, &text, &st, e);
		if (result == ADIT_OK)
			result = read_text(x, (const char *)text.data, reward, value, NULL, e);
	}
	if (result == ADIT_OK)
		remember(x, value, &st);
	buf_free(&text);
	return result;
}

bool indexes_changed(const struct indexes *x)
{
	struct stat st;

	if (stat(x->path, &st) != 0)
		return false;
	return st.st_ino != x->seen_inode || st.st_mtim.tv_sec != x->seen_time.tv_sec ||
	       st.st_mtim.tv_nsec != x->seen_time.tv_nsec;
}

/* --- writing -----------------------------------------------------------------------------------
 */

static int32_t replace_file(const struct indexes *x, const struct buf *text, struct stat *st,
			    struct error *e)
{
	char name[4096];
	bool written;
	int fd;

	if (text->failed || snprintf(name, sizeof name, "%s.new", x->path) >= (int)sizeof name)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return io_error(x, "create", e);
	written =
	    file_write_all(fd, text->data, text->size) && fsync(fd) == 0 && fstat(fd, st) == 0;
	close(fd);
	if (!written || rename(name, x->path) != 0 || !file_sync_directory_of(x->path))
		return io_error(x, "write", e);
	return ADIT_OK;
}

/* What the file is to hold: the lines of other descriptors, then those of REWARD. */
static void write_lines(struct buf *text, const struct reward *reward, const uint32_t *value)
{
	for (uint32_t i = 0; i < reward->count; i++) {
		const struct reward_item *item = &reward->items[i];
		bool again = false;

		for (uint32_t k = 0; k < i; k++)
			again = again || same_key(&reward->items[k], item->descriptor,
						  key_size(item->descriptor));
		if (item->ranged && !again)
			buf_printf(text, "%u %.*s\n", value[i], (int)key_size(item->descriptor),
				   item->descriptor);
	}
}

static int32_t advance_locked(struct indexes *x, const struct reward *reward, struct error *e)
{
	uint32_t value[REWARD_ITEMS_MAX];
	struct buf text = {0};
	struct buf lines = {0};
	struct stat st;
	int32_t result = read_file(x, &text, &st, e);

	if (result == ADIT_OK)
		result = read_text(x, (const char *)text.data, reward, value, &lines, e);
	if (result == ADIT_OK) {
		for (uint32_t i = 0; i < reward->count; i++) {
			if (reward->items[i].ranged && value[i] == x->value[i] &&
			    value[i] < INDEX_MAX)
				value[i]++;
		}
		write_lines(&lines, reward, value);
		result = replace_file(x, &lines, &st, e);
	}
	if (result == ADIT_OK)
		remember(x, value, &st);
	buf_free(&text);
	buf_free(&lines);
	return result;
}

int32_t indexes_advance(struct indexes *x, const struct reward *reward, struct error *e)
{
	int32_t result;
	int lock;

	if (!any_ranged(reward))
		return ADIT_OK;
	lock = open(x->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return io_error(x, "lock", e);
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		close(lock);
		return error_set(e, ADIT_E_UNAVAILABLE, "%s: another worker writes", x->path);
	}
	result = advance_locked(x, reward, e);
	close(lock); /* ends the lock */
	return result;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/token_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/noise/aead.h"
#include "lib/noise/keyfile.h"
#include "lib/util/hex.h"
#include "lib/util/random.h"

#define ID_DIGITS 8
#define SECRET_SIZE 32
#define LINE_MAX_SIZE 128
#define TEXT_SIZE (TOKEN_KEYS_MAX * LINE_MAX_SIZE)
#define REFRESH_MS 1000

struct token_key {
	uint32_t id;
	uint64_t made; /* Unix seconds */
	uint8_t secret[SECRET_SIZE];
	void *context;
};

struct key_list {
	struct token_key keys[TOKEN_KEYS_MAX]; /* newest first */
	size_t count;
};

struct token_keys {
	char *path;
	struct key_list list;
	struct timespec read_mtime; /* of the file that was read last */
	ino_t read_inode;
	uint64_t read_ms;
};

static void list_clear(struct key_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		aead_free(list->keys[i].context);
	secure_wipe(list, sizeof(*list));
}

void token_keys_free(struct token_keys *k)
{
	if (k == NULL)
		return;
	list_clear(&k->list);
	free(k->path);
	free(k);
}

/* --- text ---------------------------------------------------------------------------------------
 */

static bool parse_id(const char *text, uint32_t *id)
{
	uint8_t bytes[4];

	if (!hex_decode(text, bytes, sizeof(bytes)))
		return false;
	*id = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	      bytes[3];
	return true;
}

static bool parse_line(char *line, struct token_key *key)
{
	char *save = NULL;
	char *id = strtok_r(line, " ", &save);
	char *made = strtok_r(NULL, " ", &save);
	char *secret = strtok_r(NULL, " ", &save);
	char *end;

	if (id == NULL || made == NULL || secret == NULL || strtok_r(NULL, " ", &save) != NULL ||
	    made[0] < '0' || made[0] > '9')
		return false;
	errno = 0;
	key->made = strtoull(made, &end, 10);
	return errno == 0 && *end == '\0' && parse_id(id, &key->id) &&
	       hex_decode(secret, key->secret, SECRET_SIZE);
}

static bool list_add(struct key_list *list, const struct token_key *key)
{
	struct token_key *at = &list->keys[list->count];

	*at = *key;
	at->context = aead_new(at->secret);
	list->count += at->context != NULL;
	return at->context != NULL;
}

/* TEXT is changed. */
static int32_t parse(char *text, const char *path, struct key_list *list, struct error *e)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		struct token_key key = {0};
		bool good = list->count < TOKEN_KEYS_MAX && parse_line(line, &key);
		bool added = good && list_add(list, &key);

		secure_wipe(&key, sizeof(key));
		if (!good)
			return error_set(
			    e, ADIT_E_CONFIG,
			    "%s: not a file of token keys: remove it, and a new one is "
			    "made",
			    path);
		if (!added)
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	if (list->count == 0)
		return error_set(e, ADIT_E_CONFIG,
				 "%s: no key in it: remove it, and a new one is "
				 "made",
				 path);
	return ADIT_OK;
}

/* --- the file -----------------------------------------------------------------------------------
 */

static int32_t io_error(struct error *e, const char *path, const char *what)
{
	return error_set(e, errno == ENOENT ? ADIT_E_NOT_FOUND : ADIT_E_IO, "%s: %s: %s", path,
			 what, strerror(errno));
}

/* Replaces what is in K by the file's keys; on failure nothing has changed. */
static int32_t load(struct token_keys *k, struct error *e)
{
	char text[TEXT_SIZE + 1];
	struct key_list list = {0};
	struct stat st;
	int32_t result =
	    keyfile_read(k->path, KEYFILE_SECRET | KEYFILE_NO_LINK, text, sizeof(text), &st, e);

	if (result == ADIT_OK)
		result = parse(text, k->path, &list, e);
	secure_wipe(text, sizeof(text));
	if (result != ADIT_OK) {
		list_clear(&list);
		return result;
	}
	list_clear(&k->list);
	k->list = list;
	secure_wipe(&list, sizeof(list));
	k->read_mtime = st.st_mtim;
	k->read_inode = st.st_ino;
	return ADIT_OK;
}

static int32_t store(const char *path, const struct key_list *list, struct error *e)
{
	char text[TEXT_SIZE];
	char secret[2 * SECRET_SIZE + 1];
	size_t size = 0;
	int32_t result;

	for (size_t i = 0; i < list->count; i++) {
		const struct token_key *key = &list->keys[i];

		hex_encode(key->secret, SECRET_SIZE, secret);
		size += (size_t)snprintf(text + size, sizeof(text) - size,
					 "%s%08" PRIx32 " %" PRIu64 " %s", i > 0 ? "\n" : "",
					 key->id, key->made, secret);
	}
	result = keyfile_replace(path, 0600, text, e);
	secure_wipe(text, sizeof(text));
	secure_wipe(secret, sizeof(secret));
	return result;
}

/* Puts a new key in front and writes the file. */
static int32_t add_key(struct token_keys *k, uint64_t now, struct error *e)
{
	struct key_list list = {.count = 1};
	struct token_key *key = &list.keys[0];
	int32_t result;

	key->made = now;
	random_bytes(key->secret, SECRET_SIZE);
	random_bytes(&key->id, sizeof(key->id));
	for (size_t i = 0; i < k->list.count && list.count < TOKEN_KEYS_MAX; i++)
		list.keys[list.count++] = k->list.keys[i];
	result = store(k->path, &list, e);
	secure_wipe(&list, sizeof(list));
	return result == ADIT_OK ? load(k, e) : result;
}

/* Holds the lock beside the file until it is closed; the holder does little. */
static int lock(const char *path, struct error *e)
{
	char name[4096];
	int fd;

	(void)snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		(void)io_error(e, name, "open");
		return -1;
	}
	while (flock(fd, LOCK_EX) != 0) {
		if (errno == EINTR)
			continue;
		(void)io_error(e, name, "flock");
		close(fd);
		return -1;
	}
	return fd;
}

/* --- what others use ----------------------------------------------------------------------------
 */

static int32_t load_or_make(struct token_keys *k, uint64_t now, struct error *e)
{
	int32_t result = load(k, e);
	int fd;

	if (result != ADIT_E_NOT_FOUND)
		return result;
	fd = lock(k->path, e);
	if (fd < 0)
		return ADIT_E_IO;
	result = load(k, e); /* whoever had the lock before may have made it */
	if (result == ADIT_E_NOT_FOUND)
		result = add_key(k, now, e);
	close(fd);
	return result;
}

int32_t token_keys_open(struct token_keys **out, const char *path, uint64_t now, struct error *e)
{
	struct token_keys *k = calloc(1, sizeof(*k));
	int32_t result;

	*out = NULL;
	if (k != NULL)
		k->path = strdup(path);
	if (k == NULL || k->path == NULL) {
		token_keys_free(k);
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	if (strlen(path) > 4000)
		result = error_set(e, ADIT_E_CONFIG, "the path of the token keys is too long");
	else
		result = load_or_make(k, now, e);
	if (result != ADIT_OK) {
		token_keys_free(k);
		return result;
	}
	*out = k;
	return ADIT_OK;
}

bool token_keys_refresh(struct token_keys *k, uint64_t now_ms, struct error *e)
{
	struct stat st;

	if (k->read_ms != 0 && now_ms - k->read_ms < REFRESH_MS)
		return true;
	k->read_ms = now_ms;
	if (stat(k->path, &st) == 0 && st.st_ino == k->read_inode &&
	    st.st_mtim.tv_sec == k->read_mtime.tv_sec &&
	    st.st_mtim.tv_nsec == k->read_mtime.tv_nsec)
		return true;
	return load(k, e) == ADIT_OK;
}

/* Drops keys whose successor is older than KEEP. */
static void forget_old(struct token_keys *k, uint64_t now, uint64_t keep)
{
	struct key_list *list = &k->list;
	size_t kept = 1;

	while (kept < list->count && list->keys[kept - 1].made + keep > now)
		kept++;
	for (size_t i = kept; i < list->count; i++) {
		aead_free(list->keys[i].context);
		secure_wipe(&list->keys[i], sizeof(list->keys[i]));
	}
	list->count = kept;
}

static int32_t rotate_locked(struct token_keys *k, uint64_t now, uint64_t age, uint64_t keep,
			     struct error *e)
{
	int32_t result = load(k, e);

	if (result != ADIT_OK || now < k->list.keys[0].made + age)
		return result;
	forget_old(k, now, keep);
	return add_key(k, now, e);
}

int32_t token_keys_rotate(struct token_keys *k, uint64_t now, uint64_t age, uint64_t keep,
			  bool *rotated, struct error *e)
{
	uint32_t before = k->list.keys[0].id;
	int32_t result;
	int fd;

	*rotated = false;
	if (now < k->list.keys[0].made + age)
		return ADIT_OK;
	fd = lock(k->path, e);
	if (fd < 0)
		return ADIT_E_IO;
	result = rotate_locked(k, now, age, keep, e);
	close(fd);
	*rotated = k->list.keys[0].id != before;
	return result;
}

void *token_keys_newest(const struct token_keys *k, uint32_t *id)
{
	*id = k->list.keys[0].id;
	return k->list.keys[0].context;
}

void *token_keys_find(const struct token_keys *k, uint32_t id)
{
	for (size_t i = 0; i < k->list.count; i++) {
		if (k->list.keys[i].id == id)
			return k->list.keys[i].context;
	}
	return NULL;
}

size_t token_keys_count(const struct token_keys *k)
{
	return k->list.count;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/block_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/file.h"
#include "lib/util/hex.h"

#define HEADER_SIZE 80
#define NAME_SIZE (sizeof("block-.hex") + 64)

/* False when DIR is too long to hold a file. */
static bool file_path(const char *dir, const uint8_t hash[32], const char *end, char out[PATH_MAX])
{
	char hex[65];

	hex_encode_reversed(hash, 32, hex);
	int n = snprintf(out, PATH_MAX, "%s/block-%s%s", dir, hex, end);
	return n > 0 && n < PATH_MAX;
}

static int32_t io_error(struct error *e, const char *path)
{
	return error_set(e, ADIT_E_IO, "%s: %s", path, strerror(errno));
}

static int32_t write_file(const char *path, const char *text, size_t size, struct error *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return io_error(e, path);
	bool written = file_write_all(fd, text, size);
	int32_t r = written ? ADIT_OK : io_error(e, path);
	if (close(fd) != 0 && written)
		r = io_error(e, path);
	if (r != ADIT_OK)
		unlink(path);
	return r;
}

int32_t block_files_write(const char *dir, const uint8_t hash[32], const uint8_t *block, size_t size,
			 struct error *e)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	char *text;
	int32_t r;

	if (!file_path(dir, hash, ".hex", path) || !file_path(dir, hash, ".new", temporary))
		return error_set(e, ADIT_E_IO, "%s: the name is too long", dir);
	text = malloc(2 * size + 1);
	if (text == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory to note a block");
	hex_encode(block, size, text);
	text[2 * size] = '\n';
	r = write_file(temporary, text, 2 * size + 1, e);
	free(text);
	if (r == ADIT_OK && rename(temporary, path) != 0) {
		r = io_error(e, path);
		unlink(temporary);
	}
	return r;
}

static int32_t sync_path(const char *path, int flags, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	int32_t r;

	if (fd < 0)
		return io_error(e, path);
	r = fsync(fd) == 0 ? ADIT_OK : io_error(e, path);
	close(fd);
	return r;
}

int32_t block_files_sync(const char *dir, const uint8_t hash[32], struct error *e)
{
	char path[PATH_MAX];

	if (!file_path(dir, hash, ".hex", path))
		return error_set(e, ADIT_E_IO, "%s: the name is too long", dir);
	int32_t r = sync_path(path, 0, e);
	return r == ADIT_OK ? sync_path(dir, O_DIRECTORY, e) : r;
}

void block_files_remove(const char *dir, const uint8_t hash[32])
{
	char path[PATH_MAX];

	if (file_path(dir, hash, ".hex", path))
		unlink(path);
}

/* Reads the one line of the file; NULL when it can't be the hexadecimal of a block. *SIZE: digits.
 */
static char *read_text(int dir_fd, const char *name, size_t *size)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *text = NULL;
	ssize_t n = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 2 * HEADER_SIZE &&
	    st.st_size <= (off_t)2 * BLOCK_FILES_SIZE_MAX + 1)
		text = malloc((size_t)st.st_size + 1);
	for (*size = 0; text != NULL && *size < (size_t)st.st_size; *size += (size_t)n) {
		n = read(fd, text + *size, (size_t)st.st_size - *size);
		if (n <= 0)
			break;
	}
	close(fd);
	if (text == NULL)
		return NULL;
	if (*size > 0 && text[*size - 1] == '\n')
		--*size;
	text[*size] = '\0';
	return text;
}

static bool load_file(int dir_fd, const char *name, const uint8_t hash[32], block_files_fn fn,
		      void *user)
{
	size_t digits;
	char *text = read_text(dir_fd, name, &digits);
	size_t size = text != NULL ? digits / 2 : 0;
	uint8_t *block = size > HEADER_SIZE ? malloc(size) : NULL;
	uint8_t found[32];
	bool good = block != NULL && hex_decode(text, block, size);

	if (good) {
		sha256d_header(block, found);
		good = memcmp(found, hash, 32) == 0;
	}
	if (good)
		fn(user, hash, block, size);
	free(block);
	free(text);
	return good;
}

static bool parse_name(const char *name, uint8_t hash[32])
{
	char hex[65];

	if (strlen(name) != NAME_SIZE - 1 || strncmp(name, "block-", 6) != 0 ||
	    strcmp(name + 6 + 64, ".hex") != 0)
		return false;
	memcpy(hex, name + 6, 64);
	hex[64] = '\0';
	return hex_decode_reversed(hex, hash, 32);
}

size_t block_files_load(const char *dir, block_files_fn fn, void *user, size_t *damaged)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	uint8_t hash[32];
	size_t count = 0;

	*damaged = 0;
	if (d == NULL)
		return 0;
	while (count < BLOCK_FILES_MAX && (entry = readdir(d)) != NULL) {
		if (!parse_name(entry->d_name, hash))
			continue;
		if (load_file(dirfd(d), entry->d_name, hash, fn, user))
			count++;
		else
			++*damaged;
	}
	closedir(d);
	return count;
}

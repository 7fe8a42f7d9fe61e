/* SPDX-License-Identifier: MIT */
/* keyfile.c: the files that hold an authority's secret and its public key. */
#include "config.h"

#include "lib/noise/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/noise/keyfile.h"
#include "lib/noise/secp.h"
#include "lib/util/file.h"
#include "lib/util/random.h"

#define LINE_SIZE (NOISE_KEY_TEXT_SIZE + 1) /* a key, its newline and a NUL */

static int32_t io_error(struct error *e, const char *path, const char *what)
{
	return error_set(e, errno == ENOENT ? ADIT_E_NOT_FOUND : ADIT_E_IO, "%s: %s: %s", path,
			 what, strerror(errno));
}

/* Load ----------------------------------------------------------------------------------------- */

static int32_t check_file(int fd, const char *path, bool secret, struct stat *st, struct error *e)
{
	if (fstat(fd, st) != 0)
		return io_error(e, path, "fstat");
	if (!S_ISREG(st->st_mode))
		return error_set(e, ADIT_E_CONFIG, "%s: not a regular file", path);
	if (secret && (st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return error_set(e, ADIT_E_PERMISSION_DENIED,
				 "%s: others than the owner of this secret can get at it (mode "
				 "%04o): chmod 600 %s",
				 path, (unsigned)(st->st_mode & 07777u), path);
	return ADIT_OK;
}

static int32_t read_text(int fd, const char *path, char *text, size_t capacity, struct error *e)
{
	ssize_t size = file_read_all(fd, text, capacity - 1);

	text[size < 0 ? 0 : size] = '\0';
	return size < 0 ? io_error(e, path, "read") : ADIT_OK;
}

int32_t keyfile_read(const char *path, unsigned flags, char *text, size_t capacity, struct stat *st,
		     struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
				((flags & KEYFILE_NO_LINK) != 0 ? O_NOFOLLOW : 0));
	struct stat own;
	int32_t code;

	text[0] = '\0';
	if (fd < 0)
		return io_error(e, path, "open");
	code = check_file(fd, path, (flags & KEYFILE_SECRET) != 0, st != NULL ? st : &own, e);
	if (code == ADIT_OK)
		code = read_text(fd, path, text, capacity, e);
	(void)close(fd);
	return code;
}

static int32_t load(const char *path, bool secret, uint8_t key[32], struct error *e)
{
	char text[LINE_SIZE];
	struct error why;
	int32_t code = keyfile_read(path, secret ? KEYFILE_SECRET : 0, text, sizeof(text), NULL, e);

	/* The first line; of a longer one the key's checksum shows that it was cut. */
	text[strcspn(text, "\r\n")] = '\0';
	if (code == ADIT_OK &&
	    (secret ? noise_secret_parse : noise_public_parse)(text, key, &why) != ADIT_OK)
		code = error_set(e, ADIT_E_CONFIG, "%s: %s", path, why.text);
	secure_wipe(text, sizeof(text));
	return code;
}

int32_t noise_key_load(const char *path, uint8_t secret[32], struct error *e)
{
	return load(path, true, secret, e);
}

int32_t noise_public_load(const char *path, uint8_t public_x[32], struct error *e)
{
	return load(path, false, public_x, e);
}

/* Create --------------------------------------------------------------------------------------- */

static int32_t write_beside(const char *path, mode_t mode, const char *text, char beside[PATH_MAX],
			    struct error *e)
{
	const char *failed = file_write_beside(path, mode, text, strlen(text), "\n", beside);

	return failed ? io_error(e, path, failed) : ADIT_OK;
}

/* Gives the file its name. A link and not a rename, since link(2) refuses to replace a file. */
static int32_t link_new(const char *beside, const char *path, struct error *e)
{
	int32_t code = ADIT_OK;

	if (link(beside, path) != 0) {
		if (errno == EEXIST)
			code = error_set(e, ADIT_E_EXISTS,
					 "%s: exists already and is not overwritten", path);
		else
			code = io_error(e, path, "link");
	}
	(void)unlink(beside);
	return code;
}

int32_t noise_key_create(const char *path, uint8_t secret[32], struct error *e)
{
	char beside[PATH_MAX];
	char text[NOISE_KEY_TEXT_SIZE];
	int32_t code;

	secp_generate(secret);
	noise_secret_format(secret, text);
	code = write_beside(path, S_IRUSR | S_IWUSR, text, beside, e);
	secure_wipe(text, sizeof(text));
	if (code == ADIT_OK)
		code = link_new(beside, path, e);
	if (code == ADIT_OK && !file_sync_directory_of(path))
		code = io_error(e, path, "sync of its directory");
	if (code != ADIT_OK)
		secure_wipe(secret, 32);
	return code;
}

int32_t keyfile_replace(const char *path, mode_t mode, const char *text, struct error *e)
{
	char beside[PATH_MAX];
	int32_t code = write_beside(path, mode, text, beside, e);

	if (code != ADIT_OK)
		return code;
	if (rename(beside, path) == 0)
		return file_sync_directory_of(path) ? ADIT_OK
						    : io_error(e, path, "sync of its directory");
	code = io_error(e, path, "rename");
	(void)unlink(beside);
	return code;
}

int32_t noise_public_store(const char *path, const uint8_t public_x[32], struct error *e)
{
	char text[NOISE_KEY_TEXT_SIZE];

	noise_public_format(public_x, text);
	return keyfile_replace(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, text, e);
}

int32_t noise_key_load_or_create(const char *path, uint8_t secret[32], struct error *e)
{
	int32_t code = noise_key_load(path, secret, e);

	if (code != ADIT_E_NOT_FOUND)
		return code;
	code = noise_key_create(path, secret, e);
	/* Another worker of the role was faster: all of them use its key. */
	return code == ADIT_E_EXISTS ? noise_key_load(path, secret, e) : code;
}

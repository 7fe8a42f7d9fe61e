/* SPDX-License-Identifier: MIT */
/*
 * Feeds files to a fuzz target, without libFuzzer: all files of the directories that are given and
 * of their directories, by default those of the target's own corpus in the source tree ($srcdir,
 * which `make check` sets). A target that is several in one (FUZZ_SELECTS) is told the name of each
 * directory inside.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)16 << 20)
#define PATH_SIZE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#ifdef FUZZ_SELECTS
void fuzz_select(const char *name);
#endif

static uint8_t *read_all(FILE *in, size_t *size)
{
	uint8_t *data = NULL;
	uint8_t *exact;
	size_t capacity = 0;

	for (*size = 0; !feof(in) && !ferror(in) && *size < FILE_MAX;) {
		if (*size == capacity) {
			uint8_t *more = realloc(data, capacity + 65536);

			if (more == NULL)
				abort();
			data = more;
			capacity += 65536;
		}
		*size += fread(data + *size, 1, capacity - *size, in);
	}
	/* A block of just that size lets AddressSanitizer see a read past the end. */
	exact = realloc(data, *size > 0 ? *size : 1);
	return exact != NULL ? exact : data;
}

static bool replay_file(const char *path)
{
	FILE *in = fopen(path, "rb");
	uint8_t *data;
	size_t size;
	bool good;

	if (in == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	data = read_all(in, &size);
	good = !ferror(in);
	(void)fclose(in);
	if (good)
		(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return good;
}

static int replay_directory(const char *directory);

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory NAME at PATH. */
static int replay_inside(const char *path, const char *name)
{
#ifdef FUZZ_SELECTS
	fuzz_select(name);
#else
	(void)name;
#endif
	return replay_directory(path);
}

/* One entry of a directory: how many files it was, -1 on an error. */
static int replay_entry(const char *directory, const char *name)
{
	char path[PATH_SIZE];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, name);

	if (length < 0 || (size_t)length >= sizeof(path))
		return -1;
	if (is_directory(path))
		return replay_inside(path, name);
	return replay_file(path) ? 1 : -1;
}

/* Returns how many files there were, -1 on an error. */
static int replay_directory(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *entry;
	int count = 0;

	if (d == NULL) {
		fprintf(stderr, "%s: %s\n", directory, strerror(errno));
		return -1;
	}
	while (count >= 0 && (entry = readdir(d)) != NULL) {
		int files;

		if (entry->d_name[0] == '.')
			continue;
		files = replay_entry(directory, entry->d_name);
		count = files < 0 ? -1 : count + files;
	}
	(void)closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir");
	char corpus[PATH_SIZE];
	char *own[] = {corpus};
	char **directories = argc > 1 ? argv + 1 : own;
	int count = argc > 1 ? argc - 1 : 1;
	int files = 0;

	(void)snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s",
		       source != NULL ? source : ".", FUZZ_TARGET);
	for (int i = 0; i < count; i++) {
		int n = replay_directory(directories[i]);

		if (n < 0)
			return EXIT_FAILURE;
		files += n;
	}
	printf("%s: %d files replayed\n", FUZZ_TARGET, files);
	return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

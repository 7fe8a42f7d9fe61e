/* SPDX-License-Identifier: MIT */
/* new_plugin.c: `new-plugin` writes a directory with a plugin that can be built at once. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 31 /* as for every role */

struct skeleton_file {
	const char *name;
	const char *const *lines; /* ended by NULL */
};

/* skeleton_files[], made of host/aditctl/skeleton/ */
#include "host/aditctl/skeleton_files.h"

/* A name of a role that can be made into the name of a C function. */
static bool name_valid(const char *name)
{
	size_t size = strlen(name);

	return size > 0 && size <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static bool name_reserved(const char *name)
{
	static const char *const names[] = {"host", "node", "control", "aditd"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Writes TEXT with @NAME@ and, for C, @IDENT@ (the name with _ for -) filled in. */
static void put_filled(FILE *f, const char *text, const char *name)
{
	static const char mark_name[] = "@NAME@", mark_ident[] = "@IDENT@";

	while (*text != '\0') {
		if (strncmp(text, mark_name, strlen(mark_name)) == 0) {
			fputs(name, f);
			text += strlen(mark_name);
		} else if (strncmp(text, mark_ident, strlen(mark_ident)) == 0) {
			for (const char *at = name; *at != '\0'; at++)
				fputc(*at == '-' ? '_' : *at, f);
			text += strlen(mark_ident);
		} else {
			fputc(*text++, f);
		}
	}
}

/* Writes one file into DIRECTORY; false, with errno set, when that fails. PATH is where. */
static bool write_file(const struct skeleton_file *file, const char *directory, const char *name,
		       char *path, size_t capacity)
{
	FILE *f;
	bool good;

	f = fmemopen(path, capacity, "w");
	if (f == NULL)
		return false;
	fprintf(f, "%s/", directory);
	put_filled(f, file->name, name);
	if (fclose(f) != 0)
		return false;
	f = fopen(path, "wx");
	if (f == NULL)
		return false;
	for (const char *const *line = file->lines; *line != NULL; line++)
		put_filled(f, *line, name);
	good = ferror(f) == 0;
	return fclose(f) == 0 && good;
}

int command_new_plugin(const struct options *o)
{
	const char *name = o->arguments[0];
	char path[128]; /* a name is short */

	if (!name_valid(name) || name_reserved(name)) {
		fprintf(
		    stderr,
		    "aditctl: new-plugin: `%.60s`: expected a name of at most %d of a-z 0-9 - _ "
		    "that begins with a letter, and not host, node, control or aditd\n",
		    name, NAME_MAX_BYTES);
		return EXIT_USAGE;
	}
	if (mkdir(name, 0777) != 0) {
		fprintf(stderr, "aditctl: new-plugin: %s: %s%s\n", name, strerror(errno),
			errno == EEXIST ? "; choose another name, or remove it" : "");
		return EXIT_REFUSED;
	}
	for (size_t i = 0; i < sizeof(skeleton_files) / sizeof(skeleton_files[0]); i++) {
		if (write_file(&skeleton_files[i], name, name, path, sizeof(path)))
			continue;
		fprintf(stderr, "aditctl: new-plugin: %s: %s\n", path, strerror(errno));
		return EXIT_REFUSED;
	}
	printf("%s/ is written; next:\n"
	       "  cd %s && make\n"
	       "  read %s/README and adit-plugin(7)\n"
	       "Where root has not installed it, [%s] in the configuration needs: grant = all\n",
	       name, name, name, name);
	return EXIT_OK;
}

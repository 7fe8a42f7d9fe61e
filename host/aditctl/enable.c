/* SPDX-License-Identifier: MIT */
/* enable.c: `enable` and `disable`: change the line `enabled` of a role in its own file, with the
 * rights of who asks, and have aditd read it. The rest of the file stays as it is, byte for byte.
 */
#include "config.h"

#include "host/aditctl/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/aditctl/edit.h"
#include "host/aditctl/json.h"

#define ENABLE_MS 30000
#define ENABLE_FILE_MAX ((size_t)256 * 1024)

/* The file of configuration that is edited. */
struct subject {
	char *path;      /* without symbolic links */
	struct buf text; /* as it was */
	struct stat st;
};

static void subject_free(struct subject *s)
{
	buf_free(&s->text);
	free(s->path);
}

static bool subject_read(struct subject *s, const char *file)
{
	int fd;
	ssize_t n = -1;

	s->text.limit = ENABLE_FILE_MAX + 1;
	s->path = realpath(file, NULL);
	fd = s->path != NULL ? open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd < 0 || fstat(fd, &s->st) != 0 || !S_ISREG(s->st.st_mode) ||
	    s->st.st_size > (off_t)ENABLE_FILE_MAX) {
		fprintf(stderr, "aditctl: %s: %s\n", file,
			fd < 0 ? strerror(errno) : "no regular file of at most 256 KiB");
		if (fd >= 0)
			close(fd);
		return false;
	}
	do {
		uint8_t *at = buf_reserve(&s->text, 4096);

		n = at != NULL ? read(fd, at, 4096) : -1;
		if (n > 0)
			s->text.size += (size_t)n;
	} while (n > 0);
	close(fd);
	if (n < 0)
		fprintf(stderr, "aditctl: %s: can't be read\n", file);
	return n == 0;
}

/* Puts TEXT in the place of the file in one step, with the same owner and mode. */
static bool subject_write(const struct subject *s, const struct buf *text)
{
	char temporary[4200];
	size_t done = 0;
	ssize_t n = 0;
	int fd;
	bool good;

	snprintf(temporary, sizeof(temporary), "%s.new", s->path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	while (done < text->size && (n = write(fd, text->data + done, text->size - done)) > 0)
		done += (size_t)n;
	good = done == text->size &&
	       ((s->st.st_uid == geteuid() && s->st.st_gid == getegid()) ||
		fchown(fd, s->st.st_uid, s->st.st_gid) == 0) &&
	       fchmod(fd, s->st.st_mode & 07777) == 0 && fsync(fd) == 0;
	close(fd);
	good = good && rename(temporary, s->path) == 0;
	if (!good) {
		int why = errno;

		unlink(temporary);
		errno = why;
	}
	return good;
}

/* Asks for ROLE's section; NULL after a message. The caller's. */
static struct json_object *enable_config(struct control *c, const char *role, int *status)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result;
	struct error e;

	json_object_object_add(params, "role", json_object_new_string(role));
	*status = EXIT_OK;
	if (control_request(c, "config", params, ENABLE_MS, &result, &e) != ADIT_OK) {
		*status = command_failed(c, &e);
		if (c->refused)
			fprintf(stderr,
				"aditctl: to use a role, write a file with [%s] into conf.d "
				"beside adit.conf; `aditctl roles` shows what is installed\n",
				role);
		json_object_put(result);
		result = NULL;
	}
	json_object_put(params);
	return result;
}

/* Has aditd read the file; when it refuses, the file is put back. */
static int enable_reload(const struct options *o, struct control *c, const struct subject *s)
{
	struct json_object *result;
	struct error e;
	int status;

	if (control_request(c, "reload", NULL, ENABLE_MS, &result, &e) != ADIT_OK)
		status = command_failed(c, &e);
	else
		status = reload_report(o, result);
	json_object_put(result);
	if (status == EXIT_REFUSED && !subject_write(s, &s->text))
		fprintf(stderr, "aditctl: %s: %s: it stays changed\n", s->path, strerror(errno));
	else if (status == EXIT_REFUSED)
		fprintf(stderr, "aditctl: %s is as it was\n", s->path);
	return status;
}

static int enable_file(const struct options *o, struct control *c, const char *role,
		       const char *file, bool enabled)
{
	struct subject s = {0};
	struct buf after = {.limit = ENABLE_FILE_MAX + 4096};
	enum edit_result result;
	unsigned line = 0;
	int status = EXIT_REFUSED;

	if (!subject_read(&s, file)) {
		subject_free(&s);
		return EXIT_REFUSED;
	}
	result = edit_enabled((const char *)s.text.data, s.text.size, role, enabled, &after, &line);
	if (result == EDIT_MISSING) {
		fprintf(stderr,
			"aditctl: [%s] is no longer in %s; `aditctl reload` and try again\n", role,
			s.path);
	} else if (result == EDIT_DONE && !subject_write(&s, &after)) {
		fprintf(stderr,
			"aditctl: %s: %s; as a user who may change it write `enabled = %s` below "
			"[%s] (line %u), then `aditctl reload`\n",
			s.path, strerror(errno), enabled ? "yes" : "no", role, line);
	} else {
		status = result == EDIT_DONE ? enable_reload(o, c, &s) : EXIT_OK;
		if (status == EXIT_OK && !o->json)
			printf("%s %s %s (%s:%u)\n", role,
			       result == EDIT_DONE ? "is now" : "was already",
			       enabled ? "enabled" : "disabled", s.path, line);
	}
	buf_free(&after);
	subject_free(&s);
	return status;
}

static int enable(const struct options *o, bool enabled)
{
	const char *role = o->arguments[0];
	struct json_object *result;
	struct control c;
	int status;

	if (strcmp(role, "host") == 0 || strcmp(role, "node") == 0) {
		fprintf(stderr, "aditctl: %s always runs\n", role);
		return EXIT_USAGE;
	}
	if (strchr(role, '/') != NULL) {
		fprintf(stderr,
			"aditctl: [%s] is a part of a role: add its section to the file or take "
			"it out, and run `aditctl reload`\n",
			role);
		return EXIT_USAGE;
	}
	status = command_connect(o, &c);
	if (status != EXIT_OK)
		return status;
	result = enable_config(&c, role, &status);
	if (result != NULL) {
		struct json_object *section =
		    json_element(json_array_member(result, "sections"), 0);

		status = enable_file(o, &c, role, json_text(section, "file", ""), enabled);
		json_object_put(result);
	}
	control_close(&c);
	return status;
}

int command_enable(const struct options *o)
{
	return enable(o, true);
}

int command_disable(const struct options *o)
{
	return enable(o, false);
}

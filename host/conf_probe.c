/* SPDX-License-Identifier: MIT */
/* conf_probe.c: what `aditd --check` looks at besides the files: whether this machine lets the
 * configuration work. What another user may be allowed to do is a warning only, since the check may
 * be run by another one than aditd. */
#include "config.h"

#include "host/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/address.h"
#include "host/conf_probe_node.h"
#include "lib/bitcoin/address.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define PROBE_ANSWER_MAX ((size_t)4 << 20)
#define PROBE_ANSWER_MS 2000

struct probe {
	const struct conf *conf;
	struct problems *problems;
	struct buf running; /* what the running aditd says of its roles; empty: none runs */
};

/* --- the running aditd --------------------------------------------------------------------------
 */

static int probe_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int why = errno;

		(void)close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* Asks the aditd at the control socket, if there is one, where its roles listen. */
static void probe_running(struct probe *p)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roles\"}\n";
	uint64_t end = clock_monotonic_ms() + PROBE_ANSWER_MS;
	int fd = probe_connect(p->conf->control_socket);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	bool more = fd >= 0 && write(fd, request, strlen(request)) == (ssize_t)strlen(request);

	while (more && clock_monotonic_ms() < end && poll(&wait, 1, 100) >= 0) {
		uint8_t *at = buf_reserve(&p->running, 65536);
		ssize_t n;

		if ((wait.revents & (POLLIN | POLLHUP)) == 0)
			continue;
		n = at != NULL ? read(fd, at, 65536) : -1;
		if (n > 0)
			p->running.size += (size_t)n;
		more = n > 0 && p->running.data[p->running.size - 1] != '\n';
	}
	if (fd >= 0)
		(void)close(fd);
	(void)buf_append_u8(&p->running, 0);
}

/* Whether the running aditd listens at ADDRESS. */
static bool probe_is_ours(const struct probe *p, const char *address)
{
	char quoted[ADDRESS_TEXT_MAX + 2];

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", address);
	return p->running.size > 1 && strstr((const char *)p->running.data, quoted) != NULL;
}

/* --- addresses ----------------------------------------------------------------------------------
 */

/* Directories that aditd makes itself. */
static bool probe_made_by_us(const struct conf *conf, const char *directory)
{
	return strcmp(directory, conf->state_dir) == 0 || strcmp(directory, conf->run_dir) == 0;
}

/* Whether a role of this configuration listens at the socket PATH. */
static bool probe_role_listens(const struct conf *conf, const char *path)
{
	size_t size = strlen(path);

	for (size_t i = 0; i < conf->role_count; i++) {
		const struct conf_role *role = conf->roles[i];

		for (size_t j = 0; role->enabled && j < role->setting_count; j++) {
			const char *at = role->settings[j].type == SCHEMA_LISTEN
					     ? strstr(role->settings[j].value, path)
					     : NULL;

			/* "unix:PATH", whole */
			if (at != NULL && at[-1] == ':' && (at[size] == ',' || at[size] == '\0'))
				return true;
		}
	}
	return false;
}

/* A socket that a role connects to: somebody has to be there. */
static void probe_peer(struct probe *p, const struct conf_role *role, const struct conf_setting *s,
		       const char *path)
{
	int fd;

	if (probe_role_listens(p->conf, path))
		return;
	fd = probe_connect(path);
	if (fd >= 0)
		(void)close(fd);
	else
		problems_warn(p->problems, s->file != NULL ? s->file : role->file,
			      s->file != NULL ? s->line : role->line,
			      "%s: %s can't be reached: %s; and no enabled role listens there",
			      s->key, path, strerror(errno));
}

static void probe_unix(struct probe *p, const struct conf_role *role, const struct conf_setting *s,
		       const char *path)
{
	const char *file = s->file != NULL ? s->file : role->file;
	unsigned line = s->file != NULL ? s->line : role->line;
	char directory[4096];
	struct stat st;
	int fd;

	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path),
		       path);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		problems_add(p->problems, file, line, "%s: %s is longer than 107 bytes", s->key,
			     path);
		return;
	}
	if (directory[0] != '\0' && stat(directory, &st) != 0) {
		if (!probe_made_by_us(p->conf, directory))
			problems_add(p->problems, file, line, "%s: %s: %s", s->key, directory,
				     strerror(errno));
		return;
	}
	if (access(directory[0] != '\0' ? directory : "/", W_OK) != 0)
		problems_warn(p->problems, file, line, "%s: %s can't be written: %s", s->key,
			      directory, strerror(errno));
	fd = probe_connect(path);
	if (fd >= 0) {
		problems_add(p->problems, file, line, "%s: another process listens at %s", s->key,
			     path);
		(void)close(fd);
	} else if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		problems_add(p->problems, file, line,
			     "%s: %s: a file that is no socket is in the way", s->key, path);
	}
}

/* Tries to bind as the host would. */
static void probe_port(struct probe *p, const struct conf_role *role, const struct conf_setting *s,
		       const char *text)
{
	const char *file = s->file != NULL ? s->file : role->file;
	unsigned line = s->file != NULL ? s->line : role->line;
	struct sockaddr_storage address;
	socklen_t size;
	int one = 1;
	int fd;

	if (!address_sockaddr(text, &address, &size))
		return;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0)
		;
	else if (errno == EADDRINUSE)
		problems_add(p->problems, file, line,
			     "%s: %s is in use by another program; `ss -ltnp` shows which", s->key,
			     text);
	else if (errno == EACCES)
		problems_warn(p->problems, file, line,
			      "%s: %s: this user may not listen there; ports below 1024 need "
			      "CAP_NET_BIND_SERVICE",
			      s->key, text);
	else
		problems_add(p->problems, file, line, "%s: %s: %s", s->key, text, strerror(errno));
	(void)close(fd);
}

static void probe_addresses(struct probe *p, const struct conf_role *role,
			    const struct conf_setting *s)
{
	bool listens = s->type == SCHEMA_LISTEN;
	char *list = strdup(s->value);
	char *at = NULL;

	for (char *item = list != NULL ? strtok_r(list, ",", &at) : NULL; item != NULL;
	     item = strtok_r(NULL, ",", &at)) {
		if (!listens)
			item[strcspn(item, " ")] = '\0'; /* a key may follow */
		if (listens && probe_is_ours(p, item))
			continue;
		if (strncmp(item, "unix:/", 6) == 0 && listens)
			probe_unix(p, role, s, item + 5);
		else if (strncmp(item, "unix:/", 6) == 0)
			probe_peer(p, role, s, item + 5);
		else if (listens)
			probe_port(p, role, s, item);
	}
	free(list);
}

/* --- directories --------------------------------------------------------------------------------
 */

/* Where KEY of [host] stands; the main file without a line when it is a default. */
static void probe_host_place(const struct conf *conf, const char *key, const char **file,
			     unsigned *line)
{
	*file = conf->file;
	*line = 0;
	for (size_t i = 0; i < conf->host_count; i++) {
		if (strcmp(conf->host[i].key, key) == 0 && conf->host[i].file != NULL) {
			*file = conf->host[i].file;
			*line = conf->host[i].line;
		}
	}
}

/* Whether aditd will be able to make or to use the directory that KEY of [host] names. */
static void probe_directory(struct probe *p, const char *key, const char *path)
{
	const struct conf *conf = p->conf;
	const char *file;
	unsigned line;
	char part[4096];
	struct stat st;

	probe_host_place(conf, key, &file, &line);
	(void)snprintf(part, sizeof(part), "%s", path);
	while (stat(part, &st) != 0 && errno == ENOENT && strrchr(part, '/') != part)
		*strrchr(part, '/') = '\0'; /* the nearest that exists: aditd makes the rest */
	if (stat(part, &st) != 0 && errno == EACCES)
		problems_warn(p->problems, file, line, "%s: %s: %s", key, part, strerror(errno));
	else if (stat(part, &st) != 0)
		problems_add(p->problems, file, line, "%s: %s: %s", key, part, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		problems_add(p->problems, file, line, "%s: %s is no directory", key, part);
	else if (access(part, W_OK | X_OK) != 0)
		problems_warn(p->problems, file, line,
			      "%s: user %u may not write to %s: has aditd another one?", key,
			      (unsigned)geteuid(), part);
}

/* The socket of aditctl. */
static void probe_control(struct probe *p)
{
	const char *path = p->conf->control_socket;
	const char *file;
	unsigned line;
	char directory[4096];
	struct stat st;

	probe_host_place(p->conf, "control_socket", &file, &line);
	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path),
		       path);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		problems_add(p->problems, file, line, "control_socket: %s is longer than 107 bytes",
			     path);
	else if (directory[0] != '\0' && !probe_made_by_us(p->conf, directory) &&
		 stat(directory, &st) != 0)
		problems_add(p->problems, file, line, "control_socket: %s: %s", directory,
			     strerror(errno));
	else if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		problems_add(p->problems, file, line,
			     "control_socket: %s: a file that is no socket is in the way", path);
}

/* --- keys and payouts ---------------------------------------------------------------------------
 */

/* The secret of conf_known_public, in its two text forms. */
static const char *const probe_test_secrets[] = {
    "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n",
    "65995eb19631f478a46ffa5cf1e545091efe950eaeac7482ffdc06eb6a89f697",
};
static bool probe_is_main(const struct probe *p)
{
	return strcmp(p->conf->network, "main") == 0;
}

static void probe_secret_file(struct probe *p, const char *file, unsigned line, const char *key,
			      const char *path)
{
	char text[256] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		if (errno != ENOENT)
			problems_warn(p->problems, file, line, "%s: %s: %s", key, path,
				      strerror(errno));
		return;
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		problems_add(p->problems, file, line,
			     "%s: %s is open to other users (mode %03o): chmod 600 %s", key, path,
			     (unsigned)(st.st_mode & 0777u), path);
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	(void)close(fd);
	for (size_t i = 0; probe_is_main(p) && i < 2; i++) {
		if (strstr(text, probe_test_secrets[i]) != NULL)
			problems_add(p->problems, file, line,
				     "%s: %s holds a test key whose secret everybody knows; on "
				     "network main make an own one",
				     key, path);
	}
	explicit_bzero(text, sizeof(text));
}

/* Keys that a role has made in its own directory. */
static void probe_own_keys(struct probe *p, const struct conf_role *role)
{
	char pattern[4096];
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/%s/*.key", p->conf->state_dir, role->instance);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		probe_secret_file(p, role->file, role->line, role->instance, found.gl_pathv[i]);
	globfree(&found);
}

/* A value that nobody is shown, in a file that everybody can open. */
static void probe_secret_value(struct probe *p, const struct conf_setting *s)
{
	struct stat st;

	if (s->file != NULL && stat(s->file, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		problems_warn(p->problems, s->file, s->line,
			      "%s: every user can read this file (mode %03o): chmod 640 %s", s->key,
			      (unsigned)(st.st_mode & 0777u), s->file);
}

static void probe_role(struct probe *p, const struct conf_role *role)
{
	for (size_t i = 0; i < role->setting_count; i++) {
		const struct conf_setting *s = &role->settings[i];

		if (s->type == SCHEMA_LISTEN || s->type == SCHEMA_CONNECT)
			probe_addresses(p, role, s);
		else if (s->type == SCHEMA_PATH && s->secret)
			probe_secret_file(p, s->file, s->line, s->key, s->value);
		else if (s->secret)
			probe_secret_value(p, s);
	}
	probe_own_keys(p, role);
	if (strcmp(role->manifest->name, "template-provider") == 0)
		conf_probe_templates(p->conf, role, p->problems);
}

void conf_probe(const struct conf *conf, struct problems *problems)
{
	struct probe p = {.conf = conf, .problems = problems};

	p.running.limit = PROBE_ANSWER_MAX;
	probe_running(&p);
	probe_directory(&p, "state_dir", conf->state_dir);
	probe_directory(&p, "run_dir", conf->run_dir);
	probe_control(&p);
	for (size_t i = 0; i < conf->role_count; i++) {
		if (conf->roles[i]->enabled && conf->roles[i]->manifest != NULL)
			probe_role(&p, conf->roles[i]);
	}
	conf_probe_node(conf, problems);
	buf_free(&p.running);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/clock.h"

#define REPORT_BYTES 12000
#define PAUSE_MS 20

struct harness harness;

/* --- directory ----------------------------------------------------------------------------------
 */

void harness_setup(void)
{
	const char *place;

	memset(&harness, 0, sizeof(harness));
	harness.control.fd = -1;
	/* A path of a Unix socket has room for 107 bytes. */
	place = getenv("TMPDIR");
	if (place == NULL || strlen(place) > 32)
		place = "/tmp";
	snprintf(harness.directory, sizeof(harness.directory), "%s/adit-func-XXXXXX", place);
	ck_assert_ptr_nonnull(mkdtemp(harness.directory));
	snprintf(harness.config, sizeof(harness.config), "%s/adit.conf", harness.directory);
	snprintf(harness.log, sizeof(harness.log), "%s/log", harness.directory);
	snprintf(harness.socket, sizeof(harness.socket), "%s/control.sock", harness.directory);
	harness.port = harness_free_port();
	harness.workers = 1;
	/* Orphans of the daemon come to this process: so none can be left behind unseen. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

void harness_teardown(void)
{
	if (harness.pid > 0)
		harness_stop();
	if (getenv("ADIT_TEST_KEEP") == NULL)
		nftw(harness.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void harness_report(void)
{
	static char text[REPORT_BYTES + 1];
	FILE *f = fopen(harness.log, "r");
	size_t n;

	if (f == NULL)
		return;
	if (fseek(f, -REPORT_BYTES, SEEK_END) != 0)
		rewind(f);
	n = fread(text, 1, REPORT_BYTES, f);
	text[n] = '\0';
	fclose(f);
	fprintf(stderr, "--- end of %s\n%s--- (the directory is kept)\n", harness.log, text);
}

/* --- configuration ------------------------------------------------------------------------------
 */

/* The plugins of a build tree are root's only where root builds. */
static bool is_role(const char *line)
{
	return line[0] == '[' && strncmp(line, "[host]", 6) != 0 &&
	       strncmp(line, "[node]", 6) != 0 && strchr(line, '/') == NULL;
}

void harness_configure(const char *format, ...)
{
	FILE *f = fopen(harness.config, "a");
	char *text, *line, *rest;
	va_list arguments;

	ck_assert_ptr_nonnull(f);
	va_start(arguments, format);
	ck_assert_int_ge(vasprintf(&text, format, arguments), 0);
	va_end(arguments);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && (rest != NULL || *line != '\0'))
		fprintf(f, "%s%s%s", line, rest != NULL ? "\n" : "",
			rest != NULL && is_role(line) && !harness.no_grants ? "grant = all\n" : "");
	free(text);
	ck_assert_int_eq(fclose(f), 0);
}

void harness_configure_pool(const char *nbits, const char *pool_keys)
{
	harness_configure("[host]\n"
			  "state_dir = %s/state\n"
			  "run_dir = %s\n"
			  "plugin_dir = %s\n"
			  "log_level = debug\n"
			  "\n[node]\n"
			  "backend = embedded\n"
			  "network = regtest\n"
			  "embedded_nbits = %s\n",
			  harness.directory, harness.directory,
			  harness.plugins != NULL ? harness.plugins : ADIT_STAGE_PLUGINS, nbits);
	harness_configure("\n[template-provider]\n"
			  "process = templates\n"
			  "listen = unix:%s/tdp.sock%s%s\n"
			  "\n[sv2-server]\n"
			  "process = mining\n"
			  "workers = %u\n"
			  "listen = 127.0.0.1:%u\n"
			  "%s",
			  harness.directory, harness.tp_listen != NULL ? ", " : "",
			  harness.tp_listen != NULL ? harness.tp_listen : "", harness.workers,
			  harness.port,
			  harness.server_keys != NULL ? harness.server_keys : "");
	harness_configure("\n[pool]\n"
			  "process = mining\n"
			  "workers = %u\n"
			  "payout = " HARNESS_ADDRESS "\n"
			  "template_provider = %sunix:%s/tdp.sock\n"
			  "%s",
			  harness.workers, harness.providers != NULL ? harness.providers : "",
			  harness.directory, pool_keys);
}

void harness_configure_miner(const char *name, const char *channel, unsigned hashrate)
{
	harness_configure("\n[cpu-miner@%s]\n"
			  "upstream = 127.0.0.1:%u\n"
			  "authority_key_file = sv2-server/authority.pub\n"
			  "user = %s\n"
			  "threads = 1\n"
			  "channel = %s\n"
			  "hashrate_limit = %u\n",
			  name, harness.port, name, channel, hashrate);
}

uint16_t harness_free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void become_aditd(const char *extra, int out)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* A test that ends early takes the daemon along. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		_exit(99);
	execl(harness.program != NULL ? harness.program : ADITD, "aditd", "-c", harness.config, extra, (char *)NULL);
	_exit(99);
}

int harness_run(const char *extra, char **output)
{
	size_t size = 0, n;
	FILE *collected = open_memstream(output, &size);
	char part[4096];
	int pipes[2], status;
	FILE *from;
	pid_t pid;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		become_aditd(extra, pipes[1]);
	close(pipes[1]);
	from = fdopen(pipes[0], "r");
	while ((n = fread(part, 1, sizeof(part), from)) > 0)
		fwrite(part, 1, n, collected);
	fclose(from);
	fclose(collected);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "aditd was ended by signal %d:\n%s", WTERMSIG(status),
		      *output);
	return WEXITSTATUS(status);
}

int harness_aditctl(const char *arguments, char **output)
{
	char command[1024], part[4096];
	size_t size = 0, n;
	FILE *collected = open_memstream(output, &size);
	FILE *from;
	int status;

	snprintf(command, sizeof(command), ADITCTL " -s %s %s 2>&1", harness.socket, arguments);
	from = popen(command, "r");
	ck_assert_ptr_nonnull(from);
	while ((n = fread(part, 1, sizeof(part), from)) > 0)
		fwrite(part, 1, n, collected);
	status = pclose(from);
	fclose(collected);
	ck_assert_msg(WIFEXITED(status), "aditctl %s: wait status %#x", arguments,
		      (unsigned)status);
	return WEXITSTATUS(status);
}

static bool status_shows(void *text)
{
	char *output;
	bool found;

	must(harness_aditctl("status", &output) == 0, "aditctl status: %s", output);
	found = strstr(output, text) != NULL;
	free(output);
	return found;
}

void harness_wait_status(const char *text)
{
	char what[256], copy[160];

	snprintf(copy, sizeof(copy), "%s", text);
	snprintf(what, sizeof(what), "aditctl status shows \"%s\"", text);
	harness_wait(HARNESS_WAIT_MS, status_shows, copy, what);
}

static bool connects(void *user)
{
	struct error e;
	int status;

	(void)user;
	must(waitpid(harness.pid, &status, WNOHANG) == 0, "aditd ended at start (wait status %#x)",
	     (unsigned)status);
	harness.connected = control_open(&harness.control, harness.socket, &e) == ADIT_OK;
	return harness.connected;
}

void harness_start(void)
{
	int log = open(harness.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_ge(log, 0);
	harness.pid = fork();
	ck_assert_int_ge(harness.pid, 0);
	if (harness.pid == 0)
		become_aditd(NULL, log);
	close(log);
	harness_wait(HARNESS_WAIT_MS, connects, NULL, "the control socket is there");
}

static bool all_run(void *user)
{
	struct json_object *status = harness_status();
	struct json_object *roles = json_array_member(status, "roles");
	const char *node = json_text(json_object_member(status, "node"), "state", "");
	bool good = strcmp(node, "ready") == 0;

	(void)user;
	for (size_t i = 0; i < json_count(roles); i++) {
		const char *state = json_text(json_element(roles, i), "state", "");

		good = good && (strcmp(state, "running") == 0 || strcmp(state, "disabled") == 0);
	}
	json_object_put(status);
	return good;
}

void harness_wait_running(void)
{
	harness_wait(HARNESS_WAIT_MS, all_run, NULL, "the node is ready and all roles run");
}

static bool has_ended(void *user)
{
	int *status = user;
	pid_t pid = waitpid(harness.pid, status, WNOHANG);

	return pid == harness.pid;
}

/* Every descendant that lost its parent is a child of this process now. At the end of aditd all its
 * processes have ended, so at most zombies are to be collected. */
static bool nobody_is_left(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid < 0 && errno == ECHILD;
}

void harness_await_end(void)
{
	int status = 0;

	if (harness.connected)
		control_close(&harness.control);
	harness.connected = false;
	harness_wait(HARNESS_WAIT_MS, has_ended, &status, "aditd has ended");
	harness.pid = 0;
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "aditd ended with wait status %#x",
	     (unsigned)status);
	must(harness.beside || nobody_is_left(), "a process outlived aditd");
	must(access(harness.socket, F_OK) != 0, "the control socket was left behind");
	must(!harness_log_has("Sanitizer") && !harness_log_has("runtime error:"),
	     "a sanitizer complained");
}

void harness_stop(void)
{
	ck_assert_int_gt(harness.pid, 0);
	ck_assert_int_eq(kill(harness.pid, SIGTERM), 0);
	harness_await_end();
}

/* --- looking ------------------------------------------------------------------------------------
 */

struct json_object *harness_request(const char *method, struct json_object *params)
{
	struct json_object *result;
	struct error e;
	int32_t code = control_request(&harness.control, method, params,
				       (int)harness_limit(HARNESS_WAIT_MS), &result, &e);

	must(code == ADIT_OK, "%s: %s", method, e.text);
	return result;
}

struct json_object *harness_status(void)
{
	return harness_request("status", NULL);
}

struct json_object *harness_role(struct json_object *status, const char *name)
{
	struct json_object *roles = json_array_member(status, "roles");

	for (size_t i = 0; i < json_count(roles); i++)
		if (strcmp(json_text(json_element(roles, i), "name", ""), name) == 0)
			return json_element(roles, i);
	return NULL;
}

static struct json_object *worker_of(struct json_object *status, const char *role, size_t index)
{
	return json_element(json_array_member(harness_role(status, role), "workers"), index);
}

struct json_object *harness_worker_said(struct json_object *status, const char *role, size_t index)
{
	return json_object_member(worker_of(status, role, index), "status");
}

pid_t harness_worker_pid(struct json_object *status, const char *role, size_t index)
{
	struct json_object *worker = worker_of(status, role, index);

	if (strcmp(json_text(worker, "state", ""), "running") != 0)
		return 0;
	return (pid_t)json_integer(worker, "pid", 0);
}

static struct json_object *first_worker(struct json_object *status, const char *role)
{
	return worker_of(status, role, 0);
}

struct json_object *harness_said(struct json_object *status, const char *role)
{
	if (strcmp(role, "node") == 0)
		return json_object_member(status, "node");
	return json_object_member(first_worker(status, role), "status");
}

int64_t harness_number(const char *role, const char *key)
{
	struct json_object *status = harness_status();
	int64_t number = json_integer(harness_said(status, role), key, -1);

	json_object_put(status);
	return number;
}

pid_t harness_pid(const char *role)
{
	struct json_object *status = harness_status();
	struct json_object *worker = first_worker(status, role);
	pid_t pid = 0;

	if (strcmp(json_text(worker, "state", ""), "running") == 0)
		pid = (pid_t)json_integer(worker, "pid", 0);
	json_object_put(status);
	return pid;
}

bool harness_log_has(const char *text)
{
	FILE *f = fopen(harness.log, "r");
	char line[4096];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, text) != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

uint64_t harness_limit(uint64_t ms)
{
	const char *slow = getenv("ADIT_TEST_SLOW");
	unsigned long factor = slow != NULL ? strtoul(slow, NULL, 10) : 1;

	return ms * (factor >= 1 && factor <= 100 ? factor : 1);
}

void harness_pause(void)
{
	poll(NULL, 0, PAUSE_MS);
}

void harness_wait(uint64_t ms, bool (*condition)(void *user), void *user, const char *what)
{
	uint64_t until = clock_monotonic_ms() + harness_limit(ms);

	while (!condition(user)) {
		must(clock_monotonic_ms() < until, "gave up waiting until %s", what);
		harness_pause();
	}
}

static bool is_logged(void *user)
{
	return harness_log_has(user);
}

void harness_wait_log(const char *text)
{
	char wanted[512], what[640];

	snprintf(wanted, sizeof(wanted), "%s", text);
	snprintf(what, sizeof(what), "'%s' is in the log", text);
	harness_wait(HARNESS_WAIT_MS, is_logged, wanted, what);
}

struct wanted {
	const char *role;
	const char *key;
	int64_t least;
	int64_t seen;
};

static bool is_reached(void *user)
{
	struct wanted *w = user;

	w->seen = harness_number(w->role, w->key);
	return w->seen >= w->least;
}

int64_t harness_wait_number(const char *role, const char *key, int64_t least, uint64_t ms)
{
	struct wanted w = {role, key, least, -1};
	char what[128];

	snprintf(what, sizeof(what), "%s of %s is %lld", key, role, (long long)least);
	harness_wait(ms, is_reached, &w, what);
	return w.seen;
}

struct successor {
	const char *role;
	pid_t before;
	pid_t now;
};

static bool has_successor(void *user)
{
	struct successor *s = user;

	s->now = harness_pid(s->role);
	return s->now > 0 && s->now != s->before;
}

pid_t harness_kill(const char *role)
{
	struct successor s = {role, harness_pid(role), 0};

	must(s.before > 0, "%s has no process", role);
	ck_assert_int_eq(kill(s.before, SIGKILL), 0);
	harness_wait(HARNESS_WAIT_MS, has_successor, &s, "the killed process has a successor");
	return s.now;
}

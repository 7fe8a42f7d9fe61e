/* SPDX-License-Identifier: MIT */
/* process.c: one role process: fork and exec, its start message, its end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "host/host.h"
#include "host/log.h"
#include "host/role.h"
#include "host/start.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"

extern char **environ;

const char *process_state_name(enum process_state state)
{
	static const char *const names[] = {"starting", "starting", "running",
					    "stopping", "stopped",  "failing"};

	return names[state];
}

const char *process_state_text(const struct process *p)
{
	return p->part == PROCESS_LEAVING ? "draining" : process_state_name(p->state);
}

static bool endpoint_init(struct endpoint *e, struct process *p, const struct conf_role *role,
			  struct bus_source *source)
{
	e->id = ++p->group->host->last_endpoint;
	e->process = p;
	e->source = source;
	e->role = strdup(role->role);
	e->instance = strdup(role->instance);
	e->capabilities = role->rights;
	e->requested = role->manifest->capabilities;
	e->remedy = role->remedy != NULL ? strdup(role->remedy) : NULL;
	if (strcmp(role->instance, "node") == 0)
		e->name = strdup("node");
	else if (asprintf(&e->name, "%s.%u", role->instance, p->number) < 0)
		e->name = NULL;
	return e->role != NULL && e->instance != NULL && e->name != NULL;
}

static bool process_init(struct process *p, struct group *group, unsigned number)
{
	const struct conf_group *conf = group->conf;
	struct bus_source *sources = group->sources + (size_t)(number - 1) * conf->role_count;

	p->group = group;
	p->number = number;
	p->state = PROCESS_WAITING;
	if (strcmp(conf->name, "node") == 0)
		p->name = strdup("node");
	else if (asprintf(&p->name, "%s.%u", conf->name, number) < 0)
		p->name = NULL;
	p->endpoints = calloc(conf->role_count, sizeof(*p->endpoints));
	if (p->name == NULL || p->endpoints == NULL)
		return false;
	for (size_t i = 0; i < conf->role_count; i++) {
		p->endpoint_count++;
		if (!endpoint_init(&p->endpoints[i], p, conf->roles[i], &sources[i]))
			return false;
	}
	return true;
}

struct process *process_new(struct group *group, unsigned number)
{
	struct process *p = calloc(1, sizeof(*p));

	if (p == NULL || process_init(p, group, number))
		return p;
	process_free(p);
	return NULL;
}

/* Of a process that has exited or could not be started. */
static void process_close_shares(struct process *p)
{
	if (p->share_socket > 0)
		(void)close(p->share_socket);
	p->share_socket = 0;
	p->share_files_sent = 0;
	for (size_t i = 0; i < p->endpoint_count; i++) {
		if (p->endpoints[i].share_file > 0)
			share_log_release(&p->group->host->share_log,
					  p->endpoints[i].share_file - 1);
		p->endpoints[i].share_file = 0;
	}
}

void process_send_shares(struct process *p)
{
	if (p->share_socket > 0)
		share_log_send(&p->group->host->share_log, p->share_socket, &p->share_files_sent);
}

/* The rings that P writes, and the socket over which it gets those that it reads. */
static int32_t process_shares(struct process *p, struct start *start, struct error *e)
{
	struct host *host = p->group->host;
	bool reads = false;

	for (size_t i = 0; i < p->endpoint_count; i++) {
		struct endpoint *endpoint = &p->endpoints[i];
		size_t index;
		int32_t error;

		reads = reads || (endpoint->capabilities & CAPABILITY_READ_SHARE_LOG) != 0;
		if ((endpoint->capabilities & CAPABILITY_WRITE_SHARE_LOG) == 0)
			continue;
		error = share_log_open(&host->share_log, endpoint->name,
				       host->conf->share_log_records, &index, e);
		if (error != ADIT_OK)
			return error;
		endpoint->share_file = index + 1;
		start->instances[i].share_ring = host->share_log.files[index].writer;
	}
	return reads ? share_log_socket(&p->share_socket, &start->share_socket, e) : ADIT_OK;
}

void process_gone(struct process *p)
{
	struct host *host = p->group->host;

	ipc_channel_free(p->channel);
	p->channel = NULL;
	process_close_shares(p);
	calls_caller_gone(host->calls, p);
	for (size_t i = 0; i < p->endpoint_count; i++) {
		struct endpoint *e = &p->endpoints[i];
		char text[128];

		bus_leave(&host->bus, &e->subscriber);
		free(e->methods);
		e->methods = NULL;
		e->method_count = 0;
		free(e->text);
		e->text = NULL;
		free(e->shares);
		e->shares = NULL;
		e->share_count = 0;
		(void)snprintf(text, sizeof(text), "%s has gone", e->name);
		calls_endpoint_gone(host->calls, e->id, text);
	}
}

void process_free(struct process *p)
{
	if (p == NULL)
		return;
	process_gone(p);
	if (p->timer != NULL)
		event_free(p->timer);
	for (size_t i = 0; i < p->endpoint_count; i++) {
		free(p->endpoints[i].role);
		free(p->endpoints[i].instance);
		free(p->endpoints[i].name);
		free(p->endpoints[i].remedy);
	}
	free(p->endpoints);
	free(p->name);
	free(p->last_exit);
	free(p->refusal);
	free(p->replace_error);
	free(p);
}

/* Opens the sockets of one setting of type `listen`. */
static int32_t process_listen(struct process *p, const struct conf_role *role,
			      const struct conf_setting *setting, struct start_instance *instance,
			      struct error *e)
{
	char owner[160];
	char *list = strdup(setting->value);
	char *at = NULL;
	int32_t error = ADIT_OK;

	(void)snprintf(owner, sizeof(owner), "%s %s", role->instance, setting->key);
	for (char *item = list != NULL ? strtok_r(list, ",", &at) : NULL;
	     item != NULL && error == ADIT_OK; item = strtok_r(NULL, ",", &at)) {
		struct start_listener *sockets =
		    realloc(instance->listeners, (instance->listener_count + 1) * sizeof(*sockets));
		const struct listener *l;

		if (sockets == NULL) {
			error = ADIT_E_NO_MEMORY;
			break;
		}
		instance->listeners = sockets;
		error = listeners_open(&p->group->host->listeners, owner, item, &l, e);
		if (error == ADIT_OK)
			sockets[instance->listener_count++] = (struct start_listener){
			    .key = setting->key,
			    .address = l->address,
			    .fd = l->fd,
			    .is_unix = l->is_unix,
			};
	}
	free(list);
	return error;
}

/* What the instance of ROLE is told; strings are borrowed but for state_dir and the lists. */
static int32_t process_instance(struct process *p, size_t index, struct start_instance *instance,
				struct error *e)
{
	struct host *host = p->group->host;
	const struct conf_role *role = p->group->conf->roles[index];
	struct endpoint *endpoint = &p->endpoints[index];
	static char nothing[] = "";
	int32_t error;

	instance->id = endpoint->id;
	instance->capabilities = endpoint->capabilities;
	instance->requested = endpoint->requested;
	instance->remedy = endpoint->remedy != NULL ? endpoint->remedy : nothing;
	instance->role = endpoint->role;
	instance->instance = endpoint->instance;
	instance->worker_name = endpoint->name;
	instance->path =
	    role->manifest->entry_point != NULL ? role->manifest->entry_point : nothing;
	if (asprintf(&instance->state_dir, "%s/%s", host->conf->state_dir, role->instance) < 0) {
		instance->state_dir = NULL;
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	if (mkdir(instance->state_dir, 0700) != 0 && errno != EEXIST)
		return error_set(e, ADIT_E_IO, "%s: %s", instance->state_dir, strerror(errno));
	instance->settings = calloc(role->setting_count + 1, sizeof(*instance->settings));
	if (instance->settings == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < role->setting_count; i++) {
		const struct conf_setting *s = &role->settings[i];

		instance->settings[instance->setting_count++] =
		    (struct start_setting){.key = s->key, .value = s->value};
		error =
		    s->type == SCHEMA_LISTEN ? process_listen(p, role, s, instance, e) : ADIT_OK;
		if (error != ADIT_OK)
			return error;
	}
	return slices_next(&host->slices, &instance->slice, e);
}

static void process_start_free(struct start *start)
{
	for (size_t i = 0; i < start->instance_count; i++) {
		free(start->instances[i].state_dir);
		free(start->instances[i].settings);
		free(start->instances[i].listeners);
	}
	free(start->instances);
	if (start->share_socket > 0)
		(void)close(start->share_socket);
}

static int32_t process_start_message(struct process *p, struct start *start, struct error *e)
{
	struct host *host = p->group->host;

	*start = (struct start){
	    .process = p->name,
	    .network = host->conf->network,
	    .worker = p->number,
	    .workers = p->group->conf->workers,
	    .server_id = host->conf->server_id,
	    .log_level = log_level_now(), /* which `aditctl log` may have changed */
	};
	start->instances = calloc(p->endpoint_count, sizeof(*start->instances));
	if (start->instances == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < p->endpoint_count; i++) {
		int32_t error;

		start->instance_count++;
		error = process_instance(p, i, &start->instances[i], e);
		if (error != ADIT_OK)
			return error;
	}
	return process_shares(p, start, e);
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static _Noreturn void process_child(const struct host *host, const struct start *start, int channel,
				    char *const argv[])
{
	sigset_t none;

	for (size_t i = 0; i < start->instance_count; i++) {
		const struct start_instance *instance = &start->instances[i];

		for (size_t j = 0; j < instance->listener_count; j++)
			(void)fcntl(instance->listeners[j].fd, F_SETFD, 0);
		if (instance->share_ring > 0)
			(void)fcntl(instance->share_ring, F_SETFD, 0);
	}
	if (start->share_socket > 0)
		(void)fcntl(start->share_socket, F_SETFD, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* ROLE_CHANNEL_FD is /dev/null here; what a plugin prints goes where the log goes */
	(void)dup2(ROLE_CHANNEL_FD, STDIN_FILENO);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	(void)setpgid(0, 0); /* the terminal's Ctrl-C is for the host */
	/* dup2 leaves close-on-exec off */
	if (dup2(channel, ROLE_CHANNEL_FD) == ROLE_CHANNEL_FD)
		(void)fexecve(host->image, argv, environ);
	_exit(HOST_EXIT_SYSTEM);
}

static void process_closed(void *user, const char *reason)
{
	struct process *p = user;

	/* the end of the stream comes just before the exit, which says more */
	if (p->pid != 0 && p->state != PROCESS_STOPPING)
		supervisor_closed(p, reason);
}

/* The socketpair, the child, and the channel in the host. */
static int32_t process_fork(struct process *p, const struct start *start, struct error *e)
{
	struct host *host = p->group->host;
	char title[80];
	char program[] = "aditd";
	char option[] = ROLE_OPTION;
	char *argv[] = {program, option, title, NULL};
	int pair[2];
	pid_t pid;

	(void)snprintf(title, sizeof(title), "%s", p->name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return error_set(e, ADIT_E_IO, "socketpair: %s", strerror(errno));
	p->channel = ipc_channel_new(host->base, pair[0], router_frame, process_closed, p);
	if (p->channel == NULL) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	pid = fork();
	if (pid == 0)
		process_child(host, start, pair[1], argv);
	(void)close(pair[1]);
	if (pid < 0) {
		ipc_channel_free(p->channel);
		p->channel = NULL;
		return error_set(e, ADIT_E_IO, "fork: %s", strerror(errno));
	}
	p->pid = pid;
	return ADIT_OK;
}

static void process_send_wanted(void *user, const char *type, bool wanted)
{
	const struct ipc_frame frame = {.kind = IPC_WANTED, .name = type, .status = wanted ? 1 : 0};

	(void)ipc_send(user, &frame);
}

int32_t process_spawn(struct process *p, struct error *e)
{
	struct host *host = p->group->host;
	struct buf text = {.limit = IPC_JSON_MAX};
	struct start start;
	int32_t error = process_start_message(p, &start, e);

	if (error == ADIT_OK && !start_encode(&start, &text))
		error = error_set(e, ADIT_E_LIMIT, "the configuration is too long");
	if (error == ADIT_OK)
		error = process_fork(p, &start, e);
	if (error == ADIT_OK) {
		const struct ipc_frame frame = {
		    .kind = IPC_START, .json = text.data, .json_size = text.size};

		bus_each_wanted(&host->bus, process_send_wanted, p->channel);
		(void)ipc_send(p->channel, &frame);
		p->state = PROCESS_STARTING;
		p->aborted = false;
		p->started_ms = clock_monotonic_ms();
		p->ping_ms = 0;
		free(p->refusal);
		p->refusal = NULL;
	} else {
		process_close_shares(p);
	}
	buf_free(&text);
	process_start_free(&start);
	return error;
}

int32_t process_reload(const struct process *p, size_t index)
{
	const struct conf_role *role = p->group->conf->roles[index];
	struct start_setting *settings = calloc(role->setting_count + 1, sizeof(*settings));
	struct buf text = {.limit = IPC_JSON_MAX};
	int32_t error = ADIT_E_NO_MEMORY;

	for (size_t i = 0; settings != NULL && i < role->setting_count; i++)
		settings[i] = (struct start_setting){.key = role->settings[i].key,
						     .value = role->settings[i].value};
	if (settings != NULL && start_encode_settings(settings, role->setting_count, &text)) {
		const struct ipc_frame frame = {
		    .kind = IPC_RELOAD,
		    .target = p->endpoints[index].id,
		    .json = text.data,
		    .json_size = text.size,
		};

		error = ipc_send(p->channel, &frame);
	}
	buf_free(&text);
	free(settings);
	return error;
}

void process_kill(const struct process *p, int signal)
{
	if (p->pid > 0)
		(void)kill(p->pid, signal);
}

enum process_exit process_exit_text(const struct process *p, int status, char *text, size_t size)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (WIFSIGNALED(status)) {
		int number = WTERMSIG(status);
		const char *name = sigabbrev_np(number);

		(void)snprintf(text, size, "killed by signal %d (SIG%s)%s%s", number,
			       name != NULL ? name : "?", p->refusal != NULL ? ": " : "",
			       p->refusal != NULL ? p->refusal : "");
		return EXIT_CRASHED;
	}
	switch (code) {
	case HOST_EXIT_OK:
		(void)snprintf(text, size, "stopped");
		return p->state == PROCESS_STOPPING ? EXIT_ASKED : EXIT_CRASHED;
	case HOST_EXIT_CONFIG:
		(void)snprintf(text, size, "refused its configuration: %s",
			       p->refusal != NULL ? p->refusal : "no reason given");
		return EXIT_REFUSED;
	case HOST_EXIT_START:
		(void)snprintf(text, size, "could not be started: %s",
			       p->refusal != NULL ? p->refusal : "no reason given");
		return EXIT_REFUSED;
	case HOST_EXIT_FAILED:
		(void)snprintf(text, size, "gave up: %s",
			       p->refusal != NULL ? p->refusal : "no reason given");
		return EXIT_CRASHED;
	default:
		(void)snprintf(text, size, "exited with status %d", code);
		return EXIT_CRASHED;
	}
}

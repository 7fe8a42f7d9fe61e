/* SPDX-License-Identifier: MIT */
/* main.c: aditd's command line, and the life of the host. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "host/control.h"
#include "host/crash.h"
#include "host/host.h"
#include "host/log.h"
#include "host/node/node_plugin.h"
#include "host/paths.h"
#include "host/role.h"
#include "lib/util/clock.h"

static const char usage[] =
    "usage: aditd [-c FILE] [--check]\n"
    "  -c, --config FILE  configuration (" ADIT_CONFDIR "/adit.conf)\n"
    "      --check        check the configuration and exit\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "It stays in the foreground and logs to standard error; see aditd(8).\n";

/* The directory and its parents. */
static int32_t host_directory(const char *path, mode_t mode, struct error *e)
{
	char part[4096];

	if (strlen(path) >= sizeof(part))
		return error_set(e, ADIT_E_IO, "%s: too long", path);
	for (size_t i = 1; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return error_set(e, ADIT_E_IO, "%s: %s", part, strerror(errno));
	}
	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return error_set(e, ADIT_E_IO, "%s: %s", path, strerror(errno));
	return ADIT_OK;
}

static void host_on_hangup(struct host *host)
{
	struct problems problems = {0};

	(void)host_reload(host, &problems);
	problems_free(&problems);
}

static void host_on_signal(evutil_socket_t number, short what, void *user)
{
	struct host *host = user;

	(void)what;
	if (number == SIGCHLD)
		supervisor_reap(host);
	else if (number == SIGHUP)
		host_on_hangup(host);
	else
		supervisor_stop(host);
}

static void host_on_tick(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	supervisor_tick(user);
}

static bool host_events(struct host *host)
{
	static const int numbers[HOST_SIGNALS] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	const struct timeval second = {1, 0};

	host->base = event_base_new();
	if (host->base == NULL)
		return false;
	for (size_t i = 0; i < HOST_SIGNALS; i++) {
		host->signals[i] = evsignal_new(host->base, numbers[i], host_on_signal, host);
		if (host->signals[i] == NULL || event_add(host->signals[i], NULL) != 0)
			return false;
	}
	host->tick = event_new(host->base, -1, EV_PERSIST, host_on_tick, host);
	host->tick_ms = clock_monotonic_ms();
	return host->tick != NULL && event_add(host->tick, &second) == 0;
}

/* Occupies ROLE_CHANNEL_FD, which the children use for their channel, and opens our own image: they
 * run the very same program even when the file was replaced. */
static int32_t host_descriptors(struct host *host, struct error *e)
{
	struct rlimit files;
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return error_set(e, ADIT_E_IO, "/dev/null: %s", strerror(errno));
		if (fd <= STDERR_FILENO)
			(void)fcntl(fd, F_SETFD, 0);
	} while (fd < ROLE_CHANNEL_FD);
	if (fd > ROLE_CHANNEL_FD) {
		/* it is inherited from whoever started us: no use of ours */
		(void)dup3(fd, ROLE_CHANNEL_FD, O_CLOEXEC);
		(void)close(fd);
	}
	host->image = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (host->image < 0)
		return error_set(e, ADIT_E_IO, "/proc/self/exe: %s", strerror(errno));
	/* a listener may have many connections; what the administrator allows at most is used */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return ADIT_OK;
}

/* Makes this the only aditd with its state directory: slice numbers must not be given twice. */
static int32_t host_lock(struct host *host, struct error *e)
{
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/lock", host->conf->state_dir);
	host->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (host->lock < 0)
		return error_set(e, ADIT_E_IO, "%s: %s", path, strerror(errno));
	if (flock(host->lock, LOCK_EX | LOCK_NB) != 0)
		return error_set(e, ADIT_E_IO, "%s: another aditd uses this state directory", path);
	return ADIT_OK;
}

static int32_t host_open(struct host *host, struct error *e)
{
	int32_t error = host_descriptors(host, e);

	if (error == ADIT_OK)
		error = host_directory(host->conf->state_dir, 0750, e);
	if (error == ADIT_OK)
		error = host_directory(host->conf->run_dir, 0755, e);
	if (error == ADIT_OK)
		error = host_lock(host, e);
	if (error == ADIT_OK)
		error = slices_open(&host->slices, host->conf->state_dir, e);
	if (error != ADIT_OK)
		return error;
	if (!host_events(host) || (host->calls = calls_new(host->base)) == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "the event loop can't be made");
	notify_open(&host->notify, host->base);
	host->bus.on_wanted = router_wanted;
	host->bus.user = host;
	host->control = control_open(host, e);
	return host->control != NULL ? ADIT_OK : ADIT_E_IO;
}

static void host_close(struct host *host)
{
	control_close(host->control);
	notify_close(&host->notify);
	supervisor_free(host);
	calls_free(host->calls);
	bus_source_free(&host->source);
	listeners_free(&host->listeners);
	share_log_free(&host->share_log);
	slices_close(&host->slices);
	for (size_t i = 0; i < HOST_SIGNALS; i++) {
		if (host->signals[i] != NULL)
			event_free(host->signals[i]);
	}
	if (host->tick != NULL)
		event_free(host->tick);
	if (host->base != NULL)
		event_base_free(host->base);
	if (host->image >= 0)
		(void)close(host->image);
	if (host->lock >= 0)
		(void)close(host->lock);
	conf_free(host->conf);
	libevent_global_shutdown();
}

/* Prints what is wrong; with --check that, or "configuration ok", is all. */
static struct conf *host_configure(const char *file, bool check, int *code)
{
	struct problems problems = {0};
	bool usable = false;
	struct conf *conf = conf_load(file, adit_node_manifest, &problems, &usable);
	bool clean;

	if (check && conf != NULL && conf->network != NULL)
		conf_probe(conf, &problems);
	clean = problems_errors(&problems) == 0;
	for (size_t i = 0; i < problems.count; i++)
		(void)fprintf(stderr, "%s\n", problems.texts[i]);
	problems_free(&problems);
	*code = HOST_EXIT_OK;
	if (conf == NULL || !usable || (check && !clean))
		*code = HOST_EXIT_CONFIG;
	else if (check)
		(void)puts("configuration ok");
	if (check || *code != HOST_EXIT_OK) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

static int host_main(const char *file, bool check)
{
	struct host host = {.image = -1, .lock = -1, .node_manifest = adit_node_manifest};
	struct error e;
	int code;

	host.started_ms = clock_monotonic_ms();
	host.conf = host_configure(file, check, &code);
	if (host.conf == NULL)
		return code;
	log_set_level(host.conf->log_level);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit is as a full disk: write() says so */
	crash_install("aditd");
	if (host_open(&host, &e) != ADIT_OK) {
		log_line(ADIT_LOG_ERROR, "aditd", "%s", e.text);
		host_close(&host);
		return HOST_EXIT_SYSTEM;
	}
	log_line(ADIT_LOG_INFO, "aditd",
		 "version %s, process %d, %s, network %s, control socket %s", PACKAGE_VERSION,
		 (int)getpid(), host.conf->file, host.conf->network, host.conf->control_socket);
	supervisor_start(&host);
	(void)event_base_dispatch(host.base);
	log_line(ADIT_LOG_INFO, "aditd", "stopped");
	host_close(&host);
	return HOST_EXIT_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"check", no_argument, NULL, 'C'},
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	const char *file = ADIT_CONFDIR "/adit.conf";
	bool check = false;
	int option;

	if (argc == 3 && strcmp(argv[1], ROLE_OPTION) == 0)
		return role_main(argv[2]);
	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		if (option == 'c') {
			file = optarg;
		} else if (option == 'C') {
			check = true;
		} else if (option == 'V') {
			(void)puts("aditd " PACKAGE_VERSION);
			return HOST_EXIT_OK;
		} else {
			(void)fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? HOST_EXIT_OK : HOST_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		(void)fputs(usage, stderr);
		return HOST_EXIT_USAGE;
	}
	return host_main(file, check);
}

/* SPDX-License-Identifier: MIT */
/* aditctl: looks at a running aditd and tells it what to do. See aditctl(1). */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/aditctl/commands.h"
#include "host/paths.h"
#include "lib/util/nearest.h"

struct command {
	const char *name;
	int arguments_min;
	int arguments_max;
	const char *options; /* short forms of the options that it takes */
	int (*run)(const struct options *o);
};

static const struct command commands[] = {
    {"new-plugin", 1, 1, "", command_new_plugin},
    {"status", 0, 0, "", command_status},
    {"roles", 0, 0, "", command_roles},
    {"events", 0, 64, "nf", command_events},
    {"stop", 0, 0, "", command_stop},
    {"call", 2, 3, "", command_call},
    {"watch", 0, 0, "bS", command_watch},
    {"pool", 0, 3, "nr", command_pool},
    {"jdc", 0, 3, "nrkJ", command_jdc},
    {"miningos", 0, 7, "nr", command_miningos},
    {"trace", 1, 1, "nO", command_trace},
    {"config", 0, 4, "", command_config},
    {"reload", 0, 0, "", command_reload},
    {"enable", 1, 1, "", command_enable},
    {"disable", 1, 1, "", command_disable},
    {"restart", 1, 1, "", command_restart},
    {"log", 0, 1, "", command_log},
    {"describe", 1, 1, "", command_describe},
    {"node", 0, 0, "", command_node},
    {"keys", 1, 5, "", command_keys},
};

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"follow", no_argument, NULL, 'f'},
    {"count", required_argument, NULL, 'n'},
    {"blocks", required_argument, NULL, 'b'},
    {"summary", required_argument, NULL, 'S'},
    {"role", required_argument, NULL, 'r'},
    {"key", required_argument, NULL, 'k'},
    {"jds", required_argument, NULL, 'J'},
    {"off", no_argument, NULL, 'O'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: aditctl [-s SOCKET] [--json] COMMAND\n"
    "\n"
    "  status                       what runs and how it does\n"
    "  roles                        the installed roles\n"
    "  describe ROLE                what a role is, its keys and its methods\n"
    "  node                         the node and its chain\n"
    "  events [-n COUNT] [TYPE...]  what happens, as it happens\n"
    "  watch [--blocks N]           accepted blocks, and a live line on a terminal\n"
    "  pool [stats]                 what a pool has done; also: miners, channels, workers, jobs,\n"
    "                               template, config\n"
    "  pool set-difficulty CHANNEL NUMBER|auto\n"
    "                               fixes the difficulty of a channel, or has it steered again\n"
    "  pool disconnect MINER [REASON]\n"
    "                               ends a connection, or one channel of it\n"
    "  pool renew-extranonce [CHANNEL]\n"
    "                               gives a channel, or all, another extranonce prefix\n"
    "  jdc [status]                 the pools that jdc works for; also: miners, channels, "
    "workers\n"
    "  jdc order URL USER [--key KEY] [--jds URL]\n"
    "                               has jdc work for another pool, which allow_pool allows\n"
    "  miningos [status]            the racks and miners in MiningOS; also: list-miners,\n"
    "                               list-actions, oauth-status, action ID\n"
    "  miningos trigger-action TYPE [MINER] [KEY=VALUE]...\n"
    "                               has an action done; approve ID or deny ID decides on "
    "another's\n"
    "  miningos login [TOKEN|-], logout, vote ID yes|no, rest ENDPOINT [JSON]\n"
    "                               with the app-node\n"
    "  trace CONNECTION|all         what Stratum V2 connections say; --off ends it\n"
    "  call TARGET METHOD [JSON]    calls a method of a role\n"
    "  config [ROLE]                the configuration, and where each value comes from\n"
    "  config set ROLE KEY VALUE    overrides a value\n"
    "  config reset ROLE [KEY]      takes overrides back\n"
    "  enable ROLE, disable ROLE    changes the role's file, and reloads\n"
    "  reload                       has the configuration read again\n"
    "  restart ROLE[.WORKER]        ends its process and starts it again\n"
    "  log [LEVEL]                  shows or sets the log level of aditd and all roles\n"
    "  keys generate FILE           makes an authority's secret key\n"
    "  keys public FILE             prints its public key\n"
    "  keys request KEY REQUEST     makes a server's key and what an authority is to sign\n"
    "  keys sign AUTHORITY REQUEST CERTIFICATE VALIDITY\n"
    "                               signs it (VALIDITY: 24h, 365d)\n"
    "  stop                         stops aditd and waits until it has ended\n"
    "  new-plugin NAME              writes a directory with a plugin to begin with\n"
    "\n"
    "  -s, --socket SOCKET  the control socket (default: $ADIT_SOCKET, else as configured)\n"
    "  -j, --json           prints the answer as it came, one JSON document a line\n"
    "  -n, --count COUNT    ends after COUNT events, or rows of a pool's list\n"
    "  -r, --role ROLE      pool, jdc, miningos: an instance or a worker (default: pool, ...)\n"
    "      --key KEY        jdc order: the pool's authority public key\n"
    "      --jds URL        jdc order: the pool's job declaration server\n"
    "      --blocks N       ends after N accepted blocks\n"
    "      --summary FILE   watch: writes a line with the totals to FILE at the end\n"
    "  -h, --help           prints this\n"
    "  -V, --version        prints the version\n"
    "\n"
    "Exit status: 0 done, 1 aditd refused, 2 wrong usage, 3 aditd can't be reached, 4 garbled "
    "answer.\n"
    "See aditctl(1).\n";

static int wrong(const char *what, const char *problem)
{
	fprintf(stderr, "aditctl: %s: %s; `aditctl --help` shows the usage\n", what, problem);
	return EXIT_USAGE;
}

static int no_such_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0])];
	size_t count = sizeof(commands) / sizeof(commands[0]);
	const char *nearest;
	char problem[128];

	for (size_t i = 0; i < count; i++)
		names[i] = commands[i].name;
	nearest = nearest_word(name, names, count);
	if (nearest == NULL)
		return wrong(name, "no such command");
	(void)snprintf(problem, sizeof(problem), "no such command; did you mean `%s`?", nearest);
	return wrong(name, problem);
}

/* A whole number of at least 1. */
static bool parse_count(const char *text, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out >= 1;
}

/* Reads the options into O; GIVEN collects the short forms that belong to one command. Returns an
 * exit status, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *o, char *given, size_t capacity)
{
	size_t used = 0;
	int option;

	while ((option = getopt_long(argc, argv, "s:jfn:r:hV", long_options, NULL)) != -1) {
		switch (option) {
		case 's':
			if (strlen(optarg) >= sizeof(o->socket))
				return wrong("--socket", "the path is too long");
			snprintf(o->socket, sizeof(o->socket), "%s", optarg);
			continue;
		case 'j':
			o->json = true;
			continue;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		case 'V':
			puts("aditctl " PACKAGE_VERSION);
			return EXIT_OK;
		case 'n':
			if (!parse_count(optarg, &o->count))
				return wrong("--count", "a number of at least 1 is expected");
			break;
		case 'b':
			if (!parse_count(optarg, &o->blocks))
				return wrong("--blocks", "a number of at least 1 is expected");
			break;
		case 'r':
			o->role = optarg;
			break;
		case 'S':
			o->summary = optarg;
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'J':
			o->jds = optarg;
			break;
		case 'O':
			o->off = true;
			break;
		case 'f':
			break;
		default: /* getopt has said what is wrong */
			fputs("`aditctl --help` shows the usage\n", stderr);
			return EXIT_USAGE;
		}
		if (used + 1 < capacity)
			given[used++] = (char)option;
	}
	return -1;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	const struct command *command;
	char given[16] = "";
	int status;

	setlocale(LC_TIME, "");
	status = parse_options(argc, argv, &o, given, sizeof(given));
	if (status >= 0)
		return status;
	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	command = find(argv[optind]);
	if (command == NULL)
		return no_such_command(argv[optind]);
	o.arguments = argv + optind + 1;
	o.argument_count = argc - optind - 1;
	if (o.argument_count < command->arguments_min || o.argument_count > command->arguments_max)
		return wrong(command->name, "wrong number of arguments");
	if (strspn(given, command->options) != strlen(given))
		return wrong(command->name, "an option that this command does not have");
	if (*o.socket == '\0')
		control_path(ADIT_CONFDIR "/adit.conf", o.socket, sizeof(o.socket));
	terminal_init(&o.terminal, STDOUT_FILENO);
	status = command->run(&o);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "aditctl: standard output: %s\n", strerror(errno));
		return status != EXIT_OK ? status : EXIT_UNREACHABLE;
	}
	return status;
}

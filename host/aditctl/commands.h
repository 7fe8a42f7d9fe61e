/* SPDX-License-Identifier: MIT */
/* commands.h: what aditctl can do. Each command returns the exit status of the program. */
#ifndef ADITCTL_COMMANDS_H
#define ADITCTL_COMMANDS_H

#include "host/aditctl/control.h"
#include "host/aditctl/table.h"

enum exit_status {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,     /* aditd answered with an error */
	EXIT_USAGE = 2,       /* wrong command line */
	EXIT_UNREACHABLE = 3, /* no connection, it ended, or no answer came in time */
	EXIT_GARBLED = 4      /* what came back is not the protocol */
};

struct options {
	char socket[512];
	bool json;
	long count;          /* -n: 0 no bound */
	long blocks;         /* --blocks: 0 no bound */
	bool off;            /* --off */
	const char *role;    /* --role NAME or NULL */
	const char *summary; /* --summary FILE or NULL */
	const char *key;     /* --key KEY or NULL */
	const char *jds;     /* --jds URL or NULL */
	char **arguments;    /* what follows the command */
	int argument_count;
	struct terminal terminal; /* standard output */
};

int command_status(const struct options *o);
int command_roles(const struct options *o);
int command_events(const struct options *o);
int command_stop(const struct options *o);
int command_call(const struct options *o);
int command_watch(const struct options *o);
int command_restart(const struct options *o);
int command_log(const struct options *o);
int command_describe(const struct options *o);
int command_node(const struct options *o);
int command_keys(const struct options *o);
int command_pool(const struct options *o);
int command_jdc(const struct options *o);
int command_miningos(const struct options *o);
int command_trace(const struct options *o);
int command_config(const struct options *o);
int command_reload(const struct options *o);
int command_enable(const struct options *o);
int command_disable(const struct options *o);
/* Shows what aditd said to a wish to change its configuration; the exit status for it. */
int reload_report(const struct options *o, struct json_object *result);

/* Needs no aditd. */
int command_new_plugin(const struct options *o);

/* Connects; on failure says why on standard error and returns the exit status, else EXIT_OK. */
int command_connect(const struct options *o, struct control *c);
/* Says on standard error what failed and returns the exit status for it. */
int command_failed(const struct control *c, const struct error *e);

/* After this SIGINT, SIGTERM and SIGHUP only interrupt control_receive(), and end a command that
 * looks at signals_came() in good order. */
void signals_catch(struct control *c);
bool signals_came(void);

#endif

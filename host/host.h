/* SPDX-License-Identifier: MIT */
/*
 * host.h: the host's state: groups (a process name and what it runs), their worker processes, and
 * in each the endpoints (one role instance in one worker). Files:
 *
 *   supervisor.c  which process is started, restarted, stopped when
 *   process.c     fork and exec, kill, what an exit means
 *   router.c      frames from role processes: events, calls, log
 *   control.c     the control socket; control_methods.c what it answers
 *   reload.c      a new configuration beside the old one
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/bus.h"
#include "host/calls.h"
#include "host/conf.h"
#include "host/exit_codes.h"
#include "host/ipc.h"
#include "host/listeners.h"
#include "host/slices.h"

#define HOST_SIGNALS 4
#define METHODS_MAX 64
#define METHOD_NAME_MAX 63

struct event;
struct event_base;
struct host;
struct process;

struct method {
	char name[METHOD_NAME_MAX + 1];
	int mode;   /* ADIT_METHOD_ANY, _ALL or _ONE */
	bool looks; /* ADIT_METHOD_LOOKS */
};

/* A role instance in one worker. */
struct endpoint {
	uint32_t id;
	struct process *process;
	char *role; /* the plugin's name */
	char *instance;
	char *name;            /* "pool.1"; "node" */
	uint32_t capabilities; /* that it has */
	uint32_t requested;
	uint32_t told; /* refusals that are in the log: each is told once */
	char *remedy;  /* how to grant the others, NULL: it has all */
	char *text;    /* its own state line, NULL: none */
	struct method *methods;
	size_t method_count;
	struct bus_source source;
	struct bus_subscriber subscriber;
};

enum process_state {
	PROCESS_WAITING,  /* for others to be started */
	PROCESS_STARTING, /* forked; init and start of the plugins run */
	PROCESS_RUNNING,
	PROCESS_STOPPING,
	PROCESS_STOPPED,
	PROCESS_FAILING /* exited or could not be started; will be tried again */
};

/* One worker of a group. */
struct process {
	struct group *group;
	unsigned number;
	char *name; /* "mining.1"; "node" */
	enum process_state state;
	pid_t pid; /* 0: none */
	struct ipc_channel *channel;
	struct event *timer; /* next attempt, or the deadline of the present step */
	bool again;          /* when it has stopped: start it anew */
	bool aborted;        /* SIGABRT was sent: next is SIGKILL */
	uint64_t started_ms;
	uint64_t ping_ms; /* an unanswered ping was sent then; 0: none */
	unsigned restarts;
	unsigned failures; /* in a row */
	char *last_exit;   /* what happened last, NULL: nothing yet */
	char *refusal;     /* said by the process before it exited */
	struct endpoint *endpoints;
	size_t endpoint_count;
};

struct group {
	struct group *next;
	struct host *host;
	char *name;
	const struct conf_group *conf; /* NULL: retired, goes when its processes have */
	struct process *processes;
	size_t process_count;
	bool was_running; /* all processes have been running once: others may be started */
};

struct host {
	struct event_base *base;
	struct conf *conf;
	const char *node_manifest; /* NULL: the role `node` is not part of this build */
	int image;                 /* descriptor of our own executable */
	int lock;                  /* descriptor of the state directory's lock file */
	uint64_t started_ms;
	struct group *groups; /* in starting order */
	struct bus bus;
	struct bus_source source; /* of the host's own events */
	struct calls *calls;
	struct listeners listeners;
	struct slices slices;
	struct control *control;
	struct event *tick;
	uint64_t tick_ms;
	struct event *signals[HOST_SIGNALS];
	uint32_t last_endpoint;
	bool announced; /* NodeStartupCompleted */
	bool stopping;
	uint64_t stopping_ms; /* since when */
};

/* supervisor.c */

/* Makes the groups of host->conf and starts what can be started. */
void supervisor_start(struct host *host);
/* Starts all groups whose turn it is; while stopping, stops those whose turn it is. */
void supervisor_advance(struct host *host);
/* Ends everything in reverse order; a second time: at once. The loop ends when all is gone. */
void supervisor_stop(struct host *host);
/* Takes host->conf's groups over: unchanged ones run on, others are stopped and replaced. */
void supervisor_reconfigure(struct host *host, const struct conf *old);
/* Closes the listeners that host->conf does not want. */
void supervisor_sweep_listeners(struct host *host);
/* Waits for children that exited. */
void supervisor_reap(struct host *host);
/* The process sent IPC_STARTED. */
void supervisor_started(struct process *p);
/* Stops the process in good order and starts it again; one that failed is tried at once. WHY
 * ends the line "is started again ..." of the log. False when it can't be: it is stopping, or waits
 * for others to start. */
bool supervisor_restart(struct process *p, const char *why);
/* Ends a process that broke the protocol or does not answer. */
void supervisor_abort(struct process *p, const char *why);
/* The process closed its channel; REASON "" or what it did wrong. */
void supervisor_closed(struct process *p, const char *reason);
void supervisor_free(struct host *host);
void supervisor_tick(struct host *host);
const char *process_state_name(enum process_state state);

/* process.c */

/* Opens sockets and directories, forks, and sends IPC_START. E on failure; then nothing runs. */
int32_t process_spawn(struct process *p, struct error *e);
/* Sends the settings of the group's role number INDEX to its running instance. */
int32_t process_reload(const struct process *p, size_t index);
/* Text and class of a wait status. */
enum process_exit { EXIT_ASKED, EXIT_REFUSED, EXIT_CRASHED };
enum process_exit process_exit_text(const struct process *p, int status, char *text, size_t size);
void process_kill(const struct process *p, int signal);
/* Storage for the process of GROUP with NUMBER; its endpoints. False: out of memory. */
bool process_init(struct process *p, struct group *group, unsigned number);
void process_free(struct process *p);
/* Forgets everything the exited process had registered. */
void process_gone(struct process *p);

/* router.c */

void router_frame(void *process, const struct ipc_frame *frame);
/* Gives EVENT of the host itself to its subscribers. */
void router_host_event(struct host *host, const char *type, const char *json);
void router_wanted(void *host, const char *type, bool wanted);
/* Whether METHOD of TARGET is there and ADIT_METHOD_LOOKS. */
bool router_only_looks(const struct host *host, const char *target, const char *method);
/* Calls METHOD of TARGET ("pool", "pool.2", "node", or another name that a manifest gives to its
 * role: "stratum-v2"); FN is called once, later or, on an error,
 * before this returns. CALLER identifies the caller for calls_caller_gone(). */
void router_call(struct host *host, const void *caller, const char *caller_name, call_reply_fn fn,
		 void *user, uint64_t tag, const char *target, const char *method, const void *json,
		 size_t json_size, const void *attachment, size_t attachment_size,
		 uint32_t deadline_ms);

/* reload.c */
/* Reads the configuration again. PROBLEMS (empty before) receives what is wrong; true when the new
 * one is in force. */
bool host_reload(struct host *host, struct problems *problems);
/* Changes what is logged from now on by the host and all role processes (enum adit_log_level). */
void host_set_log_level(struct host *host, int level);

/* control.c */
struct control;
struct control *control_open(struct host *host, struct error *e);
void control_close(struct control *control);

#endif

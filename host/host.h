/* SPDX-License-Identifier: MIT */
/*
 * host.h: the host's state: groups (a process name and what it runs), their worker processes, and
 * in each the endpoints (one role instance in one worker). Files:
 *
 *   supervisor.c  which process is started, restarted, stopped when
 *   group.c       groups: making, finding, what state they are in
 *   replace.c     a process is replaced by another one that runs before it is stopped
 *   process.c     fork and exec, kill, what an exit means
 *   router.c      frames from role processes: events, calls, log
 *   host_methods.c  calls that the host answers for a role
 *   control.c     the control socket; control_methods.c what it answers
 *   reload.c      a new configuration beside the old one
 *   announce.c    what is told of the whole, to subscribers and to the service manager
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
#include "host/notify.h"
#include "host/share_log.h"
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
	struct bus_source *source; /* the group's, see there */
	struct bus_subscriber subscriber;
	size_t share_file;               /* the ring that it writes: index + 1, 0: none */
	struct share_log_reader *shares; /* by ring */
	size_t share_count;
};

enum process_state {
	PROCESS_WAITING,  /* for others to be started */
	PROCESS_STARTING, /* forked; init and start of the plugins run */
	PROCESS_RUNNING,
	PROCESS_STOPPING,
	PROCESS_STOPPED,
	PROCESS_FAILING /* exited or could not be started; will be tried again */
};

/* What a process is to its group. */
enum process_part {
	PROCESS_WORKER,    /* the worker of its number */
	PROCESS_SUCCESSOR, /* becomes that as soon as it runs */
	PROCESS_LEAVING    /* was that: it drains, and is forgotten when it has exited */
};

/* A process of a worker of a group. */
struct process {
	struct process *next; /* in group->others */
	struct group *group;
	enum process_part part;
	unsigned number;
	char *name; /* "mining.1"; "node" */
	enum process_state state;
	pid_t pid; /* 0: none */
	struct ipc_channel *channel;
	int share_socket; /* takes rings of the share log to it, 0: it reads none */
	size_t share_files_sent;
	struct event *timer; /* next attempt, or the deadline of the present step */
	bool again;          /* when it has stopped: start it anew */
	bool aborted;        /* SIGABRT was sent: next is SIGKILL */
	bool replace;        /* worker: another one is to take its place */
	char *replace_error; /* worker: why the last attempt at that failed; NULL: it did not */
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
	struct process **processes;    /* its workers, by number */
	size_t process_count;
	struct process *others;     /* successors and leaving ones */
	struct bus_source *sources; /* by worker and role: numbers go on in its next process */
	size_t source_count;
	bool was_running;  /* all workers have been running once: others may be started */
	bool handing_over; /* retired, and serves until the new group of its name runs */
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
	struct share_log share_log;
	struct slices slices;
	struct notify notify; /* the service manager */
	struct control *control;
	struct event *tick;
	uint64_t tick_ms;
	struct event *signals[HOST_SIGNALS];
	uint32_t last_endpoint;
	bool announced; /* NodeStartupCompleted, of the present configuration */
	bool started;   /* once */
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
/* P goes to its end in good order. */
void supervisor_stop_process(struct process *p);
/* Publishes what happened to each role of P: ModuleStarted, ModuleStopped, ModuleCrashed. */
void supervisor_tell(const struct process *p, const char *type, const char *error);
/* The process sent IPC_STARTED. */
void supervisor_started(struct process *p);
/* Replaces a running process by another (see replace_begin()) when its roles allow it, else stops
 * it in good order and starts it again; one that failed is tried at once. WHY ends the line "is
 * started again ..." of the log. False when it can't be: it is stopping, or waits for others to
 * start. */
bool supervisor_restart(struct process *p, const char *why);
/* Ends a process that broke the protocol or does not answer. */
void supervisor_abort(struct process *p, const char *why);
/* The process closed its channel; REASON "" or what it did wrong. */
void supervisor_closed(struct process *p, const char *reason);
void supervisor_free(struct host *host);
void supervisor_tick(struct host *host);
/* Brings rings of the share log to the processes that read them and don't have them yet. */
void supervisor_send_shares(struct host *host);

/* group.c */

/* The groups of host->conf that have none yet; on the way out of a retired one of the same name
 * only if that hands over, since else both would want its sockets and directories. */
void groups_add(struct host *host);
/* Frees retired groups whose processes have gone; true when there was one. */
bool groups_drop(struct host *host);
void group_free(struct group *group);
/* The group of NAME in host->conf; NULL: it has none yet. */
struct group *group_current(const struct host *host, const char *name);
/* The group that answers for NAME: one that hands over, else the current one, else any. */
struct group *group_serving(const struct host *host, const char *name);
/* Number INDEX of all processes of GROUP, workers first; NULL past the last. */
struct process *group_process(const struct group *group, size_t index);
/* All workers of GROUP are in STATE. */
bool group_all(const struct group *group, enum process_state state);
/* All workers have stopped, and no other process is left. */
bool group_gone(const struct group *group);
/* Whether two processes of the same worker may run at a time: each role says `workers = many`. */
bool group_overlaps(const struct conf_group *conf);

/* replace.c */

/* The worker P runs on until another process runs in its place; then it is stopped. If that does
 * not come up, P stays and P->replace_error says why. Of the workers of a group one is replaced at
 * a time, the next when the former has gone. */
void replace_begin(struct process *p, const char *why);
/* Starts the next replacement of GROUP, if it is time. */
void replace_advance(struct group *group);
/* Nothing of GROUP is to be replaced any more; one that is being started is stopped. */
void replace_cancel(struct group *group);
/* What is being started has the settings of before: another one is started. */
void replace_renew(struct group *group);
/* The successor P runs: it is the worker now, and the former one is stopped. */
void replace_done(struct process *p);
/* The worker P crashed, as TEXT says: a successor that is being started takes its place at once.
 * False: there is none. P is not freed. */
bool replace_early(struct process *p, const char *text);
/* P, no worker, which was process PID, has exited; frees it. TEXT is how. */
void replace_exited(struct process *p, pid_t pid, const char *text, bool asked);
/* The process of P's number that is being started to replace it, or NULL. */
const struct process *replace_successor(const struct process *p);

/* process.c */

/* Opens sockets and directories, forks, and sends IPC_START. E on failure; then nothing runs. */
int32_t process_spawn(struct process *p, struct error *e);
/* Sends the settings of the group's role number INDEX to its running instance. */
int32_t process_reload(const struct process *p, size_t index);
/* Text and class of a wait status. */
enum process_exit { EXIT_ASKED, EXIT_REFUSED, EXIT_CRASHED };
enum process_exit process_exit_text(const struct process *p, int status, char *text, size_t size);
void process_kill(const struct process *p, int signal);
/* Sends the process the rings of the share log that it does not have, if it reads them. */
void process_send_shares(struct process *p);
/* A process for worker NUMBER of GROUP, which does not run yet; NULL: out of memory. */
struct process *process_new(struct group *group, unsigned number);
/* P may be NULL. */
void process_free(struct process *p);
const char *process_state_name(enum process_state state);
/* The same of P; "draining" for one that has been replaced and stops. */
const char *process_state_text(const struct process *p);
/* Forgets everything the exited process had registered. */
void process_gone(struct process *p);

/* host_methods.c */

/* Methods that every role has, since the host answers them. */
#define HOST_METHOD_WORKERS "host.workers"
#define HOST_METHOD_RESTART "host.restart"
/* Answers METHOD of the role or worker TARGET, for CALLER. False: it is none of the host's. */
bool host_method(struct host *host, const char *caller, const char *target, const char *method,
		 call_reply_fn fn, void *user, uint64_t tag);
/* Whether NAME stands for P: a role or worker of it, the process or its group. */
bool process_is_named(const struct process *p, const char *name);

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

/* announce.c */
/* Everything that can be started runs: the log line and the event NodeStartupCompleted. */
void announce_complete(struct host *host);
/* Tells the service manager how the host does, as far as that has changed: ready when every enabled
 * role runs or is known not to. */
void announce_state(struct host *host);

/* control.c */
struct control;
struct control *control_open(struct host *host, struct error *e);
void control_close(struct control *control);

#endif

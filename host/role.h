/* SPDX-License-Identifier: MIT */
/*
 * role.h: the run-time of a role process: it loads its plugins, runs one event loop and implements
 * struct adit_host_api for them. Files: role.c (life of the process), loader.c (shared objects),
 * registration.c, role_api.c, role_bus.c, role_calls.c, role_loop.c, role_shares.c (the functions of
 * the ABI).
 */
#ifndef HOST_ROLE_H
#define HOST_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>
#include <adit/share_log.h>

#include "host/handles.h"
#include "host/ipc.h"
#include "host/rights.h"
#include "host/start.h"
#include "lib/util/error.h"

/* How the host starts us: `aditd --role-process NAME`, with the channel at this descriptor. */
#define ROLE_OPTION "--role-process"
#define ROLE_CHANNEL_FD 3

/* Runs the process; returns its exit code (enum host_exit). */
int role_main(const char *name);

struct event;
struct event_base;
struct role;

enum registration_kind {
	REGISTRATION_SUBSCRIPTION = 1,
	REGISTRATION_TIMER,
	REGISTRATION_IO,
	REGISTRATION_CALL,
	REGISTRATION_METHOD
};

/* Something a plugin asked to be called for. */
struct registration {
	enum registration_kind kind;
	uint64_t id; /* its handle */
	struct adit_host *host;
	struct registration *next; /* of the instance */
	struct registration *previous;
	unsigned busy; /* calls into the plugin that are under way */
	bool ended;    /* freed when no longer busy */
	void *user;
	adit_destroy_fn destroy;
	struct event *event; /* timer, io, deadline of a call */
	uint32_t repeat_ms;
	int32_t mode;
	char *name; /* event type or method */
	union {
		adit_event_fn event;
		adit_reply_fn reply;
		adit_method_fn method;
		adit_timer_fn timer;
		adit_io_fn io;
	} fn;
};

/* A call that the plugin has to answer. */
struct adit_request {
	struct adit_request *next;
	struct adit_request *previous;
	struct adit_host *host;
	uint64_t correlation;
	bool answered; /* by the end of the instance: `reply` only frees */
};

struct service {
	struct service *next;
	char *name;
	const void *table;
	struct adit_host *owner;
};

enum instance_state {
	INSTANCE_NEW,
	INSTANCE_READY, /* after init */
	INSTANCE_RUNNING,
	INSTANCE_DRAINING, /* running, and asked to let nobody new in */
	INSTANCE_STOPPING,
	INSTANCE_STOPPED
};

/* One plugin instance; what the ABI calls struct adit_host. */
struct adit_host {
	struct role *role;
	const struct start_instance *start;
	const struct adit_plugin_descriptor *plugin;
	void *instance;
	enum instance_state state;
	struct error error; /* set_error() */
	struct registration *registrations;
	struct adit_request *requests;
	uint32_t told; /* capabilities whose refusal is in the log */
	struct adit_share_writer *share_writer; /* NULL: not asked for */
	struct role_cursor *share_cursors;      /* by ring */
	size_t share_cursor_count;
};

struct role {
	struct event_base *base;
	struct ipc_channel *channel;
	struct start *start;
	struct adit_host *hosts; /* start->instance_count of them */
	struct handles handles;  /* registrations by id */
	struct service *services;
	struct role_shares *shares; /* NULL: it reads none */
	char **wanted; /* event types somebody subscribes to */
	size_t wanted_count;
	bool started;
	bool stopping;
	size_t draining;          /* instances that have still to say that they drained */
	size_t stop_next;         /* instances that have still to be stopped */
	struct event *exit_event; /* made active: the loop ends */
	struct event *stop_event; /* made active: the next instance is stopped */
	int exit_code;
	bool exiting;
};

extern const struct adit_host_api role_api;

/* role_api.c: ADIT_OK, or ADIT_E_PERMISSION_DENIED when the instance has not CAPABILITY, which it needs
 * for WHAT (an event, a method): the first time that is logged with what to do about it. */
int32_t role_may(struct adit_host *host, uint32_t capability, const char *what);

/* role.c */

/* Ends the process with CODE after what is queued has been written. */
void role_exit(struct role *role, int code);
/* An instance's `drain` or `stop` has completed. */
void role_instance_stopped(struct adit_host *host);

/* loader.c: the descriptor of the plugin at PATH ("": linked in). Errors name file, versions,
 * remedy. */
int32_t loader_open(const char *path, const char *name,
		    const struct adit_plugin_descriptor **plugin, struct error *e);
/* Whether DESCRIPTOR can be used by this host; FILE is for the message. */
int32_t loader_check(const struct adit_plugin_descriptor *descriptor, const char *file,
		     const char *name, struct error *e);

/* registration.c */

/* A new registration of HOST; on failure USER stays the caller's. An instance that has stopped gets
 * none: registration_refusal() is the error for NULL. */
struct registration *registration_new(struct adit_host *host, enum registration_kind kind,
				      void *user, adit_destroy_fn destroy);
int32_t registration_refusal(const struct adit_host *host);
/* Ends it: no call any more; `destroy` is called now, or when the present call has returned. */
void registration_end(struct registration *r);
/* The registration ID of HOST and KIND, or NULL. */
struct registration *registration_find(struct adit_host *host, uint64_t id,
				       enum registration_kind kind);
/* Brackets of a call into the plugin. False: it is not called any more, its instance has stopped.
 */
bool registration_enter(struct registration *r);
void registration_leave(struct registration *r);
/* Ends all registrations of HOST and answers the calls it left open. */
void registrations_revoke(struct adit_host *host);

/* role_bus.c */
void role_bus_event(struct role *role, const struct ipc_frame *frame);
void role_bus_wanted(struct role *role, const char *type, bool wanted);
bool role_event_wanted(struct adit_host *host, const char *type);
int32_t role_publish(struct adit_host *host, const char *type, const char *json, size_t json_size,
		     const void *attachment, size_t attachment_size);
int32_t role_subscribe(struct adit_host *host, const char *type, adit_event_fn fn, void *user,
		       adit_destroy_fn destroy, uint64_t *id);
void role_unsubscribe(struct adit_host *host, uint64_t id);
/* Tells the host when nobody in HOST subscribes to TYPE any more. */
void role_bus_left(struct adit_host *host, const char *type);

/* role_calls.c */
void role_call_frame(struct role *role, const struct ipc_frame *frame);
void role_reply_frame(struct role *role, const struct ipc_frame *frame);
int32_t role_call(struct adit_host *host, const char *target, const char *method, const char *json,
		  size_t json_size, const void *attachment, size_t attachment_size,
		  uint32_t deadline_ms, adit_reply_fn fn, void *user, adit_destroy_fn destroy,
		  uint64_t *id);
void role_call_cancel(struct adit_host *host, uint64_t id);
int32_t role_register_method(struct adit_host *host, const char *method, int32_t mode,
			     adit_method_fn fn, void *user, adit_destroy_fn destroy);
void role_reply(struct adit_host *host, struct adit_request *request, int32_t error,
		const char *message, const char *json, size_t json_size, const void *attachment,
		size_t attachment_size);
/* Answers, or after the instance's end frees, what it left unanswered. */
void role_requests_end(struct adit_host *host);
void role_requests_free(struct adit_host *host);

/* role_shares.c: the share log */

/* Takes the rings that SOCKET (0: none) brings, now and later. False: out of memory. */
bool role_shares_start(struct role *role, int socket);
void role_shares_free(struct role *role);
/* Ends HOST's ring and cursors, after its fini. */
void role_shares_instance_free(struct adit_host *host);
int32_t role_share_log_writer(struct adit_host *host, struct adit_share_writer **writer);
void role_share_log_append(struct adit_share_writer *writer, const struct adit_share *share);
int32_t role_share_log_ring(struct adit_host *host, uint32_t index, struct adit_share_ring *info);
int32_t role_share_log_read(struct adit_host *host, uint32_t index, struct adit_share *shares,
			    uint32_t most, uint32_t *count, uint64_t *lost);
int32_t role_share_log_seek(struct adit_host *host, uint32_t index, uint64_t sequence);

/* role_loop.c */
int32_t role_timer_add(struct adit_host *host, uint32_t delay_ms, uint32_t repeat_ms,
		       adit_timer_fn fn, void *user, adit_destroy_fn destroy, uint64_t *id);
void role_timer_cancel(struct adit_host *host, uint64_t id);
int32_t role_io_watch(struct adit_host *host, int32_t fd, uint32_t flags, adit_io_fn fn, void *user,
		      adit_destroy_fn destroy, uint64_t *id);
void role_io_unwatch(struct adit_host *host, uint64_t id);

#endif

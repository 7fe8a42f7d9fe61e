/* SPDX-License-Identifier: MIT */
/*
 * adit/plugin.h: the C ABI between the host and a plugin.
 *
 * A plugin is a shared object that exports exactly one symbol, the constant descriptor
 * `adit_plugin`. The host loads it with RTLD_NOW | RTLD_LOCAL in a role process, checks the
 * descriptor and then calls the life-cycle functions below. Everything that the plugin asks of
 * the host goes through the table `struct adit_host_api`. adit-plugin(7) is the tutorial.
 *
 * Rules that hold for the whole ABI
 *
 *  - Both tables begin with magic, major, minor and their own size. Fields are only appended;
 *    a field may be read only when `size` covers it (ADIT_HAS). Another major is refused.
 *  - Everything runs on the one thread of the process's event loop. No function of the table
 *    blocks. No function may be called from another thread.
 *  - Pointers passed to a function or to a callback are borrowed: valid until it returns. What
 *    outlives the call says so. A callback's user data travels with its destructor (which may be
 *    NULL); the host calls it exactly once, when the registration ends for whatever reason.
 *  - Callbacks are never called from inside the function that registers them.
 *  - The host ends every registration (subscriptions, timers, watchers, methods, pending calls)
 *    when `stop` has completed: from then on no callback comes but for destructors, and whoever
 *    registers anew gets ADIT_E_UNAVAILABLE. `fini` is the last call into an instance.
 *  - Text is UTF-8. JSON is text with a length; it need not end in a NUL. Strings without a
 *    length end in a NUL.
 *  - Functions that return int32_t return ADIT_OK or a negative `enum adit_error`.
 *
 * Changes of this ABI
 *  1.0  first version
 *  1.1  ADIT_METHOD_LOOKS
 *  1.2  drain in the descriptor
 *  1.3  share_log_writer, share_log_append, share_log_ring, share_log_read, share_log_seek
 *  1.4  worker_size in struct adit_share, where reserved16 was
 *  1.5  flush in struct adit_sv2_conn_api
 */
#ifndef ADIT_PLUGIN_H
#define ADIT_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADIT_PLUGIN_MAGIC 0x54494441u /* "ADIT" as little-endian bytes */
#define ADIT_HOST_MAGIC 0x54534f48u   /* "HOST" */
#define ADIT_ABI_MAJOR 1
#define ADIT_ABI_MINOR 5

/* True when the table that PTR points to is large enough to hold FIELD. */
#define ADIT_HAS(ptr, field) \
	((ptr)->size >= offsetof(__typeof__(*(ptr)), field) + sizeof((ptr)->field))

/* Makes a symbol visible outside; the descriptor is the only one that has to be. */
#if defined(__GNUC__)
#define ADIT_EXPORT __attribute__((visibility("default")))
#else
#define ADIT_EXPORT
#endif

/* One instance of a plugin inside a role process, e.g. `[pool]` or `[sv2-server@miners]`. */
struct adit_host;

enum adit_log_level {
	ADIT_LOG_ERROR = 0,   /* the administrator has to act */
	ADIT_LOG_WARNING = 1, /* may have to */
	ADIT_LOG_INFO = 2,    /* life cycle */
	ADIT_LOG_DEBUG = 3,
	ADIT_LOG_TRACE = 4 /* the wire */
};

enum adit_method_mode {
	ADIT_METHOD_ANY = 0, /* one worker answers, whichever is free */
	ADIT_METHOD_ALL = 1, /* every worker answers, the answers are gathered */
	ADIT_METHOD_ONE = 2, /* the caller names the worker (`pool.2`) */
	/* 1.1, added to one of the others: the method only looks, tells no secret and costs little.
	 * Who may read the control socket, but not change anything, may call it. */
	ADIT_METHOD_LOOKS = 0x100
};

enum adit_io_flags { ADIT_IO_READ = 1, ADIT_IO_WRITE = 2 };

/* Who this instance is. The caller sets `size`; strings are owned by the host and live as long
 * as the instance. */
struct adit_instance_info {
	uint32_t size;
	uint32_t worker;         /* 1..workers */
	uint32_t workers;        /* processes that run this role */
	uint16_t server_id;      /* [host] server_id: first part of every extranonce prefix */
	uint16_t slice;          /* a new number for each start of a worker, see DESIGN: extranonce */
	const char *role;        /* "pool" */
	const char *instance;    /* "pool" or "pool@name" */
	const char *worker_name; /* "pool.1": how events, logs and calls name this process's role */
	const char *state_dir;   /* a directory of this instance, mode 0700 */
	const char *network;     /* "main", "testnet4", "signet", "regtest" ([node] network) */
};

/* Of the share log: adit/share_log.h. */
struct adit_share;
struct adit_share_ring;
struct adit_share_writer;

/* An inherited listening socket. The descriptor stays the host's: do not close it. */
struct adit_listener {
	uint32_t size;
	int32_t fd;          /* non-blocking, close-on-exec, listening */
	const char *address; /* as bound: "127.0.0.1:3333", "[::]:3333", "unix:/run/adit/tdp.sock" */
	uint32_t is_unix;    /* 1 for a Unix socket */
};

/* An event as a subscriber sees it. */
struct adit_event {
	uint32_t size;
	const char *type;       /* "NewBlock" */
	const char *source;     /* worker that published it: "node", "pool.2" */
	uint64_t sequence;      /* of this source, without gaps unless `lost` says so */
	uint64_t lost;          /* events this subscriber missed right before this one */
	const char *json;
	size_t json_size;
	const void *attachment; /* NULL when there is none */
	size_t attachment_size;
};

/* The answer to a call. */
struct adit_reply {
	uint32_t size;
	int32_t error;          /* ADIT_OK or a negative adit_error */
	const char *message;    /* for people, "" when there was no error */
	const char *json;       /* "" when there was an error */
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

/* A call that arrived. It stays open until it is answered with `reply` (or its deadline passes,
 * after which `reply` is a no-op that frees it). `request` is owned by the receiver until then. */
struct adit_request;
struct adit_request_info {
	uint32_t size;
	const char *method;
	const char *caller; /* worker or "control" */
	const char *json;
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

typedef void (*adit_destroy_fn)(void *user);
typedef void (*adit_event_fn)(void *user, const struct adit_event *event);
typedef void (*adit_reply_fn)(void *user, const struct adit_reply *reply);
typedef void (*adit_method_fn)(void *user, struct adit_request *request,
                               const struct adit_request_info *info);
typedef void (*adit_timer_fn)(void *user);
typedef void (*adit_io_fn)(void *user, int32_t fd, uint32_t flags);

struct adit_host_api {
	uint32_t magic; /* ADIT_HOST_MAGIC */
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t size;
	uint32_t reserved;

	/* Fills *INFO as far as its `size` goes. */
	int32_t (*info)(struct adit_host *host, struct adit_instance_info *info);

	/* One line for the log, without newline; the host adds time and worker name. Never put keys,
	 * tokens or credentials into it. log_enabled() tells whether a level is worth building. */
	void (*log)(struct adit_host *host, int32_t level, const char *text, size_t size);
	bool (*log_enabled)(struct adit_host *host, int32_t level);

	/* Configuration, validated against the manifest's schema before the plugin was started, with
	 * defaults filled in. `config` returns NULL for a key without value and default; the string
	 * lives until reload or fini. The two typed forms fail with ADIT_E_NOT_FOUND likewise.
	 * A plugin whose manifest says `parts = WORD` gets the names of its sections [ROLE/NAME], in
	 * their order and with commas between, under the key WORD, and their values under NAME.KEY. */
	const char *(*config)(struct adit_host *host, const char *key);
	int32_t (*config_int)(struct adit_host *host, const char *key, int64_t *value);
	int32_t (*config_bool)(struct adit_host *host, const char *key, bool *value);

	/* Error text for a failing life-cycle function: what is wrong and what to do about it. */
	void (*set_error)(struct adit_host *host, const char *text);

	/* Events. Requires the capability publish_events / subscribe_events. `event_wanted` is false
	 * when no one is subscribed: then build nothing. TYPE is a name of adit-events(7) or a
	 * plugin's own ("[A-Z][A-Za-z0-9]*", at most 63 bytes). JSON at most 8 MiB, attachment at
	 * most 32 MiB; the same bounds hold for calls and answers. */
	bool (*event_wanted)(struct adit_host *host, const char *type);
	int32_t (*publish)(struct adit_host *host, const char *type, const char *json, size_t json_size,
	                   const void *attachment, size_t attachment_size);
	int32_t (*subscribe)(struct adit_host *host, const char *type, adit_event_fn fn, void *user,
	                     adit_destroy_fn destroy, uint64_t *id);
	void (*unsubscribe)(struct adit_host *host, uint64_t id);

	/* Calls to another role: TARGET is a role ("node", "pool"), METHOD as that role registered
	 * it. FN is called exactly once: with the answer, with ADIT_E_TIMEOUT after DEADLINE_MS, or
	 * with ADIT_E_UNAVAILABLE when the other process died. `call_cancel` ends it without a call
	 * of FN. ID may be NULL.
	 * Two methods every role and worker has, for the host answers them: "host.workers" -> {"workers":
	 * ["pool.1", ...]}, those of the role, also of all its instances role@NAME; and "host.restart" ->
	 * {"restarting":1}, processes that are started again, which wants the capability restart_roles. */
	int32_t (*call)(struct adit_host *host, const char *target, const char *method, const char *json,
	                size_t json_size, const void *attachment, size_t attachment_size,
	                uint32_t deadline_ms, adit_reply_fn fn, void *user, adit_destroy_fn destroy,
	                uint64_t *id);
	void (*call_cancel)(struct adit_host *host, uint64_t id);

	/* Methods this role answers. MODE is an adit_method_mode. `reply` answers and frees REQUEST:
	 * with ERROR == ADIT_OK and JSON, or with an error and MESSAGE. */
	int32_t (*register_method)(struct adit_host *host, const char *method, int32_t mode,
	                           adit_method_fn fn, void *user, adit_destroy_fn destroy);
	void (*reply)(struct adit_host *host, struct adit_request *request, int32_t error,
	              const char *message, const char *json, size_t json_size, const void *attachment,
	              size_t attachment_size);

	/* Timers on the monotonic clock: first after DELAY_MS, then each REPEAT_MS (0: once). */
	int32_t (*timer_add)(struct adit_host *host, uint32_t delay_ms, uint32_t repeat_ms,
	                     adit_timer_fn fn, void *user, adit_destroy_fn destroy, uint64_t *id);
	void (*timer_cancel)(struct adit_host *host, uint64_t id);

	/* Watches a descriptor of the plugin's own. Level-triggered. */
	int32_t (*io_watch)(struct adit_host *host, int32_t fd, uint32_t flags, adit_io_fn fn,
	                    void *user, adit_destroy_fn destroy, uint64_t *id);
	void (*io_unwatch)(struct adit_host *host, uint64_t id);

	/* Listening sockets that the host opened for configuration key KEY (schema type `listen`, a
	 * comma-separated list): fills *LISTENER for the INDEXth, ADIT_E_NOT_FOUND past the last. */
	int32_t (*listener)(struct adit_host *host, const char *key, uint32_t index,
	                    struct adit_listener *listener);

	/* Services inside the process: C tables that one plugin offers another ("sv2.server/1"). The
	 * table and what it points to must stay valid until the offering instance's fini; plugins are
	 * finished in reverse dependency order. NULL when nobody offers it. */
	int32_t (*service_offer)(struct adit_host *host, const char *name, const void *table);
	const void *(*service_find)(struct adit_host *host, const char *name);

	/* The raw event loop, by kind: "libevent-2" gives the process's struct event_base *, or NULL
	 * when the host runs another kind. Never loop, break or free it. */
	void *(*loop)(struct adit_host *host, const char *kind);

	/* Ends a `drain` or `stop` that returned ADIT_E_UNAVAILABLE ("not yet"). */
	void (*stopped)(struct adit_host *host);

	/* Says "this instance can't go on": the process exits and is restarted with back-off. */
	void (*fail)(struct adit_host *host, const char *reason);

	/* The state line shown by `aditctl status`, e.g. "waiting for a template". Copied. */
	void (*status)(struct adit_host *host, const char *text);

	/* --- since 1.3: the share log, see adit/share_log.h ---
	 *
	 * For a producer (capability write_share_log, else ADIT_E_PERMISSION_DENIED). `writer` gives
	 * the instance's own ring, the same each time; it is valid until `fini` has returned. `append`
	 * copies SHARE into it, with `sequence` and `time_ms` filled in. It makes no system call and
	 * can't fail; some 30 ns with a short user, 60 with the longest. */
	int32_t (*share_log_writer)(struct adit_host *host, struct adit_share_writer **writer);
	void (*share_log_append)(struct adit_share_writer *writer, const struct adit_share *share);

	/* For a consumer (capability read_share_log, else ADIT_E_PERMISSION_DENIED). Rings have the
	 * indexes 0, 1, ...; ADIT_E_NOT_FOUND past the last. One keeps its index as long as the
	 * process lives, and new ones are appended when new producers are started. `ring` fills *RING
	 * as far as its `size` goes. A ring that this process had no memory to map answers
	 * ADIT_E_NO_MEMORY.
	 *
	 * `read` copies at most MOST records that follow the instance's cursor to SHARES, oldest
	 * first, and moves the cursor. *COUNT is how many, *LOST how many were missed in this step:
	 * between two records of SHARES where their sequences have a gap, or before the first, or after
	 * the last. An instance begins at the oldest record that is there. ADIT_E_PROTOCOL, once,
	 * when the ring was damaged so that its sequence went back: it is read on from there.
	 *
	 * `seek` makes SEQUENCE the next one: 1 to `written` + 1 (only what is new from now on), else
	 * ADIT_E_INVALID_ARGUMENT. Of these, records that are no longer there count as lost. */
	int32_t (*share_log_ring)(struct adit_host *host, uint32_t index,
	                          struct adit_share_ring *ring);
	int32_t (*share_log_read)(struct adit_host *host, uint32_t index, struct adit_share *shares,
	                          uint32_t most, uint32_t *count, uint64_t *lost);
	int32_t (*share_log_seek)(struct adit_host *host, uint32_t index, uint64_t sequence);
};

/*
 * The descriptor. Life cycle of an instance, each step undone by its counterpart:
 *
 *   init(api, host, &instance)  allocate, read the configuration, offer services; no I/O yet.
 *   start(instance)             open connections, register methods, take listeners.
 *   reload(instance)            optional: new configuration values are readable; ADIT_E_UNSUPPORTED
 *                               (or no function) means: restart me instead; ADIT_E_CONFIG, with
 *                               set_error(): I go on with what I had.
 *   drain(instance)             optional, comes before any instance of the process is stopped: nobody
 *                               new is let in (another process may do that already), who has been let
 *                               in is served as ever; may say ADIT_E_UNAVAILABLE as stop does.
 *   stop(instance)              no new work; may return ADIT_E_UNAVAILABLE to say "not yet" and
 *                               later call api->stopped(); 5 s are allowed, with drain.
 *   fini(instance)              free everything. Always called when init succeeded. When the process
 *                               has to end at once (another plugin's start failed, the host has
 *                               gone), it follows a stop that said "not yet".
 *
 * A failing init or start is reported with the text given to api->set_error().
 */
struct adit_plugin_descriptor {
	uint32_t magic; /* ADIT_PLUGIN_MAGIC */
	uint16_t abi_major;
	uint16_t abi_minor; /* the host's minor must be at least this */
	uint32_t size;      /* sizeof(struct adit_plugin_descriptor) */
	uint32_t reserved;
	const char *name; /* as in the manifest */
	const char *version;
	int32_t (*init)(const struct adit_host_api *api, struct adit_host *host, void **instance);
	int32_t (*start)(void *instance);
	int32_t (*reload)(void *instance); /* may be NULL */
	int32_t (*stop)(void *instance);
	void (*fini)(void *instance);
	int32_t (*drain)(void *instance); /* since 1.2; may be NULL */
};

/* What a plugin has to define. Declared here, so that the definition has C linkage and is visible
 * in C++ and under -fvisibility=hidden, too. */
ADIT_EXPORT extern const struct adit_plugin_descriptor adit_plugin;

#ifdef __cplusplus
}
#endif
#endif

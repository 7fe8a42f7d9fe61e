/* SPDX-License-Identifier: MIT */
/*
 * fake_host.h: a host in a test's own process, for plugins and what uses `struct adit_host_api`.
 *
 * A `struct adit_host *` is one plugin instance. Instances made as siblings live in one "process":
 * they share loop, services and bus, and calls to a role go to the sibling of that name. To answer
 * for a role that is not under test, make a sibling with its name and register methods on it:
 *
 *	struct adit_host *pool = fake_host_new("pool", manifest, options, NULL);
 *	struct adit_host *node = fake_host_new("node", NULL, NULL, pool);
 *	fake_host_api()->register_method(node, "get_chain_tip", ADIT_METHOD_ANY, answer, NULL,
 *NULL); fake_host_start(pool, &adit_plugin); fake_host_wait(pool, condition, user, 1000);
 *	fake_host_stop(pool);
 *	fake_host_free(node);
 *	fake_host_free(pool);
 *
 * As the real host does, it never calls back from inside a function of the table, calls every
 * destructor exactly once and drops all registrations after `stop`. Misuse ends the test.
 * FAKE_HOST_LOG=1 in the environment shows the log.
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

struct event_base;

/* Configuration as text, ended by a NULL key. Durations are milliseconds, bools true/false. */
struct fake_option {
	const char *key;
	const char *value;
};

/* An instance of ROLE. Values come from OPTIONS, else from the defaults in the schema of the
 * manifest text MANIFEST; both may be NULL. SIBLING: another instance of the same process, or NULL.
 */
struct adit_host *fake_host_new(const char *role, const char *manifest,
				const struct fake_option *options, struct adit_host *sibling);
/* Stops it if it runs. The loop goes with the last of the siblings, the state directory with the
 * instance unless fake_host_set_state_dir() named it. */
void fake_host_free(struct adit_host *host);
/* A whole file as text, e.g. a manifest; the caller frees it. NULL when it can't be read. */
char *fake_host_read_file(const char *path);

const struct adit_host_api *fake_host_api(void);
struct event_base *fake_host_base(struct adit_host *host);

/* Before start, or before reload. */
void fake_host_set_config(struct adit_host *host, const char *key, const char *value);
void fake_host_set_state_dir(struct adit_host *host, const char *directory);
void fake_host_set_network(struct adit_host *host, const char *network);
/* Whether event_wanted() is true without a subscriber; true at first. */
void fake_host_want_events(struct adit_host *host, bool wanted);
/* Opens ADDRESS ("127.0.0.1:0", "unix:/path") for the configuration key KEY and returns the address
 * as bound, e.g. "127.0.0.1:40123"; NULL when that fails. */
const char *fake_host_listen(struct adit_host *host, const char *key, const char *address);

/* Life cycle. Start does init and start, and undoes init when start fails; stop waits up to five
 * seconds for stopped(), ends the registrations, then calls fini. */
int32_t fake_host_start(struct adit_host *host, const struct adit_plugin_descriptor *plugin);
int32_t fake_host_stop(struct adit_host *host);
/* Its `reload`, after fake_host_set_config(); ADIT_E_UNSUPPORTED when it has none. */
int32_t fake_host_reload(struct adit_host *host);
void *fake_host_instance(struct adit_host *host); /* what init stored */

/* Runs the loop: for a time; until CONDITION holds (false after LIMIT_MS, or a minute if that is
 * longer: what should come does, though a busy machine takes its time). */
void fake_host_run(struct adit_host *host, uint32_t ms);
bool fake_host_wait(struct adit_host *host, bool (*condition)(void *user), void *user,
		    uint32_t limit_ms);

/* A method of HOST called from outside ("control"), the loop running until it is answered. Never
 * NULL: no answer within ten seconds is ADIT_E_TIMEOUT, an unknown method ADIT_E_NOT_FOUND. */
struct fake_reply {
	int32_t error;
	char *message;
	char *json;
	uint8_t *attachment;
	size_t attachment_size;
};
struct fake_reply *fake_host_call(struct adit_host *host, const char *method, const char *json,
				  const void *attachment, size_t attachment_size);
void fake_reply_free(struct fake_reply *reply);

/* What HOST published, by type (NULL: any): how many, and the JSON of the INDEXth (from 0), NULL
 * past the last. */
size_t fake_host_published(struct adit_host *host, const char *type);
const char *fake_host_event(struct adit_host *host, const char *type, size_t index);
const char *fake_host_event_type(struct adit_host *host, size_t index);
void fake_host_forget_events(struct adit_host *host);

/* Records that HOST appended to its share log, and the INDEXth (from 0); NULL past the last, and when
 * it is not among the last FAKE_HOST_SHARES. There are no rings to read. */
#define FAKE_HOST_SHARES 256
struct adit_share;
size_t fake_host_share_count(struct adit_host *host);
const struct adit_share *fake_host_share(struct adit_host *host, size_t index);

/* What it said: whether a log line contained TEXT; the last set_error(), status() and fail(), ""
 * when there was none. */
bool fake_host_logged(struct adit_host *host, const char *text);
const char *fake_host_error(struct adit_host *host);
const char *fake_host_status(struct adit_host *host);
const char *fake_host_failure(struct adit_host *host);
/* Subscriptions, timers, watchers, methods and open calls of HOST. */
size_t fake_host_registrations(struct adit_host *host);

#endif

/* SPDX-License-Identifier: MIT */
/* manage.c: `restart` and `log`. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <poll.h>
#include <string.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"
#include "lib/util/clock.h"

#define ANSWER_MS 15000
#define RESTART_MS 30000 /* a process: five seconds to stop, and some more to start */
#define LOOK_MS 100      /* between two looks */
#define FAILING_MS 1000  /* a failure of before the restart may be shown for so long */

/* --- restart ------------------------------------------------------------------------------------
 */

/* The worker NAME in an answer to `roles`; *ROLE is its role. */
static struct json_object *find_worker(struct json_object *roles, const char *name,
				       struct json_object **role)
{
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *workers = json_array_member(json_element(roles, i), "workers");

		*role = json_element(roles, i);
		for (size_t k = 0; k < json_count(workers); k++) {
			struct json_object *worker = json_element(workers, k);

			if (strcmp(json_text(worker, "name", ""), name) == 0)
				return worker;
		}
	}
	*role = NULL;
	return NULL;
}

/* Whether all workers of LIST run in other processes than before; E when one can't. */
static int32_t all_new(struct json_object *list, struct json_object *roles, uint64_t waited,
		       bool *done, struct error *e)
{
	*done = true;
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *before = json_element(list, i), *role;
		const char *name = json_text(before, "name", "");
		struct json_object *now = find_worker(roles, name, &role);

		if (now == NULL)
			continue; /* another reload has taken it away */
		if (*json_text(now, "replace_error", "") != '\0')
			return error_set(e, ADIT_E_UNAVAILABLE,
					 "%.60s is not replaced: the new process %.300s; the "
					 "present one runs on, aditd's log says more",
					 name, json_text(now, "replace_error", ""));
		if (strcmp(json_text(now, "state", ""), "failing") == 0 && waited > FAILING_MS)
			return error_set(e, ADIT_E_UNAVAILABLE,
					 "%.60s does not come back: %.300s; `aditctl status` shows "
					 "how it goes on, aditd's log says more",
					 name, json_text(role, "last_exit", ""));
		if (strcmp(json_text(now, "state", ""), "running") != 0 ||
		    json_integer(now, "pid", 0) == json_integer(before, "pid", 0))
			*done = false;
	}
	return ADIT_OK;
}

static int32_t wait_restarted(struct control *c, struct json_object *list, struct error *e)
{
	uint64_t begun = clock_monotonic_ms();
	uint64_t most = RESTART_MS * (uint64_t)(json_count(list) + 1);
	bool done = false;

	while (!done) {
		uint64_t waited = clock_monotonic_ms() - begun;
		struct json_object *result;
		int32_t code;

		if (waited > most)
			return error_set(e, ADIT_E_TIMEOUT,
					 "it does not run again yet; `aditctl status` shows how it "
					 "goes on");
		code = control_request(c, "roles", NULL, ANSWER_MS, &result, e);
		if (code == ADIT_OK) {
			code = all_new(list, json_array_member(result, "roles"), waited, &done, e);
			c->refused = code != ADIT_OK;
		}
		json_object_put(result);
		if (code != ADIT_OK)
			return code;
		if (!done)
			(void)poll(NULL, 0, LOOK_MS);
	}
	return ADIT_OK;
}

static void show_restarted(struct json_object *list)
{
	fputs("restarted:", stdout);
	for (size_t i = 0; i < json_count(list); i++) {
		char name[TABLE_CELL_MAX];

		text_clean(json_text(json_element(list, i), "name", "?"), name, sizeof(name));
		printf(" %s", name);
	}
	fputc('\n', stdout);
}

int command_restart(const struct options *o)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result, *list;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	json_object_object_add(params, "role", json_object_new_string(o->arguments[0]));
	if (status == EXIT_OK) {
		if (control_request(&c, "restart", params, ANSWER_MS, &result, &e) != ADIT_OK) {
			status = command_failed(&c, &e);
		} else {
			list = json_array_member(result, "restarting");
			if (wait_restarted(&c, list, &e) != ADIT_OK)
				status = command_failed(&c, &e);
			else if (o->json)
				json_print(stdout, result);
			else
				show_restarted(list);
		}
		json_object_put(result);
		control_close(&c);
	}
	json_object_put(params);
	return status;
}

/* --- log ----------------------------------------------------------------------------------------
 */

static void show_level(struct json_object *result)
{
	char level[32], configured[32];

	text_clean(json_text(result, "level", "?"), level, sizeof(level));
	text_clean(json_text(result, "configured", level), configured, sizeof(configured));
	fputs(level, stdout);
	if (strcmp(level, configured) != 0)
		printf(" until the next reload or start of aditd; the configuration says %s",
		       configured);
	fputc('\n', stdout);
}

int command_log(const struct options *o)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	if (o->argument_count == 1)
		json_object_object_add(params, "level", json_object_new_string(o->arguments[0]));
	if (status == EXIT_OK) {
		if (control_request(&c, "log", params, ANSWER_MS, &result, &e) != ADIT_OK)
			status = command_failed(&c, &e);
		else if (o->json)
			json_print(stdout, result);
		else
			show_level(result);
		json_object_put(result);
		control_close(&c);
	}
	json_object_put(params);
	return status;
}

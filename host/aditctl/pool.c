/* SPDX-License-Identifier: MIT */
/* pool.c: `pool`: looks at a pool and manages it, by its methods (adit-pool(8)). */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/aditctl/commands.h"
#include "host/aditctl/json.h"
#include "host/aditctl/pool_show.h"
#include "host/aditctl/role_session.h"
#include "host/aditctl/text.h"

#define ROLE "pool"
#define PAGE_ROWS 500 /* entries that are asked for and shown at a time */

/* --- lists -------------------------------------------------------------------------------------
 */

/* How far a list was shown. */
struct shown {
	int64_t rows;
	bool cut; /* -n came before the end */
};

static int64_t rows_wanted(const struct role_session *s, const struct shown *shown)
{
	int64_t left = s->o->count > 0 ? s->o->count - shown->rows : PAGE_ROWS;

	return left < PAGE_ROWS ? left : PAGE_ROWS;
}

static void show_page(const struct role_session *s, const struct pool_list *list,
		      const char *worker, struct json_object *page, struct shown *shown)
{
	struct json_object *entries = json_array_member(page, list->member);
	struct json_object *line;
	struct table t;

	shown->rows += (int64_t)json_count(entries);
	if (s->o->json) {
		line = json_object_new_object();
		json_object_object_add(line, "worker", json_object_new_string(worker));
		json_object_object_add(line, "result", json_object_get(page));
		json_print(stdout, line);
		json_object_put(line);
		return;
	}
	table_init(&t, list->headings);
	for (size_t i = 0; i < json_count(entries); i++)
		list->add(&t, json_element(entries, i));
	table_print(&t, stdout, &s->o->terminal);
	table_free(&t);
}

/* All pages of one worker, or as many as are wanted. */
static int show_worker(struct role_session *s, const struct pool_list *list, const char *worker,
		       struct shown *shown)
{
	struct json_object *after = NULL, *page;
	struct error e;

	do {
		struct json_object *params = json_object_new_object();

		json_object_object_add(params, "limit",
				       json_object_new_int64(rows_wanted(s, shown)));
		if (after != NULL)
			json_object_object_add(params, "after", after);
		if (role_call(s, worker, list->method, params, &page, &e) != ADIT_OK)
			return role_failed(s, &e);
		if (json_array_member(page, list->member) == NULL) {
			json_object_put(page);
			return role_no_answer(s);
		}
		show_page(s, list, worker, page, shown);
		after = json_object_get(json_member(page, "next"));
		/* A page without an entry would be asked for for ever. */
		if (json_count(json_array_member(page, list->member)) == 0) {
			json_object_put(after);
			after = NULL;
		}
		json_object_put(page);
	} while (after != NULL && (s->o->count == 0 || shown->rows < s->o->count));
	shown->cut = shown->cut || after != NULL;
	json_object_put(after);
	return EXIT_OK;
}

static int show_list(struct role_session *s, const struct pool_list *list)
{
	int status = EXIT_OK;
	struct json_object *workers = role_gather(s, s->role, "get_pool_stats", NULL, &status);
	struct shown shown = {0};

	if (workers == NULL)
		return status;
	status = role_report_errors(workers);
	for (size_t i = 0; i < json_count(workers); i++) {
		struct json_object *one = json_element(workers, i);
		int own;

		if (json_object_member(one, "result") == NULL)
			continue;
		if (s->o->count > 0 && shown.rows >= s->o->count) {
			shown.cut = true;
			break;
		}
		own = show_worker(s, list, json_text(one, "worker", "?"), &shown);
		if (own == EXIT_UNREACHABLE || own == EXIT_GARBLED) {
			status = own;
			break;
		}
		if (own != EXIT_OK)
			status = own;
	}
	json_object_put(workers);
	if (!s->o->json && shown.cut)
		printf("there are more %s\n", list->word);
	else if (!s->o->json && shown.rows == 0 && status == EXIT_OK)
		printf("no %s\n", list->word);
	return status;
}

/* --- looking -----------------------------------------------------------------------------------
 */

static int show_all(struct role_session *s, const char *method,
		    void (*show)(const struct options *, struct json_object *))
{
	int status = EXIT_OK;
	struct json_object *answers = role_gather(s, s->role, method, NULL, &status);

	if (answers == NULL)
		return status;
	if (s->o->json)
		json_print(stdout, answers);
	else
		show(s->o, answers);
	status = role_report_errors(answers);
	json_object_put(answers);
	return status;
}

static int show_one(struct role_session *s, const char *method,
		    void (*show)(const struct options *, struct json_object *))
{
	struct json_object *answer;
	struct error e;
	int status = EXIT_OK;

	if (role_call(s, s->role, method, NULL, &answer, &e) != ADIT_OK)
		return role_failed(s, &e);
	if (s->o->json)
		json_print(stdout, answer);
	else if (json_object_is_type(answer, json_type_object))
		show(s->o, answer);
	else
		status = role_no_answer(s);
	json_object_put(answer);
	return status;
}

/* --- changing ----------------------------------------------------------------------------------
 */

/* The worker that NAME, of a channel or connection, begins with; "" when it has none. */
static void worker_of(const char *name, char *out, size_t capacity)
{
	const char *slash = strchr(name, '/');

	snprintf(out, capacity, "%.*s", slash != NULL ? (int)(slash - name) : 0, name);
}

/* "pool.1/7" or "pool.1/7/2". */
static bool is_name(const char *text)
{
	const char *at = strchr(text, '/');
	int numbers = 0;

	if (at == NULL || at == text)
		return false;
	while (*at == '/') {
		size_t digits = strspn(at + 1, "0123456789");

		if (digits == 0)
			return false;
		at += 1 + digits;
		numbers++;
	}
	return *at == '\0' && numbers <= 2;
}

static int want_name(const char *command)
{
	fprintf(stderr,
		"aditctl: pool %s: expected the name of a connection or channel such as pool.1/7 "
		"or pool.1/7/2; `aditctl pool miners` and `aditctl pool channels` show them\n",
		command);
	return EXIT_USAGE;
}

/* Has METHOD done with NAME, the member KEY of PARAMS, which is consumed. DONE is the member of
 * the answer that says to how many. */
static int order(struct role_session *s, const char *method, const char *name,
		 struct json_object *params, const char *done, struct json_object **result)
{
	char worker[96];
	struct error e;

	*result = NULL;
	worker_of(name, worker, sizeof(worker));
	if (role_call(s, worker, method, params, result, &e) != ADIT_OK)
		return role_failed(s, &e);
	if (json_integer(*result, done, -1) > 0)
		return EXIT_OK;
	s->control.refused = true;
	error_set(&e, ADIT_E_NOT_FOUND,
		  "nothing was done: there is no %.80s (any more); `aditctl pool miners` and "
		  "`aditctl pool channels` show what there is",
		  name);
	return command_failed(&s->control, &e);
}

static void show_set(struct json_object *result)
{
	struct json_object *channels = json_array_member(result, "channels");

	for (size_t i = 0; i < json_count(channels); i++) {
		struct json_object *channel = json_element(channels, i);
		char name[TABLE_CELL_MAX], difficulty[TEXT_UNIT_SIZE];

		text_clean(json_text(channel, "channel", "?"), name, sizeof(name));
		text_difficulty(json_number(channel, "difficulty", -1), difficulty,
				sizeof(difficulty));
		printf("%s: difficulty %s, %s\n", name, difficulty,
		       json_truth(channel, "fixed", false) ? "fixed" : "steered");
	}
}

/* NUMBER, or "auto": 0. */
static bool parse_difficulty(const char *text, double *out)
{
	char *end;

	*out = 0;
	if (strcmp(text, "auto") == 0)
		return true;
	*out = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*out) && *out > 0;
}

static int set_difficulty(struct role_session *s, char **arguments)
{
	struct json_object *params, *result;
	double difficulty;
	int status;

	if (!is_name(arguments[0]))
		return want_name("set-difficulty");
	if (!parse_difficulty(arguments[1], &difficulty)) {
		fprintf(stderr, "aditctl: pool set-difficulty: expected a number above 0, or auto "
				"to have it steered again\n");
		return EXIT_USAGE;
	}
	params = json_object_new_object();
	json_object_object_add(params, "channel", json_object_new_string(arguments[0]));
	json_object_object_add(params, "difficulty",
			       difficulty > 0 ? json_object_new_double(difficulty) : NULL);
	status = order(s, "set_difficulty", arguments[0], params, "changed", &result);
	if (s->o->json && result != NULL)
		json_print(stdout, result);
	else if (status == EXIT_OK)
		show_set(result);
	json_object_put(result);
	return status;
}

static int disconnect(struct role_session *s, char **arguments, int count)
{
	struct json_object *params, *result;
	char name[TABLE_CELL_MAX];
	int status;

	if (!is_name(arguments[0]))
		return want_name("disconnect");
	params = json_object_new_object();
	json_object_object_add(params, "miner", json_object_new_string(arguments[0]));
	if (count > 1)
		json_object_object_add(params, "reason", json_object_new_string(arguments[1]));
	status = order(s, "disconnect_miner", arguments[0], params, "disconnected", &result);
	text_clean(arguments[0], name, sizeof(name));
	if (s->o->json && result != NULL)
		json_print(stdout, result);
	else if (status == EXIT_OK)
		printf("%s is disconnected\n", name);
	json_object_put(result);
	return status;
}

/* Without a name that of every channel, by all workers. */
static int renew_extranonce(struct role_session *s, char **arguments, int count)
{
	char worker[96];
	struct json_object *params = NULL, *answers;
	int64_t renewed;
	int status = EXIT_OK;

	snprintf(worker, sizeof(worker), "%s", s->role);
	if (count > 0 && !is_name(arguments[0]))
		return want_name("renew-extranonce");
	if (count > 0) {
		worker_of(arguments[0], worker, sizeof(worker));
		params = json_object_new_object();
		json_object_object_add(params, "channel", json_object_new_string(arguments[0]));
	}
	answers = role_gather(s, worker, "renew_extranonce", params, &status);
	if (answers == NULL)
		return status;
	renewed = pool_sum(answers, "renewed");
	if (s->o->json)
		json_print(stdout, answers);
	else
		printf("%" PRId64 " channels have another extranonce prefix%s\n", renewed,
		       renewed > 0 ? ""
				   : "; those whose jobs have the one before keep theirs until the "
				     "next block");
	status = role_report_errors(answers);
	json_object_put(answers);
	return status;
}

/* --- the command -------------------------------------------------------------------------------
 */

enum pool_action {
	POOL_STATS,
	POOL_LIST,
	POOL_JOBS,
	POOL_TEMPLATE,
	POOL_CONFIG,
	POOL_DIFFICULTY,
	POOL_DISCONNECT,
	POOL_RENEW
};

struct pool_command {
	const char *name;
	enum pool_action action;
	int arguments_min;
	int arguments_max;
};

static const struct pool_command *find(const char *name)
{
	static const struct pool_command commands[] = {
	    {"stats", POOL_STATS, 0, 0},
	    {"miners", POOL_LIST, 0, 0},
	    {"channels", POOL_LIST, 0, 0},
	    {"workers", POOL_LIST, 0, 0},
	    {"jobs", POOL_JOBS, 0, 0},
	    {"template", POOL_TEMPLATE, 0, 0},
	    {"config", POOL_CONFIG, 0, 0},
	    {"set-difficulty", POOL_DIFFICULTY, 2, 2},
	    {"disconnect", POOL_DISCONNECT, 1, 2},
	    {"renew-extranonce", POOL_RENEW, 0, 1},
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int perform(struct role_session *s, const struct pool_command *command, char **arguments,
		   int count)
{
	switch (command->action) {
	case POOL_LIST:
		return show_list(s, pool_list_find(command->name));
	case POOL_JOBS:
		return show_all(s, "list_jobs", pool_show_jobs);
	case POOL_TEMPLATE:
		return show_one(s, "get_template", pool_show_template);
	case POOL_CONFIG:
		return show_one(s, "get_pool_config", pool_show_config);
	case POOL_DIFFICULTY:
		return set_difficulty(s, arguments);
	case POOL_DISCONNECT:
		return disconnect(s, arguments, count);
	case POOL_RENEW:
		return renew_extranonce(s, arguments, count);
	case POOL_STATS:
		break;
	}
	return show_all(s, "get_pool_stats", pool_show_stats);
}

int command_pool(const struct options *o)
{
	const char *name = o->argument_count > 0 ? o->arguments[0] : "stats";
	const struct pool_command *command = find(name);
	int count = o->argument_count > 0 ? o->argument_count - 1 : 0;
	struct role_session s;
	int status;

	if (command == NULL || count < command->arguments_min || count > command->arguments_max) {
		fprintf(stderr,
			"aditctl: pool: expected stats, miners, channels, workers, jobs, template, "
			"config, set-difficulty CHANNEL NUMBER|auto, disconnect MINER [REASON] or "
			"renew-extranonce [CHANNEL]\n");
		return EXIT_USAGE;
	}
	if (o->count > 0 && command->action != POOL_LIST) {
		fprintf(stderr,
			"aditctl: pool %s: has no rows that -n could count; `aditctl "
			"--help` shows the usage\n",
			name);
		return EXIT_USAGE;
	}
	status = role_open(&s, o, ROLE);
	if (status != EXIT_OK)
		return status;
	status = perform(&s, command, o->arguments + 1, count);
	control_close(&s.control);
	return status;
}

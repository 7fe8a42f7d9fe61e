/* SPDX-License-Identifier: MIT */
/* miningos.c: `miningos`: looks at the role miningos and asks it for actions, by its methods
 * (adit-miningos(8)). */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/aditctl/commands.h"
#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define ROLE "miningos"
#define CALL_MS 60000 /* aditd's own deadline is shorter */
#define PAGE_ROWS 500
#define WAIT_STEP_MS 200
#define WAIT_STEPS 150 /* half a minute; an action that takes longer is shown as it is then */

struct session {
	const struct options *o;
	struct control control;
};

/* --- calls --- */

/* PARAMS (may be NULL) is consumed, *RESULT the caller's. */
static int32_t ask(struct session *s, const char *method, struct json_object *params,
		   struct json_object **result, struct error *e)
{
	struct json_object *request = json_object_new_object();
	int32_t r;

	json_object_object_add(request, "target",
			       json_object_new_string(s->o->role != NULL ? s->o->role : ROLE));
	json_object_object_add(request, "method", json_object_new_string(method));
	json_object_object_add(request, "params",
			       params != NULL ? params : json_object_new_object());
	r = control_request(&s->control, "call", request, CALL_MS, result, e);
	json_object_put(request);
	return r;
}

/* Tells the error E of METHOD; an exit status. */
static int tell(struct session *s, const char *method, const struct error *e)
{
	struct error more = *e;

	if (s->control.refused && e->code == ADIT_E_NOT_FOUND && strstr(e->text, "role") != NULL)
		error_set(&more, e->code,
			  "%.250s; `aditctl enable miningos` starts it, --role names another one",
			  e->text);
	else if (s->control.refused && strstr(e->text, "has no method") != NULL &&
		 (strncmp(method, "oauth", 5) == 0 || strncmp(method, "rest", 4) == 0))
		error_set(&more, e->code, "the client of the app-node is off: http_enabled = no");
	return command_failed(&s->control, &more);
}

/* ask(); an exit status after an error was told. */
static int call(struct session *s, const char *method, struct json_object *params,
		struct json_object **result)
{
	struct error e;

	return ask(s, method, params, result, &e) == ADIT_OK ? EXIT_OK : tell(s, method, &e);
}

static void clean(struct json_object *o, const char *key, char out[TABLE_CELL_MAX])
{
	text_clean(json_text(o, key, "-"), out, TABLE_CELL_MAX);
}

static struct json_object *with_text(const char *key, const char *value)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, key, json_object_new_string(value));
	return o;
}

/* --- showing --- */

static void show_racks(const struct session *s, struct json_object *racks)
{
	struct table t;

	table_init(&t, "RACK|TYPE|REGISTERED|RPC PUBLIC KEY");
	for (size_t i = 0; i < json_count(racks); i++) {
		struct json_object *rack = json_element(racks, i);
		bool registered = json_integer(rack, "registered", 0) != 0;

		table_add(&t, STYLE_PLAIN, json_text(rack, "id", "?"));
		table_add(&t, STYLE_PLAIN, json_text(rack, "type", "?"));
		table_add(&t, registered ? STYLE_GOOD : STYLE_WARN, registered ? "yes" : "no");
		table_add(&t, STYLE_PLAIN, json_text(rack, "rpc_public_key", "-"));
	}
	table_print(&t, stdout, &s->o->terminal);
	table_free(&t);
}

static void show_status(const struct session *s, struct json_object *o)
{
	struct json_object *statuses = json_object_member(o, "statuses");
	struct json_object *bridge = json_object_member(o, "bridge");
	struct json_object *oauth = json_object_member(o, "oauth");
	struct json_object *shares = json_object_member(o, "shares");
	char text[TABLE_CELL_MAX], unit[TABLE_CELL_MAX];

	show_racks(s, json_array_member(o, "racks"));
	clean(o, "hashrate_unit", unit);
	printf("things %" PRId64 ": %" PRId64 " mining, %" PRId64 " sleeping, %" PRId64
	       " not mining, %" PRId64 " in error, %" PRId64 " offline; %.6g %s\n",
	       json_integer(o, "things", 0), json_integer(statuses, "mining", 0),
	       json_integer(statuses, "sleeping", 0), json_integer(statuses, "not_mining", 0),
	       json_integer(statuses, "error", 0), json_integer(statuses, "offline", 0),
	       json_number(o, "hashrate_in_unit", 0), unit);
	printf("shares %" PRId64 " accepted, %" PRId64 " rejected, %" PRId64 " stale\n",
	       json_integer(shares, "accepted", 0), json_integer(shares, "rejected", 0),
	       json_integer(shares, "stale", 0));
	clean(bridge, "text", text);
	if (strcmp(text, "-") == 0)
		clean(bridge, "state", text);
	printf("bridge %s\n", text);
	clean(bridge, "remedy", text);
	if (strcmp(text, "-") != 0)
		printf("  to mend it: %s\n", text);
	clean(oauth, "state", text);
	printf("app-node %s\n", oauth != NULL ? text : "off");
}

static void show_roles(const char *name, struct json_object *roles)
{
	char text[TABLE_CELL_MAX];

	for (size_t i = 0; i < json_count(roles); i++) {
		text_clean(json_object_get_string(json_element(roles, i)), text, sizeof(text));
		if (i == 0)
			printf("%-10s %s", name, text);
		else
			printf(", %s", text);
	}
	if (json_count(roles) > 0)
		putchar('\n');
}

static void show_oauth(struct json_object *o)
{
	static const char *const keys[] = {"state", "app_node", "provider", "kind",
					   "user",  "email",    "problem",  "next"};
	char text[TABLE_CELL_MAX];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		clean(o, keys[i], text);
		if (strcmp(text, "-") != 0)
			printf("%-10s %s\n", keys[i], text);
	}
	show_roles("roles", json_array_member(o, "roles"));
	show_roles("lost", json_array_member(o, "lost_roles"));
	if (json_member(o, "write") != NULL)
		printf("%-10s %s\n", "may write", json_truth(o, "write", false) ? "yes" : "no");
	if (json_member(o, "expires_in") != NULL)
		printf("%-10s %" PRId64 " s\n", "expires in", json_integer(o, "expires_in", 0));
	if (json_member(o, "renews_in") != NULL)
		printf("%-10s %" PRId64 " s\n", "renews in", json_integer(o, "renews_in", 0));
	clean(json_object_member(o, "login"), "url", text);
	if (strcmp(text, "-") == 0)
		return;
	printf("open this in a browser: %s\n", text);
	clean(json_object_member(o, "login"), "listener", text);
	if (strcmp(text, "-") != 0)
		printf("it ends at %s, where it is awaited\n", text);
	else
		puts("and hand over the address that it ends at: `aditctl miningos login -`");
}

static void add_action(struct table *t, struct json_object *one)
{
	const char *status = json_text(one, "status", "?");

	table_addf(t, STYLE_PLAIN, "%" PRId64, json_integer(one, "action_id", 0));
	table_add(t, STYLE_PLAIN, json_text(one, "action", "?"));
	table_add(t, STYLE_PLAIN, json_text(one, "target", "-"));
	table_add(t, strcmp(status, "FAILED") == 0 ? STYLE_BAD : STYLE_PLAIN, status);
	table_add(t, STYLE_PLAIN, json_text(one, "user", "-"));
	table_add(t, STYLE_PLAIN, json_text(one, "error", "-"));
}

/* TEXT, whole: who approves has to see its end too. */
static void print_clean(const char *text)
{
	char part[TABLE_CELL_MAX];

	for (size_t size = strlen(text); size > 0;) {
		size_t some = size < sizeof(part) - 1 ? size : sizeof(part) - 1;
		char piece[TABLE_CELL_MAX];

		/* No character is cut in two. */
		while (some < size && some > 1 && ((unsigned char)text[some] & 0xc0) == 0x80)
			some--;
		memcpy(piece, text, some);
		piece[some] = '\0';
		text_clean(piece, part, sizeof(part));
		fputs(part, stdout);
		text += some;
		size -= some;
	}
}

/* What the action ONE asks for, a line for each parameter; its value is JSON, so that none looks
 * like another. */
static void show_parameters(struct json_object *one, const char *before)
{
	struct json_object *params = json_object_member(one, "params");

	if (params == NULL)
		return;
	json_object_object_foreach(params, key, value)
	{
		fputs(before, stdout);
		print_clean(key);
		putchar('=');
		print_clean(json_object_to_json_string_ext(
		    value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		putchar('\n');
	}
}

static void show_action(const struct session *s, struct json_object *one)
{
	struct table t;

	table_init(&t, "ACTION|TYPE|TARGET|STATUS|FOR|ERROR");
	add_action(&t, one);
	table_print(&t, stdout, &s->o->terminal);
	table_free(&t);
	show_parameters(one, "  ");
}

static void show_actions(const struct session *s, struct json_object *o)
{
	struct json_object *supported = json_array_member(o, "supported");
	struct json_object *actions = json_array_member(o, "actions");
	struct table t;

	table_init(&t, "TYPE|LEVEL|>VOTES|ALLOWED");
	for (size_t i = 0; i < json_count(supported); i++) {
		struct json_object *one = json_element(supported, i);
		bool allowed = json_truth(one, "allowed", false);

		table_add(&t, STYLE_PLAIN, json_text(one, "action", "?"));
		table_add(&t, STYLE_PLAIN, json_text(one, "level", "?"));
		table_add_count(&t, json_integer(one, "votes", 0));
		table_add(&t, allowed ? STYLE_GOOD : STYLE_FAINT, allowed ? "yes" : "no");
	}
	table_print(&t, stdout, &s->o->terminal);
	table_free(&t);
	table_init(&t, "ACTION|TYPE|TARGET|STATUS|FOR|ERROR");
	for (size_t i = 0; i < json_count(actions); i++)
		add_action(&t, json_element(actions, i));
	if (json_count(actions) > 0)
		putchar('\n');
	table_print(&t, stdout, &s->o->terminal);
	table_free(&t);
	for (size_t i = 0; i < json_count(actions); i++) {
		char before[32];

		snprintf(before, sizeof(before), "%" PRId64 " ",
			 json_integer(json_element(actions, i), "action_id", 0));
		show_parameters(json_element(actions, i), before);
	}
}

/* --- lists --- */

static void show_miners(const struct session *s, struct json_object *list)
{
	struct table t;

	table_init(&t, "CODE|ID|USER|STATUS|>HASHRATE|>ACCEPTED|>REJECTED|>STALE|CHANNEL|DEVICE");
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *one = json_element(list, i);
		const char *status = json_text(one, "status", "?");

		table_add(&t, STYLE_PLAIN, json_text(one, "code", "?"));
		table_add(&t, STYLE_PLAIN, json_text(one, "id", "?"));
		table_add(&t, STYLE_PLAIN, json_text(one, "user", "-"));
		table_add(&t, strcmp(status, "mining") == 0 ? STYLE_GOOD : STYLE_WARN, status);
		table_add_hashrate(&t, json_number(one, "hashrate", -1));
		table_add_count(&t, json_integer(one, "accepted", -1));
		table_add_count(&t, json_integer(one, "rejected", -1));
		table_add_count(&t, json_integer(one, "stale", -1));
		table_add(&t, STYLE_PLAIN, json_text(one, "channel", "-"));
		table_add(&t, STYLE_PLAIN, json_text(one, "device", "-"));
	}
	table_print(&t, stdout, &s->o->terminal);
	table_free(&t);
}

static int list_miners(struct session *s)
{
	int64_t offset = 0, count, rows;
	struct json_object *result;

	do {
		struct json_object *params = json_object_new_object(), *list;
		int64_t wanted = s->o->count > 0 && s->o->count - offset < PAGE_ROWS
				     ? s->o->count - offset
				     : PAGE_ROWS;
		int status;

		json_object_object_add(params, "offset", json_object_new_int64(offset));
		json_object_object_add(params, "limit", json_object_new_int64(wanted));
		status = call(s, "get_miner_list", params, &result);
		if (status != EXIT_OK)
			return status;
		list = json_array_member(result, "miners");
		rows = (int64_t)json_count(list);
		count = json_integer(result, "count", 0);
		if (s->o->json)
			json_print(stdout, result);
		else if (rows > 0)
			show_miners(s, list);
		else if (offset == 0)
			puts("no miner has been seen yet");
		json_object_put(result);
		offset += rows;
	} while (rows > 0 && offset < count && (s->o->count == 0 || offset < s->o->count));
	return EXIT_OK;
}

/* --- actions --- */

/* VALUE as a number, true, false or null; any other is a text. */
static struct json_object *value_of(const char *value)
{
	struct json_object *o = NULL;
	struct error e;

	if (strchr("{[\"", value[0]) == NULL && json_parse(value, strlen(value), &o, &e) == ADIT_OK)
		return o;
	return json_object_new_string(value);
}

/* The parameters of trigger_action: TYPE, perhaps a target, and KEY=VALUE. NULL after a message. */
static struct json_object *trigger_params(char **arguments, int count)
{
	struct json_object *o = with_text("action_type", arguments[0]);

	for (int i = 1; i < count; i++) {
		char *equals = strchr(arguments[i], '=');

		if (equals == NULL && i == 1) {
			json_object_object_add(o, "target", json_object_new_string(arguments[i]));
			continue;
		}
		if (equals == NULL || equals == arguments[i]) {
			fprintf(stderr, "aditctl: miningos trigger-action: expected TYPE [MINER] "
					"[KEY=VALUE]...\n");
			json_object_put(o);
			return NULL;
		}
		*equals = '\0';
		json_object_object_add(o, arguments[i], value_of(equals + 1));
	}
	return o;
}

/* Waits for the end of the action ONE, which is consumed, and shows it. */
static int follow(struct session *s, struct json_object *one)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
	struct json_object *next;
	int status = EXIT_OK;
	struct error e;

	for (int i = 0; i < WAIT_STEPS && strcmp(json_text(one, "status", ""), "EXECUTING") == 0;
	     i++) {
		struct json_object *params = json_object_new_object();

		nanosleep(&step, NULL);
		json_object_object_add(params, "action_id",
				       json_object_new_int64(json_integer(one, "action_id", 0)));
		if (ask(s, "get_action_status", params, &next, &e) == ADIT_OK) {
			json_object_put(one);
			one = next;
		} else if (s->control.refused &&
			   strcmp(json_text(one, "action", ""), "rackReboot") == 0) {
			/* The role that was asked has ended; who answers for it knows nothing. */
			json_object_object_add(one, "status", json_object_new_string("COMPLETED"));
		} else {
			json_object_put(one);
			return tell(s, "get_action_status", &e);
		}
	}
	if (s->o->json)
		json_print(stdout, one);
	else
		show_action(s, one);
	if (strcmp(json_text(one, "status", ""), "FAILED") == 0)
		status = EXIT_REFUSED;
	if (strcmp(json_text(one, "status", ""), "VOTING") == 0 && !s->o->json)
		puts("it waits for an approval: `aditctl miningos approve ACTION`");
	json_object_put(one);
	return status;
}

static int act(struct session *s, const char *method, struct json_object *params)
{
	struct json_object *one;
	int status = call(s, method, params, &one);

	return status == EXIT_OK ? follow(s, one) : status;
}

/* --- the app-node --- */

/* The token TEXT, or with "-" the first line of the standard input, where no list of processes has
 * it. NULL after a message. */
static struct json_object *token_params(const char *text)
{
	char line[8192] = "";
	struct json_object *params;

	if (strcmp(text, "-") != 0)
		return with_text("token", text);
	if (fgets(line, sizeof(line), stdin) == NULL || line[0] == '\n') {
		fprintf(stderr,
			"aditctl: miningos login -: there is no token on the standard input\n");
		return NULL;
	}
	line[strcspn(line, "\r\n")] = '\0';
	params = with_text("token", line);
	explicit_bzero(line, sizeof(line));
	return params;
}

static int show_plain(struct session *s, const char *method, struct json_object *params,
		      void (*show)(struct json_object *result))
{
	struct json_object *result;
	int status = call(s, method, params, &result);

	if (status != EXIT_OK)
		return status;
	if (s->o->json || show == NULL)
		json_print(stdout, result);
	else
		show(result);
	json_object_put(result);
	return EXIT_OK;
}

static int rest(struct session *s, char **arguments, int count)
{
	struct json_object *params = with_text("endpoint", arguments[0]), *given = NULL;
	struct error e;

	if (count > 1 && json_parse(arguments[1], strlen(arguments[1]), &given, &e) != ADIT_OK) {
		fprintf(stderr, "aditctl: the arguments are %s\n", e.text);
		json_object_put(params);
		return EXIT_USAGE;
	}
	if (given != NULL)
		json_object_object_add(params, "arguments", given);
	return show_plain(s, "rest_call", params, NULL);
}

/* PUT of a vote by the app-node. */
static int vote(struct session *s, char **arguments)
{
	struct json_object *params = with_text("endpoint", "vote-action");
	struct json_object *given = with_text("id", arguments[0]);

	json_object_object_add(given, "approve",
			       json_object_new_boolean(strcmp(arguments[1], "yes") == 0));
	json_object_object_add(params, "arguments", given);
	return show_plain(s, "rest_call", params, NULL);
}

/* --- the command --- */

enum verb {
	VERB_STATUS,
	VERB_ACTIONS,
	VERB_OAUTH,
	VERB_MINERS,
	VERB_TRIGGER,
	VERB_ACTION,
	VERB_APPROVE,
	VERB_DENY,
	VERB_LOGIN,
	VERB_LOGOUT,
	VERB_VOTE,
	VERB_REST
};

struct verb_command {
	const char *name;
	enum verb verb;
	int least;
	int most;
};

static const struct verb_command *find(const char *name, int count)
{
	static const struct verb_command commands[] = {
	    {"status", VERB_STATUS, 0, 0},
	    {"list-actions", VERB_ACTIONS, 0, 0},
	    {"oauth-status", VERB_OAUTH, 0, 0},
	    {"list-miners", VERB_MINERS, 0, 0},
	    {"trigger-action", VERB_TRIGGER, 1, 6},
	    {"action", VERB_ACTION, 1, 1},
	    {"approve", VERB_APPROVE, 1, 1},
	    {"deny", VERB_DENY, 1, 1},
	    {"login", VERB_LOGIN, 0, 1},
	    {"logout", VERB_LOGOUT, 0, 0},
	    {"vote", VERB_VOTE, 2, 2},
	    {"rest", VERB_REST, 1, 2},
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0 && count >= commands[i].least &&
		    count <= commands[i].most)
			return &commands[i];
	return NULL;
}

static int show_state(struct session *s, const char *method,
		      void (*show)(const struct session *s, struct json_object *o))
{
	struct json_object *result;
	int status = call(s, method, NULL, &result);

	if (status != EXIT_OK)
		return status;
	if (s->o->json)
		json_print(stdout, result);
	else
		show(s, result);
	json_object_put(result);
	return EXIT_OK;
}

static int perform(struct session *s, enum verb verb, char **arguments, int count)
{
	struct json_object *params;

	switch (verb) {
	case VERB_STATUS:
		return show_state(s, "status", show_status);
	case VERB_ACTIONS:
		return show_state(s, "list_actions", show_actions);
	case VERB_OAUTH:
		return show_plain(s, "oauth_status", NULL, show_oauth);
	case VERB_MINERS:
		return list_miners(s);
	case VERB_TRIGGER:
		params = trigger_params(arguments, count);
		return params != NULL ? act(s, "trigger_action", params) : EXIT_USAGE;
	case VERB_ACTION:
		return act(s, "get_action_status", with_text("action_id", arguments[0]));
	case VERB_APPROVE:
		return act(s, "approve_action", with_text("action_id", arguments[0]));
	case VERB_DENY:
		return act(s, "deny_action", with_text("action_id", arguments[0]));
	case VERB_LOGIN:
		params = count > 0 ? token_params(arguments[0]) : NULL;
		if (count > 0 && params == NULL)
			return EXIT_USAGE;
		return show_plain(s, "oauth_login", params, show_oauth);
	case VERB_LOGOUT:
		return show_plain(s, "oauth_logout", NULL, NULL);
	case VERB_VOTE:
		return vote(s, arguments);
	case VERB_REST:
		break;
	}
	return rest(s, arguments, count);
}

int command_miningos(const struct options *o)
{
	const char *name = o->argument_count > 0 ? o->arguments[0] : "status";
	int count = o->argument_count > 0 ? o->argument_count - 1 : 0;
	const struct verb_command *command = find(name, count);
	struct session s = {.o = o};
	int status;

	if (command == NULL || (command->verb == VERB_VOTE && strcmp(o->arguments[2], "yes") != 0 &&
				strcmp(o->arguments[2], "no") != 0)) {
		fprintf(stderr,
			"aditctl: miningos: expected status, list-actions, list-miners, "
			"oauth-status, trigger-action TYPE [MINER] [KEY=VALUE]..., action ID, "
			"approve ID, deny ID, login [TOKEN|-], logout, vote ID yes|no or rest "
			"ENDPOINT [JSON]\n");
		return EXIT_USAGE;
	}
	status = command_connect(o, &s.control);
	if (status != EXIT_OK)
		return status;
	status = perform(&s, command->verb, o->arguments + 1, count);
	control_close(&s.control);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* events.c: `events`: prints what happens, as it happens. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define ANSWER_MS 15000

static void put_time(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm local;
	char text[32];

	if (ms <= 0 || localtime_r(&seconds, &local) == NULL ||
	    strftime(text, sizeof(text), "%H:%M:%S", &local) == 0)
		fputs("--:--:--.---", stdout);
	else
		printf("%s.%03d", text, (int)(ms % 1000));
}

/* "key value  key value": the flat members as words, what is nested as JSON. */
static void put_data(struct json_object *data)
{
	char clean[1024];

	if (!json_object_is_type(data, json_type_object))
		return;
	json_object_object_foreach(data, key, value)
	{
		if (value == NULL)
			continue;
		text_clean(key, clean, TABLE_CELL_MAX);
		printf("  %s ", clean);
		text_clean(json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN),
			   clean, sizeof(clean));
		fputs(clean, stdout);
	}
}

static void show_event(const struct options *o, struct json_object *event)
{
	int64_t lost = json_integer(event, "lost", 0);
	char text[TABLE_CELL_MAX];

	if (lost > 0)
		printf("(%" PRId64 " events were missed here: this program read too slowly)\n",
		       lost);
	put_time(json_integer(event, "time_ms", 0));
	fputs("  ", stdout);
	text_clean(json_text(event, "source", "?"), text, sizeof(text));
	printf("%-18s ", text);
	text_clean(json_text(event, "type", "?"), text, sizeof(text));
	terminal_put(&o->terminal, stdout, STYLE_HEADING, text);
	put_data(json_member(event, "data"));
	fputc('\n', stdout);
}

static struct json_object *subscription(const struct options *o)
{
	struct json_object *params = json_object_new_object();
	struct json_object *types;

	if (o->argument_count == 0)
		return params;
	types = json_object_new_array();
	for (int i = 0; i < o->argument_count; i++)
		json_object_array_add(types, json_object_new_string(o->arguments[i]));
	json_object_object_add(params, "types", types);
	return params;
}

static int follow(const struct options *o, struct control *c)
{
	struct json_object *message, *event;
	long shown = 0;
	struct error e;

	while (!signals_came() && (o->count == 0 || shown < o->count)) {
		int32_t code = control_receive(c, -1, &message, &e);

		if (code == ADIT_E_CANCELLED)
			continue;
		if (code != ADIT_OK)
			return command_failed(c, &e);
		event = json_object_member(message, "params");
		if (event != NULL && strcmp(json_text(message, "method", ""), "event") == 0) {
			shown++;
			if (o->json)
				json_print(stdout, event);
			else
				show_event(o, event);
			fflush(stdout);
		}
		json_object_put(message);
	}
	return EXIT_OK;
}

int command_events(const struct options *o)
{
	struct json_object *params, *result;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	if (status != EXIT_OK)
		return status;
	params = subscription(o);
	if (control_request(&c, "events", params, ANSWER_MS, &result, &e) == ADIT_OK) {
		signals_catch(&c);
		status = follow(o, &c);
	} else {
		status = command_failed(&c, &e);
	}
	json_object_put(result);
	json_object_put(params);
	control_close(&c);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* config.c: `config` and `reload`. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <string.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define CONFIG_MS 30000

/* "default", "FILE:LINE", "FILE:LINE (override)" */
static void config_origin(struct table *t, struct json_object *setting)
{
	const char *origin = json_text(setting, "origin", "");
	const char *file = json_text(setting, "file", "");
	bool override = strcmp(origin, "override") == 0;

	if (strcmp(origin, "default") == 0)
		table_add(t, STYLE_FAINT, "default");
	else
		table_addf(t, override ? STYLE_WARN : STYLE_PLAIN, "%s:%lld%s", file,
			   (long long)json_integer(setting, "line", 0),
			   override ? " (override)" : "");
}

static void config_section(struct table *t, struct json_object *section)
{
	struct json_object *settings = json_array_member(section, "settings");

	for (size_t i = 0; i < json_count(settings); i++) {
		struct json_object *s = json_element(settings, i);

		table_add(t, STYLE_PLAIN, json_text(section, "name", ""));
		table_add(t, STYLE_PLAIN, json_text(s, "key", ""));
		if (json_truth(s, "secret", false))
			table_add(t, STYLE_FAINT, "(secret)");
		else
			table_add(t, STYLE_PLAIN, json_text(s, "value", ""));
		config_origin(t, s);
	}
}

static int config_show(const struct options *o, struct json_object *result)
{
	struct json_object *sections = json_array_member(result, "sections");
	struct table t;

	if (o->json) {
		json_print(stdout, result);
		return EXIT_OK;
	}
	table_init(&t, "SECTION|KEY|VALUE|ORIGIN");
	for (size_t i = 0; i < json_count(sections); i++)
		config_section(&t, json_element(sections, i));
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
	return EXIT_OK;
}

int reload_report(const struct options *o, struct json_object *result)
{
	struct json_object *problems = json_array_member(result, "problems");
	bool reloaded = json_truth(result, "reloaded", false);

	if (o->json)
		json_print(stdout, result);
	for (size_t i = 0; !o->json && i < json_count(problems); i++) {
		const char *line = json_object_get_string(json_element(problems, i));
		char text[4096];

		text_clean(line != NULL ? line : "", text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
	if (!reloaded && !o->json)
		fputs("aditctl: nothing was changed; aditd runs on with what it had\n", stderr);
	return reloaded ? EXIT_OK : EXIT_REFUSED;
}

static void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

/* The request for the command line in O; *METHOD is NULL when it is wrong. */
static struct json_object *config_params(const struct options *o, const char **method)
{
	struct json_object *params = json_object_new_object();
	const char *verb = o->argument_count > 0 ? o->arguments[0] : "";

	*method = NULL;
	if (strcmp(verb, "set") == 0 && o->argument_count == 4) {
		*method = "config_set";
		add_text(params, "key", o->arguments[2]);
		add_text(params, "value", o->arguments[3]);
	} else if (strcmp(verb, "reset") == 0 && o->argument_count >= 2 && o->argument_count <= 3) {
		*method = "config_reset";
		if (o->argument_count == 3)
			add_text(params, "key", o->arguments[2]);
	} else if (o->argument_count <= 1 && strcmp(verb, "set") != 0 &&
		   strcmp(verb, "reset") != 0) {
		*method = "config";
		if (o->argument_count == 1)
			add_text(params, "role", verb);
		return params;
	}
	if (*method != NULL)
		add_text(params, "role", o->arguments[1]);
	return params;
}

/* Sends METHOD and hands its result to SHOW. */
static int config_request(const struct options *o, const char *method, struct json_object *params,
			  int (*show)(const struct options *o, struct json_object *result))
{
	struct json_object *result;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	if (status != EXIT_OK)
		return status;
	if (control_request(&c, method, params, CONFIG_MS, &result, &e) != ADIT_OK)
		status = command_failed(&c, &e);
	else
		status = show(o, result);
	json_object_put(result);
	control_close(&c);
	return status;
}

int command_config(const struct options *o)
{
	const char *method;
	struct json_object *params = config_params(o, &method);
	int status;

	if (method == NULL) {
		fputs("aditctl: config: expected nothing, ROLE, `set ROLE KEY VALUE` or `reset "
		      "ROLE [KEY]`\n",
		      stderr);
		status = EXIT_USAGE;
	} else {
		status = config_request(
		    o, method, params, strcmp(method, "config") == 0 ? config_show : reload_report);
	}
	json_object_put(params);
	return status;
}

int command_reload(const struct options *o)
{
	return config_request(o, "reload", NULL, reload_report);
}

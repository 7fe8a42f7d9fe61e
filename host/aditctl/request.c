/* SPDX-License-Identifier: MIT */
/* request.c: `stop` and `call`. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <string.h>

#include "host/aditctl/json.h"

#define CALL_MS 60000 /* aditd's own deadline is shorter */
#define STOP_MS 30000 /* roles have five seconds each to finish, host and node some more */

/* Waits until aditd closes the connection, which it does when it is about to exit. */
static int wait_until_gone(const struct options *o, struct control *c)
{
	struct json_object *message;
	struct error e;
	int32_t code;

	do {
		code = control_receive(c, STOP_MS, &message, &e);
		json_object_put(message);
	} while (code == ADIT_OK);
	if (code == ADIT_E_TIMEOUT) {
		error_set(&e, ADIT_E_TIMEOUT, "aditd is still stopping; see its log");
		return command_failed(c, &e);
	}
	if (!o->json)
		puts("aditd has stopped");
	return EXIT_OK;
}

int command_stop(const struct options *o)
{
	struct json_object *result;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	if (status != EXIT_OK)
		return status;
	if (control_request(&c, "stop", NULL, STOP_MS, &result, &e) != ADIT_OK) {
		status = command_failed(&c, &e);
	} else {
		if (o->json)
			json_print(stdout, result);
		status = wait_until_gone(o, &c);
	}
	json_object_put(result);
	control_close(&c);
	return status;
}

/* {"target","method","params"} from the command line; NULL after a message on standard error. */
static struct json_object *call_params(const struct options *o)
{
	const char *text = o->argument_count > 2 ? o->arguments[2] : "{}";
	struct json_object *params, *request;
	struct error e;

	if (json_parse(text, strlen(text), &params, &e) != ADIT_OK) {
		fprintf(stderr, "aditctl: the parameters are %s\n", e.text);
		return NULL;
	}
	request = json_object_new_object();
	json_object_object_add(request, "target", json_object_new_string(o->arguments[0]));
	json_object_object_add(request, "method", json_object_new_string(o->arguments[1]));
	json_object_object_add(request, "params", params);
	return request;
}

int command_call(const struct options *o)
{
	struct json_object *params = call_params(o), *result;
	struct control c;
	struct error e;
	int status;

	if (params == NULL)
		return EXIT_USAGE;
	status = command_connect(o, &c);
	if (status == EXIT_OK) {
		if (control_request(&c, "call", params, CALL_MS, &result, &e) != ADIT_OK)
			status = command_failed(&c, &e);
		else
			json_print(stdout, result);
		json_object_put(result);
		control_close(&c);
	}
	json_object_put(params);
	return status;
}

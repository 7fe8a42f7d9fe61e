/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/role_session.h"

#include <stdio.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define CALL_MS 60000 /* aditd's own deadline is shorter */

int role_open(struct role_session *s, const struct options *o, const char *otherwise)
{
	*s = (struct role_session){.o = o, .role = o->role != NULL ? o->role : otherwise};
	return command_connect(o, &s->control);
}

int32_t role_call(struct role_session *s, const char *target, const char *method,
		  struct json_object *params, struct json_object **result, struct error *e)
{
	struct json_object *request = json_object_new_object();
	int32_t r;

	json_object_object_add(request, "target", json_object_new_string(target));
	json_object_object_add(request, "method", json_object_new_string(method));
	json_object_object_add(request, "params",
			       params != NULL ? params : json_object_new_object());
	r = control_request(&s->control, "call", request, CALL_MS, result, e);
	json_object_put(request);
	return r;
}

int role_failed(struct role_session *s, const struct error *e)
{
	struct error more = *e;

	if (s->control.refused && (e->code == ADIT_E_NOT_FOUND || e->code == ADIT_E_UNAVAILABLE))
		error_set(&more, e->code,
			  "%.300s; `aditctl status` shows what runs, --role names "
			  "another than %.60s",
			  e->text, s->role);
	return command_failed(&s->control, &more);
}

int role_no_answer(struct role_session *s)
{
	struct error e;

	error_set(&e, ADIT_E_PROTOCOL, "the answer of %.60s has another shape than expected",
		  s->role);
	return command_failed(&s->control, &e);
}

/* What a worker could not answer; true when ANSWER, an element of a gathered one, is such. */
static bool report_error(struct json_object *answer)
{
	struct json_object *error = json_object_member(answer, "error");
	char worker[TABLE_CELL_MAX], text[TABLE_CELL_MAX];

	if (error == NULL)
		return false;
	text_clean(json_text(answer, "worker", "?"), worker, sizeof(worker));
	text_clean(json_text(error, "message", "?"), text, sizeof(text));
	fprintf(stderr, "aditctl: %s: %s\n", worker, text);
	return true;
}

struct json_object *role_gather(struct role_session *s, const char *target, const char *method,
				struct json_object *params, int *status)
{
	struct json_object *result, *list, *answer;
	struct error e;

	if (role_call(s, target, method, params, &result, &e) != ADIT_OK) {
		*status = role_failed(s, &e);
		return NULL;
	}
	if (json_object_is_type(result, json_type_array))
		return result;
	list = json_object_new_array();
	answer = json_object_new_object();
	json_object_object_add(answer, "worker", json_object_new_string(target));
	json_object_object_add(answer, "result", result);
	json_object_array_add(list, answer);
	return list;
}

int role_report_errors(struct json_object *answers)
{
	int status = EXIT_OK;

	for (size_t i = 0; i < json_count(answers); i++)
		if (report_error(json_element(answers, i)))
			status = EXIT_REFUSED;
	return status;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/abi_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char rig_path[256];

void rig_setup(void)
{
	char options[512];
	const char *given = getenv("ASAN_OPTIONS");

	/* A plugin that crashes on purpose dies of its signal under AddressSanitizer, too. */
	snprintf(options, sizeof(options), "%s%shandle_segv=0", given != NULL ? given : "",
		 given != NULL ? ":" : "");
	setenv("ASAN_OPTIONS", options, 1);
	harness_setup();
	snprintf(rig_path, sizeof(rig_path), "%s/plugins", harness.directory);
	ck_assert_int_eq(mkdir(rig_path, 0755), 0);
	snprintf(rig_path, sizeof(rig_path), "%s/conf.d", harness.directory);
	ck_assert_int_eq(mkdir(rig_path, 0755), 0);
	harness_configure("[host]\n"
			  "state_dir = %s/state\n"
			  "run_dir = %s\n"
			  "plugin_dir = %s/plugins\n"
			  "\n[node]\n"
			  "backend = embedded\n"
			  "network = regtest\n"
			  "embedded_nbits = 207fffff\n",
			  harness.directory, harness.directory, harness.directory);
}

void rig_teardown(void)
{
	harness_teardown();
}

const char *rig_plugin_path(const char *file)
{
	snprintf(rig_path, sizeof(rig_path), "%s/plugins/%s", harness.directory, file);
	return rig_path;
}

void rig_put_plugin(const char *name)
{
	static const char *const endings[] = {"so", "manifest"};

	for (size_t i = 0; i < 2; i++) {
		char from[512], file[128];

		snprintf(file, sizeof(file), "%s.%s", name, endings[i]);
		snprintf(from, sizeof(from), ABI_PLUGINS "/%s", file);
		ck_assert_msg(access(from, R_OK) == 0, "%s is missing", from);
		ck_assert_int_eq(symlink(from, rig_plugin_path(file)), 0);
	}
}

void rig_role(const char *instance, const char *format, ...)
{
	char path[256];
	va_list arguments;
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf.d/%s.conf", harness.directory, instance);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "[%s]\n%s", instance, harness.no_grants ? "" : "grant = all\n");
	va_start(arguments, format);
	vfprintf(f, format, arguments);
	va_end(arguments);
	ck_assert_int_eq(fclose(f), 0);
}

void rig_reload(void)
{
	json_object_put(harness_request("reload", NULL));
}

struct rig_state rig_state(const char *instance)
{
	struct json_object *status = harness_status();
	struct json_object *role = harness_role(status, instance);
	struct rig_state s = {
	    .state = strdup(json_text(role, "state", "")),
	    .text = strdup(json_text(role, "text", "")),
	    .last_exit = strdup(json_text(role, "last_exit", "")),
	    .restarts = (long)json_integer(role, "restarts", 0),
	};

	json_object_put(status);
	return s;
}

void rig_state_free(struct rig_state *state)
{
	free(state->state);
	free(state->text);
	free(state->last_exit);
}

struct rig_wanted {
	const char *instance;
	const char *state;
	long restarts;
};

static bool rig_is_in_state(void *user)
{
	const struct rig_wanted *w = user;
	struct rig_state s = rig_state(w->instance);
	bool good = strcmp(s.state, w->state) == 0 && s.restarts >= w->restarts;

	rig_state_free(&s);
	return good;
}

void rig_wait_state(const char *instance, const char *state, long restarts)
{
	struct rig_wanted w = {instance, state, restarts};
	char what[128];

	snprintf(what, sizeof(what), "%s is %s after %ld restarts", instance, state, restarts);
	harness_wait(RIG_WAIT_MS, rig_is_in_state, &w, what);
}

void rig_says(const char *instance, const char *part)
{
	struct rig_state s = rig_state(instance);

	must(strstr(s.text, part) != NULL, "%s: no '%s' in: %s", instance, part, s.text);
	must(strcmp(s.text, s.last_exit) == 0, "%s: text '%s', last exit '%s'", instance, s.text,
	     s.last_exit);
	harness_wait_log(part);
	rig_state_free(&s);
}

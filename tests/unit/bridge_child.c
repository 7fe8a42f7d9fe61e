/* SPDX-License-Identifier: MIT */
/*
 * A bridge that behaves as the file says which it is given in place of bridge.js: one word, and in
 *the line after it a file where it counts its starts. Where it behaves it answers as the real one
 *does, and these calls in a way of its own:
 *
 *	echo PARAMS	PARAMS
 *	self		descriptors, environment, arguments, directory
 *	ask PARAMS	makes the request PARAMS of the role, gives back the role's answer as a
 *string mute		no answer die		exits with 9 instead fail		the error
 *ERR_RACK_ID_INVALID
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANNEL 3
#define KEY "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcde"

extern char **environ;

static char behaviour[64];
static char line[64 << 10];

static void put(const char *text, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		ssize_t n = write(CHANNEL, text + sent, size - sent);

		if (n < 0 && errno != EINTR)
			exit(1);
		sent += n > 0 ? (size_t)n : 0;
	}
}

static void say(const char *text)
{
	put(text, strlen(text));
}

/* The next line of the role; exits when there is none. */
static char *hear(void)
{
	size_t size = 0;

	for (;;) {
		if (size == sizeof(line) - 1 || read(CHANNEL, line + size, 1) != 1)
			exit(0);
		if (line[size] == '\n')
			break;
		size++;
	}
	line[size] = '\0';
	return line;
}

/* {"id":ID,REST}, where REST is BEFORE, TEXT and AFTER. */
static void answer(unsigned id, const char *before, const char *text, const char *after)
{
	static char whole[sizeof(line) + 256];

	(void)snprintf(whole, sizeof(whole), "{\"id\":%u,%s%s%s}\n", id, before, text, after);
	say(whole);
}

static void configure(unsigned id, bool good)
{
	answer(id,
	       good ? "\"result\":{\"client_key\":\"" KEY "0\",\"node_version\":\"v20\",\"racks\":["
		      "{\"id\":\"one\",\"rpc_public_key\":\"" KEY "1\"},"
		      "{\"id\":\"two\",\"rpc_public_key\":\"" KEY "2\"}]}"
		    : "\"result\":{\"client_key\":\"" KEY "\",\"racks\":{}}",
	       "", "");
	if (good)
		say("{\"id\":0,\"method\":\"state\",\"params\":{\"listening\":[\"one\",7,\"two\"]}}"
		    "\n");
}

static void self(unsigned id, char *const argv[])
{
	char text[4096];
	char directory[1024];
	int n = snprintf(text, sizeof(text), "fds");
	DIR *fds = opendir("/proc/self/fd");

	for (struct dirent *d = readdir(fds); d != NULL; d = readdir(fds)) {
		if (d->d_name[0] != '.' && atoi(d->d_name) != dirfd(fds))
			n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", d->d_name);
	}
	(void)closedir(fds);
	for (char **e = environ; *e != NULL; e++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "; %.*s", (int)strcspn(*e, "="),
			      *e);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "; %s; in %s", argv[1],
		      getcwd(directory, sizeof(directory)));
	n += snprintf(text + n, sizeof(text) - (size_t)n, "; pipes %s",
		      signal(SIGPIPE, SIG_DFL) == SIG_DFL ? "default" : "ignored");
	answer(id, "\"result\":\"", text, "\"");
}

static void ask(unsigned id, const char *params)
{
	static char request[sizeof(line)];
	char *reply;

	(void)snprintf(request, sizeof(request), "%s\n", params);
	say(request);
	reply = hear();
	for (char *c = reply; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			*c = '\'';
	}
	answer(id, "\"result\":\"", reply, "\"");
}

static void call(unsigned id, char *const argv[])
{
	char *params = strstr(line, "\"params\":{\"key\"");
	char *method = params != NULL ? strstr(params, "\"method\":\"") : NULL;

	params = method != NULL ? strstr(method, "\"params\":") : NULL;
	if (params == NULL)
		exit(2);
	method += strlen("\"method\":\"");
	params += strlen("\"params\":");
	params[strlen(params) - 2] = '\0';
	if (strncmp(method, "echo\"", 5) == 0)
		answer(id, "\"result\":", params, "");
	else if (strncmp(method, "self\"", 5) == 0)
		self(id, argv);
	else if (strncmp(method, "ask\"", 4) == 0)
		ask(id, params);
	else if (strncmp(method, "fail\"", 5) == 0)
		answer(id, "\"error\":\"ERR_RACK_ID_INVALID\"", ",\"message\":\"no\"", "");
	else if (strncmp(method, "die\"", 4) == 0)
		exit(9);
}

/* Lines that are none of ours; the fourth column says how many of them are refused. */
static void garbage(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		say("garbage\n");
}

static void strange_ids(void)
{
	static const char *const ids[] = {
	    "-1",         "1.5", "\"1\"", "null", "true", "[]", "{}", "99999999999999999999",
	    "2147483648", "1e9",
	};
	static const char *const lines[] = {
	    "{}",
	    "[]",
	    "7",
	    "",
	    "{\"id\":3}",
	    "{\"id\":0,\"result\":1}",
	    "{\"id\":4,\"error\":5}",
	    "{\"id\":5,\"method\":\"\",\"rack\":\"one\",\"peer\":\"\"}",
	    "{\"id\":5,\"method\":\"a\",\"rack\":7,\"peer\":\"\"}",
	    "{\"id\":5,\"method\":\"a\",\"rack\":\"one\",\"peer\":\"zz\"}",
	};
	char text[256];

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"id\":%s,\"result\":1}\n", ids[i]);
		say(text);
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		say(lines[i]);
		say("\n");
	}
}

static void long_line(void)
{
	static char much[1 << 20];

	memset(much, 'x', sizeof(much));
	for (int i = 0; i < 100; i++)
		put(much, sizeof(much));
}

static void noise(void)
{
	static char much[1 << 20];

	memset(much, '\001', sizeof(much));
	for (int i = 0; i < 10; i++)
		(void)fwrite(much, 1, sizeof(much), i % 2 == 0 ? stdout : stderr);
	(void)fprintf(stderr, "\n{\"level\":\"info\",\"text\":\"a line of \\u001b[31mours\"}\n");
	(void)fprintf(stderr, "a line of \033[31mits own\n");
	for (int i = 0; i < 1000; i++)
		(void)fprintf(stderr, "again\n");
	(void)fflush(NULL);
}

/* The answer to `configure` in pieces, together with the note that follows it. */
static void slices(unsigned id)
{
	char text[512];
	size_t size = (size_t)snprintf(
	    text, sizeof(text),
	    "{\"id\":%u,\"result\":{\"client_key\":\"" KEY "0\",\"racks\":["
	    "{\"id\":\"one\",\"rpc_public_key\":\"" KEY
	    "1\"},{\"id\":\"two\",\"rpc_public_key\":\"" KEY
	    "2\"}]}}\n{\"id\":0,\"method\":\"state\",\"params\":{\"listening\":[\"two\"]}}\n",
	    id);

	for (size_t i = 0; i < size; i++)
		put(text + i, 1);
}

static void flood(unsigned requests)
{
	char text[128];

	for (unsigned i = 1; i <= requests; i++) {
		(void)snprintf(
		    text, sizeof(text),
		    "{\"id\":%u,\"rack\":\"one\",\"method\":\"listThings\",\"peer\":\"\"}\n", i);
		say(text);
	}
}

static bool is(const char *word)
{
	return strcmp(behaviour, word) == 0;
}

/* The first line is always `configure`. */
static void begin(unsigned id)
{
	if (is("silent")) {
		for (;;)
			(void)hear();
	} else if (is("modules") || is("broken")) {
		answer(id, "\"error\":\"", is("modules") ? "ERR_MODULES_MISSING" : "ERR_BRIDGE",
		       "\",\"message\":\"Cannot find it\"");
		exit(3);
	} else if (is("ids")) {
		strange_ids();
	} else if (is("garbage")) {
		garbage(30);
	} else if (is("noisy")) {
		noise();
	}
	if (is("slices"))
		slices(id);
	else
		configure(id, !is("keyless"));
	if (is("long"))
		long_line();
	if (is("closed"))
		(void)close(CHANNEL);
	if (is("greedy") || is("flood"))
		flood(is("flood") ? 300 : 200);
	if (is("closed") || is("deaf") || is("greedy")) {
		for (;;)
			(void)pause();
	}
}

static void count(const char *file)
{
	FILE *f = fopen(file, "a");

	if (f == NULL || fputc('.', f) == EOF || fclose(f) != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	FILE *f = argc > 2 ? fopen(argv[argc - 1], "r") : NULL;
	char counter[256];

	if (f == NULL || fscanf(f, "%63s %255s", behaviour, counter) != 2)
		return 2;
	(void)fclose(f);
	count(counter);
	if (is("exits"))
		return 7;
	for (;;) {
		unsigned id = (unsigned)strtoul(hear() + strlen("{\"id\":"), NULL, 10);

		if (strstr(line, "\"method\":\"configure\"") != NULL)
			begin(id);
		else if (strstr(line, "\"method\":\"stop\"") != NULL && !is("stubborn"))
			return 0;
		else if (strstr(line, "\"method\":\"ping\"") != NULL)
			answer(id, "\"result\":", "1", "");
		else if (strstr(line, "\"method\":\"call\"") != NULL)
			call(id, argv);
	}
}

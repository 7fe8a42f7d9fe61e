/* SPDX-License-Identifier: MIT */
/* bridge_exec.c: finds Node.js and the bridge, and starts the one with the other. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/miningos/bridge_impl.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static bool executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* NAME in PATH, or NAME itself when it is a path. */
static bool find_program(const char *name, char *out, size_t size)
{
	const char *at = getenv("PATH");

	if (strchr(name, '/') != NULL) {
		char *full = name[0] == '/' ? NULL : realpath(name, NULL); /* it starts elsewhere */

		(void)snprintf(out, size, "%s", full != NULL ? full : name);
		free(full);
		return executable(out);
	}
	for (at = at != NULL ? at : DEFAULT_PATH; *at != '\0';) {
		size_t length = strcspn(at, ":");

		if (length > 0 &&
		    snprintf(out, size, "%.*s/%s", (int)length, at, name) < (int)size &&
		    executable(out))
			return true;
		at += length + (at[length] == ':');
	}
	return false;
}

/* Whether memory may become executable. Where a service manager forbids that (systemd's
 * MemoryDenyWriteExecute), V8 aborts as it compiles, unless it is told to interpret only. */
static bool can_compile(void)
{
	const size_t size = 4096;
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can;

	if (page == MAP_FAILED)
		return true;
	can = mprotect(page, size, PROT_READ | PROT_EXEC) == 0;
	(void)munmap(page, size);
	return can;
}

static bool find_parts(struct bridge *b, const char *script)
{
	const bool usual = strcmp(b->node_binary, "node") == 0;

	if (!find_program(b->node_binary, b->node_path, sizeof(b->node_path)) &&
	    !(usual && find_program("nodejs", b->node_path, sizeof(b->node_path)))) {
		b->node_path[0] = '\0';
		bridge_trouble(b, true, usual ? "apt-get install nodejs" : NULL,
			       "Node.js is missing: there is no program %s%s", b->node_binary,
			       strchr(b->node_binary, '/') != NULL ? "" : " in PATH");
		return false;
	}
	if (access(script, R_OK) != 0) {
		bridge_trouble(b, true, NULL, "%s can't be read: it is installed with adit",
			       script);
		return false;
	}
	return true;
}

bool bridge_exec(struct bridge *b)
{
	char script[PATH_MAX];
	char heap[48];
	char path[PATH_MAX];
	char home[PATH_MAX];
	char locale[] = "LANG=C.UTF-8";
	char jitless[] = "--jitless";
	char *argv[] = {b->node_path, heap, script, NULL, NULL};
	char *envp[] = {path, home, locale, NULL};
	struct error e = {0};

	(void)snprintf(script, sizeof(script), "%s/bridge.js", b->folder);
	(void)snprintf(heap, sizeof(heap), "--max-old-space-size=%u", b->memory_mib);
	(void)snprintf(path, sizeof(path), "PATH=%s", DEFAULT_PATH);
	(void)snprintf(home, sizeof(home), "HOME=%s", b->state_dir);
	if (!find_parts(b, script))
		return false;
	if (!can_compile()) {
		argv[2] = jitless;
		argv[3] = script;
	}
	if (child_start(&b->child, b->node_path, argv, envp, b->state_dir, &e) == ADIT_OK)
		return true;
	bridge_trouble(b, false, NULL, "%s: %s", b->node_path, e.text);
	return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Manifests and configuration files: the input is a manifest and, after a line "%%", adit.conf, and
 * after another one a file of conf.d.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes what is before the next line "%%" from *TEXT. */
static size_t part(const char **text, const char *end, const char **from)
{
	const char *at = *text;
	const char *stop = at < end ? memmem(at, (size_t)(end - at), "\n%%\n", 4) : NULL;

	*from = at;
	*text = stop != NULL ? stop + 4 : end;
	return (size_t)((stop != NULL ? stop : end) - at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char node[] =
	    "[plugin]\nname = node\nversion = 1\ndescription = d\nauthor = a\n"
	    "[config_schema]\nnetwork = enum | regtest | regtest,main | n\n";
	const char *text = (const char *)data;
	const char *end = text + size;
	const char *from;
	struct problems problems = {0};
	struct conf *conf = conf_new("/etc/adit/adit.conf");
	size_t length;
	struct manifest *m;

	if (conf == NULL || size > 65536) {
		conf_free(conf);
		return 0;
	}
	length = part(&text, end, &from);
	m = manifest_parse("/plugins/x.manifest", "/plugins", from, length, &problems);
	if (m != NULL && !manifests_add(&conf->manifests, m))
		manifest_free(m);
	length = part(&text, end, &from);
	conf_read_text(conf, conf->file, true, from, length, &problems);
	length = part(&text, end, &from);
	conf_read_text(conf, "/etc/adit/conf.d/x.conf", false, from, length, &problems);
	conf_host(conf, &problems);
	if (conf->state_dir != NULL && conf->plugin_dir != NULL && conf->run_dir != NULL &&
	    conf_check(conf, node, &problems)) {
		/* whatever runs has a place in exactly one process */
		for (size_t i = 0; i < conf->group_count; i++) {
			if (conf->groups[i].role_count == 0 ||
			    conf_group_change(conf, &conf->groups[i], conf, &conf->groups[i]) !=
				CONF_SAME)
				abort();
		}
	}
	for (size_t i = 0; i < problems.count; i++) {
		if (strchr(problems.texts[i], '\n') != NULL)
			abort();
	}
	conf_free(conf);
	problems_free(&problems);
	return 0;
}

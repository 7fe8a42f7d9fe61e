/* SPDX-License-Identifier: MIT */
/* conf_rights.c: what a role may do: requested by its manifest, and granted. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/conf.h"

/* The line `grant` that is read, for what is wrong in it. */
struct grant_line {
	const struct conf_setting *setting;
	struct problems *problems;
};

static void grant_unknown(void *user, const char *name, const char *nearest)
{
	const struct grant_line *at = user;

	problems_add(at->problems, at->setting->file, at->setting->line,
		     "grant: `%s` is no capability%s%s%s", name,
		     nearest != NULL ? "; did you mean `" : "", nearest != NULL ? nearest : "",
		     nearest != NULL ? "`?" : "");
}

/* The capabilities of `grant`; none without it. */
static uint32_t grant_read(const struct conf_role *role, const struct conf_setting *given,
			   struct problems *problems)
{
	const struct manifest *m = role->manifest;
	struct grant_line at = {given, problems};
	char surplus[RIGHTS_NAMES_MAX];
	char requested[RIGHTS_NAMES_MAX];
	uint32_t set = 0;

	if (given == NULL)
		return 0;
	if (strcmp(given->value, "all") == 0)
		return m->capabilities;
	rights_parse(given->value, &set, grant_unknown, &at);
	if ((set & ~m->capabilities) == 0)
		return set;
	rights_names(set & ~m->capabilities, surplus, sizeof(surplus));
	rights_names(m->capabilities, requested, sizeof(requested));
	problems_add(problems, given->file, given->line,
		     "grant: its manifest %s does not request %s; it requests %s", m->file, surplus,
		     requested[0] != '\0' ? requested : "nothing");
	return set & m->capabilities;
}

void conf_rights(struct conf_role *role, const struct conf_section *section,
		 struct problems *problems)
{
	const struct manifest *m = role->manifest;
	const struct conf_setting *given = conf_section_get(section, "grant");
	uint32_t granted = grant_read(role, given, problems);
	const char *file = given != NULL ? given->file : role->file;
	unsigned line = given != NULL ? given->line : role->line;
	char denied[RIGHTS_NAMES_MAX];
	char names[RIGHTS_NAMES_MAX];

	role->rights = m->foreign == NULL ? m->capabilities : granted;
	role->denied = m->capabilities & ~role->rights;
	if (role->denied == 0)
		return;
	rights_names(role->denied, denied, sizeof(denied));
	rights_names(m->capabilities, names, sizeof(names));
	if (asprintf(&role->grant, "grant = %s", names) < 0)
		role->grant = NULL;
	if (asprintf(&role->remedy, "write into [%s] (%s:%u): grant = %s", role->instance, file,
		     line, names) < 0)
		role->remedy = NULL;
	problems_warn(problems, file, line,
		      "[%s] is denied what its manifest requests: %s. Its plugin is not of root "
		      "alone: %s. If you trust it, %s this line: grant = %s",
		      role->instance, denied, m->foreign,
		      given != NULL ? "put in place of" : "add to the section", names);
}

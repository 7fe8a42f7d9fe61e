/* SPDX-License-Identifier: MIT */
/* conf_parts.c: sections [ROLE/NAME]: things of which a role has several in an order, as the
 * upstreams of a proxy. Their settings become the role's own, with `NAME.` before the key; the
 * manifest's word for them is one more key, whose value is the list of their names. */
#include "config.h"

#include "host/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/buf.h"

const char *conf_part_name(const char *section, const char *instance)
{
	size_t size = instance != NULL ? strlen(instance) : strcspn(section, "/");

	if (instance != NULL && strncmp(section, instance, size) != 0)
		return NULL;
	return section[size] == '/' ? section + size + 1 : NULL;
}

/* Appends FROM's settings (which become ROLE's) with NAME before their keys. */
static bool conf_part_append(struct conf_role *role, const char *name, struct conf_setting *from,
			     size_t count)
{
	struct conf_setting *all =
	    realloc(role->settings, (role->setting_count + count + 1) * sizeof(*all));

	if (all == NULL)
		return false;
	role->settings = all;
	for (size_t i = 0; i < count; i++) {
		char *key;

		if (asprintf(&key, "%s.%s", name, from[i].key) < 0)
			return false;
		free(from[i].key);
		from[i].key = key;
		all[role->setting_count++] = from[i];
		from[i] = (struct conf_setting){0};
	}
	return true;
}

static void conf_part(struct conf_role *role, const struct conf_section *section, const char *name,
		      const struct schema_place *place, struct problems *problems)
{
	const struct schema *schema = &role->manifest->part_schema;
	struct conf_setting *settings = NULL;
	size_t count = 0;

	conf_check_values(section, schema, place, &settings, &count, problems);
	conf_check_keys(section, schema, NULL, problems);
	(void)conf_part_append(role, name, settings, count);
	conf_settings_free(settings, count);
}

/* The list of names, as a setting. */
static void conf_parts_list(struct conf_role *role, const struct buf *names)
{
	struct conf_setting *all =
	    realloc(role->settings, (role->setting_count + 1) * sizeof(*all));

	if (all == NULL)
		return;
	role->settings = all;
	all[role->setting_count++] =
	    (struct conf_setting){.key = strdup(role->manifest->part),
				  .value = strndup((const char *)names->data, names->size),
				  .type = SCHEMA_STRING,
				  .origin = CONF_DEFAULT};
}

static unsigned conf_parts_most(const struct conf_role *role)
{
	unsigned most = role->manifest->most_parts;

	return most > 0 ? most : MANIFEST_PARTS_MAX;
}

void conf_parts(const struct conf *conf, struct conf_role *role, const struct schema_place *place,
		struct problems *problems)
{
	struct buf names = {0};
	size_t count = 0;

	for (size_t i = 0; i < conf->section_count; i++) {
		const struct conf_section *section = &conf->sections[i];
		const char *name = conf_part_name(section->name, role->instance);

		if (name == NULL)
			continue;
		if (role->manifest->part == NULL)
			problems_add(problems, section->file, section->line,
				     "[%s]: the role `%s` has no such sections", section->name,
				     role->role);
		else if (!manifest_name_valid(name))
			problems_add(problems, section->file, section->line,
				     "[%s]: expected [%s/NAME], NAME of a-z 0-9 - _, which stands "
				     "for one %s",
				     section->name, role->instance, role->manifest->part);
		else if (count == conf_parts_most(role))
			problems_add(problems, section->file, section->line,
				     "[%s]: more than %u of them", section->name,
				     conf_parts_most(role));
		else {
			(void)buf_printf(&names, "%s%s", count++ > 0 ? "," : "", name);
			conf_part(role, section, name, place, problems);
		}
	}
	if (count > 0 && !names.failed)
		conf_parts_list(role, &names);
	buf_free(&names);
}

void conf_parts_alone(const struct conf *conf, struct problems *problems)
{
	for (size_t i = 0; i < conf->section_count; i++) {
		const struct conf_section *section = &conf->sections[i];
		const char *name = conf_part_name(section->name, NULL);
		char role[64];

		if (name == NULL)
			continue;
		(void)snprintf(role, sizeof(role), "%.*s", (int)(name - section->name - 1),
			       section->name);
		if (strcmp(role, "host") == 0 || strcmp(role, "node") == 0)
			problems_add(problems, section->file, section->line,
				     "[%s]: [%s] has no such sections", section->name, role);
		else if (conf_section_find(conf, role) == NULL)
			problems_add(problems, section->file, section->line,
				     "[%s]: there is no section [%s] to which it belongs",
				     section->name, role);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * conf.h: the configuration: adit.conf with [host] and [node], then the files it includes, then
 * conf.d/ *.conf beside it in name order with one section per role instance, then the overrides in
 * STATE/overrides.conf; all of it checked against the manifests' schemas; and the
 * plan that follows from it: which process runs which instances, in which order. See adit.conf(5).
 */
#ifndef HOST_CONF_H
#define HOST_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/manifest.h"
#include "host/problems.h"

#define CONF_WORKERS_MAX 64

struct buf;

enum conf_origin { CONF_DEFAULT, CONF_FILE, CONF_OVERRIDE };

/* One key of a section, as written; and, for a role's keys, checked (value in the plugin's form).
 */
struct conf_setting {
	char *key;
	char *value;
	char *text; /* checked ones: as written */
	enum schema_type type;
	bool secret;
	enum conf_origin origin;
	char *file;    /* NULL: a default */
	unsigned line; /* 0: a default */
};

struct conf_section {
	char *name;
	char *file;
	unsigned line;
	struct conf_setting *settings;
	size_t count;
};

/* A role instance: [role] or [role@name]. */
struct conf_role {
	char *instance; /* "pool", "sv2-server@miners" */
	char *role;     /* "pool": the plugin's name */
	char *process;  /* name of the process it shares, by default its own with `.` for `@` */
	bool enabled;
	unsigned workers;
	unsigned workers_line;           /* 0: not given */
	const struct manifest *manifest; /* borrowed from conf.manifests; NULL: it has none */
	struct conf_setting *settings;   /* every key of the schema that has a value */
	size_t setting_count;
	struct conf_setting *common; /* the keys that every role has */
	size_t common_count;
	uint32_t rights; /* capabilities it has */
	uint32_t denied; /* and those its manifest requests and it has not */
	char *grant;     /* the line that would grant them, NULL: none is denied */
	char *remedy;    /* where to write it, in words */
	char *file;
	unsigned line;
	char *trouble; /* why it can't be started; NULL: it can */
	int mark;      /* of the dependency walk */
};

/* A process and what it runs. */
struct conf_group {
	char *name;
	struct conf_role **roles; /* borrowed, in dependency order */
	size_t role_count;
	unsigned workers;
	size_t *after; /* groups that run before this one is started and end after it */
	bool *loose;   /* for each: not waited for when it has failed to start */
	size_t after_count;
};

struct conf {
	char *file;
	char *state_dir;
	char *run_dir;
	char *control_socket;
	char *plugin_dir;
	char *network;
	char *overrides; /* file of what `aditctl config set` changed */
	int log_level;   /* enum adit_log_level */
	uint16_t server_id;
	uint32_t watchdog_ms;
	uint32_t share_log_records; /* of each ring, not rounded */
	size_t soft_problems; /* those that stop one role, not the system */
	struct manifests manifests;
	struct conf_section *sections; /* as read, with the overrides in them */
	size_t section_count;
	struct conf_section *overridden; /* the overrides alone */
	size_t overridden_count;
	struct conf_setting *host; /* the keys of [host], checked */
	size_t host_count;
	struct conf_role **roles; /* owned; the role `node` first when it is linked in */
	size_t role_count;
	struct conf_group *groups; /* in starting order */
	size_t group_count;
};

/* Reads and checks everything. PROBLEMS receives what is wrong; *USABLE tells whether the system
 * can be started in spite of it (a broken manifest or a missing dependency stops one role only).
 * NODE_MANIFEST is the text of the linked-in role's manifest or NULL. NULL when out of memory. */
struct conf *conf_load(const char *file, const char *node_manifest, struct problems *problems,
		       bool *usable);
void conf_free(struct conf *conf);

const char *conf_role_value(const struct conf_role *role, const char *key);
const struct conf_role *conf_find(const struct conf *conf, const char *instance);

/* The schema of section NAME ("host", "node", a role instance, a part of one), and of the keys it has besides;
 * NULL when there is none. What it returns in *OWN is the caller's (schema_free()). */
bool conf_schemas(const struct conf *conf, const char *name, struct schema *own,
		  const struct schema **plugin);
/* KEY of SECTION (may be NULL) as written; NULL when it has none. */
const struct conf_setting *conf_section_get(const struct conf_section *section, const char *key);
const struct conf_section *conf_section_find(const struct conf *conf, const char *name);
/* The name of a known key or section that is nearest to what was written; NULL: none is near. */
const char *conf_nearest_section(const struct conf *conf, const char *name);

/* The steps of conf_load(), for tests. conf_host() understands [host], with relative paths taken
 * from the configuration file's directory; conf_check() all other sections, against
 * conf->manifests. */
struct conf *conf_new(const char *file);
void conf_host(struct conf *conf, struct problems *problems);
bool conf_check(struct conf *conf, const char *node_manifest, struct problems *problems);

/* conf_plan.c: dependencies, groups and their order. False when memory ran out. */
bool conf_plan(struct conf *conf, struct problems *problems);

/* The checked values of SECTION (may be NULL) for all keys of SCHEMA, with defaults, appended to
 * *SETTINGS; and a problem for each key that is in neither schema (ALSO may be NULL). */
void conf_check_values(const struct conf_section *section, const struct schema *schema,
		       const struct schema_place *place, struct conf_setting **settings,
		       size_t *count, struct problems *problems);
void conf_check_keys(const struct conf_section *section, const struct schema *schema,
		     const struct schema *also, struct problems *problems);

/* conf_parts.c: the sections [INSTANCE/NAME] of ROLE, which is checked already. */
void conf_parts(const struct conf *conf, struct conf_role *role, const struct schema_place *place,
		struct problems *problems);
/* Tells of those whose role has no section. */
void conf_parts_alone(const struct conf *conf, struct problems *problems);
/* NAME of a section [INSTANCE/NAME] (borrowed); INSTANCE NULL: of whatever role. NULL: SECTION is
 * none. */
const char *conf_part_name(const char *section, const char *instance);

/* conf_rights.c: what the plugin of ROLE may do, of what its manifest requests; its section SECTION
 * may grant more. */
void conf_rights(struct conf_role *role, const struct conf_section *section,
		 struct problems *problems);

/* conf_override.c: STATE/overrides.conf */

/* Puts the overrides over what the files say. */
void conf_override(struct conf *conf, struct problems *problems);
/* Whether KEY of SECTION may be overridden, and by VALUE (NULL: any). E says why not. */
int32_t conf_override_check(const struct conf *conf, const char *section, const char *key,
			    const char *value, struct error *e);
/* Reads the file as it is now, and writes it in one step with KEY of SECTION set to VALUE; VALUE
 * NULL: without it; KEY NULL: without that whole section. BEFORE (the caller's, to be freed)
 * receives what it held. ADIT_E_NOT_FOUND when there is nothing to take away, ADIT_E_CONFIG when it
 * can't be read. */
int32_t conf_override_write(const struct conf *conf, const char *section, const char *key,
			    const char *value, struct buf *before, struct error *e);
/* Writes what it held before. */
int32_t conf_override_restore(const struct conf *conf, const struct buf *before, struct error *e);
/* conf_override_edit.c: appends to OUT the TEXT of an overrides file with that change, all else as
 * it was. True when there was something to replace or to take away. */
bool conf_override_edit(const char *text, size_t size, const char *section, const char *key,
			const char *value, struct buf *out);

/* conf_known.c: on network main, payees and keys of enabled roles whose secret everybody knows from
 * examples: an error, always, since the reward would be lost. */
void conf_known_secrets(const struct conf *conf, struct problems *problems);

/* conf_probe.c: what the machine says to the configuration: ports, directories, keys, the node. */
void conf_probe(const struct conf *conf, struct problems *problems);

/* conf_read.c: the files' sections, unchecked. */
void conf_read(struct conf *conf, struct problems *problems);
void conf_read_text(struct conf *conf, const char *file, bool main_file, const char *text,
		    size_t size, struct problems *problems);
void conf_section_free(struct conf_section *section);
/* The sections of one file in a list of their own, unchecked. */
void conf_read_list(const char *file, struct conf_section **sections, size_t *count,
		    struct problems *problems);
void conf_settings_free(struct conf_setting *settings, size_t count);

/* How the running GROUP_A of A and GROUP_B of B, of the same name, differ. */
enum conf_change {
	CONF_SAME,
	CONF_SETTINGS, /* in values that a running plugin could take over */
	CONF_OTHER /* in what is run, where it listens, or what every plugin is told at its start */
};
enum conf_change conf_group_change(const struct conf *a, const struct conf_group *group_a,
				   const struct conf *b, const struct conf_group *group_b);
enum conf_change conf_role_change(const struct conf_role *a, const struct conf_role *b);

#endif

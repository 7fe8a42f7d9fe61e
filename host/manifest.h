/* SPDX-License-Identifier: MIT */
/* manifest.h: what a plugin says of itself before any of its code runs; NAME.manifest beside
 * NAME.so. */
#ifndef HOST_MANIFEST_H
#define HOST_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/problems.h"
#include "host/rights.h"
#include "host/schema.h"

#define MANIFEST_PARTS_MAX 64

struct manifest_dependency {
	char *name;
	char *version; /* ">=0.1", "" for any */
	bool optional;
	unsigned line;
};

struct manifest {
	char *file; /* where it was read */
	char *name;
	char *version;
	char *entry_point; /* absolute path of the shared object, NULL: linked into aditd */
	char *description;
	char *author;
	char *aliases; /* other names under which it is called, comma-separated; NULL: none */
	bool many_workers;
	uint32_t capabilities; /* that it requests */
	char *foreign;         /* why it might be of somebody else than root; NULL: it is root's */
	struct manifest_dependency *dependencies;
	size_t dependency_count;
	struct schema schema;
	char *part; /* what a section [ROLE/NAME] stands for, e.g. `upstream`; NULL: it has none */
	struct schema part_schema; /* of those */
	unsigned most_parts;       /* how many it takes; 0: MANIFEST_PARTS_MAX */
};

struct manifests {
	struct manifest **items; /* owned, in name order */
	size_t count;
};

/* Reads a manifest from TEXT; its entry point lies in DIRECTORY (NULL: linked in). Returns NULL
 * after adding to PROBLEMS what is wrong. */
struct manifest *manifest_parse(const char *file, const char *directory, const char *text,
				size_t size, struct problems *problems);
void manifest_free(struct manifest *m);

/* Reads every *.manifest of DIRECTORY. One that can't be used is left out after its problems were
 * added; a missing directory is a problem, too. */
void manifests_load(struct manifests *all, const char *directory, struct problems *problems);
/* Adds M, which becomes ALL's. */
bool manifests_add(struct manifests *all, struct manifest *m);
void manifests_free(struct manifests *all);
const struct manifest *manifests_find(const struct manifests *all, const char *name);

/* True when VERSION meets REQUIREMENT: "" or "*", or one of >= > <= < = before dotted numbers. */
bool manifest_version_meets(const char *version, const char *requirement);

/* Whether the SIZE bytes at NAME are one of M's aliases. */
bool manifest_has_alias(const struct manifest *m, const char *name, size_t size);

/* A name of a plugin, an instance or a process: [a-z0-9][a-z0-9_-]*, at most 31 bytes. */
bool manifest_name_valid(const char *name);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * rights.h: capabilities. A manifest requests them. A plugin that only root can have put where it
 * is has what it requests; any other has what `grant` of its section says. Checked in the host, and
 * before that in the role process, which can answer at once. See adit-plugin(7), Capabilities.
 */
#ifndef HOST_RIGHTS_H
#define HOST_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sets of capabilities are masks of these bits. */
enum capability {
	CAPABILITY_SUBSCRIBE_EVENTS = 1 << 0,
	CAPABILITY_PUBLISH_EVENTS = 1 << 1,
	CAPABILITY_CALL_MODULE = 1 << 2,         /* calls to roles */
	CAPABILITY_REGISTER_MODULE_API = 1 << 3, /* methods that others call */
	CAPABILITY_READ_BLOCKCHAIN = 1 << 4,     /* calls to `node` that read */
	CAPABILITY_SUBMIT_BLOCK = 1 << 5,        /* node.submit_block, .queue_received_block */
	CAPABILITY_WRITE_SHARE_LOG = 1 << 6,
	CAPABILITY_READ_SHARE_LOG = 1 << 7,
	CAPABILITY_RESTART_ROLES = 1 << 8,     /* host.restart */
	CAPABILITY_SEND_TRANSACTIONS = 1 << 9, /* node.send_transaction */
	CAPABILITY_OTHERS = 1 << 10 /* and up: known names for which the interface has nothing */
};

/* All names of a set, in the list's order, with ", " between; cut to SIZE bytes. RIGHTS_NAMES_MAX
 * are always enough. */
#define RIGHTS_NAMES_MAX 512
void rights_names(uint32_t set, char *out, size_t size);

/* Adds to *SET the capabilities that TEXT lists, with commas or blanks between. Calls UNKNOWN for
 * each name that is none, with the nearest that is one or NULL. */
void rights_parse(const char *text, uint32_t *set,
		  void (*unknown)(void *user, const char *name, const char *nearest), void *user);

/* Whether nobody but root can have written PATH (a file or directory, links followed) or put
 * another into its place: it and the directories above belong to root, and none but root can write
 * there (above, a sticky bit will do). WHY says which is otherwise. */
bool rights_root_alone(const char *path, char *why, size_t size);

/* What a refusal says: the CAPABILITY, and what to do; one that is in REQUESTED is granted as
 * REMEDY says. */
#define RIGHTS_TEXT_MAX 1024
void rights_refusal(uint32_t capability, uint32_t requested, const char *remedy, char *out,
		    size_t size);

#endif

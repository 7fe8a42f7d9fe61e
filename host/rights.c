/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/rights.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/schema.h"
#include "lib/util/nearest.h"

/* By bit: those of enum capability first. */
static const char *const rights_all[] = {
    "subscribe_events",
    "publish_events",
    "call_module",
    "register_module_api",
    "read_blockchain",
    "submit_block",
    "write_share_log",
    "read_share_log",
    "restart_roles",
    "send_transactions",
    /* CAPABILITY_OTHERS */
    "read_utxo",
    "read_chain_state",
    "read_mempool",
    "read_network",
    "network_access",
    "read_lightning",
    "read_payment",
    "read_storage",
    "write_storage",
    "manage_storage",
    "read_filesystem",
    "write_filesystem",
    "manage_filesystem",
    "register_rpc_endpoint",
    "manage_timers",
    "report_metrics",
    "read_metrics",
    "discover_modules",
    "queue_inbound_block",
};

#define RIGHTS_COUNT (sizeof(rights_all) / sizeof(rights_all[0]))

_Static_assert(RIGHTS_COUNT <= 32, "a set is 32 bits");

void rights_names(uint32_t set, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < RIGHTS_COUNT && used < size; i++) {
		if ((set & ((uint32_t)1 << i)) == 0)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "",
					 rights_all[i]);
	}
}

static uint32_t rights_bit(const char *name, size_t size)
{
	for (size_t i = 0; i < RIGHTS_COUNT; i++) {
		if (strlen(rights_all[i]) == size && memcmp(rights_all[i], name, size) == 0)
			return (uint32_t)1 << i;
	}
	return 0;
}

void rights_parse(const char *text, uint32_t *set,
		  void (*unknown)(void *user, const char *name, const char *nearest), void *user)
{
	static const char between[] = ", \t";

	text += strspn(text, between);
	while (*text != '\0') {
		size_t span = strcspn(text, between);
		uint32_t bit = rights_bit(text, span);
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(span < 64 ? span : 63), text);
		if (bit == 0)
			unknown(user, name, nearest_word(name, rights_all, RIGHTS_COUNT));
		*set |= bit;
		text += span;
		text += strspn(text, between);
	}
}

/* PATH itself (ABOVE: a directory over it). */
static bool rights_root_one(const char *path, bool above, char *why, size_t size)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		(void)snprintf(why, size, "%.400s: %s", path, strerror(errno));
		return false;
	}
	if (st.st_uid != 0) {
		(void)snprintf(why, size, "%.400s does not belong to root", path);
		return false;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !(above && (st.st_mode & S_ISVTX) != 0)) {
		(void)snprintf(why, size, "%.400s can be written by others than root", path);
		return false;
	}
	return true;
}

bool rights_root_alone(const char *path, char *why, size_t size)
{
	char *real = realpath(path, NULL);
	bool good = real != NULL && rights_root_one(real, false, why, size);

	if (real == NULL)
		(void)snprintf(why, size, "%.400s: %s", path, strerror(errno));
	while (good && real[1] != '\0') {
		char *slash = strrchr(real, '/');

		slash[slash == real ? 1 : 0] = '\0';
		good = rights_root_one(real, true, why, size);
	}
	free(real);
	return good;
}

void rights_refusal(uint32_t capability, uint32_t requested, const char *remedy, char *out,
		    size_t size)
{
	char name[RIGHTS_NAMES_MAX];

	rights_names(capability, name, sizeof(name));
	if ((capability & requested) == 0)
		(void)snprintf(out, size, "the capability %s is missing in its manifest", name);
	else
		(void)snprintf(out, size, "the capability %s is not granted; to grant it, %s", name,
			       remedy);
}

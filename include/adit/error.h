/* SPDX-License-Identifier: MIT */
/*
 * adit/error.h: the error codes that cross the plugin border.
 *
 * A function that can fail returns an int32_t: ADIT_OK (0) or one of these values, all of them
 * negative. Values are stable and only ever appended. adit_error_name() gives the short name
 * that appears in JSON answers, in logs and in `aditctl` output.
 */
#ifndef ADIT_ERROR_H
#define ADIT_ERROR_H

#include <stdint.h>

enum adit_error {
	ADIT_OK = 0,
	ADIT_E_INTERNAL = -1,          /* "internal": a broken invariant of our own */
	ADIT_E_INVALID_ARGUMENT = -2,  /* "invalid-argument" */
	ADIT_E_NOT_FOUND = -3,         /* "not-found": no such role, method, key, template */
	ADIT_E_PERMISSION_DENIED = -4, /* "permission-denied": the capability was not granted */
	ADIT_E_UNSUPPORTED = -5,       /* "unsupported": this backend or version can't do it */
	ADIT_E_TIMEOUT = -6,           /* "timeout": the deadline passed */
	ADIT_E_UNAVAILABLE = -7,       /* "unavailable": not now (starting, disconnected); try again */
	ADIT_E_NO_MEMORY = -8,         /* "no-memory" */
	ADIT_E_LIMIT = -9,             /* "limit": a configured bound was reached */
	ADIT_E_PROTOCOL = -10,         /* "protocol": the peer broke the protocol */
	ADIT_E_EXISTS = -11,           /* "exists": that name is taken */
	ADIT_E_CANCELLED = -12,        /* "cancelled": the caller or the owner went away */
	ADIT_E_IO = -13,               /* "io": the system refused a read, write or connect */
	ADIT_E_CONFIG = -14            /* "config": a configuration value can't be used */
};

/* The short name of CODE; "internal" for a value that is not in the list. */
static inline const char *adit_error_name(int32_t code)
{
	static const char *const names[] = {
	    "ok",        "internal",    "invalid-argument", "not-found", "permission-denied",
	    "unsupported", "timeout",   "unavailable",      "no-memory", "limit",
	    "protocol",  "exists",      "cancelled",        "io",        "config",
	};

	if (code > 0 || code < -14)
		return names[1];
	return names[-code];
}

#endif

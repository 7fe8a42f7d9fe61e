/* SPDX-License-Identifier: MIT */
/* error.h: an error code with a text for people. Filled where the facts are, shown by whoever
 * decides what to do. */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <adit/error.h>

struct error {
	int32_t code; /* enum adit_error */
	char text[384];
};

/* Stores CODE and the formatted text (cut at the end if need be) and returns CODE. E may be NULL. */
int32_t error_set(struct error *e, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

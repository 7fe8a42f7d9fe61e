/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
	uint8_t *at = out;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		at += got;
		size -= (size_t)got;
	}
}

uint32_t random_below(uint32_t bound)
{
	uint32_t limit;
	uint32_t value;

	if (bound < 2)
		return 0;
	limit = UINT32_MAX - UINT32_MAX % bound;
	do
		random_bytes(&value, sizeof(value));
	while (value >= limit);
	return value % bound;
}

void secure_wipe(void *data, size_t size)
{
	if (size > 0)
		explicit_bzero(data, size);
}

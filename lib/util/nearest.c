/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/nearest.h"

#include <stdint.h>
#include <string.h>

/* Levenshtein distance of two words of at most 63 bytes. */
static size_t word_distance(const char *a, const char *b)
{
	size_t row[64];
	size_t b_size = strlen(b);

	if (strlen(a) > 63 || b_size > 63)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_size];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
	const char *nearest = NULL;
	size_t least = strlen(word) / 3 + 2; /* farther ones are other words */

	for (size_t i = 0; i < count; i++) {
		size_t distance = word_distance(word, words[i]);

		if (distance < least) {
			least = distance;
			nearest = words[i];
		}
	}
	return nearest;
}

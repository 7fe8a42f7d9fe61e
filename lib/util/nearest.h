/* SPDX-License-Identifier: MIT */
/* nearest.h: what somebody may have meant. */
#ifndef UTIL_NEAREST_H
#define UTIL_NEAREST_H

#include <stddef.h>

/* The word of WORDS (COUNT, borrowed) that is nearest to WORD, NULL when none is near: for "did you
 * mean". */
const char *nearest_word(const char *word, const char *const *words, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * regex.h: regular expressions of strangers. What queries need of JavaScript's: literals, . [] \d
 * \w \s \D \W \S \b-less, ^ $, groups without capture, | * + ? {n,m} (lazy ones match the same),
 * and the flags i and s. No back-references and no look-around, so a match takes time in
 * proportion to pattern times text, whatever they are: the automaton is run, nothing is retried.
 */
#ifndef MININGOS_REGEX_H
#define MININGOS_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOS_REGEX_PATTERN_MAX 256 /* bytes */
#define MOS_REGEX_TEXT_MAX 4096   /* bytes; of a longer text only so many are looked at */

struct mos_regex;

/* NULL when PATTERN can't be used: too long, too large once {n,m} are written out, wrong, or with
 * something that is not among the above. FLAGS may be NULL. */
struct mos_regex *mos_regex_new(const char *pattern, const char *flags);
void mos_regex_free(struct mos_regex *re);
/* Whether some part of TEXT matches. *STEPS is made less by what it took; when that makes it
 * negative the answer is false. */
bool mos_regex_match(const struct mos_regex *re, const char *text, size_t size, int64_t *steps);

#endif
